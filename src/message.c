/*
 * message.c - one struct a datagram over a SOCK_SEQPACKET pair, and at most one
 * descriptor beside it.  Used by every process.  A descriptor that comes with
 * a message nobody can use is closed here, so that none is ever lost.
 */
#include "loaded/message.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Some thousand messages, for when the peer is busy for a moment. */
#define BUFFER_LEN (2 << 20)

/* One descriptor; aligned as the kernel wants it. */
union control {
	struct cmsghdr head;
	char bytes[CMSG_SPACE(sizeof(int))];
};

/* Without the privilege it stays at what is allowed to everybody. */
static void
enlarge(int fd)
{
	const int size = BUFFER_LEN;

	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

int
message_pair(int fds[static 2])
{
	const int type = SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC;

	if (socketpair(AF_UNIX, type, 0, fds) < 0)
		return -errno;
	enlarge(fds[0]);
	enlarge(fds[1]);
	return 0;
}

static void
attach(struct msghdr *msg, union control *control, int fd)
{
	struct cmsghdr *cmsg = &control->head;

	memset(control, 0, sizeof(*control));
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	msg->msg_control = control;
	msg->msg_controllen = sizeof(*control);
}

int
message_send(int channel, const struct message *m, int fd)
{
	struct message copy = *m;
	struct iovec iov = { .iov_base = &copy, .iov_len = sizeof(copy) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	union control control;
	ssize_t n;

	if (fd >= 0)
		attach(&msg, &control, fd);
	do
		n = sendmsg(channel, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n >= 0)
		return 0;
	return errno == ECONNRESET ? -EPIPE : -errno;
}

static int
take_descriptor(const struct msghdr *msg)
{
	const struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg);
	int fd;

	if (cmsg == NULL || cmsg->cmsg_level != SOL_SOCKET ||
	    cmsg->cmsg_type != SCM_RIGHTS ||
	    cmsg->cmsg_len != CMSG_LEN(sizeof(fd)))
		return -1;
	memcpy(&fd, CMSG_DATA(cmsg), sizeof(fd));
	return fd;
}

static bool
is_sound(const struct message *m, size_t len, int flags)
{
	return len == sizeof(*m) && !(flags & (MSG_TRUNC | MSG_CTRUNC)) &&
	    m->type < MESSAGE_TYPES &&
	    memchr(m->text, '\0', sizeof(m->text)) != NULL;
}

/*
 * The room for control data is CMSG_LEN and not CMSG_SPACE: its padding would
 * let a second descriptor in.  A peer that left with something unread is gone
 * as much as another.
 */
int
message_receive(int channel, struct message *m, int *fd)
{
	struct iovec iov = { .iov_base = m, .iov_len = sizeof(*m) };
	union control control;
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = CMSG_LEN(sizeof(int)),
	};
	ssize_t n;

	memset(m, 0, sizeof(*m));
	*fd = -1;
	do
		n = recvmsg(channel, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == ECONNRESET ? -EPIPE : -errno;
	*fd = take_descriptor(&msg);
	if (n == 0 && *fd < 0)
		return -EPIPE;
	if (is_sound(m, (size_t)n, msg.msg_flags))
		return 0;
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	memset(m, 0, sizeof(*m));
	return -EBADMSG;
}
