import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from datapare.data import Encoding, Inputs
from datapare.errors import InputError
from datapare.training.config import TrainingConfig
from datapare.training.networks import factory
from datapare.training.networks.factory import Network, build, normalisation
from datapare.training.networks.mlp import MLP
from datapare.training.networks.resnet import Pointwise, ResNet
from datapare.training.networks.textnet import TextNet


def parameters(net):
    return sum(p.numel() for p in net.parameters())


def inputs(kind="image", shape=(6, 8, 8, 3), **more):
    rng = np.random.default_rng(0)
    array = {
        "image": lambda: rng.integers(0, 256, shape, dtype=np.uint8),
        "text": lambda: rng.integers(0, 50, shape, dtype=np.int32),
    }.get(kind, lambda: rng.normal(3, 2, shape).astype(np.float32))()
    return Inputs(array, Encoding(kind, **more))


@pytest.mark.parametrize(
    ("name", "stem", "classes", "count"),
    [
        ("resnet18", 3, 10, 11_173_962),  # the field's CIFAR networks
        ("resnet34", 3, 10, 21_282_122),
        ("resnet50", 3, 10, 23_520_842),
        ("resnet18", 7, 1000, 11_689_512),  # torchvision's
        ("resnet34", 7, 1000, 21_797_672),
        ("resnet50", 7, 1000, 25_557_032),
    ],
)
def test_resnets_have_the_published_parameter_counts(name, stem, classes, count):
    with torch.device("meta"):
        assert parameters(ResNet(name, classes, channels=3, stem=stem)) == count


@pytest.mark.parametrize(("stem", "size", "pixels"), [(3, 32, 4), (7, 64, 2)])
def test_resnets_halve_the_picture_where_the_paper_does(stem, size, pixels):
    net = ResNet("resnet18", 5, channels=1, width=8, stem=stem).eval()
    assert net.body(torch.zeros(2, 1, size, size)).shape == (2, 64, pixels, pixels)
    assert net.features(torch.zeros(2, 1, size, size)).shape == (2, 64)
    assert net(torch.zeros(2, 1, size, size)).shape == (2, 5)


def test_convolutions_start_he_normal():
    net = ResNet("resnet18", 10, channels=3)
    weight = net.body[2].body[0][0].weight  # 3x3, 64 to 64: std sqrt(2 / (64 * 9))
    assert weight.std().item() == pytest.approx((2 / 576) ** 0.5, rel=0.02)


def test_logits_are_the_head_of_the_features():
    nets = [(MLP(4, 3), torch.randn(5, 4)), (TextNet(9, 3), torch.randint(0, 9, (5, 7)))]
    for net, x in [*nets, (ResNet("resnet8", 3, channels=1, width=4), torch.randn(5, 1, 8, 8))]:
        net.eval()
        assert torch.equal(net(x), net.head(net.features(x)))


def test_padding_does_not_change_a_text():
    net = TextNet(20, 3).eval()
    short = torch.tensor([[3, 4, 5]])
    padded = torch.tensor([[3, 4, 5, 0, 0, 0]])
    assert torch.allclose(net(short), net(padded), atol=1e-6)


def test_a_text_without_words_has_finite_logits():
    assert TextNet(20, 3).eval()(torch.zeros(2, 4, dtype=torch.long)).isfinite().all()


def test_images_enter_the_body_normalised():
    data = inputs(shape=(50, 8, 8, 3))
    net = build(TrainingConfig(epochs=1, model="resnet8", width=4), data, 3)
    prepared = net.prepare(torch.from_numpy(data.array))
    assert prepared.shape == (50, 3, 8, 8)
    assert prepared.is_contiguous(memory_format=torch.channels_last)
    assert prepared.mean((0, 2, 3)).abs().max() < 1e-4
    assert (prepared.std((0, 2, 3)) - 1).abs().max() < 1e-3


def test_the_recipes_constants_normalise_where_they_are_given():
    training = TrainingConfig(epochs=1, mean=(0.5, 0.4, 0.3), std=(0.1, 0.2, 0.3))
    assert normalisation(training, inputs()) == ([0.5, 0.4, 0.3], [0.1, 0.2, 0.3])
    grey = inputs(shape=(6, 8, 8, 1))
    assert len(normalisation(training, grey)[0]) == 1  # three constants say nothing about one channel


