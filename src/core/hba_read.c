/*
 * hba_read: pg_hba.conf as the server reads it.
 *
 * @files, include, records, and every complaint of the server's, in its words;
 * hba_token.c has the tokens.  Both follow src/backend/libpq/hba.c function by function,
 * since a reader that is nearly right is wrong where it matters.
 *
 * Not checked: the values of options of methods that ask somebody else (ldap,
 * radius, pam, gss, oauth), but for those without which the line is refused.
 */
#include "core/hba.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/hba_int.h"
#include "core/mem.h"

#define TOKENS_MAX	4096	/* in one field, files included */

/* ------------------------------------------------------------------ words */

static const char *const type_words[HBA_TYPE_COUNT] = {
	[HBA_LOCAL] = "local", [HBA_HOST] = "host", [HBA_HOSTSSL] = "hostssl",
	[HBA_HOSTNOSSL] = "hostnossl", [HBA_HOSTGSSENC] = "hostgssenc", [HBA_HOSTNOGSSENC] = "hostnogssenc",
};

static const char *const method_words[HBA_METHOD_COUNT] = {
	[HBA_TRUST] = "trust", [HBA_REJECT] = "reject", [HBA_PASSWORD] = "password", [HBA_MD5] = "md5",
	[HBA_SCRAM] = "scram-sha-256", [HBA_CERT] = "cert", [HBA_PEER] = "peer", [HBA_IDENT] = "ident",
	[HBA_GSS] = "gss", [HBA_SSPI] = "sspi", [HBA_PAM] = "pam", [HBA_BSD] = "bsd", [HBA_LDAP] = "ldap",
	[HBA_RADIUS] = "radius", [HBA_OAUTH] = "oauth",
};

const char *
hba_type_word(enum hba_type type)
{
	return type_words[type];
}

const char *
hba_method_word(enum hba_method method)
{
	return method_words[method];
}

static int
word_index(const char *const *words, size_t n, const char *word)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (strcmp(words[i], word) == 0)
			return (int)i;
	return NONE;
}

bool
hba_is_word(const struct hba_token *t, const char *word)
{
	return !t->quoted && strcmp(t->text, word) == 0;
}

/* ------------------------------------------------------------------ files in files */

struct reader {
	const struct hba_reading *how;
	int	 version;
	struct hba_rules *rules;
};

static char *
beside(const char *outer, const char *name)
{
	const char *slash = outer == NULL ? NULL : strrchr(outer, '/');

	if (name[0] == '/' || slash == NULL)
		return mem_strdup(name);
	return mem_printf("%.*s/%s", (int)(slash - outer), outer, name);
}

static int
look_up(const struct reader *r, const char *path, const char **text, size_t *len)
{
	if (r->how->lookup == NULL)
		return -1;
	return r->how->lookup(r->how->arg, path, text, len);
}

static void next_field(struct reader *, const char *path, struct hba_line *, struct hba_field *, int depth,
    char **ret_error);

/* Every token of a file, whatever its lines (tokenize_inc_file()). */
static void
tokens_of_file(struct reader *r, const char *outer, const char *name, struct hba_field *field, int depth,
    char **ret_error)
{
	char *path = beside(outer, name);
	const char *text = NULL;
	struct buf joined;
	size_t len = 0, at = 0;
	int number = 0, found = depth >= HBA_DEPTH_MAX ? 1 : look_up(r, path, &text, &len);

	buf_init(&joined, HBA_FILE_MAX);
	if (found == -1)
		field->unseen = true;
	else if (found == 1 && r->version < 16)
		*ret_error = mem_printf("could not open secondary authentication file \"@%s\" as \"%s\"", name, path);
	else if (found == 1)
		*ret_error = mem_printf("could not open file \"%s\"", path);
	else
		while (*ret_error == NULL && hba_line_next(text, len, &at, &number, &joined)) {
			struct hba_line line = { buf_str(&joined), false };

			while (*line.p != '\0' && *ret_error == NULL)
				next_field(r, path, &line, field, depth, ret_error);
		}
	buf_release(&joined);
	free(path);
}

