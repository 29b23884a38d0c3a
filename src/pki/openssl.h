/*
 * openssl: what OpenSSL has to say, about a failure and of a name, as text of ours.
 */
#ifndef BELAY_PKI_OPENSSL_H
#define BELAY_PKI_OPENSSL_H

#include <stddef.h>

struct err;
struct X509_name_st;
struct x509_st;

/*
 * "cannot DOING: OpenSSL: WHY" from this thread's error queue, which is empty
 * afterwards: what is left there would be taken for the cause of something
 * else later.  Returns -1.
 */
int	openssl_failed(struct err *, const char *doing);
/* Of the certificate as DER, in lower-case hexadecimal: its fingerprint; "" where OpenSSL cannot write it. */
void	openssl_sha256(const struct x509_st *, char ret[65]);
/*
 * A subject or an issuer as RFC 2253 writes it, cut at max_bytes; the caller's to free.  Multibyte characters stay
 * UTF-8: what may hold remote bytes is the sanitiser's to look at.
 */
char	*openssl_name_text(const struct X509_name_st *, size_t max_bytes);

#endif
