/*
 * route_io.h - inner part of route.h: the socket.  The kernel works on a
 * request within send(), so its answers are there when that returns, and
 * nothing here ever waits.
 */
#ifndef LOADED_ROUTE_IO_H
#define LOADED_ROUTE_IO_H

#include <linux/netlink.h>
#include <stdint.h>

#include "loaded/route_msg.h"

#define ROUTE_REPLY_LEN 32768

struct route_io {
	int fd;    /* owned */
	int error; /* the first that was met; reset by the caller */
	_Alignas(NLMSG_ALIGNTO) uint8_t reply[ROUTE_REPLY_LEN];
};

/* 0 or -errno. */
int route_io_open(struct route_io *io);
void route_io_close(struct route_io *io);

/*
 * Sends all requests; done is called with the seq of each that was carried
 * out, or did not need to be.
 */
void route_io_send(struct route_io *io, const struct route_msgs *m,
    void (*done)(void *arg, uint32_t seq), void *arg);

/* Adds to m the requests that remove what is ours in one family. */
void route_io_find(struct route_io *io, struct route_msgs *m, uint8_t family);

#endif
