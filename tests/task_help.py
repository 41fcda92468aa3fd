"""Tasks without a corpus folder, and the objective that a method trains with, for the tests of methods.

task = make_task(tmp_path, exclusive=True)
objective = objective_of(METHODS["gce"](q=0.5), task)
objective.loss(logits, samples)
"""

from types import SimpleNamespace

import numpy as np
from scipy.sparse import csr_array

from labelhedge.corpus import EvaluationView, Label, TrainingView
from labelhedge.models import AlexNetSettings
from labelhedge.training import CrossEntropy, EvaluationSet, Inputs, Objective, Task, TrainingSet, TrainingSettings

SIZE = 32
NETWORK = AlexNetSettings(image_size=SIZE, width=0.05)


def draw_labels(draw, count, labels, exclusive):
    """Labels (N, L); every label has a positive."""
    truth = draw.random((count, labels)) < 0.4
    if exclusive:
        truth = np.eye(labels, dtype=bool)[draw.integers(0, labels, count)]
    truth[:labels] = np.eye(labels, dtype=bool)
    return truth


def corrupt(draw, truth, exclusive, share=0.3):
    """Noisy labels (N, L)."""
    if exclusive:
        moved = np.roll(truth, 1, axis=1)
        return np.where(draw.random((len(truth), 1)) < share, moved, truth)
    return truth ^ (draw.random(truth.shape) < share)


def make_task(
    folder, *, count=42, labels=3, exclusive=False, seed=0, trusted=None, observed=None, digests=None, **training
):
    """A task whose images show their labels as brightness of the colour channels; two of five samples are trusted."""
    draw = np.random.default_rng(seed)

    def images(truth):
        shown = np.zeros((len(truth), 3), bool)
        shown[:, : truth.shape[1]] = truth[:, :3]
        pixels = draw.integers(0, 150, (len(truth), SIZE, SIZE, 3)) + 100 * shown[:, None, None, :]
        return Inputs(pixels.astype(np.uint8), np.arange(len(truth)))

    truth, dev_truth = draw_labels(draw, count, labels, exclusive), draw_labels(draw, 20, labels, exclusive)
    observed = corrupt(draw, truth, exclusive) if observed is None else observed
    trusted = np.arange(count) % 5 < 2 if trusted is None else trusted
    digests = [f"train {number}".encode() for number in range(count)] if digests is None else digests
    known = csr_array(truth & trusted[:, None])
    view = TrainingView(digests, csr_array(observed), trusted, known, texts=[""] * count)
    dev_digests = [f"dev {number}".encode() for number in range(20)]
    dev = EvaluationView(dev_digests, csr_array(dev_truth), csr_array(corrupt(draw, dev_truth, exclusive)))
    return Task(
        train=TrainingSet(view, images(truth)),
        dev=EvaluationSet(dev, images(dev_truth)),
        labels=[Label(id=str(number), name=str(number)) for number in range(labels)],
        graph=None,
        network=NETWORK,
        training=TrainingSettings(**{"epochs": 2, "batch_size": 16, "checkpoint_seconds": 0} | training),
        seed=seed,
        folder=folder / "fit",
        exclusive=exclusive,
    )


class Watched(Task):
    """A task that tells what it was asked to train, and trains nothing."""

    def train_model(self, targets, **options):
        return SimpleNamespace(targets=targets, remarks=[], **options)


def asked(method, task, fitted=None):
    """What a method asks its task to train: `targets`, and the options it gives."""
    return method.fit(Watched(**vars(task)), fitted or {})


def objective_of(method, task, fitted=None) -> Objective:
    """The objective that a method trains with."""
    found = asked(method, task, fitted).targets
    if isinstance(found, Objective):
        return found
    targets = found if callable(found) else lambda samples: found[samples].toarray()
    return CrossEntropy(targets, exclusive=task.exclusive)


def predicting(scores=None, logits=None, held_out=None):
    """What stands for another method's fit: it predicts the same whatever is asked."""
    return SimpleNamespace(
        scores=lambda samples: scores, logits=lambda samples: logits, held_out=lambda: held_out, dev_map=0.5
    )
