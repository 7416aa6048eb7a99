/*
 * http_ca.c - the files with certificates to trust.  Run by the checker.  A
 * file that was once read stays: after the chroot there is no other way to it.
 */
#include "loaded/http_impl.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Of Debian's ca-certificates, and of those who follow it. */
#define SYSTEM_CA_FILE "/etc/ssl/certs/ca-certificates.crt"
#define CA_FILE_MAX (8 << 20)

struct http_ca {
	LIST_ENTRY(http_ca) entry;
	char path[CHECK_PATH_LEN];
	struct curl_blob blob; /* owned */
};

/* All of an open file, or false: it is not one, too long, or unreadable. */
static bool
read_all(int fd, struct curl_blob *blob)
{
	struct stat st;
	size_t size, used = 0;
	ssize_t n;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size <= 0 ||
	    st.st_size > CA_FILE_MAX)
		return false;
	size = (size_t)st.st_size;
	blob->data = malloc(size);
	if (blob->data == NULL)
		return false;
	do {
		n = read(fd, (char *)blob->data + used, size - used);
		if (n > 0)
			used += (size_t)n;
	} while (n > 0 && used < size);
	blob->len = used;
	/* It is never changed, and outlives all transfers. */
	blob->flags = CURL_BLOB_NOCOPY;
	return used == size;
}

static bool
read_file(const char *path, struct curl_blob *blob)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	bool good;

	if (fd < 0)
		return false;
	good = read_all(fd, blob);
	close(fd);
	return good;
}

static struct http_ca *
find(const struct http_cas *cas, const char *path)
{
	struct http_ca *ca;

	LIST_FOREACH(ca, cas, entry) {
		if (strcmp(ca->path, path) == 0)
			break;
	}
	return ca;
}

static void
free_one(struct http_ca *ca)
{
	free(ca->blob.data);
	free(ca);
}

const struct curl_blob *
http_ca_get(struct http_cas *cas, const char *path)
{
	const char *file = path[0] != '\0' ? path : SYSTEM_CA_FILE;
	const size_t len = strlen(file);
	struct http_ca *ca = find(cas, file);

	if (ca != NULL)
		return &ca->blob;
	if (len >= sizeof(ca->path))
		return NULL;
	ca = calloc(1, sizeof(*ca));
	if (ca == NULL)
		return NULL;
	memcpy(ca->path, file, len + 1);
	if (!read_file(file, &ca->blob)) {
		free_one(ca);
		return NULL;
	}
	LIST_INSERT_HEAD(cas, ca, entry);
	return &ca->blob;
}

void
http_ca_free(struct http_cas *cas)
{
	struct http_ca *ca;

	while ((ca = LIST_FIRST(cas)) != NULL) {
		LIST_REMOVE(ca, entry);
		free_one(ca);
	}
}
