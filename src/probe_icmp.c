/*
 * probe_icmp.c - echo requests to backends and calls to everybody.  Runs in the
 * failover thread.  Requests are collected during a turn of the loop and sent
 * before it sleeps.  An answer is taken only if it carries the number of a
 * running probe and what was drawn for it, and comes from where it was sent.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "loaded/probe_icmp_io.h"
#include "loaded/probe_impl.h"

#define CALL_INDEX UINT32_MAX
#define CALLS_KEPT 16
/* Batches read before the loop goes on: the answers of 16,384 probes. */
#define READS_AT_ONCE 256

struct icmp_socket {
	struct probe_icmp *icmp; /* borrowed */
	ev_io io;
	bool v4;
	uint64_t calls[CALLS_KEPT]; /* nonces, the last first; 0: none */
	TAILQ_HEAD(, probe) waiting;
};

struct probe_icmp {
	struct probe_engine *engine; /* borrowed */
	struct icmp_socket v4, v6;
	ev_prepare prepare;
	uint16_t id;
	uint16_t seq_base; /* seq is this and the number of the probe */
	struct probe_icmp_out out;
	struct probe_icmp_in in;
};

static const char *const codes_v4[] = {
	[0] = "network unreachable",
	[1] = "host unreachable",
	[2] = "protocol unreachable",
	[3] = "port unreachable",
	[4] = "fragmentation needed",
	[5] = "source route failed",
	[6] = "network unknown",
	[7] = "host unknown",
	[8] = "source host isolated",
	[9] = "network administratively prohibited",
	[10] = "host administratively prohibited",
	[11] = "network unreachable for this type of service",
	[12] = "host unreachable for this type of service",
	[13] = "communication administratively prohibited",
	[14] = "host precedence violation",
	[15] = "precedence cutoff in effect",
};

static const char *const codes_v6[] = {
	[0] = "no route to destination",
	[1] = "communication administratively prohibited",
	[2] = "beyond scope of source address",
	[3] = "address unreachable",
	[4] = "port unreachable",
	[5] = "source address failed policy",
	[6] = "reject route to destination",
	[7] = "error in source routing header",
};

static const char *
code_text(uint8_t code, bool v4)
{
	const size_t n = v4 ? sizeof(codes_v4) / sizeof(codes_v4[0]) :
			      sizeof(codes_v6) / sizeof(codes_v6[0]);

	if (code >= n)
		return "unreachable";
	return v4 ? codes_v4[code] : codes_v6[code];
}

static struct icmp_socket *
socket_for(struct probe_icmp *icmp, const struct addr *a)
{
	return addr_is_v4(a) ? &icmp->v4 : &icmp->v6;
}

/* The sent, undecided probe of that number. */
static struct probe *
find(const struct icmp_socket *s, uint32_t number)
{
	struct probe *p = probe_find(s->icmp->engine, number);

	if (p == NULL || p->check->type != CHECK_ICMP || p->failed ||
	    !p->connected || addr_is_v4(&p->addr) != s->v4)
		return NULL;
	return p;
}

static bool
is_for(const struct probe *p, const struct icmp_echo *echo)
{
	return echo->seq == p->seq && echo->nonce == p->nonce;
}

static void
judge_call(const struct icmp_socket *s, const struct icmp_echo *echo,
    const struct addr *from)
{
	const struct probe_engine_conf *conf = &s->icmp->engine->conf;

	for (int i = 0; i < CALLS_KEPT; i++) {
		if (s->calls[i] == 0 || echo->nonce != s->calls[i])
			continue;
		if (conf->found != NULL)
			conf->found(conf->found_arg, from);
		return;
	}
}

static void
judge_reply(const struct icmp_socket *s, const struct icmp_echo *echo,
    const struct addr *from)
{
	struct probe *p = find(s, echo->index);
	struct probe_outcome o = { .result = PROBE_OK };
	char text[ADDR_STRLEN];

	if (p == NULL || !is_for(p, echo))
		return;
	if (!addr_equal(from, &p->addr))
		probe_outcome_set(&o, PROBE_WRONG_ADDRESS,
		    "answer from %s, which is another address",
		    addr_format(from, text));
	probe_end(p, &o);
}

/* A quote may be cut right behind the header (RFC 792): then seq leads to p. */
static void
judge_unreachable(const struct icmp_socket *s, const struct icmp_echo_answer *a,
    const struct addr *from)
{
	const uint32_t number = a->has_payload ?
	    a->echo.index :
	    (uint16_t)(a->echo.seq - s->icmp->seq_base);
	struct probe *p = find(s, number);
	struct probe_outcome o = { 0 };
	char text[ADDR_STRLEN];

	if (p == NULL || a->echo.seq != p->seq ||
	    (a->has_payload && a->echo.nonce != p->nonce) ||
	    !addr_equal(&a->quoted, &p->addr))
		return;
	probe_outcome_set(&o, PROBE_UNREACHABLE, "%s, says %s",
	    code_text(a->code, s->v4), addr_format(from, text));
	probe_end(p, &o);
}

static void
judge(const struct icmp_socket *s, uint32_t i)
{
	const struct probe_icmp_in *in = &s->icmp->in;
	const struct addr from = probe_icmp_io_sender(in, i);
	struct icmp_echo_answer answer;

	icmp_echo_parse(&answer, in->data[i], in->msg[i].msg_len, s->v4);
	if (answer.echo.id != s->icmp->id)
		return;
	if (answer.kind == ICMP_ECHO_UNREACHABLE)
		judge_unreachable(s, &answer, &from);
	else if (answer.kind == ICMP_ECHO_REPLY &&
	    answer.echo.index == CALL_INDEX)
		judge_call(s, &answer.echo, &from);
	else if (answer.kind == ICMP_ECHO_REPLY)
		judge_reply(s, &answer.echo, &from);
}

