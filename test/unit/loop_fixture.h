/*
 * loop_fixture.h - an event loop that runs no longer than a test can wait, and
 * the outcomes of checks that end it.
 */
#ifndef TEST_LOOP_FIXTURE_H
#define TEST_LOOP_FIXTURE_H

#include "loaded/probe.h"

#include <check.h>
#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

/* What has been told by whoever runs checks in the loop. */
struct told {
	struct ev_loop *loop;
	struct probe_outcome outcome; /* the last */
	uint32_t calls, wanted;
	bool starting; /* when nothing may be told yet */
};

static inline void
told_add(struct told *told, const struct probe_outcome *outcome)
{
	ck_assert(!told->starting);
	told->outcome = *outcome;
	if (++told->calls >= told->wanted)
		ev_break(told->loop, EVBREAK_ALL);
}

static inline void
assert_told(const struct told *told, enum probe_result result, const char *text)
{
	ck_assert_str_eq(told->outcome.text, text);
	ck_assert_str_eq(probe_result_name(told->outcome.result),
	    probe_result_name(result));
}

static inline void
loop_on_late(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)timer, (void)events;
	ev_break(loop, EVBREAK_ALL);
}

/* Until somebody breaks it, or so many seconds. */
static inline void
loop_run(struct ev_loop *loop, double seconds)
{
	ev_timer late;

	ev_timer_init(&late, loop_on_late, seconds, 0.);
	ev_now_update(loop);
	ev_timer_start(loop, &late);
	ev_run(loop, 0);
	ev_timer_stop(loop, &late);
}

#endif
