/*
 * test_probe_remote.c - checks that other processes run: what they are told,
 * and which of their answers count.
 */
#include "loaded/message.h"
#include "loaded/probe.h"
#include "probe_fixture.h"
#include "runner.h"

#include <check.h>
#include <fcntl.h>

static int checker[2], supervisor[2]; /* [0] is the engine's */
static struct message request;

static void
setup(void)
{
	ck_assert_int_eq(message_pair(checker), 0);
	ck_assert_int_eq(message_pair(supervisor), 0);
	open_engine((struct probe_engine_conf){ .icmp4 = -1,
	    .icmp6 = -1,
	    .checker = checker[0],
	    .supervisor = supervisor[0] });
	fixture.check.type = CHECK_HTTP;
	use_check();
	probe.addr = address("192.0.2.1");
	probe.slot = 12;
}

static void
teardown(void)
{
	close_engine();
	for (int i = 0; i < 2; i++) {
		close(checker[i]);
		close(supervisor[i]);
	}
}

/* What the process at the other end is asked to do. */
static void
take_request(int end)
{
	int fd;

	ck_assert_int_eq(message_receive(end, &request, &fd), 0);
	ck_assert_int_eq(fd, -1);
	ck_assert_uint_eq(request.type, MESSAGE_PROBE);
}

static struct message
result(enum probe_result r, const char *text)
{
	struct message m = request;

	m.type = MESSAGE_RESULT;
	m.result = r;
	m.duration_us = 4321;
	strncpy(m.text, text, sizeof(m.text) - 1);
	return m;
}

static void
answer(int end, const struct message *m)
{
	ck_assert_int_eq(message_send(end, m, -1), 0);
}

static const uint8_t types[] = { CHECK_HTTP, CHECK_HTTPS, CHECK_EXEC };

START_TEST(a_result_ends_the_probe)
{
	const int end = types[_i] == CHECK_EXEC ? supervisor[1] : checker[1];
	struct message m;

	fixture.check.type = types[_i];
	start_probe(&probe);
	take_request(end);
	ck_assert_uint_eq(request.generation, 77);
	ck_assert_uint_eq(request.slot, 12);
	ck_assert_uint_eq(request.check, 0);
	ck_assert(addr_equal(&request.addr, &probe.addr));
	m = result(PROBE_HTTP_STATUS, "http status 503, expected 200-299");
	answer(end, &m);
	run_loop(FIXTURE_MAX_RUN_S);
	ck_assert_uint_eq(ended, 1);
	ck_assert_int_eq(outcome.result, PROBE_HTTP_STATUS);
	ck_assert_str_eq(outcome.text, "http status 503, expected 200-299");
	ck_assert_uint_eq(outcome.duration_us, 4321);
}
END_TEST

START_TEST(results_of_others_are_ignored)
{
	struct message wrong[6];

	start_probe(&probe);
	take_request(checker[1]);
	for (int i = 0; i < 6; i++)
		wrong[i] = result(PROBE_HTTP_STATUS, "wrong");
	wrong[0].run++;
	wrong[1].id++;
	wrong[2].id = UINT32_MAX;
	wrong[3].result = PROBE_RESULTS;
	wrong[4].type = MESSAGE_FOUND;
	/* The last is right, but comes from the supervisor. */
	for (int i = 0; i < 6; i++)
		answer(i < 5 ? checker[1] : supervisor[1], &wrong[i]);
	run_loop(0.1);
	ck_assert_uint_eq(ended, 0);
	ck_assert(probe.running);
	wrong[5] = result(PROBE_OK, "");
	answer(checker[1], &wrong[5]);
	run_loop(FIXTURE_MAX_RUN_S);
	ck_assert_uint_eq(ended, 1);
	ck_assert_int_eq(outcome.result, PROBE_OK);
	ck_assert_str_eq(outcome.text, "");
}
END_TEST

START_TEST(the_result_of_an_earlier_run_is_ignored)
{
	struct message late;

	start_probe(&probe);
	take_request(checker[1]);
	late = result(PROBE_HTTP_STATUS, "late");
	probe_stop(&probe);
	start_probe(&probe);
	answer(checker[1], &late);
	run_loop(0.1);
	ck_assert_uint_eq(ended, 0);
}
END_TEST

