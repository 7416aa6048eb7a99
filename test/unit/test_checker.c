/*
 * test_checker.c - the checker as a process of its own, in its sandbox, with
 * the test in the place of supervisor and failover.  Needs root.
 */
#include "loaded/checker.h"
#include "runner.h"

#include <arpa/inet.h>
#include <check.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "loaded/clock.h"
#include "loaded/message.h"
#include "loaded/segment.h"

#define SLOT 7
#define ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
#define NS_PER_MS 1000000

/* One backend with the checks icmp and http. */
struct small_table {
	struct table table;
	struct check check[2];
	struct sched_member member;
	struct table_backend backend;
};

struct trial {
	struct small_table t;
	struct sandbox sandbox;
	struct pulse *pulse;
	int control, checks; /* our ends */
	int server;
	uint16_t port;
	pid_t pid, server_pid;
	char dir[64];
};

/* A process, so that the test itself has one thread when it forks. */
static void
start_server(struct trial *t)
{
	struct sockaddr_in sa = { .sin_family = AF_INET };
	socklen_t len = sizeof(sa);
	char request[4096];
	int client;

	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	t->server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(t->server, (struct sockaddr *)&sa, sizeof(sa)),
	    0);
	ck_assert_int_eq(listen(t->server, 128), 0);
	getsockname(t->server, (struct sockaddr *)&sa, &len);
	t->port = ntohs(sa.sin_port);
	t->server_pid = fork();
	while (t->server_pid == 0) {
		client = accept(t->server, NULL, NULL);
		if (client < 0)
			_exit(1);
		if (recv(client, request, sizeof(request), 0) > 0)
			(void)!send(client, ANSWER, strlen(ANSWER), 0);
		close(client);
	}
	close(t->server);
}

static void
fill_table(struct small_table *t, uint32_t generation, uint16_t port)
{
	struct check *check = &t->check[1];

	memset(t, 0, sizeof(*t));
	t->table.magic = TABLE_MAGIC;
	t->table.version = TABLE_VERSION;
	t->table.size = sizeof(*t);
	t->table.generation = generation;
	t->table.nchecks = 2;
	t->table.checks_off = offsetof(struct small_table, check);
	t->table.nmembers = 1;
	t->table.members_off = offsetof(struct small_table, member);
	t->table.backends_off = offsetof(struct small_table, backend);
	t->member.slot = SLOT;
	t->member.port_be = htons(port);
	t->check[0].type = CHECK_ICMP;
	check->type = CHECK_HTTP;
	check->timeout_ms = 2000;
	snprintf(check->method, sizeof(check->method), "GET");
	snprintf(check->path, sizeof(check->path), "/");
	check->status.count = 1;
	check->status.range[0].low = check->status.range[0].high = 200;
}

static void
spawn_checker(struct trial *t, int control, int checks)
{
	const struct checker c = { .sandbox = &t->sandbox,
		.table = &t->t.table,
		.control = control,
		.checks = checks,
		.pulse = t->pulse };

	t->pid = fork();
	if (t->pid == 0) {
		close(t->control);
		close(t->checks);
		_exit(checker_run(&c));
	}
	close(control);
	close(checks);
}

/* The next message on a channel, or a failed test. */
static struct message
receive(int channel)
{
	struct pollfd p = { .fd = channel, .events = POLLIN };
	struct message m;
	int fd;

	ck_assert_int_eq(poll(&p, 1, 10000), 1);
	ck_assert_int_eq(message_receive(channel, &m, &fd), 0);
	ck_assert_int_eq(fd, -1);
	return m;
}

