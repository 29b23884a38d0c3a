/*
 * web_fleet: a client on one host, a Postgres on another, as the text of a fleet file.  All
 * arguments are string literals: the client's address, the server's port, what the client's
 * dial writes.
 */
#ifndef BELAY_TESTS_CORE_WEB_FLEET_H
#define BELAY_TESTS_CORE_WEB_FLEET_H

#define WEB_FLEET(address, port, dial) \
	"belay: fleet/1\n" \
	"environment: test\n" \
	"hosts:\n" \
	"  db: { address: 10.0.0.1, user: ops }\n" \
	"  web-1: { address: " address ", user: ops }\n" \
	"units:\n" \
	"  pg: { host: db, run: restart-pg, restarts: [postgres] }\n" \
	"  web: { host: web-1, run: restart-web, restarts: [web] }\n" \
	"endpoints:\n" \
	"  postgres:\n" \
	"    kind: postgres\n" \
	"    unit: pg\n" \
	"    listen: { both: " port " }\n" \
	"    names: [db.internal]\n" \
	"    accept: { file: /srv/.env, plain: { unset: [TLS] }, both: { set: { TLS: on } }, tls: { set: { TLS: only } } }\n" \
	"clients:\n" \
	"  web:\n" \
	"    unit: web\n" \
	"    links:\n" \
	"      postgres:\n" \
	"        match: { host: web-1 }\n" \
	"        dial: " dial "\n"

#endif
