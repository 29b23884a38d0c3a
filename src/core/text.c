/*
 * text: see text.h.
 *
 * Owns the sanitiser, cell widths, shell quoting, base64, hexadecimal, ages
 * and durations.  Everything is a function of its arguments.
 *
 * Invariants of text_clean()'s output, whatever went in:
 *  - it is valid UTF-8 without a byte below 0x20, without 0x7f and without a
 *    C1 control, so that no terminal takes any of it for a command;
 *  - every code point is assigned, is not of the categories Cc Cf Cs Co Cn Zl
 *    Zp, and is not "default ignorable" (such are invisible where they are
 *    letters or marks by category: Hangul fillers, variation selectors);
 *  - a mark stands behind a printed character of the same text, at most
 *    TEXT_MARKS_MAX of them, so that it cannot change what was printed before.
 *
 * It does not make text unambiguous: a host may well say the six letters
 * "<FF>".  It makes text harmless.
 */
#include "core/text.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <utf8proc.h>

#include "core/buf.h"
#include "core/mem.h"

static bool
is_mark(utf8proc_category_t category)
{
	return category == UTF8PROC_CATEGORY_MN ||
	    category == UTF8PROC_CATEGORY_MC ||
	    category == UTF8PROC_CATEGORY_ME;
}

/* Whether a code point may be shown as itself; marks are counted elsewhere. */
static bool
is_printable(int32_t cp)
{
	const utf8proc_property_t *property = utf8proc_get_property(cp);

	switch ((utf8proc_category_t)property->category) {
	case UTF8PROC_CATEGORY_CN:
	case UTF8PROC_CATEGORY_ZL:
	case UTF8PROC_CATEGORY_ZP:
	case UTF8PROC_CATEGORY_CC:
	case UTF8PROC_CATEGORY_CF:
	case UTF8PROC_CATEGORY_CS:
	case UTF8PROC_CATEGORY_CO:
		return false;
	default:	/* not our enum: every other category prints */
		break;
	}
	if (property->ignorable)
		return false;
	return is_mark((utf8proc_category_t)property->category) ||
	    utf8proc_charwidth(cp) > 0;
}

/* Decodes strictly; the length in bytes, or 0 where the bytes are not UTF-8. */
static size_t
decode(const char *bytes, size_t len, int32_t *ret_cp)
{
	utf8proc_ssize_t n;

	/* Four bytes are all that one code point can take. */
	n = utf8proc_iterate((const utf8proc_uint8_t *)bytes,
	    (utf8proc_ssize_t)(len < 4 ? len : 4), ret_cp);
	return n > 0 ? (size_t)n : 0;
}

void
text_clean(struct buf *out, const char *bytes, size_t len_bytes)
{
	size_t i = 0, marks = TEXT_MARKS_MAX, n;
	unsigned char c;
	int32_t cp;

	while (i < len_bytes) {
		c = (unsigned char)bytes[i];
		if (c < 0x20 || c == 0x7f) {
			buf_putc(out, '^');
			buf_putc(out, (char)(c ^ 0x40));
			marks = TEXT_MARKS_MAX;
			i++;
			continue;
		}
		if (c < 0x80) {
			buf_putc(out, (char)c);
			marks = 0;
			i++;
			continue;
		}
		if ((n = decode(bytes + i, len_bytes - i, &cp)) == 0) {
			buf_printf(out, "<%02X>", c);
			marks = TEXT_MARKS_MAX;
			i++;
			continue;
		}
		if (!is_printable(cp)) {
			buf_printf(out, "<U+%04X>", (unsigned)cp);
			marks = TEXT_MARKS_MAX;
		} else if (is_mark(utf8proc_category(cp))) {
			if (marks < TEXT_MARKS_MAX) {
				buf_put(out, bytes + i, n);
				marks++;
			} else
				buf_printf(out, "<U+%04X>", (unsigned)cp);
		} else {
			buf_put(out, bytes + i, n);
			marks = 0;
		}
		i += n;
	}
}

char *
text_clean_dup(const char *s)
{
	struct buf b;

	buf_init(&b, 0);
	if (s != NULL)
		text_clean(&b, s, strlen(s));
	return buf_take(&b, NULL);
}

