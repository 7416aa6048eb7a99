/*
 * route.c - keeps the kernel's policy routes equal to the list of backends.
 * Run by the supervisor.  What was installed is remembered, so that only the
 * difference is sent; each request may be sent twice without harm.
 */
#include "loaded/route.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "loaded/backend.h"
#include "loaded/route_io.h"

/* The list of rules is read again until it has none of ours. */
#define CLEAR_ROUNDS 4
/* In place of a backend's index in a request's number; plus 1 for IPv4. */
#define SEQ_FRAME (UINT32_MAX - 2)
#define SEQ_OTHER UINT32_MAX

/* missing: requests that the kernel has not confirmed. */
struct route_entry {
	struct route_backend backend;
	uint8_t missing;
};

struct route_frame {
	bool used;
	uint8_t missing;
};

struct routes {
	struct route_io io;
	struct route_msgs msgs;      /* to be sent */
	struct route_entry *entries; /* owned; sorted by slot */
	uint32_t count;
	struct route_frame frames[2]; /* IPv6, IPv4 */
};

/* What the wanted list needs besides its backends; [0] IPv6, [1] IPv4. */
struct needs {
	bool family[2];
	bool group[2][ROUTE_GROUPS];
};

struct routes *
routes_open(int *error)
{
	struct routes *r = calloc(1, sizeof(*r));

	*error = r == NULL ? -ENOMEM : route_io_open(&r->io);
	if (*error == 0)
		return r;
	free(r);
	return NULL;
}

void
routes_close(struct routes *r)
{
	if (r == NULL)
		return;
	route_io_close(&r->io);
	free(r->entries);
	free(r);
}

static void
note_done(void *arg, uint32_t seq)
{
	struct routes *r = arg;
	uint8_t *missing = NULL;

	if (seq == SEQ_FRAME || seq == SEQ_FRAME + 1)
		missing = &r->frames[seq - SEQ_FRAME].missing;
	else if (seq < r->count)
		missing = &r->entries[seq].missing;
	if (missing != NULL && *missing > 0)
		(*missing)--;
}

static void
send_requests(struct routes *r)
{
	route_io_send(&r->io, &r->msgs, note_done, r);
	route_msgs_fini(&r->msgs);
}

/* Of backends, or of entries: each begins with its backend. */
static int
compare_slot(const void *key, const void *element)
{
	const struct route_backend *a = key, *b = element;

	return (a->slot > b->slot) - (a->slot < b->slot);
}

_Static_assert(offsetof(struct route_entry, backend) == 0, "compare_slot");

static const void *
find_slot(const struct route_backend *b, const void *list, uint32_t count,
    size_t size)
{
	return count == 0 ? NULL : bsearch(b, list, count, size, compare_slot);
}

static bool
is_sorted(const struct route_backend *list, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (list[i].slot >= BACKEND_SLOTS ||
		    (i > 0 && list[i].slot <= list[i - 1].slot))
			return false;
	return true;
}

static struct needs
needs_of(const struct route_backend *wanted, uint32_t count)
{
	struct needs needs = { 0 };

	for (uint32_t i = 0; i < count; i++) {
		const bool v4 = addr_is_v4(&wanted[i].addr);

		needs.family[v4] = true;
		needs.group[v4][route_group(wanted[i].slot)] = true;
	}
	return needs;
}

static void
sync_frames(struct routes *r, const struct needs *needs)
{
	for (uint32_t v4 = 0; v4 < 2; v4++) {
		struct route_frame *f = &r->frames[v4];
		const bool used = needs->family[v4];

		if (used && (!f->used || f->missing > 0)) {
			f->missing = ROUTE_MSG_FRAME;
			route_msg_frame(&r->msgs, SEQ_FRAME + v4, v4, true);
		} else if (!used && f->used) {
			route_msg_frame(&r->msgs, SEQ_OTHER, v4, false);
		}
		f->used = used;
	}
}

static bool
is_installed(const struct route_entry *e, const struct route_backend *b)
{
	return e != NULL && e->missing == 0 &&
	    e->backend.ifindex == b->ifindex &&
	    addr_equal(&e->backend.addr, &b->addr);
}

/* A group's rule is sent with the first backend of it that is new. */
static void
add_new(struct routes *r, struct route_entry *next,
    const struct route_backend *wanted, uint32_t count)
{
	struct needs sent = { 0 };

	for (uint32_t i = 0; i < count; i++) {
		const struct route_backend *b = &wanted[i];
		const bool v4 = addr_is_v4(&b->addr);
		bool *group = &sent.group[v4][route_group(b->slot)];

		next[i].backend = *b;
		if (is_installed(find_slot(b, r->entries, r->count,
				     sizeof(*r->entries)),
			b))
			continue;
		next[i].missing = ROUTE_MSG_ADD;
		route_msg_add(&r->msgs, i, b);
		if (*group)
			continue;
		*group = true;
		next[i].missing++;
		route_msg_group(&r->msgs, i, b, true);
	}
}

/* A slot that changed its family has two rules until the old one goes. */
static void
remove_old(struct routes *r, const struct needs *needs,
    const struct route_backend *wanted, uint32_t count)
{
	for (uint32_t i = 0; i < r->count; i++) {
		const struct route_backend *old = &r->entries[i].backend;
		const bool v4 = addr_is_v4(&old->addr);
		const struct route_backend *b = find_slot(old, wanted, count,
		    sizeof(*b));

		if (b != NULL && addr_is_v4(&b->addr) == v4)
			continue;
		route_msg_remove(&r->msgs, SEQ_OTHER, old);
		if (!needs->group[v4][route_group(old->slot)])
			route_msg_group(&r->msgs, SEQ_OTHER, old, false);
	}
}

int
routes_sync(struct routes *r, const struct route_backend *wanted,
    uint32_t count)
{
	struct route_entry *next;
	struct needs needs;

	if (!is_sorted(wanted, count))
		return -EINVAL;
	next = calloc((size_t)count + 1, sizeof(*next));
	if (next == NULL)
		return -ENOMEM;
	r->io.error = 0;
	needs = needs_of(wanted, count);
	sync_frames(r, &needs);
	add_new(r, next, wanted, count);
	remove_old(r, &needs, wanted, count);
	free(r->entries);
	r->entries = next;
	r->count = count;
	send_requests(r);
	return r->io.error;
}

void
routes_forget(struct routes *r)
{
	for (uint32_t i = 0; i < r->count; i++)
		r->entries[i].missing = ROUTE_MSG_ADD;
	for (int v4 = 0; v4 < 2; v4++)
		r->frames[v4].missing = ROUTE_MSG_FRAME;
}

/* True when there was nothing to remove, or it is of no use to go on. */
static bool
clear_round(struct routes *r)
{
	bool none;

	route_io_find(&r->io, &r->msgs, AF_INET);
	route_io_find(&r->io, &r->msgs, AF_INET6);
	none = r->msgs.len == 0;
	send_requests(r);
	return none || r->io.error != 0;
}

int
routes_clear(struct routes *r)
{
	bool clean = false;

	r->io.error = 0;
	for (int i = 0; i < CLEAR_ROUNDS && !clean; i++)
		clean = clear_round(r);
	free(r->entries);
	r->entries = NULL;
	r->count = 0;
	memset(r->frames, 0, sizeof(r->frames));
	return clean ? r->io.error : -EAGAIN;
}
