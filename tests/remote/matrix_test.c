/*
 * matrix_test: certificates and settings, good and bad, on real Postgres, PgBouncer and
 * Redis, against what the board makes of them.  A cell is one of them on one server: it is
 * set so, a client that checks nothing keeps a session there, belay looks, and the state of
 * the client's link and the words are compared with what has to be said.
 *
 * A false pass is a link that is called proven and must not be; a false alarm is one that
 * has to be, and is not.  Of certificates another program says the same again:
 * openssl-verify(1), for the name that is dialled.
 *
 * All servers, belay's side too, run under an OpenSSL that takes anything (level 0), so that what is
 * weak is really served, and belay's word for it is its own.
 *
 * time limit: 240
 */
#include <arpa/inet.h>
#include <libpq-fe.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/board.h"
#include "core/depth.h"
#include "core/reader.h"
#include "core/mem.h"
#include "core/text.h"
#include "core/buf.h"
#include "probe_fixture.h"

static int ntap, nbad, ncells, npasses, nalarms, nwords;
static const char *const kinds[] = { "postgres", "pgbouncer", "redis" };
static const int link_of[] = { LINK_PG_APP, LINK_PGB_APP, LINK_REDIS_APP };

/* --- certificates ---------------------------------------------------------- */

static const char more_sh[] =
	"set -eu; cd \"$1\"\n"
	"cat >>ca.cnf <<'END'\n"
	"[noeku]\nsubjectAltName=DNS:db.internal,IP:127.0.0.1\n"
	"[upper]\nsubjectAltName=DNS:DB.INTERNAL\n"
	"[wildgood]\nsubjectAltName=DNS:*.db.internal\n"
	"[six]\nsubjectAltName=IP:::1\n"
	"[noip]\nsubjectAltName=DNS:db.internal\n"
	"[kuwrong]\nsubjectAltName=DNS:db.internal,IP:127.0.0.1\nkeyUsage=critical,cRLSign\n"
	"[pathlen]\nbasicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n"
	"[constrained]\nbasicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n"
	"nameConstraints=critical,permitted;DNS:example.org\n"
	"[notca]\nbasicConstraints=critical,CA:FALSE\nsubjectKeyIdentifier=hash\n"
	"END\n"
	"key() { [ -f $1.key ] || openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:${2:-P-256} -out $1.key; }\n"
	"rsa() { openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:$2 -out $1.key; }\n"
	"leaf() { # NAME CN EXTENSIONS CA FROM TO [MD]\n"
	"	key $1; openssl req -new -key $1.key -subj \"/CN=$2\" -config ca.cnf -out $1.csr\n"
	"	openssl ca -batch -notext -config ca.cnf -md ${7:-sha256} -cert $4.crt -keyfile $4.key -in $1.csr -out $1.crt"
	" -extensions $3 -startdate $5 -enddate $6; }\n"
	"root() { # NAME CN EXTENSIONS FROM TO\n"
	"	key $1; openssl req -new -key $1.key -subj \"/CN=$2\" -config ca.cnf -out $1.csr\n"
	"	openssl ca -batch -notext -config ca.cnf -selfsign -keyfile $1.key -in $1.csr -out $1.crt"
	" -extensions $3 -startdate $4 -enddate $5; }\n"
	"from=20200101000000Z; to=20450101000000Z; soon=$(date -u -d '+3 days' +%Y%m%d%H%M%SZ)\n"
	"rsa rsa4096 4096; leaf rsa4096 db.internal good ca $from $to\n"
	"key p384 P-384; leaf p384 db.internal good ca $from $to\n"
	"leaf noeku db.internal noeku ca $from $to\n"
	"leaf upper db.internal upper ca $from $to\n"
	"leaf wildgood db.internal wildgood ca $from $to\n"
	"leaf six db.internal six ca $from $to\n"
	"leaf noip db.internal noip ca $from $to\n"
	"leaf noname nobody cnonly ca $from $to\n"
	"leaf revoked db.internal good ca $from $to; openssl ca -config ca.cnf -cert ca.crt -keyfile ca.key -revoke revoked.crt\n"
	"leaf kuwrong db.internal kuwrong ca $from $to\n"
	"rsa weak 1024; leaf weak db.internal good ca $from $to\n"
	"leaf sha1 db.internal good ca $from $to sha1\n"
	"rsa rsaca 2048; root rsaca 'RSA CA' root $from $to; leaf md5 db.internal good rsaca $from $to md5\n"
	/* By an intermediate, sent with it; by one that has expired; under one that may have none below it. */
	"leaf link1 db.internal good middle $from $to; cat middle.crt >link1.chain\n"
	"leaf oldmiddle 'old middle' root ca $from 20210101000000Z; leaf link2 db.internal good oldmiddle $from $to; cp oldmiddle.crt link2.chain\n"
	"leaf flat flat pathlen ca $from $to; leaf below below root flat $from $to\n"
	"leaf link3 db.internal good below $from $to; cat below.crt flat.crt >link3.chain\n"
	"leaf narrow narrow constrained ca $from $to; leaf link4 db.internal good narrow $from $to; cp narrow.crt link4.chain\n"
	"leaf weakmiddle weakmiddle root ca $from $to sha1; leaf link5 db.internal good weakmiddle $from $to; cp weakmiddle.crt link5.chain\n"
	"leaf soonmiddle soonmiddle root ca $from $soon; leaf link6 db.internal good soonmiddle $from $to; cp soonmiddle.crt link6.chain\n"
	/* Other CAs: one of the same name, one that has expired, one that is none, a weak one, one that ends soon. */
	"root impostor 'belay test CA' root $from $to; leaf posing db.internal good impostor $from $to\n"
	"root oldca 'old CA' root $from 20210101000000Z; leaf byold db.internal good oldca $from $to\n"
	"root noca 'no CA' notca $from $to; leaf bynone db.internal good noca $from $to\n"
	"rsa weakca 1024; root weakca 'weak CA' root $from $to; leaf byweak db.internal good weakca $from $to\n"
	"root soonca 'soon CA' root $from $soon; leaf beyond db.internal good soonca $from $to\n"
	"cat otherca.crt ca.crt >both.crt\n"
	"chmod 0600 *.key\n"
	"[ $(id -u) -ne 0 ] || chown postgres: *.key *.crt\n";

