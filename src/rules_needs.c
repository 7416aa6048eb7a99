/*
 * rules_needs.c - what a config needs of the system besides rules, as the
 * comment lines that rules.h describes.  Run by loaded -p.  Their order is
 * that in which scripts/loaded-setup carries them out.
 */
#include "loaded/rules.h"

#include <string.h>

#include "loaded/conf_pool.h"

/* Of one interface, whose name may have dots: as sysctl.d(5) wants them. */
static void
print_one(FILE *out, const char *group, const char *interface,
    const char *setting)
{
	fprintf(out, "# sysctl net.%s.", group);
	for (const char *c = interface; *c != '\0'; c++)
		putc(*c == '.' ? '/' : *c, out);
	fprintf(out, ".%s\n", setting);
}

/* Of the interfaces in use; of all, unless both are known. */
static void
print_each(FILE *out, const struct conf *conf, const char *setting)
{
	if (conf->public_if[0] == '\0' || conf->private_if[0] == '\0') {
		print_one(out, "ipv4.conf", "*", setting);
		return;
	}
	print_one(out, "ipv4.conf", conf->public_if, setting);
	if (strcmp(conf->public_if, conf->private_if) != 0)
		print_one(out, "ipv4.conf", conf->private_if, setting);
}

static bool
has_dr_vip(const struct conf *conf, bool v4)
{
	for (uint32_t i = 0; i < conf->nservices; i++)
		if (conf->services[i].forward == FORWARD_DR &&
		    conf_service_vip(&conf->services[i], v4) != NULL)
			return true;
	return false;
}

/*
 * A refusal comes in from the client's side with the VIP as its source, which
 * the kernel takes for an attack without accept_local; a strict rp_filter
 * drops it too when the VIP is elsewhere.  The same goes for replies of dr
 * backends whose way to the clients leads through here.  For send_redirects
 * either of `all` and the interface's own value is enough.
 */
static void
print_ipv4(FILE *out, const struct conf *conf)
{
	const bool known = conf->public_if[0] != '\0';

	print_each(out, conf, "rp_filter=2 if strict");
	print_one(out, "ipv4.conf", known ? conf->public_if : "all",
	    "accept_local=1");
	if (has_dr_vip(conf, true))
		print_one(out, "ipv4.conf", conf->private_if, "accept_local=1");
	print_one(out, "ipv4.conf", "all", "send_redirects=0");
	print_each(out, conf, "send_redirects=0");
	fprintf(out, "# sysctl net.ipv4.ip_forward=1\n");
}

/*
 * Forwarding ends router advertisements where accept_ra is 1, and takes away
 * the default route they gave: so accept_ra comes first.
 */
static void
print_ipv6(FILE *out)
{
	fprintf(out,
	    "# sysctl net.ipv6.conf.*.accept_ra=2 if host\n"
	    "# sysctl net.ipv6.conf.all.forwarding=1\n");
}

/* A VIP that a service has in dr; others may have it besides. */
static bool
is_dr(const struct conf *conf, const struct addr *vip)
{
	for (uint32_t i = 0; i < conf->nservices; i++) {
		const struct conf_service *s = &conf->services[i];

		for (uint32_t a = 0;
		     s->forward == FORWARD_DR && a < s->naddresses; a++)
			if (addr_equal(&s->addresses[a], vip))
				return true;
	}
	return false;
}

/* Without the delay, each client would wait most of a second at first. */
static void
print_proxy(FILE *out, const struct conf *conf)
{
	print_one(out, "ipv6.conf", conf->public_if, "proxy_ndp=1");
	print_one(out, "ipv6.neigh", conf->public_if, "proxy_delay=0");
}

static bool
contains(const struct rules_match *m, const struct prefix *net)
{
	for (uint32_t i = 0; i < m->nnets; i++)
		if (addr_equal(&m->nets[i].addr, &net->addr))
			return true;
	return false;
}

/* The VIPs of one match, without those of an earlier one. */
static void
print_addresses(FILE *out, const struct rules *r, uint32_t index)
{
	const struct rules_match *m = &r->matches[index];
	char text[ADDR_STRLEN];

	for (uint32_t i = 0; i < m->nnets; i++) {
		uint32_t first = 0;

		while (!contains(&r->matches[first], &m->nets[i]))
			first++;
		if (first != index)
			continue;
		addr_format(&m->nets[i].addr, text);
		if (is_dr(r->conf, &m->nets[i].addr))
			fprintf(out, "# vip %s dev %s\n", text,
			    r->conf->public_if);
		else
			fprintf(out, "# address %s/%u dev %s\n", text,
			    m->v4 ? 32U : 128U, r->conf->public_if);
	}
}

void
rules_print_needs(FILE *out, const struct rules *r)
{
	bool v4 = false, v6 = false;

	for (uint32_t i = 0; i < r->nmatches; i++) {
		v4 = v4 || r->matches[i].v4;
		v6 = v6 || !r->matches[i].v4;
	}
	if (v4)
		print_ipv4(out, r->conf);
	if (v6)
		print_ipv6(out);
	if (has_dr_vip(r->conf, false))
		print_proxy(out, r->conf);
	if (r->conf->public_if[0] == '\0')
		return;
	for (uint32_t i = 0; i < r->nmatches; i++)
		if (!r->matches[i].reply)
			print_addresses(out, r, i);
}
