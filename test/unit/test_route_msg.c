/*
 * test_route_msg.c - requests for policy routes: those we build, read with
 * libmnl; the kernel's rules, ours told from others.
 */
#include <check.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "loaded/route_msg.h"
#include "route_attrs.h"
#include "runner.h"
#include "seed.h"

#define SEQ 7U
#define SLOT 16383U
#define MARK (ROUTE_MARK_BASE + SLOT)

static _Alignas(8) uint8_t buf[1024];
static struct route_msgs msgs;

static const struct nlmsghdr *
message(uint32_t index)
{
	const struct nlmsghdr *nlh = (const void *)msgs.data;
	size_t at = 0;

	while (index-- > 0) {
		at += NLMSG_ALIGN(nlh->nlmsg_len);
		ck_assert_uint_lt(at, msgs.len);
		nlh = (const void *)(msgs.data + at);
	}
	return nlh;
}

static uint32_t
count_messages(void)
{
	uint32_t n = 0;

	for (size_t at = 0; at < msgs.len; n++)
		at += NLMSG_ALIGN(
		    ((const struct nlmsghdr *)(const void *)(msgs.data + at))
			->nlmsg_len);
	return n;
}

static uint32_t
rule_u32(const struct nlmsghdr *nlh, uint16_t type)
{
	const struct nlattr *attr = attr_of(nlh, sizeof(struct fib_rule_hdr),
	    type);

	return attr == NULL ? 0 : mnl_attr_get_u32(attr);
}

static struct route_backend
backend(const char *text)
{
	struct route_backend b = { .slot = SLOT, .ifindex = 3 };

	ck_assert_int_eq(addr_parse(&b.addr, text), 0);
	return b;
}

static const char *const addresses[] = { "10.1.2.3", "fd00::17" };

START_TEST(backend_is_a_rule_and_a_route)
{
	const bool v4 = _i == 0;
	const struct route_backend b = backend(addresses[_i]);
	const struct fib_rule_hdr *hdr;
	const struct nlattr *gateway;
	const struct rtmsg *rtm;

	route_msg_add(&msgs, SEQ, &b);
	ck_assert_uint_eq(count_messages(), ROUTE_MSG_ADD);
	hdr = mnl_nlmsg_get_payload(message(0));
	ck_assert_uint_eq(message(0)->nlmsg_type, RTM_NEWRULE);
	ck_assert_uint_eq(message(0)->nlmsg_flags,
	    NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL);
	ck_assert_uint_eq(message(0)->nlmsg_seq, SEQ);
	ck_assert_uint_eq(hdr->family, v4 ? AF_INET : AF_INET6);
	ck_assert_uint_eq(hdr->action, FR_ACT_TO_TBL);
	ck_assert_uint_eq(rule_u32(message(0), FRA_FWMARK), MARK);
	ck_assert_uint_eq(rule_u32(message(0), FRA_FWMASK), UINT32_MAX);
	ck_assert_uint_eq(rule_u32(message(0), FRA_TABLE), MARK);
	ck_assert_uint_eq(rule_u32(message(0), FRA_PRIORITY),
	    ROUTE_PRIORITY + 2 + SLOT / 64);

	rtm = mnl_nlmsg_get_payload(message(1));
	ck_assert_uint_eq(message(1)->nlmsg_type, RTM_NEWROUTE);
	ck_assert_uint_eq(message(1)->nlmsg_flags,
	    NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE);
	ck_assert_uint_eq(rtm->rtm_dst_len, 0);
	ck_assert_uint_eq(rtm->rtm_protocol, ROUTE_PROTOCOL);
	ck_assert_uint_eq(rtm->rtm_flags, RTNH_F_ONLINK);
	gateway = attr_of(message(1), sizeof(*rtm), RTA_GATEWAY);
	ck_assert_uint_eq(mnl_attr_get_payload_len(gateway), v4 ? 4 : 16);
	ck_assert_mem_eq(mnl_attr_get_payload(gateway),
	    b.addr.b + (v4 ? 12 : 0), v4 ? 4 : 16);
	ck_assert_uint_eq(mnl_attr_get_u32(attr_of(message(1), sizeof(*rtm),
			      RTA_TABLE)),
	    MARK);
	ck_assert_uint_eq(
	    mnl_attr_get_u32(attr_of(message(1), sizeof(*rtm), RTA_OIF)), 3);
	route_msgs_fini(&msgs);
}
END_TEST

