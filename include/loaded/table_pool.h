/*
 * table_pool.h - the part of the table (table.h) that only failover reads:
 * pools, what there is to know of a backend besides its address, and whom to
 * look for.
 */
#ifndef LOADED_TABLE_POOL_H
#define LOADED_TABLE_POOL_H

#include <stdbool.h>
#include <stdint.h>

#include "loaded/addr.h"
#include "loaded/check.h"
#include "loaded/pool_mode.h"

#define TABLE_NAME_LEN 64
#define TABLE_NO_POOL UINT32_MAX
#define TABLE_CALLS 8

enum table_family { TABLE_V4, TABLE_V6, TABLE_FAMILIES };

struct table_pool {
	char name[TABLE_NAME_LEN];
	uint32_t backup; /* index of another pool, or TABLE_NO_POOL */
	struct pool_mode_conf mode;
	uint32_t slow_start_ms; /* 0: none */
	struct {
		uint32_t first_member, nmembers;
	} family[TABLE_FAMILIES];
};

/* What failover knows of a member; same index as the member. */
struct table_backend {
	uint32_t pool; /* index */
	uint32_t first_check, nchecks;
	uint32_t vip;      /* address id of a VIP it serves; 0: none */
	uint16_t vip_port; /* host order: its service's first; 0: any */
	uint8_t vip_proto; /* of the same; 0: no service uses it */
	uint8_t policy;    /* enum check_policy */
	uint8_t forward;   /* enum flow_forward: of the same service */
	bool discovered;
};

/* Who is looked for by failover. */
struct table_discover {
	struct addr call[TABLE_CALLS]; /* broadcast or multicast addresses */
	uint32_t ncalls;
	uint32_t pool; /* index */
	uint32_t max;  /* backends that can be found */
	uint32_t interval_ms, timeout_ms;
	uint16_t port; /* host order */
};

#endif
