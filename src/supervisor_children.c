/*
 * supervisor_children.c - starts the balancer and the checker, sees when they
 * die or make no progress, and ends them.  A child keeps of what the
 * supervisor has open only what is its own: above all not the supervisor's
 * end of another child's channel, whose close tells that child to end.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "loaded/balancer.h"
#include "loaded/checker.h"
#include "loaded/clock.h"
#include "loaded/log.h"
#include "loaded/supervisor_impl.h"

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S UINT64_C(1000000000)
#define WATCH_S 0.25
#define RESPAWN_S 1.0 /* when it died right after its start */
#define READY_MS 30000
/* Children that take longer to stop are killed. */
#define STOP_MS 5000
#define STOP_STEP_MS 5

enum { FAILOVER_END, CHECKER_END }; /* of supervisor.checks */

static void
close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

/* In the child: what no child has a use for. */
static void
close_common(struct supervisor *s)
{
	/* Of what runs when the checker is started anew. */
	if (s->exec != NULL)
		exec_runner_forget(s->exec);
	supervisor_forget_routes(s);
	ev_loop_destroy(s->loop);
	close_fd(s->ready_fd);
	close_fd(s->pidfile);
	close_fd(s->table_fd);
	close_fd(s->requests[END_SUPERVISOR]);
	close_fd(s->balancer.control);
	close_fd(s->checker.control);
}

static int
be_balancer(struct supervisor *s, int control)
{
	const struct balancer b = {
		.conf = s->conf,
		.sandbox = &s->sandbox,
		.segment = &s->segment,
		.table = s->table,
		.queues = s->queues,
		.icmp4 = s->icmp4,
		.icmp6 = s->icmp6,
		.control = control,
		.requests = s->requests[END_CHILD],
		.checks = s->checks[FAILOVER_END],
		.pulse = s->balancer.pulse,
		.scope = s->scope,
		.seed = s->seed,
	};

	close_common(s);
	close_fd(s->checks[CHECKER_END]);
	return balancer_run(&b);
}

static int
be_checker(struct supervisor *s, int control)
{
	struct sandbox sandbox = s->sandbox;
	const struct checker c = {
		.sandbox = &sandbox,
		.table = s->table,
		.control = control,
		.checks = s->checks[CHECKER_END],
		.pulse = s->checker.pulse,
		.scope = s->scope,
	};

	sandbox.net_admin = false;
	close_common(s);
	close_fd(s->checks[FAILOVER_END]);
	close_fd(s->requests[END_CHILD]);
	close_fd(s->icmp4);
	close_fd(s->icmp6);
	for (uint32_t i = 0; i < s->nqueues; i++)
		close(s->queues[i]);
	segment_close(&s->segment);
	return checker_run(&c);
}

static bool
wait_ready(const struct child *c)
{
	struct pollfd fd = { .fd = c->control, .events = POLLIN };
	struct message m;
	int passed, error;

	for (;;) {
		const int n = poll(&fd, 1, READY_MS);

		if (n == 0)
			log_err("%s does not get ready", c->name);
		if (n == 0 || (n < 0 && errno != EINTR))
			return false;
		error = message_receive(c->control, &m, &passed);
		if (error == 0)
			return m.type == MESSAGE_READY;
		/* It has said why, if it ends instead. */
		if (error != -EAGAIN)
			return false;
	}
}

static bool
spawn(struct supervisor *s, struct child *c,
    int (*be)(struct supervisor *, int))
{
	int pair[2], error = message_pair(pair);

	if (error != 0) {
		log_errno(-error, "cannot make a channel");
		return false;
	}
	close_fd(c->control);
	c->control = -1;
	c->started_ns = clock_now_ns();
	atomic_store(&c->pulse->beat_ns, c->started_ns);
	c->pid = fork();
	if (c->pid == 0) {
		close(pair[END_SUPERVISOR]);
		exit(be(s, pair[END_CHILD]));
	}
	c->control = pair[END_SUPERVISOR];
	close(pair[END_CHILD]);
	if (c->pid < 0) {
		c->pid = 0;
		log_errno(errno, "cannot fork");
		return false;
	}
	return true;
}

static bool
needs_checker(const struct supervisor *s)
{
	for (uint32_t i = 0; s->table->failover && i < s->table->nchecks; i++) {
		const uint8_t type = table_check(s->table, i)->type;

		if (type == CHECK_HTTP || type == CHECK_HTTPS)
			return true;
	}
	return false;
}

