/*
 * cores.h - which cores of this machine the workers get.
 */
#ifndef LOADED_CORES_H
#define LOADED_CORES_H

#include "loaded/conf.h"

/*
 * Fills in conf->cores with all we may run on, if the file names none.  0, or
 * -EINVAL: *missing is a core of the file that this machine does not have.
 */
int cores_resolve(struct conf *conf, uint16_t *missing);

#endif
