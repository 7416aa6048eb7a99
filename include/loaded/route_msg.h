/*
 * route_msg.h - inner part of route.h: the requests of rtnetlink
 * (include/uapi/linux/rtnetlink.h, fib_rules.h), apart from the socket, so
 * that they can be tested.
 */
#ifndef LOADED_ROUTE_MSG_H
#define LOADED_ROUTE_MSG_H

#include <linux/netlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loaded/backend.h"
#include "loaded/route.h"

#define ROUTE_GROUP 64U
#define ROUTE_GROUPS (BACKEND_SLOTS / ROUTE_GROUP)

static inline uint32_t
route_group(uint32_t slot)
{
	return slot / ROUTE_GROUP;
}

/* Requests one behind the other, each to be acknowledged. */
struct route_msgs {
	uint8_t *data; /* owned */
	size_t len, size;
	bool failed; /* memory was short: incomplete */
};

void route_msgs_fini(struct route_msgs *m);

/* Adds a request (copied); seq comes back with its acknowledgement. */
void route_msgs_put(struct route_msgs *m, const struct nlmsghdr *nlh);

/* The rules around those of the backends, in one family. */
void route_msg_frame(struct route_msgs *m, uint32_t seq, bool v4, bool add);

void route_msg_add(struct route_msgs *m, uint32_t seq,
    const struct route_backend *b);
void route_msg_remove(struct route_msgs *m, uint32_t seq,
    const struct route_backend *b);

/*
 * The way to the rules of a backend's group.  Without it they are reached all
 * the same, after those of all groups before.
 */
void route_msg_group(struct route_msgs *m, uint32_t seq,
    const struct route_backend *b, bool add);

/* How many requests they are. */
#define ROUTE_MSG_FRAME 3
#define ROUTE_MSG_ADD 2

/* A rule of the kernel's list: if it is ours, the requests that remove it. */
void route_msg_undo(struct route_msgs *m, const struct nlmsghdr *rule);

/* Is what the request of that type asked for so, in spite of -errno? */
bool route_msg_is_done(uint16_t type, int error);

#endif
