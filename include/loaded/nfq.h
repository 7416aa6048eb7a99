/*
 * nfq.h - NFQUEUE: open a queue, receive its packets and answer with verdicts,
 * both in batches (net/netfilter/nfnetlink_queue.c).
 *
 * A socket belongs to whoever holds it: the supervisor opens it, a child that
 * inherits it may go on.  Every send needs CAP_NET_ADMIN, receiving does not.
 */
#ifndef LOADED_NFQ_H
#define LOADED_NFQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loaded/nfq_msg.h"
#include "loaded/stats.h"

#define NFQ_BATCH 64
#define NFQ_LENGTH_MAX 65535U

/* Opened in this order; the name of the step that failed is for messages. */
enum nfq_step {
	NFQ_SOCKET,
	NFQ_BUFFERS,
	NFQ_TIMEOUT,
	NFQ_BIND,
	NFQ_LENGTH,
	NFQ_FLAGS,
	NFQ_COPY_MODE,
	NFQ_STEPS
};

/*
 * Opens a socket, binds queue number and configures it: packets whole, GSO
 * packets whole, length packets waiting at most.  The descriptor, or -errno
 * and the step that failed.  -EPERM at NFQ_BIND: another process has it.
 */
int nfq_open(uint16_t number, uint32_t length, enum nfq_step *step);
const char *nfq_step_name(enum nfq_step step);

struct nfq;

/* The buffers of one worker for one queue.  NULL if memory is short. */
struct nfq *nfq_new(int fd, uint16_t number, struct stats *stats);
void nfq_free(struct nfq *q);

/*
 * Waits for packets, a tenth of a second at most.  The number received (0 to
 * NFQ_BATCH), or -errno when the socket is of no more use.  wait false: does
 * not wait.  Overruns, errors and garbage are counted in stats.
 */
int nfq_receive(struct nfq *q, bool wait);
struct nfq_packet *nfq_packet(struct nfq *q, unsigned int index);

/*
 * The answer to one packet, once for each; with len > 0, data[len] (inside
 * the packet's own buffer, from its start) replaces the packet.  mark: what
 * the packet goes on with, NULL: as it came.  Sent by nfq_flush, or earlier.
 */
void nfq_answer(struct nfq *q, struct nfq_packet *p, enum nfq_verdict verdict,
    uint32_t len, const uint32_t *mark);
void nfq_flush(struct nfq *q);

#endif
