/*
 * conf_schema.h - the one table of what a config file may say.  The reader,
 * the messages and the test of the man page all follow it.
 */
#ifndef LOADED_CONF_SCHEMA_H
#define LOADED_CONF_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How a value is written and what it is stored as; conf_value.c. */
enum conf_type {
	CONF_BOOL,     /* bool */
	CONF_INT,      /* uint8_t, uint16_t or uint32_t; min to max */
	CONF_DURATION, /* uint32_t, milliseconds */
	CONF_WORD,     /* uint8_t or bool, one of words */
	CONF_NAME,     /* char[] */
	CONF_PATH,     /* char[], absolute */
	CONF_IFNAME,   /* char[] */
	CONF_TEXT,     /* char[] */
	CONF_LETTERS,  /* char[] */
	CONF_HOST,     /* char[] */
	CONF_REQUEST,  /* char[], the path of a URL */
	CONF_BYTES,    /* struct check_bytes */
	CONF_STATUSES, /* struct check_statuses */
	CONF_RECORD,   /* uint16_t */
	CONF_RCODE,    /* uint8_t */
	CONF_HEX,      /* uint8_t[] */
	CONF_CORES,    /* uint16_t[] and a count */
	CONF_ADDRESS,  /* struct addr */
	CONF_UNICAST,  /* struct addr that one host can have */
	CONF_ENDPOINT, /* struct conf_endpoint */
	CONF_PREFIX,   /* struct prefix */
	CONF_PORTS,    /* struct conf_ports */
	CONF_GROUP,    /* the keys of section, at offset */
	CONF_LIST,     /* groups: an owned array of structs and a count */
	CONF_GROUPS,   /* the same, or one group alone */
};

struct conf_word {
	const char *name;
	uint8_t value;
	bool planned; /* known, but refused for now */
};

struct conf_key {
	const char *name;
	const char *help; /* one line of why */
	enum conf_type type;
	bool required;      /* in its group, if that is there */
	bool array;         /* an owned array of the type and a count */
	const char *preset; /* the default as text; NULL: all zero */
	uint32_t min, max;  /* CONF_INT: value; arrays, lists: count;
			       CONF_DURATION: milliseconds, no max */
	size_t offset;      /* of the field in the section's struct */
	size_t size;        /* of the field, or of one array element */
	size_t count;       /* offset of the uint32_t count */
	size_t given;       /* offset of a bool set if given; 0: none */
	const struct conf_word *words;      /* NULL: the names of sched.h */
	const struct conf_section *section; /* of groups and lists */
	const char *planned; /* what does not happen yet, or NULL */
};

struct conf_section {
	const char *name;
	const struct conf_key *keys;
	size_t nkeys;
};

/* The top level of the file; the other sections hang below it. */
const struct conf_section *conf_schema(void);

/* The words of a CONF_WORD by number; false behind the last. */
bool conf_schema_word(const struct conf_key *key, struct conf_word *out,
    unsigned int number);

#endif
