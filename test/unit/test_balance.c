/*
 * test_balance.c - packets through the whole pure core, with a table built
 * from a config: what goes where, and what comes back.
 */
#include "balance_fixture.h"
#include "runner.h"
#include "seed.h"

static const char config[] =
    "pools = (\n"
    "  { name = \"web\"; backends = (\n"
    "    { address = \"10.0.0.1\"; port = 8080; },\n"
    "    { address = \"10.0.0.2\"; port = 8080; },\n"
    "    { address = \"fd00::1\"; }, { address = \"fd00::2\"; } ); },\n"
    "  { name = \"one\"; backends = ( { address = \"10.0.0.1\"; port = 8080;\n"
    "    max_connections = 2; } ); },\n"
    "  { name = \"none\"; backends = ( { address = \"10.0.0.9\";\n"
    "    weight = 0; } ); }\n"
    ");\n"
    "services = (\n"
    "  { name = \"web\"; addresses = [ \"203.0.113.80\", \"2001:db8:80::80\" "
    "];\n"
    "    protocol = \"tcp\"; ports = [ \"80\", \"8000-8099\" ];\n"
    "    scheduler = \"rr\"; pool = \"web\"; },\n"
    "  { name = \"dns\"; addresses = [ \"203.0.113.80\" ]; protocol = "
    "\"udp\";\n"
    "    ports = [ \"53\" ]; scheduler = \"rr\"; pool = \"web\"; },\n"
    "  { name = \"same\"; addresses = [ \"203.0.113.81\" ]; protocol = "
    "\"tcp\";\n"
    "    ports = [ \"80\" ]; pool = \"one\"; },\n"
    "  { name = \"gone\"; addresses = [ \"203.0.113.82\" ]; protocol = "
    "\"tcp\";\n"
    "    ports = [ \"80\" ]; pool = \"none\"; },\n"
    "  { name = \"quiet\"; addresses = [ \"203.0.113.83\" ]; protocol = "
    "\"tcp\";\n"
    "    ports = [ \"80\" ]; pool = \"none\"; no_backend = \"drop\"; },\n"
    "  { name = \"sticky\"; addresses = [ \"203.0.113.84\" ];\n"
    "    protocol = \"tcp\"; ports = \"any\"; scheduler = \"rr\"; pool = "
    "\"web\";\n"
    "    persistence = { timeout = \"60s\"; mask4 = 24; }; },\n"
    "  { name = \"hash\"; addresses = [ \"203.0.113.85\" ]; protocol = "
    "\"tcp\";\n"
    "    ports = [ \"80\" ]; scheduler = \"mh\"; pool = \"web\"; }\n"
    ");\n";

static void
setup(void)
{
	world_open(config);
}

START_TEST(flow_goes_there_and_back_with_port_translation)
{
	open_flow("192.0.2.1", 1000, "203.0.113.80", "10.0.0.1", 8080);
	open_flow("192.0.2.1", 1001, "203.0.113.80", "10.0.0.2", 8080);
	ck_assert_uint_eq(b.backends[0].active, 1);
	ck_assert_uint_eq(b.backends[1].active, 1);
}
END_TEST

START_TEST(ipv6_uses_backends_of_its_own_family)
{
	open_flow("2001:db8::1", 1000, "2001:db8:80::80", "fd00::1", 80);
	open_flow("2001:db8::1", 1001, "2001:db8:80::80", "fd00::2", 80);
	open_flow("2001:db8::1", 1002, "2001:db8:80::80", "fd00::1", 80);
}
END_TEST

START_TEST(udp_flow_goes_there_and_back)
{
	struct balance_packet bp = packet(IPPROTO_UDP, 0, "192.0.2.1", 5000,
	    "203.0.113.80", 53);

	ck_assert_int_eq(bp.reason, BALANCE_NEW);
	assert_way(&bp, "192.0.2.1", 5000, "10.0.0.1", 8080);
	bp = packet(IPPROTO_UDP, 0, "10.0.0.1", 8080, "192.0.2.1", 5000);
	assert_way(&bp, "203.0.113.80", 53, "192.0.2.1", 5000);
}
END_TEST

