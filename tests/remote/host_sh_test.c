/*
 * What host.sh promises, in each shell that is here: dash, bash, busybox.
 *
 * The program is run as a session would run it, with its request on stdin.
 * For the kills see killer.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/evp.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/mem.h"
#include "core/text.h"
#include "remote/hostproto.h"
#include "host_sh.h"
#include "killer.h"

#define NONCE "5f0e1d2c3b4a5968"
#define DEADLINE_MS 60000

extern char **environ;

static char base[256];		/* a directory of this run */
static char target_dir[300], target[600], state_dir[300];
static char self[512];

static const struct shell {
	const char *name, *path, *arg;
} shells[] = {
	{ "dash", "/bin/dash", NULL },
	{ "bash", "/bin/bash", NULL },
	{ "busybox", "/bin/busybox", "sh" },
};
#define NSHELLS (sizeof(shells) / sizeof(shells[0]))

static bool
have(const struct shell *sh)
{
	return access(sh->path, X_OK) == 0;
}

/* ------------------------------------------------------------------ running it */

struct request {
	struct buf headers, payload;
	const char *cut_at;		/* NULL: the whole request is sent */
};

static void
request_init(struct request *q)
{
	memset(q, 0, sizeof(*q));
}

static void
header(struct request *q, const char *name, const char *value)
{
	struct err e;

	assert_int_equal(host_header(&q->headers, name, value, &e), 0);
}

static void
request_release(struct request *q)
{
	buf_release(&q->headers);
	buf_release(&q->payload);
}

struct kill_at {
	int	 at;			/* 0: not at all */
	const char *when;
};

/* The file names that must be there for the killer. */
static char killer_path[300], count_path[300];
static const char *only_path;	/* PATH for the program, or NULL: ours */

static void
exec_shell(const struct shell *sh, const char *verb, const char *op)
{
	const char *argv[12];
	size_t n = 0;

	argv[n++] = sh->arg != NULL ? sh->arg : sh->name;
	argv[n++] = "-c";
	argv[n++] = host_sh;
	argv[n++] = "belay-host";
	argv[n++] = verb;
	argv[n++] = NONCE;
	if (op != NULL)
		argv[n++] = op;
	argv[n] = NULL;
	if (sh->arg != NULL) {
		memmove(argv + 1, argv, (n + 1) * sizeof(*argv));
		argv[0] = "busybox";
	}
	(void)execv(sh->path, (char *const *)(uintptr_t)argv);
	_exit(127);
}

/*
 * One call; 0 with the answer, or -1 where there is none (killed).  Noise
 * stands before the marker, as a sudo that left its password unread would
 * have it.
 */
static int
call(const struct shell *sh, const char *verb, const char *op, const struct request *q,
    const struct kill_at *k, struct host_answer *ret)
{
	struct buf in, out;
	struct pollfd fds[2];
	struct err e;
	int to[2], from[2], status, result;
	char bytes[65536], number[32];
	size_t sent = 0;
	ssize_t n;
	pid_t pid;

	buf_init(&in, 0);
	buf_init(&out, HOST_ANSWER_MAX);
	(void)buf_puts(&in, "left over; $(touch /tmp/never) `x` '\"\n\n");
	host_begin(&in, NONCE);
	(void)buf_put(&in, buf_str(&q->headers), q->headers.len);
	host_header(&in, "state", state_dir, &e);
	host_headers_end(&in);
	(void)buf_put(&in, buf_str(&q->payload), q->payload.len);
	if (q->cut_at != NULL)
		in.len = (size_t)(strstr(buf_str(&in), q->cut_at) - buf_str(&in));
	assert_int_equal(pipe(to), 0);
	assert_int_equal(pipe(from), 0);
	if ((pid = fork()) == 0) {
		(void)setsid();
		(void)dup2(to[0], STDIN_FILENO);
		(void)dup2(from[1], STDOUT_FILENO);
		(void)close(to[0]);
		(void)close(to[1]);
		(void)close(from[0]);
		(void)close(from[1]);
		(void)dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
		(void)umask(022);
		if (only_path != NULL)
			(void)setenv("PATH", only_path, 1);
		if (k != NULL && k->at != 0) {
			(void)snprintf(number, sizeof(number), "%d", k->at);
			(void)setenv("BELAY_TEST_KILL_AT", number, 1);
			(void)setenv("BELAY_TEST_WHEN", k->when, 1);
			(void)setenv("BELAY_TEST_COUNT", count_path, 1);
			(void)setenv("PATH", killer_path, 1);
		}
		exec_shell(sh, verb, op);
	}
	(void)close(to[0]);
	(void)close(from[1]);
	(void)fcntl(to[1], F_SETFL, O_NONBLOCK);
	(void)buf_puts(&out, "motd: welcome\r\n\033[31m");
	for (;;) {
		fds[0] = (struct pollfd){ from[0], POLLIN, 0 };
		fds[1] = (struct pollfd){ to[1], POLLOUT, 0 };
		result = poll(fds, to[1] < 0 ? 1 : 2, DEADLINE_MS);
		assert_true(result > 0);
		if (to[1] >= 0 && fds[1].revents != 0) {
			n = write(to[1], in.data + sent, in.len - sent);
			if (n > 0)
				sent += (size_t)n;
			if (sent == in.len || (n < 0 && errno != EAGAIN)) {
				(void)close(to[1]);
				to[1] = -1;
			}
		}
		if (fds[0].revents != 0) {
			if ((n = read(from[0], bytes, sizeof(bytes))) <= 0)
				break;
			(void)buf_put(&out, bytes, (size_t)n);
		}
	}
	if (to[1] >= 0)
		(void)close(to[1]);
	(void)close(from[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	(void)buf_puts(&out, "\nlogout\n");
	result = host_answer_parse(ret, NONCE, out.data, out.len, &e);
	buf_release(&in);
	buf_release(&out);
	return result;
}

static void
sha256(const void *p, size_t len, char ret[65])
{
	unsigned char md[32];
	struct buf hex;
	unsigned n = 0;

	assert_int_equal(EVP_Digest(p, len, md, &n, EVP_sha256(), NULL), 1);
	buf_init(&hex, 0);
	text_hex(&hex, md, n);
	memcpy(ret, buf_str(&hex), 65);
	buf_release(&hex);
}

/* ------------------------------------------------------------------ files */

static void
write_path(const char *path, const void *p, size_t len, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, p, len), len);
	assert_int_equal(fchmod(fd, mode), 0);
	(void)close(fd);
}

