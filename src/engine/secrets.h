/*
 * secrets: where a secret that the fleet names comes from.  Private to src/engine.
 *
 * Those that servers need are had at the start and told to the workers; what opens a CA's key
 * is asked for by material.c, which keeps it no longer than a making takes.  Who makes the
 * buffer for one bounds it, as a rule by SECRET_MAX, and marks it `secret`, so that it is wiped.
 */
#ifndef BELAY_ENGINE_SECRETS_H
#define BELAY_ENGINE_SECRETS_H

#include <stdbool.h>
#include <stddef.h>

struct buf;
struct engine;
struct err;
struct secret;

#define SECRET_MAX	((size_t)64 << 10)	/* bytes */

/* Descriptors with secrets are nobody's who is started here; before anything is. */
void	secrets_seal(struct engine *);
/* Gives what can be had without asking, and asks for the rest; the workers are there. */
void	secrets_start(struct engine *);
/* What a person said to ASK_SECRET; NULL: nothing. */
void	secrets_answer(struct engine *, int secret, const char *value);

/*
 * Appends what a file, a descriptor or a variable holds, as it is (secret_trim()); -1: see the
 * message, which names neither the secret nor what is in it.  A descriptor gives it once.
 * The other sources are not read here, and must not be asked for.
 */
int	secret_read(const struct secret *, struct buf *out, struct err *);
/* A regular file of the operator's; alone: nobody else may be able to read it. */
int	secret_read_file(const char *path, bool alone, struct buf *out, struct err *);
/* A descriptor to its end; `what` names it in messages. */
int	secret_read_fd(int fd, struct buf *out, const char *what, struct err *);
/* Without the line end that an editor or a command leaves behind it. */
void	secret_trim(struct buf *);

/*
 * What the secret's command prints, run by /bin/sh beside the loop.  Once, and not where the engine
 * stops before: then(), with `why` NULL and the value (borrowed, not trimmed), or with why not.
 * `arg` comes back as it is.
 */
typedef void secret_then(struct engine *, int arg, struct buf *value, const char *why);
void	secret_fetch(struct engine *, int secret, secret_then *then, int arg);

/* "~/x" is under the operator's home; for the caller to free. */
char	*operators_path(const char *path);

#endif
