/*
 * ssh_config: see ssh_config.h.
 *
 * Owns the words that ssh is given, the child, and the reading of its output:
 * lines of a lower-case keyword, one space, the value.  A keyword that is not
 * known here is skipped.  It does not read ssh_config files itself.
 */
#include "remote/ssh_config.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/mem.h"
#include "remote/session.h"

#define WORD_MAX_BYTES	255
#define CACHE_MAX	4096

void
ssh_config_free(struct ssh_config *c)
{
	size_t i;

	if (c == NULL)
		return;
	for (i = 0; i < c->nidentities; i++)
		free(c->identities[i]);
	for (i = 0; i < c->nknown_hosts; i++)
		free(c->known_hosts[i]);
	free(c->alias);
	free(c->hostname);
	free(c->user);
	free(c->agent);
	free(c->host_key_alias);
	free(c->proxy);
	free(c->certificate);
	free(c);
}

struct ssh_config *
ssh_config_copy(const struct ssh_config *from)
{
	struct ssh_config *c = mem_alloc(sizeof(*c));
	size_t i;

	*c = *from;
	for (i = 0; i < c->nidentities; i++)
		c->identities[i] = mem_strdup(from->identities[i]);
	for (i = 0; i < c->nknown_hosts; i++)
		c->known_hosts[i] = mem_strdup(from->known_hosts[i]);
	c->alias = mem_strdup(from->alias);
	c->hostname = mem_strdup(from->hostname);
	c->user = mem_strdup(from->user);
	c->agent = mem_strdup(from->agent);
	c->host_key_alias = mem_strdup(from->host_key_alias);
	c->proxy = mem_strdup(from->proxy);
	c->certificate = mem_strdup(from->certificate);
	return c;
}

bool
ssh_config_word_ok(const char *word)
{
	size_t n = strlen(word);

	if (n == 0 || n > WORD_MAX_BYTES || word[0] == '-')
		return false;
	return strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "0123456789._-:%@+") == n;
}

/* The home directory in the password file, which is the only one that ssh knows. */
static const char *
ssh_home(void)
{
	struct passwd *pw = getpwuid(getuid());

	return pw == NULL ? "/" : pw->pw_dir;
}

/* Without ssh in between, HOME counts, as people expect. */
static const char *
own_home(void)
{
	const char *h = getenv("HOME");

	return h != NULL && h[0] == '/' ? h : ssh_home();
}

static void
list_add(char **list, size_t *n, char *owned)
{
	if (*n == SSH_CONFIG_LIST_MAX)
		free(owned);
	else
		list[(*n)++] = owned;
}

/* ~ and the tokens that make sense in a file name. */
static char *
expand(const struct ssh_config *c, const char *home, const char *path)
{
	struct buf b;
	struct passwd *pw;

	buf_init(&b, 8192);
	if (path[0] == '~' && (path[1] == '/' || path[1] == '\0')) {
		buf_puts(&b, home);
		path++;
	}
	for (; *path != '\0'; path++) {
		if (*path != '%' || path[1] == '\0') {
			buf_putc(&b, *path);
			continue;
		}
		switch (*++path) {
		case 'd':
			buf_puts(&b, home);
			break;
		case 'h':
			buf_puts(&b, c->hostname == NULL ? "" : c->hostname);
			break;
		case 'n':
			buf_puts(&b, c->alias);
			break;
		case 'p':
			buf_printf(&b, "%d", c->port);
			break;
		case 'r':
			buf_puts(&b, c->user == NULL ? "" : c->user);
			break;
		case 'u':
			pw = getpwuid(getuid());
			buf_puts(&b, pw == NULL ? "" : pw->pw_name);
			break;
		case 'i':
			buf_printf(&b, "%lu", (unsigned long)getuid());
			break;
		case '%':
			buf_putc(&b, '%');
			break;
		default:
			buf_putc(&b, '%');
			buf_putc(&b, *path);
		}
	}
	buf_puts(&b, "");
	return buf_take(&b, NULL);
}