static void
setup(struct trial *t)
{
	char error[SANDBOX_ERROR_LEN];
	int control[2], checks[2];

	memset(t, 0, sizeof(*t));
	snprintf(t->dir, sizeof(t->dir), "/tmp/test_checker_XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(t->dir));
	ck_assert_msg(sandbox_prepare(&t->sandbox, "nobody", "", t->dir,
			  error) == 0,
	    "%s", error);
	/* First, so that it has no end of a channel. */
	start_server(t);
	t->pulse = mmap(NULL, sizeof(*t->pulse), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_int_eq(message_pair(control), 0);
	ck_assert_int_eq(message_pair(checks), 0);
	fill_table(&t->t, 1, t->port);
	t->control = control[0];
	t->checks = checks[0];
	spawn_checker(t, control[1], checks[1]);
	ck_assert_uint_eq(receive(t->control).type, MESSAGE_READY);
}

static int
wait_for_end(struct trial *t)
{
	int status = -1;

	for (int i = 0; i < 500; i++) {
		if (waitpid(t->pid, &status, WNOHANG) == t->pid)
			return status;
		usleep(10000);
	}
	kill(t->pid, SIGKILL);
	ck_abort_msg("the checker does not end");
	return status;
}

static void
teardown(struct trial *t)
{
	kill(t->server_pid, SIGKILL);
	waitpid(t->server_pid, NULL, 0);
	ck_assert_int_eq(rmdir(t->dir), 0);
}

/* Ends it as the supervisor's death would. */
static void
finish(struct trial *t)
{
	close(t->control);
	ck_assert_int_eq(wait_for_end(t), 0);
	teardown(t);
}

static struct message
probe(struct trial *t, uint32_t generation, uint32_t check, uint32_t slot)
{
	struct message m = { .type = MESSAGE_PROBE,
		.generation = generation,
		.id = 4711,
		.run = 42,
		.slot = slot,
		.check = check };

	addr_parse(&m.addr, "127.0.0.1");
	ck_assert_int_eq(message_send(t->checks, &m, -1), 0);
	m = receive(t->checks);
	ck_assert_uint_eq(m.type, MESSAGE_RESULT);
	ck_assert_uint_eq(m.id, 4711);
	ck_assert_uint_eq(m.run, 42);
	return m;
}

static void
hand_over(struct trial *t, const void *data, size_t size)
{
	const struct message m = { .type = MESSAGE_TABLE };
	const void *mem;
	int fd;

	mem = segment_seal(data, size, "test", &fd);
	ck_assert_ptr_nonnull(mem);
	ck_assert_int_eq(message_send(t->control, &m, fd), 0);
	segment_unmap(mem, size);
	close(fd);
}

START_TEST(a_request_gets_its_result)
{
	struct trial t;
	struct message m;

	setup(&t);
	m = probe(&t, 1, 1, SLOT);
	ck_assert_str_eq(m.text, "http status 200");
	ck_assert_uint_eq(m.result, PROBE_OK);
	ck_assert_uint_gt(m.duration_us, 0);
	finish(&t);
}
END_TEST

static const struct {
	uint32_t generation, check, slot;
	const char *text;
} bad[] = {
	{ 2, 1, SLOT, "the checker has another table" },
	{ 1, 2, SLOT, "no such check" },
	{ 1, UINT32_MAX, SLOT, "no such check" },
	{ 1, 0, SLOT, "not a check of the checker" },
	{ 1, 1, SLOT + 1, "no such backend" },
};

START_TEST(a_request_that_makes_no_sense_is_skipped)
{
	struct trial t;
	struct message m;

	setup(&t);
	m = probe(&t, bad[_i].generation, bad[_i].check, bad[_i].slot);
	ck_assert_str_eq(m.text, bad[_i].text);
	ck_assert_uint_eq(m.result, PROBE_SKIPPED);
	ck_assert_str_eq(probe(&t, 1, 1, SLOT).text, "http status 200");
	finish(&t);
}
END_TEST

START_TEST(a_new_table_takes_the_place_of_the_old)
{
	struct small_table next;
	struct trial t;

	setup(&t);
	for (uint32_t generation = 2; generation < 5; generation++) {
		fill_table(&next, generation, t.port);
		next.check[1].status.range[0].high = 299;
		next.check[1].status.range[0].low = 204;
		hand_over(&t, &next, sizeof(next));
		usleep(50000);
		ck_assert_str_eq(probe(&t, generation, 1, SLOT).text,
		    "http status 200, expected 204-299");
		ck_assert_str_eq(probe(&t, generation - 1, 1, SLOT).text,
		    "the checker has another table");
	}
	finish(&t);
}
END_TEST

/* Too short, of another version, and longer than it is. */
START_TEST(what_is_no_table_changes_nothing)
{
	struct small_table next;
	struct trial t;

	setup(&t);
	fill_table(&next, 2, t.port);
	next.table.version += _i == 1;
	next.table.size += _i == 2;
	hand_over(&t, &next, _i == 0 ? 16 : sizeof(next));
	usleep(50000);
	ck_assert_str_eq(probe(&t, 1, 1, SLOT).text, "http status 200");
	finish(&t);
}
END_TEST

START_TEST(it_beats_and_stops_beating_when_frozen)
{
	uint64_t beat;
	struct trial t;

	setup(&t);
	usleep(3 * CHECKER_BEAT_MS * 1000);
	beat = t.pulse->beat_ns;
	ck_assert_uint_gt(beat + 2 * CHECKER_BEAT_MS * (uint64_t)NS_PER_MS,
	    clock_now_ns());
	kill(t.pid, SIGSTOP);
	usleep(50000);
	beat = t.pulse->beat_ns;
	usleep(2 * CHECKER_BEAT_MS * 1000);
	ck_assert_uint_eq(t.pulse->beat_ns, beat);
	kill(t.pid, SIGCONT);
	usleep(2 * CHECKER_BEAT_MS * 1000);
	ck_assert_uint_gt(t.pulse->beat_ns, beat);
	finish(&t);
}
END_TEST

START_TEST(sigterm_ends_it_and_other_signals_do_not)
{
	struct trial t;

	setup(&t);
	kill(t.pid, SIGHUP);
	kill(t.pid, SIGUSR1);
	kill(t.pid, SIGPIPE);
	usleep(50000);
	ck_assert_str_eq(probe(&t, 1, 1, SLOT).text, "http status 200");
	kill(t.pid, SIGTERM);
	ck_assert_int_eq(wait_for_end(&t), 0);
	teardown(&t);
}
END_TEST

static uint64_t
cpu_time_ns(pid_t pid)
{
	struct timespec used;
	clockid_t cpu;

	ck_assert_int_eq(clock_getcpuclockid(pid, &cpu), 0);
	ck_assert_int_eq(clock_gettime(cpu, &used), 0);
	return (uint64_t)used.tv_sec * 1000 * NS_PER_MS +
	    (uint64_t)used.tv_nsec;
}

/* Nor does it turn in circles over the dead channel. */
START_TEST(the_end_of_failover_does_not_end_it)
{
	struct trial t;
	uint64_t before;

	setup(&t);
	before = cpu_time_ns(t.pid);
	close(t.checks);
	usleep(500000);
	ck_assert_int_eq(waitpid(t.pid, NULL, WNOHANG), 0);
	ck_assert_uint_lt(cpu_time_ns(t.pid) - before, 50 * NS_PER_MS);
	finish(&t);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("checker");
	TCase *tests = tcase_create("process");

	if (geteuid() != 0) {
		puts("not root: the checker can't enter its sandbox");
	} else {
		tcase_add_test(tests, a_request_gets_its_result);
		tcase_add_loop_test(tests,
		    a_request_that_makes_no_sense_is_skipped, 0,
		    sizeof(bad) / sizeof(bad[0]));
		tcase_add_test(tests, a_new_table_takes_the_place_of_the_old);
		tcase_add_loop_test(tests, what_is_no_table_changes_nothing, 0,
		    3);
		tcase_add_test(tests, it_beats_and_stops_beating_when_frozen);
		tcase_add_test(tests, sigterm_ends_it_and_other_signals_do_not);
		tcase_add_test(tests, the_end_of_failover_does_not_end_it);
	}
	tcase_set_timeout(tests, 60);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
