"""Plant one violation in a small clean tree; the rule, and no other, fires."""

import pathlib
import re
import subprocess

import pytest

SCRIPTS = pathlib.Path(__file__).resolve().parents[2] / "scripts"

HEADER = """\
/* sum.h - adds. */
#ifndef LOADED_SUM_H
#define LOADED_SUM_H

int sum_add(int a, int b);

#endif
"""
SOURCE = """\
/* sum.c - adds; strcpy() in a comment, a string or a member is harmless. */
#include "loaded/sum.h"

#include <stddef.h>

struct sum_ops {
	const char *name;
	int (*signal)(int);
};

static const struct sum_ops ops[] = {
	{ .name = "system(1)", .signal = NULL },
};
static const char *const names[] = { "one", "two" };

int
sum_add(int a, int b)
{
	if (ops[0].signal != NULL && names[0] != NULL)
		return ops[0].signal(a);
	return a + b;
}
"""


def function(body, name="f", arguments="void"):
    return f"\nint {name}({arguments});\n\nint\n{name}({arguments})\n" \
        + "{\n" + body + "\treturn 0;\n}\n"


def nested(depth):
    """Loops of every kind in each other, and a chain of else that is flat."""
    kinds = ["for (;;)", "while (1)", "if (1)", "switch (1)"]
    lines = ["\t" * (d + 1) + kinds[d % 4] + " {\n" for d in range(depth)]
    lines += ["\t" * d + "}\n" for d in range(depth, 0, -1)]
    flat = "\tif (1)\n\t\treturn 1;\n" + \
        "\telse if (2)\n\t\treturn 2;\n" * 4
    return "".join(lines) + flat


def branches(count):
    return "\tif (1)\n\t\treturn 1;\n" * count


def check(script, root):
    done = subprocess.run([SCRIPTS / script, root], capture_output=True,
                          text=True, check=False)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    *lines, last = done.stdout.splitlines()
    assert last.startswith(script + ": ")
    return done.returncode, lines


def errors(lines):
    """(file, rule) of what check-style found, without the warnings."""
    found = [re.match(r"(\S+?):\d+: ([\w-]+): ", line) for line in lines]
    return [m.groups() for m in found if m and m[2] != "warning"]


@pytest.fixture
def tree(tmp_path):
    """Write files over those of the clean tree; "+TEXT" appends."""
    def write(files):
        clean = {"src/sum.c": SOURCE, "include/loaded/sum.h": HEADER}
        for name, text in {**clean, **files}.items():
            if text[0] == "+":
                text = clean[name] + text[1:]
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return tmp_path
    return write


C, H, T = "src/sum.c", "include/loaded/sum.h", "test/unit/test_sum.c"
STATIC = "+\nstatic int last;\n"

QUIET = {
    "clean": {},
    "function of 70 lines": {C: "+" + function("\t(void)0;\n" * 66)},
    "main of 40 lines": {
        C: "+" + function("\t(void)0;\n" * 36, "main")},
    "complexity 12": {C: "+" + function(branches(11))},
    "6 parameters": {C: "+" + function(
        "", arguments="int a, int (*b)(int, int), int c, int d, int e, int g")},
    "nesting 3": {C: "+" + function(nested(3))},
    "#if between functions": {C: "+\n#if 1" + function("") + "#endif\n"},
    "static of log.c": {"src/log.c": STATIC[2:]},
    "flag of signals.c": {
        "src/signals.c":
        "#include <signal.h>\n\nstatic volatile sig_atomic_t last;\n"},
    "local constant": {
        C: "+" + function("\tstatic const int two = 2;\n\n\t(void)two;\n")},
    "100 columns in a test": {T: "/* " + "x" * 94 + " */\n"},
    "layout of a test": {T: "int   x;   \n"},
    "excused": {C: STATIC,
                "scripts/style-exceptions":
                f"# a comment\n{C}: global last it is only a test\n"},
    "python in scripts": {"scripts/tool": "#!/usr/bin/python3\nx = $y\n"},
}

