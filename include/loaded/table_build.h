/*
 * table_build.h - config to table: the one place where both are known.
 */
#ifndef LOADED_TABLE_BUILD_H
#define LOADED_TABLE_BUILD_H

#include "loaded/conf.h"
#include "loaded/table.h"

/*
 * Builds the table of a checked config in fresh heap memory, to be released
 * with free().  hash_key is used where the config names none.  0, or -ENOMEM.
 *
 * Discovered backends may come and go between two builds: address ids, slots,
 * pool and service indexes and the layout of the scratch memory stay.
 */
int table_build(struct table **out, const struct conf *conf,
    const uint8_t hash_key[static SIPHASH_KEY_LEN], uint32_t generation);

/* Every backend as configured, health unknown; places for discovered too. */
void table_init_backends(const struct conf *conf, struct backend_state *states);

#endif
