/*
 * test_conf.c - a good config read back field by field, its defaults, what it
 * warns of, and what is left of it for one family.
 */
#include "loaded/conf.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "conf_fixture.h"
#include "loaded/sched.h"
#include "runner.h"
#include "seed.h"

/* libconfig 1.5 forgets the string that it stumbles over: not ours. */
const char *__lsan_default_suppressions(void);
const char *
__lsan_default_suppressions(void)
{
	return "leak:libconfig";
}

static const char full[] =
    "user = \"lb\"; group = \"net\"; chroot = \"/srv/empty\";\n"
    "pidfile = \"/run/lb.pid\";\n"
    "hash_key = \"000102030405060708090a0B0C0D0E0F\";\n"
    "log = { target = \"journal\"; level = \"debug\"; };\n"
    "workers = { cores = \"2,0-1\"; first_queue = 100; queue_length = 64;"
    " busy_poll = 7; };\n"
    "flows = { max = 2000; syn = \"1s\"; established = \"1d\";\n"
    " fin = \"3s\"; closed = \"500ms\"; udp = \"2m\"; };\n"
    "backend_networks = [ \"10.0.0.0/24\", \"fd00::/64\" ];\n"
    "interfaces = { public = \"eth0\"; private = \"eth1.7\"; };\n"
    "pools = (\n"
    " { name = \"one\"; backends = (\n"
    "   { address = \"10.0.0.1\"; weight = 0; port = 8080;\n"
    "     max_connections = 4294967295L; max_rate = 7;\n"
    "     source = { mask = \"0.0.0.3\"; value = \"0.0.0.1\"; }; },\n"
    "   { address = \"fd00::1\" } ); },\n"
    " { name = \"two\"; backends = ( { address = \"10.0.0.2\" } ); } );\n"
    "services = (\n"
    " { name = \"web\"; addresses = [ \"203.0.113.80\", \"2001:db8::80\" ];\n"
    "   protocol = \"tcp\"; ports = ( 80, \"443\", \"8000-8099\" );\n"
    "   pool = \"one\"; forward = \"nat\"; scheduler = \"mh\";\n"
    "   hash = \"client\"; on_down = \"move\"; no_backend = \"drop\";\n"
    "   persistence = { timeout = \"5m\"; mask4 = 24; mask6 = 56; }; },\n"
    " { name = \"all\"; addresses = \"203.0.113.80\"; protocol = \"udp\";\n"
    "   ports = \"any\"; pool = \"two\"; } );\n";

/* Loads text that is right, with or without warnings in *said. */
static struct conf *
load_heard(const char *text, char **said)
{
	struct conf *conf;
	const int error = conf_hear(&conf, "good.conf", text, said);

	ck_assert_msg(error == 0, "%s", *said);
	return conf;
}

static struct conf *
load(const char *text)
{
	return conf_load_silent("good.conf", text);
}

static void
check_addr(const struct addr *a, const char *want)
{
	char text[ADDR_STRLEN];

	ck_assert_str_eq(addr_format(a, text), want);
}

START_TEST(top_level_is_read_back)
{
	struct conf *conf = load(full);

	ck_assert_str_eq(conf->file, "good.conf");
	ck_assert_str_eq(conf->user, "lb");
	ck_assert_str_eq(conf->group, "net");
	ck_assert_str_eq(conf->chroot, "/srv/empty");
	ck_assert_str_eq(conf->pidfile, "/run/lb.pid");
	ck_assert(conf->has_hash_key);
	for (uint8_t i = 0; i < SIPHASH_KEY_LEN; i++)
		ck_assert_uint_eq(conf->hash_key[i], i);
	ck_assert_int_eq(conf->log_target, LOG_TARGET_JOURNAL);
	ck_assert_int_eq(conf->log_level, LOG_LEVEL_DEBUG);
	ck_assert_uint_eq(conf->ncores, 3);
	ck_assert_uint_eq(conf->cores[0], 2);
	ck_assert_uint_eq(conf->cores[2], 1);
	ck_assert_uint_eq(conf->first_queue, 100);
	ck_assert_uint_eq(conf->queue_length, 64);
	ck_assert_uint_eq(conf->busy_poll_us, 7);
	ck_assert_str_eq(conf->public_if, "eth0");
	ck_assert_str_eq(conf->private_if, "eth1.7");
	conf_free(conf);
}
END_TEST

