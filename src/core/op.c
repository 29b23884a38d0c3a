/*
 * op: moves and bindings become operations.
 *
 * Invariants of a finished list:
 *  1. At most one op writes a given file of a given host.
 *  2. Every ACTIVATE stands behind every edit, and a unit has at most one.
 *  3. ids are RUN/STEP/SEQ with SEQ = place in the list, from 1.
 *
 * What an edit of a binding comes to is op_edit.c, the codec is op_codec.c, names in
 * strings are fill.c, what files say is facets.c.
 */
#include "core/op_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/mem.h"
#include "core/reader.h"
#include "core/text.h"
#include "core/standing.h"

#define DRAIN_DEADLINE_MS	3600000

int
op_at(const struct maker *m, const struct pos *pos, struct err *err)
{
	if (pos->line > 0)
		return err_wrap(err, "%s:%d:%d", m->fleet->path == NULL ? "fleet" : m->fleet->path,
		    pos->line, pos->col);
	return -1;
}

static int
unit_host(const struct fleet *fleet, int unit)
{
	return unit == NONE ? NONE : fleet->units[unit].host;
}

static int
bound(struct maker *m, const struct binding *b, int unit, int host, struct err *err)
{
	size_t i;

	if (host == NONE)
		host = unit_host(m->fleet, unit);
	for (i = 0; i < b->n; i++)
		if (op_edit(m, &b->v[i], unit, host, err) != 0)
			return -1;
	return 0;
}

static int
make_accept(struct maker *m, const struct move *move, struct err *err)
{
	const struct endpoint *e = &m->fleet->endpoints[move->subject];

	if (move->value < 0 || move->value >= ACCEPT_COUNT || !e->accept[move->value].bound)
		return err_set(err, "endpoint '%s' has no binding for accept: %s", e->name,
		    accept_word((enum accept)move->value));
	if (e->not_yet != NULL)
		return err_set(err, "endpoint '%s': %s: not yet", e->name, e->not_yet);
	m->fill.accept = accept_word((enum accept)move->value);
	m->fill.has_client_ca = e->clients != NONE;
	m->fill.client_ca = e->clients;
	if (bound(m, &e->accept[move->value], e->unit, e->host, err) != 0)
		return err_wrap(err, "endpoint '%s'", e->name);
	return 0;
}

static int
make_dial(struct maker *m, const struct move *move, struct err *err)
{
	const struct link *l = &m->fleet->links[move->subject];
	const struct client *c = &m->fleet->clients[l->client];

	switch (l->how) {
	case DIAL_BOUND:
		break;
	case DIAL_FOLLOWS:
		return err_set(err, "link '%s' follows another and is not moved by a step", l->name);
	case DIAL_FIXED:
		return err_set(err, "link '%s' is fixed: not ours to move", l->name);
	case DIAL_ASSUMED:
		return err_set(err, "link '%s' is assumed, not bound: nothing to write", l->name);
	}
	if (move->value < 0 || move->value >= DIAL_COUNT || !l->dial[move->value].bound)
		return err_set(err, "link '%s' has no binding for dial: %s", l->name,
		    dial_word((enum dial)move->value));
	if (c->not_yet != NULL)
		return err_set(err, "client '%s': %s: not yet", c->name, c->not_yet);
	m->fill.dial = dial_word((enum dial)move->value);
	m->fill.ca_file = l->trust_file;
	m->no_ca = move->value == DIAL_DISABLE;
	if (bound(m, &l->dial[move->value], c->unit, c->host, err) != 0)
		return err_wrap(err, "link '%s'", l->name);
	return 0;
}

static int
make_trust(struct maker *m, const struct move *move, struct err *err)
{
	const struct link *l = &m->fleet->links[move->subject];
	const struct client *c = &m->fleet->clients[l->client];

	m->fill.ca_file = l->trust_file;
	m->fill.ncas = trust_certs(move->value, m->fill.cas);
	m->fill.cert = m->fill.cas[0];
	if (l->trust_lands && c->unit != NONE)
		indices_add(&m->units, c->unit);
	m->back_last = m->plan == NULL || plan_trust_goes_last(m->fleet, m->plan, m->step, move->subject);
	if (bound(m, &l->trust, c->unit, c->host, err) != 0)
		return err_wrap(err, "link '%s'", l->name);
	return 0;
}

