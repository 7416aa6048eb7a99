/*
 * pidfile.c - the lock, not the file's being there, says that a daemon runs:
 * a file left behind by a killed one is no obstacle.
 */
#include "loaded/pidfile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static void
make_directory(const char *path)
{
	char dir[PATH_MAX];
	const char *slash = strrchr(path, '/');

	if (slash == NULL || slash == path)
		return;
	snprintf(dir, sizeof(dir), "%.*s", (int)(slash - path), path);
	/* If it can't be made, open() says why. */
	(void)mkdir(dir, 0755);
}

int
pidfile_open(const char *path)
{
	int fd, error;

	make_directory(path);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		error = errno;
		close(fd);
		return -error;
	}
	return fd;
}

int
pidfile_write(int fd)
{
	if (ftruncate(fd, 0) < 0 || dprintf(fd, "%d\n", (int)getpid()) < 0)
		return -errno;
	return 0;
}

void
pidfile_remove(const char *path, int fd)
{
	unlink(path);
	close(fd);
}
