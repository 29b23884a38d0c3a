/*
 * fleet_read: the parts of the fleet reader, between themselves.
 *
 * fleet_read.c declares every name first and reads the bodies afterwards, so
 * that anything may refer to anything, whatever the order of the file.
 */
#ifndef BELAY_CORE_FLEET_READ_H
#define BELAY_CORE_FLEET_READ_H

#include "core/fleet.h"
#include "core/reader.h"

extern const char *const kind_words[];
extern const char *const accept_words[];
extern const char *const dial_words[];
extern const char *const proto_words[];
extern const char *const dialect_words[];	/* these three begin with what is no word of a file */
extern const char *const auth_words[];
extern const char *const stored_words[];
extern const char *const source_words[];
extern const char *const evidence_words[];
extern const char *const edit_kind_words[];

struct fleet_reader {
	struct reader r;
	struct fleet *f;
	const struct node **cert_nodes;	/* by certificate, of those that were read: for what comes after them */
};

int	fleet_cluster(const struct fleet *, const char *name);
int	fleet_secret(const struct fleet *, const char *name);
int	fleet_list(const struct fleet *, const char *name);
int	fleet_link_between(const struct fleet *, int client, int endpoint);	/* or NONE */

/* What a reference may point to, and how it is called in a message. */
enum noun {
	NOUN_HOST, NOUN_CLUSTER, NOUN_SECRET, NOUN_UNIT, NOUN_CERT,
	NOUN_ENDPOINT, NOUN_CLIENT, NOUN_LINK
};
#define NOUN_PARTS	(NOUN_LINK + 1)	/* in the table of names: the first part of a client on several hosts */
/* Index of what is named; -1 with a message where there is no such thing. */
int	noun_find(struct reader *, const struct fleet *, enum noun, int line, int col,
	    const char *name, int *ret);
/* The host named here; `local` exists where it is first spoken of. */
int	host_find(struct fleet_reader *, int line, int col, const char *name, int *ret);
int	read_ref(struct fleet_reader *, const struct scope *, const struct node *,
	    enum noun, int *ret);
/* One host or a list of hosts, each once. */
int	read_hosts(struct fleet_reader *, const struct scope *, const struct node *,
	    struct indices *ret);

/* What may stand in the name of a host, and of a user. */
#define HOST_CHARACTERS ".:_-"
#define USER_CHARACTERS "._-"

/* An optional value: 0 and nothing written where the key is not given. */
int	opt_string(struct fleet_reader *, const struct scope *, const struct node *,
	    const char *key, char **ret);
int	opt_bool(struct fleet_reader *, const struct scope *, const struct node *,
	    const char *key, bool *ret);
int	opt_duration(struct fleet_reader *, const struct scope *, const struct node *,
	    const char *key, int64_t *ret_ms);
int	opt_strings(struct fleet_reader *, const struct scope *, const struct node *,
	    const char *key, const char *what, struct strings *ret);
int	opt_path(struct fleet_reader *, const struct scope *, const struct node *,
	    const char *key, bool home, char **ret);
int	opt_ref(struct fleet_reader *, const struct scope *, const struct node *,
	    const char *key, enum noun, int *ret);
/* A word of letters, digits and `more`, safe as an argument of ssh. */
int	opt_plain(struct fleet_reader *, const struct scope *, const struct node *,
	    const char *key, const char *what, const char *more, char **ret);
/* Notes a key that is read and not built, and sets *ret_not_yet to `what`. */
void	reserve(struct fleet_reader *, const struct node *, const char *key,
	    const char **ret_not_yet, const char *what);

/* fleet_part.c: a client on several hosts is one on each; n == 0 where it is not. */
struct part {
	int	 host, unit;	/* unit: or NONE */
	const struct scope *scope;
};
struct parts {
	struct part *v;
	size_t	 n;
};
int	parts_read(struct fleet_reader *, const struct scope *, const struct node *client, struct parts *ret);
void	parts_release(struct parts *);
/* Where a part's sessions come from: its own host, or the addresses given for that. */
int	part_places(struct fleet_reader *, const struct scope *, const struct node *match,
	    const struct client *part, struct match *);
/*
 * The links that a name stands for: one, or, of a client on several hosts,
 * one on each; of these the one dialled from `host` where there is one (NONE: all).
 */
int	links_find(struct reader *, const struct fleet *, int host, int line, int col,
	    const char *name, struct indices *ret);
/* How many hosts at a time: a number, or `all` (BATCH_ALL). */
int	read_batch(struct reader *, const struct scope *, const struct node *, int *ret);

