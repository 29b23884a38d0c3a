/*
 * gate: see gate.h.  Owns the judgement of each kind of check; one function
 * a kind, one table that names them; those of sessions and logins are in gate_census.c.
 */
#include "core/gate_int.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/hba_step.h"
#include "core/mem.h"

const char *
judgement_word(enum judgement judgement)
{
	static const char *const words[] = {
		[CHECK_PENDING] = "pending", [CHECK_PASS] = "pass",
		[CHECK_FAIL] = "fail", [CHECK_INCONCLUSIVE] = "inconclusive",
		[CHECK_WAIVED] = "waived", [CHECK_NOT_TRIED] = "not tried",
	};

	return words[judgement];
}

void
judge(struct judging *j, enum judgement judgement, const char *fmt, ...)
{
	va_list ap;

	j->ret->judgement = judgement;
	va_start(ap, fmt);
	(void)vsnprintf(j->ret->why, sizeof(j->ret->why), fmt, ap);
	va_end(ap);
}

const char *
judge_or(const char *s, const char *otherwise)
{
	return s == NULL || *s == '\0' ? otherwise : s;
}

const struct reading *
judge_fresh(struct judging *j, enum reading_kind kind, int subject, const char *what)
{
	const struct reading *good = board_reading(j->board, kind, subject);
	const struct reading *bad = board_failure(j->board, kind, subject);

	if (good != NULL && good->at_ms >= j->since_ms)
		return good;
	if (bad != NULL && bad->at_ms >= j->since_ms)
		judge(j, CHECK_INCONCLUSIVE, "%s: %s", what, judge_or(bad->why, "no answer"));
	else
		judge(j, CHECK_PENDING, "%s: not looked since the step", what);
	return NULL;
}

static void
judge_served(struct judging *j)
{
	const struct endpoint *e = &j->fleet->endpoints[j->check->endpoint];
	const struct reading *r = judge_fresh(j, READING_SERVED, j->check->endpoint, e->name);
	const char *names[READING_NAMES_MAX];
	const struct served *s;
	size_t i, n;
	bool demanded = false;

	if (r == NULL)
		return;
	s = &r->served;
	n = served_names(j->fleet, j->check->endpoint, names);
	switch (s->tls) {
	case LEG_OPEN:
		break;
	case LEG_REFUSED:
		/* Set to demand what belay does not have: what it serves was seen all the same. */
		demanded = board_demanded(j->board, j->check->endpoint);
		if (demanded && judge_fresh(j, READING_HOST, e->host, e->name) == NULL)
			return;
		if (demanded)
			break;
		judge(j, CHECK_FAIL, "'%s' does not speak tls: %s", e->name, judge_or(s->tls_why, "refused"));
		return;
	case LEG_CLOSED:
		judge(j, CHECK_FAIL, "nothing listens for tls at '%s': %s", e->name, judge_or(s->tls_why, "closed"));
		return;
	case LEG_SILENT:
	case LEG_UNKNOWN:
		judge(j, CHECK_INCONCLUSIVE, "'%s': %s", e->name, judge_or(s->tls_why, "no answer to a handshake"));
		return;
	}
	if (s->chain == VERIFIED_NOT_TRIED) {
		judge(j, CHECK_INCONCLUSIVE, "'%s' speaks tls; no CA is known to verify it against", e->name);
		return;
	}
	if (s->chain == VERIFIED_BAD) {
		judge(j, CHECK_FAIL, "'%s': certificate not verified: %s", e->name, judge_or(s->chain_why, "chain"));
		return;
	}
	if (board_revocation(j->board, s->cert.sha256) != NULL) {
		judge(j, CHECK_FAIL, "'%s': its certificate was %s", e->name, board_revocation(j->board, s->cert.sha256));
		return;
	}
	if (s->nnames == 0) {
		judge(j, CHECK_INCONCLUSIVE, "'%s' has no name in the fleet to verify", e->name);
		return;
	}
	for (i = 0; i < s->nnames; i++)
		if (s->name[i] != VERIFIED_OK) {
			judge(j, s->name[i] == VERIFIED_BAD ? CHECK_FAIL : CHECK_INCONCLUSIVE,
			    "'%s': the certificate does not cover '%s'", e->name,
			    i < n ? names[i] : "?");
			return;
		}
	if (n == READING_NAMES_MAX) {
		judge(j, CHECK_INCONCLUSIVE, "'%s': clients dial %d names or more, and no more of them are checked", e->name,
		    READING_NAMES_MAX);
		return;
	}
	if (s->cert.weak != NULL) {
		judge(j, CHECK_FAIL, "'%s': the certificate is weak: %s", e->name, s->cert.weak);
		return;
	}
	if (s->turned_away) {
		judge(j, CHECK_INCONCLUSIVE, "'%s' turned belay away after the handshake: %s", e->name,
		    judge_or(s->tls_why, "no reason given"));
		return;
	}
	if (j->check->proto_min != PROTO_ANY &&
	    proto_parse(judge_or(s->protocol, "")) < (int)j->check->proto_min) {
		judge(j, CHECK_FAIL, "'%s' negotiated %s, less than %s", e->name,
		    judge_or(s->protocol, "?"), proto_word(j->check->proto_min));
		return;
	}
	if (j->check->cipher != NULL && (s->cipher == NULL || strcmp(s->cipher, j->check->cipher) != 0)) {
		judge(j, CHECK_FAIL, "'%s' negotiated %s, not %s", e->name,
		    judge_or(s->cipher, "?"), j->check->cipher);
		return;
	}
	judge(j, CHECK_PASS, "%s %s, chain and %zu name%s verified%s", judge_or(s->protocol, "tls"),
	    judge_or(s->cipher, ""), s->nnames, s->nnames == 1 ? "" : "s",
	    demanded ? "; belay shows no client certificate and was turned away: what comes after the login is unseen" : "");
}

