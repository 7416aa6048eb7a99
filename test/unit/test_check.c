/*
 * test_check.c - what the types of checks are called, and who runs them.
 */
#include "loaded/check.h"

#include <check.h>
#include <stdlib.h>

#include "runner.h"

static const struct {
	enum check_type type;
	const char *name;
	bool remote;
} types[] = {
	{ CHECK_ICMP, "icmp", false },
	{ CHECK_TCP, "tcp", false },
	{ CHECK_UDP, "udp", false },
	{ CHECK_DNS, "dns", false },
	{ CHECK_HTTP, "http", true },
	{ CHECK_HTTPS, "https", true },
	{ CHECK_EXEC, "exec", true },
	{ CHECK_AGENT, "agent", false },
};

START_TEST(each_type_has_the_name_it_has_in_the_config)
{
	ck_assert_str_eq(check_type_name(types[_i].type), types[_i].name);
}
END_TEST

START_TEST(what_has_a_big_parser_or_a_program_is_run_elsewhere)
{
	ck_assert_int_eq(check_is_remote(types[_i].type), types[_i].remote);
}
END_TEST

int
main(void)
{
	const int count = sizeof(types) / sizeof(types[0]);
	Suite *suite = suite_create("check");
	TCase *tcase = tcase_create("types");

	tcase_add_loop_test(tcase, each_type_has_the_name_it_has_in_the_config,
	    0, count);
	tcase_add_loop_test(tcase,
	    what_has_a_big_parser_or_a_program_is_run_elsewhere, 0, count);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
