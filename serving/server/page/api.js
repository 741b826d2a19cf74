// What is asked of the server: JSON, arrays, and runs of a map. Arrays are {shape, data}.

const KEY = 'genzoo-key';
const RETRIES = 5;
let asking = null;

// one question at a time, however many requests wait for the key; whether one was given
function newKey() {
  asking ??= new Promise((resolve) => {
    const dialog = document.getElementById('key-dialog');
    const field = document.getElementById('key');
    field.value = '';
    dialog.addEventListener('close', () => {
      const key = field.value.trim();
      if (key) sessionStorage.setItem(KEY, key);
      asking = null;
      resolve(Boolean(key));
    }, { once: true });
    dialog.showModal();
  });
  return asking;
}

export async function ask(path, { headers = {}, ...options } = {}) {
  for (let attempt = 0; ; attempt += 1) {
    const key = sessionStorage.getItem(KEY);
    const own = key ? { 'X-API-Key': key } : {};
    const answer = await fetch(path, { ...options, headers: { ...headers, ...own } });
    if (answer.ok) return answer;
    if (answer.status === 401 && await newKey()) continue;
    if (answer.status === 503 && attempt < RETRIES) {
      const seconds = Number(answer.headers.get('retry-after')) || 1;
      await new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
    } else {
      let said = `the server answered ${answer.status}`;
      try { said = (await answer.json()).error ?? said; } catch { /* no JSON: the status must do */ }
      throw new Error(said);
    }
  }
}

export const json = async (path) => (await ask(path)).json();

export const picture = async (path) => URL.createObjectURL(await (await ask(path)).blob());

const pathOf = (model) => `/gallery/${encodeURIComponent(model.name)}/versions/${model.version}`;
export const cardOf = (model) => `${pathOf(model)}/card`;
export const mapPath = (model, map) => `${pathOf(model)}/maps/${map}`;

const TYPES = {
  '<f4': Float32Array, '<f8': Float64Array, '<i4': Int32Array, '|u1': Uint8Array, '|b1': Uint8Array, '<i2': Int16Array,
};

// the array in a .npy file, as numpy's format says: version 1.0, C order
function parseNpy(buffer) {
  const view = new DataView(buffer);
  const length = view.getUint16(8, true);
  const head = new TextDecoder('latin1').decode(new Uint8Array(buffer, 10, length));
  const type = TYPES[/'descr': '([^']+)'/.exec(head)[1]];
  const shape = /'shape': \(([^)]*)\)/.exec(head)[1].split(',').map((side) => side.trim()).filter(Boolean).map(Number);
  return { shape, data: new type(buffer.slice(10 + length)) };
}

const arrays = new Map();

// the array at a path that always holds the same
function npy(path) {
  if (!arrays.has(path)) {
    const made = ask(path).then((answer) => answer.arrayBuffer()).then(parseNpy);
    made.catch(() => arrays.delete(path));
    arrays.set(path, made);
    if (arrays.size > 64) arrays.delete(arrays.keys().next().value);
  }
  return arrays.get(path);
}

export const noiseOf = (model, map, tensor, seed, start, count) =>
  npy(`${mapPath(model, map)}/noise/${tensor}?seed=${seed}&start=${start}&count=${count}`);

export const examplesOf = (model, map, tensor) => npy(`${mapPath(model, map)}/examples/${tensor}`);

const directed = new Map();

export function directionsOf(model, map) {
  const path = `${mapPath(model, map)}/directions`;
  if (!directed.has(path)) {
    const made = json(path);
    made.catch(() => directed.delete(path));
    directed.set(path, made);
  }
  return directed.get(path);
}

const LENGTH = 'inference-header-content-length';

// all outputs of a map by name, by the open inference protocol with binary tensors
export async function infer(model, map, inputs) {
  const names = Object.keys(inputs);
  const head = new TextEncoder().encode(JSON.stringify({
    parameters: { binary_data_output: true },
    inputs: names.map((name) => ({
      name,
      datatype: inputs[name].data instanceof Int32Array ? 'INT32' : 'FP32',
      shape: inputs[name].shape,
      parameters: { binary_data_size: inputs[name].data.byteLength },
    })),
  }));
  const path = `/v2/models/${encodeURIComponent(`${model.name}:${map}`)}/versions/${model.version}/infer`;
  const body = new Blob([head, ...names.map((name) => inputs[name].data)]);
  const answer = await ask(path, { method: 'POST', body, headers: { [LENGTH]: String(head.length) } });
  const buffer = await answer.arrayBuffer();
  const length = Number(answer.headers.get(LENGTH));
  const told = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 0, length)));
  const made = {};
  let place = length;
  for (const output of told.outputs) {
    const size = output.parameters.binary_data_size;
    const type = output.datatype === 'INT32' ? Int32Array : Float32Array;
    made[output.name] = { shape: output.shape, data: new type(buffer.slice(place, place + size)) };
    place += size;
  }
  return made;
}