/* next_field_expand() */
static void
next_field(struct reader *r, const char *path, struct hba_line *line, struct hba_field *field, int depth,
    char **ret_error)
{
	struct hba_token token;
	bool comma = true;

	while (comma && *ret_error == NULL) {
		if (!hba_token_read(line, r->version, &token, &comma))
			break;
		if (!token.quoted && token.text[0] == '@' && token.text[1] != '\0') {
			tokens_of_file(r, path, token.text + 1, field, depth + 1, ret_error);
			free(token.text);
		} else if (field->n >= TOKENS_MAX) {
			field->unseen = true;
			free(token.text);
		} else
			*(struct hba_token *)mem_push(&field->v, &field->n, sizeof(token)) = token;
	}
	if (line->too_long && *ret_error == NULL)
		*ret_error = mem_strdup("authentication file token too long");
}

/* ------------------------------------------------------------------ addresses */

/* A part of an IPv4 address as inet_aton(3) takes it: decimal, 0x…, 0…. */
static bool
read_part(const char **p, unsigned long *ret)
{
	char *end;

	if (**p < '0' || **p > '9')
		return false;
	errno = 0;
	*ret = strtoul(*p, &end, 0);
	if (errno != 0 || end == *p || *ret > 0xffffffffUL)
		return false;
	*p = end;
	return true;
}

static bool
read_ipv4(const char *p, unsigned char ret[16])
{
	unsigned long part, value = 0;
	int dots = 0;

	while (read_part(&p, &part)) {
		if (*p == '.') {
			if (part > 0xff || dots == 3)
				return false;
			value |= part << (24 - 8 * dots++);
			p++;
			continue;
		}
		if (*p != '\0' || part > (0xffffffffUL >> (8 * dots)))
			return false;
		value |= part;
		ret[0] = (unsigned char)(value >> 24);
		ret[1] = (unsigned char)(value >> 16 & 0xff);
		ret[2] = (unsigned char)(value >> 8 & 0xff);
		ret[3] = (unsigned char)(value & 0xff);
		return true;
	}
	return false;
}

/* A numeric address as getaddrinfo(3) takes it; its family, or 0. */
static int
read_address(const char *text, unsigned char ret[16])
{
	char bare[INET6_ADDRSTRLEN + 1];
	const char *zone = strchr(text, '%');
	size_t len = zone == NULL ? strlen(text) : (size_t)(zone - text);

	memset(ret, 0, 16);
	if (read_ipv4(text, ret))
		return AF_INET;
	if (len >= sizeof(bare))
		return 0;
	memcpy(bare, text, len);
	bare[len] = '\0';
	return inet_pton(AF_INET6, bare, ret) == 1 ? AF_INET6 : 0;
}

static void
put_mask(unsigned char mask[16], long bits)
{
	int i;

	memset(mask, 0, 16);
	for (i = 0; i < bits; i++)
		mask[i / 8] = (unsigned char)(mask[i / 8] | 0x80 >> (i % 8));
}

/* ------------------------------------------------------------------ records */

/* One token of a field, or what is wrong about it. */
static const struct hba_token *
single(struct hba_record *rec, const struct hba_fields *f, size_t at, const char *missing, const char *what)
{
	if (at >= f->n)
		rec->error = mem_printf("end-of-line before %s", missing);
	else if (f->v[at].n > 1)
		rec->error = mem_printf("multiple values specified for %s", what);
	else if (f->v[at].n == 1)
		return &f->v[at].v[0];
	else
		rec->unseen = true;	/* the word stands in a file that was not read */
	return NULL;
}

