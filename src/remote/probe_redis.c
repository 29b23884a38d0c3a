/*
 * probe_redis: who is connected to a Redis, and what it says of its settings.
 *
 * Owns the session held with each Redis, and the judgement of which sessions
 * are on TLS: Redis does not say; the local port that a session came in by
 * does (CLIENT LIST's laddr, from 6.2 on).  A port that the fleet declares as plaintext is
 * never counted as TLS, whatever the server's settings say by now: sessions
 * outlive a change of ports.  What cannot be told counts as plaintext, and the
 * reading is inconclusive.
 *
 * The held session is logged in once; it goes over TLS where TLS is served.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/mem.h"
#include "remote/probe_int.h"
#include "remote/resp.h"
#include "remote/session.h"

/* About 280 bytes a client: the default maxclients of 10,000, and half as many again. */
#define CLIENT_LIST_MAX	((size_t)4 << 20)
#define OWN_NAME	"belay"

/* Tags of commands. */
enum {
	TAG_AUTH, TAG_NAME, TAG_ID,				/* the login */
	TAG_PORT, TAG_TLS_PORT, TAG_STATS, TAG_CLIENTS,		/* the census */
	TAG_CONFIG, TAG_SERVER					/* settings */
};

struct redis_script {
	void	(*ask)(struct redis *);		/* sends its commands by put() */
	void	(*reply)(struct redis *, int tag, const struct resp_value *);
	void	(*finish)(struct redis *);
	void	(*reset)(struct probe *);
};

struct redis {
	struct spot *spot;
	struct resp *resp;
	bool	 ready;			/* logged in */
	bool	 tls, verified;
	int64_t	 own_id;		/* -1 not known */
	struct look *look;
	/* The probe that is served now. */
	struct probe *probe;
	const struct redis_script *script;
	int	 open;			/* commands without a reply */
	bool	 tried_again;
};

struct redis_probe {
	struct probe base;
	int	 port, tls_port;	/* the server's own word; -1 not known */
	unsigned one_port, elsewhere;	/* sessions that cannot be told */
	int64_t	 newest_id;		/* in the list */
	int64_t	 listed;		/* that were not there the last time */
	int	 configs, refused;	/* CONFIG GETs, and those that were refused */
	char	*refusal;
};

static struct redis_probe *
of(struct probe *p)
{
	return (struct redis_probe *)p;
}

static const struct resp_events events;
static void connect_or_look(struct redis *);

static struct probe *
let_go(struct redis *r)
{
	struct probe *p = r->probe;

	r->probe = NULL;
	r->script = NULL;
	return p;
}

static void
hang_up(struct redis *r)
{
	struct resp *resp = r->resp;

	r->resp = NULL;
	r->ready = false;
	resp_close(resp);
}

static void
fail(struct redis *r, const char *what, const char *why)
{
	struct probe *p;

	hang_up(r);
	if (r->probe == NULL)
		return;
	p = let_go(r);
	probe_end(p, SAW_NOT, "%s '%s': %s", what, spot_endpoint(r->spot)->name, why);
}

static void
send_words(struct redis *r, int tag, size_t max, int argc, const char *const argv[])
{
	/* What cannot be sent shows by the connection's end, or the deadline. */
	if (r->resp != NULL && resp_command(r->resp, tag, max, argc, argv) == 0)
		r->open++;
}

static void
put(struct redis *r, int tag, size_t max, const char *a, const char *b, const char *c)
{
	const char *argv[3] = { a, b, c };

	send_words(r, tag, max, b == NULL ? 1 : c == NULL ? 2 : 3, argv);
}

/* --- the session --------------------------------------------------------- */

static void
begin(struct redis *r)
{
	if (r->script->reset != NULL)
		r->script->reset(r->probe);
	r->open = 0;
	r->script->ask(r);
	if (r->open == 0)
		fail(r, "cannot ask", "the connection takes nothing");
}

static void
finish(struct redis *r)
{
	struct probe *p = r->probe;

	r->script->finish(r);
	free(p->reading.over);
	p->reading.over = mem_strdup(!r->tls ? "plaintext" : r->verified ? "tls, verified" :
	    "tls, not verified");
	(void)let_go(r);
	probe_finish(p);
}

