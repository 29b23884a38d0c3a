/*
 * session: see session.h for what it is and session_int.h for the rules
 * between this file and the transports.
 *
 * Owns the state machine, the deadlines, and the order of events.  The queue of
 * channels is in session_chan.c.
 *
 *   IDLE ──stream or wake──> RESOLVING ──target──> CONNECTING ─> AUTHENTICATING ─> UP
 *    ^                           │                     │               │           │
 *    └──retry_at, nobody waits── WAITING <── session_failed() ─────────┴───────────┘
 *                                │  └──retry_at, somebody waits──> RESOLVING
 *   BLOCKED <── session_blocked(); leaves by an answer or session_wake()
 *
 * Invariants:
 *   1. Events are emitted between session_enter() and session_leave() only.
 *   2. An ended channel is on `gone` until depth is 0; nobody frees one before.
 *   3. While the state is neither CONNECTING, AUTHENTICATING nor UP no channel
 *      has a transport's part.
 *   4. Every channel that has a deadline, and every attempt to connect, has the
 *      timer set at or before it.
 *
 * It reads no socket and knows no protocol.
 */
#include "remote/session.h"

#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "remote/keyring.h"
#include "remote/known_hosts.h"
#include "remote/session_int.h"
#include "remote/ssh_config.h"

#define CONNECT_DEADLINE_MS	15000
#define BACKOFF_MIN_MS		1000
#define BACKOFF_MAX_MS		60000
#define SILENCE_MS		30000	/* sshd answers within a second or never */
#define ANSWER_MS		15000
#define STEADY_MS		10000	/* up for so long: the next backoff starts from the beginning */
#define ADDRESS_MAX		255

static void	session_begin(struct session *);
static void	session_destroy(struct session *);

const char *
session_state_word(enum session_state state)
{
	switch (state) {
	case SESSION_IDLE:
		return "idle";
	case SESSION_RESOLVING:
		return "resolving";
	case SESSION_CONNECTING:
		return "connecting";
	case SESSION_AUTHENTICATING:
		return "logging in";
	case SESSION_UP:
		return "up";
	case SESSION_WAITING:
		return "waiting";
	case SESSION_BLOCKED:
		return "blocked";
	}
	return "?";
}

int64_t
session_now(const struct session *s)
{
	return (int64_t)uv_now(s->loop);
}

/* ---- turns of the loop --------------------------------------------------- */

void
session_enter(struct session *s)
{
	s->depth++;
}

void
session_leave(struct session *s)
{
	struct chan *c;

	if (s->depth == 1 && s->changed_due && !s->dead) {
		s->changed_due = false;
		if (s->changed != NULL)
			s->changed(s, s->changed_arg);
	}
	if (--s->depth > 0)
		return;
	while ((c = s->gone) != NULL) {
		s->gone = c->next;
		buf_release(&c->out);
		free(c->what);
		free(c);
	}
	if (s->dead)
		session_destroy(s);
}

static void
changed(struct session *s)
{
	s->changed_due = true;
	if (s->depth == 0)
		session_soon(s);
}

static void
set_string(char **at, const char *value)
{
	char *copy = mem_strdup(value);

	free(*at);
	*at = copy;
}

static void
run(struct session *s)
{
	struct chan *c, *next;
	struct err e;

	for (c = s->first; c != NULL; c = next) {
		next = c->next;
		if (c->detached && c->state == CHAN_WAITING)
			chan_ended(c, STREAM_EOF, -1, NULL);
		else if (c->too_long) {
			err_set(&e, "host '%s': a command of more than %d bytes", s->config.name,
			    SESSION_COMMAND_MAX);
			chan_ended(c, STREAM_REFUSED, -1, &e);
		}
		else if (c->flooded) {
			err_set(&e, "host '%s': more than %zu KiB were queued for one stream",
			    s->config.name, STREAM_QUEUE_MAX >> 10);
			chan_ended(c, STREAM_LOST, -1, &e);
		}
		if (s->dead)
			return;
	}
	switch (s->state) {
	case SESSION_IDLE:
		if (s->wanted || s->first != NULL)
			session_begin(s);
		break;
	case SESSION_WAITING:
		if (s->wanted || (s->first != NULL && session_now(s) >= s->retry_at))
			session_begin(s);
		else if (session_now(s) >= s->retry_at)
			session_step(s, SESSION_IDLE, NULL);
		break;
	case SESSION_BLOCKED:
		if (s->wanted) {
			session_begin(s);
			break;
		}
		while (!s->dead && (c = s->first) != NULL) {
			err_set(&e, "%s", s->why);
			chan_ended(c, STREAM_REFUSED, -1, &e);
		}
		break;
	case SESSION_CONNECTING:
	case SESSION_AUTHENTICATING:
	case SESSION_UP:
		s->transport->run(s);
		break;
	case SESSION_RESOLVING:
		break;
	}
}

