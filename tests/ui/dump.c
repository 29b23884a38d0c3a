/*
 * dump: paints one screen of the fixture with ANSI colours, to look at.
 *
 *   dump SCREEN [WIDTHxHEIGHT] [mono|8|256|text] [ascii]
 *
 * Without a known screen it lists them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/ui/screens.h"
#include "ui/grid.h"

static void
sgr(struct style style)
{
	printf("\033[0");
	if (style.bold)
		printf(";1");
	if (style.dim)
		printf(";2");
	if (style.underline)
		printf(";4");
	if (style.reverse)
		printf(";7");
	if (style.fg >= 0)
		printf(";38;5;%d", style.fg);
	if (style.bg >= 0)
		printf(";48;5;%d", style.bg);
	printf("m");
}

int
main(int argc, char **argv)
{
	enum scheme scheme = SCHEME_256;
	bool text = false;
	int h = 24, w = 80, y, x, i;
	bool ascii = false;
	struct grid g;

	for (i = 2; i < argc; i++)
		if (strcmp(argv[i], "mono") == 0)
			scheme = SCHEME_MONO;
		else if (strcmp(argv[i], "8") == 0)
			scheme = SCHEME_8;
		else if (strcmp(argv[i], "text") == 0)
			text = true;
		else if (strcmp(argv[i], "ascii") == 0)
			ascii = true;
		else
			(void)sscanf(argv[i], "%dx%d", &w, &h);
	if (argc < 2 || !screen_draw(&g, argv[1], h, w, ascii)) {
		for (i = 0; screen_name((size_t)i) != NULL; i++)
			puts(screen_name((size_t)i));
		return 1;
	}
	for (y = 0; y < g.h; y++) {
		for (x = 0; x < g.w; x++) {
			const struct cell *c = grid_at(&g, y, x);

			if (!text)
				sgr(theme_style(scheme, (enum role)c->role, c->selected));
			printf("%.*s", c->len_bytes, c->bytes);
		}
		puts(text ? "" : "\033[0m");
	}
	grid_release(&g);
	return 0;
}
