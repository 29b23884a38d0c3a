/*
 * wire: frames and their heads; see wire.h.  The blobs are in blobs.c.
 *
 * Owns the layout of a frame and the table of what each kind of message may
 * hold.  The one file of the layer that includes jansson.  A head that has a field too
 * many, one too few, a number out of its range or a word that is not in its
 * list is malformed: there is no such thing as a harmless oddity from a worker.
 */
#include "wire/wire.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "core/err.h"
#include "core/mem.h"

/* In the order of enum reading_kind, enum op_verb, enum reach and enum wire_need. */
static const char *const reading_words[] = { "served", "census", "settings", "host", "disk", "depth", NULL };
static const char *const verb_words[] = { "observe", "apply", "undo", "record", NULL };
static const char *const reach_words[] = { "unknown", "connecting", "up", "lost", "blocked", NULL };
static const char *const need_words[WIRE_NEED_COUNT + 1] = {
	"nothing", "host-key", "passphrase", "changed-key", "sudo", NULL
};

enum {
	HAS_ID = 1, HAS_SUBJECT = 2, HAS_WHAT = 4, HAS_NEED = 8, HAS_ATTEMPTS = 16, HAS_DEADLINE = 32,
	HAS_SINCE = 64, HAS_RETRY = 128
};

/* clang-format off */
static const struct {
	const char *word;
	bool	 up;
	int	 fields;
	const char *const *whats;
	size_t	 blob_max;
} kinds[MESSAGE_COUNT] = {
	[MSG_FLEET]	 = { "fleet",	   false, 0, NULL, WIRE_BLOB_MAX },
	[MSG_SECRET]	 = { "secret",	   false, HAS_SUBJECT, NULL, WIRE_SECRET_MAX },
	[MSG_CA]	 = { "ca",	   false, HAS_SUBJECT, NULL, WIRE_PEM_MAX },
	[MSG_PAIR]	 = { "pair",	   false, HAS_SUBJECT, NULL, WIRE_PEM_MAX },
	[MSG_PROBE]	 = { "probe",	   false, HAS_ID | HAS_SUBJECT | HAS_WHAT | HAS_DEADLINE, reading_words, 0 },
	[MSG_CHECK]	 = { "check",	   false, HAS_ID | HAS_SUBJECT | HAS_DEADLINE | HAS_SINCE, NULL, WIRE_BLOB_MAX },
	[MSG_OP]	 = { "op",	   false, HAS_ID | HAS_WHAT | HAS_DEADLINE, verb_words, WIRE_BLOB_MAX },
	[MSG_LEASE]	 = { "lease",	   false, HAS_ID | HAS_SUBJECT | HAS_DEADLINE, NULL, 1024 },
	[MSG_RECORDS]	 = { "records",	   false, HAS_ID | HAS_SUBJECT | HAS_DEADLINE, NULL, 64 },
	[MSG_CANARY]	 = { "canary",	   false, HAS_ID | HAS_SUBJECT | HAS_DEADLINE, NULL, 64 },
	[MSG_CANCEL]	 = { "cancel",	   false, HAS_ID, NULL, 0 },
	[MSG_HURRY]	 = { "hurry",	   false, HAS_ID, NULL, 0 },
	[MSG_HOST_KEY]	 = { "host-key",   false, HAS_SUBJECT, NULL, WIRE_HOST_STRING_MAX },
	[MSG_PASSPHRASE] = { "passphrase", false, HAS_SUBJECT, NULL, WIRE_SECRET_MAX },
	[MSG_SUDO]	 = { "sudo",	   false, HAS_SUBJECT, NULL, WIRE_SECRET_MAX },
	[MSG_WAKE]	 = { "wake",	   false, HAS_SUBJECT, NULL, 0 },
	[MSG_MADE]	 = { "made",	   false, HAS_SUBJECT, NULL, 0 },
	[MSG_ADDRESSES]	 = { "addresses",  false, HAS_SUBJECT, NULL, WIRE_HOST_STRING_MAX },
	[MSG_READY]	 = { "ready",	   true,  HAS_SUBJECT, NULL, 0 },
	[MSG_HOST]	 = { "host",	   true,  HAS_SUBJECT | HAS_WHAT | HAS_NEED | HAS_ATTEMPTS | HAS_RETRY, reach_words,
		5 * (WIRE_HOST_STRING_MAX + 8) },
	[MSG_READING]	 = { "reading",	   true,  HAS_ID, NULL, WIRE_BLOB_MAX },
	[MSG_OP_DONE]	 = { "op-done",	   true,  HAS_ID, NULL, WIRE_BLOB_MAX },
	[MSG_OP_TEXT]	 = { "op-text",	   true,  HAS_ID, NULL, WIRE_OP_TEXT_MAX },
	[MSG_MADE_UP]	 = { "made-up",	   true,  HAS_SUBJECT, NULL, 0 },
	[MSG_CANARY_SEEN] = { "canary-seen", true, HAS_ID, NULL, CANARY_REPORT_MAX * (CANARY_WHY_MAX + 64) },
};
/* clang-format on */

