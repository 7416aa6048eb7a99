/*
 * test_rules.c - the rules as text: what is matched, in which direction, and
 * that sets mean the same after they were put in order.
 */
#include "loaded/rules.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "addresses.h"
#include "runner.h"
#include "seed.h"

#define NELEM(a) (sizeof(a) / sizeof((a)[0]))
#define ROUNDS 200
#define RANDOM_PORTS 60
#define RANDOM_NETS 12

/* A small configuration, built by hand; each test changes what it is about. */
struct sample {
	struct conf conf;
	struct conf_pool pools[2];
	struct conf_service services[2];
	struct conf_backend backends[3], dns_backends[1];
	struct addr vips[2], dns_vips[1];
	struct conf_ports ports[3], dns_ports[1];
	struct prefix networks[2];
};

/* web on both families, tcp; dns on IPv4, udp; one worker on queue 3. */
static void
sample_init(struct sample *s)
{
	*s = (struct sample){
		.backends = { { .addr = address("10.0.0.1") },
		    { .addr = address("10.0.0.2"), .port = 8080 },
		    { .addr = address("fd00::1") } },
		.dns_backends = { { .addr = address("10.0.1.53") } },
		.vips = { address("203.0.113.80"), address("2001:db8:80::80") },
		.dns_vips = { address("203.0.113.53") },
		.ports = { { 443, 443 }, { 8000, 8099 }, { 80, 80 } },
		.dns_ports = { { 53, 53 } },
		.networks = { network("10.0.0.0/16"), network("fd00::/64") },
		.pools = { { .name = "web",
			       .nbackends = 3,
			       .backup = TABLE_NO_POOL },
		    { .name = "dns",
			.nbackends = 1,
			.backup = TABLE_NO_POOL } },
		.services = { { .name = "web",
				  .pool = 0,
				  .proto = IPPROTO_TCP,
				  .naddresses = 2,
				  .nports = 3 },
		    { .name = "dns",
			.pool = 1,
			.proto = IPPROTO_UDP,
			.naddresses = 1,
			.nports = 1 } },
		.conf = { .cores = { 5 },
		    .ncores = 1,
		    .first_queue = 3,
		    .nbackend_networks = 2,
		    .npools = 2,
		    .nservices = 2,
		    .public_if = "eth0",
		    .private_if = "eth1" },
	};
	s->pools[0].backends = s->backends;
	s->pools[1].backends = s->dns_backends;
	s->services[0].addresses = s->vips;
	s->services[1].addresses = s->dns_vips;
	s->services[0].ports = s->ports;
	s->services[1].ports = s->dns_ports;
	s->conf.backend_networks = s->networks;
	s->conf.pools = s->pools;
	s->conf.services = s->services;
}

typedef int printer(FILE *out, const struct conf *conf);

/* To be freed. */
static char *
print(printer *p, const struct conf *conf)
{
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	ck_assert_int_eq(p(out, conf), 0);
	fclose(out);
	return text;
}

static bool
has_line(const char *text, const char *line)
{
	const size_t len = strlen(line);

	for (const char *at = text; (at = strstr(at, line)); at++)
		if ((at == text || at[-1] == '\n') && at[len] == '\n')
			return true;
	return false;
}

static void
expect_line(const char *text, const char *line)
{
	ck_assert_msg(has_line(text, line), "no line\n%s\nin\n%s", line, text);
}

static void
refuse_text(const char *text, const char *part)
{
	ck_assert_msg(strstr(text, part) == NULL, "'%s' in\n%s", part, text);
}

static unsigned int
count(const char *text, const char *part)
{
	unsigned int n = 0;

	for (; (text = strstr(text, part)); text++)
		n++;
	return n;
}

/* ---- nft --------------------------------------------------------------- */

static const char nft_head[] =
    "add table inet loaded\n"
    "add chain inet loaded prerouting { type filter hook prerouting"
    " priority raw; policy accept; }\n"
    "flush chain inet loaded prerouting\n"
    "add chain inet loaded postrouting { type filter hook postrouting"
    " priority mangle; policy accept; }\n"
    "flush chain inet loaded postrouting\n";

#define NFT_RULE "add rule inet loaded "

