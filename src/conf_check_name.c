/*
 * conf_check_name.c - names must be unique among pools and among services.
 * conf_check.c calls this.
 */
#include <stdlib.h>
#include <string.h>

#include "loaded/conf_check.h"

static int
compare_names(const void *a, const void *b)
{
	const char *const *na = a, *const *nb = b;
	const int order = strcmp(*na, *nb);

	/* Equal ones in the order of the file. */
	return order != 0 ? order : (*na > *nb) - (*na < *nb);
}

/* The name that is the first member behind the place of count structs. */
static void
check_names(struct conf_report *r, const char *what, const char *first,
    size_t stride, size_t count)
{
	const char **names = calloc(count + 1, sizeof(*names));
	char text[CONF_WHERE_LEN];

	if (names == NULL) {
		conf_report_out_of_memory(r);
		return;
	}
	for (size_t i = 0; i < count; i++)
		names[i] = first + i * stride;
	qsort(names, count, sizeof(*names), compare_names);
	for (size_t i = 1; i < count; i++) {
		if (strcmp(names[i - 1], names[i]) != 0)
			continue;
		conf_report_format(conf_report_where(r, names[i - 1]), text);
		conf_report_error(r, conf_report_where(r, names[i]),
		    "%s \"%s\" is defined twice, before in %s", what, names[i],
		    text);
	}
	free(names);
}

void
conf_check_names(struct conf_report *r)
{
	const struct conf *conf = r->conf;

	if (conf->npools > 0)
		check_names(r, "pools", conf->pools->name, sizeof(*conf->pools),
		    conf->npools);
	if (conf->nservices > 0)
		check_names(r, "services", conf->services->name,
		    sizeof(*conf->services), conf->nservices);
}
