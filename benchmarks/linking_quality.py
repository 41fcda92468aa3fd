"""Precision and recall of the embedded linker on real photo texts, judged by hand: WordNet species and artifacts.

    python benchmarks/linking_quality.py --data FOLDER        # the folder with yfcc100m_metadata.tsv

`linking_judged.csv` holds the judgements: the place, surface form and synset of each mention of an animal, a plant or
an artifact (`|` between synsets that are both right), and a row without a mention for each line that has none. Lines 0
to 349 of the metadata were used to tune the linker. Of the others no line was read, but a first table was (species
0.71), and cues for place names and dishes were added after it: they are nearly, not strictly, held out. A mention with
the note "ambiguous" may be found or not: it is no miss, and no error. A found entity is right if its synset is one of
those judged where it stands.

Result (476 lines, 675 mentions; at the default confidence of 0.7; precision, recall):

                species          artifacts        both
    tuned       0.920, 0.821     0.878, 0.684     0.883, 0.699     (245 lines, 278 mentions)
    held out    0.736, 0.684     0.914, 0.638     0.879, 0.645     (231 lines, 397 mentions)

Species are few: 25 and 53 are found. At 0.8 those held out have 0.825 and 0.600.
"""

from __future__ import annotations

import argparse
import csv
from collections import Counter, defaultdict
from pathlib import Path

from labelhedge.collect.linking import EmbeddedLinker
from labelhedge.collect.linking.wordnet import wordnet_lexicon
from labelhedge.collect.photos.yfcc import parse
from labelhedge.collect.records import Entity, photo_text
from labelhedge.graph.wordnet import WordNet, uri

JUDGED = Path(__file__).with_name("linking_judged.csv")
TUNED = 350
THRESHOLDS = (0.3, 0.4, 0.5, 0.6, 0.65, 0.7, 0.75, 0.8, 0.9)


def read_texts(path: Path) -> dict[str, tuple[int, str]]:
    """Line number and text of each photo of the metadata; of videos too, which were judged like photos."""
    texts = {}
    for number, line in enumerate(path.read_text().splitlines()):
        photo = parse(line.rsplit("\t", 1)[0] + "\t0")
        if isinstance(photo, str):
            raise SystemExit(f"{path}, line {number}: {photo}")
        texts[photo["id"]] = number, photo_text(photo["title"], photo["tags"], photo["description"])
    return texts


def read_judgements(path: Path, texts: dict[str, tuple[int, str]]) -> dict[str, list[dict[str, str]]]:
    """Judged mentions of each judged photo; a judgement that is not in the text stops."""
    judged: dict[str, list[dict[str, str]]] = defaultdict(list)
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            mentions = judged[row["photo_id"]]
            if row["surface"]:
                begin = int(row["offset"])
                if texts[row["photo_id"]][1][begin : begin + len(row["surface"])] != row["surface"]:
                    raise SystemExit(f"{path}: {row['surface']!r} is not at {begin} of photo {row['photo_id']}")
                mentions.append(row)
    return judged


def compare(found: list[Entity], judged: list[dict[str, str]], domain: dict[str, str]) -> Counter[tuple[str, str]]:
    """Numbers of (domain, right | wrong | missed) of one text."""
    counts: Counter[tuple[str, str]] = Counter()
    met: set[int] = set()
    for entity in found:
        end = entity.offset + len(entity.text)
        right = [
            number
            for number, row in enumerate(judged)
            if int(row["offset"]) < end
            and entity.offset < int(row["offset"]) + len(row["surface"])
            and entity.uri in [uri(synset) for synset in row["synset"].split("|")]
        ]
        met.update(right)
        counts[judged[right[0]]["domain"] if right else domain[entity.uri], "right" if right else "wrong"] += 1
    for number, row in enumerate(judged):
        if number not in met and "ambiguous" not in row["note"]:
            counts[row["domain"], "missed"] += 1
    return counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--judged", type=Path, default=JUDGED)
    parser.add_argument("--half", choices=("tuned", "held out", "both"), default="both")
    arguments = parser.parse_args()
    texts = read_texts(arguments.data / "yfcc100m_metadata.tsv")
    judged = read_judgements(arguments.judged, texts)
    lexicon = wordnet_lexicon(domains="species,artifacts")
    nouns = WordNet.open()
    artifacts = {uri(synset) for synset in nouns.descendants(nouns.synset("artifact.1"))}
    domain = {address: "artifacts" if address in artifacts else "species" for address in lexicon.uris}
    default = EmbeddedLinker(lexicon).confidence
    linker = EmbeddedLinker(lexicon, confidence=0)
    for half in ("tuned", "held out"):
        if arguments.half not in (half, "both"):
            continue
        chosen = [photo for photo in judged if (texts[photo][0] < TUNED) == (half == "tuned")]
        linked = linker.link([texts[photo][1] for photo in chosen])
        mentions = sum(len(judged[photo]) for photo in chosen)
        print(f"\n{half}: {len(chosen)} lines, {mentions} mentions (default confidence {default})")
        print(
            "confidence  species: precision recall (right wrong missed)  artifacts: the same           both: the same"
        )
        for threshold in THRESHOLDS:
            counts: Counter[tuple[str, str]] = Counter()
            for photo, found in zip(chosen, linked, strict=True):
                counts += compare([entity for entity in found if entity.score >= threshold], judged[photo], domain)
            parts = []
            for names in (("species",), ("artifacts",), ("species", "artifacts")):
                right, wrong, missed = (sum(counts[n, kind] for n in names) for kind in ("right", "wrong", "missed"))
                precision, recall = right / max(1, right + wrong), right / max(1, right + missed)
                parts.append(f"{precision:18.3f} {recall:8.3f} ({right:4} {wrong:4} {missed:4})")
            print(f"{threshold:10}", *parts)


if __name__ == "__main__":
    main()
