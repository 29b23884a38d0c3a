/*
 * follow: a log command that prints from now on ("tail -n 0 -F", "docker logs
 * -f --since 0s"), kept running on its host, and what it printed with the
 * time at which it came.
 *
 * Times are ours, so that neither the host's clock nor the log's letter matters.  It
 * holds the last FOLLOW_MAX bytes; when the command ends it is started
 * again, and what came between is not known: follow_from_ms() says so.
 */
#ifndef BELAY_REMOTE_FOLLOW_H
#define BELAY_REMOTE_FOLLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct follow;
struct session;
struct uv_loop_s;

#define FOLLOW_MAX ((size_t)256 << 10)

struct follow *follow_new(struct uv_loop_s *, struct session *, const char *command);
void	follow_free(struct follow *);		/* NULL is fine */
/* Since when (ms since 1970) nothing was missed; INT64_MAX while it does not run. */
int64_t	follow_from_ms(const struct follow *);
/* What came from since_ms on. */
void	follow_text(const struct follow *, int64_t since_ms, struct buf *out);
/*
 * Tells, beside keeping it, everything that comes, as it comes.  gap: the command had ended
 * and was started again, and this is the first that came since.
 */
typedef void follow_heard(void *arg, bool gap, int64_t at_ms, const char *, size_t len_bytes);
void	follow_listen(struct follow *, follow_heard *, void *arg);
/* Since when the command runs (ms since 1970); INT64_MAX: it does not. */
int64_t	follow_started_ms(const struct follow *);
/* Why it does not run, or NULL. */
const char *follow_why(const struct follow *);

#endif