START_TEST(flows_and_networks_are_read_back)
{
	struct conf *conf = load(full);
	char text[PREFIX_STRLEN];

	ck_assert_uint_eq(conf->flows_max, 2000);
	ck_assert_uint_eq(conf->timeout_ms[FLOW_SYN], 1000);
	ck_assert_uint_eq(conf->timeout_ms[FLOW_ESTABLISHED], 86400000);
	ck_assert_uint_eq(conf->timeout_ms[FLOW_FIN], 3000);
	ck_assert_uint_eq(conf->timeout_ms[FLOW_CLOSED], 500);
	ck_assert_uint_eq(conf->timeout_ms[FLOW_UDP], 120000);
	ck_assert_uint_eq(conf->nbackend_networks, 2);
	ck_assert_str_eq(prefix_format(&conf->backend_networks[1], text),
	    "fd00::/64");
	conf_free(conf);
}
END_TEST

START_TEST(pools_are_read_back)
{
	struct conf *conf = load(full);
	const struct conf_backend *b = conf->pools[0].backends;

	ck_assert_uint_eq(conf->npools, 2);
	ck_assert_str_eq(conf->pools[0].name, "one");
	ck_assert_int_eq(conf->pools[0].where.line, 11);
	ck_assert_uint_eq(conf->pools[0].nbackends, 2);
	ck_assert_uint_eq(conf->pools[0].nchecks, 0);
	check_addr(&b[0].addr, "10.0.0.1");
	ck_assert_int_eq(b[0].where.line, 12);
	ck_assert_uint_eq(b[0].port, 8080);
	ck_assert_uint_eq(b[0].weight, 0);
	ck_assert_uint_eq(b[0].max_connections, UINT32_MAX);
	ck_assert_uint_eq(b[0].max_rate, 7);
	ck_assert(b[0].has_mask);
	check_addr(&b[0].mask, "0.0.0.3");
	check_addr(&b[0].value, "0.0.0.1");
	check_addr(&b[1].addr, "fd00::1");
	ck_assert_uint_eq(b[1].port, 0);
	ck_assert_uint_eq(b[1].weight, 1);
	ck_assert_uint_eq(b[1].max_connections, 0);
	ck_assert(!b[1].has_mask);
	conf_free(conf);
}
END_TEST

START_TEST(services_are_read_back)
{
	struct conf *conf = load(full);
	const struct conf_service *s = conf->services;

	ck_assert_uint_eq(conf->nservices, 2);
	ck_assert_str_eq(s->name, "web");
	ck_assert_int_eq(s->where.line, 18);
	ck_assert_str_eq(s->where.file, "good.conf");
	ck_assert_uint_eq(s->naddresses, 2);
	check_addr(&s->addresses[1], "2001:db8::80");
	ck_assert_uint_eq(s->nports, 3);
	ck_assert_uint_eq(s->ports[0].high, 80);
	ck_assert_uint_eq(s->ports[1].low, 443);
	ck_assert_uint_eq(s->ports[2].low, 8000);
	ck_assert_uint_eq(s->ports[2].high, 8099);
	ck_assert_uint_eq(s->proto, IPPROTO_TCP);
	ck_assert_uint_eq(s->forward, FORWARD_NAT);
	ck_assert_int_eq(s->scheduler, sched_find("mh"));
	ck_assert(!s->hash_port);
	ck_assert_uint_eq(s->on_down, ON_DOWN_MOVE);
	ck_assert_uint_eq(s->no_backend, NO_BACKEND_DROP);
	ck_assert_uint_eq(s->pool, 0);
	ck_assert_uint_eq(s->persist_ms, 300000);
	ck_assert_uint_eq(s->mask4, 24);
	ck_assert_uint_eq(s->mask6, 56);
	conf_free(conf);
}
END_TEST

