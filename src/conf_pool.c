/*
 * conf_pool.c - who uses a pool, and the places in it for backends that are
 * not known yet.  conf_check*.c, table_build*.c and rules.c call this.
 */
#include "loaded/conf_pool.h"

#include <errno.h>
#include <stdlib.h>

const struct addr *
conf_service_vip(const struct conf_service *service, bool v4)
{
	for (uint32_t i = 0; i < service->naddresses; i++) {
		if (addr_is_v4(&service->addresses[i]) == v4)
			return &service->addresses[i];
	}
	return NULL;
}

uint16_t
conf_service_port(const struct conf_service *service)
{
	const struct conf_ports *ports = &service->ports[0];

	return ports->low == 1 && ports->high == UINT16_MAX ? 0 : ports->low;
}

/* How well a service stands for a pool; 0: not at all. */
static unsigned int
rank(const struct conf *conf, const struct conf_service *service, uint32_t pool,
    bool v4)
{
	const unsigned int vip = conf_service_vip(service, v4) != NULL ? 2 : 0;

	if (service->pool == pool)
		return vip + 2;
	return conf->pools[service->pool].backup == pool ? vip + 1 : 0;
}

const struct conf_service *
conf_pool_service(const struct conf *conf, uint32_t pool, bool v4)
{
	const struct conf_service *best = NULL;
	unsigned int best_rank = 0;

	for (uint32_t i = 0; i < conf->nservices; i++) {
		const struct conf_service *service = &conf->services[i];
		const unsigned int its_rank = rank(conf, service, pool, v4);

		if (its_rank > best_rank) {
			best = service;
			best_rank = its_rank;
		}
	}
	return best;
}

bool
conf_pool_is_discovered(const struct conf *conf, uint32_t pool)
{
	return conf->failover.has_discover &&
	    conf->failover.discover.pool == pool;
}

static bool
has_v6(const struct prefix *networks, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (!addr_is_v4(&networks[i].addr))
			return true;
	return false;
}

static bool
calls_v6(const struct conf_discover *discover)
{
	for (uint32_t i = 0; i < discover->nbroadcast; i++)
		if (!addr_is_v4(&discover->broadcast[i]))
			return true;
	return false;
}

/* Of IPv6 everybody can be called without being told how. */
int
conf_pool_call_v6(struct conf *conf)
{
	static const struct addr all_nodes = { { 0xff, 0x02, [15] = 1 } };
	struct conf_discover *discover = &conf->failover.discover;
	const struct conf_service *service;
	struct addr *calls;

	if (!conf->failover.has_discover || calls_v6(discover) ||
	    conf->private_if[0] == '\0' ||
	    !has_v6(conf->backend_networks, conf->nbackend_networks))
		return 0;
	service = conf_pool_service(conf, discover->pool, false);
	if (service == NULL || conf_service_vip(service, false) == NULL ||
	    discover->nbroadcast == TABLE_CALLS)
		return 0;
	calls = reallocarray(discover->broadcast, discover->nbroadcast + 1U,
	    sizeof(*calls));
	if (calls == NULL)
		return -ENOMEM;
	calls[discover->nbroadcast++] = all_nodes;
	discover->broadcast = calls;
	return 0;
}

int
conf_pool_reserve(struct conf *conf)
{
	const struct conf_discover *discover = &conf->failover.discover;
	struct conf_pool *pool;
	struct conf_backend *backends;

	if (!conf->failover.has_discover)
		return 0;
	pool = &conf->pools[discover->pool];
	backends = reallocarray(pool->backends,
	    (size_t)pool->nbackends + discover->max, sizeof(*backends));
	if (backends == NULL)
		return -ENOMEM;
	pool->backends = backends;
	for (uint32_t i = 0; i < discover->max; i++)
		backends[pool->nbackends++] = (struct conf_backend){
			.where = pool->where,
			.weight = 1,
			.check_policy = pool->check_policy,
			.discovered = true,
			.absent = true,
		};
	return 0;
}
