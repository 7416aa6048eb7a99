/*
 * flow_list.c - the lists of a stripe, one for each class, oldest first.
 *
 * Called by: flow*.c, under the stripe's lock.  A packet of a flow does not
 * move it, which would cost two cache lines more; it is marked as touched and
 * goes to the end when it comes up at the head.  So the order is that of
 * coming into the list, and an idle flow may outlive its time, but stays at
 * most one more timeout (flow_find does not find it any more).
 */
#include "loaded/flow_impl.h"

/* One writer, who holds the lock: no read-modify-write is needed. */
void
flow_list_add_count(_Atomic uint16_t *count, int change)
{
	const int old = atomic_load_explicit(count, memory_order_relaxed);

	atomic_store_explicit(count, (uint16_t)(old + change),
	    memory_order_relaxed);
}

void
flow_list_append(const struct flow_part *p, struct flow *f)
{
	struct flow_list *list = &p->stripe->lists[f->class];
	const uint16_t number = flow_number(p, f);

	f->touched = false;
	f->next = 0;
	f->prev = list->tail;
	if (list->tail != 0)
		p->entries[list->tail - 1].next = number;
	else
		list->head = number;
	list->tail = number;
	flow_list_add_count(&list->count, 1);
}

void
flow_list_unlink(const struct flow_part *p, struct flow *f)
{
	struct flow_list *list = &p->stripe->lists[f->class];

	if (f->prev != 0)
		p->entries[f->prev - 1].next = f->next;
	else
		list->head = f->next;
	if (f->next != 0)
		p->entries[f->next - 1].prev = f->prev;
	else
		list->tail = f->prev;
	flow_list_add_count(&list->count, -1);
}

struct flow *
flow_list_oldest(const struct flow_part *p, enum flow_class class, uint32_t now,
    unsigned int *moves)
{
	const struct flow_list *list = &p->stripe->lists[class];

	while (list->head != 0) {
		struct flow *f = &p->entries[list->head - 1];

		if (!f->touched || *moves == 0 || flow_is_late(f, now))
			return f;
		flow_list_unlink(p, f);
		flow_list_append(p, f);
		--*moves;
	}
	return NULL;
}
