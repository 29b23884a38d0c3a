/*
 * hba_test: core/hba.h against a real server, over rule files and connections
 * made at random.
 *
 * Each file is written, reloaded and connected to; what was read of it is
 * compared with pg_hba_file_rules, and of each connection which record decided
 * (as the server's log tells it) and what came of it.  A file that the server
 * refuses leaves the rules that were.  The client is our own, so that it
 * can choose where it comes from and what it says: 127.x.y.z, 10.1.x.y, IPv6
 * and names of addresses, in a network and mount namespace of its own.
 *
 *   hba_test            5,400 connections
 *   hba_test FILES SEED   so many files, 27 connections for each
 *
 * time limit: 300
 */
#define _GNU_SOURCE		/* memmem */
#include <arpa/inet.h>
#include <errno.h>
#include <libpq-fe.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/ssl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/hba.h"
#include "core/mem.h"
#include "core/text.h"
#include "tests/remote/servers.h"

#define PER_FILE 27
#define SAY_MAX 12

static struct servers sv;
static PGconn *super;
static SSL_CTX *tls[2];		/* without and with a client certificate */
static bool apart;		/* in namespaces of our own */
static uint64_t seed = 20150101;
static int generation, log_fd = -1;
static size_t ncases, nlines, nwrong, nfiles, nrefused, nshadowed, seen_of[HBA_OUTCOME_COUNT];

static const char certificate_sh[] =
	"set -eu; cd '%s'; exec >>certificates.log 2>&1\n"
	"printf '[t_client]\\nextendedKeyUsage=clientAuth\\n' >>ca.cnf\n"
	"openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out client.key\n"
	"openssl req -new -key client.key -subj /CN=app -config ca.cnf -out client.csr\n"
	"openssl ca -batch -notext -config ca.cnf -cert ca.crt -keyfile ca.key -in client.csr -out client.crt"
	" -extensions t_client -startdate 20200101000000Z -enddate 20450101000000Z\n";

static const char inside_sh[] =
	"set -eu; d=$(mktemp -d); printf '127.0.0.1 localhost\\n127.0.0.2 alpha.test\\n127.0.0.3 beta.other\\n"
	"10.1.2.3 gamma.test\\n::1 localhost\\n' >$d/hosts; echo 'hosts: files' >$d/nsswitch\n"
	"mount --bind $d/hosts /etc/hosts; mount --bind $d/nsswitch /etc/nsswitch.conf; rm -r $d 2>/dev/null || :\n"
	"ip link set lo up; ip addr add 10.1.2.3/16 dev lo; ip addr add fd00:1::5/64 dev lo nodad\n"
	"BELAY_HBA_APART=1 exec \"$0\" \"$@\"\n";

/* --- random --------------------------------------------------------------- */

static unsigned
roll(unsigned n)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (unsigned)(seed >> 33) % n;
}

#define PICK(a) ((a)[roll(sizeof(a) / sizeof((a)[0]))])

static const char *const database_words[] = { "all", "all", "all", "sameuser", "samerole", "samegroup", "replication",
    "\"all\"", "\"replication\"", "\"sameuser\"", "app", "\"app\"", "g1", "\"we ird\"", "we\" ird\"", "db1", "scr",
    "@dbs", "all,replication", "db1,app", "db1, app ,\tg1", "\"q\"\"q\"", "@\"dbs\"", "\"@dbs\"" };
static const char *const role_words[] = { "all", "all", "all", "app", "scr", "nopw", "ghost", "\"all\"", "+g1", "+\"g1\"",
    "\"+g1\"", "+g2", "+app", "+ghost", "+nosuch", "\"we ird\"", "@roles", "app,+g2", "scr, nopw", "+\"we ird\"", "+all",
    "\"\"all", "g1", "app,scr" };
static const char *const address_words[] = { "all", "all", "samehost", "samenet", "127.0.0.1/32", "127.0.0.0/8",
    "127.0.0.1 255.255.255.255", "127.0.0.0 255.0.255.0", "127.0.0.1 255.0.0.255", "10.1.0.0/16", "10.1.2.3/32",
    "10.1.9.0/24", "::1/128", "::/0", "fd00:1::/64", "fd00:1::5 ffff:ffff::", "0.0.0.0/0", "127.1/32", "0x7f.0.0.1/8",
    "127.0.0.2/31", "0177.0.0.1/32", "2130706433/32", "127.5.0.9/+30", "10.1.255.255/16", "fd00:1:0:0::/62" };
static const char *const name_words[] = { "localhost", "alpha.test", ".test", "ALPHA.Test", "\"all\"", ".other",
    "gamma.test", "\"127.0.0.1 \"", "test" };
