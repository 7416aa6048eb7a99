/*
 * test_exec_check.c - programs that answer, fail, hang or can't be run.  What
 * needs another user's rights is left out without root.
 */
#include "loaded/exec_check.h"
#include "descriptors.h"
#include "loop_fixture.h"
#include "runner.h"

#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MANY 20

struct trial {
	struct told told;
	struct exec_runner *runner;
	ev_child reaper;
	struct exec_job job;
	char dir[64], program[128], notes[128];
};

static void
on_done(void *arg, const struct exec_job *job, const struct probe_outcome *o)
{
	struct trial *t = arg;

	ck_assert_uint_eq(job->id, 4711);
	ck_assert_uint_eq(job->run, 42);
	told_add(&t->told, o);
}

static void
on_child(struct ev_loop *loop, ev_child *w, int events)
{
	struct trial *t = w->data;

	(void)loop, (void)events;
	exec_runner_reaped(t->runner, w->rpid, w->rstatus);
}

/* An executable script that anybody may run, and may write notes beside. */
static void
setup(struct trial *t, const char *script)
{
	FILE *file;

	memset(t, 0, sizeof(*t));
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	snprintf(t->dir, sizeof(t->dir), "/tmp/test_exec_XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(t->dir));
	chmod(t->dir, 0777);
	snprintf(t->program, sizeof(t->program), "%s/program", t->dir);
	snprintf(t->notes, sizeof(t->notes), "%s/notes", t->dir);
	file = fopen(t->program, "w");
	ck_assert_ptr_nonnull(file);
	fputs(script, file);
	fclose(file);
	chmod(t->program, 0755);
	t->told.loop = ev_default_loop(0);
	t->runner = exec_runner_new(t->told.loop, on_done, t);
	ck_assert_ptr_nonnull(t->runner);
	ev_child_init(&t->reaper, on_child, 0, 0);
	t->reaper.data = t;
	ev_child_start(t->told.loop, &t->reaper);
	t->told.wanted = 1;
	t->job = (struct exec_job){ .program = t->program,
		.user = "nobody",
		.vip = "192.0.2.1",
		.backend = "fd00::7",
		.protocol = "tcp",
		.port = 8080,
		.timeout_ms = 5000,
		.id = 4711,
		.run = 42 };
}

static void
teardown(struct trial *t)
{
	exec_runner_free(t->runner);
	ev_child_stop(t->told.loop, &t->reaper);
	unlink(t->program);
	unlink(t->notes);
	ck_assert_int_eq(rmdir(t->dir), 0);
}

/* What a program has left behind is our child by now: see setup(). */
static void
assert_all_ended(void)
{
	int waits = 0;
	pid_t pid;

	while ((pid = waitpid(-1, NULL, WNOHANG)) >= 0) {
		if (pid > 0)
			continue;
		ck_assert_int_lt(waits++, 200);
		usleep(10000);
	}
}

static void
start(struct trial *t)
{
	t->told.starting = true;
	exec_check_start(t->runner, &t->job);
	t->told.starting = false;
}

static void
run(struct trial *t)
{
	start(t);
	loop_run(t->told.loop, 20);
	ck_assert_uint_eq(t->told.calls, t->told.wanted);
}

static const char *
read_notes(const struct trial *t, char *text, size_t size)
{
	FILE *file = fopen(t->notes, "r");
	size_t len;

	ck_assert_ptr_nonnull(file);
	len = fread(text, 1, size - 1, file);
	text[len] = '\0';
	fclose(file);
	return text;
}

/* --- outcomes ------------------------------------------------------------ */

static const struct {
	const char *script;
	enum probe_result result;
	const char *text;
} outcomes[] = {
	{ "#!/bin/sh\necho all is well\necho more\n", PROBE_OK, "all is well" },
	{ "#!/bin/sh\nprintf 'no newline'\n", PROBE_OK, "no newline" },
	{ "#!/bin/sh\nprintf 'cut\\033[31m here\\n'\n", PROBE_OK, "cut" },
	{ "#!/bin/sh\nprintf '%%n%%s\\n'; exit 3\n", PROBE_EXEC_STATUS,
	    "exit status 3: %n%s" },
	{ "#!/bin/sh\nexit 2\n", PROBE_EXEC_STATUS, "exit status 2" },
	{ "#!/bin/sh\necho disk full; exit 2\n", PROBE_EXEC_STATUS,
	    "exit status 2: disk full" },
	{ "#!/bin/sh\necho on stderr >&2; exit 1\n", PROBE_EXEC_STATUS,
	    "exit status 1" },
	{ "#!/bin/sh\nkill -SEGV $$\n", PROBE_EXEC_SIGNAL,
	    "killed by signal 11 (Segmentation fault)" },
	{ "#!/bin/sh\necho so; kill -TERM $$\n", PROBE_EXEC_SIGNAL,
	    "killed by signal 15 (Terminated): so" },
	/* More than a pipe holds. */
	{ "#!/bin/sh\necho first\nhead -c 300000 /dev/zero\n", PROBE_OK,
	    "first" },
	/* What it left running holds the pipe. */
	{ "#!/bin/sh\nsleep 60 &\necho done\n", PROBE_OK, "done" },
};

START_TEST(an_exit_has_a_result_and_the_first_line_as_text)
{
	struct trial t;

	setup(&t, outcomes[_i].script);
	run(&t);
	assert_told(&t.told, outcomes[_i].result, outcomes[_i].text);
	ck_assert_uint_gt(t.told.outcome.duration_us, 0);
	assert_all_ended();
	teardown(&t);
}
END_TEST

START_TEST(silence_and_exit_0_is_ok)
{
	struct trial t;

	setup(&t, "#!/bin/sh\nexit 0\n");
	run(&t);
	ck_assert_int_eq(t.told.outcome.result, PROBE_OK);
	ck_assert_uint_lt(t.told.outcome.duration_us, 4000000);
	teardown(&t);
}
END_TEST

/* Its end and its output are seen in one turn of the loop. */
START_TEST(the_output_of_one_that_has_ended_is_not_lost)
{
	siginfo_t info;
	struct trial t;

	setup(&t, "#!/bin/sh\necho last words; exit 1\n");
	start(&t);
	while (waitid(P_ALL, 0, &info, WEXITED | WNOWAIT) < 0)
		continue;
	loop_run(t.told.loop, 20);
	assert_told(&t.told, PROBE_EXEC_STATUS, "exit status 1: last words");
	teardown(&t);
}
END_TEST

START_TEST(a_long_line_is_cut)
{
	struct trial t;

	setup(&t, "#!/bin/sh\nhead -c 5000 /dev/zero | tr '\\0' x\n");
	run(&t);
	ck_assert_int_eq(t.told.outcome.result, PROBE_OK);
	ck_assert_uint_eq(strlen(t.told.outcome.text), 150);
	ck_assert_uint_eq(strspn(t.told.outcome.text, "x"), 150);
	teardown(&t);
}
END_TEST

START_TEST(who_hangs_is_killed_with_its_children)
{
	struct trial t;

	setup(&t,
	    "#!/bin/sh\ntrap '' TERM INT HUP\nsleep 60 &\n"
	    "sleep 60 &\nwait\nwait\n");
	t.job.timeout_ms = 400;
	run(&t);
	assert_told(&t.told, PROBE_EXEC_TIMEOUT, "no exit within 400 ms");
	ck_assert_uint_ge(t.told.outcome.duration_us, 399000);
	ck_assert_uint_le(t.told.outcome.duration_us, 3000000);
	assert_all_ended();
	teardown(&t);
}
END_TEST

/* --- what the program gets ----------------------------------------------- */

/* Arguments, environment, descriptors, ids, signals, capabilities. */
START_TEST(it_gets_its_arguments_and_nothing_of_ours)
{
	char text[4096], wanted[512];
	const struct sigaction ignored = { .sa_handler = SIG_IGN };
	struct trial t;
	int leak;

	setup(&t,
	    "#!/bin/sh\nexec 2>&1 > \"$(dirname $0)/notes\"\n"
	    "echo \"$#: $1 $2 $3 $4 $5\"\npwd\n"
	    "cat /proc/self/environ | tr '\\0' '\\n' | grep -v "
	    "'^\\(PWD\\|OLDPWD\\|SHLVL\\|_\\)='\n"
	    "echo fds\nls /proc/$$/fd\n"
	    "id -u; id -g; id -G\numask\nulimit -c\n"
	    "grep -E '^(SigBlk|SigIgn|NoNewPrivs|CapEff|CapPrm)' "
	    "/proc/self/status\nreadlink /proc/self/fd/0\n");
	leak = dup(STDERR_FILENO);
	ck_assert_int_ge(leak, 3);
	setenv("SECRET", "of the supervisor", 1);
	sigaction(SIGPIPE, &ignored, NULL);
	run(&t);
	ck_assert_int_eq(t.told.outcome.result, PROBE_OK);
	read_notes(&t, text, sizeof(text));
	snprintf(wanted, sizeof(wanted), "%s",
	    "5: 192.0.2.1 fd00::7 tcp 8080 5000\n/\n"
	    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:"
	    "/sbin:/bin\n");
	ck_assert_int_eq(strncmp(text, wanted, strlen(wanted)), 0);
	/* 10 is where the shell keeps the script. */
	ck_assert(strstr(text, "\nfds\n0\n1\n2\n65534") != NULL ||
	    strstr(text, "\nfds\n0\n1\n10\n2\n65534") != NULL);
	ck_assert_ptr_nonnull(strstr(text, "\n65534\n65534\n65534\n"));
	ck_assert_ptr_nonnull(strstr(text, "\n0022\n0\n"));
	ck_assert_ptr_nonnull(strstr(text, "SigBlk:\t0000000000000000\n"));
	ck_assert_ptr_nonnull(strstr(text, "SigIgn:\t0000000000000000\n"));
	ck_assert_ptr_nonnull(strstr(text, "NoNewPrivs:\t1\n"));
	ck_assert_ptr_nonnull(strstr(text, "CapPrm:\t0000000000000000\n"));
	ck_assert_ptr_nonnull(strstr(text, "CapEff:\t0000000000000000\n"));
	ck_assert_ptr_nonnull(strstr(text, "\n/dev/null\n"));
	close(leak);
	teardown(&t);
}
END_TEST

/* The pipes get the lowest numbers there are, which the program's own are. */
START_TEST(it_works_without_standard_descriptors)
{
	struct trial t;
	int out, err;

	setup(&t, "#!/bin/sh\necho works; ls /proc/$$/fd | wc -l >&2\n");
	out = fcntl(STDOUT_FILENO, F_DUPFD, 100);
	err = fcntl(STDERR_FILENO, F_DUPFD, 100);
	for (int fd = 0; fd < 3; fd++)
		close(fd);
	run(&t);
	dup2(out, STDOUT_FILENO);
	dup2(err, STDERR_FILENO);
	assert_told(&t.told, PROBE_OK, "works");
	teardown(&t);
}
END_TEST

/* --- what can't be run --------------------------------------------------- */

START_TEST(a_program_that_is_not_there_says_so)
{
	struct trial t;

	setup(&t, "");
	t.job.program = "/nonexistent/check";
	run(&t);
	assert_told(&t.told, PROBE_EXEC_FAILED,
	    "cannot run /nonexistent/check: No such file or directory");
	teardown(&t);
}
END_TEST

START_TEST(a_program_that_nobody_may_run_says_so)
{
	char text[256];
	struct trial t;

	setup(&t, "#!/bin/sh\n");
	chmod(t.program, 0700);
	run(&t);
	snprintf(text, sizeof(text), "cannot run %s: Permission denied",
	    t.program);
	assert_told(&t.told, PROBE_EXEC_FAILED, text);
	teardown(&t);
}
END_TEST

START_TEST(root_and_strangers_are_refused)
{
	struct trial t;

	setup(&t, "#!/bin/sh\n");
	t.job.user = _i == 0 ? "root" : "no-such-user";
	run(&t);
	assert_told(&t.told, PROBE_EXEC_FAILED,
	    _i == 0 ? "never run as root: root" : "no such user: no-such-user");
	teardown(&t);
}
END_TEST

START_TEST(without_root_nobody_else_can_be_become)
{
	char text[256];
	struct trial t;

	setup(&t, "#!/bin/sh\n");
	run(&t);
	snprintf(text, sizeof(text),
	    "cannot become the user of %s: Operation not permitted", t.program);
	assert_told(&t.told, PROBE_EXEC_FAILED, text);
	teardown(&t);
}
END_TEST

/* --- the runner's life --------------------------------------------------- */

START_TEST(many_at_a_time_all_end_and_leave_nothing_open)
{
	struct trial t;
	size_t before;

	setup(&t, "#!/bin/sh\necho $(sleep 0.05)here\n");
	before = count_descriptors();
	t.told.wanted = MANY;
	for (int i = 1; i < MANY; i++)
		start(&t);
	run(&t);
	assert_told(&t.told, PROBE_OK, "here");
	ck_assert_uint_eq(count_descriptors(), before);
	assert_all_ended();
	teardown(&t);
}
END_TEST

START_TEST(more_than_the_bound_are_skipped)
{
	struct trial t;

	setup(&t, "#!/bin/sh\nexec sleep 60\n");
	for (int i = 0; i < EXEC_RUNNING_MAX; i++)
		start(&t);
	ck_assert_uint_eq(t.told.calls, 0);
	run(&t);
	assert_told(&t.told, PROBE_SKIPPED, "not run: too many at a time");
	teardown(&t);
	assert_all_ended();
}
END_TEST

START_TEST(a_runner_that_is_freed_kills_what_runs)
{
	struct trial t;
	int status;

	setup(&t, "#!/bin/sh\nexec sleep 60\n");
	start(&t);
	loop_run(t.told.loop, 0.1);
	ev_child_stop(t.told.loop, &t.reaper);
	teardown(&t);
	ck_assert_uint_eq(t.told.calls, 0);
	ck_assert_int_gt(waitpid(-1, &status, 0), 0);
	ck_assert(WIFSIGNALED(status));
	ck_assert_int_eq(WTERMSIG(status), SIGKILL);
}
END_TEST

START_TEST(a_child_of_somebody_else_is_not_ours)
{
	struct trial t;

	setup(&t, "#!/bin/sh\n");
	ck_assert(!exec_runner_reaped(t.runner, getpid(), 0));
	ck_assert_uint_eq(t.told.calls, 0);
	teardown(&t);
}
END_TEST

static void
add_root_tests(TCase *root)
{
	tcase_add_loop_test(root,
	    an_exit_has_a_result_and_the_first_line_as_text, 0,
	    sizeof(outcomes) / sizeof(outcomes[0]));
	tcase_add_test(root, silence_and_exit_0_is_ok);
	tcase_add_test(root, the_output_of_one_that_has_ended_is_not_lost);
	tcase_add_test(root, a_long_line_is_cut);
	tcase_add_test(root, who_hangs_is_killed_with_its_children);
	tcase_add_test(root, it_gets_its_arguments_and_nothing_of_ours);
	tcase_add_test(root, it_works_without_standard_descriptors);
	tcase_add_test(root, a_program_that_is_not_there_says_so);
	tcase_add_test(root, a_program_that_nobody_may_run_says_so);
	tcase_add_test(root, many_at_a_time_all_end_and_leave_nothing_open);
	tcase_add_test(root, more_than_the_bound_are_skipped);
	tcase_add_test(root, a_runner_that_is_freed_kills_what_runs);
}

int
main(void)
{
	Suite *suite = suite_create("exec_check");
	TCase *any = tcase_create("any"), *tests = tcase_create("run");

	tcase_add_loop_test(any, root_and_strangers_are_refused, 0, 2);
	tcase_add_test(any, a_child_of_somebody_else_is_not_ours);
	if (geteuid() == 0) {
		add_root_tests(tests);
	} else {
		puts("not root: programs can't be run as another user");
		tcase_add_test(tests, without_root_nobody_else_can_be_become);
	}
	tcase_set_timeout(tests, 60);
	suite_add_tcase(suite, any);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