static void
on_opened(void *arg)
{
	struct redis *r = arg;
	const struct endpoint *ep = spot_endpoint(r->spot);
	const char *names[READING_NAMES_MAX], *password, *why = NULL;
	size_t i, n;

	r->verified = false;
	if (r->tls && tls_facts(resp_stream(r->resp))->chain == VERIFIED_OK) {
		n = served_names(r->spot->set->c.fleet, r->spot->endpoint, names);
		for (i = 0; i < n; i++)
			r->verified |= tls_covers(resp_stream(r->resp), names[i]) == VERIFIED_OK;
	}
	if (spot_password(r->spot, &password, &why) == -1) {
		fail(r, "the password of", why);
		return;
	}
	r->open = 0;
	if (password != NULL && ep->probe_user != NULL)
		put(r, TAG_AUTH, RESP_REPLY_MAX, "AUTH", ep->probe_user, password);
	else if (password != NULL)
		put(r, TAG_AUTH, RESP_REPLY_MAX, "AUTH", password, NULL);
	put(r, TAG_NAME, RESP_REPLY_MAX, "CLIENT", "SETNAME", OWN_NAME);
	put(r, TAG_ID, RESP_REPLY_MAX, "CLIENT", "ID", NULL);
}

static void
login_reply(struct redis *r, int tag, const struct resp_value *v)
{
	bool error = v->type == RESP_ERROR;

	/* A server without a password says so, and lets everybody in. */
	if (tag == TAG_AUTH && error && strstr(v->text, "without any password") == NULL &&
	    strstr(v->text, "no password is set") == NULL) {
		fail(r, "cannot log in to", v->text);
		return;
	}
	if (tag == TAG_NAME && error && strncmp(v->text, "NOAUTH", 6) == 0) {
		fail(r, "cannot log in to", "it wants a password, and the fleet file gives none");
		return;
	}
	if (tag != TAG_ID)
		return;
	r->own_id = v->type == RESP_INTEGER ? v->integer : -1;
	r->ready = true;
	if (r->probe != NULL)
		begin(r);
}

static void
on_reply(void *arg, int tag, const struct resp_value *v)
{
	struct redis *r = arg;

	r->open--;
	if (tag <= TAG_ID) {
		login_reply(r, tag, v);
		return;
	}
	if (r->probe == NULL)
		return;
	r->script->reply(r, tag, v);
	if (r->open == 0)
		finish(r);
}

static void
on_closed(void *arg, enum stream_end end, const char *why)
{
	struct redis *r = arg;
	bool was_ready = r->ready;

	(void)end;
	r->resp = NULL;
	r->ready = false;
	r->spot->looked_at = 0;
	if (r->probe == NULL)
		return;
	if (was_ready && !r->tried_again) {
		r->tried_again = true;
		connect_or_look(r);
		return;
	}
	fail(r, was_ready ? "lost" : "cannot log in to", why);
}

static const struct resp_events events = { on_opened, on_reply, on_closed };

static void
connect_now(struct redis *r)
{
	static const struct stream_events none;
	struct spot *spot = r->spot;
	const char *names[READING_NAMES_MAX], *sni = NULL;
	struct stream *st;
	int port;

	r->tls = spot->tls == LEG_OPEN;
	port = spot_port(spot, r->tls);
	st = session_dial(spot_session(spot), spot_address(spot), port, &none, NULL);
	stream_deadline(st, probe_left_ms(r->probe));
	if (r->tls) {
		if (served_names(spot->set->c.fleet, spot->endpoint, names) > 0)
			sni = names[0];
		st = tls_over(st, false, spot_trust(spot, spot->shows), sni, &none, NULL);
	}
	r->resp = resp_over(st, &events, r);
}

static void
looked(void *arg, struct look *l)
{
	struct redis *r = arg;
	enum leg leg = l->leg;
	struct err why;

	r->look = NULL;
	spot_saw(r->spot, l);
	(void)err_set(&why, "%s", l->why[0] != '\0' ? l->why : "no answer");
	look_free(l);
	if (leg == LEG_OPEN || spot_port(r->spot, false) != 0)
		connect_now(r);
	else
		fail(r, "cannot reach", why.msg);
}