struct cell {
	const char *claim;
	const char *cert, *ca;		/* ca NULL: "ca"; "-": none is known */
	const char *dials;		/* NULL: db.internal */
	bool	 proven;
	const char *words;		/* in why it is not, or of what there is */
	bool	 by_us;			/* openssl-verify(1) is more lenient here */
};

static const struct cell cells[] = {
	{ "ECDSA P-256", "good", NULL, NULL, true, NULL, false },
	{ "ECDSA P-384", "p384", NULL, NULL, true, NULL, false },
	{ "RSA-2048", "rsa", NULL, NULL, true, NULL, false },
	{ "RSA-4096", "rsa4096", NULL, NULL, true, NULL, false },
	{ "an intermediate, sent with it", "link1", NULL, NULL, true, NULL, false },
	{ "a wildcard that covers", "wildgood", NULL, "pg.db.internal", true, NULL, false },
	{ "a name in capitals", "upper", NULL, NULL, true, NULL, false },
	{ "dialled in capitals", "good", NULL, "DB.Internal", true, NULL, false },
	{ "an address is dialled, and is in it", "good", NULL, "127.0.0.1", true, NULL, false },
	{ "an IPv6 address", "six", NULL, "::1", true, NULL, false },
	{ "a CA file with two", "good", "both", NULL, true, NULL, false },
	{ "no extended key usage", "noeku", NULL, NULL, true, NULL, false },
	{ "revoked, in a list that nobody reads", "revoked", NULL, NULL, true, NULL, false },
	{ "a leaf that outlives its CA", "beyond", "soonca", NULL, true, NULL, false },
	{ "an intermediate that ends soon", "link6", NULL, NULL, true, NULL, false },
	{ "expired", "expired", NULL, NULL, false, "certificate has expired", false },
	{ "not yet valid", "future", NULL, NULL, false, "certificate is not yet valid", false },
	{ "another name", "wrongname", NULL, NULL, false, "does not cover 'db.internal'", false },
	{ "a common name only", "cnonly", NULL, NULL, false, "it has no alternative name", true },
	{ "no name at all", "noname", NULL, NULL, false, "it has no alternative name", false },
	{ "a wildcard that does not cover", "wildcard", NULL, NULL, false, "does not cover 'db.internal'", false },
	{ "a wildcard, two labels deep", "wildgood", NULL, "a.b.db.internal", false, "does not cover 'a.b.db.internal'", false },
	{ "an address is dialled, and is not in it", "noip", NULL, "127.0.0.1", false, "does not cover '127.0.0.1'", false },
	{ "an address as a DNS name", "ipasdns", NULL, "127.0.0.1", false, "does not cover '127.0.0.1'", false },
	{ "dialled with a dot at its end", "good", NULL, "db.internal.", false, "does not cover 'db.internal.'", false },
	{ "unknown CA", "stranger", NULL, NULL, false, "unable to get local issuer certificate", false },
	{ "another CA of the same name", "posing", NULL, NULL, false, "chain not verified", false },
	{ "no CA is known", "good", "-", NULL, false, "no CA known", true },
	{ "self-signed", "selfsigned", NULL, NULL, false, "self-signed certificate", false },
	{ "the intermediate is not sent", "deep", NULL, NULL, false, "unable to get local issuer certificate", false },
	{ "the intermediate has expired", "link2", NULL, NULL, false, "certificate has expired", false },
	{ "an intermediate below one that may have none", "link3", NULL, NULL, false, "path length constraint exceeded", false },
	{ "a CA for other names", "link4", NULL, NULL, false, "permitted subtree violation", false },
	{ "an intermediate signed by SHA-1", "link5", NULL, NULL, false, "too weak", false },
	{ "for clients only", "clientonly", NULL, NULL, false, "unsuitable certificate purpose", false },
	{ "a key usage that is for no server", "kuwrong", NULL, NULL, false, "unsuitable certificate purpose", false },
	{ "RSA-1024", "weak", NULL, NULL, false, "too weak", false },
	{ "SHA-1", "sha1", NULL, NULL, false, "too weak", false },
	{ "MD5", "md5", "rsaca", NULL, false, "too weak", false },
	{ "a CA that is none", "bynone", "noca", NULL, false, "invalid CA certificate", false },
	{ "a CA that has expired", "byold", "oldca", NULL, false, "certificate has expired", false },
	{ "a CA with a weak key", "byweak", "weakca", NULL, false, "too weak", false },
};
#define CELLS_N (sizeof(cells) / sizeof(cells[0]))

/* --- clients that check nothing ------------------------------------------- */

static SSL_CTX *anything;

static int
dial_port(int port)
{
	struct timeval limit = { 3, 0 };
	struct sockaddr_in a;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	memset(&a, 0, sizeof(a));
	a.sin_family = AF_INET;
	a.sin_port = htons((uint16_t)port);
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0)
		return fd;
	(void)close(fd);
	return -1;
}

