/*
 * rate.c - the generic cell rate algorithm on one atomic word.  Pure; called
 * by workers, from any thread.  Times are only added to, never subtracted
 * from, so that a clock that has just started is as good as any.
 */
#include "loaded/rate.h"

#define NS_PER_S UINT64_C(1000000000)

/*
 * When the bucket would be full again after a take; false if there is no
 * token.  The time of a token is rounded up, so that the rate is never passed,
 * and the depth is made of whole tokens, so that a second's worth fits.
 */
static bool
full_again(uint64_t *next, uint64_t full, uint32_t rate, uint64_t now_ns)
{
	const uint64_t token = (NS_PER_S + rate - 1) / rate;

	*next = (full > now_ns ? full : now_ns) + token;
	return *next <= now_ns + token * rate;
}

bool
rate_ready(const _Atomic uint64_t *bucket, uint32_t rate, uint64_t now_ns)
{
	const uint64_t full = atomic_load_explicit(bucket,
	    memory_order_relaxed);
	uint64_t next;

	return full_again(&next, full, rate, now_ns);
}

bool
rate_take(_Atomic uint64_t *bucket, uint32_t rate, uint64_t now_ns)
{
	uint64_t full = atomic_load_explicit(bucket, memory_order_relaxed);
	uint64_t next;

	do {
		if (!full_again(&next, full, rate, now_ns))
			return false;
	} while (!atomic_compare_exchange_weak_explicit(bucket, &full, next,
	    memory_order_relaxed, memory_order_relaxed));
	return true;
}
