/*
 * route_attrs.h - attributes of netlink messages, found with libmnl; for the
 * tests of route*.c.
 */
#ifndef TEST_ROUTE_ATTRS_H
#define TEST_ROUTE_ATTRS_H

#include <libmnl/libmnl.h>
#include <stddef.h>
#include <stdint.h>

struct wish {
	uint16_t type;
	const struct nlattr *attr;
};

static inline int
take_wish(const struct nlattr *attr, void *arg)
{
	struct wish *wish = arg;

	if (mnl_attr_get_type(attr) == wish->type)
		wish->attr = attr;
	return MNL_CB_OK;
}

/* NULL: there is none behind a head of so many bytes. */
static inline const struct nlattr *
attr_of(const struct nlmsghdr *nlh, size_t head, uint16_t type)
{
	struct wish wish = { .type = type };

	mnl_attr_parse(nlh, (unsigned int)head, take_wish, &wish);
	return wish.attr;
}

#endif
