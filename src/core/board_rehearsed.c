/*
 * board_rehearsed: what rehearsals say, beside what else is seen of a link.  Holds nothing.
 *
 * Where they disagree, that is the finding; the first line that fits:
 *
 *   refused or hangs, and it has sessions	they go on; it breaks at the next reconnect
 *   refused or hangs				nothing of it is there to go on
 *   plaintext that its mode did not ask for	it falls back
 *   tls, and sessions on plaintext		set so, and not in force for them: not restarted, or not reconnected
 *   plaintext, and its sessions are on tls	set back, and not in force
 *   verified, and belay's own handshake is not	its CA file is another than the fleet's
 */
#include <stdio.h>
#include <string.h>

#include "core/board.h"

static void
find(struct rehearsal_view *v, const struct rehearsed *r, const struct link_view *l)
{
	const char *how = r->verdict == VERDICT_HANGS ? "hangs" : "is refused";
	size_t size = sizeof(v->finding);

	if (r->verdict <= VERDICT_HANGS && l->tls + l->plain > 0)
		(void)snprintf(v->finding, size, "its session%s %s on, and a new connection %s: %.400s",
		    l->tls + l->plain == 1 ? "" : "s", l->tls + l->plain == 1 ? "goes" : "go", how, r->why);
	else if (r->verdict <= VERDICT_HANGS)
		(void)snprintf(v->finding, size, "a new connection %s: %.400s", how, r->why);
	else if (r->verdict == VERDICT_PLAINTEXT && r->dial != DIAL_DISABLE && r->dial != DIAL_UNKNOWN)
		(void)snprintf(v->finding, size, "set to %s, and a new connection is plaintext%s%.400s", dial_word(r->dial),
		    r->why[0] == '\0' ? "" : ": ", r->why);
	else if (r->verdict >= VERDICT_TLS && l->plain > 0)
		(void)snprintf(v->finding, size,
		    "set to %s, by which a new connection is %s; %u session%s still on plaintext: not restarted, or not reconnected",
		    dial_word(r->dial), verdict_word(r->verdict), l->plain, l->plain == 1 ? " is" : "s are");
	else if (r->verdict == VERDICT_PLAINTEXT && l->tls > 0)
		(void)snprintf(v->finding, size, "%u session%s on TLS, and as it is set now a new connection is plaintext",
		    l->tls, l->tls == 1 ? " is" : "s are");
	else if (r->verdict == VERDICT_NAME && l->protocol != NULL && l->state == LINK_TLS && !l->path_proven)
		(void)snprintf(v->finding, size, "by its own CA file a new connection is verified, and by the fleet's it is not");
}

void
board_rehearsed(const struct board *b, int link, int64_t now_ms, int64_t stale_ms, int64_t rehearsal_stale_ms,
    struct rehearsal_view *v)
{
	const struct reading *failed = board_failure(b, READING_REHEARSAL, link);
	struct link_view l;

	memset(v, 0, sizeof(*v));
	v->reading = board_reading(b, READING_REHEARSAL, link);
	if (failed != NULL) {
		(void)snprintf(v->words, sizeof(v->words), "not tried: %.240s", failed->why == NULL ? "no reason" : failed->why);
		return;
	}
	if (v->reading == NULL)
		return;
	rehearsed_words(&v->reading->rehearsed, v->words, sizeof(v->words));
	v->fresh = now_ms - v->reading->at_ms <= rehearsal_stale_ms;
	if (!v->fresh)
		return;
	board_link(b, link, now_ms, stale_ms, &l);
	find(v, &v->reading->rehearsed, &l);
}
