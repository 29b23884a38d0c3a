/*
 * loginwatch: see loginwatch.h.
 *
 * Owns the book of who logged in, and one of: the follow of a file, a command that runs
 * now and then, nothing (the endpoint's own follow is listened to).  Invariant:
 * whoever logged in between from_ms and now is in the book, or `why` says what is missing.
 */
#include "remote/loginwatch.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/buf.h"
#include "core/complaints.h"
#include "core/logins.h"
#include "core/logtime.h"
#include "core/mem.h"
#include "core/text.h"
#include "remote/errand.h"
#include "remote/follow.h"
#include "remote/pq.h"
#include "remote/probe_int.h"
#include "remote/session.h"

#define LOOK_DEADLINE_MS	20000
#define AGAIN_MS		5000
#define BACK_MS_MIN		(INT64_C(10) * 60 * 1000)
#define BACK_MS_MAX		(INT64_C(24) * 3600 * 1000)
#define OVERLAP_MS		2000
#define LINES_KNOWN		4096	/* of what a command with $(since) printed the last times */

struct loginwatch {
	struct spot *spot;
	struct loginlog *log;
	struct complaints *complaints;
	struct login_book *book;
	int64_t	 from_ms;	/* INT64_MAX: nothing was read yet */
	char	*why;		/* what keeps it from reading, or NULL */
	struct follow *file;	/* what is written to a file from now on */
	bool	 again;		/* that follow was started anew: the file has to be looked at again */
	struct errand *errand;	/* that looks at the file, or asks the command */
	int64_t	 due_ms;	/* when to look at the file, or ask the command, again */
	int64_t	 asked_ms, since_ms;
	uint64_t *known;	/* hashes of lines that were read */
	size_t	 nknown, next_known;
};

static int64_t
wall_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Some of it came. */
static void
feed(struct loginwatch *w, const char *text, size_t len, int64_t at_ms)
{
	complaints_feed(w->complaints, text, len, at_ms);
	if (w->log != NULL)
		loginlog_feed(w->log, text, len, at_ms);
}

/* Something is missing here. */
static void
skip(struct loginwatch *w)
{
	complaints_gap(w->complaints);
	if (w->log != NULL)
		loginlog_gap(w->log);
}

/* A Redis tells no logins. */
static struct loginlog *
new_log(struct loginwatch *w, loginlog_found *found)
{
	return w->spot->set->c.fleet->endpoints[w->spot->endpoint].kind == KIND_REDIS ? NULL :
	    loginlog_new(w->spot->set->c.fleet->endpoints[w->spot->endpoint].kind, found, w);
}

static bool
is_word(const char *a, const char *b)
{
	return a != NULL && b != NULL && strcmp(a, b) == 0;
}

/* Belay's own are no client's. */
static bool
ours(const struct endpoint *ep, const struct login *l)
{
	bool probe = is_word(l->user, ep->probe_user), admin = is_word(l->user, ep->admin_user);

	if (ep->kind == KIND_PGBOUNCER || l->refused)
		return probe;
	return (probe || admin) && (is_word(l->application, PQ_APPLICATION) || is_word(l->application, PQ_REHEARSAL));
}

static void
found(void *arg, const struct login *l)
{
	struct loginwatch *w = arg;

	if (!ours(spot_endpoint(w->spot), l))
		login_book_add(w->book, l);
}

static void
say_why(struct loginwatch *w, const char *why)
{
	free(w->why);
	w->why = why == NULL ? NULL : mem_strdup(why);
}

/* ---- a command that follows ---- */

static void
heard(void *arg, bool gap, int64_t at_ms, const char *text, size_t len)
{
	struct loginwatch *w = arg;

	if (gap && w->file != NULL)
		w->again = true;	/* it prints from where it began: all of it a second time */
	if (w->again)
		return;
	if (gap)
		skip(w);
	feed(w, text, len, at_ms);
}

/* ---- errands ---- */

static void	look_ended(struct loginwatch *, struct buf *);

static void
came_back(void *arg, struct errand_result *r)
{
	struct loginwatch *w = arg;
	char line[256], *why;

	w->errand = NULL;
	w->due_ms = wall_ms() + AGAIN_MS;
	if (!r->ended)
		say_why(w, r->why);
	else if (r->status != 0) {
		why = mem_printf("the log cannot be read: %s", errand_first_line(r, line, sizeof(line)));
		say_why(w, why);
		free(why);
	} else {
		say_why(w, NULL);
		look_ended(w, r->out);
	}
}

static struct session *
session_of(const struct loginwatch *w)
{
	const struct probes *set = w->spot->set;

	return set->c.session(set->c.arg, spot_endpoint(w->spot)->log_host);
}

static void
run(struct loginwatch *w, const char *command)
{
	w->asked_ms = wall_ms();
	w->errand = errand_run(session_of(w), command, 2 * LOGINWATCH_BACK, LOOK_DEADLINE_MS, came_back, w);
}

