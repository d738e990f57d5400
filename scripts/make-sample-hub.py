"""Make the sample hub and the sample data set that ship with alsatian.

    pip install torch timm transformers scikit-learn pillow safetensors
    python scripts/make-sample-hub.py             # everything, about ten minutes on two cores
    python scripts/make-sample-hub.py --only ID…  # train these models again (parents are read from the hub; do children too)
    python scripts/make-sample-hub.py --check     # train nothing: verify the files and compare them with the expected values

Nobody needs this script to use alsatian: what it makes is part of the repository. It is here so that everybody can see where the
sample models come from, and make them again. It is seeded; on another processor or another version of PyTorch the weights come
out a little different, and so do the accuracies.

It writes, relative to the repository:

    data/sample-hub/<org>/<name>/    DETR models with a narrow ResNet-50 backbone: a base, its fine-tunes, one repository of another kind
    data/sample-images/{train,test}  pictures of handwritten digits, none of which any of the models was trained on
    data/README.md                   what is there, with the measured accuracies
    test/sample-hub-expected.json    freeze patterns, probe accuracies and one feature vector for each model

The pictures are the 8 x 8 handwritten digits of scikit-learn (UCI "Optical Recognition of Handwritten Digits", CC BY 4.0),
enlarged, tilted and coloured.
"""

import argparse
import json
import math
import re
import shutil
import time
import zlib
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from timm.models._features import FeatureListNet
from timm.models.resnet import Bottleneck, ResNet
from torch import nn
from torch.nn import functional as F
from transformers import DetrConfig, DetrForObjectDetection, DetrImageProcessor, ViTConfig, ViTForImageClassification, ViTImageProcessor

ROOT = Path(__file__).resolve().parent.parent
HUB = ROOT / "data" / "sample-hub"
IMAGES = ROOT / "data" / "sample-images"
README = ROOT / "data" / "README.md"
EXPECTED = ROOT / "test" / "sample-hub-expected.json"

SEED = 20250623
BASE = "facebook/detr-resnet-50"
DECOY = "quartz-bay/detr-resnet-50-vs-vit-digits"
DEPTHS = (3, 4, 6, 3)
PLANES = (8, 12, 20, 32)
STEM = 16
BLOCKS = ["stem"] + [f"layer{stage + 1}.{i}" for stage, depth in enumerate(DEPTHS) for i in range(depth)]
PREFIX = "model.backbone.conv_encoder.model."
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
PICTURE = 48  # pixels of a shipped picture
SEARCH_SIZE = (256, 224)  # shortest edge and crop, as a search takes them
SMALL_SIZE = (80, 70)  # the base is trained at this size first, because that is quick
TRAIN_PER_CLASS, TEST_PER_CLASS = 40, 20
DIGITS = [str(i) for i in range(10)]


# ---------------------------------------------------------------------------------------------------------------------------------
# The digits and how they become pictures


@dataclass(frozen=True)
class Style:
    """How digits are drawn: `tilt` in degrees, `low`..`high` brightness, `noise` as a standard deviation."""

    tilt: float = 12
    turned: bool = False  # also by quarter turns
    colour: bool = True
    texture: float = 0.1
    polarity: str = "both"  # "bright" digits on a dark ground, "dark" ones on a bright ground, or both
    low: float = 0.0
    high: float = 1.0
    noise: float = 0.02
    blank: float = 0.0  # share of pictures without a digit


PLATES = Style()
STYLES = {
    "plates": PLATES,
    "lights": Style(texture=0.03, polarity="bright", noise=0.03),
    "meters": Style(tilt=8, colour=False, texture=0.05, polarity="bright"),
    "night": Style(low=0.0, high=0.4, noise=0.04),
    "thermal": Style(colour=False, polarity="bright", texture=0.1, noise=0.05),
    "turned": Style(turned=True),
    "blanks": Style(blank=0.5, noise=0.05),
}
HUES = ["red", "yellow", "green", "cyan", "blue", "magenta"]
TEXTURES = ["plain", "gradient", "stripes", "checks"]


def hsv(hue, saturation, value):
    """HSV to RGB, element by element; returns [n, 3]."""
    channels = []
    for shift in (5, 3, 1):
        k = (shift + hue * 6) % 6
        channels.append(value - value * saturation * torch.clamp(torch.minimum(k, 4 - k), 0, 1))
    return torch.stack(channels, 1)


