/*
 * test_tcp_state.c - every transition of the TCP state machine, by table, and
 * the lives of whole connections.
 */
#include "loaded/tcp_state.h"

#include <check.h>
#include <stdlib.h>

#include "loaded/pkt.h"
#include "runner.h"

#define STATES (TCP_STATE_CLOSED + 1)
#define SENT TCP_STATE_SYN_SENT
#define RECV TCP_STATE_SYN_RECV
#define EST TCP_STATE_ESTABLISHED
#define FIN_C TCP_STATE_FIN_CLIENT
#define FIN_S TCP_STATE_FIN_SERVER
#define CLOSED TCP_STATE_CLOSED
#define CLIENT TCP_FROM_CLIENT
#define BACKEND TCP_FROM_BACKEND
#define S PKT_SYN
#define SA (PKT_SYN | PKT_ACK)
#define A PKT_ACK
#define F PKT_FIN
#define FA (PKT_FIN | PKT_ACK)
#define R PKT_RST
#define RA (PKT_RST | PKT_ACK)
#define SF (PKT_SYN | PKT_FIN)
#define SFA (PKT_SYN | PKT_FIN | PKT_ACK)

/* What each packet makes of each state; columns in the order of the enum. */
static const struct {
	enum tcp_dir dir;
	uint8_t flags;
	enum tcp_state after[STATES];
} both_ways[] = {
	{ CLIENT, 0, { SENT, RECV, EST, FIN_C, FIN_S, CLOSED } },
	{ CLIENT, S, { SENT, RECV, EST, FIN_C, FIN_S, CLOSED } },
	{ CLIENT, SA, { SENT, RECV, EST, FIN_C, FIN_S, CLOSED } },
	{ CLIENT, A, { SENT, EST, EST, FIN_C, FIN_S, CLOSED } },
	{ CLIENT, F, { SENT, FIN_C, FIN_C, FIN_C, CLOSED, CLOSED } },
	{ CLIENT, FA, { SENT, FIN_C, FIN_C, FIN_C, CLOSED, CLOSED } },
	{ CLIENT, SF, { SENT, RECV, EST, FIN_C, FIN_S, CLOSED } },
	{ CLIENT, SFA, { SENT, RECV, EST, FIN_C, FIN_S, CLOSED } },
	{ BACKEND, 0, { SENT, RECV, EST, FIN_C, FIN_S, CLOSED } },
	{ BACKEND, S, { SENT, RECV, EST, FIN_C, FIN_S, CLOSED } },
	{ BACKEND, SA, { RECV, RECV, EST, FIN_C, FIN_S, CLOSED } },
	{ BACKEND, A, { SENT, RECV, EST, FIN_C, FIN_S, CLOSED } },
	{ BACKEND, F, { SENT, FIN_S, FIN_S, CLOSED, FIN_S, CLOSED } },
	{ BACKEND, FA, { SENT, FIN_S, FIN_S, CLOSED, FIN_S, CLOSED } },
	{ BACKEND, SF, { SENT, RECV, EST, FIN_C, FIN_S, CLOSED } },
	{ BACKEND, SFA, { RECV, RECV, EST, FIN_C, FIN_S, CLOSED } },
};

static const struct {
	uint8_t flags;
	enum tcp_state after[STATES];
} input_only[] = {
	{ 0, { SENT, RECV, EST, FIN_C, FIN_S, CLOSED } },
	{ S, { SENT, RECV, EST, FIN_C, FIN_S, CLOSED } },
	{ SA, { SENT, RECV, EST, FIN_C, FIN_S, CLOSED } },
	{ A, { EST, EST, EST, FIN_C, FIN_S, CLOSED } },
	{ F, { SENT, FIN_C, FIN_C, FIN_C, CLOSED, CLOSED } },
	{ FA, { FIN_C, FIN_C, FIN_C, FIN_C, CLOSED, CLOSED } },
	{ SF, { SENT, RECV, EST, FIN_C, FIN_S, CLOSED } },
	{ SFA, { SENT, RECV, EST, FIN_C, FIN_S, CLOSED } },
};

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

