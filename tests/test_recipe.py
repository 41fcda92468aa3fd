"""Recipes: defaults, files, flags, and messages that name the setting and the mend."""

import pytest

import labelhedge as lh
from labelhedge.experiment import resolve
from labelhedge.methods import METHODS


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"seedz": 3}, r"seedz: there is no such setting \(did you mean 'seeds'\?\)"),
        ({"methods": ["distil"]}, r"no method 'distil' \(did you mean 'distill'\?\)"),
        ({"methods": {"distill": {"wieght": 1}}}, r"methods.distill.wieght: .*did you mean 'weight'"),
        (
            {"methods": {"distill": {"weight": "foo"}}},
            r"methods.distill.weight: a number in \[0, 1\] or one of paper",
        ),
        ({"methods": {"distill": {"weight": 1.5}}}, r"methods.distill.weight: a number in \[0, 1\]"),
        ({"methods": {"distill": {"temperature": 0}}}, r"methods.distill.temperature: .*greater than 0"),
        ({"methods": {"noisy": {"method": "clean"}}}, r"cannot stand for"),
        ({"methods": []}, r"at least one method"),
        ({"training": {"epoch": 3}}, r"training.epoch: .*did you mean 'epochs'"),
        ({"training": {"epochs": "many"}}, r"training.epochs: .*integer.*'many'"),
        (
            {"network": {"kind": "resnet"}},
            r"network.kind: there is no network 'resnet'; there is: 'frozen', 'alexnet-bn'",
        ),
        (
            {"network": {"kind": "alexnet-bn", "image_siz": 3}},
            r"network.image_siz: .*did you mean 'image_size'",
        ),
        ({"seeds": 0}, r"seeds: at least one is needed"),
        ({"seeds": [1, 1]}, r"seeds: every seed must be listed once"),
        ({"seeds": "a"}, r"seeds: .*list"),
        ({"corpus": ""}, r"corpus: .*at least 1 character"),
    ],
)
def test_a_wrong_setting_is_named_with_what_to_do(settings, message):
    with pytest.raises(lh.RecipeError, match=message):
        lh.Recipe(**{"corpus": "clipart"} | settings)


