/*
 * table_build.c - lays a checked config out as the flat table of table.h.
 * Run by the supervisor at start, and again for each reload.
 */
#include "loaded/table_build.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "loaded/maglev.h"

#define ALIGN 64U

/* Where each array of the block goes. */
struct layout {
	uint32_t naddrs, ncells; /* addresses at most; hash cells */
	uint32_t nranges, nmembers;
	uint32_t addr_hash, addrs, ranges, services, members, maglev;
	uint64_t size;
};

struct builder {
	const struct conf *conf;
	struct table *t;
	struct layout lay;
	uint32_t *first_member; /* owned: [pool * families + family] */
	uint32_t *maglev;       /* owned: the same; offset, 0: none */
};

static uint32_t
reserve(struct layout *lay, uint64_t bytes)
{
	const uint64_t off = lay->size;

	lay->size = (off + bytes + ALIGN - 1) / ALIGN * ALIGN;
	return (uint32_t)off;
}

static enum table_family
family_of(const struct addr *a)
{
	return addr_is_v4(a) ? TABLE_V4 : TABLE_V6;
}

static uint32_t
count_members(const struct conf_pool *pool, enum table_family family)
{
	uint32_t i, n = 0;

	for (i = 0; i < pool->nbackends; i++)
		n += family_of(&pool->backends[i].addr) == family;
	return n;
}

static bool
pool_needs_maglev(const struct conf *conf, uint32_t pool)
{
	uint32_t i;

	for (i = 0; i < conf->nservices; i++)
		if (conf->services[i].pool == pool &&
		    sched_ops(conf->services[i].scheduler)->needs_maglev)
			return true;
	return false;
}

/* Room for the Maglev tables of every pool and family that uses one. */
static void
reserve_maglev(struct builder *b)
{
	uint32_t pool, family, count, index;

	for (pool = 0; pool < b->conf->npools; pool++) {
		for (family = 0; family < TABLE_FAMILIES; family++) {
			index = pool * TABLE_FAMILIES + family;
			count = count_members(&b->conf->pools[pool], family);
			if (count == 0 || !pool_needs_maglev(b->conf, pool))
				continue;
			b->maglev[index] = reserve(&b->lay,
			    (uint64_t)maglev_size(count) * sizeof(uint16_t));
		}
	}
}

static void
plan(struct builder *b)
{
	const struct conf *conf = b->conf;
	struct layout *lay = &b->lay;
	uint32_t i;

	for (i = 0; i < conf->npools; i++)
		lay->nmembers += conf->pools[i].nbackends;
	lay->naddrs = lay->nmembers;
	for (i = 0; i < conf->nservices; i++) {
		lay->naddrs += conf->services[i].naddresses;
		lay->nranges += conf->services[i].naddresses *
		    conf->services[i].nports;
	}
	for (lay->ncells = 16; lay->ncells < 2 * lay->naddrs + 2;)
		lay->ncells *= 2;
	reserve(lay, sizeof(struct table));
	lay->addr_hash = reserve(lay, lay->ncells * sizeof(uint32_t));
	lay->addrs = reserve(lay,
	    (lay->naddrs + 1ULL) * sizeof(struct table_addr));
	lay->ranges = reserve(lay, lay->nranges * sizeof(struct table_range));
	lay->services = reserve(lay,
	    conf->nservices * sizeof(struct table_service));
	lay->members = reserve(lay,
	    lay->nmembers * sizeof(struct sched_member));
	reserve_maglev(b);
}

static void *
at(const struct builder *b, uint32_t off)
{
	return (uint8_t *)b->t + off;
}

/* The id of an address, new or not, with its flags added. */
static uint32_t
add_addr(struct builder *b, const struct addr *a, uint32_t flags)
{
	uint32_t *ids = at(b, b->lay.addr_hash);
	struct table_addr *addrs = at(b, b->lay.addrs);
	uint32_t cell = (uint32_t)table_addr_hash(a) & (b->lay.ncells - 1);

	while (ids[cell] != TABLE_NO_ADDR &&
	    !addr_equal(&addrs[ids[cell]].addr, a))
		cell = (cell + 1) & (b->lay.ncells - 1);
	if (ids[cell] == TABLE_NO_ADDR) {
		ids[cell] = ++b->t->naddrs;
		addrs[ids[cell]].addr = *a;
	}
	addrs[ids[cell]].flags |= flags;
	return ids[cell];
}

