/*
 * engine_int: what the files of the engine share.  Private to src/engine.
 *
 * engine.c   events and effects, the verbs, the timer
 * life.c     how it comes to be and how it ends
 * answers.c  what workers say
 * watch.c    which probes are due; feeding the board
 * sight.c    which endpoints were silent before their unit was activated
 * leaves.c   which leaf of each certificate has to be presented, by what this run brought
 * judge.c    guards and gates: asking for what they need, judging, answering
 * prove.c    the proof from the posture at hand: the rest of the plan, steps out of turn
 * canaries.c new connections that are made through a step
 * lease.c    leases on hosts: one belay at a time
 * adopt.c    a run of another bastion, by its records on the hosts
 * secrets.c  secrets that the fleet names, for servers and for keys of a CA (secrets.h)
 * material.c certificates
 * leak.c     keys that leaked: revoking them, and an undo that would put one back
 * past.c     the journal: writing, replaying, history
 * insist.c   what an operator insisted on: checks waived, changes kept
 *
 * The workers (workers.h, workers_int.h), thread.c, queue.c and journaling.c know nothing of an
 * engine.
 */
#ifndef BELAY_ENGINE_ENGINE_INT_H
#define BELAY_ENGINE_ENGINE_INT_H

#include <stdatomic.h>

#include <uv.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/gate.h"
#include "core/reader.h"
#include "engine/engine.h"
#include "engine/workers.h"
#include "store/journal.h"

struct journaling;
struct lock;
struct thread;

/* One thing that is probed again and again. */
struct slot {
	enum reading_kind kind;
	int	 subject;
	uint64_t id;		/* question out, or 0 */
	int64_t	 asked_ms;	/* when it went out */
	int64_t	 answered_ms;	/* asked_ms of the last one answered */
	int64_t	 due_ms;
	int64_t	 every_ms;
	bool	 hopeless;	/* declared not to be seen, or nothing to look at */
};

enum purpose {
	JUDGE_GUARD, JUDGE_GATE, JUDGE_VERIFY,
	JUDGE_MET	/* found in place: does its gate hold, so that nothing has to be done? */
};

/* A check that has a probe of its own. */
struct own_probe {
	uint64_t id;
	struct reading reading;
	bool	 have;
};

struct judging {
	int	 step;
	enum purpose purpose;
	int64_t	 since_ms, deadline_ms, next_ask_ms;
	int64_t	 step_ms;	/* what "since the step" means to a log check */
	int64_t	 failing_since_ms, unsure_since_ms;	/* soaking: a breach, a gap has to last */
	bool	 soaking;
	struct own_probe *own;
	size_t	 n;
};

/* An op that is out with a worker. */
struct errand {
	uint64_t id;
	int	 step, op;
	enum op_verb verb;
	int64_t	 since_ms, deadline_ms;
	unsigned lost;		/* workers that died with it so far */
	bool	 hurried;	/* it was told not to wait for a server */
	size_t	 noted;		/* sessions that a drain told of */
	struct buf output;
};

struct step_memory {
	struct ops ops;		/* with real values only while the step is worked on */
	bool	 real;		/* values filled in */
	char	**texts;	/* previews by op */
	struct check_result *guards, *gates;
	bool	 guards_judged, gates_judged;
	char	**waived_guards, **waived_gates;	/* reasons, by check */
	char	**keeps;	/* reasons, by op: an undo leaves what somebody else made of it */
	struct pairs waived_standing;	/* name of a check of its activations (standing.h), reason */
	int64_t	 began_ms;	/* when its first op was sent to be applied; 0: not by this console */
	struct pairs attested;	/* name of an attest check, who and why */
};

struct asked {
	struct ask ask;
	bool	 open;
	char	*subject;	/* key file or fingerprint */
};

struct lease_state {		/* of one host */
	int64_t	 token;		/* 0: not ours */
	int64_t	 taken_ms, asked_ms;
	uint64_t id;		/* question out, or 0 */
	int	 phase;		/* enum lease_phase of the last question */
	unsigned asked_for;	/* lease_round */
	bool	 answered, held;	/* held: by somebody else */
	bool	 refused;		/* it answered that it cannot give one */
	char	 by[128];	/* held: who, the first word of what the host says */
	char	 why[256];	/* may hold remote bytes */
};

