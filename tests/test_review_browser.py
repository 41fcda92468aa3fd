"""The review page in a real browser: two reviewers, keyboard only, phone width, a server that is killed."""

import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import pytest

import labelhedge as lh
from labelhedge.review import OrderSettings, Queue, make_tasks
from labelhedge.review.guard import Guard
from labelhedge.verify import Vote, VoteStore

uvicorn = pytest.importorskip("uvicorn", reason="the review page needs labelhedge[review]")
make_app = pytest.importorskip("labelhedge.review.server", reason="the review page needs labelhedge[review]").make_app

DESKTOP, PHONE = {"width": 1200, "height": 800}, {"width": 390, "height": 844}
EVIL = "<img src=x onerror=document.title='broken-in'>"


class Server:
    """`labelhedge review` in a process of its own, on a port that stays: one that can be killed."""

    def __init__(self, folder, tasks, needed):
        self.file = folder / "votes.sqlite"
        self.command = [sys.executable, "-m", "labelhedge", "review", str(folder)]
        self.command += ["--limit", str(tasks), "--votes-per-image", str(needed), "--port"]
        self.port = 0
        self.start()

    def start(self):
        command = [*self.command, str(self.port)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        printed = ""
        for line in self.process.stdout:
            printed += line
            found = re.search(r"http://\S+:(\d+)/", line)
            if found:
                self.url, self.port = found[0], int(found[1])
                return
        raise AssertionError(printed)

    def stop(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()

    def votes(self):
        with VoteStore(self.file, create=False) as store:
            return store.votes()

    def wait_for(self, count):
        for _ in range(400):
            if len(self.votes()) >= count:
                break
            time.sleep(0.05)
        return self.votes()


class Here(Server):
    """The same in a thread of the tests: it starts at once."""

    def start(self):
        folder, needed = self.file.parent, int(self.command[-2])
        corpus = lh.Corpus.open(folder)
        self.store = VoteStore(self.file)
        self.queue = Queue(
            corpus, make_tasks(corpus, "random", OrderSettings(limit=int(self.command[-4]))), needed=needed
        )
        self.queue.record(self.store.votes())
        app = Guard(make_app(corpus, self.queue, self.store, reviewer="zoe"), token=None)
        self.server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off", ws="none"))
        self.socket = socket.create_server(("127.0.0.1", self.port))
        self.port = self.socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/"
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self.socket]})
        self.thread.start()

    def stop(self):
        self.server.force_exit = self.server.should_exit = True
        self.thread.join()
        self.store.close()
        self.socket.close()


@pytest.fixture(scope="module")
def folder(make_corpus, tmp_path_factory):
    """A corpus of 60 samples, whose titles try to be HTML."""
    return make_corpus(tmp_path_factory.mktemp("browser") / "corpus", size=60, columns={"title": [EVIL] * 60})


@pytest.fixture
def serve(folder):
    """A server of that corpus, without votes."""
    running = []

    def start(kind=Here, *, tasks=24, needed=1):
        for file in folder.glob("votes.sqlite*"):
            file.unlink()
        running.append(kind(folder, tasks, needed))
        return running[0]

    yield start
    for server in running:
        server.stop()


def begin(page, name, mode="single"):
    page.locator("#name").fill(name)
    page.keyboard.press("Tab")
    if mode == "grid":
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_selector(f"#{mode}", state="visible")


@contextmanager
def reviewing(browser, server, name, *, mode="single", viewport=DESKTOP, **options):
    context = browser.new_context(viewport=viewport, **options)
    page = context.new_page()
    page.set_default_timeout(20_000)
    page.said = []
    page.on("pageerror", lambda error: page.said.append(str(error)))
    page.on("request", lambda request: request.url.startswith((server.url, "data:")) or page.said.append(request.url))
    page.goto(server.url)
    begin(page, name, mode)
    yield page
    assert page.said == []
    context.close()


def answered(page):
    return int(page.locator("#count").inner_text().split()[0])


def shown(page):
    """The image and the label on the screen."""
    page.wait_for_selector("body:not([data-busy])")
    return page.locator("#image").get_attribute("src"), page.locator("#label-name").inner_text()


def press(page, keys):
    """Press keys one after the other, each when the page takes an answer."""
    for key in keys:
        page.wait_for_selector("body:not([data-busy])")
        page.keyboard.press(key)


def state(page, wanted):
    page.wait_for_selector(f"#saved[data-state={wanted}]")


