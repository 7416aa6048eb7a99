/*
 * conf_parts.h - pools, services, checks and failover as the config has them:
 * the larger parts of struct conf, see conf.h.
 */
#ifndef LOADED_CONF_PARTS_H
#define LOADED_CONF_PARTS_H

#include <stdbool.h>
#include <stdint.h>

#include "loaded/addr.h"
#include "loaded/check.h"
#include "loaded/table.h"

#define CONF_NAME_LEN TABLE_NAME_LEN /* with its 0 */

/* Where in a file something was said: for messages. */
struct conf_where {
	const char *file; /* owned by the conf */
	int line;
};

struct conf_check {
	struct conf_where where;
	struct check check;
};

struct conf_backend {
	struct conf_where where;
	struct addr addr; /* all zero: a place for one to be discovered */
	struct addr mask, value; /* srcmask */
	bool has_mask;
	uint16_t port; /* host order; 0: the client's */
	uint16_t weight;
	uint32_t max_connections;  /* 0: no limit */
	uint32_t max_rate;         /* new flows a second, 0: no limit */
	struct conf_check *checks; /* owned; instead of the pool's */
	uint32_t nchecks;
	uint8_t check_policy; /* enum check_policy */
	bool discovered;      /* by failover, not from the file */
	bool absent;          /* discovered once, or a place for one */
};

struct conf_pool {
	struct conf_where where;
	char name[CONF_NAME_LEN];
	struct conf_backend *backends; /* owned */
	uint32_t nbackends;
	struct conf_check *checks; /* owned */
	uint32_t nchecks;
	uint8_t check_policy; /* enum check_policy */
	uint32_t quorum, quorum_hysteresis;
	char backup_name[CONF_NAME_LEN]; /* "": none */
	uint32_t backup; /* index, set by conf_check; TABLE_NO_POOL: none */
	bool panic_all;
	uint32_t slow_start_ms;
};

struct conf_ports {
	uint16_t low, high; /* host order, inclusive */
};

struct conf_service {
	struct conf_where where;
	char name[CONF_NAME_LEN];
	char pool_name[CONF_NAME_LEN];
	uint32_t pool;          /* index, set by conf_check */
	struct addr *addresses; /* owned */
	uint32_t naddresses;
	struct conf_ports *ports; /* owned; "any" is 1-65535 */
	uint32_t nports;
	uint8_t proto;        /* IPPROTO_TCP, IPPROTO_UDP */
	uint8_t forward;      /* enum flow_forward */
	uint8_t scheduler;    /* sched_ops() number */
	uint8_t on_down;      /* enum table_on_down */
	uint8_t no_backend;   /* enum table_no_backend */
	bool hash_port;       /* sh, mh */
	uint32_t persist_ms;  /* 0: no persistence */
	uint8_t mask4, mask6; /* 0-32, 0-128 */
};

struct conf_discover {
	struct addr *broadcast; /* owned */
	uint32_t nbroadcast;
	char pool_name[CONF_NAME_LEN];
	uint32_t pool; /* index, set by conf_check */
	uint32_t max;
	uint32_t interval_ms, timeout_ms;
	uint16_t port; /* host order */
};

struct conf_failover {
	bool enabled;
	bool has_discover;
	struct conf_discover discover;
	uint32_t watchdog_ms;
};

#endif
