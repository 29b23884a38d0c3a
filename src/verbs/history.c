/*
 * history: the journal, oldest first.
 */
#include <stdio.h>
#include <time.h>

#include "verbs/json.h"
#include "verbs/out.h"
#include "verbs/run.h"

static void
turn(struct run *r)
{
	const struct history_line *h;
	size_t i, n = engine_history(r->engine, &h);
	char when[32];
	struct tm tm;
	time_t t;

	if (r->options->json)
		json_history(r->engine);
	for (i = 0; !r->options->json && i < n; i++) {
		t = (time_t)(h[i].at_ms / 1000);
		if (gmtime_r(&t, &tm) == NULL || strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
			when[0] = '\0';
		out("%5lld %s %-12s %-20s %s\n", (long long)h[i].seq, when, h[i].kind,
		    h[i].step_id == NULL ? "" : h[i].step_id, h[i].text == NULL ? "" : h[i].text);
	}
	run_end(r, EXIT_DONE);
}

int
verb_history(const struct verb_options *options)
{
	struct run r = { .options = options, .turn = turn };

	return run_engine(&r, true, false);
}