const char *
message_word(enum message_kind kind)
{
	return kinds[kind].word;
}

bool
message_goes_up(enum message_kind kind)
{
	return kinds[kind].up;
}

void
message_release(struct message *m)
{
	mem_wipe_free(m->blob, m->blob_len);
	m->blob = NULL;
	m->blob_len = 0;
}

/* ---- encoding ---- */

static void
put_number(json_t *head, const char *key, int64_t v)
{
	if (json_object_set_new(head, key, json_integer((json_int_t)v)) == -1)
		abort();	/* out of memory is the only way */
}

static void
put_word(json_t *head, const char *key, const char *word)
{
	if (json_object_set_new(head, key, json_string(word)) == -1)
		abort();
}

static void
put_u32(struct buf *out, size_t v)
{
	unsigned char raw[4] = { (unsigned char)(v >> 24), (unsigned char)(v >> 16), (unsigned char)(v >> 8),
		(unsigned char)v };

	(void)buf_put(out, raw, sizeof(raw));
}

int
message_encode(const struct message *m, struct buf *out, struct err *err)
{
	int fields = kinds[m->kind].fields;
	json_t *head;
	char *text;
	size_t len;

	if (m->blob_len > kinds[m->kind].blob_max)
		return err_set(err, "a message '%s' of %zu bytes is too large: at most %zu", kinds[m->kind].word,
		    m->blob_len, kinds[m->kind].blob_max);
	head = json_object();
	put_word(head, "message", kinds[m->kind].word);
	if (fields & HAS_ID)
		put_number(head, "id", (int64_t)m->id);
	if (fields & HAS_SUBJECT)
		put_number(head, "subject", m->subject);
	if (fields & HAS_WHAT)
		put_word(head, "what", kinds[m->kind].whats[m->what]);
	if (fields & HAS_NEED)
		put_word(head, "need", need_words[m->need]);
	if (fields & HAS_ATTEMPTS)
		put_number(head, "attempts", m->attempts);
	if (fields & HAS_DEADLINE)
		put_number(head, "deadline_ms", m->deadline_ms);
	if (fields & HAS_SINCE)
		put_number(head, "since_ms", m->since_ms);
	if (fields & HAS_RETRY)
		put_number(head, "retry_ms", m->retry_ms);
	text = json_dumps(head, JSON_COMPACT);
	json_decref(head);
	if (text == NULL)
		abort();
	len = strlen(text);
	put_u32(out, len);
	put_u32(out, m->blob_len);
	(void)buf_put(out, text, len);
	free(text);
	if (m->blob_len > 0)
		(void)buf_put(out, m->blob, m->blob_len);
	if (out->over)
		return err_set(err, "too much waits to be sent");
	return 0;
}

/* ---- decoding ---- */

/* What is taken out of the head, and what was met on the way. */
struct head {
	const json_t *json;
	size_t	 taken;
	const char *bad;	/* the first field that is missing or wrong */
};

static int64_t
take_number(struct head *h, const char *key, int64_t min, int64_t max)
{
	const json_t *v = json_object_get(h->json, key);
	int64_t n = json_is_integer(v) ? (int64_t)json_integer_value(v) : 0;

	if (!json_is_integer(v) || n < min || n > max) {
		if (h->bad == NULL)
			h->bad = key;
		return min > 0 ? min : 0;
	}
	h->taken++;
	return n;
}