static bool
make_channels(struct supervisor *s)
{
	struct pulse *pulses = mmap(NULL, 2 * sizeof(*pulses),
	    PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int error = message_pair(s->requests);

	if (error == 0)
		error = message_pair(s->checks);
	if (pulses == MAP_FAILED)
		error = -ENOMEM;
	if (error != 0) {
		log_errno(-error, "cannot make channels");
		return false;
	}
	s->balancer = (struct child){ .name = "balancer",
		.control = -1,
		.pulse = &pulses[0] };
	s->checker = (struct child){ .name = "checker",
		.control = -1,
		.pulse = &pulses[1] };
	return true;
}

bool
supervisor_spawn(struct supervisor *s)
{
	if (!make_channels(s))
		return false;
	if (needs_checker(s) &&
	    (!spawn(s, &s->checker, be_checker) || !wait_ready(&s->checker)))
		return false;
	return spawn(s, &s->balancer, be_balancer) && wait_ready(&s->balancer);
}

static void
on_respawn(struct ev_loop *loop, ev_timer *w, int events)
{
	struct supervisor *s = w->data;

	(void)events;
	/* Nobody waits for it to be ready: the watch will tell. */
	if (spawn(s, &s->checker, be_checker))
		return;
	ev_timer_set(w, RESPAWN_S, 0.);
	ev_timer_start(loop, w);
}

static void
respawn_checker(struct supervisor *s)
{
	const bool lived = clock_now_ns() - s->checker.started_ns > NS_PER_S;

	s->checker.pid = 0;
	ev_timer_init(&s->respawn, on_respawn, lived ? 0. : RESPAWN_S, 0.);
	s->respawn.data = s;
	ev_timer_start(s->loop, &s->respawn);
}

/* " of signal 9 (Killed)", or " with status 1". */
static const char *
how(int status, char *text, size_t size)
{
	if (WIFSIGNALED(status))
		snprintf(text, size, "of signal %d (%s)", WTERMSIG(status),
		    strsignal(WTERMSIG(status)));
	else
		snprintf(text, size, "with status %d", WEXITSTATUS(status));
	return text;
}

static void
on_child(struct ev_loop *loop, ev_child *w, int events)
{
	struct supervisor *s = w->data;
	char text[64];

	(void)events;
	if (exec_runner_reaped(s->exec, w->rpid, w->rstatus))
		return;
	how(w->rstatus, text, sizeof(text));
	if (w->rpid == s->checker.pid) {
		log_err("checker died %s, restarting it", text);
		respawn_checker(s);
	} else if (w->rpid == s->balancer.pid) {
		log_err("balancer died %s", text);
		s->balancer.pid = 0;
		s->status = EXIT_FAILURE;
		ev_break(loop, EVBREAK_ALL);
	}
}

/*
 * How long a child has made no progress, if that is too long; else 0.  The next
 * complaint is due when that time has gone by again.
 */
static uint64_t
stuck_ms(const struct supervisor *s, struct child *c)
{
	const uint64_t now_ns = clock_now_ns();
	const uint64_t beat_ns = atomic_load(&c->pulse->beat_ns);
	uint64_t patience_ns = s->conf->failover.watchdog_ms * NS_PER_MS;

	/* One that has never beaten is starting. */
	if (beat_ns == c->started_ns && patience_ns < READY_MS * NS_PER_MS)
		patience_ns = READY_MS * NS_PER_MS;
	if (c->pid == 0 || now_ns < beat_ns + patience_ns ||
	    now_ns < c->complained_ns + patience_ns)
		return 0;
	c->complained_ns = now_ns;
	return (now_ns - beat_ns) / NS_PER_MS;
}

static void
on_watch(struct ev_loop *loop, ev_timer *w, int events)
{
	const struct message restart = { .type = MESSAGE_RESTART_FAILOVER };
	struct supervisor *s = w->data;
	uint64_t silent_ms;

	(void)loop;
	(void)events;
	silent_ms = stuck_ms(s, &s->balancer);
	if (silent_ms != 0) {
		log_err("failover made no progress for %llu ms, restarting it",
		    (unsigned long long)silent_ms);
		(void)message_send(s->balancer.control, &restart, -1);
	}
	silent_ms = stuck_ms(s, &s->checker);
	if (silent_ms != 0) {
		log_err("checker made no progress for %llu ms, restarting it",
		    (unsigned long long)silent_ms);
		kill(s->checker.pid, SIGKILL);
	}
}

void
supervisor_watch(struct supervisor *s)
{
	ev_child_init(&s->reaper, on_child, 0, 0);
	s->reaper.data = s;
	ev_child_start(s->loop, &s->reaper);
	ev_timer_init(&s->watchdog, on_watch, WATCH_S, WATCH_S);
	s->watchdog.data = s;
	ev_timer_start(s->loop, &s->watchdog);
}

/* True when it has ended by now; *good: as told. */
static bool
has_ended(struct child *c, bool *good)
{
	char text[64];
	int status;

	if (c->pid == 0)
		return true;
	if (waitpid(c->pid, &status, WNOHANG) != c->pid)
		return false;
	*good = WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS;
	if (!*good)
		log_err("%s died %s", c->name, how(status, text, sizeof(text)));
	c->pid = 0;
	return true;
}

static void
signal_child(const struct child *c, int number)
{
	if (c->pid > 0)
		kill(c->pid, number);
}

bool
supervisor_stop_children(struct supervisor *s)
{
	bool good = false, ignored = true;

	signal_child(&s->balancer, SIGTERM);
	signal_child(&s->checker, SIGTERM);
	for (int waited = 0;; waited += STOP_STEP_MS) {
		const bool balancer = has_ended(&s->balancer, &good);
		const bool checker = has_ended(&s->checker, &ignored);

		if (balancer && checker)
			return good;
		if (waited == STOP_MS) {
			log_err("%s does not stop, killing it",
			    balancer ? s->checker.name : s->balancer.name);
			signal_child(&s->balancer, SIGKILL);
			signal_child(&s->checker, SIGKILL);
		}
		(void)poll(NULL, 0, STOP_STEP_MS);
	}
}