static const char *const nft_rules[] = {
	NFT_RULE "prerouting iifname \"eth0\" ip daddr { 203.0.113.80 }"
		 " tcp dport { 80, 443, 8000-8099 } notrack queue num 3",
	NFT_RULE "prerouting iifname \"eth0\" ip6 daddr { 2001:db8:80::80 }"
		 " tcp dport { 80, 443, 8000-8099 } notrack queue num 3",
	NFT_RULE "prerouting iifname \"eth0\" ip daddr { 203.0.113.53 }"
		 " udp dport { 53 } notrack queue num 3",
	NFT_RULE
	"prerouting iifname \"eth1\" ip saddr { 10.0.0.0/16 }"
	" tcp sport { 80, 443, 8000-8099 } fib daddr type != local notrack",
	NFT_RULE "postrouting iifname \"eth1\" ip saddr { 10.0.0.0/16 }"
		 " tcp sport { 80, 443, 8000-8099 } queue num 3",
	NFT_RULE "postrouting iifname \"eth1\" ip6 saddr { fd00::/64 }"
		 " tcp sport { 80, 443, 8000-8099 } queue num 3",
	NFT_RULE "postrouting iifname \"eth1\" ip saddr { 10.0.0.0/16 }"
		 " udp sport { 53 } queue num 3",
};

START_TEST(nft_prints_one_rule_for_each_service_family_and_direction)
{
	struct sample s;
	char *text;

	sample_init(&s);
	text = print(rules_print_nft, &s.conf);
	ck_assert_ptr_nonnull(strstr(text, nft_head));
	for (size_t i = 0; i < NELEM(nft_rules); i++)
		expect_line(text, nft_rules[i]);
	ck_assert_uint_eq(count(text, NFT_RULE "p"), 9);
	expect_line(text, NFT_RULE "defrag meta l4proto udp tproxy to :1");
	refuse_text(text, "delete");
	refuse_text(text, "bypass");
	free(text);
}
END_TEST

START_TEST(nft_hashes_the_clients_end_in_both_directions)
{
	struct sample s;
	char *text;

	sample_init(&s);
	s.conf.ncores = 4;
	text = print(rules_print_nft, &s.conf);
	expect_line(text,
	    NFT_RULE
	    "prerouting iifname \"eth0\" ip6 daddr"
	    " { 2001:db8:80::80 } tcp dport { 80, 443, 8000-8099 } notrack"
	    " queue to jhash ip6 saddr . tcp sport mod 4 seed 0x6c6f6164"
	    " offset 3");
	expect_line(text,
	    NFT_RULE
	    "postrouting iifname \"eth1\" ip saddr"
	    " { 10.0.0.0/16 } udp sport { 53 }"
	    " queue to jhash ip daddr . udp dport mod 4 seed 0x6c6f6164"
	    " offset 3");
	refuse_text(text, "queue num");
	free(text);
}
END_TEST

START_TEST(nft_names_no_interface_that_is_not_configured)
{
	struct sample s;
	char *text;

	sample_init(&s);
	s.conf.public_if[0] = s.conf.private_if[0] = '\0';
	text = print(rules_print_nft, &s.conf);
	expect_line(text,
	    NFT_RULE "prerouting ip daddr { 203.0.113.53 }"
		     " udp dport { 53 } notrack queue num 3");
	refuse_text(text, "iifname");
	free(text);
}
END_TEST

/* ---- what is matched --------------------------------------------------- */

START_TEST(without_networks_replies_come_from_the_backends_themselves)
{
	struct sample s;
	char *text;

	sample_init(&s);
	s.conf.nbackend_networks = 0;
	text = print(rules_print_nft, &s.conf);
	expect_line(text,
	    NFT_RULE "postrouting iifname \"eth1\" ip saddr"
		     " { 10.0.0.1, 10.0.0.2 } tcp sport { 80, 443, 8000-8099 }"
		     " queue num 3");
	expect_line(text,
	    NFT_RULE "postrouting iifname \"eth1\" ip saddr"
		     " { 10.0.1.53 } udp sport { 53 }"
		     " queue num 3");
	free(text);
}
END_TEST