/* Is who shows no client certificate turned away? */
static void
judge_bare(struct judging *j, const struct served *s)
{
	const struct endpoint *e = &j->fleet->endpoints[j->check->endpoint];

	if (s->bare == LEG_REFUSED)
		judge(j, CHECK_PASS, "without a client certificate at '%s': %s", e->name, judge_or(s->bare_why, "refused"));
	else if (s->bare == LEG_OPEN && e->kind == KIND_POSTGRES)
		judge(j, CHECK_INCONCLUSIVE, "'%s' lets belay's own role in without a client certificate; others are pg_hba.conf's "
		    "to say", e->name);
	else if (s->bare == LEG_OPEN)
		judge(j, CHECK_FAIL, "'%s' lets in who shows no client certificate", e->name);
	else if (s->tls == LEG_OPEN)
		judge(j, CHECK_FAIL, "'%s' does not ask for a client certificate", e->name);
	else
		judge(j, CHECK_INCONCLUSIVE, "tls at '%s': %s", e->name, judge_or(s->tls_why, "no answer"));
}

static void
judge_refused(struct judging *j)
{
	const struct endpoint *e = &j->fleet->endpoints[j->check->endpoint];
	const struct reading *r = judge_fresh(j, READING_SERVED, j->check->endpoint, e->name);
	bool plain = j->check->accept == ACCEPT_PLAIN;
	const char *what = plain ? "plaintext" : "tls";
	const char *why;
	enum leg leg;

	if (r == NULL)
		return;
	if (j->check->accept == ACCEPT_MUTUAL) {
		judge_bare(j, &r->served);
		return;
	}
	leg = plain ? r->served.plain : r->served.tls;
	why = plain ? r->served.plain_why : r->served.tls_why;
	switch (leg) {
	case LEG_REFUSED:
	case LEG_CLOSED:
		judge(j, CHECK_PASS, "%s at '%s': %s", what, e->name,
		    judge_or(why, leg == LEG_CLOSED ? "nothing listens" : "refused"));
		return;
	case LEG_OPEN:
		judge(j, CHECK_FAIL, "'%s' still takes %s", e->name, what);
		return;
	case LEG_SILENT:
	case LEG_UNKNOWN:
		judge(j, CHECK_INCONCLUSIVE, "%s at '%s': %s", what, e->name, judge_or(why, "no answer"));
		return;
	}
}

