/*
 * truth_test: see truth.h.  Which cells there are, what the table says of
 * each, and the answer in TAP: one line for each pair of client and server.
 *
 *   truth_test          what make check has time for: every pair; ranges of protocols
 *                       on both sides with the good certificate; the drivers where a
 *                       certificate, a demand for the client's or the acceptance differ
 *   truth_test --all    the whole product
 *   truth_test KIND     the servers of one kind: postgres, pgbouncer, redis
 *
 * time limit: 900
 */
#include "truth.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/buf.h"
#include "core/mem.h"

#define SAY_MAX 24		/* disagreements shown of one pair */

static struct servers sv;
static struct cells cells;
static bool everything;

static const enum leaf_state served_all[] = { SERVED_GOOD, SERVED_MISNAMED, SERVED_EXPIRED };
static const enum proto ranges[][2] = { { PROTO_ANY, PROTO_ANY }, { PROTO_ANY, PROTO_TLS1_2 },
    { PROTO_TLS1_3, PROTO_ANY } };
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct dialling diallings[160];
static size_t ndiallings;

/* --- TAP ------------------------------------------------------------------- */

static int ntap, nbad;

static void
tap(bool ok, const char *claim)
{
	printf("%sok %d - %s\n", ok ? "" : "not ", ++ntap, claim);
	nbad += !ok;
}

/* --- cells ----------------------------------------------------------------- */

static struct cell *
cell_new(const struct post *p, enum dialect dialect, enum dial dial, enum anchor anchor, enum shown shown)
{
	struct cell *c;

	if (cells.n % 1024 == 0)
		cells.v = mem_resize(cells.v, cells.n + 1024, sizeof(cells.v[0]));
	c = &cells.v[cells.n++];
	memset(c, 0, sizeof(*c));
	c->a.kind = p->kind;
	c->a.accept = p->accept;
	c->a.served = p->served;
	c->a.asks = p->asks;
	c->a.server_min = p->min;
	c->a.server_max = p->max;
	c->a.auth = p->kind == KIND_POSTGRES ? AUTH_TRUST : p->auth;
	c->a.stored = p->stored;
	c->a.dialect = dialect;
	c->a.dial = dial;
	c->a.anchor = anchor;
	c->a.shown = shown;
	/* Who has no CA file for clients trusts none of their certificates. */
	if (p->kind == KIND_PGBOUNCER && !p->asks && p->accept != ACCEPT_MUTUAL && shown == SHOWN_GOOD) {
		c->a.shown = SHOWN_STRAY;
		c->shows = SHOWN_GOOD;
	} else
		c->shows = shown;
	c->role = "app";
	c->port = p->kind == KIND_POSTGRES ? sv.postgres_port : p->kind == KIND_PGBOUNCER ? sv.pgbouncer_port :
	    sv.redis_port;
	c->port_tls = sv.redis_tls_port;
	c->a.one_port = p->one_port;
	return c;
}

/* Whether a client certificate makes any difference; that it makes none elsewhere, the good certificate shows. */
static bool
asked(const struct post *p)
{
	return p->asks || p->accept == ACCEPT_MUTUAL || (p->kind == KIND_PGBOUNCER && p->accept != ACCEPT_PLAIN);
}

static bool
bounded(const struct post *p)
{
	return p->min != PROTO_ANY || p->max != PROTO_ANY;
}

/* What is left out where not everything is run. */
static bool
left_out(const struct post *p, enum dialect dialect, enum anchor anchor, enum shown shown, bool range)
{
	bool by_c = !driver_exists(dialect);

	if (everything)
		return false;
	if (shown != SHOWN_NONE && !asked(p) && (!by_c || p->served == SERVED_EXPIRED || bounded(p)))
		return true;
	/* Where TLS has no version in common, nobody looks at a certificate. */
	if ((range || bounded(p)) && anchor != ANCHOR_ISSUER)
		return true;
	return range && p->served != SERVED_GOOD;
}

