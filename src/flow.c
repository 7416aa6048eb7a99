/*
 * flow.c - the flow table: its memory, and the life of a flow in it.
 *
 * Called by: the workers; flow_format by the supervisor.  Pure: memory, time
 * and secrets are given.  A flow in the table has a place (head->used), an
 * entry of its stripe, a position in the list of its class, and a cell of the
 * index for each direction it is seen in.  The stripe's lock guards all but the
 * place.
 */
#include "loaded/flow.h"

#include <assert.h>
#include <string.h>

#include "loaded/flow_impl.h"

#define CELLS_PLANNED 9 /* of a bucket, when the stripe is full */

_Static_assert(sizeof(struct flow) == 64, "a flow is one cache line");
_Static_assert(sizeof(struct flow_bucket) == 64, "so is a bucket");
_Static_assert(sizeof(struct flow_stripe) == 64, "and a stripe's header");
_Static_assert(sizeof(struct flow_head) % 64 == 0, "what follows is aligned");

/*
 * Flows fall on the stripes like rain: five deviations of a Poisson
 * distribution above the average are enough for all stripes of a full table.
 */
static uint32_t
stripe_capacity(uint32_t max, uint32_t nstripes)
{
	const uint32_t average = (max + nstripes - 1) / nstripes;
	uint32_t deviation = 1;

	if (nstripes == 1)
		return max;
	while (deviation * deviation < average)
		deviation++;
	return average + 5 * deviation;
}

static struct flow_head
layout(uint32_t max)
{
	struct flow_head h = { .magic = FLOW_MAGIC, .version = FLOW_VERSION };

	h.max = max;
	h.nstripes = (max + FLOW_STRIPE - 1) / FLOW_STRIPE;
	h.capacity = stripe_capacity(max, h.nstripes);
	h.nbuckets = (2 * h.capacity + CELLS_PLANNED - 1) / CELLS_PLANNED;
	h.blocks_off = sizeof(struct flow_head) +
	    h.nstripes * (uint64_t)sizeof(struct flow_stripe);
	h.block_size = h.nbuckets * (uint64_t)sizeof(struct flow_bucket) +
	    h.capacity * (uint64_t)sizeof(struct flow);
	return h;
}

size_t
flow_size(uint32_t max)
{
	const struct flow_head h = layout(max);

	return (size_t)(h.blocks_off + h.nstripes * h.block_size);
}

void
flow_format(void *mem, uint32_t max, const uint8_t key[static SIPHASH_KEY_LEN])
{
	static const char purpose[] = "flow index";
	struct flow_head *head = mem;

	assert(max >= 1 && max <= FLOW_MAX);
	*head = layout(max);
	memcpy(head->key, key, SIPHASH_KEY_LEN);
	head->secret = siphash24(key, purpose, sizeof(purpose)) | 1;
}

void
flow_attach(struct flow_table *t, void *mem, flow_release_fn *release,
    void *arg)
{
	*t = (struct flow_table){ mem, release, arg };
	assert(t->head->magic == FLOW_MAGIC);
	assert(t->head->version == FLOW_VERSION);
}

static struct flow_stripe *
stripe_at(const struct flow_table *t, uint32_t stripe)
{
	return (struct flow_stripe *)(t->head + 1) + stripe;
}

struct flow_part
flow_part(const struct flow_table *t, uint32_t stripe)
{
	struct flow_head *head = t->head;
	void *block = (uint8_t *)head + head->blocks_off +
	    stripe * head->block_size;
	struct flow_bucket *buckets = block;
	void *entries = buckets + head->nbuckets;

	return (struct flow_part){
		.table = t,
		.head = head,
		.number = stripe,
		.stripe = stripe_at(t, stripe),
		.buckets = buckets,
		.entries = entries,
	};
}

uint16_t
flow_number(const struct flow_part *p, const struct flow *f)
{
	return (uint16_t)(f - p->entries + 1);
}

