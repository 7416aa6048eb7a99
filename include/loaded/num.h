/*
 * num.h - strict parsing of numbers, durations and lists of cores: the whole
 * text must fit, nothing is guessed, nothing wraps.
 */
#ifndef LOADED_NUM_H
#define LOADED_NUM_H

#include <stddef.h>
#include <stdint.h>

/* Decimal digits only.  0, -EINVAL (not a number) or -ERANGE. */
int num_parse(uint64_t *out, const char *text, uint64_t min, uint64_t max);

#define NUM_DURATION_MAX_MS (49U * 24 * 60 * 60 * 1000) /* fits 32 bits */

/*
 * A number and its unit: ms, s, m, h or d ("500ms", "15m").  The result is in
 * milliseconds.  0, -EINVAL (no number or no unit) or -ERANGE (over 49 days).
 */
int num_parse_duration(uint32_t *out_ms, const char *text);

/*
 * "0-1,3": numbers and ascending ranges, each below 1024, none twice.  Writes
 * at most max of them, in the order given.  The count (> 0), -EINVAL, or
 * -ERANGE when there are more than max.
 */
int num_parse_list(uint16_t *out, size_t max, const char *text);

#endif
