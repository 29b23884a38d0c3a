/*
 * screens: see screens.h.  Each is a function that brings fixture and view to
 * the moment; keys are pressed where keys bring one there.
 */
#include "tests/ui/screens.h"

#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "core/revoked.h"
#include "core/setting.h"
#include "tests/ui/fixture.h"
#include "ui/render.h"

static void
press(struct fixture *f, struct view *v, const char *keys)
{
	struct wishes wishes;

	for (; *keys != '\0'; keys++) {
		memset(&wishes, 0, sizeof(wishes));
		view_key(v, &f->scene, *keys == '\n' ? K_ENTER : *keys == '\t' ? K_TAB :
		    (unsigned char)*keys, &wishes);
	}
}

static void
settle(struct fixture *f, struct view *v)
{
	struct wishes wishes;

	memset(&wishes, 0, sizeof(wishes));
	view_update(v, &f->scene, &wishes);
}

static void
dashboard(struct fixture *f, struct view *v)
{
	(void)v;
	fixture_halfway(f);
}

static void
empty(struct fixture *f, struct view *v)
{
	(void)f;
	(void)v;
}

static void
unfolded(struct fixture *f, struct view *v)
{
	fixture_halfway(f);
	v->open_group = 4;
	v->armed = true;
}

static void
links(struct fixture *f, struct view *v)
{
	fixture_halfway(f);
	v->on_links = true;
	v->links.sel = 3;
}

static void
locked(struct fixture *f, struct view *v)
{
	fixture_halfway(f);
	f->scene.lock_holder = "eve@bastion-2 since 13:58, step flip-web-pg";
	v->read_only = f->scene.read_only = true;
}

static void
running_step(struct fixture *f, struct view *v)
{
	fixture_halfway(f);
	v->armed = true;
	fixture_phase(f, "flip-web-pg", PHASE_APPLYING, NULL);
	fixture_op(f, "flip-web-pg", 0, REC_INTENT, OP_FRESH, NULL);
	fixture_op(f, "flip-web-pg", 0, REC_OUTCOME, OP_APPLIED, NULL);
	fixture_op(f, "flip-web-pg", 1, REC_INTENT, OP_FRESH, NULL);
	f->runs = true;
	f->running.step = fixture_step(f, "flip-web-pg");
	f->running.op = 1;
	f->running.verb = OPV_APPLY;
	f->running.since_ms = FIXTURE_NOW_MS - 8000;
	f->running.deadline_ms = FIXTURE_NOW_MS + 112000;
	f->running.output = "stopping web\nweb stopped\nstarting web\nwaiting for web to answer\n";
}

/* So many new connections, one a second up to now; those from `bad` on, counted from the end, do not come through. */
static void
fly(struct canary *c, const struct canary_terms *t, int n, int bad, int well)
{
	struct canary_seen s = { 0 };
	int i;

	canary_begin(c, t, FIXTURE_NOW_MS - (int64_t)n * 1000);
	s.saw = CANARY_HELD;
	s.at_ms = FIXTURE_NOW_MS - (int64_t)n * 1000;
	canary_see(c, &s);
	for (i = n; i > 0; i--) {
		s.at_ms = FIXTURE_NOW_MS - (int64_t)i * 1000;
		s.saw = i > bad || i <= well ? CANARY_OK : i == bad ? CANARY_HUNG : CANARY_FAILED;
		s.took_us = s.saw == CANARY_HUNG ? 900000 : 3100 + i * 7919 % 5000;
		snprintf(s.why, sizeof(s.why), "%s", s.saw == CANARY_OK ? "" : "certificate verify failed: unable to get local issuer certificate");
		canary_see(c, &s);
	}
}

static void
canary(struct fixture *f, struct view *v)
{
	const struct step *step = &f->plan->steps[fixture_step(f, "flip-web-pg")];

	fixture_halfway(f);
	fixture_phase(f, "flip-web-pg", PHASE_SOAKING, NULL);
	fly(&f->canaries[0], &step->canaries[0].terms, 2412, 0, 0);
	fly(&f->canaries[1], &step->canaries[1].terms, 40, 12, 10);
	f->ncanaries = 2;
	settle(f, v);
}

static void
canary_progress(struct fixture *f, struct view *v)
{
	canary(f, v);
	press(f, v, "p");
}

