/*
 * probe_check: what a plan asks by name: a log, an HTTP status, a setting, a
 * command, whether a client's build can do TLS.
 *
 * Each gives READING_CHECK: passed or not (SAW), or the reason why it cannot be
 * told (SAW_PART, SAW_NOT).  A log that cannot be read, or not back to the
 * step, is inconclusive: "absent" passes only over a log that was seen whole.
 *
 * A log file is read back by the times in it.  Their zone is not asked for:
 * the last line was written when the file was last changed, and that gives it;
 * where it does not, the reading is inconclusive.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/buf.h"
#include "core/logtime.h"
#include "core/mem.h"
#include "core/text.h"
#include "remote/errand.h"
#include "remote/follow.h"
#include "remote/probe_int.h"
#include "remote/session.h"

#define OUTPUT_MAX	((size_t)1 << 20)
#define LOG_TAIL	1048576
#define HTTP_MAX	((size_t)256 << 10)
/* A log is written a little after what it tells of. */
#define LOG_SETTLE_MS	1000

struct check_probe {
	struct probe base;
	const struct check *check;
	int64_t	 since_ms;
	const struct check_kind_ops *kind;
	struct errand *errand;		/* a command */
	struct stream *stream;		/* HTTP */
	struct buf out, errors;
	struct probe *inner;		/* the settings probe */
	uv_timer_t *timer;		/* until a log has settled */
	char	*request;		/* HTTP */
};

struct check_kind_ops {
	void	(*start)(struct check_probe *);
	/* The stream ended; judges. */
	void	(*ended)(struct check_probe *, enum stream_end, int status, const struct err *why);
};

static struct check_probe *
of(struct probe *p)
{
	return (struct check_probe *)p;
}

static int64_t
wall_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static const struct fleet *
fleet_of(const struct check_probe *p)
{
	return p->base.set->c.fleet;
}

static void
verdict(struct check_probe *p, bool passed, const char *why)
{
	p->base.reading.check_passed = passed;
	probe_end(&p->base, SAW, "%s", why);
}

/* The first line of what a command said, for a reason. */
static const char *
first_line(const struct buf *b, char *ret, size_t size)
{
	(void)snprintf(ret, size, "%.200s", buf_str(b));
	ret[strcspn(ret, "\r\n")] = '\0';
	return ret;
}

static bool
holds(const struct buf *b, const char *words)
{
	size_t n = strlen(words), i;

	for (i = 0; n > 0 && i + n <= b->len; i++)
		if (memcmp(b->data + i, words, n) == 0)
			return true;
	return false;
}

/* contains and absent over text; complete: nothing of it is missing. */
static void
judge_text(struct check_probe *p, const char *what, bool complete, const char *missing)
{
	const struct check *c = p->check;
	char why[ERR_MAX];

	if (c->absent != NULL && holds(&p->out, c->absent)) {
		(void)snprintf(why, sizeof(why), "%s has '%s'", what, c->absent);
		verdict(p, false, why);
	} else if (c->absent != NULL && !complete) {
		probe_end(&p->base, SAW_PART, "%s", missing);
	} else if (c->contains != NULL && !holds(&p->out, c->contains)) {
		(void)snprintf(why, sizeof(why), "%s has no '%s'", what, c->contains);
		if (complete)
			verdict(p, false, why);
		else
			probe_end(&p->base, SAW_PART, "%s; %s", why, missing);
	} else {
		if (c->contains != NULL)
			(void)snprintf(why, sizeof(why), "%s has '%s'", what, c->contains);
		else if (c->absent != NULL)
			(void)snprintf(why, sizeof(why), "%s has no '%s'", what, c->absent);
		else
			(void)snprintf(why, sizeof(why), "%s is as expected", what);
		verdict(p, true, why);
	}
}

/* --- streams ------------------------------------------------------------- */

static void
on_data(void *arg, const unsigned char *bytes, size_t len)
{
	(void)buf_put(&((struct check_probe *)arg)->out, bytes, len);
}

static void
on_opened(void *arg)
{
	struct check_probe *p = arg;

	(void)stream_write(p->stream, p->request, strlen(p->request));
}

static void
on_closed(void *arg, enum stream_end end, int status, const struct err *why)
{
	struct check_probe *p = arg;

	p->stream = NULL;
	p->kind->ended(p, end, status, why);
}

static const struct stream_events events = {
	.opened = on_opened, .data = on_data, .closed = on_closed,
};

static struct session *
session_on(struct check_probe *p, int host)
{
	return p->base.set->c.session(p->base.set->c.arg, host);
}

