from __future__ import annotations

import pytest

from mtkit.config.model import ModelConfig
from mtkit.errors import UsageError
from mtkit.model.transformer import Transformer, build_model
from mtkit.train.optim.freeze import freeze


def make_model(**options: object) -> Transformer:
    sizes = {"d_model": 16, "d_ff": 32, "num_heads": 2, "num_encoder_layers": 2, "num_decoder_layers": 1}
    return build_model(ModelConfig.model_validate({**sizes, **options}), 20, 20, seed=1)


def frozen(model: Transformer) -> set[str]:
    return {name for name, parameter in model.named_parameters() if not parameter.requires_grad}


def test_groups_are_parts_of_the_model() -> None:
    model = make_model()
    everything = {name for name, _ in model.named_parameters()}
    freeze(model, ["encoder"])
    assert frozen(model) == {name for name in everything if name.startswith(("encoder.", "encoder_norm."))}
    freeze(model, ["embeddings"])
    assert "tgt_embedding.weight" in frozen(model)
    assert not any(name.startswith("decoder") for name in frozen(model))


def test_patterns_choose_single_weights() -> None:
    model = make_model()
    freeze(model, ["encoder.0.*", "decoder.*.bias"])
    assert all(name.startswith("encoder.0.") or name.endswith(".bias") for name in frozen(model))
    assert "encoder.1.attention.q_proj.weight" not in frozen(model)


def test_a_tied_matrix_answers_to_both_names() -> None:
    tied, own = make_model(tie_embeddings="all"), make_model(tie_embeddings="none")
    freeze(tied, ["output"])
    freeze(own, ["output"])
    assert frozen(tied) == {"tgt_embedding.weight"}
    assert frozen(own) == {"output.weight"}


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("encodr", "no weight matches 'encodr'. Did you mean encoder?"),
        ("decoder.0.attention.q_proj.wieght", "Did you mean decoder.0.attention.q_proj.weight?"),
        ("decoder.7.*", "Did you mean"),
        ("xyz", "Use encoder, decoder, embeddings, output, or a pattern such as"),
    ],
)
def test_what_fits_nothing_is_refused_with_a_guess(wanted: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        freeze(make_model(), [wanted])
    assert said in str(caught.value)


def test_nothing_left_is_refused() -> None:
    with pytest.raises(UsageError, match="all weights are frozen"):
        freeze(make_model(), ["*"])
