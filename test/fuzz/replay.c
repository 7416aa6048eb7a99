/*
 * replay.c - runs a fuzz target over every file of a directory, so that what
 * a fuzzer once found stays found with any compiler.  A directory without
 * files is a failure: then nothing would be tested.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "fuzz.h"

/* In memory of the exact size, so that a sanitizer sees the first byte over. */
static int
run_file(const char *path, size_t size)
{
	uint8_t *data = malloc(size == 0 ? 1 : size);
	FILE *f = fopen(path, "rb");
	int result = -1;

	if (data != NULL && f != NULL && fread(data, 1, size, f) == size)
		result = LLVMFuzzerTestOneInput(data, size);
	if (f != NULL)
		fclose(f);
	free(data);
	return result;
}

static int
run_directory(DIR *dir, const char *name)
{
	struct dirent *entry;
	struct stat st;
	char path[4096];
	int count = 0;

	while ((entry = readdir(dir)) != NULL) {
		snprintf(path, sizeof(path), "%s/%s", name, entry->d_name);
		if (stat(path, &st) != 0 || !S_ISREG(st.st_mode))
			continue;
		fprintf(stderr, "%s\n", path);
		if (run_file(path, (size_t)st.st_size) != 0)
			return -1;
		count++;
	}
	return count;
}

int
main(int argc, char **argv)
{
	DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;
	int count;

	if (dir == NULL) {
		fprintf(stderr, "usage: %s DIRECTORY\n", argv[0]);
		return EXIT_FAILURE;
	}
	count = run_directory(dir, argv[1]);
	closedir(dir);
	return count > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
