/*
 * test_hstate.c - the verdict over rows of results, against a model that keeps
 * every result there ever was; and the verdict of several checks.
 */
#include "loaded/hstate.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runner.h"
#include "seed.h"

#define RESULTS 400
#define ROUNDS 400

#define UNKNOWN HSTATE_UNKNOWN
#define UP HSTATE_UP
#define DOWN HSTATE_DOWN

static struct hstate
state_of(uint8_t rise, uint8_t fall, uint8_t window, uint8_t need)
{
	const struct hstate_conf conf = { rise, fall, window, need };
	struct hstate hs;

	ck_assert_int_eq(hstate_init(&hs, &conf), 0);
	return hs;
}

/*
 * '+' and '-' are results; after each word of them stands the verdict, U or D,
 * and all but its last must leave the verdict alone.
 */
static void
feed(struct hstate *hs, const char *words)
{
	for (const char *c = words; *c != '\0'; c++) {
		const enum hstate_verdict before = hs->verdict;
		enum hstate_verdict after = before;

		if (*c != '+' && *c != '-')
			continue;
		if (c[1] == 'U' || c[1] == 'D')
			after = c[1] == 'U' ? UP : DOWN;
		ck_assert_int_eq(hstate_feed(hs, *c == '+'), after != before);
		ck_assert_int_eq(hs->verdict, after);
	}
}

START_TEST(a_configuration_that_can_not_change_is_refused)
{
	static const struct hstate_conf bad[] = {
		{ 0, 1, 0, 0 },
		{ 1, 0, 0, 0 },
		{ 1, 1, 5, 0 },
		{ 1, 1, 5, 6 },
		{ 1, 1, 0, 1 },
		{ 1, 1, 65, 3 },
	};
	struct hstate hs;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(hstate_init(&hs, &bad[i]) == -EINVAL, "row %zu",
		    i);
	state_of(1, 1, 64, 64);
	state_of(255, 255, 1, 1);
}
END_TEST

START_TEST(the_first_result_decides_at_once)
{
	struct hstate hs = state_of(3, 5, 0, 0);

	ck_assert_int_eq(hs.verdict, UNKNOWN);
	feed(&hs, "+U");
	hs = state_of(3, 5, 0, 0);
	feed(&hs, "-D");
	hs = state_of(1, 1, 5, 3);
	feed(&hs, "+U");
	hs = state_of(1, 1, 5, 3);
	feed(&hs, "-D");
}
END_TEST

START_TEST(later_rise_and_fall_in_a_row_decide)
{
	struct hstate hs = state_of(3, 2, 0, 0);

	feed(&hs, "+U -+-+-+U --D ++-++-D +++U");
}
END_TEST

START_TEST(three_of_the_last_five_keep_it_up)
{
	struct hstate hs = state_of(1, 1, 5, 3);

	feed(&hs, "+U --U -D ++-D +U");
}
END_TEST

START_TEST(restored_is_as_if_reached_and_keeps_no_streak)
{
	struct hstate hs = state_of(2, 2, 0, 0);

	hstate_restore(&hs, UP);
	ck_assert_int_eq(hs.verdict, UP);
	ck_assert(!hstate_is_changing(&hs));
	feed(&hs, "--D");
	hstate_restore(&hs, DOWN);
	feed(&hs, "++U");
	hstate_restore(&hs, DOWN);
	ck_assert_uint_eq(hs.streak, 0);
	feed(&hs, "++U");
	hs = state_of(1, 1, 4, 3);
	hstate_restore(&hs, UP);
	feed(&hs, "-U -D");
	hstate_restore(&hs, DOWN);
	feed(&hs, "+++U");
}
END_TEST

START_TEST(restored_to_unknown_starts_anew)
{
	struct hstate hs = state_of(2, 3, 0, 0);

	feed(&hs, "+U");
	hstate_restore(&hs, UNKNOWN);
	ck_assert_int_eq(hs.verdict, UNKNOWN);
	ck_assert(hstate_is_changing(&hs));
	feed(&hs, "-D");
	hs = state_of(1, 1, 3, 2);
	feed(&hs, "+U");
	hstate_restore(&hs, UNKNOWN);
	feed(&hs, "-D");
}
END_TEST

START_TEST(it_is_changing_while_results_speak_against_the_verdict)
{
	struct hstate hs = state_of(2, 2, 0, 0);

	ck_assert(hstate_is_changing(&hs));
	hstate_feed(&hs, true);
	ck_assert(!hstate_is_changing(&hs));
	hstate_feed(&hs, false);
	ck_assert(hstate_is_changing(&hs));
	hstate_feed(&hs, false);
	ck_assert_int_eq(hs.verdict, DOWN);
	ck_assert(!hstate_is_changing(&hs));
	hstate_feed(&hs, true);
	ck_assert(hstate_is_changing(&hs));
	hstate_feed(&hs, false);
	ck_assert(!hstate_is_changing(&hs));
}
END_TEST

