import ort from "onnxruntime-node";
import { encodeOnnxModel } from "../../crawler/export/onnx-model.ts";
import { sessionOn, type Device } from "../device/device.ts";

/**
 * Brings tensors from a device into the machine's memory. The binding for Node cannot (its `getData` of such a tensor ends
 * the process), but a graph whose output is on the host can: one that changes nothing.
 */
export class Downloads {
  readonly #device: Device;
  /** By the number of axes. */
  readonly #sessions = new Map<number, ort.InferenceSession>();

  constructor(device: Device) {
    this.#device = device;
  }

  async download(tensor: ort.Tensor): Promise<ort.Tensor> {
    const session = await this.#session(tensor.dims.length);
    const { y } = await session.run({ x: tensor });
    if (!y) throw new Error("a copy from the device brought nothing");
    return y;
  }

  async close(): Promise<void> {
    for (const session of this.#sessions.values()) await session.release();
    this.#sessions.clear();
  }

  async #session(axes: number): Promise<ort.InferenceSession> {
    const found = this.#sessions.get(axes);
    if (found) return found;
    const dims = Array.from({ length: axes }, (_, axis) => `x_${axis}`);
    const model = encodeOnnxModel({
      graphName: "download",
      inputs: [{ name: "x", type: "float", dims }],
      outputs: [{ name: "y", type: "float", dims }],
      nodes: [{ opType: "Identity", name: "copy", inputs: ["x"], outputs: ["y"], attributes: {} }],
      initializers: [],
    });
    const session = await ort.InferenceSession.create(model, { ...sessionOn(this.#device), logSeverityLevel: 3 });
    this.#sessions.set(axes, session);
    return session;
  }
}
