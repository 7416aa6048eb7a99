/*
 * http_multi.c - libcurl's multi handle, driven by libev: libcurl says which
 * sockets and what time to watch.  Run by the checker.  Ends are told when
 * libcurl has returned, so that whoever hears of one may start the next.
 */
#include "loaded/http_impl.h"

#include <stdlib.h>

static void
tell_ends(struct http_multi *m)
{
	const CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(m->handle, &left)) != NULL) {
		/* It is gone when the handle has left. */
		if (message->msg == CURLMSG_DONE)
			m->ended(m->arg, message->easy_handle,
			    message->data.result);
	}
}

static void
on_socket(struct ev_loop *loop, ev_io *io, int events)
{
	struct http_multi *m = io->data;
	int running, mask = 0;

	(void)loop;
	if (events & EV_READ)
		mask |= CURL_CSELECT_IN;
	if (events & EV_WRITE)
		mask |= CURL_CSELECT_OUT;
	/* io may be gone after this. */
	curl_multi_socket_action(m->handle, io->fd, mask, &running);
	tell_ends(m);
}

static void
on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct http_multi *m = timer->data;
	int running;

	(void)loop, (void)events;
	curl_multi_socket_action(m->handle, CURL_SOCKET_TIMEOUT, 0, &running);
	tell_ends(m);
}

static int
watch_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *known)
{
	struct http_multi *m = arg;
	ev_io *io = known;

	(void)easy;
	if (io != NULL)
		ev_io_stop(m->loop, io);
	if (what == CURL_POLL_REMOVE) {
		curl_multi_assign(m->handle, fd, NULL);
		free(io);
		return 0;
	}
	if (io == NULL)
		io = calloc(1, sizeof(*io));
	if (io == NULL)
		return -1;
	ev_io_init(io, on_socket, fd,
	    (what & CURL_POLL_IN ? EV_READ : 0) |
		(what & CURL_POLL_OUT ? EV_WRITE : 0));
	io->data = m;
	ev_io_start(m->loop, io);
	curl_multi_assign(m->handle, fd, io);
	return 0;
}

/*
 * Never early, a millisecond late at most: libcurl, asked before its time is
 * over, has nothing to do, and need not set the timer again.
 */
static int
watch_time(CURLM *multi, long ms, void *arg)
{
	struct http_multi *m = arg;

	(void)multi;
	ev_timer_stop(m->loop, &m->timer);
	if (ms < 0)
		return 0;
	ev_now_update(m->loop);
	ev_timer_set(&m->timer, ms > 0 ? (double)(ms + 1) / 1000 : 0, 0);
	ev_timer_start(m->loop, &m->timer);
	return 0;
}

bool
http_multi_open(struct http_multi *m, struct ev_loop *loop,
    http_ended_fn *ended, void *arg)
{
	CURLM *handle = curl_multi_init();

	*m = (struct http_multi){ .handle = handle,
		.loop = loop,
		.ended = ended,
		.arg = arg };
	ev_init(&m->timer, on_timer);
	m->timer.data = m;
	return handle != NULL &&
	    curl_multi_setopt(handle, CURLMOPT_SOCKETFUNCTION, watch_socket) ==
	    CURLM_OK &&
	    curl_multi_setopt(handle, CURLMOPT_SOCKETDATA, m) == CURLM_OK &&
	    curl_multi_setopt(handle, CURLMOPT_TIMERFUNCTION, watch_time) ==
	    CURLM_OK &&
	    curl_multi_setopt(handle, CURLMOPT_TIMERDATA, m) == CURLM_OK;
}

void
http_multi_close(struct http_multi *m)
{
	if (m->handle != NULL)
		curl_multi_cleanup(m->handle);
	ev_timer_stop(m->loop, &m->timer);
}
