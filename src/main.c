/*
 * main.c - from the command line to the thing asked for.  Exit status: 0 done,
 * 1 the start or the run failed, 2 bad usage or a bad configuration.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "loaded/conf.h"
#include "loaded/cores.h"
#include "loaded/log.h"
#include "loaded/opts.h"
#include "loaded/rules.h"
#include "loaded/supervisor.h"

#define EXIT_USAGE 2

/* What the command line says goes before what the file says. */
static void
override(struct conf *conf, const struct opts *opts)
{
	if (opts->user != NULL)
		snprintf(conf->user, sizeof(conf->user), "%s", opts->user);
	if (opts->queue_length != 0)
		conf->queue_length = opts->queue_length;
	if (opts->failover)
		conf->failover.enabled = true;
	if (opts->family != AF_UNSPEC)
		conf_keep_family(conf, opts->family);
	if (opts->foreground && conf->log_target == LOG_TARGET_SYSLOG)
		conf->log_target = LOG_TARGET_STDERR;
}

static int
print_rules(const struct conf *conf, enum opts_action action)
{
	const int error = action == OPTS_PRINT_NFT ?
	    rules_print_nft(stdout, conf) :
	    rules_print_iptables(stdout, conf);

	if (error != 0 || fflush(stdout) != 0) {
		fprintf(stderr, "loaded: cannot print the rules\n");
		return EXIT_FAILURE;
	}
	return EXIT_SUCCESS;
}

static int
run(struct conf *conf, const struct opts *opts)
{
	uint16_t missing;

	log_open(conf->log_target, conf->log_level, true);
	if (cores_resolve(conf, &missing) != 0) {
		log_err("core %u is not one of this machine", missing);
		return EXIT_FAILURE;
	}
	return supervisor_run(conf, opts->foreground);
}

static int
with_conf(const struct opts *opts)
{
	struct conf *conf;
	uint16_t missing;
	int status = EXIT_SUCCESS;

	if (conf_load(&conf, opts->file, stderr) != 0)
		return EXIT_USAGE;
	override(conf, opts);
	switch (opts->action) {
	case OPTS_RUN:
		status = run(conf, opts);
		break;
	case OPTS_CHECK:
		printf("%s: configuration is good\n", opts->file);
		break;
	case OPTS_PRINT_NFT:
	case OPTS_PRINT_IPTABLES:
		(void)cores_resolve(conf, &missing);
		status = print_rules(conf, opts->action);
		break;
	case OPTS_VERSION:
	case OPTS_HELP:
		break;
	}
	conf_free(conf);
	return status;
}

int
main(int argc, char **argv)
{
	struct opts opts;

	if (opts_parse(&opts, argc, argv, stderr) != 0)
		return EXIT_USAGE;
	switch (opts.action) {
	case OPTS_HELP:
		opts_print_help(stdout);
		return EXIT_SUCCESS;
	case OPTS_VERSION:
		printf("loaded " LOADED_VERSION "\n");
		return EXIT_SUCCESS;
	case OPTS_RUN:
	case OPTS_CHECK:
	case OPTS_PRINT_NFT:
	case OPTS_PRINT_IPTABLES:
		break;
	}
	return with_conf(&opts);
}
