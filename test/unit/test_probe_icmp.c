/*
 * test_probe_icmp.c - echo checks on loopback, where 127.0.0.0/8 is as many
 * backends as one likes, and forged answers, which any raw socket can send.
 * Needs root, for raw sockets and a network of its own.
 */
#include "loaded/icmp_echo.h"
#include "loaded/probe.h"
#include "probe_fixture.h"
#include "runner.h"

#include <check.h>
#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#ifndef SO_RCVMARK
#define SO_RCVMARK 75 /* Linux 5.19 */
#endif
#define MANY 1000
#define IP_HEADER_LEN 20
#define UNREACHABLE_LEN (8 + IP_HEADER_LEN + ICMP_ECHO_LEN)
#define SILENT_HOST "127.0.0.9"

static int icmp4, icmp6;
static struct probe many[MANY];
static struct addr found[4];
static unsigned int nfound;

static void
write_setting(const char *path, const char *value)
{
	FILE *file = fopen(path, "w");

	ck_assert_ptr_nonnull(file);
	ck_assert_int_ge(fputs(value, file), 0);
	ck_assert_int_eq(fclose(file), 0);
}

/* A network of the test's own, with nothing in it but loopback. */
static void
enter_network(void)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	const int fd = unshare(CLONE_NEWNET) == 0 ?
	    socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0) :
	    -1;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ioctl(fd, SIOCSIFFLAGS, &lo), 0);
	close(fd);
}

/* Nobody answers but the test. */
static void
make_silent(void)
{
	write_setting("/proc/sys/net/ipv4/icmp_echo_ignore_all", "1");
	write_setting("/proc/sys/net/ipv6/icmp/echo_ignore_all", "1");
}

static int
open_raw(int family, int protocol)
{
	const int fd = socket(family, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC,
	    protocol);

	ck_assert_int_ge(fd, 0);
	return fd;
}

static void
on_found(void *arg, const struct addr *from)
{
	ck_assert_ptr_eq(arg, found);
	if (nfound < 4)
		found[nfound] = *from;
	nfound++;
}

static void
setup(void)
{
	enter_network();
	icmp4 = open_raw(AF_INET, IPPROTO_ICMP);
	icmp6 = open_raw(AF_INET6, IPPROTO_ICMPV6);
	open_engine((struct probe_engine_conf){ .icmp4 = icmp4,
	    .icmp6 = icmp6,
	    .checker = -1,
	    .supervisor = -1,
	    .found = on_found,
	    .found_arg = found });
	use_check();
	nfound = 0;
}

static void
teardown(void)
{
	close_engine();
	close(icmp4);
	close(icmp6);
}

START_TEST(a_host_that_answers_is_ok)
{
	static const char *const hosts[] = { "127.0.0.1", "127.1.2.3", "::1" };

	probe.addr = address(hosts[_i]);
	probe.port = 80; /* of the backend; means nothing here */
	ck_assert_int_eq(run_probe(), PROBE_OK);
	ck_assert_str_eq(outcome.text, "");
	assert_duration(0, FIXTURE_TIMEOUT_MS);
	ck_assert_int_eq(run_probe(), PROBE_OK);
}
END_TEST

/* Of the next message; loopback keeps what the sender gave it. */
static uint32_t
receive_mark(int fd)
{
	_Alignas(struct cmsghdr) char control[64];
	uint8_t data[512];
	struct iovec iov = { .iov_base = data, .iov_len = sizeof(data) };
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control) };
	const struct cmsghdr *cmsg;
	uint32_t mark;

	ck_assert_int_gt(recvmsg(fd, &msg, 0), 0);
	cmsg = CMSG_FIRSTHDR(&msg);
	ck_assert_ptr_nonnull(cmsg);
	ck_assert_int_eq(cmsg->cmsg_type, SO_MARK);
	memcpy(&mark, CMSG_DATA(cmsg), sizeof(mark));
	return mark;
}

START_TEST(a_mark_goes_with_the_request)
{
	const int on = 1;
	const int ear = _i == 0 ? open_raw(AF_INET, IPPROTO_ICMP) :
				  open_raw(AF_INET6, IPPROTO_ICMPV6);

	probe.addr = address(_i == 0 ? "127.0.0.1" : "::1");
	probe.mark = 0x4c;
	if (setsockopt(ear, SOL_SOCKET, SO_RCVMARK, &on, sizeof(on)) < 0) {
		printf("marks cannot be read: %s\n", strerror(errno));
		ck_assert_int_eq(run_probe(), PROBE_OK);
	} else {
		ck_assert_int_eq(run_probe(), PROBE_OK);
		ck_assert_uint_eq(receive_mark(ear), 0x4c);
	}
	close(ear);
}
END_TEST

