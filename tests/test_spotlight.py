"""The Spotlight linker against a local server that answers as the real service does, in good and in bad moments."""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import signal
import struct
import subprocess
import sys
import time
import warnings
from collections import Counter
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st

import hostile_server
from hostile_server import HostileServer, answer, raw, redirect, stall
from labelhedge.collect import web
from labelhedge.collect.records import Entity
from labelhedge.collect.spotlight import SpotlightLinker
from labelhedge.collect.spotlight.answer import mentions
from labelhedge.errors import LabelhedgeError

DBPEDIA = "http://dbpedia.org/resource/"
NAMES = {"red panda": "Red_panda", "Berlin": "Berlin", "Café": "Caf%C3%A9"}


server = hostile_server.server


def linker(server, **settings):
    return SpotlightLinker(server.url("/en"), **{"rate": 10_000.0, "first_wait": 0.01, **settings})


def resource(surface, offset, name, score="0.99"):
    return {
        "@URI": DBPEDIA + name,
        "@support": "1200",
        "@types": "",
        "@surfaceForm": surface,
        "@offset": str(offset),
        "@similarityScore": score,
        "@percentageOfSecondRank": "0.0",
    }


def annotated(text, *resources, one_object=False):
    body = {"@text": text, "@confidence": "0.5", "@support": "20", "@types": "", "@sparql": "", "@policy": "whitelist"}
    if resources:
        body["Resources"] = resources[0] if one_object else list(resources)
    return body


def as_json(body, **options):
    return answer(json.dumps(body).encode(), type="application/json;charset=utf-8", **options)


def spotlight(server, *, after=0.0, change=lambda text: text):
    """Answers as the service: finds NAMES in the text of the form."""

    def route(handler):
        text = change(parse_qs(handler.sent, keep_blank_values=True)["text"][0])
        found = [
            resource(name, place, uri)
            for name, uri in NAMES.items()
            for place in range(len(text))
            if text.startswith(name, place)
        ]
        as_json(annotated(text, *found), after=after)(handler)

    server.otherwise(route)


# --- What is asked, and what comes back ---


def test_entities_by_offset_and_the_form_that_is_sent(server):
    spotlight(server)
    [first, second] = linker(server).link(["In Berlin lives a red panda", "nothing here"])
    assert first == [
        Entity(DBPEDIA + "Berlin", "Berlin", "Berlin", 3, 0.99),
        Entity(DBPEDIA + "Red_panda", "Red panda", "red panda", 18, 0.99),
    ]
    assert second == []
    path, headers, body = server.seen[0]
    assert path == "/en/annotate"
    assert headers["Accept"] == "application/json"
    form = parse_qs(body)
    assert (form["confidence"], form["support"]) == (["0.5"], ["20"])


def test_texts_without_words_are_not_sent_and_equal_ones_once(server):
    spotlight(server)
    linked = linker(server).link(["", "Berlin", " \n ", "Berlin"])
    assert [len(entities) for entities in linked] == [0, 1, 0, 1]
    assert server.asked.total() == 1


def test_a_single_resource_may_be_an_object(server):
    server.on("/en/annotate", as_json(annotated("Berlin", resource("Berlin", 0, "Berlin"), one_object=True)))
    assert linker(server).link(["Berlin"])[0][0].uri == DBPEDIA + "Berlin"


def candidate(uri, score):
    return {"@label": uri, "@uri": uri, "@contextualScore": "0.5", "@priorScore": "1.1E-4", "@finalScore": score}


@pytest.mark.parametrize("form", ["lists", "objects", "none", "empty", "no resource"])
def test_candidates_in_all_their_shapes(server, form):
    berlin = {"@name": "Berlin", "@offset": "2", "resource": [candidate("Bonn", "1.0E-3"), candidate("Berlin", "0.9")]}
    if form == "objects":
        berlin["resource"] = candidate("Berlin", "0.9")
    if form == "no resource":
        del berlin["resource"]
    surfaces = {"lists": [berlin], "objects": berlin, "empty": "", "no resource": [berlin]}
    annotation = {"@text": "a Berlin", **({} if form == "none" else {"surfaceForm": surfaces[form]})}
    server.on("/en/candidates", as_json({"annotation": annotation}))
    [found] = linker(server, endpoint="candidates").link(["a Berlin"])
    wanted = [Entity(DBPEDIA + "Berlin", "Berlin", "Berlin", 2, 0.9)] if form in ("lists", "objects") else []
    assert found == wanted


