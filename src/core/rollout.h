/*
 * rollout: the state machine of a run.  Events in, effects out; pure.
 *
 * Every face, the tests and the crash harness drive this one machine.  It
 * knows nothing of processes, files or clocks: time is a field of the event,
 * and what it wants done comes out as effects, in the order in which they
 * are to be carried out.
 *
 * Journal before effect: an op is started only after EV_JOURNALLED for the
 * intent that names it.  Whatever could not be journalled is not done.
 *
 * At most one step is in flight.  Steps go forward in the plan's order
 * (optional ones may be skipped) and back last in, first out.
 */
#ifndef BELAY_CORE_ROLLOUT_H
#define BELAY_CORE_ROLLOUT_H

#include "core/op.h"
#include "core/plan.h"

enum phase {
	PHASE_TODO,
	PHASE_PREVIEWING,	/* its ops are being observed */
	PHASE_READY,		/* previewed; apply is possible */
	PHASE_GUARDING,		/* its guards are being judged */
	PHASE_APPLYING,		/* ops are carried out, one after the other */
	PHASE_PROVING,		/* applied; the gate is being judged */
	PHASE_SOAKING,		/* proven; watched for a while */
	PHASE_DONE,
	PHASE_MET,		/* found in place; not ours to undo by before-image */
	PHASE_SKIPPED,		/* optional, and passed over */
	PHASE_FAULTED,		/* an op or the gate failed; undo is the way back */
	PHASE_DOUBT,		/* an op was begun and its end is not known */
	PHASE_UNDOING,
	PHASE_STUCK,		/* undo could not finish somewhere; undo tries again */
	PHASE_RESTORED		/* undone, and observed to be; may be applied again */
};
#define PHASE_COUNT 15
const char *phase_word(enum phase);	/* "todo", "applying", … */

enum event_kind {
	EV_PREVIEW,		/* somebody wants the step observed */
	EV_APPLY,
	EV_UNDO,
	EV_SKIP,
	EV_PARK,		/* stop where it is safe: after the op that runs */
	EV_OP,			/* an op's outcome: op, verb, outcome */
	EV_GUARD,		/* guards judged: ok, or why not */
	EV_GATE,		/* gate judged: ok, or why not */
	EV_JOURNALLED,		/* ticket is on disk */
	EV_JOURNAL_FAILED,
	EV_LOST,		/* the worker that carried the op out is gone */
	EV_MET,			/* the step was found in place, and its gate holds */
	EV_TICK,		/* time goes on (soak) */
	EV_RETRY,		/* judge a faulted step's gate again */
	EV_SETTLE,		/* look at the hosts to end a DOUBT */
	EV_BREACH		/* clients fail while the step is under way: why */
};
#define EVENT_COUNT 16
const char *event_word(enum event_kind);

struct event {
	enum event_kind kind;
	int64_t	 now_ms;	/* since 1970 */
	int	 step;		/* which; EV_TICK, EV_JOURNALLED: ignored */
	int	 op;		/* EV_OP, EV_LOST: index in the step's ops */
	enum op_verb verb;	/* EV_OP */
	enum op_outcome outcome;	/* EV_OP */
	bool	 ok;		/* EV_GUARD, EV_GATE */
	bool	 goes_on;	/* EV_UNDO: the steps down to `until` are undone next, see rollout.c */
	int	 until;
	uint64_t ticket;	/* EV_JOURNALLED, EV_JOURNAL_FAILED */
	const char *before_sha, *after_sha;	/* EV_OP: may be NULL */
	const char *why;	/* words; may be NULL */
};

/* What the journal is told.  The words are the journal's schema; see journal.h. */
enum record_kind {
	REC_APPLY,		/* a step is begun */
	REC_INTENT,		/* op: is about to be applied */
	REC_OUTCOME,		/* op: outcome, hashes */
	REC_UNDO,		/* a step's undo is begun */
	REC_UNDO_INTENT,
	REC_UNDO_OUTCOME,
	REC_PHASE		/* the step is now in `phase`, because `why` */
};
#define RECORD_COUNT 7
const char *record_word(enum record_kind);

struct record {
	enum record_kind kind;
	int64_t	 at_ms;
	int	 step, op;	/* op: NONE for the step as a whole */
	enum phase phase;	/* REC_PHASE */
	enum op_outcome outcome;
	char	 before_sha[65], after_sha[65];
	char	 why[512];
};

enum effect_kind {
	EFFECT_JOURNAL,		/* write `record`; answer EV_JOURNALLED with `ticket` (0: no answer wanted) */
	EFFECT_OP,		/* carry `verb` out on op; answer EV_OP (or EV_LOST) */
	EFFECT_GUARD,		/* judge the step's guards; answer EV_GUARD */
	EFFECT_PROVE,		/* judge the step's gate; answer EV_GATE; also while soaking */
	EFFECT_REST		/* nothing more to judge for this step: stop proving */
};

