/*
 * report.h - what the supervisor tells of the running balancer, as log lines.
 */
#ifndef LOADED_REPORT_H
#define LOADED_REPORT_H

#include <stdint.h>

#include "loaded/conf.h"
#include "loaded/log.h"
#include "loaded/segment.h"

struct report {
	const struct conf *conf;       /* borrowed */
	const struct segment *segment; /* borrowed */
	uint64_t overflows;            /* told of so far */
	struct log_limit limit;
};

/* Cores, queues and memory. */
void report_start(const struct conf *conf);

/* Every counter of every worker, queue and backend; modes and health. */
void report_counters(const struct report *r);

/* A line when the kernel has dropped packets since the last call. */
void report_overflows(struct report *r);

#endif
