/*
 * lint_plan: what can be said by walking the plan once.
 *
 * Two postures are carried along: `all`, with every step taken, optional ones
 * too, which is where the plan wants to go; and `sure`, which holds a value only
 * where every path to that place has it.  A step changes nothing if all that it
 * writes is sure already.
 *
 * Refusals on the way are not told here: they are the proof's.  What is
 * told is why no order of the steps could mend one (a link that is not ours),
 * and what a plan that works ends with.
 */
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/lint_int.h"
#include "core/mem.h"
#include "core/text.h"

/* More moves than these are counted, not named. */
#define MOVES_NAMED_MAX 3

/* In `sure`: a certificate that not every path has. */
#define UNSURE (-3)

struct walk {
	struct linter *l;
	const struct fleet *f;
	const struct plan *p;
	struct posture all, sure;
	/* The step that wrote it last, on the path with every step; NONE: none did. */
	int	*accept_by, *cert_by, *dial_by, *trust_by, *present_by;
	int	*installed;	/* by cert: the first step that installs it on every path, or NONE */
	bool	*told;		/* by link: require-verifies was said */
};

static void
walk_init(struct walk *w, struct linter *l)
{
	size_t i;

	memset(w, 0, sizeof(*w));
	w->l = l;
	w->f = l->f;
	w->p = l->p;
	posture_from(&w->all, w->f, w->p);
	posture_from(&w->sure, w->f, w->p);
	w->accept_by = mem_array(w->f->nendpoints, sizeof(int));
	w->cert_by = mem_array(w->f->nendpoints, sizeof(int));
	w->dial_by = mem_array(w->f->nlinks, sizeof(int));
	w->trust_by = mem_array(w->f->nlinks, sizeof(int));
	w->present_by = mem_array(w->f->nlinks, sizeof(int));
	w->installed = mem_array(w->f->ncerts, sizeof(int));
	w->told = mem_array(w->f->nlinks, sizeof(bool));
	for (i = 0; i < w->f->nendpoints; i++)
		w->accept_by[i] = w->cert_by[i] = NONE;
	for (i = 0; i < w->f->nlinks; i++)
		w->dial_by[i] = w->trust_by[i] = w->present_by[i] = NONE;
	for (i = 0; i < w->f->ncerts; i++)
		w->installed[i] = NONE;
}

static void
walk_release(struct walk *w)
{
	posture_release(&w->all);
	posture_release(&w->sure);
	free(w->accept_by);
	free(w->cert_by);
	free(w->dial_by);
	free(w->trust_by);
	free(w->present_by);
	free(w->installed);
	free(w->told);
}

/*
 * What a step writes, each facet of each subject once: of two moves the later
 * one counts.  The caller frees.
 */
static struct change *
step_changes(const struct fleet *f, const struct step *s, size_t *ret_n)
{
	struct change *all = NULL, *v;
	size_t n, i, k, m;

	*ret_n = 0;
	for (m = 0; m < s->nmoves; m++) {
		posture_changes(f, &s->moves[m], &v, &n);
		for (i = 0; i < n; i++) {
			/* The changes of one move are none another's. */
			for (k = 0; k < *ret_n && m > 0; k++)
				if (all[k].facet == v[i].facet && all[k].subject == v[i].subject)
					break;
			if (m == 0 || k == *ret_n)
				*(struct change *)mem_push(&all, ret_n, sizeof(*all)) = v[i];
			else
				all[k].value = v[i].value;
		}
		free(v);
	}
	return all;
}

static int
posture_value(const struct posture *p, const struct change *c)
{
	switch (c->facet) {
	case FACET_ACCEPT:
		return (int)p->accept[c->subject];
	case FACET_CERT:
		return p->cert[c->subject];
	case FACET_DIAL:
		return (int)p->dial[c->subject];
	case FACET_TRUST:
		return p->trust[c->subject];
	case FACET_PRESENT:
		return p->present[c->subject];
	}
	return UNSURE;
}

/* Which step wrote it last. */
static int *
written_by(struct walk *w, const struct change *c)
{
	switch (c->facet) {
	case FACET_ACCEPT:
		return &w->accept_by[c->subject];
	case FACET_CERT:
		return &w->cert_by[c->subject];
	case FACET_DIAL:
		return &w->dial_by[c->subject];
	case FACET_TRUST:
		return &w->trust_by[c->subject];
	case FACET_PRESENT:
		break;
	}
	return &w->present_by[c->subject];
}

