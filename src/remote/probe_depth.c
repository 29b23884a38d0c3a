/*
 * probe_depth: what a look at an endpoint does not show: READING_DISK, whether what is served
 * is what lies on its host, and READING_DEPTH, which versions and ciphers it takes.
 *
 * Both begin with a handshake of their own, so that what is compared was met at the
 * same time.  The files are those that the server names itself; a command on its host looks at
 * them, and of a private key only its mode, its owner and its public half ever leave that.
 * Handshakes of READING_DEPTH come one after the other, with a pause between, at most
 * SHAKES_MAX of them; what a version is refused for may stand in the server's log.
 *
 * A probe of these has no turn of its own; each handshake takes one, and so do the
 * settings that are asked for the names.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/mem.h"
#include "core/standing.h"
#include "core/text.h"
#include "pki/certificate.h"
#include "remote/errand.h"
#include "remote/probe_int.h"

#define PAUSE_MS	60
#define SHAKES_MAX	14
#define OLD_SUITES_MAX	5	/* more of TLS 1.2 than the first */
#define NEW_SUITES_MAX	2	/* of TLS 1.3 */
#define FILES_MAX	((size_t)64 << 10)

#define EVERY_CIPHER	"ALL:COMPLEMENTOFALL"
/* What nobody should take any more: no encryption, no certificate, broken ciphers. */
#define WEAK_CIPHERS	"eNULL:aNULL:RC4:DES:3DES:MD5:EXP:@SECLEVEL=0"
#define EVERY_SUITE	"TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256"

/* ---- one handshake, in its turn ---- */

struct shake_probe {
	struct probe base;
	const struct tls_offer *offer;
	struct look *look;
};

static void
shaken(void *arg, struct look *l)
{
	struct shake_probe *p = arg;
	struct served *s = &p->base.reading.served;

	s->tls = l->leg;
	s->tls_why = l->why[0] == '\0' ? NULL : mem_strdup(l->why);
	s->protocol = l->facts.protocol;
	s->cipher = l->facts.cipher;
	s->cert = l->facts.cert;
	s->chain_why = l->facts.chain_why;
	memset(&l->facts, 0, sizeof(l->facts));
	probe_finish(&p->base);
}

static void
shake_start(struct probe *base)
{
	struct shake_probe *p = (struct shake_probe *)base;

	p->look = look_offering(base->spot, p->offer, probe_left_ms(base), shaken, p);
}

static void
shake_stop(struct probe *base)
{
	look_free(((struct shake_probe *)base)->look);
	((struct shake_probe *)base)->look = NULL;
}

static const struct probe_ops shake_ops = { sizeof(struct shake_probe), shake_start, shake_stop, NULL };

/* ---- both ---- */

struct depth_probe {
	struct probe base;
	struct spot *spot;
	struct probe *inner;
	/* DISK */
	struct errand *errand;
	bool	 meant;			/* its settings say that it has TLS */
	/* DEPTH */
	uv_timer_t *pause;
	struct tls_offer offer;
	char	 list[1024];		/* the offer's */
	int	 version;		/* under way: 0 … 3; DEPTH_VERSIONS: the weak ones */
	size_t	 more, shakes;		/* further suites of it were asked for; handshakes */
};

static void	next(struct depth_probe *);

static void
shake(struct depth_probe *p, void (*done)(void *, struct reading *))
{
	p->shakes++;
	p->inner = probe_new(p->base.set, &shake_ops, p->spot, LANE_LOOK, READING_SERVED, p->spot->endpoint,
	    probe_left_ms(&p->base), done, p);
	((struct shake_probe *)p->inner)->offer = &p->offer;
}

static void
pause_closed(uv_handle_t *h)
{
	free(h);
}

static void
stop(struct probe *base)
{
	struct depth_probe *p = (struct depth_probe *)base;

	if (p->inner != NULL)
		probe_cancel(p->inner);
	p->inner = NULL;
	errand_cancel(p->errand);
	p->errand = NULL;
	if (p->pause != NULL) {
		(void)uv_timer_stop(p->pause);
		uv_close((uv_handle_t *)p->pause, pause_closed);
	}
	p->pause = NULL;
}

/* ---- what lies on the host ---- */

