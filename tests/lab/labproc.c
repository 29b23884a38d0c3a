/*
 * labproc: holds, starts, stops, finds and enters the processes of a lab.
 *
 *   labproc hold PIDFILE -- COMMAND ...
 *	Runs COMMAND and stays: every orphan below it becomes its child, so that
 *	nothing started in the lab gets lost. SIGTERM ends all of them, then it.
 *   labproc start [-u USER] PIDFILE LOG -- COMMAND ...
 *	Starts a server away from the caller: own session, no inherited
 *	descriptor, output appended to LOG, as USER if we are root.
 *   labproc stop PIDFILE SIGNAL MS [SIGNAL MS ...]
 *	Sends each signal in turn and waits that long for the end; then SIGKILL.
 *   labproc alive PIDFILE
 *	Prints the process id and exits 0 if it still is the one that was kept.
 *   labproc signal PIDFILE SIGNAL [NAME]
 *	Signals the process, or with NAME it and those of its descendants whose
 *	command is called NAME.
 *   labproc enter [-c] PIDFILE -- COMMAND ...
 *	Runs COMMAND in the namespaces of that process, in the same directory;
 *	with -c it keeps the capabilities that this gives.
 *   labproc list ID | sweep ID
 *	Prints, or ends, whatever still lives in the lab ID.
 *
 * A pid file holds a process id and its start time: a number that the kernel
 * has given to somebody else since is never signalled. A process belongs to the
 * lab ID if its /etc/hosts is that lab's (first line "# belay lab ID"), or, where
 * there are no namespaces, if BELAY_LAB_ID says so in its environment.
 *
 * It does not know what it runs: order and meaning are with the scripts.
 */

#define _GNU_SOURCE 1

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <poll.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PROC_MAX 65536		/* processes looked at, at most */
#define ID_MAX 128

/* One line of the process table: who, whose child, since when, called what. */
struct proc {
	pid_t pid, ppid;
	unsigned long long start;
	char comm[32];
	char state;
};

static void die(const char *, ...) __attribute__((noreturn, format(printf, 1, 2)));

static void
die(const char *fmt, ...)
{
	va_list ap;

	fputs("labproc: ", stderr);
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

static void
sleep_ms(long ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000L };

	nanosleep(&ts, NULL);
}

static int
signal_number(const char *name)
{
	static const struct { const char *name; int sig; } table[] = {
		{ "TERM", SIGTERM }, { "INT", SIGINT }, { "QUIT", SIGQUIT },
		{ "HUP", SIGHUP }, { "KILL", SIGKILL }, { "STOP", SIGSTOP },
		{ "CONT", SIGCONT }, { "USR1", SIGUSR1 }, { "USR2", SIGUSR2 },
	};

	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		if (strcmp(name, table[i].name) == 0)
			return table[i].sig;
	die("unknown signal '%s'", name);
}

/* ---- the process table ------------------------------------------------- */

/* Reads /proc/PID/stat; the name stands in parentheses and may hold any byte. */
static int
proc_read(pid_t pid, struct proc *p)
{
	char path[64], buf[1024], *open_paren, *close_paren;
	ssize_t n;
	int fd, ppid;

	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
		return -1;
	n = read(fd, buf, sizeof buf - 1);
	close(fd);
	if (n <= 0)
		return -1;
	buf[n] = '\0';
	open_paren = strchr(buf, '(');
	close_paren = strrchr(buf, ')');
	if (open_paren == NULL || close_paren == NULL)
		return -1;
	*close_paren = '\0';
	p->pid = pid;
	snprintf(p->comm, sizeof p->comm, "%s", open_paren + 1);
	if (sscanf(close_paren + 1, " %c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u"
	    " %*u %*u %*d %*d %*d %*d %*d %*d %llu", &p->state, &ppid,
	    &p->start) != 3)
		return -1;
	p->ppid = ppid;
	return 0;
}

