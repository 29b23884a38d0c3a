/*
 * hostproto: see hostproto.h.
 */
#include "remote/hostproto.h"

#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/mem.h"
#include "core/text.h"
#include "host_sh.h"

/*
 * Behind a sudo: says that it is there, throws away what sudo left unread of stdin, and
 * becomes the program that comes then.  A dd that knows fullblock reads no byte too many.
 */
static const char loader[] =
    "printf \"\n%s here\n\" \"$2\"\n"
    "while IFS=\" \" read -r word nonce size; do\n"
    "	[ \"$word $nonce\" = \"belay-program $2\" ] || continue\n"
    "	program=$(dd bs=\"$size\" count=1 iflag=fullblock 2>/dev/null) || program=$(dd bs=1 count=\"$size\" 2>/dev/null)\n"
    "	[ \"${#program}\" != \"$size\" ] || eval \"$program\"\n"
    "	break\n"
    "done\n"
    "printf \"\n%s end fail the request was cut short\n\" \"$2\"\n";

void
host_command(struct buf *out, const char *verb, const char *nonce, const char *op_id, const char *as,
    bool password)
{
	(void)buf_puts(out, "exec ");
	if (as != NULL) {
		/* In English, so that its troubles are told apart; the program sees to it that nothing else is. */
		/* -k: what is told counts for this once, and what was told before by others does not. */
		(void)buf_printf(out, "env LC_ALL=C sudo %s -H -u ", password ? "-k -S -p ''" : "-n");
		text_shell_quote(out, as);
		(void)buf_puts(out, " -- ");
	}
	(void)buf_puts(out, "sh -c ");
	text_shell_quote(out, as == NULL ? host_sh : loader);
	(void)buf_printf(out, " belay-host%s %s %s", as == NULL ? "" : "-as", verb, nonce);
	if (op_id != NULL) {
		(void)buf_putc(out, ' ');
		text_shell_quote(out, op_id);
	}
}

void
host_program(struct buf *out, const char *nonce)
{
	size_t len = strlen(host_sh);

	/* $(...) has no newlines at its end. */
	while (len > 0 && host_sh[len - 1] == '\n')
		len--;
	(void)buf_printf(out, "belay-program %s %zu\n", nonce, len);
	(void)buf_put(out, host_sh, len);
}

enum sudo_trouble
host_sudo_trouble(const char *said)
{
	static const struct {
		const char *text;
		enum sudo_trouble trouble;
	} known[] = {
		{ "incorrect password attempt", SUDO_WRONG_PASSWORD },
		{ "Sorry, try again", SUDO_WRONG_PASSWORD },
		{ "a password is required", SUDO_WANTS_PASSWORD },
		{ "no password was provided", SUDO_WANTS_PASSWORD },
		{ "you must have a tty", SUDO_WANTS_TERMINAL },
		{ "is not in the sudoers file", SUDO_DENIED },
		{ "is not allowed to execute", SUDO_DENIED },
		{ "may not run sudo", SUDO_DENIED },
		{ "is not allowed to run sudo", SUDO_DENIED },
		{ "unknown user", SUDO_UNKNOWN_USER },
		{ "sudo: not found", SUDO_MISSING },
		{ "sudo': No such file", SUDO_MISSING },
		{ "\342\200\230sudo\342\200\231: No such file", SUDO_MISSING },
		{ "sudo': Permission denied", SUDO_MISSING },
	};
	size_t i;

	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strstr(said, known[i].text) != NULL)
			return known[i].trouble;
	return SUDO_FINE;
}

int
host_sudo_why(struct err *err, enum sudo_trouble trouble, const char *as)
{
	switch (trouble) {
	case SUDO_FINE:
	case SUDO_SILENT:
		break;
	case SUDO_WANTS_PASSWORD:
		return err_set(err, "sudo wants a password to become '%s': give it where it is asked for, name a "
		    "secret as the host's 'become-password', or allow it without one (NOPASSWD)", as);
	case SUDO_WRONG_PASSWORD:
		return err_set(err, "sudo did not take the password to become '%s'; it is not tried again: "
		    "give the right one", as);
	case SUDO_WANTS_TERMINAL:
		return err_set(err, "sudo wants a terminal to become '%s' (requiretty): exempt the user that logs in, "
		    "'Defaults:USER !requiretty' in sudoers", as);
	case SUDO_DENIED:
		return err_set(err, "sudo does not let the user that logs in become '%s' and run sh: "
		    "it needs a rule in sudoers", as);
	case SUDO_UNKNOWN_USER:
		return err_set(err, "there is no user '%s' to become", as);
	case SUDO_MISSING:
		return err_set(err, "there is no sudo to become '%s' by: install it, or log in as that user", as);
	}
	return err_set(err, "sudo failed to become '%s'", as);
}

const char *
host_program_sha256(void)
{
	return HOST_SH_SHA256;
}

const char *
host_box(void)
{
	return box_sh;
}

const char *
host_value(void)
{
	return value_sh;
}

void
host_begin(struct buf *out, const char *nonce)
{
	out->secret = true;
	(void)buf_printf(out, "belay-payload %s\n", nonce);
}

