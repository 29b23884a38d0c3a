/*
 * keys: see keys.h.
 *
 * Owns the table as data, and its three renderings.  What a key does is not
 * here: view.c acts.
 */
#include "ui/keys.h"

#include <string.h>

/* A key without a help line does not compile. */
#define KEYS_HELP(act, k1, k2, k3, in, section, label, weight, help) \
	_Static_assert(sizeof(help) > 4, "a key needs a help line: " #act); \
	_Static_assert((k1) != 0 && (in) != 0, "a row needs a key and a place: " #act);
KEYS(KEYS_HELP)
#undef KEYS_HELP

#define KEYS_ROW(act, k1, k2, k3, in, section, label, weight, help) \
	{ act, { k1, k2, k3 }, in, section, label, weight, help },
const struct key_row key_rows[KEY_ROWS] = { KEYS(KEYS_ROW) };
#undef KEYS_ROW

const char *
place_word(enum place place)
{
	static const char *const words[PLACE_COUNT] = {
		[PANE_DASHBOARD] = "dashboard", [PANE_PREVIEW] = "diff", [PANE_PROGRESS] = "progress",
		[PANE_GATE] = "gate", [PANE_SESSIONS] = "sessions", [PANE_CERTS] = "certs",
		[PANE_HOSTS] = "hosts", [PANE_HISTORY] = "history", [PANE_NOTES] = "messages",
		[PANE_PROOF] = "proof", [PANE_EXPLAIN] = "explain", [PANE_HELP] = "help", [PLACE_APPLY] = "apply?", [PLACE_UNDO] = "undo",
		[PLACE_TURN] = "undo?", [PLACE_REFUSED] = "not now",
		[PLACE_LEAVE] = "leave?", [PLACE_FIELD] = "typing",
	};

	return words[place];
}

const char *
section_word(enum section section)
{
	static const char *const words[SECTION_COUNT] = {
		[KEYS_CHANGE] = "Changing", [KEYS_LOOK] = "Looking", [KEYS_MOVE] = "Moving about",
		[KEYS_QUESTION] = "Being asked",
	};

	return words[section];
}

const struct key_row *
keys_find(enum place place, int code)
{
	size_t i, k;

	if (code == K_NONE)
		return NULL;
	for (i = 0; i < KEY_ROWS; i++) {
		if ((key_rows[i].in & IN(place)) == 0)
			continue;
		for (k = 0; k < KEY_CODES; k++)
			if (key_rows[i].codes[k] == code)
				return &key_rows[i];
	}
	return NULL;
}

void
key_words(char ret[KEY_NAME_MAX], int code)
{
	static const struct {
		int code;
		const char *name;
	} names[] = {
		{ K_TAB, "Tab" }, { K_ENTER, "Enter" }, { K_ESC, "Esc" }, { ' ', "Space" },
		{ K_BACKSPACE, "Backspace" }, { K_UP, "Up" }, { K_DOWN, "Down" },
		{ K_LEFT, "Left" }, { K_RIGHT, "Right" }, { K_HOME, "Home" }, { K_END, "End" },
		{ K_PAGE_UP, "PgUp" }, { K_PAGE_DOWN, "PgDn" }, { K_DELETE, "Del" },
		{ K_BACKTAB, "Shift-Tab" },
	};
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].code == code) {
			snprintf(ret, KEY_NAME_MAX, "%s", names[i].name);
			return;
		}
	if (code > 0 && code < 0x20)
		snprintf(ret, KEY_NAME_MAX, "Ctrl-%c", code | 0x60);
	else if (code > 0x20 && code < 0x7f)
		snprintf(ret, KEY_NAME_MAX, "%c", code);
	else
		snprintf(ret, KEY_NAME_MAX, "?");
}

/* A word as an mdoc macro's argument: no character of it is one of mdoc's. */
static void
print_mdoc_word(FILE *out, const char *word)
{
	if (strlen(word) == 1 && strchr(".,:;()[]?!|", word[0]) != NULL)
		fprintf(out, "\\&%s", word);
	else
		fputs(word, out);
}

/* A line of text, folded where it is long; none begins with what roff reads as a request. */
void
print_mdoc_text(FILE *out, const char *text)
{
	size_t len, at;

	for (; *text != '\0'; text += len + (text[len] == ' ')) {
		len = strlen(text);
		if (len > 76)
			for (at = 0, len = 76; at < 76; at++)
				if (text[at] == ' ')
					len = at;
		if (*text == '.' || *text == '\'')
			fputs("\\&", out);
		fprintf(out, "%.*s\n", (int)len, text);
	}
}

void
keys_print_mdoc(FILE *out)
{
	char name[KEY_NAME_MAX];
	int section;
	size_t i, k;

	for (section = 0; section < SECTION_COUNT; section++) {
		fprintf(out, ".Ss %s\n.Bl -tag -width \"PgDn, Ctrl-f\" -compact\n",
		    section_word((enum section)section));
		for (i = 0; i < KEY_ROWS; i++) {
			if ((int)key_rows[i].section != section)
				continue;
			fputs(".It", out);
			for (k = 0; k < KEY_CODES && key_rows[i].codes[k] != 0; k++) {
				key_words(name, key_rows[i].codes[k]);
				fputs(k == 0 ? " Ic " : " , Ic ", out);
				print_mdoc_word(out, name);
			}
			fputc('\n', out);
			print_mdoc_text(out, key_rows[i].help);
		}
		fputs(".El\n", out);
	}
}
