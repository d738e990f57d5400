"""Time the paper's own code (PyTorch, on the CPU), to compare with `npm run bench -- search` on the same machine.

    git clone https://github.com/hpides/alsatian reference && pip install torch torchvision pillow numpy
    python scripts/bench/run-reference.py --reference reference --work work --models 8

It searches snapshots of a ResNet-18 with random weights, each with a last block of its own (`--sharing top-layers` of the
benchmark), on pictures of blobs; both are made once and kept in --work. The clone is not changed: what the code needs to run
on the CPU is patched in memory ("patch" below). Parts of a run are as the code reports them. Memory and the CPU time of other
processes are measured on Linux only; a run beside other work is worth nothing.
"""

import argparse
import contextlib
import io
import json
import multiprocessing
import os
import random
import shutil
import statistics
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock

CLASSES = 10
ARCHITECTURE = "resnet18"
LINUX = sys.platform == "linux"

# Parts of a total, and how the reference's log names what is in them.
PARTS = {
    "inference": ["inference"],
    "proxy": ["calc_proxy_score"],
    "data": ["load_data", "data_to_device"],
    "load": ["get_composed_model", "load_state_dict", "init_model", "load_state_to_model", "model_to_device"],
}

# Imported by the reference, and used only for other architectures and distributions.
UNUSED = ["tqdm", "torchinfo", "scipy.stats", "transformers", "transformers.modeling_attn_mask_utils"]
UNUSED += ["transformers.models.resnet.modeling_resnet"]


def load_reference(args):
    """Import the reference and patch it; returns what is used of it."""
    import torch
    from torchvision import transforms

    torch.set_num_threads(args.threads)
    torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)  # loads much at first use: not in the first run
    sys.path.insert(0, str(args.reference))
    sys.dont_write_bytecode = True  # leaves the clone as it is
    # patch: packages that these searches don't use need not be there, and take no memory
    sys.modules.update({name: MagicMock() for name in UNUSED})

    from custom.data_loaders import imagenet_transfroms
    from global_utils import benchmark_util, constants

    # patch: without a GPU the clock measures, and there is nothing to wait for or to free
    benchmark_util.Benchmarker.micro_benchmark_gpu = benchmark_util.Benchmarker.micro_benchmark_cpu
    torch.cuda.synchronize = torch.cuda.empty_cache = lambda *_: None
    # patch: the device that models and data are moved to
    constants.CUDA = "cpu"
    # patch: newer versions of PyTorch unpickle whole layers only when told to
    load = torch.load
    torch.load = lambda *args, **options: load(*args, **{"weights_only": False, **options})
    # patch: no resizing and cropping to 224 pixels, pictures have their size
    normalise = transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    imagenet_transfroms.inference_transform = transforms.Compose([transforms.ToTensor(), normalise])

    from experiments.main_experiments.snapshots.synthetic import generate, generate_set
    from model_search.approaches import baseline, mosix, shift
    from model_search.execution.planning.planner_config import CacheLocation, DatasetClass, PlannerConfig
    from model_search.model_management import model_store

    # patch: random weights where snapshots are made, instead of a download of trained ones
    make = generate.initialize_model
    random_model = lambda *args, **options: make(*args, **{**options, "pretrained": False})
    generate.initialize_model = model_store.initialize_model = random_model
    for name in UNUSED:
        del sys.modules[name]
    return SimpleNamespace(**locals())


def make_pictures(folder, args):
    import numpy as np
    from PIL import Image

    rng, size = np.random.default_rng(7), args.image_size
    tint = rng.uniform(-25, 25, (CLASSES, 3))
    for part, count in (("train", args.train), ("test", args.test)):
        for i in range(count):
            to = folder / part / f"class_{i % CLASSES}"
            to.mkdir(parents=True, exist_ok=True)
            coarse = (rng.uniform(40, 215, (5, 5, 3)) + tint[i % CLASSES]).clip(0, 255).astype(np.uint8)
            smooth = np.asarray(Image.fromarray(coarse).resize((size, size), Image.BICUBIC))
            noisy = (smooth + rng.normal(0, 12, (size, size, 3))).clip(0, 255).astype(np.uint8)
            Image.fromarray(noisy).save(to / f"{i:05d}.png")
    (folder / "done").touch()