def test_two_reviewers_at_once_are_not_asked_the_same_where_one_vote_is_enough(browser, serve):
    server = serve(tasks=12)
    with reviewing(browser, server, "ana") as ana, reviewing(browser, server, "ben") as ben:
        seen = {"ana": [], "ben": []}
        for _ in range(5):
            for name, page in (("ana", ana), ("ben", ben)):
                seen[name].append(shown(page))
                press(page, "y")
        for name, page in (("ana", ana), ("ben", ben)):
            page.wait_for_selector("body:not([data-busy])")
            while page.locator("#single").is_visible():
                seen[name].append(shown(page))
                press(page, "y")
                page.wait_for_selector("body:not([data-busy])")
        for page in (ana, ben):
            page.locator("#end-text", has_text="All 12 questions").wait_for()
        votes = server.votes()
    assert len(votes) == 12
    assert len({(vote.sample, vote.label) for vote in votes}) == 12
    assert not set(seen["ana"]) & set(seen["ben"])
    assert min(len(seen["ana"]), len(seen["ben"])) >= 4


def test_both_are_asked_where_two_votes_are_needed_each_once(browser, serve):
    server = serve(tasks=6, needed=2)
    with reviewing(browser, server, "ana") as ana, reviewing(browser, server, "ben") as ben:
        assert shown(ana) == shown(ben)
        for page in (ana, ben):
            press(page, "n" * 6)
            page.wait_for_selector("#end", state="visible")
            state(page, "saved")  # the end is shown while the last answer is on its way
    votes = server.votes()
    tasks = {(vote.sample, vote.label) for vote in votes}
    assert len(tasks) == 6
    assert sorted((vote.sample, vote.label, vote.reviewer) for vote in votes) == sorted(
        (*task, name) for task in tasks for name in ("ana", "ben")
    )


def test_keyboard_only_one_by_one_and_in_a_grid(browser, serve):
    server = serve()
    with reviewing(browser, server, "ana") as page:
        press(page, ["y", "ArrowLeft", "u", "ArrowUp"])
        assert [vote.answer for vote in server.wait_for(4)] == ["yes", "no", "unsure", "skip"]
        page.wait_for_selector("body:not([data-busy])")
        before = shown(page)
        press(page, ["z", "Backspace"])
        page.wait_for_selector("[data-answer=unsure].before")
        press(page, "ns")
        page.wait_for_function(
            "before => document.querySelector('#image').getAttribute('src') === before", arg=before[0]
        )
        state(page, "saved")
        assert [vote.answer for vote in server.votes()] == ["yes", "no", "no", "skip"]

        page.keyboard.press("Z")  # Caps Lock
        page.wait_for_selector("[data-answer=skip].before")
        page.wait_for_selector("body:not([data-busy])")
        cyrillic = "new KeyboardEvent('keydown', { key: 'ы', code: 'KeyS', bubbles: true })"
        page.evaluate(f"document.body.dispatchEvent({cyrillic})")
        page.wait_for_selector("body:not([data-busy])")
        press(page, "l")
        page.wait_for_selector("#zoom", state="visible")
        page.keyboard.press("y")  # answers nothing
        page.keyboard.press("l")
        assert page.locator("#zoom").is_hidden()
        page.keyboard.press("?")
        assert page.locator("#keys").is_visible()
        page.keyboard.press("y")  # answers nothing while the list is open
        page.keyboard.press("Escape")
        page.keyboard.press("p")
        page.wait_for_selector("#panel-reviewers td")
        page.keyboard.press("Escape")
        assert page.locator("#panel").is_hidden()

        page.keyboard.press("g")
        page.wait_for_selector("#grid", state="visible")
        tiles = page.locator("#tiles button").count()
        assert tiles > 2
        label = page.locator("#grid-label").inner_text()
        press(page, ["ArrowRight", " ", "ArrowRight", " "])
        assert page.locator("#live").inner_text() == "marked as wrong (2)"  # the same words once more are read out too
        page.keyboard.press("u")
        assert page.evaluate("document.activeElement.getAttribute('aria-label')").endswith("unsure")
        assert page.locator("#confirm-text").inner_text() == f"1 wrong, {tiles - 2} right, 1 unsure"
        page.keyboard.press("Enter")
        votes = server.wait_for(4 + tiles)[4:]
        assert {vote.label for vote in votes} == {label}
        assert [vote.answer for vote in votes] == ["yes", "no", "unsure"] + ["yes"] * (tiles - 3)
        press(page, "z")  # the whole grid comes back, with its marks
        page.wait_for_selector(f"#tiles button:nth-child({tiles})")
        state(page, "saved")
        assert len(server.votes()) == 4
        marks = page.locator("#tiles button").evaluate_all("tiles => tiles.map(tile => tile.dataset.answer)")
        assert marks[:3] == ["yes", "no", "unsure"]


