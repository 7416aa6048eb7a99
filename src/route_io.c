/*
 * route_io.c - requests to rtnetlink in chunks, and their acknowledgements.
 * Called by route.c.  Every request is answered by its number, so that one
 * that fails is known and those behind it are carried out all the same.
 */
#include "loaded/route_io.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <unistd.h>

/* So many acknowledgements fit into a socket's receive buffer. */
#define CHUNK 128U

/* CAP_ACK: an error does not echo its request. */
int
route_io_open(struct route_io *io)
{
	const int on = 1;
	struct sockaddr_nl local = { .nl_family = AF_NETLINK };
	int error;

	io->error = 0;
	io->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
	    NETLINK_ROUTE);
	if (io->fd < 0)
		return -errno;
	if (setsockopt(io->fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on)) ==
		0 &&
	    bind(io->fd, (struct sockaddr *)&local, sizeof(local)) == 0)
		return 0;
	error = -errno;
	close(io->fd);
	return error;
}

void
route_io_close(struct route_io *io)
{
	close(io->fd);
}

static void
note_error(struct route_io *io, int error)
{
	if (io->error == 0)
		io->error = error;
}

/* The messages of one datagram: their length, or -1 after an error. */
static int
receive(struct route_io *io)
{
	const ssize_t len = recv(io->fd, io->reply, ROUTE_REPLY_LEN, MSG_TRUNC);

	if (len >= 0 && len <= ROUTE_REPLY_LEN)
		return (int)len;
	if (len >= 0)
		note_error(io, -EMSGSIZE);
	else
		note_error(io, errno == EAGAIN ? -EPROTO : -errno);
	return -1;
}

/* False after an error.  First go answers that were left behind by one. */
static bool
send_all(struct route_io *io, const void *data, size_t len)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };

	while (recv(io->fd, io->reply, ROUTE_REPLY_LEN, 0) >= 0 ||
	    errno == ENOBUFS)
		;
	if (sendto(io->fd, data, len, 0, (struct sockaddr *)&kernel,
		sizeof(kernel)) >= 0)
		return true;
	note_error(io, -errno);
	return false;
}

/* The number of a request that is done, or UINT32_MAX. */
static uint32_t
take_answer(struct route_io *io, const struct nlmsghdr *nlh)
{
	const struct nlmsgerr *answer = mnl_nlmsg_get_payload(nlh);

	if (nlh->nlmsg_type != NLMSG_ERROR ||
	    mnl_nlmsg_get_payload_len(nlh) < sizeof(*answer)) {
		note_error(io, -EPROTO);
		return UINT32_MAX;
	}
	if (route_msg_is_done(answer->msg.nlmsg_type, answer->error))
		return nlh->nlmsg_seq;
	note_error(io, answer->error);
	return UINT32_MAX;
}

static void
take_answers(struct route_io *io, uint32_t count,
    void (*done)(void *arg, uint32_t seq), void *arg)
{
	while (count > 0) {
		const struct nlmsghdr *nlh = (const void *)io->reply;
		int left = receive(io);

		if (left < 0)
			return;
		for (; mnl_nlmsg_ok(nlh, left); count -= count > 0) {
			done(arg, take_answer(io, nlh));
			nlh = mnl_nlmsg_next(nlh, &left);
		}
	}
}

void
route_io_send(struct route_io *io, const struct route_msgs *m,
    void (*done)(void *arg, uint32_t seq), void *arg)
{
	const struct nlmsghdr *nlh;
	size_t from = 0, at = 0;
	uint32_t count = 0;

	if (m->failed)
		note_error(io, -ENOMEM);
	while (at < m->len) {
		nlh = (const void *)(m->data + at);
		at += NLMSG_ALIGN(nlh->nlmsg_len);
		if (++count < CHUNK && at < m->len)
			continue;
		if (send_all(io, m->data + from, at - from))
			take_answers(io, count, done, arg);
		from = at;
		count = 0;
	}
}

/* A kernel without IPv6 has no rules of it. */
static void
take_end(struct route_io *io, const struct nlmsghdr *nlh)
{
	const struct nlmsgerr *answer = mnl_nlmsg_get_payload(nlh);

	if (nlh->nlmsg_type == NLMSG_DONE ||
	    mnl_nlmsg_get_payload_len(nlh) < sizeof(*answer))
		return;
	if (answer->error != -EAFNOSUPPORT && answer->error != -EOPNOTSUPP)
		note_error(io, answer->error);
}

/* True when more is to come. */
static bool
read_rules(struct route_io *io, struct route_msgs *m)
{
	const struct nlmsghdr *nlh = (const void *)io->reply;
	int left = receive(io);

	if (left < 0)
		return false;
	for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
		if (nlh->nlmsg_type == NLMSG_DONE ||
		    nlh->nlmsg_type == NLMSG_ERROR) {
			take_end(io, nlh);
			return false;
		}
		route_msg_undo(m, nlh);
	}
	return true;
}

void
route_io_find(struct route_io *io, struct route_msgs *m, uint8_t family)
{
	_Alignas(NLMSG_ALIGNTO) uint8_t buf[64];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct fib_rule_hdr *hdr;

	nlh->nlmsg_type = RTM_GETRULE;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	nlh->nlmsg_seq = UINT32_MAX;
	hdr = mnl_nlmsg_put_extra_header(nlh, sizeof(*hdr));
	hdr->family = family;
	if (!send_all(io, nlh, nlh->nlmsg_len))
		return;
	while (read_rules(io, m))
		;
}
