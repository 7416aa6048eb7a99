/*
 * cores.c - the config's cores against those of the machine.
 */
#include "loaded/cores.h"

#include <errno.h>
#include <sched.h>

int
cores_resolve(struct conf *conf, uint16_t *missing)
{
	cpu_set_t set;
	uint16_t core;
	uint32_t i;

	CPU_ZERO(&set);
	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		CPU_SET(0, &set);
	for (i = 0; i < conf->ncores; i++) {
		*missing = conf->cores[i];
		if (conf->cores[i] >= CPU_SETSIZE ||
		    !CPU_ISSET(conf->cores[i], &set))
			return -EINVAL;
	}
	if (conf->ncores > 0)
		return 0;
	for (core = 0; core < CPU_SETSIZE && conf->ncores < CONF_WORKERS;
	     core++)
		if (CPU_ISSET(core, &set))
			conf->cores[conf->ncores++] = core;
	return 0;
}
