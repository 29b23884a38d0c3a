/*
 * look: see look.h.  Owns the tables of looks, and how times are written.
 */
#include "ui/look.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/buf.h"
#include "core/mem.h"
#include "core/text.h"

struct look
look_phase(enum phase phase)
{
	static const struct look looks[PHASE_COUNT] = {
		[PHASE_TODO] = { G_NEXT, true, ROLE_TEXT, "" },
		[PHASE_PREVIEWING] = { G_NEXT, false, ROLE_BUSY, "previewing" },
		[PHASE_READY] = { G_NEXT, false, ROLE_STRONG, "ready" },
		[PHASE_GUARDING] = { G_NEXT, false, ROLE_BUSY, "guarding" },
		[PHASE_APPLYING] = { G_NEXT, false, ROLE_BUSY, "applying" },
		[PHASE_PROVING] = { G_NEXT, false, ROLE_BUSY, "proving" },
		[PHASE_SOAKING] = { G_SOAK, false, ROLE_BUSY, "soaking" },
		[PHASE_DONE] = { G_DONE, false, ROLE_GOOD, "done" },
		[PHASE_MET] = { G_MET, false, ROLE_FAIR, "met" },
		[PHASE_SKIPPED] = { G_SKIP, false, ROLE_DIM, "skipped" },
		[PHASE_FAULTED] = { G_FAIL, false, ROLE_BAD, "faulted" },
		[PHASE_DOUBT] = { G_DOUBT, false, ROLE_WARN, "in doubt" },
		[PHASE_UNDOING] = { G_RESTORED, false, ROLE_BUSY, "undoing" },
		[PHASE_STUCK] = { G_FAIL, false, ROLE_BAD, "stuck" },
		[PHASE_RESTORED] = { G_RESTORED, false, ROLE_FAIR, "undone" },
	};

	return looks[phase];
}

struct look
look_link(enum link_state state)
{
	static const struct look looks[] = {
		[LINK_UNKNOWN] = { G_DOUBT, false, ROLE_WARN, "unknown" },
		[LINK_STALE] = { G_STALE, false, ROLE_WARN, "stale" },
		[LINK_IDLE] = { G_IDLE, false, ROLE_DIM, "idle" },
		[LINK_PLAINTEXT] = { G_PLAIN, false, ROLE_WARN, "plain" },
		[LINK_MIXED] = { G_MIXED, false, ROLE_WARN, "mixed" },
		[LINK_TLS] = { G_TLS, false, ROLE_FAIR, "tls" },
		[LINK_PROVEN] = { G_DONE, false, ROLE_GOOD, "proven" },
	};

	return looks[state];
}

struct look
look_judgement(enum judgement judgement)
{
	static const struct look looks[] = {
		[CHECK_PENDING] = { G_PENDING, false, ROLE_DIM, "pending" },
		[CHECK_PASS] = { G_DONE, false, ROLE_GOOD, "pass" },
		[CHECK_FAIL] = { G_FAIL, false, ROLE_BAD, "fail" },
		[CHECK_INCONCLUSIVE] = { G_DOUBT, false, ROLE_WARN, "inconclusive" },
		[CHECK_WAIVED] = { G_WAIVED, false, ROLE_WARN, "waived" },
		[CHECK_NOT_TRIED] = { G_PENDING, false, ROLE_DIM, "not tried" },
	};

	return looks[judgement];
}

struct look
look_op(enum op_state state)
{
	static const struct look looks[] = {
		[OPS_WAITING] = { G_PENDING, false, ROLE_DIM, "waiting" },
		[OPS_INTENT] = { G_NEXT, false, ROLE_BUSY, "journalling" },
		[OPS_RUNNING] = { G_NEXT, false, ROLE_BUSY, "running" },
		[OPS_APPLIED] = { G_DONE, false, ROLE_GOOD, "applied" },
		[OPS_FAILED] = { G_FAIL, false, ROLE_BAD, "failed" },
		[OPS_CUT] = { G_DOUBT, false, ROLE_WARN, "cut" },
		[OPS_UNDO_INTENT] = { G_RESTORED, false, ROLE_BUSY, "journalling" },
		[OPS_UNDOING] = { G_RESTORED, false, ROLE_BUSY, "undoing" },
		[OPS_UNDONE] = { G_RESTORED, false, ROLE_FAIR, "undone" },
		[OPS_STUCK] = { G_FAIL, false, ROLE_BAD, "stuck" },
	};

	return looks[state];
}

struct look
look_reach(enum reach reach)
{
	static const struct look looks[] = {
		[REACH_UNKNOWN] = { G_PENDING, false, ROLE_DIM, "not tried" },
		[REACH_CONNECTING] = { G_NEXT, false, ROLE_BUSY, "connecting" },
		[REACH_UP] = { G_DONE, false, ROLE_GOOD, "up" },
		[REACH_LOST] = { G_FAIL, false, ROLE_BAD, "lost" },
		[REACH_BLOCKED] = { G_FORBID, false, ROLE_WARN, "blocked" },
	};

	return looks[reach];
}

struct look
look_proof(enum proof_state state)
{
	static const struct look looks[] = {
		[PROOF_NONE] = { G_PENDING, true, ROLE_DIM, "" },
		[PROOF_PROVEN] = { G_DONE, false, ROLE_GOOD, "proven" },
		[PROOF_REFUTED] = { G_FAIL, false, ROLE_BAD, "REFUTED" },
		[PROOF_OPEN] = { G_DOUBT, false, ROLE_WARN, "not proven" },
	};

	return looks[state];
}

