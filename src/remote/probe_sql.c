/*
 * probe_sql: see probe_sql.h.
 *
 * Owns one struct sql for each spot that was ever asked: a pq or none, the
 * look that goes before it, and the probe that is being served (one: the
 * lane sees to that).  Invariants: an answer is given to the probe that
 * asked, or dropped with the connection; a connection with an unanswered
 * question is never used for another one.
 */
#include "remote/probe_sql.h"

#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "remote/pq.h"
#include "remote/probe_int.h"

struct sql {
	struct spot *spot;
	struct pq *pq;
	bool	 ready;		/* logged in */
	bool	 proven;	/* answered something since it was opened */
	enum pq_mode mode;
	struct look *look;
	/* The probe that is served now. */
	struct probe *probe;
	const struct sql_script *script;
	size_t	 at;		/* the question under way */
	bool	 tried_again;
};

static const struct pq_events events;
static void connect_or_look(struct sql *);

static const char *
over(enum pq_mode mode)
{
	switch (mode) {
	case PQ_PLAINTEXT:
		return "plaintext";
	case PQ_TLS:
		return "tls, not verified";
	case PQ_TLS_CHAIN:
	case PQ_TLS_VERIFIED:
		return "tls, verified";
	}
	return "?";
}

/* The probe is over: forget it before it goes. */
static struct probe *
let_go(struct sql *s)
{
	struct probe *p = s->probe;

	s->probe = NULL;
	s->script = NULL;
	return p;
}

static void
hang_up(struct sql *s)
{
	struct pq *pq = s->pq;

	s->pq = NULL;
	s->ready = false;
	pq_close(pq);
}

static void
ask(struct sql *s)
{
	const struct sql_question *q;
	const char *param;
	struct probe *p;

	if (s->at == s->script->n) {
		if (s->script->finish != NULL)
			s->script->finish(s->probe);
		free(s->probe->reading.over);
		s->probe->reading.over = mem_strdup(over(s->mode));
		probe_finish(let_go(s));
		return;
	}
	q = &s->script->v[s->at];
	param = q->param == NULL ? NULL : q->param(s->probe);
	if (pq_query(s->pq, q->text, &param, q->param == NULL ? 0 : 1, q->max_bytes) == -1) {
		hang_up(s);
		p = let_go(s);
		probe_end(p, SAW_NOT, "cannot ask '%s'", spot_endpoint(s->spot)->name);
	}
}

static void
begin(struct sql *s)
{
	s->at = 0;
	if (s->script->begin != NULL)
		s->script->begin(s->probe);
	ask(s);
}

static void
on_ready(void *arg)
{
	struct sql *s = arg;

	s->ready = true;
	if (s->probe != NULL)
		begin(s);
}

static void
on_row(void *arg, const struct pq_row *row)
{
	struct sql *s = arg;

	s->proven = true;
	if (s->probe != NULL && s->script->v[s->at].row != NULL)
		s->script->v[s->at].row(s->probe, row);
}

static void
on_done(void *arg, const char *sqlstate, const char *why)
{
	struct sql *s = arg;
	const struct sql_question *q;

	s->proven = true;
	if (s->probe == NULL)
		return;
	q = &s->script->v[s->at++];
	if (sqlstate != NULL && (q->refused == NULL || !q->refused(s->probe, sqlstate, why))) {
		if (q->refused == NULL)
			probe_say(s->probe, SAW_NOT, "the server refuses: %s", why);
		s->at = s->script->n;
	}
	ask(s);
}

static void
on_closed(void *arg, const char *why)
{
	struct sql *s = arg;
	bool was_ready = s->ready;
	struct probe *p;

	s->pq = NULL;
	s->ready = false;
	s->spot->looked_at = 0;		/* what was seen of it may have changed */
	if (s->probe == NULL)
		return;
	/* It may have been gone for long, and told only now that it was asked. */
	if (was_ready && !s->tried_again) {
		s->tried_again = true;
		if (s->script->reset != NULL)
			s->script->reset(s->probe);
		connect_or_look(s);
		return;
	}
	p = s->probe;
	if (!was_ready && s->script->login_hint != NULL && strstr(why, "FATAL") != NULL)
		probe_say(p, SAW_NOT, "cannot log in to '%s' as '%s': %s; %s",
		    spot_endpoint(s->spot)->name, spot_endpoint(s->spot)->probe_user, why,
		    s->script->login_hint);
	else
		probe_say(p, SAW_NOT, "%s '%s': %s", was_ready ? "lost" : "cannot log in to",
		    spot_endpoint(s->spot)->name, why);
	probe_finish(let_go(s));
}

