/*
 * flow_counted.h - the one table of a test, which counts the flows released
 * and is verified at its end.
 */
#ifndef FLOW_COUNTED_H
#define FLOW_COUNTED_H

#include "flow_fixture.h"

static void
count_release(void *arg, const struct flow *f)
{
	(void)f;
	++*(unsigned int *)arg;
}

static struct table_fixture x;
static struct flow_table *t;
static unsigned int released;

static void
make_table(uint32_t max)
{
	released = 0;
	table_open(&x, max, count_release, &released);
	t = &x.t;
}

static void
end_table(void)
{
	ck_assert_int_eq(flow_verify(t), 0);
	table_close(&x);
}

#endif
