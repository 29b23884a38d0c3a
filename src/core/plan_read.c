/*
 * plan_read: from the text of a plan file to the tree.
 *
 * Owns steps and their rows; plan_move.c reads what they move, plan_check.c what must be shown.
 * A plan is read against a finished fleet: whatever it names must be there.  What is bound to
 * something that is not built yet is read, and the step says so (not_yet).
 *
 * Whether the path is safe is not asked here: that is the proof's.
 */
#include "core/plan_read.h"

#include <stdlib.h>
#include <string.h>

#include "core/canary_read.h"
#include "core/mem.h"

int
plan_ref(struct plan_reader *pr, const struct scope *scope, const struct node *node,
    enum noun noun, int *ret)
{
	char *name;
	int rc;

	if (reader_string(&pr->fr.r, scope, node, "a name from the fleet", &name) == -1)
		return -1;
	rc = noun_find(&pr->fr.r, pr->f, noun, node->line, node->col, name, ret);
	free(name);
	return rc;
}

void
plan_not_yet(struct plan_reader *pr, struct step *s, struct pos pos, const char *why)
{
	if (why == NULL)
		return;
	if (s->not_yet == NULL)
		s->not_yet = why;
	reader_not_yet(&pr->fr.r, pos.line, pos.col, why);
}

static int
read_run_hosts(struct plan_reader *pr, const struct scope *scope, const struct node *on, struct bedit *e)
{
	size_t i;

	if (on->kind != NODE_SEQUENCE)
		return batch_hosts(pr, scope, on, true, &e->on);
	for (i = 0; i < on->n; i++)
		if (batch_hosts(pr, scope, on->items[i], true, &e->on) == -1)
			return -1;
	return 0;
}

static int
read_run(struct plan_reader *pr, const struct scope *scope, const struct node *node, struct step *s)
{
	static const char *const keys[] = {
		"on", "run", "undo", "observe", "expect", "value", "in", "touches", "stdin",
		"read-only", "idempotent", "deadline", NULL
	};
	struct bind b = {
		.fr = &pr->fr, .scope = scope, .owner = s->id, .owner_host = NONE,
		.run_time = step_run_time,
	};
	struct bedit *e;
	size_t i;

	if (node->kind == NODE_SEQUENCE) {
		for (i = 0; i < node->n; i++)
			if (reader_is(&pr->fr.r, node->items[i], NODE_MAPPING, "'{ on: HOST, run: …, undo: … }'") == -1 ||
			    read_run(pr, scope, node->items[i], s) == -1)
				return -1;
		return 0;
	}
	if (reader_is(&pr->fr.r, node, NODE_MAPPING, "'{ on: HOST, run: …, undo: … }'") == -1)
		return -1;
	e = mem_push(&s->runs, &s->nruns, sizeof(*e));
	if (bind_command(&b, node, "run", keys, e) == -1 || bind_check_way_back(&b, e) == -1)
		return -1;
	if (node_get(node, "on") == NULL)
		return reader_fail(&pr->fr.r, node, "run without 'on', expected 'on: HOST'");
	plan_not_yet(pr, s, e->pos, e->not_yet);
	return read_run_hosts(pr, scope, node_get(node, "on"), e);
}

