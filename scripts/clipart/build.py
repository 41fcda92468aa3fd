"""Build the embedded corpus `clipart` from Debian's `openclipart-png`, `openclipart-svg` and `wordnet-base`.

    apt-get install openclipart-png openclipart-svg wordnet-base
    python scripts/clipart/build.py            # writes src/labelhedge/data/clipart, about two minutes

What the paper did with photos and Wikipedia is done here with drawings and WordNet, by the steps of `labelhedge
collect` and `labelhedge corpus import photos`. What is of drawings only stands here: which they are, their metadata,
thumbnails, and series by one creator.

- `observed`: title, file name and informative keywords of the uploader, linked by `SenseLinker` to the three most
  frequent senses of every noun, then through hypernyms to the 34 labels. Nothing chooses among senses: a tiger is a
  mammal and also "a fierce or audacious person".
- `verified`: judged by eye on contact sheets (`labels.csv`).
- left out: whatever does not state a public-domain licence in its own metadata, and what `excluded.csv` lists.
- splits 6:3:1 by label, near-duplicates and series on one side; a fifth of the training samples is trusted.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import tempfile
import xml.etree.ElementTree as ET
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, ImageFilter
from rich.console import Console
from rich.progress import track
from text import FUNCTION_WORDS, file_words, informative_keywords, readable, series_key, title_words, words

from labelhedge.collect import link_photos
from labelhedge.collect.assemble import assemble_corpus
from labelhedge.collect.assembly.labels import CorpusLabels, wordnet_above
from labelhedge.collect.linking.senses import SenseLinker
from labelhedge.corpus import Corpus, Label, write_corpus
from labelhedge.graph.wordnet import WordNet, uri

HERE = Path(__file__).parent
TARGET = HERE.parents[1] / "src" / "labelhedge" / "data" / "clipart"
URN = "urn:labelhedge:clipart:"
PUBLIC_DOMAIN = {
    "http://web.resource.org/cc/PublicDomain",
    "http://creativecommons.org/licenses/publicdomain/",
}
SENSES = 3
THUMBNAIL = 128  # pixels
SIMILAR = 0.97  # correlation of two drawings with a common label, above which they count as near-duplicates
SIMILAR_BY_ONE_CREATOR = 0.85  # found by eye: below it, pairs are coincidences of outline
SEED = 2017
COLUMNS = "id split image observed verified trusted title file_name creator keywords evidence group source".split()
Image.MAX_IMAGE_PIXELS = None  # the archive's own files; some are 169 megapixels


@dataclass
class Drawing:
    """One drawing with its uploader's words."""

    png: str
    verified: list[str]
    title: str
    creator: str
    keywords: list[str]
    licences: set[str]

    @property
    def stem(self) -> str:
        """The file name without its ending."""
        return Path(self.png).stem


def read_metadata(svg: Path, row: dict[str, str]) -> Drawing:
    """Title, creator, keywords and licence as the drawing itself states them."""
    found: dict[str, list[str]] = {"title": [], "creator": [], "subject": []}
    licences = set()
    for element in ET.parse(svg).getroot().iter():
        tag = str(element.tag).rpartition("}")[2]
        if tag == "license":
            licences |= {value for value in element.attrib.values() if value.startswith("http")}
        if tag == "Work":
            for child in element:
                name = str(child.tag).rpartition("}")[2]
                if name in found:
                    found[name] += [text.strip() for text in child.itertext() if text.strip()]
    return Drawing(
        png=row["png"],
        verified=[name for name in row["verified"].split("|") if name],
        title=readable(" ".join(found["title"][:1])),
        creator=readable(" ".join(found["creator"][:1])),
        keywords=found["subject"],
        licences=licences,
    )


