/*
 * test_agent_line.c - the words of an agent, good and bad, in any mixture.
 */
#include "loaded/agent_line.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runner.h"
#include "seed.h"

/* From memory of the exact size. */
static enum agent_line_result
parse(struct agent_line *out, const char *text, size_t len)
{
	char *exact = malloc(len > 0 ? len : 1);
	enum agent_line_result result;

	ck_assert_ptr_nonnull(exact);
	memcpy(exact, text, len);
	memset(out, 0xff, sizeof(*out));
	result = agent_line_parse(out, exact, len);
	free(exact);
	return result;
}

static enum agent_line_result
parse_text(struct agent_line *out, const char *text)
{
	return parse(out, text, strlen(text));
}

/* What a line says: "p75 m10 ready up" and so on, in this order. */
static const char *
said(const struct agent_line *a, char text[static 128])
{
	static const char *const admins[] = { " ready", " drain", " maint" };

	text[0] = '\0';
	if (a->has_percent)
		snprintf(text, 128, " p%u", a->percent);
	if (a->has_max)
		snprintf(text + strlen(text), 32, " m%u", a->max_connections);
	if (a->has_admin)
		strncat(text, admins[a->admin], 8);
	if (a->has_health)
		strncat(text, a->up ? " up" : " down", 8);
	return text;
}

START_TEST(good_lines_say_what_the_table_says)
{
	static const struct {
		const char *line, *said, *reason;
	} rows[] = {
		{ "75%", " p75", "" },
		{ "0%", " p0", "" },
		{ "1000%\n", " p1000", "" },
		{ "007%", " p7", "" },
		{ "up", " up", "" },
		{ "UP\r\n", " up", "" },
		{ "Down", " down", "" },
		{ "stopped", " down", "" },
		{ "fail", " down", "" },
		{ "ready", " ready", "" },
		{ "drain", " drain", "" },
		{ "MAINT", " maint", "" },
		{ "maxconn:30", " m30", "" },
		{ "MaxConn:0", " m0", "" },
		{ "maxconn:4294967295", " m4294967295", "" },
		{ "ready up 50% maxconn:9", " p50 m9 ready up", "" },
		{ "50%,maxconn:9,\tup,,ready\n", " p50 m9 ready up", "" },
		{ " \t, up , \n", " up", "" },
		{ "up\ndown", " up", "" },
		{ "up\rdown", " up", "" },
		{ "up down", " down", "" },
		{ "drain ready", " ready", "" },
		{ "10% 20%", " p20", "" },
		{ "down #disk full\n", " down", "disk full" },
		{ "down# disk full \n50%", " down", "disk full" },
		{ "fail #\tup, 75%", " down", "up, 75%" },
		{ "75% stopped #a # b", " p75 down", "a # b" },
		{ "down #", " down", "" },
		{ "down #a\tb\x01\x7f\xc3\xbc", " down", "a.b...." },
		{ "up #fine", " up", "" },
		{ "down up #fine", " up", "" },
		{ "50% #half", " p50", "" },
	};
	struct agent_line a;
	char text[128];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ck_assert_msg(parse_text(&a, rows[i].line) == AGENT_LINE_OK,
		    "%s", rows[i].line);
		ck_assert_str_eq(said(&a, text), rows[i].said);
		ck_assert_str_eq(a.reason, rows[i].reason);
	}
}
END_TEST

START_TEST(a_line_without_a_word_is_empty)
{
	static const char *const lines[] = { "", "\n", " \t,\n", "\nup",
		"\r\n75%", "#up", " # up" };
	struct agent_line a;
	char text[128];

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		ck_assert_int_eq(parse_text(&a, lines[i]), AGENT_LINE_EMPTY);
		ck_assert_str_eq(said(&a, text), "");
		ck_assert_str_eq(a.reason, "");
	}
	ck_assert_int_eq(agent_line_parse(&a, NULL, 0), AGENT_LINE_EMPTY);
}
END_TEST

START_TEST(bad_lines_say_nothing_but_the_word)
{
	static const struct {
		const char *line;
		enum agent_line_result result;
		const char *word;
	} rows[] = {
		{ "hello", AGENT_LINE_BAD_WORD, "hello" },
		{ "up ups", AGENT_LINE_BAD_WORD, "ups" },
		{ "75% u", AGENT_LINE_BAD_WORD, "u" },
		{ "75", AGENT_LINE_BAD_WORD, "75" },
		{ "maxconn", AGENT_LINE_BAD_WORD, "maxconn" },
		{ "maxconn 30", AGENT_LINE_BAD_WORD, "maxconn" },
		{ "x\x01y\xff", AGENT_LINE_BAD_WORD, "x.y." },
		{ "HTTP/1.1 400 Bad Request", AGENT_LINE_BAD_WORD, "HTTP/1.1" },
		{ "ready foo#bar", AGENT_LINE_BAD_WORD, "foo" },
		{ "1001%", AGENT_LINE_BAD_NUMBER, "1001%" },
		{ "%", AGENT_LINE_BAD_NUMBER, "%" },
		{ "-1%", AGENT_LINE_BAD_NUMBER, "-1%" },
		{ "7.5%", AGENT_LINE_BAD_NUMBER, "7.5%" },
		{ "up 99999999999999999999999%", AGENT_LINE_BAD_NUMBER,
		    "99999999999999999999999%" },
		{ "99999999999999999999999999999%", AGENT_LINE_BAD_NUMBER,
		    "99999999999999999999999999999%" },
		{ "maxconn:", AGENT_LINE_BAD_NUMBER, "maxconn:" },
		{ "maxconn:x", AGENT_LINE_BAD_NUMBER, "maxconn:x" },
		{ "maxconn:4294967296", AGENT_LINE_BAD_NUMBER,
		    "maxconn:4294967296" },
		{ "maxconn:+1", AGENT_LINE_BAD_NUMBER, "maxconn:+1" },
	};
	struct agent_line a;
	char text[128];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ck_assert_msg(parse_text(&a, rows[i].line) == rows[i].result,
		    "%s", rows[i].line);
		ck_assert_str_eq(said(&a, text), "");
		ck_assert_str_eq(a.reason, rows[i].word);
	}
}
END_TEST

