/*
 * conf.c - the life of a struct conf: load, narrow to a family, free.  The
 * supervisor and the command line (-n, -p) call this, never a worker.  A conf
 * that was handed out is whole and right.
 */
#include "loaded/conf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "loaded/conf_check.h"
#include "loaded/conf_file.h"
#include "loaded/conf_report.h"
#include "loaded/conf_source.h"

/* text NULL: from the file of that name. */
static int
load(struct conf **out, const char *name, const char *text, FILE *errors)
{
	struct conf *conf = calloc(1, sizeof(*conf));
	struct conf_report report;
	struct conf_source source;
	int error;

	*out = NULL;
	if (conf == NULL || (conf->file = strdup(name)) == NULL) {
		fprintf(errors, "%s: out of memory\n", name);
		free(conf);
		return -ENOMEM;
	}
	conf_report_init(&report, conf, errors);
	error = text == NULL ? conf_source_load(&source, &report, name) :
			       conf_source_text(&source, &report, text);
	if (error == 0)
		conf_file_read(&report, &source);
	if (conf->errors == 0)
		conf_check(&report);
	if (error == 0 && conf->errors != 0)
		error = -EINVAL;
	conf_source_fini(&source);
	conf_report_fini(&report);
	if (error == 0)
		*out = conf;
	else
		conf_free(conf);
	return error;
}

int
conf_load(struct conf **out, const char *path, FILE *errors)
{
	return load(out, path, NULL, errors);
}

int
conf_load_text(struct conf **out, const char *name, const char *text,
    FILE *errors)
{
	return load(out, name, text, errors);
}

/* Of an array; how many are kept. */
static uint32_t
keep_addresses(struct addr *addresses, uint32_t count, bool v4)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < count; i++) {
		if (addr_is_v4(&addresses[i]) == v4)
			addresses[kept++] = addresses[i];
	}
	return kept;
}

/* A place for a backend stays while anybody is looked for. */
static void
keep_backends(struct conf_pool *pool, bool v4, bool places)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < pool->nbackends; i++) {
		struct conf_backend *backend = &pool->backends[i];

		if (backend->discovered ? places :
					  addr_is_v4(&backend->addr) == v4)
			pool->backends[kept++] = *backend;
		else
			free(backend->checks);
	}
	pool->nbackends = kept;
}

static void
keep_discover(struct conf_failover *failover, bool v4)
{
	struct conf_discover *discover = &failover->discover;

	discover->nbroadcast = keep_addresses(discover->broadcast,
	    discover->nbroadcast, v4);
	if (discover->nbroadcast == 0)
		failover->has_discover = false;
}

static void
keep_networks(struct conf *conf, bool v4)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < conf->nbackend_networks; i++) {
		const struct prefix network = conf->backend_networks[i];

		if (addr_is_v4(&network.addr) == v4)
			conf->backend_networks[kept++] = network;
	}
	conf->nbackend_networks = kept;
}

static void
free_service(struct conf_service *service)
{
	free(service->addresses);
	free(service->ports);
}

void
conf_keep_family(struct conf *conf, int family)
{
	const bool v4 = family == AF_INET;
	uint32_t kept = 0;

	keep_discover(&conf->failover, v4);
	for (uint32_t i = 0; i < conf->npools; i++)
		keep_backends(&conf->pools[i], v4, conf->failover.has_discover);
	for (uint32_t i = 0; i < conf->nservices; i++) {
		struct conf_service *service = &conf->services[i];

		service->naddresses = keep_addresses(service->addresses,
		    service->naddresses, v4);
		if (service->naddresses > 0)
			conf->services[kept++] = *service;
		else
			free_service(service);
	}
	conf->nservices = kept;
	keep_networks(conf, v4);
}

static void
free_pool(struct conf_pool *pool)
{
	for (uint32_t i = 0; i < pool->nbackends; i++)
		free(pool->backends[i].checks);
	free(pool->backends);
	free(pool->checks);
}

void
conf_free(struct conf *conf)
{
	if (conf == NULL)
		return;
	for (uint32_t i = 0; i < conf->nservices; i++)
		free_service(&conf->services[i]);
	for (uint32_t i = 0; i < conf->npools; i++)
		free_pool(&conf->pools[i]);
	for (uint32_t i = 0; i < conf->nincluded; i++)
		free(conf->included[i]);
	free(conf->services);
	free(conf->pools);
	free(conf->included);
	free(conf->backend_networks);
	free(conf->failover.discover.broadcast);
	free(conf->file);
	free(conf);
}
