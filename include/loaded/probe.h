/*
 * probe.h - runs one check against one backend, once: non-blocking, driven by
 * libev, in the failover thread.  probe.c starts, times and ends probes;
 * probe_{icmp,tcp,udp,remote}.c know the types.
 */
#ifndef LOADED_PROBE_H
#define LOADED_PROBE_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "loaded/addr.h"
#include "loaded/check.h"
#include "loaded/probe_result.h"

struct probe;
struct probe_engine;
struct table;

/*
 * Called once for each probe_start() that probe_stop() did not undo; never
 * from inside of either.  May start the probe again or free it.
 */
typedef void probe_done_fn(struct probe *p, const struct probe_outcome *o);

/* An echo reply to probe_icmp_call() came from there. */
typedef void probe_found_fn(void *arg, const struct addr *from);

struct probe {
	/* The owner's; not changed while the probe runs. */
	const struct check *check; /* borrowed: in the table */
	uint32_t check_index;      /* of it in the table */
	struct addr addr;
	uint16_t port; /* host order; unused by icmp */
	uint32_t mark; /* SO_MARK of the socket, 0: none */
	uint32_t slot; /* of the backend */
	probe_done_fn *done;
	void *arg; /* borrowed */

	/* Belongs to probe*.c. */
	struct probe_engine *engine; /* borrowed */
	bool running;
	bool failed;    /* and the owner is told soon: outcome */
	bool connected; /* resp. the request is on its way */
	bool queued;    /* icmp: to be sent */
	uint16_t seq;
	uint32_t number; /* in the engine's list of running probes */
	uint64_t nonce;
	uint64_t started_ns;
	struct probe_outcome outcome;
	ev_timer timer;
	ev_io io; /* its fd, or -1, is owned */
	TAILQ_ENTRY(probe) queue;
	uint32_t sent;   /* bytes of check->send */
	uint8_t *answer; /* owned; read so far */
	uint32_t answer_len, answer_size;
};

struct probe_engine_conf {
	struct ev_loop *loop;    /* borrowed */
	int icmp4, icmp6;        /* raw sockets, borrowed; -1: none */
	int checker, supervisor; /* channels, borrowed; -1: none */
	uint32_t scope;          /* interface of link-local addresses, or 0 */
	uint64_t seed;           /* of nonces */
	probe_found_fn *found;
	void *found_arg;
};

/* NULL if memory is short.  Reads the channels from now on. */
struct probe_engine *probe_engine_new(const struct probe_engine_conf *conf);

/* No probe may be running, nor may it be called from inside of done. */
void probe_engine_free(struct probe_engine *e);

/*
 * Gets ready for the checks of a table: regular expressions.  No probe may be
 * running.  The table is borrowed until the next call.  0, or -errno.
 */
int probe_engine_use(struct probe_engine *e, const struct table *table);

/* p's own part is set; the rest zeroed before its first start. */
void probe_start(struct probe_engine *e, struct probe *p);

/* done is not called any more. */
void probe_stop(struct probe *p);

/*
 * An echo request to a broadcast or multicast address; from: own, or NULL.  Who
 * answers this call or the one before is found.  0 or -errno.
 */
int probe_icmp_call(struct probe_engine *e, const struct addr *to,
    const struct addr *from);

#endif