/* All processes that are not zombies. The array is the caller's to free. */
static struct proc *
proc_table(size_t *ret_n)
{
	struct proc *table = NULL, p;
	size_t n = 0, cap = 0;
	struct dirent *de;
	DIR *dir;

	if ((dir = opendir("/proc")) == NULL)
		die("cannot read /proc: %s", strerror(errno));
	while ((de = readdir(dir)) != NULL && n < PROC_MAX) {
		if (!isdigit((unsigned char)de->d_name[0]) ||
		    proc_read((pid_t)atoi(de->d_name), &p) != 0 || p.state == 'Z')
			continue;
		if (n == cap) {
			cap = cap ? cap * 2 : 256;
			if ((table = realloc(table, cap * sizeof *table)) == NULL)
				die("out of memory");
		}
		table[n++] = p;
	}
	closedir(dir);
	*ret_n = n;
	return table;
}

/* Marks the descendants of root; the table is walked until nothing is added. */
static bool *
proc_descendants(const struct proc *table, size_t n, pid_t root)
{
	bool *in = calloc(n ? n : 1, sizeof *in), added;

	if (in == NULL)
		die("out of memory");
	do {
		added = false;
		for (size_t i = 0; i < n; i++) {
			if (in[i])
				continue;
			bool child = table[i].ppid == root;

			for (size_t j = 0; j < n && !child; j++)
				child = in[j] && table[j].pid == table[i].ppid;
			if (child)
				in[i] = added = true;
		}
	} while (added);
	return in;
}

/* ---- pid files --------------------------------------------------------- */

static void
pidfile_write(const char *path, pid_t pid)
{
	char tmp[PATH_MAX];
	struct proc p;
	FILE *f;

	if (proc_read(pid, &p) != 0)
		p.start = 0;
	if ((size_t)snprintf(tmp, sizeof tmp, "%s.new", path) >= sizeof tmp)
		die("path too long: '%s'", path);
	if ((f = fopen(tmp, "w")) == NULL)
		die("cannot write '%s': %s", tmp, strerror(errno));
	fprintf(f, "%d %llu\n", (int)pid, p.start);
	if (fclose(f) != 0 || rename(tmp, path) != 0)
		die("cannot write '%s': %s", path, strerror(errno));
}

/* The live process that the file names, or 0. */
static pid_t
pidfile_live(const char *path)
{
	unsigned long long start;
	struct proc p;
	int pid, n;
	FILE *f;

	if ((f = fopen(path, "r")) == NULL)
		return 0;
	n = fscanf(f, "%d %llu", &pid, &start);
	fclose(f);
	if (n != 2 || pid <= 1 || proc_read(pid, &p) != 0 || p.state == 'Z' ||
	    p.start != start)
		return 0;
	return pid;
}

/* Waits until the process has ended; it need not be our child. */
static bool
pid_wait(pid_t pid, long ms)
{
	struct pollfd pfd;
	int n;

	pfd.fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pfd.fd < 0)
		return true;
	pfd.events = POLLIN;
	do
		n = poll(&pfd, 1, (int)ms);
	while (n < 0 && errno == EINTR);
	close(pfd.fd);
	return n > 0;
}

/* ---- start, stop, signal ----------------------------------------------- */

static void
become(const char *user)
{
	struct passwd *pw;

	if (geteuid() != 0)
		return;
	if ((pw = getpwnam(user)) == NULL)
		die("no such user: '%s'", user);
	if (pw->pw_uid == 0)
		return;
	if (initgroups(user, pw->pw_gid) != 0 || setgid(pw->pw_gid) != 0 ||
	    setuid(pw->pw_uid) != 0)
		die("cannot become '%s': %s", user, strerror(errno));
}

