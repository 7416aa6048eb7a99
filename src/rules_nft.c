/*
 * rules_nft.c - the rules as text for nft -f, which applies it as one
 * transaction.  Run by loaded -p nft.  Applying it again, or that of another
 * config, only changes rules: to delete a base chain would drop every packet
 * that waits in any queue of the network namespace.
 */
#include "loaded/rules.h"

#include <errno.h>

#define TABLE "inet loaded"

static void
print_ports(FILE *out, const struct rules_match *m)
{
	for (uint32_t i = 0; i < m->nports; i++) {
		const struct conf_ports *p = &m->ports[i];

		fprintf(out, "%s%u", i > 0 ? ", " : "", p->low);
		if (p->high > p->low)
			fprintf(out, "-%u", p->high);
	}
}

/* A port also matches only where there is one: not in a later fragment. */
static void
print_match(FILE *out, const struct rules_match *m, const char *chain)
{
	const char *end = m->reply ? "s" : "d";

	fprintf(out, "add rule " TABLE " %s ", chain);
	if (m->interface[0] != '\0')
		fprintf(out, "iifname \"%s\" ", m->interface);
	fprintf(out, "%s %saddr { ", m->v4 ? "ip" : "ip6", end);
	rules_print_nets(out, m, ", ");
	fprintf(out, " } %s %sport { ", rules_proto_name(m->proto), end);
	print_ports(out, m);
	fprintf(out, " } ");
}

/* The client's address and port choose the worker, in both directions. */
static void
print_queue(FILE *out, const struct rules *r, const struct rules_match *m)
{
	const char *end = m->reply ? "d" : "s";

	if (r->conf->ncores < 2) {
		fprintf(out, "queue num %u\n", r->conf->first_queue);
		return;
	}
	fprintf(out, "queue to jhash %s %saddr . %s %sport",
	    m->v4 ? "ip" : "ip6", end, rules_proto_name(m->proto), end);
	fprintf(out, " mod %u seed 0x%x offset %u\n", r->conf->ncores,
	    RULES_HASH_SEED, r->conf->first_queue);
}

/*
 * A reply is queued behind routing, so that it is routed and filtered with
 * the backend's address.  What backends answer to this machine itself (its
 * probes) is no reply and stays with connection tracking.  What this machine
 * itself sends from such a port is queued too, to no effect: telling it apart
 * would cost every reply a look-up.
 */
static void
print_rules(FILE *out, const struct rules *r)
{
	for (uint32_t i = 0; i < r->nmatches; i++) {
		const struct rules_match *m = &r->matches[i];

		print_match(out, m, "prerouting");
		if (!m->reply) {
			fprintf(out, "notrack ");
			print_queue(out, r, m);
			continue;
		}
		fprintf(out, "fib daddr type != local notrack\n");
		print_match(out, m, "postrouting");
		print_queue(out, r, m);
	}
}

static void
print_chain(FILE *out, const char *chain, const char *priority)
{
	fprintf(out, "add chain " TABLE " %s { type filter hook %s", chain,
	    chain);
	fprintf(out, " priority %s; policy accept; }\n", priority);
	fprintf(out, "flush chain " TABLE " %s\n", chain);
}

/*
 * Nobody jumps there.  That the rule exists makes the kernel put fragments
 * together before the raw table (nft_tproxy.c asks for nf_defrag), without
 * bringing in connection tracking as `ct` would.
 */
static void
print_defrag(FILE *out)
{
	fprintf(out,
	    "add chain " TABLE " defrag\n"
	    "flush chain " TABLE " defrag\n"
	    "add rule " TABLE " defrag meta l4proto udp tproxy to :1\n");
}

int
rules_print_nft(FILE *out, const struct conf *conf)
{
	struct rules r;
	int error = rules_init(&r, conf);

	if (error == 0) {
		fprintf(out,
		    "# for nft -f; loaded-setup(8) also does the rest"
		    "\n");
		rules_print_needs(out, &r);
		fprintf(out, "add table " TABLE "\n");
		print_chain(out, "prerouting", "raw");
		print_chain(out, "postrouting", "mangle");
		print_defrag(out);
		print_rules(out, &r);
		error = fflush(out) != 0 || ferror(out) ? -EIO : 0;
	}
	rules_fini(&r);
	return error;
}