size_t
text_next(const char *clean, int32_t *ret_codepoint)
{
	size_t n;

	if (*clean == '\0')
		return 0;
	n = decode(clean, strnlen(clean, 4), ret_codepoint);
	if (n == 0) {
		/* Not clean after all: one cell a byte, never past the end. */
		*ret_codepoint = 0xfffd;
		n = 1;
	}
	return n;
}

static size_t
cell_width(int32_t cp)
{
	int width;

	if (cp < 0x80)
		return cp >= 0x20 && cp < 0x7f ? 1 : 0;
	if (is_mark(utf8proc_category(cp)))
		return 0;
	width = utf8proc_charwidth(cp);
	return width > 0 ? (size_t)width : 0;
}

size_t
text_width(const char *clean)
{
	size_t cells = 0, n;
	int32_t cp;

	for (; (n = text_next(clean, &cp)) > 0; clean += n)
		cells += cell_width(cp);
	return cells;
}

size_t
text_fit(const char *clean, size_t width_cells, size_t *ret_cells)
{
	size_t cells = 0, len = 0, n, width;
	int32_t cp;

	/*
	 * A mark takes no cell, so that it stays with its base when the base
	 * filled the last one; and where the base did not fit we have stopped.
	 */
	while ((n = text_next(clean + len, &cp)) > 0) {
		width = cell_width(cp);
		if (width > width_cells - cells)
			break;
		cells += width;
		len += n;
	}
	if (ret_cells != NULL)
		*ret_cells = cells;
	return len;
}

void
text_shell_quote(struct buf *out, const char *word)
{
	/* '=' is not here: FOO=bar as a first word is an assignment. */
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789_@%+:,./-";

	if (*word != '\0' && strspn(word, plain) == strlen(word)) {
		buf_puts(out, word);
		return;
	}
	buf_putc(out, '\'');
	for (; *word != '\0'; word++) {
		if (*word == '\'')
			buf_puts(out, "'\\''");
		else
			buf_putc(out, *word);
	}
	buf_putc(out, '\'');
}

/* Longer words are never a slip of the fingers for one of ours. */
#define NEAREST_MAX 48

/*
 * Edits from a to b: insertions, deletions, substitutions, and swaps of two
 * neighbours (the optimal string alignment distance).
 */
static size_t
distance(const char *a, size_t alen, const char *b, size_t blen)
{
	size_t rows[3][NEAREST_MAX + 1];
	size_t *before = rows[0], *last = rows[1], *row = rows[2], *swap;
	size_t i, j, best, cost;

	for (j = 0; j <= blen; j++)
		last[j] = j;
	memset(before, 0, sizeof(rows[0]));
	for (i = 1; i <= alen; i++) {
		row[0] = i;
		for (j = 1; j <= blen; j++) {
			cost = a[i - 1] == b[j - 1] ? 0 : 1;
			best = last[j - 1] + cost;
			if (last[j] + 1 < best)
				best = last[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1] && before[j - 2] + 1 < best)
				best = before[j - 2] + 1;
			row[j] = best;
		}
		swap = before;
		before = last;
		last = row;
		row = swap;
	}
	return last[blen];
}

const char *
text_nearest(const char *word, const char *const candidates[])
{
	const char *best = NULL;
	size_t best_distance = SIZE_MAX, len = strlen(word), clen, d, allowed;
	size_t i;

	if (len == 0 || len > NEAREST_MAX)
		return NULL;
	for (i = 0; candidates[i] != NULL; i++) {
		clen = strlen(candidates[i]);
		if (clen > NEAREST_MAX)
			continue;
		d = distance(word, len, candidates[i], clen);
		/* A third of the letters may be wrong; of two, one. */
		allowed = (len > clen ? len : clen) / 3;
		if (allowed == 0 && len == clen && len > 1)
			allowed = 1;
		if (d <= allowed && d < best_distance) {
			best = candidates[i];
			best_distance = d;
		}
	}
	return best;
}

static const char base64_letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    "abcdefghijklmnopqrstuvwxyz0123456789+/";

