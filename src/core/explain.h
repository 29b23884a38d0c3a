/*
 * explain: what is wrong with the links of a fleet as the board shows them,
 * why, and what mends it.  Pure: fills in the clues of diagnose.h from the
 * latest readings; nobody has complained yet, so that only facts decide.
 */
#ifndef BELAY_CORE_EXPLAIN_H
#define BELAY_CORE_EXPLAIN_H

#include "core/board.h"
#include "core/diagnose.h"

#define NO_CAUSE (-1)

struct explained {
	int	 host, endpoint, link;	/* one of them, the others NONE */
	int	 cause;			/* enum cause, or NO_CAUSE: `because` says all there is */
	bool	 sure;
	char	*because;		/* or NULL; may hold remote bytes */
	char	*rests;			/* which looks it rests on, and how old they are; or NULL */
};

struct explanations {
	struct explained *v;
	size_t	 n;
};

/*
 * Everything, or what the name stands for: a host, an endpoint, a link, or a client (its
 * links).  Hosts first, then endpoints, then links, in the fleet's order.  -1: there is no such name.
 */
int	explain_board(struct explanations *ret, const struct fleet *, const struct board *, int64_t now_ms,
	    const char *name /* may be NULL */, struct err *);
/*
 * What concerns one of them (the others NONE): of a link itself, its endpoint, the hosts of
 * both, and where it goes through a pooler the pooler's own links; of an endpoint its hosts
 * and who dials it; of a host its endpoints and who dials from it.  The thing itself first.
 */
void	explain_about(struct explanations *ret, const struct fleet *, const struct board *, int64_t now_ms, int host,
	    int endpoint, int link);
/*
 * Somebody said something of a failure: a check, an operation, a log.  The words decide with
 * what is seen of the endpoint and the link (NONE where it is about none); nothing: no row of the table fits.
 */
void	explain_said(struct explanations *ret, const struct fleet *, const struct board *, int64_t now_ms, int endpoint,
	    int link, enum speaker, const char *said);
void	explanations_release(struct explanations *);
/* What it is about, in words: "host db", "redis", "web -> redis". */
const char *explained_of(const struct fleet *, const struct explained *);

#endif
