/*
 * sshbench: what sessions cost, measured on a farm (tests/bench/farm).
 *
 *   sshbench cold FARM N           connect, `true`, exit status: CPU and wall
 *   sshbench warm FARM N ROUNDS    `true` over sessions that are open
 *   sshbench mem FARM N            memory with N hosts connected
 *   sshbench alias FARM N          as cold, by ssh_config aliases (`ssh -G` for each)
 *   sshbench run COMMAND...        what a command and all its children cost
 *
 * Prints one line: cpu_ms, wall_ms, and kib for mem, of the whole, each with
 * its own word.  CPU is user and system time of this process and of the children it
 * waited for.  At most INFLIGHT hosts are being connected at a time, since the farm's
 * sshds share our cores and would run into deadlines that real hosts would not.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "core/err.h"
#include "core/mem.h"
#include "remote/keyring.h"
#include "remote/session.h"

#define INFLIGHT 32

struct bench {
	uv_loop_t loop;
	struct keyring *keyring;
	struct session **sessions;
	char	**hosts;
	int	 n, port;
	bool	 alias;
	char	*config;		/* the farm's ssh_config */
	int	 next, busy, failed;	/* the round under way */
};

static double
cpu_ms(void)
{
	struct rusage self, children;

	getrusage(RUSAGE_SELF, &self);
	getrusage(RUSAGE_CHILDREN, &children);
	return (double)(self.ru_utime.tv_sec + self.ru_stime.tv_sec + children.ru_utime.tv_sec +
	    children.ru_stime.tv_sec) * 1e3 + (double)(self.ru_utime.tv_usec +
	    self.ru_stime.tv_usec + children.ru_utime.tv_usec + children.ru_stime.tv_usec) / 1e3;
}

static double
wall_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

/* Proportional set size of this process. */
static long
pss_kib(void)
{
	FILE *fp = fopen("/proc/self/smaps_rollup", "r");
	char line[256];
	long kib = -1;

	while (fp != NULL && fgets(line, sizeof(line), fp) != NULL)
		if (sscanf(line, "Pss: %ld", &kib) == 1)
			break;
	if (fp != NULL)
		fclose(fp);
	return kib;
}

static void	fill(struct bench *);

static void
closed(void *arg, enum stream_end end, int status, const struct err *why)
{
	struct bench *b = arg;

	b->busy--;
	if (end != STREAM_EXITED || status != 0) {
		if (b->failed++ < 3)
			fprintf(stderr, "sshbench: %s, status %d%s%s\n", stream_end_word(end), status,
			    why == NULL ? "" : ": ", why == NULL ? "" : why->msg);
	}
	fill(b);
}

static const struct stream_events events = { .closed = closed };

static void
fill(struct bench *b)
{
	struct session_config c;
	struct stream *st;

	while (b->busy < INFLIGHT && b->next < b->n) {
		int i = b->next++;

		if (b->sessions[i] == NULL) {
			memset(&c, 0, sizeof(c));
			c.name = b->hosts[i];
			if (b->alias) {
				c.ssh = b->hosts[i];
				c.ssh_config = b->config;
			} else
				c.address = b->hosts[i];
			c.port = b->port;
			c.connect_deadline_ms = 120000;
			b->sessions[i] = session_new(&b->loop, b->keyring, &c, NULL, NULL);
		}
		b->busy++;
		st = session_exec(b->sessions[i], "true", &events, b);
		stream_write_eof(st);
		stream_deadline(st, 120000);
	}
}

static void
turn(struct bench *b)
{
	b->next = 0;
	fill(b);
	while (b->busy > 0)
		uv_run(&b->loop, UV_RUN_ONCE);
}

static void
load(struct bench *b, const char *dir, int n)
{
	char path[4096], line[256];
	FILE *fp;
	int i;

	b->config = mem_printf("%s/.ssh/config", dir);
	b->n = n;
	b->hosts = mem_array((size_t)n, sizeof(*b->hosts));
	b->sessions = mem_array((size_t)n, sizeof(*b->sessions));
	snprintf(path, sizeof(path), "%s/port", dir);
	fp = fopen(path, "r");
	if (fp == NULL || fscanf(fp, "%d", &b->port) != 1) {
		fprintf(stderr, "sshbench: '%s' is no farm\n", dir);
		exit(1);
	}
	fclose(fp);
	snprintf(path, sizeof(path), "%s/hosts", dir);
	fp = fopen(path, "r");
	for (i = 0; i < n && fp != NULL && fgets(line, sizeof(line), fp) != NULL; i++) {
		line[strcspn(line, "\n")] = '\0';
		b->hosts[i] = mem_strdup(line);
	}
	if (fp != NULL)
		fclose(fp);
	if (i < n) {
		fprintf(stderr, "sshbench: the farm has %d hosts only\n", i);
		exit(1);
	}
	/* ~/.ssh is the farm's: known_hosts and the key. */
	setenv("HOME", dir, 1);
	unsetenv("SSH_AUTH_SOCK");
	uv_loop_init(&b->loop);
	b->keyring = keyring_new(&b->loop);
}

static int
run_command(char *argv[])
{
	double cpu = cpu_ms(), wall = wall_ms();
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		execvp(argv[0], argv);
		_exit(127);
	}
	if (pid == -1 || waitpid(pid, &status, 0) != pid)
		return 1;
	printf("cpu_ms %.1f wall_ms %.1f\n", cpu_ms() - cpu, wall_ms() - wall);
	return status == 0 ? 0 : 1;
}

int
main(int argc, char *argv[])
{
	struct bench b;
	struct rlimit files;
	double cpu, wall;
	long kib;
	int rounds = 1, i;

	memset(&b, 0, sizeof(b));
	signal(SIGPIPE, SIG_IGN);
	if (argc > 2 && strcmp(argv[1], "run") == 0)
		return run_command(argv + 2);
	if (argc < 4) {
		fprintf(stderr, "usage: sshbench cold|alias|mem FARM N | warm FARM N ROUNDS |"
		    " run COMMAND...\n");
		return 1;
	}
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	load(&b, argv[2], atoi(argv[3]));
	b.alias = strcmp(argv[1], "alias") == 0;
	kib = pss_kib();
	cpu = cpu_ms();
	wall = wall_ms();
	turn(&b);
	if (strcmp(argv[1], "warm") == 0) {
		rounds = argc > 4 ? atoi(argv[4]) : 5;
		cpu = cpu_ms();
		wall = wall_ms();
		for (i = 0; i < rounds; i++)
			turn(&b);
	}
	printf("cpu_ms %.1f wall_ms %.1f kib %ld\n", cpu_ms() - cpu, wall_ms() - wall, pss_kib() - kib);
	return b.failed == 0 ? 0 : 1;
}
