/*
 * statement: see statement.h.
 *
 * Owns one session of an admin: a look at TLS first (unless one was just
 * made), then a pq or a resp, then one question at a time.
 *
 * Invariants:
 *  1. answer() is the only way to an answer; nothing touches the session after it
 *     but through what the callback left (a new question, or nothing at all).
 *  2. A question counts as sent from the moment that it was handed to libpq or
 *     to the stream; from then on an end without an answer is LOST.
 *  3. A session that broke stays broken: what is asked of it afterwards is NOT_SENT.
 *
 * It knows nothing of what is asked.
 */
#include "remote/statement.h"

#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/mem.h"
#include "remote/pq.h"
#include "remote/probe_int.h"
#include "remote/resp.h"
#include "remote/session.h"

#define ARGS_MAX 512

enum { TAG_AUTH, TAG_QUESTION };

struct statement {
	struct spot *spot;
	uv_timer_t timer;
	int64_t	 due;			/* loop time */
	struct look *look;
	struct pq *pq;
	struct resp *resp;
	bool	 ready;			/* logged in */
	bool	 broken;
	char	 why[ERR_MAX];		/* of broken */
	/* The question under way. */
	statement_done *done;		/* NULL: none */
	void	*arg;
	bool	 sent;
	char	*sql;
	char	**argv;
	int	 argc;
	/* Its answer, so far. */
	struct strings columns;
	char	**cells;
	size_t	 ncells, nrows;
	bool	 flood, mixed;
};

static void proceed(struct statement *);

/* ---- the question and its answer ---- */

static void
forget_question(struct statement *s)
{
	int i;

	if (s->sql != NULL)
		mem_wipe_free(s->sql, strlen(s->sql));
	s->sql = NULL;
	for (i = 0; i < s->argc; i++)
		mem_wipe_free(s->argv[i], strlen(s->argv[i]));
	free(s->argv);
	s->argv = NULL;
	s->argc = 0;
	s->sent = false;
}

static void
forget_answer(struct statement *s)
{
	size_t i;

	for (i = 0; i < s->columns.n; i++)
		free(s->columns.v[i]);
	free(s->columns.v);
	for (i = 0; i < s->ncells; i++)
		if (s->cells[i] != NULL)
			mem_wipe_free(s->cells[i], strlen(s->cells[i]));
	free(s->cells);
	memset(&s->columns, 0, sizeof(s->columns));
	s->cells = NULL;
	s->ncells = s->nrows = 0;
	s->flood = s->mixed = false;
}

static void
answer(struct statement *s, enum statement_end end, const char *sqlstate, const char *why)
{
	struct statement_reply reply = { .end = end };
	struct strings columns = s->columns;
	char **cells = s->cells, *words = mem_strdup(why);
	size_t ncells = s->ncells, i;
	statement_done *done = s->done;

	if ((s->flood || s->mixed) && end == STATEMENT_DONE) {
		/* It was carried out, but what it said is not all there. */
		end = STATEMENT_LOST;
		free(words);
		words = mem_strdup(s->flood ? "an answer larger than any can be" : "an answer of several kinds of rows");
	}
	reply.end = end;
	if (sqlstate != NULL)
		(void)snprintf(reply.sqlstate, sizeof(reply.sqlstate), "%s", sqlstate);
	reply.why = end == STATEMENT_DONE ? NULL : words == NULL ? "no answer" : words;
	reply.columns = &columns;
	reply.nrows = end == STATEMENT_DONE ? s->nrows : 0;
	reply.cells = cells;
	memset(&s->columns, 0, sizeof(s->columns));
	s->cells = NULL;
	s->ncells = s->nrows = 0;
	s->flood = s->mixed = false;
	s->done = NULL;
	forget_question(s);
	if (done != NULL)
		done(s->arg, &reply);
	for (i = 0; i < columns.n; i++)
		free(columns.v[i]);
	free(columns.v);
	for (i = 0; i < ncells; i++)
		if (cells[i] != NULL)
			mem_wipe_free(cells[i], strlen(cells[i]));
	free(cells);
	free(words);
}

static void
hang_up(struct statement *s)
{
	struct pq *pq = s->pq;
	struct resp *resp = s->resp;

	look_free(s->look);
	s->look = NULL;
	s->pq = NULL;
	s->resp = NULL;
	s->ready = false;
	pq_close(pq);
	resp_close(resp);
}

/* The session is over; what is under way ends with it. */
static void
lost(struct statement *s, const char *why)
{
	bool sent = s->sent;

	hang_up(s);
	s->broken = true;
	(void)snprintf(s->why, sizeof(s->why), "%s", why);
	if (s->done != NULL)
		answer(s, sent ? STATEMENT_LOST : STATEMENT_NOT_SENT, NULL, s->why);
}

