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
#include <string.h>

#define LENGTH(a) (sizeof(a) / sizeof((a)[0]))

#define PLAIN(spelling)		{ spelling, TRY_PLAIN, TRY_CHECKS_NOTHING, 0 }
#define ONLY(spelling, check)	{ spelling, TRY_TLS, check, 0 }
#define NONE_SUCH		{ "a client of Redis dials plaintext or TLS: it has no mode that tries both", \
				    TRY_NO_WAY, TRY_CHECKS_NOTHING, 0 }

/*
 * What each driver makes of each mode.
 *
 * libpq: run (15), fe-connect.c and fe-secure-openssl.c.  Every mode but
 *	disable verifies the chain where there is a root file.  prefer goes to
 *	plaintext after any failure of the handshake and after any FATAL, and not
 *	where the connection just ends, as it does under TLS 1.3 when the server
 *	does not like the client's certificate.
 * pgbouncer: run (1.18), server_tls_sslmode.  allow is prefer; neither they
 *	nor require look at the certificate, CA file or not; only a server that
 *	says that it has no TLS is met with plaintext.
 * asyncpg: run (0.27), connect_utils.py.  allow and prefer check nothing;
 *	the second try comes after class 28 and after an end without a message,
 *	not after a failed handshake.  The CA file is sslrootcert= in the URL,
 *	$PGSSLROOTCERT or ~/.postgresql/root.crt.
 * sqlalchemy-asyncpg: hands ?ssl= over; sslmode= and sslrootcert= are
 *	arguments that asyncpg.connect() does not know, an error: the CA file is
 *	$PGSSLROOTCERT or ~/.postgresql/root.crt.
 * node-postgres: run (8.8), pg-connection-string.  Every mode but disable checks
 *	chain and name and has no way back; what encrypts alone is "no-verify",
 *	which is not libpq's word (brianc/node-postgres#2375, #2281).
 * pgx: run (4.15), and 5 read; pgconn/config.go and pgconn.go.  allow and prefer check
 *	nothing; require is verify-ca where a CA file is given; neither comes
 *	back after class 28, so that PostgreSQL's refusal of plaintext is the
 *	end of allow (run; 5 is read to try TLS then).
 * jdbc: run (42.5), ConnectionFactoryImpl, LibPQFactory.  require and below
 *	check nothing, CA file or not; both ways back are for class 28 only,
 *	and prefer's for a server without TLS.
 * redis-py: run (4.3).  Without ssl_check_hostname=True (False up to 5, True
 *	from 6) the name is not checked; `optional` is `required` in a client.
 * node-redis: run (4.5); ioredis: documented.  tls.connect() of Node checks chain and name.
 * hiredis: run, as OpenSSL with SSL_set1_host(): itself it checks no name.
 * jedis: documented.  rediss:// checks the chain by the JVM's trust store, the name only
 *	with a HostnameVerifier up to 7.4, by itself after that (redis/jedis#1842,
 *	#4495); from 6 on SslVerifyMode says which.
 */
