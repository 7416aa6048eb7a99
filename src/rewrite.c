/*
 * rewrite.c - change one end of a packet with its checksums.  Pure; called by
 * balance.c.  The three ways to treat the L4 checksum follow from what the
 * kernel does with a packet after its payload was replaced: it is no longer
 * CHECKSUM_PARTIAL, but a GSO packet is still segmented, and then UDP's (not
 * TCP's) segmentation takes the field for a pseudo-header sum.
 */
#include "loaded/rewrite.h"

#include <string.h>

#include "loaded/csum.h"

#define UDP_CHECK 6U
#define TCP_CHECK 16U
#define IPV4_CHECK 10U

static void
set_check(uint8_t *at, uint16_t check_be)
{
	memcpy(at, &check_be, sizeof(check_be));
}

static uint16_t
get_check(const uint8_t *at)
{
	uint16_t check_be;

	memcpy(&check_be, at, sizeof(check_be));
	return check_be;
}

/* The whole sum over a packet that was left for hardware to finish. */
static uint16_t
full_check(const struct pkt *p, uint8_t *check)
{
	uint64_t sum;

	set_check(check, 0);
	sum = csum_pseudo(&p->src, &p->dst, p->proto, pkt_l4_len(p));
	sum = csum_add(sum, p->data + p->l4_off, pkt_l4_len(p));
	return (uint16_t)~csum_fold(sum);
}

/* addr_delta belongs to the pseudo header, port_delta to the L4 header. */
static void
fix_l4(struct pkt *p, uint64_t addr_delta, uint64_t port_delta,
    enum rewrite_csum csum)
{
	const bool udp = p->proto == IPPROTO_UDP;
	uint8_t *check = p->data + p->l4_off + (udp ? UDP_CHECK : TCP_CHECK);
	uint16_t value = get_check(check);

	/* 0 is "none" over IPv4 (RFC 768); a partial one may be 0 by chance. */
	if (csum == REWRITE_CSUM_DONE && udp && value == 0)
		return;
	switch (csum) {
	case REWRITE_CSUM_DONE:
		value = csum_apply(csum_apply(value, addr_delta), port_delta);
		break;
	case REWRITE_CSUM_PARTIAL:
		value = full_check(p, check);
		break;
	case REWRITE_CSUM_GSO:
		set_check(check, csum_apply_plain(value, addr_delta));
		return;
	}
	set_check(check, udp && value == 0 ? 0xffff : value);
}

static uint64_t
replace(uint8_t *at, const void *new, size_t len)
{
	const uint64_t delta = csum_delta(0, at, new, len);

	memcpy(at, new, len);
	return delta;
}

static uint64_t
replace_addr(struct pkt *p, const struct rewrite *rw)
{
	const bool src = rw->end == REWRITE_SRC;
	uint8_t *check = p->data + IPV4_CHECK;
	uint64_t delta;

	if (p->version == 6)
		return replace(p->data + (src ? 8 : 24), rw->addr.b, 16);
	delta = replace(p->data + (src ? 12 : 16), rw->addr.b + 12, 4);
	set_check(check, csum_apply(get_check(check), delta));
	return delta;
}

void
rewrite_apply(struct pkt *p, const struct rewrite *rw, enum rewrite_csum csum)
{
	const bool src = rw->end == REWRITE_SRC;
	uint64_t addr_delta, port_delta;

	if (rw->end == REWRITE_NONE)
		return;
	addr_delta = replace_addr(p, rw);
	port_delta = replace(p->data + p->l4_off + (src ? 0 : 2), &rw->port_be,
	    sizeof(rw->port_be));
	*(src ? &p->src : &p->dst) = rw->addr;
	*(src ? &p->sport_be : &p->dport_be) = rw->port_be;
	fix_l4(p, addr_delta, port_delta, csum);
}