START_TEST(service_has_its_defaults)
{
	struct conf *conf = load(full);
	const struct conf_service *s = &conf->services[1];

	ck_assert_uint_eq(s->proto, IPPROTO_UDP);
	ck_assert_uint_eq(s->naddresses, 1);
	ck_assert_uint_eq(s->nports, 1);
	ck_assert_uint_eq(s->ports[0].low, 1);
	ck_assert_uint_eq(s->ports[0].high, 65535);
	ck_assert_uint_eq(s->pool, 1);
	ck_assert_uint_eq(s->forward, FORWARD_NAT);
	ck_assert_int_eq(s->scheduler, sched_find("wrr"));
	ck_assert_uint_eq(s->on_down, ON_DOWN_RESET);
	ck_assert_uint_eq(s->no_backend, NO_BACKEND_RESET);
	ck_assert_uint_eq(s->persist_ms, 0);
	ck_assert_uint_eq(s->mask4, 32);
	ck_assert_uint_eq(s->mask6, 64);
	conf_free(conf);
}
END_TEST

START_TEST(top_level_has_its_defaults)
{
	char *said;
	struct conf *conf = load_heard("pools = (); services = ();", &said);

	ck_assert_str_eq(said,
	    "good.conf:1: warning: services is empty: "
	    "nothing is balanced\n");
	free(said);
	ck_assert_str_eq(conf->user, "loaded");
	ck_assert_str_eq(conf->group, "");
	ck_assert_str_eq(conf->chroot, "/var/lib/loaded/empty");
	ck_assert_str_eq(conf->pidfile, "/run/loaded/loaded.pid");
	ck_assert_str_eq(conf->public_if, "");
	ck_assert(!conf->has_hash_key);
	ck_assert_int_eq(conf->log_target, LOG_TARGET_SYSLOG);
	ck_assert_int_eq(conf->log_level, LOG_LEVEL_NOTICE);
	ck_assert_uint_eq(conf->ncores, 0);
	ck_assert_uint_eq(conf->first_queue, 0);
	ck_assert_uint_eq(conf->queue_length, 16384);
	ck_assert_uint_eq(conf->busy_poll_us, 50);
	ck_assert_uint_eq(conf->flows_max, 1048576);
	ck_assert_uint_eq(conf->timeout_ms[FLOW_SYN], 60000);
	ck_assert_uint_eq(conf->timeout_ms[FLOW_ESTABLISHED], 900000);
	ck_assert_uint_eq(conf->timeout_ms[FLOW_FIN], 120000);
	ck_assert_uint_eq(conf->timeout_ms[FLOW_CLOSED], 10000);
	ck_assert_uint_eq(conf->timeout_ms[FLOW_UDP], 300000);
	ck_assert_uint_eq(conf->nbackend_networks, 0);
	conf_free(conf);
}
END_TEST

#define POOL(more)                                                             \
	"pools = ( { name = \"p\"; backends = ( { address = \"10.0.0.1\" } "   \
	");" more " } );\n"
#define SERVICE(address, more)                                                 \
	"services = ( { name = \"s\"; addresses = [ \"" address "\" ];\n"      \
	"protocol = \"tcp\"; ports = \"80\"; pool = \"p\"; " more " } );\n"
#define MINIMAL POOL("") SERVICE("192.0.2.1", "")

/* What is said of it, with warnings counted. */
static const struct {
	const char *text, *said;
} warned[] = {
	{ MINIMAL "control = { };",
	    "good.conf:4: warning: control is not supported yet: no socket is "
	    "opened\n" },
	{ MINIMAL "metrics = { listen = \"[::1]:9467\"; };",
	    "good.conf:4: warning: metrics is not supported yet: nothing "
	    "listens\n" },
	{ "pools = ( { name = \"p\"; } );\n" SERVICE("192.0.2.1", ""),
	    "good.conf:1: warning: pools \"p\" has no backends\n" },
	{ POOL("") SERVICE("2001:db8::1", ""),
	    "good.conf:2: warning: services \"s\": 2001:db8::1 has no backend "
	    "of its family in pool \"p\"\n" },
	{ "pools = ( { name = \"p\";\nbackends = (); } );\n" SERVICE(
	      "192.0.2.1", ""),
	    "good.conf:2: warning: pools \"p\" has no backends\n" },
	{ POOL("") SERVICE("192.0.2.1", "\nhash = \"client\";"),
	    "good.conf:4: warning: services \"s\": hash means nothing to "
	    "scheduler \"wrr\"\n" },
};