/* A handshake; NULL: there was none. */
static SSL *
shake(int kind)
{
	static const unsigned char request[8] = { 0, 0, 0, 8, 4, 210, 22, 47 };
	int fd = dial_port(kind == EP_REDIS ? sv.redis_tls_port : kind == EP_POSTGRES ? sv.postgres_port : sv.pgbouncer_port);
	char answer = 0;
	SSL *ssl;

	if (fd == -1)
		return NULL;
	if (kind != EP_REDIS && (write(fd, request, 8) != 8 || read(fd, &answer, 1) != 1 || answer != 'S')) {
		(void)close(fd);
		return NULL;
	}
	ssl = SSL_new(anything);
	(void)SSL_set_fd(ssl, fd);
	if (SSL_connect(ssl) == 1)
		return ssl;
	SSL_free(ssl);
	(void)close(fd);
	return NULL;
}

/* Closes it when the server has ended its side, and has no session of ours any more. */
static void
see_off(int fd)
{
	char rest[256];

	(void)shutdown(fd, SHUT_WR);
	while (read(fd, rest, sizeof(rest)) > 0)
		continue;
	(void)close(fd);
}

static void
hang_up(SSL *ssl)
{
	int fd;

	if (ssl == NULL)
		return;
	fd = SSL_get_fd(ssl);
	SSL_free(ssl);
	see_off(fd);
}

struct holder {			/* one session that stays */
	PGconn	*pg;
	SSL	*ssl;
	int	 fd;
};

static bool
hold(struct holder *h, int kind, bool tls)
{
	static const char login[] = "AUTH \"probe pw\"\r\nPING\r\n";
	char *info, answer[64];
	bool in;

	memset(h, 0, sizeof(*h));
	h->fd = -1;
	if (kind != EP_REDIS) {
		info = mem_printf("host=127.0.0.1 port=%d user=app password=pw dbname=postgres sslmode=%s gssencmode=disable "
		    "connect_timeout=5 sslrootcert=/nonexistent ssl_min_protocol_version=TLSv1",
		    kind == EP_POSTGRES ? sv.postgres_port : sv.pgbouncer_port, tls ? "require" : "disable");
		h->pg = PQconnectdb(info);
		free(info);
		return PQstatus(h->pg) == CONNECTION_OK;
	}
	if (tls) {
		if ((h->ssl = shake(kind)) == NULL || SSL_write(h->ssl, login, sizeof(login) - 1) <= 0)
			return false;
		in = SSL_read(h->ssl, answer, sizeof(answer)) > 0;
	} else {
		if ((h->fd = dial_port(sv.redis_port)) == -1 || write(h->fd, login, sizeof(login) - 1) <= 0)
			return false;
		in = read(h->fd, answer, sizeof(answer)) > 0;
	}
	return in && answer[0] == '+';
}

static void
let_go(struct holder *h)
{
	int fd = h->pg == NULL ? -1 : dup(PQsocket(h->pg));

	PQfinish(h->pg);
	hang_up(h->ssl);
	if (fd != -1)
		see_off(fd);
	if (h->fd != -1)
		see_off(h->fd);
	memset(h, 0, sizeof(*h));
	h->fd = -1;
}

/* --- what is said ----------------------------------------------------------- */

static struct board *board;

static int64_t
wall_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void
look(int kind)
{
	static const enum reading_kind order[] = { READING_SERVED, READING_CENSUS };
	struct reading r;
	size_t i;

	board_free(board);
	board = board_new(&bench.fleet);
	for (i = 0; i < 2; i++) {
		r = bench_look(&bench, order[i], kind, 10000);
		board_feed(board, &r);
	}
}

/* Expects the link's state, and the words in what is said of it or of its endpoint. */
static void
expect(int kind, const char *claim, enum link_state want, enum accept accepts, const char *words)
{
	struct endpoint_view ev;
	struct link_view v;
	/* Whoever is there: belay's own way in is well, or has to be called otherwise. */
	bool well = want == LINK_PROVEN || (words == NULL && accepts == ACCEPT_BOTH), ok, said;

	board_link(board, link_of[kind], wall_ms(), 60000, &v);
	board_endpoint(board, kind, wall_ms(), 60000, &ev);
	said = words == NULL || strstr(v.why, words) != NULL || strstr(ev.unproven, words) != NULL || strstr(ev.why, words) != NULL;
	ok = v.state == want && (accepts == ACCEPT_UNKNOWN || ev.served == accepts) && said &&
	    ev.verified == well;
	ncells++;
	npasses += (v.state == LINK_PROVEN && want != LINK_PROVEN) || (ev.verified && !well);
	nalarms += (v.state != LINK_PROVEN && want == LINK_PROVEN) || (!ev.verified && well);
	nwords += !said;
	nbad += !ok;
	printf("%sok %d - %s, %s: %s%s%s\n", ok ? "" : "not ", ++ntap, kinds[kind], claim, link_state_word(want),
	    words == NULL ? "" : ", ", words == NULL ? "" : words);
	if (!ok)
		printf("# is %s (wanted %s), %s: '%s'; '%s'; '%s'\n", link_state_word(v.state), link_state_word(want),
		    accept_word(ev.served), v.why, ev.why, ev.unproven);
	(void)fflush(stdout);
}

/* --- certificates, cell by cell --------------------------------------------- */

static void
names_dialled(const char *name)
{
	static char *names[1];
	size_t i;

	names[0] = (char *)(uintptr_t)(name == NULL ? "db.internal" : name);
	for (i = 0; i < EP_COUNT; i++) {
		bench.endpoints[i].names.v = names;
		bench.endpoints[i].names.n = 1;
	}
}

