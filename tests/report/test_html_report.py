"""The page: self-contained, safe, honest on its first screen, and right about the sides."""

from __future__ import annotations

import base64
import dataclasses
import re
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest
from factories import make_assessment

from palsy_cli.clinic.definitions import DEFINITIONS
from palsy_cli.clinic.examine import examine
from palsy_cli.config import ClinicSettings, GradeSettings
from palsy_cli.records import ALL_AUS, CORE_AUS, ActionUnits, Assessment, Grades, ScaleItem, ScaleScore
from palsy_cli.report.html_report import UNIT_PLACES, render_html
from palsy_cli.report.json_report import clinic_dict
from palsy_cli.report.terms import AU_NAMES, NOTICE
from palsy_cli.report.words import symptom_settings
from palsy_cli.stages.grade_fusion import join_opinions
from palsy_cli.stages.symptoms import find_symptoms


class Page(HTMLParser):
    """Elements, their attributes, and the text as a reader sees it."""

    VOID = {"meta", "img", "br", "link", "input", "hr"}

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in ("style", "title"):
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.words))


@pytest.fixture(scope="module")
def html(assessment: Assessment) -> str:
    return render_html(assessment)


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def test_every_element_is_closed(page: Page) -> None:
    assert page.open == []
    assert len(page.elements) > 500


def test_nothing_runs_and_nothing_is_fetched(html: str, page: Page) -> None:
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"script", "iframe", "object", "embed", "link", "form", "base", "a", "img"}
    for _, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on") or name in ("src", "href", "xlink:href")]
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
    assert "III" in start and "55 %" in start and "Expected value 3.3" in start
    assert "48 keyframes" in start and "8 keyframes of strongest movement, at 1.7" in start
    assert "292 of 300 frames usable (6 blurred, 2 no face found)" in start
    assert page.text.count(NOTICE) == 2


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
    names = [a.get("aria-label") or "" for tag, a in page.elements if tag == "svg" and a.get("class") == "curve"]
    active = [mean.au for mean in assessment.symptoms.action_units if mean.delta_am is not None]
    assert [int(re.match(r"AU(\d+)", name).group(1)) for name in names] == active  # type: ignore[union-attr]
    assert 15 not in active and 12 in active


def test_every_measure_is_told_as_the_json_tells_it() -> None:
    plain = make_assessment()
    measured = examine(
        plain.track, plain.landmarks, plain.keyframes, plain.action_units, ClinicSettings(ipd_mm=62.0)
    ).clinic
    assessment = dataclasses.replace(plain, clinic=measured)
    told = unescape(render_html(assessment))
    table = told[told.index("Measures in each movement") : told.index("Clinical scales by rule")]
    assert "62.0 ± 0.5 mm between the eyes" in table
    rows = re.findall(r"<tr><td>([^<]+)</td>(.*?)</tr>", table)
    kept = [m for m in clinic_dict(measured)["measures"] if m["reason"] != "this movement was not seen"]
    assert len(rows) == len(kept) > 20
    for (title, cells), one in zip(rows, kept, strict=True):
        assert title == DEFINITIONS[one["name"]].title
        shown = [float(text.replace("−", "-")) for text in re.findall(r">(−?[0-9.]+)(?: to the \w+)?<", cells)]
        factor = 100.0 if one["unit"] == "share" else 1.0
        values = [factor * v for v in (one["left"], one["right"]) if v is not None]
        values = values or [abs(one["middle"])]
        assert shown == pytest.approx(values, abs=0.51 * 10.0 ** -UNIT_PLACES[one["unit"]]), title


def test_every_item_of_a_scale_is_told_with_what_it_rests_on() -> None:
    plain = make_assessment()
    known = ScaleScore({f"item_{i}": ScaleItem(float(i), f"basis {i}") for i in range(12)}, 60.0, 70.0)
    assessment = dataclasses.replace(plain, scales={**plain.scales, "sunnybrook": known})
    told = unescape(render_html(assessment))
    assert "Sunnybrook composite, 0 to 100: 60 to 70" in told
    table = told[told.index("Clinical scales by rule") : told.index("Synkinesis: what moves together")]
    rows = re.findall(r'<tr><td>([^<]+)</td><td class="n">([^<]+)</td><td>([^<]+)</td></tr>', table)
    items = [item for score in assessment.scales.values() if score.reason is None for item in score.items.values()]
    assert len(rows) == len(items) > 10
    reasons = [score.reason for score in assessment.scales.values() if score.reason is not None]
    assert reasons and all(reason in table for reason in reasons)
    for (_, value, basis), item in zip(rows, items, strict=True):
        assert basis == item.basis
        assert value == "–" if item.value is None else float(value) == pytest.approx(item.value, abs=0.0051)


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
    assert text.count("Not assessed") >= 4
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
    page = Page(render_html(dataclasses.replace(assessment, clip=clip)))
    assert "picture 0" in page.text and "frames per second" not in page.text
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
    settings = {"symptoms": {"dead_zone_relative": 0.33, "min_support": 9}}
    run = dataclasses.replace(assessment.run, settings=settings)
    changed = dataclasses.replace(assessment, run=run)
    assert symptom_settings(changed).dead_zone_relative == 0.33
    text = Page(render_html(changed)).text
    assert "at most 33 %" in text and "at least 9 keyframes" in text


def test_paper_profile_is_explained_as_such(assessment: Assessment) -> None:
    run = dataclasses.replace(assessment.run, profile="paper", settings={})
    paper = dataclasses.replace(assessment, run=run)
    paper = dataclasses.replace(paper, symptoms=find_symptoms(paper.action_units, symptom_settings(paper)))
    text = Page(render_html(paper)).text
    assert "no dead zone" in text and "eyes AU5, AU6" in text


def test_every_unit_has_a_name() -> None:
    assert set(AU_NAMES) == set(ALL_AUS)