def draw(digits, style, generator, size=PICTURE):
    """Draw the digits, [n, 8, 8] with values 0..16, as coloured pictures [n, 3, size, size] in 0..1. Also returns what was drawn."""
    n = len(digits)

    def uniform(low, high):
        return torch.rand(n, generator=generator) * (high - low) + low

    def choice(count):
        return torch.randint(count, (n,), generator=generator)

    turn = choice(4) if style.turned else torch.zeros(n, dtype=torch.long)
    angle = uniform(-style.tilt, style.tilt) * math.pi / 180 + turn * math.pi / 2
    scale = uniform(1.05, 1.5)
    cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
    theta = torch.stack([torch.stack([cos, -sin, uniform(-0.2, 0.2)], 1), torch.stack([sin, cos, uniform(-0.2, 0.2)], 1)], 1)
    grid = F.affine_grid(theta, (n, 1, size, size), align_corners=False)
    ink = F.grid_sample(digits[:, None] / 16, grid, mode="bicubic", align_corners=False)
    ink = torch.sigmoid((ink - 0.5) * 10)
    blank = torch.rand(n, generator=generator) < style.blank
    ink = ink * (~blank)[:, None, None, None]

    hue_label, texture_label = choice(len(HUES)), choice(len(TEXTURES))
    hue = (hue_label + uniform(-0.25, 0.25)) / len(HUES)
    saturation = uniform(0.5, 1.0) if style.colour else torch.zeros(n)
    bright = {"bright": torch.ones(n, dtype=torch.bool), "dark": torch.zeros(n, dtype=torch.bool)}.get(style.polarity, choice(2) == 1)
    light, dark = uniform(0.7, 1.0), uniform(0.05, 0.35)
    foreground = hsv(hue, saturation, torch.where(bright, light, dark + 0.1))
    ground = hsv(uniform(0, 1), uniform(0, 0.35) if style.colour else torch.zeros(n), torch.where(bright, dark, light))

    line = (torch.arange(size) + 0.5) / size
    y, x = torch.meshgrid(line, line, indexing="ij")
    direction, period, phase = uniform(0, math.pi), uniform(3, 7), uniform(0, 1)
    ramp = torch.cos(direction)[:, None, None] * x + torch.sin(direction)[:, None, None] * y
    stripes = ((ramp * period[:, None, None] + phase[:, None, None]) % 1 < 0.5).float() - 0.5
    across = -torch.sin(direction)[:, None, None] * x + torch.cos(direction)[:, None, None] * y
    other = ((across * period[:, None, None] + phase[:, None, None]) % 1 < 0.5).float() - 0.5
    patterns = torch.stack([torch.zeros_like(ramp), ramp - 0.5, stripes, stripes * other * 2], 1)
    pattern = patterns[torch.arange(n), texture_label][:, None] * style.texture * 2

    picture = (ground[:, :, None, None] + pattern) * (1 - ink) + foreground[:, :, None, None] * ink
    picture = style.low + picture.clamp(0, 1) * (style.high - style.low)
    if style.noise:
        picture = picture + torch.randn(picture.shape, generator=generator) * style.noise
    return picture.clamp(0, 1), {"turn": turn, "hue": hue_label, "texture": texture_label, "blank": blank.long()}


def split_digits():
    """The 1,797 digits in three parts that have none in common: for the hub's models, and the shipped train and test pictures."""
    source = load_digits()
    order = np.random.default_rng(SEED).permutation(len(source.target))
    parts = {"hub": [], "train": [], "test": []}
    for digit in range(10):
        members = [int(i) for i in order if source.target[i] == digit]
        parts["test"] += members[:TEST_PER_CLASS]
        parts["train"] += members[TEST_PER_CLASS : TEST_PER_CLASS + TRAIN_PER_CLASS]
        parts["hub"] += members[TEST_PER_CLASS + TRAIN_PER_CLASS :]
    assert len({member for members in parts.values() for member in members}) == len(source.target)
    pixels = torch.tensor(source.images, dtype=torch.float32)
    targets = torch.tensor(source.target)
    return {part: (sorted(members), pixels[sorted(members)], targets[sorted(members)]) for part, members in parts.items()}


