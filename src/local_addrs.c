/*
 * local_addrs.c - the addresses of this machine, for those who must not take
 * it for a backend.  Read anew by failover before each round of discovery: an
 * address may have come since.
 */
#include "loaded/local_addrs.h"

#include <errno.h>
#include <ifaddrs.h>
#include <stdlib.h>
#include <string.h>

static bool
from_sockaddr(struct addr *out, const struct sockaddr *sa)
{
	struct sockaddr_in sin;
	struct sockaddr_in6 sin6;
	uint8_t v4[4];

	if (sa == NULL)
		return false;
	switch (sa->sa_family) {
	case AF_INET:
		memcpy(&sin, sa, sizeof(sin));
		memcpy(v4, &sin.sin_addr, sizeof(v4));
		*out = addr_from_v4(v4);
		return true;
	case AF_INET6:
		memcpy(&sin6, sa, sizeof(sin6));
		*out = addr_from_v6(sin6.sin6_addr.s6_addr);
		return true;
	default:
		return false;
	}
}

static int
compare(const void *a, const void *b)
{
	return addr_compare(a, b);
}

static int
collect(struct local_addrs *out, const struct ifaddrs *list)
{
	size_t max = 0;

	for (const struct ifaddrs *i = list; i != NULL; i = i->ifa_next)
		max++;
	if (max == 0)
		return 0;
	out->addrs = calloc(max, sizeof(*out->addrs));
	if (out->addrs == NULL)
		return -ENOMEM;
	for (const struct ifaddrs *i = list; i != NULL; i = i->ifa_next)
		if (from_sockaddr(&out->addrs[out->count], i->ifa_addr))
			out->count++;
	qsort(out->addrs, out->count, sizeof(*out->addrs), compare);
	return 0;
}

int
local_addrs_read(struct local_addrs *out)
{
	struct ifaddrs *list;
	int error;

	*out = (struct local_addrs){ 0 };
	if (getifaddrs(&list) < 0)
		return -errno;
	error = collect(out, list);
	freeifaddrs(list);
	return error;
}

void
local_addrs_free(struct local_addrs *l)
{
	free(l->addrs);
	*l = (struct local_addrs){ 0 };
}

bool
local_addrs_has(const struct local_addrs *l, const struct addr *a)
{
	return l->count > 0 &&
	    bsearch(a, l->addrs, l->count, sizeof(*a), compare) != NULL;
}

const struct addr *
local_addrs_within(const struct local_addrs *l, const struct prefix *p)
{
	for (size_t i = 0; i < l->count; i++)
		if (prefix_contains(p, &l->addrs[i]))
			return &l->addrs[i];
	return NULL;
}

bool
local_addrs_is_own(const struct addr *a)
{
	struct local_addrs local;
	bool found;

	if (local_addrs_read(&local) != 0)
		return true;
	found = local_addrs_has(&local, a);
	local_addrs_free(&local);
	return found;
}
