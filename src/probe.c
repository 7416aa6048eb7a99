/*
 * probe.c - starts, times and ends probes.  Runs in the failover thread, in
 * its loop.  A probe has a number while it runs, by which answers find it, and
 * ends once: what its type took is released before the owner hears of it.
 */
#include "loaded/probe.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loaded/clock.h"
#include "loaded/probe_impl.h"
#include "loaded/table.h"

#define NO_NUMBER UINT32_MAX
#define FIRST_NUMBERS 64U

static const struct probe_ops *const type_ops[] = {
	[CHECK_ICMP] = &probe_icmp_ops,
	[CHECK_TCP] = &probe_tcp_ops,
	[CHECK_UDP] = &probe_udp_ops,
	[CHECK_DNS] = &probe_udp_ops,
	[CHECK_HTTP] = &probe_remote_ops,
	[CHECK_HTTPS] = &probe_remote_ops,
	[CHECK_EXEC] = &probe_remote_ops,
	[CHECK_AGENT] = &probe_tcp_ops,
};

const struct probe_ops *
probe_ops(const struct probe *p)
{
	return type_ops[p->check->type];
}

uint64_t
probe_random(struct probe_engine *e)
{
	e->drawn++;
	return siphash24(e->key, &e->drawn, sizeof(e->drawn));
}

static bool
grow_numbers(struct probe_engine *e)
{
	const uint32_t old = e->nrunning;
	const uint32_t size = old > 0 ? 2 * old : FIRST_NUMBERS;
	struct probe **running;
	uint32_t *numbers;

	running = reallocarray(e->running, size, sizeof(*running));
	if (running == NULL)
		return false;
	e->running = running;
	numbers = reallocarray(e->numbers, size, sizeof(*numbers));
	if (numbers == NULL)
		return false;
	e->numbers = numbers;
	for (uint32_t i = old; i < size; i++) {
		running[i] = NULL;
		numbers[e->nfree++] = i;
	}
	e->nrunning = size;
	return true;
}

static bool
take_number(struct probe *p)
{
	struct probe_engine *e = p->engine;

	if (e->nfree == 0 && !grow_numbers(e))
		return false;
	p->number = e->numbers[--e->nfree];
	e->running[p->number] = p;
	return true;
}

static void
release_number(struct probe *p)
{
	struct probe_engine *e = p->engine;

	if (p->number == NO_NUMBER)
		return;
	e->running[p->number] = NULL;
	e->numbers[e->nfree++] = p->number;
	p->number = NO_NUMBER;
}

struct probe *
probe_find(const struct probe_engine *e, uint32_t number)
{
	return number < e->nrunning ? e->running[number] : NULL;
}

const struct expect *
probe_expect(const struct probe *p)
{
	const struct probe_engine *e = p->engine;

	return p->check_index < e->nexpects ? e->expects[p->check_index] : NULL;
}

/* For a probe that runs: all that it has goes. */
static void
release(struct probe *p)
{
	if (probe_ops(p)->stop != NULL)
		probe_ops(p)->stop(p);
	ev_timer_stop(p->engine->conf.loop, &p->timer);
	probe_close(p);
	release_number(p);
	free(p->answer);
	p->answer = NULL;
	p->answer_len = p->answer_size = 0;
	p->running = false;
}

static uint32_t
elapsed_us(const struct probe *p)
{
	const uint64_t us = (clock_now_ns() - p->started_ns) / 1000;

	return us < UINT32_MAX ? (uint32_t)us : UINT32_MAX;
}

void
probe_end(struct probe *p, const struct probe_outcome *o)
{
	struct probe_outcome told = *o;

	if (!p->running)
		return;
	if (told.duration_us == 0)
		told.duration_us = elapsed_us(p);
	if (p->check->type == CHECK_AGENT)
		probe_agent_excuse(&told);
	if (told.result == PROBE_OK)
		told.text[0] = '\0';
	release(p);
	p->done(p, &told);
}

void
probe_end_errno(struct probe *p, int error)
{
	struct probe_outcome o = { 0 };

	probe_errno(&o, p, error);
	probe_end(p, &o);
}

