#!/usr/bin/env bash
# Brings SwiftShader, a Vulkan that computes on the CPU, into DIR, so that WebGPU can be tried where there is no GPU:
#   bash scripts/get-swiftshader.sh DIR && source DIR/environment
# It is taken out of Debian's chromium-common (about 30 MB), nothing is installed and root is not needed. Ends with 1, and
# says why, where that package cannot be had.
set -euo pipefail
folder=${1:?usage: get-swiftshader.sh DIR}
fail() {
  echo "no SwiftShader: $1" >&2
  exit 1
}
command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || fail "it comes from a Debian package, and this is no Debian"
mkdir -p "$folder/xdg"
folder=$(cd "$folder" && pwd)
chmod 700 "$folder/xdg"
cd "$folder"
# lists of its own, as a fresh machine has none and only root may fetch the system's
mkdir -p apt/lists/partial apt/cache/archives/partial
apt=(apt-get -o "Dir::State::Lists=$folder/apt/lists" -o "Dir::Cache=$folder/apt/cache" -o APT::Sandbox::User=)
"${apt[@]}" update >/dev/null 2>download.log || fail "$(tail -n 1 download.log)"
"${apt[@]}" download chromium-common >/dev/null 2>download.log || fail "$(tail -n 1 download.log)"
rm -rf apt
dpkg-deb --extract chromium-common_*.deb . || fail "the package cannot be unpacked"
rm -f chromium-common_*.deb download.log
driver=$folder/usr/lib/chromium
[ -f "$driver/vk_swiftshader_icd.json" ] && [ -f "$driver/libvulkan.so.1" ] || fail "the package has none any more"
cat >environment <<END
export VK_DRIVER_FILES='$driver/vk_swiftshader_icd.json'
export LD_LIBRARY_PATH='$driver'\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}
export XDG_RUNTIME_DIR='$folder/xdg'
END
