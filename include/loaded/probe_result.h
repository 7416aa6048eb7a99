/*
 * probe_result.h - what came of one probe: a result with a name of its own,
 * and a text for people.  Pure data.
 */
#ifndef LOADED_PROBE_RESULT_H
#define LOADED_PROBE_RESULT_H

#include <stdbool.h>
#include <stdint.h>

#include "loaded/agent_line.h"

#define PROBE_TEXT_LEN 192

enum probe_result {
	PROBE_OK,
	/* Says nothing about the backend; no verdict hears of it. */
	PROBE_SKIPPED,  /* ours: no descriptor, no memory, no checker */
	PROBE_NO_AGENT, /* the agent can't be reached or understood */
	/* Failures. */
	PROBE_CONNECT_TIMEOUT,
	PROBE_CONNECT_REFUSED,
	PROBE_UNREACHABLE, /* no route, or an ICMP error says so */
	PROBE_CONNECTION_RESET,
	PROBE_CONNECTION_CLOSED, /* before the answer was whole */
	PROBE_NO_ANSWER,         /* connected or sent, nothing came in time */
	PROBE_WRONG_ANSWER,      /* not what was expected */
	PROBE_WRONG_ADDRESS,     /* somebody else answered */
	PROBE_PORT_UNREACHABLE,
	PROBE_DNS_MALFORMED,
	PROBE_DNS_RCODE,
	PROBE_DNS_ANSWER,
	PROBE_HTTP_STATUS,
	PROBE_HTTP_BODY,
	PROBE_HTTP_PROTOCOL, /* what came is no HTTP */
	PROBE_TLS_HANDSHAKE,
	PROBE_CERTIFICATE_EXPIRED,
	PROBE_CERTIFICATE_NAME,
	PROBE_CERTIFICATE_UNTRUSTED,
	PROBE_EXEC_STATUS,
	PROBE_EXEC_SIGNAL,
	PROBE_EXEC_TIMEOUT,
	PROBE_EXEC_FAILED, /* the program can't be run */
	PROBE_AGENT_DOWN,
	PROBE_RESULTS
};

struct probe_outcome {
	enum probe_result result;
	uint32_t duration_us;
	char text[PROBE_TEXT_LEN]; /* "connect timed out after 1000 ms" */
	bool has_agent;            /* CHECK_AGENT, and it spoke */
	struct agent_line agent;
};

/* "connect_timeout": for metrics and logs; stable. */
const char *probe_result_name(enum probe_result result);

/* Neither good nor bad for the backend? */
bool probe_result_is_neutral(enum probe_result result);

/*
 * Sets result and text, nothing else; an empty text ("%s", "") is replaced by
 * what stands for the result by itself.
 */
__attribute__((format(printf, 3, 4))) void probe_outcome_set(
    struct probe_outcome *o, enum probe_result result, const char *fmt, ...);

/*
 * What the error of a connection means for whom it went to (positive); one
 * that is not known to come from the network is a trouble of ours.  A rule of
 * this machine that forbids it (EPERM) is not: it may forbid clients, too.
 */
void probe_outcome_set_errno(struct probe_outcome *o, int error);

#endif