/* The place of the move that gives the link its dial (or trust) in this step. */
static struct pos
place(const struct walk *w, const struct step *s, int link, bool trust)
{
	struct pos pos = s->pos;
	struct change *v;
	size_t i, k, n;

	for (i = 0; i < s->nmoves; i++) {
		posture_changes(w->f, &s->moves[i], &v, &n);
		for (k = 0; k < n; k++)
			if (v[k].facet == (trust ? FACET_TRUST : FACET_DIAL) && v[k].subject == link)
				pos = s->moves[i].pos;
		free(v);
	}
	return pos;
}

/* ---- a step that changes nothing ------------------------------------------ */

/* Whether everything that the step writes is so on every path. */
static bool
is_sure(const struct walk *w, const struct step *s, const struct change *v, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (posture_value(&w->sure, &v[i]) != v[i].value)
			return false;
	for (i = 0; i < s->nmoves; i++)
		if (s->moves[i].facet == FACET_CERT && w->installed[s->moves[i].subject] == NONE)
			return false;
	return true;
}

static void
put_move(struct buf *out, const struct walk *w, const struct move *m)
{
	const struct fleet *f = w->f;
	int by = NONE, v[TRUST_CERTS_MAX];
	size_t i, n;

	switch (m->facet) {
	case FACET_ACCEPT:
		by = w->accept_by[m->subject];
		buf_printf(out, "'%s' accepts %s", f->endpoints[m->subject].name,
		    accept_word((enum accept)m->value));
		break;
	case FACET_CERT:
		by = w->installed[m->subject];
		buf_printf(out, "'%s' is installed", f->certs[m->subject].name);
		break;
	case FACET_DIAL:
		by = w->dial_by[m->subject];
		buf_printf(out, "'%s' dials %s", f->links[m->subject].name,
		    dial_word((enum dial)m->value));
		break;
	case FACET_TRUST:
		by = w->trust_by[m->subject];
		n = trust_certs(m->value, v);
		buf_printf(out, "'%s' trusts", f->links[m->subject].name);
		for (i = 0; i < n; i++)
			buf_printf(out, "%s '%s'", i > 0 ? " and" : "", f->certs[v[i]].name);
		break;
	case FACET_PRESENT:
		by = w->present_by[m->subject];
		if (m->value == NONE)
			buf_printf(out, "'%s' presents no certificate", f->links[m->subject].name);
		else
			buf_printf(out, "'%s' presents '%s'", f->links[m->subject].name, f->certs[m->value].name);
		break;
	}
	if (by == NONE)
		buf_puts(out, " from the start");
	else
		buf_printf(out, " since step '%s'", w->p->steps[by].id);
}

static void
changes_nothing(struct walk *w, const struct step *s, const struct change *v, size_t n)
{
	struct buf b;
	size_t i;

	if (s->nmoves == 0 || s->nruns > 0 || s->ndrains > 0 || s->activates.n > 0 || !is_sure(w, s, v, n))
		return;
	buf_init(&b, 0);
	for (i = 0; i < s->nmoves && i < MOVES_NAMED_MAX; i++) {
		buf_puts(&b, i == 0 ? "" : ", ");
		put_move(&b, w, &s->moves[i]);
	}
	if (s->nmoves > MOVES_NAMED_MAX)
		buf_printf(&b, ", and so for %zu more moves", s->nmoves - MOVES_NAMED_MAX);
	lint_add(w->l, LINT_WARN, LINT_CHANGES_NOTHING, true, s->pos, s->id,
	    "step '%s' changes nothing: %s; expected it left out, or another value", s->id, buf_str(&b));
	buf_release(&b);
}

/* ---- what a step cannot bring about ---------------------------------------- */

static bool
is_excused(const struct step *s, int link)
{
	size_t i;

	for (i = 0; i < s->nexcuses; i++)
		if (s->excuses[i].link == link)
			return true;
	return false;
}

