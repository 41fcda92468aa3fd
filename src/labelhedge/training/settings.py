"""Settings of the training loop; the defaults are the paper's schedule."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class TrainingSettings(BaseModel):
    """How a network is trained.

    ``learning_rate`` is multiplied by ``decay`` every ``decay_every`` epochs. The best epoch is chosen on dev, by mAP,
    or by accuracy where labels exclude each other; ``patience`` stops after so many epochs without a better one (none:
    never); ``keep_last`` also keeps the network of the last epoch, so that a result tells what choosing on dev was
    worth. ``weight_decay`` is decoupled (AdamW; 0 is Adam, as in the paper). ``precision`` ``bf16`` needs a GPU. A
    checkpoint is written every ``checkpoint_seconds``, or less often where writing takes long; 0 writes one after each
    step.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    epochs: Annotated[int, Field(ge=1)] = 250
    batch_size: Annotated[int, Field(ge=2)] = 128
    learning_rate: Annotated[float, Field(gt=0)] = 0.001
    decay: Annotated[float, Field(gt=0, le=1)] = 0.9
    decay_every: Annotated[int, Field(ge=1)] = 5
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    patience: Annotated[int, Field(ge=1)] | None = None
    keep_last: bool = False
    augment: bool = True
    precision: Literal["float32", "bf16"] = "float32"
    checkpoint_seconds: Annotated[float, Field(ge=0)] = 5.0
