/*
 * become: see become.h.
 */
#include "remote/become.h"

#include <stddef.h>

bool
become_may(const struct become *b, const void *who, int64_t now_ms)
{
	return b->prover == NULL || b->prover == who || now_ms < b->good_until;
}

void
become_asks(struct become *b, const void *who, int64_t now_ms)
{
	if (now_ms >= b->good_until)
		b->prover = who;
}

void
become_heard(struct become *b, const void *who, enum sudo_trouble trouble, int64_t now_ms)
{
	bool outdated = b->outdated == who;

	if (b->prover == who)
		b->prover = NULL;
	if (outdated) {
		b->outdated = NULL;
		return;
	}
	switch (trouble) {
	case SUDO_SILENT:
		return;
	case SUDO_FINE:
		b->good_until = now_ms + BECOME_GOOD_MS;
		b->again_at = 0;
		break;
	case SUDO_WRONG_PASSWORD:
		b->refused = true;
		b->good_until = 0;
		b->again_at = now_ms + BECOME_AGAIN_MS;
		break;
	case SUDO_WANTS_PASSWORD:
		b->good_until = 0;
		b->again_at = now_ms + BECOME_AGAIN_MS;
		/* Asked without a password, it says so also where the last was a wrong one. */
		if (b->refused)
			return;
		break;
	case SUDO_WANTS_TERMINAL:
	case SUDO_DENIED:
	case SUDO_UNKNOWN_USER:
	case SUDO_MISSING:
		break;
	}
	b->trouble = trouble;
}

enum sudo_trouble
become_known(const struct become *b, int64_t now_ms)
{
	return now_ms < b->again_at ? b->trouble : SUDO_FINE;
}

void
become_anew(struct become *b)
{
	b->outdated = b->prover;
	b->refused = false;
	b->trouble = SUDO_FINE;
	b->good_until = b->again_at = 0;
}
