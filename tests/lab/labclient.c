/*
 * labclient: an application of the lab's fleet, as small as a real one can be.
 *
 * It holds a pool of sessions on PgBouncer (libpq) and on Redis (hiredis's
 * reader and formatter over our own OpenSSL), works on each of them all the
 * time, opens new connections at a slow rate besides, and reads its settings
 * at its start from its host's .env, and again at a SIGHUP: sessions that it has
 * go on as they are, new ones go by what was read; at a SIGUSR1 those that it has
 * are opened anew besides, each between two operations. What it could not do it counts.
 *
 * Invariants:
 *  - An operation counts as failed when 5 s of retrying did not carry it over,
 *    as retried when it needed more than one attempt. Every operation may be
 *    repeated without harm.
 *  - The counters are cumulative over restarts: a start reads what the last
 *    one wrote. The file is replaced, never written in place.
 *  - SIGTERM ends it between two operations; none fails because of it.
 *  - No wait is without a deadline: an attempt ends after 3 s.
 *
 * The settings are the fleet's: DATABASE_SSL_MODE and DATABASE_SSL_CA_FILE go
 * to libpq as they are; REDIS_TLS_ENABLED=true dials REDIS_TLS_PORT and, where
 * REDIS_TLS_CA_FILE is set, verifies chain and name. What it shows of itself is
 * DATABASE_SSL_CERT_FILE and _KEY_FILE, REDIS_TLS_CERT_FILE and _KEY_FILE. A build that lacks
 * hiredis_ssl in its list of libraries (-l) refuses REDIS_TLS_ENABLED=true.
 *
 * It does not judge what it sees; tests read its statistics.
 */

#define _GNU_SOURCE 1	/* strchrnul */

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <libpq-fe.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define RETRY_MS 5000		/* what an operation's own retrying carries over */
#define ATTEMPT_MS 3000		/* one attempt, connecting included */
#define SESSIONS_MAX 64
#define ENV_MAX (256 * 1024)
#define WHY_MAX 160

enum kind { KIND_PGBOUNCER, KIND_REDIS, KINDS };

static const char *const kind_names[KINDS] = { "pgbouncer", "redis" };

/* What is counted for one link. */
struct counters {
	unsigned long long ok, failed, retried, longest_stall_ms;
	unsigned long long new_ok, new_failed, new_retried;
};

struct link {
	enum kind kind;
	bool used;
	int sessions;			/* held; 0 where the link is not used */
	struct counters n;
	int ready;			/* sessions that have done an operation */
	char tls[32];			/* protocol last negotiated, or "" */
	char why[WHY_MAX];		/* last thing that went wrong, or "" */
};

/* The settings as they were read; older ones live on, for the sessions that go by them. */
struct settings {
	struct settings *older;
	unsigned round;			/* sessions of an earlier one are opened anew */
	SSL_CTX *tls;
	char pg_host[256], pg_hostaddr[64], pg_port[16], pg_db[64], pg_user[64];
	char pg_password[128], pg_sslmode[32], pg_cafile[512];
	char pg_certfile[512], pg_keyfile[512];
	char redis_host[256], redis_connect[256], redis_port[16];
	char redis_password[128], redis_cafile[512];
	char redis_certfile[512], redis_keyfile[512];
	bool redis_tls;
};

/* One session: either half is used, by the link's kind. */
struct session {
	enum kind kind;
	const struct settings *set;	/* while it is open */
	PGconn *pg;
	int fd;
	SSL *ssl;
	redisReader *reader;
};

struct worker {
	struct link *link;
	int index;			/* -1: opens new connections */
	pthread_t thread;
};

static struct {
	const char *name, *stats_path, *ready_path;
	struct settings *set;
	struct link links[KINDS];
	long op_ms, new_ms;
	unsigned long long starts;
	bool stopping;
	pthread_mutex_t lock;
	pthread_cond_t wake;
} g;

static void die(const char *, ...) __attribute__((noreturn, format(printf, 1, 2)));
static int why(char *, const char *, ...) __attribute__((format(printf, 2, 3)));

