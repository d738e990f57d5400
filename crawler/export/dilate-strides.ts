/** How a convolution moves over its input. */
export interface Step {
  readonly stride: number;
  readonly dilation: number;
}

/**
 * Steps of successive layers that must not shrink the picture by more than `outputStride`: from there on they dilate
 * instead (DeepLab, arXiv 1706.05587). The layer that loses its stride still has the dilation of those before it.
 * @param shrunk how much smaller the picture is when it comes to the first layer
 */
export function dilateStrides(strides: readonly number[], outputStride: number, shrunk: number): Step[] {
  let reduction = shrunk;
  let dilation = 1;
  return strides.map((stride) => {
    if (reduction * stride <= outputStride) {
      reduction *= stride;
      return { stride, dilation };
    }
    const step = { stride: 1, dilation };
    dilation *= stride;
    return step;
  });
}
