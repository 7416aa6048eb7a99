/*
 * exec_check.c - the parent's side of exec checks: starts programs, reads what
 * they say, ends those that take too long.  Run by the supervisor, in its one
 * loop; exec_child.c is the other side.  A run lives until its process is
 * reaped, so that its pid is never anybody else's.
 */
#include "loaded/exec_check.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/wait.h>
#include <unistd.h>

#include "loaded/check.h"
#include "loaded/clock.h"
#include "loaded/exec_child.h"

#define LINE_MAX 151
/* Of what a program writes: how much is read at a time, line or not. */
#define READ_LEN 4096
#define PASSWD_LEN 4096

struct run {
	LIST_ENTRY(run) entry;
	struct exec_runner *runner; /* borrowed */
	struct exec_job job;        /* without its strings */
	char program[CHECK_PATH_LEN];
	pid_t pid;           /* 0: could not start */
	int output, failure; /* read ends, owned; -1: none */
	bool timed_out, line_ended;
	char line[LINE_MAX];
	size_t len;
	uint64_t started_ns;
	ev_io io;
	ev_timer timer; /* its end; or tells why it could not start */
	struct probe_outcome outcome;
};

struct exec_runner {
	struct ev_loop *loop; /* borrowed */
	exec_done_fn *done;
	void *arg;
	LIST_HEAD(, run) runs; /* owned */
	uint32_t running;
};

struct exec_runner *
exec_runner_new(struct ev_loop *loop, exec_done_fn *done, void *arg)
{
	struct exec_runner *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return NULL;
	r->loop = loop;
	r->done = done;
	r->arg = arg;
	LIST_INIT(&r->runs);
	return r;
}

static void
close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void
free_run(struct run *run)
{
	struct exec_runner *r = run->runner;

	LIST_REMOVE(run, entry);
	r->running--;
	ev_io_stop(r->loop, &run->io);
	ev_timer_stop(r->loop, &run->timer);
	close_fd(&run->output);
	close_fd(&run->failure);
	free(run);
}

/* Both: it may not have its own group yet, and may have left children there. */
static void
kill_run(const struct run *run)
{
	kill(-run->pid, SIGKILL);
	kill(run->pid, SIGKILL);
}

void
exec_runner_free(struct exec_runner *r)
{
	struct run *run, *next;

	if (r == NULL)
		return;
	for (run = LIST_FIRST(&r->runs); run != NULL; run = next) {
		next = LIST_NEXT(run, entry);
		if (run->pid > 0)
			kill_run(run);
		free_run(run);
	}
	free(r);
}

void
exec_runner_forget(struct exec_runner *r)
{
	struct run *run, *next;

	for (run = LIST_FIRST(&r->runs); run != NULL; run = next) {
		next = LIST_NEXT(run, entry);
		free_run(run);
	}
}

bool
exec_runner_is_full(const struct exec_runner *r)
{
	return r->running >= EXEC_RUNNING_MAX;
}

static void
tell(struct run *run)
{
	const struct exec_runner *r = run->runner;
	const struct exec_job job = run->job;
	struct probe_outcome outcome = run->outcome;

	outcome.duration_us = (uint32_t)((clock_now_ns() - run->started_ns) /
	    1000);
	free_run(run);
	r->done(r->arg, &job, &outcome);
}

/* Keeps the first line, as far as it is text and fits. */
static void
take_output(struct run *run, const char *data, size_t len)
{
	size_t i;

	for (i = 0; i < len && !run->line_ended; i++) {
		if ((unsigned char)data[i] < ' ' || data[i] == 0x7f ||
		    run->len + 1 == sizeof(run->line))
			run->line_ended = true;
		else
			run->line[run->len++] = data[i];
	}
}

/* What is behind the line is read too, else the program would be stuck. */
static void
on_output(struct ev_loop *loop, ev_io *io, int events)
{
	struct run *run = io->data;
	char data[READ_LEN];
	const ssize_t n = read(run->output, data, sizeof(data));

	(void)events;
	if (n > 0)
		take_output(run, data, (size_t)n);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		ev_io_stop(loop, io);
}

static void
on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct run *run = timer->data;

	(void)loop, (void)events;
	if (run->pid == 0) {
		tell(run);
		return;
	}
	run->timed_out = true;
	kill_run(run);
}

/* Of this run nothing more will come; the outcome is told by the loop. */
static void
fail(struct run *run, enum probe_result result, const char *what,
    const char *why)
{
	probe_outcome_set(&run->outcome, result, "%s: %s", what, why);
	ev_timer_set(&run->timer, 0, 0);
	ev_timer_start(run->runner->loop, &run->timer);
}

/* True, or why the program can't be run as that user. */
static bool
find_user(struct run *run, const char *name, struct exec_user *user)
{
	char buf[PASSWD_LEN];
	struct passwd pw, *found = NULL;

	if (getpwnam_r(name, &pw, buf, sizeof(buf), &found) != 0 ||
	    found == NULL) {
		fail(run, PROBE_EXEC_FAILED, "no such user", name);
		return false;
	}
	if (pw.pw_uid == 0 || pw.pw_gid == 0) {
		fail(run, PROBE_EXEC_FAILED, "never run as root", name);
		return false;
	}
	*user = (struct exec_user){ .uid = pw.pw_uid, .gid = pw.pw_gid };
	return true;
}

