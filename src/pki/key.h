/*
 * key: private keys, made, sealed for the disk and opened again.
 *
 * Sealed means PKCS#8 EncryptedPrivateKeyInfo (RFC 5958) in PEM: PBES2 with
 * scrypt (RFC 7914) and AES-256-CBC.  Any `openssl pkey` opens it.
 */
#ifndef BELAY_PKI_KEY_H
#define BELAY_PKI_KEY_H

#include <stdbool.h>
#include <stddef.h>

#include <openssl/types.h>

struct buf;
struct err;

/*
 * 16 MiB and some 250 ms for each guess: the cost that OWASP asks for of scrypt.  N is
 * the largest power of two that stays below what OpenSSL grants scrypt without being
 * asked (32 MiB), so that any openssl(1) opens it; p makes up for it.  What was sealed
 * with a smaller p is opened, too.
 */
#define KEY_SCRYPT_N 16384
#define KEY_SCRYPT_R 8
#define KEY_SCRYPT_P 5

#define KEY_PASSPHRASE_MAX 1024		/* bytes; openssl(1) reads no more than that */

struct passphrase {
	const char *bytes;
	size_t	 len;
};

/* The profile by that name, or the first for NULL; NULL when there is none such. */
const char *key_profile(const char *name);
/* NULL when it cannot be made.  RSA takes seconds. */
EVP_PKEY *key_make(const char *profile, struct err *);
/* Is it a key of this kind and size? */
bool	key_fits(const EVP_PKEY *, const char *profile);

/* Appends the sealed key.  A new salt each time, so the text differs each time. */
int	key_seal(EVP_PKEY *, const struct passphrase *, struct buf *ret, struct err *);
/*
 * Opens what key_seal() wrote; `path` only names it in messages.  A key in
 * the clear, or sealed in another way, is refused with the way to seal it.
 * A wrong passphrase and a ciphertext that was tampered with look alike.
 */
int	key_open(const char *pem, size_t len_bytes, const char *path, const struct passphrase *,
	    EVP_PKEY **ret, struct err *);

/* How the key in a file of somebody else's lies there. */
enum key_lies {
	KEY_NONE,		/* no private key in PEM, or a damaged one */
	KEY_CLEAR,		/* whoever can read the file has the key */
	KEY_WEAK,		/* encrypted, and its passphrase is guessed fast: not by scrypt as here */
	KEY_SEALED		/* as ours are, or better */
};
enum key_lies key_lies(const char *pem, size_t len_bytes);
/*
 * Opens a key however it lies, a CA's that was made elsewhere; the passphrase is for one
 * that is encrypted.
 */
int	key_open_any(const char *pem, size_t len_bytes, const char *path, const struct passphrase *,
	    EVP_PKEY **ret, struct err *);

/* The SHA-256 of its public half; -1 where OpenSSL has none of it. */
int	key_sha(EVP_PKEY *, char ret[65]);
/*
 * The SHA-256 of the public half of a private key in the clear (PEM), to see
 * whether a certificate is of it.  -1: no key, or one that is sealed.
 */
int	key_public_sha(const char *pem, size_t len_bytes, char ret[65], struct err *);

/* The first of a PEM text, which nothing seals; or NULL. */
EVP_PKEY *key_clear(const char *pem, size_t len_bytes, struct err *);
/* PKCS#8 in the clear, for memory only; the caller wipes it. */
int	key_pem(EVP_PKEY *, char **ret, size_t *ret_len, struct err *);

#endif
