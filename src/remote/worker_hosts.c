/*
 * worker_hosts: a session for each host that is asked something of, what is told of
 * it, what sudo is told there, and the addresses by which sessions are known.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/board.h"
#include "core/mem.h"
#include "remote/addresses.h"
#include "remote/probe.h"
#include "remote/session.h"
#include "remote/worker_int.h"

bool
worker_owns(const struct worker *w, int host)
{
	return (w->fleet == NULL ? host : fleet_base(w->fleet, host)) % w->count == w->index;
}

static enum reach
reach_of(enum session_state state)
{
	switch (state) {
	case SESSION_IDLE:
		return REACH_UNKNOWN;
	case SESSION_RESOLVING:
	case SESSION_CONNECTING:
	case SESSION_AUTHENTICATING:
		return REACH_CONNECTING;
	case SESSION_UP:
		return REACH_UP;
	case SESSION_WAITING:
		return REACH_LOST;
	case SESSION_BLOCKED:
		return REACH_BLOCKED;
	}
	return REACH_UNKNOWN;
}

static enum wire_need
need_of(enum session_need need)
{
	switch (need) {
	case NEED_NOTHING:
		return WIRE_NEED_NOTHING;
	case NEED_HOST_KEY:
		return WIRE_NEED_HOST_KEY;
	case NEED_PASSPHRASE:
		return WIRE_NEED_PASSPHRASE;
	case NEED_CHANGED_KEY:
		return WIRE_NEED_CHANGED_KEY;
	}
	return WIRE_NEED_NOTHING;
}

static char *
borrowed(const char *s)
{
	union { const char *c; char *m; } u = { .c = s };	/* it is read only */

	return u.m;
}

/* That of the machine, whoever works there. */
static struct slot *
base_of(struct worker *w, int host)
{
	return &w->slots[fleet_base(w->fleet, host)];
}

void
worker_tell_host(struct slot *slot)
{
	struct worker *w = slot->worker;
	const struct slot *base = base_of(w, slot->host);
	struct message m = { .kind = MSG_HOST, .subject = slot->host };
	struct session_status s = { .state = SESSION_IDLE };
	struct wire_host h = { 0 };
	struct buf blob = { 0 };

	if (!worker_owns(w, slot->host))
		return;
	if (base->session != NULL)
		session_status(base->session, &s);
	m.what = (int)reach_of(s.state);
	/* What is asked of a person is asked once, for the host. */
	m.need = base != slot ? WIRE_NEED_NOTHING : s.state == SESSION_BLOCKED ? (int)need_of(s.need) :
	    slot->sudo_wanted ? WIRE_NEED_SUDO : WIRE_NEED_NOTHING;
	m.attempts = s.attempts < 0 ? 0 : s.attempts;
	m.retry_ms = s.state != SESSION_WAITING || s.retry_ms < 0 ? 0 :
	    s.retry_ms > WIRE_DEADLINE_MAX_MS ? WIRE_DEADLINE_MAX_MS : s.retry_ms;
	h.transport = borrowed(s.transport);
	h.subject = borrowed(m.need == WIRE_NEED_SUDO ? w->fleet->hosts[slot->sudo_by].become : s.subject);
	h.keytype = borrowed(s.keytype);
	h.why = borrowed(m.need != WIRE_NEED_SUDO ? s.why : slot->sudo_refused ?
	    "sudo did not take the last password; it wants that of the user who logs in there" :
	    "sudo wants the password of the user who logs in there");
	h.address = borrowed(addresses_text(w->addresses, slot->host));
	wire_host_encode(&h, &blob);
	m.blob = blob.data;
	m.blob_len = blob.len;
	worker_say(w, &m);
	buf_release(&blob);
}

void
worker_host_learnt(void *arg, int host)
{
	struct worker *w = arg;

	worker_tell_host(&w->slots[host]);
}

static void
host_changed(struct session *session, void *arg)
{
	struct slot *slot = arg;
	struct session_status s;
	struct worker *w = slot->worker;
	bool up;
	size_t i;

	session_status(session, &s);
	up = s.state == SESSION_UP;
	for (i = 0; i < w->fleet->nhosts; i++)
		if (base_of(w, (int)i) == slot)
			worker_tell_host(&w->slots[i]);
	if (up && !slot->was_up && worker_owns(w, slot->host) && !w->fleet->hosts[slot->host].local)
		addresses_ask(w->addresses, slot->host, session);
	slot->was_up = up;
}

