/*
 * worker_jobs: the questions of the console, each from its message to its one answer,
 * and the secrets that some of them wait for.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/err.h"
#include "core/fill.h"
#include "core/mem.h"
#include "core/text.h"
#include "remote/canary.h"
#include "remote/errand.h"
#include "remote/probe.h"
#include "remote/worker_int.h"

#define TEXT_QUEUE_MAX	((size_t)4 << 20)	/* progress is dropped while more than this waits to be read */
#define SECRET_FRESH_MS	60000			/* a secret kept on a host is read again after that long */
#define SECRET_READ_MS	20000			/* at least; others may want it that are more patient */

static void job_begin(struct job *);

struct job {
	struct job *prev, *next;
	struct worker *worker;
	uint64_t id;
	enum message_kind kind;		/* PROBE, CHECK, OP */
	int	 what, subject;
	int64_t	 since_ms, due;		/* due: loop time */
	int	 awaits;		/* a secret that is being read first, or NONE */
	size_t	 awaited;		/* OP: how many it went through; see op_secret() */
	uv_timer_t *wait;		/* until then; or NULL */
	bool	 op;			/* hostop is what runs it, else probe */
	struct probe *probe;
	struct hostop *hostop;
	struct check check;		/* CHECK: lives as long as its probe */
	struct rehearsal *rehearsal;	/* CHECK of that kind: likewise */
	struct rehearsed rehearsed;	/* what came of it, while the client's own runtime is run */
	struct errand *errand;
	struct wire_op order;		/* OP: likewise */
	struct wire_lease lease;	/* LEASE */
	struct canary_run *canary;	/* CANARY: of its worker; NULL: not begun */
	struct canary_terms terms;
};

static int64_t
wall_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void
tell_blob(struct worker *w, enum message_kind kind, uint64_t id, struct buf *blob)
{
	struct message m = { .kind = kind, .id = id, .subject = NONE, .blob = blob->data, .blob_len = blob->len };

	worker_say(w, &m);
	buf_release(blob);
}

/* ---- jobs ---- */

static struct job *
job_new(struct worker *w, const struct message *m)
{
	struct job *j = mem_alloc(sizeof(*j));

	j->worker = w;
	j->id = m->id;
	j->kind = m->kind;
	j->what = m->what;
	j->subject = m->subject;
	j->since_ms = m->since_ms;
	j->due = worker_now(w) + m->deadline_ms;
	j->awaits = NONE;
	j->next = w->jobs;
	if (w->jobs != NULL)
		w->jobs->prev = j;
	w->jobs = j;
	return j;
}

static void
job_free(struct job *j)
{
	if (j->prev != NULL)
		j->prev->next = j->next;
	else
		j->worker->jobs = j->next;
	if (j->next != NULL)
		j->next->prev = j->prev;
	if (j->kind == MSG_CHECK)
		check_release(&j->check);
	errand_cancel(j->errand);
	rehearsal_free(j->rehearsal);
	if (j->kind == MSG_OP)
		wire_op_release(&j->order);
	free(j);
}

static void
free_handle(uv_handle_t *handle)
{
	free(handle);
}

static void
job_await(struct job *j, int secret, uv_timer_cb late, int64_t left_ms)
{
	j->awaits = secret;
	j->wait = mem_alloc(sizeof(*j->wait));
	(void)uv_timer_init(&j->worker->loop, j->wait);
	j->wait->data = j;
	(void)uv_timer_start(j->wait, late, (uint64_t)left_ms, 0);
}

static void
job_await_no_more(struct job *j)
{
	j->awaits = NONE;
	if (j->wait != NULL)
		uv_close((uv_handle_t *)j->wait, free_handle);
	j->wait = NULL;
}

static void
job_cancel(struct job *j)
{
	job_await_no_more(j);
	if (j->probe != NULL)
		probe_cancel(j->probe);
	if (j->hostop != NULL)
		hostop_cancel(j->hostop);
	if (j->canary != NULL) {
		/* Nobody wants to know any more. */
		j->worker->canaries[j->subject] = NULL;
		canary_run_free(j->canary);
	}
	job_free(j);
}

static int64_t
job_left_ms(const struct job *j)
{
	int64_t left = j->due - worker_now(j->worker);

	return left < 1 ? 1 : left;
}

