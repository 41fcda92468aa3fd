"""Files of triples as they are found, loaded into a store on disk; a load that is killed and goes on."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import signal
import subprocess
import sys
import time

import pyarrow as pa
import pyoxigraph
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelhedge.graph.files import Counts, TableFormat, bare, chunks
from labelhedge.graph.triple_store import TripleStore

DBPEDIA = "http://dbpedia.org/resource/"
ALL = "SELECT ?s ?p ?o WHERE { ?s ?p ?o }"

# As DBpedia ships it: comments, IRIs that are no ASCII, literals, blank nodes, a graph name; and what is no triple.
DUMP = """\
# started 2022-12-01T09:31:37Z
<http://db/Koala> <http://db/family> <http://db/Phascolarctidae> .
<http://db/Koala> <http://www.w3.org/2000/01/rdf-schema#label> "Koala . <http://db/x> \\" bear"@en .
<http://db/Koala> <http://db/weight> "9.5"^^<http://www.w3.org/2001/XMLSchema#double> .
<http://db/Koala> <http://db/note> _:b0 .
_:b0 <http://db/family> <http://db/Phascolarctidae> .

<http://db/Andr\u00e9><http://db/family><http://db/Horst_K\u00f6hler>.
<http://db/Wombat>\t<http://db/family>  <http://db/Vombatidae> <http://db/graph> . # a fourth IRI, and a remark
<http://db/Quokka> <http://db/family> Macropodidae .
<http://db/Quokka> <http://db/family> <http://db/Macro podidae> .
<relative> <http://db/family> <http://db/Macropodidae> .
<http://db/Numbat> <http://db/family> "Myrmecobiidae .
rubbish
# completed
"""
TRIPLES = {
    ("http://db/Koala", "http://db/family", "http://db/Phascolarctidae"),
    ("http://db/Andr\u00e9", "http://db/family", "http://db/Horst_K\u00f6hler"),
    ("http://db/Wombat", "http://db/family", "http://db/Vombatidae"),
}


def load(tmp_path, name, data, **options):
    path = tmp_path / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    with TripleStore(tmp_path / "store", **options) as store:
        return store.load(path), set(store.ask(ALL))


@pytest.mark.parametrize("name", ["a.nt", "a.ttl", "a.nq", "a.tql"])
@pytest.mark.parametrize("chunk", [None, 1, 100])
def test_a_dump_of_dbpedia_is_read_line_by_line(tmp_path, name, chunk):
    counts, found = load(tmp_path, name, DUMP, chunk=chunk)
    assert found == TRIPLES
    assert (counts.lines, counts.triples, counts.other, counts.comments, counts.bad) == (15, 3, 4, 3, 5)
    assert [number for number, _ in counts.examples] == [10, 11, 12, 13, 14]
    assert counts.examples[-1] == (14, "rubbish")


def test_a_bad_character_in_an_iri_is_a_bad_line_and_those_around_it_stay(tmp_path):
    lines = [f"<urn:{n}> <urn:r> <urn:u> .\n".encode() for n in range(5)]
    lines[3] = b"<urn:\xff> <urn:r> <urn:u> .\n"
    counts, found = load(tmp_path, "a.nt", b"".join(lines))
    assert (counts.triples, counts.bad, len(found)) == (4, 1, 4)
    assert counts.examples[0][0] == 4


def zstd(data):
    return pa.compress(data, codec="zstd", asbytes=True)


@pytest.mark.parametrize(
    ("ending", "compress"),
    [("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress), ("zst", zstd)],
)
def test_compressed_files(tmp_path, ending, compress):
    data = DUMP.encode()
    half = data.index(b"\n", len(data) // 2) + 1
    packed = compress(data[:half]) + compress(data[half:])  # DBpedia's bz2 files are several streams in a row
    counts, found = load(tmp_path, f"a.ttl.{ending}", packed if ending != "zst" else compress(data))
    assert found == TRIPLES
    assert counts.lines == 15


@pytest.mark.parametrize(("ending", "compress"), [("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress)])
def test_a_compressed_file_that_is_cut_off_is_named(tmp_path, ending, compress):
    data = "".join(f"<urn:{n}> <urn:r> <urn:{n * n}> .\n" for n in range(3000)).encode()
    with pytest.raises(ValueError, match=rf"a\.nt\.{ending} is broken or cut off.*fetch it again"):
        load(tmp_path, f"a.nt.{ending}", compress(data)[:-20])


def test_turtle_is_read_as_a_whole(tmp_path):
    text = """@prefix db: <http://db/> .
    db:Koala db:family db:Phascolarctidae, [ db:family db:Other ] ; db:name "koala" .
    <Wombat> db:family db:Vombatidae .
    """
    counts, found = load(tmp_path, "a.ttl", text)
    assert (counts.triples, counts.other) == (2, 3)
    koala, wombat = sorted(found)[0], sorted(found)[1]
    assert wombat[0].endswith("Wombat") or koala[0].endswith("Wombat")
    assert ("http://db/Koala", "http://db/family", "http://db/Phascolarctidae") in found


def test_an_error_in_turtle_names_the_line(tmp_path):
    with pytest.raises(ValueError, match=r"a\.ttl, line 2: .*; correct the file"):
        load(tmp_path, "a.ttl", "@prefix db: <http://db/> .\ndb:Koala db:family .\n")


def test_rdf_xml(tmp_path):
    text = """<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:db="http://db/">
    <rdf:Description rdf:about="http://db/Koala"><db:family rdf:resource="http://db/P"/></rdf:Description></rdf:RDF>"""
    assert load(tmp_path, "a.rdf", text)[1] == {("http://db/Koala", "http://db/family", "http://db/P")}


@pytest.mark.parametrize(
    ("name", "text", "cause"),
    [
        ("a.nt", "one\ntwo\n", "a.nt holds no triple: none of 2 lines is one; line 1 is 'one'"),
        ("a.nt", "", "holds no triple"),
        ("a.tsv", "one\n", "none of 1 lines"),
        ("a.parquet", "x", "triples are read from .nt"),
    ],
)
def test_what_holds_no_triple_is_refused(tmp_path, name, text, cause):
    with pytest.raises(ValueError, match=cause):
        load(tmp_path, name, text)


# tables


def table(tmp_path, name, text, form):
    (tmp_path / name).write_text(text)
    with TripleStore(tmp_path / "store") as store:
        return store.load(tmp_path / name, form), set(store.ask(ALL))


def test_a_table_in_the_order_head_tail_relation(tmp_path):
    text = "Cattleya_forbesii\tOrchidaceae\tfamily\nRed fox\thttp://x/Canidae\t<urn:family>\nshort\tline\n\tx\ty\n"
    counts, found = table(tmp_path, "a.tsv", text, TableFormat(prefix=DBPEDIA))
    assert found == {
        (DBPEDIA + "Cattleya_forbesii", "http://dbpedia.org/ontology/family", DBPEDIA + "Orchidaceae"),
        (DBPEDIA + "Red_fox", "urn:family", "http://x/Canidae"),
    }
    assert (counts.triples, counts.bad, [number for number, _ in counts.examples]) == (2, 2, [3, 4])


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("u\tv\tr\tmore\nmammal\tfox\tclass\tx\n", None),  # by the names in the first line
        ("relation\ttail\thead\nclass\tmammal\tfox\n", None),
        ("mammal\tfox\tclass\n", ("2", "1", "3")),
        ("group\tanimal\tkind\nmammal\tfox\tclass\n", ("animal", "group", "kind")),
    ],
)
def test_columns_in_any_order(tmp_path, text, columns):
    counts, found = table(tmp_path, "a.tsv", text, TableFormat(columns=columns))
    assert found == {("urn:labelhedge:name:fox", "urn:labelhedge:relation:class", "urn:labelhedge:name:mammal")}
    assert counts.bad == 0


BOM = b"\xef\xbb\xbf"


@pytest.mark.parametrize("columns", [None, ("head", "tail", "relation"), ("1", "2", "3")])
@pytest.mark.parametrize("header", [b"head,tail,relation\r\n", b'"head","tail","relation"\r\n'])
def test_a_csv_of_excel_begins_with_a_byte_order_mark(tmp_path, columns, header):
    (tmp_path / "a.csv").write_bytes(BOM + (b"" if columns == ("1", "2", "3") else header) + b"fox,Canidae,family\r\n")
    with TripleStore(tmp_path / "store", chunk=1) as store:
        counts = store.load(tmp_path / "a.csv", TableFormat(columns=columns))
        found = set(store.ask(ALL))
    assert found == {("urn:labelhedge:name:fox", "urn:labelhedge:relation:family", "urn:labelhedge:name:Canidae")}
    assert counts.bad == 0


@pytest.mark.parametrize(
    ("name", "text"),
    [("a.nt", b"<urn:a> <urn:r> <urn:u> .\n"), ("a.ttl", b"<urn:a> <urn:r> <urn:u> .\n"),
     ("a.ttl", b"@prefix : <urn:> .\n:a :r :u .\n")],
)  # fmt: skip
@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_rdf_may_begin_with_a_byte_order_mark(tmp_path, name, text, compress):
    counts, found = load(tmp_path, name if compress is bytes else f"{name}.gz", compress(BOM + text))
    assert (found, counts.bad) == ({("urn:a", "urn:r", "urn:u")}, 0)


def test_quoted_csv(tmp_path):
    form = TableFormat(prefix="urn:x:", relation_prefix="urn:y:")
    counts, found = table(tmp_path, "a.csv", 'fox,"Dogs, wolves",kind\nfox,"open\n', form)
    assert found == {("urn:x:fox", "urn:y:kind", "urn:x:Dogs,_wolves")}
    assert counts.bad == 1


def test_a_column_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ValueError, match="has no column 'tier'; its first line is: a, b, c"):
        table(tmp_path, "a.tsv", "a\tb\tc\n1\t2\t3\n", TableFormat(columns=("tier", "b", "c")))
    with pytest.raises(ValueError, match="count from 1"):
        table(tmp_path, "b.tsv", "a\tb\tc\n", TableFormat(columns=("0", "1", "2")))


@settings(deadline=None, max_examples=100, derandomize=True)
@given(st.text(min_size=1))
def test_any_name_makes_an_iri(name):
    assert pyoxigraph.NamedNode("urn:x:" + bare(name))


@settings(deadline=None, max_examples=50, derandomize=True)
@given(st.lists(st.binary(max_size=20).map(lambda line: line.replace(b"\n", b"")), max_size=20), st.integers(1, 60))
def test_pieces_are_whole_lines_and_make_the_file(tmp_path_factory, lines, size):
    path = tmp_path_factory.mktemp("lines") / "a.nt"
    data = b"\n".join(lines)
    path.write_bytes(data)
    pieces = list(chunks(path, size=size))
    assert b"".join(piece for piece, _ in pieces) == data
    assert all(piece.endswith(b"\n") for piece, _ in pieces[:-1])
    for number, (_, offset) in enumerate(pieces):
        assert list(chunks(path, offset, size)) == pieces[number + 1 :]


# the store


def test_a_file_is_loaded_once_and_its_counts_are_kept(tmp_path):
    (tmp_path / "a.nt").write_text(DUMP)
    with TripleStore(tmp_path / "store") as store:
        counts = store.load(tmp_path / "a.nt")
    ledger = (tmp_path / "store" / "ledger.json").read_bytes()
    with TripleStore(tmp_path / "store") as store:
        assert store.load(tmp_path / "a.nt") == counts
        assert store.loaded == {str(tmp_path / "a.nt"): counts}
    assert (tmp_path / "store" / "ledger.json").read_bytes() == ledger


def test_a_file_that_changed_is_refused(tmp_path):
    load(tmp_path, "a.nt", DUMP)
    with pytest.raises(ValueError, match=r"a\.nt has changed since it was loaded.*delete that folder"):
        load(tmp_path, "a.nt", DUMP + DUMP)


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "photo.jpg").write_bytes(b"x")
    with pytest.raises(ValueError, match="holds other things than a store"):
        TripleStore(tmp_path)


def test_a_store_is_used_by_one_process_at_a_time(tmp_path):
    with TripleStore(tmp_path / "store"), pytest.raises(ValueError, match="is another process using it"):
        TripleStore(tmp_path / "store")


LOAD = """
import sys
from labelhedge.graph.triple_store import TripleStore
with TripleStore(sys.argv[1], chunk=2000) as store:
    store.load(sys.argv[2])
