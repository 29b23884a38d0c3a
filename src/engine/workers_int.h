/*
 * workers_int: what the files of the workers share.  Private to them.
 *
 * workers.c		who they are, how they start and stop, what they are asked and told
 * workers_table.c	frames on their way down; the questions without an answer
 * workers_answers.c	what comes up
 * workers_process.c	the processes: spawned, briefed, reaped, started anew
 */
#ifndef BELAY_ENGINE_WORKERS_INT_H
#define BELAY_ENGINE_WORKERS_INT_H

#include <stdbool.h>

#include <uv.h>

#include "core/buf.h"
#include "engine/workers.h"
#include "wire/wire.h"

struct err;

#define READ_CHUNK	((size_t)64 << 10)

/* An id is (serial << SLOT_BITS) | slot: an answer finds its question at once. */
#define SLOT_BITS	20
#define SLOT_MASK	((UINT64_C(1) << SLOT_BITS) - 1)

struct question {
	uint64_t id;			/* 0: a free slot */
	enum message_kind kind;
	int	 what, subject;		/* of a probe; what: of an op, its verb */
	size_t	 worker;
	uint64_t due;			/* loop time: then its worker is given up */
	struct buf frame;		/* until it is sent */
	bool	 sent;
};

struct worker {
	struct workers *set;
	size_t	 index;
	uv_process_t *process;		/* NULL: none; being waited for */
	uv_pipe_t *pipe, *errpipe;
	uv_timer_t *restart;
	struct buf in;
	struct buf errtext;		/* the beginning of what it said on stderr */
	char	*why;			/* it was killed by us; or NULL */
	bool	 ready;
	uint64_t ready_at;		/* loop time */
	unsigned int deaths;		/* since it last lived well */
	unsigned int started;		/* how often */
};

struct kept {			/* a secret or a CA; value NULL: not given */
	char	*value;
	size_t	 len;
};

struct passphrase {
	int	 host;
	char	*keyfile, *value;
};

struct workers {
	struct workers_config config;
	struct worker *v;
	size_t	 n;
	struct question *questions;
	size_t	 nquestions;
	size_t	*free_slots;
	size_t	 nfree, npending;
	uint64_t serial;
	uv_timer_t *expire;
	bool	 expire_armed;
	struct wire_fleet fleet;
	struct kept *secrets, *cas, *pairs;
	struct passphrase *passphrases;
	size_t	 npassphrases;
	char	**addresses;		/* by host; NULL: not known */
	struct host_view *views;	/* by host, as told last */
	char	 chunk[READ_CHUNK];
};

/* workers.c */
size_t	workers_of_host(const struct workers *, int host);
/* Does it make connections with this certificate: in the place of a client that shows it, or as belay's own? */
bool	workers_shows(const struct workers *, size_t worker, int cert);
/* Does the worker log in anywhere by this secret: to look, or, on the endpoint's own host, to change something? */
bool	workers_logs_in_by(const struct workers *, size_t worker, int secret);
void	workers_close_handle(void *handle);	/* NULL is fine; it frees itself when closed */

/* workers_table.c */
void	workers_kill(struct worker *, const char *why);
int	workers_frame(const struct message *, struct buf *ret);	/* -1: too large; ret is to be released */
void	workers_write(struct worker *, struct buf *frame);	/* takes it over */
/* For what is told again anyway when the worker is started anew: it goes now or not at all. */
void	workers_tell(struct worker *, enum message_kind, int subject, const void *blob, size_t len_bytes);
/* Puts a question into the table, and sends it if its worker is there; takes the message's blob over. */
uint64_t workers_ask(struct workers *, size_t worker, struct message *, int64_t deadline_ms);
struct question *workers_question(struct workers *, uint64_t id);	/* or NULL */
void	workers_question_send(struct workers *, struct question *);
void	workers_question_end(struct workers *, struct question *);
void	workers_report_lost(struct workers *, uint64_t *ids, size_t n);	/* takes them over */

/* workers_answers.c */
void	workers_feed(struct worker *, const char *bytes, size_t len);
void	workers_show_host(struct workers *, int host, const struct host_view *, enum host_need, const char *subject,
	    const char *keytype);

/* workers_process.c */
int	workers_spawn(struct worker *, struct err *);
void	workers_forget(struct worker *);	/* lets go of its process, which is not waited for */

#endif
