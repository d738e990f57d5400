import ort from "onnxruntime-node";
import { encodeOnnxModel } from "../../crawler/export/onnx-model.ts";
import { sessionOn, type Device } from "../device/device.ts";

/**
 * Copies tensors of a device, by graphs that change nothing. To the machine's memory: the binding for Node cannot (its
 * `getData` of such a tensor ends the process), but a graph whose output is there can. And within the device, because
 * a tensor must not outlive the session that made it (freeing it then ends the process): copies belong to sessions that
 * live until `close`.
 */
export class DeviceCopies {
  readonly #device: Device;
  readonly #sessions = new Map<string, Promise<ort.InferenceSession>>();

  constructor(device: Device) {
    this.#device = device;
  }

  toHost(tensor: ort.Tensor): Promise<ort.Tensor> {
    return this.#copy(tensor, false);
  }

  /** The copy is good until `close`, whatever becomes of the session that made the tensor. */
  onDevice(tensor: ort.Tensor): Promise<ort.Tensor> {
    return this.#copy(tensor, true);
  }

  async close(): Promise<void> {
    for (const session of this.#sessions.values()) await (await session).release();
    this.#sessions.clear();
  }

  async #copy(tensor: ort.Tensor, stays: boolean): Promise<ort.Tensor> {
    const key = `${tensor.dims.length} ${stays}`;
    const session = this.#sessions.get(key) ?? this.#open(tensor.dims.length, stays);
    this.#sessions.set(key, session);
    const { y } = await (await session).run({ x: tensor });
    if (!y) throw new Error("a copy on the device brought nothing");
    return y;
  }

  #open(axes: number, stays: boolean): Promise<ort.InferenceSession> {
    const dims = Array.from({ length: axes }, (_, axis) => `x_${axis}`);
    const model = encodeOnnxModel({
      graphName: "copy",
      inputs: [{ name: "x", type: "float", dims }],
      outputs: [{ name: "y", type: "float", dims }],
      nodes: [{ opType: "Identity", name: "copy", inputs: ["x"], outputs: ["y"], attributes: {} }],
      initializers: [],
    });
    return ort.InferenceSession.create(model, { ...sessionOn(this.#device, stays), logSeverityLevel: 3 });
  }
}