static void
on_timer(struct ev_loop *loop, ev_timer *w, int events)
{
	struct probe *p = w->data;
	struct probe_outcome o = { 0 };

	(void)loop;
	(void)events;
	if (p->failed)
		o = p->outcome;
	else
		probe_ops(p)->expired(p, &o);
	probe_end(p, &o);
}

/* The loop's idea of now may be as old as the longest of its callbacks. */
static void
start_timer(struct probe *p, uint32_t ms)
{
	struct ev_loop *loop = p->engine->conf.loop;

	ev_now_update(loop);
	ev_timer_stop(loop, &p->timer);
	ev_timer_set(&p->timer, ms / 1e3, 0.);
	ev_timer_start(loop, &p->timer);
}

static void
fail_soon(struct probe *p)
{
	p->failed = true;
	ev_io_stop(p->engine->conf.loop, &p->io);
	start_timer(p, 0);
}

void
probe_fail_soon(struct probe *p, enum probe_result result, const char *fmt, ...)
{
	char text[PROBE_TEXT_LEN];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	probe_outcome_set(&p->outcome, result, "%s", text);
	fail_soon(p);
}

void
probe_fail_soon_errno(struct probe *p, int error)
{
	probe_errno(&p->outcome, p, error);
	fail_soon(p);
}

/* Answers that are here when time is over count: hence the low priority. */
static void
reset(struct probe_engine *e, struct probe *p)
{
	p->engine = e;
	p->running = true;
	p->failed = p->connected = p->queued = false;
	p->number = NO_NUMBER;
	p->sent = 0;
	p->outcome = (struct probe_outcome){ 0 };
	p->started_ns = clock_now_ns();
	ev_timer_init(&p->timer, on_timer, 0., 0.);
	ev_set_priority(&p->timer, -1);
	p->timer.data = p;
	ev_io_init(&p->io, NULL, -1, 0);
	p->io.data = p;
}

void
probe_start(struct probe_engine *e, struct probe *p)
{
	if (p->running)
		return;
	reset(e, p);
	if (!take_number(p)) {
		probe_fail_soon(p, PROBE_SKIPPED, "out of memory");
		return;
	}
	start_timer(p, p->check->timeout_ms + probe_ops(p)->grace_ms);
	probe_ops(p)->start(p);
}

void
probe_stop(struct probe *p)
{
	if (p->running)
		release(p);
}

static void
free_expects(struct expect **expects, uint32_t count)
{
	for (uint32_t i = 0; expects != NULL && i < count; i++)
		expect_free(expects[i]);
	free(expects);
}

/* Those of remote types are the business of whoever runs them. */
static int
new_expects(struct expect ***out, const struct table *t)
{
	char message[EXPECT_ERROR_LEN];
	int error = 0;

	*out = calloc(t->nchecks + 1U, sizeof(**out));
	if (*out == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < t->nchecks && error == 0; i++) {
		const struct check *check = table_check(t, i);

		if (check->type == CHECK_TCP || check->type == CHECK_UDP)
			error = expect_new(&(*out)[i], check, message);
	}
	return error;
}

int
probe_engine_use(struct probe_engine *e, const struct table *table)
{
	struct expect **expects;
	const int error = new_expects(&expects, table);

	if (error != 0) {
		free_expects(expects, table->nchecks);
		return error;
	}
	free_expects(e->expects, e->nexpects);
	e->expects = expects;
	e->nexpects = table->nchecks;
	e->table = table;
	return 0;
}

struct probe_engine *
probe_engine_new(const struct probe_engine_conf *conf)
{
	struct probe_engine *e = calloc(1, sizeof(*e));

	if (e == NULL)
		return NULL;
	e->conf = *conf;
	memcpy(e->key, &conf->seed, sizeof(conf->seed));
	e->icmp = probe_icmp_new(e);
	if (e->icmp == NULL) {
		free(e);
		return NULL;
	}
	/* Late answers to an engine before this one must not fit. */
	e->run = (uint32_t)probe_random(e);
	probe_remote_open(e);
	return e;
}

void
probe_engine_free(struct probe_engine *e)
{
	if (e == NULL)
		return;
	probe_remote_close(e);
	probe_icmp_free(e->icmp);
	free_expects(e->expects, e->nexpects);
	free(e->running);
	free(e->numbers);
	free(e);
}
