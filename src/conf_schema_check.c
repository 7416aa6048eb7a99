/*
 * conf_schema_check.c - the part of the schema that is about checks and
 * failover; see conf_schema.c.  What a key means to which type of check is in
 * conf_check_probe.c.
 */
#include "loaded/conf_schema_impl.h"

#define DISCOVER_MAX 1024
#define WATCHDOG_MIN_MS 1000

/* One key, some lines: clang-format would give each field its own. */
/* clang-format off */
const struct conf_word conf_schema_policies[] = {
	{ "all", CHECKS_ALL, false },
	{ "any", CHECKS_ANY, false },
	{ NULL, 0, false },
};

static const struct conf_word types[] = {
	{ "icmp", CHECK_ICMP, false },
	{ "tcp", CHECK_TCP, false },
	{ "udp", CHECK_UDP, false },
	{ "dns", CHECK_DNS, false },
	{ "http", CHECK_HTTP, false },
	{ "https", CHECK_HTTPS, false },
	{ "exec", CHECK_EXEC, false },
	{ "agent", CHECK_AGENT, false },
	{ NULL, 0, false },
};

static const struct conf_word starts[] = {
	{ "down", 0, false },
	{ "up", 1, false },
	{ NULL, 0, false },
};

static const struct conf_word vias[] = {
	{ "backend", 0, false },
	{ "vip", 1, false },
	{ NULL, 0, false },
};

static const struct conf_key check_keys[] = {
	{ .name = "type", .type = CONF_WORD, .required = true,
	  .words = types, FIELD(conf_check, check.type),
	  .help = "How to ask a backend whether it works." },
	{ .name = "port", .type = CONF_INT, .min = 1, .max = 65535,
	  FIELD(conf_check, check.port),
	  .help = "Port to ask; without it, the backend's, or the first of "
	      "its service." },
	{ .name = "via", .type = CONF_WORD, .preset = "backend",
	  .words = vias, FIELD(conf_check, check.via_vip),
	  .help = "The way of the probe: to the backend's own address, or as "
	      "clients' packets go." },
	{ .name = "interval", .type = CONF_DURATION, .preset = "2s",
	  FIELD(conf_check, check.interval_ms),
	  .help = "Time from one probe to the next." },
	{ .name = "fast_interval", .type = CONF_DURATION, .preset = "1s",
	  FIELD(conf_check, check.fast_interval_ms),
	  .help = "The same while the verdict is about to change, if it is "
	      "less." },
	{ .name = "timeout", .type = CONF_DURATION, .preset = "1s",
	  FIELD(conf_check, check.timeout_ms),
	  .help = "No answer for so long is a failure." },
	{ .name = "rise", .type = CONF_INT, .preset = "2",
	  .min = 1, .max = 255, FIELD(conf_check, check.rise),
	  .help = "Successes in a row that make a backend up." },
	{ .name = "fall", .type = CONF_INT, .preset = "3",
	  .min = 1, .max = 255, FIELD(conf_check, check.fall),
	  .help = "Failures in a row that make a backend down." },
	{ .name = "window", .type = CONF_INT, .preset = "0", .max = 64,
	  FIELD(conf_check, check.window),
	  .help = "How many of the last results count, instead of rise and "
	      "fall; 0 is none." },
	{ .name = "need", .type = CONF_INT, .preset = "0", .max = 64,
	  FIELD(conf_check, check.need),
	  .help = "How many of these must be good." },
	{ .name = "start", .type = CONF_WORD, .preset = "up",
	  .words = starts, FIELD(conf_check, check.start_up),
	  .help = "What a backend counts as until its first result." },
	{ .name = "send", .type = CONF_BYTES, FIELD(conf_check, check.send),
	  .help = "What to send (tcp, udp, agent)." },
	{ .name = "expect", .type = CONF_BYTES,
	  FIELD(conf_check, check.expect),
	  .help = "What must be in the answer (tcp, udp, http, https)." },
	{ .name = "expect_regex", .type = CONF_TEXT,
	  FIELD(conf_check, check.regex),
	  .help = "The same as an extended regular expression of POSIX." },
	{ .name = "method", .type = CONF_LETTERS, .preset = "GET",
	  FIELD(conf_check, check.method),
	  .help = "Method of the request (http, https)." },
	{ .name = "path", .type = CONF_REQUEST, .preset = "/",
	  FIELD(conf_check, check.path),
	  .help = "Path of the request (http, https)." },
	{ .name = "host", .type = CONF_HOST, FIELD(conf_check, check.host),
	  .help = "Host of the request and of the certificate (http, https); "
	      "without it, the address." },
	{ .name = "status", .type = CONF_STATUSES, .preset = "200-299",
	  FIELD(conf_check, check.status),
	  .help = "What the answer's status may be (http, https)." },
	{ .name = "verify", .type = CONF_BOOL, .preset = "true",
	  FIELD(conf_check, check.verify),
	  .help = "Whether the certificate must be good (https)." },
	{ .name = "ca_file", .type = CONF_PATH,
	  FIELD(conf_check, check.ca_file),
	  .help = "Who may have signed it (https); without it, whom the "
	      "system trusts." },
	{ .name = "name", .type = CONF_TEXT, FIELD(conf_check, check.name),
	  .help = "Name to ask for (dns)." },
	{ .name = "record", .type = CONF_RECORD, .preset = "A",
	  FIELD(conf_check, check.record),
	  .help = "Type of record to ask for (dns)." },
	{ .name = "rcode", .type = CONF_RCODE, .preset = "NOERROR",
	  FIELD(conf_check, check.rcode),
	  .help = "Response code of the answer (dns)." },
	{ .name = "answer", .type = CONF_TEXT,
	  FIELD(conf_check, check.answer),
	  .help = "A record that must be there (dns)." },
	{ .name = "program", .type = CONF_PATH,
	  FIELD(conf_check, check.program),
	  .help = "What to run (exec)." },
	{ .name = "user", .type = CONF_NAME, FIELD(conf_check, check.user),
	  .help = "Who runs it (exec); not root." },
};
const struct conf_section conf_schema_check = SECTION("check", check_keys);

