/*
 * conf_value.c - values of a config file, from what was written to what is
 * stored.  conf_file.c calls this.  Text that reaches a parser below has no
 * control characters (but for CONF_BYTES), so messages may quote it; they cut
 * it at 64 bytes.
 */
#include "loaded/conf_value.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "loaded/conf_value_check.h"
#include "loaded/conf_value_net.h"
#include "loaded/num.h"

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define NAME_CHARS LETTERS "0123456789_.-"

typedef int value_parse_fn(struct conf_report *r, const struct conf_key *key,
    const struct conf_value *v, void *field);

static int
parse_bool(struct conf_report *r, const struct conf_key *key,
    const struct conf_value *v, void *field)
{
	(void)r;
	(void)key;
	*(bool *)field = v->number != 0;
	return 0;
}

static int
parse_int(struct conf_report *r, const struct conf_key *key,
    const struct conf_value *v, void *field)
{
	const uint32_t n32 = (uint32_t)v->number;
	const uint16_t n16 = (uint16_t)v->number;
	const uint8_t n8 = (uint8_t)v->number;

	if (v->number < key->min || v->number > key->max)
		return conf_report_error(r, v->where,
		    "%s %lld is out of range, expected %u-%u", key->name,
		    (long long)v->number, key->min, key->max);
	if (key->size == sizeof(n32))
		memcpy(field, &n32, sizeof(n32));
	else if (key->size == sizeof(n16))
		memcpy(field, &n16, sizeof(n16));
	else
		memcpy(field, &n8, sizeof(n8));
	return 0;
}

static int
parse_duration(struct conf_report *r, const struct conf_key *key,
    const struct conf_value *v, void *field)
{
	const int error = num_parse_duration(field, v->text);
	const size_t digits = strspn(v->text, "0123456789");

	if (error == -ERANGE)
		return conf_report_error(r, v->where,
		    "%s \"%.64s\" is too long, expected at most 49d", key->name,
		    v->text);
	if (error != 0)
		return conf_report_error(r, v->where,
		    "%s \"%.64s\" %s, expected a number with ms, s, m, h or d",
		    key->name, v->text,
		    digits > 0 && v->text[digits] == '\0' ? "has no unit" :
							    "is no duration");
	if (*(uint32_t *)field == 0)
		return conf_report_error(r, v->where,
		    "%s \"%.64s\" is out of range, expected more than 0",
		    key->name, v->text);
	if (*(uint32_t *)field < key->min)
		return conf_report_error(r, v->where,
		    "%s \"%.64s\" is out of range, expected at least %ums",
		    key->name, v->text, key->min);
	return 0;
}

static int
parse_word(struct conf_report *r, const struct conf_key *key,
    const struct conf_value *v, void *field)
{
	char expected[CONF_EXPECTED_LEN];
	struct conf_word word;
	const char *what = "is unknown";

	for (unsigned int i = 0; conf_schema_word(key, &word, i); i++) {
		if (strcmp(word.name, v->text) != 0)
			continue;
		if (!word.planned) {
			memcpy(field, &word.value, sizeof(word.value));
			return 0;
		}
		what = "is not supported yet";
	}
	return conf_report_error(r, v->where, "%s \"%.64s\" %s, expected %s",
	    key->name, v->text, what, conf_value_expected(key, expected));
}

/* Copies text into a char[] that it fits and whose rules it keeps. */
static int
copy_text(struct conf_report *r, const struct conf_key *key,
    const struct conf_value *v, char *field, bool right)
{
	char expected[CONF_EXPECTED_LEN];
	const size_t len = strlen(v->text);

	if (!right || len >= key->size)
		return conf_report_error(r, v->where,
		    "%s \"%.64s\" %s, expected %s", key->name, v->text,
		    len >= key->size ? "is too long" : "is not valid",
		    conf_value_expected(key, expected));
	memcpy(field, v->text, len + 1);
	return 0;
}

static bool
is_made_of(const char *text, const char *chars)
{
	return *text != '\0' && text[strspn(text, chars)] == '\0';
}

static bool
is_name(const char *text)
{
	return is_made_of(text, NAME_CHARS);
}

static int
parse_name(struct conf_report *r, const struct conf_key *key,
    const struct conf_value *v, void *field)
{
	return copy_text(r, key, v, field, is_name(v->text));
}

static int
parse_path(struct conf_report *r, const struct conf_key *key,
    const struct conf_value *v, void *field)
{
	return copy_text(r, key, v, field, v->text[0] == '/');
}

/* Narrower than the kernel's rule: the name goes into rules unquoted. */
static int
parse_ifname(struct conf_report *r, const struct conf_key *key,
    const struct conf_value *v, void *field)
{
	return copy_text(r, key, v, field,
	    is_name(v->text) && v->text[0] != '-' &&
		strcmp(v->text, ".") != 0 && strcmp(v->text, "..") != 0);
}

static int
parse_text(struct conf_report *r, const struct conf_key *key,
    const struct conf_value *v, void *field)
{
	return copy_text(r, key, v, field, true);
}

