/*
 * supervisor_requests.c - what the failover thread asks the supervisor for: to
 * run the program of an exec check, to take in or give up a discovered
 * backend.  Nothing in a request is believed; what is run stands in the
 * supervisor's own table.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "loaded/log.h"
#include "loaded/supervisor_impl.h"

/* So that nobody who floods us keeps us from signals and timers. */
#define REQUESTS_AT_ONCE 64

static void
send_result(struct supervisor *s, uint32_t id, uint32_t run,
    const struct probe_outcome *o)
{
	struct message m = {
		.type = MESSAGE_RESULT,
		.generation = s->generation,
		.id = id,
		.run = run,
		.result = o->result,
		.duration_us = o->duration_us,
	};

	memcpy(m.text, o->text, sizeof(m.text));
	/* A result that does not get through counts as none. */
	(void)message_send(s->requests[END_SUPERVISOR], &m, -1);
}

static void
on_exec_done(void *arg, const struct exec_job *job,
    const struct probe_outcome *o)
{
	send_result(arg, job->id, job->run, o);
}

static void
skip(struct supervisor *s, const struct message *m, const char *why)
{
	struct probe_outcome o = { .duration_us = 0 };

	probe_outcome_set(&o, PROBE_SKIPPED, "%s", why);
	send_result(s, m->id, m->run, &o);
}

static const char *
protocol_name(uint8_t proto)
{
	switch (proto) {
	case IPPROTO_TCP:
		return "tcp";
	case IPPROTO_UDP:
		return "udp";
	default:
		return "-";
	}
}

static void
run_program(struct supervisor *s, const struct message *m)
{
	const struct table *t = s->table;
	const struct sched_member *member = table_find_member(t, m->slot);
	const struct table_backend *b;
	const struct check *check;
	char vip[ADDR_STRLEN] = "-", backend[ADDR_STRLEN];
	struct exec_job job = { .id = m->id, .run = m->run };

	if (m->generation != s->generation || member == NULL) {
		skip(s, m, "the table has changed");
		return;
	}
	b = &table_backends(t)[member - table_members(t)];
	if (m->check - b->first_check >= b->nchecks ||
	    table_check(t, m->check)->type != CHECK_EXEC) {
		skip(s, m, "no such program");
		return;
	}
	if (exec_runner_is_full(s->exec)) {
		skip(s, m, "too many programs run");
		return;
	}
	check = table_check(t, m->check);
	if (b->vip != TABLE_NO_ADDR)
		addr_format(&table_addr_by_id(t, b->vip)->addr, vip);
	job.program = check->program;
	job.user = check->user;
	job.vip = vip;
	job.backend = addr_format(&member->addr, backend);
	job.protocol = protocol_name(b->vip_proto);
	job.port = table_check_port(t, (uint32_t)(member - table_members(t)),
	    check);
	job.timeout_ms = check->timeout_ms;
	exec_check_start(s->exec, &job);
}

static void
on_request(struct ev_loop *loop, ev_io *w, int events)
{
	struct supervisor *s = w->data;
	struct message m;
	int fd, error = 0;

	(void)loop;
	(void)events;
	for (int i = 0; i < REQUESTS_AT_ONCE; i++) {
		error = message_receive(w->fd, &m, &fd);
		if (error != 0)
			break;
		if (fd >= 0)
			close(fd);
		if (m.type == MESSAGE_PROBE)
			run_program(s, &m);
		else if (m.type == MESSAGE_FOUND)
			supervisor_take_found(s, &m);
		else if (m.type == MESSAGE_LOST)
			supervisor_take_lost(s, &m);
	}
	if (error == -EBADMSG)
		log_warn("a request that is none was ignored");
}

bool
supervisor_serve_requests(struct supervisor *s)
{
	s->exec = exec_runner_new(s->loop, on_exec_done, s);
	if (s->exec == NULL) {
		log_errno(ENOMEM, "cannot run programs");
		return false;
	}
	ev_io_init(&s->requests_io, on_request, s->requests[END_SUPERVISOR],
	    EV_READ);
	s->requests_io.data = s;
	ev_io_start(s->loop, &s->requests_io);
	return true;
}