static int
verb_start(int argc, char **argv)
{
	const char *user = NULL, *pidfile, *log;
	int opt, fd, report[2], err = 0;
	pid_t pid;

	while ((opt = getopt(argc, argv, "+u:")) != -1) {
		if (opt != 'u')
			return 2;
		user = optarg;
	}
	if (argc - optind < 4 || strcmp(argv[optind + 2], "--") != 0)
		return 2;
	pidfile = argv[optind];
	log = argv[optind + 1];
	if (pipe2(report, O_CLOEXEC) != 0)
		die("cannot make a pipe: %s", strerror(errno));
	fflush(NULL);
	if ((pid = fork()) < 0)
		die("cannot fork: %s", strerror(errno));
	if (pid == 0) {
		setsid();
		if ((fd = open("/dev/null", O_RDWR)) >= 0) {
			dup2(fd, 0);
			close(fd);
		}
		if ((fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0644)) < 0)
			_exit(126);
		dup2(fd, 1);
		dup2(fd, 2);
		/* Keep only the report pipe, which exec closes. */
		dup2(report[1], 3);
		fcntl(3, F_SETFD, FD_CLOEXEC);
		close_range(4, ~0U, 0);
		if (user != NULL)
			become(user);
		execvp(argv[optind + 3], argv + optind + 3);
		err = errno;
		(void)!write(3, &err, sizeof err);
		_exit(127);
	}
	close(report[1]);
	pidfile_write(pidfile, pid);
	if (read(report[0], &err, sizeof err) == (ssize_t)sizeof err)
		die("cannot start '%s': %s", argv[optind + 3], strerror(err));
	return 0;
}

static int
verb_stop(int argc, char **argv)
{
	pid_t pid;
	int i;

	if (argc < 4 || argc % 2 != 0)
		return 2;
	pid = pidfile_live(argv[1]);
	for (i = 2; pid != 0 && i < argc; i += 2) {
		if (kill(pid, signal_number(argv[i])) != 0 && errno != ESRCH)
			die("cannot signal %d: %s", (int)pid, strerror(errno));
		if (pid_wait(pid, atol(argv[i + 1])))
			pid = 0;
	}
	if (pid != 0) {
		kill(pid, SIGKILL);
		if (!pid_wait(pid, 2000))
			die("process %d does not end", (int)pid);
	}
	unlink(argv[1]);
	return 0;
}

static int
verb_alive(int argc, char **argv)
{
	pid_t pid;

	if (argc != 2)
		return 2;
	if ((pid = pidfile_live(argv[1])) == 0)
		return 1;
	printf("%d\n", (int)pid);
	return 0;
}

/*
 * From the top downwards, and again until a pass finds nobody new: a listener
 * that is being stopped may have forked a moment before.
 */
static int
verb_signal(int argc, char **argv)
{
	pid_t pid, seen[1024];
	size_t n, nseen = 0;
	int sig;
	bool more;

	if (argc != 3 && argc != 4)
		return 2;
	sig = signal_number(argv[2]);
	if ((pid = pidfile_live(argv[1])) == 0)
		die("no process is kept in '%s'", argv[1]);
	if (kill(pid, sig) != 0)
		die("cannot signal %d: %s", (int)pid, strerror(errno));
	if (argc == 3)
		return 0;
	do {
		struct proc *table = proc_table(&n);
		bool *in = proc_descendants(table, n, pid);

		more = false;
		for (size_t i = 0; i < n; i++) {
			size_t j = 0;

			if (!in[i] || strcmp(table[i].comm, argv[3]) != 0)
				continue;
			while (j < nseen && seen[j] != table[i].pid)
				j++;
			if (j < nseen || nseen == sizeof seen / sizeof *seen)
				continue;
			seen[nseen++] = table[i].pid;
			kill(table[i].pid, sig);
			more = true;
		}
		free(in);
		free(table);
	} while (more);
	printf("%zu\n", nseen + 1);
	return 0;
}

/* ---- what belongs to a lab --------------------------------------------- */

static bool
belongs_by_hosts(pid_t pid, const char *id)
{
	char path[64], want[ID_MAX + 32], got[ID_MAX + 32];
	ssize_t n;
	int fd;

	snprintf(path, sizeof path, "/proc/%d/root/etc/hosts", (int)pid);
	snprintf(want, sizeof want, "# belay lab %s\n", id);
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
		return false;
	n = read(fd, got, strlen(want));
	close(fd);
	return n == (ssize_t)strlen(want) && memcmp(got, want, (size_t)n) == 0;
}