static void
sha_of_file(const char *name, char ret[65])
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	char *file = mem_printf("%s/%s.crt", sv.dir, name);
	FILE *f = fopen(file, "r");
	struct buf hex;
	unsigned len;
	X509 *x;

	assert_non_null(f);
	x = PEM_read_X509(f, NULL, NULL, NULL);
	assert_non_null(x);
	(void)fclose(f);
	assert_int_equal(X509_digest(x, EVP_sha256(), digest, &len), 1);
	X509_free(x);
	buf_init(&hex, 64);
	text_hex(&hex, digest, len);
	(void)snprintf(ret, 65, "%s", buf_str(&hex));
	buf_release(&hex);
	free(file);
}

static bool
serves(int kind, const char *sha)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	struct buf hex;
	unsigned len;
	SSL *ssl = shake(kind);
	X509 *x = ssl == NULL ? NULL : SSL_get1_peer_certificate(ssl);
	bool same = false;

	if (x != NULL && X509_digest(x, EVP_sha256(), digest, &len) == 1) {
		buf_init(&hex, 64);
		text_hex(&hex, digest, len);
		same = strcmp(buf_str(&hex), sha) == 0;
		buf_release(&hex);
	}
	X509_free(x);
	hang_up(ssl);
	return same;
}

static void
nap(void)
{
	struct timespec t = { 0, 5000000 };

	(void)nanosleep(&t, NULL);
}

/* What all three serve from now on: the files that they know, replaced, and told to read again. */
static void
put_files(const char *cert)
{
	servers_run("cd %s && { cat %s.crt; [ ! -f %s.chain ] || cat %s.chain; } >live.crt && cat %s.key >live.key", sv.dir,
	    cert, cert, cert, cert);
}

static void
reload(int kind)
{
	if (kind == EP_POSTGRES)
		assert_int_equal(kill(sv.postgres, SIGHUP), 0);
	else if (kind == EP_PGBOUNCER)
		assert_int_equal(kill(sv.pgbouncer, SIGHUP), 0);
	else
		servers_run("redis-cli --no-auth-warning -a 'probe pw' -p %d CONFIG SET tls-cert-file %s/live.crt tls-key-file "
		    "%s/live.key >/dev/null", sv.redis_port, sv.dir, sv.dir);
}

/* The same, until the server's log has said the word about it. */
static void
reload_said(int kind, const char *word)
{
	char *name = mem_printf("%s.log", kinds[kind]), *text;
	time_t end = time(NULL) + 20;
	bool said = false;

	servers_run(": >%s/%s", sv.dir, name);
	reload(kind);
	while (!said) {
		text = servers_read(&sv, name);
		said = strstr(text, word) != NULL;
		free(text);
		if (time(NULL) > end)
			fail_msg("%s never says '%s'", kinds[kind], word);
		nap();
	}
	free(name);
}

static void
until_served(int kind, const char *cert)
{
	time_t end = time(NULL) + 20;
	char sha[65];

	sha_of_file(cert, sha);
	while (!serves(kind, sha)) {
		if (time(NULL) > end)
			fail_msg("%s never serves '%s'", kinds[kind], cert);
		nap();
	}
}

/* Does another program take it for a server's of that name? */
static bool
openssl_verifies(const struct cell *c)
{
	const char *name = c->dials == NULL ? "db.internal" : c->dials;
	bool address = strspn(name, "0123456789.") == strlen(name) || strchr(name, ':') != NULL;
	char *cmd = mem_printf("cd %s && openssl verify -no-CAfile -no-CApath -no-CAstore -auth_level 2 -purpose sslserver "
	    "-CAfile %s.crt $([ ! -f %s.chain ] || echo -untrusted %s.chain) -verify_%s '%s' %s.crt >/dev/null 2>&1", sv.dir,
	    c->ca == NULL ? "ca" : c->ca, c->cert, c->cert, address ? "ip" : "hostname", name, c->cert);
	bool verifies = system(cmd) == 0;

	free(cmd);
	return verifies;
}

static void
certificates(void)
{
	struct holder h;
	size_t i;
	int k, agrees = 0, asked = 0;

	for (i = 0; i < CELLS_N; i++) {
		const struct cell *c = &cells[i];

		bench_ca(&bench, &sv, c->ca == NULL ? "ca" : strcmp(c->ca, "-") == 0 ? NULL : c->ca);
		names_dialled(c->dials);
		put_files(c->cert);
		for (k = 0; k < EP_COUNT; k++) {
			reload(k);
			until_served(k, c->cert);
			if (!hold(&h, k, true))
				fail_msg("%s, %s: no session: %s", kinds[k], c->claim, h.pg == NULL ? "" : PQerrorMessage(h.pg));
			look(k);
			expect(k, c->claim, c->proven ? LINK_PROVEN : LINK_TLS, ACCEPT_BOTH, c->words);
			let_go(&h);
		}
		if (c->by_us)
			continue;
		asked++;
		if (openssl_verifies(c) == c->proven)
			agrees++;
		else
			printf("# openssl-verify(1) says otherwise: %s\n", c->claim);
	}
	printf("%sok %d - openssl-verify(1) says the same of %d certificates of %d\n", agrees == asked ? "" : "not ", ++ntap,
	    agrees, asked);
	nbad += agrees != asked;
	bench_ca(&bench, &sv, "ca");
	names_dialled(NULL);
}

