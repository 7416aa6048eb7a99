/*
 * stats.c - names and sums of the workers' counters.  Read by the supervisor;
 * a table says which counter has which name.
 */
#include "loaded/stats.h"

#include <errno.h>
#include <stdio.h>

struct named_counter {
	const char *name;
	size_t offset;
};

#define COUNTER(field)                                                         \
	{                                                                      \
#field, offsetof(struct stats, field)                          \
	}

static const struct named_counter counters[] = {
	COUNTER(packets),
	COUNTER(bytes),
	COUNTER(batches),
	COUNTER(passed),
	COUNTER(sent),
	COUNTER(dropped),
	COUNTER(refused),
	COUNTER(overruns),
	COUNTER(garbage),
	COUNTER(send_retries),
	COUNTER(expired),
};

#define NCOUNTERS (sizeof(counters) / sizeof(counters[0]))

static const char *const error_names[STATS_ERRORS] = {
	[STATS_ENOENT] = "enoent",
	[STATS_EPERM] = "eperm",
	[STATS_EINVAL] = "einval",
	[STATS_ENOMEM] = "enomem",
	[STATS_OTHER_ERROR] = "other",
};

enum stats_error
stats_error_kind(int error)
{
	switch (error) {
	case ENOENT:
		return STATS_ENOENT;
	case EPERM:
		return STATS_EPERM;
	case EINVAL:
		return STATS_EINVAL;
	case ENOMEM:
	case ENOBUFS:
		return STATS_ENOMEM;
	default:
		return STATS_OTHER_ERROR;
	}
}

static uint64_t
load(const stats_counter *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

static const stats_counter *
counter_at(const struct stats *s, size_t i)
{
	return (const void *)((const uint8_t *)s + counters[i].offset);
}

void
stats_sum(struct stats *sum, const struct stats *one)
{
	size_t i;

	for (i = 0; i < NCOUNTERS; i++)
		stats_add((void *)((uint8_t *)sum + counters[i].offset),
		    load(counter_at(one, i)));
	for (i = 0; i < BALANCE_REASONS; i++)
		stats_add(&sum->reason[i], load(&one->reason[i]));
	for (i = 0; i < STATS_ERRORS; i++)
		stats_add(&sum->error[i], load(&one->error[i]));
}

static size_t
append(char *text, size_t size, size_t used, const char *kind, const char *name,
    uint64_t value)
{
	int len;

	if (value == 0 || used + 1 >= size)
		return used;
	len = snprintf(text + used, size - used, "%s%s%s=%llu",
	    used > 0 ? " " : "", kind, name, (unsigned long long)value);
	if (len < 0 || (size_t)len >= size - used)
		return size - 1;
	return used + (size_t)len;
}

size_t
stats_format(const struct stats *s, char *text, size_t size)
{
	size_t i, used = 0;

	text[0] = '\0';
	for (i = 0; i < NCOUNTERS; i++)
		used = append(text, size, used, "", counters[i].name,
		    load(counter_at(s, i)));
	for (i = 0; i < BALANCE_REASONS; i++)
		used = append(text, size, used, "reason_",
		    balance_reason_name((enum balance_reason)i),
		    load(&s->reason[i]));
	for (i = 0; i < STATS_ERRORS; i++)
		used = append(text, size, used, "error_", error_names[i],
		    load(&s->error[i]));
	return used;
}
