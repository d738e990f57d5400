"""Downloads files from a hub with Python's huggingface_hub and hf_xet, and prints their sha256 as one JSON document."""

import hashlib
import json
import sys
import tempfile
from pathlib import Path

import hf_xet  # noqa: F401: without it huggingface_hub takes the way around Xet, silently
from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url


def main():
    asked = json.loads(sys.argv[1])
    answers = []
    with tempfile.TemporaryDirectory() as folder:
        for repo, name in asked["files"]:
            metadata = get_hf_file_metadata(hf_hub_url(repo, name, endpoint=asked["url"]), token=False)
            path = hf_hub_download(repo, name, endpoint=asked["url"], cache_dir=folder, token=False)
            digest = hashlib.sha256(Path(path).read_bytes()).hexdigest()
            answers.append([metadata.xet_file_data.file_hash, digest])
    print(json.dumps(answers))


main()
