/*
 * balance_fixture.h - the whole pure core with a table built from a config,
 * and packets to feed it: for the tests of balance*.c.
 */
#ifndef TEST_BALANCE_FIXTURE_H
#define TEST_BALANCE_FIXTURE_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "loaded/balance.h"
#include "loaded/conf.h"
#include "loaded/table_build.h"
#include "loaded/tcp_state.h"
#include "packets.h"

#define FLOWS 4096
#define SECOND UINT64_C(1000000000)

static struct balance b;
static struct table *table;
static struct conf *conf;
static void *flow_memory;
static struct pool_state *pools;
static _Atomic uint32_t suspicions;
static uint64_t clock_ns;
static uint8_t data[4096];

static inline void
world_open(const char *config)
{
	static const uint8_t key[SIPHASH_KEY_LEN] = "0123456789abcde";
	const size_t size = flow_size(FLOWS);

	ck_assert_int_eq(conf_load_text(&conf, "test", config, stderr), 0);
	ck_assert_int_eq(table_build(&table, conf, key, 1), 0);
	flow_memory = aligned_alloc(64, (size + 63) / 64 * 64);
	pools = calloc(conf->npools, sizeof(*pools));
	suspicions = 0;
	b = (struct balance){ .table = table,
		.random = 1,
		.pools = pools,
		.suspicions = &suspicions };
	b.scratch = aligned_alloc(64, table->scratch_size + 64);
	b.backends = aligned_alloc(64,
	    BACKEND_SLOTS * sizeof(struct backend_state));
	ck_assert(flow_memory != NULL && pools != NULL && b.scratch != NULL &&
	    b.backends != NULL);
	memset(flow_memory, 0, size);
	memset(b.scratch, 0, table->scratch_size);
	memset(b.backends, 0, BACKEND_SLOTS * sizeof(struct backend_state));
	table_init_backends(conf, b.backends);
	flow_format(flow_memory, FLOWS, key);
	flow_attach(&b.flows, flow_memory, balance_flow_ended, b.backends);
	clock_ns = 1000 * SECOND;
}

static inline void
world_close(void)
{
	free(flow_memory);
	free(pools);
	free(b.scratch);
	free(b.backends);
	free(table);
	conf_free(conf);
}

static inline struct balance_packet
decide(size_t len)
{
	struct balance_packet bp = { .data = data, .len = (uint32_t)len };

	balance_time(&b, clock_ns);
	balance_prepare(&b, &bp);
	balance_fetch(&b, &bp);
	balance_decide(&b, &bp);
	return bp;
}

static inline struct balance_packet
packet(uint8_t proto, uint8_t flags, const char *src, uint16_t sport,
    const char *dst, uint16_t dport)
{
	const struct packet_spec spec = {
		.v6 = strchr(src, ':') != NULL,
		.proto = proto,
		.flags = flags,
		.src = src,
		.dst = dst,
		.sport = sport,
		.dport = dport,
		.payload = 13,
	};

	return decide(packet_make(data, &spec));
}

static inline struct balance_packet
tcp(uint8_t flags, const char *src, uint16_t sport, const char *dst,
    uint16_t dport)
{
	return packet(IPPROTO_TCP, flags, src, sport, dst, dport);
}

/* The packet in data now goes from src to dst, with right checksums. */
static inline void
assert_way(const struct balance_packet *bp, const char *src, uint16_t sport,
    const char *dst, uint16_t dport)
{
	char text[ADDR_STRLEN];
	struct pkt p;

	ck_assert_int_eq(bp->action, BALANCE_SEND);
	ck_assert_int_eq(pkt_parse(&p, data, bp->len), PKT_OK);
	ck_assert_str_eq(addr_format(&p.src, text), src);
	ck_assert_str_eq(addr_format(&p.dst, text), dst);
	ck_assert_uint_eq(ntohs(p.sport_be), sport);
	ck_assert_uint_eq(ntohs(p.dport_be), dport);
	ck_assert(packet_good(data, bp->len, p.proto));
}

static inline void
open_flow(const char *client, uint16_t port, const char *vip,
    const char *server, uint16_t server_port)
{
	struct balance_packet bp = tcp(PKT_SYN, client, port, vip, 80);

	ck_assert_int_eq(bp.reason, BALANCE_NEW);
	assert_way(&bp, client, port, server, server_port);
	bp = tcp(PKT_SYN | PKT_ACK, server, server_port, client, port);
	ck_assert_int_eq(bp.reason, BALANCE_REPLY);
	assert_way(&bp, vip, 80, client, port);
	bp = tcp(PKT_ACK, client, port, vip, 80);
	ck_assert_int_eq(bp.reason, BALANCE_CLIENT);
	assert_way(&bp, client, port, server, server_port);
}

/* And the table is sound. */
static inline uint64_t
flows_used(void)
{
	struct flow_usage usage;

	flow_usage(&b.flows, &usage);
	ck_assert_int_eq(flow_verify(&b.flows), 0);
	return usage.used;
}

#endif