static const struct {
	const char *cert, *key;
} names[KIND_COUNT] = {
	[KIND_POSTGRES] = { "ssl_cert_file", "ssl_key_file" },
	[KIND_PGBOUNCER] = { "client_tls_cert_file", "client_tls_key_file" },
	[KIND_REDIS] = { "tls-cert-file", "tls-key-file" },
};

/*
 * Prints the first certificate, "key MODE UID OWNER" and the key's public half.  What
 * cannot be looked at says so by its absence; nothing of it is an error.
 */
static const char look_sh[] =
	"look_at() { if [ -r \"$1\" ]; then sed -n '/-----BEGIN CERT/,/-----END CERT/p; /-----END CERT/q' <\"$1\"; "
	"elif [ -e \"$1\" ]; then echo 'cert closed'; else echo 'cert unseen'; fi; "
	"stat -L -c 'key %a %u %U' -- \"$2\" 2>/dev/null || echo 'key unseen'; "
	"if [ ! -r \"$2\" ]; then echo 'half closed'; "
	"elif ! command -v openssl >/dev/null 2>&1; then echo 'half none'; "
	"else openssl pkey -passin pass: -in \"$2\" -pubout 2>/dev/null </dev/null || echo 'half sealed'; fi; }; look_at ";

static bool
says(const char *text, const char *line)
{
	const char *p = strstr(text, line);

	return p != NULL && (p == text || p[-1] == '\n');
}

static void
take_key(struct disk *d, const char *text)
{
	const char *line = strstr(text, "\nkey ");
	unsigned mode;
	long long uid;

	if (strncmp(text, "key ", 4) == 0)
		line = text;
	else if (line != NULL)
		line++;
	if (line == NULL || sscanf(line, "key %o %lld", &mode, &uid) != 2)
		return;
	d->key_seen = true;
	d->key_mode = mode & 07777u;
	d->key_uid = uid;
}

static void
take_files(struct disk *d, const char *text, size_t len)
{
	struct err err;
	int pair = -1;

	take_key(d, text);
	if (says(text, "cert closed"))
		d->cert_why = mem_printf("'%s' cannot be read by us", d->cert_file);
	else if (says(text, "cert unseen"))
		d->cert_why = mem_printf("'%s' is not there, or cannot be seen by us", d->cert_file);
	else if (certificate_on_disk(text, len, d->sha256, &d->not_after_s, &pair, &err) != 0)
		d->cert_why = mem_printf("'%s': %s", d->cert_file, err.msg);
	if (pair != -1) {
		d->pair = pair == 1 ? VERIFIED_OK : VERIFIED_BAD;
		return;
	}
	d->key_why = !d->key_seen ? mem_printf("'%s' is not there, or cannot be seen by us", d->key_file) :
	    says(text, "half none") ? mem_strdup("its host has no openssl(1) to look into the key") :
	    says(text, "half sealed") ? mem_printf("'%s' is no private key, or one that a passphrase seals", d->key_file) :
	    says(text, "half closed") ? mem_printf("'%s' cannot be read by us", d->key_file) : NULL;
}

static void
files_came(void *arg, struct errand_result *r)
{
	struct depth_probe *p = arg;

	p->errand = NULL;
	if (!r->ended)
		probe_end(&p->base, SAW_NOT, "%s", r->why == NULL ? "its host did not answer" : r->why);
	else if (r->out->over)
		probe_end(&p->base, SAW_NOT, "what its files say is too long");
	else {
		take_files(&p->base.reading.disk, buf_str(r->out), r->out->len);
		probe_finish(&p->base);
	}
}

static void
disk_shaken(void *arg, struct reading *r)
{
	struct depth_probe *p = arg;
	struct disk *d = &p->base.reading.disk;
	struct buf command;

	p->inner = NULL;
	memcpy(d->served_sha256, r->served.cert.sha256, sizeof(d->served_sha256));
	reading_release(r);
	/*
	 * Whose TLS is off need not have any files; what they are then is the activation's to see. Where it is
	 * meant to be on, they are why it is not.
	 */
	if (d->served_sha256[0] == '\0' && !p->meant) {
		probe_finish(&p->base);
		return;
	}
	buf_init(&command, 0);
	(void)buf_puts(&command, look_sh);
	text_shell_quote(&command, d->cert_file);
	(void)buf_putc(&command, ' ');
	text_shell_quote(&command, d->key_file);
	p->errand = errand_run(p->base.set->c.session(p->base.set->c.arg, spot_endpoint(p->spot)->host), buf_str(&command),
	    FILES_MAX, probe_left_ms(&p->base), files_came, p);
	buf_release(&command);
}

