/*
 * test_segment.c - the shared memory: its parts do not overlap, and what is
 * sealed is mapped whole, but only if it is sealed.
 */
#include "loaded/segment.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runner.h"

#define FLOWS 1000

static const uint8_t key[SIPHASH_KEY_LEN];

/* One part ends where, or before, the next one starts. */
static void
check_order(const void *end, const void *start)
{
	ck_assert_uint_le((uintptr_t)end, (uintptr_t)start);
}

START_TEST(parts_of_the_segment_stand_apart)
{
	struct segment seg;

	ck_assert_int_eq(segment_create(&seg, 3, FLOWS, key), 0);
	check_order(seg.head + 1, segment_stats(&seg, 0));
	check_order(segment_stats(&seg, 2) + 1, segment_backends(&seg));
	check_order(segment_backends(&seg) + BACKEND_SLOTS,
	    segment_health(&seg));
	check_order(segment_health(&seg) + BACKEND_SLOTS, segment_pools(&seg));
	check_order(segment_pools(&seg) + BACKEND_SLOTS, segment_flows(&seg));
	check_order((uint8_t *)segment_flows(&seg) + flow_size(FLOWS),
	    (uint8_t *)seg.head + seg.head->size);
	ck_assert_uint_eq(seg.head->suspicions, 0);
	segment_close(&seg);
}
END_TEST

START_TEST(health_of_all_is_unknown_at_first)
{
	struct health_record record;
	struct segment seg;

	ck_assert_int_eq(segment_create(&seg, 1, FLOWS, key), 0);
	for (uint32_t i = 0; i < BACKEND_SLOTS; i += BACKEND_SLOTS - 1) {
		ck_assert(health_read(&segment_health(&seg)[i], &record));
		ck_assert_uint_eq(record.probed_ns, 0);
		ck_assert_uint_eq(segment_pools(&seg)[i].mode[1], POOL_NORMAL);
	}
	segment_close(&seg);
}
END_TEST

START_TEST(sealed_data_is_mapped_whole_and_cannot_be_written)
{
	static const char data[] = "0123456789";
	const void *made, *mapped;
	char byte = 'x';
	size_t size;
	int fd;

	made = segment_seal(data, sizeof(data), "test", &fd);
	ck_assert_ptr_nonnull(made);
	ck_assert_mem_eq(made, data, sizeof(data));
	mapped = segment_map_sealed(fd, &size);
	ck_assert_ptr_nonnull(mapped);
	ck_assert_uint_eq(size, sizeof(data));
	ck_assert_mem_eq(mapped, data, sizeof(data));
	ck_assert_int_eq(pwrite(fd, &byte, 1, 0), -1);
	ck_assert_int_eq(ftruncate(fd, 1), -1);
	ck_assert_ptr_eq(mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED,
			     fd, 0),
	    MAP_FAILED);
	close(fd);
}
END_TEST

START_TEST(what_is_not_sealed_is_refused)
{
	static const int seals[] = { 0, F_SEAL_WRITE,
		F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL,
		F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW };
	const int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	size_t size = 1;

	ck_assert_int_eq(ftruncate(fd, 100), 0);
	ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, seals[_i]), 0);
	ck_assert_ptr_null(segment_map_sealed(fd, &size));
	ck_assert_int_eq(errno, EPERM);
	ck_assert_uint_eq(size, 0);
	close(fd);
}
END_TEST

START_TEST(what_is_no_memory_is_refused)
{
	const int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	size_t size;

	ck_assert_ptr_null(segment_map_sealed(fd, &size));
	ck_assert_int_eq(errno, EPERM);
	ck_assert_ptr_null(segment_map_sealed(-1, &size));
	close(fd);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("segment");
	TCase *tcase = tcase_create("all");

	tcase_add_test(tcase, parts_of_the_segment_stand_apart);
	tcase_add_test(tcase, health_of_all_is_unknown_at_first);
	tcase_add_test(tcase,
	    sealed_data_is_mapped_whole_and_cannot_be_written);
	tcase_add_loop_test(tcase, what_is_not_sealed_is_refused, 0, 4);
	tcase_add_test(tcase, what_is_no_memory_is_refused);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
