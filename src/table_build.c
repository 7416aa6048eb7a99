/*
 * table_build.c - lays a checked config out as the flat table of table.h.
 * Run by the supervisor at start, and again for each change of the config or
 * of the backends that were discovered.
 */
#include "loaded/table_build.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "loaded/maglev.h"
#include "loaded/table_build_impl.h"

#define ALIGN 64U

static uint32_t
reserve(struct table_layout *lay, uint64_t count, size_t size)
{
	const uint64_t off = lay->size;

	lay->size = (off + count * size + ALIGN - 1) / ALIGN * ALIGN;
	return (uint32_t)off;
}

static bool
pool_needs_maglev(const struct conf *conf, uint32_t pool)
{
	for (uint32_t i = 0; i < conf->nservices; i++) {
		const struct conf_service *cs = &conf->services[i];

		if (sched_ops(cs->scheduler)->needs_maglev &&
		    (cs->pool == pool || conf->pools[cs->pool].backup == pool))
			return true;
	}
	return false;
}

/* Room for the Maglev tables of every pool and family that uses one. */
static void
reserve_maglev(struct table_builder *b)
{
	uint32_t pool, family, count, index;

	for (pool = 0; pool < b->conf->npools; pool++) {
		if (!pool_needs_maglev(b->conf, pool))
			continue;
		for (family = 0; family < TABLE_FAMILIES; family++) {
			index = pool * TABLE_FAMILIES + family;
			count = table_build_count(&b->conf->pools[pool],
			    family);
			if (count > 0)
				b->maglev[index] = reserve(&b->lay,
				    maglev_size(count), sizeof(uint16_t));
		}
	}
}

static void
count_pool(struct table_layout *lay, const struct conf_pool *pool)
{
	lay->nmembers += pool->nbackends;
	lay->nchecks += pool->nchecks;
	for (uint32_t i = 0; i < pool->nbackends; i++)
		lay->nchecks += pool->backends[i].nchecks;
}

static void
count(struct table_layout *lay, const struct conf *conf)
{
	for (uint32_t i = 0; i < conf->npools; i++)
		count_pool(lay, &conf->pools[i]);
	lay->naddrs = lay->nmembers;
	for (uint32_t i = 0; i < conf->nservices; i++) {
		lay->naddrs += conf->services[i].naddresses;
		lay->nranges += conf->services[i].naddresses *
		    conf->services[i].nports;
	}
	for (lay->ncells = 16; lay->ncells < 2 * lay->naddrs + 2;)
		lay->ncells *= 2;
}

static void
plan(struct table_builder *b)
{
	const struct conf *conf = b->conf;
	struct table_layout *lay = &b->lay;

	count(lay, conf);
	reserve(lay, 1, sizeof(struct table));
	lay->addr_hash = reserve(lay, lay->ncells, sizeof(uint32_t));
	lay->addrs = reserve(lay, lay->naddrs + 1ULL,
	    sizeof(struct table_addr));
	lay->ranges = reserve(lay, lay->nranges, sizeof(struct table_range));
	lay->services = reserve(lay, conf->nservices,
	    sizeof(struct table_service));
	lay->members = reserve(lay, lay->nmembers, sizeof(struct sched_member));
	lay->backends = reserve(lay, lay->nmembers,
	    sizeof(struct table_backend));
	lay->pools = reserve(lay, conf->npools, sizeof(struct table_pool));
	lay->checks = reserve(lay, lay->nchecks, sizeof(struct check));
	lay->networks = reserve(lay, conf->nbackend_networks,
	    sizeof(struct prefix));
	reserve_maglev(b);
}

static int
fill_maglev(struct table_builder *b)
{
	const struct sched_member *members = table_builder_at(b,
	    b->lay.members);
	uint32_t index, first, n;
	int error = 0;

	for (index = 0; index < b->conf->npools * TABLE_FAMILIES && error == 0;
	     index++) {
		const struct table_pool *pool = table_pool(b->t,
		    index / TABLE_FAMILIES);

		if (b->maglev[index] == 0)
			continue;
		first = pool->family[index % TABLE_FAMILIES].first_member;
		n = pool->family[index % TABLE_FAMILIES].nmembers;
		error = maglev_build(table_builder_at(b, b->maglev[index]),
		    maglev_size(n), members + first, n, b->t->hash_key);
	}
	return error;
}

/*
 * The turn states have room for all that can be discovered: where they are does
 * not depend on who was.
 */
static void
fill_group(struct table_builder *b, struct table_group *group, uint32_t pool,
    enum table_family family)
{
	const struct table_pool *tp = table_pool(b->t, pool);
	const uint32_t maglev = b->maglev[pool * TABLE_FAMILIES + family];

	group->first_member = tp->family[family].first_member;
	group->nmembers = tp->family[family].nmembers;
	group->maglev = maglev;
	group->maglev_size = maglev != 0 ? maglev_size(group->nmembers) : 0;
	group->state = (uint32_t)b->t->scratch_size;
	b->t->scratch_size +=
	    sched_state_size(table_build_room(&b->conf->pools[pool], family));
}

