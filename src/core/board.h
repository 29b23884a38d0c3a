/*
 * board: the latest readings, their age, and what they say together of each
 * link.  Pure; it says only what was seen, and an unknown is never green.
 */
#ifndef BELAY_CORE_BOARD_H
#define BELAY_CORE_BOARD_H

#include "core/diagnose.h"
#include "core/fleet.h"
#include "core/plan.h"
#include "core/posture.h"
#include "core/reading.h"

struct board;
struct revoked_list;
struct buf;

struct board *board_new(const struct fleet *);
void	board_free(struct board *);
/*
 * Takes the reading over.  An older one than what is there is dropped.  A failure to see
 * replaces nothing but is kept beside the last good one: `failed` below.
 */
void	board_feed(struct board *, struct reading *);

/* When the link was last seen to have a session on TLS, by a census (ms since 1970); 0: never. */
int64_t	board_tls_seen_ms(const struct board *, int link);

/*
 * The process at the client's side of a session that a census names, by the host that it comes
 * from; NULL: not seen (the host has no ss(8), does not tell it to this user, or looked before).
 */
const struct socket_seen *board_process(const struct board *, int endpoint, const struct straggler *);

/*
 * What is the matter with the endpoint's private key, by mode and owner as its settings were read,
 * in words where it is a reason; KEY_UNKNOWN where it was not seen.
 */
enum key_state board_key(const struct board *, int endpoint, struct buf *words);

/*
 * Everybody who was seen on plaintext since this board is looked at, gone or not: when first and
 * when last.  The one that was seen longest ago gives way where there are more than are kept.
 */
struct sighting {
	int	 endpoint, link;	/* link NONE: undeclared */
	char	*address, *user, *database, *application;	/* NULL: not told; may hold remote bytes */
	char	*process;		/* the last that was seen there, or NULL */
	long	 pid;
	int64_t	 first_ms, last_ms;
};
#define BOARD_SIGHTINGS_MAX 512
const struct sighting *board_sightings(const struct board *, size_t *ret_n);

/*
 * The latest of what the endpoint's log says: of what it could not load, or of a pooler's own
 * link; or NULL.
 */
const struct complaint *board_complaint(const struct board *, int endpoint, bool leg);

/* Is a log still being read for the first time?  Then the next census has more to tell. */
bool	board_log_unread(const struct board *);

/* The fingerprint of what was issued last for a certificate; "": nothing that is known here. */
void	board_issued(struct board *, int cert, const char *sha256);
const char *board_issued_sha(const struct board *, int cert);
/*
 * What was revoked by the CA of a certificate; copied.  board_revocation(): "revoked by …" of a
 * certificate by its fingerprint, whichever CA it was; NULL: it was not, as far as is known here.
 */
void	board_revoked(struct board *, int cert, const struct revoked_list *);
const char *board_revocation(const struct board *, const char *sha256);

/* What stands between belay and a host, as the workers report it. */
enum reach { REACH_UNKNOWN, REACH_CONNECTING, REACH_UP, REACH_LOST, REACH_BLOCKED };
const char *reach_word(enum reach);
struct host_view {
	enum reach reach;
	char	 transport[16];
	char	 why[512];	/* may hold remote bytes */
	int64_t	 since_ms;
	int64_t	 retry_at_ms;	/* 0: none planned */
};
void	board_host(struct board *, int host, const struct host_view *);
const struct host_view *board_host_view(const struct board *, int host);
/*
 * When anything was last seen over this host (0: never).  A session that is up
 * and a host that answers are two things: one whose sshd hangs stays up for a while.
 */
int64_t	board_heard(const struct board *, int host);

/* The latest reading that saw something (SAW or SAW_PART), or NULL. */
const struct reading *board_reading(const struct board *, enum reading_kind, int subject);
/* The latest failure to see, if newer than that; else NULL. */
const struct reading *board_failure(const struct board *, enum reading_kind, int subject);

/* A link's state, one word each; see board_link.c for the table that decides. */
enum link_state {
	LINK_UNKNOWN,		/* never seen, or inconclusive: `why` */
	LINK_STALE,		/* seen, but too long ago */
	LINK_IDLE,		/* looked, and nobody is connected */
	LINK_PLAINTEXT,		/* sessions, all plaintext */
	LINK_MIXED,		/* some of each */
	LINK_TLS,		/* client seen on TLS, all its sessions; the path is not proven */
	LINK_PROVEN		/* client seen on TLS, and the path is proven */
};
const char *link_state_word(enum link_state);

/*
 * Three things that are easily taken for one, and the words for them everywhere:
 *
 *   path proven		belay's own handshake verified chain and every dialled name, and the
 *				server's row for belay's own session says TLS
 *   client seen on TLS		the server's rows for that client's sessions say TLS
 *   verifies (declared)	what the client checks by the way it is set to dial; no server can see it
 */
