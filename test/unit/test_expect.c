/*
 * test_expect.c - bytes and expressions in answers, and how answers are
 * quoted to people.
 */
#include "loaded/expect.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runner.h"
#include "seed.h"

#define SEEN 16384

static struct check
check_of(const void *bytes, size_t len, const char *regex)
{
	struct check c = { .type = CHECK_TCP };

	c.expect.len = (uint16_t)len;
	memcpy(c.expect.b, bytes, len);
	strncpy(c.regex, regex, sizeof(c.regex) - 1);
	return c;
}

static struct expect *
expect_of(const char *bytes, const char *regex)
{
	const struct check c = check_of(bytes, strlen(bytes), regex);
	char error[EXPECT_ERROR_LEN];
	struct expect *e;

	ck_assert_int_eq(expect_new(&e, &c, error), 0);
	ck_assert_str_eq(error, "");
	ck_assert_ptr_nonnull(e);
	return e;
}

START_TEST(answers_match_as_the_table_says)
{
	static const struct {
		const char *bytes, *regex, *answer;
		bool matches;
	} rows[] = {
		{ "+PONG", "", "+PONG\r\n", true },
		{ "+PONG", "", "xx+PONG", true },
		{ "+PONG", "", "+PON", false },
		{ "+PONG", "", "+pong", false },
		{ "+PONG", "", "", false },
		{ "", "^220 .*SMTP", "220 mail ESMTP\r\n", true },
		{ "", "^220 .*SMTP", "554 no SMTP here\r\n", false },
		{ "", "(ok|fine)[0-9]{2}$", "ok42", true },
		{ "", "(ok|fine)[0-9]{2}$", "ok4", false },
		{ "", "^$", "", true },
		{ "", "^$", "x", false },
		{ "ok", "^[a-z]+$", "book", true },
		{ "ok", "^[a-z]+$", "book1", false },
		{ "ok", "^[a-z]+$", "bok", true },
		{ "ok", "^[a-z]+$", "bake", false },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct expect *e = expect_of(rows[i].bytes, rows[i].regex);

		ck_assert_msg(expect_matches(e, rows[i].answer,
				  strlen(rows[i].answer)) == rows[i].matches,
		    "row %zu", i);
		expect_free(e);
	}
}
END_TEST

START_TEST(nothing_expected_is_no_expectation_and_all_matches)
{
	const struct check c = check_of("", 0, "");
	char error[EXPECT_ERROR_LEN] = "x";
	struct expect *e = (struct expect *)&error;

	ck_assert_int_eq(expect_new(&e, &c, error), 0);
	ck_assert_ptr_null(e);
	ck_assert_str_eq(error, "");
	ck_assert(expect_matches(NULL, "x", 1));
	ck_assert(expect_matches(NULL, NULL, 0));
	expect_free(NULL);
}
END_TEST

START_TEST(an_empty_answer_needs_no_memory)
{
	struct expect *e = expect_of("a", ""), *r = expect_of("", "^$");

	ck_assert(!expect_matches(e, NULL, 0));
	ck_assert(expect_matches(r, NULL, 0));
	expect_free(e);
	expect_free(r);
}
END_TEST

START_TEST(bytes_with_zeros_are_found_behind_zeros)
{
	const struct check c = check_of("a\0b", 3, "");
	char error[EXPECT_ERROR_LEN];
	struct expect *e;

	ck_assert_int_eq(expect_new(&e, &c, error), 0);
	ck_assert(expect_matches(e, "\0\0a\0b\0", 6));
	ck_assert(!expect_matches(e, "a\0c", 3));
	ck_assert(!expect_matches(e, "a\0b", 2));
	expect_free(e);
}
END_TEST

START_TEST(a_zero_ends_what_the_expression_sees)
{
	struct expect *e = expect_of("", "late");

	ck_assert(expect_matches(e, "a late one", 10));
	ck_assert(!expect_matches(e, "a\0late one", 10));
	expect_free(e);
}
END_TEST

START_TEST(the_expression_sees_16_kib_and_the_bytes_all)
{
	struct expect *r = expect_of("", "end"), *b = expect_of("end", "");
	char *answer = malloc(SEEN + 3);

	ck_assert_ptr_nonnull(answer);
	memset(answer, 'x', SEEN + 3);
	memcpy(answer + SEEN - 3, "end", 3);
	ck_assert(expect_matches(r, answer, SEEN));
	ck_assert(expect_matches(r, answer, SEEN + 3));
	memset(answer, 'x', SEEN);
	memcpy(answer + SEEN, "end", 3);
	ck_assert(!expect_matches(r, answer, SEEN + 3));
	ck_assert(expect_matches(b, answer, SEEN + 3));
	free(answer);
	expect_free(r);
	expect_free(b);
}
END_TEST