static int
take_word(struct head *h, const char *key, const char *const *words)
{
	const char *s = json_string_value(json_object_get(h->json, key));
	int i;

	for (i = 0; s != NULL && words[i] != NULL; i++)
		if (strcmp(words[i], s) == 0) {
			h->taken++;
			return i;
		}
	if (h->bad == NULL)
		h->bad = key;
	return 0;
}

static int
take_kind(struct head *h)
{
	const char *s = json_string_value(json_object_get(h->json, "message"));
	int i;

	for (i = 0; s != NULL && i < MESSAGE_COUNT; i++)
		if (strcmp(kinds[i].word, s) == 0) {
			h->taken++;
			return i;
		}
	return -1;
}

static int
read_head(const json_t *json, size_t blob_len, struct message *ret, struct err *err)
{
	struct head h = { json, 0, NULL };
	int kind, fields;

	kind = take_kind(&h);
	if (kind == -1)
		return err_set(err, "malformed message: of no kind that is known");
	ret->kind = (enum message_kind)kind;
	fields = kinds[kind].fields;
	if (fields & HAS_ID)
		ret->id = (uint64_t)take_number(&h, "id", 1, INT64_MAX);
	if (fields & HAS_SUBJECT)
		ret->subject = (int)take_number(&h, "subject", NONE, FLEET_ITEMS_MAX - 1);
	if (fields & HAS_WHAT)
		ret->what = take_word(&h, "what", kinds[kind].whats);
	if (fields & HAS_NEED)
		ret->need = take_word(&h, "need", need_words);
	if (fields & HAS_ATTEMPTS)
		ret->attempts = (int)take_number(&h, "attempts", 0, INT32_MAX);
	if (fields & HAS_DEADLINE)
		ret->deadline_ms = take_number(&h, "deadline_ms", 0, WIRE_DEADLINE_MAX_MS);
	if (fields & HAS_SINCE)
		ret->since_ms = take_number(&h, "since_ms", 0, INT64_MAX);
	if (fields & HAS_RETRY)
		ret->retry_ms = take_number(&h, "retry_ms", 0, WIRE_DEADLINE_MAX_MS);
	if (h.bad != NULL)
		return err_set(err, "malformed message '%s': %s", kinds[kind].word, h.bad);
	if (h.taken != json_object_size(json))
		return err_set(err, "malformed message '%s': it has a field too many", kinds[kind].word);
	if (blob_len > kinds[kind].blob_max)
		return err_set(err, "malformed message '%s': %zu bytes, at most %zu were expected", kinds[kind].word,
		    blob_len, kinds[kind].blob_max);
	return 0;
}

static size_t
get_u32(const unsigned char *p)
{
	return (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | (size_t)p[3];
}

int
message_decode(struct buf *in, struct message *ret, struct err *err)
{
	struct message m = { .subject = NONE };
	json_t *head;
	size_t head_len, blob_len;
	int rc;

	if (in->len < 8)
		return 0;
	head_len = get_u32((const unsigned char *)in->data);
	blob_len = get_u32((const unsigned char *)in->data + 4);
	/* Before anything is waited for: a length is not believed further than its cap. */
	if (head_len == 0 || head_len > WIRE_HEAD_MAX || blob_len > WIRE_BLOB_MAX)
		return err_set(err, "malformed frame: %zu and %zu bytes announced", head_len, blob_len);
	if (in->len - 8 < head_len + blob_len)
		return 0;
	head = json_loadb(in->data + 8, head_len, JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_object(head)) {
		json_decref(head);
		return err_set(err, "malformed frame: its head is no JSON object");
	}
	rc = read_head(head, blob_len, &m, err);
	json_decref(head);
	if (rc == -1)
		return -1;
	m.blob = mem_strndup(in->data + 8 + head_len, blob_len);
	m.blob_len = blob_len;
	buf_drop(in, 8 + head_len + blob_len);
	*ret = m;
	return 1;
}
