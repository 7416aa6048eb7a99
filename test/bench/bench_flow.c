/*
 * bench_flow.c - nanoseconds that a look-up in a large flow table takes, as
 * the workers do it: in batches, each flow found and touched under its lock.
 *
 * Usage: bench_flow [flows].  Every run looks the same flows up in the same
 * random order; they differ in what is fetched for the batch beforehand.  The
 * best of several runs is printed: what is above it is other people's load.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "loaded/flow.h"

#define BATCH 64
#define ROUNDS 12
#define FLOWS 1000000
#define TIMEOUT 1000

enum fetch { FETCH_NOTHING, FETCH_INDEX, FETCH_ENTRY, FETCHES };

static void
ignore(void *arg, const struct flow *f)
{
	(void)arg;
	(void)f;
}

static uint64_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static uint32_t
next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return (uint32_t)(*state >> 32);
}

/* The i-th flow's key; every second packet comes from a backend. */
static struct flow_key
key_of(uint32_t i, enum flow_dir dir)
{
	struct flow_key key = { .proto = 6, .dir = (uint8_t)dir };

	memset(&key.client.b[10], 0xff, 2);
	memcpy(&key.client.b[12], &i, sizeof(i));
	key.client_port_be = (uint16_t)(i * 7);
	key.peer = dir == FLOW_FROM_CLIENT ? 1 : 2 + i % 8;
	key.peer_port_be = 80;
	return key;
}

static void
fill(struct flow_table *t, uint32_t flows)
{
	for (uint32_t i = 0; i < flows; i++) {
		const struct flow_key key = key_of(i, FLOW_FROM_CLIENT);
		const struct flow_hash h = flow_hash(t, &key);
		const struct flow new = {
			.client = key.client,
			.client_port_be = key.client_port_be,
			.vip = key.peer,
			.vip_port_be = key.peer_port_be,
			.server = 2 + i % 8,
			.server_port_be = 80,
			.proto = key.proto,
			.class = FLOW_ESTABLISHED,
			.timeout = TIMEOUT,
		};

		flow_lock(t, &h);
		if (flow_insert(t, &h, &new, 0) != FLOW_INSERTED)
			fprintf(stderr, "flow %" PRIu32 " found no room\n", i);
		flow_unlock(t, &h);
	}
}

static uint32_t
batch(struct flow_table *t, const struct flow_key *keys, enum fetch fetch)
{
	struct flow_hash hashes[BATCH];
	uint32_t found = 0;

	for (int i = 0; i < BATCH; i++) {
		hashes[i] = flow_hash(t, &keys[i]);
		if (fetch != FETCH_NOTHING)
			flow_prefetch(t, &hashes[i]);
	}
	for (int i = 0; fetch == FETCH_ENTRY && i < BATCH; i++)
		flow_prefetch_entry(t, &hashes[i]);
	for (int i = 0; i < BATCH; i++) {
		struct flow *f;

		flow_lock(t, &hashes[i]);
		f = flow_find(t, &hashes[i], &keys[i], 1);
		if (f != NULL) {
			flow_touch(t, &hashes[i], f, FLOW_ESTABLISHED, TIMEOUT,
			    1);
			found++;
		}
		flow_unlock(t, &hashes[i]);
	}
	return found;
}

/* Nanoseconds a look-up; keys are made outside of the time measured. */
static double
run(struct flow_table *t, uint32_t flows, enum fetch fetch)
{
	const uint32_t batches = flows / BATCH;
	uint64_t seed = 88172645463325252U, spent = 0, found = 0;
	struct flow_key keys[BATCH];

	for (uint32_t b = 0; b < batches; b++) {
		uint64_t start;

		for (int i = 0; i < BATCH; i++)
			keys[i] = key_of(next_random(&seed) % flows, i % 2);
		start = now_ns();
		found += batch(t, keys, fetch);
		spent += now_ns() - start;
	}
	if (found != (uint64_t)batches * BATCH)
		fprintf(stderr, "only %" PRIu64 " were found\n", found);
	return (double)spent / (double)found;
}

static void
compare(struct flow_table *t, uint32_t flows)
{
	static const char *const names[FETCHES] = { "nothing", "index",
		"index, then entry" };
	double best[FETCHES] = { 0 };

	for (int r = 0; r < ROUNDS; r++) {
		for (int f = 0; f < FETCHES; f++) {
			const double ns = run(t, flows, (enum fetch)f);

			if (r == 0 || ns < best[f])
				best[f] = ns;
		}
	}
	for (int f = 0; f < FETCHES; f++)
		printf("prefetch %-18s %6.1f ns a look-up\n", names[f],
		    best[f]);
}

int
main(int argc, char **argv)
{
	static const uint8_t key[SIPHASH_KEY_LEN] = "0123456789abcde";
	const uint32_t flows = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) :
					  FLOWS;
	const size_t size = flow_size(flows);
	struct flow_table t;
	void *mem;

	mem = mmap(NULL, size, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (mem == MAP_FAILED) {
		perror("mmap");
		return 1;
	}
	flow_format(mem, flows, key);
	flow_attach(&t, mem, ignore, NULL);
	fill(&t, flows);
	printf("%" PRIu32 " flows, %.1f bytes each\n", flows,
	    (double)size / flows);
	compare(&t, flows);
	munmap(mem, size);
	return 0;
}
