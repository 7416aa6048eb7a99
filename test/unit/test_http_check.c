/*
 * test_http_check.c - HTTP checks against servers that answer well, badly, too
 * much, too late or not at all, and with certificates of all kinds.
 */
#include "loaded/http_check.h"
#include "descriptors.h"
#include "loop_fixture.h"
#include "runner.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define REQUEST_LEN 4096
#define MANY 200
#define BODY_MAX 16384 /* of http_impl.h */

/* A server of one kind on a port of its own. */
struct server {
	int fd;
	uint16_t port;
	void (*serve)(struct server *s, int client);
	const char *text;
	char request[REQUEST_LEN];
	SSL_CTX *tls;
	int reused; /* TLS sessions that were no new ones */
	pthread_t thread;
};

/* What the engine gets, and what came of it. */
struct trial {
	struct told told;
	struct http_engine *engine;
	struct {
		struct table table;
		struct check check[2];
	} t;
	struct http_request request;
};

/* --- servers ------------------------------------------------------------- */

static void
send_text(int client, const char *text, size_t len)
{
	while (len > 0) {
		const ssize_t n = send(client, text, len, MSG_NOSIGNAL);

		if (n <= 0)
			return;
		text += n;
		len -= (size_t)n;
	}
}

static void
read_request(struct server *s, int client)
{
	size_t used = 0;
	ssize_t n;

	do {
		n = recv(client, s->request + used,
		    sizeof(s->request) - 1 - used, 0);
		if (n > 0)
			used += (size_t)n;
		s->request[used] = '\0';
	} while (n > 0 && strstr(s->request, "\r\n\r\n") == NULL);
}

static void
serve_text(struct server *s, int client)
{
	read_request(s, client);
	send_text(client, s->text, strlen(s->text));
}

static void
serve_in_pieces(struct server *s, int client)
{
	read_request(s, client);
	for (const char *c = s->text; *c != '\0'; c++) {
		send_text(client, c, 1);
		usleep(500);
	}
}

/* Until the client has had enough. */
static void
wait_for_end(int client)
{
	char rest[256];

	while (recv(client, rest, sizeof(rest), 0) > 0)
		continue;
}

static void
serve_never(struct server *s, int client)
{
	(void)s;
	wait_for_end(client);
}

static void
serve_half(struct server *s, int client)
{
	serve_text(s, client);
	wait_for_end(client);
}

static void
serve_banner(struct server *s, int client)
{
	send_text(client, s->text, strlen(s->text));
	wait_for_end(client);
}

static void
serve_close(struct server *s, int client)
{
	read_request(s, client);
}