START_TEST(warning_is_one_line_and_no_error)
{
	char *said;
	struct conf *conf = load_heard(warned[_i].text, &said);

	ck_assert_str_eq(said, warned[_i].said);
	ck_assert_uint_eq(conf->warnings, 1);
	ck_assert_uint_eq(conf->errors, 0);
	free(said);
	conf_free(conf);
}
END_TEST

START_TEST(hash_default_is_the_schedulers)
{
	struct conf *sh = load(POOL("")
		SERVICE("192.0.2.1", "scheduler = \"sh\";"));
	struct conf *mh = load(POOL("")
		SERVICE("192.0.2.1", "scheduler = \"mh\";"));
	struct conf *given = load(POOL("") SERVICE("192.0.2.1",
	    "scheduler = \"sh\"; hash = \"client-port\";"));

	ck_assert(!sh->services[0].hash_port);
	ck_assert(mh->services[0].hash_port);
	ck_assert(given->services[0].hash_port);
	conf_free(sh);
	conf_free(mh);
	conf_free(given);
}
END_TEST

START_TEST(neighbours_do_not_overlap)
{
	conf_free(load(
	    POOL("") "services = (\n"
		     "{ name = \"a\"; addresses = [ \"192.0.2.1\", "
		     "\"192.0.2.2\" ];\n"
		     "protocol = \"tcp\"; ports = [ \"80-90\", \"1\" ]; pool = "
		     "\"p\" },\n"
		     "{ name = \"b\"; addresses = [ \"192.0.2.1\" ];\n"
		     "protocol = \"tcp\"; ports = [ \"91\", \"79\" ]; pool = "
		     "\"p\" },\n"
		     "{ name = \"c\"; addresses = [ \"192.0.2.1\" ];\n"
		     "protocol = \"udp\"; ports = \"any\"; pool = \"p\" },\n"
		     "{ name = \"d\"; addresses = [ \"192.0.2.3\" ];\n"
		     "protocol = \"tcp\"; ports = \"any\"; pool = \"p\" } );"));
}
END_TEST

START_TEST(one_family_keeps_its_own)
{
	struct conf *conf = load(full);

	conf_keep_family(conf, AF_INET6);
	ck_assert_uint_eq(conf->npools, 2);
	ck_assert_uint_eq(conf->pools[0].nbackends, 1);
	check_addr(&conf->pools[0].backends[0].addr, "fd00::1");
	ck_assert_uint_eq(conf->pools[1].nbackends, 0);
	ck_assert_uint_eq(conf->nservices, 1);
	ck_assert_str_eq(conf->services[0].name, "web");
	ck_assert_uint_eq(conf->services[0].naddresses, 1);
	check_addr(&conf->services[0].addresses[0], "2001:db8::80");
	ck_assert_uint_eq(conf->nbackend_networks, 1);
	conf_keep_family(conf, AF_INET);
	ck_assert_uint_eq(conf->nservices, 0);
	conf_free(conf);
}
END_TEST

START_TEST(only_the_first_mistakes_are_shown)
{
	char text[4096] = "", *said;
	struct conf *conf;
	size_t len = 0, lines = 0;

	for (int i = 0; i < 100; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len,
		    "wrong%d = 1;\n", i);
	ck_assert_int_eq(conf_hear(&conf, "x", text, &said), -EINVAL);
	for (size_t i = 0; said[i] != '\0'; i++)
		lines += said[i] == '\n';
	ck_assert_uint_eq(lines, 21);
	ck_assert_ptr_nonnull(strstr(said, "\nx:20: unknown key \"wrong19\""));
	ck_assert_ptr_nonnull(strstr(said, "\nx:21: there is more, which"));
	free(said);
}
END_TEST