"""


@pytest.mark.parametrize("name", ["a.nt", "a.nt.gz"])
def test_a_load_that_is_killed_goes_on_and_comes_to_the_same(tmp_path, name):
    text = "".join(f"<urn:l{n}> <urn:r> <urn:u{n % 7}> .\nbad {n}\n" for n in range(1000))
    path = tmp_path / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith("gz") else text.encode())
    ledger = tmp_path / "killed" / "ledger.json"
    process = subprocess.Popen([sys.executable, "-c", LOAD, str(tmp_path / "killed"), str(path)])
    deadline = time.monotonic() + 60
    while not (ledger.exists() and '"offset": ' in ledger.read_text() and _offset(ledger) > 0):
        assert process.poll() is None, "the load was over before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert 0 < _offset(ledger) < len(text)
    with TripleStore(tmp_path / "killed", chunk=2000) as store, TripleStore(tmp_path / "whole") as whole:
        assert (
            store.load(path)
            == whole.load(path)
            == Counts(2000, 1000, 0, 0, 1000, [(2 * n + 2, f"bad {n}") for n in range(5)])
        )
        assert sorted(store.ask(ALL)) == sorted(whole.ask(ALL))


def _offset(ledger):
    return max((entry["offset"] for entry in json.loads(ledger.read_text())["files"].values()), default=0)