static void
serve_reset(struct server *s, int client)
{
	const struct linger now = { .l_onoff = 1 };

	read_request(s, client);
	setsockopt(client, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

/* The text, and then something for as long as somebody reads it. */
static void
serve_endless(struct server *s, int client)
{
	const char *line = strstr(s->text, "\r\n\r\n") != NULL ?
	    "all work and no play makes Jack a dull boy\n" :
	    "X-Header: all work and no play\r\n";

	serve_text(s, client);
	while (send(client, line, strlen(line), MSG_NOSIGNAL) > 0)
		continue;
}

static void *
run_server(void *arg)
{
	struct server *s = arg;
	int client;

	while ((client = accept(s->fd, NULL, NULL)) >= 0) {
		s->serve(s, client);
		close(client);
	}
	return NULL;
}

static void
listen_on(struct server *s, const char *address)
{
	struct sockaddr_storage sa = { .ss_family = AF_INET };
	struct sockaddr_in *sin = (void *)&sa;
	struct sockaddr_in6 *sin6 = (void *)&sa;
	socklen_t len = sizeof(sa);

	if (inet_pton(AF_INET, address, &sin->sin_addr) != 1) {
		sa.ss_family = AF_INET6;
		ck_assert_int_eq(inet_pton(AF_INET6, address, &sin6->sin6_addr),
		    1);
	}
	s->fd = socket(sa.ss_family, SOCK_STREAM, 0);
	ck_assert_int_eq(bind(s->fd, (struct sockaddr *)&sa,
			     sa.ss_family == AF_INET ? sizeof(*sin) :
						       sizeof(*sin6)),
	    0);
	ck_assert_int_eq(listen(s->fd, 512), 0);
	getsockname(s->fd, (struct sockaddr *)&sa, &len);
	s->port = ntohs(sin->sin_port);
}

static void
start_server(struct server *s, void (*serve)(struct server *, int),
    const char *text)
{
	*s = (struct server){ .serve = serve, .text = text };
	listen_on(s, "127.0.0.1");
	ck_assert_int_eq(pthread_create(&s->thread, NULL, run_server, s), 0);
}

static void
stop_server(struct server *s)
{
	shutdown(s->fd, SHUT_RDWR);
	pthread_join(s->thread, NULL);
	close(s->fd);
}

/* --- the engine ---------------------------------------------------------- */

static void
on_done(void *arg, const struct http_request *r, const struct probe_outcome *o)
{
	struct trial *t = arg;

	ck_assert_uint_eq(r->id, t->request.id);
	ck_assert_uint_eq(r->run, t->request.run);
	told_add(&t->told, o);
}

static void
setup(struct trial *t)
{
	struct check *check = &t->t.check[1];

	memset(t, 0, sizeof(*t));
	t->told.loop = ev_loop_new(0);
	t->engine = http_engine_new(t->told.loop, on_done, t);
	ck_assert_ptr_nonnull(t->engine);
	t->t.table.nchecks = 2;
	t->t.table.checks_off = (uint32_t)((uintptr_t)t->t.check -
	    (uintptr_t)&t->t);
	t->t.check[0].type = CHECK_ICMP;
	check->type = CHECK_HTTP;
	check->timeout_ms = 3000;
	snprintf(check->method, sizeof(check->method), "GET");
	snprintf(check->path, sizeof(check->path), "/");
	check->status.count = 2;
	check->status.range[0].low = 200;
	check->status.range[0].high = 299;
	check->status.range[1].low = check->status.range[1].high = 304;
	t->request = (struct http_request){ .check = check,
		.check_index = 1,
		.fd = -1,
		.id = 4711,
		.run = 42 };
	t->told.wanted = 1;
	addr_parse(&t->request.addr, "127.0.0.1");
}

static void
start(struct trial *t)
{
	t->told.starting = true;
	http_check_start(t->engine, &t->request);
	t->told.starting = false;
}

/* Once, with the check as it is now. */
static void
run(struct trial *t)
{
	ck_assert_int_eq(http_engine_use(t->engine, &t->t.table), 0);
	start(t);
	loop_run(t->told.loop, 20);
	ck_assert_uint_eq(t->told.calls, t->told.wanted);
}

static void
teardown(struct trial *t)
{
	http_engine_free(t->engine);
	ev_loop_destroy(t->told.loop);
}

static void
setup_with_server(struct trial *t, struct server *s,
    void (*serve)(struct server *, int), const char *text)
{
	setup(t);
	start_server(s, serve, text);
	t->request.port = s->port;
}

static void
teardown_with_server(struct trial *t, struct server *s)
{
	teardown(t);
	stop_server(s);
}

/* --- answers ------------------------------------------------------------- */

#define HEAD_OK "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"

/* A server's answer, what is asked of it, and what is to come of it. */
static const struct {
	void (*serve)(struct server *, int);
	const char *text, *expect, *regex;
	enum probe_result result;
	const char *outcome;
} answers[] = {
	{ serve_text, HEAD_OK "hello", "", "", PROBE_OK, "http status 200" },
	{ serve_text, HEAD_OK "hello", "ell", "^h.*o$", PROBE_OK,
	    "http status 200" },
	{ serve_text, HEAD_OK "hello", "bye", "", PROBE_HTTP_BODY,
	    "http body \"hello\" without what was expected" },
	{ serve_text, HEAD_OK "hello", "", "^e", PROBE_HTTP_BODY,
	    "http body \"hello\" without what was expected" },
	{ serve_in_pieces, HEAD_OK "hello", "hello", "", PROBE_OK,
	    "http status 200" },
	{ serve_text, "HTTP/1.0 200 OK\r\n\r\nno length", "length", "",
	    PROBE_OK, "http status 200" },
	{ serve_text,
	    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	    "3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n",
	    "abcdef", "", PROBE_OK, "http status 200" },
	{ serve_text, "HTTP/1.1 100 Continue\r\n\r\n" HEAD_OK "hello", "hello",
	    "", PROBE_OK, "http status 200" },
	{ serve_text, "HTTP/1.1 304 Not Modified\r\n\r\n", "", "", PROBE_OK,
	    "http status 304" },
	{ serve_text, "HTTP/1.1 503 Sorry\r\nContent-Length: 0\r\n\r\n", "", "",
	    PROBE_HTTP_STATUS, "http status 503, expected 200-299,304" },
	{ serve_text,
	    "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n"
	    "Content-Length: 0\r\n\r\n",
	    "", "", PROBE_HTTP_STATUS,
	    "http status 302, expected 200-299,304" },
	{ serve_endless, "HTTP/1.1 200 OK\r\n\r\n", "dull boy", "", PROBE_OK,
	    "http status 200" },
	{ serve_endless, "HTTP/1.1 200 OK\r\n\r\n", "sharp boy", "",
	    PROBE_HTTP_BODY, NULL },
	{ serve_endless, "HTTP/1.1 200 OK\r\n", "", "", PROBE_HTTP_PROTOCOL,
	    "more than 65536 bytes of headers" },
	{ serve_close, "", "", "", PROBE_CONNECTION_CLOSED, NULL },
	{ serve_text, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", "",
	    "", PROBE_CONNECTION_CLOSED, NULL },
	{ serve_reset, "", "", "", PROBE_CONNECTION_RESET, "connection reset" },
	{ serve_text, "SSH-2.0-OpenSSH_9.2\r\n", "", "", PROBE_HTTP_PROTOCOL,
	    NULL },
	{ serve_text, "HTTP/9.9 200 OK\r\n\r\n", "", "", PROBE_HTTP_PROTOCOL,
	    NULL },
	{ serve_text,
	    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzzz\r\n", "",
	    "", PROBE_HTTP_PROTOCOL, NULL },
};

START_TEST(an_answer_is_judged_by_status_and_body)
{
	struct server s;
	struct trial t;

	setup_with_server(&t, &s, answers[_i].serve, answers[_i].text);
	snprintf(t.t.check[1].regex, sizeof(t.t.check[1].regex), "%s",
	    answers[_i].regex);
	t.t.check[1].expect.len = (uint16_t)strlen(answers[_i].expect);
	memcpy(t.t.check[1].expect.b, answers[_i].expect,
	    strlen(answers[_i].expect));
	run(&t);
	printf("answer %d: %s\n", _i, t.told.outcome.text);
	assert_told(&t.told, answers[_i].result,
	    answers[_i].outcome != NULL ? answers[_i].outcome :
					  t.told.outcome.text);
	ck_assert_uint_gt(t.told.outcome.duration_us, 0);
	ck_assert_uint_lt(t.told.outcome.duration_us, 2900000);
	teardown_with_server(&t, &s);
}
END_TEST

/* The expected bytes end with the last byte looked at, or just behind it. */
START_TEST(a_body_is_looked_at_up_to_its_bound)
{
	static char text[64 + BODY_MAX + 100];
	const int head = snprintf(text, sizeof(text),
	    "HTTP/1.1 200 OK\r\n\r\n");
	struct server s;
	struct trial t;

	memset(text + head, 'x', sizeof(text) - (size_t)head - 1);
	memcpy(text + head + BODY_MAX - 6 + _i, "needle", 6);
	setup_with_server(&t, &s, serve_text, text);
	t.t.check[1].expect.len = 6;
	memcpy(t.t.check[1].expect.b, "needle", 6);
	run(&t);
	ck_assert_int_eq(t.told.outcome.result,
	    _i == 0 ? PROBE_OK : PROBE_HTTP_BODY);
	teardown_with_server(&t, &s);
}
END_TEST

/* --- no answer ----------------------------------------------------------- */

static const char *const silent[] = { "", "HTTP/1.1 200 O", HEAD_OK "hell" };

START_TEST(a_server_that_says_nothing_or_not_all_gives_no_answer)
{
	struct server s;
	struct trial t;

	setup_with_server(&t, &s, _i == 0 ? serve_never : serve_half,
	    silent[_i]);
	t.t.check[1].timeout_ms = 150;
	run(&t);
	assert_told(&t.told, PROBE_NO_ANSWER, "no answer within 150 ms");
	ck_assert_uint_ge(t.told.outcome.duration_us, 149000);
	ck_assert_uint_le(t.told.outcome.duration_us, 1500000);
	teardown_with_server(&t, &s);
}
END_TEST

START_TEST(a_closed_port_refuses)
{
	struct server s = { .fd = -1 };
	struct trial t;

	setup(&t);
	listen_on(&s, "127.0.0.1");
	close(s.fd);
	t.request.port = s.port;
	t.t.check[1].type = _i == 0 ? CHECK_HTTP : CHECK_HTTPS;
	run(&t);
	assert_told(&t.told, PROBE_CONNECT_REFUSED, "connection refused");
	teardown(&t);
}
END_TEST

/* Fills the queue of a socket that nobody accepts from. */
START_TEST(a_connect_without_an_answer_times_out)
{
	struct server s = { .fd = -1 };
	int clients[8];
	struct sockaddr_in sa = { .sin_family = AF_INET };
	struct trial t;

	setup(&t);
	listen_on(&s, "127.0.0.1");
	ck_assert_int_eq(listen(s.fd, 0), 0);
	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	sa.sin_port = htons(s.port);
	for (int i = 0; i < 8; i++) {
		clients[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		(void)!connect(clients[i], (struct sockaddr *)&sa, sizeof(sa));
	}
	usleep(50000);
	t.request.port = s.port;
	t.t.check[1].timeout_ms = 200;
	run(&t);
	assert_told(&t.told, PROBE_CONNECT_TIMEOUT,
	    "connect timed out after 200 ms");
	for (int i = 0; i < 8; i++)
		close(clients[i]);
	close(s.fd);
	teardown(&t);
}
END_TEST

START_TEST(a_network_without_a_route_is_unreachable)
{
	struct trial t;

	setup(&t);
	/* Class E: no route leads there, whatever the machine has. */
	addr_parse(&t.request.addr, "255.255.255.255");
	t.request.port = 80;
	run(&t);
	ck_assert_str_eq(probe_result_name(t.told.outcome.result),
	    "unreachable");
	teardown(&t);
}
END_TEST

START_TEST(a_plain_server_fails_the_tls_handshake)
{
	struct server s;
	struct trial t;

	setup_with_server(&t, &s, serve_banner,
	    "HTTP/1.1 400 Bad Request\r\n\r\n");
	t.t.check[1].type = CHECK_HTTPS;
	run(&t);
	printf("tls: %s\n", t.told.outcome.text);
	ck_assert_str_eq(probe_result_name(t.told.outcome.result),
	    "tls_handshake");
	teardown_with_server(&t, &s);
}
END_TEST

/* --- requests ------------------------------------------------------------ */

START_TEST(the_request_says_what_the_config_says)
{
	char host[64];
	struct server s;
	struct trial t;

	setup_with_server(&t, &s, serve_text, "HTTP/1.1 204 No\r\n\r\n");
	snprintf(t.t.check[1].host, sizeof(t.t.check[1].host),
	    "www.example.org");
	snprintf(t.t.check[1].path, sizeof(t.t.check[1].path), "/a/../b?c=d");
	snprintf(t.t.check[1].method, sizeof(t.t.check[1].method), "OPTIONS");
	setenv("http_proxy", "http://127.0.0.1:1/", 1);
	run(&t);
	assert_told(&t.told, PROBE_OK, "http status 204");
	snprintf(host, sizeof(host), "\r\nHost: www.example.org:%u\r\n",
	    s.port);
	ck_assert_int_eq(
	    strncmp(s.request, "OPTIONS /a/../b?c=d HTTP/1.1\r\n", 30), 0);
	ck_assert_ptr_nonnull(strstr(s.request, host));
	ck_assert_ptr_nonnull(strstr(s.request, "\r\nUser-Agent: loaded\r\n"));
	ck_assert_ptr_nonnull(strstr(s.request, "\r\nConnection: close\r\n"));
	teardown_with_server(&t, &s);
}
END_TEST

START_TEST(without_a_host_it_is_the_address)
{
	char host[64];
	struct server s;
	struct trial t;

	setup_with_server(&t, &s, serve_text, HEAD_OK "hello");
	run(&t);
	snprintf(host, sizeof(host), "\r\nHost: 127.0.0.1:%u\r\n", s.port);
	ck_assert_ptr_nonnull(strstr(s.request, host));
	teardown_with_server(&t, &s);
}
END_TEST

START_TEST(ipv6_works_and_stands_in_brackets)
{
	char host[64];
	struct server s = { .serve = serve_text, .text = HEAD_OK "hello" };
	struct trial t;

	setup(&t);
	listen_on(&s, "::1");
	ck_assert_int_eq(pthread_create(&s.thread, NULL, run_server, &s), 0);
	t.request.port = s.port;
	addr_parse(&t.request.addr, "::1");
	run(&t);
	assert_told(&t.told, PROBE_OK, "http status 200");
	snprintf(host, sizeof(host), "\r\nHost: [::1]:%u\r\n", s.port);
	ck_assert_ptr_nonnull(strstr(s.request, host));
	teardown_with_server(&t, &s);
}
END_TEST

START_TEST(head_does_not_wait_for_a_body)
{
	struct server s;
	struct trial t;

	setup_with_server(&t, &s, serve_half,
	    "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
	snprintf(t.t.check[1].method, sizeof(t.t.check[1].method), "HEAD");
	run(&t);
	assert_told(&t.told, PROBE_OK, "http status 200");
	ck_assert_int_eq(strncmp(s.request, "HEAD / HTTP/1.1\r\n", 17), 0);
	teardown_with_server(&t, &s);
}
END_TEST

/* It is bound, so the server knows it again by its port. */
static void
serve_port(struct server *s, int client)
{
	struct sockaddr_in sa;
	socklen_t len = sizeof(sa);

	getpeername(client, (struct sockaddr *)&sa, &len);
	read_request(s, client);
	snprintf(s->request, sizeof(s->request), "%u", ntohs(sa.sin_port));
	send_text(client, s->text, strlen(s->text));
}

START_TEST(a_given_socket_is_used_and_closed)
{
	struct sockaddr_in sa = { .sin_family = AF_INET };
	socklen_t len = sizeof(sa);
	char port[16];
	struct server s;
	struct trial t;

	setup_with_server(&t, &s, serve_port, HEAD_OK "hello");
	t.request.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(t.request.fd, (struct sockaddr *)&sa, sizeof(sa)),
	    0);
	getsockname(t.request.fd, (struct sockaddr *)&sa, &len);
	snprintf(port, sizeof(port), "%u", ntohs(sa.sin_port));
	run(&t);
	assert_told(&t.told, PROBE_OK, "http status 200");
	ck_assert_str_eq(s.request, port);
	/* It may be another one by now, but not that socket. */
	len = sizeof(sa);
	ck_assert(getsockname(t.request.fd, (struct sockaddr *)&sa, &len) < 0 ||
	    ntohs(sa.sin_port) != strtoul(port, NULL, 10));
	teardown_with_server(&t, &s);
}
END_TEST

/* --- the engine's life --------------------------------------------------- */

START_TEST(many_at_a_time_all_end_and_leave_nothing_open)
{
	struct server s;
	struct trial t;
	size_t before;

	setup_with_server(&t, &s, serve_text, HEAD_OK "hello");
	t.t.check[1].timeout_ms = 10000;
	run(&t);
	before = count_descriptors();
	t.told.calls = 0;
	t.told.wanted = MANY;
	for (int i = 0; i < MANY; i++)
		start(&t);
	loop_run(t.told.loop, 20);
	ck_assert_uint_eq(t.told.calls, MANY);
	assert_told(&t.told, PROBE_OK, "http status 200");
	ck_assert_uint_le(count_descriptors(), before + 1);
	teardown_with_server(&t, &s);
}
END_TEST

START_TEST(a_new_table_ends_what_runs_without_a_word)
{
	struct server s;
	struct trial t;
	size_t before;

	setup_with_server(&t, &s, serve_never, "");
	t.t.check[1].timeout_ms = 200;
	ck_assert_int_eq(http_engine_use(t.engine, &t.t.table), 0);
	before = count_descriptors();
	start(&t);
	loop_run(t.told.loop, 0.1);
	ck_assert_int_eq(http_engine_use(t.engine, &t.t.table), 0);
	loop_run(t.told.loop, 0.3);
	ck_assert_uint_eq(t.told.calls, 0);
	ck_assert_uint_le(count_descriptors(), before + 1);
	teardown_with_server(&t, &s);
}
END_TEST

START_TEST(an_engine_may_be_freed_while_requests_run)
{
	struct server s;
	struct trial t;

	setup_with_server(&t, &s, serve_never, "");
	ck_assert_int_eq(http_engine_use(t.engine, &t.t.table), 0);
	start(&t);
	loop_run(t.told.loop, 0.05);
	start(&t);
	teardown_with_server(&t, &s);
	ck_assert_uint_eq(t.told.calls, 0);
}
END_TEST

START_TEST(a_missing_ca_file_counts_against_nobody)
{
	struct trial t;

	setup(&t);
	t.t.check[1].type = CHECK_HTTPS;
	t.t.check[1].verify = true;
	snprintf(t.t.check[1].ca_file, sizeof(t.t.check[1].ca_file),
	    "/nonexistent/ca.pem");
	t.request.port = 1;
	ck_assert_int_eq(http_engine_use(t.engine, &t.t.table), -ENOENT);
	start(&t);
	loop_run(t.told.loop, 5);
	ck_assert_uint_eq(t.told.calls, 1);
	assert_told(&t.told, PROBE_SKIPPED,
	    "the CA file was not to be had at the start");
	teardown(&t);
}
END_TEST

START_TEST(a_check_that_the_table_has_not_is_skipped)
{
	struct trial t;

	setup(&t);
	t.request.check_index = 2;
	t.request.port = 1;
	run(&t);
	ck_assert_str_eq(probe_result_name(t.told.outcome.result), "skipped");
	teardown(&t);
}
END_TEST

START_TEST(a_path_that_is_none_counts_against_nobody)
{
	struct trial t;

	setup(&t);
	snprintf(t.t.check[1].path, sizeof(t.t.check[1].path), "/a b\r\nX: y");
	t.request.port = 1;
	run(&t);
	ck_assert_str_eq(probe_result_name(t.told.outcome.result), "skipped");
	teardown(&t);
}
END_TEST

/* --- certificates -------------------------------------------------------- */

#define HOST "www.example.org"
#define DAY (24L * 60 * 60)
#define LONG_FILE 300 /* certificates */

enum { ROOT, OTHER, MIDDLE, LEAF, BELOW, EXPIRED, FUTURE, ALONE, CERTS };
enum { TEXT = CERTS, BROKEN, LONG, FILES }; /* more files */

/* Who signed whom, and the days they are good from and to. */
static const struct {
	const char *name;
	int issuer;
	bool ca;
	long from, to;
} people[CERTS] = {
	[ROOT] = { "root", ROOT, true, -20, 20 },
	[OTHER] = { "other", OTHER, true, -20, 20 },
	[MIDDLE] = { "middle", ROOT, true, -20, 20 },
	[LEAF] = { HOST, ROOT, false, -1, 1 },
	[BELOW] = { HOST, MIDDLE, false, -1, 1 },
	[EXPIRED] = { HOST, ROOT, false, -2, -1 },
	[FUTURE] = { HOST, ROOT, false, 1, 2 },
	[ALONE] = { HOST, ALONE, false, -1, 1 },
};

/* Made once, for all tests. */
static struct {
	EVP_PKEY *key[CERTS];
	X509 *cert[CERTS];
	char dir[32];
} pki;

static const char *
ca_path(char path[static CHECK_PATH_LEN], int file)
{
	snprintf(path, CHECK_PATH_LEN, "%s/%d.pem", pki.dir, file);
	return path;
}

static void
add_extension(X509 *cert, int nid, const char *value)
{
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	ck_assert_int_eq(X509_add_ext(cert, e, -1), 1);
	X509_EXTENSION_free(e);
}

static void
make_person(int i)
{
	const int issuer = people[i].issuer;
	X509 *cert = X509_new();
	X509_NAME *name = X509_get_subject_name(cert);

	pki.key[i] = EVP_EC_gen("P-256");
	pki.cert[i] = cert;
	X509_set_version(cert, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), i + 1);
	X509_gmtime_adj(X509_getm_notBefore(cert), people[i].from * DAY);
	X509_gmtime_adj(X509_getm_notAfter(cert), people[i].to * DAY);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
	    (const unsigned char *)people[i].name, -1, -1, 0);
	X509_set_issuer_name(cert, X509_get_subject_name(pki.cert[issuer]));
	X509_set_pubkey(cert, pki.key[i]);
	if (people[i].ca)
		add_extension(cert, NID_basic_constraints, "critical,CA:TRUE");
	else
		add_extension(cert, NID_subject_alt_name, "DNS:" HOST);
	ck_assert_int_gt(X509_sign(cert, pki.key[issuer], EVP_sha256()), 0);
}

static FILE *
create(int file)
{
	char path[CHECK_PATH_LEN];
	FILE *f = fopen(ca_path(path, file), "w");

	ck_assert_ptr_nonnull(f);
	return f;
}

/* As many roots of no interest, and then ours. */
static void
make_long_file(void)
{
	X509 *cert = X509_dup(pki.cert[OTHER]);
	FILE *f = create(LONG);
	char text[32];

	for (int i = 0; i < LONG_FILE; i++) {
		X509_NAME *name = X509_NAME_new();

		snprintf(text, sizeof(text), "root %d", i);
		X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
		    (const unsigned char *)text, -1, -1, 0);
		X509_set_subject_name(cert, name);
		X509_set_issuer_name(cert, name);
		X509_NAME_free(name);
		X509_sign(cert, pki.key[OTHER], EVP_sha256());
		PEM_write_X509(f, cert);
	}
	X509_free(cert);
	PEM_write_X509(f, pki.cert[ROOT]);
	fclose(f);
}

