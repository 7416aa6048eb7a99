/*
 * nfq_msg.c - the messages of nfnetlink_queue, byte by byte.  No I/O; called
 * by nfq.c.  A message is from the kernel, but is parsed as if it were not.
 */
#include "loaded/nfq_msg.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <linux/netlink.h>
#include <string.h>

#define ATTR_LEN ((uint32_t)sizeof(struct nlattr))
#define TYPE(message) (NFNL_SUBSYS_QUEUE << 8 | (message))

/*
 * What every verdict starts with.  A mark and a payload may follow; together
 * they are hardly longer than what the kernel wrote before the packet.
 */
struct verdict_head {
	struct nlmsghdr nlh;
	struct nfgenmsg nfg;
	struct nlattr verdict_attr;
	struct nfqnl_msg_verdict_hdr verdict;
};

struct mark_attr {
	struct nlattr attr;
	uint32_t mark_be;
};

_Static_assert(sizeof(struct verdict_head) + sizeof(struct mark_attr) +
	    sizeof(struct nlattr) <=
	NFQ_MSG_HEADROOM,
    "a verdict fits before its packet");

static uint32_t
read_be32(const void *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return ntohl(value);
}

static void
parse_skb_info(struct nfq_packet *p, const void *at)
{
	const uint32_t info = read_be32(at);

	p->gso = (info & NFQA_SKB_GSO) != 0;
	p->csum_partial = (info & NFQA_SKB_CSUMNOTREADY) != 0;
}

/* One attribute; len is of its data. */
static void
parse_attr(struct nfq_packet *p, uint16_t type, uint8_t *data, uint32_t len)
{
	switch (type) {
	case NFQA_MARK:
		if (len >= sizeof(uint32_t))
			p->mark = read_be32(data);
		break;
	case NFQA_SKB_INFO:
		if (len >= sizeof(uint32_t))
			parse_skb_info(p, data);
		break;
	case NFQA_CAP_LEN:
		p->truncated = true;
		break;
	case NFQA_PAYLOAD:
		p->data = data;
		p->len = len;
		break;
	default:
		break;
	}
}

/* The kernel puts the id first; without it there is nothing to answer. */
static bool
parse_id(struct nfq_packet *p, const uint8_t *at, uint32_t len)
{
	struct nlattr attr;

	if (len < sizeof(attr) + sizeof(struct nfqnl_msg_packet_hdr))
		return false;
	memcpy(&attr, at, sizeof(attr));
	if (attr.nla_type != NFQA_PACKET_HDR ||
	    attr.nla_len < ATTR_LEN + sizeof(struct nfqnl_msg_packet_hdr))
		return false;
	memcpy(&p->id_be, at + ATTR_LEN, sizeof(p->id_be));
	return true;
}

/*
 * The payload comes last, and is what is missing when the buffer was too
 * short.
 */
static bool
parse_packet(struct nfq_packet *p, uint8_t *msg, uint32_t len)
{
	uint32_t off = NLMSG_HDRLEN + NLMSG_ALIGN(sizeof(struct nfgenmsg));
	struct nlattr attr;

	*p = (struct nfq_packet){ .data = msg + len };
	if (len < off || !parse_id(p, msg + off, len - off))
		return false;
	while (off + ATTR_LEN <= len) {
		memcpy(&attr, msg + off, sizeof(attr));
		if (attr.nla_len < ATTR_LEN)
			break;
		if (attr.nla_len > len - off) {
			p->truncated = true;
			attr.nla_len = (uint16_t)(len - off);
		}
		parse_attr(p, attr.nla_type & (uint16_t)NLA_TYPE_MASK,
		    msg + off + ATTR_LEN, attr.nla_len - ATTR_LEN);
		off += (uint32_t)NLA_ALIGN(attr.nla_len);
	}
	return true;
}

enum nfq_msg_kind
nfq_msg_parse(struct nfq_packet *p, uint8_t *msg, uint32_t len, int *error)
{
	struct nlmsghdr nlh;
	struct nlmsgerr answer;

	if (len < NLMSG_HDRLEN)
		return NFQ_MSG_GARBAGE;
	memcpy(&nlh, msg, sizeof(nlh));
	if (nlh.nlmsg_type == TYPE(NFQNL_MSG_PACKET))
		return parse_packet(p, msg, len) ? NFQ_MSG_PACKET :
						   NFQ_MSG_GARBAGE;
	if (nlh.nlmsg_type != NLMSG_ERROR ||
	    len < NLMSG_HDRLEN + sizeof(answer))
		return NFQ_MSG_GARBAGE;
	memcpy(&answer, msg + NLMSG_HDRLEN, sizeof(answer));
	*error = -answer.error;
	return NFQ_MSG_ERROR;
}

uint8_t *
nfq_msg_verdict(const struct nfq_packet *p, uint16_t queue,
    enum nfq_verdict verdict, uint32_t len, const uint32_t *mark)
{
	struct verdict_head head = {
		.nlh.nlmsg_type = TYPE(NFQNL_MSG_VERDICT),
		.nlh.nlmsg_flags = NLM_F_REQUEST,
		.nfg.version = NFNETLINK_V0,
		.nfg.res_id = htons(queue),
		.verdict_attr.nla_len = ATTR_LEN + sizeof(head.verdict),
		.verdict_attr.nla_type = NFQA_VERDICT_HDR,
		.verdict.verdict = htonl(verdict == NFQ_ACCEPT ? NF_ACCEPT :
								 NF_DROP),
		.verdict.id = p->id_be,
	};
	struct mark_attr mark_attr = {
		.attr = { .nla_len = sizeof(mark_attr), .nla_type = NFQA_MARK },
	};
	const struct nlattr payload = {
		.nla_len = (uint16_t)(ATTR_LEN + len),
		.nla_type = NFQA_PAYLOAD,
	};
	uint8_t *at = p->data;

	if (len > 0)
		memcpy(at -= sizeof(payload), &payload, sizeof(payload));
	if (mark != NULL) {
		mark_attr.mark_be = htonl(*mark);
		memcpy(at -= sizeof(mark_attr), &mark_attr, sizeof(mark_attr));
	}
	head.nlh.nlmsg_len = (uint32_t)(p->data + len - at +
	    (ptrdiff_t)sizeof(head));
	memcpy(at -= sizeof(head), &head, sizeof(head));
	return at;
}

size_t
nfq_msg_turn_to_drop(uint8_t *msg)
{
	struct verdict_head head;

	memcpy(&head, msg, sizeof(head));
	head.nlh.nlmsg_len = sizeof(head);
	head.verdict.verdict = htonl(NF_DROP);
	memcpy(msg, &head, sizeof(head));
	return sizeof(head);
}