static void
came_back(void *arg, struct errand_result *r)
{
	struct check_probe *p = arg;
	struct err err;

	p->errand = NULL;
	p->out = *r->out;
	p->errors = *r->errors;
	memset(r->out, 0, sizeof(*r->out));
	memset(r->errors, 0, sizeof(*r->errors));
	(void)err_set(&err, "%s", r->why == NULL ? "" : r->why);
	p->kind->ended(p, r->ended ? STREAM_EXITED : STREAM_LOST, r->status, r->ended ? NULL : &err);
}

static void
run(struct check_probe *p, int host, const char *command)
{
	p->errand = errand_run(session_on(p, host), command, OUTPUT_MAX + 64, probe_left_ms(&p->base) + 1000,
	    came_back, p);
}

/* Did the command run to its end?  Ends the probe where it did not. */
static bool
ran(struct check_probe *p, enum stream_end end, const struct err *why)
{
	if (end == STREAM_EXITED)
		return true;
	probe_end(&p->base, SAW_NOT, "%s", why != NULL ? why->msg : "the command's end is not known");
	return false;
}

/* --- command, can-tls ---------------------------------------------------- */

static char *
in_directory(const char *command, const char *directory)
{
	struct buf b;

	if (directory == NULL)
		return mem_strdup(command);
	buf_init(&b, 0);
	buf_puts(&b, "cd ");
	text_shell_quote(&b, directory);
	buf_printf(&b, " && { %s\n}", command);
	return buf_take(&b, NULL);
}

static void
command_start(struct check_probe *p)
{
	const struct check *c = p->check;
	char *command;

	if (c->host == NONE || c->run == NULL) {
		probe_end(&p->base, SAW_NOT, "the check names no host and command");
		return;
	}
	command = in_directory(c->run, c->in);
	run(p, c->host, command);
	free(command);
}

static void
command_ended(struct check_probe *p, enum stream_end end, int status, const struct err *why)
{
	char line[256], words[ERR_MAX];

	if (!ran(p, end, why))
		return;
	if (status != p->check->status) {
		(void)snprintf(words, sizeof(words), "exit status %d, expected %d: %s", status,
		    p->check->status, first_line(p->errors.len > 0 ? &p->errors : &p->out, line, sizeof(line)));
		verdict(p, false, words);
		return;
	}
	judge_text(p, "its output", !p->out.over, "its output is longer than 1 MiB");
}

static void
can_tls_start(struct check_probe *p)
{
	const struct link *link = p->check->link == NONE ? NULL : &fleet_of(p)->links[p->check->link];
	const struct bedit *b = link == NULL ? NULL : link->can_tls;
	char *command;
	int host;

	if (b == NULL || b->run == NULL) {
		probe_end(&p->base, SAW_NOT, "the link declares no 'can-tls'");
		return;
	}
	host = b->on.n > 0 ? b->on.v[0] : fleet_of(p)->clients[link->client].host;
	if (host == NONE) {
		probe_end(&p->base, SAW_NOT, "'can-tls' of '%s' names no host", link->name);
		return;
	}
	command = in_directory(b->run, b->in);
	run(p, host, command);
	free(command);
}

static void
can_tls_ended(struct check_probe *p, enum stream_end end, int status, const struct err *why)
{
	const struct link *link = &fleet_of(p)->links[p->check->link];
	const char *expect = link->can_tls->expect;
	char line[256], words[ERR_MAX];

	if (!ran(p, end, why))
		return;
	/* A command that cannot be run at all tells nothing of the build. */
	if (status == 126 || status == 127)
		probe_end(&p->base, SAW_NOT, "'%s' cannot be run: %s", link->can_tls->run,
		    first_line(&p->errors, line, sizeof(line)));
	else if (expect != NULL && !holds(&p->out, expect)) {
		(void)snprintf(words, sizeof(words), "its build has no TLS: '%s' is not in the output of '%s'",
		    expect, link->can_tls->run);
		verdict(p, false, words);
	} else if (expect == NULL && status != 0) {
		(void)snprintf(words, sizeof(words), "its build has no TLS: '%s' exits with %d",
		    link->can_tls->run, status);
		verdict(p, false, words);
	} else
		verdict(p, true, "its build can do TLS");
}

/* --- log ----------------------------------------------------------------- */

static const char *
line_end(const char *p, const char *end)
{
	const char *nl = memchr(p, '\n', (size_t)(end - p));

	return nl == NULL ? end : nl + 1;
}

/*
 * Keeps of a log file's tail what was written since.  0; or -1, and the probe
 * is over.  *ret_complete: the tail goes back far enough.
 */