START_TEST(closed_flow_counts_no_more_and_port_is_used_again)
{
	struct balance_packet bp;

	open_flow("192.0.2.1", 1000, "203.0.113.80", "10.0.0.1", 8080);
	tcp(PKT_FIN | PKT_ACK, "192.0.2.1", 1000, "203.0.113.80", 80);
	ck_assert_uint_eq(b.backends[0].active, 1);
	bp = tcp(PKT_FIN | PKT_ACK, "10.0.0.1", 8080, "192.0.2.1", 1000);
	assert_way(&bp, "203.0.113.80", 80, "192.0.2.1", 1000);
	ck_assert_uint_eq(b.backends[0].active, 0);
	bp = tcp(PKT_ACK, "192.0.2.1", 1000, "203.0.113.80", 80);
	ck_assert_int_eq(bp.reason, BALANCE_CLIENT);
	open_flow("192.0.2.1", 1000, "203.0.113.80", "10.0.0.2", 8080);
}
END_TEST

START_TEST(what_is_not_ours_passes_untouched)
{
	uint8_t before[4096];
	struct balance_packet bp;
	struct packet_spec spec = {
		.proto = IPPROTO_TCP,
		.flags = PKT_SYN,
		.src = "10.0.0.1",
		.dst = "192.0.2.1",
		.sport = 8080,
		.dport = 99,
	};
	size_t len = packet_make(data, &spec);

	memcpy(before, data, len);
	bp = decide(len);
	ck_assert_int_eq(bp.action, BALANCE_PASS);
	ck_assert_int_eq(bp.reason, BALANCE_NO_FLOW);
	ck_assert_mem_eq(data, before, len);
	bp = tcp(PKT_SYN, "192.0.2.1", 1, "192.0.2.2", 80);
	ck_assert_int_eq(bp.action, BALANCE_PASS);
	ck_assert_int_eq(bp.reason, BALANCE_NOT_OURS);
	bp = tcp(PKT_SYN, "192.0.2.1", 1, "203.0.113.80", 81);
	ck_assert_int_eq(bp.action, BALANCE_PASS);
	ck_assert_int_eq(bp.reason, BALANCE_NO_SERVICE);
	bp = packet(IPPROTO_UDP, 0, "192.0.2.1", 1, "203.0.113.80", 80);
	ck_assert_int_eq(bp.reason, BALANCE_NO_SERVICE);
	len = packet_make(data, &spec);
	data[9] = IPPROTO_ICMP;
	inet_pton(AF_INET, "203.0.113.80", data + 16);
	bp = decide(len);
	ck_assert_int_eq(bp.action, BALANCE_PASS);
	ck_assert_int_eq(bp.reason, BALANCE_ICMP);
}
END_TEST

START_TEST(port_ranges_end_where_they_say)
{
	const uint16_t ports[] = { 79, 80, 81, 7999, 8000, 8050, 8099, 8100 };
	const bool ours[] = { 0, 1, 0, 0, 1, 1, 1, 0 };
	struct balance_packet bp;

	bp = tcp(PKT_SYN, "192.0.2.1", 7, "203.0.113.80", ports[_i]);
	ck_assert_int_eq(bp.reason,
	    ours[_i] ? BALANCE_NEW : BALANCE_NO_SERVICE);
}
END_TEST

START_TEST(two_services_on_one_backend_do_not_mix)
{
	struct balance_packet bp;

	/* rr of "web" starts with 10.0.0.1, the one backend of "same". */
	open_flow("192.0.2.1", 1000, "203.0.113.80", "10.0.0.1", 8080);
	open_flow("192.0.2.1", 1001, "203.0.113.81", "10.0.0.1", 8080);
	bp = tcp(PKT_ACK, "10.0.0.1", 8080, "192.0.2.1", 1000);
	assert_way(&bp, "203.0.113.80", 80, "192.0.2.1", 1000);
	bp = tcp(PKT_ACK, "10.0.0.1", 8080, "192.0.2.1", 1001);
	assert_way(&bp, "203.0.113.81", 80, "192.0.2.1", 1001);
	/* The backend could not tell this one from the first. */
	bp = tcp(PKT_SYN, "192.0.2.1", 1000, "203.0.113.81", 80);
	ck_assert_int_eq(bp.reason, BALANCE_REPLY_TAKEN);
	ck_assert_uint_eq(bp.refused, 1);
	/* A refused one counts nowhere; slot 4 is the pool of "same". */
	ck_assert_uint_eq(b.backends[4].flows, 1);
	ck_assert_uint_eq(b.backends[4].active, 1);
	/* And this one goes to the other backend, though it is not its turn. */
	tcp(PKT_SYN, "192.0.2.1", 2000, "203.0.113.80", 80);
	bp = tcp(PKT_SYN, "192.0.2.1", 1001, "203.0.113.80", 80);
	assert_way(&bp, "192.0.2.1", 1001, "10.0.0.2", 8080);
}
END_TEST