def test_letters_beyond_ascii_are_written_as_dbpedia_writes_them(server):
    spotlight(server)
    [[entity]] = linker(server).link(["the Café"])
    assert (entity.uri, entity.name) == (DBPEDIA + "Café", "Café")


@pytest.mark.parametrize(("score", "kept"), [("NaN", 0.0), ("1.0000000000000002", 1.0), ("3.2E-9", 3.2e-9)])
def test_scores_are_from_0_to_1(server, score, kept):
    server.on("/en/annotate", as_json(annotated("Berlin", resource("Berlin", 0, "Berlin", score))))
    assert linker(server).link(["Berlin"])[0][0].score == kept


# --- Offsets ---


@pytest.mark.parametrize(
    "text", ["😀😀 a red panda", "x\0\x01\ud800 Berlin", "a\n\nred panda\tin Berlin", "𐤒𐤓𐤕 Berlin 😀 red panda"]
)
def test_odd_characters_are_not_sent_and_offsets_count_characters(server, text):
    spotlight(server, change=lambda sent: sent.encode("utf-16", "strict") and sent)
    [found] = linker(server).link([text])
    assert found
    for entity in found:
        assert text[entity.offset : entity.offset + len(entity.text)] == entity.text
        assert entity.text in NAMES
    sent = parse_qs(server.seen[0][2])["text"][0]
    assert max(sent) <= "\ufffd"  # the service counts UTF-16 units, and fails on what XML cannot hold
    assert not set(sent) & {"\0", "\x01"}


@pytest.mark.parametrize(
    "change", [lambda text: " ".join(text.split()), lambda text: text.replace("\n", " "), lambda text: text.strip()]
)
def test_white_space_that_the_service_changed_does_not_move_entities(server, change):
    spotlight(server, change=change)
    text = "  a  zoo\n\n in Berlin  has   a red panda "
    [found] = linker(server).link([text])
    assert [(entity.text, entity.offset) for entity in found] == [
        ("Berlin", text.index("Berlin")),
        ("red panda", text.index("red panda")),
    ]


def test_a_mention_whose_text_is_another_is_left_out_and_counted(server):
    server.on(
        "/en/annotate", as_json(annotated("In Berlin", resource("Berlin", 5, "Berlin"), resource("In", 0, "Indiana")))
    )
    asking = linker(server)
    with pytest.warns(UserWarning, match="1 mentions were left out"):
        [found] = asking.link(["In Berlin"])
    assert [entity.text for entity in found] == ["In"]
    assert asking.dropped == 1


@given(
    st.text(alphabet=" \n\tab😀é", max_size=30), st.text(alphabet=" \n\tab", max_size=8), st.text(" \nxy", max_size=8)
)
def test_no_offset_is_ever_wrong(before, surface, after):
    sent = before + surface + after
    for answered in (sent, " ".join(sent.split()), sent.strip(), sent + "!"):
        place = max(answered.find(surface), 0)
        body = json.dumps(annotated(answered, resource(surface, place, "A"))).encode()
        for mention in mentions(body, sent, "annotate", DBPEDIA):
            if mention.span:
                assert sent[slice(*mention.span)].split() == surface.split() != []
            elif surface.strip() and answered == sent:
                raise AssertionError("a good mention was lost")


def test_long_texts_are_sent_in_pieces_cut_between_words(server):
    spotlight(server)
    text = "\n".join(f"line {number} with a red panda in Berlin" for number in range(20))
    [whole] = linker(server).link([text])
    [pieces] = linker(server, longest=50).link([text])
    assert pieces == whole
    assert len(whole) == 40
    assert max(len(parse_qs(body)["text"][0]) for _, _, body in server.seen[1:]) <= 50


# --- Faults ---


GOOD = as_json(annotated("Berlin", resource("Berlin", 0, "Berlin")))


@pytest.mark.parametrize(
    "fault",
    [
        answer(b"busy", status=503),
        answer(b"", status=502),
        answer(b"org.dbpedia.spotlight.exceptions.OutputException", status=400),
        answer(b"", status=404),
        answer(b'{"@text": "Ber', type="application/json"),
        answer(b'{"@text": "Berlin"}', length=5000),
        answer(b"<html>An error</html>", type="text/html"),
        answer(b'{"@text": "Berlin", "Resources": [{"@URI": "x"}]}'),
        answer(b"[]"),
        raw(b""),
        raw(b"HTTP/1.1 garbage\r\n\r\n"),
    ],
)
def test_a_fault_that_passes_is_got_over(server, fault):
    server.on("/en/annotate", fault, fault, GOOD)
    assert len(linker(server).link(["Berlin"])[0]) == 1
    assert server.asked.total() == 3


