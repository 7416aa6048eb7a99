/*
 * conf_value.h - one value of a config file, from what was written to what is
 * stored.  Free of libconfig, so that the defaults take the same way.
 */
#ifndef LOADED_CONF_VALUE_H
#define LOADED_CONF_VALUE_H

#include "loaded/conf_report.h"
#include "loaded/conf_schema.h"

#define CONF_EXPECTED_LEN 256

/* What was written; bits, since some types take several. */
enum conf_kind {
	KIND_INT = 1 << 0,
	KIND_HEX = 1 << 1,
	KIND_FLOAT = 1 << 2,
	KIND_BOOL = 1 << 3,
	KIND_STRING = 1 << 4,
	KIND_GROUP = 1 << 5,
	KIND_ARRAY = 1 << 6,
	KIND_LIST = 1 << 7,
};

struct conf_value {
	struct conf_where where;
	enum conf_kind kind;
	int64_t number;   /* KIND_INT, KIND_BOOL */
	const char *text; /* KIND_STRING; borrowed */
};

/*
 * Stores a value in the struct at base, or in the array element at field.
 * 0, or -EINVAL and one line in the report.
 */
int conf_value_store(struct conf_report *r, const struct conf_key *key,
    const struct conf_value *v, void *base);
int conf_value_store_element(struct conf_report *r, const struct conf_key *key,
    const struct conf_value *v, void *field);

/* Stores the key's default. */
void conf_value_preset(struct conf_report *r, const struct conf_key *key,
    void *base);

/* 0, or -EINVAL and one line for a kind that the key does not take. */
int conf_value_check_kind(struct conf_report *r, const struct conf_key *key,
    const struct conf_value *v);

/* Free of control characters, so that a message may quote it. */
bool conf_value_printable(const char *text);

/* 0-15, or -1. */
int conf_value_hex_digit(char c);

/* "an integer, 0-65535": what the key takes. */
const char *conf_value_expected(const struct conf_key *key,
    char text[static CONF_EXPECTED_LEN]);

#endif