static void
default_files(struct ssh_config *c, const char *home)
{
	static const char *const identities[] = {
		"~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa"
	};
	size_t i;

	if (c->nidentities == 0)
		for (i = 0; i < sizeof(identities) / sizeof(identities[0]); i++)
			list_add(c->identities, &c->nidentities, expand(c, home, identities[i]));
	if (c->nknown_hosts == 0) {
		list_add(c->known_hosts, &c->nknown_hosts, expand(c, home, "~/.ssh/known_hosts"));
		list_add(c->known_hosts, &c->nknown_hosts, expand(c, home, "~/.ssh/known_hosts2"));
		c->nuser_known_hosts = 2;
		list_add(c->known_hosts, &c->nknown_hosts, mem_strdup("/etc/ssh/ssh_known_hosts"));
		list_add(c->known_hosts, &c->nknown_hosts, mem_strdup("/etc/ssh/ssh_known_hosts2"));
	}
}

struct ssh_config *
ssh_config_plain(const struct session_config *config, struct err *err)
{
	struct ssh_config *c = mem_alloc(sizeof(*c));
	struct passwd *pw;

	if (config->address == NULL || !ssh_config_word_ok(config->address)) {
		err_set(err, "'%s' cannot be a host's address",
		    config->address == NULL ? "" : config->address);
		ssh_config_free(c);
		return NULL;
	}
	if (config->user != NULL && !ssh_config_word_ok(config->user)) {
		err_set(err, "'%s' cannot be a user's name", config->user);
		ssh_config_free(c);
		return NULL;
	}
	c->alias = mem_strdup(config->address);
	c->hostname = mem_strdup(config->address);
	if (config->user != NULL)
		c->user = mem_strdup(config->user);
	else if ((pw = getpwuid(getuid())) != NULL)
		c->user = mem_strdup(pw->pw_name);
	else
		c->user = mem_strdup("root");
	c->port = config->port == 0 ? 22 : config->port;
	if (config->identity != NULL) {
		list_add(c->identities, &c->nidentities, expand(c, own_home(), config->identity));
		c->identities_only = true;
	}
	c->agent = mem_strdup(getenv("SSH_AUTH_SOCK"));
	default_files(c, own_home());
	return c;
}

/* ---- the output of ssh -G ------------------------------------------------ */

/* Words separated by spaces; a word in double quotes may hold some. */
static void
take_files(struct ssh_config *c, const char *value)
{
	const char *p = value, *end;
	char *word, *path;

	for (;;) {
		p += strspn(p, " ");
		if (*p == '\0')
			return;
		if (*p == '"') {
			end = strchr(++p, '"');
			if (end == NULL)
				end = p + strlen(p);
		} else
			end = p + strcspn(p, " ");
		word = mem_strndup(p, (size_t)(end - p));
		p = *end == '"' ? end + 1 : end;
		if (strcmp(word, "none") != 0 && strcmp(word, "/dev/null") != 0) {
			path = expand(c, ssh_home(), word);
			list_add(c->known_hosts, &c->nknown_hosts, path);
		}
		free(word);
	}
}

static char *
agent_of(const struct ssh_config *c, const char *value)
{
	const char *env;

	if (value == NULL || strcmp(value, "SSH_AUTH_SOCK") == 0)
		return mem_strdup(getenv("SSH_AUTH_SOCK"));
	if (strcmp(value, "none") == 0)
		return NULL;
	if (value[0] == '$') {
		env = getenv(value + 1);
		return mem_strdup(env);
	}
	return expand(c, ssh_home(), value);
}