START_TEST(a_backend_outside_of_the_networks_is_matched_too)
{
	struct sample s;
	char *text;

	sample_init(&s);
	s.backends[1].addr = address("192.0.2.1");
	text = print(rules_print_nft, &s.conf);
	ck_assert_uint_eq(count(text, "{ 10.0.0.0/16, 192.0.2.1 } tcp"), 2);
	free(text);
}
END_TEST

START_TEST(replies_only_have_ports_that_backends_of_the_family_can_have)
{
	struct sample s;
	char *text;

	sample_init(&s);
	s.backends[0].port = 9000;
	s.backends[2].port = 9001;
	text = print(rules_print_nft, &s.conf);
	ck_assert_uint_eq(count(text, "tcp sport { 8080, 9000 }"), 2);
	ck_assert_uint_eq(count(text, "tcp sport { 9001 }"), 2);
	free(text);
}
END_TEST

START_TEST(a_pool_nobody_uses_adds_nothing)
{
	struct sample s;
	char *text;

	sample_init(&s);
	s.conf.nservices = 1;
	s.conf.nbackend_networks = 0;
	text = print(rules_print_nft, &s.conf);
	refuse_text(text, "10.0.1.53");
	refuse_text(text, "udp sport");
	free(text);
}
END_TEST

START_TEST(a_family_without_a_vip_adds_nothing)
{
	struct sample s;
	char *text;

	sample_init(&s);
	s.services[0].naddresses = 1;
	text = print(rules_print_nft, &s.conf);
	refuse_text(text, "ip6");
	refuse_text(text, "ipv6");
	free(text);
	text = print(rules_print_iptables, &s.conf);
	refuse_text(text, "-6 ");
	free(text);
}
END_TEST

START_TEST(a_backup_pool_is_matched_for_those_who_may_use_it)
{
	struct sample s;
	char *text;

	sample_init(&s);
	s.conf.nbackend_networks = 0;
	s.conf.nservices = 1;
	s.pools[0].backup = 1;
	s.dns_backends[0].port = 9053;
	text = print(rules_print_nft, &s.conf);
	ck_assert_uint_eq(count(text,
			      "{ 10.0.0.1, 10.0.0.2, 10.0.1.53 } tcp sport"
			      " { 80, 443, 8000-8099, 9053 }"),
	    2);
	refuse_text(text, "udp sport");
	free(text);
}
END_TEST

START_TEST(places_for_discovered_backends_are_matched_by_the_networks)
{
	struct sample s;
	char *text;

	sample_init(&s);
	s.pools[0].backends = &(struct conf_backend){ .discovered = true,
		.absent = true };
	s.pools[0].nbackends = 1;
	text = print(rules_print_nft, &s.conf);
	ck_assert_uint_eq(count(text,
			      "ip saddr { 10.0.0.0/16 } tcp sport"
			      " { 80, 443, 8000-8099 }"),
	    2);
	ck_assert_uint_eq(count(text,
			      "ip6 saddr { fd00::/64 } tcp sport"
			      " { 80, 443, 8000-8099 }"),
	    2);
	refuse_text(text, "::,");
	refuse_text(text, ":: ");
	free(text);
}
END_TEST

/* ---- iptables ---------------------------------------------------------- */

static const char *const ipt_rules[] = {
	"-A PREROUTING -j LOADED_PREROUTING",
	"-A LOADED_DEFRAG -m socket -j RETURN",
	"-4 -A LOADED_PREROUTING -i eth0 -d 203.0.113.80 -p tcp"
	" -m multiport --dports 80,443,8000:8099 -g LOADED_CLIENT",
	"-6 -A LOADED_PREROUTING -i eth0 -d 2001:db8:80::80 -p tcp"
	" -m multiport --dports 80,443,8000:8099 -g LOADED_CLIENT",
	"-4 -A LOADED_PREROUTING -i eth1 -s 10.0.0.0/16 -p udp"
	" -m udp --sport 53 -m addrtype ! --dst-type LOCAL"
	" -j CT --notrack",
	"-A LOADED_CLIENT -j CT --notrack",
	"-A LOADED_CLIENT -j NFQUEUE --queue-num 3",
	"-A POSTROUTING -j LOADED_POSTROUTING",
	"-6 -A LOADED_POSTROUTING -i eth1 -s fd00::/64 -p tcp"
	" -m multiport --sports 80,443,8000:8099 -g LOADED_REPLY",
	"-A LOADED_REPLY -j NFQUEUE --queue-num 3",
};

