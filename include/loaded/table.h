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
#include "loaded/table_pool.h"

#define TABLE_MAGIC 0x4c445442U /* "LDTB" */
#define TABLE_VERSION 2U
#define TABLE_NO_ADDR 0U /* address ids start at 1 */
/* Plus a backend's slot: the mark of what goes to it as it came. */
#define TABLE_MARK_BASE 0x4c480000U

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

enum table_on_down { ON_DOWN_RESET, ON_DOWN_MOVE, ON_DOWN_KEEP };
enum table_no_backend { NO_BACKEND_RESET, NO_BACKEND_DROP };

struct table_service {
	char name[TABLE_NAME_LEN];
	struct table_group group[TABLE_FAMILIES];
	struct table_group backup[TABLE_FAMILIES]; /* nmembers 0: none */
	uint32_t pool;                             /* index */
	uint32_t slot;
	uint32_t persist_ticks;               /* 0: no persistence */
	uint8_t persist_bits[TABLE_FAMILIES]; /* of 128, as struct prefix */
	uint8_t scheduler;                    /* sched_ops() number */
	uint8_t proto;
	uint8_t on_down;    /* enum table_on_down */
	uint8_t no_backend; /* enum table_no_backend */
	uint8_t forward;    /* enum flow_forward */
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
	uint32_t backends_off; /* [nmembers] */
	uint32_t pools_off, npools;
	uint32_t checks_off, nchecks;
	uint32_t networks_off, nnetworks; /* struct prefix: backend_networks */
	uint32_t generation; /* counts tables; given by who builds them */
	bool failover;       /* backends are probed */
	struct table_discover discover; /* ncalls 0: nobody is looked for */
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
const struct table_backend *table_backends(const struct table *t);
const struct table_pool *table_pool(const struct table *t, uint32_t index);
const struct check *table_check(const struct table *t, uint32_t index);

/* Is it in backend_networks; is it one of the VIPs? */
bool table_in_networks(const struct table *t, const struct addr *a);
bool table_is_vip(const struct table *t, const struct addr *a);

const struct prefix *table_networks(const struct table *t);
enum table_family table_family_of(const struct addr *a);

/* The member of that slot, or NULL: a walk, not for the packet path. */
const struct sched_member *table_find_member(const struct table *t,
    uint32_t slot);

/*
 * The port that a check of a member (by index) asks, in host order: the
 * check's, the member's, or that of its service; 0: none has one.
 */
uint16_t table_check_port(const struct table *t, uint32_t member,
    const struct check *check);

/* A scheduler's view of one family of a service's pool, or of its backup. */
struct sched_group table_sched_group(const struct table *t, void *scratch,
    struct backend_state *states, const struct table_service *s,
    const struct table_group *group);

#endif
