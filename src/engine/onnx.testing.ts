/** For tests: ONNX models of a few nodes, encoded here, so that a test shows the graph that it runs. */

export interface TinyNode {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
}

/** A dimension is a number, or the name of a free one. */
type Dims = readonly (number | string)[];

/** A float32 initializer whose bytes lie in an external file. */
interface External {
  readonly dims: readonly number[];
  readonly location: string;
  readonly offset: number;
}

export interface TinyModel {
  readonly nodes: readonly TinyNode[];
  readonly inputs: Readonly<Record<string, Dims>>;
  readonly outputs: Readonly<Record<string, Dims>>;
  readonly externals?: Readonly<Record<string, External>>;
}

const FLOAT = 1; // onnx.TensorProto.FLOAT
const EXTERNAL = 1; // onnx.TensorProto.EXTERNAL
const [IR_VERSION, OPSET] = [10, 21];

/** Field numbers are those of onnx.proto. */
export function onnxBytes({ nodes, inputs, outputs, externals = {} }: TinyModel): Uint8Array<ArrayBuffer> {
  const values = (field: number, record: Readonly<Record<string, Dims>>): number[] =>
    Object.entries(record).flatMap(([name, dims]) => {
      const shape = dims.flatMap((d) => message(1, typeof d === 'number' ? int(1, d) : text(2, d)));
      return message(field, [
        ...text(1, name),
        ...message(2, message(1, [...int(1, FLOAT), ...message(2, shape)])),
      ]);
    });
  const graph = [
    ...nodes.flatMap(({ op, inputs, outputs }) =>
      message(1, [
        ...inputs.flatMap((x) => text(1, x)),
        ...outputs.flatMap((x) => text(2, x)),
        ...text(4, op),
      ]),
    ),
    ...text(2, 'tiny'),
    ...Object.entries(externals).flatMap(([name, external]) => message(5, tensor(name, external))),
    ...values(11, inputs),
    ...values(12, outputs),
  ];
  const contributed = message(8, [...text(1, 'com.microsoft'), ...int(2, 1)]);
  return Uint8Array.from([
    ...int(1, IR_VERSION),
    ...message(7, graph),
    ...message(8, int(2, OPSET)),
    ...contributed,
  ]);
}

function tensor(name: string, { dims, location, offset }: External): number[] {
  const length = 4 * dims.reduce((n, d) => n * d, 1);
  const entry = (key: string, value: string): number[] => message(13, [...text(1, key), ...text(2, value)]);
  return [
    ...dims.flatMap((d) => int(1, d)),
    ...int(2, FLOAT),
    ...text(8, name),
    ...entry('location', location),
    ...entry('offset', String(offset)),
    ...entry('length', String(length)),
    ...int(14, EXTERNAL),
  ];
}

function varint(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...varint(value >>> 7)];
}

const int = (field: number, value: number): number[] => [...varint(field * 8), ...varint(value)];

const message = (field: number, body: readonly number[]): number[] => [
  ...varint(field * 8 + 2),
  ...varint(body.length),
  ...body,
];

const text = (field: number, value: string): number[] => message(field, [...new TextEncoder().encode(value)]);