static void
die(const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "%s: ", g.name ? g.name : "labclient");
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

static long long
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (long long)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static bool
stopping(void)
{
	bool stop;

	pthread_mutex_lock(&g.lock);
	stop = g.stopping;
	pthread_mutex_unlock(&g.lock);
	return stop;
}

/* Sleeps, but not through a stop. */
static void
rest(long ms)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ms / 1000;
	until.tv_nsec += ms % 1000 * 1000000L;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000L;
	}
	pthread_mutex_lock(&g.lock);
	while (!g.stopping &&
	    pthread_cond_timedwait(&g.wake, &g.lock, &until) == 0)
		;
	pthread_mutex_unlock(&g.lock);
}

static void
nap(long ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000L };

	nanosleep(&ts, NULL);
}

static int
why(char *buf, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(buf, WHY_MAX, fmt, ap);
	va_end(ap);
	return -1;
}

/* Waits until the descriptor is ready; 0, or -1 when the time is up. */
static int
wait_fd(int fd, short events, long long until)
{
	struct pollfd pfd = { fd, events, 0 };
	long long left;
	int n;

	do {
		if ((left = until - now_ms()) <= 0)
			return -1;
		n = poll(&pfd, 1, (int)left);
	} while (n < 0 && errno == EINTR);
	return n > 0 ? 0 : -1;
}

/* ---- settings ---------------------------------------------------------- */

/* Copies the last value of a key; quotes around it are taken off. */
static bool
env_get(const char *env, const char *key, char *out, size_t size)
{
	size_t klen = strlen(key), len;
	bool found = false;
	const char *p, *end;

	for (p = env; p != NULL && *p != '\0'; p = *end ? end + 1 : end) {
		end = strchrnul(p, '\n');
		if (strncmp(p, key, klen) != 0 || p[klen] != '=')
			continue;
		p += klen + 1;
		len = (size_t)(end - p);
		if (len > 0 && p[len - 1] == '\r')
			len--;
		if (len >= 2 && (*p == '"' || *p == '\'') && p[len - 1] == *p) {
			p++;
			len -= 2;
		}
		if (len >= size)
			die("the value of %s is too long", key);
		memcpy(out, p, len);
		out[len] = '\0';
		found = len > 0;
		if (!found)
			out[0] = '\0';
	}
	return found;
}

static void
env_default(const char *env, const char *key, const char *value, char *out,
    size_t size)
{
	if (!env_get(env, key, out, size))
		snprintf(out, size, "%s", value);
}

static char *
file_read(const char *path)
{
	char *buf = malloc(ENV_MAX);
	size_t len;
	FILE *f;

	if (buf == NULL)
		die("out of memory");
	if ((f = fopen(path, "r")) == NULL)
		die("cannot read '%s': %s", path, strerror(errno));
	len = fread(buf, 1, ENV_MAX - 1, f);
	fclose(f);
	buf[len] = '\0';
	return buf;
}

