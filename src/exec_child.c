/*
 * exec_child.c - from a copy of the supervisor to a check's program: nothing
 * of the supervisor's may be left, neither descriptors nor rights nor signals.
 * Run in the child, which ends here if any step fails.
 */
#include "loaded/exec_child.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* As shells have it when the program is not to be found. */
#define EXIT_NOT_RUN 127
#define NUMBER_LEN 16

const char *
exec_step_name(enum exec_step step)
{
	switch (step) {
	case EXEC_FILES:
		return "open files for";
	case EXEC_USER:
		return "become the user of";
	case EXEC_LIMITS:
		return "confine";
	case EXEC_PROGRAM:
		break;
	}
	return "run";
}

bool
exec_failure_is_ours(const struct exec_failure *failure)
{
	switch (failure->error) {
	case EMFILE:
	case ENFILE:
	case ENOMEM:
	case EAGAIN:
		return true;
	default:
		return false;
	}
}

/* Handlers, and signals that are ignored, which exec would keep. */
static void
reset_signals(void)
{
	const struct sigaction by_default = { .sa_handler = SIG_DFL };
	sigset_t none;
	int number;

	/* Some can't be set; those are as they should be. */
	for (number = 1; number <= SIGRTMAX; number++)
		(void)sigaction(number, &by_default, NULL);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* A copy that is none of the standard descriptors, and ends with exec. */
static int
move_up(int fd)
{
	return fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
}

/* What is left: standard input, output and error, and failure. */
static bool
set_files(int output, int failure)
{
	const unsigned int first = STDERR_FILENO + 1;
	const unsigned int kept = (unsigned int)failure;
	const int null = move_up(open("/dev/null", O_RDWR | O_CLOEXEC));
	const int out = move_up(output);

	return null >= 0 && out >= 0 && dup2(null, STDIN_FILENO) >= 0 &&
	    dup2(out, STDOUT_FILENO) >= 0 && dup2(null, STDERR_FILENO) >= 0 &&
	    (kept == first || close_range(first, kept - 1, 0) == 0) &&
	    close_range(kept + 1, ~0U, 0) == 0;
}

/* No capability outlives the change of all three user ids. */
static bool
set_user(const struct exec_user *user)
{
	return setgroups(0, NULL) == 0 &&
	    setresgid(user->gid, user->gid, user->gid) == 0 &&
	    setresuid(user->uid, user->uid, user->uid) == 0 && setuid(0) < 0;
}

/* It ends with the supervisor; the change of user would have reset that. */
static bool
set_limits(void)
{
	const struct rlimit none = { 0, 0 };

	umask(022);
	return chdir("/") == 0 && setrlimit(RLIMIT_CORE, &none) == 0 &&
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0;
}

/* Returns only if it can't. */
static void
execute(const struct exec_job *job)
{
	char port[NUMBER_LEN], timeout[NUMBER_LEN];
	char path[] = "PATH=/usr/local/sbin:/usr/local/bin:"
		      "/usr/sbin:/usr/bin:/sbin:/bin";
	char *environment[] = { path, NULL };
	const char *arguments[] = { job->program, job->vip, job->backend,
		job->protocol, port, timeout, NULL };

	snprintf(port, sizeof(port), "%u", job->port);
	snprintf(timeout, sizeof(timeout), "%u", job->timeout_ms);
	/* execve() does not write to what it is given. */
	execve(job->program, (char *const *)(uintptr_t)arguments, environment);
}

static enum exec_step
prepare_and_execute(const struct exec_child *child, int failure)
{
	if (!set_files(child->output, failure))
		return EXEC_FILES;
	if (!set_user(&child->user))
		return EXEC_USER;
	if (!set_limits())
		return EXEC_LIMITS;
	execute(child->job);
	return EXEC_PROGRAM;
}

noreturn void
exec_child_run(const struct exec_child *child)
{
	const int fd = move_up(child->failure);
	struct exec_failure failure;

	setsid();
	reset_signals();
	if (fd >= 0) {
		failure.step = prepare_and_execute(child, fd);
		failure.error = errno;
		/* If even that fails, the exit status has to do. */
		(void)!write(fd, &failure, sizeof(failure));
	}
	_exit(EXIT_NOT_RUN);
}
