/*
 * conf_schema.c - every key of the config file: type, range, default, where
 * it is stored and why one would set it; those of checks and failover are in
 * conf_schema_check.c.  Data and one lookup; no caller may depend on the order,
 * but for the order of messages.  man/loaded.conf.5 says the same, and a unit
 * test compares the two.
 */
#include "loaded/conf_schema.h"

#include "loaded/backend.h"
#include "loaded/conf_schema_impl.h"
#include "loaded/sched.h"

#define CHECKS_MAX 16

/* One key, some lines: clang-format would give each field its own. */
/* clang-format off */
static const struct conf_word forwards[] = {
	{ "nat", FORWARD_NAT, false },
	{ "fullnat", FORWARD_FULLNAT, true },
	{ "dr", FORWARD_DR, false },
	{ "tunnel", FORWARD_TUNNEL, true },
	{ "cluster", FORWARD_CLUSTER, true },
	{ NULL, 0, false },
};

static const struct conf_word protocols[] = {
	{ "tcp", IPPROTO_TCP, false },
	{ "udp", IPPROTO_UDP, false },
	{ "sctp", IPPROTO_SCTP, true },
	{ "any", 0, true },
	{ NULL, 0, false },
};

static const struct conf_word on_downs[] = {
	{ "reset", ON_DOWN_RESET, false },
	{ "move", ON_DOWN_MOVE, false },
	{ "keep", ON_DOWN_KEEP, false },
	{ NULL, 0, false },
};

static const struct conf_word no_backends[] = {
	{ "reset", NO_BACKEND_RESET, false },
	{ "drop", NO_BACKEND_DROP, false },
	{ NULL, 0, false },
};

static const struct conf_word hashes[] = {
	{ "client", 0, false },
	{ "client-port", 1, false },
	{ NULL, 0, false },
};

static const struct conf_word log_targets[] = {
	{ "syslog", LOG_TARGET_SYSLOG, false },
	{ "journal", LOG_TARGET_JOURNAL, false },
	{ "stderr", LOG_TARGET_STDERR, false },
	{ NULL, 0, false },
};

static const struct conf_word log_levels[] = {
	{ "err", LOG_LEVEL_ERR, false },
	{ "warn", LOG_LEVEL_WARN, false },
	{ "notice", LOG_LEVEL_NOTICE, false },
	{ "info", LOG_LEVEL_INFO, false },
	{ "debug", LOG_LEVEL_DEBUG, false },
	{ NULL, 0, false },
};

static const struct conf_word panics[] = {
	{ "none", 0, false },
	{ "all", 1, false },
	{ NULL, 0, false },
};

static const struct conf_key control_keys[] = {
	{ .name = "socket", .type = CONF_PATH,
	  .preset = "/run/loaded/control.sock",
	  FIELD(conf_planned, control_socket),
	  .help = "Where to listen for commands." },
	{ .name = "group", .type = CONF_NAME, .preset = "loaded",
	  FIELD(conf_planned, control_group),
	  .help = "Whose members may read the state." },
};
static const struct conf_section control = SECTION("control", control_keys);

static const struct conf_key metrics_keys[] = {
	{ .name = "listen", .type = CONF_ENDPOINT, .required = true,
	  FIELD(conf_planned, metrics),
	  .help = "Where the counters can be fetched." },
};
static const struct conf_section metrics = SECTION("metrics", metrics_keys);

static const struct conf_key log_keys[] = {
	{ .name = "target", .type = CONF_WORD, .preset = "syslog",
	  .words = log_targets, FIELD(conf, log_target),
	  .help = "Where lines go; with -f they go to stderr." },
	{ .name = "level", .type = CONF_WORD, .preset = "notice",
	  .words = log_levels, FIELD(conf, log_level),
	  .help = "The least important lines still written." },
};
static const struct conf_section log_section = SECTION("log", log_keys);

