"""Writes text_loss.jsonl: losses by rouge-score 0.1.2 (PyPI), by SQuAD 1.1's evaluation script (its functions are below as
published), and the word error rate by its definition. Run: pip install rouge-score==0.1.2; python make_text_loss_goldens.py"""
import collections
import json
import random
import re
import string
from pathlib import Path

from rouge_score import rouge_scorer

SCORER = rouge_scorer.RougeScorer(["rougeL"], use_stemmer=False)


def normalize_answer(s):
    def white_space_fix(text):
        return " ".join(text.split())

    def remove_punc(text):
        exclude = set(string.punctuation)
        return "".join(ch for ch in text if ch not in exclude)

    return white_space_fix(re.sub(r"\b(a|an|the)\b", " ", remove_punc(s.lower())))


def token_f1(prediction, truth):
    a, b = normalize_answer(prediction).split(), normalize_answer(truth).split()
    if not a or not b:
        return float(a == b)
    same = sum((collections.Counter(a) & collections.Counter(b)).values())
    if same == 0:
        return 0.0
    precision, recall = same / len(a), same / len(b)
    return 2 * precision * recall / (precision + recall)


def word_error_rate(answer, reference):
    a, b = answer.split(), reference.split()
    if not b:
        return float(bool(a))
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i in range(len(a) + 1):
        for j in range(len(b) + 1):
            if i == 0 or j == 0:
                table[i][j] = i + j
            else:
                table[i][j] = min(table[i - 1][j] + 1, table[i][j - 1] + 1, table[i - 1][j - 1] + (a[i - 1] != b[j - 1]))
    return min(1.0, table[-1][-1] / len(b))


def main():
    random.seed(5)
    words = "the The a cat, dog. sat-on mat 42 it's Zürich naïve (yes) no — end".split()
    pairs = [("", ""), ("", "x"), ("x", ""), ("...", "x"), ("The cat.", "the cat"), (" same text ", "same text"),
             ("A b c d", "d c b a"), ("one two", "one  two\n"), ("an", "the")]
    for _ in range(70):
        reference = [random.choice(words) for _ in range(random.randint(1, 14))]
        answer = [w for w in reference if random.random() < 0.8]
        for _ in range(random.randint(0, 3)):
            answer.insert(random.randint(0, len(answer)), random.choice(words))
        pairs.append((" ".join(answer), " ".join(reference)))
    with (Path(__file__).parent / "text_loss.jsonl").open("w", encoding="utf-8") as file:
        for answer, reference in pairs:
            rouge = SCORER.score(reference, answer)["rougeL"].fmeasure
            file.write(json.dumps({"answer": answer, "reference": reference, "rouge_l": 1 - rouge,
                                   "token_f1": 1 - token_f1(answer, reference),
                                   "exact_match": float(answer.strip() != reference.strip()),
                                   "wer": word_error_rate(answer, reference)}, ensure_ascii=False) + "\n")


main()
