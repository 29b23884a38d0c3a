/*
 * thread: see thread.h.
 *
 * Owns one uv_thread, one mutex with its condition, and one uv_async that
 * wakes the loop.  A task is in exactly one place: in `todo`, in the hands of
 * the thread, in `done`, or back with the loop.  The thread takes no signals: they
 * are the loop's.
 */
#include "engine/thread.h"

#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <uv.h>

#include "core/err.h"
#include "core/mem.h"
#include "engine/queue.h"

struct task {
	struct queued queued;
	void	(*work)(void *);
	void	(*done)(void *);
	void	*arg;
};

struct thread {
	uv_async_t async;
	uv_thread_t id;
	uv_mutex_t mutex;	/* over the queues and `stop` */
	uv_cond_t wake;		/* something to do, or the end */
	uv_cond_t ended;	/* something was done */
	struct queue todo, done;
	bool	 stop;
	size_t	 pending;	/* the loop's own */
};

static void
run(void *arg)
{
	struct thread *th = arg;
	struct task *t;

	uv_mutex_lock(&th->mutex);
	for (;;) {
		t = queue_take(&th->todo);
		if (t == NULL) {
			if (th->stop)
				break;
			uv_cond_wait(&th->wake, &th->mutex);
			continue;
		}
		uv_mutex_unlock(&th->mutex);
		t->work(t->arg);
		uv_mutex_lock(&th->mutex);
		queue_put(&th->done, &t->queued);
		uv_cond_signal(&th->ended);
		(void)uv_async_send(&th->async);
	}
	uv_mutex_unlock(&th->mutex);
}

/* Gives what is done back, one by one: a `done` may ask for more. */
static void
collect(struct thread *th)
{
	struct task *t;

	for (;;) {
		uv_mutex_lock(&th->mutex);
		t = queue_take(&th->done);
		uv_mutex_unlock(&th->mutex);
		if (t == NULL)
			return;
		if (--th->pending == 0)
			uv_unref((uv_handle_t *)&th->async);
		if (t->done != NULL)
			t->done(t->arg);
		free(t);
	}
}

static void
woken(uv_async_t *async)
{
	collect(async->data);
}

struct thread *
thread_new(struct uv_loop_s *loop, struct err *err)
{
	struct thread *th = mem_alloc(sizeof(*th));
	sigset_t all, was;
	int rc;

	queue_init(&th->todo);
	queue_init(&th->done);
	rc = uv_async_init(loop, &th->async, woken);
	if (rc != 0) {
		free(th);
		err_set(err, "cannot start a thread: %s", uv_strerror(rc));
		return NULL;
	}
	th->async.data = th;
	uv_unref((uv_handle_t *)&th->async);
	if (uv_mutex_init(&th->mutex) != 0 || uv_cond_init(&th->wake) != 0 ||
	    uv_cond_init(&th->ended) != 0)
		abort();
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_BLOCK, &all, &was);
	rc = uv_thread_create(&th->id, run, th);
	(void)pthread_sigmask(SIG_SETMASK, &was, NULL);
	if (rc != 0)
		abort();	/* only for want of memory or of a process slot, at the very start */
	return th;
}

static void
closed(uv_handle_t *handle)
{
	free(handle->data);
}

void
thread_free(struct thread *th)
{
	if (th == NULL)
		return;
	uv_mutex_lock(&th->mutex);
	th->stop = true;
	uv_cond_signal(&th->wake);
	uv_mutex_unlock(&th->mutex);
	(void)uv_thread_join(&th->id);
	/* What a `done` asks for now is carried out by thread_do() itself, and is collected here too. */
	collect(th);
	uv_cond_destroy(&th->wake);
	uv_cond_destroy(&th->ended);
	uv_mutex_destroy(&th->mutex);
	uv_close((uv_handle_t *)&th->async, closed);
}

void
thread_do(struct thread *th, void (*work)(void *), void (*done)(void *), void *arg)
{
	struct task *t = mem_alloc(sizeof(*t));

	t->work = work;
	t->done = done;
	t->arg = arg;
	if (th->pending++ == 0)
		uv_ref((uv_handle_t *)&th->async);
	uv_mutex_lock(&th->mutex);
	if (th->stop) {
		/* Only from a `done` inside thread_free(): carried out here and now, since it must be carried out. */
		uv_mutex_unlock(&th->mutex);
		work(arg);
		uv_mutex_lock(&th->mutex);
		queue_put(&th->done, &t->queued);
	} else {
		queue_put(&th->todo, &t->queued);
		uv_cond_signal(&th->wake);
	}
	uv_mutex_unlock(&th->mutex);
}

void
thread_drain(struct thread *th)
{
	while (th->pending > 0) {
		uv_mutex_lock(&th->mutex);
		while (th->done.first == NULL)
			uv_cond_wait(&th->ended, &th->mutex);
		uv_mutex_unlock(&th->mutex);
		collect(th);
	}
}

size_t
thread_pending(const struct thread *th)
{
	return th->pending;
}
