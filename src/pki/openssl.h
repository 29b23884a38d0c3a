/*
 * openssl: what OpenSSL has to say, about a failure and of a name, as text of ours.
 */
#ifndef BELAY_PKI_OPENSSL_H
#define BELAY_PKI_OPENSSL_H

#include <stddef.h>

struct err;
struct X509_name_st;

/*
 * "cannot DOING: OpenSSL: WHY" from this thread's error queue, which is empty
 * afterwards: what is left there would be taken for the cause of something
 * else later.  Returns -1.
 */
int	openssl_failed(struct err *, const char *doing);
/*
 * A subject or an issuer as RFC 2253 writes it, cut at max_bytes; the caller's to free.  Multibyte characters stay
 * UTF-8: what may hold remote bytes is the sanitiser's to look at.
 */
char	*openssl_name_text(const struct X509_name_st *, size_t max_bytes);

#endif