START_TEST(a_streak_counts_and_does_not_wrap)
{
	struct hstate hs = state_of(2, 2, 0, 0);

	for (uint32_t i = 1; i <= 70000; i++) {
		hstate_feed(&hs, true);
		ck_assert_uint_eq(hs.streak, i < 65535 ? i : 65535);
	}
	hstate_feed(&hs, false);
	ck_assert_uint_eq(hs.streak, 1);
	ck_assert(!hs.last_ok);
	feed(&hs, "-D");
}
END_TEST

/* The verdict after count results, from all of them. */
static enum hstate_verdict
model_verdict(const struct hstate_conf *conf, const bool *results, size_t count,
    enum hstate_verdict before)
{
	size_t good = 0, row = 0;

	if (count == 1)
		return results[0] ? UP : DOWN;
	if (conf->window > 0) {
		for (size_t i = 0; i < conf->window; i++)
			good += results[i < count ? count - 1 - i : 0];
		return good >= conf->need ? UP : DOWN;
	}
	while (row < count && results[count - 1 - row] == results[count - 1])
		row++;
	if (row >= (results[count - 1] ? conf->rise : conf->fall))
		return results[count - 1] ? UP : DOWN;
	return before;
}

static struct hstate_conf
random_conf(void)
{
	struct hstate_conf conf = { .rise = (uint8_t)(1 + random() % 6),
		.fall = (uint8_t)(1 + random() % 6) };

	if (random() % 2 == 0)
		return conf;
	conf.window = (uint8_t)(1 + random() % HSTATE_WINDOW);
	conf.need = (uint8_t)(1 + random() % conf.window);
	return conf;
}

static unsigned int
compare_with_model(void)
{
	const struct hstate_conf conf = random_conf();
	const long good = conf.window > 0 ? 100L * conf.need / conf.window :
					    random() % 101;
	enum hstate_verdict want = UNKNOWN;
	unsigned int changes = 0;
	bool results[RESULTS];
	struct hstate hs;

	ck_assert_int_eq(hstate_init(&hs, &conf), 0);
	for (size_t n = 0; n < RESULTS; n++) {
		const enum hstate_verdict before = want;

		results[n] = random() % 100 < good;
		want = model_verdict(&conf, results, n + 1, before);
		ck_assert_int_eq(hstate_feed(&hs, results[n]), want != before);
		ck_assert_int_eq(hs.verdict, want);
		ck_assert_int_eq(hstate_is_changing(&hs),
		    results[n] != (want == UP));
		changes += want != before;
	}
	return changes;
}

START_TEST(random_rows_end_as_in_the_model)
{
	unsigned int changes = 0;

	seed_random("hstate");
	for (int round = 0; round < ROUNDS; round++)
		changes += compare_with_model();
	ck_assert_uint_gt(changes, 4 * ROUNDS);
}
END_TEST

START_TEST(checks_combine_as_the_table_says)
{
	static const struct {
		enum hstate_verdict one, two, all, any;
	} rows[] = {
		{ UP, UP, UP, UP },
		{ UP, DOWN, DOWN, UP },
		{ DOWN, UP, DOWN, UP },
		{ DOWN, DOWN, DOWN, DOWN },
		{ UP, UNKNOWN, UNKNOWN, UP },
		{ UNKNOWN, UP, UNKNOWN, UP },
		{ DOWN, UNKNOWN, DOWN, UNKNOWN },
		{ UNKNOWN, DOWN, DOWN, UNKNOWN },
		{ UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const enum hstate_verdict both[] = { rows[i].one, rows[i].two };

		ck_assert_int_eq(hstate_combine(both, 2, CHECKS_ALL),
		    rows[i].all);
		ck_assert_int_eq(hstate_combine(both, 2, CHECKS_ANY),
		    rows[i].any);
		ck_assert_int_eq(hstate_combine(both, 1, CHECKS_ALL),
		    rows[i].one);
		ck_assert_int_eq(hstate_combine(both, 1, CHECKS_ANY),
		    rows[i].one);
	}
	ck_assert_int_eq(hstate_combine(NULL, 0, CHECKS_ALL), UNKNOWN);
	ck_assert_int_eq(hstate_combine(NULL, 0, CHECKS_ANY), UNKNOWN);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("hstate");
	TCase *rows = tcase_create("rows"), *rest = tcase_create("rest");

	tcase_add_test(rows, the_first_result_decides_at_once);
	tcase_add_test(rows, later_rise_and_fall_in_a_row_decide);
	tcase_add_test(rows, three_of_the_last_five_keep_it_up);
	tcase_add_test(rows, restored_is_as_if_reached_and_keeps_no_streak);
	tcase_add_test(rows, restored_to_unknown_starts_anew);
	tcase_add_test(rows, a_streak_counts_and_does_not_wrap);
	tcase_add_test(rows, random_rows_end_as_in_the_model);
	tcase_add_test(rest, a_configuration_that_can_not_change_is_refused);
	tcase_add_test(rest,
	    it_is_changing_while_results_speak_against_the_verdict);
	tcase_add_test(rest, checks_combine_as_the_table_says);
	suite_add_tcase(suite, rows);
	suite_add_tcase(suite, rest);
	return run_suite(suite);
}
