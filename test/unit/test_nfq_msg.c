/*
 * test_nfq_msg.c - the netlink messages of NFQUEUE: those of the kernel read,
 * those for it checked with libmnl.
 */
#include <arpa/inet.h> /* before linux/in.h */
#include <check.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>

#include "loaded/nfq_msg.h"
#include "packets.h"
#include "runner.h"
#include "seed.h"

#define PACKET "the packet, 21 bytes."
#define PACKET_LEN 21U
#define ID 0x01020304U
#define ID_LEN sizeof(struct nfqnl_msg_packet_hdr)

static _Alignas(8) uint8_t memory[NFQ_MSG_HEADROOM + 4096];
static uint8_t *const buf = memory + NFQ_MSG_HEADROOM;

/* A message as the kernel makes it. */
static struct nlmsghdr *
start_message(void)
{
	const struct nfqnl_msg_packet_hdr hdr = { .packet_id = htonl(ID) };
	struct nlmsghdr *nlh;

	memset(memory, 0xee, sizeof(memory));
	nlh = mnl_nlmsg_put_header(buf);
	nlh->nlmsg_type = NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_PACKET;
	mnl_nlmsg_put_extra_header(nlh, sizeof(struct nfgenmsg));
	mnl_attr_put(nlh, NFQA_PACKET_HDR, ID_LEN, &hdr);
	return nlh;
}

static enum nfq_msg_kind
parse(struct nfq_packet *p, uint32_t len)
{
	int error = -1;

	return nfq_msg_parse(p, buf, len, &error);
}

START_TEST(packet_is_read)
{
	struct nlmsghdr *nlh = start_message();
	struct nfq_packet p;

	mnl_attr_put_u32(nlh, NFQA_IFINDEX_INDEV, htonl(3));
	mnl_attr_put_u32(nlh, NFQA_MARK, htonl(0x4c440001));
	mnl_attr_put_u32(nlh, NFQA_SKB_INFO,
	    htonl(NFQA_SKB_CSUMNOTREADY | NFQA_SKB_GSO));
	mnl_attr_put(nlh, NFQA_PAYLOAD, PACKET_LEN, PACKET);
	ck_assert_int_eq(parse(&p, nlh->nlmsg_len), NFQ_MSG_PACKET);
	ck_assert_uint_eq(ntohl(p.id_be), ID);
	ck_assert_uint_eq(p.mark, 0x4c440001);
	ck_assert(p.gso && p.csum_partial && !p.truncated);
	ck_assert_uint_eq(p.len, PACKET_LEN);
	ck_assert_mem_eq(p.data, PACKET, PACKET_LEN);
}
END_TEST

START_TEST(plain_packet_has_no_flags)
{
	struct nlmsghdr *nlh = start_message();
	struct nfq_packet p;

	mnl_attr_put(nlh, NFQA_PAYLOAD, PACKET_LEN, PACKET);
	ck_assert_int_eq(parse(&p, nlh->nlmsg_len), NFQ_MSG_PACKET);
	ck_assert(!p.gso && !p.csum_partial && !p.truncated && p.mark == 0);
}
END_TEST

START_TEST(cap_len_means_truncated)
{
	struct nlmsghdr *nlh = start_message();
	struct nfq_packet p;

	mnl_attr_put_u32(nlh, NFQA_CAP_LEN, htonl(65535));
	mnl_attr_put(nlh, NFQA_PAYLOAD, PACKET_LEN, PACKET);
	ck_assert_int_eq(parse(&p, nlh->nlmsg_len), NFQ_MSG_PACKET);
	ck_assert(p.truncated);
}
END_TEST

/* MSG_TRUNC: what is missing of the payload is not the packet's end. */
START_TEST(cut_payload_means_truncated)
{
	struct nlmsghdr *nlh = start_message();
	struct nfq_packet p;
	uint32_t cut;

	mnl_attr_put(nlh, NFQA_PAYLOAD, PACKET_LEN, PACKET);
	for (cut = 4; cut < PACKET_LEN + 3; cut++) {
		ck_assert_int_eq(parse(&p, nlh->nlmsg_len - cut),
		    NFQ_MSG_PACKET);
		ck_assert(p.truncated);
		ck_assert_uint_lt(p.len, PACKET_LEN);
	}
}
END_TEST

START_TEST(every_prefix_is_survived_and_needs_the_id)
{
	struct nlmsghdr *nlh = start_message();
	struct nfq_packet p;
	uint32_t len;

	mnl_attr_put(nlh, NFQA_PAYLOAD, PACKET_LEN, PACKET);
	for (len = 0; len < 16 + 4 + 4 + ID_LEN; len++)
		ck_assert_int_eq(parse(&p, len), NFQ_MSG_GARBAGE);
}
END_TEST

START_TEST(errors_are_told_by_number)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct nlmsgerr *answer;
	struct nfq_packet p;
	int error = 0;

	nlh->nlmsg_type = NLMSG_ERROR;
	answer = mnl_nlmsg_put_extra_header(nlh, sizeof(*answer));
	answer->error = -ENOENT;
	ck_assert_int_eq(nfq_msg_parse(&p, buf, nlh->nlmsg_len, &error),
	    NFQ_MSG_ERROR);
	ck_assert_int_eq(error, ENOENT);
	ck_assert_int_eq(nfq_msg_parse(&p, buf, nlh->nlmsg_len - 1, &error),
	    NFQ_MSG_GARBAGE);
	nlh->nlmsg_type = NLMSG_NOOP;
	ck_assert_int_eq(nfq_msg_parse(&p, buf, nlh->nlmsg_len, &error),
	    NFQ_MSG_GARBAGE);
}
END_TEST

