"""HL7 FHIR R4 (hl7.org/fhir/R4): a Bundle of Device, Patient, Observations and DiagnosticReport for each recording.

Everything is ``preliminary``: no clinician has seen it. Codes of SNOMED CT stand only where they are certain; the
scales, for which LOINC has none, are codes of our own beside plain text. No value is ever a stand-in: what was not
assessed has a ``dataAbsentReason`` and then no value (rule obs-6). The same visit gives the same bytes.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from typing import Any

from palsy_cli.exports.findings import GRADES, Findings, Graded, Pair, RegionFinding
from palsy_cli.exports.pseudonyms import PseudonymousVisit
from palsy_cli.records import SEVERITY_LABELS, ModelCard
from palsy_cli.report.json_report import to_json
from palsy_cli.report.terms import NOTICE, ROMAN

Resource = dict[str, Any]

SNOMED = "http://snomed.info/sct"
UCUM = "http://unitsofmeasure.org"
CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
ABSENT = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
#: Names the resources of all exports (RFC 4122, version 5).
_NAMESPACE = uuid.UUID("6f5c7a5e-3c0d-4c1b-9a55-0d2f3f6d7c11")
#: Our own scales. The project has no address on the web to call them by, and FHIR takes a UUID as well.
SCALES = uuid.uuid5(_NAMESPACE, "CodeSystem/scales").urn
#: Seventh cranial nerve function (observable entity).
NERVE_FUNCTION = {"system": SNOMED, "code": "112106009"}
METHOD = "automated video analysis, research use only"
UNCONFIRMED = "Research use only. Not a medical device. Not confirmed by a clinician."


def fhir_files(visits: Sequence[PseudonymousVisit]) -> Iterator[tuple[str, str]]:
    """File name and text of one Bundle for each visit."""
    for visit in visits:
        yield f"{visit.label}_bundle.json", to_json(bundle(visit))


def bundle(visit: PseudonymousVisit) -> Resource:
    """Everything that is said of one recording, as a collection whose references stay within it."""
    observations = [
        house_brackmann(visit),
        severity(visit),
        asymmetry(visit),
        synkinesis(visit),
    ]
    resources = [device(visit.findings), patient(visit), *observations, report(visit, observations)]
    return {
        "resourceType": "Bundle",
        "id": _id(visit.label),
        "type": "collection",
        "entry": [{"fullUrl": _url(resource), "resource": resource} for resource in resources],
    }


def patient(visit: PseudonymousVisit) -> Resource:
    """The pseudonym. Its identifier has no system: it is unique within one id map only."""
    return {"resourceType": "Patient", "id": visit.subject, "identifier": [{"value": visit.subject}]}


def device(findings: Findings) -> Resource:
    """This software and its weights; the same for all visits that the same weights assessed."""
    weights = [_weights(role, card) for role, card in findings.models.items()]
    versions = [{"type": {"text": "software"}, "value": findings.version}, *weights]
    trained = sorted({card.trained_on for card in findings.models.values()} - {""})
    notes = [NOTICE, *(f"Weights were trained on: {words}" for words in trained)]
    return {
        "resourceType": "Device",
        "id": str(uuid.uuid5(_NAMESPACE, to_json(versions))),
        "deviceName": [{"name": "palsy", "type": "model-name"}],
        "version": versions,
        "note": [{"text": text} for text in notes],
    }


def _weights(role: str, card: ModelCard) -> Resource:
    digest = f" sha256:{card.sha256}" if card.sha256 else ""
    return {"type": {"text": f"weights: {role}"}, "value": f"{card.name}{digest}"}


def house_brackmann(visit: PseudonymousVisit) -> Resource:
    """House-Brackmann grade 1 to 6, with the probability of each grade."""
    graded = visit.findings.house_brackmann
    value = {"valueInteger": graded.value} if graded else _absent(visit.findings.house_brackmann_reason)
    names = [(str(grade), f"grade {ROMAN[grade - 1]}") for grade in GRADES]
    parts = _probabilities("house-brackmann", names, graded)
    return _observation(visit, "house-brackmann", "House-Brackmann grade", value, parts, nerve=True)


def severity(visit: PseudonymousVisit) -> Resource:
    """Severity in four classes, with the probability of each."""
    graded = visit.findings.severity
    value = _absent(visit.findings.severity_reason)
    if graded:
        value = {"valueCodeableConcept": _code(f"severity-{graded.value}", graded.value)}
    parts = _probabilities("severity", [(label, label) for label in SEVERITY_LABELS], graded)
    return _observation(visit, "severity", "Severity of facial palsy", value, parts, nerve=True)


def asymmetry(visit: PseudonymousVisit) -> Resource:
    """The weak side of the face, and that of each region with the difference of the sides' active means."""
    side = visit.findings.weak_side
    value = {"valueCodeableConcept": _side(side)} if side else _absent(visit.findings.weak_side_reason)
    parts = [part for region in visit.findings.regions for part in _region(region)]
    return _observation(visit, "weak-side", "Weak side of the face, the patient's own", value, parts)


