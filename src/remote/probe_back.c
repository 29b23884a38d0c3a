/*
 * probe_back: does an endpoint answer (again)?  Asked of a server that was
 * just restarted, again and again by whoever asks; gives no reading.
 *
 * What counts is an answer in its own protocol, whatever it says: a start-up
 * packet that is asked for a password or turned away by a rule, PONG or NOAUTH.
 * "Starting up" and "loading" do not count; this is what pg_isready(1) takes for an answer.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "remote/probe_int.h"

struct back {
	struct spot *spot;
	struct look *look;
	int64_t	 deadline_ms;
	bool	 tls;		/* the way that is looked at now */
	char	 why[ERR_MAX];
	probe_back_done *done;
	void	*arg;
};

static void looked(void *, struct look *);

static void
look_at(struct back *b, bool tls)
{
	b->tls = tls;
	b->look = look_new(b->spot, tls, b->deadline_ms, looked, b);
}

static void
looked(void *arg, struct look *l)
{
	struct back *b = arg;
	bool answers = l->answered;
	probe_back_done *done = b->done;
	char why[ERR_MAX];

	b->look = NULL;
	/* Of two ways the first that says something is told. */
	if (!answers && b->why[0] == '\0')
		(void)snprintf(b->why, sizeof(b->why), "%s", l->why[0] == '\0' ? "no answer" : l->why);
	look_free(l);
	if (!answers && !b->tls && spot_endpoint(b->spot)->kind == KIND_REDIS && spot_port(b->spot, true) != 0) {
		look_at(b, true);
		return;
	}
	arg = b->arg;
	memcpy(why, b->why, sizeof(why));
	free(b);
	done(arg, answers, why);
}

struct back *
probe_back(struct probes *set, int endpoint, int64_t deadline_ms, probe_back_done *done, void *arg)
{
	struct back *b = mem_alloc(sizeof(*b));

	b->spot = &set->spots[endpoint];
	b->deadline_ms = deadline_ms;
	b->done = done;
	b->arg = arg;
	look_at(b, spot_port(b->spot, false) == 0);
	return b;
}

void
probe_back_cancel(struct back *b)
{
	if (b == NULL)
		return;
	look_free(b->look);
	free(b);
}
