/*
 * test_sched_hash.c - sh, mh and srcmask: the same client meets the same
 * backend, shares follow the weights, and a failure moves nobody else.
 */
#include "loaded/sched.h"

#include "runner.h"
#include "sched_fixture.h"

#define CLIENTS 50000

static const char *const hash_names[] = { "sh", "mh" };

static const struct weights_case {
	uint16_t weights[6];
	uint32_t count;
} weights_cases[] = {
	{ { 1, 1 }, 2 },
	{ { 1, 1, 1, 1, 1 }, 5 },
	{ { 1, 2, 3, 4, 5, 6 }, 6 },
	{ { 65535, 65535, 65535 }, 3 },
	{ { 1000, 10, 0, 500 }, 4 },
	{ { 1, 65535 }, 2 },
	{ { 300, 1, 1, 1, 1, 1 }, 6 },
};

static void
use_random_clients(struct pool *p, uint64_t *seed)
{
	for (size_t i = 0; i < sizeof(p->c.addr.b); i++)
		p->c.addr.b[i] = (uint8_t)next_random(seed);
	p->c.port_be = (uint16_t)next_random(seed);
}

START_TEST(clients_are_shared_by_weight)
{
	const struct weights_case *wc = &weights_cases[_i / 2];
	uint64_t seed = fresh_seed("clients_are_shared_by_weight");
	uint32_t counts[6] = { 0 };
	struct pool p = pool_of(wc->weights, wc->count);

	pool_build_maglev(&p);
	for (int i = 0; i < CLIENTS; i++) {
		use_random_clients(&p, &seed);
		counts[pick(&p, ops_of(hash_names[_i % 2]))]++;
	}
	ck_assert_double_lt(deviation(counts, wc->weights, wc->count), 5);
	pool_free(&p);
}
END_TEST

START_TEST(neighbouring_clients_are_shared_by_weight)
{
	static const uint16_t weights[] = { 7, 1, 3, 3, 2 };
	uint32_t counts[5] = { 0 };
	struct pool p = pool_of(weights, 5);

	pool_build_maglev(&p);
	for (uint32_t i = 0; i < CLIENTS; i++)
		counts[pick_for(&p, ops_of(hash_names[_i]), i)]++;
	ck_assert_double_lt(deviation(counts, weights, 5), 5);
	pool_free(&p);
}
END_TEST

START_TEST(sh_shares_by_weight_among_two_thousand)
{
	uint64_t seed = fresh_seed("sh_shares_by_weight_among_two_thousand");
	struct pool p = pool_new(2000);
	uint16_t weights[2000];
	uint32_t counts[2000] = { 0 };

	for (uint32_t i = 0; i < 2000; i++) {
		weights[i] = (uint16_t)(i % 5);
		set_weight(&p, i, weights[i]);
	}
	for (int i = 0; i < 20000; i++) {
		use_random_clients(&p, &seed);
		counts[pick(&p, ops_of("sh"))]++;
	}
	ck_assert_double_lt(deviation(counts, weights, 2000), 5);
	pool_free(&p);
}
END_TEST

static uint32_t *
picks_of(struct pool *p, const struct sched_ops *ops, uint32_t clients)
{
	uint32_t *picks = calloc(clients, sizeof(*picks));

	for (uint32_t i = 0; i < clients; i++)
		picks[i] = pick_for(p, ops, i);
	return picks;
}

START_TEST(the_same_client_meets_the_same_member)
{
	const struct sched_ops *ops = ops_of(hash_names[_i]);
	struct pool p = pool_new(20);
	uint32_t *first, *second;

	pool_build_maglev(&p);
	first = picks_of(&p, ops, 2000);
	for (uint32_t i = 0; i < p.g.count; i++)
		state_of(&p, i)->active = i;
	p.c.now_ns *= 1000;
	second = picks_of(&p, ops, 2000);
	ck_assert_mem_eq(first, second, 2000 * sizeof(*first));
	free(first);
	free(second);
	pool_free(&p);
}
END_TEST

START_TEST(a_failure_moves_only_the_clients_of_the_failed)
{
	static const uint16_t weights[] = { 4, 3, 9, 2, 6, 6 };
	static const uint16_t rest[] = { 4, 3, 0, 2, 6, 6 };
	const struct sched_ops *ops = ops_of(hash_names[_i]);
	struct pool p = pool_of(weights, 6);
	uint32_t *before, *after, moved[6] = { 0 };

	pool_build_maglev(&p);
	before = picks_of(&p, ops, CLIENTS);
	set_down(&p, 2, true);
	after = picks_of(&p, ops, CLIENTS);
	for (uint32_t i = 0; i < CLIENTS; i++) {
		if (before[i] == 2)
			moved[after[i]]++;
		else
			ck_assert_uint_eq(after[i], before[i]);
	}
	ck_assert_double_lt(deviation(moved, rest, 6), 5);
	free(after);
	set_down(&p, 2, false);
	after = picks_of(&p, ops, CLIENTS);
	ck_assert_mem_eq(before, after, CLIENTS * sizeof(*after));
	free(before);
	free(after);
	pool_free(&p);
}
END_TEST

