/*
 * test_probe_udp.c - udp and dns checks against a server on loopback that
 * answers what a test tells it to.
 */
#include "loaded/dns_msg.h"
#include "loaded/probe.h"
#include "probe_fixture.h"
#include "runner.h"

#include <check.h>
#include <netinet/in.h>

#define MAX_REPLIES 3
#define DNS_FLAGS_OFF 2
#define DNS_ANCOUNT_OFF 7

typedef size_t answer_fn(uint8_t *out, const uint8_t *query, size_t len);

static int server = -1;
static ev_io serving;
static const char *replies[MAX_REPLIES + 1];
static answer_fn *answers[MAX_REPLIES + 1];
static uint8_t heard[1024];
static ssize_t heard_len;

static void
on_datagram(struct ev_loop *l, ev_io *w, int events)
{
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);
	uint8_t out[DNS_MSG_MAX];

	(void)l;
	(void)events;
	heard_len = recvfrom(w->fd, heard, sizeof(heard), 0,
	    (struct sockaddr *)&from, &len);
	ck_assert_int_ge(heard_len, 0);
	for (int i = 0; replies[i] != NULL; i++)
		sendto(w->fd, replies[i], strlen(replies[i]), 0,
		    (struct sockaddr *)&from, len);
	for (int i = 0; answers[i] != NULL; i++) {
		const size_t n = answers[i](out, heard, (size_t)heard_len);

		sendto(w->fd, out, n, 0, (struct sockaddr *)&from, len);
	}
}

static void
serve(int family)
{
	uint16_t port;

	server = bind_loopback(family, SOCK_DGRAM, &port);
	ev_io_init(&serving, on_datagram, server, EV_READ);
	ev_io_start(loop, &serving);
	aim_probe(family, port);
}

static void
setup(void)
{
	open_plain_engine();
	fixture.check.type = CHECK_UDP;
	use_check();
	ev_init(&serving, NULL);
	memset(replies, 0, sizeof(replies));
	memset(answers, 0, sizeof(answers));
	heard_len = -1;
}

static void
setup_dns(void)
{
	setup();
	fixture.check.type = CHECK_DNS;
	fixture.check.record = 1;
	strncpy(fixture.check.name, "www.example.org",
	    sizeof(fixture.check.name) - 1);
	strncpy(fixture.check.answer, "192.0.2.1",
	    sizeof(fixture.check.answer) - 1);
}

static void
teardown(void)
{
	probe_stop(&probe);
	ev_io_stop(loop, &serving);
	if (server >= 0)
		close(server);
	server = -1;
	close_engine();
}

static const int families[] = { AF_INET, AF_INET6 };

START_TEST(a_closed_port_is_known_at_once)
{
	uint16_t port;
	const int fd = bind_loopback(families[_i], SOCK_DGRAM, &port);

	close(fd);
	set_text(&fixture.check.send, "hello");
	aim_probe(families[_i], port);
	ck_assert_int_eq(run_probe(), PROBE_PORT_UNREACHABLE);
	ck_assert_str_eq(outcome.text, "port unreachable");
	assert_duration(0, FIXTURE_TIMEOUT_MS);
}
END_TEST

START_TEST(silence_is_ok_where_nothing_is_expected)
{
	set_text(&fixture.check.send, "hello");
	serve(families[_i]);
	ck_assert_int_eq(run_probe(), PROBE_OK);
	assert_duration(FIXTURE_TIMEOUT_MS, 5 * FIXTURE_TIMEOUT_MS);
	ck_assert_int_eq(heard_len, 5);
}
END_TEST

START_TEST(any_datagram_is_ok_where_nothing_is_expected)
{
	fixture.check.timeout_ms = 5000;
	replies[0] = "whatever";
	serve(families[_i]);
	ck_assert_int_eq(run_probe(), PROBE_OK);
	assert_duration(0, 4000);
	/* Nothing to send: one empty datagram. */
	ck_assert_int_eq(heard_len, 0);
}
END_TEST

START_TEST(the_answer_expected_is_ok_and_another_is_not)
{
	fixture.check.timeout_ms = 5000;
	set_bytes(&fixture.check.send, "\0q", 2);
	set_text(&fixture.check.expect, "pong");
	strncpy(fixture.check.regex, "p[aeiou]ng$",
	    sizeof(fixture.check.regex) - 1);
	use_check();
	serve(AF_INET);
	replies[0] = "a pong";
	ck_assert_int_eq(run_probe(), PROBE_OK);
	ck_assert_mem_eq(heard, "\0q", 2);
	replies[0] = "a pong and more";
	ck_assert_int_eq(run_probe(), PROBE_WRONG_ANSWER);
	ck_assert_str_eq(outcome.text,
	    "answer \"a pong and more\" without what was expected");
	assert_duration(0, 4000);
}
END_TEST

START_TEST(silence_is_a_failure_where_something_is_expected)
{
	set_text(&fixture.check.expect, "pong");
	use_check();
	serve(AF_INET);
	ck_assert_int_eq(run_probe(), PROBE_NO_ANSWER);
	ck_assert_str_eq(outcome.text, "no answer within 150 ms");
}
END_TEST

static void
send_from_elsewhere(struct ev_loop *l, ev_io *w, int events)
{
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);
	uint16_t port;
	const int other = bind_loopback(AF_INET, SOCK_DGRAM, &port);

	(void)l;
	(void)events;
	recvfrom(w->fd, heard, sizeof(heard), 0, (struct sockaddr *)&from,
	    &len);
	sendto(other, "pong", 4, 0, (struct sockaddr *)&from, len);
	close(other);
}

