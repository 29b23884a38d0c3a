/*
 * queue: first in, first out, of what has a `struct queued` as its first
 * member.  Owns nothing: what stands in it is its owner's, and in one queue at most.
 */
#ifndef BELAY_ENGINE_QUEUE_H
#define BELAY_ENGINE_QUEUE_H

struct queued {
	struct queued *next;
};

struct queue {
	struct queued *first, **last;
};

void	queue_init(struct queue *);
void	queue_put(struct queue *, struct queued *);
void	*queue_take(struct queue *);	/* NULL: it is empty */

#endif
