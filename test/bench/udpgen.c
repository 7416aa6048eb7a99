/*
 * udpgen.c - sends 64-byte UDP frames of many flows at a steady rate out of
 * one network namespace and counts what arrives in others.  Run by
 * test/bench/run as root, pinned to one core; prints one line of JSON.
 * Invariant: a datagram counts only after the receiving kernel has checked
 * its checksum and found the socket, and only if it was not late.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ether.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PAYLOAD 18 /* 64 bytes on the wire with the frame check */
#define BATCH 16
#define FLOWS_MAX 8192
#define SINKS_MAX 16
#define FIRST_PORT 10000
#define SEC 1000000000ull
#define GRACE (10000000ull) /* later than this is lost */
#define QUIET (50000000ull)

struct frame {
	struct ether_header eth;
	struct iphdr ip;
	struct udphdr udp;
	uint8_t payload[PAYLOAD];
} __attribute__((packed));

struct options {
	const char *netns, *device, *mac;
	struct in_addr source, target;
	unsigned long port, flows, rate, milliseconds;
};

struct gen {
	int fd;
	unsigned int nflows, next;
	struct frame frames[FLOWS_MAX];
	struct iovec iov[FLOWS_MAX];
	struct mmsghdr msgs[FLOWS_MAX + BATCH]; /* the end repeats the start */
};

/* A place where datagrams arrive: its socket, and its namespace's counters. */
struct sink {
	int fd, snmp;
	uint64_t base;
};

static uint64_t
now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * SEC + (uint64_t)ts.tv_nsec;
}

static void
sleep_ns(uint64_t ns)
{
	const struct timespec ts = { .tv_nsec = (long)ns };

	nanosleep(&ts, NULL);
}

static void
netns_enter(const char *name)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/run/netns/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET) < 0)
		err(1, "%s", path);
	close(fd);
}

static uint32_t
sum16(const void *data, size_t len, uint32_t sum)
{
	const uint8_t *p = data;
	size_t i;

	for (i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)p[i] << 8 | p[i + 1];
	return sum;
}

