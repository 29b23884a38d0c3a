/*
 * port: a port of this machine's loopback for a server of a test.
 */
#ifndef BELAY_TESTS_REMOTE_PORT_H
#define BELAY_TESTS_REMOTE_PORT_H

/*
 * Nobody has it now, and it is not among those that Linux gives to whoever connects (from
 * 32768 on): no connection of another test takes it before the server does.  Each call gives
 * another one.  Ends the test where there is none.
 */
int	port_free(void);

#endif
