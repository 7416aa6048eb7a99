/*
 * test_conf_failover.c - checks, pools in trouble and discovery, read back
 * field by field; and what of them is left for one family.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "conf_fixture.h"
#include "loaded/check.h"
#include "loaded/conf.h"
#include "loaded/conf_pool.h"
#include "loaded/dns_msg.h"
#include "runner.h"

#define ONE " backends = ( { address = \"10.0.0.1\"; } ); "
#define PRIVATE "interfaces = { private = \"eth1\"; };\n"
#define NETWORKS(more) "backend_networks = [ \"10.0.0.0/24\", \"" more "\" ];\n"
#define CALL(address)                                                          \
	"failover = { discover = { broadcast = [ " address " ];\n"             \
	"  port = 80; pool = \"p\"; }; };\npools = ( { name = \"p\"; } );\n"
#define VIPS(address)                                                          \
	"services = ( { name = \"s\"; addresses = [ \"192.0.2.1\", \"" address \
	"\" ];\n  protocol = \"tcp\"; ports = [ 80 ]; pool = \"p\"; } );\n"

#define SERVICES                                                               \
	"services = ( { name = \"s\"; addresses = [ \"192.0.2.1\" ];\n"        \
	"protocol = \"tcp\"; ports = \"80\"; pool = \"p\"; } );\n"

/* The last that was loaded. */
static struct conf *conf;

static void
teardown(void)
{
	conf_free(conf);
}

/* Loads text that is right; the config before it is forgotten. */
static const struct conf *
load(const char *text)
{
	conf_free(conf);
	conf = conf_load_silent("x", text);
	return conf;
}

static const struct check *
load_check(const char *keys)
{
	char text[2048];

	snprintf(text, sizeof(text),
	    "pools = ( { name = \"p\";" ONE "check = { %s }; } );\n" SERVICES,
	    keys);
	return &load(text)->pools[0].checks[0].check;
}

static void
check_bytes(const struct check_bytes *got, const char *want, size_t len)
{
	ck_assert_uint_eq(got->len, len);
	ck_assert_mem_eq(got->b, want, len);
}

START_TEST(check_has_its_defaults)
{
	const struct check *c = load_check("type = \"http\";");

	ck_assert_uint_eq(conf->pools[0].nchecks, 1);
	ck_assert_int_eq(conf->pools[0].checks[0].where.line, 1);
	ck_assert_uint_eq(c->type, CHECK_HTTP);
	ck_assert(c->start_up && !c->via_vip && c->verify);
	ck_assert_uint_eq(c->port, 0);
	ck_assert_uint_eq(c->interval_ms, 2000);
	ck_assert_uint_eq(c->fast_interval_ms, 1000);
	ck_assert_uint_eq(c->timeout_ms, 1000);
	ck_assert_uint_eq(c->rise, 2);
	ck_assert_uint_eq(c->fall, 3);
	ck_assert(c->window == 0 && c->need == 0);
	ck_assert(c->send.len == 0 && c->expect.len == 0);
	ck_assert_str_eq(c->regex, "");
	ck_assert_str_eq(c->method, "GET");
	ck_assert_str_eq(c->path, "/");
	ck_assert_str_eq(c->host, "");
	ck_assert_uint_eq(c->status.count, 1);
	ck_assert_uint_eq(c->status.range[0].low, 200);
	ck_assert_uint_eq(c->status.range[0].high, 299);
	ck_assert_str_eq(c->ca_file, "");
	ck_assert_uint_eq(c->record, 1);
	ck_assert_uint_eq(c->rcode, 0);
}
END_TEST