struct ssh_config *
ssh_config_parse(const char *alias, const char *output, size_t len_bytes, struct err *err)
{
	struct ssh_config *c = mem_alloc(sizeof(*c));
	char *copy = mem_strndup(output, len_bytes), *line, *next, *value;
	char *identities[SSH_CONFIG_LIST_MAX], *user_hosts = NULL, *global_hosts = NULL, *agent = NULL;
	size_t i, n = 0;
	struct passwd *pw;

	c->alias = mem_strdup(alias);
	c->port = 22;
	/* Tokens need the host and the user, which may stand below. */
	for (line = copy; line != NULL && *line != '\0'; line = next) {
		next = strchr(line, '\n');
		if (next != NULL)
			*next++ = '\0';
		value = strchr(line, ' ');
		if (value == NULL)
			continue;
		*value++ = '\0';
		if (strcmp(line, "hostname") == 0) {
			free(c->hostname);
			c->hostname = mem_strdup(value);
		} else if (strcmp(line, "user") == 0) {
			free(c->user);
			c->user = mem_strdup(value);
		} else if (strcmp(line, "port") == 0) {
			c->port = (int)strtol(value, NULL, 10);
		} else if (strcmp(line, "identityfile") == 0) {
			if (n < SSH_CONFIG_LIST_MAX && strcmp(value, "none") != 0)
				identities[n++] = value;
		} else if (strcmp(line, "identitiesonly") == 0) {
			c->identities_only = strcmp(value, "yes") == 0;
		} else if (strcmp(line, "identityagent") == 0) {
			agent = value;
		} else if (strcmp(line, "userknownhostsfile") == 0) {
			user_hosts = value;
		} else if (strcmp(line, "globalknownhostsfile") == 0) {
			global_hosts = value;
		} else if (strcmp(line, "hostkeyalias") == 0) {
			free(c->host_key_alias);
			c->host_key_alias = mem_strdup(value);
		} else if (strcmp(line, "hashknownhosts") == 0) {
			c->hash_known_hosts = strcmp(value, "yes") == 0;
		} else if (strcmp(line, "proxyjump") == 0 || strcmp(line, "proxycommand") == 0) {
			if (strcmp(value, "none") != 0) {
				free(c->proxy);
				c->proxy = mem_printf("%s %s", strcmp(line, "proxyjump") == 0 ?
				    "ProxyJump" : "ProxyCommand", value);
			}
		} else if (strcmp(line, "certificatefile") == 0) {
			if (strcmp(value, "none") != 0) {
				free(c->certificate);
				c->certificate = mem_strdup(value);
			}
		}
	}
	if (c->user == NULL && (pw = getpwuid(getuid())) != NULL)
		c->user = mem_strdup(pw->pw_name);
	if (c->hostname == NULL || !ssh_config_word_ok(c->hostname)) {
		err_set(err, "ssh -G names no usable host for '%s'", alias);
		goto fail;
	}
	if (c->user == NULL || !ssh_config_word_ok(c->user)) {
		err_set(err, "ssh -G names no usable user for '%s'", alias);
		goto fail;
	}
	if (c->port < 1 || c->port > 65535) {
		err_set(err, "ssh -G names no usable port for '%s'", alias);
		goto fail;
	}
	for (i = 0; i < n; i++)
		list_add(c->identities, &c->nidentities, expand(c, ssh_home(), identities[i]));
	c->agent = agent_of(c, agent);
	if (user_hosts != NULL)
		take_files(c, user_hosts);
	c->nuser_known_hosts = c->nknown_hosts;
	if (global_hosts != NULL)
		take_files(c, global_hosts);
	if (user_hosts == NULL && global_hosts == NULL)
		default_files(c, ssh_home());
	free(copy);
	return c;
fail:
	free(copy);
	ssh_config_free(c);
	return NULL;
}

/* ---- asking, and keeping the answers ------------------------------------- */

struct answer {
	char	*key;			/* alias, user, port, file: what was asked */
	struct timespec times[2];	/* of the files that ssh reads first */
	int64_t	 asked_at;
	struct ssh_config *config;
};

struct ssh_config_cache {
	uv_loop_t *loop;
	struct answer *answers;
	size_t	 nanswers;
};

