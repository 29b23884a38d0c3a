/*
 * run: see run.h.
 */
#include "verbs/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "verbs/out.h"

static void
on_changed(void *arg)
{
	struct run *r = arg;

	r->turn(r);
}

static void
on_tell(void *arg, enum tell tell, const char *text)
{
	(void)arg;
	out_err("belay: %s%s\n", tell == TELL_WARN ? "warning: " : "", text);
}

static void
on_interrupt(void *arg, int signal)
{
	struct run *r = arg;

	(void)signal;
	r->interrupted = true;
	out_err("belay: stopping where it is safe; once more leaves at once\n");
	r->turn(r);
}

/* Asks twice where a new secret is made. */
static char *
ask_person(const struct ask *ask)
{
	char question[1024], *answer, *again;

	if (ask->detail[0] != '\0')
		out_err("%s\n", ask->detail);
	if (ask->kind == ASK_HOST_KEY) {
		(void)snprintf(question, sizeof(question), "%s; accept it? (yes/no) ", ask->title);
		answer = out_prompt(question, false);
		if (answer != NULL && strcmp(answer, "yes") != 0) {
			free(answer);
			answer = NULL;
		}
		return answer;
	}
	(void)snprintf(question, sizeof(question), "%s: ", ask->title);
	answer = out_prompt(question, true);
	if (answer == NULL || !ask->confirm)
		return answer;
	again = out_prompt("once more: ", true);
	if (again == NULL || strcmp(again, answer) != 0) {
		out_err("belay: the two differ\n");
		mem_wipe_free(answer, strlen(answer));
		answer = NULL;
	}
	if (again != NULL)
		mem_wipe_free(again, strlen(again));
	return answer;
}

static void
on_ask(void *arg, const struct ask *ask)
{
	struct run *r = arg;
	struct err err;
	char *answer = NULL;

	if (out_terminal())
		answer = ask_person(ask);
	else {
		r->need_person = true;
		out_err("belay: needs a person: %s%s%s\n", ask->title,
		    ask->detail[0] == '\0' ? "" : ": ", ask->detail);
	}
	if (engine_answer(r->engine, ask->id, answer, &err) != 0)
		out_err("belay: %s\n", err.msg);
	if (answer != NULL)
		mem_wipe_free(answer, strlen(answer));
}

static const struct engine_events events = {
	.changed = on_changed, .ask = on_ask, .tell = on_tell, .interrupt = on_interrupt,
};

void
run_end(struct run *r, int exit_code)
{
	r->exit = exit_code;
	r->ended = true;
	engine_stop(r->engine);
}

bool
run_with_plan(struct run *r)
{
	if (engine_plan(r->engine) == NULL)
		out_err("belay: there is no plan; give one with -p\n");
	else if (!r->interrupted)
		return true;
	run_end(r, EXIT_ERROR);
	return false;
}

/* The second Ctrl-C: what was being done is not waited for, so it is in doubt. */
static int
left(const struct run *r)
{
	const struct rollout *ro = engine_rollout(r->engine);
	int step = ro == NULL ? NONE : rollout_in_flight(ro);

	if (step == NONE)
		return EXIT_ERROR;
	out_err("belay: left while step '%s' was %s; %s\n", engine_plan(r->engine)->steps[step].id,
	    phase_word(rollout_step(ro, step)->phase),
	    rollout_step(ro, step)->phase == PHASE_UNDOING ? "belay undo goes on" :
	    "belay apply goes on, belay undo goes back");
	return EXIT_DOUBT;
}

int
run_engine(struct run *r, bool read_only, bool probe)
{
	struct engine_options o = {
		.fleet_path = r->options->fleet, .plan_path = r->options->plan,
		.ssh_config = r->options->ssh_config, .program = r->options->program,
		.read_only = read_only, .probe = probe, .deep = r->options->deep,
	};
	struct err err = { "" };
	bool locked = false;

	if (engine_new(&r->engine, &o, &err) != 0)
		return out_fail(&err);
	r->exit = EXIT_ERROR;
	if (engine_start(r->engine, &events, r, &locked, &err) != 0) {
		(void)out_fail(&err);
		engine_free(r->engine);
		return locked ? EXIT_LOCKED : EXIT_ERROR;
	}
	engine_because(r->engine, r->options->reason);
	engine_run(r->engine);
	if (!r->ended && !read_only)
		r->exit = left(r);
	/* Whatever else came out: what the journal does not know, the next start has to find out. */
	if (!engine_close_journal(r->engine) && r->exit == EXIT_DONE) {
		out_err("belay: the end of it is not in the journal; the next start finds out by the hosts' own records\n");
		r->exit = EXIT_ERROR;
	}
	engine_free(r->engine);
	return r->exit;
}