START_TEST(iptables_prints_chains_jumps_and_rules_of_both_families)
{
	struct sample s;
	char *text;

	sample_init(&s);
	text = print(rules_print_iptables, &s.conf);
	for (size_t i = 0; i < NELEM(ipt_rules); i++)
		expect_line(text, ipt_rules[i]);
	ck_assert_uint_eq(count(text, "-A PREROUTING"), 1);
	ck_assert_uint_eq(count(text, "-A POSTROUTING"), 1);
	ck_assert_uint_eq(count(text, "COMMIT\n"), 2);
	free(text);
}
END_TEST

START_TEST(iptables_hands_packets_to_workers_by_mark)
{
	struct sample s;
	char *text;

	sample_init(&s);
	s.conf.ncores = 2;
	text = print(rules_print_iptables, &s.conf);
	expect_line(text,
	    "-A LOADED_CLIENT -j HMARK --hmark-tuple src,sport"
	    " --hmark-mod 2 --hmark-offset 0x4c440000 --hmark-rnd 0x6c6f6164");
	expect_line(text,
	    "-A LOADED_REPLY -j HMARK --hmark-tuple dst,dport"
	    " --hmark-mod 2 --hmark-offset 0x4c440000 --hmark-rnd 0x6c6f6164");
	expect_line(text,
	    "-A LOADED_CLIENT -m mark --mark 0x4c440000"
	    " -j NFQUEUE --queue-num 3");
	expect_line(text,
	    "-A LOADED_REPLY -m mark --mark 0x4c440001"
	    " -j NFQUEUE --queue-num 4");
	free(text);
}
END_TEST

/* Ports of one "--dports" list into the set; what they count for. */
static unsigned int
read_ports(const char *list, bool set[static 65536])
{
	unsigned int weight = 0;

	for (;;) {
		char *end;
		unsigned long low = strtoul(list, &end, 10), high = low;

		weight++;
		if (*end == ':') {
			high = strtoul(end + 1, &end, 10);
			weight++;
		}
		for (; low <= high; low++)
			set[low] = true;
		if (*end != ',')
			return weight;
		list = end + 1;
	}
}

static void
random_ports(struct conf_ports ports[static RANDOM_PORTS], bool wanted[65536])
{
	memset(wanted, 0, 65536 * sizeof(*wanted));
	for (int i = 0; i < RANDOM_PORTS; i++) {
		struct conf_ports *p = &ports[i];

		p->low = (uint16_t)(1 + random() % (i % 2 ? 65535 : 200));
		p->high = p->low;
		if (i % 3 == 0)
			p->high = (uint16_t)(p->low +
			    random() % (65536 - p->low) % 50);
		for (unsigned int n = p->low; n <= p->high; n++)
			wanted[n] = true;
	}
}

START_TEST(any_ports_keep_their_meaning_and_fit_into_multiport)
{
	static bool wanted[65536], printed[65536];
	struct conf_ports ports[RANDOM_PORTS];
	struct sample s;

	seed_random("rules");
	for (int round = 0; round < ROUNDS; round++) {
		char *text;

		sample_init(&s);
		random_ports(ports, wanted);
		s.conf.nservices = 1;
		s.services[0].ports = ports;
		s.services[0].nports = (uint32_t)RANDOM_PORTS;
		s.services[0].naddresses = 1;
		text = print(rules_print_iptables, &s.conf);
		memset(printed, 0, sizeof(printed));
		for (const char *at = text; (at = strstr(at, "--dports "));
		     at++)
			ck_assert_uint_le(read_ports(at + 9, printed), 15);
		ck_assert_mem_eq(wanted, printed, sizeof(wanted));
		free(text);
	}
}
END_TEST

