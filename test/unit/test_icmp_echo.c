/*
 * test_icmp_echo.c - echo requests come back as what they were, and nothing
 * that is cut, changed or somebody else's is taken for an answer.
 */
#include "loaded/icmp_echo.h"

#include <arpa/inet.h>
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "packets.h"
#include "runner.h"
#include "seed.h"

#define ROOM 256

static const struct icmp_echo sample = { .id = 0x1234, .seq = 0xfedc,
	.index = 70000, .nonce = UINT64_C(0x1122334455667788) };

/* What came in, in memory of its exact size. */
static struct icmp_echo_answer
parse(const uint8_t *data, size_t len, bool v4)
{
	struct icmp_echo_answer answer;
	uint8_t *exact = malloc(len > 0 ? len : 1);

	ck_assert_ptr_nonnull(exact);
	memcpy(exact, data, len);
	memset(&answer, 0xff, sizeof(answer));
	icmp_echo_parse(&answer, exact, len, v4);
	free(exact);
	return answer;
}

static void
set_check(uint8_t *icmp, size_t len)
{
	uint32_t sum;

	icmp[2] = icmp[3] = 0;
	sum = slow_sum(icmp, len, 0);
	icmp[2] = (uint8_t)(~sum >> 8);
	icmp[3] = (uint8_t)~sum;
}

/* An IP header with options of some bytes, for len bytes: its length. */
static size_t
put_ip4(uint8_t *ip, size_t options, size_t len, const char *dst)
{
	const size_t header = 20 + options, whole = header + len;

	memset(ip, 0, header);
	ip[0] = (uint8_t)(0x40 | header / 4);
	ip[2] = (uint8_t)(whole >> 8);
	ip[3] = (uint8_t)whole;
	ip[8] = 64;
	ip[9] = IPPROTO_ICMP;
	memset(ip + 20, 1, options);
	ck_assert_int_eq(inet_pton(AF_INET, "192.0.2.9", ip + 12), 1);
	ck_assert_int_eq(inet_pton(AF_INET, dst, ip + 16), 1);
	return header;
}

static size_t
put_ip6(uint8_t *ip, size_t len, const char *dst)
{
	memset(ip, 0, 40);
	ip[0] = 0x60;
	ip[5] = (uint8_t)len;
	ip[6] = IPPROTO_ICMPV6;
	ip[7] = 64;
	ck_assert_int_eq(inet_pton(AF_INET6, "fd00::9", ip + 8), 1);
	ck_assert_int_eq(inet_pton(AF_INET6, dst, ip + 24), 1);
	return 40;
}

/* What the backend sends back for a request: its length. */
static size_t
put_reply(uint8_t *out, const struct icmp_echo *echo, bool v4, size_t options)
{
	const size_t skip = v4 ?
	    put_ip4(out, options, ICMP_ECHO_LEN, "192.0.2.1") :
	    0;

	icmp_echo_build(out + skip, echo, v4);
	out[skip] = v4 ? 0 : 129;
	if (v4)
		set_check(out + skip, ICMP_ECHO_LEN);
	return skip + ICMP_ECHO_LEN;
}

/* What a router sends that quotes len bytes of the ICMP message. */
static size_t
put_unreachable(uint8_t *out, const struct icmp_echo *echo, bool v4, size_t len)
{
	const size_t quote = v4 ? 28 : 8;
	const size_t ip = v4 ?
	    put_ip4(out + quote, 0, ICMP_ECHO_LEN, "192.0.2.77") :
	    put_ip6(out + quote, ICMP_ECHO_LEN, "fd00::77");
	uint8_t *icmp = out + (v4 ? 20 : 0), request[ICMP_ECHO_LEN];

	icmp_echo_build(request, echo, v4);
	memcpy(out + quote + ip, request, len);
	if (v4)
		put_ip4(out, 0, 8 + ip + len, "192.0.2.1");
	memset(icmp, 0, 8);
	icmp[0] = v4 ? 3 : 1;
	icmp[1] = v4 ? 13 : 3;
	if (v4)
		set_check(icmp, 8 + ip + len);
	return quote + ip + len;
}

static void
assert_echo(const struct icmp_echo *a, const struct icmp_echo *b)
{
	ck_assert_uint_eq(a->id, b->id);
	ck_assert_uint_eq(a->seq, b->seq);
	ck_assert_uint_eq(a->index, b->index);
	ck_assert_uint_eq(a->nonce, b->nonce);
}

START_TEST(a_request_is_as_the_rfc_draws_it)
{
	uint8_t v4[ICMP_ECHO_LEN], v6[ICMP_ECHO_LEN];
	const uint8_t ids[] = { 0x12, 0x34, 0xfe, 0xdc };

	icmp_echo_build(v4, &sample, true);
	icmp_echo_build(v6, &sample, false);
	ck_assert_uint_eq(v4[0], 8);
	ck_assert_uint_eq(v6[0], 128);
	ck_assert_uint_eq(v4[1], 0);
	ck_assert_mem_eq(v4 + 4, ids, sizeof(ids));
	ck_assert_mem_eq(v6 + 4, ids, sizeof(ids));
	ck_assert_uint_eq(slow_sum(v4, sizeof(v4), 0), 0xffff);
	ck_assert_uint_eq(v6[2] | v6[3], 0);
	ck_assert_mem_eq(v4 + 4, v6 + 4, ICMP_ECHO_LEN - 4);
}
END_TEST

