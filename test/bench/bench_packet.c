/*
 * bench_packet.c - what user space costs a packet: parse the kernel's message,
 * look the flow up among a million, rewrite, write the verdict.  Everything a
 * worker does but the two system calls.  Prints ns a packet.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../unit/packets.h"
#include "loaded/balance.h"
#include "loaded/conf.h"
#include "loaded/nfq_msg.h"
#include "loaded/table_build.h"

#define FLOWS 1000000U
#define BATCH 64U
#define ROUNDS 40000U
#define HEAD 44U /* of the kernel's message, with a mark */
#define MESSAGE 256U

static const char config[] =
    "pools = ( { name = \"p\"; backends = ( { address = \"10.0.0.1\"; },\n"
    "  { address = \"10.0.0.2\"; }, { address = \"10.0.0.3\"; },\n"
    "  { address = \"10.0.0.4\"; }, { address = \"fd00::1\"; } ); } );\n"
    "services = ( { name = \"u\"; addresses = [ \"203.0.113.80\",\n"
    "  \"2001:db8:80::80\" ]; protocol = \"udp\"; ports = [ \"9\" ];\n"
    "  scheduler = \"rr\"; pool = \"p\"; } );\n";

static struct balance b;
static _Alignas(64) uint8_t messages[BATCH][MESSAGE];

static void *
zeroed(size_t size)
{
	void *mem = aligned_alloc(4096, (size + 4096) / 4096 * 4096);

	if (mem == NULL)
		abort();
	memset(mem, 0, size);
	return mem;
}

static void
setup(void)
{
	static const uint8_t key[SIPHASH_KEY_LEN] = "0123456789abcde";
	struct table *table;
	struct conf *conf;
	void *flows;

	if (conf_load_text(&conf, "bench", config, stderr) != 0 ||
	    table_build(&table, conf, key, 1) != 0)
		abort();
	flows = zeroed(flow_size(FLOWS));
	b = (struct balance){
		.table = table,
		.scratch = zeroed(table->scratch_size),
		.backends = zeroed(8 * sizeof(struct backend_state)),
		.pools = zeroed(sizeof(struct pool_state)),
		.suspicions = zeroed(sizeof(uint32_t)),
		.random = 1,
	};
	table_init_backends(conf, b.backends);
	flow_format(flows, FLOWS, key);
	flow_attach(&b.flows, flows, balance_flow_ended, b.backends);
	balance_time(&b, UINT64_C(1000000000000));
}

/* As nfnetlink_queue writes it: headers, id, mark, payload. */
static uint32_t
make_message(uint8_t *msg, uint32_t client, bool v6)
{
	const struct packet_spec spec = {
		.v6 = v6,
		.proto = IPPROTO_UDP,
		.src = v6 ? "2001:db8::1" : "192.0.2.1",
		.dst = v6 ? "2001:db8:80::80" : "203.0.113.80",
		.sport = (uint16_t)(1024 + client % 60000),
		.dport = 9,
		.payload = 18,
	};
	static const uint8_t head[HEAD] = {
		[4] = 0,
		3,
		[20] = 11,
		0,
		1,
		0,
		0,
		0,
		0,
		7,
		[32] = 8,
		0,
		3,
		0,
		0x4c,
		0x44,
		0,
		1,
		[42] = 10,
		0,
	};
	const size_t len = packet_make(msg + HEAD, &spec);
	uint8_t *packet = msg + HEAD;
	uint16_t attr_len = (uint16_t)(4 + len);
	const uint32_t net = htonl(client / 60000);

	memcpy(msg, head, HEAD);
	memcpy(msg + 40, &attr_len, 2);
	/* Another client in the same place; checksums as they may. */
	memcpy(packet + (v6 ? 18 : 12), &net, v6 ? 4 : 1);
	if (!v6)
		packet[13] = (uint8_t)(client / 60000);
	return HEAD + (uint32_t)len;
}

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void
run_batch(const uint32_t *lens)
{
	struct nfq_packet p[BATCH];
	struct balance_packet bp[BATCH];
	const uint32_t mark = 0;
	uint32_t i;
	int error;

	for (i = 0; i < BATCH; i++) {
		if (nfq_msg_parse(&p[i], messages[i], lens[i], &error) !=
		    NFQ_MSG_PACKET)
			abort();
		bp[i].data = p[i].data;
		bp[i].len = p[i].len;
		bp[i].truncated = p[i].truncated;
		bp[i].gso = p[i].gso;
		bp[i].csum = REWRITE_CSUM_DONE;
		balance_prepare(&b, &bp[i]);
	}
	for (i = 0; i < BATCH; i++)
		balance_fetch(&b, &bp[i]);
	for (i = 0; i < BATCH; i++) {
		balance_decide(&b, &bp[i]);
		if (bp[i].action != BALANCE_SEND)
			abort();
		nfq_msg_verdict(&p[i], 0, NFQ_ACCEPT, bp[i].len, &mark);
	}
}

static void
fill(bool v6)
{
	uint32_t lens[BATCH], client, i;

	for (client = 0; client + BATCH <= FLOWS; client += BATCH) {
		for (i = 0; i < BATCH; i++)
			lens[i] = make_message(messages[i], client + i, v6);
		run_batch(lens);
	}
}

/* Random clients of the million; making the messages is not counted. */
static double
measure(bool v6)
{
	uint32_t lens[BATCH], round, i;
	double spent = 0, start;

	for (round = 0; round < ROUNDS; round++) {
		for (i = 0; i < BATCH; i++)
			lens[i] = make_message(messages[i],
			    (uint32_t)random() % (FLOWS / BATCH * BATCH), v6);
		start = now();
		run_batch(lens);
		spent += now() - start;
	}
	return spent / ROUNDS / BATCH;
}

int
main(void)
{
	static const bool families[] = { false, true };
	struct flow_usage usage;
	size_t i;

	for (i = 0; i < 2; i++) {
		setup();
		fill(families[i]);
		flow_usage(&b.flows, &usage);
		printf("user space, IPv%d, %llu flows: %.0f ns a packet "
		       "(wanted: at most 150)\n",
		    families[i] ? 6 : 4, (unsigned long long)usage.used,
		    measure(families[i]));
	}
	printf("flow table: %.1f bytes a flow (wanted: at most 96)\n",
	    (double)flow_size(FLOWS) / FLOWS);
	return 0;
}
