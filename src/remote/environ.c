/*
 * environ: see environ.h.  Holds nothing.
 *
 * What a process changed of its own environment since it was started is not in /proc, and need
 * not be: it is how it was started that tells of the restart.
 */
#include "remote/environ.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/edittext.h"
#include "core/mem.h"
#include "core/urlfile.h"
#include "pki/digest.h"

#define PROCESSES_MAX	4	/* that are asked, of one host */
#define NAMES_MAX	8	/* that each is asked for */

/* A name of a variable, and no other word: it is put into a command. */
static bool
plain_name(const char *name, size_t len)
{
	return len > 0 && len <= 128 && strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") >= len &&
	    (*name < '0' || *name > '9');
}

static void
add(struct environ *ret, int link, const char *name, size_t len, const char *text, size_t text_len)
{
	char sha[DIGEST_HEX_SIZE] = "-";
	struct written *w;
	struct buf value;
	size_t i;

	for (i = 0; i < ret->n; i++)
		if (ret->v[i].link == link && strlen(ret->v[i].name) == len && strncmp(ret->v[i].name, name, len) == 0)
			return;
	if (!plain_name(name, len))
		return;
	w = mem_push(&ret->v, &ret->n, sizeof(*w));
	w->link = link;
	w->name = mem_strndup(name, len);
	buf_init(&value, OP_VALUE_MAX);
	value.secret = true;
	if (text != NULL && text_get(TEXT_ENV, text, text_len, w->name, &value))
		digest_sha256_hex(buf_str(&value), value.len, sha);
	buf_release(&value);
	w->sha = mem_strdup(sha);
}

/* Of a URL's part the variable that holds the URL. */
static size_t
name_of(const struct bedit *e, const char *name)
{
	const char *part;

	return e->kind == EDIT_URL ? urlfile_split(name, &part) : strlen(name);
}

static void
of_edit(struct environ *ret, const struct fleet *f, int host, int link, const struct bedit *e, op_lookup *lookup, void *arg)
{
	const char *text = NULL, *why = NULL;
	size_t len = 0, i;

	if ((e->kind != EDIT_ENV && e->kind != EDIT_URL) || e->file == NULL || e->not_yet != NULL ||
	    (e->on.n > 0 && fleet_base(f, e->on.v[0]) != host) || lookup(arg, e->file, &text, &len, &why) != 0)
		return;
	for (i = 0; i < e->set.n; i++)
		add(ret, link, e->set.v[i].key, name_of(e, e->set.v[i].key), text, len);
	for (i = 0; i < e->unset.n; i++)
		add(ret, link, e->unset.v[i], name_of(e, e->unset.v[i]), text, len);
}

void
environ_written(struct environ *ret, const struct fleet *f, int host, op_lookup *lookup, void *arg)
{
	size_t link, i;
	int dial;

	memset(ret, 0, sizeof(*ret));
	for (link = 0; link < f->nlinks; link++) {
		if (link_host(f, &f->links[link]) != host)
			continue;
		for (dial = 0; dial < DIAL_COUNT; dial++)
			for (i = 0; i < f->links[link].dial[dial].n; i++)
				of_edit(ret, f, host, (int)link, &f->links[link].dial[dial].v[i], lookup, arg);
	}
}

void
environ_release(struct environ *e)
{
	size_t i;

	for (i = 0; i < e->n; i++) {
		free(e->v[i].name);
		free(e->v[i].sha);
	}
	free(e->v);
	memset(e, 0, sizeof(*e));
}

