/*
 * Broken fleet and plan files, each with the exact message that people get:
 * where it is, what is wrong, what was expected.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/fleet.h"
#include "core/plan.h"

/* The beginning of every fleet below, so that each case is one short story. */
#define HEAD "belay: fleet/1\n"						/* 1 */
#define GROUND HEAD							\
	"hosts: { db: { ssh: db }, web: { address: 10.0.0.2 } }\n"	/* 2 */ \
	"units:\n"							/* 3 */ \
	"  db: { host: db, run: ./restart }\n"				/* 4 */ \
	"  web: { host: web, run: ./restart }\n"			/* 5 */
#define SERVERS GROUND							\
	"endpoints:\n"							/* 6 */ \
	"  redis: { kind: redis, unit: db, listen: { plain: 6379, tls: 6380 } }\n" /* 7 */ \
	"  pg: { kind: postgres, unit: db, listen: { both: 5432 } }\n"	/* 8 */
#define CLIENTS SERVERS "clients:\n"					/* 9 */
/* A postgres that knows its clients by a CA, and a redis that does not. */
#define KNOWN GROUND							\
	"endpoints: { redis: { kind: redis, unit: db, listen: { plain: 6379, tls: 6380 } },\n" /* 6 */ \
	"    pg: { kind: postgres, unit: db, listen: { both: 5432 }, clients: a } }\n" /* 7 */ \
	"certs: { a: { serves: [pg, redis] }, id: { purpose: client, ca: a }, "	/* 8 */ \
	"of-job: { purpose: client, ca: a }, unused: { purpose: client, ca: a } }\n" \
	"clients:\n"							/* 9 */

/* A redis whose probe shows a certificate. */
#define OWN(probe, clients) GROUND					\
	"certs: { a: { serves: [redis] }, id: { purpose: client, ca: a }, of-other: { purpose: client } }\n" /* 6 */ \
	"endpoints:\n"							/* 7 */ \
	"  redis: { kind: redis, unit: db, listen: { plain: 6379, tls: 6380 }, " probe ", " clients " }\n" /* 8 */