static int
endpoint_host(const struct fleet *f, const struct endpoint *e)
{
	return e->host != NONE ? e->host : e->unit != NONE ? f->units[e->unit].host : NONE;
}

const char *
judge_host_word(const struct fleet *f, const struct link *l)
{
	int host = link_host(f, l);

	return host == NONE ? "host not known" : f->hosts[host].name;
}

bool
judge_looked_at(const struct judging *j, const struct link *l)
{
	int host = link_host(j->fleet, l);
	const struct reading *good, *bad;

	if (l->how != DIAL_BOUND || host == NONE)
		return true;
	good = board_reading(j->board, READING_HOST, host);
	bad = board_failure(j->board, READING_HOST, host);
	return (good != NULL && good->at_ms >= j->since_ms) ||
	    (bad != NULL && bad->at_ms >= j->since_ms);
}

static void
judge_setting(struct judging *j)
{
	const struct endpoint *e = &j->fleet->endpoints[j->check->endpoint];
	const struct reading *r = judge_fresh(j, READING_SETTINGS, j->check->endpoint, e->name);
	size_t i;

	if (r == NULL)
		return;
	for (i = 0; i < r->settings.n; i++) {
		if (strcmp(r->settings.v[i].key, j->check->setting) != 0)
			continue;
		if (strcmp(r->settings.v[i].value, j->check->value) == 0)
			judge(j, CHECK_PASS, "%s is %s", j->check->setting, j->check->value);
		else
			judge(j, CHECK_FAIL, "'%s': %s is %s, not %s", e->name, j->check->setting,
			    r->settings.v[i].value, j->check->value);
		return;
	}
	judge(j, CHECK_INCONCLUSIVE, "'%s' does not show its setting '%s'", e->name, j->check->setting);
}

/* A probe of its own answered, or did not. */
static void
judge_own(struct judging *j)
{
	const struct reading *r = j->own;

	if (r == NULL || r->at_ms < j->since_ms) {
		judge(j, CHECK_PENDING, "not asked yet");
		return;
	}
	if (r->outcome != SAW)
		judge(j, CHECK_INCONCLUSIVE, "%s", judge_or(r->why, "no answer"));
	else
		judge(j, r->check_passed ? CHECK_PASS : CHECK_FAIL, "%s",
		    judge_or(r->why, r->check_passed ? "as expected" : "not as expected"));
}

/* The link's sessions are all on TLS, and there is one. */
static void
judge_link_tls(struct judging *j)
{
	const struct link *l = &j->fleet->links[j->check->link];
	const struct reading *r = judge_fresh(j, READING_CENSUS, l->endpoint, l->name);
	struct link_view v;

	if (r == NULL)
		return;
	board_link(j->board, j->check->link, r->at_ms, INT64_MAX, &v);
	if (v.plain > 0)
		judge(j, CHECK_FAIL, "%s on %s: %u session%s still on plaintext", l->name,
		    judge_host_word(j->fleet, l), v.plain, v.plain == 1 ? "" : "s");
	else if (v.tls > 0 && v.state == LINK_UNKNOWN)
		judge(j, CHECK_INCONCLUSIVE, "%s: %s", l->name, v.why);
	else if (v.tls > 0)
		judge(j, CHECK_PASS, "%u session%s on tls", v.tls, v.tls == 1 ? "" : "s");
	else
		judge(j, CHECK_INCONCLUSIVE, "%s: no session seen yet", l->name);
}