def test_mean_and_deviation_of_a_sample_are_read_in_blocks(monkeypatch):
    image = np.random.default_rng(0).integers(90, 140, (45, 6, 5, 3)).astype(np.uint8)
    image[..., 2] = 7
    monkeypatch.setattr(factory, "SAMPLED", 4)
    mean, std = normalisation(TrainingConfig(epochs=1), Inputs(image, Encoding("image", 6, 5, 3)))
    np.testing.assert_allclose(mean, image.mean((0, 1, 2)) / 255, rtol=1e-14)
    np.testing.assert_allclose(std, [*image[..., :2].std((0, 1, 2)) / 255, 1 / 255], rtol=1e-14)


def test_embeddings_enter_the_body_normalised():
    data = inputs("embedding", (200, 4))
    prepared = build(TrainingConfig(epochs=1, model="mlp"), data, 2).prepare(torch.from_numpy(data.array))
    assert prepared.mean(0).abs().max() < 1e-4


def test_a_model_of_another_kind_is_refused_with_a_fitting_one():
    with pytest.raises(InputError, match="'resnet18' does not read text data; choose textnet"):
        build(TrainingConfig(epochs=1, model="resnet18"), inputs("text", (3, 4)), 2)


def test_an_unknown_model_is_refused_with_the_known_ones():
    with pytest.raises(InputError, match="no model 'resnet19': choose features, mlp, resnet8, resnet18"):
        build(TrainingConfig(epochs=1, model="resnet19"), inputs(), 2)


@pytest.fixture
def own(tmp_path, monkeypatch):
    (tmp_path / "own_model.py").write_text(
        "from torch import nn\n"
        "def plain(n_classes):\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(192, 7), nn.ReLU(), nn.Linear(7, n_classes))\n"
        "def knowing(n_classes, encoding):\n"
        "    assert encoding.kind == 'image'\n"
        "    return plain(n_classes)\n"
        "def headless(n_classes):\n"
        "    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())\n"
        "def wrong(n_classes):\n"
        "    return 3\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("own_model", None)


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize("function", ["plain", "knowing"])
def test_a_persons_own_model_has_logits_and_features(function):
    data = inputs()
    net = build(TrainingConfig(epochs=1, model=f"own_model:{function}"), data, 3)
    rows = torch.from_numpy(data.array)
    assert net(rows).shape == (6, 3)
    assert net.features(rows).shape == (6, 7)


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("own_model:missing", "has no attribute 'missing'"),
        ("no_such_module:net", "No module named 'no_such_module'"),
        ("own_model:wrong", "returns a torch.nn.Module, not int"),
        (":net", "package.module:function"),
    ],
)
def test_what_is_no_model_is_refused_in_a_sentence(name, message):
    with pytest.raises(InputError, match=message):
        build(TrainingConfig(epochs=1, model=name), inputs(), 3)


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("networks:flat", inputs("table", (6, 5), width=5), r"flat fails: it gets tables as \(2, 5\) float32 and"),
        ("torch.nn:Identity", inputs(), r"it gets images as \(2, 3, 8, 8\) .* logits \(2, 3\), not \(2, 3, 8, 8\)"),
        ("networks:told", inputs("text", (6, 9)), r"texts as \(2, 9\) int64 .* raises AttributeError"),
    ],
)  # fmt: skip
def test_a_network_that_cannot_predict_the_examples_is_refused_before_training(name, data, message):
    with pytest.raises(InputError, match=message):
        build(TrainingConfig(epochs=1, model=name), data, 3)


@pytest.mark.usefixtures("own")
def test_a_model_without_a_linear_layer_has_no_features():
    data = inputs()
    with pytest.raises(InputError, match="last linear layer"):
        build(TrainingConfig(epochs=1, model="own_model:headless"), data, 3).features(torch.from_numpy(data.array))


def test_a_pretrained_text_backbone_is_loaded(tmp_path, capfd):
    transformers = pytest.importorskip("transformers")
    shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    tiny = transformers.BertModel(transformers.BertConfig(vocab_size=50, **shape))
    tiny.save_pretrained(tmp_path / "bert")
    data = inputs("text", (4, 9))
    data.array[data.array == 0] = 7
    data.array[:, 5:] = 0
    capfd.readouterr()
    net = build(TrainingConfig(epochs=1, model=f"transformers:{tmp_path}/bert"), data, 3).eval()
    assert capfd.readouterr() == ("", ""), "bars of transformers are not what was asked for"
    assert transformers.utils.logging.is_progress_bar_enabled()
    rows = torch.from_numpy(data.array)
    assert net.features(rows).shape == (4, 16)
    assert torch.allclose(net(rows), net(rows[:, :5]), atol=1e-5)  # padding is masked


