/*
 * expect.c - does an answer have what was expected?  Pure, but for the heap;
 * one thread at a time for each struct expect, which has the room for the copy
 * that regexec() needs.
 */
#include "loaded/expect.h"

#include <errno.h>
#include <regex.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_MAX 16384 /* what lies beyond is not seen by the expression */

struct expect {
	struct check_bytes bytes;
	regex_t *regex; /* owned; NULL: none */
	char *answer;   /* owned; ANSWER_MAX + 1, if there is an expression */
};

static int
compile(struct expect *e, const char *regex,
    char error[static EXPECT_ERROR_LEN])
{
	int result;

	e->regex = calloc(1, sizeof(*e->regex));
	e->answer = malloc(ANSWER_MAX + 1);
	if (e->regex == NULL || e->answer == NULL) {
		free(e->regex);
		e->regex = NULL;
		return -ENOMEM;
	}
	result = regcomp(e->regex, regex, REG_EXTENDED | REG_NOSUB);
	if (result == 0)
		return 0;
	regerror(result, e->regex, error, EXPECT_ERROR_LEN);
	free(e->regex);
	e->regex = NULL;
	return result == REG_ESPACE ? -ENOMEM : -EINVAL;
}

int
expect_new(struct expect **out, const struct check *check,
    char error[static EXPECT_ERROR_LEN])
{
	struct expect *e;
	int result;

	*out = NULL;
	error[0] = '\0';
	if (check->expect.len == 0 && check->regex[0] == '\0')
		return 0;
	e = calloc(1, sizeof(*e));
	if (e == NULL)
		return -ENOMEM;
	e->bytes = check->expect;
	if (check->regex[0] != '\0') {
		result = compile(e, check->regex, error);
		if (result != 0) {
			expect_free(e);
			return result;
		}
	}
	*out = e;
	return 0;
}

void
expect_free(struct expect *e)
{
	if (e == NULL)
		return;
	if (e->regex != NULL)
		regfree(e->regex);
	free(e->regex);
	free(e->answer);
	free(e);
}

static bool
has_bytes(const struct check_bytes *bytes, const void *data, size_t len)
{
	return bytes->len == 0 ||
	    (len >= bytes->len &&
		memmem(data, len, bytes->b, bytes->len) != NULL);
}

static bool
regex_matches(const struct expect *e, const void *data, size_t len)
{
	if (e->regex == NULL)
		return true;
	if (len > ANSWER_MAX)
		len = ANSWER_MAX;
	if (len > 0)
		memcpy(e->answer, data, len);
	e->answer[len] = '\0';
	return regexec(e->regex, e->answer, 0, NULL, 0) == 0;
}

bool
expect_matches(const struct expect *e, const void *data, size_t len)
{
	return e == NULL ||
	    (has_bytes(&e->bytes, data, len) && regex_matches(e, data, len));
}

/* "GET / HTT..." - with room for less than that, nothing. */
const char *
expect_quote(char *text, size_t size, const void *data, size_t len)
{
	static const char cut[] = "...";
	const size_t around = sizeof("\"\""), dots = sizeof(cut) - 1;
	const uint8_t *from = data;
	bool whole;
	size_t n = 0;

	if (size < around + dots) {
		if (size > 0)
			text[0] = '\0';
		return text;
	}
	whole = len <= size - around;
	if (!whole)
		len = size - around - dots;
	text[n++] = '"';
	for (size_t i = 0; i < len; i++)
		text[n++] = from[i] >= ' ' && from[i] < 0x7f ? (char)from[i] :
							       '.';
	if (!whole) {
		memcpy(text + n, cut, dots);
		n += dots;
	}
	text[n++] = '"';
	text[n] = '\0';
	return text;
}
