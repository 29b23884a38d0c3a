/*
 * fixture: a small fleet with a plan, and a scene of it at chosen moments:
 * what the screen is tested against.  The board and the rollout are core's own,
 * fed through core's functions; only what an engine would answer (previews, results of
 * checks, history) is put down here.
 */
#ifndef TESTS_UI_FIXTURE_H
#define TESTS_UI_FIXTURE_H

#include "ui/proven.h"
#include "ui/scene.h"
#include "ui/view.h"

#define FIXTURE_STEPS_MAX 32
#define FIXTURE_NOW_MS INT64_C(1767225751000)	/* 2026-01-01 00:02:31 UTC */

struct fixture {
	struct fleet *fleet;
	struct plan *plan;
	struct board *board;
	struct rollout *rollout;
	struct scene scene;
	struct ops ops[FIXTURE_STEPS_MAX];
	const char *texts[FIXTURE_STEPS_MAX][8];	/* previews of ops */
	struct check_result *results[FIXTURE_STEPS_MAX][2];
	size_t	 nresults[FIXTURE_STEPS_MAX][2];
	struct canary canaries[4];	/* of the plan's first step that has them */
	size_t	 ncanaries;
	bool	 canaries_over;
	struct running running;
	bool	 runs;
	struct history_line history[16];
	size_t	 nhistory;
	bool	 processes;		/* fixture_hosts() tells one */
	int	 waiting;		/* step, or NONE */
	int	 kept_step;		/* somebody else's change to its first op's file is kept; or NONE */
	int	 since_step, since;	/* somebody else wrote to its first op's file since that step */
	struct proof proof;
	struct proven proven;
	const char *waiver;		/* why the check `proof` is waived, of every step; or NULL */
	const char *turn;		/* why no step may be taken out of its turn; NULL: each may */
};

/* with_plan false: as `belay -f FLEET` alone. */
void	fixture_init(struct fixture *, bool with_plan);
/* With another plan than plan.yaml; NULL: none. */
void	fixture_init_plan(struct fixture *, const char *path);
void	fixture_release(struct fixture *);
int	fixture_step(const struct fixture *, const char *id);
/* Puts a step in a phase, as the journal would. */
void	fixture_phase(struct fixture *, const char *id, enum phase, const char *why);
void	fixture_op(struct fixture *, const char *id, int op, enum record_kind, enum op_outcome, const char *why);
/* The result of the i-th check of a step. */
void	fixture_result(struct fixture *, const char *id, bool gate, size_t i, enum judgement, const char *why);

/* Steps may be undone out of their turn, unless there is a reason why not (struct fixture, turn). */
void	fixture_turns(struct fixture *);
/* What an engine would have found to contradict the run: a line each, each ended. */
void	fixture_contradicted(struct fixture *, const char *lines, size_t n);

/* Readings, each `ago_ms` old. */
void	fixture_census(struct fixture *, const char *endpoint, int64_t ago_ms, const char *spec);
void	fixture_served(struct fixture *, const char *endpoint, int64_t ago_ms, bool plain, bool tls, bool verified);
void	fixture_dial(struct fixture *, const char *link, enum dial);
void	fixture_accept(struct fixture *, const char *endpoint, enum accept);
/* Sends the dials and accepts gathered so far as readings of their hosts. */
void	fixture_hosts(struct fixture *, int64_t ago_ms);

/* The moment that most screens are of: four steps done, one `for` begun. */
void	fixture_halfway(struct fixture *);

#endif
