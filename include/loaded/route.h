/*
 * route.h - policy routes of `dr` backends: a packet with a backend's mark goes
 * to that backend, whatever its destination is.
 *
 *	PRIORITY          not fwmark BASE/MASK goto PRIORITY + 259
 *	PRIORITY + 1      fwmark BASE + 64 g/64 marks goto PRIORITY + 2 + g
 *	PRIORITY + 2 + g  fwmark BASE + slot lookup BASE + slot
 *	PRIORITY + 258    fwmark BASE/MASK blackhole
 *	PRIORITY + 259    nop
 *
 * in each family that has a backend, and in table BASE + slot one route:
 * default via the backend's address.  The kernel walks its rules one by one, 6
 * ns each: so a packet without our mark looks at one, and one with it at those
 * of 64 backends instead of all.  A marked packet that has no route (its
 * interface is down) is dropped, not taken for the balancer's own.
 */
#ifndef LOADED_ROUTE_H
#define LOADED_ROUTE_H

#include <stdint.h>

#include "loaded/table.h"

/* The marks of rules.h are below. */
#define ROUTE_MARK_BASE TABLE_MARK_BASE
#define ROUTE_MARK_MASK 0xffffc000U
/* Behind the kernel's rule for local, before those for VIPs and main. */
#define ROUTE_PRIORITY 0x4c44U
#define ROUTE_PRIORITY_LAST (ROUTE_PRIORITY + 259U)
/* Tells our rules and routes from all others (`ip rule`: proto 76). */
#define ROUTE_PROTOCOL 0x4cU

struct route_backend {
	struct addr addr;
	uint32_t slot;    /* of backend.h */
	uint32_t ifindex; /* where it is a neighbour; 0: the kernel finds it */
};

struct routes;

/*
 * A socket of its own, not blocking.  It may be opened by one who is
 * privileged, but each call needs CAP_NET_ADMIN too.  NULL and -errno.
 */
struct routes *routes_open(int *error);

/* Leaves the kernel's rules and routes as they are. */
void routes_close(struct routes *r);

/*
 * Makes rules and routes equal to what is wanted, which is sorted by slot with
 * none twice (else -EINVAL); what is new comes before the old goes.  The -errno
 * of the first request that failed; all others are tried, and what could not
 * be added is tried again next time.
 */
int routes_sync(struct routes *r, const struct route_backend *wanted,
    uint32_t count);

/*
 * The next routes_sync sends all that is wanted once more: the kernel removes
 * the routes of an interface that goes down, and does not bring them back.
 */
void routes_forget(struct routes *r);

/* Removes all of ours, also what a killed predecessor left.  0 or -errno. */
int routes_clear(struct routes *r);

#endif
