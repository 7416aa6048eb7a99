/*
 * test_message.c - messages between processes: what arrives is what was sent,
 * nothing else gets in, and no descriptor is lost on the way.
 */
#include "descriptors.h"
#include "loaded/message.h"
#include "runner.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static int ends[2];

static void
open_pair(void)
{
	ck_assert_int_eq(message_pair(ends), 0);
}

static void
close_pair(void)
{
	close(ends[0]);
	close(ends[1]);
}

static struct message
sample(void)
{
	struct message m = {
		.type = MESSAGE_RESULT,
		.generation = 0x01020304,
		.id = 7,
		.run = UINT32_MAX,
		.slot = 16383,
		.check = 3,
		.pool = 9,
		.result = PROBE_HTTP_STATUS,
		.duration_us = 1234567,
		.text = "http status 503, expected 200-299",
	};

	memset(m.addr.b, 0xfd, sizeof(m.addr.b));
	return m;
}

static bool
is_same_file(int a, int b)
{
	struct stat sa, sb;

	ck_assert_int_eq(fstat(a, &sa), 0);
	ck_assert_int_eq(fstat(b, &sb), 0);
	return sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino;
}

/* As many descriptors as a peer likes, beside any bytes. */
static void
send_raw(const void *data, size_t len, const int *fds, size_t nfds)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(8 * sizeof(int))];
	struct cmsghdr *cmsg = (void *)control;
	struct iovec iov;
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	memset(control, 0, sizeof(control));
	memcpy(&iov.iov_base, &data, sizeof(data));
	iov.iov_len = len;
	if (nfds > 0) {
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(cmsg), fds, nfds * sizeof(int));
		msg.msg_control = control;
		msg.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
	}
	ck_assert_int_eq(sendmsg(ends[0], &msg, 0), (ssize_t)len);
}

static void
assert_refused(void)
{
	struct message in;
	int fd = 99;

	ck_assert_int_eq(message_receive(ends[1], &in, &fd), -EBADMSG);
	ck_assert_int_eq(fd, -1);
	ck_assert_str_eq(in.text, "");
}

START_TEST(every_field_arrives_in_order)
{
	struct message out = sample(), in;
	int fd;

	for (uint32_t i = 0; i < 3; i++) {
		out.id = i;
		ck_assert_int_eq(message_send(ends[0], &out, -1), 0);
	}
	for (uint32_t i = 0; i < 3; i++) {
		out.id = i;
		ck_assert_int_eq(message_receive(ends[1], &in, &fd), 0);
		ck_assert_int_eq(fd, -1);
		ck_assert_mem_eq(&in, &out, sizeof(in));
	}
	ck_assert_int_eq(message_receive(ends[1], &in, &fd), -EAGAIN);
}
END_TEST

START_TEST(both_ends_talk_and_neither_waits_nor_is_inherited)
{
	const struct message out = sample();
	struct message in;
	int fd;

	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(message_send(ends[i], &out, -1), 0);
		ck_assert_int_eq(message_receive(ends[1 - i], &in, &fd), 0);
		ck_assert(fcntl(ends[i], F_GETFL) & O_NONBLOCK);
		ck_assert(fcntl(ends[i], F_GETFD) & FD_CLOEXEC);
	}
}
END_TEST

START_TEST(a_descriptor_goes_over_and_is_closed_on_exec)
{
	const struct message out = sample();
	const int file = open("/dev/null", O_RDONLY);
	struct message in;
	int fd;

	ck_assert_int_eq(message_send(ends[0], &out, file), 0);
	ck_assert_int_eq(message_receive(ends[1], &in, &fd), 0);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_ne(fd, file);
	ck_assert(is_same_file(fd, file));
	ck_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	close(fd);
	close(file);
}
END_TEST

START_TEST(a_slow_peer_is_told_apart_from_one_that_is_gone)
{
	const struct message out = sample();
	int error, sent = 0;

	while ((error = message_send(ends[0], &out, -1)) == 0)
		ck_assert_int_lt(sent++, 100000);
	ck_assert_int_eq(error, -EAGAIN);
	ck_assert_int_gt(sent, 10);
	close(ends[1]);
	ck_assert_int_eq(message_send(ends[0], &out, -1), -EPIPE);
	ends[1] = dup(ends[0]);
}
END_TEST