/* The path as the server has it; a Postgres counts from its data directory.  NULL: not known. */
static char *
path_of(const struct reading *r, enum kind kind, const char *name)
{
	const char *value = setting_get(r, name), *data = kind == KIND_POSTGRES ? setting_get(r, "data_directory") : NULL;

	if (value == NULL || value[0] == '\0')
		return NULL;
	if (value[0] == '/')
		return mem_strdup(value);
	return data == NULL ? NULL : mem_printf("%s/%s", data, value);
}

/* Does it say itself that it has TLS? */
static bool
means_tls(const struct reading *r, enum kind kind)
{
	static const char *const by[KIND_COUNT] = { "ssl", "client_tls_sslmode", "tls-port" };
	const char *value = setting_get(r, by[kind]);

	if (value == NULL || value[0] == '\0')
		return false;
	return kind == KIND_PGBOUNCER ? strcmp(value, "disable") != 0 : kind == KIND_POSTGRES ? strcmp(value, "on") == 0 :
	    strcmp(value, "0") != 0;
}

static void
settings_came(void *arg, struct reading *r)
{
	struct depth_probe *p = arg;
	struct disk *d = &p->base.reading.disk;
	enum kind kind = spot_endpoint(p->spot)->kind;

	p->inner = NULL;
	p->meant = means_tls(r, kind);
	d->cert_file = path_of(r, kind, names[kind].cert);
	d->key_file = path_of(r, kind, names[kind].key);
	if (d->cert_file == NULL || d->key_file == NULL) {
		probe_say(&p->base, SAW_NOT, "%s", r->outcome == SAW_NOT && r->why != NULL ? r->why :
		    "the server does not say which files it has its certificate and key from");
		reading_release(r);
		probe_finish(&p->base);
		return;
	}
	reading_release(r);
	shake(p, disk_shaken);
}

/* A container names files of its own, and its host may have others by the same names. */
static bool
in_container(const struct spot *spot)
{
	struct standing_text texts[STANDING_TEXTS_MAX];
	size_t i, n = standing_texts(spot->set->c.fleet, spot->endpoint, texts);

	for (i = 0; i < n; i++)
		if (path_in_container(texts[i].path) != NULL)
			return true;
	return spot_endpoint(spot)->runs_as;
}

static void
disk_start(struct probe *base)
{
	struct depth_probe *p = (struct depth_probe *)base;
	const struct endpoint *ep = spot_endpoint(p->spot);

	if (ep->host == NONE || ep->via != NONE)
		probe_end(base, SAW_NOT, "its host is not one that can be read");
	else if (in_container(p->spot))
		probe_end(base, SAW_NOT, "it runs in a container, whose files are not looked at");
	else
		p->inner = probe_endpoint(base->set, READING_SETTINGS, p->spot->endpoint, probe_left_ms(base), settings_came, p);
}

static const struct probe_ops disk_ops = { sizeof(struct depth_probe), disk_start, stop, NULL };

/* ---- versions and ciphers ---- */

static bool
has_cipher(const struct depth *d, const char *name)
{
	size_t i;

	for (i = 0; i < d->nciphers; i++)
		if (strcmp(d->ciphers[i], name) == 0)
			return true;
	return false;
}

