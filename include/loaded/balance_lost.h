/*
 * balance_lost.h - inner part of balance.h: what backends that fail mean for
 * the flows they have, and what flows tell of backends that fail.
 */
#ifndef LOADED_BALANCE_LOST_H
#define LOADED_BALANCE_LOST_H

#include "loaded/balance.h"
#include "loaded/tcp_state.h"

/* What a packet of its client means for a known flow. */
enum balance_fate {
	BALANCE_FATE_LIVES,
	BALANCE_FATE_REPLACED, /* it is over; the packet opens a new one */
	BALANCE_FATE_MOVED,    /* it is over; the packet goes on elsewhere */
	BALANCE_FATE_LOST,     /* it is over, and there is no other */
};

/* With the stripe of the flow locked, as is balance_watch(). */
enum balance_fate balance_fate(const struct balance *b,
    const struct balance_packet *bp, const struct flow *f);

/*
 * Counts what speaks against the backend of a known TCP flow; nothing does
 * where its answers are not seen.
 */
void balance_watch(const struct balance *b, const struct balance_packet *bp,
    const struct flow *f, enum tcp_dir dir);

/* Who serves for the pool of a service, in the family of a. */
enum pool_mode balance_pool_mode(const struct balance *b,
    const struct table_service *s, const struct addr *a);

#endif
