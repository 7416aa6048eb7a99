/*
 * test_health.c - a record is read as it was written, never half of it, and
 * a writer that died in the middle costs neither readers nor its successor.
 */
#include "loaded/health.h"

#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "runner.h"

#define READERS 2
#define WRITES 50000

/* All fields say the same number. */
static struct health_record
record_of(uint32_t n)
{
	struct health_record r;

	memset(&r, 0, sizeof(r));
	r.probed_ns = r.changed_ns = r.probes = r.failures = n;
	r.duration_us = n;
	r.streak = (uint16_t)n;
	r.result = r.check = r.reason = r.health = (uint8_t)n;
	memset(r.text, 'a' + (int)(n % 26), sizeof(r.text) - 1);
	return r;
}

static bool
is_whole(const struct health_record *r)
{
	const struct health_record want = record_of(r->duration_us);

	return memcmp(r, &want, sizeof(want)) == 0;
}

/* The record of n is written, and that is what is read. */
static void
write_and_read(struct health *h, uint32_t n)
{
	const struct health_record w = record_of(n);
	struct health_record r;

	health_write(h, &w);
	ck_assert(health_read(h, &r));
	ck_assert_mem_eq(&r, &w, sizeof(w));
}

START_TEST(zeroed_memory_is_a_record_without_a_story)
{
	struct health h;
	struct health_record r;

	memset(&h, 0, sizeof(h));
	memset(&r, 'x', sizeof(r));
	ck_assert(health_read(&h, &r));
	ck_assert_uint_eq(r.probed_ns, 0);
	ck_assert_uint_eq(r.probes, 0);
	ck_assert_str_eq(r.text, "");
}
END_TEST

START_TEST(what_is_written_last_is_read)
{
	struct health h;

	memset(&h, 0, sizeof(h));
	for (uint32_t n = 1; n < 300; n++)
		write_and_read(&h, n);
}
END_TEST

START_TEST(half_a_write_is_not_read_and_the_next_one_mends_it)
{
	struct health h;
	struct health_record r;

	memset(&h, 0, sizeof(h));
	write_and_read(&h, 1);
	h.version++;
	ck_assert(!health_read(&h, &r));
	write_and_read(&h, 2);
	ck_assert_uint_eq(h.version % 2, 0);
}
END_TEST

START_TEST(the_version_may_wrap)
{
	struct health h;

	memset(&h, 0, sizeof(h));
	h.version = UINT32_MAX - 1;
	write_and_read(&h, 3);
	ck_assert_uint_eq(h.version, 0);
}
END_TEST

struct race {
	struct health health;
	_Atomic bool over;
	_Atomic uint32_t reads, torn, backwards;
};

static void *
read_all_the_time(void *arg)
{
	struct race *race = arg;
	struct health_record r;
	uint32_t last = 0;

	while (!race->over) {
		if (!health_read(&race->health, &r))
			continue;
		race->reads++;
		if (!is_whole(&r))
			race->torn++;
		if (r.duration_us < last)
			race->backwards++;
		last = r.duration_us;
	}
	return NULL;
}

START_TEST(racing_readers_see_whole_records_in_their_order)
{
	static struct race race;
	pthread_t readers[READERS];
	struct health_record w = record_of(0);

	health_write(&race.health, &w);
	for (int i = 0; i < READERS; i++)
		ck_assert_int_eq(pthread_create(&readers[i], NULL,
				     read_all_the_time, &race),
		    0);
	for (uint32_t n = 1; n <= WRITES || race.reads < 1000; n++) {
		w = record_of(n);
		health_write(&race.health, &w);
	}
	race.over = true;
	for (int i = 0; i < READERS; i++)
		pthread_join(readers[i], NULL);
	ck_assert_uint_eq(race.torn, 0);
	ck_assert_uint_eq(race.backwards, 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("health");
	TCase *alone = tcase_create("alone"),
	      *threads = tcase_create("threads");

	tcase_add_test(alone, zeroed_memory_is_a_record_without_a_story);
	tcase_add_test(alone, what_is_written_last_is_read);
	tcase_add_test(alone,
	    half_a_write_is_not_read_and_the_next_one_mends_it);
	tcase_add_test(alone, the_version_may_wrap);
	tcase_add_test(threads,
	    racing_readers_see_whole_records_in_their_order);
	tcase_set_timeout(threads, 60);
	suite_add_tcase(suite, alone);
	suite_add_tcase(suite, threads);
	return run_suite(suite);
}