static int
parse_letters(struct conf_report *r, const struct conf_key *key,
    const struct conf_value *v, void *field)
{
	return copy_text(r, key, v, field, is_made_of(v->text, LETTERS));
}

/* What would end the host's part of a URL is not in a name either. */
static int
parse_host(struct conf_report *r, const struct conf_key *key,
    const struct conf_value *v, void *field)
{
	return copy_text(r, key, v, field, is_name(v->text));
}

static int
parse_request(struct conf_report *r, const struct conf_key *key,
    const struct conf_value *v, void *field)
{
	return copy_text(r, key, v, field,
	    v->text[0] == '/' && strchr(v->text, ' ') == NULL);
}

int
conf_value_hex_digit(char c)
{
	static const char digits[] = "0123456789abcdef0123456789ABCDEF";
	const char *p = c == '\0' ? NULL : strchr(digits, c);

	return p == NULL ? -1 : (int)((p - digits) % 16);
}

/* The text is a secret, so the message does not repeat it. */
static int
parse_hex(struct conf_report *r, const struct conf_key *key,
    const struct conf_value *v, void *field)
{
	uint8_t *out = field;
	bool right = strlen(v->text) == 2 * key->size;
	int high, low;

	for (size_t i = 0; right && i < key->size; i++) {
		high = conf_value_hex_digit(v->text[2 * i]);
		low = conf_value_hex_digit(v->text[2 * i + 1]);
		right = high >= 0 && low >= 0;
		if (right)
			out[i] = (uint8_t)(high << 4 | low);
	}
	if (right)
		return 0;
	return conf_report_error(r, v->where,
	    "%s is not valid, expected %zu hexadecimal digits", key->name,
	    2 * key->size);
}

static int
parse_cores(struct conf_report *r, const struct conf_key *key,
    const struct conf_value *v, void *field)
{
	struct conf *conf = r->conf;
	const int count = num_parse_list(field, CONF_WORKERS, v->text);

	if (count == -ERANGE)
		return conf_report_error(r, v->where,
		    "%s \"%.64s\" is too many, expected at most %d", key->name,
		    v->text, CONF_WORKERS);
	if (count < 0)
		return conf_report_error(r, v->where,
		    "%s \"%.64s\" is no list of cores, expected numbers and "
		    "ascending ranges as in 0-1,3, below 1024, none twice",
		    key->name, v->text);
	conf->ncores = (uint32_t)count;
	return 0;
}

static const struct value_ops {
	unsigned int kinds; /* enum conf_kind bits that it takes */
	const char *expected;
	value_parse_fn *parse; /* NULL: conf_file.c's part */
	bool sized;            /* how long it may be is worth a word */
} ops[] = {
	[CONF_BOOL] = { KIND_BOOL, "true or false", parse_bool },
	[CONF_INT] = { KIND_INT, "an integer", parse_int },
	[CONF_DURATION] = { KIND_STRING,
	    "a duration as in \"500ms\", \"60s\", \"15m\", \"2h\" or \"1d\"",
	    parse_duration },
	[CONF_WORD] = { KIND_STRING, NULL, parse_word },
	[CONF_NAME] = { KIND_STRING,
	    "a name of 1-63 letters, digits, _, . or -", parse_name },
	[CONF_PATH] = { KIND_STRING, "an absolute path", parse_path, true },
	[CONF_IFNAME] = { KIND_STRING,
	    "an interface name of 1-15 letters, digits, _, . or -",
	    parse_ifname },
	[CONF_TEXT] = { KIND_STRING, "text", parse_text, true },
	[CONF_LETTERS] = { KIND_STRING, "a word of letters", parse_letters,
	    true },
	[CONF_HOST] = { KIND_STRING, "a host name", parse_host, true },
	[CONF_REQUEST] = { KIND_STRING, "text from a / on, without spaces,",
	    parse_request, true },
	[CONF_BYTES] = { KIND_STRING, "text for at most 255 bytes",
	    conf_value_bytes },
	[CONF_STATUSES] = { KIND_STRING | KIND_INT,
	    "status codes as in \"200-299,304\"", conf_value_statuses },
	[CONF_RECORD] = { KIND_STRING,
	    "\"A\", \"AAAA\", \"NS\", \"CNAME\", \"SOA\", \"PTR\", \"MX\", "
	    "\"TXT\" or \"SRV\"",
	    conf_value_record },
	[CONF_RCODE] = { KIND_STRING,
	    "\"NOERROR\", \"FORMERR\", \"SERVFAIL\", \"NXDOMAIN\", "
	    "\"NOTIMP\" or \"REFUSED\"",
	    conf_value_rcode },
	[CONF_HEX] = { KIND_STRING, "32 hexadecimal digits", parse_hex },
	[CONF_CORES] = { KIND_STRING, "cores as in \"0-1,3\"", parse_cores },
	[CONF_ADDRESS] = { KIND_STRING, "an IP address", conf_value_address },
	[CONF_UNICAST] = { KIND_STRING, "an IP address", conf_value_unicast },
	[CONF_ENDPOINT] = { KIND_STRING,
	    "an address and port as in \"127.0.0.1:9467\" or \"[::1]:9467\"",
	    conf_value_endpoint },
	[CONF_PREFIX] = { KIND_STRING, "a network as in \"10.0.0.0/24\"",
	    conf_value_prefix },
	[CONF_PORTS] = { KIND_STRING | KIND_INT,
	    "a port, a range as in \"8000-8099\", or \"any\"",
	    conf_value_ports },
	[CONF_GROUP] = { KIND_GROUP, "a group, { ... }", NULL },
	[CONF_LIST] = { KIND_LIST, "a list of groups, ( { ... }, ... )", NULL },
	[CONF_GROUPS] = { KIND_LIST | KIND_GROUP,
	    "a group, { ... }, or a list of groups", NULL },
};

