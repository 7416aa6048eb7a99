/*
 * supervisor.h - the root process.
 */
#ifndef LOADED_SUPERVISOR_H
#define LOADED_SUPERVISOR_H

#include <stdbool.h>

#include "loaded/conf.h"

/*
 * Opens what needs root, runs the balancer and waits for the end.  The conf
 * is checked, with its cores filled in; its places for discovered backends
 * are filled while this runs.  Returns the exit status.
 */
int supervisor_run(struct conf *conf, bool foreground);

#endif
