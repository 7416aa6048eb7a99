/*
 * rules_ipt.c - the rules as one text for both iptables-restore --noflush and
 * ip6tables-restore --noflush: each leaves out the lines that begin with the
 * other family's option.  Run by loaded -p iptables.  Chains of our own are
 * emptied when they are named at a table's head; the jumps to them are not,
 * so the text is applied by hand only once (loaded-setup leaves them out).
 */
#include "loaded/rules.h"

#include <errno.h>

#define MULTIPORT 15U /* ports in one match; a range counts for two */

/* Ports from *at on that fit into one rule; *at is then behind them. */
static void
print_ports(FILE *out, const struct rules_match *m, uint32_t *at)
{
	const char *separator = "";
	uint32_t room = MULTIPORT;

	for (; *at < m->nports; ++*at) {
		const struct conf_ports *p = &m->ports[*at];
		const uint32_t need = p->high > p->low ? 2 : 1;

		if (need > room)
			return;
		room -= need;
		fprintf(out, "%s%u", separator, p->low);
		if (need == 2)
			fprintf(out, ":%u", p->high);
		separator = ",";
	}
}

/* One port or range needs no multiport, which is slower. */
static void
print_port_match(FILE *out, const struct rules_match *m, const char *proto,
    const char *end)
{
	if (m->nports > 1)
		fprintf(out, " -p %s -m multiport --%sports ", proto, end);
	else
		fprintf(out, " -p %s -m %s --%sport ", proto, proto, end);
}

/* One rule for as many ports as it takes, each with the same end. */
static void
print_match(FILE *out, const struct rules_match *m, const char *chain,
    const char *then)
{
	const char *proto = rules_proto_name(m->proto);
	const char *end = m->reply ? "s" : "d";

	for (uint32_t at = 0; at < m->nports;) {
		fprintf(out, "%s -A %s ", m->v4 ? "-4" : "-6", chain);
		if (m->interface[0] != '\0')
			fprintf(out, "-i %s ", m->interface);
		fprintf(out, "-%s ", end);
		rules_print_nets(out, m, ",");
		print_port_match(out, m, proto, end);
		print_ports(out, m, &at);
		fprintf(out, " %s\n", then);
	}
}

/* A chain that hands all it gets to the workers, by the client's end. */
static void
print_queues(FILE *out, const struct rules *r, const char *chain,
    const char *client)
{
	const uint32_t first = r->conf->first_queue;

	if (r->conf->ncores < 2) {
		fprintf(out, "-A %s -j NFQUEUE --queue-num %u\n", chain, first);
		return;
	}
	fprintf(out,
	    "-A %s -j HMARK --hmark-tuple %s --hmark-mod %u"
	    " --hmark-offset 0x%x --hmark-rnd 0x%x\n",
	    chain, client, r->conf->ncores, RULES_MARK_BASE, RULES_HASH_SEED);
	for (uint32_t i = 0; i < r->conf->ncores; i++) {
		fprintf(out, "-A %s -m mark --mark 0x%x", chain,
		    RULES_MARK_BASE + i);
		fprintf(out, " -j NFQUEUE --queue-num %u\n", first + i);
	}
}

/*
 * What backends answer to this machine itself stays tracked.  To LOADED_DEFRAG
 * nobody jumps: that the match exists makes the kernel put fragments together
 * before the raw table (xt_socket.c asks for nf_defrag), without bringing in
 * connection tracking as a state match would.
 */
static void
print_raw(FILE *out, const struct rules *r)
{
	fprintf(out,
	    "*raw\n"
	    ":LOADED_PREROUTING - [0:0]\n"
	    ":LOADED_CLIENT - [0:0]\n"
	    ":LOADED_DEFRAG - [0:0]\n"
	    "-A LOADED_DEFRAG -m socket -j RETURN\n"
	    "-A PREROUTING -j LOADED_PREROUTING\n");
	for (uint32_t i = 0; i < r->nmatches; i++) {
		const struct rules_match *m = &r->matches[i];

		print_match(out, m, "LOADED_PREROUTING",
		    m->reply ?
			"-m addrtype ! --dst-type LOCAL -j CT --notrack" :
			"-g LOADED_CLIENT");
	}
	fprintf(out, "-A LOADED_CLIENT -j CT --notrack\n");
	print_queues(out, r, "LOADED_CLIENT", "src,sport");
	fprintf(out, "COMMIT\n");
}

/* Behind routing: see print_rules() in rules_nft.c. */
static void
print_mangle(FILE *out, const struct rules *r)
{
	fprintf(out,
	    "*mangle\n"
	    ":LOADED_POSTROUTING - [0:0]\n"
	    ":LOADED_REPLY - [0:0]\n"
	    "-A POSTROUTING -j LOADED_POSTROUTING\n");
	for (uint32_t i = 0; i < r->nmatches; i++)
		if (r->matches[i].reply)
			print_match(out, &r->matches[i], "LOADED_POSTROUTING",
			    "-g LOADED_REPLY");
	print_queues(out, r, "LOADED_REPLY", "dst,dport");
	fprintf(out, "COMMIT\n");
}

int
rules_print_iptables(FILE *out, const struct conf *conf)
{
	struct rules r;
	int error = rules_init(&r, conf);

	if (error == 0) {
		fprintf(out,
		    "# for iptables-restore --noflush and"
		    " ip6tables-restore --noflush;\n"
		    "# loaded-setup(8) also does the rest\n");
		rules_print_needs(out, &r);
		print_raw(out, &r);
		print_mangle(out, &r);
		error = fflush(out) != 0 || ferror(out) ? -EIO : 0;
	}
	rules_fini(&r);
	return error;
}
