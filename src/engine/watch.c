/*
 * watch: which probes are due.  Owns the slots; each is one thing that is
 * looked at again and again, with at most one question out.
 *
 * A question that will not be answered (its worker died) makes its slot due
 * again after a moment; nothing is ever asked twice at once.
 */
#include <string.h>

#include <stdlib.h>

#include "core/mem.h"
#include "core/op.h"
#include "engine/engine_int.h"

#define CENSUS_EVERY_MS		2000
#define SERVED_EVERY_MS		30000
#define HOST_EVERY_MS		15000
#define SETTINGS_EVERY_MS	60000
#define DISK_EVERY_MS		60000
#define DEPTH_EVERY_MS		(INT64_C(6) * 3600 * 1000)	/* and where the certificate is another */
#define DEPTH_AFTER_MS		5000	/* not at the very start, when everything is asked */
#define REHEARSE_EVERY_MS	120000
#define PROBE_DEADLINE_MS	8000
#define DEPTH_DEADLINE_MS	20000
#define LOST_AGAIN_MS		1000
#define ON_DEMAND_STALE_MS	60000

static int64_t
every(const struct engine *e, enum reading_kind kind)
{
	switch (kind) {
	case READING_CENSUS:
		return e->options.census_every_ms > 0 ? e->options.census_every_ms : CENSUS_EVERY_MS;
	case READING_SERVED:
		return e->options.served_every_ms > 0 ? e->options.served_every_ms : SERVED_EVERY_MS;
	case READING_HOST:
		return e->options.host_every_ms > 0 ? e->options.host_every_ms : HOST_EVERY_MS;
	case READING_DISK:
		return DISK_EVERY_MS;
	case READING_DEPTH:
		return DEPTH_EVERY_MS;
	case READING_REHEARSAL:
		return REHEARSE_EVERY_MS;
	case READING_SETTINGS:
	case READING_CHECK:
		break;
	}
	return SETTINGS_EVERY_MS;
}

int64_t
engine_stale_ms(const struct engine *e, enum reading_kind kind)
{
	/* Looked at on demand: nothing was promised, and the age is shown; a host that is silent delays the others. */
	if (!e->options.probe)
		return ON_DEMAND_STALE_MS;
	/* Two misses and the time that a probe may take. */
	return 2 * every(e, kind) + PROBE_DEADLINE_MS;
}

static void
add(struct engine *e, enum reading_kind kind, int subject, bool hopeless)
{
	struct slot *s = mem_push(&e->slots, &e->nslots, sizeof(*e->slots));

	s->kind = kind;
	s->subject = subject;
	s->every_ms = every(e, kind);
	s->hopeless = hopeless;
}

void
watch_init(struct engine *e)
{
	const struct fleet *f = e->fleet;
	bool *files_on = mem_array(f->nhosts + 1, sizeof(*files_on));
	struct strings files = { 0 };
	size_t i;

	for (i = 0; i < f->nendpoints; i++) {
		const struct endpoint *ep = &f->endpoints[i];
		bool out = ep->not_yet != NULL || (ep->host == NONE && ep->via == NONE);

		add(e, READING_SERVED, (int)i, out || ep->cannot_see[SOURCE_SERVED] != NULL);
		add(e, READING_CENSUS, (int)i, out || ep->cannot_see[SOURCE_CENSUS] != NULL);
		add(e, READING_SETTINGS, (int)i, out || ep->cannot_see[SOURCE_CONFIGURED] != NULL);
		add(e, READING_DISK, (int)i, out || ep->cannot_see[SOURCE_CONFIGURED] != NULL || ep->host == NONE ||
		    ep->via != NONE || ep->managed != NULL);
		add(e, READING_DEPTH, (int)i, out || ep->cannot_see[SOURCE_SERVED] != NULL || ep->port_tls + ep->port_plain == 0 ||
		    (!e->options.probe && !e->options.deep));
		if (e->options.probe && !e->options.deep)
			e->slots[e->nslots - 1].due_ms = engine_now_ms(e) + DEPTH_AFTER_MS;
	}
	for (i = 0; i < f->nhosts; i++) {
		facets_files(&files, f, (int)i);
		if (files.n > 0)
			files_on[fleet_base(f, (int)i)] = true;
		strings_release(&files);
	}
	for (i = 0; i < f->nhosts; i++)
		add(e, READING_HOST, (int)i, !files_on[i]);
	for (i = 0; i < f->nlinks; i++)
		add(e, READING_REHEARSAL, (int)i, !link_rehearsable(f, (int)i));
	free(files_on);
}