static bool
belongs_by_environment(pid_t pid, const char *id)
{
	char path[64], want[ID_MAX + 32], *buf;
	size_t len = 0, cap = 256 * 1024, wlen;
	bool found = false;
	ssize_t n;
	int fd;

	snprintf(path, sizeof path, "/proc/%d/environ", (int)pid);
	wlen = (size_t)snprintf(want, sizeof want, "BELAY_LAB_ID=%s", id) + 1;
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
		return false;
	if ((buf = malloc(cap)) == NULL)
		die("out of memory");
	while (len < cap && (n = read(fd, buf + len, cap - len)) > 0)
		len += (size_t)n;
	close(fd);
	for (size_t i = 0; i + wlen <= len && !found; i++)
		found = (i == 0 || buf[i - 1] == '\0') &&
		    memcmp(buf + i, want, wlen) == 0;
	free(buf);
	return found;
}

/* Ourselves and those who wait for us are never swept. */
static bool
is_ancestor(const struct proc *table, size_t n, pid_t pid)
{
	pid_t p = getpid();

	while (p > 1) {
		size_t i = 0;

		if (p == pid)
			return true;
		while (i < n && table[i].pid != p)
			i++;
		if (i == n)
			return false;
		p = table[i].ppid;
	}
	return false;
}

static size_t
lab_each(const char *id, int sig, bool print)
{
	struct proc *table;
	size_t n, found = 0;

	table = proc_table(&n);
	for (size_t i = 0; i < n; i++) {
		if (is_ancestor(table, n, table[i].pid) ||
		    (!belongs_by_hosts(table[i].pid, id) &&
		    !belongs_by_environment(table[i].pid, id)))
			continue;
		found++;
		if (print)
			printf("%d %s\n", (int)table[i].pid, table[i].comm);
		if (sig != 0) {
			kill(table[i].pid, sig);
			kill(table[i].pid, SIGCONT);
		}
	}
	free(table);
	return found;
}

static int
verb_list(int argc, char **argv)
{
	bool sweep = strcmp(argv[0], "sweep") == 0;
	long long until;

	if (argc != 2 || strlen(argv[1]) < 8 || strlen(argv[1]) >= ID_MAX)
		return 2;
	if (!sweep) {
		lab_each(argv[1], 0, true);
		return 0;
	}
	/* QUIT lets a Postgres give its shared memory back. */
	static const struct { int sig; long ms; } turns[] = {
		{ SIGTERM, 300 }, { SIGQUIT, 1000 }, { SIGKILL, 3000 },
	};
	for (size_t i = 0; i < sizeof turns / sizeof *turns; i++) {
		if (lab_each(argv[1], turns[i].sig, false) == 0)
			return 0;
		for (until = now_ms() + turns[i].ms; now_ms() < until; sleep_ms(10))
			if (lab_each(argv[1], turns[i].sig == SIGKILL ? SIGKILL : 0,
			    false) == 0)
				return 0;
	}
	return 1;
}

/* ---- hold -------------------------------------------------------------- */

static size_t
descendants_signal(int sig)
{
	struct proc *table;
	size_t n, found = 0;
	bool *in;

	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	table = proc_table(&n);
	in = proc_descendants(table, n, getpid());
	for (size_t i = 0; i < n; i++) {
		if (!in[i])
			continue;
		found++;
		if (sig != 0) {
			kill(table[i].pid, sig);
			kill(table[i].pid, SIGCONT);
		}
	}
	free(in);
	free(table);
	return found;
}

static int
verb_hold(int argc, char **argv)
{
	static const struct { int sig; long ms; } turns[] = {
		{ SIGTERM, 400 }, { SIGQUIT, 1500 }, { SIGKILL, 3000 },
	};
	struct rlimit none = { 0, 0 };
	sigset_t set;
	pid_t pid;
	int sig;

	if (argc < 4 || strcmp(argv[2], "--") != 0)
		return 2;
	setrlimit(RLIMIT_CORE, &none);
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0)
		die("cannot become a subreaper: %s", strerror(errno));
	pidfile_write(argv[1], getpid());
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	if ((pid = fork()) < 0)
		die("cannot fork: %s", strerror(errno));
	if (pid == 0) {
		sigprocmask(SIG_UNBLOCK, &set, NULL);
		execvp(argv[3], argv + 3);
		die("cannot run '%s': %s", argv[3], strerror(errno));
	}
	for (;;) {
		if (sigwait(&set, &sig) != 0)
			continue;
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		if (sig == SIGTERM)
			break;
	}
	for (size_t i = 0; i < sizeof turns / sizeof *turns; i++) {
		long long until = now_ms() + turns[i].ms;

		if (descendants_signal(turns[i].sig) == 0)
			return 0;
		for (; now_ms() < until; sleep_ms(10))
			if (descendants_signal(turns[i].sig == SIGKILL ?
			    SIGKILL : 0) == 0)
				return 0;
	}
	return 1;
}