static void
job_read(void *arg, struct reading *r)
{
	struct job *j = arg;
	struct buf blob = { .max = WIRE_BLOB_MAX };

	j->probe = NULL;
	j->hostop = NULL;
	if (r->at_ms == 0)
		r->at_ms = wall_ms();
	reading_encode(r, &blob);
	reading_release(r);
	tell_blob(j->worker, MSG_READING, j->id, &blob);
	job_free(j);
}

/* An answer that needs no looking. */
static void
job_saw_nothing(struct job *j, const char *why)
{
	bool rehearsal = j->kind == MSG_CHECK && j->check.kind == CHECK_REHEARSAL;
	struct reading r = { .kind = rehearsal ? READING_REHEARSAL : j->kind == MSG_CHECK ? READING_CHECK :
		(enum reading_kind)j->what, .outcome = SAW_NOT };

	r.subject = rehearsal ? j->check.link : j->kind == MSG_CHECK ? 0 : j->subject;
	r.rehearsed.verdict = VERDICT_UNKNOWN;
	r.rehearsed.reach_us = r.rehearsed.secure_us = r.rehearsed.login_us = -1;
	r.census.connections_total = -1;
	r.why = mem_strdup(why);
	job_read(j, &r);
}

static void
job_did(void *arg, const struct op_result *result)
{
	struct job *j = arg;
	struct buf blob = { .max = WIRE_BLOB_MAX };

	j->hostop = NULL;
	op_result_encode(result, &blob);
	tell_blob(j->worker, MSG_OP_DONE, j->id, &blob);
	job_free(j);
}

static void
job_flew(void *arg, const struct canary_report *report)
{
	struct job *j = arg;
	struct buf blob = { .max = WIRE_BLOB_MAX };

	canary_report_encode(report, &blob);
	tell_blob(j->worker, MSG_CANARY_SEEN, j->id, &blob);
	job_free(j);
}

/* The same of an op: it was not begun. */

static void
job_did_nothing(struct job *j, const char *why)
{
	struct op_result result = { .outcome = j->what == OPV_APPLY ? OP_FAILED : OP_UNREACHED, .exit_status = -1 };

	result.why = mem_strdup(why);
	job_did(j, &result);
	op_result_release(&result);
}

static void
job_said(void *arg, const char *bytes, size_t len_bytes)
{
	struct job *j = arg;
	struct message m = { .kind = MSG_OP_TEXT, .id = j->id, .subject = NONE };
	size_t n;

	for (; len_bytes > 0; bytes += n, len_bytes -= n) {
		n = len_bytes < WIRE_OP_TEXT_MAX ? len_bytes : WIRE_OP_TEXT_MAX;
		if (uv_stream_get_write_queue_size((uv_stream_t *)&j->worker->socket) > TEXT_QUEUE_MAX)
			return;
		m.blob = mem_strndup(bytes, n);
		m.blob_len = n;
		worker_say(j->worker, &m);
		message_release(&m);
	}
}

/* ---- secrets ---- */

const char *
worker_secret(void *arg, int secret, const char **ret_why)
{
	struct worker *w = arg;
	struct secret_slot *s = &w->secrets[secret];

	if (s->value == NULL)
		*ret_why = s->why != NULL ? s->why : "it was not given yet";
	return s->value;
}

const char *
worker_pair(void *arg, int cert, size_t *ret_len)
{
	struct worker *w = arg;

	*ret_len = w->pairs[cert].len;
	return w->pairs[cert].pem;
}

void
worker_set_secret(struct secret_slot *s, const char *value, size_t len)
{
	mem_wipe_free(s->value, s->len);
	free(s->why);
	s->why = NULL;
	s->value = value == NULL ? NULL : mem_strndup(value, len);
	s->len = len;
}

static void
secret_read(void *arg, const char *value, size_t len, const char *why)
{
	struct secret_slot *s = arg;
	struct worker *w = s->worker;
	struct job *j, *next;

	s->reading = NULL;
	s->read_ms = worker_now(w);
	if (value != NULL)
		worker_set_secret(s, value, len);
	else if (s->value == NULL) {
		free(s->why);
		s->why = mem_strdup(why);
	}
	for (j = w->jobs; j != NULL; j = next) {
		next = j->next;
		if (j->awaits == s->secret) {
			job_await_no_more(j);
			job_begin(j);
		}
	}
}

