/*
 * packets.h - packets for tests, made byte by byte with no help from src/.
 */
#ifndef TEST_PACKETS_H
#define TEST_PACKETS_H

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct packet_spec {
	bool v6;
	uint8_t proto; /* IPPROTO_TCP, IPPROTO_UDP */
	uint8_t flags; /* TCP */
	const char *src, *dst;
	uint16_t sport, dport;
	size_t options;    /* bytes of IPv4 options, multiple of 4 */
	size_t extensions; /* IPv6 destination options headers */
	size_t payload;    /* bytes, random */
};

/* RFC 1071 the slow way: byte pairs, big endian. */
static inline uint32_t
slow_sum(const uint8_t *data, size_t len, uint32_t sum)
{
	size_t i;

	for (i = 0; i < len; i++) {
		sum += (i % 2 == 0) ? (uint32_t)data[i] << 8 : data[i];
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return sum;
}

static inline size_t
packet_l4_off(const uint8_t *p)
{
	size_t off = 40;
	uint8_t next = p[6];

	if (p[0] >> 4 == 4)
		return (p[0] & 0x0fU) * 4U;
	while (next == 0 || next == 60 || next == 43 || next == 44) {
		const size_t skip = next == 44 ? 8 : (p[off + 1] + 1U) * 8U;

		next = p[off];
		off += skip;
	}
	return off;
}

/* The sum of pseudo header and l4_len bytes, not inverted. */
static inline uint32_t
packet_l4_sum(const uint8_t *p, size_t l4_len, uint8_t proto)
{
	const bool v4 = p[0] >> 4 == 4;
	uint32_t sum;

	sum = v4 ? slow_sum(p + 12, 8, 0) : slow_sum(p + 8, 32, 0);
	sum += proto + (uint32_t)l4_len;
	sum = (sum & 0xffff) + (sum >> 16);
	return slow_sum(p + packet_l4_off(p), l4_len, sum);
}

static inline size_t
packet_check_off(uint8_t proto)
{
	return proto == IPPROTO_TCP ? 16 : proto == IPPROTO_UDP ? 6 : 2;
}

static inline void
put16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static inline uint16_t
get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

/* Sets the L4 checksum, and over IPv4 the header's. */
static inline void
packet_finish(uint8_t *p, size_t len, uint8_t proto)
{
	const size_t off = packet_l4_off(p);
	uint8_t *check = p + off + packet_check_off(proto);
	uint32_t value;

	put16(check, 0);
	value = ~packet_l4_sum(p, len - off, proto) & 0xffff;
	put16(check, proto == IPPROTO_UDP && value == 0 ? 0xffff : value);
	if (p[0] >> 4 == 4) {
		put16(p + 10, 0);
		put16(p + 10, ~slow_sum(p, off, 0) & 0xffff);
	}
}

static inline size_t
packet_ip(uint8_t *p, const struct packet_spec *s, size_t l4_len)
{
	size_t off = 40, i;

	if (!s->v6) {
		memset(p, 0, 20);
		memset(p + 20, 1, s->options);
		p[0] = (uint8_t)(0x45 + s->options / 4);
		put16(p + 2, (uint32_t)(20 + s->options + l4_len));
		p[8] = 64;
		p[9] = s->proto;
		inet_pton(AF_INET, s->src, p + 12);
		inet_pton(AF_INET, s->dst, p + 16);
		return 20 + s->options;
	}
	memset(p, 0, 40);
	p[0] = 0x60;
	put16(p + 4, (uint32_t)(8 * s->extensions + l4_len));
	p[6] = s->extensions > 0 ? IPPROTO_DSTOPTS : s->proto;
	p[7] = 64;
	inet_pton(AF_INET6, s->src, p + 8);
	inet_pton(AF_INET6, s->dst, p + 24);
	for (i = 0; i < s->extensions; i++, off += 8) {
		memset(p + off, 0, 8);
		p[off] = i + 1 < s->extensions ? IPPROTO_DSTOPTS : s->proto;
	}
	return off;
}

/* Writes the packet and returns its length. */
static inline size_t
packet_make(uint8_t *p, const struct packet_spec *s)
{
	const size_t head = s->proto == IPPROTO_TCP ? 20 : 8;
	const size_t l4_len = head + s->payload;
	const size_t off = packet_ip(p, s, l4_len);
	uint8_t *l4 = p + off;
	size_t i;

	memset(l4, 0, head);
	put16(l4, s->sport);
	put16(l4 + 2, s->dport);
	if (s->proto == IPPROTO_TCP) {
		put16(l4 + 6, 1000);
		put16(l4 + 10, 2000);
		l4[12] = 5 << 4;
		l4[13] = s->flags;
		put16(l4 + 14, 65535);
	} else {
		put16(l4 + 4, (uint32_t)l4_len);
	}
	for (i = 0; i < s->payload; i++)
		l4[head + i] = (uint8_t)random();
	packet_finish(p, off + l4_len, s->proto);
	return off + l4_len;
}

/* True when all checksums are right, counted the slow way. */
static inline bool
packet_good(const uint8_t *p, size_t len, uint8_t proto)
{
	const size_t off = packet_l4_off(p);

	if (p[0] >> 4 == 4 && slow_sum(p, off, 0) != 0xffff)
		return false;
	if (proto == IPPROTO_ICMP)
		return slow_sum(p + off, len - off, 0) == 0xffff;
	return packet_l4_sum(p, len - off, proto) == 0xffff;
}

#endif
