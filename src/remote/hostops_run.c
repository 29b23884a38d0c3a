/*
 * hostops_run: commands.  One call; before a command that can be observed a
 * look at its record and at what its `observe` says.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/mem.h"
#include "remote/activate.h"
#include "remote/hostops_int.h"

#define RUNS_STILL_MS	500	/* how soon a command that still runs is asked about again */
#define SHOWN_MAX	120	/* a value that is longer is shown as a fingerprint */

static void	run(struct hostop *);

static void
say_running(struct hostop *h, const char *runner)
{
	int digits = (int)strspn(runner, "0123456789");

	hostop_say(h, "the command still runs on the host%s%.*s%s", digits > 0 ? " (below process " : "",
	    digits > 10 ? 10 : digits, runner, digits > 0 ? "): wait for its end, or end it there" : "");
}

static void
run_again(uv_timer_t *timer)
{
	struct hostop *h = timer->data;

	h->anew = false;
	run(h);
}

/* It ended well, now or before. */
static void
ran(struct hostop *h, enum op_outcome good, bool before)
{
	if (h->activation != NULL)
		hostop_await_back(h, good, before);
	else
		hostop_finish(h, good);
}

/* The files that the answer calls so; false where there are none. */
static bool
put_files(const struct host_answer *a, const char *word, struct buf *names)
{
	const struct host_item *item;
	size_t i;

	for (i = 0; (item = host_item(a, word, i)) != NULL; i++)
		(void)buf_printf(names, "%s'%s'", i == 0 ? "" : ", ", item->rest);
	return i > 0;
}

static void
touched_drifted(struct hostop *h, const struct host_answer *a)
{
	struct buf names;

	buf_init(&names, 512);
	hostop_say(h, "%s: neither as before nor as the command left it: somebody changed it since; nothing was "
	    "undone: put back what the command left or what was before and undo again, or keep what is there",
	    put_files(a, "drifted", &names) ? buf_str(&names) : "a file that it touched");
	buf_release(&names);
	hostop_drifted(h, NULL);
}

/* What was observed before, after and now, which is three. */
static void
value_drifted(struct hostop *h, const struct host_answer *a)
{
	const struct host_item *item;
	struct buf text;
	size_t i;

	buf_init(&text, OP_TEXT_MAX);
	for (i = 0; (item = host_item(a, "value", i)) != NULL; i++)
		(void)buf_printf(&text, "%s: %.*s%s", item->rest, (int)item->len, item->data,
		    item->len > 0 && item->data[item->len - 1] == '\n' ? "" : "\n");
	hostop_say(h, "what '%s' %s is neither as before nor as the command left it: somebody changed it since; "
	    "nothing was undone: put back one of them and undo again, or keep what is there",
	    h->op->by_value ? h->op->observe : h->op->version, h->op->by_value ? "observes" : "prints");
	hostop_drifted(h, buf_str(&text));
	buf_release(&text);
}

/* As before, but for what was to be kept. */
static void
put_back(struct hostop *h, const struct host_answer *a)
{
	struct buf names;

	buf_init(&names, 512);
	if (put_files(a, "kept", &names))
		hostop_say(h, "left as somebody else wrote it: %s", buf_str(&names));
	buf_release(&names);
	hostop_finish(h, OP_RESTORED);
}

static void
run_done(void *arg, enum hostcall_end end, const struct host_answer *a, const struct err *why)
{
	struct hostop *h = arg;
	const struct host_item *out;
	const char *rest;
	enum op_outcome good = h->verb == OPV_UNDO ? OP_RESTORED : OP_APPLIED;
	long code;

	if (hostop_no_answer(h, end, a, why))
		return;
	if ((out = host_item(a, "out", 0)) != NULL)
		hostop_set_text(h, out->data, out->len);
	if (host_outcome_is(a, "exit", &rest)) {
		code = strtol(rest, NULL, 10);
		h->result.exit_status = code < 0 || code > 255 ? 255 : (int)code;
		if (code == 0) {
			ran(h, good, false);
			return;
		}
		if (code > 128)
			hostop_say(h, "the command was ended by signal %ld", code - 128);
		else
			hostop_say(h, "the command ended with status %ld", code);
		hostop_finish(h, OP_FAILED);
	} else if (host_outcome_is(a, "again", NULL)) {
		h->result.exit_status = 0;
		ran(h, good, true);
	} else if (host_outcome_is(a, "undone", NULL)) {
		put_back(h, a);
	} else if (host_outcome_is(a, "drift", NULL)) {
		if (host_item(a, "value", 0) != NULL)
			value_drifted(h, a);
		else
			touched_drifted(h, a);
	} else if (host_outcome_is(a, "none", NULL)) {
		hostop_finish(h, OP_RESTORED);
	} else if (host_outcome_is(a, "running", &rest)) {
		h->runs = true;
		/* Whoever began it is gone (a worker that died, a session that broke): its end is waited for. */
		if (h->due - (int64_t)uv_now(h->set->c.loop) > 2 * RUNS_STILL_MS) {
			(void)uv_timer_start(&h->timer, run_again, RUNS_STILL_MS, 0);
			return;
		}
		say_running(h, rest);
		hostop_finish(h, OP_CUT);
	} else if (host_outcome_is(a, "cut", NULL)) {
		hostop_say(h, "the command was begun before and its end is not known; "
		    "it is not said to be idempotent, so it is not run again");
		hostop_finish(h, OP_CUT);
	} else
		hostop_malformed(h, a);
}

