"""Norms: known asymmetry and co-movement of healthy people give known limits, whoever is left or right."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from healthy import assessed, person, table, write

from palsy_cli.calibration.cohort import read_cohort
from palsy_cli.calibration.measure import HealthyNorms, measure_norms, percentile
from palsy_cli.calibration.norms_file import to_toml
from palsy_cli.errors import DatasetError
from palsy_cli.records import ALL_AUS, ActionUnits
from palsy_cli.stages.cooccurrence import ANATOMICAL_EXCLUSIONS, cells_under_test

Write = Callable[..., Path]

TODAY = datetime.date(2026, 11, 22)
ROUNDS = 40
TWENTY = [person(share / 100) for share in range(1, 21)]


def cell(response: int, trigger: int) -> tuple[int, int]:
    return ALL_AUS.index(response), ALL_AUS.index(trigger)


def measured(folder: Path, *, upper: bool = False) -> HealthyNorms:
    return measure_norms(read_cohort(folder), rounds=ROUNDS, upper=upper)


def test_known_asymmetry_gives_the_known_percentiles(cohort: Write) -> None:
    found = measured(cohort(TWENTY))
    regions = {each.region: each for each in found.regions}
    # 95 % of 20 people are 19: the mouth differs by 0.19 of 4 steps, the brows by 0.095 of 2.
    mouth, brows, face = (regions[name] for name in ("mouth", "eyebrows", "face"))
    assert mouth.relative is not None and brows.absolute is not None and face.relative is not None
    assert (mouth.relative.value, brows.absolute.value) == (0.19, 0.19)
    assert face.relative.value == pytest.approx((0.76 + 0.19) / 6, abs=1e-4)
    assert mouth.relative.low <= 0.19 <= mouth.relative.high <= 0.2
    assert (found.dead_zone_relative, found.dead_zone_absolute) == (0.19, 0.19)
    assert "eyes" not in regions and mouth.people == found.norms.people == found.recordings == 20


def test_every_person_counts_once(tmp_path: Path) -> None:
    for number in range(5):
        write(tmp_path / "results" / f"a{number}", assessed(person(0.02)))
    for number in range(40):
        write(tmp_path / "results" / f"b{number}", assessed(person(0.4)))
    rows = [f"a{number},person {number},1" for number in range(5)] + [f"b{number},one,{number}" for number in range(40)]
    (tmp_path / "visits.csv").write_text("\n".join(["folder,patient,session", *rows]) + "\n")
    found = measure_norms(read_cohort(tmp_path / "results", tmp_path / "visits.csv"), rounds=ROUNDS)
    assert (found.norms.people, found.recordings) == (6, 45)
    mouth = next(each for each in found.regions if each.region == "mouth")
    # Of six people one lies at 0.4: it takes all six to cover 95 %, and five of six to cover 80 %.
    assert mouth.relative is not None and mouth.relative.value == 0.4
    assert percentile(np.array([0.02, 0.4]), np.array([5.0, 1.0]), share=0.8) == 0.02


def test_what_healthy_people_always_show_is_not_tested(cohort: Write) -> None:
    alone, together = (measured(cohort([person(0.0, partner=p)] * 6, name=f"p{p}")) for p in (0.0, 2.0))
    prior = cells_under_test(ALL_AUS, extra_channels=True)
    assert prior[cell(17, 12)] and alone.norms.unexpected[cell(17, 12)[0]][cell(17, 12)[1]]
    assert together.probability[cell(17, 12)] == 1.0
    tested = cells_under_test(ALL_AUS, extra_channels=True, norms=together.norms)
    assert not tested[cell(17, 12)]
    # Nobody shows AU9: its cells stay as the prior has them.
    column = ALL_AUS.index(9)
    assert (tested[:, column] == prior[:, column]).all()
    for pair in ANATOMICAL_EXCLUSIONS:
        assert not tested[cell(*pair)]
    assert not tested.diagonal().any()


def test_the_upper_end_of_the_interval_masks_more(cohort: Write) -> None:
    # Three of seven people show the pair: 0.43 on average, but surely not surely below one half.
    folder = cohort([person(0.0, partner=2.0 if number < 3 else 0.0) for number in range(7)])
    by_mean, by_upper = measured(folder), measured(folder, upper=True)
    at = cell(17, 12)
    assert by_mean.probability[at] == pytest.approx(3 / 7) and by_mean.low[at] < 3 / 7 < 0.5 < by_mean.high[at]
    assert by_mean.norms.unexpected[at[0]][at[1]] and not by_upper.norms.unexpected[at[0]][at[1]]


def test_thresholds_are_what_the_sides_of_healthy_people_differ_by(cohort: Write) -> None:
    found = measured(cohort([person(0.0, one_sided=number) for number in (1, 2, 3, 4, 5, 6)]))
    row, column = cell(4, 12)
    assert found.norms.thresholds[row][column] == 0.6
    row, column = cell(4, 9)
    assert found.norms.thresholds[row][column] == 0.0  # nobody shows AU9


def test_a_cohort_in_the_mirror_gives_the_same_file(cohort: Write) -> None:
    people = [person(share / 50, one_sided=share % 7, partner=share % 3) for share in range(8)]
    flipped = [ActionUnits(each.aus, each.right, each.left) for each in people]
    texts = []
    for name, group in (("seen", people), ("mirrored", flipped)):
        healthy = read_cohort(cohort(group, name=name))
        texts.append(to_toml(measure_norms(healthy, rounds=ROUNDS), healthy, date=TODAY))
    assert texts[0] == texts[1]


def test_the_same_cohort_gives_the_same_bytes(cohort: Write) -> None:
    healthy = read_cohort(cohort(TWENTY))
    texts = {to_toml(measure_norms(healthy, rounds=ROUNDS), healthy, date=TODAY, tasks="smile") for _ in range(2)}
    assert len(texts) == 1 and "p00" not in texts.pop()  # nor does it name anybody


def test_people_who_show_too_little_are_named_and_left_out(cohort: Write) -> None:
    found = measured(cohort([*TWENTY[:5], table([])]))
    assert found.left_out == ("p05",) and found.norms.people == 5


def test_too_few_people_are_refused(cohort: Write) -> None:
    told = r"^4 healthy people \(1 more show too little: p04\); at least 5 are needed and 20 advised: record and"
    with pytest.raises(DatasetError, match=told):
        measured(cohort([*TWENTY[:4], table([])]))