static const char *
whose(const struct fleet *f, const struct link *l, char **ret_free)
{
	*ret_free = NULL;
	switch (l->how) {
	case DIAL_FIXED:
		return "is fixed to";
	case DIAL_ASSUMED:
		return "is assumed to dial";
	case DIAL_FOLLOWS:
		if (l->follows == NONE)
			return "is moved by no step, only by what implies it, and dials";
		return *ret_free = mem_printf("follows '%s' and dials", f->links[l->follows].name);
	case DIAL_BOUND:
		break;
	}
	return "dials";
}

/* The endpoint stops taking what a link dials that no step can move by itself. */
static void
not_ours(struct walk *w, const struct step *s, const struct move *m)
{
	const struct fleet *f = w->f;
	bool forced = m->value == ACCEPT_TLS || m->value == ACCEPT_MUTUAL;
	const char *how, *want;
	char *text;
	size_t i;

	for (i = 0; i < f->nlinks && m->value != ACCEPT_BOTH; i++) {
		const struct link *l = &f->links[i];
		enum dial dial = w->all.dial[i];

		if (l->endpoint != m->subject || l->how == DIAL_BOUND || is_excused(s, (int)i))
			continue;
		if (forced ? dial != DIAL_DISABLE : dial != DIAL_REQUIRE && dial != DIAL_VERIFY_CA &&
		    dial != DIAL_VERIFY_FULL)
			continue;
		how = whose(f, l, &text);
		want = l->how == DIAL_FOLLOWS ? "a move of that before this step" :
		    "it moved by its owner first, and said so in the fleet, or 'may-refuse' with a reason";
		lint_add(w->l, LINT_WARN, LINT_NOT_OURS_TO_MOVE, true, m->pos, l->name,
		    "step '%s' makes '%s' accept %s only, and '%s' %s %s; expected %s", s->id,
		    f->endpoints[m->subject].name, forced ? "tls" : "plaintext", l->name, how,
		    dial_word(dial), want);
		free(text);
	}
}

static void
mutual(struct walk *w, const struct move *m)
{
	const struct fleet *f = w->f;
	size_t i;

	if (endpoint_shuts_out(&f->endpoints[m->subject], (enum accept)m->value))
		lint_add(w->l, LINT_WARN, LINT_OWN_CERTIFICATE, true, m->pos, f->endpoints[m->subject].name,
		    "'%s' is to demand a certificate of everybody, and belay has none for it: from then on it sees nobody's sessions there; expected 'probe: { cert: … }' there",
		    f->endpoints[m->subject].name);
	if (m->value != ACCEPT_MUTUAL || f->endpoints[m->subject].kind != KIND_PGBOUNCER)
		return;
	for (i = 0; i < f->nlinks; i++)
		if (f->links[i].endpoint == m->subject && w->all.present[i] == NONE) {
			lint_add(w->l, LINT_WARN, LINT_MUTUAL_ON_POOLER, true, m->pos,
			    f->endpoints[m->subject].name,
			    "'%s' is to demand a certificate of each client, and '%s' presents none; expected 'tls' (verifying the server is the dial of the pooler's own link)",
			    f->endpoints[m->subject].name, f->links[i].name);
			return;
		}
}

static void
one_port(struct walk *w, const struct move *m)
{
	const struct endpoint *e = &w->f->endpoints[m->subject];

	/* Where the fleet writes that value out, it was told there. */
	if (m->value != ACCEPT_BOTH || e->kind != KIND_REDIS || !e->one_port || e->managed != NULL ||
	    lint_binds_both(e))
		return;
	lint_add(w->l, LINT_WARN, LINT_REDIS_ONE_PORT, true, m->pos, e->name,
	    "'%s' has one port for both, and a redis speaks either plaintext or tls on a port, so it cannot accept both there; expected 'listen: { plain: %d, tls: PORT }'",
	    e->name, e->port_plain);
}

/* ---- certificates that end before the plan does ---------------------------- */

static int64_t
add_ms(int64_t a, int64_t b)
{
	return a > INT64_MAX - b ? INT64_MAX : a + b;
}

static bool
is_forced(enum accept accept)
{
	return accept == ACCEPT_TLS || accept == ACCEPT_MUTUAL;
}

static int64_t
wait_for(const struct fleet *f, int link, int64_t window_ms)
{
	int64_t own_ms = f->clients[f->links[link].client].window_ms;

	return own_ms > window_ms ? own_ms : window_ms;
}