START_TEST(the_last_of_many_gets_all)
{
	const struct sched_ops *ops = ops_of(hash_names[_i]);
	struct pool p = pool_new(300);

	pool_build_maglev(&p);
	for (uint32_t i = 0; i < p.g.count; i++)
		set_down(&p, i, i != 123);
	for (uint32_t i = 0; i < 500; i++)
		ck_assert_uint_eq(pick_for(&p, ops, i), 123);
	pool_free(&p);
}
END_TEST

START_TEST(the_order_of_members_does_not_matter)
{
	const struct sched_ops *ops = ops_of(hash_names[_i]);
	struct pool a = pool_new(30), b = pool_new(30);

	for (uint32_t i = 0; i < 30; i++) {
		set_weight(&a, i, (uint16_t)(i % 4 + 1));
		a.members[i].port_be = (uint16_t)(i % 2);
		a.members[i].addr = addr_of(0x0a000000 + i / 2);
	}
	for (uint32_t i = 0; i < 30; i++)
		b.members[i] = a.members[29 - i];
	b.g.states = a.states;
	for (uint32_t i = 10; i < 30; i++)
		set_down(&a, i, true);
	pool_build_maglev(&a);
	pool_build_maglev(&b);
	for (uint32_t i = 0; i < 5000; i++)
		ck_assert_uint_eq(pick_for(&a, ops, i),
		    29 - pick_for(&b, ops, i));
	pool_free(&a);
	pool_free(&b);
}
END_TEST

START_TEST(the_port_counts_only_when_asked_for)
{
	const struct sched_ops *ops = ops_of(hash_names[_i]);
	struct pool p = pool_new(10);
	uint32_t moved = 0, member;

	pool_build_maglev(&p);
	member = pick(&p, ops);
	for (uint16_t port = 0; port < 1000; port++) {
		p.c.port_be = port;
		p.g.hash_port = false;
		ck_assert_uint_eq(pick(&p, ops), member);
		p.g.hash_port = true;
		moved += pick(&p, ops) != member;
	}
	ck_assert_uint_gt(moved, 800);
	pool_free(&p);
}
END_TEST

START_TEST(another_key_makes_other_choices)
{
	static const uint8_t other[SIPHASH_KEY_LEN] = "some other key.";
	const struct sched_ops *ops = ops_of(hash_names[_i]);
	struct pool p = pool_new(10);
	uint32_t *first, *second, same = 0;

	pool_build_maglev(&p);
	first = picks_of(&p, ops, 2000);
	p.g.key = other;
	second = picks_of(&p, ops, 2000);
	for (uint32_t i = 0; i < 2000; i++)
		same += first[i] == second[i];
	ck_assert_uint_lt(same, 300);
	free(first);
	free(second);
	pool_free(&p);
}
END_TEST

/* Without a table mh does what sh does. */
START_TEST(a_member_that_leaves_moves_only_its_own_clients)
{
	struct pool p = pool_new(11);
	uint32_t *before, *after;

	before = picks_of(&p, ops_of(hash_names[_i]), 20000);
	p.g.count--;
	after = picks_of(&p, ops_of(hash_names[_i]), 20000);
	for (uint32_t i = 0; i < 20000; i++) {
		if (before[i] != p.g.count)
			ck_assert_uint_eq(after[i], before[i]);
	}
	free(before);
	free(after);
	pool_free(&p);
}
END_TEST

START_TEST(the_configured_weight_places_and_the_runtime_weight_admits)
{
	const struct sched_ops *ops = ops_of(hash_names[_i]);
	struct pool p = pool_new(4);
	uint32_t *before, *after;

	set_weight(&p, 3, 0);
	pool_build_maglev(&p);
	before = picks_of(&p, ops, 5000);
	state_of(&p, 0)->weight = 60000;
	state_of(&p, 3)->weight = 60000;
	after = picks_of(&p, ops, 5000);
	ck_assert_mem_eq(before, after, 5000 * sizeof(*after));
	free(after);
	state_of(&p, 1)->weight = 0;
	after = picks_of(&p, ops, 5000);
	for (uint32_t i = 0; i < 5000; i++) {
		ck_assert_uint_ne(after[i], 1);
		ck_assert_uint_ne(after[i], 3);
	}
	free(before);
	free(after);
	pool_free(&p);
}
END_TEST

/* Members 0 to 2 take clients by their last two bits; 3 and 4 the others. */
static struct pool
masked_pool(uint32_t count)
{
	struct pool p = pool_new(count);

	for (uint32_t i = 0; i < 3; i++) {
		p.members[i].has_mask = true;
		p.members[i].mask.b[15] = 3;
		p.members[i].value.b[15] = (uint8_t)i;
	}
	return p;
}

