/*
 * attempt: see attempt.h.  Owns the truth table of one new connection; holds
 * no state.
 *
 * It is read from small tables, in the order in which a connection meets
 * them: what a driver makes of its mode (`modes`), whether both sides can
 * speak TLS to each other, whether what the client checks holds, whether the
 * endpoint takes the client's certificate, whether the role can log in
 * (`logins`).  A failure remembers how far the connection had come, for that
 * decides whether an opportunistic client tries again without TLS.
 *
 * An unknown is not a value of the tables.  The question is asked once for
 * each value that it may have; where the answers differ, it decides, and the
 * verdict is unknown.
 */
#include "core/attempt.h"

#include <stddef.h>

#define LENGTH(a) (sizeof(a) / sizeof((a)[0]))

/* What a client tries, in which order. */
enum order { NO_MODE, PLAIN_ONLY, PLAIN_FIRST, TLS_FIRST, TLS_ONLY };

/* What it checks of the certificate served. */
enum checks { CHECK_NOTHING, CHECK_IF_FILE /* the chain, where there is a CA file */, CHECK_CHAIN, CHECK_FULL };

/* How a try over TLS ends. */
enum end {
	END_WELL = 0,
	END_NO_TLS = 1,		/* the endpoint says that it has none */
	END_HANDSHAKE = 2,	/* while TLS is being set up, by either side */
	END_CUT = 4,		/* behind the client's end of it: an alert, no message */
	END_MESSAGE = 8		/* by a message of the server: FATAL */
};

struct mode {
	const char *spelling;	/* NO_MODE: why there is none */
	enum order order;
	enum checks check;
	unsigned again;		/* TLS_FIRST: the ends after which plaintext is tried */
};

/*
 * What each driver makes of each mode.
 *
 * libpq: run (15).  Every mode but disable verifies the chain where there is
 *	a root file; prefer goes to plaintext after any failure that comes
 *	before the server could answer the start-up message, and after its
 *	FATAL; not where the connection just ends (fe-connect.c, PQconnectPoll).
 * pgbouncer: run (1.18), server_tls_sslmode.  allow is prefer; neither they
 *	nor require look at the certificate, CA file or not; only a server
 *	without TLS is met with plaintext.
 */
#define EVERY_END_BUT_A_CUT (END_NO_TLS | END_HANDSHAKE | END_MESSAGE)
static const struct mode modes[DIALECT_COUNT][DIAL_COUNT] = {
	[DIALECT_LIBPQ] = {
		[DIAL_DISABLE] = { "sslmode=disable", PLAIN_ONLY, CHECK_NOTHING, 0 },
		[DIAL_ALLOW] = { "sslmode=allow", PLAIN_FIRST, CHECK_IF_FILE, 0 },
		[DIAL_PREFER] = { "sslmode=prefer", TLS_FIRST, CHECK_IF_FILE, EVERY_END_BUT_A_CUT },
		[DIAL_REQUIRE] = { "sslmode=require", TLS_ONLY, CHECK_IF_FILE, 0 },
		[DIAL_VERIFY_CA] = { "sslmode=verify-ca", TLS_ONLY, CHECK_CHAIN, 0 },
		[DIAL_VERIFY_FULL] = { "sslmode=verify-full", TLS_ONLY, CHECK_FULL, 0 },
	},
	[DIALECT_PGBOUNCER] = {
		[DIAL_DISABLE] = { "server_tls_sslmode = disable", PLAIN_ONLY, CHECK_NOTHING, 0 },
		[DIAL_ALLOW] = { "server_tls_sslmode = allow", TLS_FIRST, CHECK_NOTHING, END_NO_TLS },
		[DIAL_PREFER] = { "server_tls_sslmode = prefer", TLS_FIRST, CHECK_NOTHING, END_NO_TLS },
		[DIAL_REQUIRE] = { "server_tls_sslmode = require", TLS_ONLY, CHECK_NOTHING, 0 },
		[DIAL_VERIFY_CA] = { "server_tls_sslmode = verify-ca", TLS_ONLY, CHECK_CHAIN, 0 },
		[DIAL_VERIFY_FULL] = { "server_tls_sslmode = verify-full", TLS_ONLY, CHECK_FULL, 0 },
	},
	[DIALECT_HIREDIS] = {
		[DIAL_DISABLE] = { "no redisSSLContext", PLAIN_ONLY, CHECK_NOTHING, 0 },
		[DIAL_ALLOW] = { "Redis has no opportunistic TLS", NO_MODE, CHECK_NOTHING, 0 },
		[DIAL_PREFER] = { "Redis has no opportunistic TLS", NO_MODE, CHECK_NOTHING, 0 },
		[DIAL_REQUIRE] = { "REDIS_SSL_VERIFY_NONE", TLS_ONLY, CHECK_NOTHING, 0 },
		[DIAL_VERIFY_CA] = { "REDIS_SSL_VERIFY_PEER", TLS_ONLY, CHECK_CHAIN, 0 },
		[DIAL_VERIFY_FULL] = { "REDIS_SSL_VERIFY_PEER and SSL_set1_host()", TLS_ONLY, CHECK_FULL, 0 },
	},
};

