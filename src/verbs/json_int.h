/*
 * json_int: what the documents of json.h are put together from; for json*.c only, which
 * alone know the JSON library by it.  What is made is the caller's until it is put or added.
 */
#ifndef BELAY_VERBS_JSON_INT_H
#define BELAY_VERBS_JSON_INT_H

#include <jansson.h>
#include <stdint.h>

#include "core/reading.h"

/* Cleaned; NULL: null. */
json_t	*doc_words(const char *);
/* Of several lines, whose ends stay; NULL: "". */
json_t	*doc_lines(const char *);
/* How many seconds ago; null: never. */
json_t	*doc_age(int64_t now_ms, int64_t at_ms);
json_t	*doc_certificate(const struct certificate *, int64_t now_ms);

void	 doc_put(json_t *object, const char *key, json_t *value);
void	 doc_add(json_t *array, json_t *value);
/* To standard output; takes it over. */
void	 doc_print(json_t *);

#endif
