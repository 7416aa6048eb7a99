/*
 * test_conf_docs.c - what is written about the config holds: the examples
 * load, and the man page says of every key what the schema says.
 */
#include <check.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "conf_fixture.h"
#include "loaded/conf.h"
#include "loaded/conf_value.h"
#include "loaded/sched.h"
#include "runner.h"
#include "source.h"

START_TEST(shipped_config_loads_in_silence)
{
	char *text = read_source("etc/loaded.conf"), *said = conf_said(text);

	ck_assert_str_eq(said, "");
	free(said);
	free(text);
}
END_TEST

static const char design[] =
    "user = \"loaded\";  group = \"loaded\";"
    "  chroot = \"/var/lib/loaded/empty\";\n"
    "control  = { socket = \"/run/loaded/control.sock\";"
    " group = \"loaded\"; };\n"
    "metrics  = { listen = \"127.0.0.1:9467\"; };    # optional\n"
    "log      = { target = \"syslog\"; level = \"notice\"; };\n"
    "workers  = { cores = \"0-1\"; first_queue = 0;"
    " queue_length = 16384; };\n"
    "flows    = { max = 1048576; syn = \"60s\"; established = \"15m\";"
    " fin = \"2m\"; closed = \"10s\"; udp = \"5m\"; };\n"
    "backend_networks = [ \"10.0.0.0/24\", \"fd00::/64\" ];\n"
    "interfaces = { public = \"eth0\"; private = \"eth1\"; };\n"
    "pools = ( {\n"
    "    name = \"web\";\n"
    "    backends = ( { address = \"10.0.0.1\"; weight = 2; },\n"
    "                 { address = \"10.0.0.2\"; port = 8080;"
    " max_connections = 5000; max_rate = 200; },\n"
    "                 { address = \"fd00::1\"; } );\n"
    "    check = { type = \"tcp\"; port = 80; interval = \"2s\";"
    " timeout = \"1s\"; rise = 2; fall = 3; };\n"
    "} );\n"
    "services = ( {\n"
    "    name = \"web\";\n"
    "    addresses = [ \"203.0.113.80\", \"2001:db8:80::80\" ];\n"
    "    protocol = \"tcp\";    # tcp, udp, sctp, any\n"
    "    ports = [ \"80\", \"443\", \"8000-8099\" ];\n"
    "    forward = \"nat\";\n"
    "    scheduler = \"wrr\";\n"
    "    pool = \"web\";\n"
    "    persistence = { timeout = \"5m\"; mask4 = 32; mask6 = 64; };\n"
    "    on_down = \"reset\";    # reset, move, keep\n"
    "    no_backend = \"reset\"; # reset, drop\n"
    "} );\n"
    "failover = { enabled = true; discover = {"
    " broadcast = \"10.255.255.255\"; port = 80; pool = \"web\"; }; };\n";

START_TEST(whole_format_loads_with_its_warnings)
{
	char *said = conf_said(design);

	ck_assert_str_eq(said,
	    "x:2: warning: control is not supported yet: no socket is "
	    "opened\n"
	    "x:3: warning: metrics is not supported yet: nothing listens\n");
	free(said);
}
END_TEST

START_TEST(man_page_example_loads_in_silence)
{
	char *page = read_source("man/loaded.conf.5");
	char *start = strstr(page, "\npools = ("), *end, *said;

	ck_assert_ptr_nonnull(start);
	end = strstr(start, "\n.Ed");
	ck_assert_ptr_nonnull(end);
	*end = '\0';
	said = conf_said(start);
	ck_assert_str_eq(said, "");
	free(said);
	free(page);
}
END_TEST

/* The text between a line and the next macro, on one line. */
static void
entry_of(const char *page, const char *line, char *out, size_t size)
{
	const char *p = strstr(page, line);
	size_t len = 0;

	out[0] = '\0';
	if (p == NULL)
		return;
	for (p += strlen(line); *p != '\0' && len < size - 1; p++) {
		if (p[-1] == '\n' && *p == '.')
			break;
		if (strncmp(p, "\\&", 2) == 0)
			p += 2;
		out[len++] = *p == '\n' ? ' ' : *p;
	}
	while (len > 0 && out[len - 1] == ' ')
		len--;
	out[len] = '\0';
}

#define SECTIONS_MAX 64

struct seen {
	const struct conf_section *sections[SECTIONS_MAX];
	size_t count;
};

/* Compares each key; returns how many there are, those below included. */
static size_t
check_section(const char *page, const struct conf_section *section,
    struct seen *seen)
{
	char head[64], line[64], want[1024], got[1024];
	char expected[CONF_EXPECTED_LEN];
	const char *part;
	size_t count = section->nkeys;

	/* Some sections hang below several others. */
	for (size_t i = 0; i < seen->count; i++)
		if (seen->sections[i] == section)
			return 0;
	ck_assert_uint_lt(seen->count, SECTIONS_MAX);
	seen->sections[seen->count++] = section;
	snprintf(head, sizeof(head), "\n.Ss %s\n", section->name);
	part = strstr(page, head);
	ck_assert_msg(part != NULL, "no section %s", section->name);
	for (size_t i = 0; i < section->nkeys; i++) {
		const struct conf_key *key = &section->keys[i];

		snprintf(line, sizeof(line), "\n.It Cm %s\n", key->name);
		snprintf(want, sizeof(want), "%s; %s%s. %s",
		    conf_value_expected(key, expected),
		    key->required           ? "required" :
			key->preset != NULL ? "default " :
					      "optional",
		    key->preset != NULL && !key->required ? key->preset : "",
		    key->help);
		entry_of(part, line, got, sizeof(got));
		ck_assert_msg(strcmp(got, want) == 0,
		    "%s.%s: wanted\n%s\ngot\n%s", section->name, key->name,
		    want, got);
		if (key->section != NULL)
			count += check_section(page, key->section, seen);
	}
	return count;
}

START_TEST(man_page_has_each_key_and_no_other)
{
	char *page = read_source("man/loaded.conf.5");
	char *keys = strstr(page, "\n.Sh KEYS\n"), *end;
	struct seen seen = { .count = 0 };
	size_t count = 0;

	ck_assert_ptr_nonnull(keys);
	end = strstr(keys + 1, "\n.Sh ");
	ck_assert_ptr_nonnull(end);
	*end = '\0';
	for (char *p = keys; (p = strstr(p, "\n.It Cm ")) != NULL; p++)
		count++;
	ck_assert_uint_eq(check_section(keys, conf_schema(), &seen), count);
	free(page);
}
END_TEST

START_TEST(man_page_has_each_scheduler)
{
	char *page = read_source("man/loaded.conf.5");
	const char *part = strstr(page, "\n.Sh SCHEDULERS\n");
	char line[64], want[256], got[256];

	ck_assert_ptr_nonnull(part);
	for (unsigned int i = 0; i < sched_count(); i++) {
		snprintf(line, sizeof(line), "\n.It Cm %s\n",
		    sched_ops(i)->name);
		snprintf(want, sizeof(want), "%s.", sched_ops(i)->help);
		entry_of(part, line, got, sizeof(got));
		ck_assert_str_eq(got, want);
	}
	free(page);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("conf_docs");
	TCase *tcase = tcase_create("documents");

	tcase_add_test(tcase, shipped_config_loads_in_silence);
	tcase_add_test(tcase, whole_format_loads_with_its_warnings);
	tcase_add_test(tcase, man_page_example_loads_in_silence);
	tcase_add_test(tcase, man_page_has_each_key_and_no_other);
	tcase_add_test(tcase, man_page_has_each_scheduler);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