static void
fill_member(struct builder *b, struct sched_member *m,
    const struct conf_backend *backend, uint32_t slot)
{
	m->addr = backend->addr;
	m->mask = backend->mask;
	m->value = backend->value;
	m->has_mask = backend->has_mask;
	m->addr_id = add_addr(b, &backend->addr, TABLE_SERVER);
	m->slot = slot;
	m->port_be = htons(backend->port);
	m->weight = backend->weight;
}

static void
fill_family(struct builder *b, const struct conf_pool *pool,
    enum table_family family, uint32_t first_slot)
{
	struct sched_member *members = at(b, b->lay.members);
	uint32_t i;

	for (i = 0; i < pool->nbackends; i++)
		if (family_of(&pool->backends[i].addr) == family)
			fill_member(b, &members[b->t->nmembers++],
			    &pool->backends[i], first_slot + i);
}

/* Members of one pool and family stand side by side, in config order. */
static void
fill_members(struct builder *b)
{
	uint32_t p, family, slot = 0;

	for (p = 0; p < b->conf->npools; p++) {
		for (family = 0; family < TABLE_FAMILIES; family++) {
			b->first_member[p * TABLE_FAMILIES + family] =
			    b->t->nmembers;
			fill_family(b, &b->conf->pools[p], family, slot);
		}
		slot += b->conf->pools[p].nbackends;
	}
}

static int
fill_maglev(struct builder *b)
{
	const struct sched_member *members = at(b, b->lay.members);
	uint32_t index, count;
	int error = 0;

	for (index = 0; index < b->conf->npools * TABLE_FAMILIES && error == 0;
	     index++) {
		if (b->maglev[index] == 0)
			continue;
		count = count_members(&b->conf->pools[index / TABLE_FAMILIES],
		    index % TABLE_FAMILIES);
		error = maglev_build(at(b, b->maglev[index]),
		    maglev_size(count), members + b->first_member[index], count,
		    b->t->hash_key);
	}
	return error;
}

static void
fill_group(struct builder *b, struct table_group *group, uint32_t pool,
    enum table_family family)
{
	const uint32_t index = pool * TABLE_FAMILIES + family;
	const uint32_t count = count_members(&b->conf->pools[pool], family);

	group->first_member = b->first_member[index];
	group->nmembers = count;
	group->maglev = b->maglev[index];
	group->maglev_size = b->maglev[index] != 0 ? maglev_size(count) : 0;
	group->state = (uint32_t)b->t->scratch_size;
	b->t->scratch_size += sched_state_size(count);
}

static void
fill_services(struct builder *b)
{
	struct table_service *services = at(b, b->lay.services);
	const struct conf_service *cs;
	struct table_service *s;
	uint32_t i;

	for (i = 0; i < b->conf->nservices; i++) {
		cs = &b->conf->services[i];
		s = &services[i];
		memcpy(s->name, cs->name, sizeof(s->name));
		s->slot = i;
		s->proto = cs->proto;
		s->scheduler = cs->scheduler;
		s->on_down = cs->on_down;
		s->no_backend = cs->no_backend;
		s->hash_port = cs->hash_port;
		s->persist_ticks = (cs->persist_ms + FLOW_TICK_MS - 1) /
		    FLOW_TICK_MS;
		s->persist_bits[TABLE_V4] = (uint8_t)(96 + cs->mask4);
		s->persist_bits[TABLE_V6] = cs->mask6;
		fill_group(b, &s->group[TABLE_V4], cs->pool, TABLE_V4);
		fill_group(b, &s->group[TABLE_V6], cs->pool, TABLE_V6);
	}
	b->t->nservices = b->conf->nservices;
}

static int
compare_ranges(const void *va, const void *vb)
{
	const struct table_range *a = va, *b = vb;

	if (a->proto != b->proto)
		return a->proto < b->proto ? -1 : 1;
	return a->low < b->low ? -1 : a->low > b->low;
}

