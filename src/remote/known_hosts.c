/*
 * known_hosts: see known_hosts.h.
 *
 * Owns the parsed lines of each file, and the one write: the appending of an
 * accepted key.  Invariant: a line is kept whole (marker, host field, type,
 * key) or not at all.
 *
 * Names follow ssh: lower case; "[name]:port" where the port is not 22; a
 * HostKeyAlias replaces name and port.
 */
#include "remote/known_hosts.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
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
#include "remote/ssh_config.h"

#define LINES_MAX	200000
#define SHA1_BYTES	20

enum marker { MARKER_NONE, MARKER_REVOKED, MARKER_AUTHORITY };

struct known_line {
	enum marker marker;
	char	*field;			/* host patterns; NULL where hashed */
	bool	 literal;		/* one name, no pattern: `sum` is of it in lower case */
	uint32_t sum;
	unsigned char salt[SHA1_BYTES], hash[SHA1_BYTES];
	char	*type;
	unsigned char *key;
	size_t	 key_len;
	int	 number;
};

struct known_file {
	char	*path;
	struct timespec time;
	off_t	 size;
	ino_t	 inode;
	struct known_line *lines;
	size_t	 nlines;
	bool	 there;
};

struct known_hosts {
	struct known_file *files;
	size_t	 nfiles;
};

struct known_hosts *
known_hosts_new(void)
{
	return mem_alloc(sizeof(struct known_hosts));
}

static void
file_clear(struct known_file *f)
{
	size_t i;

	for (i = 0; i < f->nlines; i++) {
		free(f->lines[i].field);
		free(f->lines[i].type);
		free(f->lines[i].key);
	}
	free(f->lines);
	f->lines = NULL;
	f->nlines = 0;
	f->there = false;
}

void
known_hosts_free(struct known_hosts *kh)
{
	size_t i;

	if (kh == NULL)
		return;
	for (i = 0; i < kh->nfiles; i++) {
		file_clear(&kh->files[i]);
		free(kh->files[i].path);
	}
	free(kh->files);
	free(kh);
}

void
known_hosts_fingerprint(const unsigned char *key, size_t len_bytes, char ret[KNOWN_FINGERPRINT_MAX])
{
	unsigned char md[EVP_MAX_MD_SIZE];
	unsigned int n = 0;
	struct buf b;

	buf_init(&b, 256);
	if (EVP_Digest(key, len_bytes, md, &n, EVP_sha256(), NULL) == 1)
		text_base64(&b, md, n);
	while (b.len > 0 && b.data[b.len - 1] == '=')
		b.data[--b.len] = '\0';
	snprintf(ret, KNOWN_FINGERPRINT_MAX, "SHA256:%s", buf_str(&b));
	buf_release(&b);
}

/* ---- reading ------------------------------------------------------------- */

/* The next word of a line, cut off in place; NULL at the end. */
static char *
word(char **at)
{
	char *w = *at + strspn(*at, " \t"), *end;

	if (*w == '\0')
		return NULL;
	end = w + strcspn(w, " \t");
	if (*end != '\0')
		*end++ = '\0';
	*at = end;
	return w;
}

static bool
decode_exactly(const char *b64, size_t len, unsigned char *ret, size_t want)
{
	struct buf b;
	bool ok;

	buf_init(&b, want + 1);
	ok = text_base64_decode(&b, b64, len) == 0 && b.len == want;
	if (ok)
		memcpy(ret, b.data, want);
	buf_release(&b);
	return ok;
}

/* FNV-1a: so that a fleet of N hosts in a file of N lines does not cost N² comparisons of names. */
static uint32_t
sum_of(const char *name)
{
	uint32_t h = 2166136261u;

	for (; *name != '\0'; name++)
		h = (h ^ (unsigned char)tolower((unsigned char)*name)) * 16777619u;
	return h;
}

/* The key blob begins with its own type, length first (RFC 4253 6.6). */
static bool
key_is_of_type(const unsigned char *key, size_t len, const char *type)
{
	size_t n = strlen(type);

	return len > 4 + n && key[0] == 0 && key[1] == 0 &&
	    ((size_t)key[2] << 8 | key[3]) == n && memcmp(key + 4, type, n) == 0;
}

