#!/bin/sh
# time limit: 300
# A host whose files are root's, and belay is not: by sudo, with a password. It is
# asked for in the console; a wrong one is one failed login, however much belay
# wanted to do meanwhile, and the account is not locked; the right one goes on, to
# an apply as root and back. The same over sshd, with the password from a file, and an
# edit as a third user beside one of root's: undone, adopted and undone, and by hand.
# The users, sudoers and PAM's rules are this test's own, in a mount namespace.
here=$(cd "$(dirname "$0")" && pwd)

if [ -z "${BELAY_BECOME_NS-}" ]; then
	why=
	[ "$(id -u)" = 0 ] || why='this is not root, so nobody can be made an operator who has to ask sudo'
	for c in sudo tmux setpriv unshare; do
		command -v "$c" >/dev/null 2>&1 || why="there is no $c here"
	done
	[ -n "$why" ] || unshare -m true 2>/dev/null || why='no mount namespace can be had here'
	if [ -n "$why" ]; then
		echo "1..0 # SKIP $why"
		exit 0
	fi
	BELAY_BECOME_NS=1 exec unshare -m --propagation private "$0" "$@"
fi
. "$here/lib.sh"

PATH=$PATH:/usr/sbin:/sbin
user=belayop uid=7201
third=belayapp third_uid=7202
sock=$tmp/home/tmux.sock
fleet=$tmp/fleet.yaml plan=$tmp/plan.yaml
sudo_log=$tmp/sudo.log
tally=$tmp/tally
right='correct horse' wrong='wrong horse'
sshd_pid=

tm() {
	as_operator tmux -S "$sock" -f /dev/null "$@"
}

# shellcheck disable=SC2317  # called by the trap
leave() {
	tm kill-server >/dev/null 2>&1
	[ -z "$sshd_pid" ] || kill "$sshd_pid" 2>/dev/null
	for m in /etc/passwd /etc/shadow /etc/group /etc/sudoers /etc/pam.d /run/sudo; do
		umount "$m" 2>/dev/null
	done
	cleanup
}
trap leave EXIT

as_operator() {
	env -i PATH="$PATH" HOME="$tmp/home" XDG_STATE_HOME="$tmp/home/state" TERM=screen LC_ALL=C.UTF-8 USER="$user" \
		setpriv --reuid="$uid" --regid="$uid" --clear-groups "$@"
}

op_belay() {
	as_operator "$tmp/belay" -f "$fleet" -p "$plan" "$@"
}

# In the place of the system's, for us and what we start.
in_place_of() {			# in_place_of WHAT: $tmp/etc/NAME is it
	mount --bind "$tmp/etc/${1##*/}" "$1"
}

# pam_faillock locks after three, where it is installed: as accounts are where it hurts.
make_operator() {
	mkdir -p "$tmp/etc/pam.d" "$tmp/home/state" "$tmp/root" "$tally" || return 1
	chmod 700 "$tmp/home/state" "$tmp/root"
	cp /etc/passwd /etc/shadow /etc/group "$tmp/etc/" || return 1
	cp -r /etc/pam.d/. "$tmp/etc/pam.d/" || return 1
	hash=$(printf '%s' "$right" | openssl passwd -6 -salt belay -stdin) || return 1
	echo "$user:x:$uid:$uid::$tmp/home:/bin/sh" >>"$tmp/etc/passwd"
	echo "$user:$hash:19000:0:99999:7:::" >>"$tmp/etc/shadow"
	echo "$user:x:$uid:" >>"$tmp/etc/group"
	echo "$third:x:$third_uid:$third_uid::$tmp/third:/bin/sh" >>"$tmp/etc/passwd"
	echo "$third:x:$third_uid:" >>"$tmp/etc/group"
	mkdir -m 700 "$tmp/third" && printf '# the app\nLEVEL=low' >"$tmp/third/own.env" || return 1
	chmod 640 "$tmp/third/own.env"
	cp -p "$tmp/third/own.env" "$tmp/before.third"
	chown -R "$third_uid:$third_uid" "$tmp/third"
	printf '%s\n' 'Defaults env_reset' "Defaults logfile=$sudo_log, loglinelen=0" "$user ALL=(ALL) ALL" >"$tmp/etc/sudoers"
	chmod 440 "$tmp/etc/sudoers"
	chmod 640 "$tmp/etc/shadow"
	if ls /usr/lib/*/security/pam_faillock.so /lib/*/security/pam_faillock.so /usr/lib64/security/pam_faillock.so >/dev/null 2>&1; then
		printf '%s\n' "auth required pam_faillock.so preauth dir=$tally deny=3" 'auth sufficient pam_unix.so' \
			"auth [default=die] pam_faillock.so authfail dir=$tally deny=3" \
			"account required pam_faillock.so dir=$tally" 'account required pam_unix.so' \
			'session required pam_permit.so' >"$tmp/etc/pam.d/sudo"
	fi
	for m in passwd shadow group sudoers pam.d; do
		in_place_of "/etc/$m" || return 1
	done
	mkdir -p /run/sudo && mount -t tmpfs none /run/sudo || return 1
	chown -R "$uid:$uid" "$tmp/home"
	cp "$BELAY" "$tmp/belay" && chmod 755 "$tmp/belay" || return 1
	: >"$sudo_log"
	printf 'MODE=off\n# theirs\nOTHER=1\n' >"$tmp/root/app.env"
	chmod 600 "$tmp/root/app.env"
	cp -p "$tmp/root/app.env" "$tmp/before.env"
}