START_TEST(numbers_of_a_check_are_read_back)
{
	const struct check *c =
	    load_check("type = \"tcp\"; port = 8080; interval = \"200ms\";"
		       "fast_interval = \"50ms\"; timeout = \"3s\"; rise = 1;"
		       "fall = 255; window = 64; need = 63; via = \"vip\";"
		       "start = \"down\";");

	ck_assert_uint_eq(c->type, CHECK_TCP);
	ck_assert_uint_eq(c->port, 8080);
	ck_assert_uint_eq(c->interval_ms, 200);
	ck_assert_uint_eq(c->fast_interval_ms, 50);
	ck_assert_uint_eq(c->timeout_ms, 3000);
	ck_assert_uint_eq(c->rise, 1);
	ck_assert_uint_eq(c->fall, 255);
	ck_assert_uint_eq(c->window, 64);
	ck_assert_uint_eq(c->need, 63);
	ck_assert(c->via_vip && !c->start_up);
}
END_TEST

START_TEST(request_of_a_check_is_read_back)
{
	const struct check *c = load_check(
	    "type = \"https\"; method = \"POST\"; path = \"/a?b=c\";"
	    "host = \"www.example.org\"; status = \"301,200-204\";"
	    "verify = false; ca_file = \"/dev/null\"; expect = \"ok\";"
	    "expect_regex = \"^(a|b)$\";");

	ck_assert_str_eq(c->method, "POST");
	ck_assert_str_eq(c->path, "/a?b=c");
	ck_assert_str_eq(c->host, "www.example.org");
	ck_assert_uint_eq(c->status.count, 2);
	ck_assert_uint_eq(c->status.range[0].low, 301);
	ck_assert_uint_eq(c->status.range[0].high, 301);
	ck_assert_uint_eq(c->status.range[1].low, 200);
	ck_assert_uint_eq(c->status.range[1].high, 204);
	ck_assert(!c->verify);
	ck_assert_str_eq(c->ca_file, "/dev/null");
	check_bytes(&c->expect, "ok", 2);
	ck_assert_str_eq(c->regex, "^(a|b)$");
	c = load_check("type = \"http\"; status = 204;");
	ck_assert_uint_eq(c->status.count, 1);
	ck_assert_uint_eq(c->status.range[0].high, 204);
}
END_TEST

START_TEST(question_and_program_are_read_back)
{
	const struct check *c = load_check(
	    "type = \"dns\"; name = \"www.example.org\"; record = \"AAAA\";"
	    "rcode = \"NXDOMAIN\"; answer = \"2001:db8::1\";");

	ck_assert_str_eq(c->name, "www.example.org");
	ck_assert_uint_eq(c->record, 28);
	ck_assert_uint_eq(c->rcode, 3);
	ck_assert_str_eq(c->answer, "2001:db8::1");
	c = load_check("type = \"exec\"; program = \"/bin/true\";"
		       "user = \"nobody\";");
	ck_assert_str_eq(c->program, "/bin/true");
	ck_assert_str_eq(c->user, "nobody");
}
END_TEST

START_TEST(each_type_of_check_is_known_by_its_name)
{
	static const struct {
		enum check_type type;
		const char *more;
	} types[] = {
		{ CHECK_ICMP, "" },
		{ CHECK_TCP, "" },
		{ CHECK_UDP, "" },
		{ CHECK_DNS, "name = \"a\";" },
		{ CHECK_HTTP, "" },
		{ CHECK_HTTPS, "" },
		{ CHECK_EXEC, "program = \"/x\"; user = \"u\";" },
		{ CHECK_AGENT, "port = 1;" },
	};
	const struct check *c;
	char keys[128];

	snprintf(keys, sizeof(keys), "type = \"%s\"; %s",
	    check_type_name(types[_i].type), types[_i].more);
	c = load_check(keys);
	ck_assert_uint_eq(c->type, types[_i].type);
}
END_TEST