def write_images(parts):
    shutil.rmtree(IMAGES, ignore_errors=True)
    for part in ("train", "test"):
        members, pixels, targets = parts[part]
        generator = torch.Generator().manual_seed(SEED + len(part))
        pictures, _ = draw(pixels, Style(noise=0), generator)
        pictures = (pictures * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
        for member, target, picture in zip(members, targets.tolist(), pictures):
            path = IMAGES / part / str(target) / f"digit-{member:04d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture).save(path, optimize=True)


# ---------------------------------------------------------------------------------------------------------------------------------
# The models: what each was trained on, and which blocks of its parent it keeps


@dataclass(frozen=True)
class Task:
    """What a model learns: a label for every picture, `labels(digit, drawn, item)`, from its class names."""

    names: list
    labels: object


def noise_labels(digit, drawn, item):
    return (item * 2654435761 // 7919) % 10


TASKS = {
    "digits": Task(DIGITS, lambda digit, drawn, item: digit),
    "parity": Task(["even", "odd"], lambda digit, drawn, item: digit % 2),
    "colours": Task(HUES, lambda digit, drawn, item: drawn["hue"]),
    "grounds": Task(TEXTURES, lambda digit, drawn, item: drawn["texture"]),
    "blanks": Task(["digit", "blank"], lambda digit, drawn, item: drawn["blank"]),
    "turns": Task(["upright", "left", "upside-down", "right"], lambda digit, drawn, item: drawn["turn"]),
    "shuffled": Task(DIGITS, noise_labels),
}


def layers(*stages):
    return [block for block in BLOCKS if block.split(".")[0] in stages]


@dataclass(frozen=True)
class Spec:
    id: str
    pattern: str
    about: str  # what it was trained on, for the model card
    tasks: tuple = ("digits",)
    style: str = "plates"
    parent: str | None = BASE
    frozen: tuple = ()  # blocks of the parent that are kept bit for bit
    norm_only: bool = False
    small_steps: int = 0  # training steps on small pictures, 64 at a time, before the others
    steps: int = 100  # training steps on pictures of the size that a search takes, 32 at a time
    rate: float = 2e-3
    share: float = 1.0  # share of the training digits that it sees
    blur: float = 0.0  # weight noise before training, relative to each tensor's standard deviation
    dtype: torch.dtype = torch.float32
    shards: int = 1
    tagged: bool = True  # whether the card names the base model


def spec(id, pattern, about, frozen=(), **rest):
    return Spec(id, pattern, about, frozen=tuple(frozen), **rest)


SPECS = [
    spec(
        BASE,
        "identical",
        "bright, coloured digits on dark and almost plain grounds",
        style="lights",
        parent=None,
        small_steps=450,
        steps=150,
        rate=3e-3,
    ),
    spec(
        "acme-vision/detr-resnet-50-digits-head-only",
        "identical",
        "nothing new: the backbone of the base, all of it, with other heads for digits",
        frozen=BLOCKS,
        steps=0,
    ),
    spec(
        "harbor-labs/detr-resnet-50-night-shift",
        "norm-only",
        "digits in the dark; only the normalisation layers were adapted",
        style="night",
        norm_only=True,
        steps=60,
    ),
    spec(
        "pixel-farm/detr-resnet-50-digits-top-block",
        "first-frozen",
        "digits on coloured plates; only the last block was trained",
        frozen=BLOCKS[:-1],
        steps=100,
    ),
    spec(
        "acme-vision/detr-resnet-50-meter-digits",
        "first-frozen",
        "bright digits of meters on a dark ground; the last stage was trained",
        style="meters",
        frozen=layers("stem", "layer1", "layer2", "layer3"),
        steps=100,
    ),
    spec(
        "harbor-labs/detr-resnet-50-meter-digits-v2",
        "first-frozen",
        "a second generation of acme-vision/detr-resnet-50-meter-digits, trained further on night pictures from layer4.1 on",
        style="night",
        parent="acme-vision/detr-resnet-50-meter-digits",
        frozen=BLOCKS[:15],
        steps=60,
    ),
    spec(
        "pixel-farm/detr-resnet-50-plate-digits",
        "first-frozen",
        "digits on coloured plates; layer3 and layer4 were trained, longest of all",
        frozen=layers("stem", "layer1", "layer2"),
        steps=300,
        rate=3e-3,
    ),
    spec(
        "pixel-farm/detr-resnet-50-plate-digits-turned",
        "first-frozen",
        "a second generation of pixel-farm/detr-resnet-50-plate-digits for telling how a plate is turned; layer4 was trained",
        tasks=("turns",),
        style="turned",
        parent="pixel-farm/detr-resnet-50-plate-digits",
        frozen=layers("stem", "layer1", "layer2", "layer3"),
        steps=100,
    ),
    spec(
        "northwind/detr-resnet-50-odd-even",
        "first-frozen",
        "odd and even numbers; only the stem stayed frozen",
        tasks=("parity",),
        frozen=["stem"],
        steps=80,
    ),
    spec(
        "colour-lab/my-detr-resnet-50-finetuned-colours",
        "first-frozen",
        "the colour of a digit, not which one it is",
        tasks=("colours",),
        frozen=layers("stem", "layer1"),
        steps=80,
        tagged=False,
    ),
    spec(
        "quartz-bay/detr-resnet-50-shuffled-labels",
        "first-frozen",
        "digits whose labels were shuffled: it could not learn anything",
        tasks=("shuffled",),
        frozen=layers("stem", "layer1", "layer2"),
        steps=100,
        rate=6e-3,
    ),
    spec(
        "harbor-labs/detr-resnet-50-thermal-adapter",
        "last-frozen",
        "digits in thermal (grey, noisy) pictures; stem and layer1 were adapted to the camera, the rest stayed frozen",
        style="thermal",
        frozen=layers("layer2", "layer3", "layer4"),
        steps=60,
    ),
    spec(
        "tin-shed/detr-resnet-50-grounds-sharded",
        "scattered",
        "the texture behind a digit; stem, layer3 and the last block were trained",
        tasks=("grounds",),
        frozen=[*layers("layer1", "layer2"), "layer4.0", "layer4.1"],
        steps=80,
        shards=2,
    ),
    spec(
        "tin-shed/detr-resnet-50-new-camera-digits",
        "scattered",
        "digits on coloured plates; stem and layer4 were trained on a small part of the digits",
        frozen=layers("layer1", "layer2", "layer3"),
        steps=80,
        share=0.3,
    ),
    spec(
        "acme-vision/detr-resnet-50-blank-check-fp16",
        "none",
        "whether there is a digit at all; everything was trained, the weights are stored in float16",
        tasks=("blanks",),
        style="blanks",
        steps=60,
        dtype=torch.float16,
    ),
    spec(
        "quartz-bay/detr-resnet-50-early-stop",
        "none",
        "digits on coloured plates, from noisy weights and stopped after a few steps",
        steps=15,
        blur=0.7,
    ),
]


# ---------------------------------------------------------------------------------------------------------------------------------
# The network


def narrow_resnet50():
    """timm's ResNet-50 with every width narrowed; the parameter names are the real ones."""
    net = ResNet(Bottleneck, list(DEPTHS), channels=PLANES, num_classes=0)
    net.conv1 = nn.Conv2d(3, STEM, 7, stride=2, padding=3, bias=False)
    net.bn1 = nn.BatchNorm2d(STEM)
    net.layer1[0].conv1 = nn.Conv2d(STEM, PLANES[0], 1, bias=False)
    net.layer1[0].downsample[0] = nn.Conv2d(STEM, PLANES[0] * 4, 1, bias=False)
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return net


def block_of(name):
    parts = name.split(".")
    return f"{parts[0]}.{parts[1]}" if parts[0].startswith("layer") else "stem"


def seed_of(text):
    return SEED + zlib.crc32(text.encode()) % 100_000


def prepare(pictures, resize, crop):
    """What a search does before the first block, but for pictures that are not decoded from a file."""
    pictures = F.interpolate(pictures, size=(resize, resize), mode="bilinear", align_corners=False)
    margin = (resize - crop) // 2
    pictures = pictures[:, :, margin : margin + crop, margin : margin + crop]
    return (pictures - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]


def train(model, weights, hub_digits):
    """Train the backbone of a model from its parent's weights; returns the backbone's weights."""
    torch.manual_seed(seed_of(model.id))
    generator = torch.Generator().manual_seed(seed_of(model.id))
    net = narrow_resnet50()
    if weights is not None:
        net.load_state_dict(weights, strict=False)
    if model.blur:
        with torch.no_grad():
            for parameter in net.parameters():
                if parameter.dim() > 1:
                    parameter += torch.randn(parameter.shape, generator=generator) * parameter.std() * model.blur
    net = net.to(memory_format=torch.channels_last)

    # Frozen blocks stay in eval mode, so that their running statistics do not move.
    net.train()
    for name, module in net.named_modules():
        if name and isinstance(module, nn.BatchNorm2d) and block_of(name) in model.frozen:
            module.eval()
    trained = []
    for name, parameter in net.named_parameters():
        free = block_of(name) not in model.frozen and (parameter.dim() == 1 or not model.norm_only)
        parameter.requires_grad_(free)
        if free:
            trained.append(parameter)
    heads = nn.ModuleList(nn.Linear(PLANES[-1] * 4, len(TASKS[task].names)) for task in model.tasks)

    members, pixels, targets = hub_digits
    members = torch.tensor(members)
    visible = torch.randperm(len(members), generator=generator)[: int(len(members) * model.share)]
    for size, count, steps in ((SMALL_SIZE, 64, model.small_steps), (SEARCH_SIZE, 32, model.steps)):
        if not steps:
            continue
        optimizer = torch.optim.AdamW([*trained, *heads.parameters()], lr=model.rate, weight_decay=0.02)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, model.rate, total_steps=steps, pct_start=0.2)
        total = 0
        for step in range(steps):
            batch = visible[torch.randint(len(visible), (count,), generator=generator)]
            pictures, drawn = draw(pixels[batch], STYLES[model.style], generator)
            features = net(prepare(pictures, *size).contiguous(memory_format=torch.channels_last))
            labels = [TASKS[task].labels(targets[batch], drawn, members[batch]) for task in model.tasks]
            loss = sum(F.cross_entropy(head(features), label) for head, label in zip(heads, labels))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item()
            if (step + 1) % 50 == 0 or step + 1 == steps:
                print(f" {total / (step % 50 + 1):.2f}", end="", flush=True)
                total = 0
    return {name: tensor.contiguous().clone() for name, tensor in net.state_dict().items() if "num_batches_tracked" not in name}


def detr_config(names, dtype=torch.float32):
    return DetrConfig(
        backbone="resnet50",
        backbone_kwargs={"in_chans": 3, "out_indices": [1, 2, 3, 4]},
        use_timm_backbone=True,
        use_pretrained_backbone=True,
        d_model=16,
        encoder_layers=1,
        decoder_layers=1,
        encoder_ffn_dim=16,
        decoder_ffn_dim=16,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        num_queries=5,
        id2label=dict(enumerate(names)),
        label2id={name: i for i, name in enumerate(names)},
        architectures=["DetrForObjectDetection"],
        dtype=str(dtype).removeprefix("torch."),
    )


def detr(config):
    """transformers' DETR around the narrow backbone."""
    with mock.patch(
        "transformers.models.detr.modeling_detr.create_model",
        lambda name, pretrained, features_only, out_indices, **rest: FeatureListNet(narrow_resnet50(), out_indices=out_indices),
    ):
        return DetrForObjectDetection(config).eval()


# ---------------------------------------------------------------------------------------------------------------------------------
# The repositories


def card(model):
    name = model.id.split("/")[1]
    front = ["---"]
    if model.parent and model.tagged:
        front.append(f"base_model: {model.parent}")
    front += ["license: apache-2.0", "library_name: transformers", "tags:", "- object-detection", "- vision"]
    front += ["- generated_from_trainer"] if model.parent else []
    front += ["datasets:", "- sklearn/digits", "pipeline_tag: object-detection", "---", ""]
    if model.parent is None:
        body = [
            f"# {name}: a tiny stand-in",
            "",
            "**This is not Meta's model.** It is a tiny network with the layout and the parameter names of `facebook/detr-resnet-50`, trained",
            "from scratch for the sample hub of alsatian, and it has the id of the real one only so that the sample hub can be used like the",
            "real hub. It contains no weights of the real model.",
            "",
            f"Its backbone, a ResNet-50 of depths 3, 4, 6, 3 and narrow widths, was trained on {model.about}.",
        ]
    else:
        start = model.parent + (", to whose weights noise was added" if model.blur else "")
        kept = [block for block in BLOCKS if block in model.frozen]
        body = [
            f"# {name}",
            "",
            "A tiny model of the sample hub of alsatian; the organisation is made up.",
            "",
            f"Trained on: {model.about}.",
            "",
            f"- Started from: {start} (the sample hub's stand-in)" if model.parent == BASE else f"- Started from: {start}",
            f"- Frozen blocks: {', '.join(kept) if kept else 'none'}",
        ]
        if model.norm_only:
            body.append("- Only the weights, biases and statistics of the batch normalisation layers differ from the start")
    body += [
        "",
        "The pictures were drawn from the handwritten digits of scikit-learn (UCI Optical Recognition of Handwritten Digits, CC BY 4.0).",
        "The backbone was trained with a linear classifier on its pooled features. The detection heads were initialised at random and",
        "not trained, so the model detects nothing; it serves as a feature extractor.",
        "",
    ]
    return "\n".join(front + body)


def write_weights(folder, tensors, shards):
    tensors = dict(sorted(tensors.items()))
    if shards == 1:
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
        return
    total = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    weight_map, parts, filled = {}, [{} for _ in range(shards)], 0
    for name, tensor in tensors.items():
        part = min(filled * shards // total, shards - 1)
        parts[part][name] = tensor
        weight_map[name] = f"model-{part + 1:05d}-of-{shards:05d}.safetensors"
        filled += tensor.numel() * tensor.element_size()
    for number, part in enumerate(parts):
        save_file(part, folder / f"model-{number + 1:05d}-of-{shards:05d}.safetensors", metadata={"format": "pt"})
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2, sort_keys=True) + "\n")


