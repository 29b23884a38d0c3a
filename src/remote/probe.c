/*
 * probe: see probe.h.
 *
 * Owns the life of every probe, the lanes of every endpoint, and what probes
 * share: trust by CA, the hosts' addresses, secrets asked for when needed.
 * Invariants: a probe gives exactly one reading, from the loop; what it has under way is
 * dropped before the reading is given away; a probe that waits for its turn
 * has its deadline running.
 */
#include "remote/probe_int.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/logins.h"
#include "core/buf.h"
#include "core/mem.h"
#include "core/reader.h"
#include "core/text.h"
#include "remote/errand.h"
#include "remote/follow.h"
#include "remote/loginwatch.h"
#include "remote/memfile.h"
#include "remote/session.h"

static void fire(uv_timer_t *);

static int64_t
wall_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int64_t
loop_ms(const struct probes *set)
{
	return (int64_t)uv_now(set->c.loop);
}

/* --- the set ------------------------------------------------------------- */

struct probes *
probes_new(const struct probes_config *config)
{
	struct probes *set = mem_alloc(sizeof(*set));
	const struct fleet *fleet = config->fleet;
	struct err err;
	size_t i;

	set->c = *config;
	set->spots = mem_array(fleet->nendpoints + 1, sizeof(*set->spots));
	for (i = 0; i < fleet->nendpoints; i++) {
		set->spots[i].set = set;
		set->spots[i].endpoint = (int)i;
	}
	set->cas = mem_array(fleet->ncerts + 1, sizeof(*set->cas));
	for (i = 0; i < fleet->ncerts; i++)
		buf_init(&set->cas[i], 0);
	set->trusts = mem_array(fleet->nendpoints + 1, sizeof(*set->trusts));
	set->pairs = mem_array(fleet->ncerts + 1, sizeof(*set->pairs));
	for (i = 0; i < fleet->ncerts; i++) {
		buf_init(&set->pairs[i], 0);
		set->pairs[i].secret = true;
	}
	for (i = 0; i < fleet->nendpoints; i++)
		set->trusts[i].fd = set->trusts[i].pair_fd = -1;
	set->known.n = fleet->nhosts;
	set->known.v = mem_array(fleet->nhosts + 1, sizeof(*set->known.v));
	set->no_trust = tls_trust_new(NULL, 0, &err);
	if (set->no_trust == NULL)
		abort();	/* OpenSSL cannot make a context at all: nothing works here */
	return set;
}

static void
trust_drop(struct trust_set *t)
{
	tls_trust_free(t->trust);
	tls_trust_free(t->shown);
	t->trust = t->shown = NULL;
	if (t->fd != -1)
		(void)close(t->fd);
	if (t->pair_fd != -1)
		(void)close(t->pair_fd);
	t->fd = t->pair_fd = -1;
}

void
probes_free(struct probes *set)
{
	size_t i;

	if (set == NULL)
		return;
	while (set->first != NULL)
		probe_cancel(set->first);
	for (i = 0; i < set->c.fleet->nendpoints; i++) {
		sql_free(set->spots[i].sql);
		redis_free(set->spots[i].redis);
		loginwatch_free(set->spots[i].logins);
		follow_free(set->spots[i].follow);
	}
	for (i = 0; i < set->c.fleet->nendpoints; i++)
		trust_drop(&set->trusts[i]);
	for (i = 0; i < set->c.fleet->ncerts; i++)
		buf_release(&set->cas[i]);
	for (i = 0; i < set->c.fleet->ncerts; i++)
		buf_release(&set->pairs[i]);
	free(set->cas);
	free(set->pairs);
	tls_trust_free(set->no_trust);
	for (i = 0; i < set->known.n; i++)
		strings_release(&set->known.v[i]);
	free(set->known.v);
	free(set->spots);
	free(set->trusts);
	free(set);
}

void
probes_made(struct probes *set, int endpoint)
{
	if (endpoint >= 0 && (size_t)endpoint < set->c.fleet->nendpoints)
		set->spots[endpoint].own++;
}

