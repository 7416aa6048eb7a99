/*
 * supervisor.c - opens everything, spawns the balancer, tells the world how
 * it went.  Root, later with a few capabilities.  It owns queue sockets and
 * the shared segment, so that a child's death loses neither; it never looks
 * at a packet.
 */
#include "loaded/supervisor.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "loaded/balancer.h"
#include "loaded/daemon.h"
#include "loaded/log.h"
#include "loaded/nfq.h"
#include "loaded/pidfile.h"
#include "loaded/report.h"
#include "loaded/table_build.h"

/* A balancer that takes longer to stop is killed. */
#define STOP_MS 5000
#define QUEUE_CHECK_MS 10000

struct supervisor {
	const struct conf *conf; /* borrowed */
	struct sandbox sandbox;
	struct segment segment;
	const struct table *table; /* mapping, read-only */
	int table_fd;
	void *scratch; /* shared mapping */
	int queues[CONF_WORKERS];
	uint32_t nqueues;
	uint64_t seed;
	int signals;    /* signalfd */
	int ready_fd;   /* of daemon_start; -1 in foreground */
	int pidfile;    /* -1: none */
	int channel;    /* to the balancer */
	pid_t balancer; /* 0: none */
};

static bool
open_queues(struct supervisor *s)
{
	const struct conf *conf = s->conf;
	enum nfq_step step;
	uint16_t number;
	uint32_t i;
	int fd;

	for (i = 0; i < conf->ncores; i++) {
		number = (uint16_t)(conf->first_queue + i);
		fd = nfq_open(number, conf->queue_length, &step);
		if (fd == -EPERM && step == NFQ_BIND) {
			log_err("queue %u: in use by another process, or "
				"CAP_NET_ADMIN is missing",
			    number);
			return false;
		}
		if (fd < 0) {
			log_errno(-fd, "queue %u: cannot %s", number,
			    nfq_step_name(step));
			return false;
		}
		s->queues[s->nqueues++] = fd;
	}
	return true;
}

/* Secrets of the tables, and the seed of random choices. */
static bool
build_state(struct supervisor *s)
{
	uint8_t keys[2][SIPHASH_KEY_LEN];
	struct table *table;
	int error;

	if (getrandom(keys, sizeof(keys), 0) != sizeof(keys) ||
	    getrandom(&s->seed, sizeof(s->seed), 0) != sizeof(s->seed)) {
		log_errno(errno, "cannot get random numbers");
		return false;
	}
	error = segment_create(&s->segment, s->conf->ncores, s->conf->flows_max,
	    keys[0]);
	if (error != 0) {
		log_errno(-error, "cannot get %zu MiB for %u flows",
		    flow_size(s->conf->flows_max) >> 20, s->conf->flows_max);
		return false;
	}
	table_init_backends(s->conf, segment_backends(&s->segment));
	error = table_build(&table, s->conf, keys[1]);
	if (error != 0) {
		log_errno(-error, "cannot build the table");
		return false;
	}
	s->scratch = mmap(NULL, table->scratch_size + 1, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	s->table = segment_seal(table, table->size, "loaded-table",
	    &s->table_fd);
	free(table);
	if (s->table == NULL || s->scratch == MAP_FAILED) {
		log_errno(errno, "cannot map the table");
		return false;
	}
	return true;
}

static bool
open_signals(struct supervisor *s)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGCHLD);
	if (sigprocmask(SIG_BLOCK, &set, NULL) == 0)
		s->signals = signalfd(-1, &set, SFD_CLOEXEC);
	if (s->signals < 0)
		log_errno(errno, "cannot wait for signals");
	return s->signals >= 0;
}

/* In the child; never returns. */
static void
be_balancer(const struct supervisor *s, int channel)
{
	const struct balancer b = {
		.conf = s->conf,
		.sandbox = &s->sandbox,
		.segment = &s->segment,
		.table = s->table,
		.scratch = s->scratch,
		.queues = s->queues,
		.channel = channel,
		.seed = s->seed,
	};

	close(s->signals);
	close(s->channel);
	if (s->ready_fd >= 0)
		close(s->ready_fd);
	if (s->pidfile >= 0)
		close(s->pidfile);
	exit(balancer_run(&b));
}

static bool
spawn_balancer(struct supervisor *s)
{
	int fds[2];
	char byte = 0;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0) {
		log_errno(errno, "cannot make a channel");
		return false;
	}
	s->channel = fds[0];
	s->balancer = fork();
	if (s->balancer < 0) {
		log_errno(errno, "cannot fork");
		close(fds[1]);
		return false;
	}
	if (s->balancer == 0)
		be_balancer(s, fds[1]);
	close(fds[1]);
	/* The balancer has said why, if it ends instead. */
	return read(s->channel, &byte, 1) == 1 && byte == BALANCER_READY;
}