/* When the first of the chain ends counts, the CA that was verified by among it. */
static void
ends(void)
{
	static const struct { const char *cert, *ca, *who; } of[] = { { "good", "ca", "CN=belay test CA" },
	    { "beyond", "soonca", "CN=soon CA" }, { "link6", "ca", "CN=soonmiddle" } };
	const struct reading *r;
	int64_t days;
	size_t i;
	bool ok;

	for (i = 0; i < sizeof(of) / sizeof(of[0]); i++) {
		bench_ca(&bench, &sv, of[i].ca);
		put_files(of[i].cert);
		reload(EP_REDIS);
		until_served(EP_REDIS, of[i].cert);
		look(EP_REDIS);
		r = board_reading(board, READING_SERVED, EP_REDIS);
		assert_non_null(r);
		days = (r->served.cert.ends_s - (int64_t)time(NULL)) / 86400;
		ok = r->served.cert.ends_who != NULL && strcmp(r->served.cert.ends_who, of[i].who) == 0 &&
		    days == (i == 0 ? 29 : 2) && r->served.cert.not_after_s > r->served.cert.ends_s;
		printf("%sok %d - %s: of its chain %s is the first to end\n", ok ? "" : "not ", ++ntap, of[i].cert, of[i].who);
		if (!ok)
			printf("# %s, in %lld days\n", r->served.cert.ends_who == NULL ? "(its own)" : r->served.cert.ends_who, (long long)days);
		nbad += !ok;
	}
	bench_ca(&bench, &sv, "ca");
}

/* --- settings ----------------------------------------------------------------- */

/* A cell with one session, or more, that are held: on TLS, on plaintext. */
static void
with_sessions(int kind, bool tls, bool plain, const char *claim, enum link_state want, enum accept accepts, const char *words)
{
	struct holder a, b;

	memset(&a, 0, sizeof(a));
	memset(&b, 0, sizeof(b));
	a.fd = b.fd = -1;
	if ((tls && !hold(&a, kind, true)) || (plain && !hold(&b, kind, false)))
		fail_msg("%s, %s: no session: %s%s", kinds[kind], claim, a.pg == NULL ? "" : PQerrorMessage(a.pg),
		    b.pg == NULL ? "" : PQerrorMessage(b.pg));
	look(kind);
	expect(kind, claim, want, accepts, words);
	let_go(&a);
	let_go(&b);
}

static void
settings_of_postgres(void)
{
	char more[400];

	servers_postgres(&sv, NULL, BENCH_HBA_BOTH, "");
	with_sessions(EP_POSTGRES, false, true, "no TLS", LINK_PLAINTEXT, ACCEPT_PLAIN, NULL);
	servers_postgres(&sv, "good", BENCH_HBA_BOTH, "");
	with_sessions(EP_POSTGRES, false, true, "TLS is offered, and nobody takes it", LINK_PLAINTEXT, ACCEPT_BOTH, NULL);
	with_sessions(EP_POSTGRES, true, true, "one of two takes it", LINK_MIXED, ACCEPT_BOTH, NULL);
	with_sessions(EP_POSTGRES, false, false, "nobody is there", LINK_IDLE, ACCEPT_BOTH, NULL);
	servers_postgres(&sv, "good", "hostssl all all 127.0.0.1/32 scram-sha-256", "");
	with_sessions(EP_POSTGRES, true, false, "TLS only", LINK_PROVEN, ACCEPT_TLS, NULL);
	servers_postgres(&sv, "good", BENCH_HBA_BOTH, "ssl_min_protocol_version = 'TLSv1.3'");
	with_sessions(EP_POSTGRES, true, false, "TLS 1.3 only", LINK_PROVEN, ACCEPT_BOTH, NULL);
	servers_postgres(&sv, "good", BENCH_HBA_BOTH, "ssl_min_protocol_version = 'TLSv1'\nssl_max_protocol_version = 'TLSv1.1'");
	with_sessions(EP_POSTGRES, true, false, "TLS 1.1 at most", LINK_TLS, ACCEPT_UNKNOWN, "does not speak TLS 1.2 or later");
	(void)snprintf(more, sizeof(more), "ssl_ca_file = '%s/ca.crt'", sv.dir);
	servers_postgres(&sv, "good", BENCH_HBA_BOTH, more);
	with_sessions(EP_POSTGRES, true, false, "asks for a client certificate", LINK_PROVEN, ACCEPT_BOTH, NULL);
	servers_postgres(&sv, "good", "hostssl all all 127.0.0.1/32 scram-sha-256 clientcert=verify-ca\nhostnossl all all 127.0.0.1/32 "
	    "scram-sha-256", more);
	with_sessions(EP_POSTGRES, false, true, "needs a client certificate", LINK_PLAINTEXT, ACCEPT_PLAIN, NULL);
	servers_postgres(&sv, "good", "hostssl all all 127.0.0.1/32 scram-sha-256 clientcert=verify-ca", more);
	with_sessions(EP_POSTGRES, false, false, "needs a client certificate, and plaintext is refused", LINK_UNKNOWN, ACCEPT_UNKNOWN,
	    "needs a client certificate");
	servers_postgres(&sv, "good", "hostnossl all all 127.0.0.1/32 scram-sha-256", "");
	with_sessions(EP_POSTGRES, false, true, "pg_hba.conf has no hostssl line", LINK_PLAINTEXT, ACCEPT_PLAIN, NULL);
	servers_postgres(&sv, "good", "hostssl all app 127.0.0.1/32 scram-sha-256", "");
	with_sessions(EP_POSTGRES, true, false, "pg_hba.conf does not let belay in", LINK_UNKNOWN, ACCEPT_UNKNOWN, "no pg_hba.conf entry");
	/* Set by a reload that cannot load them. */
	servers_postgres(&sv, NULL, BENCH_HBA_BOTH, "");
	servers_run("cd %s && printf '%%s\\n' 'ssl = on' \"ssl_key_file = '$PWD/wrongname.key'\" >>data/postgresql.conf", sv.dir);
	reload_said(EP_POSTGRES, "not reloaded");
	with_sessions(EP_POSTGRES, false, true, "the key of another certificate, by a reload", LINK_PLAINTEXT, ACCEPT_PLAIN, NULL);
	servers_run("cd %s && cp good.key open.key && chmod 0644 open.key && printf '%%s\\n' \"ssl_key_file = '$PWD/open.key'\" "
	    ">>data/postgresql.conf", sv.dir);
	reload_said(EP_POSTGRES, "not reloaded");
	with_sessions(EP_POSTGRES, false, true, "a key that it refuses, by a reload", LINK_PLAINTEXT, ACCEPT_PLAIN, NULL);
}

