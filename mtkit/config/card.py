"""Options of `card`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pydantic import Field

from mtkit.config.options import Options, rule

_LICENSE = re.compile(r"[a-z0-9][a-z0-9.+-]{0,63}")


class CardConfig(Options):
    """Facts for the model card, the `README.md` in the run folder, that mtkit cannot know."""

    license: str | None = Field(
        None,
        description="Licence of the model as the Hugging Face Hub writes it, such as apache-2.0 or "
        "cc-by-4.0. The licences of the training data may restrict it.",
    )
    datasets: tuple[str, ...] = Field(
        (),
        max_length=100,
        description="Ids on the Hugging Face Hub of the training data, such as Helsinki-NLP/opus-100. Those "
        "that are read from the Hub are added by themselves.",
    )

    @rule
    def _license_is_an_id(self) -> Iterator[str]:
        if self.license is not None and not _LICENSE.fullmatch(self.license):
            yield (
                f"license = {self.license!r} is no id of a licence: expected up to 64 lower-case letters, "
                "digits and .+-. Write apache-2.0, for example."
            )
