/*
 * hostops_look: what the host-side program answers to a look, taken apart.  Pure.
 */
#include <stdio.h>
#include <string.h>

#include "core/err.h"
#include "remote/hostops_int.h"

void
hostop_sha(char ret[DIGEST_HEX_SIZE], const char *p, size_t len)
{
	ret[0] = '\0';
	if ((len == 1 && p[0] == '-') ||
	    (len == DIGEST_HEX_SIZE - 1 && strspn(p, "0123456789abcdef") >= len)) {
		memcpy(ret, p, len);
		ret[len] = '\0';
	}
}

static void
read_meta(struct looked *l, const struct host_item *meta)
{
	const char *p = meta->data, *end = p + meta->len, *nl;

	for (; p < end; p = nl + 1) {
		if ((nl = memchr(p, '\n', (size_t)(end - p))) == NULL)
			break;
		if (strncmp(p, "before ", 7) == 0)
			hostop_sha(l->m_before, p + 7, (size_t)(nl - p) - 7);
		else if (strncmp(p, "after ", 6) == 0)
			hostop_sha(l->m_after, p + 6, (size_t)(nl - p) - 6);
	}
}

static bool
read_image(const struct host_answer *a, const char *word, const char **ret, size_t *ret_len)
{
	const struct host_item *item = host_item(a, word, 0);

	*ret = item == NULL ? "" : item->data;
	*ret_len = item == NULL ? 0 : item->len;
	return item != NULL;
}

/* "N MODE UID GID LINKS USER:GROUP" */
static int
read_file_line(struct looked *l, const char *rest, struct err *err)
{
	unsigned uid, gid, links, number;
	int at = 0;

	if (sscanf(rest, "%u %7[0-7] %u %u %u %n", &number, l->mode, &uid, &gid, &links, &at) < 5 ||
	    at == 0)
		return err_set(err, "malformed answer: 'file %s'", rest);
	(void)snprintf(l->ids, sizeof(l->ids), "%u:%u", uid, gid);
	l->names = rest + at;
	return 0;
}

int
hostop_read_look(struct looked *l, const struct host_answer *a, const char *path, struct err *err)
{
	const struct host_item *item;

	memset(l, 0, sizeof(*l));
	l->content = "";
	l->names = "";
	(void)strcpy(l->sha, "-");
	item = host_item(a, "record", 0);
	l->record = item == NULL ? "none" : item->rest;
	item = host_item(a, "running", 0);
	l->running = item == NULL ? NULL : item->rest;
	l->torn = host_item(a, "torn", 0) != NULL;
	if ((item = host_item(a, "meta", 0)) != NULL)
		read_meta(l, item);
	l->has_before = read_image(a, "before", &l->before, &l->before_len);
	l->has_after = read_image(a, "after", &l->after, &l->after_len);
	l->has_back = read_image(a, "back", &l->back, &l->back_len);
	(void)read_image(a, "out", &l->out, &l->out_len);
	if (path == NULL)
		return 0;
	if ((item = host_item(a, "error", 0)) != NULL)
		return err_set(err, "'%s': %s", path,
		    strchr(item->rest, ' ') == NULL ? item->rest : strchr(item->rest, ' ') + 1);
	if ((item = host_item(a, "file", 0)) == NULL)
		return host_item(a, "absent", 0) != NULL ? 0 : err_set(err, "malformed answer");
	if (item->len > HOST_FILE_MAX)
		return err_set(err, "'%s' is larger than %zu bytes", path, HOST_FILE_MAX);
	l->there = true;
	l->content = item->data;
	l->len = item->len;
	digest_sha256_hex(l->content, l->len, l->sha);
	return read_file_line(l, item->rest, err);
}
