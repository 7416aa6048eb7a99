/*
 * daemon.c - a pipe keeps the starting shell waiting until the daemon is at
 * work; until then errors go to the shell's stderr, and the exit status of a
 * failed start becomes that of the command.
 */
#include "loaded/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* The daemon's word, or its death: what the shell gets as exit status. */
static int
wait_for_outcome(pid_t daemon, int ready_fd)
{
	char byte;
	int status;
	ssize_t n;

	do {
		n = read(ready_fd, &byte, 1);
	} while (n < 0 && errno == EINTR);
	if (n == 1)
		return EXIT_SUCCESS;
	if (waitpid(daemon, &status, 0) == daemon && WIFEXITED(status))
		return WEXITSTATUS(status);
	return EXIT_FAILURE;
}

int
daemon_start(int *ready_fd)
{
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid > 0) {
		close(fds[1]);
		_exit(wait_for_outcome(pid, fds[0]));
	}
	close(fds[0]);
	*ready_fd = fds[1];
	umask(022);
	if (setsid() < 0 || chdir("/") < 0)
		return -errno;
	return 0;
}

int
daemon_ready(int ready_fd, bool keep_stderr)
{
	const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int fd;

	if (null < 0)
		return -errno;
	for (fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if ((fd != STDERR_FILENO || !keep_stderr) && dup2(null, fd) < 0)
			return -errno;
	close(null);
	if (write(ready_fd, "", 1) != 1)
		return -errno;
	close(ready_fd);
	return 0;
}
