/*
 * sched.h - picks the backend of a new flow.  One ops table entry a policy;
 * sched_find() is the only place that knows their names.
 */
#ifndef LOADED_SCHED_H
#define LOADED_SCHED_H

#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loaded/addr.h"
#include "loaded/backend.h"
#include "loaded/spin.h"

#define SCHED_EXCLUDE 4
#define SCHED_NONE UINT32_MAX

/* One backend of a pool, of one family; immutable, part of the table. */
struct sched_member {
	struct addr addr;
	struct addr mask, value; /* srcmask; both 0 if not given */
	uint32_t addr_id;        /* table.h */
	uint32_t slot;           /* index into the backend states */
	uint16_t port_be;        /* 0: the port the client used */
	uint16_t weight;         /* as configured; for sh and mh */
	bool has_mask;
};

/* The turn state of one service and family; shared by the workers. */
struct sched_state {
	alignas(64) struct spin lock;
	uint32_t next;  /* rr: member whose turn it is */
	int64_t turn[]; /* smooth wrr: one for each member */
};

/* What a policy may look at; everything is borrowed. */
struct sched_group {
	const struct sched_member *members;
	uint32_t count;
	struct backend_state *states; /* all, by slot */
	struct sched_state *state;    /* zeroed at first */
	const uint16_t *maglev;       /* member indexes, see maglev.h */
	uint32_t maglev_size;         /* 0: no such table */
	const uint8_t *key;           /* SIPHASH_KEY_LEN, for sh and mh */
	bool hash_port;               /* sh, mh: by client and port */
};

struct sched_client {
	struct addr addr;
	uint16_t port_be;
	uint64_t random;                  /* fresh for each call */
	uint64_t now_ns;                  /* for max_rate */
	bool panic;                       /* health is not looked at */
	uint32_t excluded[SCHED_EXCLUDE]; /* members tried in vain */
	uint32_t nexcluded;
};

struct sched_ops {
	const char *name;
	const char *help; /* one line */
	/* The same client gets the same backend without anyone remembering. */
	bool consistent;
	bool needs_maglev;
	bool turns;     /* uses state, so pick needs its lock */
	bool hash_port; /* default of sched_group.hash_port */
	/* Member index or SCHED_NONE; count is not 0. */
	uint32_t (*pick)(const struct sched_group *g,
	    const struct sched_client *c);
};

/* The ops by number, 0 to sched_count() - 1, and by name (-1: none such). */
const struct sched_ops *sched_ops(unsigned int number);
unsigned int sched_count(void);
int sched_find(const char *name);

/* Bytes of a turn state; a multiple of its alignment. */
size_t sched_state_size(uint32_t members);

/*
 * Asks the policy, under the lock if it takes turns: a member that was usable
 * a moment ago, or SCHED_NONE.  backend_take() has the last word.
 */
uint32_t sched_pick(const struct sched_ops *ops, const struct sched_group *g,
    const struct sched_client *c);

/* For the policies: may this member be picked for this client? */
bool sched_member_usable(const struct sched_group *g,
    const struct sched_client *c, uint32_t member);

#endif
