/*
 * Who logged in, out of a server's log: lines as PostgreSQL 15 and PgBouncer
 * 1.18 wrote them, whole, in pieces, mixed, cut, and made up by clients.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/buf.h"
#include "core/loginlog.h"

static void
found(void *arg, const struct login *l)
{
	(void)buf_printf(arg, "%s%s %s@%s/%s%s%s\n", l->tls ? "tls" : "plain", l->refused ? " refused" : "",
	    l->user == NULL ? "?" : l->user, l->address == NULL ? "?" : l->address,
	    l->database == NULL ? "?" : l->database, l->application == NULL ? "" : " as ",
	    l->application == NULL ? "" : l->application);
}

/* What is found in the text, given in pieces of `piece` bytes. */
static void
in_pieces(enum kind kind, const char *text, size_t piece, const char *expected)
{
	struct buf out = { 0 };
	struct loginlog *l;
	size_t len = strlen(text), at;

	buf_init(&out, 0);
	l = loginlog_new(kind, found, &out);
	for (at = 0; at < len; at += piece)
		loginlog_feed(l, text + at, len - at < piece ? len - at : piece, 1000);
	loginlog_settle(l, 1000 + LOGINLOG_SETTLE_MS);
	assert_string_equal(buf_str(&out), expected);
	loginlog_free(l);
	buf_release(&out);
}

static void
in(enum kind kind, const char *text, const char *expected)
{
	in_pieces(kind, text, 1 << 20, expected);
	in_pieces(kind, text, 1, expected);
	in_pieces(kind, text, 7, expected);
}

#define PG "2024-05-01 12:00:00.123 UTC "

static void
postgres_logins_are_joined_by_process(void **state)
{
	(void)state;
	in(KIND_POSTGRES,
	    PG "[11] LOG:  connection received: host=10.77.0.11 port=50000\n"
	    PG "[12] LOG:  connection received: host=::1 port=50001\n"
	    PG "[12] app@shop LOG:  connection authenticated: identity=\"app\" method=scram-sha-256 (/etc/pg_hba.conf:3)\n"
	    PG "[12] app@shop LOG:  connection authorized: user=app database=shop application_name=a b SSL enabled (protocol=TLSv1.3, cipher=TLS_AES_256_GCM_SHA384, bits=256)\n"
	    PG "[11] LOG:  connection authorized: user=job database=shop\n"
	    PG "[13] LOG:  connection authorized: user=early database=shop\n"
	    PG "[12] LOG:  disconnection: session time: 0:00:00.010 user=app database=shop host=::1 port=50001\n"
	    PG "[14] LOG:  connection received: host=10.0.0.9 port=1\n"
	    PG "[14] LOG:  replication connection authorized: user=rep application_name=walreceiver\n",
	    "tls app@::1/shop as a b\n"
	    "plain job@10.77.0.11/shop\n"
	    "plain rep@10.0.0.9/? as walreceiver\n");
}

static void
a_unix_socket_is_nobody(void **state)
{
	(void)state;
	in(KIND_POSTGRES,
	    PG "[11] LOG:  connection received: host=[local]\n"
	    PG "[11] LOG:  connection authorized: user=postgres database=postgres application_name=psql\n", "");
	in(KIND_PGBOUNCER, PG "[7] LOG C-0x1: shop/app@unix(99):6432 login attempt: db=shop user=app tls=no\n", "");
}

static void
who_is_turned_away_is_told(void **state)
{
	(void)state;
	in(KIND_POSTGRES,
	    PG "[11] LOG:  connection received: host=10.0.0.3 port=5\n"
	    PG "[11] app@shop FATAL:  no pg_hba.conf entry for host \"10.0.0.3\", user \"app\", database \"shop\", no encryption\n"
	    PG "[12] app@shop FATAL:  pg_hba.conf rejects connection for host \"10.0.0.4\", user \"app\", database \"shop\", SSL encryption\n"
	    PG "[13] app@shop FATAL:  password authentication failed for user \"app\"\n",
	    "plain refused app@10.0.0.3/shop\n"
	    "tls refused app@10.0.0.4/shop\n");
	in(KIND_PGBOUNCER,
	    PG "[7] LOG C-0x1: (nodb)/(nouser)@10.0.0.3:5 closing because: SSL required (age=0s)\n"
	    PG "[7] WARNING C-0x1: (nodb)/(nouser)@10.0.0.3:5 pooler error: SSL required\n",
	    "plain refused ?@10.0.0.3/?\n");
}

static void
a_process_that_is_used_again_is_another(void **state)
{
	(void)state;
	in(KIND_POSTGRES,
	    PG "[11] LOG:  connection received: host=10.0.0.1 port=1\n"
	    PG "[11] LOG:  connection received: host=10.0.0.2 port=2\n"
	    PG "[11] LOG:  connection authorized: user=app database=shop\n"
	    PG "[11] LOG:  connection authorized: user=again database=shop\n",
	    "plain app@10.0.0.2/shop\n");
}

static void
statements_make_nobody_up(void **state)
{
	(void)state;
	in(KIND_POSTGRES,
	    PG "[11] STATEMENT:  SELECT 'x\n"
	    "\t2024 [11] LOG:  connection received: host=10.0.0.1 port=1\n"
	    "\t2024 [11] LOG:  connection authorized: user=app database=shop SSL enabled (protocol=TLSv1.3, cipher=x, bits=256)'\n", "");
}