static const struct manner modes[DIALECT_COUNT][DIAL_COUNT] = {
	[DIALECT_LIBPQ] = {
		[DIAL_DISABLE] = PLAIN("sslmode=disable"),
		[DIAL_ALLOW] = { "sslmode=allow", TRY_PLAIN_FIRST, TRY_CHECKS_IF_FILE, TRY_MESSAGE | TRY_OTHER },
		[DIAL_PREFER] = { "sslmode=prefer", TRY_TLS_FIRST, TRY_CHECKS_IF_FILE,
		    TRY_NO_TLS | TRY_HANDSHAKE | TRY_MESSAGE | TRY_OTHER },
		[DIAL_REQUIRE] = ONLY("sslmode=require", TRY_CHECKS_IF_FILE),
		[DIAL_VERIFY_CA] = ONLY("sslmode=verify-ca", TRY_CHECKS_CHAIN),
		[DIAL_VERIFY_FULL] = ONLY("sslmode=verify-full", TRY_CHECKS_FULL),
	},
	[DIALECT_PGBOUNCER] = {
		[DIAL_DISABLE] = PLAIN("server_tls_sslmode = disable"),
		[DIAL_ALLOW] = { "server_tls_sslmode = allow", TRY_TLS_FIRST, TRY_CHECKS_NOTHING, TRY_NO_TLS },
		[DIAL_PREFER] = { "server_tls_sslmode = prefer", TRY_TLS_FIRST, TRY_CHECKS_NOTHING, TRY_NO_TLS },
		[DIAL_REQUIRE] = ONLY("server_tls_sslmode = require", TRY_CHECKS_NOTHING),
		[DIAL_VERIFY_CA] = ONLY("server_tls_sslmode = verify-ca", TRY_CHECKS_CHAIN),
		[DIAL_VERIFY_FULL] = ONLY("server_tls_sslmode = verify-full", TRY_CHECKS_FULL),
	},
	[DIALECT_ASYNCPG] = {
		[DIAL_DISABLE] = PLAIN("ssl='disable'"),
		[DIAL_ALLOW] = { "ssl='allow'", TRY_PLAIN_FIRST, TRY_CHECKS_NOTHING, TRY_MESSAGE | TRY_CUT },
		[DIAL_PREFER] = { "ssl='prefer'", TRY_TLS_FIRST, TRY_CHECKS_NOTHING,
		    TRY_NO_TLS | TRY_MESSAGE | TRY_CUT },
		[DIAL_REQUIRE] = ONLY("ssl='require'", TRY_CHECKS_IF_FILE),
		[DIAL_VERIFY_CA] = ONLY("ssl='verify-ca'", TRY_CHECKS_CHAIN),
		[DIAL_VERIFY_FULL] = ONLY("ssl='verify-full'", TRY_CHECKS_FULL),
	},
	[DIALECT_SQLALCHEMY_ASYNCPG] = {
		[DIAL_DISABLE] = PLAIN("?ssl=disable"),
		[DIAL_ALLOW] = { "?ssl=allow", TRY_PLAIN_FIRST, TRY_CHECKS_NOTHING, TRY_MESSAGE | TRY_CUT },
		[DIAL_PREFER] = { "?ssl=prefer", TRY_TLS_FIRST, TRY_CHECKS_NOTHING,
		    TRY_NO_TLS | TRY_MESSAGE | TRY_CUT },
		[DIAL_REQUIRE] = ONLY("?ssl=require", TRY_CHECKS_IF_FILE),
		[DIAL_VERIFY_CA] = ONLY("?ssl=verify-ca", TRY_CHECKS_CHAIN),
		[DIAL_VERIFY_FULL] = ONLY("?ssl=verify-full", TRY_CHECKS_FULL),
	},
	[DIALECT_NODE_POSTGRES] = {
		[DIAL_DISABLE] = PLAIN("sslmode=disable"),
		[DIAL_ALLOW] = { "node-postgres has no 'allow': in a URL it is verified TLS, in PGSSLMODE plaintext",
		    TRY_NO_WAY, TRY_CHECKS_NOTHING, 0 },
		[DIAL_PREFER] = ONLY("sslmode=prefer", TRY_CHECKS_FULL),
		[DIAL_REQUIRE] = ONLY("sslmode=require", TRY_CHECKS_FULL),
		[DIAL_VERIFY_CA] = ONLY("sslmode=verify-ca", TRY_CHECKS_FULL),
		[DIAL_VERIFY_FULL] = ONLY("sslmode=verify-full", TRY_CHECKS_FULL),
	},
	[DIALECT_PGX] = {
		[DIAL_DISABLE] = PLAIN("sslmode=disable"),
		[DIAL_ALLOW] = { "sslmode=allow", TRY_PLAIN_FIRST, TRY_CHECKS_NOTHING, TRY_OTHER },
		[DIAL_PREFER] = { "sslmode=prefer", TRY_TLS_FIRST, TRY_CHECKS_NOTHING,
		    TRY_NO_TLS | TRY_HANDSHAKE | TRY_CUT | TRY_OTHER },
		[DIAL_REQUIRE] = ONLY("sslmode=require", TRY_CHECKS_IF_FILE),
		[DIAL_VERIFY_CA] = ONLY("sslmode=verify-ca", TRY_CHECKS_CHAIN),
		[DIAL_VERIFY_FULL] = ONLY("sslmode=verify-full", TRY_CHECKS_FULL),
	},
	[DIALECT_JDBC] = {
		[DIAL_DISABLE] = PLAIN("sslmode=disable"),
		[DIAL_ALLOW] = { "sslmode=allow", TRY_PLAIN_FIRST, TRY_CHECKS_NOTHING, TRY_MESSAGE },
		[DIAL_PREFER] = { "sslmode=prefer", TRY_TLS_FIRST, TRY_CHECKS_NOTHING, TRY_NO_TLS | TRY_MESSAGE },
		[DIAL_REQUIRE] = ONLY("sslmode=require", TRY_CHECKS_NOTHING),
		[DIAL_VERIFY_CA] = ONLY("sslmode=verify-ca", TRY_CHECKS_CHAIN),
		[DIAL_VERIFY_FULL] = ONLY("sslmode=verify-full", TRY_CHECKS_FULL),
	},
	[DIALECT_REDIS_PY] = {
		[DIAL_DISABLE] = PLAIN("redis://"),
		[DIAL_ALLOW] = NONE_SUCH,
		[DIAL_PREFER] = NONE_SUCH,
		[DIAL_REQUIRE] = ONLY("rediss://, ssl_cert_reqs=none", TRY_CHECKS_NOTHING),
		[DIAL_VERIFY_CA] = ONLY("rediss://, ssl_cert_reqs=required, ssl_check_hostname=False", TRY_CHECKS_CHAIN),
		[DIAL_VERIFY_FULL] = ONLY("rediss://, ssl_cert_reqs=required, ssl_check_hostname=True", TRY_CHECKS_FULL),
	},
	[DIALECT_NODE_REDIS] = {
		[DIAL_DISABLE] = PLAIN("redis://"),
		[DIAL_ALLOW] = NONE_SUCH,
		[DIAL_PREFER] = NONE_SUCH,
		[DIAL_REQUIRE] = ONLY("socket: { tls: true, rejectUnauthorized: false }", TRY_CHECKS_NOTHING),
		[DIAL_VERIFY_CA] = ONLY("socket: { tls: true, checkServerIdentity: () => undefined }", TRY_CHECKS_CHAIN),
		[DIAL_VERIFY_FULL] = ONLY("socket: { tls: true }", TRY_CHECKS_FULL),
	},
	[DIALECT_IOREDIS] = {
		[DIAL_DISABLE] = PLAIN("redis://"),
		[DIAL_ALLOW] = NONE_SUCH,
		[DIAL_PREFER] = NONE_SUCH,
		[DIAL_REQUIRE] = ONLY("tls: { rejectUnauthorized: false }", TRY_CHECKS_NOTHING),
		[DIAL_VERIFY_CA] = ONLY("tls: { checkServerIdentity: () => undefined }", TRY_CHECKS_CHAIN),
		[DIAL_VERIFY_FULL] = ONLY("tls: {}", TRY_CHECKS_FULL),
	},
	[DIALECT_HIREDIS] = {
		[DIAL_DISABLE] = PLAIN("no redisSSLContext"),
		[DIAL_ALLOW] = NONE_SUCH,
		[DIAL_PREFER] = NONE_SUCH,
		[DIAL_REQUIRE] = ONLY("REDIS_SSL_VERIFY_NONE", TRY_CHECKS_NOTHING),
		[DIAL_VERIFY_CA] = ONLY("REDIS_SSL_VERIFY_PEER", TRY_CHECKS_CHAIN),
		[DIAL_VERIFY_FULL] = ONLY("REDIS_SSL_VERIFY_PEER and SSL_set1_host()", TRY_CHECKS_FULL),
	},
	[DIALECT_JEDIS] = {
		[DIAL_DISABLE] = PLAIN("redis://"),
		[DIAL_ALLOW] = NONE_SUCH,
		[DIAL_PREFER] = NONE_SUCH,
		[DIAL_REQUIRE] = ONLY("SslVerifyMode.INSECURE", TRY_CHECKS_NOTHING),
		[DIAL_VERIFY_CA] = ONLY("SslVerifyMode.CA", TRY_CHECKS_CHAIN),
		[DIAL_VERIFY_FULL] = ONLY("SslVerifyMode.FULL", TRY_CHECKS_FULL),
	},
};

