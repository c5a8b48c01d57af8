"""Options of `export`."""

from __future__ import annotations

from typing import Literal, get_args

from pydantic import Field

from mtkit.config.options import Options

ExportFormat = Literal["ctranslate2", "huggingface", "argos"]
Quantization = Literal[
    "int8", "int8_float32", "int8_float16", "int8_bfloat16", "int16", "float16", "bfloat16", "float32"
]
AskedQuantization = Literal["auto", Quantization]
FORMATS: tuple[ExportFormat, ...] = get_args(ExportFormat)
QUANTIZATIONS: tuple[Quantization, ...] = get_args(Quantization)


class ExportConfig(Options):
    """Exports of the finished model, for other programs and for the fast engine of `mtkit translate`."""

    to: tuple[ExportFormat, ...] = Field(
        ("ctranslate2",), description="Formats to export when training ends. If empty, nothing is exported."
    )
    quantization: AskedQuantization = Field(
        "auto",
        description="Number format of the weights in ctranslate2 and argos exports. auto: int8, which is the "
        "fastest on a CPU, or float32 if rounding makes too many translations worse.",
    )


def attempts(asked: AskedQuantization) -> tuple[Quantization, ...]:
    """The number formats to try in turn; the last one is kept however much rounding changes."""
    return ("int8", "float32") if asked == "auto" else (asked,)
