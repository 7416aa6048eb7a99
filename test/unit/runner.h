/*
 * runner.h - how every test program ends.
 */
#ifndef TEST_RUNNER_H
#define TEST_RUNNER_H

#include <check.h>

/* Runs and frees the suite: the exit status. */
static inline int
run_suite(Suite *suite)
{
	SRunner *runner = srunner_create(suite);
	int failed;

	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}

#endif
