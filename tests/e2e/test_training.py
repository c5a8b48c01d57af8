"""Relations that hold for a training run whatever it learns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from mtkit.config.load import load_config
from mtkit.data.prepare.prepared import open_prepared
from mtkit.engine.native import NativeEngine
from mtkit.errors import InputError, MtkitError, UsageError
from mtkit.metrics.surface import score_corpus
from mtkit.model.checkpoint import load_model, load_train_state, load_weights, step_folders, step_of
from mtkit.runs.training import Training
from mtkit.train.trainer import train
from mtkit.train.watch.monitor import Logged, Started, Stepped, Validated
from tests.support.trainings import Run, go, go_until, metrics, same_weights


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return go(tmp_path_factory.mktemp("whole"))


def test_loss_falls(whole: Run) -> None:
    losses = [event.loss for event in whole.told(Logged) if isinstance(event, Logged)]
    assert losses[-1] < losses[0] - 0.5


def test_reports_count_the_update_that_they_follow(whole: Run) -> None:
    """From the first update on, so the time left is known at once."""
    limit = whole.config.train.max_steps
    assert limit
    told = [event for kind in (Logged, Stepped) for event in whole.told(kind)]
    assert told
    for event in told:
        assert isinstance(event, Logged | Stepped)
        assert event.share == pytest.approx(event.step / limit)


def test_models_know_how_many_sentences_they_learned_from(whole: Run) -> None:
    counted = open_prepared(whole.config).sentences
    assert counted is not None
    folders = [whole.finished.folder, *step_folders(whole.config.run / "best")]
    assert {load_model(folder).sentences_per_pair for folder in folders} == {counted.mean}


def test_models_know_how_far_and_how_well_they_were_trained(whole: Run) -> None:
    final = load_model(whole.finished.folder).training
    limit = whole.config.train.max_steps
    assert final == Training(whole.finished.step, limit, finished=True, bleu=whole.finished.scores["bleu"])
    scores = {e.step: e.scores["bleu"] for e in whole.told(Validated) if isinstance(e, Validated)}
    for folder in step_folders(whole.config.run / "best"):
        step = step_of(folder)
        assert load_model(folder).training == Training(step, limit, finished=False, bleu=scores[step])
    for folder in step_folders(whole.config.run / "checkpoints"):
        assert load_model(folder).training == Training(step_of(folder), limit, finished=False)


ALL_ON = (
    "train.ema=0.9",
    "train.micro_batch_tokens=150",
    "train.r_drop=2.0",
    "train.guided_alignment=0.05",
    "train.freeze=[decoder.0.feed_forward.*]",
    "train.deterministic=true",
    "train.optimizer.schedule=plateau",
    "train.optimizer.plateau_patience=1",
    "train.optimizer.cooldown=0.2",
    "train.optimizer.skip_spikes=1.05",
    "train.optimizer.lr=0.05",
    "train.validate_every=2",
)


@pytest.fixture
def early_spikes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gradients are judged soon, and by the last ones alone: these runs are short."""
    monkeypatch.setattr("mtkit.train.optim.spikes.FIRST", 2)
    monkeypatch.setattr("mtkit.train.optim.spikes.WINDOW", 2)


FREE = ("train.optimizer.method=schedule_free", "train.optimizer.schedule=constant", "train.average_of=last")
CUT = ("train.simcut.alpha=3", "train.packing=true", "train.micro_batch_tokens=150")


SLOW = [pytest.param(extra, marks=pytest.mark.slow) for extra in (FREE, CUT)]


@pytest.mark.parametrize("extra", [(), ("train.ema=0.9", "train.micro_batch_tokens=150"), *SLOW, ALL_ON])
def test_killed_and_run_again_ends_the_same(
    tmp_path: Path, extra: tuple[str, ...], early_spikes: None
) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    straight = go(tmp_path / "a", *extra)
    for step in (4, 12, 16):  # before the first save; between two saves; long after
        go_until(tmp_path / "b", step, *extra)
    resumed = go(tmp_path / "b", *extra)
    assert same_weights(straight.finished.folder, resumed.finished.folder)
    assert metrics(straight.config.run) == metrics(resumed.config.run)