START_TEST(words_of_dns_are_those_that_are_listed)
{
	static const char *const records[] = { "A", "AAAA", "NS", "CNAME",
		"SOA", "PTR", "MX", "TXT", "SRV" };
	static const char *const rcodes[] = { "NOERROR", "FORMERR", "SERVFAIL",
		"NXDOMAIN", "NOTIMP", "REFUSED" };
	const struct check *c;
	char keys[128];

	snprintf(keys, sizeof(keys),
	    "type = \"dns\"; name = \"a\"; record = \"%s\"; rcode = \"%s\";",
	    records[_i], rcodes[_i % 6]);
	c = load_check(keys);
	ck_assert_str_eq(dns_msg_record_name(c->record), records[_i]);
	ck_assert_str_eq(dns_msg_rcode_name(c->rcode), rcodes[_i % 6]);
}
END_TEST

START_TEST(bytes_keep_what_text_cannot_have)
{
	const struct check *c =
	    load_check("type = \"udp\"; send = \"a\\r\\n\\x01\\xff\\\"\";"
		       "expect = \"\\\\x00\\\\xfF\\\\\\\\x41 \\\\x5c\";");

	check_bytes(&c->send, "a\r\n\x01\xff\"", 6);
	check_bytes(&c->expect, "\0\xff\\x41 \\", 8);
}
END_TEST

static const char several[] =
    "pools = ( { name = \"p\"; check_policy = \"any\";\n"
    "  backends = ( { address = \"10.0.0.1\"; },\n"
    "    { address = \"10.0.0.2\"; check = { type = \"icmp\"; }; },\n"
    "    { address = \"10.0.0.3\"; check_policy = \"all\";\n"
    "      check = ( { type = \"tcp\"; port = 1; },\n"
    "                { type = \"tcp\"; port = 2; } ); },\n"
    "    { address = \"10.0.0.4\"; check = ( ); } );\n"
    "  check = ( { type = \"icmp\"; },\n"
    "            { type = \"tcp\"; } ); } );\n" SERVICES;

START_TEST(backend_may_have_checks_of_its_own)
{
	const struct conf_pool *p = &load(several)->pools[0];

	ck_assert_uint_eq(p->nchecks, 2);
	ck_assert_uint_eq(p->checks[0].check.type, CHECK_ICMP);
	ck_assert_uint_eq(p->checks[1].check.type, CHECK_TCP);
	ck_assert_int_eq(p->checks[1].where.line, 9);
	ck_assert_uint_eq(p->check_policy, CHECKS_ANY);
	ck_assert_ptr_null(p->backends[0].checks);
	ck_assert_uint_eq(p->backends[0].check_policy, CHECKS_ANY);
	ck_assert_uint_eq(p->backends[1].nchecks, 1);
	ck_assert_uint_eq(p->backends[1].check_policy, CHECKS_ANY);
	ck_assert_uint_eq(p->backends[2].nchecks, 2);
	ck_assert_uint_eq(p->backends[2].checks[1].check.port, 2);
	ck_assert_uint_eq(p->backends[2].check_policy, CHECKS_ALL);
	ck_assert_uint_eq(p->backends[3].nchecks, 0);
	ck_assert_ptr_nonnull(p->backends[3].checks);
}
END_TEST

START_TEST(pool_in_trouble_is_read_back)
{
	load("pools = ( { name = \"p\";" ONE "quorum = 3;\n"
	     "quorum_hysteresis = 2; backup = \"q\"; panic = \"all\";\n"
	     "slow_start = \"10s\"; }, { name = \"q\";" ONE "} );\n" SERVICES);

	ck_assert_uint_eq(conf->pools[0].quorum, 3);
	ck_assert_uint_eq(conf->pools[0].quorum_hysteresis, 2);
	ck_assert_uint_eq(conf->pools[0].backup, 1);
	ck_assert(conf->pools[0].panic_all);
	ck_assert_uint_eq(conf->pools[0].slow_start_ms, 10000);
	ck_assert_uint_eq(conf->pools[1].quorum, 0);
	ck_assert_uint_eq(conf->pools[1].quorum_hysteresis, 0);
	ck_assert_uint_eq(conf->pools[1].backup, TABLE_NO_POOL);
	ck_assert(!conf->pools[1].panic_all);
	ck_assert_uint_eq(conf->pools[1].slow_start_ms, 0);
	ck_assert(conf->failover.enabled && !conf->failover.has_discover);
	ck_assert_uint_eq(conf->failover.watchdog_ms, 5000);
}
END_TEST

