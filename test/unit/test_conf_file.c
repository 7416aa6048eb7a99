/*
 * test_conf_file.c - configs in files: what cannot be read, and @include.
 */
#include "loaded/conf.h"
#include "runner.h"

#include <check.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define POOLS "pools = ( { name = \"p\"; backends = ( ); } );\n"

static char dir[32];
static char said[4096];

/* The test runs in a directory of its own, with a sub directory. */
static void
set_up(void)
{
	snprintf(dir, sizeof(dir), "/tmp/test_conf.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(chdir(dir), 0);
	ck_assert_int_eq(mkdir("sub", 0700), 0);
}

static void
tear_down(void)
{
	static const char *const names[] = {
		"main",
		"sub/a",
		"sub/b",
		"sub",
		dir,
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		(void)remove(names[i]);
	ck_assert_int_eq(chdir("/"), 0);
}

static void
write_file(const char *name, const char *text, size_t len)
{
	FILE *f = fopen(name, "w");

	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fwrite(text, 1, len, f), len);
	fclose(f);
}

#define WRITE(name, text) write_file(name, text, strlen(text))

static int
load(struct conf **conf, const char *path)
{
	FILE *errors = fmemopen(said, sizeof(said), "w");
	int error;

	memset(said, 0, sizeof(said));
	ck_assert_ptr_nonnull(errors);
	error = conf_load(conf, path, errors);
	fclose(errors);
	return error;
}

START_TEST(file_that_cannot_be_read_is_one_line)
{
	struct conf *conf;

	ck_assert_int_eq(load(&conf, "none"), -ENOENT);
	ck_assert_ptr_null(conf);
	ck_assert_str_eq(said,
	    "none: cannot be read: No such file or directory\n");
	ck_assert_int_eq(load(&conf, "sub"), -EISDIR);
	ck_assert_str_eq(said, "sub: cannot be read: Is a directory\n");
	write_file("main", "a\0b", 3);
	ck_assert_int_eq(load(&conf, "main"), -EILSEQ);
	ck_assert_ptr_eq(strchr(said, '\n'), said + strlen(said) - 1);
}
END_TEST

START_TEST(include_is_relative_to_its_file)
{
	struct conf *conf;

	WRITE("main", "# head\n@include \"sub/a\"\nservices = ();");
	WRITE("sub/a", "  @include \"b\" user = \"from-a\";");
	WRITE("sub/b", "\n" POOLS "group = \"from-b\"; // no newline");
	ck_assert_int_eq(load(&conf, "main"), 0);
	ck_assert_str_eq(said,
	    "sub/b:2: warning: pools \"p\" has no backends\n"
	    "main:3: warning: services is empty: nothing is balanced\n");
	ck_assert_str_eq(conf->user, "from-a");
	ck_assert_str_eq(conf->group, "from-b");
	ck_assert_uint_eq(conf->nincluded, 2);
	ck_assert_str_eq(conf->included[0], "sub/a");
	ck_assert_str_eq(conf->included[1], "sub/b");
	ck_assert_str_eq(conf->pools[0].where.file, "sub/b");
	ck_assert_int_eq(conf->pools[0].where.line, 2);
	conf_free(conf);
}
END_TEST

START_TEST(include_takes_absolute_paths)
{
	char text[PATH_MAX];
	struct conf *conf;

	snprintf(text, sizeof(text), "@include \"%s/sub/a\"\n", dir);
	WRITE("main", text);
	WRITE("sub/a", "pools = ();\nservices = ();\n");
	ck_assert_int_eq(load(&conf, "main"), 0);
	conf_free(conf);
}
END_TEST

static const struct {
	const char *main, *a, *said;
} wrong[] = {
	{ "@include \"sub/a\"\n", POOLS "usr = 1;\nservices = ();\n",
	    "sub/a:2: unknown key \"usr\"" },
	{ "@include \"sub/a\"\nusr = 1;", POOLS "services = ();\n",
	    "main:2: unknown key \"usr\"" },
	{ "\n@include \"sub/a\"\n", POOLS "user = = 1;\n",
	    "sub/a:2: syntax error" },
	{ "\n@include \"sub/a\"\nuser = ;", POOLS, "main:3: syntax error" },
	{ "user = \"u\";\n@include \"sub/a\"\n", "\nuser = \"u\";\n",
	    "sub/a:2: duplicate setting name" },
	{ "\n@include \"sub/none\"", "",
	    "main:2: @include of sub/none: No such file or directory" },
	{ "\n@include \"sub\"", "", "main:2: @include of sub: Is a directory" },
	{ "@include \"sub/a\"", "\n@include \"../main\"\n",
	    "main:1: @include is nested too deep, expected at most 10" },
	{ "@include \"sub/a\"", "\n/* open", "sub/a:2: a comment starts here" },
	{ "@include \"sub/a\nuser = \"u\";", "",
	    "main:1: @ is not understood" },
	{ "@inclod \"sub/a\"", "", "main:1: @ is not understood" },
};

START_TEST(mistake_names_the_file_it_is_in)
{
	struct conf *conf;
	const char *place;

	WRITE("main", wrong[_i].main);
	WRITE("sub/a", wrong[_i].a);
	ck_assert_int_eq(load(&conf, "main"), -EINVAL);
	/* A path may have come by way of others: "sub/../sub/a". */
	place = strstr(said, wrong[_i].said);
	ck_assert_msg(place != NULL, "got %s", said);
	ck_assert_ptr_eq(strchr(said, '\n'), said + strlen(said) - 1);
}
END_TEST

START_TEST(include_in_comment_or_string_is_none)
{
	struct conf *conf;

	WRITE("main",
	    "/*\n@include \"sub\"\n*/\n# @include \"sub\"\n"
	    "pools = ();\nservices = ();\n"
	    "control = { socket = \"/\\\"@include \\\"sub\\\"\"; };");
	ck_assert_int_eq(load(&conf, "main"), 0);
	ck_assert_uint_eq(conf->nincluded, 0);
	conf_free(conf);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("conf_file");
	TCase *tcase = tcase_create("files");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, file_that_cannot_be_read_is_one_line);
	tcase_add_test(tcase, include_is_relative_to_its_file);
	tcase_add_test(tcase, include_takes_absolute_paths);
	tcase_add_loop_test(tcase, mistake_names_the_file_it_is_in, 0,
	    (int)(sizeof(wrong) / sizeof(wrong[0])));
	tcase_add_test(tcase, include_in_comment_or_string_is_none);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
