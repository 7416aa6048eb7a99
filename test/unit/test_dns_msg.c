/*
 * test_dns_msg.c - questions byte by byte, and answers of servers that are
 * right, wrong, somebody else's or hostile.
 */
#include "loaded/dns_msg.h"

#include <arpa/inet.h>
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "runner.h"
#include "seed.h"

#define ID 0xbeef
#define RESPONSE 0x8180
#define A 1
#define NS 2
#define CNAME 5
#define SOA 6
#define PTR 12
#define MX 15
#define TXT 16
#define AAAA 28
#define SRV 33

/* A message in the making; names are given as they stand on the wire. */
struct msg {
	uint8_t b[1024];
	size_t len;
};

static void
put(struct msg *m, const void *data, size_t len)
{
	ck_assert_uint_le(m->len + len, sizeof(m->b));
	memcpy(m->b + m->len, data, len);
	m->len += len;
}

static void
put16(struct msg *m, unsigned int value)
{
	const uint8_t bytes[] = { (uint8_t)(value >> 8), (uint8_t)value };

	put(m, bytes, sizeof(bytes));
}

/* "www.example.com" as labels; no escapes. */
static void
put_name(struct msg *m, const char *name)
{
	while (*name != '\0') {
		const uint8_t len = (uint8_t)strcspn(name, ".");

		put(m, &len, 1);
		put(m, name, len);
		name += len + (name[len] == '.');
	}
	put(m, "", 1);
}

static struct msg
begin(unsigned int flags, const char *name, unsigned int record)
{
	struct msg m = { .len = 0 };

	put16(&m, ID);
	put16(&m, flags);
	put16(&m, 1);
	put16(&m, 0);
	put16(&m, 0);
	put16(&m, 0);
	put_name(&m, name);
	put16(&m, record);
	put16(&m, 1);
	return m;
}

/* One more record in the answer, of the name that was asked for. */
static void
put_record(struct msg *m, unsigned int record, const void *data, size_t len)
{
	m->b[7]++;
	put16(m, 0xc00c);
	put16(m, record);
	put16(m, 1);
	put16(m, 0);
	put16(m, 300);
	put16(m, (unsigned int)len);
	put(m, data, len);
}

/* With a name in it, behind skip bytes. */
static void
put_name_record(struct msg *m, unsigned int record, size_t skip,
    const char *name)
{
	struct msg data = { .len = skip };

	put_name(&data, name);
	if (record == SOA)
		data.len += 1 + 20;
	put_record(m, record, data.b, data.len);
}

static struct check
check_of(const char *name, unsigned int record, const char *answer)
{
	struct check c = { .type = CHECK_DNS, .record = (uint16_t)record };

	strncpy(c.name, name, sizeof(c.name) - 1);
	strncpy(c.answer, answer, sizeof(c.answer) - 1);
	return c;
}

/* In memory of the exact size. */
static enum dns_msg_result
judge(const uint8_t *data, size_t len, const struct check *c,
    char text[static DNS_MSG_TEXT_LEN])
{
	uint8_t *exact = malloc(len > 0 ? len : 1);
	enum dns_msg_result result;

	ck_assert_ptr_nonnull(exact);
	memcpy(exact, data, len);
	memset(text, '!', DNS_MSG_TEXT_LEN);
	result = dns_msg_judge(exact, len, ID, c, text);
	free(exact);
	ck_assert_ptr_nonnull(memchr(text, '\0', DNS_MSG_TEXT_LEN));
	ck_assert_int_eq(text[0] == '\0', result == DNS_MSG_OK);
	return result;
}

static enum dns_msg_result
judge_msg(const struct msg *m, const struct check *c)
{
	char text[DNS_MSG_TEXT_LEN];

	return judge(m->b, m->len, c, text);
}

static const uint8_t v4[] = { 192, 0, 2, 1 };

static struct msg
good_answer(void)
{
	struct msg m = begin(RESPONSE, "www.example.com", A);

	put_record(&m, A, v4, sizeof(v4));
	return m;
}

START_TEST(a_query_is_as_the_rfc_draws_it)
{
	static const uint8_t want[] = { 0xbe, 0xef, 0x01, 0x00, 0, 1, 0, 0, 0,
		0, 0, 0, 3, 'w', 'w', 'w', 7, 'e', 'x', 'a', 'm', 'p', 'l', 'e',
		3, 'c', 'o', 'm', 0, 0, 28, 0, 1 };
	uint8_t out[DNS_MSG_QUERY_MAX];

	ck_assert_uint_eq(dns_msg_query(out, ID, "www.example.com", AAAA),
	    sizeof(want));
	ck_assert_mem_eq(out, want, sizeof(want));
	ck_assert_uint_eq(dns_msg_query(out, ID, "www.example.com.", AAAA),
	    sizeof(want));
	ck_assert_mem_eq(out, want, sizeof(want));
	ck_assert_uint_eq(dns_msg_query(out, ID, ".", NS), 17);
}
END_TEST