plain= both=			# more edits

# fleet_of HOST [MORE]: what its host is beside what both have
fleet_of() {
	cat >"$fleet" <<END
belay: fleet/1
environment: bench
hosts: { here: { $1, become: root, state: $tmp/root/state } }
${2-}
units: { app: { host: here, run: "id -u >>$tmp/root/ran", restarts: [] } }
endpoints:
  pg:
    kind: postgres
    unit: app
    listen: { both: 1 }
    names: [localhost]
    cannot-see: { served: "nobody listens there" }
    accept:
      file: $tmp/root/app.env
      plain: [ { set: { MODE: "off" } }$plain ]
      both: [ { set: { MODE: "on" } }$both ]
END
	cat >"$plan" <<'END'
belay: plan/1
name: sudo
from: { accept: plain }
steps:
  - { id: both, accept: { pg: both } }
END
	chmod 644 "$fleet" "$plan"
}

# ---- what sudo and PAM have counted ---------------------------------------------

failed_logins() {		# failed_logins N: so many, and the account is not locked
	count=$(grep -c 'incorrect password attempt' "$sudo_log")
	[ "$count" = "$1" ] || { echo "$count failed logins, expected $1"; cat "$sudo_log"; return 1; }
	! grep -q 'incorrect password attempts' "$sudo_log" || return 1
	! command -v faillock >/dev/null 2>&1 || ! grep -q faillock /etc/pam.d/sudo ||
		[ "$(faillock --dir "$tally" --user "$user" | grep -c ' V$')" -le "$1" ]
}

log_is_short() {		# no line of the log is a program
	awk 'length($0) > 1200 { print length($0); bad = 1 } END { exit bad }' "$sudo_log"
}

# ---- the console ----------------------------------------------------------------

screen() {
	tm capture-pane -p -t con
}

shows() {
	screen | grep -q -e "$1"
}

shows_not() {
	! shows "$1"
}

keys() {
	tm send-keys -t con "$@"
}

console() {
	tm new-session -d -s con -x 100 -y 30 "$tmp/belay -f $fleet -p $plan; echo left with \$?; exec sh" || return 1
}

asks_for_a_password() {
	until_ 30 shows "password for sudo on host 'here', to become 'root'" || { screen; return 1; }
	shows 'password of the user who logs in' || { screen; return 1; }
}

not_taken() {
	keys "$wrong" Enter
	until_ 30 shows 'did not take the last password' || { screen; return 1; }
}

shows_no_password() {
	screen >"$tmp/screen"
	! grep -q -e horse "$tmp/screen"
}

goes_on() {
	keys "$right" Enter
	until_ 30 shows_not 'password' || { screen; return 1; }
}

env_is() {			# env_is TEXT
	grep -qx "$1" "$tmp/root/app.env"
}

