"""Noise models: their rates, what they leave alone, and the command that writes a noisy corpus."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

import labelhedge as lh
from corpus_help import at, columns_of, like_polars, picture, table_of
from labelhedge import noise
from labelhedge.cli import app
from labelhedge.errors import LabelhedgeError

CASES = settings(deadline=None, max_examples=30, derandomize=True)
SIBLINGS = [[1, 2], [0, 2], [0, 1], [4], [3], []]
NEAR = np.array([[int(m in group) for m in range(6)] for group in SIBLINGS])
SIMPLE = {
    "symmetric": noise.symmetric,
    "pair": noise.pair,
    "siblings": lambda sets, rate, seed: noise.siblings(sets, rate, SIBLINGS[: sets.shape[1]], seed=seed),
    "missing": noise.missing,
}
STRUCTURED = {
    "modes": lambda sets, rate, seed: noise.modes(sets, sets, rate, seed=seed),
    "background": lambda sets, rate, seed: noise.background(sets, sets, rate, seed=seed),
}
ALL = {**SIMPLE, **STRUCTURED}


def single(sizes, background=0):
    """One label a row, `sizes` images of each, then background."""
    truth = np.zeros((sum(sizes) + background, len(sizes)), bool)
    truth[np.arange(sum(sizes)), np.repeat(np.arange(len(sizes)), sizes)] = True
    return truth


def shares_of(noisy, part):
    """Per label, the share of its observed images that are in a part: (N, L) or (N, 1)."""
    return (noisy & part).sum(axis=0) / noisy.sum(axis=0)


@st.composite
def truths(draw, most=6):
    """Rows with no label, one, or some; the last row is background and the first six have one label each."""
    masks = draw(st.lists(st.sampled_from([mask for mask in range(2**6) if mask.bit_count() <= most]), min_size=1))
    rows = [[bool(mask >> bit & 1) for bit in range(6)] for mask in [1, 2, 4, 8, 16, 32, *masks, 0]]
    return np.array(rows)


# Rates


@pytest.mark.parametrize("name", ["symmetric", "pair", "missing"])
def test_labels_are_flipped_or_dropped_with_the_rate(name):
    truth = single([1000] * 6)
    noisy = ALL[name](truth, 0.3, seed=0).toarray()
    assert (noisy & truth).sum(axis=0) == pytest.approx([700] * 6, abs=60)
    assert noisy.sum() == pytest.approx(4200, abs=120) if name == "missing" else noisy.sum() == 6000


def test_symmetric_noise_is_uniform_over_the_other_labels():
    noisy = noise.symmetric(single([3000, 0, 0, 0]), 0.6, seed=1).toarray().sum(axis=0)
    assert noisy == pytest.approx([1200, 600, 600, 600], abs=90)


def test_siblings_take_the_place_of_siblings_only():
    noisy = noise.siblings(single([900] * 6), 0.5, SIBLINGS, seed=0).toarray().reshape(6, 900, 6).sum(axis=1)
    assert (noisy[np.arange(6), np.arange(6)] / 900) == pytest.approx([0.5] * 5 + [1], abs=0.06)
    assert noisy[3, 4] + noisy[3, 3] == 900
    assert noisy[0, 1] == pytest.approx(225, abs=45)
    assert not noisy[:3, 3:].any()


@pytest.mark.parametrize("rate", [0.1, 0.3, 0.5])
def test_modes_take_in_their_share_for_every_label(rate):
    truth = single([200] * 6)
    classes = noise.fixed_classes(6, seed=3)
    noisy = noise.modes(truth, truth, rate, seed=3).toarray()
    of_modes = np.zeros_like(truth)
    for label, own in enumerate(classes):
        of_modes[:, label] = truth[:, own].any(axis=1)
    assert shares_of(noisy, of_modes) == pytest.approx([rate] * 6, abs=0.02)
    assert shares_of(noisy, truth) == pytest.approx([1 - rate] * 6, abs=0.02)


def test_modes_hold_their_share_where_classes_differ_in_size():
    truth = single([100, 300, 150, 200])
    noisy = noise.modes(truth, truth, 0.2, seed=0, classes=[[1], [3], [0, 3], [1]]).toarray()
    assert shares_of(noisy, ~truth) == pytest.approx([0.2] * 4, abs=0.01)


def test_background_takes_in_its_share_out_of_fixed_groups():
    truth = single([90, 60, 30], background=400)
    groups = ["-"] * 180 + [str(row % 5) for row in range(400)]
    noisy = noise.background(truth, truth, 0.25, seed=0, groups=groups).toarray()
    assert shares_of(noisy, ~truth).tolist() == [0.25] * 3
    for label in range(3):
        assert len({groups[row] for row in np.flatnonzero(noisy[180:, label]) + 180}) in (1, 2)
    assert (noisy.sum(axis=1) <= 1).all()


def test_scarce_background_is_shared_out_in_proportion():
    truth = single([90, 60, 30], background=30)
    noisy = noise.background(truth, truth, 0.5, seed=0).toarray()
    assert noisy[180:].sum(axis=0) == pytest.approx([15, 10, 5], abs=1)


# Fixed classes


def test_fixed_classes_are_the_nearest_siblings_and_every_class_serves_about_as_often():
    triples = [("x", v, "order") for v in "abcd"] + [("y", v, "family") for v in "ab"]
    near = noise.kinship(triples, list("abcde"))
    assert near.toarray()[0].tolist() == [0, 2, 1, 1, 0]
    chosen = noise.fixed_classes(5, seed=0, near=near)
    assert (chosen[0][0], chosen[1][0]) == (1, 0)
    assert set(chosen[2] + chosen[3]) <= {0, 1, 2, 3}
    assert len(chosen[4]) == 1  # no sibling: another class
    assert noise.kinship(triples, list("abcde"), ["family"]).nnz == 2
    served = np.bincount([own[0] for own in noise.fixed_classes(40, seed=0)], minlength=40)
    assert served.max() <= 2


@pytest.mark.parametrize("seed", range(3))
def test_one_or_two_classes_never_the_label_itself_the_same_for_one_seed(seed):
    chosen = noise.fixed_classes(30, seed=seed)
    assert {len(own) for own in chosen} == {1, 2}
    assert all(label not in own and len(set(own)) == len(own) for label, own in enumerate(chosen))
    assert chosen == noise.fixed_classes(30, seed=seed) != noise.fixed_classes(30, seed=seed + 1)
    assert {len(own) for own in noise.fixed_groups(30, 7, seed=seed)} == {1, 2}


# Composition


def test_a_composition_has_its_shares_for_every_label():
    truth = single([300] * 6, background=800)
    groups = ["-"] * 1800 + [str(row % 8) for row in range(800)]
    shares = {"right": 0.45, "siblings": 0.25, "background": 0.3}
    noisy = noise.compose(truth, shares, seed=0, near=NEAR, groups=groups).toarray()
    count = noisy.sum(axis=0)
    assert (count > 150).all()
    assert (noisy & truth).sum(axis=0) == pytest.approx(0.45 * count, abs=1)
    assert noisy[1800:].sum(axis=0) == pytest.approx(0.3 * count, abs=1)
    kin = truth @ NEAR.T.astype(bool)
    assert shares_of(noisy, kin)[:5] == pytest.approx([0.25] * 5, abs=0.01)
    assert noisy.sum(axis=1).max() == 1


def test_a_composition_is_as_large_as_the_pool_allows_or_as_asked():
    truth = single([100, 40], background=10)
    assert noise.compose(truth, {"right": 1.0}, seed=0).sum(axis=0).tolist() == [100, 40]
    assert noise.compose(truth, {"right": 0.8, "modes": 0.2}, seed=0, per_label=20).sum(axis=0).tolist() == [20, 20]
    scarce = noise.compose(truth, {"right": 0.5, "background": 0.5}, seed=0).toarray()
    assert scarce.sum(axis=0).tolist() == [10, 10]
    assert shares_of(scarce, truth).tolist() == [0.5, 0.5]


def test_an_image_lends_each_true_label_once():
    truth = np.array([[True, True, False, False]] * 40 + [[False, False, True, True]] * 40)
    noisy = noise.compose(truth, {"right": 0.5, "modes": 0.5}, seed=0).toarray()
    assert noisy.sum(axis=1).max() <= 2
    assert shares_of(noisy, truth) == pytest.approx([0.5] * 4, abs=0.03)


# Properties


@CASES
@given(truths(), st.sampled_from(sorted(ALL)), st.integers(0, 5))
def test_rate_zero_is_the_identity(truth, name, seed):
    assert (ALL[name](truth, 0.0, seed=seed).toarray() == truth).all()


@CASES
@given(truths(), st.sampled_from(sorted(ALL)), st.floats(0, 0.95), st.integers(0, 5))
def test_equal_seeds_give_equal_noise_and_the_truth_is_untouched(truth, name, rate, seed):
    before = truth.copy()
    first, again = (ALL[name](truth, rate, seed=seed) for _ in range(2))
    assert (first.toarray() == again.toarray()).all()
    assert (truth == before).all()
    assert first.shape == truth.shape
    assert first.dtype == bool


@CASES
@given(truths(most=5), st.integers(0, 5))
def test_symmetric_noise_at_rate_one_leaves_no_right_label(truth, seed):
    noisy = noise.symmetric(truth, 1.0, seed=seed).toarray()
    assert not (noisy & truth).any()
    assert (noisy.any(axis=1) == truth.any(axis=1)).all()


@CASES
@given(truths(), st.sampled_from(sorted(set(ALL) - {"missing", "background"})), st.floats(0, 1), st.integers(0, 5))
def test_flips_keep_background_and_add_no_label(truth, name, rate, seed):
    noisy = ALL[name](truth, rate, seed=seed).toarray()
    assert (noisy.sum(axis=1) <= truth.sum(axis=1)).all()
    assert (noisy.any(axis=1) == truth.any(axis=1)).all()


@CASES
@given(truths(most=1), st.lists(st.sampled_from(sorted(ALL)), min_size=1, max_size=4), st.integers(0, 5))
def test_one_label_a_row_stays_at_most_one_whatever_is_composed(truth, names, seed):
    noisy = truth
    for name in names:
        step = ALL[name] if name in SIMPLE else getattr(noise, name)
        noisy = step(noisy, 0.4, seed=seed) if name in SIMPLE else step(noisy, truth, 0.4, seed=seed)
    assert noisy.toarray().sum(axis=1).max() <= 1
    shares = {"right": 0.4, "siblings": 0.2, "modes": 0.1, "background": 0.3}
    assert noise.compose(truth, shares, seed=seed, near=NEAR).toarray().sum(axis=1).max() <= 1


@CASES
@given(truths(most=1), st.floats(0, 1), st.floats(0, 1))
def test_a_higher_rate_flips_more_of_the_same_labels(truth, one, other):
    low, high = (noise.symmetric(truth, rate, seed=0).toarray() for rate in sorted((one, other)))
    flipped = (low != truth).any(axis=1)
    assert (low[flipped] == high[flipped]).all()


# Refusals


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda sets: noise.symmetric(sets, 1.5, seed=0), "symmetric: the rate must lie between 0 and 1, found 1.5"),
        (lambda sets: noise.missing(sets, float("nan"), seed=0), "found nan"),
        (lambda sets: noise.symmetric(sets[:, :1], 0.5, seed=0), "no other label"),
        (lambda sets: noise.pair(sets, 0.5, seed=-1), "the seed must be 0 or more"),
        (lambda sets: noise.siblings(sets, 0.5, [[1]], seed=0), "given for 1 labels, but there are 2"),
        (lambda sets: noise.background(sets, sets, 1.0, seed=0), "take less"),
        (lambda sets: noise.background(sets, sets, 0.5, seed=0), "no background image"),
        (lambda sets: noise.background(sets, sets, 0.5, seed=0, groups=["a"]), "1 groups for 4 images"),
        (lambda sets: noise.modes(sets, sets[:2], 0.5, seed=0), "true labels of shape"),
        (lambda sets: noise.compose(sets, {"right": 0.5}, seed=0), "sum to 0.5"),
        (lambda sets: noise.compose(sets, {"wrong": 1}, seed=0), "no part 'wrong'"),
        (lambda sets: noise.compose(sets, {"right": 0.5, "siblings": 0.5}, seed=0), "needs the labels' kinship"),
        (lambda sets: noise.compose(sets[:, :1], {"right": 0.5, "modes": 0.5}, seed=0), "no label has another class"),
        (lambda sets: noise.Noise.parse("symetric:0.2"), "did you mean 'symmetric'"),
        (lambda sets: noise.Noise.parse("pair"), "must be written like pair:0.2"),
        (lambda sets: noise.Noise.parse("shares:right"), "must be written like shares:"),
        (lambda sets: noise.Noise.parse("missing:-1"), "between 0 and 1"),
    ],
)
def test_what_is_wrong_is_said(call, message):
    with pytest.raises(LabelhedgeError, match=message.replace("(", r"\(")):
        call(single([2, 2]))


# A corpus


@pytest.fixture(scope="module")
def source(make_corpus, tmp_path_factory):
    """Two parts, 200 samples, every second image a file beside the corpus."""
    folder = tmp_path_factory.mktemp("noise") / "source"
    files = {f"photos/{row}.png": picture(row) for row in range(0, 200, 2)}
    cells = {(row, "image"): at(f"photos/{row}.png") for row in range(0, 200, 2)}
    group = [f"g{row % 3}" for row in range(200)]
    return make_corpus(folder, size=200, parts=2, cells=cells, files=files, columns={"role": group})


def test_a_noisy_corpus_keeps_all_but_the_observed_labels(source, tmp_path):
    old = lh.Corpus.open(source)
    new = noise.corrupt(old, tmp_path / "noisy", ["symmetric:0.4", "missing:0.2"], seed=1)
    before, after = columns_of(source), columns_of(tmp_path / "noisy")
    for name in ("id", "split", "verified", "trusted", "title", "role"):
        assert before[name] == after[name]
    assert old.samples.digests == new.samples.digests
    assert all(image["bytes"] for image in after["image"])
    assert after["image"][2]["path"] == "photos/2.png"
    assert (source / "graph.nt").read_text() == (tmp_path / "noisy" / "graph.nt").read_text()
    held_out = [row for row in range(200) if before["split"][row] != "train"]
    assert all(before["observed"][row] == after["observed"][row] for row in held_out)
    assert new.name == "small-symmetric-0.4-missing-0.2"
    for words in (
        "--noise symmetric:0.4 --noise missing:0.2 --seed 1 --splits train",
        old.hash,
        "labels made in train",
    ):
        assert words in new.info.description
    assert table_of(source).schema.names == table_of(tmp_path / "noisy").schema.names


def test_the_corpus_gets_what_the_functions_give_in_the_order_of_the_ids(source, make_corpus, tmp_path):
    old = lh.Corpus.open(source)
    new = noise.corrupt(old, tmp_path / "noisy", ["pair:0.5"], seed=2)
    rows = old.rows("train")
    rows = np.array(sorted(rows, key=lambda row: old.samples.ids[row]))
    wanted = noise.pair(old.samples.verified[rows], 0.5, seed=2)
    assert (new.samples.observed[rows] != wanted).nnz == 0
    order = np.random.default_rng(0).permutation(200)

    def shuffled(table, part):
        return table.take(pa.array(order))

    columns = {"role": [f"g{row % 3}" for row in range(200)]}
    other = make_corpus(tmp_path / "shuffled", size=200, edit=shuffled, columns=columns)
    steps = ["modes:0.2", "background:0.2", "siblings:0.2"]
    settings = {"background_column": "role", "clean_share": 0.3, "splits": ["train", "test"]}
    one = columns_of(noise.corrupt(old, tmp_path / "one", steps, **settings).folder)
    two = columns_of(noise.corrupt(lh.Corpus.open(other), tmp_path / "two", steps, **settings).folder)
    for name in ("observed", "trusted"):
        assert dict(zip(one["id"], one[name], strict=True)) == dict(zip(two["id"], two[name], strict=True))


def test_other_types_and_nested_columns_are_carried_over(make_corpus, tmp_path):
    columns = {"a.b": [{"votes": [row], "by": None} for row in range(20)]}
    folder = make_corpus(tmp_path / "polars", columns=columns, edit=like_polars)
    noisy = noise.corrupt(lh.Corpus.open(folder), tmp_path / "noisy", "pair:1").folder
    assert columns_of(noisy)["a.b"] == columns["a.b"]
    assert table_of(noisy).schema.field("title") == table_of(folder).schema.field("title")


def test_a_splits_noise_does_not_depend_on_the_other_splits(source, tmp_path):
    old = lh.Corpus.open(source)
    train = noise.corrupt(old, tmp_path / "train", ["symmetric:0.5"])
    both = noise.corrupt(old, tmp_path / "both", "symmetric:0.5", splits=["dev", "train"])
    rows = old.rows("train")
    assert (train.samples.observed[rows] != both.samples.observed[rows]).nnz == 0
    assert both.evaluation_view("dev").observed.nnz > 30
    assert (both.evaluation_view("dev").observed != both.evaluation_view("dev").truth).nnz > 0


def test_twice_the_same_noise_draws_twice(source, tmp_path):
    old = lh.Corpus.open(source)
    once = noise.corrupt(old, tmp_path / "once", ["missing:0.5"]).training_view().observed.nnz
    twice = noise.corrupt(old, tmp_path / "twice", ["missing:0.5", "missing:0.5"]).training_view().observed.nnz
    assert 0 < twice < once


@pytest.mark.parametrize("share", [None, 0.2])
def test_representative_trusted_samples_are_as_noisy_as_the_rest(source, tmp_path, share):
    view = noise.corrupt(lh.Corpus.open(source), tmp_path / "n", ["symmetric:0.5"], clean_share=share).training_view()
    assert view.trusted.sum() == (40 if share is None else pytest.approx(24, abs=3))
    wrong = (view.observed[view.trusted].toarray() != view.verified[view.trusted].toarray()).any(axis=1)
    assert 0.2 < wrong.mean() < 0.7


@pytest.mark.parametrize("share", [None, 0.2])
def test_right_only_trusted_samples_are_right(source, tmp_path, share):
    corpus = lh.Corpus.open(source)
    noisy = noise.corrupt(corpus, tmp_path / "n", ["symmetric:0.5"], trusted="right-only", clean_share=share)
    view = noisy.training_view()
    assert 10 < view.trusted.sum() < 30
    assert (view.observed[view.trusted] != view.verified[view.trusted]).nnz == 0
    assert (view.observed != noisy.oracle_view().verified).nnz > 20


def test_kept_trusted_samples_are_left_alone(source, tmp_path):
    old = lh.Corpus.open(source)
    new = noise.corrupt(old, tmp_path / "n", ["missing:1"], trusted="keep")
    before, after = old.training_view(), new.training_view()
    assert (before.trusted == after.trusted).all()
    assert (before.observed[before.trusted] != after.observed[after.trusted]).nnz == 0
    assert after.observed[~after.trusted].nnz == 0


# The command


def test_the_command_writes_a_corpus_and_describes_it(source, tmp_path):
    target = str(tmp_path / "noisy")
    shares = "shares:right=0.5,siblings=0.25,background=0.25"
    more = ["--noise", "missing:0.1", "--relations", "class", "--background-column", "role", "--clean-share", "0.25"]
    done = CliRunner().invoke(app, ["corpus", "corrupt", str(source), target, "--noise", shares, *more])
    assert done.exit_code == 0, done.output
    assert "clean : noisy" in done.output
    assert f"--noise {shares} --noise missing:0.1" in done.output.replace("\n", " ")
    corpus = lh.Corpus.open(target)
    assert corpus.samples.trusted.sum() == pytest.approx(30, abs=3)
    assert corpus.name == "small-shares-missing-0.1"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--noise", "symetric:0.2"], "there is no noise 'symetric' (did you mean 'symmetric'?)"),
        (["--noise", "pair:1.2"], "pair: the rate must lie between 0 and 1, found 1.2"),
        (["--noise", "pair:0.2", "--noise", "shares:right=1"], "can only come first"),
        (["--noise", "pair:0.2", "--splits", "train,validation"], "no split 'validation'; it has: train, dev, test"),
        (["--noise", "pair:0.2", "--trusted", "none"], "trusted must be one of representative, right-only, keep"),
        (["--noise", "pair:0.2", "--trusted", "keep", "--clean-share", "0.1"], "leave one out"),
        (["--noise", "pair:0.2", "--clean-share", "2"], "the clean share must lie between 0 and 1"),
        (["--noise", "missing:1", "--trusted", "right-only", "--clean-share", "0.9"], "take a smaller share"),
        (["--noise", "pair:0.2", "--relations", "class"], "no noise uses siblings"),
        (["--noise", "siblings:0.2", "--relations", "genus"], "no triple has the relation 'genus'"),
        (["--noise", "pair:0.2", "--background-column", "role"], "no noise uses background"),
        (["--noise", "background:0.2", "--background-column", "wnid"], "no column 'wnid'"),
    ],
)
def test_what_the_user_can_mend_is_said(source, tmp_path, arguments, message):
    done = CliRunner().invoke(app, ["corpus", "corrupt", str(source), str(tmp_path / "target"), *arguments])
    assert isinstance(done.exception, LabelhedgeError)
    assert message in str(done.exception)
    assert not (tmp_path / "target").exists()


def test_the_licence_goes_with_the_images(make_corpus, tmp_path):
    folder = make_corpus(tmp_path / "licensed", files={"LICENSE.txt": "CC0", "notes.txt": "mine"})
    noise.corrupt(lh.Corpus.open(folder), tmp_path / "target", ["pair:0.1"])
    assert (tmp_path / "target" / "LICENSE.txt").read_text() == "CC0"
    assert not (tmp_path / "target" / "notes.txt").exists()


def test_a_corpus_that_cannot_serve_says_how_to_mend_it(source, make_corpus, tmp_path):
    def message(folder, target="new", step="siblings:0.2"):
        with pytest.raises(LabelhedgeError) as caught:
            noise.corrupt(lh.Corpus.open(folder), tmp_path / target, [step])
        return str(caught.value)

    plain = make_corpus(tmp_path / "plain", files={"graph.nt": None})
    assert "graph.nt: the file is missing, and siblings need it" in message(plain)
    lonely = make_corpus(tmp_path / "lonely", files={"graph.nt": "<urn:a> <urn:class> <urn:b> .\n"})
    assert "no label has a sibling" in message(lonely)
    unchecked = make_corpus(tmp_path / "unchecked", cells={(1, "verified"): None})
    assert "row 1 (id 's01'): 1 of 12 train samples have no verified labels" in message(unchecked, step="pair:0.1")
    assert f"{source} exists already: choose another folder" in message(source, source)
