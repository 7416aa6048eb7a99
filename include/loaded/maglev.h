/*
 * maglev.h - Maglev hashing (Eisenbud et al., NSDI 2016, section 3.4) with
 * weights.  The table depends only on the key and on the set of addresses,
 * ports and weights, not on their order: every worker and every host with the
 * same key builds the same choices.
 */
#ifndef LOADED_MAGLEV_H
#define LOADED_MAGLEV_H

#include <stdint.h>

#include "loaded/sched.h"
#include "loaded/siphash.h"

/*
 * Size for a number of backends up to BACKEND_SLOTS: a prime, >= 100 x count,
 * 0 for count 0.  One of few, because a new size moves nearly every flow.
 */
uint32_t maglev_size(uint32_t count);

/*
 * Fills table[size], size a prime above 2, with indexes into members: of every
 * weight above 0 at least one while there is room.  UINT16_MAX throughout if
 * there is none.  Allocates scratch memory: 0 or -ENOMEM.
 */
int maglev_build(uint16_t *table, uint32_t size,
    const struct sched_member *members, uint32_t count,
    const uint8_t key[static SIPHASH_KEY_LEN]);

#endif
