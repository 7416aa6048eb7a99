/*
 * table_build_pools.c - the pools of a table: members, their checks, and what
 * failover has to know of them.  table_build.c calls this, with the addresses
 * in place.
 */
#include <arpa/inet.h>
#include <string.h>

#include "loaded/conf_pool.h"
#include "loaded/table_build_impl.h"

/* Checks of one list in the block. */
struct checks {
	uint32_t first, count;
};

static bool
is_member(const struct conf_backend *backend, enum table_family family)
{
	return !backend->absent && table_family_of(&backend->addr) == family;
}

uint32_t
table_build_count(const struct conf_pool *pool, enum table_family family)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < pool->nbackends; i++)
		n += is_member(&pool->backends[i], family);
	return n;
}

uint32_t
table_build_room(const struct conf_pool *pool, enum table_family family)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < pool->nbackends; i++)
		n += pool->backends[i].discovered ||
		    is_member(&pool->backends[i], family);
	return n;
}

static struct checks
add_checks(struct table_builder *b, const struct conf_check *checks,
    uint32_t count)
{
	struct check *all = table_builder_at(b, b->lay.checks);
	const struct checks added = { b->t->nchecks, count };

	for (uint32_t i = 0; i < count; i++)
		all[b->t->nchecks++] = checks[i].check;
	return added;
}

static void
fill_member(const struct table_builder *b, struct sched_member *m,
    const struct conf_backend *backend, uint32_t slot)
{
	m->addr = backend->addr;
	m->mask = backend->mask;
	m->value = backend->value;
	m->has_mask = backend->has_mask;
	m->addr_id = table_build_addr_id(b, &backend->addr);
	m->slot = slot;
	m->port_be = htons(backend->port);
	m->weight = backend->weight;
}

/* Which of the services is that of the probes. */
static void
fill_vip(const struct table_builder *b, struct table_backend *tb, bool v4)
{
	const struct conf_service *service = conf_pool_service(b->conf,
	    tb->pool, v4);
	const struct addr *vip;

	if (service == NULL)
		return;
	vip = conf_service_vip(service, v4);
	tb->vip = vip == NULL ? TABLE_NO_ADDR : table_build_addr_id(b, vip);
	tb->vip_port = conf_service_port(service);
	tb->vip_proto = service->proto;
	tb->forward = service->forward;
}

static void
add_member(struct table_builder *b, const struct conf_backend *backend,
    const struct table_backend *common, struct checks checks, uint32_t slot)
{
	struct sched_member *members = table_builder_at(b, b->lay.members);
	struct table_backend *backends = table_builder_at(b, b->lay.backends);
	const uint32_t index = b->t->nmembers++;

	if (backend->checks != NULL)
		checks = add_checks(b, backend->checks, backend->nchecks);
	fill_member(b, &members[index], backend, slot);
	backends[index] = *common;
	backends[index].first_check = checks.first;
	backends[index].nchecks = checks.count;
	backends[index].policy = backend->check_policy;
	backends[index].discovered = backend->discovered;
}

/* Members of one pool and family stand side by side, in config order. */
static void
fill_family(struct table_builder *b, uint32_t p, enum table_family family,
    struct checks checks, uint32_t slot)
{
	const struct conf_pool *cp = &b->conf->pools[p];
	struct table_pool *pools = table_builder_at(b, b->lay.pools);
	struct table_backend common = { .pool = p };

	fill_vip(b, &common, family == TABLE_V4);
	pools[p].family[family].first_member = b->t->nmembers;
	for (uint32_t i = 0; i < cp->nbackends; i++)
		if (is_member(&cp->backends[i], family))
			add_member(b, &cp->backends[i], &common, checks,
			    slot + i);
	pools[p].family[family].nmembers = b->t->nmembers -
	    pools[p].family[family].first_member;
}

static void
fill_pool(struct table_pool *pool, const struct conf_pool *cp)
{
	memcpy(pool->name, cp->name, sizeof(pool->name));
	pool->backup = cp->backup;
	pool->slow_start_ms = cp->slow_start_ms;
	pool->mode = (struct pool_mode_conf){
		.quorum = cp->quorum,
		.hysteresis = cp->quorum_hysteresis,
		.backup = cp->backup != TABLE_NO_POOL,
		.panic_all = cp->panic_all,
	};
}

void
table_build_pools(struct table_builder *b)
{
	struct table_pool *pools = table_builder_at(b, b->lay.pools);
	struct checks checks;
	uint32_t slot = 0;

	for (uint32_t p = 0; p < b->conf->npools; p++) {
		const struct conf_pool *cp = &b->conf->pools[p];

		fill_pool(&pools[p], cp);
		checks = add_checks(b, cp->checks, cp->nchecks);
		fill_family(b, p, TABLE_V4, checks, slot);
		fill_family(b, p, TABLE_V6, checks, slot);
		slot += cp->nbackends;
	}
	b->t->npools = b->conf->npools;
}