/* A client that verifies and has no CA file: an error, or the system's CAs. */
static const bool needs_file[DIALECT_COUNT] = {
	[DIALECT_LIBPQ] = true, [DIALECT_ASYNCPG] = true,
	[DIALECT_SQLALCHEMY_ASYNCPG] = true, [DIALECT_JDBC] = true,
};

/*
 * Whether a password that is stored so serves the method.  PostgreSQL 15: a
 * role with a SCRAM verifier is asked by SCRAM under `md5`, never the other
 * way round (auth.c, CheckPWChallengeAuth).  PgBouncer 1.18: the same, and a
 * plain password in its auth_file serves everything.
 */
static const bool logins[2][AUTH_COUNT][STORED_COUNT] = {
	[KIND_POSTGRES] = {
		[AUTH_PASSWORD] = { [STORED_MD5] = true, [STORED_SCRAM] = true },
		[AUTH_MD5] = { [STORED_MD5] = true, [STORED_SCRAM] = true },
		[AUTH_SCRAM] = { [STORED_SCRAM] = true },
	},
	[KIND_PGBOUNCER] = {
		[AUTH_PASSWORD] = { [STORED_PLAIN] = true, [STORED_MD5] = true, [STORED_SCRAM] = true },
		[AUTH_MD5] = { [STORED_PLAIN] = true, [STORED_MD5] = true, [STORED_SCRAM] = true },
		[AUTH_SCRAM] = { [STORED_PLAIN] = true, [STORED_SCRAM] = true },
	},
};

static enum dialect
dialect_of(const struct attempt *a)
{
	return a->dialect == DIALECT_DEFAULT ? dialect_of_kind(a->kind) : a->dialect;
}

static bool
offers_plain(const struct attempt *a)
{
	return a->accept == ACCEPT_PLAIN || a->accept == ACCEPT_BOTH;
}

/* A try without TLS: NULL where it goes well, else what it meets. */
static const char *
try_plain(const struct attempt *a, const char *login)
{
	if (!offers_plain(a))
		return "the endpoint accepts tls only and the client dials plaintext";
	if (a->auth == AUTH_CERT)
		return "the role logs in by client certificate and the client dials plaintext";
	return login;
}