static int
collect(const struct nlattr *attr, void *arg)
{
	const struct nlattr **attrs = arg;

	ck_assert_uint_le(mnl_attr_get_type(attr), NFQA_MAX);
	attrs[mnl_attr_get_type(attr)] = attr;
	return MNL_CB_OK;
}

/*
 * bit 0: payload, bit 1: mark, bit 2: drop, bit 3: the packet came with a mark,
 * and so with more room before it; bit 4: the mark is 0.
 */
START_TEST(verdict_is_what_the_kernel_expects)
{
	const bool payload = _i & 1, mark = _i & 2, drop = _i & 4;
	const uint32_t value = _i & 16 ? 0 : 0x4c483fff;
	const struct nlattr *attrs[NFQA_MAX + 1] = { NULL };
	struct nlmsghdr *nlh = start_message();
	const struct nfqnl_msg_verdict_hdr *verdict;
	const struct nfgenmsg *nfg;
	struct nfq_packet p;
	uint8_t *at;

	if (_i & 8)
		mnl_attr_put_u32(nlh, NFQA_MARK, htonl(7));
	mnl_attr_put(nlh, NFQA_PAYLOAD, PACKET_LEN, PACKET);
	ck_assert_int_eq(parse(&p, nlh->nlmsg_len), NFQ_MSG_PACKET);
	at = nfq_msg_verdict(&p, 5, drop ? NFQ_DROP : NFQ_ACCEPT,
	    payload ? p.len : 0, mark ? &value : NULL);
	ck_assert(at >= memory);
	nlh = (void *)at;
	ck_assert_ptr_eq(at + nlh->nlmsg_len, p.data + (payload ? p.len : 0));
	ck_assert_uint_eq(nlh->nlmsg_type,
	    NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_VERDICT);
	ck_assert_uint_eq(nlh->nlmsg_flags, NLM_F_REQUEST);
	nfg = mnl_nlmsg_get_payload(nlh);
	ck_assert_uint_eq(ntohs(nfg->res_id), 5);
	ck_assert_int_eq(mnl_attr_parse(nlh, sizeof(*nfg), collect, attrs),
	    MNL_CB_OK);
	verdict = mnl_attr_get_payload(attrs[NFQA_VERDICT_HDR]);
	ck_assert_uint_eq(ntohl(verdict->id), ID);
	ck_assert_uint_eq(ntohl(verdict->verdict), drop ? NF_DROP : NF_ACCEPT);
	ck_assert((attrs[NFQA_MARK] != NULL) == mark);
	if (mark)
		ck_assert_uint_eq(mnl_attr_get_u32(attrs[NFQA_MARK]),
		    htonl(value));
	ck_assert((attrs[NFQA_PAYLOAD] != NULL) == payload);
	if (payload) {
		ck_assert_uint_eq(mnl_attr_get_payload_len(attrs[NFQA_PAYLOAD]),
		    PACKET_LEN);
		ck_assert_mem_eq(mnl_attr_get_payload(attrs[NFQA_PAYLOAD]),
		    PACKET, PACKET_LEN);
	}
}
END_TEST

START_TEST(verdict_can_become_a_drop)
{
	struct nlmsghdr *nlh = start_message();
	struct nfq_packet p;
	uint8_t *at;
	size_t len;

	mnl_attr_put(nlh, NFQA_PAYLOAD, PACKET_LEN, PACKET);
	parse(&p, nlh->nlmsg_len);
	at = nfq_msg_verdict(&p, 5, NFQ_ACCEPT, p.len, NULL);
	len = nfq_msg_turn_to_drop(at);
	nlh = (void *)at;
	ck_assert_uint_eq(nlh->nlmsg_len, len);
	ck_assert_uint_eq(get16(at + len - 6), NF_DROP);
	ck_assert_uint_eq(get16(at + len - 2), ID & 0xffff);
}
END_TEST

START_TEST(random_messages_are_survived)
{
	struct nfq_packet p;
	uint32_t i, len;
	int round;

	for (round = 0; round < 200000; round++) {
		start_message();
		len = (uint32_t)random() % 200;
		for (i = 36; i < len; i++)
			buf[i] = (uint8_t)(random() %
			    (random() % 3 ? 20 : 256));
		if (parse(&p, len) != NFQ_MSG_PACKET)
			continue;
		ck_assert(p.data >= buf + 20 + 4 + ID_LEN);
		ck_assert(p.data + p.len <= buf + len);
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("nfq_msg");
	TCase *tc = tcase_create("all");

	seed_random("test_nfq_msg");
	tcase_add_test(tc, packet_is_read);
	tcase_add_test(tc, plain_packet_has_no_flags);
	tcase_add_test(tc, cap_len_means_truncated);
	tcase_add_test(tc, cut_payload_means_truncated);
	tcase_add_test(tc, every_prefix_is_survived_and_needs_the_id);
	tcase_add_test(tc, errors_are_told_by_number);
	tcase_add_loop_test(tc, verdict_is_what_the_kernel_expects, 0, 32);
	tcase_add_test(tc, verdict_can_become_a_drop);
	tcase_add_test(tc, random_messages_are_survived);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