static int
keep_since(struct check_probe *p, bool *ret_complete)
{
	int64_t changed = buf_take_number(&p->out) * 1000, now = buf_take_number(&p->out) * 1000;
	int64_t skew, since, t, last = -1, zone;
	const char *s, *end, *next, *from = NULL;
	bool truncated = p->out.len >= LOG_TAIL, earlier = false;

	if (changed < 0 || now < 0) {
		probe_end(&p->base, SAW_NOT, "the log's file cannot be read");
		return -1;
	}
	*ret_complete = true;
	if (p->out.len == 0)
		return 0;
	/* The host's clock to the second: nearer than that it is taken to be right. */
	skew = now - wall_ms();
	since = p->since_ms + (skew > 2000 || skew < -3000 ? skew - 1000 : 0);
	s = p->out.data;
	end = s + p->out.len;
	for (; s < end; s = line_end(s, end)) {
		t = logtime_line(s, (size_t)(line_end(s, end) - s));
		if (t != -1)
			last = t;
	}
	if (last == -1 || !logtime_zone(last, changed, &zone)) {
		probe_end(&p->base, SAW_PART, "the times in the log cannot be read: "
		    "which lines are since the step is not known");
		return -1;
	}
	for (s = p->out.data; s < end && from == NULL; s = next) {
		next = line_end(s, end);
		t = logtime_line(s, (size_t)(next - s));
		if (t == -1)
			continue;	/* belongs to the line before */
		if (t + zone >= since)
			from = s;
		else
			earlier = true;
	}
	*ret_complete = earlier || !truncated;
	buf_drop(&p->out, from == NULL ? p->out.len : (size_t)(from - p->out.data));
	return 0;
}

static void
log_file_ended(struct check_probe *p, enum stream_end end, int status, const struct err *why)
{
	char line[256];
	bool complete;

	if (!ran(p, end, why))
		return;
	if (status != 0) {
		probe_end(&p->base, SAW_NOT, "the log cannot be read: %s",
		    first_line(&p->errors, line, sizeof(line)));
		return;
	}
	if (keep_since(p, &complete) == 0)
		judge_text(p, "the log since the step", complete,
		    "the log since the step is longer than 1 MiB");
}

static void
log_run_ended(struct check_probe *p, enum stream_end end, int status, const struct err *why)
{
	char line[256];

	if (!ran(p, end, why))
		return;
	if (status != 0)
		probe_end(&p->base, SAW_NOT, "the log cannot be read: %s",
		    first_line(&p->errors, line, sizeof(line)));
	else
		judge_text(p, "the log since the step", !p->out.over,
		    "the log since the step is longer than 1 MiB");
}

static void
follow_judge(struct check_probe *p)
{
	const struct endpoint *ep = &fleet_of(p)->endpoints[p->check->endpoint];
	struct follow *f = p->base.set->spots[p->check->endpoint].follow;
	int64_t from = f == NULL ? INT64_MAX : follow_from_ms(f);
	char missing[ERR_MAX];

	missing[0] = '\0';
	if (f == NULL)
		(void)snprintf(missing, sizeof(missing), "the log of '%s' is not followed here", ep->name);
	else if (from == INT64_MAX)
		(void)snprintf(missing, sizeof(missing), "the log of '%s' is not followed now: %s", ep->name,
		    follow_why(f) != NULL ? follow_why(f) : "it is about to be");
	else if (from > p->since_ms)
		(void)snprintf(missing, sizeof(missing), "the log of '%s' is followed only since %" PRId64
		    " s after the step began", ep->name, (from - p->since_ms + 999) / 1000);
	if (f != NULL)
		follow_text(f, p->since_ms, &p->out);
	judge_text(p, "the log since the step", missing[0] == '\0', missing);
}

char *
log_since(const char *command, int64_t since_ms)
{
	const char *at;
	struct buf b;

	buf_init(&b, 0);
	while ((at = strstr(command, "$(since)")) != NULL) {
		(void)buf_put(&b, command, (size_t)(at - command));
		(void)buf_printf(&b, "%" PRId64, since_ms / 1000);
		command = at + 8;
	}
	(void)buf_puts(&b, command);
	return buf_take(&b, NULL);
}

static const struct check_kind_ops log_run_kind, log_file_kind;

