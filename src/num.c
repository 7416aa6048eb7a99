/*
 * num.c - strict parsing of numbers; see num.h.  Anyone may call this.  Text
 * is taken whole or refused, and an output is set even when it is refused.
 */
#include "loaded/num.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define LIST_LIMIT 1024

/* The digits at *text, which then points behind them. */
static int
take_digits(uint64_t *out, const char **text)
{
	const char *p = *text;
	uint64_t value = 0;
	int error = *p >= '0' && *p <= '9' ? 0 : -EINVAL;

	for (; *p >= '0' && *p <= '9'; p++) {
		const unsigned int digit = (unsigned int)(*p - '0');

		if (value > (UINT64_MAX - digit) / 10)
			error = -ERANGE;
		else
			value = value * 10 + digit;
	}
	*text = p;
	*out = error == 0 ? value : 0;
	return error;
}

int
num_parse(uint64_t *out, const char *text, uint64_t min, uint64_t max)
{
	const int error = take_digits(out, &text);

	if (*text != '\0' || error == -EINVAL) {
		*out = 0;
		return -EINVAL;
	}
	if (error == 0 && *out >= min && *out <= max)
		return 0;
	*out = 0;
	return -ERANGE;
}

/* Milliseconds of a unit, 0 for an unknown one. */
static uint32_t
unit_ms(const char *unit)
{
	static const struct {
		const char *name;
		uint32_t ms;
	} units[] = {
		{ "ms", 1 },
		{ "s", 1000 },
		{ "m", 60 * 1000 },
		{ "h", 60 * 60 * 1000 },
		{ "d", 24 * 60 * 60 * 1000 },
	};

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(units[i].name, unit) == 0)
			return units[i].ms;
	}
	return 0;
}

int
num_parse_duration(uint32_t *out_ms, const char *text)
{
	uint64_t value;
	const int error = take_digits(&value, &text);
	const uint32_t ms = unit_ms(text);

	*out_ms = 0;
	if (error == -EINVAL || ms == 0)
		return -EINVAL;
	if (error != 0 || value > NUM_DURATION_MAX_MS / ms)
		return -ERANGE;
	*out_ms = (uint32_t)value * ms;
	return 0;
}

/* "3" or "0-2", up to the comma or the end. */
static int
take_range(uint64_t *low, uint64_t *high, const char **text)
{
	if (take_digits(low, text) != 0)
		return -EINVAL;
	*high = *low;
	if (**text == '-') {
		(*text)++;
		if (take_digits(high, text) != 0)
			return -EINVAL;
	}
	if (*low > *high || *high >= LIST_LIMIT ||
	    (**text != ',' && **text != '\0'))
		return -EINVAL;
	return 0;
}

int
num_parse_list(uint16_t *out, size_t max, const char *text)
{
	bool seen[LIST_LIMIT] = { false };
	uint64_t low, high;
	size_t count = 0;

	for (;; text++) {
		if (take_range(&low, &high, &text) != 0)
			return -EINVAL;
		for (; low <= high; low++, count++) {
			if (seen[low])
				return -EINVAL;
			seen[low] = true;
			if (count < max)
				out[count] = (uint16_t)low;
		}
		if (*text == '\0')
			break;
	}
	return count > max ? -ERANGE : (int)count;
}
