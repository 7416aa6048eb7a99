/*
 * conf_file.c - reads libconfig's tree into struct conf as the schema says.
 * conf.c calls this; nothing else includes libconfig.h.  What a key means is
 * in conf_schema.c alone: there is no code here for any one of them.
 */
#include "loaded/conf_file.h"

#include <libconfig.h>
#include <stdlib.h>
#include <string.h>

#include "loaded/conf_value.h"
#include "loaded/conf_value_net.h"

#define CONTEXT_LEN 160

struct reader {
	struct conf_report *r;
	const struct conf_source *source;
};

static void read_section(const struct reader *rd,
    const struct conf_section *section, const config_setting_t *group,
    void *base);

static struct conf_where
where_of(const struct reader *rd, const config_setting_t *setting)
{
	return conf_source_where(rd->source,
	    (int)config_setting_source_line(setting));
}

static struct conf_value
value_of(const struct reader *rd, const config_setting_t *setting)
{
	static const enum conf_kind kinds[] = {
		[CONFIG_TYPE_GROUP] = KIND_GROUP,
		[CONFIG_TYPE_INT] = KIND_INT,
		[CONFIG_TYPE_INT64] = KIND_INT,
		[CONFIG_TYPE_FLOAT] = KIND_FLOAT,
		[CONFIG_TYPE_STRING] = KIND_STRING,
		[CONFIG_TYPE_BOOL] = KIND_BOOL,
		[CONFIG_TYPE_ARRAY] = KIND_ARRAY,
		[CONFIG_TYPE_LIST] = KIND_LIST,
	};
	struct conf_value v = {
		.where = where_of(rd, setting),
		.kind = kinds[config_setting_type(setting)],
	};

	if (v.kind == KIND_STRING)
		v.text = config_setting_get_string(setting);
	else if (v.kind == KIND_BOOL)
		v.number = config_setting_get_bool(setting);
	else if (v.kind == KIND_INT)
		v.number = config_setting_get_int64(setting);
	/* libconfig 1.5 cuts hexadecimal to 32 bits, so it cannot be used. */
	if (v.kind == KIND_INT &&
	    config_setting_get_format(setting) == CONFIG_FORMAT_HEX)
		v.kind = KIND_HEX;
	return v;
}

/* How messages call a group: `services "web": `, `log: `, or nothing. */
static const char *
context_of(const struct conf_section *section, const config_setting_t *group,
    char text[static CONTEXT_LEN])
{
	const char *name = NULL;

	text[0] = '\0';
	if (config_setting_is_root(group))
		return text;
	if (config_setting_lookup_string(group, "name", &name) == CONFIG_TRUE &&
	    conf_value_printable(name))
		snprintf(text, CONTEXT_LEN, "%s \"%.64s\": ", section->name,
		    name);
	else
		snprintf(text, CONTEXT_LEN, "%s: ", section->name);
	return text;
}

static void
report_unknown(const struct reader *rd, const struct conf_section *section,
    const config_setting_t *group, const config_setting_t *setting)
{
	char context[CONTEXT_LEN], names[512] = "";
	size_t len = 0;

	for (size_t i = 0; i < section->nkeys && len < sizeof(names); i++)
		len += (size_t)snprintf(names + len, sizeof(names) - len,
		    "%s%s", i == 0 ? "" : ", ", section->keys[i].name);
	conf_report_error(rd->r, where_of(rd, setting),
	    "%sunknown key \"%.64s\", expected one of %s",
	    context_of(section, group, context), config_setting_name(setting),
	    names);
}

static void
report_missing(const struct reader *rd, const struct conf_section *section,
    const config_setting_t *group, const struct conf_key *key)
{
	char context[CONTEXT_LEN], expected[CONF_EXPECTED_LEN];

	conf_report_error(rd->r, where_of(rd, group),
	    "%skey \"%s\" is missing, expected %s",
	    context_of(section, group, context), key->name,
	    conf_value_expected(key, expected));
}

/* Zeroed elements for an array or list of the length written, or NULL. */
static char *
allocate(const struct reader *rd, const struct conf_key *key,
    const struct conf_value *v, size_t count, void *base)
{
	const uint32_t count32 = (uint32_t)count;
	char *elements;

	if (count < key->min || count > key->max) {
		conf_report_error(rd->r, v->where,
		    "%s has %zu elements, expected %u-%u", key->name, count,
		    key->min, key->max);
		return NULL;
	}
	elements = calloc(count == 0 ? 1 : count, key->size);
	if (elements == NULL) {
		conf_report_out_of_memory(rd->r);
		return NULL;
	}
	conf_report_place(rd->r, (char *)base + key->offset, v->where);
	memcpy((char *)base + key->offset, &elements, sizeof(elements));
	memcpy((char *)base + key->count, &count32, sizeof(count32));
	return elements;
}

static void
read_element(const struct reader *rd, const struct conf_key *key,
    const config_setting_t *setting, char *elements, size_t i)
{
	const struct conf_value v = value_of(rd, setting);
	char *element = elements + i * key->size;
	char first[CONF_WHERE_LEN];

	if (conf_value_store_element(rd->r, key, &v, element) != 0)
		return;
	for (size_t k = 0; k < i; k++) {
		if (!conf_value_clash(key, elements + k * key->size, element))
			continue;
		conf_report_format(
		    conf_report_where(rd->r, elements + k * key->size), first);
		if (v.kind == KIND_STRING)
			conf_report_error(rd->r, v.where,
			    "%s \"%.64s\" "
			    "repeats one of %s",
			    key->name, v.text, first);
		else
			conf_report_error(rd->r, v.where,
			    "%s %lld repeats "
			    "one of %s",
			    key->name, (long long)v.number, first);
		return;
	}
}

