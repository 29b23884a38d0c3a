/*
 * proof: does any posture that the plan can reach strand a declared client?
 * Pure; the verdict of one connection is posture_verdict()'s.
 *
 * What is walked: every prefix of the plan, with each optional step taken or
 * skipped; the way back, last in first out; and of each step in flight, in
 * either direction, every subset of it that can be in force: edits written
 * and not activated, units activated or not, by belay or by anybody's restart
 * (a crash, a reboot: whatever is written on a unit's hosts may come into
 * force at any time).  A facet's change counts from the last of its edits.
 *
 * What a link's verdict hangs on is small: its own facets and those of its
 * endpoint.  So each link is walked by itself, over the steps that move one
 * of these, as a set of distinct states; cost is about linear in links ×
 * steps that concern them.  A pooler that cannot reach its server makes its
 * clients hang: they inherit the counter-example of the pooler's own link.
 *
 * A dial or an accept that nobody told is taken as each value under which the
 * link works at the start.
 */
#ifndef BELAY_CORE_PROOF_H
#define BELAY_CORE_PROOF_H

#include <stddef.h>

#include "core/plan.h"
#include "core/posture.h"

struct buf;

/* Something that happens on the way to a refusal, in order. */
enum event_what {
	WAY_APPLIED,	/* steps `first` to `step`, whole (optional ones among them that are skipped are not listed) */
	WAY_SKIPPED,	/* the optional step `step` */
	WAY_BEGUN,	/* `step` is in flight, forward */
	WAY_UNDOING,	/* `step` is in flight, backward */
	WAY_WRITTEN,	/* `move` of that step is on disk (UNDOING: is back as it was) */
	WAY_ACTIVATED,	/* `unit`, by the step or by somebody else's restart */
	WAY_NOT_ACTIVATED /* `unit` still runs what it ran before the step */
};
struct way {
	enum event_what what;
	int	 first, step, move, unit;	/* NONE where it says nothing */
};

struct counter {		/* one counter-example: the shortest for its link */
	int	 link;
	enum verdict verdict;	/* REFUSED or HANGS */
	const char *why;	/* constant */
	int	 because;	/* HANGS: the pooler's link that is refused, else NONE */
	int	 step;		/* the step in flight, or the last that was applied; NONE: at the start */
	bool	 in_flight, undoing;
	/*
	 * Sessions that are open go on (nothing that was activated restarts the
	 * client or the endpoint): the outage comes when they reconnect.
	 */
	bool	 delayed;
	struct way *way;	size_t nways;
	enum accept accept;	/* what is in force there and then */
	enum dial dial;
	int	 cert, trust;	/* certs, or NONE, CERT_UNKNOWN */
	/* The nearest change of order without any counter-example: move step `fix_step` behind `fix_after` (NONE: to the front); fix_step NONE: none was found. */
	int	 fix_step, fix_after;
};

struct proof {
	size_t	 nstates;	/* distinct states of links that were looked at */
	size_t	 nlinks;	/* links walked */
	struct counter *counters; size_t ncounters;	/* shortest first; at most one for a link */
	struct indices unknown;	/* links that the plan concerns and whose verdict somewhere is not known */
	struct indices excused;	/* links that are refused or hang and that the plan says may-refuse */
};

/*
 * from: where the walk starts (NULL: posture_from()); `first`: the steps
 * before it stand already and are not undone by the walk.  fix: look for the
 * nearest safe change of order too (costs some more proofs).
 */
void	proof_run(struct proof *ret, const struct fleet *, const struct plan *,
	    const struct posture *from, size_t first, bool fix);
void	proof_release(struct proof *);

/* The counter-example in words: one line for the verdict, then one for each part of the way. */
void	counter_text(struct buf *out, const struct fleet *, const struct plan *, const struct counter *);
/* One line: "after step 4 'pool-both', with 'flip-web' in flight: web -> pgbouncer is refused: …". */
void	counter_line(struct buf *out, const struct fleet *, const struct plan *, const struct counter *);
/* What no proof here considers, one sentence each; ends with NULL. */
extern const char *const proof_leaves_out[];

#endif
