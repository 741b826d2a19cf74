// Maps in this browser: their ONNX files in onnxruntime-web, by WebGPU where there is one, else by WebAssembly.

import { ask, mapPath } from './api.js';
import { sizeOf } from './tensors.js';

const RUNTIME = '/page/runtime/';
const MOST_THREADS = 4;
let starting = null;
let queue = Promise.resolve();
const sessions = new Map();

// a real one: what stands in for it on the processor is slower than WebAssembly
async function hasGpuAdapter() {
  const adapter = await navigator.gpu?.requestAdapter();
  return Boolean(adapter) && !adapter.info.isFallbackAdapter;
}

async function start(engines) {
  const hasGpu = engines.includes('webgpu') && await hasGpuAdapter();
  const ort = await import(`${RUNTIME}${hasGpu ? 'ort.webgpu.min.mjs' : 'ort.wasm.min.mjs'}`);
  ort.env.wasm.wasmPaths = RUNTIME;
  ort.env.wasm.numThreads = crossOriginIsolated ? Math.min(MOST_THREADS, navigator.hardwareConcurrency || 1) : 1;
  ort.env.logLevel = 'error';
  return { ort, providers: hasGpu ? ['webgpu', 'wasm'] : ['wasm'], name: hasGpu ? 'WebGPU' : 'WebAssembly' };
}

export function begin(engines) {
  starting ??= start(engines);
  starting.catch(() => { starting = null; });
  return starting;
}

function sessionOf(runtime, model, name) {
  const path = `${mapPath(model, name)}/onnx`;
  if (!sessions.has(path)) {
    const made = ask(path).then((answer) => answer.arrayBuffer()).then((bytes) =>
      runtime.ort.InferenceSession.create(bytes, { executionProviders: runtime.providers, logSeverityLevel: 3 }));
    made.catch(() => sessions.delete(path));
    sessions.set(path, made);
  }
  return sessions.get(path);
}

// mirrored beyond the right and lower edge up to sides that the map takes, as the server does
function padded(tensor, array) {
  const [count, height, width, channels] = array.shape;
  const side = (length) => tensor.multiple * Math.ceil(Math.max(length, tensor.least ?? 0, 1) / tensor.multiple);
  const [down, across] = [side(height), side(width)];
  if (down === height && across === width) return array;
  const mirrored = (place, length) => {
    const turned = place % (2 * length);
    return turned < length ? turned : 2 * length - 1 - turned;
  };
  const data = new Float32Array(count * down * across * channels);
  let place = 0;
  for (let k = 0; k < count; k += 1) {
    for (let y = 0; y < down; y += 1) {
      for (let x = 0; x < across; x += 1) {
        const from = ((k * height + mirrored(y, height)) * width + mirrored(x, width)) * channels;
        for (let c = 0; c < channels; c += 1) data[place++] = array.data[from + c];
      }
    }
  }
  return { shape: [count, down, across, channels], data };
}

// what follows a picture, without what follows its padding
function cropped(tensor, map, inputs, array) {
  if (!tensor.follows) return array;
  const source = map.inputs.find((other) => other.name === tensor.follows);
  const wanted = [1, 2].map((axis) => inputs[source.name].shape[axis] * tensor.shape[axis - 1] / source.shape[axis - 1]);
  const [count, height, width, channels] = array.shape;
  if (height === wanted[0] && width === wanted[1]) return array;
  const shape = [count, ...wanted, channels];
  const data = new Float32Array(sizeOf(shape));
  for (let k = 0; k < count; k += 1) {
    for (let y = 0; y < wanted[0]; y += 1) {
      const from = ((k * height + y) * width) * channels;
      data.set(array.data.subarray(from, from + wanted[1] * channels), ((k * wanted[0] + y) * wanted[1]) * channels);
    }
  }
  return { shape, data };
}

async function runNow(engines, model, name, inputs) {
  const runtime = await begin(engines);
  const session = await sessionOf(runtime, model, name);
  const map = model.maps[name];
  const feeds = {};
  for (const tensor of map.inputs) {
    const array = tensor.multiple ? padded(tensor, inputs[tensor.name]) : inputs[tensor.name];
    const type = array.data instanceof Int32Array ? 'int32' : 'float32';
    feeds[tensor.name] = new runtime.ort.Tensor(type, array.data, array.shape);
  }
  const made = await session.run(feeds);
  return Object.fromEntries(map.outputs.map((tensor) => {
    const { dims, data } = made[tensor.name];
    return [tensor.name, cropped(tensor, map, inputs, { shape: [...dims], data })];
  }));
}

// a session runs one thing at a time
export function run(engines, model, name, inputs) {
  const made = queue.then(() => runNow(engines, model, name, inputs));
  queue = made.catch(() => {});
  return made;
}