static const struct {
	const char *text, *message;
} bad_fleets[] = {
	/* Not our kind of YAML. */
	{ "",
	    "f:1:1: nothing in the file, expected 'belay: …' and what follows it" },
	{ "- a\n",
	    "f:1:1: not a mapping, expected 'belay: …' and what follows it" },
	{ "belay: fleet/1\nhosts: [\n",
	    "f:3:1: not YAML: did not find expected node content while parsing a flow node, expected 'key: value' lines" },
	{ "belay: fleet/1\nhosts:\n\tdb: { ssh: db }\n",
	    "f:3:1: a tab, expected blanks: YAML does not indent with tabs" },
	{ "belay: fleet/1\nbelay: fleet/1\n",
	    "f:2:1: duplicate key 'belay', expected it once (it stands in line 1)" },
	{ "belay: &x fleet/1\n",
	    "f:1:8: an anchor (&), expected a plain value; quote a value that starts with '&'" },
	{ "belay: fleet/1\nenvironment: *x\n",
	    "f:2:14: an alias (*), expected the value itself; quote a value that starts with '*'" },
	{ "belay: !!str fleet/1\n",
	    "f:1:8: a tag (!), expected a plain value; quote a value that starts with '!'" },
	{ "%YAML 1.1\n---\nbelay: fleet/1\n",
	    "f:1:1: a directive (%), expected none" },
	{ "belay: fleet/1\nhosts: { db: { <<: { ssh: db } } }\n",
	    "f:2:16: a merge key (<<), expected the keys themselves" },
	{ "belay: fleet/1\n---\nbelay: fleet/1\n",
	    "f:2:1: a second document, expected one" },
	{ "belay: fleet/1\n? [a, b]\n: c\n",
	    "f:2:3: a key that is a list or a mapping, expected a word" },
	{ "belay: fleet/1\nenvironment: caf\xe9\n",
	    "f:2:17: byte 0xe9 is not UTF-8, expected UTF-8 text" },
	{ "belay: fleet/1\nenvironment: a\x1b[31mb\n",
	    "f:2:15: control character U+001B, expected text" },
	{ "belay: fleet/1\nenvironment: \"a\\eb\"\n",
	    "f:2:14: an escaped control character, expected text" },
	{ "belay: fleet/1\nlists: { a: [[[[[[[[[[[[[[[[x]]]]]]]]]]]]]]]] }\n",
	    "f:2:27: nested more than 16 deep, expected less" },

	/* The head. */
	{ "hosts: {}\n",
	    "f:1:1: no 'belay', expected 'belay: fleet/1'" },
	{ "belay: fleet/2\n",
	    "f:1:8: 'fleet/2', expected 'belay: fleet/1'" },
	{ "belay: plan/1\n",
	    "f:1:8: 'plan/1', expected 'belay: fleet/1' (this is a plan: it goes with -p)" },
	{ HEAD "enpoints: {}\n",
	    "f:2:1: unknown key in a fleet: 'enpoints', did you mean 'endpoints'?" },
	{ HEAD "volumes: {}\n",
	    "f:2:1: unknown key in a fleet: 'volumes', expected one of: belay, environment, lists, hosts, clusters, secrets, units, certs, endpoints, clients" },
	{ HEAD "hosts: db\n",
	    "f:2:8: a value, expected a mapping: the name of each host and what it is" },

	/* Hosts. */
	{ HEAD "hosts: { db: { sssh: db } }\n",
	    "f:2:16: unknown key in a host: 'sssh', did you mean 'ssh'?" },
	{ HEAD "hosts: { db: {} }\n",
	    "f:2:14: the host 'db' has no address, expected one of: 'ssh: ALIAS', 'address: …', 'local: yes'" },
	{ HEAD "hosts: { db: { ssh: db, address: 10.0.0.1 } }\n",
	    "f:2:14: the host 'db' has several addresses, expected one of: 'ssh: ALIAS', 'address: …', 'local: yes'" },
	{ HEAD "hosts: { db: { ssh: -oProxyCommand=id } }\n",
	    "f:2:21: '-oProxyCommand=id' starts with '-', expected an alias of ssh_config" },
	{ HEAD "hosts: { db: { address: \"10.0.0.1;id\" } }\n",
	    "f:2:25: '10.0.0.1;id', expected a host name or an address: letters, digits and .:_-%" },
	{ HEAD "hosts: { db: { address: 10.0.0.1, user: -l } }\n",
	    "f:2:41: '-l' starts with '-', expected the name of a user" },
	{ HEAD "hosts: { db: { address: 10.0.0.1, port: 65536 } }\n",
	    "f:2:41: '65536', expected a port: a number from 1 to 65535" },
	{ HEAD "hosts: { db: { address: 10.0.0.1, identity: keys/id } }\n",
	    "f:2:45: 'keys/id', expected the absolute path of a file, or one that starts with ~/" },
	{ HEAD "hosts: { db: { ssh: db, port: 22 } }\n",
	    "f:2:25: 'port' without 'address', expected it in ssh_config beside the alias" },
	{ HEAD "hosts: { \"a b\": { ssh: db } }\n",
	    "f:2:10: 'a b', expected the name of a host: letters, digits, '.', '_' and '-', with a letter or digit first" },
	{ HEAD "hosts: { db: { ssh: db, transport: telnet } }\n",
	    "f:2:36: unknown transport 'telnet', expected one of: libssh2, ssh" },

	/* for and $(name). */
	{ HEAD "hosts: { \"$(s)\": { for: { s: servers }, ssh: x } }\n",
	    "f:2:30: unknown list 'servers', expected none: there are none" },
	{ HEAD "hosts: { \"$(s)\": { for: { s: [a, b] }, ssh: \"$(t)\" } }\n",
	    "f:2:45: unknown name '$(t)', expected a name bound by 'for'; '$$(t)' stands for the text itself" },
	{ HEAD "hosts: { \"$(s)\": { for: { s: [a, a] }, ssh: x } }\n",
	    "f:2:10: a second host 'a', expected another name" },
	{ HEAD "hosts: { \"$(s)\": { for: { s: [] }, ssh: x } }\n",
	    "f:2:30: 'for' has nothing to go through, expected at least one value" },
	{ HEAD "hosts: { x: { for: { s: [a, b] }, ssh: \"$(s)\" } }\n",
	    "f:2:10: a second host 'x', expected another name" },

	/* Units and secrets. */
	{ HEAD "hosts: { db: { ssh: db } }\nunits: { u: { host: bd, run: x } }\n",
	    "f:3:21: unknown host 'bd', did you mean 'db'?" },
	{ HEAD "hosts: { db: { ssh: db } }\nunits: { u: { host: db } }\n",
	    "f:3:13: the unit 'u' has no command, expected 'run: …', which restarts or reloads it, or 'by: …'" },
	{ HEAD "hosts: { db: { ssh: db } }\nunits: { u: { host: db, run: x, by: systemctl } }\n",
	    "f:3:37: both 'run' and 'by', expected one of them" },
	{ HEAD "hosts: { db: { ssh: db } }\nunits: { u: { host: db, by: init } }\n",
	    "f:3:29: unknown way to activate 'init', expected the name of an endpoint, or systemctl" },
	{ HEAD "hosts: { db: { ssh: db } }\nunits: { u: { host: db, by: systemctl } }\n",
	    "f:3:29: 'by: systemctl' needs 'service: NAME'" },
	{ HEAD "hosts: { db: { ssh: db } }\nunits: { u: { host: db, by: p, kind: restart } }\n"
	    "endpoints: { p: { kind: redis, unit: u, listen: { plain: 1 } } }\n",
	    "f:3:38: a server's own console reloads it, expected 'kind: reload'" },
	{ HEAD "hosts: { db: { ssh: db } }\nunits: { u: { host: db, by: p }, v: { host: db, run: x } }\n"
	    "endpoints: { p: { kind: redis, unit: v, listen: { plain: 1 } } }\n",
	    "f:3:10: the unit 'u' is reloaded by 'p', which does not belong to it" },
	{ HEAD "hosts: { db: { ssh: db } }\nunits: { u: { host: db, by: p } }\n"
	    "endpoints: { p: { kind: postgres, unit: u, listen: { both: 1 } } }\n",
	    "f:3:10: the unit 'u' is reloaded by 'p', which names no admin, expected 'admin: …' there" },
	{ HEAD "hosts: { db: { ssh: db } }\nunits: { u: { run: x } }\n",
	    "f:3:13: the unit 'u' has no host, expected 'host: …' or 'cluster: …'" },
	{ HEAD "hosts: { db: { ssh: db } }\nunits: { u: { host: db, run: x, deadline: soon } }\n",
	    "f:3:43: 'soon', expected a duration: 30s, 10m, 7h, 90d" },
	{ HEAD "hosts: { db: { ssh: db } }\nunits: { u: { host: db, run: x, deadline: 25h } }\n",
	    "f:3:43: '25h', expected a deadline: more than nothing, at most 24h" },
	{ HEAD "hosts: { db: { ssh: db } }\nunits: { u: { host: db, run: x, deadline: 0s } }\n",
	    "f:3:43: '0s', expected a deadline: more than nothing, at most 24h" },
	{ HEAD "hosts: { db: { ssh: db } }\nunits: { u: { host: db, run: x, in: srv } }\n",
	    "f:3:37: 'srv', expected the absolute path of a file" },
	{ HEAD "hosts: { db: { ssh: db } }\nunits: { u: { host: db, run: x, kind: reloaded } }\n",
	    "f:3:39: unknown kind of activation 'reloaded', did you mean 'reload'?" },
	{ HEAD "hosts: { db: { ssh: db } }\nunits: { u: { host: db, run: x, idempotent: maybe } }\n",
	    "f:3:45: 'maybe', expected yes or no" },
	{ HEAD "hosts: { db: { ssh: db } }\nunits: { u: { host: db, run: \"x $(date)\" } }\n",
	    "f:3:30: unknown name '$(date)', expected a name bound by 'for'; '$$(date)' stands for the text itself" },
	{ GROUND "endpoints: { pg: { kind: postgres, unit: db, listen: { both: 5432 } } }\nclients: {}\nsecrets: { s: { fil: /x } }\n",
	    "f:8:17: unknown key in a secret: 'fil', did you mean 'file'?" },
	{ HEAD "secrets: { s: {} }\n",
	    "f:2:15: the secret 's' has no source, expected one of: file, fd, command, prompt, host-env, object, env" },
	{ HEAD "secrets: { s: { file: /x, env: Y } }\n",
	    "f:2:15: the secret 's' has several sources, expected one of: file, fd, command, prompt, host-env, object, env" },
	{ HEAD "secrets: { s: { fd: 0 } }\n",
	    "f:2:21: '0', expected a file descriptor: a number from 3 to 1023" },
	{ HEAD "hosts: { db: { ssh: db } }\nsecrets: { s: { host-env: { host: db, key: X } } }\n",
	    "f:3:27: a host-env secret without 'file', expected 'file: …'" },
	{ HEAD "hosts: { db: { ssh: db } }\nunits: { db: { host: db, run: x, restarts: [radis] } }\n"
	    "endpoints: { redis: { kind: redis, unit: db, listen: { plain: 1 } } }\n",
	    "f:3:45: unknown endpoint or client 'radis', did you mean 'redis'?" },

	/* Endpoints. */
	{ GROUND "endpoints: { pg: { unit: db, listen: { both: 5432 } } }\n",
	    "f:6:18: the endpoint 'pg' has no kind, expected 'kind: postgres', 'kind: pgbouncer' or 'kind: redis'" },
	{ GROUND "endpoints: { pg: { kind: postgre, unit: db, listen: { both: 5432 } } }\n",
	    "f:6:26: unknown kind 'postgre', did you mean 'postgres'?" },
	{ GROUND "endpoints: { pg: { kind: postgres, listen: { both: 5432 } } }\n",
	    "f:6:18: the endpoint 'pg' has no unit, expected 'unit: …' (or 'managed: …')" },
	{ GROUND "endpoints: { pg: { kind: postgres, unit: db } }\n",
	    "f:6:18: the endpoint 'pg' has no port, expected 'listen: { both: PORT }' or 'listen: { plain: PORT, tls: PORT }'" },
	{ GROUND "endpoints: { pg: { kind: postgres, unit: db, listen: { both: 5432, tls: 5433 } } }\n",
	    "f:6:62: 'both' beside 'plain' or 'tls', expected one port for both, or one each" },
	{ GROUND "endpoints: { pg: { kind: postgres, unit: db, listen: { both: 0 } } }\n",
	    "f:6:62: '0', expected a port: a number from 1 to 65535" },
	{ GROUND "endpoints: { r: { kind: redis, unit: db, listen: { plain: 6379, tls: 6379 } } }\n",
	    "f:6:70: the same port twice, expected 'both: 6379'" },
	{ GROUND "endpoints: { pg: { kind: postgres, unit: db, listen: { both: 5432 }, probe: { password: pg } } }\n",
	    "f:6:89: unknown secret 'pg', expected none: there are none" },
	{ GROUND "endpoints: { pg: { kind: postgres, unit: db, listen: { both: 5432 }, admin: { database: x } } }\n",
	    "f:6:77: the admin of a postgres has no user, expected 'user: …'" },
	{ GROUND "endpoints: { r: { kind: redis, unit: db, listen: { plain: 1 }, admin: { database: x } } }\n",
	    "f:6:83: the admin of a redis has no database, expected 'user' and 'password' alone" },
	{ GROUND "endpoints: { pg: { kind: postgres, unit: db, listen: { both: 1 }, accept: { plain: { setting: { set: { ssl: off } } } } } }\n",
	    "f:6:86: the endpoint 'pg' has no admin to change a setting, expected 'admin: { user: … }' there" },
	{ GROUND "endpoints: { r: { kind: redis, unit: db, listen: { plain: 1 }, accept: { plain: { setting: { unset: [port] } } } } }\n",
	    "f:6:83: a redis has no value of 'port' to go back to, expected 'set: { port: value }'" },
	{ GROUND "endpoints: { p: { kind: pgbouncer, unit: db, listen: { both: 1 }, admin: { user: a }, accept: { plain: { setting: { set: { x: y }, persist: yes } } } } }\n",
	    "f:6:106: what the console of a pgbouncer is told is gone at a RELOAD and at a restart: expected a 'conf' edit of its file, or no 'persist'" },
	{ GROUND "endpoints: { r: { kind: redis, unit: db, listen: { plain: 1 }, accept: { plain: { setting: { set: { requirepass: x } } } } } }\n",
	    "f:6:101: 'requirepass' may hold a secret, which would be kept in the record on the host: expected a 'conf' edit of its file" },
	{ GROUND "endpoints: { r: { kind: redis, unit: db, listen: { plain: 1 }, accept: { plain: { setting: { persist: no } } } } }\n",
	    "f:6:83: a setting edit without a change, expected 'set: { name: value }' or 'unset: [name]'" },
	{ GROUND "endpoints: { pg: { kind: postgres, unit: db, listen: { both: 5432 }, protocol: { min: TLSv1.4 } } }\n",
	    "f:6:87: unknown protocol 'TLSv1.4', did you mean 'TLSv1.1'?" },
	{ GROUND "endpoints: { pg: { kind: postgres, unit: db, listen: { both: 5432 }, names: [\"a b\"] } }\n",
	    "f:6:78: 'a b', expected a host name or an address: letters, digits and .:_-" },

	{ GROUND "endpoints: { pg: { kind: postgres, unit: db, listen: { both: 5432 }, auth: scram } }\n",
	    "f:6:76: unknown method 'scram', expected one of: trust, password, md5, scram-sha-256, cert, external" },
	{ GROUND "endpoints: { pg: { kind: postgres, unit: db, listen: { both: 5432 }, auth: { tsl: md5 } } }\n",
	    "f:6:78: unknown key in auth: 'tsl', did you mean 'tls'?" },
	{ GROUND "endpoints: { r: { kind: redis, unit: db, listen: { plain: 6379 }, auth: md5 } }\n",
	    "f:6:73: 'md5' of a redis, expected one of: trust, password" },
	{ GROUND "endpoints: { pg: { kind: postgres, unit: db, listen: { both: 5432 }, runs-as: postgres } }\n",
	    "f:6:79: 'postgres', expected a user in numbers, as 70 or 70:70" },
	{ GROUND "endpoints: { pg: { kind: postgres, unit: db, listen: { both: 5432 }, runs-as: 70:x } }\n",
	    "f:6:79: '70:x', expected a user in numbers, as 70 or 70:70" },
	{ GROUND "endpoints: { pg: { kind: postgres, unit: db, listen: { both: 5432 }, runs-as: 4294967296 } }\n",
	    "f:6:79: '4294967296', expected a user in numbers, as 70 or 70:70" },
	{ GROUND "endpoints: { pg: { kind: postgres, unit: db, listen: { both: 5432 }, client-certificates: wanted } }\n",
	    "f:6:91: unknown way to treat client certificates: 'wanted', expected asked" },

	/* Bindings. */
	{ GROUND "endpoints: { pg: { kind: postgres, unit: db, listen: { both: 5432 }, accept: { bth: { file: /e, set: { A: b } } } } }\n",
	    "f:6:80: unknown key in accept: 'bth', did you mean 'both'?" },
	{ GROUND "endpoints: { pg: { kind: postgres, unit: db, listen: { both: 5432 }, accept: { both: { set: { A: b } } } } }\n",
	    "f:6:88: 'set' or 'unset' without a file, expected 'file: /path' beside it" },
	{ GROUND "endpoints: { pg: { kind: postgres, unit: db, listen: { both: 5432 }, accept: { file: env, both: { set: { A: b } } } } }\n",
	    "f:6:86: 'env', expected the absolute path of a file" },
	{ GROUND "endpoints: { pg: { kind: postgres, unit: db, listen: { both: 5432 }, accept: { both: { file: /e } } } }\n",
	    "f:6:94: a file without a change, expected 'set: { NAME: value }' or 'unset: [NAME]'" },
	{ GROUND "endpoints: { pg: { kind: postgres, unit: db, listen: { both: 5432 }, accept: { both: { file: /e, set: { A: b }, unset: [A] } } } }\n",
	    "f:6:105: 'A' is set and unset, expected one of them" },
	{ GROUND "endpoints: { pg: { kind: postgres, unit: db, listen: { both: 5432 }, accept: { both: { file: /e, set: { \"A-B\": c } } } } }\n",
	    "f:6:105: 'A-B', expected the name of a variable: letters, digits and '_'" },
	{ GROUND "endpoints: { pg: { kind: postgres, unit: db, listen: { both: 5432 }, accept: { both: { run: reload } } } }\n",
	    "f:6:88: a command without a way back, expected 'undo: …', 'touches: [FILE]', 'read-only: yes' or 'observe: …' with 'value: …'" },
	{ GROUND "endpoints: { pg: { kind: postgres, unit: db, listen: { both: 5432 }, accept: { both: { conf: { file: /c, in-container: \"a b\", syntax: postgres, set: { ssl: on } } } } } }\n",
	    "f:6:120: 'a b', expected the name of a container: NAME, docker:NAME or podman:NAME" },
	{ GROUND "endpoints: { pg: { kind: postgres, unit: db, listen: { both: 5432 }, accept: { both: { conf: { file: /c, in-container: lxc:a, syntax: postgres, set: { ssl: on } } } } } }\n",
	    "f:6:120: 'lxc:a', expected the name of a container: NAME, docker:NAME or podman:NAME" },
	{ GROUND "endpoints: { pg: { kind: postgres, unit: db, listen: { both: 5432 }, accept: { both: { conf: { file: /c, in-container: -v, syntax: postgres, set: { ssl: on } } } } } }\n",
	    "f:6:120: '-v', expected the name of a container: NAME, docker:NAME or podman:NAME" },
	{ GROUND "endpoints: { pg: { kind: postgres, unit: db, listen: { both: 5432 }, accept: { both: { run: x, value: y } } } }\n",
	    "f:6:103: 'value' without 'observe', expected the command that prints what it is" },
	{ GROUND "endpoints: { pg: { kind: postgres, unit: db, listen: { both: 5432 }, accept: { both: { run: x, observe: o, value: y, undo: z } } } }\n",
	    "f:6:115: 'value' and 'undo', expected one of them" },
	{ GROUND "endpoints: { pg: { kind: postgres, unit: db, listen: { both: 5432 }, accept: { both: { run: x, observe: o, value: y, expect: z } } } }\n",
	    "f:6:115: 'value' and 'expect', expected one of them" },
	{ GROUND "endpoints: { pg: { kind: postgres, unit: db, listen: { both: 5432 }, accept: { both: { run: x, observe: o, value: y, stdin: { A: b } } } } }\n",
	    "f:6:115: 'value' and 'stdin', expected one of them" },
	{ GROUND "endpoints: { pg: { kind: postgres, unit: db, listen: { both: 5432 }, accept: { both: { run: x, observe: o, value: \"$(x)\" } } } }\n",
	    "f:6:115: unknown name '$(x)', expected a name bound by 'for'; '$$(x)' stands for the text itself" },
	{ GROUND "endpoints: { pg: { kind: postgres, unit: db, listen: { both: 5432 }, accept: { both: { run: x, observe: o, value: \"a\\nb\" } } } }\n",
	    "f:6:115: expected a value of one line, of at most 4096 bytes" },
	{ GROUND "endpoints: { pg: { kind: postgres, unit: db, listen: { both: 5432 }, accept: { both: { run: x, observe: o, stdin: { A: b } } } } }\n",
	    "f:6:115: 'stdin' of a command that is undone by value, expected 'undo: …' beside it: the way back reads nothing" },
	{ GROUND "endpoints: { pg: { kind: postgres, unit: db, listen: { both: 5432 }, accept: { both: { run: x, touches: [a/b] } } } }\n",
	    "f:6:106: 'a/b', expected the absolute path of a file" },
	{ GROUND "endpoints: { pg: { kind: postgres, unit: db, listen: { both: 5432 }, accept: { both: { run: x, touches: [/a, /a] } } } }\n",
	    "f:6:110: '/a' stands there twice, expected it once" },
	{ GROUND "endpoints: { pg: { kind: postgres, unit: db, listen: { both: 5432 }, accept: { both: { run: x, touches: [/a], read-only: yes } } } }\n",
	    "f:6:88: 'read-only' and 'touches', expected one of them" },
	{ GROUND "endpoints: { pg: { kind: postgres, unit: db, listen: { both: 5432 }, accept: { both: { run: x, undo: y, stdin: { A: \"$(x)\" } } } } }\n",
	    "f:6:117: unknown name '$(x)', expected a name bound by 'for'; '$$(x)' stands for the text itself" },
	{ "belay: fleet/1\nhosts: { h: { ssh: h, become-password: s } }\nsecrets: { s: { prompt: x } }\n",
	    "f:2:10: 'become-password' without 'become', expected 'become: USER' beside it, or in an edit on 'h'" },
	{ GROUND "endpoints: { pg: { kind: postgres, unit: db, listen: { both: 5432 }, accept: { both: { undo: reload } } } }\n",
	    "f:6:88: 'undo' without a command, expected 'run: …' beside it" },
	{ GROUND "endpoints: { pg: { kind: postgres, unit: db, listen: { both: 5432 }, accept: { both: [ { file: { path: /x, mode: \"0999\", content: y } } ] } } }\n",
	    "f:6:114: '0999', expected a mode: \"0600\", \"0644\"" },
	{ GROUND "endpoints: { pg: { kind: postgres, unit: db, listen: { both: 5432 }, accept: { both: { object: { deploymnet: x } } } } }\n",
	    "f:6:98: unknown key in an object edit: 'deploymnet', did you mean 'deployment'?" },

	/* Certificates. */
	{ SERVERS "certs: { c: { serves: [pgg] } }\n",
	    "f:9:24: unknown endpoint 'pgg', did you mean 'pg'?" },
	{ SERVERS "certs: { c: { serves: [tag:db] } }\n",
	    "f:9:24: no endpoint has the tag 'db', expected one" },
	{ SERVERS "certs: { c: { serves: [pg], dir: /etc/tls, key: { mode: \"0644\" } } }\n",
	    "f:9:57: a key that others may read or the group may write, expected \"0600\" or \"0640\"" },
	{ SERVERS "certs: { c: { serves: [pg], pair: yes } }\n",
	    "f:9:35: 'pair' without 'dir', expected 'dir: /…' beside it" },
	{ SERVERS "certs: { c: { external: yes, ca: system, dir: /etc/tls } }\n",
	    "f:9:42: 'dir' of an external certificate, expected none: it is watched only" },
	{ SERVERS "certs: { c: { external: yes, ca: system, issuer: { ca: /c, key: /k } } }\n",
	    "f:9:42: 'issuer' of an external certificate, expected none: it is watched only" },
	{ SERVERS "certs: { c: { after: d }, d: { serves: [pg] } }\n",
	    "f:9:22: 'd' is declared further down, expected above it what it comes after" },
	{ SERVERS "certs: { c: { after: c, serves: [pg] } }\n",
	    "f:9:22: 'c' is declared by this, expected above it what it comes after" },
	{ SERVERS "certs: { c: { external: yes, ca: system, serves: [pg] }, d: { after: c } }\n",
	    "f:9:70: 'c' is external: watched only, so that nothing of ours comes after it" },
	{ SERVERS "certs: { c: { issuer: { key: /k } } }\n",
	    "f:9:23: an issuer without its certificate, expected 'ca: /path/ca.pem' there" },
	{ SERVERS "certs: { c: { issuer: { ca: /c } } }\n",
	    "f:9:23: an issuer with neither 'key' nor 'run', expected one of them" },
	{ SERVERS "certs: { c: { issuer: { ca: /c, key: /k, run: x } } }\n",
	    "f:9:23: an issuer with both 'key' and 'run', expected one of them" },
	{ SERVERS "certs: { c: { issuer: { ca: /c, key: /k, deadline: 5s } } }\n",
	    "f:9:23: 'in' or 'deadline' of an issuer without 'run', expected neither" },
	{ SERVERS "certs: { c: { issuer: { ca: /c, run: x, import: yes } } }\n",
	    "f:9:23: 'import' of an issuer without 'key', expected none" },
	{ SERVERS "certs: { c: { issuer: { ca: /c, run: x, deadline: 25h } } }\n", "f:9:51: '25h', expected a deadline: more than nothing, at most 24h" },
	{ SERVERS "certs: { c: { serves: [pg], names: [\"db.*\"] } }\n",
	    "f:9:37: 'db.*', expected a host name, an address or '*.' and a name: letters, digits and .:_-" },
	{ SERVERS "certs: { c: { put: { on: local, run: x } } }\n",
	    "f:9:20: 'put' without a way back, expected 'undo: { on: …, run: … }' beside it" },

	/* What a client shows. */
	{ SERVERS "certs: { a: { purpose: clients } }\n",
	    "f:9:24: unknown purpose 'clients', did you mean 'client'?" },
	{ SERVERS "certs: { a: { serves: [pg], subject: web } }\n",
	    "f:9:38: 'subject' of a server's certificate, expected 'names', or 'purpose: client' beside it" },
	{ SERVERS "certs: { a: { purpose: client, serves: [pg] } }\n",
	    "f:9:40: 'serves' of a client's certificate, expected none: it is shown by links ('present')" },
	{ SERVERS "certs: { a: { purpose: client, names: [web] } }\n",
	    "f:9:39: 'names' of a client's certificate, expected 'subject'" },
	{ SERVERS "certs: { a: { purpose: client, dir: /tls } }\n",
	    "f:9:37: 'dir' of a client's certificate, expected 'install', or 'file' and 'key-file' where a link presents it" },
	{ SERVERS "certs: { a: { purpose: client, subject: caf\xc3\xa9 } }\n",
	    "f:9:41: 'caf\xc3\xa9', expected the name of a client in at most 64 printable characters of ASCII" },
	/* Belay's own. */
	{ SERVERS "certs: { a: { purpose: client, file: /c, key-file: /k } }\n",
	    "f:9:38: 'file' of a certificate that is issued here, expected none: its key is kept, sealed, beside its CA" },
	{ SERVERS "certs: { a: { serves: [pg], external: yes, ca: /ca, key-file: /k } }\n",
	    "f:9:63: 'key-file' of a certificate of a server's, expected 'purpose: client' beside it" },
	{ SERVERS "certs: { a: { purpose: client, external: yes, file: /c } }\n",
	    "f:9:13: the external certificate 'a' of a client lies nowhere, expected 'file: …' and 'key-file: …' on this machine" },
	{ OWN("probe: { cert: a }", "clients: a"),
	    "f:8:3: the probe of 'redis' shows 'a', a server's certificate, expected one with 'purpose: client'" },
	{ OWN("probe: { cert: id }", "tags: []"),
	    "f:8:3: the probe of 'redis' shows 'id', and 'redis' does not say whose CA it knows clients by, expected 'clients: CERTIFICATE' there" },
	{ OWN("probe: { cert: of-other }", "clients: a"),
	    "f:8:3: the probe of 'redis' shows 'of-other', and 'redis' knows clients by the CA of 'a', expected one of that CA" },
	{ OWN("probe: { cert: ids }", "clients: a"),
	    "f:8:86: unknown certificate 'ids', did you mean 'id'?" },
	{ SERVERS "certs: { a: { purpose: client, ca: b } }\n",
	    "f:9:36: unknown certificate 'b', expected a" },
	{ SERVERS "certs: { a: { purpose: client, ca: a } }\n",
	    "f:9:10: 'a' is to be signed by the CA of 'a', which has none of its own to sign by" },
	{ SERVERS "certs: { a: { serves: [pg] }, b: { purpose: client, ca: a }, c: { purpose: client, ca: b } }\n",
	    "f:9:62: 'c' is to be signed by the CA of 'b', which has none of its own to sign by" },
	{ SERVERS "certs: { a: { serves: [pg], external: yes, ca: system }, b: { purpose: client, ca: a } }\n",
	    "f:9:58: 'b' is to be signed by the CA of 'a', which has none of its own to sign by" },
	{ KNOWN "  web: { unit: web, links: { pg: { dial: fixed, present: { file: /c, key-file: /k } } } }\n",
	    "f:10:58: present without a certificate, expected 'cert: CERTIFICATE'" },
	{ KNOWN "  web: { unit: web, links: { pg: { dial: fixed, present: { cert: idd, file: /c, key-file: /k } } } }\n",
	    "f:10:66: unknown certificate 'idd', did you mean 'id'?" },
	{ KNOWN "  web: { unit: web, links: { pg: { dial: fixed, present: { cert: id, file: /c } } } }\n",
	    "f:10:58: 'file' alone, expected 'file' and 'key-file' (which may be the same)" },
	{ KNOWN "  web: { unit: web, links: { pg: { dial: fixed, present: { cert: id, key-file: /k } } } }\n",
	    "f:10:58: 'key-file' alone, expected 'file' and 'key-file' (which may be the same)" },
	{ KNOWN "  web: { unit: web, links: { pg: { dial: fixed, present: { cert: id } } } }\n",
	    "f:10:58: present without a place, expected 'file' and 'key-file', or 'install: …'" },
	{ KNOWN "  web: { unit: web, links: { pg: { dial: fixed, present: { cert: id, file: /c, key-file: /k, mode: \"0644\" } } } }\n",
	    "f:10:100: a key that others may read or the group may write, expected \"0600\" or \"0640\"" },
	{ KNOWN "  web: { unit: web, links: { pg: { dial: fixed, present: { cert: id, file: /c, key-file: /k, lands: later } } } }\n",
	    "f:10:101: unknown moment: 'later', expected activation" },
	{ KNOWN "  web: { links: { pg: { match: { user: w }, dial: fixed, present: { cert: id, file: /c, key-file: /k } } } }\n",
	    "f:10:67: 'web -> pg' has no host of its own, expected 'unit: …' at the client" },
	{ KNOWN "  web: { unit: web, links: { pg: { dial: fixed, present: { cert: a, file: /c, key-file: /k } } } }\n",
	    "f:10:58: 'a' is a server's certificate, expected one with 'purpose: client'" },
	{ KNOWN "  web: { unit: web, links: { redis: { dial: fixed, present: { cert: id, file: /c, key-file: /k } } } }\n",
	    "f:10:61: 'redis' does not say whose CA it knows clients by, expected 'clients: CERTIFICATE' there" },
	{ KNOWN "  web: { unit: web, links: { pg: { dial: fixed, shows: stray, present: { cert: id, file: /c, key-file: /k } } } }\n",
	    "f:10:72: 'present' beside 'shows: stray', expected one of them" },
	{ KNOWN "  a: { unit: web, links: { pg: { match: { user: a }, dial: fixed, present: { cert: id, file: /c, key-file: /k } } } }\n"
	    "  b: { unit: web, links: { pg: { match: { user: b }, dial: fixed, present: { cert: id, file: /d, key-file: /d } } } }\n",
	    "f:8:38: 'id' is shown by 'a' and by 'b', expected 'subject: …' here" },

	/* Clients and links. */
	{ CLIENTS "  web: { unit: web }\n",
	    "f:10:8: the client 'web' dials nothing, expected 'links: { ENDPOINT: … }'" },
	{ CLIENTS "  web: { unit: web, links: { rediss: { dial: fixed } } }\n",
	    "f:10:30: unknown endpoint 'rediss', did you mean 'redis'?" },
	{ CLIENTS "  web: { unit: web, links: { redis: {} } }\n",
	    "f:10:37: 'web -> redis' does not say how it dials, expected 'dial: …'" },
	{ CLIENTS "  web: { unit: web, links: { redis: { dial: { prefer: { file: /e, set: { A: b } } } } } }\n",
	    "f:10:47: 'prefer' of a redis client ('web -> redis'), expected one of: disable, require, verify-ca, verify-full" },
	{ CLIENTS "  web: { unit: web, links: { redis: { dial: { assume: allow } } } }\n",
	    "f:10:30: 'allow' of a redis client ('web -> redis'), expected one of: disable, require, verify-ca, verify-full" },
	{ CLIENTS "  web: { unit: web, links: { pg: { driver: node-postgres, dial: { allow: { file: /e, set: { A: b } } } } } }\n",
	    "f:10:67: 'allow' of a node-postgres client ('web -> pg'), expected one of: disable, prefer, require, verify-ca, verify-full" },
	{ CLIENTS "  web: { unit: web, links: { pg: { driver: libqp, dial: fixed } } }\n",
	    "f:10:44: unknown driver 'libqp', did you mean 'libpq'?" },
	{ CLIENTS "  web: { unit: web, links: { pg: { driver: default, dial: fixed } } }\n",
	    "f:10:44: unknown driver 'default', expected one of: libpq, pgbouncer, asyncpg, sqlalchemy-asyncpg, node-postgres, pgx, jdbc, redis-py, node-redis, ioredis, hiredis, jedis" },
	{ CLIENTS "  web: { unit: web, links: { pg: { driver: redis-py, dial: fixed } } }\n",
	    "f:10:44: 'redis-py' does not speak to a postgres ('web -> pg'), expected a driver that does" },
	{ CLIENTS "  web: { unit: web, links: { pg: { driver: pgbouncer, dial: fixed } } }\n",
	    "f:10:44: 'pgbouncer' of 'web -> pg', expected a client with the name of a pgbouncer endpoint" },
	{ CLIENTS "  web: { unit: web, driver: jedis, links: { pg: { dial: fixed } } }\n",
	    "f:10:29: 'jedis' speaks to none of the servers that 'web' dials, expected a driver that does" },
	{ CLIENTS "  web: { unit: web, links: { pg: { driver: sqlalchemy-asyncpg, dial: { url: { file: /e, key: K, query: { sslmode: \"$(dial)\" } } } } } }\n",
	    "f:10:106: sqlalchemy-asyncpg takes no 'sslmode', expected 'ssl'" },
	{ CLIENTS "  web: { unit: web, links: { pg: { stored: plain, dial: fixed } } }\n",
	    "f:10:44: 'plain' at a postgres ('web -> pg'), expected one of: md5, scram-sha-256: it stores none in plain" },
	{ CLIENTS "  web: { unit: web, links: { pg: { stored: scram, dial: fixed } } }\n",
	    "f:10:44: unknown way to store a password: 'scram', expected one of: plain, md5, scram-sha-256" },
	{ CLIENTS "  web: { unit: web, links: { pg: { shows: strange, dial: fixed } } }\n",
	    "f:10:43: unknown client certificate: 'strange', expected one of: none, stray" },
	{ CLIENTS "  web: { unit: web, speaks: TLSv1.5, links: { pg: { dial: fixed } } }\n",
	    "f:10:29: unknown protocol 'TLSv1.5', did you mean 'TLSv1.1'?" },
	{ CLIENTS "  web: { unit: web, speaks: { min: TLSv1.3, max: TLSv1.2 }, links: { pg: { dial: fixed } } }\n",
	    "f:10:29: 'min: TLSv1.3' above 'max: TLSv1.2', expected a range" },
	{ CLIENTS "  web: { unit: web, links: { redis: { dial: { file: /e, set: { A: \"$(ca_file)\" } } } } }\n",
	    "f:10:67: unknown name '$(ca_file)', expected a link with 'trust: { file: … }'" },
	{ CLIENTS "  web: { unit: web, links: { redis: { dial: followed } } }\n",
	    "f:10:45: unknown way to dial: 'followed', did you mean 'follows'?" },
	{ CLIENTS "  web: { unit: web, links: { redis: { dial: follows } } }\n",
	    "f:10:30: 'web -> redis' follows, and no binding implies it, expected 'implies: { \"web -> redis\": … }' at one, or 'dial: { follows: LINK }'" },
	{ CLIENTS "  a: { links: { pg: { match: { user: a }, dial: { follows: b -> pg } } } }\n"
	    "  b: { links: { pg: { match: { user: b }, dial: { follows: a -> pg } } } }\n",
	    "f:10:17: 'a -> pg' follows itself in a circle, expected a link at the end that a step can move" },
	{ CLIENTS "  web: { unit: web, links: { pg: { match: { adress: 10.0.0.2 }, dial: fixed } } }\n",
	    "f:10:45: unknown key in match: 'adress', did you mean 'address'?" },
	{ CLIENTS "  web: { unit: web, links: { pg: { match: { address: 10.0.0.300 }, dial: fixed } } }\n",
	    "f:10:54: '10.0.0.300', expected an address or a range: 10.0.0.7, 10.0.0.0/8, fd00::/8" },
	{ CLIENTS "  web: { unit: web, links: { pg: { match: { address: 10.0.0.2/8 }, dial: fixed } } }\n",
	    "f:10:54: '10.0.0.2/8' has bits beyond its prefix, expected the first address of the range" },
	{ CLIENTS "  a: { links: { pg: { match: { user: app }, dial: fixed } } }\n"
	    "  b: { links: { pg: { match: { user: [app, adm] }, dial: fixed } } }\n",
	    "f:11:30: 'a -> pg' and 'b -> pg' match the same sessions, expected 'match' to tell them apart (address, host, user, database, application)" },
	{ CLIENTS "  a: { links: { pg: { match: { user: app }, dial: fixed } } }\n"
	    "  b: { links: { pg: { match: { address: 10.0.0.0/8 }, dial: fixed } } }\n",
	    "f:11:30: 'a -> pg' and 'b -> pg' match the same sessions, expected 'match' to tell them apart (address, host, user, database, application)" },
	{ CLIENTS "  a: { links: { pg: { match: { host: web }, dial: fixed } } }\n"
	    "  b: { links: { pg: { match: { address: 10.0.0.2 }, dial: fixed } } }\n",
	    "f:11:30: 'a -> pg' and 'b -> pg' match the same sessions, expected 'match' to tell them apart (address, host, user, database, application)" },
	{ CLIENTS "  web: { unit: web, links: { pg: { trust: { ca: internal }, dial: fixed } } }\n",
	    "f:10:49: unknown certificate 'internal', expected none: there are none" },
	{ CLIENTS "  nobody: { links: { pg: { dial: { file: /e, set: { A: b } } } } }\n",
	    "f:10:46: 'nobody -> pg' has no host of its own, expected 'on: HOST' here or a unit with a host there" },
};