static void
make_pki(void)
{
	FILE *f;

	snprintf(pki.dir, sizeof(pki.dir), "/tmp/http_check.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(pki.dir));
	for (int i = 0; i < CERTS; i++) {
		make_person(i);
		f = create(i);
		PEM_write_X509(f, pki.cert[i]);
		fclose(f);
	}
	f = create(TEXT);
	fputs("no certificate\n", f);
	fclose(f);
	f = create(BROKEN);
	PEM_write_X509(f, pki.cert[ROOT]);
	fputs("-----BEGIN CERTIFICATE-----\nAAAA\n"
	      "-----END CERTIFICATE-----\n",
	    f);
	fclose(f);
	make_long_file();
}

static void
remove_pki(void)
{
	char path[CHECK_PATH_LEN];

	for (int i = 0; i < FILES; i++)
		unlink(ca_path(path, i));
	rmdir(pki.dir);
	for (int i = 0; i < CERTS; i++) {
		X509_free(pki.cert[i]);
		EVP_PKEY_free(pki.key[i]);
	}
}

static void
serve_tls(struct server *s, int client)
{
	SSL *tls = SSL_new(s->tls);

	SSL_set_fd(tls, client);
	if (SSL_accept(tls) == 1 &&
	    SSL_read(tls, s->request, sizeof(s->request)) > 0) {
		s->reused += SSL_session_reused(tls);
		SSL_write(tls, s->text, (int)strlen(s->text));
		SSL_shutdown(tls);
	}
	SSL_free(tls);
}

/* With the chain that is sent, the issuer too if there is a middle one. */
static void
prepare_tls_server(struct server *s, int who, bool with_issuer)
{
	const struct sigaction ignore = { .sa_handler = SIG_IGN };

	sigaction(SIGPIPE, &ignore, NULL);
	*s = (struct server){ .serve = serve_tls, .text = HEAD_OK "hello" };
	s->tls = SSL_CTX_new(TLS_server_method());
	ck_assert_int_eq(SSL_CTX_use_certificate(s->tls, pki.cert[who]), 1);
	ck_assert_int_eq(SSL_CTX_use_PrivateKey(s->tls, pki.key[who]), 1);
	SSL_CTX_set_mode(s->tls, SSL_MODE_AUTO_RETRY);
	/* Else OpenSSL would add what it finds in the system's files. */
	SSL_CTX_set_mode(s->tls, SSL_MODE_NO_AUTO_CHAIN);
	if (with_issuer)
		SSL_CTX_add1_chain_cert(s->tls, pki.cert[people[who].issuer]);
	listen_on(s, "127.0.0.1");
}

static void
start_tls_server(struct server *s, int who, bool with_issuer)
{
	prepare_tls_server(s, who, with_issuer);
	ck_assert_int_eq(pthread_create(&s->thread, NULL, run_server, s), 0);
}

static void
stop_tls_server(struct server *s)
{
	stop_server(s);
	SSL_CTX_free(s->tls);
}

static void
setup_tls(struct trial *t, const struct server *s, int file)
{
	struct check *check = &t->t.check[1];

	setup(t);
	check->type = CHECK_HTTPS;
	check->verify = true;
	snprintf(check->host, sizeof(check->host), "%s", HOST);
	ca_path(check->ca_file, file);
	t->request.port = s->port;
}

/* The server is who, and file is what it is judged by. */
static void
setup_with_tls_server(struct trial *t, struct server *s, int who,
    bool with_issuer, int file)
{
	start_tls_server(s, who, with_issuer);
	setup_tls(t, s, file);
}

static void
teardown_with_tls_server(struct trial *t, struct server *s)
{
	teardown(t);
	stop_tls_server(s);
}

#define UNTRUSTED "certificate not trusted: "

/* Who serves, who is trusted, for what name, and what is to come of it. */
static const struct {
	int who;
	bool with_issuer;
	int file;
	const char *host;
	bool verify;
	enum probe_result result;
	const char *outcome;
} certificates[] = {
	{ LEAF, false, ROOT, HOST, true, PROBE_OK, "http status 200" },
	{ LEAF, false, LONG, HOST, true, PROBE_OK, "http status 200" },
	{ BELOW, true, ROOT, HOST, true, PROBE_OK, "http status 200" },
	{ BELOW, false, MIDDLE, HOST, true, PROBE_OK, "http status 200" },
	{ ALONE, false, ALONE, HOST, true, PROBE_OK, "http status 200" },
	{ BELOW, false, ROOT, HOST, true, PROBE_CERTIFICATE_UNTRUSTED,
	    UNTRUSTED "unable to get local issuer certificate" },
	{ LEAF, false, OTHER, HOST, true, PROBE_CERTIFICATE_UNTRUSTED,
	    UNTRUSTED "unable to get local issuer certificate" },
	{ ALONE, false, ROOT, HOST, true, PROBE_CERTIFICATE_UNTRUSTED,
	    UNTRUSTED "self-signed certificate" },
	{ EXPIRED, false, ROOT, HOST, true, PROBE_CERTIFICATE_EXPIRED,
	    "certificate expired" },
	{ FUTURE, false, ROOT, HOST, true, PROBE_CERTIFICATE_EXPIRED,
	    "certificate not yet valid" },
	{ LEAF, false, ROOT, "example.org", true, PROBE_CERTIFICATE_NAME,
	    "certificate is not for example.org" },
	{ LEAF, false, ROOT, "", true, PROBE_CERTIFICATE_NAME,
	    "certificate is not for 127.0.0.1" },
	{ ALONE, false, ROOT, HOST, false, PROBE_OK, "http status 200" },
	{ EXPIRED, false, OTHER, "", false, PROBE_OK, "http status 200" },
};

START_TEST(a_certificate_is_judged_by_chain_dates_and_name)
{
	struct server s;
	struct trial t;

	setup_with_tls_server(&t, &s, certificates[_i].who,
	    certificates[_i].with_issuer, certificates[_i].file);
	snprintf(t.t.check[1].host, sizeof(t.t.check[1].host), "%s",
	    certificates[_i].host);
	t.t.check[1].verify = certificates[_i].verify;
	run(&t);
	assert_told(&t.told, certificates[_i].result, certificates[_i].outcome);
	teardown_with_tls_server(&t, &s);
}
END_TEST

/* Once with one, once with the other, and again. */
START_TEST(checks_do_not_trust_each_others_files)
{
	struct server s;
	struct trial t;

	setup_with_tls_server(&t, &s, LEAF, false, ROOT);
	t.t.check[0] = t.t.check[1];
	ca_path(t.t.check[0].ca_file, OTHER);
	run(&t);
	for (uint32_t i = 0; i < 4; i++) {
		t.request.check_index = i % 2;
		t.request.check = &t.t.check[i % 2];
		t.told.calls = 0;
		start(&t);
		loop_run(t.told.loop, 20);
		ck_assert_str_eq(probe_result_name(t.told.outcome.result),
		    i % 2 == 1 ? "ok" : "certificate_untrusted");
	}
	teardown_with_tls_server(&t, &s);
}
END_TEST

START_TEST(every_check_makes_a_new_tls_session)
{
	struct server s;
	struct trial t;

	setup_with_tls_server(&t, &s, LEAF, false, ROOT);
	for (int i = 0; i < 3; i++) {
		t.told.calls = 0;
		run(&t);
		ck_assert_int_eq(t.told.outcome.result, PROBE_OK);
	}
	teardown_with_tls_server(&t, &s);
	ck_assert_int_eq(s.reused, 0);
}
END_TEST

START_TEST(a_ca_file_that_is_none_counts_against_nobody)
{
	struct server s;
	struct trial t;

	setup_with_tls_server(&t, &s, LEAF, false, _i);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(http_engine_use(t.engine, &t.t.table),
		    -ENOENT);
		t.told.calls = 0;
		start(&t);
		loop_run(t.told.loop, 20);
		assert_told(&t.told, PROBE_SKIPPED,
		    "the CA file has no certificates, or broken ones");
	}
	teardown_with_tls_server(&t, &s);
}
END_TEST

