/*
 * addr.h - IP addresses and prefixes of both families in one form.
 *
 * An IPv4 address is kept as the IPv4-mapped IPv6 address (RFC 4291, 2.5.5.2),
 * so that compare, mask and hash need no case for the family.  Bytes are in
 * network order.  No function here allocates.
 */
#ifndef LOADED_ADDR_H
#define LOADED_ADDR_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#define ADDR_STRLEN INET6_ADDRSTRLEN
#define PREFIX_STRLEN (ADDR_STRLEN + 4)

struct addr {
	uint8_t b[16];
};

/* bits counts within the 128: an IPv4 /24 has 96 + 24. */
struct prefix {
	struct addr addr;
	uint8_t bits;
};

struct addr addr_from_v4(const uint8_t bytes[static 4]);
struct addr addr_from_v6(const uint8_t bytes[static 16]);
bool addr_is_v4(const struct addr *a);
bool addr_is_link_local(const struct addr *a); /* fe80::/10 */
bool addr_equal(const struct addr *a, const struct addr *b);

/* memcmp order: <0, 0, >0. */
int addr_compare(const struct addr *a, const struct addr *b);

/* The address with all but its first bits (0-128) cleared. */
struct addr addr_mask(const struct addr *a, unsigned int bits);

/*
 * 0, or -EINVAL for anything but one numeric address: no zone, no name, and
 * no IPv6 text of an IPv4-mapped address.
 */
int addr_parse(struct addr *out, const char *text);

/* Writes text and returns it; IPv4 as dotted quad. */
const char *addr_format(const struct addr *a, char text[static ADDR_STRLEN]);

/*
 * "10.0.0.0/24", "fd00::/64", or a bare address (full length).  0, or -EINVAL,
 * also when bits are set behind the prefix length.
 */
int prefix_parse(struct prefix *out, const char *text);
const char *prefix_format(const struct prefix *p,
    char text[static PREFIX_STRLEN]);

/* False for an address of the other family, even in a prefix of length 0. */
bool prefix_contains(const struct prefix *p, const struct addr *a);

#endif