static const struct conf_key workers_keys[] = {
	{ .name = "cores", .type = CONF_CORES, FIELD(conf, cores),
	  .count = offsetof(struct conf, ncores),
	  .help = "One worker on each; without it, on every core online." },
	{ .name = "first_queue", .type = CONF_INT, .preset = "0",
	  .max = 65535, FIELD(conf, first_queue),
	  .help = "NFQUEUE number of the first worker; the rest follow." },
	{ .name = "queue_length", .type = CONF_INT, .preset = "16384",
	  .min = 1, .max = 65535, FIELD(conf, queue_length),
	  .help = "Packets the kernel keeps for a busy worker, then drops." },
	{ .name = "busy_poll", .type = CONF_INT, .preset = "50", .max = 1000,
	  FIELD(conf, busy_poll_us),
	  .help = "Microseconds a worker looks for more before it sleeps." },
};
static const struct conf_section workers = SECTION("workers", workers_keys);

static const struct conf_key flows_keys[] = {
	{ .name = "max", .type = CONF_INT, .preset = "1048576",
	  .min = 64, .max = FLOW_MAX, FIELD(conf, flows_max),
	  .help = "Flows that fit in the table; it is allocated at start." },
	{ .name = "syn", .type = CONF_DURATION, .preset = "60s",
	  FIELD(conf, timeout_ms[FLOW_SYN]),
	  .help = "Idle time of a TCP flow that is not established yet." },
	{ .name = "established", .type = CONF_DURATION, .preset = "15m",
	  FIELD(conf, timeout_ms[FLOW_ESTABLISHED]),
	  .help = "Idle time of an established TCP flow." },
	{ .name = "fin", .type = CONF_DURATION, .preset = "2m",
	  FIELD(conf, timeout_ms[FLOW_FIN]),
	  .help = "Idle time of a TCP flow that one side has closed." },
	{ .name = "closed", .type = CONF_DURATION, .preset = "10s",
	  FIELD(conf, timeout_ms[FLOW_CLOSED]),
	  .help = "How long late packets of a closed TCP flow are known." },
	{ .name = "udp", .type = CONF_DURATION, .preset = "5m",
	  FIELD(conf, timeout_ms[FLOW_UDP]),
	  .help = "Idle time of a UDP flow." },
};
static const struct conf_section flows = SECTION("flows", flows_keys);

static const struct conf_key interfaces_keys[] = {
	{ .name = "public", .type = CONF_IFNAME, FIELD(conf, public_if),
	  .help = "Where clients come in; without it, anywhere." },
	{ .name = "private", .type = CONF_IFNAME, FIELD(conf, private_if),
	  .help = "Where backends answer; without it, anywhere." },
};
static const struct conf_section interfaces =
    SECTION("interfaces", interfaces_keys);

static const struct conf_key source_keys[] = {
	{ .name = "mask", .type = CONF_ADDRESS, .required = true,
	  FIELD(conf_backend, mask),
	  .help = "The bits of the client's address that are looked at." },
	{ .name = "value", .type = CONF_ADDRESS, .required = true,
	  FIELD(conf_backend, value),
	  .help = "What these bits are for clients of this backend." },
};
static const struct conf_section source = SECTION("source", source_keys);

static const struct conf_key backends_keys[] = {
	{ .name = "address", .type = CONF_UNICAST, .required = true,
	  FIELD(conf_backend, addr),
	  .help = "The real server; it serves the VIPs of its own family." },
	{ .name = "port", .type = CONF_INT, .min = 1, .max = 65535,
	  FIELD(conf_backend, port),
	  .help = "Where it listens; without it, the port the client used." },
	{ .name = "weight", .type = CONF_INT, .preset = "1", .max = 65535,
	  FIELD(conf_backend, weight),
	  .help = "Its share of new flows; 0 gives it none." },
	{ .name = "max_connections", .type = CONF_INT, .preset = "0",
	  .max = UINT32_MAX, FIELD(conf_backend, max_connections),
	  .help = "Live flows it may have; 0 is no limit." },
	{ .name = "max_rate", .type = CONF_INT, .preset = "0",
	  .max = UINT32_MAX, FIELD(conf_backend, max_rate),
	  .help = "New flows it may get in a second; 0 is no limit." },
	{ .name = "source", .type = CONF_GROUP, .section = &source,
	  .given = offsetof(struct conf_backend, has_mask),
	  .help = "Whose backend this is under the scheduler srcmask." },
	{ .name = "check", .type = CONF_GROUPS, .section = &conf_schema_check,
	  .max = CHECKS_MAX, ELEMENTS(conf_backend, checks),
	  .help = "How to find out whether it works, instead of the pool's "
	      "way." },
	{ .name = "check_policy", .type = CONF_WORD,
	  .words = conf_schema_policies, FIELD(conf_backend, check_policy),
	  .help = "Which checks must be good; without it, as the pool says." },
};
static const struct conf_section backends = SECTION("backends", backends_keys);

