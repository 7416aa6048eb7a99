/*
 * addresses.h - addresses and networks as tests write them.
 */
#ifndef TEST_ADDRESSES_H
#define TEST_ADDRESSES_H

#include "loaded/addr.h"

#include <check.h>

static inline struct addr
address(const char *text)
{
	struct addr a;

	ck_assert_int_eq(addr_parse(&a, text), 0);
	return a;
}

static inline struct prefix
network(const char *text)
{
	struct prefix p;

	ck_assert_int_eq(prefix_parse(&p, text), 0);
	return p;
}

#endif
