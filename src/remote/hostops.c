/*
 * hostops: see hostops.h.
 *
 * A call is a chain of at most a few host calls: for files a look, a
 * decision here, a write; for commands one run.  Each step's end decides
 * the next one or finishes.
 *
 * Invariants:
 *  1. finish() is the only way to an answer, and nothing touches a hostop
 *     after it.
 *  2. A write names the hash of what the look before it saw.  If the host
 *     finds something else there, the chain looks again (ROUNDS_MAX times).
 *  3. Pointers of a struct looked live as long as the answer they point into:
 *     until the events' done() returns.
 */
#include "remote/hostops.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/buf.h"
#include "core/edittext.h"
#include "core/err.h"
#include "core/mem.h"
#include "core/reader.h"
#include "pki/digest.h"
#include "remote/hostops_int.h"

#define ROUNDS_MAX	3
#define META_LINE_MAX	4200
#define RUNS_STILL_MS	500	/* how soon a command that still runs is asked about again */

static void	look(struct hostop *);

/* ------------------------------------------------------------------ the set */

struct hostops *
hostops_new(const struct hostops_config *config)
{
	struct hostops *set = mem_alloc(sizeof(*set));

	set->c = *config;
	set->cas = mem_array(config->fleet->ncerts, sizeof(*set->cas));
	return set;
}

void
hostops_free(struct hostops *set)
{
	size_t i;

	if (set == NULL)
		return;
	while (set->ops != NULL)
		hostop_cancel(set->ops);
	for (i = 0; i < set->c.fleet->ncerts; i++)
		free(set->cas[i].pem);
	free(set->cas);
	mem_wipe(set->c.key, sizeof(set->c.key));
	free(set);
}

void
hostops_ca(struct hostops *set, int cert, const char *pem, size_t len_bytes)
{
	struct ca *ca;

	if (cert < 0 || (size_t)cert >= set->c.fleet->ncerts)
		return;
	ca = &set->cas[cert];
	free(ca->pem);
	ca->pem = len_bytes == 0 ? NULL : mem_strndup(pem, len_bytes);
	ca->len = len_bytes;
}

/* ------------------------------------------------------------------ one call */

struct hostop *
hostop_new(struct hostops *set, int host, int64_t deadline_ms, void *arg)
{
	struct hostop *h = mem_alloc(sizeof(*h));

	h->set = set;
	h->host = host;
	h->arg = arg;
	h->due = (int64_t)uv_now(set->c.loop) + deadline_ms;
	h->result.exit_status = -1;
	(void)uv_timer_init(set->c.loop, &h->timer);
	h->timer.data = h;
	h->next = set->ops;
	if (h->next != NULL)
		h->next->prev = h;
	set->ops = h;
	return h;
}

static void
timer_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void
hostop_drop(struct hostop *h)
{
	if (h->prev != NULL)
		h->prev->next = h->next;
	else
		h->set->ops = h->next;
	if (h->next != NULL)
		h->next->prev = h->prev;
	hostcall_release(&h->call);
	op_result_release(&h->result);
	strings_release(&h->paths);
	uv_close((uv_handle_t *)&h->timer, timer_closed);
}

void
hostop_cancel(struct hostop *h)
{
	hostop_drop(h);
}

void
hostop_later(struct hostop *h, uv_timer_cb later)
{
	(void)uv_timer_start(&h->timer, later, 0, 0);
}

struct buf *
hostop_request(struct hostop *h)
{
	const struct host *host = &h->set->c.fleet->hosts[h->host];
	struct buf *q = hostcall_headers(&h->call);
	struct err ignored;

	(void)host_header(q, "state", host->state, &ignored);
	return q;
}

void
hostop_call(struct hostop *h, const char *verb, const char *op_id, const void *payload,
    size_t payload_len, const struct hostcall_events *events)
{
	int64_t left = h->due - (int64_t)uv_now(h->set->c.loop);

	hostcall_begin(&h->call, h->set->c.session(h->set->c.arg, h->host), verb, op_id, payload,
	    payload_len, left, events, h);
}

static void
finish(struct hostop *h, enum op_outcome outcome)
{
	struct op_result result = h->result;
	hostop_done *done = h->done;
	void *arg = h->arg;

	result.outcome = outcome;
	memset(&h->result, 0, sizeof(h->result));
	hostop_drop(h);
	done(arg, &result);
	op_result_release(&result);
}

