/*
 * siphash.h - keyed hashes (Aumasson, Bernstein: "SipHash", 2012), so that a
 * client cannot choose which bucket or backend it meets.  The value depends on
 * the bytes alone and is the same on every host, whatever its byte order.
 */
#ifndef LOADED_SIPHASH_H
#define LOADED_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

#define SIPHASH_KEY_LEN 16

/* SipHash-2-4: for what hosts have to agree on (sh, mh). */
uint64_t siphash24(const uint8_t key[static SIPHASH_KEY_LEN], const void *data,
    size_t len);

/* SipHash-1-3: for the buckets of our own tables. */
uint64_t siphash13(const uint8_t key[static SIPHASH_KEY_LEN], const void *data,
    size_t len);

#endif
