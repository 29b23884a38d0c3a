/*
 * fleet: what there is.  Hosts, units, endpoints, clients with their links,
 * certificates, and the bindings that turn a facet's value into edits.
 *
 * One tree, read by fleet_parse() from the text of a fleet file, immutable
 * afterwards, freed as a whole.  Everything refers to everything else by
 * index into the arrays below; NONE is "not given".  Names are unique within
 * their kind.  A client on several hosts is read as several clients side by
 * side, "web@web-1", "web@web-2", each with links of its own; see `of` below.
 * `for`, lists and $(name) are expanded while reading; what is
 * only known later ($(dial), $(ca_file), $(ca.b64), $(step)) stays in the strings and is
 * filled in by fill.h.  $(accept) is filled in while reading; "$$(" has become "$(".
 *
 * The format is documented in belay-fleet(5).
 */
#ifndef BELAY_CORE_FLEET_H
#define BELAY_CORE_FLEET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/canary.h"

struct err;
struct names;

#define NONE (-1)

/* Bounds, so that a hostile or mistaken file costs bounded memory. */
#define FLEET_FILE_MAX	((size_t)256 << 10)
#define FLEET_NAME_MAX	128
#define CERT_SUBJECT_MAX 64	/* of a common name */
#define FLEET_ITEMS_MAX	8192	/* of each kind, after expansion */
#define EDIT_TOUCHES_MAX 64	/* files that one command touches */
#define BATCH_ALL	FLEET_ITEMS_MAX	/* a batch of so many hosts is all of them at once */
#define FLEET_DEADLINE_MAX_MS ((int64_t)24 * 3600 * 1000)	/* of anything that is waited for */

/* Where something stands in its file; line and col count from 1. */
struct pos {
	int line;
	int col;
};

enum kind { KIND_POSTGRES, KIND_PGBOUNCER, KIND_REDIS };
#define KIND_COUNT 3

enum accept { ACCEPT_PLAIN, ACCEPT_BOTH, ACCEPT_TLS, ACCEPT_MUTUAL, ACCEPT_UNKNOWN };
#define ACCEPT_COUNT 4

enum dial {
	DIAL_DISABLE, DIAL_ALLOW, DIAL_PREFER, DIAL_REQUIRE, DIAL_VERIFY_CA,
	DIAL_VERIFY_FULL, DIAL_UNKNOWN
};
#define DIAL_COUNT 6

enum proto { PROTO_ANY, PROTO_TLS1_0, PROTO_TLS1_1, PROTO_TLS1_2, PROTO_TLS1_3 };

/* What a driver makes of a dial mode, and how it is spelt there: attempt.h. */
enum dialect {
	DIALECT_DEFAULT,	/* nothing was said; a link of a fleet never has it: see dialect_of_kind() */
	DIALECT_LIBPQ, DIALECT_PGBOUNCER, DIALECT_ASYNCPG, DIALECT_SQLALCHEMY_ASYNCPG,
	DIALECT_NODE_POSTGRES, DIALECT_PGX, DIALECT_JDBC,
	DIALECT_REDIS_PY, DIALECT_NODE_REDIS, DIALECT_IOREDIS, DIALECT_HIREDIS, DIALECT_JEDIS
};
#define DIALECT_COUNT 13

/* How an endpoint authenticates a role. */
enum auth {
	AUTH_UNKNOWN,		/* nothing was said: not in question */
	AUTH_TRUST, AUTH_PASSWORD, AUTH_MD5, AUTH_SCRAM,
	AUTH_CERT,		/* by its client certificate */
	AUTH_EXTERNAL		/* by something else (pam, ldap, gss): not in question */
};
#define AUTH_COUNT 7

/* What the endpoint has stored of a role's password. */
enum stored { STORED_UNKNOWN, STORED_PLAIN, STORED_MD5, STORED_SCRAM };
#define STORED_COUNT 4

/* Words for enums; *_word never returns NULL, *_parse returns -1 on no match. */
const char *kind_word(enum kind);
const char *accept_word(enum accept);
const char *dial_word(enum dial);
const char *proto_word(enum proto);
const char *dialect_word(enum dialect);
const char *auth_word(enum auth);
const char *stored_word(enum stored);
int	kind_parse(const char *);
int	accept_parse(const char *);
int	dial_parse(const char *);
int	proto_parse(const char *);
int	dialect_parse(const char *);	/* what stands for nothing said is no word */
int	auth_parse(const char *);
int	stored_parse(const char *);
/* Whether this driver speaks to such an endpoint; and the one that is meant where none is named. */
bool	dialect_fits(enum dialect, enum kind);
enum dialect dialect_of_kind(enum kind);

