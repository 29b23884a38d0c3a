/*
 * status: every link of the fleet, as seen now.  Works without a plan.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/depth.h"
#include "core/mem.h"
#include "core/reader.h"
#include "core/text.h"
#include "verbs/json.h"
#include "verbs/out.h"
#include "verbs/run.h"

/* How long the first look may take before what there is is shown. */
#define LOOK_MS		20000
#define LOG_MS		5000	/* how much longer for logs that are read for the first time */
#define WATCH_MS	2000

struct status {
	int64_t	 since_ms, log_deadline_ms, deadline_ms, shown_ms;
};

static void
pad(struct buf *b, const char *text, size_t cells)
{
	char *clean = text_clean_dup(text);
	size_t width = text_width(clean);

	(void)buf_puts(b, clean);
	for (; width < cells; width++)
		(void)buf_putc(b, ' ');
	free(clean);
}

/* Seen apart from declared: what the server's rows say, what belay met itself, what the client is set to check. */
static void
seen_as(struct buf *b, const struct link_view *v)
{
	if (v->client != CLIENT_NOT_SEEN && v->client != CLIENT_AWAY) {
		(void)buf_puts(b, client_seen_words(v->client));
		if (v->why[0] != '\0' || v->path_proven)
			(void)buf_puts(b, "; ");
	}
	if (v->why[0] != '\0')
		pad(b, v->why, 0);
	else if (v->path_proven)
		(void)buf_puts(b, "path proven");
	if (v->tls > 0 && v->why[0] == '\0' && v->protocol != NULL) {
		(void)buf_puts(b, ", ");
		pad(b, v->protocol, 0);
		(void)buf_putc(b, ' ');
		pad(b, v->cipher == NULL ? "" : v->cipher, 0);
	}
	if (v->tls > 0 && v->verifies != NULL)
		(void)buf_printf(b, "; verifies %s (declared)", v->verifies);
}

static void
show_links(const struct engine *e, int64_t now_ms)
{
	const struct fleet *f = engine_fleet(e);
	struct buf b = { 0 };
	struct link_view v;
	char cell[64], old[32];
	size_t i, name = 4;

	for (i = 0; i < f->nlinks; i++)
		if (text_width(f->links[i].name) > name)
			name = text_width(f->links[i].name);
	pad(&b, "LINK", name + 2);
	(void)buf_puts(&b, "DIALS        SESSIONS            STATE      AGE    SEEN AS\n");
	for (i = 0; i < f->nlinks; i++) {
		board_link(engine_board(e), (int)i, now_ms, engine_stale_ms(e, READING_CENSUS), &v);
		pad(&b, f->links[i].name, name + 2);
		pad(&b, v.dial == DIAL_UNKNOWN ? "?" : dial_word(v.dial), 13);
		if (v.counted)
			(void)snprintf(cell, sizeof(cell), "%u tls %u plain", v.tls, v.plain);
		else
			(void)snprintf(cell, sizeof(cell), "?");
		pad(&b, cell, 20);
		pad(&b, link_state_word(v.state), 11);
		if (v.at_ms == 0)
			(void)snprintf(old, sizeof(old), "-");
		else
			text_age(old, sizeof(old), now_ms - v.at_ms);
		pad(&b, old, 7);
		seen_as(&b, &v);
		if (v.started[0] != '\0') {
			(void)buf_puts(&b, "; ");
			pad(&b, v.started, 0);
		}
		while (b.len > 0 && b.data[b.len - 1] == ' ')
			b.data[--b.len] = '\0';
		(void)buf_putc(&b, '\n');
	}
	out("%s", buf_str(&b));
	buf_release(&b);
}

/* Who came and went between two looks. */
static void
show_logins(const struct fleet *f, const struct census *c, int64_t now_ms)
{
	const struct login_seen *s;
	char age[32];
	size_t i;

	if (c->unaccounted > 0) {
		text_age(age, sizeof(age), now_ms - c->unaccounted_from_ms);
		out("  %lld connection%s within %s unaccounted for\n", (long long)c->unaccounted,
		    c->unaccounted == 1 ? "" : "s", age);
	}
	if (c->logins.why != NULL)
		out("  its logins are not %s: %s\n", c->logins.seen == LOGINS_BLIND ? "known" : "all known", c->logins.why);
	for (i = 0; i < c->logins.nwho; i++) {
		s = &c->logins.who[i];
		if (!s->still)
			continue;
		text_age(age, sizeof(age), now_ms - s->last_ms);
		out("  last logged in on plaintext %s ago: %s: %s from %s%s%s\n", age,
		    s->link == NONE ? "undeclared" : f->links[s->link].name, s->user == NULL ? "?" : s->user,
		    s->address == NULL ? "?" : s->address, s->application == NULL || *s->application == '\0' ? "" : ", ",
		    s->application == NULL ? "" : s->application);
	}
}

/* Of its certificate, its files and what else it takes. */
static void
show_findings(const struct engine *e, int endpoint, int64_t now_ms)
{
	struct strings found = { NULL, 0 };
	size_t i;

	depth_findings(&found, engine_fleet(e), engine_board(e), endpoint, now_ms);
	for (i = 0; i < found.n; i++)
		out("  %s\n", found.v[i]);
	strings_release(&found);
}

/* One new connection in each client's place, where it says something that the sessions do not. */
static void
show_rehearsed(const struct engine *e, int64_t now_ms)
{
	const struct fleet *f = engine_fleet(e);
	struct rehearsal_view v;
	bool begun = false;
	size_t i;

	for (i = 0; i < f->nlinks; i++) {
		board_rehearsed(engine_board(e), (int)i, now_ms, engine_stale_ms(e, READING_CENSUS),
		    engine_stale_ms(e, READING_REHEARSAL), &v);
		if (v.words[0] == '\0')
			continue;
		if (!begun)
			out("\nREHEARSED (a new connection in the client's place)\n");
		begun = true;
		out("%s: %s\n", f->links[i].name, v.finding[0] != '\0' ? v.finding : v.words);
	}
}