def prepare(args, pictures, snapshots, store_file):
    if not (pictures / "done").exists():
        make_pictures(pictures, args)
    if not store_file.exists():
        shutil.rmtree(snapshots, ignore_errors=True)
        ref = load_reference(args)
        random.seed(42)
        ref.torch.manual_seed(42)
        sharing = ref.generate.RetrainDistribution.LAST_ONE_LAYER
        with contextlib.redirect_stdout(io.StringIO()):
            ref.generate_set.generate_snapshot_set(ARCHITECTURE, args.models, sharing, str(snapshots))


def seconds_of(log, names):
    """The sum of what a nested log has under some names."""
    if isinstance(log, dict):
        return sum(value if key in names else seconds_of(value, names) for key, value in log.items())
    return sum(seconds_of(value, names) for value in log) if isinstance(log, list) else 0


def others_cpu():
    """Seconds of CPU time that other processes took since the machine started."""
    user, nice, system, _, _, irq, softirq = map(int, Path("/proc/stat").read_text().split()[1:8])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK") - sum(os.times()[:4])


def search_once(ref, args, pictures, store_file):
    """Search with empty caches. Returns the seconds of the whole, and a line about the run."""
    store = ref.model_store.model_store_from_dict(json.loads(store_file.read_text()))
    sizes = "experiments/side_experiments/model_resource_info/outputs/layer_output_infos.json"
    store.add_output_sizes_to_rich_snapshots(args.reference / sizes, default_size=200_000)
    snapshots = list(store.models.values())
    cache = args.work / "cache"
    shutil.rmtree(cache, ignore_errors=True)
    cache.mkdir()
    paths = {part: str(pictures / part) for part in ("train", "test")}
    kind, place = ref.DatasetClass.CUSTOM_IMAGE_FOLDER, ref.CacheLocation.CPU
    config = ref.PlannerConfig(0, args.batch_size, CLASSES, kind, paths, place, 10**10)  # no workers, no limit
    counts = {"mosix": [args.train, args.test], "shift": [args.train], "baseline": []}[args.approach]
    rest = [str(cache)] + ([store] if args.approach == "mosix" else []) + [ref.mosix.BenchmarkLevel.STEPS_DETAILS]
    if LINUX:
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
        others = others_cpu()
    with contextlib.redirect_stdout(io.StringIO()):
        start = time.perf_counter()
        log, _ = getattr(ref, args.approach).find_best_model(snapshots, *counts, config, *rest)
        total = time.perf_counter() - start
    parts = {part: seconds_of(log, names) for part, names in PARTS.items()}
    parts["other"] = total - sum(parts.values())
    line = f"total {total:.2f} s; " + ", ".join(f"{part} {seconds:.2f}" for part, seconds in parts.items())
    if LINUX:
        peak = int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024
        line += f"; other processes {max(0, others_cpu() - others):.2f} s of CPU; peak {peak:.0f} MB"
    return total, line


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reference", type=Path, required=True, help="clone of github.com/hpides/alsatian")
    parser.add_argument("--work", type=Path, required=True, help="where pictures, snapshots and caches go")
    parser.add_argument("--approach", choices=["mosix", "shift", "baseline"], default="mosix", help="mosix is Alsatian")
    parser.add_argument("--models", type=int, default=8, help="number of snapshots, at least 3")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--train", type=int, default=640, help="training pictures")
    parser.add_argument("--test", type=int, default=160, help="test pictures")
    parser.add_argument("--image-size", type=int, default=64, help="in pixels")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--batch-size", type=int, default=128)
    args = parser.parse_args()
    args.reference, args.work = args.reference.resolve(), args.work.resolve()
    if not (args.reference / "model_search").is_dir():
        parser.error(f"--reference: no clone of the reference in {args.reference}")

    pictures = args.work / f"pictures-{args.train}-{args.test}-{args.image_size}"
    snapshots = args.work / f"snapshots-{args.models}"
    store_file = snapshots / ARCHITECTURE / "LAST_ONE_LAYER" / str(args.models) / "model_store.json"
    with multiprocessing.get_context("spawn").Pool(1) as pool:  # in a process of its own, whose memory doesn't count
        pool.apply(prepare, (args, pictures, snapshots, store_file))
    reference = load_reference(args)
    runs = []
    for run in range(1, args.runs + 1):
        runs.append(search_once(reference, args, pictures, store_file))
        print(f"run {run}: {runs[-1][1]}", flush=True)
    print(f"median total of {args.approach}: {statistics.median(total for total, _ in runs):.2f} s")


if __name__ == "__main__":
    main()