/* The fleet that the broken plans are read against. */
static const char good_fleet[] = CLIENTS
	"  web:\n"
	"    unit: web\n"
	"    links:\n"
	"      redis: { dial: { disable: { file: /e, unset: [A] }, verify-full: { file: /e, set: { A: b } } }, match: { host: web } }\n"
	"      pg: { dial: { file: /e, set: { M: \"$(dial)\" } }, trust: { ca: internal, file: /ca } }\n"
	"  health: { links: { redis: { match: { address: 127.0.0.1 }, dial: { fixed: disable } } } }\n"
	"  backup: { links: { redis: { match: { host: web, user: backup }, dial: { follows: web -> redis } } } }\n"
	"certs:\n"
	"  internal: { serves: [pg], dir: /etc/tls }\n"
	"  bare: {}\n"
	"  rds: { external: yes, ca: system }\n"
	"lists: { svc: [web] }\n";

#define PLAN "belay: plan/1\nname: p\nsteps:\n"		/* 3 lines */

struct bad_plan {
	const char *text, *message;
};

static const struct bad_plan bad_plans[] = {
	{ "belay: fleet/1\n",
	    "p:1:8: 'fleet/1', expected 'belay: plan/1' (this is a fleet: it goes with -f)" },
	{ "belay: plan/1\nsteps: []\n",
	    "p:1:1: a plan without a name, expected 'name: …'" },
	{ "belay: plan/1\nname: p\nstep: []\n",
	    "p:3:1: unknown key in a plan: 'step', did you mean 'steps'?" },
	{ "belay: plan/1\nname: p\nsteps: []\n",
	    "p:3:8: a plan without steps, expected at least one" },
	{ "belay: plan/1\nname: p\non_fault: undo\nsteps: []\n",
	    "p:3:1: unknown key in a plan: 'on_fault', did you mean 'on-fault'?" },
	{ "belay: plan/1\nname: p\non-fault: stop\nsteps: []\n",
	    "p:3:11: unknown policy 'stop', expected one of: pause, undo" },
	{ PLAN "  - { id: a, dial: { web -> pg: require }, on-fault: unde }\n",
	    "p:4:54: unknown policy 'unde', did you mean 'undo'?" },
	{ "belay: plan/1\nname: p\nfrom: { accept: plian }\nsteps: []\n",
	    "p:3:17: unknown accept 'plian', did you mean 'plain'?" },
	{ PLAN "  - { acept: { pg: both } }\n",
	    "p:4:7: unknown key in a step: 'acept', did you mean 'accept'?" },
	{ PLAN "  - { accept: { pg: both } }\n",
	    "p:4:5: a step without an id, expected 'id: …'" },
	{ PLAN "  - { id: a, drain: { pg: tls } }\n",
	    "p:4:27: unknown sessions: 'tls', expected plaintext" },
	{ PLAN "  - { id: a, drain: { pg: { sessions: plaintext, pace: 2m } } }\n",
	    "p:4:56: a pace of more than a minute, expected less" },
	{ PLAN "  - { id: a, drain: { pg: { pace: 1s } } }\n",
	    "p:4:27: drain without 'sessions', expected 'sessions: plaintext'" },
	{ PLAN "  - { id: a }\n",
	    "p:4:5: the step 'a' moves nothing, expected one of: certs, trust, dial, accept, present, drain, run, exercise, activate" },
	{ PLAN "  - { id: a/b, dial: { web -> pg: require } }\n",
	    "p:4:11: 'a/b', expected the name of a step: letters, digits, '.', '_' and '-', with a letter or digit first" },
	{ PLAN "  - { id: a, dial: { web -> pg: require } }\n  - { id: a, dial: { web -> pg: disable } }\n",
	    "p:5:11: a second step 'a', expected another id (the first stands in line 4)" },
	{ PLAN "  - { id: a, for: { s: svc }, dial: { web -> pg: require } }\n  - { id: a, for: { s: [x, y] }, dial: { web -> pg: require } }\n",
	    "p:5:11: a second step 'a', expected another id (the first stands in line 4)" },
	{ PLAN "  - { id: a, accept: { pgg: both } }\n",
	    "p:4:24: unknown endpoint 'pgg', did you mean 'pg'?" },
	{ PLAN "  - { id: a, accept: { pg: both } }\n",
	    "p:4:28: 'pg' has no 'accept' in the fleet, expected bindings there" },
	{ PLAN "  - { id: a, accept: { tag:db: both } }\n",
	    "p:4:24: no endpoint has the tag 'db', expected one" },
	{ PLAN "  - { id: a, dial: { web -> rediss: require } }\n",
	    "p:4:22: unknown link 'web -> rediss', did you mean 'web -> redis'?" },
	{ PLAN "  - { id: a, dial: { web -> redis: prefer } }\n",
	    "p:4:36: 'web -> redis' has no binding for 'prefer', it has: disable, verify-full" },
	{ PLAN "  - { id: a, dial: { web -> redis: verify-ful } }\n",
	    "p:4:36: unknown dial 'verify-ful', did you mean 'verify-full'?" },
	{ PLAN "  - { id: a, dial: { health -> redis: verify-full } }\n",
	    "p:4:22: 'health -> redis' is fixed, expected a link that a step can move" },
	{ PLAN "  - { id: a, dial: { backup -> redis: verify-full } }\n",
	    "p:4:22: 'backup -> redis' follows 'web -> redis', expected a move of that one" },
	{ PLAN "  - { id: a, trust: { web -> pg: interal } }\n",
	    "p:4:34: unknown certificate 'interal', did you mean 'internal'?" },
	{ PLAN "  - { id: a, trust: { web -> pg: rds } }\n",
	    "p:4:34: 'web -> pg' is bound to trust 'internal', expected that one, or one of its line ('after')" },
	{ PLAN "  - { id: a, trust: { web -> pg: [internal, internal] } }\n",
	    "p:4:45: 'internal' twice, expected it once" },
	{ PLAN "  - { id: a, trust: { web -> pg: [internal, bare, rds] } }\n",
	    "p:4:34: 3 certificates to trust, expected one, or two while one gives way to the other" },
	{ PLAN "  - { id: a, trust: { web -> pg: [] } }\n",
	    "p:4:34: 0 certificates to trust, expected one, or two while one gives way to the other" },
	{ PLAN "  - { id: a, for: { l: trusting(bare) }, trust: { \"$(l)\": bare } }\n",
	    "p:4:24: no link that a step can move trusts 'bare', expected one" },
	{ PLAN "  - { id: a, certs: { rds: install } }\n",
	    "p:4:23: the certificate 'rds' is external, expected one that is ours to install" },
	{ PLAN "  - { id: a, certs: { bare: install } }\n",
	    "p:4:23: the fleet does not say how 'bare' is installed, expected 'dir', 'install' or 'put' there" },
	{ PLAN "  - { id: a, certs: { internal: instal } }\n",
	    "p:4:33: unknown way with a certificate: 'instal', did you mean 'install'?" },
	{ PLAN "  - { id: \"a-$(s)\", for: { s: clients(pgg) }, dial: { web -> pg: require } }\n",
	    "p:4:31: unknown endpoint 'pgg', did you mean 'pg'?" },
	{ PLAN "  - { id: \"a-$(s)\", for: { s: scv }, dial: { web -> pg: require } }\n",
	    "p:4:31: unknown list 'scv', did you mean 'svc'?" },
	{ PLAN "  - { id: a, dial: { web -> pg: require }, soak: a while }\n",
	    "p:4:50: 'a while', expected a duration: 30s, 10m, 7h, 90d" },
	{ PLAN "  - { id: a, dial: { web -> pg: require }, optional: on }\n",
	    "p:4:54: 'on', expected yes or no" },
	{ PLAN "  - { id: a, dial: { web -> pg: require }, gate: { served: {} } }\n",
	    "p:4:50: a mapping, expected a list of checks: [ { served: {} } ]" },
	{ PLAN "  - { id: a, dial: { web -> pg: require }, gate: [ { sreved: {} } ] }\n",
	    "p:4:54: unknown key in gate: 'sreved', did you mean 'served'?" },
	{ PLAN "  - { id: a, dial: { web -> pg: require, web -> redis: verify-full }, gate: [ { served: {} } ] }\n",
	    "p:4:89: served does not say of which endpoint, and the step does not move just one, expected 'of: ENDPOINT'" },
	{ PLAN "  - { id: a, dial: { web -> pg: require }, gate: [ { refused: plain } ] }\n",
	    "p:4:63: unknown way to connect: 'plain', expected one of: plaintext, tls, no-certificate" },
	{ PLAN "  - { id: a, dial: { web -> pg: require }, gate: [ { log: { of: pg, since: step } } ] }\n",
	    "p:4:59: log without 'absent' or 'contains', expected one of them" },
	{ PLAN "  - { id: a, dial: { web -> pg: require }, gate: [ { log: { of: pg, since: yesterday, absent: x } } ] }\n",
	    "p:4:76: unknown time 'yesterday', expected step" },
	{ PLAN "  - { id: a, dial: { web -> pg: require }, gate: [ { http: { from: web, url: \"file:///etc/passwd\" } } ] }\n",
	    "p:4:78: 'file:///etc/passwd', expected a URL that starts with http:// or https://" },
	{ PLAN "  - { id: a, dial: { web -> pg: require }, gate: [ { http: { url: \"http://x/\" } } ] }\n",
	    "p:4:60: http without 'from', expected 'from: HOST'" },
	{ PLAN "  - { id: a, dial: { web -> pg: require }, gate: [ { setting: { name: ssl } } ] }\n",
	    "p:4:63: setting without 'is', expected 'is: …'" },
	{ PLAN "  - { id: a, dial: { web -> pg: require }, gate: [ { command: { run: x } } ] }\n",
	    "p:4:63: command without 'on', expected 'on: HOST'" },
	{ PLAN "  - { id: a, dial: { web -> pg: require }, gate: [ { seen: { client: webb } } ] }\n",
	    "p:4:70: unknown client 'webb', did you mean 'web'?" },
	{ PLAN "  - { id: a, run: { on: web, run: x } }\n",
	    "p:4:19: a command without a way back, expected 'undo: …', 'touches: [FILE]', 'read-only: yes' or 'observe: …' with 'value: …'" },
	{ PLAN "  - { id: a, run: { on: web, run: x, observe: y } }\n",
	    "p:4:19: a command that is observed and not undone, expected 'undo: …', or 'value: …' that it takes from BELAY_VALUE" },
	{ PLAN "  - { id: a, run: { run: x, undo: y } }\n",
	    "p:4:19: run without 'on', expected 'on: HOST'" },
	{ PLAN "  - { id: a, dial: { web -> pg: require }, may-refuse: [web] }\n",
	    "p:4:56: 'may-refuse' without a reason, expected 'reason: …' beside it, or '{ CLIENT: reason }'" },
	{ PLAN "  - { id: a, dial: { web -> pg: require }, may-refuse: { wbe: no matter } }\n",
	    "p:4:58: unknown client 'wbe', did you mean 'web'?" },
};

