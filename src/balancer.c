/*
 * balancer.c - the process between supervisor and threads: gives up its
 * privileges, starts one worker a core and the failover thread, says that it
 * is ready, hands new tables on, and waits for the word to stop.
 */
#include "loaded/balancer.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "loaded/clock.h"
#include "loaded/failover.h"
#include "loaded/log.h"
#include "loaded/message.h"
#include "loaded/signals.h"
#include "loaded/worker.h"

/* How often an old view is looked at: is it free now? */
#define RETIRE_MS 20
/* A pulse younger than this needs no help any more. */
#define ALIVE_NS UINT64_C(1000000000)

struct crew {
	const struct balancer *b; /* borrowed */
	atomic_bool stop;
	uint32_t count;
	struct worker *workers[CONF_WORKERS]; /* owned */
	struct failover *failover;            /* owned */
	struct view *views;                   /* owned: newest first */
	view_slot current;
	bool stuck; /* an abandoned thread may read old tables */
};

/* Turns begin anew with each table. */
static int
add_view(struct crew *crew, const struct table *table)
{
	struct view *view = calloc(1, sizeof(*view));
	const size_t size = table->scratch_size + 64;

	if (view != NULL)
		view->scratch = aligned_alloc(64, size / 64 * 64);
	if (view == NULL || view->scratch == NULL) {
		free(view);
		return -ENOMEM;
	}
	memset(view->scratch, 0, size / 64 * 64);
	view->table = table;
	view->next = crew->views;
	crew->views = view;
	atomic_store(&crew->current, view);
	return 0;
}

static int
start_worker(struct crew *crew, uint32_t i, const struct balance *balance)
{
	const struct balancer *b = crew->b;
	const struct worker_conf conf = {
		.index = i,
		.count = b->conf->ncores,
		.core = b->conf->cores[i],
		.queue = (uint16_t)(b->conf->first_queue + i),
		.busy_poll_us = b->conf->busy_poll_us,
		.fd = b->queues[i],
		.stats = segment_stats(b->segment, i),
		.stop = &crew->stop,
		.view = &crew->current,
	};
	int error;

	crew->workers[i] = worker_new(&conf, balance);
	if (crew->workers[i] == NULL)
		return -ENOMEM;
	error = worker_start(crew->workers[i]);
	if (error != 0) {
		worker_free(crew->workers[i]);
		return error;
	}
	crew->count++;
	return 0;
}

static int
start_workers(struct crew *crew)
{
	const struct balancer *b = crew->b;
	struct balance balance = {
		.backends = segment_backends(b->segment),
		.pools = segment_pools(b->segment),
		.suspicions = &b->segment->head->suspicions,
		.random = b->seed,
	};
	uint32_t i;
	int error = 0;

	balance_time(&balance, clock_now_ns());
	flow_attach(&balance.flows, segment_flows(b->segment),
	    balance_flow_ended, balance.backends);
	for (i = 0; i < b->conf->ncores && error == 0; i++) {
		error = start_worker(crew, i, &balance);
		if (error != 0)
			log_errno(-error, "cannot start worker %u on core %u",
			    i, b->conf->cores[i]);
	}
	return error;
}

static int
start_failover(struct crew *crew)
{
	const struct balancer *b = crew->b;
	const struct failover_conf conf = {
		.table = crew->views->table,
		.segment = b->segment,
		.icmp4 = b->icmp4,
		.icmp6 = b->icmp6,
		.checker = b->checks,
		.supervisor = b->requests,
		.pulse = b->pulse,
		.scope = b->scope,
		.seed = b->seed ^ clock_now_ns(),
	};
	int error = failover_start(&crew->failover, &conf);

	if (error != 0)
		log_errno(-error, "cannot start the failover thread");
	return error;
}

static int
start_crew(struct crew *crew)
{
	int error = add_view(crew, crew->b->table);

	if (error != 0) {
		log_errno(-error, "cannot start");
		return error;
	}
	error = start_workers(crew);
	return error != 0 ? error : start_failover(crew);
}

