/*
 * report.c - log lines about the balancer's state, read from the shared
 * segment and from the kernel.  Run by the supervisor, never by a worker.
 */
#include "loaded/report.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "loaded/clock.h"
#include "loaded/conf_pool.h"

#define QUEUE_FILE "/proc/net/netfilter/nfnetlink_queue"
#define LINE_LEN 900
#define HEALTH_LEN 512

/* One line of QUEUE_FILE (net/netfilter/nfnetlink_queue.c, seq_show). */
struct queue_line {
	unsigned int number, portid, depth, copy_mode, copy_range;
	unsigned int full;    /* dropped: the queue was full */
	unsigned int no_room; /* dropped: the socket was full */
};

void
report_start(const struct conf *conf)
{
	char cores[CONF_WORKERS * 5] = "";
	size_t used = 0;
	uint32_t i, k, backends = 0;

	for (i = 0; i < conf->ncores; i++)
		used += (size_t)snprintf(cores + used, sizeof(cores) - used,
		    "%s%u", i > 0 ? "," : "", conf->cores[i]);
	for (i = 0; i < conf->npools; i++)
		for (k = 0; k < conf->pools[i].nbackends; k++)
			backends += !conf->pools[i].backends[k].discovered;
	log_notice("loaded " LOADED_VERSION " started cores=%s queues=%u-%u "
		   "queue_length=%u flows=%u flow_memory=%zuMiB services=%u "
		   "backends=%u",
	    cores, conf->first_queue, conf->first_queue + conf->ncores - 1,
	    conf->queue_length, conf->flows_max,
	    (flow_size(conf->flows_max) + (1 << 20) - 1) >> 20, conf->nservices,
	    backends);
}

static bool
parse_queue_line(const char *text, struct queue_line *q)
{
	return sscanf(text, "%u %u %u %u %u %u %u", &q->number, &q->portid,
		   &q->depth, &q->copy_mode, &q->copy_range, &q->full,
		   &q->no_room) == 7;
}

/* The next line about a queue of ours; false at the end. */
static bool
next_queue(FILE *file, const struct conf *conf, struct queue_line *q)
{
	char text[256];

	while (fgets(text, sizeof(text), file) != NULL)
		if (parse_queue_line(text, q) &&
		    q->number - conf->first_queue < conf->ncores)
			return true;
	return false;
}

static void
report_queues(const struct report *r)
{
	FILE *file = fopen(QUEUE_FILE, "re");
	struct queue_line q;

	if (file == NULL)
		return;
	while (next_queue(file, r->conf, &q))
		log_notice("counters queue=%u depth=%u queue_dropped=%u "
			   "user_dropped=%u",
		    q.number, q.depth, q.full, q.no_room);
	fclose(file);
}

static void
report_flows(const struct report *r)
{
	struct flow_table flows;
	struct flow_usage usage;

	flow_attach(&flows, segment_flows(r->segment), NULL, NULL);
	flow_usage(&flows, &usage);
	log_notice("counters flows=%" PRIu64 " syn=%" PRIu64
		   " established=%" PRIu64 " fin=%" PRIu64 " closed=%" PRIu64
		   " udp=%" PRIu64 " persistence=%" PRIu64,
	    usage.used, usage.class[FLOW_SYN], usage.class[FLOW_ESTABLISHED],
	    usage.class[FLOW_FIN], usage.class[FLOW_CLOSED],
	    usage.class[FLOW_UDP], usage.class[FLOW_PERSIST]);
}

static bool
pool_is_checked(const struct conf *conf, uint32_t p)
{
	const struct conf_pool *pool = &conf->pools[p];
	uint32_t i;

	for (i = 0; i < pool->nbackends; i++)
		if (pool->backends[i].nchecks > 0)
			return true;
	return pool->nchecks > 0 || conf_pool_is_discovered(conf, p);
}

static void
report_pools(const struct report *r)
{
	const struct pool_state *state = segment_pools(r->segment);
	uint32_t p;

	for (p = 0; p < r->conf->npools; p++)
		if (pool_is_checked(r->conf, p))
			log_notice("counters pool_mode pool=%s ipv4=%s ipv6=%s",
			    r->conf->pools[p].name,
			    pool_mode_name(state[p].mode[TABLE_V4]),
			    pool_mode_name(state[p].mode[TABLE_V6]));
}

/* For the inside of quotes on one line. */
static void
clean(char *text, size_t size)
{
	text[size - 1] = '\0';
	for (; *text != '\0'; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = '.';
		else if (*text == '"')
			*text = '\'';
}

/* What probes have shown, for the end of the line; "" before the first. */
static const char *
format_health(const struct backend_state *state, const struct health *health,
    char text[static HEALTH_LEN])
{
	struct health_record h;

	text[0] = '\0';
	if (!health_read(health, &h) || h.probed_ns == 0)
		return text;
	clean(h.text, sizeof(h.text));
	snprintf(text, HEALTH_LEN,
	    " health=%s admin=%s share=%u weight=%u probes=%" PRIu64
	    " failures=%" PRIu64 " streak=%u result=%s reason=\"%s\"",
	    backend_health_name(state->health),
	    backend_admin_name(backend_admin(state)), state->share,
	    state->weight, h.probes, h.failures, h.streak,
	    probe_result_name(h.result), h.text);
	return text;
}

/* One line; nothing for a place that nobody has taken. */
static void
report_backend(const struct report *r, const struct conf_pool *pool,
    const struct conf_backend *backend, uint32_t slot)
{
	const struct backend_state *state = segment_backends(r->segment) + slot;
	char address[ADDR_STRLEN], health[HEALTH_LEN];

	if (backend->absent)
		return;
	log_notice("counters pool=%s backend=%s port=%u active=%u "
		   "flows=%" PRIu64 "%s",
	    pool->name, addr_format(&backend->addr, address), backend->port,
	    state->active, state->flows,
	    format_health(state, segment_health(r->segment) + slot, health));
}

static void
report_backends(const struct report *r)
{
	const struct conf_pool *pool;
	uint32_t p, i, slot = 0;

	for (p = 0; p < r->conf->npools; p++) {
		pool = &r->conf->pools[p];
		for (i = 0; i < pool->nbackends; i++, slot++)
			report_backend(r, pool, &pool->backends[i], slot);
	}
}

void
report_counters(const struct report *r)
{
	struct stats sum = { .packets = 0 };
	char line[LINE_LEN];
	uint32_t i;

	for (i = 0; i < r->conf->ncores; i++) {
		stats_format(segment_stats(r->segment, i), line, sizeof(line));
		log_notice("counters worker=%u %s", i, line);
		stats_sum(&sum, segment_stats(r->segment, i));
	}
	stats_format(&sum, line, sizeof(line));
	log_notice("counters worker=all %s", line);
	report_queues(r);
	report_flows(r);
	report_pools(r);
	report_backends(r);
}

void
report_overflows(struct report *r)
{
	FILE *file = fopen(QUEUE_FILE, "re");
	uint64_t full = 0, no_room = 0;
	struct queue_line q;

	if (file == NULL)
		return;
	while (next_queue(file, r->conf, &q)) {
		full += q.full;
		no_room += q.no_room;
	}
	fclose(file);
	if (full + no_room > r->overflows)
		log_limited(LOG_LEVEL_WARN, &r->limit, clock_now_ns(),
		    "kernel queues "
		    "overflowed queue_dropped=%" PRIu64
		    " user_dropped=%" PRIu64,
		    full, no_room);
	r->overflows = full + no_room;
}
