/*
 * hba_match: which record of pg_hba.conf decides about a connection.
 *
 * Follows check_hba(), check_db(), check_role() of src/backend/libpq/hba.c
 * and, for what comes of it, auth.c.  Each question has three answers: yes, no, and
 * maybe where something is not known here.  A record that may match, above the
 * first that does, makes the answer unsure: nothing is guessed.
 */
#include "core/hba.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/buf.h"
#include "core/hba_int.h"
#include "core/mem.h"

enum answer { NO, MAYBE, YES };

const char *
hba_outcome_word(enum hba_outcome outcome)
{
	static const char *const words[HBA_OUTCOME_COUNT] = {
		[HBA_NO_LINE] = "no line", [HBA_REJECTED] = "rejected", [HBA_USELESS] = "cannot log in",
		[HBA_LETS_IN] = "let in", [HBA_ASKS] = "asked for the password", [HBA_UNSURE] = "not known",
	};

	return words[outcome];
}

/* ------------------------------------------------------------------ addresses */

static int
parse_ip(const char *text, size_t len, unsigned char ret[16])
{
	char bare[INET6_ADDRSTRLEN + 1];
	const char *zone = memchr(text, '%', len);

	if (zone != NULL)
		len = (size_t)(zone - text);
	memset(ret, 0, 16);
	if (len >= sizeof(bare))
		return 0;
	memcpy(bare, text, len);
	bare[len] = '\0';
	return inet_pton(AF_INET, bare, ret) == 1 ? AF_INET : inet_pton(AF_INET6, bare, ret) == 1 ? AF_INET6 : 0;
}

static bool
in_range(const unsigned char *a, const unsigned char *b, const unsigned char *mask, int family)
{
	int i, n = family == AF_INET ? 4 : 16;

	for (i = 0; i < n; i++)
		if (((a[i] ^ b[i]) & mask[i]) != 0)
			return false;
	return true;
}

static enum answer
same_host_or_net(const struct hba_connection *c, bool net)
{
	unsigned char from[16], own[16], mask[16];
	int family = parse_ip(c->address, strlen(c->address), from);
	size_t i;
	long b, bits;

	if (c->interfaces == NULL || family == 0)
		return MAYBE;
	for (i = 0; i < c->interfaces->n; i++) {
		const char *text = c->interfaces->v[i], *slash = strchr(text, '/');
		size_t len = slash == NULL ? strlen(text) : (size_t)(slash - text);

		if (parse_ip(text, len, own) != family)
			continue;
		bits = net && slash != NULL ? strtol(slash + 1, NULL, 10) : 128;
		memset(mask, 0, sizeof(mask));
		for (b = 0; b < bits && b < 128; b++)
			mask[b / 8] = (unsigned char)(mask[b / 8] | 0x80 >> (b % 8));
		if (in_range(from, own, mask, family))
			return YES;
	}
	return NO;
}

/* check_hostname(), but for the lookups. */
static enum answer
host_matches(const char *pattern, const char *host)
{
	size_t plen = strlen(pattern), hlen;

	if (host == NULL)
		return MAYBE;
	if (host[0] == '\0')
		return NO;
	hlen = strlen(host);
	if (pattern[0] == '.')
		return hlen >= plen && strcasecmp(pattern, host + hlen - plen) == 0 ? YES : NO;
	return strcasecmp(pattern, host) == 0 ? YES : NO;
}

static enum answer
address_matches(const struct hba_record *rec, const struct hba_connection *c)
{
	unsigned char from[16];
	int family;

	if (rec->how == HBA_ADDRESS_ALL)
		return YES;
	if (c->address == NULL)
		return MAYBE;
	switch (rec->how) {
	case HBA_ADDRESS_ALL:
		break;
	case HBA_ADDRESS_RANGE:
		family = parse_ip(c->address, strlen(c->address), from);
		return family == rec->family && in_range(from, rec->address, rec->mask, family) ? YES : NO;
	case HBA_ADDRESS_HOST:
		return host_matches(rec->host, c->host);
	case HBA_ADDRESS_SAMEHOST:
	case HBA_ADDRESS_SAMENET:
		return same_host_or_net(c, rec->how == HBA_ADDRESS_SAMENET);
	}
	return YES;
}

/* ------------------------------------------------------------------ names */

/* is_member(): directly or not; a role that there is is a member of itself. */
static enum answer
member(const struct hba_connection *c, const char *role)
{
	size_t i;

	if (c->no_role)
		return NO;
	if (strcmp(c->user, role) == 0)
		return YES;
	if (c->groups == NULL)
		return MAYBE;
	for (i = 0; i < c->groups->n; i++)
		if (strcmp(c->groups->v[i], role) == 0)
			return YES;
	return NO;
}