/* The CPU time of checks, in seconds; the server's thread has its own. */
static double
cost(struct trial *t, int checks)
{
	struct timespec from, to;

	run(t);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
	for (int i = 0; i < checks; i++) {
		t->told.calls = 0;
		start(t);
		loop_run(t->told.loop, 20);
		ck_assert_int_eq(t->told.outcome.result, PROBE_OK);
	}
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
	t->told.calls = 0;
	return (double)(to.tv_sec - from.tv_sec) +
	    (double)(to.tv_nsec - from.tv_nsec) / 1e9;
}

START_TEST(a_long_ca_file_costs_no_more_than_a_short_one)
{
	double with_one, with_many;
	struct server s;
	struct trial t;

	setup_with_tls_server(&t, &s, LEAF, false, ROOT);
	with_one = cost(&t, 20);
	ca_path(t.t.check[1].ca_file, LONG);
	with_many = cost(&t, 20);
	printf("a check: %.2f ms, %.2f ms with %d certificates\n",
	    with_one / 20 * 1000, with_many / 20 * 1000, LONG_FILE + 1);
	ck_assert_double_lt(with_many, with_one * 4);
	teardown_with_tls_server(&t, &s);
}
END_TEST

/* The child's: what a check comes to in there. */
static int
run_in_chroot(const struct server *s, const char *root)
{
	struct trial t;

	setup_tls(&t, s, ROOT);
	if (http_engine_use(t.engine, &t.t.table) != 0 || chroot(root) != 0 ||
	    chdir("/") != 0 || setgid(65534) != 0 || setuid(65534) != 0)
		return 100;
	run(&t);
	teardown(&t);
	return (int)t.told.outcome.result;
}

