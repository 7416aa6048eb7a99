/*
 * worker.c - receive, decide, answer; and between batches a little expiry.
 * Runs in the balancer process, one thread a queue.  On the packet path there
 * is no allocation, no formatting and no system call but the two of nfq.c.
 */
#include "loaded/worker.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "loaded/clock.h"
#include "loaded/log.h"
#include "loaded/rules.h"

#define NS_PER_S UINT64_C(1000000000)
#define NS_PER_US UINT64_C(1000)
/* Expiry visits every stripe once a second, this many at a time at most. */
#define SWEEP_MAX 64U
/* Stopping takes no longer, however fast packets come in. */
#define DRAIN_NS NS_PER_S

struct worker {
	struct worker_conf conf;
	struct balance balance;
	view_slot view;                  /* in use */
	struct nfq *nfq;                 /* owned */
	uint32_t first_stripe, nstripes; /* this worker's share of expiry */
	uint32_t next_stripe;            /* within the share */
	uint64_t swept_ns;               /* share is swept up to this time */
	pthread_t thread;
	struct balance_packet packets[NFQ_BATCH];
};

/* Between two batches: a new table for all that comes now. */
static void
use_view(struct worker *w)
{
	const struct view *view = atomic_load_explicit(w->conf.view,
	    memory_order_acquire);

	if (view == atomic_load_explicit(&w->view, memory_order_relaxed))
		return;
	w->balance.table = view->table;
	w->balance.scratch = view->scratch;
	atomic_store_explicit(&w->view, view, memory_order_release);
}

const struct view *
worker_view(const struct worker *w)
{
	return atomic_load_explicit(&w->view, memory_order_acquire);
}

struct worker *
worker_new(const struct worker_conf *conf, const struct balance *balance)
{
	struct worker *w = calloc(1, sizeof(*w));
	uint64_t stripes;

	if (w == NULL)
		return NULL;
	w->conf = *conf;
	w->balance = *balance;
	w->balance.random ^= (conf->index + 1) * UINT64_C(0x9e3779b97f4a7c15);
	w->balance.random |= 1;
	stripes = flow_stripes(&w->balance.flows);
	w->first_stripe = (uint32_t)(stripes * conf->index / conf->count);
	w->nstripes = (uint32_t)(stripes * (conf->index + 1) / conf->count) -
	    w->first_stripe;
	w->nfq = nfq_new(conf->fd, conf->queue, conf->stats);
	if (w->nfq == NULL) {
		free(w);
		return NULL;
	}
	use_view(w);
	return w;
}

void
worker_free(struct worker *w)
{
	if (w == NULL)
		return;
	nfq_free(w->nfq);
	free(w);
}

static enum rewrite_csum
csum_of(const struct nfq_packet *p)
{
	if (!p->csum_partial)
		return REWRITE_CSUM_DONE;
	return p->gso ? REWRITE_CSUM_GSO : REWRITE_CSUM_PARTIAL;
}

static void
take(struct balance_packet *bp, const struct nfq_packet *p)
{
	bp->data = p->data;
	bp->len = p->len;
	bp->truncated = p->truncated;
	bp->gso = p->gso;
	bp->csum = csum_of(p);
}

/* The one place where a packet gets its verdict. */
static void
answer(struct worker *w, const struct balance_packet *bp, struct nfq_packet *p)
{
	const bool ours = p->mark - RULES_MARK_BASE < CONF_WORKERS;

	nfq_answer(w->nfq, p,
	    bp->action == BALANCE_DROP ? NFQ_DROP : NFQ_ACCEPT,
	    bp->action == BALANCE_SEND ? bp->len : 0,
	    ours || bp->mark != 0 ? &bp->mark : NULL);
}

static void
count_batch(struct stats *stats, const struct balance_packet *packets, int n)
{
	uint64_t reason[BALANCE_REASONS] = { 0 };
	uint64_t action[BALANCE_DROP + 1] = { 0 };
	uint64_t refused = 0;
	int i;

	for (i = 0; i < n; i++) {
		reason[packets[i].reason]++;
		action[packets[i].action]++;
		refused += packets[i].refused;
	}
	for (i = 0; i < BALANCE_REASONS; i++)
		if (reason[i] > 0)
			stats_add(&stats->reason[i], reason[i]);
	stats_add(&stats->packets, (uint64_t)n);
	stats_add(&stats->batches, 1);
	stats_add(&stats->passed, action[BALANCE_PASS]);
	stats_add(&stats->sent, action[BALANCE_SEND]);
	stats_add(&stats->dropped, action[BALANCE_DROP]);
	stats_add(&stats->refused, refused);
}