/* The address, and its mask, which may be the field behind it; *at goes behind. */
static void
parse_address(struct hba_record *rec, const struct hba_fields *f, size_t *at)
{
	const struct hba_token *t = single(rec, f, *at, "IP address specification", "host address"), *mask;
	char *text, *slash, *end;
	long bits;
	int family;

	++*at;
	if (t == NULL)
		return;
	if (hba_is_word(t, "all")) {
		rec->how = HBA_ADDRESS_ALL;
		return;
	}
	if (hba_is_word(t, "samehost") || hba_is_word(t, "samenet")) {
		rec->how = t->text[4] == 'h' ? HBA_ADDRESS_SAMEHOST : HBA_ADDRESS_SAMENET;
		return;
	}
	text = mem_strdup(t->text);
	if ((slash = strchr(text, '/')) != NULL)
		*slash = '\0';
	rec->family = read_address(text, rec->address);
	rec->how = rec->family == 0 ? HBA_ADDRESS_HOST : HBA_ADDRESS_RANGE;
	if (rec->family == 0 && slash == NULL) {
		rec->host = text;
		return;
	}
	free(text);
	if (rec->family == 0) {
		rec->error = mem_printf("specifying both host name and CIDR mask is invalid: \"%s\"", t->text);
		return;
	}
	if ((slash = strchr(t->text, '/')) != NULL) {
		bits = strtol(slash + 1, &end, 10);
		if (slash[1] == '\0' || *end != '\0' || bits < 0 || bits > (rec->family == AF_INET ? 32 : 128))
			rec->error = mem_printf("invalid CIDR mask in address \"%s\"", t->text);
		else
			put_mask(rec->mask, bits);
		return;
	}
	mask = single(rec, f, *at, "netmask specification", "netmask");
	++*at;
	if (mask == NULL)
		return;
	family = read_address(mask->text, rec->mask);
	if (family == 0)
		rec->error = mem_printf("invalid IP mask \"%s\"", mask->text);
	else if (family != rec->family)
		rec->error = mem_strdup("IP address and mask do not match");
}

/* Options that belong to certain methods. */
struct option {
	const char *name;
	unsigned methods;	/* bits by enum hba_method */
	const char *words;	/* whose they are, as the server says it */
};
#define M(m) (1U << (m))
static const struct option options[] = {
	{ "map", M(HBA_IDENT) | M(HBA_PEER) | M(HBA_GSS) | M(HBA_SSPI) | M(HBA_CERT) | M(HBA_OAUTH),
	    "ident, peer, gssapi, sspi, and cert" },
	{ "pamservice", M(HBA_PAM), "pam" }, { "pam_use_hostname", M(HBA_PAM), "pam" },
	{ "ldapurl", M(HBA_LDAP), "ldap" }, { "ldaptls", M(HBA_LDAP), "ldap" },
	{ "ldapscheme", M(HBA_LDAP), "ldap" }, { "ldapserver", M(HBA_LDAP), "ldap" },
	{ "ldapport", M(HBA_LDAP), "ldap" }, { "ldapbinddn", M(HBA_LDAP), "ldap" },
	{ "ldapbindpasswd", M(HBA_LDAP), "ldap" }, { "ldapsearchattribute", M(HBA_LDAP), "ldap" },
	{ "ldapsearchfilter", M(HBA_LDAP), "ldap" }, { "ldapbasedn", M(HBA_LDAP), "ldap" },
	{ "ldapprefix", M(HBA_LDAP), "ldap" }, { "ldapsuffix", M(HBA_LDAP), "ldap" },
	{ "krb_realm", M(HBA_GSS) | M(HBA_SSPI), "gssapi and sspi" },
	{ "include_realm", M(HBA_GSS) | M(HBA_SSPI), "gssapi and sspi" },
	{ "compat_realm", M(HBA_SSPI), "sspi" }, { "upn_username", M(HBA_SSPI), "sspi" },
	{ "radiusservers", M(HBA_RADIUS), "radius" }, { "radiusports", M(HBA_RADIUS), "radius" },
	{ "radiussecrets", M(HBA_RADIUS), "radius" }, { "radiusidentifiers", M(HBA_RADIUS), "radius" },
	{ "issuer", M(HBA_OAUTH), "oauth" }, { "scope", M(HBA_OAUTH), "oauth" },
	{ "validator", M(HBA_OAUTH), "oauth" }, { "delegate_ident_mapping", M(HBA_OAUTH), "oauth" },
	{ NULL, 0, NULL }
};

static void
parse_clientcert(struct hba_record *rec, const char *value)
{
	if (rec->type != HBA_HOSTSSL)
		rec->error = mem_strdup("clientcert can only be configured for \"hostssl\" rows");
	else if (strcmp(value, "verify-full") == 0)
		rec->clientcert = HBA_CLIENTCERT_FULL;
	else if (strcmp(value, "verify-ca") == 0 && rec->method == HBA_CERT)
		rec->error = mem_strdup("clientcert can only be set to \"verify-full\" when using \"cert\" authentication");
	else if (strcmp(value, "verify-ca") == 0)
		rec->clientcert = HBA_CLIENTCERT_CA;
	else
		rec->error = mem_printf("invalid value for clientcert: \"%s\"", value);
}

