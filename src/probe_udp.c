/*
 * probe_udp.c - checks by datagram: udp and dns.  Runs in the failover thread.
 * The sockets are connected, so that the kernel lets in only what comes from
 * the backend and tells of ICMP errors.
 */
#include <errno.h>
#include <string.h>

#include "loaded/dns_msg.h"
#include "loaded/probe_impl.h"

#define QUOTE_LEN 80

static bool
is_dns(const struct probe *p)
{
	return p->check->type == CHECK_DNS;
}

static void
judge_dns(const struct probe *p, struct probe_outcome *o, const uint8_t *data,
    size_t len, bool *ours)
{
	static const enum probe_result results[] = {
		[DNS_MSG_OK] = PROBE_OK,
		[DNS_MSG_MALFORMED] = PROBE_DNS_MALFORMED,
		[DNS_MSG_NOT_OURS] = PROBE_OK,
		[DNS_MSG_BAD_RCODE] = PROBE_DNS_RCODE,
		[DNS_MSG_BAD_ANSWER] = PROBE_DNS_ANSWER,
	};
	char text[DNS_MSG_TEXT_LEN] = "";
	const enum dns_msg_result result = dns_msg_judge(data, len, p->seq,
	    p->check, text);

	*ours = result != DNS_MSG_NOT_OURS;
	probe_outcome_set(o, results[result], "%s", text);
}

static void
judge_udp(const struct probe *p, struct probe_outcome *o, const uint8_t *data,
    size_t len)
{
	char quote[QUOTE_LEN];

	if (!expect_matches(probe_expect(p), data, len))
		probe_outcome_set(o, PROBE_WRONG_ANSWER,
		    "answer %s without what was expected",
		    expect_quote(quote, sizeof(quote), data, len));
}

static void
on_readable(struct ev_loop *loop, ev_io *w, int events)
{
	struct probe *p = w->data;
	struct probe_outcome o = { 0 };
	uint8_t data[PROBE_ANSWER_MAX];
	bool ours = true;
	ssize_t n;

	(void)loop;
	(void)events;
	n = recv(p->io.fd, data, is_dns(p) ? DNS_MSG_MAX : sizeof(data), 0);
	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			probe_end_errno(p, errno);
		return;
	}
	if (is_dns(p))
		judge_dns(p, &o, data, (size_t)n, &ours);
	else
		judge_udp(p, &o, data, (size_t)n);
	if (ours)
		probe_end(p, &o);
}

/* All ICMP errors, not only that of the port. */
static void
want_errors(const struct probe *p)
{
	const int on = 1;

	if (addr_is_v4(&p->addr))
		setsockopt(p->io.fd, IPPROTO_IP, IP_RECVERR, &on, sizeof(on));
	else
		setsockopt(p->io.fd, IPPROTO_IPV6, IPV6_RECVERR, &on,
		    sizeof(on));
}

static void
send_datagram(struct probe *p, const uint8_t *data, size_t len)
{
	if (send(p->io.fd, data, len, MSG_NOSIGNAL) < 0)
		probe_fail_soon_errno(p, errno);
}

static void
send_query(struct probe *p)
{
	uint8_t query[DNS_MSG_QUERY_MAX];
	size_t len;

	p->seq = (uint16_t)probe_random(p->engine);
	len = dns_msg_query(query, p->seq, p->check->name, p->check->record);
	if (len > 0)
		send_datagram(p, query, len);
	else
		probe_fail_soon(p, PROBE_SKIPPED, "\"%s\" is no domain name",
		    p->check->name);
}

static void
start(struct probe *p)
{
	if (!probe_connect(p, SOCK_DGRAM, on_readable, EV_READ))
		return;
	want_errors(p);
	if (is_dns(p))
		send_query(p);
	else
		send_datagram(p, p->check->send.b, p->check->send.len);
}

/* A service of which nothing is expected may be silent. */
static void
expired(struct probe *p, struct probe_outcome *o)
{
	if (is_dns(p) || probe_expect(p) != NULL)
		probe_outcome_set(o, PROBE_NO_ANSWER, "no answer within %u ms",
		    p->check->timeout_ms);
}

const struct probe_ops probe_udp_ops = {
	.start = start,
	.expired = expired,
};