START_TEST(a_peer_that_left_is_a_broken_pipe)
{
	const struct message out = sample();
	struct message in;
	int fd;

	/* Something unread at its end resets the pair. */
	if (_i == 1)
		ck_assert_int_eq(message_send(ends[1], &out, -1), 0);
	close(ends[0]);
	ck_assert_int_eq(message_receive(ends[1], &in, &fd), -EPIPE);
	ck_assert_int_eq(fd, -1);
	ends[0] = dup(ends[1]);
}
END_TEST

START_TEST(a_message_sent_before_the_peer_left_still_arrives)
{
	const struct message out = sample();
	struct message in;
	int fd;

	ck_assert_int_eq(message_send(ends[0], &out, -1), 0);
	close(ends[0]);
	ck_assert_int_eq(message_receive(ends[1], &in, &fd), 0);
	ck_assert_int_eq(message_receive(ends[1], &in, &fd), -EPIPE);
	ends[0] = dup(ends[1]);
}
END_TEST

START_TEST(other_sizes_are_refused)
{
	const size_t sizes[] = { 1, sizeof(struct message) - 1,
		sizeof(struct message) + 1, 3 * sizeof(struct message) };
	struct message out[3] = { sample(), sample(), sample() };

	send_raw(out, sizes[_i], NULL, 0);
	assert_refused();
}
END_TEST

START_TEST(unknown_types_are_refused)
{
	struct message out = sample();

	out.type = MESSAGE_TYPES;
	send_raw(&out, sizeof(out), NULL, 0);
	assert_refused();
	out.type = UINT32_MAX;
	send_raw(&out, sizeof(out), NULL, 0);
	assert_refused();
}
END_TEST

START_TEST(a_text_without_end_is_refused)
{
	struct message out = sample(), in;
	int fd;

	memset(out.text, 'x', sizeof(out.text));
	send_raw(&out, sizeof(out), NULL, 0);
	assert_refused();
	out.text[sizeof(out.text) - 1] = '\0';
	send_raw(&out, sizeof(out), NULL, 0);
	ck_assert_int_eq(message_receive(ends[1], &in, &fd), 0);
}
END_TEST

START_TEST(no_descriptor_of_a_refused_message_stays_open)
{
	const struct message out = sample();
	const int fds[] = { ends[0], ends[1], ends[0] };
	const size_t before = count_descriptors();

	send_raw(&out, sizeof(out) - 1, fds, 1);
	assert_refused();
	send_raw(&out, sizeof(out), fds, 2);
	assert_refused();
	send_raw(&out, sizeof(out), fds, 3);
	assert_refused();
	ck_assert_uint_eq(count_descriptors(), before);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("message");
	TCase *good = tcase_create("good"), *bad = tcase_create("bad");

	tcase_add_checked_fixture(good, open_pair, close_pair);
	tcase_add_test(good, every_field_arrives_in_order);
	tcase_add_test(good, both_ends_talk_and_neither_waits_nor_is_inherited);
	tcase_add_test(good, a_descriptor_goes_over_and_is_closed_on_exec);
	tcase_add_test(good, a_slow_peer_is_told_apart_from_one_that_is_gone);
	tcase_add_loop_test(good, a_peer_that_left_is_a_broken_pipe, 0, 2);
	tcase_add_test(good, a_message_sent_before_the_peer_left_still_arrives);
	tcase_add_checked_fixture(bad, open_pair, close_pair);
	tcase_add_loop_test(bad, other_sizes_are_refused, 0, 4);
	tcase_add_test(bad, unknown_types_are_refused);
	tcase_add_test(bad, a_text_without_end_is_refused);
	tcase_add_test(bad, no_descriptor_of_a_refused_message_stays_open);
	suite_add_tcase(suite, good);
	suite_add_tcase(suite, bad);
	return run_suite(suite);
}
