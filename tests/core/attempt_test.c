/*
 * The truth table: its corners by name, and what has to hold over all of it.
 * (Against the real programs: tests/truth.)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/attempt.h"
#include "core/err.h"
#include "core/posture.h"

#define LENGTH(a) (sizeof(a) / sizeof((a)[0]))

/* Both sides: what the server is, accepts and serves; how the client speaks. */
#define AT(kind_, accept_, served_, dialect_)					\
	.kind = KIND_##kind_, .accept = ACCEPT_##accept_, .served = SERVED_##served_,	\
	.dialect = DIALECT_##dialect_
#define REFUSED	VERDICT_REFUSED
#define PLAIN	VERDICT_PLAINTEXT
#define TLS	VERDICT_TLS
#define CHAIN	VERDICT_CHAIN
#define NAME	VERDICT_NAME
#define HANGS	VERDICT_HANGS
#define UNKNOWN	VERDICT_UNKNOWN

struct corner {
	const char *what;
	struct attempt a;
	enum verdict verdict;
	const char *why;	/* a part of it; NULL: there is none */
};

static void
check_corners(const struct corner *v, size_t n)
{
	enum verdict verdict;
	const char *why;
	size_t i;

	for (i = 0; i < n; i++) {
		verdict = attempt_verdict(&v[i].a, &why);
		if (verdict != v[i].verdict)
			fail_msg("%s: %s (%s), expected %s", v[i].what, verdict_word(verdict),
			    why == NULL ? "" : why, verdict_word(v[i].verdict));
		if ((why == NULL) != (v[i].why == NULL) ||
		    (why != NULL && strstr(why, v[i].why) == NULL))
			fail_msg("%s: '%s', expected '%s'", v[i].what,
			    why == NULL ? "" : why, v[i].why == NULL ? "" : v[i].why);
	}
}
#define CHECK_CORNERS(v) check_corners(v, LENGTH(v))

static void
libpq_has_its_corners(void **state)
{
	static const struct corner v[] = {
		{ "prefer falls back on a CA that is not the issuer's",
		    { AT(POSTGRES, BOTH, GOOD, LIBPQ), .dial = DIAL_PREFER, .anchor = ANCHOR_OTHER }, PLAIN, "CA file" },
		{ "and has nowhere to fall where only tls is accepted",
		    { AT(POSTGRES, TLS, GOOD, LIBPQ), .dial = DIAL_PREFER, .anchor = ANCHOR_OTHER },
		    REFUSED, "CA file" },
		{ "prefer at a server without tls",
		    { AT(POSTGRES, PLAIN, GOOD, LIBPQ), .dial = DIAL_PREFER }, PLAIN, "offers no tls" },
		{ "prefer without a common version",
		    { AT(POSTGRES, BOTH, GOOD, LIBPQ), .dial = DIAL_PREFER, .server_min = PROTO_TLS1_3, .client_max = PROTO_TLS1_2 },
		    PLAIN, "no version" },
		{ "require without a common version",
		    { AT(POSTGRES, BOTH, GOOD, LIBPQ), .dial = DIAL_REQUIRE, .server_min = PROTO_TLS1_3, .client_max = PROTO_TLS1_2 },
		    REFUSED, "no version" },
		{ "require without a CA file", { AT(POSTGRES, BOTH, GOOD, LIBPQ), .dial = DIAL_REQUIRE }, TLS, NULL },
		{ "require looks at nothing then",
		    { AT(POSTGRES, BOTH, EXPIRED, LIBPQ), .dial = DIAL_REQUIRE }, TLS, NULL },
		{ "require verifies where there is a CA file",
		    { AT(POSTGRES, BOTH, GOOD, LIBPQ), .dial = DIAL_REQUIRE, .anchor = ANCHOR_ISSUER }, CHAIN, NULL },
		{ "and fails with another one",
		    { AT(POSTGRES, BOTH, GOOD, LIBPQ), .dial = DIAL_REQUIRE, .anchor = ANCHOR_OTHER }, REFUSED, "CA file" },
		{ "and with a certificate out of date",
		    { AT(POSTGRES, BOTH, EXPIRED, LIBPQ), .dial = DIAL_REQUIRE, .anchor = ANCHOR_ISSUER },
		    REFUSED, "out of date" },
		{ "verify-ca without a CA file is an error",
		    { AT(POSTGRES, BOTH, GOOD, LIBPQ), .dial = DIAL_VERIFY_CA }, REFUSED, "no CA file" },
		{ "verify-ca does not look at the name",
		    { AT(POSTGRES, BOTH, MISNAMED, LIBPQ), .dial = DIAL_VERIFY_CA, .anchor = ANCHOR_ISSUER },
		    CHAIN, NULL },
		{ "verify-full does",
		    { AT(POSTGRES, BOTH, MISNAMED, LIBPQ), .dial = DIAL_VERIFY_FULL, .anchor = ANCHOR_ISSUER },
		    REFUSED, "name dialled" },
		{ "verify-full", { AT(POSTGRES, BOTH, GOOD, LIBPQ), .dial = DIAL_VERIFY_FULL, .anchor = ANCHOR_ISSUER }, NAME, NULL },
		{ "allow begins with plaintext", { AT(POSTGRES, BOTH, GOOD, LIBPQ), .dial = DIAL_ALLOW }, PLAIN, NULL },
		{ "and comes back with tls where that is refused",
		    { AT(POSTGRES, TLS, GOOD, LIBPQ), .dial = DIAL_ALLOW }, TLS, NULL },
		{ "and verifies then where there is a CA file",
		    { AT(POSTGRES, TLS, GOOD, LIBPQ), .dial = DIAL_ALLOW, .anchor = ANCHOR_OTHER },
		    REFUSED, "CA file" },
		{ "disable where tls only is accepted",
		    { AT(POSTGRES, TLS, GOOD, LIBPQ), .dial = DIAL_DISABLE }, REFUSED, "tls only" },
		{ "require where plaintext only is accepted",
		    { AT(POSTGRES, PLAIN, GOOD, LIBPQ), .dial = DIAL_REQUIRE }, REFUSED, "plaintext only" },
		{ "a server that has no certificate does not start",
		    { AT(POSTGRES, BOTH, NONE, LIBPQ), .dial = DIAL_DISABLE }, REFUSED, "no certificate is installed" },
	};

	(void)state;
	CHECK_CORNERS(v);
}

