/*
 * servers: see servers.h.
 */
#define _GNU_SOURCE		/* setgroups, prctl */
#include "servers.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <grp.h>
#include <netinet/in.h>
#include <pwd.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/mem.h"

#define WAIT_S 30

static const char certificates_sh[] =
	"set -eu; cd \"$1\"\n"
	"cat >ca.cnf <<'END'\n"
	"[ca]\ndefault_ca=d\n[d]\ndatabase=index\nserial=serial\nnew_certs_dir=.\ndefault_md=sha256\n"
	"policy=p\nunique_subject=no\ncopy_extensions=none\nemail_in_dn=no\n[p]\ncommonName=supplied\n"
	"[root]\nbasicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n"
	"[req]\ndistinguished_name=dn\nprompt=no\n[dn]\n"
	"[good]\nsubjectAltName=DNS:db.internal,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n"
	"[wrongname]\nsubjectAltName=DNS:other.internal\n[cnonly]\nbasicConstraints=CA:FALSE\n"
	"[wildcard]\nsubjectAltName=DNS:*.internal,DNS:*.db.internal,DNS:d*.internal\n[ipasdns]\nsubjectAltName=DNS:127.0.0.1\n"
	"[clientonly]\nsubjectAltName=DNS:db.internal,IP:127.0.0.1\nextendedKeyUsage=clientAuth\n"
	"END\n"
	": >index; echo 1000 >serial\n"
	"key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out $1.key; }\n"
	"root() { key $1; openssl req -x509 -new -key $1.key -subj \"/CN=$2\" -days 30 -config ca.cnf"
	" -extensions root -out $1.crt; }\n"
	"leaf() { # NAME CN EXTENSIONS CA FROM TO\n"
	"	[ -f $1.key ] || key $1; openssl req -new -key $1.key -subj \"/CN=$2\" -config ca.cnf -out $1.csr\n"
	"	openssl ca -batch -notext -config ca.cnf -cert $4.crt -keyfile $4.key -in $1.csr -out $1.crt"
	" -extensions $3 -startdate $5 -enddate $6; }\n"
	"root ca 'belay test CA'; root otherca 'another CA'\n"
	"from=20200101000000Z; to=20450101000000Z\n"
	"leaf good db.internal good ca $from $to\n"
	"leaf expired db.internal good ca $from 20200201000000Z\n"
	"leaf future db.internal good ca 20440101000000Z $to\n"
	"leaf wrongname db.internal wrongname ca $from $to\n"
	"leaf cnonly db.internal cnonly ca $from $to\n"
	"leaf wildcard db.internal wildcard ca $from $to\n"
	"leaf ipasdns 127.0.0.1 ipasdns ca $from $to\n"
	"leaf clientonly db.internal clientonly ca $from $to\n"
	"leaf stranger db.internal good otherca $from $to\n"
	"leaf middle middle root ca $from $to\n"
	"leaf deep db.internal good middle $from $to\n"
	"openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out rsa.key\n"
	"leaf rsa db.internal good ca $from $to\n"
	"key selfsigned; openssl req -x509 -new -key selfsigned.key -subj /CN=db.internal -days 30 -config ca.cnf"
	" -extensions good -out selfsigned.crt\n"
	"chmod 0600 *.key\n";

const char *
servers_path(const struct servers *s, const char *name)
{
	static char ring[8][512];
	static int at;

	at = (at + 1) % 8;
	(void)snprintf(ring[at], sizeof(ring[at]), "%s/%s", s->dir, name);
	return ring[at];
}

void
servers_write(const struct servers *s, const char *name, const char *text)
{
	FILE *f = fopen(servers_path(s, name), "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
	assert_int_equal(fclose(f), 0);
	(void)chmod(servers_path(s, name), 0644);
}

char *
servers_read(const struct servers *s, const char *name)
{
	FILE *f = fopen(servers_path(s, name), "r");
	char *text = mem_alloc(1 << 20);

	assert_non_null(f);
	text[fread(text, 1, (1 << 20) - 1, f)] = '\0';
	(void)fclose(f);
	return text;
}

static const struct passwd *
servers_user(void)
{
	return geteuid() == 0 ? getpwnam("postgres") : NULL;
}

static void
become_server_user(void)
{
	const struct passwd *pw = servers_user();

	if (pw != NULL && (setgroups(0, NULL) != 0 || setgid(pw->pw_gid) != 0 || setuid(pw->pw_uid) != 0))
		_exit(126);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
}

/* A child in the directory, its words in NAME.log. */
pid_t
servers_spawn(const struct servers *s, const char *name, const char *const argv[])
{
	char log[300];
	pid_t pid;
	int fd;

	(void)snprintf(log, sizeof(log), "%s/%s.log", s->dir, name);
	pid = fork();
	assert_true(pid >= 0);
	if (pid > 0)
		return pid;
	become_server_user();
	fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0644);
	if (fd == -1 || chdir(s->dir) != 0)
		_exit(126);
	(void)dup2(open("/dev/null", O_RDONLY), 0);
	(void)dup2(fd, 1);
	(void)dup2(fd, 2);
	(void)unsetenv("LC_ALL");
	(void)setenv("LANG", "C", 1);
	execv(argv[0], (char *const *)(uintptr_t)argv);
	_exit(127);
}

