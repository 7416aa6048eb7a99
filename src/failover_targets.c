/*
 * failover_targets.c - whom the failover thread probes, and when.  A target is
 * a backend with checks; each check runs one probe at a time.  The next one is
 * due an interval after the last began; the first ones are spread over an
 * interval, so that backends are not all asked at once.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "loaded/clock.h"
#include "loaded/failover_impl.h"
#include "loaded/prng.h"

#define NS_PER_MS UINT64_C(1000000)
#define MS_PER_S 1e3
#define SOON_S 0.001

/* Targets by slot, while one table replaces another. */
struct old_targets {
	struct target *targets;
	struct check_run *runs;
	uint32_t ntargets;
	uint32_t *by_slot; /* index + 1 */
};

static void
begin_probe(struct check_run *run)
{
	struct failover *f = run->target->f;

	ev_timer_stop(f->loop, &run->next);
	probe_start(f->engine, &run->probe);
}

static void
on_due(struct ev_loop *loop, ev_timer *w, int events)
{
	(void)loop;
	(void)events;
	begin_probe(w->data);
}

static void
begin_after(struct check_run *run, double seconds)
{
	struct ev_loop *loop = run->target->f->loop;

	ev_timer_stop(loop, &run->next);
	ev_timer_set(&run->next, seconds < SOON_S ? SOON_S : seconds, 0.);
	ev_timer_start(loop, &run->next);
}

static void
on_done(struct probe *p, const struct probe_outcome *o)
{
	struct check_run *run = p->arg;
	uint64_t age_ms;

	if (atomic_load(&run->target->f->abandoned))
		return;
	failover_judge(run, o);
	age_ms = (clock_now_ns() - p->started_ns) / NS_PER_MS;
	begin_after(run,
	    check_wait_ms(p->check, hstate_is_changing(&run->state), age_ms) /
		MS_PER_S);
}

/* The same address is asked in the same way as before. */
static bool
is_same_run(const struct check_run *a, const struct check_run *b)
{
	return addr_equal(&a->probe.addr, &b->probe.addr) &&
	    a->probe.port == b->probe.port &&
	    memcmp(a->probe.check, b->probe.check, sizeof(struct check)) == 0;
}

/*
 * Asks the VIP by the way that clients' packets take: a backend that has lost
 * the VIP answers on its own address, but serves nobody.  In nat both are one.
 */
static void
go_by_vip(struct check_run *run)
{
	const struct table *table = run->target->f->table;
	const struct table_backend *b = target_backend(run->target);

	if (!run->probe.check->via_vip || b->forward != FORWARD_DR ||
	    b->vip == TABLE_NO_ADDR)
		return;
	run->probe.addr = table_addr_by_id(table, b->vip)->addr;
	run->probe.mark = TABLE_MARK_BASE + run->target->slot;
}

/*
 * What a check begins with after another thread or table.  An agent that did
 * not bring its backend down has no say yet, beside other checks.
 */
static enum hstate_verdict
restored(const struct target *t, const struct check *check)
{
	if (check->type == CHECK_AGENT && target_backend(t)->nchecks > 1 &&
	    t->record.reason != PROBE_AGENT_DOWN)
		return HSTATE_UNKNOWN;
	if (t->record.probes == 0)
		return HSTATE_UNKNOWN;
	switch ((enum backend_health)t->record.health) {
	case HEALTH_UP:
		return HSTATE_UP;
	case HEALTH_DOWN:
		return HSTATE_DOWN;
	case HEALTH_UNKNOWN:
		break;
	}
	return HSTATE_UNKNOWN;
}

static void
init_run(struct check_run *run, struct target *t, const struct check *check,
    uint32_t index)
{
	const struct sched_member *m = &table_members(t->f->table)[t->member];
	struct hstate_conf conf = {
		.rise = check->rise,
		.fall = check->fall,
		.window = check->window,
		.need = check->need,
	};

	/* An agent knows what it says. */
	if (check->type == CHECK_AGENT)
		conf = (struct hstate_conf){ .rise = 1, .fall = 1 };
	run->target = t;
	run->left_s = -1;
	run->probe = (struct probe){
		.check = check,
		.check_index = index,
		.addr = m->addr,
		.port = table_check_port(t->f->table, t->member, check),
		.slot = t->slot,
		.done = on_done,
		.arg = run,
	};
	go_by_vip(run);
	ev_timer_init(&run->next, on_due, 0., 0.);
	run->next.data = run;
	/* The config was checked: it can change its verdict. */
	(void)hstate_init(&run->state, &conf);
	hstate_restore(&run->state, restored(t, check));
}