struct session *
worker_session(void *arg, int host)
{
	struct worker *w = arg;
	struct slot *slot = base_of(w, host);
	const struct host *h = &w->fleet->hosts[slot->host];
	struct session_config config = { .name = h->name, .ssh = h->ssh, .address = h->address, .user = h->user,
		.identity = h->identity, .port = h->port, .local = h->local, .transport = h->transport,
		.ssh_config = w->ssh_config };

	if (slot->session == NULL)
		slot->session = session_new(&w->loop, w->keyring, &config, host_changed, slot);
	return slot->session;
}

/* ---- sudo ---- */

void
worker_sudo_told(struct slot *slot, const char *password)
{
	if (slot->sudo != NULL)
		mem_wipe_free(slot->sudo, strlen(slot->sudo));
	slot->sudo = mem_strdup(password);
	slot->sudo_wanted = slot->sudo_refused = false;
	hostops_sudo_anew(slot->worker->hostops, slot->host);
}

const char *
worker_sudo_password(void *arg, int host)
{
	struct worker *w = arg;
	const struct host *h = &w->fleet->hosts[host];

	return h->become_password == NONE ? base_of(w, host)->sudo : w->secrets[h->become_password].value;
}

void
worker_sudo_heard(void *arg, int host, enum sudo_trouble trouble)
{
	struct worker *w = arg;
	struct slot *slot = base_of(w, host);
	bool wanted = trouble == SUDO_WRONG_PASSWORD || trouble == SUDO_WANTS_PASSWORD;

	if (!(wanted || (trouble == SUDO_FINE && slot->sudo_wanted && slot->sudo_by == host)) ||
	    w->fleet->hosts[host].become_password != NONE)
		return;
	slot->sudo_wanted = wanted;
	slot->sudo_by = host;
	slot->sudo_refused = wanted && (slot->sudo_refused || trouble == SUDO_WRONG_PASSWORD);
	worker_tell_host(slot);	/* once more, too: whoever was asked may have waved it away */
}

/* ---- addresses of all hosts, as the console tells them ---- */

struct claim {
	char	 address[64];
	int	 host;
	bool	 shared;
};

static int
by_address(const void *a, const void *b)
{
	const struct claim *x = a, *y = b;
	int d = strcmp(x->address, y->address);

	return d != 0 ? d : x->host < y->host ? -1 : x->host > y->host;
}

static int
by_host(const void *a, const void *b)
{
	const struct claim *x = a, *y = b;

	return x->host < y->host ? -1 : x->host > y->host;
}

/*
 * Gives the probes what is known.  An address that two hosts have (a
 * container bridge's, mostly) says nothing about who a session belongs to, so it is left out.
 */
void
worker_give_addresses(struct worker *w)
{
	struct claim *claims = NULL, *c;
	struct strings mine;
	char *copy, *p, *save;
	size_t n = 0, i, j;

	if (!w->addresses_changed)
		return;
	w->addresses_changed = false;
	for (i = 0; i < w->fleet->nhosts; i++) {
		copy = mem_strdup(w->slots[i].addresses == NULL ? "" : w->slots[i].addresses);
		save = NULL;
		for (p = strtok_r(copy, " ", &save); p != NULL; p = strtok_r(NULL, " ", &save)) {
			c = mem_push(&claims, &n, sizeof(*c));
			(void)snprintf(c->address, sizeof(c->address), "%s", p);
			c->host = (int)i;
		}
		free(copy);
	}
	if (n > 0)
		qsort(claims, n, sizeof(*claims), by_address);
	for (i = 0; i + 1 < n; i++)
		if (strcmp(claims[i].address, claims[i + 1].address) == 0 && claims[i].host != claims[i + 1].host)
			claims[i].shared = claims[i + 1].shared = true;
	if (n > 0)
		qsort(claims, n, sizeof(*claims), by_host);
	mine.v = mem_array(n, sizeof(*mine.v));
	for (i = 0, j = 0; i < w->fleet->nhosts; i++) {
		mine.n = 0;
		for (; j < n && claims[j].host == (int)i; j++)
			if (!claims[j].shared)
				mine.v[mine.n++] = claims[j].address;
		probes_addresses(w->probes, (int)i, &mine);
	}
	free(mine.v);
	free(claims);
}
