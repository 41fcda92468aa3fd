"""The report in a real browser: desktop and phone, no request to anywhere, every picture drawn, the right numbers."""

import numpy as np
import pytest

import labelhedge as lh
from labelhedge.report import write_report


@pytest.fixture(scope="module")
def finished(make_corpus, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    corpus = make_corpus(folder / "tiny", size=120, cells={(1, "title"): "<script>alert(1)</script> & co"})
    recipe = lh.Recipe(
        corpus=str(corpus),
        seeds=2,
        out=str(folder / "run"),
        network={"kind": "alexnet-bn", "image_size": 32, "width": 0.05},
        training={"epochs": 2, "batch_size": 16},
    )
    return lh.run(recipe), folder / "run", lh.Corpus.open(corpus)


@pytest.fixture(params=[(1280, 900), (360, 740)], ids=["desktop", "phone"])
def page(request, browser, finished):
    _, run, _ = finished
    width, height = request.param
    page = browser.new_page(viewport={"width": width, "height": height})
    page.requested, page.said = [], []
    page.on("request", lambda event: page.requested.append(event.url))
    page.on("console", lambda event: page.said.append(event.text))
    page.on("dialog", lambda event: page.said.append(event.message))
    page.goto((run / "report.html").as_uri())
    yield page
    page.close()


def test_it_fits_the_screen_and_asks_nobody_for_anything(page):
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]
    assert [url for url in page.requested if not url.startswith("data:")] == [page.url]
    assert page.said == []


def test_every_picture_is_drawn(page):
    page.evaluate("document.querySelectorAll('details').forEach(item => { item.open = true })")
    page.evaluate("document.querySelectorAll('img').forEach(item => { item.loading = 'eager' })")
    page.wait_for_function("[...document.images].every(image => image.complete)")
    sizes = page.evaluate("[...document.images].map(image => image.naturalWidth)")
    assert len(sizes) > 20
    assert min(sizes) > 0


def test_the_table_shows_the_results(page, finished):
    results, _, _ = finished
    shown = [row.inner_text() for row in page.locator("#methods tbody tr").all()]
    assert len(shown) == len(results.methods)
    for text, summary in zip(shown, results.summaries(), strict=True):
        assert summary.method in text
        assert f"{100 * summary.mean:.1f} ± {100 * summary.std:.1f}" in text


def test_borders_tell_right_from_wrong(page, finished):
    _, _, corpus = finished
    names = [label.name for label in corpus.labels]
    figures = page.locator("details").first
    label = figures.locator("summary").inner_text().split()[0]
    found = figures.locator("figure").evaluate_all("items => items.map(item => [item.title, item.className])")
    assert found
    for title, kind in found:
        row = corpus.samples.ids.index(title.split(":")[0])
        right = bool(corpus.samples.verified[[row]].toarray()[0, names.index(label)])
        assert kind == ("right" if right else "wrong")
        assert corpus.samples.split[row] == "train"
        assert not corpus.samples.trusted[row]


def test_text_of_the_corpus_is_escaped(finished):
    _, run, _ = finished
    text = (run / "report.html").read_text()
    assert "<script>" not in text
    assert "&lt;script&gt;alert(1)" in text


def test_a_report_of_another_state_of_the_corpus_is_refused(finished, make_corpus, tmp_path):
    _, run, _ = finished
    other = lh.Corpus.open(make_corpus(tmp_path / "other", size=121))
    with pytest.raises(ValueError, match="another state of the corpus"):
        write_report(run, other)


def test_the_summary_is_paired_by_seed(finished):
    results, _, _ = finished
    for summary in results.summaries():
        maps = [result.test_map for result in results.of(summary.method)]
        assert summary.mean == pytest.approx(np.mean(maps))
        assert summary.std == pytest.approx(np.std(maps, ddof=1))
        if summary.method == "noisy":
            assert summary.difference is None
            continue
        gaps = np.subtract(maps, [result.test_map for result in results.of("noisy")])
        assert summary.difference == pytest.approx(gaps.mean())
        assert summary.difference_std == pytest.approx(gaps.std(ddof=1))
        assert summary.better == (gaps > 0).sum()
        assert summary.pairs == len(gaps)