static void
stop_crew(struct crew *crew)
{
	uint32_t i;

	if (crew->failover != NULL)
		failover_stop(crew->failover);
	atomic_store(&crew->stop, true);
	for (i = 0; i < crew->count; i++) {
		worker_join(crew->workers[i]);
		worker_free(crew->workers[i]);
	}
}

/*
 * Does everybody go by the newest view?  Before that nothing can go: who was
 * last heard of with one view may have begun with the next.
 */
static bool
all_changed_over(const struct crew *crew)
{
	if (crew->stuck || failover_table(crew->failover) != crew->views->table)
		return false;
	for (uint32_t i = 0; i < crew->count; i++)
		if (worker_view(crew->workers[i]) != crew->views)
			return false;
	return true;
}

/* Frees the views that are past; true while there are some that can't go. */
static bool
retire_views(struct crew *crew)
{
	if (crew->views->next == NULL || crew->stuck)
		return false;
	if (!all_changed_over(crew))
		return true;
	while (crew->views->next != NULL) {
		struct view *view = crew->views->next;

		crew->views->next = view->next;
		if (view->table != crew->b->table)
			segment_unmap(view->table, view->table->size);
		free(view->scratch);
		free(view);
	}
	return false;
}

static void
take_table(struct crew *crew, int fd)
{
	const struct table *table = segment_map_table(fd);

	if (table == NULL) {
		log_errno(errno, "cannot take the new table");
		return;
	}
	if (add_view(crew, table) != 0) {
		log_errno(ENOMEM, "cannot take the new table");
		segment_unmap(table, table->size);
		return;
	}
	failover_use(crew->failover, table);
}

/* It has not beaten for long; but perhaps the whole process had stopped. */
static void
restart_failover(struct crew *crew)
{
	struct failover *old = crew->failover;

	if (clock_now_ns() - atomic_load(&crew->b->pulse->beat_ns) < ALIVE_NS)
		return;
	if (start_failover(crew) != 0) {
		crew->failover = old;
		return;
	}
	failover_abandon(old);
	crew->stuck = true;
}

/* False when the supervisor is gone. */
static bool
read_control(struct crew *crew)
{
	struct message m;
	int fd, error;

	error = message_receive(crew->b->control, &m, &fd);
	if (error == -EPIPE)
		return false;
	if (error == 0 && m.type == MESSAGE_TABLE && fd >= 0)
		take_table(crew, fd);
	else if (error == 0 && m.type == MESSAGE_RESTART_FAILOVER)
		restart_failover(crew);
	if (fd >= 0)
		close(fd);
	return true;
}

/* Until SIGTERM, or until the supervisor is gone. */
static void
serve(struct crew *crew, int signals)
{
	struct pollfd fds[] = {
		{ .fd = signals, .events = POLLIN },
		{ .fd = crew->b->control, .events = POLLIN },
	};

	for (;;) {
		if (poll(fds, 2, retire_views(crew) ? RETIRE_MS : -1) < 0 &&
		    errno != EINTR)
			return;
		if (fds[0].revents != 0)
			return;
		if (fds[1].revents != 0 && !read_control(crew))
			return;
		fds[0].revents = fds[1].revents = 0;
	}
}

int
balancer_run(const struct balancer *b)
{
	const struct message ready = { .type = MESSAGE_READY };
	char error[SANDBOX_ERROR_LEN];
	struct crew crew = { .b = b };
	int signals, status = EXIT_FAILURE;

	log_role("balancer");
	prctl(PR_SET_NAME, "balancer", 0, 0, 0);
	signals = signals_open();
	if (signals < 0) {
		log_errno(errno, "cannot wait for signals");
		return EXIT_FAILURE;
	}
	if (sandbox_enter(b->sandbox, error) != 0) {
		log_err("%s", error);
		return EXIT_FAILURE;
	}
	if (start_crew(&crew) == 0 &&
	    message_send(b->control, &ready, -1) == 0) {
		serve(&crew, signals);
		status = EXIT_SUCCESS;
	}
	stop_crew(&crew);
	return status;
}