struct strings {
	char **v;
	size_t n;
};

struct pair {
	char *key, *value;
	struct pos pos;
};

struct pairs {
	struct pair *v;
	size_t n;
};

struct indices {
	int *v;
	size_t n;
};
void	indices_add(struct indices *, int);	/* at the end, where it is not in it yet */
bool	indices_has(const struct indices *, int);

struct host {
	char	*name;
	struct pos pos;
	char	*ssh;		/* alias for the operator's ssh_config, or NULL */
	char	*address, *user, *identity;	/* without ssh: */
	int	 port;		/* 0: 22 */
	bool	 local;		/* the machine belay runs on; no SSH */
	char	*become;	/* the user that the host-side program works as, by sudo; or NULL */
	int	 become_password;	/* the secret that sudo is told, or NONE: asked for where it is wanted */
	char	*state;		/* host-side state directory; NULL: ~/.local/state/belay */
	struct pairs states;	/* those of other users, for whom edits say `become` */
	int	 base;		/* of USER@HOST: the host; NONE of a host */
	char	*transport;	/* NULL: choose; "libssh2" or "ssh" */
};

struct cluster {		/* reserved: not yet */
	char	*name;
	struct pos pos;
};

enum secret_source {
	SECRET_FILE, SECRET_FD, SECRET_COMMAND, SECRET_PROMPT, SECRET_HOST_ENV,
	SECRET_OBJECT /* not yet */, SECRET_ENV
};

struct secret {
	char	*name;
	struct pos pos;
	enum secret_source source;
	char	*file;		/* FILE; HOST_ENV: the env file on `host` */
	char	*command;	/* COMMAND, run on the operator's machine */
	char	*prompt;	/* PROMPT: what to ask */
	char	*key;		/* HOST_ENV: the variable; ENV: the variable */
	int	 fd;		/* FD */
	int	 host;		/* HOST_ENV */
};

enum unit_kind { UNIT_RESTART, UNIT_RELOAD };

struct unit {
	char	*name;
	struct pos pos;
	int	 host;		/* NONE where a cluster carries it (not yet) */
	enum unit_kind kind;
	char	*run;		/* a command for the host's shell, shown literally */
	int	 by;		/* without run: its endpoint whose own console reloads it; else NONE */
	char	*in;		/* working directory, or NULL */
	int64_t	 deadline_ms;	/* default 120 s */
	bool	 idempotent;	/* may be repeated after a cut; default yes */
	struct strings restarts;	/* names of endpoints and clients; for display and census */
	const char *not_yet;	/* what of it is not built, or NULL */
};

/* How one edit is bound.  Which fields count depends on the kind. */
enum edit_kind {
	EDIT_ENV,	/* file, set, unset */
	EDIT_FILE,	/* file, content, mode, owner */
	EDIT_RUN,	/* run, undo, observe+expect, in, touches; set: its stdin */
	EDIT_CONF,	/* file, syntax, set, unset */
	EDIT_BLOCK,	/* file, syntax; set: name and content, unset: name */
	EDIT_URL,	/* file; set and unset by NAME?KEY, NAME:scheme … */
	EDIT_SETTING,	/* endpoint, set, unset, persist; see setting.h */
	EDIT_OBJECT, EDIT_HELM
			/* reserved: parsed, not yet */
};
const char *edit_kind_word(enum edit_kind);
/* The path of a file in a container, behind its name; NULL: the file is the host's own. */
const char *path_in_container(const char *file);

/* What a text is that is edited by name; see edittext.h. */
enum text_syntax {
	TEXT_ENV, TEXT_URL, TEXT_POSTGRES, TEXT_INI, TEXT_REDIS, TEXT_BLOCK, TEXT_HBA
};
#define TEXT_SYNTAX_COUNT 7

