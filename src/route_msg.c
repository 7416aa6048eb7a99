/*
 * route_msg.c - requests for policy rules and routes, and what is ours in the
 * kernel's list of rules.  No I/O; called by route.c.
 */
#include "loaded/route_msg.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* More than the longest request of ours. */
#define MSG_LEN 256
#define SIZE_MIN 4096U
#define V4_OFF 12

/* Counted from ROUTE_PRIORITY. */
enum place {
	PLACE_GUARD,
	PLACE_GROUP,
	PLACE_BACKENDS, /* plus the group */
	PLACE_BLACKHOLE = PLACE_BACKENDS + ROUTE_GROUPS,
	PLACE_END
};

_Static_assert(ROUTE_PRIORITY + PLACE_END == ROUTE_PRIORITY_LAST, "route.h");
_Static_assert(~ROUTE_MARK_MASK == BACKEND_SLOTS - 1, "a mark a slot");

struct rule {
	uint32_t place;
	uint8_t action;
	bool others; /* matches what has another mark */
	uint32_t mark, mask, table;
	uint32_t target; /* priority to go on at */
};

static const struct rule frame[ROUTE_MSG_FRAME] = {
	{ .place = PLACE_END, .action = FR_ACT_NOP },
	{ .place = PLACE_GUARD,
	    .action = FR_ACT_GOTO,
	    .others = true,
	    .mark = ROUTE_MARK_BASE,
	    .mask = ROUTE_MARK_MASK,
	    .target = ROUTE_PRIORITY + PLACE_END },
	{ .place = PLACE_BLACKHOLE,
	    .action = FR_ACT_BLACKHOLE,
	    .mark = ROUTE_MARK_BASE,
	    .mask = ROUTE_MARK_MASK },
};

void
route_msgs_fini(struct route_msgs *m)
{
	free(m->data);
	*m = (struct route_msgs){ 0 };
}

static bool
make_room(struct route_msgs *m, size_t len)
{
	size_t size = m->size > 0 ? m->size : SIZE_MIN;
	uint8_t *data;

	while (size - m->len < len)
		size *= 2;
	if (size == m->size)
		return true;
	data = realloc(m->data, size);
	if (data == NULL)
		return false;
	m->data = data;
	m->size = size;
	return true;
}

void
route_msgs_put(struct route_msgs *m, const struct nlmsghdr *nlh)
{
	const size_t len = NLMSG_ALIGN(nlh->nlmsg_len);

	if (m->failed || !make_room(m, len)) {
		m->failed = true;
		return;
	}
	memset(m->data + m->len, 0, len);
	memcpy(m->data + m->len, nlh, nlh->nlmsg_len);
	m->len += len;
}

/* Without EXCL a rule that is there would be there twice. */
static struct nlmsghdr *
start(void *buf, uint16_t type, uint32_t seq)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	if (type == RTM_NEWRULE)
		nlh->nlmsg_flags |= NLM_F_CREATE | NLM_F_EXCL;
	if (type == RTM_NEWROUTE)
		nlh->nlmsg_flags |= NLM_F_CREATE | NLM_F_REPLACE;
	nlh->nlmsg_seq = seq;
	return nlh;
}

static uint8_t
family(bool v4)
{
	return v4 ? AF_INET : AF_INET6;
}

static void
put_rule(struct route_msgs *m, uint32_t seq, bool v4, bool add,
    const struct rule *rule)
{
	_Alignas(NLMSG_ALIGNTO) uint8_t buf[MSG_LEN];
	struct nlmsghdr *nlh = start(buf, add ? RTM_NEWRULE : RTM_DELRULE, seq);
	struct fib_rule_hdr *hdr;

	hdr = mnl_nlmsg_put_extra_header(nlh, sizeof(*hdr));
	hdr->family = family(v4);
	hdr->action = rule->action;
	if (rule->others)
		hdr->flags = FIB_RULE_INVERT;
	mnl_attr_put_u32(nlh, FRA_PRIORITY, ROUTE_PRIORITY + rule->place);
	mnl_attr_put_u8(nlh, FRA_PROTOCOL, ROUTE_PROTOCOL);
	if (rule->mask != 0) {
		mnl_attr_put_u32(nlh, FRA_FWMARK, rule->mark);
		mnl_attr_put_u32(nlh, FRA_FWMASK, rule->mask);
	}
	if (rule->table != 0)
		mnl_attr_put_u32(nlh, FRA_TABLE, rule->table);
	if (rule->target != 0)
		mnl_attr_put_u32(nlh, FRA_GOTO, rule->target);
	route_msgs_put(m, nlh);
}

/* What the guard leads to is added before it, and removed behind it. */
void
route_msg_frame(struct route_msgs *m, uint32_t seq, bool v4, bool add)
{
	for (int i = 0; i < ROUTE_MSG_FRAME; i++)
		put_rule(m, seq, v4, add,
		    &frame[add ? i : ROUTE_MSG_FRAME - 1 - i]);
}

static void
put_backend_rule(struct route_msgs *m, uint32_t seq,
    const struct route_backend *b, bool add)
{
	const uint32_t mark = ROUTE_MARK_BASE + b->slot;

	put_rule(m, seq, addr_is_v4(&b->addr), add,
	    &(struct rule){ .place = PLACE_BACKENDS + route_group(b->slot),
		.action = FR_ACT_TO_TBL,
		.mark = mark,
		.mask = UINT32_MAX,
		.table = mark });
}