/* The names of OpenSSL that go into a list again: a server's word does not, but this is our own. */
static void
offer(struct depth_probe *p)
{
	struct depth *d = &p->base.reading.depth;
	const char *suite, *end;
	struct buf b;
	size_t i;

	memset(&p->offer, 0, sizeof(p->offer));
	buf_init(&b, sizeof(p->list) - 1);
	p->offer.only = true;
	p->offer.version = p->version;
	if (p->version == DEPTH_VERSIONS) {
		p->offer.version = d->versions[2] == TRIED_TAKES ? 2 : d->versions[1] == TRIED_TAKES ? 1 : 0;
		(void)buf_puts(&b, WEAK_CIPHERS);
		p->offer.ciphers = p->list;
	} else if (p->version == 3) {
		for (suite = EVERY_SUITE; *suite != '\0'; suite = *end == '\0' ? end : end + 1) {
			char name[64];

			end = suite + strcspn(suite, ":");
			(void)snprintf(name, sizeof(name), "%.*s", (int)(end - suite), suite);
			if (!has_cipher(d, name))
				(void)buf_printf(&b, "%s%s", b.len > 0 ? ":" : "", name);
		}
		p->offer.suites = p->list;
	} else {
		(void)buf_puts(&b, EVERY_CIPHER);
		for (i = 0; i < d->nciphers; i++)
			(void)buf_printf(&b, ":!%s", d->ciphers[i]);
		(void)buf_puts(&b, ":@SECLEVEL=0");
		p->offer.ciphers = p->list;
	}
	(void)snprintf(p->list, sizeof(p->list), "%s", buf_str(&b));
	buf_release(&b);
}

static void
depth_shaken(void *arg, struct reading *r)
{
	struct depth_probe *p = arg;
	struct depth *d = &p->base.reading.depth;
	const struct served *s = &r->served;
	bool takes = s->tls == LEG_OPEN && s->cipher != NULL;
	size_t cap = p->version == 3 ? NEW_SUITES_MAX : p->version == 2 ? OLD_SUITES_MAX : 0;

	p->inner = NULL;
	if (takes && d->sha256[0] == '\0')
		memcpy(d->sha256, s->cert.sha256, sizeof(d->sha256));
	if (p->version == DEPTH_VERSIONS) {
		if (takes)
			d->weak = mem_strdup(s->cipher);
		p->version++;
	} else {
		if (p->more == 0)
			d->versions[p->version] = takes ? TRIED_TAKES : s->tls == LEG_REFUSED ? TRIED_REFUSES : TRIED_NOT;
		if (takes && !has_cipher(d, s->cipher) && d->nciphers < DEPTH_CIPHERS_MAX)
			d->ciphers[d->nciphers++] = mem_strdup(s->cipher);
		if (takes && p->more < cap)
			p->more++;
		else {
			d->more_ciphers |= takes && p->version == 2;
			p->version++;
			p->more = 0;
		}
	}
	reading_release(r);
	next(p);
}

static void
paused(uv_timer_t *t)
{
	struct depth_probe *p = t->data;

	shake(p, depth_shaken);
}

static void
next(struct depth_probe *p)
{
	struct depth *d = &p->base.reading.depth;
	bool old = d->versions[0] == TRIED_TAKES || d->versions[1] == TRIED_TAKES || d->versions[2] == TRIED_TAKES;

	if (p->version == DEPTH_VERSIONS && !old)
		p->version++;
	if (p->version > DEPTH_VERSIONS || p->shakes == SHAKES_MAX) {
		if (d->sha256[0] == '\0')
			probe_say(&p->base, SAW_PART, "no handshake went through");
		probe_finish(&p->base);
		return;
	}
	offer(p);
	(void)uv_timer_start(p->pause, paused, p->shakes == 0 ? 0 : PAUSE_MS, 0);
}

static void
depth_start(struct probe *base)
{
	struct depth_probe *p = (struct depth_probe *)base;
	const struct endpoint *ep = spot_endpoint(p->spot);

	if ((ep->host == NONE && ep->via == NONE) || spot_port(p->spot, true) == 0) {
		probe_end(base, SAW_NOT, "no TLS port is declared, or no host to look from");
		return;
	}
	p->pause = mem_alloc(sizeof(*p->pause));
	(void)uv_timer_init(base->set->c.loop, p->pause);
	p->pause->data = p;
	next(p);
}

static const struct probe_ops depth_ops = { sizeof(struct depth_probe), depth_start, stop, NULL };

struct probe *
probe_deep(struct probes *set, enum reading_kind kind, int endpoint, int64_t deadline_ms, probe_done *done, void *arg)
{
	struct probe *p = probe_new(set, kind == READING_DISK ? &disk_ops : &depth_ops, NULL, LANE_ASK, kind, endpoint,
	    deadline_ms, done, arg);

	((struct depth_probe *)p)->spot = &set->spots[endpoint];
	return p;
}