/* What belay shows of itself there, and what it verifies by meanwhile. */
static void
gather_shown(struct probes *set, int endpoint, const struct buf *cas)
{
	struct trust_set *t = &set->trusts[endpoint];
	int cert = set->c.fleet->endpoints[endpoint].probe_cert;
	const struct buf *pair = cert == NONE ? NULL : &set->pairs[cert];
	struct err err;

	if (pair == NULL || pair->len == 0)
		return;
	t->shown = tls_trust_new(cas->len == 0 ? NULL : buf_str(cas), cas->len, &err);
	if (t->shown != NULL && (tls_trust_show(t->shown, buf_str(pair), pair->len, &err) == -1 ||
	    (t->pair_fd = memfile_new(buf_str(pair), pair->len, t->pair_path)) == -1)) {
		tls_trust_free(t->shown);
		t->shown = NULL;
	}
}

/* While one CA gives way to another an endpoint is as good by the one as by the other: served.ca says which it is. */
static void
gather_trust(struct probes *set, int endpoint)
{
	const struct fleet *fleet = set->c.fleet;
	struct trust_set *t = &set->trusts[endpoint];
	struct tls_trust *one;
	struct buf all;
	struct err err;
	size_t i;

	trust_drop(t);
	buf_init(&all, 0);
	for (i = 0; i < fleet->ncerts; i++) {
		if (set->cas[i].len == 0 || !indices_has(&fleet->certs[i].serves, endpoint))
			continue;
		/* One that cannot be read takes no other with it. */
		if ((one = tls_trust_new(buf_str(&set->cas[i]), set->cas[i].len, &err)) == NULL)
			continue;
		tls_trust_free(one);
		(void)buf_put(&all, buf_str(&set->cas[i]), set->cas[i].len);
		(void)buf_puts(&all, "\n");
	}
	if (all.len > 0 && (t->trust = tls_trust_new(buf_str(&all), all.len, &err)) != NULL)
		t->fd = memfile_new(buf_str(&all), all.len, t->path);
	gather_shown(set, endpoint, &all);
	buf_release(&all);
}

void
probes_pair(struct probes *set, int cert, const char *pem, size_t len_bytes)
{
	const struct fleet *fleet = set->c.fleet;
	size_t i;

	if (cert < 0 || (size_t)cert >= fleet->ncerts)
		return;
	buf_clear(&set->pairs[cert]);
	(void)buf_put(&set->pairs[cert], pem, len_bytes);
	for (i = 0; i < fleet->nendpoints; i++)
		if (fleet->endpoints[i].probe_cert == cert) {
			gather_trust(set, (int)i);
			set->spots[i].looked_at = 0;	/* it may be let in now */
		}
}

void
probes_ca(struct probes *set, int cert, const char *pem, size_t len_bytes)
{
	const struct fleet *fleet = set->c.fleet;
	size_t i;

	if (cert < 0 || (size_t)cert >= fleet->ncerts)
		return;
	buf_clear(&set->cas[cert]);
	if (pem != NULL)
		(void)buf_put(&set->cas[cert], pem, len_bytes);
	for (i = 0; i < fleet->certs[cert].serves.n; i++)
		gather_trust(set, fleet->certs[cert].serves.v[i]);
}

void
probes_addresses(struct probes *set, int host, const struct strings *addresses)
{
	struct strings *s;
	size_t i;

	if (host < 0 || (size_t)host >= set->known.n)
		return;
	s = &set->known.v[host];
	strings_release(s);
	s->v = mem_array(addresses->n + 1, sizeof(*s->v));
	for (i = 0; i < addresses->n; i++)
		s->v[s->n++] = mem_strdup(addresses->v[i]);
}

/* --- an endpoint --------------------------------------------------------- */

const struct endpoint *
spot_endpoint(const struct spot *spot)
{
	return &spot->set->c.fleet->endpoints[spot->endpoint];
}