/* For how long a step has to be watched at least: its soak, and until the clients that it concerns have come by. */
static int64_t
step_ms(const struct walk *w, const struct step *s)
{
	const struct fleet *f = w->f;
	struct change *v;
	int64_t window = 0;
	size_t n, i, k;

	v = step_changes(f, s, &n);
	for (i = 0; i < n; i++) {
		if (v[i].facet == FACET_DIAL)
			window = wait_for(f, v[i].subject, window);
		for (k = 0; v[i].facet == FACET_ACCEPT && is_forced((enum accept)v[i].value) && k < f->nlinks; k++)
			if (f->links[k].endpoint == v[i].subject)
				window = wait_for(f, (int)k, window);
	}
	free(v);
	return add_ms(s->soak_ms, window);
}

static void
lifetimes(struct walk *w, const int64_t *watched_ms, size_t step, const struct move *m)
{
	const struct cert *c = &w->f->certs[m->subject];
	char life[32], left[32], plan[32];
	int64_t sum = 0;
	size_t i;

	for (i = step; i < w->p->nsteps; i++)
		sum = add_ms(sum, watched_ms[i]);
	text_age(life, sizeof(life), c->leaf_ms);
	text_age(plan, sizeof(plan), sum);
	if (sum >= c->leaf_ms)
		lint_add(w->l, LINT_WARN, LINT_EXPIRES_IN_PLAN, true, m->pos, c->name,
		    "'%s' lives %s, and from this step on the plan watches for %s (soaks, and windows of clients): it expires before the end; expected a longer 'leaf' in the fleet",
		    c->name, life, plan);
	else if (c->warn_ms < c->leaf_ms && sum >= c->leaf_ms - c->warn_ms) {
		text_age(left, sizeof(left), c->leaf_ms - c->warn_ms);
		lint_add(w->l, LINT_NOTE, LINT_WARNS_IN_PLAN, true, m->pos, c->name,
		    "'%s' is to be renewed after %s, and from this step on the plan watches for %s (soaks, and windows of clients): the warning comes before the end; expected a longer 'leaf' or a shorter 'warn' in the fleet",
		    c->name, left, plan);
	}
}

/* ---- sessions that a step ends ---------------------------------------------- */

/* A client that still dials in plaintext by then comes back so: the step's own guard refuses it. */
static bool
drain_too_early(struct walk *w, size_t step, const struct drain *d)
{
	const struct fleet *f = w->f;
	const struct step *s = &w->p->steps[step];
	bool early = false, here;
	struct change *v;
	size_t i, k, n;

	v = step_changes(f, s, &n);
	for (i = 0; i < f->nlinks; i++) {
		const struct link *l = &f->links[i];

		if (l->endpoint != d->endpoint || posture_verdict(f, &w->all, (int)i, NULL) != VERDICT_PLAINTEXT)
			continue;
		early = true;
		for (here = false, k = 0; k < n; k++)
			here = here || (v[k].facet == FACET_DIAL && v[k].subject == (int)i);
		lint_add(w->l, LINT_WARN, LINT_DRAIN_TOO_EARLY, true, d->pos, l->name,
		    "step '%s' ends what is on plaintext at '%s', and '%s' still dials %s by then%s: it would come back so, and the step is refused; expected %s",
		    s->id, f->endpoints[d->endpoint].name, l->name, dial_word(w->all.dial[i]),
		    here ? ", since a step's guards come before its moves" : "",
		    l->how == DIAL_BOUND || here ? "it moved by a step before" :
		    "it moved before, and said so in the fleet, or no drain");
	}
	free(v);
	return early;
}

static bool
restarted(const struct fleet *f, int unit)
{
	return unit != NONE && f->units[unit].kind == UNIT_RESTART;
}

/* Every declared client was restarted by the step that moved it. */
static bool
all_restarted(const struct walk *w, int endpoint)
{
	const struct fleet *f = w->f;
	size_t i, n = 0;

	for (i = 0; i < f->nlinks; i++) {
		if (f->links[i].endpoint != endpoint)
			continue;
		if (f->links[i].how != DIAL_BOUND || w->dial_by[i] == NONE ||
		    !restarted(f, f->clients[f->links[i].client].unit))
			return false;
		n++;
	}
	return n > 0;
}

