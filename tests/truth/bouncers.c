/*
 * bouncers: see truth.h.  Owns the PgBouncers that are clients of Postgres:
 * TLS towards the server is one setting for a whole process, so there is one
 * process for each way to dial, and all of them stay for the whole test.
 *
 * A server connection is used once (server_lifetime = 0).  What became of one
 * that failed is in the process' log alone: its own clients only wait.
 */
#include "truth.h"

#include <arpa/inet.h>
#include <libpq-fe.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/buf.h"
#include "core/mem.h"

#define BOUNCERS_MAX 160

struct bouncer {
	pid_t	 pid;
	int	 port;
	char	 log[64];
	long	 read;		/* how far its log is read */
	PGconn	*console;	/* its admin console, once it is needed */
	char	*error;		/* why it did not start */
};

static struct bouncer bouncers[BOUNCERS_MAX];
static size_t nbouncers;
static struct servers *sv;

static bool
listens(int port)
{
	struct sockaddr_in a;
	int fd = socket(AF_INET, SOCK_STREAM, 0), rc;

	memset(&a, 0, sizeof(a));
	a.sin_family = AF_INET;
	a.sin_port = htons((uint16_t)port);
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	rc = connect(fd, (struct sockaddr *)&a, sizeof(a));
	(void)close(fd);
	return rc == 0;
}

/* What the log says from `from` on; to be freed. */
static char *
log_since(const struct bouncer *b, long from, long *ret_end)
{
	FILE *f = fopen(servers_path(sv, b->log), "r");
	char *text = mem_alloc(65536);

	if (f != NULL) {
		(void)fseek(f, from, SEEK_SET);
		text[fread(text, 1, 65535, f)] = '\0';
		*ret_end = ftell(f);
		(void)fclose(f);
	}
	return text;
}

/* One that none of the others was told to take, either: they do not listen yet. */
static int
port_for(size_t n)
{
	size_t i;
	int port;

	do {
		port = port_free();
		for (i = 0; i < n && bouncers[i].port != port; i++)
			;
	} while (i < n);
	return port;
}

static void
bouncer_start(size_t i, const struct dialling *d)
{
	struct bouncer *b = &bouncers[i];
	const char *argv[] = { "/usr/sbin/pgbouncer", NULL, NULL };
	struct buf t = { 0 };
	char name[32], ini[64];

	(void)snprintf(name, sizeof(name), "bouncer%zu", i);
	(void)snprintf(b->log, sizeof(b->log), "%s.log", name);
	(void)snprintf(ini, sizeof(ini), "%s.ini", name);
	b->port = port_for(i);
	buf_printf(&t, "[databases]\npostgres = host=127.0.0.1 port=%d user=app\n[pgbouncer]\n"
	    "listen_addr = 127.0.0.1\nlisten_port = %d\nunix_socket_dir =\nauth_type = any\nadmin_users = app\n"
	    "pool_mode = session\nserver_lifetime = 0\nserver_connect_timeout = 5\nserver_login_retry = 1\n"
	    "log_stats = 0\nlog_connections = 0\nmax_client_conn = 20\nserver_tls_sslmode = %s\n", sv->postgres_port, b->port, dial_word(d->dial));
	if (d->anchor != ANCHOR_NONE)
		buf_printf(&t, "server_tls_ca_file = %s\n", anchor_file(sv, d->anchor));
	if (d->shown != SHOWN_NONE)
		buf_printf(&t, "server_tls_cert_file = %s/%s.crt\nserver_tls_key_file = %s/%s.key\n", sv->dir,
		    d->shown == SHOWN_GOOD ? "t_client" : "t_stray", sv->dir,
		    d->shown == SHOWN_GOOD ? "t_client" : "t_stray");
	if (d->min == PROTO_TLS1_3)
		buf_printf(&t, "server_tls_protocols = tlsv1.3\n");
	else if (d->max == PROTO_TLS1_2)
		buf_printf(&t, "server_tls_protocols = tlsv1.2\n");
	servers_write(sv, ini, buf_str(&t));
	buf_release(&t);
	argv[1] = servers_path(sv, ini);
	b->pid = servers_spawn(sv, name, argv);
}

