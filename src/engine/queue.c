/*
 * queue: see queue.h.
 */
#include "engine/queue.h"

#include <stddef.h>

void
queue_init(struct queue *q)
{
	q->first = NULL;
	q->last = &q->first;
}

void
queue_put(struct queue *q, struct queued *x)
{
	x->next = NULL;
	*q->last = x;
	q->last = &x->next;
}

void *
queue_take(struct queue *q)
{
	struct queued *x = q->first;

	if (x != NULL && (q->first = x->next) == NULL)
		q->last = &q->first;
	return x;
}
