/*
 * probe_icmp_io.c - the system calls of probe_icmp.c.  Runs in the failover
 * thread.  10,000 probes a second are affordable because one call carries up
 * to 64 of them, and because the kernel drops what is no answer.
 */
#include "loaded/probe_icmp_io.h"

#include <errno.h>
#include <linux/icmp.h>
#include <netinet/icmp6.h>
#include <string.h>

#include "loaded/probe_impl.h"

/* The answers of 10,000 backends at once; as much of it as is allowed. */
#define BUFFER_LEN (16 << 20)

static void
set_buffer(int fd, int forced, int plain)
{
	const int size = BUFFER_LEN;

	if (setsockopt(fd, SOL_SOCKET, forced, &size, sizeof(size)) < 0)
		setsockopt(fd, SOL_SOCKET, plain, &size, sizeof(size));
}

/* What the filter can't keep out costs time, but is seen through. */
static void
set_filter(int fd, bool v4)
{
	const struct icmp_filter v4_filter = {
		.data = ~(1U << ICMP_ECHOREPLY | 1U << ICMP_DEST_UNREACH),
	};
	struct icmp6_filter v6_filter;

	if (v4) {
		setsockopt(fd, SOL_RAW, ICMP_FILTER, &v4_filter,
		    sizeof(v4_filter));
		return;
	}
	ICMP6_FILTER_SETBLOCKALL(&v6_filter);
	ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &v6_filter);
	ICMP6_FILTER_SETPASS(ICMP6_DST_UNREACH, &v6_filter);
	setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &v6_filter,
	    sizeof(v6_filter));
}

void
probe_icmp_io_setup(int fd, bool v4)
{
	const int on = 1;

	set_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF);
	set_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF);
	set_filter(fd, v4);
	if (v4)
		setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof(on));
}

static void
put_control(struct msghdr *h, union probe_icmp_control *control,
    const struct cmsghdr *type, const void *data, size_t len)
{
	struct cmsghdr *cmsg = &control->head;

	memset(control, 0, sizeof(*control));
	cmsg->cmsg_level = type->cmsg_level;
	cmsg->cmsg_type = type->cmsg_type;
	cmsg->cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(cmsg), data, len);
	h->msg_control = control;
	h->msg_controllen = CMSG_SPACE(len);
}

/* A raw socket takes the port for a protocol: it has to be 0. */
static socklen_t
portless(const struct probe *p, struct sockaddr_storage *sa)
{
	const socklen_t len = probe_sockaddr(p, sa);

	if (sa->ss_family == AF_INET)
		((struct sockaddr_in *)sa)->sin_port = 0;
	else
		((struct sockaddr_in6 *)sa)->sin6_port = 0;
	return len;
}

void
probe_icmp_io_add(struct probe_icmp_out *out, struct probe *p,
    const struct icmp_echo *echo)
{
	const struct cmsghdr mark = { .cmsg_level = SOL_SOCKET,
		.cmsg_type = SO_MARK };
	const uint32_t i = out->count++;
	struct msghdr *h = &out->msg[i].msg_hdr;

	out->probe[i] = p;
	icmp_echo_build(out->data[i], echo, addr_is_v4(&p->addr));
	out->iov[i] = (struct iovec){ .iov_base = out->data[i],
		.iov_len = ICMP_ECHO_LEN };
	*h = (struct msghdr){ .msg_name = &out->to[i],
		.msg_namelen = portless(p, &out->to[i]),
		.msg_iov = &out->iov[i],
		.msg_iovlen = 1 };
	if (p->mark != 0)
		put_control(h, &out->control[i], &mark, &p->mark,
		    sizeof(p->mark));
}

