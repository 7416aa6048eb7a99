/*
 * backend.c - may a backend get a flow, and counting the ones it has.  Pure;
 * called by workers, from any thread.  active never passes max_connections or
 * agent_max, however many threads take at once.  All loads and stores are
 * relaxed: each field stands for itself, nothing else is published through it.
 */
#include "loaded/backend.h"

#include "loaded/rate.h"
#include "loaded/share.h"

static uint32_t
load32(const _Atomic uint32_t *value)
{
	return atomic_load_explicit(value, memory_order_relaxed);
}

static uint8_t
load8(const _Atomic uint8_t *value)
{
	return atomic_load_explicit(value, memory_order_relaxed);
}

static void
store32(_Atomic uint32_t *value, uint32_t with)
{
	atomic_store_explicit(value, with, memory_order_relaxed);
}

enum backend_admin
backend_admin(const struct backend_state *b)
{
	const uint8_t admin = load8(&b->admin), agent = load8(&b->agent_admin);

	return agent > admin ? agent : admin;
}

const char *
backend_admin_name(enum backend_admin admin)
{
	switch (admin) {
	case ADMIN_READY:
		return "ready";
	case ADMIN_DRAIN:
		return "drain";
	case ADMIN_MAINT:
		return "maint";
	}
	return "invalid";
}

const char *
backend_health_name(enum backend_health health)
{
	switch (health) {
	case HEALTH_UNKNOWN:
		return "unknown";
	case HEALTH_UP:
		return "up";
	case HEALTH_DOWN:
		return "down";
	}
	return "invalid";
}

/* The smaller limit of the two; 0: there is none. */
static uint32_t
effective_max(const struct backend_state *b)
{
	const uint32_t max = load32(&b->max_connections);
	const uint32_t agent = load32(&b->agent_max);

	if (max == 0 || (agent != 0 && agent < max))
		return agent;
	return max;
}

static bool
is_full(uint32_t active, uint32_t max)
{
	return active == UINT32_MAX || (max != 0 && active >= max);
}

/* active and flows belong to the flow table, which may outlive a config. */
void
backend_init(struct backend_state *b, uint32_t weight, uint32_t max_connections,
    uint32_t max_rate)
{
	store32(&b->weight, weight);
	store32(&b->max_connections, max_connections);
	store32(&b->max_rate, max_rate);
	store32(&b->share, SHARE_FULL);
	store32(&b->agent_max, 0);
	store32(&b->suspect, 0);
	atomic_store_explicit(&b->admin, ADMIN_READY, memory_order_relaxed);
	atomic_store_explicit(&b->agent_admin, ADMIN_READY,
	    memory_order_relaxed);
	atomic_store_explicit(&b->health, HEALTH_UNKNOWN, memory_order_relaxed);
}

bool
backend_usable(const struct backend_state *b, bool panic, uint64_t now_ns)
{
	const uint32_t rate = load32(&b->max_rate);

	if (backend_admin(b) != ADMIN_READY)
		return false;
	if (!panic && load8(&b->health) == HEALTH_DOWN)
		return false;
	if (backend_weight(b) == 0)
		return false;
	if (is_full(load32(&b->active), effective_max(b)))
		return false;
	return rate == 0 || rate_ready(&b->rate_ns, rate, now_ns);
}

bool
backend_is_lost(const struct backend_state *b, bool panic)
{
	return (!panic && load8(&b->health) == HEALTH_DOWN) ||
	    backend_admin(b) == ADMIN_MAINT;
}

uint32_t
backend_weight(const struct backend_state *b)
{
	return load32(&b->weight) * load32(&b->share);
}

bool
backend_take(struct backend_state *b, uint64_t now_ns)
{
	const uint32_t max = effective_max(b);
	const uint32_t rate = load32(&b->max_rate);
	uint32_t active = load32(&b->active);

	do {
		if (is_full(active, max))
			return false;
	} while (!atomic_compare_exchange_weak_explicit(&b->active, &active,
	    active + 1, memory_order_relaxed, memory_order_relaxed));

	/* The token comes last: there is no way to give one back. */
	if (rate != 0 && !rate_take(&b->rate_ns, rate, now_ns)) {
		backend_release(b);
		return false;
	}
	return true;
}

/* One release too many must not make the backend look full for ever. */
void
backend_release(struct backend_state *b)
{
	uint32_t active = load32(&b->active);

	do {
		if (active == 0)
			return;
	} while (!atomic_compare_exchange_weak_explicit(&b->active, &active,
	    active - 1, memory_order_relaxed, memory_order_relaxed));
}
