/*
 * ssh_config: where a host is and how one logs in there.
 *
 * The operator's ssh_config is read by `ssh -G` and nobody else: its Include,
 * Match and token rules are ssh's own business.  It costs 4 to 7 ms of CPU
 * and runs `Match exec`, so it is run as a child with a deadline, and its
 * answers are kept while the files that ssh reads first (~/.ssh/config and
 * /etc/ssh/ssh_config, or the -F file) keep their times, for SSH_CONFIG_KEEP_MS at most, since
 * an Include is not seen.  Alias and user come from a closed alphabet and
 * never begin with '-' (CVE-2023-51385).
 */
#ifndef BELAY_REMOTE_SSH_CONFIG_H
#define BELAY_REMOTE_SSH_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct session_config;
struct uv_loop_s;

#define SSH_CONFIG_KEEP_MS	120000
#define SSH_CONFIG_OUTPUT_MAX	((size_t)256 << 10)
#define SSH_CONFIG_LIST_MAX	32		/* identities, known_hosts files */

struct ssh_config {
	char	*alias;			/* what was asked for; what the system's ssh is given */
	char	*hostname, *user;
	int	 port;
	char	*identities[SSH_CONFIG_LIST_MAX];
	size_t	 nidentities;
	bool	 identities_only;
	char	*agent;			/* socket of the agent; NULL: none */
	char	*known_hosts[SSH_CONFIG_LIST_MAX];	/* the user's files first: accepted keys go to [0] */
	size_t	 nknown_hosts, nuser_known_hosts;
	char	*host_key_alias;	/* NULL: none */
	bool	 hash_known_hosts;
	char	*proxy;			/* "ProxyJump bastion" or "ProxyCommand …"; NULL: none */
	char	*certificate;		/* a CertificateFile; NULL: none */
};

void	ssh_config_free(struct ssh_config *);
struct ssh_config *ssh_config_copy(const struct ssh_config *);

/* Without ssh_config: the address, user, port and identity that the fleet names, and ssh's defaults. */
struct ssh_config *ssh_config_plain(const struct session_config *, struct err *);
/* Reads the output of `ssh -G`. */
struct ssh_config *ssh_config_parse(const char *alias, const char *output, size_t len_bytes, struct err *);

/* True for a word that may stand in ssh's argv as a host or user name. */
bool	ssh_config_word_ok(const char *);

/* The answers kept, one cache per worker. */
struct ssh_config_cache;
struct ssh_config_query;

struct ssh_config_cache *ssh_config_cache_new(struct uv_loop_s *);
void	ssh_config_cache_free(struct ssh_config_cache *);

typedef void ssh_config_done(void *arg, struct ssh_config *, const struct err *);	/* one of the two is NULL */

/*
 * Asks ssh.  The answer comes from the loop, never from inside the call, at the
 * latest after deadline_ms.  The receiver frees the struct ssh_config.
 */
struct ssh_config_query *ssh_config_resolve(struct ssh_config_cache *, const struct session_config *,
	    int64_t deadline_ms, ssh_config_done *, void *arg);
void	ssh_config_cancel(struct ssh_config_query *);	/* no answer then; NULL is fine */

#endif
