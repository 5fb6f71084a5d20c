"""A page taken apart: elements, their attributes, and every piece of text with the elements around it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html.parser import HTMLParser

Attributes = dict[str, str | None]


@dataclass(frozen=True)
class Text:
    """A piece of text and the elements that hold it, from the outside in."""

    words: str
    around: tuple[tuple[str, Attributes], ...]

    def within(self, tag: str) -> bool:
        return any(name == tag for name, _ in self.around)

    def nearest(self, attribute: str) -> tuple[str, Attributes] | None:
        return next((each for each in reversed(self.around) if attribute in each[1]), None)


class Page(HTMLParser):
    """Elements, their attributes, and the text as a reader sees it."""

    VOID = {"meta", "img", "br", "link", "input", "hr"}

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, Attributes]] = []
        self.open: list[tuple[str, Attributes]] = []
        self.texts: list[Text] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append((tag, dict(attrs)))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop()[0] == tag, f"</{tag}> closes nothing"
        if tag in ("td", "th"):
            self.texts.append(Text(" ", tuple(self.open)))

    def handle_data(self, data: str) -> None:
        if data.strip() and not (self.open and self.open[-1][0] == "style"):
            self.texts.append(Text(data, tuple(self.open)))
        elif data and self.texts:
            self.texts.append(Text(" ", tuple(self.open)))

    def attributes(self, tag: str) -> list[Attributes]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def text(self) -> str:
        """What is read, tooltips and titles aside."""
        return re.sub(r"\s+", " ", "".join(each.words for each in self.texts if not each.within("title")))