static void
settings_read(const char *path, const char *libs_path, bool anew)
{
	struct settings *s = calloc(1, sizeof *s);
	char *env = file_read(path), value[256], tls_port[16];

	if (s == NULL)
		die("out of memory");
	env_default(env, "DATABASE_HOST", "db.internal", s->pg_host,
	    sizeof s->pg_host);
	env_default(env, "DATABASE_HOSTADDR", "", s->pg_hostaddr,
	    sizeof s->pg_hostaddr);
	env_default(env, "DATABASE_PORT", "6432", s->pg_port, sizeof s->pg_port);
	env_default(env, "DATABASE_NAME", "voiceai", s->pg_db, sizeof s->pg_db);
	env_default(env, "DATABASE_USER", "voiceai", s->pg_user,
	    sizeof s->pg_user);
	env_default(env, "DATABASE_PASSWORD", "", s->pg_password,
	    sizeof s->pg_password);
	env_default(env, "DATABASE_SSL_MODE", "disable", s->pg_sslmode,
	    sizeof s->pg_sslmode);
	env_default(env, "DATABASE_SSL_CA_FILE", "", s->pg_cafile,
	    sizeof s->pg_cafile);
	env_default(env, "DATABASE_SSL_CERT_FILE", "", s->pg_certfile,
	    sizeof s->pg_certfile);
	env_default(env, "DATABASE_SSL_KEY_FILE", "", s->pg_keyfile,
	    sizeof s->pg_keyfile);
	env_default(env, "REDIS_HOST", "db.internal", s->redis_host,
	    sizeof s->redis_host);
	env_default(env, "REDIS_HOSTADDR", s->redis_host, s->redis_connect,
	    sizeof s->redis_connect);
	env_default(env, "REDIS_PORT", "6379", s->redis_port,
	    sizeof s->redis_port);
	env_default(env, "REDIS_TLS_PORT", "6380", tls_port, sizeof tls_port);
	env_default(env, "REDIS_PASSWORD", "", s->redis_password,
	    sizeof s->redis_password);
	env_default(env, "REDIS_TLS_CA_FILE", "", s->redis_cafile,
	    sizeof s->redis_cafile);
	env_default(env, "REDIS_TLS_CERT_FILE", "", s->redis_certfile,
	    sizeof s->redis_certfile);
	env_default(env, "REDIS_TLS_KEY_FILE", "", s->redis_keyfile,
	    sizeof s->redis_keyfile);
	env_default(env, "REDIS_TLS_ENABLED", "false", value, sizeof value);
	s->redis_tls = strcmp(value, "true") == 0;
	if (s->redis_tls)
		memcpy(s->redis_port, tls_port, sizeof s->redis_port);
	/* The collector's way of saying the same in one variable. */
	if (env_get(env, "REDIS_ENDPOINT", value, sizeof value)) {
		char *colon = strrchr(value, ':');

		if (colon == NULL)
			die("REDIS_ENDPOINT is not HOST:PORT");
		*colon = '\0';
		snprintf(s->redis_host, sizeof s->redis_host, "%s", value);
		snprintf(s->redis_port, sizeof s->redis_port, "%.15s",
		    colon + 1);
		env_default(env, "REDIS_HOSTADDR", s->redis_host,
		    s->redis_connect, sizeof s->redis_connect);
	}
	free(env);
	if (s->redis_tls && g.links[KIND_REDIS].used) {
		char *libs = libs_path ? file_read(libs_path) : NULL;

		if (libs != NULL && strstr(libs, "hiredis_ssl") == NULL)
			die("REDIS_TLS_ENABLED=true, but this build has no "
			    "hiredis_ssl: it cannot speak TLS to Redis");
		free(libs);
		if ((s->tls = SSL_CTX_new(TLS_client_method())) == NULL)
			die("cannot make a TLS context");
		if (s->redis_cafile[0] != '\0') {
			if (SSL_CTX_load_verify_locations(s->tls,
			    s->redis_cafile, NULL) != 1)
				die("cannot load the CA file '%s'",
				    s->redis_cafile);
			SSL_CTX_set_verify(s->tls, SSL_VERIFY_PEER, NULL);
		}
		if (s->redis_certfile[0] != '\0' &&
		    (SSL_CTX_use_certificate_chain_file(s->tls, s->redis_certfile) != 1 ||
		    SSL_CTX_use_PrivateKey_file(s->tls, s->redis_keyfile, SSL_FILETYPE_PEM) != 1))
			die("cannot load '%s' and its key", s->redis_certfile);
	}
	pthread_mutex_lock(&g.lock);
	s->older = g.set;
	s->round = g.set != NULL ? g.set->round + (anew ? 1U : 0U) : 0;
	g.set = s;
	pthread_mutex_unlock(&g.lock);
}

static void
settings_free(void)
{
	struct settings *s, *older;

	for (s = g.set; s != NULL; s = older) {
		older = s->older;
		SSL_CTX_free(s->tls);
		free(s);
	}
}

/* ---- Postgres through PgBouncer ---------------------------------------- */

static void
pg_why(char *buf, PGconn *pg, const char *what)
{
	const char *msg = pg ? PQerrorMessage(pg) : "out of memory";

	why(buf, "%s: %s", what, *msg ? msg : "time is up");
}

