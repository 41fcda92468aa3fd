"""Folders of finished runs that nobody trained, for the tests of what is done with pseudo labels."""

import labelhedge as lh
from labelhedge.report.suspicion import write_labels


def write_results(folder, corpus, **methods):
    """`results.json` of methods with these settings of their results."""
    folder.mkdir(exist_ok=True)
    measured = {"seed": 0, "test_map": 0.5, "labels_scored": 3, "seconds": 1.0, "epochs": 1, "best_epoch": 1}
    precision = dict.fromkeys([label.name for label in corpus.labels], 0.5)
    lh.Results(
        corpus={"name": corpus.name, "hash": corpus.hash},
        recipe={"corpus": str(corpus.folder), "methods": dict.fromkeys(methods)},
        results=[
            lh.Result(method=name, average_precision=precision, **(measured | settings))
            for name, settings in methods.items()
        ],
    ).save(folder)
    return folder


def write_run(folder, corpus, **methods):
    """A run of methods that have these pseudo labels (N, L), and this mAP on dev."""
    write_results(folder, corpus, **{name: {"dev_map": dev} for name, (_, dev) in methods.items()})
    write_labels(folder / "labels.parquet", corpus, {name: [pseudo] for name, (pseudo, _) in methods.items()})
    return folder
