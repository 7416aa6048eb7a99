/*
 * test_flow.c - what the flow table holds and how it is found.  How flows
 * leave is in test_flow_leave.c, random operations in test_flow_model.c, the
 * locks in test_flow_threads.c.
 */
#include "flow_counted.h"
#include "runner.h"

/* Capacity and memory. */

START_TEST(a_flow_costs_at_most_96_bytes)
{
	static const uint32_t max[] = { 4096, 4097, 5000, 8193, 65536, 100000,
		1048576, FLOW_MAX };

	for (size_t i = 0; i < sizeof(max) / sizeof(max[0]); i++)
		MUST(flow_size(max[i]) <= 96 * (size_t)max[i]);
	for (uint32_t m = 4096; m < 40000; m += 7)
		MUST(flow_size(m) <= 96 * (size_t)m);
}
END_TEST

START_TEST(format_writes_nothing_but_the_head)
{
	unsigned char pages[64];
	size_t touched = 0;

	make_table(1U << 18);
	for (size_t i = 0; i < x.size; i += sizeof(pages) * 4096) {
		const size_t n = (x.size - i + 4095) / 4096;
		const size_t chunk = n < sizeof(pages) ? n : sizeof(pages);

		MUST(mincore((char *)x.mem + i, chunk * 4096, pages) == 0);
		for (size_t p = 0; p < chunk; p++)
			touched += pages[p] & 1;
	}
	ck_assert_uint_le(touched, 16);
	end_table();
}
END_TEST

/* One stripe holds exactly max; of many, none may be full too early. */
START_TEST(established_flows_fill_the_table_to_its_last_place)
{
	static const uint32_t sizes[] = { 1, 2, 7, 1000, 1024, 100000 };
	const uint32_t max = sizes[_i];
	uint64_t found = 0;
	struct flow f;

	make_table(max);
	ck_assert_uint_eq(flow_max(t), max);
	for (uint32_t i = 0; i < max; i++) {
		f = flow_of(i, FLOW_ESTABLISHED);
		MUST(insert(t, &f, 5) == FLOW_INSERTED);
	}
	f = flow_of(max, FLOW_ESTABLISHED);
	ck_assert_int_eq(insert(t, &f, 5), FLOW_FULL);
	for (uint32_t i = 0; i < max; i++) {
		f = flow_of(i, FLOW_ESTABLISHED);
		found += find(t, &f, FLOW_FROM_CLIENT, 5) != NULL;
		found += find(t, &f, FLOW_FROM_BACKEND, 5) != NULL;
	}
	ck_assert_uint_eq(found, 2 * (uint64_t)max);
	ck_assert_uint_eq(released, 0);
	end_table();
}
END_TEST

/* Keys. */

START_TEST(both_directions_find_the_same_flow)
{
	const struct flow f = flow_of(1, FLOW_SYN);
	struct flow other = f;
	struct flow *found;

	make_table(10);
	ck_assert_ptr_null(find(t, &f, FLOW_FROM_CLIENT, 0));
	ck_assert_int_eq(insert(t, &f, 0), FLOW_INSERTED);
	found = find(t, &f, FLOW_FROM_CLIENT, 0);
	ck_assert_ptr_nonnull(found);
	ck_assert_ptr_eq(find(t, &f, FLOW_FROM_BACKEND, 0), found);
	other.proto = IPPROTO_UDP;
	ck_assert_ptr_null(find(t, &other, FLOW_FROM_CLIENT, 0));
	other = f;
	other.client_port_be++;
	ck_assert_ptr_null(find(t, &other, FLOW_FROM_CLIENT, 0));
	other = f;
	other.vip_port_be++;
	ck_assert_ptr_null(find(t, &other, FLOW_FROM_CLIENT, 0));
	ck_assert_ptr_eq(find(t, &other, FLOW_FROM_BACKEND, 0), found);
	end_table();
}
END_TEST

