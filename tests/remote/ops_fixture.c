/*
 * ops_fixture: see ops_fixture.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/err.h"
#include "core/mem.h"
#include "killer.h"
#include "ops_fixture.h"
#include "remote/keyring.h"
#include "remote/session.h"

char base[200];
struct world w;

static char killers[300], count_path[300], own_path[4096], real_path[4400];

static struct session *
session_of(void *arg, int host)
{
	(void)host;
	return ((struct world *)arg)->session;
}

static const char *
password_of(void *arg, int host)
{
	(void)host;
	return ((struct world *)arg)->password;
}

static void
on_sudo(void *arg, int host, enum sudo_trouble trouble)
{
	(void)host;
	((struct world *)arg)->trouble = trouble;
}

int
ops_set_up(char *(*fleet)(void))
{
	struct session_config config = { .name = "here", .local = true };
	struct hostops_config hostops;
	struct err err;
	char self[512], *text;
	const char *sh = getenv("BELAY_TEST_SH");
	ssize_t n;

	memset(&w, 0, sizeof(w));
	/* In memory where there is some: thousands of syncs are waited for. */
	(void)snprintf(base, sizeof(base), "%.100s/belay-ops-XXXXXX",
	    getenv("TMPDIR") != NULL ? getenv("TMPDIR") : access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	if (mkdtemp(base) == NULL || (n = readlink("/proc/self/exe", self, sizeof(self) - 1)) < 0)
		return -1;
	self[n] = '\0';
	(void)snprintf(killers, sizeof(killers), "%s/bin", base);
	(void)snprintf(count_path, sizeof(count_path), "%s/count", base);
	(void)snprintf(own_path, sizeof(own_path), "%s", getenv("PATH"));
	(void)snprintf(real_path, sizeof(real_path), "%s", own_path);
	if (sh != NULL) {
		/* Under the name by which hosts ask for it. */
		text = mem_printf("%s/sh", base);
		(void)snprintf(real_path, sizeof(real_path), "%s:%s", text, own_path);
		if (mkdir(text, 0755) != 0)
			return -1;
		free(text);
		text = mem_printf("%s/sh/sh", base);
		if (symlink(sh, text) != 0)
			return -1;
		free(text);
		(void)setenv("PATH", real_path, 1);
	}
	if (mkdir(killers, 0700) != 0 || killer_dirs(self, killers, NULL) != 0)
		return -1;
	text = fleet();
	if (fleet_parse(&w.fleet, "fleet.yaml", text, strlen(text), &err) != 0) {
		print_error("%s\n", err.msg);
		return -1;
	}
	free(text);
	(void)uv_loop_init(&w.loop);
	w.keyring = keyring_new(&w.loop);
	w.session = session_new(&w.loop, w.keyring, &config, NULL, NULL);
	memset(&hostops, 0, sizeof(hostops));
	hostops.loop = &w.loop;
	hostops.fleet = w.fleet;
	hostops.session = session_of;
	hostops.password = password_of;
	hostops.sudo = on_sudo;
	hostops.arg = &w;
	memset(hostops.key, 7, sizeof(hostops.key));
	w.set = hostops_new(&hostops);
	w.order.op.mode = -1;
	w.order.op.unit = NONE;
	(void)strcpy(w.order.op.id, "run-1/step/1");
	(void)strcpy(w.order.who, "ops@bastion");
	return 0;
}

int
ops_tear_down(void **state)
{
	char *command = mem_printf("rm -rf '%s'", base);

	(void)state;
	(void)setenv("PATH", own_path, 1);
	hostops_free(w.set);
	session_free(w.session);
	keyring_free(w.keyring);
	(void)uv_run(&w.loop, UV_RUN_DEFAULT);
	if (uv_loop_close(&w.loop) != 0)
		return -1;
	wire_op_release(&w.order);
	op_result_release(&w.result);
	reading_release(&w.reading);
	free(w.secret);
	free(w.why);
	buf_release(&w.live);
	fleet_free(w.fleet);
	if (system(command) != 0)
		return -1;
	free(command);
	return 0;
}

void
ops_done(void *arg, const struct op_result *r)
{
	struct world *world = arg;

	op_result_release(&world->result);
	world->result = *r;
	world->result.text = mem_strdup(r->text);
	world->result.why = mem_strdup(r->why);
	world->answers++;
	uv_stop(&world->loop);
}

void
ops_text(void *arg, const char *bytes, size_t len)
{
	struct world *world = arg;

	(void)buf_put(&world->live, bytes, len);
}

enum op_outcome
ops_ask(enum op_verb verb, int64_t deadline_ms)
{
	w.answers = 0;
	(void)hostops_op(w.set, verb, &w.order, deadline_ms, ops_done, ops_text, &w);
	assert_int_equal(w.answers, 0);	/* never from inside the call */
	while (w.answers == 0)
		(void)uv_run(&w.loop, UV_RUN_ONCE);
	assert_int_equal(w.answers, 1);
	return w.result.outcome;
}

void
check(enum op_verb verb, enum op_outcome want)
{
	(void)ops_ask(verb, DEADLINE_MS);
	if (w.result.outcome != want)
		print_error("%s: %s: %s\n", w.order.op.path == NULL ? w.order.op.id : w.order.op.path,
		    op_outcome_word(w.result.outcome), w.result.why == NULL ? "" : w.result.why);
	assert_string_equal(op_outcome_word(w.result.outcome), op_outcome_word(want));
}

bool
ops_killed(enum op_verb verb, int at, const char *when)
{
	char number[32], *with_killers = mem_printf("%s:%s", killers, real_path);

	(void)snprintf(number, sizeof(number), "%d", at);
	(void)unlink(count_path);
	(void)setenv("BELAY_TEST_KILL_AT", number, 1);
	(void)setenv("BELAY_TEST_WHEN", when, 1);
	(void)setenv("BELAY_TEST_COUNT", count_path, 1);
	(void)setenv("PATH", with_killers, 1);
	free(with_killers);
	(void)ops_ask(verb, DEADLINE_MS);
	(void)setenv("PATH", real_path, 1);
	(void)unsetenv("BELAY_TEST_KILL_AT");
	return strtol(read_text(count_path), NULL, 10) >= at;
}

bool
ops_killer(char **argv, int *ret_status)
{
	if (getenv("BELAY_TEST_KILL_AT") == NULL)
		return false;
	*ret_status = killer_main(argv);
	return true;
}

void
write_text(const char *path, const char *text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	(void)close(fd);
}

const char *
read_text(const char *path)
{
	static char bytes[65536];
	int fd = open(path, O_RDONLY);
	ssize_t n;

	if (fd < 0 && errno == ENOENT)
		return "-";
	assert_true(fd >= 0);
	n = read(fd, bytes, sizeof(bytes) - 1);
	assert_true(n >= 0);
	bytes[n] = '\0';
	(void)close(fd);
	return bytes;
}

void
assert_text(const char *path, const char *want)
{
	assert_string_equal(read_text(path), want);
}

void
tree_of(const char *dir, struct buf *out)
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
			(void)buf_printf(out, "%s %o %u %u %lu\n", path, st.st_mode, st.st_uid, st.st_gid,
			    (unsigned long)(S_ISDIR(st.st_mode) ? 0 : st.st_nlink));
			if (S_ISREG(st.st_mode))
				(void)buf_puts(out, read_text(path));
			else if (S_ISDIR(st.st_mode))
				tree_of(path, out);
		}
		free(names[i]);
	}
	free(names);
}
