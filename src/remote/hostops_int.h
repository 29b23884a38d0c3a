/*
 * hostops_int: what the files of hostops share.  Nobody else includes it.
 */
#ifndef BELAY_REMOTE_HOSTOPS_INT_H
#define BELAY_REMOTE_HOSTOPS_INT_H

#include <stdbool.h>
#include <stddef.h>

#include <uv.h>

#include "pki/digest.h"
#include "remote/become.h"
#include "remote/environ.h"
#include "remote/hostcall.h"
#include "remote/hostops.h"

struct ca {
	char	*pem;
	size_t	 len;
};

struct hostops {
	struct hostops_config c;
	struct ca *cas;			/* by cert */
	struct become *becomes;		/* by host, and place of another user there */
	struct become *accounts;	/* by host: of the password of the user who logs in */
	struct become *shared;		/* by secret, where that is the password */
	struct hostop *ops;
};

/* A file and the record of an op, as a look found them.  Points into the answer. */
struct looked {
	const char *record;		/* "none", "applied", "ended 0" … */
	const char *running;	/* NULL: it does not; else who minds it */
	bool	 torn;
	/* meta of the record */
	char	 m_before[DIGEST_HEX_SIZE], m_after[DIGEST_HEX_SIZE];	/* "" not there */
	bool	 has_before, has_after, has_back;
	const char *before, *after, *back, *out;
	size_t	 before_len, after_len, back_len, out_len;
	/* the file */
	bool	 there;
	const char *content;		/* "" where it is not there */
	size_t	 len;
	char	 sha[DIGEST_HEX_SIZE];	/* "-" where it is not there */
	char	 mode[8];		/* octal */
	char	 ids[32];		/* "uid:gid" */
	const char *names;		/* "user:group" */
};

/* A call that is not sent yet, its headers being in the hostcall. */
struct prepared {
	const char *verb, *op_id;
	struct buf payload;
	const struct hostcall_events *events;	/* NULL: there is none */
};

/* What one user read on a host. */
struct place {
	int	 host;
	struct strings paths;
	struct host_answer answer;
	char	*why;			/* it was not read */
};

struct setting_run;

struct hostop {
	struct hostop *prev, *next;
	struct hostops *set;
	uv_timer_t timer;		/* for what needs no host, and while a call is prepared: its turn */
	int	 host;
	int64_t	 due;			/* loop time */
	struct hostcall call;
	struct prepared prepared;
	bool	 asks_sudo;		/* and has not heard of it yet */
	bool	 told_sudo;		/* a password */
	void	*arg;
	/* an op */
	enum op_verb verb;
	const struct wire_op *order;
	const struct op *op;		/* NULL: a lease */
	const struct wire_lease *lease;
	char	 plan_sha[65];		/* records */
	hostop_done *done;
	hostop_text *text;
	struct op_result result;
	bool	 wrote;			/* a call that may change something was sent */
	bool	 runs;			/* a command that the host said still runs: that it is not reached now is no end of it */
	bool	 anew;			/* a command: although its record says that it was run */
	int	 rounds;
	struct activation *activation;	/* ACTIVATE; see activate.h */
	const char *brings;		/* what the next call begins its payload with: more of the program; or NULL */
	bool	 lays_script;		/* the next call begins its payload with the way back */
	struct setting_run *setting;	/* of an OP_SETTING under way */
	struct held *held;		/* see held.h */
	struct reload *reload;		/* ACTIVATE by a server itself */
	struct drain_op *drain;		/* DRAIN */
	/* a read */
	hostop_read *read;
	hostop_files *files;		/* or what is done with the files themselves */
	struct place *places;		/* the host, then other users' there */
	size_t	 nplaces, at_place;
	int64_t	 began;
	struct errand *errand;		/* who holds which connection there, once the files are read */
	struct reading reading;		/* meanwhile */
	struct environ environ;		/* what is written on the host, for its processes to be asked */
	/* a secret */
	hostop_secret *secret;
	int	 which;
};

