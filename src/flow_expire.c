/*
 * flow_expire.c - how flows leave that nobody removes: expiry and eviction.
 *
 * Called by: a worker between two batches, and flow_insert on a full table.
 * Work is bounded in both.  Whoever holds the lock of a stripe never waits
 * for a second one: it tries, and goes on if another thread has it.
 */
#include "loaded/flow_impl.h"

#define REMOVALS 32  /* of a stripe in one flow_expire */
#define NEIGHBOURS 8 /* stripes asked for room */

/* Takes a place in the table, unless all are taken. */
static bool
take_place(struct flow_head *head)
{
	uint32_t used = atomic_load_explicit(&head->used, memory_order_relaxed);

	while (used < head->max)
		if (atomic_compare_exchange_weak_explicit(&head->used, &used,
			used + 1, memory_order_relaxed, memory_order_relaxed))
			return true;
	return false;
}

static bool
has_entry(const struct flow_part *p)
{
	return atomic_load_explicit(&p->stripe->used, memory_order_relaxed) <
	    p->head->capacity;
}

/* A flow past its time at the head of any list, or NULL. */
static struct flow *
late_head(const struct flow_part *p, uint32_t now)
{
	for (enum flow_class c = 0; c < FLOW_CLASSES; c++) {
		unsigned int moves = 0;
		struct flow *f = flow_list_oldest(p, c, now, &moves);

		if (f != NULL && flow_is_late(f, now))
			return f;
	}
	return NULL;
}

/*
 * The flow to lose, or NULL.  Half-open and closing ones go in the order they
 * came, whatever was said on them; UDP and persistence in use are spared.
 */
static struct flow *
victim(const struct flow_part *p, uint32_t now)
{
	struct flow *f = late_head(p, now);

	for (enum flow_class c = 0; f == NULL && c < FLOW_ESTABLISHED; c++) {
		unsigned int moves = c < FLOW_UDP ? 0 : FLOW_MOVES;

		f = flow_list_oldest(p, c, now, &moves);
	}
	return f;
}

static bool
evict(const struct flow_part *p, uint32_t now)
{
	struct flow *f = victim(p, now);

	if (f == NULL)
		return false;
	flow_drop(p, f);
	return true;
}

static bool
evict_from_neighbour(const struct flow_part *p, uint32_t now)
{
	const uint32_t n = p->head->nstripes;
	bool done = false;

	for (uint32_t i = 1; !done && i <= NEIGHBOURS && i < n; i++) {
		const struct flow_part q = flow_part(p->table,
		    (p->number + i) % n);

		if (!spin_try(&q.stripe->lock))
			continue;
		done = evict(&q, now);
		spin_unlock(&q.stripe->lock);
	}
	return done;
}

/* A flow that is evicted leaves its place to the new one. */
bool
flow_make_room(const struct flow_part *p, uint32_t now)
{
	if (has_entry(p) && take_place(p->head))
		return true;
	if (evict(p, now))
		return true;
	return has_entry(p) && evict_from_neighbour(p, now);
}

static uint32_t
expire_stripe(const struct flow_part *p, uint32_t now)
{
	uint32_t removed = 0;

	for (enum flow_class c = 0; c < FLOW_CLASSES; c++) {
		unsigned int moves = FLOW_MOVES;

		while (removed < REMOVALS) {
			struct flow *f = flow_list_oldest(p, c, now, &moves);

			if (f == NULL || !flow_is_late(f, now))
				break;
			flow_drop(p, f);
			flow_give_place(p);
			removed++;
		}
	}
	return removed;
}

uint32_t
flow_expire(struct flow_table *t, uint32_t first, uint32_t count, uint32_t now)
{
	uint32_t removed = 0;

	for (uint32_t i = 0; i < count; i++) {
		const struct flow_part p = flow_part(t,
		    (first + i) % t->head->nstripes);

		if (atomic_load_explicit(&p.stripe->used,
			memory_order_relaxed) == 0)
			continue;
		spin_lock(&p.stripe->lock);
		removed += expire_stripe(&p, now);
		spin_unlock(&p.stripe->lock);
	}
	return removed;
}
