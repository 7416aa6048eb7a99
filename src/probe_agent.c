/*
 * probe_agent.c - what a backend's agent answered, as the outcome of a probe.
 * Called by probe_tcp.c.  An agent speaks of its backend but is not the
 * backend: if it can't be asked, no verdict hears of it.
 */
#include <string.h>

#include "loaded/probe_impl.h"

bool
probe_agent_has_line(const struct probe *p)
{
	return p->answer_len >= AGENT_LINE_MAX ||
	    (p->answer_len > 0 &&
		(memchr(p->answer, '\n', p->answer_len) != NULL ||
		    memchr(p->answer, '\r', p->answer_len) != NULL));
}

static void
judge_line(struct probe_outcome *o, const struct agent_line *line)
{
	o->has_agent = true;
	o->agent = *line;
	if (!line->has_health || line->up)
		o->result = PROBE_OK;
	else if (line->reason[0] != '\0')
		probe_outcome_set(o, PROBE_AGENT_DOWN, "agent says down: %s",
		    line->reason);
	else
		probe_outcome_set(o, PROBE_AGENT_DOWN, "agent says down");
}

void
probe_agent_judge(const struct probe *p, struct probe_outcome *o)
{
	struct agent_line line;

	switch (agent_line_parse(&line, p->answer, p->answer_len)) {
	case AGENT_LINE_OK:
		judge_line(o, &line);
		return;
	case AGENT_LINE_EMPTY:
		probe_outcome_set(o, PROBE_NO_AGENT, "the agent says nothing");
		return;
	case AGENT_LINE_BAD_WORD:
		probe_outcome_set(o, PROBE_NO_AGENT,
		    "the agent says \"%s\", which is no word for it",
		    line.reason);
		return;
	case AGENT_LINE_BAD_NUMBER:
		probe_outcome_set(o, PROBE_NO_AGENT,
		    "the agent says \"%s\", which is no number for it",
		    line.reason);
		return;
	}
}

void
probe_agent_excuse(struct probe_outcome *o)
{
	if (o->result != PROBE_OK && o->result != PROBE_AGENT_DOWN &&
	    o->result != PROBE_SKIPPED)
		o->result = PROBE_NO_AGENT;
}
