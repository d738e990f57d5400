/** QL steps per eigenvalue; two or three are usual, EISPACK gives up after 30. */
const MAX_STEPS = 60;

/**
 * Eigenvalues, in no order, of a symmetric tridiagonal matrix as `tridiagonalize` leaves it, by QL with implicit shifts
 * (EISPACK `tql1`; Numerical Recipes 11.3).
 */
export function tridiagonalEigen(diagonal: Float64Array, offDiagonal: Float64Array): Float64Array {
  const n = diagonal.length;
  const d = diagonal.slice();
  const e = offDiagonal.slice();
  const at = (values: Float64Array, i: number) => values[i] ?? 0;
  // relative to the matrix, not to its neighbours: what is smaller was lost when it was made tridiagonal
  let negligible = 0;
  for (let i = 0; i < n; i++)
    negligible = Math.max(negligible, Number.EPSILON * (Math.abs(at(d, i)) + Math.abs(at(e, i))));
  for (let l = 0; l < n; l++) {
    for (let step = 0; ; step++) {
      let m = l;
      for (; m < n - 1; m++) {
        if (Math.abs(at(e, m)) <= negligible) break;
      }
      if (m === l) break;
      if (step === MAX_STEPS) throw new Error(`eigenvalue ${l} of ${n} did not converge in ${MAX_STEPS} QL steps`);
      let g = (at(d, l + 1) - at(d, l)) / (2 * at(e, l));
      let r = Math.hypot(g, 1);
      g = at(d, m) - at(d, l) + at(e, l) / (g + (g < 0 ? -r : r));
      let s = 1;
      let c = 1;
      let p = 0;
      let i = m - 1;
      for (; i >= l; i--) {
        const f = s * at(e, i);
        const b = c * at(e, i);
        r = Math.hypot(f, g);
        e[i + 1] = r;
        if (r === 0) {
          d[i + 1] = at(d, i + 1) - p;
          e[m] = 0;
          break;
        }
        s = f / r;
        c = g / r;
        g = at(d, i + 1) - p;
        r = (at(d, i) - g) * s + 2 * c * b;
        p = s * r;
        d[i + 1] = g + p;
        g = c * r - b;
      }
      if (r === 0 && i >= l) continue;
      d[l] = at(d, l) - p;
      e[l] = g;
      e[m] = 0;
    }
  }
  return d;
}
