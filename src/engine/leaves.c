/*
 * leaves: which leaf of each certificate has to be presented.
 *
 * Owns what this run brought to its hosts, by fingerprint, with its time: noted in the
 * journal as each operation that brings one is done, replayed from there, and known
 * to a bastion that adopts the run by the records on the hosts.  The other source is
 * what was issued here (material.c).  Of the two the later one counts: where the run was begun
 * elsewhere, what lies here may be older than it; where a leaf was renewed here by another plan,
 * it is newer.  What was taken back does not count, as long as the run has another one.
 *
 * Nothing here is secret: a fingerprint is what everybody who connects sees.
 */
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "engine/engine_int.h"

void
leaves_settle(struct engine *e, int cert)
{
	const struct cert_memory *m = &e->certs[cert];
	const char *here = m->looked ? m->files.leaf.sha256 : "";
	const struct leaf *last = NULL, *l;
	bool taken_back = false;
	size_t i;

	for (i = 0; i < e->nleaves; i++) {
		l = &e->leaves[i];
		if (l->cert != cert)
			continue;
		if (strcmp(l->sha256, here) == 0)
			taken_back = l->undone;
		if (!l->undone && (last == NULL || l->at_ms >= last->at_ms))
			last = l;
	}
	if (last == NULL || (here[0] != '\0' && !taken_back && m->leaf_ms > last->at_ms))
		board_issued(e->board, cert, here);
	else
		board_issued(e->board, cert, last->sha256);
}

static bool
has(const struct engine *e, int step, int cert, const char *sha256)
{
	size_t i;

	for (i = 0; i < e->nleaves; i++)
		if (e->leaves[i].step == step && e->leaves[i].cert == cert && !e->leaves[i].undone &&
		    strcmp(e->leaves[i].sha256, sha256) == 0)
			return true;
	return false;
}

/* "NAME=SHA256 …"; whether there was anything new in it.  It may come from a host: what it is not is left alone. */
static bool
take(struct engine *e, int step, int64_t at_ms, const char *text)
{
	struct leaf *l;
	bool any = false;
	const char *p, *eq;
	char *name, sha256[65];
	size_t len;
	int cert;

	for (p = text; *p != '\0'; p += len + (p[len] == ' ')) {
		len = strcspn(p, " ");
		eq = memchr(p, '=', len);
		if (eq == NULL || len - (size_t)(eq - p) != 65 || strspn(eq + 1, "0123456789abcdef") < 64)
			continue;
		name = mem_strndup(p, (size_t)(eq - p));
		cert = fleet_cert(e->fleet, name);
		free(name);
		memcpy(sha256, eq + 1, 64);
		sha256[64] = '\0';
		if (cert == NONE || has(e, step, cert, sha256))
			continue;
		l = mem_push(&e->leaves, &e->nleaves, sizeof(*e->leaves));
		l->step = step;
		l->cert = cert;
		l->at_ms = at_ms;
		memcpy(l->sha256, sha256, sizeof(l->sha256));
		leaves_settle(e, cert);
		any = true;
	}
	return any;
}

void
leaves_note(struct engine *e, int step, const struct op *op)
{
	if (op->issued != NULL && take(e, step, engine_now_ms(e), op->issued))
		(void)past_note(e, step, "issued", op->issued, NULL);
}

void
leaves_replay(struct engine *e, int step, int64_t at_ms, const char *kind, const char *text)
{
	if (strcmp(kind, "issued") == 0)
		(void)take(e, step, at_ms, text);
}

void
leaves_undone(struct engine *e, int step)
{
	size_t i;

	for (i = 0; i < e->nleaves; i++)
		if (e->leaves[i].step == step && !e->leaves[i].undone) {
			e->leaves[i].undone = true;
			leaves_settle(e, e->leaves[i].cert);
		}
}

void
leaves_forget(struct engine *e)
{
	size_t i;

	e->nleaves = 0;
	for (i = 0; e->board != NULL && i < e->fleet->ncerts; i++)
		leaves_settle(e, (int)i);
}