START_TEST(what_is_no_domain_name_is_not_asked_for)
{
	static const char label64[] =
	    "a123456789012345678901234567890123456789012345678901234567890123";
	static const char *const bad[] = { "", "a..b", ".a", "a.b..", label64 };
	uint8_t out[DNS_MSG_QUERY_MAX];
	char name[CHECK_TEXT_LEN];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(dns_msg_query(out, ID, bad[i], A) == 0, "\"%s\"",
		    bad[i]);
	for (size_t i = 0; i < sizeof(name) - 1; i++)
		name[i] = i % 2 == 0 ? 'a' : '.';
	name[253] = '\0';
	ck_assert_uint_eq(dns_msg_query(out, ID, name, A), 12 + 255 + 4);
	name[253] = '.';
	name[255] = '\0';
	ck_assert_uint_eq(dns_msg_query(out, ID, name, A), 0);
}
END_TEST

START_TEST(a_query_sent_back_as_response_is_ours)
{
	const struct check c = check_of("www.example.com", A, "");
	uint8_t out[DNS_MSG_QUERY_MAX];
	const size_t len = dns_msg_query(out, ID, c.name, A);
	char text[DNS_MSG_TEXT_LEN];

	ck_assert_int_eq(judge(out, len, &c, text), DNS_MSG_NOT_OURS);
	out[2] |= 0x80;
	ck_assert_int_eq(judge(out, len, &c, text), DNS_MSG_OK);
}
END_TEST

START_TEST(an_address_in_the_answer_is_found)
{
	struct check c = check_of("WWW.example.com.", A, "192.0.2.1");
	struct msg m = good_answer();
	char text[DNS_MSG_TEXT_LEN];

	ck_assert_int_eq(judge_msg(&m, &c), DNS_MSG_OK);
	c = check_of("www.example.com", A, "192.0.2.2");
	ck_assert_int_eq(judge(m.b, m.len, &c, text), DNS_MSG_BAD_ANSWER);
	ck_assert_str_eq(text, "no A record 192.0.2.2 in the answer");
	put_record(&m, A, (const uint8_t[]){ 192, 0, 2, 2 }, 4);
	ck_assert_int_eq(judge_msg(&m, &c), DNS_MSG_OK);
	c = check_of("www.example.com", A, "fd00::1");
	ck_assert_int_eq(judge_msg(&m, &c), DNS_MSG_BAD_ANSWER);
	c = check_of("www.example.com", A, "www");
	ck_assert_int_eq(judge_msg(&m, &c), DNS_MSG_BAD_ANSWER);
}
END_TEST

START_TEST(v6_addresses_are_compared_as_addresses)
{
	const struct check c = check_of("x", AAAA, "FD00:0:0::1");
	struct msg m = begin(RESPONSE, "x", AAAA);
	uint8_t addr[16];

	inet_pton(AF_INET6, "fd00::1", addr);
	put_record(&m, AAAA, addr, 15);
	ck_assert_int_eq(judge_msg(&m, &c), DNS_MSG_BAD_ANSWER);
	put_record(&m, AAAA, addr, 16);
	ck_assert_int_eq(judge_msg(&m, &c), DNS_MSG_OK);
}
END_TEST

START_TEST(names_are_found_in_each_record_that_has_one)
{
	static const struct {
		unsigned int record;
		size_t skip;
	} rows[] = {
		{ NS, 0 },
		{ CNAME, 0 },
		{ SOA, 0 },
		{ PTR, 0 },
		{ MX, 2 },
		{ SRV, 6 },
	};
	const unsigned int record = rows[_i].record;
	const struct check c = check_of("x.org", record, "Mail.Example.ORG");
	const struct check dot = check_of("x.org", record, "mail.example.org.");
	const struct check other = check_of("x.org", record, "mail.example");
	struct msg m = begin(RESPONSE, "x.org", record);

	put_name_record(&m, record, rows[_i].skip, "ns.example.org");
	ck_assert_int_eq(judge_msg(&m, &c), DNS_MSG_BAD_ANSWER);
	put_name_record(&m, record, rows[_i].skip, "mail.eXample.org");
	ck_assert_int_eq(judge_msg(&m, &c), DNS_MSG_OK);
	ck_assert_int_eq(judge_msg(&m, &dot), DNS_MSG_OK);
	ck_assert_int_eq(judge_msg(&m, &other), DNS_MSG_BAD_ANSWER);
}
END_TEST