static void
soon_cb(uv_idle_t *h)
{
	struct session *s = h->data;

	uv_idle_stop(h);
	session_enter(s);
	run(s);
	session_leave(s);
}

void
session_soon(struct session *s)
{
	if (!s->dead)
		uv_idle_start(&s->soon, soon_cb);
}

static void
sooner(int64_t *at, int64_t candidate)
{
	if (candidate != 0 && (*at == 0 || candidate < *at))
		*at = candidate;
}

static void
expire(struct session *s, int64_t now)
{
	struct chan *c, *next;
	struct err e;

	for (c = s->first; c != NULL && !s->dead; c = next) {
		next = c->next;
		if (c->deadline_at == 0 || now < c->deadline_at)
			continue;
		err_set(&e, "host '%s': no answer within %lld s", s->config.name,
		    (long long)((c->deadline_ms + 999) / 1000));
		if (c->state == CHAN_WAITING && s->state == SESSION_WAITING && s->why[0] != '\0')
			err_set(&e, "%s", s->why);
		chan_ended(c, STREAM_TIMEOUT, -1, &e);
		/* An owner's callback may have ended others, but only this file unlinks: see rule 3 there. */
	}
}

static void
timer_cb(uv_timer_t *h)
{
	struct session *s = h->data;
	int64_t now = session_now(s), at = 0;
	struct chan *c;
	struct err e;

	s->timer_at = 0;
	session_enter(s);
	expire(s, now);
	if (!s->dead && s->attempt_ends_at != 0 && now >= s->attempt_ends_at) {
		int64_t limit_ms = s->config.connect_deadline_ms;

		err_set(&e, "host '%s': no answer within %lld s (%s)", s->config.name,
		    (long long)((limit_ms + 999) / 1000), s->step == NULL ? "connecting" : s->step);
		session_failed(s, &e);
	}
	if (!s->dead && (s->state == SESSION_CONNECTING || s->state == SESSION_AUTHENTICATING ||
	    s->state == SESSION_UP))
		sooner(&at, s->transport->tick(s, now));
	if (!s->dead)
		run(s);
	if (!s->dead) {
		for (c = s->first; c != NULL; c = c->next)
			sooner(&at, c->deadline_at);
		sooner(&at, s->attempt_ends_at);
		if (s->state == SESSION_WAITING)
			sooner(&at, s->retry_at);
		session_timer(s, at);
	}
	session_leave(s);
}

void
session_timer(struct session *s, int64_t at)
{
	int64_t now = session_now(s);

	if (at == 0 || s->dead || (s->timer_at != 0 && s->timer_at <= at))
		return;
	s->timer_at = at;
	uv_timer_start(&s->timer, timer_cb, at <= now ? 1 : (uint64_t)(at - now), 0);
}

/* ---- connecting ---------------------------------------------------------- */

static void
choose(struct session *s)
{
	const char *want = s->config.transport;

	if (want != NULL && strcmp(want, "ssh") == 0) {
		s->transport = &transport_system;
		set_string(&s->transport_why, "the fleet file says so");
	} else if (want != NULL) {
		s->transport = &transport_libssh2;
		set_string(&s->transport_why, "the fleet file says so");
	} else if (s->system_only) {
		s->transport = &transport_system;	/* transport_why: session_retreat() */
	} else if (s->target->proxy != NULL) {
		s->transport = &transport_system;
		free(s->transport_why);
		s->transport_why = mem_printf("the ssh_config has %s", s->target->proxy);
	} else if (s->target->certificate != NULL) {
		s->transport = &transport_system;
		free(s->transport_why);
		s->transport_why = mem_printf("the ssh_config has CertificateFile %s",
		    s->target->certificate);
	} else {
		s->transport = &transport_libssh2;
		set_string(&s->transport_why, NULL);
	}
}

static void
go(struct session *s)
{
	choose(s);
	session_step(s, SESSION_CONNECTING, "connecting");
	s->transport->start(s);
}

static void
resolved_cb(void *arg, struct ssh_config *target, const struct err *err)
{
	struct session *s = arg;

	s->query = NULL;
	session_enter(s);
	if (target == NULL) {
		session_failed(s, err);
	} else {
		ssh_config_free(s->target);
		s->target = target;
		go(s);
	}
	session_leave(s);
}

