/*
 * opts.h - the command line of the daemon.
 */
#ifndef LOADED_OPTS_H
#define LOADED_OPTS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum opts_action {
	OPTS_RUN,
	OPTS_CHECK,
	OPTS_PRINT_NFT,
	OPTS_PRINT_IPTABLES,
	OPTS_VERSION,
	OPTS_HELP,
};

struct opts {
	enum opts_action action;
	const char *file;      /* borrowed from argv, like all here */
	const char *user;      /* NULL: the config's */
	uint32_t queue_length; /* 0: the config's */
	int family;            /* AF_UNSPEC, AF_INET, AF_INET6 */
	bool foreground;
	bool failover;
};

/* 0, or -EINVAL and one line on errors. */
int opts_parse(struct opts *out, int argc, char **argv, FILE *errors);

void opts_print_help(FILE *out);

#endif