def test_all_options_were_really_at_work(tmp_path: Path, early_spikes: None) -> None:
    """What the test of resumption relies on: the rate is lowered, updates are skipped, weights are frozen."""
    run = go(tmp_path, *ALL_ON)
    lines = metrics(run.config.run)
    assert min(line["train/lr"] for line in lines if line.get("train/lr")) < 0.05 * 0.5
    assert max(line.get("train/skipped", 0) for line in lines) > 0
    for name in ("r_drop", "guided_alignment"):
        assert all(line[f"train/{name}"] > 0 for line in lines if "train/loss" in line)
    state, progress = load_train_state(step_folders(run.config.run / "checkpoints")[-1])
    assert progress["lowered"] > 0
    assert "exp_avg.decoder.0.feed_forward.inner.weight" not in state
    assert "exp_avg.decoder.0.attention.q_proj.weight" in state


def test_equal_seeds_give_equal_weights_and_others_do_not(whole: Run, tmp_path: Path) -> None:
    (tmp_path / "same").mkdir()
    (tmp_path / "other").mkdir()
    assert same_weights(whole.finished.folder, go(tmp_path / "same").finished.folder)
    other = go(tmp_path / "other", "seed=2", "tokenizer.vocab_size=300")
    assert other.finished.loss != whole.finished.loss


def test_a_finished_run_has_nothing_left_to_do(whole: Run) -> None:
    before = load_weights(whole.finished.folder)
    again = go(whole.config.run.parent)
    assert again.finished.step == whole.finished.step
    assert not again.told(Logged)
    assert all(
        torch.equal(before[name], weight) for name, weight in load_weights(again.finished.folder).items()
    )


def test_more_steps_go_on_from_the_end(tmp_path: Path) -> None:
    go(tmp_path, "train.max_steps=6")
    longer = go(tmp_path, "train.max_steps=12")
    assert [event.step for event in longer.told(Logged) if isinstance(event, Logged)] == [8, 12]


