/*
 * targets: the entry points that read what others wrote, each with what it
 * promises about what it makes of it.
 *
 * Two drivers feed them: fuzz.c (libFuzzer, clang; `make fuzz`) for long, and
 * sample_test.c (any compiler; part of `make check`) a counted sample.
 *
 * Seeds are the files in tests/fuzz/corpus/NAME, which grow by what once
 * broke something, and those that `seeds` makes: encodings of real
 * things, which stay true when a format changes.
 */
#ifndef BELAY_TESTS_FUZZ_TARGETS_H
#define BELAY_TESTS_FUZZ_TARGETS_H

#include <stdbool.h>
#include <stddef.h>

struct buf;
struct fleet;
struct op;
struct plan;

typedef void take_seed(void *arg, const void *, size_t len_bytes);

struct target {
	const char *name;
	/*
	 * true: it was taken for what it should be.  A promise that is
	 * broken ends the process, by broken() below or by a sanitizer.
	 */
	bool	(*feed)(const char *bytes, size_t len_bytes);
	void	(*seeds)(take_seed *, void *arg);	/* or NULL */
	size_t	 max_bytes;	/* longer inputs show nothing new */
	bool	 picky;		/* it refuses what is not its own */
};

extern const struct target core_targets[], wire_targets[], remote_targets[];
extern const size_t core_target_count, wire_target_count, remote_target_count;

size_t	target_count(void);
const struct target *target_at(size_t);
const struct target *target_named(const char *);	/* or NULL */

/* Says what is not as promised, and ends the process. */
_Noreturn void broken(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* A whole file, NUL behind it, for the caller to free; NULL where it cannot be read. */
char	*file_read(const char *path, size_t *ret_len);
/* What was written once and once more must be the same. */
void	same_bytes(const struct buf *, const struct buf *, const char *what);
/* The worked fleet that plans and readings are read against, and its plan. */
const struct fleet *worked_fleet(void);
const struct plan *worked_plan(void);
#define WORKED_FLEET	"plans/compose.fleet.yaml"
#define WORKED_PLAN	"plans/compose.plan.yaml"

/* An op goes to a worker and comes out as it went in. */
void	op_round(const struct op *);

#endif
