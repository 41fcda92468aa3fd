"""Build the embedded corpus `clipart` from Debian's `openclipart-png`, `openclipart-svg` and `wordnet-base`.

    apt-get install openclipart-png openclipart-svg wordnet-base
    python scripts/clipart/build.py            # writes src/labelhedge/data/clipart, about two minutes

What the paper did with photos and Wikipedia is done here with drawings and WordNet:

- `observed`: title, file name and informative keywords of the uploader, linked to WordNet nouns by longest match of
  up to four words, the three most frequent senses of each, then through hypernyms to the 34 labels. No
  disambiguation: a tiger is a mammal and also "a fierce or audacious person".
- `verified`: judged by eye on contact sheets (`labels.csv`).
- left out: whatever does not state a public-domain licence in its own metadata, and what `excluded.csv` lists.
- splits 6:3:1 by label, near-duplicates and series on one side; a fifth of the training samples is trusted.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import xml.etree.ElementTree as ET
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image, ImageFilter
from rich.console import Console
from rich.progress import track
from text import FUNCTION_WORDS, file_words, informative_keywords, readable, series_key, title_words, words

from labelhedge.corpus import Corpus, CorpusInfo, Label, stratified_split, write_corpus
from labelhedge.graph.wordnet import WordNet

HERE = Path(__file__).parent
TARGET = HERE.parents[1] / "src" / "labelhedge" / "data" / "clipart"
URN = "urn:labelhedge:clipart:"
PUBLIC_DOMAIN = {
    "http://web.resource.org/cc/PublicDomain",
    "http://creativecommons.org/licenses/publicdomain/",
}
LONGEST_MATCH = 4  # words
SENSES = 3
THUMBNAIL = 128  # pixels
SIMILAR = 0.97  # correlation of two drawings with a common label, above which they count as near-duplicates
SIMILAR_BY_ONE_CREATOR = 0.85  # found by eye: below it, pairs are coincidences of outline
SEED = 2017
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
    evidence: list[dict[str, object]] = field(default_factory=list)

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


def link(texts: list[list[str]], nouns: WordNet, labels_of: dict[str, list[int]]) -> list[dict[str, object]]:
    """Entities of several word lists, as evidence: label number, the words, and the sense that led to it."""
    evidence: dict[tuple[int, str], dict[str, object]] = {}
    for found in texts:
        start = 0
        while start < len(found):
            for length in range(min(LONGEST_MATCH, len(found) - start), 0, -1):
                form = "_".join(found[start : start + length])
                lemma = nouns.lemma(form) if length > 1 or (len(form) > 1 and form not in FUNCTION_WORDS) else None
                if lemma:
                    for number, synset in enumerate(nouns.senses[lemma][:SENSES], 1):
                        for ancestor in nouns.ancestors(synset):
                            for label in labels_of.get(ancestor, ()):
                                entry = {
                                    "label": label,
                                    "text": form.replace("_", " "),
                                    "source": f"{lemma}.{number}",
                                }
                                evidence.setdefault((label, lemma), entry)
                    start += length - 1
                    break
            start += 1
    return sorted(evidence.values(), key=lambda entry: (entry["label"], entry["text"]))


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
    """Name a group for each drawing: series by name, near-duplicates by looks, joined where they touch."""
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
    vocabulary = json.loads((HERE / "vocabulary.json").read_text())["labels"]
    names = list(vocabulary)
    nouns = WordNet.open(wordnet)
    labels_of: dict[str, list[int]] = {}
    for number, name in enumerate(names):
        for sense in vocabulary[name]["synsets"]:
            labels_of.setdefault(nouns.synset(sense), []).append(number)

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
    drawings = sorted(free, key=lambda drawing: drawing.png)

    folders = frozenset(
        form
        for path in (archive / "png").rglob("*")
        if path.is_dir()
        for word in [*words(path.name), "".join(words(path.name))]
        for form in (word, word.removesuffix("s"), word + "s", word.removesuffix("es"))
    )
    for drawing in drawings:
        kept = informative_keywords(drawing.keywords, drawing.creator, folders)
        texts = [title_words(drawing.title), file_words(drawing.stem, drawing.creator)]
        drawing.evidence = link(texts + [words(keyword) for keyword in kept], nouns, labels_of)
        drawing.keywords = kept

    with ProcessPoolExecutor() as pool:
        paths = [archive / "png" / drawing.png for drawing in drawings]
        pictures = list(track(pool.map(thumbnail, paths, chunksize=16), "drawing thumbnails", total=len(paths)))
    groups = group(drawings, np.stack([look for _, look in pictures]))
    # A picture that is byte for byte the same as an earlier one adds nothing.
    seen: set[bytes] = set()
    keep = [i for i, (data, _) in enumerate(pictures) if not (data in seen or seen.add(data))]
    console.print(f"{len(drawings) - len(keep)} identical thumbnails dropped, {len(set(groups))} groups")
    drawings, groups = [drawings[i] for i in keep], [groups[i] for i in keep]
    images = [pictures[i][0] for i in keep]

    verified = [sorted(names.index(name) for name in drawing.verified) for drawing in drawings]
    observed = [sorted({int(entry["label"]) for entry in drawing.evidence}) for drawing in drawings]
    stems = Counter(drawing.stem for drawing in drawings)
    ids = [d.stem if stems[d.stem] == 1 else f"{d.stem}-{Path(d.png).parent.name}" for d in drawings]
    split = stratified_split(verified, {"train": 6, "test": 3, "dev": 1}, seed=SEED, groups=groups)
    train = [i for i, name in enumerate(split) if name == "train"]
    clean = stratified_split(
        [verified[i] for i in train], {"clean": 2, "noisy": 8}, seed=SEED, groups=[ids[i] for i in train]
    )
    trusted = np.zeros(len(drawings), bool)
    trusted[[i for i, name in zip(train, clean, strict=True) if name == "clean"]] = True

    table = pa.table(
        {
            "id": ids,
            "split": split,
            "image": pa.array(
                [{"bytes": data, "path": None} for data in images],
                pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
            ),
            "observed": pa.array(observed, pa.list_(pa.int32())),
            "verified": pa.array(verified, pa.list_(pa.int32())),
            "trusted": trusted,
            "title": [drawing.title for drawing in drawings],
            "file_name": [drawing.stem for drawing in drawings],
            "creator": [drawing.creator for drawing in drawings],
            "keywords": [drawing.keywords for drawing in drawings],
            "evidence": pa.array(
                [drawing.evidence for drawing in drawings],
                pa.list_(pa.struct([("label", pa.int32()), ("text", pa.string()), ("source", pa.string())])),
            ),
            "group": groups,
            "source": [drawing.png for drawing in drawings],
        }
    )
    info = CorpusInfo(
        name="clipart",
        licence="Public domain; each drawing is by the creator named in its row",
        description=(
            "Drawings of the Open Clip Art Library 0.18. Noisy labels come from the uploaders' titles, file names and "
            "keywords through WordNet 3.0, true labels from the archive's folders, corrected by eye."
        ),
        text=("title", "file_name", "creator", "keywords"),
        labels=tuple(Label(id=name.replace(" ", "-"), name=name, uri=URN + name.replace(" ", "-")) for name in names),
    )
    graph = "".join(
        f"<{label.uri}> <{URN}parent> <{URN}group:{vocabulary[label.name]['parent']}> .\n" for label in info.labels
    )
    write_corpus(target, info, table, graph=graph, overwrite=True)
    console.print(Corpus.open(target).describe())
    size = sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
    console.print(f"{target.name}: {size / 1e6:.1f} MB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--archive", type=Path, default=Path("/usr/share/openclipart"))
    parser.add_argument("--wordnet", type=Path, default=Path("/usr/share/wordnet"))
    parser.add_argument("--out", type=Path, default=TARGET)
    options = parser.parse_args()
    build(options.archive, options.wordnet, options.out)