static int
pg_open(struct session *s, long long until, char *err)
{
	const struct settings *set = s->set;
	char app[80];
	const char *keys[] = { "host", "hostaddr", "port", "dbname", "user",
	    "password", "sslmode", "sslrootcert", "sslcert", "sslkey", "gssencmode",
	    "application_name", NULL };
	const char *values[] = { set->pg_host, set->pg_hostaddr, set->pg_port,
	    set->pg_db, set->pg_user, set->pg_password, set->pg_sslmode,
	    set->pg_cafile, set->pg_certfile, set->pg_keyfile, "disable", app, NULL };
	PostgresPollingStatusType st = PGRES_POLLING_WRITING;

	snprintf(app, sizeof app, "voiceai-%s", g.name);
	s->pg = PQconnectStartParams(keys, values, 0);
	if (s->pg == NULL || PQstatus(s->pg) == CONNECTION_BAD) {
		pg_why(err, s->pg, "connect");
		return -1;
	}
	while (st != PGRES_POLLING_OK) {
		if (wait_fd(PQsocket(s->pg), st == PGRES_POLLING_READING ?
		    POLLIN : POLLOUT, until) != 0)
			return why(err, "connect: time is up");
		if ((st = PQconnectPoll(s->pg)) == PGRES_POLLING_FAILED) {
			pg_why(err, s->pg, "connect");
			return -1;
		}
	}
	return 0;
}

static int
pg_operate(struct session *s, const char *key, unsigned long long seq,
    long long until, char *err)
{
	char sql[256];
	PGresult *res;
	int rc = 0;

	snprintf(sql, sizeof sql, "UPDATE canary SET seq = greatest(seq, %llu) "
	    "WHERE who = '%s'", seq, key);
	if (!PQsendQuery(s->pg, sql)) {
		pg_why(err, s->pg, "send");
		return -1;
	}
	while (PQisBusy(s->pg)) {
		if (wait_fd(PQsocket(s->pg), POLLIN, until) != 0)
			return why(err, "query: time is up");
		if (!PQconsumeInput(s->pg)) {
			pg_why(err, s->pg, "query");
			return -1;
		}
	}
	while ((res = PQgetResult(s->pg)) != NULL) {
		if (PQresultStatus(res) != PGRES_COMMAND_OK ||
		    strcmp(PQcmdTuples(res), "1") != 0) {
			const char *msg = PQresultErrorMessage(res);

			rc = why(err, "query: %s", *msg ? msg : "no such row");
		}
		PQclear(res);
	}
	return rc;
}

/* ---- Redis ------------------------------------------------------------- */

static int
redis_connect_tcp(struct session *s, long long until, char *err)
{
	struct addrinfo hints, *list, *ai;
	int rc, one = 1, soerr;
	socklen_t len = sizeof soerr;

	memset(&hints, 0, sizeof hints);
	hints.ai_family = AF_INET;
	hints.ai_socktype = SOCK_STREAM;
	if ((rc = getaddrinfo(s->set->redis_connect, s->set->redis_port, &hints,
	    &list)) != 0)
		return why(err, "connect: %s: %s", s->set->redis_connect,
		    gai_strerror(rc));
	ai = list;
	s->fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
	    0);
	rc = s->fd < 0 ? -1 : connect(s->fd, ai->ai_addr, ai->ai_addrlen);
	freeaddrinfo(list);
	if (rc != 0 && errno != EINPROGRESS)
		return why(err, "connect: %s", strerror(errno));
	if (wait_fd(s->fd, POLLOUT, until) != 0)
		return why(err, "connect: time is up");
	if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &soerr, &len) != 0 ||
	    soerr != 0)
		return why(err, "connect: %s", strerror(soerr));
	setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	return 0;
}

