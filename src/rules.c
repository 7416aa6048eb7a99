/*
 * rules.c - which packets and settings a config asks for: what both kinds of
 * firewall text have in common.  Run by loaded -p, before any thread exists.
 * Every match is normalised here, so that equal configs give equal text and
 * no set that is printed has members that overlap (older nft refuses them).
 */
#include "loaded/rules.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "loaded/conf_pool.h"

#define ADDR_BITS 128U

static const uint8_t protocols[] = { IPPROTO_TCP, IPPROTO_UDP };
#define NPROTOCOLS (sizeof(protocols) / sizeof(protocols[0]))

static int
compare_nets(const void *left, const void *right)
{
	const struct prefix *a = left, *b = right;
	const int order = addr_compare(&a->addr, &b->addr);

	return order != 0 ? order : (int)a->bits - (int)b->bits;
}

static int
compare_ports(const void *left, const void *right)
{
	const struct conf_ports *a = left, *b = right;

	return (int)a->low - (int)b->low;
}

/* Sorted, a prefix comes right before all that it contains. */
static void
normalise_nets(struct rules_match *m)
{
	uint32_t kept = 0;

	qsort(m->nets, m->nnets, sizeof(*m->nets), compare_nets);
	for (uint32_t i = 0; i < m->nnets; i++) {
		const struct prefix *p = &m->nets[i];

		if (kept == 0 || !prefix_contains(&m->nets[kept - 1], &p->addr))
			m->nets[kept++] = *p;
	}
	m->nnets = kept;
}

static void
normalise_ports(struct rules_match *m)
{
	uint32_t kept = 0;

	qsort(m->ports, m->nports, sizeof(*m->ports), compare_ports);
	for (uint32_t i = 0; i < m->nports; i++) {
		const struct conf_ports p = m->ports[i];
		struct conf_ports *last = &m->ports[kept - (kept > 0)];

		if (kept == 0 || p.low > last->high + 1)
			m->ports[kept++] = p;
		else if (p.high > last->high)
			last->high = p.high;
	}
	m->nports = kept;
}

static void
add_net(struct rules_match *m, const struct prefix *net)
{
	if (addr_is_v4(&net->addr) == m->v4)
		m->nets[m->nnets++] = *net;
}

static void
add_addr(struct rules_match *m, const struct addr *a)
{
	add_net(m, &(struct prefix){ .addr = *a, .bits = ADDR_BITS });
}

static void
add_ports(struct rules_match *m, const struct conf_ports *ports, uint32_t n)
{
	memcpy(m->ports + m->nports, ports, n * sizeof(*ports));
	m->nports += n;
}

/* Takes in m, which rules_fini() then owns, if it matches anything. */
static void
keep_match(struct rules *r, struct rules_match *m)
{
	if (m->nnets > 0 && m->nports > 0) {
		normalise_nets(m);
		normalise_ports(m);
		r->matches[r->nmatches++] = *m;
	} else {
		free(m->nets);
		free(m->ports);
	}
}

/* Room for that many; one more, because calloc(0) may give NULL. */
static int
match_init(struct rules_match *m, size_t nets, size_t ports)
{
	m->nets = calloc(nets + 1, sizeof(*m->nets));
	m->ports = calloc(ports + 1, sizeof(*m->ports));
	if (m->nets != NULL && m->ports != NULL)
		return 0;
	free(m->nets);
	free(m->ports);
	return -ENOMEM;
}

static int
add_clients(struct rules *r, const struct conf_service *s, bool v4)
{
	struct rules_match m = { .v4 = v4,
		.proto = s->proto,
		.interface = r->conf->public_if };
	const int error = match_init(&m, s->naddresses, s->nports);

	if (error != 0)
		return error;
	for (uint32_t i = 0; i < s->naddresses; i++)
		add_addr(&m, &s->addresses[i]);
	add_ports(&m, s->ports, s->nports);
	keep_match(r, &m);
	return 0;
}

/*
 * Where replies of one service may come from.  Backends that are yet to be
 * discovered are in backend_networks, and use the client's port.
 */
