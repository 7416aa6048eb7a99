/*
 * balance_admit.h - inner part of balance.h: the first packet of a flow.
 */
#ifndef LOADED_BALANCE_ADMIT_H
#define LOADED_BALANCE_ADMIT_H

#include "loaded/balance.h"
#include "loaded/tcp_state.h"

/*
 * Picks a backend, counts the flow against its limits and enters it into the
 * flow table; takes the stripe's lock.  BALANCE_NEW, BALANCE_RESUMED or
 * BALANCE_MOVED and *flow; BALANCE_CLIENT when the flow is there by now; else
 * why not.
 */
enum balance_reason balance_admit(struct balance *b,
    const struct balance_packet *bp, const struct table_service *s,
    struct flow *flow);

enum flow_class balance_tcp_class(enum tcp_state state);

/*
 * A living flow keeps its client's persistence alive.  due: is it time again?
 * renew: do it; takes the lock of another stripe, so hold none.
 */
bool balance_persist_due(const struct balance *b, const struct flow *f);
void balance_persist_renew(struct balance *b, const struct flow *f);

#endif