START_TEST(any_ports_end_up_sorted_with_gaps)
{
	static bool wanted[65536];
	struct conf_ports ports[RANDOM_PORTS];
	struct sample s;
	struct rules r;

	seed_random("rules");
	for (int round = 0; round < ROUNDS; round++) {
		sample_init(&s);
		random_ports(ports, wanted);
		s.services[0].ports = ports;
		s.services[0].nports = RANDOM_PORTS;
		ck_assert_int_eq(rules_init(&r, &s.conf), 0);
		for (uint32_t i = 1; i < r.matches[0].nports; i++)
			ck_assert_int_gt(r.matches[0].ports[i].low,
			    r.matches[0].ports[i - 1].high + 1);
		rules_fini(&r);
	}
}
END_TEST

START_TEST(every_port_is_one_range)
{
	struct conf_ports any = { 1, 65535 };
	struct sample s;
	char *text;

	sample_init(&s);
	s.services[0].ports = &any;
	s.services[0].nports = 1;
	text = print(rules_print_nft, &s.conf);
	ck_assert_uint_eq(count(text, "tcp dport { 1-65535 }"), 2);
	ck_assert_uint_eq(count(text, "tcp sport { 1-65535 }"), 4);
	free(text);
}
END_TEST

/* ---- networks ---------------------------------------------------------- */

static bool
in_any(const struct prefix *nets, size_t n, const struct addr *a)
{
	for (size_t i = 0; i < n; i++)
		if (prefix_contains(&nets[i], a))
			return true;
	return false;
}

/* Within 10.0.0.0/8, crowded so that many contain others. */
static struct addr
random_addr(void)
{
	const uint8_t bytes[4] = { 10, (uint8_t)(random() % 2),
		(uint8_t)(random() % 4), (uint8_t)random() };

	return addr_from_v4(bytes);
}

/* The reply match of the sample for IPv4 and TCP. */
static const struct rules_match *
tcp4_replies(const struct rules *r)
{
	for (uint32_t i = 0; i < r->nmatches; i++)
		if (r->matches[i].reply && r->matches[i].v4 &&
		    r->matches[i].proto == IPPROTO_TCP)
			return &r->matches[i];
	ck_abort_msg("no match for replies");
}

START_TEST(networks_keep_their_meaning_without_overlap)
{
	struct prefix nets[RANDOM_NETS];
	struct sample s;
	struct rules r;

	seed_random("rules");
	for (int round = 0; round < ROUNDS; round++) {
		const struct rules_match *m;

		sample_init(&s);
		s.pools[0].nbackends = 1;
		for (int i = 0; i < RANDOM_NETS; i++) {
			const struct addr a = random_addr();

			nets[i].bits = (uint8_t)(96 + 14 + random() % 19);
			nets[i].addr = addr_mask(&a, nets[i].bits);
		}
		s.conf.backend_networks = nets;
		s.conf.nbackend_networks = RANDOM_NETS;
		s.backends[0].addr = nets[0].addr;
		ck_assert_int_eq(rules_init(&r, &s.conf), 0);
		m = tcp4_replies(&r);
		for (int i = 0; i < ROUNDS; i++) {
			const struct addr a = random_addr();

			ck_assert_int_eq(in_any(nets, RANDOM_NETS, &a),
			    in_any(m->nets, m->nnets, &a));
		}
		for (uint32_t i = 0; i < m->nnets; i++)
			ck_assert(!in_any(m->nets, i, &m->nets[i].addr));
		rules_fini(&r);
	}
}
END_TEST

/* ---- what else is needed ----------------------------------------------- */

static const char needs[] =
    "# sysctl net.ipv4.conf.eth0.rp_filter=2 if strict\n"
    "# sysctl net.ipv4.conf.eth1.rp_filter=2 if strict\n"
    "# sysctl net.ipv4.conf.eth0.accept_local=1\n"
    "# sysctl net.ipv4.conf.all.send_redirects=0\n"
    "# sysctl net.ipv4.conf.eth0.send_redirects=0\n"
    "# sysctl net.ipv4.conf.eth1.send_redirects=0\n"
    "# sysctl net.ipv4.ip_forward=1\n"
    "# sysctl net.ipv6.conf.*.accept_ra=2 if host\n"
    "# sysctl net.ipv6.conf.all.forwarding=1\n"
    "# address 203.0.113.80/32 dev eth0\n"
    "# address 2001:db8:80::80/128 dev eth0\n"
    "# address 203.0.113.53/32 dev eth0\n";