enum client_seen { CLIENT_NOT_SEEN /* nobody could look */, CLIENT_AWAY, CLIENT_ON_PLAINTEXT, CLIENT_ON_BOTH, CLIENT_ON_TLS };
/* "client seen on TLS" */
const char *client_seen_words(enum client_seen);

struct link_view {
	enum link_state state;
	bool	 counted;	/* tls and plain mean something */
	uint32_t tls, plain;
	enum dial dial;		/* as configured on the client's host (read), else DIAL_UNKNOWN */
	bool	 dial_declared;	/* not read but declared: assumed, or fixed */
	int64_t	 at_ms;		/* of the oldest reading it rests on; 0: none */
	enum client_seen client;
	bool	 path_proven;
	/* "nothing", "the chain", "chain and name" by dial and driver (attempt.h); NULL: it is not known how it dials. */
	const char *verifies;
	/* "process 12 (web) was started with another DB_SSLMODE than its file has now …", or ""; may hold remote bytes */
	char	 started[256];
	const char *protocol, *cipher;	/* negotiated by belay's own handshake, or NULL */
	char	 why[256];	/* for UNKNOWN, STALE, and PLAINTEXT/TLS: what is missing */
};
/* stale_ms: how old a reading may be before it is called stale. */
void	board_link(const struct board *, int link, int64_t now_ms, int64_t stale_ms, struct link_view *ret);

struct endpoint_view {
	enum accept configured;	/* as written on its host, ACCEPT_UNKNOWN */
	enum accept served;	/* as the handshakes show it, ACCEPT_UNKNOWN */
	bool	 verified;	/* by belay's own handshake: chain and every name */
	bool	 path_proven;	/* and the server's row for belay's own session says TLS */
	char	 unproven[256];	/* why not, where TLS is served, or ""; may hold remote bytes */
	enum accept runs;	/* what the server says that it does now (settings_seen_accept()), ACCEPT_UNKNOWN */
	enum accept restarts;	/* what it will after a restart, by its own file, ACCEPT_UNKNOWN */
	int64_t	 at_ms;
	char	 why[256];
	char	 lasting[256];	/* what runs and will not be so after a restart, or ""; may hold remote bytes */
};
void	board_endpoint(const struct board *, int endpoint, int64_t now_ms, int64_t stale_ms, struct endpoint_view *ret);

/*
 * Calls `each` for every accept and dial that was seen since then to be configured: by the
 * files of a host, or, where settings of a running server are what binds it, by its own word.
 * A link that a binding implies is written with that binding: it is no word of its own.
 */
typedef void board_seen_fn(void *arg, const struct change *seen);
void	board_each_seen(const struct board *, int64_t since_ms, board_seen_fn *, void *arg);

/*
 * Likewise every accept and dial that is bound to files of the host and was seen to be none
 * of its values: somebody else's, where this run has written one.
 */
typedef void board_odd_fn(void *arg, int host, const struct facet_seen *seen);
void	board_each_odd(const struct board *, int64_t since_ms, board_odd_fn *, void *arg);

/*
 * What a new connection of the link came to, as belay tried it (remote/rehearse.h), and
 * whether that agrees with what else is seen: board_rehearsed.c has the table.
 */
struct rehearsal_view {
	const struct reading *reading;	/* the latest that says something about the client, or NULL */
	bool	 fresh;			/* and it is not older than it may be */
	char	 words[256];		/* "tls+name, TLSv1.3, 12 ms"; or why there is none; may hold remote bytes */
	char	 finding[512];		/* where the sources disagree, in words, or ""; may hold remote bytes */
};
void	board_rehearsed(const struct board *, int link, int64_t now_ms, int64_t stale_ms, int64_t rehearsal_stale_ms,
	    struct rehearsal_view *ret);

/*
 * Somebody vouches for a client that nothing can see (evidence: attest): who and why, in
 * one line; NULL takes it back.  board_vouched(): that line, or NULL.
 */
void	board_vouch(struct board *, int client, const char *words);
const char *board_vouched(const struct board *, int client);

/* How the link dials by anything but files of its client's host: declared, implied, a pooler's own word; or DIAL_UNKNOWN. */
enum dial board_dial_known(const struct board *, int link);

/* The posture as read from the hosts' files (configured), UNKNOWN where it was not read. */
void	board_posture(const struct board *, struct posture *ret);
/* The client certificate that the link is set to show, by what its host's files say: a cert, NONE, CERT_UNKNOWN. */
int	board_present(const struct board *, int link);
/* Is every move of the step what is configured, and the endpoints serve it? (MET) */
bool	board_met(const struct board *, const struct step *, int64_t now_ms, int64_t stale_ms);

/*
 * Is it written as mutual, and did it complete belay's handshake and then turn belay away for
 * showing no client certificate?  Its leg is LEG_REFUSED then, and what it serves was seen.
 */
bool	board_demanded(const struct board *, int endpoint);

#endif