/*
 * Whether a session of the link that is opened now would be on TLS: the endpoint serves it, the
 * link is told to dial it, and one that did so was seen, where it has any.
 */
static void
judge_link_new(struct judging *j)
{
	const struct link *l = &j->fleet->links[j->check->link];
	const struct endpoint *e = &j->fleet->endpoints[l->endpoint];
	const struct reading *census = judge_fresh(j, READING_CENSUS, l->endpoint, l->name);
	const struct reading *served = census == NULL ? NULL : judge_fresh(j, READING_SERVED, l->endpoint, e->name);
	struct link_view v;

	if (served == NULL)
		return;
	if (!judge_looked_at(j, l)) {
		judge(j, CHECK_PENDING, "%s: its settings were not looked at since", judge_host_word(j->fleet, l));
		return;
	}
	board_link(j->board, j->check->link, census->at_ms, INT64_MAX, &v);
	if (!v.counted)
		judge(j, CHECK_INCONCLUSIVE, "%s: %s", l->name, judge_or(v.why, "its sessions are not known"));
	else if (served->served.tls != LEG_OPEN)
		judge(j, served->served.tls == LEG_SILENT || served->served.tls == LEG_UNKNOWN ? CHECK_INCONCLUSIVE :
		    CHECK_FAIL, "'%s' does not speak tls: %s", e->name, judge_or(served->served.tls_why, "refused"));
	else if (v.dial == DIAL_DISABLE || v.dial == DIAL_ALLOW)
		judge(j, CHECK_FAIL, "%s on %s dials %s", l->name, judge_host_word(j->fleet, l), dial_word(v.dial));
	else if (v.plain > 0 && v.tls == 0)
		judge(j, CHECK_INCONCLUSIVE, "%s: none of its %u session%s is on tls yet", l->name, v.plain,
		    v.plain == 1 ? "" : "s");
	else if (v.plain > 0 && v.dial == DIAL_UNKNOWN)
		judge(j, CHECK_INCONCLUSIVE, "%s: how it dials is not known", l->name);
	else
		judge(j, CHECK_PASS, "%s: %u on tls%s%s", l->name, v.tls, v.dial == DIAL_UNKNOWN ? "" : ", dials ",
		    v.dial == DIAL_UNKNOWN ? "" : dial_word(v.dial));
}

static void
judge_link_up(struct judging *j)
{
	const struct link *l = &j->fleet->links[j->check->link];
	const struct reading *r = judge_fresh(j, READING_CENSUS, l->endpoint, l->name);
	struct link_view v;

	if (r == NULL)
		return;
	board_link(j->board, j->check->link, r->at_ms, INT64_MAX, &v);
	if (v.tls + v.plain > 0)
		judge(j, CHECK_PASS, "%u session%s", v.tls + v.plain, v.tls + v.plain == 1 ? "" : "s");
	else
		judge(j, CHECK_INCONCLUSIVE, "%s: no session seen yet", l->name);
}

static void
judge_dial_set(struct judging *j)
{
	const struct link *l = &j->fleet->links[j->check->link];
	const struct reading *r = judge_fresh(j, READING_HOST, link_host(j->fleet, l), l->name);
	size_t i;

	if (r == NULL)
		return;
	for (i = 0; i < r->nfacets; i++) {
		const struct facet_seen *fs = &r->facets[i];

		if (fs->facet != FACET_DIAL || fs->subject != j->check->link)
			continue;
		if (fs->value == (int)j->check->dial)
			judge(j, CHECK_PASS, "%s is written on %s", dial_word(j->check->dial), judge_host_word(j->fleet, l));
		else if (fs->value == DIAL_UNKNOWN)
			judge(j, CHECK_INCONCLUSIVE, "%s: %s", judge_host_word(j->fleet, l),
			    judge_or(fs->detail, "what is written matches no value"));
		else
			judge(j, CHECK_FAIL, "%s says %s, not %s", judge_host_word(j->fleet, l),
			    dial_word((enum dial)fs->value), dial_word(j->check->dial));
		return;
	}
	judge(j, CHECK_INCONCLUSIVE, "%s: its dial is not bound to a file there", l->name);
}

