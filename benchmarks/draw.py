"""Tables and charts of docs/results.md, from the JSON files in docs/results.

    python benchmarks/draw.py                        # rewrites what stands between the markers, and the SVG files

The table of docs/loop.md too.

In the page `<!-- table NAME VARIANT -->` … `<!-- end -->` holds a table, NAME a file without its ending; charts are
`docs/results/NAME-VARIANT.svg`. Nothing is measured here.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from statistics import fmean, stdev

import matplotlib as mpl

mpl.use("svg")
mpl.rcParams.update({"svg.hashsalt": "labelhedge", "font.size": 9, "svg.fonttype": "none"})

from matplotlib import pyplot as plt  # noqa: E402

from labelhedge.results import Results, percent  # noqa: E402

DOCS = Path(__file__).parent.parent / "docs"
COLOURS = {"hedge": "#c2410c", "upper-bound": "#6b7280", "noisy": "#1f2937"}
SHORT = "hedge, as above"  # beside what was trained longer
LINES = {  # settings of the sensitivity benchmark: prefix of the variants' names, title
    "T": "temperature T of distill",
    "weight": "weight λ of distill",
    "beta": "β of guided",
}


def load(name: str, variant: str) -> Results:
    """The results of a variant as a run's results."""
    variants = json.loads((DOCS / "results" / f"{name}.json").read_text())["variants"]
    content = variants[variant]
    results = Results(corpus={"name": name, "hash": ""}, recipe=content["recipe"], results=content["results"])
    base = variant.removesuffix("-longer")
    if base != variant:  # what the longer trainings are to be compared with
        seeds = {result.seed for result in results.results}
        short = [result for result in load(name, base).of("hedge") if result.seed in seeds]
        results.results += [result.model_copy(update={"method": SHORT}) for result in short]
    return results


def table(name: str, variant: str) -> str:
    """A Markdown table, paired differences to `noisy` and of `hedge` to each method."""
    results = load(name, variant)
    summaries = list(results.summaries())
    single = summaries[0].accuracy is not None
    measures = ("accuracy", "mAP") if single else ("mAP",)
    kept = any(row.last_accuracy is not None for row in summaries)
    heads = [f"test {measures[0]}", *(["last epoch"] if kept else []), *measures[1:], "against `noisy`", "better"]
    heads += ["`hedge` against it", "dev", "λ", "seconds"]
    lines = [f"| method | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|"]
    for row in summaries:
        cells = [percent(row.accuracy, row.accuracy_std) if single else percent(row.mean, row.std)]
        cells += [percent(row.last_accuracy) if row.last_accuracy is not None else ""] if kept else []
        cells += [percent(row.mean, row.std)] if single else []
        cells += ["" if row.difference is None else percent(row.difference, row.difference_std, sign=True)]
        cells += ["" if row.better is None else f"{row.better} of {row.pairs}"]
        cells += [paired(results, "hedge", row.method), percent(row.dev)]
        cells += ["" if row.weight is None else f"{row.weight:.2f}", f"{row.seconds:.0f}" if row.seconds else ""]
        lines.append(f"| `{row.method}` | {' | '.join(cells)} |")
    return "\n".join(lines)


def paired(results: Results, method: str, other: str) -> str:
    """The difference between two methods over the seeds that both have."""
    first = {result.seed: result.score for result in results.of(method)}
    second = {result.seed: result.score for result in results.of(other)}
    differences = [first[seed] - second[seed] for seed in first if seed in second]
    if method == other or not differences:
        return ""
    better = sum(difference > 0 for difference in differences)
    deviation = spread(differences) if len(differences) > 1 else None
    return f"{percent(fmean(differences), deviation, sign=True)} ({better} of {len(differences)})"


def chart(name: str, variant: str) -> Path:
    """Every method's mean, deviation and seeds, in the order of the means."""
    results = load(name, variant)
    rows = sorted(results.summaries(), key=lambda row: row.accuracy if row.accuracy is not None else row.mean)
    figure, axes = plt.subplots(figsize=(6.4, 0.6 + 0.24 * len(rows)), layout="constrained")
    for place, row in enumerate(rows):
        scores = [100 * result.score for result in results.of(row.method)]
        colour = COLOURS.get(row.method, "#2563eb")
        axes.plot(scores, [place] * len(scores), "o", markersize=3, color=colour, alpha=0.35, markeredgewidth=0)
        axes.errorbar(fmean(scores), place, xerr=spread(scores), fmt="o", color=colour, markersize=5, capsize=2)
        if row.method in ("noisy", "upper-bound"):
            axes.axvline(fmean(scores), color=colour, linewidth=0.7, linestyle=":")
    axes.set_yticks(range(len(rows)), [row.method for row in rows])
    axes.set_xlabel("test accuracy, %" if rows[0].accuracy is not None else "test mAP, %")
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color="#e5e7eb", linewidth=0.6)
    axes.set_axisbelow(True)
    return save(figure, f"{name}-{variant}")


