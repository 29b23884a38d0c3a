/*
 * gate: what must be shown.  Judges a step's checks by the board.  Pure.
 *
 * A check passes, fails, or is inconclusive, which is never a pass.  Only
 * readings taken at or after `since_ms` count: what was seen before the step
 * proves nothing about it.
 */
#ifndef BELAY_CORE_GATE_H
#define BELAY_CORE_GATE_H

#include "core/board.h"
#include "core/plan.h"

enum judgement {
	CHECK_PENDING,		/* nothing fresh enough was seen yet */
	CHECK_PASS, CHECK_FAIL, CHECK_INCONCLUSIVE,
	CHECK_WAIVED,		/* by name and with a reason; the mark stays */
	CHECK_NOT_TRIED		/* a rehearsal that nobody wrote and that cannot be made from here: it stands in nobody's way */
};
const char *judgement_word(enum judgement);

struct check_result {
	enum judgement judgement;
	char	why[512];	/* who is in the way, and where; may hold remote bytes */
};

/*
 * `own` is the READING_CHECK of a log, http, setting or command check, the READING_REHEARSAL of a rehearsal, or
 * NULL while there is none; checks that the board answers ignore it.
 */
void	check_judge(const struct check *, const struct fleet *, const struct board *,
	    const struct reading *own, int64_t since_ms, struct check_result *ret);

/* What has to be probed for a check, so that somebody can ask for it now. */
struct wants {
	bool	own;			/* a probe_check of its own */
	bool	served, census, settings;	/* of `endpoint` */
	int	endpoint;		/* or NONE */
	int	host;			/* read this host's files, or NONE */
};
void	check_wants(const struct check *, const struct fleet *, struct wants *ret);

#endif
