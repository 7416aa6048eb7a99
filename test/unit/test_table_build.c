/*
 * test_table_build.c - what failover finds in a table, and what must not move
 * from one table to the next while discovered backends come and go.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "addresses.h"
#include "loaded/conf.h"
#include "loaded/share.h"
#include "loaded/table_build.h"
#include "runner.h"
#include "seed.h"

#define PLACES 20
#define ROUNDS 200

static _Alignas(64) uint8_t scratch[65536];
static const uint8_t key[SIPHASH_KEY_LEN] = "0123456789abcde";

/*
 * Slots: web 0-3, backup 4-5, dns 6, then the places of hosts 7-26, late 27.
 * VIPs: 192.0.2.1 and 2001:db8::1 of web, 192.0.2.2 of hosts.
 */
static const char text[] =
    "backend_networks = [ \"10.0.0.0/16\", \"fd00::/64\" ];\n"
    "failover = { discover = { broadcast = [ \"10.0.0.255\",\n"
    "  \"ff05::1\" ]; port = 8080; pool = \"hosts\"; max = 20;\n"
    "  interval = \"3s\"; timeout = \"300ms\"; }; };\n"
    "pools = ( { name = \"web\"; backup = \"backup\"; quorum = 3;\n"
    "  quorum_hysteresis = 1; panic = \"all\"; slow_start = \"5s\";\n"
    "  backends = ( { address = \"10.0.0.1\"; weight = 3; port = 81;\n"
    "      max_connections = 7; max_rate = 9; },\n"
    "    { address = \"fd00::1\"; },\n"
    "    { address = \"10.0.0.2\"; check_policy = \"any\"; check = (\n"
    "      { type = \"tcp\"; port = 7; }, { type = \"icmp\"; } ); },\n"
    "    { address = \"10.0.0.3\"; check = (); } );\n"
    "  check = { type = \"http\"; path = \"/alive\"; }; },\n"
    "  { name = \"backup\"; backends = ( { address = \"10.0.1.1\"; },\n"
    "    { address = \"10.0.0.1\"; } );\n"
    "    check = { type = \"tcp\"; }; },\n"
    "  { name = \"dns\"; backends = ( { address = \"10.0.1.53\"; } ); },\n"
    "  { name = \"hosts\"; check = { type = \"icmp\"; }; },\n"
    "  { name = \"late\"; backends = ( { address = \"10.0.2.1\"; } ); } );\n"
    "services = ( { name = \"web\"; pool = \"web\"; protocol = \"tcp\";\n"
    "    addresses = [ \"192.0.2.1\", \"2001:db8::1\" ];\n"
    "    ports = [ \"80-89\", \"443\" ]; scheduler = \"mh\"; },\n"
    "  { name = \"hosts\"; pool = \"hosts\"; protocol = \"udp\";\n"
    "    addresses = [ \"192.0.2.2\", \"2001:db8::2\" ];\n"
    "    ports = [ \"any\" ]; } );\n";

static const struct addr nobody;

static struct conf *conf;
static struct table *t;

static struct table *
build(void)
{
	struct table *built;

	ck_assert_int_eq(table_build(&built, conf, key, 1), 0);
	return built;
}

static void
setup(void)
{
	ck_assert_int_eq(conf_load_text(&conf, "test", text, stderr), 0);
	t = build();
}

static void
teardown(void)
{
	free(t);
	conf_free(conf);
}

/* After the config has changed. */
static void
rebuild(void)
{
	free(t);
	t = build();
}

static uint32_t
id_of(const char *written)
{
	const struct addr a = address(written);
	const struct table_addr *found = table_find_addr(t, &a);

	return found == NULL ? TABLE_NO_ADDR : table_addr_id(t, found);
}

static uint32_t
index_of(uint32_t slot)
{
	const struct sched_member *m = table_find_member(t, slot);

	ck_assert_ptr_nonnull(m);
	ck_assert_uint_eq(m->slot, slot);
	return (uint32_t)(m - table_members(t));
}

START_TEST(pools_are_as_configured)
{
	const struct table_pool *web = table_pool(t, 0);

	ck_assert_uint_eq(t->npools, 5);
	ck_assert_str_eq(web->name, "web");
	ck_assert_uint_eq(web->backup, 1);
	ck_assert_uint_eq(web->mode.quorum, 3);
	ck_assert_uint_eq(web->mode.hysteresis, 1);
	ck_assert(web->mode.backup && web->mode.panic_all);
	ck_assert_uint_eq(web->slow_start_ms, 5000);
	ck_assert_uint_eq(web->family[TABLE_V4].nmembers, 3);
	ck_assert_uint_eq(web->family[TABLE_V6].nmembers, 1);
	ck_assert_uint_eq(web->family[TABLE_V6].first_member, 3);
	ck_assert_str_eq(table_pool(t, 1)->name, "backup");
	ck_assert_uint_eq(table_pool(t, 1)->backup, TABLE_NO_POOL);
	ck_assert(!table_pool(t, 1)->mode.backup);
	ck_assert(!table_pool(t, 1)->mode.panic_all);
	ck_assert_uint_eq(table_pool(t, 3)->family[TABLE_V4].nmembers, 0);
}
END_TEST

