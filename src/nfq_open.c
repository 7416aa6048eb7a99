/*
 * nfq_open.c - a queue's socket, made ready while we are privileged.  Run by
 * the supervisor.  Each request asks for an acknowledgement, so that a
 * refusal is seen here and not at the first packet.
 */
#include "loaded/nfq.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

/* Longer than any packet; the kernel cuts at 65531 (NFQA_CAP_LEN tells). */
#define COPY_RANGE 0xffffU
/* What the kernel charges a full-size packet (skb->truesize). */
#define PACKET_COST 2304U
#define RCVBUF_MIN (32U << 20)
#define SNDBUF (8U << 20)
#define RECEIVE_TIMEOUT_US 100000
/* A request with its few attributes, or the head of an answer. */
#define REQUEST_LEN 256

static const char *const step_names[NFQ_STEPS] = {
	[NFQ_SOCKET] = "open a netlink socket",
	[NFQ_BUFFERS] = "size the socket's buffers",
	[NFQ_BIND] = "bind the queue",
	[NFQ_COPY_MODE] = "ask for whole packets",
	[NFQ_LENGTH] = "set the queue's length",
	[NFQ_FLAGS] = "ask for GSO packets",
	[NFQ_TIMEOUT] = "set the receive timeout",
};

const char *
nfq_step_name(enum nfq_step step)
{
	return step_names[step];
}

static int
open_socket(void)
{
	struct sockaddr_nl local = { .nl_family = AF_NETLINK };
	const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC,
	    NETLINK_NETFILTER);

	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&local, sizeof(local)) < 0) {
		const int error = errno;

		close(fd);
		return -error;
	}
	return fd;
}

static int
set_option(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) < 0 ? -errno :
									0;
}

/*
 * Without NO_ENOBUFS one overrun makes the kernel refuse all packets until
 * the socket is empty; without CAP_ACK an error echoes the whole verdict.
 */
static int
set_buffers(int fd, uint32_t length)
{
	const uint32_t wanted = length * PACKET_COST;
	int error;

	error = set_option(fd, SOL_NETLINK, NETLINK_NO_ENOBUFS, 1);
	if (error == 0)
		error = set_option(fd, SOL_NETLINK, NETLINK_CAP_ACK, 1);
	if (error == 0)
		error = set_option(fd, SOL_SOCKET, SO_RCVBUFFORCE,
		    (int)(wanted > RCVBUF_MIN ? wanted : RCVBUF_MIN));
	if (error == 0)
		error = set_option(fd, SOL_SOCKET, SO_SNDBUFFORCE, SNDBUF);
	return error;
}

static struct nlmsghdr *
start_request(char *buf, uint16_t number)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *nfg;

	nlh->nlmsg_type = NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_CONFIG;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	nfg = mnl_nlmsg_put_extra_header(nlh, sizeof(*nfg));
	nfg->nfgen_family = AF_UNSPEC;
	nfg->version = NFNETLINK_V0;
	nfg->res_id = htons(number);
	return nlh;
}

/*
 * Sends and waits for the answer.  Packets come only once the copy mode is
 * set, the last request: one that is here before the answer says as much,
 * and has to stay in the socket for the worker, as does the answer behind it.
 */
static int
request(int fd, const struct nlmsghdr *nlh)
{
	char buf[REQUEST_LEN];
	const struct nlmsghdr *reply = (const void *)buf;
	const struct nlmsgerr *answer;

	if (send(fd, nlh, nlh->nlmsg_len, 0) < 0 ||
	    recv(fd, buf, sizeof(buf), MSG_PEEK) < 0)
		return -errno;
	if (reply->nlmsg_type != NLMSG_ERROR)
		return 0;
	if (recv(fd, buf, sizeof(buf), 0) < 0)
		return -errno;
	answer = mnl_nlmsg_get_payload(reply);
	return answer->error;
}

static int
bind_queue(int fd, uint16_t number)
{
	char buf[REQUEST_LEN];
	struct nlmsghdr *nlh = start_request(buf, number);
	const struct nfqnl_msg_config_cmd cmd = {
		.command = NFQNL_CFG_CMD_BIND,
	};

	mnl_attr_put(nlh, NFQA_CFG_CMD, sizeof(cmd), &cmd);
	return request(fd, nlh);
}

static int
set_copy_mode(int fd, uint16_t number)
{
	char buf[REQUEST_LEN];
	struct nlmsghdr *nlh = start_request(buf, number);
	const struct nfqnl_msg_config_params params = {
		.copy_range = htonl(COPY_RANGE),
		.copy_mode = NFQNL_COPY_PACKET,
	};

	mnl_attr_put(nlh, NFQA_CFG_PARAMS, sizeof(params), &params);
	return request(fd, nlh);
}

static int
set_u32(int fd, uint16_t number, uint16_t type, uint32_t value, bool flags)
{
	char buf[REQUEST_LEN];
	struct nlmsghdr *nlh = start_request(buf, number);

	mnl_attr_put_u32(nlh, type, htonl(value));
	if (flags)
		mnl_attr_put_u32(nlh, NFQA_CFG_MASK, htonl(value));
	return request(fd, nlh);
}

static int
run_step(enum nfq_step step, int fd, uint16_t number, uint32_t length)
{
	const struct timeval timeout = { .tv_usec = RECEIVE_TIMEOUT_US };

	switch (step) {
	case NFQ_BUFFERS:
		return set_buffers(fd, length);
	case NFQ_FLAGS:
		return set_u32(fd, number, NFQA_CFG_FLAGS, NFQA_CFG_F_GSO,
		    true);
	case NFQ_LENGTH:
		return set_u32(fd, number, NFQA_CFG_QUEUE_MAXLEN, length,
		    false);
	case NFQ_BIND:
		return bind_queue(fd, number);
	case NFQ_COPY_MODE:
		return set_copy_mode(fd, number);
	case NFQ_TIMEOUT:
		return setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout,
			   sizeof(timeout)) < 0 ?
		    -errno :
		    0;
	case NFQ_SOCKET:
	case NFQ_STEPS:
		break;
	}
	return 0;
}

int
nfq_open(uint16_t number, uint32_t length, enum nfq_step *step)
{
	int fd, error;

	*step = NFQ_SOCKET;
	fd = open_socket();
	if (fd < 0)
		return fd;
	for (*step = NFQ_BUFFERS; *step < NFQ_STEPS; (*step)++) {
		error = run_step(*step, fd, number, length);
		if (error != 0) {
			close(fd);
			return error;
		}
	}
	return fd;
}
