"""mtkit from Python: a model that translates, and the commands as functions.

The names in `__all__` are found on `mtkit` itself, on first use; so `import mtkit` stays instant.
"""

from mtkit.api.functions import evaluate_texts, prepare_data, train_model
from mtkit.api.loaded_model import Detailed, Model, load
from mtkit.errors import MtkitError

__all__ = ["Detailed", "Model", "MtkitError", "evaluate_texts", "load", "prepare_data", "train_model"]
