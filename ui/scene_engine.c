/*
 * scene_engine: a scene of the real thing.
 *
 * The only file of the face, besides ui.c, that asks the engine anything; it
 * stands alone so that tests of the screen link without one.
 */
#include "ui/scene.h"

#include <string.h>

static const char *
op_text(void *arg, int step, int op)
{
	return engine_op_text(arg, step, op);
}

static const struct ops *
ops(void *arg, int step)
{
	return engine_ops(arg, step);
}

static const char *
kept(void *arg, int step, int op)
{
	return engine_kept(arg, step, op);
}

static int
op_since(void *arg, int step, int op)
{
	return engine_op_since(arg, step, op);
}

static const char *
waiver(void *arg, int step, const char *check)
{
	return engine_waiver(arg, step, check);
}

static bool
waiting(void *arg, int step)
{
	return engine_waiting(arg, step);
}

static bool
judging(void *arg, int step)
{
	return engine_judging(arg, step);
}

static bool
running(void *arg, struct running *ret)
{
	return engine_running(arg, ret);
}

static const struct check_result *
results(void *arg, int step, bool gate, size_t *ret_n)
{
	return engine_results(arg, step, gate, ret_n);
}

static size_t
canaries(void *arg, int step, struct canary_view *ret, size_t max)
{
	return engine_canaries(arg, step, ret, max);
}

static size_t
history(void *arg, const struct history_line **ret)
{
	return engine_history(arg, ret);
}

static const struct cert_files *
cert_files(void *arg, int cert)
{
	return engine_cert_files(arg, cert);
}

void
scene_of_engine(struct scene *s, struct engine *engine, bool read_only)
{
	int i;

	memset(s, 0, sizeof(*s));
	s->fleet = engine_fleet(engine);
	s->plan = engine_plan(engine);
	s->board = engine_board(engine);
	s->rollout = engine_rollout(engine);
	if (s->rollout == NULL)
		s->plan = NULL;
	s->who = engine_who(engine);
	s->lock_holder = engine_lock_holder(engine);
	s->read_only = read_only;
	s->now_ms = engine_now_ms(engine);
	for (i = 0; i < READING_COUNT; i++)
		s->stale_ms[i] = engine_stale_ms(engine, (enum reading_kind)i);
	s->arg = engine;
	s->op_text = op_text;
	s->ops = ops;
	s->waiver = waiver;
	s->op_since = op_since;
	s->kept = kept;
	s->waiting = waiting;
	s->judging = judging;
	s->running = running;
	s->results = results;
	s->canaries = canaries;
	s->history = history;
	s->cert_files = cert_files;
}