apply_by_key() {
	keys A
	until_ 10 shows " ARMED " || { screen; return 1; }
	keys a
	until_ 20 shows 'y or Enter applies' || { screen; return 1; }
	keys y
	until_ 30 env_is MODE=on || { screen; return 1; }
	until_ 30 test -s "$tmp/root/ran" || { screen; return 1; }
	[ "$(stat -c '%a %u' "$tmp/root/app.env")" = '600 0' ] && [ "$(sort -u "$tmp/root/ran")" = 0 ] &&
		[ "$(stat -c %u "$tmp"/root/state/runs/*/both/1/meta)" = 0 ]
}

as_before() {
	cmp -s "$tmp/before.env" "$tmp/root/app.env"
}

undo_by_key() {
	keys u
	until_ 10 shows 'u or Enter now' || { screen; return 1; }
	keys u
	until_ 30 as_before || { screen; return 1; }
	[ "$(stat -c '%a %u' "$tmp/root/app.env")" = '600 0' ]
}

leaves() {
	keys q
	until_ 10 shows 'left with 0' || { keys q; until_ 10 shows 'left with 0'; } || { screen; return 1; }
	tm kill-session -t con
}

no_password_anywhere() {
	! grep -r -q -a -e horse "$tmp/home" "$tmp/root" "$sudo_log"
}

ok 'an operator who has to ask sudo, on a host whose files are root'\''s' make_operator || finish
fleet_of 'local: yes'
ok 'the console begins' console || finish
ok 'sudo wants a password: it is asked for' asks_for_a_password || finish
ok 'nobody has tried to log in yet' failed_logins 0
ok 'a wrong one is told, and asked for again' not_taken || finish
ok '… which was one failed login' failed_logins 1
ok '… and is not shown' shows_no_password
ok 'the right one goes on' goes_on || finish
ok 'apply: the file is changed, the unit activated, the record kept, all as root' apply_by_key
ok 'undo: as before, root'\''s as it was' undo_by_key
ok 'the console leaves' leaves
ok 'no login failed besides' failed_logins 1
ok 'sudo logged no program' log_is_short
ok 'no password in any file of the operator, of root, of sudo' no_password_anywhere

# ---- over sshd, with a password from a file ----------------------------------------

