/*
 * table.h - the flat, immutable form of a config that workers read: one block
 * of memory with offsets instead of pointers, so that it can live in a
 * read-only memfd of its own and be handed to another process.
 * table_build.h makes it; nothing changes it afterwards.
 */
#ifndef LOADED_TABLE_H
#define LOADED_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loaded/addr.h"
#include "loaded/flow.h"
#include "loaded/sched.h"

#define TABLE_MAGIC 0x4c445442U /* "LDTB" */
#define TABLE_VERSION 1U
#define TABLE_NAME_LEN 64
#define TABLE_NO_ADDR 0U /* address ids start at 1 */

enum table_addr_flags { TABLE_VIP = 1U << 0, TABLE_SERVER = 1U << 1 };

/* An address that means something here: a VIP, a backend's, or both. */
struct table_addr {
	struct addr addr;
	uint32_t flags;                /* enum table_addr_flags */
	uint32_t first_range, nranges; /* of a VIP; sorted by proto, low */
};

/* Ports of one service on one VIP; host order, inclusive. */
struct table_range {
	uint16_t low, high;
	uint8_t proto;
	uint32_t service; /* index */
};

/* What a service offers to one family. */
struct table_group {
	uint32_t first_member, nmembers;
	uint32_t maglev, maglev_size; /* offset from the table's start */
	uint32_t state;               /* offset into the scratch memory */
};

enum table_family { TABLE_V4, TABLE_V6, TABLE_FAMILIES };
enum table_on_down { ON_DOWN_RESET, ON_DOWN_MOVE, ON_DOWN_KEEP };
enum table_no_backend { NO_BACKEND_RESET, NO_BACKEND_DROP };

struct table_service {
	char name[TABLE_NAME_LEN];
	struct table_group group[TABLE_FAMILIES];
	uint32_t slot;
	uint32_t persist_ticks;               /* 0: no persistence */
	uint8_t persist_bits[TABLE_FAMILIES]; /* of 128, as struct prefix */
	uint8_t scheduler;                    /* sched_ops() number */
	uint8_t proto;
	uint8_t on_down;    /* enum table_on_down */
	uint8_t no_backend; /* enum table_no_backend */
	bool hash_port;
};

/* The head of the block; every *_off is in bytes from its start. */
struct table {
	uint32_t magic, version;
	uint64_t size;
	uint64_t scratch_size; /* of the schedulers' turn states */
	uint32_t addr_hash_off, addr_hash_mask; /* uint32_t ids */
	uint32_t addrs_off, naddrs; /* [naddrs + 1], [0] is unused */
	uint32_t ranges_off, nranges;
	uint32_t services_off, nservices;
	uint32_t members_off, nmembers;
	uint32_t timeout[FLOW_CLASSES]; /* ticks; FLOW_PERSIST unused */
	uint8_t hash_key[SIPHASH_KEY_LEN];
};

uint64_t table_addr_hash(const struct addr *a);

/* The entry of an address, or NULL; its id is table_addr_id(). */
const struct table_addr *table_find_addr(const struct table *t,
    const struct addr *a);
uint32_t table_addr_id(const struct table *t, const struct table_addr *a);
const struct table_addr *table_addr_by_id(const struct table *t, uint32_t id);

/* The service on a VIP's port (host order), or NULL. */
const struct table_service *table_find_service(const struct table *t,
    const struct table_addr *vip, uint8_t proto, uint16_t port);

const struct table_service *table_service(const struct table *t,
    uint32_t index);
const struct sched_member *table_members(const struct table *t);

/* A scheduler's view of one family of a service. */
struct sched_group table_sched_group(const struct table *t, void *scratch,
    struct backend_state *states, const struct table_service *s,
    enum table_family family);

#endif
