"""Figures of schedules, samples and slices show the numbers they were given, and promise what every figure promises."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import pytest
from scipy import stats

import kdviz as kd
from kdviz.figures import parts

RNG = np.random.default_rng(0)
LABELS = ("<b>bad</b>", "fine & good", "$great$")
STEPS = np.arange(500)
TEACHER, STUDENT = np.array([-1.0, 0.5, 3.0]), RNG.normal(size=(40, 3))
PHIS = np.repeat([0.25, 0.5, 0.75, 1.0], 10)
SHARES = RNG.uniform(size=(300, 6))
FLIPPED = np.arange(300) < 60
TRUE = RNG.integers(0, 5, 200)
GIVEN, ANSWERS = (TRUE + 1) % 5, RNG.integers(0, 5, (200, 6))
RADII = np.linspace(-1, 1, 21)
BOWL = RADII**2 + 0.1
GRID = RADII[:, None] ** 2 + 2 * RADII**2
COST = {"KD": 20.0, "<b>CKD</b>": 30.0, "labels": 10.0, "slow": 90.0}
SCORES = {"KD": (0.6, 0.55, 0.65), "<b>CKD</b>": (0.7, 0.66, 0.74), "labels": (0.3, 0.2, 0.4), "slow": (0.65, 0.6, 0.7)}

NEARER = {"<b>KD</b>": {"answers": [0.5, 0.125], "maps": [1.0, 4.0]}, "CKD": {"answers": [1, 1], "maps": [0.5, 0.5]}}
FIGURES = {
    "schedule": lambda: kd.figures.schedule(
        STEPS, {"ψ": STEPS / 500, "<i>Φ</i>": np.sqrt(STEPS)}, title="How ψ and Φ grow"
    ),
    "growing_teacher": lambda: kd.figures.growing_teacher(range(40), PHIS, TEACHER, STUDENT, LABELS),
    "logit_path": lambda: kd.figures.logit_path(
        PHIS, TEACHER, {"student": STUDENT, "<b>x</b>": STUDENT + 1}, (0, 2), LABELS
    ),
    "best_of_draws": lambda: kd.figures.best_of_draws({"KD": [0.5, 0.7, 0.6, 0.4], "CKD": [0.6, 0.65, 0.7, 0.1]}),
    "curves": lambda: kd.figures.curves(
        [0, 0.2, 0.4], {"KD": SHARES[:5, :3], "<b>one</b>": SHARES[0, :3]}, title="Score against noise", x_title="noise"
    ),
    "checkpoint_search": lambda: kd.figures.checkpoint_search(
        [1, 2, 4], [0.5, 0.7, 0.9], {"small": SHARES[:5, :3], "<b>tiny</b>": SHARES[5:8, :3]}
    ),
    "memorised": lambda: kd.figures.memorised(
        range(1, 7), {"labels": ANSWERS, "<b>KD</b>": ANSWERS[:, ::-1]}, GIVEN, TRUE
    ),
    "sample_weights": lambda: kd.figures.sample_weights(
        range(6), SHARES, {"<b>flipped</b>": FLIPPED, "others": ~FLIPPED}
    ),
    "brought_nearer": lambda: kd.figures.brought_nearer(NEARER),
    "tradeoff": lambda: kd.figures.tradeoff(COST, SCORES, x_title="seconds"),
    "landscape": lambda: kd.figures.landscape(RADII, {"KD": BOWL, "<b>SWA</b>": np.stack([BOWL, BOWL / 2])}),
    "landscape_grid": lambda: kd.figures.landscape(RADII, {"KD": GRID, "<b>SWA</b>": GRID / 2}),
}


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_keeps_the_promises(name):
    figure = FIGURES[name]()
    assert type(figure) is go.Figure and len(figure.layout.title.text) > 10
    alt = figure.layout.meta["alt"]
    assert len(alt) > 60 and alt.endswith(".")
    assert figure.layout.xaxis.title.text and figure.layout.yaxis.title.text
    content = figure.to_json()
    assert len(content) <= 300_000
    shown = figure.to_dict()
    shown["layout"].pop("meta")
    for tag in ("<b>", "<i>", "$great$"):
        assert tag not in str(shown), f"{tag} would be read as markup"


def drawn(trace, axis="y"):
    return np.asarray(getattr(trace, axis), float)


def test_schedule_draws_every_curve_from_its_first_to_its_last_number():
    trace = FIGURES["schedule"]().data[0]
    x, y = drawn(trace, "x"), drawn(trace)
    assert len(x) <= 400 and x[0] == 0 and x[-1] == 499
    np.testing.assert_allclose(y, x / 500, rtol=1e-3)


def test_the_growing_teacher_is_phi_times_its_logits_at_every_step():
    figure = FIGURES["growing_teacher"]()
    chosen = np.unique(np.linspace(0, 39, 25).round().astype(int))
    assert len(figure.frames) == len(chosen) == len(figure.layout.sliders[0].steps)
    for frame, step in zip(figure.frames, chosen):
        np.testing.assert_allclose(drawn(frame.data[0]), PHIS[step] * TEACHER, atol=1e-4)
        np.testing.assert_allclose(drawn(frame.data[1]), STUDENT[step], atol=1e-4)
    np.testing.assert_allclose(drawn(figure.data[1]), STUDENT[-1], atol=1e-4)


def test_the_path_goes_through_the_chosen_classes():
    target, student, _ = FIGURES["logit_path"]().data
    np.testing.assert_allclose(drawn(target, "x"), [-0.25, -0.5, -0.75, -1.0], rtol=1e-3)
    np.testing.assert_allclose(drawn(target), [0.75, 1.5, 2.25, 3.0], rtol=1e-3)
    np.testing.assert_allclose(drawn(student, "x"), STUDENT[:, 0], rtol=1e-3)
    np.testing.assert_allclose(drawn(student), STUDENT[:, 2], rtol=1e-3)


def test_curves_are_means_with_t_intervals():
    several, single = FIGURES["curves"]().data
    np.testing.assert_allclose(drawn(several), SHARES[:5, :3].mean(0), rtol=1e-3)
    by_hand = 2.7764 * SHARES[:5, :3].std(0, ddof=1) / np.sqrt(5)  # t with 4 degrees of freedom
    np.testing.assert_allclose(np.asarray(several.error_y.array), by_hand, rtol=2e-3)
    assert single.error_y.array is None
    assert "95 % interval" in FIGURES["curves"]().layout.yaxis.title.text
    alone = kd.figures.curves([0, 1], {"one": [0.2, 0.4]}, title="One run", x_title="noise")
    assert alone.layout.yaxis.title.text == "accuracy"  # nothing is said of an interval that is not there


def test_the_search_marks_the_best_checkpoint_of_every_student():
    figure = FIGURES["checkpoint_search"]()
    teacher, small, tiny, *stars = figure.data
    np.testing.assert_allclose(drawn(teacher), [0.5, 0.7, 0.9], rtol=1e-3)
    assert teacher.line.color == kd.theme.colour("teacher") and len(stars) == 2
    for line, star, rows in ((small, stars[0], SHARES[:5, :3]), (tiny, stars[1], SHARES[5:8, :3])):
        best = rows.mean(0).argmax()
        assert star.x == ([1, 2, 4][best],) and star.marker.color == line.line.color
        np.testing.assert_allclose(drawn(star), [rows.mean(0).max()], rtol=1e-3)
        assert f"with checkpoint {[1, 2, 4][best]}" in figure.layout.meta["alt"]


def test_memorised_items_are_those_answered_with_their_wrong_label():
    figure = FIGURES["memorised"]()
    first, second = figure.data
    assert first.visible and not second.visible
    fooled = (GIVEN[:, None] == ANSWERS).sum(1)
    kept = np.unique(np.linspace(0, 199, 150).round().astype(int))
    shown = drawn(first, "z")
    np.testing.assert_array_equal((shown == 2).sum(1), np.sort(fooled)[kept])
    order = np.argsort(fooled, kind="stable")[kept]
    np.testing.assert_array_equal(shown == 0, ANSWERS[order] == TRUE[order, None])
    assert figure.layout.meta["notes"] == ["150 of 200 items"] or figure.layout.meta["notes"] == ("150 of 200 items",)
    assert f"labels: {(GIVEN[:, None] == ANSWERS)[:, 0].mean():.0%} memorised at first" in figure.layout.meta["alt"]
    buttons = figure.layout.updatemenus[0].buttons
    assert [button.args[0]["visible"] for button in buttons] == [[True, False], [False, True]]
    np.testing.assert_array_equal(drawn(second, "z")[:, 0] == 2, shown[:, -1] == 2)


def test_groups_of_samples_are_drawn_apart():
    flipped, others = FIGURES["sample_weights"]().data
    np.testing.assert_allclose(drawn(flipped), SHARES[:60].mean(0), rtol=1e-3)
    half = stats.t.ppf(0.975, 59) * SHARES[:60].std(0, ddof=1) / 60**0.5
    np.testing.assert_allclose(flipped.error_y.array, half, rtol=1e-2)
    np.testing.assert_allclose(drawn(others), SHARES[60:].mean(0), rtol=1e-3)


def test_gaps_are_shares_of_those_before_and_their_means_geometric():
    figure = kd.figures.brought_nearer(NEARER)
    np.testing.assert_allclose(np.asarray(figure.data[0].z, float), [[-2, 1], [0, -1]], atol=1e-3)
    assert [list(row) for row in figure.data[0].text] == [["0.25", "2.00"], ["1.00", "0.50"]]
    assert "Nearest by answers: <b>KD</b> (0.25); maps: CKD (0.50)" in figure.layout.meta["alt"]


def test_a_walk_is_drawn_over_its_contours_around_the_mean():
    walk = np.array([[-1.0, 0.5], [0.0, -0.25], [1.0, 0.75]])
    first, second, line, star = kd.figures.landscape(RADII, {"KD": GRID, "SWA": GRID}, path={"SWA": walk}).data
    assert (line.xaxis, star.xaxis) == (second.xaxis, second.xaxis) != (first.xaxis, first.xaxis)
    np.testing.assert_allclose(np.stack([drawn(line, "x"), drawn(line)], 1), walk)
    assert (star.x[0], star.y[0]) == (0, 0)


def test_the_front_holds_what_nothing_cheaper_equals():
    front, dots = FIGURES["tradeoff"]().data
    assert drawn(front, "x").tolist() == [10, 20, 30] and drawn(dots, "x").tolist() == [10, 20, 30, 90]
    np.testing.assert_allclose(drawn(front), [0.3, 0.6, 0.7], rtol=1e-3)
    np.testing.assert_allclose(dots.error_y.array, [0.1, 0.05, 0.04, 0.05], rtol=1e-2)


def test_a_note_has_a_line_of_its_own_above_the_menu():
    draw = lambda rows, methods: kd.figures.memorised(  # noqa: E731
        [1, 2], {name: np.zeros((rows, 2)) for name in methods}, np.ones(rows), np.zeros(rows)
    )
    few, many = draw(20, ["KD", "labels"]), draw(400, ["KD", "labels"])
    assert (few.layout.meta["notes"], many.layout.meta["notes"]) == ([], ["150 of 400 items"])
    assert many.layout.margin.t - few.layout.margin.t >= 18 and len(many.layout.updatemenus) == 1
    assert not draw(400, ["KD"]).layout.updatemenus


def test_names_of_methods_cover_neither_each_other_nor_a_dot():
    # five dots around one place: four names find a side each, the first named first, the fifth is said on hover
    x, y = [1, 100, *[10] * 5], [0, 1, *[0.5] * 5]
    sides = parts.free_sides(np.log(x), y, [5] * 7, (700, 360), [6, 5])
    assert sorted(map(str, sides[2:])) == ["None", "bottom center", "middle left", "middle right", "top center"]
    assert sides[6] == "top center" and sides[5] == "bottom center"
    # in the middle a long name stands above its dot, at the edges where it does not leave the picture
    in_a_row = lambda letters, **more: parts.free_sides([0, 1, 2], [0.5] * 3, [letters] * 3, (700, 360), **more)
    assert in_a_row(30) == ["middle right", "top center", "middle left"]
    assert in_a_row(5) == ["top center"] * 3
    assert in_a_row(30, ranges=[(-5, 5), (0, 1)]) == ["top center", "bottom center", "middle right"]  # 70 pixels apart


def test_a_name_without_room_is_told_on_hover():
    names = [f"method {number}" for number in range(30)] + ["far"]
    cost = {name: 20 + number / 30 for number, name in enumerate(names)} | {"far": 40}
    scores = {name: (0.5 + number % 7 / 100,) * 3 for number, name in enumerate(names)} | {"far": (0.9,) * 3}
    dots = kd.figures.tradeoff(cost, scores, x_title="seconds").data[1]
    assert "far" in dots.text and "" in dots.text and set(dots.hovertext) == set(names)


def test_slices_are_what_was_measured():
    line, *_ = FIGURES["landscape"]().data
    np.testing.assert_allclose(drawn(line), BOWL, rtol=1e-3)
    mean = [trace for trace in FIGURES["landscape"]().data if trace.line.width == 3][1]
    np.testing.assert_allclose(drawn(mean), 0.75 * BOWL, rtol=1e-3)
    first, second = FIGURES["landscape_grid"]().data
    np.testing.assert_allclose(drawn(first, "z"), GRID, rtol=2e-3, atol=1e-6)
    assert first.coloraxis == second.coloraxis  # one scale, or the pictures could not be compared


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: kd.figures.schedule([1, 2], {"ψ": [1]}, title="x"), "'ψ' has"),
        (lambda: kd.figures.growing_teacher(range(3), PHIS, TEACHER, STUDENT, LABELS), "3 steps and 3 labels"),
        (lambda: kd.figures.logit_path(PHIS, TEACHER, {"s": STUDENT[:, :2]}, (0, 1), LABELS), r"shape \(40, 2\)"),
        (lambda: kd.figures.curves([1], {"s": [[1, 2]]}, title="x", x_title="y"), r"shape \(1, 2\)"),
        (
            lambda: kd.figures.memorised([1, 2], {"KD": ANSWERS}, GIVEN, TRUE),
            r"shape \(200, 6\); wanted are \(200, 2\)",
        ),
        (
            lambda: kd.figures.memorised([1], {"KD": ANSWERS[:, :1]}, np.r_[TRUE[:3], GIVEN[3:]], TRUE),
            "3 of 200 labels are right",
        ),
        (lambda: kd.figures.checkpoint_search([1], [0.5], {"s": [[1, 2]]}), r"shape \(1, 2\)"),
        (lambda: kd.figures.sample_weights(range(6), SHARES, {"none": FLIPPED & ~FLIPPED}), "'none' has no member"),
        (lambda: kd.figures.sample_weights(range(5), SHARES, {"all": FLIPPED}), "do not fit 5 visits"),
        (lambda: kd.figures.tradeoff({"KD": 1}, SCORES, x_title="s"), "cost is of KD, scores of <b>CKD</b>, KD"),
        (lambda: kd.figures.tradeoff(COST | {"KD": 0}, SCORES, x_title="s"), "must be above 0, got {'KD': 0}"),
        (lambda: kd.figures.landscape(RADII, {"KD": BOWL[:3]}), "21 radii"),
        (lambda: kd.figures.brought_nearer({"KD": {"a": [0]}}), r"'KD' has ratios \[0.0\]: they must be above 0"),
        (lambda: kd.figures.brought_nearer({"KD": {"a": [1]}, "CKD": {"b": [1]}}), "'CKD' is measured by b; 'KD' by a"),
        (lambda: kd.figures.landscape(RADII, {"KD": GRID}, path={"SWA": [[0, 0]]}), "a path of SWA, losses of KD"),
        (lambda: kd.figures.landscape(RADII, {"KD": BOWL}, path={"KD": [[0, 0]]}), "drawn over contours"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(make, words):
    with pytest.raises(ValueError, match=words):
        make()
