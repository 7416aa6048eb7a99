/*
 * table_build_addrs.c - the addresses of a table, the hash that finds them,
 * and the ports of VIPs.  table_build.c calls this.
 *
 * Flows keep ids, over many tables.  So configured addresses come first, in
 * the config's order, and every place for a discovered backend has an id of
 * its own behind them, whether it is taken or not.
 */
#include <stdlib.h>

#include "loaded/table_build_impl.h"

/* The cell of the hash that has the address, or that it would go to. */
static uint32_t *
find_cell(const struct table_builder *b, const struct addr *a)
{
	uint32_t *ids = table_builder_at(b, b->lay.addr_hash);
	const struct table_addr *addrs = table_builder_at(b, b->lay.addrs);
	uint32_t cell = (uint32_t)table_addr_hash(a) & (b->lay.ncells - 1);

	while (ids[cell] != TABLE_NO_ADDR &&
	    !addr_equal(&addrs[ids[cell]].addr, a))
		cell = (cell + 1) & (b->lay.ncells - 1);
	return &ids[cell];
}

uint32_t
table_build_addr_id(const struct table_builder *b, const struct addr *a)
{
	return *find_cell(b, a);
}

/* With the id that is given, unless it has one; its flags are added. */
static void
put_addr(struct table_builder *b, const struct addr *a, uint32_t flags,
    uint32_t id)
{
	struct table_addr *addrs = table_builder_at(b, b->lay.addrs);
	uint32_t *cell = find_cell(b, a);

	if (*cell == TABLE_NO_ADDR) {
		*cell = id;
		addrs[id].addr = *a;
	}
	addrs[*cell].flags |= flags;
}

static void
add_addr(struct table_builder *b, const struct addr *a, uint32_t flags)
{
	const uint32_t id = b->t->naddrs + 1;

	put_addr(b, a, flags, id);
	if (table_build_addr_id(b, a) == id)
		b->t->naddrs = id;
}

static void
add_servers(struct table_builder *b)
{
	for (uint32_t p = 0; p < b->conf->npools; p++) {
		const struct conf_pool *pool = &b->conf->pools[p];

		for (uint32_t i = 0; i < pool->nbackends; i++)
			if (!pool->backends[i].discovered)
				add_addr(b, &pool->backends[i].addr,
				    TABLE_SERVER);
	}
}

static void
add_vips(struct table_builder *b)
{
	for (uint32_t s = 0; s < b->conf->nservices; s++) {
		const struct conf_service *cs = &b->conf->services[s];

		for (uint32_t i = 0; i < cs->naddresses; i++)
			add_addr(b, &cs->addresses[i], TABLE_VIP);
	}
}

/* Those who left too: their flows may still be there. */
static void
add_places(struct table_builder *b)
{
	static const struct addr nobody;

	for (uint32_t p = 0; p < b->conf->npools; p++) {
		const struct conf_pool *pool = &b->conf->pools[p];

		for (uint32_t i = 0; i < pool->nbackends; i++) {
			const struct conf_backend *place = &pool->backends[i];

			if (!place->discovered)
				continue;
			b->t->naddrs++;
			if (!addr_equal(&place->addr, &nobody))
				put_addr(b, &place->addr, TABLE_SERVER,
				    b->t->naddrs);
		}
	}
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
add_ranges(struct table_builder *b, uint32_t service)
{
	const struct conf_service *cs = &b->conf->services[service];
	struct table_range *ranges = table_builder_at(b, b->lay.ranges);

	for (uint32_t i = 0; i < cs->nports; i++)
		ranges[b->t->nranges++] = (struct table_range){
			.low = cs->ports[i].low,
			.high = cs->ports[i].high,
			.proto = cs->proto,
			.service = service,
		};
}

/* The ranges of every service that has this VIP. */
static void
fill_vip(struct table_builder *b, struct table_addr *vip)
{
	struct table_range *ranges = table_builder_at(b, b->lay.ranges);

	vip->first_range = b->t->nranges;
	for (uint32_t s = 0; s < b->conf->nservices; s++) {
		const struct conf_service *cs = &b->conf->services[s];

		for (uint32_t i = 0; i < cs->naddresses; i++)
			if (addr_equal(&cs->addresses[i], &vip->addr))
				add_ranges(b, s);
	}
	vip->nranges = b->t->nranges - vip->first_range;
	qsort(ranges + vip->first_range, vip->nranges, sizeof(*ranges),
	    compare_ranges);
}

/* Every VIP's ranges stand side by side, sorted for the binary search. */
static void
fill_ranges(struct table_builder *b)
{
	struct table_addr *addrs = table_builder_at(b, b->lay.addrs);

	for (uint32_t id = 1; id <= b->t->naddrs; id++)
		if (addrs[id].flags & TABLE_VIP)
			fill_vip(b, &addrs[id]);
}

void
table_build_addrs(struct table_builder *b)
{
	add_servers(b);
	add_vips(b);
	add_places(b);
	fill_ranges(b);
}
