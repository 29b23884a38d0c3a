/*
 * hostops_edit: edits of files.  A look, a decision here, a write.
 *
 * Invariant: a write names the hash of what the look before it saw.  If the
 * host finds something else there, the chain looks again (ROUNDS_MAX times).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/edittext.h"
#include "core/err.h"
#include "core/mem.h"
#include "core/reader.h"
#include "remote/hostops_int.h"

#define ROUNDS_MAX	3

static void	look(struct hostop *);

/* ------------------------------------------------------------------ writing */

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

	if (hostop_no_answer(h, end, a, why))
		return;
	if (host_outcome_is(a, "applied", NULL) || host_outcome_is(a, "again", NULL)) {
		const struct host_item *sha = host_item(a, "sha", 0);
		const char *blank = sha == NULL ? NULL : strchr(sha->rest, ' ');

		if (blank != NULL) {
			hostop_sha(h->result.before_sha, sha->rest, (size_t)(blank - sha->rest));
			hostop_sha(h->result.after_sha, blank + 1, strlen(blank + 1));
		}
		hostop_finish(h, OP_APPLIED);
	} else if (host_outcome_is(a, "drift", NULL)) {
		hostop_say(h, "'%s' changed while it was being written; nothing was written", h->op->path);
		hostop_drifted(h, NULL);
	} else
		hostop_malformed(h, a);
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
	if (hostop_write_headers(h, q, &err) != 0 || hostop_path(h, q, op->path, &err) != 0 ||
	    host_header(q, "expect", l->sha, &err) != 0 || host_header(q, "after", sha, &err) != 0 ||
	    host_header(q, "mode", op->kind == OP_FILE && op->mode >= 0 ? mode : NULL, &err) != 0 ||
	    host_header(q, "owner", op->kind == OP_FILE ? op->owner : NULL, &err) != 0 ||
	    host_header(q, "in-place", op->in_place ? "1" : "0", &err) != 0) {
		hostop_failed(h, &err);
		return;
	}
	h->wrote = true;
	hostop_call(h, "put", op->id, after, there ? after_len : 0, &events);
}

static void
restore_done(void *arg, enum hostcall_end end, const struct host_answer *a, const struct err *why)
{
	struct hostop *h = arg;

	if (hostop_no_answer(h, end, a, why))
		return;
	if (host_outcome_is(a, "undone", NULL) || host_outcome_is(a, "again", NULL) ||
	    host_outcome_is(a, "none", NULL)) {
		/* An apply that found its own write torn: healed, now from the beginning. */
		if (h->verb == OPV_APPLY && again(h))
			return;
		hostop_finish(h, h->verb == OPV_APPLY ? OP_FAILED : OP_RESTORED);
	} else if (host_outcome_is(a, "drift", NULL)) {
		if (again(h))
			return;
		hostop_say(h, "'%s' keeps changing; nothing was written", h->op->path);
		hostop_drifted(h, NULL);
	} else
		hostop_malformed(h, a);
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
	hostop_shas(h, l->sha, to == NULL ? l->m_before : sha);
	if (hostop_write_headers(h, q, &err) != 0 || hostop_path(h, q, h->op->path, &err) != 0 ||
	    host_header(q, "expect", l->sha, &err) != 0 ||
	    host_header(q, "after", to == NULL ? NULL : sha, &err) != 0 ||
	    host_header(q, "as-is", to == l->content ? "1" : NULL, &err) != 0) {
		hostop_failed(h, &err);
		return;
	}
	h->wrote = true;
	hostop_call(h, "restore", h->op->id, to, to != NULL && there ? to_len : 0, &events);
}

/* ------------------------------------------------------------------ deciding */

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
		hostop_failed(h, &err);
		return;
	}
	if (there)
		digest_sha256_hex(buf_str(&after), after.len, sha);
	hostop_shas(h, l->sha, sha);
	buf_init(&text, OP_TEXT_MAX);
	file_preview(h->set, h->op, l, buf_str(&after), after.len, there, &text);
	hostop_set_text(h, buf_str(&text), text.len);
	same = strcmp(sha, l->sha) == 0 && file_mode_as_wanted(h->op, l);
	buf_release(&text);
	buf_release(&after);
	hostop_finish(h, same ? OP_IN_PLACE : OP_FRESH);
}

