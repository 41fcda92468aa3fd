"""Speed of linking: photo texts per second on one core, beside flashtext2 and spaCy's PhraseMatcher in the same run.

    pip install ahocorasick_rs==1.0.3 flashtext2==1.1.0 spacy==3.8.18
    python benchmarks/linking.py --data FOLDER        # with yfcc100m_metadata.tsv and dbpedia50.tsv.gz

The texts are those of the 700 metadata lines, repeated and shuffled. Names: the 800 commonest nouns of WordNet; and all
of its nouns, the entities of dbpedia50, and two-word names made of nouns, up to 200,000. Texts come in slices of 128,
each of which is timed in every repeat; a number is of the sum of the slices' best times, or of their medians: what else
the machine does disturbs these more.

`matching` is ours with whole words, plurals and glued forms; `linking` is that with priors, cues and context, into
entities. flashtext2 and spaCy match the names as they are, without plurals; spaCy's time includes its tokenizer.

Result (1,400 texts of 98.2 characters, best (median) of 41 repeats; ahocorasick_rs 1.0.3, flashtext2 1.1.0, spaCy
3.8.18, NumPy 2.4, Python 3.11; 2 cores of an AMD EPYC, nothing else running, 2026-11-28):

                       800 names              200,000 names (650,000 forms with plurals and glued ones)
    raw scan           787,000 (768,000)      448,000 (443,000)
    flashtext2         379,000 (370,000)      228,000 (226,000)
    spaCy               17,300  (16,800)       13,000  (12,600)
    matching           439,000 (433,000)      324,000 (316,000)
    linking            147,000 (141,000)       92,600  (87,800)

5.8 names are found in a text of 98 characters at 200,000 names. Matching is 0.72 of the raw scan and 1.4 of flashtext2
there. With an automaton over the words' letters (ahocorasick_rs), as it was before, matching was at 163,000 (0.37 of
the raw scan) and linking at 39,300 right afterwards on the same machine; on another, of half the speed, at 65,000 and
13,700, which was too slow. Slices of 256 are a tenth to a fifth faster still for linking: a batch has fixed costs.
"""

from __future__ import annotations

import argparse
import gzip
import random
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from labelhedge.collect.linking import EmbeddedLinker, Entry, Lexicon
from labelhedge.collect.linking.matching import Matcher
from labelhedge.collect.linking.wordnet import wordnet_entries
from labelhedge.graph.wordnet import WordNet
from linking_quality import read_texts

LARGE = 200_000
SLICE = 128


def names_of(folder: Path, nouns: WordNet, seed: int) -> tuple[list[str], list[str]]:
    """The small and the large vocabulary."""
    counts: dict[str, int] = {}
    for (lemma, _), count in nouns.counts.items():
        counts[lemma] = counts.get(lemma, 0) + count
    ranked = sorted(
        (lemma for lemma in nouns.senses if len(lemma) > 2), key=lambda lemma: (-counts.get(lemma, 0), lemma)
    )
    small = [lemma.replace("_", " ") for lemma in ranked[:800]]
    large = dict.fromkeys(lemma.replace("_", " ") for lemma in nouns.senses if len(lemma) > 2)
    with gzip.open(folder / "dbpedia50.tsv.gz", "rt", encoding="utf-8") as file:
        for line in file:
            large |= dict.fromkeys(name.replace("_", " ") for name in line.split("\t")[:2])
    draw = random.Random(seed)
    while len(large) < LARGE:
        large[f"{draw.choice(small)} {draw.choice(ranked).replace('_', ' ')}"] = None
    return small, list(large)[:LARGE]


Run = Callable[[Sequence[str]], int]


def measure(run: Run, texts: Sequence[str], repeats: int) -> tuple[float, float, int]:
    """Texts per second: at best and in the median of the repeats of each slice; and how many names were found."""
    slices = [texts[i : i + SLICE] for i in range(0, len(texts), SLICE)]
    found = sum(map(run, slices))
    seconds: list[list[float]] = [[] for _ in slices]
    for _ in range(repeats):
        for part, times in zip(slices, seconds):
            begin = time.perf_counter()
            run(part)
            times.append(time.perf_counter() - begin)
    return len(texts) / sum(map(min, seconds)), len(texts) / sum(map(statistics.median, seconds)), found


