/*
 * dial_fixture: see dial_fixture.h.
 */
#include "dial_fixture.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/err.h"
#include "core/mem.h"
#include "remote/hostops.h"
#include "remote/keyring.h"
#include "remote/session.h"

struct servers sv;
struct dialling_bench bench;

static struct session *
session_of(void *arg, int host)
{
	(void)arg;
	(void)host;
	return bench.session;
}

static const char *
secret_of(void *arg, int secret, const char **ret_why)
{
	(void)arg;
	(void)secret;
	*ret_why = "not given yet";
	return bench.password;
}

/* Shows app.pem where the variable is set. */
static char *
present_text(const char *variable)
{
	return mem_printf("present: { cert: id-app, file: %s/app.pem, key-file: %s/app.pem, "
	    "with: { file: %s/app.env, set: { %s: \"$(cert_file)\" } }, without: { file: %s/app.env, unset: [%s] } }",
	    sv.dir, sv.dir, sv.dir, variable, sv.dir, variable);
}

static const char *
pair_of(void *arg, int cert, size_t *ret_len)
{
	(void)arg;
	*ret_len = bench.pair == NULL ? 0 : strlen(bench.pair);
	return cert == CERT_APP ? bench.pair : NULL;
}

static char *
fleet_text(void)
{
	char *text, *presents[LINKS];
	size_t i;

	presents[LINK_POSTGRES] = present_text("PGCERT");
	presents[LINK_PGBOUNCER] = present_text("PGBCERT");
	presents[LINK_REDIS] = present_text("REDISCERT");
	text = mem_printf("belay: fleet/1\nenvironment: test\nhosts: { here: { local: yes, state: %s/state } }\n"
	    "secrets: { pw: { prompt: it } }\n"
	    "units:\n"
	    "  all: { host: here, run: \"true\", kind: reload, restarts: [] }\n"
	    "  app: { host: here, run: \"true\", restarts: [app] }\n"
	    "certs:\n"
	    "  internal: { serves: [postgres, pgbouncer, redis], lands: activation, install: [ { env: { on: [here], file: %s/db.env, set: { CA: \"$(ca.b64)\" } } } ] }\n"
	    "  id-app: { purpose: client, ca: internal, subject: app }\n"
	    "endpoints:\n"
	    "  postgres: { kind: postgres, unit: all, listen: { both: %d }, names: [127.0.0.1], clients: internal, probe: { user: belay_probe, database: postgres, password: pw } }\n"
	    "  pgbouncer: { kind: pgbouncer, unit: all, listen: { both: %d }, names: [127.0.0.1], clients: internal, probe: { user: belay_probe, password: pw } }\n"
	    "  redis: { kind: redis, unit: all, listen: { plain: %d, tls: %d }, names: [127.0.0.1], clients: internal, probe: { password: pw } }\n"
	    "clients:\n"
	    "  app:\n"
	    "    unit: app\n"
	    "    links:\n"
	    "      postgres: { match: { user: app }, dial: { file: %s/app.env, set: { PG: \"$(dial)\" } }, trust: { ca: internal, file: %s/app-ca.crt, lands: activation }, %s }\n"
	    "      pgbouncer: { match: { user: app }, dial: { file: %s/app.env, set: { PGB: \"$(dial)\" } }, trust: { ca: internal, file: %s/app-ca.crt, lands: activation }, %s }\n"
	    "      redis:\n"
	    "        match: { user: app }\n"
	    "        dial:\n"
	    "          disable: { file: %s/app.env, unset: [REDIS] }\n"
	    "          require: { file: %s/app.env, set: { REDIS: require }, unset: [REDIS_CA] }\n"
	    "          verify-ca: { file: %s/app.env, set: { REDIS: verify-ca, REDIS_CA: \"$(ca_file)\" } }\n"
	    "          verify-full: { file: %s/app.env, set: { REDIS: verify-full, REDIS_CA: \"$(ca_file)\" } }\n"
	    "        trust: { ca: internal, file: %s/app-ca.crt, lands: activation }\n"
	    "        %s\n",
	    sv.dir, sv.dir, sv.postgres_port, sv.pgbouncer_port, sv.redis_port, sv.redis_tls_port, sv.dir, sv.dir,
	    presents[LINK_POSTGRES], sv.dir, sv.dir, presents[LINK_PGBOUNCER], sv.dir, sv.dir, sv.dir, sv.dir, sv.dir,
	    presents[LINK_REDIS]);
	for (i = 0; i < LINKS; i++)
		free(presents[i]);
	return text;
}