struct session *
spot_session(const struct spot *spot)
{
	const struct endpoint *ep = spot_endpoint(spot);
	int host = ep->via != NONE ? ep->via : ep->host;

	return spot->set->c.session(spot->set->c.arg, host);
}

const char *
spot_address(const struct spot *spot)
{
	const struct endpoint *ep = spot_endpoint(spot);

	return ep->at != NULL ? ep->at : ep->names.n > 0 ? ep->names.v[0] : "localhost";
}

int
spot_port(const struct spot *spot, bool tls)
{
	const struct endpoint *ep = spot_endpoint(spot);

	if (ep->kind != KIND_REDIS || ep->one_port)	/* Postgres and PgBouncer know one port */
		return ep->port_plain != 0 ? ep->port_plain : ep->port_tls;
	return tls ? ep->port_tls : ep->port_plain;
}

const struct tls_trust *
spot_trust(const struct spot *spot, bool shows)
{
	const struct trust_set *t = &spot->set->trusts[spot->endpoint];

	return shows && t->shown != NULL ? t->shown : t->trust == NULL ? spot->set->no_trust : t->trust;
}

const struct tls_trust *
spot_shown(const struct spot *spot)
{
	return spot->set->trusts[spot->endpoint].shown;
}

const char *
spot_pair_file(const struct spot *spot)
{
	const struct trust_set *t = &spot->set->trusts[spot->endpoint];

	return spot->shows && t->pair_fd != -1 ? t->pair_path : NULL;
}

const char *
spot_ca_file(const struct spot *spot)
{
	const struct trust_set *t = &spot->set->trusts[spot->endpoint];

	return t->trust == NULL || t->fd == -1 ? NULL : t->path;
}

int
spot_ca(const struct spot *spot, const char *sha256)
{
	const struct probes *set = spot->set;
	const struct fleet *fleet = set->c.fleet;
	size_t i;

	for (i = 0; i < fleet->ncerts; i++)
		if (indices_has(&fleet->certs[i].serves, spot->endpoint) &&
		    tls_pem_has(buf_str(&set->cas[i]), set->cas[i].len, sha256))
			return (int)i;
	return NONE;
}

static int
password_of(const struct spot *spot, int secret, const char **ret, const char **ret_why)
{
	*ret = NULL;
	if (secret == NONE)
		return 0;
	*ret_why = "not given";
	*ret = spot->set->c.secret(spot->set->c.arg, secret, ret_why);
	return *ret == NULL ? -1 : 0;
}

int
spot_password(const struct spot *spot, const char **ret, const char **ret_why)
{
	return password_of(spot, spot_endpoint(spot)->probe_secret, ret, ret_why);
}

int
spot_admin_password(const struct spot *spot, const char **ret, const char **ret_why)
{
	return password_of(spot, spot_endpoint(spot)->admin_secret, ret, ret_why);
}

void
spot_saw(struct spot *spot, const struct look *l)
{
	const char *names[READING_NAMES_MAX];
	size_t i;

	spot->looked_at = loop_ms(spot->set);
	spot->tls = l->leg;
	spot->shows = l->shows && l->leg == LEG_OPEN;
	spot->verified = false;
	if (l->leg != LEG_OPEN || l->facts.chain != VERIFIED_OK)
		return;
	(void)served_names(spot->set->c.fleet, spot->endpoint, names);
	for (i = 0; i < l->nnames && !spot->verified; i++) {
		if (l->names[i] == VERIFIED_OK) {
			spot->verified = true;
			spot->verified_name = names[i];
		}
	}
}

