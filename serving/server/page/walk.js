// One sample, and the walk through its latent along principal directions.

import { directionsOf } from './api.js';
import * as detail from './detail.js';
import { element, latest, savePicture, slider } from './dom.js';
import { outputOf } from './spec.js';
import { paint, row, walked } from './tensors.js';

const SHOWN = 8;
const FAR = 4; // standard deviations

const rowsOf = (inputs, k) => Object.fromEntries(Object.entries(inputs).map(([name, array]) => [name, row(array, k)]));

// `drawn` holds the inputs and the outputs of the grid
export async function open(context, drawn, k) {
  const { state, map } = context;
  const output = outputOf(map);
  const canvas = element('canvas', { class: 'large', role: 'img', 'aria-label': `Sample ${k} of seed ${state.seed}` });
  const [inputs, made] = [rowsOf(drawn.inputs, k), row(drawn.made[output.name], k)];
  paint(canvas, output.shape, made.data);
  const side = element('div', { class: 'side' });
  const title = `Sample ${k} of seed ${state.seed}`;
  const download = element('button', {
    type: 'button', onclick: () => savePicture(canvas, `${state.model}-${state.seed}-${k}.png`),
  }, 'Download PNG');
  const link = element('button', { type: 'button', onclick: () => context.share() }, 'Copy link');
  const actions = element('div', { class: 'actions' }, download, link);
  state.sample = k;
  context.save();
  detail.open(title, [element('div', { class: 'stage' }, canvas), side], () => {
    state.sample = null;
    state.walk = [];
    context.save();
  });
  side.append(actions);
  const tensor = map.inputs.find((one) => one.name === map.walk);
  if (!tensor) return;
  const note = element('p', { class: 'about' }, 'Looking for the directions along which the picture changes most …');
  side.prepend(note);
  try {
    const directions = await directionsOf(context.model, context.name);
    note.textContent = 'Along the directions that change the picture most, in standard deviations:';
    side.insertBefore(sliders(context, canvas, inputs, tensor, directions), actions);
  } catch (error) {
    note.textContent = error.message;
  }
}

function sliders(context, canvas, inputs, tensor, directions) {
  const { state, map } = context;
  const output = outputOf(map);
  const count = Math.min(SHOWN, directions.vectors.length);
  const amounts = Array.from({ length: count }, (_, k) => Math.min(FAR, Math.max(-FAR, state.walk[k] ?? 0)));
  const begin = inputs[tensor.name];
  const draw = latest(async () => {
    state.walk = [...amounts];
    context.save();
    const moved = { shape: begin.shape, data: walked(tensor, begin.data, directions, amounts) };
    try {
      const made = await context.run({ ...inputs, [tensor.name]: moved });
      paint(canvas, output.shape, made[output.name].data);
    } catch (error) {
      context.fail(error);
    }
  });
  const made = amounts.map((amount, k) => slider(`Direction ${k + 1}`, { low: -FAR, high: FAR, step: 0.1, value: amount },
    (value) => { amounts[k] = value; draw(); }));
  const reset = element('button', {
    type: 'button', class: 'quiet', onclick: () => { amounts.fill(0); made.forEach((one) => one.set(0)); draw(); },
  }, 'Back to the sample');
  if (amounts.some(Boolean)) draw();
  return element('div', { class: 'sliders' }, ...made.map((one) => one.node), reset);
}
