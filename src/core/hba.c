/*
 * hba: records for pg_hba.conf, and before which of its own they have to stand.
 *
 * Where two records are compared, every doubt says that they could match the
 * same connection: then ours stand before it, where they do what they say.
 */
#include "core/hba.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/hba_int.h"

#define METHOD_DEFAULT	"scram-sha-256"
#define METHOD_MAX 96	/* with its option */
#define NAME_MAX_BYTES	63	/* NAMEDATALEN - 1 */
#define ADDRESS_MAX	300

#define NAME_BYTES \
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"

/* ------------------------------------------------------------------ writing */

/* A name as a token, in quotes where it could be taken for something else. */
static int
put_name(struct buf *out, const char *name, const char *what, struct err *err)
{
	const char *bare = name[0] == '+' ? name + 1 : name;

	if (*bare == '\0' || strlen(bare) > NAME_MAX_BYTES)
		return err_set(err, "'%s', expected the name of a %s", name, what);
	for (bare = name; *bare != '\0'; bare++)
		if ((unsigned char)*bare < ' ' || *bare == '"' || *bare == '\\')
			return err_set(err, "'%s': a %s whose name has a quote, a backslash or a control "
			    "character cannot stand in pg_hba.conf by name", name, what);
	bare = name[0] == '+' ? name + 1 : name;
	if (bare[strspn(bare, NAME_BYTES)] == '\0')
		(void)buf_puts(out, name);
	else
		(void)buf_printf(out, "%s\"%s\"", name[0] == '+' ? "+" : "", bare);
	return 0;
}

static int
put_names(struct buf *out, const struct strings *names, const char *what, struct err *err)
{
	size_t i;

	for (i = 0; i < names->n; i++) {
		if (i > 0)
			(void)buf_putc(out, ',');
		if (put_name(out, names->v[i], what, err) != 0)
			return -1;
	}
	return 0;
}

/* An address alone is one host; pg_hba.conf wants its length said. */
static int
put_address(struct buf *out, const char *from, struct err *err)
{
	const char *slash = strchr(from, '/'), *p;
	char address[ADDRESS_MAX];
	unsigned char bytes[16];
	size_t len = slash == NULL ? strlen(from) : (size_t)(slash - from);
	int bits = 0, max;

	if (len == 0 || len >= sizeof(address))
		return err_set(err, "'%.60s', expected an address, a range or a host name", from);
	memcpy(address, from, len);
	address[len] = '\0';
	max = inet_pton(AF_INET, address, bytes) == 1 ? 32 :
	    inet_pton(AF_INET6, address, bytes) == 1 ? 128 : 0;
	if (max == 0) {
		if (slash != NULL || address[strspn(address, NAME_BYTES ".")] != '\0')
			return err_set(err, "'%.60s', expected an address, a range like 10.0.0.0/8 "
			    "or a host name", from);
		(void)buf_puts(out, from);
		return 0;
	}
	if (slash == NULL) {
		(void)buf_printf(out, "%s/%d", from, max);
		return 0;
	}
	for (p = slash + 1; *p >= '0' && *p <= '9' && p - slash < 5; p++)
		bits = bits * 10 + (*p - '0');
	if (p == slash + 1 || *p != '\0' || bits > max)
		return err_set(err, "'%.60s', expected a length from 0 to %d behind the '/'", from, max);
	(void)buf_puts(out, from);
	return 0;
}

static int
put_records(struct buf *out, const char *type, const struct hba_rule *rule, const char *method,
    struct err *err)
{
	size_t i;

	for (i = 0; i < rule->from->n; i++) {
		(void)buf_printf(out, "%s ", type);
		if (rule->databases->n == 0)
			(void)buf_puts(out, "all");
		else if (put_names(out, rule->databases, "database", err) != 0)
			return -1;
		(void)buf_putc(out, ' ');
		if (put_names(out, rule->roles, "role", err) != 0)
			return -1;
		(void)buf_putc(out, ' ');
		if (put_address(out, rule->from->v[i], err) != 0)
			return -1;
		(void)buf_printf(out, " %s\n", method);
	}
	return 0;
}

int
hba_lines(struct buf *out, const struct hba_rule *rule, struct err *err)
{
	const char *method = rule->method == NULL ? METHOD_DEFAULT : rule->method;
	bool harden = rule->form != HBA_TRANSITION, demands = rule->form == HBA_MUTUAL && strcmp(method, "cert") != 0;
	char with[METHOD_MAX];

	if (rule->roles->n == 0 || rule->from->n == 0)
		return err_set(err, "no %s, expected at least one", rule->roles->n == 0 ? "role" : "address");
	if (*method == '\0' || strlen(method) > METHOD_MAX - 32 || method[strspn(method, "abcdefghijklmnopqrstuvwxyz0123456789-")] != '\0')
		return err_set(err, "'%s', expected a method of pg_hba.conf in one word", method);
	if (strcmp(method, "reject") == 0 || (strcmp(method, "cert") == 0 && !harden))
		return err_set(err, "the method '%s' would refuse what the block is to let in", method);
	(void)snprintf(with, sizeof(with), "%s%s", method, !demands ? "" : rule->any_name ? " clientcert=verify-ca" :
	    " clientcert=verify-full");
	if (put_records(out, "hostssl", rule, with, err) != 0)
		return -1;
	return put_records(out, harden ? "hostnossl" : "host", rule, harden ? "reject" : method, err);
}