struct ssh_config_query {
	struct ssh_config_cache *cache;
	ssh_config_done *done;
	void	*arg;
	bool	 cancelled;
	char	*key, *alias, *identity;
	struct timespec times[2];
	struct ssh_config *kept;	/* the cache's own, when it had the answer */
	struct err err;
	bool	 failed;
	bool	 spawned, exited;
	int64_t	 deadline_ms;
	uv_process_t child;
	uv_pipe_t out, errs;
	uv_timer_t timer;
	struct buf text, errtext;
	int	 open;			/* pipes not at their end, and the child */
	int	 handles;
	int64_t	 status;
	char	 chunk[4096];
};

struct ssh_config_cache *
ssh_config_cache_new(struct uv_loop_s *loop)
{
	struct ssh_config_cache *cache = mem_alloc(sizeof(*cache));

	cache->loop = loop;
	return cache;
}

static void
answer_release(struct answer *a)
{
	free(a->key);
	ssh_config_free(a->config);
}

void
ssh_config_cache_free(struct ssh_config_cache *cache)
{
	size_t i;

	if (cache == NULL)
		return;
	for (i = 0; i < cache->nanswers; i++)
		answer_release(&cache->answers[i]);
	free(cache->answers);
	free(cache);
}

static void
file_times(const char *ssh_config, struct timespec ret[2])
{
	struct stat st;
	char *user;

	memset(ret, 0, 2 * sizeof(*ret));
	if (ssh_config != NULL) {
		if (stat(ssh_config, &st) == 0)
			ret[0] = st.st_mtim;
		return;
	}
	user = mem_printf("%s/.ssh/config", ssh_home());
	if (stat(user, &st) == 0)
		ret[0] = st.st_mtim;
	free(user);
	if (stat("/etc/ssh/ssh_config", &st) == 0)
		ret[1] = st.st_mtim;
}

static struct answer *
cache_find(struct ssh_config_cache *cache, const char *key)
{
	size_t i;

	for (i = 0; i < cache->nanswers; i++)
		if (strcmp(cache->answers[i].key, key) == 0)
			return &cache->answers[i];
	return NULL;
}

static void
cache_keep(struct ssh_config_query *q, const struct ssh_config *config)
{
	struct answer *a = cache_find(q->cache, q->key);

	if (a == NULL) {
		if (q->cache->nanswers == CACHE_MAX)
			return;
		a = mem_push(&q->cache->answers, &q->cache->nanswers, sizeof(*a));
	} else
		answer_release(a);
	a->key = mem_strdup(q->key);
	memcpy(a->times, q->times, sizeof(a->times));
	a->asked_at = (int64_t)uv_now(q->cache->loop);
	a->config = ssh_config_copy(config);
}

static void
query_closed(uv_handle_t *h)
{
	struct ssh_config_query *q = h->data;

	if (--q->handles > 0)
		return;
	buf_release(&q->text);
	buf_release(&q->errtext);
	ssh_config_free(q->kept);
	free(q->key);
	free(q->alias);
	free(q->identity);
	free(q);
}

static void
query_close(struct ssh_config_query *q)
{
	/* A child that has not ended yet is closed when it has, or nobody would reap it. */
	uv_handle_t *all[] = { (uv_handle_t *)&q->timer, (uv_handle_t *)&q->out,
	    (uv_handle_t *)&q->errs, (uv_handle_t *)&q->child };
	size_t i, n = q->spawned ? 4 : 1;

	for (i = 0; i < n; i++)
		if (!uv_is_closing(all[i]) && (i < 3 || q->exited))
			uv_close(all[i], query_closed);
}

