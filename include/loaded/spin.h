/*
 * spin.h - a lock for sections of some dozen instructions, usable in memory
 * that processes share.  Never held across a system call.  0 is unlocked, so
 * zeroed memory is ready and a supervisor frees a dead child's locks by
 * writing 0.
 */
#ifndef LOADED_SPIN_H
#define LOADED_SPIN_H

#include <stdatomic.h>
#include <stdint.h>

struct spin {
	_Atomic uint32_t held;
};

void spin_wait(struct spin *lock);

static inline void
spin_lock(struct spin *lock)
{
	if (atomic_exchange_explicit(&lock->held, 1, memory_order_acquire))
		spin_wait(lock);
}

/* True when the lock was taken. */
static inline _Bool
spin_try(struct spin *lock)
{
	return !atomic_exchange_explicit(&lock->held, 1, memory_order_acquire);
}

static inline void
spin_unlock(struct spin *lock)
{
	atomic_store_explicit(&lock->held, 0, memory_order_release);
}

#endif