int
host_header(struct buf *out, const char *name, const char *value, struct err *err)
{
	if (value == NULL)
		return 0;
	if (strpbrk(value, "\r\n") != NULL)
		return err_set(err, "%s: a line break cannot stand here", name);
	(void)buf_printf(out, "%s ", name);
	(void)buf_puts(out, value);
	(void)buf_putc(out, '\n');
	return 0;
}

void
host_headers_end(struct buf *out)
{
	(void)buf_putc(out, '\n');
}

/* memmem() for a mark that is a string. */
static char *
find(char *p, char *end, const char *mark)
{
	size_t len = strlen(mark);
	char *at;

	for (; (size_t)(end - p) >= len; p = at + 1) {
		at = memchr(p, mark[0], (size_t)(end - p) - len + 1);
		if (at == NULL)
			return NULL;
		if (memcmp(at, mark, len) == 0)
			return at;
	}
	return NULL;
}

static int
parse(struct host_answer *ret, const char *nonce, const char *bytes, size_t len_bytes, bool whole,
    struct err *err)
{
	struct host_answer a;
	struct host_item *item;
	char mark[HOST_NONCE_MAX + 3], *p, *end, *line_end, *next, *space;
	bool ended = false;

	memset(&a, 0, sizeof(a));
	a.bytes = mem_strndup(bytes, len_bytes);
	a.len = len_bytes;
	end = a.bytes + len_bytes;
	(void)strcpy(mark, "\n");
	(void)strncat(mark, nonce, HOST_NONCE_MAX - 1);
	(void)strcat(mark, " ");
	for (p = find(a.bytes, end, mark); p != NULL && !ended; p = next) {
		p += strlen(mark);
		line_end = memchr(p, '\n', (size_t)(end - p));
		if (line_end == NULL || a.nitems == HOST_ITEMS_MAX)
			break;
		*line_end = '\0';
		item = mem_push(&a.items, &a.nitems, sizeof(*a.items));
		item->word = p;
		if ((space = strchr(p, ' ')) != NULL) {
			*space = '\0';
			item->rest = space + 1;
		} else
			item->rest = line_end;
		item->data = line_end + 1;
		/* The newline before the next mark may be the one that ended this line. */
		*line_end = '\n';
		next = find(line_end, end, mark);
		*line_end = '\0';
		if (next == line_end)
			item->data = line_end;	/* nothing, NUL-terminated */
		else if (next != NULL) {
			item->len = (size_t)(next - item->data);
			*next = '\0';
		} else
			item->len = (size_t)(end - item->data);
		if (strcmp(item->word, "end") == 0)
			ended = true;
	}
	if (whole && !ended) {
		host_answer_release(&a);
		return err_set(err, len_bytes == 0 ? "no answer" : "the answer was cut short");
	}
	*ret = a;
	return 0;
}

int
host_answer_parse(struct host_answer *ret, const char *nonce, const char *bytes,
    size_t len_bytes, struct err *err)
{
	return parse(ret, nonce, bytes, len_bytes, true, err);
}

int
host_answer_begun(struct host_answer *ret, const char *nonce, const char *bytes,
    size_t len_bytes, struct err *err)
{
	return parse(ret, nonce, bytes, len_bytes, false, err);
}

static const char *
moved(const struct host_answer *to, const struct host_answer *from, const char *p)
{
	return to->bytes + (p - from->bytes);
}

void
host_answer_keep(struct host_answer *ret, const struct host_answer *a)
{
	struct host_item *item;
	size_t i;

	memset(ret, 0, sizeof(*ret));
	ret->bytes = mem_strndup(a->bytes, a->len);
	ret->len = a->len;
	for (i = 0; i < a->nitems; i++) {
		item = mem_push(&ret->items, &ret->nitems, sizeof(*item));
		item->word = moved(ret, a, a->items[i].word);
		item->rest = moved(ret, a, a->items[i].rest);
		item->data = moved(ret, a, a->items[i].data);
		item->len = a->items[i].len;
	}
}

void
host_answer_release(struct host_answer *a)
{
	mem_wipe_free(a->bytes, a->len);
	free(a->items);
	memset(a, 0, sizeof(*a));
}

const struct host_item *
host_item(const struct host_answer *a, const char *word, size_t n)
{
	size_t i;

	for (i = 0; i < a->nitems; i++)
		if (strcmp(a->items[i].word, word) == 0 && n-- == 0)
			return &a->items[i];
	return NULL;
}

const char *
host_outcome(const struct host_answer *a)
{
	return a->nitems == 0 ? "" : a->items[a->nitems - 1].rest;
}

bool
host_outcome_is(const struct host_answer *a, const char *word, const char **ret_rest)
{
	const char *outcome = host_outcome(a);
	size_t len = strlen(word);

	if (strncmp(outcome, word, len) != 0 || (outcome[len] != '\0' && outcome[len] != ' '))
		return false;
	if (ret_rest != NULL)
		*ret_rest = outcome[len] == ' ' ? outcome + len + 1 : "";
	return true;
}