START_TEST(backends_have_their_own_checks_or_the_pools)
{
	const struct table_backend *b = table_backends(t);
	const struct table_backend *own = &b[index_of(2)];

	/* web's, two of 10.0.0.2, backup's and that of hosts. */
	ck_assert_uint_eq(t->nchecks, 5);
	ck_assert_uint_eq(b[index_of(0)].nchecks, 1);
	ck_assert_uint_eq(b[index_of(0)].policy, CHECKS_ALL);
	ck_assert_str_eq(table_check(t, b[index_of(0)].first_check)->path,
	    "/alive");
	ck_assert_uint_eq(b[index_of(1)].first_check,
	    b[index_of(0)].first_check);
	ck_assert_uint_eq(own->nchecks, 2);
	ck_assert_uint_eq(own->policy, CHECKS_ANY);
	ck_assert_uint_eq(table_check(t, own->first_check)->port, 7);
	ck_assert_uint_eq(table_check(t, own->first_check + 1)->type,
	    CHECK_ICMP);
	ck_assert_uint_eq(b[index_of(3)].nchecks, 0);
	ck_assert_uint_eq(table_check(t, b[index_of(4)].first_check)->type,
	    CHECK_TCP);
	ck_assert_uint_eq(b[index_of(6)].nchecks, 0);
	ck_assert_uint_eq(b[index_of(4)].pool, 1);
	ck_assert(!b[index_of(4)].discovered);
	ck_assert_ptr_null(table_find_member(t, 7));
}
END_TEST

START_TEST(backends_have_the_vip_of_their_family)
{
	const struct table_backend *b = table_backends(t);

	ck_assert_uint_ne(id_of("192.0.2.1"), TABLE_NO_ADDR);
	ck_assert_uint_eq(b[index_of(0)].vip, id_of("192.0.2.1"));
	ck_assert_uint_eq(b[index_of(1)].vip, id_of("2001:db8::1"));
	ck_assert_uint_eq(b[index_of(4)].vip, id_of("192.0.2.1"));
	ck_assert_uint_eq(b[index_of(4)].vip_port, 80);
	ck_assert_uint_eq(b[index_of(4)].vip_proto, IPPROTO_TCP);
	/* Nobody uses this pool. */
	ck_assert_uint_eq(b[index_of(6)].vip, TABLE_NO_ADDR);
	ck_assert_uint_eq(b[index_of(6)].vip_port, 0);
	ck_assert_uint_eq(b[index_of(6)].vip_proto, 0);
}
END_TEST

START_TEST(backends_and_services_have_their_way_of_forwarding)
{
	const struct table_backend *b;

	conf->services[0].forward = FORWARD_DR;
	rebuild();
	b = table_backends(t);
	ck_assert_uint_eq(table_service(t, 0)->forward, FORWARD_DR);
	ck_assert_uint_eq(table_service(t, 1)->forward, FORWARD_NAT);
	ck_assert_uint_eq(b[index_of(0)].forward, FORWARD_DR);
	ck_assert_uint_eq(b[index_of(1)].forward, FORWARD_DR);
	/* Of a backup pool, and of one that nobody uses. */
	ck_assert_uint_eq(b[index_of(4)].forward, FORWARD_DR);
	ck_assert_uint_eq(b[index_of(6)].forward, FORWARD_NAT);
}
END_TEST

START_TEST(port_is_the_checks_the_members_or_the_services)
{
	const struct check with = { .port = 7 }, without = { .port = 0 };

	ck_assert_uint_eq(table_check_port(t, index_of(0), &with), 7);
	ck_assert_uint_eq(table_check_port(t, index_of(0), &without), 81);
	ck_assert_uint_eq(table_check_port(t, index_of(1), &without), 80);
	ck_assert_uint_eq(table_check_port(t, index_of(5), &without), 80);
	ck_assert_uint_eq(table_check_port(t, index_of(6), &without), 0);
	ck_assert_uint_eq(table_check_port(t, index_of(6), &with), 7);
}
END_TEST

