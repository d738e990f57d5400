import protobuf from "protobufjs/minimal.js";

/**
 * Writes the protobuf messages of ONNX (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto), just the fields that
 * exported blocks need. Numbers in comments are field numbers of that file.
 */
export type OnnxAttribute =
  number | { readonly float: number } | string | readonly number[] | { readonly graph: OnnxGraph };

/** What runs within a node, such as a Loop's body. It sees the values of the graph around it. */
export type OnnxGraph = Pick<OnnxModel, "graphName" | "inputs" | "outputs" | "nodes">;

export interface OnnxNode {
  readonly opType: string;
  readonly name: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, OnnxAttribute>>;
  /** Where the operator is defined; default: ONNX itself. */
  readonly domain?: string | undefined;
}

export type OnnxElementType = "float" | "float16" | "double" | "int64" | "uint8" | "bool";

export interface OnnxValueInfo {
  readonly name: string;
  readonly type: OnnxElementType;
  /** A string is a symbolic dimension. */
  readonly dims: readonly (number | string)[];
}

/** Weights in the file itself, or bytes of a file in the model's folder (or below it). */
export type OnnxData =
  | { readonly kind: "inline"; readonly bytes: Uint8Array }
  | { readonly kind: "external"; readonly location: string; readonly offset: number; readonly length: number };

export interface OnnxInitializer {
  readonly name: string;
  readonly type: OnnxElementType;
  readonly dims: readonly number[];
  readonly data: OnnxData;
}

export interface OnnxModel {
  readonly graphName: string;
  readonly inputs: readonly OnnxValueInfo[];
  readonly outputs: readonly OnnxValueInfo[];
  readonly nodes: readonly OnnxNode[];
  readonly initializers: readonly OnnxInitializer[];
  readonly metadata?: Readonly<Record<string, string>>;
}

/** Opset 20 brought Gelu; onnxruntime has read it since 1.17. */
export const OPSET = 20;
const IR_VERSION = 9;
/** onnxruntime's operators on feature maps whose channels lie in groups of 8 or 16 (a SIMD register): [N, C/c, H, W, c]. */
export const NCHWC_DOMAIN = "com.microsoft.nchwc";
/** Operators that onnxruntime adds to those of ONNX (docs/ContribOperators.md there). */
export const CONTRIB_DOMAIN = "com.microsoft";
/** TensorProto.DataType, of values in files and as Cast takes it. */
export const DATA_TYPES: Readonly<Record<OnnxElementType, number>> = {
  float: 1,
  uint8: 2,
  int64: 7,
  bool: 9,
  float16: 10,
  double: 11,
};

type Writer = protobuf.Writer;

const LENGTH_DELIMITED = 2;
const FIXED32 = 5;
const tag = (field: number, wire: number): number => ((field << 3) | wire) >>> 0;

const varint = (w: Writer, field: number, value: number): Writer => w.uint32(tag(field, 0)).int64(value);
const text = (w: Writer, field: number, value: string): Writer => w.uint32(tag(field, LENGTH_DELIMITED)).string(value);
const message = (w: Writer, field: number, body: (w: Writer) => void): void => {
  w.uint32(tag(field, LENGTH_DELIMITED)).fork();
  body(w);
  w.ldelim();
};

/** ModelProto */
export function encodeOnnxModel(model: OnnxModel): Uint8Array {
  return fillOnnxFrame(encodeOnnxFrame(model), model.initializers);
}

/** An encoded model but for its initialisers: for many that differ in those alone. */
export interface OnnxFrame {
  /** Fields of the ModelProto before its graph, and behind it. */
  readonly before: Uint8Array;
  readonly behind: Uint8Array;
  /** Fields of the GraphProto before the initialisers, and behind them. */
  readonly graphBefore: Uint8Array;
  readonly graphBehind: Uint8Array;
}

export function encodeOnnxFrame(model: Omit<OnnxModel, "initializers">): OnnxFrame {
  return {
    before: encode((w) => {
      varint(w, 1, IR_VERSION); // ir_version
      text(w, 2, "alsatian"); // producer_name
    }),
    graphBefore: encode((w) => encodeNodes(w, model)),
    graphBehind: encode((w) => encodeEnds(w, model)),
    behind: encode((w) => {
      message(w, 8, (opset) => varint(text(opset, 1, ""), 2, OPSET)); // opset_import {domain, version}
      for (const domain of new Set(domainsOf(model.nodes))) {
        message(w, 8, (opset) => varint(text(opset, 1, domain), 2, 1));
      }
      for (const [key, value] of Object.entries(model.metadata ?? {})) {
        message(w, 14, (entry) => text(text(entry, 1, key), 2, value)); // metadata_props {key, value}
      }
    }),
  };
}

