"""The review page's HTTP interface; test_review_command.py has the command, test_review_browser.py the page itself."""

import io
import json
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

import labelhedge as lh
from labelhedge.corpus import CorpusError
from labelhedge.corpus.images import ImageReader
from labelhedge.errors import LabelhedgeError
from labelhedge.review import OrderSettings, Queue, make_tasks
from labelhedge.review.guard import MOST_BYTES, Guard
from labelhedge.review.serving import first_open, serve
from labelhedge.review.shown import Pictures, examples
from labelhedge.verify import Vote, VoteStore
from review_help import make_review_corpus, message, png

pytest.importorskip("fastapi", reason="the review page needs labelhedge[review]")
from fastapi.testclient import TestClient

from labelhedge.review.server import SERVING, make_app

SECRET = "a-token-of-the-tests"


@pytest.fixture(scope="module")
def corpus(make_corpus, tmp_path_factory):
    return make_review_corpus(make_corpus, tmp_path_factory.mktemp("review") / "corpus")


def application(corpus, store, needed=1, tasks=None, **options):
    queue = Queue(corpus, tasks or make_tasks(corpus, "random", OrderSettings()), needed=needed)
    queue.record(store.votes())
    return make_app(corpus, queue, store, **options)


@pytest.fixture
def store(tmp_path):
    with VoteStore(tmp_path / "votes.sqlite") as store:
        yield store


@pytest.fixture
def client(corpus, store):
    app = Guard(application(corpus, store), token=None)
    return TestClient(app, base_url="http://127.0.0.1:8000")


def ask(client, reviewer="ana", session="tab", count=1, **more):
    return client.post("/api/next", json={"reviewer": reviewer, "session": session, "count": count, **more}).json()


def test_a_vote_goes_into_the_store_and_is_not_asked_again(client, store):
    task = ask(client)["tasks"][0]
    reply = client.put("/api/votes", json={"votes": [message(task, answer="no", seconds=2.5)]}).json()
    assert reply == {"new": 1, "progress": {**reply["progress"], "done": 1, "mine": 1}}
    (kept,) = store.votes()
    assert (kept.sample, kept.answer, kept.reviewer, kept.seconds) == (task["sample"], "no", "ana", 2.5)
    assert (task["row"], task["label"]) not in [(t["row"], t["label"]) for t in ask(client, count=40)["tasks"]]


def test_a_vote_that_is_sent_again_counts_once(client, store):
    task = ask(client)["tasks"][0]
    sent = {"votes": [message(task)]}
    assert [client.put("/api/votes", json=sent).json()["new"] for _ in range(3)] == [1, 0, 0]
    assert client.post("/api/undo", json={"ids": ["v1"], "reviewer": "ana", "session": "tab"}).json()["undone"] == 1
    assert client.post("/api/undo", json={"ids": ["v1"], "reviewer": "ana", "session": "tab"}).json()["undone"] == 0
    again = client.put("/api/votes", json=sent).json()
    assert again["new"] == 0
    assert again["progress"]["mine"] == 0  # taken back it stays
    assert store.votes() == []
    assert ask(client)["tasks"][0]["sample"] == task["sample"]


def test_a_vote_that_waited_for_the_next_server_is_of_the_sitting_in_which_it_was_asked(corpus, store):
    tasks = []
    for order in ("random", "useful"):
        store.begin(order)
        client = TestClient(application(corpus, store), base_url="http://127.0.0.1:8000")
        tasks += ask(client, count=2)["tasks"]
    one, other, now = tasks[0], tasks[1], tasks[3]
    sent = [
        message(one, 1, sitting=one["sitting"]),
        message(now, 2, sitting=now["sitting"]),
        message(other, 3, sitting=9),  # of a file of votes that was put back to an earlier state
    ]
    assert client.put("/api/votes", json={"votes": sent}).json()["new"] == 3
    orders = {"random": {one["sample"]}, "useful": {now["sample"], other["sample"]}}
    assert {sample: order for sample, (_, order) in store.first_asked().items()} == {
        sample: order for order, samples in orders.items() for sample in samples
    }


def test_votes_come_all_or_none(client, store):
    good, bad = ask(client, count=2)["tasks"]
    for wrong in ({"sample": "nobody"}, {"label": "lion"}, {"answer": "maybe"}, {"reviewer": " "}, {"seconds": -1}):
        answer = client.put("/api/votes", json={"votes": [message(good), {**message(bad, 2), **wrong}]})
        assert answer.status_code == 422, wrong
    assert store.votes() == []