/* parse_hba_auth_opt() */
static void
parse_option(struct hba_record *rec, const char *text, unsigned *seen)
{
	const char *value = strchr(text, '=');
	size_t len = value == NULL ? 0 : (size_t)(value - text), i;
	const struct option *o = NULL;
	char *name;

	if (value == NULL) {
		rec->error = mem_printf("authentication option not in name=value format: %s", text);
		return;
	}
	name = mem_strndup(text, len);
	value++;
	for (i = 0; options[i].name != NULL && o == NULL; i++)
		if (strcmp(options[i].name, name) == 0)
			o = &options[i];
	if (strcmp(name, "clientcert") == 0)
		parse_clientcert(rec, value);
	else if (strcmp(name, "clientname") == 0) {
		if (rec->type != HBA_HOSTSSL)
			rec->error = mem_strdup("clientname can only be configured for \"hostssl\" rows");
		else if (strcmp(value, "CN") != 0 && strcmp(value, "DN") != 0)
			rec->error = mem_printf("invalid value for clientname: \"%s\"", value);
	} else if (o == NULL)
		rec->error = mem_printf("unrecognized authentication option name: \"%s\"", name);
	else if ((o->methods & M(rec->method)) == 0)
		rec->error = mem_printf("authentication option \"%s\" is only valid for authentication methods %s",
		    name, o->words);
	else {
		*seen |= 1U << (o - options);
		if (strcmp(name, "map") == 0) {
			free(rec->map);
			rec->map = mem_strdup(value);
		}
	}
	free(name);
}

static bool
saw_option(unsigned seen, const char *name)
{
	size_t i;

	for (i = 0; options[i].name != NULL; i++)
		if (strcmp(options[i].name, name) == 0)
			return (seen >> i & 1U) != 0;
	return false;
}

static void
parse_options(struct hba_record *rec, const struct hba_fields *f, size_t at)
{
	unsigned seen = 0;
	size_t i;

	for (; at < f->n && rec->error == NULL; at++)
		for (i = 0; i < f->v[at].n && rec->error == NULL; i++)
			parse_option(rec, f->v[at].v[i].text, &seen);
	if (rec->error != NULL)
		return;
	if (rec->method == HBA_LDAP && !saw_option(seen, "ldapserver") && !saw_option(seen, "ldapurl") &&
	    !saw_option(seen, "ldapbasedn"))
		rec->error = mem_strdup("authentication method \"ldap\" requires argument \"ldapserver\" to be set");
	else if (rec->method == HBA_RADIUS && !saw_option(seen, "radiusservers"))
		rec->error = mem_strdup("authentication method \"radius\" requires argument \"radiusservers\" to be set");
	else if (rec->method == HBA_RADIUS && !saw_option(seen, "radiussecrets"))
		rec->error = mem_strdup("authentication method \"radius\" requires argument \"radiussecrets\" to be set");
	if (rec->method == HBA_CERT)
		rec->clientcert = HBA_CLIENTCERT_FULL;
}

static void
parse_method(struct hba_record *rec, const struct hba_token *t, int version)
{
	int method = word_index(method_words, HBA_METHOD_COUNT, t->text);

	if (method == NONE || (method == HBA_OAUTH && version < 18)) {
		rec->error = mem_printf("invalid authentication method \"%s\"", t->text);
		return;
	}
	rec->method = (enum hba_method)method;
	/* No build that we know has these. */
	if (method == HBA_SSPI || method == HBA_BSD)
		rec->error = mem_printf("invalid authentication method \"%s\": not supported by this build", t->text);
	else if (rec->type == HBA_LOCAL && method == HBA_IDENT)
		rec->method = HBA_PEER;
	else if (rec->type == HBA_LOCAL && method == HBA_GSS)
		rec->error = mem_strdup("gssapi authentication is not supported on local sockets");
	else if (rec->type != HBA_LOCAL && method == HBA_PEER)
		rec->error = mem_strdup("peer authentication is only supported on local sockets");
	else if (rec->type != HBA_HOSTSSL && method == HBA_CERT)
		rec->error = mem_strdup("cert authentication is only supported on hostssl connections");
}

