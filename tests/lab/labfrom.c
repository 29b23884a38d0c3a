/*
 * labfrom: what a host of a lab has of its own where there are no namespaces: an address that its
 * connections come from, and a name that it knows.
 *
 * Preloaded (LD_PRELOAD) into what runs on a host.  LAB_FROM is the host's address in 127.0.0.0/8; a
 * connection to there that was bound to nothing is bound to it.  LAB_DB is what db.internal resolves to.
 * Programs that do not connect or resolve by libc are not concerned.
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static void *
next(const char *name)
{
	void *f = dlsym(RTLD_NEXT, name);

	if (f == NULL)
		abort();
	return f;
}

static void
bind_to_own(int fd, const struct sockaddr *to)
{
	struct sockaddr_in own, dest;
	socklen_t len = sizeof(own);
	const char *from = getenv("LAB_FROM");
	int on = 1;

	if (from == NULL || to->sa_family != AF_INET)
		return;
	memcpy(&dest, to, sizeof(dest));
	if (ntohl(dest.sin_addr.s_addr) >> 24 != 127 || getsockname(fd, (struct sockaddr *)&own, &len) != 0 ||
	    own.sin_family != AF_INET || own.sin_addr.s_addr != 0)
		return;
	/* Its port is chosen when it connects, as it would be. */
	(void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	memset(&own, 0, sizeof(own));
	own.sin_family = AF_INET;
	if (inet_pton(AF_INET, from, &own.sin_addr) == 1)
		(void)bind(fd, (struct sockaddr *)&own, sizeof(own));
}

int
connect(int fd, const struct sockaddr *to, socklen_t len)
{
	static int (*real)(int, const struct sockaddr *, socklen_t);
	int error = errno;

	if (real == NULL)
		*(void **)&real = next("connect");
	if (len >= sizeof(struct sockaddr_in))
		bind_to_own(fd, to);
	errno = error;
	return real(fd, to, len);
}

int
getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **ret)
{
	static int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
	const char *db = getenv("LAB_DB");

	if (real == NULL)
		*(void **)&real = next("getaddrinfo");
	return real(node != NULL && db != NULL && strcmp(node, "db.internal") == 0 ? db : node, service, hints, ret);
}
