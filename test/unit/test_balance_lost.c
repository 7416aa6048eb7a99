/*
 * test_balance_lost.c - backends that fail: what becomes of their flows, who
 * gets the new ones, and what is told of a backend that does not answer.
 */
#include "balance_fixture.h"
#include "runner.h"
#include "seed.h"

#define CLIENT "192.0.2.1"
#define CLIENT6 "2001:db8::1"
#define VIP6 "2001:db8:80::80"

/* Slots 0, 1: IPv4; 2, 3: IPv6; 4, 5: the spare one of each. */
static const char config[] =
    "pools = (\n"
    "  { name = \"main\"; backup = \"spare\"; panic = \"all\"; backends = (\n"
    "    { address = \"10.0.0.1\"; port = 8080; },\n"
    "    { address = \"10.0.0.2\"; port = 8080; },\n"
    "    { address = \"fd00::1\"; }, { address = \"fd00::2\"; } ); },\n"
    "  { name = \"spare\"; backends = (\n"
    "    { address = \"10.0.0.8\"; port = 8080; },\n"
    "    { address = \"fd00::8\"; } ); },\n"
    "  { name = \"alone\"; backends = ( { address = \"10.0.0.9\"; } ); }\n"
    ");\n"
    "services = (\n"
    "  { name = \"t-reset\"; addresses = [ \"203.0.113.80\", \"" VIP6 "\" ];\n"
    "    protocol = \"tcp\"; ports = [ \"80\" ]; scheduler = \"rr\";\n"
    "    pool = \"main\"; on_down = \"reset\"; },\n"
    "  { name = \"t-move\"; addresses = [ \"203.0.113.81\" ];\n"
    "    protocol = \"tcp\"; ports = [ \"80\" ]; scheduler = \"rr\";\n"
    "    pool = \"main\"; on_down = \"move\"; },\n"
    "  { name = \"t-keep\"; addresses = [ \"203.0.113.82\" ];\n"
    "    protocol = \"tcp\"; ports = [ \"80\" ]; scheduler = \"rr\";\n"
    "    pool = \"main\"; on_down = \"keep\"; },\n"
    "  { name = \"u-reset\"; addresses = [ \"203.0.113.80\" ];\n"
    "    protocol = \"udp\"; ports = [ \"80\" ]; scheduler = \"rr\";\n"
    "    pool = \"main\"; on_down = \"reset\"; },\n"
    "  { name = \"u-move\"; addresses = [ \"203.0.113.81\" ];\n"
    "    protocol = \"udp\"; ports = [ \"80\" ]; scheduler = \"rr\";\n"
    "    pool = \"main\"; on_down = \"move\"; },\n"
    "  { name = \"u-keep\"; addresses = [ \"203.0.113.82\" ];\n"
    "    protocol = \"udp\"; ports = [ \"80\" ]; scheduler = \"rr\";\n"
    "    pool = \"main\"; on_down = \"keep\"; },\n"
    "  { name = \"sticky\"; addresses = [ \"203.0.113.84\" ];\n"
    "    protocol = \"tcp\"; ports = [ \"80\" ]; scheduler = \"rr\";\n"
    "    pool = \"main\"; on_down = \"move\";\n"
    "    persistence = { timeout = \"60s\"; }; },\n"
    "  { name = \"quiet\"; addresses = [ \"203.0.113.85\" ];\n"
    "    protocol = \"tcp\"; ports = [ \"80\" ]; pool = \"alone\";\n"
    "    no_backend = \"drop\"; },\n"
    "  { name = \"alone\"; addresses = [ \"203.0.113.86\" ];\n"
    "    protocol = \"tcp\"; ports = [ \"80\" ]; pool = \"alone\";\n"
    "    on_down = \"move\"; }\n"
    ");\n";

static void
setup(void)
{
	world_open(config);
}

static void
lose(uint32_t slot)
{
	b.backends[slot].health = HEALTH_DOWN;
}

