/*
 * csum.c - the Internet checksum.  Pure; called by rewrite.c and refuse.c.
 *
 * Sums are kept in the packet's own byte order (RFC 1071, 2 (B): the sum is
 * independent of byte order), so that no value is ever swapped.
 */
#include "loaded/csum.h"

#include <arpa/inet.h>
#include <string.h>

/* Adds with the carry brought round, so that any number of words fits. */
static inline uint64_t
add_carry(uint64_t sum, uint64_t word)
{
	sum += word;
	return sum + (sum < word);
}

uint64_t
csum_add(uint64_t sum, const void *data, size_t len)
{
	const uint8_t *p = data;
	uint64_t word;
	uint8_t tail[8] = { 0 };

	for (; len >= sizeof(word); len -= sizeof(word), p += sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		sum = add_carry(sum, word);
	}
	if (len > 0) {
		memcpy(tail, p, len);
		memcpy(&word, tail, sizeof(word));
		sum = add_carry(sum, word);
	}
	return sum;
}

uint16_t
csum_fold(uint64_t sum)
{
	sum = (sum >> 32) + (sum & 0xffffffff);
	sum = (sum >> 32) + (sum & 0xffffffff);
	sum = (sum >> 16) + (sum & 0xffff);
	sum = (sum >> 16) + (sum & 0xffff);
	sum = (sum >> 16) + (sum & 0xffff);
	return (uint16_t)sum;
}

uint64_t
csum_pseudo(const struct addr *src, const struct addr *dst, uint8_t proto,
    uint32_t l4_len)
{
	const size_t skip = addr_is_v4(src) ? 12 : 0;
	const uint32_t tail[2] = { htonl(l4_len), htonl(proto) };
	uint64_t sum;

	sum = csum_add(0, src->b + skip, 16 - skip);
	sum = csum_add(sum, dst->b + skip, 16 - skip);
	return csum_add(sum, tail, sizeof(tail));
}

/* RFC 1624, eqn. 3: ~m + m', for one word after the other. */
uint64_t
csum_delta(uint64_t delta, const void *old, const void *new, size_t len)
{
	uint16_t from, to;
	size_t i;

	for (i = 0; i + 1 < len; i += 2) {
		memcpy(&from, (const uint8_t *)old + i, sizeof(from));
		memcpy(&to, (const uint8_t *)new + i, sizeof(to));
		delta += (uint64_t)(uint16_t)~from + to;
	}
	return delta;
}

uint16_t
csum_apply(uint16_t check_be, uint64_t delta)
{
	return (uint16_t)~csum_fold(delta + (uint16_t)~check_be);
}

uint16_t
csum_apply_plain(uint16_t sum_be, uint64_t delta)
{
	return csum_fold(delta + sum_be);
}