/* Every way to dial × whose CA × which client certificate (× its protocols). */
static void
cells_of(const struct post *p, enum dialect dialect, bool protos)
{
	size_t d, n, s, r;

	for (d = 0; d < DIAL_COUNT; d++)
		for (n = ANCHOR_NONE; n <= ANCHOR_OTHER; n++)
			for (s = SHOWN_NONE; s <= SHOWN_STRAY; s++)
				for (r = 0; r < (protos ? COUNT(ranges) : 1); r++) {
					struct cell *c;

					if (dialect == DIALECT_HIREDIS && (d == DIAL_ALLOW || d == DIAL_PREFER))
						continue;
					if (left_out(p, dialect, (enum anchor)n, (enum shown)s, r > 0))
						continue;
					c = cell_new(p, dialect, (enum dial)d, (enum anchor)n, (enum shown)s);
					c->a.client_min = ranges[r][0];
					c->a.client_max = ranges[r][1];
				}
}

static void
cells_of_bouncers(const struct post *p)
{
	size_t i;

	for (i = 0; i < ndiallings; i++) {
		const struct dialling *d = &diallings[i];
		struct cell *c;

		if (left_out(p, DIALECT_PGBOUNCER, d->anchor, d->shown, d->min != PROTO_ANY || d->max != PROTO_ANY))
			continue;
		c = cell_new(p, DIALECT_PGBOUNCER, d->dial, d->anchor, d->shown);

		c->a.client_min = d->min;
		c->a.client_max = d->max;
		c->bouncer = (int)i;
		if (bouncer_port((int)i) == 0) {
			c->seen = SEEN_REFUSED;
			c->text = mem_strdup(bouncer_start_error((int)i));
		}
	}
}

static void
cells_of_login(const struct post *p, enum auth auth, enum stored stored)
{
	size_t d, n, s;

	/* By certificate, `allow` meets TLS where it would not for another role: it needs twins of its own. */
	for (d = 0; d < DIAL_COUNT; d++)
		for (n = ANCHOR_NONE; n <= (auth == AUTH_CERT ? ANCHOR_OTHER : ANCHOR_ISSUER); n++)
			for (s = SHOWN_NONE; s <= SHOWN_STRAY; s++) {
				struct cell *c;

				if (!everything && auth != AUTH_CERT && (n != ANCHOR_ISSUER || s != SHOWN_NONE))
					continue;
				c = cell_new(p, DIALECT_LIBPQ, (enum dial)d, (enum anchor)n, (enum shown)s);
				c->a.auth = auth;
				c->a.stored = stored;
				if (p->kind == KIND_POSTGRES)
					c->role = post_role(auth, stored);
			}
}

static void
cells_of_logins(const struct post *p)
{
	static const enum auth auths[] = { AUTH_PASSWORD, AUTH_MD5, AUTH_SCRAM };
	size_t a, st;

	for (a = 0; a < COUNT(auths) && p->served == SERVED_GOOD && (everything || !p->asks); a++)
		for (st = STORED_MD5; st <= STORED_SCRAM; st++)
			cells_of_login(p, auths[a], (enum stored)st);
	/* pg_hba.conf takes `cert` only where there is a ssl_ca_file. */
	if (p->accept != ACCEPT_PLAIN && (p->asks || p->accept == ACCEPT_MUTUAL))
		cells_of_login(p, AUTH_CERT, STORED_UNKNOWN);
}

static void
cells_of_drivers(const struct post *p)
{
	size_t d;
	bool whole = everything || (p->asks ? p->accept == ACCEPT_BOTH && p->served != SERVED_EXPIRED :
	    p->served != SERVED_EXPIRED || p->accept == ACCEPT_TLS);

	if (bounded(p)) {
		if (everything && dialect_fits(DIALECT_ASYNCPG, p->kind)) {
			cells_of(p, DIALECT_ASYNCPG, true);
			cells_of(p, DIALECT_SQLALCHEMY_ASYNCPG, true);
		}
		return;
	}
	for (d = DIALECT_DEFAULT + 1; whole && d < DIALECT_COUNT; d++)
		if (driver_exists((enum dialect)d) && dialect_fits((enum dialect)d, p->kind))
			cells_of(p, (enum dialect)d, false);
}

