/*
 * causes: see causes.h.
 *
 * Owns the table.  A row's words are alternatives; "a&b" wants both; "C:" and
 * "S:" in front restrict who says them.  They are compared in lower case, with
 * Python's underscores as blanks.
 */
#include "core/causes.h"

#include <stdlib.h>
#include <string.h>

#include "core/mem.h"

#define SAID_MAX 4096		/* more of what was said is not looked at */

#define WORDS(...) { __VA_ARGS__, NULL }
#define WORDS_MAX 20
#define WORD_MAX 128

static const struct {
	struct cause_row row;
	const char *words[WORDS_MAX];
} rows[CAUSE_COUNT] = {
	[CAUSE_FILE_MISSING] = { { "file-missing",
	    "a certificate or key file is not there under the name that the server is told; a key of a Secret that is "
	    "called otherwise (redis-cert.pem, not server-cert.pem) is the usual reason",
	    "give the file the name that the setting has, or the setting the file's; then reload, and look at what is "
	    "served" },
	    WORDS("could not load server certificate file&no such file", "failed to load certificate&no such file",
	    "failed to load private key&no such file", "could not access private key file&no such file",
	    "could not load root certificate file&no such file", "failed to configure ca certificate&no such file",
	    "failed to load ca&no such file", "failed to load cert&no such file", "failed to load key&no such file") },
	[CAUSE_KEY_PERMISSIONS] = { { "key-permissions",
	    "others may read the private key's file, and the server takes no such key",
	    "chmod 0600 (0640 where it is root's and the server's group reads it), then reload; where a Secret is "
	    "mounted, its defaultMode or an init container has to do it" },
	    WORDS("has group or world access", "permissions are too open", "unprotected private key") },
	[CAUSE_KEY_OWNER] = { { "key-owner",
	    "the private key's file belongs to somebody whose keys the server does not take, or it cannot read it",
	    "chown it to the user that the server runs as (in the official images 70 or 999, and Redis' is another than "
	    "Postgres'), mode 0600; then reload" },
	    WORDS("must be owned by the database user or root", "must be owned by the current user or root",
	    "could not load private key file&permission denied", "could not access private key file&permission denied",
	    "failed to load private key&permission denied", "failed to load key&permission denied") },
	[CAUSE_FILE_UNREADABLE] = { { "file-unreadable",
	    "the server may not read its certificate file, or what is in it is no certificate",
	    "let the user that it runs as read the file (and enter its directories); look with openssl x509 that it is "
	    "PEM; a Secret's mount may need fsGroup or a copy by an init container" },
	    WORDS("could not load server certificate file",
	    "failed to load certificate&permission denied", "failed to load certificate&no start line",
	    "failed to load cert&permission denied") },
	[CAUSE_KEY_MISMATCH] = { { "key-mismatch",
	    "the private key is not the certificate's: one of the two files was replaced without the other",
	    "put the pair there in one step; openssl pkey -pubout and openssl x509 -pubkey have to print the same" },
	    WORDS("key values mismatch", "check of private key failed", "x509_check_private_key",
	    "failed to load private key&mismatch") },
	[CAUSE_TLS_NOT_LOADED] = { { "tls-not-loaded",
	    "TLS is configured and not served: a reload could not load key or certificate, said so in the log only, and the "
	    "server went on as it was; the next start may fail for it",
	    "read the server's log for \"SSL configuration was not reloaded\" (PgBouncer before 1.25 says nothing): mode "
	    "and owner of the key, name of the file; then reload and look at what is served, not at what is set" },
	    WORDS("ssl configuration was not reloaded", "tls setup failed") },
	[CAUSE_NO_TLS] = { { "no-tls",
	    "the server does not speak TLS: it is not configured",
	    "configure TLS at the server first (the step that lets it accept both), then the client" },
	    WORDS("does not support ssl", "ssl not supported", "rejected ssl upgrade", "refused tls connection",
	    "does not support tls", "server refused ssl") },
	[CAUSE_TLS_TO_PLAINTEXT] = { { "tls-to-plaintext",
	    "a TLS client talks to a plaintext port; Redis never answers that, so that the client waits until its own "
	    "time is over",
	    "dial the TLS port, or let the server speak TLS at this one; leave ssl_cert_reqs as it is: nothing was "
	    "verified yet" },
	    WORDS("C:wrong version number", "C:first record does not look like a tls handshake", "C:record layer failure",
	    "C:packet length too long", "C:unsupported or unrecognized ssl message", "C:not an ssl/tls record",
	    "C:plaintext connection?", "C:http request", "C:unknown protocol") },
	[CAUSE_PLAINTEXT_TO_TLS] = { { "plaintext-to-tls",
	    "a plaintext client talks to a TLS port",
	    "let the client dial TLS (rediss://, with two s), or the plaintext port while there is one; the server's log "
	    "names the client's address from Redis 7.2 on" },
	    WORDS("S:wrong version number", "S:http request", "S:unknown protocol", "S:record layer failure") },
	[CAUSE_PLAINTEXT_REFUSED] = { { "plaintext-refused",
	    "the endpoint takes TLS only, and this client dials plaintext",
	    "flip the client, or take the endpoint's step back until it is flipped" },
	    WORDS("ssl required", "tls required", "no encryption", "ssl off") },
	[CAUSE_DRIVER_WORD] = { { "driver-word",
	    "the connection string speaks another driver's dialect: sslmode is libpq's, ssl is asyncpg's",
	    "write it in the driver's own words: ssl=require for asyncpg, sslmode=require for libpq, psycopg and pgx, "
	    "rediss:// and ssl_cert_reqs for redis-py" },
	    WORDS("unexpected keyword argument", "invalid connection option", "invalid uri query parameter",
	    "invalid dsn", "unrecognized configuration parameter", "unknown option", "unknown parameter",
	    "invalid sslmode", "bad connection option") },
	[CAUSE_NO_NAME] = { { "no-name",
	    "the name that is dialled leads nowhere",
	    "mend the name, or its entry in DNS or /etc/hosts on the client's host" },
	    WORDS("could not translate host name", "name or service not known", "nodename nor servname", "enotfound",
	    "no such host", "temporary failure in name resolution", "unknownhostexception", "name does not resolve") },
	[CAUSE_NOT_LISTENING] = { { "not-listening",
	    "the server does not listen at the address that is dialled, on its own machine's only",
	    "listen_addresses = '*' (PgBouncer: listen_addr; Redis: bind and protected-mode), and a restart: a reload "
	    "does not change it" }, { NULL } },
	[CAUSE_TLS_PORT_CLOSED] = { { "tls-port-closed",
	    "nobody listens at the TLS port: tls-port is 0, or the server could not load its certificate and stayed as it was",
	    "set tls-port with the certificate and key in one CONFIG SET, and write it to the file; then dial again" }, { NULL } },
	[CAUSE_DOWN] = { { "down",
	    "nobody listens at any of the endpoint's ports: the server is not running, or runs elsewhere",
	    "look at its unit and its log; a server whose certificate or key cannot be loaded does not start" },
	    { NULL } },
	[CAUSE_FIREWALL] = { { "firewall",
	    "packets to the TLS port are dropped on the way: a firewall, a security group or a network policy that knows "
	    "the plaintext port only",
	    "open the TLS port from the client's host to the server; a port that is closed would have answered" }, { NULL } },
	[CAUSE_CLOCK] = { { "clock",
	    "the certificate is in date, and the clock of the side that verifies is wrong",
	    "set that host's clock (chronyc makestep); belay's own leaves begin an hour early for small differences" }, { NULL } },
	[CAUSE_EXPIRED] = { { "expired",
	    "the certificate is past its end",
	    "renew the leaf under the same CA and reload; a new CA would have to be trusted by every client first" },
	    WORDS("certificate has expired", "certificate expired", "cert has expired",
	    "certificateexpiredexception", "notafter:", "has expired or is not yet valid&is after") },
	[CAUSE_NOT_YET_VALID] = { { "not-yet-valid",
	    "the certificate begins later than now",
	    "wait, or issue one that begins earlier" },
	    WORDS("certificate is not yet valid", "certificate not yet valid", "cert not yet valid",
	    "certificatenotyetvalidexception", "has expired or is not yet valid&is before", "not active until") },
	[CAUSE_NAME] = { { "name",
	    "the certificate does not cover the name that the client dials; a wildcard covers one label, and addresses "
	    "want an IP entry (libpq: from 15 on)",
	    "issue a leaf whose names have every name that is dialled, or dial a name that it has" },
	    WORDS("does not match host name", "hostname mismatch", "ip address mismatch", "hostname/ip does not match",
	    "certificate is valid for", "no name matching", "no subject alternative", "altname", "name mismatch",
	    "doesn't match", "could not get server's host name from server certificate") },
	[CAUSE_CA_FILE_MISSING] = { { "ca-file-missing",
	    "the client verifies, and the file with the CA is not where it looks for it",
	    "put the CA there, or name the file (sslrootcert, REDIS_SSL_CA_CERT); inside a container the path is the "
	    "container's" },
	    WORDS("root certificate file&does not exist", "could not read root certificate file",
	    "could not open ca file", "cafile&no such file", "ssl_ca_certs&no such file",
	    "ca certificate&no such file or directory") },
	[CAUSE_CHAIN_INCOMPLETE] = { { "chain-incomplete",
	    "the server sends its leaf without the intermediate that signed it",
	    "put leaf and intermediates, in this order, into the certificate file, and reload" },
	    WORDS("unable to get local issuer", "unable to verify the first certificate", "unable to verify leaf signature") },
	[CAUSE_UNKNOWN_CA] = { { "unknown-ca",
	    "the client verifies, and its CA file does not hold the CA of the certificate served",
	    "give the client the CA (both, old and new, while they change); not ssl_cert_reqs=none: that encrypts to "
	    "anybody" },
	    WORDS("certificate verify failed", "unable to get local issuer", "self-signed certificate",
	    "self signed certificate", "unknown authority", "pkix path building failed", "unable to verify the first certificate",
	    "unable to get issuer", "depth zero self signed", "self signed cert in chain", "unable to verify leaf signature",
	    "S:alert unknown ca", "S:alert bad certificate", "certificate is not trusted") },
	[CAUSE_STRAY_CERTIFICATE] = { { "stray-certificate",
	    "the client shows a client certificate of a CA that the server does not know; libpq takes "
	    "~/.postgresql/postgresql.crt without being told, and a server with a CA file asks everybody",
	    "take the certificate away from the client (sslcert= empty, another home), or let the server trust its CA" },
	    WORDS("C:alert unknown ca", "S:certificate verify failed", "C:alert bad certificate",
	    "C:alert certificate unknown", "C:alert unsupported certificate") },
	[CAUSE_CLIENT_CERTIFICATE] = { { "client-certificate",
	    "the endpoint demands a client certificate and the client shows none; Redis does by default "
	    "(tls-auth-clients yes), PgBouncer with client_tls_sslmode verify-ca and verify-full",
	    "give the client one (sslcert and sslkey, tls-cert-file), or demand none (tls-auth-clients no, "
	    "client_tls_sslmode require)" },
	    WORDS("alert certificate required", "peer did not return a certificate",
	    "connection requires a valid client certificate", "no required ssl certificate", "certificate required",
	    "certificate authentication failed") },
	[CAUSE_WEAK] = { { "weak",
	    "a key or signature is weaker than the other side's OpenSSL allows",
	    "issue the certificate with P-256 or RSA of 2048 bits at least, signed with SHA-256" },
	    WORDS("ee key too small", "ca key too small", "ca md too weak", "dh key too small", "md too weak") },
	[CAUSE_PURPOSE] = { { "purpose",
	    "the certificate is not made for this: a client's at a server, or a CA's own",
	    "issue a leaf with extendedKeyUsage serverAuth (clientAuth for clients)" },
	    WORDS("unsupported certificate purpose", "unsuitable certificate purpose", "incompatible key usage",
	    "inappropriate fallback purpose") },
	[CAUSE_PROTOCOL] = { { "protocol",
	    "client and server have no version of TLS in common; with prefer the client goes on in plaintext and says nothing",
	    "lower the server's minimum to TLSv1.2 while such clients remain, or renew the client's library" },
	    WORDS("alert protocol version", "unsupported protocol", "no protocols available", "wrong ssl version",
	    "protocol version not supported", "unsupported version", "handshake&no appropriate protocol") },
	[CAUSE_CIPHER] = { { "cipher",
	    "client and server have no cipher in common",
	    "compare ssl_ciphers (client_tls_ciphers, tls-ciphers) with what the client offers; an RSA-only list fails an "
	    "ECDSA certificate" },
	    WORDS("no shared cipher", "alert handshake failure", "sslv3 alert handshake failure") },
	[CAUSE_HBA_NO_LINE] = { { "hba-no-line",
	    "no line of pg_hba.conf is for this client's address, role and database",
	    "add a line for it above the first that decides otherwise, and reload; look at pg_hba_file_rules.error "
	    "first: a file with one bad line is ignored as a whole" },
	    WORDS("no pg_hba.conf entry") },
	[CAUSE_HBA_REJECTS] = { { "hba-rejects",
	    "a line of pg_hba.conf rejects this client",
	    "let its own line stand above that one; where the line is a hardened block's, the client dials plaintext: flip it" },
	    WORDS("pg_hba.conf rejects") },
	[CAUSE_HASH] = { { "hash",
	    "the line asks for scram-sha-256, and the role's password is stored as md5: no password will do",
	    "SET password_encryption = 'scram-sha-256' and set the same password again; until then the line's method "
	    "md5 serves both" },
	    WORDS("does not have a valid scram secret", "doesn't have a valid scram secret", "wrong password type") },
	[CAUSE_WRONG_PASSWORD] = { { "wrong-password",
	    "the password is not the server's; TLS has nothing to do with it",
	    "compare the client's secret with the server's (Redis: requirepass or the ACL's, which CONFIG REWRITE may "
	    "have left behind)" },
	    WORDS("wrongpass", "password authentication failed", "invalid password", "invalid username-password pair",
	    "auth failed") },
	[CAUSE_NO_PASSWORD] = { { "no-password",
	    "the server wants a password and the client gives none: its URL has none, or the variable is empty",
	    "give the client the password by the variable or the URL; it stays out of argv" },
	    WORDS("noauth", "no password supplied", "authentication required", "client password must be a string") },
	[CAUSE_PASSWORD_NOT_SET] = { { "password-not-set",
	    "the client gives a password, and the server has none",
	    "set requirepass (or the ACL's) at the server first; clients that give none fail from then on" },
	    WORDS("without any password configured", "no password is set") },
	[CAUSE_CHANNEL_BINDING] = { { "channel-binding",
	    "the client demands channel binding, which goes no further than the other end of its own TLS: not through a pooler",
	    "channel_binding=prefer for what goes through PgBouncer" },
	    WORDS("channel binding") },
	[CAUSE_POOLER_LEG] = { { "pooler-leg",
	    "the pooler cannot log in at its server, and its clients wait until their own time is over, without an error",
	    "mend the pooler's own link first: its CA file, server_tls_sslmode, and what the server says in its log" },
	    WORDS("query_wait_timeout", "query wait timeout", "server login failed", "server_login_retry",
	    "server login has been failing", "server login retry") },
	[CAUSE_NOT_RELOADED] = { { "not-reloaded",
	    "the files were replaced and the server was not told: it serves what it read before",
	    "reload it (Redis: CONFIG SET tls-cert-file to the same path, from 7.0.1; PgBouncer's server side from 1.24: "
	    "RECONNECT), and look at what is served" }, { NULL } },
	[CAUSE_NOT_PERSISTED] = { { "not-persisted",
	    "what runs was set at run time and stands in no file: the next restart takes it back",
	    "CONFIG REWRITE, or write it to the server's file; a Redis without a file has to be started with it" }, { NULL } },
	[CAUSE_SOCKET] = { { "socket",
	    "by a Unix socket there is no TLS, whatever sslmode says, and the client is not told",
	    "nothing to mend where both are on one machine; else dial by TCP" }, { NULL } },
	[CAUSE_SESSION_ENDED] = { { "session-ended",
	    "the server ended the session: a restart, a drain, an administrator, or it died",
	    "look at the server's log for that moment; a client with a pool has to try again" },
	    WORDS("closed unexpectedly", "server closed the connection", "closed the connection unexpectedly",
	    "administrator command", "being shut down", "connection reset by peer", "econnreset") },
	[CAUSE_NO_ANSWER] = { { "no-answer",
	    "nobody answers, and what was seen does not tell who keeps silent",
	    "look from the client's host: does the port take a connection, does it answer a handshake, does the "
	    "plaintext port answer" },
	    WORDS("taking longer than", "timed out", "timeout") },
};

