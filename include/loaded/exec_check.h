/*
 * exec_check.h - runs the programs of exec checks: in the supervisor, as the
 * unprivileged user that the config names, never through a shell.
 */
#ifndef LOADED_EXEC_CHECK_H
#define LOADED_EXEC_CHECK_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "loaded/probe_result.h"

#define EXEC_RUNNING_MAX 256 /* at a time; more are skipped */

struct exec_runner;

/* The strings are needed until the start returns; done sees them as NULL. */
struct exec_job {
	const char *program; /* absolute path */
	const char *user;
	const char *vip, *backend, *protocol; /* "-" for none */
	uint16_t port;                        /* host order */
	uint32_t timeout_ms;
	uint32_t id, run; /* the caller's */
};

typedef void exec_done_fn(void *arg, const struct exec_job *job,
    const struct probe_outcome *o);

/* NULL if memory is short. */
struct exec_runner *exec_runner_new(struct ev_loop *loop, exec_done_fn *done,
    void *arg);

/* In a child of the supervisor: closes what is open, and lets them run. */
void exec_runner_forget(struct exec_runner *r);

/* Would one more be skipped? */
bool exec_runner_is_full(const struct exec_runner *r);

/* Kills what still runs. */
void exec_runner_free(struct exec_runner *r);

/*
 * program vip backend protocol port timeout_ms.  done is called once, never
 * from inside (and not if there is no memory even for that): exit status 0 is
 * PROBE_OK; the first line on standard output is the text.  After timeout_ms
 * its process group gets SIGKILL.
 */
void exec_check_start(struct exec_runner *r, const struct exec_job *job);

/*
 * A child of the supervisor has been waited for: true if it was one of ours;
 * then done is called.
 */
bool exec_runner_reaped(struct exec_runner *r, pid_t pid, int status);

#endif