static void
run_batch(struct worker *w, int n)
{
	struct balance_packet *packets = w->packets;
	uint64_t bytes = 0;
	int i;

	for (i = 0; i < n; i++) {
		take(&packets[i], nfq_packet(w->nfq, (unsigned int)i));
		balance_prepare(&w->balance, &packets[i]);
		bytes += packets[i].len;
	}
	for (i = 0; i < n; i++)
		balance_fetch(&w->balance, &packets[i]);
	for (i = 0; i < n; i++) {
		balance_decide(&w->balance, &packets[i]);
		answer(w, &packets[i], nfq_packet(w->nfq, (unsigned int)i));
	}
	nfq_flush(w->nfq);
	stats_add(&w->conf.stats->bytes, bytes);
	count_batch(w->conf.stats, packets, n);
}

/* As many stripes as the time since the last call asks for. */
static void
sweep(struct worker *w)
{
	const uint64_t now = w->balance.now_ns;
	uint64_t due;
	uint32_t count;

	if (w->nstripes == 0)
		return;
	if (now - w->swept_ns > NS_PER_S)
		w->swept_ns = now - NS_PER_S;
	due = (now - w->swept_ns) * w->nstripes / NS_PER_S;
	if (due == 0)
		return;
	count = due > SWEEP_MAX ? SWEEP_MAX : (uint32_t)due;
	if (count > w->nstripes - w->next_stripe)
		count = w->nstripes - w->next_stripe;
	w->swept_ns += count * NS_PER_S / w->nstripes;
	stats_add(&w->conf.stats->expired,
	    flow_expire(&w->balance.flows, w->first_stripe + w->next_stripe,
		count, w->balance.now));
	w->next_stripe = (w->next_stripe + count) % w->nstripes;
}

/* Nothing more waits, or it has been long enough since the stop. */
static bool
drained(uint64_t *stop_ns, uint64_t now_ns, int received)
{
	if (*stop_ns == 0)
		*stop_ns = now_ns;
	return received == 0 || now_ns - *stop_ns > DRAIN_NS;
}

static int
receive(struct worker *w, bool wait)
{
	const int n = nfq_receive(w->nfq, wait);

	if (n < 0) {
		log_errno(-n, "queue %u: cannot receive", w->conf.queue);
		exit(EXIT_FAILURE);
	}
	return n;
}

/*
 * After a batch the queue is looked at a little longer before the worker
 * sleeps: waking it costs the core that receives more than the packet does.
 */
static void *
run(void *arg)
{
	struct worker *w = arg;
	const uint64_t busy_ns = w->conf.busy_poll_us * NS_PER_US;
	uint64_t stop_ns = 0, batch_ns = 0;
	bool stopping = false;
	char name[16];
	int n;

	/* By itself: for another thread it takes /proc. */
	snprintf(name, sizeof(name), "worker/%u", w->conf.index);
	prctl(PR_SET_NAME, name, 0, 0, 0);
	do {
		stopping = atomic_load_explicit(w->conf.stop,
		    memory_order_relaxed);
		n = receive(w,
		    !stopping && w->balance.now_ns - batch_ns >= busy_ns);
		balance_time(&w->balance, clock_now_ns());
		use_view(w);
		if (n > 0) {
			run_batch(w, n);
			batch_ns = w->balance.now_ns;
		}
		sweep(w);
	} while (!stopping || !drained(&stop_ns, w->balance.now_ns, n));
	return NULL;
}

int
worker_start(struct worker *w)
{
	pthread_attr_t attr;
	cpu_set_t cores;
	int error;

	CPU_ZERO(&cores);
	CPU_SET(w->conf.core, &cores);
	error = pthread_attr_init(&attr);
	if (error != 0)
		return -error;
	error = pthread_attr_setaffinity_np(&attr, sizeof(cores), &cores);
	if (error == 0)
		error = pthread_create(&w->thread, &attr, run, w);
	pthread_attr_destroy(&attr);
	if (error != 0)
		return -error;
	return 0;
}

void
worker_join(struct worker *w)
{
	pthread_join(w->thread, NULL);
}
