"""The official OpenAI client (`pip install openai`) against Exeunt: a completion with early exits, and a streamed chat.

    examples/client.py [URL]        deploy/up.sh starts a server at http://127.0.0.1:8080
"""

import sys

import openai

url = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080"
client = openai.OpenAI(base_url=url + "/v1", api_key="none")

# `exit` is Exeunt's own field, so it goes into extra_body. A token whose softmax margin is at least 0.5 leaves early.
completion = client.completions.create(
    model="default", prompt="The history of the Roman empire begins", max_tokens=24, temperature=0,
    extra_body={"exit": {"mode": "propagate", "measure": "softmax", "threshold": 0.5, "min_layer": 20}})
print(completion.choices[0].text)
exits = completion.usage.model_extra["exit"]
print(f"mean layers: {exits['mean_layers']:.2f}, tokens by layer: {exits['by_layer']}")

stream = client.chat.completions.create(
    model="default", messages=[{"role": "user", "content": "Name three primary colours."}], max_tokens=48, temperature=0,
    stream=True)
for chunk in stream:
    if chunk.choices:
        print(chunk.choices[0].delta.content or "", end="", flush=True)
print()