static void
set_mode(enum table_family family, enum pool_mode mode)
{
	const struct addr vip = { { [10] = 0xff, 0xff, 203, 0, 113, 80 } };
	const struct table_service *s = table_find_service(table,
	    table_find_addr(table, &vip), IPPROTO_TCP, 80);

	pools[s->pool].mode[family] = (uint8_t)mode;
}

static struct balance_packet
from_client(uint8_t proto, uint8_t flags, const char *vip)
{
	return packet(proto, flags, CLIENT, 1000, vip, 80);
}

/* A flow in full swing, on the backend of slot 0. */
static void
open_known(uint8_t proto, const char *vip)
{
	if (proto == IPPROTO_TCP) {
		open_flow(CLIENT, 1000, vip, "10.0.0.1", 8080);
		return;
	}
	ck_assert_int_eq(from_client(proto, 0, vip).reason, BALANCE_NEW);
	ck_assert_int_eq(
	    packet(proto, 0, "10.0.0.1", 8080, CLIENT, 1000).reason,
	    BALANCE_REPLY);
}

enum outcome {
	GOES_ON, /* to the lost backend */
	RESET,   /* answered, and forgotten */
	ENDED,   /* forgotten without an answer */
	RENEWED, /* a new flow on another backend */
	MOVED,
};

static const struct lost_case {
	const char *vip;
	uint8_t proto, flags;
	enum outcome outcome;
} lost_cases[] = {
	{ "203.0.113.80", IPPROTO_TCP, PKT_ACK, RESET },
	{ "203.0.113.80", IPPROTO_TCP, PKT_FIN | PKT_ACK, RESET },
	{ "203.0.113.80", IPPROTO_TCP, PKT_SYN | PKT_ACK, RESET },
	{ "203.0.113.80", IPPROTO_TCP, 0, RESET },
	{ "203.0.113.80", IPPROTO_TCP, PKT_RST, ENDED },
	{ "203.0.113.80", IPPROTO_TCP, PKT_RST | PKT_ACK, ENDED },
	{ "203.0.113.80", IPPROTO_TCP, PKT_SYN, RENEWED },
	{ "203.0.113.81", IPPROTO_TCP, PKT_ACK, MOVED },
	{ "203.0.113.81", IPPROTO_TCP, PKT_FIN | PKT_ACK, MOVED },
	{ "203.0.113.81", IPPROTO_TCP, PKT_SYN | PKT_ACK, MOVED },
	{ "203.0.113.81", IPPROTO_TCP, 0, MOVED },
	{ "203.0.113.81", IPPROTO_TCP, PKT_SYN, MOVED },
	{ "203.0.113.81", IPPROTO_TCP, PKT_RST, ENDED },
	{ "203.0.113.82", IPPROTO_TCP, PKT_ACK, GOES_ON },
	{ "203.0.113.82", IPPROTO_TCP, PKT_FIN | PKT_ACK, GOES_ON },
	{ "203.0.113.82", IPPROTO_TCP, PKT_SYN, GOES_ON },
	{ "203.0.113.82", IPPROTO_TCP, PKT_RST, GOES_ON },
	{ "203.0.113.80", IPPROTO_UDP, 0, MOVED },
	{ "203.0.113.81", IPPROTO_UDP, 0, MOVED },
	{ "203.0.113.82", IPPROTO_UDP, 0, GOES_ON },
};

#define LOST_CASES (int)(sizeof(lost_cases) / sizeof(lost_cases[0]))

static void
check_outcome(const struct balance_packet *bp, const struct lost_case *lc)
{
	static const enum balance_reason reasons[] = {
		[GOES_ON] = BALANCE_CLIENT,
		[RESET] = BALANCE_BACKEND_DOWN,
		[ENDED] = BALANCE_BACKEND_DOWN,
		[RENEWED] = BALANCE_NEW,
		[MOVED] = BALANCE_MOVED,
	};
	const bool gone = lc->outcome == RESET || lc->outcome == ENDED;
	const bool other = lc->outcome == RENEWED || lc->outcome == MOVED;

	ck_assert_int_eq(bp->reason, reasons[lc->outcome]);
	ck_assert_uint_eq(bp->refused, lc->outcome == RESET);
	ck_assert_uint_eq(b.backends[1].active, other);
	ck_assert_uint_eq(flows_used(), !gone);
	if (lc->outcome == ENDED)
		ck_assert_int_eq(bp->action, BALANCE_DROP);
	else if (lc->outcome == RESET)
		assert_way(bp, lc->vip, 80, CLIENT, 1000);
	else
		assert_way(bp, CLIENT, 1000, other ? "10.0.0.2" : "10.0.0.1",
		    8080);
	if (other)
		ck_assert_uint_eq(bp->backend, 1);
}