static bool
is_probed(const struct table_backend *b)
{
	return b->nchecks > 0 || b->discovered;
}

static void
init_target(struct target *t, struct failover *f, uint32_t member,
    struct check_run *runs)
{
	const struct table_backend *b = &table_backends(f->table)[member];
	uint32_t i;

	t->f = f;
	t->member = member;
	t->slot = table_members(f->table)[member].slot;
	t->runs = runs;
	(void)health_read(target_health(t), &t->record);
	t->suspect = atomic_load(&target_state(t)->suspect);
	for (i = 0; i < b->nchecks; i++)
		init_run(&runs[i], t, table_check(f->table, b->first_check + i),
		    b->first_check + i);
	if (b->nchecks == 0)
		init_run(&runs[i++], t, &f->found_check, FAILOVER_OWN_CHECK);
	t->nruns = i;
}

/* What the last table's target of the slot has learned. */
static void
inherit(struct target *t, const struct target *old)
{
	uint32_t i;

	if (t->nruns != old->nruns)
		return;
	for (i = 0; i < t->nruns; i++)
		if (!is_same_run(&t->runs[i], &old->runs[i]))
			return;
	t->record = old->record;
	t->up_ns = old->up_ns;
	t->suspect = old->suspect;
	t->urgent_ns = old->urgent_ns;
	for (i = 0; i < t->nruns; i++) {
		t->runs[i].left_s = old->runs[i].left_s;
		t->runs[i].state = old->runs[i].state;
	}
}

/* Its slot's next owner begins without a past. */
static void
forget(const struct failover *f, uint32_t slot)
{
	const struct health_record blank = { .probes = 0 };

	health_write(&segment_health(f->conf.segment)[slot], &blank);
}

static void
stop_runs(struct failover *f, struct check_run *runs, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		runs[i].left_s = ev_is_active(&runs[i].next) ?
		    ev_timer_remaining(f->loop, &runs[i].next) :
		    0;
		ev_timer_stop(f->loop, &runs[i].next);
		probe_stop(&runs[i].probe);
	}
}

static void
count_targets(const struct table *table, uint32_t *targets, uint32_t *runs)
{
	const struct table_backend *b = table_backends(table);

	*targets = *runs = 0;
	for (uint32_t i = 0; table->failover && i < table->nmembers; i++) {
		if (!is_probed(&b[i]))
			continue;
		++*targets;
		*runs += b[i].nchecks > 0 ? b[i].nchecks : 1;
	}
}

/* From the last table, or from what a thread before this one has published. */
static void
keep_quorums(const struct failover *f, struct pool_watch *pools, uint32_t count)
{
	const struct pool_state *states = segment_pools(f->conf.segment);

	for (uint32_t i = 0; i < count; i++)
		for (int family = 0; family < TABLE_FAMILIES; family++)
			pools[i].lost[family] = f->pools != NULL &&
				i < f->table->npools ?
			    f->pools[i].lost[family] :
			    atomic_load(&states[i].mode[family]) != POOL_NORMAL;
}

static int
allocate(struct failover *f, const struct table *table, struct old_targets *old)
{
	struct pool_watch *pools = calloc(table->npools + 1, sizeof(*f->pools));
	struct target *targets;
	struct check_run *runs;
	uint32_t ntargets, nruns;

	count_targets(table, &ntargets, &nruns);
	targets = calloc(ntargets + 1, sizeof(*targets));
	runs = calloc(nruns + 1, sizeof(*runs));
	old->by_slot = calloc(BACKEND_SLOTS, sizeof(*old->by_slot));
	if (pools == NULL || targets == NULL || runs == NULL ||
	    old->by_slot == NULL) {
		free(pools);
		free(targets);
		free(runs);
		free(old->by_slot);
		return -ENOMEM;
	}
	keep_quorums(f, pools, table->npools);
	old->targets = f->targets;
	old->runs = f->runs;
	old->ntargets = f->ntargets;
	for (uint32_t i = 0; i < old->ntargets; i++)
		old->by_slot[old->targets[i].slot] = i + 1;
	stop_runs(f, f->runs, f->nruns);
	free(f->pools);
	f->pools = pools;
	f->targets = targets;
	f->runs = runs;
	f->ntargets = ntargets;
	f->nruns = nruns;
	return 0;
}

