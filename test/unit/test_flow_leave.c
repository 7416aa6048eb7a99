/*
 * test_flow_leave.c - how flows leave the flow table: by time, by request, and
 * to make room for others.
 */
#include "flow_counted.h"
#include "runner.h"

/* Time. */

START_TEST(a_flow_ends_one_tick_after_its_timeout_also_when_ticks_wrap)
{
	static const uint32_t starts[] = { 0, 1000, UINT32_MAX - 50,
		INT32_MAX - 50 };
	const uint32_t start = starts[_i];
	const struct flow f = flow_of(1, FLOW_UDP);

	make_table(10);
	ck_assert_int_eq(insert(t, &f, start), FLOW_INSERTED);
	for (uint32_t idle = 0; idle < 100; idle++)
		MUST(find(t, &f, FLOW_FROM_CLIENT, start + idle) != NULL);
	ck_assert_ptr_nonnull(find(t, &f, FLOW_FROM_CLIENT, start + 100));
	touch(t, find(t, &f, FLOW_FROM_CLIENT, start + 100), FLOW_UDP, 100,
	    start + 100);
	ck_assert_ptr_nonnull(find(t, &f, FLOW_FROM_CLIENT, start + 99));
	ck_assert_ptr_nonnull(find(t, &f, FLOW_FROM_CLIENT, start + 200));
	ck_assert_uint_eq(released, 0);
	ck_assert_ptr_null(find(t, &f, FLOW_FROM_BACKEND, start + 201));
	ck_assert_uint_eq(released, 1);
	ck_assert_uint_eq(used(t), 0);
	end_table();
}
END_TEST

START_TEST(expiry_takes_late_flows_and_leaves_the_others)
{
	const uint32_t n = 5000;
	uint32_t removed = 0;

	make_table(8192);
	for (uint32_t i = 0; i < n; i++) {
		struct flow f = flow_of(i, FLOW_ESTABLISHED);

		MUST(insert(t, &f, 0) == FLOW_INSERTED);
	}
	for (uint32_t i = 0; i < n; i += 2) {
		const struct flow f = flow_of(i, FLOW_ESTABLISHED);

		touch(t, find(t, &f, FLOW_FROM_CLIENT, 60), FLOW_ESTABLISHED,
		    100, 60);
	}
	ck_assert_uint_eq(flow_expire(t, 3, flow_stripes(t), 100), 0);
	for (int round = 0; round < 200; round++)
		removed += flow_expire(t, 3, flow_stripes(t), 101);
	ck_assert_uint_eq(removed, n / 2);
	ck_assert_uint_eq(released, n / 2);
	ck_assert_uint_eq(used(t), n / 2);
	end_table();
}
END_TEST

/* A flow that was used and is late does not go round once more. */
START_TEST(a_late_flow_goes_at_once_though_it_was_touched)
{
	const struct flow a = flow_of(1, FLOW_UDP), b = flow_of(2, FLOW_UDP);

	make_table(10);
	ck_assert_int_eq(insert(t, &a, 0), FLOW_INSERTED);
	touch(t, find(t, &a, FLOW_FROM_CLIENT, 1), FLOW_UDP, 100, 1);
	ck_assert_int_eq(insert(t, &b, 90), FLOW_INSERTED);
	ck_assert_uint_eq(flow_expire(t, 0, 1, 102), 1);
	ck_assert_ptr_nonnull(find(t, &b, FLOW_FROM_CLIENT, 102));
	end_table();
}
END_TEST

START_TEST(one_call_of_expiry_is_bounded)
{
	make_table(1024);
	for (uint32_t i = 0; i < 1024; i++) {
		const struct flow f = flow_of(i, FLOW_SYN);

		MUST(insert(t, &f, 0) == FLOW_INSERTED);
	}
	ck_assert_uint_eq(flow_expire(t, 0, 1, 1000), 32);
	ck_assert_uint_eq(used(t), 1024 - 32);
	end_table();
}
END_TEST

START_TEST(a_flow_is_released_once_and_not_again_after_it_closed)
{
	const struct flow f = flow_of(1, FLOW_ESTABLISHED);
	struct flow *found;

	make_table(10);
	ck_assert_int_eq(insert(t, &f, 0), FLOW_INSERTED);
	found = find(t, &f, FLOW_FROM_CLIENT, 0);
	touch(t, found, FLOW_FIN, 50, 0);
	ck_assert_uint_eq(released, 0);
	touch(t, found, FLOW_CLOSED, 20, 0);
	ck_assert_uint_eq(released, 1);
	touch(t, found, FLOW_CLOSED, 30, 1);
	touch(t, found, FLOW_CLOSED, 30, 2);
	take_out(t, found);
	ck_assert_uint_eq(released, 1);
	ck_assert_uint_eq(used(t), 0);
	end_table();
}
END_TEST