START_TEST(both_texts_begin_with_what_else_is_needed)
{
	printer *const printers[] = { rules_print_nft, rules_print_iptables };
	struct sample s;
	char *text;

	sample_init(&s);
	text = print(printers[_i], &s.conf);
	ck_assert_ptr_nonnull(strstr(text, needs));
	ck_assert_uint_eq(count(text, "# sysctl"), 9);
	ck_assert_uint_eq(count(text, "# address"), 3);
	free(text);
}
END_TEST

START_TEST(without_interfaces_settings_are_for_all_and_no_vip_is_added)
{
	struct sample s;
	char *text;

	sample_init(&s);
	s.conf.public_if[0] = '\0';
	text = print(rules_print_nft, &s.conf);
	expect_line(text, "# sysctl net.ipv4.conf.*.rp_filter=2 if strict");
	expect_line(text, "# sysctl net.ipv4.conf.all.accept_local=1");
	expect_line(text, "# sysctl net.ipv4.conf.*.send_redirects=0");
	refuse_text(text, "# address");
	refuse_text(text, "conf.eth1");
	free(text);
}
END_TEST

START_TEST(a_dot_in_an_interface_is_a_slash)
{
	struct sample s;
	char *text;

	sample_init(&s);
	strncpy(s.conf.public_if, "eth0.100", CONF_IFNAME_LEN - 1);
	strncpy(s.conf.private_if, "eth0.100", CONF_IFNAME_LEN - 1);
	text = print(rules_print_nft, &s.conf);
	expect_line(text, "# sysctl net.ipv4.conf.eth0/100.accept_local=1");
	ck_assert_uint_eq(count(text, "eth0/100.send_redirects"), 1);
	expect_line(text, "# address 203.0.113.53/32 dev eth0.100");
	free(text);
}
END_TEST

START_TEST(a_vip_of_two_services_is_one_address)
{
	struct sample s;
	char *text;

	sample_init(&s);
	s.dns_vips[0] = s.vips[0];
	text = print(rules_print_nft, &s.conf);
	ck_assert_uint_eq(count(text, "# address 203.0.113.80/32"), 1);
	free(text);
}
END_TEST

static const char dr_needs[] = "# sysctl net.ipv4.ip_forward=1\n"
			       "# sysctl net.ipv6.conf.*.accept_ra=2 if host\n"
			       "# sysctl net.ipv6.conf.all.forwarding=1\n"
			       "# sysctl net.ipv6.conf.eth0.proxy_ndp=1\n"
			       "# sysctl net.ipv6.neigh.eth0.proxy_delay=0\n"
			       "# vip 203.0.113.80 dev eth0\n"
			       "# vip 2001:db8:80::80 dev eth0\n"
			       "# address 203.0.113.53/32 dev eth0\n";

START_TEST(vips_of_dr_are_no_addresses)
{
	struct sample s;
	char *text;

	sample_init(&s);
	s.services[0].forward = FORWARD_DR;
	text = print(rules_print_nft, &s.conf);
	ck_assert_ptr_nonnull(strstr(text, dr_needs));
	ck_assert_uint_eq(count(text, "# address"), 1);
	ck_assert_uint_eq(count(text, "# vip"), 2);
	free(text);
}
END_TEST

/* Whichever of the two services comes first. */
START_TEST(a_vip_of_both_modes_is_one_of_dr)
{
	struct sample s;
	char *text;

	sample_init(&s);
	s.dns_vips[0] = s.vips[0];
	s.services[_i].forward = FORWARD_DR;
	text = print(rules_print_nft, &s.conf);
	expect_line(text, "# vip 203.0.113.80 dev eth0");
	refuse_text(text, "# address 203.0.113.80/32");
	ck_assert_uint_eq(count(text, "# vip 203.0.113.80"), 1);
	ck_assert_uint_eq(count(text, "# vip"), 2U - (unsigned int)_i);
	ck_assert_uint_eq(count(text, "proxy_"), _i == 0 ? 2 : 0);
	free(text);
}
END_TEST

