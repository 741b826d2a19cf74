// The inputs of a map: noise of the seed, classes in turn or as chosen, other conditions as the controls say.

import { noiseOf } from './api.js';
import { conditions, namesOf, noises } from './spec.js';

// where nothing was chosen: 1, or the nearest that the number may be
export const usual = (tensor) => Math.min(tensor.high ?? Infinity, Math.max(tensor.low ?? -Infinity, 1));

// one simple condition of the samples `start` to `start + count - 1`
function simple(tensor, chosen, start, count) {
  if (tensor.kind === 'class') {
    const classes = tensor.high - tensor.low + 1;
    const inTurn = chosen === undefined || chosen === '';
    const own = tensor.names?.indexOf(chosen) ?? -1;
    const number = own >= 0 ? tensor.low + own : Math.min(tensor.high, Math.max(tensor.low, Number(chosen) || 0));
    return Int32Array.from({ length: count }, (_, k) => (inTurn ? tensor.low + ((start + k) % classes) : number));
  }
  if (tensor.kind === 'attributes') {
    const present = (chosen ?? '').split(',');
    const one = namesOf(tensor).map((name) => Number(present.includes(name)));
    return Int32Array.from({ length: count * one.length }, (_, k) => one[k % one.length]);
  }
  return new Float32Array(count).fill(chosen === undefined || chosen === '' ? usual(tensor) : Number(chosen));
}

export const simpleInput = (tensor, chosen, start, count) =>
  ({ shape: [count, ...tensor.shape], data: simple(tensor, chosen, start, count) });

export async function noiseInputs({ model, name, map, state }, start, count) {
  const drawn = await Promise.all(noises(map).map((tensor) => noiseOf(model, name, tensor.name, state.seed, start, count)));
  return Object.fromEntries(noises(map).map((tensor, k) => [tensor.name, drawn[k]]));
}

export async function inputsOf(context, start, count) {
  const made = await noiseInputs(context, start, count);
  for (const tensor of conditions(context.map)) {
    made[tensor.name] = simpleInput(tensor, context.state.conditions[tensor.name], start, count);
  }
  return made;
}

export const hasNoise = (map) => noises(map).length > 0;