/* Eviction. */

/* Filled with one flow of each class, which go in the order of the enum. */
START_TEST(classes_are_evicted_in_their_order)
{
	struct flow_usage usage;

	make_table(FLOW_CLASSES);
	for (int c = FLOW_CLASSES - 1; c >= 0; c--) {
		struct flow f = flow_of((uint32_t)c, (enum flow_class)c);

		if (c == FLOW_CLOSED)
			f.class = FLOW_SYN;
		MUST(insert(t, &f, 0) == FLOW_INSERTED);
		if (c == FLOW_CLOSED)
			touch(t, find(t, &f, FLOW_FROM_CLIENT, 0), FLOW_CLOSED,
			    100, 0);
	}
	for (int c = 0; c < FLOW_ESTABLISHED; c++) {
		const struct flow f = flow_of(100 + (uint32_t)c,
		    FLOW_ESTABLISHED);

		flow_usage(t, &usage);
		MUST(usage.class[c] == 1);
		MUST(insert(t, &f, 1) == FLOW_INSERTED);
		flow_usage(t, &usage);
		MUST(usage.class[c] == 0);
		MUST(usage.used == FLOW_CLASSES);
	}
	ck_assert_uint_eq(released, 4); /* closed, SYN, FIN, UDP */
	end_table();
}
END_TEST

START_TEST(a_late_flow_goes_before_any_other_even_if_established)
{
	struct flow late = flow_of(1, FLOW_ESTABLISHED);
	const struct flow closing = flow_of(2, FLOW_FIN);
	const struct flow new = flow_of(3, FLOW_SYN);

	make_table(2);
	late.timeout = 10;
	ck_assert_int_eq(insert(t, &late, 0), FLOW_INSERTED);
	ck_assert_int_eq(insert(t, &closing, 0), FLOW_INSERTED);
	ck_assert_int_eq(insert(t, &new, 11), FLOW_INSERTED);
	ck_assert_ptr_null(find(t, &late, FLOW_FROM_CLIENT, 11));
	ck_assert_ptr_nonnull(find(t, &closing, FLOW_FROM_CLIENT, 11));
	end_table();
}
END_TEST

START_TEST(half_open_flows_go_oldest_first_and_udp_in_use_is_spared)
{
	make_table(8);
	for (uint32_t i = 0; i < 8; i++) {
		const struct flow f = flow_of(i, i < 4 ? FLOW_UDP : FLOW_SYN);

		MUST(insert(t, &f, i) == FLOW_INSERTED);
		if (i != 2)
			touch(t, find(t, &f, FLOW_FROM_BACKEND, i),
			    (enum flow_class)f.class, 100, i);
	}
	for (uint32_t i = 0; i < 5; i++) {
		const struct flow f = flow_of(20 + i, FLOW_ESTABLISHED);
		const struct flow gone = i < 4 ? flow_of(4 + i, FLOW_SYN) :
						 flow_of(2, FLOW_UDP);

		MUST(find(t, &gone, FLOW_FROM_CLIENT, 9) != NULL);
		MUST(insert(t, &f, 9) == FLOW_INSERTED);
		MUST(find(t, &gone, FLOW_FROM_CLIENT, 9) == NULL);
	}
	end_table();
}
END_TEST

START_TEST(a_second_chance_is_for_use_since_the_last_one)
{
	const struct flow a = flow_of(1, FLOW_UDP), b = flow_of(2, FLOW_UDP);
	const struct flow c = flow_of(3, FLOW_UDP), d = flow_of(4, FLOW_UDP);

	make_table(2);
	ck_assert_int_eq(insert(t, &a, 0), FLOW_INSERTED);
	ck_assert_int_eq(insert(t, &b, 0), FLOW_INSERTED);
	touch(t, find(t, &a, FLOW_FROM_CLIENT, 0), FLOW_UDP, 100, 0);
	ck_assert_int_eq(insert(t, &c, 1), FLOW_INSERTED);
	ck_assert_ptr_null(find(t, &b, FLOW_FROM_CLIENT, 1));
	ck_assert_int_eq(insert(t, &d, 2), FLOW_INSERTED);
	ck_assert_ptr_null(find(t, &a, FLOW_FROM_CLIENT, 2));
	ck_assert_ptr_nonnull(find(t, &c, FLOW_FROM_CLIENT, 2));
	end_table();
}
END_TEST

