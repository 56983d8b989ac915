/**
 * ONNX files, as far as changing a graph when it loads needs them: nodes and initializers are read and written, all
 * else passes through byte for byte. Only the protobuf wire format is known here (onnx.proto, ModelProto and below).
 */
import { EngineError } from './errors.ts';
import { decodeUtf8, encodeUtf8 } from './text/utf8.ts';

/** onnx.TensorProto.DataType, those that our graphs have. */
export const ELEMENT = { float32: 1, uint8: 2, int8: 3, int64: 7, float16: 10 } as const;
type Element = (typeof ELEMENT)[keyof typeof ELEMENT];

/** Where an initializer's bytes lie: `length` bytes from `offset` of the external file `location`. */
export interface External {
  readonly location: string;
  readonly offset: number;
  readonly length: number;
}

export interface Initializer {
  readonly name: string;
  readonly type: number;
  readonly dims: readonly number[];
  /** Null where the bytes are in the model itself. */
  readonly external: External | null;
  readonly proto: Uint8Array;
}

export interface Node {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly proto: Uint8Array;
}

export interface Graph {
  readonly nodes: readonly Node[];
  readonly initializers: readonly Initializer[];
}

/** @throws EngineError 'graph' where the bytes are no ONNX model. */
export function readGraph(model: Uint8Array): Graph {
  const graph = fieldsOf(bodyOf(fieldsOf(model), MODEL.graph));
  return {
    nodes: graph.filter(({ number }) => number === GRAPH.node).map(({ body }) => nodeOf(body)),
    initializers: graph
      .filter(({ number }) => number === GRAPH.initializer)
      .map(({ body }) => initializerOf(body)),
  };
}

/** The model with these nodes, in their order, and these initializers, and all else as it is. */
export function writeGraph(model: Uint8Array, { nodes, initializers }: Graph): Uint8Array {
  const graph = fieldsOf(bodyOf(fieldsOf(model), MODEL.graph));
  const others = graph.filter(({ number }) => number !== GRAPH.node && number !== GRAPH.initializer);
  const body = joined([
    ...nodes.map(({ proto }) => delimited(GRAPH.node, proto)),
    ...initializers.map(({ proto }) => delimited(GRAPH.initializer, proto)),
    ...others.map(({ whole }) => whole),
  ]);
  return joined(
    fieldsOf(model).map(({ number, whole }) =>
      number === MODEL.graph ? delimited(MODEL.graph, body) : whole,
    ),
  );
}

type Attribute = number | readonly number[];

/** A new node. Attributes are whole numbers or lists of them; `domain` '' is ONNX's own. */
export function node(
  op: string,
  inputs: readonly string[],
  outputs: readonly string[],
  {
    domain = '',
    attributes = {},
  }: { domain?: string; attributes?: Readonly<Record<string, Attribute>> } = {},
): Node {
  const proto = joined([
    ...inputs.map((name) => text(NODE.input, name)),
    ...outputs.map((name) => text(NODE.output, name)),
    text(NODE.op, op),
    ...(domain === '' ? [] : [text(NODE.domain, domain)]),
    ...Object.entries(attributes).map(([name, value]) => delimited(NODE.attribute, attribute(name, value))),
  ]);
  return { op, inputs, outputs, proto };
}

/** The node with other outputs. */
export function withOutputs({ op, inputs, proto }: Node, outputs: readonly string[]): Node {
  const others = fieldsOf(proto).filter(({ number }) => number !== NODE.output);
  return {
    op,
    inputs,
    outputs,
    proto: joined([...outputs.map((name) => text(NODE.output, name)), ...others.map(({ whole }) => whole)]),
  };
}

/** A whole-number attribute of a node; null where it has none of this name. */
export function intAttribute({ proto }: Node, name: string): number | null {
  for (const { number, body } of fieldsOf(proto)) {
    if (number !== NODE.attribute) continue;
    const fields = fieldsOf(body);
    if (stringOf(fields, ATTRIBUTE.name) === name) return numberOf(fields, ATTRIBUTE.i);
  }
  return null;
}

/** An initializer whose bytes lie in an external file. */
export function externalInitializer(
  name: string,
  type: Element,
  dims: readonly number[],
  external: External,
): Initializer {
  const entry = (key: string, value: string): Uint8Array =>
    delimited(TENSOR.external, joined([text(1, key), text(2, value)]));
  const proto = joined([
    ...dims.map((d) => varint(TENSOR.dims, d)),
    varint(TENSOR.type, type),
    text(TENSOR.name, name),
    entry('location', external.location),
    entry('offset', String(external.offset)),
    entry('length', String(external.length)),
    varint(TENSOR.where, EXTERNAL),
  ]);
  return { name, type, dims, external, proto };
}

/** A small initializer inside the model. */
export function constant(
  name: string,
  type: Element,
  dims: readonly number[],
  values: Float32Array | BigInt64Array | Uint8Array,
): Initializer {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  const proto = joined([
    ...dims.map((d) => varint(TENSOR.dims, d)),
    varint(TENSOR.type, type),
    text(TENSOR.name, name),
    delimited(TENSOR.raw, bytes),
  ]);
  return { name, type, dims, external: null, proto };
}

// ---- field numbers of onnx.proto

