/*
 * conf_value_check.c - bytes, status codes and words of DNS in a config file.
 * conf_value.c calls this.  The text of bytes may have anything in it, so its
 * messages do not quote it.
 */
#include "loaded/conf_value_check.h"

#include <errno.h>
#include <string.h>

#include "loaded/check.h"
#include "loaded/dns_msg.h"
#include "loaded/num.h"

#define STATUS_MIN 100
#define STATUS_MAX 599

/* One byte of the text, which then points behind it; -1: no such escape. */
static int
take_byte(const char **text)
{
	const char *p = *text;
	int high, low;

	*text = p + 1;
	if (*p != '\\')
		return (uint8_t)*p;
	*text = p + 2;
	if (p[1] == '\\')
		return '\\';
	if (p[1] != 'x')
		return -1;
	high = conf_value_hex_digit(p[2]);
	low = high < 0 ? -1 : conf_value_hex_digit(p[3]);
	*text = p + 4;
	return low < 0 ? -1 : high << 4 | low;
}

int
conf_value_bytes(struct conf_report *r, const struct conf_key *key,
    const struct conf_value *v, void *field)
{
	char expected[CONF_EXPECTED_LEN];
	struct check_bytes *out = field;
	const char *text = v->text;
	int byte;

	out->len = 0;
	while (*text != '\0') {
		if (out->len == CHECK_TEXT_LEN - 1)
			return conf_report_error(r, v->where,
			    "%s is too long, expected %s", key->name,
			    conf_value_expected(key, expected));
		byte = take_byte(&text);
		if (byte < 0)
			return conf_report_error(r, v->where,
			    "%s has a backslash that means nothing, expected "
			    "\\\\xHH for a byte or \\\\\\\\ for itself",
			    key->name);
		out->b[out->len++] = (uint8_t)byte;
	}
	return 0;
}

/* "200" or "200-299", up to the comma or the end; -EINVAL. */
static int
take_statuses(struct check_statuses *out, const char **text)
{
	const size_t len = strcspn(*text, ",");
	char range[8], *dash;
	uint64_t low, high;

	if (len >= sizeof(range) || out->count == CHECK_STATUSES)
		return -EINVAL;
	memcpy(range, *text, len);
	range[len] = '\0';
	dash = strchr(range, '-');
	if (dash != NULL)
		*dash = '\0';
	if (num_parse(&low, range, STATUS_MIN, STATUS_MAX) != 0)
		return -EINVAL;
	high = low;
	if (dash != NULL && num_parse(&high, dash + 1, low, STATUS_MAX) != 0)
		return -EINVAL;
	out->range[out->count].low = (uint16_t)low;
	out->range[out->count].high = (uint16_t)high;
	out->count++;
	*text += len;
	return 0;
}

static int
parse_statuses(struct check_statuses *out, const char *text)
{
	out->count = 0;
	for (;; text++) {
		if (take_statuses(out, &text) != 0)
			return -EINVAL;
		if (*text == '\0')
			return 0;
	}
}

int
conf_value_statuses(struct conf_report *r, const struct conf_key *key,
    const struct conf_value *v, void *field)
{
	struct check_statuses *out = field;

	if (v->kind != KIND_INT && parse_statuses(out, v->text) == 0)
		return 0;
	if (v->kind != KIND_INT)
		return conf_report_error(r, v->where,
		    "%s \"%.64s\" is no list of status codes, expected at "
		    "most %d numbers or ascending ranges in %d-%d",
		    key->name, v->text, CHECK_STATUSES, STATUS_MIN, STATUS_MAX);
	if (v->number < STATUS_MIN || v->number > STATUS_MAX)
		return conf_report_error(r, v->where,
		    "%s %lld is out of range, expected %d-%d", key->name,
		    (long long)v->number, STATUS_MIN, STATUS_MAX);
	out->count = 1;
	out->range[0].low = out->range[0].high = (uint16_t)v->number;
	return 0;
}

static int
report_unknown(struct conf_report *r, const struct conf_key *key,
    const struct conf_value *v)
{
	char expected[CONF_EXPECTED_LEN];

	return conf_report_error(r, v->where,
	    "%s \"%.64s\" is unknown, expected %s", key->name, v->text,
	    conf_value_expected(key, expected));
}

int
conf_value_record(struct conf_report *r, const struct conf_key *key,
    const struct conf_value *v, void *field)
{
	const uint16_t record = dns_msg_record(v->text);

	if (record == 0)
		return report_unknown(r, key, v);
	*(uint16_t *)field = record;
	return 0;
}

int
conf_value_rcode(struct conf_report *r, const struct conf_key *key,
    const struct conf_value *v, void *field)
{
	const int rcode = dns_msg_rcode(v->text);

	if (rcode < 0)
		return report_unknown(r, key, v);
	*(uint8_t *)field = (uint8_t)rcode;
	return 0;
}