static const struct pq_events events = { on_ready, on_row, on_done, on_closed };

static void
connect_now(struct sql *s)
{
	struct spot *spot = s->spot;
	const struct endpoint *ep = spot_endpoint(spot);
	const char *why = NULL, *ca = spot_ca_file(spot);
	struct pq_config c;
	struct probe *p;
	struct err err;

	memset(&c, 0, sizeof(c));
	c.loop = spot->set->c.loop;
	c.session = spot_session(spot);
	c.address = spot_address(spot);
	c.port = spot_port(spot, true);
	c.user = ep->probe_user;
	c.database = s->script->database != NULL ? s->script->database :
	    ep->probe_database != NULL ? ep->probe_database : "postgres";
	c.options = s->script->options;
	s->mode = spot->tls != LEG_OPEN ? PQ_PLAINTEXT :
	    spot->verified && ca != NULL ? PQ_TLS_VERIFIED : PQ_TLS;
	c.mode = s->mode;
	c.ca_file = ca;
	c.pair_file = spot_pair_file(spot);
	c.name = s->mode == PQ_TLS_VERIFIED ? spot->verified_name : spot_address(spot);
	if (spot_password(spot, &c.password, &why) == -1) {
		p = let_go(s);
		probe_end(p, SAW_NOT, "the password of '%s': %s", ep->probe_user, why);
		return;
	}
	s->proven = false;
	s->pq = pq_open(&c, &events, s, &err);
	if (s->pq == NULL) {
		p = let_go(s);
		probe_end(p, SAW_NOT, "%s", err.msg);
	}
}

static void
looked(void *arg, struct look *l)
{
	struct sql *s = arg;
	struct probe *p;
	struct err why;

	s->look = NULL;
	spot_saw(s->spot, l);
	(void)err_set(&why, "%s", l->why);
	if (l->leg == LEG_OPEN || l->leg == LEG_REFUSED) {
		look_free(l);
		connect_now(s);
		return;
	}
	look_free(l);
	s->spot->looked_at = 0;
	p = let_go(s);
	probe_end(p, SAW_NOT, "%s", why.msg[0] != '\0' ? why.msg : "no answer");
}

static void
connect_or_look(struct sql *s)
{
	struct spot *spot = s->spot;
	int64_t now = (int64_t)uv_now(spot->set->c.loop);

	if (spot->looked_at != 0 && now - spot->looked_at < LOOK_FRESH_MS &&
	    (spot->tls == LEG_OPEN || spot->tls == LEG_REFUSED))
		connect_now(s);
	else
		s->look = look_new(spot, true, probe_left_ms(s->probe), looked, s);
}

/* The server has come to serve TLS, or a certificate that verifies, since this session was opened. */
static bool
better_way(const struct sql *s)
{
	return s->spot->tls == LEG_OPEN && (s->mode == PQ_PLAINTEXT ||
	    (s->mode == PQ_TLS && s->spot->verified && spot_ca_file(s->spot) != NULL));
}

void
sql_start(struct probe *p, const struct sql_script *script)
{
	struct sql *s = p->spot->sql;

	if (spot_endpoint(p->spot)->probe_user == NULL) {
		probe_end(p, SAW_NOT, "the fleet file gives no 'probe: { user: … }' for '%s'",
		    spot_endpoint(p->spot)->name);
		return;
	}
	if (s == NULL) {
		s = p->spot->sql = mem_alloc(sizeof(*s));
		s->spot = p->spot;
	}
	s->probe = p;
	s->script = script;
	s->at = 0;
	s->tried_again = false;
	if (s->pq != NULL && s->ready && better_way(s))
		hang_up(s);
	if (s->pq != NULL && s->ready)
		begin(s);
	else
		connect_or_look(s);
}

/* Called for every end of the probe; where it is cut short, the connection goes with it. */
void
sql_stop(struct probe *p)
{
	struct sql *s = p->spot->sql;

	if (s == NULL || s->probe != p)
		return;
	look_free(s->look);
	s->look = NULL;
	hang_up(s);
	(void)let_go(s);
}

void
sql_late(struct probe *p)
{
	struct sql *s = p->spot->sql;
	const char *name = spot_endpoint(p->spot)->name;

	if (s == NULL || s->look != NULL)
		probe_say(p, SAW_NOT, "'%s' does not answer in time", name);
	else if (!s->ready)
		probe_say(p, SAW_NOT, "a login to '%s' got no answer in time", name);
	else
		probe_say(p, SAW_NOT, "'%s' did not answer the question in time", name);
}

void
sql_free(struct sql *s)
{
	if (s == NULL)
		return;
	look_free(s->look);
	hang_up(s);
	free(s);
}
