"""The page: self-contained, safe, honest on its first screen, and right about the sides."""

from __future__ import annotations

import base64
import dataclasses
import itertools
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from pages import Page

from palsy_cli.clinic.definitions import DEFINITIONS
from palsy_cli.config import GradeSettings, load_settings
from palsy_cli.records import ALL_AUS, CORE_AUS, ActionUnits, Assessment, Grades, Measure, ScaleItem, ScaleScore
from palsy_cli.report import words
from palsy_cli.report.html_report import render_html
from palsy_cli.report.page.explained import EXPLAINED
from palsy_cli.report.schematic import PULLS
from palsy_cli.report.terms import AU_NAMES, NOTICE
from palsy_cli.report.words import symptom_settings
from palsy_cli.stages.grade_fusion import join_opinions
from palsy_cli.stages.symptoms import find_symptoms


@pytest.fixture(scope="module")
def html(assessment: Assessment) -> str:
    return render_html(assessment)


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def test_every_element_is_closed(page: Page) -> None:
    assert page.open == []
    assert len(page.elements) > 500


def test_headings_are_in_order_and_links_lead_somewhere(page: Page) -> None:
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    ids = {attributes["id"] for _, attributes in page.elements if "id" in attributes}
    links = [attributes["href"] or "" for attributes in page.attributes("a")]
    assert len(links) > 30 and {link.removeprefix("#") for link in links} <= ids
    assert links[0] == "#evidence"  # what a keyboard reaches first skips the summary
    for _, attributes in page.elements:
        if "wide" in (attributes.get("class") or "").split():
            assert attributes["tabindex"] == "0" and attributes["role"] == "region" and attributes["aria-label"]


def test_every_measure_and_number_of_the_summary_is_explained(assessment: Assessment, page: Page) -> None:
    anchors = {attributes["href"] for attributes in page.attributes("a") if attributes.get("class") == "how"}
    assert anchors == {f"#how-{anchor}" for anchor in EXPLAINED}
    assert all(attributes["title"] for attributes in page.attributes("a") if attributes.get("class") == "how")
    rows = [attributes["data-measure"] for attributes in page.attributes("tr") if "data-measure" in attributes]
    made = {"rest", *(one.task for one in assessment.clinic.movements)}
    assert rows == [one.name for one in assessment.clinic.measures if one.task in made] and len(rows) > 15
    assert all(DEFINITIONS[name].formula in page.text for name in rows)


