/*
 * reading: what one probe saw, with its time.  A failure to see is a reading
 * too, and says why; it never counts as a good one.
 *
 * Made in a worker, carried to the console as a blob (reading_encode()),
 * which decodes it as if an enemy had written it: every count and length is
 * capped, every enum checked.  All strings may hold remote bytes and go to a
 * screen only through text_clean().
 */
#ifndef BELAY_CORE_READING_H
#define BELAY_CORE_READING_H

#include "core/fleet.h"
#include "core/rehearsed.h"

struct buf;
struct err;

enum reading_kind {
	READING_SERVED,		/* handshakes at an endpoint */
	READING_CENSUS,		/* who is connected, by the server's own view */
	READING_SETTINGS,	/* what the server says of its settings */
	READING_HOST,		/* what is written on a host: facets as configured */
	READING_DISK,		/* what lies on the host of an endpoint beside what it serves */
	READING_DEPTH,		/* which versions and ciphers an endpoint takes */
	READING_CHECK,		/* the outcome of a log, http or command check */
	READING_REHEARSAL	/* one new connection in a client's place; subject: the link */
};
#define READING_COUNT 8

enum outcome {
	SAW,			/* conclusive */
	SAW_PART,		/* inconclusive: a privilege is missing, a cap was hit; `why` says which */
	SAW_NOT			/* could not look; `why` */
};

#define READING_STRING_MAX	1024
#define READING_NAMES_MAX	64
#define READING_STRAGGLERS_MAX	200
#define READING_LOGINS_MAX	2048	/* links with logins */
#define READING_WHO_MAX		64	/* names among them */
#define READING_COMPLAINTS_MAX	16
#define READING_SOCKETS_MAX	256
#define READING_STARTED_MAX	64
#define READING_PAIRS_MAX	256
#define READING_LINKS_MAX	FLEET_ITEMS_MAX
#define READING_FACETS_MAX	1024
#define READING_STRINGS_MAX	128
#define READING_HBA_MAX		4
#define READING_HBA_TEXT_MAX	((size_t)32 << 10)
#define READING_SHORT_MAX	512	/* strings of stragglers, and of a facet's detail */
#define READING_BLOB_MAX	((size_t)1 << 20)	/* an encoded reading is never larger */

/* What one way of connecting met. */
enum leg {
	LEG_UNKNOWN,		/* not tried, or nothing conclusive: `why` */
	LEG_OPEN,		/* speaks the protocol this way */
	LEG_REFUSED,		/* the server answered that it will not */
	LEG_CLOSED,		/* nothing listens there */
	LEG_SILENT		/* took the connection and never answered */
};

enum verified { VERIFIED_NOT_TRIED, VERIFIED_OK, VERIFIED_BAD };

struct certificate {		/* as presented in a handshake */
	char	*subject, *issuer;
	char	*names[READING_NAMES_MAX];	/* "DNS:db.internal", "IP:10.0.0.1" */
	size_t	 nnames;
	int64_t	 not_before_s, not_after_s;	/* since 1970 */
	char	*key;		/* "ECDSA P-256", "RSA 4096" */
	char	*signature;	/* "ecdsa-with-SHA256" */
	char	*weak;		/* what of it, or of what was sent with it, nobody should rely on any more; NULL: nothing */
	uint32_t sent;		/* how many certificates were presented, this one among them */
	/*
	 * When the first of those it rests on ends (the chain as verified, the CA with it; else as
	 * presented), and whose that is: NULL, its own.
	 */
	int64_t	 ends_s;
	char	*ends_who;
	char	 sha256[65];
	bool	 self_signed;
};

struct served {
	enum leg plain, tls;
	char	*plain_why, *tls_why;
	char	*protocol, *cipher;	/* negotiated, or NULL */
	/*
	 * Valid where protocol is given: also where the handshake went through and
	 * the server then refused (LEG_REFUSED: "needs a client certificate").
	 */
	struct certificate cert;
	enum verified chain;		/* against the CAs of the certs that serve the endpoint */
	char	*chain_why;
	int	 ca;			/* of VERIFIED_OK only: the cert whose CA it leads to, or NONE */
	/* The names of served_names(): is each covered? */
	enum verified name[READING_NAMES_MAX];
	size_t	 nnames;
	bool	 client_cert_asked;
	/*
	 * How who shows no certificate fares where one is asked for: OPEN, or REFUSED with the reason;
	 * UNKNOWN: none is asked for, or it was not seen.  REFUSED beside `tls` OPEN: belay showed its own.
	 */
	enum leg bare;
	char	*bare_why;
	/*
	 * The handshake went through, and then belay was not let in as it would have been over
	 * plaintext, or nobody would have been: tls_why.  The way is not proven.
	 */
	bool	 turned_away;
};

