/*
 * gate_census: who is connected, who was, and on what: the judges of everybody's sessions and
 * logins at an endpoint, and of one link's.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/gate_int.h"
#include "core/logins.h"

#define WINDOW_MS	(INT64_C(24) * 3600 * 1000)	/* how long ago a login counts, where its client says nothing */

static int64_t
window_of(const struct client *c)
{
	return c->window_ms > 0 ? c->window_ms : WINDOW_MS;
}

/* "7 h", "12 s" */
static const char *
ago(int64_t ms, char ret[32])
{
	static const struct {
		int64_t ms;
		const char *word;
	} units[] = { { 86400000, "d" }, { 3600000, "h" }, { 60000, "min" }, { 1000, "s" } };
	size_t i = 0;

	while (i < 3 && ms < units[i].ms)
		i++;
	(void)snprintf(ret, 32, "%lld %s", (long long)((ms < 0 ? 0 : ms) / units[i].ms), units[i].word);
	return ret;
}

struct finding {
	enum judgement judgement;
	char	words[384];
};

static void
find(struct finding *one, enum judgement judgement, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

static void
find(struct finding *one, enum judgement judgement, const char *fmt, ...)
{
	va_list ap;

	one->judgement = judgement;
	va_start(ap, fmt);
	(void)vsnprintf(one->words, sizeof(one->words), fmt, ap);
	va_end(ap);
}

/* The latest of those who were last seen on plaintext, of one link or undeclared. */
static const struct login_seen *
still_plain(const struct logins *l, int link)
{
	const struct login_seen *s = NULL;
	size_t i;

	for (i = 0; i < l->nwho; i++)
		if (l->who[i].link == link && l->who[i].still && (s == NULL || l->who[i].last_ms > s->last_ms))
			s = &l->who[i];
	return s;
}

/* "user@address/database (application)", as far as it is told. */
static void
put_person(char *to, size_t size, const struct login_seen *s)
{
	if (s == NULL)
		to[0] = '\0';
	else
		(void)snprintf(to, size, " (%.60s from %.60s%s%.60s)", judge_or(s->user, "?"), judge_or(s->address, "?"),
		    s->application == NULL || s->application[0] == '\0' ? "" : ", ", judge_or(s->application, ""));
}

/* A new connection in its place is evidence of those that it will make, where it says so. */
static void
judge_rehearsed(struct judging *j, int link, const char *who, struct finding *one)
{
	const struct reading *good = board_reading(j->board, READING_REHEARSAL, link);
	const struct reading *bad = board_failure(j->board, READING_REHEARSAL, link);
	char words[256];

	if (bad != NULL && bad->at_ms >= j->since_ms)
		find(one, CHECK_INCONCLUSIVE, "%s: its evidence is the rehearsal, and it could not be tried: %.200s", who,
		    judge_or(bad->why, "no reason"));
	else if (good == NULL || good->at_ms < j->since_ms)
		find(one, CHECK_INCONCLUSIVE, "%s: was not rehearsed yet", who);
	else if (good->rehearsed.verdict < VERDICT_TLS) {
		rehearsed_words(&good->rehearsed, words, sizeof(words));
		find(one, CHECK_FAIL, "%s: rehearsed: %s", who, words);
	}
}

/*
 * Was the client seen on TLS, within its window, by the evidence that it names?  A session that is
 * there now is as good as any of them.
 */
static void
judge_evidence(struct judging *j, const struct link *l, const struct reading *r, const char *who, struct finding *one)
{
	const struct client *c = &j->fleet->clients[l->client];
	const struct logins *logins = &r->census.logins;
	const struct login_count *row = logins_of(logins, (int)(l - j->fleet->links));
	int64_t since_ms = r->at_ms - window_of(c), seen_ms = board_tls_seen_ms(j->board, (int)(l - j->fleet->links));
	char span[32], from[32];

	if (row != NULL && row->tls_ms > seen_ms && logins->seen == LOGINS_SINCE)
		seen_ms = row->tls_ms;
	if (seen_ms > 0 && seen_ms >= since_ms)
		return;
	switch (c->evidence) {
	case EVIDENCE_SESSION:
		find(one, CHECK_INCONCLUSIVE, "%s: was not seen on tls", who);
		break;
	case EVIDENCE_LOG:
		if (logins->seen != LOGINS_SINCE)
			find(one, CHECK_INCONCLUSIVE, "%s: its evidence is the log, and %s", who,
			    logins->seen == LOGINS_NONE ? "no log is read" : judge_or(logins->why, "it cannot be read"));
		else
			find(one, CHECK_INCONCLUSIVE, "%s: no login on tls within %s; the log is read back %s", who,
			    ago(window_of(c), span), ago(r->at_ms - logins->from_ms, from));
		break;
	case EVIDENCE_REHEARSAL:
		judge_rehearsed(j, (int)(l - j->fleet->links), who, one);
		break;
	case EVIDENCE_ATTEST:
		if (board_vouched(j->board, l->client) == NULL)
			find(one, CHECK_INCONCLUSIVE, "%s: nothing can see it; somebody has to vouch for it (attest %s)", who,
			    c->name);
		break;
	}
}

/* What one declared client has against it; nothing where one->words stays empty. */
static void
judge_client(struct judging *j, int link, const struct reading *r, struct finding *one)
{
	const struct fleet *f = j->fleet;
	const struct link *l = &f->links[link];
	const struct client *c = &f->clients[l->client];
	const struct login_count *row = logins_of(&r->census.logins, link);
	struct link_view v;
	char who[256], person[256], span[32];

	board_link(j->board, link, r->at_ms, INT64_MAX, &v);
	(void)snprintf(who, sizeof(who), "%s on %s", c->name, judge_host_word(f, l));
	if (v.plain > 0)
		find(one, CHECK_FAIL, "%s: %u plaintext session%s", who, v.plain, v.plain == 1 ? "" : "s");
	else if (v.dial == DIAL_DISABLE || v.dial == DIAL_ALLOW)
		find(one, CHECK_FAIL, "%s dials %s", who, dial_word(v.dial));
	else if (row != NULL && row->still > 0 && row->still_ms > r->at_ms - window_of(c)) {
		put_person(person, sizeof(person), still_plain(&r->census.logins, link));
		find(one, CHECK_FAIL, "%s: logged in on plaintext %s ago%s, and not on tls since", who,
		    ago(r->at_ms - row->still_ms, span), person);
	} else if (v.tls == 0 && v.dial == DIAL_UNKNOWN)
		find(one, CHECK_INCONCLUSIVE, "%s: no session seen, and how it dials is not known", who);
	else if (v.tls == 0)
		judge_evidence(j, l, r, who, one);
}

/* Sessions and logins that belong to no declared client. */
static void
judge_undeclared(const struct reading *r, struct finding *one)
{
	const struct census *c = &r->census;
	const struct login_count *row = &c->logins.undeclared;
	const struct straggler *who = NULL;
	char person[256], span[32];
	size_t i;

	for (i = 0; i < c->nstragglers && who == NULL; i++)
		if (c->stragglers[i].link == NONE && !c->stragglers[i].tls)
			who = &c->stragglers[i];
	if (c->undeclared_plain > 0)
		find(one, CHECK_FAIL, "%u undeclared plaintext session%s%s%.60s", c->undeclared_plain,
		    c->undeclared_plain == 1 ? "" : "s", who == NULL ? "" : ", one from ",
		    who == NULL ? "" : judge_or(who->address, "?"));
	else if (row->still > 0 && row->still_ms > r->at_ms - WINDOW_MS) {
		put_person(person, sizeof(person), still_plain(&c->logins, NONE));
		find(one, CHECK_FAIL, "somebody undeclared logged in on plaintext %s ago%s",
		    ago(r->at_ms - row->still_ms, span), person);
	}
}

static void
add_finding(const struct finding *one, enum judgement *worst, char *why, size_t size)
{
	size_t used = strlen(why);

	if (one->words[0] == '\0')
		return;
	if (*worst != CHECK_FAIL)
		*worst = one->judgement;
	(void)snprintf(why + used, size - used, "%s%s", used > 0 ? "; " : "", one->words);
}

/*
 * Nobody declared, and nobody undeclared, is on plaintext; none would be; and everybody
 * declared was seen on TLS.
 */
void
judge_census(struct judging *j)
{
	const struct fleet *f = j->fleet;
	const struct endpoint *e = &f->endpoints[j->check->endpoint];
	const struct reading *r = judge_fresh(j, READING_CENSUS, j->check->endpoint, e->name);
	enum judgement worst = CHECK_PASS;
	char why[sizeof(j->ret->why)] = "", span[32];
	struct finding one;
	size_t i;

	if (r == NULL)
		return;
	for (i = 0; i < f->nlinks; i++) {
		if (f->links[i].endpoint != j->check->endpoint)
			continue;
		if (!judge_looked_at(j, &f->links[i])) {
			judge(j, CHECK_PENDING, "%s: its settings were not looked at since", judge_host_word(f, &f->links[i]));
			return;
		}
		one.words[0] = '\0';
		judge_client(j, (int)i, r, &one);
		add_finding(&one, &worst, why, sizeof(why));
	}
	one.words[0] = '\0';
	judge_undeclared(r, &one);
	add_finding(&one, &worst, why, sizeof(why));
	if (worst != CHECK_PASS)
		judge(j, worst, "'%s': %s", e->name, why);
	else if (r->outcome == SAW_PART)
		judge(j, CHECK_INCONCLUSIVE, "'%s': %s", e->name, judge_or(r->why, "not all sessions can be seen"));
	else if (r->census.logins.seen == LOGINS_SINCE)
		judge(j, CHECK_PASS, "%u session%s at '%s', none on plaintext; nor any login of the last %s", r->census.total,
		    r->census.total == 1 ? "" : "s", e->name, ago(r->at_ms - r->census.logins.from_ms, span));
	else
		judge(j, CHECK_PASS, "%u session%s at '%s', none on plaintext", r->census.total,
		    r->census.total == 1 ? "" : "s", e->name);
}

/* A Redis keeps no log: who came and went between two looks is a number, and nothing else. */
void
judge_unseen(struct judging *j)
{
	const struct endpoint *e = &j->fleet->endpoints[j->check->endpoint];
	const struct reading *r = judge_fresh(j, READING_CENSUS, j->check->endpoint, e->name);
	char span[32];

	if (r == NULL)
		return;
	(void)ago(r->at_ms - r->census.unaccounted_from_ms, span);
	if (r->census.unaccounted < 0)
		judge(j, CHECK_INCONCLUSIVE, "'%s' does not say how many connections it has had", e->name);
	else if (r->census.unaccounted > 0)
		judge(j, CHECK_INCONCLUSIVE, "%lld connection%s at '%s' within %s unaccounted for: too short to be seen, and a "
		    "Redis logs none; on plaintext or not, nobody can tell", (long long)r->census.unaccounted,
		    r->census.unaccounted == 1 ? "" : "s", e->name, span);
	else
		judge(j, CHECK_PASS, "every connection at '%s' within %s was seen", e->name, span);
}

/* When the link was last seen by a session or a login, on TLS or at all; 0: never. */
static int64_t
last_seen(struct judging *j, const struct reading *r)
{
	const struct login_count *row = r->census.logins.seen != LOGINS_SINCE ? NULL :
	    logins_of(&r->census.logins, j->check->link);
	int64_t seen_ms = board_tls_seen_ms(j->board, j->check->link);
	struct link_view v;

	if (row != NULL && row->tls_ms > seen_ms)
		seen_ms = row->tls_ms;
	if (j->check->accept == ACCEPT_TLS)
		return seen_ms;
	if (row != NULL && row->plain_ms > seen_ms)
		seen_ms = row->plain_ms;
	board_link(j->board, j->check->link, r->at_ms, INT64_MAX, &v);
	return v.plain > 0 && r->at_ms > seen_ms ? r->at_ms : seen_ms;
}

void
judge_seen(struct judging *j)
{
	const struct link *l = &j->fleet->links[j->check->link];
	const struct reading *r = judge_fresh(j, READING_CENSUS, l->endpoint, l->name);
	const char *how = j->check->accept == ACCEPT_TLS ? " on TLS" : "";
	int64_t seen_ms, since_ms;
	char span[32];

	if (r == NULL)
		return;
	since_ms = j->check->within_ms > 0 ? r->at_ms - j->check->within_ms : j->since_ms;
	seen_ms = last_seen(j, r);
	if (seen_ms >= since_ms && seen_ms > 0)
		judge(j, CHECK_PASS, "%s was seen%s %s ago", l->name, how, ago(r->at_ms - seen_ms, span));
	else
		judge(j, CHECK_INCONCLUSIVE, "%s was not seen%s %s%s%s%s", l->name, how,
		    j->check->within_ms > 0 ? "within " : "since the step",
		    j->check->within_ms > 0 ? ago(j->check->within_ms, span) : "",
		    r->census.logins.seen == LOGINS_SINCE ? "" : ", by sessions alone: ",
		    r->census.logins.seen == LOGINS_SINCE ? "" : judge_or(r->census.logins.why, "no log of logins is read"));
}