static void
secret_late(uv_timer_t *timer)
{
	struct job *j = timer->data;
	const struct secret *def = &j->worker->fleet->secrets[j->awaits];
	char why[FLEET_NAME_MAX * 2 + 64];

	(void)snprintf(why, sizeof(why), "the secret '%s' was not read from host '%s' in time", def->name,
	    j->worker->fleet->hosts[def->host].name);
	job_await_no_more(j);
	if (j->kind == MSG_OP)
		job_did_nothing(j, why);
	else if (j->kind == MSG_CANARY) {
		struct canary_report report = { .n = 1 };

		report.v[0].saw = CANARY_BLIND;
		report.v[0].at_ms = wall_ms();
		(void)snprintf(report.v[0].why, sizeof(report.v[0].why), "%.*s", CANARY_WHY_MAX - 1, why);
		job_flew(j, &report);
	} else

		job_saw_nothing(j, why);
}

/* Does the job have to wait for a secret that is kept on a host? */
static bool
secret_awaited(struct job *j, int secret)
{
	struct worker *w = j->worker;
	const struct secret *def = &w->fleet->secrets[secret];
	struct secret_slot *s = &w->secrets[secret];
	int64_t left = job_left_ms(j);

	if (def->source != SECRET_HOST_ENV || def->host == NONE)
		return false;
	if (s->reading == NULL) {
		if (s->value != NULL && worker_now(w) - s->read_ms < SECRET_FRESH_MS)
			return false;
		s->reading = hostops_secret(w->hostops, secret, left < SECRET_READ_MS ? SECRET_READ_MS : left,
		    secret_read, s);
	}
	job_await(j, secret, secret_late, left);
	return true;
}

/* ---- questions ---- */

/*
 * The n-th secret by which the statements of an op may log in, or NONE: at its endpoint,
 * and of a drain at the poolers that dial it.  False: there are no more.
 */
static bool
op_secret(const struct worker *w, const struct op *op, size_t n, int *ret)
{
	const struct fleet *f = w->fleet;
	const struct link *l;
	int pooler;

	if (op->endpoint == NONE || n > f->nlinks || (n > 0 && op->kind != OP_DRAIN))
		return false;
	*ret = NONE;
	if (n == 0) {
		*ret = f->endpoints[op->endpoint].admin_secret;
		return true;
	}
	l = &f->links[n - 1];
	pooler = f->clients[l->client].pools;
	if (l->endpoint == op->endpoint && pooler != NONE)
		*ret = f->endpoints[pooler].admin_secret;
	return true;
}

/* ---- rehearsals ---- */

#define REHEARSE_DIAL_MS	5000	/* after which a client is said to hang */
#define REHEARSE_ASIDE_MS	2500	/* that a hanging one may take longer, to be told from a host that does not answer */
#define REHEARSE_OUTPUT_MAX	((size_t)16 << 10)

static void
rehearsal_over(struct job *j)
{
	const struct rehearsed *res = &j->rehearsed;
	struct reading r = { .kind = READING_REHEARSAL, .subject = j->check.link };

	r.rehearsed = *res;
	r.at_ms = res->at_ms;
	r.took_ms = wall_ms() - res->at_ms;
	r.outcome = res->verdict == VERDICT_UNKNOWN ? SAW_NOT : SAW;
	if (r.outcome == SAW_NOT)
		r.why = mem_strdup(res->why[0] == '\0' ? "no reason" : res->why);
	job_read(j, &r);
}

