/*
 * conf_value_net.h - the values of conf_value.h that are addresses or ports.
 * Each stores into field: 0, or -EINVAL and one line in the report.
 */
#ifndef LOADED_CONF_VALUE_NET_H
#define LOADED_CONF_VALUE_NET_H

#include "loaded/conf_value.h"

int conf_value_address(struct conf_report *r, const struct conf_key *key,
    const struct conf_value *v, void *field);
int conf_value_unicast(struct conf_report *r, const struct conf_key *key,
    const struct conf_value *v, void *field);
int conf_value_endpoint(struct conf_report *r, const struct conf_key *key,
    const struct conf_value *v, void *field);
int conf_value_prefix(struct conf_report *r, const struct conf_key *key,
    const struct conf_value *v, void *field);
int conf_value_ports(struct conf_report *r, const struct conf_key *key,
    const struct conf_value *v, void *field);

/* Do two elements of an array of one of these repeat or overlap? */
bool conf_value_clash(const struct conf_key *key, const void *a, const void *b);

#endif
