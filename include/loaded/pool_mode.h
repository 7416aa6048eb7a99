/*
 * pool_mode.h - who serves for a pool when its backends go down: itself, its
 * backup pool, or in a panic everyone.  Pure; the failover thread asks for
 * each family of each pool after a backend has changed.
 */
#ifndef LOADED_POOL_MODE_H
#define LOADED_POOL_MODE_H

#include <stdbool.h>
#include <stdint.h>

enum pool_mode {
	POOL_NORMAL,
	POOL_BACKUP, /* new flows go to the backup pool */
	POOL_PANIC,  /* health is not looked at */
};

struct pool_mode_conf {
	uint32_t quorum;     /* backends that must be up; 0: no quorum */
	uint32_t hysteresis; /* < quorum, or 0 */
	bool backup;         /* it has a backup pool */
	bool panic_all;
};

struct pool_counts {
	uint32_t total, up; /* a backend of unknown health counts as up */
	uint32_t backup_up;
};

/*
 * The mode now.  *lost is kept between calls, false at first: the quorum is
 * lost below quorum - hysteresis and is back at quorum + hysteresis, or when
 * all are up; too few for it are too few, also when they are all.  Without a
 * quorum it is lost when none is up.
 *
 *	quorum held                          normal
 *	lost, the backup pool has one up     backup
 *	none up, here or there, panic all    panic
 *	else, or nobody here at all          normal
 */
enum pool_mode pool_mode_next(bool *lost, const struct pool_mode_conf *conf,
    const struct pool_counts *counts);

/* "normal", "backup", "panic"; "invalid" for any other. */
const char *pool_mode_name(enum pool_mode mode);

#endif
