// Something goes in and something comes out: a picture before and after, a sound that goes on, numbers of a picture.

import { examplesOf } from './api.js';
import { controls } from './controls.js';
import { element, latest, savePicture, slider } from './dom.js';
import { keeping, readFile } from './files.js';
import { hasNoise, noiseInputs, simpleInput } from './inputs.js';
import { curves, sound, video } from './media.js';
import { conditions, isShown, isSimple, namesOf, outputOf, words } from './spec.js';
import { newSeed } from './state.js';
import { paint, row, sizeOf } from './tensors.js';

const canBeDropped = (tensor) => tensor.kind === 'image' || tensor.kind === 'audio';

// before and after in one place, parted by a slider
function compared(before, after, label) {
  const range = element('input', { type: 'range', min: 0, max: 100, step: 0.1, value: 50, 'aria-label': label });
  const node = element('div', { class: 'compare' }, after, element('div', { class: 'before' }, before), element('span', { class: 'handle' }), range);
  const set = () => node.style.setProperty('--part', `${range.value}%`);
  range.addEventListener('input', set);
  set();
  return node;
}

// one value as it can be shown
function shown(tensor, array, name, signal) {
  const { shape, data } = array;
  if (tensor.kind === 'image') {
    const canvas = element('canvas', { role: 'img', 'aria-label': name });
    paint(canvas, shape.slice(1), data);
    return canvas;
  }
  if (tensor.kind === 'audio') return sound(tensor, data, name, signal);
  if (tensor.kind === 'video') return video(tensor, data, 0, name, signal);
  const caption = element('strong', {}, words(tensor.name));
  if (data.length <= 12) {
    const unit = tensor.kind === 'nats' ? ' nats' : '';
    return element('p', { class: 'numbers' }, caption, ` ${[...data].map((value) => value.toFixed(3)).join(', ')}${unit}`);
  }
  return element('div', { class: 'numbers' }, caption, curves(tensor.name, shape.slice(1), data));
}

