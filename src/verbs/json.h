/*
 * json: what `--json` prints.  Only json*.c of this face know the JSON library.
 * Every document carries "belay": "KIND/1"; text in it went through
 * text_clean(), since JSON ends up on terminals too.
 */
#ifndef BELAY_VERBS_JSON_H
#define BELAY_VERBS_JSON_H

#include "core/certs.h"
#include "core/err.h"
#include "core/explain.h"
#include "core/proof.h"
#include "engine/engine.h"

void	json_status(const struct engine *);
void	json_explain(const struct engine *, const struct explanations *);
void	json_certs(const struct engine *, const struct cert_files *const *files, const struct certs_worst *);
void	json_history(const struct engine *);
void	json_diff(const struct engine *, int step);
void	json_results(const struct engine *, const int *steps, size_t n);
/* proof: NULL without a plan */
void	json_check(const struct engine *, const struct proof *, int64_t ms);

#endif