/* The count of the words that are supported; prints them unless out is NULL. */
static unsigned int
print_words(const struct conf_key *key, unsigned int count, FILE *out)
{
	struct conf_word word;
	unsigned int n = 0;

	for (unsigned int i = 0; conf_schema_word(key, &word, i); i++) {
		if (word.planned)
			continue;
		if (out != NULL)
			fprintf(out, "%s\"%s\"",
			    n == 0             ? "" :
				n + 1 == count ? " or " :
						 ", ",
			    word.name);
		n++;
	}
	return n;
}

/* "a", "b" or "c" */
static void
list_words(const struct conf_key *key, char *text, size_t size)
{
	FILE *out = fmemopen(text, size, "w");

	if (out == NULL)
		return;
	print_words(key, print_words(key, 0, NULL), out);
	fclose(out);
}

const char *
conf_value_expected(const struct conf_key *key,
    char text[static CONF_EXPECTED_LEN])
{
	const char *expected = ops[key->type].expected;

	text[0] = '\0';
	if (key->type == CONF_WORD)
		list_words(key, text, CONF_EXPECTED_LEN);
	else if (key->type == CONF_INT)
		snprintf(text, CONF_EXPECTED_LEN, "%s, %u-%u", expected,
		    key->min, key->max);
	else if (key->array)
		snprintf(text, CONF_EXPECTED_LEN, "an array, each %s",
		    expected);
	else if (ops[key->type].sized)
		snprintf(text, CONF_EXPECTED_LEN, "%s of at most %zu bytes",
		    expected, key->size - 1);
	else
		snprintf(text, CONF_EXPECTED_LEN, "%s", expected);
	return text;
}

int
conf_value_check_kind(struct conf_report *r, const struct conf_key *key,
    const struct conf_value *v)
{
	static const struct {
		enum conf_kind kind;
		const char *name;
	} kinds[] = {
		{ KIND_INT, "an integer" },
		{ KIND_HEX, "a hexadecimal number" },
		{ KIND_FLOAT, "a fraction" },
		{ KIND_BOOL, "a boolean" },
		{ KIND_STRING, "a string" },
		{ KIND_GROUP, "a group" },
		{ KIND_ARRAY, "an array" },
		{ KIND_LIST, "a list" },
	};
	char expected[CONF_EXPECTED_LEN];
	size_t i = 0;

	if ((ops[key->type].kinds & v->kind) != 0)
		return 0;
	while (kinds[i].kind != v->kind)
		i++;
	return conf_report_error(r, v->where, "%s is %s, expected %s",
	    key->name, kinds[i].name, conf_value_expected(key, expected));
}

bool
conf_value_printable(const char *text)
{
	while ((unsigned char)*text >= ' ' && *text != 0x7f)
		text++;
	return *text == '\0';
}

int
conf_value_store_element(struct conf_report *r, const struct conf_key *key,
    const struct conf_value *v, void *field)
{
	if (conf_value_check_kind(r, key, v) != 0)
		return -EINVAL;
	if (v->kind == KIND_STRING && key->type != CONF_BYTES &&
	    !conf_value_printable(v->text))
		return conf_report_error(r, v->where,
		    "%s has a control character, expected printable text",
		    key->name);
	conf_report_place(r, field, v->where);
	return ops[key->type].parse(r, key, v, field);
}

int
conf_value_store(struct conf_report *r, const struct conf_key *key,
    const struct conf_value *v, void *base)
{
	return conf_value_store_element(r, key, v, (char *)base + key->offset);
}

/* A default that does not parse would be our own bug; a unit test looks. */
void
conf_value_preset(struct conf_report *r, const struct conf_key *key, void *base)
{
	struct conf_value v = {
		.where = { r->conf->file, 0 },
		.text = key->preset,
	};
	uint64_t number = 0;

	if (key->type == CONF_BOOL)
		number = strcmp(key->preset, "true") == 0;
	else if (key->type == CONF_INT &&
	    num_parse(&number, key->preset, key->min, key->max) != 0)
		v.text = "";
	v.number = (int64_t)number;
	ops[key->type].parse(r, key, &v, (char *)base + key->offset);
}