static void
a_client_certificate_is_judged_where_it_is_asked(void **state)
{
	static const struct corner v[] = {
		{ "not asked", { AT(POSTGRES, BOTH, GOOD, LIBPQ), .dial = DIAL_REQUIRE, .shown = SHOWN_STRAY }, TLS, NULL },
		{ "asked, none", { AT(POSTGRES, BOTH, GOOD, LIBPQ), .asks = true, .dial = DIAL_REQUIRE }, TLS, NULL },
		{ "asked, stray",
		    { AT(POSTGRES, BOTH, GOOD, LIBPQ), .asks = true, .dial = DIAL_REQUIRE, .shown = SHOWN_STRAY }, REFUSED, "does not know the CA" },
		{ "TLS 1.3 tells too late for prefer to fall back",
		    { AT(POSTGRES, BOTH, GOOD, LIBPQ), .asks = true, .dial = DIAL_PREFER, .shown = SHOWN_STRAY }, REFUSED, "does not know the CA" },
		{ "TLS 1.2 tells in time",
		    { AT(POSTGRES, BOTH, GOOD, LIBPQ), .asks = true, .dial = DIAL_PREFER, .shown = SHOWN_STRAY, .client_max = PROTO_TLS1_2 },
		    PLAIN, "does not know the CA" },
		{ "plaintext is not asked",
		    { AT(POSTGRES, BOTH, GOOD, LIBPQ), .asks = true, .dial = DIAL_ALLOW, .shown = SHOWN_STRAY }, PLAIN, NULL },
		{ "demanded, none",
		    { AT(POSTGRES, MUTUAL, GOOD, LIBPQ), .dial = DIAL_REQUIRE }, REFUSED, "shows none" },
		{ "demanded, good",
		    { AT(POSTGRES, MUTUAL, GOOD, LIBPQ), .dial = DIAL_REQUIRE, .shown = SHOWN_GOOD }, TLS, NULL },
		{ "PgBouncer, demanded, none",
		    { AT(PGBOUNCER, MUTUAL, GOOD, LIBPQ), .dial = DIAL_PREFER }, REFUSED, "shows none" },
		{ "Redis, demanded, none",
		    { AT(REDIS, MUTUAL, GOOD, HIREDIS), .dial = DIAL_REQUIRE }, REFUSED, "shows none" },
		{ "Redis, asked, stray",
		    { AT(REDIS, BOTH, GOOD, HIREDIS), .asks = true, .dial = DIAL_REQUIRE, .shown = SHOWN_STRAY },
		    REFUSED, "does not know the CA" },
		{ "Go shows no certificate that was not asked for by name",
		    { AT(POSTGRES, BOTH, GOOD, PGX), .asks = true, .dial = DIAL_REQUIRE, .shown = SHOWN_STRAY }, TLS, NULL },
		{ "and PgBouncer names none",
		    { AT(PGBOUNCER, BOTH, GOOD, PGX), .asks = true, .dial = DIAL_REQUIRE, .shown = SHOWN_STRAY },
		    REFUSED, "does not know the CA" },
		{ "login by certificate without one",
		    { AT(POSTGRES, BOTH, GOOD, LIBPQ), .auth = AUTH_CERT, .dial = DIAL_REQUIRE }, REFUSED, "shows none" },
		{ "login by certificate in plaintext",
		    { AT(POSTGRES, BOTH, GOOD, LIBPQ), .auth = AUTH_CERT, .dial = DIAL_DISABLE, .shown = SHOWN_GOOD }, REFUSED, "plaintext" },
		{ "login by certificate",
		    { AT(POSTGRES, BOTH, GOOD, LIBPQ), .auth = AUTH_CERT, .dial = DIAL_ALLOW, .shown = SHOWN_GOOD }, TLS, NULL },
	};

	(void)state;
	CHECK_CORNERS(v);
}