@pytest.mark.parametrize(
    "change",
    [{"reviewer": "x" * 41}, {"reviewer": "a\u0000b"}, {"id": "../../etc"}, {"session": "a b"}, {"more": 1}],
)
def test_names_and_ids_are_limited(client, change):
    task = ask(client)["tasks"][0]
    assert client.put("/api/votes", json={"votes": [{**message(task), **change}]}).status_code == 422


def test_only_the_reviewer_takes_a_vote_back(client, store):
    client.put("/api/votes", json={"votes": [message(ask(client)["tasks"][0])]})
    answer = client.post("/api/undo", json={"ids": ["v1"], "reviewer": "ben", "session": "tab"})
    assert answer.status_code == 409
    assert len(store.votes()) == 1


def test_state_labels_and_progress(corpus, store):
    client = TestClient(application(corpus, store, definitions={0: "It purrs."}, reviewer="ana"))
    state = client.get("/api/state").json()
    assert state["labels"][0] == {"id": "cat", "name": "cat", "definition": "It purrs."}
    assert (state["reviewer"], state["votes"], state["grid"]) == ("ana", store.identity, 24)
    found = client.get("/api/labels/0").json()["examples"]
    assert [item["row"] for item in found] == examples(corpus, 0)
    assert client.get("/api/labels/3").status_code == 404
    totals = client.get("/api/progress?reviewer=ana").json()["labels"]
    assert sum(total for _, _, total in totals) == state["total"]


def test_images_are_converted_scaled_and_cached(client, corpus):
    tiff = client.get("/image/1")
    assert tiff.headers["content-type"] == "image/webp"
    assert Image.open(io.BytesIO(tiff.content)).size == (40, 30)
    for size, limit in (("large", 1600), ("small", 320)):
        scaled = Image.open(io.BytesIO(client.get(f"/image/2?size={size}").content))
        assert scaled.size == (limit, limit // 2)
    ((_, stored),) = corpus.images.read(np.array([5]))
    plain = client.get("/image/5")
    assert plain.content == stored  # small, and browsers show it
    assert plain.headers["cache-control"] == "private, no-cache"
    again = client.get("/image/5", headers={"if-none-match": plain.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    task = ask(client)["tasks"][0]
    assert "immutable" in client.get(task["large"]).headers["cache-control"]


def test_an_image_that_vanished_is_said_so(make_corpus, store, tmp_path):
    folder = make_corpus(tmp_path / "c", cells={(1, "image"): {"bytes": None, "path": "a.png"}}, files={"a.png": png()})
    client = TestClient(application(lh.Corpus.open(folder), store))
    (folder / "a.png").unlink()
    answer = client.get("/image/1")
    assert answer.status_code == 422
    assert str(tmp_path) not in answer.text


def test_tiles_that_are_asked_for_at_once_are_read_in_few_passes_one_at_a_time(make_corpus, tmp_path, monkeypatch):
    """24 tiles at once, each with a pass of its own, would decode and hold one row group 24 times."""
    folder = make_corpus(tmp_path / "c", cells={(3, "image"): {"bytes": None, "path": "a.png"}}, files={"a.png": png()})
    corpus = lh.Corpus.open(folder)
    (folder / "a.png").unlink()
    running, most, passes = 0, 0, []
    whole = ImageReader.read

    def read(self, rows=None):
        nonlocal running, most
        running += 1
        most = max(most, running)
        passes.append(len(rows))
        time.sleep(0.02 if len(passes) > 1 else 1)  # until all have asked, also on a busy machine
        yield from whole(self, rows)
        running -= 1

    monkeypatch.setattr(ImageReader, "read", read)
    pictures = Pictures(corpus)
    rows = [row for row in range(12) if row != 3] * 2
    with ThreadPoolExecutor(len(rows)) as pool:
        found = list(pool.map(lambda row: pictures.get(row, "small").data, rows))
    assert most == 1
    assert len(passes) <= 4
    stored = dict(whole(corpus.images, np.array(sorted(set(rows)))))
    assert found == [stored[row] for row in rows]
    passes.clear()
    pictures = Pictures(corpus)
    pictures.expect(range(4, 10), "small")  # what a page was told of
    assert [pictures.get(row, "small").data for row in range(4, 10)] == [stored[row] for row in range(4, 10)]
    assert len(passes) == 1
    with ThreadPoolExecutor(8) as pool:  # one that is gone takes none of the others with it
        futures = {row: pool.submit(pictures.get, row, "large") for row in range(8)}
    for row, future in futures.items():
        assert isinstance(future.exception(), CorpusError if row == 3 else type(None))


PATHS = [
    "/image/60", "/image/-1", "/image/1.5", "/image/..%2f..%2fcorpus.json", "/image/corpus.json", "/corpus.json",
    "/static/..%2fserver.py", "/static/../server.py", "/static/%2e%2e/server.py", "/static/server.py",
    "/..%2f..%2fetc/passwd",
    "/static//etc/passwd", "/static/..\\server.py", "/image/1?size=../../corpus.json", "/docs", "/openapi.json",
    "/votes.sqlite",
]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_no_path_reads_another_file(client, path):
    answer = client.get(path)
    assert answer.status_code in (404, 422), path
    for content in ("format_version", "def make_app", "root:"):
        assert content not in answer.text


def test_no_query_or_header_changes_which_file_is_read(client):
    plain = client.get("/image/5").content
    assert client.get("/image/5?v=../../corpus.json").status_code == 404
    for query in ("path=/etc/passwd", "file=corpus.json", "row=1"):
        assert client.get(f"/image/5?{query}").content == plain
    for header in ("x-original-url", "x-rewrite-url", "x-forwarded-prefix", "range", "x-accel-redirect", "x-sendfile"):
        assert client.get("/image/5", headers={header: "/etc/passwd"}).content == plain


def test_every_answer_has_the_security_headers(client):
    for path in ("/", "/static/main.js", "/api/state", "/image/5", "/nothing"):
        head = client.get(path).headers
        assert head["content-security-policy"].startswith("default-src 'self';")
        assert head["x-content-type-options"] == "nosniff"
        assert head["x-frame-options"] == "DENY"
    assert "unsafe" not in client.get("/").headers["content-security-policy"]
    page = client.get("/").text
    assert " onclick" not in page
    assert "<script>" not in page
    assert " style=" not in page


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "", "192.168.1.5:8000"]
)
def test_on_loopback_a_foreign_host_is_refused(client, host):
    assert client.get("/api/state", headers={"host": host}).status_code == 421


@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1", "[::1]:8000", "LOCALHOST"])
def test_on_loopback_its_names_are_answered(client, host):
    assert client.get("/api/state", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content-type": "text/plain"}, 415),
        ({"content-type": "application/x-www-form-urlencoded"}, 415),
        ({"content-type": ""}, 415),
        ({"content-type": "application/json", "origin": "http://evil.example"}, 403),
        ({"content-type": "application/json", "origin": "null"}, 403),
        ({"content-type": "application/json", "origin": "http://127.0.0.1:9000"}, 403),
        ({"content-type": "application/json", "sec-fetch-site": "cross-site"}, 403),
        ({"content-type": "application/json", "sec-fetch-site": "same-site"}, 403),
        ({"content-type": "application/json", "origin": "http://127.0.0.1:8000", "sec-fetch-site": "same-origin"}, 200),
        ({"content-type": "application/json; charset=utf-8"}, 200),
    ],
)
def test_changes_come_from_the_page_itself(client, store, headers, status):
    body = json.dumps({"votes": [message(ask(client)["tasks"][0])]})
    assert client.put("/api/votes", content=body, headers=headers).status_code == status
    assert len(store.votes()) == (status == 200)


