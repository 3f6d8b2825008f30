"""Reads C++ as far as the house rules need it: without comments and strings, and as a list of functions.

Not a parser. It follows braces, and tells a function from a class, a namespace or an initialiser by the words
before the brace; that is enough for code laid out by clang-format.
"""

import collections
import re

Function = collections.namedtuple("Function", "name first_line last_line")

TOKEN = re.compile(
    r"//(?:\\\n|[^\n])*"  # comment to the end of the line
    r"|/\*.*?\*/"  # comment between marks
    r'|R"(?P<mark>[^()\\\s]{0,16})\(.*?\)(?P=mark)"'  # raw string
    r'|"(?:\\.|[^"\\\n])*"'  # string
    r"|(?<![0-9a-zA-Z_])(?:u8|[uUL])?'(?:\\.|[^'\\\n])+'",  # character, not the ' inside 1'000
    re.DOTALL,
)
DIRECTIVE = re.compile(r"^[ \t]*#(?:\\\n|[^\n])*", re.MULTILINE)
SCOPE = re.compile(r"\b(namespace|class|struct|union|enum)\b[^()=]*$|\bextern\s*\"\"\s*$")
AFTER_PARAMETERS = {"const", "noexcept", "override", "final", "mutable", "try", "volatile"}
LAST_WORD = re.compile(r"([A-Za-z_]\w*)\s*$")
FUNCTION_NAME = re.compile(r"([~\w:]+|operator\s*[^\s(]+)\s*\(")
LABELS = {"public", "private", "protected"}


def newlines_of(text):
    return "\n" * text.count("\n")


def without_comments_and_strings(text):
    """The same lines, with comments gone and strings empty."""

    def blank(match):
        token = match.group()
        quote = "" if token[0] == "/" else '""' if token[0] in 'R"' else "''"
        return quote + newlines_of(token)

    return TOKEN.sub(blank, text)


def kind_of_brace(head):
    """What a brace opens, from the text since the statement began: 'scope', 'function' or 'value'."""
    if SCOPE.search(head):
        return "scope"
    if ")" not in head:
        return "value"
    after = head[head.rindex(")") + 1 :]
    word = LAST_WORD.search(head)
    if after.strip() == "" or "->" in after or (word and word.group(1) in AFTER_PARAMETERS):
        return "function"
    if after.lstrip().startswith((":", ",")) and after.rstrip().endswith("}"):
        return "function"  # a constructor whose initialiser list ends in braces
    return "value"


def functions(text):
    """Every function of a file, outermost only: a lambda is a part of the function it stands in."""
    code = DIRECTIVE.sub(lambda match: newlines_of(match.group()), without_comments_and_strings(text))
    found, stack, head, head_line, line = [], [], "", 1, 1
    for char in code:
        if char == "\n":
            line += 1
        inside = any(kind != "scope" for kind, *_ in stack)
        if char == "{":
            kind = "value" if inside else kind_of_brace(head)
            stack.append((kind, head, head_line))
            head = head if kind == "value" else ""
        elif char == "}" and stack:
            kind, before, before_line = stack.pop()
            if kind == "function":
                name = FUNCTION_NAME.search(before)
                found.append(Function(name.group(1) if name else "function", before_line, line))
            # After `a_{1}` of an initialiser list the same statement goes on.
            head = before + "{}" if kind == "value" else ""
            head_line = before_line
        elif inside:
            continue
        elif char == ";" or (char == ":" and head in LABELS):
            head = ""
        elif head or not char.isspace():
            head_line = head_line if head else line
            head += char
    return found


def includes(text):
    """(line, header, is_quoted) of every #include."""
    bare = without_comments_and_strings(text).splitlines()
    for number, (line, clean) in enumerate(zip(text.splitlines(), bare), start=1):
        match = re.match(r'\s*#\s*include\s*(["<])([^">]+)[">]', line)
        if match and clean.lstrip().startswith("#"):
            yield number, match.group(2), match.group(1) == '"'
