/*
 * message.h - what the processes say to each other: one struct of fixed size
 * over a SOCK_SEQPACKET pair, with a descriptor where one is handed over.  All
 * ends are one binary, forked from one process.
 */
#ifndef LOADED_MESSAGE_H
#define LOADED_MESSAGE_H

#include <stdint.h>

#include "loaded/addr.h"
#include "loaded/probe_result.h"

enum message_type {
	MESSAGE_READY,            /* child to supervisor: at work */
	MESSAGE_TABLE,            /* supervisor to child: a new table (fd) */
	MESSAGE_RESTART_FAILOVER, /* supervisor to balancer */
	MESSAGE_PROBE,  /* failover to another; perhaps a socket (fd) */
	MESSAGE_RESULT, /* the answer to it */
	MESSAGE_FOUND,  /* failover to supervisor: addr serves pool */
	MESSAGE_LOST,   /* failover to supervisor: slot is gone */
	MESSAGE_TYPES
};

struct message {
	uint32_t type;       /* enum message_type */
	uint32_t generation; /* of the table that slot and check refer to */
	uint32_t id, run;    /* the sender's, repeated in the answer */
	uint32_t slot;       /* backend */
	uint32_t check;      /* index in the table */
	uint32_t pool;       /* index in the table */
	uint32_t result;     /* enum probe_result */
	uint32_t duration_us;
	struct addr addr;
	char text[PROBE_TEXT_LEN];
};

/* Both ends non-blocking and close-on-exec.  0 or -errno. */
int message_pair(int fds[static 2]);

/* fd: to be handed over, or -1.  0, or -errno (-EAGAIN: the peer is slow). */
int message_send(int channel, const struct message *m, int fd);

/*
 * *fd: handed over, now the caller's, or -1.  0; -EAGAIN: nothing there;
 * -EPIPE: the peer is gone; -EBADMSG: of wrong size or type, or a text without
 * end: to be ignored or to end the peer, as the caller trusts it.
 */
int message_receive(int channel, struct message *m, int *fd);

#endif