void
spot_doubts(const struct spot *spot, struct probe *p)
{
	const struct fleet *fleet = spot->set->c.fleet;
	const struct census *c = &p->reading.census;
	const struct match *m;
	size_t i, j;
	int host;

	if (c->undeclared_tls + c->undeclared_plain == 0)
		return;
	for (i = 0; i < fleet->nlinks; i++) {
		if (fleet->links[i].endpoint != spot->endpoint)
			continue;
		m = &fleet->links[i].match;
		for (j = 0; j < m->hosts.n; j++) {
			host = m->hosts.v[j];
			if (spot->set->known.v[host].n > 0 || fleet->hosts[host].address != NULL)
				continue;
			probe_say(p, SAW_PART, "%u sessions match no link, and the address of host '%s' is not known yet",
			    (unsigned)(c->undeclared_tls + c->undeclared_plain), fleet->hosts[host].name);
			return;
		}
	}
}

void
spot_logins(struct spot *spot, bool logged, struct census *c)
{
	logins_release(&c->logins);
	loginwatch_read(spot->logins, &c->logins);
	loginwatch_complaints(spot->logins, c);
	if (c->logins.seen == LOGINS_SINCE && !logged) {
		c->logins.seen = LOGINS_BLIND;
		free(c->logins.why);
		c->logins.why = mem_strdup("log_connections is off: no login is logged");
	}
}

/* --- life ---------------------------------------------------------------- */

static void
timer_closed(uv_handle_t *h)
{
	free(h);
}

/* At the next turn of the loop: from there a probe may fail at once. */
static void
start_soon(struct probe *p)
{
	(void)uv_timer_start(p->timer, fire, 0, 0);
}

struct probe *
probe_new(struct probes *set, const struct probe_ops *ops, struct spot *spot, enum lane_kind lane,
    enum reading_kind kind, int subject, int64_t deadline_ms, probe_done *done, void *arg)
{
	struct probe *p = mem_alloc(ops->size_bytes);

	p->set = set;
	p->ops = ops;
	p->spot = spot;
	p->reading.kind = kind;
	p->reading.subject = subject;
	p->reading.outcome = SAW;
	p->asked_at = loop_ms(set);
	p->deadline_ms = deadline_ms > 0 ? deadline_ms : 1;
	p->done = done;
	p->arg = arg;
	p->timer = mem_alloc(sizeof(*p->timer));
	(void)uv_timer_init(set->c.loop, p->timer);
	p->timer->data = p;
	p->next = set->first;
	if (p->next != NULL)
		p->next->prev = p;
	set->first = p;
	if (spot != NULL) {
		if (spot_endpoint(spot)->kind == KIND_REDIS)
			lane = LANE_ASK;
		p->lane = &spot->lanes[lane];
		if (p->lane->first == NULL)
			p->lane->first = p;
		else
			p->lane->last->lane_next = p;
		p->lane->last = p;
	}
	if (p->lane == NULL || p->lane->first == p)
		start_soon(p);
	else
		(void)uv_timer_start(p->timer, fire, (uint64_t)p->deadline_ms, 0);
	return p;
}

int64_t
probe_left_ms(const struct probe *p)
{
	int64_t left = p->asked_at + p->deadline_ms - loop_ms(p->set);

	return left > 1 ? left : 1;
}

static void
leave_lane(struct probe *p)
{
	struct lane *lane = p->lane;
	struct probe *q;

	if (lane == NULL)
		return;
	if (lane->first == p) {
		lane->first = p->lane_next;
		if (lane->first == NULL)
			lane->last = NULL;
		else
			start_soon(lane->first);
		return;
	}
	for (q = lane->first; q->lane_next != p; q = q->lane_next)
		continue;
	q->lane_next = p->lane_next;
	if (lane->last == p)
		lane->last = q;
}

/* --- what is read before the end ------------------------------------------- */

struct tail {
	struct errand *errand;
	char	*command;
	int	 host;
	bool	 started;
	void	(*done)(struct probe *, const char *, size_t, const char *);
};

void
probe_then(struct probe *p, int host, const char *command,
    void (*done)(struct probe *, const char *, size_t, const char *))
{
	p->tail = mem_alloc(sizeof(*p->tail));
	p->tail->command = mem_strdup(command);
	p->tail->host = host;
	p->tail->done = done;
}

