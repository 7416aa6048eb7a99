/*
 * dns_msg.c - a question to a DNS server, and what to think of its answer.
 * Pure; called by the failover thread.  Messages are hostile: they are read
 * by libresolv alone, and names are compared as they stand on the wire, where
 * they have one spelling.
 */
#include "loaded/dns_msg.h"

#include <arpa/nameser.h>
#include <string.h>
#include <strings.h>

#include "loaded/addr.h"

#define FLAG_RESPONSE 0x8000U
#define FLAGS_OPCODE 0x7800U   /* 0: a query */
#define FLAG_RECURSION 0x0100U /* desired */

struct name_of {
	const char *name;
	uint16_t value;
};

static const struct name_of records[] = {
	{ "A", ns_t_a },
	{ "AAAA", ns_t_aaaa },
	{ "NS", ns_t_ns },
	{ "CNAME", ns_t_cname },
	{ "SOA", ns_t_soa },
	{ "PTR", ns_t_ptr },
	{ "MX", ns_t_mx },
	{ "TXT", ns_t_txt },
	{ "SRV", ns_t_srv },
};

static const struct name_of rcodes[] = {
	{ "NOERROR", ns_r_noerror },
	{ "FORMERR", ns_r_formerr },
	{ "SERVFAIL", ns_r_servfail },
	{ "NXDOMAIN", ns_r_nxdomain },
	{ "NOTIMP", ns_r_notimpl },
	{ "REFUSED", ns_r_refused },
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct name_of *
find_name(const struct name_of *row, size_t count, const char *name)
{
	for (; count > 0; row++, count--) {
		if (strcasecmp(row->name, name) == 0)
			return row;
	}
	return NULL;
}

static const char *
find_value(const struct name_of *row, size_t count, uint16_t value)
{
	for (; count > 0; row++, count--) {
		if (row->value == value)
			return row->name;
	}
	return NULL;
}

uint16_t
dns_msg_record(const char *name)
{
	const struct name_of *row = find_name(records, COUNT(records), name);

	return row != NULL ? row->value : 0;
}

const char *
dns_msg_record_name(uint16_t record)
{
	return find_value(records, COUNT(records), record);
}

int
dns_msg_rcode(const char *name)
{
	const struct name_of *row = find_name(rcodes, COUNT(rcodes), name);

	return row != NULL ? row->value : -1;
}

const char *
dns_msg_rcode_name(uint8_t rcode)
{
	return find_value(rcodes, COUNT(rcodes), rcode);
}

/* A name as it stands in messages, uncompressed. */
struct wire_name {
	uint8_t b[NS_MAXCDNAME];
	size_t len;
};

static void
set_len(struct wire_name *name)
{
	const uint8_t *p = name->b;

	while (*p != 0)
		p += *p + 1;
	name->len = (size_t)(p - name->b) + 1;
}

static bool
wire_from_text(struct wire_name *out, const char *text)
{
	if (*text == '\0' || ns_name_pton(text, out->b, sizeof(out->b)) < 0)
		return false;
	set_len(out);
	return true;
}

/* The name at p, of which limit bytes may be used. */
static bool
wire_from_msg(struct wire_name *out, const ns_msg *msg, const uint8_t *p,
    size_t limit)
{
	const int used = ns_name_unpack(ns_msg_base(*msg), ns_msg_end(*msg), p,
	    out->b, sizeof(out->b));

	if (used < 0 || (size_t)used > limit)
		return false;
	set_len(out);
	return true;
}

static uint8_t
lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? c | 0x20 : c;
}

/* Without case; lengths of labels are no letters, being less than 64. */
static bool
wire_equal(const struct wire_name *a, const struct wire_name *b)
{
	if (a->len != b->len)
		return false;
	for (size_t i = 0; i < a->len; i++) {
		if (lower(a->b[i]) != lower(b->b[i]))
			return false;
	}
	return true;
}

static uint8_t *
put16(uint8_t *to, uint32_t value)
{
	to[0] = (uint8_t)(value >> 8);
	to[1] = (uint8_t)value;
	return to + 2;
}

size_t
dns_msg_query(uint8_t out[static DNS_MSG_QUERY_MAX], uint16_t id,
    const char *name, uint16_t record)
{
	struct wire_name wire;
	uint8_t *p = out;

	if (!wire_from_text(&wire, name))
		return 0;
	memset(out, 0, NS_HFIXEDSZ);
	p = put16(p, id);
	p = put16(p, FLAG_RECURSION);
	put16(p, 1);
	p = out + NS_HFIXEDSZ;
	memcpy(p, wire.b, wire.len);
	p = put16(p + wire.len, record);
	p = put16(p, ns_c_in);
	return (size_t)(p - out);
}

static uint16_t
get16(const uint8_t *from)
{
	return (uint16_t)(from[0] << 8 | from[1]);
}

/* A server that could not even read the question need not repeat it. */
static bool
is_our_question(ns_msg *msg, const struct check *check)
{
	const uint8_t *name = ns_msg_base(*msg) + NS_HFIXEDSZ;
	struct wire_name asked, ours;
	ns_rr rr;

	if (ns_msg_count(*msg, ns_s_qd) == 0)
		return ns_msg_getflag(*msg, ns_f_rcode) != ns_r_noerror;
	return ns_msg_count(*msg, ns_s_qd) == 1 &&
	    ns_parserr(msg, ns_s_qd, 0, &rr) == 0 &&
	    ns_rr_type(rr) == check->record && ns_rr_class(rr) == ns_c_in &&
	    wire_from_msg(&asked, msg, name,
		(size_t)(ns_msg_end(*msg) - name)) &&
	    wire_from_text(&ours, check->name) && wire_equal(&asked, &ours);
}

