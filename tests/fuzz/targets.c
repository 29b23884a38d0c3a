/*
 * targets: what the targets have in common; see targets.h.
 */
#include "tests/fuzz/targets.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/fleet.h"
#include "core/plan.h"

size_t
target_count(void)
{
	return core_target_count + wire_target_count + remote_target_count;
}

const struct target *
target_at(size_t i)
{
	if (i < core_target_count)
		return &core_targets[i];
	i -= core_target_count;
	return i < wire_target_count ? &wire_targets[i] : &remote_targets[i - wire_target_count];
}

const struct target *
target_named(const char *name)
{
	size_t i;

	for (i = 0; i < target_count(); i++)
		if (strcmp(target_at(i)->name, name) == 0)
			return target_at(i);
	return NULL;
}

void
broken(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)fputs("broken promise: ", stderr);
	(void)vfprintf(stderr, fmt, ap);
	(void)fputc('\n', stderr);
	va_end(ap);
	abort();
}

char *
file_read(const char *path, size_t *ret_len)
{
	FILE *f = fopen(path, "re");
	char chunk[16384];
	struct buf b;
	size_t n;

	if (f == NULL)
		return NULL;
	buf_init(&b, 0);
	while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
		(void)buf_put(&b, chunk, n);
	(void)fclose(f);
	return buf_take(&b, ret_len);
}

/* What the worked fleet has not: a client on several hosts, the last of the file. */
static const char spread[] =
    "  spread:\n"
    "    unit: [web, api, voice]\n"
    "    links: { redis: { match: { user: spread }, trust: { ca: internal, file: /ca },\n"
    "             dial: { file: \"/$(host)/.env\", set: { S: \"$(dial)\" } } } }\n";

const struct fleet *
worked_fleet(void)
{
	static struct fleet *fleet;
	struct buf all = { 0 };
	struct err err;
	char *text;
	size_t len;

	if (fleet != NULL)
		return fleet;
	if ((text = file_read(WORKED_FLEET, &len)) == NULL)
		broken("cannot read %s: run it from the top of the source", WORKED_FLEET);
	buf_put(&all, text, len);
	buf_puts(&all, spread);
	if (fleet_parse(&fleet, WORKED_FLEET, buf_str(&all), all.len, &err) != 0)
		broken("%s", err.msg);
	free(text);
	buf_release(&all);
	return fleet;
}

const struct plan *
worked_plan(void)
{
	static struct plan *plan;
	struct err err;
	char *text;
	size_t len;

	if (plan != NULL)
		return plan;
	if ((text = file_read(WORKED_PLAN, &len)) == NULL ||
	    plan_parse(&plan, worked_fleet(), WORKED_PLAN, text, len, &err) != 0)
		broken("cannot read %s", WORKED_PLAN);
	free(text);
	return plan;
}

void
same_bytes(const struct buf *a, const struct buf *b, const char *what)
{
	if (a->len != b->len || memcmp(buf_str(a), buf_str(b), a->len) != 0)
		broken("%s: the second round says something else", what);
}
