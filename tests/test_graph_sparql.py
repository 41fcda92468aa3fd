"""A SPARQL endpoint, played by a local server that answers from a store and fails as endpoints do."""

from __future__ import annotations

import datetime
import email.utils
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

import pyoxigraph
import pytest

from labelhedge.graph import sources
from labelhedge.graph.build import GraphLabel, build_graph, read_labels
from labelhedge.graph.job import build_file
from labelhedge.graph.sparql import REDIRECT, Endpoint, Sparql, redirects_query, statements_query
from labelhedge.graph.triple_store import TripleStore

JSON = pyoxigraph.QueryResultsFormat.JSON
FACTS = "".join(f"<urn:l{n}> <urn:r{n % 2}> <urn:u{n % 3}> .\n" for n in range(9)) + (
    f'<urn:l0> <urn:name> "nothing" .\n<urn:old> <{REDIRECT}> <urn:l1> .\n'
    "<urn:l0> <http://dbpedia.org/ontology/wikiPageWikiLink> <urn:l1> .\n"
)


class Server(ThreadingHTTPServer):
    """Answers queries from `store`; the first requests fare as `faults` says."""

    daemon_threads = True

    def __init__(self, store):
        super().__init__(("127.0.0.1", 0), Handler)
        self.store, self.faults, self.queries, self.delay, self.most_rows = store, [], [], 0.0, None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/sparql"


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        query = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())["query"][0]
        self.server.queries.append(query)
        assert self.headers["Accept"] == "application/sparql-results+json"
        time.sleep(self.server.delay)
        rows = self.server.store.query(query + (f" LIMIT {self.server.most_rows}" if self.server.most_rows else ""))
        fault = self.server.faults.pop(0) if self.server.faults else {}
        time.sleep(fault.get("sleep", 0))
        body = fault.get("body", rows.serialize(format=JSON))
        try:
            self.send_response(fault.get("status", 200))
            for name, value in fault.get("headers", {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body) + fault.get("missing", 0)))
            self.end_headers()
            self.wfile.write(body)
        except BrokenPipeError:
            pass  # the client had no patience, as some tests want

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    store = pyoxigraph.Store()
    store.load(FACTS.encode(), format=pyoxigraph.RdfFormat.N_TRIPLES)
    server = Server(store)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def endpoint(server, tmp_path, **options):
    return Endpoint(server.url, tmp_path / "answers", **{"wait": 0.01, "timeout": 5.0, **options})


NAMES = [f"urn:l{n}" for n in range(9)]


def test_store_and_endpoint_answer_the_same(server, tmp_path):
    (tmp_path / "facts.nt").write_text(FACTS)
    with TripleStore(tmp_path / "store") as store:
        store.load(tmp_path / "facts.nt")
        near, far = Sparql(store.ask), Sparql(endpoint(server, tmp_path).ask, batch=4)
        assert sorted(near.statements(NAMES)) == sorted(far.statements(NAMES))
        assert sorted(near.statements(NAMES)) == sorted(
            (f"urn:u{n % 3}", f"urn:l{n}", f"urn:r{n % 2}") for n in range(9)
        )
        assert near.redirects(["urn:old", *NAMES]) == far.redirects(["urn:old", *NAMES]) == {"urn:old": "urn:l1"}


@pytest.mark.parametrize("wanted", [["r0"], ["urn:r0"], ["r0", "absent"]])
def test_relations_are_asked_for_by_full_or_local_name(server, tmp_path, wanted):
    rows = list(Sparql(endpoint(server, tmp_path).ask).statements(NAMES, wanted))
    assert {row.r for row in rows} == {"urn:r0"}
    assert len(rows) == 5


def test_special_characters_in_a_relation_stand_for_themselves():
    store = pyoxigraph.Store()
    for name in ("a.b", "axb"):
        store.add(pyoxigraph.Quad(*(pyoxigraph.NamedNode(f"urn:{part}") for part in ("v", name, "u"))))
    assert [row[1].value for row in store.query(statements_query(["urn:v"], ["a.b"]))] == ["urn:a.b"]
    with pytest.raises(ValueError, match="no name of a relation"):
        statements_query(["urn:v"], ['a") . } #'])
    with pytest.raises(ValueError, match="Invalid IRI"):
        redirects_query(["urn:v> } #"])


past = email.utils.format_datetime(datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC), usegmt=True)


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 503},
        {"status": 429, "headers": {"Retry-After": "0"}},
        {"status": 503, "headers": {"Retry-After": past}},
        {"status": 206},  # Virtuoso: out of time, here are some of the rows
        {"missing": 10},  # the connection ends before the answer does
        {"sleep": 1.0},
    ],
    ids=lambda fault: " ".join(map(str, fault.values())),
)
def test_faults_that_pass_are_waited_out(server, tmp_path, fault):
    server.faults = [fault, fault]
    asked = endpoint(server, tmp_path, timeout=0.3)
    assert list(asked.ask(statements_query(["urn:l4"]))) == [("urn:l4", "urn:r0", "urn:u1")]
    assert asked.asked == 3


