/*
 * test_conf_bad.c - broken configs: each is refused, with exactly one line
 * that names the file, the very line of the mistake, and what is wrong.
 */
#include "conf_fixture.h"
#include "loaded/conf.h"
#include "runner.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define POOLS                                                                  \
	"pools = ( { name = \"p\"; backends = ( { address = \"10.0.0.1\"; },"  \
	" { address = \"fd00::1\"; } ); } );\n"
#define KEYS(addresses, ports)                                                 \
	" addresses = [ " addresses " ];\n protocol = \"tcp\";\n"              \
	" ports = [ " ports " ];\n pool = \"p\";\n"
#define SERVICE(name, addresses, ports)                                        \
	"{ name = \"" name "\";\n" KEYS(addresses, ports) "}"
#define SERVICES "services = ( " SERVICE("s", "\"192.0.2.1\"", "80") " );\n"

#define ONE "backends = ( { address = \"10.0.0.1\"; } ); "

/* What is given stands alone on line 8, 2, 2 or 3. */
#define TOP(x) POOLS SERVICES x "\n"
#define POOL(x) "pools = ( { name = \"p\"; " ONE "\n" x "\n} );\n" SERVICES
#define BACKEND(x)                                                             \
	"pools = ( { name = \"p\"; backends = ( {\n" x "\n} ); } "             \
	");\n" SERVICES
#define IN_SERVICE(x)                                                          \
	POOLS "services = ( { name = \"s\";\n" x                               \
	      "\n" KEYS("\"192.0.2.1\"", "80") "} );\n"

/* Its addresses and ports stand on lines 3 and 5. */
#define WITH(addresses, ports)                                                 \
	POOLS "services = ( " SERVICE("s", addresses, ports) " );\n"

/* A check alone on line 2. */
#define CHECK(x)                                                               \
	"pools = ( { name = \"p\"; " ONE "check = {\n" x "\n}; } "             \
	");\n" SERVICES
#define FOUR                                                                   \
	"{ type = \"icmp\"; }, { type = \"icmp\"; }, { type = \"icmp\"; }, "   \
	"{ type = \"icmp\"; }, "

/* Discovery on lines 8 and 9. */
#define DISCOVER(broadcast, more)                                              \
	TOP("failover = { discover = { broadcast = " broadcast "; port = 80;"  \
	    " pool = \"p\";\n" more " }; };\n"                                 \
	    "backend_networks = [ \"10.0.0.0/8\", \"fd00::/8\" ];")

#define NAME64                                                                 \
	"a234567890123456789012345678901234567890123456789012345678901234"

