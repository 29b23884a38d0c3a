/*
 * answers: what workers say, turned into readings for the board and events
 * for the rollout.  Owns nothing: ids that nobody waits for any more are dropped.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "engine/engine_int.h"

#define NOTES_MAX	5000	/* sessions of one drain that the journal names */
#define UNDO_LOST_MAX	2	/* workers and connections that may die under an undo before its host is set aside */

static void
on_reading(void *arg, uint64_t id, struct reading *r)
{
	struct engine *e = arg;

	if (judge_answer(e, id, r)) {
		/* It was a check's own probe. */
	} else {
		(void)watch_answer(e, id);
		bool served = r->kind == READING_SERVED && r->outcome != SAW_NOT;
		int endpoint = r->subject;

		sight_note(e, r);
		board_feed(e->board, r);
		if (served)
			watch_served(e, endpoint);
	}
	engine_dirty(e);
	engine_arm(e);
}

/*
 * The way back does not end with a worker, or with a connection that broke: an
 * undo may be begun again, since the record on its host says how far it came.
 */
static bool
undo_again(struct engine *e, struct errand *errand)
{
	struct effect fx = { .kind = EFFECT_OP, .step = errand->step, .op = errand->op, .verb = OPV_UNDO };
	unsigned lost = errand->lost + 1;

	if (errand->verb != OPV_UNDO || lost > UNDO_LOST_MAX)
		return false;
	engine_errand_end(e, errand);
	engine_send_op(e, &fx, lost);
	engine_dirty(e);
	return true;
}

/* Words of an op name its host, once. */
static char *
of_host(const struct engine *e, const struct errand *errand, const char *why)
{
	const char *name = e->fleet->hosts[e->memory[errand->step].ops.v[errand->op].host].name;
	size_t len = strlen(name);

	if (why == NULL || *why == '\0')
		return NULL;
	if (strncmp(why, "host '", 6) == 0 && strncmp(why + 6, name, len) == 0 && why[6 + len] == '\'')
		return mem_strdup(why);
	return mem_printf("host '%s': %s", name, why);
}

static void
on_op_done(void *arg, uint64_t id, const struct op_result *res)
{
	struct engine *e = arg;
	struct errand *errand = engine_errand(e, id);
	struct event ev = { .kind = EV_OP };
	char **text, *why;

	if (lease_answer(e, id, res) || adopt_answer(e, id, res) || errand == NULL || e->stopping)
		return;
	ev.now_ms = engine_now_ms(e);
	/* Not where the host was silent all the time: then it is set aside, and the others are not kept waiting. */
	if (res->outcome == OP_UNREACHED && ev.now_ms - errand->since_ms < errand->deadline_ms / 4 &&
	    undo_again(e, errand))
		return;
	ev.step = errand->step;
	ev.op = errand->op;
	ev.verb = errand->verb;
	ev.outcome = res->outcome;
	ev.before_sha = res->before_sha;
	ev.after_sha = res->after_sha;
	ev.why = why = of_host(e, errand, res->why);
	/* What a preview showed is no answer to an undo. */
	if (errand->verb == OPV_OBSERVE || errand->verb == OPV_UNDO || res->text != NULL) {
		text = &e->memory[errand->step].texts[errand->op];
		free(*text);
		*text = mem_strdup(res->text == NULL ? "" : res->text);
	}
	engine_errand_end(e, errand);
	if (ev.verb == OPV_APPLY || ev.verb == OPV_UNDO)
		watch_all_soon(e);
	engine_feed(e, &ev);
	free(why);
}

/* Whom a drain sends away is in the journal, each by name, as far as that is bearable. */
static void
note_lines(struct engine *e, struct errand *errand, const char *bytes, size_t len)
{
	const char *end = bytes + len, *nl;
	int step = errand->step;
	char *line;

	for (; bytes < end; bytes = nl + 1) {
		if ((nl = memchr(bytes, '\n', (size_t)(end - bytes))) == NULL)
			nl = end;
		if (nl == bytes)
			continue;
		if (errand->noted++ >= NOTES_MAX)
			continue;
		line = mem_strndup(bytes, (size_t)(nl - bytes));
		(void)past_note(e, step, "drain", line, NULL);
		free(line);
	}
}

