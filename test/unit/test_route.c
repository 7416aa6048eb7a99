/*
 * test_route.c - policy routes in the kernel, in a network namespace of the
 * test's own; where that is not allowed, nothing is tested.  What the kernel
 * lists is compared with what was asked for, after random changes.
 */
#include <check.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/fib_rules.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "loaded/route.h"
#include "route_attrs.h"
#include "runner.h"
#include "seed.h"

#define MAX 1000U
#define LINK "veth-test"
#define PEER "veth0" /* the name the kernel gives it */
/* Where no address is, the kernel takes no gateway for one. */
#define LOOPBACK 1U

/* What the kernel has of ours. */
struct found {
	uint32_t rules, routes;
	uint32_t others; /* rules around those of backends */
	uint32_t wrong;  /* differs from what is wanted */
	const struct route_backend *wanted;
	uint32_t count;
};

static struct mnl_socket *nl;
static struct routes *routes;
static uint32_t ifindex;
static _Alignas(8) uint8_t buf[32768];

/* 0 or -errno; a dump's messages go to cb. */
static int
talk(struct nlmsghdr *nlh, mnl_cb_t cb, void *arg)
{
	ssize_t len;
	int more = MNL_CB_OK;

	ck_assert_int_ge(mnl_socket_sendto(nl, nlh, nlh->nlmsg_len), 0);
	while (more == MNL_CB_OK) {
		len = mnl_socket_recvfrom(nl, buf, sizeof(buf));
		ck_assert_int_ge(len, 0);
		more = mnl_cb_run(buf, (size_t)len, 0,
		    mnl_socket_get_portid(nl), cb, arg);
	}
	return more < 0 ? -errno : 0;
}

static void
set_link(uint32_t index, bool create, bool up)
{
	_Alignas(8) uint8_t request[512];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(request);
	struct ifinfomsg *ifi;
	struct nlattr *info;

	nlh->nlmsg_type = RTM_NEWLINK;
	nlh->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK |
	    (create ? NLM_F_CREATE | NLM_F_EXCL : 0));
	ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));
	ifi->ifi_index = (int)index;
	ifi->ifi_flags = up ? IFF_UP : 0;
	ifi->ifi_change = IFF_UP;
	if (create) {
		mnl_attr_put_strz(nlh, IFLA_IFNAME, LINK);
		info = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
		mnl_attr_put_strz(nlh, IFLA_INFO_KIND, "veth");
		mnl_attr_nest_end(nlh, info);
	}
	ck_assert_int_eq(talk(nlh, NULL, NULL), 0);
}

static bool
enter_namespace(void)
{
	return unshare(CLONE_NEWNET) == 0 ||
	    unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0;
}

/* Tried in a process of its own, as each test is one. */
static int
try_namespace(void)
{
	const pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(enter_namespace() ? 0 : errno);
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ?
	    WEXITSTATUS(status) :
	    ECHILD;
}

static void
setup(void)
{
	int error;

	ck_assert(enter_namespace());
	nl = mnl_socket_open(NETLINK_ROUTE);
	ck_assert_ptr_nonnull(nl);
	ck_assert_int_eq(mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID), 0);
	set_link(LOOPBACK, false, true);
	set_link(0, true, true);
	ifindex = if_nametoindex(LINK);
	ck_assert_uint_gt(ifindex, 0);
	routes = routes_open(&error);
	ck_assert_ptr_nonnull(routes);
	ck_assert_int_eq(error, 0);
}

static void
teardown(void)
{
	routes_close(routes);
	mnl_socket_close(nl);
}

static struct route_backend
backend(uint32_t slot, uint32_t host, bool v4)
{
	struct route_backend b = { .slot = slot, .ifindex = ifindex };

	ck_assert_int_eq(addr_parse(&b.addr, v4 ? "10.9.0.0" : "fd00:9::"), 0);
	b.addr.b[14] = (uint8_t)(host >> 8);
	b.addr.b[15] = (uint8_t)host;
	return b;
}

static const struct route_backend *
find(const struct found *f, uint32_t mark, bool v4)
{
	for (uint32_t i = 0; i < f->count; i++)
		if (f->wanted[i].slot == mark - ROUTE_MARK_BASE)
			return addr_is_v4(&f->wanted[i].addr) == v4 ?
			    &f->wanted[i] :
			    NULL;
	return NULL;
}

static uint32_t
value(const struct nlmsghdr *nlh, size_t head, uint16_t type)
{
	const struct nlattr *attr = attr_of(nlh, head, type);

	if (attr == NULL)
		return 0;
	return mnl_attr_get_payload_len(attr) == 1 ? mnl_attr_get_u8(attr) :
						     mnl_attr_get_u32(attr);
}