void
route_msg_group(struct route_msgs *m, uint32_t seq,
    const struct route_backend *b, bool add)
{
	const uint32_t group = route_group(b->slot);

	put_rule(m, seq, addr_is_v4(&b->addr), add,
	    &(struct rule){ .place = PLACE_GROUP,
		.action = FR_ACT_GOTO,
		.mark = ROUTE_MARK_BASE + group * ROUTE_GROUP,
		.mask = ~(ROUTE_GROUP - 1),
		.target = ROUTE_PRIORITY + PLACE_BACKENDS + group });
}

static struct rtmsg *
put_route_header(struct nlmsghdr *nlh, bool v4, uint32_t table)
{
	struct rtmsg *rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));

	rtm->rtm_family = family(v4);
	rtm->rtm_protocol = ROUTE_PROTOCOL;
	mnl_attr_put_u32(nlh, RTA_TABLE, table);
	return rtm;
}

/* onlink: the balancer need not have an address of the backend's network. */
static void
put_new_route(struct route_msgs *m, uint32_t seq, const struct route_backend *b)
{
	_Alignas(NLMSG_ALIGNTO) uint8_t buf[MSG_LEN];
	struct nlmsghdr *nlh = start(buf, RTM_NEWROUTE, seq);
	const bool v4 = addr_is_v4(&b->addr);
	const size_t off = v4 ? V4_OFF : 0;
	struct rtmsg *rtm;

	rtm = put_route_header(nlh, v4, ROUTE_MARK_BASE + b->slot);
	rtm->rtm_type = RTN_UNICAST;
	rtm->rtm_scope = RT_SCOPE_UNIVERSE;
	mnl_attr_put(nlh, RTA_GATEWAY, sizeof(b->addr.b) - off,
	    b->addr.b + off);
	if (b->ifindex != 0) {
		rtm->rtm_flags = RTNH_F_ONLINK;
		mnl_attr_put_u32(nlh, RTA_OIF, b->ifindex);
	}
	route_msgs_put(m, nlh);
}

/* There is one route in the table, so it need not be described. */
static void
put_old_route(struct route_msgs *m, uint32_t seq, bool v4, uint32_t table)
{
	_Alignas(NLMSG_ALIGNTO) uint8_t buf[MSG_LEN];
	struct nlmsghdr *nlh = start(buf, RTM_DELROUTE, seq);

	put_route_header(nlh, v4, table)->rtm_scope = RT_SCOPE_NOWHERE;
	route_msgs_put(m, nlh);
}

/* The rule is there for as long as the route: who finds one finds both. */
void
route_msg_add(struct route_msgs *m, uint32_t seq, const struct route_backend *b)
{
	put_backend_rule(m, seq, b, true);
	put_new_route(m, seq, b);
}

void
route_msg_remove(struct route_msgs *m, uint32_t seq,
    const struct route_backend *b)
{
	put_old_route(m, seq, addr_is_v4(&b->addr), ROUTE_MARK_BASE + b->slot);
	put_backend_rule(m, seq, b, false);
}

static int
collect(const struct nlattr *attr, void *arg)
{
	const struct nlattr **attrs = arg;

	if (mnl_attr_get_type(attr) <= FRA_MAX)
		attrs[mnl_attr_get_type(attr)] = attr;
	return MNL_CB_OK;
}

static uint32_t
get_u32(const struct nlattr *attr)
{
	return attr != NULL && mnl_attr_get_payload_len(attr) >= 4 ?
	    mnl_attr_get_u32(attr) :
	    0;
}

static bool
is_ours(const struct nlattr *const *attrs)
{
	const struct nlattr *protocol = attrs[FRA_PROTOCOL];

	return protocol != NULL && mnl_attr_get_payload_len(protocol) >= 1 &&
	    mnl_attr_get_u8(protocol) == ROUTE_PROTOCOL &&
	    get_u32(attrs[FRA_PRIORITY]) - ROUTE_PRIORITY <= PLACE_END;
}

/* The kernel removes what is described as it describes it itself. */
static void
put_old_rule(struct route_msgs *m, const struct nlmsghdr *rule)
{
	const size_t at = m->len;
	struct nlmsghdr nlh = *rule;

	route_msgs_put(m, rule);
	if (m->failed)
		return;
	nlh.nlmsg_type = RTM_DELRULE;
	nlh.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	memcpy(m->data + at, &nlh, sizeof(nlh));
}

void
route_msg_undo(struct route_msgs *m, const struct nlmsghdr *rule)
{
	const struct nlattr *attrs[FRA_MAX + 1] = { NULL };
	const struct fib_rule_hdr *hdr = mnl_nlmsg_get_payload(rule);
	uint32_t table;

	if (rule->nlmsg_type != RTM_NEWRULE ||
	    mnl_nlmsg_get_payload_len(rule) < sizeof(*hdr) ||
	    (hdr->family != AF_INET && hdr->family != AF_INET6) ||
	    mnl_attr_parse(rule, sizeof(*hdr), collect, attrs) < 0 ||
	    !is_ours(attrs))
		return;
	table = get_u32(attrs[FRA_TABLE]);
	if (table - ROUTE_MARK_BASE < BACKEND_SLOTS)
		put_old_route(m, rule->nlmsg_seq, hdr->family == AF_INET,
		    table);
	put_old_rule(m, rule);
}

bool
route_msg_is_done(uint16_t type, int error)
{
	switch (type) {
	case RTM_NEWRULE:
		return error == 0 || error == -EEXIST;
	case RTM_DELRULE:
	case RTM_DELROUTE:
		return error == 0 || error == -ENOENT || error == -ESRCH;
	default:
		return error == 0;
	}
}
