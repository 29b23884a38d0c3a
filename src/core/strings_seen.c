/*
 * strings_seen: what connstring.h finds in the files of a host's clients.
 *
 * Of each link that is dialled from the host, the env files that its bindings
 * name are looked at: in them the variables that a binding names, and what
 * else dials the endpoint by one of its names.
 */
#include "core/op.h"

#include <stdlib.h>
#include <string.h>

#include "core/connstring.h"
#include "core/mem.h"
#include "core/reading.h"
#include "core/urlfile.h"

struct seeing {
	struct reading *r;
	const struct fleet *f;
	int	 host;
	op_lookup *lookup;
	void	*arg;
};

static void
push(struct strings *v, const char *s, size_t len)
{
	size_t i;

	for (i = 0; i < v->n; i++)
		if (strlen(v->v[i]) == len && memcmp(v->v[i], s, len) == 0)
			return;
	*(char **)mem_push(&v->v, &v->n, sizeof(*v->v)) = mem_strndup(s, len);
}

static void
strings_free(struct strings *v)
{
	size_t i;

	for (i = 0; i < v->n; i++)
		free(v->v[i]);
	free(v->v);
	v->v = NULL;
	v->n = 0;
}

/* The variable of a name, which may be a part of the URL in it. */
static void
push_variable(struct strings *v, const struct bedit *e, const char *name)
{
	const char *part;

	push(v, name, e->kind == EDIT_URL ? urlfile_split(name, &part) : strlen(name));
}

static bool
is_env(const struct seeing *s, const struct link *l, const struct bedit *e)
{
	size_t i;

	if ((e->kind != EDIT_ENV && e->kind != EDIT_URL) || e->file == NULL || e->not_yet != NULL ||
	    (e->syntax != TEXT_ENV && e->syntax != TEXT_URL))
		return false;
	for (i = 0; i < e->on.n; i++)
		if (e->on.v[i] == s->host)
			return true;
	return e->on.n == 0 && link_host(s->f, l) == s->host;
}

static void
gather(const struct seeing *s, const struct link *l, struct strings *files, struct strings *variables)
{
	size_t i, k;
	int v;

	for (v = 0; v < DIAL_COUNT; v++)
		for (i = 0; i < l->dial[v].n; i++) {
			const struct bedit *e = &l->dial[v].v[i];

			if (!is_env(s, l, e))
				continue;
			push(files, e->file, strlen(e->file));
			for (k = 0; k < e->set.n; k++)
				push_variable(variables, e, e->set.v[k].key);
			for (k = 0; k < e->unset.n; k++)
				push_variable(variables, e, e->unset.v[k]);
		}
}

/* The names that the endpoint's certificate is for, as far as the fleet says. */
static void
gather_names(const struct fleet *f, int endpoint, const struct strings *hosts, struct strings *ret)
{
	size_t i, k;

	for (i = 0; i < f->ncerts; i++)
		for (k = 0; k < f->certs[i].serves.n; k++)
			if (f->certs[i].serves.v[k] == endpoint) {
				if (f->certs[i].names.n > 0)
					*ret = f->certs[i].names;
				else if (!f->certs[i].external)
					*ret = *hosts;
				return;
			}
}

static void
look(struct seeing *s, int link, const char *file, const struct connstring_about *about)
{
	struct connstring_findings found = { NULL, 0 };
	struct string_seen *seen;
	const char *text = NULL, *why = NULL;
	size_t len = 0, i;

	if (s->lookup(s->arg, file, &text, &len, &why) != 0 || text == NULL)
		return;
	connstring_look(&found, about, text, len);
	for (i = 0; i < found.n && s->r->nstrings < READING_STRINGS_MAX; i++) {
		seen = mem_push(&s->r->strings, &s->r->nstrings, sizeof(*seen));
		seen->link = link;
		seen->line = found.v[i].line;
		seen->warning = found.v[i].level == LINT_WARN;
		seen->file = mem_strdup(file);
		seen->variable = mem_strdup(found.v[i].variable);
		seen->name = mem_strdup(found.v[i].name);
		seen->text = mem_strdup(found.v[i].text);
	}
	connstring_release(&found);
}

void
strings_seen(struct reading *r, const struct fleet *f, int host, op_lookup *lookup, void *arg)
{
	struct seeing s = { r, f, host, lookup, arg };
	const char *names[READING_NAMES_MAX];
	size_t i, k, n;

	for (i = 0; i < f->nlinks; i++) {
		const struct link *l = &f->links[i];
		const struct endpoint *e = &f->endpoints[l->endpoint];
		struct strings files = { NULL, 0 }, variables = { NULL, 0 }, hosts = { NULL, 0 }, covered = { NULL, 0 };
		struct connstring_about about;

		gather(&s, l, &files, &variables);
		if (files.n > 0) {
			memset(&about, 0, sizeof(about));
			n = served_names(f, l->endpoint, names);
			for (k = 0; k < n; k++)
				push(&hosts, names[k], strlen(names[k]));
			gather_names(f, l->endpoint, &hosts, &covered);
			about.dialect = l->dialect;
			about.production = f->environment != NULL && strcmp(f->environment, "production") == 0;
			about.names = covered.n > 0 ? &covered : NULL;
			about.port_plain = e->port_plain;
			about.port_tls = e->port_tls;
			about.only = &variables;
			about.hosts = &hosts;
			about.kind = e->kind;
		}
		for (k = 0; k < files.n; k++)
			look(&s, (int)i, files.v[k], &about);
		strings_free(&files);
		strings_free(&variables);
		strings_free(&hosts);
	}
}
