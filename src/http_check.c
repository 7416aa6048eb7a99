/*
 * http_check.c - requests from their start to their outcome.  Run by the
 * checker, which has one thread and one loop.  done is only called from a
 * callback of the loop, when the transfer is gone already.
 */
#include "loaded/http_check.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "loaded/clock.h"
#include "loaded/http_impl.h"

#define RUNNING_MAX 4096

/* A check of the table, made ready. */
struct prepared {
	struct expect *expect;    /* owned; NULL: any body will do */
	const struct http_ca *ca; /* borrowed; NULL: not wanted, or missing */
	const char *problem;      /* why it can't be run, or NULL */
};

struct http_engine {
	struct ev_loop *loop; /* borrowed */
	struct http_multi multi;
	http_done_fn *done;
	void *arg;
	struct curl_slist *headers; /* owned */
	struct http_cas cas;
	struct prepared *prepared; /* owned; by index of the check */
	uint32_t nprepared;
	LIST_HEAD(, http_transfer) transfers; /* owned */
	uint32_t running;
};

/* It has left the multi handle, or never was in it. */
static void
free_transfer(struct http_transfer *t)
{
	LIST_REMOVE(t, entry);
	t->engine->running--;
	ev_timer_stop(t->engine->loop, &t->soon);
	http_transfer_close(t);
	free(t);
}

static void
tell(struct http_transfer *t)
{
	const struct http_engine *e = t->engine;
	const struct http_request request = t->request;
	struct probe_outcome outcome = t->outcome;

	outcome.duration_us = (uint32_t)((clock_now_ns() - t->started_ns) /
	    1000);
	free_transfer(t);
	e->done(e->arg, &request, &outcome);
}

static void
on_ended(void *arg, CURL *easy, CURLcode code)
{
	struct http_engine *e = arg;
	struct http_transfer *t;
	char *private = NULL;

	curl_easy_getinfo(easy, CURLINFO_PRIVATE, &private);
	t = (void *)private;
	http_judge(t, code, &t->outcome);
	curl_multi_remove_handle(e->multi.handle, easy);
	tell(t);
}

struct http_engine *
http_engine_new(struct ev_loop *loop, http_done_fn *done, void *arg)
{
	struct http_engine *e;

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return NULL;
	e = calloc(1, sizeof(*e));
	if (e == NULL) {
		curl_global_cleanup();
		return NULL;
	}
	e->loop = loop;
	e->done = done;
	e->arg = arg;
	LIST_INIT(&e->cas);
	LIST_INIT(&e->transfers);
	/* Else the backend would keep the connection for the next request. */
	e->headers = curl_slist_append(NULL, "Connection: close");
	if (!http_multi_open(&e->multi, loop, on_ended, e) ||
	    e->headers == NULL) {
		http_engine_free(e);
		return NULL;
	}
	return e;
}

/* Without a word to anybody. */
static void
drop_transfers(struct http_engine *e)
{
	struct http_transfer *t, *next;

	for (t = LIST_FIRST(&e->transfers); t != NULL; t = next) {
		next = LIST_NEXT(t, entry);
		if (t->easy != NULL)
			curl_multi_remove_handle(e->multi.handle, t->easy);
		free_transfer(t);
	}
}

static void
free_prepared(struct http_engine *e)
{
	uint32_t i;

	for (i = 0; i < e->nprepared; i++)
		expect_free(e->prepared[i].expect);
	free(e->prepared);
	e->prepared = NULL;
	e->nprepared = 0;
}

void
http_engine_free(struct http_engine *e)
{
	if (e == NULL)
		return;
	drop_transfers(e);
	free_prepared(e);
	http_multi_close(&e->multi);
	curl_slist_free_all(e->headers);
	http_ca_free(&e->cas);
	free(e);
	curl_global_cleanup();
}

static int
prepare(struct http_engine *e, const struct check *check, struct prepared *p)
{
	char error[EXPECT_ERROR_LEN];
	int result;

	if (check->type != CHECK_HTTP && check->type != CHECK_HTTPS)
		return 0;
	result = expect_new(&p->expect, check, error);
	if (result == -ENOMEM)
		return result;
	if (result != 0)
		p->problem = "the regular expression is no good";
	if (check->type == CHECK_HTTP || !check->verify)
		return 0;
	result = http_ca_get(&e->cas, check->ca_file, &p->ca);
	if (result == 0)
		return 0;
	p->problem = result == -EBADMSG ?
	    "the CA file has no certificates, or broken ones" :
	    "the CA file was not to be had at the start";
	return -ENOENT;
}

int
http_engine_use(struct http_engine *e, const struct table *table)
{
	int error, result = 0;
	const struct http_ca *ca;
	uint32_t i;

	drop_transfers(e);
	free_prepared(e);
	/* A later table may want it, when files are out of reach. */
	(void)http_ca_get(&e->cas, "", &ca);
	e->prepared = calloc((size_t)table->nchecks + 1, sizeof(*e->prepared));
	if (e->prepared == NULL)
		return -ENOMEM;
	e->nprepared = table->nchecks;
	for (i = 0; i < table->nchecks; i++) {
		error = prepare(e, table_check(table, i), &e->prepared[i]);
		if (error == -ENOMEM)
			return error;
		if (error != 0)
			result = error;
	}
	return result;
}

static void
on_soon(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct http_transfer *t = timer->data;

	(void)loop, (void)events;
	tell(t);
}

static void
skip(struct http_transfer *t, const char *why)
{
	http_transfer_close(t);
	probe_outcome_set(&t->outcome, PROBE_SKIPPED, "%s", why);
	ev_timer_start(t->engine->loop, &t->soon);
}

static void
start(struct http_engine *e, struct http_transfer *t)
{
	const uint32_t index = t->request.check_index;
	const struct prepared *p;

	if (index >= e->nprepared) {
		skip(t, "no such check");
		return;
	}
	p = &e->prepared[index];
	t->expect = p->expect;
	if (p->problem != NULL)
		skip(t, p->problem);
	else if (e->running > RUNNING_MAX)
		skip(t, "too many requests at a time");
	else if (http_transfer_open(t, e->headers, p->ca) != 0 ||
	    curl_multi_add_handle(e->multi.handle, t->easy) != CURLM_OK)
		skip(t, "out of memory");
}

void
http_check_start(struct http_engine *e, const struct http_request *r)
{
	struct http_transfer *t = calloc(1, sizeof(*t));

	if (t == NULL) {
		if (r->fd >= 0)
			close(r->fd);
		return;
	}
	t->engine = e;
	t->request = *r;
	t->started_ns = clock_now_ns();
	ev_timer_init(&t->soon, on_soon, 0, 0);
	t->soon.data = t;
	LIST_INSERT_HEAD(&e->transfers, t, entry);
	e->running++;
	start(e, t);
}