/* A job that comes every six hours need not be waited for: it is run now. */
static int
read_exercise(struct plan_reader *pr, const struct scope *scope, const struct node *node, struct step *s)
{
	const struct fleet *f = pr->f;
	struct strings names = { 0 };
	struct exercise *x;
	struct bedit *e;
	size_t i, k, n;
	int first, rc = reader_strings(&pr->fr.r, scope, node, "the name of a client", &names);

	for (i = 0; i < names.n && rc == 0; i++) {
		if ((n = fleet_clients(f, names.v[i], &first)) == 0)
			rc = noun_find(&pr->fr.r, f, NOUN_CLIENT, node->line, node->col, names.v[i], &first);
		for (k = 0; k < n && rc == 0; k++) {
			const struct client *c = &f->clients[first + (int)k];

			if (c->exercise == NULL) {
				rc = reader_fail(&pr->fr.r, node, "'%s' has no command that makes it connect, expected "
				    "'exercise: { run: … }' at the client", c->name);
				break;
			}
			x = mem_push(&s->exercises, &s->nexercises, sizeof(*x));
			x->client = first + (int)k;
			x->pos.line = node->line;
			x->pos.col = node->col;
			e = mem_push(&s->runs, &s->nruns, sizeof(*e));
			e->kind = EDIT_RUN;
			e->pos = x->pos;
			e->mode = -1;
			e->endpoint = NONE;
			e->run = mem_strdup(c->exercise->run);
			e->in = mem_strdup(c->exercise->in);
			e->deadline_ms = c->exercise->deadline_ms;
			/* It changes nothing of ours: there is nothing to undo; and a second time is no harm. */
			e->read_only = e->idempotent = true;
			indices_add(&e->on, c->exercise->on.n > 0 ? c->exercise->on.v[0] : c->host);
			plan_not_yet(pr, s, e->pos, c->exercise->not_yet);
		}
	}
	strings_release(&names);
	return rc;
}

/* What is taken up at an activation alone can be told to be taken up now. */
static int
read_activate(struct plan_reader *pr, const struct scope *scope, const struct node *node, struct step *s)
{
	struct strings names = { 0 };
	const struct node *at;
	size_t i;
	int unit, rc = reader_strings(&pr->fr.r, scope, node, "the name of a unit", &names);

	for (i = 0; i < names.n && rc == 0; i++) {
		at = node->kind == NODE_SEQUENCE ? node->items[i] : node;
		if ((rc = noun_find(&pr->fr.r, pr->f, NOUN_UNIT, at->line, at->col, names.v[i], &unit)) == -1)
			break;
		if (indices_has(&s->activates, unit))
			rc = reader_fail(&pr->fr.r, at, "'%s' twice, expected each unit once", names.v[i]);
		else
			plan_not_yet(pr, s, (struct pos){ at->line, at->col }, pr->f->units[unit].not_yet);
		indices_add(&s->activates, unit);
	}
	strings_release(&names);
	return rc;
}

static void
push_excuse(struct step *s, int link, const char *reason)
{
	struct excuse *x = mem_push(&s->excuses, &s->nexcuses, sizeof(*x));

	x->link = link;
	x->reason = mem_strdup(reason);
}

/* A link, or a client for all its links; on all of its hosts. */
static int
excuse(struct plan_reader *pr, struct step *s, int line, int col, const char *name, const char *reason)
{
	const struct fleet *f = pr->f;
	struct indices links = { 0 };
	const struct client *c;
	size_t i, k, n;
	int first = NONE, none, rc;

	n = fleet_clients(f, name, &first);
	for (i = 0; i < n; i++) {
		c = &f->clients[(size_t)first + i];
		for (k = 0; k < c->links.n; k++)
			push_excuse(s, c->links.v[k], reason);
	}
	if (n > 0)
		return 0;
	rc = strstr(name, "->") == NULL ?
	    noun_find(&pr->fr.r, f, NOUN_CLIENT, line, col, name, &none) :
	    links_find(&pr->fr.r, f, NONE, line, col, name, &links);
	for (i = 0; i < links.n; i++)
		push_excuse(s, links.v[i], reason);
	free(links.v);
	return rc;
}

