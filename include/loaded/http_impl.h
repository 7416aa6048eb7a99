/*
 * http_impl.h - what the parts of http_check.h are to each other; included by
 * http_*.c and nobody else.
 */
#ifndef LOADED_HTTP_IMPL_H
#define LOADED_HTTP_IMPL_H

#include <curl/curl.h>
#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "loaded/expect.h"
#include "loaded/http_check.h"

#define HTTP_BODY_MAX 16384U    /* what is behind is not looked at */
#define HTTP_HEADERS_MAX 65536U /* of all headers together; more is an error */

struct http_ca;

/* One request on its way, from http_check_start() to done. */
struct http_transfer {
	LIST_ENTRY(http_transfer) entry;
	struct http_engine *engine;    /* borrowed */
	struct http_request request;   /* its fd: -1 once libcurl has it */
	const struct expect *expect;   /* borrowed; NULL: any body will do */
	CURL *easy;                    /* owned; NULL: could not start */
	struct curl_slist *connect_to; /* owned */
	uint64_t started_ns;
	ev_timer soon; /* tells the outcome of one that could not start */
	struct probe_outcome outcome;
	int socket_error; /* errno of a socket that could not be had, or 0 */
	size_t header_len;
	size_t body_len;
	uint8_t *body; /* owned; HTTP_BODY_MAX bytes, from the first one on */
	bool cut;      /* ended by us: all that is looked at is here */
	char error[CURL_ERROR_SIZE];
};

/*
 * Sets up easy for the request.  headers: sent besides libcurl's own, borrowed;
 * ca: whom to trust, borrowed; NULL: the certificate is not looked at.
 */
int http_transfer_open(struct http_transfer *t, struct curl_slist *headers,
    const struct http_ca *ca);

/* Releases all but t itself; easy must have left its multi handle. */
void http_transfer_close(struct http_transfer *t);

/* What the end of a transfer says about the backend. */
void http_judge(const struct http_transfer *t, CURLcode code,
    struct probe_outcome *o);

typedef void http_ended_fn(void *arg, CURL *easy, CURLcode code);

/* libcurl in the loop; stays where it was opened. */
struct http_multi {
	CURLM *handle;        /* owned */
	struct ev_loop *loop; /* borrowed */
	ev_timer timer;       /* libcurl's */
	http_ended_fn *ended; /* has to take the easy handle out */
	void *arg;
};

/* False if memory is short; to be closed in any case. */
bool http_multi_open(struct http_multi *m, struct ev_loop *loop,
    http_ended_fn *ended, void *arg);

/* All easy handles must have left. */
void http_multi_close(struct http_multi *m);

/* CA files, in memory since before the chroot. */
LIST_HEAD(http_cas, http_ca);

/*
 * The file, read now if it was not before; "": the system's.  0; -ENOENT: it
 * can't be had; -EBADMSG: it was read, but has no certificates, or broken ones.
 */
int http_ca_get(struct http_cas *cas, const char *path,
    const struct http_ca **out);

/* easy trusts what the file has, and nothing else; false: it can't. */
bool http_ca_trust(const struct http_ca *ca, CURL *easy);
void http_ca_free(struct http_cas *cas);

#endif