START_TEST(a_flow_of_a_lost_backend_does_what_the_service_says)
{
	const struct lost_case *lc = &lost_cases[_i % LOST_CASES];
	struct balance_packet bp;

	open_known(lc->proto, lc->vip);
	ck_assert_uint_eq(b.backends[0].active, 1);
	if (_i / LOST_CASES == 0)
		lose(0);
	else if (_i / LOST_CASES == 1)
		b.backends[0].admin = ADMIN_MAINT;
	else
		b.backends[0].agent_admin = ADMIN_MAINT;
	bp = from_client(lc->proto, lc->flags, lc->vip);
	check_outcome(&bp, lc);
	ck_assert_uint_eq(b.backends[0].active,
	    lc->outcome == GOES_ON && !(lc->flags & PKT_RST));
	if (lc->outcome != MOVED)
		return;
	/* It is a flow like others from now on. */
	bp = from_client(lc->proto, lc->proto == IPPROTO_TCP ? PKT_ACK : 0,
	    lc->vip);
	ck_assert_int_eq(bp.reason, BALANCE_CLIENT);
	assert_way(&bp, CLIENT, 1000, "10.0.0.2", 8080);
	bp = packet(lc->proto, PKT_ACK, "10.0.0.2", 8080, CLIENT, 1000);
	ck_assert_int_eq(bp.reason, BALANCE_REPLY);
	assert_way(&bp, lc->vip, 80, CLIENT, 1000);
}
END_TEST

START_TEST(nothing_happens_to_flows_of_other_backends)
{
	const struct lost_case *lc = &lost_cases[_i];

	open_known(lc->proto, lc->vip);
	lose(1);
	b.backends[2].admin = ADMIN_MAINT;
	ck_assert_int_eq(from_client(lc->proto, lc->flags, lc->vip).reason,
	    BALANCE_CLIENT);
}
END_TEST

START_TEST(a_drained_backend_keeps_its_flows)
{
	const struct lost_case *lc = &lost_cases[_i];

	open_known(lc->proto, lc->vip);
	b.backends[0].admin = ADMIN_DRAIN;
	b.backends[0].share = 0;
	ck_assert_int_eq(from_client(lc->proto, lc->flags, lc->vip).reason,
	    BALANCE_CLIENT);
}
END_TEST

START_TEST(a_panic_keeps_the_flows_of_the_dead_but_not_of_maintenance)
{
	open_known(IPPROTO_TCP, "203.0.113.80");
	lose(0);
	set_mode(TABLE_V6, POOL_PANIC);
	set_mode(TABLE_V4, POOL_PANIC);
	ck_assert_int_eq(
	    from_client(IPPROTO_TCP, PKT_ACK, "203.0.113.80").reason,
	    BALANCE_CLIENT);
	b.backends[0].admin = ADMIN_MAINT;
	ck_assert_int_eq(
	    from_client(IPPROTO_TCP, PKT_ACK, "203.0.113.80").reason,
	    BALANCE_BACKEND_DOWN);
}
END_TEST

START_TEST(a_panic_of_the_other_family_means_nothing)
{
	open_known(IPPROTO_TCP, "203.0.113.80");
	lose(0);
	lose(1);
	set_mode(TABLE_V6, POOL_PANIC);
	ck_assert_int_eq(
	    from_client(IPPROTO_TCP, PKT_ACK, "203.0.113.80").reason,
	    BALANCE_BACKEND_DOWN);
	ck_assert_int_eq(
	    from_client(IPPROTO_TCP, PKT_SYN, "203.0.113.80").reason,
	    BALANCE_NO_BACKEND);
}
END_TEST

