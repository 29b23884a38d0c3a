/*
 * conftool: reads and sets keys of servers' files as belay does, for scripts
 * that hold it against the servers.
 *
 *	conftool get SYNTAX FILE KEY		prints the value; 1: it is not set
 *	conftool set SYNTAX FILE KEY VALUE	prints the file as it would be
 *
 * SYNTAX is postgres, ini, redis, or hba: KEY is then the name of a block, and
 * VALUE its lines.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/edittext.h"
#include "core/err.h"

static int
usage(void)
{
	(void)fputs("usage: conftool get|set postgres|ini|redis|hba FILE KEY [VALUE]\n", stderr);
	return 2;
}

static int
put_set(enum text_syntax syntax, const char *text, size_t len, char *key, const char *value)
{
	struct pair pair;
	struct pairs set = { &pair, 1 };
	struct strings unset = { NULL, 0 };
	struct buf canon = { 0 }, out = { 0 };
	struct err err;
	int rc = 1;

	memset(&pair, 0, sizeof(pair));
	pair.key = key;
	(void)buf_puts(&canon, "");
	if (text_name_check(syntax, key, &err) == 0 && text_value(syntax, key, value, &canon, &err) == 0) {
		pair.value = canon.data;
		rc = text_edit(syntax, &out, text, len, &set, &unset, &err) == 0 ? 0 : 1;
	}
	if (rc == 0)
		(void)fwrite(buf_str(&out), 1, out.len, stdout);
	else
		(void)fprintf(stderr, "conftool: %s\n", err.msg);
	buf_release(&canon);
	buf_release(&out);
	return rc;
}

int
main(int argc, char **argv)
{
	static char text[1 << 16];
	enum text_syntax syntax;
	struct buf out = { 0 };
	FILE *file;
	size_t len;
	int rc;

	if (argc < 5)
		return usage();
	if (strcmp(argv[2], "postgres") == 0)
		syntax = TEXT_POSTGRES;
	else if (strcmp(argv[2], "ini") == 0)
		syntax = TEXT_INI;
	else if (strcmp(argv[2], "redis") == 0)
		syntax = TEXT_REDIS;
	else if (strcmp(argv[2], "hba") == 0)
		syntax = TEXT_HBA;
	else
		return usage();
	if ((file = fopen(argv[3], "r")) == NULL) {
		perror(argv[3]);
		return 2;
	}
	len = fread(text, 1, sizeof(text), file);
	(void)fclose(file);
	if (strcmp(argv[1], "set") == 0 && argc == 6)
		return put_set(syntax, text, len, argv[4], argv[5]);
	if (strcmp(argv[1], "get") != 0 || argc != 5)
		return usage();
	rc = text_get(syntax, text, len, argv[4], &out) ? 0 : 1;
	if (rc == 0)
		(void)printf("%s\n", buf_str(&out));
	buf_release(&out);
	return rc;
}