static const char *const method_words[] = { "password", "md5", "scram-sha-256" };
static const char *const wrong_lines[] = { "hostx all all all trust", "host all all 127.0.0.1 trust",
    "host all all 127.0.0.1/33 trust", "host all all all trusty", "host all all all", "host all all", "host all",
    "host all all all cert", "host all all all peer", "host all all all md5 map=x", "host all all all md5 clientcert=verify-ca",
    "hostssl all all all cert clientcert=verify-ca", "hostssl all all all md5 clientcert=1", "host all all a.b/8 md5",
    "host all all 10.0.0.0 ::1 md5", "host all all all,all md5", "host,host all all all md5", "host all @missing all md5",
    "host all all all md5 loose", "host all all all md5 colour=red", "host all all all ldap", "host all all all radius",
    "local all all gss", "host all all all md5,trust", "host all all 1.2.3.4 nomask md5", "host all all all sspi",
    "hostssl all all all md5 clientname=XX", "host all all 300.1.1.1/8 md5" };

/* --- rule files ----------------------------------------------------------- */

static void
put_blank(struct buf *b)
{
	static const char *const blanks[] = { " ", " ", " ", "\t", "  ", " \t ", " \\\n", "\\\n  ", " \r " };

	(void)buf_puts(b, PICK(blanks));
}

static void
put_rule(struct buf *b, bool only_passwords)
{
	static const char *const types[] = { "host", "host", "host", "hostssl", "hostnossl", "hostssl", "hostnossl",
	    "hostgssenc", "hostnogssenc", "local", "local" };
	const char *type = PICK(types);
	bool ssl = strcmp(type, "hostssl") == 0, local = type[0] == 'l';
	unsigned r = only_passwords ? 99 : roll(20);

	(void)buf_puts(b, type);
	put_blank(b);
	(void)buf_puts(b, roll(2) ? "all" : PICK(database_words));
	put_blank(b);
	(void)buf_puts(b, roll(2) ? "all" : PICK(role_words));
	put_blank(b);
	if (!local) {
		(void)buf_puts(b, roll(3) == 0 ? "all" : apart && roll(5) == 0 ? PICK(name_words) :
		    PICK(address_words));
		put_blank(b);
	}
	(void)buf_puts(b, r < 4 ? "trust" : r < 7 ? "reject" : r == 7 && ssl ? "cert" : r == 7 && local ? "peer" :
	    r == 8 && ssl ? "cert map=any" : PICK(method_words));
	if (ssl && r > 8 && roll(5) == 0)
		(void)buf_puts(b, roll(2) ? " clientcert=verify-ca" : "  clientcert=verify-full clientname=CN");
	if (roll(6) == 0)
		(void)buf_puts(b, " # host all all all trust");
	(void)buf_putc(b, '\n');
}

static void
put_rules(struct buf *b)
{
	bool only_passwords = roll(3) > 0;
	unsigned n = 3 + roll(14), i, wrong = roll(12) == 0 ? roll(n) : n;

	(void)buf_puts(b, "local all postgres trust\n");
	for (i = 0; i < n; i++) {
		switch (roll(14)) {
		case 0:
			(void)buf_puts(b, "# a comment\n");
			break;
		case 1:
			(void)buf_puts(b, "\n \t \n");
			break;
		case 2:
			(void)buf_puts(b, "# one that goes on \\\nhost all all all reject\n");
			break;
		case 3:
			(void)buf_puts(b, "\\\n\\\n");
			break;
		}
		if (i == wrong)
			(void)buf_printf(b, "%s\n", PICK(wrong_lines));
		put_rule(b, only_passwords);
	}
}

/* --- the server ------------------------------------------------------------ */

static PGresult *
ask(const char *sql)
{
	PGresult *r = PQexec(super, sql);

	if (PQresultStatus(r) != PGRES_TUPLES_OK && PQresultStatus(r) != PGRES_COMMAND_OK)
		fail_msg("%s: %s", sql, PQerrorMessage(super));
	return r;
}

/* The postmaster does all of a reload between two connections, and tells its children in the middle of it. */
static void
reload(void)
{
	struct timespec t = { 0, 500000 };
	time_t end = time(NULL) + 20;
	char number[16];
	char *text = mem_printf("hba.generation = '%d'\n", ++generation);
	bool same = false;

	servers_write(&sv, "data/generation.conf", text);
	free(text);
	(void)snprintf(number, sizeof(number), "%d", generation);
	assert_int_equal(kill(sv.postgres, SIGHUP), 0);
	while (!same) {
		PGresult *r = ask("SHOW hba.generation");

		same = strcmp(PQgetvalue(r, 0, 0), number) == 0;
		PQclear(r);
		if (time(NULL) > end)
			fail_msg("postgres does not take its configuration");
		if (!same)
			(void)nanosleep(&t, NULL);
	}
}