/* The bodies.  The names, and where things run, are known by then. */
int	read_host(struct fleet_reader *, const struct scope *, const struct node *, size_t);
int	read_cluster(struct fleet_reader *, const struct scope *, const struct node *, size_t);
int	read_secret(struct fleet_reader *, const struct scope *, const struct node *, size_t);
int	read_unit(struct fleet_reader *, const struct scope *, const struct node *, size_t);
int	read_endpoint(struct fleet_reader *, const struct scope *, const struct node *, size_t);
int	read_cert(struct fleet_reader *, const struct scope *, const struct node *, size_t);
int	read_client(struct fleet_reader *, const struct scope *, const struct node *, size_t);
/* What a unit restarts is there: when all names are. */
int	unit_check_restarts(struct fleet_reader *, const struct unit *, const struct node *unit);
/* client: the body that the link stands in. */
int	read_link(struct fleet_reader *, const struct scope *, const struct node *,
	    const struct node *client, size_t);

/*
 * Bindings.  `owner_host` is where an edit without `on` goes, NONE where that
 * is nowhere; several hosts (a certificate's) are in `hosts`.
 */
struct bind {
	struct fleet_reader *fr;
	const struct scope *scope;
	const char *owner;		/* for messages: "web -> redis" */
	int	 owner_host;
	bool	 several;		/* the owner is one host's part of a client on several */
	const struct indices *hosts;	/* or NULL */
	const char *const *run_time;	/* names that stay */
	bool	 managed;
	bool	 of_facet;		/* a value of accept or dial, which has an earlier one */
	enum dialect dialect;		/* of a dial's link */
	bool	 has_kind;		/* of an accept's endpoint: */
	enum kind kind;
	const int *endpoint;		/* the same; NULL where there is none */
	const enum auth *auth;		/* by value; NULL where there is none */
	int	 value;			/* the one that is read */
	/* said once at the facet, for all its values */
	char	*file, *in, *become;
	bool	 in_place;
	struct indices on;
};
/* The edits that one value stands for: a mapping, or a list of mappings. */
int	bind_value(struct bind *, const struct node *, struct binding *ret);
/* One mapping of edits; keys that are not ours were checked by the caller. */
int	bind_edits(struct bind *, const struct node *, struct binding *ret);
/* Whether an entry of a value's mapping makes an edit by itself. */
bool	bind_makes_edit(const struct entry *);
/* A part's edits are made where it runs, and nowhere else. */
int	bind_check_on(struct bind *, const struct node *on);
/* What may stand in one value's mapping; ends with NULL. */
#define BIND_KEYS_MAX	32
extern const char *const bind_value_keys[BIND_KEYS_MAX + 1];
/* endpoint.accept and link.dial: per value, or one form for all of them. */
int	bind_accept(struct fleet_reader *, const struct scope *, int endpoint, const struct node *);
int	bind_dial(struct fleet_reader *, const struct scope *, int link, const struct node *);
/* Says that the link's driver has no such mode; returns -1. */
int	dial_unspelt(struct fleet_reader *, int line, int col, const struct link *, enum dial);
/* Where an edit goes and how it writes; what every kind has. */
int	bind_place(struct bind *, const struct node *, struct bedit *);
int	bind_write(struct bind *, const struct node *, struct bedit *);
/* fleet_edit.c: edits by name, of a pushed edit. */
int	bind_conf(struct bind *, const struct node *, struct bedit *);
int	bind_block(struct bind *, const struct node *, struct bedit *);
int	bind_url(struct bind *, const struct node *, struct bedit *);
int	bind_setting(struct bind *, const struct node *, struct bedit *);
/* A command with `on`: can-tls, put, undo, a plan's run. */
int	bind_command(struct bind *, const struct node *, const char *what,
	    const char *const keys[], struct bedit *ret);
/* A command can be undone, or says that it changes nothing. */
int	bind_check_way_back(struct bind *, const struct bedit *);
/* A file whose content is given, for certificates and CA files. */
void	bind_file(struct binding *, const struct node *at, const char *path,
	    const char *content, int mode, const char *owner, const struct indices *on);
/* Does an edit of it hold that material: $(STEM.pem), $(STEM.b64)? */
bool	binding_mentions(const struct binding *, const char *stem);
void	bedit_release(struct bedit *);
void	binding_release(struct binding *);

/* The addresses of a match are addresses or ranges. */
int	match_check_addresses(struct reader *, const struct node *, const struct match *);

/* What only the whole fleet can tell. */
/* fleet_overlap.c: no two links match the same sessions. */
int	fleet_check_overlap(struct fleet_reader *);
int	fleet_check(struct fleet_reader *);

#endif
