/*
 * supervisor_table.c - what the supervisor builds for its children: the shared
 * segment, the table, and again the table when backends were discovered or
 * have gone.  A place for a discovered backend is a slot kept free in the
 * config; whoever gets it must not inherit the flows of another.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "loaded/clock.h"
#include "loaded/local_addrs.h"
#include "loaded/log.h"
#include "loaded/supervisor_impl.h"
#include "loaded/table_build.h"

/*
 * Found and lost backends of so long a time make one new table.  Tables begin
 * running probes anew, so they must not come all the time.
 */
#define REBUILD_S 0.05
#define REBUILD_PAUSE_S 1.
#define NS_PER_S 1e9
/* A place is kept for its last owner while late packets may come. */
#define KEEP_NS UINT64_C(60000000000)

static bool
build_table(struct supervisor *s, const struct table **out, int *fd)
{
	struct table *table;
	const int error = table_build(&table, s->conf, s->hash_key,
	    s->generation + 1);

	if (error != 0) {
		log_errno(-error, "cannot build the table");
		return false;
	}
	*out = segment_seal(table, table->size, "loaded-table", fd);
	free(table);
	if (*out == NULL) {
		log_errno(errno, "cannot map the table");
		return false;
	}
	s->generation++;
	return true;
}

/* Secrets of the tables, and the seed of random choices. */
bool
supervisor_build_state(struct supervisor *s)
{
	uint8_t flow_key[SIPHASH_KEY_LEN];
	int error;

	if (getrandom(flow_key, sizeof(flow_key), 0) != sizeof(flow_key) ||
	    getrandom(s->hash_key, sizeof(s->hash_key), 0) !=
		sizeof(s->hash_key) ||
	    getrandom(&s->seed, sizeof(s->seed), 0) != sizeof(s->seed)) {
		log_errno(errno, "cannot get random numbers");
		return false;
	}
	error = segment_create(&s->segment, s->conf->ncores, s->conf->flows_max,
	    flow_key);
	if (error != 0) {
		log_errno(-error, "cannot get %zu MiB for %u flows",
		    flow_size(s->conf->flows_max) >> 20, s->conf->flows_max);
		return false;
	}
	s->left_ns = calloc(BACKEND_SLOTS, sizeof(*s->left_ns));
	if (s->left_ns == NULL) {
		log_errno(ENOMEM, "cannot start");
		return false;
	}
	table_init_backends(s->conf, segment_backends(&s->segment));
	return build_table(s, &s->table, &s->table_fd);
}

static void
hand_over(struct supervisor *s, const struct child *child)
{
	const struct message m = { .type = MESSAGE_TABLE,
		.generation = s->generation };
	int error;

	if (child->pid == 0)
		return;
	error = message_send(child->control, &m, s->table_fd);
	if (error != 0)
		log_errno(-error, "cannot hand the table to the %s",
		    child->name);
}

static void rebuild_soon(struct supervisor *s);

static void
on_rebuild(struct ev_loop *loop, ev_timer *w, int events)
{
	struct supervisor *s = w->data;
	const struct table *table;
	int fd;

	(void)loop;
	(void)events;
	s->built_ns = clock_now_ns();
	if (!build_table(s, &table, &fd)) {
		rebuild_soon(s);
		return;
	}
	segment_unmap(s->table, s->table->size);
	close(s->table_fd);
	s->table = table;
	s->table_fd = fd;
	(void)supervisor_sync_routes(s);
	/* Probes that ask by the new table come after it. */
	hand_over(s, &s->checker);
	hand_over(s, &s->balancer);
}

static void
rebuild_soon(struct supervisor *s)
{
	const double age_s = (double)(clock_now_ns() - s->built_ns) / NS_PER_S;
	double wait_s = REBUILD_PAUSE_S - age_s;

	if (ev_is_active(&s->rebuild))
		return;
	if (wait_s < REBUILD_S)
		wait_s = REBUILD_S;
	ev_timer_init(&s->rebuild, on_rebuild, wait_s, 0.);
	s->rebuild.data = s;
	ev_timer_start(s->loop, &s->rebuild);
}

