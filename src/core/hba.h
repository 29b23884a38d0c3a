/*
 * hba: records of pg_hba.conf: written, read, and which of them decides.  Pure.
 *
 * In pg_hba.conf the first record that matches a connection decides, and none
 * behind it is asked.  So lines of ours mean something only before each record
 * that could match the same connection.
 *
 * Sources: src/backend/libpq/hba.c (PostgreSQL 15: tokens, lists, quotes,
 * lines continued by a backslash; 16: include).
 */
#ifndef BELAY_CORE_HBA_H
#define BELAY_CORE_HBA_H

#include <stdbool.h>
#include <stddef.h>

#include "core/fleet.h"

struct buf;
struct err;

enum hba_form {
	HBA_TRANSITION,	/* TLS and plaintext, both by the method */
	HBA_HARDEN,	/* TLS by the method; plaintext is rejected */
	HBA_MUTUAL	/* the same, with a client certificate besides */
};
#define HBA_FORM_COUNT 2

struct hba_rule {
	enum hba_form form;
	const struct strings *roles;		/* names, +GROUP, all */
	const struct strings *databases;	/* names and pg_hba's words; empty: all */
	const struct strings *from;		/* addresses, ranges, host names, all, samehost, samenet */
	const char *method;			/* one word; NULL: scram-sha-256 */
	bool	 any_name;			/* MUTUAL: the certificate's name need not be the role's */
};

/*
 * Appends the records: for each address
 *
 *	transition	hostssl … METHOD, then host … METHOD
 *	harden		hostssl … METHOD, then hostnossl … reject
 *	mutual		hostssl … METHOD clientcert=verify-full, then hostnossl … reject
 *
 * all hostssl first.  -1: something cannot stand in a record; err names it.
 */
int	hba_lines(struct buf *out, const struct hba_rule *, struct err *);

/*
 * Could this line (continued lines joined or not, without its end) decide
 * about a connection that one of `ours` is for?  Comments and `local` cannot;
 * what cannot be read (an include, a host name, @file) could.
 */
bool	hba_could_decide(const char *line, size_t len_bytes, const char *ours, size_t ours_len);

/* ------------------------------------------------------------------ reading
 *
 * What the server makes of the file, and which record decides about a
 * connection.  Held against a real server by tests/hba, over files and
 * connections that are made at random.
 *
 * hba.c has what is above, hba_token.c and hba_read.c the reader, hba_redact.c what may be shown,
 * hba_match.c the rest.
 */
enum hba_type {
	HBA_LOCAL, HBA_HOST, HBA_HOSTSSL, HBA_HOSTNOSSL, HBA_HOSTGSSENC, HBA_HOSTNOGSSENC
};
#define HBA_TYPE_COUNT 6

enum hba_method {
	HBA_TRUST, HBA_REJECT, HBA_PASSWORD, HBA_MD5, HBA_SCRAM, HBA_CERT, HBA_PEER, HBA_IDENT,
	HBA_GSS, HBA_SSPI, HBA_PAM, HBA_BSD, HBA_LDAP, HBA_RADIUS, HBA_OAUTH
};
#define HBA_METHOD_COUNT 15

const char *hba_type_word(enum hba_type);
const char *hba_method_word(enum hba_method);

enum hba_address { HBA_ADDRESS_ALL, HBA_ADDRESS_RANGE, HBA_ADDRESS_HOST, HBA_ADDRESS_SAMEHOST, HBA_ADDRESS_SAMENET };

/* What is demanded of the client's certificate besides the method. */
enum hba_clientcert { HBA_CLIENTCERT_NO, HBA_CLIENTCERT_CA, HBA_CLIENTCERT_FULL };

struct hba_token {
	char	*text;		/* without its quotes */
	bool	 quoted;	/* it began with one: no word of pg_hba.conf's */
};

struct hba_field {		/* tokens with commas between, @files in their places */
	struct hba_token *v;
	size_t	 n;
	bool	 unseen;	/* more come from an @file that was not read */
};

struct hba_record {
	int	 line;		/* in its file, from 1; of a continued one the first */
	char	*file;		/* an included file's name; NULL: the file itself */
	/* What the server says against it; then nothing below counts. */
	char	*error;
	bool	 unseen;	/* stands for records of a file or directory that was not read */
	enum hba_type type;
	struct hba_field databases, roles;
	enum hba_address how;
	int	 family;		/* RANGE: AF_INET or AF_INET6 */
	unsigned char address[16], mask[16];
	char	*host;		/* HOST: a name, or .SUFFIX */
	enum hba_method method;
	enum hba_clientcert clientcert;
	char	*map;
};