struct effect {
	enum effect_kind kind;
	uint64_t ticket;
	struct record record;
	int	 step, op;
	enum op_verb verb;
	int64_t	 since_ms;	/* GUARD, PROVE: only readings from then on count */
};

struct effects {
	struct effect *v;
	size_t	 n;
};
void	effects_release(struct effects *);	/* also empties it for reuse */

enum op_state {
	OPS_WAITING,
	OPS_INTENT,		/* the intent is on its way to disk */
	OPS_RUNNING,
	OPS_APPLIED,
	OPS_FAILED,		/* answered no: not applied */
	OPS_CUT,		/* begun, its end not known */
	OPS_UNDO_INTENT, OPS_UNDOING, OPS_UNDONE,
	OPS_STUCK		/* could not be undone */
};
const char *op_state_word(enum op_state);

/* What the machine has to know of an op. */
struct op_shape {
	int	 host, unit;
	bool	 mixed;		/* an edit of which a part takes effect elsewhere than in `unit` */
	bool	 activates;	/* OP_ACTIVATE */
	bool	 back_last;	/* undone after the activations; see op.h */
	bool	 command;	/* OP_RUN or OP_ACTIVATE: cannot be judged by a file's hash */
	bool	 idempotent;
};

struct op_view {
	enum op_state state;
	enum op_outcome observed;	/* by the last preview */
	bool	 observed_known;
	char	 before_sha[65], after_sha[65];	/* of the preview, then of the apply */
	char	 why[512];
	int64_t	 since_ms;	/* of the state */
	bool	 drifted;	/* STUCK: since somebody changed what we had written */
};

struct step_view {
	enum phase phase;
	char	 why[512];	/* of FAULTED, STUCK, DOUBT, a refused guard, a failed preview, an undo by itself */
	int64_t	 since_ms;	/* of the phase */
	int64_t	 applied_ms;	/* its last op ended; 0 */
	int64_t	 soak_until_ms;	/* SOAKING */
	bool	 undo_wanted;	/* undo will start as soon as the op that runs has ended */
	bool	 park_wanted;	/* it will stop there */
	bool	 breached;	/* it will fault there */
	bool	 by_itself;	/* UNDOING, RESTORED: after a fault, as the plan says, and nobody's wish; `why` is the cause */
	bool	 left;		/* UNDOING, RESTORED: its activation was left to the undo of a step before it */
	const struct op_shape *shapes;
	const struct op_view *ops;
	size_t	 nops;
};

enum verb { VERB_PREVIEW, VERB_APPLY, VERB_UNDO, VERB_SKIP, VERB_PARK, VERB_RETRY, VERB_SETTLE, VERB_VERIFY };
#define VERB_COUNT 8
const char *verb_word(enum verb);

struct rollout;

/*
 * shapes[step][op]; counts in nops[step].  All steps begin in TODO; a journal
 * is replayed by rollout_replay() before the first event.
 */
struct rollout *rollout_new(const struct plan *, const struct op_shape *const *shapes, const size_t *nops);
void	rollout_free(struct rollout *);
/*
 * Who is asked whether a step may be taken back (VERB_UNDO) or applied again
 * (VERB_APPLY) out of its turn, though steps that came after it stand: true,
 * or false with the reason.  Without one the answer is no.
 */
typedef bool rollout_turns(void *arg, enum verb, int step, char *ret_why, size_t size);
void	rollout_ask_turns(struct rollout *, rollout_turns *, void *arg);

/* The one entry for everything that happens.  Events that a phase has no use for change nothing. */
void	rollout_feed(struct rollout *, const struct event *, struct effects *out);

/*
 * Puts one journalled record back.  Afterwards rollout_resume() turns
 * every intent without outcome into DOUBT (and gives the effects that settle it).
 */
void	rollout_replay(struct rollout *, const struct record *);
void	rollout_resume(struct rollout *, int64_t now_ms, struct effects *out);

/* May this be asked for now?  *ret_why_not (may be NULL) is a sentence for people; valid until the next feed. */
bool	rollout_may(const struct rollout *, enum verb, int step, const char **ret_why_not);

const struct step_view *rollout_step(const struct rollout *, int step);
/* Something of it may stand on a host, by this run's hand; it needs nothing more: done, met or skipped. */
bool	rollout_stands(const struct rollout *, int step);
/* And something of it was written, or may have been: not so where it faulted before its first edit. */
bool	rollout_wrote(const struct rollout *, int step);
bool	rollout_passed(const struct rollout *, int step);
/*
 * What an undo of the step, begun now, takes back, and in which order: indices
 * of ops into ret, which has room for all of them; how many.  other: an op (or NONE) that
 * counts as being in the state `as`.
 */
size_t	rollout_way_back(const struct rollout *, int step, int other, enum op_state as, int *ret);
int	rollout_next(const struct rollout *);		/* the step that may be applied next, or NONE */
int	rollout_last(const struct rollout *);		/* the step that undo would take back, or NONE */
int	rollout_in_flight(const struct rollout *);	/* or NONE */

#endif
