/*
 * certs: every certificate: what each endpoint presents and for how long, who
 * issued it, which clients trust which CA.  For people, as data, and as a
 * textfile for Prometheus.
 */
#include "core/certs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/buf.h"
#include "core/mem.h"
#include "core/text.h"
#include "verbs/json.h"
#include "verbs/out.h"
#include "verbs/run.h"

#define LOOK_MS		20000	/* how long the first look may take */

struct certs {
	int64_t	 since_ms, deadline_ms;
	int	 revokes;	/* the certificate that is to be, or NONE */
	bool	 revoked, asked;
};

/* ---- for people ---- */

static const char *
date(int64_t at_s, char ret[32])
{
	time_t t = (time_t)at_s;
	struct tm tm;

	if (gmtime_r(&t, &tm) == NULL || strftime(ret, 32, "%Y-%m-%d", &tm) == 0)
		(void)snprintf(ret, 32, "?");
	return ret;
}

static void
say_left(struct buf *b, int64_t days, enum expiry e, int64_t until_s)
{
	char until[32];

	if (e == EXPIRY_PAST)
		(void)buf_printf(b, "expired on %s", date(until_s, until));
	else
		(void)buf_printf(b, "%lld day%s left, until %s", (long long)days, days == 1 ? "" : "s", date(until_s, until));
	if (e != EXPIRY_FAR && e != EXPIRY_PAST)
		(void)buf_printf(b, ": %s", expiry_word(e));
}

static const char *
issuer_words(const struct cert *c)
{
	if (c->external)
		return "somebody else's: it is watched, and never issued here";
	switch (c->issuer) {
	case ISSUER_OWN:
		return "issued here, by a CA of its own";
	case ISSUER_IMPORTED:
		return "issued here, by a CA that was taken over";
	case ISSUER_GIVEN:
		return "issued here, by a CA that is kept elsewhere";
	case ISSUER_COMMAND:
		return "signed by a command";
	}
	return "";
}

/* Whom somebody with that key can still deceive, and what ends it. */
static void
show_revoked(const struct fleet *f, int cert, const struct revoked *x, const struct cert_files *files,
    const struct posture *seen, int64_t now_ms)
{
	struct buf trust = { 0 }, unverified = { 0 }, *b;
	enum revoked_taken t;
	char on[32], until[32], *words = revoked_words(x);
	size_t i;

	out("  sha256 %.16s of '%s', serial %s: %s, on %s\n", x->sha256, x->name, x->serial, words, date(x->at_s, on));
	free(words);
	if (x->not_after_s <= now_ms / 1000) {
		out("    it has ended on %s: nobody takes it any more\n", date(x->not_after_s, until));
		return;
	}
	for (i = 0; i < f->nlinks; i++) {
		if ((t = certs_taken(f, seen, (int)i, cert)) == TAKEN_NOT)
			continue;
		b = t == TAKEN_BY_TRUST ? &trust : &unverified;
		(void)buf_printf(b, "%s%s", b->len > 0 ? ", " : "", f->links[i].name);
	}
	if (trust.len > 0)
		out("    until %s it is still taken by %s: they trust its CA, and none is known to look at a list; only another CA ends "
		    "that (rotate-ca.plan.yaml)\n", date(x->not_after_s, until), buf_str(&trust));
	if (unverified.len > 0)
		out("    it is taken, as any other would be, by %s, which verify nothing: dial verify-full ends that\n", buf_str(&unverified));
	if (files->crl != NULL)
		out("    the list that says so: %s\n", files->crl);
	if (files->crl_why != NULL)
		out("    warning: %s\n", files->crl_why);
	buf_release(&trust);
	buf_release(&unverified);
}

