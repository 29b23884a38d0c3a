/*
 * main: argv to one verb, and its exit code.
 *
 * Owns nothing but the process's entry. It does no work of its own.
 */
#include <stdio.h>
#include <string.h>

#include "version.h"

int
main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		puts("belay " BELAY_VERSION);
		return 0;
	}
	fputs("belay " BELAY_VERSION "\n"
	    "usage: belay [-f FLEET] [-p PLAN] [VERB] [options]\n", stderr);
	return 1;
}