static void
query_answer(struct ssh_config_query *q, struct ssh_config *config, const struct err *err)
{
	if (!q->cancelled) {
		q->cancelled = true;
		if (config != NULL && q->identity != NULL) {
			/* The fleet file's identity comes first. */
			char *first = expand(config, own_home(), q->identity);

			if (config->nidentities == SSH_CONFIG_LIST_MAX)
				free(config->identities[--config->nidentities]);
			memmove(config->identities + 1, config->identities,
			    config->nidentities * sizeof(config->identities[0]));
			config->identities[0] = first;
			config->nidentities++;
		}
		q->done(q->arg, config, err);
	} else
		ssh_config_free(config);
	query_close(q);
}

static void
query_over(struct ssh_config_query *q)
{
	struct ssh_config *config = NULL;
	struct err e;
	char *nl;

	if (--q->open > 0)
		return;
	if (q->status != 0) {
		nl = q->errtext.len == 0 ? NULL : strchr(q->errtext.data, '\n');
		if (nl != NULL)
			*nl = '\0';
		err_set(&e, "ssh -G -- '%s' failed: %s", q->alias,
		    q->errtext.len > 0 ? buf_str(&q->errtext) : "it said nothing");
	} else if (q->text.over) {
		err_set(&e, "ssh -G -- '%s' said more than %zu KiB", q->alias,
		    SSH_CONFIG_OUTPUT_MAX >> 10);
	} else {
		config = ssh_config_parse(q->alias, buf_str(&q->text), q->text.len, &e);
	}
	if (config != NULL)
		cache_keep(q, config);
	query_answer(q, config, config == NULL ? &e : NULL);
}

static void
query_alloc(uv_handle_t *h, size_t hint, uv_buf_t *ret)
{
	struct ssh_config_query *q = h->data;

	(void)hint;
	*ret = uv_buf_init(q->chunk, sizeof(q->chunk));
}

static void
query_read(uv_stream_t *h, ssize_t n, const uv_buf_t *b)
{
	struct ssh_config_query *q = h->data;

	if (n > 0)
		buf_put((void *)h == (void *)&q->out ? &q->text : &q->errtext, b->base, (size_t)n);
	else if (n < 0) {
		uv_read_stop(h);
		if (!uv_is_closing((uv_handle_t *)&q->timer))
			query_over(q);
	}
}

static void
query_exit(uv_process_t *h, int64_t status, int signo)
{
	struct ssh_config_query *q = h->data;

	q->exited = true;
	q->status = status != 0 ? status : signo;
	if (!uv_is_closing((uv_handle_t *)&q->timer))
		query_over(q);
	else if (!uv_is_closing((uv_handle_t *)h))
		uv_close((uv_handle_t *)h, query_closed);
}

static void
query_timer(uv_timer_t *h)
{
	struct ssh_config_query *q = h->data;
	struct err e;

	if (q->kept != NULL) {
		struct ssh_config *config = q->kept;

		q->kept = NULL;
		query_answer(q, config, NULL);
	} else if (q->failed) {
		query_answer(q, NULL, &q->err);
	} else {
		/* A `Match exec` that hangs; its own children go with the process group. */
		uv_kill(-q->child.pid, SIGKILL);
		err_set(&e, "ssh -G -- '%s' did not answer within %lld s: a 'Match exec' that hangs?",
		    q->alias, (long long)((q->deadline_ms + 999) / 1000));
		query_answer(q, NULL, &e);
	}
}