def test_retry_after_is_heeded_by_all_requests(server):
    server.on("/en/annotate", answer(b"", status=429, Retry_After="1"), GOOD)
    started = time.monotonic()
    assert len(linker(server, concurrency=1).link(["Berlin"])[0]) == 1
    assert time.monotonic() - started >= 1
    later = server.times[1] - server.times[0]
    assert later >= 0.99


def test_a_service_that_wants_to_be_left_alone_for_long_is_left_alone(server):
    server.on("/en/annotate", answer(b"", status=429, Retry_After="7200"))
    with pytest.raises(LabelhedgeError, match="asks to wait 7200 s"):
        linker(server).link(["Berlin"])
    assert server.asked.total() == 1


def test_a_stalled_request_is_asked_again(server):
    server.on("/en/annotate", stall(server), GOOD)
    assert len(linker(server, timeout=0.2).link(["Berlin"])[0]) == 1


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (
            answer(b"busy", status=503),
            r"failed 3 times \(HTTP 503 'busy'\) on the text 'Berlin': check that the service",
        ),
        (answer(b"odd", status=400), r"HTTP 400 'odd'.*refused='skip'"),
        (answer(b"{"), "no JSON of Spotlight"),
    ],
)
def test_a_fault_that_stays_is_an_error_with_the_address_and_the_mend(server, fault, message):
    server.on("/en/annotate", fault)
    with pytest.raises(LabelhedgeError, match=f"{server.url('/en/annotate')}.*{message}"):
        linker(server, retries=2).link(["Berlin"])
    assert server.asked.total() == 3


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (answer(b"", status=403), "HTTP 403"),
        (answer(b"", status=413), "lower `longest`"),
        (redirect("https://other.example/en/annotate"), "leads to https://other.example"),
    ],
)
def test_what_no_retry_can_mend_is_asked_once(server, fault, message):
    server.on("/en/annotate", fault)
    with pytest.raises(LabelhedgeError, match=message):
        linker(server).link(["Berlin"])
    assert server.asked.total() == 1


def test_a_refused_text_may_be_skipped_and_is_counted_but_not_kept(server, tmp_path):
    server.on("/en/annotate", answer(b"odd", status=400))
    asking = linker(server, retries=1, refused="skip", cache=tmp_path / "cache.sqlite")
    with pytest.warns(UserWarning, match="1 texts were refused"):
        assert asking.link(["Berlin"]) == [[]]
    with pytest.warns(UserWarning, match="2 texts were refused"):
        assert asking.link(["Berlin", "Berlin", ""]) == [[], [], []]
    assert (asking.skipped, asking.asked) == (3, 0)
    server.on("/en/annotate", GOOD)
    assert len(asking.link(["Berlin"])[0]) == 1
    assert asking.skipped == 3


def test_a_service_that_is_not_there_is_one_message_at_once():
    with HostileServer() as gone:
        asking = linker(gone, retries=50, first_wait=1.0)
    started = time.monotonic()
    with pytest.raises(LabelhedgeError, match=r"cannot be reached .*check the address"):
        asking.link([f"text {number}" for number in range(100)])
    assert time.monotonic() - started < 2


# --- Pace and cache ---


def test_requests_are_concurrent_up_to_the_limit(server):
    spotlight(server, after=0.05)
    linker(server, concurrency=5).link([f"text {number}" for number in range(30)])
    assert server.peak == 5


def test_the_rate_holds_over_calls(server):
    spotlight(server)
    asking = linker(server, rate=20.0)
    asking.link([f"one {number}" for number in range(8)])
    asking.link([f"two {number}" for number in range(8)])
    assert server.times[-1] - server.times[0] >= 0.55  # 15 / 20, less the time that the first connections take


PACED = """
import sys
from labelhedge.collect.spotlight import SpotlightLinker
SpotlightLinker(sys.argv[1], rate=10.0).link([f"{sys.argv[2]} {number}" for number in range(10)])
"""


