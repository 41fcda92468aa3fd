"""One training loop for every method: an objective is minimised, the best epoch is chosen on dev.

    outcome = train(network, CrossEntropy(targets), inputs, dev_inputs, dev_truth, settings, seed=0)

It can be stopped anywhere and goes on from its checkpoint to the same weights, bit for bit, because nothing random is
a state (see `randomness`). The device is chosen by Hugging Face Accelerate; a run uses one process.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from labelhedge.errors import LabelhedgeError
from labelhedge.evaluation import accuracy, mean_average_precision
from labelhedge.files import replacing
from labelhedge.labels import soften
from labelhedge.training.inputs import Inputs
from labelhedge.training.objectives import Objective
from labelhedge.training.randomness import derive_seed, sample_order
from labelhedge.training.settings import TrainingSettings

PREDICTION_BATCH = 512


@dataclass
class Outcome:
    """What training came to.

    Attributes
    ----------
    weights : dict
        The network's weights of the best epoch.
    dev_map, dev_accuracy : float
        Their mAP on dev, and their accuracy there where labels exclude each other, which then decides.
    epoch : int
        The best epoch, counted from 1.
    epochs : int
        Epochs trained.
    seconds : float
        Training time over all sittings.
    history : list of (loss, dev mAP), one per epoch
    dev_scores : list of what chose the best epoch, one per epoch
    last : dict
        The network's weights of the last epoch, where `keep_last` asks for them.
    """

    weights: dict[str, Tensor]
    dev_map: float = -1.0
    dev_accuracy: float | None = None
    epoch: int = 0
    epochs: int = 0
    seconds: float = 0.0
    history: list[tuple[float, float]] = field(default_factory=list)
    dev_scores: list[float] = field(default_factory=list)
    last: dict[str, Tensor] = field(default_factory=dict)


def train(
    network: nn.Module,
    objective: Objective,
    inputs: Inputs,
    dev_inputs: Inputs,
    dev_truth: npt.NDArray[np.bool_],
    settings: TrainingSettings,
    *,
    seed: int,
    rows: npt.NDArray[np.int64] | None = None,
    epoch_length: int | None = None,
    exclusive: bool = False,
    checkpoint: Path | None = None,
    on_epoch: Callable[[int, float, float], None] | None = None,
) -> Outcome:
    """Train a network in place and return the weights of its best epoch on dev.

    Parameters
    ----------
    network : nn.Module with ``prepare(raw, generator)``
    objective : Objective
        Its parameters are trained along, without weight decay; its state is part of the checkpoint.
    inputs : Inputs of the N training samples
    dev_inputs, dev_truth : Inputs, (N_dev, L) bool
    settings : TrainingSettings
    seed : int
    rows : (n,) sample numbers, optional
        Train on these only. Default: all N.
    epoch_length : int, optional
        Samples per epoch; a small set is gone through several times. Default: n.
    exclusive : bool
        The labels exclude each other: the best epoch is that of the highest accuracy on dev, not mAP.
    checkpoint : Path, optional
        File to resume from and to save to; removed at the end.
    on_epoch : function of (epoch, loss, dev mAP or accuracy), optional

    Raises
    ------
    ValueError
        When there are fewer than two training samples, or bf16 is asked for on a CPU.
    """
    rows = np.arange(len(inputs)) if rows is None else rows
    if len(rows) < 2:
        raise LabelhedgeError(f"at least two training samples are needed, found {len(rows)}")
    accelerator = Accelerator()
    if settings.precision == "bf16" and accelerator.device.type == "cpu":
        raise LabelhedgeError("training.precision bf16 needs a GPU; use float32 on a CPU")
    objective.to(accelerator.device).train()
    groups: list[dict[str, Any]] = [{"params": list(network.parameters()), "weight_decay": settings.weight_decay}]
    if own := objective.trained():
        groups.append({"params": own, "weight_decay": 0.0})
    optimizer = torch.optim.AdamW(groups, settings.learning_rate, fused=True)
    model, optimizer = accelerator.prepare(network, optimizer)
    outcome, step, losses = Outcome(weights={}), 0, torch.zeros((), device=accelerator.device)
    if checkpoint is not None and checkpoint.exists():
        saved = torch.load(checkpoint, map_location="cpu", weights_only=True)
        network.load_state_dict(saved["network"])
        objective.load_state_dict(saved["objective"])
        optimizer.load_state_dict(saved["optimizer"])
        _as_its_parameters_lie(optimizer)
        outcome, step = Outcome(**saved["outcome"]), saved["step"]
        losses = saved["losses"].to(accelerator.device)

    def save() -> None:
        if checkpoint is not None:
            parts = {"network": network, "objective": objective, "optimizer": optimizer}
            state: dict[str, Any] = {name: part.state_dict() for name, part in parts.items()}
            _save({**state, "outcome": vars(outcome), "step": step, "losses": losses}, checkpoint)

    # A batch of one sample has no batch statistics, so a single left-over sample waits for another epoch.
    length = max(len(rows), epoch_length or 0)
    batches = length // settings.batch_size + (length % settings.batch_size > 1)
    last_saved, cost = time.monotonic(), 0.0
    started = time.monotonic() - outcome.seconds
    order, ordered_epoch = np.empty(0, np.int64), -1
    while outcome.epochs < settings.epochs and not _out_of_patience(outcome, settings):
        epoch, batch = divmod(step, batches)
        if epoch != ordered_epoch:
            order, ordered_epoch = rows[sample_order(seed, epoch, len(rows), length)], epoch
            for group in optimizer.param_groups:
                group["lr"] = settings.learning_rate * settings.decay ** (epoch // settings.decay_every)
            model.train()
        samples = order[batch * settings.batch_size : (batch + 1) * settings.batch_size]
        with torch.random.fork_rng():
            torch.manual_seed(derive_seed(seed, "dropout", step))
            draws = torch.Generator().manual_seed(derive_seed(seed, "augmentation", step))
            raw = inputs.gather(samples).to(accelerator.device)
            prepared = network.prepare(raw, draws if settings.augment else None)  # type: ignore[operator]
            with torch.autocast(accelerator.device.type, torch.bfloat16, enabled=settings.precision == "bf16"):
                loss = objective(model, prepared, samples)
        optimizer.zero_grad()
        accelerator.backward(loss)
        optimizer.step()
        losses += loss.detach()
        step += 1
        outcome.seconds = time.monotonic() - started
        if step % batches == 0:
            scores = predict_logits(network, dev_inputs, accelerator.device)
            _close_epoch(outcome, network, float(losses) / batches, dev_truth, scores, exclusive)
            losses.zero_()
            if on_epoch is not None:
                on_epoch(outcome.epochs, outcome.history[-1][0], outcome.dev_scores[-1])
        due = settings.checkpoint_seconds and max(settings.checkpoint_seconds, 20 * cost)  # a twentieth of the time
        if (began := time.monotonic()) - last_saved >= due:
            save()
            last_saved = time.monotonic()
            cost = last_saved - began
    if settings.keep_last:
        outcome.last = copy.deepcopy({name: value.cpu() for name, value in network.state_dict().items()})
    network.load_state_dict(outcome.weights)
    if checkpoint is not None:
        checkpoint.unlink(missing_ok=True)
    return outcome


@torch.inference_mode()
def predict_logits(network: nn.Module, inputs: Inputs, device: torch.device | str = "cpu") -> npt.NDArray[np.float32]:
    """Logits (N, L) of a network for all inputs; leaves the network in its mode."""
    training = network.training
    network.eval()
    parts = []
    for start in range(0, len(inputs), PREDICTION_BATCH):
        raw = inputs.gather(np.arange(start, min(start + PREDICTION_BATCH, len(inputs)))).to(device)
        parts.append(network(network.prepare(raw)).float().cpu().numpy())  # type: ignore[operator]
    network.train(training)
    return np.concatenate(parts)


def _close_epoch(
    outcome: Outcome,
    network: nn.Module,
    loss: float,
    truth: npt.NDArray[np.bool_],
    scores: npt.NDArray[np.float32],
    exclusive: bool,
) -> None:
    if not (np.isfinite(loss) and np.isfinite(scores).all()):
        raise FloatingPointError(f"the loss is {loss} in epoch {outcome.epochs + 1}: lower training.learning_rate")
    scores = soften(scores, exclusive=True) if exclusive else scores  # which is not monotone in a label's logit
    dev_map = float(mean_average_precision(truth, scores))
    dev_accuracy = float(accuracy(truth, scores)) if exclusive else None
    outcome.epochs += 1
    outcome.history.append((loss, dev_map))
    outcome.dev_scores.append(dev_map if dev_accuracy is None else dev_accuracy)
    if (dev_accuracy or 0.0, dev_map) > (outcome.dev_accuracy or 0.0, outcome.dev_map):
        outcome.dev_map, outcome.dev_accuracy, outcome.epoch = dev_map, dev_accuracy, outcome.epochs
        outcome.weights = copy.deepcopy({name: value.cpu() for name, value in network.state_dict().items()})


def _as_its_parameters_lie(optimizer: torch.optim.Optimizer) -> None:
    """Give restored moments the memory layout of their parameters, which the fused step takes for granted."""
    for parameter, state in optimizer.state.items():
        for name, value in state.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape:
                state[name] = torch.empty_like(parameter).copy_(value)


def _out_of_patience(outcome: Outcome, settings: TrainingSettings) -> bool:
    return settings.patience is not None and outcome.epochs - outcome.epoch >= settings.patience


def _save(state: dict[str, Any], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as new:
        torch.save(state, new)