static void
apply_file(struct hostop *h, const struct looked *l)
{
	struct buf after;
	struct err err;
	bool there, ours;

	if (strcmp(l->record, "applied") == 0) {
		hostop_shas(h, l->m_before, l->m_after);
		if (strcmp(l->sha, l->m_after) == 0) {
			hostop_finish(h, OP_APPLIED);
			return;
		}
		hostop_say(h, "'%s' was written by this run and changed since; undo first", h->op->path);
		hostop_drifted(h, NULL);
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
		hostop_shas(h, l->sha, "");
		hostop_say(h, "'%s' is not what the preview saw; nothing was written: undo, then look at it again", h->op->path);
		hostop_drifted(h, NULL);
		return;
	}
	buf_init(&after, 0);
	if (file_after(h->op, l, &after, &there, &err) != 0)
		hostop_failed(h, &err);
	else
		put(h, l, buf_str(&after), after.len, there);
	buf_release(&after);
}

/* What drifted is nobody's business any more. */
static void
leave_out(struct pairs *set, struct strings *unset, const struct strings *names)
{
	size_t i, k;

	for (k = 0; k < names->n; k++) {
		for (i = 0; i < set->n; i++)
			if (strcmp(set->v[i].key, names->v[k]) == 0) {
				free(set->v[i].key);
				mem_wipe_free(set->v[i].value, strlen(set->v[i].value));
				memmove(&set->v[i], &set->v[i + 1], (set->n - i - 1) * sizeof(set->v[i]));
				set->n--;
				i--;
			}
		for (i = 0; i < unset->n; i++)
			if (strcmp(unset->v[i], names->v[k]) == 0) {
				free(unset->v[i]);
				memmove(&unset->v[i], &unset->v[i + 1], (unset->n - i - 1) * sizeof(unset->v[i]));
				unset->n--;
				i--;
			}
	}
}

static void
say_kept(struct hostop *h, const struct strings *names)
{
	struct buf b;
	size_t i;

	buf_init(&b, OP_WHY_MAX / 2);
	for (i = 0; i < names->n; i++)
		(void)buf_printf(&b, "%s%s", i == 0 ? "" : ", ", names->v[i]);
	hostop_say(h, "left as somebody else set it: %s", buf_str(&b));
	buf_release(&b);
}