START_TEST(what_others_send_is_not_heard)
{
	set_text(&fixture.check.expect, "pong");
	use_check();
	serve(AF_INET);
	ev_set_cb(&serving, send_from_elsewhere);
	ck_assert_int_eq(run_probe(), PROBE_NO_ANSWER);
}
END_TEST

START_TEST(a_stopped_probe_says_nothing_more)
{
	replies[0] = "pong";
	serve(AF_INET);
	start_probe(&probe);
	probe_stop(&probe);
	probe_stop(&probe);
	run_loop(0.2);
	ck_assert_uint_eq(ended, 0);
}
END_TEST

/* The question with the head of an answer, and one A record: 192.0.2.1. */
static size_t
answer_well(uint8_t *out, const uint8_t *query, size_t len)
{
	static const uint8_t record[] = { 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0,
		4, 192, 0, 2, 1 };

	memcpy(out, query, len);
	out[DNS_FLAGS_OFF] |= 0x80;
	out[DNS_ANCOUNT_OFF] = 1;
	memcpy(out + len, record, sizeof(record));
	return len + sizeof(record);
}

static size_t
answer_other_id(uint8_t *out, const uint8_t *query, size_t len)
{
	const size_t n = answer_well(out, query, len);

	out[0] ^= 1;
	return n;
}

static size_t
answer_other_address(uint8_t *out, const uint8_t *query, size_t len)
{
	const size_t n = answer_well(out, query, len);

	out[n - 1] = 99;
	return n;
}

static size_t
answer_servfail(uint8_t *out, const uint8_t *query, size_t len)
{
	memcpy(out, query, len);
	out[DNS_FLAGS_OFF] |= 0x80;
	out[DNS_FLAGS_OFF + 1] |= 2;
	return len;
}

static size_t
answer_cut(uint8_t *out, const uint8_t *query, size_t len)
{
	return answer_well(out, query, len) - 3;
}

START_TEST(a_good_dns_answer_is_ok)
{
	uint16_t id;

	answers[0] = answer_well;
	serve(families[_i]);
	ck_assert_int_eq(run_probe(), PROBE_OK);
	ck_assert_str_eq(outcome.text, "");
	memcpy(&id, heard, sizeof(id));
	ck_assert_int_eq(run_probe(), PROBE_OK);
	/* Off by chance once in 65536 runs. */
	if (memcmp(&id, heard, sizeof(id)) == 0)
		ck_assert_int_eq(run_probe(), PROBE_OK);
	ck_assert_mem_ne(&id, heard, sizeof(id));
}
END_TEST

START_TEST(an_answer_to_another_question_is_waited_through)
{
	answers[0] = answer_other_id;
	serve(AF_INET);
	ck_assert_int_eq(run_probe(), PROBE_NO_ANSWER);
	answers[1] = answer_well;
	ck_assert_int_eq(run_probe(), PROBE_OK);
}
END_TEST

static const struct {
	answer_fn *answer;
	enum probe_result result;
} bad_dns[] = {
	{ answer_servfail, PROBE_DNS_RCODE },
	{ answer_other_address, PROBE_DNS_ANSWER },
	{ answer_cut, PROBE_DNS_MALFORMED },
};

START_TEST(a_bad_dns_answer_has_its_name)
{
	answers[0] = bad_dns[_i].answer;
	serve(AF_INET);
	ck_assert_int_eq(run_probe(), bad_dns[_i].result);
	ck_assert_str_ne(outcome.text, "");
	assert_duration(0, FIXTURE_TIMEOUT_MS);
}
END_TEST

START_TEST(a_silent_dns_server_is_a_failure)
{
	serve(AF_INET);
	ck_assert_int_eq(run_probe(), PROBE_NO_ANSWER);
}
END_TEST

START_TEST(a_name_that_is_none_is_our_own_trouble)
{
	strncpy(fixture.check.name, "a..b", sizeof(fixture.check.name) - 1);
	serve(AF_INET);
	ck_assert_int_eq(run_probe(), PROBE_SKIPPED);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("probe_udp");
	TCase *udp = tcase_create("udp"), *dns = tcase_create("dns");

	tcase_add_checked_fixture(udp, setup, teardown);
	tcase_add_loop_test(udp, a_closed_port_is_known_at_once, 0, 2);
	tcase_add_loop_test(udp, silence_is_ok_where_nothing_is_expected, 0, 2);
	tcase_add_loop_test(udp, any_datagram_is_ok_where_nothing_is_expected,
	    0, 2);
	tcase_add_test(udp, the_answer_expected_is_ok_and_another_is_not);
	tcase_add_test(udp, silence_is_a_failure_where_something_is_expected);
	tcase_add_test(udp, what_others_send_is_not_heard);
	tcase_add_test(udp, a_stopped_probe_says_nothing_more);
	tcase_add_checked_fixture(dns, setup_dns, teardown);
	tcase_add_loop_test(dns, a_good_dns_answer_is_ok, 0, 2);
	tcase_add_test(dns, an_answer_to_another_question_is_waited_through);
	tcase_add_loop_test(dns, a_bad_dns_answer_has_its_name, 0, 3);
	tcase_add_test(dns, a_silent_dns_server_is_a_failure);
	tcase_add_test(dns, a_name_that_is_none_is_our_own_trouble);
	suite_add_tcase(suite, udp);
	suite_add_tcase(suite, dns);
	return run_suite(suite);
}