#define PORT_IS(port, pools, services)                                         \
	{                                                                      \
		"pools = (" pools ");\nservices = (" services ");\n", port     \
	}
#define CHECKED " check = { type = \"tcp\"; }; "
#define NAMED(name, more) "{ name = \"" name "\";" ONE more "}"
#define SERVED(name, vip, port, pool)                                          \
	"{ name = \"" name "\"; addresses = \"" vip                            \
	"\"; protocol = \"tcp\"; ports = \"" port "\"; pool = \"" pool "\"; }"

/* The port that a backend of pool 0 without one is asked at. */
static const struct {
	const char *text;
	uint16_t port;
} ports[] = {
	PORT_IS(80, NAMED("p", CHECKED),
	    SERVED("a", "192.0.2.1", "80", "p") ", " SERVED("b", "192.0.2.2",
		"81", "p")),
	PORT_IS(81, NAMED("p", CHECKED),
	    SERVED("a", "2001:db8::1", "80", "p") ", " SERVED("b", "192.0.2.2",
		"81-90", "p")),
	PORT_IS(81, NAMED("p", CHECKED) ", " NAMED("q", "backup = \"p\"; "),
	    SERVED("a", "192.0.2.1", "80", "q") ", " SERVED("b", "192.0.2.2",
		"81", "p")),
	PORT_IS(80, NAMED("p", CHECKED) ", " NAMED("q", "backup = \"p\"; "),
	    SERVED("a", "192.0.2.1", "80", "q")),
	PORT_IS(0, NAMED("p", ""), SERVED("a", "192.0.2.1", "any", "p")),
};

START_TEST(port_of_a_check_is_that_of_the_first_service)
{
	const struct conf_service *service;
	FILE *errors = fopen("/dev/null", "w");

	ck_assert_int_eq(conf_load_text(&conf, "x", ports[_i].text, errors), 0);
	fclose(errors);
	service = conf_pool_service(conf, 0, true);
	ck_assert_ptr_nonnull(service);
	ck_assert_uint_eq(conf_service_port(service), ports[_i].port);
}
END_TEST

static const char discovering[] =
    "backend_networks = [ \"10.0.0.0/24\", \"fd00::/64\" ];\n"
    "interfaces = { private = \"eth1\"; };\n"
    "failover = { enabled = false; watchdog = \"1s\"; discover = {\n"
    "  broadcast = [ \"10.0.0.255\", \"ff02::1\" ]; port = 8080;\n"
    "  pool = \"p\"; max = 3; interval = \"2s\"; timeout = \"100ms\"; }; };\n"
    "pools = ( { name = \"q\"; backends = ( { address = \"10.0.0.1\"; } ); },\n"
    "  { name = \"p\"; backends = (\n"
    "    { address = \"10.0.0.1\"; check = { type = \"icmp\"; }; },\n"
    "    { address = \"fd00::1\"; check = { type = \"icmp\"; }; } );\n"
    "    check_policy = \"any\"; check = { type = \"tcp\"; }; } );\n"
    "services = ( { name = \"s\";\n"
    "  addresses = [ \"192.0.2.1\", \"2001:db8::1\" ];\n"
    "  protocol = \"tcp\"; ports = \"80\"; pool = \"p\"; } );\n";

