/*
 * nfq_msg.h - inner part of nfq.h: the netlink messages of NFQUEUE
 * (include/uapi/linux/netfilter/nfnetlink_queue.h), apart from the socket, so
 * that they can be tested and fuzzed.
 *
 *   packet:   nlmsghdr | nfgenmsg | id | mark, skb info, ... | payload
 *   verdict:                     nlmsghdr | nfgenmsg | verdict | payload
 *
 * A verdict is written over the attributes that stood before the packet, so
 * that message and packet are one piece and nothing is copied.
 */
#ifndef LOADED_NFQ_MSG_H
#define LOADED_NFQ_MSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One packet as the kernel gave it. */
struct nfq_packet {
	uint32_t id_be;
	uint32_t mark;     /* 0 if none */
	bool truncated;    /* payload is not the whole packet */
	bool gso;          /* larger than a wire packet, segmented later */
	bool csum_partial; /* L4 field holds the pseudo-header sum only */
	uint8_t *data;     /* in the message, from the IP header on */
	uint32_t len;
};

enum nfq_verdict { NFQ_DROP, NFQ_ACCEPT };

/*
 * A verdict's headers are longer than those of the shortest message there
 * could be: a message needs this much of our own memory in front of it.
 */
#define NFQ_MSG_HEADROOM 64U

enum nfq_msg_kind { NFQ_MSG_PACKET, NFQ_MSG_ERROR, NFQ_MSG_GARBAGE };

/*
 * A message of len bytes, 4-byte aligned.  NFQ_MSG_PACKET sets p, and
 * NFQ_MSG_ERROR sets error to a positive errno, or 0 for a late
 * acknowledgement.
 */
enum nfq_msg_kind nfq_msg_parse(struct nfq_packet *p, uint8_t *msg,
    uint32_t len, int *error);

/*
 * Writes the verdict for a packet in front of its data and returns where it
 * starts, at most NFQ_MSG_HEADROOM in front of the packet's message.  With
 * len > 0, data[len] replaces the packet.  mark: what the packet goes on with,
 * whole or replaced; NULL leaves it as it is.  Ends at data + len, to be
 * padded to 4.
 */
uint8_t *nfq_msg_verdict(const struct nfq_packet *p, uint16_t queue,
    enum nfq_verdict verdict, uint32_t len, const uint32_t *mark);

/* Makes a bare NF_DROP of a verdict; returns its length. */
size_t nfq_msg_turn_to_drop(uint8_t *msg);

#endif
