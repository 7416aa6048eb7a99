/*
 * refuse.h - turn a client's packet into the refusal that goes back to it: a
 * TCP RST (RFC 9293, 3.10.7.1) or an ICMP port unreachable (RFC 792, 4443).
 */
#ifndef LOADED_REFUSE_H
#define LOADED_REFUSE_H

#include <stddef.h>
#include <stdint.h>

#include "loaded/pkt.h"

/* Room a refusal may need behind data, whatever the packet's length. */
#define REFUSE_MAX 1280

/*
 * Writes the answer over p->data, which has room for REFUSE_MAX bytes, and
 * returns its length; 0 when nothing may be answered (an RST, a fragment, a
 * packet from or to a multicast or unspecified address).
 */
size_t refuse_packet(struct pkt *p);

#endif
