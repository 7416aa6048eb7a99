/*
 * supervisor_routes.c - keeps the policy routes of `dr` backends as the table
 * has them.  A route is there before workers may mark packets for it; one that
 * goes belongs to a backend that is lost already.
 */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loaded/log.h"
#include "loaded/route.h"
#include "loaded/supervisor_impl.h"

/*
 * The kernel forgets the routes of a link or address that goes, and does not
 * bring them back.  What it says of links and addresses is followed by a look
 * at all routes: soon, for one change brings several messages.
 */
#define REFRESH_S 0.02

static int
compare_slots(const void *left, const void *right)
{
	const struct route_backend *a = left, *b = right;

	return (a->slot > b->slot) - (a->slot < b->slot);
}

/* Itself or as a backup. */
static bool
serves_dr(const struct table *t, uint32_t pool)
{
	for (uint32_t i = 0; i < t->nservices; i++) {
		const struct table_service *service = table_service(t, i);

		if (service->forward == FORWARD_DR &&
		    (service->pool == pool ||
			table_pool(t, service->pool)->backup == pool))
			return true;
	}
	return false;
}

/* Members are sorted by pool and family, routes by slot. */
static uint32_t
collect(const struct supervisor *s, struct route_backend *wanted)
{
	const struct table *t = s->table;
	const struct sched_member *members = table_members(t);
	const struct table_backend *backends = table_backends(t);
	const uint32_t private = if_nametoindex(s->conf->private_if);
	uint32_t count = 0, pool = TABLE_NO_POOL;
	bool wants = false;

	for (uint32_t i = 0; i < t->nmembers; i++) {
		if (backends[i].pool != pool) {
			pool = backends[i].pool;
			wants = serves_dr(t, pool);
		}
		if (wants)
			wanted[count++] = (struct route_backend){
				.addr = members[i].addr,
				.slot = members[i].slot,
				.ifindex = private,
			};
	}
	qsort(wanted, count, sizeof(*wanted), compare_slots);
	return count;
}

bool
supervisor_sync_routes(struct supervisor *s)
{
	struct route_backend *wanted;
	int error;

	if (s->routes == NULL)
		return true;
	wanted = calloc(s->table->nmembers + 1, sizeof(*wanted));
	if (wanted == NULL) {
		log_errno(ENOMEM, "cannot set policy routes");
		return false;
	}
	error = routes_sync(s->routes, wanted, collect(s, wanted));
	free(wanted);
	if (error != 0)
		log_errno(-error, "cannot set all policy routes");
	return error == 0;
}

static void
on_refresh(struct ev_loop *loop, ev_timer *w, int events)
{
	struct supervisor *s = w->data;

	(void)loop;
	(void)events;
	routes_forget(s->routes);
	(void)supervisor_sync_routes(s);
}

static void
on_link(struct ev_loop *loop, ev_io *w, int events)
{
	struct supervisor *s = w->data;
	char messages[8192];

	(void)events;
	/* An overrun (ENOBUFS) is a change, too. */
	while (recv(w->fd, messages, sizeof(messages), MSG_DONTWAIT) > 0)
		continue;
	if (ev_is_active(&s->refresh))
		return;
	ev_timer_set(&s->refresh, REFRESH_S, 0.);
	ev_timer_start(loop, &s->refresh);
}

static bool
watch_links(struct supervisor *s)
{
	const struct sockaddr_nl groups = {
		.nl_family = AF_NETLINK,
		.nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR |
		    RTMGRP_IPV6_IFADDR,
	};
	const int fd = socket(AF_NETLINK,
	    SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

	if (fd < 0 ||
	    bind(fd, (const struct sockaddr *)&groups, sizeof(groups)) < 0) {
		log_errno(errno, "cannot watch the interfaces");
		if (fd >= 0)
			close(fd);
		return false;
	}
	ev_timer_init(&s->refresh, on_refresh, REFRESH_S, 0.);
	s->refresh.data = s;
	ev_io_init(&s->links, on_link, fd, EV_READ);
	s->links.data = s;
	ev_io_start(s->loop, &s->links);
	return true;
}

static bool
has_dr(const struct conf *conf)
{
	for (uint32_t i = 0; i < conf->nservices; i++)
		if (conf->services[i].forward == FORWARD_DR)
			return true;
	return false;
}

/* Also takes away what a killed predecessor left. */
bool
supervisor_open_routes(struct supervisor *s)
{
	int error;

	if (!has_dr(s->conf))
		return true;
	s->routes = routes_open(&error);
	if (s->routes != NULL)
		error = routes_clear(s->routes);
	if (error != 0) {
		log_errno(-error, "cannot set policy routes");
		return false;
	}
	/* A link that is down yet gets its routes when it comes up. */
	(void)supervisor_sync_routes(s);
	return watch_links(s);
}

void
supervisor_close_routes(struct supervisor *s)
{
	int error;

	if (s->routes == NULL)
		return;
	error = routes_clear(s->routes);
	if (error != 0)
		log_errno(-error, "cannot remove policy routes");
	supervisor_forget_routes(s);
}

void
supervisor_forget_routes(struct supervisor *s)
{
	if (s->routes == NULL)
		return;
	routes_close(s->routes);
	if (ev_is_active(&s->links))
		close(s->links.fd);
}