static void
canary_breach(struct fixture *f, struct view *v)
{
	const struct step *step = &f->plan->steps[fixture_step(f, "flip-web-pg")];

	fixture_halfway(f);
	fly(&f->canaries[0], &step->canaries[0].terms, 300, 14, 5);
	fly(&f->canaries[1], &step->canaries[1].terms, 300, 7, 0);
	f->ncanaries = 2;
	fixture_phase(f, "flip-web-pg", PHASE_FAULTED, "canary web -> pgbouncer: no new connection came through for 5.9 s: "
	    "certificate verify failed: unable to get local issuer certificate");
	settle(f, v);
}

static void
canary_breach_gate(struct fixture *f, struct view *v)
{
	canary_breach(f, v);
	press(f, v, "v");
}

static void
canary_preview(struct fixture *f, struct view *v)
{
	fixture_halfway(f);
	settle(f, v);
	press(f, v, "d");
}

static void
progress(struct fixture *f, struct view *v)
{
	running_step(f, v);
	settle(f, v);
	press(f, v, "p");
}

static void
faulted(struct fixture *f, struct view *v)
{
	fixture_halfway(f);
	fixture_phase(f, "flip-web-pg", PHASE_FAULTED,
	    "gate: link web -> pgbouncer: 6 of 6 sessions from web-1 (10.0.0.12) are still plaintext");
	fixture_op(f, "flip-web-pg", 0, REC_OUTCOME, OP_APPLIED, NULL);
	fixture_op(f, "flip-web-pg", 1, REC_OUTCOME, OP_APPLIED, NULL);
	fixture_result(f, "flip-web-pg", true, 0, CHECK_FAIL,
	    "6 of 6 sessions from web-1 (10.0.0.12) are still plaintext");
	settle(f, v);
}

static void
stuck(struct fixture *f, struct view *v)
{
	fixture_halfway(f);
	fixture_phase(f, "flip-web-pg", PHASE_STUCK,
	    "web-1 cannot be reached: its edit is still there, its unit was not activated");
	fixture_op(f, "flip-web-pg", 0, REC_UNDO_OUTCOME, OP_FAILED,
	    "host 'web-1': connection timed out after 10 s");
	fixture_op(f, "flip-web-pg", 1, REC_OUTCOME, OP_APPLIED, NULL);
	settle(f, v);
	press(f, v, "p");
}

static void
faulted_progress(struct fixture *f, struct view *v)
{
	faulted(f, v);
	press(f, v, "p");
}

/* Somebody set our variable to something else, and the undo does not touch it. */
static void
drift(struct fixture *f, struct view *v)
{
	fixture_halfway(f);
	fixture_phase(f, "flip-web-pg", PHASE_STUCK, "'/srv/app/.env': somebody changed what we had written there "
	    "(DATABASE_SSL_MODE); nothing was undone: put back ours or what was before and undo again, or keep what is there");
	fixture_op(f, "flip-web-pg", 0, REC_UNDO_OUTCOME, OP_DRIFTED, "'/srv/app/.env': somebody changed what we "
	    "had written there (DATABASE_SSL_MODE); nothing was undone: put back ours or what was before and undo "
	    "again, or keep what is there");
	fixture_op(f, "flip-web-pg", 1, REC_UNDO_OUTCOME, OP_UNREACHED, "not tried: its host was set aside");
	f->texts[fixture_step(f, "flip-web-pg")][0] =
	    "DATABASE_SSL_MODE\n  was       'disable'\n  we wrote  'verify-full'\n  is now    'require'\n";
	settle(f, v);
	press(f, v, "p");
}

static void
drift_kept(struct fixture *f, struct view *v)
{
	drift(f, v);
	f->kept_step = fixture_step(f, "flip-web-pg");
	press(f, v, "u");
	settle(f, v);
}

static void
doubt(struct fixture *f, struct view *v)
{
	struct host_view hv = { .reach = REACH_LOST, .since_ms = FIXTURE_NOW_MS - 40000,
	    .retry_at_ms = FIXTURE_NOW_MS + 4000 };
	int web = fleet_host(f->fleet, "web-1");

	fixture_halfway(f);
	fixture_phase(f, "flip-web-pg", PHASE_DOUBT, "whether operation 2 was carried out is not known");
	fixture_op(f, "flip-web-pg", 0, REC_OUTCOME, OP_APPLIED, NULL);
	fixture_op(f, "flip-web-pg", 1, REC_OUTCOME, OP_CUT, "the host did not answer");
	snprintf(hv.transport, sizeof(hv.transport), "libssh2");
	snprintf(hv.why, sizeof(hv.why), "10.0.0.12 port 22: no route to host");
	board_host(f->board, web, &hv);
	settle(f, v);
	press(f, v, "p");
}