/* A client that verifies and has no CA file: an error; else it takes the system's CAs. */
static const bool needs_file[DIALECT_COUNT] = {
	[DIALECT_LIBPQ] = true, [DIALECT_ASYNCPG] = true,
	[DIALECT_SQLALCHEMY_ASYNCPG] = true, [DIALECT_JDBC] = true,
};

/*
 * Go and Java keep a client certificate to themselves whose issuer the server
 * did not name when it asked; OpenSSL shows it.  PostgreSQL names the CAs of
 * its ssl_ca_file; PgBouncer and Redis name none (seen with s_client).
 */
static const bool keeps_stray[DIALECT_COUNT] = {
	[DIALECT_PGX] = true, [DIALECT_JDBC] = true,
};

/*
 * Whether a password that is stored so serves the method.  PostgreSQL 15: a
 * role with a SCRAM verifier is asked by SCRAM under `md5`, never the other
 * way round (auth.c, CheckPWChallengeAuth); it stores nothing in plain since
 * 10.  PgBouncer 1.18: the same, and a plain password in its auth_file serves
 * everything.  Run, but for PostgreSQL's plain ones.
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

/* A try without TLS. */
static enum try_end
try_plain(const struct attempt *a, const char *login, const char **ret_why)
{
	*ret_why = NULL;
	if (!offers_plain(a)) {
		*ret_why = "the endpoint accepts tls only and the client dials plaintext";
		return a->kind == KIND_POSTGRES ? TRY_MESSAGE : a->kind == KIND_PGBOUNCER ? TRY_OTHER : TRY_CUT;
	}
	if (a->auth == AUTH_CERT)
		*ret_why = "the role logs in by client certificate and the client dials plaintext";
	else
		*ret_why = login;
	return *ret_why == NULL ? TRY_WELL : TRY_MESSAGE;
}

