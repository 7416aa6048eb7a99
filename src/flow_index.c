/*
 * flow_index.c - from a key to an entry: buckets of a cache line, open
 * addressing from bucket to bucket, no tombstones.
 *
 * Called by: flow*.c, under the stripe's lock.  A cell lies in its home bucket
 * or behind it, and each bucket it went past counts it in passed.  Removing
 * it counts down along the same way, so searches stay short for ever.
 */
#include <assert.h>
#include <string.h>

#include "loaded/flow_impl.h"

/* In each of the four lanes of 16 bits. */
#define LANES(x) ((uint64_t)(x)*UINT64_C(0x0001000100010001))

static uint16_t
get_entry(const struct flow_bucket *bucket, int cell)
{
	return atomic_load_explicit(&bucket->entry[cell], memory_order_relaxed);
}

static uint64_t
get_tags(const struct flow_bucket *bucket, int word)
{
	return atomic_load_explicit(&bucket->tags[word], memory_order_relaxed);
}

static void
set_cell(struct flow_bucket *bucket, int cell, uint64_t hash, uint16_t entry)
{
	const int shift = 16 * (cell % 4);
	const uint64_t others = get_tags(bucket, cell / 4) &
	    ~(UINT64_C(0xffff) << shift);

	atomic_store_explicit(&bucket->tags[cell / 4],
	    others | (hash & 0xffff) << shift, memory_order_relaxed);
	atomic_store_explicit(&bucket->entry[cell], entry,
	    memory_order_relaxed);
}

/* The highest bit of each lane of a word of tags that is the hash's tag. */
static uint64_t
equal_lanes(const struct flow_bucket *bucket, int word, uint64_t hash)
{
	const uint64_t differ = get_tags(bucket, word) ^ LANES(hash & 0xffff);
	const uint64_t low = (differ & LANES(0x7fff)) + LANES(0x7fff);

	return ~(low | differ | LANES(0x7fff));
}

/* The cell of the lowest lane that is marked. */
static int
first_cell(int word, uint64_t lanes)
{
	return 4 * word + __builtin_ctzll(lanes) / 16;
}

/* The high half chooses the bucket, the low 16 bits are the tag. */
struct flow_bucket *
flow_index_home(const struct flow_part *p, uint64_t hash)
{
	return &p->buckets[(hash >> 32) * p->head->nbuckets >> 32];
}

struct flow_bucket *
flow_index_next(const struct flow_part *p, struct flow_bucket *bucket)
{
	bucket++;
	return bucket == p->buckets + p->head->nbuckets ? p->buckets : bucket;
}

int
flow_index_cell(const struct flow_bucket *bucket, uint64_t hash, uint16_t entry)
{
	for (int i = 0; i < FLOW_CELLS; i++) {
		const uint64_t tag = get_tags(bucket, i / 4) >> (16 * (i % 4));

		if (get_entry(bucket, i) == entry &&
		    (entry == 0 || (uint16_t)tag == (uint16_t)hash))
			return i;
	}
	return -1;
}

static bool
matches(const struct flow *f, const struct flow_key *key)
{
	const bool client = key->dir == FLOW_FROM_CLIENT;

	return f->client_port_be == key->client_port_be &&
	    key->peer == (client ? f->vip : f->server) &&
	    key->peer_port_be ==
	    (client ? f->vip_port_be : f->server_port_be) &&
	    f->proto == key->proto &&
	    memcmp(&f->client, &key->client, sizeof(f->client)) == 0;
}

/* A cell that was given up keeps its tag; its entry is 0. */
static struct flow *
find_in(const struct flow_part *p, const struct flow_bucket *bucket,
    uint64_t hash, const struct flow_key *key)
{
	for (int w = 0; w < FLOW_TAG_WORDS; w++) {
		uint64_t lanes = equal_lanes(bucket, w, hash);

		for (; lanes != 0; lanes &= lanes - 1) {
			const int cell = first_cell(w, lanes);
			uint16_t n;

			if (cell == FLOW_CELLS)
				break;
			n = get_entry(bucket, cell);
			if (n != 0 && matches(&p->entries[n - 1], key))
				return &p->entries[n - 1];
		}
	}
	return NULL;
}

/* Most flows are in their home bucket, so no other is looked at. */
void
flow_index_prefetch(const struct flow_part *p, uint64_t hash)
{
	const struct flow_bucket *bucket = flow_index_home(p, hash);

	for (int w = 0; w < FLOW_TAG_WORDS; w++) {
		const uint64_t lanes = equal_lanes(bucket, w, hash);
		int cell;

		if (lanes == 0)
			continue;
		cell = first_cell(w, lanes);
		if (cell != FLOW_CELLS && get_entry(bucket, cell) != 0)
			__builtin_prefetch(
			    &p->entries[get_entry(bucket, cell) - 1], 1);
	}
}

struct flow *
flow_index_find(const struct flow_part *p, uint64_t hash,
    const struct flow_key *key)
{
	struct flow_bucket *bucket = flow_index_home(p, hash);
	struct flow *f = find_in(p, bucket, hash, key);

	for (uint32_t i = 1; f == NULL && bucket->passed != 0; i++) {
		if (i == p->head->nbuckets)
			break;
		bucket = flow_index_next(p, bucket);
		f = find_in(p, bucket, hash, key);
	}
	return f;
}

/* A stripe has more cells than its entries can fill: the loop ends. */
void
flow_index_add(const struct flow_part *p, uint64_t hash, uint16_t entry)
{
	struct flow_bucket *bucket = flow_index_home(p, hash);
	int cell;

	while ((cell = flow_index_cell(bucket, hash, 0)) < 0) {
		bucket->passed++;
		bucket = flow_index_next(p, bucket);
	}
	set_cell(bucket, cell, hash, entry);
}

void
flow_index_remove(const struct flow_part *p, uint64_t hash, uint16_t entry)
{
	struct flow_bucket *bucket = flow_index_home(p, hash);
	int cell;

	while ((cell = flow_index_cell(bucket, hash, entry)) < 0) {
		assert(bucket->passed != 0);
		bucket->passed--;
		bucket = flow_index_next(p, bucket);
	}
	set_cell(bucket, cell, hash, 0);
}