START_TEST(compressed_names_are_followed)
{
	const struct check c = check_of("x.org", CNAME, "www.x.org");
	struct msg m = begin(RESPONSE, "x.org", CNAME);

	put_record(&m, CNAME, "\3www\xc0\x0c", 6);
	ck_assert_int_eq(judge_msg(&m, &c), DNS_MSG_OK);
}
END_TEST

START_TEST(a_text_is_compared_whole_and_with_its_case)
{
	const struct check c = check_of("x", TXT, "v=1");
	struct msg m = begin(RESPONSE, "x", TXT);

	put_record(&m, TXT, "\4v=1.", 5);
	put_record(&m, TXT, "\3V=1", 4);
	put_record(&m, TXT, "\2v=\3v=1", 7);
	put_record(&m, TXT, "\3v=", 3);
	put_record(&m, TXT, "", 0);
	ck_assert_int_eq(judge_msg(&m, &c), DNS_MSG_BAD_ANSWER);
	put_record(&m, TXT, "\3v=1\5other", 10);
	ck_assert_int_eq(judge_msg(&m, &c), DNS_MSG_OK);
}
END_TEST

START_TEST(records_of_other_types_and_classes_do_not_count)
{
	const struct check c = check_of("www.example.com", A, "192.0.2.1");
	struct msg m = begin(RESPONSE, "www.example.com", A);
	size_t class_at;

	put_record(&m, PTR, v4, sizeof(v4));
	ck_assert_int_eq(judge_msg(&m, &c), DNS_MSG_BAD_ANSWER);
	class_at = m.len + 5;
	put_record(&m, A, v4, sizeof(v4));
	m.b[class_at] = 3;
	ck_assert_int_eq(judge_msg(&m, &c), DNS_MSG_BAD_ANSWER);
	m.b[class_at] = 1;
	ck_assert_int_eq(judge_msg(&m, &c), DNS_MSG_OK);
}
END_TEST

START_TEST(an_address_behind_an_alias_counts)
{
	const struct check c = check_of("www.example.com", A, "192.0.2.1");
	struct msg m = begin(RESPONSE, "www.example.com", A);

	put_name_record(&m, CNAME, 0, "cdn.example.net");
	m.b[7]++;
	put_name(&m, "cdn.example.net");
	put(&m, "\0\1\0\1\0\0\0\0\0\4\300\0\2\1", 14);
	ck_assert_int_eq(judge_msg(&m, &c), DNS_MSG_OK);
}
END_TEST

START_TEST(the_rcode_must_be_the_one_expected)
{
	struct check c = check_of("www.example.com", A, "");
	struct msg m = begin(RESPONSE | 2, "www.example.com", A);
	char text[DNS_MSG_TEXT_LEN];

	ck_assert_int_eq(judge(m.b, m.len, &c, text), DNS_MSG_BAD_RCODE);
	ck_assert_str_eq(text, "rcode SERVFAIL, expected NOERROR");
	m.b[3] = 0x8b;
	ck_assert_int_eq(judge(m.b, m.len, &c, text), DNS_MSG_BAD_RCODE);
	ck_assert_str_eq(text, "rcode 11, expected NOERROR");
	c.rcode = 3;
	m.b[3] = 0x80;
	ck_assert_int_eq(judge(m.b, m.len, &c, text), DNS_MSG_BAD_RCODE);
	ck_assert_str_eq(text, "rcode NOERROR, expected NXDOMAIN");
	m.b[3] = 0x83;
	ck_assert_int_eq(judge_msg(&m, &c), DNS_MSG_OK);
}
END_TEST

START_TEST(answers_to_others_are_waited_over)
{
	const struct check c = check_of("www.example.com", A, "");
	struct msg m = good_answer();

	ck_assert_int_eq(judge_msg(&m, &c), DNS_MSG_OK);
	m.b[0] ^= 1;
	ck_assert_int_eq(judge_msg(&m, &c), DNS_MSG_NOT_OURS);
	m = good_answer();
	m.b[1] ^= 0x80;
	ck_assert_int_eq(judge_msg(&m, &c), DNS_MSG_NOT_OURS);
	m = good_answer();
	m.b[2] &= 0x7f; /* a query */
	ck_assert_int_eq(judge_msg(&m, &c), DNS_MSG_NOT_OURS);
	m = good_answer();
	m.b[2] |= 0x28; /* an update */
	ck_assert_int_eq(judge_msg(&m, &c), DNS_MSG_NOT_OURS);
	m = good_answer();
	m.b[13] = 'v'; /* vww.example.com */
	ck_assert_int_eq(judge_msg(&m, &c), DNS_MSG_NOT_OURS);
	m = begin(RESPONSE, "www.example.com", AAAA);
	ck_assert_int_eq(judge_msg(&m, &c), DNS_MSG_NOT_OURS);
	m = begin(RESPONSE, "www.example.com", A);
	m.b[m.len - 1] = 3; /* class CH */
	ck_assert_int_eq(judge_msg(&m, &c), DNS_MSG_NOT_OURS);
	m = begin(RESPONSE, "www.example.com.org", A);
	ck_assert_int_eq(judge_msg(&m, &c), DNS_MSG_NOT_OURS);
}
END_TEST

