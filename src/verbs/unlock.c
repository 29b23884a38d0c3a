/*
 * unlock: who holds the fleet's hosts, at what; and, by the owner's name, takes
 * them over.  What the other has in flight may still happen; nothing new of
 * its does.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "verbs/out.h"
#include "verbs/run.h"

enum stage { STAGE_BEGIN, STAGE_LOOKING, STAGE_TAKING };

struct unlock {
	enum stage stage;
	char	 by[128];
};

/* Prints what each host says; the first owner that is not us. */
static size_t
show(struct run *r, char *by, size_t size)
{
	const struct fleet *f = engine_fleet(r->engine);
	struct lease_view v;
	size_t h, held = 0;

	for (h = 0; h < f->nhosts; h++) {
		if (!engine_lease(r->engine, (int)h, &v))
			continue;
		if (v.held) {
			out("host '%s': %s\n", f->hosts[h].name, v.why);
			if (held++ == 0)
				(void)snprintf(by, size, "%s", v.by);
		} else if (v.why[0] != '\0')
			out("host '%s': %s\n", f->hosts[h].name, v.why);
	}
	return held;
}

/* Is it named?  EXIT_DONE, or how the verb ends. */
static int
named(struct run *r, const char *by)
{
	char *answer;
	int rc = EXIT_ERROR;

	if (r->options->yes_environment != NULL)
		return strcmp(r->options->yes_environment, by) == 0 ? EXIT_DONE : EXIT_PERSON;
	if (!out_terminal())
		return EXIT_PERSON;
	answer = out_prompt("take over from (type the owner's name): ", false);
	if (answer != NULL && strcmp(answer, by) == 0)
		rc = EXIT_DONE;
	free(answer);
	return rc;
}

static void
unlock_turn(struct run *r)
{
	struct unlock *u = r->arg;
	int rc;

	if (!run_with_plan(r))
		return;
	if (u->stage == STAGE_BEGIN) {
		u->stage = STAGE_LOOKING;
		engine_leases(r->engine, LEASES_LOOK, "");
	}
	if (engine_leases_asked(r->engine))
		return;
	if (u->stage == STAGE_TAKING) {
		rc = show(r, u->by, sizeof(u->by)) == 0 ? EXIT_DONE : EXIT_LOCKED;
		out(rc == EXIT_DONE ? "taken over\n" : "somebody holds hosts still\n");
		run_end(r, rc);
		return;
	}
	if (show(r, u->by, sizeof(u->by)) == 0) {
		out("no host is held by another belay\n");
		run_end(r, EXIT_DONE);
		return;
	}
	if ((rc = named(r, u->by)) != EXIT_DONE) {
		out_err("belay: nothing was taken over: name its owner: belay unlock --yes=%s\n", u->by);
		run_end(r, rc);
		return;
	}
	u->stage = STAGE_TAKING;
	engine_leases(r->engine, LEASES_DISPLACE, u->by);
}

int
verb_unlock(const struct verb_options *options)
{
	struct unlock u = { .stage = STAGE_BEGIN };
	struct run r = { .options = options, .turn = unlock_turn, .arg = &u };

	return run_engine(&r, false, false);
}
