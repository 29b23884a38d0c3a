/*
 * lease: two belays never apply at once, on whatever bastion they run.  Owns
 * the leases on hosts: taken before a step or an undo touches them, renewed
 * while this process lives, given back when it ends.
 *
 * The host gives each new holder a higher token, and takes nothing from an
 * older one; so a console that was stopped for longer than its lease lives
 * writes nothing when it wakes up and somebody else has gone on.
 *
 * An undo asks for its leases, too, but a host that does not answer keeps
 * nobody from the way back on the others: it is left to its operation, which
 * says for itself that the host is silent, or that it was taken over.  Where
 * the host answered that it can give none, that is what the operation says.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/mem.h"
#include "engine/engine_int.h"
#include "pki/digest.h"
#include "wire/wire.h"

#define LEASE_S			90
#define ASK_DEADLINE_MS		8000
#define ASK_UNDO_DEADLINE_MS	4000
#define GIVE_BACK_MS		1500	/* in all, at the end */

void
lease_init(struct engine *e)
{
	const char *ttl = getenv("BELAY_LEASE");	/* seconds; documented in belay(1) */
	char *who, machine[64] = "", *end;
	long s;
	FILE *f;

	e->lease_s = LEASE_S;
	if (ttl != NULL && *ttl != '\0') {
		s = strtol(ttl, &end, 10);
		if (*end == '\0' && s >= 1 && s <= LEASE_TTL_MAX_S)
			e->lease_s = (int)s;
	}
	/* This account on this machine with this state: what the local lock keeps to one process. */
	if ((f = fopen("/etc/machine-id", "re")) != NULL) {
		if (fgets(machine, sizeof(machine), f) == NULL)
			machine[0] = '\0';
		(void)fclose(f);
	}
	who = mem_printf("%s %s %s %ld", machine, e->who, e->state_dir == NULL ? "" : e->state_dir, (long)getuid());
	digest_sha256_hex(who, strlen(who), e->holder);
	free(who);
	e->leases = mem_array(e->fleet->nhosts + 1, sizeof(*e->leases));
}

void
lease_free(struct engine *e)
{
	free(e->leases);
	e->leases = NULL;
}

static void
ask_host(struct engine *e, int host, enum lease_phase phase, bool displace, int64_t deadline_ms)
{
	struct lease_state *l = &e->leases[host];
	struct wire_lease w = { .phase = phase, .displace = displace, .ttl_s = e->lease_s, .token = l->token };
	int step = e->rollout == NULL ? NONE : rollout_in_flight(e->rollout);

	(void)snprintf(w.holder, sizeof(w.holder), "%s", e->holder);
	(void)snprintf(w.who, sizeof(w.who), "%s", e->who);
	if (step == NONE)
		step = e->waiting_step;
	(void)snprintf(w.doing, sizeof(w.doing), "%s%s%s", e->plan == NULL ? "" : e->plan->name,
	    step == NONE ? "" : ", step ", step == NONE ? "" : e->plan->steps[step].id);
	l->asked_ms = engine_now_ms(e);
	l->phase = (int)phase;
	l->id = workers_lease(e->workers, host, &w, deadline_ms);
}

static bool
fresh(const struct engine *e, const struct lease_state *l)
{
	return l->token > 0 && engine_now_ms(e) - l->taken_ms < (int64_t)e->lease_s * 1000 / 2;
}

/* The hosts of a step, each once, by `mark`. */
static void
hosts_of(const struct engine *e, int step, bool *mark)
{
	const struct ops *ops = &e->memory[step].ops;
	size_t i;

	for (i = 0; i < ops->n; i++)
		mark[ops->v[i].host] = true;
}

int
lease_need(struct engine *e, int step, enum verb verb, struct err *err)
{
	bool *mark = mem_array(e->fleet->nhosts + 1, sizeof(*mark));
	bool undo = verb == VERB_UNDO, waits = false;
	size_t h;
	int rc = 0;

	hosts_of(e, step, mark);
	for (h = 0; h < e->fleet->nhosts && rc == 0; h++) {
		struct lease_state *l = &e->leases[h];

		if (!mark[h] || fresh(e, l))
			continue;
		if (l->id != 0) {
			waits = true;
		} else if (l->answered && l->asked_for == e->lease_round) {
			/* It was asked for this very wish, and said no. */
			e->lease_held = l->held;
			if (l->held)
				rc = err_set(err, "host '%s': %s; belay unlock takes it over", e->fleet->hosts[h].name, l->why);
			else if (!undo)
				rc = err_set(err, "host '%s' cannot be kept to ourselves: %s", e->fleet->hosts[h].name, l->why);
		} else {
			l->asked_for = e->lease_round;
			l->answered = false;
			ask_host(e, (int)h, LEASE_TAKE, false, undo ? ASK_UNDO_DEADLINE_MS : ASK_DEADLINE_MS);
			waits = true;
		}
	}
	free(mark);
	e->lease_refused = rc != 0;
	return rc != 0 ? -1 : waits ? 1 : 0;
}

void
lease_begin(struct engine *e)
{
	e->lease_round++;
	e->lease_refused = e->lease_held = false;
}

static struct lease_state *
lease_of(struct engine *e, uint64_t id)
{
	size_t h;

	for (h = 0; e->leases != NULL && h < e->fleet->nhosts; h++)
		if (e->leases[h].id == id && id != 0)
			return &e->leases[h];
	return NULL;
}

