/*
 * hba_step: see hba_step.h.
 */
#include "core/hba_step.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/edittext.h"
#include "core/err.h"
#include "core/hba.h"
#include "core/mem.h"
#include "core/posture.h"

#define NAMED_MAX 4		/* sessions named in the words; of others their number */

static int
host_of(const struct fleet *f, const struct endpoint *e)
{
	return e->host != NONE ? e->host : e->unit != NONE ? f->units[e->unit].host : NONE;
}

/* A block of pg_hba.conf, on the endpoint's own host. */
static bool
is_block(const struct fleet *f, const struct endpoint *e, const struct bedit *b)
{
	return e->kind == KIND_POSTGRES && b->kind == EDIT_BLOCK && b->syntax == TEXT_HBA && b->file != NULL &&
	    b->not_yet == NULL && (b->on.n == 0 || (b->on.n == 1 && b->on.v[0] == host_of(f, e)));
}

bool
hba_step_bound(const struct fleet *f, int endpoint, enum accept accept)
{
	const struct endpoint *e = &f->endpoints[endpoint];
	size_t i;

	for (i = 0; i < e->accept[accept].n; i++)
		if (is_block(f, e, &e->accept[accept].v[i]))
			return true;
	return false;
}

/* ------------------------------------------------------------------ what stands there */

static void
see_file(struct reading *r, int endpoint, const char *file, op_lookup *lookup, void *arg)
{
	struct hba_seen *seen;
	const char *text = NULL, *why = NULL;
	size_t len = 0, i;
	struct buf b;

	for (i = 0; i < r->nhba; i++)
		if (r->hba[i].endpoint == endpoint && strcmp(r->hba[i].file, file) == 0)
			return;
	if (r->nhba >= READING_HBA_MAX)
		return;
	seen = mem_push(&r->hba, &r->nhba, sizeof(*seen));
	seen->endpoint = endpoint;
	seen->file = mem_strdup(file);
	if (lookup(arg, file, &text, &len, &why) != 0) {
		seen->why = mem_printf("cannot read '%s': %s", file, why == NULL ? "not read" : why);
		return;
	}
	if (text == NULL) {
		seen->why = mem_printf("'%s' does not exist", file);
		return;
	}
	buf_init(&b, READING_HBA_TEXT_MAX);
	hba_redact(&b, text, len);
	if (b.over)
		seen->why = mem_printf("'%s' is too large", file);
	else
		seen->text = mem_strdup(buf_str(&b));
	buf_release(&b);
}

void
hba_step_seen(struct reading *r, const struct fleet *f, int host, op_lookup *lookup, void *arg)
{
	const struct endpoint *e;
	size_t i, k;
	int v;

	for (i = 0; i < f->nendpoints; i++) {
		e = &f->endpoints[i];
		for (v = 0; v < ACCEPT_COUNT && host_of(f, e) == host; v++)
			for (k = 0; k < e->accept[v].n; k++)
				if (is_block(f, e, &e->accept[v].v[k]))
					see_file(r, (int)i, e->accept[v].v[k].file, lookup, arg);
	}
}

/* ------------------------------------------------------------------ what it comes to */

struct judging {
	const struct fleet *f;
	int	 endpoint;
	const struct reading *census;
	const int *presents;	/* by link: the client certificate it shows; NULL: not known */
	char	*why;
	size_t	 size;
	size_t	 lost, unsure;	/* sessions */
	struct buf words;	/* of those lost */
	char	 doubt[300];	/* of the first that is unsure */
};

static enum hba_step_says
say(struct judging *j, enum hba_step_says says, const char *what)
{
	(void)snprintf(j->why, j->size, "%s", what);
	return says;
}

/* The step's blocks in the text; -1: the doubt is told. */
static int
put_blocks(struct judging *j, enum accept accept, const char *file, struct buf *text)
{
	const struct endpoint *e = &j->f->endpoints[j->endpoint];
	struct buf next;
	struct err err;
	size_t i, k;

	for (i = 0; i < e->accept[accept].n; i++) {
		const struct bedit *b = &e->accept[accept].v[i];

		if (!is_block(j->f, e, b) || strcmp(b->file, file) != 0)
			continue;
		for (k = 0; k < b->set.n; k++)
			if (strstr(b->set.v[k].value, "$(") != NULL) {
				(void)snprintf(j->doubt, sizeof(j->doubt), "what the block '%.60s' says is known later only",
				    b->set.v[k].key);
				return -1;
			}
		buf_init(&next, 0);
		if (text_edit(TEXT_HBA, &next, buf_str(text), text->len, &b->set, &b->unset, &err) != 0) {
			(void)snprintf(j->doubt, sizeof(j->doubt), "'%.80s': %.200s", file, err.msg);
			buf_release(&next);
			return -1;
		}
		buf_clear(text);
		(void)buf_put(text, buf_str(&next), next.len);
		buf_release(&next);
	}
	return 0;
}

static int
read_rules(struct judging *j, struct hba_rules *ret, const struct hba_seen *seen, const struct buf *text, const char *when)
{
	struct hba_reading how = { 0, seen->file, NULL, NULL };
	struct err err;

	if (hba_read(ret, &how, buf_str(text), text->len, &err) != 0) {
		(void)snprintf(j->doubt, sizeof(j->doubt), "%.200s", err.msg);
		return -1;
	}
	if (ret->broken == NONE)
		return 0;
	(void)snprintf(j->doubt, sizeof(j->doubt), "'%.80s' line %d%s: %.160s: the server takes nothing of such a file", seen->file,
	    ret->v[ret->broken].line, when, ret->v[ret->broken].error);
	hba_rules_release(ret);
	return -1;
}

