/*
 * test_opts.c - the command line: what is taken, what is refused, and that
 * help and manual page know every option.
 */
#include <check.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "loaded/opts.h"
#include "runner.h"
#include "source.h"

#define WORDS 16

static char said[1024];

/* Parses the words of one string; what it says goes to said. */
static int
parse(struct opts *o, const char *line)
{
	static char copy[256];
	char *argv[WORDS + 2] = { copy, NULL };
	FILE *errors = fmemopen(said, sizeof(said), "w");
	char *word = copy, *rest = copy;
	int argc = 0, result;

	snprintf(copy, sizeof(copy), "loaded %s", line);
	while ((word = strtok_r(rest, " ", &rest)) != NULL && argc <= WORDS)
		argv[argc++] = word;
	argv[argc] = NULL;
	optind = 0;
	memset(said, 0, sizeof(said));
	result = opts_parse(o, argc, argv, errors);
	fclose(errors);
	return result;
}

START_TEST(everything_at_once)
{
	struct opts o;

	ck_assert_int_eq(parse(&o, "-c x.conf -f -4 -D -U nobody -Q 99"), 0);
	ck_assert_int_eq(o.action, OPTS_RUN);
	ck_assert_str_eq(o.file, "x.conf");
	ck_assert_str_eq(o.user, "nobody");
	ck_assert_uint_eq(o.queue_length, 99);
	ck_assert_int_eq(o.family, AF_INET);
	ck_assert(o.foreground && o.failover);
}
END_TEST

START_TEST(long_names_do_the_same)
{
	struct opts o;

	ck_assert_int_eq(parse(&o, "--config=x.conf --print-rules nft"), 0);
	ck_assert_int_eq(o.action, OPTS_PRINT_NFT);
	ck_assert_int_eq(parse(&o, "--ipv6 --check --config x.conf"), 0);
	ck_assert_int_eq(o.action, OPTS_CHECK);
	ck_assert_int_eq(o.family, AF_INET6);
}
END_TEST

START_TEST(both_families_are_no_restriction)
{
	struct opts o;

	ck_assert_int_eq(parse(&o, "-c x -4 -6"), 0);
	ck_assert_int_eq(o.family, AF_UNSPEC);
	ck_assert_int_eq(parse(&o, "-c x -6 -6"), 0);
	ck_assert_int_eq(o.family, AF_INET6);
}
END_TEST

START_TEST(help_and_version_need_no_file)
{
	struct opts o;

	ck_assert_int_eq(parse(&o, "-h"), 0);
	ck_assert_int_eq(o.action, OPTS_HELP);
	ck_assert_int_eq(parse(&o, "-V"), 0);
	ck_assert_int_eq(o.action, OPTS_VERSION);
}
END_TEST

static const struct {
	const char *line, *expected;
} wrong[] = {
	{ "", "expected -c FILE" },
	{ "-n", "expected -c FILE" },
	{ "-c", "expected FILE" },
	{ "-c x -p pf", "expected nft|iptables" },
	{ "-c x -Q 0", "expected PACKETS" },
	{ "-c x -Q 65536", "expected PACKETS" },
	{ "-c x -Q 1k", "expected PACKETS" },
	{ "-c x -z", "unknown option" },
	{ "-c x --zzz", "unknown option" },
	{ "-c x y", "unexpected argument y" },
};

START_TEST(mistakes_are_one_line_that_says_what_was_expected)
{
	struct opts o;

	ck_assert_int_lt(parse(&o, wrong[_i].line), 0);
	ck_assert_ptr_nonnull(strstr(said, wrong[_i].expected));
	ck_assert_ptr_eq(strchr(said, '\n'), said + strlen(said) - 1);
}
END_TEST

START_TEST(manual_page_has_every_option_of_the_help)
{
	char *page = read_source("man/loaded.8");
	char help[4096] = "", name[32], item[64], *line;
	FILE *out = fmemopen(help, sizeof(help), "w");
	int found = 0;
	char letter;

	opts_print_help(out);
	fclose(out);
	for (line = help; line != NULL; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (sscanf(line, "  -%c, --%31[a-z0-9-]", &letter, name) != 2 ||
		    *line != ' ')
			continue;
		snprintf(item, sizeof(item), "\n.It Fl %c , Fl -%s", letter,
		    name);
		ck_assert_msg(strstr(page, item) != NULL, "no%s", item);
		found++;
	}
	ck_assert_int_eq(found, 11);
	free(page);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("opts");
	TCase *tc = tcase_create("all");

	tcase_add_test(tc, everything_at_once);
	tcase_add_test(tc, long_names_do_the_same);
	tcase_add_test(tc, both_families_are_no_restriction);
	tcase_add_test(tc, help_and_version_need_no_file);
	tcase_add_loop_test(tc,
	    mistakes_are_one_line_that_says_what_was_expected, 0,
	    sizeof(wrong) / sizeof(wrong[0]));
	tcase_add_test(tc, manual_page_has_every_option_of_the_help);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
