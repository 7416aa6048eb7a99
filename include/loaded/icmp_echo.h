/*
 * icmp_echo.h - echo requests and what comes back, as bytes (RFC 792, 4443).
 * Pure.  A reply is ours only if id, sequence and payload are; the payload
 * carries what 16 bits of sequence cannot.
 */
#ifndef LOADED_ICMP_ECHO_H
#define LOADED_ICMP_ECHO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loaded/addr.h"

#define ICMP_ECHO_LEN 32 /* ICMP header and payload */

struct icmp_echo {
	uint16_t id, seq; /* host order */
	uint32_t index;   /* the prober's own: which target */
	uint64_t nonce;   /* not to be guessed */
};

enum icmp_echo_kind {
	ICMP_ECHO_OTHER,       /* not a whole answer to any echo */
	ICMP_ECHO_REPLY,       /* echo is set */
	ICMP_ECHO_UNREACHABLE, /* type 3 resp. 1 that quotes it; code is set */
};

struct icmp_echo_answer {
	enum icmp_echo_kind kind;
	struct icmp_echo echo; /* unreachable: id and seq, and quoted */
	bool has_payload;      /* index, nonce; of a reply: all as sent */
	struct addr quoted;    /* unreachable: whom the request was for */
	uint8_t code;          /* unreachable */
};

/* Checksum: written for IPv4; for IPv6 the kernel does it. */
void icmp_echo_build(uint8_t out[static ICMP_ECHO_LEN],
    const struct icmp_echo *echo, bool v4);

/* data: from a raw socket, so with the IP header for IPv4, without for IPv6. */
void icmp_echo_parse(struct icmp_echo_answer *out, const uint8_t *data,
    size_t len, bool v4);

#endif
