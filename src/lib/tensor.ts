/** Plain tensors: the only currency between families and the engine. */
export type DType = 'float32' | 'int64';

export interface Tensor {
  readonly dtype: DType;
  readonly dims: readonly number[];
  readonly data: Float32Array | BigInt64Array;
}

/** A graph output that stays where it was made (a GPU buffer, or plain memory on the CPU). Freed with the task. */
export interface DeviceTensor {
  readonly dtype: DType;
  readonly dims: readonly number[];
  /** Copies the values to the CPU. */
  read(): Promise<Tensor>;
  dispose(): void;
}

export type Value = Tensor | DeviceTensor;

export const sizeOf = (dims: readonly number[]): number => dims.reduce((n, d) => n * d, 1);

export const float32 = (data: Float32Array, dims: readonly number[]): Tensor => ({
  dtype: 'float32',
  dims,
  data,
});

export const int64 = (data: BigInt64Array, dims: readonly number[]): Tensor => ({
  dtype: 'int64',
  dims,
  data,
});

export const ids = (values: readonly number[]): Tensor =>
  int64(BigInt64Array.from(values, BigInt), [1, values.length]);

export const scalar = (value: number): Tensor => float32(Float32Array.of(value), []);
