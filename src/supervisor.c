/*
 * supervisor.c - opens everything, starts the children, tells the world how it
 * went, and waits for signals.  Root, later with a few capabilities.  It owns
 * queue sockets and the shared segment, so that a child's death loses neither;
 * it never looks at a packet.
 */
#include "loaded/supervisor.h"

#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "loaded/daemon.h"
#include "loaded/log.h"
#include "loaded/nfq.h"
#include "loaded/pidfile.h"
#include "loaded/supervisor_impl.h"

#define OVERFLOWS_S 10.

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

static bool
needs_icmp(const struct table *t)
{
	bool needs = t->discover.ncalls > 0;

	for (uint32_t i = 0; i < t->nchecks; i++)
		needs |= table_check(t, i)->type == CHECK_ICMP;
	return needs && t->failover;
}

/*
 * Echo requests of all backends go through one socket for each family.  A
 * kernel may be without IPv6, a container without the right.
 */
static bool
open_icmp(struct supervisor *s)
{
	const int type = SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC;
	int error;

	s->icmp6 = socket(AF_INET6, type, IPPROTO_ICMPV6);
	s->icmp4 = socket(AF_INET, type, IPPROTO_ICMP);
	error = errno;
	if (s->icmp4 >= 0 || !needs_icmp(s->table))
		return true;
	log_errno(error, "cannot open a raw socket");
	return false;
}

/* A probe of each backend at a time needs a descriptor. */
static void
raise_limits(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		log_errno(errno, "cannot have %llu open files",
		    (unsigned long long)limit.rlim_max);
}

static void
on_signal(struct ev_loop *loop, ev_signal *w, int events)
{
	struct supervisor *s = w->data;

	(void)events;
	switch (w->signum) {
	case SIGHUP:
		log_warn("reload is not supported yet, SIGHUP ignored");
		break;
	case SIGUSR1:
		report_counters(&s->report);
		break;
	default:
		log_notice("stopping: %s", strsignal(w->signum));
		s->status = EXIT_SUCCESS;
		ev_break(loop, EVBREAK_ALL);
	}
}

static void
on_overflows(struct ev_loop *loop, ev_timer *w, int events)
{
	struct supervisor *s = w->data;

	(void)loop;
	(void)events;
	report_overflows(&s->report);
}

/* From here on a signal waits for the loop. */
static bool
open_loop(struct supervisor *s)
{
	static const int numbers[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1 };

	s->loop = ev_default_loop(EVFLAG_AUTO);
	if (s->loop == NULL) {
		log_err("cannot wait for events");
		return false;
	}
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		ev_signal_init(&s->signals[i], on_signal, numbers[i]);
		s->signals[i].data = s;
		ev_signal_start(s->loop, &s->signals[i]);
	}
	ev_timer_init(&s->overflows, on_overflows, OVERFLOWS_S, OVERFLOWS_S);
	s->overflows.data = s;
	ev_timer_start(s->loop, &s->overflows);
	return true;
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
	s->scope = if_nametoindex(s->conf->private_if);
	raise_limits();
	if (!foreground && !open_pidfile(s))
		return false;
	if (!open_loop(s) || !open_queues(s) || !supervisor_build_state(s) ||
	    !open_icmp(s) || !supervisor_open_routes(s) ||
	    !supervisor_spawn(s) || !supervisor_serve_requests(s))
		return false;
	supervisor_watch(s);
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

static void
finish(struct supervisor *s)
{
	sd_notify(0, "STOPPING=1");
	if (!supervisor_stop_children(s))
		s->status = EXIT_FAILURE;
	if (s->exec != NULL)
		exec_runner_free(s->exec);
	supervisor_close_routes(s);
	while (s->nqueues > 0)
		close(s->queues[--s->nqueues]);
	if (s->pidfile >= 0)
		pidfile_remove(s->conf->pidfile, s->pidfile);
	if (s->segment.head != NULL)
		segment_close(&s->segment);
	free(s->left_ns);
}

int
supervisor_run(struct conf *conf, bool foreground)
{
	struct supervisor s = {
		.conf = conf,
		.segment = { .fd = -1 },
		.table_fd = -1,
		.icmp4 = -1,
		.icmp6 = -1,
		.ready_fd = -1,
		.pidfile = -1,
		.requests = { -1, -1 },
		.checks = { -1, -1 },
		.balancer = { .control = -1 },
		.checker = { .control = -1 },
		.status = EXIT_FAILURE,
	};
	int error;

	s.report = (struct report){ .conf = conf, .segment = &s.segment };
	if (!foreground) {
		error = daemon_start(&s.ready_fd);
		if (error != 0) {
			log_errno(-error, "cannot go into the background");
			return EXIT_FAILURE;
		}
	}
	if (start(&s, foreground) && announce(&s))
		ev_run(s.loop, 0);
	finish(&s);
	if (s.status == EXIT_SUCCESS)
		log_notice("stopped");
	return s.status;
}
