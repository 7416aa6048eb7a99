/*
 * test_balance_dr.c - flows in dr: packets go on as they came, with the mark
 * of their backend, and replies are never seen.
 */
#include "balance_fixture.h"
#include "runner.h"

#define CLIENT "192.0.2.1"
#define VIP "203.0.113.80"
#define VIP_MOVE "203.0.113.81"
#define VIP_KEEP "203.0.113.82"
#define VIP_NAT "203.0.113.83"
#define VIP6 "2001:db8:80::80"
#define CLIENT6 "2001:db8::1"

/* Slots 0, 1: IPv4; 2, 3: IPv6. */
static const char config[] =
    "interfaces = { public = \"eth0\"; private = \"eth1\"; };\n"
    "pools = ( { name = \"p\"; backends = (\n"
    "    { address = \"10.0.0.1\"; }, { address = \"10.0.0.2\"; },\n"
    "    { address = \"fd00::1\"; }, { address = \"fd00::2\"; } ); } );\n"
    "services = (\n"
    "  { name = \"t\"; addresses = [ \"" VIP "\", \"" VIP6 "\" ];\n"
    "    protocol = \"tcp\"; ports = [ \"80\" ]; scheduler = \"rr\";\n"
    "    pool = \"p\"; forward = \"dr\"; },\n"
    "  { name = \"u\"; addresses = [ \"" VIP "\", \"" VIP6 "\" ];\n"
    "    protocol = \"udp\"; ports = [ \"80\" ]; scheduler = \"rr\";\n"
    "    pool = \"p\"; forward = \"dr\"; },\n"
    "  { name = \"move\"; addresses = [ \"" VIP_MOVE "\" ];\n"
    "    protocol = \"tcp\"; ports = [ \"80\" ]; scheduler = \"rr\";\n"
    "    pool = \"p\"; forward = \"dr\"; on_down = \"move\"; },\n"
    "  { name = \"keep\"; addresses = [ \"" VIP_KEEP "\" ];\n"
    "    protocol = \"tcp\"; ports = [ \"80\" ]; scheduler = \"rr\";\n"
    "    pool = \"p\"; forward = \"dr\"; on_down = \"keep\";\n"
    "    persistence = { timeout = \"60s\"; }; },\n"
    "  { name = \"nat\"; addresses = [ \"" VIP_NAT "\" ];\n"
    "    protocol = \"tcp\"; ports = [ \"80\" ]; scheduler = \"rr\";\n"
    "    pool = \"p\"; } );\n";

static void
setup(void)
{
	world_open(config);
}

static struct balance_packet
from_client(uint8_t flags, const char *vip)
{
	const char *client = strchr(vip, ':') == NULL ? CLIENT : CLIENT6;

	return tcp(flags, client, 1000, vip, 80);
}

/* The packet goes to that backend, and not a byte of it has changed. */
static void
assert_marked(const struct balance_packet *bp, enum balance_reason reason,
    uint32_t slot)
{
	ck_assert_int_eq(bp->action, BALANCE_PASS);
	ck_assert_int_eq(bp->reason, reason);
	ck_assert_uint_eq(bp->mark, TABLE_MARK_BASE + slot);
	ck_assert_uint_eq(bp->backend, slot);
}

/* The TCP state of the one flow that is there. */
static enum tcp_state
state_of(const char *vip)
{
	struct balance_packet bp = { .data = data };
	const struct packet_spec spec = { .v6 = strchr(vip, ':') != NULL,
		.proto = IPPROTO_TCP,
		.src = strchr(vip, ':') == NULL ? CLIENT : CLIENT6,
		.dst = vip,
		.sport = 1000,
		.dport = 80 };
	enum tcp_state state;
	struct flow *f;

	bp.len = (uint32_t)packet_make(data, &spec);
	balance_prepare(&b, &bp);
	flow_lock(&b.flows, &bp.hash);
	f = flow_find(&b.flows, &bp.hash, &bp.key, b.now);
	ck_assert_ptr_nonnull(f);
	state = f->state;
	flow_unlock(&b.flows, &bp.hash);
	return state;
}

