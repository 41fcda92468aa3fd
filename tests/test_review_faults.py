"""The review page in a real browser when something fails: a killed server, a full storage, images that do not come."""

import shutil

import review_page
from labelhedge.verify import VoteStore
from review_page import DESKTOP, Server, answered, begin, press, reviewing, shown, state

folder, serve = review_page.folder, review_page.serve


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
