/*
 * settings: reads and writes settings of a running server, by statements of
 * its admin (statement.h); what a value is stands in core/setting.h.
 *
 * Reads and writes go one at a time on one session; each ends with one answer,
 * from the loop, unless the whole is freed first.  Nothing is decided here but
 * what the server could not take.
 */
#ifndef BELAY_REMOTE_SETTINGS_H
#define BELAY_REMOTE_SETTINGS_H

#include "core/setting.h"
#include "remote/statement.h"

struct settings;

/* What the server says of one name. */
struct setting_seen {
	char	*value;		/* see core/setting.h; NULL: none */
	char	*otherwise;	/* POSTGRES, where value is NULL: what is in force, and by what; else NULL */
	char	*refusal;	/* why it cannot be changed so, or NULL */
	char	*effect;	/* "ALTER SYSTEM; takes effect at a reload" */
};

struct settings_end {
	enum statement_end end;
	const char *why;	/* NULL where DONE */
	size_t	 changed;	/* a write: how many names, before that end */
};

typedef void settings_done(void *arg, const struct settings_end *);	/* borrowed */

/* The names are copied; at most SETTING_NAMES_MAX. */
struct settings *settings_new(struct probes *, int endpoint, const struct pairs *names,
	    bool persist, int64_t deadline_ms);
void	settings_free(struct settings *);		/* no answer follows; NULL is fine */

void	settings_read(struct settings *, settings_done *, void *arg);
/* What the last read saw, by place among the names. */
const struct setting_seen *settings_seen(const struct settings *, size_t i);
/* Where a CONFIG REWRITE would write, or NULL; of a Redis. */
const char *settings_kept_in(const struct settings *);
/*
 * Whether the values can be set now, after a read: -1 with the reason.  Pairs
 * by the same places; those that are so already are not looked at.
 */
int	settings_may(const struct settings *, const struct pairs *to, struct err *);
/*
 * Sets what is not so already (by the last read); keep: then CONFIG REWRITE of a
 * Redis, also where nothing had to be set.  REFUSED with changed > 0: a part of it stands.
 */
void	settings_write(struct settings *, const struct pairs *to, bool keep, settings_done *, void *arg);
/* Are all of them as the last read saw them? */
bool	settings_are(const struct settings *, const struct pairs *);

#endif