static void
a_method_needs_a_password_that_serves_it(void **state)
{
	static const struct corner v[] = {
		{ "scram, md5", { AT(POSTGRES, BOTH, GOOD, LIBPQ), .auth = AUTH_SCRAM, .stored = STORED_MD5 }, REFUSED, "authentication" },
		{ "scram, scram", { AT(POSTGRES, BOTH, GOOD, LIBPQ), .auth = AUTH_SCRAM, .stored = STORED_SCRAM }, PLAIN, NULL },
		{ "md5, scram", { AT(POSTGRES, BOTH, GOOD, LIBPQ), .auth = AUTH_MD5, .stored = STORED_SCRAM }, PLAIN, NULL },
		{ "md5, md5", { AT(POSTGRES, BOTH, GOOD, LIBPQ), .auth = AUTH_MD5, .stored = STORED_MD5 }, PLAIN, NULL },
		{ "password, md5", { AT(POSTGRES, BOTH, GOOD, LIBPQ), .auth = AUTH_PASSWORD, .stored = STORED_MD5 }, PLAIN, NULL },
		{ "trust, md5", { AT(POSTGRES, BOTH, GOOD, LIBPQ), .auth = AUTH_TRUST, .stored = STORED_MD5 }, PLAIN, NULL },
		{ "scram, not told", { AT(POSTGRES, BOTH, GOOD, LIBPQ), .auth = AUTH_SCRAM }, UNKNOWN, NULL },
		{ "not told, md5", { AT(POSTGRES, BOTH, GOOD, LIBPQ), .stored = STORED_MD5 }, PLAIN, NULL },
		{ "pgbouncer: scram, md5",
		    { AT(PGBOUNCER, BOTH, GOOD, LIBPQ), .auth = AUTH_SCRAM, .stored = STORED_MD5 }, REFUSED, "authentication" },
		{ "pgbouncer: scram, plain",
		    { AT(PGBOUNCER, BOTH, GOOD, LIBPQ), .auth = AUTH_SCRAM, .stored = STORED_PLAIN }, PLAIN, NULL },
		{ "the wrong CA comes first, and decides without it",
		    { AT(POSTGRES, BOTH, GOOD, LIBPQ), .auth = AUTH_SCRAM, .dial = DIAL_REQUIRE, .anchor = ANCHOR_OTHER }, REFUSED, "CA file" },
	};

	(void)state;
	CHECK_CORNERS(v);
}

static void
pgbouncer_as_a_client_is_not_libpq(void **state)
{
	static const struct corner v[] = {
		{ "prefer does not look", { AT(POSTGRES, BOTH, GOOD, PGBOUNCER), .dial = DIAL_PREFER, .anchor = ANCHOR_OTHER }, TLS, NULL },
		{ "nor does require", { AT(POSTGRES, BOTH, GOOD, PGBOUNCER), .dial = DIAL_REQUIRE, .anchor = ANCHOR_OTHER }, TLS, NULL },
		{ "allow is prefer", { AT(POSTGRES, BOTH, GOOD, PGBOUNCER), .dial = DIAL_ALLOW }, TLS, NULL },
		{ "prefer falls back where the server has none",
		    { AT(POSTGRES, PLAIN, GOOD, PGBOUNCER), .dial = DIAL_PREFER }, PLAIN, "offers no tls" },
		{ "and not where the handshake fails",
		    { AT(POSTGRES, BOTH, GOOD, PGBOUNCER), .dial = DIAL_PREFER, .server_min = PROTO_TLS1_3, .client_max = PROTO_TLS1_2 },
		    REFUSED, "no version" },
		{ "without a CA file it takes the system's",
		    { AT(POSTGRES, BOTH, GOOD, PGBOUNCER), .dial = DIAL_VERIFY_CA }, REFUSED, "system's CAs" },
		{ "verify-full", { AT(POSTGRES, BOTH, GOOD, PGBOUNCER), .dial = DIAL_VERIFY_FULL, .anchor = ANCHOR_ISSUER }, NAME, NULL },
	};

	(void)state;
	CHECK_CORNERS(v);
}

