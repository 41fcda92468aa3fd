"""The review page in a real browser: two reviewers, keyboard only, in a grid, on a phone."""

import threading

import review_page
from labelhedge.verify import Vote
from review_page import EVIL, PHONE, begin, press, reviewing, shown, state

folder, serve = review_page.folder, review_page.serve


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


def test_the_panel_counts_the_answers_that_were_on_their_way_when_it_was_opened(browser, serve):
    server = serve(tasks=3)
    add, asked = server.store.add, threading.Event()
    server.store.add = lambda votes: (asked.wait(20), add(votes))[1]
    with reviewing(browser, server, "ana") as page:
        press(page, "yp")
        page.locator("#panel-text", has_text="0 of 3").wait_for()
        asked.set()
        page.locator("#panel-text", has_text="1 of 3").wait_for()
        assert "ana (you)" in page.locator("#panel-reviewers").inner_text()
