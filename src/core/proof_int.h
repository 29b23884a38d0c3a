/*
 * proof_int: what the files of the proof share.  Private to them.
 *
 * proof.c        the walk of a link; the proof as a whole
 * proof_step.c   what each step changes, and which units it activates
 * proof_way.c    a counter-example, and the way there
 * proof_order.c  the nearest order that is safe
 * proof_text.c   the words
 */
#ifndef BELAY_CORE_PROOF_INT_H
#define BELAY_CORE_PROOF_INT_H

#include "core/proof.h"

enum field { OF_ACCEPT, OF_CERT, OF_DIAL, OF_TRUST, OF_PRESENT, OF_LANDED };
#define NFIELDS 6
#define SIDE_CLIENT 0
#define SIDE_ENDPOINT 1
#define KEEPS (-1)	/* a unit that was not activated since the step began */

struct state {
	int	 conf[NFIELDS], eff[NFIELDS];
	int	 from;		/* index of the state before, or NONE */
	int	 step;		/* that led here, or NONE */
	bool	 skipped;	/* by being left out */
	int	 took[2];	/* up to which place of it a unit that it does not activate has taken over, or KEEPS */
	bool	 guessed;
};

struct event {			/* a field of the cone changes */
	int	 step, place;	/* place of the move's last edit among the step's files, from 1; 0: before any */
	int	 move;
	enum field field;
	int	 value;
	bool	 at_once;	/* in force as soon as it is written, activated or not */
	bool	 last;		/* and on the way back until all else is activated */
};

struct events {
	struct event *v;
	size_t	 n;
};

struct walk {
	const struct fleet *f;
	const struct plan *plan;
	const int *order;	/* the steps in the order that is tried */
	size_t	 first;
	struct posture at;	/* the start; then a scratch that attempts are made from */
	struct posture start;
	struct events *by_link, *by_endpoint, *by_cert;	/* in the plan's own order */
	bool	*activates;	/* [step × nunits] */
	int	*place_of;	/* by step: its place in `order` */
	/* of the link being walked */
	struct state *states;	/* generation after generation: one for each step that concerns the link */
	size_t	 nstates, room, young;	/* young: the first of the generation that is being made */
	int	*table;		/* open addressing over the young states; NONE: empty */
	size_t	 ntable;
	struct events own;
	size_t	 seen;		/* states looked at, in all */
};

struct found {
	struct counter *counter;	/* the shortest that nothing excuses */
	struct counter *excused;	/* the first that something does */
	bool	 unknown;
};

/* proof.c */
int	trust_of(const struct link *, const int *eff);	/* the CA that is in force, a file that has not landed reckoned with */
int	side(enum field);
void	walk_link(struct walk *, int link, struct found *ret);
void	set_order(struct walk *, const int *order);	/* borrowed */

/* proof_step.c */
int	client_unit(const struct fleet *, int link);	/* whose activation moves the link's own facets, or NONE */
void	step_events(struct walk *, size_t step);

/* proof_way.c */
bool	cuts(const struct walk *, int step, int unit);	/* the step, applied whole, restarts what runs there */
void	way_in_flight(struct walk *, struct counter *, int link, const struct event *, size_t n,
	    const int p[2], int front, int back);
struct counter *counter_new(struct walk *, int link, int state, int step, bool whole, enum verdict,
	    const char *why, const int *eff);
void	counter_free(struct counter *);

/* proof_order.c */
void	mend(struct walk *, const struct found *, struct counter *);

#endif
