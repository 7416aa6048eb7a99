/*
 * test_local_addrs.c - the machine's own addresses: loopback is always one of
 * them, and what is found agrees with a walk over all.
 */
#include "loaded/local_addrs.h"
#include "addresses.h"
#include "runner.h"

#include <check.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

START_TEST(loopback_is_local_and_a_documentation_address_is_not)
{
	const struct addr lo = address("127.0.0.1"),
			  doc = address("192.0.2.77"),
			  doc6 = address("2001:db8::77");
	struct local_addrs l;

	ck_assert_int_eq(local_addrs_read(&l), 0);
	ck_assert_uint_gt(l.count, 0);
	ck_assert(local_addrs_has(&l, &lo));
	ck_assert(!local_addrs_has(&l, &doc));
	ck_assert(!local_addrs_has(&l, &doc6));
	local_addrs_free(&l);
}
END_TEST

/* Only one's own address can be bound. */
START_TEST(every_address_found_can_be_bound)
{
	struct local_addrs l;

	ck_assert_int_eq(local_addrs_read(&l), 0);
	for (size_t i = 0; i < l.count; i++) {
		struct sockaddr_in sin = { .sin_family = AF_INET };
		int fd;

		ck_assert(i == 0 ||
		    addr_compare(&l.addrs[i - 1], &l.addrs[i]) <= 0);
		ck_assert(local_addrs_has(&l, &l.addrs[i]));
		if (!addr_is_v4(&l.addrs[i]))
			continue;
		memcpy(&sin.sin_addr, &l.addrs[i].b[12], 4);
		fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		ck_assert_int_eq(bind(fd, (struct sockaddr *)&sin, sizeof(sin)),
		    0);
		close(fd);
	}
	local_addrs_free(&l);
}
END_TEST

START_TEST(the_first_within_a_prefix_is_found)
{
	struct addr addrs[] = { address("10.0.0.3"), address("10.0.1.1"),
		address("10.0.1.2"), address("fd00::1") };
	const struct local_addrs l = { .addrs = addrs, .count = 4 };
	const struct prefix net = network("10.0.1.0/24"),
			    all = network("0.0.0.0/0"), all6 = network("::/0"),
			    other = network("10.0.2.0/24");

	ck_assert_ptr_eq(local_addrs_within(&l, &net), &addrs[1]);
	ck_assert_ptr_eq(local_addrs_within(&l, &all), &addrs[0]);
	ck_assert_ptr_eq(local_addrs_within(&l, &all6), &addrs[3]);
	ck_assert_ptr_null(local_addrs_within(&l, &other));
}
END_TEST

START_TEST(an_empty_list_has_nothing_and_may_be_freed_twice)
{
	const struct addr lo = address("127.0.0.1");
	const struct prefix all = network("0.0.0.0/0");
	struct local_addrs l = { 0 };

	ck_assert(!local_addrs_has(&l, &lo));
	ck_assert_ptr_null(local_addrs_within(&l, &all));
	ck_assert_int_eq(local_addrs_read(&l), 0);
	local_addrs_free(&l);
	local_addrs_free(&l);
	ck_assert(!local_addrs_has(&l, &lo));
}
END_TEST

/* In a process of its own, which ends without looking back. */
static int
read_confined(void)
{
	struct local_addrs l;

	/* Nobody finds a file in there. */
	if (chroot("/proc/self/fdinfo") != 0 || chdir("/") != 0 ||
	    setresuid(65534, 65534, 65534) != 0)
		return 2;
	return local_addrs_read(&l) == 0 && l.count > 0 ? 0 : 1;
}

START_TEST(it_works_in_an_empty_root_without_privileges)
{
	int status;
	pid_t pid;

	if (geteuid() != 0) {
		printf("not root: no chroot\n");
		return;
	}
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		_exit(read_confined());
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("local_addrs");
	TCase *all = tcase_create("all");

	tcase_add_test(all,
	    loopback_is_local_and_a_documentation_address_is_not);
	tcase_add_test(all, every_address_found_can_be_bound);
	tcase_add_test(all, the_first_within_a_prefix_is_found);
	tcase_add_test(all, an_empty_list_has_nothing_and_may_be_freed_twice);
	tcase_add_test(all, it_works_in_an_empty_root_without_privileges);
	suite_add_tcase(suite, all);
	return run_suite(suite);
}