START_TEST(zeros_are_characters_like_others)
{
	struct agent_line a;

	ck_assert_int_eq(parse(&a, "up\0", 3), AGENT_LINE_BAD_WORD);
	ck_assert_str_eq(a.reason, "up.");
	ck_assert_int_eq(parse(&a, "7\0%", 3), AGENT_LINE_BAD_NUMBER);
	ck_assert_str_eq(a.reason, "7.%");
	ck_assert_int_eq(parse(&a, "down #a\0b", 9), AGENT_LINE_OK);
	ck_assert_str_eq(a.reason, "a.b");
}
END_TEST

START_TEST(nothing_is_read_behind_the_end)
{
	struct agent_line a;

	ck_assert_int_eq(parse(&a, "75%", 2), AGENT_LINE_BAD_WORD);
	ck_assert_int_eq(parse(&a, "up%", 2), AGENT_LINE_OK);
	ck_assert_int_eq(parse(&a, "maxconn:30", 9), AGENT_LINE_OK);
	ck_assert_uint_eq(a.max_connections, 3);
}
END_TEST

START_TEST(a_long_reason_is_cut)
{
	char line[AGENT_LINE_MAX];
	struct agent_line a;

	memset(line, 'r', sizeof(line));
	memcpy(line, "down #", 6);
	ck_assert_int_eq(parse(&a, line, sizeof(line)), AGENT_LINE_OK);
	ck_assert_uint_eq(strlen(a.reason), AGENT_REASON_LEN - 1);
	memset(line, 'r', sizeof(line));
	ck_assert_int_eq(parse(&a, line, sizeof(line)), AGENT_LINE_BAD_WORD);
	ck_assert_uint_eq(strlen(a.reason), AGENT_REASON_LEN - 1);
}
END_TEST

/* Writes some word, and into *want what it says. */
static void
random_word(struct agent_line *want, char word[static 32])
{
	static const char *const words[] = { "up", "down", "fail", "stopped",
		"ready", "drain", "maint" };
	const long which = random() % 9;

	if (which == 7) {
		want->has_percent = true;
		want->percent = (uint32_t)random() % 1001;
		snprintf(word, 32, "%u%%", want->percent);
	} else if (which == 8) {
		want->has_max = true;
		want->max_connections = (uint32_t)random();
		snprintf(word, 32, "maxconn:%u", want->max_connections);
	} else if (which < 4) {
		want->has_health = true;
		want->up = which == 0;
		snprintf(word, 32, "%s", words[which]);
	} else {
		want->has_admin = true;
		want->admin = (enum backend_admin)(which - 4);
		snprintf(word, 32, "%s", words[which]);
	}
	if (word[0] >= 'a' && random() % 2)
		word[0] ^= 0x20;
}

START_TEST(words_come_in_any_order_and_number)
{
	static const char *const ends[] = { " ", ",", "\t", " , " };

	seed_random("agent_line");
	for (int round = 0; round < 2000; round++) {
		struct agent_line want = { .reason = "" }, a;
		const long count = 1 + random() % 6;
		char line[256] = "", one[128], two[128];

		for (long i = 0; i < count; i++) {
			const size_t len = strlen(line);
			char word[32];

			random_word(&want, word);
			snprintf(line + len, sizeof(line) - len, "%s%s", word,
			    ends[random() % 4]);
		}
		ck_assert_int_eq(parse_text(&a, line), AGENT_LINE_OK);
		ck_assert_str_eq(said(&a, one), said(&want, two));
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("agent_line");
	TCase *good = tcase_create("good"), *bad = tcase_create("bad");

	tcase_add_test(good, good_lines_say_what_the_table_says);
	tcase_add_test(good, a_line_without_a_word_is_empty);
	tcase_add_test(good, words_come_in_any_order_and_number);
	tcase_add_test(bad, bad_lines_say_nothing_but_the_word);
	tcase_add_test(bad, zeros_are_characters_like_others);
	tcase_add_test(bad, nothing_is_read_behind_the_end);
	tcase_add_test(bad, a_long_reason_is_cut);
	suite_add_tcase(suite, good);
	suite_add_tcase(suite, bad);
	return run_suite(suite);
}
