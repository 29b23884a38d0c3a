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

	engine_wayback(e, &w);
	buf_init(&script, 0);
	for (h = 0; h < w.fleet->nhosts; h++) {
		buf_clear(&script);
		if (!wayback_script(&script, &w, (int)h, from, until))
			continue;
		printed++;
		out("%s\n", buf_str(&script));
	}
	buf_release(&script);
	return printed;
}
