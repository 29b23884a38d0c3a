#!/bin/sh
# pgjdbc as Debian packages it. BeanShell runs the program from its source, so
# that a runtime is enough: no compiler of 70 MB.
java=$(command -v java) || { echo 'absent there is no java'; exit 0; }
jars=${JARS:-/usr/share/java}
for jar in postgresql.jar bsh.jar; do
	[ -e "$jars/$jar" ] || { echo "absent there is no $jars/$jar"; exit 0; }
done
hosts=$HOME/hosts
echo '127.0.0.1 db.internal localhost' >"$hosts"
exec "$java" -XX:TieredStopAtLevel=1 -Xshare:auto -XX:+UseSerialGC -Xmx128m -Duser.home="$HOME" \
    -Djdk.net.hosts.file="$hosts" -cp "$jars/postgresql.jar:$jars/bsh.jar" bsh.Interpreter "${0%/*}/jdbc.bsh"
