/*
 * flow_impl.h - the memory of a flow table, for flow*.c alone.
 *
 *   head | stripe headers | stripe 0: buckets, entries | stripe 1: ... | ...
 *
 * Entries and list links are numbered from 1 within their stripe, so that 0
 * means none and zeroed memory is an empty table.
 */
#ifndef LOADED_FLOW_IMPL_H
#define LOADED_FLOW_IMPL_H

#include <stdalign.h>

#include "loaded/flow.h"
#include "loaded/spin.h"

#define FLOW_MAGIC 0x4c44464cU /* "LDFL" */
#define FLOW_VERSION 1U
#define FLOW_CELLS 15 /* of a bucket */
#define FLOW_TAG_WORDS 4
#define FLOW_CAPACITY_MAX 1184 /* entries of a stripe */
#define FLOW_BUCKETS_MAX 264   /* of a stripe */
#define FLOW_MOVES 8           /* second chances given at a time */

struct flow_head {
	uint32_t magic, version;
	uint32_t max;
	uint32_t nstripes;
	uint32_t capacity; /* entries of each stripe */
	uint32_t nbuckets; /* of each stripe */
	uint64_t blocks_off;
	uint64_t block_size;
	uint64_t secret; /* odd; mixes the peer into a hash */
	uint8_t key[SIPHASH_KEY_LEN];
	alignas(64) _Atomic uint32_t used; /* entries, never above max */
};

/* count is written under the lock, but may be read without. */
struct flow_list {
	uint16_t head, tail;
	_Atomic uint16_t count;
};

struct flow_stripe {
	alignas(64) struct spin lock;
	uint16_t free;         /* list of entries given back, by next */
	uint16_t fresh;        /* entries ever used: none behind was touched */
	_Atomic uint16_t used; /* as flow_list.count */
	struct flow_list lists[FLOW_CLASSES];
};

/*
 * A cell is a tag and an entry.  A cell that finds its bucket full goes to the
 * next and is counted in passed; a search ends at a bucket that none passed.
 * Four tags share a word, the first in its lowest bits, to be compared at
 * once; the last 16 bits are unused.  Cells are written under the lock, and
 * peeked at by flow_prefetch_entry without.
 */
struct flow_bucket {
	alignas(64) _Atomic uint64_t tags[FLOW_TAG_WORDS];
	_Atomic uint16_t entry[FLOW_CELLS];
	uint16_t passed;
};

/* Where everything of one stripe is; all pointers are borrowed. */
struct flow_part {
	const struct flow_table *table;
	struct flow_head *head;
	uint32_t number; /* of the stripe */
	struct flow_stripe *stripe;
	struct flow_bucket *buckets;
	struct flow *entries; /* [n - 1] is entry n */
};

struct flow_part flow_part(const struct flow_table *t, uint32_t stripe);
struct flow_key flow_key(const struct flow *f, enum flow_dir dir);
uint16_t flow_number(const struct flow_part *p, const struct flow *f);
bool flow_is_late(const struct flow *f, uint32_t now);

/* Are there packets from the backend that it is found by, too? */
bool flow_is_two_way(const struct flow *f);

/* Takes a flow out of its stripe; its place in the table stays taken. */
void flow_drop(const struct flow_part *p, struct flow *f);
void flow_give_place(const struct flow_part *p);

/* Index: a cell for each direction seen.  hash is flow_hash.bucket. */
struct flow *flow_index_find(const struct flow_part *p, uint64_t hash,
    const struct flow_key *key);
void flow_index_add(const struct flow_part *p, uint64_t hash, uint16_t entry);
void flow_index_remove(const struct flow_part *p, uint64_t hash,
    uint16_t entry);
void flow_index_prefetch(const struct flow_part *p, uint64_t hash);
struct flow_bucket *flow_index_home(const struct flow_part *p, uint64_t hash);
struct flow_bucket *flow_index_next(const struct flow_part *p,
    struct flow_bucket *bucket);

/* The cell of an entry in this very bucket, or -1. */
int flow_index_cell(const struct flow_bucket *bucket, uint64_t hash,
    uint16_t entry);

/* Class lists. */
void flow_list_append(const struct flow_part *p, struct flow *f);
void flow_list_unlink(const struct flow_part *p, struct flow *f);
void flow_list_add_count(_Atomic uint16_t *count, int change);

/*
 * The first of a class, after those that are in time and were touched since
 * they came into the list went to its end: at most *moves of them.
 */
struct flow *flow_list_oldest(const struct flow_part *p, enum flow_class class,
    uint32_t now, unsigned int *moves);

/* Frees an entry of the stripe p and takes a place in the table for it. */
bool flow_make_room(const struct flow_part *p, uint32_t now);

#endif