static bool
open_pidfile(struct supervisor *s)
{
	const char *path = s->conf->pidfile;
	int error;

	s->pidfile = pidfile_open(path);
	if (s->pidfile == -EWOULDBLOCK) {
		log_err("%s is locked: loaded runs already", path);
		return false;
	}
	error = s->pidfile < 0 ? s->pidfile : pidfile_write(s->pidfile);
	if (error != 0)
		log_errno(-error, "cannot write %s", path);
	return error == 0;
}

static bool
start(struct supervisor *s, bool foreground)
{
	char error[SANDBOX_ERROR_LEN];

	if (sandbox_prepare(&s->sandbox, s->conf->user, s->conf->group,
		s->conf->chroot, error) != 0) {
		log_err("%s", error);
		return false;
	}
	s->sandbox.net_admin = true;
	if (!foreground && !open_pidfile(s))
		return false;
	if (!open_signals(s) || !open_queues(s) || !build_state(s) ||
	    !spawn_balancer(s))
		return false;
	if (sandbox_limit_supervisor(error) != 0) {
		log_err("%s", error);
		return false;
	}
	return true;
}

static bool
announce(struct supervisor *s)
{
	report_start(s->conf);
	sd_notifyf(0, "READY=1\nSTATUS=Balancing on %u queues\nMAINPID=%d",
	    s->nqueues, (int)getpid());
	if (s->ready_fd >= 0 &&
	    daemon_ready(s->ready_fd,
		s->conf->log_target != LOG_TARGET_SYSLOG) != 0) {
		log_errno(errno, "cannot detach from the terminal");
		return false;
	}
	s->ready_fd = -1;
	log_detach();
	return true;
}

/* What became of the balancer: true when it ended as told. */
static bool
reap_balancer(struct supervisor *s)
{
	int status;

	if (waitpid(s->balancer, &status, 0) != s->balancer)
		return false;
	s->balancer = 0;
	if (WIFSIGNALED(status))
		log_err("balancer died of signal %d (%s)", WTERMSIG(status),
		    strsignal(WTERMSIG(status)));
	return WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS;
}

static bool
stop_balancer(struct supervisor *s)
{
	struct pollfd fd = { .fd = s->channel, .events = POLLIN };

	if (s->balancer <= 0)
		return false;
	sd_notify(0, "STOPPING=1");
	kill(s->balancer, SIGTERM);
	if (poll(&fd, 1, STOP_MS) == 0) {
		log_err("balancer does not stop, killing it");
		kill(s->balancer, SIGKILL);
	}
	return reap_balancer(s);
}

/* Until a signal asks for the end: the exit status. */
static int
serve(struct supervisor *s)
{
	struct pollfd fd = { .fd = s->signals, .events = POLLIN };
	struct report report = { .conf = s->conf, .segment = &s->segment };
	struct signalfd_siginfo info;

	for (;;) {
		if (poll(&fd, 1, QUEUE_CHECK_MS) == 0) {
			report_overflows(&report);
			continue;
		}
		if (read(s->signals, &info, sizeof(info)) != sizeof(info))
			continue;
		switch (info.ssi_signo) {
		case SIGHUP:
			log_warn("reload is not supported yet, SIGHUP "
				 "ignored");
			break;
		case SIGUSR1:
			report_counters(&report);
			break;
		case SIGCHLD:
			if (info.ssi_code == CLD_STOPPED ||
			    info.ssi_code == CLD_CONTINUED)
				break;
			log_err("balancer ended by itself");
			reap_balancer(s);
			return EXIT_FAILURE;
		default:
			log_notice("stopping: %s",
			    strsignal((int)info.ssi_signo));
			return stop_balancer(s) ? EXIT_SUCCESS : EXIT_FAILURE;
		}
	}
}

static void
finish(struct supervisor *s)
{
	if (s->balancer > 0)
		stop_balancer(s);
	while (s->nqueues > 0)
		close(s->queues[--s->nqueues]);
	if (s->pidfile >= 0)
		pidfile_remove(s->conf->pidfile, s->pidfile);
	if (s->segment.head != NULL)
		segment_close(&s->segment);
}

int
supervisor_run(const struct conf *conf, bool foreground)
{
	struct supervisor s = {
		.conf = conf,
		.segment = { .fd = -1 },
		.table_fd = -1,
		.signals = -1,
		.ready_fd = -1,
		.pidfile = -1,
		.channel = -1,
	};
	int status = EXIT_FAILURE, error;

	if (!foreground) {
		error = daemon_start(&s.ready_fd);
		if (error != 0) {
			log_errno(-error, "cannot go into the background");
			return EXIT_FAILURE;
		}
	}
	if (start(&s, foreground) && announce(&s))
		status = serve(&s);
	finish(&s);
	if (status == EXIT_SUCCESS)
		log_notice("stopped");
	return status;
}