static uint16_t
fold_be(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

/* Checksums are complete: what a NIC without offload would deliver. */
static void
frame_init(struct frame *f, const struct options *o, unsigned int flow)
{
	const uint16_t udp_len = sizeof(f->udp) + PAYLOAD;
	uint32_t sum;

	memset(f, 0, sizeof(*f));
	if (!ether_aton_r(o->mac, (struct ether_addr *)f->eth.ether_dhost))
		errx(1, "%s: not a MAC address", o->mac);
	f->eth.ether_shost[0] = 2;
	f->eth.ether_type = htons(ETHERTYPE_IP);
	f->ip.version = 4;
	f->ip.ihl = 5;
	f->ip.tot_len = htons(sizeof(*f) - sizeof(f->eth));
	f->ip.ttl = 64;
	f->ip.protocol = IPPROTO_UDP;
	f->ip.saddr = o->source.s_addr;
	f->ip.daddr = o->target.s_addr;
	f->ip.check = fold_be(sum16(&f->ip, sizeof(f->ip), 0));
	f->udp.source = htons((uint16_t)(FIRST_PORT + flow));
	f->udp.dest = htons((uint16_t)o->port);
	f->udp.len = htons(udp_len);
	sum = sum16(&f->ip.saddr, 8, IPPROTO_UDP + udp_len);
	f->udp.check = fold_be(sum16(&f->udp, udp_len, sum));
}

static struct gen *
gen_open(const struct options *o)
{
	struct sockaddr_ll ll = { .sll_family = AF_PACKET };
	struct gen *g = calloc(1, sizeof(*g));
	const int on = 1;
	unsigned int i;

	if (!g)
		err(1, "calloc");
	netns_enter(o->netns);
	g->nflows = (unsigned int)o->flows;
	g->fd = socket(AF_PACKET, SOCK_RAW, 0);
	ll.sll_ifindex = (int)if_nametoindex(o->device);
	if (g->fd < 0 || bind(g->fd, (struct sockaddr *)&ll, sizeof(ll)) < 0 ||
	    setsockopt(g->fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof(on)))
		err(1, "%s", o->device);
	for (i = 0; i < g->nflows + BATCH; i++) {
		const unsigned int flow = i % g->nflows;

		frame_init(&g->frames[flow], o, flow);
		g->iov[flow].iov_base = &g->frames[flow];
		g->iov[flow].iov_len = sizeof(g->frames[flow]);
		g->msgs[i].msg_hdr.msg_iov = &g->iov[flow];
		g->msgs[i].msg_hdr.msg_iovlen = 1;
	}
	return g;
}

static void
gen_close(struct gen *g)
{
	close(g->fd);
	free(g);
}

static unsigned int
gen_send(struct gen *g, unsigned int want)
{
	int n = sendmmsg(g->fd, &g->msgs[g->next], want, 0);

	if (n < 0) {
		if (errno != ENOBUFS && errno != EAGAIN && errno != EINTR)
			err(1, "sendmmsg");
		return 0;
	}
	g->next = (g->next + (unsigned int)n) % g->nflows;
	return (unsigned int)n;
}

/*
 * Keeps the pace by spinning; catches up after a pause.  Stops when all is
 * sent or 1 % over time: then the rate was too high for the sender's core.
 */
static uint64_t
gen_run(struct gen *g, uint64_t count, uint64_t rate, uint64_t *took)
{
	const uint64_t start = now(), limit = count * 1000000 / rate * 1010;
	uint64_t sent = 0, elapsed = 0;

	while (sent < count && elapsed <= limit) {
		const uint64_t left = count - sent;
		const unsigned int want = left < BATCH ? (unsigned int)left :
							 BATCH;

		if (elapsed * rate / SEC >= sent + want)
			sent += gen_send(g, want);
		elapsed = now() - start;
	}
	*took = elapsed;
	return sent;
}

/* A filter that refuses all: no reader is needed, and no reader is measured. */
static void
sink_open(struct sink *s, const char *netns, unsigned long port)
{
	const struct sockaddr_in any = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
	};
	struct sock_filter refuse = BPF_STMT(BPF_RET | BPF_K, 0);
	const struct sock_fprog prog = { .len = 1, .filter = &refuse };

	netns_enter(netns);
	s->snmp = open("/proc/self/net/snmp", O_RDONLY | O_CLOEXEC);
	s->fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (s->snmp < 0 || s->fd < 0 ||
	    setsockopt(s->fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog,
		sizeof(prog)) ||
	    bind(s->fd, (const struct sockaddr *)&any, sizeof(any)) < 0)
		err(1, "%s: socket", netns);
}

static void
sink_close(struct sink *s)
{
	close(s->fd);
	close(s->snmp);
}

/* Datagrams that the filter saw: all input errors but bad checksums. */
static uint64_t
sink_read(const struct sink *s)
{
	unsigned long long errors, csum;
	char text[8192];
	const char *udp;
	ssize_t n = pread(s->snmp, text, sizeof(text) - 1, 0);

	if (n <= 0)
		err(1, "snmp");
	text[n] = '\0';
	udp = strstr(text, "\nUdp: "); /* names first, then numbers */
	udp = udp ? strstr(udp + 1, "\nUdp: ") : NULL;
	if (!udp ||
	    sscanf(udp, "\nUdp: %*u %*u %llu %*u %*u %*u %llu", &errors,
		&csum) != 2)
		errx(1, "snmp: no UDP counters");
	return errors - csum - s->base;
}

static uint64_t
sinks_sum(const struct sink *sinks, unsigned int n)
{
	uint64_t sum = 0;

	while (n > 0)
		sum += sink_read(&sinks[--n]);
	return sum;
}

