/*
 * http_transfer.c - one request as libcurl wants to hear it.  Run by the
 * checker.  What the backend may make us keep is bounded here: HTTP_BODY_MAX
 * and HTTP_HEADERS_MAX.
 */
#include "loaded/http_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PORT_STRLEN sizeof(":65535")
#define HOST_STRLEN (CHECK_TEXT_LEN + 2) /* in brackets */
#define URL_STRLEN                                                             \
	(sizeof("https://") + HOST_STRLEN + PORT_STRLEN + CHECK_TEXT_LEN)

/* The same for every request. */
static const struct {
	CURLoption option;
	long value;
} numbers[] = {
	{ CURLOPT_NOSIGNAL, 1 },
	{ CURLOPT_FOLLOWLOCATION, 0 },
	{ CURLOPT_FRESH_CONNECT, 1 },
	{ CURLOPT_FORBID_REUSE, 1 },
	{ CURLOPT_SSL_SESSIONID_CACHE, 0 },
	{ CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1 },
	{ CURLOPT_HTTP09_ALLOWED, 0 },
	{ CURLOPT_PATH_AS_IS, 1 },
	{ CURLOPT_DISALLOW_USERNAME_IN_URL, 1 },
};

static const struct {
	CURLoption option;
	const char *value;
} strings[] = {
	{ CURLOPT_PROTOCOLS_STR, "http,https" },
	{ CURLOPT_PROXY, "" }, /* not even one from the environment */
	{ CURLOPT_USERAGENT, "loaded" },
	/* There are no files in the chroot; CAs come from memory. */
	{ CURLOPT_CAINFO, NULL },
	{ CURLOPT_CAPATH, NULL },
};

static bool
set_number(CURL *easy, CURLoption option, long value)
{
	return curl_easy_setopt(easy, option, value) == CURLE_OK;
}

static bool
set_string(CURL *easy, CURLoption option, const char *value)
{
	return curl_easy_setopt(easy, option, value) == CURLE_OK;
}

static bool
set_pointer(CURL *easy, CURLoption option, void *value)
{
	return curl_easy_setopt(easy, option, value) == CURLE_OK;
}

static bool
set_fixed(CURL *easy)
{
	bool good = true;
	size_t i;

	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		good &= set_number(easy, numbers[i].option, numbers[i].value);
	for (i = 0; i < sizeof(strings) / sizeof(strings[0]); i++)
		good &= set_string(easy, strings[i].option, strings[i].value);
	return good;
}

/* An IPv6 address stands in brackets, in a URL and for CONNECT_TO. */
static void
bracket(char out[static HOST_STRLEN], const char *host)
{
	const bool v6 = strchr(host, ':') != NULL && host[0] != '[';

	snprintf(out, HOST_STRLEN, "%s%s%s", v6 ? "[" : "", host,
	    v6 ? "]" : "");
}

/*
 * The URL names the host, which is what Host:, SNI and the certificate's name
 * are made from; the connection goes to the backend whatever that is.
 */
static bool
set_target(struct http_transfer *t)
{
	const struct http_request *r = &t->request;
	const struct check *check = r->check;
	char text[ADDR_STRLEN], address[HOST_STRLEN], host[HOST_STRLEN];
	char url[URL_STRLEN], to[HOST_STRLEN + PORT_STRLEN + 2];

	bracket(address, addr_format(&r->addr, text));
	bracket(host, check->host[0] != '\0' ? check->host : text);
	snprintf(url, sizeof(url), "%s://%s:%u%s",
	    check->type == CHECK_HTTPS ? "https" : "http", host, r->port,
	    check->path);
	snprintf(to, sizeof(to), "::%s:%u", address, r->port);
	t->connect_to = curl_slist_append(NULL, to);
	return t->connect_to != NULL && set_string(t->easy, CURLOPT_URL, url) &&
	    set_pointer(t->easy, CURLOPT_CONNECT_TO, t->connect_to);
}

