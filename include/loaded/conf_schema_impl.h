/*
 * conf_schema_impl.h - how the tables of conf_schema*.c are written; nobody
 * else includes it.
 */
#ifndef LOADED_CONF_SCHEMA_IMPL_H
#define LOADED_CONF_SCHEMA_IMPL_H

#include "loaded/conf.h"
#include "loaded/conf_schema.h"

/* clang-format off */
#define FIELD(type, member)                                                   \
	.offset = offsetof(struct type, member),                              \
	.size = sizeof(((struct type *)0)->member)

#define ELEMENTS(type, member)                                                \
	.offset = offsetof(struct type, member),                              \
	.size = sizeof(*((struct type *)0)->member),                          \
	.count = offsetof(struct type, n##member)

#define SECTION(title, table)                                                 \
	{ .name = title, .keys = table,                                       \
	  .nkeys = sizeof(table) / sizeof(*table) }
/* clang-format on */

extern const struct conf_section conf_schema_check;    /* in conf_check */
extern const struct conf_section conf_schema_failover; /* in conf_failover */
extern const struct conf_word conf_schema_policies[];  /* of several checks */

#endif
