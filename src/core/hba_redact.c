/*
 * hba_redact: what of a pg_hba.conf may be shown: all that matching needs, and nobody's password.
 */
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/hba_int.h"

/* An option without which matching would be wrong, and that holds nobody's password. */
static bool
harmless(const char *option)
{
	return strncmp(option, "clientcert=", 11) == 0 || strncmp(option, "clientname=", 11) == 0 ||
	    strncmp(option, "map=", 4) == 0;
}

static void
put_token(struct buf *out, const struct hba_token *t)
{
	const char *p;

	if (!t->quoted && t->text[strcspn(t->text, " \t\r,\"#\\")] == '\0') {
		(void)buf_puts(out, t->text);
		return;
	}
	/* A quote in front makes a name of it; one behind the + does not. */
	if (!t->quoted && t->text[0] != '\0')
		(void)buf_putc(out, t->text[0]);
	(void)buf_putc(out, '"');
	for (p = t->quoted || t->text[0] == '\0' ? t->text : t->text + 1; *p != '\0'; p++) {
		if (*p == '"')
			(void)buf_putc(out, '"');
		(void)buf_putc(out, *p);
	}
	(void)buf_putc(out, '"');
}

static void
redact_line(struct buf *out, const char *text)
{
	struct hba_line line = { text, false };
	struct hba_token t;
	bool comma = false, was = false, any = false;
	int field = 0;

	/* Behind the type, databases, roles and what comes next there are options, whatever the type. */
	for (; hba_token_read(&line, 99, &t, &comma); was = comma) {
		field += any && !was;
		if (any)
			(void)buf_putc(out, was ? ',' : ' ');
		/* The name stays: without some of them the server refuses the line. */
		if (field >= 4 && strchr(t.text, '=') != NULL && !harmless(t.text))
			(void)buf_printf(out, "%.*s=…", (int)strspn(t.text, "abcdefghijklmnopqrstuvwxyz_"), t.text);
		else
			put_token(out, &t);
		any = true;
		free(t.text);
	}
}

static bool
marker(const char *line)
{
	return strncmp(line, "# BEGIN ", 8) == 0 || strncmp(line, "# END ", 6) == 0;
}

void
hba_redact(struct buf *out, const char *text, size_t len_bytes)
{
	struct buf joined;
	size_t at = 0;
	int number = 0, before = 0;

	buf_init(&joined, HBA_FILE_MAX);
	for (; hba_line_next(text, len_bytes, &at, &number, &joined); before = number) {
		if (marker(buf_str(&joined)))
			(void)buf_puts(out, buf_str(&joined));
		else
			redact_line(out, buf_str(&joined));
		for (; before < number; before++)
			(void)buf_putc(out, '\n');
	}
	buf_release(&joined);
}