static void
add_ranges(struct builder *b, uint32_t service)
{
	const struct conf_service *cs = &b->conf->services[service];
	struct table_range *ranges = at(b, b->lay.ranges);
	uint32_t i;

	for (i = 0; i < cs->nports; i++)
		ranges[b->t->nranges++] = (struct table_range){
			.low = cs->ports[i].low,
			.high = cs->ports[i].high,
			.proto = cs->proto,
			.service = service,
		};
}

static void
add_vips(struct builder *b)
{
	const struct conf_service *cs;
	uint32_t s, i;

	for (s = 0; s < b->conf->nservices; s++) {
		cs = &b->conf->services[s];
		for (i = 0; i < cs->naddresses; i++)
			add_addr(b, &cs->addresses[i], TABLE_VIP);
	}
}

/* The ranges of every service that has this VIP. */
static void
fill_vip(struct builder *b, struct table_addr *vip)
{
	struct table_range *ranges = at(b, b->lay.ranges);
	const struct conf_service *cs;
	uint32_t s, i;

	vip->first_range = b->t->nranges;
	for (s = 0; s < b->conf->nservices; s++) {
		cs = &b->conf->services[s];
		for (i = 0; i < cs->naddresses; i++)
			if (addr_equal(&cs->addresses[i], &vip->addr))
				add_ranges(b, s);
	}
	vip->nranges = b->t->nranges - vip->first_range;
	qsort(ranges + vip->first_range, vip->nranges, sizeof(*ranges),
	    compare_ranges);
}

/* Every VIP's ranges stand side by side, sorted for the binary search. */
static void
fill_ranges(struct builder *b)
{
	struct table_addr *addrs = at(b, b->lay.addrs);
	uint32_t id;

	add_vips(b);
	for (id = 1; id <= b->t->naddrs; id++)
		if (addrs[id].flags & TABLE_VIP)
			fill_vip(b, &addrs[id]);
}

static void
fill_head(struct builder *b, const uint8_t *hash_key)
{
	const struct conf *conf = b->conf;
	struct table *t = b->t;
	uint32_t class;

	t->magic = TABLE_MAGIC;
	t->version = TABLE_VERSION;
	t->size = b->lay.size;
	t->addr_hash_off = b->lay.addr_hash;
	t->addr_hash_mask = b->lay.ncells - 1;
	t->addrs_off = b->lay.addrs;
	t->ranges_off = b->lay.ranges;
	t->services_off = b->lay.services;
	t->members_off = b->lay.members;
	for (class = 0; class < FLOW_CLASSES; class ++)
		t->timeout[class] =
		    (conf->timeout_ms[class] + FLOW_TICK_MS - 1) / FLOW_TICK_MS;
	memcpy(t->hash_key, conf->has_hash_key ? conf->hash_key : hash_key,
	    SIPHASH_KEY_LEN);
}

static int
build(struct builder *b, const uint8_t *hash_key)
{
	const size_t npools = b->conf->npools + 1;

	b->first_member = calloc(npools * TABLE_FAMILIES, sizeof(uint32_t));
	b->maglev = calloc(npools * TABLE_FAMILIES, sizeof(uint32_t));
	if (b->first_member == NULL || b->maglev == NULL)
		return -ENOMEM;
	plan(b);
	b->t = aligned_alloc(ALIGN, b->lay.size);
	if (b->t == NULL)
		return -ENOMEM;
	memset(b->t, 0, b->lay.size);
	fill_head(b, hash_key);
	fill_members(b);
	fill_services(b);
	fill_ranges(b);
	return fill_maglev(b);
}

int
table_build(struct table **out, const struct conf *conf,
    const uint8_t hash_key[static SIPHASH_KEY_LEN])
{
	struct builder b = { .conf = conf };
	const int error = build(&b, hash_key);

	free(b.first_member);
	free(b.maglev);
	if (error != 0) {
		free(b.t);
		b.t = NULL;
	}
	*out = b.t;
	return error;
}

void
table_init_backends(const struct conf *conf, struct backend_state *states)
{
	const struct conf_backend *backend;
	struct backend_state *state = states;
	uint32_t p, i;

	for (p = 0; p < conf->npools; p++) {
		for (i = 0; i < conf->pools[p].nbackends; i++, state++) {
			backend = &conf->pools[p].backends[i];
			state->weight = backend->weight;
			state->max_connections = backend->max_connections;
			state->max_rate = backend->max_rate;
		}
	}
}
