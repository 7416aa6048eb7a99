/*
 * check.h - how a backend is asked whether it works: what the config says of
 * one check, as plain data that is part of the table.  Which fields mean
 * something to which type stands in loaded.conf(5).
 */
#ifndef LOADED_CHECK_H
#define LOADED_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#define CHECK_TEXT_LEN 256
#define CHECK_PATH_LEN 256
#define CHECK_WORD_LEN 64
#define CHECK_STATUSES 16

enum check_type {
	CHECK_ICMP,
	CHECK_TCP,
	CHECK_UDP,
	CHECK_DNS,
	CHECK_HTTP,
	CHECK_HTTPS,
	CHECK_EXEC,
	CHECK_AGENT,
};

/* Of several checks of one backend. */
enum check_policy { CHECKS_ALL, CHECKS_ANY };

struct check_bytes {
	uint16_t len;
	uint8_t b[CHECK_TEXT_LEN]; /* not a string: it may have zeros */
};

/* HTTP status codes, inclusive. */
struct check_statuses {
	uint16_t count;
	struct {
		uint16_t low, high;
	} range[CHECK_STATUSES];
};

struct check {
	uint8_t type; /* enum check_type */
	bool start_up;
	bool via_vip;
	uint16_t port; /* host order; 0: the backend's */
	uint32_t interval_ms, fast_interval_ms, timeout_ms;
	uint8_t rise, fall;
	uint8_t window, need; /* 0: rise and fall decide; at most 64 */

	/* send: tcp, udp, agent; what is expected: tcp, udp, http, https */
	struct check_bytes send, expect;
	char regex[CHECK_TEXT_LEN]; /* POSIX extended; "": none */

	/* http, https */
	char method[CHECK_WORD_LEN];
	char path[CHECK_TEXT_LEN];
	char host[CHECK_TEXT_LEN]; /* "": the backend's address */
	struct check_statuses status;
	bool verify;
	char ca_file[CHECK_PATH_LEN]; /* "": the system's */

	/* dns */
	char name[CHECK_TEXT_LEN];
	uint16_t record;             /* RFC 1035, 3.2.2 */
	uint8_t rcode;               /* RFC 1035, 4.1.1 */
	char answer[CHECK_TEXT_LEN]; /* "": any, or none */

	/* exec */
	char program[CHECK_PATH_LEN];
	char user[CHECK_WORD_LEN];
};

/* "icmp", "tcp", ... */
const char *check_type_name(enum check_type type);

/* From one probe to the next: interval, or the shorter one while changing. */
uint32_t check_interval_ms(const struct check *check, bool changing);

/*
 * How long after its last probe began, age_ms ago, the next one has to wait;
 * 0 when it is due.
 */
uint32_t check_wait_ms(const struct check *check, bool changing,
    uint64_t age_ms);

/* The wait for the first one: anywhere in an interval, as random says. */
uint32_t check_first_wait_ms(const struct check *check, bool changing,
    uint64_t random);

#endif
