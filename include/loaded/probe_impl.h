/*
 * probe_impl.h - what the types of probe.h are to probe.c; included by
 * probe*.c and nobody else.
 */
#ifndef LOADED_PROBE_IMPL_H
#define LOADED_PROBE_IMPL_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "loaded/expect.h"
#include "loaded/message.h"
#include "loaded/probe.h"
#include "loaded/siphash.h"

#define PROBE_ANSWER_MAX 16384 /* bytes of an answer that are looked at */

struct probe_ops {
	/* Ends with probe_fail_soon() if it can't even begin. */
	void (*start)(struct probe *p);
	/* Time is over: what was it waiting for? */
	void (*expired)(struct probe *p, struct probe_outcome *o);
	/* Releases what start took, but for the socket; NULL: nothing. */
	void (*stop)(struct probe *p);
	uint32_t grace_ms; /* beyond the check's timeout */
};

enum { PROBE_CHECKER, PROBE_SUPERVISOR, PROBE_CHANNELS };

struct probe_channel {
	struct probe_engine *engine; /* borrowed */
	ev_io io;
	bool gone;
};

struct probe_icmp;

struct probe_engine {
	struct probe_engine_conf conf;
	const struct table *table; /* borrowed */
	struct expect **expects;   /* owned; one a check of the table */
	uint32_t nexpects;
	struct probe **running; /* owned; by number, NULL: free */
	uint32_t *numbers;      /* owned; the free ones, a stack */
	uint32_t nrunning, nfree;
	uint8_t key[SIPHASH_KEY_LEN]; /* of random numbers */
	uint64_t drawn;
	struct probe_icmp *icmp; /* owned */
	struct probe_channel channel[PROBE_CHANNELS];
	uint32_t run; /* counts requests to channels */
};

extern const struct probe_ops probe_icmp_ops;
extern const struct probe_ops probe_tcp_ops;    /* tcp, agent */
extern const struct probe_ops probe_udp_ops;    /* udp, dns */
extern const struct probe_ops probe_remote_ops; /* http, https, exec */

const struct probe_ops *probe_ops(const struct probe *p);

/* Tells the owner; p may be gone afterwards. */
void probe_end(struct probe *p, const struct probe_outcome *o);

/* Ends with what a socket's error means. */
void probe_end_errno(struct probe *p, int error);

/* The same from inside of start: at the next turn of the loop. */
__attribute__((format(printf, 3, 4))) void probe_fail_soon(struct probe *p,
    enum probe_result result, const char *fmt, ...);
void probe_fail_soon_errno(struct probe *p, int error);

/* The running probe of that number, or NULL. */
struct probe *probe_find(const struct probe_engine *e, uint32_t number);

/* Not to be guessed from earlier ones. */
uint64_t probe_random(struct probe_engine *e);

/* NULL: nothing is expected. */
const struct expect *probe_expect(const struct probe *p);

/* probe_socket.c */

/* What a socket's error means for the backend, or for us. */
void probe_errno(struct probe_outcome *o, const struct probe *p, int error);

/* Fills in *sa and returns its length. */
socklen_t probe_sockaddr(const struct probe *p, struct sockaddr_storage *sa);

/* A non-blocking socket of the probe's family with its mark, or -errno. */
int probe_socket(const struct probe *p, int type);

typedef void probe_event_fn(struct ev_loop *loop, ev_io *w, int events);

/*
 * A non-blocking socket with the probe's mark, on its way to the backend and
 * watched for events.  False: it ends soon.
 */
bool probe_connect(struct probe *p, int type, probe_event_fn *fn, int events);
void probe_watch(struct probe *p, int events);
void probe_close(struct probe *p);

/* probe_agent.c */

/* Is the agent's line whole? */
bool probe_agent_has_line(const struct probe *p);
void probe_agent_judge(const struct probe *p, struct probe_outcome *o);

/* An agent that can't be asked says nothing about its backend. */
void probe_agent_excuse(struct probe_outcome *o);

/* probe_icmp.c, probe_remote.c: what an engine has of each. */
struct probe_icmp *probe_icmp_new(struct probe_engine *e);
void probe_icmp_free(struct probe_icmp *icmp);
void probe_remote_open(struct probe_engine *e);
void probe_remote_close(struct probe_engine *e);

#endif
