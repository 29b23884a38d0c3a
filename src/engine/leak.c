/*
 * leak: keys that leaked.  Owns the revocation that a verb asks for, and
 * what an undo has to be insisted on for: it would put such a key back in service.
 *
 * What is revoked and kept is the authority's (pki/authority.h); which step has
 * replaced it is told by the word that stands beside it there.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/err.h"
#include "core/mem.h"
#include "core/revoked.h"
#include "engine/engine_int.h"


/* ---- revoking ---- */

int
engine_revoke(struct engine *e, int cert, const char *reason, struct err *err)
{
	const struct cert *c = &e->fleet->certs[cert];

	if (reason == NULL || *reason == '\0')
		return err_set(err, "that needs a reason (--reason TEXT)");
	if (c->external)
		return err_set(err, "certificate '%s' is external: who issued it has to revoke it", c->name);
	engine_because(e, reason);
	e->revoking = cert;
	e->revoke = REVOKE_BUSY;
	if (material_revoke(e, cert, err) == 0)
		return 0;
	e->revoking = NONE;
	e->revoke = REVOKE_FAILED;
	return -1;
}

bool
engine_revoking(const struct engine *e, bool *ret_done)
{
	*ret_done = e->revoke == REVOKE_DONE;
	return e->revoke == REVOKE_BUSY;
}

void
leak_revoked(struct engine *e, const char *why)
{
	if (e->revoking == NONE)
		return;
	e->revoking = NONE;
	e->revoke = why == NULL ? REVOKE_DONE : REVOKE_FAILED;
	if (why != NULL)
		engine_tell(e, TELL_ERROR, "%s", why);
	engine_dirty(e);
}

/* ---- an undo ---- */

char *
leak_word(const struct engine *e, int step)
{
	return e->run_open ? mem_printf("%s/%s", e->run.id, e->plan->steps[step].id) : NULL;
}

/* Did the step find this certificate's file on a host, and write another? */
static bool
found_there(const struct engine *e, int step, const struct revoked *x)
{
	const struct step_view *v = rollout_step(e->rollout, step);
	size_t i;

	for (i = 0; i < v->nops; i++)
		if (v->ops[i].state != OPS_WAITING && v->ops[i].state != OPS_INTENT && v->ops[i].state != OPS_UNDONE &&
		    strcmp(v->ops[i].before_sha, x->file_sha256) == 0)
			return true;
	return false;
}

/* What of this certificate's CA the undo of the step would put back, or NULL. */
static const struct revoked *
put_back(const struct engine *e, int step, int cert)
{
	const struct revoked_list *list = &e->certs[cert].files.revoked;
	const struct revoked *x = NULL;
	char *word;
	size_t i;

	if (rollout_step(e->rollout, step)->phase == PHASE_GUARDING || !rollout_wrote(e->rollout, step))
		return NULL;
	if ((word = leak_word(e, step)) != NULL)
		x = revoked_for(list, e->fleet->certs[cert].name, word);
	free(word);
	for (i = 0; x == NULL && i < list->n; i++)
		if (found_there(e, step, &list->v[i]))
			x = &list->v[i];
	return x;
}

int
leak_refuses(const struct engine *e, int step, struct err *err)
{
	const struct step *s = &e->plan->steps[step];
	const struct revoked *x;
	char *name, *words;
	size_t i;
	int rc = 0;

	for (i = 0; rc == 0 && i < s->nmoves; i++) {
		if (s->moves[i].facet != FACET_CERT || (x = put_back(e, step, s->moves[i].subject)) == NULL)
			continue;
		name = revoked_check(e->fleet->certs[s->moves[i].subject].name);
		words = revoked_words(x);
		if (engine_waiver(e, step, name) == NULL)
			rc = err_set(err, "the undo of step '%s' puts back the key of certificate '%s' that was %s; whoever has it can "
			    "be the server again. Another replacement is the way forward; to go back all the same: --waive '%s' "
			    "--reason TEXT", s->id, e->fleet->certs[s->moves[i].subject].name, words, name);
		free(words);
		free(name);
	}
	return rc;
}

bool
leak_is_name(const struct engine *e, const char *check, size_t len_bytes)
{
	bool is = false;
	char *name;
	size_t i;

	for (i = 0; i < e->fleet->ncerts && !is; i++) {
		name = revoked_check(e->fleet->certs[i].name);
		is = strlen(name) == len_bytes && memcmp(name, check, len_bytes) == 0;
		free(name);
	}
	return is;
}

bool
leak_of_step(const struct engine *e, int step, const char *check)
{
	const struct step *s = &e->plan->steps[step];
	bool is = false;
	char *name;
	size_t i;

	for (i = 0; i < s->nmoves && !is; i++) {
		if (s->moves[i].facet != FACET_CERT || put_back(e, step, s->moves[i].subject) == NULL)
			continue;
		name = revoked_check(e->fleet->certs[s->moves[i].subject].name);
		is = strcmp(name, check) == 0;
		free(name);
	}
	return is;
}
