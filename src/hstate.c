/*
 * hstate.c - up or down, from a row of results; see hstate.h.  Pure; called by
 * the failover thread.  The verdict after the first result is never unknown.
 */
#include "loaded/hstate.h"

#include <errno.h>

int
hstate_init(struct hstate *hs, const struct hstate_conf *conf)
{
	*hs = (struct hstate){ .conf = *conf, .verdict = HSTATE_UNKNOWN };
	if (conf->rise == 0 || conf->fall == 0 ||
	    conf->window > HSTATE_WINDOW || conf->need > conf->window ||
	    (conf->window > 0 && conf->need == 0))
		return -EINVAL;
	return 0;
}

void
hstate_restore(struct hstate *hs, enum hstate_verdict verdict)
{
	hs->verdict = verdict;
	hs->streak = 0;
	hs->last_ok = false;
	hs->history = verdict == HSTATE_UP ? UINT64_MAX : 0;
}

static void
remember(struct hstate *hs, bool ok)
{
	if (ok != hs->last_ok)
		hs->streak = 0;
	hs->last_ok = ok;
	if (hs->streak < UINT16_MAX)
		hs->streak++;
	if (hs->verdict == HSTATE_UNKNOWN)
		hs->history = ok ? UINT64_MAX : 0;
	hs->history = hs->history << 1 | ok;
}

static enum hstate_verdict
judge_window(const struct hstate *hs)
{
	const uint64_t seen = hs->history << (HSTATE_WINDOW - hs->conf.window);

	return __builtin_popcountll(seen) >= hs->conf.need ? HSTATE_UP :
							     HSTATE_DOWN;
}

static enum hstate_verdict
judge(const struct hstate *hs)
{
	const uint8_t enough = hs->last_ok ? hs->conf.rise : hs->conf.fall;

	if (hs->conf.window > 0)
		return judge_window(hs);
	if (hs->verdict != HSTATE_UNKNOWN && hs->streak < enough)
		return hs->verdict;
	return hs->last_ok ? HSTATE_UP : HSTATE_DOWN;
}

bool
hstate_feed(struct hstate *hs, bool ok)
{
	const enum hstate_verdict before = hs->verdict;

	remember(hs, ok);
	hs->verdict = judge(hs);
	return hs->verdict != before;
}

bool
hstate_is_changing(const struct hstate *hs)
{
	if (hs->verdict == HSTATE_UNKNOWN)
		return true;
	return hs->streak > 0 && hs->last_ok != (hs->verdict == HSTATE_UP);
}

enum hstate_verdict
hstate_combine(const enum hstate_verdict *verdicts, size_t count,
    enum check_policy policy)
{
	const enum hstate_verdict strong = policy == CHECKS_ALL ? HSTATE_DOWN :
								  HSTATE_UP;
	bool unknown = count == 0;

	for (size_t i = 0; i < count; i++) {
		if (verdicts[i] == strong)
			return strong;
		if (verdicts[i] == HSTATE_UNKNOWN)
			unknown = true;
	}
	if (unknown)
		return HSTATE_UNKNOWN;
	return strong == HSTATE_DOWN ? HSTATE_UP : HSTATE_DOWN;
}
