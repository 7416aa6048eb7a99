/*
 * local_addrs.h - the addresses of this machine, as the kernel says now.
 */
#ifndef LOADED_LOCAL_ADDRS_H
#define LOADED_LOCAL_ADDRS_H

#include <stdbool.h>
#include <stddef.h>

#include "loaded/addr.h"

struct local_addrs {
	struct addr *addrs; /* owned; sorted */
	size_t count;
};

/* Works in a chroot without capabilities (getifaddrs).  0 or -errno. */
int local_addrs_read(struct local_addrs *out);
void local_addrs_free(struct local_addrs *l);

bool local_addrs_has(const struct local_addrs *l, const struct addr *a);

/* Is it one of this machine's now?  True also if that can't be found out. */
bool local_addrs_is_own(const struct addr *a);

/* The first one of the prefix, or NULL. */
const struct addr *local_addrs_within(const struct local_addrs *l,
    const struct prefix *p);

#endif
