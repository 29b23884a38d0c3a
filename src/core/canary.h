/*
 * canary: what became of the connections that are made on purpose, as a client
 * would make them, while a step changes the fleet.  Pure: what was seen goes
 * in, with its times; counts, percentiles, a sparkline and a verdict come out.
 *
 * There are two things, counted apart.  New connections, one every so often:
 * each comes through, fails, or hangs (was not through by its deadline).
 * And one held session, with a question on it now and then: it lives, or is cut.
 *
 * A breach is what no client carries over by trying again: after there had been
 * a good connection,
 *  - none came through for `breach_ms`, and at least two in a row did not
 *    (the first alone, where breach_ms is 0);
 *  - or half of the last CANARY_RECENT did not;
 *  - or the held session was cut although nothing was known to cut it.
 * While something is at work that is known to cut (a restart of the server, a
 * drain) none of that is a breach; the clock of the first begins behind it.
 *
 * What could not be looked at, because the host that it is dialled from is not
 * reached, is no failure of the client: it is `blind`, and never a good
 * connection either.
 */
#ifndef BELAY_CORE_CANARY_H
#define BELAY_CORE_CANARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct blob_reader;
struct buf;

/* How it is declared, at a link or in a step. */
struct canary_terms {
	bool	 given;
	int64_t	 every_ms;	/* a new connection every so often, and never more often */
	int64_t	 hang_ms;	/* one that is not through by then hangs */
	int64_t	 breach_ms;	/* see above */
	bool	 held;		/* whether a session is held, too */
};
#define CANARY_EVERY_MS		1000
#define CANARY_EVERY_MIN_MS	100
#define CANARY_EVERY_MAX_MS	60000
#define CANARY_HANG_MS		5000
#define CANARY_HANG_MIN_MS	100
#define CANARY_HANG_MAX_MS	60000
#define CANARY_BREACH_MS	5000	/* what a client carries over that tries again for so long */
#define CANARY_BREACH_MAX_MS	3600000
#define CANARY_OUT_MAX		4	/* connections of one canary under way at once: the next is left out */
#define CANARY_STEP_MAX		16	/* canaries in one step */
void	canary_terms_default(struct canary_terms *);	/* given, with the values above */

/* One thing that was seen. */
enum canary_saw {
	CANARY_OK, CANARY_FAILED, CANARY_HUNG,	/* a new connection */
	CANARY_LEFT_OUT,	/* it would have been one too many at once */
	CANARY_BLIND,		/* could not look; `why` */
	CANARY_HELD,		/* the held session stands (anew) */
	CANARY_CUT,		/* it was cut */
	CANARY_UNHELD		/* none could be had; `why` */
};
#define CANARY_SAW_COUNT 8
#define CANARY_WHY_MAX	256
struct canary_seen {
	enum canary_saw saw;
	int64_t	 at_ms;		/* when it began, since 1970 */
	int64_t	 took_us;	/* of a new connection; else 0 */
	char	 why[CANARY_WHY_MAX];	/* for anything but OK and HELD; may hold remote bytes */
};

/* Those of one report, as they cross from a worker. */
#define CANARY_REPORT_MAX 64
struct canary_report {
	struct canary_seen v[CANARY_REPORT_MAX];
	size_t	 n;
};
void	canary_report_encode(const struct canary_report *, struct buf *out);
/* As if an enemy had written it; false: malformed. */
bool	canary_report_decode(struct canary_report *ret, const void *, size_t len_bytes);
/* dial: an enum dial, at most dial_max: how the link dials where no file of the client says it. */
void	canary_order_encode(const struct canary_terms *, int dial, struct buf *out);
/* Within the bounds above; false: malformed. */
bool	canary_order_decode(struct canary_terms *ret, int *ret_dial, int dial_max, const void *, size_t len_bytes);

#define CANARY_RECENT	20
#define CANARY_STRIP	60	/* pieces of the sparkline */
#define CANARY_HISTOGRAM 384	/* 16 to the octave, from 32 us on */

struct canary_piece {		/* of the sparkline: so many of each in one piece of time */
	int64_t	 nth;		/* which piece of time it is; 0: none */
	uint32_t ok, bad;	/* bad: failed or hung */
	int64_t	 worst_us;	/* of those that came through */
};