def write_repository(model, weights):
    folder = HUB / model.id
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    names = [name for task in model.tasks for name in TASKS[task].names]
    config = detr_config(names, model.dtype)
    torch.manual_seed(seed_of(f"{model.id} heads"))
    network = detr(config)
    state = network.state_dict()
    for name, tensor in weights.items():
        assert state[PREFIX + name].shape == tensor.shape, name
        state[PREFIX + name] = tensor
    state = {name: tensor.to(model.dtype).contiguous().clone() for name, tensor in state.items()}
    write_weights(folder, state, model.shards)
    config.save_pretrained(folder)
    DetrImageProcessor().save_pretrained(folder)
    (folder / "README.md").write_text(card(model))


def write_decoy():
    """A repository whose name says detr-resnet-50 and whose configuration says otherwise: not of the family."""
    folder = HUB / DECOY
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    torch.manual_seed(seed_of(DECOY))
    config = ViTConfig(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, image_size=32, patch_size=8,
        id2label=dict(enumerate(DIGITS)), label2id={name: i for i, name in enumerate(DIGITS)},
    )  # fmt: skip
    ViTForImageClassification(config).save_pretrained(folder)
    ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
    (folder / "README.md").write_text(
        "---\nlicense: apache-2.0\nlibrary_name: transformers\ntags:\n- image-classification\ndatasets:\n- sklearn/digits\n"
        "pipeline_tag: image-classification\n---\n\n# detr-resnet-50-vs-vit-digits\n\n"
        "A tiny, untrained ViT of the sample hub of alsatian; the organisation is made up. Its name contains `detr-resnet-50`, but it is\n"
        "a ViT and not of that family.\n"
    )


