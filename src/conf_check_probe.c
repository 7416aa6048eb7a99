/*
 * conf_check_probe.c - what must hold for each check: keys that its type
 * knows, those that it needs, and a port.  conf_check.c calls this, with pools
 * and services resolved.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "loaded/conf_check.h"
#include "loaded/conf_pool.h"
#include "loaded/dns_msg.h"
#include "loaded/expect.h"

#define TYPES (CHECK_AGENT + 1)
#define TYPE(name) (1U << CHECK_##name)
#define HTTP (TYPE(HTTP) | TYPE(HTTPS))
#define TYPES_LEN 64

/* The keys that not every type knows. */
static const struct special {
	const char *name;
	size_t offset;      /* in struct check */
	unsigned int types; /* that know it */
	bool needed;
} specials[] = {
#define SPECIAL(name, field, types, needed)                                    \
	{                                                                      \
		name, offsetof(struct check, field), types, needed             \
	}
	SPECIAL("port", port, ~TYPE(ICMP), false),
	SPECIAL("send", send, TYPE(TCP) | TYPE(UDP) | TYPE(AGENT), false),
	SPECIAL("expect", expect, TYPE(TCP) | TYPE(UDP) | HTTP, false),
	SPECIAL("expect_regex", regex, TYPE(TCP) | TYPE(UDP) | HTTP, false),
	SPECIAL("method", method, HTTP, false),
	SPECIAL("path", path, HTTP, false),
	SPECIAL("host", host, HTTP, false),
	SPECIAL("status", status, HTTP, false),
	SPECIAL("verify", verify, TYPE(HTTPS), false),
	SPECIAL("ca_file", ca_file, TYPE(HTTPS), false),
	SPECIAL("name", name, TYPE(DNS), true),
	SPECIAL("record", record, TYPE(DNS), false),
	SPECIAL("rcode", rcode, TYPE(DNS), false),
	SPECIAL("answer", answer, TYPE(DNS), false),
	SPECIAL("program", program, TYPE(EXEC), true),
	SPECIAL("user", user, TYPE(EXEC), true),
#undef SPECIAL
};

/* "tcp, udp or agent" */
static const char *
list_types(unsigned int types, char text[static TYPES_LEN])
{
	size_t len = 0;

	for (unsigned int i = 0; i < TYPES && len < TYPES_LEN; i++) {
		if ((types & 1U << i) == 0)
			continue;
		types &= ~(1U << i) & ((1U << TYPES) - 1);
		len += (size_t)snprintf(text + len, TYPES_LEN - len, "%s%s",
		    len == 0       ? "" :
			types == 0 ? " or " :
				     ", ",
		    check_type_name((enum check_type)i));
	}
	return text;
}

static void
check_keys(struct conf_report *r, const struct conf_check *c)
{
	const char *type = check_type_name(c->check.type);
	char text[TYPES_LEN];

	for (size_t i = 0; i < sizeof(specials) / sizeof(specials[0]); i++) {
		const struct special *s = &specials[i];
		const void *field = (const char *)&c->check + s->offset;
		const bool known = (s->types >> c->check.type & 1) != 0;
		const bool given = conf_report_given(r, field);

		if (given && !known)
			conf_report_error(r, conf_report_where(r, field),
			    "check: \"%s\" means nothing to type \"%s\", "
			    "expected %s",
			    s->name, type, list_types(s->types, text));
		if (!given && known && s->needed)
			conf_report_error(r, c->where,
			    "check: key \"%s\" is missing, expected with type "
			    "\"%s\"",
			    s->name, type);
	}
}

static void
check_window(struct conf_report *r, const struct check *c)
{
	if (c->window == 0 && c->need != 0)
		conf_report_error(r, conf_report_where(r, &c->need),
		    "check: need %u has no window, expected both or neither",
		    c->need);
	else if (c->window != 0 && c->need == 0)
		conf_report_error(r, conf_report_where(r, &c->window),
		    "check: window %u has no need, expected both or neither",
		    c->window);
	else if (c->need > c->window)
		conf_report_error(r, conf_report_where(r, &c->need),
		    "check: need %u is more than window %u, expected at most "
		    "that",
		    c->need, c->window);
}

static void
check_expect(struct conf_report *r, const struct check *c)
{
	char what[EXPECT_ERROR_LEN] = "";
	struct expect *expect = NULL;
	const int error = expect_new(&expect, c, what);

	if (error == -ENOMEM)
		conf_report_out_of_memory(r);
	else if (error != 0)
		conf_report_error(r, conf_report_where(r, c->regex),
		    "check: expect_regex \"%.64s\" is not valid: %s", c->regex,
		    what);
	else
		expect_free(expect);
}

/* Who only checks a config may not read it; the daemon can. */
static void
check_ca_file(struct conf_report *r, const struct check *c)
{
	const struct conf_where where = conf_report_where(r, c->ca_file);

	if (c->ca_file[0] == '\0' || access(c->ca_file, R_OK) == 0)
		return;
	if (errno == EACCES)
		conf_report_warning(r, where,
		    "check: ca_file %s cannot be read: %s", c->ca_file,
		    strerror(errno));
	else
		conf_report_error(r, where,
		    "check: ca_file %s cannot be read: %s", c->ca_file,
		    strerror(errno));
}

