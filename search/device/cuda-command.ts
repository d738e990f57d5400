/**
 * Brings onnxruntime's CUDA library from NuGet to where its binding looks for it. Install scripts are off by default
 * (.npmrc), so that the package installs where NuGet cannot be reached; this runs the one of onnxruntime alone.
 */
export const CUDA_COMMAND =
  "ONNXRUNTIME_NODE_INSTALL=cuda12 npm rebuild onnxruntime-node --ignore-scripts=false --foreground-scripts";