static void
session_begin(struct session *s)
{
	struct err e;

	uv_update_time(s->loop);
	s->wanted = false;
	s->need = NEED_NOTHING;
	set_string(&s->subject, NULL);
	set_string(&s->keytype, NULL);
	s->attempts++;
	s->attempt_ends_at = session_now(s) + s->config.connect_deadline_ms;
	session_timer(s, s->attempt_ends_at);
	if (s->config.local) {
		s->transport = &transport_local;
		session_step(s, SESSION_CONNECTING, "starting");
		s->transport->start(s);
		return;
	}
	session_step(s, SESSION_RESOLVING, "asking ssh -G");
	if (s->config.ssh == NULL && s->config.ssh_config == NULL) {
		struct ssh_config *target = ssh_config_plain(&s->config, &e);

		if (target == NULL) {
			err_wrap(&e, "host '%s'", s->config.name);
			session_failed(s, &e);
			return;
		}
		ssh_config_free(s->target);
		s->target = target;
		go(s);
		return;
	}
	s->query = ssh_config_resolve(keyring_ssh_config(s->keyring), &s->config,
	    s->config.connect_deadline_ms, resolved_cb, s);
}

void
session_step(struct session *s, enum session_state state, const char *step)
{
	s->step = step;
	if (s->state != state) {
		s->state = state;
		changed(s);
	}
}

void
session_up(struct session *s)
{
	s->attempt_ends_at = 0;
	s->up_at = session_now(s);
	s->why[0] = '\0';
	s->exec_cap = EXECS_MAX;
	s->dial_cap = DIALS_MAX;
	session_step(s, SESSION_UP, NULL);
	session_soon(s);
}

/* Takes the transport's part from every channel and stops it. */
static void
disconnect(struct session *s)
{
	struct chan *c;

	if (s->query != NULL) {
		ssh_config_cancel(s->query);
		s->query = NULL;
	}
	for (c = s->first; c != NULL; c = c->next) {
		if (c->impl != NULL)
			s->transport->drop(c);
		c->impl = NULL;
	}
	if (s->transport != NULL)
		s->transport->stop(s);
	s->execs = s->dials = 0;
	s->attempt_ends_at = 0;
}

/* Ends the channels there are now; those that owners ask for meanwhile stay. */
static void
end_all(struct session *s, const struct err *why)
{
	struct chan *c;

	for (c = s->first; c != NULL; c = c->next)
		c->doomed = true;
	while (!s->dead && (c = s->first) != NULL && c->doomed) {
		enum stream_end end = c->state == CHAN_WAITING ? STREAM_REFUSED : STREAM_LOST;

		chan_ended(c, end, -1, why);
	}
}

static int64_t
backoff(const struct session *s)
{
	int64_t ms = BACKOFF_MIN_MS;
	unsigned char dice[2] = { 0, 0 };
	int i;

	for (i = 1; i < s->attempts && ms < BACKOFF_MAX_MS; i++)
		ms *= 2;
	if (ms > BACKOFF_MAX_MS)
		ms = BACKOFF_MAX_MS;
	/* Up to a quarter less, so that a fleet does not come back in one burst. */
	uv_random(NULL, NULL, dice, sizeof(dice), 0, NULL);
	return ms - ms * (dice[0] << 8 | dice[1]) / 65536 / 4;
}

void
session_failed(struct session *s, const struct err *err)
{
	struct err why = *err;

	if (s->state == SESSION_UP && session_now(s) - s->up_at >= STEADY_MS)
		s->attempts = 1;
	disconnect(s);
	memcpy(s->why, why.msg, sizeof(s->why));
	s->retry_at = session_now(s) + backoff(s);
	session_step(s, SESSION_WAITING, NULL);
	changed(s);
	session_timer(s, s->retry_at);
	end_all(s, &why);
}

void
session_blocked(struct session *s, enum session_need need, const char *subject,
    const char *keytype, const struct err *err)
{
	struct err why = *err;

	set_string(&s->subject, subject);
	set_string(&s->keytype, keytype);
	disconnect(s);
	s->need = need;
	memcpy(s->why, why.msg, sizeof(s->why));
	session_step(s, SESSION_BLOCKED, NULL);
	changed(s);
	end_all(s, &why);
}

void
session_retreat(struct session *s, const char *why)
{
	struct err e;

	if (s->config.transport != NULL) {
		err_set(&e, "host '%s': libssh2 is not enough (%s); take 'transport: libssh2' out of the fleet file",
		    s->config.name, why);
		session_failed(s, &e);
		return;
	}
	s->transport->stop(s);
	s->system_only = true;
	set_string(&s->transport_why, why);
	/* What was spent on finding out is not taken from the other's time. */
	s->attempt_ends_at = session_now(s) + s->config.connect_deadline_ms;
	go(s);
}

/* ---- the rest of session.h ----------------------------------------------- */