def sensitivity(name: str) -> Path:
    """How much T, λ and β matter, and the share of clean labels."""
    settings = load(name, "settings")
    published = json.loads((DOCS / "results" / f"{name}.json").read_text())["variants"]
    shares = [share for share in (1, 5, 10, 20) if f"share-{share}" in published]
    panels = 4 if shares else 3
    figure, all_axes = plt.subplots(1, panels, figsize=(2.25 * panels, 2.6), layout="constrained")
    for axes in all_axes[1:3]:
        axes.sharey(all_axes[0])
    noisy = fmean(100 * result.score for result in settings.of("noisy"))
    for axes, (prefix, title) in zip(all_axes[:3], LINES.items(), strict=True):
        values = sorted(float(m.split("-", 1)[1]) for m in settings.methods if m.startswith(f"{prefix}-"))
        scores = [[100 * result.score for result in settings.of(f"{prefix}-{value:g}")] for value in values]
        axes.errorbar(
            [f"{value:g}" for value in values],
            [fmean(each) for each in scores],
            [spread(each) for each in scores],
            fmt="o-",
            color="#2563eb",
            capsize=2,
            markersize=4,
        )
        axes.axhline(noisy, color=COLOURS["noisy"], linewidth=0.7, linestyle=":")
        axes.set_title(title, fontsize=9)
    if shares:
        _clean_shares(all_axes[3], name, shares)
    all_axes[0].set_ylabel("test mAP, %")
    for axes in all_axes:
        axes.grid(axis="y", color="#e5e7eb", linewidth=0.6)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    return save(figure, name)


def _clean_shares(axes: plt.Axes, name: str, shares: list[int]) -> None:
    colours = {"noisy": "#1f2937", "clean": "#9ca3af", "distill": "#93c5fd", "distill-checked": "#2563eb"}
    for method, colour in {**colours, "hedge-no-text": "#f59e0b", "hedge": "#c2410c"}.items():
        scores = [[100 * r.score for r in load(name, f"share-{share}").of(method)] for share in shares]
        means, spreads = [fmean(each) for each in scores], [spread(each) for each in scores]
        axes.errorbar([f"{s}%" for s in shares], means, spreads, fmt="o-", color=colour, capsize=2, markersize=3)
        axes.containers[-1].set_label(method)
    axes.legend(*axes.get_legend_handles_labels(), frameon=False, fontsize=6, loc="lower right")
    axes.set_title("share of clean labels", fontsize=9)


def checks() -> tuple[str, Path]:
    """Test mAP against checks made, by the order of the questions: a Markdown table, and the curves."""
    content = json.loads((DOCS / "results" / "checks.json").read_text())
    orders = content["orders"]
    scores = {
        order: {int(step): [100 * row["test"] for row in rows] for step, rows in methods["hedge"].items()}
        for order, methods in orders.items()
    }
    some = next(iter(orders.values()))
    start = {name: [100 * row["test"] for row in some[name]["0"]] for name in ("noisy", "upper-bound")}
    figure, axes = plt.subplots(figsize=(6.4, 3.2), layout="constrained")
    colours = {"random": "#6b7280", "suspicious": "#2563eb", "useful": "#c2410c"}
    for order, by_step in scores.items():
        steps = [0, *sorted(by_step)]
        means = [fmean(start["noisy"]), *(fmean(by_step[step]) for step in steps[1:])]
        spreads = [spread(start["noisy"]), *(spread(by_step[step]) for step in steps[1:])]
        axes.errorbar(steps, means, spreads, fmt="o-", color=colours[order], capsize=2, markersize=4, label=order)
    axes.axhline(fmean(start["upper-bound"]), color="#1f2937", linewidth=0.7, linestyle=":", label="all labels known")
    axes.set_xlabel("questions answered")
    axes.set_ylabel("test mAP, %")
    axes.legend(frameon=False, fontsize=8)
    axes.grid(axis="y", color="#e5e7eb", linewidth=0.6)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    steps = sorted(next(iter(scores.values())))
    lines = [f"| order | {' | '.join(f'{step} questions' for step in steps)} |", "|---" * (len(steps) + 1) + "|"]
    for order, by_step in scores.items():
        cells = []
        for step in steps:
            ahead = [mine - other for mine, other in zip(by_step[step], scores["random"][step], strict=True)]
            value = percent(fmean(by_step[step]) / 100, spread(by_step[step]) / 100)
            compared = f" ({percent(fmean(ahead) / 100, spread(ahead) / 100, sign=True)})"
            cells.append(value + ("" if order == "random" or step == steps[0] else compared))
        lines.append(f"| `{order}` | {' | '.join(cells)} |")
    return "\n".join(lines), save(figure, "checks")


def spread(values: list[float]) -> float:
    """The standard deviation of the sample; of one value none can be told, and none is drawn."""
    return stdev(values) if len(values) > 1 else 0.0


def save(figure: plt.Figure, name: str) -> Path:
    path = DOCS / "results" / f"{name}.svg"
    figure.savefig(path, metadata={"Date": None, "Creator": None})
    plt.close(figure)
    return path


def main() -> None:
    page = DOCS / "results.md"
    text = page.read_text(encoding="utf-8")
    marker = re.compile(r"(<!-- table (\S+) (\S+) -->\n).*?(<!-- end -->)", re.S)
    text = marker.sub(lambda found: f"{found[1]}{table(found[2], found[3])}\n{found[4]}", text)
    page.write_text(text, encoding="utf-8")
    for path in sorted((DOCS / "results").glob("*.json")):
        content = json.loads(path.read_text())
        if content["benchmark"] == "checks":
            drawn, picture = checks()
            loop = DOCS / "loop.md"
            whole = re.sub(
                r"(<!-- checks -->\n).*?(<!-- end -->)",
                lambda found, drawn=drawn: f"{found[1]}{drawn}\n{found[2]}",
                loop.read_text(encoding="utf-8"),
                flags=re.S,
            )
            loop.write_text(whole, encoding="utf-8")
            print(picture)
            continue
        for variant in content["variants"]:
            if content["benchmark"] != "sensitivity":
                print(chart(path.stem, variant))
        if content["benchmark"] == "sensitivity" and "settings" in content["variants"]:
            print(sensitivity(path.stem))


if __name__ == "__main__":
    main()