struct bedit {			/* a bound edit, still with $(…) of run time in it */
	enum edit_kind kind;
	struct pos pos;
	struct indices on;	/* hosts; empty: the host of the owner's unit */
	char	*file;		/* CONF, BLOCK: also "docker:NAME:/PATH", "podman:NAME:/PATH", in a container there */
	enum text_syntax syntax;	/* ENV, CONF, BLOCK, URL: what the names and values below are */
	struct pairs set;	/* EDIT_RUN: what it reads, as an object in JSON */
	struct strings unset;
	char	*content;	/* EDIT_FILE; NULL with remove */
	bool	 remove;
	int	 mode;		/* -1: keep, or 0600 for a new file */
	char	*owner;		/* "70:70", "postgres:", or NULL */
	bool	 in_place;	/* write: in-place */
	char	*run, *undo, *observe, *expect, *in;
	char	*version;	/* EDIT_RUN: shows what $(before) and $(after) are in `undo`; or NULL */
	bool	 by_value;	/* EDIT_RUN: undone by what `observe` said before */
	char	*value;		/* by_value: what `run` finds in BELAY_VALUE; NULL: undone by the earlier value's command */
	bool	 read_only, idempotent;
	struct strings touches;	/* absolute paths, each once */
	int64_t	 deadline_ms;
	int	 endpoint;	/* EDIT_SETTING: whose, or NONE; of other kinds NONE */
	bool	 persist;	/* EDIT_SETTING: it is to survive a restart */
	bool	 persist_given;
	const char *not_yet;	/* what of it is not built, or NULL */
};

struct implied {		/* a binding that moves somebody else's dial */
	int	 link;
	enum dial dial;
};

struct binding {		/* what one value of one facet means here */
	bool	 bound;		/* given at all */
	struct pos pos;
	struct bedit *v;
	size_t	 n;
	struct implied *implies;
	size_t	 nimplies;
};

/* Whose CA signs a certificate that is ours to issue. */
enum issuer {
	ISSUER_OWN,		/* a CA of belay's own */
	ISSUER_IMPORTED,	/* one that belay takes over into its directory */
	ISSUER_GIVEN,		/* one that stays where it lies */
	ISSUER_COMMAND		/* a command signs a request */
};

struct cert {
	char	*name;
	struct pos pos;
	int	 after;		/* the cert whose places it takes over, or NONE: see cert_line() */
	bool	 external;	/* watched only: not ours to issue or renew */
	char	*profile;	/* "ecdsa-p256" (default), "rsa-4096" */
	int64_t	 leaf_ms, warn_ms;
	char	*ca_file;	/* external: PEM of the CA on the operator's machine, or "system" */
	char	*ca_dir;	/* where the CA's files live; NULL: the state directory */
	int	 passphrase;	/* the secret that opens the CA's key; NONE: asked for */
	bool	 client;	/* purpose: client.  What a client shows, known by `subject`; serves nothing */
	char	*subject;
	/* An external one of a client's: its files on the operator's machine. */
	char	*pair_file, *pair_key;
	bool	 under_other;	/* signed by the CA of the certificate `other`, whose passphrase it is then */
	int	 other;
	enum issuer issuer;
	char	*issuer_ca, *issuer_key;	/* files of the operator's: what clients trust; the key (GIVEN, IMPORTED) */
	struct strings issuer_run;	/* COMMAND: its words */
	char	*issuer_in;		/* its directory, or NULL */
	int64_t	 issuer_deadline_ms;
	struct indices serves;	/* endpoints */
	struct strings names;	/* exactly these SANs; empty: every name that is dialled at what it serves (external: not known) */
	struct binding install;	/* edits; content and values may hold $(ca.pem) $(leaf.pem) $(key.pem) $(chain.pem) and .b64 */
	bool	 lands_at_activation;
	const char *not_yet;
};

/* Things that cannot be seen here, declared with their reason. */
enum source { SOURCE_SERVED, SOURCE_REHEARSED, SOURCE_CENSUS, SOURCE_CONFIGURED, SOURCE_PERSISTED };
#define SOURCE_COUNT 5
const char *source_word(enum source);