/* Loads text that is wrong, with one line last that says what. */
static void
refuse(const char *text, const char *last)
{
	struct conf *conf;
	char *said, *found;

	ck_assert_int_eq(conf_hear(&conf, "x", text, &said), -EINVAL);
	found = strstr(said, last);
	ck_assert_msg(found != NULL && strlen(found) == strlen(last), "%s",
	    said);
	free(said);
}

START_TEST(discovered_pool_must_be_there)
{
	refuse(MINIMAL "backend_networks = \"10.0.0.0/24\";\n"
		       "failover = { discover = { broadcast = \"10.0.0.255\";\n"
		       "port = 80; pool = \"q\"; }; };",
	    "x:6: discover: pool \"q\" is not defined\n");
}
END_TEST

START_TEST(endpoint_needs_brackets_around_ipv6)
{
	refuse(MINIMAL "metrics = { listen = \"::1:80\"; };",
	    "x:4: listen \"::1:80\" is not valid, expected an address and port "
	    "as in \"127.0.0.1:9467\" or \"[::1]:9467\"\n");
}
END_TEST

START_TEST(backends_have_a_limit_over_all_pools)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	fputs("services = ();\npools = (\n", out);
	for (unsigned int i = 0; i < BACKEND_SLOTS + 2; i++) {
		if (i % (BACKEND_SLOTS / 2 + 1) == 0)
			fprintf(out, "%s{ name = \"p%u\"; backends = (",
			    i == 0 ? "" : ");},\n", i);
		else
			fputc(',', out);
		fprintf(out, "{ address = \"10.0.%u.%u\"; }", i / 256, i % 256);
	}
	fputs("); } );\n", out);
	fclose(out);
	refuse(text,
	    "x:2: pools have 16386 backends together, expected at "
	    "most 16384\nx:1: warning: services is empty: nothing is "
	    "balanced\n");
	free(text);
}
END_TEST

/* A good text with some bytes changed: whatever comes out, nothing breaks. */
START_TEST(damaged_text_never_crashes)
{
	static const char bytes[] = "{}()[]\"\\;=,@#/*\n09azL.-+ \t\x80\x01";
	char text[sizeof(full)];
	struct conf *conf;
	FILE *errors = fopen("/dev/null", "w");

	for (int run = 0; run < 20000; run++) {
		memcpy(text, full, sizeof(full));
		for (long i = random() % 8; i >= 0; i--)
			text[random() % (long)(sizeof(full) - 1)] =
			    bytes[random() % (long)(sizeof(bytes) - 1)];
		if (random() % 4 == 0)
			text[random() % (long)sizeof(full)] = '\0';
		if (conf_load_text(&conf, "x", text, errors) == 0)
			conf_free(conf);
	}
	fclose(errors);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("conf");
	TCase *good = tcase_create("what is read");
	TCase *rest = tcase_create("what becomes of it");

	seed_random("conf");
	tcase_add_test(good, top_level_is_read_back);
	tcase_add_test(good, flows_and_networks_are_read_back);
	tcase_add_test(good, pools_are_read_back);
	tcase_add_test(good, services_are_read_back);
	tcase_add_test(good, service_has_its_defaults);
	tcase_add_test(good, top_level_has_its_defaults);
	tcase_add_test(good, hash_default_is_the_schedulers);
	tcase_add_test(good, neighbours_do_not_overlap);
	tcase_add_loop_test(rest, warning_is_one_line_and_no_error, 0,
	    (int)(sizeof(warned) / sizeof(warned[0])));
	tcase_add_test(rest, one_family_keeps_its_own);
	tcase_add_test(rest, only_the_first_mistakes_are_shown);
	tcase_add_test(rest, discovered_pool_must_be_there);
	tcase_add_test(rest, endpoint_needs_brackets_around_ipv6);
	tcase_add_test(rest, backends_have_a_limit_over_all_pools);
	tcase_add_test(rest, damaged_text_never_crashes);
	tcase_set_timeout(rest, 60);
	suite_add_tcase(suite, good);
	suite_add_tcase(suite, rest);
	return run_suite(suite);
}