START_TEST(a_reply_brings_back_what_was_sent)
{
	uint8_t data[ROOM];

	seed_random("icmp_echo");
	for (int round = 0; round < 1000; round++) {
		const bool v4 = random() % 2;
		const struct icmp_echo echo = { .id = (uint16_t)random(),
			.seq = (uint16_t)random(),
			.index = (uint32_t)random(),
			.nonce = (uint64_t)random() << 33 ^
			    (uint64_t)random() };
		const size_t options = (size_t)(random() % 11) * 4;
		const size_t len = put_reply(data, &echo, v4, options);
		const struct icmp_echo_answer a = parse(data, len, v4);

		ck_assert_int_eq(a.kind, ICMP_ECHO_REPLY);
		ck_assert(a.has_payload);
		assert_echo(&a.echo, &echo);
	}
}
END_TEST

START_TEST(a_reply_is_not_believed_when_cut)
{
	const bool v4 = _i == 4;
	uint8_t data[ROOM];
	const size_t whole = put_reply(data, &sample, v4, 0);

	for (size_t len = 0; len < whole; len++) {
		const struct icmp_echo_answer a = parse(data, len, v4);

		ck_assert(!a.has_payload);
		if (v4)
			ck_assert_int_eq(a.kind, ICMP_ECHO_OTHER);
	}
	ck_assert(parse(data, whole, v4).has_payload);
}
END_TEST

START_TEST(bytes_behind_the_packet_are_not_looked_at)
{
	uint8_t data[ROOM];
	const size_t len = put_reply(data, &sample, true, 0);

	memset(data + len, 0xaa, 9);
	ck_assert(parse(data, len + 9, true).has_payload);
}
END_TEST

START_TEST(no_changed_bit_of_a_v4_reply_goes_unnoticed)
{
	uint8_t data[ROOM];
	const size_t len = put_reply(data, &sample, true, 0);

	for (size_t bit = 20 * 8; bit < len * 8; bit++) {
		data[bit / 8] ^= (uint8_t)(1U << bit % 8);
		ck_assert_int_eq(parse(data, len, true).kind, ICMP_ECHO_OTHER);
		data[bit / 8] ^= (uint8_t)(1U << bit % 8);
	}
	ck_assert_int_eq(parse(data, len, true).kind, ICMP_ECHO_REPLY);
}
END_TEST

START_TEST(a_reply_to_somebody_elses_ping_has_no_payload)
{
	const bool v4 = _i == 4;
	uint8_t data[ROOM];
	const size_t skip = v4 ? 20 : 0, lens[] = { 0, 24, 25, 56 };

	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		struct icmp_echo_answer a;
		const size_t len = 8 + lens[i];

		put_ip4(data, 0, len, "192.0.2.1");
		memset(data + skip, 0, 8 + lens[i]);
		memset(data + skip + 8, 'p', lens[i]);
		data[skip] = v4 ? 0 : 129;
		data[skip + 5] = 7;
		data[skip + 7] = 9;
		set_check(data + skip, len);
		a = parse(data, skip + len, v4);
		ck_assert_int_eq(a.kind, ICMP_ECHO_REPLY);
		ck_assert(!a.has_payload);
		ck_assert_uint_eq(a.echo.id, 7);
		ck_assert_uint_eq(a.echo.seq, 9);
		ck_assert_uint_eq(a.echo.nonce, 0);
	}
}
END_TEST

START_TEST(requests_and_other_messages_are_no_answers)
{
	const bool v4 = _i == 4;
	const size_t skip = v4 ? 20 : 0;
	uint8_t data[ROOM];
	const size_t len = put_reply(data, &sample, v4, 0);

	for (unsigned int type = 0; type < 256; type++) {
		data[skip] = (uint8_t)type;
		set_check(data + skip, ICMP_ECHO_LEN);
		ck_assert_int_eq(parse(data, len, v4).kind,
		    type == (v4 ? 0 : 129) ? ICMP_ECHO_REPLY :
					     ICMP_ECHO_OTHER);
	}
	data[skip] = v4 ? 0 : 129;
	data[skip + 1] = 1;
	set_check(data + skip, ICMP_ECHO_LEN);
	ck_assert_int_eq(parse(data, len, v4).kind, ICMP_ECHO_OTHER);
}
END_TEST

