/*
 * test_flow_model.c - more than a million random operations on a flow table,
 * against a model: an array with one slot for each tuple a client can have.
 *
 * What the table may drop by itself is what the model has to allow: anything
 * late at any time, and one flow that is not established for an insertion
 * into a full table.  Drops are told by release, but for CLOSED and PERSIST,
 * which the model has to look for.
 */
#include "flow_fixture.h"
#include "runner.h"
#include "seed.h"

#define CLIENTS 64U
#define PORTS 8U
#define VIPS 4U /* address ids 1 to VIPS, which are the backends' too */
#define SLOTS (CLIENTS * PORTS * VIPS)
#define STEPS 150000
#define VERIFIES 100 /* in a run */

struct slot {
	bool there;   /* put in, and not known to have gone */
	bool counted; /* release is to come */
	struct flow flow;
};

struct model {
	struct table_fixture x;
	struct flow_table *t;
	uint32_t now;
	uint64_t inserted, released;
	uint64_t gone; /* in time, and not removed by us; in one operation */
	bool removing; /* this slot's release is our doing */
	struct slot slots[SLOTS];
};

static uint32_t
below(uint32_t n)
{
	return (uint32_t)random() % n;
}

static bool
late(const struct model *m, const struct flow *f)
{
	return (int32_t)(m->now - f->seen) > (int32_t)f->timeout;
}

static struct slot *
slot_of(struct model *m, const struct flow *f)
{
	return &m->slots[(f->client.b[0] * PORTS + f->client_port_be) * VIPS +
	    f->vip - 1];
}

static struct flow
random_flow(void)
{
	static const enum flow_class classes[] = { FLOW_SYN, FLOW_SYN, FLOW_FIN,
		FLOW_UDP, FLOW_PERSIST, FLOW_ESTABLISHED, FLOW_ESTABLISHED };
	struct flow f = {
		.client = { { (uint8_t)below(CLIENTS) } },
		.client_port_be = (uint16_t)below(PORTS),
		.vip = 1 + below(VIPS),
		.server = 1 + below(VIPS),
		.timeout = 20 + below(2000),
		.service = below(100),
	};

	f.class = (uint8_t)classes[below(sizeof(classes) / sizeof(classes[0]))];
	/* A tuple is of one kind, so that the slot is the whole key. */
	if (f.client_port_be == 0)
		f.class = FLOW_PERSIST;
	else if (f.class == FLOW_PERSIST)
		f.class = FLOW_UDP;
	f.proto = f.class == FLOW_PERSIST ? 0 : IPPROTO_TCP;
	if (f.class != FLOW_PERSIST && below(4) == 0)
		f.forward = FORWARD_DR;
	return f;
}

static void
on_release(void *arg, const struct flow *f)
{
	struct model *m = arg;
	struct slot *s = slot_of(m, f);

	MUST(s->there && s->counted);
	MUST(f->class != FLOW_CLOSED && f->class != FLOW_PERSIST);
	s->counted = false;
	m->released++;
	if (m->removing)
		return;
	s->there = false;
	if (late(m, f))
		return;
	MUST(f->class != FLOW_ESTABLISHED);
	m->gone++;
}

/* Is it found by its reply tuple? */
static bool
two_way(const struct flow *f)
{
	return f->class != FLOW_PERSIST && f->forward == FORWARD_NAT;
}

/* The slot with this reply tuple, or NULL. */
static struct slot *
reply_owner(struct model *m, const struct flow *f)
{
	struct flow other = *f;

	for (other.vip = 1; other.vip <= VIPS; other.vip++) {
		struct slot *s = slot_of(m, &other);

		if (s->there && s->flow.server == f->server &&
		    two_way(&s->flow) && !late(m, &s->flow))
			return s;
	}
	return NULL;
}

/* Finds by both directions, and says whether it is what the model has. */
static struct flow *
check_slot(struct model *m, struct slot *s)
{
	struct flow *f = find(m->t, &s->flow, FLOW_FROM_CLIENT, m->now);

	if (f == NULL)
		return NULL;
	MUST(!late(m, &s->flow));
	MUST(f->seen == s->flow.seen);
	MUST(f->timeout == s->flow.timeout);
	MUST(f->class == s->flow.class);
	MUST(f->service == s->flow.service);
	MUST(f->server == s->flow.server);
	if (two_way(f))
		MUST(f == find(m->t, &s->flow, FLOW_FROM_BACKEND, m->now));
	return f;
}

/* After an eviction that nobody was told of. */
static void
look_for_silent(struct model *m)
{
	for (uint32_t i = 0; i < SLOTS; i++) {
		struct slot *s = &m->slots[i];

		if (!s->there || s->counted || late(m, &s->flow) ||
		    check_slot(m, s) != NULL)
			continue;
		s->there = false;
		m->gone++;
	}
}

/* Late flows may be gone; of the others all are there. */
static void
check_all(struct model *m)
{
	struct flow_usage usage;
	uint64_t in_time = 0, at_most = 0;

	MUST(flow_verify(m->t) == 0);
	flow_usage(m->t, &usage);
	for (uint32_t i = 0; i < SLOTS; i++) {
		in_time += m->slots[i].there && !late(m, &m->slots[i].flow);
		at_most += m->slots[i].there;
	}
	MUST(in_time <= usage.used);
	MUST(usage.used <= at_most);
	MUST(usage.used <= flow_max(m->t));
}

