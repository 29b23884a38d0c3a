/*
 * rehearsed: what came of one new connection that belay made in a client's place.
 * Plain data, to be copied freely; all text may hold remote bytes.
 */
#ifndef BELAY_CORE_REHEARSED_H
#define BELAY_CORE_REHEARSED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/attempt.h"

/* How far it came. */
enum rehearsal_phase {
	REHEARSAL_DIALLING,	/* no connection yet */
	REHEARSAL_REACHED,	/* connected, nothing agreed on */
	REHEARSAL_SECURED,	/* TLS is up, and what the client checks was right */
	REHEARSAL_THROUGH	/* let in, or asked who it is and not known there */
};

#define REHEARSED_WORDS_MAX 512

struct rehearsed {
	/* UNKNOWN: it could not be tried, or says nothing about the client; `why`. */
	enum verdict verdict;
	enum dial dial;
	char	 name[256];	/* what was dialled */
	int	 port;
	enum rehearsal_phase phase;
	char	 why[REHEARSED_WORDS_MAX];	/* for anything worse than TLS; PLAINTEXT: only where nobody asked for it */
	char	 remark[REHEARSED_WORDS_MAX];	/* what was said to the role that belay logged in as; about that role alone */
	char	 protocol[16], cipher[64];	/* negotiated, or "" */
	bool	 asked;		/* for a client certificate, by the server */
	char	 shown[128];	/* the one that was at hand to be shown, by its name in the fleet, or "" */
	int	 connections;	/* that reached the endpoint: it may have fallen back */
	/*
	 * The last of them, in microseconds: to a connection, from there to TLS, from there to
	 * the end; -1: not come so far.
	 */
	int64_t	 reach_us, secure_us, login_us;
	int64_t	 took_us;	/* all of it */
	int64_t	 at_ms;		/* when it began, since 1970 */
	bool	 ran;		/* the client's own runtime was run, too, and its verdict counts */
	char	 says[256];	/* the first line of what it printed */
};

/* "tls+name, TLSv1.3, 12 ms", or "refused: …"; may hold remote bytes. */
void	rehearsed_words(const struct rehearsed *, char *ret, size_t size_bytes);

/* Does the client get in, as it means to: TLS at least where its mode insists on it, else anything? */
bool	rehearsed_well(const struct rehearsed *);

#endif
