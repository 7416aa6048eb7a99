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
#include "loaded/conf_parts.h"
#include "loaded/conf_planned.h"
#include "loaded/log.h"
#include "loaded/siphash.h"
#include "loaded/table.h"

#define CONF_WORKERS 64
#define CONF_IFNAME_LEN 16

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

	struct conf_failover failover;
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
