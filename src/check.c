/*
 * check.c - the names of the check types, and who runs them.  Pure data.
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

bool
check_is_remote(enum check_type type)
{
	return type == CHECK_HTTP || type == CHECK_HTTPS || type == CHECK_EXEC;
}
