"""`Fit`: a trained method on disk, with what it predicts, so that nothing is trained or predicted twice.

A fit's folder holds `model.safetensors`, `model.json`, `fit.json`, and as they are asked for
`logits-*.npy` (float16), `scores-*.npy` and `pseudo-labels.npy` (float32), all memory-mapped.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch

from labelhedge.files import replacing
from labelhedge.models import Classifier, load_classifier, save_classifier
from labelhedge.training.inputs import Inputs
from labelhedge.training.loop import PREDICTION_BATCH
from labelhedge.training.objectives import Targets

_RECORDED = ("dev_map", "dev_accuracy", "weight", "epochs", "best_epoch", "seconds", "remarks", "taught_dev")


class Samples(Protocol):
    """Samples that a fit can predict for: their inputs, and a key that names them on disk."""

    @property
    def inputs(self) -> Inputs:
        """Network inputs of the N samples."""
        ...

    @property
    def key(self) -> str:
        """A hash of the images."""
        ...


@dataclass
class Fit:
    """A method, trained with one seed.

    Attributes
    ----------
    folder : Path
        Where it is kept.
    classifier : Classifier
    dev_map, dev_accuracy : float
        On dev, of the epoch chosen there; accuracy only where labels exclude each other.
    weight : float or None
        λ, where it applies.
    epochs, best_epoch : int
        Epochs trained, and the one chosen; 0 where nothing was trained.
    seconds : float
        Of its own training, without what it needs.
    last : Classifier or None
        That of the last epoch, where the training settings keep it.
    remarks : list of str
        What the user should know: a teacher that does not help, a fallback that was taken.
    taught_dev : float or None
        The score on dev of the network that the pseudo labels taught, where `classifier` is another: mAP, or accuracy
        where labels exclude each other.
    """

    folder: Path
    classifier: Classifier
    dev_map: float
    dev_accuracy: float | None = None
    weight: float | None = None
    epochs: int = 0
    best_epoch: int = 0
    seconds: float = 0.0
    history: list[tuple[float, float]] = field(default_factory=list)
    last: Classifier | None = None
    remarks: list[str] = field(default_factory=list)
    taught_dev: float | None = None

    def logits(self, samples: Samples) -> npt.NDArray[np.float16]:
        """Logits (N, L), float16, memory-mapped: computed once.

        Raises
        ------
        ValueError
            When the classifier mixes several networks, which has no logits.
        """
        if len(self.classifier.networks) != 1:
            raise ValueError("a mixture of several networks has probabilities, but no logits")
        return self._predict(samples, "logits", self.classifier.networks[0], np.float16)

    def scores(self, samples: Samples, *, last: bool = False) -> npt.NDArray[np.float32]:
        """Probabilities (N, L), float32, memory-mapped: computed once. `last`: of the last epoch's network."""
        if last:
            assert self.last is not None
            return self._predict(samples, "last-scores", self.last, np.float32)
        return self._predict(samples, "scores", self.classifier, np.float32)

    def pseudo_labels(self) -> npt.NDArray[np.float32] | None:
        """The pseudo labels (N_train, L) that it made, memory-mapped; None where it used labels as they stand."""
        path = self.folder / "pseudo-labels.npy"
        return np.load(path, mmap_mode="r") if path.exists() else None

    def held_out(self) -> npt.NDArray[np.float32]:
        """Logits (N_train, L) by networks that have not seen the sample, memory-mapped; of a cross-fitted method.

        Raises
        ------
        FileNotFoundError
            When the method was not cross-fitted.
        """
        return np.asarray(np.load(self.folder / "held-out.npy", mmap_mode="r"))

    def keep_held_out(self, logits: Targets, count: int) -> None:
        """Store the held-out logits of all `count` training samples, as float32."""
        write_array(self.folder / "held-out.npy", logits, count, len(self.classifier.labels))

    def keep_pseudo_labels(self, targets: Targets, count: int) -> None:
        """Store the targets of all `count` training samples; as float32, so that the least suspicion has a rank."""
        write_array(self.folder / "pseudo-labels.npy", targets, count, len(self.classifier.labels))

    def save(self, about: dict[str, Any]) -> None:
        """Write the fit; `fit.json` comes last, so a folder that has one is complete."""
        save_classifier(self.classifier, self.folder, about)
        if self.last is not None:
            save_classifier(self.last, self.folder / "last", about)
        record = {name: getattr(self, name) for name in (*_RECORDED, "history")}
        with replacing(self.folder / "fit.json") as new:
            new.write_text(json.dumps({**about, **record}))

    @classmethod
    def load(cls, folder: Path) -> Fit | None:
        """The fit in a folder, or None where it is not there or not complete."""
        if not (folder / "fit.json").exists():
            return None
        record = json.loads((folder / "fit.json").read_text())
        history = [(loss, dev_map) for loss, dev_map in record["history"]]
        last = load_classifier(folder / "last") if (folder / "last" / "model.json").exists() else None
        classifier = load_classifier(folder)
        return cls(
            folder,
            classifier,
            history=history,
            last=last,
            **{name: record[name] for name in _RECORDED if name in record},
        )

    def _predict(self, samples: Samples, what: str, network: torch.nn.Module, dtype: Any) -> npt.NDArray[Any]:
        path = self.folder / f"{what}-{samples.key}.npy"
        if not path.exists():
            shape = (len(samples.inputs), len(self.classifier.labels))
            _write_array(path, shape, dtype, self._batches(samples.inputs, network))
        return np.asarray(np.load(path, mmap_mode="r"))

    @torch.inference_mode()
    def _batches(self, inputs: Inputs, network: torch.nn.Module) -> Iterator[npt.NDArray[Any]]:
        from accelerate import Accelerator

        device = Accelerator().device
        network.eval().to(device)
        prepare: Callable[[torch.Tensor], torch.Tensor] = network.prepare  # type: ignore[assignment]
        for start in range(0, len(inputs), PREDICTION_BATCH):
            raw = inputs.gather(np.arange(start, min(start + PREDICTION_BATCH, len(inputs)))).to(device)
            yield network(prepare(raw)).float().cpu().numpy()


def write_array(path: Path, values: Targets, count: int, width: int) -> None:
    """Write an array (count, width), float32, batch by batch; the file appears when it is complete."""
    batches = (np.arange(i, min(i + PREDICTION_BATCH, count)) for i in range(0, count, PREDICTION_BATCH))
    _write_array(path, (count, width), np.float32, (values(rows) for rows in batches))


def _write_array(path: Path, shape: tuple[int, int], dtype: Any, parts: Iterator[npt.NDArray[Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as new:
        array = np.lib.format.open_memmap(new, mode="w+", dtype=dtype, shape=shape)
        start = 0
        for part in parts:
            array[start : start + len(part)] = part
            start += len(part)
        array.flush()