START_TEST(packets_go_on_as_they_came_with_the_mark_of_one_backend)
{
	const bool v6 = _i / 2 != 0;
	const uint8_t proto = _i % 2 == 0 ? IPPROTO_TCP : IPPROTO_UDP;
	struct packet_spec spec = {
		.v6 = v6,
		.proto = proto,
		.flags = PKT_SYN,
		.src = v6 ? CLIENT6 : CLIENT,
		.dst = v6 ? VIP6 : VIP,
		.sport = 1000,
		.dport = 80,
		.payload = 100,
	};
	uint8_t before[sizeof(data)];
	struct balance_packet bp;

	for (int n = 0; n < 4; n++) {
		const size_t len = packet_make(data, &spec);

		memcpy(before, data, len);
		bp = decide(len);
		assert_marked(&bp, n == 0 ? BALANCE_NEW : BALANCE_CLIENT,
		    v6 ? 2 : 0);
		ck_assert_uint_eq(bp.len, len);
		ck_assert_mem_eq(data, before, len);
		spec.flags = PKT_ACK;
	}
	ck_assert_uint_eq(b.backends[v6 ? 2 : 0].active, 1);
	ck_assert_uint_eq(flows_used(), 1);
}
END_TEST

START_TEST(new_flows_are_spread_and_nat_needs_no_mark)
{
	struct balance_packet bp;

	bp = tcp(PKT_SYN, CLIENT, 1, VIP, 80);
	assert_marked(&bp, BALANCE_NEW, 0);
	bp = tcp(PKT_SYN, CLIENT, 2, VIP, 80);
	assert_marked(&bp, BALANCE_NEW, 1);
	bp = tcp(PKT_SYN, CLIENT, 3, VIP, 80);
	assert_marked(&bp, BALANCE_NEW, 0);
	bp = tcp(PKT_SYN, CLIENT, 1, VIP_NAT, 80);
	assert_way(&bp, CLIENT, 1, "10.0.0.1", 80);
	ck_assert_uint_eq(bp.mark, 0);
	bp = tcp(PKT_SYN, CLIENT, 1, VIP, 81);
	ck_assert_int_eq(bp.reason, BALANCE_NO_SERVICE);
	ck_assert_uint_eq(bp.mark, 0);
}
END_TEST

/* A nat flow of the same client could not have the backend's port else. */
START_TEST(replies_are_not_looked_for)
{
	struct balance_packet bp = from_client(PKT_SYN, VIP);

	assert_marked(&bp, BALANCE_NEW, 0);
	bp = tcp(PKT_SYN | PKT_ACK, "10.0.0.1", 80, CLIENT, 1000);
	ck_assert_int_eq(bp.reason, BALANCE_NO_FLOW);
	bp = from_client(PKT_SYN, VIP_NAT);
	assert_way(&bp, CLIENT, 1000, "10.0.0.1", 80);
	bp = tcp(PKT_SYN | PKT_ACK, "10.0.0.1", 80, CLIENT, 1000);
	assert_way(&bp, VIP_NAT, 80, CLIENT, 1000);
}
END_TEST

START_TEST(the_clients_packets_alone_tell_the_state)
{
	struct balance_packet bp = from_client(PKT_SYN, VIP6);

	assert_marked(&bp, BALANCE_NEW, 2);
	ck_assert_int_eq(state_of(VIP6), TCP_STATE_SYN_SENT);
	bp = from_client(PKT_ACK, VIP6);
	ck_assert_int_eq(state_of(VIP6), TCP_STATE_ESTABLISHED);
	bp = from_client(PKT_FIN | PKT_ACK, VIP6);
	ck_assert_int_eq(state_of(VIP6), TCP_STATE_FIN_CLIENT);
	bp = from_client(PKT_ACK, VIP6);
	assert_marked(&bp, BALANCE_CLIENT, 2);
	ck_assert_int_eq(state_of(VIP6), TCP_STATE_FIN_CLIENT);
	ck_assert_uint_eq(b.backends[2].active, 1);
	/* The port is used again: a new flow, at whose turn it is. */
	bp = from_client(PKT_SYN, VIP6);
	assert_marked(&bp, BALANCE_NEW, 3);
	ck_assert_uint_eq(b.backends[2].active, 0);
	bp = from_client(PKT_RST, VIP6);
	ck_assert_int_eq(state_of(VIP6), TCP_STATE_CLOSED);
	ck_assert_uint_eq(b.backends[3].active, 0);
}
END_TEST

START_TEST(a_syn_sent_again_is_no_suspicion)
{
	for (int i = 0; i < 3; i++)
		(void)from_client(PKT_SYN, VIP);
	ck_assert_uint_eq(suspicions, 0);
	ck_assert_uint_eq(b.backends[0].suspect, 0);
	for (int i = 0; i < 3; i++)
		(void)from_client(PKT_SYN, VIP_NAT);
	ck_assert_uint_eq(suspicions, 2);
}
END_TEST

