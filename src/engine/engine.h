/*
 * engine: one loop.  Feeds events to the rollout, carries out its effects,
 * minds the workers and the journal's thread, keeps the board fresh.
 *
 * The faces (verbs, ui) talk to this and to core, never to anything below.
 * Nothing here blocks once engine_start() has returned; what may block runs on one
 * thread of its own behind a queue.
 */
#ifndef BELAY_ENGINE_ENGINE_H
#define BELAY_ENGINE_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/board.h"
#include "core/canary.h"
#include "core/certs.h"
#include "core/gate.h"
#include "core/proof.h"
#include "core/rollout.h"
#include "core/wayback.h"

struct buf;
struct err;
struct engine;
struct uv_loop_s;

struct engine_options {
	const char *fleet_path;
	const char *plan_path;		/* NULL: no plan; status works without */
	const char *ssh_config;		/* -F for ssh -G, or NULL */
	const char *program;		/* to re-exec as worker */
	bool	 read_only;		/* nothing is ever changed, no lock is taken */
	bool	 probe;			/* keep the board fresh by itself (console, status) */
	bool	 deep;			/* versions and ciphers are tried, too, where the board is not kept fresh */
	int64_t	 census_every_ms;	/* 0: 2000 */
	int64_t	 served_every_ms;	/* 0: 30000 */
	int64_t	 host_every_ms;		/* 0: 15000 */
};

/* What only a person can give. */
enum ask_kind { ASK_SECRET, ASK_PASSPHRASE, ASK_HOST_KEY, ASK_CA_PASSPHRASE, ASK_SUDO };
struct ask {
	enum ask_kind kind;
	uint64_t id;
	int	 subject;	/* secret, or host */
	char	 title[256];	/* "passphrase for /home/…/id_ed25519 (host 'db')"; may hold remote bytes */
	char	 detail[512];	/* fingerprint and key type; may hold remote bytes */
	bool	 confirm;	/* ASK_CA_PASSPHRASE: a new one, to be typed twice */
};

enum tell { TELL_NOTE, TELL_WARN, TELL_ERROR };

struct engine_events {
	/* Something that a face shows has changed; at most once per loop turn. */
	void	(*changed)(void *arg);
	/* A person is needed.  Answer later by engine_answer(). NULL answers: refused. */
	void	(*ask)(void *arg, const struct ask *);
	void	(*tell)(void *arg, enum tell, const char *text);	/* may hold remote bytes */
	/* Ctrl-C or a polite kill, the first time; may be NULL.  The second ends engine_run(). */
	void	(*interrupt)(void *arg, int signal);
};

/* Reads both files; no process is started yet.  The message is fit for the operator. */
int	engine_new(struct engine **ret, const struct engine_options *, struct err *);
/* Opens the journal, replays it, starts the workers.  -1 and *ret_locked where another belay holds the lock. */
int	engine_start(struct engine *, const struct engine_events *, void *arg, bool *ret_locked, struct err *);
void	engine_free(struct engine *);

struct uv_loop_s *engine_loop(struct engine *);
/* Why the operator does what comes next, for what keeps a reason; NULL: nobody said. */
void	engine_because(struct engine *, const char *reason);
int64_t	engine_now_ms(const struct engine *);	/* the wall clock, since 1970 */
void	engine_run(struct engine *);		/* until engine_stop() */
void	engine_stop(struct engine *);
/*
 * After the last engine_run(): waits until the journal has what it was told,
 * and says whether it has all of it; what it has not was told as an error.  Nothing
 * but engine_free() may be called afterwards.
 */
bool	engine_close_journal(struct engine *);
/* Calls `changed` once more after that long, though nothing may have changed. */
void	engine_wake_in(struct engine *, int64_t ms);

const struct fleet *engine_fleet(const struct engine *);
const struct plan *engine_plan(const struct engine *);		/* or NULL */
const struct board *engine_board(const struct engine *);
const struct rollout *engine_rollout(const struct engine *);	/* or NULL */
/* The run in progress, as it stands in op ids and on the hosts; "" where there is none. */
const char *engine_run_id(const struct engine *);
const char *engine_who(const struct engine *);			/* "ops@bastion" */
const char *engine_lock_holder(const struct engine *);		/* NULL: us, or nobody needs it */
int64_t	engine_stale_ms(const struct engine *, enum reading_kind);

/* The verbs.  -1 with rollout_may()'s reason where it is not allowed now. */
int	engine_ask(struct engine *, enum verb, int step, struct err *);
/*
 * The undo of `step`, which goes on to the steps before it, down to `until`, by
 * further calls: units that all of them would activate are activated once.
 */
int	engine_undo_down(struct engine *, int step, int until, struct err *);
/* Waives a check of a step by its name, for good; noted in the journal. */
int	engine_waive(struct engine *, int step, const char *check, const char *reason, struct err *);
/*
 * Vouches for what an attest check of the step asks (by its name, or by what it asks), or for a
 * client whose evidence is `attest`; noted in the journal, by name, for good.  engine_attests():
 * is anybody asked to, by that step?
 */
