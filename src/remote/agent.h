/*
 * agent: the operator's ssh-agent, spoken without blocking
 * (draft-ietf-sshm-ssh-agent).
 *
 * Each question has a connection and a deadline of its own: an agent that asks
 * its user (ssh-add -c, a hardware key waiting to be touched) holds up few
 * logins.  At most AGENT_ACTIVE_MAX are open at a time (an agent's backlog is
 * short), and a list of keys is good for AGENT_LIST_KEEP_MS, so that a whole fleet logging in asks once.  What it
 * says is capped and checked.
 */
#ifndef BELAY_REMOTE_AGENT_H
#define BELAY_REMOTE_AGENT_H

#include <stddef.h>
#include <stdint.h>

struct err;
struct uv_loop_s;
struct agent;
struct agent_query;

#define AGENT_ANSWER_MAX	((size_t)256 << 10)
#define AGENT_KEYS_MAX		256
#define AGENT_ACTIVE_MAX	8
#define AGENT_LIST_KEEP_MS	2000
#define AGENT_LIST_MS		5000
#define AGENT_SIGN_MS		60000	/* somebody may have to confirm it */

struct agent_key {
	unsigned char *blob;
	size_t	 blob_len;
	char	*comment;		/* remote bytes of a kind */
};

/*
 * Each answer comes once, from the loop, never from inside the call, and only
 * if the query was not cancelled.  err is NULL when it went well.  What is
 * pointed to belongs to the query and is gone after the call.
 */
typedef void agent_listed(void *arg, const struct agent_key *, size_t n, const struct err *);
/* The signature as it stands inside SSH's signature blob; its type is checked to be the key's own. */
typedef void agent_signed(void *arg, const unsigned char *sig, size_t len_bytes, const struct err *);

struct agent *agent_new(struct uv_loop_s *);	/* one per worker; any number of sockets */
void	agent_free(struct agent *);		/* after every query was cancelled or answered */

struct agent_query *agent_list(struct agent *, const char *socket_path, agent_listed *, void *arg);
struct agent_query *agent_sign(struct agent *, const char *socket_path,
	    const unsigned char *blob, size_t blob_len, const unsigned char *data, size_t data_len,
	    agent_signed *, void *arg);
void	agent_cancel(struct agent_query *);	/* NULL is fine; not after the answer */

#endif
