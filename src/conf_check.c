/*
 * conf_check.c - what must hold between the services of a config, and between
 * them and their pools.  conf.c calls this once every value by itself is
 * right.  conf_check_pool.c and conf_check_overlap.c do their parts.
 */
#include "loaded/conf_check.h"

#include <string.h>

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

static int
find_pool(const struct conf *conf, const char *name)
{
	for (uint32_t i = 0; i < conf->npools; i++) {
		if (strcmp(conf->pools[i].name, name) == 0)
			return (int)i;
	}
	return -1;
}

static void
check_discover(struct conf_report *r)
{
	const struct conf_planned *planned = &r->conf->planned;

	if (planned->discover && find_pool(r->conf, planned->discover_pool) < 0)
		conf_report_error(r,
		    conf_report_where(r, planned->discover_pool),
		    "pool \"%s\" is not defined", planned->discover_pool);
}

/* False, and a line, when there is no such pool. */
static bool
resolve_pool(struct conf_report *r, struct conf_service *service)
{
	const int pool = find_pool(r->conf, service->pool_name);

	if (pool < 0) {
		conf_report_error(r, conf_report_where(r, service->pool_name),
		    "services \"%s\": pool \"%s\" is not defined",
		    service->name, service->pool_name);
		return false;
	}
	service->pool = (uint32_t)pool;
	return true;
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

static bool
has_family(const struct conf_pool *pool, bool v4)
{
	for (uint32_t i = 0; i < pool->nbackends; i++) {
		if (addr_is_v4(&pool->backends[i].addr) == v4)
			return true;
	}
	return false;
}

/* A VIP must not be a backend of its own, and should have some at all. */
static void
check_vips(struct conf_report *r, const struct conf_backend_index *index,
    const struct conf_service *service)
{
	const struct conf_pool *pool = &r->conf->pools[service->pool];
	char text[ADDR_STRLEN];

	for (uint32_t i = 0; i < service->naddresses; i++) {
		const struct addr *vip = &service->addresses[i];
		const struct conf_where where = conf_report_where(r, vip);

		addr_format(vip, text);
		if (conf_backend_index_has(index, service->pool, vip))
			conf_report_error(r, where,
			    "services \"%s\": %s is "
			    "also a backend of its pool \"%s\", which makes a "
			    "loop",
			    service->name, text, pool->name);
		else if (pool->nbackends > 0 &&
		    !has_family(pool, addr_is_v4(vip)))
			conf_report_warning(r, where,
			    "services \"%s\": %s "
			    "has no backend of its family in pool \"%s\"",
			    service->name, text, pool->name);
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
	conf_check_pools(r);
	check_services(r);
	conf_check_overlaps(r);
	check_discover(r);
}