static void
watch(struct run *run)
{
	struct ev_loop *loop = run->runner->loop;

	ev_io_set(&run->io, run->output, EV_READ);
	ev_io_start(loop, &run->io);
	ev_now_update(loop);
	ev_timer_set(&run->timer, run->job.timeout_ms / 1000.0, 0);
	ev_timer_start(loop, &run->timer);
}

/* Until the child has reset them, no handler of ours may run in it. */
static pid_t
fork_child(const struct exec_child *child)
{
	sigset_t all, before;
	pid_t pid;

	sigfillset(&all);
	if (sigprocmask(SIG_SETMASK, &all, &before) < 0)
		return -1;
	pid = fork();
	if (pid == 0)
		exec_child_run(child);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return pid;
}

static bool
open_pipes(struct run *run, int output[2], int failure[2])
{
	if (pipe2(output, O_CLOEXEC) < 0)
		return false;
	run->output = output[0];
	if (pipe2(failure, O_CLOEXEC) < 0) {
		close(output[1]);
		return false;
	}
	run->failure = failure[0];
	/* Our ends only: the program may rely on its own to block. */
	fcntl(output[0], F_SETFL, O_NONBLOCK);
	fcntl(failure[0], F_SETFL, O_NONBLOCK);
	return true;
}

static void
start(struct run *run, const struct exec_job *job)
{
	struct exec_child child = { .job = job };
	int output[2], failure[2];

	if (run->runner->running > EXEC_RUNNING_MAX) {
		fail(run, PROBE_SKIPPED, "not run", "too many at a time");
		return;
	}
	if (!find_user(run, job->user, &child.user))
		return;
	if (!open_pipes(run, output, failure)) {
		fail(run, PROBE_SKIPPED, "no pipe", strerror(errno));
		return;
	}
	child.output = output[1];
	child.failure = failure[1];
	run->pid = fork_child(&child);
	close(output[1]);
	close(failure[1]);
	if (run->pid > 0) {
		watch(run);
		return;
	}
	run->pid = 0;
	fail(run, PROBE_SKIPPED, "cannot fork", strerror(errno));
}

void
exec_check_start(struct exec_runner *r, const struct exec_job *job)
{
	struct run *run = calloc(1, sizeof(*run));

	if (run == NULL)
		return;
	run->runner = r;
	run->job = (struct exec_job){ .port = job->port,
		.timeout_ms = job->timeout_ms,
		.id = job->id,
		.run = job->run };
	snprintf(run->program, sizeof(run->program), "%s", job->program);
	run->output = run->failure = -1;
	run->started_ns = clock_now_ns();
	ev_init(&run->io, on_output);
	ev_init(&run->timer, on_timer);
	run->io.data = run->timer.data = run;
	LIST_INSERT_HEAD(&r->runs, run, entry);
	r->running++;
	start(run, job);
}

/* The child has said why it never became the program. */
static bool
has_failed(struct run *run)
{
	struct exec_failure failure;

	if (read(run->failure, &failure, sizeof(failure)) != sizeof(failure))
		return false;
	probe_outcome_set(&run->outcome,
	    exec_failure_is_ours(&failure) ? PROBE_SKIPPED : PROBE_EXEC_FAILED,
	    "cannot %s %s: %s", exec_step_name(failure.step), run->program,
	    strerror(failure.error));
	return true;
}

static void
judge(struct run *run, int status)
{
	const char *colon = run->line[0] != '\0' ? ": " : "";

	if (run->timed_out)
		probe_outcome_set(&run->outcome, PROBE_EXEC_TIMEOUT,
		    "no exit within %u ms", run->job.timeout_ms);
	else if (has_failed(run))
		return;
	else if (WIFSIGNALED(status))
		probe_outcome_set(&run->outcome, PROBE_EXEC_SIGNAL,
		    "killed by signal %d (%s)%s%s", WTERMSIG(status),
		    strsignal(WTERMSIG(status)), colon, run->line);
	else if (WEXITSTATUS(status) != 0)
		probe_outcome_set(&run->outcome, PROBE_EXEC_STATUS,
		    "exit status %d%s%s", WEXITSTATUS(status), colon,
		    run->line);
	else
		probe_outcome_set(&run->outcome, PROBE_OK, "%s", run->line);
}

/* What is left of its output is in the pipe; whoever else holds it, too. */
static void
read_rest(struct run *run)
{
	char data[READ_LEN];
	ssize_t n;

	do {
		n = read(run->output, data, sizeof(data));
		if (n > 0)
			take_output(run, data, (size_t)n);
	} while (n > 0 && !run->line_ended);
}

bool
exec_runner_reaped(struct exec_runner *r, pid_t pid, int status)
{
	struct run *run;

	LIST_FOREACH(run, &r->runs, entry) {
		if (run->pid == pid)
			break;
	}
	if (run == NULL)
		return false;
	/* Nothing that it started outlives it. */
	kill(-pid, SIGKILL);
	read_rest(run);
	judge(run, status);
	tell(run);
	return true;
}