static bool
read_line(struct known_line *l, char *text, int number)
{
	char *at = text, *w = word(&at), *bar;
	struct buf key;

	memset(l, 0, sizeof(*l));
	l->number = number;
	if (w == NULL || *w == '#')
		return false;
	if (*w == '@') {
		if (strcmp(w, "@revoked") == 0)
			l->marker = MARKER_REVOKED;
		else if (strcmp(w, "@cert-authority") == 0)
			l->marker = MARKER_AUTHORITY;
		else
			return false;
		w = word(&at);
	}
	if (w == NULL)
		return false;
	if (*w == '|') {
		bar = strncmp(w, "|1|", 3) == 0 ? strchr(w + 3, '|') : NULL;
		if (bar == NULL ||
		    !decode_exactly(w + 3, (size_t)(bar - w - 3), l->salt, SHA1_BYTES) ||
		    !decode_exactly(bar + 1, strlen(bar + 1), l->hash, SHA1_BYTES))
			return false;
	} else {
		l->field = mem_strdup(w);
		l->literal = strpbrk(w, "*?!,") == NULL;
		l->sum = sum_of(w);
	}
	l->type = mem_strdup(word(&at));
	w = word(&at);
	buf_init(&key, 16384);
	if (l->type == NULL || w == NULL || text_base64_decode(&key, w, strlen(w)) != 0 ||
	    !key_is_of_type((unsigned char *)buf_str(&key), key.len, l->type)) {
		buf_release(&key);
		free(l->field);
		free(l->type);
		return false;
	}
	l->key = (unsigned char *)buf_take(&key, &l->key_len);
	return true;
}

static int
slurp(const char *path, struct buf *out, struct stat *st, bool *ret_there, struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char chunk[16384];
	ssize_t n;

	*ret_there = false;
	if (fd == -1) {
		if (errno == ENOENT || errno == ENOTDIR)
			return 0;
		return err_set(err, "cannot read '%s': %s", path, strerror(errno));
	}
	if (fstat(fd, st) != 0 || !S_ISREG(st->st_mode)) {
		close(fd);
		return err_set(err, "'%s' is not a file", path);
	}
	while ((n = read(fd, chunk, sizeof(chunk))) > 0)
		if (buf_put(out, chunk, (size_t)n) != 0)
			break;
	close(fd);
	if (n < 0)
		return err_set(err, "cannot read '%s': %s", path, strerror(errno));
	if (out->over)
		return err_set(err, "'%s' is larger than %zu MiB", path, KNOWN_HOSTS_FILE_MAX >> 20);
	*ret_there = true;
	return 0;
}

static int
file_load(struct known_file *f, struct err *err)
{
	struct stat st;
	struct buf text;
	char *line, *next;
	struct known_line l;
	int number = 0;

	if (stat(f->path, &st) == 0) {
		if (f->there && st.st_mtim.tv_sec == f->time.tv_sec &&
		    st.st_mtim.tv_nsec == f->time.tv_nsec && st.st_size == f->size &&
		    st.st_ino == f->inode)
			return 0;
	} else if (errno == ENOENT && !f->there)
		return 0;
	file_clear(f);
	buf_init(&text, KNOWN_HOSTS_FILE_MAX);
	if (slurp(f->path, &text, &st, &f->there, err) != 0) {
		buf_release(&text);
		f->there = false;
		return -1;
	}
	for (line = text.data; line != NULL && *line != '\0'; line = next) {
		next = strchr(line, '\n');
		if (next != NULL)
			*next++ = '\0';
		line[strcspn(line, "\r")] = '\0';
		number++;
		if (f->nlines < LINES_MAX && read_line(&l, line, number))
			*(struct known_line *)mem_push(&f->lines, &f->nlines, sizeof(l)) = l;
	}
	if (f->there) {
		f->time = st.st_mtim;
		f->size = st.st_size;
		f->inode = st.st_ino;
	}
	buf_release(&text);
	return 0;
}

static int
load(struct known_hosts *kh, const char *path, struct known_file **ret, struct err *err)
{
	size_t i;
	struct known_file *f;

	for (i = 0; i < kh->nfiles; i++)
		if (strcmp(kh->files[i].path, path) == 0)
			break;
	if (i == kh->nfiles) {
		f = mem_push(&kh->files, &kh->nfiles, sizeof(*f));
		f->path = mem_strdup(path);
	}
	*ret = &kh->files[i];
	return file_load(*ret, err);
}