static int
read_excuses(struct plan_reader *pr, const struct scope *scope, const struct node *step,
    const struct node *node, struct step *s)
{
	struct reader *r = &pr->fr.r;
	struct strings names = { 0 };
	struct pairs pairs = { 0 };
	const struct node *at;
	char *reason = NULL;
	size_t i;
	int rc = -1;

	if (node->kind == NODE_MAPPING) {
		if (reader_pairs(r, scope, node, "'{ CLIENT: reason }'", NULL, &pairs) == -1)
			goto out;
		for (i = 0; i < pairs.n; i++) {
			if (pairs.v[i].value[0] == '\0') {
				(void)reader_fail_at(r, pairs.v[i].pos.line, pairs.v[i].pos.col,
				    "'%s' may refuse without a reason, expected one", pairs.v[i].key);
				goto out;
			}
			if (excuse(pr, s, pairs.v[i].pos.line, pairs.v[i].pos.col,
			    pairs.v[i].key, pairs.v[i].value) == -1)
				goto out;
		}
		rc = 0;
		goto out;
	}
	if (reader_strings(r, scope, node, "the name of a client or a link", &names) == -1)
		goto out;
	if (node_get(step, "reason") == NULL) {
		(void)reader_fail(r, node, "'may-refuse' without a reason, expected 'reason: …' beside it, or '{ CLIENT: reason }'");
		goto out;
	}
	if (reader_string(r, scope, node_get(step, "reason"), "a reason", &reason) == -1)
		goto out;
	for (i = 0; i < names.n; i++) {
		at = node->kind == NODE_SEQUENCE ? node->items[i] : node;
		if (excuse(pr, s, at->line, at->col, names.v[i], reason) == -1)
			goto out;
	}
	rc = 0;
out:
	strings_release(&names);
	pairs_release(&pairs);
	free(reason);
	return rc;
}

/* NAME, or NAME@WHERE of one batch of it: both are names. */
static int
check_id(struct plan_reader *pr, const struct node *id, struct step *s)
{
	struct reader *r = &pr->fr.r;
	char *where = strchr(s->id, '@');
	int rc;

	if (where == NULL)
		return reader_check_name(r, id->line, id->col, "a step", s->id);
	s->of = mem_strndup(s->id, (size_t)(where - s->id));
	rc = reader_check_name(r, id->line, id->col, "a step", s->of);
	if (rc == 0)
		rc = reader_check_name(r, id->line, id->col, "a batch of a step", where + 1);
	if (rc == 0 && strlen(s->id) > FLEET_NAME_MAX)
		rc = reader_fail(r, id, "'%.40s…' is longer than %d bytes, expected less", s->id, FLEET_NAME_MAX);
	return rc;
}

static int
read_id(struct plan_reader *pr, const struct scope *scope, const struct node *node, struct step *s)
{
	const struct node *id = node_get(node, "id");
	struct reader *r = &pr->fr.r;
	const struct plan *p = pr->p;
	int other, last = (int)p->nsteps - 1;	/* the step itself */
	char *name, *arrow;
	size_t n;

	if (id == NULL)
		return reader_fail(r, node, "a step without an id, expected 'id: …'");
	if (reader_string(r, scope, id, "a name", &name) == -1)
		return -1;
	/* Of a step for each link: "both-web -> pg" is both-web.pg, which needs no quotes on a command line. */
	while ((arrow = strstr(name, " -> ")) != NULL) {
		*arrow = '.';
		memmove(arrow + 1, arrow + 4, strlen(arrow + 4) + 1);
	}
	if (pr->batch.first != NONE && strchr(name, '@') != NULL) {
		(void)reader_fail(r, id, "'%s' of a step that is made host by host, expected no '@': it comes by itself", name);
		free(name);
		return -1;
	}
	s->id = batch_id(pr, name);
	free(name);
	if (check_id(pr, id, s) == -1)
		return -1;
	if ((other = plan_step(p, s->id)) == last) {
		n = plan_steps(p, s->of != NULL ? s->of : s->id, &other);
		if (s->of == NULL ? n == 1 : p->steps[other].of != NULL && other + (int)n - 1 == last)
			return 0;
		if (s->of != NULL && p->steps[other].of != NULL)
			return reader_fail(r, id, "'%s' apart from the batch before it, expected all of '%s' side by side",
			    s->id, s->of);
	}
	return reader_fail(r, id, "a second step '%s', expected another id (the first stands in line %d)%s",
	    s->of != NULL && strcmp(p->steps[other].id, s->of) == 0 ? s->of : s->id, p->steps[other].pos.line,
	    p->steps[other].pos.line == s->pos.line ? "; a 'for' needs its name in the id" : "");
}

static const char *const step_keys[] = {
	"id", "title", "row", "for", "certs", "trust", "dial", "accept", "present",
	"drain", "run", "exercise", "activate", "batch", "requires", "gate", "soak", "canary", "on-fault", "optional",
	"may-refuse", "reason", NULL
};