/* ---- enter ------------------------------------------------------------- */

static void
ambient_caps(void)
{
	struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct d[2];

	if (syscall(SYS_capget, &h, d) != 0)
		die("cannot read capabilities: %s", strerror(errno));
	d[0].inheritable = d[0].permitted;
	d[1].inheritable = d[1].permitted;
	if (syscall(SYS_capset, &h, d) != 0)
		die("cannot set capabilities: %s", strerror(errno));
	for (int c = 0; prctl(PR_CAPBSET_READ, c, 0, 0, 0) >= 0; c++)
		prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, c, 0, 0);
}

static int
verb_enter(int argc, char **argv)
{
	/* The user namespace first: it gives the right to the others. */
	static const char *const names[] = { "user", "net", "uts", "ipc", "mnt" };
	char cwd[PATH_MAX], path[64];
	int opt, fds[5];
	bool caps = false;
	pid_t pid;

	while ((opt = getopt(argc, argv, "+c")) != -1) {
		if (opt != 'c')
			return 2;
		caps = true;
	}
	if (argc - optind < 3 || strcmp(argv[optind + 1], "--") != 0)
		return 2;
	if ((pid = pidfile_live(argv[optind])) == 0)
		die("no process is kept in '%s': is the lab up", argv[optind]);
	if (getcwd(cwd, sizeof cwd) == NULL)
		snprintf(cwd, sizeof cwd, "/");
	for (size_t i = 0; i < 5; i++) {
		struct stat theirs, ours;

		snprintf(path, sizeof path, "/proc/self/ns/%s", names[i]);
		if (stat(path, &ours) != 0)
			ours.st_ino = 0;
		snprintf(path, sizeof path, "/proc/%d/ns/%s", (int)pid, names[i]);
		if ((fds[i] = open(path, O_RDONLY | O_CLOEXEC)) < 0 ||
		    fstat(fds[i], &theirs) != 0)
			die("cannot open '%s': %s", path, strerror(errno));
		if (theirs.st_ino == ours.st_ino) {
			close(fds[i]);
			fds[i] = -1;
		}
	}
	for (size_t i = 0; i < 5; i++)
		if (fds[i] >= 0 && setns(fds[i], 0) != 0)
			die("cannot enter the %s namespace of %d: %s", names[i],
			    (int)pid, strerror(errno));
	if (chdir(cwd) != 0 && chdir("/") != 0)
		die("cannot go to '%s': %s", cwd, strerror(errno));
	if (caps)
		ambient_caps();
	execvp(argv[optind + 2], argv + optind + 2);
	fprintf(stderr, "labproc: cannot run '%s': %s\n", argv[optind + 2],
	    strerror(errno));
	return errno == ENOENT ? 127 : 126;
}

int
main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(int, char **);
	} verbs[] = {
		{ "hold", verb_hold }, { "start", verb_start },
		{ "stop", verb_stop }, { "alive", verb_alive },
		{ "signal", verb_signal }, { "enter", verb_enter },
		{ "list", verb_list }, { "sweep", verb_list },
	};

	for (size_t i = 0; argc > 1 && i < sizeof verbs / sizeof *verbs; i++) {
		if (strcmp(argv[1], verbs[i].name) != 0)
			continue;
		int status = verbs[i].run(argc - 1, argv + 1);

		if (status == 2)
			break;
		return status;
	}
	fputs("usage: labproc hold|start|stop|alive|signal|enter|list|sweep ...\n",
	    stderr);
	return 2;
}
