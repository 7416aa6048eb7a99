/*
 * conf_fixture.h - configs loaded from text, with what is said of them; for
 * the tests of conf*.c.
 */
#ifndef TEST_CONF_FIXTURE_H
#define TEST_CONF_FIXTURE_H

#include "loaded/conf.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

/* As conf_load_text(); *said is to be freed. */
static inline int
conf_hear(struct conf **conf, const char *name, const char *text, char **said)
{
	size_t size;
	FILE *errors;
	int error;

	*said = NULL;
	errors = open_memstream(said, &size);
	ck_assert_ptr_nonnull(errors);
	error = conf_load_text(conf, name, text, errors);
	fclose(errors);
	return error;
}

/* All that is said of text, whose name is x; to be freed. */
static inline char *
conf_said(const char *text)
{
	struct conf *conf;
	char *said;

	if (conf_hear(&conf, "x", text, &said) == 0)
		conf_free(conf);
	return said;
}

/* Loads text that is right, and of which nothing is said. */
static inline struct conf *
conf_load_silent(const char *name, const char *text)
{
	struct conf *conf;
	char *said;
	const int error = conf_hear(&conf, name, text, &said);

	ck_assert_msg(error == 0 && said[0] == '\0', "%s", said);
	free(said);
	return conf;
}

#endif