/* Its files outlive the client's use of them: on the way back they go last. */
static int
make_shown(struct maker *m, const struct link *l, int cert, struct err *err)
{
	const struct client *c = &m->fleet->clients[l->client];

	if (c->not_yet != NULL)
		return err_set(err, "client '%s': %s: not yet", c->name, c->not_yet);
	m->fill.cert = cert;
	m->fill.cert_file = l->presents.file;
	m->fill.key_file = l->presents.key_file;
	m->back_last = true;
	if (bound(m, &l->presents.install, c->unit, c->host, err) != 0)
		return err_wrap(err, "link '%s'", l->name);
	if (l->presents.lands && c->unit != NONE)
		indices_add(&m->units, c->unit);
	return 0;
}

static int
make_present(struct maker *m, const struct move *move, struct err *err)
{
	const struct link *l = &m->fleet->links[move->subject];
	const struct client *c = &m->fleet->clients[l->client];

	if (move->value != NONE && make_shown(m, l, move->value, err) != 0)
		return -1;
	m->fill.cert_file = l->presents.file;
	m->fill.key_file = l->presents.key_file;
	m->back_last = false;
	if (bound(m, move->value == NONE ? &l->presents.without : &l->presents.with, c->unit, c->host, err) != 0)
		return err_wrap(err, "link '%s'", l->name);
	return 0;
}

static bool
serves(const struct op *op, int move)
{
	size_t i;

	for (i = 0; i < op->moves.n; i++)
		if (op->moves.v[i] == move)
			return true;
	return false;
}

/* What the record of whatever brings a certificate says of it; where nobody knows, nothing. */
static void
tell_issued(struct maker *m, const struct cert *c)
{
	char *sha = NULL, *more;
	struct err none;
	struct op *op;
	size_t len = 0, i;

	if (m->fill.material == NULL || m->fill.material(m->fill.arg, m->fill.cert, "leaf.sha256", &sha, &len, &none) != 0)
		return;
	for (i = 0; len == 64 && strspn(sha, "0123456789abcdef") == 64 && i < m->ops->n; i++) {
		op = &m->ops->v[i];
		if (!serves(op, m->move))
			continue;
		more = mem_printf("%s%s%s=%s", op->issued == NULL ? "" : op->issued, op->issued == NULL ? "" : " ", c->name, sha);
		free(op->issued);
		op->issued = more;
	}
	free(sha);
}

/*
 * A certificate's edits may stand on many hosts.  Where it does not land by
 * itself at an activation, each served endpoint whose unit is on a host that
 * was edited is activated.
 */
static int
make_cert(struct maker *m, const struct move *move, struct err *err)
{
	const struct cert *c = &m->fleet->certs[move->subject];
	const struct endpoint *e;
	struct indices hosts = { NULL, 0 }, edited = { NULL, 0 }, on;
	bool shown = false;
	size_t i, j, k;
	int ret = -1;

	if (c->not_yet != NULL)
		return err_set(err, "certificate '%s': %s: not yet", c->name, c->not_yet);
	if (c->external)
		return err_set(err, "certificate '%s' is external: watched, not ours to install",
		    c->name);
	/* A client's lies where it is shown. */
	for (i = 0; c->client && i < m->fleet->nlinks; i++)
		if (m->fleet->links[i].presents.cert == move->subject) {
			if (make_shown(m, &m->fleet->links[i], move->subject, err) != 0)
				return err_wrap(err, "certificate '%s'", c->name);
			shown = true;
		}
	m->back_last = false;
	if (!c->install.bound && !shown)
		return err_set(err, "certificate '%s' has no install", c->name);
	m->fill.cert = move->subject;
	for (i = 0; i < c->serves.n; i++) {
		e = &m->fleet->endpoints[c->serves.v[i]];
		if (e->host != NONE)
			indices_add(&hosts, e->host);
	}
	for (i = 0; i < c->install.n; i++) {
		on = c->install.v[i].on.n > 0 ? c->install.v[i].on : hosts;
		if (on.n == 0) {
			(void)err_set(err, "no host to install it on: say `on:`");
			(void)op_at(m, &c->install.v[i].pos, err);
			goto out;
		}
		for (j = 0; j < on.n; j++) {
			if (op_edit_on(m, &c->install.v[i], on.v[j], NONE, err) != 0) {
				(void)op_at(m, &c->install.v[i].pos, err);
				goto out;
			}
			indices_add(&edited, fleet_base(m->fleet, on.v[j]));
		}
	}
	tell_issued(m, c);
	for (i = 0; !c->lands_at_activation && i < c->serves.n; i++) {
		e = &m->fleet->endpoints[c->serves.v[i]];
		for (j = 0; j < edited.n && e->unit != NONE; j++) {
			if (edited.v[j] != e->host)
				continue;
			/* Another move of the step may have written to that file first. */
			indices_add(&m->units, e->unit);
			for (k = 0; k < m->ops->n; k++)
				if (fleet_base(m->fleet, m->ops->v[k].host) == e->host && m->ops->v[k].unit == NONE && serves(&m->ops->v[k], m->move))
					m->ops->v[k].unit = e->unit;
		}
	}
	ret = 0;
out:
	free(hosts.v);
	free(edited.v);
	return ret == 0 ? 0 : err_wrap(err, "certificate '%s'", c->name);
}

