/*
 * insist: what an operator decided against what belay would do by itself: a
 * check that is waived, a change of somebody else's that an undo leaves as it
 * stands.  Each has a name and a reason, and is in the journal before it counts.
 * What is waived counts as long as its run; what is kept, until that undo has ended.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/err.h"
#include "core/mem.h"
#include "core/reader.h"
#include "core/standing.h"
#include "engine/engine_int.h"

static int
insistible(struct engine *e, int step, const char *reason, struct err *err)
{
	if (engine_may_change(e, err) != 0)
		return -1;
	if (step < 0 || (size_t)step >= e->plan->nsteps)
		return err_set(err, "there is no such step");
	if (reason == NULL || *reason == '\0')
		return err_set(err, "that needs a reason");
	return 0;
}

static int
note(struct engine *e, int step, const char *kind, const char *name, const char *reason, struct err *err)
{
	char *text = mem_printf("%s: %s", name, reason);
	int rc = past_note(e, step, kind, text, err);

	free(text);
	return rc;
}

static void
put(struct engine *e, char **slot, const char *reason)
{
	free(*slot);
	*slot = mem_strdup(reason);
	engine_dirty(e);
}

static int
waive(struct engine *e, int step, const char *check, const char *reason, char **slot, struct err *err)
{
	if (note(e, step, "waive", check, reason, err) != 0)
		return -1;
	put(e, slot, reason);
	return 0;
}

/* Of an activation: checks that stand in no plan (core/standing.h). */
static char **
standing_slot(struct step_memory *m, const char *name, size_t len_bytes)
{
	struct pair *p;
	size_t i;

	for (i = 0; i < m->waived_standing.n; i++)
		if (strlen(m->waived_standing.v[i].key) == len_bytes &&
		    memcmp(m->waived_standing.v[i].key, name, len_bytes) == 0)
			return &m->waived_standing.v[i].value;
	p = mem_push(&m->waived_standing.v, &m->waived_standing.n, sizeof(*p));
	p->key = mem_strndup(name, len_bytes);
	p->value = NULL;
	return &p->value;
}

/* Is it a check of something that the step activates? */
static bool
standing_of_step(const struct engine *e, int step, const char *check)
{
	const struct ops *ops = &e->memory[step].ops;
	struct indices endpoints;
	bool found = false;
	size_t i, k;
	char *name;
	int kind;

	for (i = 0; i < ops->n && !found; i++) {
		if (ops->v[i].kind != OP_ACTIVATE)
			continue;
		standing_endpoints(&endpoints, e->fleet, ops->v[i].unit);
		for (k = 0; k < endpoints.n; k++)
			for (kind = 0; kind < STANDING_COUNT; kind++) {
				name = standing_name(e->fleet, (enum standing_kind)kind, endpoints.v[k]);
				found = found || strcmp(name, check) == 0;
				free(name);
			}
		free(endpoints.v);
	}
	return found;
}

bool
engine_has_check(const struct engine *e, int step, const char *check)
{
	const struct step *s = &e->plan->steps[step];
	size_t i;

	for (i = 0; i < s->nrequires; i++)
		if (strcmp(s->requires[i].name, check) == 0)
			return true;
	for (i = 0; i < s->ngates; i++)
		if (strcmp(s->gates[i].name, check) == 0)
			return true;
	return standing_of_step(e, step, check) || leak_of_step(e, step, check);
}

int
engine_waive(struct engine *e, int step, const char *check, const char *reason, struct err *err)
{
	const struct step *s;
	struct step_memory *m;
	size_t i;

	if (insistible(e, step, reason, err) != 0)
		return -1;
	s = &e->plan->steps[step];
	m = &e->memory[step];
	for (i = 0; i < s->nrequires + s->ngates; i++) {
		bool guard = i < s->nrequires;
		size_t k = guard ? i : i - s->nrequires;
		char **slot = guard ? &m->waived_guards[k] : &m->waived_gates[k];

		if (strcmp(guard ? s->requires[k].name : s->gates[k].name, check) != 0)
			continue;
		if (waive(e, step, check, reason, slot, err) != 0)
			return -1;
		/* It may be what a step out of its turn was refused for. */
		e->turn.at_ms = 0;
		engine_dirty(e);
		engine_arm(e);
		return 0;
	}
	if (standing_of_step(e, step, check) || leak_of_step(e, step, check))
		return waive(e, step, check, reason, standing_slot(m, check, strlen(check)), err);
	return err_set(err, "step '%s' has no check '%s'", s->id, check);
}

/* ---- what a person vouches for ---- */