def test_the_rate_holds_over_processes(server):
    spotlight(server)
    running = [subprocess.Popen([sys.executable, "-c", PACED, server.url("/en"), name]) for name in ("one", "two")]
    assert [process.wait() for process in running] == [0, 0]
    assert server.asked.total() == 20
    assert max(server.times) - min(server.times) >= 1.4  # 1.9, less the time that the first connections take


def test_a_pace_outlives_a_clock_that_was_set_and_a_file_cut_short(monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    pace = web.Pace(1000.0, "service")
    asyncio.run(pace.wait())
    [file] = [path for path in tmp_path.rglob("pace-*") if path.suffix != ".lock"]
    for content in (b"", b"cut", struct.pack("<d", time.time() + 1e9)):
        file.write_bytes(content)
        started = time.monotonic()
        asyncio.run(pace.wait())
        assert time.monotonic() - started < 1
    pace.hold(0.3)
    started = time.monotonic()
    asyncio.run(web.Pace(1000.0, "service").wait())
    assert time.monotonic() - started >= 0.25


def test_answers_are_kept_by_text_and_parameters(server, tmp_path):
    spotlight(server)
    cache = tmp_path / "deep" / "cache.sqlite"
    first = linker(server, cache=cache).link(["Berlin", "red panda"])
    assert linker(server, cache=cache).link(["red panda", "Berlin"]) == first[::-1]
    assert server.asked.total() == 2
    linker(server, cache=cache, confidence=0.6).link(["Berlin"])
    assert server.asked.total() == 3


def test_a_linker_travels_to_another_process(server):
    spotlight(server)
    copy = pickle.loads(pickle.dumps(linker(server)))
    assert len(copy.link(["Berlin"])[0]) == 1


def test_the_fingerprint_is_that_of_service_and_parameters():
    base = SpotlightLinker()
    assert base.fingerprint == SpotlightLinker(rate=1.0, cache="x", retries=1).fingerprint
    others = [
        SpotlightLinker("http://localhost:2222/rest"),
        SpotlightLinker(endpoint="candidates"),
        SpotlightLinker(confidence=0.4),
        SpotlightLinker(support=1),
        SpotlightLinker(longest=500),
    ]
    assert len({linker.fingerprint for linker in [base, *others]}) == 6


def test_it_works_where_a_loop_is_running(server):
    spotlight(server)

    async def notebook():
        return linker(server).link(["Berlin"])

    assert len(asyncio.run(notebook())[0]) == 1


KILLED = """
import sys
from labelhedge.collect.spotlight import SpotlightLinker
linker = SpotlightLinker(sys.argv[1], rate=10_000.0, concurrency=4, cache=sys.argv[2])
print(linker.link([f"Berlin {number}" for number in range(100)]))
"""


def test_a_killed_job_asks_nothing_twice(server, tmp_path):
    spotlight(server, after=0.02)
    command = [sys.executable, "-c", KILLED, server.url("/en"), str(tmp_path / "cache.sqlite")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    while server.asked.total() < 40 and process.poll() is None:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert process.returncode == -signal.SIGKILL
    asked = Counter(parse_qs(body)["text"][0] for _, _, body in server.seen)
    assert 40 <= asked.total() < 90
    again = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ})
    asked = Counter(parse_qs(body)["text"][0] for _, _, body in server.seen)
    assert len(asked) == 100
    assert asked.total() <= 104  # those under way when it was killed
    spotlight(server)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fresh = linker(server).link([f"Berlin {number}" for number in range(100)])
    assert again.stdout.strip() == str(fresh)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"url": "api.dbpedia-spotlight.org"}, "url = .*http or https"),
        ({"endpoint": "spot"}, "annotate or candidates"),
        ({"confidence": 50}, "from 0 to 1"),
        ({"concurrency": 0}, "more than 0"),
        ({"refused": "ignore"}, "error or skip"),
    ],
)
def test_settings_that_cannot_be_right_are_refused(settings, message):
    with pytest.raises(LabelhedgeError, match=message):
        SpotlightLinker(**settings)


def test_a_file_that_is_no_cache_is_named(server, tmp_path):
    (tmp_path / "notes.txt").write_text("not a database, but long enough to be taken for one" * 20)
    with pytest.raises(LabelhedgeError, match=r"notes\.txt is no cache"):
        linker(server, cache=tmp_path / "notes.txt").link(["Berlin"])
