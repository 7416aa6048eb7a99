/*
 * fuzz_balance.c - hostile packets through the whole pure core.  The input is
 * a row of packets: two bytes (length, kind), then the packet; or, as the kind
 * says, what has become of a backend and of its pool.  Beside not
 * crashing, each packet must come out with one action and one reason, and one
 * that came in with a right checksum must go out with a right one.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/packets.h"
#include "loaded/balance.h"
#include "loaded/conf.h"
#include "loaded/share.h"
#include "loaded/table_build.h"

#define FLOWS 64
#define BACKENDS 8
#define POOLS 3
#define PACKET_MAX 255

enum kind_bits {
	KIND_GSO = 1,
	KIND_TRUNCATED = 2,
	KIND_LATER = 4,
	KIND_CHANGE = 8,
};

static const char config[] =
    "interfaces = { public = \"e0\"; private = \"e1\"; };\n"
    "pools = ( { name = \"p\"; backup = \"q\"; backends = (\n"
    "  { address = \"10.0.0.1\"; port = 8080; max_connections = 9; },\n"
    "  { address = \"10.0.0.2\"; max_rate = 100; },\n"
    "  { address = \"fd00::1\"; }, { address = \"fd00::2\"; } ); },\n"
    "  { name = \"q\"; backends = ( { address = \"10.0.0.3\"; port = 81; },\n"
    "  { address = \"fd00::3\"; } ); },\n"
    "  { name = \"d\"; backends = ( { address = \"10.0.0.4\"; },\n"
    "  { address = \"fd00::4\"; } ); } );\n"
    "services = ( { name = \"t\"; addresses = [ \"203.0.113.80\",\n"
    "  \"2001:db8:80::80\" ]; protocol = \"tcp\"; ports = \"any\";\n"
    "  pool = \"p\"; persistence = { timeout = \"1m\"; }; },\n"
    "  { name = \"m\"; addresses = [ \"203.0.113.81\",\n"
    "  \"2001:db8:80::81\" ]; protocol = \"tcp\"; ports = [ \"80-443\" ];\n"
    "  pool = \"p\"; scheduler = \"rr\"; on_down = \"move\"; },\n"
    "  { name = \"k\"; addresses = [ \"203.0.113.82\" ]; protocol = \"tcp\";\n"
    "  ports = \"any\"; scheduler = \"sh\"; pool = \"p\";\n"
    "  on_down = \"keep\"; },\n"
    "  { name = \"u\"; addresses = [ \"203.0.113.80\",\n"
    "  \"2001:db8:80::80\" ]; protocol = \"udp\"; ports = [ \"53\" ];\n"
    "  scheduler = \"mh\"; pool = \"p\"; },\n"
    "  { name = \"d\"; addresses = [ \"203.0.113.83\",\n"
    "  \"2001:db8:80::83\" ]; protocol = \"tcp\"; ports = \"any\";\n"
    "  pool = \"d\"; forward = \"dr\"; },\n"
    "  { name = \"e\"; addresses = [ \"203.0.113.83\" ];\n"
    "  protocol = \"udp\"; ports = \"any\"; pool = \"d\";\n"
    "  forward = \"dr\"; } );\n";

/* Made once: the table.  Made anew for each input: the rest. */
struct world {
	struct table *table;
	struct conf *conf;
	struct balance balance;
	struct pool_state pools[POOLS];
	_Atomic uint32_t suspicions;
	void *flows;
	uint64_t now_ns;
};

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

static void *
zeroed(size_t size)
{
	const size_t whole = (size + 64) / 64 * 64;
	void *mem = aligned_alloc(64, whole);

	if (mem == NULL)
		abort();
	memset(mem, 0, whole);
	return mem;
}

