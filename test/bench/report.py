"""Samples to tables: medians, spread, ratios, and what was wanted."""

import statistics

# (measure, unit, {reference: the least ratio loaded / reference})
ROWS = [
    ("udp64", "packets/s", {"conntrack": 0.95}),
    ("http-new", "connections/s", {"conntrack": 0.95}),
    ("http-keepalive", "requests/s", {"conntrack": 0.80}),
    ("bulk-up", "Gbit/s", {"conntrack": 0.30, "haproxy": 1.30}),
    ("bulk-down", "Gbit/s", {"conntrack": 0.45, "haproxy": 1.30}),
    ("latency-p50", "us", {}),
    ("latency-p99", "us", {}),
]
MEASURES = [row[0] for row in ROWS]
OPTIONAL = ("latency-p50", "latency-p99")
CONTENDERS = ["forward", "conntrack", "loaded", "haproxy"]
HEAD = ["what", "unit"] + CONTENDERS + ["ratio", "wanted", ""]


def ratio(samples, reference):
    """The median of the rounds' ratios; None without a whole round."""
    pairs = zip(samples.get("loaded", []), samples.get(reference, []))
    ratios = [mine / theirs for mine, theirs in pairs
              if mine is not None and theirs]
    return statistics.median(ratios) if ratios else None


def results(samples):
    """One dict for each line of the table; samples[measure][contender] is a
    list by round, None where a sample failed."""
    lines = []
    for measure, unit, wanted in ROWS:
        if measure not in samples:
            continue
        for reference, least in wanted.items() or [(None, None)]:
            got = ratio(samples[measure], reference)
            lines.append({
                "what": measure, "unit": unit, "reference": reference,
                "median": {name: statistics.median(values)
                           for name, values in _good(samples[measure])},
                "spread": {name: _spread(values)
                           for name, values in _good(samples[measure])},
                "ratio": got, "wanted": least,
                "ok": None if got is None or least is None else got >= least,
            })
    return lines


def table(lines):
    """Rows of text, the head first."""
    rows = [HEAD]
    for line in lines:
        cells = [_cell(line, name) for name in CONTENDERS]
        against = " x " + line["reference"] if line["reference"] else ""
        rows.append([
            line["what"], line["unit"], *cells,
            "-" if line["ratio"] is None else "%.2f" % line["ratio"],
            ">= %.2f%s" % (line["wanted"], against) if against else "-",
            {None: "-", True: "ok", False: "short"}[line["ok"]]])
    return rows


def as_text(rows):
    widths = [max(map(len, column)) for column in zip(*rows)]
    return "\n".join("  ".join(
        cell.ljust(width) for cell, width in zip(row, widths)).rstrip()
        for row in rows)


def as_markdown(rows):
    head, *body = rows
    lines = [head, ["---"] * len(head)] + body
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _good(by_contender):
    for name, values in by_contender.items():
        values = [value for value in values if value is not None]
        if values:
            yield name, values


def _spread(values):
    """Half the range, as a part of the median."""
    return (max(values) - min(values)) / 2 / statistics.median(values)


def _cell(line, name):
    if name not in line["median"]:
        return "-"
    value = line["median"][name]
    text = "%.2f" % value if value < 100 else "{:,.0f}".format(value)
    return "%s ±%.0f%%" % (text, 100 * line["spread"][name])
