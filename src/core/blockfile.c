/*
 * blockfile: see blockfile.h.
 *
 * A text is read as lines; a block is a range of them.  Several blocks of one
 * edit are put in one after the other, each into what the last one left.
 */
#include "core/blockfile.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/diff.h"
#include "core/err.h"
#include "core/hba.h"
#include "core/keyfile.h"
#include "core/mem.h"

#define BEGIN	"# BEGIN belay "
#define END	"# END belay "

bool
blockfile_name_valid(const char *name)
{
	return name[0] != '\0' && strlen(name) <= 100 && name[strspn(name,
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")] == '\0';
}

bool
blockfile_content_valid(const char *content)
{
	size_t len = strlen(content);

	return strchr(content, '\r') == NULL && strstr(content, BEGIN) == NULL &&
	    strstr(content, END) == NULL && (len == 0 || content[len - 1] == '\n');
}

static size_t
bare_len(const struct line *line)
{
	size_t len = line->len;

	if (len > 0 && line->p[len - 1] == '\n')
		len--;
	if (len > 0 && line->p[len - 1] == '\r')
		len--;
	return len;
}

static bool
starts(const struct line *line, const char *with)
{
	return line->len >= strlen(with) && memcmp(line->p, with, strlen(with)) == 0;
}

static bool
marks(const char *p, size_t len, const char *mark, const char *name)
{
	size_t mark_len = strlen(mark), name_len = strlen(name);

	while (len > 0 && (p[len - 1] == ' ' || p[len - 1] == '\t'))
		len--;
	return len == mark_len + name_len && memcmp(p, mark, mark_len) == 0 &&
	    memcmp(p + mark_len, name, name_len) == 0;
}

bool
blockfile_is_marker(const char *line, size_t len_bytes, const char *name)
{
	return marks(line, len_bytes, BEGIN, name) || marks(line, len_bytes, END, name);
}

struct block {
	bool	 there;
	size_t	 begin, end;	/* lines of the markers */
};

static int
torn(const char *name, size_t line, const char *what, struct err *err)
{
	return err_set(err, "line %zu: the block '%s' %s; put it right by hand first", line + 1, name, what);
}

static int
find(const struct lines *lines, const char *name, struct block *ret, struct err *err)
{
	size_t i, begin = SIZE_MAX;

	memset(ret, 0, sizeof(*ret));
	for (i = 0; i < lines->n; i++) {
		const struct line *line = &lines->v[i];

		if (marks(line->p, bare_len(line), BEGIN, name)) {
			if (begin != SIZE_MAX || ret->there)
				return torn(name, i, "begins a second time", err);
			begin = i;
		} else if (marks(line->p, bare_len(line), END, name)) {
			if (begin == SIZE_MAX)
				return torn(name, i, ret->there ? "ends a second time" :
				    "ends without a beginning", err);
			ret->there = true;
			ret->begin = begin;
			ret->end = i;
			begin = SIZE_MAX;
		} else if (begin != SIZE_MAX && (starts(line, BEGIN) || starts(line, END)))
			return torn(name, i, "has another one's marker in it", err);
	}
	return begin == SIZE_MAX ? 0 : torn(name, begin, "has no end", err);
}

static void
put_content(const struct lines *lines, const struct block *b, struct buf *out)
{
	size_t i;

	for (i = b->begin + 1; i < b->end; i++) {
		(void)buf_put(out, lines->v[i].p, bare_len(&lines->v[i]));
		(void)buf_putc(out, '\n');
	}
}

static bool
has_content(const struct lines *lines, const struct block *b, const char *content)
{
	struct buf is;
	bool same;

	buf_init(&is, 0);
	is.secret = true;
	put_content(lines, b, &is);
	same = is.len == strlen(content) && memcmp(buf_str(&is), content, is.len) == 0;
	buf_release(&is);
	return same;
}

bool
blockfile_get(const char *text, size_t len_bytes, const char *name, struct buf *out)
{
	struct lines lines;
	struct block b;
	struct err ignored;
	bool there;

	lines_split(&lines, text, len_bytes);
	there = find(&lines, name, &b, &ignored) == 0 && b.there;
	if (there && out != NULL)
		put_content(&lines, &b, out);
	lines_release(&lines);
	return there;
}

/* ------------------------------------------------------------------ placing */

static bool
goes_on(const struct line *line)
{
	size_t len = bare_len(line);

	return len > 0 && line->p[len - 1] == '\\';
}

/* The beginning of the block of somebody else's that line i stands in, or i. */
static size_t
outside(const struct lines *lines, size_t i)
{
	size_t begin = i, k;

	while (begin > 0 && !starts(&lines->v[begin], "# BEGIN ")) {
		if (starts(&lines->v[begin], "# END ") && begin != i)
			return i;
		begin--;
	}
	if (begin == i || !starts(&lines->v[begin], "# BEGIN "))
		return i;
	for (k = i; k < lines->n; k++)
		if (starts(&lines->v[k], "# END "))
			return begin;
	return i;
}

/* The last line of a block of ours that begins at line i, or i. */
static size_t
passed(const struct lines *lines, size_t i, const struct pairs *ours)
{
	const struct line *line = &lines->v[i];
	struct block b;
	struct err ignored;
	size_t k;

	for (k = 0; starts(line, BEGIN) && k < ours->n; k++)
		if (marks(line->p, bare_len(line), BEGIN, ours->v[k].key) &&
		    find(lines, ours->v[k].key, &b, &ignored) == 0)
			return b.end;
	return i;
}

/*
 * The line before which the content belongs.  Blocks of the same edit are passed
 * over: they keep their order among each other.
 */
static size_t
place(enum block_place how, const struct lines *lines, const char *content, const struct pairs *ours)
{
	size_t i, last, len = strlen(content);
	const char *p;

	for (i = 0; how == BLOCK_HBA && i < lines->n; i = last + 1) {
		if ((last = passed(lines, i, ours)) > i)
			continue;
		while (last + 1 < lines->n && goes_on(&lines->v[last]) &&
		    !starts(&lines->v[last + 1], BEGIN))
			last++;
		p = lines->v[i].p;
		if (hba_could_decide(p, (size_t)(lines->v[last].p - p) + bare_len(&lines->v[last]),
		    content, len))
			return outside(lines, i);
	}
	return lines->n;
}

/* ------------------------------------------------------------------ writing */

static void
end_line(struct buf *out, size_t start, const char *eol)
{
	if (out->len > start && out->data[out->len - 1] != '\n')
		(void)buf_puts(out, eol);
}

static void
put_lines(struct buf *out, const struct lines *lines, size_t from, size_t to)
{
	for (; from < to; from++)
		(void)buf_put(out, lines->v[from].p, lines->v[from].len);
}

static void
put_block(struct buf *out, const char *name, const char *content, const char *eol)
{
	const char *p, *nl;

	(void)buf_printf(out, BEGIN "%s%s", name, eol);
	for (p = content; (nl = strchr(p, '\n')) != NULL; p = nl + 1) {
		(void)buf_put(out, p, (size_t)(nl - p));
		(void)buf_puts(out, eol);
	}
	(void)buf_printf(out, END "%s%s", name, eol);
}

/* The content of a block that stays where it is. */
static void
put_in_place(struct buf *out, const struct lines *lines, const struct block *b, const char *content,
    const char *eol)
{
	const char *p, *nl;

	put_lines(out, lines, 0, b->begin + 1);
	for (p = content; (nl = strchr(p, '\n')) != NULL; p = nl + 1) {
		(void)buf_put(out, p, (size_t)(nl - p));
		(void)buf_puts(out, eol);
	}
	put_lines(out, lines, b->end, lines->n);
}

static int
set_one(enum block_place how, struct buf *out, const char *text, size_t len,
    const struct pairs *set, size_t which, struct err *err)
{
	const char *name = set->v[which].key, *content = set->v[which].value;
	const char *eol = keyfile_eol(text, len);
	struct lines lines;
	struct block b;
	size_t at, start = out->len;
	int ret = -1;

	lines_split(&lines, text, len);
	if (find(&lines, name, &b, err) != 0)
		goto done;
	at = place(how, &lines, content, set);
	ret = 0;
	if (b.there && at > b.begin) {
		if (has_content(&lines, &b, content))
			(void)buf_put(out, text, len);
		else
			put_in_place(out, &lines, &b, content, eol);
		goto done;
	}
	if (at == lines.n && lines.n > 0 && goes_on(&lines.v[lines.n - 1])) {
		ret = err_set(err, "line %zu ends in a backslash, so that it goes on in what would be "
		    "put behind it", lines.n);
		goto done;
	}
	put_lines(out, &lines, 0, at);
	end_line(out, start, eol);
	put_block(out, name, content, eol);
	if (b.there) {
		put_lines(out, &lines, at, b.begin);
		put_lines(out, &lines, b.end + 1, lines.n);
	} else
		put_lines(out, &lines, at, lines.n);
done:
	lines_release(&lines);
	return ret;
}

static int
unset_one(struct buf *out, const char *text, size_t len, const char *name, struct err *err)
{
	struct lines lines;
	struct block b;
	int ret;

	lines_split(&lines, text, len);
	if ((ret = find(&lines, name, &b, err)) == 0) {
		put_lines(out, &lines, 0, b.there ? b.begin : lines.n);
		if (b.there)
			put_lines(out, &lines, b.end + 1, lines.n);
	}
	lines_release(&lines);
	return ret;
}

/* What was made becomes what is worked on. */
static void
take_over(struct buf *from, struct buf *to)
{
	struct buf was = *to;

	*to = *from;
	*from = was;
	buf_clear(from);
}

static void
buf_begin(struct buf *b, const char *text, size_t len)
{
	buf_init(b, 0);
	b->secret = true;
	(void)buf_put(b, text, len);
}

int
blockfile_edit(enum block_place how, struct buf *out, const char *text, size_t len_bytes,
    const struct pairs *set, const struct strings *unset, struct err *err)
{
	struct buf is, next;
	size_t i;
	int ret = 0;

	buf_begin(&is, text, len_bytes);
	buf_begin(&next, "", 0);
	for (i = 0; ret == 0 && i < unset->n; i++)
		if ((ret = unset_one(&next, buf_str(&is), is.len, unset->v[i], err)) == 0)
			take_over(&next, &is);
	for (i = 0; ret == 0 && i < set->n; i++)
		if ((ret = set_one(how, &next, buf_str(&is), is.len, set, i, err)) == 0)
			take_over(&next, &is);
	if (ret == 0)
		(void)buf_put(out, buf_str(&is), is.len);
	buf_release(&is);
	buf_release(&next);
	return ret;
}

/* ------------------------------------------------------------------ the way back */

/* The lines but those of the block; the ends of lines are not theirs. */
static void
others(const struct lines *lines, const struct block *b, struct lines *ret)
{
	size_t i;

	ret->v = mem_array(lines->n, sizeof(*ret->v));
	ret->n = 0;
	for (i = 0; i < lines->n; i++) {
		if (b->there && i >= b->begin && i <= b->end)
			continue;
		ret->v[ret->n].p = lines->v[i].p;
		ret->v[ret->n++].len = bare_len(&lines->v[i]);
	}
}

/* Where in now's other lines the block of before belongs: behind what stood above it. */
static size_t
beside(const struct lines *before, const struct block *b, const struct lines *now,
    const struct block *n)
{
	struct lines x, y;
	size_t at = 0, i;
	int *map;

	others(before, b, &x);
	others(now, n, &y);
	map = mem_array(x.n, sizeof(*map));
	diff_align(&x, &y, map);
	for (i = b->begin; i-- > 0;)
		if (map[i] >= 0) {
			at = (size_t)map[i] + 1;
			break;
		}
	free(map);
	free(x.v);
	free(y.v);
	return at;
}

/* now with the block of before in it, as it stood there. */
static void
put_back(struct buf *out, const struct lines *before, const struct block *b,
    const struct lines *now, const struct block *n, const char *eol)
{
	size_t at = beside(before, b, now, n), i, k = 0, start = out->len;

	for (i = 0; i <= now->n; i++) {
		if (n->there && i >= n->begin && i <= n->end)
			continue;
		if (k++ == at) {
			end_line(out, start, eol);
			put_lines(out, before, b->begin, b->end + 1);
		}
		if (i < now->n) {
			end_line(out, start, eol);
			(void)buf_put(out, now->v[i].p, now->v[i].len);
		}
	}
}

static bool
same_content(const struct lines *x, const struct block *a, const struct lines *y,
    const struct block *b)
{
	struct buf content;
	bool same;

	buf_init(&content, 0);
	content.secret = true;
	put_content(x, a, &content);
	(void)buf_puts(&content, "");
	same = has_content(y, b, buf_str(&content));
	buf_release(&content);
	return same;
}

struct three {			/* before, after us, now */
	struct lines before, after, now;
	struct block b, a, n;
};

/* Makes of now what it was before, for one block.  False: drift. */
static bool
restore_one(struct buf *out, const struct three *t, const char *now, size_t now_len,
    const char *value, const char *eol)
{
	if (t->b.there ? t->n.there && same_content(&t->before, &t->b, &t->now, &t->n) &&
	    !(value != NULL && t->a.there && t->a.begin != t->b.begin) : !t->n.there) {
		(void)buf_put(out, now, now_len);	/* as before */
		return true;
	}
	if (value != NULL && t->b.there && has_content(&t->before, &t->b, value) &&
	    t->a.there && t->a.begin == t->b.begin) {
		(void)buf_put(out, now, now_len);	/* we changed nothing */
		return true;
	}
	if (value == NULL) {
		if (t->n.there && t->b.there)
			return false;
		if (!t->b.there)		/* not ours, then and now */
			(void)buf_put(out, now, now_len);
		else
			put_back(out, &t->before, &t->b, &t->now, &t->n, eol);
		return true;
	}
	if (!t->n.there || !has_content(&t->now, &t->n, value))
		return false;
	if (!t->b.there) {
		put_lines(out, &t->now, 0, t->n.begin);
		put_lines(out, &t->now, t->n.end + 1, t->now.n);
	} else if (t->a.there && t->a.begin != t->b.begin) {
		put_back(out, &t->before, &t->b, &t->now, &t->n, eol);	/* we had moved it */
	} else {
		put_lines(out, &t->now, 0, t->n.begin + 1);
		put_lines(out, &t->before, t->b.begin + 1, t->b.end);
		put_lines(out, &t->now, t->n.end, t->now.n);
	}
	return true;
}

static bool
restore_name(struct buf *is, const char *before, size_t before_len, const struct buf *after,
    const char *name, const char *value)
{
	struct three t;
	struct buf next;
	struct err ignored;
	bool good;

	lines_split(&t.before, before, before_len);
	lines_split(&t.after, buf_str(after), after->len);
	lines_split(&t.now, buf_str(is), is->len);
	buf_begin(&next, "", 0);
	good = find(&t.before, name, &t.b, &ignored) == 0 &&
	    find(&t.after, name, &t.a, &ignored) == 0 && find(&t.now, name, &t.n, &ignored) == 0 &&
	    restore_one(&next, &t, buf_str(is), is->len, value, keyfile_eol(before, before_len));
	lines_release(&t.before);
	lines_release(&t.after);
	lines_release(&t.now);
	if (good)
		take_over(&next, is);
	buf_release(&next);
	return good;
}

/* A last line that had no end, and was given one by us, has none if it is the last again. */
static void
strip_end(struct buf *is, const char *before, size_t before_len)
{
	const char *nl = NULL, *p;
	size_t eol, len;

	if (before_len == 0 || before[before_len - 1] == '\n' || is->len == 0 ||
	    is->data[is->len - 1] != '\n')
		return;
	for (p = before; p < before + before_len; p++)
		if (*p == '\n')
			nl = p;
	p = nl == NULL ? before : nl + 1;
	len = (size_t)(before + before_len - p);
	eol = is->len > 1 && is->data[is->len - 2] == '\r' ? 2 : 1;
	if (is->len < len + eol || memcmp(is->data + is->len - eol - len, p, len) != 0)
		return;
	is->len -= eol;
	is->data[is->len] = '\0';
}

size_t
blockfile_restore(enum block_place how, struct buf *out, const char *before, size_t before_len,
    const struct pairs *set, const struct strings *unset, const char *now, size_t now_len,
    struct strings *ret_drift)
{
	struct buf after, is;
	struct err ignored;
	const char *name;
	size_t i, drifted = 0;
	bool ours;

	buf_begin(&after, "", 0);
	ours = blockfile_edit(how, &after, before, before_len, set, unset, &ignored) == 0 &&
	    after.len == now_len && memcmp(buf_str(&after), now, now_len) == 0;
	if (ours) {
		(void)buf_put(out, before, before_len);
		buf_release(&after);
		return 0;
	}
	buf_begin(&is, now, now_len);
	for (i = 0; i < set->n + unset->n; i++) {
		name = i < set->n ? set->v[i].key : unset->v[i - set->n];
		if (restore_name(&is, before, before_len, &after, name,
		    i < set->n ? set->v[i].value : NULL))
			continue;
		*(char **)mem_push(&ret_drift->v, &ret_drift->n, sizeof(char *)) = mem_strdup(name);
		drifted++;
	}
	if (drifted == 0) {
		strip_end(&is, before, before_len);
		(void)buf_put(out, buf_str(&is), is.len);
	}
	buf_release(&is);
	buf_release(&after);
	return drifted;
}
