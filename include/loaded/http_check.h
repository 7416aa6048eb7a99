/*
 * http_check.h - HTTP and HTTPS checks with libcurl, in the checker process.
 */
#ifndef LOADED_HTTP_CHECK_H
#define LOADED_HTTP_CHECK_H

#include <ev.h>
#include <stdint.h>

#include "loaded/addr.h"
#include "loaded/check.h"
#include "loaded/probe_result.h"
#include "loaded/table.h"

struct http_engine;

/* Who, and what for; plain data, copied. */
struct http_request {
	const struct check *check; /* borrowed until the table is replaced */
	uint32_t check_index;
	struct addr addr;
	uint16_t port;  /* host order */
	uint32_t scope; /* of a link-local address */
	int fd;         /* connected through this socket, owned; -1: own one */
	uint32_t id, run; /* the caller's */
};

typedef void http_done_fn(void *arg, const struct http_request *request,
    const struct probe_outcome *o);

/*
 * Loads libcurl and its TLS library; to be called before the chroot, where
 * files can still be read.  NULL if that fails.
 */
struct http_engine *http_engine_new(struct ev_loop *loop, http_done_fn *done,
    void *arg);
void http_engine_free(struct http_engine *e);

/*
 * Gets ready for the checks of a table: CA files, regular expressions.  Ends
 * running requests; done is not called for them.  0; -ENOENT: a CA file could
 * not be read, as none can be after the chroot, or has no certificates, and
 * checks that need it end as PROBE_SKIPPED; -ENOMEM: the engine is of no use
 * until the next call.
 */
int http_engine_use(struct http_engine *e, const struct table *table);

/*
 * done is called once, never from inside.  It is not called if there is no
 * memory even for that: who asks has a clock of his own.
 */
void http_check_start(struct http_engine *e, const struct http_request *r);

#endif
