/*
 * conf_source.c - joins a config file and what it includes into one text for
 * libconfig, which then never opens a file.  conf.c calls this.
 *
 * Debian's libconfig (1.5) has weak spots that this keeps away from it: it
 * ends the process when an included path is a directory, it lets a number of
 * more than 32 bits wrap without a word, it takes an open comment for the end
 * of the file, and it gives a string in an array the line of the next token.
 */
#include "loaded/conf_source.h"

#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "loaded/num.h"

#define DEPTH_MAX 10
#define SIZE_MAX_BYTES (16U << 20)
#define NAME_CHARS                                                             \
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"                 \
	"0123456789_-*"
#define INCLUDE "@include"

/* The text being written, over all files. */
struct joiner {
	struct conf_source *s;
	struct conf_report *r;
	FILE *out;
	int line; /* of out */
	size_t size;
	unsigned int depth;
};

/* The file being read. */
struct cursor {
	const char *p;
	const char *written; /* a separator that out has already */
	struct conf_where where;
	const char *dir; /* included paths start here; NULL: none may */
	size_t dir_len;
};

static int scan_file(struct joiner *j, struct cursor *c);

/* All of a file as a string, to be freed; or -errno. */
static int
read_file(char **out, const char *path)
{
	FILE *f = fopen(path, "re");
	char *text = NULL;
	size_t len = 0;
	int error = 0;

	*out = NULL;
	if (f == NULL)
		return -errno;
	text = malloc(SIZE_MAX_BYTES + 1);
	if (text == NULL) {
		error = -ENOMEM;
		goto out;
	}
	errno = 0;
	len = fread(text, 1, SIZE_MAX_BYTES + 1, f);
	if (ferror(f))
		error = errno != 0 ? -errno : -EIO;
	else if (len > SIZE_MAX_BYTES)
		error = -EFBIG;
	else if (memchr(text, '\0', len) != NULL)
		error = -EILSEQ;
	else
		text[len] = '\0';
out:
	fclose(f);
	if (error == 0)
		*out = text;
	else
		free(text);
	return error;
}

static int
add_span(struct joiner *j, struct conf_where where)
{
	struct conf_source *s = j->s;
	const size_t room = s->room == 0 ? 8 : s->room * 2;
	struct conf_span *spans = s->spans;

	if (s->nspans == s->room) {
		spans = reallocarray(spans, room, sizeof(*spans));
		if (spans == NULL)
			return conf_report_out_of_memory(j->r);
		s->spans = spans;
		s->room = room;
	}
	spans[s->nspans++] = (struct conf_span){ j->line, where };
	return 0;
}

static void
write_char(struct joiner *j, char c)
{
	fputc(c, j->out);
	j->size++;
	if (c == '\n')
		j->line++;
}

static void
copy_until(struct joiner *j, struct cursor *c, const char *end)
{
	for (; c->p < end; c->p++) {
		write_char(j, c->p == c->written ? ' ' : *c->p);
		if (*c->p == '\n')
			c->where.line++;
	}
}

/* Behind the closing quote, or NULL. */
static const char *
string_end(const char *p)
{
	for (p++; *p != '\0'; p++) {
		if (*p == '"')
			return p + 1;
		if (*p == '\\' && p[1] != '\0')
			p++;
	}
	return NULL;
}

/* Behind the comment at p, p if there is none, or NULL if it has no end. */
static const char *
comment_end(const char *p)
{
	const char *end;

	if (*p == '#' || (p[0] == '/' && p[1] == '/'))
		return strchrnul(p, '\n');
	if (p[0] != '/' || p[1] != '*')
		return p;
	end = strstr(p + 2, "*/");
	return end == NULL ? NULL : end + 2;
}

/*
 * The reader of libconfig must see the token behind a string before it knows
 * that the string ends.  Puts a separator on the string's own line.
 */
static void
pull_separator(struct joiner *j, struct cursor *c)
{
	const char *p = c->p, *end = p;

	do {
		p = end + strspn(end, " \t\r\n\f");
		end = comment_end(p);
	} while (end != NULL && end != p);
	if (*p != ',' && *p != ']' && *p != ')')
		return;
	write_char(j, *p);
	c->written = p;
}

/* Of all numbers, only decimal integers without an L are of interest. */
static int
check_number(struct joiner *j, const struct cursor *c, const char *start)
{
	const size_t len = (size_t)(c->p - start);
	uint64_t value;
	char digits[24];

	if (memchr(start, '.', len) != NULL ||
	    (*c->p != '\0' && strchr("eExXL", *c->p) != NULL))
		return 0;
	snprintf(digits, sizeof(digits), "%.*s",
	    len < sizeof(digits) ? (int)len : (int)sizeof(digits) - 1, start);
	if (num_parse(&value, digits, 0, INT32_MAX) == 0)
		return 0;
	return conf_report_error(j->r, c->where,
	    "%s is too large for a plain integer, expected at most "
	    "2147483647, or an L behind it",
	    digits);
}

