/*
 * stats.h - the counters of one worker, in the shared segment.  The worker
 * alone writes; anyone may read a value at any time.
 */
#ifndef LOADED_STATS_H
#define LOADED_STATS_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "loaded/balance.h"

/* What the kernel says of a verdict, by kind (NLMSG_ERROR). */
enum stats_error {
	STATS_ENOENT, /* it no longer has the packet */
	STATS_EPERM,
	STATS_EINVAL,
	STATS_ENOMEM,
	STATS_OTHER_ERROR,
	STATS_ERRORS
};

typedef _Atomic uint64_t stats_counter;

struct stats {
	alignas(64) stats_counter packets; /* the sum of all reasons */
	stats_counter bytes;
	stats_counter batches;
	stats_counter passed, sent, dropped; /* what was done with them */
	stats_counter refused; /* of those sent: RST, unreachable */
	stats_counter reason[BALANCE_REASONS];
	stats_counter error[STATS_ERRORS];
	stats_counter overruns;     /* socket buffer was full (ENOBUFS) */
	stats_counter garbage;      /* messages that are no packet */
	stats_counter send_retries; /* verdicts the kernel had no room for */
	stats_counter expired;      /* flows */
};

/* By the one writer only. */
static inline void
stats_add(stats_counter *counter, uint64_t n)
{
	atomic_store_explicit(counter,
	    atomic_load_explicit(counter, memory_order_relaxed) + n,
	    memory_order_relaxed);
}

enum stats_error stats_error_kind(int error);

/* Adds all of one worker's counters to a sum. */
void stats_sum(struct stats *sum, const struct stats *one);

/*
 * "name=value name=value" of every counter but the zero ones into text;
 * returns the length, cut to fit.
 */
size_t stats_format(const struct stats *s, char *text, size_t size);

#endif