START_TEST(limits_refuse_with_rst)
{
	struct balance_packet bp;

	open_flow("192.0.2.1", 1, "203.0.113.81", "10.0.0.1", 8080);
	open_flow("192.0.2.1", 2, "203.0.113.81", "10.0.0.1", 8080);
	bp = tcp(PKT_SYN, "192.0.2.1", 3, "203.0.113.81", 80);
	ck_assert_int_eq(bp.reason, BALANCE_NO_BACKEND);
	assert_way(&bp, "203.0.113.81", 80, "192.0.2.1", 3);
	tcp(PKT_RST, "192.0.2.1", 1, "203.0.113.81", 80);
	open_flow("192.0.2.1", 3, "203.0.113.81", "10.0.0.1", 8080);
}
END_TEST

START_TEST(no_backend_does_what_the_service_says)
{
	struct balance_packet bp;

	bp = tcp(PKT_SYN, "192.0.2.1", 1, "203.0.113.82", 80);
	ck_assert_int_eq(bp.reason, BALANCE_NO_BACKEND);
	assert_way(&bp, "203.0.113.82", 80, "192.0.2.1", 1);
	bp = tcp(PKT_SYN, "192.0.2.1", 1, "203.0.113.83", 80);
	ck_assert_int_eq(bp.reason, BALANCE_NO_BACKEND);
	ck_assert_int_eq(bp.action, BALANCE_DROP);
}
END_TEST

START_TEST(unknown_flow_is_reset_or_resumed)
{
	struct balance_packet bp;

	bp = tcp(PKT_ACK, "192.0.2.1", 1, "203.0.113.80", 80);
	ck_assert_int_eq(bp.reason, BALANCE_UNKNOWN_FLOW);
	assert_way(&bp, "203.0.113.80", 80, "192.0.2.1", 1);
	bp = tcp(PKT_RST, "192.0.2.1", 1, "203.0.113.80", 80);
	ck_assert_int_eq(bp.action, BALANCE_DROP);
	bp = tcp(PKT_ACK, "192.0.2.1", 1, "203.0.113.85", 80);
	ck_assert_int_eq(bp.reason, BALANCE_RESUMED);
	bp = tcp(PKT_ACK, "192.0.2.1", 1, "203.0.113.85", 80);
	ck_assert_int_eq(bp.reason, BALANCE_CLIENT);
	bp = tcp(PKT_SYN | PKT_ACK, "192.0.2.1", 2, "203.0.113.85", 80);
	ck_assert_int_eq(bp.reason, BALANCE_UNKNOWN_FLOW);
}
END_TEST

/* The slot that a new flow went to. */
static uint32_t
slot_of(const char *client, uint16_t port, uint16_t dport)
{
	const struct balance_packet bp = tcp(PKT_SYN, client, port,
	    "203.0.113.84", dport);

	ck_assert_int_eq(bp.reason, BALANCE_NEW);
	return bp.backend;
}

START_TEST(persistence_holds_a_client_prefix_for_its_time)
{
	const uint32_t first = slot_of("192.0.2.1", 1, 21);
	int i;

	for (i = 2; i < 20; i++) {
		clock_ns += 30 * SECOND;
		ck_assert_uint_eq(slot_of("192.0.2.77", (uint16_t)i, 40000),
		    first);
	}
	ck_assert_uint_ne(slot_of("198.51.100.1", 1, 21), first);
	clock_ns += 61 * SECOND;
	slot_of("198.51.100.2", 1, 21);
	ck_assert_uint_ne(slot_of("192.0.2.1", 30, 21), first);
}
END_TEST

START_TEST(living_flow_keeps_its_persistence_alive)
{
	const uint32_t first = slot_of("192.0.2.1", 1, 21);
	int i;

	for (i = 0; i < 20; i++) {
		clock_ns += 20 * SECOND;
		ck_assert_int_eq(
		    tcp(PKT_ACK, "192.0.2.1", 1, "203.0.113.84", 21).reason,
		    BALANCE_CLIENT);
	}
	slot_of("198.51.100.2", 1, 21);
	ck_assert_uint_eq(slot_of("192.0.2.1", 2, 21), first);
	ck_assert_uint_eq(slot_of("192.0.2.1", 3, 21), first);
}
END_TEST