/* Its own sessions at Postgres are another role's than its clients'. */
static void
bouncer(const char *mode, const char *cert, const char *more)
{
	char *lines = mem_printf("%s\n[databases]\npostgres = host=127.0.0.1 port=%d user=other password=pw", more,
	    sv.postgres_port), *all;

	if (mode != NULL)
		bench_pgbouncer(mode, cert, lines);
	else {
		all = mem_printf("stats_users = belay_probe\n%s\n", lines);
		servers_pgbouncer(&sv, all);
		free(all);
	}
	free(lines);
}

static void
settings_of_pgbouncer(void)
{
	servers_postgres(&sv, NULL, BENCH_HBA_BOTH, "");
	bouncer(NULL, NULL, "");
	with_sessions(EP_PGBOUNCER, false, true, "no TLS", LINK_PLAINTEXT, ACCEPT_PLAIN, NULL);
	bouncer("allow", "good", "");
	with_sessions(EP_PGBOUNCER, false, true, "TLS is offered, and nobody takes it", LINK_PLAINTEXT, ACCEPT_BOTH, NULL);
	with_sessions(EP_PGBOUNCER, true, true, "one of two takes it", LINK_MIXED, ACCEPT_BOTH, NULL);
	with_sessions(EP_PGBOUNCER, false, false, "nobody is there", LINK_IDLE, ACCEPT_BOTH, NULL);
	bouncer("require", "good", "");
	with_sessions(EP_PGBOUNCER, true, false, "TLS only", LINK_PROVEN, ACCEPT_TLS, NULL);
	bouncer("require", "good", "client_tls_protocols = tlsv1.3");
	with_sessions(EP_PGBOUNCER, true, false, "TLS 1.3 only", LINK_PROVEN, ACCEPT_TLS, NULL);
	bouncer("allow", "good", "client_tls_protocols = tlsv1.0,tlsv1.1");
	with_sessions(EP_PGBOUNCER, true, false, "TLS 1.1 at most", LINK_TLS, ACCEPT_UNKNOWN, "does not speak TLS 1.2 or later");
	bouncer("verify-full", "good", "");
	with_sessions(EP_PGBOUNCER, false, false, "needs a client certificate", LINK_UNKNOWN, ACCEPT_UNKNOWN, "needs a client certificate");
	servers_run("echo 'hostnossl all all 127.0.0.1/32 plain' | sed 's/plain/password/' >%s/bouncer.hba", sv.dir);
	{
		char *more = mem_printf("auth_type = hba\nauth_hba_file = %s/bouncer.hba", sv.dir);

		bouncer("allow", "good", more);
		free(more);
	}
	with_sessions(EP_PGBOUNCER, false, true, "its hba file has no hostssl line", LINK_PLAINTEXT, ACCEPT_PLAIN, NULL);
	/* Set by a reload that cannot load them, and says that all is well. */
	bouncer(NULL, NULL, "");
	servers_run("cd %s && sed -i \"s|^auth_type.*|&\\nclient_tls_sslmode = require\\nclient_tls_cert_file = $PWD/good.crt\\n"
	    "client_tls_key_file = $PWD/wrongname.key|\" pgbouncer.ini && grep -q wrongname.key pgbouncer.ini", sv.dir);
	reload_said(EP_PGBOUNCER, "got SIGHUP");
	with_sessions(EP_PGBOUNCER, false, true, "the key of another certificate, by a reload", LINK_PLAINTEXT, ACCEPT_PLAIN, NULL);
	bouncer(NULL, NULL, "");
	servers_run("cd %s && sed -i \"s|^auth_type.*|&\\nclient_tls_sslmode = require\\nclient_tls_cert_file = $PWD/good.crt\\n"
	    "client_tls_key_file = $PWD/none.key|\" pgbouncer.ini && grep -q none.key pgbouncer.ini", sv.dir);
	reload_said(EP_PGBOUNCER, "got SIGHUP");
	with_sessions(EP_PGBOUNCER, false, true, "a key that it cannot read, by a reload", LINK_PLAINTEXT, ACCEPT_PLAIN, NULL);
}

static void
settings_of_redis(void)
{
	bench_redis(true, false, NULL, NULL, NULL);
	with_sessions(EP_REDIS, false, true, "no TLS", LINK_PLAINTEXT, ACCEPT_PLAIN, NULL);
	servers_run("redis-cli --no-auth-warning -a 'probe pw' -p %d CONFIG SET tls-cert-file %s/good.crt tls-key-file "
	    "%s/wrongname.key tls-port %d >/dev/null; true", sv.redis_port, sv.dir, sv.dir, sv.redis_tls_port);
	with_sessions(EP_REDIS, false, true, "the key of another certificate, by statement", LINK_PLAINTEXT, ACCEPT_PLAIN, NULL);
	bench_redis(true, true, "good", NULL, NULL);
	with_sessions(EP_REDIS, false, true, "TLS is offered, and nobody takes it", LINK_PLAINTEXT, ACCEPT_BOTH, NULL);
	with_sessions(EP_REDIS, true, true, "one of two takes it", LINK_MIXED, ACCEPT_BOTH, NULL);
	with_sessions(EP_REDIS, false, false, "nobody is there", LINK_IDLE, ACCEPT_BOTH, NULL);
	bench_redis(false, true, "good", NULL, NULL);
	with_sessions(EP_REDIS, true, false, "TLS only", LINK_PROVEN, ACCEPT_TLS, NULL);
	bench_redis(true, true, "good", "--tls-protocols", "TLSv1.3");
	with_sessions(EP_REDIS, true, false, "TLS 1.3 only", LINK_PROVEN, ACCEPT_BOTH, NULL);
	bench_redis(true, true, "good", "--tls-protocols", "TLSv1 TLSv1.1");
	with_sessions(EP_REDIS, true, false, "TLS 1.1 at most", LINK_TLS, ACCEPT_UNKNOWN, "does not speak TLS 1.2 or later");
	bench_redis(true, true, "good", "--tls-auth-clients", "optional");
	with_sessions(EP_REDIS, true, false, "asks for a client certificate", LINK_PROVEN, ACCEPT_BOTH, NULL);
	bench_redis(true, true, "good", "--tls-auth-clients", "yes");
	with_sessions(EP_REDIS, false, true, "needs a client certificate", LINK_PLAINTEXT, ACCEPT_PLAIN, NULL);
	bench_redis(false, true, "good", "--tls-auth-clients", "yes");
	with_sessions(EP_REDIS, false, false, "needs a client certificate, and plaintext is closed", LINK_UNKNOWN, ACCEPT_UNKNOWN,
	    "needs a client certificate");
}