START_TEST(an_answer_may_lack_the_question_only_with_an_error)
{
	struct check c = check_of("www.example.com", A, "");
	struct msg m = begin(RESPONSE | 1, "www.example.com", A);

	m.len = 12;
	m.b[5] = 0;
	ck_assert_int_eq(judge_msg(&m, &c), DNS_MSG_BAD_RCODE);
	c.rcode = 1;
	ck_assert_int_eq(judge_msg(&m, &c), DNS_MSG_OK);
	m.b[3] &= 0xf0;
	ck_assert_int_eq(judge_msg(&m, &c), DNS_MSG_NOT_OURS);
}
END_TEST

START_TEST(no_cut_message_is_a_good_one)
{
	const struct check c = check_of("www.example.com", A, "192.0.2.1");
	const struct msg m = good_answer();
	char text[DNS_MSG_TEXT_LEN];

	for (size_t len = 0; len < m.len; len++)
		ck_assert_int_eq(judge(m.b, len, &c, text), DNS_MSG_MALFORMED);
	ck_assert_str_eq(text, "answer is no DNS message");
	ck_assert_int_eq(judge(m.b, m.len, &c, text), DNS_MSG_OK);
}
END_TEST

START_TEST(a_name_that_points_at_itself_ends)
{
	const struct check c = check_of("x.org", CNAME, "www.x.org");
	struct msg m = begin(RESPONSE, "x.org", CNAME);
	const uint8_t self[] = { 0xc0, (uint8_t)(m.len + 12) };

	put_record(&m, CNAME, self, sizeof(self));
	ck_assert_int_eq(judge_msg(&m, &c), DNS_MSG_BAD_ANSWER);
	m = begin(RESPONSE, "x.org", CNAME);
	put_record(&m, CNAME, "\3www", 4); /* goes on behind its record */
	m.b[9]++;
	put(&m, "\1x\3org\0\0\1\0\1\0\0\0\0\0\0", 17);
	ck_assert_int_ne(judge_msg(&m, &c), DNS_MSG_OK);
}
END_TEST

/* The name stands where that of a whole record would, but in the next one. */
START_TEST(a_record_too_short_for_a_name_has_none)
{
	const struct check c = check_of("x.org", MX, "mail.example.org");
	struct msg m = begin(RESPONSE, "x.org", MX);

	put_record(&m, MX, "", 0);
	m.b[11]++;
	put_name(&m, "x.mail.example.org");
	put(&m, "\0\1\0\1\0\0\0\0\0\4\300\0\2\1", 14);
	ck_assert_int_eq(judge_msg(&m, &c), DNS_MSG_BAD_ANSWER);
}
END_TEST

START_TEST(a_truncated_answer_is_judged_by_what_is_there)
{
	struct check c = check_of("www.example.com", A, "192.0.2.1");
	struct msg m = good_answer();

	m.b[2] |= 0x02;
	ck_assert_int_eq(judge_msg(&m, &c), DNS_MSG_OK);
	c = check_of("www.example.com", A, "192.0.2.2");
	ck_assert_int_eq(judge_msg(&m, &c), DNS_MSG_BAD_ANSWER);
}
END_TEST