START_TEST(garbage_and_descriptors_do_no_harm)
{
	struct message m;

	start_probe(&probe);
	take_request(checker[1]);
	m = result(PROBE_OK, "");
	ck_assert_int_eq(send(checker[1], "garbage", 7, 0), 7);
	m.run++;
	ck_assert_int_eq(message_send(checker[1], &m, checker[0]), 0);
	m.run--;
	memset(m.text, 'x', sizeof(m.text));
	answer(checker[1], &m);
	memset(m.text, 0, sizeof(m.text));
	ck_assert_int_eq(message_send(checker[1], &m, checker[0]), 0);
	run_loop(FIXTURE_MAX_RUN_S);
	ck_assert_int_eq(outcome.result, PROBE_OK);
	ck_assert_uint_eq(ended, 1);
}
END_TEST

START_TEST(a_process_that_does_not_answer_says_nothing_of_the_backend)
{
	fixture.check.timeout_ms = 50;
	ck_assert_int_eq(run_probe(), PROBE_SKIPPED);
	ck_assert_str_eq(outcome.text, "the checker does not answer");
	/* It has the check's time and a grace of its own. */
	assert_duration(1500, 4000);
}
END_TEST

START_TEST(a_full_channel_skips_the_probe)
{
	const struct message m = { .type = MESSAGE_PROBE };

	while (message_send(checker[0], &m, -1) == 0)
		;
	ck_assert_int_eq(run_probe(), PROBE_SKIPPED);
	ck_assert_str_eq(outcome.text, "the checker is too slow");
}
END_TEST

START_TEST(a_process_that_is_gone_skips_the_probe_without_a_busy_loop)
{
	unsigned int turns;

	close(checker[1]);
	run_loop(0.05);
	ck_assert_int_eq(run_probe(), PROBE_SKIPPED);
	ck_assert_str_eq(outcome.text, "the checker is not there");
	turns = ev_iteration(loop);
	run_loop(0.05);
	ck_assert_uint_lt(ev_iteration(loop) - turns, 10);
	checker[1] = dup(0);
}
END_TEST

START_TEST(without_a_channel_the_probe_is_skipped)
{
	struct probe_engine *with = engine;
	const struct probe_engine_conf conf = { .loop = loop,
		.icmp4 = -1,
		.icmp6 = -1,
		.checker = -1,
		.supervisor = -1 };

	fixture.check.type = CHECK_EXEC;
	engine = probe_engine_new(&conf);
	ck_assert_int_eq(run_probe(), PROBE_SKIPPED);
	ck_assert_str_eq(outcome.text, "the supervisor is not there");
	probe_engine_free(engine);
	engine = with;
}
END_TEST

/* Numbers are given again; each result still finds its own. */
START_TEST(many_at_once_are_told_apart)
{
	enum { MANY = 200 };
	static struct probe many[MANY];
	static struct message results[MANY];

	expected_ends = MANY;
	for (uint32_t i = 0; i < MANY; i++) {
		many[i] = probe;
		many[i].slot = i;
		start_probe(&many[i]);
		take_request(checker[1]);
		ck_assert_uint_eq(request.slot, i);
		results[i] = result(i % 2 == 0 ? PROBE_OK : PROBE_HTTP_BODY,
		    "");
	}
	for (uint32_t i = 0; i < MANY; i++) {
		answer(checker[1], &results[i]);
		run_loop(0.001);
		ck_assert_uint_eq(ended, i + 1);
		ck_assert_int_eq(outcome.result,
		    i % 2 == 0 ? PROBE_OK : PROBE_HTTP_BODY);
		ck_assert(!many[i].running);
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("probe_remote");
	TCase *all = tcase_create("all");

	tcase_add_checked_fixture(all, setup, teardown);
	tcase_add_loop_test(all, a_result_ends_the_probe, 0, 3);
	tcase_add_test(all, results_of_others_are_ignored);
	tcase_add_test(all, the_result_of_an_earlier_run_is_ignored);
	tcase_add_test(all, garbage_and_descriptors_do_no_harm);
	tcase_add_test(all,
	    a_process_that_does_not_answer_says_nothing_of_the_backend);
	tcase_add_test(all, a_full_channel_skips_the_probe);
	tcase_add_test(all,
	    a_process_that_is_gone_skips_the_probe_without_a_busy_loop);
	tcase_add_test(all, without_a_channel_the_probe_is_skipped);
	tcase_add_test(all, many_at_once_are_told_apart);
	suite_add_tcase(suite, all);
	return run_suite(suite);
}
