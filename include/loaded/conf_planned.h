/*
 * conf_planned.h - settings that are read and checked, but that nothing acts
 * on yet: reading one of these sections writes a warning that says so.
 */
#ifndef LOADED_CONF_PLANNED_H
#define LOADED_CONF_PLANNED_H

#include <stdbool.h>
#include <stdint.h>

#include "loaded/addr.h"
#include "loaded/table.h"

#define CONF_PATH_LEN 108 /* fits sun_path */
#define CONF_TEXT_LEN 256

struct conf_endpoint {
	struct addr addr;
	uint16_t port; /* host order */
};

enum conf_check_type {
	CHECK_ICMP,
	CHECK_TCP,
	CHECK_UDP,
	CHECK_DNS,
	CHECK_HTTP,
	CHECK_HTTPS,
	CHECK_EXEC,
	CHECK_AGENT,
};

struct conf_check {
	uint8_t type;  /* enum conf_check_type */
	uint16_t port; /* host order; 0: the backend's */
	uint32_t interval_ms, fast_interval_ms, timeout_ms;
	uint8_t rise, fall;
	bool start_up;
	char send[CONF_TEXT_LEN];
	char expect[CONF_TEXT_LEN];
	char path[CONF_TEXT_LEN];
	char host[CONF_TEXT_LEN];
};

struct conf_planned {
	char control_socket[CONF_PATH_LEN];
	char control_group[TABLE_NAME_LEN];
	struct conf_endpoint metrics;
	bool failover;
	bool discover;
	struct addr discover_broadcast;
	uint16_t discover_port; /* host order */
	char discover_pool[TABLE_NAME_LEN];
};

#endif