static void
name_session(struct buf *b, const struct fleet *f, const struct straggler *s)
{
	if (s->link != NONE)
		(void)buf_printf(b, "%s, ", f->links[s->link].name);
	(void)buf_printf(b, "%s from %s %s, database %s", s->user, s->address, s->tls ? "by tls" : "in plaintext",
	    s->database == NULL ? "not known" : s->database);
}

static void
judge_session(struct judging *j, const struct straggler *s, const struct hba_rules *before, const struct hba_rules *after)
{
	struct hba_connection c;
	struct hba_answer is, was;

	/* A socket's: the block is not about those. */
	if (s->address == NULL || s->address[0] == '\0')
		return;
	if (s->user == NULL) {
		j->unsure++;
		(void)snprintf(j->doubt, sizeof(j->doubt), "a session from %.60s, whose role was not told", s->address);
		return;
	}
	memset(&c, 0, sizeof(c));
	c.address = s->address;
	c.user = s->user;
	c.database = s->database;
	c.tls = s->tls;
	c.stored = s->link == NONE ? STORED_UNKNOWN : j->f->links[s->link].stored;
	if (s->link != NONE && j->presents != NULL && j->presents[s->link] != CERT_UNKNOWN) {
		c.shows = j->presents[s->link] == NONE ? HBA_SHOWS_NONE : HBA_SHOWS_CERT;
		c.cn = j->presents[s->link] == NONE ? NULL : j->f->certs[j->presents[s->link]].subject;
	}
	hba_match(after, &c, &is);
	if (is.outcome == HBA_ASKS || is.outcome == HBA_LETS_IN)
		return;
	hba_match(before, &c, &was);
	if (is.outcome == HBA_UNSURE) {
		/* The same line as now, and it is there. */
		if (was.record != NONE && is.record != NONE && was.outcome == HBA_UNSURE &&
		    before->v[was.record].method == after->v[is.record].method)
			return;
		j->unsure++;
		if (j->doubt[0] == '\0')
			(void)snprintf(j->doubt, sizeof(j->doubt), "%.60s from %.60s: %.160s", s->user, s->address, is.why);
		return;
	}
	if (j->lost++ >= NAMED_MAX)
		return;
	if (j->lost > 1)
		(void)buf_puts(&j->words, "; ");
	name_session(&j->words, j->f, s);
	if (is.outcome == HBA_NO_LINE)
		(void)buf_puts(&j->words, ": no line would match");
	else
		(void)buf_printf(&j->words, ": line %d %s", after->v[is.record].line,
		    is.outcome == HBA_REJECTED ? "would reject it" : is.why);
	if (was.outcome == HBA_NO_LINE || was.outcome == HBA_REJECTED || was.outcome == HBA_USELESS)
		(void)buf_puts(&j->words, " (as it is now)");
}

static enum hba_step_says
judge_file(struct judging *j, enum accept accept, const struct hba_seen *seen)
{
	struct hba_rules before, after;
	struct buf text;
	size_t i;
	int rc;

	buf_init(&text, 0);
	(void)buf_puts(&text, seen->text);
	if (read_rules(j, &before, seen, &text, "") != 0) {
		/* Not this step's doing: nothing of it is taken over, which the activation refuses by a check of its own. */
		buf_release(&text);
		return say(j, HBA_STEP_KEEPS, j->doubt);
	}
	if ((rc = put_blocks(j, accept, seen->file, &text)) == 0)
		rc = read_rules(j, &after, seen, &text, " (with the block)");
	buf_release(&text);
	if (rc != 0) {
		hba_rules_release(&before);
		return say(j, HBA_STEP_UNSURE, j->doubt);
	}
	for (i = 0; i < j->census->census.nstragglers; i++)
		judge_session(j, &j->census->census.stragglers[i], &before, &after);
	hba_rules_release(&before);
	hba_rules_release(&after);
	if (j->lost > NAMED_MAX)
		(void)buf_printf(&j->words, " and %zu more", j->lost - NAMED_MAX);
	if (j->lost > 0)
		return say(j, HBA_STEP_LOSES, buf_str(&j->words));
	if (j->unsure > 0)
		return say(j, HBA_STEP_UNSURE, j->doubt);
	if (j->census->census.nstragglers >= READING_STRAGGLERS_MAX)
		return say(j, HBA_STEP_UNSURE, "more sessions than the census names");
	return HBA_STEP_KEEPS;
}

enum hba_step_says
hba_step_judge(const struct fleet *f, int endpoint, enum accept accept, const struct reading *census,
    const struct reading *host, const int *presents, char *ret_why, size_t size_bytes)
{
	struct judging j = { .f = f, .endpoint = endpoint, .census = census, .presents = presents, .why = ret_why, .size = size_bytes };
	enum hba_step_says worst = HBA_STEP_KEEPS, is;
	bool any = false;
	size_t i;

	ret_why[0] = '\0';
	buf_init(&j.words, 0);
	for (i = 0; i < host->nhba && worst != HBA_STEP_LOSES; i++) {
		const struct hba_seen *seen = &host->hba[i];

		if (seen->endpoint != endpoint)
			continue;
		any = true;
		is = seen->text == NULL ? say(&j, HBA_STEP_UNSURE, seen->why == NULL ? "not read" : seen->why) :
		    judge_file(&j, accept, seen);
		if (is == HBA_STEP_LOSES || worst == HBA_STEP_KEEPS)
			worst = is;
	}
	buf_release(&j.words);
	return any ? worst : say(&j, HBA_STEP_UNSURE, "its pg_hba.conf was not read");
}
