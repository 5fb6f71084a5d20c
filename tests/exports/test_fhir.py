"""Bundles validate against the models of HL7 FHIR R4B, which for these resources are those of R4."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from fhir.resources.R4B.bundle import Bundle

from palsy_cli.exports.fhir import ABSENT, CATEGORY, NERVE_FUNCTION, SCALES, SNOMED, UCUM, bundle, fhir_files
from palsy_cli.exports.pseudonyms import PseudonymousVisit

Resource = dict[str, Any]
SCALE_CODES = ("house-brackmann", "severity", "weak-side", "synkinesis")


@pytest.fixture(scope="module")
def bundles(visits: Sequence[PseudonymousVisit]) -> dict[str, Resource]:
    """File name to what it holds."""
    return {name: json.loads(text) for name, text in fhir_files(visits)}


@pytest.fixture(scope="module")
def good(bundles: dict[str, Resource]) -> Resource:
    """The awkward patient's first visit."""
    return bundles["sub-0002_ses-01_run-01_bundle.json"]


@pytest.fixture(scope="module")
def empty(bundles: dict[str, Resource]) -> Resource:
    """His second, of which nothing could be assessed."""
    return bundles["sub-0002_ses-02_run-01_bundle.json"]


def resources(bundle: Resource, kind: str) -> list[Resource]:
    return [entry["resource"] for entry in bundle["entry"] if entry["resource"]["resourceType"] == kind]


def scale(bundle: Resource, code: str) -> Resource:
    return next(each for each in resources(bundle, "Observation") if each["code"]["coding"][0]["code"] == code)


def walk(node: Any) -> Iterator[tuple[str, Any]]:
    """Every key and value, at any depth."""
    for key, value in node.items() if isinstance(node, dict) else ():
        yield key, value
    for value in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from walk(value)


def test_every_bundle_validates(bundles: dict[str, Resource]) -> None:
    assert len(bundles) == 4
    for found in bundles.values():
        model = Bundle.model_validate(found)
        assert model.type == "collection" and json.loads(model.model_dump_json()).keys() >= {"entry", "id"}


def test_the_models_would_notice(good: Resource) -> None:
    """The check above is worth something: a wrong status type or an unknown key fails."""
    for key, value in (("status", None), ("colour", "red"), ("valueInteger", "three")):
        broken = json.loads(json.dumps(good))
        resources(broken, "Observation")[0][key] = value
        with pytest.raises(ValueError):
            Bundle.model_validate(broken)


def test_references_stay_within_the_bundle(bundles: dict[str, Resource]) -> None:
    for found in bundles.values():
        urls = [entry["fullUrl"] for entry in found["entry"]]
        assert len(urls) == len(set(urls)) == 7
        assert {value for key, value in walk(found) if key == "reference"} <= set(urls)
        (report,) = resources(found, "DiagnosticReport")
        observed = [e["fullUrl"] for e in found["entry"] if e["resource"]["resourceType"] == "Observation"]
        assert [each["reference"] for each in report["result"]] == observed and len(observed) == 4


def test_everything_is_preliminary_and_for_research(bundles: dict[str, Resource]) -> None:
    for found in bundles.values():
        said = [*resources(found, "Observation"), *resources(found, "DiagnosticReport")]
        assert {each["status"] for each in said} == {"preliminary"}
        assert all("performer" not in each for each in said)
        assert all("Research use only" in each["note"][0]["text"] for each in resources(found, "Observation"))
        assert "Research use only" in resources(found, "DiagnosticReport")[0]["conclusion"]


def test_rules_obs_6_and_obs_7(bundles: dict[str, Resource]) -> None:
    """A reason only where there is no value, a value or a reason everywhere, and no component repeats the code."""
    for found in bundles.values():
        for observation in resources(found, "Observation"):
            own = {(c["system"], c["code"]) for c in observation["code"]["coding"]}
            parts = observation.get("component", [])
            for each in (observation, *parts):
                has_value = any(key.startswith("value") for key in each)
                assert has_value != ("dataAbsentReason" in each)
            codes = [(c["system"], c["code"]) for part in parts for c in part["code"]["coding"]]
            assert not own & set(codes) and len(codes) == len(set(codes))