/** The model with those initialisers. */
export function fillOnnxFrame(frame: OnnxFrame, initializers: readonly OnnxInitializer[]): Uint8Array {
  const between = encode((w) => {
    for (const initializer of initializers) message(w, 5, (body) => encodeTensor(body, initializer)); // initializer
  });
  const parts = [frame.graphBefore, between, frame.graphBehind];
  const length = parts.reduce((sum, { byteLength }) => sum + byteLength, 0);
  const head = encode((w) => w.uint32(tag(7, LENGTH_DELIMITED)).uint32(length)); // graph
  return Buffer.concat([frame.before, head, ...parts, frame.behind]);
}

function encode(write: (w: Writer) => void): Uint8Array {
  const w = protobuf.Writer.create();
  write(w);
  return w.finish();
}

/** Of nodes, and of those within them. */
const domainsOf = (nodes: readonly OnnxNode[]): string[] =>
  nodes.flatMap(({ domain, attributes }) => {
    const within = Object.values(attributes).flatMap((value) =>
      typeof value === "object" && "graph" in value ? domainsOf(value.graph.nodes) : [],
    );
    return [...(domain === undefined ? [] : [domain]), ...within];
  });

/** Fields of a GraphProto that come before its initialisers. */
function encodeNodes(w: Writer, { graphName, nodes }: OnnxGraph): void {
  for (const node of nodes) message(w, 1, (body) => encodeNode(body, node)); // node
  text(w, 2, graphName); // name
}

/** Those that come behind them. */
function encodeEnds(w: Writer, { inputs, outputs }: OnnxGraph): void {
  for (const input of inputs) message(w, 11, (body) => encodeValueInfo(body, input)); // input
  for (const output of outputs) message(w, 12, (body) => encodeValueInfo(body, output)); // output
}

/** NodeProto */
function encodeNode(w: Writer, node: OnnxNode): void {
  for (const input of node.inputs) text(w, 1, input); // input
  for (const output of node.outputs) text(w, 2, output); // output
  text(w, 3, node.name); // name
  text(w, 4, node.opType); // op_type
  if (node.domain !== undefined) text(w, 7, node.domain); // domain
  for (const [name, value] of Object.entries(node.attributes)) {
    message(w, 5, (body) => encodeAttribute(body, name, value)); // attribute
  }
}

/** AttributeProto: f = 2, i = 3, s = 4, g = 6, ints = 8, type = 20 (FLOAT 1, INT 2, STRING 3, GRAPH 5, INTS 7) */
function encodeAttribute(w: Writer, name: string, value: OnnxAttribute): void {
  text(w, 1, name);
  if (typeof value === "number") varint(varint(w, 3, value), 20, 2);
  else if (typeof value === "string") varint(text(w, 4, value), 20, 3);
  else if ("float" in value) varint(w.uint32(tag(2, FIXED32)).float(value.float), 20, 1);
  else if ("graph" in value) {
    const { graph } = value;
    message(w, 6, (body) => {
      encodeNodes(body, graph);
      encodeEnds(body, graph);
    });
    varint(w, 20, 5);
  } else {
    for (const item of value) varint(w, 8, item);
    varint(w, 20, 7);
  }
}

/** ValueInfoProto {name, type: TypeProto {tensor_type: {elem_type, shape: {dim: {dim_value | dim_param}}}}} */
function encodeValueInfo(w: Writer, value: OnnxValueInfo): void {
  text(w, 1, value.name);
  message(w, 2, (type) =>
    message(type, 1, (tensor) => {
      varint(tensor, 1, DATA_TYPES[value.type]);
      message(tensor, 2, (shape) => {
        for (const dim of value.dims) {
          message(shape, 1, (body) => (typeof dim === "number" ? varint(body, 1, dim) : text(body, 2, dim)));
        }
      });
    }),
  );
}

/** TensorProto: dims = 1, data_type = 2, name = 8, raw_data = 9, external_data = 13, data_location = 14 (EXTERNAL 1) */
function encodeTensor(w: Writer, { name, type, dims, data }: OnnxInitializer): void {
  for (const dim of dims) varint(w, 1, dim);
  varint(w, 2, DATA_TYPES[type]);
  text(w, 8, name);
  if (data.kind === "inline") {
    w.uint32(tag(9, LENGTH_DELIMITED)).bytes(data.bytes);
    return;
  }
  for (const [key, value] of Object.entries({
    location: data.location,
    offset: String(data.offset),
    length: String(data.length),
  })) {
    message(w, 13, (entry) => text(text(entry, 1, key), 2, value));
  }
  varint(w, 14, 1);
}
