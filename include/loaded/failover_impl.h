/*
 * failover_impl.h - the inside of the failover thread; included by
 * src/failover*.c and nobody else.  All of it belongs to that one thread, but
 * for the atomics.
 */
#ifndef LOADED_FAILOVER_IMPL_H
#define LOADED_FAILOVER_IMPL_H

#include <ev.h>
#include <pthread.h>

#include "loaded/failover.h"
#include "loaded/hstate.h"
#include "loaded/local_addrs.h"
#include "loaded/log.h"
#include "loaded/probe.h"

/* A check of the table that has no index there: that of found backends. */
#define FAILOVER_OWN_CHECK UINT32_MAX

/* One check of one backend. */
struct check_run {
	struct target *target; /* borrowed */
	struct hstate state;
	struct probe probe;
	ev_timer next;
	double left_s; /* to it, when the table changed; < 0: begin anew */
};

/* A backend that is checked. */
struct target {
	struct failover *f; /* borrowed */
	uint32_t member;    /* index in the table */
	uint32_t slot;
	struct check_run *runs; /* borrowed: in failover.runs */
	uint32_t nruns;
	struct health_record record; /* as it is in the segment */
	uint32_t suspect;            /* suspicions dealt with */
	uint64_t urgent_ns;          /* last probe out of turn */
	uint64_t up_ns;              /* ramps since; 0: it does not */
};

struct pool_watch {
	uint32_t down[TABLE_FAMILIES]; /* members */
	bool lost[TABLE_FAMILIES];     /* the quorum */
};

struct candidate;

struct failover {
	struct failover_conf conf;
	const struct table *table; /* in use */
	_Atomic(const struct table *) wanted, released;
	_Atomic bool stopping, abandoned;
	pthread_t thread;
	struct ev_loop *loop; /* owned */
	ev_async wake;
	ev_timer pulse, tick;
	uint32_t ticks;
	struct probe_engine *engine; /* owned */
	struct target *targets;      /* owned */
	struct check_run *runs;      /* owned: of all targets */
	uint32_t ntargets, nruns;
	struct pool_watch *pools; /* owned; by index */
	uint32_t ramping;         /* targets with up_ns */
	uint32_t suspicions;      /* dealt with */
	uint64_t random;
	struct log_limit limit; /* of lines about single failures */
	/* failover_discover.c */
	ev_timer call;
	struct check found_check;
	struct candidate *candidates; /* owned */
	struct local_addrs local;     /* owned: as of the last call */
	uint32_t ncandidates;
};

/* failover_targets.c: who is probed. */
int failover_targets_build(struct failover *f, const struct table *table);
void failover_targets_free(struct failover *f);
void failover_targets_begin(struct failover *f);
void failover_suspect(struct failover *f);

/* failover_judge.c: what results mean. */
void failover_judge(struct check_run *run, const struct probe_outcome *o);
void failover_ramp(struct failover *f);

/* Publishes what a new or restored target starts with. */
void failover_admit(struct target *t);
void failover_count_pools(struct failover *f);

/* failover_discover.c */
void failover_discover_begin(struct failover *f);
void failover_discover_end(struct failover *f);
void failover_found(void *f, const struct addr *from);

static inline struct backend_state *
target_state(const struct target *t)
{
	return &segment_backends(t->f->conf.segment)[t->slot];
}

static inline struct health *
target_health(const struct target *t)
{
	return &segment_health(t->f->conf.segment)[t->slot];
}

static inline const struct sched_member *
target_member(const struct target *t)
{
	return &table_members(t->f->table)[t->member];
}

static inline const struct table_backend *
target_backend(const struct target *t)
{
	return &table_backends(t->f->table)[t->member];
}

#endif
