/*
 * rules.h - the firewall rules and system settings a config needs, as text
 * that nft -f or iptables-restore --noflush takes.  What else has to be set
 * stands in comment lines at its head, which scripts/loaded-setup carries out:
 *
 *	# sysctl KEY=VALUE		a dot in an interface's name is a '/'
 *	# sysctl KEY=VALUE if strict	if it or that of `all` is 1, neither 2
 *	# sysctl KEY=VALUE if host	if it is 1 and forwarding is 0
 *	# address ADDRESS/LENGTH dev INTERFACE
 *	# vip ADDRESS dev INTERFACE	answered for there, but not its own:
 *					not in the table `local`
 *
 * A `*` in a KEY stands for every interface, and for `all` and `default`.
 */
#ifndef LOADED_RULES_H
#define LOADED_RULES_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "loaded/conf.h"

/*
 * iptables hands a packet to its worker by a mark: this plus the worker's
 * number, below CONF_WORKERS.  Verdicts must clear it.
 */
#define RULES_MARK_BASE 0x4c440000U

/* Any constant will do, if both directions have the same. */
#define RULES_HASH_SEED 0x6c6f6164U

/* Packets of one kind, family and protocol. */
struct rules_match {
	bool reply; /* from backends, else to VIPs */
	bool v4;
	uint8_t proto;         /* IPPROTO_TCP, IPPROTO_UDP */
	const char *interface; /* borrowed; "": any */
	struct prefix *nets;   /* owned; sorted, none in another */
	uint32_t nnets;
	struct conf_ports *ports; /* owned; sorted, with gaps */
	uint32_t nports;
};

struct rules {
	const struct conf *conf;     /* borrowed */
	struct rules_match *matches; /* owned; clients first */
	uint32_t nmatches;
};

/* 0 or -ENOMEM; to be released with rules_fini() in both cases. */
int rules_init(struct rules *r, const struct conf *conf)
    __attribute__((warn_unused_result));
void rules_fini(struct rules *r);

void rules_print_needs(FILE *out, const struct rules *r);
void rules_print_nets(FILE *out, const struct rules_match *m,
    const char *separator);
const char *rules_proto_name(uint8_t proto);

/*
 * The whole text for a checked conf with its cores resolved (cores.h); equal
 * confs give equal texts.  0, -ENOMEM, or -EIO if out failed.
 */
int rules_print_nft(FILE *out, const struct conf *conf)
    __attribute__((warn_unused_result));
int rules_print_iptables(FILE *out, const struct conf *conf)
    __attribute__((warn_unused_result));

#endif