static void
drivers_have_dialects(void **state)
{
	static const struct corner v[] = {
		{ "asyncpg: prefer does not look",
		    { AT(POSTGRES, BOTH, GOOD, ASYNCPG), .dial = DIAL_PREFER, .anchor = ANCHOR_OTHER }, TLS, NULL },
		{ "asyncpg: prefer falls back after a cut, under TLS 1.3",
		    { AT(POSTGRES, BOTH, GOOD, ASYNCPG), .dial = DIAL_PREFER, .asks = true, .shown = SHOWN_STRAY }, PLAIN, "does not know the CA" },
		{ "asyncpg: and not after a handshake that failed, under 1.2",
		    { AT(POSTGRES, BOTH, GOOD, ASYNCPG), .dial = DIAL_PREFER, .asks = true, .shown = SHOWN_STRAY, .server_max = PROTO_TLS1_2 },
		    REFUSED, "does not know the CA" },
		{ "asyncpg: allow does not understand PgBouncer",
		    { AT(PGBOUNCER, TLS, GOOD, ASYNCPG), .dial = DIAL_ALLOW }, REFUSED, "tls only" },
		{ "libpq: allow does",
		    { AT(PGBOUNCER, TLS, GOOD, LIBPQ), .dial = DIAL_ALLOW }, TLS, NULL },
		{ "asyncpg: require with a CA file",
		    { AT(POSTGRES, BOTH, GOOD, SQLALCHEMY_ASYNCPG), .dial = DIAL_REQUIRE, .anchor = ANCHOR_OTHER }, REFUSED, "CA file" },
		{ "node-postgres: require fails on a private CA",
		    { AT(POSTGRES, BOTH, GOOD, NODE_POSTGRES), .dial = DIAL_REQUIRE }, REFUSED, "system's CAs" },
		{ "node-postgres: and checks the name",
		    { AT(POSTGRES, BOTH, MISNAMED, NODE_POSTGRES), .dial = DIAL_REQUIRE, .anchor = ANCHOR_ISSUER },
		    REFUSED, "name dialled" },
		{ "node-postgres: prefer does not fall back",
		    { AT(POSTGRES, PLAIN, GOOD, NODE_POSTGRES), .dial = DIAL_PREFER }, REFUSED, "plaintext only" },
		{ "pgx: require with a CA file",
		    { AT(POSTGRES, BOTH, GOOD, PGX), .dial = DIAL_REQUIRE, .anchor = ANCHOR_OTHER }, REFUSED, "CA file" },
		{ "pgx: prefer does not look", { AT(POSTGRES, BOTH, GOOD, PGX), .dial = DIAL_PREFER, .anchor = ANCHOR_OTHER }, TLS, NULL },
		{ "jdbc: require does not look, CA file or not",
		    { AT(POSTGRES, BOTH, GOOD, JDBC), .dial = DIAL_REQUIRE, .anchor = ANCHOR_OTHER }, TLS, NULL },
		{ "jdbc: prefer does not fall back after a handshake that failed",
		    { AT(POSTGRES, BOTH, GOOD, JDBC), .dial = DIAL_PREFER, .server_min = PROTO_TLS1_3, .client_max = PROTO_TLS1_2 },
		    REFUSED, "no version" },
		{ "jdbc: verify-ca needs its file", { AT(POSTGRES, BOTH, GOOD, JDBC), .dial = DIAL_VERIFY_CA }, REFUSED, "no CA file" },
		{ "what nobody names is libpq's",
		    { AT(POSTGRES, BOTH, GOOD, DEFAULT), .dial = DIAL_REQUIRE, .anchor = ANCHOR_OTHER }, REFUSED, "CA file" },
		{ "and hiredis'", { AT(REDIS, BOTH, GOOD, DEFAULT), .dial = DIAL_REQUIRE, .anchor = ANCHOR_OTHER }, TLS, NULL },
	};

	(void)state;
	CHECK_CORNERS(v);
}

static void
redis_is_silent_where_tls_meets_plaintext(void **state)
{
	static const struct corner v[] = {
		{ "tls at the plaintext port",
		    { AT(REDIS, PLAIN, GOOD, HIREDIS), .one_port = true, .dial = DIAL_VERIFY_FULL,
		    .anchor = ANCHOR_ISSUER }, HANGS, "never answers" },
		{ "tls at a port of its own, which is shut",
		    { AT(REDIS, PLAIN, GOOD, HIREDIS), .dial = DIAL_REQUIRE }, REFUSED, "plaintext only" },
		{ "plaintext at the tls port",
		    { AT(REDIS, TLS, GOOD, HIREDIS), .one_port = true, .dial = DIAL_DISABLE },
		    REFUSED, "tls only" },
		{ "prefer", { AT(REDIS, BOTH, GOOD, REDIS_PY), .dial = DIAL_PREFER }, REFUSED, "no mode" },
	};

	(void)state;
	CHECK_CORNERS(v);
}

static void
an_unknown_counts_only_where_it_decides(void **state)
{
	static const struct corner v[] = {
		{ "accept", { AT(POSTGRES, UNKNOWN, GOOD, LIBPQ), .dial = DIAL_DISABLE }, UNKNOWN, NULL },
		{ "dial", { AT(POSTGRES, BOTH, GOOD, LIBPQ), .dial = DIAL_UNKNOWN }, UNKNOWN, NULL },
		{ "the name, at verify-full",
		    { AT(POSTGRES, BOTH, UNKNOWN, LIBPQ), .dial = DIAL_VERIFY_FULL, .anchor = ANCHOR_ISSUER }, UNKNOWN, NULL },
		{ "the name, at verify-ca",
		    { AT(POSTGRES, BOTH, UNKNOWN, LIBPQ), .dial = DIAL_VERIFY_CA, .anchor = ANCHOR_ISSUER }, CHAIN, NULL },
		{ "the name, where the CA is wrong anyway",
		    { AT(POSTGRES, BOTH, UNKNOWN, LIBPQ), .dial = DIAL_VERIFY_FULL, .anchor = ANCHOR_OTHER },
		    REFUSED, "CA file" },
		{ "the CA, at require",
		    { AT(POSTGRES, BOTH, GOOD, LIBPQ), .dial = DIAL_REQUIRE, .anchor = ANCHOR_UNKNOWN }, UNKNOWN, NULL },
		{ "the CA, where nobody looks",
		    { AT(REDIS, BOTH, GOOD, HIREDIS), .dial = DIAL_REQUIRE, .anchor = ANCHOR_UNKNOWN }, TLS, NULL },
		{ "the CA, where only plaintext is accepted",
		    { AT(POSTGRES, PLAIN, GOOD, LIBPQ), .dial = DIAL_VERIFY_FULL, .anchor = ANCHOR_UNKNOWN },
		    REFUSED, "plaintext only" },
		{ "a minimum, for a client that stops at 1.1",
		    { AT(POSTGRES, BOTH, GOOD, LIBPQ), .dial = DIAL_REQUIRE, .client_max = PROTO_TLS1_1 }, UNKNOWN, NULL },
		{ "a minimum, for one that does not",
		    { AT(POSTGRES, BOTH, GOOD, LIBPQ), .dial = DIAL_REQUIRE, .client_max = PROTO_TLS1_2 }, TLS, NULL },
	};

	(void)state;
	CHECK_CORNERS(v);
}