begin_sshd() {
	command -v sshd >/dev/null 2>&1 || return 1
	mkdir -p /run/sshd "$tmp/ssh" "$tmp/home/.ssh" || return 1
	ssh-keygen -q -t ed25519 -N '' -f "$tmp/ssh/host" && ssh-keygen -q -t ed25519 -N '' -f "$tmp/home/.ssh/id" || return 1
	cp "$tmp/home/.ssh/id.pub" "$tmp/home/.ssh/authorized_keys"
	tries=0
	while [ $tries -lt 20 ]; do
		tries=$((tries + 1))
		port=$((20000 + ($(od -An -tu2 -N2 /dev/urandom) % 20000)))
		printf '%s\n' "Port $port" 'ListenAddress 127.0.0.1' "HostKey $tmp/ssh/host" 'UsePAM no' 'StrictModes no' \
			"PidFile $tmp/ssh/pid" "AuthorizedKeysFile $tmp/home/.ssh/authorized_keys" >"$tmp/ssh/config"
		sshd=$(command -v sshd)
		"$sshd" -D -e -f "$tmp/ssh/config" >"$tmp/ssh/log" 2>&1 &
		sshd_pid=$!
		until_ 5 test -s "$tmp/ssh/pid" && break
		kill "$sshd_pid" 2>/dev/null
	done
	printf '[127.0.0.1]:%s %s\n' "$port" "$(cut -d' ' -f1,2 "$tmp/ssh/host.pub")" >"$tmp/home/.ssh/known_hosts"
	chown -R "$uid:$uid" "$tmp/home/.ssh"
	chmod 700 "$tmp/home/.ssh"
	ssh_host="address: 127.0.0.1, port: $port, user: $user, identity: $tmp/home/.ssh/id, become-password: word"
	fleet_of "$ssh_host" "secrets: { word: { file: $tmp/home/word } }"
	rm -rf "$tmp/root/state" "$tmp/root/ran" "$tmp/home/state"
	as_operator mkdir -m 700 "$tmp/home/state"
	: >"$sudo_log"
	[ ! -d "$tally" ] || rm -f "$tally"/*
}

word() {
	(umask 077 && printf '%s\n' "$1" >"$tmp/home/word" && chown "$uid" "$tmp/home/word")
}

refused_there() {
	word "$wrong"
	! op_belay apply both --yes >"$tmp/out" 2>&1 || return 1
	cat "$tmp/out"
	grep -q "did not take the password to become 'root'" "$tmp/out"
}

applied_there() {
	word "$right"
	op_belay apply both --yes --waive "served pg" --reason "nobody listens there" && env_is MODE=on && [ "$(sort -u "$tmp/root/ran")" = 0 ]
}

undone_there() {
	op_belay undo --all --yes && as_before
}

if ! command -v sshd >/dev/null 2>&1; then
	n=$((n + 1))
	echo "ok $n - the same over sshd # SKIP there is no sshd here"
	finish
fi
ok 'an sshd that the operator logs in at' begin_sshd || finish
ok 'a wrong password from a file is refused, in words' refused_there
ok '… and one failed login for each worker process' failed_logins 1
ok 'the right one: applied as root over sshd' applied_there
ok '… and undone' undone_there
ok 'no login failed besides' failed_logins 1
ok '… and sudo logged no program' log_is_short

# ---- an edit as a third user ---------------------------------------------------------

begin_third() {
	plain=", { env: { file: $tmp/third/own.env, set: { LEVEL: low }, become: $third } }"
	both=", { env: { file: $tmp/third/own.env, set: { LEVEL: high }, become: $third } }"
	fleet_of "$ssh_host" "secrets: { word: { file: $tmp/home/word } }"
	rm -rf "$tmp/root/state" "$tmp/root/ran" "$tmp/home/state"
	as_operator mkdir -m 700 "$tmp/home/state"
}

previews_as_whom() {
	op_belay diff both >"$tmp/out"	# 2: there are changes
	cat "$tmp/out"
	grep -q "here:$tmp/root/app.env" "$tmp/out" && grep -q "$third@here:$tmp/third/own.env" "$tmp/out"
}

records_of_each() {
	[ "$(stat -c %u "$tmp"/root/state/runs/*/both/1/meta | sort -u)" = 0 ] &&
		[ "$(stat -c %u "$tmp"/third/.local/state/belay/runs/*/both/2/meta | sort -u)" = "$third_uid" ]
}

applied_as_both() {
	op_belay apply both --yes --waive "served pg" --reason "nobody listens there" || return 1
	env_is MODE=on && grep -qx LEVEL=high "$tmp/third/own.env" && [ "$(stat -c '%a %u' "$tmp/third/own.env")" = "640 $third_uid" ] &&
		records_of_each
}

both_as_before() {
	as_before && cmp "$tmp/before.third" "$tmp/third/own.env" && [ "$(stat -c '%a %u' "$tmp/third/own.env")" = "640 $third_uid" ]
}

undone_as_both() {
	op_belay undo --all --yes && both_as_before
}

adopts() {
	rm -rf "$tmp/home/state/belay"
	op_belay adopt && op_belay undo --all --yes && both_as_before
}

# Each script as the user whose it is, in the order in which they are printed.
by_hand() {
	op_belay undo --all --print >"$tmp/print" || return 1
	awk -v dir="$tmp" '/^#!\/bin\/sh$/ { n++; f = dir "/back." n ".sh" } { print >f }' "$tmp/print"
	grep -q "of user '$third'" "$tmp/back.2.sh" || { cat "$tmp/print"; return 1; }
	chmod 755 "$tmp"/back.*.sh
	env -i PATH="$PATH" HOME="$tmp/third" setpriv --reuid="$third_uid" --regid="$third_uid" --clear-groups "$tmp/back.1.sh" &&
		env -i PATH="$PATH" HOME=/root "$tmp/back.2.sh" && both_as_before
}

ok 'a file of a third user beside one of root'\''s' begin_third
ok 'the preview says as whom' previews_as_whom
ok 'applied, each as its user, with records of its own' applied_as_both
ok '… and undone' undone_as_both
ok 'applied once more' applied_as_both
ok 'adopted from the records of both, and undone' adopts
ok 'applied a third time' applied_as_both
ok 'undone by hand, each script by its user' by_hand
ok 'no login failed besides' failed_logins 1
finish
