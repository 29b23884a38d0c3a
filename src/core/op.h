/*
 * op: one operation on one host.  A step's moves become a list of ops: its
 * edits in order, then the activation of each unit they touch, once.
 *
 * ops_of_step() is where bindings meet moves: values of $(dial), $(ca_file),
 * $(ca.b64) … are filled in here (certificate material by a callback, since
 * core holds no keys).  An op is carried to a worker as a blob (op_encode()).
 *
 * The identity of an op is RUN/STEP/SEQ; it names the record that the
 * host-side program keeps, so that "did it happen?" has an answer after a crash.
 *
 * The way back: every edit is undone in reverse order, and then the units that
 * these may have reached are activated, each once, whether or not their own
 * activation had begun, since somebody may have restarted them in between; a
 * CA file that was a client's first goes last of all, since a client that still
 * verifies may read it at each new connection; one that had another before has that
 * back before the activations, since there are clients that read it then only
 * (plan_trust_goes_last()).  OPV_UNDO of an ACTIVATE op is that
 * activation (the same command as forward); asked for before the edits are back
 * it would bring nothing back.
 */
#ifndef BELAY_CORE_OP_H
#define BELAY_CORE_OP_H

#include "core/fleet.h"
#include "core/plan.h"

struct buf;
struct err;

enum op_kind { OP_ENV, OP_FILE, OP_RUN, OP_ACTIVATE, OP_CONF, OP_BLOCK, OP_URL, OP_SETTING, OP_DRAIN };
#define OP_KIND_COUNT 9
const char *op_kind_word(enum op_kind);
/* Kinds that edit a file by name (see edittext.h), and all that write one. */
bool	op_kind_by_name(enum op_kind);
bool	op_kind_of_file(enum op_kind);

#define OP_ID_MAX	192
#define OP_CONTENT_MAX	((size_t)768 << 10)
#define OP_PATH_MAX	4096
#define OP_COMMAND_MAX	((size_t)32 << 10)
#define OP_VALUE_MAX	((size_t)128 << 10)	/* of one variable */
#define OP_KEYS_MAX	1024			/* set and unset, each */
#define OP_ISSUED_MAX	1024

struct op {
	char	 id[OP_ID_MAX];	/* "RUN/STEP/SEQ", a closed alphabet: [A-Za-z0-9._/-] */
	enum op_kind kind;
	int	 host;
	int	 unit;		/* ACTIVATE: which; an edit: where it takes effect, or NONE */
	bool	 mixed;		/* an edit: some of what it writes takes effect elsewhere */
	int	 endpoint;	/* who carries it out, of what is done by statement; or NONE */
	char	*path;		/* or "docker:NAME:/PATH"; see struct bedit */
	enum text_syntax syntax;	/* by name: what the text is; of the op's kind */
	/* By name: real values, may be secret (SETTING's never are); RUN: what it reads, see op_input(). */
	struct pairs set;
	struct strings unset;
	char	*content;	/* FILE; may be secret */
	size_t	 len;
	bool	 remove;
	int	 mode;		/* FILE: -1 keep, or 0600 for a new one */
	char	*owner;
	bool	 in_place;
	bool	 persist;	/* SETTING: kept over a restart */
	bool	 back_last;	/* undone after the activations; see below */
	bool	 secret;	/* values are shown as fingerprints only */
	char	*issued;	/* "NAME=SHA256" of each certificate that it brings, a blank between: public; or NULL */
	char	*run, *undo, *observe, *expect, *in;
	char	*version;	/* RUN: prints what $(before) and $(after) stand for in `undo`, before it and after; or NULL */
	bool	 by_value;	/* RUN: undone by what `observe` said before; then it has to say so again */
	char	*value;		/* RUN: what `run` finds in BELAY_VALUE, and its undo what was before there; or NULL */
	struct strings touches;	/* RUN: files that are kept before it and put back by its undo */
	int64_t	 pace_ms;	/* DRAIN: at `endpoint`, one session every so often; run says it in words */
	bool	 undeclared;	/* DRAIN: those of clients that the fleet does not know too */
	/* ACTIVATE: `endpoint` carries it out itself; run only says what, for people. */
	bool	 native;
	bool	 idempotent, read_only;
	int64_t	 deadline_ms;
	struct strings waived;	/* ACTIVATE: names of its checks (standing.h) that are not in its way */
	/* which moves it serves, for display: indices into the step */
	struct indices moves;
};

struct ops {
	struct op *v;
	size_t	 n;
};

/*
 * Certificate material by name: "ca.pem", "leaf.pem", "key.pem", "chain.pem";
 * op adds .b64 itself.  "leaf.sha256" is the leaf's fingerprint, in hexadecimal, which goes into the
 * records of what brings it, so that whoever takes a run over knows what has to be presented.  Returns 0 with *ret allocated (the caller of the callback wipes and
 * frees), or -1.  Previews may pass a NULL callback: such values then read "$(key.b64)".
 */
typedef int op_material(void *arg, int cert, const char *what, char **ret, size_t *ret_len, struct err *);

/*
 * The ops of a step going forward.  implied moves (`implies`) need no op of
 * their own.  A unit is activated once, after all edits, in the order in
 * which the edits first touch it, and then those that the step names; edits of a cert
 * that lands at activation activate nothing.  -1 where something of it is not built yet: "… : not yet".
 *
 * Settings of one server are one op too, done at once: of a Postgres they take
 * effect at the activation of its unit, of the others as they are set.
 *
 * Edits of one file are one op, in the place of the first, so that a preview's
 * hash stays true until the op that it was made for; edits of a step that
 * contradict each other are an error.  Variables and
 * parts of URLs of one env file become one op of OP_URL.  A trust move whose file lands at
 * activation has no edit, but activates its client's unit.
 *
 * $(ca_file) in a dial binding: a client told `disable` reads no CA file, so
 * a variable whose value mentions $(ca_file) is then left as it is (neither
 * written nor looked at by facets_seen()).
 */
