/*
 * tripwire: runs belay and kills its console, or its worker, at the N-th call of
 * one name; or counts the calls.
 *
 *	tripwire -o FILE [-w] [-k ROLE:CALL:N] COMMAND [ARGUMENT ...]
 *
 * ROLE is console or worker.  Calls are counted over all threads of that
 * process, in the order in which they are made, where strace(1) counts those of
 * each thread and does not tell the two processes apart.  The kill comes when
 * the call is made and before it is carried out; what is "after call N" is
 * "before the next call", which is another point.
 *
 * FILE gets one line for each role and call, `ROLE CALL COUNT`, and `fired` where
 * the kill was done.  It ends as COMMAND does, 128 + signal where a signal ended it.
 *
 * What a worker starts (a shell with the host-side program) is let go when it begins,
 * and lives on as it would.  With -w all of that is waited for: then nothing
 * that was started is left (60 s at most, else it ends with 99).  Without -k and
 * -o, nothing is traced: it only waits.
 */
#define _GNU_SOURCE	/* prctl's subreaper comes with sys/prctl.h; __WALL does not come without this */
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <unistd.h>

#define TASKS_MAX	256
#define WAIT_S		60
#define EXIT_LEFT	99	/* something that was started is still there */

/*
 * Calls that change something outside the process, or start or end one.  Locks
 * of parts of a file (fcntl) are not among them: nothing is left of them when the
 * process is gone, and SQLite makes a great many.
 */
static const struct {
	const char *name;
	long	 nr;
} calls[] = {
#ifdef SYS_open
	{ "open", SYS_open },
#endif
	{ "openat", SYS_openat },	/* those that may write or make */
	{ "write", SYS_write },
	{ "pwrite64", SYS_pwrite64 },
	{ "writev", SYS_writev },
	{ "pwritev", SYS_pwritev },
	{ "sendto", SYS_sendto },
	{ "sendmsg", SYS_sendmsg },
	{ "fsync", SYS_fsync },
	{ "fdatasync", SYS_fdatasync },
	{ "ftruncate", SYS_ftruncate },
	{ "fallocate", SYS_fallocate },
#ifdef SYS_rename
	{ "rename", SYS_rename },
#endif
#ifdef SYS_renameat
	{ "renameat", SYS_renameat },
#endif
	{ "renameat2", SYS_renameat2 },
#ifdef SYS_unlink
	{ "unlink", SYS_unlink },
#endif
	{ "unlinkat", SYS_unlinkat },
#ifdef SYS_mkdir
	{ "mkdir", SYS_mkdir },
#endif
	{ "mkdirat", SYS_mkdirat },
#ifdef SYS_link
	{ "link", SYS_link },
#endif
	{ "linkat", SYS_linkat },
#ifdef SYS_symlink
	{ "symlink", SYS_symlink },
#endif
	{ "symlinkat", SYS_symlinkat },
#ifdef SYS_chmod
	{ "chmod", SYS_chmod },
#endif
	{ "fchmod", SYS_fchmod },
	{ "fchmodat", SYS_fchmodat },
	{ "fchown", SYS_fchown },
	{ "fchownat", SYS_fchownat },
	{ "flock", SYS_flock },
	{ "socketpair", SYS_socketpair },
	{ "pipe2", SYS_pipe2 },
	{ "connect", SYS_connect },
	{ "bind", SYS_bind },
	{ "shutdown", SYS_shutdown },
	{ "kill", SYS_kill },
	{ "clone", SYS_clone },
#ifdef SYS_clone3
	{ "clone3", SYS_clone3 },
#endif
#ifdef SYS_fork
	{ "fork", SYS_fork },
#endif
#ifdef SYS_vfork
	{ "vfork", SYS_vfork },
#endif
	{ "execve", SYS_execve },
	{ "exit_group", SYS_exit_group },
};
#define NCALLS (sizeof(calls) / sizeof(calls[0]))

enum role { CONSOLE, WORKER, NROLES, NOBODY = NROLES };	/* NOBODY: born, and not yet what it will be */
static const char *const role_words[NROLES] = { "console", "worker" };

struct task {
	pid_t	 tid, tgid;	/* tid 0: a free place */
	enum role role;
};

static struct task tasks[TASKS_MAX];
static unsigned long counts[NROLES][NCALLS];
static enum role kill_role = NOBODY;
static size_t kill_call;
static unsigned long kill_n;
static bool fired;

static void
die(const char *what)
{
	(void)fprintf(stderr, "tripwire: %s: %s\n", what, strerror(errno));
	exit(98);
}

