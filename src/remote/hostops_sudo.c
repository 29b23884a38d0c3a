/*
 * hostops_sudo: a host call by sudo waits until it is its turn to ask.
 *
 * Whose turn it is says become.h, of the place (a user on a host), and of the password that it
 * is told: that of the user who logs in there, or a secret that several hosts may have.  A prepared request waits here, with its headers in the hostcall, on
 * the timer of its hostop, which nothing else uses meanwhile.
 */
#include <stdlib.h>
#include <string.h>

#include "core/err.h"
#include "core/fleet.h"
#include "remote/hostops_int.h"

static void take_turn(uv_timer_t *);

static const struct host *
host_of(const struct hostop *h)
{
	return &h->set->c.fleet->hosts[h->host];
}

/* The password's: whoever else is told the same has the same. */
static struct become *
password_of(const struct hostops *set, int host)
{
	int secret = set->c.fleet->hosts[host].become_password;

	return secret == NONE ? &set->accounts[fleet_base(set->c.fleet, host)] : &set->shared[secret];
}

static int64_t
now_of(const struct hostop *h)
{
	return (int64_t)uv_now(h->set->c.loop);
}

static void
hear(struct hostop *h, enum sudo_trouble trouble)
{
	struct hostop *one;

	h->asks_sudo = false;
	become_heard(&h->set->becomes[h->host], h, trouble, now_of(h));
	/* What it says to those who tell it nothing is about this place alone. */
	become_heard(password_of(h->set, h->host), h, h->told_sudo ? trouble : SUDO_SILENT, now_of(h));
	for (one = h->set->ops; one != NULL; one = one->next)
		if (one != h && one->prepared.events != NULL)
			(void)uv_timer_start(&one->timer, take_turn, 0, 0);
}

static void
sudo_heard(void *arg, enum sudo_trouble trouble)
{
	struct hostop *h = arg;

	hear(h, trouble);
	if (h->set->c.sudo != NULL && trouble != SUDO_SILENT)
		h->set->c.sudo(h->set->c.arg, h->host, trouble);
}

void
hostop_leave_sudo(struct hostop *h)
{
	if (h->asks_sudo)
		hear(h, SUDO_SILENT);
}

/* The prepared request is not sent, and whoever made it is told so. */
static void
turn_away(struct hostop *h, const struct err *why)
{
	const struct hostcall_events *events = h->prepared.events;

	buf_release(&h->prepared.payload);
	memset(&h->prepared, 0, sizeof(h->prepared));
	hostcall_release(&h->call);
	events->done(h, HOSTCALL_NOT_SENT, NULL, why);
}

static void
take_turn(uv_timer_t *timer)
{
	struct hostop *h = timer->data;
	const struct host *host = host_of(h);
	struct become *own = &h->set->becomes[h->host], *shared = password_of(h->set, h->host);
	const char *password = NULL;
	enum sudo_trouble known = SUDO_FINE;
	int64_t now = now_of(h);
	struct err err;
	bool good = now < own->good_until, refused = own->refused, may = become_may(own, h, now);

	/* Where it is good at this place, what another one made of the same does not count. */
	if (!good) {
		may = may && become_may(shared, h, now);
		refused = refused || shared->refused;
	}
	if (!refused && h->set->c.password != NULL)
		password = h->set->c.password(h->set->c.arg, h->host);
	if (password == NULL && (known = become_known(own, now)) == SUDO_FINE && !good)
		known = become_known(shared, now);
	if (known != SUDO_FINE) {
		(void)host_sudo_why(&err, known, host->become);
		turn_away(h, &err);
	} else if (may) {
		become_asks(own, h, now);
		become_asks(shared, h, now);
		h->asks_sudo = true;
		h->told_sudo = password != NULL;
		hostcall_as(&h->call, host->become, password, sudo_heard, h);
		hostop_send(h);
	} else if (now < h->due)
		(void)uv_timer_start(&h->timer, take_turn, (uint64_t)(h->due - now), 0);
	else {
		(void)err_set(&err, "another call is still asking sudo to become '%s'", host->become);
		turn_away(h, &err);
	}
}

/* From the loop, since it may be turned away. */
void
hostop_call_by_sudo(struct hostop *h)
{
	hostop_later(h, take_turn);
}

void
hostops_sudo_anew(struct hostops *set, int host)
{
	const struct fleet *f = set->c.fleet;
	struct hostop *one;
	size_t i;

	for (i = 0; i < f->nhosts; i++)
		if (fleet_base(f, (int)i) == fleet_base(f, host))
			become_anew(&set->becomes[i]);
	become_anew(password_of(set, host));
	for (one = set->ops; one != NULL; one = one->next)
		if (one->prepared.events != NULL)
			(void)uv_timer_start(&one->timer, take_turn, 0, 0);
}