static const struct {
	const char *text;
	int line;
	const char *phrase;
} broken[] = {
	/* syntax */
	{ TOP("user = ;"), 8, "syntax error" },
	{ TOP("user = \"a\"\ngroup = \"b\" }"), 9, "syntax error" },
	{ TOP("group = \"g\";\nuser = \"u\";\ngroup = \"h\";"), 10,
	    "duplicate setting name" },
	{ TOP("user = \"loaded"), 8, "a string starts here and never ends" },
	{ TOP("/* user = \"x\";"), 8, "a comment starts here and never ends" },
	{ TOP("@include \"x\""), 8, "@include outside of a file" },
	{ TOP("user @ = 1;"), 8, "expected @include" },
	{ WITH("\"192.0.2.1\",\n 5", "80"), 4, "mismatched element type" },
	/* keys */
	{ SERVICES, 1, "key \"pools\" is missing, expected a list" },
	{ POOLS, 1, "key \"services\" is missing" },
	{ TOP("usr = \"x\";"), 8,
	    "unknown key \"usr\", expected one of user, group, chroot" },
	{ IN_SERVICE("adresses = 1;"), 3,
	    "services \"s\": unknown key \"adresses\", expected one of name, "
	    "addresses" },
	{ TOP("log = {\n colour = true; };"), 9,
	    "log: unknown key \"colour\", expected one of target, level" },
	{ BACKEND("address = \"10.0.0.1\"; wieght = 1;"), 2,
	    "backends: unknown key \"wieght\"" },
	{ BACKEND(""), 1, "backends: key \"address\" is missing" },
	{ IN_SERVICE("persistence = {\n };"), 3,
	    "persistence: key \"timeout\" is missing, expected a duration" },
	{ BACKEND("address = \"10.0.0.1\";\nsource = { mask = \"0.0.0.1\"; };"),
	    3, "source: key \"value\" is missing" },
	{ POOLS "services = (\n{ " KEYS("\"192.0.2.1\"", "80") " } );", 3,
	    "services: key \"name\" is missing, expected a name" },
	/* types */
	{ TOP("user = 5;"), 8, "user is an integer, expected a name" },
	{ TOP("user = [ \"a\" ];"), 8, "user is an array, expected a name" },
	{ TOP("log = ( );"), 8, "log is a list, expected a group" },
	{ TOP("log = \"syslog\";"), 8, "log is a string, expected a group" },
	{ TOP("flows = { max = \"5\"; };"), 8,
	    "max is a string, expected an integer, 64-67108864" },
	{ TOP("flows = { max = 65.5; };"), 8, "max is a fraction" },
	{ TOP("flows = { max = true; };"), 8, "max is a boolean" },
	{ TOP("flows = { max = 0x100; };"), 8, "max is a hexadecimal number" },
	{ TOP("flows = { syn = 60; };"), 8,
	    "syn is an integer, expected a duration" },
	{ "pools = { };\n" SERVICES, 1,
	    "pools is a group, expected a list of groups" },
	{ "pools = (\n5 );\n" SERVICES, 2,
	    "pools has an element that is no group" },
	{ IN_SERVICE("persistence = true;"), 3, "persistence is a boolean" },
	{ WITH("5", "80"), 3, "addresses is an integer, expected an array" },
	{ WITH("\"192.0.2.1\"", "true"), 5, "ports is a boolean" },
	/* numbers */
	{ BACKEND("address = \"10.0.0.1\";\nweight = 70000;"), 3,
	    "weight 70000 is out of range, expected 0-65535" },
	{ BACKEND("address = \"10.0.0.1\"; weight = -1;"), 2,
	    "weight -1 is out of range" },
	{ BACKEND("address = \"10.0.0.1\"; weight = 4294967297;"), 2,
	    "4294967297 is too large for a plain integer" },
	{ BACKEND("address = \"10.0.0.1\"; weight = -4294967295;"), 2,
	    "4294967295 is too large for a plain integer" },
	{ BACKEND("address = \"10.0.0.1\"; max_rate = 4294967296L;"), 2,
	    "max_rate 4294967296 is out of range, expected 0-4294967295" },
	{ BACKEND("address = \"10.0.0.1\"; port = 0;"), 2,
	    "port 0 is out of range, expected 1-65535" },
	{ TOP("flows = { max = 63; };"), 8, "max 63 is out of range" },
	{ TOP("flows = { max = 67108865; };"), 8, "expected 64-67108864" },
	{ TOP("workers = { queue_length = 0; };"), 8, "expected 1-65535" },
	{ IN_SERVICE("persistence = { timeout = \"1m\";\n mask4 = 33; };"), 4,
	    "mask4 33 is out of range, expected 0-32" },
	{ IN_SERVICE("persistence = { timeout = \"1m\"; mask6 = 129; };"), 3,
	    "expected 0-128" },
	/* durations */
	{ IN_SERVICE("persistence = {\n timeout = \"60\"; };"), 4,
	    "timeout \"60\" has no unit, expected a number with ms, s, m, h or "
	    "d" },
	{ TOP("flows = { udp = \"soon\"; };"), 8, "\"soon\" is no duration" },
	{ TOP("flows = { udp = \"0s\"; };"), 8, "expected more than 0" },
	{ TOP("flows = { udp = \"50d\"; };"), 8, "expected at most 49d" },
	/* words and text */
	{ TOP("log = { level = \"loud\"; };"), 8,
	    "level \"loud\" is unknown, expected \"err\", \"warn\", "
	    "\"notice\", "
	    "\"info\" or \"debug\"" },
	{ IN_SERVICE("scheduler = \"best\";"), 3,
	    "scheduler \"best\" is unknown, expected \"rr\", \"wrr\"" },
	{ IN_SERVICE("forward = \"tunnel\";"), 3,
	    "forward \"tunnel\" is not supported yet, expected \"nat\" or "
	    "\"dr\"" },
	{ POOLS "services = ( { name = \"s\"; addresses = [ \"192.0.2.1\" ];\n"
		"protocol = \"sctp\"; ports = [ 80 ]; pool = \"p\"; } );",
	    3,
	    "protocol \"sctp\" is not supported yet, expected \"tcp\" or "
	    "\"udp\"" },
	{ IN_SERVICE("on_down = \"Reset\";"), 3,
	    "on_down \"Reset\" is unknown" },
	{ IN_SERVICE("no_backend = \"keep\";"), 3, "\"reset\" or \"drop\"" },
	{ IN_SERVICE("hash = \"port\";"), 3, "\"client\" or \"client-port\"" },
	{ TOP("user = \"\";"), 8, "user \"\" is not valid, expected a name" },
	{ TOP("user = \"a b\";"), 8, "user \"a b\" is not valid" },
	{ TOP("user = \"" NAME64 "\";"), 8, "is too long, expected a name" },
	{ TOP("user = \"a\\nb\";"), 8, "user has a control character" },
	{ TOP("chroot = \"empty\";"), 8, "expected an absolute path" },
	{ TOP("chroot = \"/" NAME64 NAME64 "\";"), 8, "is too long" },
	{ TOP("interfaces = { public = \"sixteen-letters-\"; };"), 8,
	    "expected an interface name of 1-15" },
	{ TOP("interfaces = { public = \"a/b\"; };"), 8, "is not valid" },
	{ TOP("hash_key = \"00112233445566778899aabbccddeef\";"), 8,
	    "hash_key is not valid, expected 32 hexadecimal digits" },
	{ TOP("hash_key = \"00112233445566778899aabbccddeefg\";"), 8,
	    "hash_key is not valid" },
	{ TOP("workers = { cores = \"0-\"; };"), 8, "is no list of cores" },
	{ TOP("workers = { cores = \"1,1\"; };"), 8, "none twice" },
	{ TOP("workers = { cores = \"0-64\"; };"), 8, "expected at most 64" },
	{ TOP("workers = { cores = \"0-3\";\n first_queue = 65532; };"), 9,
	    "first_queue 65532 is too high for 4 workers" },
	/* addresses */
	{ WITH("\"web.example\"", "80"), 3, "is no IP address" },
	{ WITH("\"192.0.2.1\",\n\"192.0.2\"\n", "80"), 4, "is no IP address" },
	{ WITH("\"192.0.2.1\",\n\"0.0.0.0\" # here\n,\n\"192.0.2.2\"", "80"), 4,
	    "addresses \"0.0.0.0\" is unspecified" },
	{ WITH("\"127.0.0.53\"", "80"), 3, "is a loopback address" },
	{ WITH("\"239.1.1.1\"", "80"), 3, "is a multicast address" },
	{ WITH("\"255.255.255.255\"", "80"), 3, "is the broadcast address" },
	{ WITH("\"::\"", "80"), 3, "is unspecified" },
	{ WITH("\"::1\"", "80"), 3, "is a loopback address" },
	{ WITH("\"ff02::1\"", "80"), 3, "expected a unicast address" },
	{ WITH("\"::ffff:192.0.2.1\"", "80"), 3, "not IPv4-mapped" },
	{ WITH("", "80"), 3, "addresses has 0 elements, expected 1-256" },
	{ WITH("\"192.0.2.1\",\n \"192.0.2.1\"", "80"), 4,
	    "addresses \"192.0.2.1\" repeats one of x.conf:3" },
	{ BACKEND("address = \"127.0.0.1\";"), 2, "is a loopback address" },
	{ TOP("backend_networks = [ \"10.0.0.1/24\" ];"), 8, "is no network" },
	{ TOP("backend_networks = [ \"10.0.0.0/24\",\n\"fd00::/129\" ];"), 9,
	    "is no network" },
	/* ports */
	{ WITH("\"192.0.2.1\"", "\"8099-8000\""), 5, "is reversed" },
	{ WITH("\"192.0.2.1\"", "0"), 5, "ports 0 is out of range" },
	{ WITH("\"192.0.2.1\"", "80,\n70000"), 6, "70000 is out of range" },
	{ WITH("\"192.0.2.1\"", "\"70000\""), 5, "is out of range" },
	{ WITH("\"192.0.2.1\"", "\"http\""), 5, "is no port" },
	{ WITH("\"192.0.2.1\"", "\"80-\""), 5, "is no port" },
	{ WITH("\"192.0.2.1\"", ""), 5, "ports has 0 elements" },
	{ WITH("\"192.0.2.1\"", "80,\n 80"), 6, "ports 80 repeats one of" },
	{ WITH("\"192.0.2.1\"", "\"80-90\",\n \"85-95\""), 6,
	    "ports \"85-95\" repeats one of x.conf:5" },
	/* between values */
	{ POOLS "services = (\n" SERVICE("s", "\"192.0.2.1\"",
	      "80") ",\n" SERVICE("s", "\"192.0.2.2\"", "80") " );\n",
	    9, "services \"s\" is defined twice, before in x.conf:3" },
	{ "pools = (\n { name = \"p\"; backends = ( { address = \"10.0.0.1\"; }"
	  " ); },\n { name = \"p\"; backends = ( { address = \"10.0.0.2\"; }"
	  " ); } );\n" SERVICES,
	    3, "pools \"p\" is defined twice, before in x.conf:2" },
	{ "pools = ();\n" SERVICES, 6, "pool \"p\" is not defined" },
	{ POOLS "services = (\n" SERVICE("a", "\"192.0.2.2\", \"192.0.2.1\"",
	      "\"79-90\"") ",\n" SERVICE("b", "\"192.0.2.1\"",
	      "443, 90") " );\n",
	    12,
	    "services \"b\" overlaps \"a\" of x.conf:3: both have tcp port 90 "
	    "of 192.0.2.1" },
	{ BACKEND("address = \"10.0.0.1\"; }, {\naddress = \"10.0.0.1\";"), 3,
	    "pools \"p\": backend 10.0.0.1 port 0 is there twice, before in "
	    "x.conf:2" },
	{ BACKEND("address = \"192.0.2.1\";"), 5,
	    "192.0.2.1 is also a backend of its pool \"p\", which makes a "
	    "loop" },
	{ TOP("backend_networks = [ \"10.0.0.0/31\" ];"), 1,
	    "backend fd00::1 is in none of backend_networks" },
	{ BACKEND("address = \"10.0.0.1\";\n source = { mask = \"0.0.0.3\";\n"
		  "value = \"0.0.0.4\"; };"),
	    4, "value 0.0.0.4 has bits outside of mask 0.0.0.3" },
	{ BACKEND("address = \"10.0.0.1\";\n source = { mask = \"::3\";\n"
		  "value = \"0.0.0.3\"; };"),
	    3, "mask ::3 is not of the family" },
	{ BACKEND("address = \"10.0.0.1\";\n source = { mask = \"0.0.0.3\";\n"
		  "value = \"::3\"; };"),
	    4, "value ::3 is not of the family" },
	/* checks */
	{ CHECK("type = \"ping\";"), 2,
	    "type \"ping\" is unknown, expected \"icmp\", \"tcp\", \"udp\", "
	    "\"dns\", \"http\", \"https\", \"exec\" or \"agent\"" },
	{ CHECK(""), 1, "check: key \"type\" is missing" },
	{ POOL("check = \"tcp\";"), 2,
	    "check is a string, expected a group, { ... }, or a list of "
	    "groups" },
	{ POOL("check = ( { type = \"icmp\"; },\n7 );"), 3,
	    "check has an element that is no group, expected { ... }" },
	{ POOL("check = (\n" FOUR FOUR FOUR FOUR "{ type = \"icmp\"; } );"), 2,
	    "check has 17 elements, expected 0-16" },
	{ BACKEND("address = \"10.0.0.1\"; check = ( { type = \"icmp\"; },\n"
		  "{ type = \"tcp\"; path = \"/\"; } );"),
	    3,
	    "check: \"path\" means nothing to type \"tcp\", expected http or "
	    "https" },
	{ CHECK("type = \"icmp\";\nport = 80;"), 3,
	    "check: \"port\" means nothing to type \"icmp\", expected tcp, "
	    "udp, dns, http, https, exec or agent" },
	{ CHECK("type = \"dns\"; name = \"x.example\";\nsend = \"x\";"), 3,
	    "\"send\" means nothing to type \"dns\", expected tcp, udp or "
	    "agent" },
	{ CHECK("type = \"agent\";\nexpect = \"x\";"), 3,
	    "\"expect\" means nothing to type \"agent\", expected tcp, udp, "
	    "http or https" },
	{ CHECK("type = \"icmp\";\nexpect_regex = \"x\";"), 3,
	    "\"expect_regex\" means nothing to type \"icmp\"" },
	{ CHECK("type = \"tcp\";\nmethod = \"HEAD\";"), 3,
	    "\"method\" means nothing to type \"tcp\", expected http or "
	    "https" },
	{ CHECK("type = \"dns\"; name = \"x\";\nhost = \"x\";"), 3,
	    "\"host\" means nothing to type \"dns\", expected http or https" },
	{ CHECK("type = \"udp\";\nstatus = 200;"), 3,
	    "\"status\" means nothing to type \"udp\"" },
	{ CHECK("type = \"http\";\nverify = false;"), 3,
	    "\"verify\" means nothing to type \"http\", expected https" },
	{ CHECK("type = \"http\";\nca_file = \"/ca\";"), 3,
	    "\"ca_file\" means nothing to type \"http\", expected https" },
	{ CHECK("type = \"tcp\";\nname = \"x\";"), 3,
	    "\"name\" means nothing to type \"tcp\", expected dns" },
	{ CHECK("type = \"tcp\";\nrecord = \"A\";"), 3, "expected dns" },
	{ CHECK("type = \"tcp\";\nrcode = \"NOERROR\";"), 3, "expected dns" },
	{ CHECK("type = \"tcp\";\nanswer = \"x\";"), 3, "expected dns" },
	{ CHECK("type = \"tcp\";\nprogram = \"/x\";"), 3, "expected exec" },
	{ CHECK("type = \"tcp\";\nuser = \"x\";"), 3, "expected exec" },
	{ CHECK("type = \"dns\";"), 1,
	    "check: key \"name\" is missing, expected with type \"dns\"" },
	{ CHECK("type = \"exec\"; user = \"x\";"), 1,
	    "key \"program\" is missing, expected with type \"exec\"" },
	{ CHECK("type = \"exec\"; program = \"/x\";"), 1,
	    "key \"user\" is missing, expected with type \"exec\"" },
	{ CHECK("type = \"exec\"; program = \"/x\";\nuser = \"root\";"), 3,
	    "user \"root\" could do anything, expected another" },
	{ CHECK("type = \"exec\"; user = \"x\";\nprogram = \"x\";"), 3,
	    "program \"x\" is not valid, expected an absolute path of at most "
	    "255 bytes" },
	{ CHECK("type = \"dns\";\nname = \"a..b\";"), 3,
	    "check: name \"a..b\" is no domain name" },
	{ CHECK("type = \"dns\"; name = \"a\";\nanswer = \"zzz\";"), 3,
	    "check: answer \"zzz\" is no address of record A" },
	{ CHECK("type = \"dns\"; name = \"a\"; record = \"AAAA\";\n"
		"answer = \"192.0.2.1\";"),
	    3, "check: answer \"192.0.2.1\" is no address of record AAAA" },
	{ CHECK("type = \"http\"; expect = \"x\";\nmethod = \"HEAD\";"), 3,
	    "check: an answer to method \"HEAD\" has no body to expect "
	    "anything in" },
	{ CHECK("type = \"https\";\nca_file = \"/no/such\";"), 3,
	    "check: ca_file /no/such cannot be read: No such file or "
	    "directory" },
	{ CHECK("type = \"dns\"; name = \"a\";\nrecord = \"AXFR\";"), 3,
	    "record \"AXFR\" is unknown, expected \"A\", \"AAAA\"" },
	{ CHECK("type = \"dns\"; name = \"a\";\nrcode = \"OK\";"), 3,
	    "rcode \"OK\" is unknown, expected \"NOERROR\", \"FORMERR\"" },
	{ CHECK("type = \"icmp\"; window = 5;"), 2,
	    "check: window 5 has no need, expected both or neither" },
	{ CHECK("type = \"icmp\"; need = 3;"), 2,
	    "check: need 3 has no window, expected both or neither" },
	{ CHECK("type = \"icmp\"; window = 3;\nneed = 5;"), 3,
	    "check: need 5 is more than window 3" },
	{ CHECK("type = \"icmp\"; window = 65;"), 2,
	    "window 65 is out of range, expected 0-64" },
	{ CHECK("type = \"icmp\"; rise = 0;"), 2, "expected 1-255" },
	{ CHECK("type = \"tcp\";\nexpect_regex = \"a(b\";"), 3,
	    "check: expect_regex \"a(b\" is not valid: " },
	{ CHECK("type = \"tcp\";\nsend = \"\\\\q\";"), 3,
	    "send has a backslash that means nothing, expected \\\\xHH for a "
	    "byte or \\\\\\\\ for itself" },
	{ CHECK("type = \"tcp\"; expect = \"\\\\x4\";"), 2,
	    "expect has a backslash that means nothing" },
	{ CHECK("type = \"tcp\"; expect = \"x\\\\\";"), 2,
	    "expect has a backslash that means nothing" },
	{ CHECK("type = \"tcp\"; send = \"" NAME64 NAME64 NAME64 NAME64 "\";"),
	    2, "send is too long, expected text for at most 255 bytes" },
	{ CHECK("type = \"tcp\"; expect_regex = \"a\\tb\";"), 2,
	    "expect_regex has a control character" },
	{ CHECK("type = \"http\"; method = \"GET /\";"), 2,
	    "method \"GET /\" is not valid, expected a word of letters of at "
	    "most 63 bytes" },
	{ CHECK("type = \"http\"; path = \"x\";"), 2,
	    "path \"x\" is not valid, expected text from a / on, without "
	    "spaces, of at most 255 bytes" },
	{ CHECK("type = \"http\"; path = \"/a b\";"), 2, "is not valid" },
	{ CHECK("type = \"http\"; host = \"a/b\";"), 2,
	    "host \"a/b\" is not valid, expected a host name of at most 255 "
	    "bytes" },
	{ CHECK("type = \"http\"; status = 99;"), 2,
	    "status 99 is out of range, expected 100-599" },
	{ CHECK("type = \"http\"; status = \"200-\";"), 2,
	    "status \"200-\" is no list of status codes, expected at most 16 "
	    "numbers or ascending ranges in 100-599" },
	{ CHECK("type = \"http\"; status = \"299-200\";"), 2, "is no list" },
	{ CHECK("type = \"http\"; status = \"200,\";"), 2, "is no list" },
	{ CHECK("type = \"http\"; status = \"200-600\";"), 2, "is no list" },
	{ CHECK("type = \"http\"; status = \"200,201,202,203,204,205,206,207,"
		"208,209,210,211,212,213,214,215,216\";"),
	    2, "is no list" },
	{ CHECK("type = \"http\"; via = \"dr\";"), 2,
	    "via \"dr\" is unknown, expected \"backend\" or \"vip\"" },
	{ CHECK("type = \"icmp\"; start = \"on\";"), 2,
	    "expected \"down\" or \"up\"" },
	{ "pools = ( { name = \"q\"; " ONE "\ncheck = { type = \"tcp\"; }; },\n"
	  "{ name = \"p\"; " ONE "} );\n" SERVICES,
	    2,
	    "check: key \"port\" is missing, expected because a backend of "
	    "pool \"q\" has none" },
	{ "pools = ( { name = \"p\"; " ONE
	  "\ncheck = { type = \"tcp\"; }; } );\n"
	  "services = ( " SERVICE("s", "\"192.0.2.1\"", "\"any\"") " );\n",
	    2, "check: key \"port\" is missing" },
	/* pools */
	{ POOL("check_policy = \"most\";"), 2,
	    "check_policy \"most\" is unknown, expected \"all\" or \"any\"" },
	{ POOL("panic = \"some\";"), 2, "expected \"none\" or \"all\"" },
	{ POOL("quorum = 16385;"), 2, "expected 0-16384" },
	{ POOL("quorum = 2;\nquorum_hysteresis = 2;"), 3,
	    "pools \"p\": quorum_hysteresis 2 is too much for a quorum of 2, "
	    "expected less" },
	{ POOL("slow_start = 5;"), 2, "slow_start is an integer" },
	{ POOL("backup = \"q\";"), 2,
	    "pools \"p\": backup \"q\" is not defined" },
	{ POOL("backup = \"p\";"), 2,
	    "pools \"p\": backup \"p\" is the pool itself, expected another" },
	{ POOL("backup = \"q\"; }, { name = \"q\"; backup = \"r\"; " ONE
	       "}, { name = \"r\"; " ONE),
	    2,
	    "pools \"p\": backup \"q\" has a backup too, expected one "
	    "without" },
	{ POOL("backup = \"q\"; }, { name = \"q\";\n"
	       "backends = ( { address = \"192.0.2.1\"; } );"),
	    6,
	    "services \"s\": 192.0.2.1 is also a backend of its backup pool "
	    "\"q\", which makes a loop" },
	{ BACKEND("address = \"10.0.0.1\"; }, {\naddress = \"fe80::1\";"), 3,
	    "backend fe80::1 is link-local, expected interfaces.private to "
	    "say where" },
	/* failover */
	{ TOP("failover = { watchdog = \"999ms\"; };"), 8,
	    "watchdog \"999ms\" is out of range, expected at least 1000ms" },
	{ TOP("failover = { enabled = 1; };"), 8, "enabled is an integer" },
	{ TOP("failover = {\ndiscover = { port = 80; pool = \"p\"; }; };"), 9,
	    "discover: key \"broadcast\" is missing" },
	{ TOP("failover = { discover = {\n broadcast = \"10.0.0.255\";\n"
	      " port = 80; pool = \"p\"; }; };"),
	    9,
	    "discover: backend_networks is missing, expected to say who can "
	    "be found" },
	{ DISCOVER("\"10.0.0.255\"", "max = 0;"), 9, "expected 1-1024" },
	{ DISCOVER("\"10.0.0.255\"", "max = 1025;"), 9, "expected 1-1024" },
	{ DISCOVER("[ ]", ""), 8, "broadcast has 0 elements, expected 1-8" },
	{ DISCOVER("\"fd00::1\"", ""), 8,
	    "discover: broadcast fd00::1 is neither an IPv4 broadcast nor an "
	    "IPv6 multicast address" },
	{ DISCOVER("\"224.0.0.1\"", ""), 8, "is neither" },
	{ DISCOVER("\"127.255.255.255\"", ""), 8, "is neither" },
	{ DISCOVER("\"0.0.0.0\"", ""), 8, "is neither" },
	{ DISCOVER("\"ff02::1\"", ""), 8,
	    "discover: broadcast ff02::1 is link-local, expected "
	    "interfaces.private to say where" },
	{ DISCOVER("[ \"10.0.0.255\",\n\"10.0.0.255\" ]", ""), 9,
	    "repeats one of x.conf:8" },
};

START_TEST(mistake_is_one_line_with_its_place)
{
	struct conf *conf;
	char *said, place[32];
	const int error = conf_hear(&conf, "x.conf", broken[_i].text, &said);

	snprintf(place, sizeof(place), "x.conf:%d: ", broken[_i].line);
	ck_assert_msg(error == -EINVAL && conf == NULL, "case %d", _i);
	ck_assert_msg(strncmp(said, place, strlen(place)) == 0 &&
		strstr(said, broken[_i].phrase) != NULL &&
		strchr(said, '\n') == said + strlen(said) - 1,
	    "case %d: wanted %s%s, got %s", _i, place, broken[_i].phrase, said);
	free(said);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("conf_bad");
	TCase *tcase = tcase_create("mistakes");

	tcase_add_loop_test(tcase, mistake_is_one_line_with_its_place, 0,
	    (int)(sizeof(broken) / sizeof(broken[0])));
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
