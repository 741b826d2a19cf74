// The way between picked samples: along the arc from each to the next.

import * as detail from './detail.js';
import { element, latest, savePicture, slider } from './dom.js';
import { isNoise, outputOf } from './spec.js';
import { between, paint, row } from './tensors.js';

const SPEED = 0.5; // picks a second

// the inputs at `at`, between the picks at its whole parts; classes are those of the nearer one
function inputsAt(context, drawn, at) {
  const { picks } = context.state;
  const first = Math.min(Math.floor(at), picks.length - 2);
  const t = at - first;
  const made = {};
  for (const tensor of context.map.inputs) {
    const array = drawn.inputs[tensor.name];
    const [begin, end] = [row(array, picks[first]), row(array, picks[first + 1])];
    made[tensor.name] = isNoise(tensor)
      ? { shape: begin.shape, data: between(tensor, begin.data, end.data, t) }
      : t < 0.5 ? begin : end;
  }
  return made;
}

export function open(context, drawn) {
  const { state, map } = context;
  const output = outputOf(map);
  const last = state.picks.length - 1;
  const canvas = element('canvas', { class: 'large', role: 'img', 'aria-label': 'Between the picked samples' });
  const draw = latest(async (at) => {
    state.at = Math.round(at * 100) / 100;
    context.save();
    try {
      const made = await context.run(inputsAt(context, drawn, state.at));
      paint(canvas, output.shape, made[output.name].data);
    } catch (error) {
      context.fail(error);
    }
  });
  const at = Math.min(last, Math.max(0, state.at ?? 0));
  const scrubber = slider('Between', { low: 0, high: last, step: 0.01, value: at, show: (n) => n.toFixed(2) }, draw);
  const ends = element('div', { class: 'ends' }, ...state.picks.map((pick, k) => {
    const small = element('canvas', { role: 'img', 'aria-label': `Sample ${pick}` });
    paint(small, output.shape, row(drawn.made[output.name], pick).data);
    const go = () => { scrubber.set(k); draw(k); };
    return element('button', { type: 'button', class: 'small', 'aria-label': `Go to sample ${pick}`, onclick: go }, small);
  }));
  const play = element('button', { type: 'button', class: 'primary' }, 'Play');
  let begun = 0;
  const turn = (time) => {
    if (!begun) return;
    const place = ((time - begun) / 1000 * SPEED) % (2 * last);
    const where = place > last ? 2 * last - place : place; // there and back
    scrubber.set(where);
    draw(where);
    requestAnimationFrame(turn);
  };
  const stop = () => { begun = 0; play.textContent = 'Play'; };
  play.addEventListener('click', () => {
    if (begun) return stop();
    begun = performance.now() - 1000 * Number(scrubber.input.value) / SPEED;
    play.textContent = 'Pause';
    requestAnimationFrame(turn);
    return undefined;
  });
  scrubber.input.addEventListener('pointerdown', stop);
  const download = () => savePicture(canvas, `${state.model}-${state.seed}-between.png`);
  const actions = element('div', { class: 'actions' }, play,
    element('button', { type: 'button', onclick: download }, 'Download PNG'),
    element('button', { type: 'button', onclick: () => context.share() }, 'Copy link'));
  const side = element('div', { class: 'side' },
    element('p', { class: 'about' }, 'Drag from one picked sample to the next.'), scrubber.node, ends, actions);
  detail.open(`Between ${state.picks.length} samples of seed ${state.seed}`, [element('div', { class: 'stage' }, canvas), side],
    () => { stop(); state.at = null; context.save(); });
  scrubber.input.focus();
  draw(at);
}