static void
add_backends(struct rules_match *m, const struct conf_service *s,
    const struct conf_pool *pool)
{
	bool client_port = false;

	for (uint32_t i = 0; i < pool->nbackends; i++) {
		const struct conf_backend *b = &pool->backends[i];

		if (!b->discovered && addr_is_v4(&b->addr) != m->v4)
			continue;
		if (!b->discovered)
			add_addr(m, &b->addr);
		if (b->port != 0)
			add_ports(m, &(struct conf_ports){ b->port, b->port },
			    1);
		else
			client_port = true;
	}
	if (client_port)
		add_ports(m, s->ports, s->nports);
}

static const struct conf_pool *
backup_of(const struct conf *conf, const struct conf_pool *pool)
{
	return pool->backup == TABLE_NO_POOL ? NULL :
					       &conf->pools[pool->backup];
}

static int
init_replies(struct rules_match *m, const struct conf *conf)
{
	size_t nets = conf->nbackend_networks, ports = 0;

	for (uint32_t i = 0; i < conf->nservices; i++) {
		const struct conf_service *s = &conf->services[i];
		const struct conf_pool *pool = &conf->pools[s->pool];

		for (; pool != NULL; pool = backup_of(conf, pool)) {
			nets += pool->nbackends;
			ports += pool->nbackends + s->nports;
		}
	}
	return match_init(m, nets, ports);
}

/*
 * Backends are named besides the networks: one that lies outside of them is
 * then served too, and one inside adds nothing.  Only of nat are replies to
 * be seen.
 */
static int
add_replies(struct rules *r, uint8_t proto, bool v4)
{
	const struct conf *conf = r->conf;
	struct rules_match m = { .reply = true,
		.v4 = v4,
		.proto = proto,
		.interface = conf->private_if };
	const int error = init_replies(&m, conf);

	if (error != 0)
		return error;
	for (uint32_t i = 0; i < conf->nservices; i++) {
		const struct conf_service *s = &conf->services[i];
		const struct conf_pool *pool = &conf->pools[s->pool];

		if (s->forward != FORWARD_NAT || s->proto != proto ||
		    conf_service_vip(s, v4) == NULL)
			continue;
		for (; pool != NULL; pool = backup_of(conf, pool))
			add_backends(&m, s, pool);
	}
	for (uint32_t i = 0; i < conf->nbackend_networks; i++)
		add_net(&m, &conf->backend_networks[i]);
	keep_match(r, &m);
	return 0;
}

int
rules_init(struct rules *r, const struct conf *conf)
{
	int error = 0;

	*r = (struct rules){ .conf = conf };
	r->matches = calloc(2 * (conf->nservices + NPROTOCOLS),
	    sizeof(*r->matches));
	if (r->matches == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; error == 0 && i < conf->nservices; i++) {
		error = add_clients(r, &conf->services[i], true);
		if (error == 0)
			error = add_clients(r, &conf->services[i], false);
	}
	for (size_t i = 0; error == 0 && i < NPROTOCOLS; i++) {
		error = add_replies(r, protocols[i], true);
		if (error == 0)
			error = add_replies(r, protocols[i], false);
	}
	return error;
}

void
rules_fini(struct rules *r)
{
	for (uint32_t i = 0; i < r->nmatches; i++) {
		free(r->matches[i].nets);
		free(r->matches[i].ports);
	}
	free(r->matches);
}

const char *
rules_proto_name(uint8_t proto)
{
	return proto == IPPROTO_TCP ? "tcp" : "udp";
}

/* Without the length where it says nothing. */
void
rules_print_nets(FILE *out, const struct rules_match *m, const char *separator)
{
	char text[PREFIX_STRLEN];

	for (uint32_t i = 0; i < m->nnets; i++) {
		const struct prefix *p = &m->nets[i];

		fprintf(out, "%s%s", i > 0 ? separator : "",
		    p->bits < ADDR_BITS ? prefix_format(p, text) :
					  addr_format(&p->addr, text));
	}
}