struct cert_memory {
	char	*ca, *leaf, *key;	/* PEM; key is wiped */
	size_t	 key_len;
	bool	 making, looked;
	bool	 opening;	/* it is belay's own, to be shown: what was issued is opened, or for a way back had anew */
	int	 back;		/* the step whose way back it was had anew for; NONE */
	int	 renewing, renewed;	/* for which step it is, or was, looked whether it has to be made anew; NONE */
	char	*replacing, *replaced;	/* "RUN/STEP" for which it is, or was, replaced; or NULL */
	char	 leaf_sha[65];		/* of `leaf`, as a certificate */
	struct cert_files files;
	int64_t	 leaf_ms;	/* when the leaf among them was written here; 0 */
};

struct flight {			/* a canary of a step; see canaries.c */
	int	 step;
	size_t	 nth;		/* of the step's canaries */
	bool	 verifies;	/* its step is not under way, only judged */
	struct canary canary;
	uint64_t id;		/* question out, or 0 */
	int64_t	 asked_ms, due_ms;
	bool	 told;		/* the rollout was told that it is breached */
	bool	 rested;	/* its step rests: it flies on while it fails */
	int64_t	 rested_ms;
	bool	 over;
	int64_t	 over_ms;
};

struct engine {
	struct engine_options options;
	char	*fleet_path, *plan_path, *ssh_config, *program;
	char	*fleet_text;
	size_t	 fleet_len;
	char	*state_dir;
	char	*who;
	char	*reason;	/* why the operator does what he does, or NULL; engine_because() */
	char	*lock_holder;
	struct fleet *fleet;
	struct plan *plan;
	struct board *board;
	struct sight {		/* by endpoint; see sight.c */
		bool	 looked, answered;	/* in this process: was it, and did it ever? */
		bool	 silent;	/* it had not answered when its unit was activated in this run, nor since */
	} *sights;
	struct leaf {		/* a certificate that this run brought to its hosts; see leaves.c */
		int	 step, cert;
		int64_t	 at_ms;
		char	 sha256[65];
		bool	 undone;
	} *leaves;
	size_t	 nleaves;
	struct rollout *rollout;

	const struct engine_events *events;
	void	*arg;

	uv_loop_t loop;
	uv_timer_t timer;	/* due probes, judgings, soak */
	uv_idle_t changed_idle;	/* coalesces `changed` */
	uv_timer_t wake;
	uv_signal_t on_int, on_term, on_hup;
	int	 interrupts;
	bool	 loop_open, started, stopping, dirty;

	struct workers *workers;
	struct thread *thread;
	struct journal *journal;
	struct journal_run run;
	bool	 run_open, run_beginning;
	bool	 journal_ails;		/* it could not be written, and nothing was written since */
	bool	 run_held;	/* read-only: another belay is at work on this run */
	struct lock *fleet_lock;
	char	*stranger;	/* a step of the run that the plan has no more; or NULL */
	struct journaling *journaling;

	struct lease_state *leases;	/* by host */
	char	 holder[65];
	int	 lease_s;
	unsigned lease_round;
	bool	 lease_refused, lease_held, waiting_lease, leases_late;

	struct adopting *adopting;

	struct slot *slots;
	size_t	 nslots;
	struct judging *judgings;
	size_t	 njudgings;
	struct flight *flights;
	size_t	 nflights;
	struct errand *errands;
	size_t	 nerrands;
	struct step_memory *memory;	/* by step */
	struct asked *asks;
	size_t	 nasks;
	struct cert_memory *certs;
	struct buf *passphrases;	/* by secret: what an inherited descriptor gave */
	struct thread *making;		/* what makes certificates */
	atomic_bool making_stops;
	int	 revoking;		/* the certificate that engine_revoke() is about, or NONE */
	enum { REVOKE_NOT, REVOKE_BUSY, REVOKE_DONE, REVOKE_FAILED } revoke;

	struct history_line *history;
	size_t	 nhistory;

	int64_t	 settle_ms;	/* when a step in doubt is asked about again; 0 */

	/* Events that came while another was being fed; their `why` is their own. */
	bool	 feeding;
	struct event *later;
	size_t	 nlater;

	/* Out of its turn: the last question and its answer; see prove.c. */
	struct turn {
		enum verb verb;
		int	 step;
		int64_t	 at_ms;	/* 0: none */
		bool	 ok;
		char	 why[600];
	} turn;
	struct proof proof;
	bool	 proof_known;
	uint64_t proof_of;	/* what it is the proof of; see prove.c */

