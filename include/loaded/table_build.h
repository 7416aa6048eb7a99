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
 */
int table_build(struct table **out, const struct conf *conf,
    const uint8_t hash_key[static SIPHASH_KEY_LEN]);

/* Sets weight and limits of every configured backend; health unknown. */
void table_init_backends(const struct conf *conf, struct backend_state *states);

#endif