def test_a_pretrained_image_backbone_is_loaded(tmp_path):
    transformers = pytest.importorskip("transformers")
    config = transformers.ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic")
    transformers.ResNetForImageClassification(config).save_pretrained(tmp_path / "resnet")
    data = inputs(shape=(4, 32, 32, 1))
    net = build(TrainingConfig(epochs=1, model=str(tmp_path / "resnet")), data, 5).eval()
    rows = torch.from_numpy(data.array)
    assert net(rows).shape == (4, 5)
    assert net.features(rows).shape == (4, 16)


def test_a_missing_backbone_is_refused_in_a_sentence(tmp_path):
    pytest.importorskip("transformers")
    with pytest.raises(InputError, match="there is no folder"):
        build(TrainingConfig(epochs=1, model=f"transformers:{tmp_path}/nothing"), inputs("text", (3, 4)), 2)


def test_logits_are_float32_under_autocast():
    net = Network(MLP(4, 3), "table", [0.0], [1.0]).eval()
    x = torch.randn(5, 4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = net(x)
        coarse = nn.Linear(4, 3)(x)
    assert coarse.dtype == torch.bfloat16
    assert logits.dtype == torch.float32
    assert not torch.equal(logits, logits.bfloat16().float())


LINEAR = """
from torch import nn

NAMES = ("linear",)
KINDS = ("table", "embedding")


def build(inputs, num_classes, config):
    return nn.Linear(inputs.array.shape[1], num_classes)
"""


def test_a_network_is_one_file_of_the_folder(tmp_path, monkeypatch):
    from datapare.training import networks
    from datapare.training.networks import factory

    for file in Path(factory.__file__).parent.glob("*.py"):
        (tmp_path / file.name).symlink_to(file)
    (tmp_path / "linear.py").write_text(LINEAR)
    monkeypatch.setattr(factory, "__file__", str(tmp_path / "factory.py"))
    monkeypatch.setattr(networks, "__path__", [str(tmp_path)])
    inputs = Inputs(np.zeros((4, 3), np.float32), Encoding("table", width=3))
    network = build(TrainingConfig(epochs=1, model="linear"), inputs, 2)
    assert network(torch.zeros(4, 3)).shape == (4, 2)
    assert {"linear", "textnet", "resnet50", "mlp"} <= set(factory.architectures())
    with pytest.raises(InputError, match="'linear' does not read text data; choose textnet"):
        build(TrainingConfig(epochs=1, model="linear"), Inputs(np.zeros((4, 3), np.int32), Encoding("text")), 2)


@pytest.mark.parametrize("size", [8, 9])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("wide", [8, 16])  # fewer would overwrite memory in nn.Conv2d, where there is AVX2 and no more
def test_a_pointwise_convolution_is_that_of_torch(wide, stride, size):
    torch.manual_seed(0)
    ours, theirs = (make(wide, 2 * wide, 1, stride, bias=False) for make in (Pointwise, nn.Conv2d))
    theirs.load_state_dict(ours.state_dict())
    exact = nn.Conv2d(wide, 2 * wide, 1, stride, bias=False).double()
    exact.load_state_dict(ours.state_dict())
    image = torch.randn(5, wide, size, size).to(memory_format=torch.channels_last)
    for one in (ours, theirs, exact):
        one.to(memory_format=torch.channels_last)(image.to(one.weight.dtype)).square().sum().backward()
    assert torch.equal(ours(image), theirs(image))
    read = image[:, :, ::stride, ::stride].double()
    size_of_terms = torch.einsum("nohw,nihw->oi", 2 * exact(image.double()).abs(), read.abs())[..., None, None]
    rounding = (read[:, 0].numel() + wide) * torch.finfo(torch.float32).eps / 2  # of a sum of so many products
    assert ((ours.weight.grad - exact.weight.grad).abs() <= rounding * size_of_terms).all()


NARROW = """
from dataclasses import replace
from trainings import PICTURES, pictures
from datapare.training import train
data, label = pictures()
for width in (1, 2, 4, 6):
    for layout in ("channels-last", "contiguous"):
        train(data, label, 3, replace(PICTURES, width=width, layout=layout, epochs=2), seed=0)
"""


def test_narrow_networks_keep_to_their_memory_where_there_is_avx2_and_no_more():
    support = str(Path(__file__).parents[1] / "support")
    env = os.environ | {"ONEDNN_MAX_CPU_ISA": "AVX2", "MALLOC_CHECK_": "3"}
    script = f"import sys; sys.path.insert(0, {support!r})\n{NARROW}"
    done = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
