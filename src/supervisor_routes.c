/*
 * supervisor_routes.c - keeps the policy routes of `dr` backends as the table
 * has them.  A route is there before workers may mark packets for it; one that
 * goes belongs to a backend that is lost already.
 */
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>

#include "loaded/log.h"
#include "loaded/route.h"
#include "loaded/supervisor_impl.h"

/* The kernel forgets routes of a link that goes down and comes back. */
#define REFRESH_S 2.

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
	if (!supervisor_sync_routes(s))
		return false;
	ev_timer_init(&s->refresh, on_refresh, REFRESH_S, REFRESH_S);
	s->refresh.data = s;
	ev_timer_start(s->loop, &s->refresh);
	return true;
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
	routes_close(s->routes);
}
