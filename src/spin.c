/*
 * spin.c - the slow path of the spin lock.
 *
 * Called by: whoever shares memory under a struct spin.  A holder that lost
 * its core must be able to get it back, so a waiter yields after a while.
 */
#include "loaded/spin.h"

#include <sched.h>

#define SPINS_BEFORE_YIELD 1000

#if defined(__x86_64__) || defined(__i386__)
static inline void
relax(void)
{
	__builtin_ia32_pause();
}
#elif defined(__aarch64__)
static inline void
relax(void)
{
	__asm__ volatile("yield");
}
#else
static inline void
relax(void)
{
}
#endif

/* Reads until the lock looks free: waiting must not pull its line away. */
void
spin_wait(struct spin *lock)
{
	unsigned int spins = 0;

	do {
		while (atomic_load_explicit(&lock->held,
		    memory_order_relaxed)) {
			if (++spins < SPINS_BEFORE_YIELD)
				relax();
			else
				sched_yield();
		}
	} while (!spin_try(lock));
}