def test_bodies_are_limited_with_and_without_a_length(client):
    head = {"content-type": "application/json"}
    assert client.put("/api/votes", content=b" " * (MOST_BYTES + 1), headers=head).status_code == 413
    parts = (b" " * 1000 for _ in range(100))
    assert client.put("/api/votes", content=parts, headers=head).status_code == 413


def test_a_network_needs_the_token(corpus, store):
    app = Guard(application(corpus, store), token=SECRET, cookie="labelhedge_8000")
    client = TestClient(app, base_url="http://192.168.1.5:8000", follow_redirects=False)
    for path in (
        "/",
        "/api/state",
        "/image/1",
        "/static/main.js",
        "/?token=wrong",
        f"/api/state?token={SECRET}",
        "/?token=",
    ):
        assert client.get(path).status_code == 403, path
    for cookie in ("labelhedge_8000=wrong", "labelhedge_8000=", 'labelhedge_8000="', f"other={SECRET}"):
        assert client.get("/api/state", headers={"cookie": cookie}).status_code == 403
    first = client.get(f"/?token={SECRET}")
    assert (first.status_code, first.headers["location"]) == (303, "/")
    cookie = first.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert client.get("/api/state").status_code == 200  # by the cookie
    assert client.put("/api/votes", content="{}", headers={"content-type": "text/plain"}).status_code == 415
    assert client.get(f"/?token={SECRET}").status_code == 303  # off the address bar, whoever has the cookie already


@pytest.mark.parametrize("others", ['a={"x": 1, "y": [2]}', "b", "=", 'c="', "labelhedge_8000=stale", "ü=ü"])
def test_cookies_of_other_applications_do_no_harm(corpus, store, others):
    client = TestClient(Guard(application(corpus, store), token=SECRET, cookie="labelhedge_8000"))
    for cookies in (f"{others}; labelhedge_8000={SECRET}", f"labelhedge_8000={SECRET}; {others}"):
        assert client.get("/api/state", headers={"cookie": cookies.encode()}).status_code == 200