START_TEST(an_answer_that_waited_for_us_counts_after_the_timeout)
{
	probe.addr = address("127.0.0.1");
	start_probe(&probe);
	ev_run(loop, EVRUN_NOWAIT);
	if (ended == 0) {
		usleep(2000 * FIXTURE_TIMEOUT_MS);
		run_loop(FIXTURE_MAX_RUN_S);
	}
	ck_assert_int_eq(outcome.result, PROBE_OK);
}
END_TEST

START_TEST(silence_is_no_answer)
{
	make_silent();
	probe.addr = address(_i == 0 ? SILENT_HOST : "::1");
	ck_assert_int_eq(run_probe(), PROBE_NO_ANSWER);
	ck_assert_str_eq(outcome.text, "no echo reply within 150 ms");
	assert_duration(FIXTURE_TIMEOUT_MS, 5 * FIXTURE_TIMEOUT_MS);
}
END_TEST

START_TEST(without_a_socket_the_probe_is_skipped)
{
	struct probe_engine *with = engine;
	const struct probe_engine_conf conf = { .loop = loop,
		.icmp4 = -1,
		.icmp6 = icmp6,
		.checker = -1,
		.supervisor = -1 };

	engine = probe_engine_new(&conf);
	probe.addr = address("127.0.0.1");
	ck_assert_int_eq(run_probe(), PROBE_SKIPPED);
	ck_assert_int_eq(probe_icmp_call(engine, &probe.addr, NULL), -ENOTSOCK);
	probe_engine_free(engine);
	engine = with;
}
END_TEST

static unsigned int results[PROBE_RESULTS];

static void
count_result(struct probe *p, const struct probe_outcome *o)
{
	on_done(p, o);
	results[o->result]++;
}

static void
start_many(void)
{
	char text[ADDR_STRLEN];

	memset(results, 0, sizeof(results));
	probe.done = count_result;
	fixture.check.timeout_ms = 5000;
	expected_ends = MANY;
	for (unsigned int i = 0; i < MANY; i++) {
		many[i] = probe;
		snprintf(text, sizeof(text), "127.1.%u.%u", i / 250,
		    1 + i % 250);
		many[i].addr = address(text);
	}
}

START_TEST(a_thousand_at_once_are_all_answered)
{
	start_many();
	for (int i = 0; i < MANY; i++)
		start_probe(&many[i]);
	run_loop(FIXTURE_MAX_RUN_S);
	ck_assert_uint_eq(results[PROBE_OK], MANY);
}
END_TEST

/* In a network without routes, and in one batch with those that work. */
START_TEST(an_address_without_route_fails_alone)
{
	start_many();
	for (int i = 0; i < MANY; i++) {
		if (i % 3 == 0)
			many[i].addr = address("192.0.2.1");
		start_probe(&many[i]);
	}
	run_loop(FIXTURE_MAX_RUN_S);
	ck_assert_uint_eq(results[PROBE_UNREACHABLE], (MANY + 2) / 3);
	ck_assert_uint_eq(results[PROBE_OK], MANY - (MANY + 2) / 3);
	probe.addr = address("fe80::1");
	ck_assert_int_eq(run_probe(), PROBE_UNREACHABLE);
	ck_assert_int_eq(strncmp(outcome.text, "unreachable: ", 13), 0);
}
END_TEST

START_TEST(those_stopped_are_not_heard_of_and_not_sent)
{
	enum { STARTED = 100 }; /* that many fit into the ear */
	const int ear = open_raw(AF_INET, IPPROTO_ICMP);
	uint8_t data[512];
	int requests = 0;

	start_many();
	expected_ends = STARTED / 2;
	for (int i = 0; i < STARTED; i++)
		start_probe(&many[i]);
	for (int i = 0; i < STARTED; i += 2) {
		probe_stop(&many[i]);
		probe_stop(&many[i]);
	}
	run_loop(FIXTURE_MAX_RUN_S);
	run_loop(0.05);
	ck_assert_uint_eq(ended, STARTED / 2);
	ck_assert_uint_eq(results[PROBE_OK], STARTED / 2);
	while (recv(ear, data, sizeof(data), 0) > 0)
		requests += data[IP_HEADER_LEN] == ICMP_ECHO;
	ck_assert_int_eq(requests, STARTED / 2);
	close(ear);
}
END_TEST