#define LENGTH(a) (sizeof(a) / sizeof((a)[0]))

/* What a link presents is moved only as the fleet binds it. */
static const char presenting_fleet[] = KNOWN
	"  web: { unit: web, links: {\n"
	"    pg: { match: { user: web }, dial: fixed, present: { cert: id, file: /c, key-file: /k,\n"
	"      with: { file: /e, set: { CERT: \"$(cert_file)\" } }, without: { file: /e, unset: [CERT] } } },\n"
	"    redis: { match: { user: web }, dial: fixed } } }\n"
	"  job: { unit: web, links: { pg: { match: { user: job }, dial: fixed, present: { cert: of-job, file: /d, key-file: /d } } } }\n";

static const struct bad_plan bad_presents[] = {
	{ PLAN "  - { id: a, present: { web -> pgg: id } }\n",
	    "p:4:25: unknown link 'web -> pgg', did you mean 'web -> pg'?" },
	{ PLAN "  - { id: a, present: { web -> redis: id } }\n",
	    "p:4:25: the fleet does not say what 'web -> redis' presents, expected 'present: { cert: CERTIFICATE, … }' there" },
	{ PLAN "  - { id: a, present: { web -> pg: idd } }\n",
	    "p:4:36: unknown certificate 'idd', did you mean 'id'?" },
	{ PLAN "  - { id: a, present: { web -> pg: a } }\n",
	    "p:4:36: 'web -> pg' is bound to present 'id', expected that one, or 'none'" },
	{ PLAN "  - { id: a, present: { job -> pg: none } }\n",
	    "p:4:36: the fleet does not say how 'job -> pg' comes to present none, expected 'without: …' below its 'present'" },
	{ PLAN "  - { id: a, present: [web -> pg] }\n",
	    "p:4:23: a list, expected 'present: { \"client -> endpoint\": CERTIFICATE }'" },
	{ PLAN "  - { id: a, certs: { a: install } }\n",
	    "p:4:23: the fleet does not say how 'a' is installed, expected 'dir', 'install' or 'put' there" },
	{ PLAN "  - { id: a, certs: { unused: install } }\n",
	    "p:4:23: the fleet does not say how 'unused' is installed, expected 'install' there, or 'present' at a link" },
};

