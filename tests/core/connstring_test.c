/*
 * What connstring.h promises: a table of strings as they stand in env files,
 * each with the names of what is found.  Warnings have a !.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/buf.h"
#include "core/connstring.h"

static char *covered[] = { (char *)(uintptr_t)"DNS:db.internal", (char *)(uintptr_t)"DNS:*.shop.internal",
    (char *)(uintptr_t)"IP:10.0.0.2", (char *)(uintptr_t)"DNS:redis.internal" };
static const struct strings names = { covered, 4 };

enum about { NOBODY, LIBPQ, ASYNCPG, SQLALCHEMY, NODE, JDBC, PGX, PRODUCTION, NAMES, PORTS };
static const struct connstring_about abouts[] = {
	[NOBODY] = { 0 }, [LIBPQ] = { .dialect = DIALECT_LIBPQ }, [ASYNCPG] = { .dialect = DIALECT_ASYNCPG },
	[SQLALCHEMY] = { .dialect = DIALECT_SQLALCHEMY_ASYNCPG }, [NODE] = { .dialect = DIALECT_NODE_POSTGRES },
	[JDBC] = { .dialect = DIALECT_JDBC }, [PGX] = { .dialect = DIALECT_PGX },
	[PRODUCTION] = { .dialect = DIALECT_REDIS_PY, .production = true }, [NAMES] = { .names = &names },
	[PORTS] = { .port_plain = 6379, .port_tls = 6380 },
};

#define SECRET "hunter2"
#define UP "app:" SECRET "@"

static const struct { const char *text; enum about about; const char *want; } items[] = {
	/* modes of libpq */
	{ "U=postgresql://" UP "db/shop?sslmode=disable", LIBPQ, "plaintext" },
	{ "U=postgresql://" UP "db/shop?sslmode=allow", LIBPQ, "falls-back!" },
	{ "U=postgresql://" UP "db/shop?sslmode=prefer", LIBPQ, "falls-back!" },
	{ "U=postgresql://" UP "db/shop", LIBPQ, "no-mode" },
	{ "U=postgresql://" UP "db/shop?sslmode=require", LIBPQ, "unverified" },
	{ "U=postgresql://" UP "db/shop?sslmode=verify-ca", LIBPQ, "chain-only" },
	{ "U=postgresql://" UP "db/shop?sslmode=verify-full&sslrootcert=/ca.pem", LIBPQ, "" },
	{ "U=postgresql://" UP "db/shop?sslmode=required", LIBPQ, "unknown-mode!" },
	{ "U=postgresql://" UP "db/shop?sslmode=VERIFY_FULL", LIBPQ, "unknown-mode!" },
	{ "U=postgres://db/shop?sslmode=verify-full", NOBODY, "" },
	{ "export U='postgres://" UP "db/shop?sslmode=prefer'", NOBODY, "falls-back!" },
	{ "U=\"postgres://" UP "db/shop?sslmode=require\"  # why", NOBODY, "unverified" },
	{ "U=postgresql+psycopg2://" UP "db/shop?sslmode=require", NOBODY, "unverified" },
	/* the wrong dialect */
	{ "U=postgresql://" UP "db/shop?ssl=require", LIBPQ, "dialect! unverified" },
	{ "U=postgresql://" UP "db/shop?ssl=true", PGX, "dialect! unverified" },
	{ "U=postgresql+asyncpg://" UP "db/shop?sslmode=require", NOBODY, "dialect! unverified" },
	{ "U=postgresql+asyncpg://" UP "db/shop?ssl=require&sslrootcert=/ca.pem", NOBODY, "dialect! unverified" },
	{ "U=postgresql+asyncpg://" UP "db/shop?ssl=require", NOBODY, "unverified" },
	{ "U=postgresql+asyncpg://" UP "db/shop?ssl=verify-full", NOBODY, "" },
	{ "U=postgresql+asyncpg://" UP "db/shop?ssl=true", NOBODY, "dialect! unverified" },
	{ "U=postgresql+asyncpg://" UP "db/shop", NOBODY, "no-mode" },
	{ "U=postgresql://" UP "db/shop?sslmode=require", SQLALCHEMY, "dialect! unverified" },
	{ "U=postgresql://" UP "db/shop?sslmode=verify-full", ASYNCPG, "" },
	{ "U=postgresql://" UP "db/shop?ssl=prefer", ASYNCPG, "falls-back!" },
	{ "U=postgresql://" UP "db/shop?ssl_cert_reqs=none", LIBPQ, "dialect! no-mode" },
	{ "U=rediss://:" SECRET "@redis:6380/0?sslmode=require", NOBODY, "dialect!" },
	{ "U=rediss://:" SECRET "@redis:6380/0?ssl=true", NOBODY, "dialect!" },
	{ "U=redis://:" SECRET "@redis:6379/0?ssl_cert_reqs=required", NOBODY, "plaintext dialect!" },
	/* other drivers' modes */
	{ "U=postgres://" UP "db/shop", NODE, "no-mode" },
	{ "U=postgres://" UP "db/shop?ssl=true", NODE, "" },
	{ "U=postgres://" UP "db/shop?sslmode=no-verify", NODE, "unverified!" },
	{ "U=postgres://" UP "db/shop?ssl=false", NODE, "plaintext" },
	{ "U=jdbc:postgresql://db:5432/shop?user=app&password=" SECRET "&ssl=true", NOBODY, "" },
	{ "U=jdbc:postgresql://db:5432/shop?ssl=true&sslfactory=org.postgresql.ssl.NonValidatingFactory", JDBC, "unverified!" },
	{ "U=jdbc:postgresql://db:5432/shop?sslmode=verify-full", NOBODY, "" },
	{ "U=jdbc:postgresql://db:5432/shop", NOBODY, "no-mode" },
	{ "U=postgres://" UP "db/shop?sslmode=require", PGX, "unverified" },
	/* key = value */
	{ "DSN=host=db dbname=shop user=app password=" SECRET " sslmode=prefer", NOBODY, "falls-back!" },
	{ "DSN=\"host=db user=app password='a b\\\\'c' sslmode=verify-full sslrootcert=/ca.pem\"", NOBODY, "" },
	{ "DSN='host = db  dbname = shop'", NOBODY, "no-mode" },
	{ "DSN=host=db sslmode=disable", NOBODY, "plaintext" },
	{ "DSN=host=/run/postgresql dbname=shop sslmode=verify-full", NOBODY, "socket!" },
	{ "DSN=host=/run/postgresql dbname=shop", NOBODY, "" },
	{ "OPTS=--host=db --user=app", NOBODY, "" },
	{ "ARGS=host db", NOBODY, "" },
	/* Redis */
	{ "U=redis://redis:6379/0", NOBODY, "plaintext" },
	{ "U=rediss://:" SECRET "@redis:6380/0", NOBODY, "" },
	{ "U=rediss://:" SECRET "@redis:6380/0?ssl_cert_reqs=none", NOBODY, "unverified!" },
	{ "U=rediss://:" SECRET "@redis:6380/0?ssl_cert_reqs=CERT_NONE", NOBODY, "unverified!" },
	{ "U=rediss://:" SECRET "@redis:6380/0?ssl_cert_reqs=optional", NOBODY, "unverified!" },
	{ "U=rediss://:" SECRET "@redis:6380/0?ssl_cert_reqs=required", NOBODY, "" },
	{ "U=rediss://:" SECRET "@redis:6380/0?ssl_cert_reqs=perhaps", NOBODY, "unknown-mode!" },
	{ "U=rediss://:" SECRET "@redis:6380/0?ssl_check_hostname=false", NOBODY, "chain-only" },
	{ "U=rediss://redis:6380/0", PRODUCTION, "no-password!" },
	{ "U=redis://redis:6379/0", PRODUCTION, "plaintext no-password!" },
	{ "U=rediss://app:" SECRET "@redis:6380/0", PRODUCTION, "" },
	{ "U=rediss://app@redis:6380/0", PRODUCTION, "no-password!" },
	{ "U=rediss://app:@redis:6380/0", PRODUCTION, "no-password!" },
	{ "U=rediss://redis:6380/0?password=" SECRET, PRODUCTION, "" },
	{ "U=rediss://redis:6380/0\nREDIS_PASSWORD=" SECRET, PRODUCTION, "" },
	{ "U=rediss://redis:6380/0\nREDIS_PASSWORD=", PRODUCTION, "no-password!" },
	{ "U=rediss://:" SECRET "@redis:6379/0", PORTS, "port!" },
	{ "U=redis://:" SECRET "@redis:6380/0", PORTS, "plaintext port!" },
	{ "U=rediss://:" SECRET "@redis:6380/0", PORTS, "" },
	{ "REDIS_SSL_CERT_REQS=none", NOBODY, "unverified!" },
	{ "REDIS_SSL_CERT_REQS=required", NOBODY, "" },
	{ "PGSSLMODE=prefer", NOBODY, "falls-back!" },
	{ "DATABASE_SSL_MODE=verify-full", NOBODY, "" },
	{ "DATABASE_SSL_MODE=on", NOBODY, "unknown-mode!" },
	/* names */
	{ "U=postgres://" UP "db.internal/shop?sslmode=verify-full", NAMES, "" },
	{ "U=postgres://" UP "db/shop?sslmode=verify-full", NAMES, "name-not-covered!" },
	{ "U=postgres://" UP "db/shop?sslmode=require", NAMES, "unverified name-not-covered" },
	{ "U=postgres://" UP "a.shop.internal/shop?sslmode=verify-full", NAMES, "" },
	{ "U=postgres://" UP "a.b.shop.internal/shop?sslmode=verify-full", NAMES, "name-not-covered!" },
	{ "U=postgres://" UP "10.0.0.2/shop?sslmode=verify-full", NAMES, "" },
	{ "U=postgres://" UP "10.0.0.3/shop?sslmode=verify-full", NAMES, "name-not-covered!" },
	{ "U=postgres://" UP "DB.Internal/shop?sslmode=verify-full", NAMES, "" },
	{ "U=rediss://:" SECRET "@redis.internal:6380", NAMES, "" },
	{ "U=rediss://:" SECRET "@redis:6380", NAMES, "name-not-covered!" },
	{ "DSN=host=db sslmode=verify-full", NAMES, "name-not-covered!" },
	/* what drivers do not agree on, and what is no string at all */
	{ "U=postgres://app:hun@ter2/x@db/shop?sslmode=verify-full", NOBODY, "unreadable!" },
	{ "U=postgres://" UP "db/shop?sslmode=disable&sslmode=verify-full", NOBODY, "unreadable!" },
	{ "U=https://example.com/?sslmode=disable", NOBODY, "" },
	{ "U=", NOBODY, "" },
	{ "# U=redis://redis", NOBODY, "" },
	{ "U=redis://a\nU=rediss://:" SECRET "@b", NOBODY, "" },
};

