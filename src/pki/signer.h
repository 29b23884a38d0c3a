/*
 * signer: a command of the operator's that signs: a request (PKCS#10, PEM) goes
 * in on its stdin, a certificate comes out on its stdout.
 *
 * It blocks: for the thread, never for the loop.  What is signed is public, and
 * so is what comes back; no key and no passphrase ever goes near the command.
 */
#ifndef BELAY_PKI_SIGNER_H
#define BELAY_PKI_SIGNER_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;

#define SIGNER_OUT_MAX	((size_t)64 << 10)	/* bytes that it may print */
#define SIGNER_SAID_MAX	((size_t)400)		/* of its standard error, the end, in a message */
#define SIGNER_DEADLINE_MS INT64_C(60000)	/* where none is given */

struct signer {
	const char *const *argv;	/* found by PATH; ends with NULL */
	const char *in;			/* its working directory, or NULL */
	int64_t	 deadline_ms;		/* 0: the one above; behind it, it and its children are killed */
	const atomic_bool *stop;	/* true: kill it and give up; or NULL */
};

/*
 * Appends what it printed.  -1 where it cannot be run, ends otherwise than by exit 0,
 * takes too long or prints too much; the message has the end of what it said,
 * which may hold any bytes.
 */
int	signer_run(const struct signer *, const char *request, size_t len_bytes, struct buf *out, struct err *);

#endif
