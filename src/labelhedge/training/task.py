"""`Task`: all that a method may see and use to train one model. It holds no hidden label and no test sample."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse
import torch
from torch import Tensor, nn

from labelhedge.corpus import EvaluationView, Label, TrainingView
from labelhedge.corpus.views import LabelSets, Sight
from labelhedge.errors import LabelhedgeError
from labelhedge.graph import LabelGraph
from labelhedge.labels import soften
from labelhedge.models import Classifier, NetworkSettings
from labelhedge.training.fit import Fit, write_array
from labelhedge.training.inputs import Inputs, InputStore
from labelhedge.training.loop import train
from labelhedge.training.objectives import CrossEntropy, Objective, Targets
from labelhedge.training.randomness import derive_seed
from labelhedge.training.settings import TrainingSettings


@dataclass(frozen=True)
class TrainingSet:
    """The training view with its network inputs.

    ``labels``, ``observed``, ``verified`` are (N, L) sparse; ``trusted`` is (N,) bool; see
    :class:`labelhedge.corpus.TrainingView`.
    """

    view: TrainingView
    inputs: Inputs

    def __len__(self) -> int:
        return len(self.view)

    def seen_as(self, sight: Sight) -> TrainingSet:
        """The part that a method looks at: see :meth:`labelhedge.corpus.TrainingView.seen_as`."""
        return self if sight == "everything" else TrainingSet(self.view.seen_as(sight), self.inputs)

    @cached_property
    def labels(self) -> LabelSets:
        """Verified labels where trusted, observed labels elsewhere."""
        return self.view.labels

    @property
    def observed(self) -> LabelSets:
        """Noisy labels, of trusted samples too."""
        return self.view.observed

    @property
    def verified(self) -> LabelSets:
        """True labels of trusted samples; other rows are empty."""
        return self.view.verified

    @property
    def trusted(self) -> npt.NDArray[np.bool_]:
        """Which samples belong to D_c."""
        return self.view.trusted

    @cached_property
    def key(self) -> str:
        """A hash of the images."""
        return _key(self.view.digests)


@dataclass(frozen=True)
class EvaluationSet:
    """Dev or test with network inputs."""

    view: EvaluationView
    inputs: Inputs

    @cached_property
    def truth(self) -> npt.NDArray[np.bool_]:
        """True labels, (N, L)."""
        return self.view.truth.toarray().astype(bool)

    @cached_property
    def observed(self) -> npt.NDArray[np.bool_]:
        """Noisy labels, (N, L)."""
        return self.view.observed.toarray().astype(bool)

    @cached_property
    def key(self) -> str:
        """A hash of the images."""
        return _key(self.view.digests)


@dataclass(frozen=True)
class Task:
    """One model to train: the data as the method may see it, the settings, a seed, and a folder of its own.

    Attributes
    ----------
    train : TrainingSet
    dev : EvaluationSet
        To choose on.
    labels : sequence of Label
    graph : Path or None
        The label relations, N-Triples.
    network, training : settings
    seed : int
    folder : Path
    on_epoch : function of (epoch, loss, dev mAP or accuracy), or None
    exclusive : bool
        The labels exclude each other: softmax and categorical cross entropy in the place of sigmoid and binary.
    """

    train: TrainingSet
    dev: EvaluationSet
    labels: Sequence[Label]
    graph: Path | None
    network: NetworkSettings
    training: TrainingSettings
    seed: int
    folder: Path
    on_epoch: Callable[[int, float, float], None] | None = None
    exclusive: bool = False

    def once(self, name: str, fit: Callable[[Task], Fit]) -> Fit:
        """A fit that is only a part of a method's work: trained in a folder of its own, once, also when resumed."""
        part = replace(self, folder=self.folder / name)
        found = Fit.load(part.folder)
        if found is None:
            found = fit(part)
            found.save({"part": name})
        return found

    def keep(self, name: str, values: Targets) -> Targets:
        """An array (N, L) for all training samples, computed once, float32, memory-mapped: a function that reads it."""
        path = self.folder / f"{name}.npy"
        if not path.exists():
            write_array(path, values, len(self.train), len(self.labels))
        array = np.load(path, mmap_mode="r")
        return lambda samples: np.asarray(array[samples])

    def soften(self, logits: npt.NDArray[np.floating[Any]], temperature: float = 1.0) -> npt.NDArray[np.float32]:
        """Soft labels (N, L) of logits, float32: see :func:`labelhedge.labels.soften`."""
        soft: npt.NDArray[np.float32] = soften(logits.astype(np.float32), temperature, exclusive=self.exclusive)
        return soft

    def siblings(self, relations: Collection[str] | None = None) -> scipy.sparse.csr_array:
        """Siblings of every label in the corpus's graph, (L, L) bool.

        Raises
        ------
        ValueError
            When the corpus has no graph.
        """
        if self.graph is None:
            raise LabelhedgeError(
                "the corpus has no graph.nt, so no label has siblings: leave out the methods that need it"
            )
        return LabelGraph.from_file(self.graph, self.labels).sibling_matrix(relations)

    def train_model(
        self,
        targets: LabelSets | Targets | Objective,
        *,
        rows: npt.NDArray[np.int64] | None = None,
        weight: float | None = None,
        initial: Mapping[str, Tensor] | None = None,
        pseudo_labels: Targets | None = None,
    ) -> Fit:
        """Train the network on targets, or by an objective, and return the best epoch on dev.

        An epoch is as many samples as the whole training set has, also where only some rows are trained on: every
        method gets the same number of steps per epoch, and the schedule means the same to all.

        Parameters
        ----------
        targets : (N, L) sparse labels, or a function from sample numbers (B,) to targets (B, L), or an Objective
        rows : (n,) sample numbers, optional
            Train on these only. Default: all.
        weight : float, optional
            λ, to be recorded.
        initial : dict, optional
            Weights to start from. Default: drawn from the seed.
        pseudo_labels : function from sample numbers (B,) to (B, L), optional
            To be kept with the fit. Default: the targets, if they are a function.
        """
        if pseudo_labels is None and callable(targets) and not isinstance(targets, Objective):
            pseudo_labels = targets
        objective = targets if isinstance(targets, Objective) else self._cross_entropy(targets)
        with torch.random.fork_rng():
            torch.manual_seed(derive_seed(self.seed, "initialisation"))
            network = self.network.build(len(self.labels))
        if initial is not None:
            network.load_state_dict(dict(initial))
        outcome = train(
            network,
            objective,
            self.train.inputs,
            self.dev.inputs,
            self.dev.truth,
            self.training,
            seed=self.seed,
            rows=rows,
            epoch_length=len(self.train),
            exclusive=self.exclusive,
            checkpoint=self.folder / "checkpoint.pt",
            on_epoch=self.on_epoch,
        )
        fit = Fit(
            folder=self.folder,
            classifier=self.classifier([network]),
            dev_map=outcome.dev_map,
            dev_accuracy=outcome.dev_accuracy,
            weight=weight,
            epochs=outcome.epochs,
            best_epoch=outcome.epoch,
            seconds=outcome.seconds,
            history=outcome.history,
        )
        if outcome.last:
            last = copy.deepcopy(network)
            last.load_state_dict(outcome.last)
            fit.last = self.classifier([last])
        if pseudo_labels is not None:
            fit.keep_pseudo_labels(pseudo_labels, len(self.train))
        return fit

    def classifier(self, networks: Sequence[nn.Module]) -> Classifier:
        """A classifier for this task's labels, made of trained networks."""
        names = [label.name for label in self.labels]
        return Classifier(self.network, names, networks, exclusive=self.exclusive)

    def _cross_entropy(self, targets: LabelSets | Targets) -> CrossEntropy:
        function: Targets = targets if callable(targets) else (lambda samples: targets[samples].toarray())
        return CrossEntropy(function, exclusive=self.exclusive)


def training_set(view: TrainingView, store: InputStore) -> TrainingSet:
    """A training view with its inputs."""
    return TrainingSet(view, store.select(view.digests))


def evaluation_set(view: EvaluationView, store: InputStore) -> EvaluationSet:
    """An evaluation view with its inputs."""
    return EvaluationSet(view, store.select(view.digests))


def _key(digests: Sequence[bytes]) -> str:
    return hashlib.blake2b(b"".join(digests), digest_size=6).hexdigest()
