import ort from "onnxruntime-node";
import { elementCount } from "../../crawler/export/graph.ts";
import type { TensorData } from "./lane-job.ts";

/** A tensor as onnxruntime takes it, without a copy; memory that threads share it does not take. */
export function tensorOf({ type, dims, buffer }: TensorData<ArrayBuffer>): ort.Tensor {
  const size = elementCount(dims);
  switch (type) {
    case "float32":
      return new ort.Tensor(type, new Float32Array(buffer, 0, size), dims);
    case "uint8":
      return new ort.Tensor(type, new Uint8Array(buffer, 0, size), dims);
    case "int64":
      return new ort.Tensor(type, new BigInt64Array(buffer, 0, size), dims);
  }
}