/* ------------------------------------------------------------------ reading */

/* A name that stands for itself alone. */
static bool
plain_name(const struct hba_token *t, bool database)
{
	static const char *const words[] = { "sameuser", "samerole", "samegroup", NULL };
	size_t i;

	if (t->quoted)
		return true;
	if (t->text[0] == '+' || t->text[0] == '@' || t->text[0] == '/')
		return false;
	for (i = 0; database && words[i] != NULL; i++)
		if (strcmp(t->text, words[i]) == 0)
			return false;
	return true;
}

static bool
names_meet(const struct hba_field *a, const struct hba_field *b, bool database)
{
	const struct hba_token *x, *y;
	size_t i, k;

	for (i = 0; i < a->n; i++)
		for (k = 0; k < b->n; k++) {
			x = &a->v[i];
			y = &b->v[k];
			/* `all` is every database, but not physical replication. */
			if (database && hba_is_word(x, "replication") != hba_is_word(y, "replication") &&
			    plain_name(x, true) && plain_name(y, true))
				continue;
			if (hba_is_word(x, "all") || hba_is_word(y, "all") ||
			    !plain_name(x, database) || !plain_name(y, database) ||
			    strcmp(x->text, y->text) == 0)
				return true;
		}
	return false;
}

struct range {
	int	 family;	/* 0: every address, as far as we can tell */
	unsigned char bytes[16];
	int	 bits;
};

static int
mask_bits(const unsigned char *bytes, int max)
{
	int bits = 0;

	while (bits < max && (bytes[bits / 8] & (0x80 >> (bits % 8))) != 0)
		bits++;
	return bits;
}

static void
range_read(struct range *ret, const struct hba_fields *r)
{
	const struct hba_field *address = &r->v[3], *mask = r->n > 4 ? &r->v[4] : NULL;
	char text[ADDRESS_MAX];
	const char *slash, *p;
	unsigned char bytes[16];
	size_t len;
	int max;

	memset(ret, 0, sizeof(*ret));
	if (address->n != 1)
		return;
	p = address->v[0].text;
	slash = strchr(p, '/');
	len = slash == NULL ? strlen(p) : (size_t)(slash - p);
	if (len >= sizeof(text))
		return;
	memcpy(text, p, len);
	text[len] = '\0';
	ret->family = inet_pton(AF_INET, text, ret->bytes) == 1 ? AF_INET :
	    inet_pton(AF_INET6, text, ret->bytes) == 1 ? AF_INET6 : 0;
	if (ret->family == 0)
		return;
	max = ret->family == AF_INET ? 32 : 128;
	ret->bits = max;
	if (slash != NULL) {
		for (ret->bits = 0, p = slash + 1; *p >= '0' && *p <= '9' && ret->bits <= max; p++)
			ret->bits = ret->bits * 10 + (*p - '0');
		if (ret->bits > max)
			ret->bits = max;
	} else if (mask != NULL && mask->n == 1 && inet_pton(ret->family, mask->v[0].text, bytes) == 1)
		ret->bits = mask_bits(bytes, max);
}

static bool
ranges_meet(const struct range *a, const struct range *b)
{
	int bits = a->bits < b->bits ? a->bits : b->bits, i;

	if (a->family == 0 || b->family == 0)
		return true;
	if (a->family != b->family)
		return false;
	for (i = 0; i < bits; i++)
		if (((a->bytes[i / 8] ^ b->bytes[i / 8]) & (0x80 >> (i % 8))) != 0)
			return false;
	return true;
}

static bool
records_meet(const struct hba_fields *a, const struct hba_fields *b)
{
	struct range x, y;

	range_read(&x, a);
	range_read(&y, b);
	return names_meet(&a->v[1], &b->v[1], true) && names_meet(&a->v[2], &b->v[2], false) &&
	    ranges_meet(&x, &y);
}

bool
hba_could_decide(const char *line, size_t len_bytes, const char *ours, size_t ours_len)
{
	struct hba_fields theirs, mine;
	const char *p, *end = ours + ours_len, *nl;
	bool meets = false;

	hba_fields_read(&theirs, line, len_bytes);
	if (theirs.n == 0 || hba_is_word(&theirs.v[0].v[0], "local"))
		meets = false;
	else if (theirs.n < 4 || strncmp(theirs.v[0].v[0].text, "host", 4) != 0)
		meets = true;
	else
		for (p = ours; p < end && !meets; p = nl + 1) {
			if ((nl = memchr(p, '\n', (size_t)(end - p))) == NULL)
				nl = end;
			hba_fields_read(&mine, p, (size_t)(nl - p));
			meets = mine.n >= 4 && records_meet(&theirs, &mine);
			hba_fields_release(&mine);
		}
	hba_fields_release(&theirs);
	return meets;
}
