/*
 * test_table.c - the flat table against the config it was built from: every
 * look-up has the answer that a walk through the config gives.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loaded/conf.h"
#include "loaded/table.h"
#include "loaded/table_build.h"
#include "runner.h"
#include "seed.h"

#define POOL                                                                   \
	"pools = ( { name = \"p\"; backends = (\n"                             \
	" { address = \"10.0.0.1\"; weight = 3; max_connections = 7; },\n"     \
	" { address = \"fd00::1\"; port = 8080; },\n"                          \
	" { address = \"10.0.0.2\"; weight = 0; max_rate = 9; } ); },\n"       \
	" { name = \"q\"; backends = ( { address = \"10.0.0.1\"; } ); } );\n"

static _Alignas(64) uint8_t scratch[4096];
static const uint8_t key[SIPHASH_KEY_LEN] = "0123456789abcde";

static struct table *
build(struct conf **conf, const char *text)
{
	struct table *t;

	ck_assert_int_eq(conf_load_text(conf, "test", text, stderr), 0);
	ck_assert_int_eq(table_build(&t, *conf, key, 7), 0);
	ck_assert_uint_eq(t->magic, TABLE_MAGIC);
	ck_assert_uint_eq(t->generation, 7);
	return t;
}

/* Services on three VIPs, with random ranges that never overlap. */
static char *
random_config(void)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	long low, high;
	int i;

	fprintf(out, POOL "services = (\n");
	for (i = 0; i < 6; i++) {
		fprintf(out,
		    "%s{ name = \"s%d\"; addresses = [ \"203.0.113.%d\" ];\n"
		    " protocol = \"%s\"; pool = \"p\"; ports = [",
		    i > 0 ? "," : "", i, i / 2, i % 2 ? "tcp" : "udp");
		low = 1 + random() % 5000;
		for (high = 0; low < 65000; low = high + 2 + random() % 9000) {
			fprintf(out, "%s", high > 0 ? ", " : "");
			high = low + random() % 500;
			fprintf(out, "\"%ld-%ld\"", low, high);
		}
		fprintf(out, "]; }\n");
	}
	fprintf(out, ");\n");
	fclose(out);
	return text;
}

/* The slow oracle: which service has this port? */
static int
service_of(const struct conf *conf, const struct addr *vip, uint8_t proto,
    uint16_t port)
{
	const struct conf_service *s;
	uint32_t i, p;

	for (i = 0; i < conf->nservices; i++) {
		s = &conf->services[i];
		if (s->proto != proto || !addr_equal(&s->addresses[0], vip))
			continue;
		for (p = 0; p < s->nports; p++)
			if (port >= s->ports[p].low && port <= s->ports[p].high)
				return (int)i;
	}
	return -1;
}

START_TEST(every_port_finds_the_service_that_the_config_gives_it)
{
	static const uint8_t protos[] = { IPPROTO_TCP, IPPROTO_UDP };
	char *text = random_config();
	const struct table_service *found;
	const struct table_addr *vip;
	struct conf *conf;
	struct table *t = build(&conf, text);
	uint32_t i, port;

	for (i = 0; i < 6; i++) {
		vip = table_find_addr(t, &conf->services[i].addresses[0]);
		ck_assert_ptr_nonnull(vip);
		for (port = 0; port < 65536; port++) {
			const uint8_t proto = protos[i % 2];
			const int want = service_of(conf, &vip->addr, proto,
			    (uint16_t)port);

			found = table_find_service(t, vip, proto,
			    (uint16_t)port);
			ck_assert_int_eq(found != NULL ? (int)found->slot : -1,
			    want);
		}
	}
	ck_assert_ptr_null(table_find_service(t,
	    table_find_addr(t, &conf->services[0].addresses[0]), IPPROTO_SCTP,
	    80));
	free(t);
	free(text);
	conf_free(conf);
}
END_TEST

static const char both[] = POOL
    "services = ( { name = \"a\"; addresses = [ \"203.0.113.1\",\n"
    " \"2001:db8::1\" ]; protocol = \"tcp\"; ports = \"any\";\n"
    " scheduler = \"mh\"; pool = \"p\"; },\n"
    "{ name = \"b\"; addresses = [ \"203.0.113.2\" ]; pool = \"q\";\n"
    " protocol = \"udp\"; ports = [ \"53\" ];\n"
    " persistence = { timeout = \"90s\"; mask4 = 24; }; } );\n";