def test_a_file_is_read_flags_win_and_errors_name_the_file(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text("corpus: clipart\nmethods: [noisy, distill]\nseeds: 2\ntraining: {epochs: 7, batch_size: 32}\n")
    recipe = lh.Recipe.load(path, seeds=[5], training={"epochs": 9})
    assert recipe.seeds == [5]
    assert (recipe.training.epochs, recipe.training.batch_size) == (9, 32)
    path.write_text("corpus: clipart\nsed: 1\n")
    with pytest.raises(lh.RecipeError, match=r"recipe.yaml: sed: there is no such setting"):
        lh.Recipe.load(path)
    path.write_text("corpus: [unclosed")
    with pytest.raises(lh.RecipeError, match="not readable as YAML"):
        lh.Recipe.load(path)
    path.write_text("- clipart\n")
    with pytest.raises(lh.RecipeError, match="a mapping of settings is needed, found list"):
        lh.Recipe.load(path)
    with pytest.raises(lh.RecipeError, match="there is no recipe"):
        lh.Recipe.load(tmp_path / "nowhere.yaml")


def test_what_a_method_needs_is_added_before_it():
    recipe = lh.Recipe(corpus="clipart", methods=["guided", "noisy"])
    assert list(recipe.methods) == ["clean", "noisy", "guided"]
    recipe = lh.Recipe(corpus="clipart", methods={"half": {"method": "distill", "weight": 0.5, "check": False}})
    assert list(recipe.methods) == ["clean", "half"]  # a number needs no look at noisy


def test_a_dumped_recipe_reads_back_as_the_same_recipe(tmp_path):
    recipe = lh.Recipe(
        corpus="clipart",
        methods={"distill": {"weight": "risk"}, "half": {"method": "guided", "weight": 0.5, "beta": 0.1}},
        seeds=[3, 4],
        network={"kind": "alexnet-bn", "image_size": 64},
    )
    (tmp_path / "recipe.yaml").write_text(recipe.dump())
    assert lh.Recipe.load(tmp_path / "recipe.yaml") == recipe


def test_each_network_brings_the_schedule_that_suits_it_and_the_recipe_wins():
    frozen = lh.Recipe(corpus="clipart").training
    paper = lh.Recipe(corpus="clipart", network={"kind": "alexnet-bn"}).training
    assert (frozen.patience, frozen.decay) == (20, 1.0)
    expected = (250, 0.001, 0.9, 5, 0.0, None)  # Adam, 0.001, times 0.9 every 5 epochs, 250 epochs
    assert (
        paper.epochs,
        paper.learning_rate,
        paper.decay,
        paper.decay_every,
        paper.weight_decay,
        paper.patience,
    ) == (expected)
    assert lh.Recipe(corpus="clipart", training={"decay": 0.5}).training.decay == 0.5


def test_the_methods_are_listed_in_the_order_of_table_4_then_later_rivals():
    table = ["clean", "noisy", "bootstrap", "smooth", "finetune", "noise-layer", "reweight", "distill", "guided"]
    later = ["glc", "meta-weight", "elr", "gce", "cleanlab"]
    compared = [name for name, method in METHODS.items() if not method.auxiliary]
    assert compared == [*table, "ensemble", *later, "hedge", "upper-bound"]
    assert [name for name, method in METHODS.items() if method.sees_truth] == ["upper-bound"]
    assert all(name == method.name and method.about for name, method in METHODS.items())


def test_all_is_every_method_that_is_compared_and_whose_packages_are_there(monkeypatch):
    compared = {name for name, method in METHODS.items() if not method.auxiliary}
    monkeypatch.setattr(METHODS["cleanlab"], "packages", ())
    corpus, recipe = lh.Corpus.open("clipart"), lh.Recipe(corpus="clipart", methods="all")
    assert set(resolve(recipe, corpus).methods) == compared | {"silver", "cross-noisy"}  # which some of them need
    monkeypatch.setattr(METHODS["cleanlab"], "packages", ("a_package_that_nobody_has",))
    assert set(resolve(recipe, corpus).methods) == compared - {"cleanlab"} | {"silver"}


def test_all_leaves_out_what_the_corpus_does_not_allow(make_corpus, tmp_path):
    folder = make_corpus(tmp_path / "bare", columns={"trusted": [False] * 20}, files={"graph.nt": None})
    resolved = resolve(lh.Recipe(corpus=str(folder), methods="all"), lh.Corpus.open(folder))
    assert {"noisy", "elr", "gce", "bootstrap", "smooth", "reweight", "upper-bound"} <= set(resolved.methods)
    assert not {"clean", "distill", "guided", "glc", "hedge", "ensemble", "meta-weight"} & set(resolved.methods)


def test_no_methods_named_are_the_usual_ones_and_no_auxiliary_one_is_among_them():
    usual = [name for name, method in METHODS.items() if method.by_default]
    assert usual == ["clean", "noisy", "distill", "guided", "ensemble", "hedge", "upper-bound"]
    resolved = resolve(lh.Recipe(corpus="clipart"), lh.Corpus.open("clipart"))
    assert list(resolved.methods) == usual
    assert not any(METHODS[name].auxiliary for name in usual)


def test_where_all_is_trusted_there_is_no_noise_to_correct(make_corpus, tmp_path):
    folder = make_corpus(tmp_path / "checked", columns={"trusted": [row % 10 < 6 for row in range(20)]})
    corpus = lh.Corpus.open(folder)
    with pytest.raises(lh.RecipeError, match=r"methods\.(silver|glc) .*every training sample is trusted"):
        resolve(lh.Recipe(corpus=str(folder), methods=["glc"]), corpus)
    assert not {"glc", "silver"} & set(resolve(lh.Recipe(corpus=str(folder), methods="all"), corpus).methods)