START_TEST(a_long_expectation_is_cut_in_the_text)
{
	char long_text[CHECK_TEXT_LEN], text[DNS_MSG_TEXT_LEN];
	struct msg m = begin(RESPONSE, "x", TXT);
	struct check c;

	memset(long_text, 'a', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = '\0';
	c = check_of("x", TXT, long_text);
	ck_assert_int_eq(judge(m.b, m.len, &c, text), DNS_MSG_BAD_ANSWER);
	ck_assert_uint_eq(strlen(text), DNS_MSG_TEXT_LEN - 1);
}
END_TEST

/* Whatever changes: never OK with another id or as a query. */
START_TEST(changed_bytes_never_make_a_foreign_answer_ours)
{
	const struct check c = check_of("www.example.com", A, "192.0.2.1");
	char text[DNS_MSG_TEXT_LEN];
	unsigned int count[DNS_MSG_BAD_ANSWER + 1] = { 0 };

	seed_random("dns_msg");
	for (int round = 0; round < 20000; round++) {
		struct msg m = good_answer();
		enum dns_msg_result result;

		for (long n = 1 + random() % 3; n > 0; n--)
			m.b[(size_t)random() % m.len] = (uint8_t)random();
		result = judge(m.b, m.len, &c, text);
		count[result]++;
		if (m.b[0] != 0xbe || m.b[1] != 0xef || !(m.b[2] & 0x80))
			ck_assert_int_eq(result, DNS_MSG_NOT_OURS);
		if (result == DNS_MSG_OK)
			ck_assert_mem_eq(m.b + m.len - 4, v4, sizeof(v4));
	}
	for (int i = 0; i <= DNS_MSG_BAD_ANSWER; i++)
		ck_assert_uint_gt(count[i], 0);
}
END_TEST

START_TEST(record_types_have_names_and_back)
{
	static const char *const names[] = { "A", "AAAA", "NS", "CNAME", "SOA",
		"PTR", "MX", "TXT", "SRV" };
	static const uint16_t types[] = { A, AAAA, NS, CNAME, SOA, PTR, MX, TXT,
		SRV };

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		ck_assert_uint_eq(dns_msg_record(names[i]), types[i]);
		ck_assert_str_eq(dns_msg_record_name(types[i]), names[i]);
	}
	ck_assert_uint_eq(dns_msg_record("aaaa"), AAAA);
	ck_assert_uint_eq(dns_msg_record("ANY"), 0);
	ck_assert_uint_eq(dns_msg_record(""), 0);
	ck_assert_ptr_null(dns_msg_record_name(255));
	ck_assert_ptr_null(dns_msg_record_name(0));
}
END_TEST

START_TEST(rcodes_have_names_and_back)
{
	static const char *const names[] = { "NOERROR", "FORMERR", "SERVFAIL",
		"NXDOMAIN", "NOTIMP", "REFUSED" };

	for (uint8_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		ck_assert_int_eq(dns_msg_rcode(names[i]), i);
		ck_assert_str_eq(dns_msg_rcode_name(i), names[i]);
	}
	ck_assert_int_eq(dns_msg_rcode("nxdomain"), 3);
	ck_assert_int_eq(dns_msg_rcode("BADVERS"), -1);
	ck_assert_int_eq(dns_msg_rcode(""), -1);
	ck_assert_ptr_null(dns_msg_rcode_name(6));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("dns_msg");
	TCase *query = tcase_create("query"), *answer = tcase_create("answer"),
	      *hostile = tcase_create("hostile");

	tcase_add_test(query, a_query_is_as_the_rfc_draws_it);
	tcase_add_test(query, what_is_no_domain_name_is_not_asked_for);
	tcase_add_test(query, a_query_sent_back_as_response_is_ours);
	tcase_add_test(query, record_types_have_names_and_back);
	tcase_add_test(query, rcodes_have_names_and_back);
	tcase_add_test(answer, an_address_in_the_answer_is_found);
	tcase_add_test(answer, v6_addresses_are_compared_as_addresses);
	tcase_add_loop_test(answer, names_are_found_in_each_record_that_has_one,
	    0, 6);
	tcase_add_test(answer, compressed_names_are_followed);
	tcase_add_test(answer, a_text_is_compared_whole_and_with_its_case);
	tcase_add_test(answer, records_of_other_types_and_classes_do_not_count);
	tcase_add_test(answer, an_address_behind_an_alias_counts);
	tcase_add_test(answer, the_rcode_must_be_the_one_expected);
	tcase_add_test(answer, a_truncated_answer_is_judged_by_what_is_there);
	tcase_add_test(answer, a_long_expectation_is_cut_in_the_text);
	tcase_add_test(hostile, answers_to_others_are_waited_over);
	tcase_add_test(hostile,
	    an_answer_may_lack_the_question_only_with_an_error);
	tcase_add_test(hostile, no_cut_message_is_a_good_one);
	tcase_add_test(hostile, a_name_that_points_at_itself_ends);
	tcase_add_test(hostile, a_record_too_short_for_a_name_has_none);
	tcase_add_test(hostile,
	    changed_bytes_never_make_a_foreign_answer_ours);
	suite_add_tcase(suite, query);
	suite_add_tcase(suite, answer);
	suite_add_tcase(suite, hostile);
	return run_suite(suite);
}
