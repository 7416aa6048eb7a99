/*
 * exec_child.h - between fork and exec of a check's program.
 */
#ifndef LOADED_EXEC_CHILD_H
#define LOADED_EXEC_CHILD_H

#include <stdbool.h>
#include <stdnoreturn.h>
#include <sys/types.h>

#include "loaded/exec_check.h"

enum exec_step { EXEC_FILES, EXEC_USER, EXEC_LIMITS, EXEC_PROGRAM };

/* Never root's. */
struct exec_user {
	uid_t uid;
	gid_t gid;
};

struct exec_child {
	const struct exec_job *job; /* borrowed */
	struct exec_user user;
	int output, failure; /* write ends of pipes */
};

/* Sent through the pipe failure; nothing is when the program runs. */
struct exec_failure {
	enum exec_step step;
	int error; /* errno */
};

/* "run", "become the user of": what could not be done, before the program. */
const char *exec_step_name(enum exec_step step);

/* Short of memory or descriptors: no fault of the program. */
bool exec_failure_is_ours(const struct exec_failure *failure);

/* In the child, with all signals blocked. */
noreturn void exec_child_run(const struct exec_child *child);

#endif
