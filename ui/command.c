/*
 * command: see command.h.  Reads; does nothing.
 */
#include "ui/command.h"

#include <stdlib.h>
#include <string.h>

#include "core/batch.h"
#include "core/err.h"
#include "core/mem.h"
#include "core/reader.h"
#include "core/revoked.h"
#include "core/standing.h"
#include "core/text.h"
#include "ui/keys.h"

#define COMMAND_ROW(command, name, arguments, help) { name, arguments, help },
static const struct {
	const char *name, *arguments, *help;
} rows[COMMAND_COUNT] = { COMMANDS(COMMAND_ROW) };
#undef COMMAND_ROW

const char *
command_name(enum command_kind kind)
{
	return rows[kind].name;
}

const char *
command_arguments(enum command_kind kind)
{
	return rows[kind].arguments;
}

const char *
command_help(enum command_kind kind)
{
	return rows[kind].help;
}

static int
find(const char *word, struct err *err)
{
	const char *names[COMMAND_COUNT + 1], *nearest;
	int i, found = -1, matches = 0;

	if (strcmp(word, "q") == 0)
		return CMD_QUIT;
	for (i = 0; i < COMMAND_COUNT; i++) {
		names[i] = rows[i].name;
		if (strcmp(word, rows[i].name) == 0)
			return i;
		if (strncmp(word, rows[i].name, strlen(word)) == 0) {
			found = i;
			matches++;
		}
	}
	names[COMMAND_COUNT] = NULL;
	/* What changes something is named in full. */
	if (matches == 1 && found > CMD_KEEP)
		return found;
	if ((nearest = text_nearest(word, names)) == NULL && matches > 0)
		nearest = rows[found].name;
	if (nearest != NULL)
		return err_set(err, "there is no command '%s'; did you mean '%s'?", word, nearest);
	return err_set(err, "there is no command '%s'; ? lists them", word);
}

/* Of a step on several hosts, the one that the command is about: the last that stands is undone, all else is next. */
static int
find_step(const struct scene *s, enum command_kind kind, const char *id, int *ret, struct err *err)
{
	const char **ids, *nearest;
	size_t i, n;
	int first;

	if (s->plan == NULL)
		return err_set(err, "there is no plan");
	if ((n = plan_steps(s->plan, id, &first)) > 0) {
		*ret = kind == CMD_UNDO ? batch_last(s->rollout, first, n) : batch_next(s->rollout, first, n);
		if (*ret == NONE)	/* none of it, or all: why not, it is asked by itself */
			*ret = first + (int)n - 1;
		return 0;
	}
	ids = mem_array(2 * s->plan->nsteps + 1, sizeof(*ids));
	for (i = n = 0; i < s->plan->nsteps; i++) {
		ids[n++] = s->plan->steps[i].id;
		if (s->plan->steps[i].of != NULL)
			ids[n++] = s->plan->steps[i].of;
	}
	nearest = text_nearest(id, ids);
	free(ids);
	if (nearest != NULL)
		return err_set(err, "there is no step '%s'; did you mean '%s'?", id, nearest);
	return err_set(err, "there is no step '%s'", id);
}

/* Of the names that the text begins with the longest one is kept. */
static void
take_longer(char best[COMMAND_TEXT_MAX], const char *rest, const char *name)
{
	size_t len = strlen(name);

	if (strncmp(rest, name, len) == 0 && (rest[len] == ' ' || rest[len] == '\0') &&
	    len > strlen(best) && len < COMMAND_TEXT_MAX)
		memcpy(best, name, len + 1);
}

/* Check names have blanks in them; those of what is activated (standing.h) and of keys that leaked are no step's own. */
static int
split_waive(struct command *c, const char *rest, const struct scene *s, int step, struct err *err)
{
	const struct step *st;
	size_t i, k;
	char *name;

	if (s->plan == NULL || step == NONE)
		return err_set(err, "there is no step whose check could be waived");
	st = &s->plan->steps[step];
	c->check[0] = '\0';
	for (i = 0; i < st->nrequires + st->ngates; i++)
		take_longer(c->check, rest, i < st->nrequires ? st->requires[i].name : st->gates[i - st->nrequires].name);
	for (i = 0; i < s->fleet->nendpoints; i++)
		for (k = 0; k < STANDING_COUNT; k++) {
			name = standing_name(s->fleet, (enum standing_kind)k, (int)i);
			take_longer(c->check, rest, name);
			free(name);
		}
	for (i = 0; i < s->fleet->ncerts; i++) {
		name = revoked_check(s->fleet->certs[i].name);
		take_longer(c->check, rest, name);
		free(name);
	}
	for (i = 0; c->kind == CMD_ATTEST && i < s->fleet->nclients; i++)
		if (s->fleet->clients[i].evidence == EVIDENCE_ATTEST)
			take_longer(c->check, rest, s->fleet->clients[i].name);
	if (c->check[0] == '\0')
		return err_set(err, "step '%s' has no check named so; v shows their names", st->id);
	rest += strlen(c->check);
	rest += strspn(rest, " ");
	if (*rest == '\0')
		return err_set(err, "%s '%s' needs a reason behind it", c->kind == CMD_ATTEST ? "to vouch for" : "waiving", c->check);
	if (strlen(rest) >= sizeof(c->text))
		return err_set(err, "that is too long; at most %d bytes", COMMAND_TEXT_MAX - 1);
	memcpy(c->text, rest, strlen(rest) + 1);
	c->step = step;
	return 0;
}

