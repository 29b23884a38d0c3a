/*
 * expiry: how long a certificate is still good for, and when that is worth a
 * warning.  Pure; the one place that decides it: `belay certs`, its exit code and metrics,
 * the console and the renewal of a leaf all ask here.
 *
 * There are three warnings: 90 days before the end, 30 (or what the fleet's
 * `warn` says), and 7; but none of them sooner than when a third of the
 * certificate's own life is left, since one that lives 90 days, or one, is not
 * late from its first day on.
 */
#ifndef BELAY_CORE_EXPIRY_H
#define BELAY_CORE_EXPIRY_H

#include <stdint.h>

#define EXPIRY_DAY_S	((int64_t)86400)
#define EXPIRY_NOTICE_S	(90 * EXPIRY_DAY_S)
#define EXPIRY_SOON_S	(30 * EXPIRY_DAY_S)
#define EXPIRY_URGENT_S	(7 * EXPIRY_DAY_S)

enum expiry {			/* in order: more is worse */
	EXPIRY_FAR,
	EXPIRY_NOTICE,		/* 90 days */
	EXPIRY_SOON,		/* 30: to be renewed */
	EXPIRY_URGENT,		/* 7 */
	EXPIRY_NOT_YET,		/* it is not valid yet */
	EXPIRY_PAST
};
const char *expiry_word(enum expiry);

/* How long before its end something that is wanted `wanted_s` before it begins, for this life. */
int64_t	expiry_within_s(int64_t not_before_s, int64_t not_after_s, int64_t wanted_s);
/* warn_s: the middle one of the three; 0: 30 days.  Times are seconds since 1970. */
enum expiry expiry_of(int64_t not_before_s, int64_t not_after_s, int64_t now_s, int64_t warn_s);
/* Whole days that are left; below zero from its end on. */
int64_t	expiry_days(int64_t not_after_s, int64_t now_s);

#endif