static void
connect_or_look(struct redis *r)
{
	struct spot *spot = r->spot;
	int64_t now = (int64_t)uv_now(spot->set->c.loop);

	if (spot_port(spot, true) == 0) {
		spot->tls = LEG_UNKNOWN;
		connect_now(r);
	} else if (spot->looked_at != 0 && now - spot->looked_at < LOOK_FRESH_MS && spot->tls == LEG_OPEN)
		connect_now(r);
	else
		r->look = look_new(spot, true, probe_left_ms(r->probe), looked, r);
}

static void
start(struct probe *p, const struct redis_script *script)
{
	struct redis *r = p->spot->redis;

	if (spot_port(p->spot, true) == 0 && spot_port(p->spot, false) == 0) {
		probe_end(p, SAW_NOT, "no port is declared for '%s'", spot_endpoint(p->spot)->name);
		return;
	}
	if (r == NULL) {
		r = p->spot->redis = mem_alloc(sizeof(*r));
		r->spot = p->spot;
	}
	r->probe = p;
	r->script = script;
	r->tried_again = false;
	/* The server has come to serve TLS, or a certificate that verifies, since then. */
	if (r->resp != NULL && r->ready && p->spot->tls == LEG_OPEN &&
	    (!r->tls || (!r->verified && p->spot->verified)))
		hang_up(r);
	if (r->resp != NULL && r->ready) {
		stream_deadline(resp_stream(r->resp), probe_left_ms(p) + 1000);
		begin(r);
	} else
		connect_or_look(r);
}

static void
stop(struct probe *p)
{
	struct redis *r = p->spot->redis;

	free(of(p)->refusal);
	of(p)->refusal = NULL;
	if (r == NULL)
		return;
	if (r->probe != p) {
		/* It ended by itself: the held session waits without a deadline. */
		if (r->resp != NULL)
			stream_deadline(resp_stream(r->resp), 0);
		return;
	}
	look_free(r->look);
	r->look = NULL;
	hang_up(r);
	(void)let_go(r);
}

static void
late(struct probe *p)
{
	struct redis *r = p->spot->redis;

	probe_say(p, SAW_NOT, "'%s' %s", spot_endpoint(p->spot)->name, r != NULL && r->ready ?
	    "did not answer the question in time" : "does not answer in time");
}

void
redis_free(struct redis *r)
{
	if (r == NULL)
		return;
	look_free(r->look);
	hang_up(r);
	free(r);
}

/* --- census -------------------------------------------------------------- */

/* The value of NAME=VALUE in a line of CLIENT LIST, or of NAME:VALUE in INFO; allocated, or NULL. */
static char *
field(const char *line, size_t len, const char *name, char separator)
{
	const char *end = line + len, *p = line, *stop;
	size_t n = strlen(name);

	while (p < end) {
		stop = memchr(p, separator == '=' ? ' ' : '\n', (size_t)(end - p));
		if (stop == NULL)
			stop = end;
		if ((size_t)(stop - p) > n && memcmp(p, name, n) == 0 && p[n] == separator)
			return mem_strndup(p + n + 1, (size_t)(stop - p) - n - 1);
		p = stop + 1;
	}
	return NULL;
}

static int64_t
field_int(const char *line, size_t len, const char *name, char separator, int64_t otherwise)
{
	char *s = field(line, len, name, separator), *end;
	int64_t v;

	if (s == NULL)
		return otherwise;
	v = strtoll(s, &end, 10);
	if (end == s || v < 0)
		v = otherwise;
	free(s);
	return v;
}

/* Cuts "1.2.3.4:5" or "[::1]:5" in two: the address stays, the port is returned; -1 when it is none. */
static int
split_address(char *s)
{
	char *colon = s == NULL ? NULL : strrchr(s, ':');
	size_t len;
	long port;

	if (colon == NULL)
		return -1;
	port = strtol(colon + 1, NULL, 10);
	*colon = '\0';
	len = strlen(s);
	if (len >= 2 && s[0] == '[' && s[len - 1] == ']') {
		memmove(s, s + 1, len - 2);
		s[len - 2] = '\0';
	}
	return port < 0 || port > 65535 ? -1 : (int)port;
}

