/*
 * supervisor_impl.h - the inside of the supervisor; included by
 * src/supervisor*.c and nobody else.
 */
#ifndef LOADED_SUPERVISOR_IMPL_H
#define LOADED_SUPERVISOR_IMPL_H

#include <ev.h>
#include <stdbool.h>
#include <sys/types.h>

#include "loaded/exec_check.h"
#include "loaded/health.h"
#include "loaded/message.h"
#include "loaded/report.h"
#include "loaded/sandbox.h"
#include "loaded/segment.h"
#include "loaded/supervisor.h"
#include "loaded/table.h"

/* Of a pair of descriptors made by message_pair(). */
enum channel_end { END_SUPERVISOR, END_CHILD };

struct child {
	const char *name;
	pid_t pid;           /* 0: none */
	int control;         /* channel to it; -1: none */
	struct pulse *pulse; /* of it, or of a thread of it; shared */
	uint64_t started_ns, complained_ns;
};

struct supervisor {
	struct conf *conf; /* borrowed; places of discovered backends change */
	struct sandbox sandbox;
	struct segment segment;
	const struct table *table; /* mapping, read-only */
	int table_fd;
	uint32_t generation; /* of the last table */
	uint64_t built_ns;   /* when another one was last tried */
	uint8_t hash_key[SIPHASH_KEY_LEN];
	int queues[CONF_WORKERS];
	uint32_t nqueues;
	int icmp4, icmp6;
	uint64_t seed;
	uint32_t scope; /* interface of link-local addresses, or 0 */
	int ready_fd;   /* of daemon_start; -1 in foreground */
	int pidfile;    /* -1: none */

	struct ev_loop *loop; /* the default one */
	ev_signal signals[4];
	ev_child reaper;
	ev_timer watchdog, overflows, rebuild, respawn, refresh;
	ev_io requests_io, links;
	struct child balancer, checker;
	int requests[2]; /* failover thread */
	int checks[2];   /* failover thread and checker, none of ours */
	struct exec_runner *exec;
	struct routes *routes; /* owned; NULL without dr */
	uint64_t *left_ns;     /* owned: by place, when it became free */
	struct report report;
	int status; /* of the whole, when the loop ends */
};

/* supervisor_table.c */
bool supervisor_build_state(struct supervisor *s);
void supervisor_take_found(struct supervisor *s, const struct message *m);
void supervisor_take_lost(struct supervisor *s, const struct message *m);

/*
 * supervisor_children.c: processes, and the watch over them.  stop: true when
 * the balancer ended as told.
 */
bool supervisor_spawn(struct supervisor *s);
void supervisor_watch(struct supervisor *s);
bool supervisor_stop_children(struct supervisor *s);

/* supervisor_routes.c: policy routes; all do nothing without dr. */
bool supervisor_open_routes(struct supervisor *s);
bool supervisor_sync_routes(struct supervisor *s);
void supervisor_close_routes(struct supervisor *s);
void supervisor_forget_routes(struct supervisor *s); /* in a child */

/* supervisor_requests.c: what the failover thread asks for. */
bool supervisor_serve_requests(struct supervisor *s);

#endif
