"""`labelhedge review`: until it is interrupted, its token, where votes go, what stands in its way."""

import signal
import socket
import subprocess
import sys

import httpx
import pytest

import labelhedge as lh
from labelhedge.errors import LabelhedgeError
from labelhedge.review import OrderSettings, make_tasks
from labelhedge.review.serving import serve, votes_path
from labelhedge.verify import Vote, VoteStore
from review_help import make_review_corpus, message

pytest.importorskip("fastapi", reason="the review page needs labelhedge[review]")


SECRET = "a-token-of-the-tests"


@pytest.fixture(scope="module")
def corpus(make_corpus, tmp_path_factory):
    return make_review_corpus(make_corpus, tmp_path_factory.mktemp("review") / "corpus")


@pytest.fixture
def store(tmp_path):
    with VoteStore(tmp_path / "votes.sqlite") as store:
        yield store


def start(folder, *options):
    command = [sys.executable, "-m", "labelhedge", "review", str(folder), "--port", "0", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    printed = []
    for line in process.stdout:
        printed.append(line)
        if line.startswith("review page: "):
            return process, line.split()[2], printed
    raise AssertionError("".join(printed))


def test_the_command_serves_until_it_is_interrupted_and_prints_the_counts(make_corpus, tmp_path):
    folder = make_corpus(tmp_path / "c")
    process, address, printed = start(folder, "--reviewer", "ana")
    assert f"votes go to {folder}/votes.sqlite" in printed[0]
    assert address.startswith("http://127.0.0.1:")
    with httpx.Client(base_url=address) as client:
        task = client.post("/api/next", json={"reviewer": "ana", "session": "a", "count": 1}).json()["tasks"][0]
        client.put("/api/votes", json={"votes": [message(task)]}).raise_for_status()
        corpus = lh.Corpus.open(folder)
        with pytest.raises(LabelhedgeError, match="in use by another labelhedge review"):
            serve(corpus, make_tasks(corpus, "random", OrderSettings()), port=0)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=10)
    assert process.returncode == 0
    assert "ana" in output
    assert "Traceback" not in output


def test_an_explicit_token_guards_loopback_too(make_corpus, tmp_path):
    process, address, _ = start(make_corpus(tmp_path / "c"), "--token", SECRET)
    try:
        assert address.endswith(f"/?token={SECRET}")
        plain = address.partition("?")[0]
        assert httpx.get(plain).status_code == 403
        with httpx.Client(follow_redirects=True) as client:
            assert client.get(address).status_code == 200
            assert client.get(f"{plain}api/state").status_code == 200
    finally:
        process.kill()
        process.communicate()


def test_where_votes_go(corpus, make_corpus, tmp_path):
    assert votes_path(corpus) == corpus.folder / "votes.sqlite"
    assert str(votes_path(lh.Corpus.open("clipart"))) == "clipart-votes.sqlite"


def test_what_stands_in_the_way_is_said(corpus, store, tmp_path):
    tasks = make_tasks(corpus, "random", OrderSettings())
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port, before = taken.getsockname()[1], set(tmp_path.rglob("*"))
        with pytest.raises(LabelhedgeError, match=rf"port {port} of 127\.0\.0\.1 .* in use, .* another with --port;"):
            serve(corpus, tasks, votes=tmp_path / "v.sqlite", port=port)
        assert set(tmp_path.rglob("*")) == before  # no file of votes that nobody gave
    store.add([Vote("1", "elsewhere", "cat", "ana", "yes")])
    with pytest.raises(LabelhedgeError, match="none of them about a sample"):
        serve(corpus, tasks, votes=store.path, port=0)
    with pytest.raises(LabelhedgeError, match="--votes FILE"):
        serve(corpus, tasks, votes=tmp_path / "no" / "v.sqlite", port=0)