/* Where it is given; else nothing is written. */
static int
read_on_fault(struct plan_reader *pr, const struct scope *scope, const struct node *node,
    enum on_fault *ret)
{
	static const char *const words[] = { "pause", "undo", NULL };
	const struct node *v = node_get(node, "on-fault");
	int word;

	if (v == NULL)
		return 0;
	if (reader_word(&pr->fr.r, scope, v, "policy", words, &word) == -1)
		return -1;
	*ret = word == 0 ? ON_FAULT_PAUSE : ON_FAULT_UNDO;
	return 0;
}

static int
read_step_body(struct plan_reader *pr, const struct scope *scope, const struct node *node, struct step *s)
{
	struct reader *r = &pr->fr.r;
	const struct node *v;
	size_t i;

	if (plan_read_moves(pr, scope, node, s) == -1)
		return -1;
	if ((v = node_get(node, "run")) != NULL && read_run(pr, scope, v, s) == -1)
		return -1;
	if ((v = node_get(node, "exercise")) != NULL && read_exercise(pr, scope, v, s) == -1)
		return -1;
	if ((v = node_get(node, "activate")) != NULL && read_activate(pr, scope, v, s) == -1)
		return -1;
	if (s->nmoves + s->nruns + s->ndrains + s->activates.n == 0)
		return reader_fail(r, node, "the step '%s' moves nothing, expected one of: certs, trust, dial, accept, present, drain, run, exercise, activate", s->id);
	if ((v = node_get(node, "soak")) != NULL && reader_duration(r, scope, v, &s->soak_ms) == -1)
		return -1;
	s->on_fault = pr->p->on_fault;
	if (read_on_fault(pr, scope, node, &s->on_fault) == -1)
		return -1;
	for (i = 0; i < s->nmoves; i++)
		if (s->on_fault == ON_FAULT_UNDO && s->moves[i].replace)
			return reader_fail(r, node, "the step '%s' replaces a key that leaked, and its undo by itself would put that back, "
			    "expected 'on-fault: pause' there", s->id);
	if ((v = node_get(node, "optional")) != NULL && reader_bool(r, scope, v, &s->optional) == -1)
		return -1;
	if ((v = node_get(node, "may-refuse")) != NULL && read_excuses(pr, scope, node, v, s) == -1)
		return -1;
	if (node_get(node, "reason") != NULL && v == NULL)
		return reader_fail(r, node_get(node, "reason"), "'reason' without 'may-refuse', expected it beside");
	if ((v = node_get(node, "title")) != NULL) {
		if (reader_string(r, scope, v, "a title", &s->title) == -1)
			return -1;
	} else
		s->title = step_title(pr->f, s);
	if (canary_read_step(pr, scope, node, s) == -1)
		return -1;
	imply_checks(pr->f, pr->p, s);
	if ((v = node_get(node, "requires")) != NULL &&
	    read_checks(pr, scope, v, "requires", s, &s->requires, &s->nrequires) == -1)
		return -1;
	if ((v = node_get(node, "gate")) != NULL &&
	    read_checks(pr, scope, v, "gate", s, &s->gates, &s->ngates) == -1)
		return -1;
	return 0;
}

/* The row that the step is shown in: one with the last step's where both say so. */
static int
place_in_row(struct plan_reader *pr, const struct scope *scope, const struct node *node, size_t step)
{
	struct plan *p = pr->p;
	const struct node *row = node_get(node, "row");
	struct group *g;
	char *name = NULL;

	if (row != NULL) {
		if (reader_string(&pr->fr.r, scope, row, "what the row is called", &name) == -1)
			return -1;
	} else if (node_get(node, "for") != NULL)
		name = mem_strdup(node_get(node, "id")->value);
	else if (p->steps[step].of != NULL)
		name = mem_strdup(p->steps[step].of);
	if (name == NULL || p->ngroups == 0 || pr->rows[p->ngroups - 1] == NULL ||
	    strcmp(pr->rows[p->ngroups - 1], name) != 0) {
		g = mem_push(&p->groups, &p->ngroups, sizeof(*g));
		g->first = step;
		*(char **)mem_push(&pr->rows, &pr->nrows, sizeof(char *)) = name;
	} else
		free(name);
	p->groups[p->ngroups - 1].n++;
	p->steps[step].group = (int)p->ngroups - 1;
	return 0;
}

