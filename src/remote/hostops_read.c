/*
 * hostops_read: what is written on a host: the files that facets are bound
 * to, and single variables that are secrets.  Changes nothing; one round
 * trip for all of a host's files.
 */
#include "remote/hostops.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/buf.h"
#include "core/envfile.h"
#include "core/err.h"
#include "core/hba_step.h"
#include "core/mem.h"
#include "core/peers.h"
#include "core/reader.h"
#include "remote/errand.h"
#include "remote/hostops_int.h"

static int64_t
wall_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* The item about path number n: "file N …", "absent N", "error N why". */
static const struct host_item *
about(const struct host_answer *a, size_t n)
{
	const char *const words[] = { "file", "absent", "error" };
	const struct host_item *item, *found = NULL;
	size_t i, k;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		for (k = 0; (item = host_item(a, words[i], k)) != NULL; k++)
			/* An error behind a file says that reading it broke off. */
			if (strtoul(item->rest, NULL, 10) == n)
				found = item;
	return found;
}

static const char *
words_of(const struct host_item *item)
{
	const char *blank = strchr(item->rest, ' ');

	return blank == NULL ? "cannot be read" : blank + 1;
}

struct lookup {
	const struct hostop *h;
};

static int
lookup(void *arg, const char *path, const char **ret, size_t *ret_len, const char **ret_why)
{
	const struct lookup *l = arg;
	const struct host_item *item = NULL;
	size_t i, p;

	for (p = 0; p < l->h->nplaces; p++) {
		const struct place *place = &l->h->places[p];

		for (i = 0; i < place->paths.n && strcmp(place->paths.v[i], path) != 0; i++)
			;
		if (i < place->paths.n) {
			if (place->why != NULL) {
				*ret_why = place->why;
				return -1;
			}
			item = about(&place->answer, i);
			break;
		}
	}
	if (item == NULL) {
		*ret_why = "not read";
		return -1;
	}
	if (strcmp(item->word, "error") == 0) {
		*ret_why = words_of(item);
		return -1;
	}
	if (strcmp(item->word, "file") == 0 && item->len > HOST_FILE_MAX) {
		*ret_why = "too large";
		return -1;
	}
	*ret = strcmp(item->word, "file") == 0 ? item->data : NULL;
	*ret_len = *ret == NULL ? 0 : item->len;
	return 0;
}

static const char *
ca_of(void *arg, int cert, size_t *ret_len)
{
	const struct lookup *l = arg;
	const struct ca *ca = &l->h->set->cas[cert];

	*ret_len = ca->len;
	return ca->pem;
}

static void
give(struct hostop *h, struct reading *r)
{
	hostop_read *read = h->read;
	void *arg = h->arg;

	r->kind = READING_HOST;
	r->subject = h->host;
	r->at_ms = wall_ms();
	r->took_ms = (int64_t)uv_now(h->set->c.loop) - h->began;
	hostop_drop(h);
	read(arg, r);
}

static void read_next(struct hostop *);

static void
read_done(void *arg, enum hostcall_end end, const struct host_answer *a, const struct err *why)
{
	struct hostop *h = arg;
	struct place *place = &h->places[h->at_place];
	const char *words;

	if (end != HOSTCALL_ANSWERED)
		place->why = mem_strdup(why == NULL ? "the host did not answer" : why->msg);
	else if (!host_outcome_is(a, "ok", NULL))
		place->why = mem_strdup(host_outcome_is(a, "fail", &words) ? words : "malformed answer");
	else
		host_answer_keep(&place->answer, a);
	h->at_place++;
	read_next(h);
}

/* The files are what was asked for; what else the host tells is left out where it does not come in time. */
#define PEERS_DEADLINE_MS	3000

static void
peers_came(void *arg, struct errand_result *result)
{
	struct hostop *h = arg;
	struct reading r = h->reading;

	memset(&h->reading, 0, sizeof(h->reading));
	h->errand = NULL;
	if (result->ended && result->status == 0 && !result->out->over) {
		peers_read(&r, buf_str(result->out), result->out->len, wall_ms() / 1000);
		environ_read(&r, h->set->c.fleet, &h->environ, buf_str(result->out));
	}
	give(h, &r);
}

static void
ask_peers(struct hostop *h, struct reading *r)
{
	int64_t left = h->due - (int64_t)uv_now(h->set->c.loop) - 500;
	struct buf command;

	buf_init(&command, 0);
	if (left > 0 && peers_command(h->set->c.fleet, h->host, &command)) {
		environ_command(&command, PEERS_PIDS, &h->environ);
		h->reading = *r;
		h->errand = errand_run(h->set->c.session(h->set->c.arg, h->host), buf_str(&command), PEERS_BYTES_MAX,
		    left < PEERS_DEADLINE_MS ? left : PEERS_DEADLINE_MS, peers_came, h);
	} else
		give(h, r);
	buf_release(&command);
}

static void
read_all(struct hostop *h)
{
	struct lookup l = { h };
	struct reading r;

	memset(&r, 0, sizeof(r));
	h->host = h->places[0].host;
	if (h->files != NULL) {
		h->files(h->arg, lookup, &l, h->places[0].why);
		hostop_drop(h);
		return;
	}
	/* Where the host itself does not answer nothing was seen; a user who cannot be become is his files alone. */
	if (h->places[0].why != NULL) {
		r.outcome = SAW_NOT;
		r.why = mem_strdup(h->places[0].why);
	} else {
		r.outcome = SAW;
		facets_seen(&r, h->set->c.fleet, h->host, lookup, ca_of, &l);
		strings_seen(&r, h->set->c.fleet, h->host, lookup, &l);
		hba_step_seen(&r, h->set->c.fleet, h->host, lookup, &l);
		environ_written(&h->environ, h->set->c.fleet, h->host, lookup, &l);
		ask_peers(h, &r);
		return;
	}
	give(h, &r);
}

