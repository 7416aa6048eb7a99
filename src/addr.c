/*
 * addr.c - addresses and prefixes of both families in one form; see addr.h.
 * Anyone may call this.  Whatever is IPv4 carries the IPv4-mapped prefix, and
 * text that spells that prefix out as IPv6 is refused, so that no address has
 * two spellings.
 */
#include "loaded/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "loaded/num.h"

#define V4_BITS_OFF 96U

static const uint8_t v4_prefix[12] = {
	0,
	0,
	0,
	0,
	0,
	0,
	0,
	0,
	0,
	0,
	0xff,
	0xff,
};

struct addr
addr_from_v4(const uint8_t bytes[static 4])
{
	struct addr a;

	memcpy(a.b, v4_prefix, sizeof(v4_prefix));
	memcpy(a.b + sizeof(v4_prefix), bytes, 4);
	return a;
}

struct addr
addr_from_v6(const uint8_t bytes[static 16])
{
	struct addr a;

	memcpy(a.b, bytes, sizeof(a.b));
	return a;
}

bool
addr_is_v4(const struct addr *a)
{
	return memcmp(a->b, v4_prefix, sizeof(v4_prefix)) == 0;
}

bool
addr_is_link_local(const struct addr *a)
{
	return a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80;
}

bool
addr_equal(const struct addr *a, const struct addr *b)
{
	return addr_compare(a, b) == 0;
}

int
addr_compare(const struct addr *a, const struct addr *b)
{
	return memcmp(a->b, b->b, sizeof(a->b));
}

struct addr
addr_mask(const struct addr *a, unsigned int bits)
{
	struct addr masked = { { 0 } };
	const unsigned int whole = bits / 8;

	memcpy(masked.b, a->b, whole);
	if (bits % 8 != 0)
		masked.b[whole] = a->b[whole] & (uint8_t)(0xff00U >> bits % 8);
	return masked;
}

int
addr_parse(struct addr *out, const char *text)
{
	uint8_t bytes[16];

	*out = (struct addr){ { 0 } };
	if (inet_pton(AF_INET, text, bytes) == 1) {
		*out = addr_from_v4(bytes);
		return 0;
	}
	if (inet_pton(AF_INET6, text, bytes) != 1 ||
	    memcmp(bytes, v4_prefix, sizeof(v4_prefix)) == 0)
		return -EINVAL;
	*out = addr_from_v6(bytes);
	return 0;
}

const char *
addr_format(const struct addr *a, char text[static ADDR_STRLEN])
{
	if (addr_is_v4(a))
		inet_ntop(AF_INET, a->b + sizeof(v4_prefix), text, ADDR_STRLEN);
	else
		inet_ntop(AF_INET6, a->b, text, ADDR_STRLEN);
	return text;
}

int
prefix_parse(struct prefix *out, const char *text)
{
	char host[ADDR_STRLEN];
	const char *slash = strchrnul(text, '/');
	const size_t len = (size_t)(slash - text);
	struct prefix p;
	unsigned int skip;
	uint64_t bits;

	*out = (struct prefix){ .bits = 0 };
	if (len >= sizeof(host))
		return -EINVAL;
	memcpy(host, text, len);
	host[len] = '\0';
	if (addr_parse(&p.addr, host) != 0)
		return -EINVAL;
	skip = addr_is_v4(&p.addr) ? V4_BITS_OFF : 0;
	bits = 128 - skip;
	if (*slash == '/' && num_parse(&bits, slash + 1, 0, bits) != 0)
		return -EINVAL;
	p.bits = (uint8_t)(skip + bits);
	if (!prefix_contains(&p, &p.addr))
		return -EINVAL;
	*out = p;
	return 0;
}

const char *
prefix_format(const struct prefix *p, char text[static PREFIX_STRLEN])
{
	char host[ADDR_STRLEN];
	const unsigned int skip = addr_is_v4(&p->addr) ? V4_BITS_OFF : 0;

	snprintf(text, PREFIX_STRLEN, "%s/%u", addr_format(&p->addr, host),
	    p->bits - skip);
	return text;
}

/* ::/0 means all of IPv6: an IPv4 address is in no prefix of the other kind. */
bool
prefix_contains(const struct prefix *p, const struct addr *a)
{
	const struct addr masked = addr_mask(a, p->bits);

	return addr_is_v4(&p->addr) == addr_is_v4(a) &&
	    addr_equal(&masked, &p->addr);
}
