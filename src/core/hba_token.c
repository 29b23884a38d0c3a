/*
 * hba_token: lines, fields and tokens of pg_hba.conf, as the server parts them.
 */
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/hba_int.h"
#include "core/mem.h"

#define TOKEN_MAX_15	255	/* MAX_TOKEN - 1, up to 15 */

static bool
blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* next_token() */
bool
hba_token_read(struct hba_line *line, int version, struct hba_token *ret, bool *ret_comma)
{
	bool in_quote = false, was_quote = false, saw_quote = false, initial = false;
	const char *p = line->p;
	struct buf b;

	*ret_comma = false;
	while (blank(*p) || *p == ',')
		p++;
	buf_init(&b, 0);
	for (; *p != '\0' && (!blank(*p) || in_quote); p++) {
		if (*p == '#' && !in_quote) {
			p += strlen(p);
			break;
		}
		if (version < 16 && b.len >= TOKEN_MAX_15) {
			line->p = p + strlen(p);
			line->too_long = true;
			buf_release(&b);
			return false;
		}
		if (*p == ',' && !in_quote) {
			*ret_comma = true;
			p++;
			break;
		}
		if (*p != '"' || was_quote)
			(void)buf_putc(&b, *p);
		was_quote = in_quote && *p == '"' ? !was_quote : false;
		if (*p == '"') {
			in_quote = !in_quote;
			saw_quote = true;
			if (b.len == 0)
				initial = true;
		}
	}
	line->p = p;
	if (!saw_quote && b.len == 0) {
		buf_release(&b);
		return false;
	}
	ret->text = mem_strdup(buf_str(&b));
	ret->quoted = initial;
	buf_release(&b);
	return true;
}

void
hba_field_release(struct hba_field *f)
{
	size_t i;

	for (i = 0; i < f->n; i++)
		free(f->v[i].text);
	free(f->v);
	memset(f, 0, sizeof(*f));
}

void
hba_fields_release(struct hba_fields *f)
{
	size_t i;

	for (i = 0; i < f->n; i++)
		hba_field_release(&f->v[i]);
	free(f->v);
	memset(f, 0, sizeof(*f));
}

bool
hba_line_next(const char *text, size_t len, size_t *at, int *number, struct buf *out)
{
	size_t last = 0, end;
	bool any = false;

	buf_clear(out);
	while (*at < len) {
		const char *nl = memchr(text + *at, '\n', len - *at), *nul;

		any = true;
		end = nl == NULL ? len : (size_t)(nl - text);
		(void)buf_put(out, text + *at, end - *at);
		*at = nl == NULL ? len : end + 1;
		++*number;
		/* The server's lines are strings. */
		if (out->len > 0 && (nul = memchr(out->data, '\0', out->len)) != NULL)
			out->len = (size_t)(nul - out->data);
		while (out->len > 0 && out->data[out->len - 1] == '\r')
			out->data[--out->len] = '\0';
		if (out->len <= last || out->data[out->len - 1] != '\\')
			break;
		out->data[--out->len] = '\0';
		last = out->len;
	}
	return any;
}

void
hba_fields_read(struct hba_fields *ret, const char *text, size_t len_bytes)
{
	struct hba_line line = { NULL, false };
	struct hba_token token;
	struct hba_field *field = NULL;
	struct buf joined;
	size_t at = 0;
	bool comma = false;
	int number = 0;

	memset(ret, 0, sizeof(*ret));
	buf_init(&joined, HBA_FILE_MAX);
	(void)hba_line_next(text, len_bytes, &at, &number, &joined);
	for (line.p = buf_str(&joined); hba_token_read(&line, 99, &token, &comma);) {
		if (field == NULL)
			field = mem_push(&ret->v, &ret->n, sizeof(*field));
		*(struct hba_token *)mem_push(&field->v, &field->n, sizeof(token)) = token;
		if (!comma)
			field = NULL;
	}
	buf_release(&joined);
}