/* A redis, by statement, and a pooler, by its console: what demands a certificate of everybody demands it of belay. */
#define SHUTTING(own) GROUND						\
	"  pool: { host: db, by: pool }\n"				/* 6 */ \
	"certs: { a: { serves: [redis, pool, pg] }, id: { purpose: client, ca: a } }\n" /* 7 */ \
	"endpoints:\n"							/* 8 */ \
	"  redis: { kind: redis, unit: db, listen: { plain: 6379, tls: 6380 }, clients: a, probe: { " own " }, accept: {\n" /* 9 */ \
	"    tls: [ { setting: { set: { tls-auth-clients: no } } } ],\n" \
	"    mutual: [ { setting: { set: { tls-auth-clients: yes } } } ] } }\n" \
	"  pool: { kind: pgbouncer, unit: pool, listen: { both: 6432 }, clients: a, probe: { " own " }, admin: { user: a }, accept: {\n" \
	"    file: /p.ini, tls: { set: { M: require } }, mutual: { set: { M: verify-ca } } } }\n" \
	"  conf: { kind: redis, unit: db, listen: { tls: 6390 }, clients: a, accept: { file: /r.conf, tls: { set: { M: no } }, mutual: { set: { M: yes } } } }\n" \
	"  pg: { kind: postgres, unit: db, listen: { both: 5432 }, clients: a, admin: { user: a }, accept: {\n" \
	"    tls: [ { setting: { set: { ssl: on } } } ], mutual: [ { setting: { set: { ssl: on, ssl_ca_file: x } } } ] } }\n"
