"""Norms as a record, as a setting, in a result, and beside a table of other channels."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from factories import make_assessment
from pages import Page

from palsy_cli.config import Settings, SymptomSettings, apply_values
from palsy_cli.errors import ConfigError, ModelError
from palsy_cli.manifest import run_info
from palsy_cli.norms import Norms, require_weights
from palsy_cli.records import ALL_AUS, CORE_AUS, Assessment
from palsy_cli.report.html_report import render_html
from palsy_cli.report.json_report import assessment_json
from palsy_cli.stages.cooccurrence import ANATOMICAL_EXCLUSIONS, EXTRA_PAIRS, cells_under_test
from palsy_cli.stages.symptoms import find_symptoms
from palsy_cli.stages.synkinesis import cell_thresholds


def norms_of(aus: tuple[int, ...], *, everywhere: bool = True, threshold: float = 0.0, **changes: Any) -> Norms:
    size = len(aus)
    cells = {"unexpected": ((everywhere,) * size,) * size, "thresholds": ((threshold,) * size,) * size}
    return Norms(**{"people": 20, "aus": aus, "models": {"ovpm": "a" * 64}, **cells, **changes})


def test_what_may_be_tested_at_all_stays_as_it_is() -> None:
    everything = cells_under_test(ALL_AUS, extra_channels=True, norms=norms_of(ALL_AUS))
    named = [(ALL_AUS[row], ALL_AUS[column]) for row, column in np.argwhere(everything).tolist()]
    assert len(named) == 12 * 11 - len(ANATOMICAL_EXCLUSIONS) + len(EXTRA_PAIRS)
    assert not set(named) & set(ANATOMICAL_EXCLUSIONS)
    assert not cells_under_test(ALL_AUS, extra_channels=True, norms=norms_of(ALL_AUS, everywhere=False)).any()


def test_channels_that_the_norms_lack_keep_the_prior() -> None:
    norms = norms_of(CORE_AUS, everywhere=False, threshold=0.7)
    tested = cells_under_test(ALL_AUS, extra_channels=True, norms=norms)
    prior = cells_under_test(ALL_AUS, extra_channels=True)
    assert not tested[:12, :12].any() and (tested[12:] == prior[12:]).all() and (tested[:, 12:] == prior[:, 12:]).all()
    limits = cell_thresholds(ALL_AUS, SymptomSettings(norms=norms))
    assert (limits[:12, :12] == 0.7).all() and (limits[12:] == 0.3).all() and (limits[:, 12:] == 0.3).all()


def test_norms_name_the_channels_not_their_place() -> None:
    aus = (12, 17)
    cells = {"unexpected": ((True, True), (False, True)), "thresholds": ((0.0, 0.4), (0.9, 0.0))}
    norms = norms_of(aus, **cells)
    row, column = CORE_AUS.index(17), CORE_AUS.index(12)
    assert not cells_under_test(CORE_AUS, extra_channels=False, norms=norms)[row, column]
    assert cells_under_test(CORE_AUS, extra_channels=False, norms=norms)[column, row]
    limits = cell_thresholds(CORE_AUS, SymptomSettings(norms=norms))
    assert (limits[row, column], limits[column, row]) == (0.9, 0.4)


def test_plain_values_give_the_same_norms() -> None:
    norms = norms_of((1, 2), threshold=0.25)
    stated = json.loads(json.dumps(dataclasses.asdict(norms)))
    assert Norms.of(stated) == norms and Norms.of(stated).digest() == norms.digest()
    settings = apply_values(Settings(), {"symptoms.norms": stated})
    assert settings.symptoms.norms == norms and settings.fingerprint() != Settings().fingerprint()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"people": -1}, "people is -1"),
        ({"aus": (1, 1)}, "each once"),
        ({"aus": (1, 99)}, "must be action units of"),
        ({"unexpected": ((True,), (True, True))}, "unexpected must have 2 rows of 2"),
        ({"thresholds": ((0.0, 1.5), (0.0, 0.0))}, "thresholds holds 1.5; it must be a number from 0 to 1"),
        ({"unexpected": ((1, True), (True, True))}, "unexpected holds 1; it must be true or false"),
        ({"models": {"ovpm": "abc"}}, "models.ovpm is 'abc'; it must be 64 hex digits"),
    ],
)
def test_impossible_norms_are_refused(change: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        dataclasses.replace(norms_of((1, 2)), **change)
    stated = dataclasses.asdict(norms_of((1, 2))) | change
    with pytest.raises(ConfigError, match=told):
        apply_values(Settings(), {"symptoms.norms": stated})


def test_the_right_weights_pass_and_others_do_not() -> None:
    norms = norms_of((1, 2))
    require_weights(norms, {"ovpm": "a" * 64, "algrnet": "b" * 64}, where=Path("models"))
    require_weights(Norms(), {}, where=Path("models"))
    with pytest.raises(
        ModelError, match="^models: ovpm is missing, the norms of 20 healthy people were measured with aaa"
    ):
        require_weights(norms, {}, where=Path("models"))


def test_a_result_says_whose_norms_were_used() -> None:
    plain, with_norms = (_assessed(norms) for norms in (Norms(), norms_of(ALL_AUS, threshold=1.0)))
    assert json.loads(assessment_json(plain))["run"]["norms"] is None
    data = json.loads(assessment_json(with_norms))
    digest = norms_of(ALL_AUS, threshold=1.0).digest()
    assert data["run"]["norms"] == {"people": 20, "sha256": digest}
    assert data["synkinesis"]["present"] is False and json.loads(assessment_json(plain))["synkinesis"]["present"]
    page = Page(render_html(with_norms)).text
    assert digest in page and "20 healthy people measured with the same weights" in page
    assert "Norms, SHA-256" not in render_html(plain)


def _assessed(norms: Norms) -> Assessment:
    record = make_assessment()
    settings = apply_values(Settings(), {"symptoms.norms": norms})
    return dataclasses.replace(
        record,
        symptoms=find_symptoms(record.action_units, settings.symptoms),
        run=run_info(settings, device="cpu", seconds={}),
    )


def test_settings_with_norms_can_be_told_apart_and_remembered() -> None:
    """Workers keep the networks of one order by its settings."""
    first, again, other = (
        dataclasses.replace(
            Settings(), symptoms=dataclasses.replace(SymptomSettings(), norms=Norms(models={"ovpm": d * 64}))
        )
        for d in "aab"
    )
    assert hash(first) == hash(again) and first == again and first != other
