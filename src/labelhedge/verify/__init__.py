"""From votes to labels: what people said about images is kept, weighed and turned into verified labels.

with VoteStore("my-corpus/votes.sqlite") as store:
    print(store.counts())                # reviewer -> answer -> how many
    table = store.to_table()             # task, label, worker, answer, time, seconds
"""

from labelhedge.verify.votes import ANSWERS, Vote, VoteError, VoteStore

__all__ = ["ANSWERS", "Vote", "VoteError", "VoteStore"]