static enum answer
either(enum answer a, enum answer b)
{
	return a > b ? a : b;
}

/* An expression (16 and later) is not carried out here; up to 15 it is a name that hardly anything has. */
static bool
expression(const struct hba_token *t)
{
	return !t->quoted && t->text[0] == '/' && t->text[1] != '\0';
}

static enum answer
database_matches(const struct hba_token *t, const struct hba_connection *c)
{
	if (c->replication)
		return hba_is_word(t, "replication") ? YES : NO;
	if (hba_is_word(t, "all"))
		return YES;
	if (c->database == NULL)
		return MAYBE;
	if (hba_is_word(t, "sameuser"))
		return strcmp(c->database, c->user) == 0 ? YES : NO;
	if (hba_is_word(t, "samegroup") || hba_is_word(t, "samerole"))
		return member(c, c->database);
	if (hba_is_word(t, "replication"))
		return NO;
	if (strcmp(t->text, c->database) == 0)
		return YES;
	return expression(t) ? MAYBE : NO;
}

static enum answer
role_matches(const struct hba_token *t, const struct hba_connection *c)
{
	if (!t->quoted && t->text[0] == '+')
		return member(c, t->text + 1);
	if (hba_is_word(t, "all") || strcmp(t->text, c->user) == 0)
		return YES;
	return expression(t) ? MAYBE : NO;
}

static enum answer
field_matches(const struct hba_field *f, const struct hba_connection *c,
    enum answer (*matches)(const struct hba_token *, const struct hba_connection *))
{
	enum answer best = f->unseen ? MAYBE : NO;
	size_t i;

	for (i = 0; i < f->n && best != YES; i++)
		best = either(best, matches(&f->v[i], c));
	return best;
}

/* ------------------------------------------------------------------ records */

/* The kinds of connection over the network. */
#define BY_PLAIN 1U
#define BY_TLS 2U
#define BY_GSS 4U

static unsigned
kinds_of(enum hba_type type)
{
	switch (type) {
	case HBA_LOCAL:
		return 0;
	case HBA_HOST:
		return BY_PLAIN | BY_TLS | BY_GSS;
	case HBA_HOSTSSL:
		return BY_TLS;
	case HBA_HOSTNOSSL:
		return BY_PLAIN | BY_GSS;
	case HBA_HOSTGSSENC:
		return BY_GSS;
	case HBA_HOSTNOGSSENC:
		return BY_PLAIN | BY_TLS;
	}
	return 0;
}

static enum answer
record_matches(const struct hba_record *rec, const struct hba_connection *c, const char **ret_doubt)
{
	enum answer a = YES, b;

	if (rec->error != NULL)
		return NO;
	if (rec->unseen) {
		*ret_doubt = "its files were not read";
		return MAYBE;
	}
	if ((rec->type == HBA_LOCAL) != c->local)
		return NO;
	if (!c->local && (kinds_of(rec->type) & (c->tls ? BY_TLS : c->gss ? BY_GSS : BY_PLAIN)) == 0)
		return NO;
	if (!c->local && (b = address_matches(rec, c)) != YES) {
		a = b;
		*ret_doubt = rec->how == HBA_ADDRESS_HOST ? "the name of the client's address is not known" :
		    "the server's own addresses are not known";
	}
	if (a != NO && (b = field_matches(&rec->databases, c, database_matches)) != YES) {
		a = b;
		*ret_doubt = "whether it is for this database is not known";
	}
	if (a != NO && (b = field_matches(&rec->roles, c, role_matches)) != YES) {
		a = b;
		*ret_doubt = "whether it is for this role is not known";
	}
	return a;
}

