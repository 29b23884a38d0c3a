/*
 * wire: messages between the console and its workers.
 *
 * A frame is two 32-bit big-endian lengths, a JSON head and a binary blob.
 * Remote bytes and secrets travel in blobs only; heads hold enums by word and
 * numbers.  The console decodes what a worker sends as if an enemy had
 * written it.  Both ends are this same binary: WIRE_VERSION guards the
 * one case in which they are not (an upgrade while running).
 */
#ifndef BELAY_WIRE_WIRE_H
#define BELAY_WIRE_WIRE_H

#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/op.h"
#include "core/reading.h"

struct err;

#define WIRE_VERSION	1
#define WIRE_HEAD_MAX	((size_t)256 << 10)
#define WIRE_BLOB_MAX	((size_t)1 << 20)

enum message_kind {
	/* console to worker */
	MSG_FLEET,	/* blob: path, text, ssh_config, run's fingerprint key; first message, once */
	MSG_SECRET,	/* subject: secret; blob: value */
	MSG_CA,		/* subject: cert; blob: PEM */
	MSG_PROBE,	/* id, reading, subject, deadline_ms */
	MSG_CHECK,	/* id, deadline_ms, since_ms; blob: the check (check_encode) */
	MSG_OP,		/* id, verb, deadline_ms; blob: expect_sha, who, plan_sha, token, op (op_encode) */
	MSG_CANCEL,	/* id */
	MSG_HOST_KEY,	/* subject: host; blob: fingerprint accepted */
	MSG_PASSPHRASE,	/* subject: host; blob: key file, passphrase */
	MSG_WAKE,	/* subject: host: connect now */
	/* worker to console */
	MSG_READY,	/* subject: WIRE_VERSION */
	MSG_HOST,	/* subject: host, state, need, attempts, retry_ms; blob: transport, subject, keytype, why, address */
	MSG_READING,	/* id; blob: reading_encode */
	MSG_OP_DONE,	/* id; blob: op_result_encode */
	MSG_OP_TEXT	/* id; blob: output of a running command, as it comes (for progress) */
};
#define MESSAGE_COUNT 15
const char *message_word(enum message_kind);

struct message {
	enum message_kind kind;
	uint64_t id;		/* pairs an answer with its question; 0: none */
	int	 subject;
	int	 what;		/* PROBE: enum reading_kind; OP: enum op_verb; HOST: session state */
	int	 need;		/* HOST */
	int	 attempts;	/* HOST */
	int64_t	 deadline_ms, since_ms, retry_ms;
	char	*blob;		/* allocated; wiped on release */
	size_t	 blob_len;
};

void	message_release(struct message *);
int	message_encode(const struct message *, struct buf *out, struct err *);

/*
 * Takes whole frames out of what was read so far.  1: *ret holds one and its
 * bytes were dropped from in; 0: not enough yet; -1: malformed, give the
 * worker up.
 */
int	message_decode(struct buf *in, struct message *ret, struct err *);

/* The blobs that are not core's. */
struct check;
void	check_encode(const struct check *, struct buf *out);
int	check_decode(struct check *ret, const void *, size_t len_bytes, struct err *);
void	check_release(struct check *);

#endif