START_TEST(service_has_a_group_of_its_backup)
{
	const struct table_service *web = table_service(t, 0);
	struct sched_group own = table_sched_group(t, scratch, NULL, web,
	    &web->group[TABLE_V4]);
	struct sched_group backup = table_sched_group(t, scratch, NULL, web,
	    &web->backup[TABLE_V4]);

	ck_assert_uint_eq(web->pool, 0);
	ck_assert_uint_eq(own.count, 3);
	ck_assert_uint_eq(backup.count, 2);
	ck_assert_uint_eq(backup.members[0].slot, 4);
	ck_assert(backup.maglev_size > 0);
	ck_assert_ptr_ne(own.maglev, backup.maglev);
	ck_assert_ptr_ne(own.state, backup.state);
	for (uint32_t i = 0; i < backup.maglev_size; i++)
		ck_assert_uint_lt(backup.maglev[i], 2);
	ck_assert_uint_eq(web->backup[TABLE_V6].nmembers, 0);
	ck_assert_uint_eq(table_service(t, 1)->pool, 3);
	ck_assert_uint_eq(table_service(t, 1)->backup[TABLE_V4].nmembers, 0);
}
END_TEST

START_TEST(head_says_who_is_looked_for)
{
	const struct addr call = address("ff05::1");

	ck_assert(t->failover);
	ck_assert_uint_eq(t->discover.ncalls, 2);
	ck_assert(addr_equal(&t->discover.call[1], &call));
	ck_assert_uint_eq(t->discover.pool, 3);
	ck_assert_uint_eq(t->discover.max, PLACES);
	ck_assert_uint_eq(t->discover.interval_ms, 3000);
	ck_assert_uint_eq(t->discover.timeout_ms, 300);
	ck_assert_uint_eq(t->discover.port, 8080);
	ck_assert_uint_eq(t->nnetworks, 2);
	ck_assert_uint_eq(table_networks(t)[1].bits, 64);
	conf->failover.enabled = false;
	rebuild();
	ck_assert(!t->failover);
	ck_assert_uint_eq(t->discover.ncalls, 0);
}
END_TEST

static struct conf_backend *
place(uint32_t i)
{
	return &conf->pools[3].backends[i];
}

START_TEST(place_is_a_member_while_it_is_taken)
{
	struct conf_backend *b = place(2);

	b->addr = address("10.0.0.77");
	b->absent = false;
	rebuild();
	ck_assert(table_backends(t)[index_of(9)].discovered);
	ck_assert_uint_eq(table_backends(t)[index_of(9)].nchecks, 1);
	ck_assert_uint_eq(table_backends(t)[index_of(9)].vip,
	    id_of("192.0.2.2"));
	ck_assert_uint_eq(table_pool(t, 3)->family[TABLE_V4].nmembers, 1);
	ck_assert_uint_eq(table_service(t, 1)->group[TABLE_V4].nmembers, 1);
	ck_assert_uint_eq(table_backends(t)[index_of(27)].pool, 4);
	/* Gone: its flows are still known by the address. */
	b->absent = true;
	rebuild();
	ck_assert_ptr_null(table_find_member(t, 9));
	ck_assert_uint_eq(table_addr_by_id(t, id_of("10.0.0.77"))->flags,
	    TABLE_SERVER);
	ck_assert_ptr_null(table_find_addr(t, &nobody));
}
END_TEST

/* Any host of both families, some of them known otherwise. */
static struct addr
random_host(uint32_t i)
{
	static const char *const known[] = { "10.0.0.1", "10.0.1.53",
		"fd00::1" };
	char written[ADDR_STRLEN];

	if (random() % 8 == 0)
		return address(known[random() % 3]);
	/* No two places have the same. */
	snprintf(written, sizeof(written), "%s%lx",
	    random() % 2 == 0 ? "fd00::" : "fd00::1:",
	    32 * (1 + random() % 6) + i);
	if (random() % 2 == 0)
		snprintf(written, sizeof(written), "10.0.3.%ld",
		    32 * (1 + random() % 6) + i);
	return address(written);
}

static void
shuffle(void)
{
	for (uint32_t i = 0; i < PLACES; i++) {
		struct conf_backend *b = place(i);

		if (random() % 3 != 0)
			continue;
		b->addr = random() % 4 == 0 ? nobody : random_host(i);
		b->absent = addr_equal(&b->addr, &nobody) || random() % 3 == 0;
	}
}

