/*
 * session_system: the transport that runs the system's ssh.
 */
#include "remote/session_int.h"
static void
system_start(struct session *s)
{
	session_soon(s);
}
static void
system_stop(struct session *s)
{
	(void)s;
}
static void
system_drop(struct chan *c)
{
	(void)c;
}
static void
system_run(struct session *s)
{
	struct err e;
	err_set(&e, "host '%s': the system's ssh is needed (%s), and not built yet", s->config.name, s->transport_why);
	session_failed(s, &e);
}
static int64_t
system_tick(struct session *s, int64_t now)
{
	(void)s;
	(void)now;
	return 0;
}
const struct transport transport_system = {
	.name = "ssh", .start = system_start, .stop = system_stop, .run = system_run,
	.drop = system_drop, .tick = system_tick
};
