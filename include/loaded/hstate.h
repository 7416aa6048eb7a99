/*
 * hstate.h - is one backend up or down, judged from the results of one check.
 * Pure; owned by the failover thread.
 *
 *	          first result, good              fall failures
 *	UNKNOWN ----------------------> UP ------------------------> DOWN
 *	   \       first result, bad       <------------------------   ^
 *	    \                                     rise successes      /
 *	     `-------------------------------------------------------'
 */
#ifndef LOADED_HSTATE_H
#define LOADED_HSTATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loaded/check.h"

#define HSTATE_WINDOW 64

enum hstate_verdict { HSTATE_UNKNOWN, HSTATE_UP, HSTATE_DOWN };

/*
 * window 0: rise successes, resp. fall failures in a row change the verdict.
 * Else up means that of the last window results need were good; what is not
 * there yet counts as the first result did.
 */
struct hstate_conf {
	uint8_t rise, fall;   /* >= 1 */
	uint8_t window, need; /* 1 <= need <= window <= HSTATE_WINDOW, or 0 */
};

struct hstate {
	struct hstate_conf conf;
	enum hstate_verdict verdict;
	uint16_t streak;  /* equal results in a row, up to UINT16_MAX */
	bool last_ok;     /* of streak > 0 */
	uint64_t history; /* window: last result in bit 0, 1 is good */
};

/* 0, or -EINVAL when the configuration could never change the verdict. */
int hstate_init(struct hstate *hs, const struct hstate_conf *conf);

/* As if the verdict had been reached by results; UNKNOWN starts anew. */
void hstate_restore(struct hstate *hs, enum hstate_verdict verdict);

/* True when the verdict changed; telling the world is the caller's job. */
bool hstate_feed(struct hstate *hs, bool ok);

/* Is it unknown, or did the last result speak against it? */
bool hstate_is_changing(const struct hstate *hs);

/*
 * The verdict of several checks.  all: down if one is, up if every one is;
 * any: up if one is, down if every one is; else unknown, as for none.
 */
enum hstate_verdict hstate_combine(const enum hstate_verdict *verdicts,
    size_t count, enum check_policy policy);

#endif