void
text_base64(struct buf *out, const void *data, size_t len_bytes)
{
	const unsigned char *p = data;
	size_t i, have;
	uint32_t v;
	char four[4];

	for (i = 0; i < len_bytes; i += 3) {
		have = len_bytes - i;
		v = (uint32_t)p[i] << 16;
		if (have > 1)
			v |= (uint32_t)p[i + 1] << 8;
		if (have > 2)
			v |= p[i + 2];
		four[0] = base64_letters[v >> 18 & 63];
		four[1] = base64_letters[v >> 12 & 63];
		four[2] = have > 1 ? base64_letters[v >> 6 & 63] : '=';
		four[3] = have > 2 ? base64_letters[v & 63] : '=';
		buf_put(out, four, sizeof(four));
	}
	mem_wipe(four, sizeof(four));
}

int
text_base64_decode(struct buf *out, const char *text, size_t len_bytes)
{
	uint32_t v = 0;
	size_t digits = 0, padding = 0, i;
	const char *at;
	char c;

	for (i = 0; i < len_bytes; i++) {
		c = text[i];
		/* Lines are folded by most of the programs that write it. */
		if (c == '\n' || c == '\r' || c == ' ' || c == '\t')
			continue;
		if (c == '=') {
			padding++;
			if (padding > 2 || (digits + padding) % 4 == 1)
				return -1;
			continue;
		}
		if (padding > 0 || c == '\0' ||
		    (at = strchr(base64_letters, c)) == NULL)
			return -1;
		v = v << 6 | (uint32_t)(at - base64_letters);
		digits++;
		if (digits % 4 == 0) {
			buf_putc(out, (char)(v >> 16 & 0xff));
			buf_putc(out, (char)(v >> 8 & 0xff));
			buf_putc(out, (char)(v & 0xff));
			v = 0;
		}
	}
	if ((digits + padding) % 4 != 0)
		return -1;
	switch (digits % 4) {
	case 0:
		return padding == 0 ? 0 : -1;
	case 2:
		if ((v & 0xf) != 0)
			return -1;
		buf_putc(out, (char)(v >> 4 & 0xff));
		return 0;
	case 3:
		if ((v & 0x3) != 0)
			return -1;
		buf_putc(out, (char)(v >> 10 & 0xff));
		buf_putc(out, (char)(v >> 2 & 0xff));
		return 0;
	default:
		return -1;
	}
}

void
text_hex(struct buf *out, const void *data, size_t len_bytes)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *p = data;
	size_t i;

	for (i = 0; i < len_bytes; i++) {
		buf_putc(out, digits[p[i] >> 4]);
		buf_putc(out, digits[p[i] & 15]);
	}
}

void
text_age(char *ret, size_t size_bytes, int64_t ms)
{
	/* Coarser only when there are two of it: "90 s" says more than "1 min". */
	static const struct {
		int64_t	 unit_s;
		const char *word;
	} units[] = { { 86400, "d" }, { 3600, "h" }, { 60, "min" }, { 1, "s" } };
	int64_t s = ms / 1000;
	uint64_t abs_s = s < 0 ? 0 - (uint64_t)s : (uint64_t)s;
	size_t i;

	for (i = 0; i < sizeof(units) / sizeof(units[0]) - 1; i++)
		if (abs_s >= 2 * (uint64_t)units[i].unit_s)
			break;
	(void)snprintf(ret, size_bytes, "%lld %s",
	    (long long)(s / units[i].unit_s), units[i].word);
}

int64_t
text_duration_ms(const char *s)
{
	static const struct {
		const char *word;
		int64_t	 ms;
	} units[] = {
		{ "", 1000 }, { "ms", 1 }, { "s", 1000 }, { "m", 60000 },
		{ "h", 3600000 }, { "d", 86400000 }, { "y", 31536000000 },
	};
	int64_t v = 0;
	size_t i;

	if (*s < '0' || *s > '9')
		return -1;
	for (; *s >= '0' && *s <= '9'; s++) {
		if (v > (INT64_MAX - 9) / 10)
			return -1;
		v = v * 10 + (*s - '0');
	}
	for (i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (strcmp(s, units[i].word) == 0)
			return v > INT64_MAX / units[i].ms ? -1 : v * units[i].ms;
	return -1;
}
