"""The review page in a real browser: its server, and what a person does there."""

import re
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
from labelhedge.verify import VoteStore

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
