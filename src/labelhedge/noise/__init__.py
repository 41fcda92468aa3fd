"""Noise models for controlled experiments: observed labels made wrong on purpose, the truth kept beside them.

    noisy = symmetric(truth, 0.2, seed=0)                        # label sets in, label sets out: (N, L) sparse bool
    noisy = missing(noisy, 0.1, seed=0)
    shares = {"right": 0.45, "siblings": 0.25, "background": 0.3}
    noisy = compose(truth, shares, near=kinship(triples, labels), seed=0)
    corrupt(Corpus.open("my-corpus"), "noisy-corpus", ["symmetric:0.2", "missing:0.1"], seed=0)

Every draw follows from the seed and its purpose. The functions on label sets draw in the order of the rows;
`corrupt` sorts the samples by id first, so that the order of a corpus's rows changes nothing.
"""

from labelhedge.noise.composition import compose
from labelhedge.noise.corrupting import corrupt
from labelhedge.noise.fixed import fixed_classes, fixed_groups, kinship
from labelhedge.noise.flips import missing, pair, siblings, symmetric
from labelhedge.noise.modes import background, modes
from labelhedge.noise.settings import NOISES, Noise

__all__ = [
    "NOISES",
    "Noise",
    "background",
    "compose",
    "corrupt",
    "fixed_classes",
    "fixed_groups",
    "kinship",
    "missing",
    "modes",
    "pair",
    "siblings",
    "symmetric",
]