@pytest.mark.parametrize(
    "token", ["", "short", "sixteen-or-more+s", "sixteen;or;more;s", "sechzehn-oder-mehr-ü", "a b" * 8]
)
def test_a_token_that_does_not_fit_an_address_or_is_guessed_is_refused(corpus, store, token):
    tasks = make_tasks(corpus, "random", OrderSettings())
    for host in ("127.0.0.1", "0.0.0.0"):
        with pytest.raises(LabelhedgeError, match="16 or more"):
            serve(corpus, tasks, votes=store.path, host=host, port=0, token=token)


def test_a_page_of_other_votes_or_another_corpus_is_told_to_load_again(make_corpus, corpus, store, tmp_path):
    client = TestClient(application(corpus, store))
    state = client.get("/api/state").json()
    mine, body = {SERVING: state["serving"]}, {"reviewer": "ana", "session": "a", "count": 1}
    assert client.post("/api/next", json=body, headers=mine).status_code == 200
    with VoteStore(tmp_path / "other.sqlite") as votes:
        others = [
            application(corpus, votes),
            application(corpus, store, needed=2),
            application(lh.Corpus.open(make_corpus(tmp_path / "c", size=60)), store),
        ]
        for other in map(TestClient, others):
            for path, sent in (("/api/next", body), ("/api/release", {"reviewer": "ana", "session": "a"})):
                answer = other.post(path, json=sent, headers=mine)
                assert answer.status_code == 409
                assert answer.headers[SERVING] != state["serving"]
            vote = message({"sample": "s01", "label": 0})
            assert other.put("/api/votes", json={"votes": [vote]}, headers=mine).status_code == 409
            assert other.get("/api/state", headers=mine).status_code == 409
        assert votes.votes() == store.votes() == []
    again = TestClient(application(corpus, store)).get("/api/state", headers=mine)
    assert again.status_code == 200  # started again, with other questions, it is the same
    address = ask(client)["tasks"][0]["large"]
    assert TestClient(others[2]).get(address).status_code in (200, 404)
    assert client.get("/image/5?v=0123456789ab").status_code == 404


@pytest.mark.parametrize("name", ["نیما\u200cرضا", "क्\u200dष", "👩\u200d🔬", "ana"])
def test_names_in_all_scripts_are_taken(client, name):
    assert "tasks" in ask(client, reviewer=name)


@pytest.mark.parametrize("name", ["ana\u202e", "\u2066ana", "ana\u200f", "\u200d", " \u200c ", "a\u0007", "a\ud800"])
def test_names_that_turn_around_what_stands_beside_them_are_refused(client, name):
    body = json.dumps({"reviewer": name, "session": "a", "count": 1})
    answer = client.post("/api/next", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 422


def test_tasks_are_told_by_number(client):
    task = ask(client)["tasks"][0]
    assert client.post("/api/tasks", json={"tasks": [[task["row"], task["label"]]]}).json() == [task]
    for pair in ([60, 0], [-1, 0], [0, 3], [0, -1]):
        assert client.post("/api/tasks", json={"tasks": [pair]}).status_code == 422


def test_a_limit_is_of_open_questions(corpus, store):
    tasks = make_tasks(corpus, "random", OrderSettings())
    names = "cat dog owl".split()

    def vote(at, answer="yes", reviewer="ana"):
        row, label = tasks[at]
        return Vote(f"{at}{reviewer}", corpus.samples.ids[row], names[label], reviewer, answer)

    votes = [vote(at) for at in (0, 1, 2, 5)] + [vote(3, "skip")]
    assert first_open(corpus, tasks, [], 1, 3) == tasks[:3]
    assert first_open(corpus, tasks, votes, 1, 3) == tasks[:7]  # 3, 4 and 6 are open
    assert first_open(corpus, tasks, votes, 2, 3) == tasks[:3]
    assert first_open(corpus, tasks, [*votes, vote(0, reviewer="ben")], 2, 3) == tasks[:4]
    assert first_open(corpus, tasks, votes, 1, 10**6) == tasks
    everything = [vote(at) for at in range(len(tasks))]
    assert first_open(corpus, tasks, everything, 1, 3) == tasks


def test_serving_is_fast(corpus, store):
    """A page that waits is no fun: a question and its answer take a few milliseconds of the server."""
    client = TestClient(application(corpus, store))
    started = time.perf_counter()
    for number in range(20):
        task = ask(client)["tasks"][0]
        client.put("/api/votes", json={"votes": [message(task, number)]})
    assert time.perf_counter() - started < 4
