/*
 * A counted sample of what tests/fuzz/run does for long: each target is fed its
 * seeds, and then SAMPLE inputs that are made of them by a generator with a fixed
 * seed, so that every run feeds the same ones.  Run it under SAN=1, too.
 *
 * BELAY_FUZZ_SAMPLE=N feeds N of each instead.  An input that ends the
 * process is left in BUILD/tests/fuzz/found-NAME, for the corpus.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/buf.h"
#include "core/mem.h"
#include "tests/fuzz/targets.h"

#define SAMPLE	10000

struct input {
	char	*p;
	size_t	 len;
};

struct inputs {
	struct input *v;
	size_t	 n;
};

/* ---- chance, always the same ---- */

static uint64_t state;

/* xorshift64*: Vigna, "An experimental exploration of Marsaglia's xorshift generators", 2016. */
static uint64_t
chance(uint64_t below)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return (state * UINT64_C(2685821657736338717) >> 11) % below;
}

/* ---- seeds ---- */

static void
take(void *arg, const void *p, size_t len)
{
	struct inputs *in = arg;
	struct input *i = mem_push(&in->v, &in->n, sizeof(*i));

	i->p = mem_strndup(p == NULL ? "" : p, p == NULL ? 0 : len);
	i->len = len;
}

static void
take_files(struct inputs *in, const char *pattern)
{
	glob_t found;
	size_t i, len;
	char *text;

	if (glob(pattern, 0, NULL, &found) != 0)
		return;
	for (i = 0; i < found.gl_pathc; i++)
		if ((text = file_read(found.gl_pathv[i], &len)) != NULL) {
			take(in, text, len);
			free(text);
		}
	globfree(&found);
}

static void
take_files_of(const struct target *t, struct inputs *in)
{
	char pattern[256];

	(void)snprintf(pattern, sizeof(pattern), "tests/fuzz/corpus/%s/*", t->name);
	take_files(in, pattern);
	(void)snprintf(pattern, sizeof(pattern), "plans/*.%s.yaml", t->name);
	take_files(in, pattern);
}

/* ---- mutation ---- */

static void
splice(struct buf *b, size_t at, size_t drop, const char *p, size_t len)
{
	char *tail = mem_strndup(b->data + at + drop, b->len - at - drop);
	size_t tail_len = b->len - at - drop;

	b->len = at;
	(void)buf_put(b, p, len);
	(void)buf_put(b, tail, tail_len);
	free(tail);
}

/* What parsers trip over: limits of integers, ends of strings, marks of the formats. */
static void
put_curious(struct buf *b, size_t at, size_t drop)
{
	static const char *const words[] = {
		"\n", "\n\n", "  ", "- ", ": ", "{ ", " }", "[", "]", ",", "#", "'", "\"", "\\", "$(", "$$(",
		"$(s)", "&a", "*a", "!!int", "<<", "? ", "|", ">", "%", "\t", "\r\n", "\xff", "\xc0\x80",
		"\xe2\x80\xae", "\xef\xbb\xbf", "\033[2J", "export ", "=", "n0nce ", "\nn0nce end applied\n",
		"@revoked ", "@cert-authority ", "|1|", "*", "!", "-1", "0", "99999999999999999999", "*3\r\n",
		"$-1\r\n", "$1048577\r\n", "*2147483647\r\n", ":1\r\n", "not_yet", "for", "set", "unset",
	};
	static const int64_t numbers[] = {
		0, 1, -1, INT64_MAX, INT64_MIN, INT32_MAX, INT32_MIN, 255, 256, 65535, 65536, 4096, 1 << 20,
	};
	unsigned char eight[8];
	uint64_t n;
	size_t i;

	if (chance(3) == 0) {
		n = (uint64_t)numbers[chance(sizeof(numbers) / sizeof(numbers[0]))];
		for (i = 0; i < 8; i++)
			eight[i] = (unsigned char)(n >> (8 * i));
		splice(b, at, drop > 0 ? (b->len - at < 8 ? b->len - at : 8) : 0, (char *)eight, 8);
		return;
	}
	i = chance(sizeof(words) / sizeof(words[0]));
	splice(b, at, drop, words[i], strlen(words[i]));
}

