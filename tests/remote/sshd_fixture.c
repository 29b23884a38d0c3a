/*
 * sshd_fixture: see sshd_fixture.h.
 */
#include "sshd_fixture.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
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

static void
die(const char *what, const char *which)
{
	fprintf(stderr, "fixture: %s: %s: %s\n", what, which, strerror(errno));
	abort();
}

const char *
fixture_path(const struct fixture *f, const char *name)
{
	static char ring[8][FIXTURE_PATH_MAX];
	static int at;
	char *p = ring[at++ % 8];

	snprintf(p, FIXTURE_PATH_MAX, "%.400s/%.100s", f->dir, name);
	return p;
}

void
fixture_write(const char *path, const char *text)
{
	FILE *fp = fopen(path, "w");

	if (fp == NULL || fputs(text, fp) < 0 || fclose(fp) != 0)
		die("cannot write", path);
	chmod(path, 0600);
}

static void
append(const char *path, const char *text)
{
	FILE *fp = fopen(path, "a");

	if (fp == NULL || fputs(text, fp) < 0 || fclose(fp) != 0)
		die("cannot write", path);
	chmod(path, 0600);
}

char *
fixture_read(const char *path)
{
	FILE *fp = fopen(path, "r");
	char *text = calloc(1, 65536);

	if (text == NULL)
		abort();
	if (fp != NULL) {
		if (fread(text, 1, 65535, fp) == 0)
			text[0] = '\0';
		fclose(fp);
	}
	return text;
}

static pid_t
spawn(const char *const argv[], const char *log)
{
	pid_t pid = fork();
	int fd;

	if (pid == -1)
		die("cannot fork", argv[0]);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);	/* a test that aborts leaves no server */
		fd = open("/dev/null", O_RDONLY);
		dup2(fd, 0);
		fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
		dup2(fd, 1);
		dup2(fd, 2);
		for (fd = 3; fd < 256; fd++)
			close(fd);
		signal(SIGPIPE, SIG_DFL);
		execvp(argv[0], (char **)(uintptr_t)argv);
		_exit(127);
	}
	return pid;
}

void
fixture_run(const char *const argv[])
{
	int status;
	pid_t pid = spawn(argv, "/dev/null");

	if (waitpid(pid, &status, 0) != pid || status != 0)
		die("failed", argv[0]);
}

static void
make_key(const struct fixture *f, const char *name, const char *type, const char *passphrase)
{
	const char *argv[] = { "ssh-keygen", "-q", "-t", type, "-f", fixture_path(f, name), "-N",
	    passphrase, "-C", name, NULL };

	fixture_run(argv);
}

void
fixture_up(struct fixture *f)
{
	const char *tmp = getenv("TMPDIR");
	static const char *const keys[] = { "ed25519", "ecdsa", "rsa", "locked" };
	size_t i;
	char *pub, name[64];

	snprintf(f->dir, sizeof(f->dir), "%.400s/belay-ssh.XXXXXX", tmp == NULL ? "/tmp" : tmp);
	if (mkdtemp(f->dir) == NULL)
		die("cannot make", f->dir);
	if (geteuid() == 0)
		mkdir("/run/sshd", 0755);
	for (i = 0; i < 4; i++) {
		bool locked = strcmp(keys[i], "locked") == 0;

		make_key(f, keys[i], locked ? "ed25519" : keys[i], locked ? "open sesame" : "");
		snprintf(name, sizeof(name), "%s.pub", keys[i]);
		pub = fixture_read(fixture_path(f, name));
		append(fixture_path(f, "authorized_keys"), pub);
		free(pub);
	}
	fixture_write(fixture_path(f, "known_hosts"), "");
	fixture_write(fixture_path(f, "ssh_config"), "");
}

void
fixture_down(struct fixture *f)
{
	const char *argv[] = { "rm", "-rf", "--", f->dir, NULL };

	if (getenv("KEEP") == NULL)
		fixture_run(argv);
}

/* Waits until somebody listens. */
static void
wait_port(int port, pid_t pid)
{
	struct sockaddr_in sin;
	struct timespec nap = { 0, 5000000 };
	int fd, i, status;

	memset(&sin, 0, sizeof(sin));
	sin.sin_family = AF_INET;
	sin.sin_port = htons((unsigned short)port);
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	for (i = 0; i < 4000; i++) {
		fd = socket(AF_INET, SOCK_STREAM, 0);
		if (connect(fd, (struct sockaddr *)&sin, sizeof(sin)) == 0) {
			close(fd);
			return;
		}
		close(fd);
		if (waitpid(pid, &status, WNOHANG) == pid)
			break;
		nanosleep(&nap, NULL);
	}
	die("sshd does not listen", "127.0.0.1");
}