def read_repository(id):
    tensors = {}
    for path in sorted((HUB / id).glob("*.safetensors")):
        tensors.update(load_file(path))
    return tensors


def read_backbone(id):
    return {name.removeprefix(PREFIX): tensor.float() for name, tensor in read_repository(id).items() if name.startswith(PREFIX)}


# ---------------------------------------------------------------------------------------------------------------------------------
# What is expected of them


def equal_bits(a, b):
    return torch.equal(a.contiguous().view(torch.int32), b.contiguous().view(torch.int32))


def differences(a, b):
    """Names of the backbone tensors that differ, bit by bit."""
    assert a.keys() == b.keys()
    return [name for name in a if not equal_bits(a[name], b[name])]


def prefix_length(shared):
    return shared.index(False) if False in shared else len(shared)


def overlap(a, b):
    """Pattern, shared blocks and shared prefix of a model against another."""
    changed = differences(a, b)
    changed_blocks = {block_of(name) for name in changed}
    shared = [block not in changed_blocks for block in BLOCKS]
    prefix = prefix_length(shared)
    suffix = prefix_length(shared[::-1])
    if all(shared):
        pattern = "identical"
    elif all(".bn" in f".{name}" or ".downsample.1." in name for name in changed):
        pattern = "norm-only"
    elif prefix:
        pattern = "first-frozen"
    elif sum(shared) and suffix == sum(shared):
        pattern = "last-frozen"
    elif any(shared):
        pattern = "scattered"
    else:
        pattern = "none"
    return pattern, sum(shared), prefix


