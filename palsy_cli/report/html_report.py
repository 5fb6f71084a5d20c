"""``report.html``: one page that opens offline, runs no script, fetches nothing and shows no photo unless asked."""

from __future__ import annotations

from palsy_cli.records import Assessment
from palsy_cli.report import templating, words
from palsy_cli.report.json_report import assessment_dict
from palsy_cli.report.page import measures, muscles, over_time, summary
from palsy_cli.report.page.explained import EXPLAINED, measure_words
from palsy_cli.report.page.told import Told
from palsy_cli.report.terms import AU_NAMES, LEFT_COLOUR, NOTICE, RIGHT_COLOUR


def render_html(assessment: Assessment, *, include_images: bool = False) -> str:
    """The page as text; the same assessment gives the same text, ``run.seconds`` aside.

    Every number in it is a value of ``assessment.json`` and names its place there (``data-path``).

    Args:
        assessment: everything that is known of one video.
        include_images: embed small pictures of the patient's face.
    """
    settings = words.symptom_settings(assessment)
    told = Told(assessment_dict(assessment))
    return templating.render(
        "report.html.j2",
        {},
        t=told,
        notice=NOTICE,
        left_colour=LEFT_COLOUR,
        right_colour=RIGHT_COLOUR,
        explained=EXPLAINED,
        settings=settings,
        side=assessment.symptoms.weak_side,
        trained_on=summary.trained_on(told),
        recording=summary.recording(told),
        quality=summary.quality(told),
        tiles=summary.tiles(assessment, told),
        portrait=summary.portrait(assessment, told),
        strongest=over_time.strongest(assessment, told),
        symmetry=summary.symmetry(assessment, told, settings, words.scale_settings(assessment)),
        courses=over_time.courses(assessment),
        course_notes=over_time.course_notes(assessment),
        curves=over_time.muscle_curves(assessment),
        peaks=over_time.peaks(assessment, told),
        photos=over_time.photos(assessment, told) if include_images else [],
        clinic=measures.groups(told),
        scale=measures.scale_words(told),
        scales=measures.scales(told),
        grades=muscles.grades(assessment, told),
        strength=muscles.strength(assessment, told, settings),
        synkinesis=muscles.synkinesis(assessment, told, settings),
        strip=over_time.strip(assessment),
        not_assessed=muscles.not_assessed(assessment, told),
        au_names=[(au, AU_NAMES[au]) for au in assessment.action_units.aus],
        measure_notes=[measure_words(name) for name in dict.fromkeys(one.name for one in assessment.clinic.measures)],
    )
