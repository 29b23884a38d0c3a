/*
 * logins: see logins.h.
 *
 * Owns the book.  Invariant: no two entries are of the same person; the one that is
 * dropped when the book is full is the one that was seen on TLS the longest ago, and
 * where all are on plaintext the new one is not taken.
 */
#include "core/logins.h"

#include <stdlib.h>
#include <string.h>

#include "core/mem.h"

struct entry {
	char	*address, *user, *database, *application;
	bool	 tls, refused;
	uint32_t count;
	int64_t	 first_ms, last_ms;
};

struct login_book {
	struct entry *v;
	size_t	 n;
	bool	 full;		/* somebody had to be left out */
};

struct login_book *
login_book_new(void)
{
	return mem_alloc(sizeof(struct login_book));
}

static void
entry_release(struct entry *e)
{
	free(e->address);
	free(e->user);
	free(e->database);
	free(e->application);
}

void
login_book_free(struct login_book *b)
{
	size_t i;

	if (b == NULL)
		return;
	for (i = 0; i < b->n; i++)
		entry_release(&b->v[i]);
	free(b->v);
	free(b);
}

static bool
same(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static char *
short_dup(const char *s)
{
	size_t len = s == NULL ? 0 : strlen(s);

	return s == NULL ? NULL : mem_strndup(s, len < READING_SHORT_MAX ? len : READING_SHORT_MAX);
}

static struct entry *
room(struct login_book *b)
{
	struct entry *oldest = NULL;
	size_t i;

	if (b->n < LOGIN_BOOK_MAX)
		return mem_push(&b->v, &b->n, sizeof(*b->v));
	b->full = true;
	for (i = 0; i < b->n; i++)
		if (b->v[i].tls && (oldest == NULL || b->v[i].last_ms < oldest->last_ms))
			oldest = &b->v[i];
	if (oldest != NULL) {
		entry_release(oldest);
		memset(oldest, 0, sizeof(*oldest));
	}
	return oldest;
}

void
login_book_add(struct login_book *b, const struct login *l)
{
	struct entry *e;
	size_t i;

	for (i = 0; i < b->n; i++) {
		e = &b->v[i];
		if (e->tls == l->tls && e->refused == l->refused && same(e->address, l->address) &&
		    same(e->user, l->user) && same(e->database, l->database) && same(e->application, l->application)) {
			e->count += e->count < UINT32_MAX;
			if (l->at_ms > e->last_ms)
				e->last_ms = l->at_ms;
			if (l->at_ms < e->first_ms)
				e->first_ms = l->at_ms;
			return;
		}
	}
	if ((e = room(b)) == NULL)
		return;
	e->address = short_dup(l->address);
	e->user = short_dup(l->user);
	e->database = short_dup(l->database);
	e->application = short_dup(l->application);
	e->tls = l->tls;
	e->refused = l->refused;
	e->count = 1;
	e->first_ms = e->last_ms = l->at_ms;
}

static struct login_count *
row_of(struct logins *ret, int link)
{
	struct login_count *row;
	size_t i;

	for (i = 0; i < ret->nlinks; i++)
		if (ret->links[i].link == link)
			return &ret->links[i];
	row = mem_push(&ret->links, &ret->nlinks, sizeof(*row));
	row->link = link;
	return row;
}

static void
add_up(uint32_t *sum, uint32_t n)
{
	*sum = *sum > UINT32_MAX - n ? UINT32_MAX : *sum + n;
}

static void
later(int64_t *at, int64_t ms)
{
	if (ms > *at)
		*at = ms;
}

/* Was the same person seen on TLS since? */
static bool
moved(const struct login_book *b, const struct entry *e)
{
	const struct entry *o;
	size_t i;

	for (i = 0; i < b->n; i++) {
		o = &b->v[i];
		if (o->tls && !o->refused && o->last_ms > e->last_ms && same(o->address, e->address) &&
		    same(o->user, e->user) && same(o->database, e->database) && same(o->application, e->application))
			return true;
	}
	return false;
}

static void
put_row(struct login_count *row, const struct entry *e, bool still)
{
	if (e->refused) {
		add_up(&row->refused, e->count);
		later(&row->refused_ms, e->last_ms);
		return;
	}
	add_up(e->tls ? &row->tls : &row->plain, e->count);
	if (e->tls) {
		if (row->tls_first_ms == 0 || e->first_ms < row->tls_first_ms)
			row->tls_first_ms = e->first_ms;
		later(&row->tls_ms, e->last_ms);
	} else {
		if (row->plain_first_ms == 0 || e->first_ms < row->plain_first_ms)
			row->plain_first_ms = e->first_ms;
		later(&row->plain_ms, e->last_ms);
		if (still) {
			add_up(&row->still, 1);
			later(&row->still_ms, e->last_ms);
		}
	}
}

/* Room for one more name: plaintext before TLS, what is later before what is earlier. */
static struct login_seen *
name_room(struct logins *ret, const struct entry *e)
{
	struct login_seen *worst = NULL, *s;
	size_t i;

	if (ret->nwho < READING_WHO_MAX)
		return mem_push(&ret->who, &ret->nwho, sizeof(*ret->who));
	for (i = 0; i < ret->nwho; i++) {
		s = &ret->who[i];
		if (worst == NULL || s->tls > worst->tls || (s->tls == worst->tls && s->last_ms < worst->last_ms))
			worst = s;
	}
	if (e->tls > worst->tls || (e->tls == worst->tls && e->last_ms <= worst->last_ms))
		return NULL;
	free(worst->address);
	free(worst->user);
	free(worst->database);
	free(worst->application);
	memset(worst, 0, sizeof(*worst));
	return worst;
}

bool
login_book_tell(const struct login_book *b, const struct fleet *fleet, const struct host_addresses *known,
    int endpoint, struct logins *ret)
{
	struct login_seen *s;
	const struct entry *e;
	bool still;
	size_t i;
	int link;

	ret->undeclared.link = NONE;
	for (i = 0; i < b->n; i++) {
		struct seen_session session = { .age_s = -1 };

		e = &b->v[i];
		session.address = e->address;
		session.user = e->user;
		session.database = e->database;
		session.application = e->application;
		session.tls = e->tls;
		link = census_link(fleet, known, endpoint, &session);
		still = !e->tls && !e->refused && !moved(b, e);
		put_row(link == NONE ? &ret->undeclared : row_of(ret, link), e, still);
		if ((link != NONE && e->tls) || (s = name_room(ret, e)) == NULL)
			continue;
		s->link = link;
		s->tls = e->tls;
		s->refused = e->refused;
		s->still = still;
		s->address = short_dup(e->address);
		s->user = short_dup(e->user);
		s->database = short_dup(e->database);
		s->application = short_dup(e->application);
		s->count = e->count;
		s->first_ms = e->first_ms;
		s->last_ms = e->last_ms;
	}
	return !b->full;
}

const struct login_count *
logins_of(const struct logins *l, int link)
{
	size_t i;

	for (i = 0; i < l->nlinks; i++)
		if (l->links[i].link == link)
			return &l->links[i];
	return NULL;
}