def test_who_leaves_a_grid_with_marks_is_told_and_the_marks_stay(browser, serve):
    server = serve()
    with reviewing(browser, server, "ana", mode="grid") as page:
        asked = []
        page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))

        def marks():
            page.wait_for_selector("#grid", state="visible")
            page.wait_for_selector("body:not([data-busy])")
            return page.locator("#tiles button").evaluate_all("tiles => tiles.map(tile => tile.dataset.answer)")

        tiles = len(marks())
        page.keyboard.press("g")  # nothing is marked: nothing to say
        assert shown(page)
        assert "not sent" not in page.locator("#note").inner_text()
        page.keyboard.press("g")
        marks()
        press(page, ["ArrowRight", " "])
        page.keyboard.press("g")
        page.wait_for_selector("#single", state="visible")
        kept = f"{tiles} images of the grid are not sent yet: it keeps your marks"
        page.wait_for_function("kept => document.querySelector('#note').textContent === kept", arg=kept)
        page.keyboard.press("g")
        wanted = ["yes", "no"] + ["yes"] * (tiles - 2)
        assert marks() == wanted

        page.close(run_before_unload=True)
        stays = f"{tiles} images of this grid are not sent until you confirm them"
        page.wait_for_function("stays => document.querySelector('#note').textContent === stays", arg=stays)
        assert asked == ["beforeunload"]
        press(page, ["Enter"])
        assert [vote.answer for vote in server.wait_for(tiles)] == wanted
        assert marks()
        press(page, [" ", "z"])  # another one, half done, has to wait
        assert marks() == wanted
        press(page, ["Enter"])
        page.wait_for_function("document.querySelector('#tiles button').dataset.answer === 'no'")
        state(page, "saved")
        assert len(server.votes()) == tiles


def test_what_was_skipped_is_asked_again_at_the_end(browser, serve):
    server = serve(tasks=3)
    with reviewing(browser, server, "ana") as page:
        press(page, "sys")
        page.locator("#again").click()
        page.wait_for_selector("#single", state="visible")
        press(page, "sn")
        page.wait_for_selector("#end", state="visible")
        state(page, "saved")
        assert sorted(vote.answer for vote in server.wait_for(3)) == ["no", "skip", "yes"]


def test_on_a_phone_nothing_is_cut_off_and_everything_can_be_touched(browser, serve):
    server = serve()
    fits = "document.documentElement.scrollWidth <= innerWidth"
    small = """() => [...document.querySelectorAll('button, input:not([type=radio]), select, label.choice')]
        .filter(item => item.checkVisibility({visibilityProperty: true}))
        .map(item => [item.outerHTML.slice(0, 60), item.getBoundingClientRect()])
        .filter(([, box]) => box.width < 44 || box.height < 44 || box.left < 0 || box.right > innerWidth)
        .map(([html]) => html)"""
    options = {"viewport": PHONE, "has_touch": True, "is_mobile": True}
    with reviewing(browser, server, "ana", **options) as page:
        assert page.evaluate(fits)
        assert page.evaluate(small) == []
        assert page.evaluate("document.documentElement.scrollHeight <= innerHeight")
        stage = page.locator("#stage").bounding_box()
        for answer in ("yes", "no"):
            page.wait_for_selector("body:not([data-busy])")
            page.locator(f"[data-answer={answer}]").tap()
            assert page.locator("#stage").bounding_box() == stage  # nothing moves
        page.wait_for_selector("body:not([data-busy])")
        middle = stage["x"] + stage["width"] / 2, stage["y"] + stage["height"] / 2
        page.mouse.move(*middle)
        page.mouse.down()
        page.mouse.move(middle[0] - 150, middle[1], steps=4)
        page.mouse.up()
        assert [vote.answer for vote in server.wait_for(3)] == ["yes", "no", "no"]
        page.locator("#switch").tap()
        page.wait_for_selector("#grid", state="visible")
        assert page.evaluate(fits)
        assert page.evaluate(small) == []
        page.locator("#tiles button").nth(1).tap()
        page.locator("#confirm").tap()
        assert [vote.answer for vote in server.wait_for(5)][3:5] == ["yes", "no"]
        assert page.evaluate(fits)
        for width, height in ((740, 360), (667, 375)):  # on its side
            page.set_viewport_size({"width": width, "height": height})
            page.wait_for_selector("body:not([data-busy])")
            page.locator("#switch").tap()
            page.wait_for_selector("#single", state="visible")
            assert page.evaluate(fits)
            assert page.evaluate(small) == []
            assert page.evaluate("document.documentElement.scrollHeight <= innerHeight")
            assert page.locator("#image").bounding_box()["height"] > 0.7 * height
            page.locator("#switch").tap()
            page.wait_for_selector("#grid", state="visible")
            assert page.evaluate(fits)
            assert page.evaluate(small) == []


