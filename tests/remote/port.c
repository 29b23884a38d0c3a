/*
 * port: see port.h.
 */
#include "port.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define FIRST	10000
#define PORTS	20000
#define STRIDE	7919	/* has no part in common with PORTS: all come by before one does again */

static bool
is_free(int port)
{
	struct sockaddr_in sin;
	int fd = socket(AF_INET, SOCK_STREAM, 0), rc;

	memset(&sin, 0, sizeof(sin));
	sin.sin_family = AF_INET;
	sin.sin_port = htons((unsigned short)port);
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	rc = bind(fd, (struct sockaddr *)&sin, sizeof(sin));
	(void)close(fd);
	return rc == 0;
}

int
port_free(void)
{
	static unsigned at, given;
	struct timespec now;
	int port;

	if (given == 0) {
		(void)clock_gettime(CLOCK_REALTIME, &now);
		at = (unsigned)now.tv_nsec / 1000 + (unsigned)getpid() * 617U;
	}
	while (given++ < PORTS) {
		at = (at % PORTS + STRIDE) % PORTS;
		port = FIRST + (int)at;
		if (is_free(port))
			return port;
	}
	(void)fprintf(stderr, "no free port on 127.0.0.1\n");
	abort();
}