const struct cause_row *
cause_row(enum cause cause)
{
	return &rows[cause].row;
}

const char *const *
cause_words(enum cause cause)
{
	return rows[cause].words;
}

char *
cause_text(const char *said)
{
	size_t i, len = said == NULL ? 0 : strnlen(said, SAID_MAX);
	char *ret = mem_strndup(said == NULL ? "" : said, len);

	for (i = 0; i < len; i++) {
		if (ret[i] >= 'A' && ret[i] <= 'Z')
			ret[i] = (char)(ret[i] - 'A' + 'a');
		else if (ret[i] == '_' || ret[i] == '\n' || ret[i] == '\t')
			ret[i] = ' ';
	}
	return ret;
}

/* All that a log says comes by here, a line at a time and hundreds of words each: no byte is looked at by us. */
static bool
has(const char *text, const char *words, size_t len)
{
	char blanks[WORD_MAX];
	size_t i;

	/* Most are as they stand in the table: to its end, and without underscores, which are blanks on both sides. */
	if (words[len] == '\0' && memchr(words, '_', len) == NULL)
		return strstr(text, words) != NULL;
	if (len >= sizeof(blanks))
		return false;
	for (i = 0; i < len; i++)
		blanks[i] = (char)(words[i] == '_' ? ' ' : words[i]);
	blanks[len] = '\0';
	return strstr(text, blanks) != NULL;
}

bool
cause_text_has(const char *text, const char *words)
{
	return has(text, words, strlen(words));
}

/* Does the text hold what the entry wants, from whom it wants it? */
static bool
entry_said(const char *text, enum speaker by, const char *entry)
{
	const char *and;

	if (entry[1] == ':') {
		if ((entry[0] == 'C') != (by == SAID_BY_CLIENT))
			return false;
		entry += 2;
	}
	if ((and = strchr(entry, '&')) == NULL)
		return cause_text_has(text, entry);
	return cause_text_has(text, and + 1) && has(text, entry, (size_t)(and - entry));
}

bool
cause_said_here(enum cause cause, const char *text, enum speaker by)
{
	size_t k;

	for (k = 0; rows[cause].words[k] != NULL; k++)
		if (entry_said(text, by, rows[cause].words[k]))
			return true;
	return false;
}

bool
cause_said(const char *said, enum speaker by, enum cause *ret)
{
	char *text = cause_text(said);
	bool found = false;
	int i;

	for (i = 0; i < CAUSE_COUNT && !found; i++)
		if ((found = cause_said_here((enum cause)i, text, by)))
			*ret = (enum cause)i;
	free(text);
	return found;
}