struct canary {
	struct canary_terms terms;
	int64_t	 began_ms;
	uint64_t ok, failed, hung, left_out;
	uint64_t held, cut, cut_expected;	/* held: how often it came to be */
	char	 unheld_why[CANARY_WHY_MAX];	/* while none could be had */
	int64_t	 worst_us;
	/* Stretches without a good connection, from the first that failed to the next good one. */
	uint32_t in_a_row;	/* not good, since the last good one */
	int64_t	 failing_since_ms;	/* 0: the last one was good, or there was none */
	int64_t	 last_bad_ms;	/* when the last one that was not good had ended */
	uint64_t stretches;
	int64_t	 stretches_ms;	/* those that are over, together */
	int64_t	 longest_ms, longest_from_ms;	/* of those that are over */
	char	 first_why[CANARY_WHY_MAX];	/* of the stretch under way, or of the last one */
	/* Something is at work that is known to cut: from when, and until when (0: still). */
	int64_t	 expect_from_ms, expect_until_ms;
	bool	 expecting;
	bool	 blind;
	int64_t	 blind_since_ms, blind_ms;	/* the second: those that are over */
	char	 blind_why[CANARY_WHY_MAX];
	bool	 breached;
	int64_t	 breached_ms;
	char	 breach_why[CANARY_WHY_MAX + 128];
	int64_t	 last_ms;	/* of the latest that was seen, good or not: when it ended */
	int64_t	 last_ok_ms;	/* when the last good one ended; 0 */
	uint32_t recent;	/* a bit for each of the last ones, 1: not good */
	uint32_t nrecent;
	struct canary_piece strip[CANARY_STRIP];
	uint32_t histogram[CANARY_HISTOGRAM];
};

void	canary_begin(struct canary *, const struct canary_terms *, int64_t now_ms);
void	canary_see(struct canary *, const struct canary_seen *);
/* What is known to cut begins, or has ended. */
void	canary_expect(struct canary *, bool cuts, int64_t now_ms);

enum canary_state {
	CANARY_NOTHING,		/* nothing was seen yet */
	CANARY_WELL,		/* the last new connection was good */
	CANARY_FAILING,		/* it was not */
	CANARY_BREACHED,	/* and for too long; stays so, whatever comes */
	CANARY_IN_THE_DARK	/* cannot look */
};
#define CANARY_STATE_COUNT 5
enum canary_state canary_state(const struct canary *);
const char *canary_state_word(enum canary_state);
/* Of the good ones; percent from 1 to 100.  -1 where there was none.  At most a sixteenth too high. */
int64_t	canary_percentile_us(const struct canary *, int percent);
/*
 * For how long no connection came through: the stretch under way (up to now_ms) where there is
 * one, else the longest that is over; 0 where none ever was.
 */
int64_t	canary_failed_ms(const struct canary *, int64_t now_ms);

/* "2412 new connections: 2409 ok, 2 failed, 1 hung; p50 3.1 ms, p99 4.4 ms" */
void	canary_counts(struct buf *out, const struct canary *);
/* The whole of it, for the journal and for an end: counts, how long clients failed and why, the held session. */
void	canary_summary(struct buf *out, const struct canary *, int64_t now_ms);
/* "a new connection every 500 ms" */
void	canary_pace(struct buf *out, const struct canary_terms *);
/* "3.2 s", "14 ms" */
void	canary_time(struct buf *out, int64_t us);

/*
 * The sparkline: the last n pieces of time (at most CANARY_STRIP) up to now, oldest
 * first.  Heights from 0 to 7 by the worst that came through, against
 * the worst of all shown; CANARY_BAR_BAD where one did not, CANARY_BAR_NONE where nothing was seen.
 */
#define CANARY_BAR_NONE	(-1)
#define CANARY_BAR_BAD	8
void	canary_bars(const struct canary *, int64_t now_ms, int *ret, size_t n);
/* One cell each, as text: blocks, or in plain ASCII. */
void	canary_bar(struct buf *out, int bar, bool ascii);
void	canary_sparkline(struct buf *out, const struct canary *, int64_t now_ms, size_t n, bool ascii);

#endif