START_TEST(a_bad_ip_header_is_no_answer)
{
	static const struct {
		size_t off;
		uint8_t value;
	} bad[] = {
		{ 0, 0x65 },  /* version 6 */
		{ 0, 0x44 },  /* 16 bytes */
		{ 0, 0x40 },
		{ 0, 0x4f },  /* longer than the packet with its message */
		{ 3, 19 },    /* total length: less than a header */
		{ 3, 53 },    /* more than there is */
		{ 2, 1 },
		{ 9, IPPROTO_UDP },
		{ 7, 1 },     /* a later fragment */
	};
	uint8_t data[ROOM];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const size_t len = put_reply(data, &sample, true, 0);

		data[bad[i].off] = bad[i].value;
		ck_assert_msg(parse(data, len, true).kind == ICMP_ECHO_OTHER,
		    "row %zu", i);
	}
}
END_TEST

START_TEST(an_unreachable_tells_whose_request_it_quotes)
{
	const bool v4 = _i == 4;
	uint8_t data[ROOM];
	struct addr dst;

	ck_assert_int_eq(addr_parse(&dst, v4 ? "192.0.2.77" : "fd00::77"), 0);
	for (size_t quoted = 8; quoted <= ICMP_ECHO_LEN; quoted++) {
		const size_t len = put_unreachable(data, &sample, v4, quoted);
		const struct icmp_echo_answer a = parse(data, len, v4);

		ck_assert_int_eq(a.kind, ICMP_ECHO_UNREACHABLE);
		ck_assert_uint_eq(a.code, v4 ? 13 : 3);
		ck_assert(addr_equal(&a.quoted, &dst));
		ck_assert_uint_eq(a.echo.id, sample.id);
		ck_assert_uint_eq(a.echo.seq, sample.seq);
		ck_assert_int_eq(a.has_payload, quoted >= 20);
		if (a.has_payload)
			assert_echo(&a.echo, &sample);
	}
}
END_TEST

START_TEST(an_unreachable_that_quotes_too_little_is_no_answer)
{
	const bool v4 = _i == 4;
	uint8_t data[ROOM];

	for (size_t quoted = 0; quoted < 8; quoted++) {
		const size_t len = put_unreachable(data, &sample, v4, quoted);

		ck_assert_int_eq(parse(data, len, v4).kind, ICMP_ECHO_OTHER);
	}
	put_unreachable(data, &sample, v4, 0);
	for (size_t len = 0; len < 48; len++)
		ck_assert_int_eq(parse(data, len, v4).kind, ICMP_ECHO_OTHER);
}
END_TEST

START_TEST(an_unreachable_for_other_traffic_is_no_answer)
{
	const bool v4 = _i == 4;
	const size_t quote = v4 ? 28 : 8, inner = quote + (v4 ? 20 : 40);
	const struct {
		size_t off;
		uint8_t value;
	} bad[] = {
		{ quote, 0 },                      /* no IP at all */
		{ quote + (v4 ? 9 : 6), IPPROTO_UDP },
		{ inner, v4 ? 0 : 129 },           /* our reply to a ping */
		{ inner + 1, 1 },
		{ v4 ? quote + 7 : inner, 1 },
	};
	uint8_t data[ROOM];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const size_t len = put_unreachable(data, &sample, v4, 32);

		data[bad[i].off] = bad[i].value;
		if (v4)
			set_check(data + 20, len - 20);
		ck_assert_msg(parse(data, len, v4).kind == ICMP_ECHO_OTHER,
		    "row %zu", i);
	}
}
END_TEST

/* Its length would have the address be read as the message. */
START_TEST(a_quote_with_too_short_a_header_is_no_answer)
{
	const size_t quote = 28;
	uint8_t data[ROOM];
	const size_t len = put_unreachable(data, &sample, true, 32);

	data[quote] = 0x44;
	data[quote + 16] = 8;
	data[quote + 17] = 0;
	set_check(data + 20, len - 20);
	ck_assert_int_eq(parse(data, len, true).kind, ICMP_ECHO_OTHER);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("icmp_echo");
	TCase *reply = tcase_create("reply"), *error = tcase_create("error");

	tcase_add_test(reply, a_request_is_as_the_rfc_draws_it);
	tcase_add_test(reply, a_reply_brings_back_what_was_sent);
	tcase_add_loop_test(reply, a_reply_is_not_believed_when_cut, 4, 6);
	tcase_add_test(reply, bytes_behind_the_packet_are_not_looked_at);
	tcase_add_test(reply, no_changed_bit_of_a_v4_reply_goes_unnoticed);
	tcase_add_loop_test(reply,
	    a_reply_to_somebody_elses_ping_has_no_payload, 4, 6);
	tcase_add_loop_test(reply, requests_and_other_messages_are_no_answers,
	    4, 6);
	tcase_add_test(reply, a_bad_ip_header_is_no_answer);
	tcase_add_loop_test(error, an_unreachable_tells_whose_request_it_quotes,
	    4, 6);
	tcase_add_loop_test(error,
	    an_unreachable_that_quotes_too_little_is_no_answer, 4, 6);
	tcase_add_loop_test(error,
	    an_unreachable_for_other_traffic_is_no_answer, 4, 6);
	tcase_add_test(error, a_quote_with_too_short_a_header_is_no_answer);
	suite_add_tcase(suite, reply);
	suite_add_tcase(suite, error);
	return run_suite(suite);
}
