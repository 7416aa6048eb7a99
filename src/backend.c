/*
 * backend.c - may a backend get a flow, and counting the ones it has.  Pure;
 * called by workers, from any thread.  active never passes max_connections,
 * however many threads take at once.  All loads and stores are relaxed: each
 * field stands for itself, nothing else is published through it.
 */
#include "loaded/backend.h"

#include "loaded/rate.h"

static uint32_t
load32(const _Atomic uint32_t *value)
{
	return atomic_load_explicit(value, memory_order_relaxed);
}

static bool
is_full(uint32_t active, uint32_t max)
{
	return active == UINT32_MAX || (max != 0 && active >= max);
}

bool
backend_usable(const struct backend_state *b, uint64_t now_ns)
{
	const uint32_t rate = load32(&b->max_rate);

	if (atomic_load_explicit(&b->admin, memory_order_relaxed) !=
	    ADMIN_READY)
		return false;
	if (atomic_load_explicit(&b->health, memory_order_relaxed) ==
	    HEALTH_DOWN)
		return false;
	if (load32(&b->weight) == 0)
		return false;
	if (is_full(load32(&b->active), load32(&b->max_connections)))
		return false;
	return rate == 0 || rate_ready(&b->rate_ns, rate, now_ns);
}

bool
backend_take(struct backend_state *b, uint64_t now_ns)
{
	const uint32_t max = load32(&b->max_connections);
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
