/*
 * source.h - files of the source tree, for tests that compare documents with
 * what the code says.
 */
#ifndef TEST_SOURCE_H
#define TEST_SOURCE_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#define SOURCE_MAX (1U << 20)

/* path is below the tree's root; to be released with free(). */
static inline char *
read_source(const char *path)
{
	char name[1024], *text = calloc(1, SOURCE_MAX);
	FILE *file;

	snprintf(name, sizeof(name), "%s/%s", LOADED_SOURCE, path);
	file = fopen(name, "r");
	ck_assert_msg(file != NULL && text != NULL, "%s", name);
	ck_assert_uint_gt(fread(text, 1, SOURCE_MAX - 1, file), 0);
	fclose(file);
	return text;
}

#endif
