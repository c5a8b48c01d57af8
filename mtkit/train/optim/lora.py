"""LoRA: each matrix changes by a product of two narrow ones, and nothing else is trained."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fnmatch import fnmatchcase

import torch
from torch import Tensor, nn

from mtkit.config.train import LoraConfig
from mtkit.errors import UsageError
from mtkit.model.adapter import Factors
from mtkit.model.transformer import Transformer


class LowRank(nn.Module):
    """The trained factors of LoRA (Hu et al. 2022, section 4.1): W = W₀ + α/r · B·A.

    The model keeps whole matrices W, so its forward and backward passes are those of any training. Their
    gradient G gives those of the factors by the chain rule: α/r · Bᵀ·G for A, and α/r · G·Aᵀ for B.

    Args:
        model: whose matrices are adapted; all other weights are frozen.
        options: rank, alpha and targets.
        seed: of the run, for A; B starts at zero.

    Raises:
        UsageError: a target matches no matrix.
    """

    def __init__(self, model: Transformer, options: LoraConfig, seed: int) -> None:
        super().__init__()
        self.rank, self.alpha = options.rank, options.effective_alpha
        self.scale = self.alpha / self.rank
        names = _targets(model, options.targets)
        self.weights = {name: model.get_parameter(name) for name in names}
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(name in self.weights)
        generator = torch.Generator().manual_seed(seed)
        for name, weight in self.weights.items():
            rows, columns = weight.shape
            bound = 1 / math.sqrt(columns)  # as in the authors' code: Kaiming-uniform with a = √5
            a = (torch.rand(self.rank, columns, generator=generator) * 2 - 1) * bound
            self.register_parameter(_key("A", name), nn.Parameter(a.to(weight)))
            self.register_parameter(_key("B", name), nn.Parameter(weight.new_zeros(rows, self.rank)))
        self.start: dict[str, Tensor] = {}
        self.begin()

    def begin(self) -> None:
        """Takes the current weights as W₀."""
        self.start = {name: weight.detach().clone() for name, weight in self.weights.items()}

    def factors(self, name: str) -> tuple[nn.Parameter, nn.Parameter]:
        """A [rank, in] and B [out, rank] of a matrix."""
        return self.get_parameter(_key("A", name)), self.get_parameter(_key("B", name))

    def project(self) -> None:
        """Sets the gradients of the factors from those of the matrices."""
        for name, weight in self.weights.items():
            a, b = self.factors(name)
            if weight.grad is None:
                a.grad = b.grad = None
            else:
                a.grad = self.scale * (b.detach().T @ weight.grad)
                b.grad = self.scale * (weight.grad @ a.detach().T)

    @torch.no_grad()
    def apply_factors(self) -> None:
        """Sets the matrices of the model from the factors."""
        for name, weight in self.weights.items():
            a, b = self.factors(name)
            weight.copy_(torch.addmm(self.start[name], b, a, alpha=self.scale))

    def of(self, weights: Mapping[str, Tensor]) -> Factors:
        """The adapter that comes nearest to these weights of the model.

        That of a single step gives exactly its weights; a mean of several steps has a higher rank, and the
        best approximation (Eckart and Young 1936) keeps its largest singular values.
        """
        found: Factors = {}
        for name, start in self.start.items():
            change = (weights[name].to(start) - start).float() / self.scale
            u, s, vh = torch.linalg.svd(change, full_matrices=False)
            root = s[: self.rank].sqrt()
            found[name] = (root[:, None] * vh[: self.rank], u[:, : self.rank] * root)
        return found

    def reduced(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """`weights` with the matrices that the adapter nearest to them gives."""
        own = {
            name: torch.addmm(self.start[name], b.to(self.start[name]), a.to(b), alpha=self.scale)
            for name, (a, b) in self.of(weights).items()
        }
        return dict(weights) | own

    def held(self) -> dict[str, Tensor]:
        """Everything that the next update depends on, by name."""
        return {
            **{f"lora.{name}": parameter.detach() for name, parameter in self.named_parameters()},
            **{f"lora.start.{name}": weight for name, weight in self.start.items()},
        }

    def num_trained(self) -> int:
        """The number of trained parameters."""
        return sum(parameter.numel() for parameter in self.parameters())


def _targets(model: Transformer, patterns: tuple[str, ...]) -> list[str]:
    """The names of the layers' matrices that match a pattern."""
    matrices = list(model.layer_matrices())
    for pattern in patterns:
        if not any(_matches(name, pattern) for name in matrices):
            parts = sorted({name.split(".")[-2] for name in matrices})
            raise UsageError(
                f"train.lora.targets: no matrix matches {pattern!r}.",
                f"Use encoder, decoder, {', '.join(parts)}, or a pattern such as {matrices[0]}.",
            )
    return [name for name in matrices if any(_matches(name, pattern) for pattern in patterns)]


def _matches(name: str, pattern: str) -> bool:
    return fnmatchcase(name, pattern) or pattern in (name.split(".", maxsplit=1)[0], name.split(".")[-2])


def _key(factor: str, name: str) -> str:
    """The name of a factor as a parameter of this module, where dots have a meaning."""
    return f"{factor}/{name.replace('.', '/')}"
