/*
 * drain_int: what the files of drain share.  Nobody else includes it.
 */
#ifndef BELAY_REMOTE_DRAIN_INT_H
#define BELAY_REMOTE_DRAIN_INT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "remote/hostops_int.h"
#include "remote/pooler.h"
#include "remote/statement.h"

struct sitting {		/* a session on plaintext */
	char	*id, *began;	/* began: Postgres */
	char	*words;		/* clean text */
	int	 link;		/* or NONE: of a client that was not declared */
	int	 pooler;	/* the endpoint whose own it is, and that can be told so; else NONE */
	bool	 left;		/* of one that is waited for: it is gone */
};

enum drain_for { FOR_PREVIEW, FOR_ENDING, FOR_LEAVING, FOR_THE_END };

enum pooler_state {
	POOLER_UNTOLD,
	POOLER_GIVES_UP,	/* it was told: what it leaves is waited for */
	POOLER_HOLDS		/* that is over, or it cannot be told: what it holds is ended */
};

struct drain_op {
	struct hostop *h;
	struct statement *statement;
	enum drain_for purpose;
	struct sitting *v;
	size_t	 n, at;
	struct pooler *pooler;		/* that is being told */
	int	 pooler_at;
	enum pooler_state *poolers;	/* by endpoint */
	struct sitting *leaving;	/* what they give up */
	size_t	 nleaving;
	int64_t	 leave_until;
	size_t	 ended, recycled, gone, refused, left_alone, left, undeclared;
	char	 since[64];	/* Postgres: when it began; Redis: the id from which on they are newer */
	bool	 since_known;
	char	 version[64];	/* of a PgBouncer, in its own words: clean text */
	bool	 version_known;
	bool	 cannot;	/* no single client can be ended here */
	bool	 more;		/* the list was cut */
	int64_t	 hold_until;
	char	 why[ERR_MAX];	/* of the first one refused */
};

/* drain.c */
void	drain_listed(struct drain_op *);	/* the list is there: what it is for goes on */
const struct endpoint *drain_endpoint(const struct drain_op *);

/* drain_list.c */
/* Asks who is on plaintext: into v, then drain_listed(); or the end, and why. */
void	drain_list(struct drain_op *);
void	drain_forget_list(struct drain_op *);
void	drain_free_sittings(struct sitting *, size_t n);

#endif