START_TEST(discovery_is_read_back)
{
	const struct conf_discover *d = &load(discovering)->failover.discover;
	char text[ADDR_STRLEN];

	ck_assert(!conf->failover.enabled && conf->failover.has_discover);
	ck_assert_uint_eq(conf->failover.watchdog_ms, 1000);
	ck_assert_uint_eq(d->nbroadcast, 2);
	ck_assert_str_eq(addr_format(&d->broadcast[1], text), "ff02::1");
	ck_assert_uint_eq(d->port, 8080);
	ck_assert_uint_eq(d->pool, 1);
	ck_assert_uint_eq(d->max, 3);
	ck_assert_uint_eq(d->interval_ms, 2000);
	ck_assert_uint_eq(d->timeout_ms, 100);
}
END_TEST

START_TEST(discovered_pool_has_places_behind_its_backends)
{
	static const struct addr nobody;
	const struct conf_pool *p = &load(discovering)->pools[1];

	ck_assert_uint_eq(conf->pools[0].nbackends, 1);
	ck_assert_uint_eq(p->nbackends, 5);
	ck_assert(!p->backends[1].discovered && !p->backends[1].absent);
	for (uint32_t i = 2; i < 5; i++) {
		ck_assert(p->backends[i].discovered && p->backends[i].absent);
		ck_assert(addr_equal(&p->backends[i].addr, &nobody));
		ck_assert_uint_eq(p->backends[i].weight, 1);
		ck_assert_uint_eq(p->backends[i].port, 0);
		ck_assert_uint_eq(p->backends[i].check_policy, CHECKS_ANY);
		ck_assert_ptr_null(p->backends[i].checks);
	}
}
END_TEST

START_TEST(pool_may_be_filled_by_discovery_alone)
{
	load("backend_networks = \"10.0.0.0/24\";\n"
	     "failover = { discover = { broadcast = \"10.0.0.255\";\n"
	     "  port = 80; pool = \"p\"; }; };\n"
	     "pools = ( { name = \"p\"; } );\n" SERVICES);

	ck_assert(conf->failover.enabled);
	ck_assert_uint_eq(conf->pools[0].nbackends, 64);
	ck_assert_uint_eq(conf->failover.discover.interval_ms, 5000);
	ck_assert_uint_eq(conf->failover.discover.timeout_ms, 1000);
}
END_TEST

/* What each lacks of all that is needed. */
static const struct {
	const char *text;
	uint32_t calls;
} v6_calls[] = {
	{ PRIVATE NETWORKS("fd00::/64") CALL("\"10.0.0.255\"")
		VIPS("2001:db8::9"),
	    2 },
	{ NETWORKS("fd00::/64") CALL("\"10.0.0.255\"") VIPS("2001:db8::9"), 1 },
	{ PRIVATE NETWORKS("10.1.0.0/16") CALL("\"10.0.0.255\"")
		VIPS("2001:db8::9"),
	    1 },
	{ PRIVATE NETWORKS("fd00::/64") CALL("\"10.0.0.255\"")
		VIPS("192.0.2.9"),
	    1 },
	{ PRIVATE NETWORKS("fd00::/64") CALL("\"ff02::1\"") VIPS("2001:db8::9"),
	    1 },
};

START_TEST(ipv6_is_called_where_it_can_be)
{
	const struct conf_discover *d =
	    &load(v6_calls[_i].text)->failover.discover;
	char text[ADDR_STRLEN];

	ck_assert_uint_eq(d->nbroadcast, v6_calls[_i].calls);
	if (_i == 0)
		ck_assert_str_eq(addr_format(&d->broadcast[1], text),
		    "ff02::1");
}
END_TEST

START_TEST(one_family_keeps_its_calls_and_the_places)
{
	const struct conf_discover *d = &load(discovering)->failover.discover;

	conf_keep_family(conf, AF_INET6);
	ck_assert(conf->failover.has_discover);
	ck_assert_uint_eq(d->nbroadcast, 1);
	ck_assert(!addr_is_v4(&d->broadcast[0]));
	ck_assert_uint_eq(conf->pools[0].nbackends, 0);
	ck_assert_uint_eq(conf->pools[1].nbackends, 4);
	ck_assert(!conf->pools[1].backends[0].discovered);
	ck_assert(conf->pools[1].backends[3].discovered);
	conf_keep_family(conf, AF_INET);
	ck_assert(!conf->failover.has_discover);
	ck_assert_uint_eq(conf->pools[1].nbackends, 0);
}
END_TEST