/* ---- matching ------------------------------------------------------------ */

/* '*' and '?', as ssh's match_pattern(); without recursion, so that no pattern is slow. */
static bool
glob(const char *p, size_t plen, const char *s)
{
	size_t i = 0, star = SIZE_MAX, back = 0, j = 0;
	size_t n = strlen(s);

	while (j < n) {
		if (i < plen && p[i] == '*') {
			star = i++;
			back = j;
		} else if (i < plen && (p[i] == '?' || tolower((unsigned char)p[i]) == s[j])) {
			i++;
			j++;
		} else if (star != SIZE_MAX) {
			i = star + 1;
			j = ++back;
		} else
			return false;
	}
	while (i < plen && p[i] == '*')
		i++;
	return i == plen;
}

int
known_hosts_match(const char *field, const char *name)
{
	const char *p = field, *end;
	bool yes = false;

	for (; *p != '\0'; p = *end == ',' ? end + 1 : end) {
		bool negated = *p == '!';

		if (negated)
			p++;
		end = p + strcspn(p, ",");
		if (!glob(p, (size_t)(end - p), name))
			continue;
		if (negated)
			return -1;
		yes = true;
	}
	return yes ? 1 : 0;
}

static bool
line_matches(const struct known_line *l, const char *name, uint32_t sum)
{
	unsigned char md[EVP_MAX_MD_SIZE];
	unsigned int n = 0;

	if (l->literal && l->sum != sum)
		return false;
	if (l->field != NULL)
		return known_hosts_match(l->field, name) == 1;
	if (HMAC(EVP_sha1(), l->salt, SHA1_BYTES, (const unsigned char *)name, strlen(name),
	    md, &n) == NULL)
		return false;
	return n == SHA1_BYTES && memcmp(md, l->hash, SHA1_BYTES) == 0;
}

static char *
lookup_name(const struct ssh_config *c)
{
	char *name, *p;

	if (c->host_key_alias != NULL)
		name = mem_strdup(c->host_key_alias);
	else if (c->port != 22)
		name = mem_printf("[%s]:%d", c->hostname, c->port);
	else
		name = mem_strdup(c->hostname);
	for (p = name; *p != '\0'; p++)
		*p = (char)tolower((unsigned char)*p);
	return name;
}

int
known_hosts_names(struct known_hosts *kh, const struct ssh_config *c, struct known_names *ret,
    struct err *err)
{
	char *name = lookup_name(c);
	uint32_t sum = sum_of(name);
	struct known_file *f;
	size_t i, j, k;
	int rc = -1;

	memset(ret, 0, sizeof(*ret));
	for (i = 0; i < c->nknown_hosts; i++) {
		if (load(kh, c->known_hosts[i], &f, err) != 0)
			goto out;
		for (j = 0; j < f->nlines; j++) {
			const struct known_line *l = &f->lines[j];

			if (l->marker == MARKER_REVOKED || !line_matches(l, name, sum))
				continue;
			if (l->marker == MARKER_AUTHORITY) {
				ret->authority = true;
				continue;
			}
			for (k = 0; k < ret->n; k++)
				if (strcmp(ret->types[k], l->type) == 0)
					break;
			if (k == ret->n && k < KNOWN_TYPES_MAX && strlen(l->type) < sizeof(ret->types[0]))
				strcpy(ret->types[ret->n++], l->type);
		}
	}
	rc = 0;
out:
	free(name);
	return rc;
}