def test_a_killed_server_loses_and_doubles_nothing_and_the_page_goes_on(browser, serve):
    server = serve(Server)
    with reviewing(browser, server, "ana") as page:
        press(page, "ynu")
        server.wait_for(2)
        page.wait_for_selector('body[data-ahead="4"]')  # the next images are there
        server.stop()
        press(page, "yy")
        state(page, "offline")
        assert "kept here" in page.locator("#alert").inner_text()
        server.start()
        page.locator("#saved").click()  # try now
        state(page, "saved")
        page.wait_for_selector("#alert", state="hidden")
        press(page, "znn")
        state(page, "saved")
        votes = server.wait_for(6)
        assert answered(page) == 6
    assert [vote.answer for vote in votes] == ["yes", "no", "unsure", "yes", "no", "no"]
    assert len({(vote.sample, vote.label) for vote in votes}) == len(votes)
    with VoteStore(server.file) as store:
        assert len(store.history()) == 7
    # All were asked by the first server, also what was kept ready and answered when the second was there.
    assert [vote.sitting for vote in votes] == [0, 0, 0, 0, 0, 0]


def test_a_browser_that_keeps_nothing_loses_nothing_while_its_tab_is_open(browser, serve):
    server = serve()
    full = "() => { Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError'); }; }"
    with reviewing(browser, server, "ana") as page:
        page.evaluate(full)
        press(page, "yn")
        assert len(server.wait_for(2)) == 2
        page.route("**/api/votes", lambda route: route.abort())
        press(page, "y")
        state(page, "offline")
        assert "in this tab only" in page.locator("#alert").inner_text()
        page.unroute("**/api/votes")
        page.locator("#saved").click()
        state(page, "saved")
        press(page, "g")
        page.wait_for_selector("#grid", state="visible")
        tiles = page.locator("#tiles button").count()
        press(page, ["Enter"])
        assert len(server.wait_for(3 + tiles)) == 3 + tiles


def test_nothing_is_answered_before_its_image_is_there(browser, serve):
    server = serve()
    held, broken = [], []

    def image(route):
        address = route.request.url
        if held is not None:
            held.append(route)
        elif any(part in address for part in broken):
            route.fulfill(status=422, json={"detail": "the image cannot be shown"})
        else:
            route.continue_()

    def let_go():
        nonlocal held
        waiting, held = held, None
        for route in waiting:
            image(route)

    context = browser.new_context(viewport=DESKTOP)
    page = context.new_page()
    page.route("**/image/*", image)
    page.goto(server.url)
    begin(page, "ana")
    page.wait_for_selector("#stage.loading")
    page.keyboard.press("y")
    page.locator("[data-answer=no]").click()
    assert page.evaluate("getComputedStyle(document.getElementById('image')).visibility") == "hidden"
    assert server.votes() == []
    let_go()
    press(page, "u")
    assert [vote.answer for vote in server.wait_for(1)] == ["unsure"]

    page.wait_for_selector("body:not([data-busy])")
    held = []
    page.keyboard.press("g")
    page.wait_for_selector("#tiles button")
    tiles = page.locator("#tiles button").count()
    assert page.locator("#confirm").is_disabled()
    page.keyboard.press("Enter")
    assert len(server.votes()) == 1
    broken.append(page.locator("#tiles img").first.get_attribute("src"))
    let_go()
    press(page, ["Enter"])
    answers = [vote.answer for vote in server.wait_for(1 + tiles)][1:]
    assert answers == ["unsure"] + ["yes"] * (tiles - 1)  # nobody has seen the first one
    context.close()


def test_what_was_answered_for_other_votes_is_kept_for_them(browser, serve, tmp_path):
    server = serve()
    with reviewing(browser, server, "ana") as page:
        page.wait_for_selector('body[data-ahead="4"]')
        server.stop()
        press(page, "yn")
        state(page, "offline")
        mine, server.file = server.file, tmp_path / "votes.sqlite"
        shutil.copytree(mine.parent / "samples", tmp_path / "samples")
        for name in ("corpus.json", "graph.nt"):
            shutil.copy(mine.parent / name, tmp_path / name)
        server.start()
        page.wait_for_selector("#start", state="visible")  # loaded again, by itself
        page.locator("#start form button[type=submit]").click()
        press(page, "u")
        assert [vote.answer for vote in server.wait_for(1)] == ["unsure"]
        server.stop()
        server.file = mine
        server.start()
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        assert [vote.answer for vote in server.wait_for(2)] == ["yes", "no"]
        page.wait_for_selector("#start", state="visible")


