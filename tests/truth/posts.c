/*
 * posts: see truth.h.  Owns the three servers and what is written for them.
 *
 * Postgres is reloaded: a marker setting in the same file tells when a new
 * connection gets the new state, since the postmaster does all of a reload
 * between two connections.  PgBouncer and Redis are started anew: that takes
 * some hundredths of a second, and nothing of the last configuration is left.
 */
#include "truth.h"

#include <libpq-fe.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/buf.h"
#include "core/mem.h"

static struct servers *sv;
static int generation;

/* --- certificates ---------------------------------------------------------- */

/*
 * The servers' names are those of the name dialled and of the address, for
 * clients that dial that (PgBouncer); the misnamed one has neither.  Client
 * certificates are of the role "app"; the stray one is by the other CA.  JDBC
 * reads keys as DER only.
 */
static const char certificates_sh[] =
	"set -eu; cd '%s'; exec >certificates.log 2>&1\n"
	"cat >>ca.cnf <<'END'\n"
	"[t_good]\nsubjectAltName=DNS:db.internal,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n"
	"[t_misnamed]\nsubjectAltName=DNS:other.internal,IP:127.9.9.9\nextendedKeyUsage=serverAuth\n"
	"[t_client]\nextendedKeyUsage=clientAuth\n"
	"END\n"
	"leaf() { # NAME CN EXTENSIONS CA FROM TO\n"
	"	openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out $1.key\n"
	"	openssl req -new -key $1.key -subj \"/CN=$2\" -config ca.cnf -out $1.csr\n"
	"	openssl ca -batch -notext -config ca.cnf -cert $4.crt -keyfile $4.key -in $1.csr -out $1.crt"
	" -extensions $3 -startdate $5 -enddate $6\n"
	"	openssl pkcs8 -topk8 -nocrypt -in $1.key -outform DER -out $1.der; }\n"
	"from=20200101000000Z; to=20450101000000Z\n"
	"leaf t_good db.internal t_good ca $from $to\n"
	"leaf t_misnamed other.internal t_misnamed ca $from $to\n"
	"leaf t_expired db.internal t_good ca $from 20200201000000Z\n"
	"leaf t_client app t_client ca $from $to\n"
	"leaf t_stray app t_client otherca $from $to\n"
	"chmod 0600 *.key; mkdir -m 0755 home; chmod 0644 *.der\n"
	"[ \"$(id -u)\" -ne 0 ] || chown postgres: t_good.key t_misnamed.key t_expired.key\n"
	/* A client's key may not be readable for others; these are the clients' own copies. */
	"cp t_client.key client.key; cp t_stray.key stray.key; chmod 0600 client.key stray.key\n";

static const char *
served_name(enum leaf_state served)
{
	return served == SERVED_MISNAMED ? "t_misnamed" : served == SERVED_EXPIRED ? "t_expired" : "t_good";
}

/* --- PostgreSQL ------------------------------------------------------------ */

const char *
post_role(enum auth auth, enum stored stored)
{
	bool scram = stored == STORED_SCRAM;

	switch (auth) {
	case AUTH_PASSWORD:
		return scram ? "password_scram" : "password_md5";
	case AUTH_MD5:
		return scram ? "md5_scram" : "md5_md5";
	case AUTH_SCRAM:
		return scram ? "scram_scram" : "scram_md5";
	case AUTH_CERT:
		return "by_cert";
	default:
		return "app";
	}
}

static void
hba(struct buf *b, const char *type, const char *options, bool cert)
{
	static const struct { const char *roles, *method; } lines[] = {
		{ "password_md5,password_scram", "password" }, { "md5_md5,md5_scram", "md5" },
		{ "scram_md5,scram_scram", "scram-sha-256" }, { "app,other", "trust" },
	};
	size_t i;

	buf_printf(b, "local all all trust\n");
	if (cert)
		buf_printf(b, "hostssl all by_cert 127.0.0.1/32 cert map=any\n");
	for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		buf_printf(b, "%s all %s 127.0.0.1/32 %s%s\n", type, lines[i].roles, lines[i].method, options);
}

static void
postgres_is(const char *generation_is)
{
	char *info = mem_printf("host=%s port=%d user=postgres dbname=postgres", sv->dir, sv->postgres_port);
	struct timespec t = { 0, 3000000 };
	time_t end = time(NULL) + 20;
	bool same = false;

	while (!same) {
		PGconn *pg = PQconnectdb(info);
		PGresult *r;

		if (PQstatus(pg) != CONNECTION_OK)
			fail_msg("postgres: %s", PQerrorMessage(pg));
		r = PQexec(pg, "SHOW truth.generation");
		same = PQresultStatus(r) == PGRES_TUPLES_OK && strcmp(PQgetvalue(r, 0, 0), generation_is) == 0;
		PQclear(r);
		PQfinish(pg);
		if (time(NULL) > end)
			fail_msg("postgres does not take its configuration");
		if (!same)
			(void)nanosleep(&t, NULL);
	}
	free(info);
}