int	engine_attest(struct engine *, int step, const char *what, const char *reason, struct err *);
bool	engine_attests(const struct engine *, int step, const char *what);
/* Has the step a check of this name?  Those of what it activates are known once its operations are. */
bool	engine_has_check(const struct engine *, int step, const char *check);
/* The reason for which a check of a step was waived, or NULL. */
const char *engine_waiver(const struct engine *, int step, const char *check);
/*
 * Where an undo is stuck at a file ("HOST:PATH") because somebody changed what
 * we had written: the next undo leaves that as it stands, as the new base, and
 * takes the rest of the file back.  Noted in the journal.
 */
int	engine_keep(struct engine *, int step, const char *file, const char *reason, struct err *);
/* The reason for which an op's drift is kept, or NULL. */
const char *engine_kept(const struct engine *, int step, int op);
int	engine_answer(struct engine *, uint64_t ask, const char *value, struct err *);	/* value is copied; NULL: no */
/* Probe everything now; `since` of the sweep.  engine_swept() is true once all of it was answered. */
int64_t	engine_sweep(struct engine *);
bool	engine_swept(const struct engine *, int64_t since_ms);

/*
 * Leases: who may change a host, one belay at a time; see lease.c.  The hosts
 * of all steps are looked at, or those that somebody else holds taken over;
 * engine_leases_asked() is true until all have answered or were silent.
 */
enum lease_wish { LEASES_LOOK, LEASES_DISPLACE };
struct lease_view {
	bool	 answered, ours, held;	/* held: by somebody else */
	const char *by;			/* held: its owner, "kim@other" */
	const char *why;		/* who, at what, for how long; or why it did not answer */
};					/* both may hold remote bytes */
void	engine_leases(struct engine *, enum lease_wish, const char *by);	/* by: whose are taken over */
bool	engine_leases_asked(const struct engine *);
bool	engine_lease(const struct engine *, int host, struct lease_view *ret);
/* Was the last wish refused because a host is somebody else's, or silent? */
bool	engine_refused(const struct engine *, bool *ret_held);

/*
 * Adopting a run: the hosts are asked for their records of this plan, and a
 * journal is made of them, which the next start goes on with.  Once engine_adopting() is
 * false, engine_adopted() tells what came of it.  0 with *ret_steps 0: there is nothing to adopt.
 */
void	engine_adopt(struct engine *);
bool	engine_adopting(const struct engine *);
int	engine_adopted(const struct engine *, size_t *ret_steps, const char **ret_who, struct err *err);

/* What the preview found for an op: diff or command, secrets as fingerprints; NULL before. */
const char *engine_op_text(const struct engine *, int step, int op);
const struct ops *engine_ops(const struct engine *, int step);	/* shapes and lines for display; secrets unset */
/*
 * The step that wrote this op's file last in this run, if the preview found
 * another content there than it left: somebody else wrote since.  Or NONE.
 */
int	engine_op_since(const struct engine *, int step, int op);
/* What the way back as sh is made of (core/wayback.h); lives as long as the engine. */
void	engine_wayback(const struct engine *, struct wayback *ret);
/* What the op that runs has printed so far, and its deadline; NULL when none runs. */
struct running {
	int	 step, op;
	enum op_verb verb;
	int64_t	 since_ms, deadline_ms;	/* both since 1970 */
	const char *output;	/* remote bytes; the last 4 KiB */
};
bool	engine_running(const struct engine *, struct running *ret);
/* Is the step being judged (guard, gate, or verify) now? */
bool	engine_judging(const struct engine *, int step);
/* Does a verb on this step wait for something (a passphrase, a certificate being made)? */
bool	engine_waiting(const struct engine *, int step);
/* The canaries of a step that have begun, in the plan's order; how many.  Pointers are valid until the next turn of the loop. */
struct canary_view {
	int	 link;
	const struct canary *canary;
	bool	 over;
	int64_t	 now_ms;	/* for its words: now, or when it was over */
};
size_t	engine_canaries(const struct engine *, int step, struct canary_view *ret, size_t max);
/* Is any under way, though its step may rest: one that fails goes on until a connection comes through? */
bool	engine_canaries_fly(const struct engine *);
/* Results of the step's guards (gate == false) or gate, in the plan's order; NULL where never judged. */
const struct check_result *engine_results(const struct engine *, int step, bool gate, size_t *ret_n);

/*
 * The proof of the plan, or, where what was seen contradicts the run, of what
 * is left of it from the posture seen; NULL without a plan.  Made when it is
 * first asked for, and again when the contradictions change.
 */
const struct proof *engine_proof(struct engine *);
/* Where hosts are set otherwise than the plan and its steps so far have it: a line each.  How many. */
size_t	engine_contradictions(const struct engine *, struct buf *out);

/*
 * What was issued for a certificate, and its CA, by the files here: as they stood at the
 * start, and after each making.  NULL before engine_start().
 */
const struct cert_files *engine_cert_files(const struct engine *, int cert);

/*
 * Revokes what was issued last for a certificate, whose key leaked: it is never given out again, and its
 * CA's list of what was revoked is signed anew.  Changes nothing on a host, and needs no plan.
 * engine_revoking(): is it being done?  If not, *ret_done: it was.
 */
int	engine_revoke(struct engine *, int cert, const char *reason, struct err *);
bool	engine_revoking(const struct engine *, bool *ret_done);

/* History, oldest first; the strings live as long as the engine. */
struct history_line {
	int64_t	 seq, at_ms;
	const char *run, *kind, *step_id, *op_id, *text;
};
size_t	engine_history(const struct engine *, const struct history_line **ret);

#endif