/*
 * Every attempt, once.  The counter is taken apart digit by digit, so that a
 * field that is added to the list is walked without further ado.
 */
static bool
nth_attempt(uint64_t n, struct attempt *a)
{
	static const enum proto bounds[][4] = {	/* server min, max; client min, max */
		{ PROTO_ANY, PROTO_ANY, PROTO_ANY, PROTO_ANY },
		{ PROTO_TLS1_2, PROTO_TLS1_2, PROTO_ANY, PROTO_ANY },
		{ PROTO_TLS1_3, PROTO_ANY, PROTO_ANY, PROTO_TLS1_2 },
		{ PROTO_ANY, PROTO_TLS1_2, PROTO_TLS1_3, PROTO_ANY },
		{ PROTO_ANY, PROTO_ANY, PROTO_ANY, PROTO_TLS1_1 },
	};
	const enum proto *b;

#define DIGIT(count) (n % (uint64_t)(count)); n /= (uint64_t)(count)
	memset(a, 0, sizeof(*a));
	a->kind = (enum kind)DIGIT(KIND_COUNT);
	a->dialect = (enum dialect)DIGIT(DIALECT_COUNT);
	a->accept = (enum accept)DIGIT(ACCEPT_COUNT + 1);
	a->dial = (enum dial)DIGIT(DIAL_COUNT + 1);
	a->anchor = (enum anchor)DIGIT(ANCHOR_UNKNOWN + 1);
	a->served = (enum leaf_state)DIGIT(SERVED_UNKNOWN + 1);
	a->shown = (enum shown)DIGIT(SHOWN_STRAY + 1);
	a->asks = DIGIT(2);
	a->one_port = DIGIT(2);
	a->auth = (enum auth)DIGIT(AUTH_COUNT);
	a->stored = (enum stored)DIGIT(STORED_COUNT);
	b = bounds[n % LENGTH(bounds)];
	n /= LENGTH(bounds);
#undef DIGIT
	a->server_min = b[0];
	a->server_max = b[1];
	a->client_min = b[2];
	a->client_max = b[3];
	return n == 0;
}

static void
say(const struct attempt *a, const char *what)
{
	fail_msg("%s: %s accepts %s (served %d, asks %d, one port %d, auth %s, stored %s, %s..%s), "
	    "%s dials %s (anchor %d, shown %d, %s..%s)", what,
	    kind_word(a->kind), accept_word(a->accept), (int)a->served, a->asks, a->one_port,
	    auth_word(a->auth), stored_word(a->stored), proto_word(a->server_min), proto_word(a->server_max),
	    dialect_word(a->dialect), dial_word(a->dial), (int)a->anchor, (int)a->shown,
	    proto_word(a->client_min), proto_word(a->client_max));
}

static void
what_holds_everywhere(const struct attempt *a)
{
	const char *why, *other_why;
	enum verdict v = attempt_verdict(a, &why), w;
	struct attempt b;

	if ((v == VERDICT_REFUSED || v == VERDICT_HANGS) && why == NULL)
		say(a, "no cause");
	if (v != VERDICT_REFUSED && v != VERDICT_HANGS && v != VERDICT_PLAINTEXT && why != NULL)
		say(a, "a cause of nothing");
	if (v == VERDICT_PLAINTEXT && why != NULL && a->dial != DIAL_PREFER && a->dial != DIAL_ALLOW)
		say(a, "a fallback of a mode that has none");
	if (v >= VERDICT_TLS && (a->dial == DIAL_DISABLE || a->accept == ACCEPT_PLAIN))
		say(a, "tls where a side has none");
	if (v == VERDICT_PLAINTEXT && (a->accept == ACCEPT_TLS || a->accept == ACCEPT_MUTUAL))
		say(a, "plaintext where none is accepted");
	if (v == VERDICT_PLAINTEXT && a->dial >= DIAL_REQUIRE)
		say(a, "plaintext of a mode that insists on tls");
	if (v == VERDICT_HANGS && (a->kind != KIND_REDIS || !a->one_port || a->accept != ACCEPT_PLAIN))
		say(a, "hangs, and nothing that hangs is there");
	if ((v == VERDICT_UNKNOWN) && a->accept != ACCEPT_UNKNOWN && a->dial != DIAL_UNKNOWN &&
	    a->served != SERVED_UNKNOWN && a->anchor != ANCHOR_UNKNOWN && a->client_max != PROTO_TLS1_1 &&
	    !(a->auth == AUTH_SCRAM && a->stored == STORED_UNKNOWN))
		say(a, "unknown, and everything is known");
	if (v == VERDICT_NAME && (a->anchor != ANCHOR_ISSUER || a->served != SERVED_GOOD ||
	    (a->dial != DIAL_VERIFY_FULL && a->dialect != DIALECT_NODE_POSTGRES)))
		say(a, "a name that nobody can have checked");
	if (v == VERDICT_CHAIN && (a->anchor != ANCHOR_ISSUER ||
	    a->served == SERVED_EXPIRED || a->served == SERVED_NONE))
		say(a, "a chain that nobody can have checked");
	if (v >= VERDICT_PLAINTEXT && (a->dial == DIAL_VERIFY_CA || a->dial == DIAL_VERIFY_FULL) &&
	    v < VERDICT_CHAIN)
		say(a, "verified, and nothing was");
	/* Taking the CA file away helps nobody who verifies. */
	b = *a;
	b.anchor = ANCHOR_NONE;
	w = attempt_verdict(&b, &other_why);
	if ((a->dial == DIAL_VERIFY_CA || a->dial == DIAL_VERIFY_FULL) && w >= VERDICT_PLAINTEXT)
		say(&b, "verified without a CA");
	/*
	 * A certificate that is good in every respect is never worse; but for
	 * prefer, which a handshake that fails early takes to plaintext, and one
	 * that fails late does not.
	 */
	b = *a;
	b.served = SERVED_GOOD;
	b.anchor = ANCHOR_ISSUER;
	w = attempt_verdict(&b, NULL);
	if (a->dial != DIAL_PREFER && a->served != SERVED_NONE && v > w && v != VERDICT_UNKNOWN)
		say(a, "better with a worse certificate");
	/* One that nobody asks for is not looked at; PgBouncer always asks. */
	b = *a;
	b.shown = SHOWN_NONE;
	w = attempt_verdict(&b, NULL);
	if (!a->asks && a->kind != KIND_PGBOUNCER && a->accept != ACCEPT_MUTUAL && a->auth != AUTH_CERT && v != w)
		say(a, "a client certificate that was not asked for counted");
	/* What was known and is forgotten makes a verdict unknown, or leaves it as it is. */
	b = *a;
	b.anchor = ANCHOR_UNKNOWN;
	w = attempt_verdict(&b, NULL);
	if (w != v && w != VERDICT_UNKNOWN)
		say(a, "a CA that is not known decided");
}