/* --- what lies on the host, and what is taken -------------------------------------- */

/* A deeper look, and one of the findings; NULL: there is none at all. */
static void
finds(int kind, enum reading_kind look_kind, const char *claim, const char *words)
{
	struct reading r = bench_look(&bench, READING_SERVED, kind, 10000);
	struct strings found = { NULL, 0 };
	size_t i, k, others;
	bool ok;

	board_free(board);
	board = board_new(&bench.fleet);
	board_feed(board, &r);
	r = bench_look(&bench, look_kind, kind, 20000);
	if (r.outcome != SAW)
		printf("# %s: %s\n", bench_outcome_word(r.outcome), r.why);
	ok = r.outcome == SAW;
	board_feed(board, &r);
	depth_findings(&found, &bench.fleet, board, kind, wall_ms());
	for (i = 0; i < found.n && words != NULL && strstr(found.v[i], words) == NULL; i++)
		continue;
	/* The fixture's CA ends within a month, and its PgBouncer has a CA for its clients, and so asks them. */
	for (k = 0, others = 0; k < found.n; k++)
		others += strstr(found.v[k], " ends in ") == NULL &&
		    (kind != EP_PGBOUNCER || strstr(found.v[k], "asks for a client") == NULL);
	ok = ok && (words == NULL ? others == 0 : i < found.n);
	ncells++;
	npasses += words != NULL && i == found.n;
	nalarms += words == NULL && others > 0;
	nbad += !ok;
	printf("%sok %d - %s, %s: %s\n", ok ? "" : "not ", ++ntap, kinds[kind], claim, words == NULL ? "nothing else is said" : words);
	for (i = 0; i < found.n && !ok; i++)
		printf("# %s\n", found.v[i]);
	strings_release(&found);
	(void)fflush(stdout);
}

static bool
takes(int kind, const char *words)
{
	const struct reading *r = board_reading(board, READING_DEPTH, kind);
	struct buf b = { 0 };
	bool same;
	int v;

	for (v = 0; r != NULL && v < DEPTH_VERSIONS; v++)
		if (r->depth.versions[v] == TRIED_TAKES)
			buf_printf(&b, "%s%s", b.len > 0 ? " " : "", depth_version_word(v));
	same = r != NULL && strcmp(buf_str(&b), words) == 0 && r->depth.nciphers >= 2;
	printf("%sok %d - %s takes %s\n", same ? "" : "not ", ++ntap, kinds[kind], words);
	if (!same)
		printf("# %s, %zu ciphers\n", buf_str(&b), r == NULL ? 0 : r->depth.nciphers);
	nbad += !same;
	buf_release(&b);
	return same;
}

