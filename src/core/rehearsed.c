/*
 * rehearsed: see rehearsed.h.
 */
#include "core/rehearsed.h"

#include <stdio.h>

bool
rehearsed_well(const struct rehearsed *r)
{
	bool insists = r->dial == DIAL_REQUIRE || r->dial == DIAL_VERIFY_CA || r->dial == DIAL_VERIFY_FULL;

	return r->verdict >= (insists ? VERDICT_TLS : VERDICT_PLAINTEXT);
}

void
rehearsed_words(const struct rehearsed *r, char *ret, size_t size_bytes)
{
	const char *comma = r->protocol[0] == '\0' ? "" : ", ";

	if (r->why[0] != '\0')
		(void)snprintf(ret, size_bytes, "%s: %s", verdict_word(r->verdict), r->why);
	else
		(void)snprintf(ret, size_bytes, "%s%s%s, %lld ms%s%s%s%s", verdict_word(r->verdict), comma, r->protocol,
		    (long long)(r->took_us / 1000), r->shown[0] == '\0' ? "" : r->asked ? ", showing " : ", not asked for ", r->shown,
		    r->ran ? "; its own runtime agrees" : "",
		    r->remark[0] != '\0' ? " (nothing is said of its role)" : "");
}
