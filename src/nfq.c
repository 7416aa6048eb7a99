/*
 * nfq.c - a queue's packets in, their verdicts out.  Run by the one worker
 * that owns the queue.  One recvmmsg brings up to a batch, one sendmsg takes
 * the verdicts back, and nothing is copied in between (nfq_msg.h).
 */
#include "loaded/nfq.h"

#include <errno.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>

/*
 * A netlink message with a 64 KB packet and its attributes; the odd multiple
 * of the cache line keeps the headers of different buffers in different sets.
 */
#define BUFFER_LEN (65536U + 1344U)
/* Work on this much at a time: more would push itself out of the L2 cache. */
#define BATCH_BYTES (256U << 10)
#define VLEN_MIN 4U
#define SEND_TRIES 3

struct nfq {
	int fd; /* borrowed */
	uint16_t number;
	uint16_t nanswers;
	uint32_t vlen; /* buffers offered to recvmmsg */
	uint32_t answer_bytes;
	struct stats *stats; /* borrowed: the worker's */
	uint8_t *buffers;    /* owned mapping, NFQ_BATCH of them */
	struct mmsghdr messages[NFQ_BATCH];
	struct iovec in[NFQ_BATCH];
	struct iovec out[NFQ_BATCH];
	struct nfq_packet packets[NFQ_BATCH];
};

struct nfq *
nfq_new(int fd, uint16_t number, struct stats *stats)
{
	struct nfq *q = calloc(1, sizeof(*q));
	unsigned int i;

	if (q == NULL)
		return NULL;
	q->buffers = mmap(NULL, NFQ_BATCH * BUFFER_LEN, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (q->buffers == MAP_FAILED) {
		free(q);
		return NULL;
	}
	q->fd = fd;
	q->number = number;
	q->vlen = NFQ_BATCH;
	q->stats = stats;
	for (i = 0; i < NFQ_BATCH; i++) {
		q->in[i].iov_base = q->buffers + i * BUFFER_LEN +
		    NFQ_MSG_HEADROOM;
		q->in[i].iov_len = BUFFER_LEN - NFQ_MSG_HEADROOM;
		q->messages[i].msg_hdr.msg_iov = &q->in[i];
		q->messages[i].msg_hdr.msg_iovlen = 1;
	}
	return q;
}

void
nfq_free(struct nfq *q)
{
	if (q == NULL)
		return;
	munmap(q->buffers, NFQ_BATCH * BUFFER_LEN);
	free(q);
}

struct nfq_packet *
nfq_packet(struct nfq *q, unsigned int index)
{
	return &q->packets[index];
}

/* One datagram is one message; true when p is a packet to be answered. */
static bool
take_message(struct nfq *q, struct nfq_packet *p, uint8_t *msg, uint32_t len)
{
	int error;

	switch (nfq_msg_parse(p, msg, len, &error)) {
	case NFQ_MSG_PACKET:
		return true;
	case NFQ_MSG_ERROR:
		if (error != 0)
			stats_add(&q->stats->error[stats_error_kind(error)], 1);
		return false;
	case NFQ_MSG_GARBAGE:
		break;
	}
	stats_add(&q->stats->garbage, 1);
	return false;
}

/* Large packets: offer fewer buffers, so that they are still in the cache. */
static void
adapt(struct nfq *q, unsigned int received, uint64_t bytes)
{
	uint64_t vlen = NFQ_BATCH;

	if (bytes > 0)
		vlen = (uint64_t)BATCH_BYTES * received / bytes;
	if (vlen < VLEN_MIN)
		vlen = VLEN_MIN;
	q->vlen = vlen < NFQ_BATCH ? (uint32_t)vlen : NFQ_BATCH;
}

static int
receive_error(struct nfq *q)
{
	switch (errno) {
	case EAGAIN:
	case EINTR:
		return 0;
	case ENOBUFS:
	case ENOMEM:
		stats_add(&q->stats->overruns, 1);
		return 0;
	default:
		return -errno;
	}
}

int
nfq_receive(struct nfq *q, bool wait)
{
	unsigned int i, packets = 0;
	uint64_t bytes = 0;
	int n;

	q->nanswers = 0;
	q->answer_bytes = 0;
	n = recvmmsg(q->fd, q->messages, q->vlen,
	    wait ? MSG_WAITFORONE : MSG_DONTWAIT, NULL);
	if (n < 0)
		return receive_error(q);
	for (i = 0; i < (unsigned int)n; i++) {
		packets += take_message(q, &q->packets[packets],
		    q->in[i].iov_base, q->messages[i].msg_len);
		bytes += q->messages[i].msg_len;
	}
	adapt(q, (unsigned int)n, bytes);
	return (int)packets;
}

void
nfq_answer(struct nfq *q, struct nfq_packet *p, enum nfq_verdict verdict,
    uint32_t len, const uint32_t *mark)
{
	struct iovec *out = &q->out[q->nanswers];
	uint8_t *at = nfq_msg_verdict(p, q->number, verdict, len, mark);

	out->iov_base = at;
	out->iov_len = NLMSG_ALIGN((size_t)(p->data + len - at));
	q->answer_bytes += (uint32_t)out->iov_len;
	q->nanswers++;
	if (q->answer_bytes >= BATCH_BYTES)
		nfq_flush(q);
}

static bool
send_some(struct nfq *q, unsigned int first, unsigned int count)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	const struct msghdr msg = {
		.msg_name = &kernel,
		.msg_namelen = sizeof(kernel),
		.msg_iov = &q->out[first],
		.msg_iovlen = count,
	};
	int tries;

	for (tries = 0; tries < SEND_TRIES; tries++) {
		if (sendmsg(q->fd, &msg, 0) >= 0)
			return true;
		stats_add(&q->stats->send_retries, 1);
	}
	return false;
}

/* A verdict the kernel has no memory for: the packet is dropped instead. */
static void
send_drop(struct nfq *q, unsigned int index)
{
	struct iovec *out = &q->out[index];

	out->iov_len = nfq_msg_turn_to_drop(out->iov_base);
	if (!send_some(q, index, 1))
		stats_add(&q->stats->error[stats_error_kind(errno)], 1);
}

/*
 * The kernel works through all messages even when one fails, and says so
 * later; only a lack of memory (or of the capability) stops it before.
 */
void
nfq_flush(struct nfq *q)
{
	unsigned int i;

	if (q->nanswers > 0 && !send_some(q, 0, q->nanswers)) {
		for (i = 0; i < q->nanswers; i++)
			if (!send_some(q, i, 1))
				send_drop(q, i);
	}
	q->nanswers = 0;
	q->answer_bytes = 0;
}
