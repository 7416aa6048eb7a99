/*
 * conf_check_forward.c - what a forwarding mode needs of the rest of a config.
 * conf_check.c calls this, with the services' pools and their backups resolved
 * where they exist.
 */
#include <stdlib.h>

#include "loaded/conf_check.h"

/* One bit for each mode. */
#define MODE(forward) (uint8_t)(1U << (forward))

static void
check_interfaces(struct conf_report *r, const struct conf_service *service)
{
	const struct conf *conf = r->conf;
	const struct conf_where where = conf_report_where(r, &service->forward);

	if (service->forward != FORWARD_DR)
		return;
	if (conf->private_if[0] == '\0')
		conf_report_error(r, where,
		    "services \"%s\": dr needs interfaces.private: where "
		    "backends are reached",
		    service->name);
	if (conf->public_if[0] == '\0')
		conf_report_error(r, where,
		    "services \"%s\": dr needs interfaces.public: where "
		    "clients come in",
		    service->name);
}

/* Which modes the pools are used in, as a pool or as the backup of one. */
static void
mark_pools(const struct conf *conf, uint8_t *modes)
{
	for (uint32_t i = 0; i < conf->nservices; i++) {
		const struct conf_service *service = &conf->services[i];
		const uint8_t mode = MODE(service->forward);

		if (service->pool == TABLE_NO_POOL)
			continue;
		modes[service->pool] |= mode;
		if (conf->pools[service->pool].backup != TABLE_NO_POOL)
			modes[conf->pools[service->pool].backup] |= mode;
	}
}

static bool
is_reachable(const struct conf *conf, const struct addr *addr)
{
	for (uint32_t i = 0; i < conf->nbackend_networks; i++) {
		if (prefix_contains(&conf->backend_networks[i], addr))
			return true;
	}
	return conf->nbackend_networks == 0;
}

static void
check_backend(struct conf_report *r, const struct conf_backend *backend,
    uint8_t modes)
{
	char text[ADDR_STRLEN];

	addr_format(&backend->addr, text);
	if ((modes & MODE(FORWARD_NAT)) &&
	    !is_reachable(r->conf, &backend->addr))
		conf_report_error(r, conf_report_where(r, &backend->addr),
		    "backend %s is in none of backend_networks, so its replies "
		    "would not be seen",
		    text);
	if ((modes & MODE(FORWARD_NAT)) && r->conf->private_if[0] != '\0' &&
	    addr_is_link_local(&backend->addr))
		conf_report_warning(r, conf_report_where(r, &backend->addr),
		    "backend %s is link-local: it can be checked, but the "
		    "kernel does not route packets of nat to it",
		    text);
	if ((modes & MODE(FORWARD_DR)) && backend->port != 0)
		conf_report_error(r, conf_report_where(r, &backend->port),
		    "backend %s has port %u, but dr cannot change the port, "
		    "expected none",
		    text, backend->port);
}

void
conf_check_forwards(struct conf_report *r)
{
	const struct conf *conf = r->conf;
	uint8_t *modes = calloc(conf->npools + (size_t)1, sizeof(*modes));

	if (modes == NULL) {
		conf_report_out_of_memory(r);
		return;
	}
	for (uint32_t i = 0; i < conf->nservices; i++)
		check_interfaces(r, &conf->services[i]);
	mark_pools(conf, modes);
	for (uint32_t p = 0; p < conf->npools; p++) {
		const struct conf_pool *pool = &conf->pools[p];

		for (uint32_t i = 0; i < pool->nbackends; i++)
			check_backend(r, &pool->backends[i], modes[p]);
	}
	free(modes);
}