static const struct conf_key pools_keys[] = {
	{ .name = "name", .type = CONF_NAME, .required = true,
	  FIELD(conf_pool, name),
	  .help = "What services call it; unique among pools." },
	{ .name = "backends", .type = CONF_LIST,
	  .section = &backends, .max = BACKEND_SLOTS,
	  ELEMENTS(conf_pool, backends),
	  .help = "The servers; all pools together have at most 16384." },
	{ .name = "check", .type = CONF_GROUPS, .section = &conf_schema_check,
	  .max = CHECKS_MAX, ELEMENTS(conf_pool, checks),
	  .help = "How to find out which of them work; without it, all count "
	      "as up." },
	{ .name = "check_policy", .type = CONF_WORD, .preset = "all",
	  .words = conf_schema_policies, FIELD(conf_pool, check_policy),
	  .help = "Which checks must be good for a backend to be up." },
	{ .name = "quorum", .type = CONF_INT, .preset = "0",
	  .max = BACKEND_SLOTS, FIELD(conf_pool, quorum),
	  .help = "Backends of a family that must be up, or the backup "
	      "serves; 0 is one." },
	{ .name = "quorum_hysteresis", .type = CONF_INT, .preset = "0",
	  .max = BACKEND_SLOTS, FIELD(conf_pool, quorum_hysteresis),
	  .help = "So many fewer lose the quorum, so many more regain it." },
	{ .name = "backup", .type = CONF_NAME, FIELD(conf_pool, backup_name),
	  .help = "The pool that gets new flows while the quorum is lost." },
	{ .name = "panic", .type = CONF_WORD, .preset = "none",
	  .words = panics, FIELD(conf_pool, panic_all),
	  .help = "Who gets new flows when all are down, the backup too." },
	{ .name = "slow_start", .type = CONF_DURATION,
	  FIELD(conf_pool, slow_start_ms),
	  .help = "How long the share of a backend that came up grows; "
	      "without it, not at all." },
};
static const struct conf_section pools = SECTION("pools", pools_keys);

static const struct conf_key persistence_keys[] = {
	{ .name = "timeout", .type = CONF_DURATION, .required = true,
	  FIELD(conf_service, persist_ms),
	  .help = "How long after its last flow a client is remembered." },
	{ .name = "mask4", .type = CONF_INT, .preset = "32", .max = 32,
	  FIELD(conf_service, mask4),
	  .help = "Bits of an IPv4 address that make one client." },
	{ .name = "mask6", .type = CONF_INT, .preset = "64", .max = 128,
	  FIELD(conf_service, mask6),
	  .help = "Bits of an IPv6 address that make one client." },
};
static const struct conf_section persistence =
    SECTION("persistence", persistence_keys);

static const struct conf_key services_keys[] = {
	{ .name = "name", .type = CONF_NAME, .required = true,
	  FIELD(conf_service, name),
	  .help = "What logs and counters call it; unique among services." },
	{ .name = "addresses", .type = CONF_UNICAST, .required = true,
	  .array = true, .min = 1, .max = 256,
	  ELEMENTS(conf_service, addresses),
	  .help = "Its VIPs, of either family." },
	{ .name = "protocol", .type = CONF_WORD, .required = true,
	  .words = protocols, FIELD(conf_service, proto),
	  .help = "What it carries; sctp and any are not supported yet." },
	{ .name = "ports", .type = CONF_PORTS, .required = true,
	  .array = true, .min = 1, .max = 256, ELEMENTS(conf_service, ports),
	  .help = "No two services share a port on one VIP and protocol." },
	{ .name = "pool", .type = CONF_NAME, .required = true,
	  FIELD(conf_service, pool_name),
	  .help = "The pool whose backends serve it." },
	{ .name = "forward", .type = CONF_WORD, .preset = "nat",
	  .words = forwards, FIELD(conf_service, forward),
	  .help = "How packets get to a backend; others are not supported "
	      "yet." },
	{ .name = "scheduler", .type = CONF_WORD, .preset = "wrr",
	  FIELD(conf_service, scheduler),
	  .help = "Which backend gets a new flow." },
	{ .name = "hash", .type = CONF_WORD, .words = hashes,
	  FIELD(conf_service, hash_port),
	  .help = "What sh and mh hash; without it, sh takes client and mh "
	      "client-port." },
	{ .name = "persistence", .type = CONF_GROUP, .section = &persistence,
	  .help = "Later flows of a client go to the backend of its first." },
	{ .name = "on_down", .type = CONF_WORD, .preset = "reset",
	  .words = on_downs, FIELD(conf_service, on_down),
	  .help = "What happens to live flows of a backend that goes down." },
	{ .name = "no_backend", .type = CONF_WORD, .preset = "reset",
	  .words = no_backends, FIELD(conf_service, no_backend),
	  .help = "What a new flow meets when no backend can take it." },
};
static const struct conf_section services = SECTION("services", services_keys);

