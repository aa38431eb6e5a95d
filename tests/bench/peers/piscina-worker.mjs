// SPDX-License-Identifier: LGPL-2.1-or-later
// What piscina's threads run.

export function noop() {
}

export function nap() {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
}

export function sink(data) {
  return data.length;
}

export function spin(microseconds) {
  const end = performance.now() + microseconds / 1e3;

  while (performance.now() < end)
    ;
}