struct endpoint {
	char	*name;
	struct pos pos;
	struct strings tags;
	enum kind kind;
	int	 unit;		/* NONE where `managed` */
	int	 host;		/* the unit's host, or NONE */
	/* Ports, 0 where not given.  `both` stands for one port that does both. */
	int	 port_plain, port_tls;
	bool	 one_port;	/* listen: { both: N } */
	char	*at;		/* address the probes dial from the host; NULL: names[0], else localhost */
	int	 via;		/* host whose tunnel is used; NONE: the unit's */
	struct strings names;	/* what clients dial; certificates must cover each */
	char	*probe_user, *probe_database;
	int	 probe_secret;
	int	 probe_cert;	/* what belay shows of itself where one is demanded, or NONE */
	/* Who changes it by statement; a Redis without one of its own: the probe. */
	char	*admin_user, *admin_database;
	int	 admin_secret;
	enum proto proto_min, proto_max;	/* PROTO_ANY: no bound was named */
	bool	 asks;		/* asks for a client certificate without demanding one */
	int	 clients;	/* the cert whose CA it knows clients by, or NONE */
	bool	 knows[ACCEPT_COUNT];	/* by what is accepted then: that CA is at hand there */
	enum auth auth[ACCEPT_COUNT];	/* by what is accepted then */
	char	*managed;
	bool	 runs_as;	/* who it runs as is declared: uid, and gid (or -1) */
	int64_t	 run_uid, run_gid;
	char	*log_run;	/* command printing the log from now on, on log_host */
	char	*log_file;
	int	 log_host;
	const char *log_not_yet;	/* a log is named that cannot be read yet, or NULL */
	char	*cannot_see[SOURCE_COUNT];	/* reasons, or NULL */
	struct binding accept[ACCEPT_COUNT];
	const char *not_yet;
};

enum evidence { EVIDENCE_SESSION, EVIDENCE_LOG, EVIDENCE_REHEARSAL, EVIDENCE_ATTEST };
const char *evidence_word(enum evidence);

/* Whose connections at the endpoint are this link's; all that are given must match. */
struct match {
	struct pos pos;
	struct strings addresses;	/* IPv4/IPv6 or CIDR */
	struct indices hosts;		/* their addresses are learnt by probing; see session reading */
	struct strings users, databases, applications;
	const char *not_yet;		/* pods */
};

enum dial_how {
	DIAL_BOUND,	/* a step can move it */
	DIAL_FOLLOWS,	/* moved by another link, or (follows == NONE) by `implies` only */
	DIAL_FIXED,	/* not ours to move */
	DIAL_ASSUMED	/* declared, not seen */
};

/* The certificate that a link shows where it is asked, and how its client is brought to show it. */
struct presents {
	int	 cert;		/* NONE: no step moves it */
	char	*file, *key_file;	/* at the client: $(cert_file), $(key_file); or NULL */
	bool	 lands;		/* what is written is taken over by the client's own start */
	struct binding install;	/* puts certificate and key there */
	struct binding with, without;	/* has the client use it, and not */
};

struct link {
	char	*name;		/* "web -> pgbouncer" */
	struct pos pos;
	int	 client, endpoint;
	struct match match;
	enum dial_how how;
	int	 follows;	/* link, or NONE */
	bool	 followed;	/* another one follows it */
	enum dial assumed;	/* DIAL_ASSUMED, DIAL_FIXED with a value; else DIAL_UNKNOWN */
	struct binding dial[DIAL_COUNT];
	/* trust: by which cert's CA the client's file begins; a step may give it another of that line (link_may_trust()) */
	int	 trust_cert;	/* cert, or NONE */
	char	*trust_file;	/* path at the client; $(ca_file) */
	bool	 trust_lands;	/* the file appears at activation, by the cert's own install */
	bool	 trust_shared;	/* another link reads the same file at the same host */
	struct binding trust;	/* edits that put it there, when not by the cert's install */
	struct presents presents;
	/* a guard that must hold before a TLS dial: the build can do TLS at all */
	struct bedit *can_tls;	/* EDIT_RUN with run and expect, or NULL */
	struct bedit *rehearse;	/* likewise: the client's own runtime tries a connection; $(dial) and $(ca_file) in it; or NULL */
	enum dialect dialect;	/* never DIALECT_DEFAULT */
	enum stored stored;	/* how the endpoint has stored its role's password */
	bool	 stray;		/* shows a client certificate that is not of this fleet where it is asked */
	char	*at;		/* name dialled where it differs from names[0] */
	struct canary_terms canary;	/* through every step that it may feel */
};