struct flow_key
flow_key(const struct flow *f, enum flow_dir dir)
{
	const bool client = dir == FLOW_FROM_CLIENT;

	return (struct flow_key){
		.client = f->client,
		.peer = client ? f->vip : f->server,
		.client_port_be = f->client_port_be,
		.peer_port_be = client ? f->vip_port_be : f->server_port_be,
		.proto = f->proto,
		.dir = (uint8_t)dir,
	};
}

/* MurmurHash3's last step: each bit of x reaches each bit of the result. */
static uint64_t
stir(uint64_t x)
{
	x = (x ^ x >> 33) * UINT64_C(0xff51afd7ed558ccd);
	x = (x ^ x >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
	return x ^ x >> 33;
}

/*
 * Who sends chooses the client's address and port: these are hashed with a
 * key.  The peer is one of few and only has to tell cells of a client apart.
 * The lowest bit is the direction, so cells of different ones never match.
 */
struct flow_hash
flow_hash(const struct flow_table *t, const struct flow_key *key)
{
	const struct flow_head *head = t->head;
	const uint64_t peer = (uint64_t)key->peer << 32 |
	    (uint64_t)key->peer_port_be << 1 | key->dir;
	uint8_t who[24] = { 0 };
	uint64_t client;

	memcpy(who, &key->client, 16);
	memcpy(who + 16, &key->client_port_be, 2);
	who[18] = key->proto;
	client = siphash13(head->key, who, sizeof(who));
	return (struct flow_hash){
		.bucket = (stir(client ^ peer * head->secret) & ~UINT64_C(1)) |
		    key->dir,
		.stripe = (uint32_t)((client >> 32) * head->nstripes >> 32),
	};
}

void
flow_prefetch(const struct flow_table *t, const struct flow_hash *h)
{
	const struct flow_part p = flow_part(t, h->stripe);

	__builtin_prefetch(p.stripe, 1);
	__builtin_prefetch(flow_index_home(&p, h->bucket));
}

void
flow_prefetch_entry(const struct flow_table *t, const struct flow_hash *h)
{
	const struct flow_part p = flow_part(t, h->stripe);

	flow_index_prefetch(&p, h->bucket);
}

void
flow_lock(const struct flow_table *t, const struct flow_hash *h)
{
	spin_lock(&stripe_at(t, h->stripe)->lock);
}

void
flow_unlock(const struct flow_table *t, const struct flow_hash *h)
{
	spin_unlock(&stripe_at(t, h->stripe)->lock);
}

/* Workers' clocks differ by a batch, so seen may lie a little ahead of now. */
bool
flow_is_late(const struct flow *f, uint32_t now)
{
	const uint32_t idle = now - f->seen;

	return idle > f->timeout && idle <= INT32_MAX;
}

/* Replies to what was not rewritten go past the balancer. */
bool
flow_is_two_way(const struct flow *f)
{
	return f->class != FLOW_PERSIST && f->forward == FORWARD_NAT;
}

static uint64_t
bucket_hash(const struct flow_part *p, const struct flow *f, enum flow_dir dir)
{
	const struct flow_key key = flow_key(f, dir);

	return flow_hash(p->table, &key).bucket;
}

static void
release(const struct flow_part *p, const struct flow *f)
{
	if (f->class != FLOW_CLOSED && f->class != FLOW_PERSIST)
		p->table->release(p->table->arg, f);
}

void
flow_drop(const struct flow_part *p, struct flow *f)
{
	struct flow_stripe *s = p->stripe;
	const uint16_t number = flow_number(p, f);

	release(p, f);
	flow_index_remove(p, bucket_hash(p, f, FLOW_FROM_CLIENT), number);
	if (flow_is_two_way(f))
		flow_index_remove(p, bucket_hash(p, f, FLOW_FROM_BACKEND),
		    number);
	flow_list_unlink(p, f);
	f->next = s->free;
	s->free = number;
	flow_list_add_count(&s->used, -1);
}

void
flow_give_place(const struct flow_part *p)
{
	atomic_fetch_sub_explicit(&p->head->used, 1, memory_order_relaxed);
}

void
flow_remove(struct flow_table *t, const struct flow_hash *h, struct flow *f)
{
	const struct flow_part p = flow_part(t, h->stripe);

	flow_drop(&p, f);
	flow_give_place(&p);
}

struct flow *
flow_find(struct flow_table *t, const struct flow_hash *h,
    const struct flow_key *key, uint32_t now)
{
	const struct flow_part p = flow_part(t, h->stripe);
	struct flow *f = flow_index_find(&p, h->bucket, key);

	if (f != NULL && flow_is_late(f, now)) {
		flow_remove(t, h, f);
		return NULL;
	}
	return f;
}

/* A closed flow gives its reply tuple up, and with it goes the flow. */
static bool
reply_is_taken(struct flow_table *t, const struct flow *new, uint32_t now)
{
	const struct flow_key key = flow_key(new, FLOW_FROM_BACKEND);
	const struct flow_hash h = flow_hash(t, &key);
	struct flow *f = flow_find(t, &h, &key, now);

	if (f == NULL)
		return false;
	if (f->class != FLOW_CLOSED)
		return true;
	flow_remove(t, &h, f);
	return false;
}

/* The stripe has a free one: flow_make_room said so. */
static struct flow *
take_entry(const struct flow_part *p)
{
	struct flow_stripe *s = p->stripe;
	struct flow *f;

	if (s->free != 0) {
		f = &p->entries[s->free - 1];
		s->free = f->next;
	} else {
		f = &p->entries[s->fresh++];
	}
	flow_list_add_count(&s->used, 1);
	return f;
}

enum flow_insert_result
flow_insert(struct flow_table *t, const struct flow_hash *h,
    const struct flow *new, uint32_t now)
{
	const struct flow_part p = flow_part(t, h->stripe);
	const struct flow_key key = flow_key(new, FLOW_FROM_CLIENT);
	const bool both_ways = flow_is_two_way(new);
	struct flow *f;

	if (flow_find(t, h, &key, now) != NULL)
		return FLOW_EXISTS;
	if (both_ways && reply_is_taken(t, new, now))
		return FLOW_REPLY_TAKEN;
	if (!flow_make_room(&p, now))
		return FLOW_FULL;
	f = take_entry(&p);
	*f = *new;
	f->seen = now;
	memset(f->reserved, 0, sizeof(f->reserved));
	flow_list_append(&p, f);
	flow_index_add(&p, h->bucket, flow_number(&p, f));
	if (both_ways)
		flow_index_add(&p, bucket_hash(&p, f, FLOW_FROM_BACKEND),
		    flow_number(&p, f));
	return FLOW_INSERTED;
}

void
flow_touch(struct flow_table *t, const struct flow_hash *h, struct flow *f,
    enum flow_class class, uint32_t timeout, uint32_t now)
{
	const struct flow_part p = flow_part(t, h->stripe);

	f->seen = now;
	if (f->class == class && f->timeout == timeout) {
		f->touched = true;
		return;
	}
	assert(f->class != FLOW_CLOSED || class == FLOW_CLOSED);
	if (class == FLOW_CLOSED)
		release(&p, f);
	flow_list_unlink(&p, f);
	f->class = (uint8_t) class;
	f->timeout = timeout;
	flow_list_append(&p, f);
}

uint32_t
flow_stripes(const struct flow_table *t)
{
	return t->head->nstripes;
}

uint32_t
flow_max(const struct flow_table *t)
{
	return t->head->max;
}

void
flow_usage(const struct flow_table *t, struct flow_usage *out)
{
	struct flow_usage sum = { 0 };

	for (uint32_t i = 0; i < t->head->nstripes; i++) {
		const struct flow_stripe *s = stripe_at(t, i);

		for (int c = 0; c < FLOW_CLASSES; c++)
			sum.class[c] += atomic_load_explicit(&s->lists[c].count,
			    memory_order_relaxed);
	}
	for (int c = 0; c < FLOW_CLASSES; c++)
		sum.used += sum.class[c];
	*out = sum;
}
