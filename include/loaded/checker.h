/*
 * checker.h - the process of the checks that need a big parser: HTTP and
 * HTTPS.  No capability, an empty chroot.
 */
#ifndef LOADED_CHECKER_H
#define LOADED_CHECKER_H

#include <stdint.h>

#include "loaded/health.h"
#include "loaded/sandbox.h"
#include "loaded/table.h"

/* What the supervisor has opened for it; everything is borrowed. */
struct checker {
	const struct sandbox *sandbox; /* net_admin is false */
	const struct table *table;     /* mapped, read-only */
	int control; /* supervisor: READY out, TABLE in; its end ends us */
	int checks;  /* failover: PROBE in, RESULT out */
	struct pulse *pulse; /* shared: beats while we get on */
	uint32_t scope;      /* interface of link-local addresses, or 0 */
};

#define CHECKER_BEAT_MS 200

/* Until told to stop (SIGTERM, or the end of control): an exit status. */
int checker_run(const struct checker *c);

#endif
