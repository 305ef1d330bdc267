#!/usr/bin/env python3
"""Makes testdata/chat/: templates/NAME.jinja, conversations.json and goldens.json, which chat_template_test.cc compares
with. CI does not run this.

    python3 -m venv venv && venv/bin/pip install transformers==5.23.0 jinja2==3.1.6
    venv/bin/python make_chat_goldens.py

The templates in templates/ are written by hand after the public ones of their models; smollm2.jinja is the default
model's own. goldens.json holds for every (template, conversation) what transformers' environment renders, or the error
that it raises. snippets.json holds small templates, one construct each, with what Jinja makes of them.
"""

import json
import os

from transformers.utils.chat_template_utils import _compile_jinja_template

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "chat")

# What a tokenizer passes along with the conversation.
VARIABLES = {"bos_token": "<s>", "eos_token": "</s>", "date_string": "26 Jul 2024"}


def render(template, variables):
    try:
        return {"text": _compile_jinja_template(template).render(**variables)}
    except Exception as error:  # whatever Jinja raises
        return {"error": f"{type(error).__name__}: {error}"}


def dump(name, value):
    with open(os.path.join(HERE, name), "w", encoding="utf-8") as f:
        json.dump(value, f, ensure_ascii=False, indent=1)
        f.write("\n")


def main():
    with open(os.path.join(HERE, "conversations.json"), encoding="utf-8") as f:
        conversations = json.load(f)
    goldens = {}
    for file in sorted(os.listdir(os.path.join(HERE, "templates"))):
        with open(os.path.join(HERE, "templates", file), encoding="utf-8", newline="") as f:
            template = f.read()
        goldens[file.removesuffix(".jinja")] = {
            name: render(template, {**VARIABLES, **variables}) for name, variables in conversations.items()}
    dump("goldens.json", {"variables": VARIABLES, "templates": goldens})
    with open(os.path.join(HERE, "snippets.json"), encoding="utf-8") as f:
        snippets = json.load(f)
    for snippet in snippets["snippets"]:
        snippet.pop("text", None)
        snippet.pop("error", None)
        snippet.update(render(snippet["template"], snippets["variables"]))
    dump("snippets.json", snippets)
    for name, results in goldens.items():
        print(name, sum("text" in r for r in results.values()), "rendered,", sum("error" in r for r in results.values()),
              "errors")
    print(len(snippets["snippets"]), "snippets,", sum("error" in s for s in snippets["snippets"]), "errors")


if __name__ == "__main__":
    main()