/* Until nothing has arrived for a while, so that nobody inherits a queue. */
static void
sinks_drain(const struct sink *sinks, unsigned int n)
{
	uint64_t before, after = sinks_sum(sinks, n);

	do {
		before = after;
		sleep_ns(QUIET);
		after = sinks_sum(sinks, n);
	} while (after != before);
}

static void
sinks_report(const struct sink *sinks, const uint64_t *in_time, unsigned int n)
{
	uint64_t late = sinks_sum(sinks, n);
	unsigned int i;

	printf("\"received\": [");
	for (i = 0; i < n; i++) {
		printf("%s%ju", i ? ", " : "", (uintmax_t)in_time[i]);
		late -= in_time[i];
	}
	printf("], \"late\": %ju}\n", (uintmax_t)late);
}

static void
measure(struct gen *g, struct sink *sinks, unsigned int n,
    const struct options *o)
{
	const uint64_t asked = (uint64_t)o->rate * o->milliseconds / 1000;
	uint64_t in_time[SINKS_MAX], took, sent;
	unsigned int i;

	gen_run(g, 2ull * g->nflows, 20000, &took); /* warm every flow */
	sinks_drain(sinks, n);
	for (i = 0; i < n; i++)
		sinks[i].base += sink_read(&sinks[i]);
	sent = gen_run(g, asked, o->rate, &took);
	sleep_ns(GRACE);
	for (i = 0; i < n; i++)
		in_time[i] = sink_read(&sinks[i]);
	sinks_drain(sinks, n);
	printf("{\"asked\": %ju, \"sent\": %ju, \"seconds\": %.6f, ",
	    (uintmax_t)asked, (uintmax_t)sent, (double)took / SEC);
	sinks_report(sinks, in_time, n);
}

static unsigned long
number(const char *text, unsigned long max)
{
	char *end;
	const unsigned long n = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || n == 0 || n > max)
		errx(2, "%s: a number from 1 to %lu is wanted", text, max);
	return n;
}

static struct in_addr
address(const char *text)
{
	struct in_addr a;

	if (inet_pton(AF_INET, text, &a) != 1)
		errx(2, "%s: not an IPv4 address", text);
	return a;
}

static bool
option_set(struct options *o, int letter, const char *text)
{
	switch (letter) {
	case 'n':
		o->netns = text;
		return true;
	case 'i':
		o->device = text;
		return true;
	case 'm':
		o->mac = text;
		return true;
	case 's':
		o->source = address(text);
		return true;
	case 'd':
		o->target = address(text);
		return true;
	case 'p':
		o->port = number(text, 65535);
		return true;
	case 'f':
		o->flows = number(text, FLOWS_MAX);
		return true;
	case 'r':
		o->rate = number(text, 100000000);
		return true;
	case 't':
		o->milliseconds = number(text, 60000);
		return true;
	}
	return false;
}

int
main(int argc, char *argv[])
{
	struct options o = { .device = "eth0",
		.port = 9,
		.flows = 256,
		.rate = 1000,
		.milliseconds = 1000 };
	struct sink sinks[SINKS_MAX] = { 0 };
	struct gen *g;
	int letter, i, n;

	while ((letter = getopt(argc, argv, "n:i:m:s:d:p:f:r:t:")) != -1)
		if (!option_set(&o, letter, optarg))
			return 2;
	n = argc - optind;
	if (!o.netns || !o.mac || n < 1 || n > SINKS_MAX)
		errx(2,
		    "usage: udpgen -n NETNS -m MAC -s SOURCE -d TARGET "
		    "[-i DEVICE] [-p PORT] [-f FLOWS] [-r RATE] "
		    "[-t MS] SINK_NETNS ...");
	for (i = 0; i < n; i++)
		sink_open(&sinks[i], argv[optind + i], o.port);
	g = gen_open(&o);
	measure(g, sinks, (unsigned int)n, &o);
	for (i = 0; i < n; i++)
		sink_close(&sinks[i]);
	gen_close(g);
	return 0;
}
