/*
 * http_result.c - what the end of an HTTP transfer says about the backend.
 * Run by the checker.  What is our own fault (no socket, no memory) must not
 * count against anybody: PROBE_SKIPPED.
 */
#include "loaded/http_impl.h"

#include <errno.h>
#include <openssl/x509_vfy.h>
#include <stdio.h>
#include <string.h>

#define RANGES_LEN (CHECK_STATUSES * sizeof("100-599,"))
#define QUOTE_LEN 80
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* What needs no closer look; the text goes before libcurl's. */
static const struct {
	CURLcode code;
	enum probe_result result;
	const char *text;
} simple[] = {
	{ CURLE_UNSUPPORTED_PROTOCOL, PROBE_HTTP_PROTOCOL, "not HTTP" },
	{ CURLE_WEIRD_SERVER_REPLY, PROBE_HTTP_PROTOCOL, "not HTTP" },
	{ CURLE_GOT_NOTHING, PROBE_CONNECTION_CLOSED, "connection closed" },
	{ CURLE_PARTIAL_FILE, PROBE_CONNECTION_CLOSED, "connection closed" },
	{ CURLE_SSL_CONNECT_ERROR, PROBE_TLS_HANDSHAKE,
	    "TLS handshake failed" },
	{ CURLE_SSL_CERTPROBLEM, PROBE_TLS_HANDSHAKE, "TLS handshake failed" },
	{ CURLE_SSL_CIPHER, PROBE_TLS_HANDSHAKE, "TLS handshake failed" },
	{ CURLE_SSL_CACERT_BADFILE, PROBE_SKIPPED, "CA file is no good" },
	{ CURLE_URL_MALFORMAT, PROBE_SKIPPED, "host or path is no good" },
	{ CURLE_OUT_OF_MEMORY, PROBE_SKIPPED, "out of memory" },
};

static long
get_number(const struct http_transfer *t, CURLINFO info)
{
	long value = 0;

	curl_easy_getinfo(t->easy, info, &value);
	return value;
}

/* libcurl's own words, which may quote the backend's: printable only. */
static const char *
details(const struct http_transfer *t, CURLcode code,
    char text[static CURL_ERROR_SIZE])
{
	const char *from = t->error[0] != '\0' ? t->error :
						 curl_easy_strerror(code);
	size_t i;

	for (i = 0; i + 1 < CURL_ERROR_SIZE && from[i] != '\0'; i++)
		text[i] = from[i] >= ' ' && from[i] <= '~' ? from[i] : '.';
	text[i] = '\0';
	return text;
}

static bool
status_is_good(const struct check_statuses *s, long status)
{
	uint16_t i;

	for (i = 0; i < s->count && i < CHECK_STATUSES; i++) {
		if (status >= s->range[i].low && status <= s->range[i].high)
			return true;
	}
	return false;
}

/* "200-299,304" */
static const char *
format_statuses(char text[static RANGES_LEN], const struct check_statuses *s)
{
	size_t used = 0;
	uint16_t i;

	text[0] = '\0';
	for (i = 0; i < s->count && i < CHECK_STATUSES; i++) {
		const unsigned int low = s->range[i].low;
		const unsigned int high = s->range[i].high;
		const char *comma = i > 0 ? "," : "";

		if (used >= RANGES_LEN)
			break;
		if (low == high)
			used += (size_t)snprintf(text + used, RANGES_LEN - used,
			    "%s%u", comma, low);
		else
			used += (size_t)snprintf(text + used, RANGES_LEN - used,
			    "%s%u-%u", comma, low, high);
	}
	return text;
}

static void
judge_answer(const struct http_transfer *t, struct probe_outcome *o)
{
	const struct check_statuses *wanted = &t->request.check->status;
	const long status = get_number(t, CURLINFO_RESPONSE_CODE);
	char ranges[RANGES_LEN], quote[QUOTE_LEN];

	if (!status_is_good(wanted, status))
		probe_outcome_set(o, PROBE_HTTP_STATUS,
		    "http status %ld, expected %s", status,
		    format_statuses(ranges, wanted));
	else if (!expect_matches(t->expect, t->body, t->body_len))
		probe_outcome_set(o, PROBE_HTTP_BODY,
		    "http body %s without what was expected",
		    expect_quote(quote, sizeof(quote), t->body, t->body_len));
	else
		probe_outcome_set(o, PROBE_OK, "http status %ld", status);
}

static void
judge_timeout(const struct http_transfer *t, struct probe_outcome *o)
{
	const unsigned int ms = t->request.check->timeout_ms;
	curl_off_t connected = 0;

	curl_easy_getinfo(t->easy, CURLINFO_CONNECT_TIME_T, &connected);
	if (connected == 0)
		probe_outcome_set(o, PROBE_CONNECT_TIMEOUT,
		    "connect timed out after %u ms", ms);
	else
		probe_outcome_set(o, PROBE_NO_ANSWER, "no answer within %u ms",
		    ms);
}

