/*
 * conf_check.h - the checks that look at more than one value.  Each mistake
 * is a line and a count in the report.
 */
#ifndef LOADED_CONF_CHECK_H
#define LOADED_CONF_CHECK_H

#include "loaded/conf_report.h"

/* All of it; also sets what depends on another value. */
void conf_check(struct conf_report *r);

/* Parts of it. */
void conf_check_names(struct conf_report *r);
void conf_check_pools(struct conf_report *r);
void conf_check_forwards(struct conf_report *r);
void conf_check_overlaps(struct conf_report *r);
void conf_check_probes(struct conf_report *r);
void conf_check_failover(struct conf_report *r);

/* The index of a pool, or -1. */
int conf_check_find_pool(const struct conf *conf, const char *name);

/* The backends of all pools sorted by pool, address and port. */
struct conf_backend_ref {
	uint32_t pool;                      /* index */
	const struct conf_backend *backend; /* borrowed */
};

struct conf_backend_index {
	struct conf_backend_ref *refs; /* owned */
	size_t count;
};

int conf_backend_index_init(struct conf_backend_index *index,
    const struct conf *conf);
void conf_backend_index_fini(struct conf_backend_index *index);

/* Is the address a backend's of the pool? */
bool conf_backend_index_has(const struct conf_backend_index *index,
    uint32_t pool, const struct addr *addr);

#endif
