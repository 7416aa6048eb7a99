/*
 * fuzz_conf.c - any text as a config: it is refused with at least one line,
 * or accepted without an error; each line of either names its place.  What is
 * accepted makes a table, as a whole and of one family.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "fuzz.h"
#include "loaded/conf.h"
#include "loaded/table_build.h"

/* libconfig 1.5 forgets the string that it stumbles over: not ours. */
const char *__lsan_default_suppressions(void);
const char *
__lsan_default_suppressions(void)
{
	return "leak:libconfig";
}

static void
require(int truth)
{
	if (!truth)
		abort();
}

/* "fuzz:LINE: ..." and nothing unprintable. */
static size_t
check_lines(char *said)
{
	size_t count = 0;
	char *end, *line;

	for (line = said; *line != '\0'; line = end + 1, count++) {
		end = strchr(line, '\n');
		require(end != NULL);
		*end = '\0';
		require(strncmp(line, "fuzz:", 5) == 0 &&
		    strtol(line + 5, &line, 10) > 0 && *line == ':');
		for (; *line != '\0'; line++)
			require((unsigned char)*line >= ' ' && *line != 0x7f);
	}
	return count;
}

static void
build_table(const struct conf *conf)
{
	static const uint8_t key[SIPHASH_KEY_LEN];
	struct table *t;

	require(table_build(&t, conf, key, 1) == 0);
	require(t->nservices == conf->nservices && t->npools == conf->npools);
	free(t);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = calloc(1, size + 1), *said = NULL;
	struct conf *conf;
	size_t said_size, lines;
	FILE *errors = open_memstream(&said, &said_size);
	int error;

	require(text != NULL && errors != NULL);
	memcpy(text, data, size);
	error = conf_load_text(&conf, "fuzz", text, errors);
	fclose(errors);
	lines = check_lines(said);
	if (error == 0) {
		require(conf->errors == 0 && (lines == conf->warnings ||
		    (conf->warnings > lines && lines == 21)));
		build_table(conf);
		conf_keep_family(conf, AF_INET6);
		build_table(conf);
		conf_free(conf);
	} else {
		require(conf == NULL && lines > 0);
	}
	free(said);
	free(text);
	return 0;
}