int
bouncers_up(struct servers *s, const struct dialling *d, size_t n)
{
	struct timespec t = { 0, 5000000 };
	time_t end = time(NULL) + 60;
	int up = 0, status;
	size_t i;

	sv = s;
	assert_true(n <= BOUNCERS_MAX);
	nbouncers = n;
	if (geteuid() == 0)
		servers_run("chown postgres: %s/t_client.key %s/t_stray.key", s->dir, s->dir);
	for (i = 0; i < n; i++)
		bouncer_start(i, &d[i]);
	for (i = 0; i < n; i++) {
		struct bouncer *b = &bouncers[i];
		long ignored;

		while (!listens(b->port)) {
			if (waitpid(b->pid, &status, WNOHANG) == b->pid) {
				b->pid = 0;
				b->error = log_since(b, 0, &ignored);
				break;
			}
			if (time(NULL) > end)
				fail_msg("pgbouncer %zu does not start", i);
			(void)nanosleep(&t, NULL);
		}
		up += b->pid != 0;
	}
	return up;
}

void
bouncers_down(void)
{
	size_t i;

	for (i = 0; i < nbouncers; i++) {
		if (bouncers[i].console != NULL)
			PQfinish(bouncers[i].console);
		bouncers[i].console = NULL;
		if (bouncers[i].pid != 0) {
			(void)kill(bouncers[i].pid, SIGKILL);
			(void)waitpid(bouncers[i].pid, NULL, 0);
		}
		free(bouncers[i].error);
	}
	nbouncers = 0;
}

int
bouncer_port(int i)
{
	return bouncers[i].pid != 0 ? bouncers[i].port : 0;
}

const char *
bouncer_start_error(int i)
{
	return bouncers[i].error != NULL ? bouncers[i].error : "";
}

static void
console(const struct bouncer *b, const char *command)
{
	PGresult *r = PQexec(b->console, command);

	if (PQresultStatus(r) != PGRES_COMMAND_OK)
		fail_msg("pgbouncer: %s: %s", command, PQresultErrorMessage(r));
	PQclear(r);
}

/*
 * A failed handshake leaves the connection half dead until
 * server_connect_timeout, and nothing new is tried meanwhile: KILL ends that.
 * With auth_type any, everybody may.
 */
void
bouncer_forget(int i)
{
	struct bouncer *b = &bouncers[i];
	char info[128];

	if (b->console == NULL) {
		(void)snprintf(info, sizeof(info), "hostaddr=127.0.0.1 port=%d user=app dbname=pgbouncer sslmode=disable"
		    " gssencmode=disable client_encoding=UTF8", b->port);
		b->console = PQconnectdb(info);
		if (PQstatus(b->console) != CONNECTION_OK)
			fail_msg("pgbouncer %d: %s", i, PQerrorMessage(b->console));
	}
	console(b, "KILL postgres");
	console(b, "RESUME postgres");
	free(log_since(&bouncers[i], bouncers[i].read, &bouncers[i].read));
}

char *
bouncer_complaint(int i)
{
	struct bouncer *b = &bouncers[i];
	char *text = log_since(b, b->read, &b->read), *line, *rest, *said = NULL;

	for (line = strtok_r(text, "\n", &rest); line != NULL && said == NULL; line = strtok_r(NULL, "\n", &rest)) {
		char *because = strstr(line, "closing because: ");

		if (strstr(line, "TLS handshake error: ") != NULL)
			said = mem_strdup(strstr(line, "TLS handshake error: "));
		else if (strstr(line, "server login failed: ") != NULL)
			said = mem_strdup(strstr(line, "server login failed: "));
		else if (strstr(line, " S-0x") != NULL && because != NULL &&
		    strstr(because, "server lifetime over") == NULL && strstr(because, "client d") == NULL)
			said = mem_strdup(because + strlen("closing because: "));
	}
	free(text);
	return said;
}
