/*
 * test_probe_result.c - every result has a name of its own and a text, and
 * what is set as a text stays within its bounds.
 */
#include "loaded/probe_result.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "runner.h"

START_TEST(each_result_has_a_name_in_snake_case)
{
	const char *name = probe_result_name((enum probe_result)_i);

	ck_assert_ptr_nonnull(name);
	ck_assert_uint_gt(strlen(name), 0);
	ck_assert_uint_eq(strspn(name, "abcdefghijklmnopqrstuvwxyz_"),
	    strlen(name));
	ck_assert_str_ne(name, "unknown");
}
END_TEST

START_TEST(no_two_results_share_a_name)
{
	for (int i = 0; i < PROBE_RESULTS; i++) {
		for (int j = 0; j < i; j++)
			ck_assert_str_ne(
			    probe_result_name((enum probe_result)i),
			    probe_result_name((enum probe_result)j));
	}
}
END_TEST

START_TEST(names_are_those_that_metrics_know)
{
	ck_assert_str_eq(probe_result_name(PROBE_OK), "ok");
	ck_assert_str_eq(probe_result_name(PROBE_CONNECT_TIMEOUT),
	    "connect_timeout");
	ck_assert_str_eq(probe_result_name(PROBE_HTTP_STATUS), "http_status");
	ck_assert_str_eq(probe_result_name(PROBE_CERTIFICATE_EXPIRED),
	    "certificate_expired");
	ck_assert_str_eq(probe_result_name(PROBE_AGENT_DOWN), "agent_down");
	ck_assert_str_eq(probe_result_name(PROBE_RESULTS), "unknown");
}
END_TEST

START_TEST(only_what_says_nothing_of_the_backend_is_neutral)
{
	for (int i = 0; i < PROBE_RESULTS; i++)
		ck_assert_int_eq(
		    probe_result_is_neutral((enum probe_result)i),
		    i == PROBE_SKIPPED || i == PROBE_NO_AGENT);
}
END_TEST

START_TEST(an_empty_text_becomes_that_of_the_result)
{
	static const struct {
		enum probe_result result;
		const char *text;
	} known[] = {
		{ PROBE_CONNECT_TIMEOUT, "connect timed out" },
		{ PROBE_CONNECT_REFUSED, "connection refused" },
		{ PROBE_UNREACHABLE, "no route to the backend" },
		{ PROBE_CERTIFICATE_EXPIRED, "certificate expired" },
		{ PROBE_WRONG_ADDRESS, "answer from another address" },
	};
	struct probe_outcome o;

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		memset(&o, 'x', sizeof(o));
		probe_outcome_set(&o, known[i].result, "%s", "");
		ck_assert_str_eq(o.text, known[i].text);
		ck_assert_int_eq(o.result, known[i].result);
	}
	for (int i = 0; i < PROBE_RESULTS; i++) {
		probe_outcome_set(&o, (enum probe_result)i, "%s", "");
		ck_assert_uint_gt(strlen(o.text), 0);
	}
}
END_TEST

START_TEST(a_text_is_formatted_and_nothing_else_changes)
{
	struct probe_outcome o = { .duration_us = 7, .has_agent = true,
		.agent = { .percent = 75 } };

	probe_outcome_set(&o, PROBE_HTTP_STATUS, "http status %d, expected %s",
	    503, "200-299");
	ck_assert_str_eq(o.text, "http status 503, expected 200-299");
	ck_assert_int_eq(o.result, PROBE_HTTP_STATUS);
	ck_assert_uint_eq(o.duration_us, 7);
	ck_assert(o.has_agent);
	ck_assert_uint_eq(o.agent.percent, 75);
}
END_TEST

START_TEST(a_text_too_long_is_cut)
{
	struct {
		struct probe_outcome o;
		char behind;
	} guarded = { .behind = '!' };
	char text[2 * PROBE_TEXT_LEN];

	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	probe_outcome_set(&guarded.o, PROBE_NO_ANSWER, "%s", text);
	ck_assert_uint_eq(strlen(guarded.o.text), PROBE_TEXT_LEN - 1);
	ck_assert_int_eq(guarded.behind, '!');
	ck_assert(!guarded.o.has_agent);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("probe_result");
	TCase *names = tcase_create("names"), *texts = tcase_create("texts");

	tcase_add_loop_test(names, each_result_has_a_name_in_snake_case, 0,
	    PROBE_RESULTS);
	tcase_add_test(names, no_two_results_share_a_name);
	tcase_add_test(names, names_are_those_that_metrics_know);
	tcase_add_test(names, only_what_says_nothing_of_the_backend_is_neutral);
	tcase_add_test(texts, an_empty_text_becomes_that_of_the_result);
	tcase_add_test(texts, a_text_is_formatted_and_nothing_else_changes);
	tcase_add_test(texts, a_text_too_long_is_cut);
	suite_add_tcase(suite, names);
	suite_add_tcase(suite, texts);
	return run_suite(suite);
}
