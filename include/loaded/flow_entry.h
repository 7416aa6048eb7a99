/*
 * flow_entry.h - what the flow table keeps of one flow, and the keys it is
 * found by.  Included by flow.h.
 */
#ifndef LOADED_FLOW_ENTRY_H
#define LOADED_FLOW_ENTRY_H

#include <stdbool.h>
#include <stdint.h>

#include "loaded/addr.h"

/* One timeout and one list each; eviction takes from the top, in this order. */
enum flow_class {
	FLOW_CLOSED,
	FLOW_SYN,
	FLOW_FIN,
	FLOW_UDP,
	FLOW_PERSIST,     /* persistence: client prefix -> backend */
	FLOW_ESTABLISHED, /* never evicted */
	FLOW_CLASSES
};

/* How a flow's packets get to its backend. */
enum flow_forward {
	FORWARD_NAT,
	FORWARD_FULLNAT,
	FORWARD_DR,
	FORWARD_TUNNEL,
	FORWARD_CLUSTER,
};

enum flow_dir { FLOW_FROM_CLIENT, FLOW_FROM_BACKEND };

/*
 * One direction of a flow.  peer is the address id (table.h) of the VIP in
 * packets from the client, of the backend in packets from the backend; dir
 * tells which, because one address can be both.
 */
struct flow_key {
	struct addr client;
	uint32_t peer;
	uint16_t client_port_be;
	uint16_t peer_port_be;
	uint8_t proto; /* IPPROTO_TCP, IPPROTO_UDP; 0: persistence */
	uint8_t dir;   /* enum flow_dir; persistence: FLOW_FROM_CLIENT */
};

/* A flow: 64 bytes, one cache line.  Written only under the stripe's lock. */
struct flow {
	struct addr client;
	uint32_t vip;     /* address id; service slot if FLOW_PERSIST */
	uint32_t server;  /* address id of the backend */
	uint32_t service; /* slot */
	uint32_t backend; /* slot */
	uint16_t client_port_be;
	uint16_t vip_port_be;
	uint16_t server_port_be;
	uint8_t proto;
	uint8_t state;       /* enum tcp_state; 0 for UDP */
	uint32_t seen;       /* tick of the last packet */
	uint32_t timeout;    /* ticks after seen */
	uint32_t refreshed;  /* tick when its persistence was renewed */
	uint16_t prev, next; /* class list in the stripe, 0 ends it */
	uint8_t class;       /* enum flow_class */
	bool touched;        /* since it was put in its list */
	uint8_t forward;     /* enum flow_forward; 0 if FLOW_PERSIST */
	uint8_t reserved[5]; /* zero */
};

#endif
