#!/usr/bin/env python3
"""Makes testdata/chat/features.json, which chat_template_test.cc compares with: small templates of every part of Jinja,
with what Jinja makes of them in transformers' environment, or the error that it raises. CI does not run this.

    python3 -m venv venv && venv/bin/pip install transformers==4.51.3 jinja2==3.1.6
    venv/bin/python make_jinja_goldens.py

jinja_snippets.py puts the templates together. A result that holds an address of memory ("<generator object ... at 0x7f...>")
or that is longer than 2000 characters is left out.
"""

import copy
import json
import os
import re
import sys

from transformers.utils.chat_template_utils import _compile_jinja_template

import jinja_snippets

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "chat", "features.json")

ADDRESS = re.compile("at(%20| )0x", re.IGNORECASE)


def render(template):
    try:
        return {"text": _compile_jinja_template(template).render(**copy.deepcopy(jinja_snippets.VARIABLES))}
    except Exception as error:  # whatever Jinja raises
        return {"error": f"{type(error).__name__}: {error}"}


def main():
    goldens = {}
    for template in jinja_snippets.templates():
        result = render(template)
        if not ADDRESS.search(str(result.get("text"))) and len(str(result)) < 2000:
            goldens[template] = result
    with open(OUT, "w", encoding="utf-8") as f:
        f.write('{"variables": ' + json.dumps(jinja_snippets.VARIABLES, ensure_ascii=False) + ',\n "snippets": [\n')
        f.write(",\n".join(json.dumps({"template": k, **v}, ensure_ascii=False) for k, v in goldens.items()))
        f.write("\n]}\n")
    print(len(goldens), "snippets,", sum("error" in g for g in goldens.values()), "errors", file=sys.stderr)


if __name__ == "__main__":
    main()
