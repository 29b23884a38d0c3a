/*
 * proof: does any posture that the plan can reach strand a declared client?
 * Pure; the verdict of one connection is attempt_verdict()'s.
 *
 * What is walked: every prefix of the plan, with each optional step taken or
 * skipped; the way back, last in first out; and of each step in flight, in
 * either direction, every part of it that can be in force: edits written and
 * not activated, units activated or not, by belay or by anybody's restart
 * (a crash, a reboot: whatever is written on a unit's hosts may come into
 * force at any time).  The edits of a step are written in their order and
 * taken back in the reverse one; edits of one file are one.  A CA file that a
 * step writes is read by whoever connects next, activated or not; on the way
 * back it is the last to go (ops_of_step()).  A client without a unit, which
 * nothing activates, reads all that is its own so; on the way back that is
 * gone before the units are activated again.  A step that is taken back
 * activates every unit that its edits may have reached.
 *
 * What a link's verdict hangs on is small: its own facets and those of its
 * endpoint.  So each link is walked by itself, over the steps that move one
 * of these, as a set of distinct states: the cost is about linear in links ×
 * steps that concern them.  A pooler that cannot reach its server makes its
 * clients hang: they inherit the counter-example of the pooler's own link.
 *
 * A dial or an accept that nobody told is taken as each value under which the
 * link works at the start.
 */
#ifndef BELAY_CORE_PROOF_H
#define BELAY_CORE_PROOF_H

#include <stdbool.h>
#include <stddef.h>

#include "core/plan.h"
#include "core/posture.h"

struct buf;

/* What happens on the way to a refusal, in order. */
enum way_what {
	WAY_APPLIED,	/* `step` to `last`, but for those skipped, which follow */
	WAY_SKIPPED,	/* the optional step `step` */
	WAY_BEGUN,	/* `step`, or its undo, is in flight; what follows is of it */
	WAY_WRITTEN,	/* `move` of it stands on disk */
	/*
	 * `unit` has taken over what is written: activated, or, behind steps
	 * that are applied and do not activate it, restarted by somebody.
	 */
	WAY_IN_FORCE,
	WAY_TAKEN_BACK,	/* `move` of it, written before, does so no more */
	WAY_NOT_YET	/* `unit` still runs what it ran before the step */
};
struct way {
	enum way_what what;
	int	 step, last, move, unit;	/* NONE where it says nothing */
};

struct counter {		/* one counter-example: the shortest for its link */
	int	 link;
	enum verdict verdict;	/* REFUSED or HANGS */
	const char *why;	/* constant */
	int	 because;	/* HANGS: the pooler's link that is refused, else NONE */
	int	 step;		/* in flight, or the last that was applied; NONE: before the first */
	bool	 in_flight;
	/*
	 * Sessions that are open go on, since nothing that came into force
	 * restarts the client or the endpoint: it fails when they connect again.
	 */
	bool	 delayed;
	/*
	 * The step whose drain ends its open sessions, those on plaintext, while it cannot
	 * connect again: from then on that is an outage.  NONE: the plan has none such.
	 */
	int	 drained;
	bool	 guessed;	/* the dial or the accept at the start is not known: one that is possible */
	struct way *way;	size_t nway;
	/* In force there and then. */
	enum accept accept;
	enum dial dial;
	int	 cert, trust;	/* a cert, NONE or CERT_UNKNOWN; and a set of them (trust.h) */
	/*
	 * The nearest change of order that frees this link, strands no other
	 * and ends where the plan ends: step `fix_step` comes right after `fix_after` (NONE: first).
	 * fix_step NONE: there is none, or nobody looked.
	 */
	int	 fix_step, fix_after;
};

struct proof {
	size_t	 nstates;	/* distinct states of links that were looked at */
	size_t	 nlinks;
	struct counter *counters; size_t ncounters;	/* shortest first; at most one for a link */
	struct indices unknown;	/* links that the plan concerns and whose verdict is somewhere not known */
	struct indices excused;	/* links that are refused or hang, as the plan says they may */
};

/*
 * from: where the walk starts, NULL for posture_from(); the steps before
 * `first` stand already in it and are not taken back by the walk.
 */
void	proof_run(struct proof *ret, const struct fleet *, const struct plan *,
	    const struct posture *from, size_t first);
void	proof_release(struct proof *);
/*
 * The first step behind `after` (NONE: any) whose drain ends the plaintext sessions of a
 * link that is refused or hangs by then, with all steps before it taken; or NONE.
 */
int	proof_drained(const struct fleet *, const struct plan *, const struct posture *from, size_t first,
	    int link, int after);

/* One line: "after step 4 'pool-tls': web -> pgbouncer is refused: …". */
void	counter_line(struct buf *out, const struct fleet *, const struct plan *, const struct counter *);
/* The whole story, several lines, each ended. */
void	counter_text(struct buf *out, const struct fleet *, const struct plan *, const struct counter *);
/* One part of the way, as one line without its end. */
void	way_text(struct buf *out, const struct fleet *, const struct plan *, const struct way *);
/* The change of order in words; empty where there is none. */
void	fix_text(struct buf *out, const struct plan *, const struct counter *);

/* What no proof here considers, a phrase each; ends with NULL. */
extern const char *const proof_leaves_out[];

#endif
