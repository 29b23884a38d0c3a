/*
 * out: see out.h.
 */
#include "verbs/out.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/mem.h"
#include "core/text.h"
#include "verbs/verbs.h"

#define ANSWER_MAX 4096

static void
put(FILE *to, const char *prefix, const char *text)
{
	struct buf clean = { 0 };
	const char *end;

	while (*text != '\0') {
		end = strchr(text, '\n');
		if (prefix != NULL)
			(void)buf_puts(&clean, prefix);
		text_clean(&clean, text, end == NULL ? strlen(text) : (size_t)(end - text));
		if (end == NULL)
			break;
		(void)buf_putc(&clean, '\n');
		text = end + 1;
	}
	(void)fwrite(buf_str(&clean), 1, clean.len, to);
	(void)fflush(to);
	buf_release(&clean);
}

void
out(const char *fmt, ...)
{
	va_list ap;
	char *text;

	va_start(ap, fmt);
	text = mem_vprintf(fmt, ap);
	va_end(ap);
	put(stdout, NULL, text);
	free(text);
}

void
out_err(const char *fmt, ...)
{
	va_list ap;
	char *text;

	va_start(ap, fmt);
	text = mem_vprintf(fmt, ap);
	va_end(ap);
	put(stderr, NULL, text);
	free(text);
}

int
out_fail(const struct err *err)
{
	out_err("belay: %s\n", err->msg);
	return EXIT_ERROR;
}

void
out_lines(const char *prefix, const char *text)
{
	put(stdout, prefix, text);
	if (*text != '\0' && text[strlen(text) - 1] != '\n')
		out("\n");
}

void
out_err_lines(const char *prefix, const char *text)
{
	put(stderr, prefix, text);
	if (*text != '\0' && text[strlen(text) - 1] != '\n')
		out_err("\n");
}

bool
out_terminal(void)
{
	return isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
}

char *
out_prompt(const char *question, bool secret)
{
	struct termios was, now;
	char answer[ANSWER_MAX];
	char *ret = NULL;
	ssize_t n;

	if (!out_terminal())
		return NULL;
	out_err("%s", question);
	/* What was typed ahead was not meant for this question. */
	(void)tcflush(STDIN_FILENO, TCIFLUSH);
	if (tcgetattr(STDIN_FILENO, &was) != 0)
		return NULL;
	if (secret) {
		now = was;
		now.c_lflag &= (tcflag_t)~(ECHO | ECHOE | ECHOK | ECHONL);
		(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &now);
	}
	n = read(STDIN_FILENO, answer, sizeof(answer) - 1);
	if (secret) {
		(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &was);
		out_err("\n");
	}
	while (n > 0 && (answer[n - 1] == '\n' || answer[n - 1] == '\r'))
		n--;
	if (n > 0)
		ret = mem_strndup(answer, (size_t)n);
	mem_wipe(answer, sizeof(answer));
	return ret;
}
