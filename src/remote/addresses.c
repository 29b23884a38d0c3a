/*
 * addresses: see addresses.h.
 *
 * Owns look-ups and the streams of hosts that are being asked.  A look-up outlives
 * addresses_free() until libuv gives it back; its `set` is NULL then.  Failing to learn
 * something is not an error: sessions from that host are then shown as undeclared.
 */
#include "remote/addresses.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <uv.h>

#include "core/buf.h"
#include "core/mem.h"
#include "remote/session.h"

#define TEXT_MAX	500		/* what fits into a host's news */
#define ANSWER_MAX	((size_t)8 << 10)
#define ASK_DEADLINE_MS	10000

/* Debian and busybox; the first that works.  Words that are no addresses do not matter. */
static const char ask_command[] = "hostname -I 2>/dev/null || ip -o addr show scope global 2>/dev/null || hostname -i";

struct lookup {
	uv_getaddrinfo_t req;
	struct addresses *set;
	struct lookup *next;
	int	 host;
};

struct asking {
	struct addresses *set;
	struct stream *stream;	/* NULL: not being asked */
	struct buf answer;
	int	 host;
};

struct addresses {
	uv_loop_t *loop;
	size_t	 n;
	struct buf *text;	/* by host */
	struct asking *asking;	/* by host */
	struct lookup *lookups;
	void	(*learnt)(void *, int);
	void	*arg;
};

struct addresses *
addresses_new(struct uv_loop_s *loop, size_t nhosts, void (*learnt)(void *, int), void *arg)
{
	struct addresses *a = mem_alloc(sizeof(*a));
	size_t i;

	a->loop = loop;
	a->n = nhosts;
	a->text = mem_array(nhosts, sizeof(*a->text));
	a->asking = mem_array(nhosts, sizeof(*a->asking));
	a->learnt = learnt;
	a->arg = arg;
	for (i = 0; i < nhosts; i++) {
		a->text[i].max = TEXT_MAX;
		a->asking[i].set = a;
		a->asking[i].host = (int)i;
	}
	return a;
}

void
addresses_free(struct addresses *a)
{
	struct lookup *l;
	size_t i;

	if (a == NULL)
		return;
	for (l = a->lookups; l != NULL; l = l->next) {
		l->set = NULL;
		(void)uv_cancel((uv_req_t *)&l->req);
	}
	for (i = 0; i < a->n; i++) {
		addresses_forget(a, (int)i);
		buf_release(&a->text[i]);
	}
	free(a->text);
	free(a->asking);
	free(a);
}

const char *
addresses_text(const struct addresses *a, int host)
{
	return buf_str(&a->text[host]);
}

static bool
knows(const struct buf *text, const char *word)
{
	size_t len = strlen(word);
	const char *p = buf_str(text);

	while ((p = strstr(p, word)) != NULL) {
		if ((p == text->data || p[-1] == ' ') && (p[len] == ' ' || p[len] == '\0'))
			return true;
		p += len;
	}
	return false;
}

/* Adds one in its usual form, if it is an address that others can meet; true where it is new. */
static bool
add(struct addresses *a, int host, const char *word)
{
	struct buf *text = &a->text[host];
	struct in_addr v4;
	struct in6_addr v6;
	char form[INET6_ADDRSTRLEN];
	uint32_t n;

	if (inet_pton(AF_INET, word, &v4) == 1) {
		n = ntohl(v4.s_addr);
		if (n == 0 || n >> 24 == 127 || n >> 16 == 0xa9fe ||
		    inet_ntop(AF_INET, &v4, form, sizeof(form)) == NULL)
			return false;
	} else if (inet_pton(AF_INET6, word, &v6) == 1) {
		if (IN6_IS_ADDR_UNSPECIFIED(&v6) || IN6_IS_ADDR_LOOPBACK(&v6) || IN6_IS_ADDR_LINKLOCAL(&v6) ||
		    inet_ntop(AF_INET6, &v6, form, sizeof(form)) == NULL)
			return false;
	} else
		return false;
	if (knows(text, form) || text->len + strlen(form) + 1 > TEXT_MAX)
		return false;
	(void)buf_printf(text, "%s%s", text->len > 0 ? " " : "", form);
	return true;
}

