#!/bin/sh
# ship-tls-build.sh [--undo]: puts the build with (or again without) hiredis_ssl
# in place. The running client is the old build until it is restarted.
set -u
cd "$(dirname "$0")" || exit 1
case ${1-} in
'') printf 'libhiredis.so.0.14\nlibhiredis_ssl.so.0.14\n' ;;
--undo) printf 'libhiredis.so.0.14\n' ;;
*)
	echo "usage: ship-tls-build.sh [--undo]" >&2
	exit 2
	;;
esac >build/libs.new && mv build/libs.new build/libs