/* At work, and its host is away. */
static void
lost(struct fixture *f, struct view *v)
{
	struct host_view hv = { .reach = REACH_LOST, .since_ms = FIXTURE_NOW_MS - 7000,
	    .retry_at_ms = FIXTURE_NOW_MS + 1000 };

	running_step(f, v);
	snprintf(hv.transport, sizeof(hv.transport), "libssh2");
	snprintf(hv.why, sizeof(hv.why), "the connection was cut");
	board_host(f->board, fleet_host(f->fleet, "web-1"), &hv);
	settle(f, v);
	press(f, v, "p");
}

/* Its session is up, and nothing has come from it for a while. */
static void
silent(struct fixture *f, struct view *v)
{
	running_step(f, v);
	f->scene.now_ms += 30000;
	settle(f, v);
	press(f, v, "p");
}

static void
preview(struct fixture *f, struct view *v)
{
	fixture_halfway(f);
	settle(f, v);
	press(f, v, "d");
}

/* Somebody wrote more than the step will: the activation takes that up, too. */
static void
besides(struct fixture *f, struct view *v)
{
	fixture_halfway(f);
	fixture_dial(f, "web -> redis", DIAL_VERIFY_FULL);
	fixture_dial(f, "web -> pgbouncer", DIAL_DISABLE);
	fixture_hosts(f, 0);
	f->since_step = fixture_step(f, "flip-web-pg");
	f->since = fixture_step(f, "certs");
	settle(f, v);
	press(f, v, "d");
}

static void
apply_question(struct fixture *f, struct view *v)
{
	fixture_halfway(f);
	settle(f, v);
	press(f, v, "Aa");
	fixture_phase(f, "flip-web-pg", PHASE_READY, NULL);
	settle(f, v);
}

static void
apply_production(struct fixture *f, struct view *v)
{
	/* The name is all that makes it protected. */
	char *name = f->fleet->environment;

	f->fleet->environment = mem_strdup("production");
	mem_wipe_free(name, strlen(name));
	apply_question(f, v);
	press(f, v, "produ");
}

static void
undo_question(struct fixture *f, struct view *v)
{
	fixture_halfway(f);
	fixture_op(f, "flip-api-pg", 0, REC_OUTCOME, OP_APPLIED, NULL);
	fixture_op(f, "flip-api-pg", 1, REC_OUTCOME, OP_APPLIED, NULL);
	settle(f, v);
	press(f, v, "u");
	f->scene.now_ms += 1200;
}

static void
gate(struct fixture *f, struct view *v)
{
	static const enum judgement all[] = {
		CHECK_PASS, CHECK_FAIL, CHECK_INCONCLUSIVE, CHECK_WAIVED, CHECK_PENDING,
	};
	static const char *const whys[] = {
		"belay's own handshake from web-1: TLSv1.3, chain and db.internal verified",
		"6 of 6 sessions from web-1 (10.0.0.12) are still plaintext; oldest since 5 min, user app",
		"the probe's role may not see other roles' sessions: grant pg_monitor",
		"waived by ops@bastion: agreed with the dba on call",
		"",
	};
	const struct step *st;
	size_t i;
	int step;

	faulted(f, v);
	step = fixture_step(f, "flip-web-pg");
	st = &f->plan->steps[step];
	for (i = 0; i < st->nrequires; i++)
		fixture_result(f, "flip-web-pg", false, i, CHECK_PASS, "");
	for (i = 0; i < st->ngates; i++)
		fixture_result(f, "flip-web-pg", true, i, all[i % 5], whys[i % 5]);
	press(f, v, "v");
}

static void
sessions(struct fixture *f, struct view *v)
{
	f->processes = true;
	fixture_halfway(f);
	settle(f, v);
	press(f, v, "s");
}

static void
add_person(struct logins *l, int link, bool still, bool refused, const char *user, const char *application, int64_t ago_ms)
{
	struct login_seen *who = mem_push(&l->who, &l->nwho, sizeof(*who));

	who->link = link;
	who->still = still;
	who->refused = refused;
	who->address = mem_strdup(link == NONE ? "10.0.0.77" : "10.0.0.30");
	who->user = mem_strdup(user);
	who->database = mem_strdup("app");
	who->application = mem_strdup(application);
	who->count = still ? 40 : 1;
	who->last_ms = FIXTURE_NOW_MS - ago_ms;
}