static void
post_run(const struct post *p, size_t first)
{
	post_set(p);
	dialler_run(&sv, &cells, first);
}

static void
postgres_run(const struct post *p)
{
	bool usual = !bounded(p);
	size_t first = cells.n;

	cells_of(p, DIALECT_LIBPQ, true);
	cells_of_bouncers(p);
	cells_of_drivers(p);
	if (usual && p->served != SERVED_EXPIRED)
		cells_of_logins(p);
	post_run(p, first);
}

static void
pgbouncer_run(const struct post *p)
{
	size_t first = cells.n;

	cells_of(p, DIALECT_LIBPQ, true);
	cells_of_drivers(p);
	post_run(p, first);
}

static void
redis_run(const struct post *p)
{
	size_t first = cells.n;

	cells_of(p, DIALECT_HIREDIS, true);
	cells_of_drivers(p);
	post_run(p, first);
}

/* Every accept × certificate × asks × protocols that a kind of server has. */
static void
posts_run(enum kind kind, void (*run)(const struct post *))
{
	struct post p = { .kind = kind, .accept = ACCEPT_PLAIN, .served = SERVED_GOOD };
	size_t accept, s, r;
	int asks;

	run(&p);
	for (accept = ACCEPT_BOTH; accept <= ACCEPT_MUTUAL; accept++)
		for (s = 0; s < COUNT(served_all); s++)
			for (asks = 0; asks <= (accept != ACCEPT_MUTUAL); asks++)
				for (r = 0; r < (everything || s == 0 ? COUNT(ranges) : 1); r++) {
					p.accept = (enum accept)accept;
					p.served = served_all[s];
					p.asks = asks != 0;
					p.min = ranges[r][0];
					p.max = ranges[r][1];
					run(&p);
				}
}

/* PgBouncer's other way to say mutual, and its ways to log in. */
static void
pgbouncer_logins(void)
{
	static const enum auth auths[] = { AUTH_PASSWORD, AUTH_MD5, AUTH_SCRAM };
	struct post p = { .kind = KIND_PGBOUNCER, .accept = ACCEPT_MUTUAL, .names = true };
	size_t a, s, accept;

	for (s = 0; s < COUNT(served_all); s++) {
		p.served = served_all[s];
		for (a = 0; a < 2; a++) {
			size_t first = cells.n;

			p.auth = a == 0 ? AUTH_UNKNOWN : AUTH_CERT;
			cells_of(&p, DIALECT_LIBPQ, false);
			post_run(&p, first);
		}
	}
	p.names = false;
	for (accept = ACCEPT_PLAIN; accept <= ACCEPT_MUTUAL; accept++)
		for (a = 0; a < COUNT(auths); a++)
			for (s = STORED_PLAIN; s <= STORED_SCRAM; s++) {
				size_t first = cells.n;

				p.accept = (enum accept)accept;
				p.served = SERVED_GOOD;
				p.auth = auths[a];
				p.stored = (enum stored)s;
				cells_of_login(&p, auths[a], (enum stored)s);
				post_run(&p, first);
			}
}

/* Redis with TLS at the port that clients have for plaintext: nobody else is there to refuse them. */
static void
redis_swapped(void)
{
	struct post p = { .kind = KIND_REDIS, .one_port = true, .served = SERVED_GOOD };
	size_t s;

	redis_run(&p);
	for (s = 0; s < COUNT(served_all); s++) {
		p.served = served_all[s];
		p.accept = ACCEPT_TLS;
		redis_run(&p);
		p.accept = ACCEPT_MUTUAL;
		redis_run(&p);
	}
}