static void
on_readable(struct ev_loop *loop, ev_io *w, int events)
{
	const struct icmp_socket *s = w->data;

	(void)loop;
	(void)events;
	for (int i = 0; i < READS_AT_ONCE; i++) {
		const uint32_t n = probe_icmp_io_receive(w->fd, &s->icmp->in);

		for (uint32_t k = 0; k < n; k++)
			judge(s, k);
		if (n < PROBE_ICMP_BATCH)
			return;
	}
}

/* A full queue of this machine says nothing about the backend. */
static void
not_sent(struct probe *p, int error)
{
	if (error == EAGAIN || error == ENOBUFS)
		probe_fail_soon(p, PROBE_SKIPPED, "cannot send: %s",
		    strerror(error));
	else
		probe_fail_soon_errno(p, error);
}

static void
send_waiting(struct icmp_socket *s)
{
	struct probe_icmp *icmp = s->icmp;
	struct probe *p;

	while ((p = TAILQ_FIRST(&s->waiting)) != NULL) {
		const struct icmp_echo echo = { .id = icmp->id,
			.seq = p->seq,
			.index = p->number,
			.nonce = p->nonce };

		TAILQ_REMOVE(&s->waiting, p, queue);
		p->queued = false;
		p->connected = true;
		probe_icmp_io_add(&icmp->out, p, &echo);
		if (icmp->out.count == PROBE_ICMP_BATCH)
			probe_icmp_io_send(s->io.fd, &icmp->out, not_sent);
	}
	probe_icmp_io_send(s->io.fd, &icmp->out, not_sent);
}

/* It is stopped, so that a loop without any other watcher may end. */
static void
on_prepare(struct ev_loop *loop, ev_prepare *w, int events)
{
	struct probe_icmp *icmp = w->data;

	(void)events;
	send_waiting(&icmp->v4);
	send_waiting(&icmp->v6);
	ev_prepare_stop(loop, w);
}

static void
start(struct probe *p)
{
	struct probe_icmp *icmp = p->engine->icmp;
	struct icmp_socket *s = socket_for(icmp, &p->addr);

	if (s->io.fd < 0) {
		probe_fail_soon(p, PROBE_SKIPPED, "no socket for ICMP");
		return;
	}
	p->seq = (uint16_t)(icmp->seq_base + p->number);
	p->nonce = probe_random(p->engine);
	p->queued = true;
	TAILQ_INSERT_TAIL(&s->waiting, p, queue);
	ev_prepare_start(p->engine->conf.loop, &icmp->prepare);
}

static void
expired(struct probe *p, struct probe_outcome *o)
{
	probe_outcome_set(o, PROBE_NO_ANSWER, "no echo reply within %u ms",
	    p->check->timeout_ms);
}

static void
stop(struct probe *p)
{
	struct icmp_socket *s = socket_for(p->engine->icmp, &p->addr);

	if (p->queued)
		TAILQ_REMOVE(&s->waiting, p, queue);
	p->queued = false;
}

int
probe_icmp_call(struct probe_engine *e, const struct addr *to,
    const struct addr *from)
{
	struct icmp_socket *s = socket_for(e->icmp, to);
	const struct icmp_echo echo = { .id = e->icmp->id,
		.index = CALL_INDEX,
		.nonce = probe_random(e) };

	if (s->io.fd < 0)
		return -ENOTSOCK;
	memmove(&s->calls[1], &s->calls[0],
	    sizeof(s->calls) - sizeof(s->calls[0]));
	s->calls[0] = echo.nonce;
	return probe_icmp_io_call(s->io.fd, to, from, e->conf.scope, &echo);
}

static void
open_socket(struct probe_icmp *icmp, struct icmp_socket *s, int fd, bool v4)
{
	s->icmp = icmp;
	s->v4 = v4;
	TAILQ_INIT(&s->waiting);
	ev_io_init(&s->io, on_readable, fd, EV_READ);
	s->io.data = s;
	if (fd < 0)
		return;
	probe_icmp_io_setup(fd, v4);
	ev_io_start(icmp->engine->conf.loop, &s->io);
}

struct probe_icmp *
probe_icmp_new(struct probe_engine *e)
{
	struct probe_icmp *icmp = calloc(1, sizeof(*icmp));

	if (icmp == NULL)
		return NULL;
	icmp->engine = e;
	icmp->id = (uint16_t)probe_random(e);
	icmp->seq_base = (uint16_t)probe_random(e);
	ev_prepare_init(&icmp->prepare, on_prepare);
	icmp->prepare.data = icmp;
	open_socket(icmp, &icmp->v4, e->conf.icmp4, true);
	open_socket(icmp, &icmp->v6, e->conf.icmp6, false);
	return icmp;
}

void
probe_icmp_free(struct probe_icmp *icmp)
{
	struct ev_loop *loop = icmp->engine->conf.loop;

	ev_io_stop(loop, &icmp->v4.io);
	ev_io_stop(loop, &icmp->v6.io);
	ev_prepare_stop(loop, &icmp->prepare);
	free(icmp);
}

const struct probe_ops probe_icmp_ops = {
	.start = start,
	.expired = expired,
	.stop = stop,
};
