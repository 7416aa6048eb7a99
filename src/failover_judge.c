/*
 * failover_judge.c - from the result of a probe to what workers read: the
 * verdict of a check, the health of its backend, the mode of its pool.  Run by
 * the failover thread, which alone writes these.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "loaded/clock.h"
#include "loaded/failover_impl.h"
#include "loaded/share.h"

#define RUNS_MAX 16
#define NS_PER_MS UINT64_C(1000000)

/* "pool=web backend=10.0.0.1 port=80": as the config has it. */
#define WHO_LEN (TABLE_NAME_LEN + ADDR_STRLEN + 40)
static const char *
who(const struct target *t, char text[static WHO_LEN])
{
	const struct table_pool *pool = table_pool(t->f->table,
	    target_backend(t)->pool);
	const struct sched_member *m = target_member(t);
	char address[ADDR_STRLEN];

	snprintf(text, WHO_LEN, "pool=%s backend=%s port=%u", pool->name,
	    addr_format(&m->addr, address), ntohs(m->port_be));
	return text;
}

static void
write_record(struct target *t)
{
	health_write(target_health(t), &t->record);
}

static void
publish_share(struct target *t, uint64_t now_ns)
{
	const struct table_pool *pool = table_pool(t->f->table,
	    target_backend(t)->pool);
	const uint64_t elapsed_ms = (now_ns - t->up_ns) / NS_PER_MS;

	if (t->up_ns != 0 && elapsed_ms >= pool->slow_start_ms) {
		t->up_ns = 0;
		t->f->ramping--;
	}
	atomic_store(&target_state(t)->share,
	    share_now(t->record.has_percent ? t->record.percent : 100,
		elapsed_ms, t->up_ns != 0 ? pool->slow_start_ms : 0));
}

void
failover_ramp(struct failover *f)
{
	const uint64_t now_ns = clock_now_ns();

	for (uint32_t i = 0; i < f->ntargets; i++)
		if (f->targets[i].up_ns != 0)
			publish_share(&f->targets[i], now_ns);
}

static void
begin_ramp(struct target *t, uint64_t now_ns)
{
	t->f->ramping += t->up_ns == 0;
	t->up_ns = now_ns;
	publish_share(t, now_ns);
}

static struct pool_counts
count_pool(const struct failover *f, uint32_t index, enum table_family family)
{
	const struct table_pool *pool = table_pool(f->table, index);
	struct pool_counts counts = {
		.total = pool->family[family].nmembers,
		.up = pool->family[family].nmembers -
		    f->pools[index].down[family],
	};

	if (pool->backup != TABLE_NO_POOL)
		counts.backup_up = table_pool(f->table, pool->backup)
				       ->family[family]
				       .nmembers -
		    f->pools[pool->backup].down[family];
	return counts;
}

static void
set_mode(struct failover *f, uint32_t index, enum table_family family)
{
	const struct table_pool *pool = table_pool(f->table, index);
	const struct pool_counts counts = count_pool(f, index, family);
	struct pool_state *state = &segment_pools(f->conf.segment)[index];
	enum pool_mode mode = pool_mode_next(&f->pools[index].lost[family],
	    &pool->mode, &counts);

	if (counts.total == 0 && mode == POOL_PANIC)
		mode = POOL_NORMAL;
	if (atomic_load(&state->mode[family]) == mode)
		return;
	atomic_store(&state->mode[family], (uint8_t)mode);
	log_notice("pool pool=%s family=%s mode=%s up=%u of %u", pool->name,
	    family == TABLE_V4 ? "ipv4" : "ipv6", pool_mode_name(mode),
	    counts.up, counts.total);
}

/* Pools that have this one as their backup look at it too. */
static void
set_modes(struct failover *f, uint32_t index, enum table_family family)
{
	set_mode(f, index, family);
	for (uint32_t i = 0; i < f->table->npools; i++)
		if (table_pool(f->table, i)->backup == index)
			set_mode(f, i, family);
}

static void
count_down(struct target *t, int change)
{
	struct pool_watch *pool = &t->f->pools[target_backend(t)->pool];
	const enum table_family family =
	    table_family_of(&target_member(t)->addr);

	pool->down[family] += (uint32_t)change;
}

void
failover_count_pools(struct failover *f)
{
	for (uint32_t i = 0; i < f->ntargets; i++)
		if (f->targets[i].record.health == HEALTH_DOWN)
			count_down(&f->targets[i], 1);
	for (uint32_t i = 0; i < f->table->npools; i++)
		for (int family = 0; family < TABLE_FAMILIES; family++) {
			set_mode(f, i, family);
		}
}

/* Of all checks; before there is a verdict, what start says. */
static enum backend_health
health_of(const struct target *t)
{
	enum hstate_verdict verdicts[RUNS_MAX];
	bool start_up = true;
	uint32_t count = 0;

	for (uint32_t i = 0; i < t->nruns && count < RUNS_MAX; i++) {
		const struct check_run *run = &t->runs[i];
		const struct check *check = run->probe.check;

		if (run->state.verdict == HSTATE_UNKNOWN)
			start_up &= check->start_up;
		/* An agent that was never heard has no say. */
		if (check->type != CHECK_AGENT || t->nruns == 1 ||
		    run->state.verdict != HSTATE_UNKNOWN)
			verdicts[count++] = run->state.verdict;
	}
	switch (hstate_combine(verdicts, count, target_backend(t)->policy)) {
	case HSTATE_UP:
		return HEALTH_UP;
	case HSTATE_DOWN:
		return HEALTH_DOWN;
	case HSTATE_UNKNOWN:
		break;
	}
	return start_up ? HEALTH_UNKNOWN : HEALTH_DOWN;
}