const MODEL = { graph: 7 };
const GRAPH = { node: 1, initializer: 5 };
const NODE = { input: 1, output: 2, op: 4, attribute: 5, domain: 7 };
const ATTRIBUTE = { name: 1, i: 3, ints: 8, type: 20 };
const ATTRIBUTE_TYPE = { int: 2, ints: 7 };
const TENSOR = { dims: 1, type: 2, name: 8, raw: 9, external: 13, where: 14 };
const EXTERNAL = 1; // TensorProto.DataLocation

function nodeOf(proto: Uint8Array): Node {
  const fields = fieldsOf(proto);
  const all = (wanted: number): string[] =>
    fields.filter(({ number }) => number === wanted).map(({ body }) => decodeUtf8(body));
  return { op: stringOf(fields, NODE.op), inputs: all(NODE.input), outputs: all(NODE.output), proto };
}

function initializerOf(proto: Uint8Array): Initializer {
  const fields = fieldsOf(proto);
  const dims = fields
    .filter(({ number }) => number === TENSOR.dims)
    .flatMap(({ wire, body, value }) => (wire === WIRE.bytes ? packed(body) : [value]));
  const entries = fields.filter(({ number }) => number === TENSOR.external).map(({ body }) => fieldsOf(body));
  const said = new Map(entries.map((entry) => [stringOf(entry, 1), stringOf(entry, 2)]));
  const location = said.get('location');
  return {
    name: stringOf(fields, TENSOR.name),
    type: numberOf(fields, TENSOR.type) ?? 0,
    dims,
    external:
      location === undefined
        ? null
        : { location, offset: Number(said.get('offset') ?? 0), length: Number(said.get('length') ?? 0) },
    proto,
  };
}

function attribute(name: string, value: Attribute): Uint8Array {
  const one = typeof value === 'number';
  return joined([
    text(ATTRIBUTE.name, name),
    ...(one ? [varint(ATTRIBUTE.i, value)] : value.map((v) => varint(ATTRIBUTE.ints, v))),
    varint(ATTRIBUTE.type, one ? ATTRIBUTE_TYPE.int : ATTRIBUTE_TYPE.ints),
  ]);
}

// ---- protobuf

const WIRE = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 };

interface Field {
  readonly number: number;
  readonly wire: number;
  /** Content of a length-delimited field, else empty. */
  readonly body: Uint8Array;
  /** Of a varint, else 0. */
  readonly value: number;
  /** The field with its tag. */
  readonly whole: Uint8Array;
}

function fieldsOf(message: Uint8Array): Field[] {
  const fields: Field[] = [];
  for (let at = 0; at < message.length;) {
    const begin = at;
    const tag = readVarint(message, at);
    at = tag.end;
    const wire = tag.value % 8;
    let value = 0;
    let body = message.subarray(at, at);
    if (wire === WIRE.varint) ({ value, end: at } = readVarint(message, at));
    else if (wire === WIRE.bytes) {
      const length = readVarint(message, at);
      at = length.end + length.value;
      if (at > message.length) malformed('a field ends behind the file');
      body = message.subarray(length.end, at);
    } else if (wire === WIRE.fixed64) at += 8;
    else if (wire === WIRE.fixed32) at += 4;
    else malformed(`wire type ${wire}`);
    if (at > message.length) malformed('a field ends behind the file');
    fields.push({ number: Math.floor(tag.value / 8), wire, body, value, whole: message.subarray(begin, at) });
  }
  return fields;
}

/** Numbers up to 2^53; negative ones, which take ten bytes, come out rounded and are only passed through. */
function readVarint(bytes: Uint8Array, at: number): { readonly value: number; readonly end: number } {
  let value = 0;
  for (let i = 0; i < 10; i++) {
    const byte = bytes[at + i];
    if (byte === undefined) break;
    value += (byte & 127) * 2 ** (7 * i);
    if (byte < 128) return { value, end: at + i + 1 };
  }
  return malformed('a number does not end');
}

function packed(body: Uint8Array): number[] {
  const values: number[] = [];
  for (let at = 0; at < body.length;) {
    const { value, end } = readVarint(body, at);
    values.push(value);
    at = end;
  }
  return values;
}

const find = (fields: readonly Field[], wanted: number): Field | undefined =>
  fields.find(({ number }) => number === wanted);
const numberOf = (fields: readonly Field[], wanted: number): number | null =>
  find(fields, wanted)?.value ?? null;
const stringOf = (fields: readonly Field[], wanted: number): string => {
  const field = find(fields, wanted);
  return field ? decodeUtf8(field.body) : '';
};
const bodyOf = (fields: readonly Field[], wanted: number): Uint8Array =>
  find(fields, wanted)?.body ?? malformed('it has no graph');

function varintBytes(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return [...bytes, rest];
    bytes.push((rest % 128) + 128);
  }
}

const varint = (field: number, value: number): Uint8Array =>
  Uint8Array.from([...varintBytes(field * 8 + WIRE.varint), ...varintBytes(value)]);

const delimited = (field: number, body: Uint8Array): Uint8Array =>
  joined([Uint8Array.from([...varintBytes(field * 8 + WIRE.bytes), ...varintBytes(body.length)]), body]);

const text = (field: number, value: string): Uint8Array => delimited(field, encodeUtf8(value));

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((n, { length }) => n + length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

function malformed(what: string): never {
  throw new EngineError('graph', `This is not a sound .onnx file: ${what}.`);
}
