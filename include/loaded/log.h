/*
 * log.h - one line, one event: to stderr, syslog or the journal.  Safe from
 * any thread; keeps errno.  Nothing in layer 1 logs.
 */
#ifndef LOADED_LOG_H
#define LOADED_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level {
	LOG_LEVEL_ERR,
	LOG_LEVEL_WARN,
	LOG_LEVEL_NOTICE,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG
};
enum log_target { LOG_TARGET_STDERR, LOG_TARGET_SYSLOG, LOG_TARGET_JOURNAL };

/*
 * Opens the target at once, so that it works in a chroot.  echo: write to
 * stderr as well (while the shell still waits for the start's outcome).
 */
void log_open(enum log_target target, enum log_level level, bool echo);

/* Ends the echo. */
void log_detach(void);

/* Stands before every line of this process, e.g. "balancer". */
void log_role(const char *role);

__attribute__((format(printf, 1, 2))) void log_err(const char *fmt, ...);
__attribute__((format(printf, 1, 2))) void log_warn(const char *fmt, ...);
__attribute__((format(printf, 1, 2))) void log_notice(const char *fmt, ...);

/* The same with ": strerror(error)" behind; error is positive. */
__attribute__((format(printf, 2, 3))) void log_errno(int error, const char *fmt,
    ...);

/* For what others can cause: at most one line a second for each limit. */
struct log_limit {
	uint64_t last_s; /* clock_now_ns() / 1e9 of the last line */
	uint64_t suppressed;
};

__attribute__((format(printf, 4, 5))) void log_limited(enum log_level level,
    struct log_limit *limit, uint64_t now_ns, const char *fmt, ...);

#endif