START_TEST(a_bad_expression_is_refused_with_a_message)
{
	static const char *const bad[] = { "(", "[a", "a{2,1}", "a\\", "*a(" };
	char error[EXPECT_ERROR_LEN];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const struct check c = check_of("ab", 2, bad[i]);
		struct expect *e;

		ck_assert_msg(expect_new(&e, &c, error) == -EINVAL, "%s",
		    bad[i]);
		ck_assert_ptr_null(e);
		ck_assert_uint_gt(strlen(error), 0);
		ck_assert_uint_lt(strlen(error), EXPECT_ERROR_LEN);
	}
}
END_TEST

/* Byte by byte. */
static bool
slow_find(const uint8_t *data, size_t len, const uint8_t *what, size_t n)
{
	for (size_t at = 0; at + n <= len; at++) {
		size_t same = 0;

		while (same < n && data[at + same] == what[same])
			same++;
		if (same == n)
			return true;
	}
	return false;
}

START_TEST(random_bytes_are_found_as_by_a_slow_search)
{
	size_t found = 0;

	seed_random("expect");
	for (int round = 0; round < 2000; round++) {
		uint8_t data[40], what[3];
		const size_t len = (size_t)random() % sizeof(data);
		const size_t n = 1 + (size_t)random() % sizeof(what);
		char error[EXPECT_ERROR_LEN];
		struct expect *e;
		struct check c;

		for (size_t i = 0; i < sizeof(data); i++)
			data[i] = (uint8_t)(random() % 4);
		for (size_t i = 0; i < sizeof(what); i++)
			what[i] = (uint8_t)(random() % 4);
		c = check_of(what, n, "");
		ck_assert_int_eq(expect_new(&e, &c, error), 0);
		ck_assert_int_eq(expect_matches(e, data, len),
		    slow_find(data, len, what, n));
		found += slow_find(data, len, what, n);
		expect_free(e);
	}
	ck_assert_uint_gt(found, 100);
	ck_assert_uint_lt(found, 1900);
}
END_TEST

START_TEST(quotes_are_printable_and_cut)
{
	static const struct {
		size_t size;
		const char *data;
		const char *quoted;
	} rows[] = {
		{ 64, "", "\"\"" },
		{ 64, "220 hello", "\"220 hello\"" },
		{ 64, "a\r\nb\tc\x7f\x80\xff", "\"a..b.c...\"" },
		{ 12, "123456789", "\"123456789\"" },
		{ 11, "123456789", "\"12345...\"" },
		{ 7, "123456789", "\"1...\"" },
		{ 6, "123456789", "\"...\"" },
		{ 6, "123", "\"123\"" },
		{ 5, "123456789", "" },
		{ 1, "123456789", "" },
	};
	char text[65];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		memset(text, '!', sizeof(text));
		ck_assert_ptr_eq(expect_quote(text, rows[i].size, rows[i].data,
				     strlen(rows[i].data)),
		    text);
		ck_assert_str_eq(text, rows[i].quoted);
		ck_assert_int_eq(text[rows[i].size], '!');
	}
	text[0] = '!';
	expect_quote(text, 0, "a", 1);
	ck_assert_int_eq(text[0], '!');
	ck_assert_str_eq(expect_quote(text, 9, NULL, 0), "\"\"");
	ck_assert_str_eq(expect_quote(text, 9, "a\0b", 3), "\"a.b\"");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("expect");
	TCase *match = tcase_create("match"), *rest = tcase_create("rest");

	tcase_add_test(match, answers_match_as_the_table_says);
	tcase_add_test(match,
	    nothing_expected_is_no_expectation_and_all_matches);
	tcase_add_test(match, an_empty_answer_needs_no_memory);
	tcase_add_test(match, bytes_with_zeros_are_found_behind_zeros);
	tcase_add_test(match, a_zero_ends_what_the_expression_sees);
	tcase_add_test(match, the_expression_sees_16_kib_and_the_bytes_all);
	tcase_add_test(match, random_bytes_are_found_as_by_a_slow_search);
	tcase_add_test(rest, a_bad_expression_is_refused_with_a_message);
	tcase_add_test(rest, quotes_are_printable_and_cut);
	suite_add_tcase(suite, match);
	suite_add_tcase(suite, rest);
	return run_suite(suite);
}
