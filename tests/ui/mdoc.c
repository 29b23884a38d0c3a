/*
 * mdoc: prints a table of the console as the manual has it.
 *
 *   mdoc keys | commands
 */
#include <stdio.h>
#include <string.h>

#include "ui/command.h"
#include "ui/keys.h"

int
main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "keys") == 0)
		keys_print_mdoc(stdout);
	else if (argc == 2 && strcmp(argv[1], "commands") == 0)
		commands_print_mdoc(stdout);
	else {
		(void)fputs("usage: mdoc keys | commands\n", stderr);
		return 2;
	}
	return fflush(stdout) == 0 ? 0 : 1;
}