/* A record of the type that is asked for could never hold anything else. */
static void
check_answer(struct conf_report *r, const struct check *c)
{
	const uint16_t a = dns_msg_record("A"), aaaa = dns_msg_record("AAAA");
	struct addr addr;

	if (c->type != CHECK_DNS || c->answer[0] == '\0' ||
	    (c->record != a && c->record != aaaa))
		return;
	if (addr_parse(&addr, c->answer) != 0 ||
	    addr_is_v4(&addr) != (c->record == a))
		conf_report_error(r, conf_report_where(r, c->answer),
		    "check: answer \"%.64s\" is no address of record %s",
		    c->answer, dns_msg_record_name(c->record));
}

static void
check_content(struct conf_report *r, const struct check *c)
{
	uint8_t query[DNS_MSG_QUERY_MAX];

	check_window(r, c);
	check_expect(r, c);
	if (c->type == CHECK_DNS &&
	    dns_msg_query(query, 0, c->name, c->record) == 0)
		conf_report_error(r, conf_report_where(r, c->name),
		    "check: name \"%.64s\" is no domain name", c->name);
	if (strcmp(c->user, "root") == 0)
		conf_report_error(r, conf_report_where(r, c->user),
		    "check: user \"root\" could do anything, expected another");
	check_ca_file(r, c);
	check_answer(r, c);
	if (strcmp(c->method, "HEAD") == 0 &&
	    (c->expect.len > 0 || c->regex[0] != '\0'))
		conf_report_error(r, conf_report_where(r, c->method),
		    "check: an answer to method \"HEAD\" has no body to "
		    "expect anything in");
}

/* True when all is well, so that a port is worth looking for. */
static bool
check_list(struct conf_report *r, const struct conf_check *checks,
    uint32_t count)
{
	const uint32_t errors = r->conf->errors;

	for (uint32_t i = 0; i < count; i++) {
		check_keys(r, &checks[i]);
		if (r->conf->errors == errors)
			check_content(r, &checks[i].check);
	}
	return r->conf->errors == errors;
}

static bool
needs_port(const struct check *c)
{
	return c->port == 0 && c->type != CHECK_ICMP && c->type != CHECK_EXEC;
}

/* False, and a line, for the first check that has no port to ask. */
static bool
check_ports(struct conf_report *r, uint32_t pool,
    const struct conf_backend *backend, bool v4)
{
	const struct conf_pool *p = &r->conf->pools[pool];
	const bool own = backend != NULL && backend->checks != NULL;
	const struct conf_check *checks = own ? backend->checks : p->checks;
	const uint32_t count = own ? backend->nchecks : p->nchecks;
	const struct conf_service *service = conf_pool_service(r->conf, pool,
	    v4);

	if ((backend != NULL && backend->port != 0) ||
	    (service != NULL && conf_service_port(service) != 0))
		return true;
	for (uint32_t i = 0; i < count; i++) {
		if (!needs_port(&checks[i].check))
			continue;
		conf_report_error(r, checks[i].where,
		    "check: key \"port\" is missing, expected because %s of "
		    "pool \"%s\" has none",
		    backend == NULL ? "what is discovered" : "a backend",
		    p->name);
		return false;
	}
	return true;
}

/* At most one line a pool: what lacks a port mostly lacks it everywhere. */
static void
check_pool_ports(struct conf_report *r, uint32_t p)
{
	const struct conf_pool *pool = &r->conf->pools[p];
	const struct conf_discover *discover = &r->conf->failover.discover;
	bool found = true;

	for (uint32_t i = 0; i < pool->nbackends && found; i++)
		found = check_ports(r, p, &pool->backends[i],
		    addr_is_v4(&pool->backends[i].addr));
	if (!conf_pool_is_discovered(r->conf, p))
		return;
	for (uint32_t i = 0; i < discover->nbroadcast && found; i++)
		found = check_ports(r, p, NULL,
		    addr_is_v4(&discover->broadcast[i]));
}

static bool
check_pool(struct conf_report *r, struct conf_pool *pool)
{
	bool good = check_list(r, pool->checks, pool->nchecks);

	for (uint32_t i = 0; i < pool->nbackends; i++) {
		struct conf_backend *backend = &pool->backends[i];

		if (!conf_report_given(r, &backend->check_policy))
			backend->check_policy = pool->check_policy;
		if (!check_list(r, backend->checks, backend->nchecks))
			good = false;
	}
	return good;
}

void
conf_check_probes(struct conf_report *r)
{
	bool good = r->conf->errors == 0;

	for (uint32_t p = 0; p < r->conf->npools; p++) {
		if (!check_pool(r, &r->conf->pools[p]))
			good = false;
	}
	for (uint32_t p = 0; p < r->conf->npools && good; p++)
		check_pool_ports(r, p);
}
