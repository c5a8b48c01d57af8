"""Pictures drawn by matplotlib, as files. Knows nothing of what they show."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtkit.disk.output import output_file
from mtkit.errors import UsageError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

logger = logging.getLogger(__name__)

_FORMATS = {".png": "png", ".svg": "svg", ".pdf": "pdf"}
_DATED = {"png": "Software", "svg": "Date", "pdf": "CreationDate"}
_FONTS = (
    "DejaVu Sans",
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Noto Sans SC",
    "Source Han Sans SC",
    "WenQuanYi Zen Hei",
    "WenQuanYi Micro Hei",
    "Microsoft YaHei",
    "PingFang SC",
    "Arial Unicode MS",
)
"""Fonts to take characters from, the first that has them; those that are not installed are passed over."""


def picture_format(path: Path) -> str:
    """The picture format of the suffix of `path`.

    Raises:
        UsageError: the suffix is none of .png, .svg and .pdf.
    """
    try:
        return _FORMATS[path.suffix.lower()]
    except KeyError:
        raise UsageError(f"{path}: the name of an image must end in .png, .svg or .pdf.") from None


def save_figure(path: Path, draw: Callable[[], Figure]) -> None:
    """Writes the figure that `draw` makes, as PNG, SVG or PDF according to the suffix of `path`.

    Equal figures give equal files. Logs a warning if no installed font has one of the characters.

    Raises:
        UsageError: the suffix is another one, or matplotlib is not installed.
    """
    kind = picture_format(path)
    try:
        import matplotlib
        from matplotlib.font_manager import get_font_names
    except ImportError:
        raise UsageError(
            f"{path}: plotting requires matplotlib.", "Install it: pip install matplotlib."
        ) from None
    installed = set(get_font_names())
    options: dict[Any, Any] = {
        "svg.hashsalt": "mtkit",  # instead of random ids
        "text.parse_math": False,
        "font.family": [font for font in _FONTS if font in installed] or ["sans-serif"],
    }
    drawn = io.BytesIO()
    with matplotlib.rc_context(options), warnings.catch_warnings(record=True) as met:
        warnings.simplefilter("always")
        draw().savefig(drawn, format=kind, metadata={_DATED[kind]: None})
    if any("missing from" in str(warning.message) for warning in met):
        logger.warning("%s: no installed font has some of its characters; they are empty boxes.", path)
    with output_file(path) as file:
        file.write(drawn.getvalue())
