/*
 * complaints: see complaints.h.  Owns a row for each cause and side, and the
 * line that is being put together.
 */
#include "core/complaints.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/diagnose.h"
#include "core/mem.h"

#define LINE_MAX_BYTES	2048	/* the rest of a longer one is not read */

struct row {
	uint32_t count;
	int64_t	 first_ms, last_ms;
	char	*text;		/* NULL: none */
};

struct complaints {
	enum kind kind;
	struct row rows[2][CAUSE_COUNT];	/* [1]: of a pooler's own link */
	char	 line[LINE_MAX_BYTES];
	size_t	 len;
	/* A pooler's "TLS handshake error" names no connection; the one that is closed next had it. */
	char	 pending[COMPLAINT_TEXT_MAX + 1];
	int64_t	 pending_ms;
};

static bool
is_load(enum cause cause)
{
	return cause <= CAUSE_TLS_NOT_LOADED;
}

/* Logging in, and what only looks at a moment, is told by others. */
static bool
is_kept(enum cause cause)
{
	return is_load(cause) || (cause >= CAUSE_TLS_TO_PLAINTEXT && cause <= CAUSE_PLAINTEXT_TO_TLS) ||
	    (cause >= CAUSE_CLOCK && cause <= CAUSE_CIPHER) || cause == CAUSE_POOLER_LEG;
}

struct complaints *
complaints_new(enum kind kind)
{
	struct complaints *c = mem_alloc(sizeof(*c));

	c->kind = kind;
	return c;
}

static void
forget(struct row *r)
{
	free(r->text);
	memset(r, 0, sizeof(*r));
}

void
complaints_free(struct complaints *c)
{
	size_t i;

	if (c == NULL)
		return;
	for (i = 0; i < CAUSE_COUNT; i++) {
		forget(&c->rows[0][i]);
		forget(&c->rows[1][i]);
	}
	free(c);
}

void
complaints_gap(struct complaints *c)
{
	c->len = 0;
	c->pending[0] = '\0';
}

/* Does the server begin anew with what it is given? */
static bool
begins_anew(enum kind kind, const char *line)
{
	static const char *const words[KIND_COUNT][4] = {
		[KIND_POSTGRES] = { "received SIGHUP", "starting PostgreSQL", NULL },
		[KIND_PGBOUNCER] = { "got SIGHUP", "RELOAD command issued", "process up", NULL },
		[KIND_REDIS] = { "Redis is starting", "Server initialized", NULL },
	};
	size_t i;

	for (i = 0; words[kind][i] != NULL; i++)
		if (strstr(line, words[kind][i]) != NULL)
			return true;
	return false;
}

/* Without what stands before it: time, process, severity. */
static const char *
message_of(const char *line)
{
	static const char *const severities[] = {
		"LOG:  ", "FATAL:  ", "WARNING:  ", "ERROR:  ", " WARNING ", " ERROR ", " FATAL ", " LOG ", " # ", " * ", NULL
	};
	const char *at, *best = NULL;
	size_t i;

	for (i = 0; severities[i] != NULL; i++)
		if ((at = strstr(line, severities[i])) != NULL && (best == NULL || at + strlen(severities[i]) < best))
			best = at + strlen(severities[i]);
	return best == NULL ? line : best;
}

static void
keep(struct complaints *c, const char *message, bool leg, int64_t at_ms)
{
	enum cause cause;
	struct row *r;

	if (!cause_said(message, leg ? SAID_BY_CLIENT : SAID_BY_SERVER, &cause) || !is_kept(cause))
		return;
	leg = leg || (c->kind == KIND_PGBOUNCER && cause == CAUSE_POOLER_LEG);
	r = &c->rows[leg][cause];
	if (r->text == NULL)
		r->first_ms = at_ms;
	r->count++;
	r->last_ms = at_ms;
	free(r->text);
	r->text = mem_strndup(message, strnlen(message, COMPLAINT_TEXT_MAX));
}