/* Nobody who is connected loses the line that lets him in again. */
static void
judge_hba(struct judging *j)
{
	const struct endpoint *e = &j->fleet->endpoints[j->check->endpoint];
	const struct reading *census = judge_fresh(j, READING_CENSUS, j->check->endpoint, e->name), *host;
	char why[sizeof(j->ret->why)];
	enum hba_step_says says;
	int *presents;
	size_t i;

	if (census == NULL || (host = judge_fresh(j, READING_HOST, endpoint_host(j->fleet, e), e->name)) == NULL)
		return;
	presents = mem_array(j->fleet->nlinks, sizeof(*presents));
	for (i = 0; i < j->fleet->nlinks; i++)
		presents[i] = board_present(j->board, (int)i);
	says = hba_step_judge(j->fleet, j->check->endpoint, j->check->accept, census, host, presents, why, sizeof(why));
	free(presents);
	switch (says) {
	case HBA_STEP_KEEPS:
		if (census->outcome == SAW_PART)
			judge(j, CHECK_INCONCLUSIVE, "'%s': %s", e->name, judge_or(census->why, "not all sessions can be seen"));
		else if (why[0] != '\0')
			judge(j, CHECK_PASS, "%s", why);
		else
			judge(j, CHECK_PASS, "every session that is named at '%s' keeps a line", e->name);
		break;
	case HBA_STEP_LOSES:
		judge(j, CHECK_FAIL, "'%s': at its next connection: %s", e->name, why);
		break;
	case HBA_STEP_UNSURE:
		judge(j, CHECK_INCONCLUSIVE, "'%s': %s", e->name, why);
		break;
	}
}

/* By a handshake, not by what any file or setting says. */
static void
judge_presents(struct judging *j)
{
	const struct endpoint *e = &j->fleet->endpoints[j->check->endpoint];
	const struct reading *r = judge_fresh(j, READING_SERVED, j->check->endpoint, e->name);
	const char *issued = board_issued_sha(j->board, j->check->cert);
	const struct served *s;

	if (r == NULL)
		return;
	s = &r->served;
	if (s->protocol == NULL && !s->client_cert_asked && (s->tls == LEG_REFUSED || s->tls == LEG_CLOSED))
		judge(j, CHECK_PASS, "'%s' does not speak tls yet", e->name);
	else if (s->protocol == NULL || s->cert.sha256[0] == '\0')
		judge(j, CHECK_INCONCLUSIVE, "'%s': %s", e->name, judge_or(s->tls_why, "no certificate was seen"));
	else if (issued[0] == '\0')
		judge(j, CHECK_INCONCLUSIVE, "'%s' presents sha256 %.16s; what was issued last is not known here", e->name,
		    s->cert.sha256);
	else if (strcmp(issued, s->cert.sha256) != 0)
		judge(j, CHECK_FAIL, "'%s' still presents another certificate: sha256 %.16s, and %.16s was issued last", e->name,
		    s->cert.sha256, issued);
	else
		judge(j, CHECK_PASS, "sha256 %.16s", issued);
}

/* Does what the client checks of a certificate hang on its CA file? */
static bool
verifies(struct judging *j)
{
	const struct link *l = &j->fleet->links[j->check->link];
	struct link_view v;

	memset(&v, 0, sizeof(v));
	board_link(j->board, j->check->link, 0, INT64_MAX, &v);
	return v.dial == DIAL_UNKNOWN || dialect_manner(l->dialect, v.dial)->check != TRY_CHECKS_NOTHING;
}