void
sshd_again(struct sshd *d)
{
	char config[64], log[64];
	const char *argv[8];

	snprintf(config, sizeof(config), "%s_config", d->name);
	snprintf(log, sizeof(log), "%s_log", d->name);
	argv[0] = "/usr/sbin/sshd";
	argv[1] = "-D";
	argv[2] = "-e";
	argv[3] = "-f";
	argv[4] = fixture_path(d->fixture, config);
	argv[5] = NULL;
	d->pid = spawn(argv, fixture_path(d->fixture, log));
	wait_port(d->port, d->pid);
}

void
sshd_up(struct sshd *d, struct fixture *f, const char *name, const char *host_key_types,
    const char *options)
{
	static const char *const types[] = { "ed25519", "ecdsa", "rsa" };
	char text[8192], key[64];
	size_t i, n;

	memset(d, 0, sizeof(*d));
	d->fixture = f;
	snprintf(d->name, sizeof(d->name), "%s", name);
	d->port = port_free();
	/* SHLVL: else bash, run by sshd, reads the start-up files of whoever runs the tests. */
	n = (size_t)snprintf(text, sizeof(text), "ListenAddress 127.0.0.1\nPort %d\nPidFile none\n"
	    "UsePAM no\nUseDNS no\nStrictModes no\nSetEnv SHLVL=2\nPasswordAuthentication no\n"
	    "KbdInteractiveAuthentication no\nAuthorizedKeysFile %s\nMaxStartups 1000\nPrintMotd no\n"
	    "LogLevel VERBOSE\nAllowUsers *\n%s\n", d->port, fixture_path(f, "authorized_keys"),
	    options == NULL ? "" : options);
	for (i = 0; i < 3; i++) {
		if (strstr(host_key_types, types[i]) == NULL)
			continue;
		snprintf(key, sizeof(key), "%s_%s", name, types[i]);
		if (access(fixture_path(f, key), R_OK) != 0)
			make_key(f, key, types[i], "");
		n += (size_t)snprintf(text + n, sizeof(text) - n, "HostKey %s\n", fixture_path(f, key));
	}
	snprintf(key, sizeof(key), "%s_config", name);
	fixture_write(fixture_path(f, key), text);
	sshd_again(d);
}

/* Calls kill for every descendant of pid: those further down first, but SIGSTOP from above. */
static void
signal_below(pid_t pid, int signo)
{
	DIR *dp = opendir("/proc");
	struct dirent *de;
	char path[64], text[512], *p;
	FILE *fp;
	int ppid;

	if (dp == NULL)
		return;
	while ((de = readdir(dp)) != NULL) {
		if (de->d_name[0] < '0' || de->d_name[0] > '9')
			continue;
		snprintf(path, sizeof(path), "/proc/%.20s/stat", de->d_name);
		fp = fopen(path, "r");
		if (fp == NULL)
			continue;
		if (fgets(text, sizeof(text), fp) != NULL && (p = strrchr(text, ')')) != NULL &&
		    sscanf(p, ") %*c %d", &ppid) == 1 && ppid == pid) {
			if (signo == SIGSTOP)
				kill((pid_t)atoi(de->d_name), signo);
			signal_below((pid_t)atoi(de->d_name), signo);
			if (signo != SIGSTOP)
				kill((pid_t)atoi(de->d_name), signo);
		}
		fclose(fp);
	}
	closedir(dp);
}

void
sshd_signal_connections(const struct sshd *d, int signo)
{
	/* Stopped first, so that no sshd lives to report how its child ended. */
	if (signo == SIGKILL)
		signal_below(d->pid, SIGSTOP);
	signal_below(d->pid, signo);
}

void
sshd_signal(const struct sshd *d, int signo)
{
	signal_below(d->pid, signo);
	kill(d->pid, signo);
}

void
sshd_down(struct sshd *d)
{
	int status;

	if (d->pid <= 0)
		return;
	sshd_signal(d, SIGKILL);
	waitpid(d->pid, &status, 0);
	d->pid = 0;
}

void
sshd_config_block(const struct sshd *d, const char *identity, const char *more)
{
	char text[4096];
	struct passwd *pw = getpwuid(geteuid());

	snprintf(text, sizeof(text), "Host %s\n\tHostName 127.0.0.1\n\tPort %d\n\tUser %s\n"
	    "\tUserKnownHostsFile %s\n\tGlobalKnownHostsFile /dev/null\n\tIdentityFile %s\n"
	    "\tIdentitiesOnly yes\n\tIdentityAgent none\n%s\n", d->name, d->port, pw->pw_name,
	    fixture_path(d->fixture, "known_hosts"), identity, more == NULL ? "" : more);
	append(fixture_path(d->fixture, "ssh_config"), text);
}

void
sshd_known(const struct sshd *d, const char *key_type)
{
	char name[64], text[8192], *pub;

	snprintf(name, sizeof(name), "%s_%s.pub", d->name, key_type);
	pub = fixture_read(fixture_path(d->fixture, name));
	snprintf(text, sizeof(text), "[127.0.0.1]:%d %s", d->port, pub);
	append(fixture_path(d->fixture, "known_hosts"), text);
	free(pub);
}
