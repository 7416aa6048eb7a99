/*
 * icmp_echo.c - echo requests out, answers in, as bytes.  Pure; called by the
 * failover thread.  Whatever comes in is hostile: nothing is read beyond its
 * length, and lengths that it claims are only believed when they are less.
 *
 *	0       4       8       12              20          32
 *	| type, | id,   | index | nonce         | mark      |
 *	| csum  | seq   |       |               |           |
 */
#include "loaded/icmp_echo.h"

#include <arpa/inet.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/ip_icmp.h>
#include <string.h>

#include "loaded/csum.h"

#define HEADER_LEN 8
#define CSUM_OFF 2
#define ID_OFF 4
#define SEQ_OFF 6
#define INDEX_OFF 8
#define NONCE_OFF 12
#define MARK_OFF 20

static const uint8_t mark[ICMP_ECHO_LEN - MARK_OFF] = "loaded echo";

/* What differs between the families. */
struct icmp_types {
	uint8_t request, reply, unreachable;
};

static const struct icmp_types types_v4 = { ICMP_ECHO, ICMP_ECHOREPLY,
	ICMP_UNREACH };
static const struct icmp_types types_v6 = { ICMP6_ECHO_REQUEST,
	ICMP6_ECHO_REPLY, ICMP6_DST_UNREACH };

static void
put16(uint8_t *to, uint16_t value)
{
	value = htons(value);
	memcpy(to, &value, sizeof(value));
}

static uint16_t
get16(const uint8_t *from)
{
	uint16_t value;

	memcpy(&value, from, sizeof(value));
	return ntohs(value);
}

void
icmp_echo_build(uint8_t out[static ICMP_ECHO_LEN], const struct icmp_echo *echo,
    bool v4)
{
	uint16_t check;

	memset(out, 0, ICMP_ECHO_LEN);
	out[0] = v4 ? types_v4.request : types_v6.request;
	put16(out + ID_OFF, echo->id);
	put16(out + SEQ_OFF, echo->seq);
	memcpy(out + INDEX_OFF, &echo->index, sizeof(echo->index));
	memcpy(out + NONCE_OFF, &echo->nonce, sizeof(echo->nonce));
	memcpy(out + MARK_OFF, mark, sizeof(mark));
	if (!v4)
		return;
	check = (uint16_t)~csum_fold(csum_add(0, out, ICMP_ECHO_LEN));
	memcpy(out + CSUM_OFF, &check, sizeof(check));
}

/* Moves data behind the IPv4 header; false if it has no ICMP in it. */
static bool
skip_v4(const uint8_t **data, size_t *len, struct addr *dst)
{
	const uint8_t *ip = *data;
	size_t header;

	if (*len < sizeof(struct iphdr) || ip[0] >> 4 != 4)
		return false;
	header = (ip[0] & 0x0fU) * 4U;
	if (header < sizeof(struct iphdr) || header > *len ||
	    ip[offsetof(struct iphdr, protocol)] != IPPROTO_ICMP ||
	    (get16(ip + offsetof(struct iphdr, frag_off)) & IP_OFFMASK) != 0)
		return false;
	*dst = addr_from_v4(ip + offsetof(struct iphdr, daddr));
	*data += header;
	*len -= header;
	return true;
}

/* The same; extension headers are not in what we send. */
static bool
skip_v6(const uint8_t **data, size_t *len, struct addr *dst)
{
	const uint8_t *ip = *data;

	if (*len < sizeof(struct ip6_hdr) || ip[0] >> 4 != 6 ||
	    ip[offsetof(struct ip6_hdr, ip6_nxt)] != IPPROTO_ICMPV6)
		return false;
	*dst = addr_from_v6(ip + offsetof(struct ip6_hdr, ip6_dst));
	*data += sizeof(struct ip6_hdr);
	*len -= sizeof(struct ip6_hdr);
	return true;
}

/* The packet itself: as long as it says, and not a bit changed. */
static bool
open_v4(const uint8_t **data, size_t *len)
{
	struct addr self;
	size_t whole;

	if (*len < sizeof(struct iphdr))
		return false;
	whole = get16(*data + offsetof(struct iphdr, tot_len));
	if (whole > *len)
		return false;
	*len = whole;
	return skip_v4(data, len, &self) &&
	    csum_fold(csum_add(0, *data, *len)) == 0xffff;
}

/* icmp has a whole header. */
static void
read_echo(struct icmp_echo_answer *out, const uint8_t *icmp, size_t len)
{
	struct icmp_echo *echo = &out->echo;

	echo->id = get16(icmp + ID_OFF);
	echo->seq = get16(icmp + SEQ_OFF);
	if (len < MARK_OFF)
		return;
	memcpy(&echo->index, icmp + INDEX_OFF, sizeof(echo->index));
	memcpy(&echo->nonce, icmp + NONCE_OFF, sizeof(echo->nonce));
	out->has_payload = true;
}

static void
read_reply(struct icmp_echo_answer *out, const uint8_t *icmp, size_t len)
{
	const bool ours = len == ICMP_ECHO_LEN &&
	    memcmp(icmp + MARK_OFF, mark, sizeof(mark)) == 0;

	if (icmp[1] != 0)
		return;
	out->kind = ICMP_ECHO_REPLY;
	read_echo(out, icmp, ours ? len : HEADER_LEN);
}

/* Routers quote the IP header and at least 8 bytes (RFC 792). */
static void
read_unreachable(struct icmp_echo_answer *out, const uint8_t *icmp, size_t len,
    bool v4)
{
	const uint8_t request = v4 ? types_v4.request : types_v6.request;
	const uint8_t *quote = icmp + HEADER_LEN;
	struct addr dst = { { 0 } };

	len -= HEADER_LEN;
	if (!(v4 ? skip_v4 : skip_v6)(&quote, &len, &dst) || len < HEADER_LEN ||
	    quote[0] != request || quote[1] != 0)
		return;
	out->kind = ICMP_ECHO_UNREACHABLE;
	out->code = icmp[1];
	out->quoted = dst;
	read_echo(out, quote, len);
}

void
icmp_echo_parse(struct icmp_echo_answer *out, const uint8_t *data, size_t len,
    bool v4)
{
	const struct icmp_types *types = v4 ? &types_v4 : &types_v6;

	*out = (struct icmp_echo_answer){ .kind = ICMP_ECHO_OTHER };
	if ((v4 && !open_v4(&data, &len)) || len < HEADER_LEN)
		return;
	if (data[0] == types->reply)
		read_reply(out, data, len);
	else if (data[0] == types->unreachable)
		read_unreachable(out, data, len, v4);
}