START_TEST(a_lost_backends_flow_is_reset)
{
	struct balance_packet bp = from_client(PKT_SYN, VIP);

	(void)from_client(PKT_ACK, VIP);
	b.backends[0].health = HEALTH_DOWN;
	bp = from_client(PKT_ACK, VIP);
	ck_assert_int_eq(bp.reason, BALANCE_BACKEND_DOWN);
	assert_way(&bp, VIP, 80, CLIENT, 1000);
	ck_assert_uint_eq(bp.refused, 1);
	ck_assert_uint_eq(bp.mark, 0);
	ck_assert_uint_eq(flows_used(), 0);
	bp = from_client(PKT_SYN, VIP);
	assert_marked(&bp, BALANCE_NEW, 1);
}
END_TEST

START_TEST(a_lost_backends_flow_is_moved_or_kept_if_so_wanted)
{
	struct balance_packet bp = from_client(PKT_SYN, VIP_MOVE);

	assert_marked(&bp, BALANCE_NEW, 0);
	b.backends[0].health = HEALTH_DOWN;
	bp = from_client(PKT_ACK, VIP_MOVE);
	assert_marked(&bp, BALANCE_MOVED, 1);
	b.backends[0].health = HEALTH_UP;
	bp = from_client(PKT_SYN, VIP_KEEP);
	assert_marked(&bp, BALANCE_NEW, 0);
	b.backends[0].health = HEALTH_DOWN;
	bp = from_client(PKT_ACK, VIP_KEEP);
	assert_marked(&bp, BALANCE_CLIENT, 0);
}
END_TEST

START_TEST(persistence_holds_in_dr_too)
{
	struct balance_packet bp;

	for (uint16_t port = 1; port < 5; port++) {
		bp = tcp(PKT_SYN, CLIENT, port, VIP_KEEP, 80);
		assert_marked(&bp, BALANCE_NEW, 0);
	}
	bp = tcp(PKT_SYN, "192.0.2.2", 1, VIP_KEEP, 80);
	assert_marked(&bp, BALANCE_NEW, 1);
	ck_assert_uint_eq(flows_used(), 7);
}
END_TEST

/* In data; returns its length. */
static uint32_t
make_ack(void)
{
	const struct packet_spec spec = {
		.proto = IPPROTO_TCP,
		.flags = PKT_ACK,
		.src = CLIENT,
		.dst = VIP,
		.sport = 1000,
		.dport = 80,
		.payload = 100,
	};

	return (uint32_t)packet_make(data, &spec);
}

/* The mark is all that is sent: neither size nor segments matter. */
START_TEST(part_of_a_packet_is_enough)
{
	struct balance_packet bp;

	(void)from_client(PKT_SYN, VIP);
	make_ack();
	bp = decide(60);
	ck_assert(bp.truncated);
	assert_marked(&bp, BALANCE_CLIENT, 0);
	bp = (struct balance_packet){ .data = data,
		.len = make_ack(),
		.gso = true };
	balance_prepare(&b, &bp);
	balance_decide(&b, &bp);
	assert_marked(&bp, BALANCE_CLIENT, 0);
}
END_TEST

/* It cannot be answered: the flow waits for a packet that can. */
START_TEST(part_of_a_packet_is_not_refused)
{
	struct balance_packet bp;

	(void)from_client(PKT_SYN, VIP);
	b.backends[0].health = HEALTH_DOWN;
	make_ack();
	bp = decide(60);
	ck_assert_int_eq(bp.action, BALANCE_DROP);
	ck_assert_int_eq(bp.reason, BALANCE_BACKEND_DOWN);
	ck_assert_uint_eq(bp.refused, 0);
	ck_assert_uint_eq(flows_used(), 1);
	bp = from_client(PKT_ACK, VIP);
	ck_assert_uint_eq(bp.refused, 1);
	ck_assert_uint_eq(flows_used(), 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("balance_dr");
	TCase *tc = tcase_create("dr");

	tcase_add_checked_fixture(tc, setup, world_close);
	tcase_add_loop_test(tc,
	    packets_go_on_as_they_came_with_the_mark_of_one_backend, 0, 4);
	tcase_add_test(tc, new_flows_are_spread_and_nat_needs_no_mark);
	tcase_add_test(tc, replies_are_not_looked_for);
	tcase_add_test(tc, the_clients_packets_alone_tell_the_state);
	tcase_add_test(tc, a_syn_sent_again_is_no_suspicion);
	tcase_add_test(tc, a_lost_backends_flow_is_reset);
	tcase_add_test(tc, a_lost_backends_flow_is_moved_or_kept_if_so_wanted);
	tcase_add_test(tc, persistence_holds_in_dr_too);
	tcase_add_test(tc, part_of_a_packet_is_enough);
	tcase_add_test(tc, part_of_a_packet_is_not_refused);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