static void
run_text(void *arg, const char *bytes, size_t len)
{
	struct hostop *h = arg;

	h->text(h->arg, bytes, len);
}

static size_t
lines_of(const char *p, size_t len)
{
	size_t i, lines = 0;

	for (i = 0; i < len; i++)
		lines += p[i] == '\n';
	return lines;
}

/* The command by its lines, and behind it what it reads. */
static int
put_input(const struct op *op, struct buf *q, struct buf *payload, size_t from, struct err *err)
{
	char number[32];
	size_t lines, len;

	lines = 1 + lines_of(payload->data + from, payload->len - from);
	(void)buf_putc(payload, '\n');
	len = payload->len;
	op_input(op, payload);
	(void)snprintf(number, sizeof(number), "%zu", lines);
	if (host_header(q, "command-lines", number, err) != 0)
		return -1;
	(void)snprintf(number, sizeof(number), "%zu", payload->len - len);
	return host_header(q, "input-bytes", number, err);
}

static void
run(struct hostop *h)
{
	static const struct hostcall_events quiet = { .done = run_done };
	static const struct hostcall_events talking = { .done = run_done, .text = run_text };
	const struct op *op = h->op;
	/* One that takes its value is given another. */
	const char *command = h->verb == OPV_UNDO && op->kind == OP_RUN && op->value == NULL ? op->undo : op->run;
	const char *shows = op->kind != OP_RUN ? NULL : op->by_value ? op->observe : op->version;
	struct buf *q = hostop_request(h), payload;
	struct err err;
	char seconds[32];
	size_t i, version_len;
	int rc;

	(void)snprintf(seconds, sizeof(seconds), "%lld",
	    (long long)((h->due - (int64_t)uv_now(h->set->c.loop)) / 1000 + 5));
	buf_init(&payload, 0);
	payload.secret = true;
	if (shows != NULL)
		(void)buf_printf(&payload, "%s\n", shows);
	version_len = payload.len;
	(void)buf_puts(&payload, command == NULL ? "" : command);
	rc = hostop_write_headers(h, q, &err) != 0 || host_header(q, "in", op->in, &err) != 0 ||
	    host_header(q, "phase", h->verb == OPV_UNDO ? "undo" : "do", &err) != 0 ||
	    host_header(q, "idempotent", op->idempotent ? "1" : NULL, &err) != 0 ||
	    host_header(q, "always", op->kind == OP_ACTIVATE ? "1" : NULL, &err) != 0 ||
	    host_header(q, "anew", h->anew ? "1" : NULL, &err) != 0 ||
	    hostop_by_value(h, q, &err) != 0 ||
	    host_header(q, "live", h->text != NULL ? seconds : NULL, &err) != 0 ? -1 : 0;
	for (i = 0; rc == 0 && i < op->touches.n && h->verb == OPV_APPLY; i++)
		rc = host_header(q, "touch", op->touches.v[i], &err);
	if (rc == 0 && h->order->keep)
		rc = host_header(q, "as-is", "1", &err);
	if (rc == 0 && op->touches.n > 0) {
		(void)snprintf(seconds, sizeof(seconds), "%zu", HOST_TOUCHED_MAX);
		rc = host_header(q, "max", seconds, &err);
	}
	if (rc == 0 && version_len > 0) {
		(void)snprintf(seconds, sizeof(seconds), "%zu", lines_of(buf_str(&payload), version_len));
		rc = host_header(q, "version-lines", seconds, &err);
	}
	if (rc == 0 && h->verb == OPV_APPLY && op->kind == OP_RUN && op->set.n > 0)
		rc = put_input(op, q, &payload, version_len, &err);
	if (rc != 0)
		hostop_failed(h, &err);
	else {
		h->wrote = true;
		hostop_call(h, "run", op->id, buf_str(&payload), payload.len,
		    h->text != NULL ? &talking : &quiet);
	}
	buf_release(&payload);
}

