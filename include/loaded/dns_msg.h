/*
 * dns_msg.h - one question to a DNS server and the judgement of its answer
 * (RFC 1035), on top of libresolv's parser.  Pure.
 */
#ifndef LOADED_DNS_MSG_H
#define LOADED_DNS_MSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loaded/check.h"

#define DNS_MSG_MAX 4096 /* bytes of an answer that are read */
#define DNS_MSG_QUERY_MAX 300
#define DNS_MSG_TEXT_LEN 160

enum dns_msg_result {
	DNS_MSG_OK,
	DNS_MSG_MALFORMED,
	DNS_MSG_NOT_OURS, /* other id or question: wait on */
	DNS_MSG_BAD_RCODE,
	DNS_MSG_BAD_ANSWER, /* the answer expected is not there */
};

/* Bytes written, or 0 when name is no domain name.  Recursion is desired. */
size_t dns_msg_query(uint8_t out[static DNS_MSG_QUERY_MAX], uint16_t id,
    const char *name, uint16_t record);

/*
 * check: name, record, rcode, answer (compared with the data of each record of
 * the type asked for: addresses as addresses, names without case or final
 * dot, TXT as text; others not supported).  text: what was found and what was
 * expected, "" if OK.
 */
enum dns_msg_result dns_msg_judge(const uint8_t *data, size_t len, uint16_t id,
    const struct check *check, char text[static DNS_MSG_TEXT_LEN]);

/* "A" to 1 and back; 0 resp. NULL for none that can be asked for. */
uint16_t dns_msg_record(const char *name);
const char *dns_msg_record_name(uint16_t record);

/* "NOERROR" to 0 and back; -1 resp. NULL. */
int dns_msg_rcode(const char *name);
const char *dns_msg_rcode_name(uint8_t rcode);

#endif