static void
without_a_process_nobody_is_joined_and_that_is_counted(void **state)
{
	struct buf out = { 0 };
	struct loginlog *l;
	static const char text[] = "LOG:  connection received: host=10.0.0.1 port=1\nLOG:  connection authorized: user=app database=shop\n";

	(void)state;
	buf_init(&out, 0);
	l = loginlog_new(KIND_POSTGRES, found, &out);
	loginlog_feed(l, text, strlen(text), 1);
	assert_int_equal(out.len, 0);
	assert_int_equal(loginlog_unjoined(l), 2);
	loginlog_free(l);
	buf_release(&out);
}

static void
pgbouncer_attempts_count_unless_they_fail(void **state)
{
	(void)state;
	in(KIND_PGBOUNCER,
	    PG "[7] LOG C-0x55d1: shop/app@10.77.0.12:55582 login attempt: db=shop user=app tls=no\n"
	    PG "[7] LOG C-0x55d2: shop/app@[::1]:55583 login attempt: db=shop user=app tls=TLSv1.3/TLS_AES_256_GCM_SHA384\n"
	    PG "[7] LOG C-0x55d3: shop/bad@10.77.0.13:55584 login attempt: db=shop user=bad tls=no\n"
	    PG "[7] LOG C-0x55d3: shop/bad@10.77.0.13:55584 closing because: SASL authentication failed (age=0s)\n"
	    PG "[7] LOG C-0x55d1: shop/app@10.77.0.12:55582 closing because: client close request (age=0s)\n"
	    PG "[7] LOG C-0x55d4: (nodb)/(nouser)@127.0.0.1:45204 no such user: root\n"
	    PG "[7] LOG C-0x55d4: (nodb)/root@127.0.0.1:45204 login attempt: db=root user=root tls=no\n"
	    PG "[7] LOG C-0x55d5: pgbouncer/belay@127.0.0.1:45208 login attempt: db=pgbouncer user=belay tls=no\n"
	    PG "[7] LOG C-0x55d4: shop/late@10.77.0.14:1 login attempt: db=shop user=late tls=no\n",
	    "plain app@10.77.0.12/shop\n"
	    "tls app@::1/shop\n"
	    "plain late@10.77.0.14/shop\n");
}

static void
what_was_half_read_before_a_gap_is_forgotten(void **state)
{
	struct buf out = { 0 };
	struct loginlog *l;
	static const char before[] = PG "[11] LOG:  connection received: host=10.0.0.1 port=1\n" PG "[12] LOG:  connection rec",
	    after[] = "eived: host=10.0.0.2 port=1\n" PG "[11] LOG:  connection authorized: user=app database=shop\n"
	    PG "[12] LOG:  connection authorized: user=app database=shop\n";

	(void)state;
	buf_init(&out, 0);
	l = loginlog_new(KIND_POSTGRES, found, &out);
	loginlog_feed(l, before, strlen(before), 1);
	loginlog_gap(l);
	loginlog_feed(l, after, strlen(after), 2);
	assert_int_equal(out.len, 0);
	loginlog_free(l);
	buf_release(&out);
}

static void
hostile_lines_cost_bounded_memory_and_no_crash(void **state)
{
	struct buf text = { 0 };
	struct buf out = { 0 };
	struct loginlog *l;
	size_t i;

	(void)state;
	buf_init(&text, 0);
	buf_init(&out, 0);
	for (i = 0; i < 3 * LOGINLOG_OPEN_MAX; i++)
		(void)buf_printf(&text, PG "[%zu] LOG:  connection received: host=h%zu port=1\n", i, i);
	for (i = 0; i < 40000; i++)
		(void)buf_puts(&text, "[LOG:  connection authorized: ");
	(void)buf_puts(&text, "\n[99999999999999999999999999999999999999999] LOG:  connection received: host=\n[] LOG:  connection authorized: \n");
	(void)buf_put(&text, "a\0[1] LOG:  connection received: host=x\n", 40);
	(void)buf_printf(&text, PG "[%u] LOG:  connection authorized: user=last database=d\n", 3 * LOGINLOG_OPEN_MAX - 1);
	(void)buf_puts(&text, PG "[0] LOG:  connection authorized: user=first database=d\n");
	l = loginlog_new(KIND_POSTGRES, found, &out);
	loginlog_feed(l, text.data, text.len, 1);
	assert_string_equal(buf_str(&out), "plain last@h12287/d\n");
	loginlog_free(l);
	l = loginlog_new(KIND_PGBOUNCER, found, &out);
	loginlog_feed(l, text.data, text.len, 1);
	loginlog_free(l);
	buf_release(&text);
	buf_release(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(postgres_logins_are_joined_by_process),
		cmocka_unit_test(a_unix_socket_is_nobody),
		cmocka_unit_test(who_is_turned_away_is_told),
		cmocka_unit_test(a_process_that_is_used_again_is_another),
		cmocka_unit_test(statements_make_nobody_up),
		cmocka_unit_test(without_a_process_nobody_is_joined_and_that_is_counted),
		cmocka_unit_test(pgbouncer_attempts_count_unless_they_fail),
		cmocka_unit_test(what_was_half_read_before_a_gap_is_forgotten),
		cmocka_unit_test(hostile_lines_cost_bounded_memory_and_no_crash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