static void
world_open(struct world *w)
{
	static const uint8_t key[SIPHASH_KEY_LEN] = "0123456789abcde";

	if (w->table == NULL &&
	    (conf_load_text(&w->conf, "fuzz", config, stderr) != 0 ||
		table_build(&w->table, w->conf, key, 1) != 0))
		abort();
	w->flows = zeroed(flow_size(FLOWS));
	w->balance = (struct balance){
		.table = w->table,
		.scratch = zeroed(w->table->scratch_size),
		.backends = zeroed(BACKENDS * sizeof(struct backend_state)),
		.pools = w->pools,
		.suspicions = &w->suspicions,
		.random = 1,
	};
	memset(w->pools, 0, sizeof(w->pools));
	table_init_backends(w->conf, w->balance.backends);
	flow_format(w->flows, FLOWS, key);
	flow_attach(&w->balance.flows, w->flows, balance_flow_ended,
	    w->balance.backends);
	w->now_ns = UINT64_C(1000000000);
}

static void
world_close(struct world *w)
{
	if (flow_verify(&w->balance.flows) != 0)
		abort();
	free(w->flows);
	free(w->balance.scratch);
	free(w->balance.backends);
}

/* Can the oracle say something of its checksum? */
static bool
is_good(uint8_t *data, size_t len)
{
	struct pkt p;

	if (pkt_parse(&p, data, len) != PKT_OK || p.fragment || p.truncated ||
	    p.ip_len != len)
		return false;
	if (p.proto == IPPROTO_UDP && get16(data + p.l4_off + 6) == 0)
		return false;
	return packet_good(data, len, p.proto);
}

/* Whatever failover could write, up to the largest values. */
static void
change(struct world *w, const uint8_t *data, size_t len)
{
	struct backend_state *b;

	if (len < 8)
		return;
	b = &w->balance.backends[data[0] % BACKENDS];
	b->health = data[1] % 3;
	b->admin = data[1] / 3 % 3;
	b->agent_admin = data[1] / 9 % 3;
	b->share = (uint32_t)(data[2] << 8 | data[3]) % (SHARE_MAX + 1);
	b->weight = (uint32_t)(data[4] << 8 | data[5]);
	b->agent_max = data[6];
	w->pools[data[7] % 2 + data[7] / 128].mode[data[7] / 2 % 2] = data[7] /
	    4 % 3;
}

static void
feed(struct world *w, const uint8_t *packet, size_t len, uint8_t kind)
{
	uint8_t *data = malloc(len + REFUSE_MAX);
	struct balance_packet bp = {
		.data = data,
		.len = (uint32_t)len,
		.gso = (kind & KIND_GSO) != 0,
		.truncated = (kind & KIND_TRUNCATED) != 0,
		.action = BALANCE_DROP + 1,
		.reason = BALANCE_REASONS,
	};
	bool good;

	if (data == NULL)
		abort();
	memcpy(data, packet, len);
	good = is_good(data, len);
	if (kind & KIND_LATER)
		w->now_ns += UINT64_C(40000000000);
	balance_time(&w->balance, w->now_ns);
	balance_prepare(&w->balance, &bp);
	balance_fetch(&w->balance, &bp);
	balance_decide(&w->balance, &bp);
	if (bp.action > BALANCE_DROP || bp.reason >= BALANCE_REASONS)
		abort();
	if (bp.action == BALANCE_PASS && memcmp(data, packet, len) != 0)
		abort();
	if (bp.mark != 0 &&
	    (bp.action != BALANCE_PASS ||
		bp.mark - TABLE_MARK_BASE >= BACKENDS))
		abort();
	if (bp.action == BALANCE_SEND && !bp.refused && bp.len != len)
		abort();
	if (bp.action == BALANCE_SEND && good && !bp.refused &&
	    !is_good(data, bp.len))
		abort();
	free(data);
}

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	static struct world w;

	world_open(&w);
	while (size >= 2) {
		const uint8_t kind = input[1];
		const size_t len = input[0] < size - 2 ? input[0] : size - 2;

		if (kind & KIND_CHANGE)
			change(&w, input + 2, len);
		else
			feed(&w, input + 2, len, kind);
		input += 2 + len;
		size -= 2 + len;
	}
	world_close(&w);
	return 0;
}
