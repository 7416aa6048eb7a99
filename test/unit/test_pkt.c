/*
 * test_pkt.c - parsing: what is found, and that nothing behind the end is
 * looked at (each packet stands in memory of exactly its length).
 */
#include <check.h>
#include <stdlib.h>

#include "loaded/pkt.h"
#include "packets.h"
#include "runner.h"
#include "seed.h"

static const struct packet_spec tcp4 = {
	.proto = IPPROTO_TCP,
	.flags = PKT_SYN,
	.src = "192.0.2.1",
	.dst = "203.0.113.80",
	.sport = 40000,
	.dport = 80,
	.payload = 11,
};
static const struct packet_spec udp6 = {
	.v6 = true,
	.proto = IPPROTO_UDP,
	.src = "2001:db8::1",
	.dst = "2001:db8:80::80",
	.sport = 5353,
	.dport = 53,
	.payload = 7,
};

static enum pkt_result
parse_exact(struct pkt *p, const uint8_t *data, size_t len)
{
	uint8_t *copy = malloc(len > 0 ? len : 1);
	enum pkt_result result;

	ck_assert_ptr_nonnull(copy);
	memcpy(copy, data, len);
	result = pkt_parse(p, copy, len);
	free(copy);
	return result;
}

START_TEST(tcp_over_ipv4_with_options)
{
	struct packet_spec spec = tcp4;
	uint8_t data[128];
	struct pkt p;
	char text[ADDR_STRLEN];

	spec.options = 40;
	ck_assert_int_eq(parse_exact(&p, data, packet_make(data, &spec)),
	    PKT_OK);
	ck_assert_uint_eq(p.l4_off, 60);
	ck_assert_uint_eq(p.version, 4);
	ck_assert_uint_eq(ntohs(p.sport_be), 40000);
	ck_assert_uint_eq(ntohs(p.dport_be), 80);
	ck_assert_uint_eq(p.tcp_flags, PKT_SYN);
	ck_assert_uint_eq(pkt_l4_len(&p), 31);
	ck_assert_str_eq(addr_format(&p.src, text), "192.0.2.1");
	ck_assert_str_eq(addr_format(&p.dst, text), "203.0.113.80");
}
END_TEST

START_TEST(udp_over_ipv6_behind_extension_headers)
{
	struct packet_spec spec = udp6;
	uint8_t data[256];
	struct pkt p;

	for (spec.extensions = 0; spec.extensions <= PKT_EXT_MAX;
	     spec.extensions++) {
		ck_assert_int_eq(
		    parse_exact(&p, data, packet_make(data, &spec)), PKT_OK);
		ck_assert_uint_eq(p.l4_off, 40 + 8 * spec.extensions);
		ck_assert_uint_eq(p.proto, IPPROTO_UDP);
		ck_assert_uint_eq(ntohs(p.dport_be), 53);
	}
	ck_assert_int_eq(parse_exact(&p, data, packet_make(data, &spec)),
	    PKT_BAD_CHAIN);
}
END_TEST

/* A packet that is cut anywhere is never taken for whole. */
START_TEST(truncation_at_every_byte_is_noticed)
{
	const struct packet_spec specs[] = { tcp4, udp6 };
	uint8_t data[256];
	struct pkt p;
	size_t s, len, cut;

	for (s = 0; s < 2; s++) {
		struct packet_spec spec = specs[s];

		spec.options = spec.v6 ? 0 : 8;
		spec.extensions = spec.v6 ? 3 : 0;
		len = packet_make(data, &spec);
		for (cut = 0; cut < len; cut++) {
			const enum pkt_result r = parse_exact(&p, data, cut);

			ck_assert(r != PKT_OK || p.truncated);
		}
	}
}
END_TEST

/* The same with an IP length that agrees with the cut. */
START_TEST(short_packets_with_honest_lengths_are_bad)
{
	struct packet_spec spec = tcp4;
	uint8_t data[256];
	struct pkt p;
	size_t cut;

	packet_make(data, &spec);
	for (cut = 20; cut < 40; cut++) {
		put16(data + 2, (uint32_t)cut);
		ck_assert_int_eq(parse_exact(&p, data, cut), PKT_BAD_L4);
	}
	packet_make(data, &udp6);
	for (cut = 40; cut < 48; cut++) {
		put16(data + 4, (uint32_t)(cut - 40));
		ck_assert_int_eq(parse_exact(&p, data, cut), PKT_BAD_L4);
	}
}
END_TEST

START_TEST(lying_headers_are_bad)
{
	uint8_t data[256];
	struct pkt p;
	size_t len = packet_make(data, &tcp4);

	data[20 + 12] = 4 << 4; /* data offset below the minimum */
	ck_assert_int_eq(parse_exact(&p, data, len), PKT_BAD_L4);
	data[20 + 12] = 15 << 4; /* and behind the end */
	ck_assert_int_eq(parse_exact(&p, data, len), PKT_BAD_L4);
	len = packet_make(data, &tcp4);
	put16(data + 20 + 2, 0); /* port 0 */
	ck_assert_int_eq(parse_exact(&p, data, len), PKT_BAD_L4);
	len = packet_make(data, &tcp4);
	data[0] = 0x44; /* header length below 20 */
	ck_assert_int_eq(parse_exact(&p, data, len), PKT_BAD_IP);
	data[0] = 0x4f; /* header behind the end */
	put16(data + 2, 40);
	ck_assert_int_eq(parse_exact(&p, data, 40), PKT_BAD_IP);
	data[0] = 0x55;
	ck_assert_int_eq(parse_exact(&p, data, len), PKT_BAD_IP);
	len = packet_make(data, &udp6);
	put16(data + 44, 7); /* UDP length below its header */
	ck_assert_int_eq(parse_exact(&p, data, len), PKT_BAD_L4);
	put16(data + 44, 16); /* and more than IP carries */
	ck_assert_int_eq(parse_exact(&p, data, len), PKT_BAD_L4);
}
END_TEST