static int
look_up(void *arg, const char *path, const char **text, size_t *len)
{
	static char *kept[2];
	const char *name = strrchr(path, '/');
	int which;

	(void)arg;
	if (name == NULL || (strcmp(name, "/dbs") != 0 && strcmp(name, "/roles") != 0))
		return 1;
	which = name[1] == 'r';
	if (kept[which] == NULL)
		kept[which] = servers_read(&sv, which ? "data/roles" : "data/dbs");
	*text = kept[which];
	*len = strlen(*text);
	return 0;
}

/* --- what was read of the file --------------------------------------------- */

static void
wrong(const char *text, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void
wrong(const char *text, const char *fmt, ...)
{
	va_list ap;

	if (nwrong++ >= SAY_MAX)
		return;
	va_start(ap, fmt);
	printf("# ");
	(void)vprintf(fmt, ap);
	va_end(ap);
	printf("\n# ---\n");
	for (; *text != '\0'; text++) {
		(void)putchar(*text);
		if (*text == '\n')
			printf("# ");
	}
	printf("---\n");
}

static bool
same_field(const struct hba_field *a, const struct hba_field *b)
{
	size_t i;

	for (i = 0; a->n == b->n && i < a->n; i++)
		if (strcmp(a->v[i].text, b->v[i].text) != 0)
			return false;
	return a->n == b->n;
}

static bool
same_record(const struct hba_record *a, const struct hba_record *b)
{
	if (a->line != b->line || (a->error == NULL) != (b->error == NULL))
		return false;
	if (a->error != NULL)
		return strncmp(b->error, a->error, strlen(a->error)) == 0 || strcmp(b->error, HBA_NOT_SAID) == 0;
	return a->type == b->type && a->method == b->method && a->clientcert == b->clientcert && a->how == b->how &&
	    a->family == b->family && memcmp(a->address, b->address, 16) == 0 && memcmp(a->mask, b->mask, 16) == 0 &&
	    (a->how != HBA_ADDRESS_HOST || strcmp(a->host, b->host) == 0) && same_field(&a->databases, &b->databases) &&
	    same_field(&a->roles, &b->roles) && (a->map == NULL) == (b->map == NULL);
}

static void
compare_rows(const struct hba_rules *rules, const char *text)
{
	PGresult *r = ask("SELECT line_number, type, database, user_name, address, netmask, auth_method, options, error"
	    " FROM pg_hba_file_rules ORDER BY line_number");
	struct hba_rules told;
	int i;

	hba_rules_init(&told);
	for (i = 0; i < PQntuples(r); i++) {
#define COLUMN(c) (PQgetisnull(r, i, c) ? NULL : PQgetvalue(r, i, c))
		struct hba_row row = { COLUMN(0), COLUMN(1), COLUMN(2), COLUMN(3), COLUMN(4), COLUMN(5), COLUMN(6),
		    COLUMN(7), COLUMN(8) };

		hba_add_row(&told, &row);
	}
	if (told.n != rules->n)
		wrong(text, "%zu records, the server has %zu", rules->n, told.n);
	for (i = 0; told.n == rules->n && i < (int)told.n; i++) {
		const struct hba_record *a = &rules->v[i], *b = &told.v[i];

		/* In the view a quoted word is one without quotes. */
		if (a->how == HBA_ADDRESS_HOST && a->error == NULL && strcmp(a->host, "all") == 0)
			continue;
		if (!same_record(a, b)) {
			struct buf x = { 0 }, y = { 0 };

			hba_record_words(&x, a);
			hba_record_words(&y, b);
			wrong(text, "record %d: '%s', the server has '%s' (%s)", i, buf_str(&x), buf_str(&y),
			    b->error == NULL ? "" : b->error);
			buf_release(&x);
			buf_release(&y);
		}
	}
	hba_rules_release(&told);
	PQclear(r);
}

/* --- connections ----------------------------------------------------------- */

struct peer {
	const char *from;	/* NULL: Unix socket */
	const char *name;
};
static const struct peer peers[] = { { NULL, NULL }, { "127.0.0.1", "localhost" }, { "127.0.0.2", "alpha.test" },
    { "127.0.0.3", "beta.other" }, { "127.5.0.9", "" }, { "::1", "localhost" }, { "10.1.2.3", "gamma.test" },
    { "10.1.9.9", "" }, { "fd00:1::5", "" } };
#define PEERS_EVERYWHERE 6

static const char *const users[] = { "app", "app", "scr", "scr", "nopw", "ghost", "we ird", "all", "g1" };
static const char *const databases[] = { "app", "db1", "db1", "g1", "all", "replication", "we ird", "scr", "postgres",
    "q\"q", "sameuser", "@dbs" };

struct seen {
	enum hba_outcome outcome;
	int	 line;		/* 0: not told */
	char	 words[256];
};

struct wire {
	int	 fd;
	SSL	*ssl;
};

static bool
put_all(struct wire *w, const void *p, size_t len)
{
	return w->ssl != NULL ? SSL_write(w->ssl, p, (int)len) == (int)len : write(w->fd, p, len) == (ssize_t)len;
}

static bool
get_all(struct wire *w, void *p, size_t len)
{
	size_t at = 0;

	while (at < len) {
		ssize_t n = w->ssl != NULL ? SSL_read(w->ssl, (char *)p + at, (int)(len - at)) :
		    read(w->fd, (char *)p + at, len - at);

		if (n <= 0)
			return false;
		at += (size_t)n;
	}
	return true;
}

static bool
put_message(struct wire *w, char type, const void *p, size_t len)
{
	unsigned char whole[1024] = { (unsigned char)type };
	uint32_t n = htonl((uint32_t)len + 4);

	assert_true(len + 5 < sizeof(whole));
	memcpy(whole + 1, &n, 4);
	memcpy(whole + 5, p, len);
	return put_all(w, whole, len + 5);
}

/* A message's body, NUL behind it. */
static int
get_message(struct wire *w, char *body, size_t size, size_t *ret_len)
{
	unsigned char head[5];
	uint32_t n;

	if (!get_all(w, head, 5))
		return -1;
	memcpy(&n, head + 1, 4);
	*ret_len = ntohl(n) - 4;
	if (*ret_len >= size || !get_all(w, body, *ret_len))
		return -1;
	body[*ret_len] = '\0';
	return head[0];
}

static bool
dial_up(struct wire *w, const struct peer *p, bool with_tls, bool cert)
{
	static const unsigned char request[8] = { 0, 0, 0, 8, 4, 210, 22, 47 };
	struct timeval limit = { 10, 0 };
	struct sockaddr_storage from, to;
	socklen_t len;
	char answer;
	int on = 1;

	memset(&from, 0, sizeof(from));
	memset(&to, 0, sizeof(to));
	w->ssl = NULL;
	if (p->from == NULL) {
		struct sockaddr_un *un = (struct sockaddr_un *)&to;

		un->sun_family = AF_UNIX;
		(void)snprintf(un->sun_path, sizeof(un->sun_path), "%.80s/.s.PGSQL.%d", sv.dir, sv.postgres_port);
		w->fd = socket(AF_UNIX, SOCK_STREAM, 0);
		return connect(w->fd, (struct sockaddr *)un, sizeof(*un)) == 0;
	}
	if (strchr(p->from, ':') != NULL) {
		struct sockaddr_in6 *a = (struct sockaddr_in6 *)&from, *b = (struct sockaddr_in6 *)&to;

		a->sin6_family = b->sin6_family = AF_INET6;
		(void)inet_pton(AF_INET6, p->from, &a->sin6_addr);
		b->sin6_addr = a->sin6_addr;
		b->sin6_port = htons((uint16_t)sv.postgres_port);
		len = sizeof(*a);
	} else {
		struct sockaddr_in *a = (struct sockaddr_in *)&from, *b = (struct sockaddr_in *)&to;

		a->sin_family = b->sin_family = AF_INET;
		(void)inet_pton(AF_INET, p->from, &a->sin_addr);
		b->sin_addr = a->sin_addr;
		b->sin_port = htons((uint16_t)sv.postgres_port);
		len = sizeof(*a);
	}
	w->fd = socket(from.ss_family, SOCK_STREAM, 0);
	(void)setsockopt(w->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	(void)setsockopt(w->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (bind(w->fd, (struct sockaddr *)&from, len) != 0 || connect(w->fd, (struct sockaddr *)&to, len) != 0)
		return false;
	if (!with_tls)
		return true;
	if (!put_all(w, request, 8) || !get_all(w, &answer, 1) || answer != 'S')
		return false;
	w->ssl = SSL_new(tls[cert]);
	(void)SSL_set_fd(w->ssl, w->fd);
	return SSL_connect(w->ssl) == 1;
}

static void
md5_hex(const void *p, size_t len, char ret[33])
{
	unsigned char md[EVP_MAX_MD_SIZE];
	unsigned n, i;

	assert_int_equal(EVP_Digest(p, len, md, &n, EVP_md5(), NULL), 1);
	for (i = 0; i < n; i++)
		(void)snprintf(ret + 2 * i, 3, "%02x", md[i]);
}

static bool
login_md5(struct wire *w, const char *user, const char *salt)
{
	char hex[40] = "md5", *text = mem_printf("pw%s", user), inner[64];

	md5_hex(text, strlen(text), inner);
	free(text);
	memcpy(inner + 32, salt, 4);
	md5_hex(inner, 36, hex + 3);
	return put_message(w, 'p', hex, 36);
}

/* RFC 5802, without channel binding.  The server's first message is `first`. */
static bool
login_scram(struct wire *w, const char *first, const char *bare)
{
	static struct { char salt[64]; unsigned char key[32]; } known[32];
	static size_t nknown;
	const char *salt = strstr(first, ",s="), *rounds = strstr(first, ",i="), *nonce_end = strchr(first, ',');
	unsigned char client[32], stored[32], sign[32], proof[32];
	struct buf b = { 0 }, auth = { 0 }, raw = { 0 };
	char salt64[64];
	unsigned n;
	size_t i;
	bool ok;

	if (salt == NULL || rounds == NULL || nonce_end == NULL || rounds - salt - 3 >= (long)sizeof(salt64))
		return false;
	memcpy(salt64, salt + 3, (size_t)(rounds - salt - 3));
	salt64[rounds - salt - 3] = '\0';
	for (i = 0; i < nknown && strcmp(known[i].salt, salt64) != 0; i++)
		;
	if (i == nknown) {
		i = nknown = nknown < 31 ? nknown : 0;
		nknown++;
		(void)snprintf(known[i].salt, sizeof(known[i].salt), "%s", salt64);
		(void)text_base64_decode(&raw, salt64, strlen(salt64));
		assert_int_equal(PKCS5_PBKDF2_HMAC("pw", 2, (const unsigned char *)buf_str(&raw), (int)raw.len,
		    atoi(rounds + 3), EVP_sha256(), 32, known[i].key), 1);
	}
	(void)buf_printf(&b, "c=biws,%.*s", (int)(nonce_end - first), first);
	(void)buf_printf(&auth, "%s,%s,%s", bare, first, buf_str(&b));
	(void)HMAC(EVP_sha256(), known[i].key, 32, (const unsigned char *)"Client Key", 10, client, &n);
	(void)EVP_Digest(client, 32, stored, &n, EVP_sha256(), NULL);
	(void)HMAC(EVP_sha256(), stored, 32, (const unsigned char *)buf_str(&auth), auth.len, sign, &n);
	for (i = 0; i < 32; i++)
		proof[i] = client[i] ^ sign[i];
	(void)buf_puts(&b, ",p=");
	text_base64(&b, proof, 32);
	ok = put_message(w, 'p', buf_str(&b), b.len);
	buf_release(&b);
	buf_release(&auth);
	buf_release(&raw);
	return ok;
}

static bool
start_up(struct wire *w, const struct hba_connection *c)
{
	struct buf b = { 0 };
	uint32_t n;
	bool ok;

	(void)buf_put(&b, "\0\0\0\0\0\3\0\0user", 13);
	(void)buf_put(&b, c->user, strlen(c->user) + 1);
	if (c->replication)
		(void)buf_put(&b, "replication\0true", 17);
	(void)buf_put(&b, "database", 9);
	(void)buf_put(&b, c->database, strlen(c->database) + 1);
	(void)buf_putc(&b, '\0');
	n = htonl((uint32_t)b.len);
	memcpy(b.data, &n, 4);
	ok = put_all(w, b.data, b.len);
	buf_release(&b);
	return ok;
}

static const char *
error_words(const char *body, size_t len)
{
	size_t at = 0;

	while (at < len && body[at] != '\0') {
		if (body[at] == 'M')
			return body + at + 1;
		at += strlen(body + at) + 1;
	}
	return "?";
}

static void
log_in(struct wire *w, const struct hba_connection *c, struct seen *ret)
{
	static const char bare[] = "n=,r=abcdefghijklmnop";
	char body[8192];
	bool asked = false;
	uint32_t code;
	size_t len;
	int type;

	ret->outcome = HBA_UNSURE;
	if (!start_up(w, c))
		return;
	while ((type = get_message(w, body, sizeof(body), &len)) == 'R') {
		memcpy(&code, body, 4);
		code = ntohl(code);
		if (code == 0) {
			ret->outcome = asked ? HBA_ASKS : HBA_LETS_IN;
			return;
		}
		asked = true;
		if ((code == 3 && !put_message(w, 'p', "pw", 3)) || (code == 5 && !login_md5(w, c->user, body + 4)))
			break;
		if (code == 10) {
			struct buf b = { 0 };
			uint32_t n = htonl((uint32_t)strlen(bare) + 3);

			(void)buf_put(&b, "SCRAM-SHA-256", 14);
			(void)buf_put(&b, &n, 4);
			(void)buf_printf(&b, "n,,%s", bare);
			(void)put_message(w, 'p', buf_str(&b), b.len);
			buf_release(&b);
		}
		if (code == 11 && !login_scram(w, body + 4, bare))
			break;
	}
	if (type != 'E')
		return;
	(void)snprintf(ret->words, sizeof(ret->words), "%s", error_words(body, len));
	ret->outcome = strstr(ret->words, "no pg_hba.conf entry for") != NULL ? HBA_NO_LINE :
	    strstr(ret->words, "pg_hba.conf rejects") != NULL ? HBA_REJECTED : HBA_USELESS;
}

/* Which line, by what the log has since: it is written before the client is told. */
static void
read_log(struct seen *ret)
{
	static char text[65536];
	ssize_t n = read(log_fd, text, sizeof(text) - 1);
	const char *p;

	text[n > 0 ? n : 0] = '\0';
	for (p = text; p != NULL && ret->line == 0; p = p == NULL ? NULL : p + 1)
		if ((p = strstr(p, "pg_hba.conf")) != NULL) {
			if (strncmp(p + 11, " line ", 6) == 0)
				ret->line = atoi(p + 17);
			else if (p[11] == ':')
				ret->line = atoi(p + 12);
		}
}

static void
connect_once(const struct peer *p, const struct hba_connection *c, struct seen *ret)
{
	struct wire w;

	memset(ret, 0, sizeof(*ret));
	(void)lseek(log_fd, 0, SEEK_END);
	if (dial_up(&w, p, c->tls, c->shows == HBA_SHOWS_CERT))
		log_in(&w, c, ret);
	else
		(void)snprintf(ret->words, sizeof(ret->words), "cannot connect: %s", strerror(errno));
	read_log(ret);
	SSL_free(w.ssl);
	(void)close(w.fd);
}

/* --- cases ----------------------------------------------------------------- */

static void
make_connection(struct hba_connection *c, const struct peer **ret_peer)
{
	static char *of_app[] = { (char *)(uintptr_t)"g1", (char *)(uintptr_t)"g2" };
	static char *own[] = { (char *)(uintptr_t)"127.0.0.1/8", (char *)(uintptr_t)"::1/128",
	    (char *)(uintptr_t)"10.1.2.3/16", (char *)(uintptr_t)"fd00:1::5/64" };
	static struct strings app = { of_app, 2 }, one = { of_app + 1, 1 }, none = { NULL, 0 }, own_apart = { own, 4 };
	const struct peer *p = &peers[roll(apart ? sizeof(peers) / sizeof(peers[0]) : PEERS_EVERYWHERE)];

	memset(c, 0, sizeof(*c));
	*ret_peer = p;
	c->local = p->from == NULL;
	c->address = p->from;
	c->host = apart ? p->name : NULL;
	c->tls = !c->local && roll(2) == 0;
	c->shows = c->tls && roll(2) == 0 ? HBA_SHOWS_CERT : HBA_SHOWS_NONE;
	c->cn = "app";
	c->replication = roll(10) == 0;
	c->user = PICK(users);
	c->database = PICK(databases);
	c->groups = strcmp(c->user, "app") == 0 ? &app : strcmp(c->user, "scr") == 0 || strcmp(c->user, "g1") == 0 ?
	    &one : &none;
	c->no_role = strcmp(c->user, "ghost") == 0;
	c->no_password = strcmp(c->user, "nopw") == 0;
	c->stored = strcmp(c->user, "app") == 0 || strcmp(c->user, "we ird") == 0 ? STORED_MD5 : STORED_SCRAM;
	c->interfaces = apart ? &own_apart : NULL;
}

static void
one_case(const struct hba_rules *rules, const struct hba_rules *redacted, const char *text)
{
	struct hba_connection c;
	struct hba_answer is, again;
	const struct peer *p;
	struct seen seen;
	int line;

	make_connection(&c, &p);
	hba_match(rules, &c, &is);
	line = is.record == NONE ? 0 : rules->v[is.record].line;
	hba_match(redacted, &c, &again);
	if (again.outcome != is.outcome || again.record != is.record)
		wrong(text, "redacted, another record decides");
	if (is.record != NONE && is.outcome != HBA_UNSURE && hba_shadowed_by(rules, is.record) != NONE)
		wrong(text, "line %d decides, though it is shadowed", line);
	connect_once(p, &c, &seen);
	ncases++;
	seen_of[seen.outcome]++;
	nlines += seen.line != 0;
	if (is.outcome == HBA_UNSURE && seen.outcome != HBA_UNSURE &&
	    (!apart || (is.record != NONE && (rules->v[is.record].method == HBA_PEER || rules->v[is.record].map != NULL))))
		return;
	if (is.outcome != seen.outcome || (seen.line != 0 && seen.line != line))
		wrong(text, "%s %s%s%s user '%s' database '%s'%s: %s line %d (%s), the server: %s line %d (%s)",
		    c.local ? "unix" : c.address, c.tls ? "tls" : "plain", c.shows == HBA_SHOWS_CERT ? " cert" : "", "",
		    c.user, c.database, c.replication ? " replication" : "", hba_outcome_word(is.outcome), line, is.why,
		    hba_outcome_word(seen.outcome), seen.line, seen.words);
}

static void
read_rules(struct hba_rules *ret, const char *text)
{
	struct hba_reading how = { 15, servers_path(&sv, "data/pg_hba.conf"), look_up, NULL };
	struct err err;

	assert_int_equal(hba_read(ret, &how, text, strlen(text), &err), 0);
}

static void
one_file(struct hba_rules *inforce, struct hba_rules *redacted, struct buf *text)
{
	struct hba_rules rules;
	struct buf b = { 0 }, shown = { 0 };
	int i;

	put_rules(&b);
	read_rules(&rules, buf_str(&b));
	servers_write(&sv, "data/pg_hba.conf", buf_str(&b));
	compare_rows(&rules, buf_str(&b));
	for (i = 0; i < (int)rules.n; i++)
		nshadowed += hba_shadowed_by(&rules, i) != NONE;
	reload();
	nfiles++;
	/* Of a file with an error nothing is taken. */
	if (rules.broken == NONE && !rules.empty) {
		hba_rules_release(inforce);
		hba_rules_release(redacted);
		*inforce = rules;
		hba_redact(&shown, buf_str(&b), b.len);
		read_rules(redacted, buf_str(&shown));
		buf_clear(text);
		(void)buf_puts(text, buf_str(&b));
	} else {
		nrefused++;
		if (getenv("BELAY_HBA_SAY") != NULL)
			printf("# refused: line %d: %s\n", rules.v[rules.broken].line, rules.v[rules.broken].error);
		hba_rules_release(&rules);
	}
	for (i = 0; i < PER_FILE; i++)
		one_case(inforce, redacted, buf_str(text));
	buf_release(&b);
	buf_release(&shown);
}

/* --- */

static void
go_apart(char **argv)
{
	const char *root[] = { "unshare", "-n", "-m", "sh", "-c", inside_sh, argv[0], argv[1],
	    argv[1] == NULL ? NULL : argv[2], NULL };
	const char *user[] = { "unshare", "-U", "--map-current-user", "--keep-caps", "-n", "-m", "sh", "-c", inside_sh,
	    argv[0], argv[1], argv[1] == NULL ? NULL : argv[2], NULL };

	if (getenv("BELAY_HBA_APART") != NULL) {
		apart = true;
		return;
	}
	if (system(geteuid() == 0 ? "unshare -n -m true 2>/dev/null" :
	    "unshare -U --map-current-user --keep-caps -n -m ip link set lo up 2>/dev/null") != 0) {
		printf("# no namespaces here: addresses beyond loopback and names of addresses are left out\n");
		return;
	}
	(void)execvp("unshare", (char *const *)(uintptr_t)(geteuid() == 0 ? root : user));
}

static void
all_down(void)
{
	PQfinish(super);
	servers_down(&sv);
}

static void
all_up(void)
{
	static const char roles[] = "SET password_encryption = 'md5'; ALTER ROLE app PASSWORD 'pw';"
	    " CREATE ROLE \\\"we ird\\\" LOGIN PASSWORD 'pw'; SET password_encryption = 'scram-sha-256';"
	    " CREATE ROLE scr LOGIN PASSWORD 'pw'; CREATE ROLE nopw LOGIN; CREATE ROLE \\\"all\\\" LOGIN PASSWORD 'pw';"
	    " CREATE ROLE g1 LOGIN PASSWORD 'pw'; CREATE ROLE g2 NOLOGIN; GRANT g1 TO app; GRANT g2 TO g1, scr;"
	    " ALTER ROLE app REPLICATION; ALTER ROLE scr REPLICATION";
	char *more, *info;
	int i;

	servers_up(&sv);
	(void)atexit(all_down);
	servers_run(certificate_sh, sv.dir);
	more = mem_printf("listen_addresses = '*'\nmax_connections = 100\nssl_ca_file = '%s/ca.crt'\n"
	    "include = 'generation.conf'\npassword_encryption = 'scram-sha-256'\nlog_hostname = off\n", sv.dir);
	servers_run("mkdir -p '%s'", sv.dir);
	/* initdb wants an empty directory: the files of ours come behind it. */
	servers_postgres(&sv, NULL, "", NULL);
	servers_write(&sv, "data/generation.conf", "hba.generation = '0'\n");
	servers_write(&sv, "data/dbs", "db1 \"we ird\" # two\n\n g1,scr\n");
	servers_write(&sv, "data/roles", "scr\n+g1 \\\n nopw\n");
	servers_write(&sv, "data/pg_ident.conf", "any app scr\n");
	servers_postgres(&sv, "good", "", more);
	free(more);
	servers_sql(&sv, roles);
	info = mem_printf("host=%s port=%d user=postgres dbname=postgres", sv.dir, sv.postgres_port);
	super = PQconnectdb(info);
	free(info);
	if (PQstatus(super) != CONNECTION_OK)
		fail_msg("postgres: %s", PQerrorMessage(super));
	for (i = 0; i < 2; i++) {
		tls[i] = SSL_CTX_new(TLS_client_method());
		assert_non_null(tls[i]);
		if (i == 1)
			assert_true(SSL_CTX_use_certificate_file(tls[i], servers_path(&sv, "client.crt"), SSL_FILETYPE_PEM) == 1 &&
			    SSL_CTX_use_PrivateKey_file(tls[i], servers_path(&sv, "client.key"), SSL_FILETYPE_PEM) == 1);
	}
	servers_run("touch '%s/postgres.log'", sv.dir);
	{
		FILE *f = fopen(servers_path(&sv, "postgres.log"), "r");

		assert_non_null(f);
		log_fd = dup(fileno(f));
		(void)fclose(f);
	}
}

int
main(int argc, char **argv)
{
	struct hba_rules inforce, redacted;
	struct buf text = { 0 };
	size_t i, files = 200;
	struct timespec a, b;
	bool all;

	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	(void)signal(SIGPIPE, SIG_IGN);
	go_apart(argv);
	if (argc > 1)
		files = (size_t)atoi(argv[1]);
	if (argc > 2)
		seed = strtoull(argv[2], NULL, 10);
	all_up();
	hba_rules_init(&inforce);
	hba_rules_init(&redacted);
	read_rules(&inforce, "local all all trust\n");
	read_rules(&redacted, "local all all trust\n");
	(void)clock_gettime(CLOCK_MONOTONIC, &a);
	for (i = 0; i < files; i++)
		one_file(&inforce, &redacted, &text);
	(void)clock_gettime(CLOCK_MONOTONIC, &b);
	printf("# %zu files (%zu refused), %zu connections in %ld s; the log told the line of %zu; %zu lines are shadowed\n",
	    nfiles, nrefused, ncases, (long)(b.tv_sec - a.tv_sec), nlines, nshadowed);
	for (i = 0; i < HBA_OUTCOME_COUNT; i++)
		printf("#   %6zu %s\n", seen_of[i], hba_outcome_word((enum hba_outcome)i));
	printf("%sok 1 - the evaluator says what the server does, %zu times of %zu\n", nwrong == 0 ? "" : "not ",
	    ncases > nwrong ? ncases - nwrong : 0, ncases);
	/* A test that never met one of them has not tried it. */
	all = seen_of[HBA_NO_LINE] > 0 && seen_of[HBA_REJECTED] > 0 && seen_of[HBA_USELESS] > 0 &&
	    seen_of[HBA_LETS_IN] > 0 && seen_of[HBA_ASKS] > 0 && nrefused > 0 && nshadowed > 0 && nlines * 3 > ncases;
	printf("%sok 2 - every outcome was met, and files that are refused, and lines that are shadowed\n", all ? "" : "not ");
	printf("1..2\n");
	hba_rules_release(&inforce);
	hba_rules_release(&redacted);
	buf_release(&text);
	return nwrong > 0 || !all;
}
