"""What the tests of reading photos share."""

from labelhedge.collect import read_photos


def read(path, **options):
    """All photos and all rejects of an input, as rows; each line is one of them."""
    batches = list(read_photos(path, **options))
    photos = [row for batch in batches for row in batch.photos.to_pylist()]
    rejects = [row for batch in batches for row in batch.rejects.to_pylist()]
    assert sum(batch.read for batch in batches) == len(photos) + len(rejects)
    return photos, rejects


def written(path, *lines, end="\n"):
    path.write_bytes("".join(line + end for line in lines).encode())
    return path