/* Of a session at this port of the server's: 1 it is on TLS, 0 on plaintext, -1 it cannot be told. */
static int
tls_by_port(const struct redis *r, int local_port)
{
	const struct endpoint *ep = spot_endpoint(r->spot);
	const struct redis_probe *p = of(r->probe);
	int tls_port = p->tls_port > 0 ? p->tls_port : p->tls_port == -1 ? ep->port_tls : 0;

	if (ep->one_port || local_port <= 0 || (local_port != tls_port && local_port != ep->port_tls &&
	    local_port != p->port && local_port != ep->port_plain))
		return -1;
	return (local_port == tls_port || local_port == ep->port_tls) && local_port != ep->port_plain &&
	    local_port != p->port;
}

static bool
on_tls(struct redis *r, int local_port)
{
	int tls = tls_by_port(r, local_port);

	if (tls == -1 && spot_endpoint(r->spot)->one_port)
		of(r->probe)->one_port++;
	else if (tls == -1)
		of(r->probe)->elsewhere++;
	return tls == 1;
}

struct own {
	char *address, *user;
};

/* One that was made from a client's host, by whichever of our workers. */
static bool
in_a_clients_place(struct redis *r, const char *line, size_t len)
{
	const char *own = r->spot->set->c.redis_name;
	char *name = own == NULL ? NULL : field(line, len, "name", '=');
	bool is = name != NULL && strcmp(name, own) == 0;

	free(name);
	return is;
}

/* Another belay of the same user on the same host, or ourselves. */
static bool
is_ours(struct redis *r, const char *line, size_t len, const struct own *own)
{
	char *name, *user, *address;
	bool ours;

	if (r->own_id != -1 && field_int(line, len, "id", '=', -2) == r->own_id)
		return true;
	if (in_a_clients_place(r, line, len))
		return true;
	if (own->address == NULL)
		return false;
	name = field(line, len, "name", '=');
	user = field(line, len, "user", '=');
	address = field(line, len, "addr", '=');
	(void)split_address(address);
	ours = name != NULL && strcmp(name, OWN_NAME) == 0 && address != NULL &&
	    strcmp(address, own->address) == 0 &&
	    (user == own->user || (user != NULL && own->user != NULL && strcmp(user, own->user) == 0));
	free(name);
	free(user);
	free(address);
	return ours;
}

static void
count_line(struct redis *r, const char *line, size_t len)
{
	struct redis_probe *p = of(r->probe);
	int64_t id = field_int(line, len, "id", '=', -1);
	char *flags = field(line, len, "flags", '=');

	/* The link that it made to its master itself has a number, and is no connection that it received. */
	if (id > p->newest_id)
		p->newest_id = id;
	/* Those that we make in a client's place are counted when they are made. */
	if (id > r->spot->account.newest_id && (flags == NULL || strchr(flags, 'M') == NULL) &&
	    !in_a_clients_place(r, line, len))
		p->listed++;
	free(flags);
}

/* Who has only just come and said nothing: nobody's session yet, and perhaps one of ours that has no name so far. */
static bool
says_nothing_yet(const char *line, size_t len)
{
	char *command = field(line, len, "cmd", '=');
	bool nothing = command != NULL && strcmp(command, "NULL") == 0 && field_int(line, len, "age", '=', -1) == 0;

	free(command);
	return nothing;
}

static void
client_line(struct redis *r, const char *line, size_t len, const struct own *own)
{
	char *address = field(line, len, "addr", '='), *local = field(line, len, "laddr", '=');
	char *user = field(line, len, "user", '='), *name = field(line, len, "name", '=');
	char *database = field(line, len, "db", '='), *flags = field(line, len, "flags", '=');
	struct seen_session s;
	int local_port, port;

	port = split_address(address);
	local_port = split_address(local);
	/* Sockets, and the link that this server itself made to its master, are nobody's dial. */
	if (r->own_id != -1 && field_int(line, len, "id", '=', -2) == r->own_id)
		r->probe->reading.census.own_tls = tls_by_port(r, local_port);
	if (address != NULL && address[0] != '/' && address[0] != '\0' &&
	    (flags == NULL || strpbrk(flags, "MU") == NULL) && !is_ours(r, line, len, own) &&
	    !says_nothing_yet(line, len)) {
		s.address = address;
		s.user = user;
		s.database = database;
		s.application = name;
		s.tls = on_tls(r, local_port);
		s.age_s = field_int(line, len, "age", '=', -1);
		s.port = port > 0 ? port : 0;
		census_add(&r->probe->reading.census, r->spot->set->c.fleet, &r->spot->set->known,
		    r->spot->endpoint, &s);
	}
	free(address);
	free(local);
	free(user);
	free(name);
	free(database);
	free(flags);
}

