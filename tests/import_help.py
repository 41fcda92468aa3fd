"""Made-up lists as the paper's release has them, and images as a download leaves them."""

import gzip
import hashlib

import pyarrow as pa
import pyarrow.parquet as pq

from labelhedge.collect.records import IMAGES

URL = "https://multimedia-commons.s3-us-west-2.amazonaws.com/data/images/{0}/{1}.jpg"


def link(name):
    """A made-up address, or file of ImageNet where the name starts with n."""
    if name.startswith("n"):
        wnid = f"n0000000{name[1]}"
        return f"{wnid}/{wnid}_{name[2:]}.JPEG"
    return URL.format(name[:3], name)


def write_lists(folder, *, vocab=("Cat", "Wild_dog", "Owl_(bird)"), pack=False, **lists):
    folder.mkdir(parents=True, exist_ok=True)
    texts = {"vocab": "".join(f"{name}\n" for name in vocab)}
    for name, rows in lists.items():
        source = {True: "imagenet", False: "yfcc100m"}
        texts[name] = "".join(f"{link(who)} {label} {source[who[0] == 'n']}\n" for who, label in rows)
    for name, text in texts.items():
        if pack:
            (folder / f"{name}.txt.gz").write_bytes(gzip.compress(text.encode()))
        else:
            (folder / f"{name}.txt").write_text(text)
    return folder


def write_images(folder, pictures, reasons=()):
    """What `labelhedge collect download` leaves."""
    (folder / "files").mkdir(parents=True)
    rows = []
    for url, data in pictures.items():
        path = f"files/{hashlib.md5(url.encode()).hexdigest()}.png"
        (folder / path).write_bytes(data)
        rows.append({"id": url, "url": url, "path": path})
    rows += [{"id": url, "url": url, "reason": reason} for url, reason in dict(reasons).items()]
    pq.write_table(pa.Table.from_pylist(rows, IMAGES), folder / "images.parquet")
    return folder
