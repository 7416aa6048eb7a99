/*
 * signals.c - SIGTERM as a descriptor.  Run by the balancer and the checker
 * right after they were forked; all other signals are the supervisor's
 * business.
 */
#include "loaded/signals.h"

#include <signal.h>
#include <stddef.h>
#include <sys/signalfd.h>

int
signals_open(void)
{
	sigset_t set;

	sigfillset(&set);
	if (sigprocmask(SIG_SETMASK, &set, NULL) < 0)
		return -1;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}