/* [ a, b ] or ( a, b ); where a scalar is given, it is the only element. */
static void
read_array(const struct reader *rd, const struct conf_key *key,
    const config_setting_t *setting, void *base)
{
	const struct conf_value v = value_of(rd, setting);
	const bool several = (v.kind & (KIND_ARRAY | KIND_LIST)) != 0;
	const int count = several ? config_setting_length(setting) : 1;
	char *elements;

	elements = allocate(rd, key, &v, (size_t)count, base);
	if (elements == NULL)
		return;
	for (int i = 0; i < count; i++)
		read_element(rd, key,
		    !several ?
			setting :
			config_setting_get_elem(setting, (unsigned int)i),
		    elements, (size_t)i);
}

static void
read_group(const struct reader *rd, const struct conf_key *key,
    const config_setting_t *group, char *element)
{
	const struct conf_where where = where_of(rd, group);

	if (!config_setting_is_group(group)) {
		conf_report_error(rd->r, where,
		    "%s has an element that is no group, expected { ... }",
		    key->name);
		return;
	}
	memcpy(element, &where, sizeof(where));
	read_section(rd, key->section, group, element);
}

/* Groups, or one alone; each struct starts with its struct conf_where. */
static void
read_list(const struct reader *rd, const struct conf_key *key,
    const config_setting_t *setting, void *base)
{
	const struct conf_value v = value_of(rd, setting);
	const bool several = v.kind == KIND_LIST;
	const int count = several ? config_setting_length(setting) : 1;
	char *elements = allocate(rd, key, &v, (size_t)count, base);

	for (int i = 0; elements != NULL && i < count; i++)
		read_group(rd, key,
		    !several ?
			setting :
			config_setting_get_elem(setting, (unsigned int)i),
		    elements + (size_t)i * key->size);
}

static void
read_key(const struct reader *rd, const struct conf_key *key,
    const config_setting_t *setting, void *base)
{
	const struct conf_value v = value_of(rd, setting);

	if (key->given != 0)
		*(bool *)((char *)base + key->given) = true;
	if (key->planned != NULL)
		conf_report_warning(rd->r, v.where,
		    "%s is not supported yet: %s", key->name, key->planned);
	if (key->array)
		read_array(rd, key, setting, base);
	else if (key->section == NULL)
		conf_value_store(rd->r, key, &v, base);
	else if (conf_value_check_kind(rd->r, key, &v) != 0)
		return;
	else if (key->type == CONF_LIST || key->type == CONF_GROUPS)
		read_list(rd, key, setting, base);
	else
		read_section(rd, key->section, setting,
		    (char *)base + key->offset);
}

/* A group that is not given has its defaults, and nothing missing. */
static void
read_absent(const struct reader *rd, const struct conf_section *section,
    const struct conf_key *key, const config_setting_t *group, void *base)
{
	if (key->required && group != NULL)
		report_missing(rd, section, group, key);
	else if (key->type == CONF_GROUP)
		read_section(rd, key->section, NULL,
		    (char *)base + key->offset);
	else if (key->preset != NULL)
		conf_value_preset(rd->r, key, base);
}

static const struct conf_key *
find_key(const struct conf_section *section, const char *name)
{
	for (size_t i = 0; i < section->nkeys; i++) {
		if (strcmp(section->keys[i].name, name) == 0)
			return &section->keys[i];
	}
	return NULL;
}

/* What is given, in the file's order, then what is not. */
static void
read_section(const struct reader *rd, const struct conf_section *section,
    const config_setting_t *group, void *base)
{
	const int count = group == NULL ? 0 : config_setting_length(group);
	const struct conf_key *key;

	for (int i = 0; i < count; i++) {
		const config_setting_t *setting = config_setting_get_elem(group,
		    (unsigned int)i);

		key = find_key(section, config_setting_name(setting));
		if (key == NULL)
			report_unknown(rd, section, group, setting);
		else
			read_key(rd, key, setting, base);
	}
	for (size_t i = 0; i < section->nkeys; i++) {
		key = &section->keys[i];
		if (group == NULL ||
		    config_setting_get_member(group, key->name) == NULL)
			read_absent(rd, section, key, group, base);
	}
}

/* An array is of one type by the syntax; the way out is worth a word. */
static void
report_syntax(const struct reader *rd, const config_t *config)
{
	const char *what = config_error_text(config);

	conf_report_error(rd->r,
	    conf_source_where(rd->source, config_error_line(config)), "%s%s",
	    what,
	    strstr(what, "mismatched") == NULL ?
		"" :
		", expected all alike, or ( ... ) around a mixture");
}

void
conf_file_read(struct conf_report *r, const struct conf_source *source)
{
	const struct reader rd = { .r = r, .source = source };
	config_t config;

	config_init(&config);
	if (config_read_string(&config, source->text) == CONFIG_TRUE)
		read_section(&rd, conf_schema(), config_root_setting(&config),
		    r->conf);
	else
		report_syntax(&rd, &config);
	config_destroy(&config);
}
