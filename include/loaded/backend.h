/*
 * backend.h - the runtime facts of one backend, in the shared segment, found
 * by its slot.  Admin, health and weight are three things, never mixed; each
 * field has one kind of writer, and all are atomic.
 */
#ifndef LOADED_BACKEND_H
#define LOADED_BACKEND_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define BACKEND_SLOTS 16384

enum backend_admin { ADMIN_READY, ADMIN_DRAIN, ADMIN_MAINT };
enum backend_health { HEALTH_UNKNOWN, HEALTH_UP, HEALTH_DOWN };

struct backend_state {
	alignas(64) _Atomic uint32_t active; /* flows not closed; workers */
	_Atomic uint32_t weight; /* 0-65535, 0: no new flows; operator */
	_Atomic uint8_t admin;   /* enum backend_admin; operator */
	_Atomic uint8_t health;  /* enum backend_health; failover */
	_Atomic uint32_t max_connections; /* 0: no limit; operator */
	_Atomic uint32_t max_rate;        /* new flows a second, 0: no limit */
	_Atomic uint64_t rate_ns;         /* see rate.h; workers */
	_Atomic uint64_t flows;           /* ever; workers */
	_Atomic uint32_t share;      /* of the weight, see share.h; failover */
	_Atomic uint32_t agent_max;  /* as max_connections; failover */
	_Atomic uint8_t agent_admin; /* enum backend_admin; failover */
	_Atomic uint32_t suspect;    /* SYNs unanswered or reset; workers */
};

/* A backend ready for flows, of which nobody knows more than its config. */
void backend_init(struct backend_state *b, uint32_t weight,
    uint32_t max_connections, uint32_t max_rate);

/*
 * May it get new flows, as far as admin, health, weight and limits go?
 * panic: whatever its health.
 */
bool backend_usable(const struct backend_state *b, bool panic, uint64_t now_ns);

/* Is it gone for its live flows too: down (unless panic), or in maint? */
bool backend_is_lost(const struct backend_state *b, bool panic);

/* The operator's word and the agent's: the stricter one. */
enum backend_admin backend_admin(const struct backend_state *b);

/* "ready", "up"; "invalid" for what no memory shared with others may hold. */
const char *backend_admin_name(enum backend_admin admin);
const char *backend_health_name(enum backend_health health);

/* weight times share: to be compared with that of others, nothing else. */
uint32_t backend_weight(const struct backend_state *b);

/*
 * Counts one new flow against the limits: true, and active and flows are one
 * more, or false and nothing has changed.  Does not look at admin or health.
 */
bool backend_take(struct backend_state *b, uint64_t now_ns);

/* One flow less; not below 0. */
void backend_release(struct backend_state *b);

#endif
