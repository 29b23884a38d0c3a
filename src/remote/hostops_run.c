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
#include "remote/hostops_int.h"

#define RUNS_STILL_MS	500	/* how soon a command that still runs is asked about again */

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
	run(timer->data);
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
			hostop_finish(h, good);
			return;
		}
		if (code > 128)
			hostop_say(h, "the command was ended by signal %ld", code - 128);
		else
			hostop_say(h, "the command ended with status %ld", code);
		hostop_finish(h, OP_FAILED);
	} else if (host_outcome_is(a, "again", NULL)) {
		h->result.exit_status = 0;
		hostop_finish(h, good);
	} else if (host_outcome_is(a, "none", NULL)) {
		hostop_finish(h, OP_RESTORED);
	} else if (host_outcome_is(a, "running", &rest)) {
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

static void
run(struct hostop *h)
{
	static const struct hostcall_events quiet = { .done = run_done };
	static const struct hostcall_events talking = { .done = run_done, .text = run_text };
	const struct op *op = h->op;
	const char *command = h->verb == OPV_UNDO && op->kind == OP_RUN ? op->undo : op->run;
	struct buf *q = hostop_request(h);
	struct err err;
	char seconds[32];

	(void)snprintf(seconds, sizeof(seconds), "%lld",
	    (long long)((h->due - (int64_t)uv_now(h->set->c.loop)) / 1000 + 5));
	if (hostop_write_headers(h, q, &err) != 0 || host_header(q, "in", op->in, &err) != 0 ||
	    host_header(q, "phase", h->verb == OPV_UNDO ? "undo" : "do", &err) != 0 ||
	    host_header(q, "idempotent", op->idempotent ? "1" : NULL, &err) != 0 ||
	    host_header(q, "always", op->kind == OP_ACTIVATE ? "1" : NULL, &err) != 0 ||
	    host_header(q, "live", h->text != NULL ? seconds : NULL, &err) != 0) {
		hostop_failed(h, &err);
		return;
	}
	h->wrote = true;
	hostop_call(h, "run", op->id, command, strlen(command), h->text != NULL ? &talking : &quiet);
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
	} else if (strcmp(l.record, "undo-ended 0") == 0) {
		hostop_finish(h, OP_RESTORED);
	} else {
		hostop_say(h, "the command was begun and its end is not known");
		hostop_finish(h, OP_CUT);
	}
}

/* What `observe` printed and how it ended. */
static bool
says_in_place(const struct hostop *h, const struct host_answer *a)
{
	const struct host_item *out = host_item(a, "out", 0);
	const char *rest;

	return host_outcome_is(a, "exit", &rest) && strcmp(rest, "0") == 0 &&
	    (h->op->expect == NULL || (out != NULL && strstr(out->data, h->op->expect) != NULL));
}

static void
observed(void *arg, enum hostcall_end end, const struct host_answer *a, const struct err *why)
{
	struct hostop *h = arg;

	if (hostop_no_answer(h, end, a, why))
		return;
	hostop_finish(h, says_in_place(h, a) ? OP_IN_PLACE : OP_FRESH);
}

static void
look_command(struct hostop *h)
{
	static const struct hostcall_events looked = { .done = command_looked };
	static const struct hostcall_events tried = { .done = observed };
	struct buf text, *q = hostop_request(h);
	struct err err;

	if (h->verb == OPV_OBSERVE) {
		buf_init(&text, OP_TEXT_MAX);
		op_command_text(h->op, false, &text);
		hostop_set_text(h, buf_str(&text), text.len);
		buf_release(&text);
	}
	if (h->verb == OPV_OBSERVE && h->op->kind == OP_RUN && h->op->observe != NULL) {
		if (host_header(q, "in", h->op->in, &err) != 0)
			hostop_failed(h, &err);
		else
			hostop_call(h, "try", NULL, h->op->observe, strlen(h->op->observe), &tried);
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
	else if (host_header(hostop_request(h), "in", h->op->in, &err) != 0)
		hostop_failed(h, &err);
	else
		hostop_call(h, "try", NULL, h->op->observe, strlen(h->op->observe), &tried);
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
		if (op->kind == OP_RUN && op->observe != NULL) {
			(void)hostop_request(h);
			hostop_call(h, "look", op->id, NULL, 0, &looks);
		} else
			run(h);
		return;
	case OPV_UNDO:
		if (op->kind == OP_RUN && op->read_only)
			hostop_finish(h, OP_RESTORED);
		else if (op->kind == OP_RUN && op->undo == NULL) {
			hostop_say(h, "there is no command that undoes it");
			hostop_finish(h, OP_FAILED);
		} else
			run(h);
		return;
	}
}
