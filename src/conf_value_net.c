/*
 * conf_value_net.c - addresses, networks and ports of a config file.
 * conf_value.c calls this, and has made sure that text can be quoted.
 */
#include "loaded/conf_value_net.h"

#include <errno.h>
#include <string.h>

#include "loaded/num.h"

int
conf_value_address(struct conf_report *r, const struct conf_key *key,
    const struct conf_value *v, void *field)
{
	if (addr_parse(field, v->text) == 0)
		return 0;
	return conf_report_error(r, v->where,
	    "%s \"%.64s\" is no IP address, expected IPv4 or IPv6 in digits, "
	    "not IPv4-mapped",
	    key->name, v->text);
}

/* What keeps an address from being one host's, or NULL. */
static const char *
unusable(const struct addr *a)
{
	static const struct {
		const char *network, *what;
	} reserved[] = {
		{ "0.0.0.0", "unspecified" },
		{ "127.0.0.0/8", "a loopback address" },
		{ "224.0.0.0/4", "a multicast address" },
		{ "255.255.255.255", "the broadcast address" },
		{ "::", "unspecified" },
		{ "::1", "a loopback address" },
		{ "ff00::/8", "a multicast address" },
	};
	struct prefix p;

	for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++) {
		if (prefix_parse(&p, reserved[i].network) == 0 &&
		    prefix_contains(&p, a))
			return reserved[i].what;
	}
	return NULL;
}

int
conf_value_unicast(struct conf_report *r, const struct conf_key *key,
    const struct conf_value *v, void *field)
{
	const char *what;

	if (conf_value_address(r, key, v, field) != 0)
		return -EINVAL;
	what = unusable(field);
	if (what == NULL)
		return 0;
	return conf_report_error(r, v->where,
	    "%s \"%.64s\" is %s, expected a unicast address", key->name,
	    v->text, what);
}

/* "127.0.0.1:9467" or "[::1]:9467"; an IPv6 address needs the brackets. */
static int
split_endpoint(struct conf_endpoint *out, const char *text)
{
	char host[ADDR_STRLEN];
	const char *colon = strrchr(text, ':');
	const bool bracket = *text == '[';
	uint64_t port;
	size_t len;

	if (colon == NULL || num_parse(&port, colon + 1, 1, 65535) != 0)
		return -EINVAL;
	len = (size_t)(colon - text);
	if (bracket && (len < 2 || text[len - 1] != ']'))
		return -EINVAL;
	if (bracket) {
		text++;
		len -= 2;
	}
	if (len >= sizeof(host))
		return -EINVAL;
	memcpy(host, text, len);
	host[len] = '\0';
	out->port = (uint16_t)port;
	if (addr_parse(&out->addr, host) != 0 ||
	    addr_is_v4(&out->addr) == bracket)
		return -EINVAL;
	return 0;
}

int
conf_value_endpoint(struct conf_report *r, const struct conf_key *key,
    const struct conf_value *v, void *field)
{
	char expected[CONF_EXPECTED_LEN];

	if (split_endpoint(field, v->text) == 0)
		return 0;
	return conf_report_error(r, v->where,
	    "%s \"%.64s\" is not valid, expected %s", key->name, v->text,
	    conf_value_expected(key, expected));
}

int
conf_value_prefix(struct conf_report *r, const struct conf_key *key,
    const struct conf_value *v, void *field)
{
	if (prefix_parse(field, v->text) == 0)
		return 0;
	return conf_report_error(r, v->where,
	    "%s \"%.64s\" is no network, expected an address and length as in "
	    "10.0.0.0/24, with no bits set behind the length",
	    key->name, v->text);
}

/* "80" or "8000-8099".  -EINVAL, or -ERANGE for a number that is no port. */
static int
parse_ports(struct conf_ports *out, const char *text)
{
	char low_text[8];
	const char *dash = strchrnul(text, '-');
	const size_t len = (size_t)(dash - text);
	uint64_t low, high;
	int error;

	if (len >= sizeof(low_text))
		return -EINVAL;
	memcpy(low_text, text, len);
	low_text[len] = '\0';
	error = num_parse(&low, low_text, 1, 65535);
	high = low;
	if (error == 0 && *dash == '-')
		error = num_parse(&high, dash + 1, 1, 65535);
	*out = (struct conf_ports){ (uint16_t)low, (uint16_t)high };
	return error;
}

int
conf_value_ports(struct conf_report *r, const struct conf_key *key,
    const struct conf_value *v, void *field)
{
	struct conf_ports *ports = field;
	int error;

	if (v->kind == KIND_INT) {
		if (v->number < 1 || v->number > 65535)
			return conf_report_error(r, v->where,
			    "%s %lld is out of range, expected 1-65535",
			    key->name, (long long)v->number);
		ports->low = ports->high = (uint16_t)v->number;
		return 0;
	}
	if (strcmp(v->text, "any") == 0) {
		*ports = (struct conf_ports){ 1, 65535 };
		return 0;
	}
	error = parse_ports(ports, v->text);
	if (error == 0 && ports->low <= ports->high)
		return 0;
	return conf_report_error(r, v->where,
	    "%s \"%.64s\" %s, expected a "
	    "port or an ascending range in 1-65535, or \"any\"",
	    key->name, v->text,
	    error == 0           ? "is reversed" :
		error == -ERANGE ? "is out of range" :
				   "is no port");
}

bool
conf_value_clash(const struct conf_key *key, const void *a, const void *b)
{
	const struct conf_ports *pa = a, *pb = b;

	if (key->type == CONF_PORTS)
		return pa->low <= pb->high && pb->low <= pa->high;
	return memcmp(a, b, key->size) == 0;
}