/* A host may serve a VIP and be a backend: ids alone do not tell. */
START_TEST(directions_do_not_mix_when_an_address_is_vip_and_backend)
{
	struct flow a = flow_of(1, FLOW_SYN), b = a;
	struct flow *fa, *fb;

	make_table(10);
	a.vip = b.server = 5;
	a.server = b.vip = 6;
	a.vip_port_be = b.server_port_be = 80;
	a.server_port_be = b.vip_port_be = 81;
	ck_assert_int_eq(insert(t, &a, 0), FLOW_INSERTED);
	ck_assert_ptr_null(find(t, &b, FLOW_FROM_CLIENT, 0));
	ck_assert_ptr_null(find(t, &b, FLOW_FROM_BACKEND, 0));
	ck_assert_int_eq(insert(t, &b, 0), FLOW_INSERTED);
	fa = find(t, &a, FLOW_FROM_CLIENT, 0);
	fb = find(t, &b, FLOW_FROM_CLIENT, 0);
	ck_assert_ptr_ne(fa, fb);
	ck_assert_ptr_eq(find(t, &a, FLOW_FROM_BACKEND, 0), fa);
	ck_assert_ptr_eq(find(t, &b, FLOW_FROM_BACKEND, 0), fb);
	end_table();
}
END_TEST

START_TEST(persistence_has_no_reply_direction)
{
	const struct flow p = flow_of(1, FLOW_PERSIST);
	struct flow *found;

	make_table(10);
	ck_assert_int_eq(insert(t, &p, 0), FLOW_INSERTED);
	ck_assert_ptr_null(find(t, &p, FLOW_FROM_BACKEND, 0));
	found = find(t, &p, FLOW_FROM_CLIENT, 0);
	ck_assert_ptr_nonnull(found);
	take_out(t, found);
	ck_assert_uint_eq(used(t), 0);
	ck_assert_uint_eq(released, 0);
	end_table();
}
END_TEST

START_TEST(a_flow_that_is_not_nat_has_no_reply_direction)
{
	struct flow dr = flow_of(1, FLOW_SYN), other = dr;
	struct flow *found;

	make_table(10);
	dr.forward = FORWARD_DR;
	ck_assert_int_eq(insert(t, &dr, 0), FLOW_INSERTED);
	ck_assert_ptr_null(find(t, &dr, FLOW_FROM_BACKEND, 0));
	found = find(t, &dr, FLOW_FROM_CLIENT, 0);
	ck_assert_ptr_nonnull(found);
	ck_assert_uint_eq(found->forward, FORWARD_DR);
	/* Nor does it keep another from having the tuple. */
	other.vip++;
	ck_assert_int_eq(insert(t, &other, 0), FLOW_INSERTED);
	ck_assert_ptr_eq(find(t, &dr, FLOW_FROM_BACKEND, 0),
	    find(t, &other, FLOW_FROM_CLIENT, 0));
	ck_assert_int_eq(flow_verify(t), 0);
	touch(t, found, FLOW_CLOSED, 100, 0);
	ck_assert_uint_eq(released, 1);
	take_out(t, found);
	ck_assert_uint_eq(released, 1);
	ck_assert_ptr_nonnull(find(t, &other, FLOW_FROM_BACKEND, 0));
	end_table();
}
END_TEST

START_TEST(a_second_flow_of_the_same_tuple_exists)
{
	const struct flow f = flow_of(1, FLOW_SYN);

	make_table(10);
	ck_assert_int_eq(insert(t, &f, 0), FLOW_INSERTED);
	ck_assert_int_eq(insert(t, &f, 100), FLOW_EXISTS);
	ck_assert_int_eq(insert(t, &f, 101), FLOW_INSERTED);
	ck_assert_uint_eq(released, 1);
	end_table();
}
END_TEST