START_TEST(fragments_are_told_apart)
{
	uint8_t data[256];
	struct pkt p;
	size_t len = packet_make(data, &tcp4);

	put16(data + 6, 0x2000);
	ck_assert_int_eq(parse_exact(&p, data, len), PKT_OK);
	ck_assert(p.fragment);
	put16(data + 6, 0x0001);
	ck_assert_int_eq(parse_exact(&p, data, len), PKT_LATER_FRAGMENT);
	put16(data + 6, 0x4000); /* DF alone is none */
	ck_assert_int_eq(parse_exact(&p, data, len), PKT_OK);
	ck_assert(!p.fragment);
}
END_TEST

START_TEST(ipv6_fragment_and_routing_headers)
{
	struct packet_spec spec = udp6;
	uint8_t data[256];
	struct pkt p;
	size_t len;

	spec.extensions = 1;
	len = packet_make(data, &spec);
	data[6] = IPPROTO_FRAGMENT;
	put16(data + 42, 0x0001); /* first of several */
	ck_assert_int_eq(parse_exact(&p, data, len), PKT_OK);
	ck_assert(p.fragment);
	put16(data + 42, 0x0000); /* atomic (RFC 6946) */
	ck_assert_int_eq(parse_exact(&p, data, len), PKT_OK);
	ck_assert(!p.fragment);
	put16(data + 42, 0x0009);
	ck_assert_int_eq(parse_exact(&p, data, len), PKT_LATER_FRAGMENT);
	data[6] = IPPROTO_ROUTING;
	put16(data + 42, 0x0001); /* one segment left */
	ck_assert_int_eq(parse_exact(&p, data, len), PKT_SOURCE_ROUTED);
	put16(data + 42, 0x0000);
	ck_assert_int_eq(parse_exact(&p, data, len), PKT_OK);
}
END_TEST

START_TEST(other_protocols_have_no_ports)
{
	uint8_t data[256];
	struct pkt p;
	size_t len = packet_make(data, &tcp4);

	data[9] = IPPROTO_ICMP;
	ck_assert_int_eq(parse_exact(&p, data, len), PKT_ICMP);
	data[9] = IPPROTO_ICMPV6;
	ck_assert_int_eq(parse_exact(&p, data, len), PKT_OTHER_PROTO);
	data[9] = 47;
	ck_assert_int_eq(parse_exact(&p, data, len), PKT_OTHER_PROTO);
	len = packet_make(data, &udp6);
	data[6] = IPPROTO_ICMPV6;
	ck_assert_int_eq(parse_exact(&p, data, len), PKT_ICMP);
	data[6] = IPPROTO_NONE;
	ck_assert_int_eq(parse_exact(&p, data, len), PKT_OTHER_PROTO);
}
END_TEST

START_TEST(mapped_addresses_on_the_wire_are_bad)
{
	struct packet_spec spec = udp6;
	uint8_t data[256];
	struct pkt p;

	spec.src = "::ffff:192.0.2.1";
	ck_assert_int_eq(parse_exact(&p, data, packet_make(data, &spec)),
	    PKT_BAD_IP);
}
END_TEST

START_TEST(random_bytes_are_survived)
{
	uint8_t data[100];
	struct pkt p;
	size_t i, len;
	int round;

	for (round = 0; round < 200000; round++) {
		len = (size_t)random() % sizeof(data);
		for (i = 0; i < len; i++)
			data[i] = (uint8_t)random();
		data[0] = (uint8_t)(random() % 2 ? 0x40 | (data[0] & 15) :
						   0x60);
		if (random() % 2)
			put16(data + 2, (uint32_t)len);
		if (random() % 2)
			put16(data + 4, (uint32_t)(len - 40));
		if (parse_exact(&p, data, len) == PKT_OK && !p.truncated)
			ck_assert_uint_le(p.l4_off + 8U, len);
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("pkt");
	TCase *tc = tcase_create("all");

	seed_random("test_pkt");
	tcase_add_test(tc, tcp_over_ipv4_with_options);
	tcase_add_test(tc, udp_over_ipv6_behind_extension_headers);
	tcase_add_test(tc, truncation_at_every_byte_is_noticed);
	tcase_add_test(tc, short_packets_with_honest_lengths_are_bad);
	tcase_add_test(tc, lying_headers_are_bad);
	tcase_add_test(tc, fragments_are_told_apart);
	tcase_add_test(tc, ipv6_fragment_and_routing_headers);
	tcase_add_test(tc, other_protocols_have_no_ports);
	tcase_add_test(tc, mapped_addresses_on_the_wire_are_bad);
	tcase_add_test(tc, random_bytes_are_survived);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