START_TEST(replies_of_dr_are_not_looked_for)
{
	printer *const printers[] = { rules_print_nft, rules_print_iptables };
	struct sample s;
	struct rules r;
	char *text;

	sample_init(&s);
	s.services[0].forward = FORWARD_DR;
	ck_assert_int_eq(rules_init(&r, &s.conf), 0);
	for (uint32_t i = 0; i < r.nmatches; i++)
		ck_assert(!r.matches[i].reply ||
		    r.matches[i].proto == IPPROTO_UDP);
	ck_assert_uint_eq(r.nmatches, 4);
	rules_fini(&r);
	s.services[1].forward = FORWARD_DR;
	text = print(printers[_i], &s.conf);
	ck_assert_uint_eq(count(text, "203.0.113.80"), 2);
	refuse_text(text, "10.0.0.0/16");
	refuse_text(text, "10.0.0.1");
	free(text);
}
END_TEST

START_TEST(a_full_disk_is_an_error)
{
	printer *const printers[] = { rules_print_nft, rules_print_iptables };
	FILE *full = fopen("/dev/full", "w");
	struct sample s;

	ck_assert_ptr_nonnull(full);
	sample_init(&s);
	ck_assert_int_eq(printers[_i](full, &s.conf), -EIO);
	fclose(full);
}
END_TEST

static TCase *
add_case(Suite *suite, const char *name)
{
	TCase *tc = tcase_create(name);

	suite_add_tcase(suite, tc);
	tcase_set_timeout(tc, 60);
	return tc;
}

static Suite *
rules_suite(void)
{
	Suite *suite = suite_create("rules");
	TCase *tc = add_case(suite, "nft");

	tcase_add_test(tc,
	    nft_prints_one_rule_for_each_service_family_and_direction);
	tcase_add_test(tc, nft_hashes_the_clients_end_in_both_directions);
	tcase_add_test(tc, nft_names_no_interface_that_is_not_configured);
	tc = add_case(suite, "iptables");
	tcase_add_test(tc,
	    iptables_prints_chains_jumps_and_rules_of_both_families);
	tcase_add_test(tc, iptables_hands_packets_to_workers_by_mark);
	tc = add_case(suite, "match");
	tcase_add_test(tc,
	    without_networks_replies_come_from_the_backends_themselves);
	tcase_add_test(tc, a_backend_outside_of_the_networks_is_matched_too);
	tcase_add_test(tc,
	    replies_only_have_ports_that_backends_of_the_family_can_have);
	tcase_add_test(tc, a_pool_nobody_uses_adds_nothing);
	tcase_add_test(tc, a_family_without_a_vip_adds_nothing);
	tcase_add_test(tc, a_backup_pool_is_matched_for_those_who_may_use_it);
	tcase_add_test(tc,
	    places_for_discovered_backends_are_matched_by_the_networks);
	tc = add_case(suite, "order");
	tcase_add_test(tc, any_ports_keep_their_meaning_and_fit_into_multiport);
	tcase_add_test(tc, any_ports_end_up_sorted_with_gaps);
	tcase_add_test(tc, every_port_is_one_range);
	tcase_add_test(tc, networks_keep_their_meaning_without_overlap);
	tc = add_case(suite, "needs");
	tcase_add_loop_test(tc, both_texts_begin_with_what_else_is_needed, 0,
	    2);
	tcase_add_test(tc,
	    without_interfaces_settings_are_for_all_and_no_vip_is_added);
	tcase_add_test(tc, a_dot_in_an_interface_is_a_slash);
	tcase_add_test(tc, a_vip_of_two_services_is_one_address);
	tcase_add_test(tc, vips_of_dr_are_no_addresses);
	tcase_add_loop_test(tc, a_vip_of_both_modes_is_one_of_dr, 0, 2);
	tcase_add_loop_test(tc, replies_of_dr_are_not_looked_for, 0, 2);
	tcase_add_loop_test(tc, a_full_disk_is_an_error, 0, 2);
	return suite;
}

int
main(void)
{
	return run_suite(rules_suite());
}