/* What the record says of a reload that a server was told. */
static void
native_looked(struct hostop *h, const struct looked *l)
{
	if (strcmp(l->record, "none") == 0)
		hostop_finish(h, OP_FRESH);
	else if (strcmp(l->record, "applied") == 0)
		hostop_finish(h, OP_APPLIED);
	else if (strcmp(l->record, "undone") == 0)
		hostop_finish(h, OP_RESTORED);
	else {
		hostop_say(h, strcmp(l->record, "failed") == 0 ? "the server refused to reload" :
		    "the reload was begun and its end is not known");
		hostop_finish(h, strcmp(l->record, "failed") == 0 ? OP_FAILED : OP_CUT);
	}
}

/* RECORD, and OBSERVE where there is no `observe` command. */
static void
command_looked(void *arg, enum hostcall_end end, const struct host_answer *a, const struct err *why)
{
	struct hostop *h = arg;
	struct looked l;
	struct err err;
	long code;

	if (hostop_no_answer(h, end, a, why))
		return;
	(void)hostop_read_look(&l, a, NULL, &err);
	if (h->verb == OPV_OBSERVE) {
		hostop_finish(h, h->op->kind == OP_RUN && strcmp(l.record, "ended 0") == 0 ?
		    OP_IN_PLACE : OP_FRESH);
		return;
	}
	if (h->op->native) {
		native_looked(h, &l);
		return;
	}
	if (l.out_len > 0)
		hostop_set_text(h, l.out, l.out_len);
	if (strcmp(l.record, "none") == 0) {
		hostop_finish(h, OP_FRESH);
	} else if (l.running != NULL) {
		say_running(h, l.running);
		hostop_finish(h, OP_UNREACHED);
	} else if (strncmp(l.record, "ended ", 6) == 0) {
		code = strtol(l.record + 6, NULL, 10);
		h->result.exit_status = code < 0 || code > 255 ? 255 : (int)code;
		if (code != 0)
			hostop_say(h, "the command ended with status %ld", code);
		hostop_finish(h, code == 0 ? OP_APPLIED : OP_FAILED);
	} else if (strcmp(l.record, "undo-ended 0") == 0 || strcmp(l.record, "undone") == 0) {
		hostop_finish(h, OP_RESTORED);
	} else if (strcmp(l.record, "putting-back") == 0) {
		hostop_say(h, "its undo was begun and not finished; undo again");
		hostop_finish(h, OP_CUT);
	} else {
		hostop_say(h, "the command was begun and its end is not known");
		hostop_finish(h, OP_CUT);
	}
}

/* Without the newlines at its end, as a shell has it. */
static bool
says_just(const struct host_item *out, const char *value)
{
	size_t len = out == NULL ? 0 : out->len;

	while (len > 0 && out->data[len - 1] == '\n')
		len--;
	return len == strlen(value) && memcmp(out->data, value, len) == 0;
}

/* What `observe` printed and how it ended. */
static bool
says_in_place(const struct hostop *h, const struct host_answer *a)
{
	const struct host_item *out = host_item(a, "out", 0);
	const char *rest;

	if (!host_outcome_is(a, "exit", &rest) || strcmp(rest, "0") != 0)
		return false;
	if (h->op->value != NULL)
		return says_just(out, h->op->value);
	/* What it says is then compared with itself alone. */
	if (h->op->expect == NULL)
		return !h->op->by_value;
	return out != NULL && strstr(out->data, h->op->expect) != NULL;
}

/* The preview of one that is undone by value: by what. */
static void
put_way_back(struct hostop *h, const struct host_item *out)
{
	char *text = mem_printf("%s\nobserved by %s: %.*s\nundone by %s", h->result.text == NULL ? "" : h->result.text,
	    h->op->observe, out == NULL || out->len > SHOWN_MAX * 8 ? SHOWN_MAX * 8 * (out != NULL) : (int)out->len,
	    out == NULL ? "" : out->data, h->op->value != NULL ? "the same, with BELAY_VALUE as that is now" : h->op->undo);

	hostop_set_text(h, text, strlen(text));
	free(text);
}

static void
observed(void *arg, enum hostcall_end end, const struct host_answer *a, const struct err *why)
{
	struct hostop *h = arg;

	const char *rest;

	if (hostop_no_answer(h, end, a, why))
		return;
	if (h->op->by_value)
		put_way_back(h, host_item(a, "out", 0));
	if (h->op->by_value && host_outcome_is(a, "exit", &rest) && strcmp(rest, "0") != 0) {
		hostop_say(h, "'%s', which observes what is to be undone later, ended with status %.8s", h->op->observe, rest);
		hostop_finish(h, OP_FAILED);
		return;
	}
	hostop_finish(h, says_in_place(h, a) ? OP_IN_PLACE : OP_FRESH);
}