int
known_hosts_judge(struct known_hosts *kh, const struct ssh_config *c, const unsigned char *key,
    size_t len_bytes, struct known_answer *ret, struct err *err)
{
	char *name = lookup_name(c);
	uint32_t sum = sum_of(name);
	struct known_file *f;
	size_t i, j;
	bool same_type = false;
	int rc = -1;

	memset(ret, 0, sizeof(*ret));
	ret->verdict = KNOWN_NEVER_SEEN;
	known_hosts_fingerprint(key, len_bytes, ret->shown);
	for (i = 0; i < c->nknown_hosts; i++) {
		if (load(kh, c->known_hosts[i], &f, err) != 0)
			goto out;
		for (j = 0; j < f->nlines; j++) {
			const struct known_line *l = &f->lines[j];
			bool same;

			if (l->marker == MARKER_AUTHORITY || !line_matches(l, name, sum))
				continue;
			same = l->key_len == len_bytes && memcmp(l->key, key, len_bytes) == 0;
			if (l->marker == MARKER_REVOKED && !same)
				continue;
			if (l->marker == MARKER_REVOKED) {
				ret->verdict = KNOWN_REVOKED;
				snprintf(ret->file, sizeof(ret->file), "%s", f->path);
				ret->line = l->number;
				rc = 0;
				goto out;	/* nothing outweighs it */
			}
			if (same) {
				ret->verdict = KNOWN_YES;
			} else if (ret->verdict != KNOWN_YES &&
			    (ret->verdict == KNOWN_NEVER_SEEN ||
			    (!same_type && key_is_of_type(key, len_bytes, l->type)))) {
				ret->verdict = KNOWN_DIFFERS;
				same_type = key_is_of_type(key, len_bytes, l->type);
				known_hosts_fingerprint(l->key, l->key_len, ret->known);
				snprintf(ret->file, sizeof(ret->file), "%s", f->path);
				ret->line = l->number;
			}
		}
	}
	rc = 0;
out:
	free(name);
	return rc;
}

/* ---- accepting ----------------------------------------------------------- */

static void
make_directory_of(const char *path)
{
	char *dir = mem_strdup(path), *slash = strrchr(dir, '/');

	if (slash != NULL && slash != dir) {
		*slash = '\0';
		mkdir(dir, 0700);	/* its failure shows in open() */
	}
	free(dir);
}

int
known_hosts_accept(const struct ssh_config *c, const char *type, const unsigned char *key,
    size_t len_bytes, struct err *err)
{
	const char *path;
	char *name = NULL;
	struct buf text, line;
	struct stat st;
	bool there, hashed = c->hash_known_hosts;
	unsigned char salt[SHA1_BYTES], md[EVP_MAX_MD_SIZE];
	unsigned int n = 0;
	const char *last;
	int fd = -1, rc = -1;

	buf_init(&text, KNOWN_HOSTS_FILE_MAX);
	buf_init(&line, 65536);
	if (c->nuser_known_hosts == 0) {
		err_set(err, "the ssh_config names no UserKnownHostsFile to write to");
		goto out;
	}
	path = c->known_hosts[0];
	if (slurp(path, &text, &st, &there, err) != 0)
		goto out;
	if (text.len > 0) {
		/* A line without its end would swallow ours. */
		if (text.data[text.len - 1] != '\n')
			buf_putc(&line, '\n');
		else
			text.data[text.len - 1] = '\0';
		last = strrchr(text.data, '\n');
		last = last == NULL ? text.data : last + 1;
		hashed = hashed || strncmp(last, "|1|", 3) == 0;
	}
	name = lookup_name(c);
	if (hashed) {
		if (RAND_bytes(salt, sizeof(salt)) != 1 || HMAC(EVP_sha1(), salt, sizeof(salt),
		    (const unsigned char *)name, strlen(name), md, &n) == NULL || n != SHA1_BYTES) {
			err_set(err, "cannot hash the host's name");
			goto out;
		}
		buf_puts(&line, "|1|");
		text_base64(&line, salt, sizeof(salt));
		buf_putc(&line, '|');
		text_base64(&line, md, n);
	} else
		buf_puts(&line, name);
	buf_printf(&line, " %s ", type);
	text_base64(&line, key, len_bytes);
	buf_putc(&line, '\n');
	make_directory_of(path);
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (fd == -1) {
		err_set(err, "cannot open '%s': %s", path, strerror(errno));
		goto out;
	}
	/* One write: a line of somebody else's cannot come in between. */
	if (write(fd, line.data, line.len) != (ssize_t)line.len || fsync(fd) != 0) {
		err_set(err, "cannot write '%s': %s", path, strerror(errno));
		goto out;
	}
	rc = 0;
out:
	if (fd != -1)
		close(fd);
	free(name);
	buf_release(&text);
	buf_release(&line);
	return rc;
}
