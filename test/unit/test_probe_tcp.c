/*
 * test_probe_tcp.c - tcp and agent checks against a scripted server on
 * loopback: each way a connection can go, and that nothing of it stays.
 */
#include "loaded/probe.h"
#include "probe_fixture.h"
#include "runner.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/resource.h>

#define MAX_STEPS 8
#define BACKLOG_TRIES 16

/* What the server does with the connection, one after the other. */
enum step_kind {
	STEP_END,
	STEP_SAY,
	STEP_HEAR,
	STEP_WAIT,
	STEP_CLOSE,
	STEP_RESET,
	STEP_FLOOD
};

struct step {
	enum step_kind kind;
	const char *text; /* to say; hear: up to as many bytes */
	unsigned int ms;
};

static const struct step *script;
static int listener = -1, connection = -1;
static char heard[1024];
static size_t heard_len;
static ev_io accepting, talking;
static ev_timer resting;

static void run_script(void);

static void
stop_talking(void)
{
	ev_io_stop(loop, &talking);
	ev_timer_stop(loop, &resting);
	if (connection >= 0)
		close(connection);
	connection = -1;
}

static void
on_heard(struct ev_loop *l, ev_io *w, int events)
{
	const ssize_t n = recv(connection, heard + heard_len,
	    sizeof(heard) - heard_len, MSG_DONTWAIT);

	(void)l;
	(void)w;
	(void)events;
	if (n > 0)
		heard_len += (size_t)n;
	if (n <= 0 || heard_len < strlen(script->text))
		return;
	ev_io_stop(loop, &talking);
	script++;
	run_script();
}

static void
on_rested(struct ev_loop *l, ev_timer *w, int events)
{
	(void)l;
	(void)w;
	(void)events;
	script++;
	run_script();
}

static void
flood(void)
{
	char data[20000];

	memset(data, 'x', sizeof(data));
	ck_assert_int_eq(send(connection, data, sizeof(data), MSG_NOSIGNAL),
	    sizeof(data));
}

static void
reset(void)
{
	const struct linger now = { .l_onoff = 1 };

	setsockopt(connection, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	stop_talking();
}

static void
run_script(void)
{
	for (;; script++) {
		switch (script->kind) {
		case STEP_SAY:
			send(connection, script->text, strlen(script->text),
			    MSG_NOSIGNAL);
			break;
		case STEP_FLOOD:
			flood();
			break;
		case STEP_HEAR:
			ev_io_init(&talking, on_heard, connection, EV_READ);
			ev_io_start(loop, &talking);
			return;
		case STEP_WAIT:
			ev_timer_init(&resting, on_rested, script->ms / 1e3, 0);
			ev_timer_start(loop, &resting);
			return;
		case STEP_CLOSE:
			stop_talking();
			return;
		case STEP_RESET:
			reset();
			return;
		case STEP_END:
			return;
		}
	}
}

static void
on_accept(struct ev_loop *l, ev_io *w, int events)
{
	const int on = 1;

	(void)l;
	(void)events;
	stop_talking();
	connection = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC);
	if (connection < 0)
		return;
	setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	heard_len = 0;
	run_script();
}

static void
serve(int family, const struct step *steps)
{
	uint16_t port;

	script = steps;
	listener = bind_loopback(family, SOCK_STREAM, &port);
	ck_assert_int_eq(listen(listener, 16), 0);
	ck_assert_int_eq(fcntl(listener, F_SETFL, O_NONBLOCK), 0);
	ev_io_init(&accepting, on_accept, listener, EV_READ);
	ev_io_start(loop, &accepting);
	aim_probe(family, port);
}

static void
setup(void)
{
	open_plain_engine();
	fixture.check.type = CHECK_TCP;
	use_check();
	ev_init(&talking, NULL);
	ev_init(&resting, NULL);
	ev_init(&accepting, NULL);
}

static void
teardown(void)
{
	probe_stop(&probe);
	stop_talking();
	ev_io_stop(loop, &accepting);
	if (listener >= 0)
		close(listener);
	listener = -1;
	close_engine();
}

static const struct step silence[] = { { STEP_END, NULL, 0 } };
static const int families[] = { AF_INET, AF_INET6 };

START_TEST(a_port_that_accepts_is_ok)
{
	serve(families[_i], silence);
	ck_assert_int_eq(run_probe(), PROBE_OK);
	ck_assert_str_eq(outcome.text, "");
	assert_duration(0, FIXTURE_TIMEOUT_MS);
	/* And again: a probe may be started anew. */
	ck_assert_int_eq(run_probe(), PROBE_OK);
}
END_TEST

