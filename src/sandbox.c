/*
 * sandbox.c - from root to a user in an empty chroot with one capability.
 * Run once by each child, before it reads a byte from outside, and in part by
 * the supervisor.  No step may fail softly; the end is tried, not assumed.
 */
#include "loaded/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define ARRAY_LEN(a) ((int)(sizeof(a) / sizeof((a)[0])))

static int
fail(char *error, int code, const char *what, const char *name)
{
	snprintf(error, SANDBOX_ERROR_LEN, "%s%s%s%s%s", what,
	    name[0] != '\0' ? " " : "", name, code > 0 ? ": " : "",
	    code > 0 ? strerror(code) : "");
	return code > 0 ? -code : -EINVAL;
}

/* Every directory of the path that is missing, as mkdir -p. */
static int
make_directories(const char *path)
{
	char part[PATH_MAX];
	size_t i;

	for (i = 1; path[i - 1] != '\0' && i < sizeof(part); i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		memcpy(part, path, i);
		part[i] = '\0';
		if (mkdir(part, 0755) < 0 && errno != EEXIST)
			return -1;
	}
	return 0;
}

static int
prepare_chroot(const char *path, char *error)
{
	struct stat st;

	if (stat(path, &st) < 0) {
		if (errno != ENOENT || make_directories(path) < 0 ||
		    stat(path, &st) < 0)
			return fail(error, errno, "cannot use chroot", path);
	}
	if (!S_ISDIR(st.st_mode))
		return fail(error, 0, "chroot is not a directory:", path);
	if (st.st_uid != 0 || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return fail(error, 0,
		    "chroot must belong to root and be "
		    "writable by nobody else:",
		    path);
	return 0;
}

int
sandbox_prepare(struct sandbox *sb, const char *user, const char *group,
    const char *chroot, char error[static SANDBOX_ERROR_LEN])
{
	const struct passwd *pw = getpwnam(user);
	const struct group *gr = getgrnam(group);

	*sb = (struct sandbox){ .chroot = chroot };
	if (pw == NULL)
		return fail(error, 0, "no such user:", user);
	if (gr == NULL && group[0] != '\0')
		return fail(error, 0, "no such group:", group);
	sb->uid = pw->pw_uid;
	sb->gid = gr != NULL ? gr->gr_gid : pw->pw_gid;
	if (sb->uid == 0 || sb->gid == 0)
		return fail(error, 0,
		    "user and group must not be root's:", user);
	return prepare_chroot(chroot, error);
}

/* Exactly these capabilities, none of them inheritable. */
static int
set_caps(const cap_value_t *values, int count)
{
	cap_t caps = cap_init();
	int result = -1;

	if (caps == NULL)
		return -1;
	if (count == 0 ||
	    (cap_set_flag(caps, CAP_PERMITTED, count, values, CAP_SET) == 0 &&
		cap_set_flag(caps, CAP_EFFECTIVE, count, values, CAP_SET) == 0))
		result = cap_set_proc(caps);
	cap_free(caps);
	return result;
}

/* What is not in the bounding set cannot come back by exec. */
static int
drop_bounding(const cap_value_t *keep, int count)
{
	cap_value_t cap;
	int i;

	for (cap = 0; cap_get_bound(cap) >= 0; cap++) {
		for (i = 0; i < count && keep[i] != cap; i++)
			continue;
		if (i == count && cap_drop_bound(cap) < 0)
			return -1;
	}
	return 0;
}

static int
drop_ids(const struct sandbox *sb, char *error)
{
	if (setgroups(0, NULL) < 0)
		return fail(error, errno, "cannot drop groups", "");
	if (setresgid(sb->gid, sb->gid, sb->gid) < 0)
		return fail(error, errno, "cannot change group", "");
	/* Else the change of user would clear all capabilities. */
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return fail(error, errno, "cannot keep capabilities", "");
	if (setresuid(sb->uid, sb->uid, sb->uid) < 0)
		return fail(error, errno, "cannot change user", "");
	return 0;
}

static int
drop_caps(const struct sandbox *sb, char *error)
{
	const cap_value_t net_admin = CAP_NET_ADMIN;

	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return fail(error, errno, "cannot clear ambient set", "");
	if (set_caps(&net_admin, sb->net_admin) < 0)
		return fail(error, errno, "cannot drop capabilities", "");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return fail(error, errno, "cannot set no_new_privs", "");
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return fail(error, errno, "cannot forbid core dumps", "");
	return 0;
}

/* Each capability: present when it is the one to keep, else absent. */
static bool
caps_are(const struct sandbox *sb)
{
	const cap_flag_t flags[] = { CAP_PERMITTED, CAP_EFFECTIVE,
		CAP_INHERITABLE };
	cap_flag_value_t value, want;
	cap_t caps = cap_get_proc();
	bool good = caps != NULL;
	cap_value_t cap;
	int i;

	for (cap = 0; good && cap_get_bound(cap) >= 0; cap++) {
		good = cap_get_bound(cap) == 0;
		for (i = 0; good && i < ARRAY_LEN(flags); i++) {
			want = cap == CAP_NET_ADMIN && sb->net_admin &&
			    flags[i] != CAP_INHERITABLE;
			good = cap_get_flag(caps, cap, flags[i], &value) == 0 &&
			    value == want;
		}
	}
	cap_free(caps);
	return good;
}

static bool
user_is_dropped(const struct sandbox *sb)
{
	uid_t ruid, euid, suid;

	return getresuid(&ruid, &euid, &suid) == 0 && ruid == sb->uid &&
	    euid == sb->uid && suid == sb->uid && setuid(0) < 0;
}

static bool
group_is_dropped(const struct sandbox *sb)
{
	gid_t rgid, egid, sgid;

	return getresgid(&rgid, &egid, &sgid) == 0 && rgid == sb->gid &&
	    egid == sb->gid && sgid == sb->gid && setgid(0) < 0 &&
	    getgroups(0, NULL) == 0;
}

static bool
files_are_gone(void)
{
	const int fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);

	if (fd >= 0)
		close(fd);
	return fd < 0;
}