#define SHUT(step, endpoint, ...) __VA_ARGS__ ": step '" step "' is done, or taken back, by belay's own login at '" endpoint \
	"', which demands a certificate of everybody then, and belay has none for it; expected 'probe: { cert: … }' at '" \
	endpoint "' in the fleet"

static const struct bad_plan shutting[] = {
	{ PLAN "  - { id: a, accept: { redis: mutual } }\n", SHUT("a", "redis", "p:4:5") },
	{ PLAN "  - { id: a, accept: { redis: tls } }\n  - { id: b, accept: { redis: mutual } }\n", SHUT("b", "redis", "p:5:5") },
	{ PLAN "  - { id: a, accept: { pool: mutual } }\n", SHUT("a", "pool", "p:4:5") },
	/* Nor is there a way out of it. */
	{ "belay: plan/1\nname: p\nfrom: { accept: mutual }\nsteps:\n  - { id: a, accept: { redis: tls } }\n",
	    SHUT("a", "redis", "p:5:5") },
	/* What is at the other end of the step counts, too. */
	{ PLAN "  - { id: a, accept: { conf: mutual } }\n  - { id: b, drain: { conf: { sessions: plaintext } } }\n",
	    SHUT("b", "conf", "p:5:5") },
};

static void
every_broken_fleet_has_its_message(void **state)
{
	struct fleet *f;
	struct err err;
	size_t i, wrong = 0;

	(void)state;
	for (i = 0; i < LENGTH(bad_fleets); i++) {
		memset(&err, 0, sizeof(err));
		if (fleet_parse(&f, "f", bad_fleets[i].text, strlen(bad_fleets[i].text), &err) == 0) {
			fleet_free(f);
			(void)snprintf(err.msg, sizeof(err.msg), "(it was taken)");
		}
		if (strcmp(err.msg, bad_fleets[i].message) == 0)
			continue;
		wrong++;
		print_error("fleet %zu:\n%s\n  said:     %s\n  expected: %s\n", i,
		    bad_fleets[i].text, err.msg, bad_fleets[i].message);
	}
	assert_int_equal(wrong, 0);
}