START_TEST(the_socket_has_the_mark)
{
	uint32_t mark = 0;
	socklen_t len = sizeof(mark);

	if (geteuid() != 0) {
		printf("not root: no marks\n");
		return;
	}
	serve(families[_i], silence);
	probe.mark = 0x4c;
	start_probe(&probe);
	ck_assert_int_eq(
	    getsockopt(probe.io.fd, SOL_SOCKET, SO_MARK, &mark, &len), 0);
	ck_assert_uint_eq(mark, 0x4c);
	run_loop(FIXTURE_MAX_RUN_S);
	ck_assert_int_eq(outcome.result, PROBE_OK);
}
END_TEST

START_TEST(a_connection_only_made_is_closed)
{
	struct pollfd pfd = { .events = POLLIN };
	char c;

	serve(AF_INET, silence);
	ck_assert_int_eq(run_probe(), PROBE_OK);
	ev_io_stop(loop, &accepting);
	pfd.fd = connection >= 0 ? connection : accept(listener, NULL, NULL);
	ck_assert_int_ge(pfd.fd, 0);
	ck_assert_int_eq(poll(&pfd, 1, 1000), 1);
	ck_assert_int_eq(recv(pfd.fd, &c, 1, 0), 0);
	if (pfd.fd != connection)
		close(pfd.fd);
}
END_TEST

START_TEST(a_closed_port_refuses_at_once)
{
	uint16_t port;
	const int fd = bind_loopback(families[_i], SOCK_STREAM, &port);

	aim_probe(families[_i], port);
	ck_assert_int_eq(run_probe(), PROBE_CONNECT_REFUSED);
	ck_assert_str_eq(outcome.text, "connection refused");
	assert_duration(0, FIXTURE_TIMEOUT_MS);
	close(fd);
}
END_TEST

