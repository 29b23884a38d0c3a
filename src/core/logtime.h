/*
 * logtime: the times that a log's own lines tell.  Pure.
 */
#ifndef BELAY_CORE_LOGTIME_H
#define BELAY_CORE_LOGTIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The time that a line begins with, in ms as if it were UTC, or -1:
 * "2024-05-01 12:00:00.123" (Postgres, PgBouncer), with a T in it (docker,
 * journald), "1234:M 01 May 2024 12:00:00.123" (Redis).
 */
int64_t	logtime_line(const char *, size_t len_bytes);
/*
 * What has to be added to such times.  Their zone is not asked for: the last line
 * was written when its file was last changed, and that gives it.  False: it does not.
 */
bool	logtime_zone(int64_t last_ms, int64_t changed_ms, int64_t *ret_zone_ms);

#endif