static int
wait_for(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) == -1)
		if (errno != EINTR)
			return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

void
servers_run(const char *fmt, ...)
{
	va_list ap;
	char *cmd;

	va_start(ap, fmt);
	cmd = mem_vprintf(fmt, ap);
	va_end(ap);
	if (system(cmd) != 0)
		fail_msg("failed: %s", cmd);
	free(cmd);
}

static void
nap(void)
{
	struct timespec t = { 0, 5000000 };

	(void)nanosleep(&t, NULL);
}

/* Until somebody takes connections there, or the server is dead. */
static void
wait_port(const struct servers *s, const char *name, pid_t pid, int port)
{
	struct sockaddr_in a;
	time_t end = time(NULL) + WAIT_S;
	int fd, rc, status;

	memset(&a, 0, sizeof(a));
	a.sin_family = AF_INET;
	a.sin_port = htons((uint16_t)port);
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	for (;;) {
		fd = socket(AF_INET, SOCK_STREAM, 0);
		rc = connect(fd, (struct sockaddr *)&a, sizeof(a));
		(void)close(fd);
		if (rc == 0)
			return;
		if (waitpid(pid, &status, WNOHANG) == pid || time(NULL) > end) {
			(void)kill(pid, SIGKILL);
			servers_run("tail -20 %s/%s.log >&2", s->dir, name);
			fail_msg("%s did not start", name);
		}
		nap();
	}
}

static void
stop(pid_t *pid, int signo)
{
	if (*pid <= 0)
		return;
	(void)kill(*pid, SIGCONT);
	(void)kill(*pid, signo);
	(void)wait_for(*pid);
	*pid = 0;
}

void
servers_stop(struct servers *s, pid_t *pid)
{
	/* Postgres ends at once by SIGQUIT; to the others that is a crash. */
	stop(pid, pid == &s->postgres ? SIGQUIT : SIGTERM);
}

void
servers_up(struct servers *s)
{
	const struct passwd *pw = servers_user();
	const char *tmp = getenv("TMPDIR");
	const char *sh[] = { "/bin/sh", "-c", certificates_sh, "sh", s->dir, NULL };
	glob_t g;

	memset(s, 0, sizeof(*s));
	(void)snprintf(s->dir, sizeof(s->dir), "%s/belay-servers.XXXXXX", tmp != NULL ? tmp : "/tmp");
	assert_non_null(mkdtemp(s->dir));
	if (pw != NULL)
		assert_int_equal(chown(s->dir, pw->pw_uid, pw->pw_gid), 0);
	(void)chmod(s->dir, 0711);
	assert_int_equal(glob("/usr/lib/postgresql/*/bin", 0, NULL, &g), 0);
	(void)snprintf(s->bindir, sizeof(s->bindir), "%s", g.gl_pathv[g.gl_pathc - 1]);
	globfree(&g);
	if (wait_for(servers_spawn(s, "certificates", sh)) != 0) {
		servers_run("tail -20 %s/certificates.log >&2", s->dir);
		fail_msg("cannot make certificates");
	}
}

void
servers_down(struct servers *s)
{
	servers_stop(s, &s->redis);
	servers_stop(s, &s->pgbouncer);
	servers_stop(s, &s->postgres);
	if (s->dir[0] != '\0')
		servers_run("rm -rf %s", s->dir);
}

static void
initdb(struct servers *s)
{
	char program[300], data[300];
	const char *argv[] = { program, "-D", data, "-U", "postgres", "-A", "trust", "-N", "-E", "UTF8",
	    "--locale=C.UTF-8", NULL };

	(void)snprintf(program, sizeof(program), "%s/initdb", s->bindir);
	(void)snprintf(data, sizeof(data), "%s/data", s->dir);
	if (access(data, F_OK) == 0)
		return;
	assert_int_equal(wait_for(servers_spawn(s, "initdb", argv)), 0);
}

void
servers_sql(const struct servers *s, const char *sql)
{
	free(servers_ask(s, sql));
}