START_TEST(without_an_interface_the_kernel_looks_for_it)
{
	struct route_backend b = backend(addresses[_i]);
	const struct rtmsg *rtm;

	b.ifindex = 0;
	route_msg_add(&msgs, SEQ, &b);
	rtm = mnl_nlmsg_get_payload(message(1));
	ck_assert_uint_eq(rtm->rtm_flags, 0);
	ck_assert_ptr_null(attr_of(message(1), sizeof(*rtm), RTA_OIF));
	route_msgs_fini(&msgs);
}
END_TEST

START_TEST(route_goes_before_its_rule)
{
	const struct route_backend b = backend(addresses[_i]);

	route_msg_remove(&msgs, SEQ, &b);
	ck_assert_uint_eq(count_messages(), 2);
	ck_assert_uint_eq(message(0)->nlmsg_type, RTM_DELROUTE);
	ck_assert_uint_eq(message(1)->nlmsg_type, RTM_DELRULE);
	ck_assert_uint_eq(rule_u32(message(1), FRA_FWMARK), MARK);
	route_msgs_fini(&msgs);
}
END_TEST

/* A guard whose target is missing would let all packets see all rules. */
START_TEST(guard_is_never_without_its_target)
{
	const bool add = _i == 0;
	const struct nlmsghdr *guard, *target;

	route_msg_frame(&msgs, SEQ, true, add);
	ck_assert_uint_eq(count_messages(), ROUTE_MSG_FRAME);
	guard = message(1);
	target = message(add ? 0 : 2);
	ck_assert_uint_eq(rule_u32(guard, FRA_GOTO),
	    rule_u32(target, FRA_PRIORITY));
	ck_assert_uint_lt(rule_u32(guard, FRA_PRIORITY),
	    rule_u32(target, FRA_PRIORITY));
	ck_assert_uint_eq(
	    ((const struct fib_rule_hdr *)mnl_nlmsg_get_payload(guard))->flags,
	    FIB_RULE_INVERT);
	route_msgs_fini(&msgs);
}
END_TEST

START_TEST(group_leads_to_the_rules_of_its_backends)
{
	struct route_backend b = backend(addresses[0]);
	uint32_t other, mask, wrong = 0;

	for (b.slot = 0; b.slot < BACKEND_SLOTS; b.slot += 509) {
		route_msg_group(&msgs, SEQ, &b, true);
		route_msg_add(&msgs, SEQ, &b);
		ck_assert_uint_eq(rule_u32(message(0), FRA_GOTO),
		    rule_u32(message(1), FRA_PRIORITY));
		ck_assert_uint_lt(rule_u32(message(0), FRA_PRIORITY),
		    rule_u32(message(1), FRA_PRIORITY));
		mask = rule_u32(message(0), FRA_FWMASK);
		for (other = 0; other < BACKEND_SLOTS; other++)
			wrong += (((ROUTE_MARK_BASE + other) & mask) ==
				     rule_u32(message(0), FRA_FWMARK)) !=
			    (other / 64 == b.slot / 64);
		route_msgs_fini(&msgs);
	}
	ck_assert_uint_eq(wrong, 0);
}
END_TEST

/* Every other mark of ours must pass the guard's test as not its own. */
START_TEST(mask_covers_all_slots_and_no_more)
{
	const uint32_t first = ROUTE_MARK_BASE, last = MARK;

	ck_assert_uint_eq(first & ROUTE_MARK_MASK, ROUTE_MARK_BASE);
	ck_assert_uint_eq(last & ROUTE_MARK_MASK, ROUTE_MARK_BASE);
	ck_assert_uint_ne((last + 1) & ROUTE_MARK_MASK, ROUTE_MARK_BASE);
	ck_assert_uint_ne((first - 1) & ROUTE_MARK_MASK, ROUTE_MARK_BASE);
}
END_TEST

/* A rule as the kernel lists it. */
static struct nlmsghdr *
listed(uint8_t protocol, uint32_t priority, uint32_t table)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct fib_rule_hdr *hdr;

	nlh->nlmsg_type = RTM_NEWRULE;
	nlh->nlmsg_flags = NLM_F_MULTI;
	hdr = mnl_nlmsg_put_extra_header(nlh, sizeof(*hdr));
	hdr->family = AF_INET6;
	mnl_attr_put_u32(nlh, FRA_PRIORITY, priority);
	mnl_attr_put_u8(nlh, FRA_PROTOCOL, protocol);
	mnl_attr_put_u32(nlh, FRA_TABLE, table);
	return nlh;
}

