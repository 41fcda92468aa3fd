"""The documentation is true: its Python runs, its YAML is a recipe, its links lead somewhere."""

import re
from pathlib import Path

import pytest
import yaml

import labelhedge as lh

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "CONTRIBUTING.md"]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), flags=re.M | re.S)


def test_your_own_images_runs_as_it_stands(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in blocks(ROOT / "docs" / "your-own-images.md", "python"):
        exec(compile(block, "your-own-images.md", "exec"), names)
    printed = capsys.readouterr().out
    assert "colours" in printed
    assert "distill" in printed
    assert (tmp_path / "runs" / "colours" / "report.html").exists()


@pytest.mark.parametrize("page", [*PAGES, *sorted((ROOT / "benchmarks").glob("*.py"))], ids=lambda page: page.name)
def test_nothing_is_left_to_be_filled_in(page):
    assert "PLACEHOLDER" not in page.read_text()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_recipes_in_the_pages_are_valid(page):
    for block in blocks(page, "yaml"):
        assert lh.Recipe(**yaml.safe_load(block)).corpus


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_local_links_lead_somewhere(page):
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_a_method_as_contributing_shows_it_works(make_corpus, tmp_path):
    """Adding a method takes one class and one line: here the line is made by the test."""
    from collections.abc import Mapping
    from typing import Annotated, ClassVar

    from pydantic import Field

    from labelhedge import methods
    from labelhedge.labels import smooth
    from labelhedge.training import Fit, Task

    names = {
        "Method": methods.Method, "ClassVar": ClassVar, "Annotated": Annotated, "Field": Field,
        "Mapping": Mapping, "Task": Task, "Fit": Fit, "smooth": smooth,
    }  # fmt: skip
    (block,) = re.findall(r"```python\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), flags=re.S)
    exec(compile(re.sub(r"^   ", "", block, flags=re.M), "CONTRIBUTING.md", "exec"), names)
    recipe = {
        "corpus": str(make_corpus(tmp_path / "tiny", size=60)),
        "seeds": 1,
        "network": {"kind": "alexnet-bn", "image_size": 32, "width": 0.05},
        "training": {"epochs": 1},
        "out": str(tmp_path / "run"),
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(methods.METHODS, "smooth", names["Smooth"])
        resolved = lh.Recipe(methods={"smooth": {"weight": 0.7}}, **recipe)
        assert type(resolved.methods["smooth"]) is names["Smooth"]  # and not the one of the house
        results = lh.run(resolved)
    assert results.methods == ["smooth"]
    assert results.of("smooth")[0].weight == 0.7