static void
rules_hold_over_the_whole_product(void **state)
{
	struct attempt a;
	uint64_t n, walked = 0;

	(void)state;
	for (n = 0; nth_attempt(n, &a); n++) {
		/* A driver of the other protocol, and a Redis that knows of roles. */
		if (!dialect_fits(a.dialect, a.kind) || (a.kind == KIND_REDIS && a.auth > AUTH_TRUST) ||
		    (a.kind != KIND_REDIS && a.one_port))
			continue;
		what_holds_everywhere(&a);
		walked++;
	}
	print_message("%llu attempts of %llu\n", (unsigned long long)walked, (unsigned long long)n);
	assert_true(walked > 1000000);
}

static void
a_mode_has_a_spelling_or_a_reason(void **state)
{
	const char *spelling, *why;
	int dialect, dial;

	(void)state;
	for (dialect = DIALECT_LIBPQ; dialect < DIALECT_COUNT; dialect++)
		for (dial = 0; dial < DIAL_COUNT; dial++) {
			spelling = dialect_spelling((enum dialect)dialect, (enum dial)dial, &why);
			assert_true((spelling == NULL) == (why != NULL));
			if (dial == DIAL_ALLOW)
				assert_true((spelling == NULL) == (dialect >= DIALECT_REDIS_PY ||
				    dialect == DIALECT_NODE_POSTGRES));
			else if (dial == DIAL_PREFER)
				assert_true((spelling == NULL) == (dialect >= DIALECT_REDIS_PY));
			else
				assert_non_null(spelling);
		}
	assert_string_equal(dialect_spelling(DIALECT_SQLALCHEMY_ASYNCPG, DIAL_REQUIRE, NULL), "?ssl=require");
	assert_non_null(dialect_rejects(DIALECT_SQLALCHEMY_ASYNCPG, "sslrootcert"));
	assert_null(dialect_rejects(DIALECT_ASYNCPG, "sslrootcert"));
}

/* ---- attempts as a fleet and a posture make them ---- */

#define FLEET								\
	"belay: fleet/1\nhosts: { h: { ssh: h } }\n"			\
	"units: { u: { host: h, run: x } }\n"				\
	"endpoints:\n"							\
	"  pg: { kind: postgres, unit: u, listen: { both: 5432 }, names: [db],\n"	\
	"        auth: { both: md5, tls: scram-sha-256 }, client-certificates: asked,\n" \
	"        clients: ours }\n" \
	"  pool: { kind: pgbouncer, unit: u, listen: { both: 6432 }, names: [db] }\n" \
	"  far: { kind: pgbouncer, unit: u, listen: { both: 6433 }, names: [far] }\n" \
	"  cache: { kind: redis, unit: u, listen: { plain: 6379, tls: 6380 }, names: [cache],\n" \
	"           accept: { file: /e, plain: { unset: [T] }, tls: { set: { T: on }, implies: { \"job -> cache\": require } } } }\n" \
	"  one: { kind: redis, unit: u, listen: { both: 6390 }, names: [one] }\n" \
	"certs:\n"							\
	"  ours: { serves: [pg, pool, cache] }\n"			\
	"  narrow: { serves: [pg], names: [other] }\n"			\
	"  theirs: { serves: [one], external: yes, ca: system }\n"	\
	"clients:\n"							\
	"  pool: { links: { pg: { match: { user: pool }, dial: fixed } } }\n" \
	"  web: { unit: u, speaks: TLSv1.2, links: {\n"			\
	"    pool: { match: { user: web }, dial: { file: /w, set: { M: \"$(dial)\" } } },\n"	\
	"    pg: { match: { user: web }, stored: md5, shows: stray, dial: { file: /w, set: { N: \"$(dial)\" } } },\n" \
	"    one: { dial: fixed } } }\n"				\
	"  job: { unit: u, links: { cache: { match: { user: j }, dial: follows } } }\n" \
	"  cron: { unit: u, links: { cache: { match: { user: c }, dial: { follows: job -> cache } } } }\n"