static void
judge_trusts(struct judging *j)
{
	const struct link *l = &j->fleet->links[j->check->link];
	const struct facet_seen *fs = NULL;
	const struct reading *r;
	int v[TRUST_CERTS_MAX];
	size_t i, n = trust_certs(j->check->trust, v);

	/* Where a certificate is about to be replaced, whoever verifies nothing is no obstacle. */
	if (j->check->cert != NONE && !verifies(j)) {
		judge(j, CHECK_PASS, "%s verifies nothing", l->name);
		return;
	}
	if ((r = judge_fresh(j, READING_HOST, link_host(j->fleet, l), l->name)) == NULL)
		return;
	for (i = 0; i < r->nfacets; i++)
		if (r->facets[i].facet == FACET_TRUST && r->facets[i].subject == j->check->link)
			fs = &r->facets[i];
	if (fs == NULL)
		judge(j, CHECK_INCONCLUSIVE, "%s: the fleet does not say by which file it verifies", l->name);
	else if (fs->odd)
		judge(j, CHECK_FAIL, "%s: %s", judge_host_word(j->fleet, l), judge_or(fs->detail, "its CA file is another"));
	else if (fs->value < 0)
		judge(j, CHECK_INCONCLUSIVE, "%s: %s", judge_host_word(j->fleet, l), judge_or(fs->detail, "its CA file was not read"));
	else {
		for (i = 0; i < n && trust_holds(j->fleet, fs->value, v[i]); i++)
			continue;
		if (i < n)
			judge(j, CHECK_FAIL, "%s: %s, not that of '%s'", judge_host_word(j->fleet, l), judge_or(fs->detail, "its CA file"),
			    j->fleet->certs[v[i]].name);
		else
			judge(j, CHECK_PASS, "%s: %s", judge_host_word(j->fleet, l), judge_or(fs->detail, "its CA file holds it"));
	}
}

/* One of its own: the settings to be, or as they are. */
static void
judge_rehearsal(struct judging *j)
{
	const struct link *l = &j->fleet->links[j->check->link];
	const struct rehearsed *r = j->own == NULL ? NULL : &j->own->rehearsed;
	bool asks = j->check->dial == DIAL_UNKNOWN && j->check->trust == NONE;
	char words[400];

	if (r == NULL) {
		judge(j, CHECK_PENDING, "not tried since the step");
		return;
	}
	if (j->own->outcome != SAW) {
		judge(j, j->check->implied ? CHECK_NOT_TRIED : CHECK_INCONCLUSIVE, "%s: could not be tried: %.300s", l->name,
		    judge_or(j->own->why, "no reason"));
		return;
	}
	rehearsed_words(r, words, sizeof(words));
	if (j->check->accept == ACCEPT_MUTUAL && r->verdict >= VERDICT_TLS && !(r->asked && r->shown[0] != '\0')) {
		judge(j, r->asked ? CHECK_INCONCLUSIVE : CHECK_FAIL, "%s to %s:%d: %s, and %s", l->name, r->name, r->port, words,
		    r->asked ? "none was shown" : "no client certificate was asked for");
		return;
	}
	/* Written after a step it has to be TLS; before, what the mode to be insists on. */
	if (asks ? r->verdict >= VERDICT_TLS : rehearsed_well(r))
		judge(j, CHECK_PASS, "%s:%d: %s", r->name, r->port, words);
	else
		judge(j, CHECK_FAIL, "%s%s%s to %s:%d: %s", l->name, j->check->dial == DIAL_UNKNOWN ? "" : ", dialling ",
		    j->check->dial == DIAL_UNKNOWN ? "" : dial_word(j->check->dial), r->name, r->port, words);
}

/* Somebody's word for a client is a client's attest check's, too; of any other the engine knows. */
static void
judge_attest(struct judging *j)
{
	const char *words = j->check->link == NONE ? NULL :
	    board_vouched(j->board, j->fleet->links[j->check->link].client);

	if (words != NULL)
		judge(j, CHECK_PASS, "attested by %s", words);
	else
		judge(j, CHECK_INCONCLUSIVE, "somebody has to say so, by name and with a reason (attest)");
}

typedef void judge_one(struct judging *);