static const char *
line_end(const char *p, const char *end)
{
	const char *nl = memchr(p, '\n', (size_t)(end - p));

	return nl == NULL ? end : nl + 1;
}

/* ---- a file ---- */

static void
look_at_file(struct loginwatch *w)
{
	struct buf b;

	follow_free(w->file);
	w->file = NULL;
	w->again = false;
	buf_init(&b, 0);
	(void)buf_puts(&b, "f=");
	text_shell_quote(&b, spot_endpoint(w->spot)->log_file);
	(void)buf_printf(&b, "; m=$(stat -L -c '%%Y %%s' -- \"$f\") || exit 1; s=${m#* }; o=0; "
	    "[ \"$s\" -le %zu ] || o=$((s - %zu)); echo \"${m%% *}\"; date +%%s; echo \"$s\"; echo \"$o\"; "
	    "tail -c +$((o + 1)) -- \"$f\" | head -c $((s - o))", LOGINWATCH_BACK, LOGINWATCH_BACK);
	run(w, buf_str(&b));
	buf_release(&b);
}

static void
file_read(struct loginwatch *w, struct buf *out)
{
	int64_t changed = buf_take_number(out) * 1000, now = buf_take_number(out) * 1000;
	int64_t size = buf_take_number(out), from = buf_take_number(out);
	int64_t t, last = -1, first = -1, zone = 0, skew, at;
	const char *s, *end, *next;
	char *command;
	struct buf b;

	if (changed < 0 || now < 0 || size < 0 || from < 0) {
		say_why(w, "the log's file cannot be read");
		return;
	}
	/* Their clock, as far as it is not ours. */
	skew = now - w->asked_ms;
	if (skew > -3000 && skew < 3000)
		skew = 0;
	end = out->data + out->len;
	for (s = out->data; s != NULL && s < end; s = line_end(s, end))
		if ((t = logtime_line(s, (size_t)(line_end(s, end) - s))) != -1) {
			first = first == -1 ? t : first;
			last = t;
		}
	login_book_free(w->book);
	w->book = login_book_new();
	loginlog_free(w->log);
	w->log = new_log(w, found);
	complaints_free(w->complaints);
	w->complaints = complaints_new(spot_endpoint(w->spot)->kind);
	w->from_ms = w->asked_ms;
	if (last != -1 && logtime_zone(last, changed, &zone)) {
		w->from_ms = first + zone - skew;
		if (from > 0)
			skip(w);
		for (s = out->data, at = w->from_ms; s < end; s = next) {
			next = line_end(s, end);
			if ((t = logtime_line(s, (size_t)(next - s))) != -1)
				at = t + zone - skew;
			feed(w, s, (size_t)(next - s), at);
		}
	}
	buf_init(&b, 0);
	(void)buf_printf(&b, "exec tail -c +%" PRId64 " -F -- ", size + 1);
	text_shell_quote(&b, spot_endpoint(w->spot)->log_file);
	command = buf_take(&b, NULL);
	w->file = follow_new(w->spot->set->c.loop, session_of(w), command);
	follow_listen(w->file, heard, w);
	free(command);
}

/* ---- a command that prints what was since ---- */

static int64_t
back_ms(const struct loginwatch *w)
{
	const struct fleet *f = w->spot->set->c.fleet;
	int64_t longest = BACK_MS_MIN, window;
	size_t i;

	for (i = 0; i < f->nlinks; i++) {
		window = f->links[i].endpoint == w->spot->endpoint ? f->clients[f->links[i].client].window_ms : 0;
		if (window > longest)
			longest = window;
	}
	return longest < BACK_MS_MAX ? longest : BACK_MS_MAX;
}

static void
ask_since(struct loginwatch *w)
{
	int64_t now_ms = wall_ms();
	char *command;

	w->since_ms = w->from_ms == INT64_MAX ? now_ms - back_ms(w) : w->asked_ms - OVERLAP_MS;
	command = log_since(spot_endpoint(w->spot)->log_run, w->since_ms);
	run(w, command);
	free(command);
}

/* FNV-1a, 64 bits: to tell lines apart, not to withstand anybody. */
static uint64_t
hash_of(const char *s, size_t len)
{
	uint64_t h = UINT64_C(14695981039346656037);
	size_t i;

	for (i = 0; i < len; i++)
		h = (h ^ (unsigned char)s[i]) * UINT64_C(1099511628211);
	return h;
}

/* Is the line one that was printed the last time, too?  From now on it is. */
static bool
known_line(struct loginwatch *w, const char *s, size_t len, size_t nbefore)
{
	uint64_t h = hash_of(s, len);
	size_t i;

	for (i = 0; i < nbefore; i++)
		if (w->known[i] == h)
			return true;
	if (w->nknown < LINES_KNOWN)
		w->known[w->nknown++] = h;
	else
		w->known[w->next_known++ % LINES_KNOWN] = h;
	return false;
}