static bool
has_address(const ns_rr *rr, const char *expected)
{
	struct addr want;

	if (addr_parse(&want, expected) != 0)
		return false;
	if (ns_rr_type(*rr) == ns_t_a)
		return addr_is_v4(&want) && ns_rr_rdlen(*rr) == NS_INADDRSZ &&
		    memcmp(ns_rr_rdata(*rr), want.b + 12, NS_INADDRSZ) == 0;
	return ns_rr_rdlen(*rr) == NS_IN6ADDRSZ &&
	    memcmp(ns_rr_rdata(*rr), want.b, NS_IN6ADDRSZ) == 0;
}

/* The name that begins skip bytes into the data. */
static bool
has_name(const ns_msg *msg, const ns_rr *rr, size_t skip, const char *expected)
{
	struct wire_name found, want;

	return ns_rr_rdlen(*rr) > skip &&
	    wire_from_msg(&found, msg, ns_rr_rdata(*rr) + skip,
		ns_rr_rdlen(*rr) - skip) &&
	    wire_from_text(&want, expected) && wire_equal(&found, &want);
}

/* In the first string of the record. */
static bool
has_text(const ns_rr *rr, const char *expected)
{
	const uint8_t *data = ns_rr_rdata(*rr);
	const size_t len = strlen(expected);

	return ns_rr_rdlen(*rr) > len && data[0] == len &&
	    memcmp(data + 1, expected, len) == 0;
}

static bool
record_has(const ns_msg *msg, const ns_rr *rr, const char *expected)
{
	switch (ns_rr_type(*rr)) {
	case ns_t_a:
	case ns_t_aaaa:
		return has_address(rr, expected);
	case ns_t_txt:
		return has_text(rr, expected);
	case ns_t_mx: /* behind the preference */
		return has_name(msg, rr, 2, expected);
	case ns_t_srv: /* behind priority, weight and port */
		return has_name(msg, rr, 6, expected);
	default:
		return has_name(msg, rr, 0, expected);
	}
}

/* Whoever owns the record: aliases lead to other names. */
static enum dns_msg_result
find_answer(ns_msg *msg, const struct check *check)
{
	ns_rr rr;

	for (int i = 0; i < ns_msg_count(*msg, ns_s_an); i++) {
		if (ns_parserr(msg, ns_s_an, i, &rr) != 0)
			return DNS_MSG_MALFORMED;
		if (ns_rr_type(rr) == check->record &&
		    ns_rr_class(rr) == ns_c_in &&
		    record_has(msg, &rr, check->answer))
			return DNS_MSG_OK;
	}
	return DNS_MSG_BAD_ANSWER;
}

static enum dns_msg_result
judge(const uint8_t *data, size_t len, uint16_t id, const struct check *check)
{
	uint16_t flags;
	ns_msg msg;

	if (len < NS_HFIXEDSZ || len > NS_MAXMSG)
		return DNS_MSG_MALFORMED;
	flags = get16(data + 2);
	if (get16(data) != id || !(flags & FLAG_RESPONSE) ||
	    (flags & FLAGS_OPCODE) != 0)
		return DNS_MSG_NOT_OURS;
	if (ns_initparse(data, (int)len, &msg) != 0)
		return DNS_MSG_MALFORMED;
	if (!is_our_question(&msg, check))
		return DNS_MSG_NOT_OURS;
	if (ns_msg_getflag(msg, ns_f_rcode) != check->rcode)
		return DNS_MSG_BAD_RCODE;
	return check->answer[0] == '\0' ? DNS_MSG_OK : find_answer(&msg, check);
}

static void
add(char text[static DNS_MSG_TEXT_LEN], const char *piece)
{
	strncat(text, piece, DNS_MSG_TEXT_LEN - 1 - strlen(text));
}

static void
add_rcode(char text[static DNS_MSG_TEXT_LEN], uint8_t rcode)
{
	const char digits[] = { (char)('0' + rcode / 10 % 10),
		(char)('0' + rcode % 10), '\0' };
	const char *name = dns_msg_rcode_name(rcode);

	add(text, name != NULL ? name : digits);
}

static void
add_record(char text[static DNS_MSG_TEXT_LEN], uint16_t record)
{
	const char *name = dns_msg_record_name(record);

	add(text, name != NULL ? name : "such");
}

enum dns_msg_result
dns_msg_judge(const uint8_t *data, size_t len, uint16_t id,
    const struct check *check, char text[static DNS_MSG_TEXT_LEN])
{
	const enum dns_msg_result result = judge(data, len, id, check);

	text[0] = '\0';
	switch (result) {
	case DNS_MSG_OK:
		break;
	case DNS_MSG_MALFORMED:
		add(text, "answer is no DNS message");
		break;
	case DNS_MSG_NOT_OURS:
		add(text, "answer to another question");
		break;
	case DNS_MSG_BAD_RCODE:
		add(text, "rcode ");
		add_rcode(text, data[3] & 0x0f);
		add(text, ", expected ");
		add_rcode(text, check->rcode);
		break;
	case DNS_MSG_BAD_ANSWER:
		add(text, "no ");
		add_record(text, check->record);
		add(text, " record ");
		add(text, check->answer);
		add(text, " in the answer");
		break;
	}
	return result;
}