/* The path as the conf keeps it, relative to the including file. */
static const char *
remember_path(struct joiner *j, const struct cursor *c, const char *path,
    size_t len)
{
	struct conf *conf = j->r->conf;
	char **paths = reallocarray(conf->included, conf->nincluded + 1,
	    sizeof(*paths));
	char *joined;

	if (paths == NULL)
		return NULL;
	conf->included = paths;
	if (asprintf(&joined, "%.*s%.*s", *path == '/' ? 0 : (int)c->dir_len,
		c->dir, (int)len, path) < 0)
		return NULL;
	paths[conf->nincluded++] = joined;
	return joined;
}

static size_t
dir_length(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash == NULL ? 0 : (size_t)(slash - path) + 1;
}

static int
include_file(struct joiner *j, struct cursor *c, const char *name)
{
	struct cursor inner = {
		.where = { name, 1 },
		.dir = name,
		.dir_len = dir_length(name),
	};
	char *text = NULL;
	int error;

	if (j->depth == DEPTH_MAX)
		return conf_report_error(j->r, c->where,
		    "@include is nested too deep, expected at most %d",
		    DEPTH_MAX);
	error = read_file(&text, name);
	if (error != 0)
		return conf_report_error(j->r, c->where,
		    "@include of %.200s: %s", name, strerror(-error));
	inner.p = text;
	j->depth++;
	error = scan_file(j, &inner);
	j->depth--;
	free(text);
	if (error != 0)
		return error;
	write_char(j, '\n');
	return add_span(j, c->where);
}

/* @include "FILE" */
static int
scan_include(struct joiner *j, struct cursor *c)
{
	const char *p = c->p, *name;
	size_t len;

	if (strncmp(p, INCLUDE, strlen(INCLUDE)) == 0)
		p += strlen(INCLUDE) + strspn(p + strlen(INCLUDE), " \t");
	if (*p != '"' || p[len = 1 + strcspn(p + 1, "\"\\\n")] != '"')
		return conf_report_error(j->r, c->where,
		    "@ is not understood, expected @include \"FILE\"");
	if (c->dir == NULL)
		return conf_report_error(j->r, c->where,
		    "@include outside of a file");
	c->p = p + len + 1;
	name = remember_path(j, c, p + 1, len - 1);
	if (name == NULL)
		return conf_report_out_of_memory(j->r);
	return include_file(j, c, name);
}

/* Behind a comment, string, number, name or other character, or NULL. */
static const char *
token_end(const char *start)
{
	const char *end = comment_end(start);

	if (end != start)
		return end;
	if (*start == '"')
		return string_end(start);
	end = start + strspn(start, "0123456789.");
	if (isalpha((unsigned char)*start) || *start == '*')
		end = start + strspn(start, NAME_CHARS);
	return end == start ? start + 1 : end;
}

static int
scan_token(struct joiner *j, struct cursor *c)
{
	const char *start = c->p, *end = token_end(start);

	if (end == NULL)
		return conf_report_error(j->r, c->where,
		    "a %s starts here and never ends",
		    *start == '"' ? "string" : "comment");
	if (*start == '@')
		return scan_include(j, c);
	copy_until(j, c, end);
	if (*start == '"')
		pull_separator(j, c);
	if (isdigit((unsigned char)*start))
		return check_number(j, c, start);
	return 0;
}

static int
scan_file(struct joiner *j, struct cursor *c)
{
	int error = add_span(j, c->where);

	while (error == 0 && *c->p != '\0') {
		error = scan_token(j, c);
		if (error == 0 && j->size > SIZE_MAX_BYTES)
			error = conf_report_error(j->r, c->where,
			    "too much text, expected at most 16 MiB");
	}
	return error;
}

static int
join(struct conf_source *s, struct conf_report *r, struct cursor *c)
{
	struct joiner j = { .s = s, .r = r, .line = 1 };
	size_t size;
	int error;

	j.out = open_memstream(&s->text, &size);
	if (j.out == NULL)
		return conf_report_out_of_memory(r);
	error = scan_file(&j, c);
	if (fclose(j.out) != 0 && error == 0)
		error = conf_report_out_of_memory(r);
	return error;
}

int
conf_source_load(struct conf_source *s, struct conf_report *r, const char *path)
{
	struct cursor c = {
		.where = { r->conf->file, 1 },
		.dir = path,
		.dir_len = dir_length(path),
	};
	char *text = NULL;
	int error;

	*s = (struct conf_source){ 0 };
	error = read_file(&text, path);
	if (error != 0) {
		c.where.line = 0;
		conf_report_error(r, c.where, "cannot be read: %s",
		    strerror(-error));
		return error;
	}
	c.p = text;
	error = join(s, r, &c);
	free(text);
	return error;
}

int
conf_source_text(struct conf_source *s, struct conf_report *r, const char *text)
{
	struct cursor c = { .p = text, .where = { r->conf->file, 1 } };

	*s = (struct conf_source){ 0 };
	return join(s, r, &c);
}

void
conf_source_fini(struct conf_source *s)
{
	free(s->text);
	free(s->spans);
}

struct conf_where
conf_source_where(const struct conf_source *s, int line)
{
	size_t i = s->nspans - 1;
	struct conf_where where;

	while (i > 0 && s->spans[i].first > line)
		i--;
	where = s->spans[i].where;
	where.line += line - s->spans[i].first;
	if (where.line < 1)
		where.line = 1;
	return where;
}
