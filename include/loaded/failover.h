/*
 * failover.h - the thread that probes backends, judges them and publishes the
 * verdicts in the shared segment; and that looks for new ones.
 */
#ifndef LOADED_FAILOVER_H
#define LOADED_FAILOVER_H

#include <stdint.h>

#include "loaded/segment.h"
#include "loaded/table.h"

#define FAILOVER_BEAT_MS 200

/* What the thread works with; everything is borrowed. */
struct failover_conf {
	const struct table *table;
	const struct segment *segment;
	int icmp4, icmp6;    /* raw sockets; -1: none */
	int checker;         /* channels: http and https checks */
	int supervisor;      /* exec checks, discovered backends */
	struct pulse *pulse; /* beats while the thread gets on */
	uint32_t scope;      /* interface of link-local addresses, or 0 */
	uint64_t seed;
};

struct failover;

/* Goes on from the health that is in the segment.  0 or -errno. */
int failover_start(struct failover **out, const struct failover_conf *conf);

/* Hands over a new table; failover_table() tells when the old one is free. */
void failover_use(struct failover *f, const struct table *table);
const struct table *failover_table(const struct failover *f);

/* Ends the thread and frees f. */
void failover_stop(struct failover *f);

/*
 * Leaves a thread that is stuck to itself: it publishes nothing any more, and
 * frees f if it ever gets on.  Its table stays borrowed for ever.
 */
void failover_abandon(struct failover *f);

#endif
