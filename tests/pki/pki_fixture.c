/* dlsym(3) with RTLD_NEXT */
#define _GNU_SOURCE

/*
 * pki_fixture: see pki_fixture.h.
 */
#include "pki_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <dlfcn.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include <openssl/x509.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/mem.h"

char *top, *dir;
struct authority_request q;
bool cheap_seals;

X509_ALGOR *
PKCS5_pbe2_set_scrypt(const EVP_CIPHER *cipher, const unsigned char *salt, int salt_len, unsigned char *aiv,
    uint64_t n, uint64_t r, uint64_t p)
{
	union {
		void *p;
		X509_ALGOR *(*f)(const EVP_CIPHER *, const unsigned char *, int, unsigned char *, uint64_t, uint64_t, uint64_t);
	} real = { dlsym(RTLD_NEXT, "PKCS5_pbe2_set_scrypt") };

	assert_non_null(real.p);
	return real.f(cipher, salt, salt_len, aiv, n, r, cheap_seals ? 1 : p);
}

int
top_up(const char *const *names, size_t n, const char *passphrase)
{
	const char *tmp = getenv("TMPDIR");

	top = mem_printf("%s/belay-pki-test.XXXXXX", tmp == NULL ? "/tmp" : tmp);
	if (mkdtemp(top) == NULL)
		return -1;
	dir = mem_printf("%s/ca", top);
	memset(&q, 0, sizeof(q));
	q.dir = dir;
	q.name = "internal";
	q.names = names;
	q.nnames = n;
	q.now_s = (int64_t)time(NULL);
	q.passphrase = passphrase;
	q.passphrase_len = strlen(passphrase);
	return 0;
}

static int
unlink_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

void
remove_all(const char *path)
{
	(void)nftw(path, unlink_one, 16, FTW_DEPTH | FTW_PHYS);
}

void
top_down(void)
{
	remove_all(top);
	free(dir);
	free(top);
}

char *
sh(const char *fmt, ...)
{
	char *line, *whole, part[4096];
	struct buf out = { 0 };
	va_list ap;
	size_t n;
	FILE *f;
	int status;

	va_start(ap, fmt);
	line = mem_vprintf(fmt, ap);
	va_end(ap);
	whole = mem_printf("cd '%s' && { %s\n} 2>&1", top, line);
	assert_non_null(f = popen(whole, "r"));
	while ((n = fread(part, 1, sizeof(part), f)) > 0)
		(void)buf_put(&out, part, n);
	status = pclose(f);
	if (status != 0)
		fail_msg("`%s` exits %d: %s", line, status, buf_str(&out));
	free(line);
	free(whole);
	return buf_take(&out, NULL);
}

void
run(const char *line)
{
	free(sh("%s", line));
}

void
refused(const char *words)
{
	struct authority_material m;
	struct err err;

	assert_int_equal(authority_ensure(&q, &m, &err), -1);
	assert_null(m.key_pem);
	if (strstr(err.msg, words) == NULL)
		fail_msg("'%s' is not in '%s'", words, err.msg);
	if (q.passphrase_len > 0)
		assert_null(strstr(err.msg, q.passphrase));
}
