// What a map's description says of how it can be shown.

export const isNoise = (tensor) => tensor.role === 'normal' || tensor.role === 'uniform';
export const noises = (map) => map.inputs.filter(isNoise);
export const conditions = (map) => map.inputs.filter((tensor) => !isNoise(tensor));
export const outputOf = (map) => map.outputs[0];
export const words = (name) => name.replaceAll('_', ' ');
export const isFree = (tensor) => Boolean(tensor.multiple || tensor.follows);

// a condition that a control sets: a class, attributes or one number
export const isSimple = (tensor) =>
  (tensor.kind === 'class' && tensor.low !== undefined && tensor.high !== undefined)
  || tensor.kind === 'attributes' || tensor.kind === 'mask' || (tensor.kind === 'latent' && !tensor.shape.length);

// an output that can be seen or heard
export const isShown = (tensor) => ['image', 'video', 'audio'].includes(tensor.kind)
  || (tensor.kind === 'point' && tensor.shape[0] === 2);

// "samples": a grid of what a seed makes; "apply": something goes in and something comes out
export const wayOf = (map) =>
  (isShown(outputOf(map)) && conditions(map).every((tensor) => isSimple(tensor) && tensor.kind !== 'mask')
    ? 'samples' : 'apply');

// how many samples a grid has: fewer where each is large or a sound
export function gridOf(map) {
  const output = outputOf(map);
  if (output.kind === 'point') return 512;
  if (output.kind === 'audio') return 4;
  if (output.kind === 'video') return 6;
  return Math.max(...output.shape.slice(0, 2)) > 128 ? 8 : 24;
}

export const classesOf = (tensor) => Array.from({ length: tensor.high - tensor.low + 1 }, (_, k) =>
  ({ number: tensor.low + k, name: tensor.names?.[k] ?? String(tensor.low + k) }));

// the attributes that exclude this one
export const rivals = (tensor, name) =>
  (tensor.exclusive ?? []).filter((group) => group.includes(name)).flat().filter((other) => other !== name);

export const namesOf = (tensor) => tensor.names ?? Array.from({ length: tensor.shape[0] }, (_, k) => `${k}`);