START_TEST(in_an_empty_chroot_a_certificate_is_still_verified)
{
	char root[] = "/tmp/http_check.XXXXXX";
	struct server s;
	int status;
	pid_t pid;

	if (geteuid() != 0) {
		printf("no chroot: not root\n");
		return;
	}
	ck_assert_ptr_nonnull(mkdtemp(root));
	ck_assert_int_eq(chmod(root, 0755), 0);
	prepare_tls_server(&s, _i == 0 ? LEAF : ALONE, false);
	fflush(NULL);
	/* Before there is a thread, which might hold a lock just now. */
	pid = fork();
	if (pid == 0)
		_exit(run_in_chroot(&s, root));
	ck_assert_int_eq(pthread_create(&s.thread, NULL, run_server, &s), 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	stop_tls_server(&s);
	rmdir(root);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status),
	    _i == 0 ? PROBE_OK : PROBE_CERTIFICATE_UNTRUSTED);
}
END_TEST

static TCase *
certificate_tests(void)
{
	TCase *tests = tcase_create("certificates");

	tcase_add_unchecked_fixture(tests, make_pki, remove_pki);
	tcase_add_loop_test(tests,
	    a_certificate_is_judged_by_chain_dates_and_name, 0,
	    sizeof(certificates) / sizeof(certificates[0]));
	tcase_add_test(tests, checks_do_not_trust_each_others_files);
	tcase_add_test(tests, every_check_makes_a_new_tls_session);
	tcase_add_loop_test(tests, a_ca_file_that_is_none_counts_against_nobody,
	    TEXT, LONG);
	tcase_add_test(tests, a_long_ca_file_costs_no_more_than_a_short_one);
	tcase_add_loop_test(tests,
	    in_an_empty_chroot_a_certificate_is_still_verified, 0, 2);
	tcase_set_timeout(tests, 60);
	return tests;
}