/* What no census sees: a job of the night, somebody whom nobody declared, one who was turned away. */
static void
logins(struct fixture *f, struct view *v)
{
	struct reading pg = { .kind = READING_CENSUS, .outcome = SAW, .at_ms = FIXTURE_NOW_MS - 200 };
	struct reading pool = pg, redis = pg;
	struct logins *l = &pg.census.logins;
	int link;

	fixture_halfway(f);
	pg.subject = fleet_endpoint(f->fleet, "postgres");
	pool.subject = fleet_endpoint(f->fleet, "pgbouncer");
	redis.subject = fleet_endpoint(f->fleet, "redis");
	link = fleet_link(f->fleet, "pgbouncer -> postgres");
	pg.census.unaccounted = pool.census.unaccounted = -1;
	redis.census.unaccounted = 41;
	redis.census.unaccounted_from_ms = FIXTURE_NOW_MS - INT64_C(7) * 3600 * 1000;
	pool.census.logins.seen = LOGINS_BLIND;
	pool.census.logins.why = mem_strdup("log_connections is off: no login is logged");
	l->seen = LOGINS_SINCE;
	l->from_ms = FIXTURE_NOW_MS - INT64_C(26) * 3600 * 1000;
	*(struct login_count *)mem_push(&l->links, &l->nlinks, sizeof(*l->links)) = (struct login_count){
		.link = link, .tls = 212, .plain = 41, .refused = 1, .still = 1 };
	add_person(l, link, true, false, "backup", "pg_dump", INT64_C(6) * 3600 * 1000);
	add_person(l, link, false, false, "app", "pgbouncer", INT64_C(8) * 3600 * 1000);
	add_person(l, NONE, false, true, "kim", "psql", 90000);
	board_feed(f->board, &pg);
	board_feed(f->board, &pool);
	board_feed(f->board, &redis);
	settle(f, v);
	press(f, v, "s");
}

static void
lasting(struct fixture *f, struct view *v)
{
	struct reading r = { .kind = READING_SETTINGS, .outcome = SAW, .at_ms = FIXTURE_NOW_MS - 200 };
	struct pairs *s = &r.settings;

	fixture_halfway(f);
	r.subject = fleet_endpoint(f->fleet, "redis");
	setting_push(s, "tls-port", "6380");
	setting_push(s, "tls-port@persisted", "0");
	board_feed(f->board, &r);
	settle(f, v);
	press(f, v, "c");
}

static void
certs(struct fixture *f, struct view *v)
{
	fixture_halfway(f);
	fixture_served(f, "redis", 500, true, true, false);
	settle(f, v);
	press(f, v, "c");
}

static void
explain_link(struct fixture *f, struct view *v)
{
	fixture_halfway(f);
	/* Its certificate is of a CA that nobody was given. */
	fixture_served(f, "pgbouncer", 500, true, true, false);
	v->on_links = true;
	v->links.sel = 1;
	settle(f, v);
	press(f, v, "e");
}

/* A TLS port behind a firewall and one that is only slow look alike. */
static void
explain_endpoint(struct fixture *f, struct view *v)
{
	struct reading r = { .kind = READING_SERVED, .outcome = SAW_NOT, .at_ms = FIXTURE_NOW_MS - 300,
	    .why = mem_strdup("connection timed out") };

	fixture_halfway(f);
	r.subject = fleet_endpoint(f->fleet, "redis");
	board_feed(f->board, &r);
	settle(f, v);
	press(f, v, "c\t\te");
}

static void
explain_step(struct fixture *f, struct view *v)
{
	faulted(f, v);
	fixture_op(f, "flip-web-pg", 1, REC_OUTCOME, OP_FAILED, "'./update.sh --restart-only' ended with 1");
	f->texts[fixture_step(f, "flip-web-pg")][1] = "starting web\nweb: SSL error: certificate verify failed\n";
	fixture_served(f, "pgbouncer", 500, true, true, false);
	settle(f, v);
	press(f, v, "e");
}

static void
explain_nothing(struct fixture *f, struct view *v)
{
	fixture_halfway(f);
	v->on_links = true;
	settle(f, v);
	press(f, v, "e");
}

static void
hosts(struct fixture *f, struct view *v)
{
	struct host_view lost = { .reach = REACH_LOST, .transport = "libssh2",
	    .why = "no answer for 10 s; the last command was cut",
	    .since_ms = FIXTURE_NOW_MS - 42000, .retry_at_ms = FIXTURE_NOW_MS + 4000 };
	struct host_view blocked = { .reach = REACH_BLOCKED, .transport = "ssh",
	    .why = "the host key is not the one in known_hosts: SHA256:qR1… was SHA256:9xT…",
	    .since_ms = FIXTURE_NOW_MS - 7200000 };

	fixture_halfway(f);
	board_host(f->board, 2, &lost);
	board_host(f->board, 3, &blocked);
	settle(f, v);
	press(f, v, "o");
}

