/*
 * sandbox.h - giving up privileges, for good, and proving it.
 */
#ifndef LOADED_SANDBOX_H
#define LOADED_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define SANDBOX_ERROR_LEN 256

/* Looked up while /etc can still be read. */
struct sandbox {
	uid_t uid;
	gid_t gid;
	const char *chroot; /* borrowed */
	bool net_admin;     /* keep CAP_NET_ADMIN */
};

/*
 * Finds the user (never root) and the group ("": the user's own), and makes
 * sure that the chroot is an empty place nobody else can write to; made if
 * missing.  0, or -EINVAL and a message.
 */
int sandbox_prepare(struct sandbox *sb, const char *user, const char *group,
    const char *chroot, char error[static SANDBOX_ERROR_LEN]);

/*
 * Chroot, groups, ids, capabilities, no_new_privs; then tries to get back.
 * 0, or -errno and the message of the step that failed: the caller must end.
 */
int sandbox_enter(const struct sandbox *sb,
    char error[static SANDBOX_ERROR_LEN]);

/* The supervisor stays root, with only what it needs to run its children. */
int sandbox_limit_supervisor(char error[static SANDBOX_ERROR_LEN]);

#endif
