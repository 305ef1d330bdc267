#!/usr/bin/env bash
# The REST API with curl: a completion, a completion with early exits, a chat and a stream. deploy/up.sh starts a server.
#   examples/curl.sh [URL]
set -euo pipefail
url="${1:-http://127.0.0.1:8080}"
ask() { curl --silent --show-error --fail-with-body --no-buffer "$url$1" -H 'content-type: application/json' -d "$2"; }

echo "== completion"
ask /v1/completions '{"model": "default", "prompt": "The history of the Roman empire begins", "max_tokens": 24,
  "temperature": 0}' | jq -r '.choices[0].text'

echo "== completion, where certain tokens leave early"
ask /v1/completions '{"model": "default", "prompt": "The history of the Roman empire begins", "max_tokens": 24,
  "temperature": 0, "exit": {"mode": "propagate", "measure": "softmax", "threshold": 0.5, "min_layer": 20}}' |
  jq -c '.choices[0].text, .usage.exit'

echo "== chat"
ask /v1/chat/completions '{"model": "default", "messages": [{"role": "user", "content": "Name three primary colours."}],
  "max_tokens": 48, "temperature": 0}' | jq -r '.choices[0].message.content'

echo "== stream: an event for each piece of text, then [DONE]"
ask /v1/chat/completions '{"model": "default", "messages": [{"role": "user", "content": "Name three primary colours."}],
  "max_tokens": 48, "temperature": 0, "stream": true}'
