/*
 * log.c - log lines to stderr, syslog or the journal.  All roles may call it;
 * layer 1 never does.  A line is formatted whole and written by one call, so
 * that lines of several threads don't mix.  errno is left as it was.
 */
#include "loaded/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#define LINE_LEN 1024
#define NS_PER_S UINT64_C(1000000000)

static enum log_target target = LOG_TARGET_STDERR;
static enum log_level threshold = LOG_LEVEL_NOTICE;
static bool echo_to_stderr;
static const char *role = "";

static const int priorities[] = {
	[LOG_LEVEL_ERR] = LOG_ERR,
	[LOG_LEVEL_WARN] = LOG_WARNING,
	[LOG_LEVEL_NOTICE] = LOG_NOTICE,
	[LOG_LEVEL_INFO] = LOG_INFO,
	[LOG_LEVEL_DEBUG] = LOG_DEBUG,
};

void
log_open(enum log_target to, enum log_level level, bool echo)
{
	target = to;
	threshold = level;
	echo_to_stderr = echo && to == LOG_TARGET_SYSLOG;
	if (to == LOG_TARGET_SYSLOG)
		openlog("loaded", LOG_PID | LOG_NDELAY, LOG_DAEMON);
}

void
log_detach(void)
{
	echo_to_stderr = false;
}

void
log_role(const char *name)
{
	role = name;
}

static void
write_stderr(const char *prefix, const char *text)
{
	char line[LINE_LEN + 64];
	int len;

	len = snprintf(line, sizeof(line), "%sloaded%s%s: %s\n", prefix,
	    role[0] != '\0' ? " " : "", role, text);
	if (len >= (int)sizeof(line))
		len = sizeof(line) - 1;
	/* Nobody is left to be told when stderr is gone. */
	if (len > 0 && write(STDERR_FILENO, line, (size_t)len) < 0)
		return;
}

static void
emit(enum log_level level, const char *text)
{
	char prefix[8];

	switch (target) {
	case LOG_TARGET_SYSLOG:
		syslog(priorities[level], "%s%s%s", role,
		    role[0] != '\0' ? ": " : "", text);
		if (echo_to_stderr)
			write_stderr("", text);
		break;
	case LOG_TARGET_STDERR:
		write_stderr("", text);
		break;
	case LOG_TARGET_JOURNAL:
		/* sd-daemon(3): the level in front of the line. */
		snprintf(prefix, sizeof(prefix), "<%d>", priorities[level]);
		write_stderr(prefix, text);
		break;
	}
}

__attribute__((format(printf, 3, 0))) static void
log_text(enum log_level level, int error, const char *fmt, va_list args)
{
	const int saved = errno;
	char text[LINE_LEN];
	size_t used;

	if (level > threshold)
		return;
	vsnprintf(text, sizeof(text), fmt, args);
	used = strlen(text);
	if (error != 0)
		snprintf(text + used, sizeof(text) - used, ": %s",
		    strerror(error));
	emit(level, text);
	errno = saved;
}

void
log_err(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	log_text(LOG_LEVEL_ERR, 0, fmt, args);
	va_end(args);
}

void
log_warn(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	log_text(LOG_LEVEL_WARN, 0, fmt, args);
	va_end(args);
}

void
log_notice(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	log_text(LOG_LEVEL_NOTICE, 0, fmt, args);
	va_end(args);
}

void
log_errno(int error, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	log_text(LOG_LEVEL_ERR, error, fmt, args);
	va_end(args);
}

__attribute__((format(printf, 2, 3))) static void
log_at(enum log_level level, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	log_text(level, 0, fmt, args);
	va_end(args);
}

void
log_limited(enum log_level level, struct log_limit *limit, uint64_t now_ns,
    const char *fmt, ...)
{
	const uint64_t now_s = now_ns / NS_PER_S;
	char text[LINE_LEN];
	va_list args;

	if (level > threshold)
		return;
	if (limit->last_s == now_s) {
		limit->suppressed++;
		return;
	}
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	log_at(level, "%s suppressed=%llu", text,
	    (unsigned long long)limit->suppressed);
	limit->last_s = now_s;
	limit->suppressed = 0;
}
