"""Pages from templates: whatever is put into them is escaped, and a name that is not given is an error."""

from __future__ import annotations

from typing import Any

import jinja2


def render(template: str, filters: dict[str, Any], /, **values: Any) -> str:
    """A page of ``palsy_cli/report/templates`` with further filters and these values.

    Only ``markupsafe.Markup`` goes in as it is; all other text is data, whatever it holds.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("palsy_cli.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= filters
    return environment.get_template(template).render(**values)