/* --- no certificate: none of the three starts ------------------------------ */

static void
bare_run(enum kind kind)
{
	struct post p = { .kind = kind, .served = SERVED_NONE };
	size_t accept, first = cells.n;

	for (accept = ACCEPT_BOTH; accept <= ACCEPT_MUTUAL; accept++) {
		p.accept = (enum accept)accept;
		if (post_starts_bare(&sv, &p))
			fail_msg("%s starts without a certificate", kind_word(kind));
		cells_of(&p, kind == KIND_REDIS ? DIALECT_HIREDIS : DIALECT_LIBPQ, false);
		dialler_run(&sv, &cells, first);
	}
}

/* --- what was seen, as a verdict ------------------------------------------- */

/* All that can make a client check otherwise, besides what is served and whom it trusts. */
static bool
same_client(const struct cell *x, const struct cell *y)
{
	const struct attempt *a = &x->a, *b = &y->a;

	return a->kind == b->kind && a->accept == b->accept && a->asks == b->asks && a->dialect == b->dialect &&
	    a->dial == b->dial && x->shows == y->shows && a->one_port == b->one_port;
}

/* How alike the protocols are: 0 for both sides', 1 for one, 2 for none. */
static int
other_protos(const struct cell *x, const struct cell *y)
{
	const struct attempt *a = &x->a, *b = &y->a;

	return (a->server_min != b->server_min || a->server_max != b->server_max) +
	    (a->client_min != b->client_min || a->client_max != b->client_max);
}

static bool
any_protos(const struct cell *c)
{
	return c->a.server_min == PROTO_ANY && c->a.server_max == PROTO_ANY && c->a.client_min == PROTO_ANY &&
	    c->a.client_max == PROTO_ANY;
}

static bool
plain_login(const struct cell *c)
{
	return c->a.auth == AUTH_TRUST || c->a.auth == AUTH_UNKNOWN;
}

static bool
answered(const struct cell *c)
{
	return c->seen != SEEN_NOTHING && c->seen != SEEN_ABSENT;
}

/*
 * A cell of the same client with that certificate and that CA file, at the
 * most similar server there is.  Where not all was run, bounds on protocols
 * were tried with the good certificate only, and so were logins by password
 * always: what is checked hangs on neither.
 */
static const struct cell *
twin(const struct cell *c, enum leaf_state served, enum anchor anchor)
{
	const struct cell *best = NULL;
	int likeness = 0, l;
	size_t i;

	for (i = 0; i < cells.n; i++) {
		const struct cell *o = &cells.v[i];

		if (o->a.served != served || o->a.anchor != anchor || !answered(o) || !same_client(c, o))
			continue;
		if (other_protos(c, o) > 0 && !any_protos(o))
			continue;
		l = 6 - other_protos(c, o);
		if (o->a.auth != c->a.auth || o->a.stored != c->a.stored)
			l = plain_login(o) && c->a.auth != AUTH_CERT ? l - 3 : 0;
		if (l > likeness) {
			likeness = l;
			best = o;
		}
	}
	return best;
}

/* False: there is no pair of cells to derive it from. */
static bool
verdict_seen(const struct cell *c, enum verdict *ret)
{
	const struct cell *stranger, *misnamed;

	switch (c->seen) {
	case SEEN_HANGS:
		*ret = VERDICT_HANGS;
		return true;
	case SEEN_PLAINTEXT:
		*ret = VERDICT_PLAINTEXT;
		return true;
	case SEEN_TLS:
		break;
	default:
		*ret = VERDICT_REFUSED;
		return true;
	}
	*ret = VERDICT_TLS;
	if (c->a.anchor != ANCHOR_ISSUER)
		return true;
	stranger = twin(c, SERVED_GOOD, ANCHOR_OTHER);
	misnamed = twin(c, SERVED_MISNAMED, ANCHOR_ISSUER);
	if (stranger == NULL || misnamed == NULL)
		return false;
	if (stranger->seen != SEEN_TLS)
		*ret = misnamed->seen != SEEN_TLS ? VERDICT_NAME : VERDICT_CHAIN;
	return true;
}