static void
put_attested(struct engine *e, int step, const char *check, const char *words)
{
	struct pairs *v = &e->memory[step].attested;
	struct pair *p = NULL;
	size_t i;

	for (i = 0; i < v->n; i++)
		if (strcmp(v->v[i].key, check) == 0)
			p = &v->v[i];
	if (p == NULL) {
		p = mem_push(&v->v, &v->n, sizeof(*p));
		p->key = mem_strdup(check);
	}
	put(e, &p->value, words);
}

/* The step's attest check of that name, or that asks for just that; or NULL. */
static const struct check *
attest_check(const struct step *s, const char *name, size_t len)
{
	const struct check *c;
	size_t i;

	for (i = 0; i < s->nrequires + s->ngates; i++) {
		c = i < s->nrequires ? &s->requires[i] : &s->gates[i - s->nrequires];
		if (c->kind == CHECK_ATTEST && ((strlen(c->name) == len && strncmp(c->name, name, len) == 0) ||
		    (c->text != NULL && strlen(c->text) == len && strncmp(c->text, name, len) == 0)))
			return c;
	}
	return NULL;
}

/* The client of that name whose evidence is somebody's word, or NONE. */
static int
attest_client(const struct fleet *f, const char *name, size_t len)
{
	size_t i;

	for (i = 0; i < f->nclients; i++)
		if (f->clients[i].evidence == EVIDENCE_ATTEST && strlen(f->clients[i].name) == len &&
		    strncmp(f->clients[i].name, name, len) == 0)
			return (int)i;
	return NONE;
}

static void
vouch(struct engine *e, int step, const char *name, size_t len, const char *words)
{
	const struct check *c = attest_check(&e->plan->steps[step], name, len);
	int client = attest_client(e->fleet, name, len);

	if (c != NULL)
		put_attested(e, step, c->name, words);
	if (client != NONE)
		board_vouch(e->board, client, words);
}

int
engine_attest(struct engine *e, int step, const char *name, const char *reason, struct err *err)
{
	size_t len = strlen(name);
	char *words;
	int rc;

	if (insistible(e, step, reason, err) != 0)
		return -1;
	if (attest_check(&e->plan->steps[step], name, len) == NULL && attest_client(e->fleet, name, len) == NONE)
		return err_set(err, "nobody is asked to vouch for '%s': step '%s' has no attest check of that name, and there is "
		    "no client of it with 'evidence: attest'", name, e->plan->steps[step].id);
	words = mem_printf("%s: %s", e->who, reason);
	rc = note(e, step, "attest", name, words, err);
	if (rc == 0)
		vouch(e, step, name, len, words);
	free(words);
	engine_dirty(e);
	engine_arm(e);
	return rc;
}

bool
engine_attests(const struct engine *e, int step, const char *what)
{
	return attest_check(&e->plan->steps[step], what, strlen(what)) != NULL ||
	    attest_client(e->fleet, what, strlen(what)) != NONE;
}

bool
insist_attested(const struct engine *e, int step, const struct check *c, struct check_result *ret)
{
	const struct pairs *v = &e->memory[step].attested;
	size_t i;

	for (i = 0; c->kind == CHECK_ATTEST && i < v->n; i++)
		if (strcmp(v->v[i].key, c->name) == 0) {
			ret->judgement = CHECK_PASS;
			(void)snprintf(ret->why, sizeof(ret->why), "attested by %s", v->v[i].value);
			return true;
		}
	return false;
}

const char *
engine_waiver(const struct engine *e, int step, const char *check)
{
	const struct step *s = &e->plan->steps[step];
	const struct step_memory *m = &e->memory[step];
	size_t i;

	for (i = 0; i < s->nrequires; i++)
		if (strcmp(s->requires[i].name, check) == 0 && m->waived_guards[i] != NULL)
			return m->waived_guards[i];
	for (i = 0; i < s->ngates; i++)
		if (strcmp(s->gates[i].name, check) == 0 && m->waived_gates[i] != NULL)
			return m->waived_gates[i];
	for (i = 0; i < m->waived_standing.n; i++)
		if (strcmp(m->waived_standing.v[i].key, check) == 0)
			return m->waived_standing.v[i].value;
	return NULL;
}

/* ---- what somebody else made of it ---- */

/* Does the op write what has that name? */
static bool
op_is(const struct engine *e, const struct op *op, const char *name, size_t len)
{
	struct strings names;
	bool found = false;
	size_t i;

	op_names(op, e->fleet, &names);
	for (i = 0; i < names.n; i++)
		found = found || (strlen(names.v[i]) == len && strncmp(names.v[i], name, len) == 0);
	strings_release(&names);
	return found;
}

