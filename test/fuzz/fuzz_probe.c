/*
 * fuzz_probe.c - hostile answers to probes.  The first byte says of which
 * kind, the rest is the answer.  Beside not crashing: what is said to people
 * can be printed, what is taken for an answer is one, and what is refused has
 * no effect.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "loaded/agent_line.h"
#include "loaded/csum.h"
#include "loaded/dns_msg.h"
#include "loaded/expect.h"
#include "loaded/icmp_echo.h"
#include "loaded/share.h"

#define DNS_ID 0xbeef

enum kind { KIND_ICMP4, KIND_ICMP6, KIND_DNS, KIND_AGENT, KIND_EXPECT, KINDS };

static void
require(bool truth)
{
	if (!truth)
		abort();
}

/* Terminated within size, and nothing but ASCII that can be printed. */
static size_t
check_text(const char *text, size_t size)
{
	const size_t len = strnlen(text, size);

	require(len < size);
	for (size_t i = 0; i < len; i++)
		require(text[i] >= ' ' && text[i] < 0x7f);
	return len;
}

/* A reply with our payload is, but for type and checksum, what we send. */
static void
check_reply(const struct icmp_echo *echo, const uint8_t *icmp, size_t len,
    bool v4)
{
	uint8_t sent[ICMP_ECHO_LEN];

	icmp_echo_build(sent, echo, v4);
	require(len >= sizeof(sent) && icmp[0] == (v4 ? 0 : 129) &&
	    memcmp(icmp + 4, sent + 4, sizeof(sent) - 4) == 0);
}

static void
fuzz_icmp(const uint8_t *data, size_t len, bool v4)
{
	struct icmp_echo_answer a;
	const size_t skip = v4 && len > 0 ? (data[0] & 0x0fU) * 4U : 0;

	memset(&a, 0xff, sizeof(a));
	icmp_echo_parse(&a, data, len, v4);
	require(a.kind <= ICMP_ECHO_UNREACHABLE);
	require(!a.has_payload || a.kind != ICMP_ECHO_OTHER);
	if (a.kind == ICMP_ECHO_REPLY)
		require(len >= skip + 8);
	if (a.kind == ICMP_ECHO_REPLY && a.has_payload)
		check_reply(&a.echo, data + skip, len - skip, v4);
	if (a.kind == ICMP_ECHO_UNREACHABLE)
		require(len >= skip + 8 + (v4 ? 28 : 48) &&
		    a.code == data[skip + 1]);
}

/* No fuzzer guesses a checksum: so it gets a right one, and the length. */
static void
fuzz_icmp4_mended(const uint8_t *data, size_t len)
{
	uint8_t *copy = malloc(len);
	const size_t skip = (data[0] & 0x0fU) * 4U;
	uint16_t check = 0;

	require(copy != NULL);
	memcpy(copy, data, len);
	copy[2] = (uint8_t)(len >> 8);
	copy[3] = (uint8_t)len;
	if (skip >= 20 && len >= skip + 8) {
		memcpy(copy + skip + 2, &check, sizeof(check));
		check = (uint16_t)~csum_fold(
		    csum_add(0, copy + skip, len - skip));
		memcpy(copy + skip + 2, &check, sizeof(check));
	}
	fuzz_icmp(copy, len, true);
	free(copy);
}

