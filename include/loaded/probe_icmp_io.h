/*
 * probe_icmp_io.h - ICMP messages by the batch, over raw sockets; included by
 * probe_icmp*.c and nobody else.
 */
#ifndef LOADED_PROBE_ICMP_IO_H
#define LOADED_PROBE_ICMP_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "loaded/addr.h"
#include "loaded/icmp_echo.h"
#include "loaded/probe.h"

#define PROBE_ICMP_BATCH 64U
#define PROBE_ICMP_READ 1024 /* bytes of a message; longer ones are no answer */

/* Of the control messages here, the longest. */
union probe_icmp_control {
	struct cmsghdr head;
	char bytes[CMSG_SPACE(sizeof(struct in6_pktinfo))];
};

struct probe_icmp_out {
	uint32_t count;
	struct probe *probe[PROBE_ICMP_BATCH]; /* borrowed */
	struct mmsghdr msg[PROBE_ICMP_BATCH];
	struct iovec iov[PROBE_ICMP_BATCH];
	struct sockaddr_storage to[PROBE_ICMP_BATCH];
	union probe_icmp_control control[PROBE_ICMP_BATCH];
	uint8_t data[PROBE_ICMP_BATCH][ICMP_ECHO_LEN];
};

struct probe_icmp_in {
	struct mmsghdr msg[PROBE_ICMP_BATCH];
	struct iovec iov[PROBE_ICMP_BATCH];
	struct sockaddr_in6 from[PROBE_ICMP_BATCH];
	uint8_t data[PROBE_ICMP_BATCH][PROBE_ICMP_READ];
};

/* Buffers for bursts; a filter that lets only answers in. */
void probe_icmp_io_setup(int fd, bool v4);

/* A request to p is added to a batch that is not full. */
void probe_icmp_io_add(struct probe_icmp_out *out, struct probe *p,
    const struct icmp_echo *echo);

/* Sends and empties the batch; failed is told of those that were not sent. */
void probe_icmp_io_send(int fd, struct probe_icmp_out *out,
    void (*failed)(struct probe *p, int error));

/* One request, from: one of our addresses or NULL.  0 or -errno. */
int probe_icmp_io_call(int fd, const struct addr *to, const struct addr *from,
    uint32_t scope, const struct icmp_echo *echo);

/* The number of messages; less than a batch: there were no more. */
uint32_t probe_icmp_io_receive(int fd, struct probe_icmp_in *in);

/* Who sent the i-th; its bytes are data[i], msg[i].msg_len, 0: no use. */
struct addr probe_icmp_io_sender(const struct probe_icmp_in *in, uint32_t i);

#endif