void
look_sessions(char ret[LOOK_MAX], const struct link_view *v)
{
	const char *word = look_link(v->state).word;

	if (!v->counted || v->state == LINK_UNKNOWN || v->state == LINK_IDLE)
		snprintf(ret, LOOK_MAX, "%s", word);
	else if (v->state == LINK_MIXED)
		snprintf(ret, LOOK_MAX, "%u/%u plain", (unsigned)v->plain, (unsigned)(v->plain + v->tls));
	else
		snprintf(ret, LOOK_MAX, "%u %s", (unsigned)(v->tls + v->plain), word);
}

void
look_age(char ret[LOOK_MAX], int64_t now_ms, int64_t at_ms)
{
	ret[0] = '\0';
	if (at_ms > 0)
		text_age(ret, LOOK_MAX, now_ms > at_ms ? now_ms - at_ms : 0);
}

void
look_age_short(char ret[LOOK_MAX], int64_t now_ms, int64_t at_ms)
{
	static const struct {
		int64_t s;
		char unit;
	} units[] = { { 60, 's' }, { 3600, 'm' }, { 86400, 'h' }, { INT64_MAX, 'd' } };
	int64_t age_s = now_ms > at_ms ? (now_ms - at_ms) / 1000 : 0, per = 1;
	size_t i;

	ret[0] = '\0';
	if (at_ms <= 0)
		return;
	for (i = 0; age_s >= units[i].s; i++)
		per = units[i].s;
	if (age_s / per > 999)
		snprintf(ret, LOOK_MAX, "old");
	else
		snprintf(ret, LOOK_MAX, "%d%c", (int)(age_s / per), units[i].unit);
}

static void
format_time(char ret[LOOK_MAX], int64_t at_ms, bool date)
{
	time_t at = (time_t)(at_ms / 1000);
	struct tm tm;

	ret[0] = '\0';
	if (at_ms > 0 && localtime_r(&at, &tm) != NULL && !date)
		(void)strftime(ret, LOOK_MAX, "%H:%M:%S", &tm);
	else if (at_ms > 0 && localtime_r(&at, &tm) != NULL)
		(void)strftime(ret, LOOK_MAX, "%Y-%m-%d %H:%M:%S", &tm);
}

void
look_clock(char ret[LOOK_MAX], int64_t at_ms)
{
	format_time(ret, at_ms, false);
}

void
look_date(char ret[LOOK_MAX], int64_t at_ms)
{
	format_time(ret, at_ms, true);
}

char *
look_link_name(const struct fleet *f, int link, bool ascii)
{
	const struct link *l = &f->links[link];

	return mem_printf("%s %s %s", f->clients[l->client].name, glyph(ascii, G_ARROW),
	    f->endpoints[l->endpoint].name);
}

char *
look_move(const struct fleet *f, const struct move *m, bool ascii)
{
	char *name, *text, *words;
	const char *cert;

	switch (m->facet) {
	case FACET_ACCEPT:
		return mem_printf("%s: accept %s", f->endpoints[m->subject].name,
		    accept_word((enum accept)m->value));
	case FACET_CERT:
		return mem_printf("cert %s: install", f->certs[m->subject].name);
	case FACET_DIAL:
		name = look_link_name(f, m->subject, ascii);
		text = mem_printf("%s: dial %s", name, dial_word((enum dial)m->value));
		free(name);
		return text;
	case FACET_TRUST:
		name = look_link_name(f, m->subject, ascii);
		words = trust_words(f, m->value);
		text = mem_printf("%s: trust %s", name, words);
		free(words);
		free(name);
		return text;
	case FACET_PRESENT:
		name = look_link_name(f, m->subject, ascii);
		cert = m->value >= 0 && (size_t)m->value < f->ncerts ? f->certs[m->value].name : "?";
		text = mem_printf("%s: present %s", name, cert);
		free(name);
		return text;
	}
	return mem_strdup("");
}

char *
look_title(const char *title, bool ascii)
{
	static const char times[] = "\xc3\x97";
	struct buf b;

	buf_init(&b, 0);
	for (; *title != '\0'; title++)
		if (!ascii && strncmp(title, " -> ", 4) == 0) {
			buf_printf(&b, " %s", glyph(ascii, G_ARROW));
			title += 2;
		} else if (ascii && strncmp(title, times, 2) == 0) {
			buf_puts(&b, glyph(ascii, G_TIMES));
			title++;
		} else if (strncmp(title, "$(", 2) == 0 && strchr(title, ')') != NULL) {
			/* The variable of a `for`, where the row stands for all of them. */
			buf_putc(&b, '*');
			title = strchr(title, ')');
		} else
			buf_putc(&b, *title);
	return buf_take(&b, NULL);
}

enum role
look_expiry(enum expiry e)
{
	static const enum role roles[] = {
		[EXPIRY_FAR] = ROLE_TEXT, [EXPIRY_NOTICE] = ROLE_FAIR, [EXPIRY_SOON] = ROLE_WARN,
		[EXPIRY_URGENT] = ROLE_BAD, [EXPIRY_NOT_YET] = ROLE_BAD, [EXPIRY_PAST] = ROLE_BAD,
	};

	return roles[e];
}