def test_only_known_code_systems(bundles: dict[str, Resource]) -> None:
    for found in bundles.values():
        assert {v for k, v in walk(found) if k == "system"} <= {SNOMED, UCUM, CATEGORY, ABSENT, SCALES}
        snomed = [v for _, v in walk(found) if isinstance(v, dict) and v.get("system") == SNOMED]
        assert all(coding == NERVE_FUNCTION for coding in snomed)


def test_values_are_those_of_the_assessment(good: Resource) -> None:
    grade = scale(good, "house-brackmann")
    assert grade["valueInteger"] == 3 and grade["bodySite"] == {"text": "left facial nerve"}
    assert [p["valueQuantity"]["value"] for p in grade["component"]] == [0.02, 0.12, 0.55, 0.22, 0.07, 0.02]
    assert grade["component"][2]["code"]["text"] == "probability of grade III"
    assert scale(good, "severity")["valueCodeableConcept"]["text"] == "medium"
    side = scale(good, "weak-side")
    assert side["valueCodeableConcept"]["text"] == "left"
    assert [p["code"]["text"] for p in side["component"]] == [
        f"{what}: {region}"
        for region in ("eyebrows", "eyes", "mouth")
        for what in ("weak side", "left minus right active means")
    ]
    misfires = scale(good, "synkinesis")
    assert misfires["valueBoolean"] is True
    assert misfires["component"] and all(0 < p["valueQuantity"]["value"] <= 1 for p in misfires["component"])
    (report,) = resources(good, "DiagnosticReport")
    assert (
        "House-Brackmann grade III of VI (probability 0.55). Severity medium. The left side is weaker."
        in (report["conclusion"])
    )


def test_not_assessed_has_a_reason_and_no_number(empty: Resource) -> None:
    for code in SCALE_CODES:
        observation = scale(empty, code)
        reason = observation["dataAbsentReason"]
        assert reason["coding"] == [{"system": ABSENT, "code": "not-performed", "display": "Not Performed"}]
        assert reason["text"]
    assert not [key for key, _ in walk(empty) if key in ("valueInteger", "valueQuantity", "valueBoolean")]
    assert scale(empty, "severity")["dataAbsentReason"]["text"] == "no model was given"
    assert len(scale(empty, "weak-side")["component"]) == 3
    (report,) = resources(empty, "DiagnosticReport")
    assert "Not assessed: severity (no model was given)." in report["conclusion"]


def test_dates_only_where_there_are_some(bundles: dict[str, Resource]) -> None:
    dates = {
        name: {
            each.get("effectiveDateTime") for kind in ("Observation", "DiagnosticReport") for each in resources(b, kind)
        }
        for name, b in bundles.items()
    }
    assert dates == {
        "sub-0001_ses-01_run-01_bundle.json": {None},
        "sub-0002_ses-01_run-01_bundle.json": {"2023-03-02"},
        "sub-0002_ses-02_run-01_bundle.json": {"2023-04-01"},
        "sub-0003_ses-01_run-01_bundle.json": {"2023-03-01"},
    }


def test_the_device_names_version_and_weights(good: Resource, empty: Resource) -> None:
    (device,) = resources(good, "Device")
    versions = {each["type"]["text"]: each["value"] for each in device["version"]}
    assert versions["software"] == "0.1.0" and len(versions) == 7
    assert versions["weights: dvpm"] == f"dvpm-compact-1 sha256:{'37f3' * 16}"
    assert any("drawn faces" in note["text"] for note in device["note"])
    assert resources(empty, "Device") == [device], "the same weights are the same device"


def test_the_same_visit_gives_the_same_bytes(visits: Sequence[PseudonymousVisit]) -> None:
    assert list(fhir_files(visits)) == list(fhir_files(visits))
    one, two = bundle(visits[0]), bundle(visits[1])
    shared = {e["fullUrl"] for e in one["entry"]} & {e["fullUrl"] for e in two["entry"]}
    assert shared == {one["entry"][0]["fullUrl"]}, "two patients share nothing but the device"
