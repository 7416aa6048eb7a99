/*
 * conf_check_pool.c - what must hold for the backends of a config.
 * conf_check.c calls this.
 */
#include <errno.h>
#include <stdlib.h>

#include "loaded/backend.h"
#include "loaded/conf_check.h"
#include "loaded/conf_pool.h"

static int
compare_refs(const void *a, const void *b)
{
	const struct conf_backend_ref *ra = a, *rb = b;
	int order = (ra->pool > rb->pool) - (ra->pool < rb->pool);

	if (order == 0)
		order = addr_compare(&ra->backend->addr, &rb->backend->addr);
	if (order == 0)
		order = ra->backend->port - rb->backend->port;
	return order;
}

int
conf_backend_index_init(struct conf_backend_index *index,
    const struct conf *conf)
{
	size_t count = 0;

	for (uint32_t p = 0; p < conf->npools; p++)
		count += conf->pools[p].nbackends;
	*index = (struct conf_backend_index){
		.refs = calloc(count + 1, sizeof(*index->refs)),
	};
	if (index->refs == NULL)
		return -ENOMEM;
	for (uint32_t p = 0; p < conf->npools; p++) {
		for (uint32_t i = 0; i < conf->pools[p].nbackends; i++)
			index->refs[index->count++] = (struct conf_backend_ref){
				p, &conf->pools[p].backends[i]
			};
	}
	qsort(index->refs, count, sizeof(*index->refs), compare_refs);
	return 0;
}

void
conf_backend_index_fini(struct conf_backend_index *index)
{
	free(index->refs);
}

static int
compare_addrs(const void *a, const void *b)
{
	const struct conf_backend_ref *ra = a, *rb = b;
	const int order = (ra->pool > rb->pool) - (ra->pool < rb->pool);

	return order != 0 ?
	    order :
	    addr_compare(&ra->backend->addr, &rb->backend->addr);
}

bool
conf_backend_index_has(const struct conf_backend_index *index, uint32_t pool,
    const struct addr *addr)
{
	const struct conf_backend backend = { .addr = *addr };
	const struct conf_backend_ref wanted = { pool, &backend };

	return bsearch(&wanted, index->refs, index->count, sizeof(*index->refs),
		   compare_addrs) != NULL;
}

/* The same address and port twice in one pool. */
static void
check_duplicates(struct conf_report *r)
{
	struct conf_backend_index index;
	const struct conf_backend *a, *b;
	char addr[ADDR_STRLEN], text[CONF_WHERE_LEN];

	if (conf_backend_index_init(&index, r->conf) != 0) {
		conf_report_out_of_memory(r);
		return;
	}
	for (size_t i = 1; i < index.count; i++) {
		if (compare_refs(&index.refs[i - 1], &index.refs[i]) != 0)
			continue;
		a = index.refs[i - 1].backend;
		b = index.refs[i].backend;
		if (a > b) {
			a = b;
			b = index.refs[i - 1].backend;
		}
		conf_report_format(conf_report_where(r, &a->addr), text);
		conf_report_error(r, conf_report_where(r, &b->addr),
		    "pools \"%s\": backend %s port %u is there twice, "
		    "before in %s",
		    r->conf->pools[index.refs[i].pool].name,
		    addr_format(&b->addr, addr), b->port, text);
	}
	conf_backend_index_fini(&index);
}

/* srcmask: mask and value must be of the backend's family and fit together. */
static void
check_source(struct conf_report *r, const struct conf_backend *backend)
{
	const bool v4 = addr_is_v4(&backend->addr);
	const struct addr *mask = &backend->mask, *value = &backend->value;
	char text[ADDR_STRLEN], other[ADDR_STRLEN];

	if (addr_is_v4(mask) != v4)
		conf_report_error(r, conf_report_where(r, mask),
		    "mask %s is not of the family of backend %s",
		    addr_format(mask, text),
		    addr_format(&backend->addr, other));
	if (addr_is_v4(value) != v4)
		conf_report_error(r, conf_report_where(r, value),
		    "value %s is not of the family of backend %s",
		    addr_format(value, text),
		    addr_format(&backend->addr, other));
	if (addr_is_v4(mask) != v4 || addr_is_v4(value) != v4)
		return;
	for (size_t i = 0; i < sizeof(value->b); i++) {
		if ((value->b[i] & ~mask->b[i]) == 0)
			continue;
		conf_report_error(r, conf_report_where(r, value),
		    "value %s has bits outside of mask %s",
		    addr_format(value, text), addr_format(mask, other));
		return;
	}
}

static void
check_backend(struct conf_report *r, const struct conf_backend *backend)
{
	char text[ADDR_STRLEN];

	if (r->conf->private_if[0] == '\0' &&
	    addr_is_link_local(&backend->addr))
		conf_report_error(r, conf_report_where(r, &backend->addr),
		    "backend %s is link-local, expected interfaces.private "
		    "to say where",
		    addr_format(&backend->addr, text));
	if (backend->has_mask)
		check_source(r, backend);
}

static void
check_quorum(struct conf_report *r, const struct conf_pool *pool)
{
	if (pool->quorum_hysteresis == 0 ||
	    pool->quorum_hysteresis < pool->quorum)
		return;
	conf_report_error(r, conf_report_where(r, &pool->quorum_hysteresis),
	    "pools \"%s\": quorum_hysteresis %u is too much for a quorum of "
	    "%u, expected less",
	    pool->name, pool->quorum_hysteresis, pool->quorum);
}

/* Its number, or none and a line. */
static void
resolve_backup(struct conf_report *r, struct conf_pool *pool)
{
	const char *name = pool->backup_name;
	const int backup = conf_check_find_pool(r->conf, name);
	const char *what = NULL;

	pool->backup = TABLE_NO_POOL;
	if (name[0] == '\0')
		return;
	if (backup < 0)
		what = "is not defined";
	else if (&r->conf->pools[backup] == pool)
		what = "is the pool itself, expected another";
	else if (r->conf->pools[backup].backup_name[0] != '\0')
		what = "has a backup too, expected one without";
	else
		pool->backup = (uint32_t)backup;
	if (what != NULL)
		conf_report_error(r, conf_report_where(r, name),
		    "pools \"%s\": backup \"%s\" %s", pool->name, name, what);
}

static void
check_pool(struct conf_report *r, struct conf_pool *pool)
{
	const uint32_t index = (uint32_t)(pool - r->conf->pools);

	resolve_backup(r, pool);
	check_quorum(r, pool);
	for (uint32_t i = 0; i < pool->nbackends; i++)
		check_backend(r, &pool->backends[i]);
	if (pool->nbackends == 0 && !conf_pool_is_discovered(r->conf, index))
		conf_report_warning(r,
		    conf_report_given(r, &pool->backends) ?
			conf_report_where(r, &pool->backends) :
			pool->where,
		    "pools \"%s\" has no backends", pool->name);
}

void
conf_check_pools(struct conf_report *r)
{
	struct conf *conf = r->conf;
	uint64_t total = 0;

	for (uint32_t p = 0; p < conf->npools; p++) {
		check_pool(r, &conf->pools[p]);
		total += conf->pools[p].nbackends;
	}
	if (conf->failover.has_discover)
		total += conf->failover.discover.max;
	if (total > BACKEND_SLOTS)
		conf_report_error(r, conf_report_where(r, &conf->pools),
		    "pools have %llu backends together, expected at most %d",
		    (unsigned long long)total, BACKEND_SLOTS);
	check_duplicates(r);
}