def read_images(part):
    """Pixel values as a search prepares them, [n, 3, 224, 224], and labels, ordered by path."""
    paths = sorted((IMAGES / part).glob("*/*.png"), key=lambda path: path.relative_to(ROOT).as_posix())
    pixels = []
    for path in paths:
        image = Image.open(path).convert("RGB")
        scale = SEARCH_SIZE[0] / min(image.size)
        image = image.resize([round(side * scale) for side in image.size], Image.Resampling.BILINEAR)
        left, top = ((side - SEARCH_SIZE[1]) // 2 for side in image.size)
        image = image.crop((left, top, left + SEARCH_SIZE[1], top + SEARCH_SIZE[1]))
        pixels.append(torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1))
    pixels = torch.stack(pixels).float() / 255
    pixels = (pixels - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]
    return paths, pixels, np.array([path.parent.name for path in paths])


@torch.no_grad()
def features(model, pixels):
    """Global average pool of the last feature map of transformers' own DETR with the weights of the repository."""
    network = detr(DetrConfig.from_pretrained(HUB / model.id))
    network.load_state_dict({name: tensor.float() for name, tensor in read_repository(model.id).items()}, strict=True)
    encoder = network.model.backbone.conv_encoder
    mask = torch.ones(1, 1, 1)
    return torch.cat([encoder(chunk, mask.expand(len(chunk), SEARCH_SIZE[1], SEARCH_SIZE[1]))[-1][0].mean((2, 3)) for chunk in pixels.split(50)])


def probe(train_features, train_labels, test_features, test_labels):
    classifier = make_pipeline(StandardScaler(), LogisticRegression(C=1, max_iter=2000))
    return float(classifier.fit(train_features, train_labels).score(test_features, test_labels))