def test_micro_batches_change_only_rounding(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    options = ("model.dropout=0.0", "train.max_steps=8", "train.optimizer.lr=1.0e-4")
    at_once = go(tmp_path / "a", *options).told(Logged)
    in_parts = go(tmp_path / "b", *options, "train.micro_batch_tokens=100").told(Logged)
    for ours, theirs in zip(at_once, in_parts, strict=True):
        assert isinstance(ours, Logged)
        assert isinstance(theirs, Logged)
        assert ours.loss == pytest.approx(theirs.loss, rel=1e-4)
        assert ours.grad_norm == pytest.approx(theirs.grad_norm, rel=1e-3)


def test_reported_scores_are_those_of_the_written_model(whole: Run) -> None:
    loaded = load_model(whole.finished.folder)
    prepared = open_prepared(whole.config)
    options = loaded.config.decode.model_copy(update={"beam_size": 1})
    hyps = NativeEngine(loaded.model, "cpu").decode(loaded.tokenizer.encode(prepared.valid_srcs), options)
    texts = loaded.tokenizer.decode([found[0].ids for found in hyps])
    bleu, chrf = score_corpus(texts, prepared.valid_refs, ["bleu", "chrf"], "fr")
    assert whole.finished.scores == {"bleu": bleu.value, "chrf": chrf.value}


@pytest.mark.parametrize("metric", ["loss", "ter"])  # of both, lower is better
def test_best_and_last_are_kept(metric: str, whole: Run, tmp_path: Path) -> None:
    run = go(tmp_path, "train.keep_last=1", "train.keep_best=2", f"train.best_metric={metric}")
    assert [folder.name for folder in step_folders(run.config.run / "checkpoints")] == ["step-00000024"]
    values = {
        line["step"]: line[f"valid/{metric}"] for line in metrics(run.config.run) if "valid/loss" in line
    }
    best = sorted(values, key=lambda step: (values[step], -step))[:2]  # of equal ones the newer
    expected = sorted(f"step-{int(step):08d}" for step in best)
    assert [folder.name for folder in step_folders(run.config.run / "best")] == expected
    assert len(step_folders(whole.config.run / "best")) == 3


def test_the_last_models_are_averaged_whatever_their_scores(tmp_path: Path) -> None:
    """As in Vaswani et al. 2017, section 6.1."""
    run = go(tmp_path, "train.average=2", "train.average_of=last", "train.keep_best=1")
    kept = {step: load_weights(run.config.run / "best" / f"step-{step:08d}") for step in (16, 24)}
    final = load_weights(run.config.run / "model")
    for name, weight in final.items():
        mean = np.mean([weights[name].double().numpy() for weights in kept.values()], axis=0)
        assert np.array_equal(weight.numpy(), mean.astype(np.float32)), name
    assert run.finished.averaged == 2


def test_a_stopped_run_is_cooled_down_and_ends_the_same_after_a_kill(tmp_path: Path) -> None:
    constant = ("train.optimizer.schedule=constant", "train.log_every=1", "train.save_every=4")
    runs = []
    for name, kills in (("a", ()), ("b", (14, 19))):
        (tmp_path / name).mkdir()
        go(tmp_path / name, *constant, "train.max_steps=12")
        for step in kills:
            go_until(tmp_path / name, step, *constant, "train.max_steps=12", "train.cooldown_steps=10")
        runs.append(go(tmp_path / name, *constant, "train.max_steps=12", "train.cooldown_steps=10"))
    straight, killed = runs
    assert (straight.finished.step, straight.finished.reason) == (22, "cooldown from step 12 finished")
    assert same_weights(straight.finished.folder, killed.finished.folder)
    assert metrics(straight.config.run) == metrics(killed.config.run)
    rates = [line["train/lr"] for line in metrics(straight.config.run) if "train/lr" in line]
    assert rates[12:] == pytest.approx([3.0e-3 * (1 - made / 10) for made in range(10)])
    assert rates[5:12] == pytest.approx([3.0e-3] * 7)


def test_a_new_run_cannot_be_cooled_down(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no checkpoint to begin from"):
        go(tmp_path, "train.cooldown=5m")


def test_patience_stops_early(tmp_path: Path) -> None:
    still = ("train.max_steps=80", "train.optimizer.lr=1.0e-12", "train.best_metric=loss")
    run = go(tmp_path, "train.patience=2", *still)
    # The weights do not move: the validation at step 8 is the best, those at 16 and 24 are not better.
    assert run.finished.step == 24
    assert run.finished.reason == "no better loss in 2 validations"
    told = [load_model(folder).training for folder in step_folders(run.config.run / "checkpoints")]
    assert [each.remarks()[:1] for each in told if each] == [
        ["unfinished: step 18 of 80"],
        ["stopped early: step 24 of 80"],
    ]


def test_other_data_in_the_same_run_folder_is_refused(tmp_path: Path) -> None:
    go(tmp_path, "train.max_steps=6")
    with pytest.raises(InputError, match="other data"):
        go(tmp_path, "train.max_steps=12", "tokenizer.vocab_size=250")


def test_fp16_needs_cuda(tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("here is a CUDA device")
    with pytest.raises(UsageError, match="fp16 requires a CUDA device"):
        go(tmp_path, "train.precision=fp16")


def test_bf16_learns_like_fp32(whole: Run, tmp_path: Path) -> None:
    half = go(tmp_path, "train.precision=bf16")
    # 8 bits of precision against 24: the loss of 24 steps differs by hundredths, not tenths.
    assert half.finished.loss == pytest.approx(whole.finished.loss, abs=0.1)


def test_time_limit_ends_the_run(tmp_path: Path) -> None:
    run = go(tmp_path, "train.max_steps=null", "train.max_time=1s")
    assert run.finished.seconds >= 1.0
    assert run.finished.folder.is_dir()


def spoil(monkeypatch: pytest.MonkeyPatch, bad: set[int]) -> None:
    """Makes the gradient of the updates numbered in `bad` infinite."""
    seen = 0

    def spoilt(parameters: object, *args: object, **kwargs: object) -> torch.Tensor:
        nonlocal seen
        seen += 1
        norm = clip(parameters, *args, **kwargs)  # type: ignore[arg-type]
        return norm * torch.inf if seen in bad else norm

    clip = torch.nn.utils.clip_grad_norm_
    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", spoilt)


def test_an_infinite_gradient_never_reaches_the_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(monkeypatch, {3, 4})
    run = go(tmp_path, "train.max_steps=6", "train.save_every=6")
    assert torch.isfinite(torch.tensor(run.finished.loss))
    for weight in load_weights(run.finished.folder).values():
        assert weight.isfinite().all()


def test_a_skipped_update_leaves_the_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    two = go(tmp_path / "a", "train.max_steps=2", "train.save_every=1", "train.optimizer.schedule=constant")
    spoil(monkeypatch, {3})
    three = go(tmp_path / "b", "train.max_steps=3", "train.save_every=1", "train.optimizer.schedule=constant")
    ours, theirs = (step_folders(run.config.run / "checkpoints")[-1] for run in (two, three))
    assert ours.name != theirs.name
    assert same_weights(ours, theirs)


def test_ten_in_a_row_stop_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spoil(monkeypatch, set(range(5, 99)))
    said = (
        r"step 14: the gradient was not finite 10 times in a row: norm (nan|inf), rate \S+, "
        r"training pairs (\d+, )+… \(\d+ in all, counted from 0\)\. Lower"
    )
    with pytest.raises(MtkitError, match=said):
        go(tmp_path)


def test_without_a_best_model_the_last_step_makes_the_final_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As when the disk was full at each validation, and has room again at the end."""
    monkeypatch.setattr("mtkit.train.store.Store.save_best", lambda *_: None)
    run = go(tmp_path, "train.max_steps=4", "train.save_every=4")
    assert same_weights(run.finished.folder, step_folders(run.config.run / "checkpoints")[-1])
    assert "The model of the last step is used instead" in caplog.text


def test_a_run_begins_with_the_weights_of_another(whole: Run, tmp_path: Path) -> None:
    there = whole.config.run
    still = ("train.optimizer.lr=1.0e-12", "train.max_steps=1")
    tuned = go(tmp_path, f"train.init_from={there}", "model.dropout=0.4", *still)
    ours, theirs = load_weights(tuned.finished.folder), load_weights(there / "model")
    assert all(torch.allclose(ours[name], weight, rtol=0, atol=1e-9) for name, weight in theirs.items())
    (started,) = (event for event in tuned.events if isinstance(event, Started))
    assert started.notes == (f"starting from the weights of {there / 'model'}",)
    _, progress = load_train_state(step_folders(tuned.config.run / "checkpoints")[-1])
    assert progress["origin"] == str(there / "model")


def test_an_extended_vocabulary_keeps_what_the_model_knows(whole: Run, tmp_path: Path) -> None:
    there = whole.config.run / "model"
    still = ("train.optimizer.lr=1.0e-12", "train.max_steps=1")
    more = (f"tokenizer.path={there / 'tokenizer.model'}", "tokenizer.extend=true", "data.target_tags=true")
    tuned = go(tmp_path, f"train.init_from={there}", *more, *still)
    ours, theirs = load_weights(tuned.finished.folder), load_weights(there)
    for name, weight in theirs.items():
        rows = weight.shape[0]
        assert ours[name].shape[0] == rows + ("embedding" in name), name
        assert torch.allclose(ours[name][:rows], weight, rtol=0, atol=1e-9)
    known = next(len(weight) for name, weight in theirs.items() if "embedding" in name)
    (started,) = (event for event in tuned.events if isinstance(event, Started))
    assert [note.split(" (")[0] for note in started.notes[1:]] == [
        f"another vocabulary: {known:,} pieces",
        "0 pieces",
        "1 pieces",
    ]


def test_the_weights_at_the_start_count_too(whole: Run, tmp_path: Path) -> None:
    there = whole.config.run / "model"
    ruinous = ("train.optimizer.lr=0.9", "train.max_steps=4", "train.validate_every=2", "train.ema=0")
    sets = ("data.extra_valid={more: {reader: phrasebook, split: test, pairs: 10}}",)
    origin = (f"train.init_from={there}", f"tokenizer.path={there / 'tokenizer.model'}")
    tuned = go(tmp_path, *origin, *ruinous, *sets)
    validated = [event for event in tuned.events if isinstance(event, Validated) and not event.name]
    assert [(event.step, event.is_best) for event in validated] == [(0, True), (2, False), (4, False)]
    finished = tuned.finished
    assert (finished.best_step, finished.averaged) == (0, 1)
    assert same_weights(finished.folder, there)
    final = {"loss": finished.loss} | {str(name): score for name, score in finished.scores.items()}
    assert finished.start[""] == final
    assert finished.start["more"] == finished.extra["more"] != finished.start[""]
    line = next(line for line in metrics(tuned.config.run) if "final/loss" in line)
    assert line["final/more/loss"] == finished.start["more"]["loss"]


def test_a_run_that_stopped_early_can_go_on(tmp_path: Path) -> None:
    still = ("train.max_steps=80", "train.optimizer.lr=1.0e-12", "train.best_metric=loss", "train.patience=1")
    assert go(tmp_path, *still).finished.step == 16
    again = load_config([tmp_path / "c.yaml"], [f"run={tmp_path / 'run'}", *still]).config
    prepared = open_prepared(again)
    assert train(again, prepared, lambda event: None).step == 16
    assert train(again, prepared, lambda event: None, reset_patience=True).step == 24


def test_init_from_names_every_difference_at_once(whole: Run, tmp_path: Path) -> None:
    other = ("model.d_ff=96", "model.norm=post", "tokenizer.vocab_size=250", "train.max_steps=1")
    with pytest.raises(InputError) as caught:
        go(tmp_path, f"train.init_from={whole.config.run}", *other)
    folder = whole.config.run / "model"
    assert str(caught.value) == (
        f"train.init_from: {folder}: differs in model.d_ff = 96 (other model: 64); model.norm = post (other "
        "model: pre). Set these model options to the other model's values."
    )


def test_another_vocabulary_starts_from_the_rows_of_the_old_one(whole: Run, tmp_path: Path) -> None:
    there = whole.config.run
    still = ("train.optimizer.lr=1.0e-12", "train.max_steps=1", "tokenizer.vocab_size=250")
    tuned = go(tmp_path, f"train.init_from={there}", *still)
    (started,) = (event for event in tuned.events if isinstance(event, Started))
    first, kept, spelled, fresh = started.notes
    assert first == f"starting from the weights of {there / 'model'}"
    assert kept.startswith("another vocabulary: ")
    assert kept.endswith(" keep their embeddings")
    assert "start from the mean of the pieces that spell them" in spelled
    assert "start fresh" in fresh
    # Far better than from nothing, although no update has changed anything.
    (tmp_path / "new").mkdir()
    anew = go(tmp_path / "new", *still)
    assert tuned.finished.loss < anew.finished.loss - 0.3


def test_a_vocabulary_with_too_little_of_the_text_is_refused(whole: Run, tmp_path: Path) -> None:
    chinese = ("data.train=[{reader: phrasebook, split: train, pairs: 50, tgt_lang: zh}]", "data.tgt_lang=zh")
    others = (
        "tokenizer.vocab_size=600",
        "data.valid={reader: phrasebook, split: valid, pairs: 5, tgt_lang: zh}",
    )
    with pytest.raises(InputError, match=r"have no counterpart in its vocabulary .* train\.max_fresh = 0\.2"):
        go(tmp_path, f"train.init_from={whole.config.run}", *chinese, *others)


def test_init_from_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no trained model in it"):
        go(tmp_path, f"train.init_from={tmp_path}")


@pytest.mark.slow
@pytest.mark.filterwarnings(
    "ignore::DeprecationWarning"
)  # of torch's own old modules, which compiling imports
@pytest.mark.parametrize("compiling", [("train.compile=true",), ("train.compile=true", "train.packing=true")])
def test_compiled_learns_like_plain(compiling: tuple[str, ...], tmp_path: Path) -> None:
    for name in ("plain", "compiled"):
        (tmp_path / name).mkdir()
    options = ("train.max_steps=8", "model.dropout=0.0")
    plain = go(tmp_path / "plain", *options)
    compiled = go(tmp_path / "compiled", *options, *compiling)
    assert compiled.finished.loss == pytest.approx(plain.finished.loss, abs=0.01)


def test_further_validation_sets_are_reported_and_steer_nothing(tmp_path: Path) -> None:
    news = "{reader: phrasebook, split: test, pairs: 12, seed: 4}"
    run = go(tmp_path, f"data.extra_valid={{news: {news}}}", "train.validate_pairs=10")
    extra = [event for event in run.told(Validated) if isinstance(event, Validated) and event.name == "news"]
    assert [event.step for event in extra] == [8, 16, 24]
    assert not any(event.is_best for event in extra)
    lines = [line for line in metrics(run.config.run) if "valid/news/bleu" in line]
    assert [line["step"] for line in lines] == [8, 16, 24]
    assert not any("valid/bleu" in line for line in lines)
    # What is told is the score of the first ten pairs by the model of that step.
    found = open_prepared(run.config).extra_valid["news"]
    assert len(found.srcs) == 12
    best = step_folders(run.config.run / "best")[-1]
    loaded = load_model(best)
    options = loaded.config.decode.model_copy(update={"beam_size": 1})
    hyps = NativeEngine(loaded.model, "cpu").decode(loaded.tokenizer.encode(found.srcs[:10]), options)
    texts = loaded.tokenizer.decode([hyp[0].ids for hyp in hyps])
    bleu, chrf = score_corpus(texts, found.refs[:10], ["bleu", "chrf"], "fr")
    told = next(event for event in extra if event.step == int(best.name.removeprefix("step-")))
    assert told.scores == {"bleu": bleu.value, "chrf": chrf.value}