static void
log_now(struct check_probe *p)
{
	const struct endpoint *ep = &fleet_of(p)->endpoints[p->check->endpoint];
	struct buf b;
	char *command;

	if (ep->log_run != NULL && strstr(ep->log_run, "$(since)") == NULL) {
		follow_judge(p);
		return;
	}
	if (ep->log_run != NULL) {
		p->kind = &log_run_kind;
		command = log_since(ep->log_run, p->since_ms);
	} else {
		p->kind = &log_file_kind;
		buf_init(&b, 0);
		buf_puts(&b, "f=");
		text_shell_quote(&b, ep->log_file);
		buf_printf(&b, "; stat -L -c %%Y -- \"$f\" && date +%%s && tail -c %d -- \"$f\"", LOG_TAIL);
		command = buf_take(&b, NULL);
	}
	run(p, ep->log_host, command);
	free(command);
}

static void
settled(uv_timer_t *timer)
{
	struct check_probe *p = timer->data;

	if (p != NULL)
		log_now(p);
}

static void
log_start(struct check_probe *p)
{
	const struct endpoint *ep = p->check->endpoint == NONE ? NULL :
	    &fleet_of(p)->endpoints[p->check->endpoint];
	int64_t wait;

	if (ep == NULL || (ep->log_run == NULL && ep->log_file == NULL) || ep->log_host == NONE) {
		probe_end(&p->base, SAW_NOT, "the fleet file gives no log for '%s'",
		    ep == NULL ? "?" : ep->name);
		return;
	}
	wait = p->since_ms + LOG_SETTLE_MS - wall_ms();
	if (wait <= 0) {
		log_now(p);
		return;
	}
	p->timer = mem_alloc(sizeof(*p->timer));
	(void)uv_timer_init(p->base.set->c.loop, p->timer);
	p->timer->data = p;
	(void)uv_timer_start(p->timer, settled,
	    (uint64_t)(wait < LOG_SETTLE_MS ? wait : LOG_SETTLE_MS), 0);
}

/* --- http ---------------------------------------------------------------- */

static void
http_start(struct check_probe *p)
{
	const struct check *c = p->check;
	const char *url = c->url, *rest, *colon, *path, *bracket;
	bool tls = url != NULL && strncmp(url, "https://", 8) == 0;
	char *authority, *host;
	int port = tls ? 443 : 80;

	if (url == NULL || c->host == NONE || (!tls && strncmp(url, "http://", 7) != 0)) {
		probe_end(&p->base, SAW_NOT, "the check names no host and URL");
		return;
	}
	rest = url + (tls ? 8 : 7);
	path = rest + strcspn(rest, "/?#");
	authority = mem_strndup(rest, (size_t)(path - rest));
	colon = strrchr(authority, ':');
	bracket = authority[0] == '[' ? strchr(authority, ']') : NULL;
	if (bracket != NULL) {		/* [::1]:80 */
		host = mem_strndup(authority + 1, (size_t)(bracket - authority) - 1);
		colon = bracket[1] == ':' ? bracket + 1 : NULL;
	} else
		host = mem_strndup(authority, colon == NULL ? strlen(authority) : (size_t)(colon - authority));
	if (colon != NULL)
		port = atoi(colon + 1);
	if (host[0] == '\0' || port < 1 || port > 65535 || strchr(authority, '@') != NULL) {
		probe_end(&p->base, SAW_NOT, "cannot read the URL '%s'", url);
		goto out;
	}
	p->request = mem_printf("GET %s%.*s HTTP/1.1\r\nHost: %s\r\nUser-Agent: belay\r\n"
	    "Accept: */*\r\nConnection: close\r\n\r\n", *path == '/' ? "" : "/",
	    (int)strcspn(path, "#"), path, authority);
	p->stream = session_dial(session_on(p, c->host), host, port, &events, p);
	stream_deadline(p->stream, probe_left_ms(&p->base) + 1000);
	/* What answers is looked at, not whether its certificate is good: that is another check. */
	if (tls)
		p->stream = tls_over(p->stream, false, p->base.set->no_trust, host, &events, p);
out:
	free(authority);
	free(host);
}

static void
http_ended(struct check_probe *p, enum stream_end end, int status, const struct err *why)
{
	char words[ERR_MAX], line[256];
	int code = 0;

	(void)status;
	if (p->out.len == 0) {
		probe_end(&p->base, SAW_NOT, "%s", why != NULL ? why->msg : "no answer");
		return;
	}
	if (p->out.len < 12 || strncmp(p->out.data, "HTTP/1.", 7) != 0 || p->out.data[8] != ' ' ||
	    (code = atoi(p->out.data + 9)) < 100 || code > 599) {
		probe_end(&p->base, SAW_NOT, "the answer is not HTTP");
		return;
	}
	if (code != p->check->status) {
		(void)snprintf(words, sizeof(words), "status %d, expected %d: %s", code, p->check->status,
		    first_line(&p->out, line, sizeof(line)));
		verdict(p, false, words);
		return;
	}
	if (p->check->contains == NULL && p->check->absent == NULL) {
		(void)snprintf(words, sizeof(words), "status %d", code);
		verdict(p, true, words);
		return;
	}
	judge_text(p, "the answer", !p->out.over && end == STREAM_EOF, "the answer was not seen whole");
}