/* Each user reads what edits are made as him. */
static void
read_next(struct hostop *h)
{
	static const struct hostcall_events events = { .done = read_done };
	struct place *place;
	struct buf *q;
	struct err err;
	size_t i;
	int rc = 0;

	for (; h->at_place < h->nplaces; h->at_place++) {
		place = &h->places[h->at_place];
		h->host = place->host;
		q = hostop_request(h);
		for (i = 0; i < place->paths.n && rc == 0; i++)
			rc = hostop_path(h, q, place->paths.v[i], &err);
		if (rc == 0) {
			hostop_call(h, "read", NULL, NULL, 0, &events);
			return;
		}
		place->why = mem_strdup(err.msg);
		hostcall_release(&h->call);
	}
	read_all(h);
}

static void
begin_read(uv_timer_t *timer)
{
	struct hostop *h = timer->data;
	const struct fleet *f = h->set->c.fleet;
	struct place place;
	size_t i;

	h->began = (int64_t)uv_now(h->set->c.loop);
	for (i = 0; i < f->nhosts; i++) {
		if (fleet_base(f, (int)i) != h->host)
			continue;
		memset(&place, 0, sizeof(place));
		place.host = (int)i;
		facets_files(&place.paths, f, (int)i);
		/* The host first; it is asked whether or not there is a file of its own. */
		*(struct place *)mem_push(&h->places, &h->nplaces, sizeof(place)) = place;
	}
	read_next(h);
}

void
hostop_free_places(struct hostop *h)
{
	size_t i;

	for (i = 0; i < h->nplaces; i++) {
		strings_release(&h->places[i].paths);
		host_answer_release(&h->places[i].answer);
		free(h->places[i].why);
	}
	free(h->places);
	environ_release(&h->environ);
}

struct hostop *
hostops_read(struct hostops *set, int host, int64_t deadline_ms, hostop_read *read, void *arg)
{
	struct hostop *h = hostop_new(set, host, deadline_ms, arg);

	h->read = read;
	hostop_later(h, begin_read);
	return h;
}

struct hostop *
hostops_files(struct hostops *set, int host, int64_t deadline_ms, hostop_files *files, void *arg)
{
	struct hostop *h = hostop_new(set, host, deadline_ms, arg);

	h->files = files;
	hostop_later(h, begin_read);
	return h;
}

const char *
hostops_ca_of(const struct hostops *set, int cert, size_t *ret_len)
{
	*ret_len = set->cas[cert].len;
	return set->cas[cert].pem;
}

/* ------------------------------------------------------------------ secrets */

static void
tell(struct hostop *h, const char *value, size_t len, const char *why)
{
	hostop_secret *secret = h->secret;
	void *arg = h->arg;

	hostop_drop(h);
	secret(arg, value, len, why);
}

static void
secret_done(void *arg, enum hostcall_end end, const struct host_answer *a, const struct err *why)
{
	struct hostop *h = arg;
	const struct secret *s = &h->set->c.fleet->secrets[h->which];
	const struct host_item *item;
	struct buf value;
	char words[512];

	item = end == HOSTCALL_ANSWERED ? about(a, 0) : NULL;
	buf_init(&value, OP_VALUE_MAX);
	value.secret = true;
	if (end != HOSTCALL_ANSWERED)
		(void)snprintf(words, sizeof(words), "%.500s", why == NULL ? "no answer" : why->msg);
	else if (item == NULL)
		(void)snprintf(words, sizeof(words), "%.500s", host_outcome(a));
	else if (strcmp(item->word, "error") == 0)
		(void)snprintf(words, sizeof(words), "'%.300s': %.180s", s->file, words_of(item));
	else if (strcmp(item->word, "absent") == 0)
		(void)snprintf(words, sizeof(words), "'%.300s' does not exist", s->file);
	else if (!envfile_get(item->data, item->len, s->key, &value))
		(void)snprintf(words, sizeof(words), "'%.300s' does not set '%.100s'", s->file, s->key);
	else {
		tell(h, buf_str(&value), value.len, NULL);
		buf_release(&value);
		return;
	}
	buf_release(&value);
	tell(h, NULL, 0, words);
}

static void
begin_secret(uv_timer_t *timer)
{
	static const struct hostcall_events events = { .done = secret_done };
	struct hostop *h = timer->data;
	const struct secret *s = &h->set->c.fleet->secrets[h->which];
	struct buf *q;
	struct err err;

	q = hostop_request(h);
	if (host_header(q, "path", s->file, &err) != 0)
		tell(h, NULL, 0, err.msg);
	else
		hostop_call(h, "read", NULL, NULL, 0, &events);
}

struct hostop *
hostops_secret(struct hostops *set, int secret, int64_t deadline_ms, hostop_secret *done, void *arg)
{
	struct hostop *h = hostop_new(set, set->c.fleet->secrets[secret].host, deadline_ms, arg);

	h->which = secret;
	h->secret = done;
	hostop_later(h, begin_secret);
	return h;
}