static void answer(struct hba_answer *, enum hba_outcome, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void
answer(struct hba_answer *ret, enum hba_outcome outcome, const char *fmt, ...)
{
	va_list ap;

	ret->outcome = outcome;
	va_start(ap, fmt);
	(void)vsnprintf(ret->why, sizeof(ret->why), fmt, ap);
	va_end(ap);
}

/* The client's certificate, where the record asks for one; false: *ret is written. */
static bool
certificate_will_do(const struct hba_record *rec, const struct hba_connection *c, struct hba_answer *ret)
{
	if (rec->clientcert == HBA_CLIENTCERT_NO)
		return true;
	if (c->shows == HBA_SHOWS_UNKNOWN)
		answer(ret, HBA_UNSURE, "it asks for a client certificate, and whether the client has one is not known");
	else if (c->shows == HBA_SHOWS_NONE)
		answer(ret, HBA_USELESS, "it asks for a client certificate, and the client shows none");
	else if (rec->clientcert == HBA_CLIENTCERT_CA)
		return true;
	else if (rec->map != NULL)
		answer(ret, HBA_UNSURE, "the map '%.60s' decides whether the certificate is for this role", rec->map);
	else if (c->cn == NULL)
		answer(ret, HBA_UNSURE, "for whom the client's certificate is is not known");
	else if (strcmp(c->cn, c->user) != 0)
		answer(ret, HBA_USELESS, "the client's certificate is for '%.80s', not for '%.80s'", c->cn, c->user);
	else
		return true;
	return false;
}

static void
judge_password(const struct hba_record *rec, const struct hba_connection *c, struct hba_answer *ret)
{
	const char *method = hba_method_word(rec->method);

	if (c->no_role)
		answer(ret, HBA_USELESS, "the server has no role '%.80s'", c->user);
	else if (c->no_password)
		answer(ret, HBA_USELESS, "the method is %s, and the role has no password", method);
	else if (rec->method == HBA_SCRAM && c->stored == STORED_MD5)
		answer(ret, HBA_USELESS, "the method is scram-sha-256, and the role's password is stored as md5: "
		    "it has to be set again with password_encryption = 'scram-sha-256'");
	else if (c->stored == STORED_UNKNOWN && rec->method == HBA_SCRAM)
		answer(ret, HBA_ASKS, "by scram-sha-256; that its password is stored so is not known");
	else
		answer(ret, HBA_ASKS, "%s", "");
}

static void
judge(const struct hba_record *rec, const struct hba_connection *c, struct hba_answer *ret)
{
	if (!certificate_will_do(rec, c, ret))
		return;
	switch (rec->method) {
	case HBA_TRUST:
	case HBA_CERT:
		answer(ret, HBA_LETS_IN, "%s", "");
		break;
	case HBA_REJECT:
		answer(ret, HBA_REJECTED, "%s", "");
		break;
	case HBA_PASSWORD:
	case HBA_MD5:
	case HBA_SCRAM:
		judge_password(rec, c, ret);
		break;
	case HBA_PEER:
	case HBA_IDENT:
	case HBA_GSS:
	case HBA_SSPI:
	case HBA_PAM:
	case HBA_BSD:
	case HBA_LDAP:
	case HBA_RADIUS:
	case HBA_OAUTH:
		answer(ret, HBA_UNSURE, "the method is %s: somebody else decides", hba_method_word(rec->method));
		break;
	}
}

void
hba_match(const struct hba_rules *rules, const struct hba_connection *c, struct hba_answer *ret)
{
	const char *doubt = NULL;
	size_t i;

	memset(ret, 0, sizeof(*ret));
	ret->record = NONE;
	for (i = 0; i < rules->n; i++)
		switch (record_matches(&rules->v[i], c, &doubt)) {
		case NO:
			break;
		case MAYBE:
			ret->record = (int)i;
			answer(ret, HBA_UNSURE, "line %d may match: %s", rules->v[i].line, doubt);
			return;
		case YES:
			ret->record = (int)i;
			judge(&rules->v[i], c, ret);
			return;
		}
	answer(ret, HBA_NO_LINE, "%s", "");
}

/* ------------------------------------------------------------------ shadows */

static bool
same_token(const struct hba_token *a, const struct hba_token *b)
{
	return a->quoted == b->quoted && strcmp(a->text, b->text) == 0;
}

/* A name that stands for itself alone, quoted or not. */
static bool
plain(const struct hba_token *t, bool database)
{
	if (t->quoted)
		return true;
	if (hba_is_word(t, "all") || expression(t))
		return false;
	if (!database)
		return t->text[0] != '+';
	return !hba_is_word(t, "sameuser") && !hba_is_word(t, "samerole") && !hba_is_word(t, "samegroup") &&
	    !hba_is_word(t, "replication");
}

static bool
field_covers(const struct hba_field *a, const struct hba_field *b, bool database)
{
	size_t i, k;

	if (b->unseen || b->n == 0)
		return false;
	for (k = 0; k < b->n; k++) {
		for (i = 0; i < a->n; i++) {
			if (same_token(&a->v[i], &b->v[k]))
				break;
			if (hba_is_word(&a->v[i], "all") && !(database && hba_is_word(&b->v[k], "replication")))
				break;
			if (plain(&a->v[i], database) && plain(&b->v[k], database) &&
			    strcmp(a->v[i].text, b->v[k].text) == 0)
				break;
		}
		if (i == a->n)
			return false;
	}
	return true;
}

static bool
address_covers(const struct hba_record *a, const struct hba_record *b)
{
	int i, n;

	if (a->how == HBA_ADDRESS_ALL)
		return true;
	if (a->how != b->how)
		return a->how == HBA_ADDRESS_SAMENET && b->how == HBA_ADDRESS_SAMEHOST;
	switch (a->how) {
	case HBA_ADDRESS_ALL:
	case HBA_ADDRESS_SAMEHOST:
	case HBA_ADDRESS_SAMENET:
		return true;
	case HBA_ADDRESS_HOST:
		return strcasecmp(a->host, b->host) == 0;
	case HBA_ADDRESS_RANGE:
		break;
	}
	if (a->family != b->family)
		return false;
	n = a->family == AF_INET ? 4 : 16;
	for (i = 0; i < n; i++)
		if ((a->mask[i] & ~b->mask[i]) != 0 || ((a->address[i] ^ b->address[i]) & a->mask[i]) != 0)
			return false;
	return true;
}

int
hba_shadowed_by(const struct hba_rules *rules, int record)
{
	const struct hba_record *b = &rules->v[record], *a;
	unsigned left = kinds_of(b->type);
	int i;

	if (b->error != NULL || b->unseen)
		return NONE;
	for (i = 0; i < record; i++) {
		a = &rules->v[i];
		if (a->error != NULL || a->unseen || (a->type == HBA_LOCAL) != (b->type == HBA_LOCAL))
			continue;
		if (b->type != HBA_LOCAL && ((kinds_of(a->type) & left) == 0 || !address_covers(a, b)))
			continue;
		if (!field_covers(&a->databases, &b->databases, true) || !field_covers(&a->roles, &b->roles, false))
			continue;
		left &= ~kinds_of(a->type);
		if (left == 0)
			return i;
	}
	return NONE;
}

/* ------------------------------------------------------------------ words */

static void
put_field(struct buf *out, const struct hba_field *f)
{
	size_t i;

	for (i = 0; i < f->n; i++)
		(void)buf_printf(out, "%s%s%s%s", i > 0 ? "," : " ", f->v[i].quoted ? "\"" : "", f->v[i].text,
		    f->v[i].quoted ? "\"" : "");
	if (f->unseen)
		(void)buf_puts(out, f->n > 0 ? ",@…" : " @…");
}

static void
put_range(struct buf *out, const struct hba_record *rec)
{
	char address[INET6_ADDRSTRLEN], mask[INET6_ADDRSTRLEN];
	int bits = 0, i, n = rec->family == AF_INET ? 32 : 128;

	while (bits < n && (rec->mask[bits / 8] & 0x80 >> (bits % 8)) != 0)
		bits++;
	for (i = bits; i < n && (rec->mask[i / 8] & 0x80 >> (i % 8)) == 0; i++)
		;
	(void)inet_ntop(rec->family, rec->address, address, sizeof(address));
	if (i == n) {
		(void)buf_printf(out, " %s/%d", address, bits);
		return;
	}
	(void)inet_ntop(rec->family, rec->mask, mask, sizeof(mask));
	(void)buf_printf(out, " %s %s", address, mask);
}

void
hba_record_words(struct buf *out, const struct hba_record *rec)
{
	(void)buf_printf(out, "line %d", rec->line);
	if (rec->file != NULL)
		(void)buf_printf(out, " of %s", rec->file);
	(void)buf_puts(out, ": ");
	if (rec->error != NULL || rec->unseen) {
		(void)buf_puts(out, rec->error != NULL ? rec->error : "files that were not read");
		return;
	}
	(void)buf_puts(out, hba_type_word(rec->type));
	put_field(out, &rec->databases);
	put_field(out, &rec->roles);
	switch (rec->how) {
	case HBA_ADDRESS_ALL:
		(void)buf_puts(out, rec->type == HBA_LOCAL ? "" : " all");
		break;
	case HBA_ADDRESS_RANGE:
		put_range(out, rec);
		break;
	case HBA_ADDRESS_HOST:
		(void)buf_printf(out, " %s", rec->host);
		break;
	case HBA_ADDRESS_SAMEHOST:
	case HBA_ADDRESS_SAMENET:
		(void)buf_puts(out, rec->how == HBA_ADDRESS_SAMEHOST ? " samehost" : " samenet");
		break;
	}
	(void)buf_printf(out, " %s", hba_method_word(rec->method));
}