static void
history(struct fixture *f, struct view *v)
{
	static const struct { const char *kind, *step, *text; } lines[] = {
		{ "apply", "pg-both", "ops@bastion" },
		{ "intent", "pg-both", "RUN/pg-both/1 env db:/srv/app/.env" },
		{ "outcome", "pg-both", "applied" },
		{ "phase", "pg-both", "proving" },
		{ "phase", "pg-both", "done" },
		{ "waive", "leg2", "link pgbouncer -> postgres: agreed with the dba on call; the pool is drained by hand, "
		    "and the ticket says so" },
		{ "undo", "leg2", "ops@bastion" },
	};
	size_t i;

	fixture_halfway(f);
	for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct history_line *l = &f->history[f->nhistory++];

		l->seq = (int64_t)i + 1;
		l->at_ms = FIXTURE_NOW_MS - 600000 + (int64_t)i * 7000;
		l->run = "20260101T000000Z-4f2a";
		l->kind = lines[i].kind;
		l->step_id = lines[i].step;
		l->op_id = "";
		l->text = lines[i].text;
	}
	settle(f, v);
	press(f, v, "H");
}

static void
notes(struct fixture *f, struct view *v)
{
	fixture_halfway(f);
	view_tell(v, FIXTURE_NOW_MS - 60000, TELL_NOTE, "the worker of 3 hosts was started anew");
	view_tell(v, FIXTURE_NOW_MS - 30000, TELL_WARN, "host 'web-1' has not answered for 10 s");
	view_tell(v, FIXTURE_NOW_MS - 3000, TELL_ERROR, "cannot write the journal: no space left on device");
	press(f, v, "m");
}

static void
help(struct fixture *f, struct view *v)
{
	fixture_halfway(f);
	press(f, v, "?");
}

/* Nothing of a plan that strands somebody is applied yet: it opens by itself. */
static void
refuted(struct fixture *f, struct view *v)
{
	settle(f, v);
}

static void
refuted_next(struct fixture *f, struct view *v)
{
	settle(f, v);
	press(f, v, "\t");
}

/* The step that a counter-example is of, in the list. */
static void
refuted_step(struct fixture *f, struct view *v)
{
	settle(f, v);
	press(f, v, "\t\n");
}

static void
refuted_apply(struct fixture *f, struct view *v)
{
	settle(f, v);
	press(f, v, "Aa");
	fixture_phase(f, "certs", PHASE_READY, NULL);
	settle(f, v);
}

static void
proof(struct fixture *f, struct view *v)
{
	fixture_halfway(f);
	settle(f, v);
	press(f, v, "P");
}

static void
otherwise(struct fixture *f, struct view *v)
{
	fixture_halfway(f);
	settle(f, v);
	v->armed = true;
	fixture_contradicted(f, "api -> pgbouncer is set to dial disable; by the plan and its steps so far it dials "
	    "verify-full\npostgres is set to accept plain; by the plan and its steps so far it accepts both\n", 2);
	settle(f, v);
}

static void
otherwise_proof(struct fixture *f, struct view *v)
{
	otherwise(f, v);
	press(f, v, "P");
}

static void
turn(struct fixture *f, struct view *v)
{
	fixture_halfway(f);
	fixture_turns(f);
	fixture_op(f, "pgb-both", 0, REC_OUTCOME, OP_APPLIED, NULL);
	fixture_op(f, "pgb-both", 1, REC_OUTCOME, OP_APPLIED, NULL);
	settle(f, v);
	v->follow = false;
	v->lists[PANE_DASHBOARD].sel = 3;
	press(f, v, "U");
}

static void
turn_waived(struct fixture *f, struct view *v)
{
	turn(f, v);
	f->waiver = "the dba on call stops both clients by hand first";
}

/* As it stands there when it was waived, and not judged since. */
static void
waived(struct fixture *f, struct view *v)
{
	turn(f, v);
	press(f, v, "\033");
	f->waiver = "the dba on call stops both clients by hand first";
	v->step = fixture_step(f, "pgb-both");
	v->pane = PANE_GATE;
}

