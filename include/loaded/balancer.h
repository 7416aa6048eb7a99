/*
 * balancer.h - the unprivileged process that holds the workers.
 */
#ifndef LOADED_BALANCER_H
#define LOADED_BALANCER_H

#include <stdint.h>

#include "loaded/conf.h"
#include "loaded/sandbox.h"
#include "loaded/segment.h"
#include "loaded/table.h"

/* What the supervisor has opened for it; everything is borrowed. */
struct balancer {
	const struct conf *conf;
	const struct sandbox *sandbox;
	const struct segment *segment;
	const struct table *table;
	void *scratch;     /* shared, of the table's schedulers */
	const int *queues; /* one socket a core */
	int channel;       /* to the supervisor */
	uint64_t seed;     /* of random choices */
};

/* One byte on the channel, from the balancer: it is at work. */
#define BALANCER_READY 'R'

/* Runs until told to stop (SIGTERM, or the channel's end): an exit status. */
int balancer_run(const struct balancer *b);

#endif