static void
each_string_has_its_findings(void **state)
{
	size_t i, k, wrong = 0;

	(void)state;
	for (i = 0; i < sizeof(items) / sizeof(items[0]); i++) {
		struct connstring_findings f = { NULL, 0 };
		struct buf b = { 0 };

		connstring_look(&f, &abouts[items[i].about], items[i].text, strlen(items[i].text));
		for (k = 0; k < f.n; k++) {
			(void)buf_printf(&b, "%s%s%s", k > 0 ? " " : "", f.v[k].name, f.v[k].level == LINT_WARN ? "!" : "");
			/* Never a secret, nor what is not the variable's. */
			assert_null(strstr(f.v[k].text, SECRET));
			assert_null(strstr(f.v[k].text, "ter2"));
			assert_true(f.v[k].text[0] != '\0' && f.v[k].line >= 1);
		}
		if (strcmp(buf_str(&b), items[i].want) != 0) {
			print_error("%s: '%s', expected '%s'\n", items[i].text, buf_str(&b), items[i].want);
			wrong++;
		}
		buf_release(&b);
		connstring_release(&f);
	}
	print_message("%zu strings\n", i);
	assert_true(i >= 60);
	assert_int_equal(wrong, 0);
}

static void
a_finding_has_the_variable_and_its_line(void **state)
{
	static const char text[] = "# one\nX=1\nexport DATABASE_URL=postgres://db/x?sslmode=prefer\n";
	struct connstring_findings f = { NULL, 0 };

	(void)state;
	connstring_look(&f, &abouts[NOBODY], text, strlen(text));
	assert_int_equal(f.n, 1);
	assert_string_equal(f.v[0].variable, "DATABASE_URL");
	assert_int_equal(f.v[0].line, 3);
	assert_string_equal(f.v[0].text, "sslmode=prefer goes on in plaintext where TLS fails, and says nothing");
	connstring_release(&f);
}

static void
only_the_variables_asked_for_are_looked_at(void **state)
{
	static const char text[] = "A=redis://a\nB=redis://b\n";
	char *one[] = { (char *)(uintptr_t)"B" };
	struct strings only = { one, 1 };
	struct connstring_about about = { .only = &only, .kind = KIND_REDIS };
	struct connstring_findings f = { NULL, 0 };

	(void)state;
	connstring_look(&f, &about, text, strlen(text));
	assert_int_equal(f.n, 1);
	assert_string_equal(f.v[0].variable, "B");
	connstring_release(&f);
}

static void
every_name_is_met(void **state)
{
	const char *const *name;
	size_t i;

	(void)state;
	for (name = connstring_names; *name != NULL; name++) {
		for (i = 0; i < sizeof(items) / sizeof(items[0]) && strstr(items[i].want, *name) == NULL; i++)
			;
		if (i == sizeof(items) / sizeof(items[0]))
			fail_msg("no string has '%s'", *name);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_string_has_its_findings),
		cmocka_unit_test(a_finding_has_the_variable_and_its_line),
		cmocka_unit_test(only_the_variables_asked_for_are_looked_at),
		cmocka_unit_test(every_name_is_met),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
