/*
 * json: how the documents of json.h are put together (json_int.h), and those that are only a list.
 */
#include <stdio.h>
#include <stdlib.h>

#include "core/buf.h"
#include "core/text.h"
#include "verbs/json.h"
#include "verbs/json_int.h"

json_t *
doc_words(const char *s)
{
	char *clean;
	json_t *j;

	if (s == NULL)
		return json_null();
	clean = text_clean_dup(s);
	j = json_string(clean);
	free(clean);
	return j == NULL ? json_null() : j;
}

json_t *
doc_lines(const char *s)
{
	struct buf b = { 0 };
	const char *end;
	json_t *j;

	for (; s != NULL && *s != '\0'; s = end + 1) {
		end = s;
		while (*end != '\0' && *end != '\n')
			end++;
		text_clean(&b, s, (size_t)(end - s));
		if (*end == '\0')
			break;
		(void)buf_putc(&b, '\n');
	}
	j = json_string(buf_str(&b));
	buf_release(&b);
	return j == NULL ? json_null() : j;
}

json_t *
doc_age(int64_t now_ms, int64_t at_ms)
{
	return at_ms == 0 ? json_null() : json_integer((json_int_t)((now_ms - at_ms) / 1000));
}

void
doc_print(json_t *doc)
{
	char *s = json_dumps(doc, JSON_INDENT(2) | JSON_PRESERVE_ORDER);

	if (s != NULL)
		(void)printf("%s\n", s);
	(void)fflush(stdout);
	free(s);
	json_decref(doc);
}

void
doc_put(json_t *o, const char *key, json_t *value)
{
	(void)json_object_set_new(o, key, value);
}

void
doc_add(json_t *a, json_t *value)
{
	(void)json_array_append_new(a, value);
}

void
json_explain(const struct engine *e, const struct explanations *all)
{
	json_t *doc = json_object(), *a = json_array(), *o;
	size_t i;

	for (i = 0; i < all->n; i++) {
		const struct explained *x = &all->v[i];
		const struct cause_row *row = x->cause == NO_CAUSE ? NULL : cause_row((enum cause)x->cause);

		o = json_object();
		doc_put(o, "of", doc_words(x->link != NONE ? "link" : x->endpoint != NONE ? "endpoint" : "host"));
		doc_put(o, "name", doc_words(explained_of(engine_fleet(e), x)));
		doc_put(o, "cause", doc_words(row == NULL ? NULL : row->name));
		doc_put(o, "sure", json_boolean(x->sure));
		doc_put(o, "what", doc_words(row == NULL ? NULL : row->what));
		doc_put(o, "because", doc_words(x->because));
		doc_put(o, "rests_on", doc_words(x->rests));
		doc_put(o, "fix", doc_words(row == NULL ? NULL : row->fix));
		doc_add(a, o);
	}
	doc_put(doc, "belay", json_string("explain/1"));
	doc_put(doc, "at_ms", json_integer((json_int_t)engine_now_ms(e)));
	doc_put(doc, "causes", a);
	doc_print(doc);
}

void
json_history(const struct engine *e)
{
	json_t *doc = json_object(), *a = json_array(), *o;
	const struct history_line *h;
	size_t i, n = engine_history(e, &h);

	for (i = 0; i < n; i++) {
		o = json_object();
		doc_put(o, "seq", json_integer((json_int_t)h[i].seq));
		doc_put(o, "at_ms", json_integer((json_int_t)h[i].at_ms));
		doc_put(o, "run", doc_words(h[i].run));
		doc_put(o, "kind", doc_words(h[i].kind));
		doc_put(o, "step", doc_words(h[i].step_id));
		doc_put(o, "op", doc_words(h[i].op_id));
		doc_put(o, "text", doc_words(h[i].text));
		doc_add(a, o);
	}
	doc_put(doc, "belay", json_string("history/1"));
	doc_put(doc, "entries", a);
	doc_print(doc);
}
