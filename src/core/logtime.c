/*
 * logtime: see logtime.h.
 */
#include "core/logtime.h"

#include <stdbool.h>
#include <string.h>

#define ZONE_STEP_MS	INT64_C(900000)	/* every zone in use is so many quarters of an hour from UTC */
#define ZONE_DOUBT_MS	INT64_C(5000)

static int
two_digits(const char *s, int max)
{
	if (s[0] < '0' || s[0] > '9' || s[1] < '0' || s[1] > '9')
		return -1;
	return (s[0] - '0') * 10 + (s[1] - '0') > max ? -1 : (s[0] - '0') * 10 + (s[1] - '0');
}

/* Days since 1970-01-01 in the Gregorian calendar (years from 1970 on). */
static int64_t
days_of(int year, int month, int day)
{
	static const int before[] = { 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334 };
	int64_t y = year - 1970, leaps = (year - 1) / 4 - (year - 1) / 100 + (year - 1) / 400 - 477;

	if (month > 2 && ((year % 4 == 0 && year % 100 != 0) || year % 400 == 0))
		leaps++;
	return y * 365 + leaps + before[month - 1] + day - 1;
}

/* "HH:MM:SS[.mmm]" in milliseconds, or -1. */
static int64_t
clock_ms(const char *s, size_t len)
{
	int h, m, sec, ms = 0, i;

	if (len < 8 || s[2] != ':' || s[5] != ':' || (h = two_digits(s, 23)) == -1 ||
	    (m = two_digits(s + 3, 59)) == -1 || (sec = two_digits(s + 6, 60)) == -1)
		return -1;
	if (len >= 12 && (s[8] == '.' || s[8] == ',')) {
		for (i = 9; i < 12; i++) {
			if (s[i] < '0' || s[i] > '9')
				return -1;
			ms = ms * 10 + (s[i] - '0');
		}
	}
	return ((h * 60 + m) * 60 + sec) * INT64_C(1000) + ms;
}

int64_t
logtime_line(const char *s, size_t len)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	int year, month, day, i;
	size_t at = 0;
	int64_t ms;

	if (len >= 19 && s[4] == '-' && s[7] == '-' && (s[10] == ' ' || s[10] == 'T')) {
		year = two_digits(s, 99) * 100 + two_digits(s + 2, 99);
		month = two_digits(s + 5, 12);
		day = two_digits(s + 8, 31);
		ms = clock_ms(s + 11, len - 11);
		return year < 1970 || month < 1 || day < 1 || ms == -1 ? -1 :
		    days_of(year, month, day) * 86400000 + ms;
	}
	while (at < len && at < 10 && s[at] >= '0' && s[at] <= '9')
		at++;
	if (at == 0 || at + 24 > len || s[at] != ':' || s[at + 2] != ' ')
		return -1;
	s += at + 3;
	len -= at + 3;
	if (len < 20 || s[2] != ' ' || s[6] != ' ' || s[11] != ' ')
		return -1;
	for (i = 0, month = 0; i < 12; i++)
		if (memcmp(s + 3, months + 3 * i, 3) == 0)
			month = i + 1;
	day = two_digits(s, 31);
	year = two_digits(s + 7, 99) * 100 + two_digits(s + 9, 99);
	ms = clock_ms(s + 12, len - 12);
	return year < 1970 || month < 1 || day < 1 || ms == -1 ? -1 :
	    days_of(year, month, day) * 86400000 + ms;
}

bool
logtime_zone(int64_t last_ms, int64_t changed_ms, int64_t *ret_zone_ms)
{
	int64_t apart = changed_ms - last_ms, rest;

	*ret_zone_ms = (apart + (apart > 0 ? ZONE_STEP_MS / 2 : -ZONE_STEP_MS / 2)) / ZONE_STEP_MS * ZONE_STEP_MS;
	rest = apart - *ret_zone_ms;
	return rest >= -ZONE_DOUBT_MS && rest <= ZONE_DOUBT_MS;
}
