/*
 * pkt.h - where things are in an IPv4 or IPv6 packet.  Nothing is read past
 * the length given; nothing is changed.
 */
#ifndef LOADED_PKT_H
#define LOADED_PKT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loaded/addr.h"

#define PKT_EXT_MAX 8 /* IPv6 extension headers walked at most */

enum pkt_flags {
	PKT_FIN = 1U << 0, /* TCP flags as on the wire */
	PKT_SYN = 1U << 1,
	PKT_RST = 1U << 2,
	PKT_ACK = 1U << 4,
};

enum pkt_result {
	PKT_OK,             /* TCP or UDP, everything below is set */
	PKT_ICMP,           /* ICMP or ICMPv6: addresses and l4_off set */
	PKT_OTHER_PROTO,    /* addresses and l4_off set, no ports */
	PKT_LATER_FRAGMENT, /* addresses set, ports are in another packet */
	PKT_SOURCE_ROUTED,  /* IPv6 routing header with segments left */
	PKT_BAD_L4,         /* addresses set; TCP or UDP header is broken */
	PKT_BAD_CHAIN,      /* addresses set; extension headers are broken */
	PKT_BAD_IP,         /* nothing set: no usable IP header */
};

struct pkt {
	uint8_t *data;   /* borrowed: from the IP header on */
	uint32_t len;    /* bytes that are there */
	uint32_t ip_len; /* bytes the IP header claims, <= len if whole */
	struct addr src, dst;
	uint16_t sport_be, dport_be;
	uint16_t l4_off;   /* from data */
	uint8_t version;   /* 4 or 6 */
	uint8_t proto;     /* IPPROTO_*, behind the extension headers */
	uint8_t tcp_flags; /* enum pkt_flags; 0 for UDP */
	bool fragment;     /* first fragment of several */
	bool truncated;    /* ip_len > len */
};

/* len may be anything, also 0. */
enum pkt_result pkt_parse(struct pkt *p, uint8_t *data, size_t len);

/* Length of the TCP segment or UDP datagram with its header, as IP claims. */
static inline uint32_t
pkt_l4_len(const struct pkt *p)
{
	return p->ip_len - p->l4_off;
}

#endif
