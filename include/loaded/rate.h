/*
 * rate.h - a token bucket in one word: the generic cell rate algorithm (ITU-T
 * I.371).  The word is the time, in ns, when the bucket will be full again.
 * The bucket holds one second's worth and starts full (0).
 */
#ifndef LOADED_RATE_H
#define LOADED_RATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * Is there a token?  rate: tokens a second, > 0, which may be another one at
 * each call: a bucket stays as full as it was, in parts.  Changes nothing.
 */
bool rate_ready(const _Atomic uint64_t *bucket, uint32_t rate, uint64_t now_ns);

/* Takes a token if there is one. */
bool rate_take(_Atomic uint64_t *bucket, uint32_t rate, uint64_t now_ns);

#endif
