/*
 * check.c - the names of the check types, and when a check is due.  Pure;
 * called by the failover thread.
 */
#include "loaded/check.h"

const char *
check_type_name(enum check_type type)
{
	static const char *const names[] = {
		[CHECK_ICMP] = "icmp",
		[CHECK_TCP] = "tcp",
		[CHECK_UDP] = "udp",
		[CHECK_DNS] = "dns",
		[CHECK_HTTP] = "http",
		[CHECK_HTTPS] = "https",
		[CHECK_EXEC] = "exec",
		[CHECK_AGENT] = "agent",
	};

	return names[type];
}

uint32_t
check_interval_ms(const struct check *check, bool changing)
{
	if (changing && check->fast_interval_ms < check->interval_ms)
		return check->fast_interval_ms;
	return check->interval_ms;
}

uint32_t
check_wait_ms(const struct check *check, bool changing, uint64_t age_ms)
{
	const uint32_t interval_ms = check_interval_ms(check, changing);

	return age_ms < interval_ms ? interval_ms - (uint32_t)age_ms : 0;
}

uint32_t
check_first_wait_ms(const struct check *check, bool changing, uint64_t random)
{
	return (uint32_t)(random % check_interval_ms(check, changing));
}