/* What lands at an activation takes effect by this step's own, where that is the one of a server of it. */
static void
take_up(struct maker *m, const struct cert *c, int move)
{
	const struct endpoint *e;
	struct op *op;
	size_t i, k;

	for (i = 0; c->lands_at_activation && i < c->serves.n; i++) {
		e = &m->fleet->endpoints[c->serves.v[i]];
		if (e->unit == NONE || !indices_has(&m->units, e->unit))
			continue;
		for (k = 0; k < m->ops->n; k++) {
			op = &m->ops->v[k];
			if (fleet_base(m->fleet, op->host) == e->host && op->unit == NONE && serves(op, move))
				op->unit = e->unit;
		}
	}
}

static int
make_move(struct maker *m, const struct move *move, struct err *err)
{
	m->fill.accept = m->fill.dial = m->fill.ca_file = m->fill.cert_file = m->fill.key_file = NULL;
	m->fill.cert = NONE;
	m->fill.ncas = 0;
	m->fill.has_client_ca = false;
	m->no_ca = m->back_last = false;
	switch (move->facet) {
	case FACET_ACCEPT:
		return make_accept(m, move, err);
	case FACET_CERT:
		return make_cert(m, move, err);
	case FACET_DIAL:
		return make_dial(m, move, err);
	case FACET_TRUST:
		return make_trust(m, move, err);
	case FACET_PRESENT:
		return make_present(m, move, err);
	}
	return err_set(err, "not a facet");
}

/* The server that is asked what it thinks of its files before the unit is activated, or NONE. */
static int
asked(const struct fleet *f, int unit)
{
	struct indices endpoints;
	const struct endpoint *e;
	int ret = NONE;
	size_t i;

	standing_endpoints(&endpoints, f, unit);
	for (i = 0; i < endpoints.n && ret == NONE; i++) {
		e = &f->endpoints[endpoints.v[i]];
		if (e->kind == KIND_POSTGRES && e->host == f->units[unit].host && e->admin_user != NULL &&
		    (standing_writes(f, endpoints.v[i], TEXT_HBA) || standing_writes(f, endpoints.v[i], TEXT_POSTGRES)))
			ret = endpoints.v[i];
	}
	free(endpoints.v);
	return ret;
}

/* What is not kept would not outlive an activation of the same step. */
static int
survives(struct maker *m, int unit, struct err *err)
{
	const struct endpoint *ep;
	size_t i;

	for (i = 0; i < m->ops->n; i++) {
		if (m->ops->v[i].kind != OP_SETTING || m->ops->v[i].persist)
			continue;
		ep = &m->fleet->endpoints[m->ops->v[i].endpoint];
		if (ep->unit == unit && (ep->kind == KIND_PGBOUNCER || m->fleet->units[unit].kind == UNIT_RESTART))
			return err_set(err, "unit '%s' is activated by the same step, and what '%s' was told "
			    "would be gone: expected a 'conf' edit of its file", m->fleet->units[unit].name, ep->name);
	}
	return 0;
}

/* What a server is told where it reloads itself. */
static char *
own_words(const struct endpoint *e)
{
	switch (e->kind) {
	case KIND_POSTGRES:
		return mem_printf("%s: SELECT pg_reload_conf()", e->name);
	case KIND_PGBOUNCER:
		return mem_printf("%s: RELOAD, once SHOW POOLS has nobody in sv_login", e->name);
	case KIND_REDIS:
		return mem_printf("%s: CONFIG SET tls-cert-file …, as it is", e->name);
	}
	return NULL;
}

