/*
 * conf_check_failover.c - what must hold for failover.discover.  conf_check.c
 * calls this first: other checks ask which pool is discovered.
 */
#include "loaded/conf_check.h"

/* Of an IPv4 address only the network's owner knows whether it is one. */
static bool
is_call(const struct addr *a)
{
	static const char *const others[] = { "0.0.0.0/8", "127.0.0.0/8",
		"224.0.0.0/4" };
	struct prefix p;

	if (!addr_is_v4(a))
		return a->b[0] == 0xff;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		if (prefix_parse(&p, others[i]) == 0 && prefix_contains(&p, a))
			return false;
	}
	return true;
}

/* RFC 4291, 2.7: interface-local and link-local scope. */
static bool
needs_interface(const struct addr *a)
{
	return !addr_is_v4(a) && (a->b[1] & 0xf) <= 2;
}

static void
check_calls(struct conf_report *r, const struct conf_discover *discover)
{
	char text[ADDR_STRLEN];

	for (uint32_t i = 0; i < discover->nbroadcast; i++) {
		const struct addr *call = &discover->broadcast[i];

		addr_format(call, text);
		if (!is_call(call))
			conf_report_error(r, conf_report_where(r, call),
			    "discover: broadcast %s is neither an IPv4 "
			    "broadcast nor an IPv6 multicast address",
			    text);
		else if (needs_interface(call) &&
		    r->conf->private_if[0] == '\0')
			conf_report_error(r, conf_report_where(r, call),
			    "discover: broadcast %s is link-local, expected "
			    "interfaces.private to say where",
			    text);
	}
}

void
conf_check_failover(struct conf_report *r)
{
	struct conf_discover *discover = &r->conf->failover.discover;
	int pool;

	if (!r->conf->failover.has_discover)
		return;
	pool = conf_check_find_pool(r->conf, discover->pool_name);
	if (pool < 0)
		conf_report_error(r, conf_report_where(r, discover->pool_name),
		    "discover: pool \"%s\" is not defined",
		    discover->pool_name);
	discover->pool = pool < 0 ? TABLE_NO_POOL : (uint32_t)pool;
	if (r->conf->nbackend_networks == 0)
		conf_report_error(r, conf_report_where(r, &discover->broadcast),
		    "discover: backend_networks is missing, expected to say "
		    "who can be found");
	check_calls(r, discover);
}
