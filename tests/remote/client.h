/*
 * client: a loop, a keyring, and what became of streams, for the tests of
 * sessions.
 */
#ifndef BELAY_TESTS_REMOTE_CLIENT_H
#define BELAY_TESTS_REMOTE_CLIENT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include <cmocka.h>

#include "core/buf.h"
#include "core/err.h"
#include "remote/session.h"
#include "sshd_fixture.h"

extern struct fixture fx;
extern uv_loop_t loop;
extern struct keyring *keyring;

/* The fixture, HOME in it, no agent; and at the end a check that no handle is left over. */
int	client_up(void);
int	client_down(void);

/* What became of one stream. */
struct seen {
	struct stream *stream;
	struct buf out, err;
	bool	opened, eof, closed;
	enum stream_end end;
	int	status;
	struct err why;
	size_t	want;		/* `enough` when so many bytes have come */
	bool	enough;
};

extern const struct stream_events events;
void	seen_release(struct seen *);

/* Runs the loop until *flag; fails after limit_ms. */
void	until(const bool *flag, int64_t limit_ms);

/* A session's state and need to be reached. */
struct watch {
	enum session_state state;
	enum session_need need;
	bool	reached;
	int	changes;
};

/* To the alias NAME of the fixture's ssh_config; watch may be NULL. */
struct session *session_to(const struct sshd *, struct watch *);
/* A command with nothing on its stdin, to its end; seen is made anew. */
void	run_command(struct session *, const char *command, struct seen *);
void	settle(struct session *);	/* frees it and lets its handles close */

#endif