static void
fill_groups(struct table_builder *b, struct table_service *s)
{
	const uint32_t backup = b->conf->pools[s->pool].backup;

	for (uint32_t family = 0; family < TABLE_FAMILIES; family++) {
		fill_group(b, &s->group[family], s->pool, family);
		if (backup != TABLE_NO_POOL)
			fill_group(b, &s->backup[family], backup, family);
	}
}

static void
fill_services(struct table_builder *b)
{
	struct table_service *services = table_builder_at(b, b->lay.services);

	for (uint32_t i = 0; i < b->conf->nservices; i++) {
		const struct conf_service *cs = &b->conf->services[i];
		struct table_service *s = &services[i];

		memcpy(s->name, cs->name, sizeof(s->name));
		s->slot = i;
		s->pool = cs->pool;
		s->proto = cs->proto;
		s->scheduler = cs->scheduler;
		s->on_down = cs->on_down;
		s->no_backend = cs->no_backend;
		s->forward = cs->forward;
		s->hash_port = cs->hash_port;
		s->persist_ticks = (cs->persist_ms + FLOW_TICK_MS - 1) /
		    FLOW_TICK_MS;
		s->persist_bits[TABLE_V4] = (uint8_t)(96 + cs->mask4);
		s->persist_bits[TABLE_V6] = cs->mask6;
		fill_groups(b, s);
	}
	b->t->nservices = b->conf->nservices;
}

static void
fill_networks(struct table_builder *b)
{
	const uint32_t n = b->conf->nbackend_networks;

	if (n > 0)
		memcpy(table_builder_at(b, b->lay.networks),
		    b->conf->backend_networks, n * sizeof(struct prefix));
	b->t->nnetworks = n;
}

static void
fill_failover(struct table *t, const struct conf_failover *failover)
{
	const struct conf_discover *from = &failover->discover;
	struct table_discover *to = &t->discover;

	t->failover = failover->enabled;
	if (!failover->enabled || !failover->has_discover)
		return;
	to->ncalls = from->nbroadcast;
	memcpy(to->call, from->broadcast, to->ncalls * sizeof(*to->call));
	to->pool = from->pool;
	to->max = from->max;
	to->interval_ms = from->interval_ms;
	to->timeout_ms = from->timeout_ms;
	to->port = from->port;
}

static void
fill_head(struct table_builder *b, const uint8_t *hash_key)
{
	const struct conf *conf = b->conf;
	struct table *t = b->t;

	t->magic = TABLE_MAGIC;
	t->version = TABLE_VERSION;
	t->size = b->lay.size;
	t->addr_hash_off = b->lay.addr_hash;
	t->addr_hash_mask = b->lay.ncells - 1;
	t->addrs_off = b->lay.addrs;
	t->ranges_off = b->lay.ranges;
	t->services_off = b->lay.services;
	t->members_off = b->lay.members;
	t->backends_off = b->lay.backends;
	t->pools_off = b->lay.pools;
	t->checks_off = b->lay.checks;
	t->networks_off = b->lay.networks;
	for (uint32_t class = 0; class < FLOW_CLASSES; class ++)
		t->timeout[class] =
		    (conf->timeout_ms[class] + FLOW_TICK_MS - 1) / FLOW_TICK_MS;
	memcpy(t->hash_key, conf->has_hash_key ? conf->hash_key : hash_key,
	    SIPHASH_KEY_LEN);
}

static int
build(struct table_builder *b, const uint8_t *hash_key)
{
	b->maglev = calloc((b->conf->npools + 1ULL) * TABLE_FAMILIES,
	    sizeof(uint32_t));
	if (b->maglev == NULL)
		return -ENOMEM;
	plan(b);
	/* Offsets have 32 bits. */
	if (b->lay.size > UINT32_MAX)
		return -ENOMEM;
	b->t = aligned_alloc(ALIGN, b->lay.size);
	if (b->t == NULL)
		return -ENOMEM;
	memset(b->t, 0, b->lay.size);
	fill_head(b, hash_key);
	fill_failover(b->t, &b->conf->failover);
	fill_networks(b);
	table_build_addrs(b);
	table_build_pools(b);
	fill_services(b);
	return fill_maglev(b);
}

int
table_build(struct table **out, const struct conf *conf,
    const uint8_t hash_key[static SIPHASH_KEY_LEN], uint32_t generation)
{
	struct table_builder b = { .conf = conf };
	const int error = build(&b, hash_key);

	free(b.maglev);
	if (error != 0) {
		free(b.t);
		b.t = NULL;
	} else {
		b.t->generation = generation;
	}
	*out = b.t;
	return error;
}

void
table_init_backends(const struct conf *conf, struct backend_state *states)
{
	struct backend_state *state = states;

	for (uint32_t p = 0; p < conf->npools; p++) {
		const struct conf_pool *pool = &conf->pools[p];

		for (uint32_t i = 0; i < pool->nbackends; i++, state++)
			backend_init(state, pool->backends[i].weight,
			    pool->backends[i].max_connections,
			    pool->backends[i].max_rate);
	}
}