static void
read_path(const char *path, struct buf *out)
{
	char bytes[65536];
	ssize_t n;
	int fd = open(path, O_RDONLY);

	assert_true(fd >= 0);
	while ((n = read(fd, bytes, sizeof(bytes))) > 0)
		(void)buf_put(out, bytes, (size_t)n);
	(void)close(fd);
}

/* Name, mode, owner, links and content of everything below, as one text. */
static void
snapshot(const char *dir, struct buf *out)
{
	struct dirent **names;
	struct stat st;
	char path[1024];
	int i, n = scandir(dir, &names, NULL, alphasort);

	assert_true(n >= 0);
	for (i = 0; i < n; i++) {
		if (strcmp(names[i]->d_name, ".") != 0 && strcmp(names[i]->d_name, "..") != 0) {
			(void)snprintf(path, sizeof(path), "%s/%s", dir, names[i]->d_name);
			assert_int_equal(lstat(path, &st), 0);
			(void)buf_printf(out, "%s %o %u %u %lu\n", path, st.st_mode,
			    st.st_uid, st.st_gid, (unsigned long)st.st_nlink);
			if (S_ISREG(st.st_mode))
				read_path(path, out);
			else if (S_ISDIR(st.st_mode))
				snapshot(path, out);
		}
		free(names[i]);
	}
	free(names);
}

static void
remove_tree(const char *dir)
{
	struct dirent **names;
	struct stat st;
	char path[1024];
	int i, n = scandir(dir, &names, NULL, alphasort);

	for (i = 0; i < n; i++) {
		if (strcmp(names[i]->d_name, ".") != 0 && strcmp(names[i]->d_name, "..") != 0) {
			(void)snprintf(path, sizeof(path), "%s/%s", dir, names[i]->d_name);
			if (lstat(path, &st) == 0 && S_ISDIR(st.st_mode))
				remove_tree(path);
			else
				(void)unlink(path);
		}
		free(names[i]);
	}
	if (n >= 0)
		free(names);
	(void)rmdir(dir);
}

/* A target directory and a state directory, both new. */
static void
fresh(const char *name)
{
	only_path = NULL;
	remove_tree(target_dir);
	remove_tree(state_dir);
	(void)unlink(count_path);
	assert_int_equal(mkdir(target_dir, 0755), 0);
	(void)snprintf(target, sizeof(target), "%s/%s", target_dir, name);
}

static void
assert_file(const char *path, const void *p, size_t len)
{
	struct buf b;

	buf_init(&b, 0);
	read_path(path, &b);
	assert_int_equal(b.len, len);
	assert_memory_equal(buf_str(&b), p, len);
	buf_release(&b);
}

/* ------------------------------------------------------------------ the verbs */

struct put {
	const char *op, *path, *expect, *mode, *owner, *token;
	const char *content;		/* NULL: remove */
	size_t	 len;
	bool	 in_place;
};

static int
put(const struct shell *sh, const struct put *p, const struct kill_at *k, struct host_answer *a)
{
	struct request q;
	char after[65] = "-";
	int r;

	request_init(&q);
	header(&q, "path", p->path);
	header(&q, "kind", "file");
	header(&q, "expect", p->expect);
	if (p->content != NULL) {
		sha256(p->content, p->len, after);
		(void)buf_put(&q.payload, p->content, p->len);
	}
	header(&q, "after", after);
	header(&q, "mode", p->mode);
	header(&q, "owner", p->owner);
	header(&q, "token", p->token == NULL ? "7" : p->token);
	header(&q, "in-place", p->in_place ? "1" : "0");
	header(&q, "who", "ops@bastion");
	header(&q, "when", "2026-01-01T00:00:00Z");
	r = call(sh, "put", p->op, &q, k, a);
	request_release(&q);
	return r;
}

static int
restore(const struct shell *sh, const char *op, const char *expect, const struct kill_at *k,
    struct host_answer *a)
{
	struct request q;
	int r;

	request_init(&q);
	header(&q, "expect", expect);
	header(&q, "token", "7");
	r = call(sh, "restore", op, &q, k, a);
	request_release(&q);
	return r;
}

static void
assert_outcome(struct host_answer *a, int called, const char *want)
{
	assert_int_equal(called, 0);
	assert_string_equal(host_outcome(a), want);
	host_answer_release(a);
}

static void
put_ok(const struct shell *sh, const struct put *p, const char *want)
{
	struct host_answer a;

	assert_outcome(&a, put(sh, p, NULL, &a), want);
}

static void
restore_ok(const struct shell *sh, const char *op, const char *expect, const char *want)
{
	struct host_answer a;

	assert_outcome(&a, restore(sh, op, expect, NULL, &a), want);
}

static void
sha_now(char ret[65])
{
	struct buf b;

	if (access(target, F_OK) != 0) {
		(void)strcpy(ret, "-");
		return;
	}
	buf_init(&b, 0);
	read_path(target, &b);
	sha256(b.data, b.len, ret);
	buf_release(&b);
}

/* As each test is run for every shell. */
static const struct shell *
shell_of(void **state)
{
	const struct shell *sh = *state;

	if (!have(sh)) {
		print_message("no %s here\n", sh->path);
		skip();
	}
	return sh;
}

#define BEFORE "A=1\nB=two\n# end\n"
#define AFTER "A=1\nB=three and more\n# end\nC=4\n"

