/*
 * flow_verify.c - is a flow table what it should be?  For tests.
 *
 * Called by: unit tests and fuzzers, while no thread changes the table.  All
 * is worked out anew from the entries in the lists and compared: how many of
 * them there are, their cells, and how many cells went past each bucket.
 */
#include <errno.h>
#include <string.h>

#include "loaded/flow_impl.h"

struct tally {
	uint8_t seen[FLOW_CAPACITY_MAX];
	uint16_t passed[FLOW_BUCKETS_MAX];
	uint32_t live, free, cells;
};

/* Each entry is in one list, and once. */
static bool
visit(const struct flow_part *p, struct tally *tally, uint16_t number)
{
	if (number > p->stripe->fresh || tally->seen[number - 1])
		return false;
	tally->seen[number - 1] = 1;
	return true;
}

/* The cell of one direction is there, at the end of an unbroken way. */
static bool
check_cell(const struct flow_part *p, struct tally *tally, const struct flow *f,
    enum flow_dir dir)
{
	const struct flow_key key = flow_key(f, dir);
	const struct flow_hash h = flow_hash(p->table, &key);
	const uint16_t number = flow_number(p, f);
	struct flow_bucket *bucket = flow_index_home(p, h.bucket);

	if (p->number != h.stripe)
		return false;
	for (uint32_t i = 0; i < p->head->nbuckets; i++) {
		if (flow_index_cell(bucket, h.bucket, number) >= 0) {
			tally->cells++;
			return flow_index_find(p, h.bucket, &key) == f;
		}
		tally->passed[bucket - p->buckets]++;
		bucket = flow_index_next(p, bucket);
	}
	return false;
}

static bool
check_flow(const struct flow_part *p, struct tally *tally, const struct flow *f,
    enum flow_class class)
{
	static const uint8_t zero[sizeof(f->reserved)];

	if (f->class != class || memcmp(f->reserved, zero, sizeof(zero)) != 0 ||
	    !check_cell(p, tally, f, FLOW_FROM_CLIENT))
		return false;
	return !flow_is_two_way(f) ||
	    check_cell(p, tally, f, FLOW_FROM_BACKEND);
}

static bool
check_list(const struct flow_part *p, struct tally *tally,
    enum flow_class class)
{
	const struct flow_list *list = &p->stripe->lists[class];
	uint16_t prev = 0, count = 0;

	for (uint16_t n = list->head; n != 0; count++) {
		const struct flow *f = &p->entries[n - 1];

		if (!visit(p, tally, n) || f->prev != prev ||
		    !check_flow(p, tally, f, class))
			return false;
		prev = n;
		n = f->next;
	}
	tally->live += count;
	return list->tail == prev && count == list->count;
}

static bool
check_free(const struct flow_part *p, struct tally *tally)
{
	for (uint16_t n = p->stripe->free; n != 0; n = p->entries[n - 1].next) {
		if (!visit(p, tally, n))
			return false;
		tally->free++;
	}
	return true;
}

/* No cell but those of the flows, and each way counted. */
static bool
check_buckets(const struct flow_part *p, const struct tally *tally)
{
	uint32_t cells = 0;

	for (uint32_t i = 0; i < p->head->nbuckets; i++) {
		const struct flow_bucket *bucket = &p->buckets[i];

		if (bucket->passed != tally->passed[i])
			return false;
		for (int c = 0; c < FLOW_CELLS; c++)
			cells += bucket->entry[c] != 0;
	}
	return cells == tally->cells;
}

/* -EINVAL, or how many flows the stripe has. */
static int
verify_stripe(const struct flow_part *p)
{
	struct tally tally = { 0 };

	if (p->stripe->fresh > p->head->capacity)
		return -EINVAL;
	for (enum flow_class c = 0; c < FLOW_CLASSES; c++)
		if (!check_list(p, &tally, c))
			return -EINVAL;
	if (!check_free(p, &tally) || !check_buckets(p, &tally) ||
	    tally.live != p->stripe->used ||
	    tally.live + tally.free != p->stripe->fresh)
		return -EINVAL;
	return (int)tally.live;
}

int
flow_verify(const struct flow_table *t)
{
	const struct flow_head *head = t->head;
	uint32_t live = 0;

	if (head->capacity > FLOW_CAPACITY_MAX ||
	    head->nbuckets > FLOW_BUCKETS_MAX)
		return -EINVAL;
	for (uint32_t i = 0; i < head->nstripes; i++) {
		const struct flow_part p = flow_part(t, i);
		const int found = verify_stripe(&p);

		if (found < 0)
			return found;
		live += (uint32_t)found;
	}
	return live == head->used && live <= head->max ? 0 : -EINVAL;
}