void
environ_command(struct buf *out, const char *pids, const struct environ *e)
{
	struct buf names, any;
	size_t i, k, n = 0;

	if (e->n == 0)
		return;
	buf_init(&names, 0);
	buf_init(&any, 0);
	for (i = 0; i < e->n && n < NAMES_MAX; i++) {
		for (k = 0; k < i && strcmp(e->v[k].name, e->v[i].name) != 0; k++)
			;
		if (k == i) {
			(void)buf_printf(&names, "%s%s", n > 0 ? " " : "", e->v[i].name);
			(void)buf_printf(&any, "%s%s", n > 0 ? "|" : "", e->v[i].name);
			n++;
		}
	}
	/*
	 * A value may hold newlines: they and the NULs that part variables change places meanwhile.  Most
	 * processes have none of the names; that is found out first, since all else costs the host more.
	 */
	(void)buf_printf(out, "\nnames='%s'\nfor p in $( { %s\n} | sort -un | head -n %d); do\n"
	    "tr '\\n\\0' '\\0\\n' 2>/dev/null <\"/proc/$p/environ\" | grep -qE \"^(%s)=\" || continue\n"
	    "for n in $names; do\n"
	    "if tr '\\n\\0' '\\0\\n' <\"/proc/$p/environ\" | grep -q \"^$n=\"; then\n"
	    "s=$(tr '\\n\\0' '\\0\\n' <\"/proc/$p/environ\" | sed -n \"s/^$n=//p\" | head -n 1 | tr -d '\\n' | tr '\\0' '\\n' | sha256sum)\n"
	    "echo \"environ $p $n ${s%%%% *}\"\nelse echo \"environ $p $n -\"; fi\ndone\ndone 2>/dev/null",
	    buf_str(&names), pids, PROCESSES_MAX, buf_str(&any));
	buf_release(&any);
	buf_release(&names);
}

/* Is it a process that the link's sessions come from? */
static bool
dials(const struct reading *r, const struct fleet *f, long pid, int link)
{
	const struct endpoint *e = &f->endpoints[f->links[link].endpoint];
	size_t i;

	for (i = 0; i < r->nsockets; i++)
		if (r->sockets[i].pid == pid && r->sockets[i].command != NULL &&
		    (r->sockets[i].to_port == e->port_plain || r->sockets[i].to_port == e->port_tls))
			return true;
	return false;
}

static struct started *
started_of(struct reading *r, int link, long pid)
{
	struct started *s;
	size_t i;

	for (i = 0; i < r->nstarted; i++)
		if (r->started[i].link == link && r->started[i].pid == pid)
			return &r->started[i];
	if (r->nstarted >= READING_STARTED_MAX)
		return NULL;
	s = mem_push(&r->started, &r->nstarted, sizeof(*s));
	s->link = link;
	s->pid = pid;
	return s;
}

static void
differ(struct started *s, const char *name)
{
	char *was = s->differs;

	s->differs = was == NULL ? mem_strdup(name) : mem_printf("%s, %s", was, name);
	free(was);
}

/* One line of one process; absent: those that it has not are told of by a second pass. */
static void
take(struct reading *r, const struct fleet *f, const struct environ *e, const char *line, bool absent)
{
	char name[129], sha[DIGEST_HEX_SIZE];
	struct started *s;
	size_t i;
	long pid;

	if (sscanf(line, "environ %ld %128s %64s", &pid, name, sha) != 3 || (strcmp(sha, "-") == 0) != absent)
		return;
	for (i = 0; i < e->n; i++) {
		if (strcmp(e->v[i].name, name) != 0 || !dials(r, f, pid, e->v[i].link))
			continue;
		/* Who has none of its names reads the file itself. */
		if (absent) {
			size_t k;

			for (k = 0; k < r->nstarted && (r->started[k].link != e->v[i].link || r->started[k].pid != pid); k++)
				;
			s = k < r->nstarted ? &r->started[k] : NULL;
		} else
			s = started_of(r, e->v[i].link, pid);
		if (s != NULL && strcmp(e->v[i].sha, sha) != 0)
			differ(s, name);
	}
}

void
environ_read(struct reading *r, const struct fleet *f, const struct environ *e, const char *text)
{
	const char *p;
	int pass;

	for (pass = 0; pass < 2; pass++)
		for (p = strstr(text, "\nenviron "); p != NULL; p = strstr(p + 1, "\nenviron "))
			take(r, f, e, p + 1, pass == 1);
}
