/*
 * probe_result.c - the names and texts of what comes of a probe.  Pure; called
 * by whoever probes, and by whoever tells people of it.  Names are stable:
 * metrics and scripts look for them.
 */
#include "loaded/probe_result.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

/* text: for people, when the prober has nothing more precise to say. */
static const struct {
	const char *name, *text;
} results[PROBE_RESULTS] = {
	[PROBE_OK] = { "ok", "ok" },
	[PROBE_SKIPPED] = { "skipped", "the probe could not be made" },
	[PROBE_NO_AGENT] = { "no_agent", "no word from the agent" },
	[PROBE_CONNECT_TIMEOUT] = { "connect_timeout", "connect timed out" },
	[PROBE_CONNECT_REFUSED] = { "connect_refused", "connection refused" },
	[PROBE_UNREACHABLE] = { "unreachable", "no route to the backend" },
	[PROBE_CONNECTION_RESET] = { "connection_reset", "connection reset" },
	[PROBE_CONNECTION_CLOSED] = { "connection_closed",
	    "connection closed before the answer was whole" },
	[PROBE_NO_ANSWER] = { "no_answer", "no answer" },
	[PROBE_WRONG_ANSWER] = { "wrong_answer",
	    "answer without what was expected" },
	[PROBE_WRONG_ADDRESS] = { "wrong_address",
	    "answer from another address" },
	[PROBE_PORT_UNREACHABLE] = { "port_unreachable", "port unreachable" },
	[PROBE_DNS_MALFORMED] = { "dns_malformed", "answer is no DNS message" },
	[PROBE_DNS_RCODE] = { "dns_rcode", "DNS rcode not as expected" },
	[PROBE_DNS_ANSWER] = { "dns_answer",
	    "DNS answer without what was expected" },
	[PROBE_HTTP_STATUS] = { "http_status", "http status not as expected" },
	[PROBE_HTTP_BODY] = { "http_body",
	    "http body without what was expected" },
	[PROBE_HTTP_PROTOCOL] = { "http_protocol", "answer is no HTTP" },
	[PROBE_TLS_HANDSHAKE] = { "tls_handshake", "TLS handshake failed" },
	[PROBE_CERTIFICATE_EXPIRED] = { "certificate_expired",
	    "certificate expired" },
	[PROBE_CERTIFICATE_NAME] = { "certificate_name",
	    "certificate for another name" },
	[PROBE_CERTIFICATE_UNTRUSTED] = { "certificate_untrusted",
	    "certificate not signed by a trusted authority" },
	[PROBE_EXEC_STATUS] = { "exec_status", "program says no" },
	[PROBE_EXEC_SIGNAL] = { "exec_signal", "program ended by a signal" },
	[PROBE_EXEC_TIMEOUT] = { "exec_timeout", "program timed out" },
	[PROBE_EXEC_FAILED] = { "exec_failed", "program can't be run" },
	[PROBE_AGENT_DOWN] = { "agent_down", "agent says down" },
};

const char *
probe_result_name(enum probe_result result)
{
	return result < PROBE_RESULTS ? results[result].name : "unknown";
}

bool
probe_result_is_neutral(enum probe_result result)
{
	return result == PROBE_SKIPPED || result == PROBE_NO_AGENT;
}

/* The builtin is vsnprintf() without <stdio.h> and the I/O it brings along. */
void
probe_outcome_set(struct probe_outcome *o, enum probe_result result,
    const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	__builtin_vsnprintf(o->text, sizeof(o->text), fmt, args);
	va_end(args);
	o->result = result;
	if (o->text[0] == '\0' && result < PROBE_RESULTS)
		strncpy(o->text, results[result].text, sizeof(o->text) - 1);
}

/* EINVAL is what a blackhole route answers. */
static const struct {
	int error;
	enum probe_result result;
	const char *text; /* NULL: the error's own */
} meanings[] = {
	{ ECONNREFUSED, PROBE_CONNECT_REFUSED, "connection refused" },
	{ ECONNRESET, PROBE_CONNECTION_RESET, "connection reset" },
	{ EPIPE, PROBE_CONNECTION_RESET, "connection reset" },
	{ ETIMEDOUT, PROBE_CONNECT_TIMEOUT, "connect timed out" },
	{ EPERM, PROBE_UNREACHABLE, "not permitted by a local rule" },
	{ EACCES, PROBE_UNREACHABLE, "not permitted by a local rule" },
	{ EHOSTUNREACH, PROBE_UNREACHABLE, NULL },
	{ ENETUNREACH, PROBE_UNREACHABLE, NULL },
	{ EHOSTDOWN, PROBE_UNREACHABLE, NULL },
	{ ENETDOWN, PROBE_UNREACHABLE, NULL },
	{ ENONET, PROBE_UNREACHABLE, NULL },
	{ EPROTO, PROBE_UNREACHABLE, NULL },
	{ ENOPROTOOPT, PROBE_UNREACHABLE, NULL },
	{ EINVAL, PROBE_UNREACHABLE, NULL },
};

void
probe_outcome_set_errno(struct probe_outcome *o, int error)
{
	for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++) {
		if (meanings[i].error != error)
			continue;
		if (meanings[i].text != NULL)
			probe_outcome_set(o, meanings[i].result, "%s",
			    meanings[i].text);
		else
			probe_outcome_set(o, meanings[i].result,
			    "unreachable: %s", strerror(error));
		return;
	}
	probe_outcome_set(o, PROBE_SKIPPED, "%s", strerror(error));
}
