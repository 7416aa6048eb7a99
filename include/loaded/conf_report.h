/*
 * conf_report.h - what is wrong with a config, and where.  Reading notes the
 * place of every value it stores, so that a later check of the struct can
 * name the very line; this memory lasts as long as one load.
 */
#ifndef LOADED_CONF_REPORT_H
#define LOADED_CONF_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "loaded/conf.h"

#define CONF_WHERE_LEN 256

struct conf_place {
	const void *field; /* borrowed: in the conf */
	struct conf_where where;
};

struct conf_report {
	FILE *out;                 /* borrowed */
	struct conf *conf;         /* borrowed: counts the lines */
	struct conf_place *places; /* owned; sorted by field once used */
	size_t nplaces, room;
	bool sorted;
};

void conf_report_init(struct conf_report *r, struct conf *conf, FILE *out);
void conf_report_fini(struct conf_report *r);

/*
 * Each writes one line, up to a limit; a line number of 0 is left out.  The
 * error returns -EINVAL.
 */
__attribute__((format(printf, 3, 4))) int conf_report_error(
    struct conf_report *r, struct conf_where where, const char *fmt, ...);
__attribute__((format(printf, 3, 4))) void conf_report_warning(
    struct conf_report *r, struct conf_where where, const char *fmt, ...);
int conf_report_out_of_memory(struct conf_report *r);

void conf_report_place(struct conf_report *r, const void *field,
    struct conf_where where);

/* Does the file say anything about this field? */
bool conf_report_given(struct conf_report *r, const void *field);

/* Its place; the file's first line if it is not given. */
struct conf_where conf_report_where(struct conf_report *r, const void *field);

/* "FILE:LINE" for the inside of a message. */
const char *conf_report_format(struct conf_where where,
    char text[static CONF_WHERE_LEN]);

#endif