struct step_round {
	struct plan_reader *pr;
	const struct node *node;
};

static int
read_one_step(struct step_round *round, const struct scope *scope)
{
	struct plan_reader *pr = round->pr;
	struct step *s;

	if (pr->p->nsteps >= FLEET_ITEMS_MAX)
		return reader_fail(&pr->fr.r, round->node, "more than %d steps, expected fewer", FLEET_ITEMS_MAX);
	s = mem_push(&pr->p->steps, &pr->p->nsteps, sizeof(*s));
	s->pos.line = round->node->line;
	s->pos.col = round->node->col;
	if (read_id(pr, scope, round->node, s) == -1 ||
	    read_step_body(pr, scope, round->node, s) == -1)
		return -1;
	return place_in_row(pr, scope, round->node, pr->p->nsteps - 1);
}

static int
read_step(void *arg, const struct scope *scope)
{
	struct step_round *round = arg;

	if (batch_begin(round->pr, scope, round->node, &round->pr->batch) == -1)
		return -1;
	do {
		if (read_one_step(round, scope) == -1)
			return -1;
	} while (batch_go_on(&round->pr->batch));
	return 0;
}

static int
read_steps(struct plan_reader *pr, const struct node *node)
{
	struct step_round round = { .pr = pr };
	struct plan *p = pr->p;
	size_t i;

	if (reader_is(&pr->fr.r, node, NODE_SEQUENCE, "a list of steps: [ { id: …, … } ]") == -1)
		return -1;
	if (node->n == 0)
		return reader_fail(&pr->fr.r, node, "a plan without steps, expected at least one");
	for (i = 0; i < node->n; i++) {
		round.node = node->items[i];
		if (reader_keys(&pr->fr.r, round.node, "a step", step_keys) == -1 ||
		    reader_for(&pr->fr.r, NULL, node_get(round.node, "for"), read_step, &round) == -1)
			return -1;
	}
	for (i = 0; i < p->ngroups; i++)
		p->groups[i].title = p->groups[i].n == 1 ?
		    mem_strdup(p->steps[p->groups[i].first].title) :
		    mem_printf("%s \xc3\x97 %zu", pr->rows[i], p->groups[i].n);
	return 0;
}

static int
read_from(struct plan_reader *pr, const struct node *node)
{
	static const char *const keys[] = { "accept", "dial", "certs", NULL };
	struct strings names = { 0 };
	const struct node *v;
	int word, cert, rc = 0;
	size_t i;

	if (reader_keys(&pr->fr.r, node, "from", keys) == -1)
		return -1;
	if ((v = node_get(node, "accept")) != NULL) {
		if (reader_word(&pr->fr.r, NULL, v, "accept", accept_words, &word) == -1)
			return -1;
		pr->p->from_accept = (enum accept)word;
	}
	if ((v = node_get(node, "dial")) != NULL) {
		if (reader_word(&pr->fr.r, NULL, v, "dial", dial_words, &word) == -1)
			return -1;
		pr->p->from_dial = (enum dial)word;
	}
	if ((v = node_get(node, "certs")) == NULL)
		return 0;
	if (reader_strings(&pr->fr.r, NULL, v, "the name of a certificate", &names) == -1)
		return -1;
	for (i = 0; i < names.n && rc == 0; i++)
		if ((rc = noun_find(&pr->fr.r, pr->f, NOUN_CERT, v->line, v->col, names.v[i], &cert)) == 0)
			indices_add(&pr->p->from_certs, cert);
	strings_release(&names);
	return rc;
}