START_TEST(ipv6_flows_are_reset_too)
{
	struct balance_packet bp;

	open_flow(CLIENT6, 1000, VIP6, "fd00::1", 80);
	lose(2);
	bp = tcp(PKT_ACK, CLIENT6, 1000, VIP6, 80);
	ck_assert_int_eq(bp.reason, BALANCE_BACKEND_DOWN);
	assert_way(&bp, VIP6, 80, CLIENT6, 1000);
	open_flow(CLIENT6, 1000, VIP6, "fd00::2", 80);
}
END_TEST

START_TEST(a_closed_flow_of_a_lost_backend_is_left_alone)
{
	static const char *const vips[] = { "203.0.113.80", "203.0.113.81",
		"203.0.113.82" };

	open_known(IPPROTO_TCP, vips[_i]);
	from_client(IPPROTO_TCP, PKT_FIN | PKT_ACK, vips[_i]);
	tcp(PKT_FIN | PKT_ACK, "10.0.0.1", 8080, CLIENT, 1000);
	lose(0);
	ck_assert_int_eq(from_client(IPPROTO_TCP, PKT_ACK, vips[_i]).reason,
	    BALANCE_CLIENT);
	ck_assert_uint_eq(flows_used(), 1);
}
END_TEST

START_TEST(the_last_bytes_of_a_lost_backend_still_arrive)
{
	struct balance_packet bp;

	open_known(IPPROTO_TCP, "203.0.113.80");
	lose(0);
	bp = tcp(PKT_ACK, "10.0.0.1", 8080, CLIENT, 1000);
	ck_assert_int_eq(bp.reason, BALANCE_REPLY);
	assert_way(&bp, "203.0.113.80", 80, CLIENT, 1000);
	from_client(IPPROTO_TCP, PKT_ACK, "203.0.113.80");
	bp = tcp(PKT_ACK, "10.0.0.1", 8080, CLIENT, 1000);
	ck_assert_int_eq(bp.reason, BALANCE_NO_FLOW);
}
END_TEST

static struct balance_packet
gso_packet(const char *vip)
{
	const struct packet_spec spec = { .proto = IPPROTO_TCP,
		.flags = PKT_ACK,
		.src = CLIENT,
		.dst = vip,
		.sport = 1000,
		.dport = 80,
		.payload = 3000 };
	struct balance_packet bp = { .data = data, .gso = true };

	bp.len = (uint32_t)packet_make(data, &spec);
	bp.csum = REWRITE_CSUM_DONE;
	balance_time(&b, clock_ns);
	balance_prepare(&b, &bp);
	balance_fetch(&b, &bp);
	balance_decide(&b, &bp);
	return bp;
}

START_TEST(a_gso_packet_leaves_the_reset_to_the_next)
{
	struct balance_packet bp;

	open_known(IPPROTO_TCP, "203.0.113.80");
	lose(0);
	bp = gso_packet("203.0.113.80");
	ck_assert_int_eq(bp.reason, BALANCE_BACKEND_DOWN);
	ck_assert_int_eq(bp.action, BALANCE_DROP);
	bp = from_client(IPPROTO_TCP, PKT_ACK, "203.0.113.80");
	ck_assert_int_eq(bp.reason, BALANCE_BACKEND_DOWN);
	assert_way(&bp, "203.0.113.80", 80, CLIENT, 1000);
	ck_assert_uint_eq(flows_used(), 0);
}
END_TEST

START_TEST(a_gso_packet_moves_like_any_other)
{
	open_known(IPPROTO_TCP, "203.0.113.81");
	lose(0);
	ck_assert_int_eq(gso_packet("203.0.113.81").reason, BALANCE_MOVED);
	ck_assert_int_eq(gso_packet("203.0.113.81").reason, BALANCE_CLIENT);
}
END_TEST

START_TEST(dropped_flows_wait_in_vain_and_are_then_forgotten)
{
	open_known(IPPROTO_TCP, "203.0.113.80");
	lose(0);
	clock_ns += 800 * SECOND;
	gso_packet("203.0.113.80");
	clock_ns += 200 * SECOND;
	ck_assert_int_eq(gso_packet("203.0.113.80").reason,
	    BALANCE_UNKNOWN_FLOW);
	ck_assert_uint_eq(b.backends[0].active, 0);
}
END_TEST

