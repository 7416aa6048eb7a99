/*
 * maglev.c - builds the Maglev look-up table.  Pure; called where the config
 * is turned into a table.  Each member walks its own permutation of the table
 * and takes the next free entry when it is its turn.  The heaviest is due in
 * every round, one of weight w in w of as many rounds as the largest weight.
 */
#include "loaded/maglev.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct walker {
	struct walker *next; /* in the same round */
	uint64_t rank;
	uint32_t member;
	uint32_t weight;
	uint32_t pos, skip; /* the permutation, section 3.4 */
	uint32_t taken;
};

struct fill {
	struct walker *walkers; /* owned */
	struct walker **rounds; /* owned: [size], who is due in which */
	uint32_t nwalkers;
	uint32_t max_weight;
};

uint32_t
maglev_size(uint32_t count)
{
	static const uint32_t primes[] = {
		65537,
		131101,
		262147,
		524309,
		1048583,
		1638431,
	};
	const size_t last = sizeof(primes) / sizeof(primes[0]) - 1;
	size_t i = 0;

	if (count == 0)
		return 0;
	while (i < last && primes[i] / 100 < count)
		i++;
	return primes[i];
}

static uint64_t
identity(const struct sched_member *m, const uint8_t *key, uint8_t purpose)
{
	uint8_t data[sizeof(m->addr.b) + sizeof(m->port_be) + 1];

	memcpy(data, m->addr.b, sizeof(m->addr.b));
	memcpy(data + sizeof(m->addr.b), &m->port_be, sizeof(m->port_be));
	data[sizeof(data) - 1] = purpose;
	return siphash24(key, data, sizeof(data));
}

static void
add_walker(struct fill *f, uint32_t size, const struct sched_member *members,
    uint32_t member, const uint8_t *key)
{
	const struct sched_member *m = &members[member];
	struct walker *w = &f->walkers[f->nwalkers++];

	w->rank = identity(m, key, 0);
	w->member = member;
	w->weight = m->weight;
	w->pos = (uint32_t)(w->rank % size);
	w->skip = (uint32_t)(identity(m, key, 1) % (size - 1)) + 1;
	if (w->weight > f->max_weight)
		f->max_weight = w->weight;
}

/* The last two comparisons are for a backend that is listed twice. */
static int
compare_rank(const void *left, const void *right)
{
	const struct walker *a = left, *b = right;

	if (a->rank != b->rank)
		return a->rank < b->rank ? -1 : 1;
	if (a->weight != b->weight)
		return a->weight < b->weight ? -1 : 1;
	return a->member < b->member ? -1 : 1;
}

/* Due in the first round that has earned it: round x weight >= taken x max. */
static void
schedule(struct fill *f, struct walker *w, uint32_t size)
{
	const uint64_t cost = (uint64_t)w->taken * f->max_weight;
	const uint64_t round = (cost + w->weight - 1) / w->weight;

	if (round >= size)
		return; /* the table is full by then */
	w->next = f->rounds[round];
	f->rounds[round] = w;
}

static void
take_entry(struct walker *w, uint16_t *table, uint32_t size)
{
	while (table[w->pos] != UINT16_MAX) {
		w->pos += w->skip;
		if (w->pos >= size)
			w->pos -= size;
	}
	table[w->pos] = (uint16_t)w->member;
	w->taken++;
}

static void
fill_table(struct fill *f, uint16_t *table, uint32_t size)
{
	uint32_t left = size;

	for (uint32_t i = f->nwalkers; i > 0; i--)
		schedule(f, &f->walkers[i - 1], size);
	for (uint32_t round = 0; left > 0; round++) {
		struct walker *w = f->rounds[round];

		while (w != NULL && left > 0) {
			struct walker *next = w->next;

			take_entry(w, table, size);
			left--;
			schedule(f, w, size);
			w = next;
		}
	}
}

int
maglev_build(uint16_t *table, uint32_t size, const struct sched_member *members,
    uint32_t count, const uint8_t key[static SIPHASH_KEY_LEN])
{
	struct fill f = { .nwalkers = 0 };
	int error = -ENOMEM;

	for (uint32_t i = 0; i < size; i++)
		table[i] = UINT16_MAX;
	f.walkers = calloc((size_t)count + 1, sizeof(*f.walkers));
	f.rounds = calloc((size_t)size + 1, sizeof(*f.rounds));
	if (f.walkers == NULL || f.rounds == NULL)
		goto out;
	for (uint32_t i = 0; i < count; i++) {
		if (members[i].weight != 0)
			add_walker(&f, size, members, i, key);
	}
	if (f.nwalkers != 0) {
		qsort(f.walkers, f.nwalkers, sizeof(*f.walkers), compare_rank);
		fill_table(&f, table, size);
	}
	error = 0;
out:
	free(f.walkers);
	free(f.rounds);
	return error;
}