static const char stranded[] =
    "out of its turn this would strand api -> pgbouncer (refused: the endpoint accepts plaintext only and the "
    "client demands tls), web -> pgbouncer (refused: the endpoint accepts plaintext only and the client demands tls), "
    "voice -> pgbouncer (refused: the endpoint accepts plaintext only and the client demands tls) and 1 more; undo "
    "what was applied after it, or waive the check 'proof' of this step";

static void
turn_refused(struct fixture *f, struct view *v)
{
	f->turn = stranded;
	turn(f, v);
}

/* A certificate is served still whose key leaked. */
static void
revoked(struct fixture *f, struct view *v)
{
	struct revoked x = { .name = "internal", .by = "ops@bastion", .reason = "laptop stolen" };
	struct revoked_list list = { &x, 1 };
	int endpoint = fleet_endpoint(f->fleet, "postgres");

	fixture_halfway(f);
	snprintf(x.sha256, sizeof(x.sha256), "%s", board_reading(f->board, READING_SERVED, endpoint)->served.cert.sha256);
	board_revoked(f->board, 0, &list);
	settle(f, v);
}

/* The certificates' page tells it once. */
static void
revoked_certs(struct fixture *f, struct view *v)
{
	revoked(f, v);
	press(f, v, "c");
}

/* An undo that is refused when it is asked for. */
static void
leak_refused(struct fixture *f, struct view *v)
{
	fixture_halfway(f);
	settle(f, v);
	(void)view_undo_refused(v, f->scene.now_ms, fixture_step(f, "certs"),
	    "the undo of step 'certs' puts back the key of certificate 'internal' that was revoked by ops@bastion: laptop "
	    "stolen; whoever has it can be the server again. Another replacement is the way forward; to go back all the "
	    "same: --waive 'revoked(internal)' --reason TEXT");
}

static void
host_key(struct fixture *f, struct view *v)
{
	struct ask ask = { .kind = ASK_HOST_KEY, .id = 7, .subject = 1 };

	fixture_halfway(f);
	snprintf(ask.title, sizeof(ask.title), "host 'web-1' (web.example:22) is not in known_hosts");
	snprintf(ask.detail, sizeof(ask.detail),
	    "ED25519 SHA256:qR1lm0n0gGzJb5CqkXz8rV4mC7vX3kq2Jx6yZ8w1aBc");
	view_ask(v, &ask);
	ask.id = 8;
	view_ask(v, &ask);
	settle(f, v);
	press(f, v, "ye");
}

static void
passphrase(struct fixture *f, struct view *v)
{
	struct ask ask = { .kind = ASK_PASSPHRASE, .id = 7, .subject = 1 };

	fixture_halfway(f);
	snprintf(ask.title, sizeof(ask.title), "passphrase for /home/ops/.ssh/id_ed25519 (host 'db')");
	view_ask(v, &ask);
	settle(f, v);
	press(f, v, "correct horse");
}

static void
command_line(struct fixture *f, struct view *v)
{
	fixture_halfway(f);
	settle(f, v);
	press(f, v, ":waive served pgbouncer");
}

static void
filtered(struct fixture *f, struct view *v)
{
	fixture_halfway(f);
	settle(f, v);
	press(f, v, "\t/redis");
}

static void
hostile(struct fixture *f, struct view *v)
{
	struct host_view hv = { .reach = REACH_LOST, .transport = "libssh2",
	    .since_ms = FIXTURE_NOW_MS - 1000 };

	fixture_halfway(f);
	snprintf(hv.why, sizeof(hv.why), "banner: \033[2J\033]0;owned\007\r\nroot\xe2\x80\xae" "cod\x9b" "31m\xff"
	    "e\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81 \xe6\x9d\xb1\xe4\xba\xac");
	board_host(f->board, 0, &hv);
	view_tell(v, FIXTURE_NOW_MS, TELL_WARN, hv.why);
	settle(f, v);
	press(f, v, "o");
	view_tell(v, FIXTURE_NOW_MS, TELL_WARN, hv.why);
}

/* A step on three hosts: the first is done, the second stopped. */
static void
batch(struct fixture *f, struct view *v)
{
	fixture_phase(f, "certs", PHASE_DONE, NULL);
	fixture_phase(f, "pgb-both", PHASE_DONE, NULL);
	fixture_phase(f, "flip@api-1", PHASE_DONE, NULL);
	fixture_phase(f, "flip@web-1", PHASE_FAULTED, "operation 1: '/srv/web/.env' cannot be written");
	settle(f, v);
}

