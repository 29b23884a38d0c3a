/*
 * openssl: what OpenSSL has to say about a failure, in words of ours.
 */
#ifndef BELAY_PKI_OPENSSL_H
#define BELAY_PKI_OPENSSL_H

struct err;

/*
 * "cannot DOING: OpenSSL: WHY" from this thread's error queue, which is empty
 * afterwards: what is left there would be taken for the cause of something
 * else later.  Returns -1.
 */
int	openssl_failed(struct err *, const char *doing);

#endif
