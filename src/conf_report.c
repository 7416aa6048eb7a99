/*
 * conf_report.c - the lines that say what is wrong with a config, and the
 * memory of where each value stood.  Only the conf modules call this.  What
 * a message quotes must be free of control characters: one mistake, one line.
 */
#include "loaded/conf_report.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#define LINES_SHOWN 20

void
conf_report_init(struct conf_report *r, struct conf *conf, FILE *out)
{
	*r = (struct conf_report){ .out = out, .conf = conf };
}

void
conf_report_fini(struct conf_report *r)
{
	free(r->places);
}

const char *
conf_report_format(struct conf_where where, char text[static CONF_WHERE_LEN])
{
	snprintf(text, CONF_WHERE_LEN, "%s:%d", where.file, where.line);
	return text;
}

__attribute__((format(printf, 5, 0))) static void
write_line(struct conf_report *r, uint32_t *count, struct conf_where where,
    const char *kind, const char *fmt, va_list ap)
{
	if (++*count > LINES_SHOWN + 1)
		return;
	if (where.line > 0)
		fprintf(r->out, "%s:%d: %s", where.file, where.line, kind);
	else
		fprintf(r->out, "%s: %s", where.file, kind);
	if (*count <= LINES_SHOWN)
		vfprintf(r->out, fmt, ap);
	else
		fputs("there is more, which is not shown", r->out);
	fputc('\n', r->out);
}

int
conf_report_error(struct conf_report *r, struct conf_where where,
    const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	write_line(r, &r->conf->errors, where, "", fmt, ap);
	va_end(ap);
	return -EINVAL;
}

void
conf_report_warning(struct conf_report *r, struct conf_where where,
    const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	write_line(r, &r->conf->warnings, where, "warning: ", fmt, ap);
	va_end(ap);
}

int
conf_report_out_of_memory(struct conf_report *r)
{
	conf_report_error(r, conf_report_where(r, NULL), "out of memory");
	return -ENOMEM;
}

void
conf_report_place(struct conf_report *r, const void *field,
    struct conf_where where)
{
	struct conf_place *places;
	const size_t room = r->room == 0 ? 64 : r->room * 2;

	if (r->nplaces == r->room) {
		places = reallocarray(r->places, room, sizeof(*places));
		if (places == NULL) {
			conf_report_out_of_memory(r);
			return;
		}
		r->places = places;
		r->room = room;
	}
	r->places[r->nplaces++] = (struct conf_place){ field, where };
	r->sorted = false;
}

static int
compare_places(const void *a, const void *b)
{
	const struct conf_place *pa = a, *pb = b;
	const uintptr_t fa = (uintptr_t)pa->field, fb = (uintptr_t)pb->field;

	return (fa > fb) - (fa < fb);
}

static const struct conf_place *
find_place(struct conf_report *r, const void *field)
{
	const struct conf_place wanted = { .field = field };

	if (r->nplaces == 0)
		return NULL;
	if (!r->sorted)
		qsort(r->places, r->nplaces, sizeof(*r->places),
		    compare_places);
	r->sorted = true;
	return bsearch(&wanted, r->places, r->nplaces, sizeof(*r->places),
	    compare_places);
}

bool
conf_report_given(struct conf_report *r, const void *field)
{
	return find_place(r, field) != NULL;
}

struct conf_where
conf_report_where(struct conf_report *r, const void *field)
{
	const struct conf_place *place = find_place(r, field);

	if (place != NULL)
		return place->where;
	return (struct conf_where){ r->conf->file, 1 };
}