static void
mutate(struct buf *b, const struct inputs *seeds, size_t max)
{
	const struct input *other;
	size_t at, len, from, times = 1 + chance(chance(2) == 0 ? 2 : 6);

	for (; times > 0; times--) {
		at = chance(b->len + 1);
		len = b->len == at ? 0 : 1 + chance(b->len - at < 32 ? b->len - at : 32);
		switch (chance(7)) {
		case 0:		/* one bit */
			if (at < b->len)
				b->data[at] = (char)(b->data[at] ^ (1 << chance(8)));
			break;
		case 1:		/* one byte */
			if (at < b->len)
				b->data[at] = (char)chance(256);
			break;
		case 2:		/* something curious, put in or written over */
			put_curious(b, at, chance(2) == 0 ? 0 : len);
			break;
		case 3:		/* a piece goes */
			splice(b, at, len, "", 0);
			break;
		case 4:		/* a piece comes twice */
			if (len > 0) {
				char *piece = mem_strndup(b->data + at, len);

				splice(b, at, 0, piece, len);
				free(piece);
			}
			break;
		case 5:		/* a piece of another seed */
			other = &seeds->v[chance(seeds->n)];
			if (other->len > 0) {
				from = chance(other->len);
				splice(b, at, chance(2) == 0 ? 0 : len, other->p + from,
				    1 + chance(other->len - from));
			}
			break;
		default:	/* cut short */
			if (chance(4) == 0)
				b->len = at;
			break;
		}
		if (b->data == NULL)
			(void)buf_puts(b, "");
		if (b->len > max)
			b->len = max;
	}
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED
void	__sanitizer_set_death_callback(void (*)(void));
#endif

/* ---- what is fed now, for whoever has to look into it ---- */

static const char *fed;
static size_t fed_len;
static char fed_path[4096];

static void
keep_input(void)
{
	int fd = fed == NULL ? -1 : open(fed_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd != -1) {
		(void)!write(fd, fed, fed_len);
		(void)close(fd);
		(void)!write(STDERR_FILENO, fed_path, strlen(fed_path));
		(void)!write(STDERR_FILENO, ": the input\n", 12);
	}
}

static void
on_abort(int number)
{
	keep_input();
	(void)signal(number, SIG_DFL);
	(void)raise(number);
}

/* A copy that ends where its memory ends: a byte too far is seen. */
static bool
feed(const struct target *t, const char *p, size_t len)
{
	char *exact = malloc(len == 0 ? 1 : len);
	bool taken;

	if (exact == NULL)
		abort();
	if (len > 0)
		memcpy(exact, p, len);
	fed = exact;
	fed_len = len;
	taken = t->feed(exact, len);
	fed = NULL;
	fed_len = 0;
	free(exact);
	return taken;
}

static size_t
sample_size(void)
{
	const char *n = getenv("BELAY_FUZZ_SAMPLE");

	return n == NULL ? SAMPLE : (size_t)strtoul(n, NULL, 10);
}

static void
target_survives(void **arg)
{
	const struct target *t = *arg;
	const char *build = getenv("BUILD");
	struct inputs seeds = { NULL, 0 };
	struct buf b;
	size_t i, made, n = sample_size(), taken = 0, refused = 0, seeds_taken = 0;

	state = UINT64_C(88172645463325252);
	(void)snprintf(fed_path, sizeof(fed_path), "%s/tests/fuzz/found-%s",
	    build == NULL ? "build" : build, t->name);
	(void)signal(SIGABRT, on_abort);
#ifdef SANITIZED
	__sanitizer_set_death_callback(keep_input);
#else
	(void)signal(SIGSEGV, on_abort);
#endif
	take_files_of(t, &seeds);
	made = seeds.n;
	if (t->seeds != NULL)
		t->seeds(take, &seeds);
	if (seeds.n == 0)
		fail_msg("%s has no seeds: run it from the top of the source", t->name);
	for (i = 0; i < seeds.n; i++) {
		bool is_taken = feed(t, seeds.v[i].p, seeds.v[i].len);

		seeds_taken += is_taken ? 1 : 0;
		if (!is_taken && i >= made)
			fail_msg("%s does not take what its own encoder made (seed %zu)", t->name, i - made);
	}
	buf_init(&b, 0);
	for (i = 0; i < n; i++) {
		buf_clear(&b);
		(void)buf_put(&b, seeds.v[i % seeds.n].p, seeds.v[i % seeds.n].len);
		mutate(&b, &seeds, t->max_bytes);
		if (feed(t, b.data, b.len))
			taken++;
		else
			refused++;
	}
	(void)printf("# %s: %zu seeds (%zu taken), %zu mutated inputs: %zu taken, %zu refused\n", t->name,
	    seeds.n, seeds_taken, n, taken, refused);
	/* Otherwise the sample shows little: seeds that are stale, or changes that change nothing. */
	assert_true(seeds_taken > 0);
	assert_true(taken > 0);
	assert_true(!t->picky || refused > 0);
	buf_release(&b);
	for (i = 0; i < seeds.n; i++)
		free(seeds.v[i].p);
	free(seeds.v);
}

int
main(void)
{
	size_t i, n = target_count();
	struct CMUnitTest *tests = mem_array(n, sizeof(*tests));
	char **names = mem_array(n, sizeof(*names));
	int rc;

	for (i = 0; i < n; i++) {
		union { const struct target *c; void *m; } t = { .c = target_at(i) };

		names[i] = mem_printf("%s_survives_what_is_not_its_own", target_at(i)->name);
		tests[i].name = names[i];
		tests[i].test_func = target_survives;
		tests[i].initial_state = t.m;
	}
	rc = _cmocka_run_group_tests("fuzz sample", tests, n, NULL, NULL);
	for (i = 0; i < n; i++)
		free(names[i]);
	free(names);
	free(tests);
	return rc;
}
