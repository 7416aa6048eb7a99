/*
 * opts.c - argv to struct opts.  One table has every option with its help;
 * getopt's own tables and the help text are made from it.
 */
#include "loaded/opts.h"

#include <errno.h>
#include <getopt.h>
#include <string.h>
#include <sys/socket.h>

#include "loaded/nfq.h"
#include "loaded/num.h"

struct opts_entry {
	char letter;
	const char *name;
	const char *argument; /* NULL: none */
	const char *help;
};

static const struct opts_entry entries[] = {
	{ 'c', "config", "FILE", "configuration file (required)" },
	{ 'n', "check", NULL, "check the configuration and exit" },
	{ 'p', "print-rules", "nft|iptables",
	    "print the firewall rules for the configuration and exit" },
	{ 'f', "failover", NULL, "turn failover on" },
	{ '4', "ipv4", NULL, "IPv4 only" },
	{ '6', "ipv6", NULL, "IPv6 only" },
	{ 'D', "foreground", NULL, "stay in the foreground, log to stderr" },
	{ 'U', "user", "USER", "run as USER instead of the file's" },
	{ 'Q', "queue-length", "PACKETS",
	    "length of each kernel queue (1-65535) instead of the file's" },
	{ 'V', "version", NULL, "print the version and exit" },
	{ 'h', "help", NULL, "print this and exit" },
};

#define NENTRIES (sizeof(entries) / sizeof(entries[0]))

void
opts_print_help(FILE *out)
{
	char left[40];
	size_t i;

	fprintf(out, "usage: loaded -c FILE [options]\n\n");
	for (i = 0; i < NENTRIES; i++) {
		snprintf(left, sizeof(left), "-%c, --%s%s%s", entries[i].letter,
		    entries[i].name, entries[i].argument != NULL ? " " : "",
		    entries[i].argument != NULL ? entries[i].argument : "");
		fprintf(out, "  %-32s %s\n", left, entries[i].help);
	}
}

static void
make_getopt_tables(char *letters, struct option *names)
{
	size_t i;

	/* A ':' first: we say ourselves what is wrong. */
	*letters++ = ':';
	for (i = 0; i < NENTRIES; i++) {
		*letters++ = entries[i].letter;
		if (entries[i].argument != NULL)
			*letters++ = ':';
		names[i] = (struct option){
			.name = entries[i].name,
			.has_arg = entries[i].argument != NULL,
			.val = entries[i].letter,
		};
	}
	*letters = '\0';
	names[i] = (struct option){ .name = NULL };
}

static int
set_rules(struct opts *o, const char *format)
{
	if (strcmp(format, "nft") == 0)
		o->action = OPTS_PRINT_NFT;
	else if (strcmp(format, "iptables") == 0)
		o->action = OPTS_PRINT_IPTABLES;
	else
		return -EINVAL;
	return 0;
}

static int
set_queue_length(struct opts *o, const char *text)
{
	uint64_t length;

	if (num_parse(&length, text, 1, NFQ_LENGTH_MAX) != 0)
		return -EINVAL;
	o->queue_length = (uint32_t)length;
	return 0;
}

/* -4 and -6 together are both families, as without them. */
static void
add_family(struct opts *o, int family)
{
	const int other = family == AF_INET ? AF_INET6 : AF_INET;

	o->family = o->family == other ? AF_UNSPEC : family;
}

static void
set_switch(struct opts *o, int letter)
{
	switch (letter) {
	case 'n':
		o->action = OPTS_CHECK;
		break;
	case 'f':
		o->failover = true;
		break;
	case '4':
		add_family(o, AF_INET);
		break;
	case '6':
		add_family(o, AF_INET6);
		break;
	case 'D':
		o->foreground = true;
		break;
	case 'V':
		o->action = OPTS_VERSION;
		break;
	case 'h':
		o->action = OPTS_HELP;
		break;
	}
}

static int
set_option(struct opts *o, int letter, const char *argument)
{
	switch (letter) {
	case 'c':
		o->file = argument;
		return 0;
	case 'p':
		return set_rules(o, argument);
	case 'U':
		o->user = argument;
		return 0;
	case 'Q':
		return set_queue_length(o, argument);
	default:
		set_switch(o, letter);
		return 0;
	}
}

static int
complain(FILE *errors, int letter, const char *word)
{
	const char *expected = NULL;
	size_t i;

	for (i = 0; i < NENTRIES; i++)
		if (entries[i].letter == letter)
			expected = entries[i].argument;
	if (expected == NULL)
		fprintf(errors, "loaded: unknown option %s (try -h)\n", word);
	else
		fprintf(errors, "loaded: bad argument of -%c, expected %s\n",
		    letter, expected);
	return -EINVAL;
}

int
opts_parse(struct opts *out, int argc, char **argv, FILE *errors)
{
	char letters[2 * NENTRIES + 2];
	struct option names[NENTRIES + 1];
	int letter;

	*out = (struct opts){ .family = AF_UNSPEC };
	make_getopt_tables(letters, names);
	while ((letter = getopt_long(argc, argv, letters, names, NULL)) != -1) {
		if (letter == ':')
			return complain(errors, optopt, argv[optind - 1]);
		if (letter == '?')
			return complain(errors, 0, argv[optind - 1]);
		if (set_option(out, letter, optarg) != 0)
			return complain(errors, letter, argv[optind - 1]);
	}
	if (optind < argc) {
		fprintf(errors, "loaded: unexpected argument %s (try -h)\n",
		    argv[optind]);
		return -EINVAL;
	}
	if (out->file == NULL && out->action != OPTS_HELP &&
	    out->action != OPTS_VERSION) {
		fprintf(errors,
		    "loaded: no configuration file, expected "
		    "-c FILE (try -h)\n");
		return -EINVAL;
	}
	return 0;
}
