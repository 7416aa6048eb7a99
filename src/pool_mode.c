/*
 * pool_mode.c - quorum, backup and panic of one family of a pool.  Pure;
 * called by the failover thread.  What it says depends on nothing but the
 * counts and whether the quorum was lost before.
 */
#include "loaded/pool_mode.h"

/* Between the two thresholds all stays as it is. */
static bool
is_lost(bool lost, const struct pool_mode_conf *conf,
    const struct pool_counts *counts)
{
	const uint64_t back = (uint64_t)conf->quorum + conf->hysteresis;

	if (conf->quorum == 0)
		return counts->up == 0;
	if ((uint64_t)counts->up + conf->hysteresis < conf->quorum)
		return true;
	return lost && counts->up < back && counts->up < counts->total;
}

enum pool_mode
pool_mode_next(bool *lost, const struct pool_mode_conf *conf,
    const struct pool_counts *counts)
{
	*lost = is_lost(*lost, conf, counts);
	if (!*lost)
		return POOL_NORMAL;
	if (conf->backup && counts->backup_up > 0)
		return POOL_BACKUP;
	if (conf->panic_all && counts->up == 0 && counts->total > 0)
		return POOL_PANIC;
	return POOL_NORMAL;
}

const char *
pool_mode_name(enum pool_mode mode)
{
	switch (mode) {
	case POOL_NORMAL:
		return "normal";
	case POOL_BACKUP:
		return "backup";
	case POOL_PANIC:
		return "panic";
	}
	return "invalid";
}
