/*
 * worker.h - the thread that owns one queue on one core.
 */
#ifndef LOADED_WORKER_H
#define LOADED_WORKER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "loaded/balance.h"
#include "loaded/nfq.h"
#include "loaded/stats.h"
#include "loaded/view.h"

struct worker_conf {
	uint32_t index, count; /* this one, of how many */
	uint16_t core;
	uint16_t queue;          /* number */
	uint32_t busy_poll_us;   /* look for more before sleeping */
	int fd;                  /* borrowed: the queue's socket */
	struct stats *stats;     /* borrowed: in the segment */
	const atomic_bool *stop; /* borrowed: finish what waits, end */
	const view_slot *view;   /* borrowed: the table to go by */
};

struct worker;

/*
 * balance: copied, but for table and scratch, which are those of the view; its
 * random state is made the worker's own.
 */
struct worker *worker_new(const struct worker_conf *conf,
    const struct balance *balance);

/* 0, or -errno: the thread could not be made or pinned to its core. */
int worker_start(struct worker *w);

/* The view it goes by now; any thread may ask. */
const struct view *worker_view(const struct worker *w);

/* Waits for its end. */
void worker_join(struct worker *w);
void worker_free(struct worker *w);

#endif