/* What the client finds when it checks; the grade where it finds nothing wrong. */
static const char *
check_served(const struct attempt *a, enum checks check, enum verdict *ret_grade)
{
	*ret_grade = VERDICT_TLS;
	if (check == CHECK_NOTHING || (check == CHECK_IF_FILE && a->anchor == ANCHOR_NONE))
		return NULL;
	if (a->anchor == ANCHOR_NONE)
		return needs_file[dialect_of(a)] ? "the client verifies and has no CA file" :
		    "the client verifies and trusts the system's CAs only";
	if (a->anchor != ANCHOR_ISSUER)
		return "the client's CA file does not hold the CA of the certificate served";
	if (a->served == SERVED_EXPIRED)
		return "the client verifies and the certificate served is out of date";
	*ret_grade = VERDICT_CHAIN;
	if (check != CHECK_FULL)
		return NULL;
	if (a->served == SERVED_MISNAMED)
		return "the certificate served does not cover the name dialled";
	*ret_grade = VERDICT_NAME;
	return NULL;
}

static enum proto
older(enum proto a, enum proto b)
{
	return a < b ? a : b;
}

static enum proto
newest(enum proto max)
{
	return max == PROTO_ANY ? PROTO_TLS1_3 : max;
}

static enum proto
spoken(const struct attempt *a)
{
	return older(newest(a->server_max), newest(a->client_max));
}

/* A try over TLS. */
static enum end
try_tls(const struct attempt *a, enum checks check, const char *login, enum verdict *ret_grade,
    const char **ret_why)
{
	bool asked = a->asks || a->accept == ACCEPT_MUTUAL || a->auth == AUTH_CERT;
	bool demanded = a->accept == ACCEPT_MUTUAL || a->auth == AUTH_CERT;
	/* From TLS 1.3 on the client is through before its certificate is looked at. */
	enum end alert = spoken(a) >= PROTO_TLS1_3 ? END_CUT : END_HANDSHAKE;

	if (a->accept == ACCEPT_PLAIN) {
		*ret_why = "the client insists on tls and the endpoint accepts plaintext only";
		return END_NO_TLS;
	}
	if (spoken(a) < a->server_min || spoken(a) < a->client_min) {
		*ret_why = "client and endpoint have no version of TLS in common";
		return END_HANDSHAKE;
	}
	if ((*ret_why = check_served(a, check, ret_grade)) != NULL)
		return END_HANDSHAKE;
	if (asked && a->shown == SHOWN_STRAY) {
		*ret_why = "the endpoint asks for a client certificate and does not trust the one shown: unknown ca";
		return alert;
	}
	if (demanded && a->shown == SHOWN_NONE) {
		*ret_why = "the endpoint demands a client certificate and the client shows none";
		/* PostgreSQL's clientcert= is judged with pg_hba.conf, behind the handshake. */
		return a->kind == KIND_POSTGRES ? END_MESSAGE : alert;
	}
	*ret_why = login;
	return login == NULL ? END_WELL : END_MESSAGE;
}

/* Everything is known. */
static enum verdict
decide(const struct attempt *a, const char **ret_why)
{
	const struct mode *mode = &modes[dialect_of(a)][a->dial];
	const char *login = NULL, *plain, *tls = NULL;
	enum verdict grade = VERDICT_TLS;
	enum end end;

	*ret_why = NULL;
	if (mode->order == NO_MODE) {
		*ret_why = mode->spelling;
		return VERDICT_REFUSED;
	}
	if (a->accept != ACCEPT_PLAIN && a->served == SERVED_NONE) {
		/* None of the three starts so; Redis rejects the change of its settings. */
		*ret_why = "the endpoint is to speak TLS and no certificate is installed for it";
		return VERDICT_REFUSED;
	}
	if (a->kind != KIND_REDIS && a->auth >= AUTH_PASSWORD && a->auth <= AUTH_SCRAM &&
	    a->stored != STORED_UNKNOWN && !logins[a->kind][a->auth][a->stored])
		login = "the role's password is not stored as the method needs it: password authentication failed";
	plain = try_plain(a, login);
	if (mode->order == PLAIN_ONLY || (mode->order == PLAIN_FIRST && plain == NULL)) {
		*ret_why = plain;
		return plain == NULL ? VERDICT_PLAINTEXT : VERDICT_REFUSED;
	}
	end = try_tls(a, mode->check, login, &grade, &tls);
	if (end == END_WELL)
		return grade;
	if (mode->order == TLS_FIRST && (end & mode->again) != 0 && plain == NULL) {
		*ret_why = end == END_NO_TLS ? "the endpoint offers no tls" : tls;
		return VERDICT_PLAINTEXT;
	}
	/* What plaintext met first says more than that there is no TLS, either. */
	*ret_why = end == END_NO_TLS && plain != NULL ? plain : tls;
	return VERDICT_REFUSED;
}