static struct fleet *
parse(const char *text)
{
	struct fleet *f;
	struct err err;

	if (fleet_parse(&f, "f", text, strlen(text), &err) == -1)
		fail_msg("%s", err.msg);
	return f;
}

static int
link_of(const struct fleet *f, const char *name)
{
	int link = fleet_link(f, name);

	if (link == NONE)
		fail_msg("no link '%s'", name);
	return link;
}

static void
a_fleet_s_facts_are_in_its_attempts(void **state)
{
	struct fleet *f = parse(FLEET);
	struct posture p;
	struct attempt a;
	int web = link_of(f, "web -> pg"), one = link_of(f, "web -> one"), pg = fleet_endpoint(f, "pg");

	(void)state;
	posture_init(&p, f);
	assert_false(posture_attempt(f, &p, web, &a));
	p.accept[pg] = ACCEPT_BOTH;
	p.dial[web] = DIAL_VERIFY_FULL;
	assert_true(posture_attempt(f, &p, web, &a));
	assert_int_equal(a.kind, KIND_POSTGRES);
	assert_int_equal(a.dialect, DIALECT_LIBPQ);
	assert_int_equal(a.auth, AUTH_MD5);
	assert_int_equal(a.stored, STORED_MD5);
	assert_int_equal(a.shown, SHOWN_STRAY);
	assert_int_equal(a.client_max, PROTO_TLS1_2);
	assert_true(a.asks);
	assert_int_equal(a.served, SERVED_NONE);	/* ours, and not installed yet */
	p.cert[pg] = fleet_cert(f, "ours");
	assert_true(posture_attempt(f, &p, web, &a));
	assert_int_equal(a.served, SERVED_GOOD);
	assert_int_equal(a.anchor, ANCHOR_NONE);
	p.trust[web] = fleet_cert(f, "ours");
	p.cert[pg] = fleet_cert(f, "narrow");
	p.accept[pg] = ACCEPT_TLS;
	p.present[web] = fleet_cert(f, "ours");
	assert_true(posture_attempt(f, &p, web, &a));
	assert_int_equal(a.served, SERVED_MISNAMED);
	assert_int_equal(a.anchor, ANCHOR_OTHER);
	assert_int_equal(a.auth, AUTH_SCRAM);
	assert_int_equal(a.shown, SHOWN_GOOD);
	/* Of another CA than the endpoint knows its clients by. */
	p.present[web] = fleet_cert(f, "narrow");
	assert_true(posture_attempt(f, &p, web, &a));
	assert_int_equal(a.shown, SHOWN_STRAY);
	/* Somebody else's certificate, and the system's CAs: the chain is known to hold, the name is not. */
	p.accept[fleet_endpoint(f, "one")] = ACCEPT_PLAIN;
	p.cert[fleet_endpoint(f, "one")] = fleet_cert(f, "theirs");
	p.dial[one] = DIAL_VERIFY_CA;
	assert_true(posture_attempt(f, &p, one, &a));
	assert_int_equal(a.served, SERVED_UNKNOWN);
	assert_int_equal(a.anchor, ANCHOR_ISSUER);
	assert_true(a.one_port);
	posture_release(&p);
	fleet_free(f);
}

static const struct change *
find_change(const struct change *v, size_t n, enum facet facet, int subject)
{
	const struct change *found = NULL;
	size_t i;

	for (i = 0; i < n; i++)
		if (v[i].facet == facet && v[i].subject == subject) {
			assert_null(found);	/* each stands there once */
			found = &v[i];
		}
	return found;
}

static void
a_move_comes_with_what_it_implies_and_what_follows(void **state)
{
	struct fleet *f = parse(FLEET);
	int cache = fleet_endpoint(f, "cache"), job = link_of(f, "job -> cache"), cron = link_of(f, "cron -> cache");
	struct move m = { .facet = FACET_ACCEPT, .subject = cache, .value = ACCEPT_TLS };
	struct change *v;
	struct posture p;
	size_t n;

	(void)state;
	posture_changes(f, &m, &v, &n);
	assert_int_equal(n, 3);
	assert_int_equal(find_change(v, n, FACET_ACCEPT, cache)->value, ACCEPT_TLS);
	assert_int_equal(find_change(v, n, FACET_DIAL, job)->value, DIAL_REQUIRE);
	assert_int_equal(find_change(v, n, FACET_DIAL, cron)->value, DIAL_REQUIRE);
	free(v);
	/* Back: what another value moved goes back to plaintext. */
	m.value = ACCEPT_PLAIN;
	posture_changes(f, &m, &v, &n);
	assert_int_equal(n, 3);
	assert_int_equal(find_change(v, n, FACET_DIAL, cron)->value, DIAL_DISABLE);
	free(v);
	/* A certificate is a change of each endpoint that it serves. */
	m = (struct move){ .facet = FACET_CERT, .subject = fleet_cert(f, "ours"), .value = fleet_cert(f, "ours") };
	posture_changes(f, &m, &v, &n);
	assert_int_equal(n, 3);
	assert_int_equal(find_change(v, n, FACET_CERT, cache)->value, fleet_cert(f, "ours"));
	free(v);
	posture_init(&p, f);
	posture_move(&p, f, &m);
	assert_int_equal(p.cert[cache], fleet_cert(f, "ours"));
	posture_release(&p);
	fleet_free(f);
}