int
engine_keep(struct engine *e, int step, const char *file, const char *reason, struct err *err)
{
	const struct step_view *v;
	struct step_memory *m;
	struct indices stuck = { NULL, 0 };
	enum op_state other = OPS_WAITING;
	size_t i, named = 0;
	int rc;

	if (insistible(e, step, reason, err) != 0)
		return -1;
	m = &e->memory[step];
	v = rollout_step(e->rollout, step);
	for (i = 0; i < m->ops.n; i++) {
		if (!op_is(e, &m->ops.v[i], file, strlen(file)))
			continue;
		named++;
		if (v->ops[i].state == OPS_STUCK)
			*(int *)mem_push(&stuck.v, &stuck.n, sizeof(*stuck.v)) = (int)i;
		else
			other = v->ops[i].state;
	}
	if (named == 0)
		rc = err_set(err, "step '%s' has written no '%s'; a file is HOST:PATH, as shown, and settings are their ENDPOINT's",
		    e->plan->steps[step].id, file);
	else if (stuck.n == 0)
		rc = err_set(err, "'%s' is %s: only what an undo was stuck at is left as it stands", file,
		    op_state_word(other));
	else
		rc = note(e, step, "keep", file, reason, err);
	for (i = 0; rc == 0 && i < stuck.n; i++)
		put(e, &m->keeps[stuck.v[i]], reason);
	free(stuck.v);
	return rc;
}

const char *
engine_kept(const struct engine *e, int step, int op)
{
	const struct step_memory *m = &e->memory[step];

	return op >= 0 && (size_t)op < m->ops.n ? m->keeps[op] : NULL;
}

/* ---- the journal, and the end ---- */

static void
put_back(char **slot, const char *text, size_t name_len)
{
	free(*slot);
	*slot = mem_strdup(text + name_len + 1 + (text[name_len + 1] == ' '));
}

void
insist_replay(struct engine *e, int step, const char *kind, const char *text)
{
	const struct step *s = &e->plan->steps[step];
	struct step_memory *m = &e->memory[step];
	const char *colon;
	size_t i, n;

	for (i = 0; strcmp(kind, "waive") == 0 && i < s->nrequires + s->ngates; i++) {
		bool guard = i < s->nrequires;
		size_t k = guard ? i : i - s->nrequires;
		const char *name = guard ? s->requires[k].name : s->gates[k].name;

		n = strlen(name);
		if (strncmp(text, name, n) == 0 && text[n] == ':')
			put_back(guard ? &m->waived_guards[k] : &m->waived_gates[k], text, n);
	}
	/* What is vouched for may have a colon in it. */
	for (colon = strchr(text, ':'); strcmp(kind, "attest") == 0 && colon != NULL; colon = strchr(colon + 1, ':'))
		vouch(e, step, text, (size_t)(colon - text), colon + 1 + (colon[1] == ' '));
	n = strcspn(text, ":");
	if (strcmp(kind, "waive") == 0 && (standing_is_name(e->fleet, text, n) || leak_is_name(e, text, n)))
		put_back(standing_slot(m, text, n), text, n);
	for (i = 0; strcmp(kind, "keep") == 0 && i < m->ops.n; i++)
		/* A name may hold a colon. */
		for (colon = strchr(text, ':'); colon != NULL; colon = strchr(colon + 1, ':'))
			if (op_is(e, &m->ops.v[i], text, (size_t)(colon - text))) {
				put_back(&m->keeps[i], text, (size_t)(colon - text));
				break;
			}
}

static void
forget(char **v, size_t n)
{
	size_t i;

	for (i = 0; v != NULL && i < n; i++) {
		free(v[i]);
		v[i] = NULL;
	}
}

static void
forget_step(struct engine *e, int step)
{
	struct step_memory *m = &e->memory[step];

	forget(m->waived_guards, e->plan->steps[step].nrequires);
	forget(m->waived_gates, e->plan->steps[step].ngates);
	forget(m->keeps, m->ops.n);
	pairs_release(&m->waived_standing);
	pairs_release(&m->attested);
}

/* The undo that it was for has ended: the next one asks anew. */
void
insist_undone(struct engine *e, int step)
{
	forget(e->memory[step].keeps, e->memory[step].ops.n);
}

/* A run that was taken back whole takes with it what was insisted on. */
void
insist_forget(struct engine *e)
{
	size_t i;

	for (i = 0; e->plan != NULL && i < e->plan->nsteps; i++)
		forget_step(e, (int)i);
	for (i = 0; e->board != NULL && i < e->fleet->nclients; i++)
		board_vouch(e->board, (int)i, NULL);
}

void
insist_release(struct engine *e, int step)
{
	struct step_memory *m = &e->memory[step];

	forget_step(e, step);
	free(m->waived_guards);
	free(m->waived_gates);
	free(m->keeps);
}