START_TEST(each_packet_leads_where_the_table_says)
{
	for (int s = 0; s < STATES; s++)
		ck_assert_int_eq(tcp_state_step((enum tcp_state)s,
				     both_ways[_i].dir, both_ways[_i].flags),
		    both_ways[_i].after[s]);
}
END_TEST

START_TEST(input_only_leads_where_its_table_says)
{
	for (int s = 0; s < STATES; s++)
		ck_assert_int_eq(tcp_state_step_input_only((enum tcp_state)s,
				     input_only[_i].flags),
		    input_only[_i].after[s]);
}
END_TEST

START_TEST(rst_closes_from_any_state_and_side)
{
	for (int flags = 0; flags < 256; flags++) {
		const uint8_t rst = (uint8_t)(flags | PKT_RST);

		ck_assert_int_eq(
		    tcp_state_step((enum tcp_state)_i, CLIENT, rst), CLOSED);
		ck_assert_int_eq(
		    tcp_state_step((enum tcp_state)_i, BACKEND, rst), CLOSED);
		ck_assert_int_eq(
		    tcp_state_step_input_only((enum tcp_state)_i, rst), CLOSED);
	}
}
END_TEST

START_TEST(other_flags_change_nothing)
{
	const uint8_t known = PKT_FIN | PKT_SYN | PKT_RST | PKT_ACK;

	for (int flags = 0; flags < 256; flags++) {
		for (int dir = CLIENT; dir <= BACKEND; dir++)
			ck_assert_int_eq(tcp_state_step((enum tcp_state)_i,
					     (enum tcp_dir)dir, (uint8_t)flags),
			    tcp_state_step((enum tcp_state)_i,
				(enum tcp_dir)dir, (uint8_t)(flags & known)));
		ck_assert(tcp_state_reused((enum tcp_state)_i,
			      (uint8_t)flags) ==
		    tcp_state_reused((enum tcp_state)_i,
			(uint8_t)(flags & known)));
	}
}
END_TEST

struct packet {
	enum tcp_dir dir;
	uint8_t flags;
	enum tcp_state after;
};

static void
play(const struct packet *packets, int n)
{
	enum tcp_state state = SENT;

	for (int i = 0; i < n; i++) {
		state = tcp_state_step(state, packets[i].dir, packets[i].flags);
		ck_assert_msg(state == packets[i].after,
		    "packet %d: state %d, not %d", i, (int)state,
		    (int)packets[i].after);
	}
}

START_TEST(handshake_with_retransmits_becomes_established)
{
	static const struct packet packets[] = {
		{ CLIENT, S, SENT },
		{ CLIENT, S, SENT },
		{ BACKEND, SA, RECV },
		{ CLIENT, S, RECV },
		{ BACKEND, SA, RECV },
		{ CLIENT, A, EST },
		{ BACKEND, SA, EST },
		{ CLIENT, A, EST },
	};

	play(packets, COUNT(packets));
}
END_TEST

START_TEST(half_closed_connection_carries_data_until_the_other_fin)
{
	static const struct packet client_first[] = {
		{ BACKEND, SA, RECV },
		{ CLIENT, A, EST },
		{ CLIENT, FA, FIN_C },
		{ BACKEND, A, FIN_C },
		{ BACKEND, A, FIN_C },
		{ CLIENT, A, FIN_C },
		{ CLIENT, FA, FIN_C },
		{ BACKEND, FA, CLOSED },
		{ CLIENT, A, CLOSED },
	};
	static const struct packet backend_first[] = {
		{ BACKEND, SA, RECV },
		{ CLIENT, A, EST },
		{ BACKEND, FA, FIN_S },
		{ CLIENT, A, FIN_S },
		{ BACKEND, FA, FIN_S },
		{ CLIENT, FA, CLOSED },
		{ BACKEND, A, CLOSED },
	};

	play(client_first, COUNT(client_first));
	play(backend_first, COUNT(backend_first));
}
END_TEST

