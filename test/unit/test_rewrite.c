/*
 * test_rewrite.c - every rewrite against a recomputation from scratch, and
 * back again: for TCP and UDP, both families, odd and even lengths, and each
 * state the kernel may have left the checksum in.
 */
#include <check.h>

#include "loaded/rewrite.h"
#include "packets.h"
#include "runner.h"
#include "seed.h"

#define ROUNDS 3000

static struct packet_spec
random_spec(void)
{
	const bool v6 = random() % 2;

	return (struct packet_spec){
		.v6 = v6,
		.proto = random() % 2 ? IPPROTO_TCP : IPPROTO_UDP,
		.flags = PKT_ACK,
		.src = v6 ? "2001:db8::1234" : "192.0.2.77",
		.dst = v6 ? "2001:db8:80::80" : "203.0.113.80",
		.sport = (uint16_t)(1 + random() % 65535),
		.dport = (uint16_t)(1 + random() % 65535),
		.options = v6 ? 0 : (size_t)random() % 11 * 4,
		.extensions = v6 ? (size_t)random() % 4 : 0,
		.payload = (size_t)random() % 300,
	};
}

static struct rewrite
random_rewrite(bool v6)
{
	struct rewrite rw = {
		.port_be = (uint16_t)(1 + random() % 65535),
		.end = random() % 2 ? REWRITE_SRC : REWRITE_DST,
	};
	char text[64];

	snprintf(text, sizeof(text), v6 ? "fd00::%lx" : "10.0.%lu.1",
	    v6 ? random() & 0xffff : random() & 0xff);
	ck_assert_int_eq(addr_parse(&rw.addr, text), 0);
	return rw;
}

static struct pkt
parse(uint8_t *data, size_t len)
{
	struct pkt p;

	ck_assert_int_eq(pkt_parse(&p, data, len), PKT_OK);
	return p;
}

START_TEST(update_equals_recomputation)
{
	uint8_t data[1024], oracle[1024];
	struct packet_spec spec;
	struct rewrite rw;
	struct pkt p, again;
	size_t len;
	int round;

	for (round = 0; round < ROUNDS; round++) {
		spec = random_spec();
		len = packet_make(data, &spec);
		rw = random_rewrite(spec.v6);
		p = parse(data, len);
		rewrite_apply(&p, &rw, REWRITE_CSUM_DONE);
		memcpy(oracle, data, len);
		packet_finish(oracle, len, spec.proto);
		ck_assert_mem_eq(data, oracle, len);
		again = parse(data, len);
		ck_assert(addr_equal(
		    rw.end == REWRITE_SRC ? &again.src : &again.dst, &rw.addr));
		ck_assert_uint_eq(rw.end == REWRITE_SRC ? again.sport_be :
							  again.dport_be,
		    rw.port_be);
		ck_assert_mem_eq(&p, &again, sizeof(p));
	}
}
END_TEST

START_TEST(there_and_back_is_identity)
{
	uint8_t data[1024], before[1024];
	struct packet_spec spec;
	struct rewrite there, back;
	struct pkt p;
	size_t len;
	int round;

	for (round = 0; round < ROUNDS; round++) {
		spec = random_spec();
		len = packet_make(data, &spec);
		if (random() % 4 == 0) /* wrong sums stay as wrong */
			data[packet_l4_off(data) +
			    packet_check_off(spec.proto)] ^= 0x5a;
		memcpy(before, data, len);
		p = parse(data, len);
		there = random_rewrite(spec.v6);
		back = there;
		back.addr = there.end == REWRITE_SRC ? p.src : p.dst;
		back.port_be = there.end == REWRITE_SRC ? p.sport_be :
							  p.dport_be;
		rewrite_apply(&p, &there, REWRITE_CSUM_DONE);
		rewrite_apply(&p, &back, REWRITE_CSUM_DONE);
		ck_assert_mem_eq(data, before, len);
	}
}
END_TEST

/* As the kernel leaves it: the pseudo header's sum, not inverted. */
static void
make_partial(uint8_t *data, size_t len, uint8_t proto)
{
	const size_t off = packet_l4_off(data);
	uint8_t *check = data + off + packet_check_off(proto);
	const bool v4 = data[0] >> 4 == 4;
	uint32_t sum;

	sum = v4 ? slow_sum(data + 12, 8, 0) : slow_sum(data + 8, 32, 0);
	sum += proto + (uint32_t)(len - off);
	sum = (sum & 0xffff) + (sum >> 16);
	put16(check, (sum & 0xffff) + (sum >> 16));
}