/* HOST:PATH, which may hold blanks: one that the step wrote, as it is shown. */
static int
split_keep(struct command *c, const char *rest, const struct scene *s, int step, struct err *err)
{
	const struct ops *ops;
	struct strings names;
	const char *reason = NULL;
	size_t i, k, len;

	if (s->plan == NULL || step == NONE)
		return err_set(err, "there is no step that has written anything");
	ops = s->ops(s->arg, step);
	for (i = 0; ops != NULL && reason == NULL && i < ops->n; i++) {
		op_names(&ops->v[i], s->fleet, &names);
		for (k = 0; k < names.n && reason == NULL; k++) {
			len = strlen(names.v[k]);
			if (strncmp(rest, names.v[k], len) != 0 || (rest[len] != ' ' && rest[len] != '\0') ||
			    len >= sizeof(c->check))
				continue;
			memcpy(c->check, names.v[k], len + 1);
			reason = rest + len + strspn(rest + len, " ");
		}
		strings_release(&names);
	}
	if (reason == NULL)
		return err_set(err, "step '%s' has written nothing named so; a file is HOST:PATH, as p shows it, and "
		    "settings are their endpoint's", s->plan->steps[step].id);
	if (*reason == '\0')
		return err_set(err, "keeping '%s' needs a reason behind it", c->check);
	if (strlen(reason) >= sizeof(c->text))
		return err_set(err, "that is too long; at most %d bytes", COMMAND_TEXT_MAX - 1);
	memcpy(c->text, reason, strlen(reason) + 1);
	c->step = step;
	return 0;
}

int
command_parse(struct command *ret, const char *line, const struct scene *s, int step,
    struct err *err)
{
	struct command c = { .step = NONE };
	char word[64];
	const char *rest;
	size_t len;
	int kind;

	line += strspn(line, " ");
	len = strcspn(line, " ");
	if (len == 0)
		return err_set(err, "a command is missing; ? lists them");
	if (len >= sizeof(word))
		return err_set(err, "there is no such command; ? lists them");
	memcpy(word, line, len);
	word[len] = '\0';
	if ((kind = find(word, err)) < 0)
		return -1;
	c.kind = (enum command_kind)kind;
	rest = line + len + strspn(line + len, " ");
	len = strlen(rest);
	while (len > 0 && rest[len - 1] == ' ')
		len--;
	if (len >= sizeof(c.text))
		return err_set(err, "that is too long; at most %d bytes", COMMAND_TEXT_MAX - 1);
	memcpy(c.text, rest, len);
	c.text[len] = '\0';
	if (rows[kind].arguments[0] == '\0' && len > 0)
		return err_set(err, "'%s' takes no argument", rows[kind].name);
	if (kind == CMD_WRITE && len == 0)
		return err_set(err, "w needs a file to write to");
	if (kind == CMD_WAIVE || kind == CMD_ATTEST) {
		char text[COMMAND_TEXT_MAX];

		memcpy(text, c.text, sizeof(text));
		if (split_waive(&c, text, s, step, err) != 0)
			return -1;
	} else if (kind == CMD_KEEP) {
		char text[COMMAND_TEXT_MAX];

		memcpy(text, c.text, sizeof(text));
		if (split_keep(&c, text, s, step, err) != 0)
			return -1;
	} else if (strcmp(rows[kind].arguments, "[STEP]") == 0 && len > 0 &&
	    find_step(s, c.kind, c.text, &c.step, err) != 0)
		return -1;
	*ret = c;
	return 0;
}

void
commands_print_mdoc(FILE *out)
{
	int i;

	fputs(".Bl -tag -width \"waive CHECK REASON\" -compact\n", out);
	for (i = 0; i < COMMAND_COUNT; i++) {
		fprintf(out, ".It Ic :%s", rows[i].name);
		if (strcmp(rows[i].arguments, "[STEP]") == 0)
			fputs(" Op Ar STEP", out);
		else if (rows[i].arguments[0] != '\0')
			fprintf(out, " Ar %s", rows[i].arguments);
		fputc('\n', out);
		print_mdoc_text(out, rows[i].help);
	}
	fputs(".El\n", out);
}