def thumbnail(path: Path) -> tuple[bytes, np.ndarray]:
    """The drawing cut to its ink, on white, as WebP of at most 128 pixels; and a small blurred copy to compare."""
    image = Image.open(path).convert("RGBA")
    image.thumbnail((1024, 1024), Image.Resampling.LANCZOS, reducing_gap=2)
    drawing = Image.new("RGB", image.size, "white")
    drawing.paste(image, mask=image.getchannel("A"))
    ink = drawing.convert("L").point(lambda value: 255 * (value < 250)).getbbox()
    if ink:
        margin = 1 + max(ink[2] - ink[0], ink[3] - ink[1]) // 32
        drawing = drawing.crop(
            (max(ink[0] - margin, 0), max(ink[1] - margin, 0),
             min(ink[2] + margin, image.width), min(ink[3] + margin, image.height))
        )  # fmt: skip
    drawing.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    drawing.save(buffer, "WEBP", quality=88, method=6)
    square = Image.new("L", (THUMBNAIL, THUMBNAIL), 255)
    square.paste(drawing, ((THUMBNAIL - drawing.width) // 2, (THUMBNAIL - drawing.height) // 2))
    small = square.filter(ImageFilter.GaussianBlur(1)).resize((48, 48), Image.Resampling.BOX)
    values = 255.0 - np.asarray(small, float).ravel()
    values -= values.mean()
    return buffer.getvalue(), values / max(float(np.linalg.norm(values)), 1e-6)


def group(drawings: list[Drawing], looks: np.ndarray) -> list[str]:
    """Name a group for each drawing: series by name, near-duplicates by looks, joined where they touch.

    Not by `labelhedge.corpus.near_duplicates`, which knows no labels: joined with the series it makes 1,493 groups of
    the drawings kept, not these 1,462, and so other splits than those that all measurements were made on.
    """
    parent = list(range(len(drawings)))

    def root(number: int) -> int:
        while parent[number] != number:
            parent[number] = parent[parent[number]]
            number = parent[number]
        return number

    first: dict[str, int] = {}
    for number, drawing in enumerate(drawings):
        key = series_key(drawing.stem, drawing.creator)
        if key:
            parent[root(number)] = root(first.setdefault(key, number))
    alike = looks @ looks.T
    for one, other in zip(*np.nonzero(np.triu(alike > SIMILAR_BY_ONE_CREATOR, 1)), strict=True):
        first_labels, other_labels = set(drawings[one].verified), set(drawings[other].verified)
        if not (first_labels & other_labels or first_labels == other_labels):
            continue
        if alike[one, other] > SIMILAR or drawings[one].creator == drawings[other].creator:
            parent[root(int(one))] = root(int(other))
    return [drawings[root(number)].png for number in range(len(drawings))]


def build(archive: Path, wordnet: Path, target: Path) -> None:
    console = Console()
    drawings = choose(archive, console)
    with ProcessPoolExecutor() as pool:
        paths = [archive / "png" / drawing.png for drawing in drawings]
        pictures = list(track(pool.map(thumbnail, paths, chunksize=16), "drawing thumbnails", total=len(paths)))
    groups = group(drawings, np.stack([look for _, look in pictures]))
    # A picture that is byte for byte the same as an earlier one adds nothing.
    first = {data: number for number, (data, _) in reversed(list(enumerate(pictures)))}
    kept = sorted(first.values())
    stems = Counter(drawings[number].stem for number in kept)
    nouns = WordNet.open(wordnet)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        photos, checks, series = [], {}, {}
        vocabulary = json.loads((HERE / "vocabulary.json").read_text())["labels"]
        labels = corpus_labels(vocabulary, nouns)
        numbers = {label.name: number for number, label in enumerate(labels.labels)}
        for number in kept:
            drawing, data, name = drawings[number], pictures[number][0], groups[number]
            id_ = drawing.stem if stems[drawing.stem] == 1 else f"{drawing.stem}-{Path(drawing.png).parent.name}"
            (work / f"{id_}.webp").write_bytes(data)
            photos.append(photo(drawing, id_, work))
            checks[id_] = tuple(sorted(numbers[label] for label in drawing.verified))
            series[id_] = name
        console.print(f"{len(drawings) - len(photos)} identical thumbnails dropped, {len(set(groups))} groups")
        pq.write_table(pa.Table.from_pylist(photos), work / "photos.parquet")
        linker = SenseLinker(nouns, SENSES, FUNCTION_WORDS)
        columns = {"title": "linked_title", "tags": "linked_tags"}
        linked = link_photos([work / "photos.parquet"], work / "linked", linker=linker, columns=columns, workers=1)
        console.print(linked.line("drawings"))
        (work / "graph.nt").write_text(
            "".join(
                f"<{label.uri}> <{URN}parent> <{URN}group:{vocabulary[label.name]['parent']}> .\n"
                for label in labels.labels
            )
        )
        made = assemble_corpus(
            work / "linked",
            work / target.name,
            labels,
            checks=checks,
            background=0,  # all that are left are checked
            seed=SEED,
            clean_share=0.2,
            min_images=1,
            near_duplicates=False,
            groups=series,
            graph=work / "graph.nt",
            name="clipart",
            licence="Public domain; each drawing is by the creator named in its row",
            description=(
                "Drawings of the Open Clip Art Library 0.18. Noisy labels come from the uploaders' titles, file names "
                "and keywords through WordNet 3.0, true labels from the archive's folders, corrected by eye."
            ),
        )
        console.print(made)
        # Methods and people read the uploaders' own words, not those that were left for the linker.
        samples = pq.read_table(made.corpus.folder / "samples")
        samples = samples.set_column(samples.column_names.index("title"), "title", samples["input_title"])
        info = made.corpus.info.model_copy(update={"text": ("title", "file_name", "creator", "keywords")})
        graph = (work / "graph.nt").read_text()
        write_corpus(target, info, samples.select(COLUMNS), graph=graph, overwrite=True)
    console.print(Corpus.open(target).describe())
    size = sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
    console.print(f"{target.name}: {size / 1e6:.1f} MB")


def choose(archive: Path, console: Console) -> list[Drawing]:
    """The drawings that were judged, are not excluded, and state that they are in the public domain."""
    excluded = {row["png"] for row in csv.DictReader((HERE / "excluded.csv").open())}
    rows = list(csv.DictReader((HERE / "labels.csv").open()))
    unknown = excluded - {row["png"] for row in rows}
    if unknown:
        raise SystemExit(f"excluded.csv names drawings that labels.csv lacks: {sorted(unknown)}")
    drawings = [
        read_metadata(archive / "svg" / Path(row["png"]).with_suffix(".svg"), row)
        for row in track(rows, "reading metadata", console=console)
        if row["png"] not in excluded
    ]
    free = [drawing for drawing in drawings if drawing.licences and drawing.licences <= PUBLIC_DOMAIN]
    console.print(f"{len(rows)} judged, {len(excluded)} excluded, {len(drawings) - len(free)} not stated public domain")
    folders = frozenset(
        form
        for path in (archive / "png").rglob("*")
        if path.is_dir()
        for word in [*words(path.name), "".join(words(path.name))]
        for form in (word, word.removesuffix("s"), word + "s", word.removesuffix("es"))
    )
    for drawing in free:
        drawing.keywords = informative_keywords(drawing.keywords, drawing.creator, folders)
    return sorted(free, key=lambda drawing: drawing.png)


def photo(drawing: Drawing, id_: str, folder: Path) -> dict[str, object]:
    """A drawing as a photo: its words as they are to be linked, and what the corpus keeps of it."""
    return {
        "id": id_,
        "image": str(folder / f"{id_}.webp"),
        "linked_title": " ".join(title_words(drawing.title)),
        "linked_tags": [" ".join(file_words(drawing.stem, drawing.creator)), *drawing.keywords],
        "title": drawing.title,
        "file_name": drawing.stem,
        "creator": drawing.creator,
        "keywords": drawing.keywords,
        "source": drawing.png,
    }


def corpus_labels(vocabulary: dict[str, dict[str, list[str]]], nouns: WordNet) -> CorpusLabels:
    """The labels, and the senses that stand for them with all below."""
    names = list(vocabulary)
    labels = [Label(id=name.replace(" ", "-"), name=name, uri=URN + name.replace(" ", "-")) for name in names]
    entities: dict[str, tuple[int, ...]] = {}
    for number, name in enumerate(names):
        for sense in vocabulary[name]["synsets"]:
            synset = uri(nouns.synset(sense))
            entities[synset] = (*entities.get(synset, ()), number)
    return CorpusLabels(tuple(labels), entities, wordnet_above(nouns))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--archive", type=Path, default=Path("/usr/share/openclipart"))
    parser.add_argument("--wordnet", type=Path, default=Path("/usr/share/wordnet"))
    parser.add_argument("--out", type=Path, default=TARGET)
    options = parser.parse_args()
    build(options.archive, options.wordnet, options.out)
