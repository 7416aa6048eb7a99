/*
 * expect.h - what must be in an answer: bytes, a POSIX regular expression, or
 * both.  Pure, but for the heap.
 */
#ifndef LOADED_EXPECT_H
#define LOADED_EXPECT_H

#include <stdbool.h>
#include <stddef.h>

#include "loaded/check.h"

#define EXPECT_ERROR_LEN 128

struct expect;

/*
 * What check->expect and check->regex ask for.  0, and *out is to be freed, or
 * NULL if nothing is asked for; -EINVAL and a message for a bad expression;
 * -ENOMEM.  One thread at a time may use it.
 */
int expect_new(struct expect **out, const struct check *check,
    char error[static EXPECT_ERROR_LEN]);
void expect_free(struct expect *e);

/*
 * Anywhere in data; the expression sees 16 KiB of it, up to a zero.  NULL:
 * true.
 */
bool expect_matches(const struct expect *e, const void *data, size_t len);

/* The beginning of an answer for a message: printable, cut, quoted. */
const char *expect_quote(char *text, size_t size, const void *data, size_t len);

#endif