static void say(struct hostop *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void
say(struct hostop *h, const char *fmt, ...)
{
	va_list ap;

	free(h->result.why);
	va_start(ap, fmt);
	h->result.why = mem_vprintf(fmt, ap);
	va_end(ap);
}

static void
failed(struct hostop *h, const struct err *err)
{
	say(h, "%s", err->msg);
	finish(h, OP_FAILED);
}

static void
set_text(struct hostop *h, const char *bytes, size_t len)
{
	size_t cut = len > OP_TEXT_MAX ? len - OP_TEXT_MAX : 0, i;

	free(h->result.text);
	h->result.text = mem_strndup(bytes + cut, len - cut);
	/* It travels as a string. */
	for (i = 0; i < len - cut; i++)
		if (h->result.text[i] == '\0')
			h->result.text[i] = '?';
}

static void
drifted(struct hostop *h, const char *text)
{
	if (text != NULL)
		set_text(h, text, strlen(text));
	finish(h, OP_DRIFTED);
}

/*
 * The host did not answer.  What that means hangs on whether anything that
 * changes something was sent.
 */
static void
unanswered(struct hostop *h, enum hostcall_end end, const struct err *why)
{
	say(h, "%s", why == NULL ? "the host did not answer" : why->msg);
	if (end == HOSTCALL_LATE && h->wrote && h->op->path == NULL)
		finish(h, OP_CUT);
	else if (h->verb == OPV_APPLY && (!h->wrote || end == HOSTCALL_NOT_SENT))
		finish(h, OP_FAILED);
	else
		finish(h, OP_UNREACHED);
}

/*
 * Answers that are the same for every verb: refused by the lock or the token, or an
 * error of the program's own.  True: it was one, and the call has ended.
 */
static bool
refused(struct hostop *h, const struct host_answer *a)
{
	const char *rest;

	if (host_outcome_is(a, "fail", &rest))
		say(h, "%s", rest);
	else if (host_outcome_is(a, "busy", NULL))
		say(h, "another belay holds this host's lock; try again when it is done");
	else if (host_outcome_is(a, "fenced", &rest))
		say(h, "somebody took this run over: the host has seen token %s", rest);
	else
		return false;
	finish(h, OP_FAILED);
	return true;
}

/* ------------------------------------------------------------------ looking */

static void
sha_copy(char ret[DIGEST_HEX_SIZE], const char *p, size_t len)
{
	ret[0] = '\0';
	if ((len == 1 && p[0] == '-') ||
	    (len == DIGEST_HEX_SIZE - 1 && strspn(p, "0123456789abcdef") >= len)) {
		memcpy(ret, p, len);
		ret[len] = '\0';
	}
}

static void
read_meta(struct looked *l, const struct host_item *meta)
{
	const char *p = meta->data, *end = p + meta->len, *nl;

	for (; p < end; p = nl + 1) {
		if ((nl = memchr(p, '\n', (size_t)(end - p))) == NULL)
			break;
		if (strncmp(p, "before ", 7) == 0)
			sha_copy(l->m_before, p + 7, (size_t)(nl - p) - 7);
		else if (strncmp(p, "after ", 6) == 0)
			sha_copy(l->m_after, p + 6, (size_t)(nl - p) - 6);
	}
}

static bool
read_image(const struct host_answer *a, const char *word, const char **ret, size_t *ret_len)
{
	const struct host_item *item = host_item(a, word, 0);

	*ret = item == NULL ? "" : item->data;
	*ret_len = item == NULL ? 0 : item->len;
	return item != NULL;
}

/* "N MODE UID GID LINKS USER:GROUP" */
static int
read_file_line(struct looked *l, const char *rest, struct err *err)
{
	unsigned uid, gid, links, number;
	int at = 0;

	if (sscanf(rest, "%u %7[0-7] %u %u %u %n", &number, l->mode, &uid, &gid, &links, &at) < 5 ||
	    at == 0)
		return err_set(err, "malformed answer: 'file %s'", rest);
	(void)snprintf(l->ids, sizeof(l->ids), "%u:%u", uid, gid);
	l->names = rest + at;
	return 0;
}

/* path == NULL: a record alone. */
static int
read_look(struct looked *l, const struct host_answer *a, const char *path, struct err *err)
{
	const struct host_item *item;

	memset(l, 0, sizeof(*l));
	l->content = "";
	l->names = "";
	(void)strcpy(l->sha, "-");
	item = host_item(a, "record", 0);
	l->record = item == NULL ? "none" : item->rest;
	item = host_item(a, "running", 0);
	l->running = item == NULL ? NULL : item->rest;
	l->torn = host_item(a, "torn", 0) != NULL;
	if ((item = host_item(a, "meta", 0)) != NULL)
		read_meta(l, item);
	l->has_before = read_image(a, "before", &l->before, &l->before_len);
	l->has_after = read_image(a, "after", &l->after, &l->after_len);
	l->has_back = read_image(a, "back", &l->back, &l->back_len);
	(void)read_image(a, "out", &l->out, &l->out_len);
	if (path == NULL)
		return 0;
	if ((item = host_item(a, "error", 0)) != NULL)
		return err_set(err, "'%s': %s", path,
		    strchr(item->rest, ' ') == NULL ? item->rest : strchr(item->rest, ' ') + 1);
	if ((item = host_item(a, "file", 0)) == NULL)
		return host_item(a, "absent", 0) != NULL ? 0 : err_set(err, "malformed answer");
	if (item->len > HOST_FILE_MAX)
		return err_set(err, "'%s' is larger than %zu bytes", path, HOST_FILE_MAX);
	l->there = true;
	l->content = item->data;
	l->len = item->len;
	digest_sha256_hex(l->content, l->len, l->sha);
	return read_file_line(l, item->rest, err);
}

static void
note_shas(struct hostop *h, const char *before, const char *after)
{
	(void)snprintf(h->result.before_sha, sizeof(h->result.before_sha), "%s", before);
	(void)snprintf(h->result.after_sha, sizeof(h->result.after_sha), "%s", after);
}

/* ------------------------------------------------------------------ files: writing */

static int
common_headers(struct hostop *h, struct buf *q, struct err *err)
{
	char number[32], when[32];
	struct tm tm;
	time_t now = time(NULL);

	(void)snprintf(number, sizeof(number), "%lld", (long long)h->order->token);
	(void)gmtime_r(&now, &tm);
	(void)strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
	if (host_header(q, "token", number, err) != 0 ||
	    host_header(q, "who", h->order->who, err) != 0 ||
	    host_header(q, "plan", h->order->plan_sha, err) != 0 ||
	    host_header(q, "when", when, err) != 0 ||
	    host_header(q, "kind", op_kind_word(h->op->kind), err) != 0)
		return -1;
	return 0;
}

/* Looks again where there is reason to think that the next round goes better. */
static bool
again(struct hostop *h)
{
	if (++h->rounds >= ROUNDS_MAX)
		return false;
	look(h);
	return true;
}

static void
put_done(void *arg, enum hostcall_end end, const struct host_answer *a, const struct err *why)
{
	struct hostop *h = arg;

	if (end != HOSTCALL_ANSWERED) {
		unanswered(h, end, why);
		return;
	}
	if (host_outcome_is(a, "applied", NULL) || host_outcome_is(a, "again", NULL)) {
		const struct host_item *sha = host_item(a, "sha", 0);
		const char *blank = sha == NULL ? NULL : strchr(sha->rest, ' ');

		if (blank != NULL) {
			sha_copy(h->result.before_sha, sha->rest, (size_t)(blank - sha->rest));
			sha_copy(h->result.after_sha, blank + 1, strlen(blank + 1));
		}
		finish(h, OP_APPLIED);
	} else if (host_outcome_is(a, "drift", NULL)) {
		say(h, "'%s' changed while it was being written; nothing was written", h->op->path);
		drifted(h, NULL);
	} else if (!refused(h, a)) {
		say(h, "malformed answer: '%s'", host_outcome(a));
		finish(h, OP_UNREACHED);
	}
}

static void
put(struct hostop *h, const struct looked *l, const char *after, size_t after_len, bool there)
{
	static const struct hostcall_events events = { .done = put_done };
	const struct op *op = h->op;
	struct buf *q = hostop_request(h);
	struct err err;
	char mode[8], sha[DIGEST_HEX_SIZE] = "-";

	if (there)
		digest_sha256_hex(after, after_len, sha);
	(void)snprintf(mode, sizeof(mode), "%o", op->mode < 0 ? 0u : (unsigned)op->mode & 07777u);
	if (common_headers(h, q, &err) != 0 || host_header(q, "path", op->path, &err) != 0 ||
	    host_header(q, "expect", l->sha, &err) != 0 || host_header(q, "after", sha, &err) != 0 ||
	    host_header(q, "mode", op->kind == OP_FILE && op->mode >= 0 ? mode : NULL, &err) != 0 ||
	    host_header(q, "owner", op->kind == OP_FILE ? op->owner : NULL, &err) != 0 ||
	    host_header(q, "in-place", op->in_place ? "1" : "0", &err) != 0) {
		failed(h, &err);
		return;
	}
	h->wrote = true;
	hostop_call(h, "put", op->id, after, there ? after_len : 0, &events);
}

static void
restore_done(void *arg, enum hostcall_end end, const struct host_answer *a, const struct err *why)
{
	struct hostop *h = arg;

	if (end != HOSTCALL_ANSWERED) {
		unanswered(h, end, why);
		return;
	}
	if (host_outcome_is(a, "undone", NULL) || host_outcome_is(a, "again", NULL) ||
	    host_outcome_is(a, "none", NULL)) {
		/* An apply that found its own write torn: healed, now from the beginning. */
		if (h->verb == OPV_APPLY && again(h))
			return;
		finish(h, h->verb == OPV_APPLY ? OP_FAILED : OP_RESTORED);
	} else if (host_outcome_is(a, "drift", NULL)) {
		if (again(h))
			return;
		say(h, "'%s' keeps changing; nothing was written", h->op->path);
		drifted(h, NULL);
	} else if (!refused(h, a)) {
		say(h, "malformed answer: '%s'", host_outcome(a));
		finish(h, OP_UNREACHED);
	}
}

/* to: NULL: the before-image; else these bytes, or no file where !there. */
static void
restore(struct hostop *h, const struct looked *l, const char *to, size_t to_len, bool there)
{
	static const struct hostcall_events events = { .done = restore_done };
	struct buf *q = hostop_request(h);
	struct err err;
	char sha[DIGEST_HEX_SIZE] = "-";

	if (to != NULL && there)
		digest_sha256_hex(to, to_len, sha);
	note_shas(h, l->sha, to == NULL ? l->m_before : sha);
	if (common_headers(h, q, &err) != 0 || host_header(q, "path", h->op->path, &err) != 0 ||
	    host_header(q, "expect", l->sha, &err) != 0 ||
	    host_header(q, "after", to == NULL ? NULL : sha, &err) != 0) {
		failed(h, &err);
		return;
	}
	h->wrote = true;
	hostop_call(h, "restore", h->op->id, to, to != NULL && there ? to_len : 0, &events);
}

/* ------------------------------------------------------------------ files: deciding */

static void
observe_file(struct hostop *h, const struct looked *l)
{
	struct buf after, text;
	struct err err;
	char sha[DIGEST_HEX_SIZE] = "-";
	bool there, same;

	buf_init(&after, 0);
	if (file_after(h->op, l, &after, &there, &err) != 0) {
		buf_release(&after);
		failed(h, &err);
		return;
	}
	if (there)
		digest_sha256_hex(buf_str(&after), after.len, sha);
	note_shas(h, l->sha, sha);
	buf_init(&text, OP_TEXT_MAX);
	file_preview(h->set, h->op, l, buf_str(&after), after.len, there, &text);
	set_text(h, buf_str(&text), text.len);
	same = strcmp(sha, l->sha) == 0 && file_mode_as_wanted(h->op, l);
	buf_release(&text);
	buf_release(&after);
	finish(h, same ? OP_IN_PLACE : OP_FRESH);
}

static void
apply_file(struct hostop *h, const struct looked *l)
{
	struct buf after;
	struct err err;
	bool there, ours;

	if (strcmp(l->record, "applied") == 0) {
		note_shas(h, l->m_before, l->m_after);
		if (strcmp(l->sha, l->m_after) == 0) {
			finish(h, OP_APPLIED);
			return;
		}
		say(h, "'%s' was written by this run and changed since; undo first", h->op->path);
		drifted(h, NULL);
		return;
	}
	if (strcmp(l->record, "intent") == 0 && l->torn) {
		restore(h, l, NULL, 0, true);
		return;
	}
	/* Cut after the write and before its record said so: put finishes that. */
	ours = strcmp(l->record, "intent") == 0 && strcmp(l->sha, l->m_after) == 0;
	if (!ours && h->rounds == 0 && h->order->expect_sha[0] != '\0' &&
	    strcmp(h->order->expect_sha, l->sha) != 0) {
		note_shas(h, l->sha, "");
		say(h, "'%s' is not what the preview saw; nothing was written: undo, then look at it again", h->op->path);
		drifted(h, NULL);
		return;
	}
	buf_init(&after, 0);
	if (file_after(h->op, l, &after, &there, &err) != 0)
		failed(h, &err);
	else
		put(h, l, buf_str(&after), after.len, there);
	buf_release(&after);
}

static void
undo_by_key(struct hostop *h, const struct looked *l)
{
	struct strings drift = { NULL, 0 };
	struct pairs set;
	struct strings unset;
	struct buf out, text;

	file_wrote(h->op, l, &set, &unset);
	buf_init(&out, 0);
	out.secret = true;
	if (text_restore(h->op->syntax, &out, l->before, l->before_len, &set, &unset, l->content,
	    l->len, &drift) > 0) {
		buf_init(&text, OP_TEXT_MAX);
		file_three_ways(h->set, h->op, l, &drift, &text);
		note_shas(h, l->sha, "");
		say(h, "'%s': somebody changed what we had written there (%s%s); nothing was undone: put back "
		    "ours or what was before, then undo again",
		    h->op->path, drift.v[0], drift.n > 1 ? " and more" : "");
		drifted(h, buf_str(&text));
		buf_release(&text);
	} else
		restore(h, l, buf_str(&out), out.len,
		    out.len > 0 || strcmp(l->m_before, "-") != 0);
	file_wrote_release(&set, &unset);
	strings_release(&drift);
	buf_release(&out);
}

/* Does a file that is edited by name, and that somebody else wrote to meanwhile, still have our values? */
static bool
still_ours(const struct hostop *h, const struct looked *l)
{
	struct buf after;
	struct err ignored;
	bool there, same;

	if (!op_kind_by_name(h->op->kind))
		return false;
	buf_init(&after, 0);
	same = file_after(h->op, l, &after, &there, &ignored) == 0 && after.len == l->len &&
	    memcmp(buf_str(&after), l->content, l->len) == 0;
	buf_release(&after);
	return same;
}

static void
undo_file(struct hostop *h, const struct looked *l)
{
	char back[DIGEST_HEX_SIZE];

	note_shas(h, l->sha, l->sha);
	/* For an undo expect_sha is what the apply left; empty where it changed nothing. */
	if (strcmp(l->record, "none") == 0 && h->order->expect_sha[0] != '\0' &&
	    (strcmp(l->sha, h->order->expect_sha) == 0 || still_ours(h, l))) {
		say(h, "the host has no record of this run any more, so the before-image of '%s' is lost; "
		    "put it back by hand, then undo again", h->op->path);
		finish(h, OP_FAILED);
		return;
	}
	if (strcmp(l->record, "none") == 0 || strcmp(l->record, "undone") == 0) {
		finish(h, OP_RESTORED);
		return;
	}
	if (l->m_before[0] == '\0' || l->m_after[0] == '\0') {
		say(h, "the record on the host is damaged; the before-image is under '%s'", h->op->id);
		finish(h, OP_FAILED);
		return;
	}
	if (strcmp(l->record, "undoing") == 0 && l->has_back) {
		digest_sha256_hex(l->back, l->back_len, back);
		if (l->torn || strcmp(l->sha, back) == 0) {
			restore(h, l, l->back, l->back_len, true);
			return;
		}
	}
	if (l->torn || strcmp(l->sha, l->m_before) == 0 || strcmp(l->sha, l->m_after) == 0) {
		restore(h, l, NULL, 0, true);
		return;
	}
	if (op_kind_by_name(h->op->kind) && l->there && (l->has_before || strcmp(l->m_before, "-") == 0) &&
	    (l->has_after || strcmp(l->m_after, "-") == 0)) {
		undo_by_key(h, l);
		return;
	}
	note_shas(h, l->sha, "");
	say(h, l->there ? "'%s' is not what we wrote: somebody changed it; nothing was undone" :
	    "'%s' is gone: somebody removed it; nothing was undone", h->op->path);
	drifted(h, NULL);
}

static void
record_file(struct hostop *h, const struct looked *l)
{
	note_shas(h, l->m_before, l->m_after);
	if (strcmp(l->record, "none") == 0) {
		note_shas(h, l->sha, "");
		finish(h, OP_FRESH);
	} else if (strcmp(l->record, "undone") == 0) {
		finish(h, OP_RESTORED);
	} else if (strcmp(l->record, "applied") == 0) {
		finish(h, OP_APPLIED);
	} else if (strcmp(l->record, "undoing") == 0) {
		say(h, "its undo was begun and not finished; undo again");
		finish(h, OP_CUT);
	} else if (l->torn && strcmp(l->sha, l->m_before) != 0 && strcmp(l->sha, l->m_after) != 0) {
		say(h, "'%s' was being written in place and is incomplete; undo heals it", h->op->path);
		finish(h, OP_CUT);
	} else if (strcmp(l->sha, l->m_before) == 0) {
		/* Also where before and after are the same: then nothing was left to do. */
		finish(h, strcmp(l->m_before, l->m_after) == 0 ? OP_APPLIED : OP_FRESH);
	} else if (strcmp(l->sha, l->m_after) == 0 || still_ours(h, l)) {
		finish(h, OP_APPLIED);
	} else {
		say(h, "'%s' is neither as before nor as we meant to write it", h->op->path);
		drifted(h, NULL);
	}
}

static void
file_looked(void *arg, enum hostcall_end end, const struct host_answer *a, const struct err *why)
{
	struct hostop *h = arg;
	struct looked l;
	struct err err;

	if (end != HOSTCALL_ANSWERED) {
		unanswered(h, end, why);
		return;
	}
	if (refused(h, a))
		return;
	if (read_look(&l, a, h->op->path, &err) != 0) {
		failed(h, &err);
		return;
	}
	switch (h->verb) {
	case OPV_OBSERVE:
		observe_file(h, &l);
		break;
	case OPV_APPLY:
		apply_file(h, &l);
		break;
	case OPV_UNDO:
		undo_file(h, &l);
		break;
	case OPV_RECORD:
		record_file(h, &l);
		break;
	}
}

/* ------------------------------------------------------------------ commands */

static void	run(struct hostop *);

static void
say_running(struct hostop *h, const char *runner)
{
	int digits = (int)strspn(runner, "0123456789");

	say(h, "the command still runs on the host%s%.*s%s", digits > 0 ? " (below process " : "",
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

	if (end != HOSTCALL_ANSWERED) {
		unanswered(h, end, why);
		return;
	}
	if ((out = host_item(a, "out", 0)) != NULL)
		set_text(h, out->data, out->len);
	if (host_outcome_is(a, "exit", &rest)) {
		code = strtol(rest, NULL, 10);
		h->result.exit_status = code < 0 || code > 255 ? 255 : (int)code;
		if (code == 0) {
			finish(h, good);
			return;
		}
		if (code > 128)
			say(h, "the command was ended by signal %ld", code - 128);
		else
			say(h, "the command ended with status %ld", code);
		finish(h, OP_FAILED);
	} else if (host_outcome_is(a, "again", NULL)) {
		h->result.exit_status = 0;
		finish(h, good);
	} else if (host_outcome_is(a, "none", NULL)) {
		finish(h, OP_RESTORED);
	} else if (host_outcome_is(a, "running", &rest)) {
		/* Whoever began it is gone (a worker that died, a session that broke): its end is waited for. */
		if (h->due - (int64_t)uv_now(h->set->c.loop) > 2 * RUNS_STILL_MS) {
			(void)uv_timer_start(&h->timer, run_again, RUNS_STILL_MS, 0);
			return;
		}
		say_running(h, rest);
		finish(h, OP_CUT);
	} else if (host_outcome_is(a, "cut", NULL)) {
		say(h, "the command was begun before and its end is not known; "
		    "it is not said to be idempotent, so it is not run again");
		finish(h, OP_CUT);
	} else if (!refused(h, a)) {
		say(h, "malformed answer: '%s'", host_outcome(a));
		finish(h, OP_UNREACHED);
	}
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
	if (common_headers(h, q, &err) != 0 || host_header(q, "in", op->in, &err) != 0 ||
	    host_header(q, "phase", h->verb == OPV_UNDO ? "undo" : "do", &err) != 0 ||
	    host_header(q, "idempotent", op->idempotent ? "1" : NULL, &err) != 0 ||
	    host_header(q, "always", op->kind == OP_ACTIVATE ? "1" : NULL, &err) != 0 ||
	    host_header(q, "live", h->text != NULL ? seconds : NULL, &err) != 0) {
		failed(h, &err);
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

	if (end != HOSTCALL_ANSWERED) {
		unanswered(h, end, why);
		return;
	}
	if (refused(h, a))
		return;
	(void)read_look(&l, a, NULL, &err);
	if (h->verb == OPV_OBSERVE) {
		finish(h, h->op->kind == OP_RUN && strcmp(l.record, "ended 0") == 0 ?
		    OP_IN_PLACE : OP_FRESH);
		return;
	}
	if (l.out_len > 0)
		set_text(h, l.out, l.out_len);
	if (strcmp(l.record, "none") == 0) {
		finish(h, OP_FRESH);
	} else if (l.running != NULL) {
		say_running(h, l.running);
		finish(h, OP_UNREACHED);
	} else if (strncmp(l.record, "ended ", 6) == 0) {
		code = strtol(l.record + 6, NULL, 10);
		h->result.exit_status = code < 0 || code > 255 ? 255 : (int)code;
		if (code != 0)
			say(h, "the command ended with status %ld", code);
		finish(h, code == 0 ? OP_APPLIED : OP_FAILED);
	} else if (strcmp(l.record, "undo-ended 0") == 0) {
		finish(h, OP_RESTORED);
	} else {
		say(h, "the command was begun and its end is not known");
		finish(h, OP_CUT);
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

	if (end != HOSTCALL_ANSWERED) {
		unanswered(h, end, why);
		return;
	}
	if (refused(h, a))
		return;
	finish(h, says_in_place(h, a) ? OP_IN_PLACE : OP_FRESH);
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
		set_text(h, buf_str(&text), text.len);
		buf_release(&text);
	}
	if (h->verb == OPV_OBSERVE && h->op->kind == OP_RUN && h->op->observe != NULL) {
		if (host_header(q, "in", h->op->in, &err) != 0)
			failed(h, &err);
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

	if (end != HOSTCALL_ANSWERED) {
		unanswered(h, end, why);
		return;
	}
	if (refused(h, a))
		return;
	if (!says_in_place(h, a)) {
		run(h);
		return;
	}
	set_text(h, "found in place: not run", strlen("found in place: not run"));
	finish(h, OP_APPLIED);
}

static void
looked_again(void *arg, enum hostcall_end end, const struct host_answer *a, const struct err *why)
{
	static const struct hostcall_events tried = { .done = observed_again };
	struct hostop *h = arg;
	struct looked l;
	struct err err;

	if (end != HOSTCALL_ANSWERED) {
		unanswered(h, end, why);
		return;
	}
	if (refused(h, a))
		return;
	(void)read_look(&l, a, NULL, &err);
	/* With a record of ours it is the record that decides. */
	if (strcmp(l.record, "none") != 0)
		run(h);
	else if (host_header(hostop_request(h), "in", h->op->in, &err) != 0)
		failed(h, &err);
	else
		hostop_call(h, "try", NULL, h->op->observe, strlen(h->op->observe), &tried);
}

/* ------------------------------------------------------------------ beginning */

static void
look(struct hostop *h)
{
	static const struct hostcall_events events = { .done = file_looked };
	struct buf *q = hostop_request(h);
	struct err err;

	if (host_header(q, "path", h->op->path, &err) != 0 ||
	    host_header(q, "images", h->verb == OPV_UNDO ? "1" : NULL, &err) != 0) {
		failed(h, &err);
		return;
	}
	hostop_call(h, "look", h->op->id, NULL, 0, &events);
}

static void
begin(uv_timer_t *timer)
{
	static const struct hostcall_events looks = { .done = looked_again };
	struct hostop *h = timer->data;
	const struct op *op = h->op;

	if (op_kind_of_file(op->kind)) {
		look(h);
		return;
	}
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
			finish(h, OP_RESTORED);
		else if (op->kind == OP_RUN && op->undo == NULL) {
			say(h, "there is no command that undoes it");
			finish(h, OP_FAILED);
		} else
			run(h);
		return;
	}
}

struct hostop *
hostops_op(struct hostops *set, enum op_verb verb, const struct wire_op *order,
    int64_t deadline_ms, hostop_done *done, hostop_text *text, void *arg)
{
	struct hostop *h = hostop_new(set, order->op.host, deadline_ms, arg);

	h->verb = verb;
	h->order = order;
	h->op = &order->op;
	h->done = done;
	h->text = text;
	hostop_later(h, begin);
	return h;
}

/* ------------------------------------------------------------------ leases */

static void
lease_done(void *arg, enum hostcall_end end, const struct host_answer *a, const struct err *why)
{
	struct hostop *h = arg;
	const char *rest, *who;

	if (end != HOSTCALL_ANSWERED) {
		unanswered(h, end, why);
		return;
	}
	if (host_outcome_is(a, "leased", &rest)) {
		set_text(h, rest, strlen(rest));
		finish(h, OP_APPLIED);
	} else if (host_outcome_is(a, "held", &rest)) {
		who = strchr(rest, ' ');
		if (who != NULL)
			set_text(h, who + 1, strlen(who + 1));
		say(h, "another belay holds it: %s, for %.*s s more unless it goes on", who == NULL ? "?" : who + 1,
		    who == NULL ? 0 : (int)(who - rest), rest);
		finish(h, OP_DRIFTED);
	} else if (host_outcome_is(a, "free", &rest))
		finish(h, OP_FRESH);
	else if (!refused(h, a)) {
		say(h, "not understood: %s", host_outcome(a));
		finish(h, OP_FAILED);
	}
}

static void
lease(uv_timer_t *timer)
{
	static const struct hostcall_events events = { .done = lease_done };
	static const char *const phases[LEASE_PHASE_COUNT] = {
		[LEASE_TAKE] = "take", [LEASE_FREE] = "free", [LEASE_LOOK] = "look",
	};
	struct hostop *h = timer->data;
	const struct wire_lease *l = h->lease;
	struct buf *q = hostop_request(h);
	char token[32], ttl[32];
	struct err err;

	(void)snprintf(token, sizeof(token), "%lld", (long long)l->token);
	(void)snprintf(ttl, sizeof(ttl), "%d", l->ttl_s);
	if (host_header(q, "phase", phases[l->phase], &err) != 0 || host_header(q, "token", token, &err) != 0 ||
	    host_header(q, "holder", l->holder, &err) != 0 || host_header(q, "ttl", ttl, &err) != 0 ||
	    host_header(q, "who", l->who, &err) != 0 || host_header(q, "doing", l->doing, &err) != 0 ||
	    host_header(q, "always", l->displace ? "1" : NULL, &err) != 0) {
		failed(h, &err);
		return;
	}
	hostop_call(h, "lease", NULL, NULL, 0, &events);
}

struct hostop *
hostops_lease(struct hostops *set, int host, const struct wire_lease *order, int64_t deadline_ms,
    hostop_done *done, void *arg)
{
	struct hostop *h = hostop_new(set, host, deadline_ms, arg);

	h->verb = OPV_OBSERVE;
	h->lease = order;
	h->done = done;
	hostop_later(h, lease);
	return h;
}

/* ------------------------------------------------------------------ records */

static void
records_done(void *arg, enum hostcall_end end, const struct host_answer *a, const struct err *why)
{
	struct hostop *h = arg;
	const struct host_item *item;
	struct buf b;
	size_t i;

	if (end != HOSTCALL_ANSWERED) {
		unanswered(h, end, why);
		return;
	}
	if (refused(h, a))
		return;
	if (host_outcome_is(a, "none", NULL)) {
		finish(h, OP_FRESH);
		return;
	}
	buf_init(&b, OP_TEXT_MAX);
	for (i = 0; (item = host_item(a, "rec", i)) != NULL; i++) {
		(void)buf_printf(&b, "rec %s\n", item->rest);
		(void)buf_put(&b, item->data, item->len);
	}
	if (b.over) {
		say(h, "there are more records than can be taken in");
		finish(h, OP_FAILED);
	} else {
		set_text(h, buf_str(&b), b.len);
		finish(h, OP_APPLIED);
	}
	buf_release(&b);
}

static void
records(uv_timer_t *timer)
{
	static const struct hostcall_events events = { .done = records_done };
	struct hostop *h = timer->data;
	struct buf *q = hostop_request(h);
	struct err err;

	if (host_header(q, "plan", h->plan_sha, &err) != 0)
		failed(h, &err);
	else
		hostop_call(h, "records", NULL, NULL, 0, &events);
}

struct hostop *
hostops_records(struct hostops *set, int host, const char *plan_sha, int64_t deadline_ms,
    hostop_done *done, void *arg)
{
	struct hostop *h = hostop_new(set, host, deadline_ms, arg);

	h->verb = OPV_OBSERVE;
	(void)snprintf(h->plan_sha, sizeof(h->plan_sha), "%s", plan_sha);
	h->done = done;
	hostop_later(h, records);
	return h;
}