START_TEST(with_nowhere_to_move_to_it_is_as_without_a_backend)
{
	struct balance_packet bp;

	open_flow(CLIENT, 1000, "203.0.113.86", "10.0.0.9", 80);
	lose(6);
	bp = from_client(IPPROTO_TCP, PKT_ACK, "203.0.113.86");
	ck_assert_int_eq(bp.reason, BALANCE_NO_BACKEND);
	assert_way(&bp, "203.0.113.86", 80, CLIENT, 1000);
	ck_assert_uint_eq(flows_used(), 0);
	/* No answer to a packet without a flow, but one for its end. */
	b.backends[6].health = HEALTH_UP;
	open_flow(CLIENT, 1000, "203.0.113.85", "10.0.0.9", 80);
	lose(6);
	bp = from_client(IPPROTO_TCP, PKT_ACK, "203.0.113.85");
	ck_assert_int_eq(bp.reason, BALANCE_BACKEND_DOWN);
	ck_assert_uint_eq(bp.refused, 1);
	bp = from_client(IPPROTO_TCP, PKT_ACK, "203.0.113.85");
	ck_assert_int_eq(bp.action, BALANCE_DROP);
}
END_TEST

START_TEST(a_moved_flow_takes_its_clients_persistence_along)
{
	struct balance_packet bp;

	open_flow(CLIENT, 1000, "203.0.113.84", "10.0.0.1", 8080);
	lose(0);
	bp = from_client(IPPROTO_TCP, PKT_ACK, "203.0.113.84");
	ck_assert_int_eq(bp.reason, BALANCE_MOVED);
	b.backends[0].health = HEALTH_UP;
	for (uint16_t port = 2000; port < 2005; port++) {
		bp = tcp(PKT_SYN, CLIENT, port, "203.0.113.84", 80);
		ck_assert_int_eq(bp.reason, BALANCE_NEW);
		ck_assert_uint_eq(bp.backend, 1);
	}
}
END_TEST

START_TEST(a_moved_flow_counts_against_limits)
{
	open_known(IPPROTO_TCP, "203.0.113.81");
	b.backends[1].agent_max = 1;
	b.backends[1].active = 1;
	lose(0);
	ck_assert_int_eq(
	    from_client(IPPROTO_TCP, PKT_ACK, "203.0.113.81").reason,
	    BALANCE_NO_BACKEND);
	ck_assert_uint_eq(b.backends[1].active, 1);
	ck_assert_uint_eq(flows_used(), 0);
}
END_TEST

static uint32_t
slot_of_new(const char *client, const char *vip, uint16_t port)
{
	const struct balance_packet bp = tcp(PKT_SYN, client, port, vip, 80);

	return bp.reason == BALANCE_NEW ? bp.backend : UINT32_MAX;
}

START_TEST(an_agents_limit_counts_like_the_operators)
{
	const uint32_t limits[][3] = { { 0, 3, 3 }, { 3, 0, 3 }, { 3, 9, 3 },
		{ 9, 3, 3 } };
	uint32_t taken = 0;

	b.backends[1].max_connections = limits[_i][0];
	b.backends[1].agent_max = limits[_i][1];
	lose(0);
	for (uint16_t port = 1; port < 20; port++)
		taken += slot_of_new(CLIENT, "203.0.113.80", port) == 1;
	ck_assert_uint_eq(taken, limits[_i][2]);
	ck_assert_uint_eq(b.backends[1].active, limits[_i][2]);
}
END_TEST

