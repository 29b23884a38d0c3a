/*
 * disk_calls: the calls by which a file gets onto the disk, defined once more, so that they are
 * noted, and so that a child can be killed in front of each of them.  They do what the real ones do.
 */
#ifndef BELAY_TESTS_PKI_DISK_CALLS_H
#define BELAY_TESTS_PKI_DISK_CALLS_H

#include <stdbool.h>

#include "core/buf.h"

extern bool tracing;		/* while it is set fsync(2) and renameat(2) are noted */
extern struct buf trace;	/* a line each */

/*
 * A child asks for what the fixture's request says, and is killed in front of this call, counted
 * from 1: mkdir(2), fchmod(2), fsync(2) and renameat(2).  False: it got to its end before, and well.
 */
bool	killed_at(int at);

#endif
