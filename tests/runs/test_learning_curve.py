"""What a training reports of its course is any JSON: what is a point of it, and what is not."""

import pytest

from recbench.runs.learning_curve import points_of

POINTS = [{"rows": 512, "HitRatio@1": 0.125}, {"rows": 600, "HitRatio@1": 0.25}]


def told(run, curve):
    """Return a run whose training reported this curve."""
    trained = run.record.trained
    more = trained.model_copy(update={"fit": {**trained.fit, "curve": curve}})
    return type(run)(run.folder, run.record.model_copy(update={"trained": more}))


@pytest.mark.parametrize(
    "curve",
    [
        *(None, 7, "curve", {"rows": 512}, [0.9, 0.7], [None], [[512, 0.5]]),
        [{"HitRatio@1": 0.5}],
        [{"rows": 512}],
        [{"rows": 0, "HitRatio@1": 0.5}],
        [{"rows": "512", "HitRatio@1": 0.5}],
        [{"rows": True, "HitRatio@1": 0.5}],
        [{"rows": 512, "HitRatio@1": None}],
        [{"rows": float("nan"), "HitRatio@1": 0.5}],
        [{"rows": 512, "HitRatio@1": float("inf")}],
        [{"rows": 10**400, "HitRatio@1": 0.5}],
    ],
    ids=lambda curve: str(curve)[:40],
)
def test_what_is_no_point_is_passed_over(made, curve):
    """What a plug-in's training reports is any JSON."""
    run = made([1, 0, 1, 0])
    assert list(points_of(told(run, curve).record)) == []
    if isinstance(curve, list):
        assert len(list(points_of(told(run, [*curve, *POINTS]).record))) == 2
