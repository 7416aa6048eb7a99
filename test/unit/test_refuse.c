/*
 * test_refuse.c - the answers to refused packets, field by field.
 */
#include <check.h>

#include "loaded/refuse.h"
#include "packets.h"
#include "runner.h"

static const char *const clients[] = { "192.0.2.1", "2001:db8::1" };
static const char *const vips[] = { "203.0.113.80", "2001:db8:80::80" };

static uint8_t data[4096];

static size_t
refuse(bool v6, uint8_t proto, uint8_t flags, size_t payload,
    enum pkt_result *parsed)
{
	const struct packet_spec spec = {
		.v6 = v6,
		.proto = proto,
		.flags = flags,
		.src = clients[v6],
		.dst = vips[v6],
		.sport = 40000,
		.dport = 80,
		.payload = payload,
	};
	const size_t len = packet_make(data, &spec);
	struct pkt p;

	*parsed = pkt_parse(&p, data, len);
	return refuse_packet(&p);
}

static void
check_tcp(int v6, uint32_t seq, uint32_t ack, uint8_t flags, size_t len)
{
	enum pkt_result result;
	struct pkt p;
	char text[ADDR_STRLEN];
	uint8_t *tcp;

	ck_assert_uint_eq(len, v6 ? 60 : 40);
	ck_assert(packet_good(data, len, IPPROTO_TCP));
	result = pkt_parse(&p, data, len);
	ck_assert_int_eq(result, PKT_OK);
	ck_assert_str_eq(addr_format(&p.src, text), vips[v6]);
	ck_assert_str_eq(addr_format(&p.dst, text), clients[v6]);
	ck_assert_uint_eq(ntohs(p.sport_be), 80);
	ck_assert_uint_eq(ntohs(p.dport_be), 40000);
	tcp = data + p.l4_off;
	ck_assert_uint_eq((uint32_t)get16(tcp + 4) << 16 | get16(tcp + 6), seq);
	ck_assert_uint_eq((uint32_t)get16(tcp + 8) << 16 | get16(tcp + 10),
	    ack);
	ck_assert_uint_eq(tcp[13], flags);
}

START_TEST(syn_gets_rst_that_acknowledges_it)
{
	enum pkt_result parsed;

	check_tcp(_i, 0, 1001, PKT_RST | PKT_ACK,
	    refuse(_i, IPPROTO_TCP, PKT_SYN, 0, &parsed));
}
END_TEST

START_TEST(data_without_ack_is_counted)
{
	enum pkt_result parsed;

	check_tcp(_i, 0, 1000 + 33 + 1, PKT_RST | PKT_ACK,
	    refuse(_i, IPPROTO_TCP, PKT_FIN, 33, &parsed));
}
END_TEST

START_TEST(ack_gets_rst_at_its_number)
{
	enum pkt_result parsed;

	check_tcp(_i, 2000, 0, PKT_RST,
	    refuse(_i, IPPROTO_TCP, PKT_ACK, 100, &parsed));
}
END_TEST

START_TEST(rst_gets_no_answer)
{
	enum pkt_result parsed;

	ck_assert_uint_eq(refuse(_i, IPPROTO_TCP, PKT_RST, 0, &parsed), 0);
}
END_TEST

START_TEST(udp_gets_port_unreachable_with_a_quote)
{
	uint8_t before[4096];
	enum pkt_result parsed;
	size_t payload, len, head = _i ? 48 : 28, max = _i ? 1280 : 576;

	for (payload = 0; payload < 2000; payload += 333) {
		struct packet_spec spec = {
			.v6 = _i,
			.proto = IPPROTO_UDP,
			.src = clients[_i],
			.dst = vips[_i],
			.sport = 40000,
			.dport = 80,
			.payload = payload,
		};
		const size_t whole = packet_make(before, &spec);
		struct pkt p;

		memcpy(data, before, whole);
		parsed = pkt_parse(&p, data, whole);
		ck_assert_int_eq(parsed, PKT_OK);
		len = refuse_packet(&p);
		ck_assert_uint_eq(len, head + whole < max ? head + whole : max);
		ck_assert_mem_eq(data + head, before, len - head);
		ck_assert(packet_good(data, len,
		    _i ? IPPROTO_ICMPV6 : IPPROTO_ICMP));
		ck_assert_uint_eq(data[head - 8], _i ? 1 : 3);
		ck_assert_uint_eq(data[head - 7], _i ? 4 : 3);
	}
}
END_TEST

START_TEST(no_answer_where_none_is_owed)
{
	struct packet_spec spec = {
		.proto = IPPROTO_TCP,
		.flags = PKT_SYN,
		.src = "224.0.0.1",
		.dst = vips[0],
		.sport = 1,
		.dport = 80,
	};
	struct pkt p;
	size_t len = packet_make(data, &spec);

	ck_assert_int_eq(pkt_parse(&p, data, len), PKT_OK);
	ck_assert_uint_eq(refuse_packet(&p), 0);
	spec.src = "0.0.0.0";
	len = packet_make(data, &spec);
	ck_assert_int_eq(pkt_parse(&p, data, len), PKT_OK);
	ck_assert_uint_eq(refuse_packet(&p), 0);
	spec.src = clients[0];
	len = packet_make(data, &spec);
	put16(data + 6, 0x2000);
	ck_assert_int_eq(pkt_parse(&p, data, len), PKT_OK);
	ck_assert_uint_eq(refuse_packet(&p), 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("refuse");
	TCase *tc = tcase_create("all");

	tcase_add_loop_test(tc, syn_gets_rst_that_acknowledges_it, 0, 2);
	tcase_add_loop_test(tc, data_without_ack_is_counted, 0, 2);
	tcase_add_loop_test(tc, ack_gets_rst_at_its_number, 0, 2);
	tcase_add_loop_test(tc, rst_gets_no_answer, 0, 2);
	tcase_add_loop_test(tc, udp_gets_port_unreachable_with_a_quote, 0, 2);
	tcase_add_test(tc, no_answer_where_none_is_owed);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