START_TEST(rule_of_ours_is_undone_with_its_route)
{
	const struct nlmsghdr *rule = listed(ROUTE_PROTOCOL, ROUTE_PRIORITY + 1,
	    MARK);
	const struct rtmsg *rtm;

	route_msg_undo(&msgs, rule);
	ck_assert_uint_eq(count_messages(), 2);
	rtm = mnl_nlmsg_get_payload(message(0));
	ck_assert_uint_eq(message(0)->nlmsg_type, RTM_DELROUTE);
	ck_assert_uint_eq(rtm->rtm_family, AF_INET6);
	ck_assert_uint_eq(mnl_attr_get_u32(attr_of(message(0), sizeof(*rtm),
			      RTA_TABLE)),
	    MARK);
	ck_assert_uint_eq(message(1)->nlmsg_type, RTM_DELRULE);
	ck_assert_uint_eq(message(1)->nlmsg_flags, NLM_F_REQUEST | NLM_F_ACK);
	ck_assert_uint_eq(message(1)->nlmsg_len, rule->nlmsg_len);
	ck_assert_mem_eq(mnl_nlmsg_get_payload(message(1)),
	    mnl_nlmsg_get_payload(rule), mnl_nlmsg_get_payload_len(rule));
	route_msgs_fini(&msgs);
}
END_TEST

START_TEST(foreign_tables_are_left_alone)
{
	static const uint32_t tables[] = { 0, 254, ROUTE_MARK_BASE - 1,
		MARK + 1 };

	route_msg_undo(&msgs,
	    listed(ROUTE_PROTOCOL, ROUTE_PRIORITY, tables[_i]));
	ck_assert_uint_eq(count_messages(), 1);
	ck_assert_uint_eq(message(0)->nlmsg_type, RTM_DELRULE);
	route_msgs_fini(&msgs);
}
END_TEST

START_TEST(foreign_rules_are_left_alone)
{
	route_msg_undo(&msgs, listed(RTPROT_STATIC, ROUTE_PRIORITY + 1, MARK));
	route_msg_undo(&msgs, listed(ROUTE_PROTOCOL, ROUTE_PRIORITY - 1, MARK));
	route_msg_undo(&msgs,
	    listed(ROUTE_PROTOCOL, ROUTE_PRIORITY_LAST + 1, MARK));
	route_msg_undo(&msgs, listed(ROUTE_PROTOCOL, 0, 255));
	ck_assert_uint_eq(msgs.len, 0);
}
END_TEST

START_TEST(only_what_is_so_is_done)
{
	ck_assert(route_msg_is_done(RTM_NEWRULE, -EEXIST));
	ck_assert(route_msg_is_done(RTM_DELRULE, -ENOENT));
	ck_assert(route_msg_is_done(RTM_DELROUTE, -ESRCH));
	ck_assert(route_msg_is_done(RTM_NEWROUTE, 0));
	ck_assert(!route_msg_is_done(RTM_NEWROUTE, -EEXIST));
	ck_assert(!route_msg_is_done(RTM_NEWRULE, -EPERM));
	ck_assert(!route_msg_is_done(RTM_DELRULE, -EPERM));
}
END_TEST

START_TEST(random_rules_are_survived)
{
	struct nlmsghdr *nlh = (void *)buf;

	for (int round = 0; round < 100000; round++) {
		listed(ROUTE_PROTOCOL, ROUTE_PRIORITY, MARK);
		for (uint32_t i = sizeof(*nlh); i < 64; i++)
			if (random() % 8 == 0)
				buf[i] = (uint8_t)random();
		nlh->nlmsg_len = 16 + (uint32_t)random() % 60;
		route_msg_undo(&msgs, nlh);
		if (msgs.len > 1U << 16)
			route_msgs_fini(&msgs);
	}
	ck_assert(!msgs.failed);
	route_msgs_fini(&msgs);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("route_msg");
	TCase *tc = tcase_create("all");

	seed_random("test_route_msg");
	tcase_add_loop_test(tc, backend_is_a_rule_and_a_route, 0, 2);
	tcase_add_loop_test(tc, without_an_interface_the_kernel_looks_for_it, 0,
	    2);
	tcase_add_loop_test(tc, route_goes_before_its_rule, 0, 2);
	tcase_add_loop_test(tc, guard_is_never_without_its_target, 0, 2);
	tcase_add_test(tc, group_leads_to_the_rules_of_its_backends);
	tcase_add_test(tc, mask_covers_all_slots_and_no_more);
	tcase_add_test(tc, rule_of_ours_is_undone_with_its_route);
	tcase_add_loop_test(tc, foreign_tables_are_left_alone, 0, 4);
	tcase_add_test(tc, foreign_rules_are_left_alone);
	tcase_add_test(tc, only_what_is_so_is_done);
	tcase_add_test(tc, random_rules_are_survived);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