static bool
set_request(struct http_transfer *t, struct curl_slist *headers)
{
	const struct http_request *r = &t->request;
	const struct check *check = r->check;
	CURL *easy = t->easy;
	bool good = true;

	/* Of HEAD libcurl must know, else it waits for a body. */
	if (strcmp(check->method, "HEAD") == 0)
		good &= set_number(easy, CURLOPT_NOBODY, 1);
	else if (check->method[0] != '\0')
		good &= set_string(easy, CURLOPT_CUSTOMREQUEST, check->method);
	if (addr_is_link_local(&r->addr))
		good &= set_number(easy, CURLOPT_ADDRESS_SCOPE, (long)r->scope);
	return good && set_pointer(easy, CURLOPT_HTTPHEADER, headers) &&
	    set_number(easy, CURLOPT_TIMEOUT_MS, (long)check->timeout_ms);
}

static bool
set_trust(CURL *easy, const struct http_ca *ca)
{
	if (ca == NULL)
		return set_number(easy, CURLOPT_SSL_VERIFYPEER, 0) &&
		    set_number(easy, CURLOPT_SSL_VERIFYHOST, 0);
	return set_number(easy, CURLOPT_SSL_VERIFYPEER, 1) &&
	    set_number(easy, CURLOPT_SSL_VERIFYHOST, 2) &&
	    http_ca_trust(ca, easy);
}

/* libcurl closes it. */
static curl_socket_t
open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct http_transfer *t = arg;
	int fd = t->request.fd;

	(void)purpose;
	if (fd >= 0) {
		t->request.fd = -1;
		return fd;
	}
	fd = socket(address->family,
	    address->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK,
	    address->protocol);
	if (fd >= 0)
		return fd;
	t->socket_error = errno;
	return CURL_SOCKET_BAD;
}

/* Less than size ends the transfer. */
static size_t
take_header(char *data, size_t size, size_t count, void *arg)
{
	struct http_transfer *t = arg;
	const size_t len = size * count;

	(void)data;
	t->header_len += len;
	return t->header_len <= HTTP_HEADERS_MAX ? len : 0;
}

static size_t
take_body(char *data, size_t size, size_t count, void *arg)
{
	struct http_transfer *t = arg;
	const size_t len = size * count;
	size_t room;

	if (t->body == NULL)
		t->body = malloc(HTTP_BODY_MAX);
	if (t->body == NULL)
		return 0;
	room = HTTP_BODY_MAX - t->body_len;
	t->cut = len > room;
	memcpy(t->body + t->body_len, data, t->cut ? room : len);
	t->body_len += t->cut ? room : len;
	return t->cut ? 0 : len;
}

static bool
set_callbacks(struct http_transfer *t)
{
	CURL *easy = t->easy;

	return curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION,
		   open_socket) == CURLE_OK &&
	    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header) ==
	    CURLE_OK &&
	    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body) ==
	    CURLE_OK &&
	    set_pointer(easy, CURLOPT_OPENSOCKETDATA, t) &&
	    set_pointer(easy, CURLOPT_HEADERDATA, t) &&
	    set_pointer(easy, CURLOPT_WRITEDATA, t) &&
	    set_pointer(easy, CURLOPT_PRIVATE, t) &&
	    set_pointer(easy, CURLOPT_ERRORBUFFER, t->error);
}

int
http_transfer_open(struct http_transfer *t, struct curl_slist *headers,
    const struct http_ca *ca)
{
	t->easy = curl_easy_init();
	if (t->easy == NULL)
		return -ENOMEM;
	if (!set_fixed(t->easy) || !set_callbacks(t) || !set_target(t) ||
	    !set_request(t, headers) || !set_trust(t->easy, ca))
		return -ENOMEM;
	return 0;
}

void
http_transfer_close(struct http_transfer *t)
{
	if (t->easy != NULL)
		curl_easy_cleanup(t->easy);
	curl_slist_free_all(t->connect_to);
	if (t->request.fd >= 0)
		close(t->request.fd);
	free(t->body);
	t->easy = NULL;
	t->connect_to = NULL;
	t->request.fd = -1;
	t->body = NULL;
}
