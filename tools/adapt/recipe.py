"""The recipe: what a step trains. Sources: CALM (arXiv 2207.07061), LayerSkip, FREE and EE-Tuning; what was measured with it
stands in docs/exits.md."""
from __future__ import annotations

import dataclasses

import torch

from examples import IGNORED, Batch
from exiting_model import ExitingModel
from head_loss import HeadLoss


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Shares are of all steps, in this order: the task alone, then exits are taught, then also as they are served (propagated
    states), at last with half of the targets written by the model itself."""
    exits: tuple[int, ...]
    steps: int = 2400
    texts_per_step: int = 16
    rank: int = 32
    learning_rate: float = 5e-4             # of the LoRA matrices; cosine to a tenth
    translator_learning_rate: float = 1e-3
    warmup_steps: int = 40
    task_share: float = 0.08
    teach_share: float = 0.42               # the rest: as served
    own_targets_share: float = 0.25         # the last part of "as served"
    shallow_share_teach: float = 0.5        # steps that run no deeper than the middle exit: they cost less
    shallow_share_serve: float = 0.25
    served_share: float = 0.55              # of the deep steps "as served": states stop where a token leaves
    exit_weight: float = 0.5                # of an exit's loss beside the last layer's 1
    gated_exits: bool = False               # an exit's loss bends the layers below only where it can know the token
    plain: bool = False                     # the last layer's loss alone at every step: the fine-tune to compare with
    seed: int = 1

    def phase(self, step: int) -> str:
        share = step / self.steps
        if self.plain or share < self.task_share:
            return "task"
        return "teach" if share < self.task_share + self.teach_share else "serve"

    def wants_own_targets(self, step: int) -> bool:
        return not self.plain and step >= self.steps * (1 - self.own_targets_share)


def draw_exits(recipe: Recipe, depths: list[int], shape: torch.Size, generator: torch.Generator) -> torch.Tensor:
    """[texts, tokens]: one of the depths for each token, evenly."""
    return torch.tensor(depths)[torch.randint(len(depths), shape, generator=generator)]


def step_loss(model: ExitingModel, recipe: Recipe, step: int, batch: Batch) -> tuple[torch.Tensor, dict[str, float]]:
    """The loss of one step, and its parts for the log (cross-entropy by depth)."""
    phase = recipe.phase(step)
    generator = torch.Generator().manual_seed(recipe.seed * 1_000_003 + step)
    chance = torch.rand(2, generator=generator).tolist()
    shallow_share = {"task": 0.0, "teach": recipe.shallow_share_teach, "serve": recipe.shallow_share_serve}[phase]
    if phase == "task":
        return deep_loss(model, recipe, batch, None)
    exits = list(recipe.exits)
    if chance[0] < shallow_share:
        exits = exits[:(len(exits) + 1) // 2]
        drawn = draw_exits(recipe, exits, batch.ids.shape, generator)
        return served_loss(model, recipe, batch, drawn, exits, propagate=phase == "serve" and chance[1] < 0.5)
    if phase == "serve" and chance[1] < recipe.served_share:
        depths = exits + [model.n_layers]
        return served_loss(model, recipe, batch, draw_exits(recipe, depths, batch.ids.shape, generator), depths, propagate=True)
    return deep_loss(model, recipe, batch, draw_exits(recipe, exits, batch.ids.shape, generator))


def exit_loss(model: ExitingModel, recipe: Recipe, states: torch.Tensor, depth: int, labels: torch.Tensor,
              teacher: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
    """HeadLoss's (loss, entropy) of states [rows, d_model] of this depth. A gated exit passes its gradient on to the layers below
    times the chance that it gives the label: most of an early exit's loss is of tokens that it cannot know, and what that loss
    makes of the layers is lost to the last one. The translator, which has to doubt them, learns from all."""
    loss, entropy, chance = HeadLoss.apply(model.normed(states, depth), model.head, labels, teacher)
    if recipe.gated_exits and depth != model.n_layers and states.requires_grad:
        states.register_hook(lambda gradient: gradient * chance[:, None])
    return loss, entropy


def served_loss(model: ExitingModel, recipe: Recipe, batch: Batch, drawn: torch.Tensor, depths: list[int], propagate: bool):
    """Each answer token leaves at the depth drawn for it and is judged there; with `propagate` its state stops there."""
    answers = batch.labels != IGNORED
    left_at = torch.where(answers, drawn.to(batch.ids.device), depths[-1])
    states, rope = model.embed(batch.ids)
    losses, parts, begin = [], {}, 0
    for depth in depths:
        states = model.run(states, rope, begin, depth, left_at if propagate else None)
        begin = depth
        here = answers & (left_at == depth)
        if not here.any():
            continue
        loss, entropy = exit_loss(model, recipe, states[here], depth, batch.labels[here], None)
        losses.append(loss)
        parts[f"ce{depth}"] = entropy.item() / here.sum().item()
    return torch.stack(losses).sum() / answers.sum(), parts


def deep_loss(model: ExitingModel, recipe: Recipe, batch: Batch, drawn: torch.Tensor | None):
    """The last layer's cross-entropy, and, where exits are drawn, half cross-entropy and half KL to the (detached) last layer
    of each answer token at the exit drawn for it."""
    answers = batch.labels != IGNORED
    drawn = drawn.to(batch.ids.device) if drawn is not None else None
    states, rope = model.embed(batch.ids)
    seen, begin = {}, 0
    for depth in recipe.exits if drawn is not None else ():
        states = model.run(states, rope, begin, depth)
        seen[depth], begin = states, depth
    states = model.run(states, rope, begin, model.n_layers)
    labels = batch.labels[answers]
    last = model.normed(states[answers], model.n_layers)
    total, entropy, _ = HeadLoss.apply(last, model.head, labels, None)
    parts = {f"ce{model.n_layers}": entropy.item() / len(labels)}
    for depth, at_depth in seen.items():
        here = drawn[answers] == depth
        if not here.any():
            continue
        loss, entropy = exit_loss(model, recipe, at_depth[answers][here], depth, labels[here], last.detach()[here])
        total = total + recipe.exit_weight * loss
        parts[f"ce{depth}"] = entropy.item() / here.sum().item()
    return total / len(labels), parts


@torch.no_grad()
def fit_translators(model: ExitingModel, batches, ridge: float = 1e-3) -> None:
    """Closed form ("Jump to Conclusions", arXiv 2303.09435): ridge regression from each exit's states to the last layer's on
    answer tokens, from Gram matrices in float64; the penalty is `ridge` of the mean square of a state's element."""
    d_model = model.decoder.embed_tokens.weight.shape[1]
    gram = {e: torch.zeros(d_model + 1, d_model + 1, dtype=torch.float64) for e in model.exits}
    cross = {e: torch.zeros(d_model + 1, d_model, dtype=torch.float64) for e in model.exits}
    for batch in batches:
        answers = batch.labels != IGNORED
        states, rope = model.embed(batch.ids)
        seen, begin = {}, 0
        with model.autocast():
            for depth in model.exits + [model.n_layers]:
                states = model.run(states, rope, begin, depth)
                seen[depth], begin = states[answers].double().cpu(), depth
        for e in model.exits:
            x = torch.cat([seen[e], torch.ones(len(seen[e]), 1, dtype=torch.float64)], 1)
            gram[e] += x.T @ x
            cross[e] += x.T @ seen[model.n_layers]
    for e in model.exits:
        penalty = torch.full((d_model + 1,), ridge * gram[e].diagonal()[:-1].mean().item(), dtype=torch.float64)
        penalty[-1] = 0
        solution = torch.linalg.solve(gram[e] + penalty.diag(), cross[e]).float()
        model.translators[str(e)].weight.copy_(solution[:-1].T)
        model.translators[str(e)].bias.copy_(solution[-1])


@torch.no_grad()
def evaluate(model: ExitingModel, batches) -> dict[str, float]:
    """On given answers: accuracy by depth, and agreement of each exit's token with the last layer's."""
    right: dict[str, int] = {}
    count = 0
    for batch in batches:
        answers = batch.labels != IGNORED
        states, rope = model.embed(batch.ids)
        tokens, begin = {}, 0
        with model.autocast():
            for depth in model.exits + [model.n_layers]:
                states = model.run(states, rope, begin, depth)
                begin = depth
                tokens[depth] = model.tokens(states[answers], depth)
        labels = batch.labels[answers]
        count += len(labels)
        for depth, guess in tokens.items():
            right[f"accuracy{depth}"] = right.get(f"accuracy{depth}", 0) + (guess == labels).sum().item()
            if depth != model.n_layers:
                right[f"agree{depth}"] = right.get(f"agree{depth}", 0) + (guess == tokens[model.n_layers]).sum().item()
    return {name: round(value / count, 4) for name, value in sorted(right.items())}