static int
take_rule(const struct nlmsghdr *nlh, void *arg)
{
	const struct fib_rule_hdr *hdr = mnl_nlmsg_get_payload(nlh);
	const uint32_t mark = value(nlh, sizeof(*hdr), FRA_FWMARK);
	struct found *f = arg;

	if (value(nlh, sizeof(*hdr), FRA_PROTOCOL) != ROUTE_PROTOCOL)
		return MNL_CB_OK;
	if (hdr->action != FR_ACT_TO_TBL) {
		f->others++;
		f->wrong += (hdr->flags & FIB_RULE_UNRESOLVED) != 0;
		return MNL_CB_OK;
	}
	f->rules++;
	f->wrong += value(nlh, sizeof(*hdr), FRA_TABLE) != mark ||
	    find(f, mark, hdr->family == AF_INET) == NULL;
	return MNL_CB_OK;
}

static int
take_route(const struct nlmsghdr *nlh, void *arg)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
	const bool v4 = rtm->rtm_family == AF_INET;
	const struct route_backend *b;
	const struct nlattr *gateway;
	struct found *f = arg;

	if (rtm->rtm_protocol != ROUTE_PROTOCOL)
		return MNL_CB_OK;
	f->routes++;
	b = find(f, value(nlh, sizeof(*rtm), RTA_TABLE), v4);
	if (b == NULL || value(nlh, sizeof(*rtm), RTA_OIF) != b->ifindex) {
		f->wrong++;
		return MNL_CB_OK;
	}
	gateway = attr_of(nlh, sizeof(*rtm), RTA_GATEWAY);
	f->wrong += gateway == NULL ||
	    memcmp(mnl_attr_get_payload(gateway), b->addr.b + (v4 ? 12 : 0),
		v4 ? 4 : 16) != 0;
	return MNL_CB_OK;
}

static void
dump(uint16_t type, uint8_t family, mnl_cb_t cb, struct found *f)
{
	_Alignas(8) uint8_t request[64];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(request);
	struct rtmsg *rtm; /* as long as a fib_rule_hdr */

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));
	rtm->rtm_family = family;
	ck_assert_int_eq(talk(nlh, cb, f), 0);
}

static struct found
look(const struct route_backend *wanted, uint32_t count)
{
	struct found f = { .wanted = wanted, .count = count };

	dump(RTM_GETRULE, AF_INET, take_rule, &f);
	dump(RTM_GETRULE, AF_INET6, take_rule, &f);
	dump(RTM_GETROUTE, AF_INET, take_route, &f);
	dump(RTM_GETROUTE, AF_INET6, take_route, &f);
	return f;
}

static void
expect(const struct route_backend *wanted, uint32_t count)
{
	const struct found f = look(wanted, count);
	bool used[2] = { false, false }, groups[2][256] = { 0 };
	uint32_t others = 0;

	for (uint32_t i = 0; i < count; i++) {
		const bool v4 = addr_is_v4(&wanted[i].addr);

		others += used[v4] ? 0 : 3;
		others += !groups[v4][wanted[i].slot / 64];
		used[v4] = groups[v4][wanted[i].slot / 64] = true;
	}
	ck_assert_uint_eq(f.rules, count);
	ck_assert_uint_eq(f.routes, count);
	ck_assert_uint_eq(f.others, others);
	ck_assert_uint_eq(f.wrong, 0);
}

/* They are asked for, and there they are. */
static void
get(const struct route_backend *wanted, uint32_t count)
{
	ck_assert_int_eq(routes_sync(routes, wanted, count), 0);
	expect(wanted, count);
}

static void
get_one_of_each_family(struct route_backend wanted[2])
{
	wanted[0] = backend(1, 1, true);
	wanted[1] = backend(2, 2, false);
	get(wanted, 2);
}

/* As another process would find the kernel. */
static void
reopen(void)
{
	int error;

	routes_close(routes);
	routes = routes_open(&error);
	ck_assert_ptr_nonnull(routes);
}

static uint32_t
make_random(struct route_backend *wanted)
{
	uint32_t count = 0;

	for (uint32_t slot = 0; slot < 400; slot += 1 + slot % 29)
		if (random() % 2 == 0)
			wanted[count++] = backend(slot,
			    (uint32_t)random() % 3 + 1, random() % 2 == 0);
	return random() % 8 == 0 ? 0 : count;
}

START_TEST(kernel_follows_the_list)
{
	struct route_backend wanted[64];
	uint32_t count;

	for (int round = 0; round < 60; round++) {
		count = make_random(wanted);
		get(wanted, count);
	}
}
END_TEST

