/*
 * script: the way back as plain sh, a part for each host, for hands that have
 * no belay: the same edits from the same before-images, in the same order.
 * Prints; starts nothing, and looks at no host.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/mem.h"
#include "verbs/out.h"
#include "verbs/script.h"

static const char head[] =
    "set -u\n"
    "state=%s\n"
    "failed=0\n"
    "# back FILE RECORD: as it was before, where nobody has changed it since\n"
    "back() {\n"
    "    r=$state/runs/$2\n"
    "    [ -f \"$r/meta\" ] || { echo \"$1: there is no record $r\" >&2; failed=1; return; }\n"
    "    before=$(sed -n 's/^before //p' \"$r/meta\") after=$(sed -n 's/^after //p' \"$r/meta\") now=-\n"
    "    [ ! -e \"$1\" ] || now=$(sha256sum <\"$1\" | cut -d' ' -f1)\n"
    "    [ \"$now\" != \"$before\" ] || return 0\n"
    "    if [ \"$now\" != \"$after\" ]; then\n"
    "        echo \"$1: changed since, not touched; before: $r/before, ours: $r/after\" >&2\n"
    "        failed=1\n"
    "    elif [ \"$before\" = - ]; then\n"
    "        rm -f \"$1\"\n"
    "    else\n"
    "        cat \"$r/before\" >\"$1\" && chmod \"$(sed -n 's/^mode //p' \"$r/meta\")\" \"$1\" || failed=1\n"
    "        [ \"$(id -u)\" != 0 ] || chown \"$(sed -n 's/^uid //p' \"$r/meta\"):$(sed -n 's/^gid //p' \"$r/meta\")\" \"$1\"\n"
    "    fi\n"
    "}\n";

/* 'word', whatever is in it. */
static void
quoted(struct buf *out, const char *s)
{
	(void)buf_putc(out, '\'');
	for (; *s != '\0'; s++)
		if (*s == '\'')
			(void)buf_puts(out, "'\\''");
		else
			(void)buf_putc(out, *s);
	(void)buf_putc(out, '\'');
}

static bool
touched(enum op_state state)
{
	switch (state) {
	case OPS_WAITING:
	case OPS_INTENT:
	case OPS_UNDONE:
		return false;
	case OPS_RUNNING:
	case OPS_APPLIED:
	case OPS_FAILED:
	case OPS_CUT:
	case OPS_UNDO_INTENT:
	case OPS_UNDOING:
	case OPS_STUCK:
		return true;
	}
	return true;
}

static void
command(struct buf *out, const struct op *op, const char *run)
{
	(void)buf_puts(out, "(");
	if (op->in != NULL) {
		(void)buf_puts(out, "cd ");
		quoted(out, op->in);
		(void)buf_puts(out, " && ");
	}
	/* On a line of its own: the command may end in a comment. */
	(void)buf_printf(out, "%s\n) || failed=1\n", run);
}

static void
op_back(struct buf *out, const char *run, const struct op *op)
{
	const char *id = strchr(op->id, '/');

	switch (op->kind) {
	case OP_RUN:
		if (op->undo != NULL)
			command(out, op, op->undo);
		return;
	case OP_ACTIVATE:
		command(out, op, op->run);
		return;
	default:
		(void)buf_puts(out, "back ");
		quoted(out, op->path == NULL ? "" : op->path);
		(void)buf_printf(out, " '%s%s'\n", run, id == NULL ? "" : id);
		return;
	}
}

/* Of one step on one host, in the order of rollout.c: edits, activations, what goes last. */
static bool
step_back(struct buf *out, const struct engine *e, int step, int host)
{
	const struct step_view *v = rollout_step(engine_rollout(e), step);
	const struct ops *ops = engine_ops(e, step);
	size_t i, pass;
	bool any = false;

	for (pass = 0; pass < 3; pass++)
		for (i = 0; i < v->nops; i++) {
			size_t k = pass == 1 ? i : v->nops - 1 - i;

			if (ops->v[k].host != host || !touched(v->ops[k].state) ||
			    (pass == 1) != v->shapes[k].activates ||
			    (pass == 2) != (v->shapes[k].back_last && !v->shapes[k].activates))
				continue;
			if (!any)
				(void)buf_printf(out, "# step '%s'\n", engine_plan(e)->steps[step].id);
			any = true;
			op_back(out, engine_run_id(e), &ops->v[k]);
		}
	return any;
}

size_t
script_print(const struct engine *e, int from, int until)
{
	const struct fleet *f = engine_fleet(e);
	struct buf script, one;
	size_t h, printed = 0;
	int step;

	buf_init(&script, 0);
	buf_init(&one, 0);
	for (h = 0; h < f->nhosts; h++) {
		const char *state = f->hosts[h].state;
		bool any = false;

		buf_clear(&script);
		for (step = from; step >= until && step >= 0; step--) {
			buf_clear(&one);
			if (step_back(&one, e, step, (int)h)) {
				any = true;
				(void)buf_puts(&script, buf_str(&one));
			}
		}
		if (!any)
			continue;
		printed++;
		buf_clear(&one);
		if (state == NULL)
			(void)buf_puts(&one, "${HOME}/.local/state/belay");
		else if (strncmp(state, "~/", 2) == 0) {
			(void)buf_puts(&one, "${HOME}/");
			quoted(&one, state + 2);
		} else
			quoted(&one, state);
		out("#!/bin/sh\n# The way back on host '%s', of run %s, as the user that belay logs in as.\n",
		    f->hosts[h].name, engine_run_id(e));
		out(head, buf_str(&one));
		out("%sexit $failed\n\n", buf_str(&script));
	}
	buf_release(&script);
	buf_release(&one);
	return printed;
}
