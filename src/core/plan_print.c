/*
 * plan_print: a plan after expansion, as YAML that reads back to the same plan.
 *
 * What follows by itself is not written but told in comments: implied checks,
 * titles made from moves.  Every string is quoted, and a "$(" that stood for
 * itself is escaped again, so that reading never finds more in it.
 */
#include "core/plan_read.h"

#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/mem.h"
#include "core/text.h"

struct printer {
	const struct plan *p;
	const struct fleet *f;
	struct buf *out;
};

static void
put_quoted(struct buf *out, const char *s, bool run_time)
{
	plan_quote(out, s, run_time ? "$(step)" : NULL);
}

static void
put_duration(struct buf *out, int64_t ms)
{
	static const struct {
		int64_t ms;
		const char *unit;
	} units[] = { { 86400000, "d" }, { 3600000, "h" }, { 60000, "m" }, { 1000, "s" } };
	size_t i;

	for (i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (ms != 0 && ms % units[i].ms == 0) {
			buf_printf(out, "%lld%s", (long long)(ms / units[i].ms), units[i].unit);
			return;
		}
	buf_printf(out, "%lldms", (long long)ms);
}

/* One more pair of a flow mapping. */
static void
put_key(struct buf *out, bool *first, const char *key)
{
	buf_printf(out, "%s%s: ", *first ? " " : ", ", key);
	*first = false;
}

static void
put_pair(struct buf *out, bool *first, const char *key, const char *value, bool run_time)
{
	if (value == NULL)
		return;
	put_key(out, first, key);
	put_quoted(out, value, run_time);
}

static void
put_run(const struct printer *pr, const struct bedit *e)
{
	struct buf *out = pr->out;
	bool first = true;
	size_t i;

	buf_puts(out, "      - {");
	put_key(out, &first, "on");
	buf_puts(out, "[");
	for (i = 0; i < e->on.n; i++) {
		buf_puts(out, i == 0 ? "" : ", ");
		put_quoted(out, pr->f->hosts[e->on.v[i]].name, false);
	}
	buf_puts(out, "]");
	put_pair(out, &first, "run", e->run, true);
	put_pair(out, &first, "undo", e->undo, true);
	put_pair(out, &first, "observe", e->observe, true);
	put_pair(out, &first, "expect", e->expect, true);
	put_pair(out, &first, "value", e->value, true);
	put_pair(out, &first, "in", e->in, false);
	if (e->touches.n > 0) {
		put_key(out, &first, "touches");
		buf_puts(out, "[");
		for (i = 0; i < e->touches.n; i++) {
			buf_puts(out, i == 0 ? "" : ", ");
			put_quoted(out, e->touches.v[i], false);
		}
		buf_puts(out, "]");
	}
	if (e->read_only) {
		put_key(out, &first, "read-only");
		buf_puts(out, "yes");
	}
	if (!e->idempotent) {
		put_key(out, &first, "idempotent");
		buf_puts(out, "no");
	}
	put_key(out, &first, "deadline");
	put_duration(out, e->deadline_ms);
	buf_puts(out, " }\n");
}

static void
put_check_body(const struct printer *pr, const struct check *c)
{
	struct buf *out = pr->out;
	const char *endpoint = c->endpoint == NONE ? NULL : pr->f->endpoints[c->endpoint].name;
	const char *host = c->host == NONE ? NULL : pr->f->hosts[c->host].name;
	bool first = true;

	buf_puts(out, "{");
	switch (c->kind) {
	case CHECK_SERVED:
		put_pair(out, &first, "of", endpoint, false);
		if (c->proto_min != PROTO_ANY)
			put_pair(out, &first, "min", proto_word(c->proto_min), false);
		put_pair(out, &first, "cipher", c->cipher, false);
		break;
	case CHECK_REFUSED:
		put_pair(out, &first, "of", endpoint, false);
		put_pair(out, &first, "what", refused_word(c->accept), false);
		break;
	case CHECK_SETTING:
		put_pair(out, &first, "of", endpoint, false);
		put_pair(out, &first, "name", c->setting, false);
		put_pair(out, &first, "is", c->value, false);
		break;
	case CHECK_LOG:
		put_pair(out, &first, "of", endpoint != NULL ? endpoint : c->text, false);
		put_pair(out, &first, "since", "step", false);
		break;
	case CHECK_HTTP:
		put_pair(out, &first, "from", host, false);
		put_pair(out, &first, "url", c->url, false);
		put_key(out, &first, "status");
		buf_printf(out, "%d", c->status);
		break;
	case CHECK_COMMAND:
		put_pair(out, &first, "on", host, false);
		put_pair(out, &first, "run", c->run, true);
		put_pair(out, &first, "in", c->in, false);
		put_key(out, &first, "status");
		buf_printf(out, "%d", c->status);
		break;
	case CHECK_CENSUS:
	case CHECK_FILE:
	case CHECK_JOB:
	case CHECK_SEEN:
	case CHECK_STEADY:
	case CHECK_ATTEST:
	case CHECK_REHEARSAL:
	case CHECK_CAN_TLS:
	case CHECK_LINK_TLS:
	case CHECK_LINK_UP:
	case CHECK_DIAL_SET:
	case CHECK_TRUSTS:
	case CHECK_PROOF:
	case CHECK_LINK_NEW:
	case CHECK_HBA:
	case CHECK_PRESENTS:
	case CHECK_UNSEEN:
	case CHECK_CANARY:
		break;
	}
	put_pair(out, &first, "contains", c->contains, false);
	put_pair(out, &first, "absent", c->absent, false);
	if (c->deadline_ms > 0) {
		put_key(out, &first, "deadline");
		put_duration(out, c->deadline_ms);
	}
	buf_puts(out, first ? "}" : " }");
}

static void
put_checks(const struct printer *pr, const char *key, const struct check *v, size_t n)
{
	struct buf *out = pr->out;
	bool begun = false;
	size_t i;

	for (i = 0; i < n; i++)
		if (v[i].implied) {
			buf_printf(out, "    # %s, implied: ", key);
			text_clean(out, v[i].name, strlen(v[i].name));
			buf_puts(out, "\n");
		}
	for (i = 0; i < n; i++) {
		if (v[i].implied)
			continue;
		if (!begun)
			buf_printf(out, "    %s:\n", key);
		begun = true;
		buf_printf(out, "      - %s: ", check_kind_word(v[i].kind));
		switch (v[i].kind) {
		case CHECK_ATTEST:
			put_quoted(out, v[i].text, false);
			break;
		case CHECK_REHEARSAL:
		case CHECK_SEEN:
			buf_puts(out, v[i].kind == CHECK_SEEN ? "{ client: " : "{ link: ");
			put_quoted(out, v[i].kind == CHECK_SEEN ? pr->f->clients[pr->f->links[v[i].link].client].name :
			    pr->f->links[v[i].link].name, false);
			if (v[i].kind == CHECK_SEEN) {
				buf_puts(out, ", of: ");
				put_quoted(out, pr->f->endpoints[v[i].endpoint].name, false);
				buf_printf(out, ", tls: %s", v[i].accept == ACCEPT_TLS ? "yes" : "no");
			}
			if (v[i].within_ms > 0) {
				buf_puts(out, ", within: ");
				put_duration(out, v[i].within_ms);
			}
			if (v[i].deadline_ms > 0) {
				buf_puts(out, ", deadline: ");
				put_duration(out, v[i].deadline_ms);
			}
			buf_puts(out, " }");
			break;
		case CHECK_FILE:
		case CHECK_JOB:
		case CHECK_STEADY:
			/* Kept as it was read: there is nothing else to know of it yet. */
			buf_puts(out, v[i].text);
			break;
		case CHECK_SERVED:
		case CHECK_REFUSED:
		case CHECK_CENSUS:
		case CHECK_SETTING:
		case CHECK_LOG:
		case CHECK_HTTP:
		case CHECK_COMMAND:
		case CHECK_CAN_TLS:
		case CHECK_LINK_TLS:
		case CHECK_LINK_UP:
		case CHECK_DIAL_SET:
		case CHECK_TRUSTS:
		case CHECK_PROOF:
		case CHECK_LINK_NEW:
		case CHECK_HBA:
		case CHECK_PRESENTS:
		case CHECK_UNSEEN:
		case CHECK_CANARY:
			put_check_body(pr, &v[i]);
			break;
		}
		buf_puts(out, "\n");
	}
}

static void
put_trust(const struct printer *pr, const struct move *m)
{
	int v[TRUST_CERTS_MAX];
	size_t i, n = trust_certs(m->value, v);

	buf_puts(pr->out, "      ");
	put_quoted(pr->out, pr->f->links[m->subject].name, false);
	buf_puts(pr->out, n > 1 ? ": [" : ": ");
	for (i = 0; i < n; i++)
		buf_printf(pr->out, "%s%s", i > 0 ? ", " : "", pr->f->certs[v[i]].name);
	buf_puts(pr->out, n > 1 ? "]\n" : "\n");
}

static void
put_moves(const struct printer *pr, const struct step *s)
{
	const struct fleet *f = pr->f;
	const struct move *m;
	const char *subject = "", *value = "";
	size_t i;

	for (i = 0; i < s->nmoves; i++) {
		m = &s->moves[i];
		/* A facet's moves stand together: it is one key of the step. */
		if (i == 0 || s->moves[i - 1].facet != m->facet)
			buf_printf(pr->out, "    %s:\n", facet_word(m->facet));
		switch (m->facet) {
		case FACET_ACCEPT:
			subject = f->endpoints[m->subject].name;
			value = accept_word((enum accept)m->value);
			break;
		case FACET_CERT:
			subject = f->certs[m->subject].name;
			value = m->renew ? "renew" : m->replace ? "replace" : "install";
			break;
		case FACET_DIAL:
			subject = f->links[m->subject].name;
			value = dial_word((enum dial)m->value);
			break;
		case FACET_TRUST:
			put_trust(pr, m);
			continue;
		case FACET_PRESENT:
			subject = f->links[m->subject].name;
			value = m->value == NONE ? "none" : f->certs[m->value].name;
			break;
		}
		buf_puts(pr->out, "      ");
		put_quoted(pr->out, subject, false);
		buf_printf(pr->out, ": %s\n", value);
	}
}

/* All of them: what a link declares is the step's too, and says no more than stands here. */
static void
put_canaries(const struct printer *pr, const struct step *s)
{
	const struct canary_terms *t;
	struct buf *out = pr->out;
	size_t i;

	if (s->ncanaries > 0)
		buf_puts(out, "    canary:\n");
	for (i = 0; i < s->ncanaries; i++) {
		t = &s->canaries[i].terms;
		buf_puts(out, "      ");
		put_quoted(out, pr->f->links[s->canaries[i].link].name, false);
		if (!t->given) {
			buf_puts(out, ": no\n");
			continue;
		}
		buf_puts(out, ": { every: ");
		put_duration(out, t->every_ms);
		buf_puts(out, ", hang: ");
		put_duration(out, t->hang_ms);
		buf_puts(out, ", breach: ");
		put_duration(out, t->breach_ms);
		buf_printf(out, ", held: %s }\n", t->held ? "yes" : "no");
	}
}

static void
put_step(const struct printer *pr, const struct step *s)
{
	const struct group *g = &pr->p->groups[s->group];
	struct buf *out = pr->out;
	char *made = step_title(pr->f, s), *row;
	size_t i;

	buf_puts(out, "  - id: ");
	put_quoted(out, s->id, false);
	buf_puts(out, "\n");
	if (g->n > 1) {
		/* The row's title without its count. */
		row = mem_strdup(g->title);
		if (strstr(row, " \xc3\x97 ") != NULL) {
			char *end = row, *p;

			while ((p = strstr(end + 1, " \xc3\x97 ")) != NULL)
				end = p;
			*end = '\0';
			buf_puts(out, "    row: ");
			put_quoted(out, row, false);
			buf_puts(out, "\n");
		}
		free(row);
	}
	if (strcmp(made, s->title) != 0) {
		buf_puts(out, "    title: ");
		put_quoted(out, s->title, false);
		buf_puts(out, "\n");
	} else {
		buf_puts(out, "    # ");
		text_clean(out, made, strlen(made));
		buf_puts(out, "\n");
	}
	free(made);
	put_moves(pr, s);
	if (s->ndrains > 0)
		buf_puts(out, "    drain:\n");
	for (i = 0; i < s->ndrains; i++) {
		buf_puts(out, "      ");
		put_quoted(out, pr->f->endpoints[s->drains[i].endpoint].name, false);
		if (s->drains[i].pace_ms == DRAIN_PACE_MS && !s->drains[i].undeclared)
			buf_puts(out, ": plaintext\n");
		else
			buf_printf(out, ": { sessions: plaintext, pace: %lldms, undeclared: %s }\n",
			    (long long)s->drains[i].pace_ms, s->drains[i].undeclared ? "yes" : "no");
	}
	/* The last runs are the exercises' own. */
	if (s->nruns > s->nexercises)
		buf_puts(out, "    run:\n");
	for (i = 0; i + s->nexercises < s->nruns; i++)
		put_run(pr, &s->runs[i]);
	for (i = 0; i < s->nexercises; i++) {
		buf_puts(out, i == 0 ? "    exercise: [ " : ", ");
		put_quoted(out, pr->f->clients[s->exercises[i].client].name, false);
	}
	if (s->nexercises > 0)
		buf_puts(out, " ]\n");
	for (i = 0; i < s->activates.n; i++) {
		buf_puts(out, i == 0 ? "    activate: [ " : ", ");
		put_quoted(out, pr->f->units[s->activates.v[i]].name, false);
	}
	if (s->activates.n > 0)
		buf_puts(out, " ]\n");
	put_checks(pr, "requires", s->requires, s->nrequires);
	put_checks(pr, "gate", s->gates, s->ngates);
	if (s->soak_ms > 0) {
		buf_puts(out, "    soak: ");
		put_duration(out, s->soak_ms);
		buf_puts(out, "\n");
	}
	put_canaries(pr, s);
	if (s->on_fault != pr->p->on_fault)
		buf_printf(out, "    on-fault: %s\n", s->on_fault == ON_FAULT_UNDO ? "undo" : "pause");
	if (s->optional)
		buf_puts(out, "    optional: yes\n");
	if (s->nexcuses > 0)
		buf_puts(out, "    may-refuse:\n");
	for (i = 0; i < s->nexcuses; i++) {
		buf_puts(out, "      ");
		put_quoted(out, pr->f->links[s->excuses[i].link].name, false);
		buf_puts(out, ": ");
		put_quoted(out, s->excuses[i].reason, false);
		buf_puts(out, "\n");
	}
}

void
plan_quote(struct buf *out, const char *s, const char *keep)
{
	int32_t cp;
	size_t n;

	buf_putc(out, '"');
	for (; (n = text_next(s, &cp)) > 0; s += n) {
		if (strncmp(s, "$(", 2) == 0 &&
		    (keep == NULL || strncmp(s, keep, strlen(keep)) != 0))
			buf_putc(out, '$');
		if (cp == '"' || cp == '\\')
			buf_printf(out, "\\%c", (char)cp);
		else if (cp == '\n')
			buf_puts(out, "\\n");
		else if (cp == '\t')
			buf_puts(out, "\\t");
		else if ((cp >= 0x80 && cp <= 0xa0) || cp == 0x2028 || cp == 0x2029 ||
		    cp == 0xfeff || (cp & 0xfffe) == 0xfffe)
			/* Line breaks to YAML, or not printable to it. */
			buf_printf(out, "\\U%08X", (unsigned)cp);
		else
			buf_put(out, s, n);
	}
	buf_putc(out, '"');
}

void
plan_print(const struct plan *p, const struct fleet *f, struct buf *out)
{
	struct printer pr = { .p = p, .f = f, .out = out };
	bool first = true;
	size_t i;

	buf_puts(out, "belay: plan/1\nname: ");
	put_quoted(out, p->name, false);
	buf_puts(out, "\n");
	if (p->from_accept != ACCEPT_UNKNOWN || p->from_dial != DIAL_UNKNOWN || p->from_certs.n > 0) {
		buf_puts(out, "from: {");
		if (p->from_accept != ACCEPT_UNKNOWN)
			put_pair(out, &first, "accept", accept_word(p->from_accept), false);
		if (p->from_dial != DIAL_UNKNOWN)
			put_pair(out, &first, "dial", dial_word(p->from_dial), false);
		if (p->from_certs.n > 0) {
			put_key(out, &first, "certs");
			for (i = 0; i < p->from_certs.n; i++) {
				buf_puts(out, i == 0 ? "[" : ", ");
				put_quoted(out, f->certs[p->from_certs.v[i]].name, false);
			}
			buf_puts(out, "]");
		}
		buf_puts(out, " }\n");
	}
	if (p->on_fault == ON_FAULT_UNDO)
		buf_puts(out, "on-fault: undo\n");
	buf_puts(out, "steps:\n");
	for (i = 0; i < p->nsteps; i++)
		put_step(&pr, &p->steps[i]);
}