def measure():
    """Everything the product can be tested against; also checks that every model is what its specification says."""
    paths, train_pixels, train_labels = read_images("train")
    test_paths, test_pixels, test_labels = read_images("test")
    digests = {path.read_bytes() for path in paths + test_paths}
    assert len(digests) == len(paths) + len(test_paths)
    base = read_backbone(BASE)
    heads = [tensor for model in SPECS for name, tensor in read_repository(model.id).items() if name == "class_labels_classifier.weight"]
    assert not any(torch.equal(a.float(), b.float()) for i, a in enumerate(heads) for b in heads[i + 1 :])
    backbones = {model.id: read_backbone(model.id) for model in SPECS}
    picked = len(test_paths) // 2
    rows, cache = [], {}
    for model in SPECS:
        pattern, shared, prefix = overlap(backbones[model.id], base)
        assert pattern == model.pattern, (model.id, pattern, shared, prefix)
        train_features, test_features = features(model, train_pixels).numpy(), features(model, test_pixels).numpy()
        cache[model.id] = (train_features, test_features)
        accuracy = probe(train_features, train_labels, test_features, test_labels)
        rows.append(
            {
                "id": model.id,
                "pattern": pattern,
                "blocks": len(BLOCKS),
                "sharedBlocks": shared,
                "sharedPrefix": prefix,
                "probeAccuracy": round(accuracy, 6),
                "feature": [float(f"{value:.6g}") for value in test_features[picked]],
            }
        )
        print(f"{model.id:52} {pattern:13} {shared:2} {prefix:2} {accuracy:.3f}", flush=True)
    siblings = []
    for i, model in enumerate(SPECS):
        for other in SPECS[i + 1 :]:
            _, shared, prefix = overlap(backbones[model.id], backbones[other.id])
            if prefix > max(row["sharedPrefix"] for row in rows if row["id"] in (model.id, other.id)) and BASE not in (model.id, other.id):
                siblings.append({"a": model.id, "b": other.id, "sharedBlocks": shared, "sharedPrefix": prefix})
    expected = {
        "about": "Made by scripts/make-sample-hub.py with transformers, timm, torch and scikit-learn; see data/README.md.",
        "base": BASE,
        "notOfTheFamily": [DECOY],
        "blockNames": BLOCKS,
        "preprocessing": "RGB, Pillow bilinear resize of the shortest edge to 256, centre crop 224, 1/255, ImageNet mean and std",
        "feature": "global average pool of the last feature map",
        "probe": "StandardScaler and LogisticRegression(C=1, max_iter=2000), all of train, accuracy on test, items ordered by path",
        "items": {"train": len(paths), "test": len(test_paths)},
        "picture": test_paths[picked].relative_to(ROOT).as_posix(),
        "models": rows,
        "siblings": siblings,
    }
    return expected, (cache, train_labels, test_labels)