/* Established flows take three quarters of one, or of many stripes. */
START_TEST(a_syn_flood_never_evicts_an_established_flow)
{
	const uint32_t max = _i == 0 ? 1000 : 10000, keep = max / 4 * 3;
	struct flow_usage usage;

	make_table(max);
	for (uint32_t i = 0; i < keep; i++) {
		const struct flow f = flow_of(i, FLOW_ESTABLISHED);

		MUST(insert(t, &f, 0) == FLOW_INSERTED);
	}
	for (uint32_t i = 0; i < 10 * max; i++) {
		const struct flow f = flow_of(max + i, FLOW_SYN);

		MUST(insert(t, &f, i / max) == FLOW_INSERTED);
	}
	for (uint32_t i = 0; i < keep; i++) {
		const struct flow f = flow_of(i, FLOW_ESTABLISHED);

		MUST(find(t, &f, FLOW_FROM_BACKEND, 10) != NULL);
	}
	flow_usage(t, &usage);
	ck_assert_uint_eq(usage.class[FLOW_ESTABLISHED], keep);
	ck_assert_uint_eq(usage.used, max);
	end_table();
}
END_TEST

START_TEST(a_full_table_takes_room_from_a_neighbouring_stripe)
{
	uint32_t syns = 0, n = 0;
	struct flow f;

	make_table(3000);
	while (used(t) < 3000) {
		f = flow_of(n++, FLOW_ESTABLISHED);
		if (stripe_of(t, &f) == 1 && syns < 10) {
			f.class = FLOW_SYN;
			syns++;
		}
		MUST(insert(t, &f, 0) == FLOW_INSERTED);
	}
	for (uint32_t i = 0; i < 10;) {
		f = flow_of(n++, FLOW_ESTABLISHED);
		if (stripe_of(t, &f) != 0)
			continue;
		MUST(insert(t, &f, 0) == FLOW_INSERTED);
		i++;
	}
	ck_assert_uint_eq(released, 10);
	ck_assert_uint_eq(used(t), 3000);
	f = flow_of(n, FLOW_ESTABLISHED);
	ck_assert_int_eq(insert(t, &f, 0), FLOW_FULL);
	end_table();
}
END_TEST

/* What others could give up is of no use: its own entries are all taken. */
START_TEST(a_full_stripe_of_a_table_that_is_not_full_is_full)
{
	uint32_t n = 0, kept = 0;
	enum flow_insert_result result = FLOW_INSERTED;
	struct flow f;

	make_table(3000);
	do {
		f = flow_of(n++, FLOW_SYN);
		if (stripe_of(t, &f) == 0)
			f.class = FLOW_ESTABLISHED;
		else if (stripe_of(t, &f) == 2 || n > 600)
			continue;
		result = insert(t, &f, 0);
		kept += result == FLOW_INSERTED;
	} while (result == FLOW_INSERTED);
	ck_assert_int_eq(result, FLOW_FULL);
	ck_assert_uint_eq(used(t), kept);
	ck_assert_uint_lt(kept, 1500);
	ck_assert_uint_eq(released, 0);
	end_table();
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("flow_leave");
	TCase *tc = tcase_create("time");
	tcase_add_loop_test(tc,
	    a_flow_ends_one_tick_after_its_timeout_also_when_ticks_wrap, 0, 4);
	tcase_add_test(tc, expiry_takes_late_flows_and_leaves_the_others);
	tcase_add_test(tc, a_late_flow_goes_at_once_though_it_was_touched);
	tcase_add_test(tc, one_call_of_expiry_is_bounded);
	tcase_add_test(tc,
	    a_flow_is_released_once_and_not_again_after_it_closed);
	suite_add_tcase(s, tc);
	tc = tcase_create("eviction");
	tcase_add_test(tc, classes_are_evicted_in_their_order);
	tcase_add_test(tc,
	    a_late_flow_goes_before_any_other_even_if_established);
	tcase_add_test(tc,
	    half_open_flows_go_oldest_first_and_udp_in_use_is_spared);
	tcase_add_loop_test(tc, a_syn_flood_never_evicts_an_established_flow, 0,
	    2);
	tcase_add_test(tc, a_full_table_takes_room_from_a_neighbouring_stripe);
	tcase_add_test(tc, a_second_chance_is_for_use_since_the_last_one);
	tcase_add_test(tc, a_full_stripe_of_a_table_that_is_not_full_is_full);
	suite_add_tcase(s, tc);
	return s;
}

int
main(void)
{
	return run_suite(suite());
}