static void
deeper(void)
{
	int k;

	bench_ca(&bench, &sv, "ca");
	names_dialled(NULL);
	put_files("p384");
	servers_run("chmod 0600 %s/live.key", sv.dir);
	servers_postgres(&sv, "live", BENCH_HBA_BOTH, "");
	bouncer("allow", "live", "");
	bench_redis(true, true, "live", NULL, NULL);
	/* The fixture's CA ends in 30 days; that is said of each. */
	for (k = 0; k < EP_COUNT; k++) {
		bench.fleet.certs[0].warn_ms = INT64_C(86400000);
		finds(k, READING_DISK, "served as it lies there", NULL);
		finds(k, READING_DEPTH, "nothing old is taken", NULL);
		(void)takes(k, "TLSv1.2 TLSv1.3");
		bench.fleet.certs[0].warn_ms = INT64_C(40) * 86400000;
		finds(k, READING_DISK, "it ends soon", "CN=belay test CA ends in 29 days");
		bench.fleet.certs[0].warn_ms = INT64_C(86400000);
	}
	servers_run("cd %s && cat rsa.crt >live.crt", sv.dir);
	for (k = 0; k < EP_COUNT; k++) {
		finds(k, READING_DISK, "replaced, and not reloaded", "a reload was forgotten");
		finds(k, READING_DISK, "a certificate without its key", "do not belong together");
	}
	servers_run("cd %s && cat rsa.key >live.key", sv.dir);
	for (k = 0; k < EP_COUNT; k++) {
		reload(k);
		until_served(k, "rsa");
		finds(k, READING_DISK, "reloaded at last", NULL);
	}
	servers_run("chmod 0644 %s/live.key", sv.dir);
	for (k = 0; k < EP_COUNT; k++)
		finds(k, READING_DISK, "a key for everybody", "anybody on its host can read the key");
	servers_run("chmod 0600 %s/live.key", sv.dir);
	servers_postgres(&sv, "good", BENCH_HBA_BOTH, "ssl_min_protocol_version = 'TLSv1'");
	finds(EP_POSTGRES, READING_DEPTH, "old versions are taken", "it takes TLSv1.1");
	(void)takes(EP_POSTGRES, "TLSv1 TLSv1.1 TLSv1.2 TLSv1.3");
	servers_postgres(&sv, "good", BENCH_HBA_BOTH, "ssl_ciphers = 'HIGH:eNULL'");
	finds(EP_POSTGRES, READING_DEPTH, "no encryption is taken", "which protects nothing any more");
	bouncer("allow", "good", "client_tls_protocols = all");
	finds(EP_PGBOUNCER, READING_DEPTH, "old versions are taken", "it takes TLSv1.1");
	bench_redis(true, true, "good", "--tls-protocols", "TLSv1.1 TLSv1.2");
	finds(EP_REDIS, READING_DEPTH, "old versions are taken", "it takes TLSv1.1");
	/* Set, by a reload that could not load it: why is in its files. */
	servers_postgres(&sv, NULL, BENCH_HBA_BOTH, "");
	servers_run("cd %s && printf '%%s\\n' 'ssl = on' \"ssl_key_file = '$PWD/wrongname.key'\" >>data/postgresql.conf", sv.dir);
	reload_said(EP_POSTGRES, "not reloaded");
	finds(EP_POSTGRES, READING_DISK, "set, and not loaded", "do not belong together: it cannot load them");
	bouncer(NULL, NULL, "");
	servers_run("cd %s && sed -i \"s|^auth_type.*|&\\nclient_tls_sslmode = allow\\nclient_tls_cert_file = $PWD/good.crt\\n"
	    "client_tls_key_file = $PWD/wrongname.key|\" pgbouncer.ini && grep -q wrongname.key pgbouncer.ini", sv.dir);
	reload_said(EP_PGBOUNCER, "got SIGHUP");
	finds(EP_PGBOUNCER, READING_DISK, "set, and not loaded", "do not belong together: it cannot load them");
	servers_postgres(&sv, NULL, BENCH_HBA_BOTH, "");
	finds(EP_POSTGRES, READING_DISK, "no TLS, and none is set", NULL);
	bench_redis(true, true, "good", "--tls-auth-clients", "optional");
	finds(EP_REDIS, READING_DISK, "asks for a client certificate", "asks for a client certificate");
}

/* It was proven; then nobody answers any more, though the session is still there. */
static void
stops_answering(void)
{
	struct holder h;
	struct reading r;

	bench_redis(true, true, "good", NULL, NULL);
	assert_true(hold(&h, EP_REDIS, true));
	look(EP_REDIS);
	expect(EP_REDIS, "it is well", LINK_PROVEN, ACCEPT_BOTH, NULL);
	(void)kill(sv.redis, SIGSTOP);
	r = bench_look(&bench, READING_SERVED, EP_REDIS, 300);
	board_feed(board, &r);
	(void)kill(sv.redis, SIGCONT);
	expect(EP_REDIS, "then it does not answer", LINK_TLS, ACCEPT_UNKNOWN, "last handshake");
	let_go(&h);
}

int
main(void)
{
	static char conf[300];
	int k;

	servers_up(&sv);
	servers_write(&sv, "openssl.cnf", "openssl_conf = init\n[init]\nssl_conf = ssl\n[ssl]\nsystem_default = any\n"
	    "[any]\nMinProtocol = TLSv1\nCipherString = DEFAULT:@SECLEVEL=0\n");
	(void)snprintf(conf, sizeof(conf), "%s/openssl.cnf", sv.dir);
	assert_int_equal(setenv("OPENSSL_CONF", conf, 1), 0);
	servers_write(&sv, "more.sh", more_sh);
	servers_run("sh %s/more.sh %s >%s/more.log 2>&1 || { tail -5 %s/more.log >&2; exit 1; }", sv.dir, sv.dir, sv.dir, sv.dir);
	anything = SSL_CTX_new(TLS_client_method());
	assert_non_null(anything);
	SSL_CTX_set_security_level(anything, 0);
	(void)SSL_CTX_set_min_proto_version(anything, TLS1_VERSION);

	servers_run("cd %s && cp good.crt live.crt && cp good.key live.key && { [ $(id -u) -ne 0 ] || chown postgres: live.*; } && "
	    "chmod 0600 live.key", sv.dir);
	servers_postgres(&sv, "live", BENCH_HBA_BOTH, "");
	servers_sql(&sv, "GRANT pg_monitor TO belay_probe");
	sv.pgbouncer_port = port_free();
	sv.redis_port = port_free();
	sv.redis_tls_port = port_free();
	bench_up(&bench, &sv);
	bouncer("allow", "live", "");
	bench_redis(true, true, "live", NULL, NULL);
	names_dialled(NULL);

	certificates();
	ends();
	settings_of_postgres();
	settings_of_pgbouncer();
	settings_of_redis();
	deeper();
	stops_answering();

	printf("1..%d\n", ntap);
	printf("# %zu certificates on %d servers, and their settings: %d cells; false passes %d, false alarms %d, wrong words %d\n",
	    CELLS_N, EP_COUNT, ncells, npasses, nalarms, nwords);
	board_free(board);
	bench_down(&bench);
	SSL_CTX_free(anything);
	for (k = 0; k < EP_COUNT; k++)
		servers_stop(&sv, k == EP_POSTGRES ? &sv.postgres : k == EP_PGBOUNCER ? &sv.pgbouncer : &sv.redis);
	servers_down(&sv);
	return nbad > 0;
}
