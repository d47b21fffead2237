"""A loss per example against plain loops, and against what models of transformers compute of one example alone."""

import math

import numpy as np
import pytest
import torch
from torch import nn

import datapare as dp
from datapare.errors import InputError
from datapare.recording import per_example_loss
from datapare.recording.losses import PROBLEM_TYPES, from_criterion

B, K, S = 5, 4, 6
RNG = torch.Generator().manual_seed(0)
LOGITS = torch.randn(B, K, generator=RNG)
TOKENS = torch.randn(B, S, K, generator=RNG)
PIXELS = torch.randn(B, K, 3, 2, generator=RNG)
CLASS = torch.arange(B) % K
SEVERAL = torch.randint(0, 2, (B, K), generator=RNG).float()
WORDS = torch.randint(0, K, (B, S), generator=RNG)
WORDS[1, 2:] = WORDS[2, 0] = -100
MASK = torch.randint(0, K, (B, 3, 2), generator=RNG)
MASK[0, 0, 0], MASK[3, 1, 1] = 255, -100


def minus_log(z, y):
    """-ln softmax(z)_y of a list."""
    return math.log(sum(math.exp(v) for v in z)) - z[y]


def mean(values):
    values = list(values)
    return sum(values) / len(values)


def binary(z, y):
    return -math.log(1 / (1 + math.exp(-z if y else z)))


def causal(i):
    return mean(minus_log(TOKENS[i, s - 1].tolist(), y) for s, y in enumerate(WORDS[i].tolist()) if s and y != -100)


def pixels(i):
    places = [(r, c) for r in range(3) for c in range(2) if MASK[i, r, c] not in (255, -100)]
    return mean(minus_log(PIXELS[i, :, r, c].tolist(), int(MASK[i, r, c])) for r, c in places)


ORACLES = {
    "single_label_classification": (LOGITS, CLASS, lambda i: minus_log(LOGITS[i].tolist(), int(CLASS[i]))),
    "multi_label_classification": (
        LOGITS, SEVERAL, lambda i: mean(binary(z, y) for z, y in zip(LOGITS[i].tolist(), SEVERAL[i], strict=True)),
    ),
    "regression": (LOGITS, SEVERAL, lambda i: mean((LOGITS[i] - SEVERAL[i]).square().tolist())),
    "causal_lm": (TOKENS, WORDS, causal),
    "token_classification": (
        TOKENS, WORDS,
        lambda i: mean(minus_log(TOKENS[i, s].tolist(), y) for s, y in enumerate(WORDS[i].tolist()) if y != -100),
    ),
    "semantic_segmentation": (PIXELS, MASK, pixels),
}  # fmt: skip


@pytest.mark.parametrize("name", PROBLEM_TYPES)
def test_the_default_losses_are_the_formulas(name):
    logits, target, oracle = ORACLES[name]
    wanted = [oracle(i) for i in range(B)]
    np.testing.assert_allclose(per_example_loss(logits, target, name), wanted, rtol=1e-5)
    np.testing.assert_allclose(per_example_loss(logits.double().numpy(), target.numpy(), name), wanted, rtol=1e-5)
    if name not in {"regression", "causal_lm", "token_classification"}:  # which shapes alone do not tell
        np.testing.assert_allclose(per_example_loss(logits, target), wanted, rtol=1e-5)


@pytest.mark.parametrize(("logits", "target"), [((B,), (B,)), ((B, 1), (B,)), ((B,), (B, 1)), ((B, 1), (B, 1))])
def test_a_regression_of_one_number_never_broadcasts(logits, target):
    predicted, wanted = torch.arange(B).float(), torch.ones(B)
    found = per_example_loss(predicted.reshape(logits), wanted.reshape(target))
    assert found.tolist() == [1, 0, 1, 4, 9]


def test_an_example_without_a_token_is_missing():
    assert torch.isnan(per_example_loss(TOKENS, torch.full((B, S), -100), "causal_lm")).all()


@pytest.mark.parametrize(
    ("logits", "target", "problem", "sentence"),
    [
        (TOKENS, WORDS, None, "may be of several tasks; pass problem_type, one of single_label"),
        (LOGITS, CLASS, "ranking", "problem_type is one of .* not 'ranking'"),
        (LOGITS, SEVERAL[:, :2], "multi_label_classification", r"one shape, not \(5, 4\) and \(5, 2\)"),
        (LOGITS, WORDS, "causal_lm", r"\(B, S, V\) and \(B, S\), not"),
        (LOGITS, MASK, "semantic_segmentation", "takes logits and target"),
    ],
)
def test_shapes_that_do_not_fit_are_one_sentence(logits, target, problem, sentence):
    with pytest.raises(InputError, match=sentence):
        per_example_loss(logits, target, problem)