static void
publish(struct target *t, enum backend_health health)
{
	t->record.health = (uint8_t)health;
	atomic_store(&target_state(t)->health, (uint8_t)health);
}

/* A change that people should hear of. */
static void
change(struct target *t, enum backend_health health,
    const struct check_run *run, const struct probe_outcome *o)
{
	const enum backend_health before = t->record.health;
	const struct table_backend *b = target_backend(t);
	const uint64_t now_ns = clock_now_ns();
	char text[WHO_LEN], answered[40];

	snprintf(answered, sizeof(answered), "answered in %u us",
	    o->duration_us);
	publish(t, health);
	t->record.changed_ns = now_ns;
	t->record.reason = (uint8_t)o->result;
	if (health == HEALTH_UP && before == HEALTH_DOWN &&
	    t->record.failures > 0 &&
	    table_pool(t->f->table, b->pool)->slow_start_ms != 0)
		begin_ramp(t, now_ns);
	log_notice("backend %s is %s: %s check=%s result=%s streak=%u",
	    who(t, text), backend_health_name(health),
	    o->text[0] != '\0' ? o->text : answered,
	    check_type_name(run->probe.check->type),
	    probe_result_name(o->result), run->state.streak);
	count_down(t, (health == HEALTH_DOWN) - (before == HEALTH_DOWN));
	set_modes(t->f, b->pool, table_family_of(&target_member(t)->addr));
}

/* Before the first result: what the segment or the config says. */
void
failover_admit(struct target *t)
{
	publish(t, health_of(t));
	/* Its patience with a backend that is new begins now. */
	if (t->record.changed_ns == 0 && target_backend(t)->discovered)
		t->record.changed_ns = clock_now_ns();
	/* A thread that was restarted goes on with a slow start. */
	if (atomic_load(&target_state(t)->share) < SHARE_FULL &&
	    t->up_ns == 0 && t->record.changed_ns != 0 &&
	    t->record.health == HEALTH_UP) {
		t->up_ns = t->record.changed_ns;
		t->f->ramping++;
	}
	write_record(t);
}

static void
note(struct target *t, const struct check_run *run,
    const struct probe_outcome *o)
{
	struct health_record *r = &t->record;

	r->probed_ns = clock_now_ns();
	r->duration_us = o->duration_us;
	r->result = (uint8_t)o->result;
	r->check = run->probe.check->type;
	if (o->result != PROBE_OK)
		memcpy(r->text, o->text, sizeof(r->text));
	if (probe_result_is_neutral(o->result))
		return;
	r->probes++;
	r->failures += o->result != PROBE_OK;
}

static void
obey_agent(struct target *t, const struct agent_line *a)
{
	struct backend_state *state = target_state(t);
	char text[WHO_LEN];

	if (a->has_percent &&
	    (!t->record.has_percent || a->percent != t->record.percent)) {
		t->record.has_percent = true;
		t->record.percent = (uint16_t)a->percent;
		log_notice("backend %s: agent says %u%%", who(t, text),
		    a->percent);
		publish_share(t, clock_now_ns());
	}
	if (a->has_max)
		atomic_store(&state->agent_max, a->max_connections);
	if (a->has_admin && atomic_load(&state->agent_admin) != a->admin) {
		atomic_store(&state->agent_admin, (uint8_t)a->admin);
		log_notice("backend %s: agent says %s", who(t, text),
		    backend_admin_name(a->admin));
	}
}

static void
tell_failure(struct target *t, const struct check_run *run,
    const struct probe_outcome *o)
{
	char text[WHO_LEN];

	log_limited(LOG_LEVEL_INFO, &t->f->limit, clock_now_ns(),
	    "probe failed %s: %s check=%s result=%s", who(t, text), o->text,
	    check_type_name(run->probe.check->type),
	    probe_result_name(o->result));
}

/*
 * An agent that speaks of the weight alone says nothing of health, unless it is
 * all there is to hear.
 */
static bool
has_say(const struct check_run *run, const struct probe_outcome *o)
{
	if (probe_result_is_neutral(o->result))
		return false;
	return !o->has_agent || o->agent.has_health ||
	    (run->target->nruns == 1 && run->state.verdict == HSTATE_UNKNOWN);
}

void
failover_judge(struct check_run *run, const struct probe_outcome *o)
{
	struct target *t = run->target;
	const enum backend_health before = t->record.health;
	enum backend_health health;

	note(t, run, o);
	if (o->has_agent)
		obey_agent(t, &o->agent);
	if (has_say(run, o))
		(void)hstate_feed(&run->state, o->result == PROBE_OK);
	t->record.streak = run->state.streak;
	health = health_of(t);
	if (health != before)
		change(t, health, run, o);
	else if (o->result != PROBE_OK)
		tell_failure(t, run, o);
	write_record(t);
}
