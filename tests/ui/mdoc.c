/*
 * mdoc: prints a table of the program as the manual has it.
 *
 *   mdoc keys | commands | causes
 */
#include <stdio.h>
#include <string.h>

#include "core/diagnose.h"
#include "ui/command.h"
#include "ui/keys.h"

/* A sentence of the table: it begins small and ends without a stop there. */
static void
sentence(const char *s)
{
	if (*s >= 'a' && *s <= 'z' && !(s[1] >= '0' && s[1] <= '9') && strncmp(s, "chmod", 5) != 0 &&
	    strncmp(s, "chown", 5) != 0 && strncmp(s, "listen_", 7) != 0 && strncmp(s, "channel_", 8) != 0)
		(void)putchar(*s++ - 'a' + 'A');
	for (; *s != '\0'; s++)
		if (*s == '"')
			(void)fputs("\\(dq", stdout);
		else
			(void)putchar(*s);
	(void)puts(".");
}

static void
causes_print_mdoc(void)
{
	const char *const *w, *p;
	size_t i;

	for (i = 0; i < CAUSE_COUNT; i++) {
		const struct cause_row *r = cause_row((enum cause)i);

		(void)printf(".It Cm %s\n", r->name);
		sentence(r->what);
		(void)printf(".Pp\n.Em To do :\n");
		sentence(r->fix);
		w = cause_words((enum cause)i);
		if (*w == NULL)
			continue;
		(void)printf(".Pp\n.Em Words :\n");
		for (; *w != NULL; w++) {
			p = *w;
			if (p[1] == ':') {
				(void)printf("%s", p[0] == 'S' ? "in the server's log " : "told to the client ");
				p += 2;
			}
			(void)fputs("\\(dq", stdout);
			for (; *p != '\0'; p++)
				if (*p == '&')
					(void)fputs("\\(dq with \\(dq", stdout);
				else if (*p != '"')
					(void)putchar(*p);
			(void)printf("\\(dq%s\n", w[1] == NULL ? "." : ",");
		}
	}
}

int
main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "keys") == 0)
		keys_print_mdoc(stdout);
	else if (argc == 2 && strcmp(argv[1], "commands") == 0)
		commands_print_mdoc(stdout);
	else if (argc == 2 && strcmp(argv[1], "causes") == 0)
		causes_print_mdoc();
	else {
		(void)fputs("usage: mdoc keys | commands | causes\n", stderr);
		return 2;
	}
	return fflush(stdout) == 0 ? 0 : 1;
}
