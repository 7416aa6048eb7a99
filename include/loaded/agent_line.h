/*
 * agent_line.h - what a backend's agent says of itself: the text of HAProxy's
 * agent-check (its configuration manual, "agent-check").  Pure.
 *
 *	75% | up | down | stopped | fail | ready | drain | maint | maxconn:N
 *
 * in any number and order, separated by spaces, tabs or commas, up to the end
 * of the line.  A text behind # after down, stopped or fail is the reason.
 */
#ifndef LOADED_AGENT_LINE_H
#define LOADED_AGENT_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loaded/backend.h"

#define AGENT_LINE_MAX 1024
#define AGENT_REASON_LEN 96

/* What is not said stays as it was. */
struct agent_line {
	bool has_percent, has_max, has_admin, has_health;
	uint32_t percent;         /* of the weight, 0-1000 (SHARE_PERCENT) */
	uint32_t max_connections; /* 0: no limit */
	enum backend_admin admin;
	bool up;
	char reason[AGENT_REASON_LEN]; /* printable; "" without one */
};

enum agent_line_result {
	AGENT_LINE_OK,
	AGENT_LINE_EMPTY,
	AGENT_LINE_BAD_WORD,   /* and the word is in reason */
	AGENT_LINE_BAD_NUMBER, /* so it is here */
};

/*
 * Of the first line of text (not terminated).  *out is set in any case; of a
 * line with something bad in it nothing counts.
 */
enum agent_line_result agent_line_parse(struct agent_line *out,
    const void *text, size_t len);

#endif
