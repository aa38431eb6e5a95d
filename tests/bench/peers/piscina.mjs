// SPDX-License-Identifier: LGPL-2.1-or-later
// What piscina (threads of Node) takes for the work that the pool-* programs do.
//
//   piscina.mjs latency|rate N | start | pss | argument MIB TIMES | spin MICROSECONDS N
//
// The package is looked for where NODE_PATH says; exit status 77 says that it is nowhere.

import {readFileSync} from 'node:fs';
import {createRequire} from 'node:module';

const WORKERS = 2;
const filename = new URL('piscina-worker.mjs', import.meta.url).href;

function load() {
  try {
    return createRequire(import.meta.url)('piscina');
  } catch (error) {
    if (error.code !== 'MODULE_NOT_FOUND')
      throw error;
    console.error('piscina is not installed');
    process.exit(77);
  }
}

const {Piscina} = load();

function make() {
  return new Piscina({filename, minThreads: WORKERS, maxThreads: WORKERS});
}

async function makeWarm() {
  const pool = make();

  for (let i = 0; i < 3; i++)
    await Promise.all(Array.from({length: 2 * WORKERS}, () => pool.run(null, {name: 'nap'})));
  return pool;
}

function emit(name, unit, value) {
  console.log(JSON.stringify({name: `peer.piscina.${name}`, unit, value}));
}

function median(samples) {
  return samples.sort((a, b) => a - b)[Math.floor((samples.length - 1) / 2)];
}

function readPss() {
  return Number(/^Pss:\s+(\d+)/m.exec(readFileSync('/proc/self/smaps_rollup', 'ascii'))[1]) / 1024;
}

async function time(pool, argument, name) {
  const start = performance.now();

  await pool.run(argument, {name});
  return performance.now() - start;
}

async function countRate(count, argument, name) {
  const pool = await makeWarm();
  const start = performance.now();
  const all = [];

  for (let i = 0; i < count; i++)
    all.push(pool.run(argument, {name}));
  await Promise.all(all);
  const rate = count / (performance.now() - start) * 1e3;
  await pool.destroy();
  return rate;
}

const measurements = {
  async latency(count) {
    const pool = await makeWarm();
    const samples = [];

    for (let i = 0; i < Number(count); i++)
      samples.push(await time(pool, null, 'noop'));
    emit('latency', 'us', median(samples) * 1e3);
    await pool.destroy();
  },

  async rate(count) {
    emit('rate', '1/s', await countRate(Number(count), null, 'noop'));
  },

  async spin(microseconds, count) {
    emit(`spin.${microseconds}`, '1/s',
      await countRate(Number(count), Number(microseconds), 'spin'));
  },

  async start() {
    const start = performance.now();
    const pool = make();
    const all = [pool.run(null, {name: 'noop'}), pool.run(null, {name: 'noop'})];

    await Promise.any(all);
    emit('start', 'ms', performance.now() - start);
    await Promise.all(all);
    await pool.destroy();
  },

  // Threads have no memory of their own to ask for: what the process grows by.
  async pss() {
    const before = readPss();
    const pool = await makeWarm();

    emit('pss', 'MiB', (readPss() - before) / WORKERS);
    await pool.destroy();
  },

  async argument(mib, times) {
    const pool = await makeWarm();
    const data = new Uint8Array(Number(mib) << 20).fill(97);
    const samples = [];

    for (let i = 0; i <= Number(times); i++)
      samples.push(await time(pool, data, 'sink'));
    emit(`argument.${mib}`, 'ms', median(samples.slice(1)));
    await pool.destroy();
  },
};

await measurements[process.argv[2]](...process.argv.slice(3));