/*
 * The values that the unknown facts may have, in turn; false behind the last.
 * No version of TLS named: the programs' own bounds, which are 1.2 in all
 * that are current and were lower before; it is in question only where the
 * other side stops below.
 */
static bool
complete(struct attempt *a, const struct attempt *from, size_t i)
{
	static const enum leaf_state served[] = { SERVED_GOOD, SERVED_MISNAMED };
	static const enum anchor anchors[] = { ANCHOR_ISSUER, ANCHOR_OTHER, ANCHOR_NONE };
	static const enum stored stored[] = { STORED_SCRAM, STORED_MD5 };
	static const enum proto bounds[] = { PROTO_TLS1_2, PROTO_TLS1_0 };
	size_t n;

#define PICK(field, unknown, values) do {			\
	if (from->field == (unknown)) {				\
		n = LENGTH(values);				\
		a->field = (values)[i % n];			\
		i /= n;						\
	}							\
} while (0)
	*a = *from;
	PICK(served, SERVED_UNKNOWN, served);
	PICK(anchor, ANCHOR_UNKNOWN, anchors);
	if (from->auth == AUTH_SCRAM)
		PICK(stored, STORED_UNKNOWN, stored);
	if (spoken(from) < PROTO_TLS1_2) {
		PICK(server_min, PROTO_ANY, bounds);
		PICK(client_min, PROTO_ANY, bounds);
	}
#undef PICK
	return i == 0;
}

enum verdict
attempt_verdict(const struct attempt *a, const char **ret_why)
{
	enum verdict verdict = VERDICT_UNKNOWN, other;
	const char *why = NULL, *other_why;
	struct attempt known;
	size_t i;

	if (ret_why != NULL)
		*ret_why = NULL;
	if (a->accept == ACCEPT_UNKNOWN || a->dial == DIAL_UNKNOWN)
		return VERDICT_UNKNOWN;
	for (i = 0; complete(&known, a, i); i++) {
		other = decide(&known, i == 0 ? &why : &other_why);
		if (i > 0 && other != verdict)
			return VERDICT_UNKNOWN;
		verdict = other;
	}
	if (ret_why != NULL)
		*ret_why = why;
	return verdict;
}

const char *
verdict_word(enum verdict verdict)
{
	static const char *const words[] = {
		[VERDICT_REFUSED] = "refused", [VERDICT_HANGS] = "hangs",
		[VERDICT_UNKNOWN] = "unknown", [VERDICT_PLAINTEXT] = "plaintext",
		[VERDICT_TLS] = "tls", [VERDICT_CHAIN] = "tls+chain",
		[VERDICT_NAME] = "tls+name",
	};

	return words[verdict];
}

bool
dialect_needs_file(enum dialect dialect)
{
	return needs_file[dialect];
}

const char *
dialect_spelling(enum dialect dialect, enum dial dial, const char **ret_why)
{
	const struct mode *mode = &modes[dialect][dial];

	if (ret_why != NULL)
		*ret_why = mode->order == NO_MODE ? mode->spelling : NULL;
	return mode->order == NO_MODE ? NULL : mode->spelling;
}

enum basis
dialect_basis(enum dialect dialect)
{
	return dialect == DIALECT_LIBPQ || dialect == DIALECT_PGBOUNCER ||
	    dialect == DIALECT_HIREDIS ? BASIS_RUN : BASIS_DOCUMENTED;
}
