import { encodeOnnxModel } from "../../crawler/export/onnx-model.ts";
import { PROXY_GRAPHS, type ProxyGraph } from "./proxy-graphs.ts";

/** All graphs as onnxruntime reads them. */
export type ProxyModels = Readonly<Record<ProxyGraph, Uint8Array>>;

export const encodeProxyGraph = (graph: ProxyGraph): Uint8Array => encodeOnnxModel(PROXY_GRAPHS[graph]());

export function encodeProxyGraphs(): ProxyModels {
  const names = Object.keys(PROXY_GRAPHS) as ProxyGraph[];
  return Object.fromEntries(names.map((name) => [name, encodeProxyGraph(name)])) as ProxyModels;
}
