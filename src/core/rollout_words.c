/*
 * rollout_words: the words of phases, events, records, verbs and states of ops, as people and the
 * journal read them.
 */
#include "core/rollout.h"

static const char *const phase_words[PHASE_COUNT] = {
	[PHASE_TODO] = "todo", [PHASE_PREVIEWING] = "previewing",
	[PHASE_READY] = "ready", [PHASE_GUARDING] = "guarding",
	[PHASE_APPLYING] = "applying", [PHASE_PROVING] = "proving",
	[PHASE_SOAKING] = "soaking", [PHASE_DONE] = "done", [PHASE_MET] = "met",
	[PHASE_SKIPPED] = "skipped", [PHASE_FAULTED] = "faulted",
	[PHASE_DOUBT] = "doubt", [PHASE_UNDOING] = "undoing",
	[PHASE_STUCK] = "stuck", [PHASE_RESTORED] = "restored",
};

static const char *const event_words[EVENT_COUNT] = {
	[EV_PREVIEW] = "preview", [EV_APPLY] = "apply", [EV_UNDO] = "undo",
	[EV_SKIP] = "skip", [EV_PARK] = "park", [EV_OP] = "op",
	[EV_GUARD] = "guard", [EV_GATE] = "gate",
	[EV_JOURNALLED] = "journalled", [EV_JOURNAL_FAILED] = "journal-failed",
	[EV_LOST] = "lost", [EV_MET] = "met", [EV_TICK] = "tick",
	[EV_RETRY] = "retry", [EV_SETTLE] = "settle",
	[EV_BREACH] = "breach",
};

static const char *const record_words[RECORD_COUNT] = {
	[REC_APPLY] = "apply", [REC_INTENT] = "intent",
	[REC_OUTCOME] = "outcome", [REC_UNDO] = "undo",
	[REC_UNDO_INTENT] = "undo-intent", [REC_UNDO_OUTCOME] = "undo-outcome",
	[REC_PHASE] = "phase",
};

static const char *const verb_words[VERB_COUNT] = {
	[VERB_PREVIEW] = "preview", [VERB_APPLY] = "apply", [VERB_UNDO] = "undo",
	[VERB_SKIP] = "skip", [VERB_PARK] = "park", [VERB_RETRY] = "retry",
	[VERB_SETTLE] = "settle", [VERB_VERIFY] = "verify",
};

static const char *const op_state_words[] = {
	[OPS_WAITING] = "waiting", [OPS_INTENT] = "intent",
	[OPS_RUNNING] = "running", [OPS_APPLIED] = "applied",
	[OPS_FAILED] = "failed", [OPS_CUT] = "in doubt",
	[OPS_UNDO_INTENT] = "undo intent", [OPS_UNDOING] = "undoing",
	[OPS_UNDONE] = "undone", [OPS_STUCK] = "stuck",
};

const char *
phase_word(enum phase phase)
{
	return phase_words[phase];
}

const char *
event_word(enum event_kind kind)
{
	return event_words[kind];
}

const char *
record_word(enum record_kind kind)
{
	return record_words[kind];
}

const char *
verb_word(enum verb verb)
{
	return verb_words[verb];
}

const char *
op_state_word(enum op_state state)
{
	return op_state_words[state];
}