/* The slot of a pool's first backend. */
static uint32_t
first_slot(const struct conf *conf, uint32_t pool)
{
	uint32_t slot = 0;

	for (uint32_t p = 0; p < pool; p++)
		slot += conf->pools[p].nbackends;
	return slot;
}

/* The failover thread has looked at all this, but is not to be trusted. */
static bool
may_join(const struct supervisor *s, const struct addr *a)
{
	return !local_addrs_is_own(a) && table_in_networks(s->table, a) &&
	    !table_is_vip(s->table, a);
}

/*
 * How well a place suits somebody new; 0: it is taken.  Late packets of a past
 * owner's flows would go to the new one, who resets what he does not know.
 */
static unsigned int
rank_place(const struct supervisor *s, const struct conf_backend *b,
    uint32_t slot)
{
	static const struct addr none;
	const struct backend_state *state =
	    &segment_backends(&s->segment)[slot];

	if (!b->discovered || !b->absent)
		return 0;
	if (addr_equal(&b->addr, &none))
		return 4;
	if (atomic_load(&state->active) != 0)
		return 1;
	return clock_now_ns() - s->left_ns[slot] > KEEP_NS ? 3 : 2;
}

/*
 * The index of the place that an address gets in its pool: the one it had, or
 * the best that is free.  -1: it is a member already; -2: there is none.
 */
static int
find_place(const struct supervisor *s, uint32_t pool, const struct addr *a)
{
	const struct conf_pool *p = &s->conf->pools[pool];
	const uint32_t slot = first_slot(s->conf, pool);
	unsigned int best = 0;
	int place = -2;

	for (uint32_t i = 0; i < p->nbackends; i++) {
		const struct conf_backend *b = &p->backends[i];
		const unsigned int rank = rank_place(s, b, slot + i);

		if (addr_equal(&b->addr, a))
			return b->absent ? (int)i : -1;
		if (rank > best) {
			best = rank;
			place = (int)i;
		}
	}
	return place;
}

void
supervisor_take_found(struct supervisor *s, const struct message *m)
{
	const struct conf *conf = s->conf;
	const uint32_t pool = conf->failover.discover.pool;
	char text[ADDR_STRLEN];
	struct conf_backend *b;
	int place;

	if (!conf->failover.has_discover || m->pool != pool ||
	    !may_join(s, &m->addr))
		return;
	addr_format(&m->addr, text);
	place = find_place(s, pool, &m->addr);
	if (place == -2)
		log_limited(LOG_LEVEL_WARN, &s->report.limit, clock_now_ns(),
		    "discovered pool=%s backend=%s has no place, max=%u",
		    conf->pools[pool].name, text, conf->failover.discover.max);
	if (place < 0)
		return;
	b = &conf->pools[pool].backends[place];
	b->addr = m->addr;
	b->absent = false;
	backend_init(&segment_backends(
			 &s->segment)[first_slot(conf, pool) + (uint32_t)place],
	    b->weight, b->max_connections, b->max_rate);
	log_notice("discovered pool=%s backend=%s", conf->pools[pool].name,
	    text);
	rebuild_soon(s);
}

void
supervisor_take_lost(struct supervisor *s, const struct message *m)
{
	const struct conf *conf = s->conf;
	const uint32_t pool = conf->failover.discover.pool;
	const uint32_t first = first_slot(conf, pool);
	char text[ADDR_STRLEN];
	struct conf_backend *b;

	if (!conf->failover.has_discover || m->slot < first ||
	    m->slot - first >= conf->pools[pool].nbackends)
		return;
	b = &conf->pools[pool].backends[m->slot - first];
	if (!b->discovered || b->absent || !addr_equal(&b->addr, &m->addr))
		return;
	b->absent = true;
	s->left_ns[m->slot] = clock_now_ns();
	log_notice("gone pool=%s backend=%s", conf->pools[pool].name,
	    addr_format(&b->addr, text));
	rebuild_soon(s);
}
