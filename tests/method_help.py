"""What the tests of the methods share: slow twins of losses and gradients, in plain loops."""

import math

import numpy as np
import pytest
import torch

BOTH = pytest.mark.parametrize("exclusive", [False, True], ids=["many labels", "one label"])
SAMPLES = np.arange(10)
OBJECTIVES = ("bootstrap", "smooth", "noise-layer", "reweight", "glc", "elr", "gce")


def draw_logits(task, count=10, seed=1, scale=2.0):
    draw = np.random.default_rng(seed)
    return torch.tensor(scale * draw.normal(size=(count, len(task.labels))), dtype=torch.float32)


def probabilities(logits, exclusive):
    """Lists of probabilities, one list a sample."""
    rows = []
    for row in torch.as_tensor(logits).tolist():
        if exclusive:
            whole = sum(math.exp(z) for z in row)
            rows.append([math.exp(z) / whole for z in row])
        else:
            rows.append([1 / (1 + math.exp(-z)) for z in row])
    return rows


def slow_cross_entropy(targets, predicted, exclusive):
    """Mean over samples of the cross entropy of targets and probabilities, both lists of lists."""
    total = 0.0
    for wanted, row in zip(targets, predicted, strict=True):
        for y, p in zip(wanted, row, strict=True):
            total -= y * math.log(p)
            if not exclusive:
                total -= (1 - y) * math.log(1 - p)
    return total / len(predicted)


def numeric_gradient(function, logits, step=1e-4):
    """Central differences of a function of logits (B, L), in float64."""
    flat = logits.double().flatten()
    slopes = []
    for place in range(len(flat)):
        values = []
        for sign in (1, -1):
            moved = flat.clone()
            moved[place] += sign * step
            values.append(float(function(moved.view(logits.shape))))
        slopes.append((values[0] - values[1]) / (2 * step))
    return torch.tensor(slopes).view(logits.shape)


def gradient(objective, logits, samples=SAMPLES):
    logits = logits.clone().requires_grad_()
    objective.loss(logits, samples).backward()
    return logits.grad


def known(task, samples=SAMPLES):
    return task.train.labels[samples].toarray().astype(float).tolist()
