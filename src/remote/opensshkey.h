/*
 * opensshkey: reader of OpenSSH private key files ("openssh-key-v1",
 * OpenSSH's PROTOCOL.key), as far as they are not encrypted.
 *
 * OpenSSL 3 does not read OpenSSH's ed25519 keys, and libssh2 parses the file
 * anew for each connection, at half the cost of the connection.  Of an
 * encrypted file, and of a kind that is not ed25519 or ECDSA, only the public part
 * is read, which the format keeps in clear.
 */
#ifndef BELAY_REMOTE_OPENSSHKEY_H
#define BELAY_REMOTE_OPENSSHKEY_H

#include <stdbool.h>
#include <stddef.h>

struct err;

#define OPENSSHKEY_FILE_MAX	((size_t)64 << 10)
#define OPENSSHKEY_TYPE_MAX	48
#define OPENSSHKEY_POINT_MAX	133	/* P-521, uncompressed */
#define OPENSSHKEY_SCALAR_MAX	66

struct opensshkey {
	char	 type[OPENSSHKEY_TYPE_MAX];	/* "ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa", … */
	unsigned char *blob;			/* the public key as it goes over the wire */
	size_t	 blob_len;
	bool	 encrypted;
	bool	 secret_read;			/* what follows is set */
	unsigned char seed[32];			/* ed25519 */
	unsigned char point[OPENSSHKEY_POINT_MAX];	/* ECDSA: public point, uncompressed */
	size_t	 point_len;
	unsigned char scalar[OPENSSHKEY_SCALAR_MAX];	/* ECDSA: big-endian, as long as needed */
	size_t	 scalar_len;
};

/* True when the text looks like this format at all. */
bool	opensshkey_is(const char *text, size_t len_bytes);
int	opensshkey_parse(const char *text, size_t len_bytes, struct opensshkey *ret, struct err *);
void	opensshkey_release(struct opensshkey *);	/* overwrites; zeroed is fine */

#endif