/* The next echo request that a socket without a filter sees. */
static void
overhear(int fd, bool v4, uint8_t icmp[static ICMP_ECHO_LEN])
{
	const size_t skip = v4 ? IP_HEADER_LEN : 0;
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	uint8_t data[512];

	while (poll(&pfd, 1, 1000) == 1) {
		const ssize_t n = recv(fd, data, sizeof(data), 0);

		if (n == (ssize_t)(skip + ICMP_ECHO_LEN) &&
		    data[skip] == (v4 ? ICMP_ECHO : ICMP6_ECHO_REQUEST)) {
			memcpy(icmp, data + skip, ICMP_ECHO_LEN);
			return;
		}
	}
	ck_abort_msg("no request was seen");
}

/* Starts the probe and returns its request, which stays unanswered. */
static void
start_unanswered(const char *host, uint8_t icmp[static ICMP_ECHO_LEN])
{
	int ear;

	make_silent();
	probe.addr = address(host);
	ear = addr_is_v4(&probe.addr) ? open_raw(AF_INET, IPPROTO_ICMP) :
					open_raw(AF_INET6, IPPROTO_ICMPV6);
	start_probe(&probe);
	ev_run(loop, EVRUN_NOWAIT);
	overhear(ear, addr_is_v4(&probe.addr), icmp);
	ck_assert(probe.running);
	close(ear);
}

static void
seal(uint8_t *icmp, size_t len)
{
	uint32_t sum = 0;

	icmp[2] = icmp[3] = 0;
	for (size_t i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)(icmp[i] << 8 | icmp[i + 1]);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	icmp[2] = (uint8_t)(~sum >> 8);
	icmp[3] = (uint8_t)~sum;
}

/* To 127.0.0.1, from any address of loopback. */
static void
forge(const char *from, uint8_t *icmp, size_t len)
{
	const struct addr source = address(from);
	struct sockaddr_in sin = { .sin_family = AF_INET };
	const struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const int fd = open_raw(AF_INET, IPPROTO_ICMP);

	seal(icmp, len);
	memcpy(&sin.sin_addr, &source.b[12], 4);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	ck_assert_int_eq(sendto(fd, icmp, len, 0, (const void *)&to,
			     sizeof(to)),
	    (ssize_t)len);
	close(fd);
}

static void
forge_v6(const uint8_t *icmp, size_t len)
{
	const struct sockaddr_in6 to = { .sin6_family = AF_INET6,
		.sin6_addr = IN6ADDR_LOOPBACK_INIT };
	const int fd = open_raw(AF_INET6, IPPROTO_ICMPV6);

	ck_assert_int_eq(sendto(fd, icmp, len, 0, (const void *)&to,
			     sizeof(to)),
	    (ssize_t)len);
	close(fd);
}

/* One byte of the message is changed: id, seq, index, nonce; -1: none. */
static const int changes[] = { -1, 4, 5, 6, 7, 8, 11, 12, 19 };

START_TEST(a_reply_counts_only_if_all_of_it_is_right)
{
	uint8_t icmp[ICMP_ECHO_LEN];
	const int at = changes[_i / 2];
	const bool v4 = _i % 2 == 0;

	start_unanswered(v4 ? SILENT_HOST : "::1", icmp);
	icmp[0] = v4 ? ICMP_ECHOREPLY : ICMP6_ECHO_REPLY;
	if (at >= 0)
		icmp[at] ^= 1;
	if (v4)
		forge(SILENT_HOST, icmp, sizeof(icmp));
	else
		forge_v6(icmp, sizeof(icmp));
	run_loop(FIXTURE_MAX_RUN_S);
	ck_assert_int_eq(outcome.result, at < 0 ? PROBE_OK : PROBE_NO_ANSWER);
}
END_TEST

START_TEST(an_answer_from_elsewhere_is_told_as_such)
{
	uint8_t icmp[ICMP_ECHO_LEN];

	start_unanswered(SILENT_HOST, icmp);
	icmp[0] = ICMP_ECHOREPLY;
	forge("127.0.0.10", icmp, sizeof(icmp));
	run_loop(FIXTURE_MAX_RUN_S);
	ck_assert_int_eq(outcome.result, PROBE_WRONG_ADDRESS);
	ck_assert_str_eq(outcome.text,
	    "answer from 127.0.0.10, which is another address");
}
END_TEST

