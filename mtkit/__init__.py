"""mtkit: train and run your own neural machine translation models."""

__version__ = "0.1.0.dev0"