/* What the client finds when it checks; the grade where it finds nothing wrong. */
static const char *
check_served(const struct attempt *a, enum try_checks check, enum verdict *ret_grade)
{
	*ret_grade = VERDICT_TLS;
	if (check == TRY_CHECKS_NOTHING || (check == TRY_CHECKS_IF_FILE && a->anchor == ANCHOR_NONE))
		return NULL;
	if (a->anchor == ANCHOR_NONE)
		return needs_file[dialect_of(a)] ? "the client verifies and has no CA file" :
		    "the client verifies and trusts the system's CAs only";
	if (a->anchor != ANCHOR_ISSUER)
		return "the client's CA file does not hold the CA of the certificate served";
	if (a->served == SERVED_EXPIRED)
		return "the client verifies and the certificate served is out of date";
	*ret_grade = VERDICT_CHAIN;
	if (check != TRY_CHECKS_FULL)
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
static enum try_end
try_tls(const struct attempt *a, enum try_checks check, const char *login, enum verdict *ret_grade,
    const char **ret_why)
{
	/* PgBouncer asks in every mode, with or without a client_tls_ca_file to judge the answer by. */
	bool asked = a->asks || a->kind == KIND_PGBOUNCER || a->accept == ACCEPT_MUTUAL || a->auth == AUTH_CERT;
	bool demanded = a->accept == ACCEPT_MUTUAL || a->auth == AUTH_CERT;
	/* From TLS 1.3 on the client is through before its certificate is looked at. */
	enum try_end alert = spoken(a) >= PROTO_TLS1_3 ? TRY_CUT : TRY_HANDSHAKE;
	enum shown shown = a->shown;

	if (shown == SHOWN_STRAY && a->kind == KIND_POSTGRES && keeps_stray[dialect_of(a)])
		shown = SHOWN_NONE;
	if (a->accept == ACCEPT_PLAIN && a->kind == KIND_REDIS && a->one_port) {
		/*
		 * Redis takes the hello for an inline command and looks for the end
		 * of its line behind a NUL, where it does not look: measured, silence
		 * until the client gives up.
		 */
		*ret_why = "the client dials tls at a plaintext port of Redis, which never answers that";
		return TRY_SILENCE;
	}
	if (a->accept == ACCEPT_PLAIN) {
		*ret_why = "the client insists on tls and the endpoint accepts plaintext only";
		return TRY_NO_TLS;
	}
	if (spoken(a) < a->server_min || spoken(a) < a->client_min) {
		*ret_why = "client and endpoint have no version of TLS in common";
		return TRY_HANDSHAKE;
	}
	if ((*ret_why = check_served(a, check, ret_grade)) != NULL)
		return TRY_HANDSHAKE;
	if (asked && shown == SHOWN_STRAY) {
		*ret_why = "the endpoint asks for a client certificate and does not know the CA of the one shown";
		return alert;
	}
	if (demanded && shown == SHOWN_NONE) {
		*ret_why = "the endpoint demands a client certificate and the client shows none";
		/* PostgreSQL's clientcert= is judged with pg_hba.conf, behind the handshake. */
		return a->kind == KIND_POSTGRES ? TRY_MESSAGE : alert;
	}
	*ret_why = login;
	return login == NULL ? TRY_WELL : TRY_MESSAGE;
}

/* Whether the role's password serves the method; NULL, or what the endpoint says. */
static const char *
login_of(const struct attempt *a)
{
	if (a->kind == KIND_REDIS || a->auth < AUTH_PASSWORD || a->auth > AUTH_SCRAM ||
	    a->stored == STORED_UNKNOWN || logins[a->kind][a->auth][a->stored])
		return NULL;
	return "the role's password is not stored as the method needs it, so authentication fails";
}

/* Everything is known. */
static enum verdict
decide(const struct attempt *a, const char **ret_why)
{
	const struct manner *mode = &modes[dialect_of(a)][a->dial];
	const char *login = login_of(a), *plain_why, *tls_why = NULL;
	enum verdict grade = VERDICT_TLS;
	enum try_end plain, tls;

	if (mode->order == TRY_NO_WAY) {
		*ret_why = mode->spelling;
		return VERDICT_REFUSED;
	}
	if (a->accept != ACCEPT_PLAIN && a->served == SERVED_NONE) {
		/* None of the three starts so; Redis rejects the change of its settings. */
		*ret_why = "the endpoint is to speak TLS and no certificate is installed for it";
		return VERDICT_REFUSED;
	}
	plain = try_plain(a, login, &plain_why);
	if (mode->order == TRY_PLAIN || (mode->order == TRY_PLAIN_FIRST && (plain & mode->again) == 0)) {
		*ret_why = plain_why;
		return plain == TRY_WELL ? VERDICT_PLAINTEXT : VERDICT_REFUSED;
	}
	tls = try_tls(a, mode->check, login, &grade, &tls_why);
	*ret_why = tls_why;
	if (tls == TRY_WELL)
		return grade;
	if (tls == TRY_SILENCE)
		return VERDICT_HANGS;
	if (mode->order == TRY_TLS_FIRST && (tls & mode->again) != 0) {
		if (tls == TRY_NO_TLS)
			*ret_why = plain == TRY_WELL ? "the endpoint offers no tls" : plain_why;
		if (plain == TRY_WELL)
			return VERDICT_PLAINTEXT;
	} else if (mode->order == TRY_PLAIN_FIRST && tls == TRY_NO_TLS)
		*ret_why = plain_why;
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
	const struct manner *mode = &modes[dialect][dial < DIAL_COUNT ? dial : DIAL_DISABLE];
	bool is = dial < DIAL_COUNT && mode->order != TRY_NO_WAY;

	if (ret_why != NULL)
		*ret_why = is ? NULL : mode->order == TRY_NO_WAY ? mode->spelling : "no mode";
	return is ? mode->spelling : NULL;
}

const char *
dialect_rejects(enum dialect dialect, const char *parameter)
{
	if (dialect != DIALECT_SQLALCHEMY_ASYNCPG)
		return NULL;
	if (strcmp(parameter, "sslmode") == 0)
		return "'ssl'";
	if (strcmp(parameter, "sslrootcert") == 0)
		return "the CA in PGSSLROOTCERT or ~/.postgresql/root.crt";
	return NULL;
}

enum basis
dialect_basis(enum dialect dialect)
{
	static const bool documented[DIALECT_COUNT] = {
		[DIALECT_IOREDIS] = true, [DIALECT_JEDIS] = true,
	};

	return documented[dialect] ? BASIS_DOCUMENTED : BASIS_RUN;
}

const struct manner *
dialect_manner(enum dialect dialect, enum dial dial)
{
	return &modes[dialect][dial];
}