static void
since_read(struct loginwatch *w, struct buf *out)
{
	const char *s = out->data, *end = s + out->len, *next;
	size_t nbefore = w->nknown;
	int64_t t, at;

	if (w->known == NULL)
		w->known = mem_array(LINES_KNOWN, sizeof(*w->known));
	if (w->from_ms == INT64_MAX)
		w->from_ms = w->since_ms;
	if (out->over) {
		skip(w);
		w->from_ms = w->asked_ms;
	}
	for (; s != NULL && s < end; s = next) {
		next = line_end(s, end);
		if (known_line(w, s, (size_t)(next - s), nbefore))
			continue;
		/* A line's own time counts where it can be true, whatever its zone is said to be. */
		t = logtime_line(s, (size_t)(next - s));
		at = t >= w->since_ms && t <= w->asked_ms + OVERLAP_MS ? t : w->asked_ms;
		feed(w, s, (size_t)(next - s), at);
	}
	w->due_ms = w->asked_ms + LOGINWATCH_EVERY_MS;
}

static void
look_ended(struct loginwatch *w, struct buf *out)
{
	if (spot_endpoint(w->spot)->log_file != NULL)
		file_read(w, out);
	else
		since_read(w, out);
}

/* ---- all ---- */

static bool
asks_since(const struct endpoint *ep)
{
	return ep->log_run != NULL && strstr(ep->log_run, "$(since)") != NULL;
}

struct loginwatch *
loginwatch_new(struct spot *spot)
{
	const struct endpoint *ep = spot_endpoint(spot);
	struct loginwatch *w;

	if (ep->log_host == NONE || (ep->log_run == NULL && ep->log_file == NULL))
		return NULL;
	w = mem_alloc(sizeof(*w));
	w->spot = spot;
	w->from_ms = INT64_MAX;
	w->log = new_log(w, found);
	w->complaints = complaints_new(ep->kind);
	w->book = login_book_new();
	if (ep->log_file == NULL && !asks_since(ep))
		follow_listen(spot->follow, heard, w);
	return w;
}

void
loginwatch_free(struct loginwatch *w)
{
	if (w == NULL)
		return;
	errand_cancel(w->errand);
	follow_free(w->file);
	loginlog_free(w->log);
	complaints_free(w->complaints);
	login_book_free(w->book);
	free(w->known);
	free(w->why);
	free(w);
}

/* Sees to it that what is due is under way, and from when on all is known. */
static void
go_on(struct loginwatch *w, int64_t now_ms)
{
	const struct endpoint *ep = spot_endpoint(w->spot);
	struct follow *f = ep->log_file != NULL ? w->file : w->spot->follow;

	if (asks_since(ep)) {
		if (w->errand == NULL && now_ms >= w->due_ms)
			ask_since(w);
		return;
	}
	if (ep->log_file == NULL) {
		w->from_ms = follow_started_ms(f);
		say_why(w, w->from_ms == INT64_MAX ? follow_why(f) : NULL);
	} else if (f == NULL || w->again || (follow_started_ms(f) == INT64_MAX && follow_why(f) != NULL)) {
		if (f != NULL)
			say_why(w, follow_why(f) != NULL ? follow_why(f) : "the log is read once more");
		if (w->errand == NULL && now_ms >= w->due_ms)
			look_at_file(w);
	}
}

void
loginwatch_read(struct loginwatch *w, struct logins *ret)
{
	int64_t now_ms = wall_ms();

	memset(ret, 0, sizeof(*ret));
	if (w == NULL)
		return;
	go_on(w, now_ms);
	if (w->log == NULL)
		return;
	loginlog_settle(w->log, now_ms);
	if (w->from_ms == INT64_MAX || w->why != NULL) {
		ret->seen = LOGINS_BLIND;
		ret->why = mem_strdup(w->why != NULL ? w->why : "the log was not read yet");
	} else {
		ret->seen = LOGINS_SINCE;
		ret->from_ms = w->from_ms;
		if (loginlog_unjoined(w->log) > 0)
			ret->why = mem_strdup("its log_line_prefix has no [%p]: who comes from where cannot be told");
	}
	if (!login_book_tell(w->book, w->spot->set->c.fleet, &w->spot->set->known, w->spot->endpoint, ret) &&
	    ret->why == NULL)
		ret->why = mem_strdup("more different logins than are kept");
}

void
loginwatch_complaints(struct loginwatch *w, struct census *ret)
{
	if (w == NULL)
		return;
	complaints_tell(w->complaints, wall_ms(), ret);
	ret->log_unread = w->errand != NULL && w->from_ms == INT64_MAX && w->why == NULL;
}
