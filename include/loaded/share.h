/*
 * share.h - how much of its weight a backend gets: less while it starts
 * slowly, less or more when its agent says so.  Pure.
 */
#ifndef LOADED_SHARE_H
#define LOADED_SHARE_H

#include <stdint.h>

#define SHARE_FULL 1024U    /* the weight, as it is */
#define SHARE_PERCENT 1000U /* the most an agent can ask for */
#define SHARE_MAX (SHARE_FULL * SHARE_PERCENT / 100)

/*
 * percent: the agent's, 0-SHARE_PERCENT, 100 without one.  A backend that came
 * up elapsed_ms ago ramps from a sixteenth to all over ramp_ms (0: no ramp).
 * 0 only if percent is 0; at most SHARE_MAX.
 */
uint32_t share_now(uint32_t percent, uint64_t elapsed_ms, uint32_t ramp_ms);

#endif