static int
activations(struct maker *m, struct err *err)
{
	const struct unit *u;
	struct op *op;
	size_t i, j, k;

	for (i = 0; i < m->units.n; i++) {
		u = &m->fleet->units[m->units.v[i]];
		if (survives(m, m->units.v[i], err) != 0)
			return -1;
		if (u->not_yet != NULL || u->host == NONE) {
			(void)err_set(err, "unit '%s': %s: not yet", u->name,
			    u->not_yet != NULL ? u->not_yet : "a unit without a host");
			return op_at(m, &u->pos, err);
		}
		if (u->run == NULL && u->by == NONE) {
			(void)err_set(err, "unit '%s' has no command to activate it", u->name);
			return op_at(m, &u->pos, err);
		}
		op = op_push(m, OP_ACTIVATE, u->host);
		op->unit = m->units.v[i];
		op->run = u->by == NONE ? mem_strdup(u->run) : own_words(&m->fleet->endpoints[u->by]);
		op->in = mem_strdup(u->in);
		op->idempotent = u->idempotent;
		op->deadline_ms = u->deadline_ms > 0 ? u->deadline_ms : RUN_DEADLINE_MS;
		op->native = u->by != NONE;
		op->endpoint = op->native ? u->by : asked(m->fleet, op->unit);
		/* It serves every move whose edits take effect by it. */
		for (j = 0; j < m->ops->n - 1; j++)
			if (m->ops->v[j].unit == op->unit)
				for (k = 0; k < m->ops->v[j].moves.n; k++)
					indices_add(&op->moves, m->ops->v[j].moves.v[k]);
	}
	return 0;
}

static int
name_ops(struct maker *m, const char *run_id, const char *step_id, struct err *err)
{
	struct buf b;
	const char *much;
	size_t i;
	int ret = 0;

	buf_init(&b, 0);
	for (i = 0; ret == 0 && i < m->ops->n; i++) {
		if ((much = op_exceeds(&m->ops->v[i])) != NULL) {
			ret = err_set(err, "step '%s', host '%s': the %s is too long", step_id,
			    op_host_name(m, m->ops->v[i].host), much);
			break;
		}
		buf_clear(&b);
		op_id_part(&b, run_id);
		(void)buf_putc(&b, '/');
		op_id_part(&b, step_id);
		(void)buf_printf(&b, "/%zu", i + 1);
		if (b.len >= OP_ID_MAX)
			ret = err_set(err, "'%.40s…': the step's name is too long", step_id);
		else
			memcpy(m->ops->v[i].id, buf_str(&b), b.len + 1);
	}
	buf_release(&b);
	return ret;
}

static int
make_drain(struct maker *m, const struct drain *d, struct err *err)
{
	const struct endpoint *e = &m->fleet->endpoints[d->endpoint];
	struct op *op;

	if (e->not_yet != NULL || e->host == NONE)
		return err_set(err, "endpoint '%s': %s: not yet", e->name, e->not_yet != NULL ? e->not_yet :
		    "no host to do it from");
	op = op_push(m, OP_DRAIN, e->host);
	op->endpoint = d->endpoint;
	op->pace_ms = d->pace_ms;
	op->undeclared = d->undeclared;
	op->idempotent = true;
	op->deadline_ms = DRAIN_DEADLINE_MS;
	op->run = mem_printf("%s: end the sessions still on plaintext, one every %lld ms%s", e->name,
	    (long long)d->pace_ms, d->undeclared ? ", those of undeclared clients too" : "");
	return 0;
}

/* plan NULL: the step stands in none. */
static int
make(struct ops *ret, const struct fleet *fleet, const struct plan *plan, int index, const struct step *s,
    const char *run_id, op_material *material, void *arg, struct err *err)
{
	struct ops ops = { NULL, 0 };
	struct maker m;
	size_t i;
	int r = 0;

	memset(&m, 0, sizeof(m));
	m.fleet = fleet;
	m.ops = &ops;
	m.fill.material = material;
	m.fill.arg = arg;
	m.fill.step = s->id;
	m.plan = plan;
	m.step = index;
	for (i = 0; r == 0 && i < s->nmoves; i++) {
		m.move = (int)i;
		m.moving = &s->moves[i];
		r = make_move(&m, &s->moves[i], err);
	}
	m.move = NONE;
	m.moving = NULL;
	m.fill.accept = m.fill.dial = m.fill.ca_file = m.fill.cert_file = m.fill.key_file = NULL;
	m.fill.cert = NONE;
	m.fill.ncas = 0;
	m.fill.has_client_ca = false;
	for (i = 0; r == 0 && i < s->nruns; i++)
		r = op_edit(&m, &s->runs[i], NONE, NONE, err);
	for (i = 0; r == 0 && i < s->ndrains; i++)
		r = make_drain(&m, &s->drains[i], err);
	for (i = 0; i < s->activates.n; i++)
		indices_add(&m.units, s->activates.v[i]);
	for (i = 0; r == 0 && i < s->nmoves; i++)
		if (s->moves[i].facet == FACET_CERT)
			take_up(&m, &fleet->certs[s->moves[i].subject], (int)i);
	if (r == 0)
		r = activations(&m, err);
	if (r == 0)
		r = name_ops(&m, run_id, s->id, err);
	free(m.units.v);
	if (r != 0) {
		ops_release(&ops);
		return err_wrap(err, "step '%s'", s->id);
	}
	*ret = ops;
	return 0;
}

