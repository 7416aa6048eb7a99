/*
 * conf_source.h - the text of a config file with what it includes put in
 * place, and for each of its lines where that came from.
 */
#ifndef LOADED_CONF_SOURCE_H
#define LOADED_CONF_SOURCE_H

#include "loaded/conf_report.h"

/* Lines from first on were line and the following of a file. */
struct conf_span {
	int first;
	struct conf_where where;
};

struct conf_source {
	char *text;              /* owned */
	struct conf_span *spans; /* owned; ascending */
	size_t nspans, room;
};

/*
 * From a file (-errno if it cannot be read), or from text that may include
 * nothing.  0, or an error and a line for each mistake; conf_source_fini() is
 * due in both cases.
 */
int conf_source_load(struct conf_source *s, struct conf_report *r,
    const char *path);
int conf_source_text(struct conf_source *s, struct conf_report *r,
    const char *text);
void conf_source_fini(struct conf_source *s);

struct conf_where conf_source_where(const struct conf_source *s, int line);

#endif
