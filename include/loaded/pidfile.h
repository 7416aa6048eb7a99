/*
 * pidfile.h - one daemon at a time: a locked file with the process id.
 */
#ifndef LOADED_PIDFILE_H
#define LOADED_PIDFILE_H

/*
 * Makes the file (and its directory) and locks it while the process lives.
 * The descriptor, or -errno; -EWOULDBLOCK: another process holds it.
 */
int pidfile_open(const char *path);

/* Writes the calling process's id. */
int pidfile_write(int fd);

void pidfile_remove(const char *path, int fd);

#endif