/* FLOW_FULL is right only when the stripe has nothing that may go. */
static void
check_full(struct model *m, const struct flow *new)
{
	const uint32_t stripe = stripe_of(m->t, new);

	for (uint32_t i = 0; i < SLOTS; i++) {
		const struct slot *s = &m->slots[i];

		if (s->there && !late(m, &s->flow) &&
		    s->flow.class != FLOW_ESTABLISHED)
			MUST(stripe_of(m->t, &s->flow) != stripe);
	}
	MUST(used(m->t) >= flow_max(m->t) * 9 / 10);
}

static void
step_insert(struct model *m)
{
	const struct flow new = random_flow();
	struct slot *s = slot_of(m, &new);
	const bool exists = s->there && !late(m, &s->flow);
	struct slot *owner = exists || !two_way(&new) ? NULL :
							reply_owner(m, &new);
	const bool taken = owner != NULL && owner->flow.class != FLOW_CLOSED;
	const uint64_t before = used(m->t);
	enum flow_insert_result result;

	result = insert(m->t, &new, m->now);
	MUST((result == FLOW_EXISTS) == exists);
	MUST((result == FLOW_REPLY_TAKEN) == taken);
	if (owner != NULL && !taken)
		owner->there = false;
	if (result == FLOW_FULL)
		check_full(m, &new);
	if (result != FLOW_INSERTED)
		return;
	m->inserted += new.class != FLOW_PERSIST;
	s->there = true;
	s->counted = new.class != FLOW_PERSIST;
	s->flow = new;
	s->flow.seen = m->now;
	if (m->gone == 0 && used(m->t) != before + 1)
		look_for_silent(m);
	MUST(m->gone <= 1);
	if (m->gone != 0)
		MUST(before >= flow_max(m->t) * 9 / 10);
}

static void
step_find(struct model *m)
{
	const struct flow f = random_flow();
	struct slot *s = slot_of(m, &f), *owner = reply_owner(m, &f);
	struct flow *found;

	if (s->there)
		MUST((check_slot(m, s) == NULL) == late(m, &s->flow));
	else
		MUST(find(m->t, &f, FLOW_FROM_CLIENT, m->now) == NULL);
	if (f.class == FLOW_PERSIST)
		return;
	found = find(m->t, &f, FLOW_FROM_BACKEND, m->now);
	MUST((found == NULL) == (owner == NULL));
	if (found != NULL)
		MUST(found->vip == owner->flow.vip);
}

/* Half of the time a packet as any, else one that changes the class. */
static void
step_touch(struct model *m)
{
	const struct flow f = random_flow();
	struct slot *s = slot_of(m, &f);
	struct flow *found = s->there ? check_slot(m, s) : NULL;

	if (found == NULL)
		return;
	if (below(2) && s->flow.class != FLOW_PERSIST &&
	    s->flow.class != FLOW_CLOSED) {
		s->flow.class = below(4) == 0 ? FLOW_CLOSED : f.class;
		s->flow.timeout = f.timeout;
	}
	s->flow.seen = m->now;
	m->removing = true;
	touch(m->t, found, (enum flow_class)s->flow.class, s->flow.timeout,
	    m->now);
	m->removing = false;
	MUST(s->counted ==
	    (s->flow.class != FLOW_CLOSED && s->flow.class != FLOW_PERSIST));
}

static void
step_remove(struct model *m)
{
	const struct flow f = random_flow();
	struct slot *s = slot_of(m, &f);
	struct flow *found = s->there ? check_slot(m, s) : NULL;

	if (found == NULL)
		return;
	m->removing = true;
	take_out(m->t, found);
	m->removing = false;
	MUST(!s->counted);
	s->there = false;
}

static void
step(struct model *m)
{
	const uint32_t dice = below(100);

	m->gone = 0;
	if (dice < 40)
		step_insert(m);
	else if (dice < 65)
		step_find(m);
	else if (dice < 85)
		step_touch(m);
	else if (dice < 90)
		step_remove(m);
	else if (dice < 95)
		m->now += below(5);
	else
		flow_expire(m->t, below(8), 1 + below(4), m->now);
	if (dice >= 40)
		MUST(m->gone == 0);
}

/* Everything goes in the end, and each flow was released once. */
static void
drain(struct model *m)
{
	m->now += 10000;
	while (used(m->t) != 0)
		MUST(flow_expire(m->t, 0, flow_stripes(m->t), m->now) != 0);
	MUST(flow_verify(m->t) == 0);
	MUST(m->released == m->inserted);
}

static void
play(uint32_t max, uint32_t steps)
{
	struct model *m = calloc(1, sizeof(*m));

	MUST(m != NULL);
	seed_random("flow_model");
	table_open(&m->x, max, on_release, m);
	m->t = &m->x.t;
	m->now = UINT32_MAX - steps / 20; /* wraps half way */
	for (uint32_t i = 0; i < steps; i++) {
		step(m);
		if (i % (steps / VERIFIES) == 0)
			check_all(m);
	}
	MUST(m->now < UINT32_MAX / 2);
	drain(m);
	table_close(&m->x);
	free(m);
}

static const uint32_t sizes[] = { 1, 40, 300, 1024, 1030, 1100, 4096 };

START_TEST(table_does_what_the_model_does)
{
	play(sizes[_i], STEPS);
}
END_TEST

int
main(void)
{
	const int n = sizeof(sizes) / sizeof(sizes[0]);
	Suite *s = suite_create("flow_model");
	TCase *tc = tcase_create("random");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, table_does_what_the_model_does, 0, n);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