static void
tail_free(struct probe *p)
{
	struct tail *t = p->tail;

	p->tail = NULL;
	if (t == NULL)
		return;
	errand_cancel(t->errand);
	free(t->command);
	free(t);
}

static void
tail_ended(struct probe *p, const struct buf *out, const char *why)
{
	p->tail->done(p, out == NULL ? NULL : buf_str(out), out == NULL ? 0 : out->len, why);
	tail_free(p);
	probe_finish(p);
}

static void
tail_came(void *arg, struct errand_result *r)
{
	struct probe *p = arg;
	char line[256];

	p->tail->errand = NULL;
	if (!r->ended)
		tail_ended(p, NULL, r->why);
	else if (r->out->over)
		tail_ended(p, NULL, "it is too long");
	else if (r->status != 0)
		tail_ended(p, NULL, errand_first_line(r, line, sizeof(line)));
	else
		tail_ended(p, r->out, NULL);
}

/* True: there is something to be read first, and the probe goes on. */
static bool
tail_begun(struct probe *p)
{
	struct tail *t = p->tail;

	if (t == NULL || t->started || p->reading.outcome == SAW_NOT)
		return false;
	t->started = true;
	t->errand = errand_run(p->set->c.session(p->set->c.arg, t->host), t->command, PROBE_TAIL_MAX, probe_left_ms(p),
	    tail_came, p);
	return true;
}

/* Takes the probe out of everything; the struct is still there. */
static void
detach(struct probe *p)
{
	tail_free(p);
	if (p->started)
		p->ops->stop(p);
	p->timer->data = NULL;
	(void)uv_timer_stop(p->timer);
	uv_close((uv_handle_t *)p->timer, timer_closed);
	if (p->prev != NULL)
		p->prev->next = p->next;
	else
		p->set->first = p->next;
	if (p->next != NULL)
		p->next->prev = p->prev;
	leave_lane(p);
}

void
probe_finish(struct probe *p)
{
	struct reading r;
	probe_done *done = p->done;
	void *arg = p->arg;

	if (tail_begun(p))
		return;
	/*
	 * When it began to look: what it met along the way may be that old, and who asks
	 * for something newer than a change must not be given it.
	 */
	p->reading.at_ms = p->began_ms != 0 ? p->began_ms : wall_ms();
	p->reading.took_ms = loop_ms(p->set) - p->asked_at;
	detach(p);
	r = p->reading;
	free(p->wants);
	free(p);
	done(arg, &r);
}

void
probe_cancel(struct probe *p)
{
	detach(p);
	reading_release(&p->reading);
	free(p->wants);
	free(p);
}

static void say(struct probe *, enum outcome, const char *fmt, va_list)
    __attribute__((format(printf, 3, 0)));

static void
say(struct probe *p, enum outcome outcome, const char *fmt, va_list ap)
{
	char *words = mem_vprintf(fmt, ap), *both;

	if (p->reading.why != NULL) {
		both = mem_printf("%s; %s", p->reading.why, words);
		free(words);
		free(p->reading.why);
		words = both;
	}
	p->reading.why = words;
	if (outcome > p->reading.outcome)
		p->reading.outcome = outcome;
}

void
probe_say(struct probe *p, enum outcome outcome, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(p, outcome, fmt, ap);
	va_end(ap);
}

void
probe_end(struct probe *p, enum outcome outcome, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(p, outcome, fmt, ap);
	va_end(ap);
	probe_finish(p);
}