def synkinesis(visit: PseudonymousVisit) -> Resource:
    """Whether there is synkinesis, and each pair with the difference of conditional probabilities."""
    present = visit.findings.synkinesis_present
    value = _absent(visit.findings.synkinesis_reason) if present is None else {"valueBoolean": present}
    return _observation(visit, "synkinesis", "Synkinesis", value, [_pair(pair) for pair in visit.findings.pairs])


def report(visit: PseudonymousVisit, observations: Sequence[Resource]) -> Resource:
    """The report that binds the observations together, with a sentence for a reader."""
    return {
        "resourceType": "DiagnosticReport",
        "id": _id(f"{visit.label}_report"),
        "status": "preliminary",
        "code": {"text": "Facial nerve function video assessment"},
        "subject": _subject(visit),
        **_date(visit),
        "result": [{"reference": _url(observation)} for observation in observations],
        "conclusion": conclusion(visit.findings),
    }


def conclusion(findings: Findings) -> str:
    """The results in plain sentences."""
    said = []
    if findings.house_brackmann:
        place = GRADES.index(findings.house_brackmann.value)
        chance = findings.house_brackmann.probabilities[place]
        said.append(f"House-Brackmann grade {ROMAN[place]} of VI (probability {chance:.2f}).")
    if findings.severity:
        said.append(f"Severity {findings.severity.value}.")
    if findings.weak_side:
        said.append("No weak side." if findings.weak_side == "none" else f"The {findings.weak_side} side is weaker.")
    if findings.synkinesis_present is not None:
        sides = sorted({pair.side for pair in findings.pairs})
        said.append(f"Synkinesis on the {' and the '.join(sides)}." if sides else "No synkinesis found.")
    said += [f"Not assessed: {name} ({reason})." for name, reason in findings.not_assessed()]
    return " ".join(["Automatic estimates from a video.", *said, UNCONFIRMED])


def _observation(
    visit: PseudonymousVisit, code: str, text: str, value: Resource, parts: list[Resource], *, nerve: bool = False
) -> Resource:
    """One scale. ``nerve`` says that it grades the facial nerve; the nerve of the weak side, where there is one."""
    side = visit.findings.weak_side
    coding = _code(code, text)
    site = {}
    if nerve:
        coding["coding"].append(NERVE_FUNCTION)
        site = {"bodySite": {"text": f"{side} facial nerve"}} if side in ("left", "right") else {}
    return {
        "resourceType": "Observation",
        "id": _id(f"{visit.label}_{code}"),
        "status": "preliminary",
        "category": [{"coding": [{"system": CATEGORY, "code": "exam"}]}],
        "code": coding,
        "subject": _subject(visit),
        **_date(visit),
        **value,
        "note": [{"text": UNCONFIRMED}],
        **site,
        "method": {"text": METHOD},
        "device": {"reference": _url(device(visit.findings))},
        **({"component": parts} if parts else {}),
    }


def _probabilities(scale: str, names: Sequence[tuple[str, str]], graded: Graded[Any] | None) -> list[Resource]:
    """A component for each class."""
    if graded is None:
        return []
    return [
        {"code": _code(f"{scale}-probability-{code}", f"probability of {text}"), **_quantity(chance, "1")}
        for (code, text), chance in zip(names, graded.probabilities, strict=True)
    ]


def _region(region: RegionFinding) -> Iterator[Resource]:
    code = _code(f"weak-side-{region.region}", f"weak side: {region.region}")
    if region.weak_side is None or region.delta_am is None:
        yield {"code": code, **_absent(region.reason)}
        return
    yield {"code": code, "valueCodeableConcept": _side(region.weak_side)}
    text = f"left minus right active means: {region.region}"
    yield {"code": _code(f"delta-am-{region.region}", text), **_quantity(region.delta_am, "steps of AU intensity")}


def _pair(pair: Pair) -> Resource:
    response, trigger = f"{pair.side} AU{pair.response_au}", f"{pair.trigger_side} AU{pair.trigger_au}"
    code = f"synkinesis-{response}-with-{trigger}".lower().replace(" ", "-")
    return {"code": _code(code, f"{response} moves with {trigger}"), **_quantity(pair.difference, "1")}


def _code(code: str, text: str) -> Resource:
    return {"coding": [{"system": SCALES, "code": code}], "text": text}


def _side(side: str) -> Resource:
    return _code(f"side-{side}", side)


def _quantity(value: float, unit: str) -> Resource:
    return {"valueQuantity": {"value": value, "unit": unit, "system": UCUM, "code": "1"}}


def _absent(reason: str | None) -> Resource:
    """No value, and why. FHIR asks for one of its own codes where one fits; none of them tells the reason."""
    coding = {"system": ABSENT, "code": "not-performed", "display": "Not Performed"}
    return {"dataAbsentReason": {"coding": [coding], "text": reason}}


def _date(visit: PseudonymousVisit) -> Resource:
    return {"effectiveDateTime": visit.date.isoformat()} if visit.date else {}


def _subject(visit: PseudonymousVisit) -> Resource:
    return {"reference": _url(patient(visit)), "display": visit.subject}


def _url(resource: Resource) -> str:
    """The resource's name within its bundle, and wherever the bundle goes."""
    return uuid.uuid5(_NAMESPACE, f"{resource['resourceType']}/{resource['id']}").urn


def _id(text: str) -> str:
    """A FHIR id has no underscore."""
    return text.replace("_", "-")