START_TEST(a_late_answer_does_not_help_the_next_probe)
{
	uint8_t icmp[ICMP_ECHO_LEN];

	start_unanswered(SILENT_HOST, icmp);
	run_loop(FIXTURE_MAX_RUN_S);
	ck_assert_int_eq(outcome.result, PROBE_NO_ANSWER);
	start_probe(&probe);
	ev_run(loop, EVRUN_NOWAIT);
	icmp[0] = ICMP_ECHOREPLY;
	forge(SILENT_HOST, icmp, sizeof(icmp));
	expected_ends = 2;
	run_loop(FIXTURE_MAX_RUN_S);
	ck_assert_uint_eq(ended, 2);
	ck_assert_int_eq(outcome.result, PROBE_NO_ANSWER);
}
END_TEST

static void
quote(uint8_t out[static UNREACHABLE_LEN], uint8_t code, const char *to,
    const uint8_t icmp[static ICMP_ECHO_LEN])
{
	const struct addr quoted = address(to);
	uint8_t *ip = out + 8;

	memset(out, 0, UNREACHABLE_LEN);
	out[0] = ICMP_DEST_UNREACH;
	out[1] = code;
	ip[0] = 0x45;
	ip[3] = IP_HEADER_LEN + ICMP_ECHO_LEN;
	ip[8] = 64;
	ip[9] = IPPROTO_ICMP;
	ip[12] = 127;
	ip[15] = 1;
	memcpy(ip + 16, &quoted.b[12], 4);
	memcpy(ip + IP_HEADER_LEN, icmp, ICMP_ECHO_LEN);
}

static const struct {
	const char *to;
	int changed; /* byte of the quoted request, -1: none */
	size_t cut;  /* bytes of it that are missing */
	uint8_t code;
	const char *text; /* NULL: ignored */
} quotes[] = {
	{ SILENT_HOST, -1, 0, 1, "host unreachable, says 127.0.0.77" },
	{ SILENT_HOST, -1, 0, 3, "port unreachable, says 127.0.0.77" },
	{ SILENT_HOST, -1, 0, 13,
	    "communication administratively prohibited, says 127.0.0.77" },
	{ SILENT_HOST, -1, 0, 200, "unreachable, says 127.0.0.77" },
	/* As much as RFC 792 asks for: without our payload. */
	{ SILENT_HOST, -1, 24, 1, "host unreachable, says 127.0.0.77" },
	{ "127.0.0.8", -1, 0, 1, NULL },
	{ "127.0.0.8", -1, 24, 1, NULL },
	{ SILENT_HOST, 4, 0, 1, NULL },
	{ SILENT_HOST, 7, 0, 1, NULL },
	{ SILENT_HOST, 7, 24, 1, NULL },
	{ SILENT_HOST, 8, 0, 1, NULL },
	{ SILENT_HOST, 15, 0, 1, NULL },
};

START_TEST(an_error_counts_only_if_it_quotes_the_request)
{
	uint8_t icmp[ICMP_ECHO_LEN], error[UNREACHABLE_LEN];

	start_unanswered(SILENT_HOST, icmp);
	if (quotes[_i].changed >= 0)
		icmp[quotes[_i].changed] ^= 1;
	quote(error, quotes[_i].code, quotes[_i].to, icmp);
	forge("127.0.0.77", error, sizeof(error) - quotes[_i].cut);
	run_loop(FIXTURE_MAX_RUN_S);
	if (quotes[_i].text == NULL) {
		ck_assert_int_eq(outcome.result, PROBE_NO_ANSWER);
		return;
	}
	ck_assert_int_eq(outcome.result, PROBE_UNREACHABLE);
	ck_assert_str_eq(outcome.text, quotes[_i].text);
}
END_TEST

START_TEST(who_answers_a_call_is_found)
{
	static const char *const calls[] = { "127.255.255.255", "127.5.6.7",
		"::1" };
	static const char *const answer_from[] = { "127.0.0.1", "127.5.6.7",
		"::1" };
	const struct addr to = address(calls[_i]);
	const struct addr expected = address(answer_from[_i]);
	const struct addr own = address(_i < 2 ? "127.0.0.1" : "::1");

	write_setting("/proc/sys/net/ipv4/icmp_echo_ignore_broadcasts", "0");
	ck_assert_int_eq(probe_icmp_call(engine, &to, NULL), 0);
	run_loop(0.05);
	ck_assert_uint_eq(nfound, 1);
	ck_assert(addr_equal(&found[0], &expected));
	ck_assert_int_eq(probe_icmp_call(engine, &to, &own), 0);
	run_loop(0.05);
	ck_assert_uint_eq(nfound, 2);
	ck_assert(addr_equal(&found[1], &expected));
}
END_TEST