static const struct conf_key root_keys[] = {
	{ .name = "user", .type = CONF_NAME, .preset = "loaded",
	  FIELD(conf, user),
	  .help = "Who the processes that see packets run as." },
	{ .name = "group", .type = CONF_NAME, FIELD(conf, group),
	  .help = "The group of the same; without it, that of the user." },
	{ .name = "chroot", .type = CONF_PATH,
	  .preset = "/var/lib/loaded/empty", FIELD(conf, chroot),
	  .help = "All of the file system that these processes see." },
	{ .name = "pidfile", .type = CONF_PATH,
	  .preset = "/run/loaded/loaded.pid", FIELD(conf, pidfile),
	  .help = "Holds the supervisor's number while it runs." },
	{ .name = "hash_key", .type = CONF_HEX, FIELD(conf, hash_key),
	  .given = offsetof(struct conf, has_hash_key),
	  .help = "Secret of sh and mh, the same on balancers that are to "
	      "choose alike; without it, random at each start." },
	{ .name = "control", .type = CONF_GROUP, .section = &control,
	  .offset = offsetof(struct conf, planned),
	  .planned = "no socket is opened",
	  .help = "The socket for commands." },
	{ .name = "metrics", .type = CONF_GROUP, .section = &metrics,
	  .offset = offsetof(struct conf, planned),
	  .planned = "nothing listens",
	  .help = "The port for counters." },
	{ .name = "log", .type = CONF_GROUP, .section = &log_section,
	  .help = "What is logged, and where." },
	{ .name = "workers", .type = CONF_GROUP, .section = &workers,
	  .help = "The threads that handle packets." },
	{ .name = "flows", .type = CONF_GROUP, .section = &flows,
	  .help = "Size of the flow table, and when idle flows leave it." },
	{ .name = "backend_networks", .type = CONF_PREFIX, .array = true,
	  .min = 1, .max = 256, ELEMENTS(conf, backend_networks),
	  .help = "Where replies come from under nat; without it, each "
	      "backend's own address." },
	{ .name = "interfaces", .type = CONF_GROUP, .section = &interfaces,
	  .help = "Narrows the rules to what comes in there." },
	{ .name = "pools", .type = CONF_LIST, .required = true,
	  .section = &pools, .max = BACKEND_SLOTS, ELEMENTS(conf, pools),
	  .help = "Who can serve." },
	{ .name = "services", .type = CONF_LIST, .required = true,
	  .section = &services, .max = BACKEND_SLOTS,
	  ELEMENTS(conf, services),
	  .help = "What is served, by which pool." },
	{ .name = "failover", .type = CONF_GROUP,
	  .section = &conf_schema_failover,
	  .offset = offsetof(struct conf, failover),
	  .help = "Finds out which backends work." },
};
static const struct conf_section root = SECTION("top level", root_keys);
/* clang-format on */

const struct conf_section *
conf_schema(void)
{
	return &root;
}

bool
conf_schema_word(const struct conf_key *key, struct conf_word *out,
    unsigned int number)
{
	if (key->words == NULL) {
		if (number >= sched_count())
			return false;
		*out = (struct conf_word){ .name = sched_ops(number)->name,
			.value = (uint8_t)number };
		return true;
	}
	*out = key->words[number];
	return out->name != NULL;
}
