/*
 * conf_value_check.h - the values of conf_value.h that only checks have.  Each
 * stores into field: 0, or -EINVAL and one line in the report.
 */
#ifndef LOADED_CONF_VALUE_CHECK_H
#define LOADED_CONF_VALUE_CHECK_H

#include "loaded/conf_value.h"

/*
 * The text may have control characters, and for what libconfig cannot say
 * \xHH with any two digits; a backslash is two.
 */
int conf_value_bytes(struct conf_report *r, const struct conf_key *key,
    const struct conf_value *v, void *field);
int conf_value_statuses(struct conf_report *r, const struct conf_key *key,
    const struct conf_value *v, void *field);
int conf_value_record(struct conf_report *r, const struct conf_key *key,
    const struct conf_value *v, void *field);
int conf_value_rcode(struct conf_report *r, const struct conf_key *key,
    const struct conf_value *v, void *field);

#endif