static void
postgres_set(const struct post *p)
{
	bool ssl = p->accept != ACCEPT_PLAIN && p->served != SERVED_NONE;
	const char *cert = served_name(p->served);
	struct buf b = { 0 };
	char number[16];

	(void)snprintf(number, sizeof(number), "%d", ++generation);
	buf_printf(&b, "listen_addresses = '127.0.0.1'\nport = %d\nunix_socket_directories = '%s'\nfsync = off\n"
	    "shared_buffers = 4MB\nmax_connections = 220\nlogging_collector = off\ntruth.generation = '%s'\n"
	    "ssl = %s\nssl_cert_file = '%s/%s.crt'\nssl_key_file = '%s/%s.key'\n", sv->postgres_port, sv->dir,
	    number, ssl ? "on" : "off", sv->dir, cert, sv->dir, cert);
	if (p->asks || p->accept == ACCEPT_MUTUAL)
		buf_printf(&b, "ssl_ca_file = '%s/ca.crt'\n", sv->dir);
	buf_printf(&b, "ssl_min_protocol_version = '%s'\nssl_max_protocol_version = '%s'\n",
	    p->min == PROTO_ANY ? "TLSv1" : proto_name(p->min), proto_name(p->max));
	servers_write(sv, "data/postgresql.conf", buf_str(&b));
	buf_clear(&b);
	hba(&b, p->accept == ACCEPT_TLS || p->accept == ACCEPT_MUTUAL ? "hostssl" : "host",
	    p->accept == ACCEPT_MUTUAL && ssl ? " clientcert=verify-ca" : "",
	    ssl && (p->asks || p->accept == ACCEPT_MUTUAL));
	servers_write(sv, "data/pg_hba.conf", buf_str(&b));
	buf_release(&b);
	assert_int_equal(kill(sv->postgres, SIGHUP), 0);
	postgres_is(number);
}

/* --- PgBouncer ------------------------------------------------------------- */

static char *
bouncer_secret(enum stored stored)
{
	char *s = stored == STORED_SCRAM ?
	    servers_ask(sv, "SELECT rolpassword FROM pg_authid WHERE rolname = 'scram_scram'") :
	    stored == STORED_MD5 ? servers_ask(sv, "SELECT 'md5' || md5('pw' || 'app')") : mem_strdup(ROLE_PASSWORD);

	s[strcspn(s, "\n")] = '\0';
	return s;
}

static void
pgbouncer_set(const struct post *p)
{
	static const char *const types[AUTH_COUNT] = { [AUTH_UNKNOWN] = "trust", [AUTH_TRUST] = "trust",
	    [AUTH_PASSWORD] = "plain", [AUTH_MD5] = "md5", [AUTH_SCRAM] = "scram-sha-256", [AUTH_CERT] = "cert" };
	static const char *const modes[] = { "disable", "allow", "require", "verify-ca" };
	const char *mode = p->names ? "verify-full" : modes[p->accept];
	char *secret = bouncer_secret(p->stored), *users = mem_printf("\"app\" \"%s\"\n", secret);
	struct buf b = { 0 };

	servers_write(sv, "truth-users.txt", users);
	buf_printf(&b, "auth_type = %s\nauth_file = %s/truth-users.txt\nclient_tls_sslmode = %s\n"
	    "log_connections = 0\nlog_disconnections = 0\nignore_startup_parameters = extra_float_digits\n"
	    "max_client_conn = 300\ndefault_pool_size = 30\n",
	    types[p->auth], sv->dir, mode);
	if (p->served != SERVED_NONE && p->accept != ACCEPT_PLAIN)
		buf_printf(&b, "client_tls_cert_file = %s/%s.crt\nclient_tls_key_file = %s/%s.key\n", sv->dir,
		    served_name(p->served), sv->dir, served_name(p->served));
	if (p->asks || p->accept == ACCEPT_MUTUAL)
		buf_printf(&b, "client_tls_ca_file = %s/ca.crt\n", sv->dir);
	if (p->min == PROTO_TLS1_3)
		buf_printf(&b, "client_tls_protocols = tlsv1.3\n");
	else if (p->max == PROTO_TLS1_2)
		buf_printf(&b, "client_tls_protocols = tlsv1.2\n");
	buf_printf(&b, "[databases]\npostgres = host=%s port=%d user=postgres\n", sv->dir, sv->postgres_port);
	servers_pgbouncer(sv, buf_str(&b));
	buf_release(&b);
	free(secret);
	free(users);
}

/* --- Redis ----------------------------------------------------------------- */

