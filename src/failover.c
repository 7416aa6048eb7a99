/*
 * failover.c - the life of the failover thread: its loop, its pulse, and the
 * change to a new table.  Runs in the balancer process.  It talks to the rest
 * of that process through the shared segment and through a few atomics; a
 * thread that was abandoned must not publish, whenever it wakes up.
 */
#include "loaded/failover.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/prctl.h>

#include "loaded/clock.h"
#include "loaded/failover_impl.h"
#include "loaded/log.h"

/*
 * Workers' suspicions and slow starts are looked at so often.  Timers that
 * fall due within COLLECT_S are handled together, so that one system call
 * sends many echo requests.
 */
#define TICK_S 0.020
#define TICKS_PER_RAMP 5
#define TICKS_PER_RETRY 50
#define COLLECT_S 0.003

static void
on_pulse(struct ev_loop *loop, ev_timer *w, int events)
{
	struct failover *f = w->data;

	(void)events;
	if (atomic_load(&f->abandoned))
		ev_break(loop, EVBREAK_ALL);
	else
		atomic_store(&f->conf.pulse->beat_ns, clock_now_ns());
}

/* The old targets hand their state on to those of the same slot. */
static void
use_table(struct failover *f, const struct table *table)
{
	int error;

	failover_discover_end(f);
	error = failover_targets_build(f, table);
	if (error != 0) {
		log_errno(-error, "cannot probe the new backends");
		failover_discover_begin(f);
		return;
	}
	failover_targets_begin(f);
	failover_discover_begin(f);
	atomic_store(&f->released, table);
}

static void
on_tick(struct ev_loop *loop, ev_timer *w, int events)
{
	struct failover *f = w->data;

	(void)loop;
	(void)events;
	if (atomic_load(&f->abandoned))
		return;
	failover_suspect(f);
	if (++f->ticks % TICKS_PER_RAMP == 0 && f->ramping > 0)
		failover_ramp(f);
	/* There was no memory for the new table. */
	if (f->ticks % TICKS_PER_RETRY == 0 &&
	    atomic_load(&f->wanted) != atomic_load(&f->released))
		use_table(f, atomic_load(&f->wanted));
}

static void
on_wake(struct ev_loop *loop, ev_async *w, int events)
{
	struct failover *f = w->data;
	const struct table *wanted = atomic_load(&f->wanted);

	(void)events;
	if (atomic_load(&f->stopping))
		ev_break(loop, EVBREAK_ALL);
	else if (!atomic_load(&f->abandoned) && wanted != f->table)
		use_table(f, wanted);
}

static void
destroy(struct failover *f)
{
	failover_discover_end(f);
	failover_targets_free(f);
	probe_engine_free(f->engine);
	if (f->loop != NULL)
		ev_loop_destroy(f->loop);
	free(f->pools);
	free(f);
}

static void *
run(void *arg)
{
	struct failover *f = arg;

	/* By itself: for another thread it takes /proc. */
	prctl(PR_SET_NAME, "failover", 0, 0, 0);
	failover_targets_begin(f);
	failover_discover_begin(f);
	ev_run(f->loop, 0);
	if (atomic_load(&f->abandoned)) {
		log_notice("failover thread that was stuck got on, and ends");
		destroy(f);
	}
	return NULL;
}

static bool
init(struct failover *f)
{
	const struct probe_engine_conf engine = {
		.loop = f->loop,
		.icmp4 = f->conf.icmp4,
		.icmp6 = f->conf.icmp6,
		.checker = f->conf.checker,
		.supervisor = f->conf.supervisor,
		.scope = f->conf.scope,
		.seed = f->conf.seed,
		.found = failover_found,
		.found_arg = f,
	};

	if (f->loop == NULL)
		return false;
	ev_set_timeout_collect_interval(f->loop, COLLECT_S);
	f->engine = probe_engine_new(&engine);
	if (f->engine == NULL || failover_targets_build(f, f->conf.table) != 0)
		return false;
	ev_async_init(&f->wake, on_wake);
	f->wake.data = f;
	ev_async_start(f->loop, &f->wake);
	ev_timer_init(&f->pulse, on_pulse, 0., FAILOVER_BEAT_MS / 1e3);
	f->pulse.data = f;
	ev_timer_start(f->loop, &f->pulse);
	ev_timer_init(&f->tick, on_tick, TICK_S, TICK_S);
	f->tick.data = f;
	ev_timer_start(f->loop, &f->tick);
	return true;
}

static struct failover *
create(const struct failover_conf *conf)
{
	struct failover *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return NULL;
	f->conf = *conf;
	f->random = conf->seed | 1;
	atomic_init(&f->wanted, conf->table);
	atomic_init(&f->released, conf->table);
	f->loop = ev_loop_new(EVFLAG_AUTO);
	if (init(f))
		return f;
	destroy(f);
	return NULL;
}

int
failover_start(struct failover **out, const struct failover_conf *conf)
{
	struct failover *f = create(conf);
	int error;

	*out = NULL;
	if (f == NULL)
		return -ENOMEM;
	error = pthread_create(&f->thread, NULL, run, f);
	if (error != 0) {
		destroy(f);
		return -error;
	}
	*out = f;
	return 0;
}

void
failover_use(struct failover *f, const struct table *table)
{
	atomic_store(&f->wanted, table);
	ev_async_send(f->loop, &f->wake);
}

const struct table *
failover_table(const struct failover *f)
{
	return atomic_load(&f->released);
}

void
failover_stop(struct failover *f)
{
	atomic_store(&f->stopping, true);
	ev_async_send(f->loop, &f->wake);
	pthread_join(f->thread, NULL);
	destroy(f);
}

void
failover_abandon(struct failover *f)
{
	pthread_detach(f->thread);
	/* The last touch: once the thread sees this it frees f. */
	atomic_store(&f->abandoned, true);
}
