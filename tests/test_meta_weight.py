"""Meta-Weight-Net: its gradient against finite differences of the bilevel problem, its state, its virtual network."""

import copy
import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from labelhedge.methods import METHODS
from task_help import NETWORK, make_task, objective_of

SAMPLES = np.arange(8)
INNER = 0.5


class Linear(nn.Module):
    """A linear network on three numbers of an image."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Linear(3, 3)

    def prepare(self, raw, generator=None):
        return raw.float().mean((1, 2)) / 255

    def forward(self, batch):
        return self.layer(batch)


def losses_of(matrix, shift, inputs, targets, exclusive):
    """Losses (B, L), or (B, 1), of a linear model; float64, with loops over samples and labels."""
    rows = []
    for x, wanted in zip(inputs, targets, strict=True):
        logits = [sum(w * v for w, v in zip(line, x, strict=True)) + b for line, b in zip(matrix, shift, strict=True)]
        if exclusive:
            whole = sum(math.exp(z) for z in logits)
            rows.append([-sum(y * math.log(math.exp(z) / whole) for y, z in zip(wanted, logits, strict=True))])
        else:
            each = [1 / (1 + math.exp(-z)) for z in logits]
            rows.append([-math.log(p if y else 1 - p) for y, p in zip(wanted, each, strict=True)])
    return np.array(rows)


def slopes_of(matrix, shift, inputs, targets, weights, exclusive):
    """The gradient of the mean weighted loss with respect to matrix and shift: (p - y) x for a linear model."""
    by_matrix, by_shift = np.zeros((3, 3)), np.zeros(3)
    for x, wanted, weight in zip(inputs, targets, weights, strict=True):
        logits = np.array(matrix) @ x + shift
        p = np.exp(logits) / np.exp(logits).sum() if exclusive else 1 / (1 + np.exp(-logits))
        error = (p - wanted) * weight / len(inputs)
        by_matrix += np.outer(error, x)
        by_shift += error
    return by_matrix, by_shift


def clean_loss_after_a_virtual_step(weigh, network, batch, labels, clean, truth, exclusive):
    """Shu et al., Eqs. 3 and 4: the loss on clean samples after a step on the loss weighted by V."""
    matrix, shift = (value.detach().double().numpy() for value in network.layer.parameters())
    costs = losses_of(matrix, shift, batch, labels, exclusive)
    features = torch.tensor(costs)[..., None]
    if not exclusive:
        features = torch.cat([features, torch.tensor(labels)[..., None]], -1)
    with torch.no_grad():
        weights = weigh(features)[..., 0].numpy()
    by_matrix, by_shift = slopes_of(matrix, shift, batch, labels, weights, exclusive)
    moved = matrix - INNER * by_matrix, shift - INNER * by_shift
    return losses_of(*moved, clean, truth, exclusive).sum(1).mean()


@pytest.mark.parametrize("exclusive", [False, True])
def test_the_gradient_of_the_weights_is_that_of_the_bilevel_problem(exclusive, tmp_path):
    task = make_task(tmp_path, exclusive=exclusive, augment=False)
    original, drawn = task.train.inputs, []
    watched = SimpleNamespace(gather=lambda rows: drawn.append(rows) or original.gather(rows))
    task = replace(task, train=replace(task.train, inputs=watched))
    network = Linear()
    objective = objective_of(METHODS["meta-weight"](hidden=4, inner_learning_rate=INNER), task)
    weigh = copy.deepcopy(objective.weigh).double()
    batch = network.prepare(original.gather(SAMPLES))
    loss = objective(network, batch, SAMPLES)
    (rows,) = drawn
    assert task.train.trusted[rows].all()
    labels = task.train.labels[SAMPLES].toarray().astype(float)
    truth = task.train.verified[rows].toarray().astype(float)
    clean = network.prepare(original.gather(rows)).double().numpy()
    given = (network, batch.double().numpy(), labels, clean, truth, exclusive)
    slopes = []
    for parameter in weigh.parameters():
        flat = parameter.data.view(-1)
        for place in range(len(flat)):
            values = []
            for sign in (1, -1):
                flat[place] += sign * 1e-5
                values.append(clean_loss_after_a_virtual_step(weigh, *given))
                flat[place] -= sign * 1e-5
            slopes.append((values[0] - values[1]) / 2e-5)
    found = torch.cat([parameter.grad.flatten() for parameter in objective.weigh.parameters()])
    assert found.numpy() == pytest.approx(np.array(slopes), abs=2e-6)
    assert np.abs(slopes).max() > 1e-4
    costs = losses_of(
        *(value.detach().double().numpy() for value in network.layer.parameters()), *given[1:3], exclusive
    )
    features = torch.tensor(costs, dtype=torch.float32)[..., None]
    if not exclusive:
        features = torch.cat([features, torch.tensor(labels, dtype=torch.float32)[..., None]], -1)
    expected = (objective.weigh(features)[..., 0].detach().numpy() * costs).sum(1).mean()  # Eq. 5: with the new V
    assert float(loss.detach()) == pytest.approx(expected, rel=1e-5)
    weight_before = (weigh(features.double())[..., 0].detach().numpy() * costs).sum(1).mean()
    assert float(loss.detach()) != pytest.approx(weight_before, rel=1e-5)


def step(objective, network, task, number):
    samples = (np.arange(16) + 16 * number) % len(task.train)
    with torch.random.fork_rng():
        torch.manual_seed(number)
        return objective(network, network.prepare(task.train.inputs.gather(samples)), samples)


def test_the_virtual_network_leaves_the_statistics_and_the_weights_of_the_network_alone(tmp_path):
    task = make_task(tmp_path)
    torch.manual_seed(0)
    network = NETWORK.build(3).train()
    twin = copy.deepcopy(network)
    step(objective_of(METHODS["meta-weight"](), task), network, task, 0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        twin(twin.prepare(task.train.inputs.gather(np.arange(16))))  # one pass of the batch, and nothing else
    assert all(torch.equal(value, twin.state_dict()[name]) for name, value in network.state_dict().items())


def test_the_optimizer_of_the_weights_is_part_of_the_state(tmp_path):
    task = make_task(tmp_path)
    torch.manual_seed(0)
    network = NETWORK.build(3).train()
    whole = objective_of(METHODS["meta-weight"](), task)
    step(whole, network, task, 0)
    torch.save({"objective": whole.state_dict(), "network": network.state_dict()}, tmp_path / "state.pt")
    saved = torch.load(tmp_path / "state.pt", weights_only=True)
    step(whole, network, task, 1)
    resumed, again = objective_of(METHODS["meta-weight"](), task), NETWORK.build(3).train()
    resumed.load_state_dict(saved["objective"])
    again.load_state_dict(saved["network"])
    step(resumed, again, task, 1)
    forgetful = objective_of(METHODS["meta-weight"](), task)
    again.load_state_dict(saved["network"])
    forgetful.load_state_dict({name: v for name, v in saved["objective"].items() if "extra" not in name}, strict=False)
    step(forgetful, again, task, 1)
    first, second, third = (
        [p.detach() for p in objective.weigh.parameters()] for objective in (whole, resumed, forgetful)
    )
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(first, third, strict=True))


def test_only_the_network_is_trained_by_the_optimizer_of_the_network(tmp_path):
    task = make_task(tmp_path)
    objective = objective_of(METHODS["meta-weight"](), task)
    assert objective.trained() == []
    network = NETWORK.build(3).train()
    loss = step(objective, network, task, 0)
    before = [parameter.grad.clone() for parameter in objective.weigh.parameters()]
    loss.backward()
    assert all(torch.equal(a, b.grad) for a, b in zip(before, objective.weigh.parameters(), strict=True))
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_weights_are_shares(tmp_path):
    task = make_task(tmp_path)
    objective = objective_of(METHODS["meta-weight"](), task)
    logits = torch.randn(8, 3)
    plain = objective_of(METHODS["noisy"](), task).loss(logits, SAMPLES)
    assert 0 < float(objective.loss(logits, SAMPLES)) < float(plain)


def test_a_step_in_mixed_precision_is_finite(tmp_path):
    task = make_task(tmp_path)
    objective, network = objective_of(METHODS["meta-weight"](), task), NETWORK.build(3).train()
    with torch.autocast("cpu", torch.bfloat16):
        loss = step(objective, network, task, 0)
    loss.backward()
    assert bool(loss.isfinite())
    assert all(bool(parameter.grad.isfinite().all()) for parameter in network.parameters())