static void
fire(uv_timer_t *timer)
{
	struct probe *p = timer->data;

	if (p == NULL)
		return;
	uv_update_time(p->set->c.loop);
	if (!p->started && (p->lane == NULL || p->lane->first == p) &&
	    loop_ms(p->set) < p->asked_at + p->deadline_ms) {
		p->started = true;
		p->began_ms = wall_ms();
		if (p->spot != NULL && spot_endpoint(p->spot)->host == NONE && spot_endpoint(p->spot)->via == NONE) {
			probe_end(p, SAW_NOT, "no host to look at '%s' from", spot_endpoint(p->spot)->name);
			return;
		}
		(void)uv_timer_start(p->timer, fire, (uint64_t)probe_left_ms(p), 0);
		p->ops->start(p);
		return;
	}
	if (!p->started) {
		probe_end(p, SAW_NOT, "an earlier question to '%s' is still without an answer",
		    spot_endpoint(p->spot)->name);
		return;
	}
	if (p->tail != NULL && p->tail->started) {
		tail_ended(p, NULL, "it was not read in time");
		return;
	}
	if (p->ops->late != NULL) {
		p->ops->late(p);
		probe_finish(p);
	} else
		probe_end(p, SAW_NOT, "no answer within %.1f s", (double)p->deadline_ms / 1000);
}

/* A log that can only be read from now on is read from the first time anybody looks here. */
static void
follow_log(struct spot *spot)
{
	const struct endpoint *ep = spot_endpoint(spot);
	struct probes *set = spot->set;

	if (spot->follow == NULL && ep->log_run != NULL && ep->log_host != NONE &&
	    strstr(ep->log_run, "$(since)") == NULL)
		spot->follow = follow_new(set->c.loop, set->c.session(set->c.arg, ep->log_host), ep->log_run);
	if (spot->logins == NULL)
		spot->logins = loginwatch_new(spot);
}

void
probe_hurry(struct probe *p, int64_t from_now_ms)
{
	if (from_now_ms < probe_left_ms(p))
		(void)uv_timer_start(p->timer, fire, (uint64_t)from_now_ms, 0);
}

struct probe *
probe_endpoint(struct probes *set, enum reading_kind kind, int endpoint, int64_t deadline_ms,
    probe_done *done, void *arg)
{
	static const struct probe_ops *const census[KIND_COUNT] = {
		[KIND_POSTGRES] = &postgres_census_ops, [KIND_PGBOUNCER] = &pgbouncer_census_ops,
		[KIND_REDIS] = &redis_census_ops,
	};
	static const struct probe_ops *const settings[KIND_COUNT] = {
		[KIND_POSTGRES] = &postgres_settings_ops, [KIND_PGBOUNCER] = &pgbouncer_settings_ops,
		[KIND_REDIS] = &redis_settings_ops,
	};
	struct spot *spot = &set->spots[endpoint];
	enum kind of = spot_endpoint(spot)->kind;
	const struct probe_ops *ops = kind == READING_SERVED ? &served_ops :
	    kind == READING_CENSUS ? census[of] : settings[of];

	follow_log(spot);
	if (kind == READING_DISK || kind == READING_DEPTH)
		return probe_deep(set, kind, endpoint, deadline_ms, done, arg);
	return probe_new(set, ops, spot, kind == READING_SERVED ? LANE_LOOK : LANE_ASK, kind, endpoint,
	    deadline_ms, done, arg);
}

/* --- settings ------------------------------------------------------------ */

const char *
probe_wants(const struct probe *p)
{
	return p->wants == NULL ? "" : p->wants;
}

void
setting_put(struct probe *p, const char *name, const char *value)
{
	struct pairs *s = &p->reading.settings;
	struct pair *pair;

	/* One more than fits is kept, so that the cut is said. */
	if (s->n > READING_PAIRS_MAX)
		return;
	pair = mem_push(&s->v, &s->n, sizeof(*pair));
	pair->key = mem_strdup(name);
	pair->value = mem_strdup(value == NULL ? "" : value);
}

const char *
setting_get(const struct reading *r, const char *name)
{
	size_t i;

	for (i = 0; i < r->settings.n; i++)
		if (strcmp(r->settings.v[i].key, name) == 0)
			return r->settings.v[i].value;
	return NULL;
}

void
setting_forget(struct probe *p)
{
	struct pairs *s = &p->reading.settings;
	size_t i;

	for (i = 0; i < s->n; i++) {
		free(s->v[i].key);
		free(s->v[i].value);
	}
	free(s->v);
	s->v = NULL;
	s->n = 0;
}
