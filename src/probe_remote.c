/*
 * probe_remote.c - checks that another process runs: http and https the
 * checker, exec the supervisor.  Runs in the failover thread.  An answer is
 * taken for the probe and the run it names and for no other; what a process
 * in trouble leaves unanswered says nothing about the backend.
 */
#include <errno.h>
#include <unistd.h>

#include "loaded/probe_impl.h"
#include "loaded/table.h"

#define GRACE_MS 2000U
#define RECEIVE_AT_ONCE 64

static const char *const peers[PROBE_CHANNELS] = {
	[PROBE_CHECKER] = "the checker",
	[PROBE_SUPERVISOR] = "the supervisor",
};

static unsigned int
channel_of(const struct probe *p)
{
	return p->check->type == CHECK_EXEC ? PROBE_SUPERVISOR : PROBE_CHECKER;
}

/* The checker may not set a mark: it gets a socket that has one. */
static int
send_request(const struct probe *p, const struct probe_channel *c,
    const struct message *m)
{
	int fd, error;

	if (p->mark == 0 || channel_of(p) != PROBE_CHECKER)
		return message_send(c->io.fd, m, -1);
	fd = probe_socket(p, SOCK_STREAM);
	if (fd < 0)
		return fd;
	error = message_send(c->io.fd, m, fd);
	close(fd);
	return error;
}

static void
start(struct probe *p)
{
	struct probe_engine *e = p->engine;
	const struct probe_channel *c = &e->channel[channel_of(p)];
	const struct message m = {
		.type = MESSAGE_PROBE,
		.generation = e->table != NULL ? e->table->generation : 0,
		.id = p->number,
		.run = ++e->run,
		.slot = p->slot,
		.check = p->check_index,
		.addr = p->addr,
	};
	int error = -EPIPE;

	p->nonce = m.run;
	if (c->io.fd >= 0 && !c->gone)
		error = send_request(p, c, &m);
	if (error == -EPIPE || error == -EAGAIN)
		probe_fail_soon(p, PROBE_SKIPPED, "%s %s", peers[channel_of(p)],
		    error == -EAGAIN ? "is too slow" : "is not there");
	else if (error != 0)
		probe_fail_soon_errno(p, -error);
}

static void
expired(struct probe *p, struct probe_outcome *o)
{
	probe_outcome_set(o, PROBE_SKIPPED, "%s does not answer",
	    peers[channel_of(p)]);
}

static void
take_result(const struct probe_channel *c, const struct message *m)
{
	struct probe *p = probe_find(c->engine, m->id);
	struct probe_outcome o = { .duration_us = m->duration_us };

	if (p == NULL || p->failed || probe_ops(p) != &probe_remote_ops ||
	    &c->engine->channel[channel_of(p)] != c || p->nonce != m->run ||
	    m->result >= PROBE_RESULTS)
		return;
	probe_outcome_set(&o, (enum probe_result)m->result, "%s", m->text);
	probe_end(p, &o);
}

static void
on_readable(struct ev_loop *loop, ev_io *w, int events)
{
	struct probe_channel *c = w->data;
	struct message m;
	int fd, error = 0;

	(void)events;
	for (int i = 0; i < RECEIVE_AT_ONCE; i++) {
		error = message_receive(w->fd, &m, &fd);
		if (fd >= 0)
			close(fd);
		if (error == 0 && m.type == MESSAGE_RESULT)
			take_result(c, &m);
		else if (error != 0 && error != -EBADMSG)
			break;
	}
	if (error != 0 && error != -EBADMSG && error != -EAGAIN) {
		c->gone = true;
		ev_io_stop(loop, w);
	}
}

static void
open_channel(struct probe_engine *e, struct probe_channel *c, int fd)
{
	c->engine = e;
	ev_io_init(&c->io, on_readable, fd, EV_READ);
	c->io.data = c;
	if (fd >= 0)
		ev_io_start(e->conf.loop, &c->io);
}

void
probe_remote_open(struct probe_engine *e)
{
	open_channel(e, &e->channel[PROBE_CHECKER], e->conf.checker);
	open_channel(e, &e->channel[PROBE_SUPERVISOR], e->conf.supervisor);
}

void
probe_remote_close(struct probe_engine *e)
{
	for (int i = 0; i < PROBE_CHANNELS; i++)
		ev_io_stop(e->conf.loop, &e->channel[i].io);
}

const struct probe_ops probe_remote_ops = {
	.start = start,
	.expired = expired,
	.grace_ms = GRACE_MS,
};