/* What OpenSSL waits for after a call that returned ret; -1 if it failed. */
static int
tls_wait(struct session *s, int ret, long long until, const char *what, char *err)
{
	char msg[128];
	long verify;

	switch (SSL_get_error(s->ssl, ret)) {
	case SSL_ERROR_WANT_READ:
		if (wait_fd(s->fd, POLLIN, until) == 0)
			return 0;
		return why(err, "%s: time is up", what);
	case SSL_ERROR_WANT_WRITE:
		if (wait_fd(s->fd, POLLOUT, until) == 0)
			return 0;
		return why(err, "%s: time is up", what);
	default:
		verify = SSL_get_verify_result(s->ssl);
		if (verify != X509_V_OK && s->set->redis_cafile[0] != '\0')
			return why(err, "%s: %s", what,
			    X509_verify_cert_error_string(verify));
		ERR_error_string_n(ERR_peek_last_error(), msg, sizeof msg);
		return why(err, "%s: %s", what,
		    ERR_peek_last_error() ? msg : "connection closed");
	}
}

static int
redis_write(struct session *s, const char *buf, size_t len, long long until,
    char *err)
{
	size_t done = 0;

	while (done < len) {
		if (s->ssl != NULL) {
			int n;

			ERR_clear_error();
			n = SSL_write(s->ssl, buf + done, (int)(len - done));
			if (n > 0)
				done += (size_t)n;
			else if (tls_wait(s, n, until, "write", err) != 0)
				return -1;
			continue;
		}
		ssize_t n = send(s->fd, buf + done, len - done, MSG_NOSIGNAL);

		if (n > 0)
			done += (size_t)n;
		else if (errno != EAGAIN)
			return why(err, "write: %s", strerror(errno));
		else if (wait_fd(s->fd, POLLOUT, until) != 0)
			return why(err, "write: time is up");
	}
	return 0;
}

static int
redis_read(struct session *s, redisReply **ret_reply, long long until, char *err)
{
	char buf[4096];
	void *reply = NULL;

	for (;;) {
		ssize_t n;

		if (redisReaderGetReply(s->reader, &reply) != REDIS_OK)
			return why(err, "reply: %s", s->reader->errstr);
		if (reply != NULL) {
			*ret_reply = reply;
			return 0;
		}
		if (s->ssl != NULL) {
			ERR_clear_error();
			n = SSL_read(s->ssl, buf, (int)sizeof buf);
			if (n <= 0) {
				if (tls_wait(s, (int)n, until, "read", err) != 0)
					return -1;
				continue;
			}
		} else {
			n = recv(s->fd, buf, sizeof buf, 0);
			if (n < 0 && errno == EAGAIN) {
				if (wait_fd(s->fd, POLLIN, until) != 0)
					return why(err, "read: time is up");
				continue;
			}
			if (n <= 0)
				return why(err, "read: %s", n == 0 ?
				    "connection closed" : strerror(errno));
		}
		if (redisReaderFeed(s->reader, buf, (size_t)n) != REDIS_OK)
			return why(err, "reply: %s", s->reader->errstr);
	}
}

/* Sends one command and takes its answer; an error reply is a failure. */
static int
redis_command(struct session *s, long long until, char *err, int argc,
    const char **argv)
{
	redisReply *reply;
	char *cmd;
	int len, rc;

	if ((len = redisFormatCommandArgv(&cmd, argc, argv, NULL)) < 0)
		return why(err, "out of memory");
	rc = redis_write(s, cmd, (size_t)len, until, err);
	redisFreeCommand(cmd);
	if (rc != 0 || redis_read(s, &reply, until, err) != 0)
		return -1;
	if (reply->type == REDIS_REPLY_ERROR)
		rc = why(err, "%s: %s", argv[0], reply->str);
	freeReplyObject(reply);
	return rc;
}

static int
redis_open(struct session *s, long long until, char *err)
{
	int ret;

	if (redis_connect_tcp(s, until, err) != 0)
		return -1;
	if ((s->reader = redisReaderCreate()) == NULL)
		return why(err, "out of memory");
	if (s->set->tls != NULL) {
		if ((s->ssl = SSL_new(s->set->tls)) == NULL ||
		    SSL_set_fd(s->ssl, s->fd) != 1 ||
		    SSL_set_tlsext_host_name(s->ssl, s->set->redis_host) != 1 ||
		    SSL_set1_host(s->ssl, s->set->redis_host) != 1)
			return why(err, "cannot make a TLS session");
		for (;;) {
			ERR_clear_error();
			if ((ret = SSL_connect(s->ssl)) == 1)
				break;
			if (tls_wait(s, ret, until, "tls", err) != 0)
				return -1;
		}
	}
	if (s->set->redis_password[0] != '\0') {
		const char *auth[] = { "AUTH", s->set->redis_password };

		if (redis_command(s, until, err, 2, auth) != 0)
			return -1;
	}
	return 0;
}

