/*
 * wire: messages between the console and its workers.
 *
 * A frame is two 32-bit big-endian lengths, a JSON head and a binary blob.
 * Remote bytes and secrets travel in blobs only; heads hold enums by word and
 * numbers.  The console decodes what a worker sends as if an enemy had
 * written it.  Both ends are this same binary: WIRE_VERSION guards the
 * one case in which they are not (an upgrade while running).
 *
 * Each kind has its own set of fields (message_encode() writes exactly these,
 * message_decode() takes nothing else) and its own cap on the blob; see the
 * table in wire.c.
 */
#ifndef BELAY_WIRE_WIRE_H
#define BELAY_WIRE_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/op.h"
#include "core/plan.h"
#include "core/reading.h"

struct err;

#define WIRE_VERSION	1
#define WIRE_HEAD_MAX	((size_t)256 << 10)
#define WIRE_BLOB_MAX	((size_t)1 << 20)
#define WIRE_FRAME_MAX	(8 + WIRE_HEAD_MAX + WIRE_BLOB_MAX)
#define WIRE_SECRET_MAX	((size_t)64 << 10)
#define WIRE_PEM_MAX	((size_t)256 << 10)
#define WIRE_WAYBACK_MAX ((size_t)128 << 10)
#define WIRE_OP_TEXT_MAX ((size_t)16 << 10)	/* of one MSG_OP_TEXT */
#define WIRE_DEADLINE_MAX_MS FLEET_DEADLINE_MAX_MS

enum message_kind {
	/* console to worker */
	MSG_FLEET,	/* blob: wire_fleet_encode(); first message, once */
	MSG_SECRET,	/* subject: secret; blob: value */
	MSG_CA,		/* subject: cert; blob: PEM, empty to forget it */
	MSG_PAIR,	/* subject: a client's cert; blob: its key and certificate in PEM, to be shown in its client's place */
	MSG_PROBE,	/* id, what: enum reading_kind (not CHECK), subject, deadline_ms */
	MSG_CHECK,	/* id, subject: host or NONE, deadline_ms, since_ms; blob: check_encode() */
	MSG_OP,		/* id, what: enum op_verb, deadline_ms; blob: wire_op_encode() */
	MSG_LEASE,	/* id, subject: host, deadline_ms; blob: wire_lease_encode(); answered by MSG_OP_DONE */
	MSG_RECORDS,	/* id, subject: host, deadline_ms; blob: the plan's SHA-256; answered by MSG_OP_DONE */
	MSG_CANARY,	/* id, subject: link, deadline_ms; blob: canary_order_encode(); answered by MSG_CANARY_SEEN */
	MSG_CANCEL,	/* id */
	MSG_HURRY,	/* id: an op that only waits (for a server to be back) ends now, with what is known */
	MSG_HOST_KEY,	/* subject: host; blob: fingerprint accepted */
	MSG_PASSPHRASE,	/* subject: host; blob: wire_strings_encode() of key file, passphrase */
	MSG_SUDO,	/* subject: host; blob: the password that sudo is told there, for as long as the worker lives */
	MSG_WAKE,	/* subject: host: connect now */
	MSG_MADE,	/* subject: endpoint: another worker made a connection there, in a client's place */
	MSG_ADDRESSES,	/* subject: host; blob: its numeric addresses, separated by blanks */
	/* worker to console */
	MSG_READY,	/* subject: WIRE_VERSION */
	MSG_HOST,	/* subject: host, what: enum reach, need, attempts, retry_ms; blob: wire_host_encode() */
	MSG_READING,	/* id; blob: reading_encode() */
	MSG_OP_DONE,	/* id; blob: op_result_encode() */
	MSG_OP_TEXT,	/* id; blob: output of a running command, as it comes (for progress) */
	MSG_CANARY_SEEN,	/* id; blob: canary_report_encode() */
	MSG_MADE_UP	/* subject: endpoint; told as MSG_MADE to the worker that counts there */
};
#define MESSAGE_COUNT 25
const char *message_word(enum message_kind);
bool	message_goes_up(enum message_kind);	/* from worker to console */

/* MSG_HOST's `need`: what a host waits for a person for (the words of remote/session.h). */
enum wire_need { WIRE_NEED_NOTHING, WIRE_NEED_HOST_KEY, WIRE_NEED_PASSPHRASE, WIRE_NEED_CHANGED_KEY,
	WIRE_NEED_SUDO };	/* the last: a password; `subject` is the user to become */
#define WIRE_NEED_COUNT 5