static void
drain_needless(struct walk *w, size_t step, const struct drain *d)
{
	const struct endpoint *e = &w->f->endpoints[d->endpoint];
	const char *id = w->p->steps[step].id;
	int by = w->accept_by[d->endpoint];

	if (is_forced(w->all.accept[d->endpoint]) && by != NONE && restarted(w->f, e->unit))
		lint_add(w->l, LINT_NOTE, LINT_DRAIN_NEEDLESS, true, d->pos, e->name,
		    "step '%s' has nothing to end: step '%s' restarts '%s', which takes no plaintext since; expected it left out",
		    id, w->p->steps[by].id, e->name);
	else if (!d->undeclared && all_restarted(w, d->endpoint))
		lint_add(w->l, LINT_NOTE, LINT_DRAIN_NEEDLESS, true, d->pos, e->name,
		    "step '%s' has nothing to end: every client of '%s' is restarted by the step that moves it; expected it left out, or 'undeclared: yes' for those that the fleet does not know",
		    id, e->name);
}

static void
drains(struct walk *w, size_t step)
{
	const struct step *s = &w->p->steps[step];
	size_t i;

	for (i = 0; i < s->ndrains; i++)
		if (!drain_too_early(w, step, &s->drains[i]))
			drain_needless(w, step, &s->drains[i]);
	if (s->ndrains == 0)
		return;
	if (s->nmoves + s->nruns + s->activates.n > 0)
		lint_add(w->l, LINT_WARN, LINT_DRAIN_BESIDE, true, s->drains[0].pos, s->id,
		    "step '%s' ends sessions before what it writes is activated, and its undo takes back the rest without them; expected the drain in a step of its own, behind this one",
		    s->id);
	if (s->on_fault == ON_FAULT_UNDO)
		lint_add(w->l, LINT_NOTE, LINT_DRAIN_STAYS, true, s->drains[0].pos, s->id,
		    "step '%s' is taken back by itself where it faults, and what it has ended by then stays ended: nothing undoes a drain; expected 'on-fault: pause'",
		    s->id);
}

/* ---- a certificate that lands at an activation ------------------------------- */

static bool
activated_from(const struct walk *w, size_t step, int unit)
{
	struct indices units = { NULL, 0 };
	bool found;

	for (; step < w->p->nsteps && !indices_has(&units, unit); step++)
		step_units(w->f, &w->p->steps[step], &units);
	found = indices_has(&units, unit);
	free(units.v);
	return found;
}

/* What speaks TLS already goes on presenting what it has. */
static void
never_lands(struct walk *w, size_t step, const struct move *m)
{
	const struct cert *c = &w->f->certs[m->subject];
	const struct endpoint *e;
	size_t i;

	for (i = 0; c->lands_at_activation && i < c->serves.n; i++) {
		e = &w->f->endpoints[c->serves.v[i]];
		if (e->unit == NONE || w->all.accept[c->serves.v[i]] == ACCEPT_PLAIN || activated_from(w, step, e->unit))
			continue;
		lint_add(w->l, LINT_WARN, LINT_NEVER_LANDS, true, m->pos, c->name,
		    "'%s' lands at an activation of '%s', and neither step '%s' nor one behind it activates that: '%s' goes on "
		    "presenting what it has, and nothing shows the new one; expected 'activate: [%s]'", c->name,
		    w->f->units[e->unit].name, w->p->steps[step].id, e->name, w->f->units[e->unit].name);
		return;
	}
}

/* ---- one step --------------------------------------------------------------- */

static void
move_sure(struct walk *w, const struct step *s, const struct change *v, size_t n)
{
	struct change c;
	size_t i;

	for (i = 0; i < n; i++) {
		c = v[i];
		if (s->optional && posture_value(&w->sure, &c) != c.value)
			c.value = c.facet == FACET_ACCEPT ? (int)ACCEPT_UNKNOWN :
			    c.facet == FACET_DIAL ? (int)DIAL_UNKNOWN : UNSURE;
		posture_change(&w->sure, &c);
	}
}

static void
move_all(struct walk *w, size_t step, const struct change *v, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		/* A step that writes what is there already is not where it comes from. */
		if (posture_value(&w->all, &v[i]) != v[i].value)
			*written_by(w, &v[i]) = (int)step;
		posture_change(&w->all, &v[i]);
	}
}