/* What workers keep over tables is the same in both. */
static void
check_same(const struct table *a, const struct table *b,
    const struct addr *before)
{
	const struct table_addr *found;

	ck_assert_uint_eq(a->naddrs, b->naddrs);
	ck_assert_uint_eq(a->scratch_size, b->scratch_size);
	for (uint32_t id = 1; id <= a->naddrs - PLACES; id++) {
		const struct table_addr *x = table_addr_by_id(a, id);

		found = table_find_addr(b, &x->addr);
		ck_assert_uint_eq(table_addr_id(b, found), id);
		ck_assert_uint_eq(found->flags & TABLE_VIP,
		    x->flags & TABLE_VIP);
	}
	for (uint32_t i = 0; i < PLACES; i++) {
		const struct addr *now = &conf->pools[3].backends[i].addr;

		if (addr_equal(now, &nobody) || !addr_equal(now, &before[i]))
			continue;
		found = table_find_addr(b, now);
		ck_assert_uint_eq(table_addr_id(b, found),
		    table_addr_id(a, table_find_addr(a, now)));
	}
	for (uint32_t s = 0; s < a->nservices; s++)
		for (uint32_t f = 0; f < TABLE_FAMILIES; f++) {
			ck_assert_uint_eq(table_service(a, s)->group[f].state,
			    table_service(b, s)->group[f].state);
			ck_assert_uint_eq(table_service(a, s)->backup[f].state,
			    table_service(b, s)->backup[f].state);
		}
}

/* Each member is one of the config's backends, and each of those is there. */
static void
check_members(void)
{
	uint32_t slot = 0, count = 0;

	for (uint32_t p = 0; p < conf->npools; p++)
		for (uint32_t i = 0; i < conf->pools[p].nbackends; i++) {
			const struct conf_backend *b =
			    &conf->pools[p].backends[i];
			const struct sched_member *m = table_find_member(t,
			    slot++);

			ck_assert(b->absent == (m == NULL));
			if (m == NULL)
				continue;
			count++;
			ck_assert(addr_equal(&m->addr, &b->addr));
			ck_assert_ptr_eq(table_addr_by_id(t, m->addr_id),
			    table_find_addr(t, &m->addr));
			ck_assert_uint_eq(
			    table_backends(t)[m - table_members(t)].pool, p);
		}
	ck_assert_uint_eq(t->nmembers, count);
}

START_TEST(nothing_moves_while_backends_come_and_go)
{
	struct table *old;
	struct addr before[PLACES];

	for (int round = 0; round < ROUNDS; round++) {
		for (uint32_t i = 0; i < PLACES; i++)
			before[i] = place(i)->addr;
		shuffle();
		old = t;
		t = build();
		check_same(old, t, before);
		check_members();
		free(old);
	}
}
END_TEST

/* Each group's state, as large as it can become, is its own. */
START_TEST(turn_states_have_room_for_all_that_can_be_found)
{
	const struct table_service *hosts = table_service(t, 1);

	ck_assert_uint_ge(hosts->group[TABLE_V6].state,
	    hosts->group[TABLE_V4].state + sched_state_size(PLACES));
	ck_assert_uint_ge(t->scratch_size,
	    hosts->group[TABLE_V6].state + sched_state_size(PLACES));
}
END_TEST

START_TEST(backends_start_as_configured)
{
	struct backend_state *states = aligned_alloc(64,
	    29 * sizeof(struct backend_state));

	memset(states, 0xff, 29 * sizeof(*states));
	table_init_backends(conf, states);
	ck_assert_uint_eq(states[0].weight, 3);
	ck_assert_uint_eq(states[0].max_connections, 7);
	ck_assert_uint_eq(states[0].max_rate, 9);
	for (int i = 0; i < 28; i++) {
		ck_assert_uint_eq(states[i].weight, i == 0 ? 3 : 1);
		ck_assert_uint_eq(states[i].health, HEALTH_UNKNOWN);
		ck_assert_uint_eq(states[i].share, SHARE_FULL);
	}
	ck_assert_uint_eq(states[28].weight, UINT32_MAX);
	free(states);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("table_build");
	TCase *parts = tcase_create("what failover needs");
	TCase *places = tcase_create("what comes and goes");

	seed_random("table_build");
	tcase_add_checked_fixture(parts, setup, teardown);
	tcase_add_checked_fixture(places, setup, teardown);
	tcase_add_test(parts, pools_are_as_configured);
	tcase_add_test(parts, backends_have_their_own_checks_or_the_pools);
	tcase_add_test(parts, backends_have_the_vip_of_their_family);
	tcase_add_test(parts,
	    backends_and_services_have_their_way_of_forwarding);
	tcase_add_test(parts, port_is_the_checks_the_members_or_the_services);
	tcase_add_test(parts, service_has_a_group_of_its_backup);
	tcase_add_test(parts, head_says_who_is_looked_for);
	tcase_add_test(parts, backends_start_as_configured);
	tcase_add_test(places, place_is_a_member_while_it_is_taken);
	tcase_add_test(places, nothing_moves_while_backends_come_and_go);
	tcase_add_test(places, turn_states_have_room_for_all_that_can_be_found);
	tcase_set_timeout(places, 60);
	suite_add_tcase(suite, parts);
	suite_add_tcase(suite, places);
	return run_suite(suite);
}
