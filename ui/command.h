/*
 * command: what can be typed after `:`.  One table; the help screen and the
 * manual list it.  Pure.
 */
#ifndef BELAY_UI_COMMAND_H
#define BELAY_UI_COMMAND_H

#include <stdio.h>

#include "ui/scene.h"

struct err;

/* command, name, arguments, help */
#define COMMANDS(X) \
	X(CMD_APPLY, "apply", "[STEP]", "preview a step afresh, ask, and apply it (only when armed)") \
	X(CMD_UNDO, "undo", "[STEP]", "undo the last step, after 3 seconds; an earlier one is asked about") \
	X(CMD_DIFF, "diff", "[STEP]", "what a step changes") \
	X(CMD_VERIFY, "verify", "[STEP]", "judge a step's guards and gate now") \
	X(CMD_SKIP, "skip", "[STEP]", "pass over an optional step (only when armed)") \
	X(CMD_RETRY, "retry", "[STEP]", "take a faulted step up again (only when armed)") \
	X(CMD_SETTLE, "settle", "[STEP]", "ask the hosts what became of a step in doubt") \
	X(CMD_PARK, "park", "", "stop the step in flight where it is safe") \
	X(CMD_WAIVE, "waive", "CHECK REASON", "let a check count as passed; the mark stays (only when armed)") \
	X(CMD_ATTEST, "attest", "CHECK REASON", "vouch for what an attest check asks; by name, for good (only when armed)") \
	X(CMD_KEEP, "keep", "WHAT REASON", "where an undo is stuck at WHAT (HOST:PATH, or an endpoint): what somebody else made of it stays") \
	X(CMD_ARM, "arm", "", "make changes possible") \
	X(CMD_DISARM, "disarm", "", "make changes impossible again") \
	X(CMD_REFRESH, "refresh", "", "probe everything now") \
	X(CMD_SESSIONS, "sessions", "", "who is connected") \
	X(CMD_CERTS, "certs", "", "the certificates that are served") \
	X(CMD_HOSTS, "hosts", "", "how each host is reached") \
	X(CMD_PROOF, "proof", "", "what belay check says of the plan") \
	X(CMD_EXPLAIN, "explain", "", "why what is under the cursor fails, and what mends it") \
	X(CMD_HISTORY, "history", "", "the journal") \
	X(CMD_MESSAGES, "messages", "", "what was said so far") \
	X(CMD_HELP, "help", "", "keys and commands") \
	X(CMD_WRITE, "w", "FILE", "save the screen as text in a new file") \
	X(CMD_QUIT, "quit", "", "leave; asks in the middle of a step")

#define COMMAND_ENUM(command, name, arguments, help) command,
enum command_kind { COMMANDS(COMMAND_ENUM) COMMAND_COUNT };
#undef COMMAND_ENUM

const char *command_name(enum command_kind);
const char *command_arguments(enum command_kind);
const char *command_help(enum command_kind);

#define COMMAND_TEXT_MAX 512
struct command {
	enum command_kind kind;
	int	 step;			/* NONE: not given */
	char	 check[COMMAND_TEXT_MAX];	/* WAIVE: the check; KEEP: the file */
	char	 text[COMMAND_TEXT_MAX];	/* WAIVE, KEEP: the reason; WRITE: the file */
};

/*
 * Reads a command line.  `step` is the step whose checks WAIVE may name, and whose files KEEP.  A
 * name may be cut where it stays the only one ("hist"); q is quit.
 */
int	command_parse(struct command *ret, const char *line, const struct scene *, int step, struct err *);
/* The table for the manual, in mdoc(7). */
void	commands_print_mdoc(FILE *);

#endif