/* Whoever waits for leases goes on when none is being asked for. */
static void
go_on(struct engine *e)
{
	size_t h;

	for (h = 0; h < e->fleet->nhosts; h++)
		if (e->leases[h].id != 0)
			return;
	if (e->waiting_lease) {
		e->waiting_lease = false;
		engine_material_ready(e, true, NULL);
	}
	engine_dirty(e);
}

bool
lease_answer(struct engine *e, uint64_t id, const struct op_result *res)
{
	struct lease_state *l = lease_of(e, id);
	int host;

	if (l == NULL)
		return false;
	host = (int)(l - e->leases);
	l->id = 0;
	l->answered = true;
	l->held = res->outcome == OP_DRIFTED;
	l->refused = res->outcome == OP_FAILED;
	(void)snprintf(l->why, sizeof(l->why), "%s", res->why == NULL ? "" : res->why);
	(void)snprintf(l->by, sizeof(l->by), "%.*s", res->text == NULL || !l->held ? 0 : (int)strcspn(res->text, " "),
	    res->text == NULL ? "" : res->text);
	if (res->outcome == OP_APPLIED) {
		l->token = res->text == NULL ? 0 : strtoll(res->text, NULL, 10);
		l->taken_ms = l->asked_ms;
		if (l->token <= 0)
			l->token = 0;
	} else if (l->held || l->phase == LEASE_FREE) {
		if (l->token > 0 && l->held)
			engine_tell(e, TELL_WARN, "host '%s' was taken over: %s", e->fleet->hosts[host].name, l->why);
		l->token = 0;
	}
	go_on(e);
	return true;
}

bool
lease_lost(struct engine *e, uint64_t id)
{
	struct op_result res = { .outcome = OP_UNREACHED };
	char why[] = "its worker is gone";

	res.why = why;
	return lease_answer(e, id, &res);
}

int64_t
lease_token(const struct engine *e, int host)
{
	return e->leases[host].token;
}

const char *
lease_refusal(const struct engine *e, int host)
{
	const struct lease_state *l = &e->leases[host];

	return l->token == 0 && l->refused && l->why[0] != '\0' ? l->why : NULL;
}

int64_t
lease_run(struct engine *e, int64_t now_ms)
{
	int64_t next = INT64_MAX, due;
	size_t h;

	for (h = 0; h < e->fleet->nhosts; h++) {
		struct lease_state *l = &e->leases[h];

		if (l->token == 0 || l->id != 0)
			continue;
		due = (l->taken_ms > l->asked_ms ? l->taken_ms : l->asked_ms) + (int64_t)e->lease_s * 1000 / 3;
		if (due <= now_ms) {
			ask_host(e, (int)h, LEASE_TAKE, false, ASK_DEADLINE_MS);
			continue;
		}
		if (due < next)
			next = due;
	}
	return next;
}

static void
late(uv_timer_t *timer)
{
	struct engine *e = timer->data;

	e->leases_late = true;
}

void
lease_give_back(struct engine *e)
{
	bool any = false;
	size_t h;

	if (e->leases == NULL || e->workers == NULL)
		return;
	for (h = 0; h < e->fleet->nhosts; h++) {
		if (e->leases[h].id != 0)
			workers_cancel(e->workers, e->leases[h].id);
		e->leases[h].id = 0;
		if (e->leases[h].token > 0) {
			ask_host(e, (int)h, LEASE_FREE, false, GIVE_BACK_MS);
			any = true;
		}
	}
	if (!any)
		return;
	(void)uv_timer_stop(&e->timer);
	e->timer.data = e;
	(void)uv_timer_start(&e->timer, late, GIVE_BACK_MS, 0);
	while (any && !e->leases_late) {
		(void)uv_run(&e->loop, UV_RUN_ONCE);
		any = false;
		for (h = 0; h < e->fleet->nhosts; h++)
			any = any || e->leases[h].id != 0;
	}
	(void)uv_timer_stop(&e->timer);
}

/* ---- unlock -------------------------------------------------------------------- */

void
engine_leases(struct engine *e, enum lease_wish wish, const char *by)
{
	bool *mark = mem_array(e->fleet->nhosts + 1, sizeof(*mark));
	size_t i;

	lease_begin(e);
	for (i = 0; e->plan != NULL && i < e->plan->nsteps; i++)
		hosts_of(e, (int)i, mark);
	for (i = 0; i < e->fleet->nhosts; i++)
		if (mark[i] && e->leases[i].id == 0 && (wish == LEASES_LOOK ||
		    (e->leases[i].held && strcmp(e->leases[i].by, by) == 0)))
			ask_host(e, (int)i, wish == LEASES_LOOK ? LEASE_LOOK : LEASE_TAKE,
			    wish == LEASES_DISPLACE, ASK_DEADLINE_MS);
	free(mark);
}

bool
engine_leases_asked(const struct engine *e)
{
	size_t h;

	for (h = 0; h < e->fleet->nhosts; h++)
		if (e->leases[h].id != 0)
			return true;
	return false;
}

bool
engine_lease(const struct engine *e, int host, struct lease_view *ret)
{
	const struct lease_state *l = &e->leases[host];

	ret->answered = l->answered;
	ret->ours = l->token > 0;
	ret->held = l->held;
	ret->why = l->why;
	ret->by = l->by;
	return l->answered;
}

bool
engine_refused(const struct engine *e, bool *ret_held)
{
	*ret_held = e->lease_refused && e->lease_held;
	return e->lease_refused;
}