START_TEST(the_backup_pool_gets_new_flows_of_its_family_only)
{
	open_known(IPPROTO_TCP, "203.0.113.80");
	set_mode(TABLE_V4, POOL_BACKUP);
	for (uint16_t port = 1; port < 9; port++) {
		ck_assert_uint_eq(slot_of_new(CLIENT, "203.0.113.80", port), 4);
		ck_assert_uint_lt(slot_of_new(CLIENT6, VIP6, port), 4);
	}
	/* What is there stays, and comes back with the mode. */
	ck_assert_int_eq(
	    from_client(IPPROTO_TCP, PKT_ACK, "203.0.113.80").reason,
	    BALANCE_CLIENT);
	set_mode(TABLE_V4, POOL_NORMAL);
	ck_assert_uint_lt(slot_of_new(CLIENT, "203.0.113.80", 99), 2);
	ck_assert_int_eq(tcp(PKT_ACK, CLIENT, 1, "203.0.113.80", 80).reason,
	    BALANCE_CLIENT);
	set_mode(TABLE_V6, POOL_BACKUP);
	ck_assert_uint_eq(slot_of_new(CLIENT6, VIP6, 99), 5);
}
END_TEST

START_TEST(flows_move_to_the_backup_pool_and_away_from_it)
{
	open_known(IPPROTO_TCP, "203.0.113.81");
	lose(0);
	lose(1);
	set_mode(TABLE_V4, POOL_BACKUP);
	ck_assert_uint_eq(
	    from_client(IPPROTO_TCP, PKT_ACK, "203.0.113.81").backend, 4);
	lose(4);
	ck_assert_int_eq(
	    from_client(IPPROTO_TCP, PKT_ACK, "203.0.113.81").reason,
	    BALANCE_NO_BACKEND);
}
END_TEST

START_TEST(a_panic_of_the_pool_is_one_for_flows_on_its_backup)
{
	set_mode(TABLE_V4, POOL_BACKUP);
	ck_assert_uint_eq(slot_of_new(CLIENT, "203.0.113.80", 1), 4);
	lose(4);
	set_mode(TABLE_V4, POOL_PANIC);
	ck_assert_int_eq(tcp(PKT_ACK, CLIENT, 1, "203.0.113.80", 80).reason,
	    BALANCE_CLIENT);
	set_mode(TABLE_V4, POOL_BACKUP);
	ck_assert_int_eq(tcp(PKT_ACK, CLIENT, 1, "203.0.113.80", 80).reason,
	    BALANCE_BACKEND_DOWN);
}
END_TEST

START_TEST(a_pool_without_a_backup_serves_itself)
{
	for (uint32_t pool = 0; pool < table->npools; pool++)
		pools[pool].mode[TABLE_V4] = POOL_BACKUP;
	ck_assert_uint_eq(slot_of_new(CLIENT, "203.0.113.86", 1), 6);
}
END_TEST

START_TEST(in_a_panic_the_dead_get_new_flows_by_turns)
{
	lose(0);
	lose(1);
	ck_assert_uint_eq(slot_of_new(CLIENT, "203.0.113.80", 1), UINT32_MAX);
	set_mode(TABLE_V4, POOL_PANIC);
	ck_assert_uint_eq(slot_of_new(CLIENT, "203.0.113.80", 2), 0);
	ck_assert_uint_eq(slot_of_new(CLIENT, "203.0.113.80", 3), 1);
	b.backends[0].admin = ADMIN_DRAIN;
	ck_assert_uint_eq(slot_of_new(CLIENT, "203.0.113.80", 4), 1);
	ck_assert_uint_eq(slot_of_new(CLIENT, "203.0.113.80", 5), 1);
}
END_TEST

START_TEST(persistence_stays_within_the_pool_in_use)
{
	const uint32_t first = slot_of_new(CLIENT, "203.0.113.84", 1);

	ck_assert_uint_lt(first, 2);
	set_mode(TABLE_V4, POOL_BACKUP);
	ck_assert_uint_eq(slot_of_new(CLIENT, "203.0.113.84", 2), 4);
	set_mode(TABLE_V4, POOL_NORMAL);
	ck_assert_uint_lt(slot_of_new(CLIENT, "203.0.113.84", 3), 2);
}
END_TEST

START_TEST(persistence_to_a_lost_backend_is_not_used)
{
	const uint32_t first = slot_of_new(CLIENT, "203.0.113.84", 1);

	lose(first);
	ck_assert_uint_eq(slot_of_new(CLIENT, "203.0.113.84", 2), 1 - first);
	b.backends[first].health = HEALTH_UP;
	ck_assert_uint_eq(slot_of_new(CLIENT, "203.0.113.84", 3), 1 - first);
}
END_TEST