/* There was no connection; as tcp checks have it. */
static void
judge_connect(const struct http_transfer *t, struct probe_outcome *o)
{
	const int error = t->socket_error != 0 ?
	    t->socket_error :
	    (int)get_number(t, CURLINFO_OS_ERRNO);
	char text[CURL_ERROR_SIZE];

	if (error != 0)
		probe_outcome_set_errno(o, error);
	else
		probe_outcome_set(o, PROBE_SKIPPED, "%s",
		    details(t, CURLE_COULDNT_CONNECT, text));
}

/* libcurl's text without what it begins with anyway. */
static const char *
certificate_problem(const struct http_transfer *t,
    char text[static CURL_ERROR_SIZE])
{
	static const char prefix[] = "SSL certificate problem: ";

	details(t, CURLE_PEER_FAILED_VERIFICATION, text);
	if (strncmp(text, prefix, strlen(prefix)) == 0)
		return text + strlen(prefix);
	return text;
}

/*
 * libcurl compares the name itself once OpenSSL is content, and leaves the
 * number as it was before the handshake.
 */
static void
judge_certificate(const struct http_transfer *t, struct probe_outcome *o)
{
	const struct http_request *r = &t->request;
	const long why = get_number(t, CURLINFO_SSL_VERIFYRESULT);
	char text[CURL_ERROR_SIZE], address[ADDR_STRLEN];

	if (why == X509_V_ERR_CERT_HAS_EXPIRED)
		probe_outcome_set(o, PROBE_CERTIFICATE_EXPIRED,
		    "certificate expired");
	else if (why == X509_V_ERR_CERT_NOT_YET_VALID)
		probe_outcome_set(o, PROBE_CERTIFICATE_EXPIRED,
		    "certificate not yet valid");
	else if (why != 0 && why != X509_V_ERR_UNSPECIFIED)
		probe_outcome_set(o, PROBE_CERTIFICATE_UNTRUSTED,
		    "certificate not trusted: %s",
		    certificate_problem(t, text));
	else
		probe_outcome_set(o, PROBE_CERTIFICATE_NAME,
		    "certificate is not for %s",
		    r->check->host[0] != '\0' ? r->check->host :
						addr_format(&r->addr, address));
}

/*
 * While sending or reading.  libcurl has one code for all that, and for a TLS
 * connection or bad chunks nothing but its text tells what it was.
 */
static void
judge_broken(const struct http_transfer *t, CURLcode code,
    struct probe_outcome *o)
{
	const long error = get_number(t, CURLINFO_OS_ERRNO);
	char text[CURL_ERROR_SIZE];

	if (error == ECONNRESET || error == EPIPE ||
	    strstr(t->error, "reset by peer") != NULL)
		probe_outcome_set(o, PROBE_CONNECTION_RESET,
		    "connection reset");
	else if (strstr(t->error, "chunked-encoding") != NULL)
		probe_outcome_set(o, PROBE_HTTP_PROTOCOL, "not HTTP: %s",
		    details(t, code, text));
	else
		probe_outcome_set(o, PROBE_CONNECTION_CLOSED,
		    "connection broken: %s", details(t, code, text));
}

static void
judge_simple(const struct http_transfer *t, CURLcode code,
    struct probe_outcome *o)
{
	char text[CURL_ERROR_SIZE];
	size_t i;

	for (i = 0; i < ARRAY_LEN(simple); i++) {
		if (simple[i].code == code) {
			probe_outcome_set(o, simple[i].result, "%s: %s",
			    simple[i].text, details(t, code, text));
			return;
		}
	}
	probe_outcome_set(o, PROBE_HTTP_PROTOCOL, "%s", details(t, code, text));
}

/* A callback of ours said stop. */
static void
judge_stopped(const struct http_transfer *t, struct probe_outcome *o)
{
	if (t->cut)
		judge_answer(t, o);
	else if (t->header_len > HTTP_HEADERS_MAX)
		probe_outcome_set(o, PROBE_HTTP_PROTOCOL,
		    "more than %u bytes of headers", HTTP_HEADERS_MAX);
	else
		probe_outcome_set(o, PROBE_SKIPPED, "out of memory");
}

void
http_judge(const struct http_transfer *t, CURLcode code,
    struct probe_outcome *o)
{
	switch ((int)code) {
	case CURLE_OK:
		judge_answer(t, o);
		break;
	case CURLE_WRITE_ERROR:
		judge_stopped(t, o);
		break;
	case CURLE_OPERATION_TIMEDOUT:
		judge_timeout(t, o);
		break;
	case CURLE_COULDNT_CONNECT:
		judge_connect(t, o);
		break;
	case CURLE_PEER_FAILED_VERIFICATION:
		judge_certificate(t, o);
		break;
	case CURLE_RECV_ERROR:
	case CURLE_SEND_ERROR:
		judge_broken(t, code, o);
		break;
	default:
		judge_simple(t, code, o);
		break;
	}
}