/* Each of the plans, read against this fleet, is refused in these words. */
static void
plans_are_refused(const char *fleet, const struct bad_plan *bad, size_t n)
{
	struct fleet *f;
	struct plan *p;
	struct err err;
	size_t i, wrong = 0;

	if (fleet_parse(&f, "f", fleet, strlen(fleet), &err) == -1)
		fail_msg("%s", err.msg);
	for (i = 0; i < n; i++) {
		memset(&err, 0, sizeof(err));
		if (plan_parse(&p, f, "p", bad[i].text, strlen(bad[i].text), &err) == 0) {
			plan_free(p);
			(void)snprintf(err.msg, sizeof(err.msg), "(it was taken)");
		}
		if (strcmp(err.msg, bad[i].message) == 0)
			continue;
		wrong++;
		print_error("plan %zu:\n%s\n  said:     %s\n  expected: %s\n", i,
		    bad[i].text, err.msg, bad[i].message);
	}
	fleet_free(f);
	assert_int_equal(wrong, 0);
}

static void
every_broken_plan_has_its_message(void **state)
{
	(void)state;
	plans_are_refused(good_fleet, bad_plans, LENGTH(bad_plans));
}

static void
nobody_is_led_to_where_belay_is_shut_out(void **state)
{
	static const char fine[] = PLAN "  - { id: a, accept: { redis: mutual, pool: mutual, conf: mutual, pg: mutual } }\n",
		by_files[] = PLAN "  - { id: a, accept: { conf: mutual, pg: mutual } }\n  - { id: b, accept: { redis: tls } }\n";
	static const struct { const char *fleet, *plan; } taken[] = {
		{ SHUTTING("cert: id"), fine }, { SHUTTING(""), by_files },
	};
	struct fleet *f;
	struct plan *p;
	struct err err;
	size_t i;

	(void)state;
	plans_are_refused(SHUTTING(""), shutting, LENGTH(shutting));
	for (i = 0; i < LENGTH(taken); i++) {
		if (fleet_parse(&f, "f", taken[i].fleet, strlen(taken[i].fleet), &err) == -1 ||
		    plan_parse(&p, f, "p", taken[i].plan, strlen(taken[i].plan), &err) == -1)
			fail_msg("%s", err.msg);
		plan_free(p);
		fleet_free(f);
	}
}

static void
a_plan_presents_only_what_the_fleet_binds(void **state)
{
	(void)state;
	plans_are_refused(presenting_fleet, bad_presents, LENGTH(bad_presents));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_broken_fleet_has_its_message),
		cmocka_unit_test(every_broken_plan_has_its_message),
		cmocka_unit_test(a_plan_presents_only_what_the_fleet_binds),
		cmocka_unit_test(nobody_is_led_to_where_belay_is_shut_out),
	};

	return cmocka_run_group_tests_name("badfiles", tests, NULL, NULL);
}
