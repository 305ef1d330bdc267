"""Cross-entropy through a frozen head, without [rows, vocabulary] in memory: with 49 152 words that would be several copies of
200 KB a token."""
from __future__ import annotations

import torch

VALUES_AT_ONCE = 2 ** 22  # of logits: 16 MB in float32


class HeadLoss(torch.autograd.Function):
    """`apply(states, head, labels, teacher)`: normed states [rows, d_model] and labels [rows] -> (loss, entropy, chance). `entropy`,
    a sum over the rows, is the cross-entropy to the labels, for a log; `chance` [rows] is what each label is given; neither has a
    gradient. `loss` is that sum; with `teacher`, normed states [rows, d_model] of the last layer, it is half of that and half the
    cross-entropy to what these say: a KL divergence but for the teacher's own entropy, which trains nothing. Only the states have
    a gradient, made beside the loss a few rows at a time."""

    @staticmethod
    def forward(ctx, states, head, labels, teacher):
        gradient = torch.empty_like(states)
        loss, entropy, chance = states.new_zeros(()), states.new_zeros(()), states.new_zeros(len(states))
        of_labels = 1.0 if teacher is None else 0.5  # the rest is of the teacher
        rows = max(1, VALUES_AT_ONCE // head.weight.shape[0])
        for begin in range(0, len(states), rows):
            part = slice(begin, begin + rows)
            label = labels[part, None]
            said = head(states[part]).float().log_softmax(-1)
            here = -said.gather(1, label).sum()
            entropy += here
            loss += of_labels * here
            difference = said.exp()  # of what is said and what should be: the gradient of the logits
            chance[part] = difference.gather(1, label).squeeze(1)
            difference.scatter_add_(1, label, difference.new_full((1, 1), -of_labels).expand_as(label))
            if teacher is not None:
                target = head(teacher[part]).float().softmax(-1)
                loss -= (1 - of_labels) * (target * said).sum()
                difference -= (1 - of_labels) * target
            gradient[part] = difference.to(head.weight.dtype) @ head.weight
        ctx.save_for_backward(gradient)
        ctx.mark_non_differentiable(entropy, chance)
        return loss, entropy, chance

    @staticmethod
    def backward(ctx, of_loss, *_):
        return ctx.saved_tensors[0] * of_loss, None, None, None
