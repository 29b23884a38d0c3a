/*
 * known_hosts: whether a host's key is the one the operator trusts.
 *
 * A reader of its own, since libssh2's ignores @revoked and @cert-authority,
 * wildcards and negation.  Format: sshd(8), SSH_KNOWN_HOSTS FILE FORMAT.  It is
 * strict: a line that cannot be read counts for nothing, a marker is never
 * ignored, and nothing is accepted but what the operator has.
 *
 * Files are read once and again when their time or size changes.  Looking
 * a name up costs a string comparison for each plain entry and an HMAC for each hashed one.
 */
#ifndef BELAY_REMOTE_KNOWN_HOSTS_H
#define BELAY_REMOTE_KNOWN_HOSTS_H

#include <stdbool.h>
#include <stddef.h>

struct err;
struct known_hosts;
struct ssh_config;

#define KNOWN_HOSTS_FILE_MAX	((size_t)16 << 20)
#define KNOWN_TYPES_MAX		8
#define KNOWN_FINGERPRINT_MAX	64	/* "SHA256:" and 43 characters */

enum known_verdict {
	KNOWN_YES,		/* the very key */
	KNOWN_NEVER_SEEN,	/* nothing is known about this host */
	KNOWN_DIFFERS,		/* the host is known, with another key */
	KNOWN_REVOKED		/* the key is marked @revoked */
};

/* What the files say about a host before it has shown a key. */
struct known_names {
	char	 types[KNOWN_TYPES_MAX][48];	/* key types known, each once */
	size_t	 n;
	bool	 authority;	/* a @cert-authority line is about this host: not ours to judge */
};

struct known_answer {
	enum known_verdict verdict;
	char	 shown[KNOWN_FINGERPRINT_MAX];	/* of the key that was judged */
	char	 known[KNOWN_FINGERPRINT_MAX];	/* KNOWN_DIFFERS: of a key on file, of the same type where there is one */
	char	 file[256];			/* where that stands */
	int	 line;
};

struct known_hosts *known_hosts_new(void);
void	known_hosts_free(struct known_hosts *);

/*
 * A file that cannot be read (but for: is not there) is an error: refusing to
 * judge is better than judging by half of what is known.
 */
int	known_hosts_names(struct known_hosts *, const struct ssh_config *, struct known_names *ret,
	    struct err *);
int	known_hosts_judge(struct known_hosts *, const struct ssh_config *, const unsigned char *key,
	    size_t len_bytes, struct known_answer *ret, struct err *);

/*
 * Appends the key to the user's first known_hosts file (0600, its directory
 * 0700, made when missing), hashed if the ssh_config says HashKnownHosts or if
 * the file's last entry is hashed.
 */
int	known_hosts_accept(const struct ssh_config *, const char *type, const unsigned char *key,
	    size_t len_bytes, struct err *);

/* "SHA256:…" as ssh prints it. */
void	known_hosts_fingerprint(const unsigned char *key, size_t len_bytes,
	    char ret[KNOWN_FINGERPRINT_MAX]);

/* The matching of one host field against a name, for the tests: 1 yes, 0 no, -1 negated or unreadable. */
int	known_hosts_match(const char *field, const char *name);

#endif