/* One byte chooses what was asked for and is expected. */
static void
fuzz_dns(const uint8_t *data, size_t len)
{
	static const struct {
		uint16_t record;
		uint8_t rcode;
		const char *answer;
	} asked[] = {
		{ 1, 0, "" },
		{ 1, 0, "192.0.2.1" },
		{ 28, 0, "2001:db8::1" },
		{ 5, 0, "www.example.com" },
		{ 6, 0, "ns.example.com" },
		{ 15, 0, "mail.example.com" },
		{ 16, 0, "v=1" },
		{ 33, 0, "sip.example.com" },
		{ 1, 3, "" },
	};
	struct check check = { .type = CHECK_DNS, .name = "example.com" };
	char text[DNS_MSG_TEXT_LEN];
	enum dns_msg_result result;
	size_t which;

	if (len == 0)
		return;
	which = data[0] % (sizeof(asked) / sizeof(asked[0]));
	data++;
	len--;
	check.record = asked[which].record;
	check.rcode = asked[which].rcode;
	strncpy(check.answer, asked[which].answer, sizeof(check.answer) - 1);
	memset(text, 0xff, sizeof(text));
	result = dns_msg_judge(data, len, DNS_ID, &check, text);
	require(result <= DNS_MSG_BAD_ANSWER);
	require((check_text(text, sizeof(text)) == 0) ==
	    (result == DNS_MSG_OK));
	if (result == DNS_MSG_MALFORMED || result == DNS_MSG_NOT_OURS)
		return;
	require(len >= 12 && data[0] == DNS_ID >> 8 &&
	    data[1] == (DNS_ID & 0xff) && (data[2] & 0x80));
	require((result == DNS_MSG_BAD_RCODE) ==
	    ((data[3] & 0x0f) != check.rcode));
}

static void
fuzz_agent(const uint8_t *data, size_t len)
{
	struct agent_line a, first;
	enum agent_line_result result;
	size_t line = 0, reason;

	while (line < len && data[line] != '\n' && data[line] != '\r')
		line++;
	memset(&a, 0xff, sizeof(a));
	memset(&first, 0xff, sizeof(first));
	result = agent_line_parse(&a, data, len);
	require(result <= AGENT_LINE_BAD_NUMBER);
	reason = check_text(a.reason, sizeof(a.reason));
	require(agent_line_parse(&first, data, line) == result &&
	    strcmp(first.reason, a.reason) == 0);
	require((result == AGENT_LINE_OK) ==
	    (a.has_percent || a.has_max || a.has_admin || a.has_health));
	require(!a.has_percent || a.percent <= SHARE_PERCENT);
	require(!a.has_admin || a.admin <= ADMIN_MAINT);
	if (result == AGENT_LINE_OK && reason > 0)
		require(a.has_health && !a.up);
	if (result == AGENT_LINE_BAD_WORD || result == AGENT_LINE_BAD_NUMBER)
		require(reason > 0);
}

static bool
expected(const char *bytes, const char *regex, const uint8_t *data, size_t len)
{
	struct check check = { .type = CHECK_TCP };
	char error[EXPECT_ERROR_LEN];
	struct expect *e;
	bool matches;

	check.expect.len = (uint16_t)strlen(bytes);
	memcpy(check.expect.b, bytes, check.expect.len);
	strncpy(check.regex, regex, sizeof(check.regex) - 1);
	require(expect_new(&e, &check, error) == 0);
	matches = expect_matches(e, data, len);
	expect_free(e);
	return matches;
}

static void
fuzz_expect(const uint8_t *data, size_t len)
{
	static const char bytes[] = "ok", regex[] = "^(2[0-9]{2} |[+]).*ready$";
	const bool has = expected(bytes, "", data, len);
	char text[40];
	size_t quoted;

	if (expected("", bytes, data, len))
		require(has);
	require(expected(bytes, regex, data, len) ==
	    (has && expected("", regex, data, len)));
	quoted = strlen(expect_quote(text, sizeof(text), data, len));
	check_text(text, sizeof(text));
	require(quoted >= 2 && text[0] == '"' && text[quoted - 1] == '"' &&
	    (quoted == len + 2 || quoted == sizeof(text) - 1));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	switch ((enum kind)(*data++ % KINDS)) {
	case KIND_ICMP4:
		fuzz_icmp(data, size - 1, true);
		if (size > 20)
			fuzz_icmp4_mended(data, size - 1);
		break;
	case KIND_ICMP6:
		fuzz_icmp(data, size - 1, false);
		break;
	case KIND_DNS:
		fuzz_dns(data, size - 1);
		break;
	case KIND_AGENT:
		fuzz_agent(data, size - 1);
		break;
	case KIND_EXPECT:
		fuzz_expect(data, size - 1);
		break;
	case KINDS:
		break;
	}
	return 0;
}
