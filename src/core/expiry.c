/*
 * expiry: see expiry.h.
 */
#include "core/expiry.h"

const char *
expiry_word(enum expiry e)
{
	static const char *const words[] = {
		[EXPIRY_FAR] = "ok", [EXPIRY_NOTICE] = "notice", [EXPIRY_SOON] = "renew",
		[EXPIRY_URGENT] = "urgent", [EXPIRY_NOT_YET] = "not yet valid", [EXPIRY_PAST] = "expired",
	};

	return words[e];
}

int64_t
expiry_within_s(int64_t not_before_s, int64_t not_after_s, int64_t wanted_s)
{
	int64_t third_s = not_after_s / 3 - not_before_s / 3;	/* no overflow, whatever the times are */

	if (third_s < 0)
		third_s = 0;
	return wanted_s < third_s ? wanted_s : third_s;
}

enum expiry
expiry_of(int64_t not_before_s, int64_t not_after_s, int64_t now_s, int64_t warn_s)
{
	int64_t left_s;

	if (now_s >= not_after_s)
		return EXPIRY_PAST;
	if (now_s < not_before_s)
		return EXPIRY_NOT_YET;
	left_s = not_after_s - now_s;
	if (left_s <= expiry_within_s(not_before_s, not_after_s, EXPIRY_URGENT_S))
		return EXPIRY_URGENT;
	if (left_s <= expiry_within_s(not_before_s, not_after_s, warn_s > 0 ? warn_s : EXPIRY_SOON_S))
		return EXPIRY_SOON;
	return left_s <= expiry_within_s(not_before_s, not_after_s, EXPIRY_NOTICE_S) ? EXPIRY_NOTICE : EXPIRY_FAR;
}

int64_t
expiry_days(int64_t not_after_s, int64_t now_s)
{
	int64_t left_s = not_after_s - now_s;

	return left_s > 0 ? left_s / EXPIRY_DAY_S : -((-left_s + EXPIRY_DAY_S - 1) / EXPIRY_DAY_S);
}