/* --- setting ------------------------------------------------------------- */

static void
setting_read(void *arg, struct reading *r)
{
	struct check_probe *p = arg;
	const struct check *c = p->check;
	const char *value = setting_get(r, c->setting);
	char words[ERR_MAX];

	p->inner = NULL;
	if (value == NULL)
		probe_say(&p->base, r->outcome == SAW ? SAW_PART : r->outcome, "%s",
		    r->why != NULL ? r->why : "the server does not say");
	else {
		p->base.reading.check_passed = c->value != NULL && strcmp(value, c->value) == 0;
		(void)snprintf(words, sizeof(words), "'%s' is '%s'%s%s%s", c->setting, value,
		    p->base.reading.check_passed ? "" : ", expected '",
		    p->base.reading.check_passed ? "" : c->value, p->base.reading.check_passed ? "" : "'");
		probe_say(&p->base, SAW, "%s", words);
	}
	reading_release(r);
	probe_finish(&p->base);
}

static void
setting_start(struct check_probe *p)
{
	const struct check *c = p->check;

	if (c->endpoint == NONE || c->setting == NULL) {
		probe_end(&p->base, SAW_NOT, "the check names no endpoint and setting");
		return;
	}
	p->inner = probe_endpoint(p->base.set, READING_SETTINGS, c->endpoint, probe_left_ms(&p->base),
	    setting_read, p);
	p->inner->wants = mem_strdup(c->setting);
}

/* --- all of them --------------------------------------------------------- */

static void
not_built(struct check_probe *p)
{
	probe_end(&p->base, SAW_NOT, "not yet");
}

static const struct check_kind_ops log_kind = { log_start, log_run_ended };
static const struct check_kind_ops log_run_kind = { log_start, log_run_ended };
static const struct check_kind_ops log_file_kind = { log_start, log_file_ended };
static const struct check_kind_ops http_kind = { http_start, http_ended };
static const struct check_kind_ops command_kind = { command_start, command_ended };
static const struct check_kind_ops can_tls_kind = { can_tls_start, can_tls_ended };
static const struct check_kind_ops setting_kind = { setting_start, NULL };
static const struct check_kind_ops no_kind = { not_built, NULL };

static void
check_start(struct probe *base)
{
	of(base)->kind->start(of(base));
}

static void
timer_closed(uv_handle_t *h)
{
	free(h);
}

static void
check_stop(struct probe *base)
{
	struct check_probe *p = of(base);

	errand_cancel(p->errand);
	p->errand = NULL;
	stream_close(p->stream);
	p->stream = NULL;
	if (p->inner != NULL)
		probe_cancel(p->inner);
	p->inner = NULL;
	if (p->timer != NULL) {
		p->timer->data = NULL;
		(void)uv_timer_stop(p->timer);
		uv_close((uv_handle_t *)p->timer, timer_closed);
		p->timer = NULL;
	}
	buf_release(&p->out);
	buf_release(&p->errors);
	free(p->request);
	p->request = NULL;
}

static const struct probe_ops check_ops = { sizeof(struct check_probe), check_start, check_stop, NULL };

struct probe *
probe_check(struct probes *set, const struct check *check, int64_t since_ms, int64_t deadline_ms,
    probe_done *done, void *arg)
{
	struct probe *base;
	struct check_probe *p;

	if (check->deadline_ms > 0 && check->deadline_ms < deadline_ms)
		deadline_ms = check->deadline_ms;
	base = probe_new(set, &check_ops, NULL, LANE_ASK, READING_CHECK, 0, deadline_ms, done, arg);
	p = of(base);
	p->check = check;
	p->since_ms = since_ms;
	buf_init(&p->out, OUTPUT_MAX + 64);
	buf_init(&p->errors, 4096);
	p->kind = check->kind == CHECK_LOG ? &log_kind : check->kind == CHECK_HTTP ? &http_kind :
	    check->kind == CHECK_COMMAND ? &command_kind : check->kind == CHECK_CAN_TLS ? &can_tls_kind :
	    check->kind == CHECK_SETTING ? &setting_kind : &no_kind;
	if (check->kind == CHECK_HTTP)
		p->out.max = HTTP_MAX;
	return base;
}
