/*
 * agent_line.c - reads what a backend's agent says of itself; see
 * agent_line.h.  Pure; called by the failover thread.  The text is hostile: a
 * line that is not understood as a whole says nothing at all.
 */
#include "loaded/agent_line.h"

#include <string.h>
#include <strings.h>

#include "loaded/num.h"
#include "loaded/share.h"

#define NUMBER_LEN 24 /* more digits than any number has that is meant */

/* A part of the text: not terminated. */
struct piece {
	const char *text;
	size_t len;
};

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == ',';
}

static bool
piece_is(const struct piece *p, const char *word)
{
	return strlen(word) == p->len &&
	    strncasecmp(p->text, word, p->len) == 0;
}

static void
drop_first(struct piece *p, size_t count)
{
	p->text += count;
	p->len -= count;
}

static struct piece
first_line(const void *text, size_t len)
{
	struct piece line = { len > 0 ? text : "", 0 };

	while (line.len < len && line.text[line.len] != '\n' &&
	    line.text[line.len] != '\r')
		line.len++;
	return line;
}

/* Takes the next word, or the # that ends all words, from the line. */
static struct piece
next_word(struct piece *line)
{
	struct piece word;

	while (line->len > 0 && is_space(line->text[0]))
		drop_first(line, 1);
	word = (struct piece){ line->text, 0 };
	if (line->len > 0 && line->text[0] == '#')
		return word;
	while (word.len < line->len && !is_space(word.text[word.len]) &&
	    word.text[word.len] != '#')
		word.len++;
	drop_first(line, word.len);
	return word;
}

/* What is no ASCII that can be printed becomes a dot. */
static void
set_reason(struct agent_line *out, const struct piece *p)
{
	size_t n = 0;

	for (; n < p->len && n < sizeof(out->reason) - 1; n++)
		out->reason[n] = p->text[n] >= ' ' && p->text[n] < 0x7f ?
		    p->text[n] :
		    '.';
	while (n > 0 && out->reason[n - 1] == ' ')
		n--;
	out->reason[n] = '\0';
}

static enum agent_line_result
read_number(uint32_t *out, struct piece digits, uint32_t max)
{
	char text[NUMBER_LEN];
	uint64_t value;

	if (digits.len >= sizeof(text))
		return AGENT_LINE_BAD_NUMBER;
	memcpy(text, digits.text, digits.len);
	text[digits.len] = '\0';
	if (strlen(text) != digits.len || num_parse(&value, text, 0, max) != 0)
		return AGENT_LINE_BAD_NUMBER;
	*out = (uint32_t)value;
	return AGENT_LINE_OK;
}

/* Words that have a number in them. */
static enum agent_line_result
take_number(struct agent_line *out, struct piece word)
{
	static const char maxconn[] = "maxconn:";
	const size_t skip = sizeof(maxconn) - 1;

	if (word.text[word.len - 1] == '%') {
		word.len--;
		out->has_percent = true;
		return read_number(&out->percent, word, SHARE_PERCENT);
	}
	if (word.len >= skip && strncasecmp(word.text, maxconn, skip) == 0) {
		drop_first(&word, skip);
		out->has_max = true;
		return read_number(&out->max_connections, word, UINT32_MAX);
	}
	return AGENT_LINE_BAD_WORD;
}

static enum agent_line_result
take_word(struct agent_line *out, const struct piece *word)
{
	static const struct {
		const char *word;
		bool is_health, up;
		enum backend_admin admin;
	} words[] = {
		{ "up", true, true, ADMIN_READY },
		{ "down", true, false, ADMIN_READY },
		{ "fail", true, false, ADMIN_READY },
		{ "stopped", true, false, ADMIN_READY },
		{ "ready", false, false, ADMIN_READY },
		{ "drain", false, false, ADMIN_DRAIN },
		{ "maint", false, false, ADMIN_MAINT },
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (!piece_is(word, words[i].word))
			continue;
		if (words[i].is_health) {
			out->has_health = true;
			out->up = words[i].up;
		} else {
			out->has_admin = true;
			out->admin = words[i].admin;
		}
		return AGENT_LINE_OK;
	}
	return take_number(out, *word);
}

/* Behind the #, blanks left out. */
static void
take_reason(struct agent_line *out, struct piece line)
{
	drop_first(&line, 1);
	while (line.len > 0 && is_space(line.text[0]))
		drop_first(&line, 1);
	if (out->has_health && !out->up)
		set_reason(out, &line);
}

enum agent_line_result
agent_line_parse(struct agent_line *out, const void *text, size_t len)
{
	struct piece line = first_line(text, len), word;
	enum agent_line_result result = AGENT_LINE_EMPTY;

	*out = (struct agent_line){ .reason = "" };
	while ((word = next_word(&line)).len > 0) {
		result = take_word(out, &word);
		if (result == AGENT_LINE_OK)
			continue;
		*out = (struct agent_line){ .reason = "" };
		set_reason(out, &word);
		return result;
	}
	if (line.len > 0)
		take_reason(out, line);
	return result;
}