def raw_scan(names: Sequence[str]) -> Run:
    """The yardstick: Aho-Corasick over lower-case text, at any place, inside words too."""
    from ahocorasick_rs import AhoCorasick, Implementation, MatchKind

    lower = list(dict.fromkeys(name.lower() for name in names))
    automaton = AhoCorasick(lower, matchkind=MatchKind.LeftmostLongest, implementation=Implementation.ContiguousNFA)
    return lambda texts: sum(len(automaton.find_matches_as_indexes(text.lower())) for text in texts)


def flashtext(names: Sequence[str]) -> Run:
    from flashtext2 import KeywordProcessor

    processor = KeywordProcessor(case_sensitive=False)
    for name in names:
        processor.add_keyword(name, name)
    return lambda texts: sum(len(processor.extract_keywords_with_span(text)) for text in texts)


def phrase_matcher(names: Sequence[str]) -> Run:
    import spacy
    from spacy.matcher import PhraseMatcher

    language = spacy.blank("en")
    matcher = PhraseMatcher(language.vocab, attr="LOWER")
    for begin in range(0, len(names), 1000):
        matcher.add(str(begin), list(language.tokenizer.pipe(names[begin : begin + 1000])))
    return lambda texts: sum(len(matcher(document)) for document in language.tokenizer.pipe(texts))


def matching(names: Sequence[str]) -> Run:
    entries = [Entry(f"urn:{number}", name) for number, name in enumerate(names)]
    matcher = Matcher(Lexicon.build(entries, nameless=True).forms)
    return lambda texts: len(matcher.scan(texts).name)


def linking(names: Sequence[str]) -> Run:
    """All of WordNet competes; what is given out are the entities of the names."""
    entries, irregular = wordnet_entries()
    known = {name.lower() for entry in entries for name in (entry.name, *(form.text for form in entry.forms or ()))}
    more = [Entry(f"urn:{number}", name) for number, name in enumerate(names) if name.lower() not in known]
    lexicon = Lexicon.build([*entries, *more], irregular, nameless=True)
    if len(names) < LARGE:
        wanted = {name.lower() for name in names}
        lexicon = lexicon.restricted(uri for uri, name in zip(lexicon.uris, lexicon.names) if name.lower() in wanted)
    linker = EmbeddedLinker(lexicon)
    return lambda texts: sum(map(len, linker.link(texts)))


CONTESTANTS = {
    "raw scan": raw_scan,
    "flashtext2": flashtext,
    "spacy": phrase_matcher,
    "matching": matching,
    "linking": linking,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--texts", type=int, default=1400)
    parser.add_argument("--repeats", type=int, default=31)
    parser.add_argument("--only", default=",".join(CONTESTANTS))
    arguments = parser.parse_args()
    real = [text for _, text in read_texts(arguments.data / "yfcc100m_metadata.tsv").values()]
    texts = (real * (arguments.texts // len(real) + 1))[: arguments.texts]
    random.Random(0).shuffle(texts)
    print(f"{len(texts)} texts, {statistics.mean(map(len, texts)):.1f} characters on average")
    for names in names_of(arguments.data, WordNet.open(), 0):
        first = 0.0
        for name in arguments.only.split(","):
            begin = time.process_time()
            run = CONTESTANTS[name](names)
            built = time.process_time() - begin
            best, median, found = measure(run, texts, arguments.repeats)
            first = first or best
            print(
                f"{len(names):7} names  {name:10}  {best:9,.0f} texts/s (median {median:9,.0f}), {best / first:5.2f} "
                f"of the first; {found / len(texts):.2f} names a text, built in {built:.1f} s",
                flush=True,
            )


if __name__ == "__main__":
    main()