static void
a_put_writes_and_its_undo_brings_every_byte_back(void **state)
{
	const struct shell *sh = shell_of(state);
	struct buf was, is;
	char before[65], after[65];
	struct put p = { .op = "run1/step-1/1", .path = target, .expect = before,
	    .content = AFTER, .len = strlen(AFTER) };
	struct stat st;

	buf_init(&was, 0);
	buf_init(&is, 0);
	fresh(".env");
	write_path(target, BEFORE, strlen(BEFORE), 0640);
	sha256(BEFORE, strlen(BEFORE), before);
	sha256(AFTER, strlen(AFTER), after);
	snapshot(target_dir, &was);
	put_ok(sh, &p, "applied");
	assert_file(target, AFTER, strlen(AFTER));
	assert_int_equal(stat(target, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	/* Twice is once. */
	put_ok(sh, &p, "again");
	restore_ok(sh, p.op, after, "undone");
	snapshot(target_dir, &is);
	assert_string_equal(buf_str(&is), buf_str(&was));
	restore_ok(sh, p.op, before, "again");
	/* And it may be applied anew, under the same name. */
	put_ok(sh, &p, "applied");
	restore_ok(sh, p.op, after, "undone");
	buf_clear(&is);
	snapshot(target_dir, &is);
	assert_string_equal(buf_str(&is), buf_str(&was));
	buf_release(&was);
	buf_release(&is);
}

static void
what_is_not_expected_is_not_written_over(void **state)
{
	const struct shell *sh = shell_of(state);
	char before[65], after[65], other[65], want[128];
	struct put p = { .op = "run1/step-1/1", .path = target, .expect = before,
	    .content = AFTER, .len = strlen(AFTER) };

	fresh("f");
	sha256(BEFORE, strlen(BEFORE), before);
	sha256(AFTER, strlen(AFTER), after);
	sha256("other", 5, other);
	write_path(target, "other", 5, 0644);
	(void)snprintf(want, sizeof(want), "drift %s", other);
	put_ok(sh, &p, want);
	assert_file(target, "other", 5);
	(void)unlink(target);
	put_ok(sh, &p, "drift -");
	assert_int_equal(access(target, F_OK), -1);
	/* And on the way back. */
	write_path(target, BEFORE, strlen(BEFORE), 0644);
	put_ok(sh, &p, "applied");
	write_path(target, "other", 5, 0644);
	restore_ok(sh, p.op, after, want);
	assert_file(target, "other", 5);
	(void)unlink(target);
	restore_ok(sh, p.op, after, "drift -");
	assert_int_equal(access(target, F_OK), -1);
}

static void
lease(const struct shell *sh, const char *phase, const char *holder, const char *ttl, const char *token,
    const char *take, const char *want)
{
	struct host_answer a;
	struct request q;

	request_init(&q);
	header(&q, "phase", phase);
	header(&q, "holder", holder);
	header(&q, "ttl", ttl);
	header(&q, "token", token);
	header(&q, "who", holder[0] == 'k' ? "kim@other" : "ops@bastion");
	header(&q, "doing", "step flip");
	if (take != NULL)
		header(&q, "always", take);
	assert_outcome(&a, call(sh, "lease", NULL, &q, NULL, &a), want);
	request_release(&q);
}

static void
one_holder_at_a_time_has_the_lease(void **state)
{
	const struct shell *sh = shell_of(state);

	fresh("f");
	lease(sh, "look", "o1", "60", "0", NULL, "free");
	lease(sh, "take", "o1", "60", "0", NULL, "leased 1");
	lease(sh, "take", "o1", "60", "0", NULL, "leased 1");	/* renewed */
	lease(sh, "look", "o1", "60", "0", NULL, "leased 1");
	lease(sh, "free", "k1", "60", "1", NULL, "free");	/* nobody gives away what is not theirs */
	lease(sh, "look", "o1", "60", "0", NULL, "leased 1");
	lease(sh, "free", "o1", "60", "1", NULL, "free");
	lease(sh, "take", "k1", "60", "0", NULL, "leased 2");
	/* By name it is taken over; who had it writes no more, not even by taking it again. */
	lease(sh, "take", "o1", "60", "1", "1", "leased 3");
	lease(sh, "free", "k1", "60", "2", NULL, "free");
	lease(sh, "look", "o1", "60", "0", NULL, "leased 3");
}

static void
a_lease_that_is_not_up_is_not_displaced(void **state)
{
	const struct shell *sh = shell_of(state);
	struct host_answer a;
	struct request q;
	const char *left;

	fresh("f");
	lease(sh, "take", "k1", "60", "0", NULL, "leased 1");
	request_init(&q);
	header(&q, "phase", "take");
	header(&q, "holder", "o1");
	header(&q, "ttl", "60");
	header(&q, "token", "0");
	assert_true(call(sh, "lease", NULL, &q, NULL, &a) == 0);
	request_release(&q);
	assert_true(host_outcome_is(&a, "held", &left));
	assert_non_null(strstr(left, " kim@other step flip"));
	assert_in_range(strtol(left, NULL, 10), 1, 60);
	host_answer_release(&a);
	/* One whose time is up is: it is nobody's any more. */
	lease(sh, "take", "k1", "0", "0", NULL, "leased 1");
	lease(sh, "look", "o1", "60", "0", NULL, "free");
	lease(sh, "take", "o1", "60", "0", NULL, "leased 2");
}

static void
an_older_token_writes_nothing(void **state)
{
	const struct shell *sh = shell_of(state);
	char before[65];
	struct put p = { .op = "run1/step-1/1", .path = target, .expect = before,
	    .content = AFTER, .len = strlen(AFTER), .token = "1" };

	fresh("f");
	write_path(target, BEFORE, strlen(BEFORE), 0644);
	sha256(BEFORE, strlen(BEFORE), before);
	lease(sh, "take", "o1", "60", "0", NULL, "leased 1");
	lease(sh, "take", "k1", "60", "0", "1", "leased 2");
	put_ok(sh, &p, "fenced 2 kim@other");
	assert_file(target, BEFORE, strlen(BEFORE));
	p.token = "9999999999999";
	put_ok(sh, &p, "applied");
	p.token = "2";
	p.op = "run1/step-1/2";
	put_ok(sh, &p, "fenced 9999999999999 ops@bastion");
}

static void
links_are_written_in_place_and_stay_links(void **state)
{
	const struct shell *sh = shell_of(state);
	char before[65], after[65], real[700];
	struct put p = { .op = "run1/step-1/1", .path = target, .expect = before,
	    .content = AFTER, .len = strlen(AFTER) };
	struct stat a, b;

	sha256(BEFORE, strlen(BEFORE), before);
	sha256(AFTER, strlen(AFTER), after);
	/* symbolic */
	fresh("f");
	(void)snprintf(real, sizeof(real), "%s/real", target_dir);
	write_path(real, BEFORE, strlen(BEFORE), 0640);
	assert_int_equal(symlink("real", target), 0);
	put_ok(sh, &p, "applied");
	assert_file(real, AFTER, strlen(AFTER));
	assert_int_equal(lstat(target, &a), 0);
	assert_true(S_ISLNK(a.st_mode));
	restore_ok(sh, p.op, after, "undone");
	assert_file(real, BEFORE, strlen(BEFORE));
	/* hard */
	fresh("f");
	write_path(real, BEFORE, strlen(BEFORE), 0640);
	assert_int_equal(link(real, target), 0);
	put_ok(sh, &p, "applied");
	assert_file(real, AFTER, strlen(AFTER));
	assert_int_equal(stat(target, &a), 0);
	assert_int_equal(stat(real, &b), 0);
	assert_int_equal(a.st_ino, b.st_ino);
	restore_ok(sh, p.op, after, "undone");
	assert_file(real, BEFORE, strlen(BEFORE));
	/* asked for, as for a file that is mounted into a container */
	fresh("f");
	write_path(target, BEFORE, strlen(BEFORE), 0640);
	assert_int_equal(stat(target, &a), 0);
	p.in_place = true;
	put_ok(sh, &p, "applied");
	restore_ok(sh, p.op, after, "undone");
	assert_int_equal(stat(target, &b), 0);
	assert_int_equal(a.st_ino, b.st_ino);
	assert_file(target, BEFORE, strlen(BEFORE));
	/* and a link to nothing is no file to write */
	fresh("f");
	assert_int_equal(symlink("nothing", target), 0);
	p.expect = "-";
	{
		struct host_answer answer;

		assert_int_equal(put(sh, &p, NULL, &answer), 0);
		assert_true(host_outcome_is(&answer, "fail", NULL));
		host_answer_release(&answer);
	}
}

static void
a_new_file_has_its_mode_and_goes_with_its_directories(void **state)
{
	const struct shell *sh = shell_of(state);
	struct buf was, is;
	char after[65], path[700];
	struct put p = { .op = "run1/step-1/1", .path = path, .expect = "-", .mode = "644",
	    .content = AFTER, .len = strlen(AFTER) };
	struct stat st;

	buf_init(&was, 0);
	buf_init(&is, 0);
	fresh("f");
	sha256(AFTER, strlen(AFTER), after);
	(void)snprintf(path, sizeof(path), "%s/etc/ssl/internal/ca.crt", target_dir);
	snapshot(target_dir, &was);
	put_ok(sh, &p, "applied");
	assert_file(path, AFTER, strlen(AFTER));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	restore_ok(sh, p.op, after, "undone");
	snapshot(target_dir, &is);
	assert_string_equal(buf_str(&is), buf_str(&was));
	/* Nothing said: only ours. */
	p.mode = NULL;
	p.op = "run1/step-1/2";
	put_ok(sh, &p, "applied");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	buf_release(&was);
	buf_release(&is);
}

static void
mode_and_owner_go_back_unless_somebody_changed_them_since(void **state)
{
	const struct shell *sh = shell_of(state);
	char before[65], after[65];
	struct put p = { .op = "run1/step-1/1", .path = target, .expect = before, .mode = "600",
	    .owner = geteuid() == 0 ? "70:70" : NULL, .content = AFTER, .len = strlen(AFTER) };
	struct stat st;

	sha256(BEFORE, strlen(BEFORE), before);
	sha256(AFTER, strlen(AFTER), after);
	fresh("f");
	write_path(target, BEFORE, strlen(BEFORE), 0644);
	put_ok(sh, &p, "applied");
	assert_int_equal(stat(target, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	if (geteuid() == 0)
		assert_int_equal(st.st_uid, 70);
	restore_ok(sh, p.op, after, "undone");
	assert_int_equal(stat(target, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	assert_int_equal(st.st_uid, geteuid());

	put_ok(sh, &p, "applied");
	assert_int_equal(chmod(target, 0660), 0);
	restore_ok(sh, p.op, after, "undone");
	assert_int_equal(stat(target, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	assert_int_equal(st.st_uid, geteuid());
	assert_file(target, BEFORE, strlen(BEFORE));
}

static void
a_removed_file_comes_back(void **state)
{
	const struct shell *sh = shell_of(state);
	struct buf was, is;
	char before[65];
	struct put p = { .op = "run1/step-1/1", .path = target, .expect = before };

	buf_init(&was, 0);
	buf_init(&is, 0);
	fresh("f");
	write_path(target, BEFORE, strlen(BEFORE), 0640);
	sha256(BEFORE, strlen(BEFORE), before);
	snapshot(target_dir, &was);
	put_ok(sh, &p, "applied");
	assert_int_equal(access(target, F_OK), -1);
	restore_ok(sh, p.op, "-", "undone");
	snapshot(target_dir, &is);
	assert_string_equal(buf_str(&is), buf_str(&was));
	buf_release(&was);
	buf_release(&is);
}

static void
a_request_that_is_cut_short_writes_nothing(void **state)
{
	const struct shell *sh = shell_of(state);
	static const char *const cuts[] = { "belay-payload", "path", "expect", "three", "C=4" };
	struct host_answer a;
	struct request q;
	struct buf was, is;
	char before[65], after[65];
	size_t i;

	buf_init(&was, 0);
	fresh("f");
	write_path(target, BEFORE, strlen(BEFORE), 0640);
	sha256(BEFORE, strlen(BEFORE), before);
	sha256(AFTER, strlen(AFTER), after);
	snapshot(target_dir, &was);
	for (i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
		request_init(&q);
		header(&q, "path", target);
		header(&q, "expect", before);
		header(&q, "after", after);
		(void)buf_put(&q.payload, AFTER, strlen(AFTER));
		q.cut_at = cuts[i];
		assert_int_equal(call(sh, "put", "run1/s/1", &q, NULL, &a), 0);
		assert_true(host_outcome_is(&a, "fail", NULL));
		host_answer_release(&a);
		request_release(&q);
		buf_init(&is, 0);
		snapshot(target_dir, &is);
		assert_string_equal(buf_str(&is), buf_str(&was));
		buf_release(&is);
	}
	buf_release(&was);
}

static void
reading_tells_content_mode_and_owner_and_what_cannot_be_read(void **state)
{
	const struct shell *sh = shell_of(state);
	struct host_answer a;
	struct request q;
	const struct host_item *item;
	char path[700], bytes[1000], want[64];
	size_t i;

	fresh("f");
	for (i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)(i * 7);
	write_path(target, bytes, sizeof(bytes), 0604);
	request_init(&q);
	header(&q, "path", target);
	(void)snprintf(path, sizeof(path), "%s/none", target_dir);
	header(&q, "path", path);
	header(&q, "path", target_dir);
	(void)snprintf(path, sizeof(path), "%s/none/under/f", target_dir);
	header(&q, "path", path);
	(void)snprintf(path, sizeof(path), "%s/under", target);
	header(&q, "path", path);
	header(&q, "path", "relative");
	(void)snprintf(path, sizeof(path), "%s/empty", target_dir);
	write_path(path, "", 0, 0600);
	header(&q, "path", path);
	assert_int_equal(call(sh, "read", NULL, &q, NULL, &a), 0);
	assert_string_equal(host_outcome(&a), "ok");
	item = host_item(&a, "file", 0);
	assert_non_null(item);
	(void)snprintf(want, sizeof(want), "0 604 %u %u 1 ", geteuid(), getegid());
	assert_int_equal(strncmp(item->rest, want, strlen(want)), 0);
	assert_int_equal(item->len, sizeof(bytes));
	assert_memory_equal(item->data, bytes, sizeof(bytes));
	assert_string_equal(host_item(&a, "absent", 0)->rest, "1");
	assert_string_equal(host_item(&a, "error", 0)->rest, "2 not a regular file");
	assert_string_equal(host_item(&a, "absent", 1)->rest, "3");
	assert_int_equal(strncmp(host_item(&a, "error", 1)->rest, "4 ", 2), 0);
	assert_int_equal(strncmp(host_item(&a, "error", 2)->rest, "5 ", 2), 0);
	assert_int_equal(host_item(&a, "file", 1)->len, 0);
	assert_int_equal(a.nitems, 8);
	host_answer_release(&a);
	request_release(&q);
	/* A look changes nothing, not even its own directory. */
	assert_int_equal(access(state_dir, F_OK), -1);
}

static void
hostile_names_and_contents_are_only_names_and_contents(void **state)
{
	const struct shell *sh = shell_of(state);
	static const char *const names[] = {
		" ", "-rf", "--help", "$(touch pwned)", "`touch pwned`", "a;touch pwned", "*", "?", "[a]",
		"'", "\"", "a'b\"c", "\\", "\\n", "a b  c", "~", "~root", "#x", "!x", "%s%n", "-n", "-e x",
		"a\tb", "\x01\x1b[31m", "\xff\xfe", "\xe2\x80\xae.txt", "path x", "", "{a,b}", "&", "|", "<x", ">x"
	};
	struct host_answer a;
	char before[65], after[65], path[700], op[64];
	struct put p = { .op = op, .path = path, .expect = before };
	struct buf content, was, is;
	size_t i, j;

	srand(3);
	buf_init(&content, 0);
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		fresh("x");
		buf_init(&was, 0);
		buf_init(&is, 0);
		(void)snprintf(path, sizeof(path), "%s/%s", target_dir, names[i]);
		(void)snprintf(op, sizeof(op), "run1/hostile/%zu", i);
		if (names[i][0] == '\0') {
			p.expect = "-";
			p.content = "x";
			p.len = 1;
			assert_int_equal(put(sh, &p, NULL, &a), 0);
			assert_true(host_outcome_is(&a, "fail", NULL));
			host_answer_release(&a);
			p.expect = before;
			continue;
		}
		write_path(path, names[i], strlen(names[i]), 0644);
		sha256(names[i], strlen(names[i]), before);
		buf_clear(&content);
		(void)buf_puts(&content, names[i]);
		for (j = 0; j < 200; j++)
			(void)buf_putc(&content, (char)rand());
		(void)buf_printf(&content, "\nbelay-payload %s\n\n%s end applied\n", NONCE, NONCE);
		p.content = buf_str(&content);
		p.len = content.len;
		sha256(p.content, p.len, after);
		snapshot(target_dir, &was);
		put_ok(sh, &p, "applied");
		assert_file(path, p.content, p.len);
		restore_ok(sh, op, after, "undone");
		snapshot(target_dir, &is);
		assert_string_equal(buf_str(&is), buf_str(&was));
		buf_release(&was);
		buf_release(&is);
	}
	buf_release(&content);
}

static void
ids_that_would_leave_the_records_are_refused(void **state)
{
	const struct shell *sh = shell_of(state);
	static const char *const ids[] = {
		"a/b", "a/b/c/d", "../b/c", "a/../c", "/a/b", "a//c", "a/b/", "a/b/c;d", "a/b/$(x)",
		".a/b/c", "a/.b/c", "a b/c/d"
	};
	struct put p = { .path = target, .expect = "-", .content = "x", .len = 1 };
	struct host_answer a;
	size_t i;

	fresh("f");
	for (i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		p.op = ids[i];
		assert_int_equal(put(sh, &p, NULL, &a), 0);
		assert_true(host_outcome_is(&a, "fail", NULL));
		host_answer_release(&a);
	}
	assert_int_equal(access(target, F_OK), -1);
}

static int
run(const struct shell *sh, const char *op, const char *phase, const char *command,
    const char *live, const struct kill_at *k, struct host_answer *a)
{
	struct request q;
	int r;

	request_init(&q);
	header(&q, "phase", phase);
	header(&q, "in", target_dir);
	header(&q, "token", "7");
	header(&q, "live", live);
	(void)buf_puts(&q.payload, command);
	r = call(sh, "run", op, &q, k, a);
	request_release(&q);
	return r;
}

static void
a_command_runs_once_and_says_how_it_ended(void **state)
{
	const struct shell *sh = shell_of(state);
	struct host_answer a;
	char want[700];

	fresh("ran");
	assert_int_equal(run(sh, "r/s/1", "do", "echo $PWD; echo once >>ran; umask; echo \"${LC_ALL-unset}\" >&2",
	    NULL, NULL, &a), 0);
	assert_string_equal(host_outcome(&a), "exit 0");
	(void)snprintf(want, sizeof(want), "%s\n0022\n%s\n", target_dir,
	    getenv("LC_ALL") == NULL ? "unset" : getenv("LC_ALL"));
	/* busybox prints no leading zero of a umask that dash and bash do */
	assert_true(strcmp(host_item(&a, "out", 0)->data, want) == 0 ||
	    strstr(host_item(&a, "out", 0)->data, "\n022\n") != NULL);
	host_answer_release(&a);
	assert_outcome(&a, run(sh, "r/s/1", "do", "echo once >>ran", NULL, NULL, &a), "again");
	assert_file(target, "once\n", 5);
	/* A failure may be tried again. */
	assert_outcome(&a, run(sh, "r/s/2", "do", "echo no; exit 3", NULL, NULL, &a), "exit 3");
	assert_outcome(&a, run(sh, "r/s/2", "do", "exit 0", NULL, NULL, &a), "exit 0");
	/* Undo runs once, too; and with nothing done there is nothing to undo. */
	assert_outcome(&a, run(sh, "r/s/1", "undo", "echo back >>ran", NULL, NULL, &a), "exit 0");
	assert_outcome(&a, run(sh, "r/s/1", "undo", "echo back >>ran", NULL, NULL, &a), "again");
	assert_outcome(&a, run(sh, "r/s/9", "undo", "echo never >>ran", NULL, NULL, &a), "none");
	assert_file(target, "once\nback\n", 10);
	/* After that it may be done again. */
	assert_outcome(&a, run(sh, "r/s/1", "do", "echo more >>ran", NULL, NULL, &a), "exit 0");
	assert_file(target, "once\nback\nmore\n", 15);
}

static void
output_comes_while_the_command_runs_and_is_capped_at_the_end(void **state)
{
	const struct shell *sh = shell_of(state);
	struct host_answer a;

	fresh("f");
	assert_int_equal(run(sh, "r/s/1", "do", "head -c 200000 /dev/zero | tr '\\0' x; echo END", "20",
	    NULL, &a), 0);
	assert_string_equal(host_outcome(&a), "exit 0");
	assert_non_null(host_item(&a, "live", 0));
	assert_int_equal(host_item(&a, "out", 0)->len, 60000);
	assert_string_equal(host_item(&a, "out", 0)->data + 60000 - 4, "END\n");
	host_answer_release(&a);
	/* A daemon that keeps the output open does not keep us. */
	assert_outcome(&a, run(sh, "r/s/2", "do", "sleep 30 & echo $! >pid", "20", NULL, &a), "exit 0");
	{
		char path[700];
		struct buf b;

		buf_init(&b, 0);
		(void)snprintf(path, sizeof(path), "%s/pid", target_dir);
		read_path(path, &b);
		assert_int_equal(kill((pid_t)strtol(buf_str(&b), NULL, 10), SIGTERM), 0);
		buf_release(&b);
	}
}

static void
a_command_that_was_cut_is_not_run_again_by_itself(void **state)
{
	const struct shell *sh = shell_of(state);
	struct host_answer a;
	struct request q;

	/* The command kills its own group, and with it whoever would have noted its end. */
	fresh("ran");
	assert_int_equal(run(sh, "r/s/1", "do", "echo x >>ran; kill -9 0", NULL, NULL, &a), -1);
	request_init(&q);
	assert_int_equal(call(sh, "look", "r/s/1", &q, NULL, &a), 0);
	assert_string_equal(host_item(&a, "record", 0)->rest, "started");
	assert_null(host_item(&a, "running", 0));
	host_answer_release(&a);
	request_release(&q);
	assert_outcome(&a, run(sh, "r/s/1", "do", "echo x >>ran", NULL, NULL, &a), "cut");
	assert_file(target, "x\n", 2);
	/* Said to be idempotent, it is. */
	request_init(&q);
	header(&q, "phase", "do");
	header(&q, "in", target_dir);
	header(&q, "token", "7");
	header(&q, "idempotent", "1");
	(void)buf_puts(&q.payload, "echo y >>ran");
	assert_outcome(&a, call(sh, "run", "r/s/1", &q, NULL, &a), "exit 0");
	request_release(&q);
	assert_file(target, "x\ny\n", 4);
}

/* ------------------------------------------------------------------ kills */

struct sweep {
	const char *name;
	bool in_place, absent, removes;
};

/*
 * put, killed at every step-th external command, before, after or half-way; then
 * either undone at once, or put again and undone.  Then restore, killed in the
 * same way, and done again.
 */
static size_t
sweep(const struct shell *sh, const struct sweep *w, bool kill_restore, bool again, const char *when,
    int step)
{
	struct kill_at k = { 0, when };
	struct host_answer a;
	struct buf was, is;
	char before[65], after[65] = "-", now[65], path[700];
	struct put p = { .op = "run1/step-1/1", .path = path, .expect = before, .mode = "640",
	    .content = w->removes ? NULL : AFTER, .len = strlen(AFTER), .in_place = w->in_place };
	size_t fired = 0;
	int r, tries;

	for (k.at = 1 + (int)w->in_place % step;; k.at += step) {
		fresh(w->absent ? "new/dir/f" : "f");
		(void)strcpy(path, target);
		(void)strcpy(before, "-");
		if (!w->absent) {
			write_path(target, BEFORE, strlen(BEFORE), 0600);
			sha256(BEFORE, strlen(BEFORE), before);
		}
		if (!w->removes)
			sha256(AFTER, strlen(AFTER), after);
		buf_init(&was, 0);
		buf_init(&is, 0);
		snapshot(target_dir, &was);
		r = put(sh, &p, kill_restore ? NULL : &k, &a);
		if (r == 0)
			host_answer_release(&a);
		else
			fired++;
		if (kill_restore) {
			r = restore(sh, p.op, after, &k, &a);
			if (r == 0)
				host_answer_release(&a);
			else
				fired++;
		}
		sha_now(now);
		if (!w->in_place)
			assert_true(strcmp(now, before) == 0 || strcmp(now, after) == 0);
		if (again && !kill_restore && r != 0) {
			/* The caller expects what it previewed; the host knows better. */
			assert_int_equal(put(sh, &p, NULL, &a), 0);
			assert_true(host_outcome_is(&a, "applied", NULL) ||
			    host_outcome_is(&a, "again", NULL));
			host_answer_release(&a);
			if (!w->removes) {
				assert_file(target, AFTER, strlen(AFTER));
			} else
				assert_int_equal(access(target, F_OK), -1);
		}
		for (tries = 0; tries < 3; tries++) {
			sha_now(now);
			assert_int_equal(restore(sh, p.op, now, NULL, &a), 0);
			assert_true(host_outcome_is(&a, "undone", NULL) ||
			    host_outcome_is(&a, "again", NULL) || host_outcome_is(&a, "none", NULL));
			host_answer_release(&a);
		}
		snapshot(target_dir, &is);
		if (strcmp(buf_str(&is), buf_str(&was)) != 0)
			print_error("%s, killed %s command %d of %s%s\n", w->name, when, k.at,
			    kill_restore ? "restore" : "put", again ? ", put again" : "");
		assert_string_equal(buf_str(&is), buf_str(&was));
		buf_release(&was);
		buf_release(&is);
		if (r == 0)
			return fired;
	}
}

static void
killed_at_any_command_it_can_be_undone_to_the_byte(void **state)
{
	const struct shell *sh = shell_of(state);
	static const struct sweep sweeps[] = {
		{ "renamed", false, false, false },
		{ "in place", true, false, false },
		{ "new", false, true, false },
		{ "removed", false, false, true },
	};
	static const char *const whens[] = { "before", "after", "half" };
	size_t i, j, fired = 0, least;
	bool all = getenv("BELAY_TORTURE") != NULL;
	int step = all ? 1 : sh == &shells[0] ? 5 : 11;

	for (i = 0; i < sizeof(sweeps) / sizeof(sweeps[0]); i++)
		for (j = 0; j < sizeof(whens) / sizeof(whens[0]); j++) {
			fired += sweep(sh, &sweeps[i], false, false, whens[j], step);
			fired += sweep(sh, &sweeps[i], false, true, whens[j], step);
			fired += sweep(sh, &sweeps[i], true, false, whens[j], step);
		}
	print_message("%s: %zu kills fired\n", sh->name, fired);
	least = all ? 500 : 40;
	assert_true(fired >= least);
}

/* ------------------------------------------------------------------ the lock */

static void
of_many_at_once_exactly_one_writes(void **state)
{
	const struct shell *sh = shell_of(state);
	enum { MANY = 8 };
	char before[65], op[64], content[64];
	struct put p = { .op = op, .path = target, .expect = before, .content = content };
	struct host_answer a;
	int round, i, status, applied;
	pid_t pids[MANY];

	sha256(BEFORE, strlen(BEFORE), before);
	for (round = 0; round < 2; round++) {
		fresh("f");
		write_path(target, BEFORE, strlen(BEFORE), 0600);
		if (round == 1)
			only_path = killer_path + strlen(killer_path) + 1;	/* without flock */
		for (i = 0; i < MANY; i++)
			if ((pids[i] = fork()) == 0) {
				(void)snprintf(op, sizeof(op), "run%d/step/1", i);
				(void)snprintf(content, sizeof(content), "written by %d\n", i);
				p.len = strlen(content);
				if (put(sh, &p, NULL, &a) != 0)
					_exit(9);
				_exit(host_outcome_is(&a, "applied", NULL) ? 0 :
				    host_outcome_is(&a, "drift", NULL) ? 1 : 2);
			}
		for (i = applied = 0; i < MANY; i++) {
			assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
			assert_true(WIFEXITED(status) && WEXITSTATUS(status) <= 1);
			applied += WEXITSTATUS(status) == 0;
		}
		assert_int_equal(applied, 1);
	}
}

static void
a_lock_left_behind_does_not_lock_for_good(void **state)
{
	const struct shell *sh = shell_of(state);
	char before[65], held[400], number[32];
	struct put p = { .op = "r/s/1", .path = target, .expect = before, .content = AFTER,
	    .len = strlen(AFTER) };
	pid_t pid;
	int status;

	fresh("f");
	write_path(target, BEFORE, strlen(BEFORE), 0600);
	sha256(BEFORE, strlen(BEFORE), before);
	only_path = killer_path + strlen(killer_path) + 1;
	/* A process that is no more holds it. */
	if ((pid = fork()) == 0)
		_exit(0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(mkdir(state_dir, 0700), 0);
	(void)snprintf(held, sizeof(held), "%s/held", state_dir);
	(void)snprintf(number, sizeof(number), "%ld", (long)pid);
	assert_int_equal(symlink(number, held), 0);
	put_ok(sh, &p, "applied");
	assert_int_equal(readlink(held, number, sizeof(number)), -1);
}

static void
a_directory_that_everyone_may_write_to_is_refused(void **state)
{
	const struct shell *sh = shell_of(state);
	char before[65];
	struct put p = { .op = "r/s/1", .path = target, .expect = before, .content = AFTER,
	    .len = strlen(AFTER) };
	struct host_answer a;

	fresh("f");
	write_path(target, BEFORE, strlen(BEFORE), 0600);
	sha256(BEFORE, strlen(BEFORE), before);
	assert_int_equal(chmod(target_dir, 0777), 0);
	assert_int_equal(put(sh, &p, NULL, &a), 0);
	assert_true(host_outcome_is(&a, "fail", NULL));
	host_answer_release(&a);
	assert_file(target, BEFORE, strlen(BEFORE));
	assert_int_equal(chmod(target_dir, 01777), 0);
	put_ok(sh, &p, "applied");
}

/* ------------------------------------------------------------------ once */

static void
records_are_ours_alone(void **state)
{
	char before[65], path[700];
	struct put p = { .op = "r/s/1", .path = target, .expect = before, .content = AFTER,
	    .len = strlen(AFTER) };
	static const char *const files[] = { "before", "after", "meta", "state" };
	struct stat st;
	size_t i;

	(void)state;
	fresh("f");
	write_path(target, BEFORE, strlen(BEFORE), 0644);
	sha256(BEFORE, strlen(BEFORE), before);
	put_ok(&shells[0], &p, "applied");
	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		(void)snprintf(path, sizeof(path), "%s/runs/r/s/1/%s", state_dir, files[i]);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode & 07777, 0600);
	}
	assert_int_equal(stat(state_dir, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	/* A state directory that leads elsewhere is not used. */
	fresh("f");
	write_path(target, BEFORE, strlen(BEFORE), 0644);
	assert_int_equal(symlink("/tmp", state_dir), 0);
	{
		struct host_answer a;

		assert_int_equal(put(&shells[0], &p, NULL, &a), 0);
		assert_true(host_outcome_is(&a, "fail", NULL));
		host_answer_release(&a);
	}
	assert_int_equal(unlink(state_dir), 0);
}

static void
the_program_fits_into_one_request(void **state)
{
	struct buf b;

	(void)state;
	/* libssh2 1.10 sends no packet above 35,000 bytes. */
	buf_init(&b, 0);
	host_command(&b, "restore", NONCE, "run/step/1", NULL, false);
	assert_true(b.len < 33000);
	/* Inside single quotes, and with no backslash that fish would eat. */
	assert_null(strchr(host_sh, '\''));
	assert_null(strstr(host_sh, "\\\\"));
	buf_release(&b);
}

static int
set_up(void **state)
{
	const char *tmp = getenv("TMPDIR");
	ssize_t n;

	(void)state;
	/* In memory where there is some: thousands of syncs are waited for. */
	if (tmp == NULL)
		tmp = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
	(void)snprintf(base, sizeof(base), "%.200s/belay-host-XXXXXX", tmp);
	if (mkdtemp(base) == NULL)
		return -1;
	(void)snprintf(target_dir, sizeof(target_dir), "%s/target", base);
	(void)snprintf(state_dir, sizeof(state_dir), "%s/state", base);
	(void)snprintf(count_path, sizeof(count_path), "%s/count", base);
	if ((n = readlink("/proc/self/exe", self, sizeof(self) - 1)) < 0)
		return -1;
	self[n] = '\0';
	/* Two directories: the killer's names, and everything real but flock. */
	(void)snprintf(killer_path, sizeof(killer_path), "%.200s/bin", base);
	(void)snprintf(killer_path + strlen(killer_path) + 1,
	    sizeof(killer_path) - strlen(killer_path) - 1, "%.100s/no", base);
	if (mkdir(killer_path, 0700) != 0 || mkdir(killer_path + strlen(killer_path) + 1, 0700) != 0)
		return -1;
	return killer_dirs(self, killer_path, killer_path + strlen(killer_path) + 1);
}

static int
tear_down(void **state)
{
	(void)state;
	remove_tree(base);
	return 0;
}

#define EACH(f) \
	{ #f " (dash)", f, NULL, NULL, (void *)(uintptr_t)&shells[0] }, \
	{ #f " (bash)", f, NULL, NULL, (void *)(uintptr_t)&shells[1] }, \
	{ #f " (busybox)", f, NULL, NULL, (void *)(uintptr_t)&shells[2] }

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_program_fits_into_one_request),
		cmocka_unit_test(records_are_ours_alone),
		EACH(a_put_writes_and_its_undo_brings_every_byte_back),
		EACH(what_is_not_expected_is_not_written_over),
		EACH(one_holder_at_a_time_has_the_lease),
		EACH(a_lease_that_is_not_up_is_not_displaced),
		EACH(an_older_token_writes_nothing),
		EACH(links_are_written_in_place_and_stay_links),
		EACH(a_new_file_has_its_mode_and_goes_with_its_directories),
		EACH(mode_and_owner_go_back_unless_somebody_changed_them_since),
		EACH(a_removed_file_comes_back),
		EACH(a_request_that_is_cut_short_writes_nothing),
		EACH(reading_tells_content_mode_and_owner_and_what_cannot_be_read),
		EACH(hostile_names_and_contents_are_only_names_and_contents),
		EACH(ids_that_would_leave_the_records_are_refused),
		EACH(a_command_runs_once_and_says_how_it_ended),
		EACH(output_comes_while_the_command_runs_and_is_capped_at_the_end),
		EACH(a_command_that_was_cut_is_not_run_again_by_itself),
		EACH(of_many_at_once_exactly_one_writes),
		EACH(a_lock_left_behind_does_not_lock_for_good),
		EACH(a_directory_that_everyone_may_write_to_is_refused),
		EACH(killed_at_any_command_it_can_be_undone_to_the_byte),
	};

	if (argc > 0 && getenv("BELAY_TEST_KILL_AT") != NULL)
		return killer_main(argv);
	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