/* A backlog that is full lets no SYN in. */
START_TEST(a_host_that_says_nothing_times_out)
{
	int waiting[BACKLOG_TRIES];
	uint16_t port;
	struct sockaddr_in sin = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const int fd = bind_loopback(AF_INET, SOCK_STREAM, &port);

	ck_assert_int_eq(listen(fd, 0), 0);
	sin.sin_port = htons(port);
	for (int i = 0; i < BACKLOG_TRIES; i++) {
		waiting[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		connect(waiting[i], (struct sockaddr *)&sin, sizeof(sin));
	}
	aim_probe(AF_INET, port);
	ck_assert_int_eq(run_probe(), PROBE_CONNECT_TIMEOUT);
	ck_assert_str_eq(outcome.text, "connect timed out after 150 ms");
	assert_duration(FIXTURE_TIMEOUT_MS, 5 * FIXTURE_TIMEOUT_MS);
	for (int i = 0; i < BACKLOG_TRIES; i++)
		close(waiting[i]);
	close(fd);
}
END_TEST

START_TEST(no_route_is_unreachable_and_told_later)
{
	/* No TCP goes to a group, nor to a link without its name. */
	static const char *const nowhere[] = { "224.0.0.1", "ff02::1",
		"fe80::1" };

	probe.addr = address(nowhere[_i]);
	probe.port = 80;
	ck_assert_int_eq(run_probe(), PROBE_UNREACHABLE);
	ck_assert_int_eq(strncmp(outcome.text, "unreachable: ", 13), 0);
}
END_TEST

START_TEST(no_descriptor_is_our_own_trouble)
{
	struct rlimit limit, none;

	fixture.check.type = _i == 0 ? CHECK_TCP : CHECK_AGENT;
	aim_probe(AF_INET, 9);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = limit;
	none.rlim_cur = 3;
	run_probe(); /* the loop has its descriptors now */
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	run_probe();
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	ck_assert_int_eq(outcome.result, PROBE_SKIPPED);
	ck_assert_str_eq(outcome.text,
	    "cannot open a socket: Too many open files");
}
END_TEST

START_TEST(a_banner_is_read_however_it_is_split)
{
	static const struct step whole[] = {
		{ STEP_SAY, "220 mail ready\r\n", 0 }, { STEP_END, NULL, 0 }
	};
	static const struct step split[] = { { STEP_SAY, "22", 0 },
		{ STEP_WAIT, NULL, 10 }, { STEP_SAY, "0 mail r", 0 },
		{ STEP_WAIT, NULL, 10 }, { STEP_SAY, "eady\r\n", 0 },
		{ STEP_END, NULL, 0 } };

	set_text(&fixture.check.expect, "220 mail ready");
	use_check();
	serve(AF_INET, _i == 0 ? whole : split);
	ck_assert_int_eq(run_probe(), PROBE_OK);
}
END_TEST

START_TEST(a_question_is_sent_and_its_answer_matched_by_regex)
{
	static const struct step steps[] = { { STEP_HEAR, "PING\r\n", 0 },
		{ STEP_SAY, "+PO", 0 }, { STEP_WAIT, NULL, 5 },
		{ STEP_SAY, "NG 42\r\n", 0 }, { STEP_END, NULL, 0 } };

	set_text(&fixture.check.send, "PING\r\n");
	strncpy(fixture.check.regex, "^\\+PONG [0-9]+",
	    sizeof(fixture.check.regex) - 1);
	use_check();
	serve(families[_i], steps);
	ck_assert_int_eq(run_probe(), PROBE_OK);
	ck_assert_mem_eq(heard, "PING\r\n", 6);
	ck_assert_uint_eq(heard_len, 6);
}
END_TEST

START_TEST(sending_alone_is_ok_once_all_is_written)
{
	static const struct step steps[] = { { STEP_HEAR, "abc", 0 },
		{ STEP_END, NULL, 0 } };

	set_bytes(&fixture.check.send, "a\0b", 3);
	serve(AF_INET, steps);
	ck_assert_int_eq(run_probe(), PROBE_OK);
	run_loop(0.05);
	ck_assert_uint_eq(heard_len, 3);
	ck_assert_mem_eq(heard, "a\0b", 3);
}
END_TEST

START_TEST(a_server_that_closes_without_a_word_is_told_from_a_wrong_one)
{
	static const struct step mute[] = { { STEP_CLOSE, NULL, 0 } };
	static const struct step wrong[] = { { STEP_SAY, "554 go away", 0 },
		{ STEP_CLOSE, NULL, 0 } };

	set_text(&fixture.check.expect, "220");
	use_check();
	serve(AF_INET, _i == 0 ? mute : wrong);
	run_probe();
	if (_i == 0) {
		ck_assert_int_eq(outcome.result, PROBE_CONNECTION_CLOSED);
		return;
	}
	ck_assert_int_eq(outcome.result, PROBE_WRONG_ANSWER);
	ck_assert_str_eq(outcome.text,
	    "answer \"554 go away\" without what was expected");
}
END_TEST

START_TEST(a_reset_is_a_reset)
{
	static const struct step steps[] = { { STEP_WAIT, NULL, 10 },
		{ STEP_RESET, NULL, 0 } };

	set_text(&fixture.check.expect, "220");
	use_check();
	serve(AF_INET, steps);
	ck_assert_int_eq(run_probe(), PROBE_CONNECTION_RESET);
	ck_assert_str_eq(outcome.text, "connection reset");
}
END_TEST

START_TEST(a_frozen_server_gives_no_answer)
{
	set_text(&fixture.check.send, "PING\r\n");
	set_text(&fixture.check.expect, "PONG");
	use_check();
	serve(AF_INET, silence);
	ck_assert_int_eq(run_probe(), PROBE_NO_ANSWER);
	ck_assert_str_eq(outcome.text, "no answer within 150 ms");
	assert_duration(FIXTURE_TIMEOUT_MS, 5 * FIXTURE_TIMEOUT_MS);
}
END_TEST

START_TEST(half_an_answer_is_a_wrong_one_when_time_is_over)
{
	static const struct step steps[] = { { STEP_SAY, "22", 0 },
		{ STEP_END, NULL, 0 } };

	set_text(&fixture.check.expect, "220");
	use_check();
	serve(AF_INET, steps);
	ck_assert_int_eq(run_probe(), PROBE_WRONG_ANSWER);
	assert_duration(FIXTURE_TIMEOUT_MS, 5 * FIXTURE_TIMEOUT_MS);
}
END_TEST

START_TEST(a_flood_without_what_was_expected_ends_early)
{
	static const struct step steps[] = { { STEP_FLOOD, NULL, 0 },
		{ STEP_END, NULL, 0 } };

	fixture.check.timeout_ms = 5000;
	set_text(&fixture.check.expect, "220");
	use_check();
	serve(AF_INET, steps);
	ck_assert_int_eq(run_probe(), PROBE_WRONG_ANSWER);
	assert_duration(0, 4000);
}
END_TEST

START_TEST(a_stopped_probe_says_nothing_more)
{
	static const struct step steps[] = { { STEP_SAY, "22", 0 },
		{ STEP_END, NULL, 0 } };

	set_text(&fixture.check.expect, "220");
	use_check();
	serve(AF_INET, steps);
	start_probe(&probe);
	if (_i == 1)
		run_loop(0.05);
	probe_stop(&probe);
	probe_stop(&probe);
	ck_assert(!probe.running);
	run_loop(0.2);
	ck_assert_uint_eq(ended, 0);
}
END_TEST

static void
start_again(struct probe *p, const struct probe_outcome *o)
{
	outcome = *o;
	if (++ended < 5)
		probe_start(engine, p);
	else
		ev_break(loop, EVBREAK_ALL);
}

START_TEST(the_owner_may_start_it_again_from_inside_of_done)
{
	uint16_t port;
	const int fd = bind_loopback(AF_INET, SOCK_STREAM, &port);

	aim_probe(AF_INET, port);
	probe.done = start_again;
	start_probe(&probe);
	run_loop(FIXTURE_MAX_RUN_S);
	ck_assert_uint_eq(ended, 5);
	ck_assert_int_eq(outcome.result, PROBE_CONNECT_REFUSED);
	close(fd);
}
END_TEST

static void
free_it(struct probe *p, const struct probe_outcome *o)
{
	outcome = *o;
	free(p);
	ev_break(loop, EVBREAK_ALL);
}

START_TEST(the_owner_may_free_it_from_inside_of_done)
{
	static const struct step steps[] = { { STEP_SAY, "220", 0 },
		{ STEP_END, NULL, 0 } };
	struct probe *p = malloc(sizeof(*p));

	set_text(&fixture.check.expect, "220");
	use_check();
	serve(AF_INET, steps);
	outcome.result = PROBE_RESULTS;
	*p = probe;
	p->done = free_it;
	start_probe(p);
	run_loop(FIXTURE_MAX_RUN_S);
	ck_assert_int_eq(outcome.result, PROBE_OK);
}
END_TEST

/* The loop finds both at once, an answer and the time that is over. */
START_TEST(an_answer_that_waited_for_us_counts_after_the_timeout)
{
	set_text(&fixture.check.expect, "220");
	use_check();
	serve(AF_INET, silence);
	ev_io_stop(loop, &accepting);
	start_probe(&probe);
	while (!probe.connected)
		ev_run(loop, EVRUN_ONCE);
	connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	ck_assert_int_ge(connection, 0);
	ck_assert_int_eq(send(connection, "220", 3, MSG_NOSIGNAL), 3);
	usleep(2000 * FIXTURE_TIMEOUT_MS);
	ck_assert_uint_eq(ended, 0);
	run_loop(FIXTURE_MAX_RUN_S);
	ck_assert_int_eq(outcome.result, PROBE_OK);
}
END_TEST

static const struct {
	const char *says;
	enum probe_result result;
	const char *text;
} agents[] = {
	{ "75%\n", PROBE_OK, "" },
	{ "up 50% maxconn:30\r\n", PROBE_OK, "" },
	{ "drain\n", PROBE_OK, "" },
	{ "down #disk is full\n", PROBE_AGENT_DOWN,
	    "agent says down: disk is full" },
	{ "down\n", PROBE_AGENT_DOWN, "agent says down" },
	{ "splendid\n", PROBE_NO_AGENT,
	    "the agent says \"splendid\", which is no word for it" },
	{ "\n", PROBE_NO_AGENT, "the agent says nothing" },
};

START_TEST(an_agent_is_heard)
{
	const struct step steps[] = { { STEP_SAY, agents[_i].says, 0 },
		{ STEP_END, NULL, 0 } };
	const bool spoke = agents[_i].result != PROBE_NO_AGENT;

	fixture.check.type = CHECK_AGENT;
	use_check();
	serve(AF_INET, steps);
	ck_assert_int_eq(run_probe(), agents[_i].result);
	ck_assert_str_eq(outcome.text, agents[_i].text);
	ck_assert_int_eq(outcome.has_agent, spoke);
	if (_i == 0) {
		ck_assert(outcome.agent.has_percent);
		ck_assert_uint_eq(outcome.agent.percent, 75);
	}
	assert_duration(0, FIXTURE_TIMEOUT_MS);
}
END_TEST

START_TEST(an_agent_is_asked_and_may_close_without_a_newline)
{
	static const struct step steps[] = { { STEP_HEAR, "weight?\n", 0 },
		{ STEP_SAY, "40", 0 }, { STEP_WAIT, NULL, 10 },
		{ STEP_SAY, "%", 0 }, { STEP_CLOSE, NULL, 0 } };

	fixture.check.type = CHECK_AGENT;
	set_text(&fixture.check.send, "weight?\n");
	use_check();
	serve(AF_INET6, steps);
	ck_assert_int_eq(run_probe(), PROBE_OK);
	ck_assert_uint_eq(outcome.agent.percent, 40);
}
END_TEST

START_TEST(an_agent_that_cannot_be_asked_is_no_failure)
{
	uint16_t port;
	const int fd = bind_loopback(AF_INET, SOCK_STREAM, &port);

	fixture.check.type = CHECK_AGENT;
	use_check();
	aim_probe(AF_INET, port);
	ck_assert_int_eq(run_probe(), PROBE_NO_AGENT);
	ck_assert_str_eq(outcome.text, "connection refused");
	ck_assert(!outcome.has_agent);
	serve(AF_INET, silence);
	ck_assert_int_eq(run_probe(), PROBE_NO_AGENT);
	ck_assert_str_eq(outcome.text, "no answer within 150 ms");
	close(fd);
}
END_TEST

static void
add_conversations(TCase *tcase)
{
	tcase_add_loop_test(tcase, a_banner_is_read_however_it_is_split, 0, 2);
	tcase_add_loop_test(tcase,
	    a_question_is_sent_and_its_answer_matched_by_regex, 0, 2);
	tcase_add_test(tcase, sending_alone_is_ok_once_all_is_written);
	tcase_add_loop_test(tcase,
	    a_server_that_closes_without_a_word_is_told_from_a_wrong_one, 0, 2);
	tcase_add_test(tcase, a_reset_is_a_reset);
	tcase_add_test(tcase, a_frozen_server_gives_no_answer);
	tcase_add_test(tcase, half_an_answer_is_a_wrong_one_when_time_is_over);
	tcase_add_test(tcase, a_flood_without_what_was_expected_ends_early);
	tcase_add_test(tcase,
	    an_answer_that_waited_for_us_counts_after_the_timeout);
}

int
main(void)
{
	const int nagents = sizeof(agents) / sizeof(agents[0]);
	Suite *suite = suite_create("probe_tcp");
	TCase *plain = tcase_create("plain"), *talk = tcase_create("talk"),
	      *owner = tcase_create("owner"), *agent = tcase_create("agent");

	tcase_add_checked_fixture(plain, setup, teardown);
	tcase_add_loop_test(plain, a_port_that_accepts_is_ok, 0, 2);
	tcase_add_loop_test(plain, the_socket_has_the_mark, 0, 2);
	tcase_add_test(plain, a_connection_only_made_is_closed);
	tcase_add_loop_test(plain, a_closed_port_refuses_at_once, 0, 2);
	tcase_add_test(plain, a_host_that_says_nothing_times_out);
	tcase_add_loop_test(plain, no_route_is_unreachable_and_told_later, 0,
	    3);
	tcase_add_loop_test(plain, no_descriptor_is_our_own_trouble, 0, 2);
	tcase_add_checked_fixture(talk, setup, teardown);
	add_conversations(talk);
	tcase_add_checked_fixture(owner, setup, teardown);
	tcase_add_loop_test(owner, a_stopped_probe_says_nothing_more, 0, 2);
	tcase_add_test(owner, the_owner_may_start_it_again_from_inside_of_done);
	tcase_add_test(owner, the_owner_may_free_it_from_inside_of_done);
	tcase_add_checked_fixture(agent, setup, teardown);
	tcase_add_loop_test(agent, an_agent_is_heard, 0, nagents);
	tcase_add_test(agent,
	    an_agent_is_asked_and_may_close_without_a_newline);
	tcase_add_test(agent, an_agent_that_cannot_be_asked_is_no_failure);
	suite_add_tcase(suite, plain);
	suite_add_tcase(suite, talk);
	suite_add_tcase(suite, owner);
	suite_add_tcase(suite, agent);
	return run_suite(suite);
}