int
failover_targets_build(struct failover *f, const struct table *table)
{
	const struct table_backend *b = table_backends(table);
	struct old_targets old;
	struct target *t;
	uint32_t runs = 0;
	int error = allocate(f, table, &old);

	if (error != 0)
		return error;
	f->table = table;
	f->found_check = (struct check){
		.type = CHECK_TCP,
		.start_up = true,
		.port = table->discover.port,
		.interval_ms = table->discover.interval_ms,
		.fast_interval_ms = table->discover.interval_ms,
		.timeout_ms = table->discover.timeout_ms,
		.rise = 1,
		.fall = 2,
	};
	t = f->targets;
	for (uint32_t i = 0; table->failover && i < table->nmembers; i++) {
		if (!is_probed(&b[i]))
			continue;
		init_target(t, f, i, &f->runs[runs]);
		if (old.by_slot[t->slot] != 0)
			inherit(t, &old.targets[old.by_slot[t->slot] - 1]);
		old.by_slot[t->slot] = 0;
		runs += t->nruns;
		t++;
	}
	for (uint32_t i = 0; i < old.ntargets; i++)
		if (old.by_slot[old.targets[i].slot] != 0)
			forget(f, old.targets[i].slot);
	free(old.targets);
	free(old.runs);
	free(old.by_slot);
	return probe_engine_use(f->engine, table);
}

void
failover_targets_free(struct failover *f)
{
	if (f->runs != NULL)
		stop_runs(f, f->runs, f->nruns);
	free(f->targets);
	free(f->runs);
	f->targets = NULL;
	f->runs = NULL;
	f->ntargets = f->nruns = 0;
}

/* A verdict that is not there yet is looked for at the fast pace. */
static void
begin_run(struct check_run *run)
{
	const bool unknown = run->state.verdict == HSTATE_UNKNOWN;

	if (run->left_s >= 0)
		begin_after(run, run->left_s);
	else
		begin_after(run,
		    check_first_wait_ms(run->probe.check, unknown,
			prng_next(&run->target->f->random)) /
			MS_PER_S);
}

void
failover_targets_begin(struct failover *f)
{
	f->ramping = 0;
	for (uint32_t i = 0; i < f->ntargets; i++) {
		f->ramping += f->targets[i].up_ns != 0;
		failover_admit(&f->targets[i]);
	}
	failover_count_pools(f);
	for (uint32_t i = 0; i < f->nruns; i++)
		begin_run(&f->runs[i]);
}

/*
 * Out of turn, but not more often than at the fast pace: a suspicion that comes
 * too early brings the next probe forward to the end of that time.
 */
static void
probe_soon(struct target *t, uint64_t now_ns)
{
	const uint64_t age_ms = (now_ns - t->urgent_ns) / NS_PER_MS;
	const double wait_s =
	    check_wait_ms(t->runs[0].probe.check, true, age_ms) / MS_PER_S;

	if (wait_s == 0)
		t->urgent_ns = now_ns;
	for (uint32_t i = 0; i < t->nruns; i++) {
		struct check_run *run = &t->runs[i];

		if (!run->probe.running &&
		    ev_timer_remaining(t->f->loop, &run->next) > wait_s)
			begin_after(run, wait_s);
	}
}

/* Workers have seen SYNs that met silence or a reset. */
void
failover_suspect(struct failover *f)
{
	const uint32_t suspicions = atomic_load_explicit(
	    &f->conf.segment->head->suspicions, memory_order_relaxed);
	uint32_t count;

	if (suspicions == f->suspicions)
		return;
	f->suspicions = suspicions;
	for (uint32_t i = 0; i < f->ntargets; i++) {
		struct target *t = &f->targets[i];

		count = atomic_load_explicit(&target_state(t)->suspect,
		    memory_order_relaxed);
		if (count == t->suspect)
			continue;
		t->suspect = count;
		probe_soon(t, clock_now_ns());
	}
}
