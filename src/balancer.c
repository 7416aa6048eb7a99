/*
 * balancer.c - the process between supervisor and workers: gives up its
 * privileges, starts one worker a core, says that it is ready, and waits for
 * the word to stop.
 */
#include "loaded/balancer.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "loaded/clock.h"
#include "loaded/log.h"
#include "loaded/worker.h"

struct crew {
	atomic_bool stop;
	uint32_t count;
	struct worker *workers[CONF_WORKERS]; /* owned */
};

/* SIGTERM as a descriptor; all else is the supervisor's business. */
static int
open_signals(void)
{
	sigset_t set;

	sigfillset(&set);
	if (sigprocmask(SIG_SETMASK, &set, NULL) < 0)
		return -1;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

static int
start_worker(const struct balancer *b, struct crew *crew, uint32_t i,
    const struct balance *balance)
{
	const struct worker_conf conf = {
		.index = i,
		.count = b->conf->ncores,
		.core = b->conf->cores[i],
		.queue = (uint16_t)(b->conf->first_queue + i),
		.busy_poll_us = b->conf->busy_poll_us,
		.fd = b->queues[i],
		.stats = segment_stats(b->segment, i),
		.stop = &crew->stop,
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
start_crew(const struct balancer *b, struct crew *crew)
{
	struct balance balance = {
		.table = b->table,
		.scratch = b->scratch,
		.backends = segment_backends(b->segment),
		.random = b->seed,
	};
	uint32_t i;
	int error = 0;

	balance_time(&balance, clock_now_ns());
	flow_attach(&balance.flows, segment_flows(b->segment),
	    balance_flow_ended, balance.backends);
	for (i = 0; i < b->conf->ncores && error == 0; i++) {
		error = start_worker(b, crew, i, &balance);
		if (error != 0)
			log_errno(-error, "cannot start worker %u on core %u",
			    i, b->conf->cores[i]);
	}
	return error;
}

static void
stop_crew(struct crew *crew)
{
	uint32_t i;

	atomic_store(&crew->stop, true);
	for (i = 0; i < crew->count; i++) {
		worker_join(crew->workers[i]);
		worker_free(crew->workers[i]);
	}
}

/* Until SIGTERM, or until the supervisor is gone. */
static void
wait_for_stop(int signals, int channel)
{
	struct pollfd fds[] = {
		{ .fd = signals, .events = POLLIN },
		{ .fd = channel, .events = POLLIN },
	};

	while (poll(fds, 2, -1) < 0 && errno == EINTR)
		continue;
}

int
balancer_run(const struct balancer *b)
{
	const char ready = BALANCER_READY;
	char error[SANDBOX_ERROR_LEN];
	struct crew crew = { .count = 0 };
	int signals, status = EXIT_FAILURE;

	log_role("balancer");
	prctl(PR_SET_NAME, "balancer", 0, 0, 0);
	signals = open_signals();
	if (signals < 0) {
		log_errno(errno, "cannot wait for signals");
		return EXIT_FAILURE;
	}
	if (sandbox_enter(b->sandbox, error) != 0) {
		log_err("%s", error);
		return EXIT_FAILURE;
	}
	if (start_crew(b, &crew) == 0 && write(b->channel, &ready, 1) == 1) {
		wait_for_stop(signals, b->channel);
		status = EXIT_SUCCESS;
	}
	stop_crew(&crew);
	return status;
}
