/*
 * flow.h - the flow table: fixed memory that the caller owns, shared by all
 * workers, found by either direction of a flow.
 *
 * The table is cut into stripes of about FLOW_STRIPE flows.  A stripe has one
 * spin lock, its own entries, its own index and one list of entries for each
 * class, oldest first.  Both directions of a flow know the client's address
 * and port, and these alone choose the stripe: one lock guards a flow whole.
 * Memory that is all zero is an empty stripe.
 *
 * Time is given, in ticks of FLOW_TICK_MS that may start anywhere and wrap.
 */
#ifndef LOADED_FLOW_H
#define LOADED_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loaded/flow_entry.h"
#include "loaded/siphash.h"

#define FLOW_TICK_MS 100
#define FLOW_STRIPE 1024
#define FLOW_MAX (64U << 20) /* flows a table can be made for */

/* Told of every flow that stops counting for its backend; see flow_attach. */
typedef void flow_release_fn(void *arg, const struct flow *flow);

/* A process's view of a table; the memory behind it is shared. */
struct flow_table {
	struct flow_head *head; /* borrowed: the memory given */
	flow_release_fn *release;
	void *arg; /* borrowed: for release */
};

/* Where a key lives; computed once a packet, before the lock. */
struct flow_hash {
	uint64_t bucket;
	uint32_t stripe;
};

struct flow_usage {
	uint64_t used; /* all classes together */
	uint64_t class[FLOW_CLASSES];
};

/* Bytes of a table for max flows (1 to FLOW_MAX), index included. */
size_t flow_size(uint32_t max);

/* Makes an empty table in zeroed memory of flow_size(max), 64-byte aligned. */
void flow_format(void *mem, uint32_t max,
    const uint8_t key[static SIPHASH_KEY_LEN]);

/*
 * Opens formatted memory.  release is called under the stripe's lock, once in
 * a flow's life: when it enters FLOW_CLOSED, or is removed, evicted or expired
 * before that; never for FLOW_PERSIST.  It must be short and take no lock of
 * the table.
 */
void flow_attach(struct flow_table *t, void *mem, flow_release_fn *release,
    void *arg);

struct flow_hash flow_hash(const struct flow_table *t,
    const struct flow_key *key);

/*
 * Hints that take no lock: fetch the lines that flow_find will read.  The
 * entry can be told only once the index is there, so a batch goes through
 * flow_prefetch as a whole first.
 */
void flow_prefetch(const struct flow_table *t, const struct flow_hash *h);
void flow_prefetch_entry(const struct flow_table *t, const struct flow_hash *h);

void flow_lock(const struct flow_table *t, const struct flow_hash *h);
void flow_unlock(const struct flow_table *t, const struct flow_hash *h);

/*
 * All below: with the stripe of h locked.  A flow found is valid until unlock.
 * One that is past its time is removed and not found.
 */
struct flow *flow_find(struct flow_table *t, const struct flow_hash *h,
    const struct flow_key *key, uint32_t now);

enum flow_insert_result {
	FLOW_INSERTED,
	FLOW_EXISTS,      /* the client's direction is there already */
	FLOW_REPLY_TAKEN, /* the backend could not tell the two apart */
	FLOW_FULL         /* full of flows that may not be evicted */
};

/*
 * Copies new (whose class, timeout and all key fields are set; lists, seen,
 * touched and reserved are ours) into the table.  A flow that is not nat is
 * found from the client's side alone, and takes no reply tuple.  When the table
 * is full, an expired flow or one of the first classes makes room; never an
 * established one.  A flow in FLOW_CLOSED gives up its reply tuple.  h is of
 * the client's direction.
 */
enum flow_insert_result flow_insert(struct flow_table *t,
    const struct flow_hash *h, const struct flow *new, uint32_t now);

/*
 * The packet just seen keeps it alive; a change of class moves it.  Nothing
 * leads out of FLOW_CLOSED but flow_remove.
 */
void flow_touch(struct flow_table *t, const struct flow_hash *h, struct flow *f,
    enum flow_class class, uint32_t timeout, uint32_t now);

void flow_remove(struct flow_table *t, const struct flow_hash *h,
    struct flow *f);

/*
 * Removes what is past its time in count stripes (of flow_stripes) from first
 * on, wrapping.  Takes the locks itself; work is bounded for each stripe.
 * Returns the number removed.
 */
uint32_t flow_expire(struct flow_table *t, uint32_t first, uint32_t count,
    uint32_t now);
uint32_t flow_stripes(const struct flow_table *t);

/* Capacity and use; exact only while nobody changes the table. */
uint32_t flow_max(const struct flow_table *t);
void flow_usage(const struct flow_table *t, struct flow_usage *out);

/* Checks every link, count and index cell: 0, or -EINVAL.  For tests. */
int flow_verify(const struct flow_table *t);

#endif