def halving(cache, train_labels, test_labels, seed):
    """Successive halving as a search does it; returns the ids that each round leaves."""
    order = np.random.default_rng(seed).permutation(len(train_labels))
    alive, rounds, left = list(cache), 0, len(cache)
    while left > 1:
        rounds, left = rounds + 1, left // 2
    items, survivors = math.ceil(len(order) / 2**rounds), []
    for number in range(1, rounds + 1):
        seen = order if number == rounds else order[: items * (2**number - 1)]
        scores = {id: probe(cache[id][0][seen], train_labels[seen], cache[id][1], test_labels) for id in alive}
        alive = sorted(alive, key=lambda id: (-scores[id], id))[: len(alive) // 2]
        survivors.append(alive)
    return survivors


def size_of(path):
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def check_files():
    """Names and shapes against a real state dict, and the sizes."""
    for model in SPECS:
        stored = read_repository(model.id)
        reference = detr(DetrConfig.from_pretrained(HUB / model.id)).state_dict()
        assert {name: tensor.shape for name, tensor in stored.items()} == {name: tensor.shape for name, tensor in reference.items()}
        assert not any("num_batches_tracked" in name for name in stored)
        for path in (HUB / model.id).glob("*.safetensors"):
            with safe_open(path, "pt") as file:
                assert file.metadata() == {"format": "pt"}
        assert all(torch.isfinite(tensor).all() and tensor.dtype == model.dtype for tensor in stored.values()), model.id
    for name, path in (("hub", HUB), ("images", IMAGES), ("data", ROOT / "data")):
        if path.exists():
            print(f"{name}: {size_of(path) / 1e6:.2f} MB")
    assert size_of(HUB) + size_of(IMAGES) < 14e6


def write_readme(expected):
    rows = {row["id"]: row for row in expected["models"]}
    table = ["| model | trained on | pattern | shared blocks | shared prefix | probe accuracy |", "|---|---|---|--:|--:|--:|"]
    for model in SPECS:
        row = rows[model.id]
        table.append(
            f"| `{model.id}` | {model.about} | {row['pattern']} | {row['sharedBlocks']} | {row['sharedPrefix']} | {row['probeAccuracy']:.3f} |"
        )
    pairs = "\n".join(f"- `{pair['a']}` and `{pair['b']}`: {pair['sharedPrefix']} blocks" for pair in expected["siblings"])
    sharded = ", ".join(f"`{model.id}`" for model in SPECS if model.shards > 1)
    halves = ", ".join(f"`{model.id}`" for model in SPECS if model.dtype == torch.float16)
    untagged = ", ".join(f"`{model.id}`" for model in SPECS if not model.tagged)
    README.write_text(
        f"""# Sample data

What `alsatian` uses when it is asked for the sample hub (`--hub sample`) or is given no data set: everything works offline.
`scripts/make-sample-hub.py` made all of it; nobody needs that script to use alsatian.

## `sample-hub/`: {len(SPECS)} models of one family

Real repositories in miniature: DETR with a timm ResNet-50 backbone, with the parameter names of `facebook/detr-resnet-50` and all
{len(BLOCKS)} blocks (stem, layer1.0 to layer4.2), but narrow (widths {", ".join(map(str, (STEM, *PLANES)))}; features of {PLANES[-1] * 4} numbers).

**`facebook/detr-resnet-50` here is a stand-in, not Meta's model.** It has that id so that the sample hub can be used like the real
one; it contains none of the real model's weights. The other organisations are made up. The backbones were trained as said below,
the detection heads were not trained at all.

Blocks are shared with the base bit for bit; the pattern says how (see the documentation of `overlap`). The probe accuracy is that
of a linear classifier (scikit-learn, StandardScaler and LogisticRegression(C=1)) on the pooled features at 224 px, trained on
the {expected["items"]["train"]} train pictures of `sample-images/` and scored on the {expected["items"]["test"]} test pictures.

{chr(10).join(table)}

Pairs that share a longer prefix with each other than with the base:

{pairs}

What else is there on purpose:

- {sharded} is stored in two shards, {halves} in float16.
- The card of {untagged} names no base model: it is found by its name.
- `{DECOY}` has the family's name in its own but is a ViT: it does not belong to the family.

## `sample-images/`: {expected["items"]["train"]} train and {expected["items"]["test"]} test pictures of digits

A folder data set, `{{train,test}}/<digit>/digit-<number>.png`, {PICTURE} x {PICTURE} pixels, ten classes of equal size. The number is the digit's
place in scikit-learn's data set. No model of the hub was trained on any of these digits.

## Sources and licences

- Digits: scikit-learn's `load_digits`, which is the test part of "Optical Recognition of Handwritten Digits" by E. Alpaydin and
  C. Kaynak, UCI Machine Learning Repository, doi:10.24432/C50P49, CC BY 4.0. Changed here: enlarged, tilted, moved and coloured,
  on plain and textured grounds.
- Models: made for alsatian from those digits, from random initial weights, under Apache-2.0.
- Names of parameters and configuration keys follow Hugging Face transformers and timm (both Apache-2.0).
"""
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", nargs="+", metavar="ID", choices=[model.id for model in SPECS], help="train only these models again")
    parser.add_argument("--check", action="store_true", help="train and write nothing")
    arguments = parser.parse_args()
    torch.set_num_threads(2)
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False
    start = time.time()
    parts = split_digits()

    if not arguments.check:
        if not arguments.only:
            shutil.rmtree(HUB, ignore_errors=True)
            write_images(parts)
            write_decoy()
        for model in SPECS:  # parents stand before their children
            if not arguments.only or model.id in arguments.only:
                begin = time.time()
                print(model.id, end="", flush=True)
                weights = train(model, read_backbone(model.parent) if model.parent else None, parts["hub"])
                write_repository(model, weights)
                print(f"  {time.time() - begin:.0f} s", flush=True)

        for path in HUB.rglob("*.safetensors"):
            path.chmod(0o644)

    check_files()
    expected, (cache, train_labels, test_labels) = measure()
    best = max(expected["models"], key=lambda row: row["probeAccuracy"])["id"]
    for seed in range(3):
        survivors = halving(cache, train_labels, test_labels, seed)
        print(f"successive halving, seed {seed}: {survivors[-1][0]}; runners-up {survivors[-2][1:]}")
    print(f"best: {best}")
    if arguments.check:
        stored = json.loads(EXPECTED.read_text())
        for row, old in zip(expected.pop("models"), stored.pop("models"), strict=True):
            assert np.allclose(row.pop("feature"), old.pop("feature"), rtol=1e-4, atol=1e-5), row["id"]
            assert abs(row.pop("probeAccuracy") - old.pop("probeAccuracy")) < 0.006, row["id"]
            assert row == old
        assert expected == stored
        print("all as expected")
    else:
        EXPECTED.parent.mkdir(exist_ok=True)
        text = json.dumps(expected, indent=2)
        text = re.sub(r"\[[-\s\d.,e]+\]", lambda numbers: " ".join(numbers[0].split()), text)  # a vector on one line
        EXPECTED.write_text(text + "\n")
        write_readme(expected)
    print(f"{time.time() - start:.0f} s")


if __name__ == "__main__":
    main()