static void
take_line(struct complaints *c, int64_t at_ms)
{
	const char *message;
	bool server, client;
	size_t i;

	c->line[c->len] = '\0';
	c->len = 0;
	if (begins_anew(c->kind, c->line))
		for (i = 0; i < CAUSE_COUNT; i++)
			if (is_load((enum cause)i))
				forget(&c->rows[0][i]);
	message = message_of(c->line);
	/* "S-0x55e: db/user@10.0.0.1:5432 …": a pooler of one of its own connections to a server; C: of a client's. */
	server = c->kind == KIND_PGBOUNCER && strncmp(message, "S-0x", 4) == 0;
	client = c->kind == KIND_PGBOUNCER && strncmp(message, "C-0x", 4) == 0;
	if (c->pending[0] != '\0' && (server || client) && strstr(message, "closing because") != NULL) {
		keep(c, c->pending, server, c->pending_ms);
		c->pending[0] = '\0';
	}
	if (c->kind == KIND_PGBOUNCER && strncmp(message, "TLS handshake error", 19) == 0) {
		(void)snprintf(c->pending, sizeof(c->pending), "%.*s", COMPLAINT_TEXT_MAX, message);
		c->pending_ms = at_ms;
	} else
		keep(c, message, server, at_ms);
}

void
complaints_feed(struct complaints *c, const char *text, size_t len_bytes, int64_t at_ms)
{
	size_t i;

	for (i = 0; i < len_bytes; i++)
		if (text[i] == '\n' || text[i] == '\r')
			take_line(c, at_ms);
		else if (c->len < sizeof(c->line) - 1)
			c->line[c->len++] = text[i] == '\0' ? ' ' : text[i];
}

struct picked {
	const struct row *row;
	enum cause cause;
	bool	 leg;
};

static void
tell(struct census *ret, const struct picked *p)
{
	struct complaint *to = mem_push(&ret->complaints, &ret->ncomplaints, sizeof(*to));

	to->load = !p->leg && is_load(p->cause);
	to->leg = p->leg;
	to->count = p->row->count;
	to->first_ms = p->row->first_ms;
	to->last_ms = p->row->last_ms;
	to->text = mem_strdup(p->row->text);
}

/*
 * A server says what it could not load, and then that it goes on as it was: the second line is
 * the later one whenever the log comes in two pieces, and says nothing of its own.
 */
static bool
is_consequence(const struct picked *p)
{
	return !p->leg && p->cause == CAUSE_TLS_NOT_LOADED;
}

static int
in_order(const void *a, const void *b)
{
	const struct picked *x = a, *y = b;

	if (is_consequence(x) != is_consequence(y))
		return is_consequence(x) ? 1 : -1;
	if (x->row->last_ms != y->row->last_ms)
		return x->row->last_ms > y->row->last_ms ? -1 : 1;
	if (x->cause != y->cause)
		return x->cause < y->cause ? -1 : 1;
	return x->leg - y->leg;
}

void
complaints_tell(const struct complaints *c, int64_t now_ms, struct census *ret)
{
	struct picked picked[2 * CAUSE_COUNT];
	size_t i, leg, n = 0;

	for (leg = 0; leg < 2; leg++)
		for (i = 0; i < CAUSE_COUNT; i++) {
			const struct row *r = &c->rows[leg][i];

			if (r->text == NULL || (leg == 1 && now_ms - r->last_ms > COMPLAINTS_LEG_MS) ||
			    (leg == 0 && !is_load((enum cause)i) && now_ms - r->last_ms > COMPLAINTS_MS))
				continue;
			picked[n++] = (struct picked){ r, (enum cause)i, leg == 1 };
		}
	qsort(picked, n, sizeof(*picked), in_order);
	for (i = 0; i < n && ret->ncomplaints < READING_COMPLAINTS_MAX; i++)
		tell(ret, &picked[i]);
}