int
main(void)
{
	Suite *suite = suite_create("http_check");
	TCase *judged = tcase_create("judged"), *silence = tcase_create("none");
	TCase *asked = tcase_create("asked"), *life = tcase_create("life");

	tcase_add_loop_test(judged, an_answer_is_judged_by_status_and_body, 0,
	    sizeof(answers) / sizeof(answers[0]));
	tcase_add_loop_test(judged, a_body_is_looked_at_up_to_its_bound, 0, 2);
	tcase_add_loop_test(silence,
	    a_server_that_says_nothing_or_not_all_gives_no_answer, 0, 3);
	tcase_add_loop_test(silence, a_closed_port_refuses, 0, 2);
	tcase_add_test(silence, a_connect_without_an_answer_times_out);
	tcase_add_test(silence, a_network_without_a_route_is_unreachable);
	tcase_add_test(silence, a_plain_server_fails_the_tls_handshake);
	tcase_add_test(asked, the_request_says_what_the_config_says);
	tcase_add_test(asked, without_a_host_it_is_the_address);
	tcase_add_test(asked, ipv6_works_and_stands_in_brackets);
	tcase_add_test(asked, head_does_not_wait_for_a_body);
	tcase_add_test(asked, a_given_socket_is_used_and_closed);
	tcase_add_test(life, many_at_a_time_all_end_and_leave_nothing_open);
	tcase_add_test(life, a_new_table_ends_what_runs_without_a_word);
	tcase_add_test(life, an_engine_may_be_freed_while_requests_run);
	tcase_add_test(life, a_missing_ca_file_counts_against_nobody);
	tcase_add_test(life, a_check_that_the_table_has_not_is_skipped);
	tcase_add_test(life, a_path_that_is_none_counts_against_nobody);
	tcase_set_timeout(judged, 30);
	tcase_set_timeout(silence, 30);
	tcase_set_timeout(asked, 30);
	tcase_set_timeout(life, 60);
	suite_add_tcase(suite, judged);
	suite_add_tcase(suite, silence);
	suite_add_tcase(suite, asked);
	suite_add_tcase(suite, life);
	suite_add_tcase(suite, certificate_tests());
	return run_suite(suite);
}
