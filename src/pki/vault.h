/*
 * vault: a directory of small files that are ours alone (0700), each of them
 * there as a whole or not at all, whatever dies in between.
 *
 * One process at a time: who comes second waits for a while.
 */
#ifndef BELAY_PKI_VAULT_H
#define BELAY_PKI_VAULT_H

#include <stdbool.h>
#include <stddef.h>

struct buf;
struct err;

#define VAULT_FILE_MAX ((size_t)64 << 10)	/* bytes */
#define VAULT_WAIT_MS 30000			/* for another process: RSA keys take their time */

struct vault {
	int	 fd;		/* of the directory; -1: not open */
	char	*path;		/* for messages */
};

/* For writing: makes the directory where it is missing (its last component), and locks it. */
int	vault_open(struct vault *ret, const char *dir, struct err *);
/* For reading; makes nothing, locks nothing. */
int	vault_look(struct vault *ret, const char *dir, struct err *);
void	vault_close(struct vault *);

bool	vault_has(const struct vault *, const char *name);
/* 1: read into `ret`, 0: there is no such file, -1. */
int	vault_read(const struct vault *, const char *name, struct buf *ret, struct err *);
/* Replaces the file.  0: the new one is on disk for good; -1: the old one or the new one, whole. */
int	vault_write(const struct vault *, const char *name, const void *, size_t len_bytes,
	    struct err *);
/* Takes away what a writer that was killed has left beside `name`. */
void	vault_tidy(const struct vault *, const char *name);

#endif
