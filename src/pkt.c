/*
 * pkt.c - bounded parsing of IPv4 and IPv6 with TCP, UDP and ICMP.  Pure;
 * called by balance.c for every packet.  Every read is preceded by a check of
 * the bytes that are left.
 */
#include "loaded/pkt.h"

#include <string.h>

#define IPV4_MIN 20U
#define IPV6_LEN 40U
#define TCP_MIN 20U
#define UDP_LEN 8U
#define IPV4_MORE_FRAGMENTS 0x2000U
#define IPV4_OFFSET 0x1fffU
#define IPV6_MORE_FRAGMENTS 0x0001U
#define IPV6_OFFSET 0xfff8U

static uint16_t
read16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

/* The bytes both there and claimed by the IP header. */
static uint32_t
usable_len(const struct pkt *p)
{
	return p->ip_len < p->len ? p->ip_len : p->len;
}

static bool
has_bytes(const struct pkt *p, uint32_t off, uint32_t count)
{
	const uint32_t len = usable_len(p);

	return off <= len && len - off >= count;
}

/* Lengths that lie (RFC 768: 8 to what IP carries) are the sender's fault. */
static enum pkt_result
parse_udp(struct pkt *p)
{
	const uint8_t *udp = p->data + p->l4_off;
	uint32_t udp_len;

	if (!has_bytes(p, p->l4_off, UDP_LEN))
		return PKT_BAD_L4;
	udp_len = read16(udp + 4);
	if (udp_len < UDP_LEN || (!p->fragment && udp_len > pkt_l4_len(p)))
		return PKT_BAD_L4;
	memcpy(&p->sport_be, udp, 2);
	memcpy(&p->dport_be, udp + 2, 2);
	return p->dport_be == 0 ? PKT_BAD_L4 : PKT_OK;
}

static enum pkt_result
parse_tcp(struct pkt *p)
{
	const uint8_t *tcp = p->data + p->l4_off;
	uint32_t header_len;

	if (!has_bytes(p, p->l4_off, TCP_MIN))
		return PKT_BAD_L4;
	header_len = (tcp[12] >> 4) * 4U;
	if (header_len < TCP_MIN || header_len > pkt_l4_len(p))
		return PKT_BAD_L4;
	memcpy(&p->sport_be, tcp, 2);
	memcpy(&p->dport_be, tcp + 2, 2);
	p->tcp_flags = tcp[13] & (PKT_FIN | PKT_SYN | PKT_RST | PKT_ACK);
	if (p->sport_be == 0 || p->dport_be == 0)
		return PKT_BAD_L4;
	return PKT_OK;
}

static enum pkt_result
parse_l4(struct pkt *p)
{
	switch (p->proto) {
	case IPPROTO_TCP:
		return parse_tcp(p);
	case IPPROTO_UDP:
		return parse_udp(p);
	case IPPROTO_ICMP:
		return p->version == 4 ? PKT_ICMP : PKT_OTHER_PROTO;
	case IPPROTO_ICMPV6:
		return p->version == 6 ? PKT_ICMP : PKT_OTHER_PROTO;
	default:
		return PKT_OTHER_PROTO;
	}
}

static enum pkt_result
parse_ipv4(struct pkt *p)
{
	const uint8_t *ip = p->data;
	uint32_t header_len, fragment;

	if (p->len < IPV4_MIN)
		return PKT_BAD_IP;
	header_len = (ip[0] & 0x0f) * 4U;
	p->ip_len = read16(ip + 2);
	if (header_len < IPV4_MIN || header_len > p->len ||
	    header_len > p->ip_len)
		return PKT_BAD_IP;
	p->truncated = p->ip_len > p->len;
	p->src = addr_from_v4(ip + 12);
	p->dst = addr_from_v4(ip + 16);
	p->proto = ip[9];
	p->l4_off = (uint16_t)header_len;
	fragment = read16(ip + 6);
	if ((fragment & IPV4_OFFSET) != 0)
		return PKT_LATER_FRAGMENT;
	p->fragment = (fragment & IPV4_MORE_FRAGMENTS) != 0;
	return parse_l4(p);
}

/*
 * One extension header at *off (RFC 8200, 4): moves *off and p->proto on to
 * the next.  PKT_OK means go on.
 */
static enum pkt_result
skip_extension(struct pkt *p, uint32_t *off)
{
	const uint8_t *ext = p->data + *off;
	const uint8_t type = p->proto;
	uint32_t ext_len, fragment;

	if (!has_bytes(p, *off, 8))
		return PKT_BAD_CHAIN;
	ext_len = type == IPPROTO_FRAGMENT ? 8 : (ext[1] + 1U) * 8;
	if (!has_bytes(p, *off, ext_len))
		return PKT_BAD_CHAIN;
	p->proto = ext[0];
	*off += ext_len;
	if (type == IPPROTO_FRAGMENT) {
		fragment = read16(ext + 2);
		if ((fragment & IPV6_OFFSET) != 0)
			return PKT_LATER_FRAGMENT;
		p->fragment |= (fragment & IPV6_MORE_FRAGMENTS) != 0;
	}
	/* The checksum is over the last hop's address, which isn't dst yet. */
	if (type == IPPROTO_ROUTING && ext[3] != 0)
		return PKT_SOURCE_ROUTED;
	return PKT_OK;
}

static bool
is_extension(uint8_t proto)
{
	return proto == IPPROTO_HOPOPTS || proto == IPPROTO_ROUTING ||
	    proto == IPPROTO_DSTOPTS || proto == IPPROTO_FRAGMENT;
}

static enum pkt_result
parse_ipv6(struct pkt *p)
{
	const uint8_t *ip = p->data;
	uint32_t off = IPV6_LEN;
	enum pkt_result result;
	unsigned int n;

	if (p->len < IPV6_LEN)
		return PKT_BAD_IP;
	p->ip_len = IPV6_LEN + read16(ip + 4);
	p->truncated = p->ip_len > p->len;
	p->src = addr_from_v6(ip + 8);
	p->dst = addr_from_v6(ip + 24);
	/* Mapped addresses never go over a wire (RFC 4291) and are ours. */
	if (addr_is_v4(&p->src) || addr_is_v4(&p->dst))
		return PKT_BAD_IP;
	p->proto = ip[6];
	for (n = 0; is_extension(p->proto); n++) {
		if (n == PKT_EXT_MAX)
			return PKT_BAD_CHAIN;
		result = skip_extension(p, &off);
		if (result != PKT_OK)
			return result;
	}
	p->l4_off = (uint16_t)off;
	return parse_l4(p);
}

enum pkt_result
pkt_parse(struct pkt *p, uint8_t *data, size_t len)
{
	*p = (struct pkt){
		.data = data,
		.len = len > UINT32_MAX ? UINT32_MAX : (uint32_t)len,
	};
	if (p->len == 0)
		return PKT_BAD_IP;
	p->version = data[0] >> 4;
	switch (p->version) {
	case 4:
		return parse_ipv4(p);
	case 6:
		return parse_ipv6(p);
	default:
		return PKT_BAD_IP;
	}
}
