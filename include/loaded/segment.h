/*
 * segment.h - the shared segment: all state that has to outlive a child.
 *
 *   head | counters of each worker | backend states | health of backends |
 *   modes of pools | flow table
 *
 * It is a memfd that the supervisor makes and keeps; children inherit the
 * mapping.  Its layout is fixed once made and carries a version.
 */
#ifndef LOADED_SEGMENT_H
#define LOADED_SEGMENT_H

#include <stddef.h>
#include <stdint.h>

#include "loaded/backend.h"
#include "loaded/health.h"
#include "loaded/stats.h"
#include "loaded/table.h"

#define SEGMENT_MAGIC 0x4c445347U /* "LDSG" */
#define SEGMENT_VERSION 2U

struct segment_head {
	uint32_t magic, version;
	uint64_t size;
	uint64_t stats_off, backends_off, health_off, pools_off, flows_off;
	uint32_t nworkers, flows_max;
	_Atomic uint32_t suspicions; /* of all backends; workers */
};

struct segment {
	struct segment_head *head; /* owned mapping */
	int fd;                    /* owned */
};

/*
 * Makes the segment and touches all of it, so that memory is short now or
 * never.  flow_key: secret of the flow table.  0 or -errno.
 */
int segment_create(struct segment *seg, uint32_t nworkers, uint32_t flows_max,
    const uint8_t flow_key[static SIPHASH_KEY_LEN]);
void segment_close(struct segment *seg);

struct stats *segment_stats(const struct segment *seg, uint32_t worker);
struct backend_state *segment_backends(const struct segment *seg);
struct health *segment_health(const struct segment *seg);    /* by slot */
struct pool_state *segment_pools(const struct segment *seg); /* by index */
void *segment_flows(const struct segment *seg);

/*
 * A memfd of its own with size bytes of data, that nobody can write, mapped.
 * For the table.  NULL and errno on failure.
 */
const void *segment_seal(const void *data, size_t size, const char *name,
    int *fd);

/*
 * All of a memfd that nobody can write any more, mapped.  NULL and errno on
 * failure; EPERM when it is not one.
 */
const void *segment_map_sealed(int fd, size_t *size);

/* The same, if it is a table of this version, whole; else EPROTO. */
const struct table *segment_map_table(int fd);

/* Ends a mapping of either kind. */
void segment_unmap(const void *mem, size_t size);

#endif