START_TEST(srcmask_takes_the_first_match_then_the_maskless)
{
	const struct sched_ops *ops = ops_of("srcmask");
	struct pool p = masked_pool(5);

	for (uint32_t i = 0; i < 40; i++)
		ck_assert_uint_eq(pick_for(&p, ops, i), i % 4);
	set_down(&p, 3, true);
	set_down(&p, 1, true);
	for (uint32_t i = 0; i < 40; i++)
		ck_assert_uint_eq(pick_for(&p, ops, i),
		    i % 4 == 1 || i % 4 == 3 ? 4 : i % 4);
	pool_free(&p);
}
END_TEST

START_TEST(srcmask_goes_on_to_the_next_match)
{
	const struct sched_ops *ops = ops_of("srcmask");
	struct pool p = masked_pool(5);

	p.members[2].mask.b[15] = 1;
	p.members[2].value.b[15] = 1;
	ck_assert_uint_eq(pick_for(&p, ops, 1), 1);
	ck_assert_uint_eq(pick_for(&p, ops, 3), 2);
	set_down(&p, 1, true);
	ck_assert_uint_eq(pick_for(&p, ops, 1), 2);
	pool_free(&p);
}
END_TEST

START_TEST(srcmask_shares_out_clients_that_nobody_matches)
{
	const struct sched_ops *ops = ops_of("srcmask");
	struct pool p = masked_pool(3);

	for (uint32_t i = 0; i < 40; i++)
		ck_assert_uint_eq(pick_for(&p, ops, i),
		    i % 4 < 3 ? i % 4 : (0xc6120000 + i) % 3);
	set_down(&p, 0, true);
	for (uint32_t i = 0; i < 40; i += 4)
		ck_assert_uint_eq(pick_for(&p, ops, i),
		    1 + (0xc6120000 + i) % 2);
	pool_free(&p);
}
END_TEST

START_TEST(srcmask_without_masks_goes_by_the_low_bits)
{
	const struct sched_ops *ops = ops_of("srcmask");
	struct pool p = pool_new(5);

	for (uint32_t i = 0; i < 50; i++)
		ck_assert_uint_eq(pick_for(&p, ops, i), (0xc6120000 + i) % 5);
	set_down(&p, 2, true);
	for (uint32_t i = 0; i < 50; i++) {
		const uint32_t client = 0xc6120000 + i, nth = client % 4;

		ck_assert_uint_eq(pick_for(&p, ops, i),
		    client % 5 != 2 ? client % 5 : nth + (nth >= 2));
	}
	pool_free(&p);
}
END_TEST

START_TEST(srcmask_sees_all_bits_of_an_ipv6_address)
{
	static const struct addr client = { { 0x20, 0x01, [15] = 9 } };
	struct pool p = masked_pool(4);

	memset(p.members[2].mask.b, 0xff, 16);
	p.members[2].value = client;
	memset(p.members[0].mask.b, 0xff, 16);
	p.c.addr = client;
	p.members[1].value.b[15] = 2;
	ck_assert_uint_eq(pick(&p, ops_of("srcmask")), 2);
	p.c.addr.b[4] ^= 1;
	ck_assert_uint_eq(pick(&p, ops_of("srcmask")), 3);
	pool_free(&p);
}
END_TEST

static TCase *
hashes(void)
{
	const int ncases = sizeof(weights_cases) / sizeof(weights_cases[0]);
	TCase *tc = tcase_create("hashes");

	tcase_add_loop_test(tc, clients_are_shared_by_weight, 0, 2 * ncases);
	tcase_add_loop_test(tc, neighbouring_clients_are_shared_by_weight, 0,
	    2);
	tcase_add_test(tc, sh_shares_by_weight_among_two_thousand);
	tcase_add_loop_test(tc, the_same_client_meets_the_same_member, 0, 2);
	tcase_add_loop_test(tc, a_failure_moves_only_the_clients_of_the_failed,
	    0, 2);
	tcase_add_loop_test(tc, the_last_of_many_gets_all, 0, 2);
	tcase_add_loop_test(tc, the_order_of_members_does_not_matter, 0, 2);
	tcase_add_loop_test(tc, the_port_counts_only_when_asked_for, 0, 2);
	tcase_add_loop_test(tc, another_key_makes_other_choices, 0, 2);
	tcase_add_loop_test(tc, a_member_that_leaves_moves_only_its_own_clients,
	    0, 2);
	tcase_add_loop_test(tc,
	    the_configured_weight_places_and_the_runtime_weight_admits, 0, 2);
	tcase_set_timeout(tc, 60);
	return tc;
}

static TCase *
masks(void)
{
	TCase *tc = tcase_create("masks");

	tcase_add_test(tc, srcmask_takes_the_first_match_then_the_maskless);
	tcase_add_test(tc, srcmask_goes_on_to_the_next_match);
	tcase_add_test(tc, srcmask_shares_out_clients_that_nobody_matches);
	tcase_add_test(tc, srcmask_without_masks_goes_by_the_low_bits);
	tcase_add_test(tc, srcmask_sees_all_bits_of_an_ipv6_address);
	return tc;
}

int
main(void)
{
	Suite *suite = suite_create("sched_hash");

	suite_add_tcase(suite, hashes());
	suite_add_tcase(suite, masks());
	return run_suite(suite);
}