/* --- comparison ------------------------------------------------------------ */

static void
cell_words(struct buf *b, const struct cell *c)
{
	static const char *const served[] = { "none", "good", "misnamed", "expired", "unknown" };
	static const char *const anchors[] = { "none", "issuer", "other", "unknown" };
	static const char *const shown[] = { "none", "good", "stray" };
	const struct attempt *a = &c->a;

	buf_printf(b, "accept=%s served=%s%s server=%s..%s auth=%s stored=%s | dial=%s ca=%s shows=%s client=%s..%s",
	    accept_word(a->accept), served[a->served], a->asks ? " asks" : "", proto_name(a->server_min),
	    proto_name(a->server_max), auth_word(a->auth), stored_word(a->stored), dial_word(a->dial),
	    anchors[a->anchor], shown[a->shown], proto_name(a->client_min), proto_name(a->client_max));
	if (a->one_port)
		(void)buf_puts(b, " (one port)");
}

struct sum {
	size_t cells, wrong, refused, hangs, plaintext, tls, chain, name;
	size_t absent, told;
};

/*
 * In a URL, node-postgres takes a word that it does not know for TLS: what
 * `allow` gives must be what verify-full gives.
 */
static bool
unknown_word(const struct cell *c)
{
	size_t i;

	for (i = 0; i < cells.n; i++) {
		const struct cell *o = &cells.v[i];
		struct cell like = *c;

		like.a.dial = DIAL_VERIFY_FULL;
		if (same_client(&like, o) && other_protos(c, o) == 0 && o->a.served == c->a.served &&
		    o->a.anchor == c->a.anchor && o->a.auth == c->a.auth)
			return o->seen == c->seen;
	}
	return false;
}

/* The parameters that SQLAlchemy hands to asyncpg.connect(), and those that this does not know. */
static const char *const words[] = { "ssl=require", "sslmode=require", "sslrootcert=/nosuch" };

static void
words_run(void)
{
	struct post p = { .kind = KIND_POSTGRES, .accept = ACCEPT_BOTH, .served = SERVED_GOOD };
	size_t i, first = cells.n;

	for (i = 0; i < COUNT(words); i++)
		cell_new(&p, DIALECT_SQLALCHEMY_ASYNCPG, DIAL_REQUIRE, ANCHOR_NONE, SHOWN_NONE)->words = words[i];
	post_run(&p, first);
}

static void
words_judge(void)
{
	bool ok = true, absent = false;
	char parameter[32];
	size_t i;

	for (i = 0; i < cells.n; i++) {
		const struct cell *c = &cells.v[i];

		if (c->words == NULL)
			continue;
		(void)snprintf(parameter, sizeof(parameter), "%.*s", (int)strcspn(c->words, "="), c->words);
		absent = absent || c->seen == SEEN_ABSENT;
		printf("# %s: %s\n", c->words, c->text != NULL ? c->text : "taken");
		ok = ok && c->seen == (dialect_rejects(c->a.dialect, parameter) != NULL ? SEEN_SPELLING : SEEN_TLS);
	}
	if (absent)
		printf("ok %d - sqlalchemy-asyncpg takes and rejects parameters # SKIP not installed\n", ++ntap);
	else
		tap(ok, "sqlalchemy-asyncpg takes ssl= and rejects sslmode= and sslrootcert=");
}

