"""What the checks have brought, from the history of a run's folder."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelhedge.errors import LabelhedgeError
from labelhedge.history import FILE, History, Score, Stage


def stage(checked, *, like="a", seeds=(0,), settings=None, **scores):
    return Stage(
        corpus=f"{checked}{like}",
        checked=checked,
        like=like,
        seeds=list(seeds),
        time="2026-11-25T12:00:00+00:00",
        scores={
            name: Score(settings=(settings or {}).get(name, {}), test=value, deviation=None, dev=value)
            for name, value in scores.items()
        },
    )


def test_the_gain_is_of_the_best_on_dev_for_each_hundred_images():
    history = History(stages=[stage(50, noisy=0.40), stage(150, noisy=0.41, hedge=0.44), stage(350, hedge=0.45)])
    assert history.gain() == pytest.approx(0.05 / 3)
    assert history.gain(-2) == pytest.approx(0.005)
    assert history.methods == ["hedge", "noisy"]
    last, whole = history.lines()
    assert "run before 200 more images were checked: hedge 44.0 → hedge 45.0 on test, +0.5 points per 100" in last
    assert "first run 300 more images were checked: noisy 40.0 → hedge 45.0 on test, +1.7 points per 100" in whole


@pytest.mark.parametrize("change", [{"like": "b"}, {"seeds": (0, 1)}, {"settings": {"noisy": {"rounds": 1}}}])
def test_only_like_is_compared_with_like(change):
    history = History(stages=[stage(50, noisy=0.4, **change), stage(90, noisy=0.5)])
    assert [found.checked for found in history.comparable] == [90]
    assert history.gain() is None
    assert history.lines() == []


def test_fewer_or_equally_many_checked_images_have_no_gain():
    assert History(stages=[stage(90, noisy=0.4), stage(50, noisy=0.5)]).gain() is None
    assert History(stages=[stage(90, noisy=0.4), stage(90, noisy=0.5)]).gain(-2) is None
    assert History().lines() == []
    assert History().methods == []


@given(st.lists(st.tuples(st.integers(0, 500), st.floats(0, 1)), min_size=2, max_size=6))
def test_gains_add_up(found):
    history = History(stages=[stage(checked, noisy=score) for checked, score in found])
    gain, more = history.gain(), found[-1][0] - found[0][0]
    if more > 0:
        assert gain * more / 100 == pytest.approx(found[-1][1] - found[0][1])
    else:
        assert gain is None


def test_it_is_what_was_saved_and_a_foreign_file_is_refused(tmp_path):
    history = History(stages=[stage(50, noisy=0.4)])
    history.save(tmp_path)
    assert History.load(tmp_path) == history
    assert [path.name for path in tmp_path.iterdir()] == [FILE]
    (tmp_path / FILE).write_text('{"stages": [{"checked": "many"}]}')
    with pytest.raises(LabelhedgeError, match=r"history.json: not a history of runs .* remove the file"):
        History.load(tmp_path)
