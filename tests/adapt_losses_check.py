"""tools/adapt's losses: HeadLoss against what torch makes of the whole logits, in float64, and what a gated exit passes on. Run
by adapt_test.py, with a Python that has torch."""
import sys
from pathlib import Path
from types import SimpleNamespace

import torch
from torch.nn import functional

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tools/adapt"))
import head_loss  # noqa: E402
import recipe  # noqa: E402

ROWS, WIDTH, WORDS = 11, 8, 40


def plain(states, head, labels, teacher):
    said = head(states).log_softmax(-1)
    entropy = functional.nll_loss(said, labels, reduction="sum")
    chance = said.exp().gather(1, labels[:, None]).squeeze(1)
    if teacher is None:
        return entropy, entropy, chance
    return 0.5 * (entropy - (head(teacher).softmax(-1) * said).sum()), entropy, chance


def check_head_loss() -> None:
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
                loss, entropy, chance = function(given, head, labels, teacher)
                (3 * loss).backward()
                results.append((loss, entropy, chance, given.grad))
            for expected, found in zip(*results):
                torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)


def check_gate() -> None:
    """An exit that is gated passes on each row's gradient times the chance of its label; its translator learns as before."""
    torch.manual_seed(2)
    head, translator = (torch.nn.Linear(WIDTH, width, bias=False).double() for width in (WORDS, WIDTH))
    model = SimpleNamespace(head=head, n_layers=4, normed=lambda states, depth: translator(states) if depth < 4 else states)
    states, labels = torch.randn(ROWS, WIDTH, dtype=torch.float64), torch.randint(WORDS, (ROWS,))
    for depth, scale in ((2, head(translator(states)).softmax(-1).gather(1, labels[:, None])), (4, 1.0)):
        given = []
        for gated in (False, True):
            leaf = states.clone().requires_grad_()
            translator.zero_grad()
            loss, _ = recipe.exit_loss(model, recipe.Recipe((2,), gated_exits=gated), leaf * 1, depth, labels, None)
            loss.backward()
            given.append((leaf.grad, translator.weight.grad))
        torch.testing.assert_close(given[1][0], given[0][0] * scale)
        torch.testing.assert_close(given[1][1], given[0][1])


check_head_loss()
check_gate()