struct socket_seen {		/* an established connection to an endpoint's port, by the host that dials */
	char	*address;	/* of its own side, numeric */
	int	 port, to_port;
	char	*command;	/* NULL: the host does not tell whose it is */
	long	 pid;
};

struct started {			/* a process that dials: what it was started with, against the files of its host */
	int	 link;
	long	 pid;
	char	*differs;	/* the variables that have another value there, or NULL: none */
};

struct straggler {		/* a session worth naming: plaintext, or undeclared */
	int	 link;		/* NONE: undeclared */
	bool	 tls;
	char	*address, *user, *database, *application;
	int	 port;		/* of the client's side; 0 not told */
	int64_t	 age_s;		/* of the session; -1 not known */
};

struct link_count {
	int	 link;
	uint32_t tls, plain;
};

/* By the server's own log, where the fleet names it: who comes too shortly for any census. */
enum logins_seen {
	LOGINS_NONE,		/* no log is declared, or it tells no logins */
	LOGINS_BLIND,		/* it cannot be read; `why` */
	LOGINS_SINCE		/* all of them since from_ms; where `why` is given, but for that */
};

struct login_count {
	int	 link;
	uint32_t tls, plain;		/* logins, not sessions */
	uint32_t refused;		/* turned away for how they came */
	uint32_t still;			/* people whose last login was on plaintext */
	int64_t	 tls_first_ms, tls_ms;	/* the first and the last; 0: none */
	int64_t	 plain_first_ms, plain_ms;
	int64_t	 refused_ms;		/* the last */
	int64_t	 still_ms;		/* the last of those */
};

struct login_seen {		/* one that is worth naming: on plaintext, undeclared, or turned away */
	int	 link;		/* NONE: undeclared */
	bool	 tls, refused;
	bool	 still;		/* on plaintext, and not seen on TLS since */
	char	*address, *user, *database, *application;
	uint32_t count;
	int64_t	 first_ms, last_ms;
};

struct logins {
	enum logins_seen seen;
	int64_t	 from_ms;
	char	*why;
	struct login_count *links;	/* of those that have logged in */
	size_t	 nlinks;
	struct login_count undeclared;
	struct login_seen *who;
	size_t	 nwho;			/* at most READING_WHO_MAX */
};

struct complaint {		/* a line of the server's own log that says what is wrong with TLS (complaints.h) */
	bool	 load;		/* what it was given could not be loaded, and nothing was reloaded since */
	bool	 leg;		/* a pooler says it of its own link */
	uint32_t count;
	int64_t	 first_ms, last_ms;
	char	*text;		/* the latest */
};

struct census {
	struct link_count *links;	/* only links with sessions, or that dial here */
	size_t	 nlinks;
	uint32_t undeclared_tls, undeclared_plain;
	uint32_t total;			/* sessions seen, belay's own left out */
	struct straggler *stragglers;
	size_t	 nstragglers;		/* at most READING_STRAGGLERS_MAX */
	/* The server's own row for the session over which belay asks: 1 on TLS, 0 on plaintext, -1 not told. */
	int	 own_tls;
	/* A pooler's own view of its server side (SHOW SERVERS). */
	bool	 upstream_seen;
	uint32_t upstream_tls, upstream_plain;
	int64_t	 connections_total;	/* Redis total_connections_received; -1 */
	int64_t	 unaccounted;	/* connections since unaccounted_from_ms that nobody saw; -1: not known */
	int64_t	 unaccounted_from_ms;
	struct logins logins;
	struct complaint *complaints;	/* in the order of complaints.h */
	size_t	 ncomplaints;		/* at most READING_COMPLAINTS_MAX */
	bool	 log_unread;		/* its log is being read for the first time: the next census will have it */
};

struct facet_seen {		/* one facet as written in the files of one host */
	int	 facet;		/* enum facet of plan.h */
	int	 subject;
	int	 value;		/* enum accept, enum dial or a cert; UNKNOWN: matches none */
	char	*detail;	/* the lines that decided, secrets left out; or why UNKNOWN */
	bool	 odd;		/* UNKNOWN, though all of it was read and could be compared: it is none of the binding's values */
};

struct string_seen {		/* a finding of connstring.h, in a file of a link's client */
	int	 link, line;
	bool	 warning;	/* else a note */
	char	*file, *variable, *name, *text;
};

