/*
 * conf.h - the configuration as an object: what the file says, checked and
 * with defaults filled in.  Plain data; conf_free() is the one destructor.
 * conf_schema.c has every key with its type, range, default and help.
 */
#ifndef LOADED_CONF_H
#define LOADED_CONF_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "loaded/addr.h"
#include "loaded/conf_planned.h"
#include "loaded/log.h"
#include "loaded/siphash.h"
#include "loaded/table.h"

#define CONF_NAME_LEN TABLE_NAME_LEN /* with its 0 */
#define CONF_WORKERS 64
#define CONF_IFNAME_LEN 16

enum conf_forward {
	FORWARD_NAT,
	FORWARD_FULLNAT,
	FORWARD_DR,
	FORWARD_TUNNEL,
	FORWARD_CLUSTER,
};

/* Where in a file something was said: for messages. */
struct conf_where {
	const char *file; /* owned by the conf */
	int line;
};

struct conf_backend {
	struct conf_where where;
	struct addr addr;
	struct addr mask, value; /* srcmask */
	bool has_mask;
	uint16_t port; /* host order; 0: the client's */
	uint16_t weight;
	uint32_t max_connections; /* 0: no limit */
	uint32_t max_rate;        /* new flows a second, 0: no limit */
};

struct conf_pool {
	struct conf_where where;
	char name[CONF_NAME_LEN];
	struct conf_backend *backends; /* owned */
	uint32_t nbackends;
	bool has_check;
	struct conf_check check;
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
	uint8_t forward;      /* enum conf_forward */
	uint8_t scheduler;    /* sched_ops() number */
	uint8_t on_down;      /* enum table_on_down */
	uint8_t no_backend;   /* enum table_no_backend */
	bool hash_port;       /* sh, mh */
	uint32_t persist_ms;  /* 0: no persistence */
	uint8_t mask4, mask6; /* 0-32, 0-128 */
};

struct conf {
	char *file;      /* owned: the path as given */
	char **included; /* owned: @include'd paths */
	uint32_t nincluded;

	char user[CONF_NAME_LEN];
	char group[CONF_NAME_LEN];
	char chroot[CONF_PATH_LEN];
	char pidfile[CONF_PATH_LEN];
	char public_if[CONF_IFNAME_LEN]; /* "" if not given */
	char private_if[CONF_IFNAME_LEN];
	uint8_t log_target; /* enum log_target */
	uint8_t log_level;  /* enum log_level */
	bool has_hash_key;
	uint8_t hash_key[SIPHASH_KEY_LEN];

	uint16_t cores[CONF_WORKERS];
	uint32_t ncores; /* 0: every core online */
	uint16_t first_queue;
	uint32_t queue_length; /* packets in each kernel queue */
	uint32_t busy_poll_us; /* before a worker sleeps; 0: at once */

	uint32_t flows_max;
	uint32_t timeout_ms[FLOW_CLASSES]; /* FLOW_PERSIST unused */

	struct prefix *backend_networks; /* owned */
	uint32_t nbackend_networks;
	struct conf_pool *pools; /* owned */
	uint32_t npools;
	struct conf_service *services; /* owned */
	uint32_t nservices;

	struct conf_planned planned;

	uint32_t errors, warnings; /* lines written while reading */
};

/*
 * Reads and checks a file.  Every mistake is one line on errors, as
 * "FILE:LINE: what, and what was expected"; warnings have "warning: " behind
 * the place.  0 and a conf to be freed, or -EINVAL (the file is wrong),
 * -errno (it cannot be read; that too is one line) and NULL.
 */
int conf_load(struct conf **out, const char *path, FILE *errors);

/* The same for text in memory; name stands for the file in messages. */
int conf_load_text(struct conf **out, const char *name, const char *text,
    FILE *errors);

/* Keeps only VIPs and backends of one family, AF_INET or AF_INET6. */
void conf_keep_family(struct conf *conf, int family);

void conf_free(struct conf *conf);

#endif
