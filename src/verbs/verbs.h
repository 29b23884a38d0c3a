/*
 * verbs: the headless face.  Each verb is one function from parsed options to
 * an exit code; none needs a terminal, and none prompts where there is none.
 */
#ifndef BELAY_VERBS_VERBS_H
#define BELAY_VERBS_VERBS_H

#include <stdbool.h>

/* The exit codes, as documented in belay(1). */
enum exit_code {
	EXIT_DONE = 0,
	EXIT_ERROR = 1,
	EXIT_PENDING = 2,	/* changes pending; status: not all TLS (with --check) */
	EXIT_PERSON = 3,	/* needs a person */
	EXIT_UNDONE = 4,	/* undone after a fault */
	EXIT_DOUBT = 5,
	EXIT_LOCKED = 6,	/* by somebody else */
	/* certs: what is presented, or a CA, ends within … days; see core/expiry.h */
	EXIT_NOTICE = 7,	/* 90 */
	EXIT_RENEW = 8,		/* 30, or as the fleet says */
	EXIT_URGENT = 9		/* 7, or has ended */
};

struct verb_options {
	const char *fleet, *plan;	/* plan may be NULL */
	const char *ssh_config, *program;
	const char *step;		/* STEP, or NULL */
	const char *name;		/* certs revoke NAME */
	const char *to;			/* --to STEP, or NULL */
	bool	 all, json, metrics, watch, check, deep, expanded, print, skip_optional;
	bool	 yes;
	const char *yes_environment;	/* --yes=ENVIRONMENT */
	const char *reason;
	const char *const *waive;	/* names of checks; ends with NULL */
	const char *const *attest;	/* what is vouched for; ends with NULL */
	const char *const *keep;	/* HOST:PATH; ends with NULL */
};

int	verb_status(const struct verb_options *);
int	verb_check(const struct verb_options *);
int	verb_diff(const struct verb_options *);
int	verb_apply(const struct verb_options *);
int	verb_undo(const struct verb_options *);
int	verb_verify(const struct verb_options *);
int	verb_history(const struct verb_options *);
int	verb_explain(const struct verb_options *);	/* step: what is to be explained */
int	verb_certs(const struct verb_options *);	/* step: "revoke", of the certificate `name` */
int	verb_adopt(const struct verb_options *);
int	verb_unlock(const struct verb_options *);

#endif
