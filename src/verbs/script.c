/*
 * script: prints what core/wayback writes, a part for each host.  Starts
 * nothing, and looks at no host.
 */
#include "core/buf.h"
#include "verbs/out.h"
#include "verbs/script.h"

size_t
script_print(const struct engine *e, int from, int until)
{
	struct wayback w;
	struct buf script;
	size_t h, printed = 0;
	bool places;
	int pass;

	engine_wayback(e, &w);
	buf_init(&script, 0);
	/* What goes back as other users first: what a host activates reads it. */
	for (pass = 0; pass < 2; pass++)
		for (h = 0; h < w.fleet->nhosts; h++) {
			places = w.fleet->hosts[h].base != NONE;
			buf_clear(&script);
			if (places != (pass == 0) || !wayback_script(&script, &w, (int)h, from, until))
				continue;
			printed++;
			out("%s\n", buf_str(&script));
		}
	buf_release(&script);
	return printed;
}
