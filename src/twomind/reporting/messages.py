"""The texts of the pages, in each of their languages, from one file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from twomind.core.plural import agreed
from twomind.core.typography import typeset
from twomind.reporting.message_file import messages
from twomind.reporting.sentences import in_language

#: Languages of the pages.
Language = Literal["en", "fr"]
#: Numbers below this one take the form of one.
_ONE_BELOW = {"en": 0, "fr": 2}


@dataclass(frozen=True)
class Texts:
    """The texts of one language."""

    language: Language = "en"

    def __call__(self, name: str, /, **values: object) -> str:
        """A text with its places filled in, and the forms that go with ``n``.

        Args:
            name: section and key, e.g. ``score.expected``.
            values: of the places.

        Raises:
            KeyError: there is no such text.
        """
        section, _, key = name.partition(".")
        text = messages()[section][key][self.language]
        n = values.get("n")
        if isinstance(n, int | float):
            text = agreed(text, n, _ONE_BELOW[self.language])
        return text.format(**values)

    def name(self, section: str, key: str) -> str:
        """What something is called; its own name without underscores where no text is there.

        Args:
            section: of the names, e.g. ``kind``, ``curve`` or ``unit``.
            key: its own name.
        """
        found = messages()[section].get(key)
        return key.replace("_", " ") if found is None else found[self.language]

    def has(self, section: str, key: str) -> bool:
        """Whether something has a name of its own there."""
        return key in messages()[section]

    def count(self, n: int, one: str) -> str:
        """``2`` → ``2 words``.

        Args:
            n: how many.
            one: the key of what one is called; with an s of what several are.
        """
        is_one = n == 1 or n < _ONE_BELOW[self.language]
        key = one if is_one else f"{one}s"
        grouped = f"{n:,}"
        if self.language == "fr":
            grouped = grouped.replace(",", "\u202f")
        return f"{grouped} {self('count.' + key)}"

    def percent(self, share: float) -> str:
        """``0.984`` → ``98 %``.

        Args:
            share: 0 to 1.
        """
        return typeset(f"{share:.0%}".replace("%", " %"), self.language)

    def section(self, name: str) -> dict[str, str]:
        """All texts of a section, unfilled."""
        return {key: text[self.language] for key, text in messages()[name].items()}

    def said(self, sentence: str) -> str:
        """What the library said in English (a reason, a remark, what a cue means) in this language;
        as it is where no text is there.

        Args:
            sentence: as it stands in results and tables.
        """
        if self.language == "en":
            return sentence
        found = in_language(sentence, self.language, _ONE_BELOW[self.language])
        return sentence if found is None else found

    def language_of(self, sentence: str) -> str:
        """The language in which :meth:`said` gives a sentence: this one, or English where no text is
        there.
        """
        if self.language == "en" or not sentence:
            return self.language
        found = in_language(sentence, self.language, _ONE_BELOW[self.language])
        return "en" if found is None else self.language


ENGLISH = Texts()