START_TEST(a_call_that_cannot_be_sent_says_so)
{
	const struct addr to = address("192.0.2.255");
	const struct addr lo = address("127.0.0.1");
	const struct addr foreign = address("192.0.2.1");

	ck_assert_int_eq(probe_icmp_call(engine, &to, NULL), -ENETUNREACH);
	ck_assert_int_lt(probe_icmp_call(engine, &lo, &foreign), 0);
	run_loop(0.05);
	ck_assert_uint_eq(nfound, 0);
}
END_TEST

START_TEST(the_last_calls_can_be_answered_and_no_older_one)
{
	enum { KEPT = 16 };
	const struct addr to = address(SILENT_HOST);
	uint8_t icmp[KEPT + 1][ICMP_ECHO_LEN];
	const int ear = open_raw(AF_INET, IPPROTO_ICMP);

	make_silent();
	for (int i = 0; i <= KEPT; i++) {
		ck_assert_int_eq(probe_icmp_call(engine, &to, NULL), 0);
		overhear(ear, true, icmp[i]);
	}
	for (int i = 0; i <= KEPT; i++) {
		icmp[i][0] = ICMP_ECHOREPLY;
		forge("127.0.0.20", icmp[i], ICMP_ECHO_LEN);
		run_loop(0.02);
		ck_assert_uint_eq(nfound, (unsigned int)i);
	}
	icmp[KEPT][15] ^= 1;
	forge("127.0.0.20", icmp[KEPT], ICMP_ECHO_LEN);
	run_loop(0.05);
	ck_assert_uint_eq(nfound, KEPT);
	close(ear);
}
END_TEST

static void
add_forgeries(TCase *tcase)
{
	const int nchanges = sizeof(changes) / sizeof(changes[0]);
	const int nquotes = sizeof(quotes) / sizeof(quotes[0]);

	tcase_add_loop_test(tcase, a_reply_counts_only_if_all_of_it_is_right, 0,
	    2 * nchanges);
	tcase_add_test(tcase, an_answer_from_elsewhere_is_told_as_such);
	tcase_add_test(tcase, a_late_answer_does_not_help_the_next_probe);
	tcase_add_loop_test(tcase,
	    an_error_counts_only_if_it_quotes_the_request, 0, nquotes);
}

static void
add_tests(Suite *suite)
{
	TCase *one = tcase_create("one"), *lots = tcase_create("many"),
	      *forged = tcase_create("forged"), *call = tcase_create("call");

	tcase_add_checked_fixture(one, setup, teardown);
	tcase_add_loop_test(one, a_host_that_answers_is_ok, 0, 3);
	tcase_add_loop_test(one, a_mark_goes_with_the_request, 0, 2);
	tcase_add_loop_test(one, silence_is_no_answer, 0, 2);
	tcase_add_test(one, without_a_socket_the_probe_is_skipped);
	tcase_add_test(one,
	    an_answer_that_waited_for_us_counts_after_the_timeout);
	tcase_add_checked_fixture(lots, setup, teardown);
	tcase_add_test(lots, a_thousand_at_once_are_all_answered);
	tcase_add_test(lots, an_address_without_route_fails_alone);
	tcase_add_test(lots, those_stopped_are_not_heard_of_and_not_sent);
	tcase_add_checked_fixture(forged, setup, teardown);
	add_forgeries(forged);
	tcase_add_checked_fixture(call, setup, teardown);
	tcase_add_loop_test(call, who_answers_a_call_is_found, 0, 3);
	tcase_add_test(call, a_call_that_cannot_be_sent_says_so);
	tcase_add_test(call, the_last_calls_can_be_answered_and_no_older_one);
	suite_add_tcase(suite, one);
	suite_add_tcase(suite, lots);
	suite_add_tcase(suite, forged);
	suite_add_tcase(suite, call);
}

/* Said once, in a process that tries what the tests would need. */
static bool
may_have_a_network(void)
{
	int status = -1;
	const pid_t pid = fork();

	if (pid == 0)
		_exit(unshare(CLONE_NEWNET) == 0 ? 0 : errno);
	if (pid > 0 && waitpid(pid, &status, 0) == pid && status == 0)
		return true;
	printf("not run, for they need a network of their own: %s\n",
	    strerror(WIFEXITED(status) ? WEXITSTATUS(status) : EINVAL));
	return false;
}

int
main(void)
{
	Suite *suite = suite_create("probe_icmp");

	if (may_have_a_network())
		add_tests(suite);
	return run_suite(suite);
}