/* What the command reads and what is kept before it. */
static void
put_surroundings(const struct hostop *h, struct buf *text)
{
	char print[DIGEST_PRINT_SIZE];
	size_t i;

	for (i = 0; h->op->kind == OP_RUN && i < h->op->set.n; i++) {
		const struct pair *p = &h->op->set.v[i];

		bool hidden = h->op->secret || strlen(p->value) > SHOWN_MAX || strchr(p->value, '\n') != NULL;

		digest_print(h->set->c.key, sizeof(h->set->c.key), p->value, strlen(p->value), print);
		(void)buf_printf(text, "\nreads %s=%s%s", p->key, hidden ? "hmac:" : "", hidden ? print : p->value);
	}
	for (i = 0; i < h->op->touches.n; i++)
		(void)buf_printf(text, "\ntouches %s", h->op->touches.v[i]);
}

static void
try_observe(struct hostop *h, struct buf *q, const struct hostcall_events *events)
{
	struct err err;

	if (host_header(q, "in", h->op->in, &err) != 0 ||
	    hostop_by_value(h, q, &err) != 0)
		hostop_failed(h, &err);
	else
		hostop_call(h, "try", NULL, h->op->observe, strlen(h->op->observe), events);
}

static void
look_command(struct hostop *h)
{
	static const struct hostcall_events looked = { .done = command_looked };
	static const struct hostcall_events tried = { .done = observed };
	struct buf text, *q = hostop_request(h);

	if (h->verb == OPV_OBSERVE) {
		buf_init(&text, OP_TEXT_MAX);
		op_command_text(h->op, false, &text);
		put_surroundings(h, &text);
		hostop_set_text(h, buf_str(&text), text.len);
		buf_release(&text);
	}
	if (h->verb == OPV_OBSERVE && h->op->kind == OP_RUN && h->op->observe != NULL) {
		try_observe(h, q, &tried);
		return;
	}
	hostop_call(h, "look", h->op->id, NULL, 0, &looked);
}

/* Before a command that can be observed: somebody may have seen to it since the preview. */
static void
observed_again(void *arg, enum hostcall_end end, const struct host_answer *a, const struct err *why)
{
	struct hostop *h = arg;

	if (hostop_no_answer(h, end, a, why))
		return;
	if (!says_in_place(h, a)) {
		run(h);
		return;
	}
	hostop_set_text(h, "found in place: not run", strlen("found in place: not run"));
	hostop_finish(h, OP_APPLIED);
}

static void
looked_again(void *arg, enum hostcall_end end, const struct host_answer *a, const struct err *why)
{
	static const struct hostcall_events tried = { .done = observed_again };
	struct hostop *h = arg;
	struct looked l;
	struct err err;

	if (hostop_no_answer(h, end, a, why))
		return;
	(void)hostop_read_look(&l, a, NULL, &err);
	/* With a record of ours it is the record that decides. */
	if (strcmp(l.record, "none") != 0)
		run(h);
	else
		try_observe(h, hostop_request(h), &tried);
}

void
hostop_run_now(struct hostop *h)
{
	if (h->op->native)
		hostop_reload(h);
	else
		run(h);
}

void
hostop_run(struct hostop *h)
{
	static const struct hostcall_events looks = { .done = looked_again };
	const struct op *op = h->op;

	switch (h->verb) {
	case OPV_OBSERVE:
	case OPV_RECORD:
		look_command(h);
		return;
	case OPV_APPLY:
		if (op->kind == OP_RUN && op->observe != NULL && (!op->by_value || op->value != NULL || op->expect != NULL)) {
			(void)hostop_request(h);
			hostop_call(h, "look", op->id, NULL, 0, &looks);
		} else if (op->kind == OP_ACTIVATE)
			hostop_activate(h);
		else
			run(h);
		return;
	case OPV_UNDO:
		if (op->kind == OP_RUN && op->read_only)
			hostop_finish(h, OP_RESTORED);
		else if (op->kind == OP_RUN && op->undo == NULL && op->touches.n == 0 && op->value == NULL) {
			hostop_say(h, "there is no command that undoes it");
			hostop_finish(h, OP_FAILED);
		} else if (op->kind == OP_ACTIVATE)
			hostop_activate(h);
		else
			run(h);
		return;
	}
}