int	ops_of_step(struct ops *ret, const struct fleet *, const struct plan *, int step,
	    const char *run_id, op_material *, void *arg, struct err *);
/*
 * The same for moves that stand in no plan: the way back by value, where there
 * is no before-image.  step_id takes the step's place in the ids.
 */
int	ops_of_moves(struct ops *ret, const struct fleet *, const struct move *, size_t nmoves,
	    const char *run_id, const char *step_id, op_material *, void *arg, struct err *);
void	ops_release(struct ops *);	/* wipes secret values */
void	op_release(struct op *);
void	op_copy(struct op *to, const struct op *from);

/*
 * What an op writes, by the names that a person gives it: "HOST:PATH" of each
 * file, the endpoint of settings, "HOST:COMMAND" of what observes what is undone by value, or shows
 * its version.
 * The caller releases it.
 */
void	op_names(const struct op *, const struct fleet *, struct strings *ret);
/* "cd DIR && COMMAND" as people read it, of RUN (run or undo) and ACTIVATE; never a secret. */
void	op_command_text(const struct op *, bool undo, struct buf *out);

/* What a RUN finds on its stdin: an object in JSON, all ASCII; nothing where it reads nothing. */
void	op_input(const struct op *, struct buf *out);

/* A run's or step's name as one part of an op id: bytes outside the alphabet as _hh. */
void	op_id_part(struct buf *out, const char *name);
bool	op_id_valid(const char *id);

/* What of the op is longer than op_decode() takes: "path", "command", …; or NULL. */
const char *op_exceeds(const struct op *);
void	op_encode(const struct op *, struct buf *out);
int	op_decode(struct op *ret, const void *, size_t len_bytes, struct err *);

/* What a worker is asked to do with an op. */
enum op_verb {
	OPV_OBSERVE,	/* look; make the preview */
	OPV_APPLY,	/* only if what is there is still `expect_sha` of the preview */
	OPV_UNDO,	/* from the before-image; no record there: nothing to undo */
	OPV_RECORD	/* after a crash: did it happen? */
};
#define OPV_COUNT 4

enum op_outcome {
	OP_FRESH,	/* OBSERVE/RECORD: not applied; what is there is what was before */
	OP_IN_PLACE,	/* OBSERVE/RECORD: already as it would be after apply */
	OP_APPLIED,	/* APPLY: done, or RECORD: was done */
	OP_RESTORED,	/* UNDO: as before, or there was nothing to undo */
	OP_DRIFTED,	/* our lines are neither as before nor as after; nothing was written */
	OP_FAILED,	/* tried, answered no; what is there is known: `text` says */
	OP_CUT,		/* it was begun and its end is not known; RECORD: so says the host's own record */
	OP_UNREACHED	/* the host did not answer: whether anything happened is not known */
};
#define OP_OUTCOME_COUNT 8
const char *op_outcome_word(enum op_outcome);

struct op_result {
	enum op_outcome outcome;
	/* SHA-256 of the whole file: "" not known or no file, "-" absent.  OBSERVE: as it is, as it would be. */
	char	 before_sha[65], after_sha[65];
	int	 exit_status;		/* of a command, else -1 */
	char	*text;			/* OBSERVE: the diff, secrets as fingerprints; RUN, ACTIVATE: output; remote bytes */
	char	*why;			/* words for DRIFTED, FAILED, CUT */
};
#define OP_TEXT_MAX ((size_t)64 << 10)
#define OP_WHY_MAX ((size_t)1024)
void	op_result_release(struct op_result *);
void	op_result_encode(const struct op_result *, struct buf *out);
int	op_result_decode(struct op_result *ret, const void *, size_t len_bytes, struct err *);

/*
 * What the files of one host say of the facets bound there.  `lookup` gives
 * the content of a file that was read (NULL: it does not exist; return -1:
 * could not be read, with *ret_why); the bytes stay the callback's.
 *
 * For each endpoint's accept and each link's dial that some edit on this host
 * binds, one facet_seen: the value whose variables all stand as its `set` says
 * and whose `unset` are all absent.  Where several match, the one that names
 * most variables wins; where none does, or two tie, the value is UNKNOWN and
 * `detail` says what stands there.  An absent variable is no value: only an
 * `unset` matches it.  A facet that is bound by commands only is UNKNOWN.
 *
 * trust: UNKNOWN unless `ca` (may be NULL) gives the CA of the link's cert and
 * the link's file holds it.
 */
struct reading;
typedef int op_lookup(void *arg, const char *path, const char **ret, size_t *ret_len, const char **ret_why);
typedef const char *op_ca(void *arg, int cert, size_t *ret_len);	/* PEM or NULL */
void	facets_seen(struct reading *, const struct fleet *, int host, op_lookup *, op_ca *ca, void *arg);
/* What connstring.h finds in the env files of the clients on this host, by link. */
void	strings_seen(struct reading *, const struct fleet *, int host, op_lookup *, void *arg);
/*
 * The accept that the settings of a running server come to, where they are what binds it:
 * by a READING_SETTINGS.  UNKNOWN also of a Postgres, whose settings are written and
 * then taken up: what runs does not say what is written.
 */
enum accept accept_by_settings(const struct fleet *, int endpoint, const struct reading *);
/* Likewise how a pooler dials, by what the pooler says of its own settings. */
enum dial dial_by_settings(const struct fleet *, int link, const struct reading *);
/* The files to read for that: paths on this host, each once. */
void	facets_files(struct strings *ret, const struct fleet *, int host);

#endif