static void
client_list(struct redis *r, const struct resp_value *v)
{
	const char *p = v->text, *end = v->text + v->len, *nl;
	struct own own = { NULL, NULL };

	for (; p < end && own.address == NULL; p = nl + 1) {
		nl = memchr(p, '\n', (size_t)(end - p));
		if (nl == NULL)
			nl = end;
		if (r->own_id == -1 || field_int(p, (size_t)(nl - p), "id", '=', -2) != r->own_id)
			continue;
		own.address = field(p, (size_t)(nl - p), "addr", '=');
		own.user = field(p, (size_t)(nl - p), "user", '=');
		(void)split_address(own.address);
	}
	for (p = v->text; p < end; p = nl + 1) {
		nl = memchr(p, '\n', (size_t)(end - p));
		if (nl == NULL)
			nl = end;
		if (nl > p) {
			count_line(r, p, (size_t)(nl - p));
			client_line(r, p, (size_t)(nl - p), &own);
		}
	}
	free(own.address);
	free(own.user);
}

static void
census_reset(struct probe *p)
{
	census_release(&p->reading.census);
	census_begin(&p->reading.census, p->set->c.fleet, p->spot->endpoint);
	of(p)->port = of(p)->tls_port = -1;
	of(p)->one_port = of(p)->elsewhere = 0;
	of(p)->newest_id = -1;
	of(p)->listed = 0;
}

static void
census_ask(struct redis *r)
{
	put(r, TAG_PORT, RESP_REPLY_MAX, "CONFIG", "GET", "port");
	put(r, TAG_TLS_PORT, RESP_REPLY_MAX, "CONFIG", "GET", "tls-port");
	put(r, TAG_CLIENTS, CLIENT_LIST_MAX, "CLIENT", "LIST", NULL);
	/* Counted after they were listed: who comes in between is unaccounted for until the next look, never the other way. */
	put(r, TAG_STATS, RESP_REPLY_MAX, "INFO", "stats", NULL);
}

/* "port", "6379": -1 where CONFIG is refused or says something else. */
static int
config_port(const struct resp_value *v)
{
	if (v->type != RESP_ARRAY || v->n != 2 || v->v[1] == NULL || v->v[1]->type != RESP_STRING)
		return -1;
	return atoi(v->v[1]->text);
}

static void
census_reply(struct redis *r, int tag, const struct resp_value *v)
{
	struct probe *p = r->probe;

	switch (tag) {
	case TAG_PORT:
		of(p)->port = config_port(v);
		break;
	case TAG_TLS_PORT:
		of(p)->tls_port = config_port(v);
		break;
	case TAG_STATS:
		if (v->type == RESP_STRING)
			p->reading.census.connections_total = field_int(v->text, v->len,
			    "total_connections_received", ':', -1);
		break;
	case TAG_CLIENTS:
		if (v->type == RESP_STRING)
			client_list(r, v);
		else if (v->type == RESP_ERROR && strncmp(v->text, "NOPERM", 6) == 0)
			probe_say(p, SAW_PART, "the probe's user may not see who is connected; "
			    "ACL SETUSER it +client|list +client|id +client|setname");
		else
			probe_say(p, SAW_PART, "CLIENT LIST: %s", v->type == RESP_ERROR ? v->text :
			    "not a list");
		break;
	default:
		break;
	}
}

/* What came since the last look and is not there to be seen. */
static void
settle_account(struct redis *r)
{
	struct redis_probe *p = of(r->probe);
	struct census *c = &r->probe->reading.census;
	struct account *a = &r->spot->account;
	int64_t unseen;

	if (c->connections_total < 0 || p->newest_id < 0)
		return;
	if (a->from_ms == 0 || c->connections_total < a->total) {
		/* The first look, or it was started anew. */
		a->from_ms = r->probe->began_ms;
		a->own = r->spot->own;
		a->unlisted = 0;
		a->newest_id = p->newest_id;
	} else
		a->unlisted += c->connections_total - a->total - p->listed;
	a->total = c->connections_total;
	if (p->newest_id > a->newest_id)	/* who had the highest may have gone meanwhile */
		a->newest_id = p->newest_id;
	unseen = a->unlisted - (int64_t)(r->spot->own - a->own);
	c->unaccounted = unseen > 0 ? unseen : 0;
	c->unaccounted_from_ms = a->from_ms;
}