/* Ways back that must be shut. */
static int
prove(const struct sandbox *sb, char *error)
{
	const char *left = NULL;

	if (!user_is_dropped(sb))
		left = "user is not dropped";
	else if (!group_is_dropped(sb))
		left = "group is not dropped";
	else if (!caps_are(sb))
		left = "capabilities are left";
	else if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		left = "no_new_privs is off";
	else if (!files_are_gone())
		left = "chroot has /etc/passwd";
	if (left != NULL)
		return fail(error, 0,
		    "proof of dropped privileges failed:", left);
	return 0;
}

int
sandbox_enter(const struct sandbox *sb, char error[static SANDBOX_ERROR_LEN])
{
	int code;

	if (chroot(sb->chroot) < 0 || chdir("/") < 0)
		return fail(error, errno, "cannot chroot to", sb->chroot);
	/* While CAP_SETPCAP is still there. */
	if (drop_bounding(NULL, 0) < 0)
		return fail(error, errno, "cannot empty the bounding set", "");
	code = drop_ids(sb, error);
	if (code == 0)
		code = drop_caps(sb, error);
	if (code == 0)
		code = prove(sb, error);
	return code;
}

int
sandbox_limit_supervisor(char error[static SANDBOX_ERROR_LEN])
{
	static const cap_value_t keep[] = {
		CAP_NET_ADMIN, /* queues and policy routes */
		CAP_KILL,      /* signals to children of another user */
		CAP_SETUID,
		CAP_SETGID,
		CAP_SYS_CHROOT,
		CAP_SETPCAP,
	};

	if (drop_bounding(keep, ARRAY_LEN(keep)) < 0 ||
	    set_caps(keep, ARRAY_LEN(keep)) < 0)
		return fail(error, errno, "cannot limit the supervisor", "");
	return 0;
}
