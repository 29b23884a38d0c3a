/*
 * rehearsed: see rehearsed.h.
 */
#include "core/rehearsed.h"

bool
rehearsed_well(const struct rehearsed *r)
{
	bool insists = r->dial == DIAL_REQUIRE || r->dial == DIAL_VERIFY_CA || r->dial == DIAL_VERIFY_FULL;

	return r->verdict >= (insists ? VERDICT_TLS : VERDICT_PLAINTEXT);
}