/* Whether a root file is all that it takes for this driver to verify (attempt.h). */
static bool
root_file_verifies(const struct fleet *f, const struct link *l)
{
	struct attempt a = {
		.kind = f->endpoints[l->endpoint].kind, .accept = ACCEPT_TLS, .served = SERVED_GOOD,
		.dialect = l->dialect, .dial = DIAL_REQUIRE, .anchor = ANCHOR_NONE,
	};

	if (attempt_verdict(&a, NULL) != VERDICT_TLS)
		return false;
	a.anchor = ANCHOR_ISSUER;
	return attempt_verdict(&a, NULL) == VERDICT_CHAIN;
}

static void
require_verifies(struct walk *w, size_t step, const struct change *v, size_t n)
{
	const struct link *l;
	size_t i;
	int link;

	for (i = 0; i < n; i++) {
		if (v[i].facet != FACET_DIAL && v[i].facet != FACET_TRUST)
			continue;
		link = v[i].subject;
		l = &w->f->links[link];
		if (w->told[link] || w->all.dial[link] != DIAL_REQUIRE || w->all.trust[link] < 0 ||
		    !root_file_verifies(w->f, l))
			continue;
		w->told[link] = true;
		lint_add(w->l, LINT_NOTE, LINT_REQUIRE_VERIFIES, true,
		    place(w, &w->p->steps[step], link, w->dial_by[link] != (int)step), l->name,
		    "'%s' dials require and has a root file, so %s verifies the chain as verify-ca does, and refuses another CA's certificate; expected 'verify-full', or no 'trust'",
		    l->name, dialect_word(l->dialect));
	}
}

static void
one_step(struct walk *w, size_t step, const int64_t *watched_ms)
{
	const struct step *s = &w->p->steps[step];
	const struct move *m;
	struct change *v;
	size_t n, i;

	v = step_changes(w->f, s, &n);
	changes_nothing(w, s, v, n);
	drains(w, step);
	for (i = 0; i < s->nmoves; i++)
		if (s->moves[i].facet == FACET_CERT && w->installed[s->moves[i].subject] == NONE)
			lifetimes(w, watched_ms, step, &s->moves[i]);
	move_sure(w, s, v, n);
	move_all(w, step, v, n);
	for (i = 0; i < s->nmoves; i++) {
		m = &s->moves[i];
		if (m->facet == FACET_CERT && w->installed[m->subject] == NONE && !s->optional)
			w->installed[m->subject] = (int)step;
		if (m->facet == FACET_CERT)
			never_lands(w, step, m);
		if (m->facet != FACET_ACCEPT)
			continue;
		not_ours(w, s, m);
		mutual(w, m);
		one_port(w, m);
	}
	require_verifies(w, step, v, n);
	free(v);
}

/* ---- where it ends ----------------------------------------------------------- */

static bool
verifies(enum dial dial)
{
	return dial == DIAL_VERIFY_CA || dial == DIAL_VERIFY_FULL;
}

/* What would take the link further, in the words of who can. */
static const char *
expected(const struct link *l)
{
	switch (l->how) {
	case DIAL_FIXED:
	case DIAL_ASSUMED:
		return "its owner to move it, and the fleet to say so";
	case DIAL_FOLLOWS:
		return l->follows == NONE ? "'verify-full' in what implies it" : "'verify-full' of the link that it follows";
	case DIAL_BOUND:
		if (!l->dial[DIAL_VERIFY_FULL].bound)
			return l->trust_cert == NONE ? "a binding of 'verify-full' in the fleet and 'trust' beside it, and a step that moves both" :
			    "a binding of 'verify-full' in the fleet, and a step that moves it there";
		if (l->trust_cert == NONE)
			return "'verify-full', with 'trust' at the link in the fleet";
		return "a step that moves it to verify-full and gives it its CA to trust";
	}
	return "";
}

