/*
 * http_ca.c - the files with certificates to trust.  Run by the checker.  A
 * file that was once read stays: after the chroot there is no other way to it.
 * It is parsed once, as the system's takes longer than all the rest of a check;
 * what came of it is shared by all connections and never changed.
 */
#include "loaded/http_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
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
	X509_STORE *store;     /* owned; NULL: libcurl gets the blob */
	struct curl_blob blob; /* owned; with neither the file is no good */
};

typedef STACK_OF(X509_INFO) info_stack;

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

/*
 * Only the OpenSSL that we were built with knows what our store is; libcurl may
 * have been linked to another library since.
 */
static bool
curl_has_our_openssl(void)
{
	static const char ours[] =
	    "OpenSSL/" OPENSSL_MSTR(OPENSSL_VERSION_MAJOR) ".";
	const char *theirs = curl_version_info(CURLVERSION_NOW)->ssl_version;

	return theirs != NULL && strncmp(theirs, ours, strlen(ours)) == 0;
}

/* The keys and whatever else there is do not matter. */
static bool
add_certificates(X509_STORE *store, const info_stack *all)
{
	int i, count = 0;

	for (i = 0; i < sk_X509_INFO_num(all); i++) {
		X509 *certificate = sk_X509_INFO_value(all, i)->x509;

		if (certificate == NULL)
			continue;
		if (X509_STORE_add_cert(store, certificate) != 1)
			return false;
		count++;
	}
	return count > 0;
}

/* An intermediate will do as an anchor, as it does for libcurl. */
static bool
fill_store(X509_STORE *store, BIO *text)
{
	info_stack *all = PEM_X509_INFO_read_bio(text, NULL, NULL, NULL);
	bool good;

	good = all != NULL && add_certificates(store, all) &&
	    X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN) == 1;
	sk_X509_INFO_pop_free(all, X509_INFO_free);
	return good;
}

/* NULL: there is not one certificate, or one is broken. */
static X509_STORE *
parse(const struct curl_blob *blob)
{
	BIO *text = BIO_new_mem_buf(blob->data, (int)blob->len);
	X509_STORE *store = X509_STORE_new();

	if (text == NULL || store == NULL || !fill_store(store, text)) {
		X509_STORE_free(store);
		store = NULL;
	}
	BIO_free(text);
	/* Else libcurl might take them for errors of a connection. */
	ERR_clear_error();
	return store;
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
	X509_STORE_free(ca->store);
	free(ca->blob.data);
	free(ca);
}

static bool
load(struct http_ca *ca)
{
	if (!read_file(ca->path, &ca->blob))
		return false;
	if (!curl_has_our_openssl())
		return true;
	ca->store = parse(&ca->blob);
	free(ca->blob.data);
	ca->blob.data = NULL;
	return true;
}

static struct http_ca *
add(struct http_cas *cas, const char *file)
{
	const size_t len = strlen(file);
	struct http_ca *ca;

	if (len >= sizeof(ca->path))
		return NULL;
	ca = calloc(1, sizeof(*ca));
	if (ca == NULL)
		return NULL;
	memcpy(ca->path, file, len + 1);
	if (!load(ca)) {
		free_one(ca);
		return NULL;
	}
	LIST_INSERT_HEAD(cas, ca, entry);
	return ca;
}

int
http_ca_get(struct http_cas *cas, const char *path, const struct http_ca **out)
{
	const char *file = path[0] != '\0' ? path : SYSTEM_CA_FILE;
	const struct http_ca *ca = find(cas, file);

	*out = NULL;
	if (ca == NULL)
		ca = add(cas, file);
	if (ca == NULL)
		return -ENOENT;
	if (ca->store == NULL && ca->blob.data == NULL)
		return -EBADMSG;
	*out = ca;
	return 0;
}

/*
 * Not as the context's own store: libcurl before 8.3 (curl issue 11800) takes
 * what it finds there for its own, keeps it, and gives it to other checks.
 */
static CURLcode
give_store(CURL *easy, void *tls, void *store)
{
	(void)easy;
	return SSL_CTX_set1_verify_cert_store(tls, store) == 1 ?
	    CURLE_OK :
	    CURLE_OUT_OF_MEMORY;
}

/* Without the callback libcurl trusts nobody: it has no files of its own. */
bool
http_ca_trust(const struct http_ca *ca, CURL *easy)
{
	if (ca->store == NULL)
		return curl_easy_setopt(easy, CURLOPT_CAINFO_BLOB, &ca->blob) ==
		    CURLE_OK;
	return curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, give_store) ==
	    CURLE_OK &&
	    curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, ca->store) == CURLE_OK;
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
