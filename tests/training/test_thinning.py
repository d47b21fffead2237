"""Thinning by KCM: against a plain loop, against the whole network with those neurons silenced, within the budget."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import datapare as dp
from datapare.errors import InputError
from datapare.training import TrainingConfig, retraining, thin
from datapare.training.feed_forward_blocks import feed_forward_blocks, weight_of
from datapare.training.networks.mlp import MLP
from datapare.training.networks.resnet import ResNet
from datapare.training.neuron_ranking import importance, representatives
from datapare.training.thinning import best, multiply_adds, rank

SHAPE = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 12}
IDS = torch.tensor([[3, 9, 4, 2], [5, 7, 0, 0], [8, 1, 6, 0]])


class Shortcut(nn.Module):
    """Hidden numbers that are also used elsewhere."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(4, 6), nn.Linear(6, 6)

    def forward(self, x):
        hidden = self.first(x)
        return self.second(hidden.relu()) + hidden


class Added(nn.Module):
    """Hidden numbers to which others are added."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 3)

    def forward(self, x):
        return self.second(self.first(x).relu() + x)


class TwoReaders(nn.Module):
    """Hidden numbers of which queries and keys are made; keys that all change alike change no attention."""

    def __init__(self):
        super().__init__()
        self.first, self.query, self.key = nn.Linear(4, 6), nn.Linear(6, 5), nn.Linear(6, 5)

    def forward(self, x):
        hidden = self.first(x).relu()[:, None, :].expand(-1, 3, -1) * torch.arange(1.0, 4.0)[:, None]
        return (self.query(hidden) @ self.key(hidden).mT).softmax(-1).sum(1)


def perceptron():
    net = nn.Sequential(nn.Linear(5, 7), nn.PReLU(7), nn.Linear(7, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 3))
    net(torch.randn(64, 5))  # so that the batch norm has statistics
    return net, torch.randn(9, 5)


def transformer(name):
    transformers = pytest.importorskip("transformers")
    pixels = {"pixel_values": torch.randn(3, 3, 8, 8)}
    words = {"input_ids": IDS, "attention_mask": (IDS != 0).long()}
    made = {
        "bert": lambda: transformers.BertForSequenceClassification(transformers.BertConfig(vocab_size=10, **SHAPE)),
        "gpt2": lambda: transformers.GPT2Model(transformers.GPT2Config(vocab_size=10, n_embd=8, n_layer=2, n_head=2)),
        "llama": lambda: transformers.LlamaModel(
            transformers.LlamaConfig(vocab_size=10, num_key_value_heads=2, **SHAPE)
        ),
        "vit": lambda: transformers.ViTForImageClassification(
            transformers.ViTConfig(image_size=8, patch_size=4, **SHAPE)
        ),
    }
    return made[name](), pixels if name == "vit" else words


def network(name):
    torch.manual_seed(1)
    net, batch = perceptron() if name == "perceptron" else transformer(name)
    return net.eval(), batch


def output(net, batch):
    with torch.no_grad():
        made = net(batch) if isinstance(batch, torch.Tensor) else net(**batch)
    return made if isinstance(made, torch.Tensor) else made.logits if hasattr(made, "logits") else made[0]


NETWORKS = ("perceptron", "bert", "gpt2", "llama", "vit")


@pytest.mark.parametrize("name", NETWORKS)
def test_the_thinner_network_is_the_whole_one_with_neurons_silenced(name):
    net, batch = network(name)
    blocks = feed_forward_blocks(net, batch)
    chosen = best(net, blocks, rank(net, blocks, [batch]), batch, 0.8)
    made = output(thin(net, [batch], keep=0.8), batch)
    assert sum(map(len, chosen)) < sum(block.size for block in blocks)
    for block, neurons in zip(blocks, chosen, strict=True):
        kept = torch.zeros(block.size)
        kept[neurons] = 1
        net.get_submodule(block.reader).register_forward_pre_hook(lambda _, given, kept=kept: (given[0] * kept,))
    assert torch.allclose(output(net, batch), made, atol=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_as_many_neurons_stay_as_the_budget_allows(name):
    net, batch = network(name)
    whole = multiply_adds(net, batch)
    thinner = thin(net, [batch], keep=0.8)
    dearest = max(
        sum(weight_of(net.get_submodule(feed)).shape[1] for feed in block.feeds)
        + len(weight_of(net.get_submodule(block.reader)))
        for block in feed_forward_blocks(net, batch)
    ) * max(block.positions for block in feed_forward_blocks(net, batch))
    assert 0.8 * whole - dearest < multiply_adds(thinner, batch) <= 0.8 * whole
    assert torch.equal(output(thin(net, [batch], keep=1), batch), output(net, batch))


def test_multiply_adds_count_attention():
    net, batch = network("bert")
    tokens, wide, inner = 4, 8, 12
    layer = tokens * (4 * wide * wide + 2 * wide * inner) + 2 * tokens * tokens * wide
    assert multiply_adds(net, batch) == 2 * layer + wide * wide + wide * 2  # and the pooler and the head


@pytest.mark.parametrize("name", ["bert", "gpt2", "llama", "vit"])
def test_blocks_of_transformers_are_their_feed_forward_layers(name):
    net, batch = network(name)
    ends = {"bert": "output.dense", "gpt2": "mlp.c_proj", "llama": "mlp.down_proj", "vit": "fc2"}
    blocks = feed_forward_blocks(net, batch)
    assert len(blocks) == 2
    assert all(block.reader.endswith(ends[name]) and "attention" not in block.reader for block in blocks)
    assert {len(block.feeds) for block in blocks} == {2 if name == "llama" else 1}


def test_importance_equals_a_plain_loop():
    rng = np.random.default_rng(0)
    weight, activity = rng.standard_normal((4, 6)), rng.random(6)
    n, rows = 6, weight.T
    squared = [[sum((a - b) ** 2 for a, b in zip(one, other, strict=True)) for other in rows] for one in rows]
    sigma = sum(map(sum, squared)) / (n * (n - 1))
    kernel = [[math.exp(-value / sigma) for value in row] for row in squared]
    masks = [[1 / n] * n for _ in range(n)]
    while True:
        product = [[sum(kernel[i][k] * masks[k][j] for k in range(n)) for j in range(n)] for i in range(n)]
        after = [[masks[i][j] * math.sqrt(kernel[i][j] / product[i][j]) for j in range(n)] for i in range(n)]
        change = abs((sum(map(sum, after)) - sum(map(sum, masks))) / sum(map(sum, masks)))
        masks = after
        if change < 0.01:
            break
    diagonal = [masks[i][i] for i in range(n)]
    spread = [(value - min(diagonal)) / (max(diagonal) - min(diagonal)) for value in diagonal]
    length = math.sqrt(sum(value**2 for value in activity))
    expected = [one * other / length for one, other in zip(spread, activity, strict=True)]
    assert importance(torch.from_numpy(weight), torch.from_numpy(activity)).numpy() == pytest.approx(expected, rel=1e-9)


def test_importance_ignores_order_and_scale():
    weight, activity = torch.randn(5, 8, generator=torch.Generator().manual_seed(0)), torch.arange(8.0)
    plain, order = importance(weight, activity), torch.randperm(8, generator=torch.Generator().manual_seed(1))
    assert torch.allclose(importance(weight[:, order], activity[order]), plain[order])
    assert torch.allclose(importance(1000 * weight, 7 * activity), plain)
    assert plain.argmin() == 0  # never active
    copies = representatives(torch.cat([weight.T, weight.T[:1]]).double())
    assert copies[0] == pytest.approx(float(copies[-1]))
    assert copies[0] < representatives(weight.T.double())[0]  # two that say the same represent each other


def test_padding_counts_as_no_token():
    net, batch = network("bert")
    blocks = feed_forward_blocks(net, batch)
    longer = {name: nn.functional.pad(value, (0, 5)) for name, value in batch.items()}
    for one, other in zip(rank(net, blocks, [batch]), rank(net, blocks, [longer]), strict=True):
        assert one == pytest.approx(other, rel=1e-4)


def test_the_network_given_stays_as_it_is():
    net, batch = network("perceptron")
    before = output(net, batch)
    assert thin(net.train(), [batch], keep=0.5).training
    assert torch.equal(output(net.eval(), batch), before)


@pytest.mark.parametrize(
    ("make", "keep", "message"),
    [
        (lambda: ResNet("resnet8", 3, channels=3, width=4), 0.5, "no hidden linear layers"),
        (Shortcut, 0.5, "no hidden linear layers"),
        (Added, 0.5, "added to what is not thinned"),
        (TwoReaders, 0.5, "no hidden linear layers"),
        (lambda: nn.Sequential(nn.Linear(4, 6), nn.LayerNorm(6), nn.Linear(6, 2)), 0.5, "no hidden linear layers"),
        (lambda: MLP(4, 2, width=8), 0.0, "above 0"),
        (lambda: MLP(4, 2, width=8), 0.01, "keep at least 0.0"),
    ],
)
def test_what_cannot_be_thinned_is_refused_in_a_sentence(make, keep, message):
    net = make()
    batch = torch.randn(2, 3, 8, 8) if isinstance(net, ResNet) else torch.randn(2, 4)
    with pytest.raises(InputError, match=message):
        thin(net, [batch], keep=keep)


def test_a_record_is_made_with_the_thinner_network(tmp_path):
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefgh"]
    (tmp_path / "vocab.txt").write_text("\n".join(vocabulary))
    place = tmp_path / "bert"
    transformers.BertTokenizer(str(tmp_path / "vocab.txt")).save_pretrained(place)
    transformers.BertForSequenceClassification(
        transformers.BertConfig(vocab_size=len(vocabulary), **SHAPE)
    ).save_pretrained(place)
    texts = np.array([f"{a} {b} {a}" for a in "abcdefgh" for b in "abcdefgh"])
    data = dp.open_dataset({"text": texts, "label": np.arange(64) % 2})
    whole = dp.record(data, model=str(place), epochs=1)
    thinner = dp.record(data, model=str(place), epochs=1, thin=0.7, out=tmp_path / "run")
    assert thinner.provenance.params["thin"] == 0.7
    assert not np.array_equal(thinner.channels["target_prob"], whole.channels["target_prob"])
    with pytest.raises(InputError, match=r"thin 0\.7 there, 0\.8 here"):
        dp.record(data, model=str(place), epochs=1, thin=0.8, out=tmp_path / "run")


def test_networks_that_begin_untrained_are_not_thinned():
    data = dp.open_dataset((np.eye(4, dtype=np.float32), [0, 1, 0, 1]))
    with pytest.raises(InputError, match="mlp begins untrained"):
        dp.record(data, epochs=1, thin=0.5)
    with pytest.raises(InputError, match="thin is a part"):
        dp.record(data, epochs=1, thin=1.5)


def test_a_retraining_trains_the_whole_network():
    training = replace(TrainingConfig(epochs=2), thin=0.6)
    assert retraining(training, 0.3).thin is None