struct hba_seen {		/* a pg_hba.conf that a binding writes to */
	int	 endpoint;
	char	*file;
	char	*text;		/* redacted (hba.h), or NULL with `why` */
	char	*why;
};

struct disk {			/* where TLS is served, or set; else all empty */
	char	 served_sha256[65];	/* of the certificate that was served then; "": none was */
	char	*cert_file, *key_file;	/* as the server names them */
	char	 sha256[65];		/* of the first certificate in cert_file; "": cert_why */
	char	*cert_why;
	int64_t	 not_after_s;
	enum verified pair;		/* the key belongs to that certificate; NOT_TRIED: key_why */
	char	*key_why;
	bool	 key_seen;		/* its mode and its owner are known */
	uint32_t key_mode;
	int64_t	 key_uid;
};

enum tried { TRIED_NOT, TRIED_TAKES, TRIED_REFUSES };
#define DEPTH_VERSIONS 4	/* TLS 1.0 … 1.3; see depth_version_word() */
#define DEPTH_CIPHERS_MAX 16

struct depth {
	enum tried versions[DEPTH_VERSIONS];
	char	*ciphers[DEPTH_CIPHERS_MAX];	/* by OpenSSL's names, as the server preferred them, by version */
	size_t	 nciphers;
	bool	 more_ciphers;	/* there are others of TLS 1.2 */
	char	*weak;		/* one that it takes and that nobody should; NULL: none was taken */
	char	 sha256[65];	/* of the certificate that was served then */
};

struct reading {
	enum reading_kind kind;
	int	 subject;	/* endpoint; host for READING_HOST; request id for READING_CHECK */
	int64_t	 at_ms;		/* when the looking began, since 1970 (what was seen is no older); set by the worker, checked by the console */
	int64_t	 took_ms;
	enum outcome outcome;
	char	*why;		/* words for anything but SAW; may be NULL */
	/*
	 * How the question itself travelled: "tls, verified", "tls, not verified",
	 * "plaintext"; NULL where there was no session with the server.
	 */
	char	*over;
	/* by kind: */
	struct served served;
	struct census census;
	struct pairs settings;	/* SETTINGS: name -> value; "name@source" -> its source, where told */
	struct facet_seen *facets;	/* HOST */
	size_t	 nfacets;
	struct string_seen *strings;	/* HOST; at most READING_STRINGS_MAX */
	size_t	 nstrings;
	struct hba_seen *hba;		/* HOST; at most READING_HBA_MAX */
	size_t	 nhba;
	struct disk disk;
	struct depth depth;
	struct socket_seen *sockets;	/* HOST; at most READING_SOCKETS_MAX */
	size_t	 nsockets;
	struct started *started;	/* HOST; at most READING_STARTED_MAX */
	size_t	 nstarted;
	bool	 clock_known;		/* HOST */
	int64_t	 clock_ahead_s;		/* of the host's clock before belay's own; < 0: behind */
	bool	 check_passed;	/* CHECK, with outcome SAW */
	struct rehearsed rehearsed;	/* REHEARSAL; with SAW_NOT its verdict is UNKNOWN, and `why` is its own */
};

/*
 * The names that a certificate of this endpoint must cover, in the order of
 * served.name[]: the endpoint's own in the fleet's order, then what links dial
 * instead (`at`), each once; at most READING_NAMES_MAX.  Borrowed from the fleet.
 * Returns how many.
 */
size_t	served_names(const struct fleet *, int endpoint, const char *ret[READING_NAMES_MAX]);

/* SETTINGS: the value of the name, in any case; NULL: it was not seen. */
const char *reading_setting(const struct reading *, const char *name);

/* Of its parts, where they are held alone; they are empty then. */
void	straggler_release(struct straggler *);
void	logins_release(struct logins *);
void	census_release(struct census *);
void	reading_release(struct reading *);
/*
 * What is too long or too much for the blob is cut; where whole items are cut, SAW
 * becomes SAW_PART with the reason.
 */
void	reading_encode(const struct reading *, struct buf *out);
/* 0, or -1 with what is malformed; *ret is released by the caller on success. */
int	reading_decode(struct reading *ret, const void *, size_t len_bytes, struct err *);
/*
 * Do the subject and every index in the reading exist in this fleet?  0, or
 * -1 with which does not.  The decoder cannot know; its caller must ask.
 */
int	reading_check(const struct reading *, const struct fleet *, struct err *);

#endif