static void
census_finish(struct redis *r)
{
	struct redis_probe *p = of(r->probe);

	settle_account(r);
	if (p->one_port > 0)
		probe_say(r->probe, SAW_PART, "one port for both: which of %u sessions are on TLS cannot be told",
		    p->one_port);
	if (p->elsewhere > 0)
		probe_say(r->probe, SAW_PART, "%u sessions on a port that is neither the plaintext nor the TLS one",
		    p->elsewhere);
	spot_doubts(r->spot, r->probe);
	spot_logins(r->spot, true, &r->probe->reading.census);
}

static const struct redis_script census_script = {
	census_ask, census_reply, census_finish, census_reset,
};

static void
census_start(struct probe *p)
{
	start(p, &census_script);
}

const struct probe_ops redis_census_ops = { sizeof(struct redis_probe), census_start, stop, late };

/* --- settings ------------------------------------------------------------ */

static const char *const settings[] = {
	"port", "tls-port", "tls-auth-clients", "tls-cert-file", "tls-key-file", "tls-ca-cert-file",
	"tls-ca-cert-dir", "tls-replication", "tls-cluster", "tls-protocols", "bind",
	"protected-mode", "appendonly", "save", "maxclients",
};

static void
settings_ask(struct redis *r)
{
	const char *more = probe_wants(r->probe);
	size_t i;

	for (i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
		put(r, TAG_CONFIG, RESP_REPLY_MAX, "CONFIG", "GET", settings[i]);
	/* One name: a pattern would ask for what nobody named, a password among it. */
	if (more[0] != '\0' && strpbrk(more, "*?[\\") == NULL)
		put(r, TAG_CONFIG, RESP_REPLY_MAX, "CONFIG", "GET", more);
	put(r, TAG_SERVER, RESP_REPLY_MAX, "INFO", NULL, NULL);
}

static void
put_info(struct probe *p, const struct resp_value *v, const char *name)
{
	char *value = field(v->text, v->len, name, ':');
	size_t len;

	if (value == NULL)
		return;
	len = strlen(value);
	if (len > 0 && value[len - 1] == '\r')
		value[len - 1] = '\0';
	setting_put(p, name, value);
	free(value);
}

static void
settings_reply(struct redis *r, int tag, const struct resp_value *v)
{
	struct probe *p = r->probe;
	size_t i;

	if (tag == TAG_SERVER && v->type == RESP_STRING) {
		put_info(p, v, "redis_version");
		put_info(p, v, "config_file");
		put_info(p, v, "role");
		put_info(p, v, "master_link_status");
		put_info(p, v, "connected_slaves");
		return;
	}
	if (tag != TAG_CONFIG)
		return;
	of(p)->configs++;
	if (v->type == RESP_ERROR) {
		of(p)->refused++;
		if (of(p)->refusal == NULL)
			of(p)->refusal = mem_strdup(v->text);
	}
	/* A name that this version does not have gives an empty list. */
	for (i = 0; v->type == RESP_ARRAY && i + 1 < v->n; i += 2)
		if (v->v[i] != NULL && v->v[i]->type == RESP_STRING && v->v[i + 1] != NULL &&
		    v->v[i + 1]->type == RESP_STRING && setting_get(&p->reading, v->v[i]->text) == NULL)
			setting_put(p, v->v[i]->text, v->v[i + 1]->text);
}

static void
settings_finish(struct redis *r)
{
	struct redis_probe *p = of(r->probe);

	if (p->refused > 0)
		probe_say(r->probe, SAW_PART, "CONFIG GET: %s", p->refusal);
	free(p->refusal);
	p->refusal = NULL;
	persisted_redis(r->probe);
}

static void
settings_reset(struct probe *p)
{
	setting_forget(p);
	of(p)->configs = of(p)->refused = 0;
}

static const struct redis_script settings_script = {
	settings_ask, settings_reply, settings_finish, settings_reset,
};

static void
settings_start(struct probe *p)
{
	start(p, &settings_script);
}

const struct probe_ops redis_settings_ops = { sizeof(struct redis_probe), settings_start, stop, late };