static void
show_cert(const struct engine *e, int cert, const struct posture *seen, int64_t now_ms)
{
	const struct fleet *f = engine_fleet(e);
	const struct cert *c = &f->certs[cert];
	const struct cert_files *files = engine_cert_files(e, cert);
	struct buf b = { 0 };
	enum expiry ex;
	int64_t days;
	bool any = false;
	size_t i;

	if (c->under_other)
		out("%s: a client's, issued here, by the CA of '%s'\n", c->name, f->certs[c->other].name);
	else
		out("%s: %s\n", c->name, issuer_words(c));
	if (c->under_other || (c->client && c->external))
		;
	else if (certs_ca(files, now_ms / 1000, &ex, &days)) {
		say_left(&b, days, ex, files->ca.not_after_s);
		out("  CA %s: %s\n", files->ca.subject, buf_str(&b));
	} else if (files != NULL && files->why != NULL)
		out("  CA: %s\n", files->why);
	else
		out("  CA: %s\n", c->external ? "the system's" : "none was made yet");
	buf_clear(&b);
	if (files != NULL && files->leaf.sha256[0] != '\0') {
		ex = expiry_of(files->leaf.not_before_s, files->leaf.not_after_s, now_ms / 1000, c->warn_ms / 1000);
		say_left(&b, expiry_days(files->leaf.not_after_s, now_ms / 1000), ex, files->leaf.not_after_s);
		out("  issued last: %s; for %s; sha256 %.16s\n", buf_str(&b), c->client ? files->leaf.subject : files->leaf.names,
		    files->leaf.sha256);
	}
	if (files != NULL && files->lies != NULL)
		out("  warning: %s\n", files->lies);
	for (i = 0; files != NULL && i < files->revoked.n; i++)
		show_revoked(f, cert, &files->revoked.v[i], files, seen, now_ms);
	if (files != NULL && files->revoked.n == 0 && files->crl_why != NULL)
		out("  warning: %s\n", files->crl_why);
	buf_clear(&b);
	if (c->client) {
		for (i = 0; i < f->nlinks; i++)
			if (certs_shows(f, engine_board(e), (int)i, cert))
				(void)buf_printf(&b, "%s%s%s", b.len > 0 ? ", " : "", f->links[i].name,
				    board_present(engine_board(e), (int)i) == cert ? "" : " (declared)");
		for (i = 0; i < f->nendpoints; i++)
			if (f->endpoints[i].probe_cert == cert)
				(void)buf_printf(&b, "%sbelay itself at %s", b.len > 0 ? ", " : "", f->endpoints[i].name);
		out("  shown by: %s\n", b.len > 0 ? buf_str(&b) : "nobody");
		buf_release(&b);
		return;
	}
	for (i = 0; i < f->nlinks; i++) {
		enum trust_basis t = certs_trust(f, seen, (int)i, cert);

		if (t == TRUST_NOT)
			continue;
		(void)buf_printf(&b, "%s%s%s", any ? ", " : "", f->links[i].name, t == TRUST_DECLARED ? " (declared)" : "");
		any = true;
	}
	out("  trusted by: %s\n", any ? buf_str(&b) : "nobody");
	buf_release(&b);
}

static void
show_row(const struct engine *e, const struct cert_row *row, int width)
{
	const struct fleet *f = engine_fleet(e);
	struct buf b = { 0 };

	if (row->c == NULL)
		(void)buf_puts(&b, row->tls || row->wrong ? "?" : "no TLS");
	else {
		say_left(&b, row->days, row->expiry, row->ends_s);
		if (row->c->ends_who != NULL && row->ends_s != row->c->not_after_s)
			(void)buf_printf(&b, " (%s)", row->c->ends_who);
		(void)buf_printf(&b, "; %s by %s", row->c->subject, row->c->issuer);
		if (row->match == MATCH_SAME)
			(void)buf_puts(&b, "; as issued last");
	}
	out("%-*s  %s%s%s\n", width, f->endpoints[row->endpoint].name, buf_str(&b), row->why[0] == '\0' ? "" : "; ", row->why);
	buf_release(&b);
}

static void
show(const struct engine *e, const struct cert_files *const *files, int64_t now_ms)
{
	const struct fleet *f = engine_fleet(e);
	struct posture seen;
	struct cert_row row;
	int width = 0;
	size_t i;

	board_posture(engine_board(e), &seen);
	for (i = 0; i < f->nendpoints; i++)
		if ((int)strlen(f->endpoints[i].name) > width)
			width = (int)strlen(f->endpoints[i].name);
	for (i = 0; i < f->nendpoints; i++) {
		certs_row(&row, f, engine_board(e), files, (int)i, now_ms, engine_stale_ms(e, READING_SERVED));
		show_row(e, &row, width);
	}
	for (i = 0; i < f->ncerts; i++) {
		out("\n");
		show_cert(e, (int)i, &seen, now_ms);
	}
	posture_release(&seen);
}

/* ---- for Prometheus ---- */

/* A label's value: what is remote is cleaned first, then quoted as the format wants it. */
static void
put_label(struct buf *b, const char *name, const char *value)
{
	char *clean = text_clean_dup(value == NULL ? "" : value), *p;

	(void)buf_printf(b, "%s=\"", name);
	for (p = clean; *p != '\0'; p++) {
		if (*p == '\\' || *p == '"')
			(void)buf_putc(b, '\\');
		(void)buf_putc(b, *p);
	}
	(void)buf_putc(b, '"');
	free(clean);
}