struct message {
	enum message_kind kind;
	uint64_t id;		/* pairs an answer with its question; 0: none */
	int	 subject;
	int	 what;		/* PROBE: enum reading_kind; OP: enum op_verb; HOST: enum reach */
	int	 need;		/* HOST: enum wire_need */
	int	 attempts;	/* HOST */
	int64_t	 deadline_ms, since_ms, retry_ms;
	char	*blob;		/* allocated, NUL-terminated; wiped on release */
	size_t	 blob_len;
};

void	message_release(struct message *);
/* Appends the frame.  -1 where the blob is larger than its kind allows. */
int	message_encode(const struct message *, struct buf *out, struct err *);

/*
 * Takes one whole frame out of what was read so far.  1: *ret holds it and its
 * bytes were dropped from in; 0: not enough yet; -1: malformed, give the
 * worker up.
 */
int	message_decode(struct buf *in, struct message *ret, struct err *);

/* ---- the blobs that are not core's ---- */

void	check_encode(const struct check *, struct buf *out);
int	check_decode(struct check *ret, const void *, size_t len_bytes, struct err *);	/* check_release() */

struct wire_fleet {		/* MSG_FLEET */
	char	*path;		/* for messages */
	char	*text;		/* what was parsed; parsed again by the worker */
	size_t	 len;
	char	*ssh_config;	/* or NULL */
	unsigned char key[32];	/* for the fingerprints of secrets; of this run of the console */
	int	 worker, workers;	/* it owns the hosts with host % workers == worker */
};
void	wire_fleet_encode(const struct wire_fleet *, struct buf *out);
int	wire_fleet_decode(struct wire_fleet *ret, const void *, size_t len_bytes, struct err *);
void	wire_fleet_release(struct wire_fleet *);

struct wire_op {		/* MSG_OP */
	char	 expect_sha[65];	/* APPLY: what the preview saw; UNDO: what the apply left, or "" */
	char	 who[128];
	char	 plan_sha[65];
	int64_t	 token;			/* fencing token; 0 while there is none */
	bool	 keep;			/* UNDO: what somebody else made of ours stays; the rest goes back */
	struct indices unseen;		/* UNDO of an ACTIVATE: endpoints that were silent before the apply, and since, as far as the console saw */
	char	*wayback;		/* APPLY, UNDO: the script that is to lie on the host then (core/wayback.h); or NULL */
	struct op op;
};
void	wire_op_encode(const struct wire_op *, struct buf *out);
int	wire_op_decode(struct wire_op *ret, const void *, size_t len_bytes, struct err *);
void	wire_op_release(struct wire_op *);

/*
 * Who may change a host: one holder at a time.  Answers: APPLIED with the
 * token in `text` (TAKE, and LOOK where it is ours); FRESH where it is nobody's
 * (LOOK, FREE); DRIFTED where somebody else has it: `text` is who, then at what,
 * `why` the same in a sentence, with how many more seconds.
 */
enum lease_phase { LEASE_TAKE, LEASE_FREE, LEASE_LOOK };
#define LEASE_PHASE_COUNT 3
#define LEASE_TTL_MAX_S 9999
struct wire_lease {		/* MSG_LEASE */
	enum lease_phase phase;
	bool	 displace;	/* TAKE: although somebody else has it */
	int	 ttl_s;
	int64_t	 token;		/* FREE: which */
	char	 holder[65];	/* letters and digits: this belay, and no other */
	char	 who[128];
	char	 doing[128];	/* for whoever is turned away */
};
void	wire_lease_encode(const struct wire_lease *, struct buf *out);
int	wire_lease_decode(struct wire_lease *ret, const void *, size_t len_bytes, struct err *);

#define WIRE_HOST_STRING_MAX 512
struct wire_host {		/* MSG_HOST; all may hold remote bytes */
	char	*transport, *subject, *keytype, *why;	/* may be NULL */
	char	*address;	/* numeric ones, separated by blanks; as far as they are known */
};
void	wire_host_encode(const struct wire_host *, struct buf *out);	/* cuts what is too long */
int	wire_host_decode(struct wire_host *ret, const void *, size_t len_bytes, struct err *);
void	wire_host_release(struct wire_host *);

/* Two strings; the second may be secret.  The caller frees (and wipes) both. */
void	wire_strings_encode(const char *a, const char *b, struct buf *out);
int	wire_strings_decode(char **ret_a, char **ret_b, const void *, size_t len_bytes, struct err *);

#endif
