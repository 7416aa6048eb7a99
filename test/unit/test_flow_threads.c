/*
 * test_flow_threads.c - several threads on one flow table, as the workers are.
 * Tells most when built with -fsanitize=thread.
 */
#include "flow_fixture.h"
#include "runner.h"

#include <pthread.h>
#include <stdatomic.h>

#define THREADS 4
#define STEPS 50000

static struct table_fixture x;
static _Atomic uint64_t inserted, released;

static void
on_release(void *arg, const struct flow *f)
{
	(void)arg;
	(void)f;
	atomic_fetch_add(&released, 1);
}

/*
 * One packet: found and touched, or removed, or a new flow.  The first stripe
 * has established flows only, so it has to take room from the others.
 */
static void
packet(struct flow_table *t, uint32_t random, uint32_t now)
{
	struct flow f = flow_of(random % 6000, FLOW_SYN);
	const enum flow_dir dir = random >> 30 & 1;
	const struct flow_key key = key_of(&f, dir);
	const struct flow_hash h = flow_hash(t, &key);
	struct flow *found;

	if (h.stripe == 0)
		f.class = FLOW_ESTABLISHED;
	f.timeout = h.stripe == 0 ? STEPS : 100;
	flow_prefetch(t, &h);
	flow_prefetch_entry(t, &h);
	flow_lock(t, &h);
	found = flow_find(t, &h, &key, now);
	if (found != NULL && (random >> 20) % 16 == 0)
		flow_remove(t, &h, found);
	else if (found != NULL)
		flow_touch(t, &h, found, (enum flow_class)found->class,
		    found->timeout, now);
	else if (dir == FLOW_FROM_CLIENT &&
	    flow_insert(t, &h, &f, now) == FLOW_INSERTED)
		atomic_fetch_add(&inserted, 1);
	flow_unlock(t, &h);
}

static void *
worker(void *arg)
{
	struct flow_table t = x.t;
	uint32_t random = *(const uint32_t *)arg;
	struct flow_usage usage;

	for (uint32_t i = 0; i < STEPS; i++) {
		random = random * 1664525 + 1013904223;
		packet(&t, random >> 1 ^ random << 31, i / 64);
		if (i % 64 == 0)
			flow_expire(&t, i / 64, 1, i / 64);
		if (i % 4096 == 0)
			flow_usage(&t, &usage);
	}
	return NULL;
}

/* Fewer places than flows. */
START_TEST(threads_leave_a_sound_table)
{
	static uint32_t seeds[THREADS] = { 1, 22, 333, 4444 };
	pthread_t threads[THREADS];

	table_open(&x, 3000, on_release, NULL);
	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(
		    pthread_create(&threads[i], NULL, worker, &seeds[i]), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	ck_assert_int_eq(flow_verify(&x.t), 0);
	ck_assert_uint_gt(inserted, 3000);
	ck_assert_uint_eq(inserted - released, used(&x.t));
	table_close(&x);
}
END_TEST

static void *
count_up(void *arg)
{
	uint64_t *counter = arg;
	const struct flow f = flow_of(1, FLOW_SYN);
	const struct flow_key key = key_of(&f, FLOW_FROM_CLIENT);
	const struct flow_hash h = flow_hash(&x.t, &key);

	for (int i = 0; i < STEPS; i++) {
		flow_lock(&x.t, &h);
		++*counter;
		flow_unlock(&x.t, &h);
	}
	return NULL;
}

START_TEST(a_stripes_lock_lets_one_in)
{
	uint64_t counter = 0;
	pthread_t threads[THREADS];

	table_open(&x, 3000, on_release, NULL);
	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(
		    pthread_create(&threads[i], NULL, count_up, &counter), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	ck_assert_uint_eq(counter, (uint64_t)THREADS * STEPS);
	table_close(&x);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("flow_threads");
	TCase *tc = tcase_create("threads");

	tcase_set_timeout(tc, 100);
	tcase_add_test(tc, threads_leave_a_sound_table);
	tcase_add_test(tc, a_stripes_lock_lets_one_in);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
