/*
 * balancer.h - the unprivileged process that holds the workers and the
 * failover thread.
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
	const int *queues;   /* one socket a core */
	int icmp4, icmp6;    /* raw sockets; -1: none */
	int control;         /* channel to the supervisor */
	int requests;        /* failover's own channel to it */
	int checks;          /* failover's channel to the checker */
	struct pulse *pulse; /* of failover */
	uint32_t scope;      /* interface of link-local addresses, or 0 */
	uint64_t seed;       /* of random choices */
};

/* Runs until told to stop (SIGTERM, or control's end): an exit status. */
int balancer_run(const struct balancer *b);

#endif
