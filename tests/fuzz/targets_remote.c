/*
 * targets_remote: what hosts and servers answer, and what ssh keeps in files.
 * See targets.h.
 */
#include "tests/fuzz/targets.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/mem.h"
#include "core/text.h"
#include "remote/hostproto.h"
#include "remote/known_hosts.h"
#include "remote/opensshkey.h"
#include "remote/resp.h"
#include "remote/ssh_config.h"
#include "remote/stream.h"

#define NONCE "n0nce"

/* ---- the host-side program's answer ---- */

/* Does it lie within the answer, with a NUL behind it? */
static void
within(const struct host_answer *a, const char *p, size_t len, const char *what)
{
	if (p < a->bytes || p + len > a->bytes + a->len || p[len] != '\0')
		broken("%s is not within the answer", what);
}

static bool
feed_hostproto(const char *p, size_t len)
{
	struct host_answer a;
	const struct host_item *item;
	const char *rest;
	struct err err;
	size_t i;

	if (host_answer_parse(&a, NONCE, p, len, &err) != 0)
		return false;
	if (a.nitems == 0 || a.nitems > HOST_ITEMS_MAX)
		broken("an answer of %zu items", a.nitems);
	for (i = 0; i < a.nitems; i++) {
		item = &a.items[i];
		within(&a, item->word, strlen(item->word), "a word");
		within(&a, item->rest, strlen(item->rest), "what follows a word");
		within(&a, item->data, item->len, "the data of a word");
		if (strchr(item->word, ' ') != NULL || strchr(item->rest, '\n') != NULL)
			broken("a line that is not one");
	}
	if (strcmp(a.items[a.nitems - 1].word, "end") != 0 || host_item(&a, "end", 1) != NULL)
		broken("an answer that does not end with its end");
	if (host_outcome_is(&a, "applied", &rest) && *rest != '\0')
		within(&a, rest, strlen(rest), "what follows the outcome");
	host_answer_release(&a);
	return true;
}

/* ---- known_hosts ---- */

static char scratch[] = "/tmp/belay-fuzz-XXXXXX";
static int scratch_fd = -1;

static void
scratch_remove(void)
{
	(void)unlink(scratch);
}

static void
scratch_write(const char *p, size_t len)
{
	if (scratch_fd == -1) {
		if ((scratch_fd = mkstemp(scratch)) == -1)
			broken("cannot make a file in /tmp");
		(void)atexit(scratch_remove);
	}
	if (ftruncate(scratch_fd, 0) != 0 || pwrite(scratch_fd, p, len, 0) != (ssize_t)len)
		broken("cannot write '%s'", scratch);
}

/* The key that the host shows: ed25519, its bytes 0 to 31; corpus/known_hosts has it. */
static const unsigned char shown_key[] =
    "\0\0\0\013ssh-ed25519\0\0\0 \0\1\2\3\4\5\6\7\10\11\12\13\14\15\16\17"
    "\20\21\22\23\24\25\26\27\30\31\32\33\34\35\36\37";

static bool
feed_known_hosts(const char *p, size_t len)
{
	struct ssh_config c = { .port = 22 };
	char host[] = "db.internal";
	struct known_hosts *kh = known_hosts_new();
	struct known_names names;
	struct known_answer answer;
	struct err err;
	struct buf b64;
	char *text = mem_strndup(p, len), *field_end;

	scratch_write(p, len);
	c.hostname = host;
	c.known_hosts[0] = scratch;
	c.nknown_hosts = c.nuser_known_hosts = 1;
	if (known_hosts_names(kh, &c, &names, &err) != 0 ||
	    known_hosts_judge(kh, &c, shown_key, sizeof(shown_key) - 1, &answer, &err) != 0)
		broken("a file that is there is not judged: %s", err.msg);
	if (names.n > KNOWN_TYPES_MAX)
		broken("%zu types", names.n);
	/* Accepted is only what stands there letter by letter. */
	buf_init(&b64, 0);
	text_base64(&b64, shown_key, sizeof(shown_key) - 1);
	while (b64.len > 0 && b64.data[b64.len - 1] == '=')
		b64.data[--b64.len] = '\0';
	if ((answer.verdict == KNOWN_YES || answer.verdict == KNOWN_REVOKED) && strstr(text, buf_str(&b64)) == NULL)
		broken("a key is known that the file does not have");
	buf_release(&b64);
	known_hosts_free(kh);
	/* The first line as a pattern and a name. */
	text[strcspn(text, "\n")] = '\0';
	if ((field_end = strchr(text, ' ')) != NULL) {
		*field_end = '\0';
		(void)known_hosts_match(text, field_end + 1);
	}
	free(text);
	return answer.verdict != KNOWN_NEVER_SEEN;
}