static void
goal_link(struct walk *w, size_t i)
{
	const struct fleet *f = w->f;
	const struct link *l = &f->links[i];
	const struct endpoint *e = &f->endpoints[l->endpoint];
	int by = w->dial_by[i] == NONE ? w->trust_by[i] : w->dial_by[i];
	struct pos pos = by == NONE ? l->pos :
	    place(w, &w->p->steps[by], (int)i, w->dial_by[i] == NONE);
	bool ours = l->how == DIAL_BOUND || l->how == DIAL_FOLLOWS, in_plan = by != NONE;
	enum dial dial = w->all.dial[i];
	enum verdict verdict = posture_verdict(f, &w->all, (int)i, NULL);
	const char *word = dial_word(dial), *accepts = accept_word(w->all.accept[l->endpoint]);

	if (verdict == VERDICT_PLAINTEXT)
		lint_add(w->l, LINT_WARN, LINT_GOAL_PLAINTEXT, in_plan, pos, l->name,
		    "'%s' ends in plaintext: it dials %s and '%s' accepts %s; expected %s", l->name,
		    word, e->name, accepts, expected(l));
	else if (verdict == VERDICT_TLS)
		lint_add(w->l, ours ? LINT_WARN : LINT_NOTE, LINT_GOAL_UNVERIFIED, in_plan, pos, l->name,
		    "'%s' ends as tls, not tls+name: it dials %s, so whoever answers is believed%s; expected %s",
		    l->name, word, dial == DIAL_PREFER && w->all.accept[l->endpoint] == ACCEPT_BOTH ?
		    ", and plaintext will do where tls fails" : "", expected(l));
	else if (verdict == VERDICT_CHAIN && dial == DIAL_PREFER && w->all.accept[l->endpoint] == ACCEPT_BOTH)
		lint_add(w->l, ours ? LINT_WARN : LINT_NOTE, LINT_GOAL_UNVERIFIED, in_plan, pos, l->name,
		    "'%s' ends as tls+chain only as long as that works: it dials prefer, and plaintext will do where it fails; expected %s",
		    l->name, expected(l));
	else if (verdict == VERDICT_CHAIN && verifies(dial))
		lint_add(w->l, LINT_NOTE, LINT_GOAL_CHAIN_ONLY, in_plan, pos, l->name,
		    "'%s' ends as tls+chain, not tls+name: %s%s checks no name, so every certificate of that CA will do; expected %s",
		    l->name, dial == DIAL_VERIFY_FULL ? "even for verify-full " : "",
		    dial == DIAL_VERIFY_FULL ? dialect_word(l->dialect) : "verify-ca",
		    dial == DIAL_VERIFY_FULL ? "a driver that does, or a CA that signs for nobody else" :
		    !l->dial[DIAL_VERIFY_FULL].bound && l->how == DIAL_BOUND ?
		    "a binding of 'verify-full' in the fleet, and that" : "'verify-full'");
}

/* A dial that verifies, of a link that the plan never gives anything to verify by. */
static void
without_trust(struct walk *w, const struct move *m)
{
	const struct link *l = &w->f->links[m->subject];
	int cert = w->all.cert[l->endpoint];
	bool ours = cert >= 0 && !w->f->certs[cert].external;

	if (w->all.trust[m->subject] != NONE || !verifies((enum dial)m->value))
		return;
	/* Others take the system's CAs, which is right for a public one's certificate. */
	if (!ours && !dialect_needs_file(l->dialect))
		return;
	lint_add(w->l, LINT_WARN, LINT_VERIFY_WITHOUT_TRUST, true, m->pos, l->name,
	    "'%s' is to dial %s and is given no CA to verify by%s; expected %s", l->name,
	    dial_word((enum dial)m->value), ours ? "" : ", without which its driver fails",
	    l->trust_cert == NONE ? "'trust' at the link in the fleet, moved by this step or before it" :
	    "its 'trust' moved by this step or before it");
}

void
lint_plan(struct linter *l)
{
	struct walk w;
	int64_t *watched_ms = mem_array(l->p->nsteps, sizeof(*watched_ms));
	size_t i, k;

	walk_init(&w, l);
	for (i = 0; i < l->p->nsteps; i++)
		watched_ms[i] = step_ms(&w, &l->p->steps[i]);
	for (i = 0; i < l->p->nsteps; i++)
		one_step(&w, i, watched_ms);
	for (i = 0; i < l->f->nlinks; i++)
		goal_link(&w, i);
	for (i = 0; i < l->p->nsteps; i++)
		for (k = 0; k < l->p->steps[i].nmoves; k++)
			if (l->p->steps[i].moves[k].facet == FACET_DIAL)
				without_trust(&w, &l->p->steps[i].moves[k]);
	walk_release(&w);
	free(watched_ms);
}
