/*
 * health.h - what failover knows of each backend and of each pool, in the
 * shared segment, for people and for children that start anew.  One writer,
 * the failover thread; anybody may read.  Times are clock_now_ns().
 */
#ifndef LOADED_HEALTH_H
#define LOADED_HEALTH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "loaded/backend.h"
#include "loaded/pool_mode.h"
#include "loaded/probe_result.h"

/* The story of one backend: its last probe, and why it is as it is. */
struct health_record {
	uint64_t probed_ns;        /* end of the last probe, 0: none yet */
	uint64_t changed_ns;       /* last change of health, 0: none yet */
	uint64_t probes, failures; /* ever; neutral results are not counted */
	uint32_t duration_us;      /* of the last probe */
	uint16_t streak;           /* results in a row like the last */
	uint8_t result;            /* enum probe_result of the last probe */
	uint8_t check;             /* enum check_type of the same */
	uint8_t reason;   /* enum probe_result behind the last change */
	uint8_t health;   /* enum backend_health: that is published */
	bool has_percent; /* its agent has spoken of its weight, */
	uint16_t percent; /* and said this */
	char text[PROBE_TEXT_LEN]; /* of the last failure; "" before */
};

/* A record and the lock of its one writer; 4-byte aligned, zero is valid. */
struct health {
	_Atomic uint32_t version; /* odd: being written */
	struct health_record record;
};

void health_write(struct health *h, const struct health_record *record);

/* False if it is being written all the time: the writer died meanwhile. */
bool health_read(const struct health *h, struct health_record *out);

/* Who serves for each family of one pool: enum pool_mode. */
struct pool_state {
	_Atomic uint8_t mode[2];
};

/* A sign of life of a thread or process, in memory of its own. */
struct pulse {
	_Atomic uint64_t beat_ns;
};

#endif
