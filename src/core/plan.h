/*
 * plan: a path through postures.  An ordered list of steps, each of which
 * moves one or several facets, with guards before and proofs after.
 *
 * Read against a fleet by plan_parse(): selectors, `for` and $(name) are
 * expanded, subjects are indices into the fleet.  Immutable afterwards.
 *
 * The format is documented in belay-plan(5).
 */
#ifndef BELAY_CORE_PLAN_H
#define BELAY_CORE_PLAN_H

#include "core/canary.h"
#include "core/fleet.h"
#include "core/trust.h"

struct buf;

enum facet { FACET_ACCEPT, FACET_CERT, FACET_DIAL, FACET_TRUST, FACET_PRESENT };
const char *facet_word(enum facet);

/* One facet's change. */
struct move {
	enum facet facet;
	int	 subject;	/* endpoint (accept), cert (cert), link (dial, trust, present) */
	int	 value;		/* enum accept, enum dial, a cert's index; trust: a set of certs (trust.h) */
	bool	 renew;		/* cert: one that is near its end is made anew */
	bool	 replace;	/* cert: its key leaked: one is made anew at once, and what was issued before is revoked */
	struct pos pos;
};

/* Of CHECK_REFUSED: "plaintext", "tls", "no-certificate". */
const char *refused_word(enum accept);

/* What can be asked before (requires) or after (gate) a step. */
enum check_kind {
	CHECK_SERVED,	/* a verified handshake at an endpoint */
	CHECK_REFUSED,	/* plaintext (or tls) is refused there */
	CHECK_CENSUS,	/* no declared client on plaintext there; implied */
	CHECK_SETTING,	/* the server's own word for a setting */
	CHECK_LOG,	/* absent or contains, since the step */
	CHECK_HTTP,	/* a status from a host */
	CHECK_COMMAND,	/* a command's exit status and output */
	CHECK_FILE,	/* reserved: not yet, and those below */
	CHECK_JOB, CHECK_SEEN, CHECK_STEADY, CHECK_ATTEST, CHECK_REHEARSAL,
	CHECK_CAN_TLS,	/* implied: the client's build can do TLS */
	CHECK_LINK_TLS,	/* implied by dial: the link's sessions are all on TLS, and there is one */
	CHECK_LINK_UP,	/* implied: the link has sessions again (any) */
	CHECK_DIAL_SET,	/* implied: the value is what is written on the host */
	CHECK_PROOF,	/* implied: what is left of the plan strands nobody, from the posture at hand */
	CHECK_LINK_NEW,	/* implied by drain: new connections of the link are on TLS */
	CHECK_HBA,	/* implied: no session that is seen loses its line of pg_hba.conf */
	CHECK_UNSEEN,	/* implied: a Redis has had no connection that nobody saw */
	CHECK_CANARY,	/* implied by canary: new connections of the link come through */
	CHECK_PRESENTS,	/* implied by cert: what the endpoint presents is what was issued last */
	CHECK_TRUSTS	/* implied by trust, and by cert where another CA's is replaced: the client's file holds these CAs */
};
#define CHECK_COUNT 24
const char *check_kind_word(enum check_kind);

struct check {
	enum check_kind kind;
	struct pos pos;
	bool	 implied;	/* by a facet, not written in the plan */
	char	*name;		/* for the screen, --waive and the journal: "served postgres" */
	int	 endpoint, link, host;	/* NONE where not given */
	int	 cert;		/* CHECK_PRESENTS; TRUSTS: that is about to be presented to the link, or NONE */
	enum accept accept;	/* CHECK_REFUSED: PLAIN or TLS; MUTUAL: TLS without a client certificate.
				 * CHECK_REHEARSAL: MUTUAL where one has to be asked for, and shown */
	enum dial dial;		/* CHECK_DIAL_SET: the value that has to be written there; REHEARSAL: to be tried, or UNKNOWN: as it is set */
	enum dial known;	/* REHEARSAL: how it dials where no file says it; whoever asks knows (board.h), no plan does */
	int	 trust;		/* REHEARSAL: the CAs that its file will hold (trust.h), or NONE: as it is; TRUSTS: those that it has to hold */
	int64_t	 within_ms;	/* SEEN: so long ago counts, too; 0: since the step */
	bool	 lands;		/* … but only where there is no file yet: it comes with the activation */
	enum proto proto_min;
	char	*cipher;
	char	*setting, *value;	/* CHECK_SETTING: equals */
	char	*contains, *absent;	/* LOG, COMMAND (output), HTTP (body, reserved) */
	char	*url;		/* HTTP */
	int	 status;	/* HTTP 200, COMMAND exit status 0 */
	char	*run, *in;	/* COMMAND */
	char	*text;		/* ATTEST; LOG of a client: its name; not yet: as written */
	int64_t	 deadline_ms;
	const char *not_yet;
};
void	check_release(struct check *);