/* What the client's own runtime makes of it counts before what belay made of it in its place. */
static void
rehearsal_ran(void *arg, struct errand_result *e)
{
	struct job *j = arg;
	struct rehearsed *r = &j->rehearsed;
	const struct bedit *own = j->worker->fleet->links[j->check.link].rehearse;
	char line[256];

	j->errand = NULL;
	(void)errand_first_line(e, line, sizeof(line));
	(void)snprintf(r->says, sizeof(r->says), "%s", line);
	if (!e->ended || e->status == 126 || e->status == 127) {
		/* It could not be run: that is nothing about the client, but what was asked for is missing. */
		r->verdict = VERDICT_UNKNOWN;
		(void)snprintf(r->why, sizeof(r->why), "its own rehearsal cannot be run: %.300s", e->ended ? line : e->why);
	} else if (e->status != 0 || (own->expect != NULL && strstr(buf_str(e->out), own->expect) == NULL)) {
		r->ran = true;
		r->verdict = VERDICT_REFUSED;
		if (e->status != 0)
			(void)snprintf(r->why, sizeof(r->why), "its own rehearsal ended with %d: %.256s", e->status, line);
		else
			(void)snprintf(r->why, sizeof(r->why), "its own rehearsal does not say '%.200s'", own->expect);
	} else
		r->ran = true;
	rehearsal_over(j);
}

static int64_t
rehearsal_left(const struct job *j)
{
	int64_t left = job_left_ms(j) - REHEARSE_ASIDE_MS;

	return left > REHEARSE_DIAL_MS ? REHEARSE_DIAL_MS : left < 1 ? 1 : left;
}

/* The command with the mode and the CA file in it that the settings come to. */
static int
own_command(const struct job *j, struct buf *out, struct err *err)
{
	const struct link *l = &j->worker->fleet->links[j->check.link];
	struct fill fill = { .dial = dial_word(j->rehearsed.dial), .ca_file = l->trust_file, .cert = NONE };
	int flags = 0;

	if (l->rehearse->in != NULL) {
		buf_puts(out, "cd ");
		text_shell_quote(out, l->rehearse->in);
		buf_puts(out, " && { ");
	}
	if (fill_text(out, &fill, l->rehearse->run, FILL_COMMAND, &flags, err) != 0)
		return -1;
	if (l->rehearse->in != NULL)
		buf_puts(out, "\n}");
	return 0;
}

static void
rehearsal_dialled(void *arg, const struct rehearsed *res)
{
	struct job *j = arg;
	const struct link *l = &j->worker->fleet->links[j->check.link];
	struct buf command;
	struct err err;
	int host;

	j->rehearsed = *res;
	/* It knows the settings as they are, and no others; and where belay's own stand-in is refused, nothing can better it. */
	if (l->rehearse == NULL || j->check.dial != DIAL_UNKNOWN || j->check.trust != NONE ||
	    res->verdict <= VERDICT_HANGS || res->dial == DIAL_UNKNOWN) {
		rehearsal_over(j);
		return;
	}
	buf_init(&command, 0);
	host = l->rehearse->on.n > 0 ? l->rehearse->on.v[0] : link_host(j->worker->fleet, l);
	if (own_command(j, &command, &err) == 0)
		j->errand = errand_run(worker_session(j->worker, host), buf_str(&command), REHEARSE_OUTPUT_MAX,
		    l->rehearse->deadline_ms > 0 && l->rehearse->deadline_ms < job_left_ms(j) ? l->rehearse->deadline_ms :
		    job_left_ms(j), rehearsal_ran, j);
	buf_release(&command);
	if (j->errand != NULL)
		return;
	j->rehearsed.verdict = VERDICT_UNKNOWN;
	(void)snprintf(j->rehearsed.why, sizeof(j->rehearsed.why), "its own rehearsal: %.400s", err.msg);
	rehearsal_over(j);
}

static void
rehearsal_knows(void *arg, const char *why)
{
	struct job *j = arg;

	if (why != NULL)
		job_saw_nothing(j, why);
	else
		(void)rehearsal_dial(j->rehearsal, rehearsal_left(j), rehearsal_dialled, j);
}

static void
rehearsal_begin(struct job *j)
{
	struct rehearsal_as as = { j->check.link, j->check.known, j->check.dial, j->check.trust, j->check.lands };

	j->rehearsal = rehearsal_new(&j->worker->rehearsals, &as);
	rehearsal_read(j->rehearsal, job_left_ms(j), rehearsal_knows, j);
}

