/*
 * checker.c - the process that reads what web servers answer.  It has one
 * thread and one loop, no capability and no file; what it knows comes from the
 * supervisor (tables) and from failover (requests), and it trusts neither a
 * request's numbers nor a server's bytes.
 */
#include "loaded/checker.h"

#include <errno.h>
#include <ev.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "loaded/clock.h"
#include "loaded/http_check.h"
#include "loaded/log.h"
#include "loaded/message.h"
#include "loaded/segment.h"
#include "loaded/signals.h"

/* Of one channel at a time, so that the pulse goes on. */
#define MESSAGES_MAX 64

struct state {
	const struct checker *conf; /* borrowed */
	struct ev_loop *loop;
	struct http_engine *engine;
	const struct table *table; /* conf's, or mapped here */
	ev_io control, checks, signals;
	ev_timer beat;
	struct log_limit refused, lost;
	int status;
};

static void
end(struct state *s, int status)
{
	s->status = status;
	ev_break(s->loop, EVBREAK_ALL);
}

static void
on_beat(struct ev_loop *loop, ev_timer *timer, int events)
{
	const struct state *s = timer->data;

	(void)loop, (void)events;
	atomic_store_explicit(&s->conf->pulse->beat_ns, clock_now_ns(),
	    memory_order_relaxed);
}

static void
on_signal(struct ev_loop *loop, ev_io *io, int events)
{
	(void)loop, (void)events;
	end(io->data, EXIT_SUCCESS);
}

/* --- results ----------------------------------------------------------- */

/* A result that is lost is no misfortune: failover has timers of its own. */
static void
answer(struct state *s, struct message *m, const struct probe_outcome *o)
{
	int error;

	m->type = MESSAGE_RESULT;
	m->result = o->result;
	m->duration_us = o->duration_us;
	memcpy(m->text, o->text, sizeof(m->text));
	error = message_send(s->conf->checks, m, -1);
	if (error != 0)
		log_limited(LOG_LEVEL_WARN, &s->lost, clock_now_ns(),
		    "cannot tell a result: %s", strerror(-error));
}

static void
on_done(void *arg, const struct http_request *r, const struct probe_outcome *o)
{
	struct state *s = arg;
	struct message m = {
		.generation = s->table->generation,
		.id = r->id,
		.run = r->run,
		.check = r->check_index,
		.addr = r->addr,
	};

	answer(s, &m, o);
}

/* --- requests ---------------------------------------------------------- */

/* NULL and the request filled in, or why it can't be done. */
static const char *
read_probe(const struct state *s, const struct message *m,
    struct http_request *r)
{
	const struct table *t = s->table;
	const struct sched_member *member;
	const struct check *check;

	if (m->generation != t->generation)
		return "the checker has another table";
	if (m->check >= t->nchecks)
		return "no such check";
	check = table_check(t, m->check);
	if (check->type != CHECK_HTTP && check->type != CHECK_HTTPS)
		return "not a check of the checker";
	member = table_find_member(t, m->slot);
	if (member == NULL)
		return "no such backend";
	*r = (struct http_request){
		.check = check,
		.check_index = m->check,
		.addr = m->addr,
		.port = table_check_port(t,
		    (uint32_t)(member - table_members(t)), check),
		.scope = s->conf->scope,
		.fd = -1,
		.id = m->id,
		.run = m->run,
	};
	return r->port == 0 ? "no port to connect to" : NULL;
}

static void
take_probe(struct state *s, const struct message *m, int fd)
{
	struct probe_outcome o = { .result = PROBE_SKIPPED };
	struct message reply = *m;
	struct http_request r;
	const char *why = read_probe(s, m, &r);

	if (why == NULL) {
		r.fd = fd;
		http_check_start(s->engine, &r);
		return;
	}
	if (fd >= 0)
		close(fd);
	probe_outcome_set(&o, PROBE_SKIPPED, "%s", why);
	answer(s, &reply, &o);
}

/* --- tables ------------------------------------------------------------ */

static void
use_table(struct state *s)
{
	const int error = http_engine_use(s->engine, s->table);

	if (error == -ENOENT)
		log_warn("a CA file can't be read: checks that need it are "
			 "skipped");
	else if (error != 0)
		log_errno(-error, "cannot prepare the checks");
}