static void
batch_gate(struct fixture *f, struct view *v)
{
	batch(f, v);
	press(f, v, "\n\n");
}

/* What the policy is, is said before. */
static void
batch_apply(struct fixture *f, struct view *v)
{
	fixture_phase(f, "certs", PHASE_DONE, NULL);
	fixture_phase(f, "pgb-both", PHASE_DONE, NULL);
	fixture_phase(f, "flip@api-1", PHASE_DONE, NULL);
	settle(f, v);
	press(f, v, "d");
	v->lists[PANE_PREVIEW].top = 1000;
}

/* And why it came to it, afterwards. */
static void
batch_undone(struct fixture *f, struct view *v)
{
	struct record rec = { .kind = REC_UNDO, .at_ms = FIXTURE_NOW_MS, .op = NONE, .why = "by itself" };

	batch(f, v);
	rec.step = fixture_step(f, "flip@web-1");
	rollout_replay(f->rollout, &rec);
	fixture_phase(f, "flip@web-1", PHASE_RESTORED, "undone by itself: gate: sessions of web -> pgbouncer: 2 on plaintext");
	settle(f, v);
	press(f, v, "v");
}

/* A command that failed leaves nobody knows what; files that failed are as before. */
static void
failed_parts(struct fixture *f, struct view *v)
{
	fixture_phase(f, "offer", PHASE_FAULTED, "host 'box': ./certs.sh: exit 1");
	fixture_op(f, "offer", 0, REC_OUTCOME, OP_APPLIED, NULL);
	fixture_op(f, "offer", 1, REC_OUTCOME, OP_FAILED, "host 'box': ./certs.sh: exit 1");
	f->texts[fixture_step(f, "offer")][1] = "one\ntwo\nthree\nfour\nfive\nmaking certificates\nsix\n"
	    "certs.sh: /srv/app/tls: No space left on device\n";
	settle(f, v);
	press(f, v, "p");
}

/* Two units of one host, one activated and one not. */
static void
faulted_parts(struct fixture *f, struct view *v)
{
	fixture_phase(f, "offer", PHASE_DONE, NULL);
	fixture_phase(f, "flip", PHASE_FAULTED, "host 'box': ./jobs.sh: exit 1");
	fixture_op(f, "flip", 0, REC_OUTCOME, OP_APPLIED, NULL);
	fixture_op(f, "flip", 1, REC_OUTCOME, OP_FAILED, "no space left on device");
	fixture_op(f, "flip", 2, REC_OUTCOME, OP_APPLIED, NULL);
	fixture_op(f, "flip", 3, REC_OUTCOME, OP_FAILED, "host 'box': ./jobs.sh: exit 1");
	settle(f, v);
	press(f, v, "p");
}

/* An undo that goes on to the step before, and leaves the activation to that. */
static void
left_parts(struct fixture *f, struct view *v)
{
	struct host_view hv = { .reach = REACH_LOST, .since_ms = FIXTURE_NOW_MS - 40000 };
	struct event ev = { .kind = EV_UNDO, .now_ms = FIXTURE_NOW_MS - 9000, .goes_on = true };
	struct effects out = { NULL, 0 };

	fixture_phase(f, "soften", PHASE_DONE, NULL);
	fixture_phase(f, "firm", PHASE_DONE, NULL);
	fixture_op(f, "soften", 0, REC_OUTCOME, OP_APPLIED, NULL);
	fixture_op(f, "soften", 1, REC_OUTCOME, OP_APPLIED, NULL);
	fixture_op(f, "firm", 0, REC_OUTCOME, OP_APPLIED, NULL);
	fixture_op(f, "firm", 1, REC_OUTCOME, OP_APPLIED, NULL);
	ev.step = fixture_step(f, "firm");
	ev.until = fixture_step(f, "soften");
	rollout_feed(f->rollout, &ev, &out);
	effects_release(&out);
	board_host(f->board, fleet_host(f->fleet, "box"), &hv);
	settle(f, v);
	press(f, v, "p");
}

static void
no_plan(struct fixture *f, struct view *v)
{
	fixture_halfway(f);
	settle(f, v);
}

