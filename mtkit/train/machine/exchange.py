"""What the ranks that train one model send each other: gradients, shards, weights and shares of work."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from mtkit.errors import MtkitError
from mtkit.model.checkpoint import weights_of
from mtkit.model.transformer import Transformer
from mtkit.train.machine.distributed import World
from mtkit.train.machine.gradients import GradientSum


class Exchange:
    """A model that several ranks train, from the view of one of them.

    Args:
        world: the ranks.
        model: the model. If it is sharded, its parameters are replaced.
        shards: each rank holds only a shard of every weight, its gradient and its optimizer state.
        together: layers that are gathered for the whole step, because they are also used outside of their
            forward pass.
    """

    def __init__(
        self,
        world: World,
        model: Transformer,
        *,
        shards: bool = False,
        together: Collection[nn.Module] = (),
    ) -> None:
        self.world = world
        self.model = model
        self.is_sharded = shards and world.size > 1
        self._sharded: Any = _shard(model, world.size, together) if self.is_sharded else None
        self._sum: GradientSum | None = None
        if world.size > 1 and not self.is_sharded:
            trained = (model.get_parameter(name) for name in model.backward_order())
            self._sum = GradientSum(parameter for parameter in trained if parameter.requires_grad)

    # ------------------------------------------------------------ gradients

    @property
    def gradient_scale(self) -> int:
        """The factor on a loss with which the gradients of all ranks are summed."""
        return self.world.size if self.is_sharded else 1  # FSDP averages gradients

    def begin_update(self) -> None:
        """Call it before the gradient of an update is computed; see `GradientSum.begin`."""
        if self._sum is not None:
            self._sum.begin()

    def before_backward(self, *, is_last: bool) -> None:
        """Call it before each backward pass; gradients are exchanged during the last one of an update."""
        if self.is_sharded:
            self._sharded.set_requires_gradient_sync(is_last)
        elif self._sum is not None:
            self._sum.before_backward(is_last=is_last)

    def sum_gradients(self) -> None:
        """Waits until the gradients of this update are the sums over all ranks."""
        if self._sum is not None:
            self._sum.finish()

    # ------------------------------------------------------------ weights

    def whole(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The full tensors. If they are sharded, on the CPU of rank 0, and nothing on the other ranks.

        They are gathered one by one, so no device holds all of them. All ranks call it.
        """
        if not self.is_sharded:
            return dict(tensors)
        found = {}
        for name, tensor in tensors.items():
            full = gathered(tensor)
            if self.world.is_main:
                found[name] = full.cpu()
        return found

    def share(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Shards full tensors the way the model shards its parameter of the same name.

        A prefix such as `exp_avg.` is ignored.
        """
        if not self.is_sharded:
            return dict(tensors)
        from torch.distributed.tensor import DTensor, distribute_tensor

        weights = dict(self.model.named_parameters())
        shards = {}
        for name, tensor in tensors.items():
            weight = weights.get(name, weights.get(name.partition(".")[2]))
            if isinstance(weight, DTensor) and weight.shape == tensor.shape:
                tensor = distribute_tensor(tensor.to(weight.device), weight.device_mesh, weight.placements)
            shards[name] = tensor
        return shards

    def check_equal(self, step: int) -> None:
        """Checks that all ranks have the same weights, to the last bit. All ranks call it.

        Sharded weights are not compared, because each exists only once.

        Raises:
            MtkitError: the weights of a rank differ from those of rank 0.
        """
        if self.world.size == 1 or self.is_sharded:
            return
        sums = self.world.gather(_checksum(weights_of(self.model)))
        if different := [str(rank) for rank, found in enumerate(sums) if found != sums[0]]:
            raise MtkitError(
                f"step {step:,}: the weights of rank {', '.join(different)} differ from those of rank 0, so "
                "nothing was saved.",
                "Run the same command to resume from the last checkpoint. If it happens again, use devices "
                "of one kind and one version of torch for all ranks, and test their memory.",
            )


def _shard(model: Transformer, size: int, together: Collection[nn.Module]) -> Any:
    """Shards every weight over the ranks (FSDP2, `torch.distributed.fsdp.fully_shard`).

    Layers are gathered one by one when they are needed, and the rest for the whole step.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method

    mesh = init_device_mesh(next(model.parameters()).device.type, (size,))
    for layer in (*model.encoder, *model.decoder):
        if layer not in together:
            fully_shard(layer, mesh=mesh)
    sharded = fully_shard(model, mesh=mesh)
    for method in ("features", "packed_features"):
        register_fsdp_forward_method(model, method)
    return sharded


def gathered(tensor: Tensor) -> Tensor:
    """The full tensor, gathered from all ranks if it is sharded."""
    return tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor


def _checksum(weights: Mapping[str, Tensor]) -> int:
    """A number that changes with any bit of any fp32 weight. It does not depend on the order of addition."""
    total = torch.zeros((), dtype=torch.int64)
    for weight in weights.values():
        bits = weight.view(torch.int32).sum(dtype=torch.int64)
        total = total.to(bits.device) * 1_000_003 + bits  # modulo 2 ** 64
    return int(total)


def deal(
    world: World,
    portions: Sequence[Sequence[Tensor]],
    compute: Callable[[Sequence[Tensor]], Tensor],
    dtype: torch.dtype,
) -> Iterator[Tensor]:
    """`compute(portion)` for each portion, in order. Each rank computes some of them and sends them to all.

    Args:
        world: the ranks; all of them call it with the same portions.
        portions: matrices of one shape, [rows, columns].
        compute: maps a portion to [len(portion), rows, columns].
        dtype: the type of its results.
    """
    if world.size == 1:
        yield from map(compute, portions)
        return
    load, sent = [0] * world.size, []
    for portion in portions:
        shape = (len(portion), *portion[0].shape)
        owner = load.index(min(load))
        load[owner] += math.prod(shape) * min(shape[1:])
        if owner == world.rank:
            found = compute(portion).contiguous()
        else:
            found = torch.empty(shape, dtype=dtype, device=portion[0].device)
        sent.append((found, dist.broadcast(found.view(torch.uint8), owner, async_op=True)))
    for found, work in sent:
        assert work is not None
        work.wait()
        yield found