static void
canary_begin_job(struct job *j)
{
	struct canary_run **run = &j->worker->canaries[j->subject];

	if (*run != NULL && !canary_run_is(*run, j->subject, (enum dial)j->what, &j->terms)) {
		canary_run_free(*run);
		*run = NULL;
	}
	if (*run == NULL)
		*run = canary_run_new(&j->worker->rehearsals, j->subject, (enum dial)j->what, &j->terms);
	j->canary = *run;
	canary_run_ask(*run, job_flew, j);
}

static void
job_begin(struct job *j)
{

	struct worker *w = j->worker;
	int secret;

	if (j->kind == MSG_OP)
		while (op_secret(w, &j->order.op, j->awaited, &secret)) {
			j->awaited++;
			if (secret != NONE && secret_awaited(j, secret))
				return;
		}
	worker_give_addresses(w);
	if (j->kind == MSG_OP) {
		j->hostop = hostops_op(w->hostops, (enum op_verb)j->what, &j->order, job_left_ms(j), job_did,
		    job_said, j);
		return;
	}
	if (j->kind == MSG_CANARY) {
		canary_begin_job(j);
		return;
	}
	if (j->kind == MSG_CHECK && j->check.kind == CHECK_REHEARSAL)
		rehearsal_begin(j);
	else if (j->kind == MSG_CHECK)
		j->probe = probe_check(w->probes, &j->check, j->since_ms, job_left_ms(j), job_read, j);
	else
		j->probe = probe_endpoint(w->probes, (enum reading_kind)j->what, j->subject, job_left_ms(j), job_read, j);
}

static void
probe_of_endpoint(struct job *j, int endpoint)
{
	const struct endpoint *ep = &j->worker->fleet->endpoints[endpoint];

	if (ep->via == NONE && ep->host == NONE)
		job_saw_nothing(j, "the fleet names no host to look from");
	else if (ep->probe_secret == NONE || (j->kind == MSG_PROBE && (j->what == READING_SERVED || j->what == READING_DEPTH)) ||
	    !secret_awaited(j, ep->probe_secret))
		job_begin(j);
}

static void
take_probe(struct worker *w, const struct message *m)
{
	struct job *j;

	if (!worker_has(w, m->subject, m->what == READING_HOST ? w->fleet->nhosts : w->fleet->nendpoints))
		return;
	j = job_new(w, m);
	if (m->what == READING_HOST)
		j->hostop = hostops_read(w->hostops, m->subject, job_left_ms(j), job_read, j);
	else
		probe_of_endpoint(j, m->subject);
}

/* Without its password a rehearsal shows the way as well: no host is asked for one that this worker has nothing to do with. */
static void
take_rehearsal(struct job *j)
{
	const struct fleet *f = j->worker->fleet;
	int secret = f->endpoints[f->links[j->check.link].endpoint].probe_secret;

	if (!link_rehearsable(f, j->check.link))
		job_saw_nothing(j, "nothing can be rehearsed there, by the fleet file");
	else if (secret == NONE || f->secrets[secret].source != SECRET_HOST_ENV ||
	    !worker_owns(j->worker, f->secrets[secret].host) || !secret_awaited(j, secret))
		job_begin(j);
}

static void
take_check(struct worker *w, const struct message *m)
{
	struct check c;
	struct err err;
	struct job *j;

	if (check_decode(&c, m->blob, m->blob_len, &err) == -1) {
		worker_die(w, "a check", &err);
		return;
	}
	if (c.host == NONE)
		c.host = m->subject;
	if ((c.host != NONE && !worker_has(w, c.host, w->fleet->nhosts)) ||
	    (c.endpoint != NONE && !worker_has(w, c.endpoint, w->fleet->nendpoints)) ||
	    (c.link != NONE && !worker_has(w, c.link, w->fleet->nlinks)) ||
	    !trust_valid(c.trust, w->fleet->ncerts) ||
	    (c.kind == CHECK_REHEARSAL && !worker_has(w, c.link, w->fleet->nlinks))) {
		check_release(&c);
		return;
	}
	j = job_new(w, m);
	j->check = c;
	if (c.kind == CHECK_REHEARSAL)
		take_rehearsal(j);
	else if (c.endpoint != NONE && c.kind == CHECK_SETTING)
		probe_of_endpoint(j, c.endpoint);
	else
		job_begin(j);
}

