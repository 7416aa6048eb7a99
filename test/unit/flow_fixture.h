/*
 * flow_fixture.h - a flow table in memory of its own, and flows made from
 * small numbers; for the tests of the flow table.
 */
#ifndef FLOW_FIXTURE_H
#define FLOW_FIXTURE_H

#include <check.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "loaded/flow.h"
#include "runner.h"

/* As ck_assert, but for loops of millions: costs nothing while it holds. */
#define MUST(condition)                                                        \
	do {                                                                   \
		if (!(condition))                                              \
			ck_abort_msg("%s", #condition);                        \
	} while (0)

struct table_fixture {
	struct flow_table t;
	void *mem;
	size_t size;
};

/* Fresh pages are zero, and cost nothing until they are written. */
static inline void
table_open(struct table_fixture *x, uint32_t max, flow_release_fn *release,
    void *arg)
{
	static const uint8_t key[SIPHASH_KEY_LEN] = { 3, 1, 4, 1, 5, 9 };

	x->size = flow_size(max);
	x->mem = mmap(NULL, x->size, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(x->mem, MAP_FAILED);
	flow_format(x->mem, max, key);
	flow_attach(&x->t, x->mem, release, arg);
}

static inline void
table_close(struct table_fixture *x)
{
	munmap(x->mem, x->size);
}

/* A TCP flow of client number n to VIP 1, on backend address 2. */
static inline struct flow
flow_of(uint32_t n, enum flow_class class)
{
	struct flow f = {
		.vip = 1,
		.server = 2,
		.client_port_be = (uint16_t)(n * 3),
		.vip_port_be = 80,
		.server_port_be = 8080,
		.proto = IPPROTO_TCP,
		.timeout = 100,
		.class = (uint8_t) class,
	};

	memcpy(f.client.b, &n, sizeof(n));
	if (class == FLOW_PERSIST)
		f.proto = 0;
	return f;
}

static inline struct flow_key
key_of(const struct flow *f, enum flow_dir dir)
{
	struct flow_key key = {
		.client = f->client,
		.peer = f->vip,
		.client_port_be = f->client_port_be,
		.peer_port_be = f->vip_port_be,
		.proto = f->proto,
		.dir = (uint8_t)dir,
	};

	if (dir == FLOW_FROM_BACKEND) {
		key.peer = f->server;
		key.peer_port_be = f->server_port_be;
	}
	return key;
}

static inline enum flow_insert_result
insert(struct flow_table *t, const struct flow *f, uint32_t now)
{
	const struct flow_key key = key_of(f, FLOW_FROM_CLIENT);
	const struct flow_hash h = flow_hash(t, &key);
	enum flow_insert_result result;

	flow_lock(t, &h);
	result = flow_insert(t, &h, f, now);
	flow_unlock(t, &h);
	return result;
}

/* The entry, which stays valid only while a single thread runs. */
static inline struct flow *
find(struct flow_table *t, const struct flow *f, enum flow_dir dir,
    uint32_t now)
{
	const struct flow_key key = key_of(f, dir);
	const struct flow_hash h = flow_hash(t, &key);
	struct flow *found;

	flow_prefetch(t, &h);
	flow_prefetch_entry(t, &h);
	flow_lock(t, &h);
	found = flow_find(t, &h, &key, now);
	flow_unlock(t, &h);
	return found;
}

static inline void
touch(struct flow_table *t, struct flow *f, enum flow_class class,
    uint32_t timeout, uint32_t now)
{
	const struct flow_key key = key_of(f, FLOW_FROM_CLIENT);
	const struct flow_hash h = flow_hash(t, &key);

	flow_lock(t, &h);
	flow_touch(t, &h, f, class, timeout, now);
	flow_unlock(t, &h);
}

static inline void
take_out(struct flow_table *t, struct flow *f)
{
	const struct flow_key key = key_of(f, FLOW_FROM_CLIENT);
	const struct flow_hash h = flow_hash(t, &key);

	flow_lock(t, &h);
	flow_remove(t, &h, f);
	flow_unlock(t, &h);
}

static inline uint32_t
stripe_of(const struct flow_table *t, const struct flow *f)
{
	const struct flow_key key = key_of(f, FLOW_FROM_CLIENT);

	return flow_hash(t, &key).stripe;
}

static inline uint64_t
used(const struct flow_table *t)
{
	struct flow_usage usage;

	flow_usage(t, &usage);
	return usage.used;
}

#endif