static void
undo_by_key(struct hostop *h, const struct looked *l)
{
	struct strings drift = { NULL, 0 };
	struct pairs set;
	struct strings unset;
	struct buf out, text;
	size_t drifted, seen = 0;

	file_wrote(h->op, l, &set, &unset);
	buf_init(&out, 0);
	out.secret = true;
	while ((drifted = text_restore(h->op->syntax, &out, l->before, l->before_len, &set, &unset, l->content,
	    l->len, &drift)) > 0 && h->order->keep && drift.n > seen) {
		seen = drift.n;
		leave_out(&set, &unset, &drift);
		buf_clear(&out);
	}
	if (drifted > 0) {
		buf_init(&text, OP_TEXT_MAX);
		file_three_ways(h->set, h->op, l, &drift, &text);
		hostop_shas(h, l->sha, "");
		hostop_say(h, "'%s': somebody changed what we had written there (%s%s); nothing was undone: put back "
		    "ours or what was before and undo again, or keep what is there",
		    h->op->path, drift.v[0], drift.n > 1 ? " and more" : "");
		hostop_drifted(h, buf_str(&text));
		buf_release(&text);
	} else {
		if (drift.n > 0)
			say_kept(h, &drift);
		restore(h, l, buf_str(&out), out.len,
		    out.len > 0 || strcmp(l->m_before, "-") != 0);
	}
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
	struct buf text;

	hostop_shas(h, l->sha, l->sha);
	/* For an undo expect_sha is what the apply left; empty where it changed nothing. */
	if (strcmp(l->record, "none") == 0 && h->order->expect_sha[0] != '\0' &&
	    (strcmp(l->sha, h->order->expect_sha) == 0 || still_ours(h, l))) {
		hostop_say(h, "the host has no record of this run any more, so the before-image of '%s' is lost; "
		    "put it back by hand, then undo again", h->op->path);
		hostop_finish(h, OP_FAILED);
		return;
	}
	if (strcmp(l->record, "none") == 0 || strcmp(l->record, "undone") == 0) {
		hostop_finish(h, OP_RESTORED);
		return;
	}
	if (l->m_before[0] == '\0' || l->m_after[0] == '\0') {
		hostop_say(h, "the record on the host is damaged; the before-image is under '%s'", h->op->id);
		hostop_finish(h, OP_FAILED);
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
	if (h->order->keep) {
		hostop_say(h, l->there ? "left as somebody else wrote it" : "left removed, as somebody else had it");
		restore(h, l, l->content, l->len, l->there);
		return;
	}
	hostop_shas(h, l->sha, "");
	hostop_say(h, l->there ? "'%s' is not what we wrote: somebody changed it; nothing was undone: put back ours "
	    "and undo again, or keep what is there" :
	    "'%s' is gone: somebody removed it; nothing was undone: put it back and undo again, or keep it so",
	    h->op->path);
	buf_init(&text, OP_TEXT_MAX);
	file_two_ways(h->set, h->op, l, &text);
	hostop_drifted(h, buf_str(&text));
	buf_release(&text);
}

static void
record_file(struct hostop *h, const struct looked *l)
{
	hostop_shas(h, l->m_before, l->m_after);
	if (strcmp(l->record, "none") == 0) {
		hostop_shas(h, l->sha, "");
		hostop_finish(h, OP_FRESH);
	} else if (strcmp(l->record, "undone") == 0) {
		hostop_finish(h, OP_RESTORED);
	} else if (strcmp(l->record, "applied") == 0) {
		hostop_finish(h, OP_APPLIED);
	} else if (strcmp(l->record, "undoing") == 0) {
		hostop_say(h, "its undo was begun and not finished; undo again");
		hostop_finish(h, OP_CUT);
	} else if (l->torn && strcmp(l->sha, l->m_before) != 0 && strcmp(l->sha, l->m_after) != 0) {
		hostop_say(h, "'%s' was being written in place and is incomplete; undo heals it", h->op->path);
		hostop_finish(h, OP_CUT);
	} else if (strcmp(l->sha, l->m_before) == 0) {
		/* Also where before and after are the same: then nothing was left to do. */
		hostop_finish(h, strcmp(l->m_before, l->m_after) == 0 ? OP_APPLIED : OP_FRESH);
	} else if (strcmp(l->sha, l->m_after) == 0 || still_ours(h, l)) {
		hostop_finish(h, OP_APPLIED);
	} else {
		hostop_say(h, "'%s' is neither as before nor as we meant to write it", h->op->path);
		hostop_drifted(h, NULL);
	}
}

static void
file_looked(void *arg, enum hostcall_end end, const struct host_answer *a, const struct err *why)
{
	struct hostop *h = arg;
	struct looked l;
	struct err err;

	if (hostop_no_answer(h, end, a, why))
		return;
	if (hostop_read_look(&l, a, h->op->path, &err) != 0) {
		hostop_failed(h, &err);
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

static void
look(struct hostop *h)
{
	static const struct hostcall_events events = { .done = file_looked };
	struct buf *q = hostop_request(h);
	struct err err;

	if (hostop_path(h, q, h->op->path, &err) != 0 ||
	    host_header(q, "images", h->verb == OPV_UNDO ? "1" : NULL, &err) != 0) {
		hostop_failed(h, &err);
		return;
	}
	hostop_call(h, "look", h->op->id, NULL, 0, &events);
}

void
hostop_edit(struct hostop *h)
{
	look(h);
}
