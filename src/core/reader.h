/*
 * reader: what the readers of fleet and plan files share.  Where a value
 * stands, which keys are known there, what a value may be, $(name) and `for`.
 *
 * Every function that fails has written `path:line:col: what is wrong, what
 * was expected` and returns -1.  Strings handed out are the caller's.
 *
 * $(name): a name bound by a `for` around it is filled in at once.  Some
 * values keep names that are known only at run time; they stay as they stand.
 * Any other name is an error.  "$$(date)" stands for the text "$(date)", for
 * commands that want the shell's own.
 */
#ifndef BELAY_CORE_READER_H
#define BELAY_CORE_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/fleet.h"
#include "core/yaml.h"

struct err;

/* All that expansion may cost, so that a small file cannot become a large tree. */
#define READER_TEXT_MAX		((size_t)16 << 20)
#define READER_ROUNDS_MAX	16384

/* The names bound by the `for`s around a place, innermost first. */
struct scope {
	const struct scope *up;
	char	*name, *value;
};

struct reader {
	const char *path;
	struct err *err;
	struct strings *not_yet;	/* where what is not built is noted */
	size_t	 text_left, rounds_left;
	struct scope **scopes;		/* owned */
	size_t	 nscopes;
	/*
	 * Turns what stands after a variable of `for` into its values: a list's
	 * name, a selector.  Inline lists never get here.
	 */
	int	(*select)(struct reader *, const struct node *, const char *word,
		    struct strings *ret);
	void	*arg;			/* for select */
};

void	reader_init(struct reader *, const char *path, struct strings *not_yet, struct err *);
void	reader_release(struct reader *);

int	reader_fail(struct reader *, const struct node *, const char *fmt, ...)
	    __attribute__((format(printf, 3, 4)));
int	reader_fail_at(struct reader *, int line, int col, const char *fmt, ...)
	    __attribute__((format(printf, 4, 5)));
/*
 * "unknown WHAT 'word'", with the nearest of the candidates or all of them.
 * Candidates end with NULL.
 */
int	reader_unknown(struct reader *, int line, int col, const char *what,
	    const char *word, const char *const candidates[]);
/* Notes "path:line:col: 'what': not yet", once. */
void	reader_not_yet(struct reader *, int line, int col, const char *what);

/* Notes anything else that people should know, as "path:line:col: text", once. */
void	reader_note(struct reader *, int line, int col, const char *text);
/* Puts what was noted into the order of the file. */
void	reader_sort_not_yet(struct reader *);

/* The node is a mapping and has no other keys than these (which end with NULL). */
int	reader_keys(struct reader *, const struct node *, const char *what,
	    const char *const keys[]);
int	reader_is(struct reader *, const struct node *, enum node_kind, const char *what);

/* Whether the text has a "$(" that is none of these names: not for a value that is filled later. */
bool	reader_has_foreign(const char *, const char *const run_time[]);
/* Fills $(name) in a string; run_time ends with NULL, or is NULL for none. */
int	reader_fill(struct reader *, const struct scope *, int line, int col,
	    const char *s, const char *const run_time[], char **ret);

/* One value, not empty.  `what` says what was expected: "a host". */
int	reader_string(struct reader *, const struct scope *, const struct node *,
	    const char *what, char **ret);
/* The same with names of run time left in; may be empty. */
int	reader_text(struct reader *, const struct scope *, const struct node *,
	    const char *what, const char *const run_time[], char **ret);
/* One value or a list of values. */
int	reader_strings(struct reader *, const struct scope *, const struct node *,
	    const char *what, struct strings *ret);
/* A mapping of values, in the order of the file. */
int	reader_pairs(struct reader *, const struct scope *, const struct node *,
	    const char *what, const char *const run_time[], struct pairs *ret);
int	reader_bool(struct reader *, const struct scope *, const struct node *, bool *ret);
int	reader_int(struct reader *, const struct scope *, const struct node *,
	    const char *what, int min, int max, int *ret);
int	reader_duration(struct reader *, const struct scope *, const struct node *, int64_t *ret_ms);
/* How long something may take: more than nothing, at most FLEET_DEADLINE_MAX_MS. */
int	reader_deadline(struct reader *, const struct scope *, const struct node *, int64_t *ret_ms);
/* The index of the value among `words`, which end with NULL. */
int	reader_word(struct reader *, const struct scope *, const struct node *,
	    const char *what, const char *const words[], int *ret);
/* An absolute path; ~/ too where it is a file of the operator's. */
int	reader_path(struct reader *, const struct scope *, const struct node *,
	    const char *const run_time[], bool home, char **ret);
/* Octal, three or four digits, at most 0777. */
int	reader_mode(struct reader *, const struct scope *, const struct node *, int *ret);
/* "user:group", "user", "user:", ":group"; names or numbers. */
int	reader_owner(struct reader *, const struct scope *, const struct node *, char **ret);
/* [A-Za-z0-9][A-Za-z0-9._-]*, at most FLEET_NAME_MAX. */
int	reader_check_name(struct reader *, int line, int col, const char *what, const char *name);
/* Letters, digits and `more`; no leading '-': safe as an argument of ssh. */
int	reader_check_plain(struct reader *, int line, int col, const char *what,
	    const char *word, const char *more);

/* Binds a name for what is read below; lives as long as the reader. */
const struct scope *reader_bind(struct reader *, const struct scope *up,
	    const char *name, const char *value);

/*
 * Calls once for each name that a mapping of named things stands for, with
 * `for` expanded.  The name is the callee's.
 */
typedef int reader_each_fn(void *arg, char *name, const struct entry *, const struct scope *);
int	reader_each(struct reader *, const struct scope *, const struct node *map,
	    const char *what, reader_each_fn *, void *arg);
/* The rounds of one `for` (NULL: one round, the scope as it is). */
typedef int reader_round_fn(void *arg, const struct scope *);
int	reader_for(struct reader *, const struct scope *, const struct node *spec,
	    reader_round_fn *, void *arg);

/* Checks values that are read but not built: which keys, and what they are. */
enum shape_kind {
	SHAPE_STRING, SHAPE_STRINGS, SHAPE_PAIRS, SHAPE_BOOL, SHAPE_NUMBER,
	SHAPE_DURATION, SHAPE_PATH, SHAPE_WORD
};
struct shape {
	const char *key;
	enum shape_kind kind;
	bool	 required;
	const char *const *words;	/* SHAPE_WORD */
};
/* The table ends with a NULL key. */
int	reader_shape(struct reader *, const struct scope *, const struct node *,
	    const char *what, const struct shape[], const char *const run_time[]);

/* Words written with commas between, for messages. */
char	*words_joined(const char *const words[]);
void	strings_release(struct strings *);
void	strings_push(struct strings *, char *owned);
bool	strings_has(const struct strings *, const char *);
void	pairs_release(struct pairs *);

#endif