static const struct conf_key discover_keys[] = {
	{ .name = "broadcast", .type = CONF_ADDRESS, .required = true,
	  .array = true, .min = 1, .max = TABLE_CALLS,
	  ELEMENTS(conf_discover, broadcast),
	  .help = "Where to ask for backends: IPv4 broadcast, IPv6 "
	      "multicast." },
	{ .name = "port", .type = CONF_INT, .required = true,
	  .min = 1, .max = 65535, FIELD(conf_discover, port),
	  .help = "The TCP port that those who answer must have open." },
	{ .name = "pool", .type = CONF_NAME, .required = true,
	  FIELD(conf_discover, pool_name),
	  .help = "The pool that those found belong to." },
	{ .name = "max", .type = CONF_INT, .preset = "64",
	  .min = 1, .max = DISCOVER_MAX, FIELD(conf_discover, max),
	  .help = "How many can be found." },
	{ .name = "interval", .type = CONF_DURATION, .preset = "5s",
	  FIELD(conf_discover, interval_ms),
	  .help = "Time from one call to the next." },
	{ .name = "timeout", .type = CONF_DURATION, .preset = "1s",
	  FIELD(conf_discover, timeout_ms),
	  .help = "How long the port may take to answer." },
};
static const struct conf_section discover = SECTION("discover", discover_keys);

static const struct conf_key failover_keys[] = {
	{ .name = "enabled", .type = CONF_BOOL, .preset = "true",
	  FIELD(conf_failover, enabled),
	  .help = "Whether backends are checked and discovered at all." },
	{ .name = "watchdog", .type = CONF_DURATION, .preset = "5s",
	  .min = WATCHDOG_MIN_MS, FIELD(conf_failover, watchdog_ms),
	  .help = "A part that stands still for so long is restarted; at "
	      "least 1s." },
	{ .name = "discover", .type = CONF_GROUP, .section = &discover,
	  .offset = offsetof(struct conf_failover, discover),
	  .given = offsetof(struct conf_failover, has_discover),
	  .help = "Finds backends by a ping to all." },
};
const struct conf_section conf_schema_failover =
    SECTION("failover", failover_keys);
/* clang-format on */
