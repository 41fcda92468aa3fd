"""The corpus: images, noisy labels, verified labels and relations in one folder (DESIGN, section 3).

corpus = Corpus.open("my-corpus")      # validated; an error names file, row and mend
print(corpus.describe())
view = corpus.training_view()          # what a method may see
write_corpus("my-corpus", info, table, triples)
"""

from labelhedge.corpus.corpus import Corpus
from labelhedge.corpus.describe import Description
from labelhedge.corpus.errors import CorpusError
from labelhedge.corpus.resplitting import Resplit, resplit
from labelhedge.corpus.schema import CorpusInfo, Label
from labelhedge.corpus.splits import Splits, choose_background, make_splits, stratified_split
from labelhedge.corpus.views import EvaluationView, TrainingView
from labelhedge.corpus.writing import write_corpus

__all__ = [
    "Corpus",
    "CorpusError",
    "CorpusInfo",
    "Description",
    "EvaluationView",
    "Label",
    "Resplit",
    "Splits",
    "TrainingView",
    "choose_background",
    "make_splits",
    "resplit",
    "stratified_split",
    "write_corpus",
]
