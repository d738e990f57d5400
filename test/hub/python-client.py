"""Asks a hub what its users' scripts ask, with Python's huggingface_hub, and prints the answers as one JSON document."""

import json
import sys
import tempfile
from pathlib import Path

from huggingface_hub import HfApi, get_hf_file_metadata, hf_hub_download, hf_hub_url, snapshot_download


def error_name(call):
    """The class of the error that a call ends with."""
    try:
        call()
    except Exception as error:  # the class is the answer
        return type(error).__name__
    return None


def main():
    asked = json.loads(sys.argv[1])
    endpoint, model, base, gated, private = (asked[key] for key in ("url", "model", "base", "gated", "private"))
    api = HfApi(endpoint=endpoint, token=False)
    member = HfApi(endpoint=endpoint, token=asked["memberToken"])
    stranger = HfApi(endpoint=endpoint, token=asked["strangerToken"])
    family = f"base_model:finetune:{base}"
    info = api.model_info(model, files_metadata=True)
    by_name = {file.rfilename: file for file in info.siblings}
    tree = list(api.list_repo_tree(model, recursive=True, expand=True))
    metadata = get_hf_file_metadata(hf_hub_url(model, "model.safetensors", endpoint=endpoint), token=False)
    small = get_hf_file_metadata(hf_hub_url(model, "config.json", endpoint=endpoint), token=False)
    safetensors = api.get_safetensors_metadata(model)

    with tempfile.TemporaryDirectory() as folder:
        options = {"endpoint": endpoint, "cache_dir": folder, "token": asked["memberToken"]}
        config = Path(hf_hub_download(gated, "config.json", **options)).read_text()
        weights = Path(hf_hub_download(gated, "model.safetensors", **options)).stat().st_size
        snapshot = Path(snapshot_download(model, revision=info.sha, **options))
        files = sorted(path.relative_to(snapshot).as_posix() for path in snapshot.rglob("*") if path.is_file())
        dataset = Path(snapshot_download(asked["dataset"], repo_type="dataset", **options))
        parquet = sum(path.stat().st_size for path in dataset.rglob("*.parquet"))

        def download(client, repo, name):
            return lambda: client.hf_hub_download(repo, name, cache_dir=Path(folder) / "errors")

        errors = {
            "gated": error_name(download(api, gated, "config.json")),
            "gatedStranger": error_name(download(stranger, gated, "model.safetensors")),
            "private": error_name(lambda: stranger.model_info(private)),
            "missing": error_name(lambda: api.model_info("nobody/nothing")),
            "missingWithToken": error_name(lambda: member.model_info("nobody/nothing")),
            "missingFile": error_name(download(api, model, "nothing.bin")),
            "missingRevision": error_name(lambda: api.model_info(model, revision="v9")),
            "badRequest": error_name(lambda: list(api.list_models(sort="colour"))),
        }

    answers = {
        "listed": [found.id for found in api.list_models(filter=family, sort="downloads", direction=-1, full=True)],
        "listedByMember": [found.id for found in member.list_models(filter=family)],
        "expanded": [found.sha for found in api.list_models(filter=family, author=model.split("/")[0], expand=["sha"])],
        "gatedOnly": [found.id for found in api.list_models(gated=True)],
        "sha": info.sha,
        "tags": info.tags,
        "lastModified": info.last_modified.isoformat(),
        "total": info.safetensors.total,
        "lfs": by_name["model.safetensors"].lfs,
        "tree": [entry.path for entry in tree],
        "treeLfs": [entry.lfs.sha256 for entry in tree if getattr(entry, "lfs", None)],
        "paths": [entry.path for entry in api.get_paths_info(model, ["onnx", "config.json", "nothing"], expand=True)],
        "metadata": [metadata.commit_hash, metadata.etag, metadata.size],
        "small": [small.commit_hash, small.etag, small.size],
        "tensors": sorted(safetensors.files_metadata["model.safetensors"].tensors),
        "parameters": safetensors.parameter_count,
        "seed": json.loads(config)["seed"],
        "weightsBytes": weights,
        "files": files,
        "parquetBytes": parquet,
        "whoami": member.whoami()["name"],
        "errors": errors,
    }
    print(json.dumps(answers))


main()
