/*
 * daemon.h - into the background, without losing the start's outcome.
 */
#ifndef LOADED_DAEMON_H
#define LOADED_DAEMON_H

#include <stdbool.h>

/*
 * Forks.  The parent never returns: it waits for daemon_ready and exits with
 * 0, or with the daemon's own status when that ends before.  In the daemon:
 * 0 and the descriptor to be given to daemon_ready, or -errno.
 */
int daemon_start(int *ready_fd);

/* The start is done: frees the shell; stderr goes too unless kept. */
int daemon_ready(int ready_fd, bool keep_stderr);

#endif