START_TEST(partial_is_completed)
{
	uint8_t data[1024];
	struct packet_spec spec;
	struct rewrite rw;
	struct pkt p;
	size_t len;
	int round;

	for (round = 0; round < ROUNDS; round++) {
		spec = random_spec();
		len = packet_make(data, &spec);
		make_partial(data, len, spec.proto);
		rw = random_rewrite(spec.v6);
		p = parse(data, len);
		rewrite_apply(&p, &rw, REWRITE_CSUM_PARTIAL);
		ck_assert(packet_good(data, len, spec.proto));
	}
}
END_TEST

START_TEST(gso_keeps_a_pseudo_header_sum)
{
	uint8_t data[1024], oracle[1024];
	struct packet_spec spec;
	struct rewrite rw;
	struct pkt p;
	size_t len;
	int round;

	for (round = 0; round < ROUNDS; round++) {
		spec = random_spec();
		len = packet_make(data, &spec);
		make_partial(data, len, spec.proto);
		rw = random_rewrite(spec.v6);
		p = parse(data, len);
		rewrite_apply(&p, &rw, REWRITE_CSUM_GSO);
		memcpy(oracle, data, len);
		packet_finish(oracle, len, spec.proto);
		make_partial(oracle, len, spec.proto);
		ck_assert_mem_eq(data, oracle, len);
	}
}
END_TEST

START_TEST(update_keeps_udp_zero)
{
	struct packet_spec spec = {
		.proto = IPPROTO_UDP,
		.src = "192.0.2.1",
		.dst = "203.0.113.80",
		.sport = 1,
		.dport = 2,
		.payload = 5,
	};
	uint8_t data[128];
	const size_t len = packet_make(data, &spec);
	struct rewrite rw = random_rewrite(false);
	struct pkt p;

	put16(data + 26, 0);
	p = parse(data, len);
	rewrite_apply(&p, &rw, REWRITE_CSUM_DONE);
	ck_assert_uint_eq(get16(data + 26), 0);
	ck_assert_uint_eq(slow_sum(data, 20, 0), 0xffff);
}
END_TEST

/* A computed 0 must not turn into "no checksum". */
START_TEST(udp_never_becomes_zero)
{
	struct packet_spec spec = {
		.v6 = true,
		.proto = IPPROTO_UDP,
		.src = "2001:db8::1",
		.dst = "2001:db8::2",
		.sport = 1,
		.dport = 2,
		.payload = 2,
	};
	uint8_t data[128];
	struct rewrite rw = { .end = REWRITE_DST };
	struct pkt p;
	uint32_t word, zeros = 0;
	size_t len;

	ck_assert_int_eq(addr_parse(&rw.addr, "fd00::1"), 0);
	for (word = 0; word < 0x10000; word++) {
		len = packet_make(data, &spec);
		put16(data + 48, word);
		packet_finish(data, len, IPPROTO_UDP);
		p = parse(data, len);
		rewrite_apply(&p, &rw, REWRITE_CSUM_DONE);
		ck_assert_uint_ne(get16(data + 46), 0);
		zeros += get16(data + 46) == 0xffff;
	}
	ck_assert_uint_gt(zeros, 0);
}
END_TEST

START_TEST(none_changes_nothing)
{
	struct packet_spec spec = random_spec();
	uint8_t data[1024], before[1024];
	const size_t len = packet_make(data, &spec);
	const struct rewrite rw = { .end = REWRITE_NONE };
	struct pkt p = parse(data, len);

	memcpy(before, data, len);
	rewrite_apply(&p, &rw, REWRITE_CSUM_PARTIAL);
	ck_assert_mem_eq(data, before, len);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("rewrite");
	TCase *tc = tcase_create("all");

	seed_random("test_rewrite");
	tcase_add_test(tc, update_equals_recomputation);
	tcase_add_test(tc, there_and_back_is_identity);
	tcase_add_test(tc, partial_is_completed);
	tcase_add_test(tc, gso_keeps_a_pseudo_header_sum);
	tcase_add_test(tc, update_keeps_udp_zero);
	tcase_add_test(tc, udp_never_becomes_zero);
	tcase_add_test(tc, none_changes_nothing);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