static void
put_sample(struct buf *b, const struct fleet *f, const char *metric, const struct cert_row *row, long long value)
{
	(void)buf_printf(b, "%s{", metric);
	put_label(b, "endpoint", f->endpoints[row->endpoint].name);
	(void)buf_putc(b, ',');
	put_label(b, "certificate", row->cert == NONE ? "" : f->certs[row->cert].name);
	(void)buf_printf(b, "} %lld\n", value);
}

static void
head(struct buf *b, const char *metric, const char *help)
{
	(void)buf_printf(b, "# HELP %s %s\n# TYPE %s gauge\n", metric, help, metric);
}

enum sample { SAMPLE_DAYS, SAMPLE_ENDS, SAMPLE_WARNING, SAMPLE_SEEN, SAMPLE_WRONG, SAMPLE_REVOKED, SAMPLE_COUNT };

/* 0, or the warning that it is within: 90, 30 (or what the fleet says), 7 days; 1: expired, or not valid yet. */
static int
warning(enum expiry e)
{
	static const int days[] = {
		[EXPIRY_FAR] = 0, [EXPIRY_NOTICE] = 90, [EXPIRY_SOON] = 30, [EXPIRY_URGENT] = 7,
		[EXPIRY_NOT_YET] = 1, [EXPIRY_PAST] = 1,
	};

	return days[e];
}

static void
metrics(const struct engine *e, const struct cert_files *const *files, int64_t now_ms)
{
	static const struct { const char *name, *help; } m[SAMPLE_COUNT] = {
		[SAMPLE_DAYS] = { "belay_certificate_days_left", "Whole days until the first ends that what is presented rests on." },
		[SAMPLE_ENDS] = { "belay_certificate_ends_timestamp_seconds", "When that is, since 1970." },
		[SAMPLE_WARNING] = { "belay_certificate_warning", "0, or the warning that it is within: 90, 30, 7; 1: not valid." },
		[SAMPLE_SEEN] = { "belay_certificate_seen", "Whether a certificate was seen in a handshake." },
		[SAMPLE_WRONG] = { "belay_certificate_wrong", "Whether something is not as it should be, but for its dates." },
		[SAMPLE_REVOKED] = { "belay_certificate_revoked", "Whether what is presented was revoked, its key having leaked." },
	};
	const struct fleet *f = engine_fleet(e);
	struct buf b = { 0 };
	struct cert_row row;
	enum expiry ex;
	int64_t days;
	size_t i;
	int k;

	for (k = 0; k < SAMPLE_COUNT; k++) {
		head(&b, m[k].name, m[k].help);
		for (i = 0; i < f->nendpoints; i++) {
			certs_row(&row, f, engine_board(e), files, (int)i, now_ms, engine_stale_ms(e, READING_SERVED));
			if (row.c == NULL && k != SAMPLE_SEEN && k != SAMPLE_WRONG)
				continue;
			put_sample(&b, f, m[k].name, &row, k == SAMPLE_DAYS ? (long long)row.days : k == SAMPLE_ENDS ?
			    (long long)row.ends_s : k == SAMPLE_WARNING ? warning(row.expiry) :
			    k == SAMPLE_SEEN ? row.c != NULL : k == SAMPLE_REVOKED ? row.revoked != NULL : row.wrong);
		}
	}
	head(&b, "belay_ca_days_left", "Whole days until the CA ends that clients trust.");
	for (i = 0; i < f->ncerts; i++)
		if (certs_ca(files[i], now_ms / 1000, &ex, &days)) {
			(void)buf_puts(&b, "belay_ca_days_left{");
			put_label(&b, "certificate", f->certs[i].name);
			(void)buf_printf(&b, "} %lld\n", (long long)days);
		}
	head(&b, "belay_client_certificate_days_left", "Whole days until what was issued last for a client ends, where it is shown.");
	for (i = 0; i < f->ncerts; i++)
		if (certs_client(f, engine_board(e), files[i], (int)i, now_ms / 1000, &ex, &days)) {
			(void)buf_puts(&b, "belay_client_certificate_days_left{");
			put_label(&b, "certificate", f->certs[i].name);
			(void)buf_printf(&b, "} %lld\n", (long long)days);
		}
	head(&b, "belay_certificates_looked_timestamp_seconds", "When this was seen, since 1970.");
	(void)buf_printf(&b, "belay_certificates_looked_timestamp_seconds %lld\n", (long long)(now_ms / 1000));
	out("%s", buf_str(&b));
	buf_release(&b);
}

