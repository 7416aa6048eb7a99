"""C source as text, for check-style and check-layers.

Just enough of the language to find comments, directives, tokens and file-scope
names; no preprocessing. Line numbers always stay those of the file.
"""

import re

_LEXEME = re.compile(
    r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
_DIRECTIVE = re.compile(r'^[ \t]*#(?:\\\n|[^\n])*', re.M)
_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"][^>"\n]+[>"])', re.M)
_TOKEN = re.compile(r'[A-Za-z_]\w*|\d[\w.]*|->|\.\.\.|\S')
_CLOSER = {"(": ")", "[": "]", "{": "}"}
_ATTRIBUTES = ("__attribute__", "_Alignas", "__extension__")
_TYPE_OF = ("_Atomic", "typeof", "__typeof__")
_NOT_NAMES = set("struct union enum static extern const volatile register "
                 "_Atomic _Thread_local __thread restrict inline".split())


def _blank(match):
    return re.sub(r"[^\n]", " ", match.group())


def without_comments(text):
    return _LEXEME.sub(
        lambda m: _blank(m) if m.group()[0] == "/" else m.group(), text)


def code_only(text):
    """Comments become blanks, and so does what stands inside of quotes."""
    def hide(match):
        found = match.group()
        if found[0] == "/":
            return _blank(match)
        return found[0] + _blank(match)[1:-1] + found[0]
    return _LEXEME.sub(hide, text)


def without_directives(text):
    return _DIRECTIVE.sub(_blank, text)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def includes(text):
    """(line, '<name>' or '"name"') of every #include."""
    text = without_comments(text)
    return [(line_of(text, m.start(1)), m.group(1))
            for m in _INCLUDE.finditer(text)]


def calls(code, names):
    """(line, name) of every call of one of these functions."""
    found = re.finditer(r"(?<![\w.>])(%s)\s*\(" % "|".join(names), code)
    return [(line_of(code, m.start(1)), m.group(1)) for m in found]


def tokens(code):
    """(text, line) of every token of a text without comments."""
    return [(m.group(), number)
            for number, line in enumerate(code.split("\n"), 1)
            for m in _TOKEN.finditer(line)]


def group_end(toks, start):
    """The index behind the bracket that closes the one at start."""
    opener = toks[start][0]
    closer, depth = _CLOSER[opener], 0
    for i in range(start, len(toks)):
        if toks[i][0] == opener:
            depth += 1
        elif toks[i][0] == closer:
            depth -= 1
            if depth == 0:
                return i + 1
    return len(toks)


def _plain(toks):
    """Leave out attributes, and what is in brackets behind typeof."""
    i = 0
    while i < len(toks):
        text = toks[i][0]
        if text not in _ATTRIBUTES:
            yield toks[i]
        i += 1
        if text in _ATTRIBUTES + _TYPE_OF and toks[i:] and toks[i][0] == "(":
            i = group_end(toks, i)


def _is_function(decl):
    plain = [t for t, _ in _plain(decl)]
    return plain[-1:] == [")"] and "=" not in plain


def file_scope(toks):
    """Split a file into ("body", tokens) of each function and ("decl", tokens)
    of each other declaration, where a list in braces is one '{}' token."""
    decl, i = [], 0
    while i < len(toks):
        text, line = toks[i]
        if text == "{":
            end = group_end(toks, i)
            if _is_function(decl):
                yield "body", toks[i:end]
                decl = []
            else:
                decl.append(("{}", line))
            i = end
            continue
        if text == ";":
            yield "decl", decl
            decl = []
        else:
            decl.append((text, line))
        i += 1


def local_statics(body):
    """The tokens of each static declaration inside of a function."""
    for i, (text, _) in enumerate(body):
        if text == "static":
            wrapped = file_scope(body[i:])
            yield next((d for kind, d in wrapped if kind == "decl"), [])


def _declarators(decl):
    """Cut a declaration at its commas; initialisers and attributes go."""
    decl = list(_plain(decl))
    parts, value, i = [[]], False, 0
    while i < len(decl):
        text = decl[i][0]
        end = group_end(decl, i) if text in "([" else i + 1
        if text == ",":
            parts.append([])
            value = False
        elif text == "=":
            value = True
        elif not value:
            parts[-1].extend(decl[i:end])
        i = end
    return parts


def _variable(words):
    """(name, is constant) of one declarator, or None when it has none."""
    first = next((i for i, w in enumerate(words) if w in "(["), len(words))
    if words[first:first + 1] == ["("]:
        if words[first + 1:first + 2] != ["*"]:
            return None                         # a prototype
        inner = words[first + 1:group_end([(w, 0) for w in words], first) - 1]
        names = [w for w in inner if w.isidentifier() and w != "const"]
        return (names or ["?"])[0], "const" in inner
    words = words[:first]
    if not words or not words[-1].isidentifier() or words[-1] in _NOT_NAMES:
        return None
    if len(words) < 2 or words[-2] in ("struct", "union", "enum"):
        return None                             # only a type
    tail = words
    if "*" in words:
        tail = words[len(words) - words[::-1].index("*"):]
    return words[-1], "const" in tail


def variables(decl):
    """(line, name, is constant, words) of each variable a declaration makes."""
    words = [t for t, _ in decl]
    if not words or words[0] in ("typedef", "_Static_assert", "static_assert"):
        return []
    parts = [[t for t, _ in p] for p in _declarators(decl)]
    stop = next((i for i, w in enumerate(parts[0]) if w in "*(["),
                len(parts[0]) - 1)
    shared = parts[0][:stop]
    found = [_variable(p) for p in
             parts[:1] + [shared + p for p in parts[1:]]]
    return [(decl[0][1], f[0], f[1], words) for f in found if f]


class Nesting:
    """How deep the control structures of one function body nest."""

    def __init__(self, body):
        self.toks, self.i = body, 0
        self.depth, self.line = 0, body[0][1] if body else 0
        self._statement(0)

    def _now(self):
        return self.toks[self.i][0] if self.i < len(self.toks) else ""

    def _group(self):
        if self._now() in _CLOSER:
            self.i = group_end(self.toks, self.i)

    def _skip_to(self, stop):
        while self._now() not in (stop, "}", ""):
            if self._now() in _CLOSER:
                self._group()
            else:
                self.i += 1
        if self._now() == stop:
            self.i += 1

    def _inner(self, depth):
        if depth > self.depth:
            self.depth = depth
            self.line = self.toks[min(self.i, len(self.toks)) - 1][1]
        self._statement(depth)

    def _is_loop_macro(self):
        """NAME(...) with neither an operator nor a semicolon behind it."""
        name, start = self._now(), self.i + 1
        if not name.isidentifier() or name[0] == "_" or name == "typeof":
            return False
        if start >= len(self.toks) or self.toks[start][0] != "(":
            return False
        end = group_end(self.toks, start)
        after = self.toks[end][0] if end < len(self.toks) else ";"
        return after == "{" or after.isidentifier()

    def _statement(self, depth):
        word = self._now()
        following = self.toks[self.i + 1:self.i + 2]
        if word == "{":
            self._block(depth)
        elif word == "if":
            self._if(depth)
        elif word == "do":
            self.i += 1
            self._inner(depth + 1)
            self._skip_to(";")
        elif word in ("case", "default") or (
                word.isidentifier() and following and following[0][0] == ":"):
            self._skip_to(":")
            if self._now() != "}":
                self._statement(depth)
        elif word in ("for", "while", "switch") or self._is_loop_macro():
            self.i += 1
            self._group()
            self._inner(depth + 1)
        else:
            self._skip_to(";")

    def _block(self, depth):
        self.i += 1
        while self._now() not in ("}", ""):
            self._statement(depth)
        self.i += 1

    def _if(self, depth):
        self.i += 1
        self._group()
        self._inner(depth + 1)
        if self._now() != "else":
            return
        self.i += 1
        if self._now() == "if":
            self._if(depth)
        else:
            self._inner(depth + 1)