/* An error is that of the first message: those before it were sent. */
void
probe_icmp_io_send(int fd, struct probe_icmp_out *out,
    void (*failed)(struct probe *p, int error))
{
	uint32_t i = 0;

	while (i < out->count) {
		const int n = sendmmsg(fd, &out->msg[i], out->count - i,
		    MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n > 0)
			i += (uint32_t)n;
		else if (errno != EINTR)
			failed(out->probe[i++], errno);
	}
	out->count = 0;
}

static void
call_v4(struct msghdr *h, union probe_icmp_control *control,
    const struct addr *from, uint32_t scope)
{
	const struct cmsghdr type = { .cmsg_level = IPPROTO_IP,
		.cmsg_type = IP_PKTINFO };
	struct in_pktinfo info = { .ipi_ifindex = (int)scope };

	if (from != NULL)
		memcpy(&info.ipi_spec_dst, &from->b[12],
		    sizeof(info.ipi_spec_dst));
	put_control(h, control, &type, &info, sizeof(info));
}

static void
call_v6(struct msghdr *h, union probe_icmp_control *control,
    const struct addr *from, uint32_t scope)
{
	const struct cmsghdr type = { .cmsg_level = IPPROTO_IPV6,
		.cmsg_type = IPV6_PKTINFO };
	struct in6_pktinfo info = { .ipi6_ifindex = scope };

	if (from != NULL)
		memcpy(&info.ipi6_addr, from->b, sizeof(info.ipi6_addr));
	put_control(h, control, &type, &info, sizeof(info));
}

int
probe_icmp_io_call(int fd, const struct addr *to, const struct addr *from,
    uint32_t scope, const struct icmp_echo *echo)
{
	const bool v4 = addr_is_v4(to);
	struct sockaddr_in sin = { .sin_family = AF_INET };
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6,
		.sin6_scope_id = scope };
	uint8_t data[ICMP_ECHO_LEN];
	struct iovec iov = { .iov_base = data, .iov_len = sizeof(data) };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1 };
	union probe_icmp_control control;

	icmp_echo_build(data, echo, v4);
	memcpy(&sin.sin_addr, &to->b[12], sizeof(sin.sin_addr));
	memcpy(&sin6.sin6_addr, to->b, sizeof(sin6.sin6_addr));
	h.msg_name = v4 ? (void *)&sin : &sin6;
	h.msg_namelen = v4 ? sizeof(sin) : sizeof(sin6);
	if (from != NULL || scope != 0)
		(v4 ? call_v4 : call_v6)(&h, &control, from, scope);
	return sendmsg(fd, &h, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static void
prepare(struct probe_icmp_in *in)
{
	for (uint32_t i = 0; i < PROBE_ICMP_BATCH; i++) {
		in->iov[i] = (struct iovec){ .iov_base = in->data[i],
			.iov_len = PROBE_ICMP_READ };
		in->msg[i].msg_hdr = (struct msghdr){ .msg_name = &in->from[i],
			.msg_namelen = sizeof(in->from[i]),
			.msg_iov = &in->iov[i],
			.msg_iovlen = 1 };
	}
}

uint32_t
probe_icmp_io_receive(int fd, struct probe_icmp_in *in)
{
	int n;

	prepare(in);
	do
		n = recvmmsg(fd, in->msg, PROBE_ICMP_BATCH, MSG_DONTWAIT, NULL);
	while (n < 0 && errno == EINTR);
	for (int i = 0; i < n; i++)
		if (in->msg[i].msg_hdr.msg_flags & MSG_TRUNC)
			in->msg[i].msg_len = 0;
	return n > 0 ? (uint32_t)n : 0;
}

struct addr
probe_icmp_io_sender(const struct probe_icmp_in *in, uint32_t i)
{
	struct sockaddr_in sin;
	uint8_t v4[4];

	if (in->from[i].sin6_family != AF_INET)
		return addr_from_v6(in->from[i].sin6_addr.s6_addr);
	memcpy(&sin, &in->from[i], sizeof(sin));
	memcpy(v4, &sin.sin_addr, sizeof(v4));
	return addr_from_v4(v4);
}