/* ---- the verb ---- */

static int
exit_of(const struct certs_worst *w)
{
	if (w->revoked)
		return EXIT_URGENT;
	switch (w->expiry) {
	case EXPIRY_PAST:
	case EXPIRY_NOT_YET:
	case EXPIRY_URGENT:
		return EXIT_URGENT;
	case EXPIRY_SOON:
		return EXIT_RENEW;
	case EXPIRY_NOTICE:
		return w->wrong ? EXIT_PENDING : EXIT_NOTICE;
	case EXPIRY_FAR:
		break;
	}
	return w->wrong ? EXIT_PENDING : EXIT_DONE;
}

/* Found by its name; false after the run's end. */
static bool
revoke_named(struct run *r)
{
	const struct fleet *f = engine_fleet(r->engine);
	struct certs *x = r->arg;
	struct err err;
	size_t i;

	x->asked = true;
	for (i = 0; i < f->ncerts && strcmp(f->certs[i].name, r->options->name) != 0; i++)
		continue;
	if (i == f->ncerts)
		(void)err_set(&err, "the fleet has no certificate '%s'", r->options->name);
	else if (engine_revoke(r->engine, (int)i, r->options->reason, &err) == 0) {
		x->revokes = (int)i;
		return true;
	}
	out_err("belay: %s\n", err.msg);
	run_end(r, r->need_person ? EXIT_PERSON : EXIT_ERROR);
	return false;
}

/* What is to be done next by whom it is said to. */
static void
say_revoked(const struct run *r, int cert)
{
	const char *name = engine_fleet(r->engine)->certs[cert].name;

	out("what was issued last for '%s' is revoked, and is never given out again\n"
	    "next: a plan with 'certs: { %s: replace }' puts another key in its place at once (replace-leaf.plan.yaml)\n"
	    "where the key of the CA itself leaked no list helps: rotate the CA, and leave out its soaks (rotate-ca.plan.yaml)\n\n", name, name);
}

/* False: it is being done, or has failed. */
static bool
revocation(struct run *r)
{
	struct certs *x = r->arg;
	bool done;

	if (r->options->step == NULL || x->revoked)
		return true;
	if (!x->asked && !revoke_named(r))
		return false;
	if (engine_revoking(r->engine, &done))
		return false;
	if (!done) {
		run_end(r, r->need_person ? EXIT_PERSON : EXIT_ERROR);
		return false;
	}
	x->revoked = true;
	if (!r->options->json && !r->options->metrics)
		say_revoked(r, x->revokes);
	return true;
}

static void
turn(struct run *r)
{
	struct certs *x = r->arg;
	struct engine *e = r->engine;
	const struct fleet *f = engine_fleet(e);
	int64_t now_ms = engine_now_ms(e);
	const struct cert_files **files;
	struct certs_worst worst;
	size_t i;

	if (r->interrupted) {
		run_end(r, EXIT_ERROR);
		return;
	}
	if (!revocation(r))
		return;
	if (x->since_ms == 0) {
		x->since_ms = engine_sweep(e);
		x->deadline_ms = now_ms + LOOK_MS;
		engine_wake_in(e, LOOK_MS);
	}
	if (!engine_swept(e, x->since_ms) && now_ms < x->deadline_ms)
		return;
	files = mem_array(f->ncerts + 1, sizeof(*files));
	for (i = 0; i < f->ncerts; i++)
		files[i] = engine_cert_files(e, (int)i);
	certs_worst(&worst, f, engine_board(e), files, now_ms, engine_stale_ms(e, READING_SERVED));
	if (r->options->metrics)
		metrics(e, files, now_ms);
	else if (r->options->json)
		json_certs(e, files, &worst);
	else
		show(e, files, now_ms);
	free(files);
	/* A file that is written is good, whatever it says: who writes it goes on by that. */
	run_end(r, r->options->metrics || x->revoked ? EXIT_DONE : exit_of(&worst));
}

int
verb_certs(const struct verb_options *options)
{
	struct certs x = { .revokes = NONE };
	struct run r = { .options = options, .turn = turn, .arg = &x };

	if (options->step != NULL && (strcmp(options->step, "revoke") != 0 || options->name == NULL)) {
		out_err("belay: certs: expected 'revoke NAME --reason TEXT', or nothing\n");
		return EXIT_ERROR;
	}
	if (options->step != NULL && options->reason == NULL) {
		out_err("belay: a certificate is revoked only with a reason (--reason TEXT)\n");
		return EXIT_ERROR;
	}
	return run_engine(&r, true, true);
}
