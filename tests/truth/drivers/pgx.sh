#!/bin/sh
# pgx as Debian packages it, as source: compiled once into the build directory.
go=$(command -v go) || { echo 'absent there is no go'; exit 0; }
src=${GOPATH_DEBIAN:-/usr/share/gocode}
[ -d "$src/src/github.com/jackc/pgx/v4" ] || { echo "absent there is no pgx in $src"; exit 0; }
here=$(cd "${0%/*}" && pwd)
out=${BUILD:-build}/tests/truth
{ mkdir -p "$out" && out=$(cd "$out" && pwd); } || { echo "absent cannot make $out"; exit 0; }
if [ ! -x "$out/pgx" ] || [ -n "$(find "$here/pgx.go" "$src/src/github.com/jackc" -newer "$out/pgx" | head -n 1)" ]; then
	GO111MODULE=off GOPATH=$src GOCACHE=$out/gocache GOFLAGS=-p=2 \
	    "$go" build -o "$out/pgx.$$" "$here/pgx.go" >"$out/pgx.log" 2>&1 ||
	    { echo "absent it does not compile: see $out/pgx.log"; exit 0; }
	mv "$out/pgx.$$" "$out/pgx"
	rm -rf "$out/gocache"
fi
exec "$out/pgx"