START_TEST(places_stay_for_either_family)
{
	load(discovering);
	conf_keep_family(conf, AF_INET);
	ck_assert(conf->failover.has_discover);
	ck_assert_uint_eq(conf->failover.discover.nbroadcast, 1);
	ck_assert_uint_eq(conf->pools[1].nbackends, 4);
	ck_assert(addr_is_v4(&conf->pools[1].backends[0].addr));
	ck_assert(conf->pools[1].backends[3].absent);
}
END_TEST

START_TEST(places_count_among_the_backends)
{
	char *text = NULL, *said;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	fputs("services = ();\nbackend_networks = \"10.0.0.0/8\";\n"
	      "failover = { discover = { broadcast = \"10.255.255.255\"; "
	      "port = 1; pool = \"p\"; max = 1024; }; };\n"
	      "pools = ( { name = \"p\"; backends = (",
	    out);
	for (unsigned int i = 0; i < BACKEND_SLOTS - 1023; i++)
		fprintf(out, "%s{ address = \"10.0.%u.%u\"; }",
		    i == 0 ? "" : ",", i / 256, i % 256);
	fputs("); } );\n", out);
	fclose(out);
	ck_assert_int_ne(conf_hear(&conf, "x", text, &said), 0);
	ck_assert_ptr_nonnull(strstr(said,
	    "x:4: pools have 16385 backends together, expected at most 16384"));
	free(said);
	free(text);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("conf_failover");
	TCase *checks = tcase_create("checks");
	TCase *pools = tcase_create("pools");
	TCase *discovery = tcase_create("discovery");

	tcase_add_checked_fixture(checks, NULL, teardown);
	tcase_add_checked_fixture(pools, NULL, teardown);
	tcase_add_checked_fixture(discovery, NULL, teardown);
	tcase_add_test(checks, check_has_its_defaults);
	tcase_add_test(checks, numbers_of_a_check_are_read_back);
	tcase_add_test(checks, request_of_a_check_is_read_back);
	tcase_add_test(checks, question_and_program_are_read_back);
	tcase_add_loop_test(checks, each_type_of_check_is_known_by_its_name, 0,
	    8);
	tcase_add_loop_test(checks, words_of_dns_are_those_that_are_listed, 0,
	    9);
	tcase_add_test(checks, bytes_keep_what_text_cannot_have);
	tcase_add_test(pools, backend_may_have_checks_of_its_own);
	tcase_add_test(pools, pool_in_trouble_is_read_back);
	tcase_add_loop_test(pools, port_of_a_check_is_that_of_the_first_service,
	    0, (int)(sizeof(ports) / sizeof(ports[0])));
	tcase_add_test(discovery, discovery_is_read_back);
	tcase_add_test(discovery,
	    discovered_pool_has_places_behind_its_backends);
	tcase_add_test(discovery, pool_may_be_filled_by_discovery_alone);
	tcase_add_loop_test(discovery, ipv6_is_called_where_it_can_be, 0,
	    sizeof(v6_calls) / sizeof(v6_calls[0]));
	tcase_add_test(discovery, one_family_keeps_its_calls_and_the_places);
	tcase_add_test(discovery, places_stay_for_either_family);
	tcase_add_test(discovery, places_count_among_the_backends);
	tcase_set_timeout(discovery, 60);
	suite_add_tcase(suite, checks);
	suite_add_tcase(suite, pools);
	suite_add_tcase(suite, discovery);
	return run_suite(suite);
}
