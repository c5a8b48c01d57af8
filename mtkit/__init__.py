"""mtkit: train and run your own neural machine translation models.

`mtkit.load("runs/first")("Good morning.")` translates; `mtkit.api` describes the other names.
"""

TYPE_CHECKING = False  # as type checkers read it, without importing typing
if TYPE_CHECKING:
    from mtkit.api import Detailed, Model, MtkitError, evaluate_texts, load, prepare_data, train_model

__version__ = "0.1.0.dev0"

__all__ = [
    "Detailed",
    "Model",
    "MtkitError",
    "__version__",
    "evaluate_texts",
    "load",
    "prepare_data",
    "train_model",
]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module mtkit has no attribute {name!r}")
    from mtkit import api

    found: object = getattr(api, name)
    return found


def __dir__() -> list[str]:
    return __all__