	bool	 undo_goes_on;	/* while engine_undo_down() asks */
	bool	 waiting_goes_on;	/* what waits is such an undo */
	int	 undo_until;

	/* What waits for material or for the run to begin: a verb on a step. */
	int	 waiting_step;
	enum verb waiting_verb;
};

/* engine.c */
#define ENGINE_PREVIEW_RUN "preview"	/* in op ids, before there is a run */
#define ENGINE_OUTPUT_MAX 4096
int	engine_fill_ops(struct engine *, int step, const char *run_id, bool real, struct err *);
void	engine_carry_out(struct engine *, struct effects *);	/* empties them */
void	engine_send_op(struct engine *, const struct effect *, unsigned lost);
struct errand *engine_errand(struct engine *, uint64_t id);	/* or NULL */
void	engine_errand_end(struct engine *, struct errand *);
void	engine_feed(struct engine *, const struct event *);
void	engine_dirty(struct engine *);
void	engine_tell(struct engine *, enum tell, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void	engine_arm(struct engine *);	/* sets the timer to what is due next */
uint64_t engine_put_ask(struct engine *, enum ask_kind, int subject, const char *subject_text,
	    const char *title, const char *detail, bool confirm);

/* answers.c */
extern const struct workers_events engine_worker_events;
void	answers_note_rest(struct engine *, const struct errand *);	/* at its end, whatever it is */

/* watch.c */
void	watch_init(struct engine *);
int64_t	watch_run(struct engine *, int64_t now_ms);	/* asks what is due; when next */
bool	watch_answer(struct engine *, uint64_t id);	/* was it one of ours? */
bool	watch_lost(struct engine *, uint64_t id);
void	watch_served(struct engine *, int endpoint);	/* a reading of it came */
void	watch_soon(struct engine *, enum reading_kind, int subject, int64_t since_ms);
void	watch_all_soon(struct engine *);

/* sight.c */
void	sight_note(struct engine *, const struct reading *);
void	sight_before(struct engine *, int step, const struct op *);	/* an activation is to be begun */
void	sight_silent(const struct engine *, struct indices *ret);	/* appends them */
void	sight_replay(struct engine *, const char *kind, const char *text);	/* a note of this run */
void	sight_forget(struct engine *);		/* at the end of the run */

/* leaves.c */
void	leaves_note(struct engine *, int step, const struct op *);	/* it was applied */
void	leaves_replay(struct engine *, int step, int64_t at_ms, const char *kind, const char *text);	/* a note of this run */
void	leaves_undone(struct engine *, int step);	/* a step is restored */
void	leaves_forget(struct engine *);		/* at the end of the run */
void	leaves_settle(struct engine *, int cert);	/* what the board is told */

/* judge.c */
void	judge_begin(struct engine *, int step, enum purpose, int64_t since_ms);
void	judge_end(struct engine *, int step);
int64_t	judge_run(struct engine *, int64_t now_ms);	/* asks and judges; when next */
bool	judge_answer(struct engine *, uint64_t id, struct reading *);	/* takes it over if ours */
bool	judge_lost(struct engine *, uint64_t id);

/* canaries.c */
int64_t	canaries_run(struct engine *, int64_t now_ms);	/* begins, asks and ends; when next */
bool	canaries_answer(struct engine *, uint64_t id, const struct canary_report *);	/* was it one of ours? */
bool	canaries_lost(struct engine *, uint64_t id);
/* CHECK_CANARY: only what came through from since_ms on counts. */
void	canaries_check(const struct engine *, int step, const struct check *, int64_t since_ms, bool soaking,
	    struct check_result *);
void	canaries_end(struct engine *);	/* all of them: the process ends */
void	canaries_release(struct engine *);

/* prove.c */
void	prove_check(struct engine *, bool others_stand, struct check_result *);	/* CHECK_PROOF */
bool	prove_turn(void *engine, enum verb, int step, char *why, size_t size);	/* rollout_turns */

/* lease.c */
void	lease_init(struct engine *);
void	lease_free(struct engine *);
void	lease_begin(struct engine *);	/* a new wish: who said no is asked again */
/* The leases of a step's hosts.  0: ours; 1: being asked for, engine_material_ready() follows; -1: no. */
int	lease_need(struct engine *, int step, enum verb, struct err *);
bool	lease_answer(struct engine *, uint64_t id, const struct op_result *);	/* was it one of ours? */
bool	lease_lost(struct engine *, uint64_t id);
int64_t	lease_token(const struct engine *, int host);	/* 0: none */
/* Why the host, which answered, gave us no lease when it was asked last; NULL: it did, or was silent. */
const char *lease_refusal(const struct engine *, int host);
int64_t	lease_run(struct engine *, int64_t now_ms);	/* renews; when next */
void	lease_give_back(struct engine *);	/* at the end; waits at most 1.5 s */

/* adopt.c */
void	adopt_free(struct engine *);
bool	adopt_answer(struct engine *, uint64_t id, const struct op_result *);	/* was it one of ours? */
bool	adopt_lost(struct engine *, uint64_t id);

/* material.c */
void	material_start(struct engine *);	/* CA certificates that can be had without a passphrase, and what was issued */
/* 0: ready; 1: being made or asked for, engine_material_ready() follows; -1: cannot */
int	material_need(struct engine *, int step, enum verb, struct err *);
/* Is what the step brings there already?  Not of one that replaces, before it is applied. */
bool	material_at_hand(const struct engine *, int step);
int	material_revoke(struct engine *, int cert, struct err *);	/* 0: leak_revoked() follows */
int	material_give(void *engine, int cert, const char *what, char **ret, size_t *ret_len, struct err *);
/* The same for who looks what will be made: the CA as it is, and of the rest what it will be. */
int	material_name(void *engine, int cert, const char *what, char **ret, size_t *ret_len, struct err *);
/*
 * Belay's own certificates (`probe: { cert }`): told to the workers as far as they are there, once
 * they run.  own_wanted(): one that the step's endpoints are to be shown and that has to be issued or
 * renewed for it, or NONE.  own_open(): opens what was issued; see the messages for what it could not.
 */
void	own_start(struct engine *);
int	own_wanted(struct engine *, int step);
/* What an external one's file says; nothing where it cannot be read. */
void	own_look(const struct engine *, int cert, struct issued *ret);
/* 1: one is being opened, or its passphrase asked for, engine_material_ready() follows; 0: go on with what is there. */
int	own_need(struct engine *, int step);
/* Is what the endpoint is to be shown being opened just now?  Then it is worth the moment to wait for it. */
bool	own_awaited(const struct engine *, int endpoint);
/* step: where it cannot be opened as it is another is issued for this step's way back; NONE: none is. */
void	material_open(struct engine *, int cert, int step);
void	material_tell_pair(struct engine *, int cert, const char *key_pem, const char *leaf_pem);
/* Is what was issued last, as the files have it, not revoked?  False where nothing was. */
bool	material_issued(struct engine *, int cert);
/* What a person said to ASK_CA_PASSPHRASE. */
int	material_answer(struct engine *, int cert, const char *value, struct err *);
void	material_release(struct engine *);
void	engine_material_ready(struct engine *, bool ok, const char *why);

/* leak.c */
void	leak_revoked(struct engine *, const char *why);	/* why: it was not; or NULL */
/* "RUN/STEP", for the caller to free; NULL: there is no run yet. */
char	*leak_word(const struct engine *, int step);
/* -1: the undo of this step would put back a key that leaked, and nobody insists. */
int	leak_refuses(const struct engine *, int step, struct err *);
/* Is that the name by which it is insisted on: of any certificate; of one that the step would put back? */
bool	leak_is_name(const struct engine *, const char *check, size_t len_bytes);
bool	leak_of_step(const struct engine *, int step, const char *check);

/* past.c */
int	past_open(struct engine *, bool *ret_locked, struct err *);
/* 0: it is open; 1: being begun, engine_material_ready() follows; -1: cannot */
int	past_begin_run(struct engine *, struct err *);
void	past_write(struct engine *, const struct effect *);
int	engine_may_change(const struct engine *, struct err *);
/* insist.c: what an operator insisted on.  replay: from the journal. */
void	insist_replay(struct engine *, int step, const char *kind, const char *text);
void	insist_undone(struct engine *, int step);	/* a step is restored */
void	insist_forget(struct engine *);		/* of the whole run */
/* Has somebody vouched for what the check asks? */
bool	insist_attested(const struct engine *, int step, const struct check *, struct check_result *ret);
void	insist_release(struct engine *, int step);

int	past_note(struct engine *, int step, const char *kind, const char *text, struct err *);
void	past_release(struct engine *);

#endif
