/*
 * health.c - the records of the backends: a sequence lock, and copies word by
 * word.  Pure; written by the failover thread, read by anyone.
 *
 * Each word is stored with release and loaded with acquire: who has seen one
 * word of a write then sees its odd version, too.  That needs no fences, which
 * thread sanitizers don't understand, and costs nothing on x86.
 */
#include "loaded/health.h"

#include <assert.h>
#include <sched.h>
#include <stddef.h>

#define READ_TRIES 1000

typedef uint32_t __attribute__((may_alias)) word;

#define WORDS (sizeof(struct health_record) / sizeof(word))

static_assert(sizeof(struct health_record) % sizeof(word) == 0, "whole words");
static_assert(offsetof(struct health, record) % sizeof(word) == 0, "aligned");

/* A writer that died in the middle left an odd version: it is kept odd. */
void
health_write(struct health *h, const struct health_record *record)
{
	const word *from = (const word *)record;
	word *to = (word *)&h->record;
	const uint32_t busy =
	    atomic_load_explicit(&h->version, memory_order_relaxed) | 1U;

	atomic_store_explicit(&h->version, busy, memory_order_relaxed);
	for (size_t i = 0; i < WORDS; i++)
		__atomic_store_n(&to[i], from[i], __ATOMIC_RELEASE);
	atomic_store_explicit(&h->version, busy + 1, memory_order_release);
}

static bool
try_read(const struct health *h, struct health_record *out)
{
	const uint32_t before = atomic_load_explicit(&h->version,
	    memory_order_acquire);
	const word *from = (const word *)&h->record;
	word *to = (word *)out;

	if (before & 1)
		return false;
	for (size_t i = 0; i < WORDS; i++)
		to[i] = __atomic_load_n(&from[i], __ATOMIC_ACQUIRE);
	return atomic_load_explicit(&h->version, memory_order_relaxed) ==
	    before;
}

bool
health_read(const struct health *h, struct health_record *out)
{
	for (unsigned int tries = 0; tries < READ_TRIES; tries++) {
		if (try_read(h, out))
			return true;
		sched_yield();
	}
	return false;
}