static void
assert_suspicions(uint32_t count)
{
	ck_assert_uint_eq(b.backends[0].suspect, count);
	ck_assert_uint_eq(suspicions, count);
}

START_TEST(each_syn_sent_again_counts_against_the_backend_once)
{
	from_client(IPPROTO_TCP, PKT_SYN, "203.0.113.80");
	assert_suspicions(0);
	for (uint32_t i = 1; i < 5; i++) {
		from_client(IPPROTO_TCP, PKT_SYN, "203.0.113.80");
		assert_suspicions(i);
	}
	tcp(PKT_SYN | PKT_ACK, "10.0.0.1", 8080, CLIENT, 1000);
	from_client(IPPROTO_TCP, PKT_SYN, "203.0.113.80");
	assert_suspicions(4);
}
END_TEST

START_TEST(a_reset_instead_of_an_answer_counts_and_is_passed_on)
{
	struct balance_packet bp;

	from_client(IPPROTO_TCP, PKT_SYN, "203.0.113.80");
	bp = tcp(PKT_RST | PKT_ACK, "10.0.0.1", 8080, CLIENT, 1000);
	ck_assert_int_eq(bp.reason, BALANCE_REPLY);
	assert_way(&bp, "203.0.113.80", 80, CLIENT, 1000);
	assert_suspicions(1);
	tcp(PKT_RST | PKT_ACK, "10.0.0.1", 8080, CLIENT, 1000);
	assert_suspicions(1);
	ck_assert_uint_eq(b.backends[0].active, 0);
}
END_TEST

START_TEST(nothing_else_makes_a_backend_suspect)
{
	open_known(IPPROTO_TCP, "203.0.113.80");
	from_client(IPPROTO_TCP, PKT_SYN, "203.0.113.80");
	tcp(PKT_RST, "10.0.0.1", 8080, CLIENT, 1000);
	from_client(IPPROTO_TCP, PKT_SYN, "203.0.113.80");
	from_client(IPPROTO_TCP, PKT_RST, "203.0.113.80");
	tcp(PKT_SYN, CLIENT, 2000, "203.0.113.81", 80);
	tcp(PKT_ACK, CLIENT, 2000, "203.0.113.81", 80);
	tcp(PKT_SYN | PKT_ACK, CLIENT, 2000, "203.0.113.81", 80);
	tcp(PKT_RST, CLIENT, 2000, "203.0.113.81", 80);
	for (int i = 0; i < 3; i++) {
		from_client(IPPROTO_UDP, 0, "203.0.113.80");
		packet(IPPROTO_UDP, 0, "10.0.0.1", 8080, CLIENT, 1000);
	}
	for (uint32_t slot = 0; slot < 7; slot++)
		ck_assert_uint_eq(b.backends[slot].suspect, 0);
	ck_assert_uint_eq(suspicions, 0);
}
END_TEST

START_TEST(whatever_happens_counts_and_links_are_right)
{
	static const char *const vips[] = { "203.0.113.80", "203.0.113.81",
		"203.0.113.82", "203.0.113.84" };
	static const uint8_t flags[] = { PKT_SYN, PKT_ACK, PKT_ACK,
		PKT_FIN | PKT_ACK, PKT_RST };
	uint32_t active = 0;
	struct flow_usage usage;

	for (int i = 0; i < 20000; i++) {
		const uint32_t slot = (uint32_t)random() % 7;
		const uint8_t proto = random() % 4 ? IPPROTO_TCP : IPPROTO_UDP;
		const bool reply = random() % 3 == 0;
		const char *other = slot == 0 ? "10.0.0.1" : "10.0.0.2";
		const uint16_t port = (uint16_t)(random() % 50 + 1);
		struct balance_packet bp;

		if (random() % 20 == 0)
			b.backends[slot].health = (uint8_t)(random() % 3);
		if (random() % 40 == 0)
			b.backends[slot].agent_admin = (uint8_t)(random() % 3);
		if (random() % 40 == 0)
			set_mode(TABLE_V4, (enum pool_mode)(random() % 3));
		bp = packet(proto, flags[random() % 5], reply ? other : CLIENT,
		    reply ? 8080 : port, reply ? CLIENT : vips[random() % 4],
		    reply ? port : 80);
		ck_assert_int_lt(bp.reason, BALANCE_REASONS);
		ck_assert(bp.reason != BALANCE_CLIENT ||
		    bp.action == BALANCE_SEND);
	}
	flows_used();
	flow_usage(&b.flows, &usage);
	for (uint32_t slot = 0; slot < 7; slot++)
		active += b.backends[slot].active;
	ck_assert_uint_eq(active,
	    usage.used - usage.class[FLOW_CLOSED] - usage.class[FLOW_PERSIST]);
}
END_TEST

