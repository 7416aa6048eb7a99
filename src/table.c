/*
 * table.c - look-ups in the immutable table.  Pure; used by every worker
 * packet by packet.  table_build.c lays the block out.
 */
#include "loaded/table.h"

#include <arpa/inet.h>
#include <string.h>

/* The table is const for all who read it; offsets are aligned by its maker. */
static const void *
at(const struct table *t, uint32_t off)
{
	return (const uint8_t *)t + off;
}

/*
 * Not keyed: the addresses are the operator's, and a stranger's address that
 * collides meets at most the few that stand in a row.
 */
uint64_t
table_addr_hash(const struct addr *a)
{
	uint64_t high, low;

	memcpy(&high, a->b, sizeof(high));
	memcpy(&low, a->b + 8, sizeof(low));
	high = (high ^ low) * UINT64_C(0x9e3779b97f4a7c15);
	low = (low ^ (high >> 29)) * UINT64_C(0xbf58476d1ce4e5b9);
	return low ^ (low >> 32);
}

const struct table_addr *
table_addr_by_id(const struct table *t, uint32_t id)
{
	const struct table_addr *addrs = at(t, t->addrs_off);

	return &addrs[id];
}

uint32_t
table_addr_id(const struct table *t, const struct table_addr *a)
{
	const struct table_addr *addrs = at(t, t->addrs_off);

	return (uint32_t)(a - addrs);
}

const struct table_addr *
table_find_addr(const struct table *t, const struct addr *a)
{
	const uint32_t *ids = at(t, t->addr_hash_off);
	const struct table_addr *addrs = at(t, t->addrs_off);
	uint32_t cell = (uint32_t)table_addr_hash(a) & t->addr_hash_mask;

	/* At most half of the cells are used, so an empty one ends each row. */
	while (ids[cell] != TABLE_NO_ADDR) {
		if (addr_equal(&addrs[ids[cell]].addr, a))
			return &addrs[ids[cell]];
		cell = (cell + 1) & t->addr_hash_mask;
	}
	return NULL;
}

const struct table_service *
table_service(const struct table *t, uint32_t index)
{
	const struct table_service *services = at(t, t->services_off);

	return &services[index];
}

const struct sched_member *
table_members(const struct table *t)
{
	return at(t, t->members_off);
}

const struct table_backend *
table_backends(const struct table *t)
{
	return at(t, t->backends_off);
}

const struct table_pool *
table_pool(const struct table *t, uint32_t index)
{
	const struct table_pool *pools = at(t, t->pools_off);

	return &pools[index];
}

const struct check *
table_check(const struct table *t, uint32_t index)
{
	const struct check *checks = at(t, t->checks_off);

	return &checks[index];
}

const struct prefix *
table_networks(const struct table *t)
{
	return at(t, t->networks_off);
}

enum table_family
table_family_of(const struct addr *a)
{
	return addr_is_v4(a) ? TABLE_V4 : TABLE_V6;
}

const struct sched_member *
table_find_member(const struct table *t, uint32_t slot)
{
	const struct sched_member *members = table_members(t);

	for (uint32_t i = 0; i < t->nmembers; i++)
		if (members[i].slot == slot)
			return &members[i];
	return NULL;
}

uint16_t
table_check_port(const struct table *t, uint32_t member,
    const struct check *check)
{
	const uint16_t own_be = table_members(t)[member].port_be;

	if (check->port != 0)
		return check->port;
	return own_be != 0 ? ntohs(own_be) : table_backends(t)[member].vip_port;
}

const struct table_service *
table_find_service(const struct table *t, const struct table_addr *vip,
    uint8_t proto, uint16_t port)
{
	const struct table_range *ranges = at(t, t->ranges_off);
	uint32_t low = vip->first_range, high = low + vip->nranges, mid;

	/* Ranges of a VIP don't overlap: the last that starts at or below. */
	while (low < high) {
		mid = low + (high - low) / 2;
		if (ranges[mid].proto < proto ||
		    (ranges[mid].proto == proto && ranges[mid].low <= port))
			low = mid + 1;
		else
			high = mid;
	}
	if (low == vip->first_range)
		return NULL;
	ranges += low - 1;
	if (ranges->proto != proto || port > ranges->high)
		return NULL;
	return table_service(t, ranges->service);
}

struct sched_group
table_sched_group(const struct table *t, void *scratch,
    struct backend_state *states, const struct table_service *s,
    const struct table_group *group)
{
	return (struct sched_group){
		.members = table_members(t) + group->first_member,
		.count = group->nmembers,
		.states = states,
		.state = (void *)((uint8_t *)scratch + group->state),
		.maglev = at(t, group->maglev),
		.maglev_size = group->maglev_size,
		.key = t->hash_key,
		.hash_port = s->hash_port,
	};
}

bool
table_in_networks(const struct table *t, const struct addr *a)
{
	for (uint32_t i = 0; i < t->nnetworks; i++) {
		if (prefix_contains(&table_networks(t)[i], a))
			return true;
	}
	return false;
}

bool
table_is_vip(const struct table *t, const struct addr *a)
{
	const struct table_addr *known = table_find_addr(t, a);

	return known != NULL && (known->flags & TABLE_VIP) != 0;
}
