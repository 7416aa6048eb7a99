/*
 * balance.h - what becomes of one packet: parse, look up the flow, pick a
 * backend, rewrite.  Pure: no I/O, no clock; the worker carries out what is
 * decided here, and so do unit tests, fuzzers and the microbenchmark.
 *
 * A batch goes through in three rounds (prepare all, fetch all, decide all),
 * so that the memory of one packet is fetched while others are worked on.
 */
#ifndef LOADED_BALANCE_H
#define LOADED_BALANCE_H

#include <stdbool.h>
#include <stdint.h>

#include "loaded/backend.h"
#include "loaded/flow.h"
#include "loaded/health.h"
#include "loaded/pkt.h"
#include "loaded/refuse.h"
#include "loaded/rewrite.h"
#include "loaded/table.h"

enum balance_action {
	BALANCE_PASS, /* accept as it is */
	BALANCE_SEND, /* accept with the payload as it is now */
	BALANCE_DROP,
};

/* Why; each packet has exactly one.  Names: balance_reason_name(). */
enum balance_reason {
	BALANCE_CLIENT,     /* client's packet of a known flow */
	BALANCE_REPLY,      /* backend's packet of a known flow */
	BALANCE_NEW,        /* first packet of a flow */
	BALANCE_RESUMED,    /* unknown TCP flow, consistent scheduler */
	BALANCE_MOVED,      /* its backend was lost, another one has it now */
	BALANCE_NOT_OURS,   /* neither to a VIP nor from a backend */
	BALANCE_NO_FLOW,    /* from a backend, of no flow of ours */
	BALANCE_NO_SERVICE, /* to a VIP, but no service has the port */
	BALANCE_ICMP,       /* to a VIP: the kernel's */
	BALANCE_OTHER_PROTO,
	BALANCE_LATER_FRAGMENT,
	BALANCE_SOURCE_ROUTED,
	BALANCE_BAD_IP,
	BALANCE_BAD_CHAIN,
	BALANCE_BAD_L4,
	BALANCE_TRUNCATED,    /* the kernel could not hand it over whole */
	BALANCE_BACKEND_DOWN, /* the flow's backend was lost, and it with it */
	BALANCE_NO_BACKEND,   /* none usable, or all at their limits */
	BALANCE_REPLY_TAKEN,  /* no backend could tell it from another flow */
	BALANCE_TABLE_FULL,
	BALANCE_UNKNOWN_FLOW, /* TCP in mid-flow, scheduler not consistent */
	BALANCE_REASONS
};

/* What a worker decides with; everything but the last three is shared. */
struct balance {
	const struct table *table;      /* borrowed */
	void *scratch;                  /* of the table's schedulers */
	struct backend_state *backends; /* BACKEND_SLOTS */
	const struct pool_state *pools; /* by index; borrowed */
	_Atomic uint32_t *suspicions;   /* of all backends; borrowed */
	struct flow_table flows;
	uint64_t now_ns; /* set once a batch */
	uint32_t now;    /* the same, in flow ticks */
	uint64_t random; /* generator state, never 0 */
};

struct balance_packet {
	/* In.  data has room for REFUSE_MAX bytes, whatever len is. */
	uint8_t *data;
	uint32_t len;
	bool truncated; /* the kernel cut it */
	bool gso;
	enum rewrite_csum csum;
	/* Out. */
	enum balance_action action;
	enum balance_reason reason;
	uint32_t refused; /* 1: action sends a refusal back */
	uint32_t backend; /* slot, for CLIENT, REPLY, NEW, RESUMED, MOVED */
	uint32_t mark;    /* what it must go on with; 0: none */
	/* Between the rounds. */
	enum pkt_result parsed;
	struct pkt pkt;
	const struct table_addr *vip, *server;
	struct flow_key key;
	struct flow_hash hash;
	bool moved; /* its flow has been taken from a lost backend */
};

/* The clock of this batch. */
void balance_time(struct balance *b, uint64_t now_ns);

void balance_prepare(const struct balance *b, struct balance_packet *bp);
void balance_fetch(const struct balance *b, const struct balance_packet *bp);

/* Sets action and reason; data and len are what is to be sent. */
void balance_decide(struct balance *b, struct balance_packet *bp);

/* For flow_attach: a flow ended, its backend has one less. */
void balance_flow_ended(void *backends, const struct flow *flow);

const char *balance_reason_name(enum balance_reason reason);

#endif