struct excuse {			/* may-refuse */
	int	 link;
	char	*reason;
};

/* Whether a step that faults waits for a person or takes itself back. */
enum on_fault { ON_FAULT_PAUSE, ON_FAULT_UNDO };

struct drain {			/* ends the sessions at an endpoint that are still on plaintext */
	int	 endpoint;
	struct pos pos;
	int64_t	 pace_ms;	/* one every so often */
	bool	 undeclared;	/* those of clients that the fleet does not know too */
};
#define DRAIN_PACE_MS	200	/* where nothing else is said */
#define DRAIN_PACE_MAX_MS 60000

/* New connections that are made on purpose while the step is under way; see canary.h. */
struct step_canary {
	int	 link;
	struct pos pos;
	struct canary_terms terms;	/* not given: the step leaves out what the link declares */
};

struct exercise {		/* a client that is made to connect now, by its own command */
	int	 client;
	struct pos pos;
};

struct step {
	char	*id;		/* unique after expansion */
	char	*of;		/* "flip-web" of "flip-web@web-1", one batch of it; or NULL */
	struct pos pos;
	char	*title;		/* what it does, in words; made from the moves where not given */
	int	 group;		/* row it belongs to: index into plan->groups */
	struct move *moves;	size_t nmoves;
	struct bedit *runs;	size_t nruns;		/* run: */
	struct drain *drains;	size_t ndrains;		/* drain: */
	struct exercise *exercises;	size_t nexercises;	/* exercise: their commands are among `runs` */
	struct indices activates;	/* activate: units, besides those that its moves activate */
	struct check *requires;	size_t nrequires;	/* implied ones included */
	struct check *gates;	size_t ngates;		/* implied ones included, in the order they are shown */
	int64_t	 soak_ms;
	struct step_canary *canaries;	size_t ncanaries;	/* of each link at most one */
	enum on_fault on_fault;	/* its own word, else the plan's */
	bool	 optional;
	struct excuse *excuses;	size_t nexcuses;
	const char *not_yet;
};

struct group {			/* one row of the screen: a `for` folded, or a single step */
	char	*title;
	size_t	 first, n;	/* steps */
};

struct plan {
	char	*path;
	char	*name;
	enum accept from_accept;	/* ACCEPT_UNKNOWN where not given */
	enum dial from_dial;
	struct indices from_certs;	/* installed, and trusted by those whom the fleet lets trust them */
	enum on_fault on_fault;
	struct step *steps;	size_t nsteps;
	struct group *groups;	size_t ngroups;
	char	 sha256[65];	/* of the text, hexadecimal; set by the caller that can hash */
	struct strings not_yet;
};

int	plan_parse(struct plan **ret, const struct fleet *, const char *path,
	    const char *text, size_t len_bytes, struct err *);
void	plan_free(struct plan *);
int	plan_step(const struct plan *, const char *id);		/* or NONE */
/*
 * The steps that a name stands for: one, or all the batches of one, which
 * stand side by side.  0: there is none.
 */
size_t	plan_steps(const struct plan *, const char *name, int *ret_first);

/* The units that a step activates, each once: those of what it writes, then those that it names.  Adds to *ret. */
void	step_units(const struct fleet *, const struct step *, struct indices *ret);
/*
 * Whether the step's activation is the first that can show, at an endpoint that speaks TLS by then, a
 * certificate that lands at an activation and that this step or one before it installs or renews.
 */
bool	plan_takes_up(const struct fleet *, const struct plan *, size_t step, int cert, int endpoint);

/*
 * What undoes a command of a value of accept or dial that is undone by value and takes
 * none: the command, observed by the same words on the same hosts, of the value that the facet
 * has before the step, as the plan has it; NULL: there is none.
 */
const struct bedit *plan_earlier(const struct fleet *, const struct plan *, int step, const struct move *,
	    const struct bedit *command, int *ret_value);
/*
 * Whether what a trust move of this step wrote goes back behind the activations.  So does the
 * first CA file that a client is given: whoever still verifies reads it at each new connection,
 * until it is activated.  A client that had one before gets that back first: there are those that
 * read it once, when they are activated, and have to find it then.
 */
bool	plan_trust_goes_last(const struct fleet *, const struct plan *, int step, int link);
/* A command of the move that has no such one; or NULL. */
const struct bedit *plan_cannot_go_back(const struct fleet *, const struct plan *, int step, const struct move *);
/* Accepting so it turns away whoever shows no certificate, and belay has none for it. */
bool	endpoint_shuts_out(const struct endpoint *, enum accept);
/*
 * The first step for which, or for the way back of which, belay would have to log in where it is
 * shut out: the endpoint, with *ret_step; or NONE.
 */
int	plan_shuts_out(const struct fleet *, const struct plan *, int *ret_step);

/* The plan after expansion, as YAML that plan_parse() reads back to the same plan. */
void	plan_print(const struct plan *, const struct fleet *, struct buf *out);

#endif