struct client {
	char	*name;		/* "web"; "web@web-1" where it is one host's part of "web" */
	struct pos pos;
	char	*of;		/* "web" of "web@web-1"; NULL of a client that runs in one place */
	int	 batch;		/* with `of`: on so many hosts a step moves it at a time, unless the plan says otherwise */
	struct strings tags;
	int	 unit;		/* NONE where unknown */
	int	 host;
	enum evidence evidence;
	int64_t	 window_ms;
	enum proto proto_min, proto_max;	/* PROTO_ANY: no bound was named */
	int	 pools;		/* the endpoint that this client is (a pooler), or NONE */
	struct bedit *exercise;	/* EDIT_RUN: makes it connect now; or NULL */
	struct indices links;
	const char *not_yet;
};

struct list {
	char	*name;
	struct strings items;
};

struct fleet {
	char	*path;		/* as given, for messages */
	char	*environment;	/* "production" is protected: its name must be typed */
	struct list	*lists;		size_t nlists;
	struct host	*hosts;		size_t nhosts;
	struct cluster	*clusters;	size_t nclusters;
	struct secret	*secrets;	size_t nsecrets;
	struct unit	*units;		size_t nunits;
	struct cert	*certs;		size_t ncerts;
	struct endpoint	*endpoints;	size_t nendpoints;
	struct client	*clients;	size_t nclients;
	struct link	*links;		size_t nlinks;
	/* What was read but is not built yet, as "file:line:col: …: not yet". */
	struct strings	 not_yet;
	struct names	*names;		/* of all but lists; NULL in a fleet that no file made: then they are looked through */
};

/*
 * Reads the text of a fleet file; `path` only names it in messages.  On
 * failure the message is `path:line:col: what is wrong, what was expected`.
 */
int	fleet_parse(struct fleet **ret, const char *path, const char *text,
	    size_t len_bytes, struct err *);
void	fleet_free(struct fleet *);

/* Index by name, or NONE. */
int	fleet_host(const struct fleet *, const char *name);
/*
 * An edit that is made as another user than its host's other work is made at a place of its
 * own, USER@HOST: with a state directory, a lock, a lease and records of that
 * user's, so that whatever holds for a host holds for it.  It is the same machine by the same
 * session; what is only about that asks for its base.
 */
int	fleet_base(const struct fleet *, int host);	/* itself, of a host; NONE of NONE */
int	fleet_host_as(struct fleet *, int host, const char *user);	/* made where it is not there yet */
int	fleet_unit(const struct fleet *, const char *name);
int	fleet_cert(const struct fleet *, const char *name);
int	fleet_endpoint(const struct fleet *, const char *name);
int	fleet_client(const struct fleet *, const char *name);
/*
 * The clients that a name stands for: one, or the parts of one on several
 * hosts, which stand side by side, in the order of the file.  0: there is none.
 */
size_t	fleet_clients(const struct fleet *, const char *name, int *ret_first);
/* Puts the links that a name stands for behind those in `to`; how many. */
size_t	fleet_links(const struct fleet *, const char *name, struct indices *to);
/* "web -> pgbouncer"; blanks around the arrow do not matter; U+2192 is taken too. */
int	fleet_link(const struct fleet *, const char *name);
/* The name that a link dials, and the port it uses for a dial mode. */
const char *link_dials_name(const struct fleet *, const struct link *);
int	link_dials_port(const struct fleet *, const struct link *, enum dial);
/*
 * Whether the certificate is for this name: by its `names`, else because the
 * name is dialled at an endpoint that it serves.  A wildcard stands for
 * exactly one label, the left-most, and for no address; addresses match
 * literally.  1, 0, or -1 where that is not known (an external certificate
 * without `names`).
 */
int	cert_covers(const struct fleet *, const struct cert *, const char *name);
/* The certificate whose CA signs this one: itself, or the one that it is under. */
int	cert_authority(const struct fleet *, int cert);
/* The host from which a link is dialled, or NONE. */
int	link_host(const struct fleet *, const struct link *);
/* Do they read the same CA file at the same host?  What is written there holds for both. */
bool	links_share_trust(const struct fleet *, const struct link *, const struct link *);
/* Can belay dial in its place (remote/rehearse.h), as far as the fleet says? */
bool	link_rehearsable(const struct fleet *, int link);

#endif