static void
take_table(struct state *s, int fd)
{
	const struct table *old = s->table, *table = segment_map_table(fd);

	if (table == NULL) {
		log_errno(errno, "cannot take the new table");
		return;
	}
	s->table = table;
	use_table(s);
	if (old != s->conf->table)
		segment_unmap(old, old->size);
}

/* --- channels ---------------------------------------------------------- */

/* True if there may be more. */
static bool
receive_control(struct state *s)
{
	struct message m;
	int fd;
	const int error = message_receive(s->conf->control, &m, &fd);

	if (error == -EPIPE)
		end(s, EXIT_SUCCESS);
	if (error == 0 && m.type == MESSAGE_TABLE && fd >= 0)
		take_table(s, fd);
	if (fd >= 0)
		close(fd);
	return error == 0;
}

static void
on_control(struct ev_loop *loop, ev_io *io, int events)
{
	int left = MESSAGES_MAX;

	(void)loop, (void)events;
	while (left > 0 && receive_control(io->data))
		left--;
}

/* True if there may be more. */
static bool
receive_probe(struct state *s)
{
	struct message m;
	int fd;
	const int error = message_receive(s->conf->checks, &m, &fd);

	if (error == -EPIPE) {
		/* Who asks is gone; the supervisor will say what follows. */
		ev_io_stop(s->loop, &s->checks);
		return false;
	}
	if (error == 0 && m.type == MESSAGE_PROBE) {
		take_probe(s, &m, fd);
		return true;
	}
	if (fd >= 0)
		close(fd);
	if (error == 0 || error == -EBADMSG)
		log_limited(LOG_LEVEL_WARN, &s->refused, clock_now_ns(),
		    "a request that is none was ignored");
	return error == 0 || error == -EBADMSG;
}

static void
on_checks(struct ev_loop *loop, ev_io *io, int events)
{
	int left = MESSAGES_MAX;

	(void)loop, (void)events;
	while (left > 0 && receive_probe(io->data))
		left--;
}

/* --- start ------------------------------------------------------------- */

/* All that needs files is done before they are out of reach. */
static bool
prepare(struct state *s)
{
	char error[SANDBOX_ERROR_LEN];

	s->loop = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV);
	if (s->loop != NULL)
		s->engine = http_engine_new(s->loop, on_done, s);
	if (s->engine == NULL) {
		log_err("cannot load libcurl");
		return false;
	}
	use_table(s);
	if (sandbox_enter(s->conf->sandbox, error) != 0) {
		log_err("%s", error);
		return false;
	}
	return true;
}

static void
watch(struct state *s, ev_io *io, void (*call)(struct ev_loop *, ev_io *, int),
    int fd)
{
	ev_io_init(io, call, fd, EV_READ);
	io->data = s;
	ev_io_start(s->loop, io);
}

/* Until end() is called. */
static void
serve(struct state *s, int signals)
{
	const double beat = CHECKER_BEAT_MS / 1000.0;

	watch(s, &s->signals, on_signal, signals);
	watch(s, &s->control, on_control, s->conf->control);
	watch(s, &s->checks, on_checks, s->conf->checks);
	ev_timer_init(&s->beat, on_beat, 0, beat);
	s->beat.data = s;
	ev_timer_start(s->loop, &s->beat);
	ev_run(s->loop, 0);
}

static void
finish(struct state *s)
{
	http_engine_free(s->engine);
	if (s->loop != NULL)
		ev_loop_destroy(s->loop);
	if (s->table != s->conf->table)
		segment_unmap(s->table, s->table->size);
}

int
checker_run(const struct checker *c)
{
	const struct message ready = { .type = MESSAGE_READY };
	struct state s = { .conf = c,
		.table = c->table,
		.status = EXIT_FAILURE };
	int signals;

	log_role("checker");
	prctl(PR_SET_NAME, "checker", 0, 0, 0);
	signals = signals_open();
	if (signals < 0) {
		log_errno(errno, "cannot wait for signals");
		return EXIT_FAILURE;
	}
	if (prepare(&s) && message_send(c->control, &ready, -1) == 0)
		serve(&s, signals);
	finish(&s);
	close(signals);
	return s.status;
}