int
ops_of_step(struct ops *ret, const struct fleet *fleet, const struct plan *plan, int step,
    const char *run_id, op_material *material, void *arg, struct err *err)
{
	const struct step *s = &plan->steps[step];

	if (s->not_yet != NULL)
		return err_set(err, "%s:%d:%d: step '%s': %s: not yet",
		    plan->path == NULL ? "plan" : plan->path, s->pos.line, s->pos.col, s->id,
		    s->not_yet);
	return make(ret, fleet, plan, step, s, run_id, material, arg, err);
}

int
ops_of_moves(struct ops *ret, const struct fleet *fleet, const struct move *moves,
    size_t nmoves, const char *run_id, const char *step_id, op_material *material, void *arg,
    struct err *err)
{
	char *id = mem_strdup(step_id);
	struct step s = { .id = id, .nmoves = nmoves };
	int r;

	s.moves = mem_array(nmoves, sizeof(*moves));
	memcpy(s.moves, moves, nmoves * sizeof(*moves));
	r = make(ret, fleet, NULL, NONE, &s, run_id, material, arg, err);
	free(s.moves);
	free(id);
	return r;
}

void
op_names(const struct op *op, const struct fleet *fleet, struct strings *ret)
{
	size_t i;

	memset(ret, 0, sizeof(*ret));
	if (op->path != NULL)
		strings_push(ret, mem_printf("%s:%s", fleet->hosts[op->host].name, op->path));
	/* What an endpoint does itself, or is asked before, writes no settings. */
	if (op->kind == OP_SETTING)
		strings_push(ret, mem_strdup(fleet->endpoints[op->endpoint].name));
	for (i = 0; i < op->touches.n; i++)
		strings_push(ret, mem_printf("%s:%s", fleet->hosts[op->host].name, op->touches.v[i]));
	if (op->by_value || op->version != NULL)
		strings_push(ret, mem_printf("%s:%s", fleet->hosts[op->host].name, op->by_value ? op->observe : op->version));
}

void
op_command_text(const struct op *op, bool undo, struct buf *out)
{
	const char *command = undo && op->kind == OP_RUN && op->value == NULL ? op->undo : op->run;

	if (command == NULL)
		return;
	if (op->in != NULL)
		(void)buf_printf(out, "cd %s && ", op->in);
	if (op->value != NULL && !undo) {
		(void)buf_puts(out, "BELAY_VALUE=");
		text_shell_quote(out, op->value);
		(void)buf_putc(out, ' ');
	}
	(void)buf_puts(out, command);
}

/* A string of JSON, in ASCII alone, so that no shell's idea of characters matters. */
static void
put_json_string(struct buf *out, const char *s)
{
	int32_t cp;
	size_t n;

	(void)buf_putc(out, '"');
	for (; (n = text_next(s, &cp)) > 0; s += n)
		if (cp == '"' || cp == '\\')
			(void)buf_printf(out, "\\%c", (char)cp);
		else if (cp == '\n')
			(void)buf_puts(out, "\\n");
		else if (cp >= 0x20 && cp < 0x7f)
			(void)buf_putc(out, (char)cp);
		else if (cp < 0x10000)
			(void)buf_printf(out, "\\u%04x", (unsigned)cp);
		else
			(void)buf_printf(out, "\\u%04x\\u%04x", 0xd7c0 + ((unsigned)cp >> 10),
			    0xdc00 + ((unsigned)cp & 0x3ff));
	(void)buf_putc(out, '"');
}

void
op_input(const struct op *op, struct buf *out)
{
	size_t i;

	if (op->kind != OP_RUN || op->set.n == 0)
		return;
	out->secret = true;
	for (i = 0; i < op->set.n; i++) {
		(void)buf_puts(out, i == 0 ? "{" : ",");
		put_json_string(out, op->set.v[i].key);
		(void)buf_putc(out, ':');
		put_json_string(out, op->set.v[i].value);
	}
	(void)buf_putc(out, '}');
}
