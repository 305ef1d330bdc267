"""tools/adapt's HeadLoss against what torch makes of the whole logits, in float64. Run by adapt_test.py, with a Python that has
torch."""
import sys
from pathlib import Path

import torch
from torch.nn import functional

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tools/adapt"))
import head_loss  # noqa: E402

ROWS, WIDTH, WORDS = 11, 8, 40


def plain(states, head, labels, teacher):
    said = head(states).log_softmax(-1)
    entropy = functional.nll_loss(said, labels, reduction="sum")
    if teacher is None:
        return entropy, entropy
    return 0.5 * (entropy - (head(teacher).softmax(-1) * said).sum()), entropy


def main() -> None:
    torch.manual_seed(1)
    head = torch.nn.Linear(WIDTH, WORDS, bias=False).double()
    states = torch.randn(ROWS, WIDTH, dtype=torch.float64)
    labels = torch.randint(WORDS, (ROWS,))
    for teacher in (None, torch.randn(ROWS, WIDTH, dtype=torch.float64)):
        for rows in (3, ROWS):  # in pieces, the last of them shorter, and in one
            head_loss.VALUES_AT_ONCE = rows * WORDS
            results = []
            for function in (plain, head_loss.HeadLoss.apply):
                given = states.clone().requires_grad_()
                loss, entropy = function(given, head, labels, teacher)
                (3 * loss).backward()
                results.append((loss, entropy, given.grad))
            for expected, found in zip(*results):
                torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)


main()