START_TEST(idle_flow_is_forgotten)
{
	struct balance_packet bp;

	open_flow("192.0.2.1", 1000, "203.0.113.80", "10.0.0.1", 8080);
	clock_ns += 899 * SECOND;
	bp = tcp(PKT_ACK, "192.0.2.1", 1000, "203.0.113.80", 80);
	ck_assert_int_eq(bp.reason, BALANCE_CLIENT);
	clock_ns += 901 * SECOND;
	bp = tcp(PKT_ACK, "10.0.0.1", 8080, "192.0.2.1", 1000);
	ck_assert_int_eq(bp.reason, BALANCE_NO_FLOW);
	ck_assert_uint_eq(b.backends[0].active, 0);
}
END_TEST

START_TEST(truncated_packet_is_never_sent)
{
	struct packet_spec spec = {
		.proto = IPPROTO_TCP,
		.flags = PKT_ACK,
		.src = "192.0.2.1",
		.dst = "203.0.113.80",
		.sport = 1000,
		.dport = 80,
		.payload = 100,
	};
	struct balance_packet bp;

	open_flow("192.0.2.1", 1000, "203.0.113.80", "10.0.0.1", 8080);
	packet_make(data, &spec);
	bp = decide(60);
	ck_assert_int_eq(bp.reason, BALANCE_TRUNCATED);
	ck_assert_int_eq(bp.action, BALANCE_DROP);
	spec.src = "10.0.0.1";
	spec.dst = "192.0.2.1";
	spec.sport = 8080;
	spec.dport = 1000;
	packet_make(data, &spec);
	bp = decide(60);
	ck_assert_int_eq(bp.action, BALANCE_DROP);
}
END_TEST

START_TEST(every_cut_of_a_packet_gets_one_verdict)
{
	struct packet_spec spec = {
		.proto = IPPROTO_UDP,
		.src = "192.0.2.1",
		.dst = "203.0.113.80",
		.sport = 1000,
		.dport = 53,
		.payload = 20,
	};
	struct balance_packet bp;
	size_t len, cut;

	for (spec.options = 0; spec.options <= 40; spec.options += 4) {
		len = packet_make(data, &spec);
		for (cut = 0; cut < len; cut++) {
			packet_make(data, &spec);
			if (random() % 2)
				put16(data + 2, (uint32_t)cut);
			bp = decide(cut);
			ck_assert_int_eq(bp.action, BALANCE_DROP);
			ck_assert_int_lt(bp.reason, BALANCE_REASONS);
			ck_assert_int_gt(bp.reason, BALANCE_OTHER_PROTO);
		}
	}
}
END_TEST

START_TEST(every_reason_has_a_name)
{
	const char *name = balance_reason_name((enum balance_reason)_i);

	ck_assert_ptr_nonnull(name);
	ck_assert_uint_gt(strlen(name), 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("balance");
	TCase *tc = tcase_create("all");

	seed_random("test_balance");
	tcase_add_checked_fixture(tc, setup, world_close);
	tcase_add_test(tc, flow_goes_there_and_back_with_port_translation);
	tcase_add_test(tc, ipv6_uses_backends_of_its_own_family);
	tcase_add_test(tc, udp_flow_goes_there_and_back);
	tcase_add_test(tc, closed_flow_counts_no_more_and_port_is_used_again);
	tcase_add_test(tc, what_is_not_ours_passes_untouched);
	tcase_add_loop_test(tc, port_ranges_end_where_they_say, 0, 8);
	tcase_add_test(tc, two_services_on_one_backend_do_not_mix);
	tcase_add_test(tc, limits_refuse_with_rst);
	tcase_add_test(tc, no_backend_does_what_the_service_says);
	tcase_add_test(tc, unknown_flow_is_reset_or_resumed);
	tcase_add_test(tc, persistence_holds_a_client_prefix_for_its_time);
	tcase_add_test(tc, living_flow_keeps_its_persistence_alive);
	tcase_add_test(tc, idle_flow_is_forgotten);
	tcase_add_test(tc, truncated_packet_is_never_sent);
	tcase_add_test(tc, every_cut_of_a_packet_gets_one_verdict);
	tcase_add_loop_test(tc, every_reason_has_a_name, 0, BALANCE_REASONS);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