static void
take_canary(struct worker *w, const struct message *m)
{
	struct canary_terms terms;
	const struct link *link;
	int dial, host;
	struct job *j;

	if (!canary_order_decode(&terms, &dial, DIAL_UNKNOWN, m->blob, m->blob_len)) {
		worker_die(w, "a canary", NULL);
		return;
	}
	if (!worker_has(w, m->subject, w->fleet->nlinks))
		return;
	link = &w->fleet->links[m->subject];
	host = link_host(w->fleet, link);
	if (!worker_has(w, host, w->fleet->nhosts))
		return;
	/* One question at a time: an earlier one was lost to the console. */
	for (j = w->jobs; j != NULL; j = j->next)
		if (j->kind == MSG_CANARY && j->subject == m->subject) {
			if (j->canary != NULL)
				canary_run_forget(j->canary);
			j->canary = NULL;
			job_cancel(j);
			break;
		}
	j = job_new(w, m);
	j->what = dial;
	j->terms = terms;
	if (w->fleet->endpoints[link->endpoint].probe_secret == NONE ||
	    !secret_awaited(j, w->fleet->endpoints[link->endpoint].probe_secret))
		job_begin(j);
}

static void
take_op(struct worker *w, const struct message *m)
{
	struct wire_op order;
	struct err err;
	struct job *j;
	size_t i;
	bool ok;

	if (wire_op_decode(&order, m->blob, m->blob_len, &err) == -1) {
		worker_die(w, "an op", &err);
		return;
	}
	ok = worker_has(w, order.op.host, w->fleet->nhosts) &&
	    (order.op.unit == NONE || worker_has(w, order.op.unit, w->fleet->nunits)) &&
	    (order.op.endpoint == NONE || worker_has(w, order.op.endpoint, w->fleet->nendpoints));
	for (i = 0; ok && i < order.unseen.n; i++)
		ok = worker_has(w, order.unseen.v[i], w->fleet->nendpoints);
	if (!ok) {
		wire_op_release(&order);
		return;
	}
	j = job_new(w, m);
	j->order = order;
	job_begin(j);
}

static void
take_lease(struct worker *w, const struct message *m)
{
	struct wire_lease order;
	struct err err;
	struct job *j;

	if (wire_lease_decode(&order, m->blob, m->blob_len, &err) == -1) {
		worker_die(w, "a lease", &err);
		return;
	}
	if (!worker_has(w, m->subject, w->fleet->nhosts))
		return;
	j = job_new(w, m);
	j->lease = order;
	j->hostop = hostops_lease(w->hostops, m->subject, &j->lease, job_left_ms(j), job_did, j);
}

static void
take_records(struct worker *w, const struct message *m)
{
	struct job *j;

	if (!worker_has(w, m->subject, w->fleet->nhosts))
		return;
	j = job_new(w, m);
	j->hostop = hostops_records(w->hostops, m->subject, m->blob == NULL ? "" : m->blob, job_left_ms(j), job_did, j);
}

static void
take_cancel(struct worker *w, const struct message *m)
{
	struct job *j;

	for (j = w->jobs; j != NULL; j = j->next)
		if (j->id == m->id) {
			job_cancel(j);
			return;
		}
}

static void
take_hurry(struct worker *w, const struct message *m)
{
	struct job *j;

	for (j = w->jobs; j != NULL; j = j->next)
		if (j->id == m->id && j->hostop != NULL) {
			hostop_hurry(j->hostop);
			return;
		}
}

void
worker_take_question(struct worker *w, const struct message *m)
{
	switch (m->kind) {
	case MSG_PROBE:
		take_probe(w, m);
		return;
	case MSG_CHECK:
		take_check(w, m);
		return;
	case MSG_OP:
		take_op(w, m);
		return;
	case MSG_LEASE:
		take_lease(w, m);
		return;
	case MSG_RECORDS:
		take_records(w, m);
		return;
	case MSG_CANARY:
		take_canary(w, m);
		return;
	case MSG_CANCEL:
		take_cancel(w, m);
		return;
	case MSG_HURRY:
		take_hurry(w, m);
		return;
	default:
		worker_die(w, "not a question", NULL);
	}
}

void
worker_end_jobs(struct worker *w)
{
	while (w->jobs != NULL)
		job_cancel(w->jobs);
}