/* What opens comes back to the loop, which looks again what is due. */
static bool
waits(const struct engine *e, const struct slot *s)
{
	return s->kind != READING_HOST && s->kind != READING_REHEARSAL && own_awaited(e, s->subject);
}

static void
ask(struct engine *e, struct slot *s, int64_t now_ms)
{
	if (s->kind == READING_REHEARSAL) {
		struct check c = { .kind = CHECK_REHEARSAL, .endpoint = NONE, .link = s->subject, .host = NONE,
			.accept = ACCEPT_UNKNOWN, .dial = DIAL_UNKNOWN, .trust = NONE, .cert = NONE };

		c.known = board_dial_known(e->board, s->subject);
		s->id = workers_check(e->workers, &c, link_host(e->fleet, &e->fleet->links[s->subject]), 0,
		    PROBE_DEADLINE_MS);
	} else
		s->id = workers_probe(e->workers, s->kind, s->subject, s->kind == READING_DEPTH ? DEPTH_DEADLINE_MS :
		    PROBE_DEADLINE_MS);
	s->asked_ms = now_ms;
	s->due_ms = now_ms + s->every_ms;
}

int64_t
watch_run(struct engine *e, int64_t now_ms)
{
	int64_t next = INT64_MAX;
	size_t i;

	for (i = 0; i < e->nslots; i++) {
		struct slot *s = &e->slots[i];

		if (s->hopeless || s->id != 0 || (!e->options.probe && s->due_ms == 0) || waits(e, s))
			continue;
		if (s->due_ms <= now_ms)
			ask(e, s, now_ms);
		else if (s->due_ms < next)
			next = s->due_ms;
	}
	return next;
}

bool
watch_answer(struct engine *e, uint64_t id)
{
	size_t i;

	for (i = 0; i < e->nslots; i++) {
		struct slot *s = &e->slots[i];

		if (s->id != id)
			continue;
		s->id = 0;
		s->answered_ms = s->asked_ms;
		if (!e->options.probe && s->due_ms > s->asked_ms)
			s->due_ms = 0;	/* looked at on demand only */
		return true;
	}
	return false;
}

/* The worker that was asked is gone: once more, in a moment. */
bool
watch_lost(struct engine *e, uint64_t id)
{
	size_t i;

	for (i = 0; i < e->nslots; i++)
		if (e->slots[i].id == id) {
			e->slots[i].id = 0;
			e->slots[i].due_ms = engine_now_ms(e) + LOST_AGAIN_MS;
			return true;
		}
	return false;
}

/* Somebody needs a reading that is not older than since_ms. */
void
watch_soon(struct engine *e, enum reading_kind kind, int subject, int64_t since_ms)
{
	size_t i;

	for (i = 0; i < e->nslots; i++) {
		struct slot *s = &e->slots[i];

		if (s->kind != kind || s->subject != subject || s->hopeless)
			continue;
		if (s->id != 0 && s->asked_ms >= since_ms)
			return;		/* on its way */
		s->due_ms = 1;		/* as soon as the one that is out is back */
		return;
	}
}

static bool
met_another(const struct reading *served, const char *sha256)
{
	return served->served.cert.sha256[0] != '\0' && strcmp(served->served.cert.sha256, sha256) != 0;
}

/* Another certificate is served than when its files and its ciphers were looked at. */
void
watch_served(struct engine *e, int endpoint)
{
	const struct reading *served = board_reading(e->board, READING_SERVED, endpoint);
	const struct reading *disk = board_reading(e->board, READING_DISK, endpoint);
	const struct reading *depth = board_reading(e->board, READING_DEPTH, endpoint);

	if (served != NULL && disk != NULL && disk->at_ms < served->at_ms && met_another(served, disk->disk.served_sha256))
		watch_soon(e, READING_DISK, endpoint, served->at_ms);
	if (served != NULL && depth != NULL && depth->at_ms < served->at_ms && met_another(served, depth->depth.sha256))
		watch_soon(e, READING_DEPTH, endpoint, served->at_ms);
}

void
watch_all_soon(struct engine *e)
{
	size_t i;

	for (i = 0; i < e->nslots; i++)
		e->slots[i].due_ms = 1;
}

int64_t
engine_sweep(struct engine *e)
{
	int64_t now_ms = engine_now_ms(e);

	watch_all_soon(e);
	engine_arm(e);
	return now_ms;
}

bool
engine_swept(const struct engine *e, int64_t since_ms)
{
	size_t i;

	for (i = 0; i < e->nslots; i++)
		if (!e->slots[i].hopeless && e->slots[i].answered_ms < since_ms)
			return false;
	return true;
}
