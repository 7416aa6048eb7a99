/*
 * conf_check.c - what must hold between the services of a config, and between
 * them and their pools.  conf.c calls this once every value by itself is
 * right.  The other conf_check_*.c do their parts.
 */
#include "loaded/conf_check.h"

#include <string.h>

#include "loaded/conf_pool.h"
#include "loaded/sched.h"

static void
check_workers(struct conf_report *r)
{
	const struct conf *conf = r->conf;

	if (conf->first_queue + conf->ncores > UINT16_MAX)
		conf_report_error(r, conf_report_where(r, &conf->first_queue),
		    "first_queue %u is too high for %u workers, expected at "
		    "most %u",
		    conf->first_queue, conf->ncores, UINT16_MAX - conf->ncores);
}

int
conf_check_find_pool(const struct conf *conf, const char *name)
{
	for (uint32_t i = 0; i < conf->npools; i++) {
		if (strcmp(conf->pools[i].name, name) == 0)
			return (int)i;
	}
	return -1;
}

/* False, and a line, when there is no such pool. */
static bool
resolve_pool(struct conf_report *r, struct conf_service *service)
{
	const int pool = conf_check_find_pool(r->conf, service->pool_name);

	service->pool = pool < 0 ? TABLE_NO_POOL : (uint32_t)pool;
	if (pool < 0)
		conf_report_error(r, conf_report_where(r, service->pool_name),
		    "services \"%s\": pool \"%s\" is not defined",
		    service->name, service->pool_name);
	return pool >= 0;
}

static void
resolve_hash(struct conf_report *r, struct conf_service *service)
{
	const struct sched_ops *ops = sched_ops(service->scheduler);

	if (!conf_report_given(r, &service->hash_port))
		service->hash_port = ops->hash_port;
	else if (!ops->consistent)
		conf_report_warning(r,
		    conf_report_where(r, &service->hash_port),
		    "services \"%s\": hash means nothing to scheduler \"%s\"",
		    service->name, ops->name);
}

/* Of a pool that nobody can join later. */
static bool
lacks_family(const struct conf *conf, uint32_t pool, bool v4)
{
	const struct conf_pool *p = &conf->pools[pool];

	if (p->nbackends == 0 || conf_pool_is_discovered(conf, pool))
		return false;
	for (uint32_t i = 0; i < p->nbackends; i++) {
		if (addr_is_v4(&p->backends[i].addr) == v4)
			return false;
	}
	return true;
}

static void
check_loop(struct conf_report *r, const struct conf_backend_index *index,
    const struct conf_service *service, const struct addr *vip)
{
	const struct conf_pool *pool = &r->conf->pools[service->pool];
	const bool own = conf_backend_index_has(index, service->pool, vip);
	char text[ADDR_STRLEN];

	if (!own &&
	    (pool->backup == TABLE_NO_POOL ||
		!conf_backend_index_has(index, pool->backup, vip)))
		return;
	conf_report_error(r, conf_report_where(r, vip),
	    "services \"%s\": %s is also a backend of its %s \"%s\", which "
	    "makes a loop",
	    service->name, addr_format(vip, text), own ? "pool" : "backup pool",
	    own ? pool->name : r->conf->pools[pool->backup].name);
}

/* A VIP must not be a backend of its own, and should have some at all. */
static void
check_vips(struct conf_report *r, const struct conf_backend_index *index,
    const struct conf_service *service)
{
	char text[ADDR_STRLEN];

	for (uint32_t i = 0; i < service->naddresses; i++) {
		const struct addr *vip = &service->addresses[i];

		check_loop(r, index, service, vip);
		if (lacks_family(r->conf, service->pool, addr_is_v4(vip)))
			conf_report_warning(r, conf_report_where(r, vip),
			    "services \"%s\": %s "
			    "has no backend of its family in pool \"%s\"",
			    service->name, addr_format(vip, text),
			    r->conf->pools[service->pool].name);
	}
}

static void
check_services(struct conf_report *r)
{
	struct conf *conf = r->conf;
	struct conf_backend_index index;

	if (conf_backend_index_init(&index, conf) != 0) {
		conf_report_out_of_memory(r);
		return;
	}
	for (uint32_t i = 0; i < conf->nservices; i++) {
		resolve_hash(r, &conf->services[i]);
		if (resolve_pool(r, &conf->services[i]))
			check_vips(r, &index, &conf->services[i]);
	}
	conf_backend_index_fini(&index);
	if (conf->nservices == 0)
		conf_report_warning(r, conf_report_where(r, &conf->services),
		    "services is empty: nothing is balanced");
}

void
conf_check(struct conf_report *r)
{
	check_workers(r);
	conf_check_names(r);
	conf_check_failover(r);
	conf_check_pools(r);
	check_services(r);
	conf_check_forwards(r);
	conf_check_overlaps(r);
	conf_check_probes(r);
	/* Last, because they move what was read away from its place. */
	if (r->conf->errors == 0 &&
	    (conf_pool_call_v6(r->conf) != 0 ||
		conf_pool_reserve(r->conf) != 0))
		conf_report_out_of_memory(r);
}