static void
show_endpoints(const struct engine *e, int64_t now_ms)
{
	const struct fleet *f = engine_fleet(e);
	struct endpoint_view v;
	size_t i;

	out("\n");
	for (i = 0; i < f->nendpoints; i++) {
		const struct reading *c = board_reading(engine_board(e), READING_CENSUS, (int)i);

		board_endpoint(engine_board(e), (int)i, now_ms, engine_stale_ms(e, READING_SERVED), &v);
		out("%s: serves %s%s%s%s\n", f->endpoints[i].name,
		    v.served == ACCEPT_UNKNOWN ? "?" : accept_word(v.served),
		    v.path_proven ? ", path proven" : "", v.why[0] == '\0' ? "" : ": ", v.why);
		if (v.unproven[0] != '\0')
			out("  path not proven: %s\n", v.unproven);
		if (v.lasting[0] != '\0')
			out("  %s\n", v.lasting);
		show_findings(e, (int)i, now_ms);
		if (c != NULL && c->census.undeclared_tls + c->census.undeclared_plain > 0)
			out("  undeclared: %u on tls, %u on plaintext\n",
			    c->census.undeclared_tls, c->census.undeclared_plain);
		if (c != NULL)
			show_logins(f, &c->census, now_ms);
	}
	for (i = 0; i < f->nhosts; i++) {
		const struct host_view *h = board_host_view(engine_board(e), (int)i);

		if (h->reach != REACH_UP && h->reach != REACH_UNKNOWN)
			out("host %s: %s%s%s\n", f->hosts[i].name, reach_word(h->reach),
			    h->why[0] == '\0' ? "" : ": ", h->why);
	}
}

/* What their connection strings say; notes are for --json: a fleet that is on its way has many. */
static void
show_strings(const struct engine *e)
{
	const struct fleet *f = engine_fleet(e);
	bool any = false;
	size_t i, k;

	for (i = 0; i < f->nhosts; i++) {
		const struct reading *r = board_reading(engine_board(e), READING_HOST, (int)i);

		for (k = 0; r != NULL && k < r->nstrings; k++) {
			const struct string_seen *s = &r->strings[k];

			if (!s->warning)
				continue;
			out("%s%s: %s:%s:%d: %s: %s [%s]\n", any ? "" : "\n", f->links[s->link].name, f->hosts[i].name, s->file,
			    s->line, s->variable, s->text, s->name);
			any = true;
		}
	}
}

static void
show_steps(const struct engine *e)
{
	const struct plan *plan = engine_plan(e);
	size_t i;

	if (plan == NULL)
		return;
	out("\n");
	for (i = 0; i < plan->nsteps; i++) {
		const struct step_view *v = rollout_step(engine_rollout(e), (int)i);

		out("%3zu %-10s %s%s%s%s\n", i + 1, phase_word(v->phase), plan->steps[i].id,
		    plan->steps[i].optional ? " (optional)" : "",
		    v->why[0] == '\0' ? "" : ": ", v->why);
	}
	if (engine_lock_holder(e) != NULL)
		out("the lock is held by %s\n", engine_lock_holder(e));
}

static bool
all_tls(const struct engine *e, int64_t now_ms)
{
	const struct fleet *f = engine_fleet(e);
	struct link_view v;
	size_t i;

	for (i = 0; i < f->nlinks; i++) {
		board_link(engine_board(e), (int)i, now_ms, engine_stale_ms(e, READING_CENSUS), &v);
		if (v.state != LINK_TLS && v.state != LINK_PROVEN)
			return false;
	}
	return true;
}

static void
turn(struct run *r)
{
	struct status *s = r->arg;
	struct engine *e = r->engine;
	int64_t now_ms = engine_now_ms(e);

	if (r->interrupted) {
		run_end(r, EXIT_DONE);
		return;
	}
	if (s->since_ms == 0) {
		s->since_ms = engine_sweep(e);
		s->deadline_ms = now_ms + LOOK_MS;
		engine_wake_in(e, LOOK_MS);
	}
	if (s->shown_ms == 0 ? !engine_swept(e, s->since_ms) && now_ms < s->deadline_ms :
	    now_ms - s->shown_ms < WATCH_MS)
		return;
	/* They come with the next look. */
	if (s->shown_ms == 0 && board_log_unread(engine_board(e)) && now_ms < s->deadline_ms) {
		if (s->log_deadline_ms == 0)
			s->deadline_ms = s->log_deadline_ms = now_ms + LOG_MS;
		s->since_ms = engine_sweep(e);
		engine_wake_in(e, LOG_MS);
		return;
	}
	s->shown_ms = now_ms;
	if (r->options->json)
		json_status(e);
	else {
		show_links(e, now_ms);
		show_rehearsed(e, now_ms);
		show_endpoints(e, now_ms);
		show_strings(e);
		show_steps(e);
	}
	if (!r->options->watch) {
		run_end(r, r->options->check && !all_tls(e, now_ms) ? EXIT_PENDING : EXIT_DONE);
		return;
	}
	if (!r->options->json)
		out("\n");
	engine_wake_in(e, WATCH_MS);
}

int
verb_status(const struct verb_options *options)
{
	struct status s = { 0 };
	struct run r = { .options = options, .turn = turn, .arg = &s };

	return run_engine(&r, true, options->watch);
}