START_TEST(a_reply_tuple_is_taken_until_its_flow_is_closed_or_late)
{
	const struct flow f = flow_of(1, FLOW_ESTABLISHED);
	struct flow g = f;

	make_table(10);
	g.vip = 9;
	ck_assert_int_eq(insert(t, &f, 0), FLOW_INSERTED);
	ck_assert_int_eq(insert(t, &g, 0), FLOW_REPLY_TAKEN);
	touch(t, find(t, &f, FLOW_FROM_CLIENT, 0), FLOW_CLOSED, 50, 0);
	ck_assert_uint_eq(released, 1);
	ck_assert_int_eq(insert(t, &g, 0), FLOW_INSERTED);
	ck_assert_ptr_null(find(t, &f, FLOW_FROM_CLIENT, 0));
	ck_assert_uint_eq(released, 1);
	ck_assert_int_eq(insert(t, &f, 101), FLOW_INSERTED);
	ck_assert_uint_eq(released, 2);
	end_table();
}
END_TEST

/* Index. */

START_TEST(one_client_stays_in_a_stripe_and_spreads_over_its_buckets)
{
	struct flow f = flow_of(1, FLOW_SYN);
	struct flow_key key = key_of(&f, FLOW_FROM_CLIENT), other = key;
	struct flow_hash a, b;

	make_table(100000);
	a = flow_hash(t, &key);
	for (int field = 0; field < 3; field++) {
		other = key;
		other.peer += field == 0;
		other.peer_port_be ^= field == 1;
		other.dir ^= field == 2;
		b = flow_hash(t, &other);
		ck_assert_uint_eq(a.stripe, b.stripe);
		ck_assert_uint_ne(a.bucket >> 32, b.bucket >> 32);
	}
	end_table();
}
END_TEST

/* Fills and thins out a full stripe: chains through full buckets survive. */
START_TEST(chains_survive_removal_in_any_order)
{
	bool there[1024] = { false };
	uint32_t random = 12345;

	make_table(1024);
	for (int step = 0; step < 60000; step++) {
		struct flow f;

		random = random * 1664525 + 1013904223;
		f = flow_of(random >> 22, FLOW_ESTABLISHED);
		if (there[random >> 22])
			take_out(t, find(t, &f, FLOW_FROM_BACKEND, 0));
		else
			MUST(insert(t, &f, 0) == FLOW_INSERTED);
		there[random >> 22] ^= true;
		if (step % 1000 == 0)
			MUST(flow_verify(t) == 0);
	}
	for (uint32_t n = 0; n < 1024; n++) {
		const struct flow f = flow_of(n, FLOW_ESTABLISHED);

		MUST((find(t, &f, FLOW_FROM_CLIENT, 0) != NULL) == there[n]);
		MUST((find(t, &f, FLOW_FROM_BACKEND, 0) != NULL) == there[n]);
	}
	end_table();
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("flow");
	TCase *tc = tcase_create("memory");

	tcase_add_test(tc, a_flow_costs_at_most_96_bytes);
	tcase_add_test(tc, format_writes_nothing_but_the_head);
	tcase_add_loop_test(tc,
	    established_flows_fill_the_table_to_its_last_place, 0, 6);
	suite_add_tcase(s, tc);
	tc = tcase_create("keys");
	tcase_add_test(tc, both_directions_find_the_same_flow);
	tcase_add_test(tc,
	    directions_do_not_mix_when_an_address_is_vip_and_backend);
	tcase_add_test(tc, persistence_has_no_reply_direction);
	tcase_add_test(tc, a_flow_that_is_not_nat_has_no_reply_direction);
	tcase_add_test(tc, a_second_flow_of_the_same_tuple_exists);
	tcase_add_test(tc,
	    a_reply_tuple_is_taken_until_its_flow_is_closed_or_late);
	tcase_add_test(tc,
	    one_client_stays_in_a_stripe_and_spreads_over_its_buckets);
	tcase_add_test(tc, chains_survive_removal_in_any_order);
	suite_add_tcase(s, tc);
	return s;
}

int
main(void)
{
	return run_suite(suite());
}
