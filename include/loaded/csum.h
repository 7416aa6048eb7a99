/*
 * csum.h - the Internet checksum: full sums (RFC 1071) and incremental updates
 * (RFC 1624, eqn. 3).  All 16-bit values are as they stand in the packet
 * (network order, read with memcpy); no function needs alignment.
 */
#ifndef LOADED_CSUM_H
#define LOADED_CSUM_H

#include <stddef.h>
#include <stdint.h>

#include "loaded/addr.h"

/* One's-complement sum of len bytes added to sum; not folded, not inverted. */
uint64_t csum_add(uint64_t sum, const void *data, size_t len);

/* To 16 bits; the caller inverts. */
uint16_t csum_fold(uint64_t sum);

/*
 * The pseudo header of TCP and UDP (RFC 9293 3.1, RFC 8200 8.1), to be added
 * to with csum_add.  Both addresses are of one family.
 */
uint64_t csum_pseudo(const struct addr *src, const struct addr *dst,
    uint8_t proto, uint32_t l4_len);

/*
 * What replacing some bytes adds to a sum: build with csum_delta for each
 * field (len even, both of the same length), then apply once.
 */
uint64_t csum_delta(uint64_t delta, const void *old, const void *new,
    size_t len);

/* A checksum field (inverted sum) after the change. */
uint16_t csum_apply(uint16_t check_be, uint64_t delta);

/* A field that holds a plain, not inverted sum (NFQUEUE: CSUMNOTREADY). */
uint16_t csum_apply_plain(uint16_t sum_be, uint64_t delta);

#endif
