/*
 * depth: what is to be said of an endpoint's TLS beside whether it is there and verified, in
 * words: by what it serves, what lies on its host, and what it would take.  Pure.
 */
#ifndef BELAY_CORE_DEPTH_H
#define BELAY_CORE_DEPTH_H

#include <stdint.h>

#include "core/board.h"
#include "core/fleet.h"

/*
 * Appends a line for each; worst first; may hold remote bytes.  What was looked at too long ago says
 * nothing, and nor does what could not be looked at: that has a `why` of its own in its reading.
 */
void	depth_findings(struct strings *ret, const struct fleet *, const struct board *, int endpoint, int64_t now_ms);

/* Those of them that are about the files on its host alone. */
void	depth_disk_findings(struct strings *ret, const struct board *, int endpoint, int64_t now_ms);

/* "TLSv1.2": of DEPTH_VERSIONS. */
const char *depth_version_word(int version);

#endif
