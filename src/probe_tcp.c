/*
 * probe_tcp.c - checks that connect: tcp, with or without a conversation, and
 * agent.  Runs in the failover thread.  Every connection ends as a client's
 * would: a reset would spare us a port in TIME_WAIT, but servers count them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "loaded/probe_impl.h"

#define FIRST_READ 1024U /* a banner, the head of a reply */
#define QUOTE_LEN 80

static bool
is_agent(const struct probe *p)
{
	return p->check->type == CHECK_AGENT;
}

static bool
wants_answer(const struct probe *p)
{
	return is_agent(p) || probe_expect(p) != NULL;
}

static void
end_ok(struct probe *p)
{
	const struct probe_outcome o = { .result = PROBE_OK };

	probe_end(p, &o);
}

static void
tell_wrong(const struct probe *p, struct probe_outcome *o)
{
	char quote[QUOTE_LEN];

	probe_outcome_set(o, PROBE_WRONG_ANSWER,
	    "answer %s without what was expected",
	    expect_quote(quote, sizeof(quote), p->answer, p->answer_len));
}

static void
end_judged(struct probe *p)
{
	struct probe_outcome o = { 0 };

	if (is_agent(p))
		probe_agent_judge(p, &o);
	else if (p->answer_len == 0)
		probe_outcome_set(&o, PROBE_CONNECTION_CLOSED,
		    "connection closed without an answer");
	else if (!expect_matches(probe_expect(p), p->answer, p->answer_len))
		tell_wrong(p, &o);
	probe_end(p, &o);
}

/* More may come, unless it is decided. */
static bool
is_decided(const struct probe *p)
{
	if (is_agent(p))
		return probe_agent_has_line(p);
	return p->answer_len == PROBE_ANSWER_MAX ||
	    expect_matches(probe_expect(p), p->answer, p->answer_len);
}

/* False: it has ended. */
static bool
make_room(struct probe *p)
{
	const struct probe_outcome o = { .result = PROBE_SKIPPED,
		.text = "out of memory" };
	const uint32_t size = p->answer_size > 0 ? 2 * p->answer_size :
						   FIRST_READ;
	uint8_t *answer;

	if (p->answer_len < p->answer_size)
		return true;
	answer = realloc(p->answer, size);
	if (answer == NULL) {
		probe_end(p, &o);
		return false;
	}
	p->answer = answer;
	p->answer_size = size;
	return true;
}

static void
read_answer(struct probe *p)
{
	ssize_t n;

	if (!make_room(p))
		return;
	n = recv(p->io.fd, p->answer + p->answer_len,
	    p->answer_size - p->answer_len, 0);
	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			probe_end_errno(p, errno);
		return;
	}
	p->answer_len += (uint32_t)n;
	if (n == 0 || is_decided(p))
		end_judged(p);
}

/* True: all of it is on its way. */
static bool
send_rest(struct probe *p)
{
	const struct check_bytes *send_bytes = &p->check->send;
	ssize_t n;

	if (p->sent >= send_bytes->len)
		return true;
	n = send(p->io.fd, send_bytes->b + p->sent, send_bytes->len - p->sent,
	    MSG_NOSIGNAL);
	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			probe_end_errno(p, errno);
		return false;
	}
	p->sent += (uint32_t)n;
	return p->sent == send_bytes->len;
}

/* False: it has ended. */
static bool
finish_connect(struct probe *p)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (p->connected)
		return true;
	if (getsockopt(p->io.fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	/* Who resets right after the handshake has made it, all the same. */
	if (error != 0 &&
	    (error != ECONNRESET || p->check->send.len > 0 ||
		wants_answer(p))) {
		probe_end_errno(p, error);
		return false;
	}
	p->connected = true;
	return true;
}

static void
on_event(struct ev_loop *loop, ev_io *w, int events)
{
	struct probe *p = w->data;

	(void)loop;
	if (!finish_connect(p) || !send_rest(p))
		return;
	if (!wants_answer(p)) {
		end_ok(p);
		return;
	}
	probe_watch(p, EV_READ);
	if (events & EV_READ)
		read_answer(p);
}

static void
start(struct probe *p)
{
	probe_connect(p, SOCK_STREAM, on_event, EV_WRITE);
}

static void
expired(struct probe *p, struct probe_outcome *o)
{
	if (!p->connected)
		probe_outcome_set(o, PROBE_CONNECT_TIMEOUT,
		    "connect timed out after %u ms", p->check->timeout_ms);
	else if (p->answer_len > 0 && !is_agent(p))
		tell_wrong(p, o);
	else
		probe_outcome_set(o, PROBE_NO_ANSWER, "no answer within %u ms",
		    p->check->timeout_ms);
}

const struct probe_ops probe_tcp_ops = {
	.start = start,
	.expired = expired,
};
