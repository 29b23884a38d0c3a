/*
 * peers: see peers.h.
 */
#include "core/peers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/census.h"
#include "core/mem.h"

static bool
dials_from(const struct fleet *f, int host)
{
	size_t i;

	for (i = 0; i < f->nlinks; i++)
		if (link_host(f, &f->links[i]) == host)
			return true;
	return false;
}

bool
peers_command(const struct fleet *f, int host, struct buf *out)
{
	size_t i, n = 0;

	if (!dials_from(f, host))
		return false;
	(void)buf_puts(out, "date +%s; command -v ss >/dev/null 2>&1 || exit 0; peers=$(ss -Htnp state established '( ");
	for (i = 0; i < f->nendpoints; i++) {
		const struct endpoint *e = &f->endpoints[i];

		if (e->port_plain != 0)
			(void)buf_printf(out, "%sdport = :%d", n++ > 0 ? " or " : "", e->port_plain);
		if (e->port_tls != 0 && e->port_tls != e->port_plain)
			(void)buf_printf(out, "%sdport = :%d", n++ > 0 ? " or " : "", e->port_tls);
	}
	(void)buf_printf(out, " )' 2>/dev/null | head -n %d)\nprintf '%%s\\n' \"$peers\"", READING_SOCKETS_MAX);
	return n > 0;
}

/* "10.0.0.1:5432", "[::ffff:10.0.0.1]:5432": the address without brackets, scope and mapping; false: it is none. */
static bool
split(const char *word, size_t len, char *address, size_t size, int *ret_port)
{
	size_t colon = len, from = 0, n;
	long port;

	while (colon > 0 && word[colon - 1] != ':')
		colon--;
	if (colon < 2)
		return false;
	port = strtol(word + colon, NULL, 10);
	n = colon - 1;
	if (word[0] == '[' && word[n - 1] == ']') {
		from = 1;
		n--;
	}
	if (n > from + 7 && strncmp(word + from, "::ffff:", 7) == 0)
		from += 7;
	if (port <= 0 || port > 65535 || n <= from || n - from >= size)
		return false;
	memcpy(address, word + from, n - from);
	address[n - from] = '\0';
	address[strcspn(address, "%")] = '\0';
	*ret_port = (int)port;
	return true;
}

/* users:(("python3",pid=123,fd=5),…): the first of them. */
static void
take_process(struct socket_seen *s, const char *rest, size_t len)
{
	const char *end = rest + len, *p = memchr(rest, '"', len), *q;

	if (p == NULL || (q = memchr(p + 1, '"', (size_t)(end - p - 1))) == NULL)
		return;
	s->command = mem_strndup(p + 1, (size_t)(q - p - 1) < 64 ? (size_t)(q - p - 1) : 64);
	for (p = q; p + 4 < end; p++)
		if (strncmp(p, "pid=", 4) == 0) {
			s->pid = strtol(p + 4, NULL, 10);
			return;
		}
}

static void
take_line(struct reading *r, const char *line, size_t len)
{
	const char *words[5] = { NULL }, *end = line + len, *p = line;
	char local[64], remote[64];
	struct socket_seen *s;
	size_t n, lens[5];
	int lport, rport;

	/* Recv-Q, Send-Q, local, peer, and the process where it is told. */
	for (n = 0; n < 4 && p < end; n++) {
		while (p < end && *p == ' ')
			p++;
		words[n] = p;
		while (p < end && *p != ' ')
			p++;
		lens[n] = (size_t)(p - words[n]);
	}
	if (n < 4 || r->nsockets >= READING_SOCKETS_MAX || !split(words[2], lens[2], local, sizeof(local), &lport) ||
	    !split(words[3], lens[3], remote, sizeof(remote), &rport))
		return;
	s = mem_push(&r->sockets, &r->nsockets, sizeof(*s));
	s->address = mem_strdup(local);
	s->port = lport;
	s->to_port = rport;
	take_process(s, p, (size_t)(end - p));
}

void
peers_read(struct reading *r, const char *text, size_t len_bytes, int64_t now_s)
{
	const char *p = text, *end = text + len_bytes, *nl;
	char *stop;
	long long clock = strtoll(text, &stop, 10);

	if (stop == text || *stop != '\n' || clock <= 0)
		return;
	r->clock_known = true;
	r->clock_ahead_s = clock - now_s;
	for (p = stop + 1; p < end; p = nl + 1) {
		nl = memchr(p, '\n', (size_t)(end - p));
		if (nl == NULL)
			nl = end;
		take_line(r, p, (size_t)(nl - p));
	}
}

const struct socket_seen *
peers_find(const struct reading *host, const struct fleet *f, int endpoint, const char *address, int port)
{
	const struct endpoint *e = &f->endpoints[endpoint];
	size_t i;

	if (address == NULL || port == 0)
		return NULL;
	for (i = 0; i < host->nsockets; i++) {
		const struct socket_seen *s = &host->sockets[i];

		if (s->port == port && (s->to_port == e->port_plain || s->to_port == e->port_tls) && address_in(address, s->address))
			return s;
	}
	return NULL;
}
