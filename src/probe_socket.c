/*
 * probe_socket.c - what the types of probes with a socket of their own have in
 * common: opening it, watching it, and what its errors mean.  Runs in the
 * failover thread.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "loaded/probe_impl.h"

socklen_t
probe_sockaddr(const struct probe *p, struct sockaddr_storage *sa)
{
	struct sockaddr_in *sin = (void *)sa;
	struct sockaddr_in6 *sin6 = (void *)sa;

	memset(sa, 0, sizeof(*sa));
	if (addr_is_v4(&p->addr)) {
		sin->sin_family = AF_INET;
		sin->sin_port = htons(p->port);
		memcpy(&sin->sin_addr, &p->addr.b[12], sizeof(sin->sin_addr));
		return sizeof(*sin);
	}
	sin6->sin6_family = AF_INET6;
	sin6->sin6_port = htons(p->port);
	memcpy(&sin6->sin6_addr, p->addr.b, sizeof(sin6->sin6_addr));
	if (addr_is_link_local(&p->addr))
		sin6->sin6_scope_id = p->engine->conf.scope;
	return sizeof(*sin6);
}

static bool
is_datagram(const struct probe *p)
{
	return p->check->type == CHECK_UDP || p->check->type == CHECK_DNS;
}

void
probe_errno(struct probe_outcome *o, const struct probe *p, int error)
{
	if (error == ECONNREFUSED && is_datagram(p))
		probe_outcome_set(o, PROBE_PORT_UNREACHABLE,
		    "port unreachable");
	else
		probe_outcome_set_errno(o, error);
}

int
probe_socket(const struct probe *p, int type)
{
	const int family = addr_is_v4(&p->addr) ? AF_INET : AF_INET6;
	const int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int error;

	if (fd < 0)
		return -errno;
	if (p->mark == 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_MARK, &p->mark, sizeof(p->mark)) == 0)
		return fd;
	error = errno;
	close(fd);
	return -error;
}

bool
probe_connect(struct probe *p, int type, probe_event_fn *fn, int events)
{
	struct sockaddr_storage sa;
	const socklen_t len = probe_sockaddr(p, &sa);
	const int fd = probe_socket(p, type);

	if (fd < 0) {
		probe_fail_soon(p, PROBE_SKIPPED, "cannot open a socket: %s",
		    strerror(-fd));
		return false;
	}
	ev_set_cb(&p->io, fn);
	ev_io_set(&p->io, fd, events);
	if (connect(fd, (struct sockaddr *)&sa, len) < 0 &&
	    errno != EINPROGRESS) {
		probe_fail_soon_errno(p, errno);
		return false;
	}
	ev_io_start(p->engine->conf.loop, &p->io);
	return true;
}

void
probe_watch(struct probe *p, int events)
{
	struct ev_loop *loop = p->engine->conf.loop;

	if (events != (p->io.events & (EV_READ | EV_WRITE))) {
		ev_io_stop(loop, &p->io);
		ev_io_set(&p->io, p->io.fd, events);
		ev_io_start(loop, &p->io);
	}
}

void
probe_close(struct probe *p)
{
	if (p->io.fd < 0)
		return;
	ev_io_stop(p->engine->conf.loop, &p->io);
	close(p->io.fd);
	p->io.fd = -1;
}
