"""Votes that outlive their corpus: they go by the ids of samples, and a new corpus may give an id to another image.

voted = VotedImages.of("my-corpus")      # before the corpus is replaced
voted.set_aside(corpus)                  # after: votes on other images are moved away, and a text says so
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from labelhedge.corpus import Corpus, CorpusError
from labelhedge.verify.apply import STORE
from labelhedge.verify.votes import VoteStore


@dataclass(frozen=True)
class VotedImages:
    """The votes in a corpus folder, and the images that they are about.

    Attributes
    ----------
    store : Path
    images : dict of str to bytes, or None
        The identity of each image that was voted on, by its sample's id; None where the old corpus cannot be read.
    """

    store: Path
    images: dict[str, bytes] | None

    @classmethod
    def of(cls, folder: str | os.PathLike[str]) -> VotedImages | None:
        """Those of a corpus that is about to be replaced; None where it has no votes of its own."""
        path = Path(folder) / STORE
        if not path.exists():
            return None
        with VoteStore(path, create=False) as store:
            voted = {vote.sample for vote in store.votes()}
        if not voted:
            return None
        try:
            samples = Corpus.open(folder).samples
        except (CorpusError, OSError):
            return cls(path, None)
        return cls(path, {id_: key for id_, key in zip(samples.ids, samples.digests, strict=True) if id_ in voted})

    def set_aside(self, corpus: Corpus) -> str | None:
        """Move the votes away where some would count for another image than they were given to; says so."""
        if self.images is not None:
            now = dict(zip(corpus.samples.ids, corpus.samples.digests, strict=True))
            other = sum(now.get(sample, image) != image for sample, image in self.images.items())
            if not other:
                return None
            found = f"{other:,} of {len(self.images):,} images that were voted on have another image under their id now"
        else:
            found = "what the votes were about cannot be told, as the corpus before could not be read"
        names = (self.store.with_name(f"votes-before-{number}.sqlite") for number in count(1))
        place = next(path for path in names if not path.exists())
        self.store.rename(place)
        return f"{found}: the votes are in {place.name} now, and count only where verify votes is given that file"
