/*
 * hostproto: how belay and its host-side program speak.  Pure: bytes in and
 * out; host.sh's first comment is the other half of this.
 */
#ifndef BELAY_REMOTE_HOSTPROTO_H
#define BELAY_REMOTE_HOSTPROTO_H

#include <stdbool.h>
#include <stddef.h>

struct buf;
struct err;

#define HOST_NONCE_MAX		65
#define HOST_FILE_MAX		((size_t)1 << 20)	/* of one file that is read */
#define HOST_ANSWER_MAX		((size_t)5 << 20)
#define HOST_TOUCHED_MAX	((size_t)16 << 20)	/* of one file that a command touches; it stays on the host */
#define HOST_ITEMS_MAX		4096

/*
 * The command for session_exec(): the whole program, quoted, and its arguments.
 * as: the user to become, by sudo, or NULL; from a closed alphabet.  With `password`
 * sudo reads one on the first line of stdin, before all else; a sudo that
 * wants none leaves it there, and it is thrown away.  Without, sudo may not ask.
 * sudo logs all arguments, so by sudo the command only reads the program, which is sent by
 * host_program() before the request.
 */
void	host_command(struct buf *out, const char *verb, const char *nonce, const char *op_id,
	    const char *as, bool password);
void	host_program(struct buf *out, const char *nonce);

/* Why sudo did not begin the program, by what it said. */
enum sudo_trouble {
	SUDO_FINE,		/* it said nothing of the kind */
	SUDO_WANTS_PASSWORD,
	SUDO_WRONG_PASSWORD,
	SUDO_WANTS_TERMINAL,	/* requiretty */
	SUDO_DENIED,		/* not in sudoers, or not for this */
	SUDO_UNKNOWN_USER,
	SUDO_MISSING,
	SUDO_SILENT		/* nothing was heard of it: the call ended before */
};
enum sudo_trouble host_sudo_trouble(const char *said);
/* That in a sentence, and what to do next.  -1. */
int	host_sudo_why(struct err *, enum sudo_trouble, const char *as);
const char *host_program_sha256(void);
/*
 * What the program needs besides, before the payload, where a path is in a container, and for
 * a command that is undone by value; the header "more-lines" says how many lines that are.
 */
const char *host_box(void);
const char *host_value(void);

/* The request, in this order: begin, headers, end, payload (by buf_put()). */
void	host_begin(struct buf *out, const char *nonce);
/* -1 where the value has a line break, which a header cannot carry. NULL writes nothing. */
int	host_header(struct buf *out, const char *name, const char *value, struct err *);
void	host_headers_end(struct buf *out);

/* One line of the answer and the data behind it; all point into the answer. */
struct host_item {
	const char *word, *rest;	/* NUL-terminated; rest may be "" */
	const char *data;		/* NUL-terminated, may hold NULs */
	size_t	 len;
};

struct host_answer {
	char	*bytes;
	size_t	 len;
	struct host_item *items;
	size_t	 nitems;
};

/*
 * Takes what the command printed apart.  Noise before the answer (a login
 * shell's start-up files) and behind it does not matter; an answer without its end
 * is none.  Copies the bytes; release wipes them.
 */
int	host_answer_parse(struct host_answer *ret, const char *nonce, const char *bytes,
	    size_t len_bytes, struct err *);
/* The same of what came so far: its end need not be there. */
int	host_answer_begun(struct host_answer *ret, const char *nonce, const char *bytes,
	    size_t len_bytes, struct err *);
/* A copy, that stays. */
void	host_answer_keep(struct host_answer *ret, const struct host_answer *);
void	host_answer_release(struct host_answer *);
/* The n-th item of that word, from 0, or NULL. */
const struct host_item *host_item(const struct host_answer *, const char *word, size_t n);
/* The words behind "end", as one string: "applied", "drift SHA", "fail WHY". */
const char *host_outcome(const struct host_answer *);
/* Does the outcome's first word equal this?  *ret_rest (may be NULL) is what follows. */
bool	host_outcome_is(const struct host_answer *, const char *word, const char **ret_rest);

#endif