static const struct {
	judge_one *judge;
	const char *word;
} kinds[CHECK_COUNT] = {
	[CHECK_SERVED] = { judge_served, "served" },
	[CHECK_REFUSED] = { judge_refused, "refused" },
	[CHECK_CENSUS] = { judge_census, "nobody on plaintext" },
	[CHECK_SETTING] = { judge_setting, "setting" },
	[CHECK_LOG] = { judge_own, "log" },
	[CHECK_HTTP] = { judge_own, "http" },
	[CHECK_COMMAND] = { judge_own, "command" },
	[CHECK_FILE] = { NULL, "file" },
	[CHECK_JOB] = { NULL, "job" },
	[CHECK_SEEN] = { judge_seen, "seen" },
	[CHECK_STEADY] = { NULL, "steady" },
	[CHECK_ATTEST] = { judge_attest, "attest" },
	[CHECK_REHEARSAL] = { judge_rehearsal, "rehearsal" },
	[CHECK_CAN_TLS] = { judge_own, "can-tls" },
	[CHECK_LINK_TLS] = { judge_link_tls, "sessions" },
	[CHECK_LINK_UP] = { judge_link_up, "connected" },
	[CHECK_DIAL_SET] = { judge_dial_set, "written" },
	[CHECK_PROOF] = { NULL, "proof" },	/* judged by who knows the run: engine/prove.c */
	[CHECK_LINK_NEW] = { judge_link_new, "new" },
	[CHECK_HBA] = { judge_hba, "hba" },
	[CHECK_UNSEEN] = { judge_unseen, "nobody unseen" },
	[CHECK_PRESENTS] = { judge_presents, "presents" },
	[CHECK_TRUSTS] = { judge_trusts, "trusts" },
	[CHECK_CANARY] = { NULL, "canary" },	/* likewise: engine/canaries.c */
};

void
check_judge(const struct check *check, const struct fleet *f, const struct board *b,
    const struct reading *own, int64_t since_ms, struct check_result *ret)
{
	struct judging j = { check, f, b, own, since_ms, ret };

	if (kinds[check->kind].judge == NULL || check->not_yet != NULL)
		judge(&j, CHECK_INCONCLUSIVE, "'%s' is not built yet", kinds[check->kind].word);
	else
		kinds[check->kind].judge(&j);
}

void
check_wants(const struct check *check, const struct fleet *f, struct wants *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->endpoint = check->endpoint;
	ret->host = NONE;
	switch (check->kind) {
	case CHECK_PRESENTS:
	case CHECK_SERVED:
	case CHECK_REFUSED:
		ret->served = true;
		break;
	case CHECK_CENSUS:
	case CHECK_UNSEEN:
		ret->census = true;
		break;
	case CHECK_SETTING:
		ret->settings = true;
		break;
	case CHECK_LINK_TLS:
	case CHECK_LINK_UP:
	case CHECK_SEEN:
		ret->endpoint = f->links[check->link].endpoint;
		ret->census = true;
		break;
	case CHECK_LINK_NEW:
		ret->endpoint = f->links[check->link].endpoint;
		ret->census = ret->served = true;
		ret->host = link_host(f, &f->links[check->link]);
		break;
	case CHECK_DIAL_SET:
	case CHECK_TRUSTS:
		ret->host = link_host(f, &f->links[check->link]);
		break;
	case CHECK_HBA:
		ret->census = true;
		ret->host = endpoint_host(f, &f->endpoints[check->endpoint]);
		break;
	case CHECK_LOG:
	case CHECK_HTTP:
	case CHECK_COMMAND:
	case CHECK_CAN_TLS:
	case CHECK_REHEARSAL:
		ret->own = true;
		break;
	case CHECK_FILE:
	case CHECK_JOB:
	case CHECK_STEADY:
	case CHECK_ATTEST:
	case CHECK_PROOF:
	case CHECK_CANARY:
		break;
	}
}
