/*
 * rewrite.h - change one end (address and port) of a parsed packet in place,
 * with all checksums.  The value itself is plain data: a worker carries it
 * out, and it could as well be written into a map for the kernel.
 */
#ifndef LOADED_REWRITE_H
#define LOADED_REWRITE_H

#include <stdint.h>

#include "loaded/addr.h"
#include "loaded/pkt.h"

enum rewrite_end { REWRITE_NONE, REWRITE_SRC, REWRITE_DST };

struct rewrite {
	struct addr addr; /* of the packet's family */
	uint16_t port_be;
	uint8_t end; /* enum rewrite_end */
};

/* What stands in the L4 checksum field; see NFQA_SKB_INFO in nfq.h. */
enum rewrite_csum {
	REWRITE_CSUM_DONE,    /* a finished checksum: update it (RFC 1624) */
	REWRITE_CSUM_PARTIAL, /* pseudo header only: compute it whole */
	REWRITE_CSUM_GSO,     /* pseudo header only, segmented later: adjust */
};

/*
 * p came from pkt_parse with PKT_OK and is not truncated.  Updates p->src,
 * p->dst and the ports too.  A UDP checksum of 0 over IPv4 stays 0.
 */
void rewrite_apply(struct pkt *p, const struct rewrite *rw,
    enum rewrite_csum csum);

#endif