def test_nothing_runs_and_nothing_is_fetched(html: str, page: Page) -> None:
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"script", "iframe", "object", "embed", "link", "form", "base", "img"}
    for _, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on") or name in ("src", "xlink:href")]
        assert (attributes.get("href") or "#").startswith("#")
    assert "http://" not in html and "https://" not in html and "@import" not in html
    assert not re.search(r"url\((?!#)", html)
    policy = next(a["content"] for tag, a in page.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def test_first_screen_says_what_it_must(page: Page) -> None:
    start = page.text[: page.text.index("Movement over time")]
    assert NOTICE in start
    assert "drawn faces with simulated palsy only; no person's picture" in start
    assert "Left is weaker" in start and "Found on the left" in start
    assert "Medium" in start and "64 %" in start
    assert "III" in start and "expected 3.3" in start
    assert "292 of 300 frames usable (6 blurred, 2 no face found)" in start and "48 keyframes kept" in start
    assert "Sunnybrook" in start
    assert page.text.count(NOTICE) == 2


def test_grades_tell_what_they_rest_on(page: Page) -> None:
    assert "55 %" in page.text and "8 keyframes of strongest movement, at 1.7" in page.text


def test_arrows_of_both_sides_for_what_was_made_and_a_line_for_what_was_not(assessment: Assessment) -> None:
    made = {one.task for one in assessment.clinic.movements}
    text = Page(render_html(assessment)).text
    missing = [pull.name for pull in PULLS if not made & set(pull.tasks)]
    assert missing and f"No arrow, for not seen or not measured: {words.listed(missing)}." in text
    without = dataclasses.replace(assessment, clinic=dataclasses.replace(assessment.clinic, movements=()))
    assert all(pull.name in Page(render_html(without)).text for pull in PULLS)


@pytest.mark.parametrize(("network", "told"), [(1, True), (3, True), (4, False), (5, False), (6, False)])
def test_rule_and_networks_more_than_a_grade_apart_are_told_first(
    assessment: Assessment, network: int, told: bool
) -> None:
    chances = tuple(float(grade == network) for grade in range(1, 7))
    grades = dataclasses.replace(assessment.grades, house_brackmann=chances)
    scales = assessment.scales | {"house_brackmann": ScaleScore({}, 5.0, 5.0)}
    page = Page(render_html(dataclasses.replace(assessment, grades=grades, scales=scales)))
    assert "by rule: V" in page.text and ("They differ by more than one grade." in page.text) == told


def test_a_scale_and_a_measure_that_are_new_are_shown(assessment: Assessment) -> None:
    scales = assessment.scales | {"sydney": ScaleScore({"brow": ScaleItem(71.0, "measured")}, 60.0, 80.0)}
    text = Page(render_html(dataclasses.replace(assessment, scales=scales))).text
    assert "Sydney: 60 to 80" in text and "Brow 71 measured" in text


def test_notice_is_the_agreed_sentence() -> None:
    """Word for word: a change of this sentence is a decision, not an edit."""
    assert NOTICE.startswith("Research use only. This software is not a medical device, is not cleared or CE-marked, ")
    assert "must not be used to diagnose, monitor or treat patients or to decide on their care." in NOTICE
    assert NOTICE.endswith("may be wrong, and have not been validated for your population, camera or clinic.")
    assert len(NOTICE) == 287


def test_flip_exchanges_the_words(assessment: Assessment) -> None:
    units = assessment.action_units
    turned = dataclasses.replace(units, left=units.right, right=units.left)
    symptoms = find_symptoms(turned)
    text = Page(render_html(dataclasses.replace(assessment, action_units=turned, symptoms=symptoms))).text
    assert "Right is weaker" in text and "Found on the right" in text
    assert "Left is weaker" not in text and "Found on the left" not in text


def test_pairs_are_said_in_words(assessment: Assessment, page: Page) -> None:
    for pair in assessment.symptoms.pairs:
        trigger, response = AU_NAMES[pair.trigger_au], AU_NAMES[pair.response_au]
        said = (
            f"When AU{pair.trigger_au} ({trigger.name}: {trigger.muscle}) works on the {pair.trigger_side}, "
            f"AU{pair.response_au} ({response.name}: {response.muscle}) works too, on the {pair.side} only"
        )
        assert said in page.text


def test_curves_only_of_what_was_active(page: Page, assessment: Assessment) -> None:
    names = [a["aria-label"] or "" for a in page.attributes("svg") if a.get("class") == "curve"]
    active = [mean.au for mean in assessment.symptoms.action_units if mean.delta_am is not None]
    assert [int(name.split()[0].removeprefix("AU")) for name in names] == active
    assert 15 not in active and 12 in active


def test_every_item_of_a_scale_is_told_with_what_it_rests_on(assessment: Assessment) -> None:
    known = ScaleScore({f"item_{i}": ScaleItem(float(i), f"basis {i}") for i in range(12)}, 60.0, 70.0)
    scored = dataclasses.replace(assessment, scales={**assessment.scales, "sunnybrook": known})
    told = Page(render_html(scored)).text
    assert "Sunnybrook composite, 0 to 100: 60 to 70" in told
    table = told[told.index("Rests on") :]
    for score in scored.scales.values():
        for name, item in score.items.items():
            value = "–" if item.value is None else f"{item.value:.{0 if float(item.value).is_integer() else 2}f}"
            assert f"{name.replace('_', ' ').capitalize()} {value} {item.basis}" in table
        assert score.reason is None or score.reason in table


def test_every_figure_has_a_name(page: Page) -> None:
    for tag, attributes in page.elements:
        if tag == "svg":
            assert attributes.get("aria-hidden") == "true" or attributes.get("aria-label")


def test_ids_are_unique_and_numbers_finite(html: str, page: Page) -> None:
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for tag, attributes in page.elements:
        if tag in ("rect", "circle", "line", "path", "svg", "text"):
            assert "nan" not in " ".join(value or "" for value in attributes.values()).lower()


def test_hostile_names_stay_text(assessment: Assessment) -> None:
    evil = "<script>alert(1)<b>&\"'=cmd.mp4"
    clip = dataclasses.replace(assessment.clip, path=Path("secret folder") / evil)
    card = dataclasses.replace(assessment.models["ovpm"], trained_on="<img src=x onerror=alert(1)>")
    hostile = dataclasses.replace(assessment, clip=clip, models={"<b>ovpm": card}, warnings=("<iframe src=//x>",))
    html = render_html(hostile)
    page = Page(html)
    assert not {tag for tag, _ in page.elements} & {"script", "img", "iframe"}
    assert "secret folder" not in html
    assert evil in page.text


def test_photos_only_when_asked(assessment: Assessment, page: Page) -> None:
    assert not [tag for tag, _ in page.elements if tag == "img"]
    shown = Page(render_html(assessment, include_images=True))
    photos = [attributes for tag, attributes in shown.elements if tag == "img"]
    assert 1 <= len(photos) <= 12
    for attributes in photos:
        kind, _, payload = (attributes["src"] or "").partition(",")
        assert kind == "data:image/jpeg;base64" and attributes["alt"]
        picture = cv2.imdecode(np.frombuffer(base64.b64decode(payload), np.uint8), cv2.IMREAD_COLOR)
        assert max(picture.shape[:2]) <= 220
        red, blue = picture[:, :, 2].mean(), picture[:, :, 0].mean()
        assert red > blue  # the skin of the drawing is redder than blue: the channels were not exchanged


def still(assessment: Assessment, keyframes: int) -> Assessment:
    """A face that never moved, without grades or models."""
    fields = {
        f.name: getattr(assessment.keyframes, f.name)[:keyframes] for f in dataclasses.fields(assessment.keyframes)
    }
    units = ActionUnits(CORE_AUS, np.zeros((keyframes, 12)), np.zeros((keyframes, 12)))
    return dataclasses.replace(
        assessment,
        keyframes=dataclasses.replace(assessment.keyframes, **fields),
        action_units=units,
        symptoms=find_symptoms(units),
        grades=Grades(None, None, "no model was given", "no model was given"),
        models={},
        warnings=(),
    )


@pytest.mark.parametrize("keyframes", [0, 1, 5])
def test_nothing_to_assess_is_said_with_reasons(assessment: Assessment, keyframes: int) -> None:
    text = Page(render_html(still(assessment, keyframes))).text
    assert text.count("Not assessed") >= 4 and "Sunnybrook" in text
    assert "No weaker side" not in text and "None found" not in text
    assert "no model was given" in text.lower() and "No model was used" in text
    assert "No action unit was active" in text
    assert "AU43 and AU18" in text and "does not measure it" in text


def test_healthy_face_is_called_healthy(build) -> None:  # noqa: ANN001
    text = Page(render_html(build(left_strength=1.0, misrouted=False))).text
    assert "No weaker side" in text and "None found" in text
    assert text.count("within healthy variation") >= 3


def test_one_weak_region_is_not_hidden_by_the_sum(build) -> None:  # noqa: ANN001
    curves = {au: np.array([0.0, 4.0, 4.0]) for au in (1, 2, 4, 6, 12, 20, 25)}
    left = np.stack([curves.get(au, np.zeros(3)) for au in ALL_AUS], 1)
    right = left.copy()
    right[:, ALL_AUS.index(6)] = 1.0
    units = ActionUnits(ALL_AUS, left, right)
    symptoms = find_symptoms(units)
    assert symptoms.weak_side == "none"
    text = Page(render_html(build(symptoms=symptoms))).text
    assert "No weaker side overall" in text and "right weaker" in text


def test_pictures_have_no_time_axis(assessment: Assessment) -> None:
    clip = dataclasses.replace(assessment.clip, fps=None, kind="folder")
    page = Page(render_html(dataclasses.replace(assessment, clip=clip), include_images=True))
    assert "picture " in page.text and "frames per second" not in page.text
    assert not re.search(r"[0-9] s\b", page.text[: page.text.index("Measures in each movement")])
    assert not [1 for tag, a in page.elements if tag == "svg" and a.get("class") == "strip"]


def test_disagreeing_graders_are_reported(assessment: Assessment) -> None:
    grades = dataclasses.replace(assessment.grades, severity=(0.9, 0.1, 0.0, 0.0))
    assert "two graders disagree" in Page(render_html(dataclasses.replace(assessment, grades=grades))).text
    assert "two graders disagree" not in Page(render_html(assessment)).text


def test_opinions_far_apart_are_reported(assessment: Assessment) -> None:
    assert "Pictures alone" not in Page(render_html(assessment)).text
    for asymmetry, far in ((0.3, False), (0.9, True)):
        symptoms = dataclasses.replace(assessment.symptoms, relative=asymmetry, synkinesis_present=False)
        grades = join_opinions(assessment.grades, symptoms, GradeSettings())
        text = Page(render_html(dataclasses.replace(assessment, grades=grades))).text
        assert "Pictures alone: grade III." in text and ("far apart" in text) == far


def test_thresholds_are_those_of_the_run(assessment: Assessment) -> None:
    used = assessment.run.settings["symptoms"]
    settings = assessment.run.settings | {"symptoms": used | {"dead_zone_relative": 0.33, "min_support": 9}}
    run = dataclasses.replace(assessment.run, settings=settings)
    changed = dataclasses.replace(assessment, run=run)
    assert symptom_settings(changed).dead_zone_relative == 0.33
    text = Page(render_html(changed)).text
    assert "at most 33 %" in text and "at least 9 keyframes" in text


def test_paper_profile_is_explained_as_such(assessment: Assessment) -> None:
    settings = dataclasses.asdict(load_settings(profile="paper"))
    run = dataclasses.replace(assessment.run, profile="paper", settings=settings)
    paper = dataclasses.replace(assessment, run=run)
    paper = dataclasses.replace(paper, symptoms=find_symptoms(paper.action_units, symptom_settings(paper)))
    text = Page(render_html(paper)).text
    assert "no dead zone" in text and "eyes AU5, AU6" in text


def test_every_unit_has_a_name() -> None:
    assert set(AU_NAMES) == set(ALL_AUS)


def test_symmetry_names_the_side_with_less_beyond_what_healthy_faces_show(assessment: Assessment) -> None:
    measures = (
        Measure("brow_excursion", "brow_raise", left=0.10, right=0.05),
        Measure("closure", "gentle_eye_closure", left=0.86, right=1.0),
        Measure("alar_lift", "snarl", left=0.050, right=0.049),
        Measure("commissure_excursion", "smile", reason="a side moved too little"),
    )
    clinic = dataclasses.replace(assessment.clinic, measures=measures)
    text = Page(render_html(dataclasses.replace(assessment, clinic=clinic))).text
    chart = text[text.index("Symmetry by region") : text.index("A full bar is symmetric")]
    assert "Brow 50 %, right less" in chart and "Eye 86 %, left less" in chart
    assert "Nose 98 %, within healthy variation" in chart
    assert "Mouth, smile – smile: a side moved too little" in chart and "Lower lip – not measured" in chart