static void
query_spawn(struct ssh_config_query *q, const struct session_config *config)
{
	char port[16];
	char *argv[16];
	int n = 0, rc;
	uv_process_options_t o;
	uv_stdio_container_t io[3];

	argv[n++] = (char *)(uintptr_t)"ssh";
	argv[n++] = (char *)(uintptr_t)"-G";
	if (config->ssh_config != NULL) {
		argv[n++] = (char *)(uintptr_t)"-F";
		argv[n++] = (char *)(uintptr_t)config->ssh_config;
	}
	if (config->user != NULL) {
		argv[n++] = (char *)(uintptr_t)"-l";
		argv[n++] = (char *)(uintptr_t)config->user;
	}
	if (config->port != 0) {
		snprintf(port, sizeof(port), "%d", config->port);
		argv[n++] = (char *)(uintptr_t)"-p";
		argv[n++] = port;
	}
	argv[n++] = (char *)(uintptr_t)"--";
	argv[n++] = q->alias;
	argv[n] = NULL;

	uv_pipe_init(q->cache->loop, &q->out, 0);
	uv_pipe_init(q->cache->loop, &q->errs, 0);
	q->out.data = q->errs.data = q->child.data = q;
	q->handles += 2;
	memset(&o, 0, sizeof(o));
	memset(io, 0, sizeof(io));
	io[0].flags = UV_IGNORE;
	io[1].flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE;
	io[1].data.stream = (uv_stream_t *)&q->out;
	io[2].flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE;
	io[2].data.stream = (uv_stream_t *)&q->errs;
	o.exit_cb = query_exit;
	o.file = "ssh";
	o.args = argv;
	o.flags = UV_PROCESS_DETACHED;
	o.stdio_count = 3;
	o.stdio = io;
	rc = uv_spawn(q->cache->loop, &q->child, &o);
	/* libuv wants the handle closed even where the spawn failed. */
	q->spawned = true;
	q->handles++;
	if (rc != 0) {
		q->failed = true;
		q->exited = true;
		err_set(&q->err, "cannot run ssh: %s; is openssh-client installed?", uv_strerror(rc));
		uv_timer_start(&q->timer, query_timer, 0, 0);
		return;
	}
	q->open = 3;
	uv_read_start((uv_stream_t *)&q->out, query_alloc, query_read);
	uv_read_start((uv_stream_t *)&q->errs, query_alloc, query_read);
	uv_timer_start(&q->timer, query_timer, (uint64_t)q->deadline_ms, 0);
}

struct ssh_config_query *
ssh_config_resolve(struct ssh_config_cache *cache, const struct session_config *config,
    int64_t deadline_ms, ssh_config_done *done, void *arg)
{
	struct ssh_config_query *q = mem_alloc(sizeof(*q));
	const char *alias = config->ssh != NULL ? config->ssh : config->address;
	struct answer *a;

	q->cache = cache;
	q->done = done;
	q->arg = arg;
	q->deadline_ms = deadline_ms;
	q->alias = mem_strdup(alias == NULL ? "" : alias);
	q->identity = mem_strdup(config->identity);
	q->key = mem_printf("%s %s %d %s", q->alias, config->user == NULL ? "" : config->user,
	    config->port, config->ssh_config == NULL ? "" : config->ssh_config);
	buf_init(&q->text, SSH_CONFIG_OUTPUT_MAX);
	buf_init(&q->errtext, 4096);
	uv_timer_init(cache->loop, &q->timer);
	q->timer.data = q;
	q->handles = 1;
	file_times(config->ssh_config, q->times);

	a = cache_find(cache, q->key);
	if (!ssh_config_word_ok(q->alias) ||
	    (config->user != NULL && !ssh_config_word_ok(config->user))) {
		q->failed = true;
		err_set(&q->err, "'%s' cannot be given to ssh as a host or user name",
		    ssh_config_word_ok(q->alias) ? config->user : q->alias);
		uv_timer_start(&q->timer, query_timer, 0, 0);
	} else if (a != NULL && memcmp(a->times, q->times, sizeof(a->times)) == 0 &&
	    (int64_t)uv_now(cache->loop) - a->asked_at < SSH_CONFIG_KEEP_MS) {
		q->kept = ssh_config_copy(a->config);
		uv_timer_start(&q->timer, query_timer, 0, 0);
	} else
		query_spawn(q, config);
	return q;
}

void
ssh_config_cancel(struct ssh_config_query *q)
{
	if (q == NULL || q->cancelled)
		return;
	q->cancelled = true;
	if (q->spawned && q->open > 0)
		uv_kill(-q->child.pid, SIGKILL);
	query_close(q);
}