/* True: the table and the program agree. */
static bool
agrees(const struct cell *c, struct sum *sum)
{
	const char *why = NULL, *spelling = dialect_spelling(c->a.dialect, c->a.dial, NULL);
	enum verdict seen, said = attempt_verdict(&c->a, &why);
	struct buf b = { 0 };
	bool same, derived = verdict_seen(c, &seen);

	sum->refused += seen == VERDICT_REFUSED;
	sum->hangs += seen == VERDICT_HANGS;
	sum->plaintext += seen == VERDICT_PLAINTEXT;
	sum->tls += seen == VERDICT_TLS;
	sum->chain += seen == VERDICT_CHAIN;
	sum->name += seen == VERDICT_NAME;
	if (spelling == NULL && c->a.dialect == DIALECT_NODE_POSTGRES)
		same = said == VERDICT_REFUSED && why != NULL && unknown_word(c);
	else
		same = derived && said == seen && (spelling == NULL) == (c->seen == SEEN_SPELLING) &&
		    (why != NULL || (said != VERDICT_REFUSED && said != VERDICT_HANGS));
	if (!same && (sum->wrong < SAY_MAX || everything)) {
		cell_words(&b, c);
		printf("# %s\n#     table: %s%s%s%s   program: %s%s%s%s\n", buf_str(&b), verdict_word(said),
		    why != NULL ? " (" : "", why != NULL ? why : "", why != NULL ? ")" : "",
		    derived ? verdict_word(seen) : "tls, and no pair of cells tells what it checks",
		    c->seen == SEEN_SPELLING ? " (no such mode)" : "", c->text != NULL ? ": " : "",
		    c->text != NULL ? c->text : "");
		buf_release(&b);
	}
	return same;
}

static void
pair_judge(enum kind kind, enum dialect dialect)
{
	struct sum sum = { 0 };
	char *claim;
	size_t i;

	for (i = 0; i < cells.n; i++) {
		const struct cell *c = &cells.v[i];

		if (c->a.kind != kind || c->a.dialect != dialect || c->words != NULL)
			continue;
		if (c->seen == SEEN_ABSENT) {
			sum.absent++;
			continue;
		}
		sum.cells++;
		sum.told += c->told;
		sum.wrong += !agrees(c, &sum);
	}
	if (sum.absent > 0 && sum.cells == 0) {
		printf("ok %d - %s dials %s # SKIP not installed: %s\n", ++ntap, dialect_word(dialect),
		    kind_word(kind), driver_absent(dialect));
		return;
	}
	printf("# %s dials %s: %zu refused, %zu hang, %zu plaintext, %zu tls, %zu tls+chain, %zu tls+name%s%s\n",
	    dialect_word(dialect), kind_word(kind), sum.refused, sum.hangs, sum.plaintext, sum.tls, sum.chain,
	    sum.name, driver_exists(dialect) ? "; " : "", driver_exists(dialect) ? driver_version(dialect) : "");
	if (dialect == DIALECT_PGBOUNCER)
		printf("# when it could not connect, its own client was told so %zu times, and waited %zu times\n",
		    sum.told, sum.refused - sum.told);
	claim = mem_printf("%s dials %s: %zu cells, %zu disagreements", dialect_word(dialect), kind_word(kind),
	    sum.cells, sum.wrong);
	/* A pair whose cells all end alike has shown nothing. */
	tap(sum.wrong == 0 && sum.refused > 0 && sum.plaintext + sum.tls > 0 && sum.chain + sum.name > 0, claim);
	free(claim);
}

static void
basis_judge(enum dialect dialect)
{
	bool run = driver_exists(dialect) || dialect == DIALECT_LIBPQ || dialect == DIALECT_PGBOUNCER ||
	    dialect == DIALECT_HIREDIS;
	char *claim = mem_printf("%s is %s, and the table says so", dialect_word(dialect),
	    run ? "run" : "documented only");

	tap((dialect_basis(dialect) == BASIS_RUN) == run, claim);
	free(claim);
}

