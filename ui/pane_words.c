/*
 * pane_words: history, messages and help: text that somebody wrote before.
 * The help is made from the tables of keys, commands and signs; there is no
 * second list of any of them.
 */
#include "ui/pane.h"

#include <string.h>

#include "ui/command.h"
#include "ui/keys.h"
#include "ui/look.h"

/* Older entries are in `belay history`. */
#define HISTORY_MAX ((size_t)2000)

void
history_page(struct page *p, const struct scene *s)
{
	const struct history_line *lines = NULL;
	size_t n = s->history(s->arg, &lines), i;
	char date[LOOK_MAX];
	const char *run = NULL;

	if (n == 0) {
		page_line(p);
		page_add(p, ROLE_DIM, " nothing was done yet");
		return;
	}
	for (i = n > HISTORY_MAX ? n - HISTORY_MAX : 0; i < n; i++) {
		const struct history_line *l = &lines[i];

		if (l->run != NULL && (run == NULL || strcmp(run, l->run) != 0)) {
			run = l->run;
			page_heading(p, "RUN %s", run);
		}
		look_date(date, l->at_ms);
		page_line(p);
		page_add(p, ROLE_DIM, " %s", date);
		page_at(p, 21, ROLE_TEXT, "%s", l->kind == NULL ? "" : l->kind);
		page_at(p, 34, ROLE_STRONG, "%s", l->step_id == NULL ? "" : l->step_id);
		if (l->text != NULL && *l->text != '\0') {
			page_add(p, ROLE_TEXT, "  ");
			page_flow(p, 34, ROLE_TEXT, l->text);
		}
	}
}

void
notes_page(struct page *p, const struct view *v)
{
	static const enum role roles[] = {
		[TELL_NOTE] = ROLE_TEXT, [TELL_WARN] = ROLE_WARN, [TELL_ERROR] = ROLE_BAD,
	};
	static const char *const words[] = {
		[TELL_NOTE] = "note", [TELL_WARN] = "warning", [TELL_ERROR] = "error",
	};
	char clock[LOOK_MAX];
	size_t i;

	if (v->nnotes == 0) {
		page_line(p);
		page_add(p, ROLE_DIM, " nothing was said yet");
		return;
	}
	for (i = 0; i < v->nnotes; i++) {
		look_clock(clock, v->notes[i].at_ms);
		page_line(p);
		page_add(p, ROLE_DIM, " %s", clock);
		page_at(p, 10, roles[v->notes[i].tell], "%s", words[v->notes[i].tell]);
		page_add(p, roles[v->notes[i].tell], "  ");
		page_flow(p, 19, roles[v->notes[i].tell], v->notes[i].text);
	}
}

static void
add_key(struct page *p, const struct key_row *row)
{
	char name[KEY_NAME_MAX];
	size_t k;

	page_line(p);
	for (k = 0; k < KEY_CODES && row->codes[k] != 0; k++) {
		key_words(name, row->codes[k]);
		if (k == 0)
			page_at(p, 2, ROLE_KEY, "%s", name);
		else {
			page_add(p, ROLE_DIM, ", ");
			page_add(p, ROLE_KEY, "%s", name);
		}
	}
	page_at(p, 22, ROLE_TEXT, "%s", "");
	page_flow(p, 22, ROLE_TEXT, row->help);
}

static void
add_sign(struct page *p, const char *sign, const char *means)
{
	page_line(p);
	page_at(p, 2, ROLE_STRONG, "%s", sign);
	page_at(p, 22, ROLE_TEXT, "%s", means);
}

void
help_page(struct page *p)
{
	int section, i;
	size_t k;

	for (section = 0; section < SECTION_COUNT; section++) {
		page_heading(p, "%s", section_word((enum section)section));
		for (k = 0; k < KEY_ROWS; k++)
			if ((int)key_rows[k].section == section)
				add_key(p, &key_rows[k]);
		page_line(p);
	}
	page_line(p);
	page_at(p, 2, ROLE_KEY, "Ctrl-C");
	page_at(p, 22, ROLE_TEXT, "%s", "");
	page_flow(p, 22, ROLE_TEXT,
	    "once: cancel a question, stop the step in flight where it is safe; twice: leave");
	page_line(p);
	page_heading(p, "Commands");
	for (i = 0; i < COMMAND_COUNT; i++) {
		page_line(p);
		page_at(p, 2, ROLE_KEY, ":%s", command_name((enum command_kind)i));
		page_add(p, ROLE_DIM, " %s", command_arguments((enum command_kind)i));
		page_at(p, 22, ROLE_TEXT, "%s", "");
		page_flow(p, 22, ROLE_TEXT, command_help((enum command_kind)i));
	}
	page_line(p);
	page_heading(p, "Signs");
	for (i = 0; i < GLYPH_COUNT; i++)
		if (glyph_means((enum glyph)i)[0] != '\0')
			add_sign(p, glyph(p->ascii, (enum glyph)i), glyph_means((enum glyph)i));
	add_sign(p, "(verify-full)", "in brackets: declared in the fleet file, not seen");
}