/* hostops.c */
struct hostop *hostop_new(struct hostops *, int host, int64_t deadline_ms, void *arg);
/* Takes it off the list; its memory lives until the timer is closed. */
void	hostop_drop(struct hostop *);
/* The headers that every request has; then hostop_call() sends it. */
struct buf *hostop_request(struct hostop *);
void	hostop_call(struct hostop *, const char *verb, const char *op_id, const void *payload,
	    size_t payload_len, const struct hostcall_events *);
/* A "path" header; and what a command that is undone by value needs. */
int	hostop_path(struct hostop *, struct buf *q, const char *path, struct err *);
int	hostop_by_value(struct hostop *, struct buf *q, struct err *);
/* Runs `later` from the loop. */
void	hostop_later(struct hostop *, uv_timer_cb later);
/* Of every request that may change something: by whose right, for whom, when. */
int	hostop_write_headers(struct hostop *, struct buf *q, struct err *);
/* Endings: of hostop_finish() and of what ends by it nothing may follow. */
void	hostop_say(struct hostop *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void	hostop_set_text(struct hostop *, const char *bytes, size_t len);
void	hostop_shas(struct hostop *, const char *before, const char *after);
void	hostop_finish(struct hostop *, enum op_outcome);
void	hostop_failed(struct hostop *, const struct err *);		/* ends it */
void	hostop_drifted(struct hostop *, const char *text);		/* ends it; text may be NULL */
void	hostop_malformed(struct hostop *, const struct host_answer *);	/* ends it */
/*
 * Whether the call ended already: there is no answer, or one that is the same
 * for every verb (the lock, the token, an error of the program's own).
 */
bool	hostop_no_answer(struct hostop *, enum hostcall_end, const struct host_answer *,
	    const struct err *why);

/* Sends what is prepared. */
void	hostop_send(struct hostop *);

/* hostops_sudo.c */
/* The same when it is our turn to ask sudo; or ends it as NOT_SENT. */
void	hostop_call_by_sudo(struct hostop *);
/* It asks no more, whatever it heard. */
void	hostop_leave_sudo(struct hostop *);

/* hostops_edit.c, hostops_run.c: the chains, from the loop. */
void	hostop_edit(struct hostop *);
void	hostop_run(struct hostop *);
/* The command itself, without what goes before it. */
void	hostop_run_now(struct hostop *);
/* hostops_read.c */
void	hostop_free_places(struct hostop *);
/* hostops_setting.c */
void	hostop_setting(struct hostop *);
void	hostop_setting_free(struct hostop *);

/* hostops_look.c: pure.  path NULL: the record alone. */
int	hostop_read_look(struct looked *ret, const struct host_answer *, const char *path, struct err *);
void	hostop_sha(char ret[DIGEST_HEX_SIZE], const char *, size_t len);	/* "" where it is none */

/* hostops_file.c: pure */
/*
 * What the file would hold after an op on a file; *ret_there is false where
 * there would be none.  -1: it cannot be written so.
 */
int	file_after(const struct op *, const struct looked *, struct buf *out, bool *ret_there,
	    struct err *);
/* Are the mode and the owner as the op wants them? */
bool	file_mode_as_wanted(const struct op *, const struct looked *);
/* The preview of it. */
void	file_preview(const struct hostops *, const struct op *, const struct looked *,
	    const char *after, size_t after_len, bool there, struct buf *out);
/* Our keys by name with the value that our after-image has of them. */
void	file_wrote(const struct op *, const struct looked *, struct pairs *set, struct strings *unset);
void	file_wrote_release(struct pairs *, struct strings *);
/* Of keys that drifted: what was before, what we wrote, what is there. */
void	file_three_ways(const struct hostops *, const struct op *, const struct looked *,
	    const struct strings *keys, struct buf *out);
/* The same of a whole file, as the two changes between them. */
void	file_two_ways(const struct hostops *, const struct op *, const struct looked *, struct buf *out);

#endif