static struct task *
task_of(pid_t tid)
{
	struct task *t, *room = NULL;
	char path[64], line[128];
	size_t i;
	FILE *f;

	for (i = 0; i < TASKS_MAX; i++) {
		if (tasks[i].tid == tid)
			return &tasks[i];
		if (tasks[i].tid == 0 && room == NULL)
			room = &tasks[i];
	}
	if ((t = room) == NULL) {
		errno = ENOMEM;
		die("too many tasks at once");
	}
	t->tid = t->tgid = tid;
	t->role = NOBODY;
	(void)snprintf(path, sizeof(path), "/proc/%ld/status", (long)tid);
	if ((f = fopen(path, "re")) != NULL) {
		while (fgets(line, sizeof(line), f) != NULL)
			if (strncmp(line, "Tgid:", 5) == 0)
				t->tgid = (pid_t)strtol(line + 5, NULL, 10);
		(void)fclose(f);
	}
	for (i = 0; i < TASKS_MAX; i++)		/* a thread is what its process is */
		if (tasks[i].tid == t->tgid && tasks[i].tid != tid)
			t->role = tasks[i].role;
	return t;
}

static void
gone(pid_t tid)
{
	size_t i;

	for (i = 0; i < TASKS_MAX; i++)
		if (tasks[i].tid == tid)
			tasks[i].tid = 0;
}

/* After an exec: the console is the first one; a worker says so; what else there is, is let go. */
static bool
is_worker(pid_t pid)
{
	char path[64], args[256];
	size_t len;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%ld/cmdline", (long)pid);
	if ((f = fopen(path, "re")) == NULL)
		return false;
	len = fread(args, 1, sizeof(args) - 1, f);
	(void)fclose(f);
	args[len] = '\0';
	return len > strlen(args) + 1 && strcmp(args + strlen(args) + 1, "--worker") == 0;
}

static bool
counted(size_t call, const uint64_t *args)
{
	int flags;

	if (strcmp(calls[call].name, "openat") == 0 || strcmp(calls[call].name, "open") == 0) {
		flags = (int)args[calls[call].name[4] == 'a' ? 2 : 1];
		return (flags & O_ACCMODE) != O_RDONLY || (flags & (O_CREAT | O_TRUNC)) != 0;
	}
	return true;
}

static void
on_call(const struct task *t)
{
	struct __ptrace_syscall_info info;
	size_t i;

	if (t->role == NOBODY || ptrace(PTRACE_GET_SYSCALL_INFO, t->tid, sizeof(info), &info) <= 0 ||
	    info.op != PTRACE_SYSCALL_INFO_ENTRY)
		return;
	for (i = 0; i < NCALLS; i++) {
		if ((uint64_t)calls[i].nr != info.entry.nr || !counted(i, info.entry.args))
			continue;
		counts[t->role][i]++;
		if (!fired && t->role == kill_role && i == kill_call && counts[t->role][i] == kill_n) {
			fired = true;
			if (kill(t->tgid, SIGKILL) != 0)
				die("kill");
		}
		return;
	}
}

/* Returns false where the task was let go. */
static bool
on_stop(struct task *t, pid_t first, int status)
{
	int event = status >> 16;
	long sig = 0;

	if (event == PTRACE_EVENT_EXEC) {
		t->role = t->tid == first ? CONSOLE : is_worker(t->tid) ? WORKER : NOBODY;
		if (t->role == NOBODY) {
			if (ptrace(PTRACE_DETACH, t->tid, 0L, 0L) != 0 && errno != ESRCH)
				die("detach");
			return false;
		}
	} else if (WSTOPSIG(status) == (SIGTRAP | 0x80))
		on_call(t);
	else if (event == 0)
		sig = WSTOPSIG(status);
	if (ptrace(PTRACE_SYSCALL, t->tid, 0L, sig) != 0 && errno != ESRCH)
		die("go on");
	return true;
}

static void
parse_kill(char *text)
{
	char *call = strchr(text, ':'), *n = call == NULL ? NULL : strchr(call + 1, ':');
	size_t i;

	if (n != NULL) {
		*call++ = *n++ = '\0';
		for (i = 0; i < NROLES; i++)
			if (strcmp(role_words[i], text) == 0)
				kill_role = (enum role)i;
		for (kill_call = 0; kill_call < NCALLS && strcmp(calls[kill_call].name, call) != 0; kill_call++)
			;
		kill_n = strtoul(n, NULL, 10);
	}
	if (kill_role == NOBODY || kill_call == NCALLS || kill_n == 0) {
		(void)fprintf(stderr, "tripwire: expected ROLE:CALL:N\n");
		exit(2);
	}
}