int
dial_group_up(void **state)
{
	struct session_config config = { .name = "here", .local = true };
	struct hostops_config hc;
	struct err err;
	char *text;

	(void)state;
	(void)signal(SIGPIPE, SIG_IGN);
	bench.password = "probe pw";
	servers_up(&sv);
	sv.postgres_port = port_free();
	sv.pgbouncer_port = port_free();
	sv.redis_port = port_free();
	sv.redis_tls_port = port_free();
	text = fleet_text();
	if (fleet_parse(&bench.fleet, "fleet.yaml", text, strlen(text), &err) != 0) {
		print_error("%s\n", err.msg);
		return -1;
	}
	free(text);
	(void)uv_loop_init(&bench.loop);
	bench.keyring = keyring_new(&bench.loop);
	bench.session = session_new(&bench.loop, bench.keyring, &config, NULL, NULL);
	memset(&hc, 0, sizeof(hc));
	hc.loop = &bench.loop;
	hc.fleet = bench.fleet;
	hc.session = session_of;
	bench.hostops = hostops_new(&hc);
	bench.set.loop = &bench.loop;
	bench.set.fleet = bench.fleet;
	bench.set.hostops = bench.hostops;
	bench.set.session = session_of;
	bench.set.secret = secret_of;
	bench.set.pair = pair_of;
	return 0;
}

int
dial_group_down(void **state)
{
	time_t end = time(NULL) + 30;

	(void)state;
	hostops_free(bench.hostops);
	session_free(bench.session);
	keyring_free(bench.keyring);
	while (uv_loop_alive(&bench.loop) && time(NULL) < end)
		(void)uv_run(&bench.loop, UV_RUN_NOWAIT);
	assert_int_equal(uv_loop_close(&bench.loop), 0);
	fleet_free(bench.fleet);
	servers_down(&sv);
	return 0;
}

void
dial_env(const char *text)
{
	servers_write(&sv, "app.env", text);
}

void
dial_ca(const char *name)
{
	if (name == NULL)
		(void)unlink(servers_path(&sv, "app-ca.crt"));
	else
		servers_run("cp '%s/%s.crt' '%s/app-ca.crt'", sv.dir, name, sv.dir);
}

void
dial_env_showing(const char *settings, const char *variable)
{
	char *text = mem_printf("%s\n%s=%s/app.pem\n", settings, variable, sv.dir);

	dial_env(text);
	free(text);
}

void
dial_pair(const char *there, const char *issued)
{
	static char *pem;

	free(pem);
	bench.pair = pem = NULL;
	(void)unlink(servers_path(&sv, "app.pem"));
	if (there != NULL)
		servers_run("cat '%s/%s.crt' '%s/%s.key' > '%s/app.pem'", sv.dir, there, sv.dir, there, sv.dir);
	if (issued == NULL)
		return;
	servers_run("cat '%s/%s.crt' '%s/%s.key' > '%s/issued.pem'", sv.dir, issued, sv.dir, issued, sv.dir);
	bench.pair = pem = servers_read(&sv, "issued.pem");
}

void
dial_postgres_asks(bool asks)
{
	char *more = mem_printf("ssl_ca_file = '%s'", servers_path(&sv, "ca.crt"));

	servers_postgres(&sv, "good", asks ? "hostssl all all 127.0.0.1/32 scram-sha-256 clientcert=verify-ca" :
	    "hostssl all all 127.0.0.1/32 scram-sha-256", asks ? more : NULL);
	free(more);
}