/* The whole field, taken out of the line. */
static bool
take_field(struct hba_record *rec, struct hba_fields *f, size_t at, const char *missing, struct hba_field *ret)
{
	if (at >= f->n) {
		rec->error = mem_printf("end-of-line before %s", missing);
		return false;
	}
	*ret = f->v[at];
	memset(&f->v[at], 0, sizeof(f->v[at]));
	return true;
}

/* parse_hba_line() */
static void
parse_record(struct hba_record *rec, struct hba_fields *f, int version)
{
	const struct hba_token *t = single(rec, f, 0, "connection type", "connection type");
	size_t at = 3;
	int type;

	if (t == NULL)
		return;
	type = word_index(type_words, HBA_TYPE_COUNT, t->text);
	if (type == NONE) {
		rec->error = mem_printf("invalid connection type \"%s\"", t->text);
		return;
	}
	rec->type = (enum hba_type)type;
	if (!take_field(rec, f, 1, "database specification", &rec->databases) ||
	    !take_field(rec, f, 2, "role specification", &rec->roles))
		return;
	if (rec->type != HBA_LOCAL)
		parse_address(rec, f, &at);
	if (rec->error != NULL || rec->unseen ||
	    (t = single(rec, f, at, "authentication method", "authentication type")) == NULL)
		return;
	parse_method(rec, t, version);
	if (rec->error == NULL)
		parse_options(rec, f, at + 1);
}

/* ------------------------------------------------------------------ the file */

static struct hba_record *
push_record(struct hba_rules *rules, int line, const char *file)
{
	struct hba_record *rec = mem_push(&rules->v, &rules->n, sizeof(*rec));

	rec->line = line;
	rec->file = mem_strdup(file);
	return rec;
}

static void read_file(struct reader *, const char *path, const char *name, const char *text, size_t len, int depth);

/* include, include_if_exists, include_dir: 16 and later.  False: the line is a record. */
static bool
included(struct reader *r, const char *path, const char *name, int number, const struct hba_fields *f, int depth,
    char **ret_error)
{
	const char *word, *text = NULL;
	struct hba_record *rec;
	char *file;
	size_t len = 0;
	int found;

	if (r->version < 16 || f->n != 2 || f->v[0].n == 0 || f->v[1].n == 0)
		return false;
	word = f->v[0].v[0].text;
	if (strcmp(word, "include") != 0 && strcmp(word, "include_if_exists") != 0 &&
	    strcmp(word, "include_dir") != 0)
		return false;
	file = beside(path, f->v[1].v[0].text);
	/* What stands in a directory nobody told. */
	found = word[7] == '_' && word[8] == 'd' ? -1 : depth >= HBA_DEPTH_MAX ? 1 : look_up(r, file, &text, &len);
	if (found == 0)
		read_file(r, file, file, text, len, depth + 1);
	else if (found == -1) {
		rec = push_record(r->rules, number, name);
		rec->unseen = true;
	} else if (word[7] == '\0')
		*ret_error = mem_printf("could not open file \"%s\"", file);
	free(file);
	return *ret_error == NULL;
}

static void
read_file(struct reader *r, const char *path, const char *name, const char *text, size_t len, int depth)
{
	struct hba_fields f = { NULL, 0 };
	struct hba_field field;
	struct hba_record *rec;
	struct buf joined;
	size_t at = 0;
	int number = 0, first = 1;
	char *error;

	buf_init(&joined, HBA_FILE_MAX);
	for (; hba_line_next(text, len, &at, &number, &joined); first = number + 1) {
		struct hba_line line = { buf_str(&joined), false };

		error = NULL;
		while (*line.p != '\0' && error == NULL) {
			memset(&field, 0, sizeof(field));
			next_field(r, path, &line, &field, depth, &error);
			/* A field of nothing, of an empty file, is no field. */
			if (field.n > 0 || field.unseen)
				*(struct hba_field *)mem_push(&f.v, &f.n, sizeof(field)) = field;
			else
				hba_field_release(&field);
		}
		if ((f.n > 0 || error != NULL) && r->rules->n < HBA_RECORDS_MAX &&
		    (error != NULL || !included(r, path, name, first, &f, depth, &error))) {
			rec = push_record(r->rules, first, name);
			rec->error = error;
			if (error == NULL)
				parse_record(rec, &f, r->version);
		}
		hba_fields_release(&f);
	}
	buf_release(&joined);
}

