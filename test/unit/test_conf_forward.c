/*
 * test_conf_forward.c - what each forwarding mode asks of the rest of a
 * config, and what it does not ask.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conf_fixture.h"
#include "loaded/conf.h"
#include "runner.h"

#define BOTH "interfaces = { public = \"eth0\"; private = \"eth1\"; };\n"
#define SERVICE(name, vip, mode, pool)                                         \
	"  { name = \"" name "\"; addresses = [ \"" vip "\" ];\n"              \
	"    forward = \"" mode "\";\n"                                        \
	"    protocol = \"tcp\"; ports = [ 80 ]; pool = \"" pool "\"; }"
#define ONE(mode) "services = (\n" SERVICE("s", "192.0.2.1", mode, "p") " );\n"
#define TWO                                                                    \
	"services = (\n" SERVICE("s", "192.0.2.1", "nat",                      \
	    "p") ",\n" SERVICE("t", "192.0.2.2", "dr", "p") " );\n"
#define POOL(backend)                                                          \
	"pools = ( { name = \"p\"; backends = (\n{ " backend " } ); } );\n"
#define PLAIN POOL("address = \"10.0.0.1\";")
#define WITH_PORT POOL("address = \"10.0.0.1\";\nport = 8080;")
#define NETWORKS "backend_networks = [ \"10.9.0.0/16\" ];\n"

/* To be freed; all that is said, with the conf, or NULL, forgotten. */
static char *
said_of(const char *text)
{
	struct conf *conf;
	char *said;
	const int error = conf_hear(&conf, "x", text, &said);

	ck_assert_int_eq(error, said[0] == '\0' ? 0 : -EINVAL);
	conf_free(conf);
	return said;
}

static const struct {
	const char *text, *said;
} cases[] = {
	{ BOTH PLAIN ONE("dr"), "" },
	{ PLAIN ONE("nat"), "" },
	/* where from and where to */
	{ PLAIN ONE("dr"),
	    "x:5: services \"s\": dr needs interfaces.private: where backends "
	    "are reached\n"
	    "x:5: services \"s\": dr needs interfaces.public: where clients "
	    "come in\n" },
	{ "interfaces = { public = \"eth0\"; };\n" PLAIN ONE("dr"),
	    "x:6: services \"s\": dr needs interfaces.private: where backends "
	    "are reached\n" },
	{ "interfaces = { private = \"eth1\"; };\n" PLAIN ONE("dr"),
	    "x:6: services \"s\": dr needs interfaces.public: where clients "
	    "come in\n" },
	/* ports */
	{ WITH_PORT ONE("nat"), "" },
	{ BOTH WITH_PORT ONE("dr"),
	    "x:4: backend 10.0.0.1 has port 8080, but dr cannot change the "
	    "port, expected none\n" },
	{ BOTH WITH_PORT TWO,
	    "x:4: backend 10.0.0.1 has port 8080, but dr cannot change the "
	    "port, expected none\n" },
	{ BOTH "pools = ( { name = \"p\"; backup = \"q\"; backends = (\n"
	       "{ address = \"10.0.0.1\"; } ); }, { name = \"q\";\n"
	       "backends = ( { address = \"10.0.0.2\"; port = 81; } ); },\n"
	       "{ name = \"r\"; backends = (\n"
	       "{ address = \"10.0.0.3\"; port = 82; } ); } );\n" ONE("dr"),
	    "x:4: backend 10.0.0.2 has port 81, but dr cannot change the port, "
	    "expected none\n" },
	/* networks */
	{ BOTH NETWORKS PLAIN ONE("dr"), "" },
	{ BOTH NETWORKS PLAIN ONE("nat"),
	    "x:4: backend 10.0.0.1 is in none of backend_networks, so its "
	    "replies would not be seen\n" },
	{ BOTH NETWORKS PLAIN TWO,
	    "x:4: backend 10.0.0.1 is in none of backend_networks, so its "
	    "replies would not be seen\n" },
	{ BOTH NETWORKS PLAIN
	    "services = (\n" SERVICE("s", "192.0.2.1", "dr", "nobody") " );\n",
	    "x:8: services \"s\": pool \"nobody\" is not defined\n" },
};

START_TEST(a_mode_asks_for_what_it_needs_and_for_nothing_else)
{
	char *said = said_of(cases[_i].text);

	ck_assert_msg(strcmp(said, cases[_i].said) == 0,
	    "case %d: wanted\n%sgot\n%s", _i, cases[_i].said, said);
	free(said);
}
END_TEST

START_TEST(a_check_via_the_vip_is_fine_in_any_mode)
{
	static const char check[] =
	    "pools = ( { name = \"p\"; backends = (\n"
	    "{ address = \"10.0.0.1\"; } );\n"
	    "check = { type = \"tcp\"; via = \"vip\"; }; } );\n";
	static const char *const services[] = { ONE("nat"), ONE("dr"), TWO };
	char text[1024], *said;

	snprintf(text, sizeof(text), "%s%s%s", BOTH, check, services[_i]);
	said = said_of(text);
	ck_assert_str_eq(said, "");
	free(said);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("conf_forward");
	TCase *tc = tcase_create("modes");

	tcase_add_loop_test(tc,
	    a_mode_asks_for_what_it_needs_and_for_nothing_else, 0,
	    (int)(sizeof(cases) / sizeof(cases[0])));
	tcase_add_loop_test(tc, a_check_via_the_vip_is_fine_in_any_mode, 0, 3);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