export async function show(context, node) {
  const { state, map, model, name, signal } = context;
  const output = outputOf(map);
  const files = conditions(map).filter((tensor) => !isSimple(tensor));
  const masks = conditions(map).filter((tensor) => tensor.kind === 'mask');
  const held = model.examples[name] ?? [];
  const given = {};
  const own = {};
  let share = 0.5;
  const result = element('div', { class: 'result', id: 'result' });
  const draw = latest(drawNow);
  const keep = slider('Keep', { low: 0.05, high: 0.95, step: 0.05, value: share, show: (n) => `${Math.round(100 * n)} %` },
    (number) => { share = number; draw(); }).node;
  const bar = element('div', { class: 'toolbar' },
    ...(hasNoise(map) ? [element('button', { type: 'button', class: 'primary', id: 'roll', onclick: () => { state.seed = newSeed(); draw(); } }, 'Roll again')] : []),
    ...masks.slice(0, 1).map(() => keep), ...controls(map, state, false, draw));
  const views = {};
  const wells = element('div', { class: 'wells' }, ...files.filter(canBeDropped).map(well));
  const strip = element('div', { class: 'strip', role: 'group', 'aria-label': 'Examples from held-out data' });
  node.append(element('div', { class: 'apply' }, element('div', { class: 'inputs' }, wells, strip, bar), result));

  const canKeep = (mask) => Boolean(own[mask.keeps] || !given[mask.name]);

  function well(tensor) {
    const kind = tensor.kind === 'audio' ? 'sound' : 'picture';
    const input = element('input', { type: 'file', accept: tensor.kind === 'audio' ? 'audio/*' : 'image/*', class: 'file' });
    const take = async (file) => {
      if (!file) return;
      try {
        own[tensor.name] = await readFile(file, tensor, output);
      } catch {
        context.fail(new Error(`cannot read ${file.name}: drop a ${kind}`));
        return;
      }
      strip.querySelectorAll('[aria-pressed=true]').forEach((button) => button.setAttribute('aria-pressed', 'false'));
      draw();
    };
    input.addEventListener('change', () => take(input.files[0]));
    views[tensor.name] = element('span', {});
    const label = element('label', { class: 'well' }, input, views[tensor.name],
      element('span', {}, element('b', {}, words(tensor.name)), element('br'), `Drop a ${kind}, or choose one`));
    label.addEventListener('dragover', (event) => { event.preventDefault(); label.classList.add('over'); });
    label.addEventListener('dragleave', () => label.classList.remove('over'));
    label.addEventListener('drop', (event) => {
      event.preventDefault();
      label.classList.remove('over');
      take(event.dataTransfer.files[0]);
    });
    return label;
  }

  function choose(k, arrays) {
    state.example = k;
    for (const [tensor, array] of Object.entries(arrays)) {
      given[tensor] = row(array, k);
      delete own[tensor];
    }
    strip.querySelectorAll('button').forEach((button, other) => button.setAttribute('aria-pressed', String(other === k)));
    draw();
  }

  async function examples() {
    const wanted = [...files, ...masks].filter((tensor) => held.includes(tensor.name));
    if (!wanted.length) return;
    const arrays = Object.fromEntries(await Promise.all(wanted.map(async (tensor) =>
      [tensor.name, await examplesOf(model, name, tensor.name)])));
    const attributes = conditions(map).filter((tensor) => tensor.kind === 'attributes' && held.includes(tensor.name));
    for (const tensor of attributes) {
      if (state.conditions[tensor.name] !== undefined) continue;
      const set = row(await examplesOf(model, name, tensor.name), 0);
      state.conditions[tensor.name] = namesOf(tensor).filter((_, k) => set.data[k]).join(',');
      bar.querySelector('.chips').replaceWith(...controls(map, state, false, draw).filter((node) => node.matches('.chips')));
    }
    const count = Math.min(...Object.values(arrays).map((array) => array.shape[0]));
    const tensor = wanted.find((one) => one.kind === 'image') ?? wanted[0];
    strip.replaceChildren(...Array.from({ length: count }, (_, k) => {
      const button = element('button', { type: 'button', class: 'small', 'aria-label': `Example ${k + 1}`, onclick: () => choose(k, arrays) });
      if (tensor.kind === 'image') button.append(shown(tensor, row(arrays[tensor.name], k), `Example ${k + 1}`, signal));
      else button.append(`${k + 1}`);
      return button;
    }));
    choose(Math.min(state.example, count - 1), arrays);
  }

  async function drawNow() {
    context.save();
    const inputs = { ...given, ...own };
    const missing = files.find((tensor) => !inputs[tensor.name]);
    if (missing) {
      const way = canBeDropped(missing) ? 'drop one to begin' : `this page cannot make one; send it to /v1/models/${model.name}:${name}`;
      context.status(`${words(missing.name)} is missing: ${way}.`);
      return;
    }
    for (const tensor of files.filter((one) => one.kind === 'image')) {
      views[tensor.name].replaceChildren(shown(tensor, inputs[tensor.name], words(tensor.name), signal));
    }
    keep.hidden = !masks.some(canKeep);
    context.status('Making …');
    try {
      Object.assign(inputs, await noiseInputs(context, 0, 1));
      for (const tensor of conditions(map)) {
        // an example has a mask of its own
        if (tensor.kind === 'mask') inputs[tensor.name] = canKeep(tensor) ? keeping(tensor, share) : given[tensor.name];
        else if (isSimple(tensor)) inputs[tensor.name] = simpleInput(tensor, state.conditions[tensor.name], 0, 1);
      }
      const begun = performance.now();
      const made = await context.run(inputs);
      if (signal.aborted) return;
      present(inputs, made);
      context.fail(null);
      await context.told(inputs, made, (performance.now() - begun) / 1000, 1);
    } catch (error) {
      context.fail(error);
    }
  }

  function present(inputs, made) {
    const source = files.find((tensor) => tensor.kind === 'image');
    const pieces = map.outputs.map((tensor) => shown(tensor, made[tensor.name], `${state.model}: ${words(tensor.name)}`, signal));
    if (output.kind === 'image' && source) {
      const before = shown(source, inputs[source.name], words(source.name), signal);
      const [after] = pieces;
      const old = result.querySelector('input[type=range]')?.value;
      pieces[0] = compared(before, after, 'Before and after');
      const [, height, width] = made[output.name].shape;
      pieces[0].style.setProperty('--ratio', `${width} / ${height}`);
      if (old !== undefined) {
        pieces[0].querySelector('input').value = old;
        pieces[0].style.setProperty('--part', `${old}%`);
      }
      pieces.push(element('div', { class: 'actions' },
        element('button', { type: 'button', onclick: () => savePicture(after, `${state.model}-${name}.png`) }, 'Download PNG')));
    } else if (source && !isShown(output)) {
      pieces.unshift(shown(source, inputs[source.name], words(source.name), signal));
    }
    result.replaceChildren(...pieces);
    result.classList.toggle('tiny', sizeOf(made[output.name].shape.slice(1, 3)) < 128 ** 2);
  }

  try {
    await examples();
  } catch (error) {
    context.fail(error);
  }
  if (!Object.keys(given).length) draw();
}
