"""A corpus for the tests of the review page."""

import io
import json

from PIL import Image

import labelhedge as lh


def make_review_corpus(make_corpus, folder):
    """60 samples; row 1 is a large TIFF, row 2 has words that try to be HTML, row 4 words with evidence."""
    tiff, large = io.BytesIO(), io.BytesIO()
    Image.new("RGB", (40, 30), "red").save(tiff, "TIFF")
    Image.new("RGB", (2400, 1200), "green").save(large, "JPEG")
    nobody = {"bytes": None, "path": None}
    return lh.Corpus.open(
        make_corpus(
            folder,
            size=60,
            cells={
                (1, "image"): {**nobody, "bytes": tiff.getvalue()},
                (2, "image"): {**nobody, "bytes": large.getvalue()},
                (2, "title"): "<img src=x onerror=alert(1)>",
                (4, "image"): {**nobody, "path": "files/4.png"},
            },
            columns={
                "keywords": [["ears", "cat's"] if row == 4 else [] for row in range(60)],
                "source": ["secret/cat"] * 60,
                "evidence": [
                    [{"label": 1, "text": "Cat"}, {"label": 0, "text": "x"}] if row == 4 else None for row in range(60)
                ],
                "verified": [[row % 3] if row % 10 < 6 or row % 20 > 10 else None for row in range(60)],
            },
            files={"files/4.png": png(), "definitions.json": json.dumps({"cat": "It purrs."})},
        )
    )


def png():
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), "blue").save(buffer, "PNG")
    return buffer.getvalue()


def message(task, number=1, answer="yes", reviewer="ana", **more):
    vote = {"id": f"v{number}", "sample": task["sample"], "label": "cat dog owl".split()[task["label"]]}
    return {**vote, "reviewer": reviewer, "answer": answer, "session": "tab", "seconds": 1.0, **more}
