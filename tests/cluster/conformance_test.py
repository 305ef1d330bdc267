"""Every field of completions and chat, by the official OpenAI client: plain, streamed and asynchronous answers are the same.

    tests/cluster/conformance_test.py BUILD_DIR MODEL
"""

from __future__ import annotations

import asyncio
import json
import sys
import unittest
from pathlib import Path
from typing import Any

import httpx2
import openai

from cluster import ROOT, Cluster

BUILD = Path(sys.argv[1])
MODEL = sys.argv[2]
FORCED = {"mode": "propagate", "measure": "forced", "forced": [{"layer": 10, "probability": 0.4}, {"layer": 24, "probability": 0.3}]}
COUNTING = "1, 2, 3, 4,"


def by_index(choices: list[Any], value: Any) -> dict[int, Any]:
    joined: dict[int, Any] = {}
    for choice in choices:
        joined[choice.index] = joined[choice.index] + value(choice) if choice.index in joined else value(choice)
    return joined


def reasons(choices: list[Any]) -> dict[int, str]:
    return {c.index: c.finish_reason for c in choices if c.finish_reason}


def completion_logprobs(choice: Any) -> list[Any]:
    lists = choice.logprobs
    return list(zip(lists.tokens, lists.token_logprobs, lists.top_logprobs, lists.text_offset)) if lists else []


def chat_logprobs(choice: Any) -> list[Any]:
    return [entry.model_dump() for entry in choice.logprobs.content] if choice.logprobs else []


