/*
 * prng.h - random numbers that are cheap, for spreading.  Whoever sees some of
 * them can tell the next: for secrets there is siphash.h with a secret key.
 */
#ifndef LOADED_PRNG_H
#define LOADED_PRNG_H

#include <stdint.h>

/* *state: the caller's alone; never 0. */
uint64_t prng_next(uint64_t *state);

#endif
