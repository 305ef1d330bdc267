"""The small templates of features.json: what make_jinja_goldens.py renders."""

from jinja_expressions import EXPRESSIONS
from jinja_statements import STATEMENTS

VARIABLES = {
    "n": 7, "neg": -3, "f": 2.5, "t": True, "no": False, "nil": None, "s": "Hello World", "e": "", "u": "é ß Ǆ 日本",
    "html": "<b>a & 'b'</b> \"c\"", "lines": "one\ntwo\n\nthree", "l": [3, 1, 2], "el": [], "d": {"b": 1, "a": 2},
    "ed": {}, "words": ["b", "A", "a", "C"], "nested": {"x": {"y": [1, {"z": "deep"}]}},
    "users": [{"name": "Bo", "age": 3, "city": {"n": "X"}}, {"name": "al", "age": 1, "city": {"n": "Y"}},
              {"name": "Cy", "age": 3, "city": {"n": "x"}}, {"name": "Di", "age": None}],
    "messages": [{"role": "system", "content": "Be."}, {"role": "user", "content": "Hi"},
                 {"role": "assistant", "content": "Yo", "tool_calls": [{"function": {"name": "f", "arguments": {"x": 1}}}]}],
    "tree": [{"n": "1", "c": [{"n": "1.1", "c": [{"n": "1.1.1", "c": []}]}, {"n": "1.2", "c": []}]}, {"n": "2", "c": []}],
}

# What every filter and test is tried on.
SUBJECTS = [
    "none", "missing", "''", "0", "7", "-3", "2.5", "true", "[]", "{}", "()", "s", "u", "l", "d", "words", "(1, 'a')",
    "d.items()", "range(3)", "namespace(a=1)", "d.get", "l|map('string')", "lines",
]

FILTERS = [
    "abs", "attr('a')", "attr('upper')", "batch(2)|list", "batch(2, 0)|list", "capitalize", "center", "center(12)",
    "center(2)", "count", "default('x')", "default('x', true)", "d", "dictsort", "dictsort(by='value')",
    "dictsort(true, 'key', true)", "escape", "e", "filesizeformat", "filesizeformat(true)", "first", "float",
    "float(1.5)", "forceescape", "format(1)", "format", "groupby('a')", "indent", "indent(2, true)",
    "indent('>', blank=true)", "int", "int(5)", "int(0, 16)", "items|list", "join", "join(', ')", "last", "length",
    "list", "lower", "map('upper')|list", "map(attribute='name')|list", "map(attribute='a', default=0)|list", "max",
    "min", "pprint", "reject('odd')|list", "reject|list", "rejectattr('a')|list", "replace('l', 'L')",
    "replace('', '-', 2)", "reverse|list", "reverse", "round", "round(1)", "round(1, 'floor')", "round(0, 'ceil')",
    "safe", "select|list", "select('string')|list", "selectattr('name')|list", "selectattr('a', 'equalto', 1)|list",
    "slice(2)|list", "slice(2, 'x')|list", "sort", "sort(reverse=true)", "sort(case_sensitive=true)",
    "sort(attribute='name')", "string", "striptags", "sum", "sum(start=1)", "sum(attribute='age')", "title", "tojson",
    "tojson(indent=2)", "trim", "trim('H')", "truncate(5)", "truncate(5, true, '.', 0)", "unique|list", "upper",
    "urlencode", "wordcount", "wordwrap(5)", "xmlattr", "map('upper')|first", "select|first", "map('length')|length",
    "list|length", "batch(2)|length", "nosuch", "map('nosuch')|list", "map|list", "select('nosuch')|list",
]

TESTS = [
    "boolean", "callable", "defined", "divisibleby 2", "eq 7", "equalto 7", "escaped", "even", "false", "filter",
    "float", "ge 2", "gt 2", "greaterthan 2", "in [7, 'x']", "integer", "iterable", "le 2", "lt 2", "lessthan(2)",
    "lower", "mapping", "ne 7", "none", "number", "odd", "sameas none", "sameas true", "sameas 7", "sequence", "string",
    "test", "true", "undefined", "upper", "nosuch", "not none", "divisibleby(0)", "even(1)",
]

OPERATORS = [
    "+", "-", "*", "/", "//", "%", "**", "~", "==", "!=", "<", ">=", "in", "not in", "and", "or",
]
OPERANDS = [
    "none", "missing", "'a'", "'%s'", "3", "-2", "0", "1.5", "true", "[1]", "(1,)", "{'a': 1}",
]


def templates():
    for expression in EXPRESSIONS:
        yield "{{ " + expression + " }}"
    yield from STATEMENTS
    for name in FILTERS:
        for subject in SUBJECTS:
            if name != "wordcount" or subject not in ("d.get", "l|map('string')"):  # that print an address
                yield "{{ (" + subject + ")|" + name + " }}"
    for name in TESTS:
        for subject in SUBJECTS:
            yield "{{ (" + subject + ") is " + name + " }}"
    for operator in OPERATORS:
        for left in OPERANDS:
            for right in OPERANDS:
                if (operator, left, right) == ("**", "-2", "1.5"):  # complex
                    continue
                yield "{{ " + left + " " + operator + " " + right + " }}"
