/*
 * report.c - log lines about the balancer's state, read from the shared
 * segment and from the kernel.  Run by the supervisor, never by a worker.
 */
#include "loaded/report.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "loaded/clock.h"

#define QUEUE_FILE "/proc/net/netfilter/nfnetlink_queue"
#define LINE_LEN 900

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
	uint32_t i, backends = 0;

	for (i = 0; i < conf->ncores; i++)
		used += (size_t)snprintf(cores + used, sizeof(cores) - used,
		    "%s%u", i > 0 ? "," : "", conf->cores[i]);
	for (i = 0; i < conf->npools; i++)
		backends += conf->pools[i].nbackends;
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

static void
report_backends(const struct report *r)
{
	const struct backend_state *state = segment_backends(r->segment);
	const struct conf_pool *pool;
	char address[ADDR_STRLEN];
	uint32_t p, i;

	for (p = 0; p < r->conf->npools; p++) {
		pool = &r->conf->pools[p];
		for (i = 0; i < pool->nbackends; i++, state++)
			log_notice("counters pool=%s backend=%s port=%u "
				   "active=%u flows=%" PRIu64,
			    pool->name,
			    addr_format(&pool->backends[i].addr, address),
			    pool->backends[i].port, state->active,
			    state->flows);
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
		log_limited(&r->limit, clock_now_ns(),
		    "kernel queues "
		    "overflowed queue_dropped=%" PRIu64
		    " user_dropped=%" PRIu64,
		    full, no_room);
	r->overflows = full + no_room;
}
