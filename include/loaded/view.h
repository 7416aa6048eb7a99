/*
 * view.h - a table as the threads of the balancer see it.  One is current; a
 * worker looks for a newer one between two batches, and tells which it uses,
 * so that the old one can go when nobody does.
 */
#ifndef LOADED_VIEW_H
#define LOADED_VIEW_H

#include <stddef.h>

#include "loaded/table.h"

struct view {
	const struct table *table; /* owned mapping, but for the first one */
	void *scratch;             /* owned: turn states of its schedulers */
	struct view *next;         /* owned: an older one */
};

typedef _Atomic(const struct view *) view_slot;

#endif
