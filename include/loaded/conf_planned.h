/*
 * conf_planned.h - settings that are read and checked, but that nothing acts
 * on yet: reading one of these sections writes a warning that says so.
 */
#ifndef LOADED_CONF_PLANNED_H
#define LOADED_CONF_PLANNED_H

#include <stdint.h>

#include "loaded/addr.h"
#include "loaded/table.h"

#define CONF_PATH_LEN 108 /* fits sun_path */

struct conf_endpoint {
	struct addr addr;
	uint16_t port; /* host order */
};

struct conf_planned {
	char control_socket[CONF_PATH_LEN];
	char control_group[TABLE_NAME_LEN];
	struct conf_endpoint metrics;
};

#endif
