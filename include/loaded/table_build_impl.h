/*
 * table_build_impl.h - what the files of table_build*.c share; nobody else
 * includes it.
 */
#ifndef LOADED_TABLE_BUILD_IMPL_H
#define LOADED_TABLE_BUILD_IMPL_H

#include "loaded/conf.h"
#include "loaded/table.h"

/* Where each array of the block goes. */
struct table_layout {
	uint32_t naddrs, ncells; /* addresses at most; hash cells */
	uint32_t nranges, nmembers, nchecks;
	uint32_t addr_hash, addrs, ranges, services;
	uint32_t members, backends, pools, checks, networks;
	uint64_t size;
};

struct table_builder {
	const struct conf *conf;
	struct table *t;
	struct table_layout lay;
	uint32_t *maglev; /* owned: [pool * families + family]; 0: none */
};

static inline void *
table_builder_at(const struct table_builder *b, uint32_t off)
{
	return (uint8_t *)b->t + off;
}

/* Every address with its id, and the ranges of VIPs. */
void table_build_addrs(struct table_builder *b);

/* The id of an address that is there, or TABLE_NO_ADDR. */
uint32_t table_build_addr_id(const struct table_builder *b,
    const struct addr *a);

/* Pools, their members and what failover knows of these. */
void table_build_pools(struct table_builder *b);

/* Members of a pool and family now, and at most. */
uint32_t table_build_count(const struct conf_pool *pool,
    enum table_family family);
uint32_t table_build_room(const struct conf_pool *pool,
    enum table_family family);

#endif