static void
a_dial_may_take_another_link_along(void **state)
{
	struct fleet *f = parse("belay: fleet/1\nhosts: { h: { ssh: h } }\n"
	    "units: { u: { host: h, run: x } }\n"
	    "endpoints: { pg: { kind: postgres, unit: u, listen: { both: 5432 }, names: [db] } }\n"
	    "clients:\n"
	    "  web: { unit: u, links: { pg: { match: { user: w }, dial: { file: /w,\n"
	    "    disable: { unset: [M] }, require: { set: { M: on }, implies: { \"job -> pg\": verify-ca } } } } } }\n"
	    "  job: { unit: u, links: { pg: { match: { user: j }, dial: follows } } }\n");
	int web = link_of(f, "web -> pg"), job = link_of(f, "job -> pg");
	struct move m = { .facet = FACET_DIAL, .subject = web, .value = DIAL_REQUIRE };
	struct change *v;
	size_t n;

	(void)state;
	posture_changes(f, &m, &v, &n);
	assert_int_equal(n, 2);
	assert_int_equal(find_change(v, n, FACET_DIAL, web)->value, DIAL_REQUIRE);
	assert_int_equal(find_change(v, n, FACET_DIAL, job)->value, DIAL_VERIFY_CA);
	free(v);
	m.value = DIAL_DISABLE;
	posture_changes(f, &m, &v, &n);
	assert_int_equal(find_change(v, n, FACET_DIAL, job)->value, DIAL_DISABLE);
	free(v);
	fleet_free(f);
}

static void
what_a_pooler_cannot_reach_its_clients_wait_for(void **state)
{
	/* Two poolers that dial each other, and one of them a server. */
	struct fleet *f = parse("belay: fleet/1\nhosts: { h: { ssh: h } }\n"
	    "units: { u: { host: h, run: x } }\n"
	    "endpoints:\n"
	    "  pg: { kind: postgres, unit: u, listen: { both: 5432 } }\n"
	    "  near: { kind: pgbouncer, unit: u, listen: { both: 6432 } }\n"
	    "  far: { kind: pgbouncer, unit: u, listen: { both: 6433 } }\n"
	    "clients:\n"
	    "  near: { links: { far: { match: { user: n }, dial: fixed } } }\n"
	    "  far: { links: { pg: { dial: fixed }, near: { match: { user: f }, dial: fixed } } }\n"
	    "  web: { unit: u, links: { near: { match: { user: w }, dial: fixed } } }\n");
	int web = link_of(f, "web -> near"), deep = link_of(f, "far -> pg");
	struct posture p;
	const char *why;
	size_t i;

	(void)state;
	posture_init(&p, f);
	for (i = 0; i < f->nendpoints; i++)
		p.accept[i] = ACCEPT_BOTH;
	for (i = 0; i < f->nlinks; i++)
		p.dial[i] = DIAL_DISABLE;
	assert_int_equal(posture_verdict(f, &p, web, &why), VERDICT_PLAINTEXT);
	assert_null(why);
	p.accept[fleet_endpoint(f, "pg")] = ACCEPT_TLS;
	assert_int_equal(posture_verdict(f, &p, deep, &why), VERDICT_REFUSED);
	assert_non_null(strstr(why, "tls only"));
	assert_int_equal(posture_verdict(f, &p, web, &why), VERDICT_HANGS);
	assert_non_null(strstr(why, "pooler"));
	/* Refused at the pooler itself: that comes first. */
	p.accept[fleet_endpoint(f, "near")] = ACCEPT_TLS;
	assert_int_equal(posture_verdict(f, &p, web, NULL), VERDICT_REFUSED);
	/* Behind a link upstream of which nothing is known nobody is said to wait. */
	p.accept[fleet_endpoint(f, "near")] = ACCEPT_BOTH;
	p.accept[fleet_endpoint(f, "pg")] = ACCEPT_UNKNOWN;
	assert_int_equal(posture_verdict(f, &p, web, NULL), VERDICT_PLAINTEXT);
	posture_release(&p);
	fleet_free(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(libpq_has_its_corners),
		cmocka_unit_test(a_client_certificate_is_judged_where_it_is_asked),
		cmocka_unit_test(a_method_needs_a_password_that_serves_it),
		cmocka_unit_test(pgbouncer_as_a_client_is_not_libpq),
		cmocka_unit_test(drivers_have_dialects),
		cmocka_unit_test(redis_is_silent_where_tls_meets_plaintext),
		cmocka_unit_test(an_unknown_counts_only_where_it_decides),
		cmocka_unit_test(rules_hold_over_the_whole_product),
		cmocka_unit_test(a_mode_has_a_spelling_or_a_reason),
		cmocka_unit_test(a_fleet_s_facts_are_in_its_attempts),
		cmocka_unit_test(a_move_comes_with_what_it_implies_and_what_follows),
		cmocka_unit_test(a_dial_may_take_another_link_along),
		cmocka_unit_test(what_a_pooler_cannot_reach_its_clients_wait_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
