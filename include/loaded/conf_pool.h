/*
 * conf_pool.h - what a checked config says of pools beyond their own keys:
 * who uses them, and at which address and port.
 */
#ifndef LOADED_CONF_POOL_H
#define LOADED_CONF_POOL_H

#include "loaded/conf.h"

/* The first VIP of that family, or NULL. */
const struct addr *conf_service_vip(const struct conf_service *service,
    bool v4);

/* Its first port in host order; 0: it has all of them. */
uint16_t conf_service_port(const struct conf_service *service);

/*
 * The service that stands for all whose clients the pool's backends of one
 * family may get, or NULL: the first, those with a VIP of the family before
 * others, and those that use it as their pool before those as a backup.
 */
const struct conf_service *conf_pool_service(const struct conf *conf,
    uint32_t pool, bool v4);

/* Are backends looked for that would join it? */
bool conf_pool_is_discovered(const struct conf *conf, uint32_t pool);

/*
 * Adds ff02::1 to the addresses that discovery calls, if it calls none of IPv6
 * but has networks and VIPs of it, and an interface.  0 or -ENOMEM.
 */
int conf_pool_call_v6(struct conf *conf);

/*
 * Appends failover.discover.max places for backends to the pool named there.
 * 0 or -ENOMEM.
 */
int conf_pool_reserve(struct conf *conf);

#endif