START_TEST(simultaneous_close_is_closed)
{
	static const struct packet packets[] = {
		{ BACKEND, SA, RECV },
		{ CLIENT, A, EST },
		{ CLIENT, FA, FIN_C },
		{ BACKEND, FA, CLOSED },
		{ BACKEND, A, CLOSED },
		{ CLIENT, A, CLOSED },
	};

	play(packets, COUNT(packets));
}
END_TEST

START_TEST(refused_connection_is_closed_and_its_port_free)
{
	const enum tcp_state state = tcp_state_step(SENT, BACKEND, RA);

	ck_assert_int_eq(state, CLOSED);
	ck_assert(tcp_state_reused(state, S));
}
END_TEST

START_TEST(no_number_of_syns_makes_a_connection_established)
{
	enum tcp_state both = SENT, input = SENT;

	for (int i = 0; i < 1000; i++) {
		both = tcp_state_step(both, CLIENT, S);
		input = tcp_state_step_input_only(input, S);
	}
	ck_assert_int_eq(both, SENT);
	ck_assert_int_eq(input, SENT);
	both = tcp_state_step(both, BACKEND, SA);
	ck_assert_int_eq(tcp_state_step(both, CLIENT, S), RECV);
}
END_TEST

START_TEST(client_alone_gets_established_only_where_replies_go_past)
{
	ck_assert_int_eq(tcp_state_step(SENT, CLIENT, A), SENT);
	ck_assert_int_eq(tcp_state_step_input_only(SENT, A), EST);
}
END_TEST

/* RFC 5961, 4: the backend answers with an ACK, the connection goes on. */
START_TEST(syn_in_established_leaves_it_as_it_is)
{
	ck_assert_int_eq(tcp_state_step(EST, CLIENT, S), EST);
	ck_assert_int_eq(tcp_state_step_input_only(EST, S), EST);
	ck_assert(!tcp_state_reused(EST, S));
}
END_TEST

START_TEST(port_is_reused_by_a_bare_syn_after_the_clients_close)
{
	static const uint8_t others[] = { 0, A, SA, F, FA, R, RA, SF, SFA,
		S | R };

	for (int s = 0; s < STATES; s++) {
		ck_assert(tcp_state_reused((enum tcp_state)s, S) ==
		    (s == CLOSED || s == FIN_C));
		for (int i = 0; i < COUNT(others); i++)
			ck_assert(!tcp_state_reused((enum tcp_state)s,
			    others[i]));
	}
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("tcp_state");
	TCase *steps = tcase_create("steps");
	TCase *lives = tcase_create("lives");

	tcase_add_loop_test(steps, each_packet_leads_where_the_table_says, 0,
	    COUNT(both_ways));
	tcase_add_loop_test(steps, input_only_leads_where_its_table_says, 0,
	    COUNT(input_only));
	tcase_add_loop_test(steps, rst_closes_from_any_state_and_side, 0,
	    STATES);
	tcase_add_loop_test(steps, other_flags_change_nothing, 0, STATES);
	suite_add_tcase(s, steps);
	tcase_add_test(lives, handshake_with_retransmits_becomes_established);
	tcase_add_test(lives,
	    half_closed_connection_carries_data_until_the_other_fin);
	tcase_add_test(lives, simultaneous_close_is_closed);
	tcase_add_test(lives, refused_connection_is_closed_and_its_port_free);
	tcase_add_test(lives, no_number_of_syns_makes_a_connection_established);
	tcase_add_test(lives,
	    client_alone_gets_established_only_where_replies_go_past);
	tcase_add_test(lives, syn_in_established_leaves_it_as_it_is);
	tcase_add_test(lives,
	    port_is_reused_by_a_bare_syn_after_the_clients_close);
	suite_add_tcase(s, lives);
	return s;
}

int
main(void)
{
	return run_suite(suite());
}
