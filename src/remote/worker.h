/*
 * worker: the process that touches the network, from its main() down.
 *
 * Reads messages from descriptor 3, keeps a session per host, runs probes and
 * ops, and answers.  Ends when the console's end of the socket closes.  Holds
 * no journal, no CA key, no terminal; not dumpable, no core, rlimits set.
 */
#ifndef BELAY_REMOTE_WORKER_H
#define BELAY_REMOTE_WORKER_H

int	worker_main(void);	/* the process's exit status */

#endif