def test_a_duplicated_tab_is_a_tab_of_its_own_and_undo_outlives_loading_the_page_again(browser, serve):
    server = serve()
    with reviewing(browser, server, "ana") as page:
        with page.expect_popup() as opened:  # gets a copy of sessionStorage
            page.evaluate("open(location.href)")
        other = opened.value
        other.locator("#start button.main").click()
        other.wait_for_selector("#single", state="visible")
        assert shown(other) != shown(page)
        for tab in (page, other):
            tab.route("**/api/votes", lambda route: route.abort())
        press(page, "yyy")
        press(other, "nn")
        for tab in (page, other):
            state(tab, "offline")
            tab.unroute("**/api/votes")
        other.close()
        page.reload()
        votes = server.wait_for(5)
        assert sorted(vote.answer for vote in votes) == ["no", "no", "yes", "yes", "yes"]
        assert len({(vote.sample, vote.label) for vote in votes}) == 5
        page.locator("#start button.main").click()
        page.wait_for_selector("#single", state="visible")
        press(page, "z")
        page.wait_for_selector("[data-answer=yes].before")
        state(page, "saved")
        assert len(server.votes()) == 4


def test_names_are_remembered_or_refused_and_one_label_can_be_chosen(browser, serve):
    server = serve()
    with reviewing(browser, server, "ana") as page:
        page.reload()
        page.locator("#name").wait_for()
        assert page.locator("#name").input_value() == "ana"  # and not zoe, whom the server proposes
        page.locator("#name").fill("ana\u202e")
        page.keyboard.press("Enter")
        page.locator("#start-refused", has_text="printable").wait_for()
        page.locator("#only").select_option("dog")
        begin(page, "ana", "grid")
        tiles = page.locator("#tiles button").count()
        press(page, ["Enter"])
        page.locator("#end-text", has_text="dog").wait_for()
        assert {vote.label for vote in server.wait_for(tiles)} == {"dog"}
        page.locator("#all-labels").click()
        page.wait_for_selector("#grid", state="visible")


def test_the_end_holds_nothing_back_and_a_question_that_others_answered_goes(browser, serve):
    server = serve(tasks=3)
    look = "document.dispatchEvent(new Event('visibilitychange'))"

    def answer(task, reviewer):
        sample, label = f"s{task.row:02d}", "cat dog owl".split()[task.label]
        vote = Vote(f"{task.row}-{task.label}", sample, label, reviewer, "yes")
        server.store.add([vote])
        server.queue.record([vote])
        return vote

    with reviewing(browser, server, "ana") as page:
        first, _, third = server.queue.tasks
        asked = []  # how many questions, each time
        page.on("request", lambda request: "/api/next" in request.url and asked.append(request.post_data_json["count"]))
        before = shown(page)
        answer(first, "ben")
        page.evaluate(look)  # the tab is looked at again
        page.wait_for_function(
            "before => document.querySelector('#image').getAttribute('src') !== before", arg=before[0]
        )
        press(page, "y")
        vote = answer(third, "ben")
        page.evaluate(look)
        page.locator("#end-text", has_text="All 3").wait_for()
        server.queue.forget(vote.sample, vote.label, "ben", answer=None, session="b")
        server.queue.release("ben", "b")
        page.evaluate(look)
        page.wait_for_selector("#single", state="visible")  # there is work again
        assert 0 in asked  # at the end, and only there


def test_a_closed_browser_loses_nothing_either(browser, serve):
    server = serve()
    with reviewing(browser, server, "ana") as page:
        page.route("**/api/votes", lambda route: route.abort())
        press(page, "yn")
        state(page, "offline")
        assert server.votes() == []
        page.unroute("**/api/votes")
        again = page.context.new_page()
        page.close()
        again.goto(server.url)
        assert [vote.answer for vote in server.wait_for(2)] == ["yes", "no"]


def test_words_of_the_corpus_stay_words(browser, serve):
    server = serve()
    with reviewing(browser, server, "<b>ana</b>") as page:
        assert page.locator("#words .title").inner_text() == EVIL
        page.keyboard.press("g")
        page.wait_for_selector("#tiles button")
        assert page.locator("#tiles .caption").first.inner_text() == EVIL
        press(page, ["Enter", "p"])
        page.wait_for_selector("#panel-reviewers td")
        assert "<b>ana</b> (you)" in page.locator("#panel-reviewers").inner_text()
        assert page.title() != "broken-in"
        assert page.locator("#words img, #panel b, .caption img").count() == 0