#define HBA_FILE_MAX	((size_t)1 << 20)	/* more is refused */
#define HBA_RECORDS_MAX	8192
#define HBA_DEPTH_MAX	10			/* files in files */

struct hba_rules {
	struct hba_record *v;
	size_t	 n;
	/*
	 * The first record in error, or NONE: the server takes nothing of such a
	 * file, and goes on with the rules that it had (or does not start).
	 */
	int	 broken;
	bool	 empty;		/* no record at all: the server takes nothing of that either */
};

/*
 * Another file's text: 0 with its text, which stays the callback's; 1: it does not exist or
 * cannot be read by the server; -1: not known.
 */
typedef int hba_lookup(void *arg, const char *path, const char **ret_text, size_t *ret_len);

struct hba_reading {
	int	 version;	/* of the server, 15; 16 and later know include and /expressions; 0: 16 */
	const char *path;	/* of the file; @names are relative to its directory; may be NULL */
	hba_lookup *lookup;	/* NULL: no other file is known */
	void	*arg;
};

/* 0, or -1 where the text is too large; a file that the server does not take is no error here. */
int	hba_read(struct hba_rules *ret, const struct hba_reading *, const char *text, size_t len_bytes,
	    struct err *);
/*
 * One row of pg_hba_file_rules (PostgreSQL 15), as text; NULL is SQL's.  The view does not
 * tell a quoted word from a word of pg_hba.conf's: "all" in quotes is taken for all.
 */
struct hba_row {
	const char *line_number, *type, *databases, *user_names, *address, *netmask, *auth_method, *options,
	    *error;
};
#define HBA_NOT_SAID "the server does not take it, and does not say why"
void	hba_add_row(struct hba_rules *, const struct hba_row *);
void	hba_rules_init(struct hba_rules *);
void	hba_rules_release(struct hba_rules *);

/*
 * The text with nothing in it but records and the markers of blocks, each on the line that it
 * had, without the values of options that may be a password: what may be carried to another place.
 */
void	hba_redact(struct buf *out, const char *text, size_t len_bytes);

/* ------------------------------------------------------------------ matching */

struct hba_connection {
	bool	 local;		/* by Unix socket; then no address */
	const char *address;	/* numeric */
	/*
	 * The name that the server finds for the address, and which leads back to it;
	 * "": it has none; NULL: not known.
	 */
	const char *host;
	bool	 tls, gss;	/* encrypted by TLS, by GSSAPI */
	bool	 replication;	/* physical: the start-up says replication=true */
	const char *database, *user;
	bool	 no_role;	/* the server knows no such role */
	const struct strings *groups;	/* the roles that it is a member of, directly or not; NULL: not known */
	enum stored stored;	/* what the server has of its password */
	bool	 no_password;	/* it has none */
	enum { HBA_SHOWS_UNKNOWN, HBA_SHOWS_NONE, HBA_SHOWS_CERT } shows;
	const char *cn;		/* SHOWS_CERT, and the server verified it: its common name */
	/* The server's own interfaces, "10.0.0.5/24"; NULL: not known. */
	const struct strings *interfaces;
};

enum hba_outcome {
	HBA_NO_LINE,		/* no record matches: "no pg_hba.conf entry for …" */
	HBA_REJECTED,		/* by a record that says so */
	HBA_USELESS,		/* a record matches, and by its method this role cannot log in */
	HBA_LETS_IN,		/* without a password */
	HBA_ASKS,		/* for the password, and the right one will do */
	HBA_UNSURE		/* what decides is not known here */
};
#define HBA_OUTCOME_COUNT 6
const char *hba_outcome_word(enum hba_outcome);

struct hba_answer {
	enum hba_outcome outcome;
	int	 record;	/* index of the record that decides (UNSURE: that could), or NONE */
	char	 why[256];	/* in words, for USELESS and UNSURE; may hold names of the file's and the client's */
};

/* Which record decides, by these rules, and what comes of it.  Of rules that are broken: what they say. */
void	hba_match(const struct hba_rules *, const struct hba_connection *, struct hba_answer *ret);

/*
 * The record because of which this one is never asked: records above it match whatever it
 * matches (together, of which this is the last; each by itself but for the kind of
 * connection), or NONE.
 */
int	hba_shadowed_by(const struct hba_rules *, int record);

/* "line 7: host all app 10.0.0.0/8 md5", for people; names are the file's: clean them. */
void	hba_record_words(struct buf *out, const struct hba_record *);

#endif