static bool
feed_opensshkey(const char *p, size_t len)
{
	struct opensshkey key;
	struct err err;

	if (opensshkey_parse(p, len, &key, &err) != 0)
		return false;
	if (!opensshkey_is(p, len))
		broken("a key is read that is no key file");
	if (key.blob == NULL || key.blob_len == 0 || memchr(key.type, '\0', sizeof(key.type)) == NULL)
		broken("a key without its public part");
	if (key.encrypted && key.secret_read)
		broken("the secret of an encrypted key");
	if (key.point_len > OPENSSHKEY_POINT_MAX || key.scalar_len > OPENSSHKEY_SCALAR_MAX)
		broken("a key longer than its place");
	opensshkey_release(&key);
	return true;
}

static bool
feed_ssh_config(const char *p, size_t len)
{
	struct ssh_config *c, *copy;
	struct err err;

	if ((c = ssh_config_parse("db", p, len, &err)) == NULL)
		return false;
	if (!ssh_config_word_ok(c->hostname) || !ssh_config_word_ok(c->user) || c->hostname[0] == '-' ||
	    c->user[0] == '-')
		broken("'%s@%s' could be an option", c->user, c->hostname);
	if (c->nidentities > SSH_CONFIG_LIST_MAX || c->nknown_hosts > SSH_CONFIG_LIST_MAX ||
	    c->nuser_known_hosts > c->nknown_hosts)
		broken("more files than there is room for");
	copy = ssh_config_copy(c);
	ssh_config_free(c);
	ssh_config_free(copy);
	return true;
}

/* ---- RESP ---- */

/* A stream whose far side is the input. */
struct canned {
	struct stream stream;
	bool	 closed;
};

static int
canned_write(struct stream *s, const void *p, size_t len)
{
	(void)s;
	(void)p;
	(void)len;
	return 0;
}

static void
canned_write_eof(struct stream *s)
{
	(void)s;
}

static void
canned_deadline(struct stream *s, int64_t from_now_ms)
{
	(void)s;
	(void)from_now_ms;
}

static void
canned_close(struct stream *s)
{
	((struct canned *)s)->closed = true;
}

static const struct stream_ops canned_ops = { canned_write, canned_write_eof, canned_deadline, canned_close };

struct asking {
	size_t	 replies, values;
	int	 next;		/* the tag whose turn it is */
	bool	 closed;
};

static void
value_walk(struct asking *a, const struct resp_value *v, int depth)
{
	size_t i;

	if (++a->values > RESP_VALUES_MAX || depth > 16)
		broken("a reply of more values than may be");
	if (v->type == RESP_ARRAY) {
		if (v->n > RESP_ARRAY_MAX)
			broken("an array of %zu", v->n);
		for (i = 0; i < v->n; i++)
			value_walk(a, v->v[i], depth + 1);
	} else if (v->text != NULL && v->text[v->len] != '\0')
		broken("a text without its end");
}

static void
on_opened(void *arg)
{
	(void)arg;
}

static void
on_reply(void *arg, int tag, const struct resp_value *v)
{
	struct asking *a = arg;

	if (a->closed || tag != a->next++)
		broken("a reply out of turn");
	a->replies++;
	a->values = 0;
	value_walk(a, v, 0);
}

static void
on_closed(void *arg, enum stream_end end, const char *why)
{
	struct asking *a = arg;

	(void)end;
	if (a->closed || why == NULL)
		broken("closed twice, or without a word");
	a->closed = true;
}

/* The first byte: in pieces of how many bytes it comes. */
static bool
feed_resp(const char *p, size_t len)
{
	static const struct resp_events events = { on_opened, on_reply, on_closed };
	static const char *const ping[] = { "PING" };
	struct canned c = { .closed = false };
	struct asking a = { 0 };
	struct resp *r;
	size_t piece, n;
	int i;

	if (len == 0)
		return false;
	piece = ((unsigned char)*p & 31) + 1;
	stream_init(&c.stream, &canned_ops, NULL, NULL);
	r = resp_over(&c.stream, &events, &a);
	stream_emit_opened(&c.stream);
	for (i = 0; i < 4; i++)
		if (resp_command(r, i, 4096, 1, ping) != 0)
			broken("a command is not taken");
	for (p++, len--; len > 0 && !a.closed; p += n, len -= n) {
		n = len < piece ? len : piece;
		stream_emit_data(&c.stream, p, n);
	}
	if (!a.closed && !c.closed)
		stream_emit_eof(&c.stream);
	if (!a.closed)
		broken("the end of the stream is not told");
	return a.replies > 0;
}

const struct target remote_targets[] = {
	{ "hostproto", feed_hostproto, NULL, 2048, true },
	{ "known_hosts", feed_known_hosts, NULL, 2048, true },
	{ "opensshkey", feed_opensshkey, NULL, 4096, true },
	{ "ssh_config", feed_ssh_config, NULL, 2048, true },
	{ "resp", feed_resp, NULL, 2048, true },
};
const size_t remote_target_count = sizeof(remote_targets) / sizeof(remote_targets[0]);