void
hba_rules_init(struct hba_rules *rules)
{
	memset(rules, 0, sizeof(*rules));
	rules->broken = NONE;
}

int
hba_read(struct hba_rules *ret, const struct hba_reading *how, const char *text, size_t len_bytes,
    struct err *err)
{
	struct reader r = { how, how->version == 0 ? 16 : how->version, ret };
	size_t i;

	hba_rules_init(ret);
	if (len_bytes > HBA_FILE_MAX)
		return err_set(err, "pg_hba.conf has more than %zu bytes, expected no more", HBA_FILE_MAX);
	read_file(&r, how->path, NULL, text, len_bytes, 0);
	if (ret->n >= HBA_RECORDS_MAX) {
		hba_rules_release(ret);
		return err_set(err, "pg_hba.conf has more than %d records, expected fewer", HBA_RECORDS_MAX - 1);
	}
	for (i = 0; i < ret->n && ret->broken == NONE; i++)
		if (ret->v[i].error != NULL)
			ret->broken = (int)i;
	ret->empty = ret->n == 0;
	return 0;
}

void
hba_rules_release(struct hba_rules *rules)
{
	size_t i;

	for (i = 0; i < rules->n; i++) {
		struct hba_record *rec = &rules->v[i];

		free(rec->file);
		free(rec->error);
		free(rec->host);
		free(rec->map);
		hba_field_release(&rec->databases);
		hba_field_release(&rec->roles);
	}
	free(rules->v);
	hba_rules_init(rules);
}

/* ------------------------------------------------------------------ rows */

/* A text[] as SQL prints it: {a,"b c"}. */
static void
read_array(struct hba_field *ret, const char *p)
{
	struct hba_token *t;
	struct buf b;
	bool in_quote;

	if (p == NULL || *p++ != '{')
		return;
	while (*p != '\0' && *p != '}' && ret->n < TOKENS_MAX) {
		buf_init(&b, 0);
		for (in_quote = false; *p != '\0' && (in_quote || (*p != ',' && *p != '}')); p++) {
			if (*p == '"')
				in_quote = !in_quote;
			else {
				if (*p == '\\' && p[1] != '\0')
					p++;
				(void)buf_putc(&b, *p);
			}
		}
		t = mem_push(&ret->v, &ret->n, sizeof(*t));
		t->text = mem_strdup(buf_str(&b));
		buf_release(&b);
		if (*p == ',')
			p++;
	}
}

static void
push_token(struct hba_fields *f, const char *text)
{
	struct hba_field *field = mem_push(&f->v, &f->n, sizeof(*field));
	struct hba_token *t = mem_push(&field->v, &field->n, sizeof(*t));

	t->text = mem_strdup(text == NULL ? "" : text);
}

void
hba_add_row(struct hba_rules *rules, const struct hba_row *row)
{
	struct hba_record *rec;
	struct hba_fields f = { NULL, 0 };
	struct hba_field opts = { NULL, 0, false };
	long line = row->line_number == NULL ? 0 : strtol(row->line_number, NULL, 10);
	size_t i;

	if (rules->n >= HBA_RECORDS_MAX)
		return;
	rec = push_record(rules, line > 0 && line < INT_MAX ? (int)line : 0, NULL);
	/* What is said of a record that only cannot match is no error: the server took it. */
	if (row->type == NULL) {
		/* 15 does not say of every line what is wrong with it. */
		rec->error = mem_strdup(row->error != NULL ? row->error : HBA_NOT_SAID);
		if (rules->broken == NONE)
			rules->broken = (int)(rules->n - 1);
		return;
	}
	push_token(&f, row->type);
	read_array(mem_push(&f.v, &f.n, sizeof(*f.v)), row->databases);
	read_array(mem_push(&f.v, &f.n, sizeof(*f.v)), row->user_names);
	if (row->address != NULL)
		push_token(&f, row->address);
	if (row->netmask != NULL)
		push_token(&f, row->netmask);
	push_token(&f, row->auth_method);
	read_array(&opts, row->options);
	for (i = 0; i < opts.n; i++)
		push_token(&f, opts.v[i].text);
	hba_field_release(&opts);
	parse_record(rec, &f, 99);
	hba_fields_release(&f);
	if (rec->error != NULL && rules->broken == NONE)
		rules->broken = (int)(rules->n - 1);
}