static void
redis_set(const struct post *p)
{
	static char words[12][300];
	const char *argv[40];
	bool tls = p->accept != ACCEPT_PLAIN, plain = p->accept == ACCEPT_PLAIN || p->accept == ACCEPT_BOTH;
	int n = 0, w = 0;

#define WORD(...) ((void)snprintf(words[w], sizeof(words[w]), __VA_ARGS__), argv[n++] = words[w++])
	argv[n++] = "--port";
	WORD("%d", plain ? sv->redis_port : 0);
	if (tls) {
		argv[n++] = "--tls-port";
		WORD("%d", p->one_port ? sv->redis_port : sv->redis_tls_port);
		argv[n++] = "--tls-cert-file";
		WORD("%s/%s.crt", sv->dir, served_name(p->served));
		argv[n++] = "--tls-key-file";
		WORD("%s/%s.key", sv->dir, served_name(p->served));
		argv[n++] = "--tls-ca-cert-file";
		WORD("%s/ca.crt", sv->dir);
		argv[n++] = "--tls-auth-clients";
		argv[n++] = p->accept == ACCEPT_MUTUAL ? "yes" : p->asks ? "optional" : "no";
		if (p->min == PROTO_TLS1_3 || p->max == PROTO_TLS1_2) {
			argv[n++] = "--tls-protocols";
			argv[n++] = p->min == PROTO_TLS1_3 ? "TLSv1.3" : "TLSv1.2";
		}
	}
	argv[n] = NULL;
#undef WORD
	servers_redis(sv, argv);
}

/* --- all ------------------------------------------------------------------- */

void
posts_up(struct servers *s)
{
	static const char *const roles[] = { "password", "md5", "scram" };
	size_t i;

	sv = s;
	servers_run(certificates_sh, s->dir);
	servers_postgres(s, NULL, "", "max_connections = 220\ntruth.generation = '0'");
	for (i = 0; i < 3; i++) {
		char *sql = mem_printf("SET password_encryption = 'md5'; CREATE ROLE %s_md5 LOGIN PASSWORD 'pw'; "
		    "SET password_encryption = 'scram-sha-256'; CREATE ROLE %s_scram LOGIN PASSWORD 'pw'",
		    roles[i], roles[i]);

		servers_sql(s, sql);
		free(sql);
	}
	servers_sql(s, "CREATE ROLE by_cert LOGIN");
	servers_write(s, "data/pg_ident.conf", "any app by_cert\n");
	s->pgbouncer_port = port_free();
	s->redis_port = port_free();
	s->redis_tls_port = port_free();
}

void
posts_down(void)
{
	if (sv != NULL)
		servers_down(sv);
	sv = NULL;
}

void
post_set(const struct post *p)
{
	switch (p->kind) {
	case KIND_POSTGRES:
		postgres_set(p);
		break;
	case KIND_PGBOUNCER:
		pgbouncer_set(p);
		break;
	case KIND_REDIS:
		redis_set(p);
		break;
	}
}

/* --- no certificate -------------------------------------------------------- */

bool
post_starts_bare(struct servers *s, const struct post *p)
{
	static const char *const modes[] = { "disable", "allow", "require", "verify-ca" };
	char program[300], data[300], port[16], tls_port[16];
	const char *postgres[] = { program, "-D", data, NULL }, *bouncer[] = { "/usr/sbin/pgbouncer", NULL, NULL };
	const char *redis[] = { "/usr/bin/redis-server", "--bind", "127.0.0.1", "--save", "", "--port", port,
	    "--tls-port", tls_port, NULL };
	const char *const *argv = p->kind == KIND_POSTGRES ? postgres : p->kind == KIND_PGBOUNCER ? bouncer : redis;
	struct timespec t = { 0, 5000000 };
	time_t end = time(NULL) + 20;
	struct buf b = { 0 };
	int status;
	pid_t pid;

	switch (p->kind) {
	case KIND_POSTGRES:
		servers_stop(s, &s->postgres);
		buf_printf(&b, "listen_addresses = '127.0.0.1'\nport = %d\nunix_socket_directories = '%s'\nssl = on\n"
		    "ssl_cert_file = '%s/nosuch.crt'\nssl_key_file = '%s/nosuch.key'\n", s->postgres_port, s->dir,
		    s->dir, s->dir);
		servers_write(s, "data/postgresql.conf", buf_str(&b));
		buf_clear(&b);
		hba(&b, p->accept == ACCEPT_BOTH ? "host" : "hostssl", "", false);
		servers_write(s, "data/pg_hba.conf", buf_str(&b));
		(void)snprintf(program, sizeof(program), "%s/postgres", s->bindir);
		(void)snprintf(data, sizeof(data), "%s/data", s->dir);
		break;
	case KIND_PGBOUNCER:
		servers_stop(s, &s->pgbouncer);
		buf_printf(&b, "[databases]\npostgres = host=127.0.0.1\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"
		    "listen_port = %d\nunix_socket_dir =\nauth_type = any\nclient_tls_sslmode = %s\n",
		    s->pgbouncer_port, modes[p->accept]);
		servers_write(s, "bare.ini", buf_str(&b));
		bouncer[1] = servers_path(s, "bare.ini");
		break;
	case KIND_REDIS:
		servers_stop(s, &s->redis);
		(void)snprintf(port, sizeof(port), "%d", p->accept == ACCEPT_BOTH ? s->redis_port : 0);
		(void)snprintf(tls_port, sizeof(tls_port), "%d", s->redis_tls_port);
		break;
	}
	buf_release(&b);
	pid = servers_spawn(s, "bare", argv);
	while (waitpid(pid, &status, WNOHANG) != pid) {
		if (time(NULL) > end) {
			(void)kill(pid, SIGKILL);
			(void)waitpid(pid, &status, 0);
			return true;
		}
		(void)nanosleep(&t, NULL);
	}
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}