@pytest.mark.parametrize(
    ("criterion", "name"),
    [
        (nn.CrossEntropyLoss(), "single_label_classification"),
        (nn.BCEWithLogitsLoss(), "multi_label_classification"),
        (nn.MSELoss(reduction="sum"), "regression"),
        (lambda logits, target: nn.functional.mse_loss(logits, target, reduction="none"), "regression"),
    ],
)
def test_a_loss_module_gives_a_loss_per_example_and_stays_as_it_is(criterion, name):
    reduction = getattr(criterion, "reduction", None)
    logits, target, oracle = ORACLES[name]
    np.testing.assert_allclose(from_criterion(criterion)(logits, target), [oracle(i) for i in range(B)], rtol=1e-5)
    assert getattr(criterion, "reduction", None) == reduction


def test_a_loss_module_of_tokens_leaves_out_what_it_ignores():
    _, _, oracle = ORACLES["token_classification"]
    found = from_criterion(nn.CrossEntropyLoss())(TOKENS.transpose(1, 2), WORDS)
    np.testing.assert_allclose(found, [oracle(i) for i in range(B)], rtol=1e-5)


def test_a_loss_of_the_whole_batch_is_refused():
    with pytest.raises(InputError, match="one number for the whole batch"):
        from_criterion(nn.functional.cross_entropy)(LOGITS, CLASS)


@pytest.mark.parametrize("score", ["loss", "fatb", "cld"])
def test_scores_of_losses_rank_the_record_of_any_task(tmp_path, score):
    with dp.Recorder(tmp_path / "run", np.zeros(B, int), 3, channels=("loss",)) as recorder:
        for epoch in range(3):
            recorder.observe(np.arange(B), loss=per_example_loss(LOGITS / (epoch + 1), SEVERAL))
            recorder.end_epoch()
    try:
        assert np.isfinite(dp.score(recorder.dynamics(), score).score).all()
    except InputError as error:  # a score that needs more than losses says what
        assert "loss" in str(error) or "label" in str(error) or "valid" in str(error)  # noqa: PT017


def small(name, **settings):
    import transformers

    config = getattr(transformers, name)
    sizes = {"vocab_size": 20, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    sizes["intermediate_size"] = 16
    gpt = {"vocab_size": 20, "n_positions": S, "n_embd": 16, "n_layer": 1, "n_head": 2}
    t5 = {"vocab_size": 20, "d_model": 16, "d_kv": 8, "d_ff": 16, "num_layers": 1, "num_heads": 2}
    t5 |= {"decoder_start_token_id": 0, "dropout_rate": 0.0}
    return config(**{"GPT2Config": gpt, "T5Config": t5}.get(name, sizes), **settings)


WORD = torch.randint(1, 20, (12, S), generator=RNG)
MASKED = torch.where(torch.rand(12, S, generator=RNG) < 0.3, -100, WORD)
MASKED[:, -1] = WORD[:, -1]
TASKS = {
    "GPT2LMHeadModel": ("GPT2Config", {}, MASKED),
    "BertForMaskedLM": ("BertConfig", {}, MASKED),
    "BertForTokenClassification": ("BertConfig", {"num_labels": 20}, MASKED),
    "T5ForConditionalGeneration": ("T5Config", {}, MASKED),
    "BertForSequenceClassification": ("BertConfig", {"num_labels": 1}, torch.rand(12, generator=RNG)),
}


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("name", TASKS)
def test_the_trainer_records_the_loss_that_the_model_has_of_each_example_alone(tmp_path, name):
    import transformers
    from datasets import Dataset

    from datapare.recording.adapters.transformers import RecordingTrainerMixin

    class RecordingTrainer(RecordingTrainerMixin, transformers.Trainer):
        pass

    config, settings, labels = TASKS[name]
    torch.manual_seed(0)
    model = getattr(transformers, name)(small(config, **settings)).eval()
    with torch.no_grad():
        alone = [float(model(input_ids=WORD[i : i + 1], labels=labels[i : i + 1]).loss) for i in range(12)]
    for module in model.modules():  # the training pass equals the one above
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    arguments = transformers.TrainingArguments(
        tmp_path / "trainer", num_train_epochs=1, per_device_train_batch_size=4, learning_rate=0.0, use_cpu=True,
        report_to="none", disable_tqdm=True, save_strategy="no",
    )  # fmt: skip
    data = Dataset.from_dict({"input_ids": WORD.numpy(), "labels": labels.numpy()})
    with dp.Recorder(tmp_path / "run", np.zeros(12, int), 1, channels=("loss",)) as recorder:
        RecordingTrainer(model, arguments, train_dataset=data, recorder=recorder).train()
    np.testing.assert_allclose(recorder.dynamics().channels["loss"][0], alone, rtol=1e-4)
    if name == "BertForSequenceClassification":
        return
    with dp.Recorder(tmp_path / "other", np.zeros(12, int), 1) as recorder:
        trainer = RecordingTrainer(model, arguments, train_dataset=data, recorder=recorder)
        with pytest.raises(InputError, match=r'has a loss but no class of each example; .* channels=."loss",'):
            trainer.train()