char *
servers_ask(const struct servers *s, const char *sql)
{
	char *cmd = mem_printf("%s/psql -XqAt -h %s -p %d -U postgres -d postgres -v ON_ERROR_STOP=1 -c \"%s\"",
	    s->bindir, s->dir, s->postgres_port, sql);
	char *text = mem_alloc(65536);
	FILE *f = popen(cmd, "r");

	assert_non_null(f);
	text[fread(text, 1, 65535, f)] = '\0';
	if (pclose(f) != 0)
		fail_msg("failed: %s", cmd);
	free(cmd);
	return text;
}

void
servers_postgres(struct servers *s, const char *cert, const char *hba, const char *more)
{
	char program[300], data[300], *text;
	const char *argv[] = { program, "-D", data, NULL };
	bool fresh;

	servers_stop(s, &s->postgres);
	fresh = access(servers_path(s, "data"), F_OK) != 0;
	initdb(s);
	if (s->postgres_port == 0)
		s->postgres_port = port_free();
	text = mem_printf("listen_addresses = '127.0.0.1'\nport = %d\nunix_socket_directories = '%s'\n"
	    "fsync = off\nshared_buffers = 4MB\nmax_connections = 40\nlog_connections = on\n"
	    "logging_collector = off\nssl = %s\nssl_cert_file = '%s/%s.crt'\nssl_key_file = '%s/%s.key'\n%s\n",
	    s->postgres_port, s->dir, cert != NULL ? "on" : "off", s->dir, cert != NULL ? cert : "good",
	    s->dir, cert != NULL ? cert : "good", more != NULL ? more : "");
	servers_write(s, "data/postgresql.conf", text);
	free(text);
	text = mem_printf("local all all trust\n%s\n", hba);
	servers_write(s, "data/pg_hba.conf", text);
	free(text);
	(void)snprintf(program, sizeof(program), "%s/postgres", s->bindir);
	(void)snprintf(data, sizeof(data), "%s/data", s->dir);
	s->postgres = servers_spawn(s, "postgres", argv);
	wait_port(s, "postgres", s->postgres, s->postgres_port);
	servers_run("for i in $(seq 500); do %s/pg_isready -q -h %s -p %d && exit 0; sleep 0.01; done; exit 1",
	    s->bindir, s->dir, s->postgres_port);
	if (fresh)
		servers_sql(s, "CREATE ROLE belay_probe LOGIN PASSWORD 'probe pw'; "
		    "CREATE ROLE app LOGIN PASSWORD 'pw'; CREATE ROLE other LOGIN PASSWORD 'pw'");
}

void
servers_pgbouncer(struct servers *s, const char *lines)
{
	const char *argv[] = { "/usr/sbin/pgbouncer", servers_path(s, "pgbouncer.ini"), NULL };
	char *text;

	servers_stop(s, &s->pgbouncer);
	if (s->pgbouncer_port == 0)
		s->pgbouncer_port = port_free();
	text = mem_printf("[databases]\npostgres = host=127.0.0.1 port=%d\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"
	    "listen_port = %d\nunix_socket_dir =\nauth_type = plain\nauth_file = %s/users.txt\n%s\n",
	    s->postgres_port, s->pgbouncer_port, s->dir, lines);
	servers_write(s, "pgbouncer.ini", text);
	free(text);
	servers_write(s, "users.txt", "\"belay_probe\" \"probe pw\"\n\"app\" \"pw\"\n\"other\" \"pw\"\n");
	s->pgbouncer = servers_spawn(s, "pgbouncer", argv);
	wait_port(s, "pgbouncer", s->pgbouncer, s->pgbouncer_port);
}

void
servers_redis(struct servers *s, const char *const more[])
{
	const char *argv[64] = { "/usr/bin/redis-server", "--bind", "127.0.0.1", "--save", "", "--daemonize", "no" };
	int n = 7, i, port = 0;

	servers_stop(s, &s->redis);
	if (more[0] != NULL && more[0][0] == '/') {	/* a configuration file comes first */
		memmove(argv + 2, argv + 1, 6 * sizeof(*argv));
		argv[1] = *more++;
		n++;
	}
	for (i = 0; more[i] != NULL && n < 63; i++) {
		argv[n++] = more[i];
		if (i > 0 && (strcmp(more[i - 1], "--port") == 0 || strcmp(more[i - 1], "--tls-port") == 0) &&
		    atoi(more[i]) != 0)
			port = atoi(more[i]);
	}
	s->redis = servers_spawn(s, "redis", argv);
	wait_port(s, "redis", s->redis, port);
}