static int
redis_operate(struct session *s, const char *key, unsigned long long seq,
    long long until, char *err)
{
	char name[96], value[32];
	const char *set[] = { "SET", name, value };

	snprintf(name, sizeof name, "canary:%s", key);
	snprintf(value, sizeof value, "%llu", seq);
	return redis_command(s, until, err, 3, set);
}

/* ---- sessions, whatever they talk to ----------------------------------- */

static void
session_close(struct session *s)
{
	if (s->pg != NULL)
		PQfinish(s->pg);
	if (s->ssl != NULL) {
		SSL_shutdown(s->ssl);
		SSL_free(s->ssl);
	}
	if (s->fd >= 0)
		close(s->fd);
	if (s->reader != NULL)
		redisReaderFree(s->reader);
	*s = (struct session){ .kind = s->kind, .fd = -1 };
}

static bool
session_is_open(const struct session *s)
{
	return s->pg != NULL || s->fd >= 0;
}

static const char *
session_protocol(const struct session *s)
{
	const char *p = NULL;

	if (s->pg != NULL && PQsslInUse(s->pg))
		p = PQsslAttribute(s->pg, "protocol");
	else if (s->ssl != NULL)
		p = SSL_get_version(s->ssl);
	return p ? p : "";
}

/* One attempt: connects where needed, works once. */
static int
session_try(struct session *s, const char *key, unsigned long long seq,
    long long until, char *err)
{
	bool pg = s->kind == KIND_PGBOUNCER;

	if (!session_is_open(s)) {
		pthread_mutex_lock(&g.lock);
		s->set = g.set;
		pthread_mutex_unlock(&g.lock);
		if ((pg ? pg_open : redis_open)(s, until, err) != 0)
			return -1;
	}
	return (pg ? pg_operate : redis_operate)(s, key, seq, until, err);
}

static bool
session_is_outdated(const struct session *s)
{
	bool outdated;

	pthread_mutex_lock(&g.lock);
	outdated = session_is_open(s) && s->set->round != g.set->round;
	pthread_mutex_unlock(&g.lock);
	return outdated;
}

static void *
worker_run(void *arg)
{
	struct worker *w = arg;
	struct link *link = w->link;
	struct session s = { .kind = link->kind, .fd = -1 };
	bool fresh = w->index < 0, was_ready = false;
	unsigned long long seq = (unsigned long long)time(NULL) * 1000;
	long long outage_since = 0;
	char key[80], err[WHY_MAX];

	if (fresh)
		snprintf(key, sizeof key, "%s:new", g.name);
	else
		snprintf(key, sizeof key, "%s:%d", g.name, w->index);
	while (!stopping()) {
		long long t0 = now_ms(), stall;
		bool done = false;
		long pause = 20;
		int tries = 0;

		if (session_is_outdated(&s))
			session_close(&s);
		seq++;
		err[0] = '\0';
		for (;;) {
			long long until = now_ms() + ATTEMPT_MS;

			if (until > t0 + RETRY_MS)
				until = t0 + RETRY_MS;
			if (session_try(&s, key, seq, until, err) == 0) {
				done = true;
				break;
			}
			session_close(&s);
			tries++;
			if (now_ms() + pause >= t0 + RETRY_MS)
				break;
			nap(pause);
			if (pause < 200)
				pause *= 2;
		}
		if (outage_since == 0)
			outage_since = t0;
		stall = now_ms() - outage_since;
		if (done)
			outage_since = 0;
		pthread_mutex_lock(&g.lock);
		if (fresh) {
			link->n.new_ok += done;
			link->n.new_failed += !done;
			link->n.new_retried += done && tries > 0;
		} else {
			link->n.ok += done;
			link->n.failed += !done;
			link->n.retried += done && tries > 0;
			if (stall > (long long)link->n.longest_stall_ms)
				link->n.longest_stall_ms =
				    (unsigned long long)stall;
			if (done && !was_ready) {
				was_ready = true;
				link->ready++;
			}
		}
		if (done)
			snprintf(link->tls, sizeof link->tls, "%s",
			    session_protocol(&s));
		if (tries > 0)
			memcpy(link->why, err, sizeof link->why);
		pthread_mutex_unlock(&g.lock);
		if (tries > 0) {
			fprintf(stderr, "%s: %s %s after %d attempts, %lld ms: %s\n",
			    key, kind_names[link->kind], done ? "went on" :
			    "FAILED", tries, stall, err);
		}
		if (fresh)
			session_close(&s);
		rest(fresh ? g.new_ms : g.op_ms);
	}
	session_close(&s);
	return NULL;
}

