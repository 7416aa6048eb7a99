/*
 * probe_fixture.h - an engine in a loop, a table with one check, and probes
 * that run against sockets of the test.
 */
#ifndef TEST_PROBE_FIXTURE_H
#define TEST_PROBE_FIXTURE_H

#include "addresses.h"
#include "descriptors.h"
#include "loaded/clock.h"
#include "loaded/probe.h"
#include "loaded/table.h"
#include "loop_fixture.h"

#include <arpa/inet.h>
#include <check.h>
#include <ev.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FIXTURE_TIMEOUT_MS 150U
#define FIXTURE_MAX_RUN_S 10.

/* The flat form as far as probes look at it. */
struct fixture_table {
	struct table head;
	struct check check;
};

static struct ev_loop *loop;
static struct probe_engine *engine;
static struct fixture_table fixture;
static struct probe probe;
static struct probe_outcome outcome;
static unsigned int ended, expected_ends;
static bool inside_start;
static size_t descriptors;

static inline void
on_done(struct probe *p, const struct probe_outcome *o)
{
	ck_assert(!inside_start);
	ck_assert(!p->running);
	outcome = *o;
	if (++ended >= expected_ends)
		ev_break(loop, EVBREAK_ALL);
}

/* What is in fixture.check from now on. */
static inline void
use_check(void)
{
	fixture.head.checks_off = offsetof(struct fixture_table, check);
	fixture.head.nchecks = 1;
	ck_assert_int_eq(probe_engine_use(engine, &fixture.head), 0);
}

static inline void
open_engine(struct probe_engine_conf conf)
{
	descriptors = count_descriptors();
	loop = ev_loop_new(EVFLAG_AUTO);
	ck_assert_ptr_nonnull(loop);
	conf.loop = loop;
	conf.seed = clock_now_ns();
	engine = probe_engine_new(&conf);
	ck_assert_ptr_nonnull(engine);
	memset(&fixture, 0, sizeof(fixture));
	memset(&probe, 0, sizeof(probe));
	fixture.check.timeout_ms = FIXTURE_TIMEOUT_MS;
	fixture.head.generation = 77;
	probe.check = &fixture.check;
	probe.done = on_done;
	ended = 0;
	expected_ends = 1;
	inside_start = false;
}

static inline void
open_plain_engine(void)
{
	const struct probe_engine_conf conf = { .icmp4 = -1,
		.icmp6 = -1,
		.checker = -1,
		.supervisor = -1 };

	open_engine(conf);
}

/* And nothing is left open. */
static inline void
close_engine(void)
{
	probe_stop(&probe);
	probe_engine_free(engine);
	ev_loop_destroy(loop);
	ck_assert_uint_eq(count_descriptors(), descriptors);
}

static inline void
set_bytes(struct check_bytes *out, const void *data, size_t len)
{
	out->len = (uint16_t)len;
	memcpy(out->b, data, len);
}

static inline void
set_text(struct check_bytes *out, const char *text)
{
	set_bytes(out, text, strlen(text));
}

static inline void
start_probe(struct probe *p)
{
	inside_start = true;
	probe_start(engine, p);
	inside_start = false;
}

/* Until as many probes as expected have ended, or so many seconds. */
static inline void
run_loop(double seconds)
{
	loop_run(loop, seconds);
}

static inline enum probe_result
run_probe(void)
{
	const unsigned int before = ended;

	expected_ends = before + 1;
	start_probe(&probe);
	ck_assert(probe.running);
	run_loop(FIXTURE_MAX_RUN_S);
	ck_assert_uint_eq(ended, before + 1);
	return outcome.result;
}

static inline void
assert_duration(uint32_t low_ms, uint32_t high_ms)
{
	ck_assert_uint_ge(outcome.duration_us, low_ms * 1000);
	ck_assert_uint_lt(outcome.duration_us, high_ms * 1000);
}

/* A socket of the test's, bound to loopback; *port is its own. */
static inline int
bind_loopback(int family, int type, uint16_t *port)
{
	const bool v4 = family == AF_INET;
	struct sockaddr_in sin = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6,
		.sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct sockaddr *sa = v4 ? (void *)&sin : (void *)&sin6;
	socklen_t len = v4 ? sizeof(sin) : sizeof(sin6);
	const int fd = socket(family, type | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bind(fd, sa, len), 0);
	ck_assert_int_eq(getsockname(fd, sa, &len), 0);
	*port = ntohs(v4 ? sin.sin_port : sin6.sin6_port);
	return fd;
}

static inline void
aim_probe(int family, uint16_t port)
{
	probe.addr = address(family == AF_INET ? "127.0.0.1" : "::1");
	probe.port = port;
}

#endif