static void lost_f(struct statement *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void
lost_f(struct statement *s, const char *fmt, ...)
{
	va_list ap;
	char *words;

	va_start(ap, fmt);
	words = mem_vprintf(fmt, ap);
	va_end(ap);
	lost(s, words);
	free(words);
}

static void
put_cell(struct statement *s, const char *value)
{
	if (s->ncells >= STATEMENT_CELLS_MAX) {
		s->flood = true;
		return;
	}
	*(char **)mem_push(&s->cells, &s->ncells, sizeof(*s->cells)) = mem_strdup(value);
}

static void
put_column(struct statement *s, const char *name)
{
	*(char **)mem_push(&s->columns.v, &s->columns.n, sizeof(*s->columns.v)) = mem_strdup(name);
}

const char *
statement_value(const struct statement_reply *reply, size_t row, const char *column)
{
	size_t i;

	for (i = 0; row < reply->nrows && i < reply->columns->n; i++)
		if (strcmp(reply->columns->v[i], column) == 0)
			return reply->cells[row * reply->columns->n + i];
	return NULL;
}

/* ---- SQL ---- */

static void
sql_ready(void *arg)
{
	struct statement *s = arg;

	s->ready = true;
	proceed(s);
}

static void
sql_row(void *arg, const struct pq_row *row)
{
	struct statement *s = arg;
	int i, n = pq_columns(row);

	/* One question has one answer: rows of another shape are no part of it. */
	if (s->nrows > 0 && s->columns.n != (size_t)n)
		s->mixed = true;
	if (s->mixed)
		return;
	for (i = 0; s->nrows == 0 && i < n; i++)
		put_column(s, pq_column(row, i));
	if (s->ncells + (size_t)n > STATEMENT_CELLS_MAX) {
		s->flood = true;
		return;
	}
	for (i = 0; i < n; i++)
		put_cell(s, pq_cell(row, i));
	s->nrows++;
}

static void
sql_done(void *arg, const char *sqlstate, const char *why)
{
	struct statement *s = arg;

	answer(s, sqlstate == NULL ? STATEMENT_DONE : STATEMENT_REFUSED, sqlstate, why);
}

static void
sql_closed(void *arg, const char *why)
{
	struct statement *s = arg;
	const struct endpoint *ep = spot_endpoint(s->spot);

	s->pq = NULL;
	s->spot->looked_at = 0;
	if (s->ready)
		lost_f(s, "the connection to '%s' broke: %s", ep->name, why);
	else
		lost_f(s, "cannot log in to '%s' as '%s': %s", ep->name, ep->admin_user, why);
}

static const struct pq_events sql_events = { sql_ready, sql_row, sql_done, sql_closed };

static void
connect_sql(struct statement *s, const char *password)
{
	const struct endpoint *ep = spot_endpoint(s->spot);
	struct pq_config c;
	struct err err;

	memset(&c, 0, sizeof(c));
	c.loop = s->spot->set->c.loop;
	c.session = spot_session(s->spot);
	c.address = spot_address(s->spot);
	c.port = spot_port(s->spot, true);
	c.user = ep->admin_user;
	/* The console of a PgBouncer has this name, whatever else there is. */
	c.database = ep->kind == KIND_PGBOUNCER ? "pgbouncer" :
	    ep->admin_database != NULL ? ep->admin_database : "postgres";
	c.password = password;
	c.ca_file = spot_ca_file(s->spot);
	c.pair_file = spot_pair_file(s->spot);
	c.mode = s->spot->tls != LEG_OPEN ? PQ_PLAINTEXT :
	    s->spot->verified && c.ca_file != NULL ? PQ_TLS_VERIFIED : PQ_TLS;
	c.name = c.mode == PQ_TLS_VERIFIED ? s->spot->verified_name : spot_address(s->spot);
	s->pq = pq_open(&c, &sql_events, s, &err);
	if (s->pq == NULL)
		lost(s, err.msg);
}

/* ---- RESP ---- */

static void
resp_opened(void *arg)
{
	struct statement *s = arg;

	s->spot->own++;	const struct endpoint *ep = spot_endpoint(s->spot);
	const char *argv[3] = { "AUTH", NULL, NULL }, *password = NULL, *why = NULL;
	int argc = 1;

	if (spot_admin_password(s->spot, &password, &why) == -1) {
		lost_f(s, "the password of '%s': %s", ep->name, why);
		return;
	}
	if (password == NULL) {
		s->ready = true;
		proceed(s);
		return;
	}
	if (ep->admin_user != NULL)
		argv[argc++] = ep->admin_user;
	argv[argc++] = password;
	if (resp_command(s->resp, TAG_AUTH, RESP_REPLY_MAX, argc, argv) != 0)
		lost(s, "the connection takes nothing");
}

static void
flatten(struct statement *s, const struct resp_value *v)
{
	char number[32];
	size_t i;

	switch (v->type) {
	case RESP_ARRAY:
		for (i = 0; i < v->n && !s->flood; i++)
			if (v->v[i] != NULL)
				flatten(s, v->v[i]);
		return;
	case RESP_INTEGER:
		(void)snprintf(number, sizeof(number), "%lld", (long long)v->integer);
		put_cell(s, number);
		break;
	case RESP_STRING:
	case RESP_STATUS:
	case RESP_ERROR:
		put_cell(s, v->text);
		break;
	case RESP_NIL:
		put_cell(s, NULL);
		break;
	}
	s->nrows = s->ncells;
}

static void
resp_reply(void *arg, int tag, const struct resp_value *v)
{
	struct statement *s = arg;

	if (tag == TAG_AUTH) {
		/* A server without a password says so, and lets everybody in. */
		if (v->type == RESP_ERROR && strstr(v->text, "without any password") == NULL &&
		    strstr(v->text, "no password is set") == NULL) {
			lost_f(s, "cannot log in to '%s': %s", spot_endpoint(s->spot)->name, v->text);
			return;
		}
		s->ready = true;
		proceed(s);
		return;
	}
	if (v->type == RESP_ERROR) {
		answer(s, STATEMENT_REFUSED, NULL, v->text);
		return;
	}
	put_column(s, "value");
	flatten(s, v);
	answer(s, STATEMENT_DONE, NULL, NULL);
}

static void
resp_closed(void *arg, enum stream_end end, const char *why)
{
	struct statement *s = arg;

	(void)end;
	s->resp = NULL;
	s->spot->looked_at = 0;
	lost_f(s, s->ready ? "the connection to '%s' broke: %s" : "cannot log in to '%s': %s",
	    spot_endpoint(s->spot)->name, why == NULL ? "closed" : why);
}

static const struct resp_events resp_events = { resp_opened, resp_reply, resp_closed };

static int64_t
left_ms(const struct statement *s)
{
	int64_t left = s->due - (int64_t)uv_now(s->spot->set->c.loop);

	return left < 1 ? 1 : left;
}

static void
connect_resp(struct statement *s)
{
	static const struct stream_events none;
	const char *names[READING_NAMES_MAX], *sni = NULL;
	bool tls = s->spot->tls == LEG_OPEN;
	struct stream *st;

	st = session_dial(spot_session(s->spot), spot_address(s->spot), spot_port(s->spot, tls), &none, NULL);
	stream_deadline(st, left_ms(s) + 1000);
	if (tls) {
		if (served_names(s->spot->set->c.fleet, s->spot->endpoint, names) > 0)
			sni = names[0];
		st = tls_over(st, false, spot_trust(s->spot, s->spot->shows), sni, &none, NULL);
	}
	s->resp = resp_over(st, &resp_events, s);
}

/* ---- the session ---- */

static void
connect_now(struct statement *s)
{
	const struct endpoint *ep = spot_endpoint(s->spot);
	const char *password = NULL, *why = NULL;

	if (ep->kind == KIND_REDIS)
		connect_resp(s);
	else if (spot_admin_password(s->spot, &password, &why) == -1)
		lost_f(s, "the password of '%s': %s", ep->admin_user, why);
	else
		connect_sql(s, password);
}

static void
looked(void *arg, struct look *l)
{
	struct statement *s = arg;
	char why[ERR_MAX];
	bool way;

	s->look = NULL;
	spot_saw(s->spot, l);
	way = l->leg == LEG_OPEN || l->leg == LEG_REFUSED ||
	    (spot_endpoint(s->spot)->kind == KIND_REDIS && spot_port(s->spot, false) != 0);
	(void)snprintf(why, sizeof(why), "%s", l->why[0] != '\0' ? l->why : "no answer");
	look_free(l);
	if (way) {
		connect_now(s);
		return;
	}
	s->spot->looked_at = 0;
	lost_f(s, "cannot reach '%s': %s", spot_endpoint(s->spot)->name, why);
}

static void
begin_session(struct statement *s)
{
	const struct endpoint *ep = spot_endpoint(s->spot);
	struct spot *spot = s->spot;
	int64_t now = (int64_t)uv_now(spot->set->c.loop);

	if (ep->host == NONE && ep->via == NONE)
		lost_f(s, "no host to reach '%s' from", ep->name);
	else if (spot_port(spot, true) == 0 && spot_port(spot, false) == 0)
		lost_f(s, "no port is declared for '%s'", ep->name);
	else if (ep->kind != KIND_REDIS && ep->admin_user == NULL)
		lost_f(s, "the fleet file gives no 'admin: { user: … }' for '%s'", ep->name);
	else if (ep->kind == KIND_REDIS && spot_port(spot, true) == 0) {
		spot->tls = LEG_UNKNOWN;
		connect_now(s);
	} else if (spot->looked_at != 0 && now - spot->looked_at < LOOK_FRESH_MS && spot->tls == LEG_OPEN)
		connect_now(s);
	else
		s->look = look_new(spot, true, left_ms(s), looked, s);
}

/* Takes the question on as far as it goes now. */
static void
proceed(struct statement *s)
{
	int rc;

	if (s->done == NULL || s->sent)
		return;
	if (s->broken)
		answer(s, STATEMENT_NOT_SENT, NULL, s->why);
	else if (s->pq == NULL && s->resp == NULL) {
		if (s->look == NULL)
			begin_session(s);
	} else if (s->ready) {
		s->sent = true;
		if (s->pq != NULL)
			rc = s->sql == NULL ? -1 : pq_query(s->pq, s->sql, NULL, 0, STATEMENT_BYTES_MAX);
		else
			rc = s->argv == NULL ? -1 : resp_command(s->resp, TAG_QUESTION,
			    STATEMENT_BYTES_MAX, s->argc, (const char *const *)s->argv);
		if (rc != 0) {
			s->sent = false;
			lost_f(s, "cannot ask '%s'", spot_endpoint(s->spot)->name);
		}
	}
}

static void
tick(uv_timer_t *timer)
{
	struct statement *s = timer->data;
	int64_t left;

	uv_update_time(s->spot->set->c.loop);
	left = s->due - (int64_t)uv_now(s->spot->set->c.loop);
	if (left > 0) {
		(void)uv_timer_start(&s->timer, tick, (uint64_t)left, 0);
		proceed(s);
	} else if (!s->broken)
		lost_f(s, "'%s' did not answer in time", spot_endpoint(s->spot)->name);
	else if (s->done != NULL)
		proceed(s);
}

struct statement *
statement_new(struct probes *probes, int endpoint, int64_t deadline_ms)
{
	struct statement *s = mem_alloc(sizeof(*s));

	s->spot = &probes->spots[endpoint];
	(void)uv_timer_init(probes->c.loop, &s->timer);
	s->timer.data = s;
	s->due = (int64_t)uv_now(probes->c.loop) + (deadline_ms < 1 ? 1 : deadline_ms);
	return s;
}

/* At the next turn of the loop, and not from inside the caller. */
static void
begin_question(struct statement *s, statement_done *done, void *arg)
{
	if (s->done != NULL)
		abort();	/* one at a time */
	forget_answer(s);
	s->done = done;
	s->arg = arg;
	(void)uv_timer_start(&s->timer, tick, 0, 0);
}

void
statement_sql(struct statement *s, const char *sql, statement_done *done, void *arg)
{
	s->sql = mem_strdup(sql);
	begin_question(s, done, arg);
}

void
statement_command(struct statement *s, int argc, const char *const argv[], statement_done *done,
    void *arg)
{
	if (argc > ARGS_MAX)
		abort();
	s->argv = mem_array((size_t)argc, sizeof(*s->argv));
	for (s->argc = 0; s->argc < argc; s->argc++)
		s->argv[s->argc] = mem_strdup(argv[s->argc]);
	begin_question(s, done, arg);
}

static void
timer_closed(uv_handle_t *h)
{
	free(h->data);
}

void
statement_free(struct statement *s)
{
	if (s == NULL)
		return;
	hang_up(s);
	s->done = NULL;
	forget_question(s);
	forget_answer(s);
	(void)uv_timer_stop(&s->timer);
	uv_close((uv_handle_t *)&s->timer, timer_closed);
}

/* ---- quoting ---- */

void
statement_put_name(struct buf *out, const char *name)
{
	(void)buf_putc(out, '"');
	for (; *name != '\0'; name++)
		if (*name == '.')
			(void)buf_puts(out, "\".\"");
		else {
			if (*name == '"')
				(void)buf_putc(out, '"');
			(void)buf_putc(out, *name);
		}
	(void)buf_putc(out, '"');
}

void
statement_put_literal(struct buf *out, const char *value)
{
	if (strchr(value, '\\') != NULL)
		(void)buf_putc(out, 'E');
	(void)buf_putc(out, '\'');
	for (; *value != '\0'; value++) {
		if (*value == '\'' || *value == '\\')
			(void)buf_putc(out, *value);
		(void)buf_putc(out, *value);
	}
	(void)buf_putc(out, '\'');
}