static const struct {
	const char *name;
	void	(*prepare)(struct fixture *, struct view *);
	bool	 without_plan;
	const char *plan;	/* another than the fixture's */
} screens[] = {
	{ "dashboard", dashboard, false, NULL },
	{ "empty", empty, false, NULL },
	{ "unfolded", unfolded, false, NULL },
	{ "links", links, false, NULL },
	{ "locked", locked, false, NULL },
	{ "applying", running_step, false, NULL },
	{ "progress", progress, false, NULL },
	{ "faulted", faulted, false, NULL },
	{ "stuck", stuck, false, NULL },
	{ "faulted-progress", faulted_progress, false, NULL },
	{ "drift", drift, false, NULL },
	{ "drift-kept", drift_kept, false, NULL },
	{ "doubt", doubt, false, NULL },
	{ "lost", lost, false, NULL },
	{ "silent", silent, false, NULL },
	{ "preview", preview, false, NULL },
	{ "besides", besides, false, NULL },
	{ "apply", apply_question, false, NULL },
	{ "production", apply_production, false, NULL },
	{ "undo", undo_question, false, NULL },
	{ "gate", gate, false, NULL },
	{ "sessions", sessions, false, NULL },
	{ "logins", logins, false, NULL },
	{ "lasting", lasting, false, NULL },
	{ "explain-link", explain_link, false, NULL },
	{ "explain-endpoint", explain_endpoint, false, NULL },
	{ "explain-step", explain_step, false, NULL },
	{ "explain-nothing", explain_nothing, false, NULL },
	{ "certs", certs, false, NULL },
	{ "hosts", hosts, false, NULL },
	{ "history", history, false, NULL },
	{ "messages", notes, false, NULL },
	{ "help", help, false, NULL },
	{ "proof", proof, false, NULL },
	{ "refuted", refuted, false, "tests/ui/refuted.yaml" },
	{ "refuted-next", refuted_next, false, "tests/ui/refuted.yaml" },
	{ "refuted-step", refuted_step, false, "tests/ui/refuted.yaml" },
	{ "refuted-apply", refuted_apply, false, "tests/ui/refuted.yaml" },
	{ "otherwise", otherwise, false, NULL },
	{ "otherwise-proof", otherwise_proof, false, NULL },
	{ "turn", turn, false, NULL },
	{ "turn-waived", turn_waived, false, NULL },
	{ "waived", waived, false, NULL },
	{ "turn-refused", turn_refused, false, NULL },
	{ "leak-refused", leak_refused, false, NULL },
	{ "revoked", revoked, false, NULL },
	{ "revoked-certs", revoked_certs, false, NULL },
	{ "host-key", host_key, false, NULL },
	{ "passphrase", passphrase, false, NULL },
	{ "command", command_line, false, NULL },
	{ "filter", filtered, false, NULL },
	{ "hostile", hostile, false, NULL },
	{ "batch", batch, false, "tests/ui/several.yaml" },
	{ "batch-gate", batch_gate, false, "tests/ui/several.yaml" },
	{ "batch-apply", batch_apply, false, "tests/ui/several.yaml" },
	{ "batch-undone", batch_undone, false, "tests/ui/several.yaml" },
	{ "failed-parts", failed_parts, false, "tests/ui/trouble.yaml" },
	{ "faulted-parts", faulted_parts, false, "tests/ui/trouble.yaml" },
	{ "left-parts", left_parts, false, "tests/ui/trouble.yaml" },
	{ "canary", canary, false, "tests/ui/canary.yaml" },
	{ "canary-progress", canary_progress, false, "tests/ui/canary.yaml" },
	{ "canary-breach", canary_breach, false, "tests/ui/canary.yaml" },
	{ "canary-breach-gate", canary_breach_gate, false, "tests/ui/canary.yaml" },
	{ "canary-preview", canary_preview, false, "tests/ui/canary.yaml" },
	{ "status", no_plan, true, NULL },
};
#define SCREENS (sizeof(screens) / sizeof(screens[0]))

const char *
screen_name(size_t i)
{
	return i < SCREENS ? screens[i].name : NULL;
}

bool
screen_draw(struct grid *ret, const char *name, int h, int w, bool ascii)
{
	struct fixture f;
	struct view v;
	size_t i;

	for (i = 0; i < SCREENS && strcmp(screens[i].name, name) != 0; i++)
		;
	if (i == SCREENS)
		return false;
	if (screens[i].plan != NULL)
		fixture_init_plan(&f, screens[i].plan);
	else
		fixture_init(&f, !screens[i].without_plan);
	view_init(&v, ascii, false);
	screens[i].prepare(&f, &v);
	settle(&f, &v);
	grid_init(ret, h, w, ascii);
	/* Twice: the first paint finds out how far things scroll. */
	render(ret, &v, &f.scene);
	render(ret, &v, &f.scene);
	view_release(&v);
	fixture_release(&f);
	return true;
}
