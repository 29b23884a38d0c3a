/*
 * hba_step: what a step that edits pg_hba.conf comes to for the sessions that
 * are there: a connection that is open stays, and the next one is asked anew.  Pure.
 *
 * A host's reading carries the text as it stands, redacted (hba.h); the step's blocks are put
 * into it as the worker would, and each session that the census names (those on
 * plaintext, and those that nobody declared) is matched against it.
 */
#ifndef BELAY_CORE_HBA_STEP_H
#define BELAY_CORE_HBA_STEP_H

#include "core/fleet.h"
#include "core/op.h"
#include "core/reading.h"

struct buf;

/* Whether this value of the endpoint's accept writes a block of pg_hba.conf on its host. */
bool	hba_step_bound(const struct fleet *, int endpoint, enum accept);

/* Puts the texts of every pg_hba.conf that is bound on this host into the reading. */
void	hba_step_seen(struct reading *, const struct fleet *, int host, op_lookup *, void *arg);

enum hba_step_says {
	/* Every session that is named would be let in again; or, with a `why`, the server takes nothing of the file. */
	HBA_STEP_KEEPS,
	HBA_STEP_LOSES,		/* `why` says whom, and by which line */
	HBA_STEP_UNSURE		/* `why` says what is not known */
};
/* By a READING_CENSUS of the endpoint and a READING_HOST of its host. */
enum hba_step_says hba_step_judge(const struct fleet *, int endpoint, enum accept, const struct reading *census,
	    const struct reading *host, const int *presents, char *ret_why, size_t size_bytes);

#endif