/* ---- statistics -------------------------------------------------------- */

#define LINK_FMT "\"ok\": %llu, \"failed\": %llu, \"retried\": %llu, " \
	"\"longest_stall_ms\": %llu, \"new_ok\": %llu, \"new_failed\": %llu, " \
	"\"new_retried\": %llu"

/* Goes on counting where the last run of this client left off. */
static void
stats_resume(void)
{
	char line[1024], fmt[512];
	FILE *f;

	if ((f = fopen(g.stats_path, "r")) == NULL)
		return;
	while (fgets(line, sizeof line, f) != NULL) {
		sscanf(line, " \"starts\": %llu", &g.starts);
		for (int k = 0; k < KINDS; k++) {
			struct counters n;
			char *at;

			snprintf(fmt, sizeof fmt, "\"%s\": {", kind_names[k]);
			if ((at = strstr(line, fmt)) == NULL)
				continue;
			if (sscanf(at + strlen(fmt), LINK_FMT, &n.ok, &n.failed,
			    &n.retried, &n.longest_stall_ms, &n.new_ok,
			    &n.new_failed, &n.new_retried) == 7)
				g.links[k].n = n;
		}
	}
	fclose(f);
}

/* Only what can stand in a JSON string as it is. */
static void
put_text(FILE *f, const char *s)
{
	for (; *s != '\0'; s++)
		fputc(isprint((unsigned char)*s) && *s != '"' && *s != '\\' ?
		    *s : ' ', f);
}

static void
stats_write(bool running)
{
	struct link links[KINDS];
	char tmp[PATH_MAX];
	const char *sep = "";
	FILE *f;

	pthread_mutex_lock(&g.lock);
	memcpy(links, g.links, sizeof links);
	pthread_mutex_unlock(&g.lock);
	snprintf(tmp, sizeof tmp, "%s.new", g.stats_path);
	if ((f = fopen(tmp, "w")) == NULL)
		die("cannot write '%s': %s", tmp, strerror(errno));
	fprintf(f, "{\n  \"client\": \"%s\",\n  \"pid\": %d,\n"
	    "  \"running\": %s,\n  \"starts\": %llu,\n  \"links\": {",
	    g.name, (int)getpid(), running ? "true" : "false", g.starts);
	for (int k = 0; k < KINDS; k++) {
		const struct link *l = &links[k];

		if (!l->used)
			continue;
		fprintf(f, "%s\n    \"%s\": {" LINK_FMT ", \"sessions\": %d, "
		    "\"ready\": %d, \"tls\": \"", sep, kind_names[k], l->n.ok,
		    l->n.failed, l->n.retried, l->n.longest_stall_ms,
		    l->n.new_ok, l->n.new_failed, l->n.new_retried,
		    l->sessions, l->ready);
		put_text(f, l->tls);
		fputs("\", \"last_error\": \"", f);
		put_text(f, l->why);
		fputs("\"}", f);
		sep = ",";
	}
	fputs("\n  }\n}\n", f);
	if (fclose(f) != 0 || rename(tmp, g.stats_path) != 0)
		die("cannot write '%s': %s", g.stats_path, strerror(errno));
}

