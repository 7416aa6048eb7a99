/*
 * clock.c - the one reader of the clock, so that all else can be given time.
 */
#include "loaded/clock.h"

#include <time.h>

uint64_t
clock_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * UINT64_C(1000000000) +
	    (uint64_t)now.tv_nsec;
}