/* A command that is undone by that of the value before: there has to be one. */
static int
check_way_back(struct plan_reader *pr)
{
	const struct plan *p = pr->p;
	const struct bedit *e;
	size_t i, k;

	for (i = 0; i < p->nsteps; i++)
		for (k = 0; k < p->steps[i].nmoves; k++) {
			const struct move *m = &p->steps[i].moves[k];

			if ((e = plan_cannot_go_back(pr->f, p, (int)i, m)) != NULL)
				return reader_fail_at(&pr->fr.r, m->pos.line, m->pos.col, "'%s' cannot be undone: its value before "
				    "this step has no command that is observed by '%s', expected one, or 'undo' or 'value' at "
				    "%s:%d:%d", e->run, e->observe, pr->f->path, e->pos.line, e->pos.col);
		}
	return 0;
}

/* Nobody is led to where belay cannot log in any more, and has to. */
static int
check_own(struct plan_reader *pr)
{
	int step, endpoint = plan_shuts_out(pr->f, pr->p, &step);
	const char *name = endpoint == NONE ? NULL : pr->f->endpoints[endpoint].name;

	return endpoint == NONE ? 0 : reader_fail_at(&pr->fr.r, pr->p->steps[step].pos.line, pr->p->steps[step].pos.col,
	    "step '%s' is done, or taken back, by belay's own login at '%s', which demands a certificate of everybody then, and "
	    "belay has none for it; expected 'probe: { cert: … }' at '%s' in the fleet", pr->p->steps[step].id, name, name);
}

static int
read_plan(struct plan_reader *pr, const struct node *root)
{
	static const char *const keys[] = {
		"belay", "name", "from", "on-fault", "steps", NULL
	};
	struct reader *r = &pr->fr.r;
	const struct node *v = node_get(root, "belay");

	if (v == NULL)
		return reader_fail(r, root, "no 'belay', expected 'belay: plan/1'");
	if (v->kind != NODE_SCALAR || strcmp(v->value, "plan/1") != 0)
		return reader_fail(r, v, "'%s', expected 'belay: plan/1'%s",
		    v->kind == NODE_SCALAR ? v->value : "",
		    v->kind == NODE_SCALAR && strncmp(v->value, "fleet/", 6) == 0 ?
		    " (this is a fleet: it goes with -f)" : "");
	if (reader_keys(r, root, "a plan", keys) == -1)
		return -1;
	if ((v = node_get(root, "name")) == NULL)
		return reader_fail(r, root, "a plan without a name, expected 'name: …'");
	if (reader_string(r, NULL, v, "the plan's name", &pr->p->name) == -1 ||
	    reader_check_name(r, v->line, v->col, "a plan", pr->p->name) == -1)
		return -1;
	if ((v = node_get(root, "from")) != NULL && read_from(pr, v) == -1)
		return -1;
	if (read_on_fault(pr, NULL, root, &pr->p->on_fault) == -1)
		return -1;
	if ((v = node_get(root, "steps")) == NULL)
		return reader_fail(r, root, "a plan without steps, expected 'steps: [ … ]'");
	return read_steps(pr, v) == -1 || check_way_back(pr) == -1 ? -1 : check_own(pr);
}

int
plan_parse(struct plan **ret, const struct fleet *fleet, const char *path,
    const char *text, size_t len_bytes, struct err *err)
{
	struct plan_reader pr = { .f = fleet };
	struct node *root;
	size_t i;
	int rc;

	if (node_read(&root, path, text, len_bytes, err) == -1)
		return -1;
	pr.p = mem_alloc(sizeof(*pr.p));
	pr.p->path = mem_strdup(path);
	pr.p->from_accept = ACCEPT_UNKNOWN;
	pr.p->from_dial = DIAL_UNKNOWN;
	reader_init(&pr.fr.r, path, &pr.p->not_yet, err);
	pr.fr.r.select = plan_select;
	pr.fr.r.arg = &pr;
	rc = read_plan(&pr, root);
	reader_sort_not_yet(&pr.fr.r);
	reader_release(&pr.fr.r);
	for (i = 0; i < pr.nrows; i++)
		free(pr.rows[i]);
	free(pr.rows);
	node_free(root);
	if (rc == -1) {
		plan_free(pr.p);
		return -1;
	}
	*ret = pr.p;
	return 0;
}