/* The ready file says that every held session has worked since the start. */
static bool
ready_write(void)
{
	bool ready = true;
	FILE *f;

	pthread_mutex_lock(&g.lock);
	for (int k = 0; k < KINDS; k++)
		if (g.links[k].ready < g.links[k].sessions)
			ready = false;
	pthread_mutex_unlock(&g.lock);
	if (!ready)
		return false;
	if ((f = fopen(g.ready_path, "w")) != NULL) {
		fprintf(f, "%d\n", (int)getpid());
		fclose(f);
	}
	return true;
}

static long
number(const char *s)
{
	char *end;
	long n = strtol(s, &end, 10);

	if (*s == '\0' || *end != '\0' || n < 0 || n > 3600000)
		die("not a number: '%s'", s);
	return n;
}

int
main(int argc, char **argv)
{
	static struct worker workers[KINDS * (SESSIONS_MAX + 1)];
	const char *env_path = NULL, *libs_path = NULL;
	pthread_condattr_t attr;
	size_t nworkers = 0;
	bool ready = false;
	sigset_t set;
	int opt;

	g.op_ms = 50;
	g.new_ms = 500;
	while ((opt = getopt(argc, argv, "n:e:s:r:l:P:R:i:c:")) != -1) {
		switch (opt) {
		case 'n': g.name = optarg; break;
		case 'e': env_path = optarg; break;
		case 's': g.stats_path = optarg; break;
		case 'r': g.ready_path = optarg; break;
		case 'l': libs_path = optarg; break;
		case 'P': g.links[KIND_PGBOUNCER].sessions = (int)number(optarg); break;
		case 'R': g.links[KIND_REDIS].sessions = (int)number(optarg); break;
		case 'i': g.op_ms = number(optarg); break;
		case 'c': g.new_ms = number(optarg); break;	/* 0: never */
		default: return 2;
		}
	}
	if (g.name == NULL || env_path == NULL || g.stats_path == NULL ||
	    g.ready_path == NULL || optind != argc) {
		fputs("usage: labclient -n NAME -e ENVFILE -s STATS -r READY "
		    "[-l LIBS] [-P PGSESSIONS] [-R REDISSESSIONS] "
		    "[-i OPERATION_MS] [-c NEW_CONNECTION_MS]\n", stderr);
		return 2;
	}
	for (int k = 0; k < KINDS; k++) {
		g.links[k].kind = (enum kind)k;
		g.links[k].used = g.links[k].sessions > 0;
		if (g.links[k].sessions > SESSIONS_MAX)
			die("at most %d sessions", SESSIONS_MAX);
	}
	unlink(g.ready_path);
	pthread_mutex_init(&g.lock, NULL);
	settings_read(env_path, libs_path, false);
	stats_resume();
	g.starts++;
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&g.wake, &attr);
	for (int k = 0; k < KINDS; k++) {
		for (int i = g.new_ms > 0 ? -1 : 0;
		    g.links[k].used && i < g.links[k].sessions; i++) {
			struct worker *w = &workers[nworkers++];

			w->link = &g.links[k];
			w->index = i;
			if (pthread_create(&w->thread, NULL, worker_run, w) != 0)
				die("cannot start a thread");
		}
	}
	for (;;) {
		struct timespec tick = { 0, ready ? 250000000L : 20000000L };
		int sig = sigtimedwait(&set, NULL, &tick);

		if (!ready)
			ready = ready_write();
		stats_write(true);
		if (sig == SIGHUP || sig == SIGUSR1)
			settings_read(env_path, libs_path, sig == SIGUSR1);
		else if (sig > 0)
			break;
	}
	pthread_mutex_lock(&g.lock);
	g.stopping = true;
	pthread_cond_broadcast(&g.wake);
	pthread_mutex_unlock(&g.lock);
	for (size_t i = 0; i < nworkers; i++)
		pthread_join(workers[i].thread, NULL);
	unlink(g.ready_path);
	stats_write(false);
	settings_free();
	return 0;
}