static TCase *
lost(void)
{
	TCase *tc = tcase_create("lost");

	tcase_add_checked_fixture(tc, setup, world_close);
	tcase_add_loop_test(tc,
	    a_flow_of_a_lost_backend_does_what_the_service_says, 0,
	    3 * LOST_CASES);
	tcase_add_loop_test(tc, nothing_happens_to_flows_of_other_backends, 0,
	    LOST_CASES);
	tcase_add_loop_test(tc, a_drained_backend_keeps_its_flows, 0,
	    LOST_CASES);
	tcase_add_test(tc,
	    a_panic_keeps_the_flows_of_the_dead_but_not_of_maintenance);
	tcase_add_test(tc, a_panic_of_the_other_family_means_nothing);
	tcase_add_test(tc, ipv6_flows_are_reset_too);
	tcase_add_loop_test(tc, a_closed_flow_of_a_lost_backend_is_left_alone,
	    0, 3);
	tcase_add_test(tc, the_last_bytes_of_a_lost_backend_still_arrive);
	tcase_add_test(tc, a_gso_packet_leaves_the_reset_to_the_next);
	tcase_add_test(tc, a_gso_packet_moves_like_any_other);
	tcase_add_test(tc, dropped_flows_wait_in_vain_and_are_then_forgotten);
	tcase_add_test(tc, with_nowhere_to_move_to_it_is_as_without_a_backend);
	tcase_add_test(tc, a_moved_flow_takes_its_clients_persistence_along);
	tcase_add_test(tc, a_moved_flow_counts_against_limits);
	tcase_add_test(tc, whatever_happens_counts_and_links_are_right);
	return tc;
}

static TCase *
modes(void)
{
	TCase *tc = tcase_create("modes");

	tcase_add_checked_fixture(tc, setup, world_close);
	tcase_add_loop_test(tc, an_agents_limit_counts_like_the_operators, 0,
	    4);
	tcase_add_test(tc, the_backup_pool_gets_new_flows_of_its_family_only);
	tcase_add_test(tc, flows_move_to_the_backup_pool_and_away_from_it);
	tcase_add_test(tc, a_panic_of_the_pool_is_one_for_flows_on_its_backup);
	tcase_add_test(tc, a_pool_without_a_backup_serves_itself);
	tcase_add_test(tc, in_a_panic_the_dead_get_new_flows_by_turns);
	tcase_add_test(tc, persistence_stays_within_the_pool_in_use);
	tcase_add_test(tc, persistence_to_a_lost_backend_is_not_used);
	return tc;
}

static TCase *
passive(void)
{
	TCase *tc = tcase_create("passive");

	tcase_add_checked_fixture(tc, setup, world_close);
	tcase_add_test(tc, each_syn_sent_again_counts_against_the_backend_once);
	tcase_add_test(tc,
	    a_reset_instead_of_an_answer_counts_and_is_passed_on);
	tcase_add_test(tc, nothing_else_makes_a_backend_suspect);
	return tc;
}

int
main(void)
{
	Suite *suite = suite_create("balance_lost");

	seed_random("test_balance_lost");
	suite_add_tcase(suite, lost());
	suite_add_tcase(suite, modes());
	suite_add_tcase(suite, passive());
	return run_suite(suite);
}