START_TEST(addresses_are_found_with_what_they_are)
{
	static const struct {
		const char *text;
		uint32_t flags;
	} known[] = {
		{ "203.0.113.1", TABLE_VIP },
		{ "2001:db8::1", TABLE_VIP },
		{ "203.0.113.2", TABLE_VIP },
		{ "10.0.0.1", TABLE_SERVER },
		{ "10.0.0.2", TABLE_SERVER },
		{ "fd00::1", TABLE_SERVER },
		{ "203.0.113.3", 0 },
		{ "::", 0 },
	};
	const struct table_addr *found;
	struct conf *conf;
	struct table *t = build(&conf, both);
	struct addr a;

	ck_assert_int_eq(addr_parse(&a, known[_i].text), 0);
	found = table_find_addr(t, &a);
	ck_assert_uint_eq(found != NULL ? found->flags : 0, known[_i].flags);
	if (found != NULL)
		ck_assert_ptr_eq(table_addr_by_id(t, table_addr_id(t, found)),
		    found);
	free(t);
	conf_free(conf);
}
END_TEST

START_TEST(groups_have_the_members_of_their_family)
{
	struct conf *conf;
	struct table *t = build(&conf, both);
	const struct table_service *a = table_service(t, 0);
	struct sched_group v4 = table_sched_group(t, scratch, NULL, a,
	    &a->group[TABLE_V4]);
	struct sched_group v6 = table_sched_group(t, scratch, NULL, a,
	    &a->group[TABLE_V6]);

	ck_assert_uint_eq(v4.count, 2);
	ck_assert_uint_eq(v4.members[0].weight, 3);
	ck_assert_uint_eq(v4.members[0].slot, 0);
	ck_assert_uint_eq(v4.members[1].slot, 2);
	ck_assert_uint_eq(v6.count, 1);
	ck_assert_uint_eq(v6.members[0].slot, 1);
	ck_assert_uint_eq(ntohs(v6.members[0].port_be), 8080);
	ck_assert(v4.hash_port && v4.maglev_size > 0 && v6.maglev_size > 0);
	ck_assert_ptr_ne(v4.state, v6.state);
	/* One address in two pools is one address, but two backends. */
	v4 = table_sched_group(t, scratch, NULL, table_service(t, 1),
	    &table_service(t, 1)->group[TABLE_V4]);
	ck_assert_uint_eq(v4.count, 1);
	ck_assert_uint_eq(v4.members[0].slot, 3);
	ck_assert_uint_eq(v4.maglev_size, 0);
	ck_assert_uint_eq(table_service(t, 1)->persist_ticks, 900);
	ck_assert_uint_eq(table_service(t, 1)->persist_bits[TABLE_V4], 120);
	free(t);
	conf_free(conf);
}
END_TEST

START_TEST(backends_start_with_their_config)
{
	struct backend_state *states = aligned_alloc(64,
	    4 * sizeof(struct backend_state));
	struct conf *conf;

	ck_assert_int_eq(conf_load_text(&conf, "test", both, stderr), 0);
	memset(states, 0, 4 * sizeof(*states));
	table_init_backends(conf, states);
	ck_assert_uint_eq(states[0].weight, 3);
	ck_assert_uint_eq(states[0].max_connections, 7);
	ck_assert_uint_eq(states[1].weight, 1);
	ck_assert_uint_eq(states[2].weight, 0);
	ck_assert_uint_eq(states[2].max_rate, 9);
	ck_assert_uint_eq(states[2].health, HEALTH_UNKNOWN);
	free(states);
	conf_free(conf);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("table");
	TCase *tc = tcase_create("all");

	seed_random("test_table");
	tcase_add_loop_test(tc,
	    every_port_finds_the_service_that_the_config_gives_it, 0, 5);
	tcase_add_loop_test(tc, addresses_are_found_with_what_they_are, 0, 8);
	tcase_add_test(tc, groups_have_the_members_of_their_family);
	tcase_add_test(tc, backends_start_with_their_config);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
