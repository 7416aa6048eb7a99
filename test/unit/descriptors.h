/*
 * descriptors.h - how many descriptors are open, for tests that see to it
 * that none is lost.
 */
#ifndef TEST_DESCRIPTORS_H
#define TEST_DESCRIPTORS_H

#include <check.h>
#include <dirent.h>
#include <stddef.h>

/* And a few more, each time as many: only differences mean something. */
static inline size_t
count_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	size_t n = 0;

	ck_assert_ptr_nonnull(dir);
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

#endif
