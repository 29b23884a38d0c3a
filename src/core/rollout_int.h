/*
 * rollout_int: what the files of the rollout share.  Private to them.
 *
 * rollout.c         the machine: events, phases, effects; its table
 * rollout_undo.c    the way back of a step
 * rollout_may.c     what may be asked now, and why not
 * rollout_replay.c  the way back into the machine from a journal
 */
#ifndef BELAY_CORE_ROLLOUT_INT_H
#define BELAY_CORE_ROLLOUT_INT_H

#include "core/rollout.h"

struct step_state {
	struct step_view view;
	struct op_shape *shapes;
	struct op_view *ops;
	int64_t	 seen_ms;	/* SOAKING: when the gate last held */
	char	 breach[512];	/* what was breached, while an op runs that has to end first */
	bool	 asked;		/* somebody asked to apply or retry it, since this process began */
};

struct rollout {
	const struct plan *plan;
	struct step_state *steps;
	size_t	 nsteps;
	uint64_t next_ticket;
	/* The intent that is on its way to disk. */
	uint64_t ticket;	/* 0: none */
	int	 ticket_step, ticket_op;
	rollout_turns *turns;
	void	*turns_arg;
	char	 why_not[640];
};

/* Has the phase any use for the event?  (The table of rollout.c.) */
bool	rollout_heeds(enum phase, enum event_kind);
void	rollout_set_why(struct step_state *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void	rollout_set_phase(struct step_state *, enum phase, int64_t now_ms);
/* A phase that outlives the process, so that the journal is told. */
void	rollout_enter(struct rollout *, int step, enum phase, const struct event *, struct effects *out);
/* Asks the hosts what became of the ops that were cut. */
void	rollout_settle(struct rollout *, const struct event *, struct effects *out);
/* All ops are applied: on to the gate. */
void	rollout_prove(struct rollout *, const struct event *, struct effects *out);
/* The way back of a step begins; and goes on behind an op of it. */
void	rollout_undo_begin(struct rollout *, const struct event *, struct effects *out);
void	rollout_undo_next(struct rollout *, const struct event *, struct effects *out);
/* One more effect; of a record, the record. */
struct effect *rollout_emit(struct effects *out, enum effect_kind, int step, int op);
struct record *rollout_emit_record(struct effects *out, enum record_kind, int step, int op, int64_t now_ms);
/* Asks for an intent on disk; the op goes out when it is there. */
void	rollout_intend(struct rollout *, int step, int op, bool undo, const struct event *, struct effects *out);
void	rollout_record_outcome(const struct step_state *, enum record_kind, const struct event *, int op,
	    enum op_outcome, struct effects *out);
/* snprintf without a format; NULL gives "". */
void	rollout_copy(char *to, size_t size, const char *from);

#endif
