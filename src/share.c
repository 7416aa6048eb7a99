/*
 * share.c - the part of its weight that a backend gets now.  Pure; called by
 * the failover thread.
 */
#include "loaded/share.h"

#define SHARE_FIRST (SHARE_FULL / 16)

static uint64_t
ramp(uint64_t elapsed_ms, uint32_t ramp_ms)
{
	if (elapsed_ms >= ramp_ms)
		return SHARE_FULL;
	return SHARE_FIRST + (SHARE_FULL - SHARE_FIRST) * elapsed_ms / ramp_ms;
}

uint32_t
share_now(uint32_t percent, uint64_t elapsed_ms, uint32_t ramp_ms)
{
	uint32_t share;

	if (percent == 0)
		return 0;
	if (percent > SHARE_PERCENT)
		percent = SHARE_PERCENT;
	share = (uint32_t)(ramp(elapsed_ms, ramp_ms) * percent / 100);
	return share > 0 ? share : 1;
}