class Conformance(unittest.TestCase):
    cluster: Cluster
    client: openai.OpenAI

    @classmethod
    def setUpClass(cls) -> None:
        cls.cluster = Cluster(BUILD, MODEL, "--stages", "2", "--exit-layers", "10,20,24,28")
        cls.cluster.__enter__()
        cls.client = openai.OpenAI(base_url=cls.cluster.url + "/v1", api_key="none", max_retries=0, timeout=60)

    @classmethod
    def tearDownClass(cls) -> None:
        cls.client.close()
        cls.cluster.quiet()
        cls.cluster.__exit__()

    def ids(self, text: str) -> list[int]:
        return self.cluster.post("/tokenize", {"prompt": text})[1]["tokens"]

    def complete(self, prompt: Any = COUNTING, **fields: Any) -> Any:
        """A plain answer, after it was seen that the streamed one is the same, byte for byte."""
        ask = dict(model="default", prompt=prompt, max_tokens=8, temperature=0, seed=7) | fields
        plain = self.client.completions.create(**ask)
        chunks = list(self.client.completions.create(**ask, stream=True, stream_options={"include_usage": True}))
        self.assertEqual(chunks[-1].choices, [])
        waited = {"queue_time"}  # it differs from call to call
        self.assertEqual(chunks[-1].usage.model_dump(exclude=waited), plain.usage.model_dump(exclude=waited))
        self.assertTrue(all(c.usage is None for c in chunks[:-1]))
        self.assertEqual({c.id for c in chunks}, {chunks[0].id})
        streamed = [c.choices[0] for c in chunks[:-1]]
        self.assertEqual(by_index(streamed, lambda c: c.text), by_index(plain.choices, lambda c: c.text))
        self.assertEqual(by_index(streamed, completion_logprobs), by_index(plain.choices, completion_logprobs))
        self.assertEqual(reasons(streamed), reasons(plain.choices))
        return plain

    def chat(self, content: str = "Name three primary colours.", **fields: Any) -> Any:
        """As complete."""
        ask = dict(model="default", messages=[{"role": "user", "content": content}], max_tokens=12, temperature=0, seed=7) | fields
        plain = self.client.chat.completions.create(**ask)
        chunks = list(self.client.chat.completions.create(**ask, stream=True))
        streamed = [c.choices[0] for c in chunks]
        self.assertEqual(by_index(streamed, lambda c: c.delta.content or ""), by_index(plain.choices, lambda c: c.message.content))
        self.assertEqual(by_index(streamed, chat_logprobs), by_index(plain.choices, chat_logprobs))
        self.assertEqual(reasons(streamed), reasons(plain.choices))
        first = {c.index: c for c in reversed(streamed)}
        self.assertTrue(all(c.delta.role == "assistant" for c in first.values()))
        return plain

    def test_only_allowed_tokens_and_no_bad_words(self) -> None:
        ask: dict[str, Any] = {"model": "default", "prompt": COUNTING, "max_tokens": 12, "logprobs": 0, "seed": 3}
        ids = [self.cluster.post("/tokenize", {"prompt": text})[1]["tokens"][0] for text in (" yes", " no", " perhaps")]
        texts = {self.cluster.post("/detokenize", {"tokens": [i]})[1]["prompt"] for i in ids}
        exits = {"exit": FORCED}
        for temperature in (0, 1, 2):
            for extra in ({}, exits):
                answer = self.client.completions.create(**ask, temperature=temperature, n=2, extra_body={"allowed_token_ids": ids} | extra)
                for choice in answer.choices:
                    self.assertLessEqual(set(choice.logprobs.tokens), texts)
                    self.assertEqual(len(choice.logprobs.tokens), 12)
        plain = self.client.completions.create(**ask, temperature=0).choices[0].logprobs.tokens
        word = next(token for token in plain if token.strip().isalnum())
        for extra in ({}, exits):
            banned = self.client.completions.create(**ask, temperature=0, extra_body={"bad_words": [word.strip()]} | extra)
            self.assertNotIn(word, banned.choices[0].logprobs.tokens)
        chat = self.client.chat.completions.create(model="default", messages=[{"role": "user", "content": "Yes or no?"}], max_tokens=5,
                                                   extra_body={"allowed_token_ids": ids, "add_special_tokens": False})
        self.assertLessEqual(set(chat.choices[0].message.content.split()), {"yes", "no", "perhaps"})
        for wrong in ({"allowed_token_ids": []}, {"allowed_token_ids": [10**9]}, {"bad_words": [""]}, {"bad_words": "a"}):
            with self.assertRaises(openai.BadRequestError) as caught:
                self.client.completions.create(**ask, extra_body=wrong)
            self.assertEqual(caught.exception.param, next(iter(wrong)))

    def test_special_tokens_shown_and_the_answers_id(self) -> None:
        special = self.cluster.post("/tokenize", {"prompt": "<|im_start|>"})[1]["tokens"]
        ask: dict[str, Any] = {"model": "default", "prompt": COUNTING, "max_tokens": 2}
        for skip, text in ((True, ""), (False, "<|im_start|>" * 2)):
            extra = {"allowed_token_ids": special, "skip_special_tokens": skip, "request_id": "mine-1"}
            answer = self.client.completions.create(**ask, extra_body=extra)
            self.assertEqual((answer.choices[0].text, answer.id), (text, "cmpl-mine-1"))
        for shown, text in ((False, " 5,"), (True, " 5, 6")):
            answer = self.client.completions.create(model="default", prompt=COUNTING, temperature=0, max_tokens=12, stop=" 6",
                                                    extra_body={"include_stop_str_in_output": shown})
            self.assertEqual((answer.choices[0].text, answer.choices[0].finish_reason), (text, "stop"))

    def test_prompts_of_every_form(self) -> None:
        text = self.complete().choices[0].text
        ids = self.ids(COUNTING)
        self.assertEqual(self.complete(ids).choices[0].text, text)
        both = self.complete([COUNTING, "Water boils at"], n=2)
        self.assertEqual([c.index for c in both.choices], [0, 1, 2, 3])
        self.assertEqual(both.choices[1].text, text)
        self.assertEqual(both.usage.prompt_tokens, len(ids) + len(self.ids("Water boils at")))
        self.assertEqual(self.complete([ids, ids]).choices[1].text, text)

    def test_seeds_and_choices(self) -> None:
        answers = self.complete("Once upon", n=3, temperature=1.0, top_p=0.9)
        again = self.complete("Once upon", n=3, temperature=1.0, top_p=0.9)
        self.assertEqual([c.text for c in answers.choices], [c.text for c in again.choices])
        self.assertGreater(len({c.text for c in answers.choices}), 1)
        other = self.complete("Once upon", n=3, temperature=1.0, top_p=0.9, seed=8)
        self.assertNotEqual([c.text for c in answers.choices], [c.text for c in other.choices])
        self.complete("Once upon", temperature=1.0, extra_body={"top_k": 5, "min_p": 0.05})

    def test_logit_bias(self) -> None:
        plain = self.complete(logprobs=1)
        first = self.ids(plain.choices[0].logprobs.tokens[0])[0]
        banned = self.complete(logit_bias={str(first): -100}, logprobs=1)
        self.assertNotEqual(banned.choices[0].text, plain.choices[0].text)
        self.assertEqual(banned.choices[0].logprobs.top_logprobs[0], banned.choices[0].logprobs.top_logprobs[0] |
                         plain.choices[0].logprobs.top_logprobs[0], "log-probabilities are the model's own")
        (star,) = self.ids("*")
        self.assertEqual(self.complete(logit_bias={str(star): 100}).choices[0].text, "*" * 8)
        self.assertEqual(self.chat(logit_bias={str(star): 100}, max_tokens=3).choices[0].message.content, "***")

    def test_penalties(self) -> None:
        prompt = "ha ha ha ha ha ha"
        plain = self.complete(prompt, max_tokens=12, logprobs=0).choices[0].logprobs.tokens
        self.assertLess(len(set(plain)), 6)
        for fields in ({"frequency_penalty": 2.0}, {"presence_penalty": 2.0, "frequency_penalty": 1.0},
                       {"extra_body": {"repetition_penalty": 3.0}}, {"frequency_penalty": 2.0, "extra_body": {"exit": FORCED}}):
            tokens = self.complete(prompt, max_tokens=12, logprobs=0, **fields).choices[0].logprobs.tokens
            self.assertGreater(len(set(tokens)), len(set(plain)), fields)
        self.assertEqual(self.complete(prompt, max_tokens=12, frequency_penalty=0, presence_penalty=0, logprobs=0,
                                       extra_body={"repetition_penalty": 1}).choices[0].logprobs.tokens, plain)
        self.chat(frequency_penalty=1.5, presence_penalty=0.5)

    def test_stop_strings_that_span_tokens_never_leak(self) -> None:
        text = self.complete(max_tokens=24).choices[0].text
        for begin in (3, 8):
            stop = text[begin:begin + 5]
            shown = text[:text.index(stop)]
            stopped = self.complete(max_tokens=24, stop=["never", stop], logprobs=0)
            self.assertEqual(stopped.choices[0].text, shown)
            self.assertEqual(stopped.choices[0].finish_reason, "stop")
            self.assertTrue(shown.startswith("".join(stopped.choices[0].logprobs.tokens[:-1])))
        self.assertEqual(self.complete(max_tokens=24, stop="never").choices[0].text, text)

    def test_stop_tokens_and_min_tokens(self) -> None:
        plain = self.complete(logprobs=0).choices[0]
        (stop,) = self.ids(plain.logprobs.tokens[2])
        stopped = self.complete(extra_body={"stop_token_ids": [stop]})
        self.assertLessEqual(stopped.usage.completion_tokens, 3)
        self.assertEqual(stopped.choices[0].finish_reason, "stop")
        self.assertTrue(plain.text.startswith(stopped.choices[0].text))
        held = self.complete(logprobs=0, extra_body={"stop_token_ids": [stop], "min_tokens": 6})
        self.assertGreaterEqual(held.usage.completion_tokens, 6)
        self.assertNotIn(plain.logprobs.tokens[2], held.choices[0].logprobs.tokens[:6])
        late = self.complete(stop=plain.text[1], extra_body={"min_tokens": 4})
        self.assertGreaterEqual(late.usage.completion_tokens, 4)

    def test_ignore_eos(self) -> None:
        (end,) = self.ids("<|im_end|>")
        ended = self.chat(logit_bias={str(end): 100})
        self.assertEqual((ended.choices[0].finish_reason, ended.usage.completion_tokens), ("stop", 1))
        held = self.chat(logit_bias={str(end): 100}, extra_body={"min_tokens": 5})
        self.assertEqual((held.choices[0].finish_reason, held.usage.completion_tokens), ("stop", 6))
        on = self.chat(logit_bias={str(end): 100}, extra_body={"ignore_eos": True})
        self.assertEqual((on.choices[0].finish_reason, on.usage.completion_tokens), ("length", 12))
        self.assertEqual(on.choices[0].message.content, "")

    def test_best_of_is_the_likeliest_per_token(self) -> None:
        ask: dict[str, Any] = dict(model="default", prompt="Once upon", max_tokens=6, temperature=1, seed=3)
        every = self.client.completions.create(**ask, n=4, logprobs=0)
        mean = {c.text: sum(c.logprobs.token_logprobs) / len(c.logprobs.token_logprobs) for c in every.choices}
        ranked = sorted(mean, key=lambda text: -mean[text])
        best = self.client.completions.create(**ask, n=2, best_of=4)
        self.assertEqual([c.text for c in best.choices], ranked[:2])
        self.assertEqual([c.index for c in best.choices], [0, 1])
        self.assertIsNone(best.choices[0].logprobs)
        self.assertEqual(best.usage.completion_tokens, every.usage.completion_tokens)

    def test_echo(self) -> None:
        text = self.complete().choices[0].text
        self.assertEqual(self.complete(echo=True).choices[0].text, COUNTING + text)
        self.assertEqual(self.complete(self.ids(COUNTING), echo=True).choices[0].text, COUNTING + text)
        unicode = "Señor 😀 says"
        scored = self.complete(unicode, echo=True, logprobs=2).choices[0]
        self.assertTrue(scored.text.startswith(unicode))
        offsets = scored.logprobs.text_offset
        for place, token in enumerate(scored.logprobs.tokens):
            if "\ufffd" not in token:
                self.assertEqual(scored.text[offsets[place]:offsets[place] + len(token)], token)

    def test_a_prompts_scores_are_those_of_its_generation(self) -> None:
        made = self.complete(logprobs=3).choices[0]
        whole = COUNTING + made.text
        self.assertEqual(len(self.ids(whole)), len(self.ids(COUNTING)) + 8, "the answer splits as it was made")
        scored = self.complete(whole, echo=True, logprobs=3, max_tokens=0)
        self.assertEqual((scored.choices[0].text, scored.choices[0].finish_reason), (whole, "length"))
        self.assertEqual(scored.usage.completion_tokens, 0)
        lists = scored.choices[0].logprobs
        self.assertIsNone(lists.token_logprobs[0])
        self.assertIsNone(lists.top_logprobs[0])
        self.assertEqual(lists.token_logprobs[-8:], made.logprobs.token_logprobs)
        self.assertEqual(lists.top_logprobs[-8:], made.logprobs.top_logprobs)
        self.assertEqual("".join(lists.tokens), whole)

    def test_logprobs_of_chats(self) -> None:
        content = self.chat(logprobs=True, top_logprobs=3).choices[0].logprobs.content
        for entry in content:
            self.assertEqual(len(entry.top_logprobs), 3)
            self.assertEqual(entry.logprob, entry.top_logprobs[0].logprob, "greedy")
            self.assertEqual(bytes(entry.bytes).decode(errors="replace"), entry.token)
        self.assertIsNone(self.chat().choices[0].logprobs)

    def test_continuous_usage(self) -> None:
        ask: dict[str, Any] = dict(model="default", prompt=COUNTING, max_tokens=8, temperature=0, stream=True)
        chunks = list(self.client.completions.create(**ask, stream_options={"include_usage": True, "continuous_usage_stats": True}))
        counts = [c.usage.completion_tokens for c in chunks]
        self.assertEqual(counts, sorted(counts))
        self.assertEqual(counts[-1], 8)
        self.assertGreater(len(set(counts)), 1)

    def test_what_asks_for_nothing_is_taken_and_what_is_not_built_refused(self) -> None:
        text = self.chat().choices[0].message.content
        self.assertEqual(self.chat(response_format={"type": "text"}, tools=[], user="me", metadata={"a": "b"},
                                   extra_body={"unknown": {"x": [1]}}).choices[0].message.content, text)
        for fields in ({"response_format": {"type": "json_object"}}, {"extra_body": {"functions": [{"name": "f"}]}},
                       {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {}}}},
                       {"tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}]}):
            with self.assertRaises(openai.BadRequestError) as caught:
                self.client.chat.completions.create(model="default", messages=[{"role": "user", "content": "x"}], **fields)
            self.assertIn("not built", str(caught.exception))
            self.assertIn(caught.exception.param, [*fields, *fields.get("extra_body", {})])
        with self.assertRaises(openai.BadRequestError):
            self.client.completions.create(model="default", prompt="x", suffix="y")

    def test_asynchronous_answers_are_the_same(self) -> None:
        asks: list[dict[str, Any]] = [dict(model="default", prompt=f"Chapter {i}.", max_tokens=6, temperature=0.8, seed=i,
                                           frequency_penalty=i / 4, logit_bias={"5": i}) for i in range(6)]
        want = [self.client.completions.create(**ask).choices[0].text for ask in asks]

        async def streamed(client: openai.AsyncOpenAI, ask: dict[str, Any]) -> str:
            return "".join([c.choices[0].text async for c in await client.completions.create(**ask, stream=True)])

        async def run() -> list[str]:
            async with openai.AsyncOpenAI(base_url=self.cluster.url + "/v1", api_key="none", max_retries=0, timeout=60) as client:
                plain = await asyncio.gather(*(client.completions.create(**ask) for ask in asks))
                self.assertEqual([p.choices[0].text for p in plain], want)
                return await asyncio.gather(*(streamed(client, ask) for ask in asks))

        self.assertEqual(asyncio.run(run()), want)

    def rendered(self, **fields: Any) -> str:
        """The text that /tokenize makes of a chat."""
        tokens = self.cluster.post("/tokenize", {"messages": [{"role": "user", "content": "a"}], **fields})[1]["tokens"]
        return self.cluster.post("/detokenize", {"tokens": tokens})[1]["prompt"]

    def test_how_a_chat_is_rendered(self) -> None:
        open_end = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
        continued = {"add_generation_prompt": False, "continue_final_message": True}
        self.assertTrue(self.rendered().endswith("<|im_start|>assistant\n"))
        self.assertTrue(self.rendered(add_generation_prompt=False).rstrip().endswith("a<|im_end|>"))
        self.assertTrue(self.rendered(chat_template_kwargs={"add_generation_prompt": False}).rstrip().endswith("a<|im_end|>"))
        self.assertTrue(self.rendered(messages=open_end, **continued).endswith("\nb"))
        answer = self.client.chat.completions.create(model="default", messages=open_end, max_tokens=1, extra_body=continued)
        self.assertEqual(answer.usage.completion_tokens, 1)
        for wrong in ({"continue_final_message": True}, {"chat_template_kwargs": {"messages": []}}, {"add_generation_prompt": 1}):
            with self.assertRaises(openai.BadRequestError) as caught:
                self.client.chat.completions.create(model="default", messages=open_end, max_tokens=1, extra_body=wrong)
            self.assertIn(caught.exception.param, wrong)

    def test_models_and_tokens(self) -> None:
        (model,) = self.client.models.list().data
        self.assertEqual(self.client.models.retrieve(model.id).id, model.id)
        self.assertEqual(self.client.models.retrieve("default").id, model.id)
        said = self.cluster.post("/tokenize", {"prompt": "Señor 😀", "return_token_strs": True})[1]
        self.assertEqual(said["count"], len(said["tokens"]))
        self.assertEqual(self.cluster.post("/detokenize", {"tokens": said["tokens"]})[1]["prompt"], "Señor 😀")
        document = ROOT / "coordinator/openai/openapi.json"
        self.assertEqual(httpx2.get(self.cluster.url + "/openapi.json").json(), json.loads(document.read_text()))


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], "-v", *sys.argv[3:]])