struct session *
session_new(struct uv_loop_s *loop, struct keyring *keyring, const struct session_config *config,
    void (*changed_fn)(struct session *, void *), void *arg)
{
	struct session *s = mem_alloc(sizeof(*s));
	struct session_config *c = &s->config;

	s->loop = loop;
	s->keyring = keyring;
	*c = *config;
	c->name = mem_strdup(config->name);
	c->ssh = mem_strdup(config->ssh);
	c->address = mem_strdup(config->address);
	c->user = mem_strdup(config->user);
	c->identity = mem_strdup(config->identity);
	c->transport = mem_strdup(config->transport);
	c->ssh_config = mem_strdup(config->ssh_config);
	if (c->connect_deadline_ms <= 0)
		c->connect_deadline_ms = CONNECT_DEADLINE_MS;
	s->changed = changed_fn;
	s->changed_arg = arg;
	s->silence_ms = SILENCE_MS;
	s->answer_ms = ANSWER_MS;
	s->exec_cap = EXECS_MAX;
	s->dial_cap = DIALS_MAX;
	uv_timer_init(loop, &s->timer);
	s->timer.data = s;
	uv_idle_init(loop, &s->soon);
	s->soon.data = s;
	s->handles = 2;
	return s;
}

static void
handle_closed(uv_handle_t *h)
{
	struct session *s = h->data;

	if (--s->handles == 0)
		free(s);
}

static void
session_destroy(struct session *s)
{
	struct chan *c;
	char *strings[] = {
		(char *)(uintptr_t)s->config.name, (char *)(uintptr_t)s->config.ssh,
		(char *)(uintptr_t)s->config.address, (char *)(uintptr_t)s->config.user,
		(char *)(uintptr_t)s->config.identity, (char *)(uintptr_t)s->config.transport,
		(char *)(uintptr_t)s->config.ssh_config, s->subject, s->keytype, s->transport_why,
		(char *)s->shown_key
	};
	size_t i;

	disconnect(s);
	while ((c = s->first) != NULL) {
		s->first = c->next;
		buf_release(&c->out);
		free(c->what);
		free(c);
	}
	ssh_config_free(s->target);
	for (i = 0; i < sizeof(strings) / sizeof(strings[0]); i++)
		free(strings[i]);
	uv_close((uv_handle_t *)&s->timer, handle_closed);
	uv_close((uv_handle_t *)&s->soon, handle_closed);
}

void
session_free(struct session *s)
{
	struct chan *c;

	if (s == NULL || s->dead)
		return;
	s->dead = true;
	for (c = s->first; c != NULL; c = c->next)
		stream_close(&c->stream);
	if (s->depth == 0)
		session_destroy(s);
}

void
session_status(const struct session *s, struct session_status *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->state = s->state;
	ret->need = s->need;
	ret->transport = s->transport != NULL ? s->transport->name : s->config.local ? "local" : "libssh2";
	ret->transport_why = s->transport_why == NULL ? "" : s->transport_why;
	ret->subject = s->subject == NULL ? "" : s->subject;
	ret->keytype = s->keytype == NULL ? "" : s->keytype;
	ret->why = s->why;
	ret->attempts = s->attempts;
	if (s->state == SESSION_WAITING && s->retry_at > session_now(s))
		ret->retry_ms = s->retry_at - session_now(s);
}

void
session_wake(struct session *s)
{
	if (s->state == SESSION_IDLE || s->state == SESSION_WAITING || s->state == SESSION_BLOCKED) {
		s->wanted = true;
		session_soon(s);
	}
}

void
session_accept_host_key(struct session *s, const char *fingerprint)
{
	struct err e;

	if (s->need != NEED_HOST_KEY || s->subject == NULL || s->shown_key == NULL ||
	    strcmp(s->subject, fingerprint) != 0)
		return;
	if (known_hosts_accept(s->target, s->keytype, s->shown_key, s->shown_len, &e) != 0) {
		err_wrap(&e, "host '%s'", s->config.name);
		memcpy(s->why, e.msg, sizeof(s->why));
		changed(s);
		return;
	}
	session_wake(s);
}

void
session_passphrase(struct session *s, const char *keyfile, const char *passphrase)
{
	keyring_passphrase(s->keyring, keyfile, passphrase);
	if (s->need == NEED_PASSPHRASE)
		session_wake(s);
}

const char *
session_address(const struct session *s)
{
	return s->address;
}

bool
session_nothing_listens(const char *why)
{
	return strstr(why, "cannot reach") != NULL && strstr(why, "prohibited") == NULL &&
	    (strstr(why, "connect failed") != NULL || strstr(why, "onnection refused") != NULL);
}