PLANTED = {
    "length": {C: "+" + function("\t(void)0;\n" * 67)},
    "length of main": {C: "+" + function("\t(void)0;\n" * 37, "main")},
    "cyclomatic": {C: "+" + function(branches(12))},
    "params": {C: "+" + function("", arguments=", ".join(
        f"int {name}" for name in "abcdegh"))},
    "nesting": {C: "+" + function(nested(4))},
    "nesting without braces": {C: "+" + function(
        "\twhile (1)\n\t\tif (1)\n\t\t\tfor (;;)\n"
        "\t\t\t\tif (2)\n\t\t\t\t\treturn 1;\n")},
    "nesting of a loop macro": {C: "+" + function(
        "\tLIST_FOREACH(x, y, z)\n\t\tif (1)\n\t\t\tfor (;;)\n"
        "\t\t\t\tif (2)\n\t\t\t\t\treturn 1;\n")},
    "file-length": {C: "+" + "\n/* more */" * 500 + "\n"},
    "file-length of a header": {H: "+" + "\n/* more */" * 150 + "\n"},
    "line": {C: "+\n/* " + "x" * 85 + " */\n"},
    "line in tabs": {C: "+\n/*\n" + "\t" * 11 + "xxx */\n"},
    "line of a test": {T: "/* " + "x" * 95 + " */\n"},
    "ifdef": {C: "+" + function("#ifdef A\n\treturn 1;\n#endif\n")},
    "global": {C: "+\nint last;\n"},
    "global pointer to constants": {C: "+\nconst char *last;\n"},
    "global extern": {H: HEADER.replace("int sum", "extern int x;\nint sum")},
    "global static": {C: STATIC},
    "global static function": {C: "+\nstatic int (*last)(int);\n"},
    "global static list": {C: "+\nstatic const int one = 1, *two = &one;\n"},
    "global static in a function": {
        C: "+" + function("\tstatic int last;\n\n\tlast++;\n")},
    "global type in signals.c": {"src/signals.c": STATIC[2:]},
    "todo": {C: "+\n/* TODO: more */\n"},
    "own-header": {C: SOURCE.replace(
        '#include "loaded/sum.h"\n\n#include <stddef.h>',
        '#include <stddef.h>\n\n#include "loaded/sum.h"')},
    "compile": {H: HEADER.replace("int a,", "size_t a,")},
    "whitespace": {C: "+\n/*\n * more \n */\n"},
    "format": {C: "+\nextern int  sum_two(void);\n"},
    "exception without a reason": {
        "scripts/style-exceptions": f"{C}: line -\n"},
    "exception not needed": {
        "scripts/style-exceptions": f"{C}: length sum_add once was long\n"},
    "shellcheck": {"scripts/tool": "#!/bin/sh\necho $1\n"},
    "shellcheck of the vm": {"test/vm/run": "#!/bin/bash\necho $1\n"},
}
PLANTED.update({
    f"banned {name}": {C: "+" + function(f"\t(void){name}(0);\n")}
    for name in "atoi sprintf strcpy strcat strtok gets alloca system popen "
                "signal".split()})


@pytest.mark.parametrize("files", QUIET.values(), ids=QUIET)
def test_good_code_is_left_alone(tree, files):
    status, lines = check("check-style", tree(files))
    assert (status, errors(lines)) == (0, [])


@pytest.mark.parametrize("name", PLANTED)
def test_violation_is_found(tree, name):
    status, lines = check("check-style", tree(PLANTED[name]))
    assert status == 1
    assert {rule for _, rule in errors(lines)} == {name.split()[0]}, lines


def test_long_lines_and_functions_warn_first(tree):
    status, lines = check("check-style", tree({
        C: "+" + function("\t(void)0;\n" * 60) + "\n/* " + "x" * 80 + " */\n"}))
    assert (status, errors(lines)) == (0, [])
    assert [re.sub(r".*warning: (\S+): .*", r"\1", line) for line in lines
            if ": warning: " in line] == ["length", "line"]


LAYERS_QUIET = {
    "downward": {"src/worker.c": '#include "loaded/sched.h"\n',
                 "include/loaded/sched.h": '#include "loaded/addr.h"\n'},
    "sideways": {"src/sched_rr.c": '#include "loaded/sched.h"\n'},
    "longest name": {"src/table_build.c": '#include "loaded/conf.h"\n'},
    "config file": {"src/conf_file.c": "#include <libconfig.h>\n"},
    "clock": {"src/clock.c": "int x = clock_gettime(0);\n"},
    "role ends": {"src/worker.c": "int x = fatal(0);\n"},
    "sandbox ends": {"src/sandbox.c": "int x = fatal(0) + exit(1);\n"},
    "child ends": {"src/daemon.c": "int x = _exit(0);\n"},
    "comment": {"src/flow.c": '/*\n#include "loaded/log.h"\nexit(0) */\n'},
}
LAYERS_PLANTED = {
    "upward": {"src/sched_rr.c": '#include "loaded/worker.h"\n'},
    "upward header": {"include/loaded/addr.h": '#include "loaded/flow.h"\n'},
    "into the builder": {"src/table.c": '#include "loaded/table_build.h"\n'},
    "no layer": {"src/util.c": "int x;\n"},
    "no layer included": {"src/worker.c": '#include "loaded/util.h"\n'},
    "circle": {"include/loaded/flow.h": '#include "loaded/sched.h"\n',
               "include/loaded/sched.h": '#include "loaded/flow.h"\n'},
    "libconfig": {"src/conf.c": "#include <libconfig.h>\n"},
    "clock reader": {"src/worker.c": "int x = clock_gettime(0);\n"},
    "pure fatal": {"src/flow.c": "int x = fatal(0);\n"},
    "I/O exit": {"src/nfq.c": "int x = exit(0);\n"},
}
LAYERS_PLANTED.update({
    f"pure includes {name}": {"src/flow.c": f"#include {name}\n"}
    for name in ('"loaded/log.h"', '"loaded/clock.h"', "<stdio.h>", "<time.h>",
                 "<unistd.h>", "<sys/socket.h>")})


def layers(tmp_path, files):
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return check("check-layers", tmp_path)


@pytest.mark.parametrize("files", LAYERS_QUIET.values(), ids=LAYERS_QUIET)
def test_downward_includes_are_left_alone(tmp_path, files):
    assert layers(tmp_path, files) == (0, [])


@pytest.mark.parametrize("files", LAYERS_PLANTED.values(), ids=LAYERS_PLANTED)
def test_upward_include_is_found(tmp_path, files):
    status, lines = layers(tmp_path, files)
    assert (status, len(lines)) == (1, 1), lines
