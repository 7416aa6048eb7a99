/*
 * refuse.c - the client's own packet becomes the answer to it.  Pure; called
 * by balance.c.  No extension headers or IP options are sent back.
 */
#include "loaded/refuse.h"

#include <arpa/inet.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <string.h>

#include "loaded/csum.h"

#define IPV4_LEN 20U
#define IPV6_LEN 40U
#define TCP_LEN 20U
#define ICMP_LEN 8U
#define TTL 64
/* RFC 1812, 4.3.2.3 and RFC 4443, 2.4 (c): quote, but fit any link. */
#define ICMP4_MAX 576U
#define ICMP6_MAX 1280U

_Static_assert(ICMP6_MAX <= REFUSE_MAX, "the caller's room is too small");

static uint32_t
ip_header_len(const struct pkt *p)
{
	return p->version == 4 ? IPV4_LEN : IPV6_LEN;
}

/* From the address the client used, to the client. */
static void
write_ip(const struct pkt *p, uint8_t proto, uint32_t l4_len)
{
	const uint16_t len_be =
	    htons((uint16_t)(p->version == 4 ? IPV4_LEN + l4_len : l4_len));
	uint8_t *ip = p->data;
	uint16_t check;

	memset(ip, 0, ip_header_len(p));
	if (p->version == 6) {
		ip[0] = 0x60;
		memcpy(ip + 4, &len_be, 2);
		ip[6] = proto;
		ip[7] = TTL;
		memcpy(ip + 8, p->dst.b, 16);
		memcpy(ip + 24, p->src.b, 16);
		return;
	}
	ip[0] = 0x45;
	memcpy(ip + 2, &len_be, 2);
	ip[6] = 0x40; /* DF: nothing here needs an id */
	ip[8] = TTL;
	ip[9] = proto;
	memcpy(ip + 12, p->dst.b + 12, 4);
	memcpy(ip + 16, p->src.b + 12, 4);
	check = (uint16_t)~csum_fold(csum_add(0, ip, IPV4_LEN));
	memcpy(ip + 10, &check, 2);
}

static uint16_t
l4_check(const struct pkt *p, uint8_t proto, uint32_t l4_len, bool pseudo)
{
	uint64_t sum = 0;

	if (pseudo)
		sum = csum_pseudo(&p->dst, &p->src, proto, l4_len);
	sum = csum_add(sum, p->data + ip_header_len(p), l4_len);
	return (uint16_t)~csum_fold(sum);
}

/* RFC 9293, 3.10.7.1: the connection does not exist. */
static size_t
refuse_tcp(struct pkt *p)
{
	const uint8_t *old = p->data + p->l4_off;
	uint8_t tcp[TCP_LEN] = { 0 };
	uint32_t seq;
	uint16_t check;

	memcpy(tcp, &p->dport_be, 2);
	memcpy(tcp + 2, &p->sport_be, 2);
	tcp[12] = (TCP_LEN / 4) << 4;
	if (p->tcp_flags & PKT_ACK) {
		memcpy(tcp + 4, old + 8, 4);
		tcp[13] = PKT_RST;
	} else {
		memcpy(&seq, old + 4, 4);
		seq = ntohl(seq) + pkt_l4_len(p) - (old[12] >> 4) * 4U;
		seq += (p->tcp_flags & PKT_SYN) ? 1 : 0;
		seq += (p->tcp_flags & PKT_FIN) ? 1 : 0;
		seq = htonl(seq);
		memcpy(tcp + 8, &seq, 4);
		tcp[13] = PKT_RST | PKT_ACK;
	}
	write_ip(p, IPPROTO_TCP, TCP_LEN);
	memcpy(p->data + ip_header_len(p), tcp, TCP_LEN);
	check = l4_check(p, IPPROTO_TCP, TCP_LEN, true);
	memcpy(p->data + ip_header_len(p) + 16, &check, 2);
	return ip_header_len(p) + TCP_LEN;
}

/* Port unreachable, with as much of the datagram as fits. */
static size_t
refuse_udp(struct pkt *p)
{
	const bool v4 = p->version == 4;
	const uint32_t head = ip_header_len(p) + ICMP_LEN;
	const uint32_t room = (v4 ? ICMP4_MAX : ICMP6_MAX) - head;
	const uint32_t quoted = p->ip_len < room ? p->ip_len : room;
	const uint8_t proto = v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	uint8_t *icmp = p->data + ip_header_len(p);
	uint16_t check;

	memmove(p->data + head, p->data, quoted);
	memset(icmp, 0, ICMP_LEN);
	icmp[0] = v4 ? ICMP_UNREACH : ICMP6_DST_UNREACH;
	icmp[1] = v4 ? ICMP_UNREACH_PORT : ICMP6_DST_UNREACH_NOPORT;
	write_ip(p, proto, ICMP_LEN + quoted);
	check = l4_check(p, proto, ICMP_LEN + quoted, !v4);
	memcpy(icmp + 2, &check, 2);
	return head + quoted;
}

/* RFC 1122, 3.2.2: whom no answer is owed. */
static bool
is_unicast(const struct addr *a)
{
	if (addr_is_v4(a))
		return a->b[12] != 0 && a->b[12] < 224;
	return a->b[0] != 0xff && (a->b[0] | a->b[15]) != 0;
}

size_t
refuse_packet(struct pkt *p)
{
	if (p->fragment || p->truncated || (p->tcp_flags & PKT_RST) ||
	    !is_unicast(&p->src) || !is_unicast(&p->dst))
		return 0;
	return p->proto == IPPROTO_TCP ? refuse_tcp(p) : refuse_udp(p);
}