static void
bouncers_plan(void)
{
	size_t d, n, s, r;

	for (d = 0; d < DIAL_COUNT; d++)
		for (n = ANCHOR_NONE; n <= ANCHOR_OTHER; n++)
			for (s = SHOWN_NONE; s <= SHOWN_STRAY; s++)
				for (r = 0; r < (s == SHOWN_NONE && n != ANCHOR_NONE ? COUNT(ranges) : 1); r++)
					diallings[ndiallings++] = (struct dialling){ (enum dial)d, (enum anchor)n,
					    (enum shown)s, ranges[r][0], ranges[r][1] };
}

static void
pin_surroundings(void)
{
	static const char *const names[] = { "PGHOST", "PGHOSTADDR", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE",
	    "PGSSLMODE", "PGSSLROOTCERT", "PGSSLCERT", "PGSSLKEY", "PGSERVICE", "PGSERVICEFILE", "PGPASSFILE",
	    "PGSSLMINPROTOCOLVERSION", "PGSSLMAXPROTOCOLVERSION", "PGOPTIONS", "SSL_CERT_FILE", "SSL_CERT_DIR" };
	size_t i;

	for (i = 0; i < COUNT(names); i++)
		(void)unsetenv(names[i]);
	(void)setenv("HOME", servers_path(&sv, "home"), 1);
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
}

/* Also where a failed assertion ends the program. */
static void
all_down(void)
{
	bouncers_down();
	drivers_down();
	posts_down();
}

static void
phase(const char *what, long long *since, size_t *first)
{
	printf("# %s: %zu cells in %lld ms\n", what, cells.n - *first, now_ms() - *since);
	*since = now_ms();
	*first = cells.n;
}

int
main(int argc, char **argv)
{
	long long since = now_ms();
	size_t d, k, i, first = 0;
	int only = NONE;

	for (i = 1; i < (size_t)argc; i++) {
		if (strcmp(argv[i], "--all") == 0)
			everything = true;
		else if ((only = kind_parse(argv[i])) == -1) {
			(void)fprintf(stderr, "usage: truth_test [--all] [postgres | pgbouncer | redis]\n");
			return 2;
		}
	}
	servers_up(&sv);
	pin_surroundings();
	(void)atexit(all_down);
	posts_up(&sv);
	drivers_up(&sv);
	phase("start", &since, &first);
	if (only == NONE || only == KIND_POSTGRES) {
		bouncers_plan();
		(void)bouncers_up(&sv, diallings, ndiallings);
		posts_run(KIND_POSTGRES, postgres_run);
		words_run();
		bouncers_down();
		phase("postgres", &since, &first);
	}
	if (only == NONE || only == KIND_PGBOUNCER) {
		posts_run(KIND_PGBOUNCER, pgbouncer_run);
		pgbouncer_logins();
		bare_run(KIND_PGBOUNCER);
		phase("pgbouncer", &since, &first);
	}
	if (only == NONE || only == KIND_REDIS) {
		posts_run(KIND_REDIS, redis_run);
		redis_swapped();
		bare_run(KIND_REDIS);
		phase("redis", &since, &first);
	}
	/* Last, for it is gone then. */
	if (only == NONE || only == KIND_POSTGRES)
		bare_run(KIND_POSTGRES);

	for (d = DIALECT_DEFAULT + 1; d < DIALECT_COUNT; d++) {
		basis_judge((enum dialect)d);
		for (k = 0; k < KIND_COUNT; k++) {
			bool any = false;

			for (i = 0; i < cells.n && !any; i++)
				any = cells.v[i].a.kind == (enum kind)k && cells.v[i].a.dialect == (enum dialect)d;
			if (any)
				pair_judge((enum kind)k, (enum dialect)d);
		}
	}
	if (only == NONE || only == KIND_POSTGRES)
		words_judge();
	phase("judged", &since, &first);
	printf("# %zu cells in all\n1..%d\n", cells.n, ntap);
	for (i = 0; i < cells.n; i++)
		free(cells.v[i].text);
	free(cells.v);
	return nbad > 0;
}