def test_retry_after_is_heeded(server, tmp_path):
    server.faults = [{"status": 429, "headers": {"Retry-After": "1"}}]
    start = time.monotonic()
    list(endpoint(server, tmp_path).ask(statements_query(["urn:l4"])))
    assert time.monotonic() - start >= 1.0


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        ({"status": 400, "body": b"Virtuoso 37000 Error: syntax"}, "answered 400: Virtuoso 37000 Error: syntax"),
        ({"status": 404, "body": b""}, "answered 404"),
        ({"body": b"<html>maintenance</html>"}, "did not answer with a result of SPARQL: '<html>maintenance"),
        ({"body": b'{"head": {}, "boolean": true}'}, "did not answer with a result of SPARQL"),
        ({"body": b'{"head": {"vars": ["v"]}, "results": {"bindings": [{"v"'}, "did not answer with a result"),
    ],
    ids=["syntax", "not found", "a page", "yes", "half"],
)
def test_faults_that_stay_are_said_at_once(server, tmp_path, fault, cause):
    server.faults = [fault]
    asked = endpoint(server, tmp_path)
    with pytest.raises(ValueError, match=cause):
        list(asked.ask(statements_query(["urn:l4"])))
    assert asked.asked == 1
    assert list((tmp_path / "answers").iterdir()) == []


def test_faults_that_do_not_pass_end_in_an_error(server, tmp_path):
    server.faults = [{"status": 503, "body": b"busy"}] * 3
    with pytest.raises(ValueError, match="answered 503: busy"):
        list(endpoint(server, tmp_path, attempts=3).ask(statements_query(["urn:l4"])))
    server.server_close()
    with pytest.raises(ValueError, match="cannot be asked"):
        list(
            Endpoint("http://127.0.0.1:1/sparql", tmp_path / "answers", attempts=2, wait=0.01).ask(
                redirects_query(NAMES)
            )
        )


def test_retries_write_nothing_on_the_terminal(tmp_path):
    """Without a handler of the user's, each was a line "stamina.retry_scheduled"."""
    code = (
        "import sys; from labelhedge.graph.sparql import Endpoint\n"
        "try: list(Endpoint('http://127.0.0.1:9/sparql', sys.argv[1], attempts=2, wait=0.01).ask('SELECT'))\n"
        "except ValueError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert "cannot be asked" in done.stdout
    assert "check the address and the network" in done.stdout


def test_answers_are_kept(server, tmp_path):
    rows = list(Sparql(endpoint(server, tmp_path).ask, batch=2).statements(NAMES))
    again = endpoint(server, tmp_path)
    assert list(Sparql(again.ask, batch=2).statements(NAMES)) == rows
    assert again.asked == 0


def test_an_answer_that_was_cut_off_is_asked_for_in_halves(server, tmp_path):
    server.most_rows = 4
    rows = list(Sparql(endpoint(server, tmp_path).ask, batch=9, most_rows=4).statements(NAMES))
    assert sorted(row.v for row in rows) == NAMES
    server.most_rows = 1
    with pytest.raises(ValueError, match="urn:l0 and cuts the answer off: name the relations"):
        list(Sparql(endpoint(server, tmp_path / "b").ask, batch=9, most_rows=1).statements(NAMES))


BUILD = """
import sys
from labelhedge.graph import sources
from labelhedge.graph.job import build_file
from labelhedge.graph.build import read_labels
sources.NAMES_PER_QUERY = 1
for line in build_file(read_labels(sys.argv[1]), sys.argv[2], sources=[sys.argv[3]], relations="all"):
    pass
"""


def test_a_build_from_an_endpoint_that_is_killed_goes_on_and_ends_with_the_same_bytes(server, tmp_path, monkeypatch):
    labels = tmp_path / "labels.csv"
    labels.write_text("uri,name\n" + "".join(f"{name},{name[4:]}\n" for name in [*NAMES[2:], "urn:old"]))
    arguments = [sys.executable, "-c", BUILD, str(labels)]
    monkeypatch.setattr(sources, "NAMES_PER_QUERY", 1)
    for _ in build_file(read_labels(labels), tmp_path / "whole.nt", sources=[server.url], relations="all"):
        pass
    whole = Counter(server.queries)
    server.queries.clear()
    server.delay = 0.05
    process = subprocess.Popen([*arguments, str(tmp_path / "killed.nt"), server.url])
    deadline = time.monotonic() + 60
    while len(server.queries) < 6:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "killed.nt").exists()
    time.sleep(0.1)  # what the server was at
    server.delay = 0.0
    for _ in build_file(read_labels(labels), tmp_path / "killed.nt", sources=[server.url], relations="all"):
        pass
    assert (tmp_path / "killed.nt").read_bytes() == (tmp_path / "whole.nt").read_bytes()
    assert b"<urn:old> <urn:r1> <urn:u1> ." in (tmp_path / "whole.nt").read_bytes()
    twice = sum(count - 1 for count in Counter(server.queries).values())
    assert set(server.queries) == set(whole)
    assert twice <= 1  # only the one that the kill interrupted
    assert sorted(path.name for path in tmp_path.iterdir()) == ["killed.nt", "labels.csv", "whole.nt"]


def test_a_graph_from_two_sources(server, tmp_path):
    (tmp_path / "more.nt").write_text(f"<urn:u0> <{REDIRECT}> <urn:u1> .\n<urn:l0> <urn:r1> <urn:u9> .\n")
    with TripleStore(tmp_path / "store") as store:
        store.load(tmp_path / "more.nt")
        both = [Sparql(store.ask), Sparql(endpoint(server, tmp_path).ask)]
        built = build_graph([GraphLabel("0", "0", "urn:l0"), GraphLabel("1", "1", "urn:l1")], both, relations="all")
    assert set(built.triples()) == {
        ("urn:u1", "urn:l0", "urn:r0"),  # u0 is called u1 today
        ("urn:u9", "urn:l0", "urn:r1"),
        ("urn:u1", "urn:l1", "urn:r1"),
    }
    assert built.redirected == (0, 1)
    assert re.search("entities", "".join(built.lines()))