/* The child stops itself until it is traced. */
static pid_t
start(char **argv, bool traced)
{
	pid_t pid = fork();
	int status;

	if (pid == -1)
		die("fork");
	if (pid == 0) {
		if (traced)
			(void)raise(SIGSTOP);
		(void)execvp(argv[0], argv);
		die(argv[0]);
	}
	if (!traced)
		return pid;
	if (waitpid(pid, &status, WUNTRACED) != pid || !WIFSTOPPED(status))
		die(argv[0]);
	if (ptrace(PTRACE_SEIZE, pid, 0L, PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC | PTRACE_O_TRACEFORK |
	    PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE) != 0)
		die("trace");
	if (kill(pid, SIGCONT) != 0)
		die("go on");
	return pid;
}

static void
report(const char *path)
{
	FILE *f = fopen(path, "we");
	size_t r, i;

	if (f == NULL)
		die(path);
	for (r = 0; r < NROLES; r++)
		for (i = 0; i < NCALLS; i++)
			if (counts[r][i] > 0)
				(void)fprintf(f, "%s %s %lu\n", role_words[r], calls[i].name, counts[r][i]);
	if (fired)
		(void)fprintf(f, "fired\n");
	if (fclose(f) != 0)
		die(path);
}

static volatile sig_atomic_t late;

static void
on_alarm(int sig)
{
	(void)sig;
	late = 1;
}

/* Names what does not end: our children, adopted ones among them. */
static void
too_late(void)
{
	char path[320], line[512], args[256];
	struct dirent *e;
	DIR *d = opendir("/proc");
	size_t i, len;
	FILE *f;

	while (d != NULL && (e = readdir(d)) != NULL) {
		(void)snprintf(path, sizeof(path), "/proc/%s/stat", e->d_name);
		if (strspn(e->d_name, "0123456789") != strlen(e->d_name) || (f = fopen(path, "re")) == NULL)
			continue;
		len = fread(line, 1, sizeof(line) - 1, f);
		(void)fclose(f);
		line[len] = '\0';
		if (strrchr(line, ')') == NULL || strtol(strrchr(line, ')') + 4, NULL, 10) != (long)getpid())
			continue;
		(void)snprintf(path, sizeof(path), "/proc/%s/cmdline", e->d_name);
		len = 0;
		if ((f = fopen(path, "re")) != NULL) {
			len = fread(args, 1, sizeof(args) - 1, f);
			(void)fclose(f);
		}
		for (i = 0; i < len; i++)
			if (args[i] < ' ')
				args[i] = ' ';
		args[len] = '\0';
		(void)fprintf(stderr, "tripwire: it started something that does not end: %s: %s\n", e->d_name, args);
	}
	exit(EXIT_LEFT);
}

int
main(int argc, char **argv)
{
	const char *out = NULL;
	bool wait_all = false, over = false;
	int c, status, rc = 0;
	pid_t first, pid;

	while ((c = getopt(argc, argv, "+o:wk:")) != -1)
		switch (c) {
		case 'o':
			out = optarg;
			break;
		case 'w':
			wait_all = true;
			break;
		case 'k':
			parse_kill(optarg);
			break;
		default:
			return 2;
		}
	if (optind == argc) {
		(void)fprintf(stderr, "usage: tripwire [-o FILE] [-w] [-k ROLE:CALL:N] COMMAND [ARGUMENT ...]\n");
		return 2;
	}
	if (wait_all && prctl(PR_SET_CHILD_SUBREAPER, 1L, 0L, 0L, 0L) != 0)
		die("cannot wait for grandchildren");
	first = start(argv + optind, out != NULL);
	while (!over || wait_all) {
		if ((pid = waitpid(-1, &status, __WALL)) == -1) {
			if (late)
				too_late();
			if (errno == EINTR)
				continue;
			if (errno == ECHILD)
				break;
			die("wait");
		}
		if (WIFSTOPPED(status)) {
			if (!on_stop(task_of(pid), first, status))
				gone(pid);
			continue;
		}
		gone(pid);
		if (pid != first)
			continue;
		over = true;
		rc = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
		(void)sigaction(SIGALRM, &(struct sigaction){ .sa_handler = on_alarm }, NULL);
		(void)alarm(WAIT_S);
	}
	if (out != NULL)
		report(out);
	return rc;
}