/* Those that are not named are counted, at least. */
void
answers_note_rest(struct engine *e, const struct errand *errand)
{
	char *text;

	if (errand->noted <= NOTES_MAX)
		return;
	text = mem_printf("and %zu more", errand->noted - NOTES_MAX);
	(void)past_note(e, errand->step, "drain", text, NULL);
	free(text);
}

static void
on_op_text(void *arg, uint64_t id, const char *bytes, size_t len)
{
	struct engine *e = arg;
	struct errand *errand = engine_errand(e, id);

	if (errand == NULL)
		return;
	if (e->memory[errand->step].ops.v[errand->op].kind == OP_DRAIN)
		note_lines(e, errand, bytes, len);
	if (len > ENGINE_OUTPUT_MAX) {
		bytes += len - ENGINE_OUTPUT_MAX;
		len = ENGINE_OUTPUT_MAX;
	}
	if (errand->output.len + len > ENGINE_OUTPUT_MAX)
		buf_drop(&errand->output, errand->output.len + len - ENGINE_OUTPUT_MAX);
	(void)buf_put(&errand->output, bytes, len);
	engine_dirty(e);
}

static void
on_host(void *arg, int host, const struct host_view *v, enum host_need need,
    const char *subject, const char *keytype)
{
	struct engine *e = arg;
	const char *name = e->fleet->hosts[host].name;
	char title[256], detail[512];

	board_host(e->board, host, v);
	switch (need) {
	case HOST_NEEDS_NOTHING:
		break;
	case HOST_NEEDS_KEY_ACCEPTED:
		(void)snprintf(title, sizeof(title), "host '%s' shows a key that is not known yet", name);
		(void)snprintf(detail, sizeof(detail), "%s %s", keytype == NULL ? "" : keytype,
		    subject == NULL ? "" : subject);
		(void)engine_put_ask(e, ASK_HOST_KEY, host, subject, title, detail, false);
		break;
	case HOST_NEEDS_PASSPHRASE:
		(void)snprintf(title, sizeof(title), "passphrase for %s (host '%s')",
		    subject == NULL ? "its key" : subject, name);
		(void)engine_put_ask(e, ASK_PASSPHRASE, host, subject, title, NULL, false);
		break;
	case HOST_NEEDS_SUDO:
		(void)snprintf(title, sizeof(title), "password for sudo on host '%s', to become '%s'", name,
		    subject == NULL ? "?" : subject);
		(void)engine_put_ask(e, ASK_SUDO, host, NULL, title, v->why, false);
		break;
	case HOST_KEY_CHANGED:
		engine_tell(e, TELL_ERROR, "host '%s': its key has changed, refused: %s", name, v->why);
		break;
	}
	engine_dirty(e);
	engine_arm(e);
}

static bool
looked_for(const struct engine *e, int step, enum op_verb verb)
{
	enum phase phase = rollout_step(e->rollout, step)->phase;

	return verb == OPV_OBSERVE ? phase == PHASE_PREVIEWING :
	    verb != OPV_RECORD || phase == PHASE_DOUBT;
}

static void
on_lost(void *arg, uint64_t id)
{
	struct engine *e = arg;
	struct errand *errand = engine_errand(e, id);
	struct event ev = { .kind = EV_LOST, .why = "the worker that carried it out is gone" };

	if (lease_lost(e, id) || adopt_lost(e, id) || e->stopping)
		return;
	if (errand != NULL && undo_again(e, errand))
		return;
	if (errand != NULL) {
		ev.now_ms = engine_now_ms(e);
		ev.step = errand->step;
		ev.op = errand->op;
		ev.verb = errand->verb;
		engine_errand_end(e, errand);
		/* A look that nobody waits for any more says nothing about the op that is out now. */
		if (looked_for(e, ev.step, ev.verb))
			engine_feed(e, &ev);
		return;
	}
	if (!judge_lost(e, id) && !canaries_lost(e, id))
		(void)watch_lost(e, id);
	engine_arm(e);
}

static void
on_began(void *arg, int worker)
{
	(void)worker;
	engine_dirty(arg);
}

static void
on_canary(void *arg, uint64_t id, const struct canary_report *r)
{
	struct engine *e = arg;

	if (e->stopping)
		return;
	(void)canaries_answer(e, id, r);
	engine_dirty(e);
	engine_arm(e);
}

const struct workers_events engine_worker_events = {
	on_reading, on_op_done, on_op_text, on_host, on_lost, on_began, on_canary,
};