/* ---- names ---- */

static void
looked_up(uv_getaddrinfo_t *req, int status, struct addrinfo *list)
{
	struct lookup *l = req->data, **p;
	struct addresses *a = l->set;
	struct addrinfo *ai;
	char word[INET6_ADDRSTRLEN];
	bool news = false;

	if (a != NULL) {
		for (p = &a->lookups; *p != l; p = &(*p)->next)
			continue;
		*p = l->next;
		for (ai = status == 0 ? list : NULL; ai != NULL; ai = ai->ai_next)
			if (getnameinfo(ai->ai_addr, ai->ai_addrlen, word, sizeof(word), NULL, 0, NI_NUMERICHOST) == 0 &&
			    add(a, l->host, word))
				news = true;
		if (news)
			a->learnt(a->arg, l->host);
	}
	uv_freeaddrinfo(list);
	free(l);
}

void
addresses_resolve(struct addresses *a, int host, const char *name)
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
	struct lookup *l = mem_alloc(sizeof(*l));

	l->set = a;
	l->host = host;
	l->req.data = l;
	/* Numbers go the same way: they come back from the loop, as names do. */
	if (uv_getaddrinfo(a->loop, &l->req, looked_up, name, NULL, &hints) != 0) {
		free(l);
		return;
	}
	l->next = a->lookups;
	a->lookups = l;
}

void
addresses_own(struct addresses *a, int host)
{
	uv_interface_address_t *v;
	char word[INET6_ADDRSTRLEN];
	bool news = false;
	int n, i;

	if (uv_interface_addresses(&v, &n) != 0)
		return;
	for (i = 0; i < n; i++) {
		int rc = v[i].address.address4.sin_family == AF_INET ?
		    uv_ip4_name(&v[i].address.address4, word, sizeof(word)) :
		    uv_ip6_name(&v[i].address.address6, word, sizeof(word));

		if (rc == 0 && add(a, host, word))
			news = true;
	}
	uv_free_interface_addresses(v, n);
	if (news)
		a->learnt(a->arg, host);
}

/* ---- the host's own word ---- */

static void
heard(void *arg, const unsigned char *bytes, size_t len_bytes)
{
	struct asking *q = arg;

	(void)buf_put(&q->answer, bytes, len_bytes);
}

static void
answered(void *arg, enum stream_end end, int exit_status, const struct err *why)
{
	struct asking *q = arg;
	struct addresses *a = q->set;
	char *copy = buf_take(&q->answer, NULL), *p, *save = NULL;
	bool news = false;

	(void)exit_status;
	(void)why;
	q->stream = NULL;
	for (p = strtok_r(copy, " \t\r\n", &save); end == STREAM_EXITED && p != NULL;
	    p = strtok_r(NULL, " \t\r\n", &save)) {
		p[strcspn(p, "/")] = '\0';	/* ip(8) adds the length of the prefix */
		if (add(a, q->host, p))
			news = true;
	}
	free(copy);
	if (news)
		a->learnt(a->arg, q->host);
}

static const struct stream_events ask_events = { .data = heard, .closed = answered };

void
addresses_ask(struct addresses *a, int host, struct session *session)
{
	struct asking *q = &a->asking[host];

	if (q->stream != NULL)
		return;
	if (add(a, host, session_address(session)))
		a->learnt(a->arg, host);
	buf_init(&q->answer, ANSWER_MAX);
	q->stream = session_exec(session, ask_command, &ask_events, q);
	stream_write_eof(q->stream);
	stream_deadline(q->stream, ASK_DEADLINE_MS);
}

void
addresses_forget(struct addresses *a, int host)
{
	struct asking *q = &a->asking[host];

	stream_close(q->stream);
	q->stream = NULL;
	buf_release(&q->answer);
}