START_TEST(a_killed_predecessor_leaves_nothing)
{
	struct route_backend wanted[64];
	uint32_t count;

	for (int round = 0; round < 20; round++) {
		count = make_random(wanted);
		ck_assert_int_eq(routes_sync(routes, wanted, count), 0);
		reopen();
		ck_assert_int_eq(routes_clear(routes), 0);
		expect(NULL, 0);
	}
}
END_TEST

START_TEST(what_a_predecessor_left_is_taken_over)
{
	const struct route_backend left = backend(5, 1, true);
	const struct route_backend wanted = backend(5, 2, true);

	ck_assert_int_eq(routes_sync(routes, &left, 1), 0);
	reopen();
	get(&wanted, 1);
}
END_TEST

START_TEST(one_failure_does_not_stop_the_rest)
{
	struct route_backend wanted[3];

	for (uint32_t i = 0; i < 3; i++)
		wanted[i] = backend(i, i + 1, i != 2);
	wanted[0].ifindex = ifindex + 1000;
	ck_assert_int_eq(routes_sync(routes, wanted, 3), -ENODEV);
	ck_assert_uint_eq(look(wanted, 3).routes, 2);
	addr_parse(&wanted[1].addr, "224.0.0.1");
	ck_assert_int_eq(routes_sync(routes, wanted, 3), -ENODEV);
	wanted[0].ifindex = ifindex;
	ck_assert_int_eq(routes_sync(routes, wanted, 3), -EINVAL);
	wanted[1] = backend(1, 2, true);
	get(wanted, 3);
}
END_TEST

START_TEST(forgotten_routes_are_sent_again)
{
	struct route_backend wanted[2];

	get_one_of_each_family(wanted);
	set_link(ifindex, false, false);
	set_link(ifindex, false, true);
	ck_assert_uint_eq(look(wanted, 2).routes, 0);
	ck_assert_int_eq(routes_sync(routes, wanted, 2), 0);
	ck_assert_uint_eq(look(wanted, 2).routes, 0);
	routes_forget(routes);
	get(wanted, 2);
}
END_TEST

START_TEST(backend_moves_to_another_interface)
{
	struct route_backend wanted[2];

	get_one_of_each_family(wanted);
	for (uint32_t i = 0; i < 2; i++)
		wanted[i].ifindex = if_nametoindex(PEER);
	set_link(wanted[0].ifindex, false, true);
	get(wanted, 2);
}
END_TEST

START_TEST(list_out_of_order_is_refused)
{
	struct route_backend wanted[2];

	wanted[0] = wanted[1] = backend(1, 1, true);
	ck_assert_int_eq(routes_sync(routes, wanted, 2), -EINVAL);
	wanted[1].slot = 16384;
	ck_assert_int_eq(routes_sync(routes, wanted, 2), -EINVAL);
	wanted[1].slot = 16383;
	get(wanted, 2);
}
END_TEST

static uint64_t
now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

START_TEST(a_thousand_backends_come_and_go)
{
	static struct route_backend wanted[MAX];
	uint64_t start, added, same, cleared;

	for (uint32_t i = 0; i < MAX; i++)
		wanted[i] = backend(i, i + 1, i % 2 == 0);
	start = now_us();
	ck_assert_int_eq(routes_sync(routes, wanted, MAX), 0);
	added = now_us();
	ck_assert_int_eq(routes_sync(routes, wanted, MAX), 0);
	same = now_us();
	expect(wanted, MAX);
	cleared = now_us();
	ck_assert_int_eq(routes_clear(routes), 0);
	printf("test_route: %u backends added in %lu us, again %lu, "
	       "cleared %lu\n",
	    MAX, added - start, same - added, now_us() - cleared);
	expect(NULL, 0);
}
END_TEST

int
main(void)
{
	const int error = try_namespace();
	Suite *suite;
	TCase *tc;

	if (error != 0) {
		printf("test_route: skipped, no network namespace: %s\n",
		    strerror(error));
		return 0;
	}
	seed_random("test_route");
	suite = suite_create("route");
	tc = tcase_create("all");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, kernel_follows_the_list);
	tcase_add_test(tc, a_killed_predecessor_leaves_nothing);
	tcase_add_test(tc, what_a_predecessor_left_is_taken_over);
	tcase_add_test(tc, one_failure_does_not_stop_the_rest);
	tcase_add_test(tc, forgotten_routes_are_sent_again);
	tcase_add_test(tc, backend_moves_to_another_interface);
	tcase_add_test(tc, list_out_of_order_is_refused);
	tcase_add_test(tc, a_thousand_backends_come_and_go);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
